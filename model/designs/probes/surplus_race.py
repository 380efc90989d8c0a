# SPDX-License-Identifier: GPL-2.0-only
"""Surplus pages and nr_hugepages at the same time, where hugetlb_lock is dropped.

mm/hugetlb.c:alloc_surplus_hugetlb_folio and set_max_huge_pages, v6.12. A surplus
page is in nr_huge_pages before it is in surplus_huge_pages: in between it looks
like a persistent one. One that is above the limit at the second look is a
temporary page, which leaves nr_huge_pages when it is freed. With
``one_lock_cycle`` both counters change under one hold of the lock, as in kernels
after 6.12; a temporary page is counted until it is freed all the same.

All pages are in use: a write that makes the pool smaller calls them surplus. Left
out: nodes, promises, the free lists, allocations that fail.
"""

from enum import Enum

from poolproof.model.blocks.errno import ENOMEM, OK, Errno
from poolproof.model.language import (
    Bound,
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


class Phase(Enum):
    """How far a task is in alloc_surplus_hugetlb_folio."""

    OUTSIDE = 0
    CHECKED = 1
    """The first look passed, the lock is dropped."""
    COUNTED = 2
    """alloc_fresh_hugetlb_folio has counted the page, the lock is dropped."""
    TEMPORARY = 3
    """The second look did not pass; the page is about to be freed."""


OUTSIDE, CHECKED, COUNTED, TEMPORARY = Phase

PAGES = Bound("pages", 2, least=0, doc="persistent huge pages at the start")
OC = Bound("OC", 1, doc="nr_overcommit_hugepages")
T = Bound("T", 2, doc="tasks, each on a CPU of its own")
TASKS = Scalarset("TASKS", T, prefix="t")

RESIZE = Feature("resize", doc="writes to nr_hugepages")
ONE_LOCK_CYCLE = Feature("one_lock_cycle", False, "both counters change at once")

COUNT = Int(0, PAGES)


class SurplusRace(Design):
    """Counters of pages in use, and tasks that allocate surplus pages."""

    nr_huge_pages = var(Int(0), init=PAGES)
    surplus_huge_pages = var(Int(0), init=0)
    written = var(COUNT, init=PAGES, doc="the last write to nr_hugepages")
    phase = table(TASKS, Phase)

    @observer
    def persistent(self):
        """mm/hugetlb.c:persistent_huge_pages."""
        return self.nr_huge_pages - self.surplus_huge_pages

    @observer
    def in_flight(self):
        """Tasks whose page is in nr_huge_pages only."""
        return sum(1 for t in TASKS if self.phase[t] in {COUNTED, TEMPORARY})

    @action(kernel="mm/hugetlb.c:alloc_surplus_hugetlb_folio")
    def check(self, task: TASKS) -> Errno:
        """The first look at the limit; then the lock is dropped."""
        require(self.phase[task] == OUTSIDE)
        if self.surplus_huge_pages >= OC:
            return ENOMEM
        self.phase[task] = CHECKED
        return OK

    @action(kernel="mm/hugetlb.c:alloc_fresh_hugetlb_folio")
    def count(self, task: TASKS):
        """__prep_account_new_huge_page, in a lock cycle of its own."""
        require(self.phase[task] == CHECKED)
        require(not ONE_LOCK_CYCLE)
        self.nr_huge_pages += 1
        self.phase[task] = COUNTED

    @action(kernel="mm/hugetlb.c:alloc_surplus_hugetlb_folio")
    def check_again(self, task: TASKS) -> Errno:
        """The second look."""
        if ONE_LOCK_CYCLE:
            require(self.phase[task] == CHECKED)
            self.nr_huge_pages += 1
        else:
            require(self.phase[task] == COUNTED)
        if self.surplus_huge_pages >= OC:
            self.phase[task] = TEMPORARY
            return ENOMEM
        self.surplus_huge_pages += 1
        self.phase[task] = OUTSIDE
        return OK

    @action(kernel="mm/hugetlb.c:free_huge_folio")
    def free_temporary(self, task: TASKS):
        """A temporary page is destroyed: remove_hugetlb_folio."""
        require(self.phase[task] == TEMPORARY)
        self.nr_huge_pages -= 1
        self.phase[task] = OUTSIDE

    @action(kernel="mm/hugetlb.c:free_huge_folio")
    def free(self):
        """A page in use is freed, while there is a surplus: it is destroyed."""
        require(self.surplus_huge_pages > 0)
        require(self.nr_huge_pages > self.in_flight())
        self.nr_huge_pages -= 1
        self.surplus_huge_pages -= 1

    @action(kernel="mm/hugetlb.c:set_max_huge_pages", when=RESIZE)
    def set_nr_hugepages(self, count: COUNT):
        """Makes surplus pages persistent, or the other way round
        (adjust_pool_surplus); then allocates what is missing."""
        more = count - self.persistent()
        kept = max(0, min(more, self.surplus_huge_pages))
        self.surplus_huge_pages -= kept
        self.nr_huge_pages += max(0, more - kept)
        self.surplus_huge_pages += max(0, 0 - more)
        self.written = count
