# SPDX-License-Identifier: GPL-2.0-only
"""hugetlb with several tasks at once: the calls of `Hugetlb`, interleaved at their
locks, Linux 6.12. mm/hugetlb.c, fs/hugetlbfs/inode.c.

The pieces are those of `Hugetlb`. Here they stand between `yield`s, where the kernel
drops a lock or has not taken it yet. Without the feature "steps" nothing yields, as
if one lock were held all the time; then the design does what `Hugetlb` does. Locks:
inode_lock of a file (mmap, ftruncate, fallocate and holes), the fault mutex of an
index, the lock of a VMA as far as it matters (`has_vma_lock`), resize_lock,
hugetlb_lock. The lock of a reserve map, that of a subpool and page table locks are
held for one step each. mmap_lock is implicit: a VMA belongs to a task, which does one
thing at a time. cpuset.mems and cgroup.procs may be written while a task is in a
call.

Left out: i_mmap_rwsem, folio locks; a reservation that needs more than OC + 1 surplus
pages gives up. Fault mutexes are by index alone: two files with the same index share
one, as may happen with the kernel's hash.

Each file has a class that builds on the one before: locks, pool (promises, sizes),
reserve (mmap), fault, userfault, vmas (munmap, exit, fork, pins), files (truncation,
holes, fallocate, mounts).
"""

from typing import Any

from poolproof.model.blocks.errno import Errno
from poolproof.model.designs.hugetlb.names import (
    CGROUP,
    CGROUP_MOVE,
    CGROUPS,
    CPUSET,
    DEMOTE,
    DROP_CACHES,
    FRAGMENTS,
    GIGANTIC_MMAP,
    MBIND,
    MEMCG,
    MEMFD,
    MIGRATE,
    MREMAP,
    MREMAP_MIDDLE,
    MREMAP_PART,
    NODES,
    POISON,
    POLICIES,
    READ_ONLY,
    READAHEAD,
    REMOTE,
    RESIZE_NODE,
    SHM,
    SOFT_OFFLINE,
    SPLIT,
    TASKS,
    UNLINK,
)
from poolproof.model.designs.hugetlb.steps.files import FileSteps
from poolproof.model.designs.hugetlb.steps.locks import STEPS
from poolproof.model.language import Design, Maybe, SetOf, action


class HugetlbSteps(FileSteps, Design):
    """hugetlb of Linux 6.12 with several tasks."""

    lacks = (
        DEMOTE,
        DROP_CACHES,
        FRAGMENTS,
        GIGANTIC_MMAP,
        MBIND,
        MEMCG,
        MEMFD,
        MIGRATE,
        MREMAP,
        MREMAP_MIDDLE,
        MREMAP_PART,
        POISON,
        POLICIES,
        READ_ONLY,
        READAHEAD,
        REMOTE,
        RESIZE_NODE,
        SHM,
        SOFT_OFFLINE,
        SPLIT,
        UNLINK,
    )

    touch: Any = None
    uffd_copy: Any = None
    uffd_copy_retry: Any = None
    munmap: Any = None
    munmap_range: Any = None
    madvise_dontneed: Any = None
    fork: Any = None
    pin: Any = None
    truncate: Any = None
    punch_hole: Any = None
    punch_hole_enomem: Any = None
    mount: Any = None
    umount: Any = None
    set_nr_hugepages: Any = None

    @action(
        kernel="kernel/cgroup/cgroup.c:cgroup_attach_task",
        when=(CGROUP, CGROUP_MOVE, STEPS),
    )
    def cgroup_procs(self, who: TASKS, cgroup: Maybe(CGROUPS)) -> Errno:
        """A task moves to a cgroup, perhaps in the middle of a call."""
        return self.cgroup_attach(who, cgroup)

    @action(kernel="kernel/cgroup/cpuset.c:update_nodemask", when=(CPUSET, STEPS))
    def cpuset_mems(self, who: TASKS, nodes: SetOf(NODES)) -> Errno:
        """A write to the cpuset.mems of a task, perhaps in the middle of a call."""
        return self.set_cpuset(who, nodes)
