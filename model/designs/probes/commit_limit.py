# SPDX-License-Identifier: GPL-2.0-only
"""Strict overcommit beside a pool: what those are told who do not use it.

Source: mm/util.c:__vm_enough_memory and vm_commit_limit, v6.12, with
vm.overcommit_memory = 2 and vm.overcommit_ratio = 100; mm/hugetlb.c.

Modelled: a machine of ``ram`` pages of which a pool has some, and others'
private writable memory: charged by length when mapped, touched later. The
limit leaves out hugetlb's pages; a pool that is a type of pageblocks, as in
the Reserved THP patches as posted, is in totalram_pages() and nothing takes it
out. ``grow``: writes to nr_hugepages, which take free pages and look at no
commitment. Left out: swap, the reserves for root and for a user, other
ratios, and whoever uses the pool (memory of Reserved THP is charged, too).
"""

from poolproof.model.blocks.errno import ENOMEM, OK, OOM, Errno
from poolproof.model.language import (
    Bool,
    Bound,
    Design,
    Feature,
    Int,
    Scalarset,
    action,
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
    """Beside hugetlb: tasks that were told how much memory they may have."""

    nr = var(Int(0, POOL), init=POOL, doc="pages that only the pool's users get")
    committed = table(TASKS, Int(0, RAM), doc="vm_committed_as, by task")
    touched = table(TASKS, Int(0, RAM))
    failed = var(Bool(), doc="memory that was accepted was not there")

    @observer
    def vm_committed_as(self):
        return sum(self.committed[t] for t in TASKS)

    @observer
    def hugetlb_total_pages(self):
        return self.nr

    @observer
    def vm_commit_limit(self):
        return RAM - self.hugetlb_total_pages()

    @observer
    def free(self):
        """Pages that a movable request of others can get."""
        return RAM - self.nr - sum(self.touched[t] for t in TASKS)

    @action(kernel="mm/util.c:__vm_enough_memory")
    def mmap(self, task: TASKS, pages: Int(1, RAM)) -> Errno:
        """Accepted where the sum stays below the limit, not at it."""
        require(self.committed[task] == 0)
        if self.vm_committed_as() + pages >= self.vm_commit_limit():
            return ENOMEM
        self.committed[task] = pages
        return OK

    @action(kernel="mm/memory.c:do_anonymous_page")
    def touch(self, task: TASKS) -> Errno:
        require(self.touched[task] < self.committed[task])
        if self.free() == 0:
            self.failed = True
            return OOM
        self.touched[task] += 1
        return OK

    @action(kernel="include/linux/mman.h:vm_unacct_memory")
    def munmap(self, task: TASKS):
        require(self.committed[task] > 0)
        self.committed[task] = 0
        self.touched[task] = 0

    @action(kernel="mm/hugetlb.c:set_max_huge_pages", when=GROW)
    def grow(self) -> Errno:
        require(self.nr < POOL)
        if self.free() == 0:
            return ENOMEM
        self.nr += 1
        return OK

    @action(kernel="mm/hugetlb.c:set_max_huge_pages", when=GROW)
    def shrink(self):
        require(self.nr > 0)
        self.nr -= 1


class CommitLimitReservedThp(CommitLimit):
    """Beside pageblocks of type RESERVED_THP."""

    @observer
    def hugetlb_total_pages(self):
        """The blocks are not hugetlb's."""
        return 0
