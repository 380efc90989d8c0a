# SPDX-License-Identifier: GPL-2.0-only
"""Huge pages and swap, without any pool: what goes out whole, what is split,
and what comes back (mm/vmscan.c, mm/memory.c, mm/khugepaged.c of Linux 6.12).

Modelled: ranges of a huge page's size that a memcg's tasks map, huge or in
base pages; one swap device (model/blocks/swap.py), which others' base pages use, too;
swap-out of a huge folio, which is split where it finds no cluster or no charge;
swap-in of base pages; exit. Features: a swap cache (``cache``, a device
without SWP_SYNCHRONOUS_IO), memcg limits, a swap.max that is lowered, pins,
mlock, khugepaged. ``whole`` is what no kernel does: folios go to swap and come
back in one piece, or stay.

Left out: memory outside of memcgs is never short; who is cold (any page may be
a victim); folios that are mapped in part; orders between page and huge page;
mappers of one page; munlock; I/O that outlives its mapping.
"""

from enum import Enum

from poolproof.model.blocks.quota import PageCounters
from poolproof.model.blocks.swap import FREE, FULL, SWAPPED, AnonSwap
from poolproof.model.language import (
    Bool,
    Bound,
    Design,
    Feature,
    Given,
    Int,
    Maybe,
    Scalarset,
    action,
    assume,
    observer,
    require,
    table,
    var,
)


class Result(Enum):
    """What a fault, or reclaim of one folio, ends in."""

    OK = 0
    SPLIT = 1
    """THP_SWPOUT_FALLBACK: the base pages go out one by one, or not."""
    KEPT = 2
    OOM = 3


OK, SPLIT, KEPT, OOM = Result

K = Bound("K", 2, doc="base pages of a huge page, and slots of a cluster")
C = Bound("clusters", 2, doc="clusters of the swap device")
V = Bound("V", 2, doc="ranges of a huge page's size")
M = Bound("memcgs", 1)
CPU = Bound("cpus", 1)
OTHERS = Bound("others", 2, least=0, doc="slots that others use at most")
LIMIT = Bound("limit", 4, doc="memory.max, in base pages")
SWAP_MAX = Bound("swap_max", 4, least=0, doc="swap.max, in base pages")

RANGES = Scalarset("RANGES", V, prefix="v")
CLUSTERS = Scalarset("CLUSTERS", C, prefix="sc")
CGROUPS = Scalarset("CGROUPS", M, prefix="cg")
CPUS = Scalarset("CPUS", CPU, prefix="cpu")
PAGES = Int(0, K - 1)

CACHE = Feature("cache", False, "a swap cache keeps what was swapped in")
MEMCG = Feature("memcg", False, "memory.max and swap.max")
LOWERED = Feature("lowered", False, "swap.max is written at runtime", needs=MEMCG)
PINS = Feature("pins", False, "pages pinned for I/O")
MLOCK = Feature("mlock", False, "mlock()")
COLLAPSE = Feature("collapse", False, "khugepaged")
WHOLE = Feature("whole", False, "huge folios are swapped out and in whole")

RECLAIMED = Given(CACHE, Maybe(CLUSTERS), None)


