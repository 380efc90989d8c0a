# SPDX-License-Identifier: GPL-2.0-only
"""Bugs that hugetlb once had, each put back into the present design: see
model/designs/bug.py. `Before0919e1b69ab4` is hugetlb without the commit
0919e1b69ab4. Each file is about one part of the kernel; lacking.py has those that
the model cannot show yet, others.py those that are no fix's."""
