# SPDX-License-Identifier: GPL-2.0-only
"""Reserved THP as posted: [RFC PATCH 0/8] of 2026-06-27, Qi Zheng.

Source: cover.1782538002.git.zhengqi.arch@bytedance.com; mm/reserved_thp.c,
mm/page_alloc.c and include/linux/mmzone.h with patches 1-4 applied,
mm/mremap.c, mm/vma.h and mm/internal.h with 1-6, the text of 7/8.

Modelled: a pool of pageblocks set apart at boot, per node as the boot policy
placed them; one global quota, charged by the length of VM_RESERVED_THP VMAs
(rounded down to blocks), refused with ENOMEM above the total; faults that
install a block of the pool or fail. Features: mremap (move, grow, shrink,
MREMAP_DONTUNMAP), munmap at any base page, fork, swap, pins, cpusets, a memcg
limit, memory errors, MADV_DONTNEED, and what the allocator does at patch 4/8
when an ordinary task compacts (``capture``).

Two hunks were not to be had, and are choices here: dup_mmap() charges the
child like VM_ACCOUNT does, or (``fork_uncharged``) does not; munmap() of a
part of a block is refused, or (``partial``) is not.

Left out: VMAs without the flag, and the madvise() call apart from mmap();
merges and splits of VMAs (model/blocks/vma/ has them); MAP_FIXED; the slow path
that loses ALLOC_RESERVED_THP (model/blocks/pageblock.py has it); userfaultfd moves,
KSM, migration. A read fault is a write fault; the memory of small pages is
never short, and is not counted. Copy-on-write follows do_huge_pmd_wp_page:
the mapping is split and base pages are copied.
"""

from enum import Enum

