# SPDX-License-Identifier: GPL-2.0-only
"""1 GiB folios for shmem and tmpfs, configurable: an idea, not a patch.

Source: the mail of 2026-06-29 ("start with 1 GiB THP support for shmem/tmpfs,
and make it configurable"). Nothing is reserved: fallocate() allocates, now,
and fails now.

Modelled: runs of 1 GiB, each of two parts that others' movable folios use,
too; contiguous allocation that migrates them away, and fails where the parts
of every run are pinned or memory is short; a file's ranges of 1 GiB, filled
at fallocate() or at the first fault; fallback to parts, or (``strict``)
ENOSPC. Features: ``swap`` (a 1 GiB folio is split to go there), ``partial``
(a hole in a range splits it), ``memcg``.
Left out: nodes, i_size, mount quotas, huge zero pages, 4 KiB.
"""

from enum import Enum

from poolproof.model.designs.names import (
    BLOCKS,
    ENOSPC,
    FILES,
    LIMIT,
    MEMCG,
    OK,
    PINS,
    SIGBUS,
    SLOTS,
    SWAP_ON,
    Errno,
    P,
)
from poolproof.model.language import (
    Bool,
    Design,
    Feature,
    Int,
    action,
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

K = 2

RANGES = Int(0, P - 1)

STRICT = Feature("strict", False, "1 GiB or an error")
PARTIAL = Feature("partial", False, "holes within a range")


class Shmem1g(Design):
    """tmpfs with huge pages of 1 GiB, from anywhere."""

    live = table(FILES, Bool())
    promise = table(FILES, RANGES, Bool(), doc="fallocate() has returned 0 for it")
    backing = table(FILES, RANGES, Backing)
    others = var(Int(0, BLOCKS * K), init=0, doc="parts that others use")
    spoilt = var(Int(0, BLOCKS), init=0, when=PINS, doc="runs with a pinned part")
    slots = var(Int(0, SLOTS), init=SLOTS, when=SWAP_ON)
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
    def borrowed(self):
        """Runs' worth of memory that others use: all memory is for all."""
        return self.others // K

    @observer
    def one_has_all(self):
        """Whether all memory is one file's 1 GiB folios."""
        return any(self.huge_of(f) == BLOCKS for f in FILES)

    @observer
    def idle(self):
        return all(not self.live[f] for f in FILES)

    # -- parts --

    def huge_of(self, file):
        return sum(1 for r in RANGES if self.backing[file, r] == HUGE)

    def free_parts(self):
        return K * (BLOCKS - self.huge() - self.small()) - self.others

    def fill(self, file, range_):
        """mm/shmem.c:shmem_alloc_and_add_folio: whether there was memory."""
        if MEMCG and self.populated() >= LIMIT:
            return False
        if self.free_parts() < K:
            return False
        if self.huge() + self.spoilt < BLOCKS:
            self.backing[file, range_] = HUGE
            return True
        if STRICT:
            return False
        self.backing[file, range_] = SMALL
        return True

    # -- files --

    @action(kernel="mm/shmem.c:shmem_file_setup")
    def create(self, file: FILES):
        require(not self.live[file])
        self.live[file] = True

    @action(kernel="mm/shmem.c:shmem_fallocate")
    def reserve(self, file: FILES, range_: RANGES) -> Errno:
        """fallocate() of a range: there now, or ENOSPC."""
        require(self.live[file] and self.backing[file, range_] == NONE)
        filled = self.fill(file, range_)
        if not filled:
            return ENOSPC
        self.promise[file, range_] = True
        return OK

    @action(kernel="mm/shmem.c:shmem_fault")
    def fault(self, file: FILES, range_: RANGES) -> Errno:
        """Of a range that is not there; nobody promised it."""
        require(self.live[file] and self.backing[file, range_] == NONE)
        filled = self.fill(file, range_)
        return OK if filled else SIGBUS

    @action(kernel="mm/shmem.c:shmem_evict_inode")
    def evict(self, file: FILES):
        require(self.live[file])
        for r in RANGES:
            if self.backing[file, r] == SWAP:
                self.slots += 1
            self.backing[file, r] = NONE
            self.promise[file, r] = False
        self.live[file] = False

    @action(kernel="mm/shmem.c:shmem_undo_range", when=PARTIAL)
    def punch_part(self, file: FILES, range_: RANGES):
        """A hole in a 1 GiB folio, filled again: parts."""
        require(self.backing[file, range_] == HUGE)
        self.backing[file, range_] = SMALL

    # -- swap --

    @action(kernel="mm/shmem.c:shmem_writeout", when=SWAP_ON)
    def swap_out(self, file: FILES, range_: RANGES):
        """Split first, then part by part."""
        require(self.backing[file, range_] in {HUGE, SMALL} and self.slots > 0)
        self.slots -= 1
        self.backing[file, range_] = SWAP

    @action(kernel="mm/shmem.c:shmem_swapin_folio", when=SWAP_ON)
    def swap_in(self, file: FILES, range_: RANGES) -> Errno:
        """Part by part. With no memory free, what others have is reclaimed,
        or a file's range goes out: the fault waits while either can be."""
        require(self.backing[file, range_] == SWAP)
        if self.free_parts() < K:
            require(self.others <= self.spoilt)
            require(self.slots == 0 or self.populated() == 0)
            self.failed = self.failed or self.promise[file, range_]
            return SIGBUS
        self.slots += 1
        self.backing[file, range_] = SMALL
        return OK

    # -- others --

    @action(kernel="mm/page_alloc.c:__alloc_pages_noprof")
    def other_alloc(self):
        require(self.free_parts() > 0)
        self.others += 1

    @action(kernel="mm/page_alloc.c:free_unref_folios")
    def other_free(self):
        require(self.others > self.spoilt)
        self.others -= 1

    @action(kernel="mm/gup.c:pin_user_pages", when=PINS)
    def other_pin(self):
        """A part of a run without pins so far."""
        require(self.others > self.spoilt and self.spoilt + self.huge() < BLOCKS)
        self.spoilt += 1

    @action(kernel="mm/gup.c:unpin_user_page", when=PINS)
    def other_unpin(self):
        require(self.spoilt > 0)
        self.spoilt -= 1
