# SPDX-License-Identifier: GPL-2.0-only
"""1 GiB folios for shmem and tmpfs, configurable: an idea, not a patch.

Source: the mail of 2026-06-29 ("start with 1 GiB THP support for shmem/tmpfs,
and make it configurable"); mm/shmem.c of v7.2. Nothing is reserved: fallocate()
allocates, now, and fails now.

Modelled: memory of model/blocks/machine.py in runs of 1 GiB, each of two parts:
a run comes from alloc_contig_pages(), which migrates others' parts away, and
fails where an unmovable or pinned part is in every run, or memory is short; a
file's ranges of 1 GiB, filled at fallocate() or at the first fault; fallback to
parts, or (``strict``) ENOMEM. Without memory, or at memory.max, fallocate() fails
with ENOMEM and a fault with VM_FAULT_OOM; ENOSPC is for mount quotas. Features:
``swap`` (a 1 GiB folio is split to go there; what comes back is charged anew; who
needs memory waits while a range can go there), ``lru`` (reclaim passes over ranges
that were touched since the last scan, or are off their LRU list),
``partial`` (a hole in a range splits it), ``memcg``, ``numa`` (a file's shared policy
binds it to a node), ``poison`` (memory errors in free parts).
Left out: i_size, mount quotas, huge zero pages, 4 KiB, the run's 512 pageblocks
and their types.
"""

from enum import Enum

from poolproof.model.blocks.lru import Lru
from poolproof.model.blocks.machine import Machine
from poolproof.model.blocks.numa import NodeBinding
from poolproof.model.blocks.quota import MemoryMax
from poolproof.model.designs.names import (
    BLOCKS,
    ENOMEM,
    FILES,
    GROUP,
    LIMIT,
    LRU,
    MEMCG,
    NODES,
    NUMA,
    OK,
    OOM,
    PINS,
    POISON,
    SLOTS,
    SWAP_ON,
    Errno,
    P,
)
from poolproof.model.designs.thp import MARK, ZONE_MOVABLE, K
from poolproof.model.language import (
    Bool,
    Design,
    Feature,
    Int,
    Maybe,
    Scalarset,
    action,
    assume,
    observer,
    require,
    table,
    var,
)


class Backing(Enum):
    """What is behind one range of 1 GiB."""

    NONE = 0
    HUGE = 1
    SMALL = 2
    SWAP = 3


NONE, HUGE, SMALL, SWAP = Backing

RUNS = Scalarset("RUNS", BLOCKS, prefix="g", ordered=True)
RANGES = Int(0, P - 1)

STRICT = Feature("strict", False, "1 GiB or an error")
PARTIAL = Feature("partial", False, "holes within a range")


