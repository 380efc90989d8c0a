# SPDX-License-Identifier: GPL-2.0-only
"""hugetlb whose pages come from CMA areas.

Source: mm/hugetlb.c, mm/hugetlb_cma.c and mm/cma.c of Linux 6.12 and later: the
arrangement that the cover letter of "Reserved THP" describes. Areas for the
peak, pages taken from them while they are needed, the rest lent out.

Modelled: all of hugetlb (linux_6_12.py), with an area of ``blocks`` pages on
each node in place of the buddy allocator. A write to a node's nr_hugepages
takes a page from the area, or gives one back. Idle blocks are lent to movable
allocations; their recall by migration needs memory elsewhere and no pin. With
``demote`` some blocks of the first node's area are gigantic pages, whose pieces stay
the area's: it has at least RATIO * GIGANTIC blocks.
Left out: long-term pins (such a page leaves the area first); writes to the number of
gigantic pages; the fallback to alloc_contig_pages() without hugetlb_cma_only; the
recall by writes to the total and by surplus pages, which take the idle part only.
"""

from typing import Any

from poolproof.model.blocks.errno import EBUSY, OK, Errno
from poolproof.model.blocks.hstate import Hstate
from poolproof.model.blocks.lending import Lending
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb
from poolproof.model.designs.hugetlb.names import (
    DEMOTE,
    NODES,
    PINS,
    POISON,
    RATIO,
    B,
)
from poolproof.model.designs.names import LENDING, SPARE
from poolproof.model.language import Int, action, made_like, observer, require, table


class AreaHstate(Hstate):
    """Huge pages that the nodes' CMA areas make.

    Hook: ``idle_area(node)``, how many blocks of the area are free.
    """

    def room(self, nid):
        """mm/hugetlb_cma.c:hugetlb_cma_alloc_frozen_folio (v7.2), without a
        recall."""
        return self.design.idle_area(nid)


class HugetlbCma(Hugetlb):
    """hugetlb whose pages come from CMA areas while they are needed."""

    h = made_like(Hugetlb.h, AreaHstate, capacity=B, pages=0)
    loans = Lending(NODES, B, SPARE, LENDING, (LENDING, PINS))
    lost = table(NODES, Int(0, B), when=POISON, doc="blocks with a memory error")

    other_pollute: Any = None
    other_free: Any = None

    def initial(self):
        """The first node's area has room for the gigantic pages."""
        return all(self.area(n) >= 0 for n in NODES)

    @observer
    def gigantic_blocks(self):
        """Blocks that are in gigantic pages."""
        return RATIO * self.gigantic if DEMOTE else 0

    def area(self, node):
        """Blocks of the node's area that are in no gigantic page: mm/cma.c:cma_release
        takes the pieces of a demoted one, too (since 5.16: a01f43901cfb)."""
        if DEMOTE and node == self.first_node():
            return B - self.gigantic_blocks()
        return B

    def idle_area(self, node):
        """Blocks of the area that neither hugetlb nor a borrower has."""
        used = self.h.nr_huge_pages_node[node] + self.loans.lent[node]
        return self.area(node) - self.lost[node] - used

    @observer
    def total(self):
        """HugePages_Total, and blocks of the areas that are lent."""
        return self.h.nr_huge_pages() + self.loans.total()

    @observer
    def borrowed(self):
        return self.loans.total()

    @action(kernel="mm/hugetlb.c:set_max_huge_pages")
    def shrink(self, node: NODES) -> Errno:
        """nr_hugepages - 1: back to the area, if not used nor promised."""
        require(self.h.nr_huge_pages_node[node] > 0)
        if self.h.usable(node) <= 0 or not self.h.available_huge_pages():
            return EBUSY
        self.h.remove_hugetlb_folio(node, True, False)
        return OK

    @action(kernel="mm/cma.c:cma_alloc")
    def grow(self, node: NODES) -> Errno:
        """nr_hugepages + 1: from the area's idle part, or a loan called back."""
        require(self.h.nr_huge_pages_node[node] + self.lost[node] < self.area(node))
        if self.idle_area(node) == 0:
            called = self.loans.call_back(node)
            if not called:
                return EBUSY
        self.h.nr_huge_pages_node[node] += 1
        self.h.free_huge_pages_node[node] += 1
        return OK

    @action(kernel="mm/hugetlb.c:dissolve_free_hugetlb_folio", when=POISON)
    def poison(self, node: NODES):
        """A memory error in a free page: its block is the area's no more."""
        require(self.h.usable(node) > 0)
        before = self.h.nr_huge_pages_node[node]
        self.h.dissolve_free_hugetlb_folio(node)
        self.lost[node] += before - self.h.nr_huge_pages_node[node]

    def may_lend(self, node):
        return self.idle_area(node) > 0

    def take_idle(self, node):
        """What is lent is idle no more, by the count of loans."""

    def put_idle(self, node):
        """What comes back is idle again, by the count of loans."""
