# SPDX-License-Identifier: GPL-2.0-only
"""A process's pages around the hugetlb design: what touches and drops them."""

from __future__ import annotations

from typing import Any

from poolproof.checker.conform.environment import (
    DOFORK,
    DONTFORK,
    DONTNEED,
    REMOVE,
    Area,
    NotExpressible,
    Refused,
)
from poolproof.checker.conform.files import Files
from poolproof.checker.conform.state import OK
from poolproof.model.blocks.errno import OOM


class Faults(Files):
    """r, w, MAP_POPULATE and madv."""

    def _touch(self, process: int, page: int, write: bool) -> str:
        area = self.area_at(process, page)
        if area is None or (write and not area.writable) or not area.protection:
            return "sig SIGSEGV"
        result = self._fault(area, page, write)
        if result != OK:
            return f"sig {result.name}"
        self.around.touched = process, page
        return "ok"

    def _fault(self, area: Area, page: int, write: bool) -> Any:
        """A fault, which is retried if there is no memory:
        mm/oom_kill.c:pagefault_out_of_memory."""
        result = self._install(area, page, write)
        return self._install(area, page, write) if result == OOM else result

    def _install(self, area: Area, page: int, write: bool, by: Any = None) -> Any:
        """A fault, ``by`` another task if it is not the area's own."""
        if not (write or self.features["reads"]):
            raise NotExpressible("a read, and reads are off")
        index = area.index(page)
        mappers = self._mappers(area, index)
        if by is None or by == self.task(area.process):
            result = self._instantiate("touch", area.slot, index, write)
        else:
            result = self._step("touch_remote", by, area.slot, index)
        for other in mappers:
            taken_away = self.now.anon.node[other.slot, index] is None
            if taken_away and other.start - other.pgoff != area.start - area.pgoff:
                raise NotExpressible(
                    "a copy-on-write where pages were moved: it goes by address, "
                    "and the design has none"
                )
        return result

    def _populate(self, area: Area) -> str:
        """MAP_POPULATE: up to the first page that cannot be had. Where there was no
        memory, mm/gup.c:__mm_populate begins anew, unless it has just begun."""
        write = area.writable and not area.shared
        for page in range(area.start, area.end)[: self.populated]:
            result = self._install(area, page, write)
            if result == OOM and page > area.start:
                result = self._install(area, page, write)
            if result != OK:
                break
        return "ok"

    def _madvise(self, process: int, page: int, length: int, advice: str) -> str:
        if not self._covered(process, page, length):
            return self._hole("ENOMEM", process, page, length)
        if advice in (DONTFORK, DOFORK):
            forked = advice == DOFORK
            try:
                changed = self._within(
                    process, page, length, lambda a: a.forked != forked
                )
            except Refused:
                return "err EAGAIN"  # mm/madvise.c:madvise_vma_behavior
            for area in changed:
                area.forked = forked
            return "ok"
        if advice not in (DONTNEED, REMOVE):
            raise NotExpressible(f"madvise({advice})")
        pages = []
        for p in range(page, page + length):
            here = self.area_at(process, p)
            assert here is not None
            if advice == REMOVE and not (here.shared and here.writable):
                if length > 1:
                    raise NotExpressible("MADV_REMOVE of several mappings")
                return "err EACCES"
            pages.append((here, here.index(p)))
        self._need_one_batch(a for a, _ in pages)
        for area, index in pages:
            if advice == REMOVE:
                self._need_known_order(area.file, index, index + 1)
                self._step("punch_hole", area.file, index)
            else:
                self._step("madvise_dontneed", area.slot, index)
        return "ok"
