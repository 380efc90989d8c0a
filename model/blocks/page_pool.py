# SPDX-License-Identifier: GPL-2.0-only
"""struct hstate of mm/hugetlb.c, for promises only: pages of each node, and one
counter of promises for all nodes. model/blocks/hstate.py has all of it.
Left out: surplus pages, which a write below what is in use makes.
"""

from typing import Any

from poolproof.model.blocks.errno import EBUSY, OK, Errno
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
    With ``poison`` there are memory errors in free pages, with ``resize`` writes to a
    node's nr_hugepages, of one page more or less, and others' unmovable pages in the
    memory that the pool gave up.
    """

    nodes = domain()

    def __init__(
        self, nodes: Any, blocks: Any, start: Any, poison: Any, resize: Any
    ) -> None:
        self.nodes, self.blocks = nodes, blocks
        self.poisoning, self.resizing = poison, resize
        self.nr = table(nodes, Int(0, blocks), init=start)
        self.free = table(nodes, Int(0, blocks), init=start)
        self.resv = var(Int(0), init=0)
        self.bad = table(nodes, Int(0, blocks), when=poison)
        self.lost = table(nodes, Int(0, blocks), when=poison)
        self.spoilt = table(
            nodes, Int(0, blocks), when=resize, doc="others' unmovable pages"
        )

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

    def room(self, node):
        """Huge pages that the buddy allocator can make on a node."""
        return self.blocks - self.nr[node] - self.lost[node] - self.spoilt[node]

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

    # -- nr_hugepages --

    @action(kernel="mm/hugetlb.c:set_max_huge_pages", when="resizing")
    def shrink(self, node: nodes) -> Errno:
        """One page less, if one is free that nobody was promised."""
        require(self.nr[node] > 0)
        if self.usable(node) <= 0 or self.available() <= 0:
            return EBUSY
        self.nr[node] -= 1
        self.free[node] -= 1
        return OK

    @action(kernel="mm/hugetlb.c:set_max_huge_pages", when="resizing")
    def grow(self, node: nodes) -> Errno:
        """One more page, from the memory that the pool gave up. The write succeeds
        with or without one: mm/hugetlb.c:alloc_pool_huge_folio ends it."""
        require(self.nr[node] + self.lost[node] < self.blocks)
        if self.room(node) > 0:
            self.nr[node] += 1
            self.free[node] += 1
        return OK

    @action(kernel="mm/page_alloc.c:__rmqueue_steal", when="resizing", silent=True)
    def other_pollute(self, node: nodes):
        """Another user's unmovable page gets into a block of the node."""
        require(self.room(node) > 0)
        self.spoilt[node] += 1

    @action(kernel="mm/page_alloc.c:free_unref_folios", when="resizing", silent=True)
    def other_free(self, node: nodes):
        require(self.spoilt[node] > 0)
        self.spoilt[node] -= 1
