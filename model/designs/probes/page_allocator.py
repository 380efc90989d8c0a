# SPDX-License-Identifier: GPL-2.0-only
"""The page allocator by itself, with reserved blocks: mm/page_alloc.c.

Source: mm/page_alloc.c and include/linux/mmzone.h with patches 1-4 of
"[RFC PATCH 0/8] Introduce Reserved THP" (2026-06-27) applied; functions have
their names of v7.2. Everything is in
model/blocks/pageblock.py; here are the callers: ordinary requests of three
mobilities, ordinary huge ones, requests with __GFP_RESERVED_THP, per-cpu
lists, contiguous allocation from CMA, compaction that captures, the slow path
that recomputes alloc_flags, pins, memory errors, watermarks.

Nothing is captured that nobody frees: compaction_capture() is asked where a page
of the order that is wanted, or what it merges to, is freed in the context of
the task that compacts: by itself, or in an interrupt.

A reserved request without a free block goes to the slow path (``slowpath``),
which computes alloc_flags again: ALLOC_RESERVED_THP is lost, and the migratetype
stays. Watermarks are those of ordinary requests, the per-cpu list of that order
serves it, and is refilled by two blocks: of its type, then of CMA (the request is
taken for a movable one; its gfp mask is in mm/huge_memory.c, which was not to be
had), then by find_suitable_fallback(), which has no row for this type. What that
reads is whatever lies behind the table; here, nothing is found.

Left out: what pageblock.py leaves out; reclaim; who owns the pages;
unreserve_highatomic_pageblock(force), which __GFP_NORETRY never reaches.
"""

from typing import Any

from poolproof.model.blocks.errno import EBUSY, ENOMEM, OK, Errno
from poolproof.model.blocks.pageblock import (
    CMA,
    HIGHATOMIC,
    HUGE,
    MOVABLE,
    NEVER,
    NO,
    PARKED,
    RECLAIMABLE,
    RESERVED,
    RESERVED_THP,
    UNMOVABLE,
    Pageblocks,
    Type,
)
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
    warn_on,
)

N = Bound("nodes", 1)
B = Bound("blocks", 3, doc="pageblocks of each node")
K = Bound("K", 2, doc="base pages per block")
MARK = Bound("mark", 1, least=0, doc="watermark of a node, in base pages")
RESERVED_NR = Bound("reserved", 1, least=0, doc="blocks of type RESERVED_THP")
CMA_NR = Bound("cma", 0, least=0, doc="blocks of type CMA")
HIGHATOMIC_NR = Bound("highatomic", 0, least=0, doc="blocks of type HIGHATOMIC")

NODES = Scalarset("NODES", N, prefix="n")
PAGEBLOCKS = Scalarset("PAGEBLOCKS", B, prefix="b")

RECLAIM = Feature("reclaimable", False, "RECLAIMABLE requests")
PCP = Feature("pcp", False, "per-cpu lists of single pages")
PINS = Feature("pins", False, "movable pages pinned for I/O")
CONTIG = Feature("contig", False, "alloc_contig_range on CMA blocks")
POISON = Feature("poison", False, "memory errors in free pages")
SPLIT = Feature("split", False, "reserved folios that are split")
NOFRAGMENT = Feature("nofragment", False, "ALLOC_NOFRAGMENT")
CAPTURE = Feature("capture", False, "ordinary huge requests compact and capture")
CAPTURE_EXCLUDES: Any = Feature(
    "capture_excludes", False, "... but no reserved block", needs=CAPTURE
)
SLOWPATH = Feature("slowpath", False, "a reserved request goes to the slow path")
KEEPS_FLAG: Any = Feature(
    "slowpath_keeps_flag", False, "... with ALLOC_RESERVED_THP", needs=SLOWPATH
)
HIGHATOMICS = Feature("highatomics", False, "atomic requests of higher order")
KEEPS_TYPE: Any = Feature(
    "highatomic_keeps_type",
    False,
    "a reserved request unreserves no HIGHATOMIC block",
    needs=(SLOWPATH, HIGHATOMICS),
)
WATERMARK = Feature("watermark", False, "ordinary requests stop at a mark")


