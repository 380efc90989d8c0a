# SPDX-License-Identifier: GPL-2.0-only
"""Bugs that hugetlb once had, each put back into the present design.

A class overrides what the fix changed and nothing else, so it is the kernel of
today with one old bug, not the kernel of its time. The docstring cites the
commit that fixed it, says what went wrong and how to see it.
"""

from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb
from poolproof.model.designs.hugetlb.names import HUGETLBFS, NODES, PAGES, VMAS, P
from poolproof.model.designs.hugetlb.versions import Hugetlb61, Hugetlb70
from poolproof.model.language import Int, table


class FaultBeyondEof(Hugetlb):
    """ebed4bfc8da8, "[PATCH] hugetlb: fix absurd HugePages_Rsvd" (2.6.19): a
    fault on a shared mapping took a promise without looking at i_size or
    asking whether there was one. resv_huge_pages -1: map a file, truncate it,
    touch. Only beyond the end of the file: then all shared mappings had promises
    for everything before it."""

    def within_file(self, vma, page):
        return True

    def vma_needs_reservation(self, vma, page):
        if HUGETLBFS and self.shared(vma) and not super().within_file(vma, page):
            return 0
        return super().vma_needs_reservation(vma, page)


class ResizeForgetsPagesInUse(Hugetlb):
    """ "hugetlb: Fix pool resizing corner case" (2.6.24): a shrink left as many
    pages as are promised, though pages in use cannot keep promises. Fewer
    free pages than promises: touch a page, promise the others, shrink."""

    def min_count(self):
        return self.h.resv_huge_pages


class SplitCopiesReservation(Hugetlb61):
    """84afd99b8398, "hugetlb reservations: fix hugetlb MAP_PRIVATE
    reservations across vma splits" (2.6.27): what was left of a promise was a
    number in the VMA. A split copied it and both halves gave it back. No page
    brings its promise back (adjust_reservation): the number cannot follow that."""

    reserved = table(VMAS, Int(0, P), doc="what the VMA says it was promised")

    def map(self, task, vma, start, end, owner):
        super().map(task, vma, start, end, owner)
        if owner:
            self.reserved[vma] = end - start

    def vma_commit_reservation(self, vma, page):
        map_commit = super().vma_commit_reservation(vma, page)
        if self.resv_owner[vma] and map_commit == 0:
            self.reserved[vma] = max(0, self.reserved[vma] - 1)
        return map_commit

    def restore_reserve_on_error(self, vma, page, restore_reserve):
        if self.resv_owner[vma] and restore_reserve:
            self.reserved[vma] += 1
        return super().restore_reserve_on_error(vma, page, restore_reserve)

    def hugetlb_vm_op_open(self, vma, new):
        super().hugetlb_vm_op_open(vma, new)
        self.reserved[new] = self.reserved[vma]

    def hugetlb_vm_op_close(self, vma, start, end):
        if self.resv_owner[vma]:
            self.rsvd.uncharge(self.resv_css[vma], end - start)
            self.h.return_unused_surplus_pages(self.reserved[vma], PAGES)

    def forget(self, vma):
        super().forget(vma)
        self.reserved[vma] = 0


class CowSkipsSubpool(Hugetlb):
    """ "mm, hugetlb: fix subpool accounting handling" (3.15): the copy that an
    owner makes after fork did not ask the subpool, and when it was freed the
    subpool was paid all the same. used_hpages too low: size= mount, private
    mapping, touch, fork, write, munmap."""

    def alloc_hugetlb_folio(
        self, spool, map_chg, cow_from_owner, may_reserve, nodes, css
    ):
        return super().alloc_hugetlb_folio(
            spool and not cow_from_owner,
            map_chg,
            cow_from_owner,
            may_reserve,
            nodes,
            css,
        )


class PrivateHoleReusesReservation(Hugetlb61):
    """67961f9db8c4, "mm/hugetlb: fix huge page reserve accounting for private
    mappings" (4.8): the owner of a private mapping was taken to have a promise
    for every index, consumed or not. resv_huge_pages -1: private mapping of a
    file, touch, punch a hole, touch."""

    def vma_needs_reservation(self, vma, page):
        if self.resv_owner[vma]:
            return 0
        return super().vma_needs_reservation(vma, page)

    def restore_reserve_on_error(self, vma, page, restore_reserve):
        if self.resv_owner[vma] and restore_reserve:
            self.resv_map.region_del(vma, page)
        return super().restore_reserve_on_error(vma, page, restore_reserve)


