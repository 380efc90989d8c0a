# SPDX-License-Identifier: GPL-2.0-only
"""Who pays: charges to a tree of cgroups, at the promise or at the fault."""

from typing import Any

from poolproof.model.blocks.errno import EBUSY, OK, Errno
from poolproof.model.blocks.memcg import Css
from poolproof.model.designs.global_pool.names import (
    ANON,
    CHARGE_AT_FAULT,
    LIMIT_CHANGE,
    LIMIT_REFUSED,
    REHOME,
)
from poolproof.model.designs.global_pool.state import PoolState
from poolproof.model.designs.names import (
    CGROUPS,
    FILES,
    INDICES,
    LIMIT,
    MEMCG,
    NUMA,
    TASKS,
)
from poolproof.model.language import Int, Maybe, action, require


class Charges(PoolState):
    """Each index of a file knows who is charged for it, and the charge holds a
    reference to that cgroup."""

    def try_charge(self, file, index, cgroup):
        """mm/memcontrol.c:try_charge_memcg. Whether it is within all limits;
        what can be reclaimed for it is for the caller to see."""
        if MEMCG:
            charged = self.memory.try_charge(cgroup, self.unit(file))
            if not charged:
                return False
            self.cgroups.css_get(cgroup)
            self.resv_map.css[file, index] = cgroup
        return True

    def uncharge(self, file, index):
        """mm/memcontrol.c:uncharge_folio."""
        if MEMCG:
            cgroup = self.resv_map.css[file, index]
            self.memory.uncharge(cgroup, self.unit(file))
            self.cgroups.css_put(cgroup)
            self.resv_map.css[file, index] = None

    def payer(self, task):
        return self.task.of[task] if MEMCG else None

    # -- the tree; model.blocks.memcg has mkdir, rmdir and the like --

    def css_alloc(self, cgroup, parent):
        self.memory.page_counter_init(cgroup, parent)

    def css_release(self, cgroup):
        self.memory.forget(cgroup)

    def has_tasks(self, cgroup):
        return any(self.task.of[t] == cgroup for t in TASKS)

    def move_charges(self, cgroup, parent):
        """mem_cgroup_css_offline moves nothing: what is charged stays, and
        keeps the dead cgroup (``rehome``: the parent has it)."""
        if REHOME:
            for f in FILES:
                for i in INDICES:
                    if self.resv_map.css[f, i] == cgroup:
                        self.memory.move_parent(cgroup, self.unit(f))
                        self.cgroups.css_put(cgroup)
                        self.cgroups.css_get(parent)
                        self.resv_map.css[f, i] = parent

    @action(kernel="kernel/cgroup/cgroup.c:cgroup_attach_task", when=MEMCG)
    def attach(self, task: TASKS, cgroup: Maybe(CGROUPS)):
        """What it was charged for stays where it is."""
        require(self.task.of[task] != cgroup)
        require(cgroup is None or self.cgroups.css[cgroup] == Css.ONLINE)
        self.task.of[task] = cgroup

    # -- limits --

    @action(kernel="mm/memcontrol.c:memory_max_write", when=LIMIT_CHANGE)
    def memory_max_write(self, cgroup: CGROUPS, pages: Int(0, LIMIT)) -> Errno:
        """Any limit is taken; swap_out and oom_kill are what follows.
        ``limit_refused``: as mm/page_counter.c:page_counter_set_max."""
        require(self.cgroups.css[cgroup] == Css.ONLINE)
        require(self.memory.max[cgroup] != pages)
        if LIMIT_REFUSED:
            done = self.memory.set_max(cgroup, pages)
            return OK if done else EBUSY
        self.memory.write_max(cgroup, pages)
        return OK

    def is_charged_below(self, file, index, cgroup):
        return self.cgroups.is_descendant(self.resv_map.css[file, index], cgroup)

    def can_reclaim(self, cgroup):
        """mm/vmscan.c:try_to_free_mem_cgroup_pages: whether a page of the
        subtree can go to swap, and its charge with it. The charge of a promise
        does not go."""
        swap: Any = self
        return any(
            (CHARGE_AT_FAULT or self.kind[f] == ANON)
            and swap.may_go(f, i)
            and self.is_charged_below(f, i, cgroup)
            for f in FILES
            for i in INDICES
        )

    @action(kernel="mm/memcontrol.c:mem_cgroup_out_of_memory", when=LIMIT_CHANGE)
    def oom_kill(self, task: TASKS):
        """memory_max_write has nothing left to reclaim, and kills a task below
        the limit. Its memfds go, what has a name stays. A new task starts in
        the root."""
        require(
            any(
                self.cgroups.css[c] == Css.ONLINE
                and self.memory.over(c)
                and self.cgroups.is_descendant(self.task.of[task], c)
                and not self.can_reclaim(c)
                for c in CGROUPS
            )
        )
        files: Any = self
        for f in FILES:
            if self.memfd_of[f] == task:
                files.evict_inode(f)
        self.task.of[task] = None
        if NUMA:
            for f in FILES:
                self.maps[task, f] = False
            self.mpol.mems_allowed[task] = set()
            self.mpol.mempolicy[task] = set()
