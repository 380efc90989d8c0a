# SPDX-License-Identifier: GPL-2.0-only
"""Calls for random sequences that are several actions of the design, or none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from random import Random

from poolproof.checker.conform.environment import (
    BIND,
    DONTNEED,
    MOVE,
    STATIC,
    UNLIMITED,
    Area,
)
from poolproof.checker.conform.hugetlb import MOUNT, leaf, path
from poolproof.checker.conform.machine import ModelMachine
from poolproof.checker.conform.writing import CommandWriter


def _of_an_area(
    call: Callable[[SystemCalls, Area], None],
) -> Callable[[SystemCalls], None]:
    """The call of some area; nothing where nothing is mapped."""

    @wraps(call)
    def chosen(self: SystemCalls) -> None:
        areas = self.machine.around.areas
        if areas:
            call(self, self.chance.choice(areas))

    return chosen


@dataclass(frozen=True, slots=True)
class SystemCalls:
    """Writes calls for a machine's processes, and asks each with ``ask``."""

    machine: ModelMachine
    chance: Random
    writer: CommandWriter
    ask: Callable[[str], object]

    def possible(self) -> Iterator[Callable[[], None]]:
        """Yield the calls that the design's features have."""
        f = self.machine.features
        yield self.exit
        yield self.munmap_range
        yield self.populate
        yield self.map_over
        yield self.refused
        if f["split"]:
            yield self.mprotect
        if f["mremap"]:
            yield self.move_onto
        if f["fork"]:
            yield self.fork
        if f["hugetlbfs"] and f["unlink"] and not f["mount"]:
            yield self.shared_anonymous
        if f["fallocate"]:
            yield self.fallocate
        if f["dontneed"]:
            yield self.dontneed
        if f["userfaultfd"]:
            yield self.copy_what_is_not_there
        if f["mbind"] and f["migrate"]:
            yield self.mbind_and_move

    def _process(self) -> int:
        return self.chance.choice(list(self.machine.around.places))

    def _length(self) -> int:
        return self.chance.randint(1, self.machine.bounds["P"])

    def exit(self) -> None:
        """exit(), most often of a process that has several mappings."""
        places = list(self.machine.around.places)
        areas = [len(self.machine.areas_of(p)) for p in places]
        (process,) = self.chance.choices(places, [1 + n * n for n in areas])
        task = self.machine.task(process)
        self.ask(f"w {process} exit")
        if not self.machine.processes(task):
            self.ask(f"spawn {process}")
            if self.machine.features["cpuset"]:
                self.ask(f"cg attach {leaf(UNLIMITED, task.index)} {process}")

    def fork(self) -> None:
        """fork() of all that is mapped."""
        process = self._process()
        child = self.writer.free_process(self.chance.choice(self.machine.all("TASKS")))
        settle = self.writer.settle(process, child)
        self.ask(f"w {process} fork {child}")
        for command in settle:
            self.ask(command)
        self.ask(f"w {child} maps")

    @_of_an_area
    def munmap_range(self, area: Area) -> None:
        """munmap() of what may be more than one mapping."""
        start = self.chance.randint(area.start, area.end - 1)
        length = self.chance.randint(1, 2 * self.machine.bounds["P"])
        self.ask(f"w {area.process} munmap {start} {length}")
        self.ask(f"w {area.process} maps")

    def populate(self) -> None:
        process, length = self._process(), self._length()
        at = self.writer.room(process, length)
        self.ask(f"w {process} mmap {at} {length} PAL -1 0")

    @_of_an_area
    def map_over(self, area: Area) -> None:
        """mmap(MAP_FIXED) over what is mapped, or over a part of it."""
        start = self.chance.randint(area.start, area.end - 1)
        flags = "PAF" + self.chance.choice(("", "L"))
        length = self._length()
        self.ask(f"w {area.process} mmap {start} {length} {flags} -1 0")
        self.ask(f"w {area.process} maps")

    @_of_an_area
    def move_onto(self, area: Area) -> None:
        """mremap(MREMAP_FIXED) of a mapping onto another one, or beside it."""
        other = self.chance.choice(self.machine.areas_of(area.process))
        at = self.chance.randint(other.start - 1, other.end) if other.start else 0
        old = area.length
        new = self.chance.randint(1, old)
        self.ask(f"w {area.process} mremap {area.start} {old} {new} 3 {at}")
        self.ask(f"w {area.process} maps")

    def shared_anonymous(self) -> None:
        process, length = self._process(), self._length()
        at = self.writer.room(process, length)
        self.ask(f"w {process} mmap {at} {length} SA -1 0")
        self.ask(f"w {process} maps")

    @_of_an_area
    def mprotect(self, area: Area) -> None:
        start = self.chance.randint(area.start, area.end - 1)
        length = self.chance.randint(1, area.end - start)
        protection = self.chance.choice((0, 1, 3, 3))
        self.ask(f"w {area.process} mprotect {start} {length} {protection}")
        self.ask(f"w {area.process} maps")

    def fallocate(self) -> None:
        process = self._process()
        file = self.chance.choice(self.machine.all("FILES"))
        if not self.machine.now.exists(file):
            return
        fd, opened = self.writer.descriptor(process, file)
        offset = self.chance.randrange(self.machine.bounds["P"])
        length = self.chance.randint(1, self.machine.bounds["P"] - offset)
        mode = self.chance.choice((0, 1, 3))
        for command in (*opened, f"w {process} falloc {fd} {mode} {offset} {length}"):
            self.ask(command)

    @_of_an_area
    def dontneed(self, area: Area) -> None:
        words = f"{area.start} {area.length} {DONTNEED}"
        self.ask(f"w {area.process} madv {words}")

    @_of_an_area
    def copy_what_is_not_there(self, area: Area) -> None:
        """UFFDIO_COPY from memory that has to be faulted in first."""
        page = self.chance.randrange(area.start, area.end)
        words = f"{area.start} {area.length} {page} cold"
        self.ask(f"w {area.process} uffdcopy {words}")

    @_of_an_area
    def mbind_and_move(self, area: Area) -> None:
        """mbind(MPOL_BIND, MPOL_MF_MOVE) of a mapping to one node."""
        static = STATIC if self.machine.features["cpuset"] else 0
        policy = f"{BIND | static} {1 << self.chance.choice(self.machine.nodes).index}"
        self.ask(f"w {area.process} mbind {area.start} {area.length} {policy} {MOVE}")
        self.ask(f"w {area.process} maps")

    @_of_an_area
    def refused(self, area: Area) -> None:
        """Calls that must change nothing."""
        p, start, length = area.process, area.start, area.length
        self.ask(
            self.chance.choice(
                (
                    f"w {p} mmap {start} {length} PA -1 0",
                    f"w {p} mremap {start} {length} {length + 1} 1 0",
                    f"w {p} mremap {start} {length} {length} 7 {start + 4096}",
                    f"w {p} munmapb {(start << 21) + 4096} {length << 21}",
                    f"w {p} mprotectb {(start << 21) + 4096} 4096 1",
                    f"w {p} mbind {start} {length} {BIND} 0 0",
                    f"w {p} setpol {BIND} 0",
                    f"w {p} r {start + 4096}",
                    f"w {p} mmap {start + 4096} 1 S 15 0",
                    f"w {p} unlink {path(15)}",
                    f"umount {MOUNT}x",
                )
            )
        )
