# SPDX-License-Identifier: GPL-2.0-only
"""A small hugetlb, and hugetlb on CMA areas.

Source: mm/hugetlb.c, mm/hugetlb_cma.c and mm/cma.c of Linux 6.12 and later.
`HugetlbPool` is what hugetlb comes to in the words that all pool designs
share; model/designs/hugetlb/linux_6_12.py is the full account of it. `HugetlbCma`
is the arrangement that the cover letter of "Reserved THP" describes: areas for the
peak, pages taken from them while they are needed, the rest lent out.

Modelled: free and used pages per node, one promise counter without a node,
mappings that own their reservation, MADV_DONTNEED, and as features: binding
to a node and rebinding, memcg charge at the fault (memory_hugetlb_accounting),
fork and copy-on-write with the owner taking pages from its child, pins, resizing,
memory errors. For CMA: the lending of idle blocks to movable allocations, their
recall by migration, which needs memory elsewhere and no pin; short pins only
(a long-term pin moves the page out of the area first).
Left out: files and subpools, surplus, cgroup limits, size= (hugetlb.py has
them); gigantic pages and their demotion to what is one block here; the
fallback to alloc_contig_pages(); the search for another run in the area.
"""

from poolproof.model.blocks.lending import Lending
from poolproof.model.blocks.numa import NodeBinding
from poolproof.model.blocks.page_pool import PagePool
from poolproof.model.blocks.pins import Pins
from poolproof.model.designs.names import (
    BLOCKS,
    DONTNEED,
    EBUSY,
    ENOMEM,
    FORK,
    INDICES,
    LENDING,
    LIMIT,
    MEMCG,
    NODES,
    NUMA,
    OK,
    PINS,
    POISON,
    SIGBUS,
    SPARE,
    VMAS,
    Errno,
    P,
)
from poolproof.model.language import (
    Bool,
    Design,
    Feature,
    Int,
    Maybe,
    action,
    observer,
    require,
    table,
    var,
)

RESIZE = Feature("resize", False, "writes to nr_hugepages of a node")


