# SPDX-License-Identifier: GPL-2.0-only
"""Reserved THP as posted, down to the page allocator that serves its faults.

Source: as posted.py, which counts pageblocks; mm/page_alloc.c with the patches
applied. The allocator is model/designs/probes/page_allocator.py, with others'
pages, per-cpu lists, compaction that captures and the slow path; here are its
users: VMAs with VM_RESERVED_THP, the quota, and faults that get a block, by the
fast path or by the slow one, or fail. A folio may be pinned for I/O, and is freed
when the last reference goes, in whatever context; or split.

Left out, as posted.py has them: advice of mapped memory, mremap, fork, swap, nodes
and memcgs, I/O on base pages. One fault at a time is in the slow path. A block
whose folio is split is mapped by base pages until its VMA goes.
"""

from typing import Any

from poolproof.model.blocks.pageblock import NO, RESERVED
from poolproof.model.blocks.reserved_blocks import ReservedQuota
from poolproof.model.designs.names import EAGAIN, INDICES, OK, SIGBUS, VMAS, Errno, P
from poolproof.model.designs.probes.page_allocator import (
    NODES,
    PAGEBLOCKS,
    RESERVED_NR,
    SLOWPATH,
    SPLIT,
    K,
    N,
    PageAllocator,
)
from poolproof.model.designs.reserved_thp.posted import UNREAD
from poolproof.model.language import (
    Bool,
    Feature,
    Int,
    Maybe,
    action,
    observer,
    require,
    table,
    var,
)

IO = Feature("io", False, "reserved folios pinned for I/O")


