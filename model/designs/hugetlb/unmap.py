# SPDX-License-Identifier: GPL-2.0-only
"""munmap, exit and MADV_DONTNEED."""

from poolproof.model.blocks.errno import ENOMEM, OK, Errno
from poolproof.model.designs.hugetlb.inode import Inodes
from poolproof.model.designs.hugetlb.names import (
    DONTNEED,
    EXIT,
    FILES,
    PAGES,
    SPLIT,
    TASKS,
    UNLINK,
    VMAS,
    P,
)
from poolproof.model.language import Int, SetOf, action, may_fail, require


class Unmapping(Inodes):
    """__unmap_hugepage_range, hugetlb_vm_op_close, and who calls them."""

    def unmap_hugepage_range(self, vma, page, surplus=False):
        """mm/hugetlb.c:__unmap_hugepage_range for one page. If it was the
        last mapping of an owner's page, and there is no surplus page on any
        node, the owner has its reservation back. ``surplus``: there were surplus
        pages when the call began, which frees what it unmaps at the end
        (include/asm-generic/tlb.h). Of a last mapping that makes no difference."""
        nid = self.anon.node[vma, page]
        if nid is not None:
            last = self.mappers.mapcount(vma, page) == 1
            cg = self.anon.cg[vma, page]
            cg_rsvd = self.anon.cg_rsvd[vma, page]
            pinned = self.pinned[vma, page]
            restore_reserve = self.anon.restores(vma, page)
            self.remove_rmap(vma, page)
            if last:
                restore_reserve = self.restores_on_unmap(vma, page, restore_reserve)
                self.folio_put(
                    pinned, nid, restore_reserve, self.subpool_vma(vma), cg, cg_rsvd
                )

    def remove_rmap(self, vma, page):
        """The page table entry of a private page goes, mm/hugetlb.c:
        hugetlb_remove_rmap."""
        self.anon.clear(vma, page)
        self.pinned[vma, page] = False
        self.mappers.leave(vma, page)

    def restores_on_unmap(self, vma, page, restore_reserve):
        """Return HPageRestoreReserve of a page after __unmap_hugepage_range; before, it
        was ``restore_reserve``."""
        if self.adjust_reservation(vma):
            return self.restore_reserve_on_unmap(vma, page)
        return restore_reserve

    def adjust_reservation(self, vma):
        """Return whether __unmap_hugepage_range gives the owner its promise back."""
        return self.resv_owner[vma] and self.h.surplus_huge_pages() == 0

    def restore_reserve_on_unmap(self, vma, page):
        """__unmap_hugepage_range, "adjust the reservation". Return the page's
        HPageRestoreReserve: without memory for a descriptor the reservation is
        lost (since 6.10: 8daf9c702ee7)."""
        rc = self.private_needs_reservation(vma, page)
        if rc < 0:
            return False
        if rc > 0:
            self.private_add_reservation(vma, page)
        return True

    def hugetlb_vm_op_close(self, vma, start, end):
        """mm/hugetlb.c:hugetlb_vm_op_close of the piece start..end."""
        if self.resv_owner[vma]:
            gbl_reserve = self.uncharge_reservation(vma, start, end)
            self.h.return_unused_surplus_pages(gbl_reserve, PAGES)

    def uncharge_reservation(self, vma, start, end):
        """hugetlb_vm_op_close, the part for rsvd and the subpool. Return how many
        promises of the pool the owner of start..end gives back."""
        reserve = self.resv_map.region_absent(vma, start, end)
        self.hugetlb_cgroup_uncharge_cgroup_rsvd(self.resv_css[vma], end - start)
        return self.hugepage_subpool_put_pages(self.subpool_vma(vma), reserve)

    def forget(self, vma):
        """The slot of a VMA that is gone can be used again."""
        self.vm_mm[vma] = None
        self.vm_start[vma] = 0
        self.vm_end[vma] = 0
        self.vm_file[vma] = None
        self.vm_private[vma] = False
        self.vm_read_only[vma] = False
        self.resv_owner[vma] = False
        self.resv_unmapped[vma] = False
        self.resv_css[vma] = None
        self.mpol.forget(vma)
        self.resv_map.resv_map_release(vma)
        for p in PAGES:
            self.resv_map.region_del(vma, p)

    @action(kernel="mm/vma.c:do_vmi_munmap")
    def munmap(self, vma: VMAS) -> Errno:
        """munmap() of the VMA."""
        require(self.vm_mm[vma] is not None)
        self.unmap_region(vma, self.vm_start[vma], self.vm_end[vma])
        file = self.vm_file[vma]
        self.forget(vma)
        if UNLINK and file is not None:
            self.fput(file)
        return OK

    @action(kernel="mm/vma.c:vms_complete_munmap_vmas", when=EXIT)
    def munmap_range(self, task: TASKS, vmas: SetOf(VMAS)) -> Errno:
        """munmap() of several VMAs of a process, or its exit(): the pages of all
        are free before the first VMA is closed; see mm/mmap.c:exit_mmap. Files
        are put after the call (fs/file_table.c:fput)."""
        require(len(vmas) > 1)
        require(all(self.vm_mm[v] == task for v in VMAS if v in vmas))
        surplus = self.h.surplus_huge_pages() > 0
        for v in VMAS:
            if v in vmas:
                self.vms_clear_ptes(v, self.vm_start[v], self.vm_end[v], surplus)
        for v in VMAS:
            if v in vmas:
                self.hugetlb_vm_op_close(v, self.vm_start[v], self.vm_end[v])
                self.forget(v)
        if UNLINK:
            for f in FILES:
                self.fput(f)
        return OK

    @action(kernel="mm/vma.c:do_vmi_munmap", when=SPLIT)
    def munmap_part(self, vma: VMAS, start: PAGES, end: Int(1, P)) -> Errno:
        """munmap() of a VMA's head or tail, or mremap() that shrinks: the piece is
        split off first (hugetlb_vm_op_open). A hole in the middle is a split
        before."""
        require(self.part_of(vma, start, end))
        if may_fail("vm_area_dup"):
            return ENOMEM
        self.resv_map_dup_hugetlb_cgroup_uncharge_info(vma)
        self.unmap_region(vma, start, end)
        self.cut(vma, start, end)
        return OK

    def unmap_region(self, vma, start, end):
        """mm/vma.c:vms_complete_munmap_vmas for one VMA."""
        surplus = self.h.surplus_huge_pages() > 0
        self.vms_clear_ptes(vma, start, end, surplus)
        self.hugetlb_vm_op_close(vma, start, end)

    def resv_map_dup_hugetlb_cgroup_uncharge_info(self, vma):
        """include/linux/hugetlb_cgroup.h, the function of that name: a VMA more
        uses the reserve map (since 5.15: 09a26e832705)."""
        self.css.css_get(self.resv_css[vma])

    def vms_clear_ptes(self, vma, start, end, surplus=False):
        """mm/vma.c:vms_clear_ptes: unmaps and frees the pages start..end."""
        for p in PAGES:
            if start <= p and p < end:
                self.unmap_hugepage_range(vma, p, surplus)

    def part_of(self, vma, start, end):
        """Return whether start..end is the head or the tail of a VMA, not all."""
        if self.vm_mm[vma] is None or start >= end:
            return False
        head = self.vm_start[vma] == start and end < self.vm_end[vma]
        return head or (self.vm_start[vma] < start and end == self.vm_end[vma])

    def cut(self, vma, start, end):
        """The VMA without its head or tail."""
        for p in PAGES:
            if start <= p and p < end:
                self.resv_map.region_del(vma, p)
        if start == self.vm_start[vma]:
            self.vm_start[vma] = end
        else:
            self.vm_end[vma] = start

    @action(kernel="mm/madvise.c:madvise_dontneed_single_vma", when=DONTNEED)
    def madvise_dontneed(self, vma: VMAS, page: PAGES) -> Errno:
        """madvise(MADV_DONTNEED) of one page."""
        require(self.mapped(vma, page))
        self.unmap_hugepage_range(vma, page)
        return OK
