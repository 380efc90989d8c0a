# SPDX-License-Identifier: GPL-2.0-only
"""A system as a model for SPIN: expressions.py has the algebra, program.py the
rest. Holzmann, "The SPIN Model Checker" (2003), is the reference of the language."""
