# SPDX-License-Identifier: GPL-2.0-only
"""Swap: the slots of a device, and what memcgs and the swap cache make of them
(mm/swapfile.c, mm/swap_slots.c, mm/swap_state.c, mm/memcontrol.c, v6.12).

A device has clusters of as many slots as a huge page has base pages. There
are two orders: one slot, and a whole cluster, which needs THP_SWAP and a block
device of the solid-state kind. Each CPU goes on in the cluster it used last;
what is on which list decides where else it looks.

Written down less literally: the first cluster of a list may be any of them;
slots are freed at once (no swap_slots cache, no discard); an entry has one
mapping; a write takes no time, so that nobody faults in, locks or reuses what
is on its way out. Left out: the header's slot in the first cluster, zswap,
readahead, shmem, fork, swapoff, ancestors of a memcg, priorities of devices.
"""

from enum import Enum
from typing import Any

from poolproof.model.language import (
    Block,
    Bool,
    Counter,
    Feature,
    Int,
    Maybe,
    bug_on,
    require,
    table,
    var,
)


class SwapMap(Enum):
    """An entry of swap_map."""

    UNUSED = 0
    CACHED = 1
    """SWAP_HAS_CACHE alone: a folio in memory keeps the slot."""
    SWAPPED = 2
    """A count of 1: the page is here and nowhere else."""


class Flag(Enum):
    """CLUSTER_FLAG_*: the list that a cluster is on."""

    FREE = 0
    NONFULL = 1
    FRAG = 2
    """Tried for one slot since a slot of it was freed."""
    FULL = 3


UNUSED, CACHED, SWAPPED = SwapMap
FREE, NONFULL, FRAG, FULL = Flag

NEVER = 4
"""A rank that no cluster is taken at."""


