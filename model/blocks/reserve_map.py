# SPDX-License-Identifier: GPL-2.0-only
"""Reserve maps: struct resv_map, mm/hugetlb.c (v6.12).

A map is a set of page indices. For a file (shared) an index in it is
*accounted for*: reserved, or already in the page cache. For a private mapping
it has the opposite meaning: the reservation of an index in it is *consumed*.

A change has two phases. region_chg() says how many indices are missing and
counts the regions that an add will need in adds_in_progress; region_add() or
region_abort() ends that. Between the two the kernel drops the map's lock. A new
region needs a descriptor, and so does a hole in the middle of one: those of an add
are stocked in the first phase.
"""

from typing import Any

from poolproof.model.language import (
    Block,
    Bool,
    Counter,
    Int,
    Maybe,
    bug_on,
    may_fail,
    table,
)


class ResvMap(Block):
    """One map for each of ``owners``, with the features ``when``.

    The feature ``adds`` is for adds_in_progress, ``descriptors`` for the stock of
    struct file_region (region_cache_count): both at most ``most``. Without the
    first, what a phase could get wrong is left out; without the second, no
    allocation of a descriptor fails. Each map has a stock of its own; two VMAs
    that are pieces of one mapping share one in the kernel.
    """

    def __init__(
        self,
        owners: Any,
        pages: Any,
        when: Any,
        adds: Any = False,
        descriptors: Any = False,
        most: Any = 0,
    ) -> None:
        self.pages = pages
        self.regions = table(owners, pages, Bool(), when=when)
        self.adds, self.descriptors = adds, descriptors
        if adds is not False:
            self.adds_in_progress = table(
                owners,
                Counter(most),
                when=adds if when is None else (when, adds),
                doc="mm/hugetlb.c:region_chg",
            )
        if descriptors is not False:
            self.region_cache_count = table(
                owners,
                Int(0, most),
                init=1,
                when=descriptors if when is None else (when, descriptors),
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

    def has_stock(self, owner, needed):
        """Return whether the stock has ``needed`` descriptors besides those that
        changes in progress need."""
        have = self.region_cache_count[owner]
        if self.adds:
            have -= self.adds_in_progress[owner]
        return have >= needed

    # -- the two phases --

    def region_chg(self, owner, f, t):
        """mm/hugetlb.c:region_chg, the first phase. Return how many indices of
        f..t are not in the map, or -1 (-ENOMEM): nothing is in progress then.
        allocate_file_region_entries stocks descriptors for the add, at least one
        even where none will be needed."""
        needed = self.regions_needed(owner, f, t)
        if self.descriptors:
            stocked = self.has_stock(owner, needed)
            if not stocked:
                if may_fail("kmalloc of a file_region"):
                    return -1
                self.restock(owner, needed)
        if self.adds:
            self.adds_in_progress[owner] += needed
        return self.region_absent(owner, f, t)

    def restock(self, owner, needed):
        """Fill the stock up, for what is in progress and ``needed`` more."""
        more = needed
        if self.adds:
            more += self.adds_in_progress[owner]
        self.region_cache_count[owner] = max(self.region_cache_count[owner], more)

    def region_add(self, owner, f, t, needed=1):
        """mm/hugetlb.c:region_add, the second phase. Return how many indices
        were not in the map yet: as many as region_chg() said, if nobody changed
        the map since. ``needed`` is what regions_needed() was then; it is 1 for
        one index."""
        added = self.region_absent(owner, f, t)
        if self.descriptors:
            have = self.region_cache_count[owner]
            self.region_cache_count[owner] = max(0, have - self.gaps(owner, f, t))
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

    def is_inside(self, owner, page):
        """Return whether taking the index out of the map splits a region."""
        return (
            self.regions[owner, page]
            and self.region_before(owner, page)
            and self.region_after(owner, page)
        )

    def may_split(self, owner, page):
        """mm/hugetlb.c:region_del of one index, before it changes anything: return
        false (-ENOMEM) if it splits a region and there is no descriptor for the
        other half."""
        if self.descriptors:
            stocked = not self.is_inside(owner, page) or self.has_stock(owner, 1)
            if not stocked:
                failed = may_fail("kmalloc of a file_region")
                return not failed
        return True

    def region_del(self, owner, page):
        """mm/hugetlb.c:region_del of one index that `may_split`."""
        if self.descriptors and self.is_inside(owner, page):
            have = self.region_cache_count[owner]
            self.region_cache_count[owner] = max(0, have - 1)
        self.regions[owner, page] = False

    def region_set(self, owner, f, t):
        """Put f..t into the map: a copy of what another map had."""
        for p in self.pages:
            if f <= p < t:
                self.regions[owner, p] = True

    def copy_stock(self, owner, new):
        """``new`` has as many descriptors as ``owner``."""
        if self.descriptors:
            self.region_cache_count[new] = self.region_cache_count[owner]

    def resv_map_release(self, owner):
        """mm/hugetlb.c:resv_map_release, once the regions are gone: no change
        may be in progress."""
        if self.adds:
            bug_on(
                self.adds_in_progress[owner] != 0,
                "a reserve map is released while it changes",
            )
        self.forget_stock(owner)

    def forget_stock(self, owner):
        """``owner`` has no map; a new one starts with one descriptor."""
        if self.descriptors:
            self.region_cache_count[owner] = 1


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
        descriptors: Any = False,
        most: Any = 0,
    ) -> None:
        super().__init__(owners, pages, when, adds, descriptors, most)
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

    def is_inside(self, owner, page):
        """As in a map of one cgroup; only regions of one cgroup are one region."""
        return self.regions[owner, page] and self.parts_after(owner, page) == 2