class HugetlbPool(Design):
    """hugetlb with private mappings, in common words."""

    h = PagePool(NODES, BLOCKS, BLOCKS, POISON)
    length = table(VMAS, Int(0, P), doc="0: no mapping")
    owner = table(VMAS, Bool(), doc="HPAGE_RESV_OWNER")
    page = table(VMAS, INDICES, Maybe(NODES), doc="the page that is its own")
    pins = Pins(VMAS, INDICES, NODES, BLOCKS, PINS)
    parent = table(VMAS, Maybe(VMAS), when=FORK, doc="whose pages it maps")
    shared = table(VMAS, INDICES, Bool(), when=FORK, doc="maps its parent's page")
    binding = NodeBinding(VMAS, NODES, NUMA)
    failed = var(Bool(), doc="a promised fault has failed")

    # -- what the common specs ask --

    total = h.total

    @observer
    def populated(self):
        return sum(1 for v in VMAS for p in INDICES if self.page[v, p] is not None)

    @observer
    def entitled(self):
        """What mappings were promised, and pages that a child copied."""
        return self.populated() + sum(self.unconsumed(v) for v in VMAS)

    @observer
    def borrowed(self):
        """Nobody else can use an idle page."""
        return 0

    @observer
    def foreign(self):
        """Pages in use that no mapping has, nor I/O on a former one."""
        return (
            self.h.nr_huge_pages()
            - self.h.free_huge_pages()
            - self.populated()
            - self.pins.in_limbo()
        )

    @observer
    def small(self):
        """A huge page is never split."""
        return 0

    @observer
    def swapped(self):
        return 0

    @observer
    def one_has_all(self):
        """Whether the whole pool is one mapping's."""
        return any(self.share(v) == self.total() for v in VMAS)

    @observer
    def idle(self):
        """No mapping, and no I/O under way."""
        return all(self.length[v] == 0 for v in VMAS) and self.pins.in_limbo() == 0

    # -- parts --

    def unconsumed(self, vma):
        """Pages that the mapping was promised and has not."""
        if not self.owner[vma]:
            return 0
        return self.length[vma] - sum(
            1 for p in INDICES if self.page[vma, p] is not None
        )

    def share(self, vma):
        """What the mapping has or was promised."""
        there = sum(1 for p in INDICES if self.page[vma, p] is not None)
        return there + self.unconsumed(vma)

    def allowed(self, vma, node):
        return self.binding.allowed(vma, node)

    def has_page(self, vma, page):
        return self.page[vma, page] is not None

    def free_page(self, node):
        self.h.free[node] += 1

    def is_there(self, vma):
        return self.length[vma] > 0

    def fits_memcg(self):
        """mm/memcontrol.c:mem_cgroup_charge_hugetlb."""
        return not MEMCG or self.populated() < LIMIT

    def child_of(self, child, vma, page):
        return self.parent[child] == vma and self.shared[child, page]

    def put_page(self, vma, page):
        """free_huge_folio(): promises are the caller's business."""
        node = self.page[vma, page]
        if node is not None:
            self.pins.give_up(vma, page, node)
            self.page[vma, page] = None
        self.pins.pinned[vma, page] = False

    def zap(self, vma, page):
        """Unmaps a page. A child that maps it keeps it."""
        if FORK:
            for c in VMAS:
                if self.child_of(c, vma, page):
                    self.page[c, page] = self.page[vma, page]
                    self.page[vma, page] = None
                    self.shared[c, page] = False
            self.shared[vma, page] = False
        self.put_page(vma, page)

    # -- mappings --

    @action(kernel="mm/hugetlb.c:hugetlb_reserve_pages")
    def reserve(self, vma: VMAS, pages: Int(1, P)) -> Errno:
        """mmap(MAP_PRIVATE | MAP_HUGETLB) by a task that may use all nodes."""
        require(self.length[vma] == 0)
        if pages > self.h.available():
            return ENOMEM
        self.h.resv += pages
        self.length[vma] = pages
        self.owner[vma] = True
        return OK

    @action(kernel="mm/hugetlb.c:hugetlb_no_page")
    def fault(self, vma: VMAS, page: INDICES, node: NODES) -> Errno:
        """A page of an allowed node; without a promise, one that is not
        promised to others."""
        require(page < self.length[vma] and self.page[vma, page] is None)
        require(not self.shared[vma, page])
        require(self.allowed(vma, node))
        none = all(self.h.usable(n) <= 0 or not self.allowed(vma, n) for n in NODES)
        require(none or self.h.usable(node) > 0)
        promised = self.owner[vma]
        if not promised and self.h.available() <= 0:
            return SIGBUS
        if none or not self.fits_memcg():
            self.failed = self.failed or promised
            return SIGBUS
        self.h.free[node] -= 1
        if promised:
            self.h.resv -= 1
        self.page[vma, page] = node
        return OK

    @action(kernel="mm/hugetlb.c:hugetlb_vm_op_close")
    def unmap(self, vma: VMAS):
        """munmap() of a mapping, or exit."""
        require(self.length[vma] > 0)
        self.h.resv -= self.unconsumed(vma)
        for p in INDICES:
            self.zap(vma, p)
        self.length[vma] = 0
        self.owner[vma] = False
        self.binding.forget(vma)
        if FORK:
            self.parent[vma] = None
            for c in VMAS:
                if self.parent[c] == vma:
                    self.parent[c] = None

    @action(kernel="mm/hugetlb.c:__unmap_hugepage_range", when=DONTNEED)
    def dontneed(self, vma: VMAS, page: INDICES):
        """MADV_DONTNEED: the owner's promise comes back."""
        require(self.page[vma, page] is not None)
        if self.owner[vma]:
            self.h.resv += 1
        self.zap(vma, page)

    # -- fork --

    @action(kernel="mm/mmap.c:dup_mmap", when=FORK)
    def fork(self, vma: VMAS, child: VMAS) -> Errno:
        """The child has no reservation. One generation, one child at a time."""
        require(self.length[vma] > 0 and self.length[child] == 0)
        require(self.parent[vma] is None)
        require(all(self.parent[v] != vma for v in VMAS))
        self.length[child] = self.length[vma]
        self.binding.copy(vma, child)
        self.parent[child] = vma
        for p in INDICES:
            self.shared[child, p] = self.page[vma, p] is not None
        return OK

    @action(kernel="mm/hugetlb.c:hugetlb_wp", when=FORK)
    def write(self, vma: VMAS, page: INDICES, node: NODES) -> Errno:
        """Copy-on-write of a page that two processes map. An owner that finds
        none available takes the page away from its child."""
        mine = any(self.child_of(c, vma, page) for c in VMAS)
        require(self.shared[vma, page] or mine)
        none = self.h.available() <= 0
        require(none or (self.allowed(vma, node) and self.h.usable(node) > 0))
        if none:
            if not mine or not self.owner[vma]:
                return SIGBUS
            for c in VMAS:
                if self.child_of(c, vma, page):
                    self.shared[c, page] = False
            return OK
        self.h.free[node] -= 1
        if mine:
            for c in VMAS:
                if self.child_of(c, vma, page):
                    self.page[c, page] = self.page[vma, page]
                    self.shared[c, page] = False
        self.shared[vma, page] = False
        self.page[vma, page] = node
        return OK

    # -- resizing --

    @action(kernel="mm/hugetlb.c:set_max_huge_pages", when=RESIZE)
    def shrink(self, node: NODES) -> Errno:
        """One page less, if one is neither used nor promised."""
        require(self.h.nr[node] > 0)
        if self.h.usable(node) <= 0 or self.h.available() <= 0:
            return EBUSY
        self.h.free[node] -= 1
        self.h.nr[node] -= 1
        return OK

    @action(kernel="mm/hugetlb.c:set_max_huge_pages", when=RESIZE)
    def grow(self, node: NODES) -> Errno:
        require(self.h.nr[node] + self.h.lost[node] < BLOCKS)
        self.h.free[node] += 1
        self.h.nr[node] += 1
        return OK


