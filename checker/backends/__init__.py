"""The IR in other languages: one backend per file."""
