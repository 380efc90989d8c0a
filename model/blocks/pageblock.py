# SPDX-License-Identifier: GPL-2.0-only
"""Pageblocks: which allocation may take memory from where (mm/page_alloc.c).

A block has a migratetype and K base pages; pages of a block are counted, not
told apart. There are two orders: one page, and the whole block. Typing,
fallbacks, claim and steal, free and merge, the per-cpu lists, isolation and
contiguous allocation follow the page allocator of 2026 (its rules for these
are those of 6.12; isolation keeps the block's type, as in 6.17, not in 6.12).
MIGRATE_RESERVED_THP is that of "[RFC PATCH 1/8] mm: page_alloc: add reserved
THP pageblock type".

Written down less literally: among blocks that rank the same the caller picks
one; a page that is freed to a per-cpu list is *parked* on its block, and the
list it is on is that of the block's type at that time (MOVABLE for CMA and
HIGHATOMIC); migration is one step. Left out: orders between page and block and
above the block, highatomic growth, the zonelist's order, kswapd.
"""

from enum import Enum
from typing import Any

from poolproof.model.language import ANY, Block, Bool, Int, table


class Type(Enum):
    """enum migratetype of a block, or the mobility of a request."""

    UNMOVABLE = 0
    MOVABLE = 1
    RECLAIMABLE = 2
    HIGHATOMIC = 3
    CMA = 4
    RESERVED_THP = 5


class Whole(Enum):
    """What has a whole block."""

    NO = 0
    """Nothing: its pages are counted one by one."""
    HUGE = 1
    """An ordinary huge folio."""
    RESERVED = 2
    """A folio that was asked for with __GFP_RESERVED_THP."""
    PARKED = 3
    """The per-cpu list of this order."""
    POOL = 4
    """A pool of huge pages, outside the allocator."""


UNMOVABLE, MOVABLE, RECLAIMABLE, HIGHATOMIC, CMA, RESERVED_THP = Type
NO, HUGE, RESERVED, PARKED, POOL = Whole

NEVER = 9
"""A rank that no block is taken from."""


