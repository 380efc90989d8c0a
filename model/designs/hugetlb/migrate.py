# SPDX-License-Identifier: GPL-2.0-only
"""Migration of a huge page to another node, mm/migrate.c and mm/hugetlb.c."""

from poolproof.model.blocks.errno import EBUSY, ENOMEM, OK, Errno
from poolproof.model.designs.hugetlb.gup import Pinning
from poolproof.model.designs.hugetlb.names import (
    FILES,
    FORK,
    HUGETLBFS,
    MIGRATE,
    NODES,
    PAGES,
    SOFT_OFFLINE,
    VMAS,
)
from poolproof.model.language import action, require


class Migrating(Pinning):
    """unmap_and_move_huge_page. The page's charges and its promise go with it;
    the cpuset and the policy of its users are not asked."""

    @action(kernel="mm/migrate.c:unmap_and_move_huge_page", when=MIGRATE)
    def migrate(self, vma: VMAS, page: PAGES, to: NODES) -> Errno:
        """A private page moves, as by move_pages() or compaction, with all who
        map it. A page of a mount with size= or min_size= is in no page cache:
        -EBUSY."""
        nid = self.anon.node[vma, page]
        require(nid is not None and nid != to)
        require(not self.pinned[vma, page])
        if self.subpool_vma(vma):
            return EBUSY
        moved = self.move_hugetlb_state(nid, to)
        if not moved:
            return ENOMEM
        self.remove_migration_ptes(vma, page, to)
        return OK

    def remove_migration_ptes(self, vma, page, to):
        """mm/migrate.c, the function of that name: all mappings of the page become
        mappings of the new one."""
        for v in VMAS:
            if v == vma or (FORK and v in self.mappers.of[vma, page]):
                self.hugetlb_cgroup_migrate(v, page, to)

    @action(kernel="mm/memory-failure.c:soft_offline_in_use_page", when=SOFT_OFFLINE)
    def soft_offline(self, vma: VMAS, page: PAGES, to: NODES) -> Errno:
        """madvise(MADV_SOFT_OFFLINE) of a private page: it moves to any node (the
        kernel tries its own first). The old page leaves the pool when it is freed, or
        is dissolved afterwards. If that is refused, it is used again."""
        nid = self.anon.node[vma, page]
        require(nid is not None and not self.pinned[vma, page])
        if self.subpool_vma(vma):
            return EBUSY
        stays = all(self.h.surplus_huge_pages_node[n] == 0 for n in NODES if n == nid)
        pooled = self.dequeue_for_migration(to)
        if pooled is None:
            moved = self.move_to_fresh(nid, to)
            if not moved:
                return ENOMEM
        else:
            self.free_moved(nid)
        self.remove_migration_ptes(vma, page, to)
        if pooled is not None and stays:
            return self.dissolve_moved(nid)
        return OK

    def dissolve_moved(self, nid) -> Errno:
        """mm/hugetlb.c:dissolve_free_hugetlb_folio of the page that has moved."""
        if not self.h.available_huge_pages():
            return EBUSY
        for n in NODES:
            if n == nid:
                self.h.remove_hugetlb_folio(n, True, False)
        return OK

    @action(kernel="mm/migrate.c:unmap_and_move_huge_page", when=(HUGETLBFS, MIGRATE))
    def migrate_cached(self, file: FILES, page: PAGES, to: NODES) -> Errno:
        """A page of a file moves; its subpool is the new page's
        (fs/hugetlbfs/inode.c:hugetlbfs_migrate_folio)."""
        nid = self.page_cache.node[file, page]
        require(nid is not None and nid != to)
        require(not self.cache_pinned[file, page])
        moved = self.move_hugetlb_state(nid, to)
        if not moved:
            return ENOMEM
        cg = self.page_cache.cg[file, page]
        cg_rsvd = self.page_cache.cg_rsvd[file, page]
        self.page_cache.set(file, page, to, cg, cg_rsvd)
        return OK

    def hugetlb_cgroup_migrate(self, vma, page, to):
        """mm/hugetlb_cgroup.c:hugetlb_cgroup_migrate: both pointers move."""
        cg = self.anon.cg[vma, page]
        cg_rsvd = self.anon.cg_rsvd[vma, page]
        self.anon.set(vma, page, to, cg, cg_rsvd)

    def dequeue_for_migration(self, to):
        """mm/hugetlb.c:alloc_hugetlb_folio_nodemask as far as the pool goes: return
        the node of a free page that is not promised, or None."""
        free = self.h.available_huge_pages()
        pooled = None
        if free:
            pooled = self.h.dequeue_hugetlb_folio_nodemask({to})
        return pooled

    def move_hugetlb_state(self, nid, to):
        """A page of node ``to`` in place of one of ``nid``, which is freed.
        Whether there was one. A free page if not all are promised
        (alloc_hugetlb_folio_nodemask, __GFP_THISNODE), else a fresh temporary
        page: the old one is then the temporary one, and if its node has
        surplus, the surplus moves, too (mm/hugetlb.c:move_hugetlb_state)."""
        pooled = self.dequeue_for_migration(to)
        if pooled is not None:
            self.free_moved(nid)
            return True
        return self.move_to_fresh(nid, to)

    def free_moved(self, nid):
        """free_huge_folio of the old page, which a page of the pool has replaced."""
        for n in NODES:
            if n == nid:
                if self.h.surplus_huge_pages_node[n] > 0:
                    self.h.remove_hugetlb_folio(n, False, True)
                else:
                    self.h.enqueue_hugetlb_folio(n)

    def move_to_fresh(self, nid, to):
        """A fresh page of node ``to`` replaces it. Return whether there was a fresh
        page."""
        fresh = self.h.alloc_fresh_hugetlb_folio({to})
        if fresh is None:
            return False
        self.h.move_temporary(nid, to)
        return True
