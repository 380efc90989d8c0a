# SPDX-License-Identifier: GPL-2.0-only
"""UFFDIO_COPY in steps. mm/hugetlb.c, mm/userfaultfd.c."""

from poolproof.model.blocks.errno import EEXIST, ENOMEM, OK, Errno
from poolproof.model.designs.hugetlb.names import (
    NODES,
    PAGES,
    TASKS,
    USERFAULTFD,
    VMAS,
)
from poolproof.model.designs.hugetlb.steps.fault import FaultSteps
from poolproof.model.designs.hugetlb.steps.locks import STEPS
from poolproof.model.language import Bool, Maybe, action, require, table


class UserfaultSteps(FaultSteps):
    """mfill_atomic_hugetlb and hugetlb_mfill_atomic_pte, for shared mappings."""

    scratch = table(TASKS, Maybe(NODES), when=USERFAULTFD)
    scratch_temporary = table(TASKS, Bool(), when=USERFAULTFD, doc="folio_temporary")

    @action(kernel="mm/hugetlb.c:hugetlb_mfill_atomic_pte", when=USERFAULTFD)
    def uffdio_copy(
        self, task: TASKS, vma: VMAS, page: PAGES, resident: Bool()
    ) -> Errno:
        """UFFDIO_COPY to a shared mapping. A source that is not ``resident`` is
        copied without locks, to a page that is not a promised one; then everything
        is tried again."""
        require(self.vm_mm[vma] == task and self.mapped(vma, page))
        require(self.shared(vma))
        yield from self.lock_index(task, page, True)
        result = OK
        if self.is_cached(vma, page):
            result = EEXIST
        elif resident:
            result = yield from self.no_page_steps(task, vma, page, False, True)
        else:
            result = yield from self.copy_steps(task, vma, page)
        self.unlock_index(task, page, True)
        return result

    def copy_steps(self, task, vma, page) -> Errno:
        """The two calls of hugetlb_mfill_atomic_pte(). The first page is given back
        with its promise before the locks are dropped (since 5.14: 8cc5fcbb5be8)."""
        map_chg = self.vma_needs_reservation(vma, page)
        if map_chg < 0:
            return ENOMEM
        spool = self.subpool_vma(vma)
        allocated = yield from self.alloc_steps(task, spool, map_chg, False, True)
        if not allocated:
            self.vma_end_reservation(vma)
            return ENOMEM
        map_commit = self.vma_commit_reservation(vma, page)
        yield from self.commit_steps(task, self.subpool_vma(vma), map_chg, map_commit)
        self.folio_restore[task] = self.restore_reserve_on_error(
            vma, page, self.folio_restore[task]
        )
        yield from self.put_steps(task, self.subpool_vma(vma))
        yield from self.lock(task)
        allocated = self.alloc_scratch(task, vma)
        self.unlock(task)
        if not allocated:
            return ENOMEM
        self.unlock_index(task, page, True)
        if STEPS:
            yield "copies without locks"
        yield from self.lock_index(task, page, True)
        result = EEXIST
        if not self.is_cached(vma, page):
            result = yield from self.no_page_steps(task, vma, page, False, True)
        yield from self.lock(task)
        self.free_scratch(task)
        self.unlock(task)
        return result

    def alloc_scratch(self, task, vma):
        """mm/hugetlb.c:alloc_hugetlb_folio_nodemask: a free page that is promised to
        nobody, or a temporary one. Return whether there is one."""
        nodes = self.mpol.huge_node(vma, task)
        nid = self.dequeue_hugetlb_folio_vma(False, nodes)
        temporary = nid is None
        if nid is None:
            nid = self.h.alloc_fresh_hugetlb_folio(nodes)
        self.scratch[task] = nid
        self.scratch_temporary[task] = temporary and nid is not None
        return nid is not None

    def free_scratch(self, task):
        """mm/hugetlb.c:free_huge_folio of the page that was copied to."""
        for n in NODES:
            if self.scratch[task] == n:
                if self.scratch_temporary[task]:
                    self.h.remove_hugetlb_folio(n, False, False)
                elif self.h.surplus_huge_pages_node[n] > 0:
                    self.h.remove_hugetlb_folio(n, False, True)
                else:
                    self.h.enqueue_hugetlb_folio(n)
        self.scratch[task] = None
        self.scratch_temporary[task] = False
