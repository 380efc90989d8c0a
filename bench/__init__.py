"""The reference model, and how fast it is searched here and elsewhere."""
