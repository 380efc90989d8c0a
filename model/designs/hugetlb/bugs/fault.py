# SPDX-License-Identifier: GPL-2.0-only
"""Faults, mm/hugetlb.c: a page that is taken, and what is undone."""

from poolproof.model.blocks.errno import OK
from poolproof.model.designs.bug import Bug
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb
from poolproof.model.designs.hugetlb.names import HUGETLBFS, INJECT
from poolproof.model.designs.hugetlb.versions import Hugetlb61, Hugetlb70

ONE = {"V": 1, "P": 1, "files": 1, "blocks": 1}


class Beforeebed4bfc8da8(Hugetlb):
    """ "[PATCH] hugetlb: fix absurd HugePages_Rsvd": a fault on a shared mapping
    took a promise without looking at i_size or asking whether there was one. Only
    beyond the end of the file: all shared mappings had promises before it."""

    bug = Bug(
        "ebed4bfc8da8",
        "2.6.19",
        "a fault beyond the end of a truncated file uses a reservation that is gone",
        trigger="truncate",
        having="hugetlbfs",
        bounds=ONE,
        detected="hugetlb_invariants.resv_exact",
    )

    def within_file(self, vma, page):
        return True

    def vma_needs_reservation(self, vma, page):
        if HUGETLBFS and self.shared(vma) and not super().within_file(vma, page):
            return 0
        return super().vma_needs_reservation(vma, page)


class Before07443a85ad90(Hugetlb61):
    """ "mm, hugetlb: return a reserved page to a reserved pool if failed": a page
    that was taken for a promise and could not be installed came back without the
    promise (free_huge_page)."""

    bug = Bug(
        "07443a85ad90?",
        "3.12",
        "a reserved page that cannot be installed loses its reservation",
        trigger="inject",
        bounds=ONE,
        detected="hugetlb_invariants.resv_exact",
    )

    def free_huge_folio(self, nid, restore_reserve, spool, cg, cg_rsvd):
        super().free_huge_folio(nid, False, spool, cg, cg_rsvd)


class CowSkipsSubpool(Hugetlb):
    """ "mm, hugetlb: fix subpool accounting handling": the copy that an owner makes
    after fork did not ask the subpool, and when it was freed the subpool was paid
    all the same (alloc_huge_page)."""

    bug = Bug(
        "",
        "3.15",
        "the copy that an owner makes after fork is not counted in used_hpages",
        trigger="fork",
        having="hugetlbfs private_files mount size",
        bounds={"V": 2, "P": 1, "files": 1, "blocks": 2},
        detected="hugetlb_invariants.used_exact",
    )

    def alloc_hugetlb_folio(
        self, spool, map_chg, cow_from_owner, may_reserve, nodes, css, first=None
    ):
        return super().alloc_hugetlb_folio(
            spool and not cow_from_owner,
            map_chg,
            cow_from_owner,
            may_reserve,
            nodes,
            css,
            first,
        )


class Before67961f9db8c4(Hugetlb61):
    """ "mm/hugetlb: fix huge page reserve accounting for private mappings": the owner
    of a private mapping was taken to have a promise for every index, consumed or
    not (vma_needs_reservation)."""

    bug = Bug(
        "67961f9db8c4",
        "4.8",
        "after a hole is punched, a private page is faulted in from the reserve again",
        trigger="punch truncate dontneed",
        having="hugetlbfs private_files",
        bounds=ONE,
        detected="hugetlb_invariants.resv_exact",
    )

    def vma_needs_reservation(self, vma, page):
        if self.resv_owner[vma]:
            return 0
        return super().vma_needs_reservation(vma, page)

    def restore_reserve_on_error(self, vma, page, restore_reserve):
        if self.resv_owner[vma] and restore_reserve:
            self.resv_map.region_del(vma, page)
        return super().restore_reserve_on_error(vma, page, restore_reserve)


