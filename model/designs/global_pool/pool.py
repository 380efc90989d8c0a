# SPDX-License-Identifier: GPL-2.0-only
"""One pool, many consumers: the idea in David Hildenbrand's mail, as a design.

Source: the reply of 2026-06-29 to "[RFC PATCH 0/8] Introduce Reserved THP".
The mail names requirements, not a mechanism: file-centric, NUMA aware, memcg
aware, consumed by several clients. This is one mechanism that meets them,
with its open choices as features.

Modelled: per-node capacity; a promise owned by a file, as a vector over nodes
(so that "enough" is decided node by node); the charge of a promise to a
memcg at reservation, or (``charge_at_fault``) when it is used; unpromised and
idle blocks lent to movable allocations, called back by migration, or by swap
too; pins that stop a recall; runtime resize per node; hole punch; handing a
file over by descriptor (a file outlives its creator); offline memcgs; poison.
A memcg's tasks may be bound to one node: a change that takes a promised node
away is refused, or (``cpuset_unchecked``) accepted as it is today.
Left out: several sizes (global_pool_sizes.py), the allocator itself, swap, the
charge of a pinned block after its file is gone, the contents of pages. A
block is one huge page, and a promise is a file's: mappings, fork, exec and
mremap do not touch it and are not here. mm/ has no such code: `kernel=` cites
what plays the part today.
"""

from poolproof.model.blocks.lending import Lending
from poolproof.model.blocks.pins import Pins
from poolproof.model.designs.names import (
    BLOCKS,
    EBUSY,
    ENOMEM,
    ENOSPC,
    FILES,
    LENDING,
    LIMIT,
    MEMCG,
    NODES,
    NUMA,
    OK,
    PINS,
    POISON,
    PUNCH,
    SIGBUS,
    SPARE,
    Errno,
    N,
    P,
)
from poolproof.model.language import (
    Bool,
    Design,
    Feature,
    Int,
    Maybe,
    Scalarset,
    action,
    observer,
    require,
    table,
    var,
)

CGROUPS = Scalarset("CGROUPS", 2, prefix="cg")
PAGES = Int(0, P - 1)

CPUSET_UNCHECKED = Feature(
    "cpuset_unchecked", False, "rebinding looks at no promise", needs=NUMA
)
CHARGE_AT_FAULT = Feature(
    "charge_at_fault", False, "a promise costs no charge", needs=MEMCG
)
LIMIT_CHANGE = Feature(
    "limit_change", False, "memory.max is lowered later", needs=MEMCG
)
LEND_PROMISED = Feature(
    "lend_promised", False, "promised blocks are lent, too", needs=LENDING
)
RESIZE = Feature("resize", False, "the pool grows and shrinks at runtime")


