# SPDX-License-Identifier: GPL-2.0-only
"""Two zones of a node, their watermarks and reserves, and a pool in the upper one.

mm/page_alloc.c:__zone_watermark_ok, setup_per_zone_lowmem_reserve, v6.12. A request
that may use the upper zone falls back to the lower one only while that keeps
lowmem_reserve[] on top of its watermark: what the upper zones manage, divided by
sysctl_lowmem_reserve_ratio. A pool that is grown at runtime, of hugetlb or as
pageblocks of a type, is managed like other memory. As posted, the watermark of an
ordinary request leaves free blocks of Reserved THP out, and so does kswapd, which calls
the same function; NR_FREE_PAGES and MemAvailable do not
(mm/show_mem.c:si_mem_available).

Modelled: others' pages, one by one; the pool's users; kswapd's question. Left out:
reclaim itself, the boosted watermark, order above 0, zones of other nodes.
"""

from typing import Any

from poolproof.model.blocks.errno import ENOMEM, OK, Errno
from poolproof.model.language import (
    Bool,
    Bound,
    Design,
    Feature,
    Int,
    action,
    observer,
    require,
    var,
)

LOWER = Bound("lower", 4, doc="pages of the lower zone, ZONE_DMA32")
UPPER = Bound("upper", 6, doc="pages of the upper zone, ZONE_NORMAL")
POOL: Any = Bound("pool", 4, doc="pages of the pool, of those of the upper zone")
RATIO: Any = Bound("ratio", 2, doc="sysctl_lowmem_reserve_ratio of the lower zone")
MARK = Bound("mark", 0, least=0, doc="min, low and high watermark of each zone")

SUBTRACTED = Feature("subtracted", doc="watermarks leave free reserved blocks out")


class Zones(Design):
    """Two zones beside hugetlb's pool, whose pages come from the allocator."""

    lower = var(Int(0, LOWER), doc="others' pages of the lower zone")
    upper = var(Int(0, UPPER), doc="others' pages of the upper zone")
    used = var(Int(0, POOL), doc="pages of the pool in use")

    @observer
    def managed_upper(self):
        """Return zone_managed_pages() of the upper zone."""
        return UPPER

    @observer
    def lowmem_reserve(self):
        """Return what a request for the upper zone must leave in the lower one."""
        return self.managed_upper() // RATIO

    @observer
    def fair_reserve(self):
        """Return what lowmem_reserve() would be without a pool."""
        return (UPPER - POOL) // RATIO

    @observer
    def free_upper(self):
        """Return NR_FREE_PAGES of the upper zone."""
        return UPPER - POOL - self.upper

    @observer
    def free_lower(self):
        return LOWER - self.lower

    @observer
    def mem_available(self):
        """Return MemAvailable. mm/page_alloc.c:calculate_totalreserve_pages."""
        reserved = min(self.lowmem_reserve() + MARK, LOWER) + MARK
        return max(0, self.free_lower() + self.free_upper() - reserved)

    @observer
    def left(self):
        """Return the pages that a request of others for the upper zone can get."""
        above = self.free_lower() - MARK - self.lowmem_reserve()
        return max(0, UPPER - POOL - self.upper - MARK) + max(0, above)

    def upper_ok(self):
        """mm/page_alloc.c:__zone_watermark_ok for the upper zone."""
        return self.free_upper() > MARK

    def lower_ok(self, anywhere):
        """... for the lower one; ``anywhere``: for a request that may use both."""
        reserve = self.lowmem_reserve() if anywhere else 0
        return self.free_lower() > MARK + reserve

    @observer
    def balanced(self):
        """Return whether kswapd sleeps. mm/vmscan.c:pgdat_balanced."""
        return self.lower_ok(True) or self.upper_ok()

    @action(kernel="mm/page_alloc.c:get_page_from_freelist")
    def alloc(self) -> Errno:
        """An ordinary request for any zone: the upper first."""
        if self.upper_ok() and UPPER - POOL - self.upper > 0:
            self.upper += 1
            return OK
        if self.lower_ok(True):
            self.lower += 1
            return OK
        return ENOMEM

    @action(kernel="mm/page_alloc.c:get_page_from_freelist")
    def alloc_lower(self) -> Errno:
        """One for the lower zone only (GFP_DMA32)."""
        if self.lower_ok(False):
            self.lower += 1
            return OK
        return ENOMEM

    @action(kernel="mm/page_alloc.c:free_unref_folios")
    def free(self, lower: Bool()):
        if lower:
            require(self.lower > 0)
            self.lower -= 1
        else:
            require(self.upper > 0)
            self.upper -= 1

    @action(kernel="mm/hugetlb.c:alloc_hugetlb_folio")
    def fault(self) -> Errno:
        """A user of the pool takes a page that was promised. No watermark applies."""
        require(self.used < POOL)
        self.used += 1
        return OK

    @action(kernel="mm/hugetlb.c:free_huge_folio")
    def unmap(self):
        require(self.used > 0)
        self.used -= 1


class ZonesReservedThp(Zones):
    """Two zones beside pageblocks of type RESERVED_THP, whose free pages the allocator
    counts. Without ``subtracted``, a watermark counts them, too."""

    @observer
    def free_upper(self):
        return UPPER - self.upper - self.used

    def upper_ok(self):
        unusable = POOL - self.used if SUBTRACTED else 0
        return self.free_upper() - unusable > MARK


class ZonesUnmanaged(Zones):
    """Two zones beside a pool whose pages no zone manages, with reserves computed
    without them."""

    @observer
    def managed_upper(self):
        return UPPER - POOL
