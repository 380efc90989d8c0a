# SPDX-License-Identifier: GPL-2.0-only
"""Bugs that the kernel's parts besides hugetlb once had: see model/designs/bug.py."""
