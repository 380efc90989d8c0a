# SPDX-License-Identifier: GPL-2.0-only
"""What an administrator writes: the pool's size, and who may use what."""

from poolproof.model.blocks.errno import EBUSY, OK, Errno
from poolproof.model.designs.hugetlb.files import Mounts
from poolproof.model.designs.hugetlb.names import (
    CAP,
    CGROUP,
    CGROUP_MOVE,
    CGROUPS,
    CPUSET,
    DEMOTE,
    FRAGMENTS,
    MBIND,
    MEMPOLICY,
    NODES,
    OC,
    OFFLINE,
    POISON,
    RATIO,
    RESIZE,
    RESIZE_NODE,
    STEP,
    SURPLUS,
    SYSCTL,
    TASKS,
    VMAS,
    N,
)
from poolproof.model.language import Int, Maybe, SetOf, action, assume, require


class Resizing(Mounts):
    """nr_hugepages, nr_overcommit_hugepages and demotion."""

    @action(
        kernel="mm/hugetlb.c:nr_hugepages_store_common", when=(SURPLUS, RESIZE_NODE)
    )
    def set_nr_hugepages_node(self, node: NODES, count: Int(0, CAP)) -> Errno:
        """A write to a node's nr_hugepages."""
        total = self.node_count(node, count)
        self.h.set_max_huge_pages_node(total, self.min_count(), node)
        return OK

    def node_count(self, node, count):
        """mm/hugetlb.c:set_max_huge_pages, "a node specific request"."""
        here = self.h.nr_huge_pages_node[node] - self.h.surplus_huge_pages_node[node]
        others = self.h.persistent_huge_pages() - here
        if here < 0 or others < 0:
            # unsigned: the sum overflows, which means as many as possible
            return self.h.nr_huge_pages() + CAP
        return count + others

    def min_count(self):
        """mm/hugetlb.c:set_max_huge_pages: what a shrink leaves, the pages in
        use or promised. Unsigned: a wrapped promise counter stops it."""
        if self.h.resv_huge_pages < 0:
            return self.h.nr_huge_pages()
        in_use = self.h.nr_huge_pages() - self.h.free_huge_pages()
        return self.h.resv_huge_pages + in_use

    @action(kernel="mm/hugetlb.c:nr_hugepages_store_common", when=(SURPLUS, RESIZE))
    def set_nr_hugepages(self, count: Int(0, N * CAP)) -> Errno:
        """A write to nr_hugepages, by at most STEP pages more or less: more
        is several writes."""
        persistent = self.h.persistent_huge_pages()
        assume(
            persistent - STEP <= count and count <= persistent + STEP,
            "nr_hugepages is written step by step",
        )
        self.h.set_max_huge_pages(count, self.min_count(), {n for n in NODES})
        return OK

    @action(kernel="mm/hugetlb.c:nr_overcommit_hugepages_store", when=(SURPLUS, SYSCTL))
    def set_nr_overcommit(self, count: Int(0, OC)) -> Errno:
        """A write to nr_overcommit_hugepages."""
        self.h.nr_overcommit_huge_pages = count
        return OK

    @action(kernel="mm/hugetlb.c:demote_free_hugetlb_folios", when=DEMOTE)
    def demote(self) -> Errno:
        """A write of 1 to the gigantic pool's demote, where CAP has room: a
        free page of the first node becomes free pages of this pool."""
        first = None
        for n in NODES:
            if first is None:
                first = n
        require(self.gigantic > 0)
        assume(
            self.h.nr_huge_pages_node[first] + RATIO <= CAP,
            "no demotion beyond a node's CAP",
        )
        self.gigantic -= 1
        self.h.nr_huge_pages_node[first] += RATIO
        self.h.free_huge_pages_node[first] += RATIO
        return OK

    @action(kernel="mm/page_alloc.c:__rmqueue_steal", when=FRAGMENTS, silent=True)
    def other_pollute(self, node: NODES):
        """Another user's unmovable page gets into a block of the node."""
        require(self.h.room(node) > 0)
        self.h.spoilt[node] += 1

    @action(kernel="mm/page_alloc.c:free_unref_folios", when=FRAGMENTS, silent=True)
    def other_free(self, node: NODES):
        require(self.h.spoilt[node] > 0)
        self.h.spoilt[node] -= 1

    @action(kernel="mm/hugetlb.c:dissolve_free_hugetlb_folio", when=POISON)
    def poison(self, node: NODES):
        """A memory error in a free page of the node."""
        require(self.h.usable(node) > 0)
        self.h.dissolve_free_hugetlb_folio(node)

    @action(kernel="mm/hugetlb.c:dissolve_free_hugetlb_folios", when=OFFLINE)
    def dissolve(self, node: NODES) -> Errno:
        """Memory of a node goes offline: a free page of it leaves the pool
        (mm/hugetlb.c:dissolve_free_hugetlb_folio), unless all free pages are
        promised. Which nodes the promises need is not asked.
        offline_pages() goes on with the next page or fails; what is gone is gone
        either way."""
        require(self.h.usable(node) > 0)
        may_dissolve = self.may_dissolve()
        if not may_dissolve:
            return EBUSY
        self.h.remove_hugetlb_folio(node, True, self.dissolved_surplus(node))
        return OK

    def may_dissolve(self):
        """mm/hugetlb.c:dissolve_free_hugetlb_folio: "if all free pages are
        promised: -EBUSY" (since 4.9: 082d5b6b60e9)."""
        return self.h.available_huge_pages()

    def dissolved_surplus(self, node):
        """Return whether a free page that is dissolved counts as a surplus one."""
        return self.h.surplus_huge_pages_node[node] > 0


class Policies(Resizing):
    """Policies of tasks and VMAs, cpusets, and cgroups' tasks."""

    @action(kernel="mm/mempolicy.c:do_set_mempolicy", when=MEMPOLICY)
    def set_mempolicy(self, task: TASKS, nodes: SetOf(NODES)) -> Errno:
        """set_mempolicy(MPOL_BIND); no nodes: MPOL_DEFAULT."""
        self.mpol.mempolicy[task] = nodes
        return OK

    @action(kernel="mm/mempolicy.c:do_mbind", when=MBIND)
    def mbind(self, vma: VMAS, nodes: SetOf(NODES)) -> Errno:
        """mbind(MPOL_BIND) of a VMA without moving pages."""
        require(self.vm_mm[vma] is not None)
        self.mpol.vm_policy[vma] = nodes
        return OK

    @action(kernel="kernel/cgroup/cpuset.c:update_nodemask", when=CPUSET)
    def set_cpuset(self, task: TASKS, nodes: SetOf(NODES)) -> Errno:
        """A write to cpuset.mems, or a move to another cpuset; no nodes: all."""
        self.mpol.mems_allowed[task] = nodes
        return OK

    @action(kernel="kernel/cgroup/cgroup.c:cgroup_attach_task", when=CGROUP)
    def cgroup_attach(self, task: TASKS, cgroup: Maybe(CGROUPS)) -> Errno:
        """The task moves to a cgroup; what is charged stays charged."""
        if not CGROUP_MOVE:
            assume(
                all(self.vm_mm[v] != task for v in VMAS),
                "no task with VMAs moves to a cgroup",
            )
        self.cgroup.of[task] = cgroup
        return OK
