# SPDX-License-Identifier: GPL-2.0-only
"""Node masks: cpusets, task policies and VMA policies (mm/mempolicy.c, v6.12);
and, for designs that try one node at a time, `NodeBinding`.

Only policies with MPOL_F_STATIC_NODES, and the default policy: what a cpuset's change
does to masks without that flag (mpol_rebind_nodemask) is left out. The empty mask is
"default" for a policy and "all nodes" for a cpuset. `Mempolicy` has MPOL_BIND only,
`ModalMempolicy` MPOL_PREFERRED and MPOL_INTERLEAVE, too.
"""

from enum import Enum
from typing import Any

from poolproof.model.blocks.errno import OK, Errno
from poolproof.model.language import (
    Block,
    Feature,
    Maybe,
    SetOf,
    action,
    domain,
    require,
    table,
)


class Mempolicy(Block):
    """What nodes a task may use, by its cpuset and by policies."""

    def __init__(
        self,
        tasks: Any,
        vmas: Any,
        nodes: Any,
        cpuset: Feature,
        task_policy: Feature,
        mbind: Feature,
    ) -> None:
        self.nodes = nodes
        self.mems_allowed = table(tasks, SetOf(nodes), when=cpuset)
        self.mempolicy = table(tasks, SetOf(nodes), when=task_policy)
        self.vm_policy = table(vmas, SetOf(nodes), when=mbind)

    def cpuset_current_mems_allowed(self, task):
        if len(self.mems_allowed[task]) == 0:
            return {n for n in self.nodes}
        return self.mems_allowed[task]

    def bound(self, policy, mems):
        """The nodes of ``mems`` under a policy. A MPOL_BIND mask without any
        node of the cpuset is not applied: mm/mempolicy.c:policy_nodemask."""
        both = policy & mems
        return mems if len(both) == 0 else both

    def policy_mbind_nodemask(self, task):
        """Where a reservation is checked: cpuset and task policy.
        mm/hugetlb.c:policy_mbind_nodemask."""
        return self.bound(self.mempolicy[task], self.cpuset_current_mems_allowed(task))

    def huge_node(self, vma, task):
        """Where a fault may take a page: the VMA's policy, else the task's.
        mm/mempolicy.c:huge_node."""
        policy = self.vm_policy[vma]
        if len(policy) == 0:
            policy = self.mempolicy[task]
        return self.bound(policy, self.cpuset_current_mems_allowed(task))

    def dup(self, vma, new):
        """mm/mempolicy.c:vma_dup_policy."""
        self.vm_policy[new] = self.vm_policy[vma]

    def forget(self, vma):
        self.vm_policy[vma] = set()


class Mode(Enum):
    """Modes of a memory policy, with the kernel's numbers
    (include/uapi/linux/mempolicy.h)."""

    PREFERRED = 1
    BIND = 2
    INTERLEAVE = 3


class ModalMempolicy(Mempolicy):
    """Policies with a mode. ``modes`` is the feature for others than MPOL_BIND; pages
    have the indices ``pages``. An allocation tries one node first: that of the CPU
    (None, because CPUs are on the first node), or the policy's."""

    def __init__(
        self,
        tasks: Any,
        vmas: Any,
        nodes: Any,
        cpuset: Feature,
        task_policy: Feature,
        mbind: Feature,
        modes: Feature,
        pages: Any,
    ) -> None:
        super().__init__(tasks, vmas, nodes, cpuset, task_policy, mbind)
        self.pages = pages
        self.mode = table(tasks, Mode, init=Mode.BIND, when=(modes, task_policy))
        self.vm_mode = table(vmas, Mode, init=Mode.BIND, when=(modes, mbind))

    def is_policy(self, nodes, mode):
        """Return whether a policy with another mode than MPOL_BIND can have these
        nodes: MPOL_PREFERRED has one, MPOL_INTERLEAVE at least one."""
        if mode == Mode.PREFERRED:
            return len(nodes) == 1
        return mode == Mode.INTERLEAVE and len(nodes) > 0

    def mask(self, policy, mode, mems):
        """mm/mempolicy.c:policy_nodemask: only MPOL_BIND limits an allocation."""
        return self.bound(policy, mems) if mode == Mode.BIND else mems

    def policy_mbind_nodemask(self, task):
        mems = self.cpuset_current_mems_allowed(task)
        return self.mask(self.mempolicy[task], self.mode[task], mems)

    def huge_node(self, vma, task):
        mems = self.cpuset_current_mems_allowed(task)
        if len(self.vm_policy[vma]) == 0:
            return self.mask(self.mempolicy[task], self.mode[task], mems)
        return self.mask(self.vm_policy[vma], self.vm_mode[vma], mems)

    def first_node(self, vma, task, index):
        """Return the node that a fault tries first; None for that of the CPU."""
        if len(self.vm_policy[vma]) == 0:
            return self.first_of_task(task, index)
        return self.nid(self.vm_policy[vma], self.vm_mode[vma], task, index)

    def first_of_task(self, task, index):
        """Return the node that an allocation without a VMA tries first."""
        return self.nid(self.mempolicy[task], self.mode[task], task, index)

    def nid(self, policy, mode, task, index):
        """Return the node that mm/mempolicy.c:policy_nodemask sets, None if none."""
        found = None
        if mode == Mode.PREFERRED:
            for n in self.nodes:
                if n in policy:
                    found = n
        if mode == Mode.INTERLEAVE:
            mems = self.cpuset_current_mems_allowed(task)
            found = self.interleave_nid(self.bound(policy, mems), index)
        return found

    def interleave_nid(self, nodes, index):
        """Return the node of a page, where nodes take turns by page index: the
        function has this name in mm/mempolicy.c, too."""
        found = None
        turn = 0
        for _round in self.pages:
            for n in self.nodes:
                if n in nodes:
                    if turn == index:
                        found = n
                    turn += 1
        return found

    def dup(self, vma, new):
        self.vm_policy[new] = self.vm_policy[vma]
        self.vm_mode[new] = self.vm_mode[vma]

    def forget(self, vma):
        self.vm_policy[vma] = set()
        self.vm_mode[vma] = Mode.BIND


class NodeBinding(Block):
    """The one node that each of ``holders`` is bound to, or None for all: what
    a cpuset comes to where only one node at a time is tried.

    Hook: ``is_there(holder)``, whether the mapping exists.
    """

    holders, nodes = domain(), domain()

    def __init__(self, holders: Any, nodes: Any, when: Any) -> None:
        self.holders, self.nodes, self.when = holders, nodes, when
        self.mems = table(holders, Maybe(nodes), when=when)

    def allowed(self, holder, node):
        return self.mems[holder] is None or self.mems[holder] == node

    def copy(self, holder, new):
        self.mems[new] = self.mems[holder]

    def forget(self, holder):
        self.mems[holder] = None

    @action(kernel="kernel/cgroup/cpuset.c:cpuset_write_resmask", when="when")
    def bind(self, holder: holders, node: nodes) -> Errno:
        """cpuset.mems of the holder's task becomes one node."""
        require(self.design.is_there(holder) and self.mems[holder] != node)
        self.mems[holder] = node
        return OK