class Shmem1g(Design):
    """tmpfs with huge pages of 1 GiB, from anywhere."""

    live = table(FILES, Bool())
    promise = table(FILES, RANGES, Bool(), doc="fallocate() has returned 0 for it")
    mem = Machine(NODES, RUNS, K, MARK, PINS, POISON, ZONE_MOVABLE)
    backing = table(FILES, RANGES, Backing)
    node = table(FILES, RANGES, Maybe(NODES), doc="where its memory is")
    run = table(FILES, RANGES, Maybe(RUNS), doc="of a huge one")
    binding = NodeBinding(FILES, NODES, NUMA)
    memory = MemoryMax(GROUP, LIMIT, MEMCG)
    slots = var(Int(0, SLOTS), init=SLOTS, when=SWAP_ON)
    lru = Lru(FILES, RANGES, LRU)
    failed = var(Bool(), doc="a promised fault has failed")

    # -- what the common specs ask --

    @observer
    def promised(self):
        """What was allocated, and is in memory no more."""
        return sum(
            1
            for f in FILES
            for r in RANGES
            if self.promise[f, r] and self.backing[f, r] in {NONE, SWAP}
        )

    @observer
    def huge(self):
        return sum(self.huge_of(f) for f in FILES)

    @observer
    def small(self):
        return sum(1 for f in FILES for r in RANGES if self.backing[f, r] == SMALL)

    @observer
    def populated(self):
        return self.huge() + self.small()

    @observer
    def swapped(self):
        return sum(1 for f in FILES for r in RANGES if self.backing[f, r] == SWAP)

    @observer
    def kinds(self):
        """Kinds of consumers: files here, and other users."""
        mine = 1 if self.populated() > 0 else 0
        return mine + (1 if self.mem.others() > 0 else 0)

    @observer
    def idle(self):
        return all(not self.live[f] for f in FILES)

    # -- parts --

    def huge_of(self, file):
        return sum(1 for r in RANGES if self.backing[file, r] == HUGE)

    def own_pages(self, node):
        """Parts that files have there."""
        return K * sum(
            1
            for f in FILES
            for r in RANGES
            if self.backing[f, r] == SMALL and self.node[f, r] == node
        )

    def is_there(self, file):
        return self.live[file]

    def allowed(self, file, node):
        return self.binding.allowed(file, node)

    def has_run(self, file):
        return any(
            self.allowed(file, n) and self.mem.find_whole(n) is not None for n in NODES
        )

    def has_parts(self, file):
        return any(self.allowed(file, n) and self.mem.has_pages(n) for n in NODES)

    def make_huge(self, file, range_):
        """A run of the first node that has one."""
        found = None
        for n in NODES:
            if found is None and self.allowed(file, n):
                run = self.mem.find_whole(n)
                if run is not None:
                    found = run
                    self.node[file, range_] = n
                    self.mem.take_whole(n, run)
        self.run[file, range_] = found
        self.backing[file, range_] = HUGE

    def make_small(self, file, range_):
        done = False
        for n in NODES:
            if not done and self.allowed(file, n) and self.mem.has_pages(n):
                done = True
                self.node[file, range_] = n
                self.mem.take_pages(n)
        self.backing[file, range_] = SMALL

    def has_page(self, file, range_):
        return self.backing[file, range_] in {HUGE, SMALL}

    def is_victim(self, file, range_):
        """Return whether reclaim takes the range now."""
        return self.has_page(file, range_) and self.lru.may_take(file, range_)

    def reclaim(self):
        """Wait while a range can go to swap: mm/shmem.c:shmem_alloc_and_add_folio
        has __GFP_DIRECT_RECLAIM, and mm/memcontrol.c:try_charge_memcg reclaims."""
        assume(
            not SWAP_ON
            or self.slots == 0
            or not any(self.is_victim(f, r) for f in FILES for r in RANGES),
            "a fault waits while something can be reclaimed",
        )

    def fill(self, file, range_):
        """mm/shmem.c:shmem_alloc_and_add_folio: whether there was memory. A run of
        1 GiB is not reclaimed for."""
        if not self.memory.fits():
            self.reclaim()
            return False
        if self.has_run(file):
            self.memory.charge_one()
            self.make_huge(file, range_)
            return True
        if STRICT:
            return False
        if not self.has_parts(file):
            self.reclaim()
            return False
        self.memory.charge_one()
        self.make_small(file, range_)
        return True

    def drop(self, file, range_):
        """The range loses its memory."""
        for n in NODES:
            if self.node[file, range_] == n:
                if self.backing[file, range_] == HUGE:
                    self.mem.put_whole(n, self.run[file, range_])
                if self.backing[file, range_] == SMALL:
                    self.mem.put_pages(n)
        if self.backing[file, range_] in {HUGE, SMALL}:
            self.memory.uncharge_one()
        self.lru.forget(file, range_)
        self.node[file, range_] = None
        self.run[file, range_] = None

    # -- files --

    @action(kernel="mm/shmem.c:shmem_file_setup")
    def create(self, file: FILES):
        require(not self.live[file])
        self.live[file] = True

    @action(kernel="mm/shmem.c:shmem_fallocate")
    def reserve(self, file: FILES, range_: RANGES) -> Errno:
        """fallocate() of a range: there now, or ENOMEM."""
        require(self.live[file] and self.backing[file, range_] == NONE)
        filled = self.fill(file, range_)
        if not filled:
            return ENOMEM
        self.promise[file, range_] = True
        return OK

    @action(kernel="mm/shmem.c:shmem_fault")
    def fault(self, file: FILES, range_: RANGES) -> Errno:
        """A fault on a range that is not there; nobody promised it. mm/shmem.c passes
        -ENOMEM to vmf_error()."""
        require(self.live[file] and self.backing[file, range_] == NONE)
        filled = self.fill(file, range_)
        return OK if filled else OOM

    @action(kernel="mm/shmem.c:shmem_evict_inode")
    def evict(self, file: FILES):
        require(self.live[file])
        for r in RANGES:
            if self.backing[file, r] == SWAP:
                self.slots += 1
            self.drop(file, r)
            self.backing[file, r] = NONE
            self.promise[file, r] = False
        self.binding.forget(file)
        self.live[file] = False

    @action(kernel="mm/shmem.c:shmem_undo_range", when=PARTIAL)
    def punch_part(self, file: FILES, range_: RANGES):
        """A hole in a 1 GiB folio, filled again: parts."""
        require(self.backing[file, range_] == HUGE)
        for n in NODES:
            if self.node[file, range_] == n:
                self.mem.split_whole(n, self.run[file, range_])
        self.run[file, range_] = None
        self.backing[file, range_] = SMALL

    # -- swap --

    @action(kernel="mm/shmem.c:shmem_writeout", when=SWAP_ON, silent=True)
    def swap_out(self, file: FILES, range_: RANGES):
        """Split first, then part by part."""
        require(self.is_victim(file, range_) and self.slots > 0)
        self.drop(file, range_)
        self.slots -= 1
        self.backing[file, range_] = SWAP

    @action(kernel="mm/shmem.c:shmem_swapin_folio", when=SWAP_ON)
    def swap_in(self, file: FILES, range_: RANGES) -> Errno:
        """Part by part, each charged. With no memory free, or the memcg at its
        limit, others free theirs, or a file's range goes out: the fault waits
        while either can be."""
        require(self.backing[file, range_] == SWAP)
        if not self.memory.fits() or not self.has_parts(file):
            if self.memory.fits():
                assume(
                    not any(self.mem.others_have(n) for n in NODES),
                    "a fault waits while something can be reclaimed",
                )
            self.reclaim()
            self.failed = self.failed or self.promise[file, range_]
            return OOM
        self.memory.charge_one()
        self.make_small(file, range_)
        self.slots += 1
        return OK
