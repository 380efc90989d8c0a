# SPDX-License-Identifier: GPL-2.0-only
"""VMAs and the system calls that change them: mm/vma.c, mm/mremap.c."""
