# SPDX-License-Identifier: GPL-2.0-only
"""Strict overcommit beside a pool: how it treats tasks that do not use the pool.

Source: mm/util.c:__vm_enough_memory and vm_commit_limit, v6.12, with
vm.overcommit_memory = 2 and vm.overcommit_ratio = 100; mm/hugetlb.c.

Modelled: a machine of ``ram`` pages of which a pool has some, and others'
private writable memory: charged by length when mapped, touched later; users of the
pool, and what they are charged. The limit leaves out hugetlb's pages; a pool that is
a type of pageblocks, or a zone, is in totalram_pages() and nothing takes it out.
``grow``: writes to nr_hugepages, which take free pages and look at no commitment.
``swap``: others' pages go to swap, which the limit counts. Left out: a task's second
mapping, the reserves for root and for a user, other ratios, memory of the kernel
itself.

One class for each pool: hugetlb, and guest_memfd on its pages; CMA areas; Reserved THP,
as posted, planned or behind files; TAO; a global pool that lends. Without a
pool: THP, and files of shmem.
"""

from typing import Any

from poolproof.model.blocks.errno import ENOMEM, ENOSPC, OK, OOM, Errno
from poolproof.model.designs.names import SLOTS, SWAP_ON
from poolproof.model.language import (
    Block,
    Bool,
    Bound,
    Design,
    Feature,
    Int,
    Scalarset,
    action,
    assume,
    observer,
    require,
    table,
    var,
)

RAM = Bound("ram", 5, doc="pages of the machine: totalram_pages()")
POOL = Bound("pool", 2, doc="pages that the pool may have")
T = Bound("T", 2, doc="tasks that do not use the pool")

TASKS = Scalarset("TASKS", T, prefix="t")

GROW = Feature("grow", False, "nr_hugepages is written at runtime")


class CommitLimit(Design):
    """Strict overcommit beside hugetlb: tasks whose mappings were accepted."""

    nr = var(Int(0, POOL), init=POOL, doc="pages that only the pool's users get")
    granted = var(Int(0, POOL), init=0, doc="... that its users were promised")
    committed = table(TASKS, Int(0, RAM), doc="vm_committed_as, by task")
    touched = table(TASKS, Int(0, RAM), doc="pages in memory")
    swapped = table(TASKS, Int(0, SLOTS), when=SWAP_ON)
    failed = var(Bool(), doc="memory that was accepted was not there")

    # -- the account --

    @observer
    def users_charged(self):
        """Pages of the pool's users in vm_committed_as: none for hugetlb."""
        return 0

    @observer
    def vm_committed_as(self):
        return sum(self.committed[t] for t in TASKS) + self.users_charged()

    @observer
    def hugetlb_total_pages(self):
        return self.nr

    @observer
    def vm_commit_limit(self):
        swap = SLOTS if SWAP_ON else 0
        return RAM - self.hugetlb_total_pages() + swap

    def enough(self, pages):
        """mm/util.c:__vm_enough_memory: the sum stays below the limit, not at it."""
        return self.vm_committed_as() + pages < self.vm_commit_limit()

    # -- memory --

    @observer
    def free(self):
        """Pages that a movable request of others can get."""
        return RAM - self.nr - sum(self.touched[t] for t in TASKS)

    def can_reclaim(self):
        """Return whether some page of others can go to swap."""
        return (
            SWAP_ON
            and sum(self.swapped[t] for t in TASKS) < SLOTS
            and any(self.touched[t] > 0 for t in TASKS)
        )

    # -- others --

    @action(kernel="mm/util.c:__vm_enough_memory")
    def mmap(self, task: TASKS, pages: Int(1, RAM)) -> Errno:
        """Private writable memory."""
        require(self.committed[task] == 0)
        if not self.enough(pages):
            return ENOMEM
        self.committed[task] = pages
        return OK

    @action(kernel="mm/memory.c:do_anonymous_page")
    def touch(self, task: TASKS) -> Errno:
        require(self.touched[task] + self.swapped[task] < self.committed[task])
        if self.free() == 0:
            assume(
                not self.can_reclaim(), "a fault waits while something can be reclaimed"
            )
            self.failed = True
            return OOM
        self.touched[task] += 1
        return OK

    @action(kernel="mm/vmscan.c:shrink_folio_list", when=SWAP_ON, silent=True)
    def swap_out(self, task: TASKS):
        require(self.touched[task] > 0)
        require(sum(self.swapped[t] for t in TASKS) < SLOTS)
        self.touched[task] -= 1
        self.swapped[task] += 1

    @action(kernel="include/linux/mman.h:vm_unacct_memory")
    def munmap(self, task: TASKS):
        require(self.committed[task] > 0)
        self.committed[task] = 0
        self.touched[task] = 0
        self.swapped[task] = 0

    # -- the pool, and its users --

    @action(kernel="mm/hugetlb.c:hugetlb_reserve_pages")
    def mmap_pool(self) -> Errno:
        """A page of the pool is promised to a user."""
        if self.granted == self.nr:
            return ENOMEM
        self.granted += 1
        return OK

    @action(kernel="mm/hugetlb.c:hugetlb_unreserve_pages")
    def munmap_pool(self):
        require(self.granted > 0)
        self.granted -= 1

    @action(kernel="mm/hugetlb.c:set_max_huge_pages", when=GROW)
    def grow(self) -> Errno:
        require(self.nr < POOL)
        if self.free() == 0:
            return ENOMEM
        self.nr += 1
        return OK

    @action(kernel="mm/hugetlb.c:set_max_huge_pages", when=GROW)
    def shrink(self):
        require(self.nr > self.granted)
        self.nr -= 1


