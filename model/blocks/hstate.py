# SPDX-License-Identifier: GPL-2.0-only
"""The pool of one huge page size: struct hstate, mm/hugetlb.c (v6.12).

Counters of each node and the one promise counter, ``resv_huge_pages``, that
has no node. The global nr, free and surplus are the sums over the nodes; the
kernel keeps both and changes both under hugetlb_lock.

``resv_huge_pages`` is an unsigned long in the kernel. Here a wrap shows as -1
(/proc/meminfo prints 18446744073709551615), and stays: the model follows the
effects of a counter that has lost its meaning, but not by how much it is
wrong. (With pins it comes back: a promise that an unmapped page will bring back
with its last pin is missing until then, for at most as many as are pinned.
`OwingHstate` is for kernels in which it comes back without them.)
Where the kernel reads it as a very large number, so do the methods.

A node has room for ``capacity`` huge pages: that is where the buddy allocator
ends. CPUs are on the first node; nodes are in fallback order.
"""

from typing import Any

from poolproof.model.language import ANY, Block, Feature, Int, table, var


class Hstate(Block):
    """One huge page size. ``surplus``, ``resize`` and ``sysctl`` are the
    features for surplus pages, for writing nr_hugepages and for writing
    nr_overcommit_hugepages; without the last it stays at ``overcommit``. With
    ``poison`` there are memory errors in free pages; with ``fragments`` others have
    unmovable pages in blocks that a node has room for."""

    def __init__(
        self,
        nodes: Any,
        capacity: Any,
        pages: Any,
        overcommit: Any,
        steps: Any,
        surplus: Feature,
        resize: Feature,
        sysctl: Feature,
        poison: Feature,
        pins: Feature,
        pinned: Any,
        fragments: Feature,
    ) -> None:
        self.nodes = nodes
        self.capacity = capacity
        self.steps = Int(1, steps)
        self.surplus = surplus
        self.poison = poison
        self.pins = pins
        self.pinned = pinned
        self.spoilt = table(
            nodes, Int(0, capacity), when=fragments, doc="others' unmovable pages"
        )
        self.resize = resize
        self.nr_huge_pages_node = table(nodes, Int(0, capacity), init=pages)
        self.free_huge_pages_node = table(nodes, Int(0, capacity), init=pages)
        self.surplus_huge_pages_node = table(nodes, Int(0, capacity), when=surplus)
        self.bad = table(nodes, Int(0, capacity), when=poison, doc="HWPoison, free")
        self.resv_huge_pages = var(Int(0 - pinned), init=0)
        self.nr_overcommit_huge_pages = var(
            Int(0, overcommit), init=overcommit, when=(surplus, sysctl)
        )
        self.next_nid_to_alloc = var(nodes, init=ANY, when=(surplus, resize))
        self.next_nid_to_free = var(nodes, init=ANY, when=surplus)

    # -- the global counters --

    def nr_huge_pages(self):
        return sum(self.nr_huge_pages_node[n] for n in self.nodes)

    def free_huge_pages(self):
        return sum(self.free_huge_pages_node[n] for n in self.nodes)

    def surplus_huge_pages(self):
        return sum(self.surplus_huge_pages_node[n] for n in self.nodes)

    def persistent_huge_pages(self):
        return self.nr_huge_pages() - self.surplus_huge_pages()

    def available_huge_pages(self):
        """mm/hugetlb.c:available_huge_pages, as a truth value. Unsigned: more
        promises than free pages count as very many available ones."""
        return self.free_huge_pages() != self.resv_huge_pages

    def change_resv(self, pages):
        """resv_huge_pages += pages, or -= where pages is below zero."""
        resv = self.resv_huge_pages + pages
        if self.pins:
            self.resv_huge_pages = max(0 - self.pinned, resv)
        elif self.resv_huge_pages < 0 or resv < 0:
            self.resv_huge_pages = -1
        else:
            self.resv_huge_pages = resv

    def room(self, nid):
        """Return how many huge pages the buddy allocator can make on a node, by
        compaction of all blocks without an unmovable page."""
        return self.capacity - self.nr_huge_pages_node[nid] - self.spoilt[nid]

    # -- the free lists --

    def usable(self, nid):
        """Return the free pages of a node without a memory error."""
        return self.free_huge_pages_node[nid] - self.bad[nid]

    def enqueue_hugetlb_folio(self, nid):
        self.free_huge_pages_node[nid] += 1

    def dequeue_hugetlb_folio_nodemask(self, nodes, first=None):
        """Take a free page of the first of ``nodes`` that has one; return the node, or
        None. mm/hugetlb.c:dequeue_hugetlb_folio_nodemask, which skips pages with
        HWPoison. ``first`` is tried before the others, if it is one of them."""
        nid = None
        for n in self.nodes:
            if n == first and n in nodes and self.usable(n) > 0:
                nid = n
        for n in self.nodes:
            if nid is None and n in nodes and self.usable(n) > 0:
                nid = n
        for n in self.nodes:
            if n == nid:
                self.free_huge_pages_node[n] -= 1
        return nid

    def remove_hugetlb_folio(self, nid, free, adjust_surplus):
        """A page of ``nid`` leaves the pool for the buddy allocator."""
        if free:
            self.free_huge_pages_node[nid] -= 1
            if self.poison:
                left = self.free_huge_pages_node[nid]
                self.bad[nid] = min(self.bad[nid], left)
        if adjust_surplus:
            self.surplus_huge_pages_node[nid] -= 1
        self.nr_huge_pages_node[nid] -= 1

    # -- node cursors: mm/hugetlb.c:hstate_next_node_to_alloc, _to_free --

    def next_node_allowed(self, nid, nodes_allowed):
        """Return the node of the mask after ``nid``; the first after the last."""
        first = None
        after = None
        passed = False
        for n in self.nodes:
            if n in nodes_allowed:
                if first is None:
                    first = n
                if passed and after is None:
                    after = n
            if n == nid:
                passed = True
        return first if after is None else after

    def hstate_next_node_to_alloc(self, nodes_allowed):
        nid = self.next_nid_to_alloc
        if nid not in nodes_allowed:
            nid = self.next_node_allowed(nid, nodes_allowed)
        self.next_nid_to_alloc = self.next_node_allowed(nid, nodes_allowed)
        return nid

    def hstate_next_node_to_free(self, nodes_allowed):
        nid = self.next_nid_to_free
        if nid not in nodes_allowed:
            nid = self.next_node_allowed(nid, nodes_allowed)
        self.next_nid_to_free = self.next_node_allowed(nid, nodes_allowed)
        return nid

    def remove_pool_hugetlb_folio(self, nodes_allowed, acct_surplus):
        """Take a free page out of the pool, from the next node that has one (with
        ``acct_surplus``, one that also has surplus)."""
        found = None
        for _round in self.nodes:
            if found is None:
                nid = self.hstate_next_node_to_free(nodes_allowed)
                for n in self.nodes:
                    wanted = not acct_surplus or self.surplus_huge_pages_node[n] > 0
                    if n == nid and wanted and self.free_huge_pages_node[n] > 0:
                        found = n
        for n in self.nodes:
            if n == found:
                self.remove_hugetlb_folio(n, True, acct_surplus)

    def surplus_to_persistent(self, nodes_allowed):
        """mm/hugetlb.c:adjust_pool_surplus(-1)."""
        found = None
        for _round in self.nodes:
            if found is None:
                nid = self.hstate_next_node_to_alloc(nodes_allowed)
                for n in self.nodes:
                    if n == nid and self.surplus_huge_pages_node[n] > 0:
                        found = n
        for n in self.nodes:
            if n == found:
                self.surplus_huge_pages_node[n] -= 1

    def persistent_to_surplus(self, nodes_allowed):
        """mm/hugetlb.c:adjust_pool_surplus(1)."""
        found = None
        for _round in self.nodes:
            if found is None:
                nid = self.hstate_next_node_to_free(nodes_allowed)
                for n in self.nodes:
                    surplus = self.surplus_huge_pages_node[n]
                    if n == nid and surplus < self.nr_huge_pages_node[n]:
                        found = n
        for n in self.nodes:
            if n == found:
                self.surplus_huge_pages_node[n] += 1

    # -- pages from the buddy allocator --

    def alloc_fresh_hugetlb_folio(self, nodes, first=None):
        """Allocate and count a fresh page on the first of ``nodes`` with room; return
        the node, or None. ``first`` is tried before the others."""
        nid = None
        for n in self.nodes:
            if n == first and n in nodes and self.room(n) > 0:
                nid = n
        for n in self.nodes:
            if nid is None and n in nodes and self.room(n) > 0:
                nid = n
        for n in self.nodes:
            if n == nid:
                self.nr_huge_pages_node[n] += 1
        return nid

    def alloc_surplus_hugetlb_folio(self, nodes, first=None):
        """Allocate a fresh surplus page, up to nr_overcommit; return its node, or None.
        mm/hugetlb.c:alloc_surplus_hugetlb_folio."""
        nid = None
        if self.surplus and self.surplus_huge_pages() < self.nr_overcommit_huge_pages:
            nid = self.alloc_fresh_hugetlb_folio(nodes, first)
            for n in self.nodes:
                if n == nid:
                    self.surplus_huge_pages_node[n] += 1
        return nid

    def move_temporary(self, nid, to):
        """A page of ``nid`` is freed for a temporary one of ``to``, which is a
        page of the pool now: mm/hugetlb.c:move_hugetlb_state."""
        for n in self.nodes:
            if n == nid:
                self.nr_huge_pages_node[n] -= 1
                if self.surplus and self.surplus_huge_pages_node[n] > 0:
                    self.surplus_huge_pages_node[n] -= 1
                    self.surplus_huge_pages_node[to] += 1

    def add_surplus(self, nid, pages):
        """Add up to ``pages`` fresh free surplus pages on a node, and return for how
        many more it has no room."""
        fit = min(pages, self.room(nid))
        self.nr_huge_pages_node[nid] += fit
        self.surplus_huge_pages_node[nid] += fit
        self.free_huge_pages_node[nid] += fit
        return pages - fit

    # -- memory errors --

    def dissolve_free_hugetlb_folio(self, nid):
        """A free page of ``nid`` has a memory error: it leaves the pool, or,
        where all free pages are promised (-EBUSY), stays on the free list
        and is skipped there. mm/hugetlb.c:dissolve_free_hugetlb_folio."""
        if self.available_huge_pages():
            self.remove_hugetlb_folio(nid, True, self.surplus_huge_pages_node[nid] > 0)
        else:
            self.bad[nid] += 1

    # -- promises --

    def gather_surplus_pages(self, delta, nodes, mems):
        """mm/hugetlb.c:gather_surplus_pages: promises ``delta`` pages, with
        fresh surplus pages where the free ones are too few. They come from
        the first node of ``nodes``; where that is full the buddy allocator
        goes on with the others of ``mems``. Whether it could."""
        needed = self.resv_huge_pages + delta - self.free_huge_pages()
        if needed > 0:
            if not self.surplus:
                return False
            if self.surplus_huge_pages() + needed > self.nr_overcommit_huge_pages:
                return False
            room = sum(self.room(n) for n in self.nodes if n in mems)
            if needed > room:
                return False
            first = None
            for n in self.nodes:
                if first is None and n in nodes:
                    first = n
            left = needed
            for n in self.nodes:
                if n == first:
                    left = self.add_surplus(n, left)
            for n in self.nodes:
                if n in mems:
                    left = self.add_surplus(n, left)
        self.change_resv(delta)
        return True

    def return_unused_surplus_pages(self, unused_resv_pages, pages):
        """mm/hugetlb.c:return_unused_surplus_pages: drops promises, and frees
        up to as many free pages of nodes with surplus. ``pages`` is a domain
        with at least that many values."""
        self.change_resv(-unused_resv_pages)
        if self.surplus:
            nr_pages = min(unused_resv_pages, self.surplus_huge_pages())
            freed = 0
            for _page in pages:
                if freed < nr_pages:
                    freed += 1
                    self.remove_pool_hugetlb_folio({n for n in self.nodes}, True)

    # -- nr_hugepages: mm/hugetlb.c:set_max_huge_pages --

    def set_max_huge_pages_node(self, total, floor, nid):
        """A write to one node's file, for ``total`` persistent pages of all
        nodes: what the loops over the node mask {nid} come to. ``floor`` is
        what a shrink must leave."""
        more = max(0, total - self.persistent_huge_pages())
        kept = min(more, self.surplus_huge_pages_node[nid])
        self.surplus_huge_pages_node[nid] -= kept
        fresh = min(more - kept, self.room(nid))
        self.nr_huge_pages_node[nid] += fresh
        self.free_huge_pages_node[nid] += fresh
        less = self.persistent_huge_pages() - max(total, floor)
        gone = max(0, min(less, self.free_huge_pages_node[nid]))
        self.nr_huge_pages_node[nid] -= gone
        self.free_huge_pages_node[nid] -= gone
        if self.poison:
            self.bad[nid] = min(self.bad[nid], self.free_huge_pages_node[nid])
        left = max(0, self.persistent_huge_pages() - total)
        here = self.nr_huge_pages_node[nid] - self.surplus_huge_pages_node[nid]
        self.surplus_huge_pages_node[nid] += min(left, max(0, here))
        if more > 0 and self.resize:
            self.next_nid_to_alloc = nid
        if less > 0 or left > 0:
            self.next_nid_to_free = nid

    def alloc_pool_huge_folio(self, nodes_allowed):
        """Return the next node with room for a fresh page, or None. The page is not
        in the pool yet. mm/hugetlb.c:alloc_pool_huge_folio."""
        found = None
        for _round in self.nodes:
            if found is None:
                nid = self.hstate_next_node_to_alloc(nodes_allowed)
                for n in self.nodes:
                    if n == nid and self.room(n) > 0:
                        found = n
        return found

    def prep_and_add_allocated_folios(self, nid, pages):
        """mm/hugetlb.c:prep_and_add_allocated_folios: fresh pages of a node become
        free pages of the pool."""
        self.nr_huge_pages_node[nid] += pages
        self.free_huge_pages_node[nid] += pages

    def set_max_huge_pages(self, count, floor, nodes_allowed):
        """A write to the global file, of a ``count`` that is at most
        ``steps`` away from the persistent pages."""
        for _step in self.steps:
            if self.surplus_huge_pages() > 0 and count > self.persistent_huge_pages():
                self.surplus_to_persistent(nodes_allowed)
        for _step in self.steps:
            if count > self.persistent_huge_pages():
                nid = self.alloc_pool_huge_folio(nodes_allowed)
                for n in self.nodes:
                    if n == nid:
                        self.prep_and_add_allocated_folios(n, 1)
        min_count = max(count, floor)
        for _step in self.steps:
            if min_count < self.persistent_huge_pages():
                self.remove_pool_hugetlb_folio(nodes_allowed, False)
        for _step in self.steps:
            if count < self.persistent_huge_pages():
                self.persistent_to_surplus(nodes_allowed)

    def is_lost(self):
        """Return whether the counter of promises has lost its meaning."""
        return self.resv_huge_pages < 0


class OwingHstate(Hstate):
    """An hstate whose counter of promises can come back from below zero: at most
    ``pinned`` pages in use owe it a promise, and pay when they are freed."""

    def change_resv(self, pages):
        self.resv_huge_pages = max(0 - self.pinned, self.resv_huge_pages + pages)

    def is_lost(self):
        return False