class ReservedThpAllocator(PageAllocator):
    """Reserved THP as posted, on pageblocks."""

    assumed: tuple[str, ...] = (
        *UNREAD,
        "mm/huge_memory.c: a fault may reclaim (__GFP_MOVABLE, __GFP_NORETRY)",
        "sketch: find_suitable_fallback() finds nothing past its table",
    )

    pool = ReservedQuota()
    length = table(VMAS, Int(0, P), doc="in blocks; 0: no VMA")
    node = table(VMAS, INDICES, Maybe(NODES))
    block = table(VMAS, INDICES, Maybe(PAGEBLOCKS), doc="whose folio it maps")
    by_pages = table(VMAS, INDICES, Bool(), when=SPLIT, doc="mapped by base pages")
    pinned = table(VMAS, INDICES, Bool(), when=IO)
    slow = table(VMAS, INDICES, Bool(), when=SLOWPATH, doc="in the slow path")
    failed = var(Bool(), doc="a promised fault has failed")

    # without an owner
    alloc_reserved: Any = None
    split_reserved: Any = None
    miss_reserved: Any = None
    slow_reserved: Any = None

    # -- what the common specs ask --

    @observer
    def total(self):
        return RESERVED_NR * N

    @observer
    def promised(self):
        return sum(
            1
            for v in VMAS
            for i in INDICES
            if i < self.length[v] and not self.is_mapped(v, i)
        )

    @observer
    def populated(self):
        return sum(1 for v in VMAS for i in INDICES if self.is_mapped(v, i))

    @observer
    def entitled(self):
        return sum(self.length[v] for v in VMAS)

    @observer
    def small(self):
        """Blocks that are mapped by base pages."""
        return sum(1 for v in VMAS for i in INDICES if self.by_pages[v, i])

    @observer
    def in_limbo(self):
        """Blocks whose folio nobody maps, and I/O keeps."""
        return sum(
            1
            for n in NODES
            for b in PAGEBLOCKS
            if self.pb.whole[n, b] == RESERVED and not self.owned(n, b)
        )

    # -- parts --

    def quota(self):
        """reserved_thp_total"""
        return RESERVED_NR * N

    def is_mapped(self, vma, index):
        return self.block[vma, index] is not None or self.by_pages[vma, index]

    def maps(self, vma, index, node, block):
        return self.node[vma, index] == node and self.block[vma, index] == block

    def owned(self, node, block):
        """Whether some VMA maps the block's folio."""
        return any(self.maps(v, i, node, block) for v in VMAS for i in INDICES)

    def put_folio(self, vma, index):
        """The mapping goes. What is pinned is freed later, as are the pages of what is
        split."""
        for n in NODES:
            for b in PAGEBLOCKS:
                if (
                    self.maps(vma, index, n, b)
                    and self.pb.whole[n, b] == RESERVED
                    and not self.pinned[vma, index]
                ):
                    self.pb.whole[n, b] = NO
                    self.count_free(n, b, K)
        self.node[vma, index] = None
        self.block[vma, index] = None
        self.by_pages[vma, index] = False
        self.pinned[vma, index] = False
        if SLOWPATH and self.slow[vma, index]:
            self.slow[vma, index] = False
            self.waiting = False

    # -- VMAs and faults --

    @action(kernel="mm/madvise.c:madvise_vma_behavior")
    def reserve(self, vma: VMAS, blocks: Int(1, P)) -> Errno:
        """mmap() and madvise(MADV_RESERVED_THP)."""
        require(self.length[vma] == 0)
        charged = self.pool.charge(blocks)
        if not charged:
            return EAGAIN
        self.length[vma] = blocks
        return OK

    @action(kernel="mm/vma.c:vms_complete_munmap_vmas")
    def unmap(self, vma: VMAS):
        """munmap(), or exit."""
        require(self.length[vma] > 0)
        self.pool.uncharge(self.length[vma])
        for i in INDICES:
            self.put_folio(vma, i)
        self.length[vma] = 0

    def may_fault(self, vma, index):
        return (
            index < self.length[vma]
            and not self.is_mapped(vma, index)
            and not self.slow[vma, index]
        )

    @action(kernel="mm/page_alloc.c:__rmqueue", chosen=("node", "block"))
    def fault(self, vma: VMAS, index: INDICES, node: NODES, block: PAGEBLOCKS):
        """The fast path, with ALLOC_RESERVED_THP."""
        require(self.may_fault(vma, index))
        super().alloc_reserved(node, block)
        self.node[vma, index] = node
        self.block[vma, index] = block

    @action(kernel="mm/page_alloc.c:__alloc_frozen_pages_noprof")
    def fault_misses(self, vma: VMAS, index: INDICES):
        """No reserved block is free: to the slow path. Without the feature it
        finds nothing."""
        require(self.may_fault(vma, index))
        if SLOWPATH:
            super().miss_reserved()
            self.slow[vma, index] = True
        else:
            require(self.none_reserved())
            self.failed = True

    @action(
        kernel="mm/page_alloc.c:__alloc_pages_slowpath",
        when=SLOWPATH,
        chosen=("node", "block", "parked"),
    )
    def fault_slow(
        self,
        vma: VMAS,
        index: INDICES,
        node: NODES,
        block: PAGEBLOCKS,
        parked: Maybe(PAGEBLOCKS),
    ) -> Errno:
        require(self.slow[vma, index])
        self.slow[vma, index] = False
        error = super().slow_reserved(node, block, parked)
        if error is not OK:
            self.failed = True
            return SIGBUS
        self.node[vma, index] = node
        self.block[vma, index] = block
        return OK

    # -- folios --

    @action(kernel="mm/gup.c:pin_user_pages", when=IO)
    def pin_folio(self, vma: VMAS, index: INDICES):
        require(self.block[vma, index] is not None and not self.pinned[vma, index])
        self.pinned[vma, index] = True

    @action(kernel="mm/gup.c:unpin_user_page", when=IO)
    def unpin_folio(self, vma: VMAS, index: INDICES):
        require(self.pinned[vma, index])
        self.pinned[vma, index] = False

    @action(kernel="mm/huge_memory.c:split_folio_to_list", when=SPLIT)
    def split(self, vma: VMAS, index: INDICES, node: NODES, block: PAGEBLOCKS):
        """Copy-on-write, MADV_GUARD_INSTALL, reclaim: not of a pinned folio."""
        require(self.maps(vma, index, node, block) and not self.pinned[vma, index])
        super().split_reserved(node, block)
        self.node[vma, index] = None
        self.block[vma, index] = None
        self.by_pages[vma, index] = True

    def free_whole(self, node, block):
        """A folio that nobody maps: its last pin goes."""
        require(not self.owned(node, block))
        super().free_whole(node, block)

    def free_into_capture(self, node, block):
        """... in an interrupt, while a task that compacts runs there."""
        require(not self.owned(node, block))
        super().free_into_capture(node, block)
