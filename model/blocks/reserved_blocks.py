# SPDX-License-Identifier: GPL-2.0-only
"""The pool of Reserved THP, as posted: pageblocks of a type of their own, set
apart at boot (mm/page_alloc.c with the patches), and the quota that promises
them (mm/reserved_thp.c).
"""

from typing import Any

from poolproof.model.language import (
    Block,
    Int,
    action,
    domain,
    observer,
    require,
    table,
    var,
)


class ReservedQuota(Block):
    """mm/reserved_thp.c: one counter for all who were promised huge pages.

    Hook: ``quota()``, how many huge pages may be charged.
    """

    def __init__(self) -> None:
        self.reserved_thp_used = var(Int(0), init=0)

    def charge(self, nr_hpages):
        """mm/reserved_thp.c:reserved_thp_charge. Return whether it fits."""
        if self.reserved_thp_used + nr_hpages > self.design.quota():
            return False
        self.reserved_thp_used += nr_hpages
        return True

    def uncharge(self, nr_hpages):
        """mm/reserved_thp.c:reserved_thp_uncharge: warns and stops at 0 where
        more is given back than was charged."""
        self.reserved_thp_used = max(0, self.reserved_thp_used - nr_hpages)

    @observer
    def used(self):
        """used_hpages in sysfs."""
        return self.reserved_thp_used


class ReservedBlocks(ReservedQuota):
    """``blocks`` reserved pageblocks of each of ``nodes``, which are counted. With
    ``poison`` there are memory errors in free ones.

    Hook: ``allowed(holder, node)``, whether a holder's faults may take a block of
    the node.
    """

    nodes = domain()

    def __init__(self, nodes: Any, blocks: Any, poison: Any) -> None:
        super().__init__()
        self.nodes, self.blocks, self.poisoning = nodes, blocks, poison
        self.free = table(nodes, Int(0, blocks), init=blocks)
        self.lost = table(nodes, Int(0, blocks), when=poison)

    # -- pageblocks --

    def lacks(self, holder):
        """Return whether no node that the holder may use has a free block."""
        return all(
            self.free[n] == 0 or not self.design.allowed(holder, n) for n in self.nodes
        )

    def take(self, node):
        """mm/page_alloc.c:__rmqueue, with ALLOC_RESERVED_THP."""
        self.free[node] -= 1

    def put(self, node):
        """mm/page_alloc.c:free_one_page: to the list of its type at once."""
        self.free[node] += 1

    # -- what the common specs ask --

    @observer
    def borrowed(self):
        """Nobody else can use an idle block."""
        return 0

    @observer
    def total(self):
        return sum(self.blocks - self.lost[n] for n in self.nodes)

    @observer
    def free_blocks(self):
        return sum(self.free[n] for n in self.nodes)

    @observer
    def poisoned(self):
        return sum(self.lost[n] for n in self.nodes)

    # -- memory errors --

    @action(kernel="mm/memory-failure.c:memory_failure", when="poisoning")
    def poison(self, node: nodes):
        """A free block is lost. Nothing lowers reserved_thp_total."""
        require(self.free[node] > 0)
        self.free[node] -= 1
        self.lost[node] += 1
