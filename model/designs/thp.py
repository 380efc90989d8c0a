# SPDX-License-Identifier: GPL-2.0-only
"""Transparent huge pages, without any pool: mm/huge_memory.c of Linux 6.12.

Modelled: a machine of pageblocks of two base pages, in which other users'
pages may be anywhere; faults that take a free block, or one that compaction
can empty, else base pages; khugepaged; munmap. Features: swap of whole folios,
which come back as base pages; splits of parts (``partial``).
Left out: nodes and their order, defrag modes (compaction is tried always),
mTHP, memcg, the shrinker for partly mapped folios, fragmented swap, fork (its
copy-on-write is in reserved_thp.py). Nothing is promised: few of the common
questions apply.
"""

from enum import Enum

from poolproof.model.designs.names import BLOCKS, OK, OOM, SLOTS, SWAP_ON, Errno, V
from poolproof.model.language import (
    Design,
    Feature,
    Int,
    Scalarset,
    action,
    observer,
    require,
    table,
    var,
)


class Backing(Enum):
    """What is behind one aligned range of a huge page's size."""

    UNMAPPED = 0
    NONE = 1
    HUGE = 2
    SMALL = 3
    SWAP = 4


UNMAPPED, NONE, HUGE, SMALL, SWAP = Backing

K = 2

RANGES = Scalarset("RANGES", V, prefix="v")

PARTIAL = Feature("partial", False, "MADV_DONTNEED of a part")


class Thp(Design):
    """Plain THP: huge where it can be had."""

    backing = table(RANGES, Backing)
    others = var(Int(0, BLOCKS * K), init=0, doc="base pages of other users")
    spoilt = var(Int(0, BLOCKS), init=0, doc="blocks with an unmovable page")
    slots = var(Int(0, SLOTS), init=SLOTS, when=SWAP_ON)

    @observer
    def huge(self):
        return sum(1 for r in RANGES if self.backing[r] == HUGE)

    @observer
    def free_pages(self):
        return BLOCKS * K - K * (self.huge() + self.small()) - self.others

    @observer
    def small(self):
        """Ranges that are mapped by base pages."""
        return sum(1 for r in RANGES if self.backing[r] == SMALL)

    @observer
    def swapped(self):
        return sum(1 for r in RANGES if self.backing[r] == SWAP)

    @observer
    def borrowed(self):
        """Blocks' worth of memory that others use: all memory is for all."""
        return self.others // K

    def compactable(self):
        """Whether a block is free, or can be emptied: it has no unmovable
        page, and its pages have room elsewhere."""
        return self.free_pages() >= K and self.huge() + self.spoilt < BLOCKS

    @action(kernel="mm/mmap.c:do_mmap")
    def mmap(self, range_: RANGES):
        require(self.backing[range_] == UNMAPPED)
        self.backing[range_] = NONE

    @action(kernel="mm/huge_memory.c:do_huge_pmd_anonymous_page")
    def fault(self, range_: RANGES) -> Errno:
        """Huge, else small, else the OOM killer."""
        require(self.backing[range_] == NONE)
        if self.compactable():
            self.backing[range_] = HUGE
        elif self.free_pages() >= K:
            self.backing[range_] = SMALL
        else:
            return OOM
        return OK

    @action(kernel="mm/khugepaged.c:collapse_huge_page")
    def collapse(self, range_: RANGES):
        require(self.backing[range_] == SMALL and self.compactable())
        self.backing[range_] = HUGE

    @action(kernel="mm/madvise.c:madvise_dontneed_free", when=PARTIAL)
    def dontneed(self, range_: RANGES):
        """A part is unmapped and touched again: base pages."""
        require(self.backing[range_] == HUGE)
        self.backing[range_] = SMALL

    @action(kernel="mm/vma.c:vms_complete_munmap_vmas")
    def unmap(self, range_: RANGES):
        require(self.backing[range_] != UNMAPPED)
        if self.backing[range_] == SWAP:
            self.slots += 1
        self.backing[range_] = UNMAPPED

    @action(kernel="mm/vmscan.c:shrink_folio_list", when=SWAP_ON)
    def swap_out(self, range_: RANGES):
        require(self.backing[range_] in {HUGE, SMALL} and self.slots > 0)
        self.slots -= 1
        self.backing[range_] = SWAP

    @action(kernel="mm/memory.c:do_swap_page", when=SWAP_ON)
    def swap_in(self, range_: RANGES) -> Errno:
        """In base pages."""
        require(self.backing[range_] == SWAP)
        if self.free_pages() < K:
            return OOM
        self.slots += 1
        self.backing[range_] = SMALL
        return OK

    @action(kernel="mm/page_alloc.c:__alloc_pages_noprof")
    def other_alloc(self):
        """Another user's page; it can be moved."""
        require(self.free_pages() > 0)
        self.others += 1

    @action(kernel="mm/page_alloc.c:__rmqueue_steal")
    def other_pollute(self):
        """... or it cannot, and lies in a block of its own."""
        require(self.free_pages() > 0 and self.spoilt + self.huge() < BLOCKS)
        self.others += 1
        self.spoilt += 1

    @action(kernel="mm/page_alloc.c:free_unref_folios")
    def other_free(self):
        require(self.others > self.spoilt)
        self.others -= 1
