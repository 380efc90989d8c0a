# SPDX-License-Identifier: GPL-2.0-only
"""Cgroups in a tree, their page counters, and what outlives them.

kernel/cgroup/cgroup.c, mm/page_counter.c, mm/hugetlb_cgroup.c and
mm/memcontrol.c of Linux 6.12. `Cgroups` is the tree: parents, what is online,
references. `CounterTree` is one struct page_counter for each cgroup; a design
has as many of them as it has limits (memory.max, hugetlb.max,
hugetlb.rsvd.max), and charges them at reservation, at the fault, or both.

A charge belongs to the cgroup that it was made to: a task that moves takes
none along. At offline a design has three choices, and the kernel makes all
of them. hugetlb's fault charges move to the parent (`move_parent`). Folios of
the memory controller and hugetlb's reservations stay with the dead cgroup;
each holds a reference to it, `css_get` to `css_put`, and its ancestors count
it as before. Nothing else keeps a dead cgroup.

Left out: the root, which is None, counts nothing here and refuses nothing;
memory.high, low and min; swap's counter; per-cpu stocks, which huge charges
do not use (try_charge_memcg: batch); watermarks and events; the controllers'
enabling by subtree_control, and with it the rule that inner cgroups have no
tasks; that the controllers of a cgroup have a css each. memory_max_write's
reclaim and OOM kills are up to the design: `write_max` is its first half.
"""

from enum import Enum
from typing import Any

from poolproof.model.blocks.errno import EBUSY, OK, Errno
from poolproof.model.blocks.quota import PageCounters
from poolproof.model.language import (
    Block,
    Counter,
    Feature,
    Int,
    Maybe,
    action,
    domain,
    require,
    table,
)


class Css(Enum):
    """How far a struct cgroup_subsys_state has come."""

    FREED = 0
    ONLINE = 1
    DYING = 2
    OFFLINE = 3


FREED, ONLINE, DYING, OFFLINE = Css


class Cgroups(Block):
    """The tree. FREED ones do not exist, and can be made anew. ``refs`` is
    the most references that one may have. ``refcnt`` below zero is a css_put
    without a css_get: the css was freed while it was in use
    (lib/percpu-refcount.c: "percpu ref <= 0"). ``when`` are the features
    without which there are no cgroups, ``offline`` those for rmdir.

    Hooks: ``css_alloc(cgroup, parent)`` makes the cgroup's counters, and
    ``css_release(cgroup)`` forgets them; ``has_tasks(cgroup)``;
    ``move_charges(cgroup, parent)`` moves at offline what moves then.
    """

    group, parents = domain(), domain()

    def __init__(
        self, cgroups: Any, refs: Any, when: Any = None, offline: Any = None
    ) -> None:
        self.cgroups, self.when, self.offline = cgroups, when, offline
        self.group, self.parents = cgroups, Maybe(cgroups)
        self.css = table(cgroups, Css, when=when)
        self.parent = table(cgroups, Maybe(cgroups), when=when)
        self.refcnt = table(
            cgroups, Counter(refs), when=when, doc="lib/percpu-refcount.c"
        )

    # -- mkdir and rmdir --

    @action(kernel="kernel/cgroup/cgroup.c:cgroup_mkdir", when="when")
    def mkdir(self, cgroup: group, parent: parents):
        require(self.css[cgroup] == FREED)
        require(parent is None or self.css[parent] == ONLINE)
        self.css_create(cgroup, parent)
        self.design.css_alloc(cgroup, parent)

    @action(kernel="kernel/cgroup/cgroup.c:cgroup_destroy_locked", when="offline")
    def rmdir(self, cgroup: group) -> Errno:
        require(self.css[cgroup] == ONLINE)
        if self.design.has_tasks(cgroup):
            return EBUSY
        if self.css_has_online_children(cgroup):
            return EBUSY
        self.kill_css(cgroup)
        return OK

    @action(
        kernel="kernel/cgroup/cgroup.c:css_killed_work_fn", when="offline", silent=True
    )
    def css_offline(self, cgroup: group):
        """The controllers' css_offline first: see the hook."""
        require(self.can_offline(cgroup))
        self.design.move_charges(cgroup, self.parent[cgroup])
        self.offline_css(cgroup)

    @action(
        kernel="kernel/cgroup/cgroup.c:css_free_rwork_fn", when="offline", silent=True
    )
    def css_free(self, cgroup: group):
        require(self.is_released(cgroup))
        self.design.css_release(cgroup)
        self.forget_css(cgroup)

    # -- parts --

    def is_descendant(self, cgroup, ancestor):
        """include/linux/cgroup.h:cgroup_is_descendant: of itself, too."""
        c = cgroup
        for _ in self.cgroups:
            if c == ancestor:
                return True
            if c is not None:
                c = self.parent[c]
        return c == ancestor

    def css_get(self, cgroup):
        if cgroup is not None:
            self.refcnt[cgroup] += 1

    def css_put(self, cgroup):
        if cgroup is not None:
            self.refcnt[cgroup] -= 1

    def css_create(self, cgroup, parent):
        """css_create with init_and_link_css: a child holds its parent."""
        self.css[cgroup] = ONLINE
        self.parent[cgroup] = parent
        self.refcnt[cgroup] = 1
        self.css_get(parent)

    def css_has_online_children(self, cgroup):
        return any(
            self.parent[c] == cgroup and self.css[c] == ONLINE for c in self.cgroups
        )

    def kill_css(self, cgroup):
        """It takes a reference for offline_css and drops the base reference."""
        self.css[cgroup] = DYING

    def can_offline(self, cgroup):
        """css_killed_work_fn waits for online_cnt: children come first."""
        return self.css[cgroup] == DYING and not any(
            self.parent[c] == cgroup and self.css[c] in {ONLINE, DYING}
            for c in self.cgroups
        )

    def offline_css(self, cgroup):
        """css_killed_work_fn, after the controllers' css_offline."""
        self.css[cgroup] = OFFLINE
        self.css_put(cgroup)

    def is_released(self, cgroup):
        """css_release: the last reference is gone."""
        return self.css[cgroup] == OFFLINE and self.refcnt[cgroup] == 0

    def forget_css(self, cgroup):
        """css_free_rwork_fn: the parent is let go."""
        self.css[cgroup] = FREED
        self.css_put(self.parent[cgroup])
        self.parent[cgroup] = None


