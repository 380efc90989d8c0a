"""The hugetlb design with a system around it, which obeys the agent's commands.

A `Machine` reads the commands of checker/kernel/agent.c as actions of the
design. It keeps what the design does not: processes, addresses, protections,
file descriptors, names, cgroups by name. It answers in the agent's words, and
with the counters that the kernel should show. What the design has no word for
raises NotExpressible, and the machine is then of no more use; `saved` and
`put_back` undo that.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

from checker.conform.around import (
    HUGE_PAGE,
    LIMITS,
    OPTIONS,
    UNLIMITED,
    WORKERS,
    Area,
    Around,
    DesignBreaks,
    GuardFails,
    NotExpressible,
    Setting,
    Taken,
    limits,
    node_list,
)
from checker.kernel.answer import Charge, Counters, Gigantic, NodePool, Space
from checker.source import shown_path
from model.designs import hugetlb
from model.designs.hugetlb import Errno, Hugetlb
from model.language import Disabled, ModelError, OutOfRange, declared

OK = Errno.OK
STATIC = 1 << 15
"""MPOL_F_STATIC_NODES: the policy keeps its nodes when the cpuset changes."""

BIND = 2
DONTNEED, REMOVE, DONTFORK, DOFORK = "4", "9", "10", "11"
UNKNOWN = "?"
"""In a result: a word that the design does not tell."""


class Machine:
    """The design in a state, and what is around it.

    ``taken`` are the actions of the last command; each is taken inside
    ``watch``. A counter that fell below zero is -1 and stays; from there on the
    design says nothing exact.
    """

    def __init__(self, design: type[Hugetlb], setting: Setting) -> None:
        self.design = design
        self.setting = setting
        self.around = Around()
        self.taken: list[Taken] = []
        self.watch: Callable[[], AbstractContextManager[object]] = nullcontext
        self._make()
        self._start()

    def _start(self) -> None:
        setting = self.setting
        alloc, free = setting.cursors
        if self.features["surplus"]:
            self.now.h.next_nid_to_free = self.nodes[free]
            if self.features["resize"]:
                self.now.h.next_nid_to_alloc = self.nodes[alloc]
            if self.features["sysctl"] and setting.bare:
                self.now.h.nr_overcommit_huge_pages = 0

    def _make(self) -> None:
        setting = self.setting
        known = declared(self.design)[0]
        bounds = {n: v for n, v in setting.bounds.items() if n in known}
        if "STEP" in known:
            bounds["STEP"] = bounds["N"] * bounds["CAP"]
        design: Any = self.design
        self.now: Any = design(bounds, having=setting.having)
        binding = self.now._binding
        self.bounds: Mapping[str, int] = binding.bounds
        self.features: Mapping[str, bool] = binding.features
        self._values = {
            name: binding.values(getattr(hugetlb, name))
            for name in ("NODES", "TASKS", "VMAS", "FILES", "CGROUPS")
        }
        self.nodes: tuple[Any, ...] = tuple(self._values["NODES"])

    # -- the state --

    def of(self, domain: str, k: int) -> Any:
        """The element of a scalarset with a number. Raises NotExpressible."""
        values = self._values[domain]
        if not 0 <= k < len(values):
            raise NotExpressible(f"{domain} has no element {k} within the bounds")
        return values.python(k)

    def all(self, domain: str) -> list[Any]:
        return list(self._values[domain])

    def saved(self) -> tuple[tuple[int, ...], Around]:
        return self.now.dump(), self.around.copy()

    def put_back(self, saved: tuple[tuple[int, ...], Around]) -> None:
        state, around = saved
        self.now.load(state)
        self.around = around.copy()

    def counters(self) -> Counters:
        """What the kernel should show."""
        h, now = self.now.h, self.now
        pools = tuple(
            NodePool(
                h.nr_huge_pages_node[n],
                h.free_huge_pages_node[n],
                h.surplus_huge_pages_node[n],
            )
            for n in self.nodes
        )
        charges: list[tuple[str, Charge]] = []
        for k, name in enumerate(self.around.groups):
            if name and self.features["cgroup"]:
                cg = self.of("CGROUPS", k)
                charge = Charge(now.usage.usage[cg], now.rsvd.usage[cg])
                charges.append((name, charge))
        return Counters(
            h.nr_huge_pages(),
            h.free_huge_pages(),
            h.resv_huge_pages,
            h.surplus_huge_pages(),
            nodes=pools,
            cgroups=tuple(sorted(charges)),
            mounts=tuple(
                (name, self._space(limited))
                for name, limited in sorted(self.around.mounts.items())
            ),
            gigantic=self._gigantic() if self.features["demote"] else None,
        )

    def _gigantic(self) -> Gigantic:
        pages = self.now.gigantic
        return Gigantic(pages, pages, 0, 0)

    def below_zero(self) -> bool:
        """Whether a counter has lost its meaning."""
        used = -1 if self.features["mount"] and self.features["size"] else 0
        if used:
            used = self.now.spool.used_hpages
        return bool(self.now.h.resv_huge_pages < 0 or used < 0)

    def full(self) -> bool:
        """Whether a node has come to the capacity that the bounds give it."""
        h = self.now.h
        return any(h.nr_huge_pages_node[n] >= self.bounds["CAP"] for n in self.nodes)

    def _space(self, limited: bool) -> Space:
        """fs/hugetlbfs/inode.c:hugetlbfs_statfs."""
        if not limited:
            return Space(0, 0)
        if not self.features["size"]:
            return Space(-1, -1)
        size = self.bounds["MAX"]
        return Space(size, size - self.now.spool.used_hpages)

    # -- commands --

    def run(self, command: str) -> str:
        """Does it, and says what the agent should answer: "ok", "err ENAME",
        "sig SIGNAME", "gone", "ok WORD..." with UNKNOWN for words the design
        does not tell. Raises NotExpressible.
        """
        self.taken = []
        match command.split():
            case ["w", process, *words]:
                return self._in_process(int(process), words)
            case ["spawn", process]:
                return self._spawn(int(process))
            case ["counters"] | ["timeout", _]:
                return "ok"
            case ["cg", *words]:
                return self._cgroup(words)
            case ["mount", name, *options]:
                return self._mount(name, ",".join(options))
            case ["umount", name]:
                return self._umount(name)
            case ["nrnode", node, count]:
                n = self.of("NODES", int(node))
                self._step("set_nr_hugepages_node", n, int(count))
            case ["nr", count]:
                self._step("set_nr_hugepages", int(count))
            case ["oc", count]:
                self._step("set_nr_overcommit", int(count))
            case ["demote", "1"]:
                self._step("demote")
            case _:
                raise NotExpressible(f"no action for {command!r}")
        return "ok"

    def assume(self, command: str) -> None:
        """A command of a setup that the design's start stands for: pages,
        overcommit and limits are as the setting says. Raises NotExpressible."""
        match command.split():
            case ["nrnode" | "nr" | "oc", *_] | ["cg", "set", _, _, _]:
                self._note_mems(command.split())
            case _:
                self.run(command)

    def _step(self, action: str, *arguments: Any) -> Any:
        try:
            with self.watch():
                result = self.now.step(action, *arguments)
        except Disabled as e:
            shown = ", ".join(map(str, arguments))
            raise GuardFails(f"{action}({shown}): {failed_require(e)}") from e
        except (OutOfRange, AssertionError) as e:
            raise DesignBreaks(f"{action}: {e}") from e
        except ModelError as e:
            raise NotExpressible(str(e)) from e
        self.taken.append(Taken(action, arguments, result))
        return result

    # -- processes --

    def _spawn(self, process: int) -> str:
        if process in self.around.places or not 0 <= process < WORKERS:
            return "err EEXIST"
        self.around.places[process] = ""
        if self._first(process):
            self._inherit(self.task(process), frozenset(), frozenset(), None)
        return "ok"

    def _inherit(
        self, task: Any, policy: frozenset[Any], mems: frozenset[Any], group: Any
    ) -> None:
        """A task's first process has these from its parent."""
        now, f = self.now, self.features
        if f["cgroup"] and now.cgroup.of[task] != group:
            self._step("cgroup_attach", task, group)
        if f["cpuset"] and now.mpol.mems_allowed[task] != mems:
            self._step("set_cpuset", task, mems)
        if f["mempolicy"] and now.mpol.mempolicy[task] != policy:
            self._step("set_mempolicy", task, policy)

    def task(self, process: int) -> Any:
        """The process's task of the design: their numbers agree modulo T."""
        return self.of("TASKS", process % self.bounds["T"])

    def processes(self, task: Any) -> list[int]:
        """The live processes of a task, oldest first."""
        return [p for p in self.around.places if self.task(p) == task]

    def _first(self, process: int) -> bool:
        """Whether what it does to itself is what its task does."""
        return self.processes(self.task(process))[0] == process

    def _exit(self, process: int) -> str:
        for area in self.areas_of(process):
            self._munmap(area)
        for owner, fd in list(self.around.descriptors):
            if owner == process:
                self._close((owner, fd))
        del self.around.places[process]
        return "ok"

    def _fork(self, process: int, child: int) -> str:
        if child in self.around.places or not 0 <= child < WORKERS:
            return "err EEXIST"
        areas = [a for a in self.areas_of(process) if a.forked]
        self.around.places[child] = self.around.places[process]
        parent, task = self.task(process), self.task(child)
        if self._first(child):
            mpol = self.now.mpol
            self._inherit(
                task,
                mpol.mempolicy[parent],
                mpol.mems_allowed[parent],
                self.now.cgroup.of[parent],
            )
        for (owner, fd), file in list(self.around.descriptors.items()):
            if owner == process:
                self.around.descriptors[child, fd] = file
        for area in areas:
            slot = self._slot()
            self._step("fork", area.slot, task, slot)
            copy = replace(area, process=child, slot=slot)
            self.around.areas.insert(self.around.areas.index(area) + 1, copy)
        return "ok"

    def _in_process(self, process: int, words: Sequence[str]) -> str:
        if process not in self.around.places:
            return "gone"
        match words:
            case ["mmap", page, length, flags, fd, offset, *rest]:
                numbers = [int(n) for n in (page, length, fd, offset, *rest)]
                return self._mmap(process, flags, *numbers)
            case ["munmap", page, length]:
                self._unmap(process, int(page), int(length))
            case ["r", page]:
                return self._touch(process, int(page), False)
            case ["w", page, _]:
                return self._touch(process, int(page), True)
            case ["fork", child]:
                return self._fork(process, int(child))
            case ["exit"]:
                return self._exit(process)
            case ["open", fd, path]:
                return self._open((process, int(fd)), path)
            case ["memfd", fd]:
                self._need_no_limit("a memfd")
                self._keep((process, int(fd)), self._unused_file())
            case ["close", fd]:
                if (process, int(fd)) not in self.around.descriptors:
                    return "err EBADF"
                self._close((process, int(fd)))
            case ["unlink", path]:
                if path not in self.around.names:
                    return "err ENOENT"
                self._drop(self.around.names.pop(path))
            case ["trunc", fd, size]:
                return self._trunc((process, int(fd)), int(size))
            case ["falloc", fd, mode, offset, length]:
                numbers = [int(n) for n in (fd, mode, offset, length)]
                return self._falloc(process, *numbers)
            case ["fstat", fd]:
                return self._fstat((process, int(fd)))
            case ["madv", page, length, advice]:
                return self._madvise(process, int(page), int(length), advice)
            case ["mprotect", page, length, protection]:
                if not self._covered(process, int(page), int(length)):
                    return self._hole("ENOMEM", process, int(page), int(length))
                for area in self._within(
                    process, int(page), int(length),
                    lambda a: a.protection != int(protection),
                ):
                    area.protection = int(protection)
            case ["mbind", page, length, mode, mask, "0"]:
                return self._mbind(process, int(page), int(length), int(mode), mask)
            case ["setpol", mode, mask]:
                return self._set_mempolicy(process, int(mode), mask)
            case ["mremap", page, old, new, flags, to]:
                numbers = [int(n) for n in (page, old, new, flags, to)]
                return self._mremap(process, *numbers)
            case ["munmapb" | "mprotectb" as name, at, size, *rest]:
                if int(at) % HUGE_PAGE == 0 == int(size) % HUGE_PAGE:
                    raise NotExpressible("write pages, not bytes")
                part = self.area_at(process, int(at) // HUGE_PAGE)
                if part is None:
                    raise NotExpressible("part of a page where nothing is mapped")
                same = name == "mprotectb" and int(rest[0]) == part.protection
                return "ok" if same else "err EINVAL"
            case ["maps"]:
                return " ".join(["ok", *map(str, self.areas_of(process))])
            case ["pmap", page, *length]:
                return self._pmap(process, int(page), int(length[0]) if length else 1)
            case ["numa", page]:
                return self._numa(process, int(page))
            case _:
                raise NotExpressible(f"no action for {' '.join(words)!r}")
        return "ok"

    # -- memory --

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
        """Whether nothing is mapped there."""
        return not any(
            a.process == process and a.start < page + length and page < a.end
            for a in self.around.areas
        )

    def free_slots(self) -> list[Any]:
        used = {a.slot for a in self.around.areas}
        return [v for v in self.all("VMAS") if v not in used]

    def _slot(self) -> Any:
        if self.around.wanted:
            return self.around.wanted.pop(0)
        for slot in self.free_slots():
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
        self._step("split", area.slot, rest.slot, rest.pgoff)
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

    def _unmap(self, process: int, page: int, length: int) -> None:
        """munmap(): whole areas, heads and tails; a hole is a split first."""
        end = page + length
        for a in self.areas_of(process):
            if a.end <= page or end <= a.start:
                continue
            if a.start < page and end < a.end:
                a = self._split(a, page)
            if page <= a.start and a.end <= end:
                self._munmap(a)
            else:
                self._munmap_part(a, max(a.start, page), min(a.end, end))

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
        if "F" in flags:
            raise NotExpressible("MAP_FIXED over a mapping: unmap it first")
        if not self.is_free(process, page, length):
            return "err EEXIST"
        shared, anonymous, noreserve = "S" in flags, "A" in flags, "N" in flags
        file = None
        if anonymous and shared:
            self._need_no_limit("shared anonymous memory")
            file = self._unused_file()
        elif not anonymous:
            if (process, fd) not in self.around.descriptors:
                return "err EBADF"
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
            area = Area(process, page, page + length, offset, slot, file, shared,
                        protection)  # fmt: skip
            self.around.areas.append(area)
        if anonymous and shared:
            self._step("unlink", file)
        if result != OK:
            return f"err {result.name}"
        return self._populate(area) if "L" in flags else "ok"

    def _is_inside(self, file: Any, end: int) -> bool:
        return bool(self.features["truncate"] and end <= self.now.i_size[file])

    def _populate(self, area: Area) -> str:
        """MAP_POPULATE: up to the first page that cannot be had."""
        write = area.writable and not area.shared
        for page in range(area.start, area.end):
            if self._fault(area, page, write) != OK:
                break
        return "ok"

    def _munmap(self, area: Area) -> None:
        self._step("munmap", area.slot)
        self.around.areas.remove(area)

    def _munmap_part(self, area: Area, start: int, end: int) -> None:
        self._step("munmap_part", area.slot, area.index(start), area.index(end))
        if start == area.start:
            area.start, area.pgoff = end, area.index(end)
        else:
            area.end = start
        self._last(area)

    def _touch(self, process: int, page: int, write: bool) -> str:
        area = self.area_at(process, page)
        if area is None or (write and not area.writable) or not area.protection:
            return "sig SIGSEGV"
        result = self._fault(area, page, write)
        return "ok" if result == OK else f"sig {result.name}"

    def _fault(self, area: Area, page: int, write: bool) -> Any:
        if not (write or self.features["reads"]):
            raise NotExpressible("a read, and reads are off")
        index = area.index(page)
        mappers = self._mappers(area, index)
        result = self._step("touch", area.slot, index, write, True)
        for other in mappers:
            taken_away = self.now.anon.node[other.slot, index] is None
            if taken_away and other.start - other.pgoff != area.start - area.pgoff:
                raise NotExpressible(
                    "a copy-on-write where pages were moved: it goes by address, "
                    "and the design has none"
                )
        return result

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

    def _madvise(self, process: int, page: int, length: int, advice: str) -> str:
        if not self._covered(process, page, length):
            return self._hole("ENOMEM", process, page, length)
        if advice in (DONTFORK, DOFORK):
            forked = advice == DOFORK
            for area in self._within(
                process, page, length, lambda a: a.forked != forked
            ):
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

    def _need_one_batch(self, areas: Iterable[Area]) -> None:
        """The kernel looks at a range's pages first and frees them after; the
        design does one page at a time. Without surplus pages nobody can tell."""
        if len(list(areas)) > 1 and self.now.h.surplus_huge_pages() > 0:
            raise NotExpressible("several pages at once, with surplus pages")

    def _mremap(
        self, process: int, page: int, old: int, new: int, flags: int, to: int
    ) -> str:
        area = self.area_at(process, page)
        if flags & 4 or (area is not None and new > old):
            return "err EINVAL"
        if area is None:
            return self._hole("EFAULT", process, page, old)
        moves = bool(flags & 2)
        if page + (old if not moves else new) > area.end:
            raise NotExpressible("mremap of more than one VMA")
        if moves and not self.is_free(process, to, new):
            raise NotExpressible("mremap over a mapping: unmap it first")
        middle = area.start < page and page + new < area.end
        if moves and middle:
            raise NotExpressible("mremap of the middle of a VMA")
        if old > new:
            self._unmap(process, page + new, old - new)
        if moves:
            self._move(area, page, page + new, to)
            return f"ok {to}"
        return f"ok {page}"

    def _move(self, area: Area, start: int, end: int, to: int) -> None:
        slot = self._slot()
        moved = replace(area, start=to, end=to + end - start,
                        pgoff=area.index(start), slot=slot)  # fmt: skip
        if (start, end) == (area.start, area.end):
            self._step("mremap", area.slot, slot)
            self.around.areas.remove(area)
        else:
            head, tail = area.index(start), area.index(end)
            self._step("mremap_part", area.slot, slot, head, tail)
            if start == area.start:
                area.start, area.pgoff = end, tail
            else:
                area.end = start
            self._last(area)
        self.around.areas.append(moved)

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
                alone = self.now.mappers.mapcount(area.slot, index) == 1
                words.append("x" if alone else "s")
            else:
                file = area.file
                cached = file and self.now.page_cache.node[file, index] is not None
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

    # -- policies --

    def mask(self, mask: str) -> frozenset[Any]:
        """The nodes of a mask as the agent reads it."""
        bits = int(mask, 0)
        if bits >> len(self.nodes):
            raise NotExpressible(f"nodes beyond the {len(self.nodes)} of the bounds")
        return frozenset(n for n in self.nodes if bits >> n.index & 1)

    def _policy(self, process: int, mode: int, mask: str) -> frozenset[Any] | None:
        """The nodes of a policy; None where it is refused."""
        nodes = self.mask(mask)
        if mode == 0:
            return None if nodes else nodes
        if mode & ~STATIC != BIND:
            raise NotExpressible(f"memory policy {mode}: only MPOL_BIND is known")
        mems = self.now.mpol.cpuset_current_mems_allowed(self.task(process))
        if not nodes & mems:
            return None
        self.around.floating |= not mode & STATIC
        return nodes

    def _mbind(
        self, process: int, page: int, length: int, mode: int, mask: str
    ) -> str:
        nodes = self._policy(process, mode, mask)
        if nodes is None:
            return "err EINVAL"
        if not self._covered(process, page, length):
            return self._hole("EFAULT", process, page, length)
        policy = self.now.mpol.vm_policy
        for area in self._within(
            process, page, length, lambda a: policy[a.slot] != nodes
        ):
            self._step("mbind", area.slot, nodes)
        return "ok"

    def _set_mempolicy(self, process: int, mode: int, mask: str) -> str:
        nodes = self._policy(process, mode, mask)
        if nodes is None:
            return "err EINVAL"
        if self._first(process):
            self._step("set_mempolicy", self.task(process), nodes)
        return "ok"

    # -- cgroups: NAME has limits, NAME/LEAF has the memory nodes of a task --

    def _cgroup(self, words: Sequence[str]) -> str:
        around = self.around
        match words:
            case ["mk", name]:
                if "/" in name:
                    around.mems[name] = frozenset()
                elif name != UNLIMITED:
                    around.groups.append(name)
            case ["rm", name]:
                if name in around.mems:
                    del around.mems[name]
                else:
                    around.groups[around.groups.index(name)] = ""
            case ["set", name, "cpuset.mems", nodes]:
                return self._set_mems(name, self._mems(nodes))
            case ["set", name, file, limit] if file in LIMITS:
                # bounds have it already: what a limit is cannot change
                if int(limit) // HUGE_PAGE != self.bounds[LIMITS[file]]:
                    raise NotExpressible(f"another {file} of {name}")
            case ["set", _, "cgroup.subtree_control", _] | ["opts", _] | ["get", *_]:
                pass
            case ["attach", name, process]:
                return self._attach(name, int(process))
            case _:
                raise NotExpressible("cg " + " ".join(words))
        return "ok"

    def _note_mems(self, words: Sequence[str]) -> None:
        match words:
            case ["cg", "set", name, "cpuset.mems", nodes]:
                self.around.mems[name] = self._mems(nodes)

    def _mems(self, text: str) -> frozenset[Any]:
        """A cpuset as the design has it: no nodes for "0-1", all of them."""
        nodes = frozenset(self.of("NODES", k) for k in node_list(text))
        whole = "-" in text and len(nodes) == len(self.nodes)
        return frozenset() if whole else nodes

    def _set_mems(self, name: str, mems: frozenset[Any]) -> str:
        here = [p for p, place in self.around.places.items() if place == name]
        for process in here:
            self._need_no_migration(process, mems)
        self.around.mems[name] = mems
        for process in here:
            self._confine(process, mems)
        return "ok"

    def _confine(self, process: int, mems: frozenset[Any]) -> None:
        """A process has other memory nodes now, and its task if it is the first."""
        if self.features["cpuset"] and self._first(process):
            self._step("set_cpuset", self.task(process), mems)

    def _attach(self, name: str, process: int) -> str:
        if process not in self.around.places:
            return "err ESRCH"
        mems = self.around.mems.get(name, frozenset())
        if mems != self.around.mems.get(self.around.places[process], frozenset()):
            self._need_no_migration(process, mems)
            changed = True
        else:
            changed = False
        self.around.places[process] = "" if name == "." else name
        group = name.partition("/")[0]
        cgroup = None
        if group in self.around.groups:
            cgroup = self.of("CGROUPS", self.around.groups.index(group))
        elif group not in (".", UNLIMITED):
            return "err ENOENT"
        if self._first(process) and self.features["cgroup"]:
            self._step("cgroup_attach", self.task(process), cgroup)
        if changed:
            self._confine(process, mems)
        return "ok"

    def migrates(self, process: int, mems: frozenset[Any]) -> bool:
        """Whether other memory nodes make the kernel move a process's pages."""
        if not mems:
            return False
        return any(
            n not in mems for a in self.areas_of(process) for n in self.pages_in(a)
        )

    def _need_no_migration(self, process: int, mems: frozenset[Any]) -> None:
        if self.around.floating:
            raise NotExpressible(
                "policies without MPOL_F_STATIC_NODES change with the cpuset"
            )
        if self.migrates(process, mems):
            raise NotExpressible("cgroup v2 moves the pages of a cpuset's tasks")

    # -- files --

    def _need_no_limit(self, what: str) -> None:
        if self.features["mount"]:
            raise NotExpressible(f"{what} is not on the mount that has limits")
        if not self.features["unlink"]:
            raise NotExpressible(f"{what} goes with its last user; unlink is off")

    def _unused_file(self, path: str = "") -> Any:
        """A file of the design that nothing refers to; of the number at the end
        of the path, if that is one."""
        around = self.around
        used = {*around.names.values(), *around.descriptors.values()}
        used |= {a.file for a in around.areas if a.file is not None}
        number = path[len(path.rstrip("0123456789")) :]
        unused = [f for f in self.all("FILES") if f not in used]
        for file in unused:
            if number == str(file.index):
                return file
        if not unused:
            raise NotExpressible("no file is left within the bounds")
        return unused[0]

    def _keep(self, descriptor: tuple[int, int], file: Any) -> None:
        if descriptor in self.around.descriptors:
            self._close(descriptor)
        self.around.descriptors[descriptor] = file

    def _open(self, descriptor: tuple[int, int], path: str) -> str:
        mount = path.removeprefix("/mnt/").partition("/")[0]
        if mount not in self.around.mounts:
            return "err ENOENT"
        if path not in self.around.names:
            self.around.names[path] = self._unused_file(path)
        self._keep(descriptor, self.around.names[path])
        return "ok"

    def _close(self, descriptor: tuple[int, int]) -> None:
        self._drop(self.around.descriptors.pop(descriptor))

    def _drop(self, file: Any) -> None:
        """A name or a descriptor is gone: the last one is the unlink."""
        around = self.around
        if file not in (*around.names.values(), *around.descriptors.values()):
            self._step("unlink", file)

    def _trunc(self, descriptor: tuple[int, int], size: int) -> str:
        if descriptor not in self.around.descriptors:
            return "err EBADF"
        if size > self.bounds["P"]:
            raise NotExpressible(f"more than {self.bounds['P']} pages")
        file = self.around.descriptors[descriptor]
        self._need_known_order(file, size, self.bounds["P"])
        self._step("truncate", file, size)
        return "ok"

    def _need_known_order(self, file: Any, start: int, end: int) -> None:
        """The owner of a private page has its promise back if it is the last
        to lose the page. The design takes it from the owner first; the kernel
        goes through i_mmap, where an owner may be behind its children."""
        now = self.now
        if now.h.surplus_huge_pages() > 0 or not self.features["fork"]:
            return
        mine = [a for a in self.around.areas if a.file == file and not a.shared]
        for index in range(start, end):
            there = [a for a in mine if now.anon.node[a.slot, index] is not None]
            for area in there:
                mappers = [a for a in there if a in self._mappers(area, index)]
                *_, last = sorted(mappers, key=lambda a: a.pgoff)
                if len(mappers) > 1 and now.resv_owner[last.slot]:
                    raise NotExpressible(
                        "a file's page that a child has, too: who loses it first?"
                    )

    def _falloc(
        self, process: int, fd: int, mode: int, offset: int, length: int
    ) -> str:
        if (process, fd) not in self.around.descriptors:
            return "err EBADF"
        file, task = self.around.descriptors[process, fd], self.task(process)
        if mode not in (0, 1, 3) or offset + length > self.bounds["P"]:
            raise NotExpressible("falloc of that kind, or that much")
        if mode == 3:
            if self.features["private_files"]:
                self._need_one_batch(a for a in self.around.areas if a.file == file
                                     and not a.shared and length > 1)  # fmt: skip
                self._need_known_order(file, offset, offset + length)
            for page in range(offset, offset + length):
                self._step("punch_hole", file, page)
            return "ok"
        if mode == 0 and not self.features["truncate"]:
            raise NotExpressible("a file that grows, and sizes are off")
        for page in range(offset, offset + length):
            grows = mode == 0 and page == offset + length - 1
            result = self._step("fallocate", task, file, page, not grows, True)
            if result != OK:
                return f"err {result.name}"
        return "ok"

    def _fstat(self, descriptor: tuple[int, int]) -> str:
        if descriptor not in self.around.descriptors:
            return "err EBADF"
        file = self.around.descriptors[descriptor]
        size = self.now.i_size[file] if self.features["truncate"] else UNKNOWN
        return f"ok size={size} blocks={self.now.instantiated(file)}"

    def _mount(self, name: str, options: str) -> str:
        if name in self.around.mounts:
            return "err EEXIST"
        asked = limits(options)
        has = {b: self.bounds[b] for f, b in OPTIONS.items() if self.features[f]}
        if asked != (has if self.features["mount"] else {}):
            self._change_limits(asked)
        if asked and self._step("mount") != OK:
            return "err ENOMEM"
        self.around.mounts[name] = bool(asked)
        return "ok"

    def _change_limits(self, asked: Mapping[str, int]) -> None:
        """The design with other mount options, while it can be exchanged."""
        around = self.around
        files = {*around.names.values(), *around.descriptors.values()}
        files |= {a.file for a in around.areas} - {None}
        if files or True in around.mounts.values():
            raise NotExpressible("a second mount: the design has one")
        old = dict(zip(_cells(self.now), self.now.dump(), strict=True))
        keep = [f for f in self.setting.having if f not in ("mount", *OPTIONS)]
        if asked:
            keep += ["mount", *(f for f, b in OPTIONS.items() if b in asked)]
        bounds = {**self.setting.bounds, **asked}
        self.setting = replace(self.setting, bounds=bounds, having=tuple(keep))
        self._make()
        new = dict(zip(_cells(self.now), self.now.dump(), strict=True))
        self.now.load([old.get(cell, raw) for cell, raw in new.items()])

    def _umount(self, name: str) -> str:
        around = self.around
        if name not in around.mounts:
            return "err ENOENT"
        here = {p: f for p, f in around.names.items() if p.startswith(f"/mnt/{name}/")}
        limited = around.mounts[name]
        busy = {*around.descriptors.values(), *(a.file for a in around.areas)}
        if limited:
            # all files are on it, those without a name, too
            if busy - {None}:
                return "err EBUSY"
            self._step("umount")
        elif busy & {*here.values()}:
            return "err EBUSY"
        for path in here:
            file = around.names.pop(path)
            if not limited:
                self._drop(file)
        del around.mounts[name]
        return "ok"

    # -- the end --

    def drains(self) -> bool:
        """Kills, unmounts and empties as the agent's reset does, as far as the
        design goes. Whether nothing is left then."""
        now, f = self.now, self.features
        for process in sorted(self.around.places):
            for area in self.areas_of(process):
                self._munmap(area)
        self.around = Around()
        if self.features["mount"]:
            if now.spool.mounted:
                now.step("umount")
        elif self.features["files"]:
            for file in self.all("FILES"):
                now.remove_inode_hugepages(file, 0)
        h = now.h
        return bool(
            h.resv_huge_pages == 0
            and h.surplus_huge_pages() == 0
            and h.free_huge_pages() == h.nr_huge_pages()
            and not (f["demote"] and now.gigantic < self.bounds["GIGANTIC"])
        )


def _cells(design: Any) -> list[tuple[str, int]]:
    """The names of the values that `dump` gives."""
    cells = []
    for slot in design._slots:
        size = math.prod(len(values) for values in slot.index)
        cells += [(slot.name, k) for k in range(size)]
    return cells


def failed_require(disabled: Disabled) -> str:
    """Where the `require` stands that an action met, and its text."""
    frames = traceback.extract_tb(disabled.__traceback__)
    place = next(
        (f for f in reversed(frames) if f.name != "require"), frames[-1]
    )
    return f"{shown_path(place.filename)}:{place.lineno}: {place.line}"
