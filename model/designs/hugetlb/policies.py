# SPDX-License-Identifier: GPL-2.0-only
"""Who may use what: policies of tasks and VMAs, cpusets, and cgroups' tasks."""

from poolproof.model.blocks.errno import OK, Errno
from poolproof.model.blocks.numa import Mode
from poolproof.model.designs.hugetlb.names import (
    CGROUP,
    CGROUP_MOVE,
    CGROUPS,
    CPUSET,
    MBIND,
    MEMPOLICY,
    NODES,
    POLICIES,
    TASKS,
    VMAS,
)
from poolproof.model.designs.hugetlb.state import HugetlbState
from poolproof.model.language import Maybe, SetOf, action, assume, require


class Policies(HugetlbState):
    """set_mempolicy, mbind, cpuset.mems and cgroup.procs."""

    @action(kernel="mm/mempolicy.c:do_set_mempolicy", when=MEMPOLICY)
    def set_mempolicy(self, task: TASKS, nodes: SetOf(NODES)) -> Errno:
        """set_mempolicy(MPOL_BIND); no nodes: MPOL_DEFAULT."""
        self.mpol.mempolicy[task] = nodes
        self.mpol.mode[task] = Mode.BIND
        return OK

    @action(kernel="mm/mempolicy.c:do_set_mempolicy", when=POLICIES)
    def set_mempolicy_mode(self, task: TASKS, nodes: SetOf(NODES), mode: Mode) -> Errno:
        """set_mempolicy() with another mode than MPOL_BIND."""
        require(self.mpol.is_policy(nodes, mode))
        self.mpol.mempolicy[task] = nodes
        self.mpol.mode[task] = mode
        return OK

    @action(kernel="mm/mempolicy.c:do_mbind", when=MBIND)
    def mbind(self, vma: VMAS, nodes: SetOf(NODES)) -> Errno:
        """mbind(MPOL_BIND) of a VMA without moving pages."""
        require(self.vm_mm[vma] is not None)
        self.mpol.vm_policy[vma] = nodes
        self.mpol.vm_mode[vma] = Mode.BIND
        return OK

    @action(kernel="mm/mempolicy.c:do_mbind", when=(MBIND, POLICIES))
    def mbind_mode(self, vma: VMAS, nodes: SetOf(NODES), mode: Mode) -> Errno:
        """mbind() with another mode than MPOL_BIND."""
        require(self.vm_mm[vma] is not None and self.mpol.is_policy(nodes, mode))
        self.mpol.vm_policy[vma] = nodes
        self.mpol.vm_mode[vma] = mode
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
