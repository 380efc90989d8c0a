# SPDX-License-Identifier: GPL-2.0-only
"""Memory that all users share, without a pool: pageblocks, and others in them.

mm/page_alloc.c and mm/compaction.c: a request for a whole block takes a free
one, or one that compaction can empty: nothing unmovable or pinned in it, and
room elsewhere for its pages. Requests for base pages go where the page
allocator's ranks say. Others allocate and free, movable pages or not, and pin
movable ones.

Written down less literally: base pages of the design and of others are not told
apart, so that a range that is freed may free any movable page; compaction does
not give up before it has tried every block. Left out: compact_gap(), deferred
compaction, zones (all memory of a node is one).
"""

from typing import Any

from poolproof.model.blocks.errno import ENOMEM, OK, Errno
from poolproof.model.blocks.pageblock import (
    HUGE,
    MOVABLE,
    NEVER,
    NO,
    UNMOVABLE,
    Pageblocks,
    Type,
)
from poolproof.model.language import Bool, Int, action, domain, observer, require

STEAL = 8
"""The rank at which a page is stolen from a block, whose type stays."""


class Machine(Pageblocks):
    """The memory of ``nodes``, each of ``blocks`` of ``pages`` base pages. A
    request must leave ``mark`` pages. ``pins``: others pin their pages;
    ``poison``: memory errors in free pages; ``movable_zone``: the memory is a
    ZONE_MOVABLE, unmovable pages are elsewhere.

    Hook: ``own_pages(node)``, base pages of the node that are the design's own.
    """

    nodes, blocks = domain(), domain()

    def __init__(
        self,
        nodes: Any,
        blocks: Any,
        pages: Any,
        mark: Any,
        pins: Any,
        poison: Any,
        movable_zone: Any,
    ) -> None:
        super().__init__(nodes, blocks, pages, (), pins, (), poison, (), False, MOVABLE)
        self.nodes, self.mark, self.movable_zone = nodes, mark, movable_zone
        self.pinning, self.poisoning = pins, poison
        self.some = Int(1, pages)

    def cma_first(self, node):
        """No block is CMA here."""
        return False

    # -- whole blocks --

    def find_whole(self, node):
        """A block that a movable request of its size gets, or None: a free one,
        else one that compaction can empty. mm/page_alloc.c:
        get_page_from_freelist, __alloc_pages_direct_compact."""
        found = None
        if self.usable(node, MOVABLE) - self.pages >= self.mark:
            for b in self.blocks:
                if found is None and self.may_take_whole(node, b):
                    found = b
            for b in self.blocks:
                if found is None and self.can_empty(node, b):
                    found = b
        return found

    def take_whole(self, node, block):
        """Fills a block that `find_whole` found. Its pages are migrated."""
        left = 0
        for b in self.blocks:
            if b == block:
                left = self.movable[node, b]
                self.movable[node, b] = 0
                self.whole[node, b] = HUGE
                self.type[node, b] = MOVABLE
        self.receive(node, block, left)

    def put_whole(self, node, block):
        for b in self.blocks:
            if b == block:
                self.whole[node, b] = NO

    def split_whole(self, node, block):
        """include/linux/huge_mm.h:split_folio: base pages in the same place."""
        for b in self.blocks:
            if b == block:
                self.whole[node, b] = NO
                self.movable[node, b] = self.pages

    # -- base pages, as many as a block has --

    def has_pages(self, node):
        """Return whether base pages for a block's size can be had."""
        return self.usable(node, MOVABLE) - self.pages >= self.mark

    def take_pages(self, node):
        for _page in self.some:
            best = self.best(node, MOVABLE)
            done = False
            for b in self.blocks:
                if not done and self.rank(node, b, MOVABLE) == best:
                    self.take(node, b, MOVABLE)
                    done = True

    def put_pages(self, node):
        for _page in self.some:
            done = False
            for b in self.blocks:
                if not done and self.movable[node, b] > self.pinned[node, b]:
                    self.movable[node, b] -= 1
                    done = True

    # -- what specs ask --

    @observer
    def free_pages(self):
        """Return NR_FREE_PAGES of all nodes."""
        return sum(self.free(n, b) for n in self.nodes for b in self.blocks)

    @observer
    def nr_free(self, node: nodes, kind: Type):
        """Return NR_FREE_PAGES of a node's blocks of a type."""
        return self.free_of(node, kind)

    @observer
    def free_blocks_of(self, node: nodes, kind: Type):
        """Return the blocks of a type that are wholly free: /proc/pagetypeinfo."""
        return sum(
            1
            for b in self.blocks
            if self.type[node, b] == kind and self.is_free(node, b)
        )

    @observer
    def in_use(self, node: nodes):
        """Return the base pages of the node in use, by the design or by others."""
        return sum(self.movable[node, b] + self.unmovable[node, b] for b in self.blocks)

    @observer
    def others(self):
        """Return the base pages of other users."""
        return sum(self.in_use(n) - self.design.own_pages(n) for n in self.nodes)

    @observer
    def borrowed(self):
        """Return the memory that others use, in blocks: all memory is for all."""
        return self.others() // self.pages

    # -- others --

    def others_have(self, node):
        """Return whether others have a movable page of the node that is not pinned."""
        mine = self.design.own_pages(node)
        return (
            sum(self.movable[node, b] - self.pinned[node, b] for b in self.blocks)
            > mine
        )

    @action(kernel="mm/page_alloc.c:__alloc_pages_noprof", silent=True)
    def other_alloc(self, node: nodes, block: blocks, movable: Bool()) -> Errno:
        """A base page of another user, from a block that ranks best."""
        if self.movable_zone:
            require(movable)
        mobility = MOVABLE if movable else UNMOVABLE
        best = self.best(node, mobility)
        require(best == NEVER or self.rank(node, block, mobility) == best)
        if best == NEVER or self.usable(node, mobility) <= self.mark:
            return ENOMEM
        self.take(node, block, mobility)
        return OK

    @action(kernel="mm/page_alloc.c:free_unref_folios", silent=True)
    def other_free(self, node: nodes, block: blocks, movable: Bool()):
        """... which is freed."""
        if movable:
            require(self.others_have(node))
            require(self.movable[node, block] > self.pinned[node, block])
            self.movable[node, block] -= 1
        else:
            require(self.unmovable[node, block] > 0)
            self.unmovable[node, block] -= 1

    @action(kernel="mm/gup.c:pin_user_pages", when="pinning", silent=True)
    def other_pin(self, node: nodes, block: blocks):
        """A movable page of another user is pinned."""
        require(self.others_have(node))
        require(self.movable[node, block] > self.pinned[node, block])
        self.pinned[node, block] += 1

    @action(kernel="mm/gup.c:unpin_user_page", when="pinning", silent=True)
    def other_unpin(self, node: nodes, block: blocks):
        require(self.pinned[node, block] > 0)
        self.pinned[node, block] -= 1

    @action(kernel="mm/page_alloc.c:take_page_off_buddy", when="poisoning")
    def poison(self, node: nodes, block: blocks):
        """A memory error in a free page: its block is never whole again."""
        require(self.free(node, block) > 0)
        self.bad[node, block] += 1
