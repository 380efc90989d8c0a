"""Designs that ask about one building block by itself, or about the
kernel around a pool."""
