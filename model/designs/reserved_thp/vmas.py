# SPDX-License-Identifier: GPL-2.0-only
"""The quota of Reserved THP as posted, over VMAs that split, merge and move.

Source: cover.1782538002.git.zhengqi.arch@bytedance.com; mm/reserved_thp.c, and
mm/mremap.c with patches 1-6 applied. model/designs/reserved_thp/posted.py has
the pool and the folios; here are the VMAs of model/blocks/vma/, all calls and
their failures, and what they charge. VM.RESERVED stands for VM_RESERVED_THP.

As in the patches: madvise(MADV_RESERVED_THP) of anonymous memory charges the
length of what gets the flag, in blocks of K base pages, rounded down;
unmapping uncharges each VMA that goes in the same way, mremap charges what it
adds, after vm_committed_as, and asks for alignment; uncharging more than was
charged warns and stops at 0.

Hunks that were not to be had are choices here. mm/vma.c: a change of a part
of a block, and a split inside one, are refused with EINVAL; or (``any_shift``)
only the split is, as by vm_ops->may_split; or (``any_split``) neither is. Each
VMA gives back its own blocks (vms->nr_reserved_thp) where VM_ACCOUNT's pages
are given back. mm/madvise.c: what the range has of each VMA is charged by
itself, before vma_modify, and must be whole blocks, or (``any_part``) only
the range must; a VMA with the flag is passed over. mm/mmap.c:dup_mmap charges
the child like VM_ACCOUNT does, or (``fork_uncharged``) does not, or
(``stripped``) the child's VMAs lose the flag.

Left out: pages, so faults; what model/blocks/vma/ leaves out; the base of the patches
is older than v7.2, whose MREMAP_DONTUNMAP splits locked VMAs first.
"""

from typing import Any

from poolproof.model.blocks.errno import EINVAL, ENOMEM, OK, Errno
from poolproof.model.blocks.vma.address_space import (
    FORK,
    SEVERAL,
    VM,
    AddressSpace,
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
from poolproof.model.language import Bound, Feature, Int, action, observer, require, var

K = Bound("K", 2, doc="base pages per block")
TOTAL = Bound("total", 2, doc="reserved_thp_total")

ANY_SPLIT = Feature("any_split", False, "a reserved VMA is split at any base page")
ANY_SHIFT = Feature("any_shift", False, "a merge moves a boundary into a block")
ANY_PART = Feature("any_part", False, "a range is aligned, its part of a VMA is not")
FORK_UNCHARGED = Feature(
    "fork_uncharged", False, "fork does not charge the child", needs=FORK
)
STRIPPED = Feature("stripped", False, "a child's VMAs are not reserved", needs=FORK)


class ReservedSpace(AddressSpace):
    """Address spaces that charge VM.RESERVED to ``reserved_thp_used``."""

    def __init__(
        self,
        tasks: Any,
        pages: Any,
        files: Any,
        policies: Any,
        max_map_count: Any,
        commit_limit: Any,
        block: Any,
        total: Any,
    ) -> None:
        super().__init__(tasks, pages, files, policies, max_map_count, commit_limit)
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
        return ANY_SPLIT or self.aligned(address) or not self.reserved(task, address)

    def vma_modify(self, task, start, end, vm_flags, policy):
        """mm/vma.c:vma_modify. What merges on one side is not split there:
        the boundary moves, and no may_split is asked."""
        whole = self.aligned(start) and self.aligned(end)
        if not (whole or ANY_SPLIT or ANY_SHIFT) and self.reserved(task, start):
            return EINVAL
        return super().vma_modify(task, start, end, vm_flags, policy)

    # -- mm/madvise.c --

    def reserve(self, task, start, end):
        """mm/madvise.c:madvise_walk_vmas, with MADV_RESERVED_THP"""
        require(start < end)
        if not self.aligned(start) or not self.aligned(end):
            return EINVAL
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
        """mm/madvise.c:madvise_vma_behavior"""
        old = self.vm_flags[task, start]
        if VM.RESERVED in old:
            return OK
        if not self.vma_is_anonymous(task, start):
            return EINVAL
        if not ANY_PART and not (self.aligned(start) and self.aligned(end)):
            return EINVAL
        new = old | {VM.RESERVED}
        if not self.charge(task, start, end - start, new):
            return ENOMEM
        error = self.change(task, start, end, new, self.vm_policy[task, start])
        if error is not OK:
            self.uncharge(task, start, end - start, new)
            return Errno.EAGAIN if error is ENOMEM else error
        return OK

    # -- mm/mmap.c --

    def child_flags(self, vm_flags):
        if STRIPPED or FORK_UNCHARGED:
            vm_flags = vm_flags - {VM.RESERVED}
        return super().child_flags(vm_flags)

    def dup_vma(self, task, child, start, end):
        """One round of dup_mmap; vm_area_dup() copies a flag that nobody
        charges for."""
        copied = super().dup_vma(task, child, start, end)
        if FORK_UNCHARGED and copied and self.reserved(task, start):
            for p in self.PAGES:
                if start <= p < end:
                    self.vm_flags[child, p] = self.vm_flags[child, p] | {VM.RESERVED}
        return copied


class ReservedPagesSpace(ReservedSpace):
    """The same, if the quota were counted in base pages."""

    def __init__(
        self,
        tasks: Any,
        pages: Any,
        files: Any,
        policies: Any,
        max_map_count: Any,
        commit_limit: Any,
        block: Any,
        total: Any,
    ) -> None:
        super().__init__(
            tasks,
            pages,
            files,
            policies,
            max_map_count,
            commit_limit,
            block,
            block * total,
        )

    def reserved_thp_hpage_nr(self, pages):
        return pages


class ReservedThpVmas(Vmas):
    """VMAs that charge the quota by their length, rounded down."""

    mm = ReservedSpace(TASKS, P, INODES, POLICIES, M, C, K, TOTAL)

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

    @action(kernel="mm/madvise.c:do_madvise")
    def reserve(
        self, task: TASKS, start: PAGES, end: ENDS, fail: FAIL, nth: NTH
    ) -> Errno:
        self.mm.inject(fail, nth)
        error: Errno = self.mm.reserve(task, start, end)
        self.mm.injected()
        return error


class ReservedPagesVmas(ReservedThpVmas):
    """The same, with a quota of base pages: nothing is rounded."""

    mm = ReservedPagesSpace(TASKS, P, INODES, POLICIES, M, C, K, TOTAL)
