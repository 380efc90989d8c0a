# SPDX-License-Identifier: GPL-2.0-only
"""Faults and fallocate, mm/hugetlb.c: a page from the pool and back."""

from poolproof.model.blocks.errno import ENOMEM, ENOSPC, OK, OOM, SIGBUS, Errno
from poolproof.model.designs.hugetlb.names import (
    CGROUP,
    DESCRIPTORS,
    FALLOCATE,
    FILES,
    FORK,
    HUGETLBFS,
    INJECT,
    LIMIT,
    MEMCG,
    MOUNT,
    NODES,
    PAGES,
    READ_ONLY,
    READS,
    REMOTE,
    TASKS,
    TRUNCATE,
    VMAS,
)
from poolproof.model.designs.hugetlb.shm import OtherMappings
from poolproof.model.language import Bool, Given, action, require


class Allocation(OtherMappings):
    """alloc_hugetlb_folio, free_huge_folio, and a page in a reserve map."""

    def alloc_hugetlb_folio(
        self, spool, map_chg, cow_from_owner, may_reserve, nodes, css, first=None
    ):
        """mm/hugetlb.c:alloc_hugetlb_folio. A page's node, or None (-ENOSPC)
        with everything undone. ``map_chg`` is vma_needs_reservation's answer,
        ``may_reserve`` the rest of vma_has_reserves: a shared mapping, or the
        owner of a private one, ``first`` the one of ``nodes`` that is tried first, if
        it is not that of the CPU. The caller commits to the reserve map. The
        charge of the memory controller comes first, with -ENOMEM."""
        if not self.try_charge_memory(css):
            return None
        deferred_reserve = map_chg > 0 or cow_from_owner
        gbl_chg = map_chg
        if deferred_reserve:
            gbl_chg = self.charge_deferred(spool, css)
            if gbl_chg < 0:
                self.uncharge_memory(css)
                return None
        charged = self.usage.try_charge(css, 1)
        nid = None
        if charged:
            nid = self.take_folio(gbl_chg, cow_from_owner, may_reserve, nodes, first)
        if nid is None:
            if charged:
                self.usage.uncharge(css, 1)
            self.uncharge_memory(css)
            if deferred_reserve:
                self.uncharge_deferred(spool, css, gbl_chg)
        return nid

    def charge_deferred(self, spool, css):
        """mm/hugetlb.c:alloc_hugetlb_folio of a page without a reservation in the
        reserve map: the subpool gives one, and rsvd is charged. Return the number
        of pages that must come from the pool, 0 or 1; or -1 (-ENOSPC) at a limit,
        with nothing charged."""
        if MOUNT and spool and not self.spool.fits(1):
            return -1
        gbl_chg = self.hugepage_subpool_get_pages(spool, 1)
        charged = self.hugetlb_cgroup_charge_cgroup_rsvd(css, 1)
        if not charged:
            self.out_subpool_put(spool, gbl_chg)
            return -1
        return gbl_chg

    def uncharge_deferred(self, spool, css, gbl_chg):
        """The end of alloc_hugetlb_folio without a page: it undoes what
        charge_deferred() did."""
        self.hugetlb_cgroup_uncharge_cgroup_rsvd(css, 1)
        self.out_subpool_put(spool, gbl_chg)

    def try_charge_memory(self, css):
        """mm/memcontrol.c:mem_cgroup_hugetlb_try_charge."""
        if MEMCG:
            return self.memory.try_charge(css, 1)
        return True

    def uncharge_memory(self, css):
        if MEMCG:
            self.memory.uncharge(css, 1)

    def take_folio(self, gbl_chg, cow_from_owner, may_reserve, nodes, first=None):
        """The part of alloc_hugetlb_folio that takes a page off a free list
        (dequeue_hugetlb_folio_vma) or makes a surplus one."""
        reserved = self.vma_has_reserves(may_reserve, gbl_chg)
        nid = self.dequeue_hugetlb_folio_vma(reserved, nodes, first)
        if nid is None:
            nid = self.h.alloc_surplus_hugetlb_folio(nodes, first)
            if nid is not None and self.surplus_has_reserves(reserved, cow_from_owner):
                self.h.change_resv(-1)
        elif reserved:
            self.h.change_resv(-1)
        return nid

    def dequeue_hugetlb_folio_vma(self, reserved, nodes, first=None):
        """mm/hugetlb.c:dequeue_hugetlb_folio_vma. Return the node of the free page
        that was taken, or None. Without a promise only one that is promised to
        nobody."""
        nid = None
        if reserved or self.h.available_huge_pages():
            nid = self.h.dequeue_hugetlb_folio_nodemask(nodes, first)
        return nid

    def vma_has_reserves(self, may_reserve, gbl_chg):
        """mm/hugetlb.c:vma_has_reserves."""
        return may_reserve and gbl_chg == 0

    def surplus_has_reserves(self, reserved, cow_from_owner):
        """Return whether a surplus page for a fault takes a promise."""
        return reserved and not cow_from_owner

    def out_subpool_put(self, spool, gbl_chg):
        """The end of alloc_hugetlb_folio when there is no page."""
        self.hugepage_subpool_put_pages(spool, 1)

    def free_huge_folio(self, nid, restore_reserve, spool, cg, cg_rsvd):
        """mm/hugetlb.c:free_huge_folio."""
        restore = restore_reserve
        if not restore:
            restore = self.hugepage_subpool_put_pages(spool, 1) == 0
        self.free_to_pool(nid, restore, cg, cg_rsvd)

    def free_to_pool(self, nid, restore, cg, cg_rsvd):
        """The part of free_huge_folio under hugetlb_lock. If the page is to
        ``restore`` a promise, it becomes the page of that promise."""
        self.usage.uncharge(cg, 1)
        self.uncharge_memory(cg)
        self.hugetlb_cgroup_uncharge_cgroup_rsvd(cg_rsvd, 1)
        if restore:
            self.h.change_resv(1)
        for n in NODES:
            if n == nid:
                if self.h.surplus_huge_pages_node[n] > 0:
                    self.h.remove_hugetlb_folio(n, False, True)
                else:
                    self.h.enqueue_hugetlb_folio(n)

    # -- mm/hugetlb.c:__vma_reservation_common, one method for each mode --

    def vma_needs_reservation(self, vma, page):
        """mm/hugetlb.c:vma_needs_reservation, the first phase. Return 0 if the
        fault can use a reservation, 1 if not, and -1 (-ENOMEM) without memory
        for a descriptor. Unless it is -1, one of the next four follows."""
        if HUGETLBFS and self.shared(vma):
            return self.i_resv_map.region_chg(self.vm_file[vma], page, page + 1)
        return self.private_needs_reservation(vma, page)

    def private_needs_reservation(self, vma, page):
        """vma_needs_reservation of a private mapping. In its map an index that is
        there has no reservation left."""
        if not self.resv_owner[vma]:
            return 1
        ret = self.resv_map.region_chg(vma, page, page + 1)
        if ret < 0:
            return ret
        return 1 if self.resv_map.regions[vma, page] else 0

    def vma_commit_reservation(self, vma, page):
        """mm/hugetlb.c:vma_commit_reservation: the page is there. Return what
        vma_needs_reservation() says if nobody changed the map since."""
        if HUGETLBFS and self.shared(vma):
            return self.i_resv_map.region_add(self.vm_file[vma], page, page + 1)
        if not self.resv_owner[vma]:
            return 1
        added = self.resv_map.region_add(vma, page, page + 1)
        return 0 if added > 0 else 1

    def vma_end_reservation(self, vma):
        """mm/hugetlb.c:vma_end_reservation: the map stays as it is."""
        if HUGETLBFS and self.shared(vma):
            self.i_resv_map.region_abort(self.vm_file[vma])
        elif self.resv_owner[vma]:
            self.resv_map.region_abort(vma)

    def vma_add_reservation(self, vma, page):
        """mm/hugetlb.c:vma_add_reservation: the index is reserved (again)."""
        if HUGETLBFS and self.shared(vma):
            self.i_resv_map.region_add(self.vm_file[vma], page, page + 1)
        else:
            self.private_add_reservation(vma, page)

    def private_add_reservation(self, vma, page):
        """vma_add_reservation of a private mapping."""
        if self.resv_owner[vma]:
            self.resv_map.region_abort(vma)
            self.resv_map.region_del(vma, page)

    def vma_del_reservation(self, vma, page):
        """mm/hugetlb.c:vma_del_reservation: the index is not reserved, because
        nothing was promised."""
        if HUGETLBFS and self.shared(vma):
            self.i_resv_map.region_abort(self.vm_file[vma])
            self.i_resv_map.region_del(self.vm_file[vma], page)
        elif self.resv_owner[vma]:
            self.resv_map.region_add(vma, page, page + 1)

    def restore_reserve_on_error(self, vma, page, restore_reserve):
        """mm/hugetlb.c:restore_reserve_on_error, after the commit, for a page
        that is in no page cache. Return its HPageRestoreReserve from now on."""
        rc = self.vma_needs_reservation(vma, page)
        if restore_reserve:
            if rc > 0:
                self.vma_add_reservation(vma, page)
            elif rc == 0:
                self.vma_end_reservation(vma)
            return rc >= 0
        if rc == 0:
            self.vma_del_reservation(vma, page)
        elif rc > 0:
            self.vma_end_reservation(vma)
        elif not self.shared(vma):
            return True
        return False

    def alloc_raced(self, spool, css):
        """alloc_hugetlb_folio, "the page was added to the reservation map between
        vma_needs_reservation and vma_commit_reservation": hugetlb_reserve_pages
        has promised it, so what was taken for it goes back."""
        rsv_adjust = self.hugepage_subpool_put_pages(spool, 1)
        self.h.return_unused_surplus_pages(rsv_adjust, PAGES)
        self.hugetlb_cgroup_uncharge_cgroup_rsvd(css, 1)


