# SPDX-License-Identifier: GPL-2.0-only
"""What may be promised: the one rule that all who take from the pool ask.

Of each node, whoever has a right to blocks must find as many that are free or
a file's. With swap (``overcommit``) a node may be short of as many as there are
clusters for, less one for each such node: what is read from swap keeps its
cluster until it is there. And one block of the node must be left that a page
can leave again. A promise of 1 GiB keeps an area in one piece.
"""

from poolproof.model.blocks.errno import EBUSY, ENOMEM, ENOSPC, OK, Errno
from poolproof.model.designs.global_pool.charges import Charges
from poolproof.model.designs.global_pool.names import (
    ANON,
    AREAS,
    CHARGE_AT_FAULT,
    CLUSTERS,
    COUNTED,
    ERRORS,
    KINDS_UNCHECKED,
    LAST_SLOT,
    MARGIN,
    OVERCOMMIT,
    PINS_REFUSED,
    SIZES,
    SWAP_OTHERS,
)
from poolproof.model.designs.names import (
    BLOCKS,
    FILES,
    INDICES,
    LENDING,
    NODES,
    NUMA,
    TASKS,
)
from poolproof.model.language import action, assume, require


class Admission(Charges):
    """Promises of pages of a file, each on a node."""

    # -- swap that promises may count on --

    def is_reserved(self, cluster):
        """Whether the cluster is free, or has a page that was promised."""
        others = SWAP_OTHERS and (
            self.device.count(cluster) > 0
            and not any(self.cluster[f, i] == cluster for f in FILES for i in INDICES)
        )
        thp = any(
            self.cluster[f, i] == cluster and self.kind[f] == ANON
            for f in FILES
            for i in INDICES
        )
        return not others and not thp

    def slots(self):
        return sum(1 for c in CLUSTERS if self.is_reserved(c))

    # -- one node --

    def rights_on(self, node):
        return self.promised_on(node) + self.populated_on(node)

    def fixed_on(self, node):
        """Rights that never go to swap."""
        return sum(
            self.unit(f) * self.rights(f, node) for f in FILES if self.is_fixed(f)
        ) + sum(
            1
            for f in FILES
            for i in INDICES
            if PINS_REFUSED
            and not self.is_fixed(f)
            and self.pins.pinned[f, i]
            and self.is_on(f, i, node)
        )

    def has_on(self, node, gone):
        """Blocks that files have or can have, without one of ``gone``."""
        margin = ERRORS - self.lost if MARGIN else 0
        here = any(gone == a and self.node_of[a] == node for a in AREAS)
        return self.capacity_on(node) - self.gone_on(node) - margin - (1 if here else 0)

    def debt_on(self, node, gone, wanted):
        """Of how many blocks the node is short. A node without rights, and of
        which no block is ``wanted`` for a file, is short of none."""
        rights = self.rights_on(node)
        here = any(gone == a and self.node_of[a] == node for a in AREAS)
        if rights == 0 and not (wanted and here):
            return 0
        return max(0, rights - self.has_on(node, gone))

    def fits(self, node, gone, wanted):
        """Whether the node can keep what it promised, by swap if need be."""
        debt = self.debt_on(node, gone, wanted)
        if not OVERCOMMIT or debt == 0:
            return debt == 0
        if KINDS_UNCHECKED:
            return self.has_on(node, gone) > 0
        return self.fixed_on(node) < self.has_on(node, gone)

    # -- areas of a node --

    def left(self, area, gone):
        return self.free[area] - (1 if area == gone else 0)

    def stays_whole(self, area, gone):
        return area != gone and self.is_whole(area)

    def gigantic_on(self, node):
        """Pages of 1 GiB that are promised."""
        return sum(self.promise[f, node] for f in FILES if self.gigantic[f])

    def areas_fit(self, node, gone):
        """Promises of 2 MiB go to areas that are broken up, then to others;
        those of 1 GiB have what is left. They are never in swap."""
        gigantic = self.gigantic_on(node)
        if COUNTED or gigantic == 0:
            return True
        blocks = self.promised_on(node) - BLOCKS * gigantic
        room = sum(
            self.left(a, gone)
            for a in AREAS
            if self.node_of[a] == node and not self.stays_whole(a, gone)
        )
        whole = sum(
            1 for a in AREAS if self.node_of[a] == node and self.stays_whole(a, gone)
        )
        return (
            max(0, blocks - room) <= BLOCKS * (whole - gigantic) and whole >= gigantic
        )

    # -- all nodes --

    def keeps(self, gone, wanted=False):
        """Whether all promises can be kept without a block of the area
        ``gone``, or (None) as things are. ``wanted``: a file has it then."""
        fit = all(self.fits(n, gone, wanted) for n in NODES)
        if SIZES:
            fit = fit and all(self.areas_fit(n, gone) for n in NODES)
        if OVERCOMMIT:
            debt = sum(self.debt_on(n, gone, wanted) for n in NODES)
            exchange = sum(1 for n in NODES if self.debt_on(n, gone, wanted) > 0)
            fit = fit and debt + (0 if LAST_SLOT else exchange) <= self.slots()
        return fit

    # -- files and promises --

    def is_common(self, file, node):
        """Whether all who map the file may allocate on the node."""
        return not NUMA or all(
            not self.maps[t, file] or node in self.mpol.huge_node(file, t)
            for t in TASKS
        )

    def can_recall_on(self, node):
        return LENDING and any(
            self.node_of[a] == node and self.loans.can_call_back(a) for a in AREAS
        )

    @action(kernel="mm/hugetlb.c:hugetlb_reserve_pages")
    def reserve(self, task: TASKS, file: FILES, index: INDICES, node: NODES) -> Errno:
        """fallocate() or mmap(): a page of a file is promised on a node, which
        the caller names, and where all who map the file may allocate. Loans are
        called back first."""
        require(self.is_file(file) and not self.resv_map.regions[file, index])
        if NUMA:
            require(self.maps[task, file])
        if not self.is_common(file, node):
            require(not any(self.is_common(file, n) for n in NODES))
            return EBUSY
        self.promise[file, node] += 1
        if not self.keeps(None):
            assume(
                not self.can_recall_on(node),
                "a reservation waits while a loan can be called back",
            )
            self.promise[file, node] -= 1
            return ENOSPC
        if not CHARGE_AT_FAULT:
            charged = self.try_charge(file, index, self.payer(task))
            if not charged:
                self.promise[file, node] -= 1
                return ENOMEM
        self.resv_map.region_add(file, index, index + 1)
        return OK
