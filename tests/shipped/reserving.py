# SPDX-License-Identifier: GPL-2.0-only
"""A design that charges one counter for the pages of VMAs with a flag."""

from poolproof.model.blocks.errno import ENOMEM, OK, Errno
from poolproof.model.blocks.vma.address_space import VM, AddressSpace
from poolproof.model.designs.probes.address_space import (
    ENDS,
    FAIL,
    INODES,
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

QUOTA = Bound("QUOTA", 4, doc="pages that may be reserved")
INHERIT = Feature("inherit", False, "a child's VMAs are reserved, too")


class Reserving(AddressSpace):
    """VM.RESERVED is charged to ``used``."""

    def __init__(self, *domains, quota):
        super().__init__(*domains)
        self.quota = quota
        self.used = var(Int(0, quota))

    def charge(self, task, start, pages, vm_flags):
        if VM.RESERVED in vm_flags:
            if self.used + pages > self.quota:
                return False
            self.used += pages
        return True

    def uncharge(self, task, start, pages, vm_flags):
        if VM.RESERVED in vm_flags:
            self.used -= pages

    def concealed(self):
        return {VM.ACCOUNT, VM.RESERVED}

    def child_flags(self, vm_flags):
        if not INHERIT:
            vm_flags = vm_flags - {VM.RESERVED}
        return super().child_flags(vm_flags)

    def reserve(self, task, start, end):
        """madvise that sets the flag on a part of one VMA."""
        require(start < end and self.one_vma(task, start, end))
        old = self.vm_flags[task, start]
        require(VM.RESERVED not in old)
        new = old | {VM.RESERVED}
        if not self.charge(task, start, end - start, new):
            return ENOMEM
        error = self.change(task, start, end, new, self.vm_policy[task, start])
        if error is not OK:
            self.uncharge(task, start, end - start, new)
        return error


class ReservingVmas(Vmas):
    """Reserves, and all that VMAs go through."""

    mm = Reserving(TASKS, P, INODES, POLICIES, M, C, quota=QUOTA)

    @observer
    def reserved(self):
        return sum(
            1 for t in TASKS for p in PAGES if VM.RESERVED in self.mm.vm_flags[t, p]
        )

    @action(kernel="mm/madvise.c:madvise_vma_behavior")
    def reserve(
        self, task: TASKS, start: PAGES, end: ENDS, fail: FAIL, nth: NTH
    ) -> Errno:
        self.mm.inject(fail, nth)
        error: Errno = self.mm.reserve(task, start, end)
        self.mm.injected()
        return error
