# SPDX-License-Identifier: GPL-2.0-only
"""Races, mm/hugetlb.c: a lock that was not taken, or was dropped too early."""

from poolproof.model.blocks.errno import EEXIST, ENOMEM
from poolproof.model.designs.bug import Bug
from poolproof.model.designs.hugetlb.names import NODES, PAGES, P, V
from poolproof.model.designs.hugetlb.steps import STEPS, HugetlbSteps
from poolproof.model.language import Int

RACES = {"T": 2, "V": 2, "P": 1, "files": 1}
"""Two tasks, each with a mapping of the same page."""


class Beforeac09b3a15154(HugetlbSteps):
    """ "hugetlb: Close a difficult to trigger reservation race": the surplus pages
    gathered for a reservation were on the free list, and the lock was dropped to free
    those too many, before resv_huge_pages counted the reservation
    (gather_surplus_pages)."""

    bug = Bug(
        "ac09b3a15154?",
        "2.6.26",
        "another mapping takes the surplus pages gathered for a reservation",
        trigger="steps",
        having="surplus",
        bounds={"T": 2, "V": 2, "P": 1, "blocks": 0, "OC": 2},
        detected="hugetlb_steps.resv_backed",
    )

    def promise_gathered(self, delta):
        pass

    def enqueue_gathered(self, task, delta):
        needed = self.h.resv_huge_pages + delta - self.h.free_huge_pages()
        for n in NODES:
            pages = max(0, min(needed, self.surplus_list[task, n]))
            self.h.free_huge_pages_node[n] += pages
            self.surplus_list[task, n] -= pages
            needed -= pages

    def promise_at_last(self, delta):
        self.h.change_resv(delta)


class Before33039678c8da(HugetlbSteps):
    """ "mm/hugetlb: handle races in alloc_huge_page and hugetlb_reserve_pages": nobody
    compared what region_add() put into the map with what region_chg() had said, so
    a fault and a mmap both paid for one index."""

    bug = Bug(
        "33039678c8da?",
        "4.2",
        "a fault and an mmap that race both charge the same index",
        trigger="steps",
        having="hugetlbfs noreserve",
        bounds={**RACES, "blocks": 2},
        detected="hugetlb_steps.resv_exact",
    )

    def raced(self, chg, add):
        return False


class Beforee5bbc8a6c992(HugetlbSteps):
    """ "mm/hugetlb.c: fix reservation race when freeing surplus pages": all promises
    went first, and hugetlb_lock was dropped after each page that was freed
    (return_unused_surplus_pages, cond_resched_lock)."""

    bug = Bug(
        "e5bbc8a6c992",
        "4.10",
        "surplus pages are reserved by others while they are being freed",
        trigger="steps",
        having="surplus",
        bounds={"T": 2, "V": 2, "P": 2, "blocks": 0, "OC": 2},
        detected="hugetlb_steps.resv_backed",
    )

    def return_unused_steps(self, task, unused_resv_pages):
        if unused_resv_pages > 0:
            yield from self.lock(task)
            self.h.change_resv(-unused_resv_pages)
            surplus = self.h.surplus_huge_pages()
            left: Int(0, P) = max(0, min(unused_resv_pages, surplus))
            for _page in PAGES:
                if left > 0:
                    left -= 1
                    self.h.remove_pool_hugetlb_folio({n for n in NODES}, True)
                    self.unlock(task)
                    yield from self.lock(task)
            self.unlock(task)


class Before8cc5fcbb5be8(HugetlbSteps):
    """ "mm, hugetlb: fix racy resv_huge_pages underflow on UFFDIO_COPY": the page that
    the first try had taken for the promise was kept while the source was copied
    without locks, and a fault took the promise once more
    (hugetlb_mcopy_atomic_pte). The second task is a child, which has the mapping from
    the start."""

    bug = Bug(
        "8cc5fcbb5be8",
        "5.14",
        "UFFDIO_COPY and a fault use two reservations for one index",
        trigger="steps",
        having="hugetlbfs userfaultfd fork",
        bounds={**RACES, "blocks": 2},
        detected="hugetlb_steps.ranges",
    )

    def copy_steps(self, task, vma, page):
        map_chg = self.vma_needs_reservation(vma, page)
        spool = self.subpool_vma(vma)
        allocated = yield from self.alloc_steps(task, spool, map_chg, False, True)
        if not allocated:
            self.vma_end_reservation(vma)
            return ENOMEM
        map_commit = self.vma_commit_reservation(vma, page)
        yield from self.commit_steps(task, self.subpool_vma(vma), map_chg, map_commit)
        self.unlock_index(task, page, True)
        if STEPS:
            yield "copies without locks"
        yield from self.lock_index(task, page, True)
        if self.is_cached(vma, page):
            yield from self.put_steps(task, self.subpool_vma(vma))
            return EEXIST
        return (yield from self.install_steps(task, vma, page, False, True))


class Before12df140f0bdf(HugetlbSteps):
    """ "mm,hugetlb: take hugetlb_lock before decrementing h->resv_huge_pages": a
    surplus page for a fault took its promise without the lock, so an update of
    resv_huge_pages in between was lost (alloc_huge_page)."""

    bug = Bug(
        "12df140f0bdf",
        "6.1",
        "resv_huge_pages is changed without hugetlb_lock",
        trigger="steps",
        having="surplus noreserve mempolicy",
        bounds={"T": 2, "V": 2, "P": 1, "nodes": 2, "blocks": 1, "OC": 2},
        detected="hugetlb_steps.resv_exact",
    )

    def surplus_takes_promise(self, task):
        resv: Int(-1, 2 * V * P) = self.h.resv_huge_pages
        if STEPS:
            yield "has read resv_huge_pages"
        self.h.resv_huge_pages = max(-1, resv - 1)


class Beforeb76b46902c2d(HugetlbSteps):
    """ "mm/hugetlb: fix missing hugetlb_lock for resv uncharge": a fault that a mmap
    was faster than took its page's charge back without the lock that
    __hugetlb_cgroup_uncharge_folio asserts (alloc_hugetlb_folio)."""

    bug = Bug(
        "b76b46902c2d",
        "6.9",
        "rsvd is uncharged without hugetlb_lock",
        trigger="steps",
        having="hugetlbfs noreserve cgroup",
        bounds={**RACES, "blocks": 2},
        detected="hugetlb_steps.asserted",
    )

    def commit_steps(self, task, spool, map_chg, map_commit):
        if self.raced(map_chg, map_commit):
            rsv_adjust = self.hugepage_subpool_put_pages(spool, 1)
            yield from self.return_unused_steps(task, rsv_adjust)
            self.hugetlb_cgroup_uncharge_folio_rsvd(task)
