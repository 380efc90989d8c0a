# SPDX-License-Identifier: GPL-2.0-only
"""Single pages of a process around the hugetlb design: faulted in by another task,
filled, moved to another node, hit by a memory error, looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from poolproof.checker.conform.environment import (
    MOVE,
    UNKNOWN,
    Area,
    NotExpressible,
)
from poolproof.checker.conform.memory import Memory
from poolproof.checker.conform.state import OK
from poolproof.model.blocks.errno import EBUSY, ENOMEM


class Pages(Memory):
    """remote, uffdcopy, movepage, soft offline, poison, pmap, numa."""

    def _remote(self, process: int, other: int, page: int) -> str:
        """process_vm_writev(): a fault by another task, mm/gup.c:faultin_page."""
        if other not in self.around.places:
            return "err ESRCH"
        area = self.area_at(other, page)
        if area is None or not area.writable:
            return "err EFAULT"
        result = self._install(area, page, True, self.task(process))
        return "ok" if result == OK else "err EFAULT"

    # -- userfaultfd --

    def _uffd_copy(
        self, process: int, page: int, length: int, at: int, cold: bool
    ) -> str:
        """UFFDIO_COPY of one page, in two halves if the source is not there. Raises
        NotExpressible unless a whole mapping is watched: else it is split."""
        area = self.area_at(process, at)
        if area is None or (area.start, area.length) != (page, length):
            raise NotExpressible("userfaultfd on what is not one whole mapping")
        index = area.index(at)
        if not area.shared and self._cached(area, index):
            raise NotExpressible("a page of a file that may be in the page table")
        result = self._step("uffd_copy", area.slot, index, not cold)
        if cold and result == OK:
            result = self._step("uffd_copy_retry", area.slot, index, True)
        return "ok" if result == OK else f"err {result.name}"

    # -- migration --

    def _move_page(
        self, process: int, page: int, node: int, mode: Sequence[str], present: bool
    ) -> str:
        """move_pages() of one page; ``present``: its page table entry is known to be
        there, even if the page is one of the page cache."""
        if process not in self.around.places:
            return "gone"
        area, to = self.area_at(process, page), self.of("NODES", node)
        if to not in self.now.mpol.cpuset_current_mems_allowed(self.task(process)):
            return "err EACCES"
        if area is None:
            return "err EFAULT"
        if not area.protection:
            raise NotExpressible("move_pages() of a page without access")
        index = area.index(page)
        node_of = self.now.anon.node[area.slot, index]
        if node_of is not None:  # mm/migrate.c:__add_folio_for_migration
            alone = self._is_alone(area, index) or list(mode) == ["all"]
            if node_of != to and not alone:
                return "err EACCES"
            moved = node_of == to or self._step("migrate", area.slot, index, to)
        elif area.file is None:
            return "err ENOENT"
        elif not present or list(mode) != ["all"]:
            raise NotExpressible("a page of a file that may not be in the page table")
        else:
            node_of = self.now.page_cache.node[area.file, index]
            moved = node_of == to or self._step("migrate_cached", area.file, index, to)
        if moved in (True, OK):
            return f"ok {node}"
        if moved == EBUSY and self.now.subpool_vma(area.slot):
            return "err EAGAIN"  # it is isolated, and then cannot move
        return f"err {moved.name}"

    def _target(self, nodes: Iterable[Any]) -> Any:
        """Where mm/hugetlb.c:alloc_hugetlb_folio_nodemask finds a page, of ``nodes`` in
        the order in which they are tried: a free page, else room for a fresh one."""
        tried = list(nodes)
        h = self.now.h
        free = [n for n in tried if h.available_huge_pages() and h.usable(n) > 0]
        return [*free, *tried][0]

    def _migrate_to_policy(
        self,
        process: int,
        page: int,
        length: int,
        nodes: frozenset[Any],
        flags: int,
    ) -> None:
        """mbind(MPOL_MF_MOVE): pages that this process alone maps leave the nodes that
        are not in its mask, mm/mempolicy.c:queue_folios_hugetlb. The first one
        without memory for it ends that; mbind() succeeds nonetheless."""
        if flags != MOVE or not nodes:
            raise NotExpressible("mbind() that moves pages otherwise than by MPOL_BIND")
        mems = self.now.mpol.cpuset_current_mems_allowed(self.task(process))
        allowed = [n for n in self.nodes if n in nodes & mems]
        for p in range(page, page + length):
            area = self.area_at(process, p)
            assert area is not None
            index = area.index(p)
            node = self.now.anon.node[area.slot, index]
            cached = self._cached(area, index)
            if node is None and cached is not None and cached not in nodes:
                raise NotExpressible("a page of a file that may be in the page table")
            alone = node is not None and self._is_alone(area, index)
            if not alone or node in nodes:
                continue
            if self._step("migrate", area.slot, index, self._target(allowed)) == ENOMEM:
                return

    def _soft_offline(self, process: int, page: int) -> str:
        """madvise(MADV_SOFT_OFFLINE) of a page that is there. Its own node is tried
        first, then the others of the cpuset: mm/migrate.c:alloc_migration_target."""
        area = self.area_at(process, page)
        if area is None:
            return "err EFAULT"
        index = area.index(page)
        node = self.now.anon.node[area.slot, index]
        if node is None or not area.protection:
            raise NotExpressible("MADV_SOFT_OFFLINE of what is no private page")
        mems = self.now.mpol.cpuset_current_mems_allowed(self.task(process))
        k = self.nodes.index(node)
        near = [n for n in (*self.nodes[k:], *self.nodes[:k]) if n in mems]
        result = self._step("soft_offline", area.slot, index, self._target(near))
        if result != OK:
            return f"err {result.name}"
        self.around.corrupted = True
        return "ok"

    def _poison(self, node: int) -> str:
        """A memory error in a free page of a node, which leaves the pool if not all
        are promised: mm/memory-failure.c:try_memory_failure_hugetlb. Raises
        NotExpressible if a file has pages: the agent cannot tell those from free
        ones."""
        files = self.all("FILES") if self.features["hugetlbfs"] else []
        if any(self.now.instantiated(file) for file in files):
            raise NotExpressible("a memory error where a file has pages")
        leaves = self.now.may_dissolve()
        self._step("poison", self.of("NODES", node))
        self.around.corrupted = True
        return "ok" if leaves else "err EBUSY"

    def _cached(self, area: Area, index: int) -> Any:
        """The node of the file's page there, None if it is in no page cache."""
        if area.file is None:
            return None
        return self.now.page_cache.node[area.file, index]

    def _is_alone(self, area: Area, index: int) -> bool:
        """Return whether nobody else maps the private page."""
        return bool(self.now.mappers.mapcount(area.slot, index) == 1)

    # -- looking --

    def _pmap(self, process: int, page: int, length: int) -> str:
        """`-`: nothing there; `x`: a page that nobody else maps; `s`: one that
        several map. The page cache's pages may be mapped or not."""
        words = ["ok"]
        for p in range(page, page + length):
            area = self.area_at(process, p)
            if area is None:
                words.append("-")
                continue
            index = area.index(p)
            if self.now.anon.node[area.slot, index] is not None:
                words.append("x" if self._is_alone(area, index) else "s")
            else:
                cached = self._cached(area, index) is not None
                words.append(UNKNOWN if cached else "-")
        return " ".join(words)

    def _numa(self, process: int, page: int) -> str:
        area = self.area_at(process, page)
        if area is None:
            return "err EFAULT"
        node = self.now.anon.node[area.slot, area.index(page)]
        if node is not None:
            return f"ok {node.index}"
        return "err ENOENT" if area.file is None else UNKNOWN
