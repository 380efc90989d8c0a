"""The model asked the same as a real kernel, answer by answer."""
