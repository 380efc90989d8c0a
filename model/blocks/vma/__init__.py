"""VMAs and the system calls that change them: mm/vma.c, mm/mremap.c."""
