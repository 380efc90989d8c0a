# SPDX-License-Identifier: GPL-2.0-only
"""Files and mounts, fs/hugetlbfs/inode.c: holes, truncation, eviction."""

from poolproof.model.blocks.errno import ENOMEM, OK, Errno
from poolproof.model.designs.hugetlb.names import (
    DESCRIPTORS,
    DROP_CACHES,
    FILES,
    HUGETLBFS,
    IOS,
    MIN,
    MIN_SIZE,
    MOUNT,
    NODES,
    PAGES,
    PINS,
    PRIVATE_FILES,
    PUNCH,
    READAHEAD,
    SHM,
    SIZE,
    TRUNCATE,
    UNLINK,
    VMAS,
    P,
)
from poolproof.model.designs.hugetlb.vmas import VmaChanges
from poolproof.model.language import Int, action, assume, require


class Files(VmaChanges):
    """What shortens a file, or takes it away."""

    def unmap_file_page(self, file, page):
        """fs/hugetlbfs/inode.c:hugetlb_vmdelete_list for one page index:
        private pages of it go, too, those of a parent before its child's."""
        if PRIVATE_FILES:
            for v in VMAS:
                if self.vm_file[v] == file and self.resv_owner[v]:
                    self.unmap_hugepage_range(v, page)
            for v in VMAS:
                if self.vm_file[v] == file and not self.resv_owner[v]:
                    self.unmap_hugepage_range(v, page)

    @action(
        kernel="fs/hugetlbfs/inode.c:hugetlb_vmtruncate", when=(HUGETLBFS, TRUNCATE)
    )
    def truncate(self, file: FILES, size: Int(0, P)) -> Errno:
        """ftruncate()."""
        require(self.exists(file))
        self.i_size[file] = size
        for p in PAGES:
            if p >= size:
                self.unmap_file_page(file, p)
        self.remove_inode_hugepages(file, size)
        return OK

    def may_punch(self, file, page):
        """Return whether somebody can make a hole: with a descriptor, or with a mapping
        of the page that is shared and may be written (mm/madvise.c:madvise_remove).
        Nothing but a mapping leads to an unlinked file that is closed, or to a segment
        (ipc/shm.c:shm_fallocate)."""
        return self.exists(file) or any(
            self.vm_file[v] == file
            and self.mapped(v, page)
            and self.is_shared_maywrite(v)
            for v in VMAS
        )

    def is_shared_maywrite(self, vma):
        """include/linux/mm.h:is_shared_maywrite: whoever made the mapping had opened
        the file for writing, too."""
        return self.shared(vma) and not self.vm_read_only[vma]

    @action(kernel="fs/hugetlbfs/inode.c:hugetlbfs_punch_hole", when=(HUGETLBFS, PUNCH))
    def punch_hole(self, file: FILES, page: PAGES) -> Errno:
        """fallocate(FALLOC_FL_PUNCH_HOLE) of one page, or MADV_REMOVE. Only a
        page that is there takes its index out of the reserve map."""
        require(self.may_punch(file, page))
        self.unmap_file_page(file, page)
        if self.page_cache.node[file, page] is not None:
            may_split = self.i_resv_map.may_split(file, page)
            if not may_split:
                self.hugetlb_fix_reserve_counts()
                self.free_cached(file, page)
                return OK
            chg = 0
            found = self.region_del(file, page)
            if found:
                chg = 1
            gbl_reserve = self.hugepage_subpool_put_pages(MOUNT, chg - 1)
            self.h.return_unused_surplus_pages(gbl_reserve, PAGES)
            self.free_cached(file, page)
        return OK

    @action(
        kernel="mm/hugetlb.c:hugetlb_fix_reserve_counts",
        when=(HUGETLBFS, PUNCH, DESCRIPTORS),
    )
    def punch_hole_enomem(self, file: FILES, page: PAGES) -> Errno:
        """The same hole where region_del() must split a region and has no
        memory for the other half. The index stays in the map, so it gets a
        promise. The page is free only after that: where no other one is, there
        is no promise ("Huge Page Reserved count may go negative")."""
        require(self.page_cache.node[file, page] is not None)
        require(self.i_resv_map.is_inside(file, page))
        require(self.i_resv_map.region_cache_count[file] == 0)
        require(self.may_punch(file, page))
        self.unmap_file_page(file, page)
        self.hugetlb_fix_reserve_counts()
        self.free_cached(file, page)
        return OK

    def hugetlb_fix_reserve_counts(self):
        """mm/hugetlb.c:hugetlb_fix_reserve_counts, by a task on all nodes."""
        if not MOUNT or self.spool.fits(1):
            rsv_adjust = self.hugepage_subpool_get_pages(MOUNT, 1)
            nodes = {n for n in NODES}
            self.hugetlb_acct_memory(rsv_adjust, nodes, nodes)

    @action(kernel="mm/fadvise.c:generic_fadvise", when=(HUGETLBFS, READAHEAD))
    def readahead(self, file: FILES, page: PAGES) -> Errno:
        """readahead(), posix_fadvise() or MADV_WILLNEED of a page: hugetlbfs
        has noop_backing_dev_info, for which advice is taken and ignored."""
        require(self.exists(file))
        self.read_ahead(file, page)
        return OK

    def read_ahead(self, file, page):
        """What becomes of the advice: nothing."""

    @action(kernel="mm/truncate.c:mapping_evict_folio", when=(HUGETLBFS, DROP_CACHES))
    def drop_caches(self, file: FILES, page: PAGES) -> Errno:
        """A write to drop_caches: clean pages of files go, if nobody holds them."""
        require(self.page_cache.node[file, page] is not None)
        require(not self.cache_pinned[file, page])
        if not self.is_dirty(file, page):
            self.free_cached(file, page)
        return OK

    def is_dirty(self, file, page):
        """mm/hugetlb.c:hugetlb_add_to_page_cache makes it dirty: "set folio dirty so
        that it will not be removed from cache/file by non-hugetlbfs specific code
        paths" (22146c3ce989)."""
        return True

    @action(
        kernel="fs/hugetlbfs/inode.c:hugetlbfs_evict_inode", when=(HUGETLBFS, UNLINK)
    )
    def unlink(self, file: FILES) -> Errno:
        """unlink() and the last close(): as long as it is open, an unlinked file is
        like any other. The inode goes with its last mapping; after that the file can
        be created again."""
        require(self.exists(file))
        self.linked[file] = False
        self.fput(file)
        return OK

    @action(kernel="ipc/shm.c:do_shm_rmid", when=SHM)
    def shm_rmid(self, file: FILES) -> Errno:
        """shmctl(IPC_RMID): the segment goes with its last shmdt(), which is
        munmap() of it."""
        require(self.segment[file] > 0 and self.linked[file])
        self.linked[file] = False
        self.fput(file)
        return OK


