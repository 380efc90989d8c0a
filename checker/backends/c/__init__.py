"""The IR as C."""
