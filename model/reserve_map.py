"""Reserve maps: struct resv_map, mm/hugetlb.c (v6.12).

A map is a set of page indices. For a file (shared) an index in it is
*accounted for*: reserved, or already in the page cache. For a private mapping
it has opposite meaning: the reservation of an index in it is *consumed*.

The two phases chg and add are one step here: what happens between them, and
running out of descriptors, are not modelled.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from typing import Any

from model.language import Block, Bool, Maybe, table


class ResvMap(Block):
    """One map for each of ``owners``. ``when`` are the features that it needs
    to exist, ``cgroup`` those under which each index knows whose rsvd counter
    it is charged to (maps of files; a private one is charged as a whole)."""

    def __init__(
        self, owners: Any, pages: Any, cgroups: Any, when: Any, cgroup: Any
    ) -> None:
        self.pages = pages
        self.regions = table(owners, pages, Bool(), when=when)
        self.css = table(owners, pages, Maybe(cgroups), when=cgroup)

    def region_chg(self, owner, f, t):
        """How many indices of f..t are not in the map."""
        return sum(1 for p in self.pages if f <= p < t and not self.regions[owner, p])

    def region_count(self, owner, f, t):
        """How many indices of f..t are in the map."""
        return sum(1 for p in self.pages if f <= p < t and self.regions[owner, p])

    def region_add(self, owner, f, t, css):
        """Puts f..t into the map; what was not there is charged to ``css``."""
        for p in self.pages:
            if f <= p < t and not self.regions[owner, p]:
                self.regions[owner, p] = True
                self.css[owner, p] = css

    def region_del(self, owner, page):
        """Takes one index out of the map."""
        self.regions[owner, page] = False
        self.css[owner, page] = None
