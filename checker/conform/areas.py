# SPDX-License-Identifier: GPL-2.0-only
"""The VMAs around the hugetlb design: where they are, and how they are split."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from poolproof.checker.conform.environment import Area, NotExpressible
from poolproof.checker.conform.state import State


class Areas(State):
    """Finds areas and splits them. Nothing is mapped or unmapped here."""

    def areas_of(self, process: int) -> list[Area]:
        """The process's areas, by address."""
        mine = (a for a in self.around.areas if a.process == process)
        return sorted(mine, key=lambda a: a.start)

    def area_of(self, slot: Any) -> Area | None:
        """The area that has a slot of the design."""
        return next((a for a in self.around.areas if a.slot == slot), None)

    def area_at(self, process: int, page: int) -> Area | None:
        """The area of a process with a page in it."""
        for a in self.around.areas:
            if a.process == process and a.start <= page < a.end:
                return a
        return None

    def is_free(self, process: int, page: int, length: int) -> bool:
        """Return whether nothing is mapped there."""
        return not any(
            a.process == process and a.start < page + length and page < a.end
            for a in self.around.areas
        )

    def free_slots(self) -> list[Any]:
        used = {a.slot for a in self.around.areas}
        return [v for v in self.all("VMAS") if v not in used]

    def _slot(self, *taken: Any) -> Any:
        """A slot for a VMA, not one of those ``taken`` just now."""
        if self.around.wanted:
            return self.around.wanted.pop(0)
        for slot in self.free_slots():
            if slot not in taken:
                return slot
        raise NotExpressible("no VMA is left within the bounds")

    def _covered(self, process: int, page: int, length: int) -> bool:
        return all(self.area_at(process, p) for p in range(page, page + length))

    def _hole(self, error: str, process: int, page: int, length: int) -> str:
        """The answer where nothing at all is mapped in a range."""
        if not self.is_free(process, page, length):
            raise NotExpressible("a range that is mapped in part")
        return f"err {error}"

    def _split(self, area: Area, at: int) -> Area:
        rest = replace(area, start=at, pgoff=area.index(at), slot=self._slot())
        self._must("split", area.slot, rest.slot, rest.pgoff)
        area.end = at
        self.around.areas.append(rest)
        self._last(area)
        return rest

    def _last(self, area: Area) -> None:
        """The kernel put it into its file's i_mmap anew."""
        self.around.areas.remove(area)
        self.around.areas.append(area)

    def _within(
        self, process: int, page: int, length: int, changes: Callable[[Area], bool]
    ) -> list[Area]:
        """The areas inside a range that a call changes, split at the range's
        ends where need be."""
        found = []
        for a in self.areas_of(process):
            if a.end <= page or page + length <= a.start or not changes(a):
                continue
            if a.start < page:
                a = self._split(a, page)
            if page + length < a.end:
                self._split(a, page + length)
            found.append(a)
        return found

    def _mappers(self, area: Area, index: int) -> list[Area]:
        """The areas that map the same private page."""
        if not self.features["fork"]:
            return []
        slots = self.now.mappers.of[area.slot, index]
        return [a for a in self.around.areas if a.slot in slots]

    def pages_in(self, area: Area) -> list[Any]:
        """The nodes of the pages that the area may have in its page table; those
        of the page cache count, whether it has touched them or not."""
        now, found = self.now, []
        for index in range(area.pgoff, area.pgoff + area.length):
            nodes = [now.anon.node[area.slot, index]]
            if area.file is not None:
                nodes.append(now.page_cache.node[area.file, index])
            found += [n for n in nodes if n is not None]
        return found

    def _need_one_batch(self, areas: Iterable[Area]) -> None:
        """The kernel looks at a range's pages first and frees them after; the
        design does one page at a time. Without surplus pages nobody can tell."""
        if len(list(areas)) > 1 and self.now.h.surplus_huge_pages() > 0:
            raise NotExpressible("several pages at once, with surplus pages")
