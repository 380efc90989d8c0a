# SPDX-License-Identifier: GPL-2.0-only
"""UFFDIO_COPY, mm/userfaultfd.c and mm/hugetlb.c: a page with what the caller has.

Where the caller's memory cannot be read with the locks held, the call gives the
page back, reads into a temporary page without locks, and starts again. Between
these two halves anything may happen. At most one call is there at a time.

Left out: whether userfaultfd is registered for the VMA, so that it may be at any
time; UFFDIO_CONTINUE and UFFDIO_POISON, which allocate nothing. A page table entry
of a page in the file's cache is not known, so a private mapping takes the copy.
"""

from poolproof.model.blocks.errno import EEXIST, EFAULT, ENOENT, ENOMEM, OK, Errno
from poolproof.model.designs.hugetlb.fault import Faulting
from poolproof.model.designs.hugetlb.names import (
    HUGETLBFS,
    NODES,
    PAGES,
    USERFAULTFD,
    VMAS,
)
from poolproof.model.language import (
    Bool,
    Maybe,
    action,
    assume,
    may_fail,
    observer,
    require,
    var,
)


class Userfaults(Faulting):
    """mfill_atomic_hugetlb and hugetlb_mfill_atomic_pte."""

    copy_vma = var(Maybe(VMAS), when=USERFAULTFD, doc="where the second half goes on")
    copy_page = var(PAGES, when=USERFAULTFD)
    copy_node = var(Maybe(NODES), when=USERFAULTFD, doc="of the temporary page")
    copy_fresh = var(Bool(), when=USERFAULTFD, doc="HPageTemporary")

    @observer
    def in_copy(self):
        """Huge pages that hold what UFFDIO_COPY has read."""
        return 0 if self.copy_node is None else 1

    @action(kernel="mm/hugetlb.c:hugetlb_mfill_atomic_pte", when=USERFAULTFD)
    def uffd_copy(self, vma: VMAS, page: PAGES, reads: Bool()) -> Errno:
        """ioctl(UFFDIO_COPY) of one page. If it does not read the caller's memory
        with the locks held, this is its first half, and OK means that it goes on."""
        require(self.mapped(vma, page))
        assume(reads or self.copy_node is None, "one UFFDIO_COPY at a time")
        if self.copy_exists(vma, page):
            return EEXIST
        return self.mfill_atomic(vma, page, reads, True)

    @action(kernel="mm/userfaultfd.c:mfill_atomic_hugetlb", when=USERFAULTFD)
    def uffd_copy_retry(self, vma: VMAS, page: PAGES, reads: Bool()) -> Errno:
        """The second half, with what was read without locks."""
        require(self.copy_vma == vma and self.copy_page == page)
        if not reads:
            self.put_copy()
            return EFAULT
        if not self.mapped(vma, page):
            self.put_copy()
            return ENOENT
        if self.copy_exists(vma, page):
            self.put_copy()
            return EEXIST
        result = self.mfill_atomic(vma, page, True, False)
        self.put_copy()
        return result

    @observer
    def copy_exists(self, vma: VMAS, page: PAGES) -> Bool():
        """Return whether there is a page: in the page table, or in the cache of a file
        that the VMA shares (hugetlbfs_pagecache_present, since 5.13: d84cf06e3dd8)."""
        if HUGETLBFS and self.shared(vma):
            return self.page_cache.node[self.vm_file[vma], page] is not None
        return self.anon.node[vma, page] is not None

    def mfill_atomic(self, vma, page, reads, first) -> Errno:
        """mm/hugetlb.c:hugetlb_mfill_atomic_pte from alloc_hugetlb_folio on."""
        task = self.vm_mm[vma]
        css = self.css_of(task)
        spool = self.subpool_vma(vma)
        shared = HUGETLBFS and self.shared(vma)
        map_chg = self.vma_needs_reservation(vma, page)
        if map_chg < 0:
            return ENOMEM
        promises = self.h.resv_huge_pages
        nid = self.alloc_hugetlb_folio(
            spool,
            map_chg,
            False,
            shared or self.resv_owner[vma],
            self.mpol.huge_node(vma, task),
            css,
            self.mpol.first_node(vma, task, page),
        )
        if nid is None:
            self.vma_end_reservation(vma)
            return self.no_folio_for_copy() if first else ENOMEM
        css_rsvd = css if map_chg > 0 else None
        restore_reserve = self.h.resv_huge_pages != promises
        map_commit = self.vma_commit_reservation(vma, page)
        if self.raced(map_chg, map_commit):
            self.alloc_raced(spool, css_rsvd)
            css_rsvd = None
        if not reads:
            restore_reserve = self.copy_failed(vma, page, restore_reserve)
            self.free_huge_folio(nid, restore_reserve, spool, css, css_rsvd)
            return self.alloc_copy(vma, page, task)
        failed = False
        if not first:
            failed = may_fail("copy_user_large_folio")
        if failed or not self.may_add(vma, page):
            restore_reserve = self.copy_failed(vma, page, restore_reserve)
            self.free_huge_folio(nid, restore_reserve, spool, css, css_rsvd)
            return EEXIST if self.copy_is_cached(vma, page) else EFAULT
        if shared:
            self.page_cache.set(self.vm_file[vma], page, nid, css, css_rsvd)
        else:
            self.anon.set(vma, page, nid, css, css_rsvd)
            self.mappers.alone(vma, page)
        return OK

    def no_folio_for_copy(self):
        """The result of UFFDIO_COPY without a page for it."""
        return ENOMEM

    def copy_failed(self, vma, page, restore_reserve):
        """A page that was allocated for the copy is given back: return its
        HPageRestoreReserve."""
        return self.restore_reserve_on_error(vma, page, restore_reserve)

    def copy_is_cached(self, vma, page):
        """Return whether hugetlb_add_to_page_cache says -EEXIST."""
        if HUGETLBFS and self.shared(vma):
            return self.page_cache.node[self.vm_file[vma], page] is not None
        return False

    def may_add(self, vma, page):
        """Return whether the page can go to the file's cache: before its end, and there
        is none yet. A private mapping's page goes nowhere."""
        if HUGETLBFS and self.shared(vma):
            return self.within_file(vma, page) and not self.copy_is_cached(vma, page)
        return True

    def alloc_copy(self, vma, page, task) -> Errno:
        """mm/hugetlb.c:alloc_hugetlb_folio_vma, a temporary page: a free one that
        is promised to nobody, or a fresh one."""
        nodes = self.mpol.huge_node(vma, task)
        first = self.mpol.first_node(vma, task, page)
        nid = self.dequeue_hugetlb_folio_vma(False, nodes, first)
        fresh = False
        if nid is None:
            nid = self.alloc_fresh_copy(nodes, first)
            fresh = True
        if nid is None:
            return ENOMEM
        self.copy_vma = vma
        self.copy_page = page
        self.copy_node = nid
        self.copy_fresh = fresh
        return OK

    def alloc_fresh_copy(self, nodes, first):
        """A fresh temporary page: with __GFP_THISNODE of the node that is tried first
        or of none, even if policy or cpuset exclude it and allow others."""
        if first is None:
            for n in NODES:
                if first is None:
                    first = n
        this = {n for n in NODES if n == first and n in nodes}
        return self.h.alloc_fresh_hugetlb_folio(this)

    def put_copy(self):
        """include/linux/mm.h:folio_put of the temporary page: a fresh one is no
        page of the pool."""
        nid = self.copy_node
        if self.copy_fresh:
            for n in NODES:
                if n == nid:
                    self.h.remove_hugetlb_folio(n, False, False)
        else:
            self.free_huge_folio(nid, False, False, None, None)
        self.copy_vma = None
        self.copy_page = 0
        self.copy_node = None
        self.copy_fresh = False
