# SPDX-License-Identifier: GPL-2.0-only
"""Ranges that map one folio since a fork, for `Thp` and `Tao`."""

from poolproof.model.designs.names import FORK, RANGES
from poolproof.model.language import Block, Maybe, table


class ForkedRanges(Block):
    """A child maps the folio of its parent, until one of them has its own."""

    parent = table(RANGES, Maybe(RANGES), when=FORK, doc="whose folio it maps")

    def is_child(self, range_):
        return FORK and self.parent[range_] is not None

    def shares(self, range_):
        """Whether another range maps its folio."""
        if FORK:
            return self.is_child(range_) or any(
                self.parent[r] == range_ for r in RANGES
            )
        return False

    def hand_over(self, range_):
        """The range maps the folio no longer. Return the child that has it now:
        the first, None if there is none."""
        heir = None
        if FORK:
            for r in RANGES:
                if heir is None and self.parent[r] == range_:
                    heir = r
            for r in RANGES:
                if r == heir:
                    self.parent[r] = None
                elif heir is not None and self.parent[r] == range_:
                    self.parent[r] = heir
            self.parent[range_] = None
        return heir