class CommitLimitCma(CommitLimit):
    """Strict overcommit beside hugetlb on CMA: others may use what hugetlb has not
    taken, and the limit counts it. The pool starts empty, and grows by nr_hugepages."""

    nr = var(Int(0, POOL), init=0, doc="pages that hugetlb has taken of the areas")


class CommitLimitPool(CommitLimit):
    """Strict overcommit beside a pool that the limit leaves out, like hugetlb's, and
    that lends its idle blocks; a promise calls them back."""

    @observer
    def free(self):
        return RAM - self.granted - sum(self.touched[t] for t in TASKS)

    @action(kernel="mm/page_alloc.c:alloc_contig_range")
    def mmap_pool(self) -> Errno:
        """A loan's pages are moved away for the promise; where there is no room for
        them, others' pages go to swap."""
        if self.granted == self.nr:
            return ENOMEM
        if self.free() == 0:
            assume(
                not self.can_reclaim(),
                "a reservation waits while something can be reclaimed",
            )
            return ENOMEM
        self.granted += 1
        return OK


class CommitLimitReservedThp(CommitLimit):
    """Strict overcommit beside pageblocks of type RESERVED_THP, whose users have
    private writable memory, and are charged for it as others are."""

    @observer
    def users_charged(self):
        return self.granted

    @observer
    def hugetlb_total_pages(self):
        """The blocks are not hugetlb's."""
        return 0

    @action(kernel="mm/madvise.c:madvise_vma_behavior")
    def mmap_pool(self) -> Errno:
        """mmap(), which is charged first, and MADV_RESERVED_THP."""
        if not self.enough(1) or self.granted == self.nr:
            return ENOMEM
        self.granted += 1
        return OK


class NoPromises(Block):
    """Nobody is promised pages of a pool, and none is grown or shrunk."""

    mmap_pool: Any = None
    munmap_pool: Any = None
    grow: Any = None
    shrink: Any = None


class CommitLimitTao(NoPromises, CommitLimitReservedThp):
    """Strict overcommit beside ZONE_NOSPLIT, in which requests below its order get
    nothing. Others may have its huge pages, if they touch so much at once. A page is a
    huge page's worth here."""

    zone = table(TASKS, Int(0, POOL), doc="huge pages of the zone in use")

    def touch(self, task):
        in_use = self.touched[task] + self.swapped[task] + self.zone[task]
        require(in_use < self.committed[task])
        return super().touch(task)

    @action(kernel="mm/huge_memory.c:do_huge_pmd_anonymous_page")
    def touch_huge(self, task: TASKS):
        """A fault on a range of a huge page's size."""
        require(sum(self.zone[t] for t in TASKS) < POOL)
        more = self.touched[task] + self.swapped[task] + self.zone[task]
        require(more < self.committed[task])
        self.zone[task] += 1

    def munmap(self, task):
        super().munmap(task)
        self.zone[task] = 0


class CommitLimitShmem(NoPromises, CommitLimit):
    """Strict overcommit beside files of shmem, from memory that all share. A memfd is
    charged by the block as it is filled (VM_NORESERVE)."""

    nr = var(Int(0, POOL), init=0, doc="pages of files")

    @observer
    def users_charged(self):
        return self.nr

    @observer
    def hugetlb_total_pages(self):
        return 0

    @action(kernel="mm/shmem.c:shmem_alloc_and_add_folio")
    def fallocate(self) -> Errno:
        """A page: memory first, then mm/shmem.c:shmem_acct_blocks."""
        require(self.nr < POOL)
        if self.free() == 0:
            return ENOMEM
        if not self.enough(1):
            return ENOSPC
        self.nr += 1
        return OK

    @action(kernel="mm/shmem.c:shmem_undo_range")
    def truncate(self):
        require(self.nr > 0)
        self.nr -= 1


class CommitLimitThp(NoPromises, CommitLimit):
    """Strict overcommit without a pool: a VMA is charged by length for huge pages."""

    nr = var(Int(0, POOL), init=0, doc="no pool")

    @action(kernel="mm/huge_memory.c:do_huge_pmd_anonymous_page")
    def touch_huge(self, task: TASKS):
        """Two pages at once; without them do_anonymous_page() takes one."""
        in_use = self.touched[task] + self.swapped[task]
        require(in_use + 2 <= self.committed[task] and self.free() >= 2)
        self.touched[task] += 2
