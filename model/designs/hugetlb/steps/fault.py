# SPDX-License-Identifier: GPL-2.0-only
"""Faults in steps: alloc_hugetlb_folio from lock to lock, copy-on-write included.
mm/hugetlb.c."""

from poolproof.model.blocks.errno import OK, OOM, SIGBUS, Errno
from poolproof.model.designs.hugetlb.names import (
    CGROUP_MOVE,
    DESCRIPTORS,
    FORK,
    HUGETLBFS,
    INJECT,
    PAGES,
    READS,
    TASKS,
    TRUNCATE,
    VMAS,
)
from poolproof.model.designs.hugetlb.steps.locks import STEPS
from poolproof.model.designs.hugetlb.steps.reserve import ReserveSteps
from poolproof.model.language import Bool, Given, action, require


class FaultSteps(ReserveSteps):
    """hugetlb_fault, hugetlb_no_page and hugetlb_wp."""

    # -- alloc_hugetlb_folio --

    def alloc_steps(self, task, spool, map_chg, cow_from_owner, may_reserve):
        """mm/hugetlb.c:alloc_hugetlb_folio up to the commit. Return whether the task
        has a folio in hand. There are two charges; by the second, the task may be in
        another cgroup."""
        deferred_reserve = map_chg > 0 or cow_from_owner
        gbl_chg = map_chg
        css_rsvd = self.css_of(task)
        if deferred_reserve:
            gbl_chg = self.charge_deferred(spool, css_rsvd)
            if gbl_chg < 0:
                return False
            if STEPS and CGROUP_MOVE:
                yield "is charged to rsvd"
        css = self.css_of(task)
        charged = self.usage.try_charge(css, 1)
        found = False
        if charged:
            found = yield from self.take_steps(
                task, gbl_chg, cow_from_owner, may_reserve
            )
        if found:
            self.folio.cg[task, 0] = css
            self.folio.cg_rsvd[task, 0] = css_rsvd if deferred_reserve else None
        else:
            if charged:
                self.usage.uncharge(css, 1)
            if deferred_reserve:
                self.uncharge_deferred(spool, css_rsvd, gbl_chg)
        return found

    def take_steps(self, task, gbl_chg, cow_from_owner, may_reserve):
        """The part of alloc_hugetlb_folio that takes a page off a free list, or makes
        a surplus one. Return whether the task has it in hand."""
        yield from self.lock(task)
        reserved = self.vma_has_reserves(may_reserve, gbl_chg)
        nodes = self.mpol.policy_mbind_nodemask(task)
        nid = self.dequeue_hugetlb_folio_vma(reserved, nodes)
        if nid is not None:
            if reserved:
                self.h.change_resv(-1)
            self.folio.node[task, 0] = nid
            self.folio_restore[task] = reserved
            self.unlock(task)
            return True
        self.unlock(task)
        if STEPS:
            yield "asks the buddy allocator"
        nodes = self.mpol.policy_mbind_nodemask(task)
        nid = self.h.alloc_surplus_hugetlb_folio(nodes)
        if nid is None:
            return False
        self.folio.node[task, 0] = nid
        if self.surplus_has_reserves(reserved, cow_from_owner):
            yield from self.surplus_takes_promise(task)
            self.folio_restore[task] = True
        return True

    def surplus_takes_promise(self, task):
        """A surplus page for a fault takes its promise under hugetlb_lock (since
        6.1: 12df140f0bdf)."""
        yield from self.lock(task)
        self.h.change_resv(-1)
        self.unlock(task)

    def commit_steps(self, task, spool, map_chg, map_commit):
        """The end of alloc_hugetlb_folio after a lost race: hugetlb_reserve_pages has
        promised the page, so the reservation taken for it goes back."""
        if self.raced(map_chg, map_commit):
            rsv_adjust = self.hugepage_subpool_put_pages(spool, 1)
            yield from self.return_unused_steps(task, rsv_adjust)
            yield from self.uncharge_raced(task)

    def uncharge_raced(self, task):
        """The page is no longer charged to rsvd; under hugetlb_lock (since 6.9:
        b76b46902c2d)."""
        yield from self.lock(task)
        self.hugetlb_cgroup_uncharge_folio_rsvd(task)
        self.unlock(task)

    # -- hugetlb_fault --

    @action(kernel="mm/hugetlb.c:hugetlb_fault", chosen="installed")
    def fault(
        self,
        task: TASKS,
        vma: VMAS,
        page: PAGES,
        write: Given(READS, Bool(), True),
        installed: Given(INJECT, Bool(), True),
    ) -> Errno:
        """A read or write of a page of one's own VMA. Where a new page cannot be
        ``installed``, it is given back."""
        require(self.vm_mm[vma] == task and self.mapped(vma, page))
        shared = HUGETLBFS and self.shared(vma)
        yield from self.lock_index(task, page, shared)
        yield from self.hugetlb_vma_lock_read(task, vma)
        result = OK
        if not self.needs_no_folio(vma, page, write):
            result = SIGBUS
            if self.may_allocate(vma, page):
                result = yield from self.no_page_steps(
                    task, vma, page, write, installed
                )
        self.hugetlb_vma_unlock_read(task, vma)
        self.unlock_index(task, page, HUGETLBFS and self.shared(vma))
        return result

    def no_page_steps(self, task, vma, page, write, installed) -> Errno:
        """mm/hugetlb.c:hugetlb_no_page or hugetlb_wp, from the allocation on."""
        copies = FORK and self.anon.node[vma, page] is not None
        if DESCRIPTORS and write and (copies or self.is_cached(vma, page)):
            stocked = self.stocks_for_copy(vma, page)
            if not stocked:
                return OOM
        map_chg = self.vma_needs_reservation(vma, page)
        if map_chg < 0:
            return OOM
        if STEPS:
            yield "vma_needs_reservation is done"
        allocated = yield from self.alloc_steps(
            task,
            self.subpool_vma(vma),
            map_chg,
            copies and self.resv_owner[vma],
            self.resv_owner[vma] or not self.is_private(vma),
        )
        if not allocated:
            self.vma_end_reservation(vma)
            if copies and self.resv_owner[vma]:
                yield from self.take_away_steps(task, vma, page)
                return OK
            self.failed = self.failed or map_chg == 0
            return SIGBUS
        if STEPS:
            yield "has a folio"
        map_commit = self.vma_commit_reservation(vma, page)
        yield from self.commit_steps(task, self.subpool_vma(vma), map_chg, map_commit)
        if STEPS and TRUNCATE:
            yield "zeroes the folio"
        stocked = True
        if DESCRIPTORS and write and not copies and not self.is_cached(vma, page):
            stocked = self.stocks_for_copy(vma, page)
        return (
            yield from self.install_steps(
                task, vma, page, copies, installed and stocked
            )
        )

    def stocks_for_copy(self, vma, page):
        """look_ahead() of a private mapping. Return whether there was memory, or none
        was needed."""
        if not self.is_private(vma):
            return True
        return self.look_ahead(vma, page)

    def is_private(self, vma):
        """Return whether the mapping is a private one."""
        return not (HUGETLBFS and self.shared(vma))

    def install_steps(self, task, vma, page, copies, installed) -> Errno:
        """The folio in hand goes into the page table or the page cache. It is given
        back if it cannot be ``installed``, or if the page that it is a copy of is
        gone."""
        gone = copies and self.anon.node[vma, page] is None
        if gone or not installed:
            self.folio_restore[task] = self.restore_reserve_on_error(
                vma, page, self.folio_restore[task]
            )
            yield from self.put_steps(task, self.subpool_vma(vma))
            if gone:
                return OK
            return OOM if self.is_private(vma) else SIGBUS
        nid = self.folio.node[task, 0]
        css = self.folio.cg[task, 0]
        css_rsvd = self.folio.cg_rsvd[task, 0]
        self.let_go(task)
        last = FORK and copies and self.mappers.mapcount(vma, page) == 1
        if last:
            self.hold(task, self.anon, vma, page)
        self.install_folio(vma, page, nid, css, css_rsvd)
        if last:
            yield from self.put_steps(task, self.subpool_vma(vma))
        return OK

    def take_away_steps(self, task, vma, page):
        """mm/hugetlb.c:hugetlb_wp, where an owner has no page for its copy: it drops
        its locks to take the old page away from its children."""
        self.hugetlb_vma_unlock_read(task, vma)
        self.unlock_index(task, page, False)
        if STEPS:
            yield "takes the page away"
        yield from self.i_mmap_lock_write(task, self.vm_file[vma])
        self.unmap_ref_private(vma, page)
        self.i_mmap_unlock_write(task, self.vm_file[vma])
        yield from self.lock_index(task, page, False)
        yield from self.hugetlb_vma_lock_read(task, vma)
