# SPDX-License-Identifier: GPL-2.0-only
"""Pools that a boot parameter makes: hugetlb's, on CMA or not, Reserved THP's, TAO's.

Source: mm/hugetlb.c of v6.12 (hugepages_setup, hugetlb_hstate_alloc_pages,
hugetlb_cma_reserve); for Reserved THP mm/reserved_thp.c as posted, and the loop over
alloc_pages() that it calls. About TAO's nosplit= we know only the name.

Modelled: nodes, each with some huge pages' worth of whole memory at boot; one parameter
for all nodes, or a number for each; what the pool gets, and whether the log reports a
shortage; memory that others free after boot; writes to nr_hugepages.

Reserved THP's pages come from the node where the pool has fewest: init's memory policy
interleaves (mm/mempolicy.c:numa_policy_init). hugetlb's threads allocate in chunks,
and every chunk starts at the first node.

Left out: gigantic pages from memblock, memory that a parameter takes from what the
kernel itself needs, repeated parameters.
"""

from typing import Any

from poolproof.model.blocks.errno import EINVAL, OK, Errno
from poolproof.model.blocks.hstate import Hstate
from poolproof.model.designs.names import NODES, N
from poolproof.model.language import (
    ANY,
    Bool,
    Bound,
    Design,
    Int,
    Maybe,
    action,
    observer,
    require,
    table,
    var,
)

BLOCKS = Bound("blocks", 2, doc="huge pages of each node at most")
PER_BLOCK = Bound("per_block", 1, doc="huge pages in a pageblock")

MOST = N * BLOCKS + PER_BLOCK - 1
COUNT = Int(1, MOST)
PARTS: Any = N


