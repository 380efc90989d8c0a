# SPDX-License-Identifier: GPL-2.0-only
"""memory.min and huge pages that count as memory: what reclaim can still take.

mm/vmscan.c:shrink_node_memcgs and mm/page_counter.c:page_counter_calculate_protection,
v6.12, with memory_hugetlb_accounting: a cgroup's usage is its pages on LRU lists
and its huge pages, which are on none. Reclaim of all memory passes over a cgroup
whose usage is within memory.min; of another it takes pages from its LRU list.

Cgroups are siblings below the root, and their minima are not overcommitted. Left
out: memory.low, which is given up in a second round (memcg_low_reclaim); that only
a part of a list is scanned in proportion to what is protected; the OOM killer.
"""

from poolproof.model.blocks.errno import ENOMEM, OK, Errno
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

MEMORY = Bound("memory", 3, doc="all memory, in huge pages")
MINIMUM = Bound("minimum", 1, doc="memory.min of each cgroup, in huge pages")
C = Bound("C", 2, doc="cgroups")
CGROUPS = Scalarset("CGROUPS", C, prefix="cg")

ACCOUNTING = Feature("hugetlb_accounting", doc="memory_hugetlb_accounting")


class MemoryMin(Design):
    """Cgroups with memory on LRU lists and with huge pages."""

    free = var(Int(0, MEMORY), init=MEMORY)
    lru = table(CGROUPS, Int(0, MEMORY), doc="pages that can be reclaimed")
    hugetlb = table(CGROUPS, Int(0, MEMORY), doc="huge pages in use")
    waiting = var(Int(0, 1), init=0, doc="an allocation is in direct reclaim")

    def usage(self, cgroup):
        """memory.current."""
        if ACCOUNTING:
            return self.lru[cgroup] + self.hugetlb[cgroup]
        return self.lru[cgroup]

    @observer
    def protected(self, cgroup: CGROUPS):
        """include/linux/memcontrol.h:mem_cgroup_below_min: within memory.min."""
        return self.usage(cgroup) <= MINIMUM

    @observer
    def reclaimable(self):
        """Memory that reclaim can take now."""
        return sum(0 if self.protected(c) else self.lru[c] for c in CGROUPS)

    @action(kernel="mm/memory.c:do_anonymous_page")
    def touch(self, cgroup: CGROUPS) -> Errno:
        """Memory for an LRU list, or direct reclaim."""
        require(self.waiting == 0)
        if self.free == 0:
            self.waiting = 1
            return ENOMEM
        self.free -= 1
        self.lru[cgroup] += 1
        return OK

    @action(kernel="mm/hugetlb.c:alloc_hugetlb_folio")
    def fault(self, cgroup: CGROUPS):
        """A huge page of the cgroup, which grows the pool by it."""
        require(self.free > 0 and self.waiting == 0)
        self.free -= 1
        self.hugetlb[cgroup] += 1

    @action(kernel="mm/hugetlb.c:free_huge_folio")
    def free_huge(self, cgroup: CGROUPS):
        require(self.hugetlb[cgroup] > 0)
        self.free += 1
        self.hugetlb[cgroup] -= 1

    @action(kernel="mm/vmscan.c:shrink_node_memcgs", silent=True)
    def reclaim(self, cgroup: CGROUPS):
        """Direct reclaim takes memory of an unprotected cgroup."""
        require(self.waiting > 0 and self.free == 0)
        require(self.lru[cgroup] > 0 and not self.protected(cgroup))
        self.lru[cgroup] -= 1
        self.free += 1

    @action(kernel="mm/page_alloc.c:__alloc_pages_slowpath")
    def retry(self):
        """There is memory: the allocation goes on."""
        require(self.waiting > 0 and self.free > 0)
        self.waiting = 0
