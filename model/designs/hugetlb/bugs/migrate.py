# SPDX-License-Identifier: GPL-2.0-only
"""Pages that move, mm/migrate.c and mm/hugetlb_cgroup.c."""

from poolproof.model.blocks.errno import OK
from poolproof.model.designs.bug import Bug
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb
from poolproof.model.designs.hugetlb.names import (
    FILES,
    HUGETLBFS,
    MIGRATE,
    NODES,
    PAGES,
)
from poolproof.model.language import Bool, table


class Beforecb6acd01e2e4(Hugetlb):
    """ "hugetlbfs: fix races and page leaks during migration": a page that moved lost
    its subpool, which was not told when the new page was freed
    (hugetlbfs_migrate_page). The race that leaks a page is left out."""

    bug = Bug(
        "cb6acd01e2e4",
        "5.0",
        "a migrated page stays in the mount's used_hpages for ever",
        trigger="migrate",
        having="hugetlbfs mount size truncate",
        bounds={"V": 1, "P": 1, "files": 1, "blocks": 1, "CAP": 2, "nodes": 2},
        detected="hugetlb_invariants.used_exact",
    )

    orphan = table(
        FILES, PAGES, Bool(), when=(HUGETLBFS, MIGRATE), doc="without a subpool"
    )

    def migrate_cached(self, file, page, to):
        error = super().migrate_cached(file, page, to)
        self.orphan[file, page] = self.orphan[file, page] or error is OK
        return error

    def free_cached(self, file, page):
        orphan = self.orphan[file, page]
        self.orphan[file, page] = False
        super().free_cached(file, page)
        if orphan:
            self.hugepage_subpool_get_pages(True, 1)


class Before4ef918482808(Hugetlb):
    """ "mm, hugetlb: protect reserved pages when soft offlining a hugepage": the page
    moved to any free one, promised or not (alloc_huge_page_node), and the old one
    left the free list whatever was promised (dequeue_hwpoisoned_huge_page)."""

    bug = Bug(
        "4ef918482808?",
        "3.12",
        "a page that goes offline is replaced by a reserved one",
        trigger="soft_offline",
        bounds={"V": 2, "P": 1, "blocks": 2, "CAP": 2},
        detected="hugetlb_invariants.resv_backed",
    )

    def dequeue_for_migration(self, to):
        return self.h.dequeue_hugetlb_folio_nodemask({to})

    def dissolve_moved(self, nid):
        for n in NODES:
            if n == nid:
                self.h.remove_hugetlb_folio(n, True, False)
        return OK


class MigrationForgetsRsvd(Hugetlb):
    """9808895e1a44: a page that moved took one of its two cgroups along, not
    the one whose reservation limit it is charged to. rsvd stays charged for
    ever: MAP_NORESERVE, touch, move the page, munmap."""

    bug = Bug(
        "9808895e1a44",
        "",
        "a migrated page stays charged to hugetlb.rsvd for ever",
        trigger="migrate",
        having="cgroup noreserve",
        bounds={"V": 1, "P": 1, "blocks": 1, "CAP": 2, "nodes": 2},
        detected="hugetlb_cgroup.rsvd_exact",
    )

    def hugetlb_cgroup_migrate(self, vma, page, to):
        self.anon.set(vma, page, to, self.anon.cg[vma, page], None)
