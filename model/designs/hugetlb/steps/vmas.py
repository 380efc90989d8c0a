# SPDX-License-Identifier: GPL-2.0-only
"""munmap, exit, MADV_DONTNEED and fork in steps; pins. mm/hugetlb.c, mm/vma.c."""

from poolproof.model.blocks.errno import ENOMEM, ENOSPC, OK, Errno
from poolproof.model.designs.hugetlb.names import (
    DONTNEED,
    EXIT,
    FORK,
    PAGES,
    PINS,
    TASKS,
    VMAS,
)
from poolproof.model.designs.hugetlb.steps.locks import STEPS
from poolproof.model.designs.hugetlb.steps.userfault import UserfaultSteps
from poolproof.model.language import action, may_fail, require


class VmaSteps(UserfaultSteps):
    """__unmap_hugepage_range, hugetlb_vm_op_close and copy_hugetlb_page_range."""

    # -- unmapping --

    def unmap_steps(self, task, vma, page):
        """mm/hugetlb.c:unmap_hugepage_range for one page: it is freed under the locks
        of the caller, if this was its last mapping."""
        unused = self.unmap_page(task, vma, page)
        if unused:
            yield from self.put_steps(task, self.subpool_vma(vma))

    def unmap_page(self, task, vma, page):
        """mm/hugetlb.c:__unmap_hugepage_range for one page. It looks for surplus
        pages without hugetlb_lock. Return whether the task has the folio in hand, to
        put it."""
        if self.anon.node[vma, page] is None:
            return False
        last = self.mappers.mapcount(vma, page) == 1
        pinned = PINS and self.pinned[vma, page]
        if last:
            self.hold(task, self.anon, vma, page)
        self.remove_rmap(vma, page)
        if last:
            self.folio_restore[task] = self.restores_on_unmap(vma, page, False)
            if pinned:
                self.leave_to_io(task, self.subpool_vma(vma))
        return last and not pinned

    def zap_steps(self, task, vma, page):
        """mm/memory.c:unmap_single_vma for one page: it is unmapped under i_mmap_rwsem,
        and freed without it (mm/mmu_gather.c:tlb_finish_mmu)."""
        if self.anon.node[vma, page] is not None:
            yield from self.i_mmap_lock_write(task, self.vm_file[vma])
            unused = self.unmap_page(task, vma, page)
            self.i_mmap_unlock_write(task, self.vm_file[vma])
            if unused:
                yield from self.put_steps(task, self.subpool_vma(vma))

    def leave_to_io(self, task, spool):
        """include/linux/mm.h:folio_put of a folio that I/O holds."""
        self.folio_put(
            True,
            self.folio.node[task, 0],
            self.folio_restore[task],
            spool,
            self.folio.cg[task, 0],
            self.folio.cg_rsvd[task, 0],
        )
        self.let_go(task)

    def close_steps(self, task, vma):
        """mm/hugetlb.c:hugetlb_vm_op_close, after mm/vma.c:unlink_file_vma_batch_final
        for the file."""
        yield from self.i_mmap_lock_write(task, self.vm_file[vma])
        self.i_mmap_unlock_write(task, self.vm_file[vma])
        if self.resv_owner[vma]:
            gbl_reserve = self.uncharge_reservation(
                vma, self.vm_start[vma], self.vm_end[vma]
            )
            yield from self.return_unused_steps(task, gbl_reserve)

    @action(kernel="mm/vma.c:do_vmi_munmap")
    def unmap(self, task: TASKS, vma: VMAS) -> Errno:
        """munmap() of the VMA."""
        require(self.vm_mm[vma] == task)
        for p in PAGES:
            yield from self.zap_steps(task, vma, p)
        yield from self.close_steps(task, vma)
        self.forget(vma)
        return OK

    @action(kernel="mm/mmap.c:exit_mmap", when=EXIT)
    def exit(self, task: TASKS) -> Errno:
        """exit() of a process with several VMAs: the pages of all are free before the
        first VMA is closed."""
        require(sum(1 for v in VMAS if self.vm_mm[v] == task) > 1)
        for v in VMAS:
            if self.vm_mm[v] == task:
                for p in PAGES:
                    yield from self.zap_steps(task, v, p)
        for v in VMAS:
            if self.vm_mm[v] == task:
                yield from self.close_steps(task, v)
                self.forget(v)
        return OK

    @action(kernel="mm/madvise.c:madvise_dontneed_single_vma", when=DONTNEED)
    def dontneed(self, task: TASKS, vma: VMAS, page: PAGES) -> Errno:
        """madvise(MADV_DONTNEED) of one page."""
        require(self.vm_mm[vma] == task and self.mapped(vma, page))
        yield from self.zap_steps(task, vma, page)
        return OK

    # -- fork --

    @action(kernel="mm/hugetlb.c:copy_hugetlb_page_range", when=FORK)
    def clone(self, task: TASKS, vma: VMAS, child: TASKS, new: VMAS) -> Errno:
        """fork() of one VMA. The child's VMA is among those of the file before its
        pages are copied; the child runs when all is done."""
        require(self.vm_mm[vma] == task and self.vm_mm[new] is None)
        self.vm_mm[new] = task
        yield from self.i_mmap_lock_write(task, self.vm_file[vma])
        self.vm_area_dup(vma, new)
        self.i_mmap_unlock_write(task, self.vm_file[vma])
        self.vm_start[new] = self.vm_start[vma]
        self.vm_end[new] = self.vm_end[vma]
        result = OK
        for p in PAGES:
            if result is OK and self.anon.node[vma, p] is not None:
                if may_fail("huge_pte_alloc"):
                    result = ENOMEM
                elif PINS and self.pinned[vma, p]:
                    result = yield from self.copy_pinned_steps(task, vma, new, p)
                else:
                    self.anon.copy(vma, new, p)
                    self.mappers.join(vma, new, p)
                    if STEPS:
                        yield "drops the page table lock"
        if result is not OK:
            for p in PAGES:
                yield from self.zap_steps(task, new, p)
            self.forget(new)
            return result
        self.vm_mm[new] = child
        return OK

    def copy_pinned_steps(self, task, vma, new, page) -> Errno:
        """mm/hugetlb.c:copy_hugetlb_page_range of a page that may be pinned: the page
        table locks are dropped for the child's own copy. If the parent's entry has
        changed meanwhile, the copy is given back and the entry read again: it is empty
        then, because the parent does nothing else."""
        spool = self.subpool_vma(new)
        allocated = yield from self.alloc_steps(task, spool, 1, False, False)
        if not allocated:
            return ENOSPC
        if STEPS:
            yield "copies the page"
        if self.anon.node[vma, page] is None:
            yield from self.put_steps(task, self.subpool_vma(new))
            return OK
        self.place(task, self.anon, new, page)
        self.mappers.alone(new, page)
        return OK

    # -- pins --

    @action(kernel="mm/gup.c:pin_user_pages", when=PINS)
    def pin_user_pages(self, task: TASKS, vma: VMAS, page: PAGES):
        """A task pins a page of its own."""
        require(self.vm_mm[vma] == task)
        super().pin(vma, page)

    def unpin_last(self, io):
        """In the I/O's own context, with hugetlb_lock."""
        self.by_nobody()
        super().unpin_last(io)
