# SPDX-License-Identifier: GPL-2.0-only
"""Where huge pages are while in use: in page tables, or in a page cache.

The node of a page is its identity; private pages that several VMAs map after
fork() know their mappers. An entry of None is a page that is not there.
"""

from typing import Any

from poolproof.model.language import Block, Bool, Feature, Maybe, SetOf, table


class Folios(Block):
    """The page of each (owner, index): its node and, with ``cgroup``, whose
    usage and (for a page that used no reservation) rsvd it is charged to."""

    def __init__(
        self,
        owners: Any,
        pages: Any,
        nodes: Any,
        cgroups: Any,
        when: Any,
        cgroup: Any,
    ) -> None:
        self.when = when
        self.node = table(owners, pages, Maybe(nodes), when=when)
        self.cg = table(owners, pages, Maybe(cgroups), when=cgroup)
        self.cg_rsvd = table(owners, pages, Maybe(cgroups), when=cgroup)

    def set(self, owner, page, node, cg, cg_rsvd):
        self.node[owner, page] = node
        self.cg[owner, page] = cg
        self.cg_rsvd[owner, page] = cg_rsvd

    def copy(self, owner, to, page):
        self.set(
            to,
            page,
            self.node[owner, page],
            self.cg[owner, page],
            self.cg_rsvd[owner, page],
        )

    def clear(self, owner, page):
        self.set(owner, page, None, None, None)

    def restores(self, owner, page):
        """Return whether the page has HPageRestoreReserve while it is mapped."""
        return False


class Mappers(Block):
    """Which VMAs map the private page of (vma, page), itself among them."""

    def __init__(self, vmas: Any, pages: Any, fork: Feature) -> None:
        self.vmas = vmas
        self.fork = fork
        self.of = table(vmas, pages, SetOf(vmas), when=fork)

    def mapcount(self, vma, page):
        """Return how many page tables map it: include/linux/mm.h:folio_mapcount."""
        return len(self.of[vma, page]) if self.fork else 1

    def alone(self, vma, page):
        """A new page: mm/rmap.c:hugetlb_add_new_anon_rmap."""
        if self.fork:
            self.of[vma, page] = {vma}

    def join(self, vma, new, page):
        """``new`` maps it, too: hugetlb_try_dup_anon_rmap."""
        if self.fork:
            both = self.of[vma, page] | {new}
            for v in self.vmas:
                if v in both:
                    self.of[v, page] = both

    def leave(self, vma, page):
        """``vma`` does not map it any more: hugetlb_remove_rmap."""
        if self.fork:
            others = self.of[vma, page] - {vma}
            self.of[vma, page] = set()
            for v in self.vmas:
                if v in others:
                    self.of[v, page] = others

    def move(self, vma, new, page):
        """The page table entry moves from one VMA to another."""
        if self.fork and vma in self.of[vma, page]:
            self.join(vma, new, page)
            self.leave(vma, page)


class RestoringFolios(Folios):
    """Folios that may have HPageRestoreReserve while they are mapped: such a page
    brings a promise back when it is freed, whoever frees it."""

    def __init__(self, owners: Any, pages: Any, *rest: Any) -> None:
        super().__init__(owners, pages, *rest)
        self.restore = table(owners, pages, Bool(), when=self.when)

    def set(self, owner, page, node, cg, cg_rsvd):
        super().set(owner, page, node, cg, cg_rsvd)
        self.restore[owner, page] = False

    def copy(self, owner, to, page):
        super().copy(owner, to, page)
        self.restore[to, page] = self.restore[owner, page]

    def restores(self, owner, page):
        return self.restore[owner, page]
