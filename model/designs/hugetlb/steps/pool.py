# SPDX-License-Identifier: GPL-2.0-only
"""The pool in steps: promises, surplus pages, nr_hugepages, memory that goes offline.
mm/hugetlb.c."""

from poolproof.model.blocks.errno import OK, Errno
from poolproof.model.designs.hugetlb.names import (
    CAP,
    NODES,
    OC,
    PAGES,
    RESIZE,
    STEP,
    SURPLUS,
    TASKS,
    N,
    P,
)
from poolproof.model.designs.hugetlb.steps.locks import STEPS, Locking
from poolproof.model.language import Int, action, assume, table

TRIES = Int(1, OC + 1)


class PoolSteps(Locking):
    """hugetlb_acct_memory, set_max_huge_pages, and critical sections of others."""

    surplus_list = table(TASKS, NODES, Int(0, OC + 1), when=SURPLUS)

    # -- promises --

    def gather_steps(self, task, delta):
        """mm/hugetlb.c:gather_surplus_pages. Return whether it has the pages;
        hugetlb_lock is held before and after, but not while it allocates."""
        needed = self.h.resv_huge_pages + delta - self.h.free_huge_pages()
        if needed <= 0:
            self.promise_gathered(delta)
            return True
        if not SURPLUS:
            return False
        left: Int(0, P) = min(needed, P)
        alloc_ok = True
        enough = False
        for _try in TRIES:
            if alloc_ok and not enough:
                self.unlock(task)
                if STEPS:
                    yield "allocates a surplus page"
                alloc_ok = self.alloc_gathered(task)
                left = max(0, left - 1) if alloc_ok else 0
                yield from self.lock(task)
                if left == 0:
                    gathered = sum(self.surplus_list[task, n] for n in NODES)
                    free = self.h.free_huge_pages() + gathered
                    needed = self.h.resv_huge_pages + delta - free
                    enough = needed <= 0
                    left = max(0, min(needed, P))
        if enough:
            self.promise_gathered(delta)
            self.enqueue_gathered(task, delta)
        self.unlock(task)
        self.free_gathered(task)
        yield from self.lock(task)
        return enough

    def alloc_gathered(self, task):
        """One alloc_surplus_hugetlb_folio() for the list. Return False if it fails."""
        nodes = self.mpol.policy_mbind_nodemask(task)
        nid = self.h.alloc_surplus_hugetlb_folio(self.first_of(nodes))
        if nid is None:
            mems = self.mpol.cpuset_current_mems_allowed(task)
            nid = self.h.alloc_surplus_hugetlb_folio(mems)
        for n in NODES:
            if n == nid:
                self.surplus_list[task, n] += 1
        return nid is not None

    def first_of(self, nodes):
        """Return the set of the first node."""
        return {n for n in NODES if n in nodes and not self.comes_after(n, nodes)}

    def comes_after(self, node, nodes):
        """Return whether a node of the set is before ``node``."""
        before = True
        found = False
        for n in NODES:
            if n == node:
                before = False
            found = found or (before and n in nodes)
        return found

    def promise_gathered(self, delta):
        """resv_huge_pages += delta, in the section that puts the pages on the free
        list (since 2.6.26: ac09b3a15154)."""
        self.h.change_resv(delta)

    def promise_at_last(self, delta):
        """The end of a hugetlb_acct_memory() that succeeds: there is nothing to do."""

    def enqueue_gathered(self, task, delta):
        """The pages that are needed go to the free list."""
        needed = self.h.resv_huge_pages - self.h.free_huge_pages()
        for n in NODES:
            pages = max(0, min(needed, self.surplus_list[task, n]))
            self.h.free_huge_pages_node[n] += pages
            self.surplus_list[task, n] -= pages
            needed -= pages

    def free_gathered(self, task):
        """free_huge_folio() of the others: they go back to the buddy allocator,
        or, if somebody else has freed a page of the node as surplus meanwhile,
        to the free list."""
        for n in NODES:
            left = self.surplus_list[task, n]
            gone = min(left, self.h.surplus_huge_pages_node[n])
            self.h.nr_huge_pages_node[n] -= gone
            self.h.surplus_huge_pages_node[n] -= gone
            self.h.free_huge_pages_node[n] += left - gone
            self.surplus_list[task, n] = 0

    def acct_steps(self, task, delta):
        """mm/hugetlb.c:hugetlb_acct_memory for delta >= 0."""
        if delta == 0:
            return True
        yield from self.lock(task)
        promised = yield from self.gather_steps(task, delta)
        if promised:
            nodes = self.mpol.policy_mbind_nodemask(task)
            if delta > sum(self.h.free_huge_pages_node[n] for n in NODES if n in nodes):
                self.h.return_unused_surplus_pages(delta, PAGES)
                promised = False
            else:
                self.promise_at_last(delta)
        self.unlock(task)
        return promised

    def return_unused_steps(self, task, unused_resv_pages):
        """mm/hugetlb.c:hugetlb_acct_memory for delta < 0: the promises go, and as many
        surplus pages leave the pool under the same hold of hugetlb_lock (since
        4.10: e5bbc8a6c992)."""
        if unused_resv_pages > 0:
            yield from self.lock(task)
            self.h.return_unused_surplus_pages(unused_resv_pages, PAGES)
            self.unlock(task)

    # -- nr_hugepages --

    @action(kernel="mm/hugetlb.c:set_max_huge_pages", when=(SURPLUS, RESIZE))
    def write_nr_hugepages(self, task: TASKS, count: Int(0, N * CAP)) -> Errno:
        """A write to nr_hugepages, by at most STEP pages more or less: more is
        several writes."""
        if STEPS:
            yield from self.resize_lock.mutex_lock(task, 0)
        yield from self.lock(task)
        persistent = self.h.persistent_huge_pages()
        assume(
            persistent - STEP <= count and count <= persistent + STEP,
            "nr_hugepages is written step by step",
        )
        for _step in self.h.steps:
            if (
                self.h.surplus_huge_pages() > 0
                and count > self.h.persistent_huge_pages()
            ):
                self.h.surplus_to_persistent({n for n in NODES})
        grown = yield from self.grow_steps(task, count)
        if grown:
            yield from self.shrink_steps(task, count)
        self.unlock(task)
        if STEPS:
            self.resize_lock.mutex_unlock(task, 0)
        return OK

    def grow_steps(self, task, count):
        """mm/hugetlb.c:set_max_huge_pages, "increase the pool size", with hugetlb_lock
        dropped while it allocates. No counter has the fresh pages until there
        are enough. Return whether there were."""
        fresh = True
        for _step in self.h.steps:
            if fresh and self.is_short_of(count):
                self.unlock(task)
                if STEPS:
                    yield "allocates a fresh page"
                nid = self.h.alloc_pool_huge_folio({n for n in NODES})
                fresh = nid is not None
                for n in NODES:
                    if n == nid:
                        self.unlisted[task, n] += 1
                yield from self.lock(task)
        assume(
            not fresh or not self.is_short_of(count),
            "no memory goes offline while the pool grows",
        )
        if any(self.unlisted[task, n] > 0 for n in NODES):
            yield from self.relock(task)
            for n in NODES:
                self.h.prep_and_add_allocated_folios(n, self.unlisted[task, n])
                self.unlisted[task, n] = 0
            yield from self.relock(task)
        return fresh

    def is_short_of(self, count):
        """Return whether there are fewer persistent pages, with those that are not
        yet in the pool."""
        listed = sum(self.unlisted_on(n) for n in NODES)
        return count > self.h.persistent_huge_pages() + listed

    def shrink_steps(self, task, count):
        """mm/hugetlb.c:set_max_huge_pages, "decrease the pool size": free pages that
        are not promised go at once. hugetlb_lock is dropped to give them to the buddy
        allocator, which here has them already. Pages beyond the new size that are
        left become surplus."""
        min_count = max(count, self.min_count())
        for _step in self.h.steps:
            if min_count < self.h.persistent_huge_pages():
                self.h.remove_pool_hugetlb_folio({n for n in NODES}, False)
        if self.kept_less(count):
            yield from self.relock(task)
        for _step in self.h.steps:
            if count < self.h.persistent_huge_pages():
                self.h.persistent_to_surplus({n for n in NODES})

    def kept_less(self, count):
        """Return whether the part after the lock was dropped changes anything."""
        return count < self.h.persistent_huge_pages()

    # -- critical sections of others --

    def set_nr_overcommit(self, count):
        """Under hugetlb_lock."""
        self.by_nobody()
        return super().set_nr_overcommit(count)

    def dissolve(self, node):
        """mm/hugetlb.c:dissolve_free_hugetlb_folio asks for a page that is not
        promised, and takes one off the free list, under one hold of hugetlb_lock."""
        self.by_nobody()
        return super().dissolve(node)
