# SPDX-License-Identifier: GPL-2.0-only
"""The accounts of a hugetlb page that is split: the charge, and two statistics.

A file of guest_memfd has a page of hugetlb's pool, which is charged to a memcg as a
whole, and counted in NR_HUGETLB. Where a part becomes shared the page is split into
base pages, and merged when all is private again. A folio of hugetlb in the page cache
changes NR_FILE_PAGES neither when added (mm/filemap.c:__filemap_add_folio) nor when
removed (mm/filemap.c:filemap_unaccount_folio, v6.12); a base page does, both times.

No code of the split is merged. ``move_stats``: it moves the pages from one statistic to
the other. ``recharge``: it gives the charge back and charges each part anew, where
others of the memcg may come between; without it the parts have the page's charge, as
in mm/memcontrol.c:split_page_memcg. Left out: who is charged, the memory for page
structures, several sizes of parts.
"""

from enum import Enum

from poolproof.model.blocks.errno import ENOMEM, OK, OOM, Errno
from poolproof.model.language import (
    Bool,
    Bound,
    Counter,
    Design,
    Feature,
    Int,
    Scalarset,
    action,
    observer,
    require,
    table,
    var,
)


class State(Enum):
    """The states of a page of the pool."""

    FREE = 0
    WHOLE = 1
    SPLITTING = 2
    """No longer charged; its parts are not charged yet."""
    PARTS = 3


FREE, WHOLE, SPLITTING, PARTS = State

K = Bound("K", 2, doc="parts of a page")
G = Bound("pages", 2, doc="pages of the pool")
LIMIT = Bound("limit", 4, doc="memory.max, in parts")

PAGES = Scalarset("PAGES", G, prefix="g")
PART = Int(0, K - 1)

MOVE_STATS = Feature("move_stats", doc="a split moves pages between statistics")
RECHARGE = Feature("recharge", False, "a split charges each part anew")


class SplitAccounting(Design):
    """Pages of one file, in one memcg."""

    assumed: tuple[str, ...] = ("sketch: no code of the split is merged",)

    state = table(PAGES, State)
    cached = table(PAGES, PART, Bool(), doc="the part is in the page cache")
    usage = var(Counter(LIMIT), doc="memory.current, in parts")
    others = var(Int(0, LIMIT), doc="... of others")
    nr_hugetlb = var(Counter(G * K), doc="NR_HUGETLB")
    nr_file_pages = var(Counter(G * K), doc="NR_FILE_PAGES")

    @observer
    def whole(self):
        """Return the parts of pages that are whole."""
        return K * sum(1 for g in PAGES if self.state[g] == WHOLE)

    @observer
    def parts(self):
        """Return the parts in the page cache of pages that are split."""
        return sum(1 for g in PAGES for p in PART if self.cached[g, p])

    def fits(self, parts):
        return self.usage + parts <= LIMIT

    def to_parts(self, page):
        self.state[page] = PARTS
        for p in PART:
            self.cached[page, p] = True
        if MOVE_STATS:
            self.nr_hugetlb -= K
            self.nr_file_pages += K

    @action(kernel="mm/hugetlb.c:alloc_hugetlb_folio")
    def fault(self, page: PAGES) -> Errno:
        require(self.state[page] == FREE)
        if not self.fits(K):
            return OOM
        self.usage += K
        self.nr_hugetlb += K
        self.state[page] = WHOLE
        return OK

    @action(kernel="virt/kvm/guest_memfd.c:kvm_gmem_set_attributes")
    def share(self, page: PAGES) -> Errno:
        """A part becomes shared: the page is split."""
        require(self.state[page] == WHOLE)
        if RECHARGE:
            self.usage -= K
            self.state[page] = SPLITTING
        else:
            self.to_parts(page)
        return OK

    @action(kernel="virt/kvm/guest_memfd.c:kvm_gmem_set_attributes", when=RECHARGE)
    def charge_parts(self, page: PAGES) -> Errno:
        """The parts are charged. If that fails, the page is split all the same."""
        require(self.state[page] == SPLITTING)
        self.to_parts(page)
        if not self.fits(K):
            return ENOMEM
        self.usage += K
        return OK

    @action(kernel="virt/kvm/guest_memfd.c:kvm_gmem_set_attributes")
    def merge(self, page: PAGES):
        """All parts are private again, and there."""
        require(self.state[page] == PARTS and all(self.cached[page, p] for p in PART))
        for p in PART:
            self.cached[page, p] = False
        if MOVE_STATS:
            self.nr_file_pages -= K
            self.nr_hugetlb += K
        self.state[page] = WHOLE

    @action(kernel="mm/filemap.c:filemap_unaccount_folio")
    def punch(self, page: PAGES, part: PART):
        """A base page goes; with the last one the page is hugetlb's again."""
        require(self.cached[page, part])
        self.cached[page, part] = False
        self.nr_file_pages -= 1
        self.usage -= 1
        if not any(self.cached[page, p] for p in PART):
            self.state[page] = FREE

    @action(kernel="mm/hugetlb.c:free_huge_folio")
    def free(self, page: PAGES):
        """A page that is whole goes."""
        require(self.state[page] == WHOLE)
        self.state[page] = FREE
        self.nr_hugetlb -= K
        self.usage -= K

    @action(kernel="mm/memcontrol.c:try_charge_memcg", silent=True)
    def other_charge(self):
        require(self.fits(1) and self.others < LIMIT)
        self.usage += 1
        self.others += 1

    @action(kernel="mm/page_counter.c:page_counter_uncharge", silent=True)
    def other_uncharge(self):
        require(self.others > 0)
        self.usage -= 1
        self.others -= 1
