# SPDX-License-Identifier: GPL-2.0-only
"""One pool for two sizes: blocks of 1 GiB, split for users of 2 MiB.

Source: the reply of 2026-06-29 to "[RFC PATCH 0/8] Introduce Reserved THP": a
global pool for several consumers; 1 GiB for shmem. No code was posted. This is
what global_pool.py leaves out, and leaves out what that has: nodes, memcgs,
lending, pins, resizing.

Modelled: files, each of pages of one size, which reserve page by page and
fault what they reserved; a block is whole, or split into K parts, and whole
again when the last part is free. Our choices: a promise of 1 GiB keeps a
block whole (``counted``: promises are counted in parts, and blocks are not
looked at); a part comes from a block that is split already while there is
room (``any_place``: from any block). Nothing moves: no compaction.
"""

from enum import Enum
from typing import Any

from poolproof.model.designs.names import ENOSPC, FILES, OK, PUNCH, SIGBUS, Errno, P
from poolproof.model.language import (
    Bool,
    Bound,
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


class Size(Enum):
    """Of a file's pages."""

    NONE = 0
    """There is no such file."""
    PMD = 1
    PUD = 2


NONE, PMD, PUD = Size

B = Bound("blocks", 2, doc="blocks of 1 GiB")
K = Bound("K", 2, doc="parts of a block: pages of 2 MiB, so many that it matters")

BLOCKS = Scalarset("BLOCKS", B, prefix="b")

COUNTED = Feature("counted", False, "a promise looks at the number of free parts only")
ANY_PLACE: Any = Feature("any_place", False, "a part is taken from any block")


class GlobalPoolSizes(Design):
    """A file-centric pool of blocks that can be split."""

    size = table(FILES, Size)
    promise = table(FILES, Int(0, P), doc="pages")
    whole = table(BLOCKS, Maybe(FILES), doc="the file that has all of it")
    parts = table(BLOCKS, FILES, Int(0, K), doc="parts of it that a file has")
    failed = var(Bool(), doc="a promised fault has failed")

    # -- what the common specs ask, in parts --

    @observer
    def total(self):
        return B * K

    @observer
    def free_blocks(self):
        return sum(self.free_parts(b) for b in BLOCKS)

    @observer
    def promised(self):
        return K * self.promised_of(PUD) + self.promised_of(PMD)

    @observer
    def populated(self):
        return self.total() - self.free_blocks()

    @observer
    def used(self):
        return self.promised() + self.populated()

    @observer
    def entitled(self):
        """What the files that exist have a right to."""
        return sum(self.held(f) * (K if self.size[f] == PUD else 1) for f in FILES)

    @observer
    def borrowed(self):
        return 0

    @observer
    def idle(self):
        return all(self.size[f] == NONE for f in FILES)

    @observer
    def in_use(self, size: Size):
        """Pages of the size that files have."""
        return sum(self.there(f) for f in FILES if self.size[f] == size)

    # -- parts --

    def taken(self, block):
        return sum(self.parts[block, f] for f in FILES)

    def is_whole(self, block):
        """Free, and in one piece."""
        return self.whole[block] is None and self.taken(block) == 0

    def is_split(self, block):
        return self.taken(block) > 0

    def free_parts(self, block):
        return 0 if self.whole[block] is not None else K - self.taken(block)

    def promised_of(self, size):
        return sum(self.promise[f] for f in FILES if self.size[f] == size)

    def there(self, file):
        return sum(1 for b in BLOCKS if self.whole[b] == file) + sum(
            self.parts[b, file] for b in BLOCKS
        )

    def held(self, file):
        """Pages of a file, promised or there."""
        return self.promise[file] + self.there(file)

    def counted(self):
        return COUNTED

    def any_place(self):
        return ANY_PLACE

    def fits(self, pud, pmd):
        """Whether so many promises of each size can be kept: those of 2 MiB in
        blocks that are split, then in others; those of 1 GiB in what is left."""
        if self.counted():
            return K * pud + pmd <= self.free_blocks()
        room = sum(self.free_parts(b) for b in BLOCKS if self.is_split(b))
        free = sum(1 for b in BLOCKS if self.is_whole(b))
        return max(0, pmd - room) <= K * (free - pud) and pud <= free

    # -- files --

    @action(kernel="mm/shmem.c:shmem_file_setup")
    def create(self, file: FILES, size: Size):
        require(self.size[file] == NONE and size != NONE)
        self.size[file] = size

    @action(kernel="mm/hugetlb.c:hugetlb_reserve_pages")
    def reserve(self, file: FILES) -> Errno:
        """One more page of the file's size."""
        require(self.size[file] != NONE)
        if self.held(file) >= P:
            return ENOSPC
        pud = self.promised_of(PUD)
        pmd = self.promised_of(PMD)
        if self.size[file] == PUD:
            enough = self.fits(pud + 1, pmd)
        else:
            enough = self.fits(pud, pmd + 1)
        if not enough:
            return ENOSPC
        self.promise[file] += 1
        return OK

    @action(kernel="mm/shmem.c:shmem_fault")
    def fault(self, file: FILES, block: BLOCKS) -> Errno:
        """A page that was promised, from the block, or from none."""
        require(self.promise[file] > 0)
        if self.size[file] == PUD:
            none = not any(self.is_whole(b) for b in BLOCKS)
            require(none or self.is_whole(block))
        else:
            none = self.free_blocks() == 0
            split = any(self.is_split(b) and self.free_parts(b) > 0 for b in BLOCKS)
            require(none or self.free_parts(block) > 0)
            require(self.any_place() or not split or self.is_split(block))
        if none:
            self.failed = True
            return SIGBUS
        self.promise[file] -= 1
        if self.size[file] == PUD:
            self.whole[block] = file
        else:
            self.parts[block, file] += 1
        return OK

    @action(kernel="mm/shmem.c:shmem_fallocate", when=PUNCH)
    def punch(self, file: FILES, block: BLOCKS):
        """A page goes, and its promise with it."""
        require(self.whole[block] == file or self.parts[block, file] > 0)
        if self.whole[block] == file:
            self.whole[block] = None
        else:
            self.parts[block, file] -= 1

    @action(kernel="mm/shmem.c:shmem_evict_inode")
    def evict(self, file: FILES):
        require(self.size[file] != NONE)
        for b in BLOCKS:
            if self.whole[b] == file:
                self.whole[b] = None
            self.parts[b, file] = 0
        self.promise[file] = 0
        self.size[file] = NONE
