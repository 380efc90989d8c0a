# SPDX-License-Identifier: GPL-2.0-only
"""Reserve maps: struct resv_map, mm/hugetlb.c (v6.12).

A map is a set of page indices. For a file (shared) an index in it is
*accounted for*: reserved, or already in the page cache. For a private mapping
it has opposite meaning: the reservation of an index in it is *consumed*.

The two phases chg and add are one step here: what happens between them, and
running out of descriptors, are not modelled.
"""

from typing import Any

from poolproof.model.language import Block, Bool, Maybe, table


class ResvMap(Block):
    """One map for each of ``owners``, with the features ``when``."""

    def __init__(self, owners: Any, pages: Any, when: Any) -> None:
        self.pages = pages
        self.regions = table(owners, pages, Bool(), when=when)

    def region_chg(self, owner, f, t):
        """How many indices of f..t are not in the map."""
        return sum(1 for p in self.pages if f <= p < t and not self.regions[owner, p])

    def region_count(self, owner, f, t):
        """How many indices of f..t are in the map."""
        return sum(1 for p in self.pages if f <= p < t and self.regions[owner, p])

    def region_add(self, owner, f, t):
        """Puts f..t into the map."""
        for p in self.pages:
            if f <= p < t:
                self.regions[owner, p] = True

    def region_del(self, owner, page):
        """Takes one index out of the map."""
        self.regions[owner, page] = False


class ChargedResvMap(ResvMap):
    """A map whose indices know which cgroup's rsvd counter they are charged
    to, with the features ``cgroup``: those of files. (A private map is charged
    as a whole.)"""

    def __init__(
        self, owners: Any, pages: Any, cgroups: Any, when: Any, cgroup: Any
    ) -> None:
        super().__init__(owners, pages, when)
        self.css = table(owners, pages, Maybe(cgroups), when=cgroup)

    def region_charge(self, owner, f, t, css):
        """Puts f..t into the map; what was not there is charged to ``css``."""
        for p in self.pages:
            if f <= p < t and not self.regions[owner, p]:
                self.css[owner, p] = css
        self.region_add(owner, f, t)

    def region_del(self, owner, page):
        super().region_del(owner, page)
        self.css[owner, page] = None
