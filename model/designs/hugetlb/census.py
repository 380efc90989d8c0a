# SPDX-License-Identifier: GPL-2.0-only
"""hugetlb in the words of the questions that are asked of every pool."""

from poolproof.model.designs.hugetlb.administration import Resizing
from poolproof.model.designs.hugetlb.names import FILES, HUGETLBFS, NODES, VMAS
from poolproof.model.designs.hugetlb.policies import Policies
from poolproof.model.language import observer


class Census(Policies, Resizing):
    """What specs/questions/ asks of a pool, of the kernel's own counters and of
    the pages themselves."""

    @observer
    def total(self):
        """HugePages_Total."""
        return self.h.nr_huge_pages()

    @observer
    def free_blocks(self):
        """HugePages_Free, without those that a memory error has spoilt."""
        return sum(self.h.usable(n) for n in NODES)

    @observer
    def promised(self):
        """HugePages_Rsvd."""
        return self.h.resv_huge_pages

    @observer
    def used(self):
        """HugePages_Rsvd, what users have, and what I/O still holds: not what is
        missing from HugePages_Free, which Q8 compares with it."""
        return self.h.resv_huge_pages + self.populated() + self.in_limbo()

    @observer
    def populated(self):
        """Huge pages in page tables or in a page cache."""
        return sum(self.in_use(n) for n in NODES)

    @observer
    def entitled(self):
        """What owners of private mappings and files were promised and have not
        had, and all that is populated."""
        promised = sum(self.unconsumed(v) for v in VMAS)
        if HUGETLBFS:
            promised += sum(self.accounted(f) - self.instantiated(f) for f in FILES)
        return self.populated() + promised

    @observer
    def borrowed(self):
        """Blocks on loan: a page of the pool is hugetlb's, idle or not."""
        return 0

    @observer
    def foreign(self):
        """Pages that are not free, and that no user has, nor I/O on a former
        user's."""
        return (
            self.h.nr_huge_pages()
            - self.h.free_huge_pages()
            - self.populated()
            - self.in_limbo()
        )

    @observer
    def small(self):
        """Huge pages that are mapped in parts: hugetlb_vm_op_split() and
        mm/mremap.c refuse what is not aligned."""
        return 0

    @observer
    def swapped(self):
        """Huge pages in swap: they are on no LRU list."""
        return 0

    @observer
    def kinds(self):
        """Kinds of consumers that have a page: hugetlb's own is the only one."""
        return 1 if self.populated() > 0 else 0

    @observer
    def idle(self):
        """No mapping, no data in files, no I/O under way."""
        quiet = all(self.vm_mm[v] is None for v in VMAS) and self.in_limbo() == 0
        if HUGETLBFS:
            quiet = quiet and all(self.accounted(f) == 0 for f in FILES)
        return quiet
