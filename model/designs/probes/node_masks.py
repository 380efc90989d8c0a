# SPDX-License-Identifier: GPL-2.0-only
"""Node masks by themselves: model.blocks.numa with nothing else.

A task has a cpuset and a policy, its VMA a policy of its own; all three may
change after a reservation was checked. What the block leaves out, this does.
"""

from poolproof.model.blocks.numa import Mempolicy
from poolproof.model.language import (
    Bool,
    Bound,
    Design,
    Feature,
    Scalarset,
    SetOf,
    action,
    observer,
    require,
    table,
)

N = Bound("N", 3, doc="nodes")
T = Bound("T", 1, doc="tasks, each with one VMA")

NODES = Scalarset("NODES", N, prefix="n")
TASKS = Scalarset("TASKS", T, prefix="t")

CPUSET = Feature("cpuset", doc="cpuset.mems is written")
MEMPOLICY = Feature("mempolicy", doc="set_mempolicy(MPOL_BIND)")
MBIND = Feature("mbind", doc="mbind(MPOL_BIND)")


class NodeMasks(Design):
    """Where tasks may allocate, and where a reservation was checked."""

    mpol = Mempolicy(TASKS, TASKS, NODES, CPUSET, MEMPOLICY, MBIND)
    reserved = table(TASKS, Bool())
    checked = table(TASKS, SetOf(NODES), doc="the mask that the reservation saw")

    @observer
    def mems(self, task: TASKS):
        return self.mpol.cpuset_current_mems_allowed(task)

    @observer
    def huge_node(self, task: TASKS):
        """Where a fault may take a page."""
        return self.mpol.huge_node(task, task)

    @action(kernel="mm/hugetlb.c:hugetlb_acct_memory")
    def reserve(self, task: TASKS):
        """mmap: enough pages are asked of the nodes of policy and cpuset."""
        require(not self.reserved[task])
        self.reserved[task] = True
        self.checked[task] = self.mpol.policy_mbind_nodemask(task)

    @action(kernel="mm/hugetlb.c:hugetlb_vm_op_close")
    def unreserve(self, task: TASKS):
        require(self.reserved[task])
        self.reserved[task] = False
        self.checked[task] = set()
        self.mpol.forget(task)

    @action(kernel="kernel/cgroup/cpuset.c:update_nodemask", when=CPUSET)
    def set_cpuset(self, task: TASKS, nodes: SetOf(NODES)):
        self.mpol.mems_allowed[task] = nodes

    @action(kernel="mm/mempolicy.c:do_set_mempolicy", when=MEMPOLICY)
    def set_mempolicy(self, task: TASKS, nodes: SetOf(NODES)):
        self.mpol.mempolicy[task] = nodes

    @action(kernel="mm/mempolicy.c:do_mbind", when=MBIND)
    def mbind(self, task: TASKS, nodes: SetOf(NODES)):
        require(self.reserved[task])
        self.mpol.vm_policy[task] = nodes
