# SPDX-License-Identifier: GPL-2.0-only
"""Who may allocate where: cpusets, policies, and files that are handed over.

The masks are those of the task that faults, and the file's shared policy. A
change that leaves somebody who maps a file without a node that the file has
rights on is refused, or (``cpuset_unchecked``) made, as it is today.
"""

from poolproof.model.blocks.errno import EBUSY, OK, Errno
from poolproof.model.designs.global_pool.memory import PoolMemory
from poolproof.model.designs.global_pool.names import (
    CPUSET_UNCHECKED,
    HANDOVER,
    HANDOVER_UNCHECKED,
    HOLE_UNCHECKED,
    LIMIT_CHANGE,
)
from poolproof.model.designs.names import (
    FILES,
    MBIND,
    MEMPOLICY,
    NODES,
    NUMA,
    TASKS,
)
from poolproof.model.language import SetOf, action, require


class Policies(PoolMemory):
    """Masks that change while promises wait."""

    def counts(self, file, node):
        """Whether the file has a right on the node that a change must leave.
        A page counts, for a hole makes a promise of it."""
        if HOLE_UNCHECKED:
            return self.promise[file, node] > 0
        return self.is_file(file) and self.rights(file, node) > 0

    def all_served(self):
        """Whether all who map a file may allocate where it has rights."""
        return all(
            self.is_common(f, n) or not self.counts(f, n) for f in FILES for n in NODES
        )

    @action(kernel="kernel/cgroup/cpuset.c:update_nodemask", when=NUMA)
    def bind(self, task: TASKS, nodes: SetOf(NODES)) -> Errno:
        """cpuset.mems of the task's cgroup is written. The empty mask stands
        for all nodes, here and below."""
        require(len(nodes) != len(NODES) and nodes != self.mpol.mems_allowed[task])
        before = self.mpol.mems_allowed[task]
        self.mpol.mems_allowed[task] = nodes
        if not CPUSET_UNCHECKED and not self.all_served():
            self.mpol.mems_allowed[task] = before
            return EBUSY
        return OK

    @action(kernel="mm/mempolicy.c:do_set_mempolicy", when=MEMPOLICY)
    def set_mempolicy(self, task: TASKS, nodes: SetOf(NODES)) -> Errno:
        require(len(nodes) != len(NODES) and nodes != self.mpol.mempolicy[task])
        before = self.mpol.mempolicy[task]
        self.mpol.mempolicy[task] = nodes
        if not CPUSET_UNCHECKED and not self.all_served():
            self.mpol.mempolicy[task] = before
            return EBUSY
        return OK

    @action(kernel="mm/mempolicy.c:mpol_set_shared_policy", when=MBIND)
    def mbind(self, task: TASKS, file: FILES, nodes: SetOf(NODES)) -> Errno:
        """The file's shared policy."""
        require(self.maps[task, file] and len(nodes) != len(NODES))
        require(nodes != self.mpol.vm_policy[file])
        before = self.mpol.vm_policy[file]
        self.mpol.vm_policy[file] = nodes
        if not CPUSET_UNCHECKED and not self.all_served():
            self.mpol.vm_policy[file] = before
            return EBUSY
        return OK

    @action(kernel="net/core/scm.c:scm_detach_fds", when=HANDOVER)
    def receive(self, task: TASKS, file: FILES) -> Errno:
        """Another task gets the file, and maps it; it may be bound elsewhere."""
        require(self.is_file(file) and not self.maps[task, file])
        self.maps[task, file] = True
        if not HANDOVER_UNCHECKED and not self.all_served():
            self.maps[task, file] = False
            return EBUSY
        if LIMIT_CHANGE:
            self.memfd_of[file] = None
        return OK