class GlobalPool(Design):
    """A file-centric, node-aware, memcg-aware pool."""

    capacity = table(NODES, Int(0, BLOCKS), init=BLOCKS)
    free = table(NODES, Int(0, BLOCKS), init=BLOCKS)
    loans = Lending(NODES, BLOCKS, SPARE, LENDING, (LENDING, PINS))
    promise = table(FILES, NODES, Int(0, P))
    page = table(FILES, PAGES, Maybe(NODES))
    pins = Pins(FILES, PAGES, NODES, BLOCKS, PINS)
    cgroup = table(FILES, Maybe(CGROUPS))
    mems = table(CGROUPS, Maybe(NODES), when=NUMA, doc="cpuset.mems; None: all")
    usage = table(CGROUPS, Int(0, 2 * P), when=MEMCG)
    limit = table(CGROUPS, Int(0, LIMIT), init=LIMIT, when=(MEMCG, LIMIT_CHANGE))
    lost = var(Int(0, N * BLOCKS), when=POISON, doc="blocks with memory errors")
    failed = var(Bool(), doc="a promised fault has failed")

    # -- what the common specs ask --

    @observer
    def total(self):
        return sum(self.capacity[n] for n in NODES)

    @observer
    def free_blocks(self):
        return sum(self.free[n] for n in NODES)

    @observer
    def promised(self):
        return sum(self.promise[f, n] for f in FILES for n in NODES)

    @observer
    def populated(self):
        return sum(1 for f in FILES for p in PAGES if self.page[f, p] is not None)

    @observer
    def used(self):
        """What the pool counts as spoken for; a pinned block is, to the end."""
        return self.promised() + self.populated() + self.pins.in_limbo()

    @observer
    def entitled(self):
        """What the files that exist have a right to."""
        return sum(self.held(f) for f in FILES if self.cgroup[f] is not None)

    @observer
    def borrowed(self):
        return self.loans.total()

    @observer
    def foreign(self):
        """Blocks that no file has, and that are neither free nor a loan."""
        return (
            self.total()
            - self.free_blocks()
            - self.populated()
            - self.borrowed()
            - self.pins.in_limbo()
        )

    @observer
    def small(self):
        """A block is never split."""
        return 0

    @observer
    def swapped(self):
        return 0

    @observer
    def poisoned(self):
        return self.lost

    @observer
    def one_has_all(self):
        """Whether the whole pool is one file's."""
        return any(self.held(f) == self.total() for f in FILES)

    @observer
    def idle(self):
        """No file, and no I/O under way."""
        return all(self.cgroup[f] is None for f in FILES) and self.pins.in_limbo() == 0

    # -- parts --

    def backing(self, node):
        """Blocks of a node that a promise may count on."""
        if LEND_PROMISED:
            return self.free[node] + self.loans.lent[node]
        return self.free[node]

    def promised_on(self, node):
        return sum(self.promise[f, node] for f in FILES)

    def held(self, file):
        """Blocks of a file, promised or there."""
        there = sum(1 for p in PAGES if self.page[file, p] is not None)
        return there + sum(self.promise[file, n] for n in NODES)

    def allowed(self, file, node):
        """Whether the file's tasks may allocate there."""
        if NUMA:
            mems = self.mems[self.cgroup[file]]
            return mems is None or mems == node
        return True

    def try_charge(self, cgroup, blocks):
        """mm/memcontrol.c:try_charge_memcg, without reclaim."""
        if MEMCG:
            if self.usage[cgroup] + blocks > self.limit[cgroup]:
                return False
            self.usage[cgroup] += blocks
        return True

    def uncharge(self, cgroup, blocks):
        if MEMCG:
            self.usage[cgroup] -= blocks

    # -- files and promises --

    @action(kernel="fs/hugetlbfs/inode.c:hugetlbfs_create")
    def create(self, file: FILES, cgroup: CGROUPS):
        """The file belongs to a memcg, whoever maps it later."""
        require(self.cgroup[file] is None)
        self.cgroup[file] = cgroup

    @action(kernel="mm/hugetlb.c:hugetlb_reserve_pages")
    def reserve(self, file: FILES, node: NODES) -> Errno:
        """Promises one more block of a node to a file: fails early or never."""
        require(self.cgroup[file] is not None)
        require(self.allowed(file, node))
        if self.held(file) >= P:
            return ENOSPC
        if self.promised_on(node) + 1 > self.backing(node):
            return ENOSPC
        if not CHARGE_AT_FAULT:
            charged = self.try_charge(self.cgroup[file], 1)
            if not charged:
                return ENOMEM
        self.promise[file, node] += 1
        return OK

    @action(kernel="mm/hugetlb.c:hugetlb_no_page")
    def fault(self, file: FILES, page: PAGES, node: NODES) -> Errno:
        """Takes a promised block of the node; an unpromised one where the
        file has no promise there."""
        require(self.cgroup[file] is not None and self.page[file, page] is None)
        entitled = self.promise[file, node] > 0
        if not self.allowed(file, node):
            require(entitled)
            self.failed = True
            return SIGBUS
        if not entitled and self.free[node] <= self.promised_on(node):
            return SIGBUS
        if LEND_PROMISED and self.free[node] == 0:
            self.loans.call_back(node)
        if self.free[node] == 0:
            self.failed = self.failed or entitled
            return SIGBUS
        if CHARGE_AT_FAULT or not entitled:
            charged = self.try_charge(self.cgroup[file], 1)
            if not charged:
                self.failed = self.failed or entitled
                return SIGBUS
        if entitled:
            self.promise[file, node] -= 1
        self.free[node] -= 1
        self.page[file, page] = node
        return OK

    @action(kernel="fs/hugetlbfs/inode.c:hugetlbfs_punch_hole", when=PUNCH)
    def punch(self, file: FILES, page: PAGES):
        """Frees a block; the promise for it is renewed (it was paid for). A
        pinned one is not punched out."""
        require(self.page[file, page] is not None and not self.pins.pinned[file, page])
        node = self.page[file, page]
        self.page[file, page] = None
        self.free[node] += 1
        self.promise[file, node] += 1
        if CHARGE_AT_FAULT:
            self.uncharge(self.cgroup[file], 1)

    @action(kernel="fs/hugetlbfs/inode.c:hugetlbfs_evict_inode")
    def evict(self, file: FILES):
        """The last link and descriptor are gone."""
        require(self.cgroup[file] is not None)
        there = sum(1 for p in PAGES if self.page[file, p] is not None)
        if CHARGE_AT_FAULT:
            self.uncharge(self.cgroup[file], there)
        else:
            self.uncharge(self.cgroup[file], self.held(file))
        for n in NODES:
            self.free[n] += sum(
                1
                for p in PAGES
                if self.page[file, p] == n and not self.pins.pinned[file, p]
            )
            if PINS:
                self.pins.limbo[n] += sum(
                    1
                    for p in PAGES
                    if self.page[file, p] == n and self.pins.pinned[file, p]
                )
            self.promise[file, n] = 0
        for p in PAGES:
            self.page[file, p] = None
            self.pins.pinned[file, p] = False
        self.cgroup[file] = None

    # -- what blocks ask --

    def has_page(self, file, page):
        return self.page[file, page] is not None

    def free_page(self, node):
        self.free[node] += 1

    def may_lend(self, node):
        """Promised blocks are lent with ``lend_promised`` only."""
        idle = self.free[node] > 0
        return idle and (LEND_PROMISED or self.free[node] > self.promised_on(node))

    def take_idle(self, node):
        self.free[node] -= 1

    def put_idle(self, node):
        self.free[node] += 1

    # -- administration --

    @action(kernel="mm/hugetlb.c:set_max_huge_pages", when=RESIZE)
    def shrink(self, node: NODES) -> Errno:
        require(self.capacity[node] > 0)
        if self.free[node] == 0 or self.backing(node) <= self.promised_on(node):
            return EBUSY
        self.free[node] -= 1
        self.capacity[node] -= 1
        return OK

    @action(kernel="mm/hugetlb.c:set_max_huge_pages", when=RESIZE)
    def grow(self, node: NODES) -> Errno:
        require(self.capacity[node] < BLOCKS)
        self.free[node] += 1
        self.capacity[node] += 1
        return OK

    @action(kernel="kernel/cgroup/cpuset.c:cpuset_write_resmask", when=NUMA)
    def bind(self, cgroup: CGROUPS, node: NODES) -> Errno:
        """cpuset.mems becomes one node."""
        if not CPUSET_UNCHECKED and any(
            self.cgroup[f] == cgroup and self.promise[f, n] > 0 and n != node
            for f in FILES
            for n in NODES
        ):
            return EBUSY
        self.mems[cgroup] = node
        return OK

    @action(kernel="mm/memory-failure.c:memory_failure", when=POISON)
    def poison(self, node: NODES):
        """A free block is lost, promised or not."""
        require(self.free[node] > 0)
        self.lost += 1
        self.free[node] -= 1
        self.capacity[node] -= 1

    @action(kernel="mm/memcontrol.c:memory_max_write", when=(MEMCG, LIMIT_CHANGE))
    def lower_limit(self, cgroup: CGROUPS):
        require(self.limit[cgroup] > 0)
        self.limit[cgroup] -= 1
