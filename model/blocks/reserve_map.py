# SPDX-License-Identifier: GPL-2.0-only
"""Reserve maps: struct resv_map, mm/hugetlb.c (v6.12).

A map is a set of page indices. For a file (shared) an index in it is
*accounted for*: reserved, or already in the page cache. For a private mapping
it has the opposite meaning: the reservation of an index in it is *consumed*.

A change has two phases. region_chg() says how many indices are missing and
counts the regions that an add will need in adds_in_progress; region_add() or
region_abort() ends that. Between the two the kernel drops the map's lock. A
file's map counts the descriptors that it has in stock: a hole in the middle of
a region needs one.
"""

from typing import Any

from poolproof.model.language import Block, Bool, Counter, Int, Maybe, bug_on, table


class ResvMap(Block):
    """One map for each of ``owners``, with the features ``when``. The features
    ``adds`` are for adds_in_progress, which is at most ``most``; without them
    the count is left out, and with it all that a phase could get wrong."""

    def __init__(
        self, owners: Any, pages: Any, when: Any, adds: Any = False, most: Any = 0
    ) -> None:
        self.pages = pages
        self.regions = table(owners, pages, Bool(), when=when)
        self.adds = adds
        if adds is not False:
            self.adds_in_progress = table(
                owners,
                Counter(most),
                when=adds if when is None else (when, adds),
                doc="mm/hugetlb.c:region_chg",
            )

    def region_absent(self, owner, f, t):
        """Return how many indices of f..t are not in the map."""
        return sum(1 for p in self.pages if f <= p < t and not self.regions[owner, p])

    def region_count(self, owner, f, t):
        """Return how many indices of f..t are in the map."""
        return sum(1 for p in self.pages if f <= p < t and self.regions[owner, p])

    def region_before(self, owner, page):
        """Return whether the index before ``page`` is in the map."""
        return any(q + 1 == page and self.regions[owner, q] for q in self.pages)

    def region_after(self, owner, page):
        """Return whether the index after ``page`` is in the map."""
        return any(q == page + 1 and self.regions[owner, q] for q in self.pages)

    def gaps(self, owner, f, t):
        """Return how many runs of f..t are not in the map: the regions that an
        add makes, before neighbours become one."""
        return sum(
            1
            for p in self.pages
            if f <= p < t
            and not self.regions[owner, p]
            and (p == f or self.region_before(owner, p))
        )

    def regions_needed(self, owner, f, t):
        """Return what region_chg() adds to adds_in_progress: at least one."""
        return max(1, self.gaps(owner, f, t))

    # -- the two phases --

    def region_chg(self, owner, f, t):
        """mm/hugetlb.c:region_chg, the first phase. Return how many indices of
        f..t are not in the map, or -1 (-ENOMEM): nothing is in progress then."""
        if self.adds:
            self.adds_in_progress[owner] += self.regions_needed(owner, f, t)
        return self.region_absent(owner, f, t)

    def region_add(self, owner, f, t, needed=1):
        """mm/hugetlb.c:region_add, the second phase. Return how many indices
        were not in the map yet: as many as region_chg() said, if nobody changed
        the map since. ``needed`` is what regions_needed() was then; it is 1 for
        one index."""
        added = self.region_absent(owner, f, t)
        if self.adds:
            self.adds_in_progress[owner] -= needed
        for p in self.pages:
            if f <= p < t:
                self.regions[owner, p] = True
        return added

    def region_abort(self, owner, needed=1):
        """mm/hugetlb.c:region_abort: the second phase if there is no add."""
        if self.adds:
            self.adds_in_progress[owner] -= needed

    # -- changes without phases --

    def region_set(self, owner, f, t):
        """Put f..t into the map: a copy of what another map had."""
        for p in self.pages:
            if f <= p < t:
                self.regions[owner, p] = True

    def region_del(self, owner, page):
        """mm/hugetlb.c:region_del of one index."""
        self.regions[owner, page] = False

    def resv_map_release(self, owner):
        """mm/hugetlb.c:resv_map_release, once the regions are gone: no change
        may be in progress."""
        if self.adds:
            bug_on(
                self.adds_in_progress[owner] != 0,
                "a reserve map is released while it changes",
            )