class Pageblocks(Block):
    """The pageblocks of each node. ``pcp``, ``pins``, ``isolation``, ``poison``
    and ``split`` are the features that need state of their own; ``nofragment``
    is ALLOC_NOFRAGMENT for every request. ``types`` is the type of all blocks
    at the start; with ANY the design's initial() says which is of which.
    ``when`` are the features without which there are no blocks at all."""

    def __init__(
        self,
        nodes: Any,
        blocks: Any,
        pages: Any,
        pcp: Any,
        pins: Any,
        isolation: Any,
        poison: Any,
        split: Any,
        nofragment: Any,
        types: Any = ANY,
        when: Any = None,
    ) -> None:
        self.blocks = blocks
        self.pages = pages
        self.nofragment = nofragment
        self.type = table(nodes, blocks, Type, init=types, when=when)
        self.whole = table(nodes, blocks, Whole, when=when)
        self.movable = table(nodes, blocks, Int(0, pages), when=when)
        self.unmovable = table(nodes, blocks, Int(0, pages), when=when)
        self.parked = table(nodes, blocks, Int(0, pages), when=pcp)
        self.pinned = table(nodes, blocks, Int(0, pages), when=pins)
        self.isolated = table(nodes, blocks, Bool(), when=isolation)
        self.bad = table(nodes, blocks, Int(0, pages), when=poison)
        self.rest = table(nodes, blocks, Int(0, pages), when=split)

    # -- what a block has --

    def free(self, node, block):
        """Pages of the block that are on a free list."""
        if self.whole[node, block] != NO:
            return 0
        return (
            self.pages
            - self.movable[node, block]
            - self.unmovable[node, block]
            - self.parked[node, block]
            - self.bad[node, block]
            - self.rest[node, block]
        )

    def is_free(self, node, block):
        """The block is one free buddy."""
        return self.free(node, block) == self.pages

    def free_of(self, node, kind):
        """NR_FREE_PAGES of the blocks of a type."""
        return sum(
            self.free(node, b) for b in self.blocks if self.type[node, b] == kind
        )

    def usable(self, node, mobility):
        """mm/page_alloc.c:__zone_watermark_unusable_free, the other way round:
        free pages that a request of this mobility may count on."""
        return sum(
            self.free(node, b)
            for b in self.blocks
            if not self.isolated[node, b]
            and self.type[node, b] != RESERVED_THP
            and self.type[node, b] != HIGHATOMIC
            and (mobility == MOVABLE or self.type[node, b] != CMA)
        )

    # -- where a request goes: mm/page_alloc.c:__rmqueue --

    def cma_first(self, node):
        """More than half of the free memory is CMA."""
        cma = self.free_of(node, CMA)
        return 2 * cma > sum(self.free(node, b) for b in self.blocks)

    def alike(self, node, block, mobility):
        """Pages in use that count as if they were of the new type."""
        if mobility == MOVABLE:
            return self.movable[node, block]
        if self.type[node, block] == MOVABLE:
            return self.unmovable[node, block]
        return 0

    def fallback(self, block_type, mobility):
        """The place of a type in the fallback list of a mobility; 2: none."""
        if block_type == mobility:
            return 2
        if block_type == UNMOVABLE:
            return 1 if mobility == MOVABLE else 0
        if block_type == RECLAIMABLE:
            return 0
        return 1 if block_type == MOVABLE else 2

    def rank(self, node, block, mobility):
        """How early one page of a block is taken for a request: 1 CMA while it
        is plenty, 2 and 3 the own type (what is broken up before what is
        whole), 4 CMA, 5 and 6 claim a whole block, 7 claim by majority, 8
        steal a page."""
        if self.free(node, block) == 0 or self.isolated[node, block]:
            return NEVER
        kind = self.type[node, block]
        whole = self.is_free(node, block)
        if kind == CMA:
            if mobility != MOVABLE:
                return NEVER
            return 1 if self.cma_first(node) else 4
        if kind == mobility:
            return 3 if whole else 2
        if self.fallback(kind, mobility) == 2:
            return NEVER
        if whole:
            return 5 + self.fallback(kind, mobility)
        if self.nofragment:
            return NEVER
        if (
            mobility != MOVABLE
            and 2 * (self.free(node, block) + self.alike(node, block, mobility))
            >= self.pages
        ):
            return 7
        return 8

    def best(self, node, mobility):
        """The rank that a request gets."""
        best = NEVER
        for b in self.blocks:
            best = min(best, self.rank(node, b, mobility))
        return best

    def take(self, node, block, mobility):
        """One page of a block that ranks best; a claim changes the type."""
        rank = self.rank(node, block, mobility)
        if rank >= 5 and rank <= 7:
            self.type[node, block] = mobility
        if mobility == MOVABLE:
            self.movable[node, block] += 1
        else:
            self.unmovable[node, block] += 1

    def may_take_whole(self, node, block):
        """A movable huge request: own type, CMA, then claims."""
        kind = self.type[node, block]
        return (
            self.is_free(node, block)
            and not self.isolated[node, block]
            and kind != HIGHATOMIC
            and kind != RESERVED_THP
        )

    # -- isolation and migration --

    def targets(self, node, block):
        """Where pages of a block can go: the free scanner looks at MOVABLE and
        CMA blocks only."""
        return sum(
            self.free(node, b)
            for b in self.blocks
            if b != block
            and not self.isolated[node, b]
            and self.type[node, b] in {MOVABLE, CMA}
        )

    def can_empty(self, node, block):
        """mm/page_alloc.c:alloc_contig_range, one block: nothing unmovable or
        pinned, and room elsewhere. Per-cpu lists are drained first."""
        return (
            self.whole[node, block] == NO
            and self.unmovable[node, block] == 0
            and self.pinned[node, block] == 0
            and self.bad[node, block] == 0
            and self.rest[node, block] == 0
            and self.movable[node, block] <= self.targets(node, block)
        )

    def empty(self, node, block):
        """Migrates the block's pages to the first blocks with room."""
        left = self.movable[node, block]
        self.parked[node, block] = 0
        self.movable[node, block] = 0
        self.receive(node, block, left)

    def receive(self, node, block, pages):
        """Migrates ``pages`` from elsewhere to the first blocks with room, of
        which ``block`` is none."""
        left = pages
        for b in self.blocks:
            if b != block and not self.isolated[node, b]:
                kind = self.type[node, b]
                if kind in {MOVABLE, CMA}:
                    moved = min(left, self.free(node, b))
                    self.movable[node, b] += moved
                    left -= moved