class CounterTree(PageCounters):
    """Page counters with parents, like struct page_counter's. With the
    feature ``limits`` each one's limit can be written, up to ``limit``."""

    def __init__(
        self, cgroups: Any, limit: Any, when: Feature, limits: Feature
    ) -> None:
        super().__init__(cgroups, limit, when)
        self.cgroups = cgroups
        self.limits = limits
        self.parent = table(cgroups, Maybe(cgroups), when=when)
        self.max = table(cgroups, Int(0, limit), init=limit, when=(when, limits))

    def page_counter_init(self, cgroup, parent):
        self.usage[cgroup] = 0
        self.parent[cgroup] = parent

    def forget(self, cgroup):
        """The counter is freed with its cgroup."""
        self.parent[cgroup] = None
        if self.limits:
            self.max[cgroup] = self.limit

    def limit_of(self, cgroup):
        return self.max[cgroup]

    def try_charge(self, cgroup, pages):
        """mm/page_counter.c:page_counter_try_charge: from the leaf up. Where
        one refuses, those below it give back what they had counted."""
        c = cgroup
        for _ in self.cgroups:
            if c is not None:
                charged = super().try_charge(c, pages)
                if not charged:
                    self.uncharge_below(cgroup, c, pages)
                    return False
                c = self.parent[c]
        return True

    def uncharge_below(self, cgroup, fail, pages):
        """... at ``failed``: from the leaf up, below the one that refused."""
        c = cgroup
        for _ in self.cgroups:
            if c != fail:
                super().uncharge(c, pages)
                c = self.parent[c]

    def uncharge(self, cgroup, pages):
        """mm/page_counter.c:page_counter_uncharge."""
        c = cgroup
        for _ in self.cgroups:
            if c is not None:
                super().uncharge(c, pages)
                c = self.parent[c]

    def move_parent(self, cgroup, pages):
        """mm/hugetlb_cgroup.c:hugetlb_cgroup_move_parent: the pages leave the
        local counter; the parent's has counted them all along."""
        super().uncharge(cgroup, pages)

    def set_max(self, cgroup, pages):
        """mm/page_counter.c:page_counter_set_max: whether it is not -EBUSY."""
        if self.usage[cgroup] > pages:
            return False
        self.max[cgroup] = pages
        return True

    def write_max(self, cgroup, pages):
        """mm/memcontrol.c:memory_max_write, as far as its xchg(): any limit
        is taken. What is above it must go afterwards, or stays."""
        self.max[cgroup] = pages

    def over(self, cgroup):
        """memory_max_write goes on: nr_pages > max."""
        return self.usage[cgroup] > self.max[cgroup]
