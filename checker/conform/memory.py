# SPDX-License-Identifier: GPL-2.0-only
"""A process's memory around the hugetlb design: what maps and unmaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from poolproof.checker.conform.environment import (
    HUGE_PAGE,
    Area,
    NotExpressible,
)
from poolproof.checker.conform.faults import Faults
from poolproof.checker.conform.state import OK


class Memory(Faults):
    """mmap, munmap, mprotect, mremap, and pages of 1 GiB."""

    def _mmap(
        self,
        process: int,
        flags: str,
        page: int,
        length: int,
        fd: int,
        offset: int,
        protection: int = 3,
    ) -> str:
        if "A" not in flags and (process, fd) not in self.around.descriptors:
            return "err EBADF"
        if not self.is_free(process, page, length):
            if "F" not in flags:
                return "err EEXIST"
            # gone before the new mapping reserves, also if that fails:
            # mm/vma.c:vms_clean_up_area
            self._need_no_last_file(process, page, length)
            self._unmap(process, page, length)
        shared, anonymous, noreserve = "S" in flags, "A" in flags, "N" in flags
        file = None
        if anonymous and shared:
            self._need_no_limit("shared anonymous memory")
            file = self._unused_file()
        elif not anonymous:
            file = self.around.descriptors[process, fd]
            if not protection & 2 and not self._is_inside(file, offset + length):
                raise NotExpressible("a read-only mapping beyond the end of a file")
        if length > self.bounds["P"] or offset + length > self.bounds["P"]:
            raise NotExpressible(f"more than {self.bounds['P']} pages")
        task, slot = self.task(process), self._slot()
        if file is None:
            result = self._step("mmap", task, slot, length, noreserve)
        else:
            kind = "mmap_shared" if shared else "mmap_private"
            result = self._step(
                kind, task, slot, file, offset, offset + length, noreserve
            )
        if result == OK:
            area = Area(
                process, page, page + length, offset, slot, file, shared, protection
            )
            self.around.areas.append(area)
        if anonymous and shared:
            self._step("unlink", file)
        if result != OK:
            return f"err {result.name}"
        return self._populate(area) if "L" in flags else "ok"

    def _need_no_last_file(self, process: int, page: int, length: int) -> None:
        """A file goes when the system call ends (fs/file_table.c:fput, by
        task_work), so after a new mapping in its place has reserved."""
        around, end = self.around, page + length
        named = {*around.names.values(), *around.descriptors.values()}
        for area in self.areas_of(process):
            inside = area.start < end and page < area.end
            if inside and area.file is not None and area.file not in named:
                raise NotExpressible("MAP_FIXED over a file that may go with it")

    def _is_inside(self, file: Any, end: int) -> bool:
        return bool(self.features["truncate"] and end <= self.now.i_size[file])

    def _unmap(self, process: int, page: int, length: int) -> None:
        """munmap(): whole areas, heads and tails; a hole is a split first, and
        so is a part where several areas go at once."""
        end = page + length
        here = [a for a in self.areas_of(process) if page < a.end and a.start < end]
        if len(here) > 1:
            self._munmap_all(self._within(process, page, length, lambda _: True))
            return
        for a in here:
            if a.start < page and end < a.end:
                a = self._split(a, page)
            if page <= a.start and a.end <= end:
                self._munmap(a)
            else:
                self._munmap_part(a, max(a.start, page), min(a.end, end))

    def _mprotect(self, process: int, page: int, length: int, protection: int) -> str:
        if not self._covered(process, page, length):
            return self._hole("ENOMEM", process, page, length)
        changed = self._within(
            process, page, length, lambda a: a.protection != protection
        )
        for area in changed:
            area.protection = protection
        return "ok"

    def _bytes(self, process: int, at: int, size: int, protection: int | None) -> str:
        """munmap() or, with a protection, mprotect() of a part of a huge page.
        Raises NotExpressible where it is no part, or nothing is mapped."""
        if at % HUGE_PAGE == 0 == size % HUGE_PAGE:
            raise NotExpressible("write pages, not bytes")
        area = self.area_at(process, at // HUGE_PAGE)
        if area is None:
            raise NotExpressible("part of a page where nothing is mapped")
        return "ok" if protection == area.protection else "err EINVAL"

    def _munmap_all(self, areas: list[Area]) -> None:
        """Areas of one process that one call unmaps. Raises NotExpressible."""
        if not self.features["exit"]:
            self._need_one_batch(areas)
        self._take_away(areas)

    def _take_away(self, areas: list[Area]) -> None:
        """The same, where it does not matter how exact the design is."""
        if len(areas) < 2 or not self.features["exit"]:
            for area in areas:
                self._munmap(area)
            return
        if self.features["size"] and self.features["min_size"]:
            self._number_by_address(areas)
        task = self.task(areas[0].process)
        self._step("munmap_range", task, frozenset(a.slot for a in areas))
        for area in areas:
            self.around.areas.remove(area)

    def _number_by_address(self, areas: Sequence[Area]) -> None:
        """The kernel closes VMAs by address, the design by number. What comes back to
        a subpool with both limits depends on the order."""
        by_address = sorted(areas, key=lambda a: a.start)
        numbers = sorted(a.slot.index for a in areas)
        to = {a.slot.index: n for a, n in zip(by_address, numbers, strict=True)}
        self.renumber(to)
        for area in areas:
            area.slot = self.of("VMAS", to[area.slot.index])

    def _munmap(self, area: Area) -> None:
        self._step("munmap", area.slot)
        self.around.areas.remove(area)

    def _munmap_part(self, area: Area, start: int, end: int) -> None:
        self._must("munmap_part", area.slot, area.index(start), area.index(end))
        if start == area.start:
            area.start, area.pgoff = end, area.index(end)
        else:
            area.end = start
        self._last(area)

    def _mremap(
        self, process: int, page: int, old: int, new: int, flags: int, to: int
    ) -> str:
        area = self.area_at(process, page)
        if area is None:
            return self._hole("EFAULT", process, page, old)
        if flags & 4 or new > old:
            return "err EINVAL"
        moves = bool(flags & 2)
        if page + (old if not moves else new) > area.end:
            raise NotExpressible("mremap of more than one VMA")
        if moves and page < to + new and to < page + old:
            return "err EINVAL"
        if moves and not self.is_free(process, to, new):
            # what is in the way goes first: mm/mremap.c:mremap_to
            self._need_no_last_file(process, to, new)
            self._unmap(process, to, new)
            area = self.area_at(process, page)
            assert area is not None
        if old > new:
            self._unmap(process, page + new, old - new)
        if moves:
            self._move(area, page, page + new, to)
            return f"ok {to}"
        return f"ok {page}"

    def _move(self, area: Area, start: int, end: int, to: int) -> None:
        slot = self._slot()
        moved = replace(
            area, start=to, end=to + end - start, pgoff=area.index(start), slot=slot
        )
        if (start, end) == (area.start, area.end):
            self._must("mremap", area.slot, slot)
            self.around.areas.remove(area)
        elif area.start < start and end < area.end:
            self._move_middle(area, start, end, slot)
        else:
            head, tail = area.index(start), area.index(end)
            self._must("mremap_part", area.slot, slot, head, tail)
            if self._is_whole(area):
                pass  # it could not be split
            elif start == area.start:
                area.start, area.pgoff = end, tail
            else:
                area.end = start
            self._last(area)
        self.around.areas.append(moved)

    def _move_middle(self, area: Area, start: int, end: int, slot: Any) -> None:
        head, tail, rest = area.index(start), area.index(end), self._slot(slot)
        self._must("mremap_middle", area.slot, slot, rest, head, tail)
        if self._is_whole(area):
            return  # it could not be split
        behind = area.index(area.end) - self.now.vm_start[rest]
        self.around.areas.append(
            replace(
                area,
                start=area.end - behind,
                pgoff=self.now.vm_start[rest],
                slot=rest,
            )
        )
        area.end = start
        self._last(area)

    def _is_whole(self, area: Area) -> bool:
        now = self.now
        length = now.vm_end[area.slot] - now.vm_start[area.slot]
        return bool(length == area.length)

    # -- pages of 1 GiB --

    def _demote(self, count: int) -> str:
        if self.now.gigantic == 0:
            raise NotExpressible("demotion where no gigantic page is left")
        if count != 1 and not self.features["gigantic_mmap"]:
            raise NotExpressible("demotion of several pages at once")
        result = self._step("demote", count)
        return "ok" if result == OK else f"err {result.name}"

    def _mmap_gigantic(self, process: int, number: int) -> str:
        if (process, number) in self.around.gigantic:
            return "err EEXIST"
        result = self._step("mmap_gigantic", self.task(process))
        if result != OK:
            return f"err {result.name}"
        self.around.gigantic.add((process, number))
        return "ok"

    def _munmap_gigantic(self, process: int, number: int) -> str:
        """munmap() succeeds where nothing is mapped."""
        if (process, number) in self.around.gigantic:
            self._step("munmap_gigantic", self.task(process))
            self.around.gigantic.remove((process, number))
        return "ok"
