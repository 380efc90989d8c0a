# SPDX-License-Identifier: GPL-2.0-only
"""The design's actions as commands of the agent: the way from a model to a kernel.

Whatever is written here is read back by the machine as that very action; see
tests/kernel/test_writing.py.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from poolproof.checker.conform.environment import (
    DOFORK,
    DONTFORK,
    DONTNEED,
    REMOVE,
    SOFT_OFFLINE,
    STATIC,
    UNLIMITED,
    Area,
    NotExpressible,
)
from poolproof.checker.conform.hugetlb import MOUNT, group, leaf, mount_options, path
from poolproof.checker.conform.targets import Targets
from poolproof.model.blocks.numa import Mode

_OF_A_PAGE = frozenset(
    (
        *("touch", "touch_remote", "migrate", "madvise_dontneed"),
        *("uffd_copy", "soft_offline"),
    )
)
"""Actions on a page of a VMA."""


@dataclass
class CommandWriter(Targets):
    """Says an action in the state that its machine is in."""

    def commands(self, action: str, arguments: Mapping[str, Any]) -> list[str]:
        """The commands for an action with arguments by name. Raises
        NotExpressible where system calls cannot bring it about."""
        a = arguments
        if not a.get("installed", True):
            raise NotExpressible("a page that is allocated and cannot be installed")
        found = (
            self._on_memory(action, a)
            or self._on_page(action, a)
            or self._on_some_file(action, a)
            or self._on_pool(action, a)
            or self._on_task(action, a)
        )
        if found is None:
            raise NotExpressible(f"no system call is {action}")
        return found

    def _on_memory(self, action: str, a: Mapping[str, Any]) -> list[str] | None:
        match action:
            case "mmap":
                p, at = self.room_for(a["task"], a["length"])
                flags = "PA" + "N" * a["noreserve"]
                return [f"w {p} mmap {at} {a['length']} {flags} -1 0"]
            case "mmap_shared" | "mmap_private":
                length = a["end"] - a["start"]
                p, at = self.room_for(a["task"], length)
                flags = ("S" if action == "mmap_shared" else "P") + "N" * a["noreserve"]
                fd, opened = self.descriptor(p, a["file"])
                return [*opened, f"w {p} mmap {at} {length} {flags} {fd} {a['start']}"]
            case "munmap":
                area = self.area(a["vma"])
                return [f"w {area.process} munmap {area.start} {area.length}"]
            case "munmap_range":
                return [self._munmap_range(a["vmas"])]
            case "munmap_part":
                return self._munmap_part(a)
            case "split":
                return self._split(self.area(a["vma"]), a["at"])
            case "mremap":
                area = self.area(a["vma"])
                return [self._mremap(area, area.start, area.length)]
            case "mremap_part" | "mremap_middle":
                area = self.area(a["vma"])
                at = area.start + a["start"] - area.pgoff
                return [self._mremap(area, at, a["end"] - a["start"])]
        return None

    def _on_page(self, action: str, a: Mapping[str, Any]) -> list[str] | None:
        """Actions on one page of a VMA or a file."""
        if action == "migrate_cached":
            return self._migrate_cached(a["file"], a["page"], a["to"])
        if action not in _OF_A_PAGE:
            return None
        area = self.area(a["vma"])
        page = area.start + a["page"] - area.pgoff
        if action == "touch_remote":
            p = self.one_of(self.processes(a["task"]))
            return [f"w {p} remote {area.process} {page}"]
        if action == "touch":
            words = f"w {page} 1" if a["write"] else f"r {page}"
        elif action == "migrate":
            words = f"movepage {page} {a['to'].index} all"
        elif action == "soft_offline":
            words = f"madv {page} 1 {SOFT_OFFLINE}"
        elif action == "uffd_copy":
            if not a["reads"]:
                raise NotExpressible("the first half of UFFDIO_COPY alone")
            words = f"uffdcopy {area.start} {area.length} {page}"
        else:
            words = f"madv {page} 1 {DONTNEED}"
        return [f"w {area.process} {words}"]

    def _on_some_file(self, action: str, a: Mapping[str, Any]) -> list[str] | None:
        match action:
            case "fallocate":
                p = self.one_of(self.processes(a["task"]))
                fd, opened = self.descriptor(p, a["file"])
                words = f"falloc {fd} {int(a['keep_size'])} {a['page']} 1"
                return [*opened, f"w {p} {words}"]
            case "truncate":
                return self._on_file(a["file"], f"trunc FD {a['size']}")
            case "punch_hole":
                return self._punch_hole(a["file"], a["page"])
            case "unlink":
                return self._unlink(a["file"])
            case "mount":
                return [f"mount {MOUNT} {mount_options(self.machine.setting)}"]
            case "umount":
                descriptors = self.machine.around.descriptors
                close = [f"w {p} close {fd}" for p, fd in descriptors]
                return [*close, f"umount {MOUNT}"]
        return None

    def _on_pool(self, action: str, a: Mapping[str, Any]) -> list[str] | None:
        match action:
            case "set_nr_hugepages_node":
                return [f"nrnode {a['node'].index} {a['count']}"]
            case "set_nr_hugepages":
                return [f"nr {a['count']}"]
            case "set_nr_overcommit":
                return [f"oc {a['count']}"]
            case "poison":
                return [f"poison {a['node'].index}"]
            case "demote":
                return [f"demote {a.get('count', 1)}"]
            case "mmap_gigantic":
                p = self.one_of(self.processes(a["task"]))
                taken = {k for q, k in self.machine.around.gigantic if q == p}
                return [f"w {p} gmmap {min({*range(len(taken) + 1)} - taken)}"]
            case "munmap_gigantic":
                mine = self.processes(a["task"])
                held = [m for m in sorted(self.machine.around.gigantic) if m[0] in mine]
                p, number = self.one_of(held)
                return [f"w {p} gmunmap {number}"]
        return None

    def _on_task(self, action: str, a: Mapping[str, Any]) -> list[str] | None:
        match action:
            case "fork":
                return self._fork(self.area(a["vma"]), a["child"])
            case "set_mempolicy" | "set_mempolicy_mode":
                words = self._policy(a["nodes"], a.get("mode", Mode.BIND))
                return [f"w {p} setpol {words}" for p in self.processes(a["task"])]
            case "mbind" | "mbind_mode":
                area = self.area(a["vma"])
                policy = self._policy(a["nodes"], a.get("mode", Mode.BIND))
                words = f"{area.start} {area.length} {policy} 0"
                return [f"w {area.process} mbind {words}"]
            case "set_cpuset":
                place = self._place(a["task"])
                return [f"cg set {place} cpuset.mems {self._list(a['nodes'])}"]
            case "cgroup_attach":
                return self._attach(a["task"], a["cgroup"])
        return None

    # -- actions that take more than a line --

    def _on_file(self, file: Any, words: str) -> list[str]:
        p = self.some_process(file)
        fd, opened = self.descriptor(p, file)
        return [*opened, f"w {p} {words.replace('FD', str(fd))}"]

    def _munmap_range(self, slots: Collection[Any]) -> str:
        areas = sorted(map(self.area, slots), key=lambda a: a.start)
        first, last = areas[0], areas[-1]
        process, length = first.process, last.end - first.start
        between = [
            a
            for a in self.machine.areas_of(process)
            if first.start <= a.start < last.end
        ]
        if between != areas:
            raise NotExpressible("VMAs that are no range of one process's memory")
        return f"w {process} munmap {first.start} {length}"

    def _munmap_part(self, a: Mapping[str, Any]) -> list[str]:
        area = self.area(a["vma"])
        p, at = area.process, area.start + a["start"] - area.pgoff
        length = a["end"] - a["start"]
        if at + length == area.end and self.other_way():
            left = area.length - length
            return [f"w {p} mremap {area.start} {area.length} {left} 1 0"]
        return [f"w {p} munmap {at} {length}"]

    def _split(self, area: Area, index: int) -> list[str]:
        at = area.start + index - area.pgoff
        begin, tail = f"w {area.process}", f"{at} {area.end - at}"
        if self.other_way() and area.forked:
            return [f"{begin} madv {tail} {advice}" for advice in (DONTFORK, DOFORK)]
        other = 3 if area.protection == 1 else 1
        return [f"{begin} mprotect {tail} {p}" for p in (other, area.protection)]

    def _mremap(self, area: Area, at: int, length: int) -> str:
        to = self.room(area.process, length)
        return f"w {area.process} mremap {at} {length} {length} 3 {to}"

    def _fork(self, area: Area, child: Any) -> list[str]:
        """The others are marked MADV_DONTFORK while it forks; a child that
        belongs to another task gets that task's policy and cgroup."""
        p, q = area.process, self.free_process(child)
        others = [a for a in self.machine.areas_of(p) if a is not area and a.forked]
        commands = [
            *(f"w {p} madv {a.start} {a.length} {DONTFORK}" for a in others),
            f"w {p} fork {q}",
            *(f"w {p} madv {a.start} {a.length} {DOFORK}" for a in others),
        ]
        return commands + self.settle(p, q)

    def settle(self, parent: int, child: int) -> list[str]:
        """What makes a forked child one of its own task's processes."""
        machine = self.machine
        task, born = machine.task(child), machine.task(parent)
        if task == born or not machine.processes(task):
            return []
        mpol, commands = machine.now.mpol, []
        policy, theirs = ((mpol.mempolicy[t], mpol.mode[t]) for t in (task, born))
        if machine.features["mempolicy"] and policy != theirs:
            commands.append(f"w {child} setpol {self._policy(*policy)}")
        place = machine.around.places[machine.processes(task)[0]]
        if place != machine.around.places[parent]:
            commands.insert(0, f"cg attach {place or '.'} {child}")
        return commands

    def _punch_hole(self, file: Any, page: int) -> list[str]:
        """By a descriptor, or through a mapping: nothing else leads to a file that is
        unlinked and closed."""
        if self.other_way() or not self.machine.now.exists(file):
            for area in self.machine.around.areas:
                inside = area.pgoff <= page < area.pgoff + area.length
                if area.file == file and area.shared and area.writable and inside:
                    at = area.start + page - area.pgoff
                    return [f"w {area.process} madv {at} 1 {REMOVE}"]
        return self._on_file(file, f"falloc FD 3 {page} 1")

    def _migrate_cached(self, file: Any, index: int, to: Any) -> list[str]:
        """By a process that maps the page, after a touch that changes nothing."""
        anon = self.machine.now.anon.node
        for area in self.machine.around.areas:
            inside = area.pgoff <= index < area.pgoff + area.length
            if area.file != file or not inside or anon[area.slot, index] is not None:
                continue
            page = area.start + index - area.pgoff
            write = area.shared and area.writable
            if write or (area.protection and self.machine.features["reads"]):
                touch = f"w {page} 1" if write else f"r {page}"
                p = f"w {area.process}"
                return [f"{p} {touch}", f"{p} movepage {page} {to.index} all"]
        raise NotExpressible(f"nobody maps page {index} of {file}")

    def _unlink(self, file: Any) -> list[str]:
        around = self.machine.around
        names = [n for n, f in around.names.items() if f == file]
        close = [(p, fd) for (p, fd), f in around.descriptors.items() if f == file]
        opened: list[str] = []
        if not names and not close:
            process = self.some_process()
            fd, opened = self.descriptor(process, file)
            names, close = [path(file.index)], [(process, fd)]
        return [
            *opened,
            *(f"w {self.some_process(file)} unlink {n}" for n in names),
            *(f"w {p} close {fd}" for p, fd in close),
        ]

    # -- policies and cgroups --

    def _policy(self, nodes: Any, mode: Mode = Mode.BIND) -> str:
        if not nodes:
            return "0 0"
        static = STATIC if self.machine.features["cpuset"] else 0
        return f"{mode.value | static} {sum(1 << n.index for n in nodes)}"

    def _list(self, nodes: Any) -> str:
        known = self.machine.nodes
        if not nodes:
            return f"0-{len(known) - 1}"
        return ",".join(str(n.index) for n in known if n in nodes)

    def _place(self, task: Any) -> str:
        return self.machine.around.places[self.processes(task)[0]]

    def _attach(self, task: Any, cgroup: Any) -> list[str]:
        machine = self.machine
        name = group(cgroup.index) if cgroup is not None else UNLIMITED
        if not machine.features["cpuset"]:
            name = name if cgroup is not None else "."
            return [f"cg attach {name} {p}" for p in self.processes(task)]
        target = leaf(name, task.index)
        mems = machine.now.mpol.mems_allowed[task]
        commands = [f"cg attach {target} {p}" for p in self.processes(task)]
        if machine.around.mems[target] != mems:
            commands.insert(0, f"cg set {target} cpuset.mems {self._list(mems)}")
        return commands
