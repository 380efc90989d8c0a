# SPDX-License-Identifier: GPL-2.0-only
"""Two tasks, the locks of a hugetlb fault, and what goes wrong without them.

The order of mm/hugetlb.c, v6.12: mmap_lock, the fault mutex of the index,
i_mmap_rwsem (hugetlb_fault takes it to share page tables), hugetlb_lock. The features
are mistakes, one each: with `inverted` truncation takes i_mmap_rwsem before the fault
mutex, with `unlocked` a fault changes the counter without hugetlb_lock, with
`sleeping` it takes another mutex under it.
"""

from enum import Enum

from poolproof.model.blocks.locks import LockOrder, Mutex, Rwsem, Spinlock
from poolproof.model.language import (
    Bound,
    Counter,
    Design,
    Feature,
    Int,
    Scalarset,
    action,
    require,
    var,
)

T = Bound("T", 2, doc="tasks")
TASKS = Scalarset("TASKS", T, prefix="t")
INDICES = Int(0, 1)
ONE = Int(0, 0)

INVERTED = Feature("inverted", False, "i_mmap_rwsem before the fault mutex")
UNLOCKED = Feature("unlocked", False, "the counter changes without hugetlb_lock")
SLEEPING = Feature("sleeping", False, "a fault mutex is taken under hugetlb_lock")
LOCKDEP = Feature("lockdep", False, "the order of locks is noted")


class Lock(Enum):
    """The classes of locks."""

    MMAP_LOCK = 0
    FAULT_MUTEX = 1
    I_MMAP_RWSEM = 2
    HUGETLB_LOCK = 3


SPINLOCKS = frozenset({Lock.HUGETLB_LOCK})


class Locks(Design):
    """One counter, and the locks taken on the way to it."""

    free_huge_pages = var(Counter(2), init=2)
    in_use = var(Counter(2))
    order = LockOrder(TASKS, Lock, SPINLOCKS, LOCKDEP)
    mmap_lock = Rwsem(TASKS, ONE, "waits for mmap_lock", Lock.MMAP_LOCK)
    fault_mutex = Mutex(TASKS, INDICES, "waits for a fault mutex", Lock.FAULT_MUTEX)
    i_mmap_rwsem = Rwsem(TASKS, ONE, "waits for i_mmap_rwsem", Lock.I_MMAP_RWSEM)
    hugetlb_lock = Spinlock(TASKS, ONE, "waits for hugetlb_lock", Lock.HUGETLB_LOCK)

    def lock_order(self):
        """Return what the locks tell."""
        return self.order

    @action(kernel="mm/hugetlb.c:hugetlb_fault")
    def fault(self, t: TASKS, index: INDICES):
        """Take a page."""
        yield from self.mmap_lock.down_read(t, 0)
        yield from self.fault_mutex.mutex_lock(t, index)
        yield from self.i_mmap_rwsem.down_read(t, 0)
        if UNLOCKED:
            free = self.free_huge_pages
            yield "has read free_huge_pages"
            if free > 0:
                self.free_huge_pages = free - 1
                self.in_use += 1
        else:
            yield from self.hugetlb_lock.spin_lock(t, 0)
            if SLEEPING:
                yield from self.fault_mutex.mutex_lock(t, 1 - index)
                self.fault_mutex.mutex_unlock(t, 1 - index)
            if self.free_huge_pages > 0:
                self.free_huge_pages -= 1
                self.in_use += 1
            self.hugetlb_lock.spin_unlock(t, 0)
        self.i_mmap_rwsem.up_read(t, 0)
        self.fault_mutex.mutex_unlock(t, index)
        self.mmap_lock.up_read(t, 0)

    @action(kernel="fs/hugetlbfs/inode.c:remove_inode_hugepages")
    def truncate(self, t: TASKS, index: INDICES):
        """Unmap a page of the file; it stays in use."""
        if INVERTED:
            yield from self.i_mmap_rwsem.down_write(t, 0)
            yield from self.fault_mutex.mutex_lock(t, index)
        else:
            yield from self.fault_mutex.mutex_lock(t, index)
            yield from self.i_mmap_rwsem.down_write(t, 0)
        self.i_mmap_rwsem.up_write(t, 0)
        self.fault_mutex.mutex_unlock(t, index)

    @action(kernel="mm/mmap.c:vm_munmap")
    def munmap(self, t: TASKS):
        """Give the pages back."""
        require(self.in_use > 0)
        yield from self.mmap_lock.down_write(t, 0)
        yield from self.hugetlb_lock.spin_lock(t, 0)
        self.free_huge_pages += self.in_use
        self.in_use = 0
        self.hugetlb_lock.spin_unlock(t, 0)
        self.mmap_lock.up_write(t, 0)
