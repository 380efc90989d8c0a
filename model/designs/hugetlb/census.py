# SPDX-License-Identifier: GPL-2.0-only
"""hugetlb in the words of the questions that are asked of every pool."""

from poolproof.model.designs.hugetlb.administration import Resizing
from poolproof.model.designs.hugetlb.names import FILES, HUGETLBFS, NODES, VMAS
from poolproof.model.designs.hugetlb.policies import Policies
from poolproof.model.language import observer


class Census(Policies, Resizing):
    """The observers that specs/questions/ need, by the kernel's own counters and by the
    pages themselves."""

    @observer
    def total(self):
        """Return HugePages_Total."""
        return self.h.nr_huge_pages()

    @observer
    def free_blocks(self):
        """Return HugePages_Free, without pages that have a memory error."""
        return sum(self.h.usable(n) for n in NODES)

    @observer
    def promised(self):
        """Return HugePages_Rsvd."""
        return self.h.resv_huge_pages

    @observer
    def used(self):
        """Return HugePages_Rsvd, the pages that users have, and those that I/O still
        holds. Q8 compares it with HugePages_Free; it is not the difference between that
        and the total."""
        return self.h.resv_huge_pages + self.populated() + self.in_limbo()

    @observer
    def populated(self):
        """Return the number of huge pages in page tables or in a page cache."""
        return sum(self.in_use(n) for n in NODES)

    @observer
    def entitled(self):
        """Return the huge pages that are populated, and those that owners of private
        mappings and files were promised and have not had."""
        promised = sum(self.unconsumed(v) for v in VMAS)
        if HUGETLBFS:
            promised += sum(self.accounted(f) - self.instantiated(f) for f in FILES)
        return self.populated() + promised

    @observer
    def borrowed(self):
        """Return 0, the number of blocks on loan: a page of the pool is hugetlb's, idle
        or not."""
        return 0

    @observer
    def foreign(self):
        """Return the number of pages that are not free, and that neither a user has,
        nor I/O on a former user's memory."""
        return (
            self.h.nr_huge_pages()
            - self.h.free_huge_pages()
            - self.populated()
            - self.in_limbo()
        )

    @observer
    def small(self):
        """Return 0, the number of huge pages that are mapped in parts:
        hugetlb_vm_op_split() and mm/mremap.c refuse an address that is not aligned."""
        return 0

    @observer
    def swapped(self):
        """Return 0, the number of huge pages in swap: they are on no LRU list."""
        return 0

    @observer
    def kinds(self):
        """Return the number of kinds of consumers that have a page: hugetlb's own is
        the only one."""
        return 1 if self.populated() > 0 else 0

    @observer
    def idle(self):
        """Return whether there is no mapping, no data in files and no I/O under way."""
        quiet = all(self.vm_mm[v] is None for v in VMAS) and self.in_limbo() == 0
        if HUGETLBFS:
            quiet = quiet and all(self.accounted(f) == 0 for f in FILES)
        return quiet
