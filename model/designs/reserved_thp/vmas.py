# SPDX-License-Identifier: GPL-2.0-only
"""The quota of Reserved THP as posted, over VMAs that split, merge and move.

Source: cover.1782538002.git.zhengqi.arch@bytedance.com. Read with the patches
applied: mm/reserved_thp.c, mm/madvise.c, mm/khugepaged.c, mm/mmap.c, mm/mremap.c.
model/designs/reserved_thp/posted.py has the pool and the folios; here are the VMAs
of model/blocks/vma/, all calls and their failures, and what they charge.
VM.RESERVED stands for VM_RESERVED_THP.

As in the patches: madvise(MADV_RESERVED_THP) looks at what the range has of each
VMA: anonymous and whole blocks of K base pages, or EINVAL. It charges the length if
the VMA does not have the flag, and out of quota is EAGAIN for the caller; a hole is
passed over, an error ends the walk, and VMAs before it keep flag and charge.
MADV_HUGEPAGE and MADV_NOHUGEPAGE clear the flag and give the range's quota back.
dup_mmap() charges the child for each VMA that it copies, MADV_WIPEONFORK or not.
Unmapping uncharges each VMA that goes by its length, rounded down, and exit does
so for all; mremap charges what it adds, after vm_committed_as, and asks for
alignment; uncharging more than was charged warns and stops at 0.

mm/vma.c was not to be had: see `ReservedThpVmas.assumed`, and assumed_vmas.py for
other readings. Each VMA gives back its own blocks (vms->nr_reserved_thp) where
VM_ACCOUNT's pages are given back.

Left out: pages, so faults and MADV_DONTNEED; what model/blocks/vma/ leaves out,
growing stacks among it; the base of the patches is older than v7.2, whose
MREMAP_DONTUNMAP splits locked VMAs first.
"""

from typing import Any

from poolproof.model.blocks.errno import EINVAL, ENOMEM, OK, Errno
from poolproof.model.blocks.vma.address_space import (
    SEVERAL,
    VM,
    AddressSpace,
    Advice,
    Mark,
)
from poolproof.model.designs.probes.address_space import (
    ENDS,
    FAIL,
    INODES,
    LENGTHS,
    NTH,
    PAGES,
    POLICIES,
    TASKS,
    C,
    M,
    P,
    Vmas,
)
from poolproof.model.language import Bound, Int, action, observer, require, var

K = Bound("K", 2, doc="base pages per block")
TOTAL = Bound("total", 2, doc="reserved_thp_total")


