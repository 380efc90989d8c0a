# SPDX-License-Identifier: GPL-2.0-only
"""The page allocator by itself, with reserved blocks: mm/page_alloc.c.

Source: mm/page_alloc.c and include/linux/mmzone.h with patches 1-4 of
"[RFC PATCH 0/8] Introduce Reserved THP" (2026-06-27) applied. Everything is in
model/blocks/pageblock.py; here are the callers: ordinary requests of three
mobilities, ordinary huge ones, requests with __GFP_RESERVED_THP, per-cpu
lists, contiguous allocation from CMA, compaction that captures, the slow path
that recomputes alloc_flags, pins, memory errors, watermarks.
Left out: what pageblock.py leaves out; reclaim; who owns the pages.
"""

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
    Scalarset,
    action,
    observer,
    require,
    table,
    var,
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
CAPTURE_EXCLUDES = Feature(
    "capture_excludes", False, "... but no reserved block", needs=CAPTURE
)
SLOWPATH = Feature("slowpath", False, "a reserved request goes to the slow path")
KEEPS_FLAG = Feature(
    "slowpath_keeps_flag", False, "... with ALLOC_RESERVED_THP", needs=SLOWPATH
)
WATERMARK = Feature("watermark", False, "ordinary requests stop at a mark")


class PageAllocator(Design):
    """Pageblocks, and who asks for pages."""

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

    @action(kernel="mm/page_alloc.c:free_unref_folio", when=PCP)
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

    # -- leaks at patch 4/8 --

    @action(kernel="mm/page_alloc.c:compaction_capture", when=CAPTURE)
    def free_into_capture(self, node: NODES, block: PAGEBLOCKS):
        """A folio is freed while an ordinary task compacts for that order."""
        require(self.pb.whole[node, block] == RESERVED)
        require(not CAPTURE_EXCLUDES)
        self.pb.whole[node, block] = HUGE

    @action(kernel="mm/page_alloc.c:__alloc_pages_slowpath", when=SLOWPATH)
    def miss_reserved(self):
        """A reserved request finds no free reserved block."""
        require(not self.waiting)
        require(
            all(
                self.pb.type[n, b] != RESERVED_THP or not self.pb.is_free(n, b)
                for n in NODES
                for b in PAGEBLOCKS
            )
        )
        self.waiting = True

    @action(kernel="mm/page_alloc.c:rmqueue_pcplist", when=SLOWPATH)
    def slow_reserved(self, node: NODES, block: PAGEBLOCKS):
        """alloc_flags are computed again, without ALLOC_RESERVED_THP: the
        per-cpu list of that order may serve, whosever block is on it. It is
        refilled from the reserved list, one block more than is needed."""
        require(self.waiting)
        if KEEPS_FLAG:
            require(self.pb.type[node, block] == RESERVED_THP)
            require(self.pb.is_free(node, block))
            self.nr_free_reserved_thp[node] -= K
        elif self.pb.whole[node, block] != PARKED:
            require(self.pb.type[node, block] == RESERVED_THP)
            require(self.pb.is_free(node, block))
            for b in PAGEBLOCKS:
                if (
                    b != block
                    and self.pb.type[node, b] == RESERVED_THP
                    and self.pb.is_free(node, b)
                ):
                    self.pb.whole[node, b] = PARKED
                    self.nr_free_reserved_thp[node] -= K
            self.nr_free_reserved_thp[node] -= K
        self.pb.whole[node, block] = RESERVED
        self.waiting = False

    @action(kernel="mm/page_alloc.c:free_unref_folio", when=SLOWPATH)
    def park_huge(self, node: NODES, block: PAGEBLOCKS):
        """An ordinary huge folio of an unmovable user goes to the per-cpu list."""
        require(self.pb.whole[node, block] == HUGE)
        require(self.pb.type[node, block] != RESERVED_THP)
        self.pb.whole[node, block] = PARKED

    @action(kernel="mm/page_alloc.c:rmqueue_pcplist", when=SLOWPATH)
    def unpark_huge(self, node: NODES, block: PAGEBLOCKS):
        """An ordinary request of that order is served from the list."""
        require(self.pb.whole[node, block] == PARKED)
        self.pb.whole[node, block] = HUGE

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