class ChargedResvMap(ResvMap):
    """A map whose indices know which cgroup's rsvd counter they are charged
    to, with the features ``cgroup``: those of files. (A private map is charged
    as a whole.)"""

    def __init__(
        self,
        owners: Any,
        pages: Any,
        cgroups: Any,
        when: Any,
        cgroup: Any,
        adds: Any = False,
        most: Any = 0,
    ) -> None:
        super().__init__(owners, pages, when, adds, most)
        self.css = table(owners, pages, Maybe(cgroups), when=cgroup)

    def region_charge(self, owner, f, t, css, needed=1):
        """region_add() with a cgroup: what is new in f..t is charged to ``css``."""
        for p in self.pages:
            if f <= p < t and not self.regions[owner, p]:
                self.css[owner, p] = css
        return self.region_add(owner, f, t, needed)

    def same_before(self, owner, page, css):
        """Return whether a region ends before ``page`` and is charged to
        ``css``, so that one that starts there is the same region."""
        return any(
            q + 1 == page and self.regions[owner, q] and self.css[owner, q] == css
            for q in self.pages
        )

    def same_after(self, owner, page, css):
        """Return whether a region starts after ``page`` and is charged to ``css``."""
        return any(
            q == page + 1 and self.regions[owner, q] and self.css[owner, q] == css
            for q in self.pages
        )

    def coalesced(self, owner, f, t, css):
        """mm/hugetlb.c:coalesce_file_region: return how many of the regions of
        an add of f..t become one with a neighbour that has the same cgroup."""
        return sum(
            1
            for p in self.pages
            if f <= p < t
            and not self.regions[owner, p]
            and self.same_before(owner, p, css)
        ) + sum(
            1
            for p in self.pages
            if f <= p < t
            and not self.regions[owner, p]
            and self.same_after(owner, p, css)
        )

    def parts_after(self, owner, page):
        """Return what becomes of the region of ``page`` when that index leaves
        the map: 0 (it is gone), 1 (trimmed) or 2 regions (split)."""
        css = self.css[owner, page]
        before = 1 if self.same_before(owner, page, css) else 0
        return before + 1 if self.same_after(owner, page, css) else before

    def region_del(self, owner, page):
        super().region_del(owner, page)
        self.css[owner, page] = None


class FileResvMap(ChargedResvMap):
    """A file's map, with the feature ``descriptors`` for its stock of struct
    file_region: region_cache_count, at most ``most``."""

    def __init__(
        self,
        owners: Any,
        pages: Any,
        cgroups: Any,
        when: Any,
        cgroup: Any,
        descriptors: Any,
        adds: Any,
        most: Any,
    ) -> None:
        super().__init__(owners, pages, cgroups, when, cgroup, adds, most)
        self.descriptors = descriptors
        self.region_cache_count = table(
            owners, Int(0, most), init=1, when=(when, descriptors)
        )

    def region_chg(self, owner, f, t):
        """region_chg() also stocks the descriptors for the add, at least one
        (allocate_file_region_entries)."""
        if self.descriptors:
            have = self.region_cache_count[owner]
            needed = self.regions_needed(owner, f, t)
            self.region_cache_count[owner] = max(have, needed)
        return super().region_chg(owner, f, t)

    def region_add(self, owner, f, t, needed=1):
        if self.descriptors:
            have = self.region_cache_count[owner]
            self.region_cache_count[owner] = max(0, have - self.gaps(owner, f, t))
        return super().region_add(owner, f, t, needed)

    def is_inside(self, owner, page):
        """Return whether taking the index out of the map splits a region."""
        return self.regions[owner, page] and self.parts_after(owner, page) == 2

    def region_del(self, owner, page):
        if self.descriptors and self.is_inside(owner, page):
            have = self.region_cache_count[owner]
            self.region_cache_count[owner] = max(0, have - 1)
        super().region_del(owner, page)

    def resv_map_release(self, owner):
        super().resv_map_release(owner)
        if self.descriptors:
            self.region_cache_count[owner] = 1
