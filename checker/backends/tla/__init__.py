# SPDX-License-Identifier: GPL-2.0-only
"""A system as a module for TLC: expressions.py has the algebra, module.py the rest.
Lamport, "Specifying Systems" (2002), is the reference of the language."""