from poolproof.model.blocks.numa import NodeBinding
from poolproof.model.blocks.pins import Pins
from poolproof.model.blocks.reserved_blocks import ReservedBlocks
from poolproof.model.designs.names import (
    BLOCKS,
    DONTNEED,
    ENOMEM,
    FORK,
    INDICES,
    LIMIT,
    MEMCG,
    NODES,
    NUMA,
    OK,
    PINS,
    POISON,
    SIGBUS,
    SLOTS,
    SWAP_ON,
    VMAS,
    Errno,
    N,
    P,
)
from poolproof.model.language import (
    Bool,
    Bound,
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


class Backing(Enum):
    """What is behind one block of a VMA."""

    NONE = 0
    HUGE = 1
    SMALL = 2
    """At least one of its base pages is mapped by itself."""
    SWAP = 3


NONE, HUGE, SMALL, SWAP = Backing

K = Bound("K", 1, doc="base pages per block")


MREMAP = Feature("mremap", False, "mremap to a new place, and DONTUNMAP")
PARTIAL = Feature("partial", False, "munmap at any base page")
FORK_UNCHARGED = Feature(
    "fork_uncharged", False, "fork does not charge the child", needs=FORK
)
CAPTURE = Feature("capture", False, "compaction captures free reserved blocks")


class ReservedThp(Design):
    """A quota on VMAs, and pageblocks of a type of their own."""

    pool = ReservedBlocks(NODES, BLOCKS, POISON)
    length = table(VMAS, Int(0, P * K), doc="in base pages; 0: no VMA")
    backing = table(VMAS, INDICES, Backing)
    frame = table(VMAS, INDICES, Maybe(NODES), doc="the block of the pool it holds")
    pins = Pins(VMAS, INDICES, NODES, BLOCKS, PINS)
    parent = table(VMAS, Maybe(VMAS), when=FORK, doc="whose folios it maps")
    shared = table(VMAS, INDICES, Bool(), when=FORK, doc="maps its parent's folio")
    binding = NodeBinding(VMAS, NODES, NUMA)
    slots = var(Int(0, SLOTS), init=SLOTS, when=SWAP_ON, doc="free swap clusters")
    captured = table(NODES, Int(0, BLOCKS), when=CAPTURE)
    failed = var(Bool(), doc="a promised fault has failed")

    # -- what the common specs ask --

    total = pool.total

    @observer
    def promised(self):
        """Blocks inside VMAs that nothing is behind yet."""
        return sum(
            1
            for v in VMAS
            for b in INDICES
            if self.backing[v, b] == NONE and b < self.length[v] // K
        )

    @observer
    def populated(self):
        return sum(1 for v in VMAS for b in INDICES if self.frame[v, b] is not None)

    @observer
    def entitled(self):
        return sum(self.length[v] // K for v in VMAS)

    @observer
    def borrowed(self):
        """Nobody else can use an idle block."""
        return 0

    @observer
    def foreign(self):
        """Blocks in allocations that did not ask for reserved memory."""
        return sum(self.captured[n] for n in NODES)

    @observer
    def small(self):
        return sum(1 for v in VMAS for b in INDICES if self.backing[v, b] == SMALL)

    @observer
    def swapped(self):
        return sum(1 for v in VMAS for b in INDICES if self.backing[v, b] == SWAP)

    @observer
    def one_has_all(self):
        """Whether the whole pool is one VMA's."""
        return any(self.length[v] // K == self.total() for v in VMAS)

    @observer
    def idle(self):
        """No VMA, and no I/O under way."""
        return all(self.length[v] == 0 for v in VMAS) and self.pins.in_limbo() == 0

    # -- the quota, mm/reserved_thp.c --

    def quota(self):
        """reserved_thp_total: set at boot, never changed."""
        return BLOCKS * N

    # -- parts --

    def allowed(self, vma, node):
        return self.binding.allowed(vma, node)

    def has_page(self, vma, block):
        """Whether a block of the pool is there to be pinned."""
        return self.backing[vma, block] == HUGE and self.frame[vma, block] is not None

    def free_page(self, node):
        self.pool.free[node] += 1

    def is_there(self, vma):
        return self.length[vma] > 0

    def fits_memcg(self):
        """mm/memcontrol.c:try_charge_memcg: nothing is reclaimed for it."""
        return not MEMCG or self.populated() < LIMIT

    def can_reclaim(self, vma):
        """Whether a reserved fault waits for a block: reclaim is the generic
        one, and looks for no reserved folio."""
        return False

    def put_frame(self, vma, block):
        """The last mapping of a block's folio is gone."""
        node = self.frame[vma, block]
        if node is not None:
            self.pins.give_up(vma, block, node)
            self.frame[vma, block] = None
        self.pins.pinned[vma, block] = False

    def child_of(self, child, vma, block):
        return self.parent[child] == vma and self.shared[child, block]

    def zap(self, vma, block):
        """Nothing is behind the block any more. A child that maps the folio
        keeps it."""
        if self.backing[vma, block] == SWAP:
            self.slots += 1
        if FORK:
            for c in VMAS:
                if self.child_of(c, vma, block):
                    self.frame[c, block] = self.frame[vma, block]
                    self.frame[vma, block] = None
                    self.shared[c, block] = False
            self.shared[vma, block] = False
        self.put_frame(vma, block)
        self.backing[vma, block] = NONE

    def forget(self, vma):
        self.length[vma] = 0
        self.binding.forget(vma)
        if FORK:
            self.parent[vma] = None
            for c in VMAS:
                if self.parent[c] == vma:
                    self.parent[c] = None

    # -- VMAs --

    @action(kernel="mm/madvise.c:madvise_vma_behavior")
    def reserve(self, vma: VMAS, blocks: Int(1, P)) -> Errno:
        """mmap() and madvise(MADV_RESERVED_THP) of the whole VMA."""
        require(self.length[vma] == 0)
        charged = self.pool.charge(blocks)
        if not charged:
            return ENOMEM
        self.length[vma] = blocks * K
        return OK

    @action(kernel="mm/huge_memory.c:__do_huge_pmd_anonymous_page")
    def fault(self, vma: VMAS, block: INDICES, node: NODES) -> Errno:
        """A block of the pool from an allowed node, or an error."""
        require(block < self.length[vma] // K and self.backing[vma, block] == NONE)
        require(self.allowed(vma, node))
        none = all(self.pool.free[n] == 0 or not self.allowed(vma, n) for n in NODES)
        require(none or self.pool.free[node] > 0)
        if none or not self.fits_memcg():
            require(not self.can_reclaim(vma))
            self.failed = True
            return SIGBUS
        self.pool.free[node] -= 1
        self.frame[vma, block] = node
        self.backing[vma, block] = HUGE
        return OK

    @action(kernel="mm/vma.c:vms_complete_munmap_vmas")
    def unmap(self, vma: VMAS):
        """munmap() of a VMA, or exit."""
        require(self.length[vma] > 0)
        self.pool.uncharge(self.length[vma] // K)
        for b in INDICES:
            self.zap(vma, b)
        self.forget(vma)

    @action(kernel="mm/vma.c:vms_complete_munmap_vmas", when=PARTIAL)
    def unmap_tail(self, vma: VMAS, at: Int(1, P * K - 1)):
        """munmap() from a base page on. Each piece gives back its own length
        rounded down; a folio that is cut stays until its last page goes."""
        require(at < self.length[vma])
        self.pool.uncharge((self.length[vma] - at) // K)
        for b in INDICES:
            if b * K >= at:
                self.zap(vma, b)
            elif (b + 1) * K > at and self.backing[vma, b] == HUGE:
                self.backing[vma, b] = SMALL
        self.length[vma] = at

    @action(kernel="mm/madvise.c:madvise_dontneed_free", when=DONTNEED)
    def dontneed(self, vma: VMAS, block: INDICES):
        """MADV_DONTNEED of a block: its promise stays."""
        require(self.backing[vma, block] != NONE)
        self.zap(vma, block)

    # -- mremap, mm/mremap.c --

    def move_block(self, vma, new, block):
        self.backing[new, block] = self.backing[vma, block]
        self.frame[new, block] = self.frame[vma, block]
        self.pins.move(vma, new, block)
        self.backing[vma, block] = NONE
        self.frame[vma, block] = None

    @action(kernel="mm/mremap.c:move_vma", when=MREMAP)
    def mremap(self, vma: VMAS, new: VMAS, blocks: Int(1, P)) -> Errno:
        """To another place and length: the tail is unmapped first, or the
        difference is charged."""
        require(self.length[vma] > 0 and self.length[new] == 0)
        require(self.length[vma] % K == 0)
        more = blocks - self.length[vma] // K
        if more > 0:
            charged = self.pool.charge(more)
            if not charged:
                return ENOMEM
        else:
            self.pool.uncharge(-more)
        for b in INDICES:
            if b >= blocks:
                self.zap(vma, b)
            else:
                self.move_block(vma, new, b)
        self.length[new] = blocks * K
        self.binding.copy(vma, new)
        self.forget(vma)
        return OK

    @action(kernel="mm/mremap.c:move_vma", when=MREMAP)
    def mremap_dontunmap(self, vma: VMAS, new: VMAS) -> Errno:
        """MREMAP_DONTUNMAP: both VMAs have the flag, so all is charged."""
        require(self.length[vma] > 0 and self.length[new] == 0)
        require(self.length[vma] % K == 0)
        charged = self.pool.charge(self.length[vma] // K)
        if not charged:
            return ENOMEM
        for b in INDICES:
            self.move_block(vma, new, b)
        self.length[new] = self.length[vma]
        self.binding.copy(vma, new)
        return OK

    # -- fork --

    @action(kernel="mm/mmap.c:dup_mmap", when=FORK)
    def fork(self, vma: VMAS, child: VMAS) -> Errno:
        """The child has the flag, too. One generation, one child at a time."""
        require(self.length[vma] > 0 and self.length[child] == 0)
        require(self.parent[vma] is None)
        require(all(self.parent[v] != vma for v in VMAS))
        if not FORK_UNCHARGED:
            charged = self.pool.charge(self.length[vma] // K)
            if not charged:
                return ENOMEM
        self.length[child] = self.length[vma]
        self.binding.copy(vma, child)
        self.parent[child] = vma
        for b in INDICES:
            if self.frame[vma, b] is not None:
                self.backing[child, b] = self.backing[vma, b]
                self.shared[child, b] = True
        return OK

    @action(kernel="mm/huge_memory.c:do_huge_pmd_wp_page", when=FORK)
    def write(self, vma: VMAS, block: INDICES):
        """Copy-on-write of a folio that two processes map."""
        require(self.backing[vma, block] == HUGE)
        require(
            self.shared[vma, block] or any(self.child_of(c, vma, block) for c in VMAS)
        )
        self.backing[vma, block] = SMALL

    # -- swap --

    @action(kernel="mm/vmscan.c:shrink_folio_list", when=SWAP_ON)
    def swap_out(self, vma: VMAS, block: INDICES):
        """The folio goes out in one piece; the VMA's quota stays."""
        require(self.backing[vma, block] == HUGE and self.frame[vma, block] is not None)
        require(self.slots > 0 and not self.pins.pinned[vma, block])
        require(all(not self.child_of(c, vma, block) for c in VMAS))
        self.slots -= 1
        self.put_frame(vma, block)
        self.backing[vma, block] = SWAP

    @action(kernel="mm/memory.c:do_swap_page", when=SWAP_ON)
    def swap_in(self, vma: VMAS, block: INDICES, node: NODES) -> Errno:
        """Base page by base page, from ordinary memory."""
        require(self.backing[vma, block] == SWAP)
        self.slots += 1
        self.backing[vma, block] = SMALL
        return OK

    # -- the allocator --

    @action(kernel="mm/page_alloc.c:compaction_capture", when=CAPTURE)
    def capture(self, node: NODES):
        """An ordinary task that compacts takes a reserved block that is freed
        meanwhile: the type is not excluded at patch 4/8."""
        require(self.pool.free[node] > 0)
        self.pool.free[node] -= 1
        self.captured[node] += 1

    @action(kernel="mm/page_alloc.c:free_one_page", when=CAPTURE)
    def free_captured(self, node: NODES):
        require(self.captured[node] > 0)
        self.captured[node] -= 1
        self.pool.free[node] += 1
