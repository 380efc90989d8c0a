# SPDX-License-Identifier: GPL-2.0-only
"""Pages pinned for I/O, mm/gup.c, and what becomes of one that is unmapped."""

from poolproof.model.blocks.errno import ENOMEM, OK, Errno
from poolproof.model.designs.hugetlb.names import (
    FILES,
    HUGETLBFS,
    IO,
    IOS,
    MEMFD,
    MOUNT,
    NODES,
    PAGES,
    PINS,
    TASKS,
    TRUNCATE,
    VMAS,
)
from poolproof.model.designs.hugetlb.userfault import Userfaults
from poolproof.model.language import action, assume, observer, require, warn_on


class Pinning(Userfaults):
    """pin_user_pages, unpin_user_page, and the last reference of a page."""

    @observer
    def in_limbo(self):
        """Huge pages that nobody maps or caches, and that I/O keeps, or a copy."""
        return self.kept_by_io() + self.in_copy()

    def kept_by_io(self):
        return sum(1 for io in IOS if self.limbo.node[io, 0] is not None)

    def nr_pinned(self):
        pinned = self.kept_by_io()
        pinned += sum(1 for v in VMAS for p in PAGES if self.pinned[v, p])
        if HUGETLBFS:
            pinned += sum(1 for f in FILES for p in PAGES if self.cache_pinned[f, p])
        return pinned

    @action(kernel="mm/gup.c:pin_user_pages", when=PINS)
    def pin(self, vma: VMAS, page: PAGES):
        """Pins a page that is there. A page that a child maps, too, is unshared
        first, which is a write (gup_must_unshare)."""
        require(self.mapped(vma, page) and self.nr_pinned() < IO)
        if HUGETLBFS and self.shared(vma):
            file = self.vm_file[vma]
            require(self.page_cache.node[file, page] is not None)
            assume(not self.cache_pinned[file, page], "no page is pinned twice")
            self.cache_pinned[file, page] = True
        else:
            require(self.anon.node[vma, page] is not None)
            require(self.mappers.mapcount(vma, page) == 1)
            assume(not self.pinned[vma, page], "no page is pinned twice")
            self.pinned[vma, page] = True

    @action(kernel="mm/gup.c:memfd_pin_folios", when=MEMFD)
    def memfd_pin(self, task: TASKS, file: FILES, page: PAGES) -> Errno:
        """udmabuf: a page of a memfd is pinned, and allocated if it is not there."""
        assume(not MOUNT, "no memfd beside a mount")
        require(self.exists(file) and self.nr_pinned() < IO)
        assume(not self.cache_pinned[file, page], "no page is pinned twice")
        if TRUNCATE:
            require(page < self.i_size[file])
        if self.page_cache.node[file, page] is None:
            nid = self.memfd_alloc_folio(task, file, page)
            if nid is None:
                return ENOMEM
            self.page_cache.set(file, page, nid, None, None)
        self.cache_pinned[file, page] = True
        return OK

    def memfd_alloc_folio(self, task, file, page):
        """mm/memfd.c:memfd_alloc_folio: return the node of a free page, or None.
        It takes a promise, of whom it does not ask, and its index does not come
        into the reserve map. VM_BUG_ON there where no promise is left; without
        CONFIG_DEBUG_VM it goes on."""
        nid = self.h.dequeue_hugetlb_folio_nodemask({n for n in NODES})
        warn_on(
            nid is not None and self.h.resv_huge_pages == 0,
            "VM_BUG_ON: a page is taken from the reserve, and there is none",
        )
        if nid is not None:
            self.h.change_resv(-1)
        return nid

    @action(kernel="mm/gup.c:unpin_user_page", when=PINS)
    def unpin(self, vma: VMAS, page: PAGES):
        require(self.pinned[vma, page])
        self.pinned[vma, page] = False

    @action(kernel="mm/gup.c:unpin_user_page", when=(PINS, HUGETLBFS))
    def unpin_cached(self, file: FILES, page: PAGES):
        require(self.cache_pinned[file, page])
        self.cache_pinned[file, page] = False

    @action(kernel="mm/gup.c:unpin_user_page", when=PINS)
    def unpin_last(self, io: IOS):
        """The I/O on a page that nobody has ends: now it is free."""
        require(self.limbo.node[io, 0] is not None)
        nid = self.limbo.node[io, 0]
        restore = self.limbo_restore[io]
        spool = self.limbo_spool[io]
        cg = self.limbo.cg[io, 0]
        cg_rsvd = self.limbo.cg_rsvd[io, 0]
        self.limbo.clear(io, 0)
        self.limbo_restore[io] = False
        self.limbo_spool[io] = False
        self.free_huge_folio(nid, restore, spool, cg, cg_rsvd)

    def folio_put(self, pinned, nid, restore_reserve, spool, cg, cg_rsvd):
        """include/linux/mm.h:folio_put of what was the last mapping, or the page
        cache's reference: the page is free now, or with its last pin. Until then it
        keeps its charges and its promise (HPAGE_RESTORE_RESERVE)."""
        if PINS and pinned:
            slot = None
            for io in IOS:
                if slot is None and self.limbo.node[io, 0] is None:
                    slot = io
            for io in IOS:
                if io == slot:
                    self.limbo.set(io, 0, nid, cg, cg_rsvd)
                    self.limbo_restore[io] = restore_reserve
                    self.limbo_spool[io] = MOUNT and spool
        else:
            self.free_huge_folio(nid, restore_reserve, spool, cg, cg_rsvd)
