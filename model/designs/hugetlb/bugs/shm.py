# SPDX-License-Identifier: GPL-2.0-only
"""Segments, descriptors without writing, and memfds: hugetlbfs, mm/memfd.c."""

from poolproof.model.blocks.errno import ENOMEM, OK
from poolproof.model.designs.bug import Bug
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb
from poolproof.model.designs.hugetlb.names import FILES, HUGETLBFS, MEMFD, PAGES
from poolproof.model.designs.hugetlb.versions import Hugetlb70
from poolproof.model.language import Bool, require, table

ONE = {"V": 1, "P": 1, "files": 1, "blocks": 1}


class Beforef83a275dbc5c(Hugetlb):
    """ "mm: account for MAP_SHARED mappings using VM_MAYSHARE and not VM_SHARED in
    hugetlbfs": a shared mapping of a read-only descriptor was private for the reserve
    maps, and shared for the page cache (hugetlb_reserve_pages,
    vma_needs_reservation)."""

    bug = Bug(
        "f83a275dbc5c",
        "2.6.30",
        "reserve maps treat a shared mapping of a read-only descriptor as private",
        trigger="read_only",
        having="hugetlbfs",
        bounds=ONE,
        detected="hugetlb_invariants.cached_is_accounted",
    )

    def mmap_read_only(self, task, vma, file, start, end, noreserve):
        require(self.vm_mm[vma] is None and start < end)
        require(self.exists(file))
        if not noreserve:
            reserved = self.hugetlb_reserve_private(task, True, end - start)
            if not reserved:
                return ENOMEM
        self.map(task, vma, start, end, not noreserve)
        self.vm_file[vma] = file
        self.vm_read_only[vma] = True
        return OK

    def vma_needs_reservation(self, vma, page):
        if self.vm_read_only[vma]:
            return self.private_needs_reservation(vma, page)
        return super().vma_needs_reservation(vma, page)

    def vma_commit_reservation(self, vma, page):
        if not self.vm_read_only[vma]:
            return super().vma_commit_reservation(vma, page)
        if not self.resv_owner[vma]:
            return 1
        return 0 if self.resv_map.region_add(vma, page, page + 1) > 0 else 1


class Beforee656c7a9e596(Hugetlb):
    """ "mm: hugetlb pages should not be reserved by shmat() if SHM_NORESERVE":
    attaching a segment reserved its pages (hugetlbfs_file_mmap)."""

    bug = Bug(
        "e656c7a9e596",
        "6.8",
        "shmat() reserves what shmget(SHM_NORESERVE) did not",
        trigger="shm",
        having="hugetlbfs noreserve",
        bounds=ONE,
        detected="hugetlb_shm.noreserve_is_never",
    )

    def shmat_reserves(self, file):
        return True


class Before26a8ea80929c(Hugetlb70):
    """ "mm/hugetlb: fix memfd_pin_folios resv_huge_pages leak": a page was taken for a
    memfd, and the promise for it stayed (memfd_alloc_folio)."""

    bug = Bug(
        "26a8ea80929c",
        "6.12",
        "memfd_pin_folios() takes a reserved page and leaves the reservation",
        trigger="memfd",
        having="hugetlbfs",
        bounds=ONE,
        detected="hugetlb_invariants.resv_exact",
    )

    def memfd_alloc_folio(self, task, file, page):
        nid = super().memfd_alloc_folio(task, file, page)
        if nid is not None:
            self.h.change_resv(1)
        return nid


class Beforec56b6f3d801d(Hugetlb70):
    """ "mm/hugetlb: fix memfd_pin_folios free_huge_pages leak": a page that was made
    for a memfd had a reference too many, and was never free (memfd_alloc_folio)."""

    bug = Bug(
        "c56b6f3d801d",
        "6.12",
        "memfd_pin_folios() leaks a reference, so the page is never freed",
        trigger="memfd",
        having="hugetlbfs punch",
        bounds=ONE,
        detected="hugetlb_invariants.census",
    )

    extra = table(FILES, PAGES, Bool(), when=(HUGETLBFS, MEMFD), doc="a reference")

    def memfd_alloc_folio(self, task, file, page):
        nid = super().memfd_alloc_folio(task, file, page)
        self.extra[file, page] = nid is not None
        return nid

    def free_cached(self, file, page):
        if self.extra[file, page]:
            self.extra[file, page] = False
            self.page_cache.clear(file, page)
            self.cache_pinned[file, page] = False
        else:
            super().free_cached(file, page)
