# SPDX-License-Identifier: GPL-2.0-only
"""Truncation, holes, fallocate and mounts in steps. fs/hugetlbfs/inode.c."""

from poolproof.model.blocks.errno import ENOMEM, ENOSPC, OK, Errno
from poolproof.model.designs.hugetlb.names import (
    FALLOCATE,
    FILES,
    HUGETLBFS,
    INJECT,
    MIN,
    MIN_SIZE,
    MOUNT,
    PAGES,
    PINS,
    PRIVATE_FILES,
    PUNCH,
    SIZE,
    TASKS,
    TRUNCATE,
    VMAS,
    P,
)
from poolproof.model.designs.hugetlb.steps.locks import STEPS
from poolproof.model.designs.hugetlb.steps.vmas import VmaSteps
from poolproof.model.language import Bool, Given, Int, action, require, var


class FileSteps(VmaSteps):
    """hugetlb_vmtruncate, hugetlbfs_punch_hole, hugetlbfs_fallocate; mounts.

    Several pages are looked up and removed one by one; the kernel looks up as many
    as 15 at once, and frees them together.
    """

    changes_mount = var(Bool(), when=MOUNT, doc="a mount is being made or undone")

    def unmap_file_steps(self, task, file, start, end):
        """fs/hugetlbfs/inode.c:hugetlb_vmdelete_list: private pages of the file go, a
        parent's before its child's, but not those of a VMA whose lock is held. They
        are freed with the locks held."""
        if PRIVATE_FILES:
            yield from self.i_mmap_lock_write(task, file)
            for v in VMAS:
                if self.is_private_of(v, file) and self.resv_owner[v]:
                    yield from self.unmap_range_steps(task, v, start, end)
            for v in VMAS:
                if self.is_private_of(v, file) and not self.resv_owner[v]:
                    yield from self.unmap_range_steps(task, v, start, end)
            self.i_mmap_unlock_write(task, file)

    def is_private_of(self, vma, file):
        """Return whether it is a private mapping of the file."""
        return self.vm_file[vma] == file and self.vm_private[vma]

    def unmap_range_steps(self, task, vma, start, end):
        """mm/hugetlb.c:unmap_hugepage_range, if the VMA's lock is free."""
        locked = self.hugetlb_vma_trylock_write(task, vma)
        if locked:
            for p in PAGES:
                if start <= p and p < end:
                    yield from self.unmap_steps(task, vma, p)
            self.hugetlb_vma_unlock_write(task, vma)

    def hold_cached(self, task, file, page):
        """hugetlb_delete_from_page_cache: the task has the folio in hand. Return
        whether I/O holds it, too."""
        pinned = PINS and self.cache_pinned[file, page]
        self.hold(task, self.page_cache, file, page)
        self.page_cache.clear(file, page)
        self.cache_pinned[file, page] = False
        return pinned

    def release_steps(self, task, pinned):
        """include/linux/pagevec.h:folio_batch_release of the folio in hand."""
        if PINS and pinned:
            self.leave_to_io(task, MOUNT)
        else:
            yield from self.put_steps(task, MOUNT)

    # -- truncation --

    @action(
        kernel="fs/hugetlbfs/inode.c:hugetlb_vmtruncate", when=(HUGETLBFS, TRUNCATE)
    )
    def ftruncate(self, task: TASKS, file: FILES, size: Int(0, P)) -> Errno:
        """ftruncate()."""
        require(self.exists(file))
        yield from self.lock_inode(task, file)
        self.i_size[file] = size
        if STEPS:
            yield "has written i_size"
        yield from self.unmap_file_steps(task, file, size, P)
        yield from self.truncate_steps(task, file, size)
        self.unlock_inode(task, file)
        return OK

    def truncate_steps(self, task, file, start):
        """fs/hugetlbfs/inode.c:remove_inode_hugepages from start to the end of the
        file. It takes the fault mutexes of the pages that are there, and no others."""
        freed: Int(0, P) = 0
        for p in PAGES:
            if p >= start and self.page_cache.node[file, p] is not None:
                yield from self.lock_index(task, p, True)
                pinned = self.hold_cached(task, file, p)
                freed += 1
                self.unlock_index(task, p, True)
                yield from self.release_steps(task, pinned)
        if STEPS:
            yield "has removed the pages"
        yield from self.unreserve_steps(task, file, start, freed)

    def unreserve_steps(self, task, file, start, freed):
        """mm/hugetlb.c:hugetlb_unreserve_pages to the end of the file. If the map had
        fewer indices than pages were removed, that makes promises."""
        chg = self.regions_del(file, start)
        gbl_reserve = self.hugepage_subpool_put_pages(MOUNT, chg - freed)
        yield from self.return_unused_steps(task, gbl_reserve)
        if gbl_reserve < 0:
            yield from self.acct_steps(task, 0 - gbl_reserve)

    # -- holes --

    @action(kernel="fs/hugetlbfs/inode.c:hugetlbfs_punch_hole", when=(HUGETLBFS, PUNCH))
    def punch(self, task: TASKS, file: FILES, page: PAGES) -> Errno:
        """fallocate(FALLOC_FL_PUNCH_HOLE) of one page, or MADV_REMOVE. Its index goes
        from the reserve map only if the page is there."""
        require(self.exists(file))
        yield from self.lock_inode(task, file)
        yield from self.unmap_file_steps(task, file, page, page + 1)
        if STEPS:
            yield "looks for pages"
        if self.page_cache.node[file, page] is not None:
            yield from self.lock_index(task, page, True)
            pinned = self.hold_cached(task, file, page)
            may_split = self.i_resv_map.may_split(file, page)
            if may_split:
                found = self.region_del(file, page)
                chg = 1 if found else 0
                gbl_reserve = self.hugepage_subpool_put_pages(MOUNT, chg - 1)
                if gbl_reserve < 0:
                    yield from self.acct_steps(task, 0 - gbl_reserve)
            else:
                yield from self.fix_reserve_steps(task)
            self.unlock_index(task, page, True)
            yield from self.release_steps(task, pinned)
        self.unlock_inode(task, file)
        return OK

    def fix_reserve_steps(self, task):
        """mm/hugetlb.c:hugetlb_fix_reserve_counts."""
        if not MOUNT or self.spool.fits(1):
            rsv_adjust = self.hugepage_subpool_get_pages(MOUNT, 1)
            yield from self.acct_steps(task, rsv_adjust)

    # -- fallocate --

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
        yield from self.lock_inode(task, file)
        yield from self.lock_index(task, page, True)
        result = OK
        if self.page_cache.node[file, page] is None:
            result = yield from self.fill_steps(task, file, page, installed)
        self.unlock_index(task, page, True)
        if result is OK and not keep_size:
            self.i_size_grow(file, page + 1)
        self.unlock_inode(task, file)
        return result

    def fill_steps(self, task, file, page, installed) -> Errno:
        """One page of hugetlbfs_fallocate."""
        map_chg = self.i_resv_map.region_chg(file, page, page + 1)
        if map_chg < 0:
            return ENOMEM
        if STEPS:
            yield "vma_needs_reservation is done"
        allocated = yield from self.alloc_steps(task, MOUNT, map_chg, False, True)
        if not allocated:
            self.i_resv_map.region_abort(file)
            return ENOSPC
        map_commit = self.i_resv_map.region_add(file, page, page + 1)
        yield from self.commit_steps(task, MOUNT, map_chg, map_commit)
        if not installed:
            if not self.folio_restore[task]:
                self.i_resv_map.region_del(file, page)
            yield from self.put_steps(task, MOUNT)
            return ENOMEM
        self.place(task, self.page_cache, file, page)
        return OK

    # -- mounts --

    @action(kernel="mm/hugetlb.c:hugepage_new_subpool", when=(HUGETLBFS, MOUNT))
    def fsmount(self, task: TASKS) -> Errno:
        """mount -t hugetlbfs -o size=MAX,min_size=MIN."""
        require(not self.spool.mounted and not self.changes_mount)
        if MIN_SIZE:
            self.changes_mount = True
            promised = yield from self.acct_steps(task, MIN)
            self.changes_mount = False
            if not promised:
                return ENOMEM
            self.spool.rsv_hpages = MIN
        self.spool.mounted = True
        return OK

    @action(kernel="mm/hugetlb.c:hugepage_put_subpool", when=(HUGETLBFS, MOUNT))
    def unmount(self, task: TASKS) -> Errno:
        """umount of a mount that nobody uses: its files go first."""
        require(self.spool.mounted)
        require(all(self.vm_file[v] is None for v in VMAS))
        require(all(self.open_file[t] is None for t in TASKS))
        if PINS:
            self.no_umount_with_io()
        self.spool.mounted = False
        self.changes_mount = True
        for f in FILES:
            yield from self.truncate_steps(task, f, 0)
            if TRUNCATE:
                self.i_size[f] = 0
        if MIN_SIZE and self.spool.is_free():
            yield from self.return_unused_steps(task, MIN)
        if SIZE:
            self.spool.used_hpages = 0
        if MIN_SIZE:
            self.spool.rsv_hpages = 0
        self.changes_mount = False
        return OK
