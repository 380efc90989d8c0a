# SPDX-License-Identifier: GPL-2.0-only
"""The state of the global pool, and what specs ask of it.

Amounts are in blocks of 2 MiB, unless they say pages: a page is a file's own,
of 2 MiB or 1 GiB. Blocks are counted, not told apart; an area is 1 GiB.
"""

from poolproof.model.blocks.errno import EBUSY, OK, Errno
from poolproof.model.blocks.lending import Lending
from poolproof.model.blocks.lru import Lru
from poolproof.model.blocks.memcg import Cgroups, CounterTree
from poolproof.model.blocks.numa import Mempolicy
from poolproof.model.blocks.pageblock import MOVABLE, Pageblocks
from poolproof.model.blocks.pageblock import POOL as TAKEN
from poolproof.model.blocks.pins import Pins
from poolproof.model.blocks.quota import Membership
from poolproof.model.blocks.reserve_map import ChargedResvMap
from poolproof.model.blocks.swap import SwapDevice
from poolproof.model.designs.global_pool.names import (
    ANON,
    AREAS,
    CLUSTERS,
    CPUS,
    ERRORS,
    FRAGMENTED,
    GUEST,
    KINDS,
    LEND_PROMISED,
    LIMIT_CHANGE,
    MOST,
    NONE,
    PAGEBLOCKS,
    PARTIAL,
    PINS_REFUSED,
    REFS,
    RMDIR,
    SHMEM,
    SIZES,
    SWAP_OTHERS,
    THP,
    VMEMMAP,
    A,
    K,
    Kind,
)
from poolproof.model.designs.names import (
    BLOCKS,
    CGROUPS,
    FILES,
    INDICES,
    LENDING,
    LIMIT,
    LRU,
    MBIND,
    MEMCG,
    MEMPOLICY,
    NODES,
    NUMA,
    PINS,
    POISON,
    SLOTS,
    SPARE,
    SWAP_ON,
    TASKS,
    P,
)
from poolproof.model.language import (
    ANY,
    Block,
    Bool,
    Int,
    Maybe,
    action,
    domain,
    invariant,
    observer,
    require,
    table,
    var,
)


class Loans(Lending):
    """Loans whose pages move to the memory outside the pool."""

    def has_target(self, node):
        if FRAGMENTED:
            return self.design.has_outside(node)
        return super().has_target(node)

    def move_away(self, node):
        if FRAGMENTED:
            self.design.move_outside(node)
        else:
            super().move_away(node)


class PoolPins(Pins):
    """Pins that a promise may stand against."""

    holders, indices, nodes = domain(), domain(), domain()

    @action(kernel="mm/gup.c:pin_user_pages", when="when")
    def pin(self, holder: holders, index: indices) -> Errno:
        """``pins_refused``: a page that a promise needs in exchange is not
        pinned."""
        require(self.design.has_page(holder, index))
        require(not self.pinned[holder, index])
        self.pinned[holder, index] = True
        if PINS_REFUSED and not self.design.keeps(None):
            self.pinned[holder, index] = False
            return EBUSY
        return OK


