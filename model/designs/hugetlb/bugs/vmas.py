# SPDX-License-Identifier: GPL-2.0-only
"""VMAs that are split and moved, mm/hugetlb.c."""

from poolproof.model.designs.bug import Bug
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb
from poolproof.model.designs.hugetlb.names import PAGES, VMAS, P
from poolproof.model.designs.hugetlb.versions import Hugetlb61, Hugetlb70
from poolproof.model.language import Int, table


class Before84afd99b8398(Hugetlb61):
    """ "hugetlb reservations: fix hugetlb MAP_PRIVATE reservations across vma splits":
    what was left of a promise was a number in the VMA. A split copied it and both
    halves gave it back. No page brings its promise back (adjust_reservation): the
    number cannot follow that."""

    bug = Bug(
        "84afd99b8398?",
        "2.6.27",
        "each half of a split mapping gives back the whole reservation",
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
        map_commit = super().vma_commit_reservation(vma, page)
        if self.resv_owner[vma] and map_commit == 0:
            self.reserved[vma] = max(0, self.reserved[vma] - 1)
        return map_commit

    def restore_reserve_on_error(self, vma, page, restore_reserve):
        if self.resv_owner[vma] and restore_reserve:
            self.reserved[vma] += 1
        return super().restore_reserve_on_error(vma, page, restore_reserve)

    def hugetlb_vm_op_open(self, vma, new):
        super().hugetlb_vm_op_open(vma, new)
        self.reserved[new] = self.reserved[vma]

    def hugetlb_vm_op_close(self, vma, start, end):
        if self.resv_owner[vma]:
            self.hugetlb_cgroup_uncharge_cgroup_rsvd(self.resv_css[vma], end - start)
            spool = self.subpool_vma(vma)
            gbl_reserve = self.hugepage_subpool_put_pages(spool, self.reserved[vma])
            self.h.return_unused_surplus_pages(gbl_reserve, PAGES)

    def forget(self, vma):
        super().forget(vma)
        self.reserved[vma] = 0


class Before09a26e832705(Hugetlb):
    """ "hugetlb: fix hugetlb cgroup refcounting during vma split": a split copied the
    reserve map without a reference to the cgroup that pays for it, and each of the
    two VMAs dropped one (hugetlb_vm_op_open)."""

    bug = Bug(
        "09a26e832705",
        "5.15",
        "both halves of a split mapping drop the same reference to their cgroup",
        trigger="split",
        having="css",
        bounds={"V": 2, "P": 2, "blocks": 2, "CG_RSVD": 2, "CG_MAX": 2},
        detected="hugetlb_css.css_exact",
    )

    def resv_map_dup_hugetlb_cgroup_uncharge_info(self, vma):
        pass


class Beforeafe041c2d0fe(Hugetlb):
    """ "hugetlb: fix hugetlb cgroup refcounting during mremap": a move dropped the old
    VMA's reference to the reserve map, and not the one to the cgroup
    (clear_vma_resv_huge_pages)."""

    bug = Bug(
        "afe041c2d0fe",
        "5.16",
        "a moved mapping keeps its cgroup alive for ever",
        trigger="mremap",
        having="css",
        bounds={"V": 2, "P": 1, "blocks": 1},
        detected="hugetlb_css.css_exact",
    )

    def resv_map_put_hugetlb_cgroup_uncharge_info(self, vma):
        pass


class Before8daf9c702ee7(Hugetlb):
    """ "mm/hugetlb: do not call vma_add_reservation upon ENOMEM": if the first phase
    failed for want of memory, the second ran all the same (__unmap_hugepage_range).
    It takes a page that was only read, because a write leaves a descriptor in
    stock."""

    bug = Bug(
        "8daf9c702ee7",
        "6.10",
        "vma_add_reservation() is called although vma_needs_reservation() failed",
        trigger="failures",
        having="regions descriptors dontneed reads",
        bounds={"V": 1, "P": 1, "blocks": 1, "failures": 1},
        detected="hugetlb_failures.settled",
    )

    def restore_reserve_on_unmap(self, vma, page):
        rc = self.private_needs_reservation(vma, page)
        if rc != 0:
            self.private_add_reservation(vma, page)
        return True


class Beforeee40c9920ac2(Hugetlb70):
    """ "mm: fix copy_vma() error handling for hugetlb mappings": the new VMA had opened
    the reserve map, could not be linked, and was closed with the map: the promises of
    the VMA that stays were given back (copy_vma). 6.12.117 has this bug."""

    bug = Bug(
        "ee40c9920ac2",
        "6.16",
        "a failing mremap gives back the reservations of the remaining mapping",
        trigger="failures",
        having="mremap",
        bounds={"V": 2, "P": 1, "blocks": 1, "failures": 1},
        detected="hugetlb_invariants.resv_exact",
    )

    def out_vma_link(self, new):
        self.close_copy(new)