class Faulting(Allocation):
    """hugetlb_fault, copy-on-write included, and hugetlbfs_fallocate."""

    @action(kernel="mm/hugetlb.c:hugetlb_fault", chosen="installed")
    def touch(
        self,
        vma: VMAS,
        page: PAGES,
        write: Given(READS, Bool(), True),
        installed: Given(INJECT, Bool(), True),
    ) -> Errno:
        """A read or write of a mapped page. Where a new page cannot be
        ``installed``, it is given back: no memory for the page cache's tree
        (SIGBUS), for the anon_vma, or for the copy (OOM)."""
        require(self.mapped(vma, page))
        if READ_ONLY:
            require(not write or not self.vm_read_only[vma])
        return self.hugetlb_fault(self.vm_mm[vma], vma, page, write, installed)

    @action(kernel="mm/gup.c:faultin_page", when=REMOTE)
    def touch_remote(self, task: TASKS, vma: VMAS, page: PAGES) -> Errno:
        """Another task writes to a mapped page: get_user_pages_remote() for
        process_vm_writev() and ptrace(). The page is charged to that task, and
        its cpuset and policy say where it is."""
        require(self.mapped(vma, page) and task != self.vm_mm[vma])
        if READ_ONLY:
            require(not self.vm_read_only[vma])
        return self.hugetlb_fault(task, vma, page, True, True)

    def hugetlb_fault(self, task, vma, page, write, installed) -> Errno:
        """mm/hugetlb.c:hugetlb_fault of a mapped page, hugetlb_no_page or
        hugetlb_wp; ``task`` is current."""
        shared = HUGETLBFS and self.shared(vma)
        if self.needs_no_folio(vma, page, write):
            return OK
        if not self.may_allocate(vma, page):
            return SIGBUS

        old = self.anon.node[vma, page]
        copies = old is not None or self.is_cached(vma, page)
        if DESCRIPTORS and write and not shared and copies:
            stocked = self.look_ahead(vma, page)
            if not stocked:
                return OOM
        cow_from_owner = old is not None and self.resv_owner[vma]
        css = self.css_of(task)
        map_chg = self.vma_needs_reservation(vma, page)
        if map_chg < 0:
            return OOM
        promises = self.h.resv_huge_pages
        nid = self.alloc_hugetlb_folio(
            self.subpool_vma(vma),
            map_chg,
            cow_from_owner,
            shared or self.resv_owner[vma],
            self.mpol.huge_node(vma, task),
            css,
            self.mpol.first_node(vma, task, page),
        )
        if nid is None:
            self.vma_end_reservation(vma)
            if not cow_from_owner:
                promised = self.is_promised(vma, page)
                self.failed = self.failed or promised
                return OOM if self.over_memory_max(css) else SIGBUS
            self.unmap_ref_private(vma, page)
            return OK
        css_rsvd = css if map_chg > 0 or cow_from_owner else None
        restore_reserve = self.h.resv_huge_pages != promises
        map_commit = self.vma_commit_reservation(vma, page)
        if self.raced(map_chg, map_commit):
            self.alloc_raced(self.subpool_vma(vma), css_rsvd)
            css_rsvd = None
        lost = INJECT and not installed
        if DESCRIPTORS and write and not shared and not copies:
            stocked = self.look_ahead(vma, page)
            lost = lost or not stocked
        if lost:
            restore_reserve = self.restore_reserve_on_error(vma, page, restore_reserve)
            self.free_huge_folio(
                nid, restore_reserve, self.subpool_vma(vma), css, css_rsvd
            )
            return SIGBUS if shared else OOM
        self.install_folio(vma, page, nid, css, css_rsvd)
        return OK

    def is_cached(self, vma, page):
        """Return whether the page is in the page cache of the VMA's file, if it has
        one."""
        if HUGETLBFS and self.vm_file[vma] is not None:
            return self.page_cache.node[self.vm_file[vma], page] is not None
        return False

    def needs_no_folio(self, vma, page, write):
        """Return whether a fault finds a page that it can use: its own (writable, if
        it is a write), or that of the file."""
        if self.anon.node[vma, page] is not None:
            return not write or self.mappers.mapcount(vma, page) == 1
        if HUGETLBFS and self.shared(vma):
            return self.is_cached(vma, page)
        return self.is_cached(vma, page) and not write and not self.resv_unmapped[vma]

    def may_allocate(self, vma, page):
        """mm/hugetlb.c:hugetlb_no_page up to the allocation. Return whether it gets
        there without SIGBUS. Once an owner took pages from a child, the child gets
        no more."""
        if self.anon.node[vma, page] is not None:
            return True
        if self.resv_unmapped[vma]:
            return False
        return self.is_cached(vma, page) or self.within_file(vma, page)

    def install_folio(self, vma, page, nid, css, css_rsvd):
        """hugetlb_add_to_page_cache; or the page table entry of a private page, in
        place of a page that others still use."""
        if HUGETLBFS and self.shared(vma):
            self.page_cache.set(self.vm_file[vma], page, nid, css, css_rsvd)
        else:
            if self.anon.node[vma, page] is not None:
                self.mappers.leave(vma, page)
            self.anon.set(vma, page, nid, css, css_rsvd)
            self.mappers.alone(vma, page)

    def look_ahead(self, vma, page):
        """hugetlb_fault and hugetlb_no_page, on a write to a private mapping: prepare
        the reserve map for a copy of the page, before the page table is
        locked. Return whether there was memory for a descriptor, which stays in
        stock."""
        map_chg = self.vma_needs_reservation(vma, page)
        if map_chg < 0:
            return False
        self.vma_end_reservation(vma)
        return True

    def over_memory_max(self, css):
        """Return whether one more page is above memory.max: VM_FAULT_OOM, without an
        OOM kill for an order as high as this one; the fault is tried again."""
        return MEMCG and css is not None and self.memory.usage[css] >= LIMIT

    def css_of(self, task):
        """The cgroup of the task that faults."""
        if not CGROUP:
            return None
        return self.cgroup.of[task]

    def unmap_ref_private(self, vma, page):
        """mm/hugetlb.c:unmap_ref_private: the owner has no page for its copy
        and takes the old one away from all mappers without a reserve map.
        Then it is the only one, and writes to it."""
        if FORK:
            mapped = self.mappers.of[vma, page]
            kept = {v for v in VMAS if v in mapped and (v == vma or self.resv_owner[v])}
            for v in VMAS:
                if v in kept:
                    self.mappers.of[v, page] = kept
                elif v in mapped:
                    self.mappers.of[v, page] = set()
                    self.anon.clear(v, page)
                    self.resv_unmapped[v] = True

    @action(
        kernel="fs/hugetlbfs/inode.c:hugetlbfs_fallocate",
        when=(HUGETLBFS, FALLOCATE),
        chosen="installed",
    )
    def fallocate(
        self,
        task: TASKS,
        file: FILES,
        page: PAGES,
        keep_size: Given(TRUNCATE, Bool(), True),
        installed: Given(INJECT, Bool(), True),
    ) -> Errno:
        """fallocate() of one page."""
        require(self.exists(file))
        if self.page_cache.node[file, page] is None:
            css = self.cgroup.of[task]
            map_chg = self.i_resv_map.region_chg(file, page, page + 1)
            if map_chg < 0:
                return ENOMEM
            promises = self.h.resv_huge_pages
            nodes = self.mpol.policy_mbind_nodemask(task)
            first = self.mpol.first_of_task(task, page)
            nid = self.alloc_hugetlb_folio(
                MOUNT, map_chg, False, True, nodes, css, first
            )
            if nid is None:
                self.i_resv_map.region_abort(file)
                return ENOMEM if self.over_memory_max(css) else ENOSPC
            css_rsvd = css if map_chg > 0 else None
            map_commit = self.i_resv_map.region_add(file, page, page + 1)
            if self.raced(map_chg, map_commit):
                self.alloc_raced(MOUNT, css_rsvd)
                css_rsvd = None
            if INJECT and not installed:
                restore_reserve = self.h.resv_huge_pages != promises
                if not restore_reserve:
                    self.i_resv_map.region_del(file, page)
                self.free_huge_folio(nid, restore_reserve, MOUNT, css, css_rsvd)
                return ENOMEM
            self.page_cache.set(file, page, nid, css, css_rsvd)
        if not keep_size:
            self.i_size_grow(file, page + 1)
        return OK