class BootHugetlb(Design):
    """hugepages=, and hugepages=NODE:COUNT, in 6.12: two threads for each node. In 6.18
    there is one for every four CPUs."""

    assumed: tuple[str, ...] = (
        "sketch: the threads of hugepages= allocate one after the other",
    )

    threads: Any = 2 * N
    nodes: Any = NODES
    next_node_allowed = Hstate.next_node_allowed

    memory = table(NODES, Int(0, BLOCKS), init=ANY, doc="whole and free")
    pool = table(NODES, Int(0, BLOCKS), doc="the pool's")
    asked = var(Int(0, MOST), doc="what the parameter says; 0: not yet")
    asked_of = table(NODES, Int(0, BLOCKS), doc="... of each node")
    up = var(Bool(), doc="the machine runs")
    told = var(Bool(), doc="the log reports the shortage")
    next_nid_to_alloc = var(Maybe(NODES), doc="none: the first node")

    @observer
    def total(self):
        return sum(self.pool[n] for n in NODES)

    @observer
    def had(self):
        """Huge pages that the machine had whole memory for."""
        return self.total() + sum(self.memory[n] for n in NODES)

    # -- parts --

    def unit(self):
        """Huge pages of one allocation."""
        return 1

    def has(self, node):
        return self.memory[node] >= self.unit()

    def take(self, node):
        """One allocation of the node."""
        for n in NODES:
            if n == node:
                self.memory[n] -= self.unit()
                self.pool[n] += self.unit()

    def alloc_pool_huge_folio(self, next_node):
        """Allocate from the first node that has a page, from next_node on (None: from
        the first node). Return the node to begin with the next time."""
        nodes = {n for n in NODES}
        node = next_node
        if node is None:
            node = self.next_node_allowed(None, nodes)
        done = False
        for _turn in NODES:
            if not done:
                done = self.has(node)
                if done:
                    self.take(node)
                node = self.next_node_allowed(node, nodes)
        return node

    # -- at boot --

    @action(kernel="mm/hugetlb.c:hugetlb_hstate_alloc_pages")
    def boot(self, pages: COUNT) -> Errno:
        """hugepages=COUNT: hugetlb_pages_alloc_boot() hands out chunks to threads, and
        hugetlb_pages_alloc_boot_node() starts each chunk at first_online_node. A page
        that is missing is not tried again: nr_hugepages becomes what there is."""
        require(self.asked == 0)
        self.asked = pages
        chunk = max(pages // self.threads, 1)
        node = None
        left = chunk
        for _page in COUNT:
            if self.total() < min(pages, self.had()):
                if left == 0:
                    node = None
                    left = chunk
                node = self.alloc_pool_huge_folio(node)
                left -= 1
        self.told = self.total() < pages
        return OK

    @action(kernel="mm/hugetlb.c:hugetlb_hstate_alloc_pages_onenode")
    def boot_node(self, node: NODES, pages: Int(1, BLOCKS)) -> Errno:
        """hugepages=NODE:COUNT: __GFP_THISNODE."""
        require(not self.up and self.asked == sum(self.asked_of[n] for n in NODES))
        require(self.asked_of[node] == 0)
        self.asked += pages
        self.asked_of[node] = pages
        for _page in COUNT:
            if self.pool[node] < pages and self.memory[node] > 0:
                self.take(node)
        self.told = self.told or self.pool[node] < pages
        return OK

    # -- later --

    @action(kernel="mm/page_alloc.c:free_unref_folios", silent=True)
    def other_free(self, node: NODES):
        """Others free pages that kept memory from being whole."""
        require(self.asked > 0 and self.memory[node] + self.pool[node] < BLOCKS)
        self.up = True
        self.memory[node] += 1

    @action(kernel="mm/hugetlb.c:set_max_huge_pages")
    def grow(self) -> Errno:
        """nr_hugepages + 1, which succeeds with or without a page."""
        require(self.asked > 0)
        self.up = True
        self.next_nid_to_alloc = self.alloc_pool_huge_folio(self.next_nid_to_alloc)
        return OK


class BootHugetlbOneThread(BootHugetlb):
    """hugepages= in 6.1, and in 6.18 on fewer than eight CPUs: one thread."""

    assumed: tuple[str, ...] = ()

    threads: Any = 1


class BootHugetlbCma(BootHugetlb):
    """hugetlb_cma=, and hugetlb_cma=NODE:SIZE. Pages are gigantic; a node has the
    whole area, or none."""

    assumed: tuple[str, ...] = ()

    grow: Any = None

    def declare(self, node, size):
        """mm/cma.c:cma_declare_contiguous_nid. Return whether there is an area."""
        done = False
        for n in NODES:
            if n == node and self.memory[n] >= size:
                self.memory[n] -= size
                self.pool[n] += size
                done = True
        return done

    @action(kernel="mm/hugetlb.c:hugetlb_cma_reserve")
    def boot(self, pages: COUNT) -> Errno:
        """An equal part of each node, rounded up, until that is all. Where there is
        no room the next node gets no more for it."""
        require(self.asked == 0)
        self.asked = pages
        per_node = (pages + PARTS - 1) // PARTS
        for n in NODES:
            size = min(per_node, pages - self.total())
            if size > 0:
                done = self.declare(n, size)
                self.told = self.told or not done
        return OK

    @action(kernel="mm/hugetlb.c:hugetlb_cma_reserve")
    def boot_node(self, node: NODES, pages: Int(1, BLOCKS)) -> Errno:
        require(not self.up and self.asked == sum(self.asked_of[n] for n in NODES))
        require(self.asked_of[node] == 0)
        self.asked += pages
        self.asked_of[node] = pages
        done = self.declare(node, pages)
        self.told = self.told or not done
        return OK


class BootReservedThp(BootHugetlb):
    """thp_reserved_nr=, as posted: whole pageblocks, which may be larger."""

    assumed: tuple[str, ...] = ()

    grow: Any = None

    def unit(self):
        return PER_BLOCK

    def next_node(self):
        """The first of the nodes with memory where the pool has fewest, or None."""
        found = None
        for n in NODES:
            least = all(self.pool[n] <= self.pool[m] for m in NODES if self.has(m))
            if found is None and self.has(n) and least:
                found = n
        return found

    @action(kernel="mm/reserved_thp.c:reserved_thp_init")
    def boot(self, pages: COUNT) -> Errno:
        """alloc_pages(), until there are enough or it fails. The log has both
        numbers."""
        require(self.asked == 0)
        self.asked = pages
        for _page in COUNT:
            if self.total() < pages:
                self.take(self.next_node())
        self.told = True
        return OK

    @action(kernel="mm/reserved_thp.c:setup_reserved_thp_nr")
    def boot_node(self, node: NODES, pages: Int(1, BLOCKS)) -> Errno:
        """A number for a node is invalid, and nothing is reserved."""
        require(self.asked == 0 and self.asked_of[node] == 0)
        return EINVAL


class BootTao(BootHugetlb):
    """nosplit=: a range of each node's memory is the zone."""

    assumed: tuple[str, ...] = (
        "Yu Zhao, 20240229183436.4110845-2-yuzhao@google.com: each node gives an equal "
        "part, as for kernelcore=, and what it lacks is not looked for elsewhere",
    )

    grow: Any = None
    boot_node: Any = None

    @action(kernel="mm/mm_init.c:find_zone_movable_pfns_for_nodes")
    def boot(self, pages: COUNT) -> Errno:
        require(self.asked == 0)
        self.asked = pages
        per_node = (pages + PARTS - 1) // PARTS
        for n in NODES:
            size = min(min(per_node, pages - self.total()), self.memory[n])
            self.memory[n] -= size
            self.pool[n] += size
        return OK
