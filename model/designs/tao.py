# SPDX-License-Identifier: GPL-2.0-only
"""TAO: ZONE_NOSPLIT and ZONE_NOMERGE, Yu Zhao, February 2024.

Source: 20240229183436.4110845-2-yuzhao@google.com, and its LWN coverage.
Modelled: one policy zone with a minimum order of one huge page, next to
ordinary memory of base pages. Any movable request of that order may use the
zone: there is no owner, no quota and no promise. A folio of the zone that
would have to be split is shattered: its pages in use are migrated to base
pages outside, and the huge page is whole again; where there is no room, the
split fails and nothing changes. Features: ``partial`` (unmapping of parts),
``swap`` (whole, or shattered page by page).
Left out: ZONE_NOMERGE and its vmemmap saving, several orders, the fallback
among policy zones, nodes, memcg, compaction inside the zone.
"""

from enum import Enum

from poolproof.model.designs.names import (
    BLOCKS,
    EBUSY,
    OK,
    OOM,
    SLOTS,
    SWAP_ON,
    Errno,
    V,
)
from poolproof.model.language import (
    Bound,
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
    """A huge page of the zone."""
    PARTLY = 3
    """... of which a part is unmapped: the split waits for memory."""
    SMALL = 4
    SWAP = 5


UNMAPPED, NONE, HUGE, PARTLY, SMALL, SWAP = Backing

OUTSIDE = Bound("outside", 1, doc="memory outside, in huge pages' worth")

RANGES = Scalarset("RANGES", V, prefix="v")

PARTIAL = Feature("partial", False, "unmapping of parts")


class Tao(Design):
    """A zone whose huge pages are never split."""

    free = var(Int(0, BLOCKS), init=BLOCKS, doc="free huge pages of the zone")
    guests = var(Int(0, BLOCKS), init=0, doc="huge pages of other movable users")
    outside = var(Int(0, OUTSIDE), init=OUTSIDE, doc="free memory outside")
    strangers = var(Int(0, OUTSIDE), init=0, doc="memory outside that others use")
    backing = table(RANGES, Backing)
    slots = var(Int(0, SLOTS), init=SLOTS, when=SWAP_ON)

    @observer
    def total(self):
        return BLOCKS

    @observer
    def free_blocks(self):
        return self.free

    @observer
    def populated(self):
        return sum(1 for r in RANGES if self.backing[r] in {HUGE, PARTLY})

    @observer
    def borrowed(self):
        """Huge pages of other movable users, who have the same right."""
        return self.guests

    @observer
    def foreign(self):
        """Pages of the zone in folios below its order: no request gets one."""
        return self.total() - self.free - self.guests - self.populated()

    @observer
    def small(self):
        return sum(1 for r in RANGES if self.backing[r] == SMALL)

    @observer
    def swapped(self):
        return sum(1 for r in RANGES if self.backing[r] == SWAP)

    @action(kernel="mm/mmap.c:do_mmap")
    def mmap(self, range_: RANGES):
        require(self.backing[range_] == UNMAPPED)
        self.backing[range_] = NONE

    @action(kernel="mm/huge_memory.c:do_huge_pmd_anonymous_page")
    def fault(self, range_: RANGES) -> Errno:
        """From the zone, else base pages outside."""
        require(self.backing[range_] == NONE)
        if self.free > 0:
            self.free -= 1
            self.backing[range_] = HUGE
        elif self.outside > 0:
            self.outside -= 1
            self.backing[range_] = SMALL
        else:
            return OOM
        return OK

    @action(kernel="mm/page_alloc.c:get_page_from_freelist")
    def guest(self):
        """Another movable request of the order takes a huge page."""
        require(self.free > 0)
        self.free -= 1
        self.guests += 1

    @action(kernel="mm/page_alloc.c:free_unref_folios")
    def guest_leaves(self):
        require(self.guests > 0)
        self.guests -= 1
        self.free += 1

    @action(kernel="mm/page_alloc.c:get_page_from_freelist")
    def stranger(self):
        """Others use memory outside the zone."""
        require(self.outside > 0)
        self.outside -= 1
        self.strangers += 1

    @action(kernel="mm/page_alloc.c:free_unref_folios")
    def stranger_leaves(self):
        require(self.strangers > 0)
        self.strangers -= 1
        self.outside += 1

    @action(kernel="mm/madvise.c:madvise_dontneed_free", when=PARTIAL)
    def unmap_part(self, range_: RANGES):
        require(self.backing[range_] == HUGE)
        self.backing[range_] = PARTLY

    @action(kernel="mm/huge_memory.c:split_folio_to_list", when=PARTIAL)
    def shatter(self, range_: RANGES) -> Errno:
        """The pages in use move out, and the huge page is free again."""
        require(self.backing[range_] == PARTLY)
        if self.outside == 0:
            return EBUSY
        self.outside -= 1
        self.free += 1
        self.backing[range_] = SMALL
        return OK

    def drop(self, range_):
        if self.backing[range_] in {HUGE, PARTLY}:
            self.free += 1
        elif self.backing[range_] == SMALL:
            self.outside += 1

    @action(kernel="mm/vma.c:vms_complete_munmap_vmas")
    def unmap(self, range_: RANGES):
        require(self.backing[range_] != UNMAPPED)
        self.drop(range_)
        if self.backing[range_] == SWAP:
            self.slots += 1
        self.backing[range_] = UNMAPPED

    @action(kernel="mm/vmscan.c:shrink_folio_list", when=SWAP_ON)
    def swap_out(self, range_: RANGES):
        require(self.backing[range_] in {HUGE, SMALL} and self.slots > 0)
        self.drop(range_)
        self.slots -= 1
        self.backing[range_] = SWAP

    @action(kernel="mm/memory.c:do_swap_page", when=SWAP_ON)
    def swap_in(self, range_: RANGES) -> Errno:
        """In base pages."""
        require(self.backing[range_] == SWAP)
        if self.outside == 0:
            return OOM
        self.outside -= 1
        self.slots += 1
        self.backing[range_] = SMALL
        return OK
