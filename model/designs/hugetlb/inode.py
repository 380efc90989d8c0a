# SPDX-License-Identifier: GPL-2.0-only
"""Inodes, fs/hugetlbfs/inode.c: what leaves a file, and when it goes itself."""

from poolproof.model.designs.hugetlb.migrate import Migrating
from poolproof.model.designs.hugetlb.names import (
    CSS,
    MOUNT,
    PAGES,
    TRUNCATE,
    VMAS,
)


class Inodes(Migrating):
    """remove_inode_hugepages, hugetlb_unreserve_pages and eviction."""

    def free_cached(self, file, page):
        """hugetlb_delete_from_page_cache and the last folio_put."""
        nid = self.page_cache.node[file, page]
        cg = self.page_cache.cg[file, page]
        cg_rsvd = self.page_cache.cg_rsvd[file, page]
        pinned = self.cache_pinned[file, page]
        self.page_cache.clear(file, page)
        self.cache_pinned[file, page] = False
        self.folio_put(pinned, nid, False, MOUNT, cg, cg_rsvd)

    def region_del(self, file, page):
        """mm/hugetlb.c:region_del of one index. Whether it was there."""
        found = self.i_resv_map.regions[file, page]
        if found:
            self.hugetlb_cgroup_uncharge_file_region(file, page)
        self.i_resv_map.region_del(file, page)
        return found

    def hugetlb_cgroup_uncharge_file_region(self, file, page):
        """mm/hugetlb_cgroup.c:hugetlb_cgroup_uncharge_file_region of one index: a
        region that is gone puts its reference, and a second half gets one
        (copy_hugetlb_cgroup_uncharge_info)."""
        css = self.i_resv_map.css[file, page]
        self.rsvd.uncharge(css, 1)
        if CSS:
            self.css.css_get(css, self.i_resv_map.parts_after(file, page) - 1)

    def remove_inode_hugepages(self, file, start):
        """fs/hugetlbfs/inode.c:remove_inode_hugepages from start to the end
        of the file."""
        freed = 0
        for p in PAGES:
            if p >= start and self.page_cache.node[file, p] is not None:
                self.free_cached(file, p)
                freed += 1
        self.hugetlb_unreserve_pages(file, start, freed)

    def hugetlb_unreserve_pages(self, file, start, freed):
        """mm/hugetlb.c:hugetlb_unreserve_pages to the end of the file."""
        chg = self.regions_del(file, start)
        gbl_reserve = self.hugepage_subpool_put_pages(MOUNT, chg - freed)
        self.h.return_unused_surplus_pages(gbl_reserve, PAGES)

    def regions_del(self, file, start):
        """mm/hugetlb.c:region_del from start on. Return how many indices were
        there."""
        chg = 0
        for p in PAGES:
            if p >= start:
                found = self.region_del(file, p)
                if found:
                    chg += 1
        return chg

    def fput(self, file):
        """Evicts the inode if nothing holds it."""
        if not self.linked[file] and all(self.vm_file[v] != file for v in VMAS):
            self.remove_inode_hugepages(file, 0)
            if TRUNCATE:
                self.i_size[file] = 0
            self.i_resv_map.resv_map_release(file)
            self.linked[file] = True
            self.segment[file] = 0
            self.segment_noreserve[file] = False