class SwapSpace(Design):
    """Ranges in memory and in swap."""

    swap = AnonSwap(CLUSTERS, K, CPUS, RANGES, CGROUPS, SWAP_MAX, CACHE, MEMCG, LOWERED)
    memory = PageCounters(CGROUPS, LIMIT, MEMCG)
    mapped = table(RANGES, PAGES, Bool(), doc="the page is in memory")
    huge = table(RANGES, Bool(), doc="... and so are all, in one folio")
    owner = table(RANGES, Maybe(CGROUPS), when=MEMCG)
    pinned = table(RANGES, Bool(), when=PINS)
    locked = table(RANGES, Bool(), when=MLOCK)
    others = var(Int(0, OTHERS), doc="slots of others' base pages")

    # -- what specs ask --

    @observer
    def is_out(self, range_: RANGES, page: PAGES):
        """The page table has a swap entry."""
        return (
            self.swap.cluster[range_, page] is not None
            and not self.mapped[range_, page]
        )

    @observer
    def is_cached(self, range_: RANGES, page: PAGES):
        """In memory, and in swap."""
        return self.swap.cluster[range_, page] is not None and self.mapped[range_, page]

    @observer
    def resident(self):
        return sum(1 for r in RANGES for p in PAGES if self.mapped[r, p])

    @observer
    def swapped(self):
        return sum(1 for r in RANGES for p in PAGES if self.is_out(r, p))

    @observer
    def small(self):
        """Ranges with base pages in memory."""
        return sum(
            1
            for r in RANGES
            if not self.huge[r] and any(self.mapped[r, p] for p in PAGES)
        )

    @observer
    def free_slots(self):
        return self.swap.free_slots()

    @observer
    def is_free(self, cluster: CLUSTERS):
        """On the list of free ones: all that a huge folio can have."""
        return self.swap.flags[cluster] == FREE

    @observer
    def is_full(self, cluster: CLUSTERS):
        return self.swap.flags[cluster] == FULL

    @observer
    def free_clusters(self):
        return sum(1 for c in CLUSTERS if self.is_free(c))

    @observer
    def is_swapped(self, cluster: CLUSTERS, slot: PAGES):
        """The page of the slot is nowhere else."""
        return self.swap.swap_map[cluster, slot] == SWAPPED

    @observer
    def used_slots(self, cluster: CLUSTERS):
        return self.swap.count(cluster)

    # -- parts --

    def cgroup(self, range_):
        """None: the root, which is not charged."""
        return self.owner[range_] if MEMCG else None

    def is_victim(self, range_):
        return not self.pinned[range_] and not self.locked[range_]

    def reclaim(self, cgroup):
        """A charge waits while a page of the memcg can still go out."""
        can_reclaim = any(
            self.cgroup(r) == cgroup
            and self.is_victim(r)
            and any(
                self.mapped[r, p] and (self.is_cached(r, p) or self.has_room(r, cgroup))
                for p in PAGES
            )
            for r in RANGES
        )
        assume(not can_reclaim, "a fault waits while something can be reclaimed")

    def has_room(self, range_, cgroup):
        if WHOLE and self.huge[range_]:
            return self.free_clusters() > 0 and self.swap.room(cgroup) >= K
        return self.swap.room(cgroup) > 0

    def drop(self, range_, page):
        """The page leaves memory; whether it is in swap is said elsewhere."""
        self.mapped[range_, page] = False
        self.memory.uncharge(self.cgroup(range_), 1)

    # -- memory --

    @action(kernel="mm/huge_memory.c:do_huge_pmd_anonymous_page")
    def fault(
        self, range_: RANGES, page: PAGES, cgroup: Given(MEMCG, Maybe(CGROUPS), None)
    ) -> Result:
        """Huge where nothing is there and the charge is within the limit, else
        one base page (``whole``: nothing). That charge waits for reclaim."""
        require(not self.mapped[range_, page])
        require(self.swap.cluster[range_, page] is None)
        if MEMCG:
            require(cgroup is not None)
            assume(
                self.owner[range_] is None or self.owner[range_] == cgroup,
                "one cgroup pays for all of a range",
            )
        if not self.mapped_or_out(range_):
            if self.memory.try_charge(cgroup, K):
                for p in PAGES:
                    self.mapped[range_, p] = True
                self.huge[range_] = True
                self.join(range_, cgroup)
                return OK
            if WHOLE:
                self.reclaim(cgroup)
                return OOM
        if not self.memory.try_charge(cgroup, 1):
            self.reclaim(cgroup)
            return OOM
        self.mapped[range_, page] = True
        self.join(range_, cgroup)
        return OK

    def mapped_or_out(self, range_):
        """The PMD is not pmd_none()."""
        return any(
            self.mapped[range_, p] or self.swap.cluster[range_, p] is not None
            for p in PAGES
        )

    def join(self, range_, cgroup):
        if MEMCG:
            self.owner[range_] = cgroup

    @action(kernel="mm/memory.c:unmap_vmas")
    def exit(self, range_: RANGES):
        """munmap() or exit: pages, entries and the swap cache go."""
        require(self.mapped_or_out(range_))
        assume(not self.pinned[range_], "what is pinned stays mapped")
        for p in PAGES:
            self.swap.folio_free_swap(range_, p)
            if self.mapped[range_, p]:
                self.drop(range_, p)
        self.huge[range_] = False
        self.locked[range_] = False
        if MEMCG:
            self.owner[range_] = None

    @action(kernel="mm/khugepaged.c:collapse_huge_page", when=COLLAPSE, silent=True)
    def collapse(self, range_: RANGES) -> Result:
        """Base pages become huge, where the memcg has room for both. Slots
        that they keep in swap are freed."""
        require(not self.huge[range_] and not self.pinned[range_])
        require(all(self.mapped[range_, p] for p in PAGES))
        cgroup = self.cgroup(range_)
        if not self.memory.try_charge(cgroup, K):
            return KEPT
        self.memory.uncharge(cgroup, K)
        for p in PAGES:
            self.swap.folio_free_swap(range_, p)
        self.huge[range_] = True
        return OK

    # -- out --

    @action(kernel="mm/vmscan.c:shrink_folio_list", silent=True)
    def swap_out(
        self, range_: RANGES, cluster: CLUSTERS, reclaimed: RECLAIMED
    ) -> Result:
        """A huge folio goes out whole (add_to_swap), or is split: its pages
        then go out with swap_out_page(), the first one at once. ``whole``: it
        stays."""
        require(self.huge[range_] and self.is_victim(range_))
        done = self.swap.alloc_folio(range_, self.cgroup(range_), cluster, reclaimed)
        if not done:
            if WHOLE:
                return KEPT
            self.huge[range_] = False
            return SPLIT
        for p in PAGES:
            self.swap.swapped_out(range_, p)
            self.drop(range_, p)
        self.huge[range_] = False
        return OK

    @action(kernel="mm/vmscan.c:shrink_folio_list", silent=True)
    def swap_out_page(
        self,
        range_: RANGES,
        page: PAGES,
        cpu: CPUS,
        cluster: CLUSTERS,
        reclaimed: RECLAIMED,
    ) -> Result:
        """A base page goes out; into the slot that it kept, if it did."""
        require(self.mapped[range_, page] and not self.huge[range_])
        require(self.is_victim(range_))
        if self.is_cached(range_, page):
            require(cluster == self.swap.cluster[range_, page] and reclaimed is None)
        else:
            done = self.swap.alloc_page(
                range_, page, self.cgroup(range_), cpu, cluster, reclaimed
            )
            if not done:
                return KEPT
        self.swap.swapped_out(range_, page)
        self.drop(range_, page)
        return OK

    @action(kernel="mm/swapfile.c:swap_reclaim_work", when=CACHE, silent=True)
    def swap_reclaim_work(self):
        """The device is used up: what is in memory, too, loses its slot."""
        require(self.swap.free_slots() == 0)
        require(any(self.is_cached(r, p) for r in RANGES for p in PAGES))
        for c in CLUSTERS:
            self.swap.reclaim_cached(c)

    # -- in --

    @action(kernel="mm/memory.c:do_swap_page")
    def swap_in(
        self, range_: RANGES, page: PAGES, write: Given(CACHE, Bool(), True)
    ) -> Result:
        """One base page (alloc_swap_folio: never PMD_ORDER). A read leaves it
        in the swap cache (should_try_to_free_swap). ``whole``: all of it."""
        require(self.is_out(range_, page))
        cgroup = self.cgroup(range_)
        if WHOLE:
            require(page == 0)
        if not self.memory.try_charge(cgroup, K if WHOLE else 1):
            self.reclaim(cgroup)
            return OOM
        for p in PAGES:
            if WHOLE or p == page:
                self.mapped[range_, p] = True
                self.swap.swap_free(range_, p)
        frees = write or WHOLE or self.locked[range_]
        if frees or self.swap.mem_cgroup_swap_full(cgroup):
            for p in PAGES:
                if WHOLE or p == page:
                    self.swap.folio_free_swap(range_, p)
        if WHOLE:
            self.huge[range_] = True
        return OK

    # -- others --

    @action(kernel="mm/swap_slots.c:folio_alloc_swap", silent=True)
    def other_out(self, cpu: CPUS, cluster: CLUSTERS, reclaimed: RECLAIMED):
        """A base page of somebody else goes out."""
        require(self.others < OTHERS and self.swap.free_slots() > 0)
        full = self.swap.takes_cached(1)
        slot = self.swap.alloc_slot(cpu, cluster, reclaimed, full)
        require(slot < K)
        self.swap.swap_map[cluster, slot] = SWAPPED
        self.others += 1

    @action(kernel="mm/swapfile.c:swap_entry_range_free", silent=True)
    def other_free(self, cluster: CLUSTERS, slot: PAGES):
        """... and is not needed any more."""
        require(self.swap.swap_map[cluster, slot] == SWAPPED)
        require(
            not any(
                self.swap.is_entry(r, p, cluster, slot) for r in RANGES for p in PAGES
            )
        )
        self.swap.swap_entry_range_free(cluster, slot)
        self.others -= 1

    # -- what makes it harder --

    @action(kernel="mm/memcontrol.c:swap_max_write", when=(MEMCG, LOWERED))
    def set_swap_max(self, cgroup: CGROUPS, pages: Int(0, SWAP_MAX)):
        """Whatever is in use: nothing is brought back for it."""
        require(self.swap.max[cgroup] != pages)
        self.swap.max[cgroup] = pages

    @action(kernel="mm/gup.c:pin_user_pages", when=PINS)
    def pin(self, range_: RANGES):
        require(self.huge[range_] and not self.pinned[range_])
        self.pinned[range_] = True

    @action(kernel="mm/gup.c:unpin_user_page", when=PINS)
    def unpin(self, range_: RANGES):
        require(self.pinned[range_])
        self.pinned[range_] = False

    @action(kernel="mm/mlock.c:mlock_fixup", when=MLOCK)
    def mlock(self, range_: RANGES):
        """What is there is locked; what is in swap is, once it comes back."""
        require(self.mapped_or_out(range_) and not self.locked[range_])
        self.locked[range_] = True
