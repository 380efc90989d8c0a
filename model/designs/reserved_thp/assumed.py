# SPDX-License-Identifier: GPL-2.0-only
"""Reserved THP with code that nobody posted: what else the hunks might have said.

`posted` follows what could be read of [RFC PATCH 0/8], and assumes the harmless
of what could not. Here are other readings, each a feature: nothing refuses to
unmap a part of a block, or to expand a VMA with VM_GROWSDOWN without a charge
(both mm/vma.c); and a fork that copies the flag and charges nothing, which is
not what the posted dup_mmap() does, but what it would do without its hunk.
"""

from typing import Any

from poolproof.model.designs.names import FORK, INDICES, VMAS, P
from poolproof.model.designs.reserved_thp.posted import HUGE, SMALL, K, ReservedThp
from poolproof.model.language import Feature, Int, action, require

PARTIAL = Feature("partial", False, "munmap at any base page")
GROWSDOWN = Feature("growsdown", False, "VMAs with VM_GROWSDOWN")
FORK_UNCHARGED: Any = Feature(
    "fork_uncharged", False, "fork does not charge the child", needs=FORK
)


class ReservedThpAssumed(ReservedThp):
    """Reserved THP, and code that nobody posted."""

    assumed: tuple[str, ...] = (
        *ReservedThp.assumed,
        "partial: mm/vma.c unmaps parts of blocks",
        "growsdown: mm/vma.c:expand_downwards charges nothing",
        "fork_uncharged: dup_mmap() without its hunk",
    )

    def charge_child(self, vma):
        if FORK_UNCHARGED:
            return True
        return super().charge_child(vma)

    @action(kernel="mm/vma.c:vms_complete_munmap_vmas", when=PARTIAL)
    def unmap_tail(self, vma: VMAS, at: Int(1, P * K - 1)):
        """munmap() from a base page on. Each piece gives back its own length
        rounded down; a folio that is cut stays until its last page goes."""
        require(at < self.length[vma])
        if not self.plain[vma]:
            self.pool.uncharge((self.length[vma] - at) // K)
        for b in INDICES:
            if b * K >= at:
                self.zap(vma, b)
            elif (b + 1) * K > at and self.backing[vma, b] == HUGE:
                self.backing[vma, b] = SMALL
        self.length[vma] = at

    @action(kernel="mm/vma.c:expand_downwards", when=GROWSDOWN)
    def grow_down(self, vma: VMAS):
        """A fault below a VMA with VM_GROWSDOWN, which madvise() does not refuse,
        makes it a block longer."""
        require(self.length[vma] > 0 and self.length[vma] + K <= P * K)
        self.length[vma] += K