class Mounts(Files):
    """mount and umount, with size= and min_size=."""

    @action(kernel="mm/hugetlb.c:hugepage_new_subpool", when=(HUGETLBFS, MOUNT))
    def mount(self) -> Errno:
        """mount -t hugetlbfs -o size=MAX,min_size=MIN."""
        require(not self.spool.mounted)
        if MIN_SIZE:
            nodes = {n for n in NODES}
            promised = self.hugetlb_acct_memory(MIN, nodes, nodes)
            if not promised:
                return ENOMEM
            self.spool.rsv_hpages = MIN
        self.spool.mounted = True
        return OK

    @action(kernel="mm/hugetlb.c:hugepage_put_subpool", when=(HUGETLBFS, MOUNT))
    def umount(self) -> Errno:
        """umount of a mount that nobody uses: its files go first."""
        require(self.spool.mounted)
        require(all(self.vm_file[v] is None for v in VMAS))
        if PINS:
            self.no_umount_with_io()
        for f in FILES:
            self.remove_inode_hugepages(f, 0)
            if TRUNCATE:
                self.i_size[f] = 0
        if MIN_SIZE and self.spool.is_free():
            self.h.return_unused_surplus_pages(MIN, PAGES)
        self.spool.mounted = False
        if SIZE:
            self.spool.used_hpages = 0
        if MIN_SIZE:
            self.spool.rsv_hpages = 0
        return OK

    def no_umount_with_io(self):
        assume(
            not any(self.limbo_spool[io] for io in IOS)
            and not any(self.cache_pinned[f, p] for f in FILES for p in PAGES),
            "no umount while I/O holds a page of the mount",
        )
