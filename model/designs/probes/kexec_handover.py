# SPDX-License-Identifier: GPL-2.0-only
"""Kexec Handover and huge pages: scratch memory at boot, and memfds that live on.

Source: kernel/liveupdate/kexec_handover.c, mm/memblock.c and mm/memfd_luo.c as they are
after "kho: make boot time huge page allocation work nicely with KHO" (bc0f793c5c41).
At a cold boot kho_reserve_scratch() sets memory apart, by default 200 % of what the
kernel has reserved, once for all nodes and once for each. The next kernel inherits it,
overwrites it, and boots in it. The pages of a memfd are preserved outside of it.

Memory is counted in huge pages, on one node. The features are that series, a debug
option, and a handler of hugetlb's memfds, which nobody has merged. Left out: LUO
sessions, sizes given by kho_scratch=, pages that are allocated at runtime, and what the
handler would do with the pool and reserve map of the next kernel.
"""

from enum import Enum

from poolproof.model.blocks.errno import EINVAL, ENOENT, ENOMEM, OK, Errno
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

RAM = Bound("ram", 12, least=2, doc="memory, in huge pages")
KERNEL = 1
SCALE = 2

FILES = Scalarset("FILES", Bound("files", 2), prefix="f")
CGROUPS = Scalarset("CGROUPS", Bound("C", 2), prefix="cg")

EXCLUDED = Feature(
    "excluded", doc="huge pages of boot time do not count for scratch (fdd843f2be1a)"
)
OUTSIDE_SCRATCH = Feature(
    "outside_scratch",
    doc="nor are they in scratch after a handover (14773e2aa4c5, 7d163a75f821)",
)
HANDLER = Feature("handler", False, "a handler of hugetlb's memfds: not merged")
DEBUG = Feature("debug", False, "CONFIG_KEXEC_HANDOVER_DEBUG", needs=HANDLER)


class Kind(Enum):
    """The file system behind a memfd, if it is open."""

    CLOSED = 0
    SHMEM = 1
    HUGETLB = 2


CLOSED, SHMEM, HUGETLB = Kind


class KexecHandover(Design):
    """One machine, from its cold boot through any number of handovers."""

    assumed: tuple[str, ...] = (
        "sketch: memory is one node, and free memory is never too fragmented",
    )

    booted = var(Bool())
    kho = var(Bool(), doc="kho_enable")
    scratch = var(Int(0, RAM), doc="scratch areas of all kinds")
    wanted = var(Int(0, RAM), doc="hugepages= of the command line")
    pool = var(Int(0, RAM), doc="hugetlb's pages outside scratch, those in use too")
    pool_scratch = var(Int(0, RAM), doc="... in scratch")
    kind = table(FILES, Kind)
    in_scratch = table(FILES, Bool(), doc="where the file's page is")
    preserved = table(FILES, Bool())
    handed_over = table(FILES, Bool(), doc="waits to be retrieved")
    payer = table(FILES, Maybe(CGROUPS), doc="whom the page is charged to")
    overwritten = var(Bool(), doc="the next kernel has booted in a preserved page")

    @observer
    def outside(self):
        """Return the free memory outside scratch."""
        used = sum(1 for f in FILES if self.kind[f] == SHMEM and not self.in_scratch[f])
        return RAM - KERNEL - self.scratch - self.pool - used

    @observer
    def huge_free(self, scratch: Bool()):
        """Return the pages of hugetlb's pool, in scratch or outside, that are free."""
        used = sum(
            1
            for f in FILES
            if self.kind[f] == HUGETLB and self.in_scratch[f] == scratch
        )
        return (self.pool_scratch if scratch else self.pool) - used

    @observer
    def movable_free(self):
        """Return the free scratch: it is MIGRATE_CMA, so movable pages may use it."""
        used = sum(1 for f in FILES if self.kind[f] == SHMEM and self.in_scratch[f])
        return self.scratch - self.pool_scratch - used

    @action
    def boot(self, hugepages: Int(0, RAM)):
        """A cold boot: hugetlb's pages first, then kho_reserve_scratch(), which turns
        KHO off where an area cannot be had."""
        require(not self.booted and hugepages <= RAM - KERNEL)
        self.booted = True
        self.wanted = hugepages
        self.pool = hugepages
        reserved = KERNEL if EXCLUDED else KERNEL + hugepages
        size = SCALE * reserved + SCALE * reserved
        if size <= RAM - KERNEL - hugepages:
            self.scratch = size
            self.kho = True

    @action
    def create(self, file: FILES, kind: Kind, scratch: Bool(), css: CGROUPS):
        """memfd_create() and a write: a page outside or in scratch."""
        require(self.booted and self.kind[file] == CLOSED and kind != CLOSED)
        if kind == HUGETLB:
            require(self.huge_free(scratch) > 0)
        elif scratch:
            require(self.movable_free() > 0)
        else:
            require(self.outside() > 0)
        self.kind[file] = kind
        self.in_scratch[file] = scratch
        self.payer[file] = css

    @action
    def preserve(self, file: FILES) -> Errno:
        """luo_preserve_file(): memfd_luo_can_preserve() takes shmem only, and
        memfd_pin_folios() moves a page out of scratch."""
        require(self.kho and self.kind[file] != CLOSED)
        require(not self.preserved[file] and not self.handed_over[file])
        if self.kind[file] == HUGETLB:
            if not HANDLER:
                return ENOENT
            if DEBUG and self.in_scratch[file]:
                return EINVAL
        elif self.in_scratch[file]:
            if self.outside() == 0:
                return ENOMEM
            self.in_scratch[file] = False
        self.preserved[file] = True
        return OK

    @action
    def kexec(self):
        """The next kernel. It boots in scratch; hugetlb's pages of the command line
        come from what is not preserved, or from scratch."""
        require(self.kho)
        for f in FILES:
            lost = self.preserved[f] and self.in_scratch[f]
            self.overwritten = self.overwritten or lost
            if self.preserved[f]:
                self.handed_over[f] = True
            else:
                self.kind[f] = CLOSED
                self.in_scratch[f] = False
                self.handed_over[f] = False
            self.preserved[f] = False
            self.payer[f] = None
        kept = sum(1 for f in FILES if self.kind[f] == SHMEM)
        huge = sum(1 for f in FILES if self.kind[f] == HUGETLB)
        if OUTSIDE_SCRATCH:
            self.pool = max(huge, min(self.wanted, RAM - KERNEL - self.scratch - kept))
            self.pool_scratch = 0
        else:
            self.pool = huge
            self.pool_scratch = min(self.wanted, self.scratch - KERNEL)

    @action
    def retrieve(self, file: FILES, css: CGROUPS) -> Errno:
        """memfd_luo_retrieve(): whoever calls pays."""
        require(self.handed_over[file])
        self.handed_over[file] = False
        self.payer[file] = css
        return OK

    @action
    def close(self, file: FILES):
        """The last reference of the memfd goes."""
        require(self.kind[file] != CLOSED and not self.preserved[file])
        require(not self.handed_over[file])
        self.kind[file] = CLOSED
        self.in_scratch[file] = False
        self.payer[file] = None