class ReservedSpace(AddressSpace):
    """Address spaces that charge VM.RESERVED to ``reserved_thp_used``: ``total`` of
    ``block`` base pages each. ``address_space`` are AddressSpace's arguments."""

    def __init__(self, *address_space: Any, block: Any, total: Any) -> None:
        super().__init__(*address_space)
        self.block = block
        self.reserved_thp_total = total
        self.reserved_thp_used = var(Int(0, total))

    # -- mm/reserved_thp.c --

    def reserved_thp_hpage_nr(self, pages):
        """mm/reserved_thp.c:reserved_thp_hpage_nr, of a length"""
        return pages // self.block

    def charge(self, task, start, pages, vm_flags):
        """mm/reserved_thp.c:reserved_thp_charge"""
        if VM.RESERVED in vm_flags:
            used = self.reserved_thp_used + self.reserved_thp_hpage_nr(pages)
            if used > self.reserved_thp_total:
                return False
            self.reserved_thp_used = used
        return True

    def uncharge(self, task, start, pages, vm_flags):
        """mm/reserved_thp.c:reserved_thp_uncharge"""
        if VM.RESERVED in vm_flags:
            used = self.reserved_thp_used - self.reserved_thp_hpage_nr(pages)
            self.reserved_thp_used = max(0, used)

    # -- mm/mremap.c --

    def aligned(self, address):
        return address % self.block == 0

    def reserved(self, task, page):
        return any(
            VM.RESERVED in self.vm_flags[task, p] for p in self.PAGES if p == page
        )

    def concealed(self):
        """mm/mremap.c:unmap_source_vma, reserved_thp_move"""
        return {VM.ACCOUNT, VM.RESERVED}

    def may_remap(self, task, addr, old_len, new_len, new_addr, fixed):
        """mm/mremap.c:check_reserved_thp_alignment. The hint that
        MREMAP_DONTUNMAP may have is not modelled."""
        return not self.reserved(task, addr) or (
            self.aligned(addr)
            and self.aligned(old_len)
            and self.aligned(new_len)
            and (not fixed or self.aligned(new_addr))
        )

    def move_vma(self, task, addr, old_len, new_len, new_addr, dontunmap, delta):
        """mm/mremap.c:vrm_set_new_addr: a place that is not aligned is none."""
        if self.reserved(task, addr) and not self.aligned(new_addr):
            return ENOMEM
        return super().move_vma(
            task, addr, old_len, new_len, new_addr, dontunmap, delta
        )

    # -- mm/vma.c --

    def may_split(self, task, address):
        """mm/vma.c:__split_vma"""
        return self.aligned(address) or not self.reserved(task, address)

    def vma_modify(self, task, start, end, vm_flags, policy):
        """mm/vma.c:vma_modify. What merges on one side is not split there:
        the boundary moves, and no may_split is asked."""
        whole = self.aligned(start) and self.aligned(end)
        if not whole and self.keeps_whole() and self.reserved(task, start):
            return EINVAL
        return super().vma_modify(task, start, end, vm_flags, policy)

    def keeps_whole(self):
        """Whether a change of a part of a block is refused."""
        return True

    # -- mm/madvise.c --

    def reserve(self, task, start, end):
        """mm/madvise.c:madvise_walk_vmas, with MADV_RESERVED_THP"""
        require(start < end)
        if not SEVERAL:
            self.assume_one_vma(task, start, end)
            return self.reserve_vma(task, start, end)
        hole = False
        for p in self.PAGES:
            if start <= p < end:
                if not self.mapped(task, p):
                    hole = True
                elif p == start or self.mark[task, p] is Mark.START:
                    vm_end = min(self.vma_end(task, p), end)
                    error = self.reserve_vma(task, p, vm_end)
                    if error is not OK:
                        return error
        return ENOMEM if hole else OK

    def reserve_vma(self, task, start, end):
        """mm/madvise.c:madvise_hugepage_policy and madvise_vma_behavior. Each
        ENOMEM, the quota's too, becomes EAGAIN."""
        if not self.vma_is_anonymous(task, start):
            return EINVAL
        if not self.may_reserve(start, end):
            return EINVAL
        old = self.vm_flags[task, start]
        new = (old - {VM.HUGEPAGE, VM.NOHUGEPAGE}) | {VM.RESERVED}
        fresh = VM.RESERVED not in old
        if fresh:
            charged = self.charge(task, start, end - start, new)
            if not charged:
                return Errno.EAGAIN
        error = self.change(task, start, end, new, self.vm_policy[task, start])
        if error is not OK:
            if fresh:
                self.uncharge(task, start, end - start, new)
            return Errno.EAGAIN if error is ENOMEM else error
        return OK

    def may_reserve(self, start, end):
        """Whether what the range has of a VMA is whole blocks."""
        return self.aligned(start) and self.aligned(end)

    def advised_flags(self, vm_flags, advice):
        """mm/khugepaged.c:hugepage_madvise"""
        new = super().advised_flags(vm_flags, advice)
        if advice in (Advice.HUGEPAGE, Advice.NOHUGEPAGE):
            new = new - {VM.RESERVED}
        return new

    def madvise_vma_behavior(self, task, start, end, advice):
        """mm/madvise.c:madvise_vma_behavior: quota goes back with the flag."""
        old = self.vm_flags[task, start]
        new = self.advised_flags(old, advice)
        error = super().madvise_vma_behavior(task, start, end, advice)
        if error is OK and VM.RESERVED not in new:
            self.uncharge(task, start, end - start, old)
        return error


class ReservedThpVmas(Vmas):
    """VMAs that charge the quota by their length, rounded down."""

    assumed: tuple[str, ...] = (
        "mm/vma.c: a change or a split inside a block is EINVAL",
        "mm/vma.c: munmap gives back the VMA's length, rounded down",
        "mm/mprotect.c: mprotect keeps the flag",
    )

    mm = ReservedSpace(TASKS, P, INODES, POLICIES, M, C, block=K, total=TOTAL)

    @observer
    def reserved(self, task: TASKS, page: PAGES):
        return VM.RESERVED in self.mm.vm_flags[task, page]

    @observer
    def used(self):
        """used_hpages in sysfs."""
        return self.mm.reserved_thp_used

    @observer
    def quota(self):
        return self.mm.reserved_thp_total

    @observer
    def hpage_nr(self, length: LENGTHS):
        return self.mm.reserved_thp_hpage_nr(length)

    @observer
    def entitled_of(self, task: TASKS):
        """What the task's VMAs would give back, each its own length."""
        return sum(
            self.mm.reserved_thp_hpage_nr(self.mm.vma_end(task, p) - p)
            for p in PAGES
            if self.mm.mark[task, p] is Mark.START
            and VM.RESERVED in self.mm.vm_flags[task, p]
        )

    @observer
    def entitled(self):
        return sum(self.entitled_of(t) for t in TASKS)

    @observer
    def whole(self, task: TASKS, page: PAGES):
        """Whether a fault on the page could map its block: one VMA with the
        flag has all of it (thp_vma_suitable_order)."""
        start = page - page % K
        return (
            start + K <= P
            and VM.RESERVED in self.mm.vm_flags[task, page]
            and all(
                self.mm.mark[task, p] is not Mark.HOLE
                and (p == start or self.mm.mark[task, p] is Mark.INSIDE)
                for p in PAGES
                if start <= p < start + K
            )
        )

    @observer
    def blocks(self):
        """Blocks that faults can ask the pool for."""
        return sum(1 for t in TASKS for p in PAGES if p % K == 0 and self.whole(t, p))

    @action(kernel="mm/madvise.c:do_madvise", chosen=("fail", "nth"))
    def reserve(
        self, task: TASKS, start: PAGES, end: ENDS, fail: FAIL, nth: NTH
    ) -> Errno:
        self.mm.inject(fail, nth)
        error: Errno = self.mm.reserve(task, start, end)
        self.mm.injected()
        return error
