"""Designs that exercise one building block by itself, or the kernel around a
pool."""
