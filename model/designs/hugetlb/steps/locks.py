# SPDX-License-Identifier: GPL-2.0-only
"""The locks of hugetlb, and the folio that a task has in hand between two of them."""

from poolproof.model.blocks.folio import Folios
from poolproof.model.blocks.hstate import Hstate
from poolproof.model.blocks.locks import Mutex, Rwsem, Spinlock
from poolproof.model.blocks.reserve_map import ChargedResvMap
from poolproof.model.designs.hugetlb.administration import Resizing
from poolproof.model.designs.hugetlb.names import (
    CGROUP,
    CGROUPS,
    FILES,
    FORK,
    MOUNT,
    NODES,
    ONE,
    PAGES,
    PRIVATE_FILES,
    RESIZE,
    STEP,
    TASKS,
    VMAS,
    P,
    T,
)
from poolproof.model.designs.hugetlb.policies import Policies
from poolproof.model.designs.hugetlb.state import HugetlbState
from poolproof.model.language import (
    Bool,
    Feature,
    Int,
    Maybe,
    made_like,
    require,
    table,
    var,
)

STEPS = Feature(
    "steps",
    False,
    "tasks interleave where the kernel drops a lock",
    assuming="one lock is held throughout each call",
)


class SharedHstate(Hstate):
    """A pool for which a task may have fresh pages that no counter has yet."""

    def room(self, nid):
        return super().room(nid) - self.design.unlisted_on(nid)


