# SPDX-License-Identifier: GPL-2.0-only
"""Idle huge pages lent to movable allocations, as in a CMA area.

A loan is called back by migration (mm/page_alloc.c:alloc_contig_range), which
needs memory to move the pages to, and nothing pinned in the block.
"""

from typing import Any

from poolproof.model.blocks.errno import EBUSY, OK, Errno
from poolproof.model.language import (
    Block,
    Int,
    action,
    domain,
    invariant,
    observer,
    require,
    table,
    var,
)


class Lending(Block):
    """Loans of at most ``blocks`` huge pages of each of ``nodes``; memory
    for ``spare`` of them is left outside the pool. ``pins``: with which
    features a loan can be pinned.

    Hooks: ``may_lend(node)``, whether the node has an idle block to lend;
    ``take_idle(node)`` and ``put_idle(node)``, for a block that goes and
    one that comes back.
    """

    nodes = domain()

    def __init__(
        self, nodes: Any, blocks: Any, spare: Any, lending: Any, pins: Any
    ) -> None:
        self.nodes, self.most = nodes, spare
        self.lending, self.pins = lending, pins
        self.lent = table(nodes, Int(0, blocks), when=lending)
        self.loan_pinned = table(nodes, Int(0, blocks), when=pins)
        self.spare = var(Int(0, spare), init=spare, when=lending)

    def total(self):
        """Return how many huge pages are lent."""
        return sum(self.lent[n] for n in self.nodes)

    @invariant(when="pins")
    def pinned_is_lent(self):
        """no more blocks are pinned than are lent"""
        return all(self.loan_pinned[n] <= self.lent[n] for n in self.nodes)

    @observer
    def loan_is_pinned(self):
        """Return whether any loan cannot be called back now, for I/O."""
        return any(self.loan_pinned[n] > 0 for n in self.nodes)

    @action(
        kernel="mm/page_alloc.c:__rmqueue_cma_fallback", when="lending", silent=True
    )
    def lend(self, node: nodes):
        """A movable allocation fills an idle block."""
        require(self.design.may_lend(node))
        self.design.take_idle(node)
        self.lent[node] += 1

    def has_target(self, node):
        """Return whether there is memory to move a block's pages to."""
        return self.spare > 0

    def move_away(self, node):
        """Move a block's pages there."""
        self.spare -= 1

    def can_call_back(self, node):
        return self.lent[node] > self.loan_pinned[node] and self.has_target(node)

    def call_back(self, node):
        """mm/page_alloc.c:alloc_contig_range: moves a lent block's pages
        away. Return whether that was possible."""
        if self.can_call_back(node):
            self.move_away(node)
            self.lent[node] -= 1
            self.design.put_idle(node)
            return True
        return False

    @action(kernel="mm/page_alloc.c:alloc_contig_range", when="lending", silent=True)
    def recall(self, node: nodes) -> Errno:
        """A loan is called back."""
        require(self.lent[node] > 0)
        done = self.call_back(node)
        return OK if done else EBUSY

    @action(kernel="mm/page_alloc.c:free_unref_folios", when="lending", silent=True)
    def give_back(self, node: nodes):
        """The borrower frees its memory."""
        require(self.lent[node] > self.loan_pinned[node])
        self.lent[node] -= 1
        self.design.put_idle(node)

    @action(kernel="mm/vmscan.c:shrink_folio_list", when="lending", silent=True)
    def free_spare(self):
        """Base memory outside the pool becomes free again."""
        require(self.spare < self.most)
        self.spare += 1

    @action(kernel="mm/gup.c:pin_user_pages", when="pins")
    def pin_loan(self, node: nodes):
        require(self.lent[node] > self.loan_pinned[node])
        self.loan_pinned[node] += 1

    @action(kernel="mm/gup.c:unpin_user_page", when="pins")
    def unpin_loan(self, node: nodes):
        require(self.loan_pinned[node] > 0)
        self.loan_pinned[node] -= 1
