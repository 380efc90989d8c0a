# SPDX-License-Identifier: GPL-2.0-only
"""Reserved THP as planned: sections 3.1 to 3.3 of its cover letter.

Source: cover.1782538002.git.zhengqi.arch@bytedance.com, section 3, and Qi
Zheng's answer of 2026-06-29 (overcommit before the fault must be possible).
No code was posted for this: what is open there is a feature here.

Modelled on top of the posted design, madvise() included: folios go to swap
and come back whole (3.1); a reserved fault that finds no free block reclaims
a reserved folio (3.2), and fails only where none can be reclaimed; the quota
may exceed the pool by ``over`` blocks (``overcommit``), which swap has to carry.
``mlock``: VMAs whose folios are no victims. ``own_victims``: only folios of the
faulting VMA are. ``fragments``: others' base pages are in swap, too, so that
clusters (model/blocks/swap.py) are free in part. ``lru``: reclaim passes over
folios that were touched again or are off their list (model/blocks/lru.py), and a
fault fails where it finds no other; with ``lru_waits`` it waits for them.

Left out: shmem and hugetlbfs back ends (files.py has them), 1 GiB (see
specs/sizes/sizes_quota.spec), the order in which reclaim finds victims.
"""

from poolproof.model.blocks.lru import Lru
from poolproof.model.blocks.swap import FREE, SWAPPED, SwapDevice
from poolproof.model.designs.names import (
    BLOCKS,
    FORK,
    INDICES,
    LRU,
    LRU_WAITS,
    NODES,
    NUMA,
    OK,
    SLOTS,
    SWAP_ON,
    VMAS,
    Errno,
    N,
)
from poolproof.model.designs.reserved_thp.posted import (
    SKETCHED,
    SMALL,
    SWAP,
    SWAP_SKETCH,
    UNREAD,
    K,
    ReservedThp,
)
from poolproof.model.language import (
    Bool,
    Bound,
    Feature,
    Int,
    Maybe,
    Scalarset,
    action,
    observer,
    require,
    table,
    var,
)

OVER = Bound("over", 1, doc="blocks of quota above the pool's size")
OTHERS = Bound("others", 1, doc="slots of swap that others use at most")

CLUSTERS = Scalarset("CLUSTERS", SLOTS, prefix="sc")
CPUS = Scalarset("CPUS", 1, prefix="cpu")
PAGES = Int(0, K - 1)

OVERCOMMIT = Feature("overcommit", False, "the quota exceeds the pool")
MLOCK = Feature("mlock", False, "VMAs that are not reclaimed from", needs=SWAP_ON)
OWN_VICTIMS = Feature(
    "own_victims", False, "a fault reclaims from its own VMA only", needs=SWAP_ON
)
FRAGMENTS = Feature("fragments", False, "others' base pages in swap", needs=SWAP_ON)


