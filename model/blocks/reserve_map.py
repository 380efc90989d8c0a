# SPDX-License-Identifier: GPL-2.0-only
"""Reserve maps: struct resv_map, mm/hugetlb.c (v6.12).

A map is a set of page indices. For a file (shared) an index in it is
*accounted for*: reserved, or already in the page cache. For a private mapping
it has opposite meaning: the reservation of an index in it is *consumed*.

The two phases chg and add are one step here; what happens between them is not
modelled, nor a chg that runs out of descriptors. A file's map counts the
descriptors that it has in stock: a hole in the middle of a region needs one.
"""

from typing import Any

from poolproof.model.language import Block, Bool, Int, Maybe, table


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


class FileResvMap(ChargedResvMap):
    """A file's map, with the feature ``descriptors`` for its stock of struct
    file_region: region_cache_count, at most ``most``. Regions that touch are
    one, whoever is charged."""

    def __init__(
        self,
        owners: Any,
        pages: Any,
        cgroups: Any,
        when: Any,
        cgroup: Any,
        descriptors: Any,
        most: Any,
    ) -> None:
        super().__init__(owners, pages, cgroups, when, cgroup)
        self.descriptors = descriptors
        self.region_cache_count = table(
            owners, Int(0, most), init=1, when=(when, descriptors)
        )

    def region_before(self, owner, page):
        """Whether the index before ``page`` is in the map."""
        return any(q + 1 == page and self.regions[owner, q] for q in self.pages)

    def region_after(self, owner, page):
        """Whether the index after ``page`` is in the map."""
        return any(q == page + 1 and self.regions[owner, q] for q in self.pages)

    def gaps(self, owner, f, t):
        """How many runs of f..t are not in the map: the entries for an add."""
        return sum(
            1
            for p in self.pages
            if f <= p < t
            and not self.regions[owner, p]
            and (p == f or self.region_before(owner, p))
        )

    def stock(self, owner, f, t):
        """mm/hugetlb.c:region_chg as far as descriptors go: enough for the add,
        and at least one."""
        needed = max(1, self.gaps(owner, f, t))
        have = self.region_cache_count[owner]
        self.region_cache_count[owner] = max(have, needed)

    def region_add(self, owner, f, t):
        if self.descriptors:
            have = self.region_cache_count[owner]
            self.region_cache_count[owner] = max(0, have - self.gaps(owner, f, t))
        super().region_add(owner, f, t)

    def is_inside(self, owner, page):
        """Whether taking the index out of the map splits a region."""
        return (
            self.regions[owner, page]
            and self.region_before(owner, page)
            and self.region_after(owner, page)
        )

    def region_del(self, owner, page):
        if self.descriptors and self.is_inside(owner, page):
            have = self.region_cache_count[owner]
            self.region_cache_count[owner] = max(0, have - 1)
        super().region_del(owner, page)
