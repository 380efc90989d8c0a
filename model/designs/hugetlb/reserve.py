# SPDX-License-Identifier: GPL-2.0-only
"""Reserving, mm/hugetlb.c: the subpool, promises of the pool, and mmap."""

from poolproof.model.blocks.errno import ENOMEM, OK, Errno
from poolproof.model.designs.hugetlb.names import (
    CSS,
    FILES,
    HUGETLBFS,
    MOUNT,
    NODES,
    NORESERVE,
    OFFSETS,
    PAGES,
    PRIVATE_FILES,
    TASKS,
    VMAS,
    P,
)
from poolproof.model.designs.hugetlb.state import HugetlbState
from poolproof.model.language import Bool, Given, Int, action, may_fail, require


class Reserving(HugetlbState):
    """hugetlb_reserve_pages, and the ways to call it."""

    def subpool_vma(self, vma):
        """Return whether the VMA's pages are those of the mount's subpool."""
        return MOUNT and self.vm_file[vma] is not None

    def hugetlb_cgroup_charge_cgroup_rsvd(self, css, pages):
        """mm/hugetlb_cgroup.c:hugetlb_cgroup_charge_cgroup_rsvd. Return whether
        the pages are within the limit; then the charge has a reference, because
        reservations do not move to the parent."""
        charged = self.rsvd.try_charge(css, pages)
        if charged:
            self.css.css_get(css)
        return charged

    def hugetlb_cgroup_uncharge_cgroup_rsvd(self, css, pages):
        """mm/hugetlb_cgroup.c:hugetlb_cgroup_uncharge_cgroup_rsvd, and of a page
        (hugetlb_cgroup_uncharge_folio_rsvd) or of a private mapping
        (hugetlb_cgroup_uncharge_counter)."""
        self.rsvd.uncharge(css, pages)
        self.css.css_put(css)

    def hugepage_subpool_get_pages(self, spool, delta):
        """mm/hugetlb.c:hugepage_subpool_get_pages, for a delta that fits."""
        if MOUNT and spool:
            return self.spool.get_pages(delta)
        return delta

    def hugepage_subpool_put_pages(self, spool, delta):
        """mm/hugetlb.c:hugepage_subpool_put_pages."""
        if MOUNT and spool:
            return self.spool.put_pages(delta)
        return delta

    def hugetlb_acct_memory(self, delta, nodes, mems):
        """mm/hugetlb.c:hugetlb_acct_memory for delta >= 0. Whether the pages
        are promised. That they are on ``nodes`` is looked at last, and other
        promises are not taken into account there."""
        if delta == 0:
            return True
        first = self.surplus_nodes(nodes, mems)
        if not self.h.gather_surplus_pages(delta, first, mems):
            return False
        if delta > sum(self.h.free_huge_pages_node[n] for n in NODES if n in nodes):
            self.h.return_unused_surplus_pages(delta, PAGES)
            return False
        return True

    def surplus_nodes(self, nodes, mems):
        """Where surplus pages for a promise are looked for first."""
        return nodes

    def out_put_pages(self, spool, chg, gbl_reserve):
        """The end of hugetlb_reserve_pages when the pool has no pages: all of
        chg goes back to the subpool, also what it did not give (fixed in 6.15
        by a833a693a490)."""
        self.hugepage_subpool_put_pages(spool, chg)

    def hugetlb_acct_reservation(self, task, spool, chg):
        """mm/hugetlb.c:hugetlb_reserve_pages from the cgroup charge on.
        Whether chg pages are promised to the task."""
        css = self.cgroup.of[task]
        gbl_reserve = self.charge_reservation(css, spool, chg)
        if gbl_reserve < 0:
            return False
        nodes = self.mpol.policy_mbind_nodemask(task)
        mems = self.mpol.cpuset_current_mems_allowed(task)
        if not self.hugetlb_acct_memory(gbl_reserve, nodes, mems):
            self.out_put_pages(spool, chg, gbl_reserve)
            self.hugetlb_cgroup_uncharge_cgroup_rsvd(css, chg)
            return False
        return True

    def charge_reservation(self, css, spool, chg):
        """mm/hugetlb.c:hugetlb_reserve_pages, the part for rsvd and the subpool.
        Return how many of chg pages must come from the pool, or -1 at a limit,
        with nothing charged."""
        charged = self.hugetlb_cgroup_charge_cgroup_rsvd(css, chg)
        if not charged:
            return -1
        if MOUNT and spool and not self.spool.fits(chg):
            self.hugetlb_cgroup_uncharge_cgroup_rsvd(css, chg)
            return -1
        return self.hugepage_subpool_get_pages(spool, chg)

    def hugetlb_reserve_pages(self, task, file, start, end):
        """mm/hugetlb.c:hugetlb_reserve_pages of pages start..end of a file, for
        a shared mapping or for none. Return whether they are promised."""
        needed = self.i_resv_map.regions_needed(file, start, end)
        chg = self.i_resv_map.region_chg(file, start, end)
        if chg < 0:
            self.out_err(file, chg, needed)
            return False
        reserved = self.hugetlb_acct_reservation(task, True, chg)
        if not reserved:
            self.out_err(file, chg, needed)
            return False
        css = self.cgroup.of[task]
        add = self.region_charge(file, start, end, css, needed)
        if self.raced(chg, add):
            self.reserve_raced(css, chg - add)
        else:
            self.css.css_put(css)
        return True

    def out_err(self, file, chg, needed):
        """The end of hugetlb_reserve_pages without a promise: region_abort() only
        if region_chg() succeeded (since 4.11: ff8c0c53c475)."""
        if chg >= 0:
            self.i_resv_map.region_abort(file, needed)

    def raced(self, chg, add):
        """Return whether another task put indices into the reserve map between
        the two phases. An action is one critical section: nobody does."""
        return False

    def reserve_raced(self, css, pages):
        """hugetlb_reserve_pages, "pages in this range were added to the reserve
        map between region_chg and region_add": they go back. The reference of
        the charge goes with them."""
        self.hugetlb_cgroup_uncharge_cgroup_rsvd(css, pages)
        rsv_adjust = self.hugepage_subpool_put_pages(MOUNT, pages)
        self.h.return_unused_surplus_pages(rsv_adjust, PAGES)

    def region_charge(self, file, start, end, css, needed):
        """mm/hugetlb.c:region_add with a cgroup: each region holds a reference
        (record_hugetlb_cgroup_uncharge_info), and a neighbour that it becomes
        one with has one already (coalesce_file_region). Return how many indices
        are new."""
        if CSS:
            made = self.i_resv_map.gaps(file, start, end)
            self.css.css_get(css, made)
            self.css.css_put(css, self.i_resv_map.coalesced(file, start, end, css))
        return self.i_resv_map.region_charge(file, start, end, css, needed)

    def map(self, task, vma, start, end, owner):
        self.vm_mm[vma] = task
        self.vm_start[vma] = start
        self.vm_end[vma] = end
        if owner:
            self.resv_owner[vma] = True
            self.resv_css[vma] = self.cgroup.of[task]

    def hugetlb_reserve_private(self, task, spool, length):
        """mm/hugetlb.c:hugetlb_reserve_pages of a private mapping, which gets a
        reserve map of its own first. Return whether the pages are promised."""
        if may_fail("kmalloc of a resv_map"):
            return False
        return self.hugetlb_acct_reservation(task, spool, length)

    def late_failure(self):
        """mm/mmap.c:mmap_region: return whether it fails after the file's mmap
        method. It does not: the tree of VMAs has its memory before (5de195060b2e,
        which is in 6.1.192 and 6.12.117)."""
        return False

    def close_and_free_vma(self, task, spool, length, noreserve):
        """The end of mmap_region after a late failure, where there is one:
        hugetlb_vm_op_close. What a private mapping reserved goes back; what a shared
        one reserved is the file's, and stays."""
        if not noreserve:
            css = self.cgroup.of[task]
            self.hugetlb_cgroup_uncharge_cgroup_rsvd(css, length)
            gbl_reserve = self.hugepage_subpool_put_pages(spool, length)
            self.h.return_unused_surplus_pages(gbl_reserve, PAGES)

    @action(kernel="mm/hugetlb.c:hugetlb_reserve_pages")
    def mmap(
        self,
        task: TASKS,
        vma: VMAS,
        length: Int(1, P),
        noreserve: Given(NORESERVE, Bool(), False),
    ) -> Errno:
        """mmap(MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB)."""
        require(self.vm_mm[vma] is None)
        if not noreserve:
            reserved = self.hugetlb_reserve_private(task, False, length)
            if not reserved:
                return ENOMEM
        failed = self.late_failure()
        if failed:
            self.close_and_free_vma(task, False, length, noreserve)
            return ENOMEM
        self.map(task, vma, 0, length, not noreserve)
        return OK

    @action(kernel="fs/hugetlbfs/inode.c:hugetlbfs_file_mmap", when=HUGETLBFS)
    def mmap_shared(
        self,
        task: TASKS,
        vma: VMAS,
        file: FILES,
        start: Given(OFFSETS, PAGES, 0),
        end: Int(1, P),
        noreserve: Given(NORESERVE, Bool(), False),
    ) -> Errno:
        """mmap(MAP_SHARED) of pages start..end of a file: only indices that
        nobody has reserved yet cost anything."""
        require(self.vm_mm[vma] is None and start < end)
        require(self.exists(file))
        if not noreserve:
            reserved = self.hugetlb_reserve_pages(task, file, start, end)
            if not reserved:
                return ENOMEM
        self.i_size_grow(file, end)
        failed = self.late_failure()
        if failed:
            return ENOMEM
        self.map(task, vma, start, end, False)
        self.vm_file[vma] = file
        return OK

    @action(
        kernel="fs/hugetlbfs/inode.c:hugetlbfs_file_mmap",
        when=(HUGETLBFS, PRIVATE_FILES),
    )
    def mmap_private(
        self,
        task: TASKS,
        vma: VMAS,
        file: FILES,
        start: Given(OFFSETS, PAGES, 0),
        end: Int(1, P),
        noreserve: Given(NORESERVE, Bool(), False),
    ) -> Errno:
        """mmap(MAP_PRIVATE) of pages start..end of a file: every page is
        promised again, cached or not."""
        require(self.vm_mm[vma] is None and start < end)
        require(self.exists(file))
        if not noreserve:
            reserved = self.hugetlb_reserve_private(task, True, end - start)
            if not reserved:
                return ENOMEM
        self.i_size_grow(file, end)
        failed = self.late_failure()
        if failed:
            self.close_and_free_vma(task, True, end - start, noreserve)
            return ENOMEM
        self.map(task, vma, start, end, not noreserve)
        self.vm_file[vma] = file
        self.vm_private[vma] = True
        return OK