class PageAllocator(Design):
    """Pageblocks, and those who request pages."""

    pb = Pageblocks(NODES, PAGEBLOCKS, K, PCP, PINS, CONTIG, POISON, SPLIT, NOFRAGMENT)
    nr_free_reserved_thp = table(NODES, Int(0, B * K), init=RESERVED_NR * K)
    waiting = var(Bool(), when=SLOWPATH, doc="a reserved request found no block")

    def initial(self):
        """So many blocks of each special type; the others are MOVABLE."""
        return all(
            self.blocks_of(n, RESERVED_THP) == RESERVED_NR
            and self.blocks_of(n, CMA) == CMA_NR
            and self.blocks_of(n, HIGHATOMIC) == HIGHATOMIC_NR
            and self.blocks_of(n, UNMOVABLE) + self.blocks_of(n, RECLAIMABLE) == 0
            for n in NODES
        )

    def blocks_of(self, node, kind):
        return sum(1 for b in PAGEBLOCKS if self.pb.type[node, b] == kind)

    # -- what specs ask --

    @observer
    def reserved_blocks(self, node: NODES):
        return self.blocks_of(node, RESERVED_THP)

    @observer
    def free_reserved(self, node: NODES):
        return self.pb.free_of(node, RESERVED_THP)

    @observer
    def usable(self, node: NODES):
        """Free pages that a watermark counts for a movable request."""
        return self.pb.usable(node, MOVABLE)

    @observer
    def in_use(self, node: NODES, block: PAGEBLOCKS):
        """Pages of the block that are in no free list."""
        return K - self.pb.free(node, block)

    @observer
    def foreign(self):
        """Pages of reserved blocks in allocations without the right."""
        return sum(
            K
            if self.pb.whole[n, b] == HUGE
            else self.pb.movable[n, b] + self.pb.unmovable[n, b]
            for n in NODES
            for b in PAGEBLOCKS
            if self.pb.type[n, b] == RESERVED_THP
        )

    @observer
    def strangers(self):
        """Blocks that a reserved request got and that are not reserved."""
        return sum(
            1
            for n in NODES
            for b in PAGEBLOCKS
            if self.pb.whole[n, b] == RESERVED and self.pb.type[n, b] != RESERVED_THP
        )

    @observer
    def is_whole(self, node: NODES, block: PAGEBLOCKS):
        """One folio, or a per-cpu list, has the whole block."""
        return self.pb.whole[node, block] != NO

    @observer
    def overdrawn(self, node: NODES, block: PAGEBLOCKS):
        """More pages in use than the block has."""
        return self.pb.free(node, block) < 0

    # -- parts --

    def count_free(self, node, block, pages):
        """account_freepages(): the counter of reserved pages follows."""
        if self.pb.type[node, block] == RESERVED_THP:
            self.nr_free_reserved_thp[node] += pages

    def above_mark(self, node, mobility, pages):
        """mm/page_alloc.c:__zone_watermark_ok, all but one of the pages taken."""
        return not WATERMARK or self.pb.usable(node, mobility) - (pages - 1) > MARK

    # -- pages --

    @action(kernel="mm/page_alloc.c:__rmqueue")
    def alloc(self, node: NODES, block: PAGEBLOCKS, mobility: Type) -> Errno:
        """One ordinary page: from a block that ranks best, or none."""
        require(mobility in {MOVABLE, UNMOVABLE, RECLAIMABLE})
        if not RECLAIM:
            require(mobility != RECLAIMABLE)
        best = self.pb.best(node, mobility)
        require(best == NEVER or self.pb.rank(node, block, mobility) == best)
        if best == NEVER or not self.above_mark(node, mobility, 1):
            return ENOMEM
        self.pb.take(node, block, mobility)
        return OK

    @action(kernel="mm/page_alloc.c:__free_one_page")
    def free(self, node: NODES, block: PAGEBLOCKS, movable: Bool()):
        """To the free list of the block's present type."""
        if movable:
            require(self.pb.movable[node, block] > self.pb.pinned[node, block])
            self.pb.movable[node, block] -= 1
        else:
            require(self.pb.unmovable[node, block] > 0)
            self.pb.unmovable[node, block] -= 1
        self.count_free(node, block, 1)

    @action(kernel="mm/page_alloc.c:__free_frozen_pages", when=PCP)
    def park(self, node: NODES, block: PAGEBLOCKS):
        """A movable page goes to the per-cpu list; not one of a reserved block."""
        require(self.pb.movable[node, block] > self.pb.pinned[node, block])
        require(self.pb.type[node, block] != RESERVED_THP)
        require(not self.pb.isolated[node, block])
        self.pb.movable[node, block] -= 1
        self.pb.parked[node, block] += 1

    @action(kernel="mm/page_alloc.c:rmqueue_pcplist", when=PCP)
    def unpark(self, node: NODES, block: PAGEBLOCKS):
        """A movable request is served from the per-cpu list."""
        require(self.pb.parked[node, block] > 0)
        self.pb.parked[node, block] -= 1
        self.pb.movable[node, block] += 1

    @action(kernel="mm/page_alloc.c:drain_pages", when=PCP)
    def drain(self, node: NODES, block: PAGEBLOCKS):
        require(self.pb.parked[node, block] > 0)
        self.pb.parked[node, block] = 0

    # -- whole blocks --

    @action(kernel="mm/page_alloc.c:rmqueue_buddy")
    def alloc_huge(self, node: NODES, block: PAGEBLOCKS):
        """An ordinary movable huge folio."""
        require(self.pb.may_take_whole(node, block))
        require(self.above_mark(node, MOVABLE, K))
        if self.pb.type[node, block] != CMA:
            self.pb.type[node, block] = MOVABLE
        self.pb.whole[node, block] = HUGE

    @action(kernel="mm/page_alloc.c:__free_one_page")
    def free_whole(self, node: NODES, block: PAGEBLOCKS):
        require(self.pb.whole[node, block] in {HUGE, RESERVED})
        self.pb.whole[node, block] = NO
        self.count_free(node, block, K)

    @action(kernel="mm/page_alloc.c:__rmqueue")
    def alloc_reserved(self, node: NODES, block: PAGEBLOCKS):
        """__GFP_RESERVED_THP, fast path: the reserved list and nothing else."""
        require(self.pb.type[node, block] == RESERVED_THP)
        require(self.pb.is_free(node, block))
        self.pb.whole[node, block] = RESERVED
        self.nr_free_reserved_thp[node] -= K

    @action(kernel="mm/huge_memory.c:split_folio_to_list", when=SPLIT)
    def split_reserved(self, node: NODES, block: PAGEBLOCKS):
        require(self.pb.whole[node, block] == RESERVED)
        require(self.pb.type[node, block] == RESERVED_THP)
        self.pb.whole[node, block] = NO
        self.pb.rest[node, block] = K

    @action(kernel="mm/page_alloc.c:__free_one_page", when=SPLIT)
    def free_rest(self, node: NODES, block: PAGEBLOCKS):
        """A page of a split folio: no one may use it before all are free."""
        require(self.pb.rest[node, block] > 0)
        self.pb.rest[node, block] -= 1
        self.nr_free_reserved_thp[node] += 1

    # -- compaction, as posted --

    @action(kernel="mm/page_alloc.c:compaction_capture", when=CAPTURE)
    def free_into_capture(self, node: NODES, block: PAGEBLOCKS):
        """A reserved folio is freed in the context of an ordinary task that
        compacts for a page of this order."""
        require(self.pb.whole[node, block] == RESERVED)
        require(not CAPTURE_EXCLUDES)
        self.pb.whole[node, block] = HUGE

    @action(kernel="mm/page_alloc.c:compaction_capture", when=(CAPTURE, SPLIT))
    def free_rest_into_capture(self, node: NODES, block: PAGEBLOCKS):
        """The last page of a split folio is freed there, when it was migrated,
        say: it merges with the others to what the task wants."""
        require(self.pb.rest[node, block] == 1)
        require(self.pb.free(node, block) == K - 1)
        require(not CAPTURE_EXCLUDES)
        self.pb.rest[node, block] = 0
        self.count_free(node, block, 1 - K)
        self.pb.whole[node, block] = HUGE

    @action(kernel="mm/page_alloc.c:compaction_capture", when=(CAPTURE, SPLIT))
    def capture_rest(self, node: NODES, block: PAGEBLOCKS, movable: Bool()):
        """A page of a split folio is freed where a task compacts for a small
        order. An unmovable page stays: the block is never whole again."""
        require(self.pb.rest[node, block] > 0)
        require(not CAPTURE_EXCLUDES)
        self.pb.rest[node, block] -= 1
        if movable:
            self.pb.movable[node, block] += 1
        else:
            self.pb.unmovable[node, block] += 1

    # -- the slow path of a reserved request, as posted --

    def none_reserved(self):
        """Whether no reserved block is free: the fast path fails."""
        return all(
            self.pb.type[n, b] != RESERVED_THP or not self.pb.is_free(n, b)
            for n in NODES
            for b in PAGEBLOCKS
        )

    def has_free(self, node, kind):
        return any(
            self.pb.type[node, b] == kind and self.pb.is_free(node, b)
            for b in PAGEBLOCKS
        )

    def has_parked(self, node):
        return any(self.pb.whole[node, b] == PARKED for b in PAGEBLOCKS)

    def slow_watermark(self, node):
        """mm/page_alloc.c:__zone_watermark_ok without ALLOC_RESERVED_THP: some
        block of another type must be free, and is then not asked for."""
        return self.above_mark(node, MOVABLE, K) and (
            self.has_free(node, UNMOVABLE)
            or self.has_free(node, MOVABLE)
            or self.has_free(node, RECLAIMABLE)
            or self.has_free(node, CMA)
        )

    def refills(self, node, block):
        """mm/page_alloc.c:__rmqueue in rmqueue_bulk(): whether this block may
        be next on the per-cpu list."""
        kind = self.pb.type[node, block]
        return self.pb.is_free(node, block) and (
            kind == RESERVED_THP
            or (kind == CMA and not self.has_free(node, RESERVED_THP))
        )

    def slowpath(self, node, block, parked):
        """mm/page_alloc.c:__alloc_pages_slowpath and rmqueue_pcplist. Return
        whether the request gets ``block``. ``parked`` is the second block of
        a refill, None if there is none."""
        if KEEPS_FLAG:
            require(parked is None)
            if self.none_reserved():
                return False
            require(self.pb.type[node, block] == RESERVED_THP)
            require(self.pb.is_free(node, block))
            self.nr_free_reserved_thp[node] -= K
            self.pb.whole[node, block] = RESERVED
            return True
        if not self.slow_watermark(node):
            require(parked is None)
            return False
        if self.has_parked(node):
            require(parked is None and self.pb.whole[node, block] == PARKED)
            self.pb.whole[node, block] = RESERVED
            return True
        if not self.has_free(node, RESERVED_THP) and not self.has_free(node, CMA):
            require(parked is None)
            warn_on(True, "fallbacks[] is indexed past its rows")
            return False
        require(self.refills(node, block) and parked != block)
        self.count_free(node, block, 0 - K)
        self.pb.whole[node, block] = RESERVED
        more = any(self.refills(node, b) for b in PAGEBLOCKS)
        require(more or parked is None)
        if more:
            require(parked is not None)
            require(self.refills(node, parked))
            self.count_free(node, parked, 0 - K)
            self.pb.whole[node, parked] = PARKED
        return True

    @action(kernel="mm/page_alloc.c:__alloc_pages_slowpath", when=SLOWPATH)
    def miss_reserved(self):
        """A reserved request finds no free reserved block."""
        require(not self.waiting and self.none_reserved())
        self.waiting = True

    @action(kernel="mm/page_alloc.c:__alloc_pages_slowpath", when=SLOWPATH)
    def slow_reserved(
        self, node: NODES, block: PAGEBLOCKS, parked: Maybe(PAGEBLOCKS)
    ) -> Errno:
        """... and gets what the slow path finds."""
        require(self.waiting)
        self.waiting = False
        done = self.slowpath(node, block, parked)
        return OK if done else ENOMEM

    @action(
        kernel="mm/page_alloc.c:unreserve_highatomic_pageblock",
        when=(SLOWPATH, HIGHATOMICS),
    )
    def unreserve_highatomic(self, node: NODES, block: PAGEBLOCKS):
        """From direct reclaim, while more than one such block is left: the
        block gets the request's type, with whatever else is in it.
        zone->nr_reserved_thp does not learn of it."""
        require(self.waiting and not KEEPS_TYPE)
        require(self.pb.type[node, block] == HIGHATOMIC)
        require(self.pb.free(node, block) > 0)
        require(self.blocks_of(node, HIGHATOMIC) > 1)
        self.pb.type[node, block] = RESERVED_THP
        self.count_free(node, block, self.pb.free(node, block))

    @action(kernel="mm/page_alloc.c:rmqueue_buddy", when=HIGHATOMICS)
    def alloc_atomic(self, node: NODES, block: PAGEBLOCKS):
        """A page of an atomic request of higher order: ALLOC_HIGHATOMIC."""
        require(self.pb.type[node, block] == HIGHATOMIC)
        require(self.pb.free(node, block) > 0)
        self.pb.unmovable[node, block] += 1

    @action(kernel="mm/page_alloc.c:rmqueue_buddy", when=SLOWPATH)
    def alloc_huge_unmovable(self, node: NODES, block: PAGEBLOCKS):
        """An ordinary unmovable request of that order claims a block."""
        require(self.pb.may_take_whole(node, block))
        require(self.pb.type[node, block] != CMA)
        require(self.above_mark(node, UNMOVABLE, K))
        self.pb.type[node, block] = UNMOVABLE
        self.pb.whole[node, block] = HUGE

    @action(kernel="mm/page_alloc.c:free_frozen_page_commit", when=SLOWPATH)
    def park_huge(self, node: NODES, block: PAGEBLOCKS):
        """A huge folio in a block that is not MOVABLE is freed to the per-cpu
        list of this order for all types but MOVABLE."""
        require(self.pb.whole[node, block] == HUGE)
        require(self.pb.type[node, block] in {UNMOVABLE, RECLAIMABLE})
        self.pb.whole[node, block] = PARKED

    @action(kernel="mm/page_alloc.c:rmqueue_pcplist", when=SLOWPATH)
    def unpark_huge(self, node: NODES, block: PAGEBLOCKS):
        """An ordinary request of that order is served from the list."""
        require(self.pb.whole[node, block] == PARKED)
        self.pb.whole[node, block] = HUGE

    @action(kernel="mm/page_alloc.c:drain_pages", when=SLOWPATH)
    def drain_huge(self, node: NODES, block: PAGEBLOCKS):
        require(self.pb.whole[node, block] == PARKED)
        self.pb.whole[node, block] = NO
        self.count_free(node, block, K)

    # -- contiguous allocation, pins, errors --

    @action(kernel="mm/page_isolation.c:start_isolate_page_range", when=CONTIG)
    def isolate(self, node: NODES, block: PAGEBLOCKS) -> Errno:
        """Of a CMA block: its free pages are out of reach."""
        require(self.pb.type[node, block] == CMA and self.pb.whole[node, block] == NO)
        if self.pb.isolated[node, block] or self.pb.unmovable[node, block] > 0:
            return EBUSY
        self.pb.isolated[node, block] = True
        return OK

    @action(kernel="mm/page_alloc.c:alloc_contig_range", when=CONTIG)
    def alloc_contig(self, node: NODES, block: PAGEBLOCKS) -> Errno:
        """Migrates what is left in the isolated block, and takes it."""
        require(self.pb.isolated[node, block])
        done = self.pb.can_empty(node, block)
        self.pb.isolated[node, block] = False
        if not done:
            return EBUSY
        self.pb.empty(node, block)
        self.pb.whole[node, block] = HUGE
        return OK

    @action(kernel="mm/gup.c:pin_user_pages", when=PINS)
    def pin(self, node: NODES, block: PAGEBLOCKS):
        require(self.pb.movable[node, block] > self.pb.pinned[node, block])
        self.pb.pinned[node, block] += 1

    @action(kernel="mm/gup.c:unpin_user_page", when=PINS)
    def unpin(self, node: NODES, block: PAGEBLOCKS):
        require(self.pb.pinned[node, block] > 0)
        self.pb.pinned[node, block] -= 1

    @action(kernel="mm/page_alloc.c:take_page_off_buddy", when=POISON)
    def poison(self, node: NODES, block: PAGEBLOCKS):
        """A free page is lost: its block is never whole again."""
        require(self.pb.free(node, block) > 0)
        self.count_free(node, block, -1)
        self.pb.bad[node, block] += 1
