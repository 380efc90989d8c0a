# SPDX-License-Identifier: GPL-2.0-only
"""mmap in steps: reserve maps in their two phases, and the subpool.
mm/hugetlb.c, fs/hugetlbfs/inode.c."""

from poolproof.model.blocks.errno import ENOMEM, OK
from poolproof.model.designs.hugetlb.names import HUGETLBFS, MOUNT, PRIVATE_FILES
from poolproof.model.designs.hugetlb.steps.locks import STEPS
from poolproof.model.designs.hugetlb.steps.pool import PoolSteps
from poolproof.model.language import action, may_fail, require


class ReserveSteps(PoolSteps):
    """hugetlb_reserve_pages, from lock to lock."""

    def hugetlb_cgroup_uncharge_folio_rsvd(self, task):
        """mm/hugetlb_cgroup.c:__hugetlb_cgroup_uncharge_folio of the folio in hand,
        which asserts that hugetlb_lock is held."""
        if STEPS:
            held = self.hugetlb_lock.holder[0] == task
            self.unheld = self.unheld or not held
        self.hugetlb_cgroup_uncharge_cgroup_rsvd(self.folio.cg_rsvd[task, 0], 1)
        self.folio.cg_rsvd[task, 0] = None

    def acct_reservation_steps(self, task, css, spool, chg):
        """mm/hugetlb.c:hugetlb_reserve_pages from the charge of ``css`` on. Return
        whether chg pages are promised."""
        gbl_reserve = self.charge_reservation(css, spool, chg)
        if gbl_reserve < 0:
            return False
        promised = yield from self.acct_steps(task, gbl_reserve)
        if not promised:
            self.out_put_pages(spool, chg, gbl_reserve)
            self.hugetlb_cgroup_uncharge_cgroup_rsvd(css, chg)
        return promised

    def reserve_steps(self, task, file, start, end):
        """mm/hugetlb.c:hugetlb_reserve_pages for a shared mapping."""
        needed = self.i_resv_map.regions_needed(file, start, end)
        chg = self.i_resv_map.region_chg(file, start, end)
        if chg < 0:
            self.out_err(file, chg, needed)
            return False
        if STEPS:
            yield "region_chg is done"
        css = self.cgroup.of[task]
        promised = yield from self.acct_reservation_steps(task, css, True, chg)
        if not promised:
            self.out_err(file, chg, needed)
            return False
        if STEPS:
            yield "has a promise"
        add = self.region_charge(file, start, end, css, needed)
        if self.raced(chg, add):
            self.hugetlb_cgroup_uncharge_cgroup_rsvd(css, chg - add)
            rsv_adjust = self.hugepage_subpool_put_pages(MOUNT, chg - add)
            yield from self.return_unused_steps(task, rsv_adjust)
        else:
            self.css.css_put(css)
        return True

    def raced(self, chg, add):
        """Return whether others have changed the reserve map since region_chg()."""
        return chg > add

    def reserve_private_steps(self, task, css, spool, length):
        """mm/hugetlb.c:hugetlb_reserve_pages for a private mapping."""
        if may_fail("kmalloc of a resv_map"):
            return False
        return (yield from self.acct_reservation_steps(task, css, spool, length))

    @action(kernel="mm/hugetlb.c:hugetlb_reserve_pages")
    def mmap(self, task, vma, length, noreserve):
        """mmap(MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB)."""
        require(self.vm_mm[vma] is None)
        self.vm_mm[vma] = task
        css = self.cgroup.of[task]
        if not noreserve:
            promised = yield from self.reserve_private_steps(task, css, False, length)
            if not promised:
                self.vm_mm[vma] = None
                return ENOMEM
        self.map(task, vma, 0, length, not noreserve)
        self.resv_css[vma] = None if noreserve else css
        return OK

    @action(kernel="fs/hugetlbfs/inode.c:hugetlbfs_file_mmap", when=HUGETLBFS)
    def mmap_shared(self, task, vma, file, start, end, noreserve):
        """mmap(MAP_SHARED) of pages start..end of a file."""
        require(self.vm_mm[vma] is None and start < end)
        require(self.exists(file))
        self.vm_mm[vma] = task
        if not noreserve:
            yield from self.lock_inode(task, file)
            promised = yield from self.reserve_steps(task, file, start, end)
            self.unlock_inode(task, file)
            if not promised:
                self.vm_mm[vma] = None
                return ENOMEM
        self.i_size_grow(file, end)
        self.map(task, vma, start, end, False)
        self.vm_file[vma] = file
        return OK

    @action(
        kernel="fs/hugetlbfs/inode.c:hugetlbfs_file_mmap",
        when=(HUGETLBFS, PRIVATE_FILES),
    )
    def mmap_private(self, task, vma, file, start, end, noreserve):
        """mmap(MAP_PRIVATE) of pages start..end of a file."""
        require(self.vm_mm[vma] is None and start < end)
        require(self.exists(file))
        self.vm_mm[vma] = task
        css = self.cgroup.of[task]
        promised = True
        yield from self.lock_inode(task, file)
        if not noreserve:
            promised = yield from self.reserve_private_steps(
                task, css, True, end - start
            )
        self.unlock_inode(task, file)
        if not promised:
            self.vm_mm[vma] = None
            return ENOMEM
        self.i_size_grow(file, end)
        self.map(task, vma, start, end, not noreserve)
        self.resv_css[vma] = None if noreserve else css
        self.vm_file[vma] = file
        self.vm_private[vma] = True
        return OK
