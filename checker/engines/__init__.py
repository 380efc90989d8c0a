"""Engines: each decides some kinds of property. registry.py names them all."""
