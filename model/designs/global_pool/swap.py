# SPDX-License-Identifier: GPL-2.0-only
"""Cold pages of the pool in swap: whole, to a cluster that was reserved."""

from poolproof.model.blocks.errno import ENOMEM, OK, Errno
from poolproof.model.blocks.swap import FREE, SWAPPED
from poolproof.model.designs.global_pool.names import (
    ANON,
    AREAS,
    CHARGE_AT_FAULT,
    CLUSTERS,
    CPUS,
    OVERCOMMIT,
    SLOT,
    SLOTS_UNRESERVED,
    SWAP_OTHERS,
    K,
)
from poolproof.model.designs.global_pool.policies import Policies
from poolproof.model.designs.names import FILES, INDICES, LRU_WAITS, NODES, SWAP_ON
from poolproof.model.language import action, require


class Swapping(Policies):
    """What goes out, and who else wants clusters."""

    def has_slot(self):
        return SWAP_ON and self.device.has(FREE)

    def is_victim(self, file, index):
        """Return whether the page could go to swap now."""
        return self.may_swap(file, index) and self.lru.may_take(file, index)

    def may_swap(self, file, index):
        """Return whether the page could go to swap as soon as reclaim takes it."""
        return (
            self.page[file, index] is not None
            and not self.is_fixed(file)
            and not self.pins.pinned[file, index]
        )

    def is_short(self, node):
        """Whether nothing is free there, and more is promised than it has."""
        full = all(self.node_of[a] != node or self.free[a] == 0 for a in AREAS)
        return full and self.debt_on(node, None, False) > 0

    def may_go(self, file, index):
        """Where promises count on clusters, a page goes out only if its node
        is short: each cluster is some promise's."""
        return self.is_victim(file, index) and self.helps(file, index)

    def helps(self, file, index):
        """Return whether there is a cluster for the page, and a use for its block."""
        return self.has_slot() and (
            not OVERCOMMIT
            or SLOTS_UNRESERVED
            or any(self.is_on(file, index, n) and self.is_short(n) for n in NODES)
        )

    def can_exchange(self, node):
        """Whether a fault on the node waits: something of it can go out."""
        return any(
            (self.may_swap(f, i) if LRU_WAITS else self.is_victim(f, i))
            and self.helps(f, i)
            and self.is_on(f, i, node)
            for f in FILES
            for i in INDICES
        )

    def put_cluster(self, file, index):
        """The page has no slots any more."""
        for s in SLOT:
            self.device.swap_entry_range_free(self.cluster[file, index], s)
        self.cluster[file, index] = None

    @action(kernel="mm/vmscan.c:shrink_folio_list", when=SWAP_ON, silent=True)
    def swap_out(self, file: FILES, index: INDICES):
        """The whole page. It is promised again, and (``charge_at_fault``)
        charged no more. Nothing of a THP is kept but the cluster."""
        require(self.may_go(file, index))
        cluster = self.device.first(FREE)
        self.device.alloc_cluster(cluster, None, False)
        for s in SLOT:
            self.device.swap_map[cluster, s] = SWAPPED
        area = self.page[file, index]
        self.lru.forget(file, index)
        self.cluster[file, index] = cluster
        self.page[file, index] = None
        self.free[area] += 1
        if self.kind[file] == ANON:
            self.resv_map.regions[file, index] = False
            self.uncharge(file, index)
        else:
            self.promise[file, self.node_of[area]] += 1
            if CHARGE_AT_FAULT:
                self.uncharge(file, index)

    # -- others --

    @action(kernel="mm/swap_slots.c:folio_alloc_swap", when=SWAP_OTHERS, silent=True)
    def other_out(self, cpu: CPUS, cluster: CLUSTERS) -> Errno:
        """A base page of somebody else goes to swap. A slot of a cluster that
        a promise needs is given back."""
        require(self.device.free_slots() > 0)
        slot = self.device.alloc_slot(cpu, cluster, None, False)
        require(slot < K)
        self.device.swap_map[cluster, slot] = SWAPPED
        if not SLOTS_UNRESERVED and not self.keeps(None):
            self.device.swap_entry_range_free(cluster, slot)
            return ENOMEM
        self.others += 1
        return OK

    @action(kernel="mm/swapfile.c:swap_entry_range_free", when=SWAP_OTHERS, silent=True)
    def other_in(self, cluster: CLUSTERS, slot: SLOT):
        require(self.device.swap_map[cluster, slot] == SWAPPED)
        require(all(self.cluster[f, i] != cluster for f in FILES for i in INDICES))
        self.device.swap_entry_range_free(cluster, slot)
        self.others -= 1
