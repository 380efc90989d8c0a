# SPDX-License-Identifier: GPL-2.0-only
"""hugetlb of other kernels than 6.12, as far as the model can tell them apart."""

from typing import Any

from poolproof.model.blocks.errno import EBUSY, EEXIST, OK
from poolproof.model.blocks.folio import RestoringFolios
from poolproof.model.blocks.hstate import OwingHstate
from poolproof.model.blocks.quota import CountedSubpool
from poolproof.model.blocks.stuck_folio import StuckFolios
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb
from poolproof.model.designs.hugetlb.names import (
    CGROUP,
    CGROUPS,
    FORK,
    IO,
    MOUNT,
    NODES,
    PAGES,
    SIZE,
    SOFT_OFFLINE,
    VMAS,
    P,
    V,
)
from poolproof.model.language import made_like, require


class Hugetlb61(Hugetlb):
    """hugetlb reservations of Linux 6.1 (6.1.192)."""

    def surplus_nodes(self, nodes, mems):
        """Surplus pages for a promise come from any node of the cpuset (until
        6.11: 003af997c8a9, "hugetlb: force allocating surplus hugepages on
        mempolicy allowed nodes")."""
        return mems

    def alloc_fresh_copy(self, nodes, first):
        """A fresh page for UFFDIO_COPY comes from any allowed node (in 6.12 the
        allocation has __GFP_THISNODE)."""
        return self.h.alloc_fresh_hugetlb_folio(nodes, first)

    def adjust_reservation(self, vma):
        """A page that the owner unmaps does not bring its promise back (since
        6.9: df7a6d1f6405, "mm/hugetlb: restore the reservation if needed")."""
        return False

    def node_count(self, node, count):
        """A node's surplus pages count as its own (until 6.8: b72b3c9c34c8,
        "mm/hugetlb: fix nodes huge page allocation when there are surplus
        pages")."""
        return count + self.h.nr_huge_pages() - self.h.nr_huge_pages_node[node]

    def demoted_at_once(self, count, available):
        """One page at a time, with a look at the promises before each."""
        return min(count, available)


class Hugetlb70(Hugetlb):
    """hugetlb reservations of Linux 7.0 (mainline of March 2026)."""

    def out_put_pages(self, spool, chg, gbl_reserve):
        """Only what the subpool gave goes back to its minimum (since 6.15:
        a833a693a490; 1d3f9bb4c8af added what gets used_hpages right)."""
        if MOUNT and spool:
            rsv = self.spool.put_pages(chg - gbl_reserve)
            self.h.return_unused_surplus_pages(rsv, PAGES)
            if SIZE:
                self.spool.change_used(-gbl_reserve)

    def out_subpool_put(self, spool, gbl_chg):
        """Only a page that the subpool gave goes back. One that it did not
        give stays in used_hpages (reported: 20260515202902.461539-1-devnexen@
        gmail.com, "mm/hugetlb: restore subpool used_hpages on
        alloc_hugetlb_folio error")."""
        if MOUNT and spool and gbl_chg == 0:
            rsv = self.spool.put_pages(1)
            self.h.return_unused_surplus_pages(rsv, PAGES)

    def no_folio_for_copy(self):
        """UFFDIO_COPY says that there is a page already: it looks whether there is a
        page table, which it has just made itself (hugetlb_walk; in 6.18.15 and in
        7.2, not in 6.12)."""
        return EEXIST

    def memfd_alloc_folio(self, task, file, page):
        """mm/memfd.c:memfd_alloc_folio reserves the page first, like a mapping of
        it, and gives that back if it was new and there is no page."""
        new = not self.i_resv_map.regions[file, page]
        reserved = self.hugetlb_reserve_pages(task, file, page, page + 1)
        if not reserved:
            return None
        nid = None
        if self.h.resv_huge_pages != 0:
            nid = self.h.dequeue_hugetlb_folio_nodemask({n for n in NODES})
        if nid is not None:
            self.h.change_resv(-1)
        elif new:
            self.region_del(file, page)
            self.h.return_unused_surplus_pages(1, PAGES)
        return nid

    def out_vma_link(self, new):
        """mm/hugetlb.c:fixup_hugetlb_reservations first: the new VMA is closed
        without the map (since 6.16: ee40c9920ac2)."""
        self.clear_vma_resv_huge_pages(new)
        self.close_copy(new)

    def move_back(self, vma, new):
        """mm/mremap.c:move_vma clears the map of the VMA that its pages went back
        to, and closes the new one with it: the promises are gone."""
        self.clear_vma_resv_huge_pages(vma)
        self.close_copy(new)

    def vma_has_reserves(self, may_reserve, gbl_chg):
        """Whoever asked the subpool takes its promise, too (since 6.14:
        51e1de00acdb, "mm/hugetlb: simplify vma_has_reserves()")."""
        return gbl_chg == 0

    def surplus_has_reserves(self, reserved, cow_from_owner):
        """A surplus page takes a promise by the same rule as any other."""
        return reserved

    def min_count(self):
        """Surplus pages in use are not counted a second time (since 6.15:
        aabf58bfaace, "mm/hugetlb: fix set_max_huge_pages() when there are
        surplus pages")."""
        if self.h.resv_huge_pages < 0:
            return self.h.nr_huge_pages()
        return self.reserved_or_in_use()

    def reserved_or_in_use(self):
        """Return the persistent pages that are in use, and what is promised."""
        persistent = self.h.persistent_huge_pages()
        free = self.h.free_huge_pages()
        if free > persistent:
            free = max(0, free - self.h.surplus_huge_pages())
        return self.h.resv_huge_pages + persistent - free


