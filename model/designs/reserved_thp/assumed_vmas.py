# SPDX-License-Identifier: GPL-2.0-only
"""Reserved THP's quota over VMAs, with code that nobody posted.

`vmas` follows what could be read, and assumes that mm/vma.c, which could not,
keeps blocks whole. Here are other readings, each a feature: only a split inside
a block is refused, as by vm_ops->may_split (``any_shift``), or not even that
(``any_split``). And variants that the posted hunks rule out: madvise() looks at
the range's alignment and not at that of its part of a VMA (``any_part``); fork
copies the flag and charges nothing (``fork_uncharged``), or leaves the flag
behind (``stripped``). `ReservedPagesVmas` counts base pages in place of blocks.
"""

from typing import Any

from poolproof.model.blocks.errno import EINVAL
from poolproof.model.blocks.vma.address_space import FORK, VM
from poolproof.model.designs.probes.address_space import (
    INODES,
    POLICIES,
    TASKS,
    C,
    M,
    P,
)
from poolproof.model.designs.reserved_thp.vmas import (
    TOTAL,
    K,
    ReservedSpace,
    ReservedThpVmas,
)
from poolproof.model.language import Feature

ANY_SPLIT = Feature("any_split", False, "a reserved VMA is split at any base page")
ANY_SHIFT = Feature("any_shift", False, "a merge moves a boundary into a block")
ANY_PART = Feature("any_part", False, "a range is aligned, its part of a VMA is not")
FORK_UNCHARGED: Any = Feature(
    "fork_uncharged", False, "fork does not charge the child", needs=FORK
)
STRIPPED: Any = Feature(
    "stripped", False, "a child's VMAs are not reserved", needs=FORK
)


class AssumedSpace(ReservedSpace):
    """Address spaces under rules that nobody posted."""

    def may_split(self, task, address):
        if ANY_SPLIT:
            return True
        return super().may_split(task, address)

    def keeps_whole(self):
        return not ANY_SPLIT and not ANY_SHIFT

    def reserve(self, task, start, end):
        if ANY_PART and not (self.aligned(start) and self.aligned(end)):
            return EINVAL
        return super().reserve(task, start, end)

    def may_reserve(self, start, end):
        if ANY_PART:
            return True
        return super().may_reserve(start, end)

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


class PagesSpace(AssumedSpace):
    """The same, if the quota were counted in base pages."""

    def reserved_thp_hpage_nr(self, pages):
        return pages


class ReservedThpVmasAssumed(ReservedThpVmas):
    """The quota over VMAs, and code that nobody posted."""

    assumed: tuple[str, ...] = (
        *ReservedThpVmas.assumed,
        "any_split, any_shift: mm/vma.c keeps blocks less whole than that",
        "any_part, fork_uncharged, stripped: other hunks than those posted",
    )

    mm = AssumedSpace(TASKS, P, INODES, POLICIES, M, C, block=K, total=TOTAL)


class ReservedPagesVmas(ReservedThpVmasAssumed):
    """The quota over VMAs, in base pages: nothing is rounded."""

    mm = PagesSpace(TASKS, P, INODES, POLICIES, M, C, block=K, total=K * TOTAL)
