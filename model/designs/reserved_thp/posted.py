# SPDX-License-Identifier: GPL-2.0-only
"""Reserved THP as posted: [RFC PATCH 0/8] of 2026-06-27, Qi Zheng.

Source: cover.1782538002.git.zhengqi.arch@bytedance.com. Read with the patches
applied: mm/reserved_thp.c, mm/madvise.c, mm/khugepaged.c, mm/mmap.c, mm/mremap.c,
mm/page_alloc.c, include/linux/huge_mm.h. Not to be had: mm/vma.c, mm/memory.c,
mm/mprotect.c, mm/huge_memory.c; `ReservedThp.assumed` says what rests on them.

Modelled: a pool of pageblocks that are set apart at boot, per node as the boot
policy placed them; one global quota, charged by the length of VM_RESERVED_THP
VMAs and refused above the total; faults that install a block of the pool or fail.

madvise() (``advice``, on by default): MADV_HUGEPAGE and MADV_NOHUGEPAGE clear the
flag and give the quota back, and the folios stay mapped. MADV_RESERVED_THP takes
memory that is mapped already, with base pages in it or not. Out of quota is
EAGAIN for the caller. Other features: MADV_GUARD_INSTALL, which looks at no block;
PR_SET_THP_DISABLE; mremap (move, grow, shrink, MREMAP_DONTUNMAP); fork, which
charges the child; swap, pins, cpusets, a memcg limit, memory errors,
MADV_DONTNEED of whole blocks (of a part: EINVAL).

A VMA is one process's, and all of it gets the advice. Elsewhere: VMAs that split
and merge, ranges over several, MADV_DONTFORK and MADV_WIPEONFORK (vmas.py); the
allocator's slow path and compaction (allocator.py); other readings of what was not
to be had (assumed.py). Left out: MADV_REMOVE (EINVAL for anonymous memory),
MAP_FIXED, userfaultfd moves, KSM, khugepaged, migration. A read fault is a write
fault; the memory of small pages is never short, and is not counted.
Copy-on-write follows do_huge_pmd_wp_page: the mapping is split and base pages are
copied.
"""

from enum import Enum

