# SPDX-License-Identifier: GPL-2.0-only
"""Designs that exercise one building block by itself, or the kernel around a
pool."""
