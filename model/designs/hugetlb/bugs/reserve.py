# SPDX-License-Identifier: GPL-2.0-only
"""Reserving, mm/hugetlb.c: mmap, the subpool, policies."""

from poolproof.model.blocks.errno import ENOMEM, OK
from poolproof.model.blocks.quota import HugepageSubpool
from poolproof.model.designs.bug import Bug
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb
from poolproof.model.designs.hugetlb.names import (
    MOUNT,
    PAGES,
)
from poolproof.model.designs.hugetlb.versions import (
    Hugetlb61,
    Hugetlb70,
    HugetlbCounted,
)
from poolproof.model.language import made_like


class Beforec79fb75e5a51(Hugetlb61):
    """ "hugetlb: Fix quota management for private mappings": the mount's quota was
    debited for a private page, and credited by truncation only, which never sees
    one (free_huge_page). In its time no page brought its promise back."""

    bug = Bug(
        "c79fb75e5a51?",
        "2.6.24",
        "a private page is not given back to the mount's quota when it is freed",
        trigger="private_files",
        having="hugetlbfs mount size",
        bounds={"V": 1, "P": 1, "files": 1, "blocks": 1},
        detected="hugetlb_invariants.used_exact",
    )

    def unmap_hugepage_range(self, vma, page, surplus=False):
        mine = self.anon.node[vma, page] is not None and self.subpool_vma(vma)
        last = self.mappers.mapcount(vma, page) == 1
        super().unmap_hugepage_range(vma, page, surplus)
        if mine and last:
            self.hugepage_subpool_get_pages(True, 1)


class Before17c9d12e126c(Hugetlb):
    """ "Do not account for hugetlbfs quota at mmap() time if mapping
    [SHM|MAP]_NORESERVE": mmap took the quota of a mapping without promises, and each
    fault took it again (hugetlb_reserve_pages)."""

    bug = Bug(
        "17c9d12e126c",
        "2.6.30",
        "MAP_NORESERVE charges the mount's quota at mmap and again at the fault",
        trigger="noreserve",
        having="hugetlbfs mount size",
        bounds={"V": 1, "P": 1, "files": 1, "blocks": 2, "MAX": 2},
        detected="hugetlb_invariants.used_exact",
    )

    def mmap_shared(self, task, vma, file, start, end, noreserve):
        if noreserve and MOUNT:
            chg = self.i_resv_map.region_absent(file, start, end)
            if not self.spool.fits(chg):
                return ENOMEM
        else:
            chg = 0
        error = super().mmap_shared(task, vma, file, start, end, noreserve)
        if error is OK:
            self.hugepage_subpool_get_pages(True, chg)
        return error


class Before5a6fe1259506(Hugetlb):
    """ "Do not account for the address space used by hugetlbfs using VM_ACCOUNT": a
    change of core VM gave all hugetlb mappings VM_NORESERVE or VM_ACCOUNT, so that
    nothing was reserved (mmap_region)."""

    bug = Bug(
        "5a6fe1259506",
        "2.6.29",
        "mmap reserves nothing",
        bounds={"V": 1, "P": 2, "blocks": 1},
        detected="hugetlb_guarantee.mmap_is_exact",
    )

    def mmap(self, task, vma, length, noreserve):
        return super().mmap(task, vma, length, True)


class Before8ca39e6874f8(Hugetlb):
    """ "mm/hugetlb: add mempolicy check in the reservation routine": a task bound to
    nodes without pages could reserve them (hugetlb_acct_memory). No count is wrong;
    the first touch is SIGBUS."""

    bug = Bug(
        "8ca39e6874f8",
        "5.9",
        "a task reserves pages on nodes that it may not use",
        trigger="mempolicy",
        bounds={"V": 2, "P": 1, "blocks": 1, "nodes": 2},
        detected="hugetlb_mempolicy.enough_for_this_one",
    )

    def hugetlb_acct_memory(self, delta, nodes, mems):
        return super().hugetlb_acct_memory(delta, mems, mems)


class Beforea833a693a490(Hugetlb70):
    """ "mm: hugetlb: fix incorrect fallback for subpool": a reservation that failed
    gave all its pages to the subpool's minimum, also those that it had asked the
    pool for (hugetlb_reserve_pages). 6.12.117 has this bug."""

    bug = Bug(
        "a833a693a490",
        "6.15",
        "a mapping that is too large returns pages to the minimum that it never took",
        trigger="min_size",
        having="hugetlbfs mount truncate",
        bounds={"V": 2, "P": 2, "files": 1, "blocks": 1},
        detected="hugetlb_invariants.resv_exact",
    )

    def out_put_pages(self, spool, chg, gbl_reserve):
        self.hugepage_subpool_put_pages(spool, chg)


class Before1d3f9bb4c8af(HugetlbCounted):
    """ "mm/hugetlb: restore failed global reservations to subpool": a833a693a490 gave
    back to the subpool only what came from it; what the pool had refused stayed in
    used_hpages, until the mount was full of nothing (hugetlb_reserve_pages)."""

    bug = Bug(
        "1d3f9bb4c8af",
        "7.0",
        "pages that the pool refused stay in used_hpages (after a wrong fix)",
        trigger="mount size min_size",
        having="hugetlbfs",
        bounds={"V": 1, "P": 2, "files": 1, "blocks": 1, "MAX": 2},
        detected="hugetlb_invariants.used_exact",
    )

    def out_put_pages(self, spool, chg, gbl_reserve):
        if MOUNT and spool:
            rsv = self.spool.put_pages(chg - gbl_reserve)
            self.h.return_unused_surplus_pages(rsv, PAGES)


class UncountedMinimum(HugetlbCounted):
    """A mount with min_size= alone does not count what it uses, so its minimum takes
    pages back while it is in use (hugepage_subpool_put_pages). No release has the
    fix yet: "mm/hugetlb: ... used_hpages", proposed in July 2026."""

    bug = Bug(
        "",
        "",
        "min_size= without size= is filled again while it is in use",
        trigger="min_size",
        having="hugetlbfs mount truncate",
        bounds={"V": 1, "P": 2, "files": 1, "blocks": 2},
        detected="hugetlb_invariants.min_exact",
    )

    spool = made_like(Hugetlb.spool, HugepageSubpool)