class ErrorLeavesConsumed(Hugetlb):
    """96b96a96ddee, "mm/hugetlb: fix huge page reservation leak in private
    mapping error paths" (4.9): a page that could not be installed brought its
    promise back, but the reserve map went on to say that it was consumed.
    resv_huge_pages +1 after munmap."""

    def restore_reserve_on_error(self, vma, page, restore_reserve):
        if HUGETLBFS and self.shared(vma):
            return super().restore_reserve_on_error(vma, page, restore_reserve)
        return restore_reserve


class RestoreCreditsSubpool(Hugetlb61):
    """0919e1b69ab4, "hugetlbfs: on restore reserve error path retain subpool
    reservation" (5.2): freeing a page that brings its promise back also took
    it out of the subpool, which still has the promise. used_hpages below
    zero: size= mount, a page that cannot be installed, again. In its time no
    other page brought its promise back."""

    def free_huge_folio(self, nid, restore_reserve, spool, cg, cg_rsvd):
        if restore_reserve:
            self.hugepage_subpool_put_pages(spool, 1)
        super().free_huge_folio(nid, restore_reserve, spool, cg, cg_rsvd)


class ReserveIgnoresMempolicy(Hugetlb):
    """8ca39e6874f8, "mm/hugetlb: add mempolicy check in the reservation
    routine" (5.9): a task bound to nodes without pages could reserve them.
    No count is wrong; the first touch is SIGBUS."""

    def hugetlb_acct_memory(self, delta, nodes, mems):
        return super().hugetlb_acct_memory(delta, mems, mems)


class ErrorLeavesEntry(Hugetlb):
    """846be08578ed, "mm/hugetlb: expand restore_reserve_on_error functionality"
    (5.13): where there had been no promise, a page that could not be installed
    left its index in the reserve map, which then said "promised". resv_huge_
    pages -1: MAP_NORESERVE, such a fault, a good fault."""

    def restore_reserve_on_error(self, vma, page, restore_reserve):
        if restore_reserve:
            return super().restore_reserve_on_error(vma, page, restore_reserve)
        return restore_reserve


class FailedReserveFillsMinimum(Hugetlb70):
    """a833a693a490, "mm: hugetlb: fix incorrect fallback for subpool" (6.15): a
    reservation that failed gave all its pages to the subpool's minimum, also
    those that it had asked the pool for. resv_huge_pages -1: min_size= mount,
    a mapping too large, truncate. (6.12.117 has this bug.)"""

    def out_put_pages(self, spool, chg, gbl_reserve):
        self.hugepage_subpool_put_pages(spool, chg)


class ReadaheadKeepsPromise(Hugetlb):
    """libhugetlbfs tests/readahead_reserve.c, madvise_reserve.c and
    fadvise_reserve.c: on some kernels advice to read ahead allocated the page
    and put it into the file, but took no promise. resv_huge_pages +1: map a
    file, readahead()."""

    def read_ahead(self, file, page):
        promised = self.i_resv_map.regions[file, page]
        if promised and self.page_cache.node[file, page] is None:
            nid = self.h.dequeue_hugetlb_folio_nodemask({n for n in NODES})
            self.page_cache.set(file, page, nid, None, None)


class MigrationForgetsRsvd(Hugetlb):
    """9808895e1a44: a page that moved took one of its two cgroups along, not
    the one whose reservation limit it is charged to. rsvd stays charged for
    ever: MAP_NORESERVE, touch, move the page, munmap."""

    def hugetlb_cgroup_migrate(self, vma, page, to):
        self.anon.set(vma, page, to, self.anon.cg[vma, page], None)


class DocumentedReservation(Hugetlb):
    """7a197d346a44: Documentation/mm/hugetlbfs_reserv.rst said that a promise is
    made if resv_needed <= resv_huge_pages - free_huge_pages. Both counters are
    unsigned: while fewer pages are promised than are free the difference is a
    very large number, and any request passes. No kernel ever did this."""

    def hugetlb_acct_memory(self, delta, nodes, mems):
        difference = self.h.resv_huge_pages - self.h.free_huge_pages()
        if difference >= 0 and delta > difference:
            return False
        self.h.change_resv(delta)
        return True
