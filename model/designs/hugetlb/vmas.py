# SPDX-License-Identifier: GPL-2.0-only
"""VMAs that are split, moved and copied."""

from poolproof.model.blocks.errno import ENOMEM, ENOSPC, OK, Errno
from poolproof.model.designs.hugetlb.names import (
    FORK,
    MREMAP,
    MREMAP_MIDDLE,
    MREMAP_PART,
    PAGES,
    PINS,
    SPLIT,
    TASKS,
    VMAS,
    P,
)
from poolproof.model.designs.hugetlb.unmap import Unmapping
from poolproof.model.language import Int, action, may_fail, require


class VmaChanges(Unmapping):
    """mm/vma.c, mm/mremap.c and fork, as far as reserve maps go."""

    def move_page(self, vma, new, page):
        """What is known of one page index, from one VMA to another."""
        self.anon.copy(vma, new, page)
        self.mappers.move(vma, new, page)
        self.anon.clear(vma, page)
        self.pinned[new, page] = self.pinned[vma, page]
        self.pinned[vma, page] = False
        if self.resv_map.regions[vma, page]:
            self.resv_map.region_set(new, page, page + 1)
        self.resv_map.region_del(vma, page)

    def vm_area_dup(self, vma, new):
        self.vm_mm[new] = self.vm_mm[vma]
        self.vm_file[new] = self.vm_file[vma]
        self.vm_private[new] = self.vm_private[vma]
        self.vm_read_only[new] = self.vm_read_only[vma]
        self.mpol.dup(vma, new)

    def hugetlb_vm_op_open(self, vma, new):
        """mm/hugetlb.c:hugetlb_vm_op_open: both use the same reserve map."""
        self.resv_owner[new] = self.resv_owner[vma]
        self.resv_unmapped[new] = self.resv_unmapped[vma]
        self.resv_css[new] = self.resv_css[vma]
        self.resv_map.copy_stock(vma, new)
        self.resv_map_dup_hugetlb_cgroup_uncharge_info(vma)

    @action(kernel="mm/vma.c:__split_vma", when=SPLIT)
    def split(self, vma: VMAS, new: VMAS, at: PAGES) -> Errno:
        """The VMA is split at a page index, as by mprotect() of its tail."""
        require(self.vm_mm[vma] is not None and self.vm_mm[new] is None)
        require(self.vm_start[vma] < at and at < self.vm_end[vma])
        if may_fail("vm_area_dup"):
            return ENOMEM
        self.split_vma(vma, new, at)
        return OK

    def split_vma(self, vma, new, at):
        """mm/vma.c:__split_vma once there is the new VMA: it has the tail."""
        self.vm_area_dup(vma, new)
        self.hugetlb_vm_op_open(vma, new)
        self.vm_start[new] = at
        self.vm_end[new] = self.vm_end[vma]
        self.vm_end[vma] = at
        for p in PAGES:
            if at <= p and p < self.vm_end[new]:
                self.move_page(vma, new, p)

    @action(kernel="mm/mremap.c:move_vma", when=MREMAP)
    def mremap(self, vma: VMAS, new: VMAS) -> Errno:
        """mremap(MREMAP_MAYMOVE) of the VMA to another address."""
        require(self.vm_mm[vma] is not None and self.vm_mm[new] is None)
        moved = self.move_vma(vma, new, self.vm_start[vma], self.vm_end[vma])
        if not moved:
            return ENOMEM
        self.forget(vma)
        return OK

    @action(kernel="mm/mremap.c:move_vma", when=(MREMAP, MREMAP_PART))
    def mremap_part(self, vma: VMAS, new: VMAS, start: PAGES, end: Int(1, P)) -> Errno:
        """mremap(MREMAP_MAYMOVE) of a VMA's head or tail. If the old VMA cannot be
        split after that, it keeps its length."""
        require(self.vm_mm[new] is None and self.part_of(vma, start, end))
        moved = self.move_vma(vma, new, start, end)
        if not moved:
            return ENOMEM
        if may_fail("vm_area_dup"):
            return OK
        self.cut(vma, start, end)
        return OK

    @action(kernel="mm/mremap.c:move_vma", when=MREMAP_MIDDLE)
    def mremap_middle(
        self, vma: VMAS, new: VMAS, rest: VMAS, start: PAGES, end: Int(1, P)
    ) -> Errno:
        """mremap(MREMAP_MAYMOVE) of what is between a VMA's head and its tail, which is
        a VMA of its own then. If the old VMA cannot be split after that, what is
        left of it is one VMA, or two, as long as it was."""
        require(self.vm_mm[new] is None and self.vm_mm[rest] is None and new != rest)
        require(self.vm_mm[vma] is not None and start < end)
        require(self.vm_start[vma] < start and end < self.vm_end[vma])
        moved = self.move_vma(vma, new, start, end)
        if not moved:
            return ENOMEM
        if may_fail("vm_area_dup"):
            return OK
        self.split_vma(vma, rest, start)
        if may_fail("vm_area_dup"):
            return OK
        self.cut(rest, start, end)
        return OK

    def move_vma(self, vma, new, start, end):
        """mm/mremap.c:move_vma: a new VMA opens the reserve map, the pages
        move, the old VMA loses its map before what moved is unmapped. Return
        whether all of it was possible."""
        if may_fail("vm_area_dup"):
            return False
        self.vm_area_dup(vma, new)
        self.hugetlb_vm_op_open(vma, new)
        self.vm_start[new] = start
        self.vm_end[new] = end
        if may_fail("vma_link"):
            self.share_map(vma, new)
            self.out_vma_link(new)
            return False
        if may_fail("huge_pte_alloc"):
            self.share_map(vma, new)
            self.move_back(vma, new)
            return False
        for p in PAGES:
            if start <= p and p < end:
                self.move_page(vma, new, p)
        self.clear_vma_resv_huge_pages(vma)
        return True

    def share_map(self, vma, new):
        """``new`` sees what the old VMA's map has."""
        for p in PAGES:
            if self.mapped(new, p) and self.resv_map.regions[vma, p]:
                self.resv_map.region_set(new, p, p + 1)

    def out_vma_link(self, new):
        """mm/vma.c:copy_vma where the new VMA cannot be linked: it is closed with
        the reserve map of the old one, which gives back promises that the old VMA
        still has (until 6.16: ee40c9920ac2)."""
        self.close_copy(new)

    def move_back(self, vma, new):
        """mm/mremap.c:move_vma where a page table is missing at the new address:
        what moved goes back, and the new VMA is unmapped without the map."""
        self.clear_vma_resv_huge_pages(new)
        self.close_copy(new)

    def close_copy(self, new):
        """The copy of a VMA is closed, before any page of it is its own."""
        self.hugetlb_vm_op_close(new, self.vm_start[new], self.vm_end[new])
        self.forget(new)

    def clear_vma_resv_huge_pages(self, vma):
        """mm/hugetlb.c:clear_vma_resv_huge_pages: of the whole old VMA."""
        self.resv_map_put_hugetlb_cgroup_uncharge_info(vma)
        self.resv_map.forget_stock(vma)
        self.resv_owner[vma] = False
        self.resv_unmapped[vma] = False
        self.resv_css[vma] = None
        for p in PAGES:
            self.resv_map.region_del(vma, p)

    def resv_map_put_hugetlb_cgroup_uncharge_info(self, vma):
        """include/linux/hugetlb_cgroup.h, the function of that name (since 5.16:
        afe041c2d0fe)."""
        self.css.css_put(self.resv_css[vma])

    @action(kernel="mm/hugetlb.c:copy_hugetlb_page_range", when=FORK)
    def fork(self, vma: VMAS, child: TASKS, new: VMAS) -> Errno:
        """fork() as far as one VMA goes: the child maps the same pages and
        has no reserve map for a private mapping. A pinned page is copied at
        once; without a page for the copy fork() fails."""
        require(self.vm_mm[vma] is not None and self.vm_mm[new] is None)
        self.vm_area_dup(vma, new)
        self.vm_mm[new] = child
        self.vm_start[new] = self.vm_start[vma]
        self.vm_end[new] = self.vm_end[vma]
        copied = True
        tables = True
        for p in PAGES:
            if tables and copied and self.anon.node[vma, p] is not None:
                if may_fail("huge_pte_alloc"):
                    tables = False
                elif PINS and self.pinned[vma, p]:
                    copied = self.copy_pinned(vma, new, p)
                else:
                    self.anon.copy(vma, new, p)
                    self.mappers.join(vma, new, p)
        if not copied or not tables:
            self.unmap_region(new, self.vm_start[new], self.vm_end[new])
            self.forget(new)
            return ENOSPC if tables else ENOMEM
        return OK

    def copy_pinned(self, vma, new, page):
        """copy_hugetlb_page_range: the child's own copy of a page that may be
        pinned, without a promise. The parent calls fork(), so its cgroup is
        charged and its policy chooses the node. Return whether there was a page."""
        task = self.vm_mm[vma]
        css = self.css_of(task)
        spool = self.subpool_vma(new)
        nodes = self.mpol.huge_node(new, task)
        first = self.mpol.first_node(new, task, page)
        nid = self.alloc_hugetlb_folio(spool, 1, False, False, nodes, css, first)
        if nid is None:
            return False
        self.anon.set(new, page, nid, css, css)
        self.mappers.alone(new, page)
        return True