class SwapDevice(Block):
    """struct swap_info_struct: ``clusters`` of ``pages`` slots each. ``when``
    are the features without which there is no such device."""

    def __init__(self, clusters: Any, pages: Any, cpus: Any, when: Any = None) -> None:
        self.clusters = clusters
        self.pages = pages
        self.slots = Int(0, pages - 1)
        self.swap_map = table(clusters, self.slots, SwapMap, when=when)
        self.flags = table(clusters, Flag, when=when)
        self.huge = table(clusters, Bool(), when=when, doc="ci->order is PMD_ORDER")
        self.next_cluster = table(cpus, Maybe(clusters), when=when)
        self.next_slot = table(cpus, self.slots, when=when)
        self.inuse_pages = var(Counter(), when=when)

    def free_slots(self):
        """Return nr_swap_pages, if this is the only device."""
        return sum(self.pages for c in self.clusters) - self.inuse_pages

    def vm_swap_full(self, wanted):
        """include/linux/swap.h:vm_swap_full, after get_swap_pages() has taken
        what is ``wanted`` from nr_swap_pages."""
        return (self.free_slots() - wanted) * 2 < sum(self.pages for c in self.clusters)

    def has(self, flag):
        return any(self.flags[c] == flag for c in self.clusters)

    def first(self, flag):
        """Return the first cluster with the flag, or None."""
        for c in self.clusters:
            if self.flags[c] == flag:
                return c
        return None

    def count(self, cluster):
        """Return ci->count."""
        return sum(1 for s in self.slots if self.swap_map[cluster, s] != UNUSED)

    # -- what is freed --

    def swap_entry_range_free(self, cluster, slot):
        """mm/swapfile.c:swap_entry_range_free and dec_cluster_info_page, one
        slot. The cluster is free, or on the list of its order.
        VM_BUG_ON(*map != SWAP_HAS_CACHE) stops the kernel."""
        bug_on(self.swap_map[cluster, slot] == UNUSED, "a free slot is freed again")
        self.swap_map[cluster, slot] = UNUSED
        self.inuse_pages -= 1
        if self.count(cluster) == 0:
            self.flags[cluster] = FREE
            self.huge[cluster] = False
        else:
            self.flags[cluster] = NONFULL

    def reclaim_cached(self, cluster):
        """mm/swapfile.c:swap_reclaim_full_clusters, one cluster: folios in
        memory lose their slots."""
        for s in self.slots:
            if self.swap_map[cluster, s] == CACHED:
                self.swap_entry_range_free(cluster, s)

    def reclaim_full(self, cluster):
        """... the first one of the list, if there is any; else ``cluster`` is
        None."""
        if self.has(FULL):
            require(cluster is not None)
            require(self.flags[cluster] == FULL)
            self.reclaim_cached(cluster)
        else:
            require(cluster is None)

    # -- one slot --

    def scan(self, cluster, start, full):
        """mm/swapfile.c:cluster_scan_range: return the first slot from ``start`` on
        that is unused, or (``full``) kept by a folio in memory; ``pages`` if there is
        none."""
        for s in self.slots:
            if s >= start and (
                self.swap_map[cluster, s] == UNUSED
                or (full and self.swap_map[cluster, s] == CACHED)
            ):
                return s
        return self.pages

    def scan_next(self, cpu, full):
        """`scan` of the CPU's own cluster, from where it stopped."""
        at = self.next_cluster[cpu]
        if at is None:
            return self.pages
        if self.flags[at] == FULL:
            return self.pages
        return self.scan(at, self.next_slot[cpu], full)

    def rank(self, cluster):
        """Return the rank of the cluster's list when no cluster is free; what was taken
        whole once comes last."""
        if self.flags[cluster] in {FREE, FULL}:
            return NEVER
        if self.huge[cluster]:
            return 3
        return 2 if self.flags[cluster] == FRAG else 1

    def scan_lists(self, cluster, reclaimed, full):
        """A free cluster first; then those that are not full. What becomes
        free by reclaiming a full one is not looked at again."""
        if self.has(FREE):
            require(self.flags[cluster] == FREE and reclaimed is None)
            return 0
        if full:
            self.reclaim_full(reclaimed)
        else:
            require(reclaimed is None)
        best = NEVER
        for c in self.clusters:
            best = min(best, self.rank(c))
        if best == NEVER:
            return self.pages
        require(self.rank(cluster) == best)
        if best == 1:
            self.flags[cluster] = FRAG
        return self.scan(cluster, 0, full)

    def cluster_alloc_range(self, cluster, slot):
        """mm/swapfile.c:cluster_alloc_range, one slot."""
        if self.swap_map[cluster, slot] == CACHED:
            self.swap_entry_range_free(cluster, slot)
        if self.flags[cluster] == FREE:
            self.flags[cluster] = NONFULL
        self.swap_map[cluster, slot] = CACHED
        self.inuse_pages += 1
        if self.count(cluster) == self.pages:
            self.flags[cluster] = FULL

    def alloc_slot(self, cpu, cluster, reclaimed, full):
        """mm/swapfile.c:cluster_alloc_swap_entry, order 0. Return the slot of
        ``cluster`` that is now CACHED, or ``pages``. ``reclaimed`` is the full cluster
        that is reclaimed from on the way, or None."""
        slot = self.scan_next(cpu, full)
        if slot == self.pages:
            slot = self.scan_lists(cluster, reclaimed, full)
        else:
            require(cluster == self.next_cluster[cpu] and reclaimed is None)
        self.next_cluster[cpu] = None
        self.next_slot[cpu] = 0
        if slot != self.pages:
            self.cluster_alloc_range(cluster, slot)
            if self.flags[cluster] != FULL and slot + 1 < self.pages:
                self.next_cluster[cpu] = cluster
                self.next_slot[cpu] = slot + 1
        return slot

    # -- a whole cluster --

    def alloc_cluster(self, cluster, reclaimed, full):
        """mm/swapfile.c:cluster_alloc_swap_entry, PMD_ORDER: return whether there was a
        free cluster. Its slots are CACHED then."""
        if not self.has(FREE):
            if full:
                self.reclaim_full(reclaimed)
            else:
                require(reclaimed is None)
            return False
        require(self.flags[cluster] == FREE and reclaimed is None)
        for s in self.slots:
            self.swap_map[cluster, s] = CACHED
        self.inuse_pages += self.pages
        self.flags[cluster] = FULL
        self.huge[cluster] = True
        return True