class Locking(Policies, Resizing):
    """Who holds which lock, and what a task has in hand: a folio that is not yet in a
    page table or the page cache, or is no longer there."""

    h = made_like(HugetlbState.h, SharedHstate)
    i_resv_map = made_like(HugetlbState.i_resv_map, ChargedResvMap, most=T * P)
    inode_lock = Mutex(TASKS, FILES, "waits for inode_lock")
    fault_mutex = Mutex(TASKS, PAGES, "waits for the fault mutex")
    vma_lock = Rwsem(TASKS, VMAS, "waits for the vma_lock")
    i_mmap_rwsem = Rwsem(TASKS, FILES, "waits for i_mmap_rwsem")
    resize_lock = Mutex(TASKS, ONE, "waits for resize_lock")
    hugetlb_lock = Spinlock(TASKS, ONE, "waits for hugetlb_lock")
    unheld = var(Bool(), doc="lockdep_assert_held(&hugetlb_lock) has failed")
    open_file = table(TASKS, Maybe(FILES), when=MOUNT, doc="what its call is about")
    folio = Folios(TASKS, ONE, NODES, CGROUPS, None, CGROUP)
    folio_restore = table(TASKS, Bool(), doc="HPAGE_RESTORE_RESERVE of that folio")
    unlisted = table(
        TASKS, NODES, Int(0, STEP), when=RESIZE, doc="fresh pages, not in the pool yet"
    )

    def unlisted_on(self, nid):
        """Return how many fresh pages of the node are in no pool yet."""
        return sum(self.unlisted[t, nid] for t in TASKS)

    # -- hugetlb_lock --

    def lock(self, task):
        """spin_lock_irq(&hugetlb_lock)."""
        if STEPS:
            yield from self.hugetlb_lock.spin_lock(task, 0)

    def unlock(self, task):
        """spin_unlock_irq(&hugetlb_lock)."""
        if STEPS:
            self.hugetlb_lock.spin_unlock(task, 0)

    def relock(self, task):
        """The lock is dropped, and taken again."""
        if STEPS:
            self.hugetlb_lock.spin_unlock(task, 0)
            yield from self.hugetlb_lock.spin_lock(task, 0)

    def by_nobody(self):
        """A critical section begins in a context outside the tasks."""
        require(self.hugetlb_lock.holder[0] is None)

    # -- locks that sleep --

    def lock_inode(self, task, file):
        """inode_lock() of a file that the task has open."""
        if MOUNT:
            self.open_file[task] = file
        if STEPS:
            yield from self.inode_lock.mutex_lock(task, file)

    def unlock_inode(self, task, file):
        """inode_unlock()."""
        self.open_file[task] = None
        if STEPS:
            self.inode_lock.mutex_unlock(task, file)

    def lock_index(self, task, page, shared):
        """The fault mutex of a file's index. Nobody else waits for that of a mapping's
        own object, unless there are children."""
        if STEPS and (shared or FORK or PRIVATE_FILES):
            yield from self.fault_mutex.mutex_lock(task, page)

    def unlock_index(self, task, page, shared):
        """As `lock_index`."""
        if STEPS and (shared or FORK or PRIVATE_FILES):
            self.fault_mutex.mutex_unlock(task, page)

    def has_vma_lock(self, vma):
        """Return whether a fault takes the VMA's lock, and it matters: it does for a
        private mapping of a file, whose lock is part of its reserve map. Without
        a reserve map there is no lock. Pages of shared mappings are in no page table
        here, so nobody unmaps them under the lock."""
        return PRIVATE_FILES and self.vm_private[vma] and self.resv_owner[vma]

    def hugetlb_vma_lock_read(self, task, vma):
        """mm/hugetlb.c:hugetlb_vma_lock_read."""
        if STEPS and PRIVATE_FILES and self.has_vma_lock(vma):
            yield from self.vma_lock.down_read(task, vma)

    def hugetlb_vma_unlock_read(self, task, vma):
        """mm/hugetlb.c:hugetlb_vma_unlock_read."""
        if STEPS and PRIVATE_FILES and self.has_vma_lock(vma):
            self.vma_lock.up_read(task, vma)

    def hugetlb_vma_trylock_write(self, task, vma):
        """mm/hugetlb.c:hugetlb_vma_trylock_write. Return whether it succeeded."""
        if STEPS and self.has_vma_lock(vma):
            return self.vma_lock.down_write_trylock(task, vma)
        return True

    def hugetlb_vma_unlock_write(self, task, vma):
        """mm/hugetlb.c:hugetlb_vma_unlock_write."""
        if STEPS and self.has_vma_lock(vma):
            self.vma_lock.up_write(task, vma)

    def i_mmap_lock_write(self, task, file):
        """include/linux/fs.h:i_mmap_lock_write. Only tasks that unmap a private page of
        the file have to wait; None is no file."""
        if STEPS and PRIVATE_FILES and file is not None:
            yield from self.i_mmap_rwsem.down_write(task, file)

    def i_mmap_unlock_write(self, task, file):
        """include/linux/fs.h:i_mmap_unlock_write."""
        if STEPS and PRIVATE_FILES and file is not None:
            self.i_mmap_rwsem.up_write(task, file)

    # -- the folio in hand --

    def hold(self, task, folio_of, owner, page):
        """The task has the folio of a page table or page cache in hand."""
        self.folio.set(
            task,
            0,
            folio_of.node[owner, page],
            folio_of.cg[owner, page],
            folio_of.cg_rsvd[owner, page],
        )

    def place(self, task, folio_of, owner, page):
        """The folio in hand goes into a page table or page cache."""
        folio_of.set(
            owner,
            page,
            self.folio.node[task, 0],
            self.folio.cg[task, 0],
            self.folio.cg_rsvd[task, 0],
        )
        self.let_go(task)

    def let_go(self, task):
        """The task has no folio in hand any more."""
        self.folio.clear(task, 0)
        self.folio_restore[task] = False

    def put_steps(self, task, spool):
        """include/linux/mm.h:folio_put of the folio in hand, and
        mm/hugetlb.c:free_huge_folio: first the subpool, then the pool."""
        if not self.folio_restore[task]:
            rsv = self.hugepage_subpool_put_pages(spool, 1)
            self.folio_restore[task] = rsv == 0
        yield from self.lock(task)
        self.free_to_pool(
            self.folio.node[task, 0],
            self.folio_restore[task],
            self.folio.cg[task, 0],
            self.folio.cg_rsvd[task, 0],
        )
        self.let_go(task)
        self.unlock(task)
