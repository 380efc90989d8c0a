# SPDX-License-Identifier: GPL-2.0-only
"""Where the pool's blocks come from and go: loans, resizing, errors, offline.

Outside the pool are others' pageblocks (``fragmented``), where a block must be
compacted before the pool can have it.
"""

from poolproof.model.blocks.errno import EBUSY, ENOMEM, OK, Errno
from poolproof.model.blocks.pageblock import MOVABLE, NEVER, NO, UNMOVABLE
from poolproof.model.blocks.pageblock import POOL as TAKEN
from poolproof.model.designs.global_pool.admission import Admission
from poolproof.model.designs.global_pool.names import (
    AREAS,
    ERRORS,
    FRAGMENTED,
    LEND_PROMISED,
    MARK,
    MOST,
    OFFLINE,
    PAGEBLOCKS,
    RESIZE,
    K,
)
from poolproof.model.designs.names import BLOCKS, FILES, NODES, PINS, POISON
from poolproof.model.language import Bool, action, assume, require


class PoolMemory(Admission):
    """What is done to free blocks."""

    # -- hooks of loans and pins --

    def may_lend(self, area):
        """Promised blocks are lent with ``lend_promised`` only."""
        return self.free[area] > 0 and (LEND_PROMISED or self.keeps(area))

    def take_idle(self, area):
        self.free[area] -= 1

    def put_idle(self, area):
        self.free[area] += 1

    def has_page(self, file, index):
        return self.page[file, index] is not None

    def free_page(self, area):
        self.free[area] += 1

    # -- others' memory --

    def has_outside(self, area):
        """Whether a block's pages can move there, and leave the watermark."""
        return any(
            self.node_of[area] == n
            and self.pb.targets(n, None) >= K
            and self.pb.usable(n, MOVABLE) - K >= MARK
            for n in NODES
        )

    def move_outside(self, area):
        for n in NODES:
            if self.node_of[area] == n:
                self.pb.receive(n, None, K)

    @action(kernel="mm/page_alloc.c:__rmqueue", when=FRAGMENTED, silent=True)
    def other_alloc(self, node: NODES, block: PAGEBLOCKS, movable: Bool()) -> Errno:
        """A base page of somebody else."""
        mobility = MOVABLE if movable else UNMOVABLE
        best = self.pb.best(node, mobility)
        require(best == NEVER or self.pb.rank(node, block, mobility) == best)
        if best == NEVER or self.pb.usable(node, mobility) <= MARK:
            return ENOMEM
        self.pb.take(node, block, mobility)
        return OK

    @action(kernel="mm/page_alloc.c:__free_one_page", when=FRAGMENTED, silent=True)
    def other_free(self, node: NODES, block: PAGEBLOCKS, movable: Bool()):
        if movable:
            require(self.pb.movable[node, block] > self.pb.pinned[node, block])
            self.pb.movable[node, block] -= 1
        else:
            require(self.pb.unmovable[node, block] > 0)
            self.pb.unmovable[node, block] -= 1

    @action(kernel="mm/gup.c:pin_user_pages", when=(FRAGMENTED, PINS), silent=True)
    def other_pin(self, node: NODES, block: PAGEBLOCKS):
        require(self.pb.movable[node, block] > self.pb.pinned[node, block])
        self.pb.pinned[node, block] += 1

    @action(kernel="mm/gup.c:unpin_user_page", when=(FRAGMENTED, PINS), silent=True)
    def other_unpin(self, node: NODES, block: PAGEBLOCKS):
        require(self.pb.pinned[node, block] > 0)
        self.pb.pinned[node, block] -= 1

    # -- size --

    def first_taken(self, node):
        """A pageblock that the pool has grown by; None: there is none."""
        for b in PAGEBLOCKS:
            if self.pb.whole[node, b] == TAKEN:
                return b
        return None

    def put_outside(self, area):
        """A pageblock of the node goes back to the allocator."""
        for n in NODES:
            if self.node_of[area] == n:
                block = self.first_taken(n)
                assume(
                    block is not None,
                    "the pool keeps the blocks it had at boot",
                )
                self.pb.whole[n, block] = NO

    @action(kernel="mm/hugetlb.c:set_max_huge_pages", when=RESIZE)
    def shrink(self, area: AREAS) -> Errno:
        """By a block that no promise needs. ``fragmented``: by one that the
        pool has grown by."""
        require(self.capacity[area] > 0)
        if self.free[area] == 0 or not self.keeps(area):
            return EBUSY
        if FRAGMENTED:
            self.put_outside(area)
        self.free[area] -= 1
        self.capacity[area] -= 1
        return OK

    @action(kernel="mm/hugetlb.c:set_max_huge_pages", when=RESIZE)
    def grow(self, area: AREAS) -> Errno:
        """By a block that was given up. ``fragmented``: see grow_by."""
        require(not FRAGMENTED and self.capacity[area] < BLOCKS)
        self.free[area] += 1
        self.capacity[area] += 1
        return OK

    @action(kernel="mm/page_alloc.c:alloc_contig_range", when=FRAGMENTED)
    def grow_by(self, area: AREAS, node: NODES, block: PAGEBLOCKS) -> Errno:
        """Compaction empties a pageblock, if nothing in it is unmovable or
        pinned, its pages have room elsewhere, and the watermark is kept."""
        require(self.node_of[area] == node and self.capacity[area] < MOST)
        require(self.pb.whole[node, block] == NO)
        if not self.pb.can_empty(node, block):
            return EBUSY
        if self.pb.usable(node, MOVABLE) - K < MARK:
            return ENOMEM
        self.pb.empty(node, block)
        self.pb.whole[node, block] = TAKEN
        self.pb.type[node, block] = MOVABLE
        self.free[area] += 1
        self.capacity[area] += 1
        return OK

    # -- errors, and nodes that go --

    @action(kernel="mm/memory-failure.c:memory_failure", when=POISON)
    def poison(self, area: AREAS):
        """A free block is lost, promised or not."""
        require(self.free[area] > 0 and self.lost < ERRORS)
        self.lost += 1
        self.free[area] -= 1
        self.capacity[area] -= 1

    @action(kernel="mm/memory_hotplug.c:offline_pages", when=OFFLINE)
    def offline(self, node: NODES) -> Errno:
        """All blocks of the node go, unless one is promised, a file's, lent
        or under I/O."""
        require(self.capacity_on(node) > 0)
        if any(
            self.node_of[a] == node and self.free[a] != self.capacity[a] for a in AREAS
        ):
            return EBUSY
        if any(self.promise[f, node] > 0 for f in FILES):
            return EBUSY
        for a in AREAS:
            if self.node_of[a] == node:
                self.free[a] = 0
                self.capacity[a] = 0
        return OK