class Before96b96a96ddee(Hugetlb):
    """ "mm/hugetlb: fix huge page reservation leak in private mapping error paths": a
    page that could not be installed brought its promise back, but the reserve map
    went on to say that it was consumed (restore_reserve_on_error)."""

    bug = Bug(
        "96b96a96ddee",
        "4.9",
        "a private page that cannot be installed stays consumed in the reserve map",
        trigger="inject",
        bounds=ONE,
        detected="hugetlb_invariants.resv_exact",
    )

    def restore_reserve_on_error(self, vma, page, restore_reserve):
        if HUGETLBFS and self.shared(vma):
            return super().restore_reserve_on_error(vma, page, restore_reserve)
        return restore_reserve


class Before0919e1b69ab4(Hugetlb61):
    """ "hugetlbfs: on restore reserve error path retain subpool reservation": freeing
    a page that brings its promise back also took it out of the subpool, which still
    has the promise (free_huge_page). In its time no other page brought its promise
    back."""

    bug = Bug(
        "0919e1b69ab4",
        "5.2",
        "used_hpages is decremented twice for a page that cannot be installed",
        trigger="inject",
        having="hugetlbfs mount size",
        bounds=ONE,
        detected="hugetlb_invariants.used_exact",
    )

    def free_huge_folio(self, nid, restore_reserve, spool, cg, cg_rsvd):
        if restore_reserve:
            self.hugepage_subpool_put_pages(spool, 1)
        super().free_huge_folio(nid, restore_reserve, spool, cg, cg_rsvd)


class Before846be08578ed(Hugetlb):
    """ "mm/hugetlb: expand restore_reserve_on_error functionality": where there had
    been no promise, a page that could not be installed left its index in the
    reserve map, which then said "promised" (restore_reserve_on_error)."""

    bug = Bug(
        "846be08578ed",
        "5.13",
        "an unreserved page that cannot be installed leaves a reservation in the map",
        trigger="inject",
        having="hugetlbfs noreserve",
        bounds=ONE,
        detected="hugetlb_invariants.resv_exact",
    )

    def restore_reserve_on_error(self, vma, page, restore_reserve):
        if restore_reserve:
            return super().restore_reserve_on_error(vma, page, restore_reserve)
        return restore_reserve


class Beforec7b1850dfb41(Hugetlb):
    """ "hugetlb: don't pass page cache pages to restore_reserve_on_error": the page
    was in the page cache, the page table entry had changed meanwhile, and the undo
    took the index out of the reserve map (hugetlb_no_page, "backout"). Here a
    shared page is ``installed`` unless that happens."""

    bug = Bug(
        "c7b1850dfb41",
        "5.14",
        "a fault that backs out drops a page-cache page from the reserve map",
        trigger="inject",
        having="hugetlbfs",
        bounds=ONE,
        detected="hugetlb_invariants.cached_is_accounted",
    )

    def hugetlb_fault(self, task, vma, page, write, installed):
        backs_out = INJECT and HUGETLBFS and self.shared(vma) and not installed
        fresh = backs_out and self.page_cache.node[self.vm_file[vma], page] is None
        error = super().hugetlb_fault(task, vma, page, write, installed or backs_out)
        if fresh and error is OK:
            self.restore_reserve_on_error(vma, page, False)
        return error


class Before26273f5f4cf6(Hugetlb70):
    """ "mm/hugetlb: fix avoid_reserve to allow taking folio from subpool": the copy
    that an owner makes after fork took a promise of the mount's minimum from the
    subpool, and then a page as if it had none: the promise stayed in
    resv_huge_pages for ever (alloc_hugetlb_folio)."""

    bug = Bug(
        "26273f5f4cf6?",
        "6.14",
        "an owner's copy uses a reservation of the minimum, which stays counted",
        trigger="fork",
        having="hugetlbfs private_files mount min_size",
        bounds={"V": 2, "P": 2, "files": 1, "blocks": 3, "MIN": 2},
        detected="hugetlb_invariants.resv_exact",
    )

    def take_folio(self, gbl_chg, cow_from_owner, may_reserve, nodes, first=None):
        gbl = 1 if cow_from_owner else gbl_chg
        return super().take_folio(gbl, cow_from_owner, may_reserve, nodes, first)