class Hugetlb618(Hugetlb70):
    """hugetlb reservations of Linux 6.18 (6.18.44)."""

    h = made_like(Hugetlb.h, OwingHstate, pinned=V * P + IO)
    anon = made_like(Hugetlb.anon, RestoringFolios)

    def unmap_hugepage_range(self, vma, page, surplus=False):
        """The owner has its promise back although a child still maps the page: the
        page keeps HPageRestoreReserve for whoever frees it, and the owner counts
        a promise that the pool does not have until then (from 6.9, df7a6d1f6405,
        until "!folio_mapped(folio)", which is in 6.12.117 and 7.2)."""
        early = (
            self.anon.node[vma, page] is not None
            and self.mappers.mapcount(vma, page) > 1
            and not surplus
            and self.adjust_reservation(vma)
        )
        others = {v for v in VMAS if v != vma and self.maps_too(vma, v, page)}
        super().unmap_hugepage_range(vma, page, surplus)
        if early:
            restore_reserve = self.restore_reserve_on_unmap(vma, page)
            for v in VMAS:
                if v in others:
                    self.anon.restore[v, page] = restore_reserve

    def hugetlb_cgroup_migrate(self, vma, page, to):
        """The old page is freed with its HPageRestoreReserve, which the new one does
        not get (mm/hugetlb.c:move_hugetlb_state): the promise is back."""
        if self.anon.restores(vma, page):
            self.h.change_resv(1)
            for v in VMAS:
                if self.maps_too(vma, v, page):
                    self.anon.restore[v, page] = False
        super().hugetlb_cgroup_migrate(vma, page, to)

    def maps_too(self, vma, other, page):
        """Return whether another VMA maps the same private page."""
        return FORK and other in self.mappers.of[vma, page]

    def min_count(self):
        """As in 7.0. Promises that are owed are missing in the sum, which wraps only
        if it is below zero itself."""
        count = self.reserved_or_in_use()
        return count if count >= 0 else self.h.nr_huge_pages()


class Hugetlb615(Hugetlb618):
    """hugetlb reservations of Linux 6.15 to 6.18 (6.18.15)."""

    anon: Any = StuckFolios(VMAS, PAGES, SOFT_OFFLINE, NODES, CGROUPS, None, CGROUP)

    def soft_offline(self, vma, page, to):
        """A fresh page of the same node in place of the old one is never marked as
        migratable, because move_hugetlb_state() returns before that (from
        ba23f58de896 until "mm/hugetlb: fix missing migratable flag on same-node hugetlb
        migration", which is in 7.2.6). folio_isolate_hugetlb() then fails for it."""
        if self.anon.stuck[vma, page]:
            return EBUSY
        pooled = self.h.available_huge_pages()
        fresh = not pooled or not any(self.h.usable(n) > 0 for n in NODES if n == to)
        same = self.anon.node[vma, page] == to
        error = super().soft_offline(vma, page, to)
        if error is OK and same and fresh:
            for v in VMAS:
                if v == vma or self.maps_too(vma, v, page):
                    self.anon.stuck[v, page] = True
        return error

    def migrate(self, vma, page, to):
        """__add_folio_for_migration(): -EBUSY for a page that cannot be isolated."""
        if SOFT_OFFLINE and self.anon.stuck[vma, page]:
            require(self.anon.node[vma, page] != to)
            return EBUSY
        return super().migrate(vma, page, to)

    def out_put_pages(self, spool, chg, gbl_reserve):
        """Pages that the pool lacked stay in used_hpages (from 6.15, a833a693a490,
        until 1d3f9bb4c8af, which is in 6.18.44)."""
        if MOUNT and spool and chg > gbl_reserve:
            rsv = self.spool.put_pages(chg - gbl_reserve)
            self.h.return_unused_surplus_pages(rsv, PAGES)


class HugetlbCounted(Hugetlb70):
    """hugetlb reservations of Linux 7.0 with what was proposed in 2026: a subpool
    counts what it uses with min_size= alone, too, and a reservation or a fault that
    fails takes back what the subpool did not give."""

    spool = made_like(Hugetlb.spool, CountedSubpool)

    def out_put_pages(self, spool, chg, gbl_reserve):
        if MOUNT and spool:
            self.spool.change_used(-gbl_reserve)
            rsv = self.spool.put_pages(chg - gbl_reserve)
            self.h.return_unused_surplus_pages(rsv, PAGES)

    def out_subpool_put(self, spool, gbl_chg):
        super().out_subpool_put(spool, gbl_chg)
        if MOUNT and spool and gbl_chg > 0:
            self.spool.change_used(-1)
