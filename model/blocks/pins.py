# SPDX-License-Identifier: GPL-2.0-only
"""Pages pinned for I/O: FOLL_PIN of mm/gup.c.

The design says where there is a page to pin, and what becomes of one whose
last pin goes after its holder has given it up.
"""

from typing import Any

from poolproof.model.language import (
    Block,
    Bool,
    Int,
    action,
    domain,
    observer,
    require,
    table,
)


class Pins(Block):
    """Pins of the huge pages that ``holders`` (mappings or files) have at
    ``indices``, each on one of ``nodes`` with at most ``pages`` huge pages.

    Hooks: ``has_page(holder, index)``, whether there is a page;
    ``free_page(node)``, which puts a page back to the free ones.
    """

    holders, indices, nodes = domain(), domain(), domain()

    def __init__(
        self, holders: Any, indices: Any, nodes: Any, pages: Any, when: Any
    ) -> None:
        self.holders, self.indices, self.nodes = holders, indices, nodes
        self.when = when
        self.pinned = table(holders, indices, Bool(), when=when)
        self.limbo = table(
            nodes, Int(0, pages), when=when, doc="given up, still pinned"
        )

    @action(kernel="mm/gup.c:pin_user_pages", when="when")
    def pin(self, holder: holders, index: indices):
        require(self.design.has_page(holder, index))
        require(not self.pinned[holder, index])
        self.pinned[holder, index] = True

    @action(kernel="mm/gup.c:unpin_user_page", when="when")
    def unpin(self, holder: holders, index: indices):
        require(self.pinned[holder, index])
        self.pinned[holder, index] = False

    @action(kernel="mm/gup.c:unpin_user_page", when="when")
    def unpin_last(self, node: nodes):
        """The I/O on a page that nobody has ends: now it is free."""
        require(self.limbo[node] > 0)
        self.limbo[node] -= 1
        self.design.free_page(node)

    def give_up(self, holder, index, node):
        """The holder loses its page, which is on ``node``: it is free, or
        will be with its last pin."""
        if self.pinned[holder, index]:
            self.limbo[node] += 1
            self.pinned[holder, index] = False
        else:
            self.design.free_page(node)

    def move(self, holder, new, index):
        """The page of one holder is now another's, pins and all."""
        self.pinned[new, index] = self.pinned[holder, index]
        self.pinned[holder, index] = False

    @observer
    def in_limbo(self):
        """Huge pages that nobody has, and that I/O keeps."""
        return sum(self.limbo[n] for n in self.nodes)
