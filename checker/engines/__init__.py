# SPDX-License-Identifier: GPL-2.0-only
"""Engines: each decides some kinds of property. registry.py names them all."""
