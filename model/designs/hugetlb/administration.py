# SPDX-License-Identifier: GPL-2.0-only
"""What an administrator writes to the pool: its size, and what is offline."""

from poolproof.model.blocks.errno import EBUSY, OK, Errno
from poolproof.model.designs.hugetlb.gigantic import Gigantic
from poolproof.model.designs.hugetlb.names import (
    CAP,
    FRAGMENTS,
    NODES,
    OC,
    OFFLINE,
    POISON,
    RESIZE,
    RESIZE_NODE,
    STEP,
    SURPLUS,
    SYSCTL,
    N,
)
from poolproof.model.language import Int, action, assume, require


class Resizing(Gigantic):
    """nr_hugepages and nr_overcommit_hugepages."""

    @action(
        kernel="mm/hugetlb.c:nr_hugepages_store_common", when=(SURPLUS, RESIZE_NODE)
    )
    def set_nr_hugepages_node(self, node: NODES, count: Int(0, CAP)) -> Errno:
        """A write to a node's nr_hugepages."""
        total = self.node_count(node, count)
        self.h.set_max_huge_pages_node(total, self.min_count(), node)
        return OK

    def node_count(self, node, count):
        """mm/hugetlb.c:set_max_huge_pages, "a node specific request"."""
        here = self.h.nr_huge_pages_node[node] - self.h.surplus_huge_pages_node[node]
        others = self.h.persistent_huge_pages() - here
        if here < 0 or others < 0:
            # unsigned: the sum overflows, which means as many as possible
            return self.h.nr_huge_pages() + CAP
        return count + others

    def min_count(self):
        """mm/hugetlb.c:set_max_huge_pages: what a shrink leaves, the pages in
        use or promised. Unsigned: a wrapped promise counter stops it."""
        if self.h.resv_huge_pages < 0:
            return self.h.nr_huge_pages()
        in_use = self.h.nr_huge_pages() - self.h.free_huge_pages()
        return self.h.resv_huge_pages + in_use

    @action(kernel="mm/hugetlb.c:nr_hugepages_store_common", when=(SURPLUS, RESIZE))
    def set_nr_hugepages(self, count: Int(0, N * CAP)) -> Errno:
        """A write to nr_hugepages, by at most STEP pages more or less: more
        is several writes."""
        persistent = self.h.persistent_huge_pages()
        assume(
            persistent - STEP <= count and count <= persistent + STEP,
            "nr_hugepages is written step by step",
        )
        self.h.set_max_huge_pages(count, self.min_count(), {n for n in NODES})
        return OK

    @action(kernel="mm/hugetlb.c:nr_overcommit_hugepages_store", when=(SURPLUS, SYSCTL))
    def set_nr_overcommit(self, count: Int(0, OC)) -> Errno:
        """A write to nr_overcommit_hugepages."""
        self.h.nr_overcommit_huge_pages = count
        return OK

    @action(kernel="mm/page_alloc.c:__rmqueue_steal", when=FRAGMENTS, silent=True)
    def other_pollute(self, node: NODES):
        """Another user's unmovable page gets into a block of the node."""
        require(self.h.room(node) > 0)
        self.h.spoilt[node] += 1

    @action(kernel="mm/page_alloc.c:free_unref_folios", when=FRAGMENTS, silent=True)
    def other_free(self, node: NODES):
        require(self.h.spoilt[node] > 0)
        self.h.spoilt[node] -= 1

    @action(kernel="mm/hugetlb.c:dissolve_free_hugetlb_folio", when=POISON)
    def poison(self, node: NODES):
        """A memory error in a free page of the node."""
        require(self.h.usable(node) > 0)
        self.h.dissolve_free_hugetlb_folio(node)

    @action(kernel="mm/hugetlb.c:dissolve_free_hugetlb_folios", when=OFFLINE)
    def dissolve(self, node: NODES) -> Errno:
        """Memory of a node goes offline: a free page of it leaves the pool
        (mm/hugetlb.c:dissolve_free_hugetlb_folio), unless all free pages are
        promised. Which nodes the promises need is not asked.
        offline_pages() goes on with the next page or fails; what is gone is gone
        either way."""
        require(self.h.usable(node) > 0)
        may_dissolve = self.may_dissolve()
        if not may_dissolve:
            return EBUSY
        self.h.remove_hugetlb_folio(node, True, self.dissolved_surplus(node))
        return OK

    def may_dissolve(self):
        """mm/hugetlb.c:dissolve_free_hugetlb_folio: "if all free pages are
        promised: -EBUSY" (since 4.9: 082d5b6b60e9)."""
        return self.h.available_huge_pages()

    def dissolved_surplus(self, node):
        """Return whether a free page that is dissolved counts as a surplus one."""
        return self.h.surplus_huge_pages_node[node] > 0
