# SPDX-License-Identifier: GPL-2.0-only
"""The locks of hugetlb around one page of a shared file, and their order.

mm/hugetlb.c, fs/hugetlbfs/inode.c and mm/migrate.c of Linux 6.12: mmap_lock,
inode_lock, the fault mutex, the VMA's lock, i_mmap_rwsem, the folio lock, hugetlb_lock.
Two paths take them in the opposite order: truncation finds VMAs through i_mmap_rwsem,
and migration begins with the folio. Both try the next lock, and start again or give up
if somebody holds it. Each feature is a mistake: a path waits instead.

Left out: the page table lock, a folio of anonymous memory, locks of reserve maps and
subpools, a VMA that is gone when its lock was waited for; what the locks protect.
"""

from enum import Enum

from poolproof.model.blocks.errno import EAGAIN, OK, Errno
from poolproof.model.blocks.locks import LockOrder, Mutex, Rwsem, Spinlock
from poolproof.model.language import (
    Bound,
    Design,
    Feature,
    Int,
    Scalarset,
    action,
)

T = Bound("T", 2, doc="tasks")
TASKS = Scalarset("TASKS", T, prefix="t")
ONE = Int(0, 0)

TRUNCATE_WAITS = Feature(
    "truncate_waits", False, "truncation waits for a VMA's lock under i_mmap_rwsem"
)
MIGRATE_WAITS = Feature(
    "migrate_waits", False, "migration waits for a VMA's lock under the folio lock"
)
LOCKDEP = Feature("lockdep", False, "the order of locks is recorded")


class Lock(Enum):
    """The classes of locks."""

    MMAP_LOCK = 0
    INODE_LOCK = 1
    FAULT_MUTEX = 2
    VMA_LOCK = 3
    I_MMAP_RWSEM = 4
    FOLIO_LOCK = 5
    HUGETLB_LOCK = 6


SPINLOCKS = frozenset({Lock.HUGETLB_LOCK})


class FaultLocks(Design):
    """The locks around a page of a file that one VMA maps."""

    order = LockOrder(TASKS, Lock, SPINLOCKS, LOCKDEP)
    mmap_lock = Rwsem(TASKS, ONE, "waits for mmap_lock", Lock.MMAP_LOCK)
    inode_lock = Mutex(TASKS, ONE, "waits for inode_lock", Lock.INODE_LOCK)
    fault_mutex = Mutex(TASKS, ONE, "waits for the fault mutex", Lock.FAULT_MUTEX)
    vma_lock = Rwsem(TASKS, ONE, "waits for the VMA's lock", Lock.VMA_LOCK)
    i_mmap_rwsem = Rwsem(TASKS, ONE, "waits for i_mmap_rwsem", Lock.I_MMAP_RWSEM)
    folio_lock = Mutex(TASKS, ONE, "waits for the folio lock", Lock.FOLIO_LOCK)
    hugetlb_lock = Spinlock(TASKS, ONE, "waits for hugetlb_lock", Lock.HUGETLB_LOCK)

    def lock_order(self):
        """Return the order of the locks."""
        return self.order

    def pool(self, t):
        """A page leaves the pool, or comes back."""
        yield from self.hugetlb_lock.spin_lock(t, 0)
        self.hugetlb_lock.spin_unlock(t, 0)

    @action(kernel="mm/hugetlb.c:hugetlb_fault")
    def fault(self, t: TASKS):
        """Page tables are shared under i_mmap_rwsem (huge_pmd_share); the page is
        allocated, and locked in hugetlb_no_page."""
        yield from self.mmap_lock.down_read(t, 0)
        yield from self.fault_mutex.mutex_lock(t, 0)
        yield from self.vma_lock.down_read(t, 0)
        yield from self.i_mmap_rwsem.down_read(t, 0)
        self.i_mmap_rwsem.up_read(t, 0)
        yield from self.pool(t)
        yield from self.folio_lock.mutex_lock(t, 0)
        self.folio_lock.mutex_unlock(t, 0)
        self.vma_lock.up_read(t, 0)
        self.fault_mutex.mutex_unlock(t, 0)
        self.mmap_lock.up_read(t, 0)

    @action(kernel="fs/hugetlbfs/inode.c:hugetlbfs_file_mmap")
    def mmap(self, t: TASKS):
        """The reservation, under inode_lock."""
        yield from self.mmap_lock.down_write(t, 0)
        yield from self.inode_lock.mutex_lock(t, 0)
        yield from self.pool(t)
        self.inode_lock.mutex_unlock(t, 0)
        self.mmap_lock.up_write(t, 0)

    @action(kernel="mm/hugetlb.c:__unmap_hugepage_range")
    def munmap(self, t: TASKS):
        """mm/hugetlb.c:__hugetlb_zap_begin takes the locks."""
        yield from self.mmap_lock.down_write(t, 0)
        yield from self.vma_lock.down_write(t, 0)
        yield from self.i_mmap_rwsem.down_write(t, 0)
        yield from self.pool(t)
        self.i_mmap_rwsem.up_write(t, 0)
        self.vma_lock.up_write(t, 0)
        self.mmap_lock.up_write(t, 0)

    @action(kernel="fs/hugetlbfs/inode.c:remove_inode_hugepages")
    def truncate(self, t: TASKS):
        """A hole: its page is unmapped under the fault mutex
        (hugetlb_unmap_file_folio), and removed under the folio lock."""
        yield from self.inode_lock.mutex_lock(t, 0)
        yield from self.fault_mutex.mutex_lock(t, 0)
        yield from self.i_mmap_rwsem.down_write(t, 0)
        if TRUNCATE_WAITS:
            yield from self.vma_lock.down_write(t, 0)
        else:
            free = self.vma_lock.down_write_trylock(t, 0)
            if not free:
                self.i_mmap_rwsem.up_write(t, 0)
                yield from self.vma_lock.down_write(t, 0)
                yield from self.i_mmap_rwsem.down_write(t, 0)
        self.vma_lock.up_write(t, 0)
        self.i_mmap_rwsem.up_write(t, 0)
        yield from self.folio_lock.mutex_lock(t, 0)
        yield from self.pool(t)
        self.folio_lock.mutex_unlock(t, 0)
        self.fault_mutex.mutex_unlock(t, 0)
        self.inode_lock.mutex_unlock(t, 0)

    @action(kernel="mm/migrate.c:unmap_and_move_huge_page")
    def migrate(self, t: TASKS) -> Errno:
        """mm/hugetlb.c:hugetlb_folio_mapping_lock_write tries i_mmap_rwsem,
        mm/rmap.c:try_to_migrate_one the VMA's lock."""
        yield from self.folio_lock.mutex_lock(t, 0)
        found = self.i_mmap_rwsem.down_write_trylock(t, 0)
        if not found:
            self.folio_lock.mutex_unlock(t, 0)
            return EAGAIN
        free = True
        if MIGRATE_WAITS:
            yield from self.vma_lock.down_write(t, 0)
        else:
            free = self.vma_lock.down_write_trylock(t, 0)
        if free:
            self.vma_lock.up_write(t, 0)
            yield from self.pool(t)
        self.i_mmap_rwsem.up_write(t, 0)
        self.folio_lock.mutex_unlock(t, 0)
        return OK if free else EAGAIN
