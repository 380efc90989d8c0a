# SPDX-License-Identifier: GPL-2.0-only
"""THP reservations: base pages first, at the places that a huge page would have.

Source: Anthony Yznaga, RFC "mm: thp: implement THP reservations for anonymous memory",
November 2018; known by its description only. The first touch of an aligned range
sets a block apart, and maps one base page of it. Later touches map their own pages
of that block. Once enough are mapped, the range becomes a huge page without a copy.
Under pressure a shrinker takes back the untouched pages of a block.

Modelled: blocks of K base pages, shared by all; ranges, their pages and reservations;
others' base pages; the shrinker, which may take any range (the description does not
say which). Left out: nodes, memcgs, swap, fork, compaction, partial munmap.
"""

from poolproof.model.designs.names import OK, OOM, RANGES, Errno
from poolproof.model.language import (
    Bool,
    Bound,
    Design,
    Int,
    Maybe,
    Scalarset,
    action,
    assume,
    observer,
    require,
    table,
)

BLOCKS = Bound("blocks", 2, doc="blocks of memory")
K = Bound("K", 2, doc="base pages in a block")
THRESHOLD = Bound("threshold", 2, doc="touched pages that make a range huge")

PAGEBLOCKS = Scalarset("PAGEBLOCKS", BLOCKS, prefix="b", ordered=True)
PAGES = Int(0, K - 1)


class ThpReservation(Design):
    """Ranges that may become huge."""

    assumed: tuple[str, ...] = (
        "sketch: after a description of the RFC of 2018, whose code was not read",
    )

    free = table(PAGEBLOCKS, Int(0, K), init=K, doc="base pages of the block")
    others = table(PAGEBLOCKS, Int(0, K), doc="... that other users have")
    block = table(RANGES, Maybe(PAGEBLOCKS), doc="reserved for the range, or huge")
    huge = table(RANGES, Bool())
    home = table(RANGES, PAGES, Maybe(PAGEBLOCKS), doc="the block of a mapped page")

    @observer
    def mapped(self, range_: RANGES):
        """Return the pages of the range that are mapped."""
        return sum(1 for p in PAGES if self.home[range_, p] is not None)

    @observer
    def unused(self, range_: RANGES):
        """Return the pages that are reserved for the range but not yet touched."""
        if self.block[range_] is None or self.huge[range_]:
            return 0
        own = sum(1 for p in PAGES if self.home[range_, p] == self.block[range_])
        return K - own

    def can_shrink(self):
        """Return whether the shrinker would find a page."""
        return any(self.unused(r) > 0 for r in RANGES)

    def reserve(self, range_):
        """Return the first block that is wholly free, or None."""
        found = None
        for b in PAGEBLOCKS:
            if found is None and self.free[b] == K:
                found = b
        for b in PAGEBLOCKS:
            if b == found:
                self.free[b] = 0
        self.block[range_] = found

    def give_back(self, range_):
        """Free the reserved pages that were not touched."""
        unused = self.unused(range_)
        for b in PAGEBLOCKS:
            if b == self.block[range_]:
                self.free[b] += unused

    @action
    def fault(self, range_: RANGES, page: PAGES) -> Errno:
        """A touch: of the reservation, or of any free page."""
        require(not self.huge[range_] and self.home[range_, page] is None)
        if self.mapped(range_) == 0:
            self.reserve(range_)
        if self.block[range_] is not None:
            self.home[range_, page] = self.block[range_]
            return OK
        found = None
        for b in PAGEBLOCKS:
            if found is None and self.free[b] > 0:
                found = b
        if found is None:
            assume(not self.can_shrink(), "a fault waits for the shrinker")
            return OOM
        for b in PAGEBLOCKS:
            if b == found:
                self.free[b] -= 1
        self.home[range_, page] = found
        return OK

    @action
    def promote(self, range_: RANGES):
        """The range is mapped by the huge page that was reserved for it."""
        require(self.block[range_] is not None and not self.huge[range_])
        require(self.mapped(range_) >= THRESHOLD)
        self.huge[range_] = True
        for p in PAGES:
            self.home[range_, p] = self.block[range_]

    @action
    def shrink(self, range_: RANGES):
        """Memory is short: a reservation is taken back, what is mapped stays."""
        require(self.unused(range_) > 0)
        self.give_back(range_)
        self.block[range_] = None

    @action
    def unmap(self, range_: RANGES):
        """munmap() of the range; its reservation goes with it."""
        require(self.mapped(range_) > 0)
        self.give_back(range_)
        for b in PAGEBLOCKS:
            self.free[b] += sum(1 for p in PAGES if self.home[range_, p] == b)
        for p in PAGES:
            self.home[range_, p] = None
        self.block[range_] = None
        self.huge[range_] = False

    @action
    def other_takes(self, block: PAGEBLOCKS):
        """Another user's base page."""
        require(self.free[block] > 0)
        self.free[block] -= 1
        self.others[block] += 1

    @action
    def other_leaves(self, block: PAGEBLOCKS):
        """Another user frees a base page."""
        require(self.others[block] > 0)
        self.others[block] -= 1
        self.free[block] += 1
