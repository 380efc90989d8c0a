# SPDX-License-Identifier: GPL-2.0-only
"""VMAs that are split and moved, mm/hugetlb.c."""

from poolproof.model.designs.bug import Bug
from poolproof.model.designs.hugetlb.names import PAGES, VMAS, P
from poolproof.model.designs.hugetlb.versions import Hugetlb61
from poolproof.model.language import Int, table


class Before84afd99b8398(Hugetlb61):
    """ "hugetlb reservations: fix hugetlb MAP_PRIVATE reservations across vma splits":
    what was left of a promise was a number in the VMA. A split copied it and both
    halves gave it back. No page brings its promise back (adjust_reservation): the
    number cannot follow that."""

    bug = Bug(
        "84afd99b8398?",
        "2.6.27",
        "both halves of a split mapping give back all that was promised",
        trigger="split",
        bounds={"V": 2, "P": 2, "blocks": 2},
        detected="hugetlb_invariants.resv_exact",
    )

    reserved = table(VMAS, Int(0, P), doc="what the VMA says it was promised")

    def map(self, task, vma, start, end, owner):
        super().map(task, vma, start, end, owner)
        if owner:
            self.reserved[vma] = end - start

    def vma_commit_reservation(self, vma, page):
        had = self.vma_needs_reservation(vma, page) == 0
        super().vma_commit_reservation(vma, page)
        if self.resv_owner[vma] and had:
            self.reserved[vma] = max(0, self.reserved[vma] - 1)

    def restore_reserve_on_error(self, vma, page, restore_reserve):
        super().restore_reserve_on_error(vma, page, restore_reserve)
        if self.resv_owner[vma] and restore_reserve:
            self.reserved[vma] += 1

    def hugetlb_vm_op_open(self, vma, new):
        super().hugetlb_vm_op_open(vma, new)
        self.reserved[new] = self.reserved[vma]

    def hugetlb_vm_op_close(self, vma, start, end):
        if self.resv_owner[vma]:
            self.rsvd.uncharge(self.resv_css[vma], end - start)
            spool = self.subpool_vma(vma)
            gbl_reserve = self.hugepage_subpool_put_pages(spool, self.reserved[vma])
            self.h.return_unused_surplus_pages(gbl_reserve, PAGES)

    def forget(self, vma):
        super().forget(vma)
        self.reserved[vma] = 0