class ReservedThpPlanned(ReservedThp):
    """Reserved THP with whole-folio swap, its own reclaim, and overcommit."""

    assumed: tuple[str, ...] = (
        "cover letter, section 3: not posted",
        *UNREAD,
        *SKETCHED,
        SWAP_SKETCH,
    )

    locked = table(VMAS, Bool(), when=MLOCK)
    lru = Lru(VMAS, INDICES, LRU)
    device = SwapDevice(CLUSTERS, K, CPUS, (SWAP_ON, FRAGMENTS))
    cluster = table(VMAS, INDICES, Maybe(CLUSTERS), when=(SWAP_ON, FRAGMENTS))
    others = var(Int(0, OTHERS), when=(SWAP_ON, FRAGMENTS))

    @observer
    def free_slots(self):
        """Of base pages, wherever they are."""
        return self.device.free_slots()

    @observer
    def free_clusters(self):
        """What ``slots`` counts."""
        return sum(1 for c in CLUSTERS if self.device.flags[c] == FREE)

    def quota(self):
        if OVERCOMMIT:
            return BLOCKS * N + OVER
        return BLOCKS * N

    def forget(self, vma):
        super().forget(vma)
        self.locked[vma] = False

    def take_cluster(self, vma, block):
        """One of the free clusters: which one makes no difference."""
        self.slots -= 1
        if FRAGMENTS:
            cluster = self.device.first(FREE)
            self.device.alloc_cluster(cluster, None, False)
            for p in PAGES:
                self.device.swap_map[cluster, p] = SWAPPED
            self.cluster[vma, block] = cluster

    def put_cluster(self, vma, block):
        if FRAGMENTS:
            for p in PAGES:
                self.device.swap_entry_range_free(self.cluster[vma, block], p)
            self.cluster[vma, block] = None

    def zap(self, vma, block):
        if self.backing[vma, block] == SWAP:
            self.put_cluster(vma, block)
        if FORK:
            for c in VMAS:
                if self.child_of(c, vma, block):
                    self.lru.move(vma, c, block)
        super().zap(vma, block)

    def put_frame(self, vma, block):
        self.lru.forget(vma, block)
        super().put_frame(vma, block)

    def move_block(self, vma, new, block):
        """mm/mremap.c:move_vma moves page tables, and swap entries with them."""
        self.lru.move(vma, new, block)
        self.cluster[new, block] = self.cluster[vma, block]
        self.cluster[vma, block] = None
        super().move_block(vma, new, block)

    def is_victim(self, vma, block):
        """Whether the folio can go to swap now."""
        return self.may_swap(vma, block) and self.lru.may_take(vma, block)

    def may_swap(self, vma, block):
        """Return whether the folio can go to swap as soon as reclaim takes it."""
        return (
            self.has_page(vma, block)
            and not self.pins.pinned[vma, block]
            and not self.locked[vma]
        )

    def can_reclaim(self, vma):
        """The fault waits while some folio that would help can be swapped
        out: swap_out() is that step. A memcg limit is met the same way."""
        return (
            SWAP_ON
            and self.slots > 0
            and any(
                (self.may_swap(v, b) if LRU_WAITS else self.is_victim(v, b))
                and (not OWN_VICTIMS or v == vma)
                and (
                    not NUMA
                    or any(
                        self.allowed(vma, n) and self.frame[v, b] == n for n in NODES
                    )
                )
                for v in VMAS
                for b in INDICES
            )
        )

    @action(kernel="mm/vmscan.c:shrink_folio_list", when=SWAP_ON)
    def swap_out(self, vma: VMAS, block: INDICES):
        """One cluster of swap takes the whole folio."""
        require(self.is_victim(vma, block) and self.slots > 0)
        self.take_cluster(vma, block)
        self.put_frame(vma, block)
        self.backing[vma, block] = SWAP

    @action(kernel="mm/memory.c:do_swap_page", when=SWAP_ON)
    def swap_in(self, vma: VMAS, block: INDICES, node: NODES) -> Errno:
        """Into a block of the pool, from which something else may have to go
        out first. The cluster that is read is free only afterwards. Without the
        flag it is ordinary memory."""
        require(self.backing[vma, block] == SWAP and self.allowed(vma, node))
        error = OK
        if self.plain[vma]:
            self.backing[vma, block] = SMALL
        else:
            error = self.alloc(vma, block, node)
        if error is OK:
            self.put_cluster(vma, block)
            self.slots += 1
        return error

    @action(kernel="mm/mlock.c:mlock_fixup", when=MLOCK)
    def mlock(self, vma: VMAS):
        require(self.length[vma] > 0 and not self.locked[vma])
        self.locked[vma] = True

    @action(
        kernel="mm/swap_slots.c:folio_alloc_swap",
        when=(SWAP_ON, FRAGMENTS),
        silent=True,
    )
    def other_out(self, cpu: CPUS, cluster: CLUSTERS):
        """A base page of somebody else goes to swap, as in v6.12."""
        require(self.others < OTHERS and self.device.free_slots() > 0)
        slot = self.device.alloc_slot(cpu, cluster, None, False)
        require(slot < K)
        self.device.swap_map[cluster, slot] = SWAPPED
        self.others += 1
        self.slots = self.free_clusters()

    @action(
        kernel="mm/swapfile.c:swap_entry_range_free",
        when=(SWAP_ON, FRAGMENTS),
        silent=True,
    )
    def other_free(self, cluster: CLUSTERS, page: PAGES):
        """It is no longer needed there, as in v6.12."""
        require(self.device.swap_map[cluster, page] == SWAPPED)
        require(all(self.cluster[v, b] != cluster for v in VMAS for b in INDICES))
        self.device.swap_entry_range_free(cluster, page)
        self.others -= 1
        self.slots = self.free_clusters()