class HugetlbCma(HugetlbPool):
    """hugetlb whose pages come from CMA areas while they are needed."""

    h = PagePool(NODES, BLOCKS, 0, POISON)
    loans = Lending(NODES, BLOCKS, SPARE, LENDING, (LENDING, PINS))

    @observer
    def total(self):
        """The areas, whoever has their blocks."""
        return sum(BLOCKS - self.h.lost[n] for n in NODES)

    def idle_area(self, node):
        return BLOCKS - self.h.lost[node] - self.h.nr[node] - self.loans.lent[node]

    @observer
    def free_blocks(self):
        bad = sum(self.h.bad[n] for n in NODES)
        idle = sum(self.idle_area(n) for n in NODES)
        return self.h.free_huge_pages() - bad + idle

    @observer
    def borrowed(self):
        return self.loans.total()

    @action(kernel="mm/cma.c:cma_release")
    def shrink(self, node: NODES) -> Errno:
        """nr_hugepages - 1: back to the area, if not used nor promised."""
        require(self.h.nr[node] > 0)
        if self.h.usable(node) <= 0 or self.h.available() <= 0:
            return EBUSY
        self.h.free[node] -= 1
        self.h.nr[node] -= 1
        return OK

    @action(kernel="mm/cma.c:cma_alloc")
    def grow(self, node: NODES) -> Errno:
        """nr_hugepages + 1: from the area's idle part, or a loan called back."""
        require(self.h.nr[node] + self.h.lost[node] < BLOCKS)
        if self.idle_area(node) == 0:
            called = self.loans.call_back(node)
            if not called:
                return EBUSY
        self.h.free[node] += 1
        self.h.nr[node] += 1
        return OK

    def may_lend(self, node):
        return self.idle_area(node) > 0

    def take_idle(self, node):
        """What is lent is idle no more, by the count of loans."""

    def put_idle(self, node):
        """What comes back is idle again, by the count of loans."""