class PoolState(Block):
    """The pool, its files, and all that it is told of tasks and cgroups."""

    node_of = table(AREAS, NODES, init=ANY)
    capacity = table(AREAS, Int(0, MOST), init=BLOCKS)
    free = table(AREAS, Int(0, MOST), init=BLOCKS)
    lost = var(Int(0, ERRORS), when=POISON, doc="blocks with memory errors")
    loans = Loans(AREAS, MOST, SPARE, LENDING, (LENDING, PINS))
    pb = Pageblocks(
        NODES,
        PAGEBLOCKS,
        K,
        FRAGMENTED,
        FRAGMENTED,
        FRAGMENTED,
        FRAGMENTED,
        FRAGMENTED,
        False,
        MOVABLE,
        FRAGMENTED,
    )

    kind = table(FILES, Kind)
    gigantic = table(FILES, Bool(), when=SIZES, doc="its pages are of 1 GiB")
    resv_map = ChargedResvMap(FILES, INDICES, CGROUPS, None, MEMCG)
    promise = table(FILES, NODES, Int(0, P), doc="pages")
    page = table(FILES, INDICES, Maybe(AREAS), doc="where it is; None: not there")
    fallen = table(FILES, INDICES, Bool(), when=THP, doc="base pages instead")
    split = table(FILES, INDICES, Bool(), when=PARTIAL)
    free_vmemmap = var(Int(0, VMEMMAP), init=VMEMMAP, when=PARTIAL)
    pins = PoolPins(FILES, INDICES, AREAS, MOST, PINS)

    maps = table(TASKS, FILES, Bool(), when=NUMA)
    mpol = Mempolicy(TASKS, FILES, NODES, NUMA, MEMPOLICY, MBIND)

    cgroups = Cgroups(CGROUPS, REFS, MEMCG, RMDIR)
    memory = CounterTree(CGROUPS, LIMIT, MEMCG, LIMIT_CHANGE)
    task = Membership(TASKS, CGROUPS, MEMCG)
    memfd_of = table(FILES, Maybe(TASKS), when=LIMIT_CHANGE, doc="None: it has a name")

    device = SwapDevice(CLUSTERS, K, CPUS, SWAP_ON)
    cluster = table(FILES, INDICES, Maybe(CLUSTERS), when=SWAP_ON)
    lru = Lru(FILES, INDICES, LRU)
    others = var(Int(0, SLOTS * K), when=SWAP_OTHERS, doc="slots of others")

    failed = var(Bool(), doc="a promised fault has failed")

    def initial(self):
        """Each node has its areas."""
        return all(sum(1 for a in AREAS if self.node_of[a] == n) == A for n in NODES)

    # -- what the common specs ask --

    @observer
    def total(self):
        return sum(self.capacity[a] for a in AREAS)

    @observer
    def free_blocks(self):
        return sum(self.free[a] for a in AREAS)

    @observer
    def promised(self):
        return sum(self.promised_on(n) for n in NODES)

    @observer
    def populated(self):
        return sum(self.populated_on(n) for n in NODES)

    @observer
    def used(self):
        """What the pool counts as spoken for; a pinned block is, to the end."""
        return self.promised() + self.populated() + self.pins.in_limbo()

    @observer
    def entitled(self):
        """What the files that exist have a right to."""
        return sum(
            self.unit(f) * self.resv_map.region_count(f, 0, P)
            for f in FILES
            if self.kind[f] != NONE
        )

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
        """Promised pages that are mapped by base pages: those of guests that
        share a part."""
        return sum(1 for f in FILES for i in INDICES if self.split[f, i])

    @observer
    def swapped(self):
        return sum(1 for f in FILES for i in INDICES if self.cluster[f, i] is not None)

    @observer
    def kinds(self):
        """Kinds of consumers that have a page, those that have a loan included."""
        mine = sum(
            1
            for kind in Kind
            if kind != NONE
            and any(self.kind[f] == kind and self.there(f) > 0 for f in FILES)
        )
        return mine + (1 if self.borrowed() > 0 else 0)

    @observer
    def poisoned(self):
        return self.lost

    @observer
    def one_has_all(self):
        """Whether the whole pool is one file's."""
        return any(
            self.unit(f) * self.resv_map.region_count(f, 0, P) == self.total()
            for f in FILES
        )

    @observer
    def idle(self):
        """No file, and no I/O under way."""
        return all(self.kind[f] == NONE for f in FILES) and self.pins.in_limbo() == 0

    @observer
    def in_use(self, gigantic: Bool()):
        """Pages of a size that files have."""
        return sum(self.there(f) for f in FILES if self.gigantic[f] == gigantic)

    # -- what the pool's own specs ask --

    @observer
    def huge_node(self, task: TASKS, file: FILES):
        """Where a fault of the task may take a page of the file."""
        return self.mpol.huge_node(file, task)

    @observer
    def is_kind(self, file: FILES, kind: Kind):
        return self.kind[file] == kind

    @observer
    def rights(self, file: FILES, node: NODES):
        """Pages of the file that are promised on the node, or there."""
        return self.promise[file, node] + sum(
            1 for i in INDICES if self.is_on(file, i, node)
        )

    @observer
    def under(self, cgroup: Maybe(CGROUPS), ancestor: CGROUPS):
        return self.cgroups.is_descendant(cgroup, ancestor)

    @observer
    def usage_of(self, cgroup: CGROUPS):
        """What is charged to the cgroup itself, from the files' side."""
        return sum(
            self.unit(f)
            for f in FILES
            for i in INDICES
            if self.resv_map.css[f, i] == cgroup
        )

    @observer
    def over_limit(self):
        """Whether a cgroup has more than its limit."""
        return any(self.memory.over(c) for c in CGROUPS)

    @observer
    def whole_areas(self):
        """Areas that a page of 1 GiB can be had of."""
        return sum(1 for a in AREAS if self.is_whole(a))

    @observer
    def free_clusters(self):
        return self.device.free_slots() // K

    @observer
    def usable(self, node: NODES):
        """Free base pages outside the pool that others may count on."""
        return self.pb.usable(node, MOVABLE)

    @observer
    def targets(self, node: NODES):
        """Free base pages that others' pages can be moved to."""
        return self.pb.targets(node, None)

    @observer
    def outside_blocks(self, node: NODES):
        """Pageblocks that the pool has not."""
        return sum(1 for b in PAGEBLOCKS if self.pb.whole[node, b] != TAKEN)

    # -- what holds by the way things are counted --

    @invariant
    def counted_once(self):
        """a block is free, a file's, lent, or under I/O"""
        return all(
            self.capacity[a]
            == self.free[a]
            + sum(self.unit(f) for f in FILES for i in INDICES if self.page[f, i] == a)
            + self.loans.lent[a]
            + self.pins.limbo[a]
            for a in AREAS
        )

    @invariant
    def vector_is_map(self):
        """a file's vector has what its map has, and is not there"""
        return all(
            sum(self.promise[f, n] for n in NODES)
            == sum(
                1
                for i in INDICES
                if self.resv_map.regions[f, i] and self.page[f, i] is None
            )
            for f in FILES
        )

    @invariant
    def nothing_left(self):
        """a file that is gone has nothing left"""
        return all(
            self.kind[f] != NONE
            or (
                self.memfd_of[f] is None
                and not self.gigantic[f]
                and len(self.mpol.vm_policy[f]) == 0
                and not any(self.maps[t, f] for t in TASKS)
                and not any(
                    self.resv_map.regions[f, i]
                    or self.page[f, i] is not None
                    or self.cluster[f, i] is not None
                    or self.fallen[f, i]
                    for i in INDICES
                )
            )
            for f in FILES
        )

    @invariant
    def in_one_place(self):
        """a page is in memory, in swap, or base pages, and pinned, split or
        charged only where it can be"""
        return all(
            (self.page[f, i] is None or self.cluster[f, i] is None)
            and (not self.fallen[f, i] or self.kind[f] == ANON)
            and (not self.fallen[f, i] or not self.resv_map.regions[f, i])
            and (not self.pins.pinned[f, i] or self.page[f, i] is not None)
            and (not self.split[f, i] or self.page[f, i] is not None)
            and (self.resv_map.css[f, i] is None or self.resv_map.regions[f, i])
            for f in FILES
            for i in INDICES
        )

    @invariant(when=SWAP_ON)
    def slots_counted(self):
        """the slots in use are files' pages and others'"""
        return self.device.inuse_pages == K * self.swapped() + self.others

    # -- amounts --

    def unit(self, file):
        """Blocks of one of its pages."""
        return BLOCKS if SIZES and self.gigantic[file] else 1

    def is_on(self, file, index, node):
        area = self.page[file, index]
        return any(area == a and self.node_of[a] == node for a in AREAS)

    def there(self, file):
        """Pages."""
        return sum(1 for i in INDICES if self.page[file, i] is not None)

    def promised_on(self, node):
        return sum(self.unit(f) * self.promise[f, node] for f in FILES)

    def populated_on(self, node):
        return sum(
            self.unit(f) for f in FILES for i in INDICES if self.is_on(f, i, node)
        )

    def gone_on(self, node):
        """Blocks of the node that no file can have now."""
        return sum(
            self.pins.limbo[a] + (0 if LEND_PROMISED else self.loans.lent[a])
            for a in AREAS
            if self.node_of[a] == node
        )

    def capacity_on(self, node):
        return sum(self.capacity[a] for a in AREAS if self.node_of[a] == node)

    def is_whole(self, area):
        """Free, and all there."""
        return self.free[area] == self.capacity[area] and self.free[area] >= BLOCKS

    def is_fixed(self, file):
        """Whether its pages never go to swap."""
        shmem = self.kind[file] in {SHMEM, ANON}
        return not shmem or (SIZES and self.gigantic[file])

    def is_guest(self, file):
        return KINDS and self.kind[file] == GUEST

    def is_file(self, file):
        """Whether it can be promised anything."""
        return self.kind[file] not in {NONE, ANON}
