# SPDX-License-Identifier: GPL-2.0-only
"""Unmapping: munmap, mmap over something, exit. mm/vma.c and mm/mmap.c."""

from poolproof.model.blocks.errno import ENOMEM, OK
from poolproof.model.blocks.vma.merge import VmaMerge
from poolproof.model.blocks.vma.state import BRK, MLOCK, VM, Fail, Mark
from poolproof.model.language import bug_on


class VmaUnmap(VmaMerge):
    """What all ways of unmapping share."""

    def vms_gather_munmap_vmas(self, task, start, end):
        """mm/vma.c:vms_gather_munmap_vmas: splits what straddles the ends. On
        an error nothing else has changed, but a first split stays."""
        if not self.at_boundary(task, start):
            if (
                end < self.vma_end(task, start)
                and self.map_count[task] >= self.max_map_count
            ):
                return ENOMEM
            error = self.do_split_vma(task, start)
            if error is not OK:
                return error
        if not self.at_boundary(task, end):
            return self.do_split_vma(task, end)
        return OK

    def vms_complete_munmap_vmas(self, task, start, end):
        """mm/vma.c:vms_complete_munmap_vmas, past the point of no return."""
        accounted = self.pages_with(task, start, end, VM.ACCOUNT)
        self.vm_unacct_memory(accounted)
        self.remove_vmas(task, start, end)

    def remove_vmas(self, task, start, end):
        """The VMAs of [start, end), all of them whole, are freed; what they
        committed is the caller's business."""
        for p in self.PAGES:
            if start <= p < end and self.mark[task, p] is Mark.START:
                pages = self.vma_end(task, p) - p
                self.uncharge(task, p, pages, self.vm_flags[task, p])
                self.map_count[task] -= 1
        if MLOCK:
            self.locked_vm[task] -= self.pages_with(task, start, end, VM.LOCKED)
        self.clear(task, start, end)
        self.name_anon_vmas(task)

    def do_munmap(self, task, start, end):
        """mm/vma.c:do_vmi_align_munmap"""
        if self.unmapped(task, start, end):
            return OK
        error = self.vms_gather_munmap_vmas(task, start, end)
        if error is not OK:
            return error
        if self.should_fail(Fail.CLEAR):
            return ENOMEM
        self.vms_complete_munmap_vmas(task, start, end)
        return OK

    def exit_mmap(self, task):
        """mm/mmap.c:exit_mmap, of a task that exits or calls exec; its
        BUG_ON(count != mm->map_count) stops the kernel. The task's next
        address space starts with nothing locked, kernel/fork.c:mm_init."""
        bug_on(
            self.count_vmas(task) != self.map_count[task],
            "exit_mmap counts other VMAs than map_count",
        )
        self.vms_complete_munmap_vmas(task, 0, self.SIZE)
        if MLOCK:
            self.locked_vm[task] = 0
        if BRK:
            self.brk[task] = 0
