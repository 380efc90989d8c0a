# SPDX-License-Identifier: GPL-2.0-only
"""Quotas: the subpool of a hugetlbfs mount, and page counters of cgroups.

mm/hugetlb.c (hugepage_subpool_*) and mm/hugetlb_cgroup.c, v6.12. Both answer
"may I" and leave what follows to the caller, as in the kernel.
"""

from typing import Any

from poolproof.model.language import (
    Block,
    Bool,
    Counter,
    Feature,
    Int,
    Maybe,
    table,
    var,
)


class HugepageSubpool(Block):
    """struct hugepage_subpool of one mount. ``size`` and ``min_size`` are the
    features for the two mount options, ``max_hpages`` and ``min_hpages``
    their values in pages.

    ``used_hpages`` is kept only with size=, ``rsv_hpages`` (the unused part
    of the minimum, which is inside resv_huge_pages) only with min_size=. A
    use below zero shows as -1, and stays.
    """

    def __init__(
        self,
        max_hpages: Any,
        min_hpages: Any,
        mount: Feature,
        size: Feature,
        min_size: Feature,
    ) -> None:
        self.max_hpages = max_hpages
        self.min_hpages = min_hpages
        self.size = size
        self.min_size = min_size
        self.mounted = var(Bool(), when=mount)
        self.used_hpages = var(Int(-1), init=0, when=(mount, size))
        self.rsv_hpages = var(Int(0, min_hpages), when=(mount, min_size))

    def change_used(self, pages):
        used = self.used_hpages + pages
        self.used_hpages = -1 if self.used_hpages < 0 or used < 0 else used

    def fits(self, delta):
        """Return whether get_pages would not return -ENOMEM."""
        return not self.size or self.used_hpages + delta <= self.max_hpages

    def get_pages(self, delta):
        """mm/hugetlb.c:hugepage_subpool_get_pages, for a delta that fits. Return how
        many of the pages must come from the global pool."""
        if self.size:
            self.change_used(delta)
        ret = delta
        if self.min_size:
            ret = max(0, delta - self.rsv_hpages)
            self.rsv_hpages = max(0, self.rsv_hpages - delta)
        return ret

    def put_pages(self, delta):
        """mm/hugetlb.c:hugepage_subpool_put_pages. Return how many global promises must
        be dropped. Without size= used_hpages stays 0, so the minimum takes pages back
        even where more than the minimum is in use."""
        if self.size:
            self.change_used(-delta)
        ret = delta
        if self.min_size and self.used_hpages < self.min_hpages:
            ret = max(0, self.rsv_hpages + delta - self.min_hpages)
            self.rsv_hpages = min(self.rsv_hpages + delta, self.min_hpages)
        return ret

    def is_free(self):
        """mm/hugetlb.c:subpool_is_free, once the mount is gone."""
        if self.size:
            return self.used_hpages == 0
        return self.rsv_hpages == self.min_hpages


class CountedSubpool(HugepageSubpool):
    """A subpool that keeps ``used_hpages`` with or without size=, as proposed in
    2026: a minimum takes back only what is not in use elsewhere."""

    def __init__(
        self, max_hpages: Any, min_hpages: Any, mount: Any, *rest: Any
    ) -> None:
        super().__init__(max_hpages, min_hpages, mount, *rest)
        self.used_hpages = var(Int(-1), init=0, when=mount)

    def get_pages(self, delta):
        if not self.size:
            self.change_used(delta)
        return super().get_pages(delta)

    def put_pages(self, delta):
        if not self.size:
            self.change_used(-delta)
        return super().put_pages(delta)


class PageCounters(Block):
    """A page counter with a limit for each cgroup, struct page_counter. None
    stands for the root, which counts nothing and has no limit. Without a
    hierarchy: model.blocks.memcg has counters with parents, and limits that are
    written.

    Below zero, page_counter_cancel says WARN_ONCE "page_counter underflow",
    sets the counter to 0 and goes on (mm/page_counter.c, v6.12). Here it
    shows as -1, and what is charged next starts from 0."""

    def __init__(self, cgroups: Any, limit: Any, when: Feature) -> None:
        self.limit = limit
        self.usage = table(cgroups, Counter(limit), when=when, doc="mm/page_counter.c")

    def limit_of(self, cgroup):
        return self.limit

    def try_charge(self, cgroup, pages):
        """page_counter_try_charge: return whether the pages fit."""
        if cgroup is None:
            return True
        usage = max(0, self.usage[cgroup]) + pages
        if usage > self.limit_of(cgroup):
            return False
        self.usage[cgroup] = usage
        return True

    def uncharge(self, cgroup, pages):
        """mm/page_counter.c:page_counter_cancel."""
        if cgroup is not None:
            self.usage[cgroup] -= pages


class MemoryMax(PageCounters):
    """memory.max of the one cgroup that all users of a design are in, with a
    huge page as the unit; ``group`` has one element. Without the feature nothing
    is charged."""

    def __init__(self, group: Any, limit: Any, when: Feature) -> None:
        super().__init__(group, limit, when)
        self.group, self.when = group, when

    def fits(self):
        """Return whether one more page is within the limit."""
        if self.when:
            return all(self.usage[g] < self.limit for g in self.group)
        return True

    def charge_one(self):
        """include/linux/memcontrol.h:mem_cgroup_charge, where it `fits`."""
        if self.when:
            for g in self.group:
                charged = self.try_charge(g, 1)
                assert charged, "the caller has looked at the limit"

    def uncharge_one(self):
        if self.when:
            for g in self.group:
                self.uncharge(g, 1)


class CssReferences(Block):
    """References to cgroups that charges hold, struct percpu_ref of a css: at
    most ``most`` of each. None stands for the root, which is never freed."""

    def __init__(self, cgroups: Any, most: Any, when: Feature) -> None:
        self.when = when
        self.refs = table(
            cgroups, Counter(most), when=when, doc="include/linux/cgroup.h:css_put"
        )

    def css_get(self, cgroup, number=1):
        if self.when and cgroup is not None:
            self.refs[cgroup] += number

    def css_put(self, cgroup, number=1):
        if self.when and cgroup is not None:
            self.refs[cgroup] -= number


class Membership(Block):
    """Which cgroup each task is in; None is the root."""

    def __init__(self, tasks: Any, cgroups: Any, when: Any = None) -> None:
        self.of = table(tasks, Maybe(cgroups), when=when)
