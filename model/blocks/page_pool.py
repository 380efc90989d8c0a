# SPDX-License-Identifier: GPL-2.0-only
"""struct hstate of mm/hugetlb.c, as far as promises go: pages of each node, and
one counter of promises without a node. model/blocks/hstate.py has all of it.
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


class PagePool(Block):
    """``start`` huge pages on each of ``nodes``, which has room for ``blocks``.
    With ``poison`` there are memory errors in free pages.
    """

    nodes = domain()

    def __init__(self, nodes: Any, blocks: Any, start: Any, poison: Any) -> None:
        self.nodes, self.poisoning = nodes, poison
        self.nr = table(nodes, Int(0, blocks), init=start)
        self.free = table(nodes, Int(0, blocks), init=start)
        self.resv = var(Int(0), init=0)
        self.bad = table(nodes, Int(0, blocks), when=poison)
        self.lost = table(nodes, Int(0, blocks), when=poison)

    def nr_huge_pages(self):
        return sum(self.nr[n] for n in self.nodes)

    def free_huge_pages(self):
        return sum(self.free[n] for n in self.nodes)

    def available(self):
        """Free pages that nobody was promised."""
        return self.free_huge_pages() - self.resv

    def usable(self, node):
        """Free pages that dequeue_hugetlb_folio() does not skip."""
        return self.free[node] - self.bad[node]

    # -- what the common specs ask --

    @observer
    def total(self):
        return self.nr_huge_pages()

    @observer
    def free_blocks(self):
        return self.free_huge_pages() - sum(self.bad[n] for n in self.nodes)

    @observer
    def promised(self):
        return self.resv

    @observer
    def used(self):
        """HugePages_Total - HugePages_Free + HugePages_Rsvd."""
        return self.nr_huge_pages() - self.available()

    @observer
    def poisoned(self):
        return sum(self.lost[n] + self.bad[n] for n in self.nodes)

    # -- memory errors --

    @action(kernel="mm/hugetlb.c:dissolve_free_hugetlb_folio", when="poisoning")
    def poison(self, node: nodes):
        """An error in a free page: it leaves the pool, or where all free
        pages are promised, stays on the free list and is skipped there."""
        require(self.usable(node) > 0)
        if self.available() > 0:
            self.free[node] -= 1
            self.nr[node] -= 1
            self.lost[node] += 1
        else:
            self.bad[node] += 1