from poolproof.model.blocks.errno import EINVAL
from poolproof.model.blocks.numa import Mempolicy
from poolproof.model.blocks.pins import Pins
from poolproof.model.blocks.reserved_blocks import ReservedBlocks
from poolproof.model.designs.names import (
    BLOCKS,
    DONTNEED,
    EAGAIN,
    ENOMEM,
    FORK,
    INDICES,
    LIMIT,
    MBIND,
    MEMCG,
    MEMPOLICY,
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
    SetOf,
    action,
    assume,
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


ADVICE = Feature("advice", doc="MADV_NOHUGEPAGE, and madvise of mapped memory")
GUARD = Feature("guard", False, "MADV_GUARD_INSTALL")
THP_DISABLE = Feature("thp_disable", False, "PR_SET_THP_DISABLE")
MREMAP = Feature("mremap", False, "mremap to a new place, and DONTUNMAP")

UNREAD = (
    "mm/memory.c: a fault with the flag maps a huge page, or fails",
    "mm/vma.c: a change or a split inside a block is EINVAL",
    "mm/huge_memory.c: a split folio keeps its block to its last page",
)
"""What the design takes for granted, and its plans with it."""

SKETCHED = (
    "sketch: a memcg is one limit without reclaim",
    "sketch: pageblocks are counted",
)
"""Simplifications of this design and `ReservedThpFiles`; not `ReservedThpAllocator`."""

SWAP_SKETCH = (
    "sketch: swap is whole clusters; without one, a split folio stays in memory"
)
"""The simplification of swap, in the design and its plans."""


class ReservedThp(Design):
    """A quota on VMAs, and pageblocks of a type of their own."""

    assumed: tuple[str, ...] = (
        *UNREAD,
        *SKETCHED,
        SWAP_SKETCH,
        "mm/memory.c: a folio that went to swap comes back as base pages",
    )

    pool = ReservedBlocks(NODES, BLOCKS, POISON)
    length = table(VMAS, Int(0, P * K), doc="in base pages; 0: no VMA")
    plain = table(VMAS, Bool(), when=ADVICE, doc="without VM_RESERVED_THP")
    thp_disabled = table(VMAS, Bool(), when=THP_DISABLE, doc="MMF_DISABLE_THP")
    backing = table(VMAS, INDICES, Backing)
    frame = table(VMAS, INDICES, Maybe(NODES), doc="the block of the pool it holds")
    pins = Pins(VMAS, INDICES, NODES, BLOCKS, PINS)
    parent = table(VMAS, Maybe(VMAS), when=FORK, doc="whose folios it maps")
    shared = table(VMAS, INDICES, Bool(), when=FORK, doc="maps its parent's folio")
    mpol = Mempolicy(VMAS, VMAS, NODES, NUMA, MEMPOLICY, MBIND)
    slots = var(Int(0, SLOTS), init=SLOTS, when=SWAP_ON, doc="free swap clusters")
    failed = var(Bool(), doc="a promised fault has failed")

    # -- what the common specs ask --

    total = pool.total

    @observer
    def promised(self):
        """Blocks inside VMAs with the flag that nothing is behind yet."""
        return sum(
            1
            for v in VMAS
            for b in INDICES
            if self.backing[v, b] == NONE and b < self.charged(v)
        )

    @observer
    def populated(self):
        return sum(1 for v in VMAS for b in INDICES if self.frame[v, b] is not None)

    @observer
    def entitled(self):
        return sum(self.charged(v) for v in VMAS)

    @observer
    def foreign(self):
        """Blocks of the pool in VMAs without the flag."""
        return sum(
            1
            for v in VMAS
            for b in INDICES
            if self.frame[v, b] is not None and self.plain[v]
        )

    @observer
    def small(self):
        """Blocks with the flag that are mapped by base pages."""
        return sum(
            1
            for v in VMAS
            for b in INDICES
            if self.backing[v, b] == SMALL and not self.plain[v]
        )

    @observer
    def swapped(self):
        return sum(1 for v in VMAS for b in INDICES if self.backing[v, b] == SWAP)

    @observer
    def kinds(self):
        """Kinds of consumers that have a block: THP of processes, with the flag
        or without it any more, is the only one that was posted."""
        return 1 if self.populated() > 0 else 0

    @observer
    def one_has_all(self):
        """Whether the whole pool is one VMA's."""
        return any(self.charged(v) == self.total() for v in VMAS)

    @observer
    def idle(self):
        """No VMA, and no I/O under way."""
        return all(self.length[v] == 0 for v in VMAS) and self.pins.in_limbo() == 0

    # -- the quota, mm/reserved_thp.c --

    def quota(self):
        """reserved_thp_total: set at boot, never changed."""
        return BLOCKS * N

    def charged(self, vma):
        """mm/reserved_thp.c:reserved_thp_hpage_nr, of a VMA with the flag: what
        it gives back when it goes."""
        return 0 if self.plain[vma] else self.length[vma] // K

    # -- parts --

    def allowed(self, vma, node):
        return node in self.mpol.huge_node(vma, vma)

    def has_page(self, vma, block):
        """Return whether the VMA has a block of the pool to pin. A block that a fork
        shares is copied first (gup_must_unshare()), which is `write`."""
        return (
            self.backing[vma, block] == HUGE
            and self.frame[vma, block] is not None
            and not (FORK and self.has_child(vma, block))
        )

    def free_page(self, node):
        self.pool.put(node)

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

    def is_alone(self, vma):
        """Whether it has no parent and no child."""
        return not FORK or (
            self.parent[vma] is None and all(self.parent[v] != vma for v in VMAS)
        )

    def child_of(self, child, vma, block):
        return self.parent[child] == vma and self.shared[child, block]

    def has_child(self, vma, block):
        """Return whether a child maps the block's folio."""
        return any(self.child_of(c, vma, block) for c in VMAS)

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
        self.plain[vma] = False
        self.thp_disabled[vma] = False
        self.mpol.mems_allowed[vma] = set()
        self.mpol.mempolicy[vma] = set()
        self.mpol.forget(vma)
        if FORK:
            self.parent[vma] = None
            for c in VMAS:
                if self.parent[c] == vma:
                    self.parent[c] = None

    def alloc(self, vma, block, node) -> Errno:
        """A block of the pool from the node, or an error, for a VMA with the flag."""
        lacking = self.pool.lacks(vma)
        require(lacking or self.pool.free[node] > 0)
        if lacking or not self.fits_memcg():
            assume(
                not self.can_reclaim(vma),
                "a fault waits while something can be reclaimed",
            )
            self.failed = True
            return SIGBUS
        self.pool.take(node)
        self.frame[vma, block] = node
        self.backing[vma, block] = HUGE
        return OK

    # -- VMAs --

    @action(kernel="mm/madvise.c:madvise_vma_behavior")
    def reserve(self, vma: VMAS, blocks: Int(1, P)) -> Errno:
        """mmap(), and madvise(MADV_RESERVED_THP) before anything is touched; a
        VMA that gets no flag is unmapped again."""
        require(self.length[vma] == 0)
        charged = self.pool.charge(blocks)
        if not charged:
            return EAGAIN
        self.length[vma] = blocks * K
        return OK

    @action(kernel="mm/huge_memory.c:__do_huge_pmd_anonymous_page", chosen="node")
    def fault(self, vma: VMAS, block: INDICES, node: NODES) -> Errno:
        """A block of the pool from an allowed node, or an error. Whether the
        process wants huge pages at all is asked before the flag
        (include/linux/huge_mm.h:vma_thp_disabled)."""
        require(block < self.charged(vma) and self.backing[vma, block] == NONE)
        require(self.allowed(vma, node))
        if self.thp_disabled[vma]:
            self.failed = True
            return SIGBUS
        error: Errno = self.alloc(vma, block, node)
        return error

    @action(kernel="mm/vma.c:vms_complete_munmap_vmas")
    def unmap(self, vma: VMAS):
        """munmap() of a VMA, or exit."""
        require(self.length[vma] > 0)
        self.pool.uncharge(self.charged(vma))
        for b in INDICES:
            self.zap(vma, b)
        self.forget(vma)

    # -- madvise of what is mapped, mm/madvise.c --

    @action(kernel="mm/vma.c:__mmap_region", when=ADVICE)
    def mmap(self, vma: VMAS, blocks: Int(1, P)):
        """Anonymous memory without the flag."""
        require(self.length[vma] == 0)
        self.length[vma] = blocks * K
        self.plain[vma] = True

    @action(kernel="mm/memory.c:do_anonymous_page", when=ADVICE)
    def touch(self, vma: VMAS, block: INDICES):
        """A fault without the flag maps a base page."""
        require(self.plain[vma] and block < self.length[vma] // K)
        require(self.backing[vma, block] == NONE)
        self.backing[vma, block] = SMALL

    @action(kernel="mm/madvise.c:madvise_hugepage_policy", when=ADVICE)
    def madvise_reserved(self, vma: VMAS) -> Errno:
        """MADV_RESERVED_THP: charges the length, whatever is mapped there.
        madvise() turns the quota's ENOMEM into EAGAIN."""
        require(self.plain[vma])
        if self.length[vma] % K != 0:
            return EINVAL
        charged = self.pool.charge(self.length[vma] // K)
        if not charged:
            return EAGAIN
        self.plain[vma] = False
        return OK

    @action(kernel="mm/madvise.c:madvise_vma_behavior", when=ADVICE)
    def madvise_nohugepage(self, vma: VMAS):
        """MADV_NOHUGEPAGE or MADV_HUGEPAGE: the flag goes, and the quota. The
        blocks stay mapped."""
        require(self.length[vma] > 0 and not self.plain[vma])
        self.pool.uncharge(self.charged(vma))
        self.plain[vma] = True

    @action(kernel="mm/madvise.c:madvise_guard_install", when=GUARD)
    def guard_install(self, vma: VMAS, block: INDICES):
        """MADV_GUARD_INSTALL of a base page, for which alignment is not asked:
        the block is mapped by base pages from now on."""
        require(block < self.length[vma] // K)
        require(self.backing[vma, block] in {NONE, HUGE})
        self.backing[vma, block] = SMALL

    @action(kernel="kernel/sys.c:prctl_set_thp_disable", when=THP_DISABLE)
    def prctl_thp_disable(self, vma: VMAS):
        """PR_SET_THP_DISABLE, without PR_THP_DISABLE_EXCEPT_ADVISED."""
        require(self.length[vma] > 0 and not self.thp_disabled[vma])
        self.thp_disabled[vma] = True

    @action(kernel="mm/madvise.c:madvise_dontneed_free", when=DONTNEED)
    def dontneed(self, vma: VMAS, block: INDICES):
        """MADV_DONTNEED of a block: its promise stays."""
        require(self.backing[vma, block] != NONE)
        self.zap(vma, block)

    def copy_process(self, vma, new):
        """The flag of the VMA, and what its process has."""
        self.plain[new] = self.plain[vma]
        self.thp_disabled[new] = self.thp_disabled[vma]
        self.mpol.mems_allowed[new] = self.mpol.mems_allowed[vma]
        self.mpol.mempolicy[new] = self.mpol.mempolicy[vma]
        self.mpol.dup(vma, new)

    # -- nodes, mm/mempolicy.c: a VMA is a process's only one --

    @action(kernel="kernel/cgroup/cpuset.c:update_nodemask", when=NUMA)
    def bind(self, vma: VMAS, node: NODES) -> Errno:
        """cpuset.mems of the process becomes one node."""
        require(self.length[vma] > 0 and self.mpol.mems_allowed[vma] != {node})
        self.mpol.mems_allowed[vma] = {node}
        return OK

    @action(kernel="mm/mempolicy.c:do_set_mempolicy", when=MEMPOLICY)
    def set_mempolicy(self, vma: VMAS, nodes: SetOf(NODES)):
        require(self.length[vma] > 0 and self.mpol.mempolicy[vma] != nodes)
        self.mpol.mempolicy[vma] = nodes

    @action(kernel="mm/mempolicy.c:do_mbind", when=MBIND)
    def mbind(self, vma: VMAS, nodes: SetOf(NODES)):
        require(self.length[vma] > 0 and self.mpol.vm_policy[vma] != nodes)
        self.mpol.vm_policy[vma] = nodes

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
        assume(self.is_alone(vma), "no mremap of what a fork shares")
        if self.length[vma] % K != 0:
            return EINVAL
        more = 0 if self.plain[vma] else blocks - self.length[vma] // K
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
        self.copy_process(vma, new)
        self.forget(vma)
        return OK

    @action(kernel="mm/mremap.c:move_vma", when=MREMAP)
    def mremap_dontunmap(self, vma: VMAS, new: VMAS) -> Errno:
        """MREMAP_DONTUNMAP: both VMAs have the flag, so all is charged."""
        require(self.length[vma] > 0 and self.length[new] == 0)
        assume(self.is_alone(vma), "no mremap of what a fork shares")
        if self.length[vma] % K != 0:
            return EINVAL
        charged = self.pool.charge(self.charged(vma))
        if not charged:
            return ENOMEM
        for b in INDICES:
            self.move_block(vma, new, b)
        self.length[new] = self.length[vma]
        self.copy_process(vma, new)
        return OK

    # -- fork --

    def charge_child(self, vma):
        """mm/mmap.c:dup_mmap, one VMA. Return whether it fits the quota."""
        return self.pool.charge(self.charged(vma))

    @action(kernel="mm/mmap.c:dup_mmap", when=FORK)
    def fork(self, vma: VMAS, child: VMAS) -> Errno:
        """The child's VMA has the flag, and is charged for it; without quota
        fork fails. A page under I/O is not shared but copied, and to that end
        mapped by base pages (mm/huge_memory.c:copy_huge_pmd)."""
        require(self.length[vma] > 0 and self.length[child] == 0)
        assume(self.is_alone(vma), "one generation, and one child at a time")
        if SWAP_ON:
            assume(
                all(self.backing[vma, b] != SWAP for b in INDICES),
                "no fork of what is in swap",
            )
        charged = self.charge_child(vma)
        if not charged:
            return ENOMEM
        self.length[child] = self.length[vma]
        self.copy_process(vma, child)
        self.parent[child] = vma
        for b in INDICES:
            if self.pins.pinned[vma, b]:
                self.backing[vma, b] = SMALL
            self.backing[child, b] = self.backing[vma, b]
            if self.frame[vma, b] is not None and not self.pins.pinned[vma, b]:
                self.shared[child, b] = True
        return OK

    @action(kernel="mm/huge_memory.c:do_huge_pmd_wp_page", when=FORK)
    def write(self, vma: VMAS, block: INDICES):
        """Copy-on-write of a folio that two processes map."""
        require(self.backing[vma, block] == HUGE)
        require(self.shared[vma, block] or self.has_child(vma, block))
        self.backing[vma, block] = SMALL

    # -- swap --

    @action(kernel="mm/vmscan.c:shrink_folio_list", when=SWAP_ON, silent=True)
    def swap_out(self, vma: VMAS, block: INDICES):
        """The folio goes out in one piece, and the VMA's quota stays; without a
        free cluster it is split."""
        require(self.backing[vma, block] == HUGE and self.frame[vma, block] is not None)
        require(not self.pins.pinned[vma, block])
        if FORK:
            shared = self.has_child(vma, block)
            assume(not shared, "no swap-out of what a fork shares")
        if self.slots == 0:
            self.backing[vma, block] = SMALL
            return
        self.slots -= 1
        self.put_frame(vma, block)
        self.backing[vma, block] = SWAP

    @action(kernel="mm/memory.c:do_swap_page", when=SWAP_ON, chosen="node")
    def swap_in(self, vma: VMAS, block: INDICES, node: NODES) -> Errno:
        """Base page by base page, from ordinary memory."""
        require(self.backing[vma, block] == SWAP)
        self.slots += 1
        self.backing[vma, block] = SMALL
        return OK