class AnonSwap(SwapDevice):
    """A device with the entries of anonymous pages (each owner has as many as
    a cluster has slots), and with memcgs' swap counters (``memcg``). Without
    ``cache`` no slot outlives its swap-in; ``lowered`` is the feature in which
    swap.max may be below ``limit``.

    A page that is in memory and has an entry is in the swap cache. Slots of
    other users have no entry here, and are not charged.
    """

    def __init__(
        self,
        clusters: Any,
        pages: Any,
        cpus: Any,
        owners: Any,
        cgroups: Any,
        limit: Any,
        cache: Feature,
        memcg: Feature,
        lowered: Feature,
    ) -> None:
        super().__init__(clusters, pages, cpus)
        self.owners = owners
        self.cache = cache
        self.memcg = memcg
        self.cluster = table(owners, self.slots, Maybe(clusters))
        self.slot = table(owners, self.slots, self.slots)
        self.cgroup = table(clusters, self.slots, Maybe(cgroups), when=memcg)
        self.usage = table(cgroups, Counter(), when=memcg, doc="mm/page_counter.c")
        self.max = table(cgroups, Int(0, limit), init=limit, when=(memcg, lowered))

    def is_entry(self, owner, page, cluster, slot):
        return self.cluster[owner, page] == cluster and self.slot[owner, page] == slot

    def room(self, cgroup):
        """mm/memcontrol.c:mem_cgroup_get_nr_swap_pages."""
        if cgroup is None:
            return self.free_slots()
        return min(self.free_slots(), self.max[cgroup] - self.usage[cgroup])

    def mem_cgroup_swap_full(self, cgroup):
        """mm/memcontrol.c:mem_cgroup_swap_full."""
        if self.vm_swap_full(0):
            return True
        return cgroup is not None and self.usage[cgroup] * 2 >= self.max[cgroup]

    def takes_cached(self, wanted):
        """Return whether a search may take slots that folios in memory keep."""
        return self.cache and self.vm_swap_full(wanted)

    def try_charge_swap(self, cgroup, pages):
        """mm/memcontrol.c:__mem_cgroup_try_charge_swap; None is the root."""
        if cgroup is None:
            return True
        usage = max(0, self.usage[cgroup]) + pages
        if usage > self.max[cgroup]:
            return False
        self.usage[cgroup] = usage
        return True

    def swap_entry_range_free(self, cluster, slot):
        """Whoever the record names is uncharged: nobody, where the charge was
        refused. A page in memory that kept the slot is no longer cached."""
        super().swap_entry_range_free(cluster, slot)
        if self.memcg:
            cgroup = self.cgroup[cluster, slot]
            if cgroup is not None:
                self.usage[cgroup] -= 1
                self.cgroup[cluster, slot] = None
        if self.cache:
            for o in self.owners:
                for p in self.slots:
                    if self.is_entry(o, p, cluster, slot):
                        self.forget(o, p)

    def forget(self, owner, page):
        self.cluster[owner, page] = None
        self.slot[owner, page] = 0

    def record(self, owner, page, cgroup, cluster, slot):
        """mm/swap_cgroup.c:swap_cgroup_record, and folio->swap."""
        if self.memcg:
            self.cgroup[cluster, slot] = cgroup
        self.cluster[owner, page] = cluster
        self.slot[owner, page] = slot

    def alloc_page(self, owner, page, cgroup, cpu, cluster, reclaimed):
        """mm/swap_slots.c:folio_alloc_swap of one page, which is in the swap
        cache then. A slot that cannot be charged is given back."""
        if self.free_slots() == 0:
            require(reclaimed is None)
            return False
        full = self.takes_cached(1)
        slot = self.alloc_slot(cpu, cluster, reclaimed, full)
        if slot == self.pages:
            return False
        if not self.try_charge_swap(cgroup, 1):
            self.swap_entry_range_free(cluster, slot)
            return False
        self.record(owner, page, cgroup, cluster, slot)
        return True

    def alloc_folio(self, owner, cgroup, cluster, reclaimed):
        """mm/swap_slots.c:folio_alloc_swap of a huge folio: all or nothing."""
        if self.free_slots() < self.pages:
            require(reclaimed is None)
            return False
        full = self.takes_cached(self.pages)
        if not self.alloc_cluster(cluster, reclaimed, full):
            return False
        if not self.try_charge_swap(cgroup, self.pages):
            for s in self.slots:
                self.swap_entry_range_free(cluster, s)
            return False
        for s in self.slots:
            self.record(owner, s, cgroup, cluster, s)
        return True

    def swapped_out(self, owner, page):
        """Unmapped, written, and no longer in the swap cache."""
        self.swap_map[self.cluster[owner, page], self.slot[owner, page]] = SWAPPED

    def swap_free(self, owner, page):
        """mm/swapfile.c:swap_free_nr of one entry: mapped again, and in the
        swap cache."""
        self.swap_map[self.cluster[owner, page], self.slot[owner, page]] = CACHED

    def folio_free_swap(self, owner, page):
        """mm/swapfile.c:folio_free_swap, or free_swap_and_cache of an entry
        that is unmapped: the page has no slot any more."""
        cluster = self.cluster[owner, page]
        if cluster is not None:
            self.swap_entry_range_free(cluster, self.slot[owner, page])
            self.forget(owner, page)
