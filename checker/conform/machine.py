# SPDX-License-Identifier: GPL-2.0-only
"""The hugetlb design with a system around it, which obeys the agent's commands.

A `ModelMachine` reads the commands of checker/kernel/agent.c as actions of the
design. It keeps what the design does not: processes, addresses, protections,
file descriptors, names, cgroups by name. It answers in the agent's words, and
with the counters that the kernel should show. What the design has no word for
raises NotExpressible, and the machine is then of no more use; `saved` and
`put_back` undo that.

It is in layers: state.py, areas.py, files.py, memory.py and pages.py, groups.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from poolproof.checker.conform.environment import (
    BIND,
    SOFT_OFFLINE,
    STATIC,
    WORKERS,
    Environment,
    NotExpressible,
    Policy,
    Refused,
)
from poolproof.checker.conform.groups import Groups
from poolproof.checker.conform.pages import Pages
from poolproof.checker.conform.state import OK
from poolproof.model.blocks.numa import Mode


class ModelMachine(Pages, Groups):
    """Commands, and the processes that they name."""

    def run(self, command: str) -> str:
        """Does it, and says what the agent should answer: "ok", "err ENAME",
        "sig SIGNAME", "gone", "ok WORD..." with UNKNOWN for words the design
        does not tell. Raises NotExpressible.
        """
        self.taken = []
        touched, self.around.touched = self.around.touched, None
        try:
            return self._obey(command, touched)
        except Refused as e:
            return f"err {e.errno}"

    def _obey(self, command: str, touched: tuple[int, int] | None) -> str:
        match command.split():
            case ["w", process, "movepage", page, node, *mode]:
                place = int(process), int(page)
                return self._move_page(*place, int(node), mode, place == touched)
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
            case words:
                return self._on_pool(words)

    def _on_pool(self, words: Sequence[str]) -> str:
        match words:
            case ["nrnode", node, count]:
                n = self.of("NODES", int(node))
                self._step("set_nr_hugepages_node", n, int(count))
            case ["nr", count]:
                self._step("set_nr_hugepages", int(count))
            case ["oc", count]:
                self._step("set_nr_overcommit", int(count))
            case ["demote", count]:
                return self._demote(int(count))
            case ["poison", node]:
                return self._poison(int(node))
            case _:
                raise NotExpressible(f"no action for {' '.join(words)!r}")
        return "ok"

    def assume(self, command: str) -> None:
        """A command of a setup that the design's start stands for: pages,
        overcommit and limits are as the setting says. Raises NotExpressible."""
        match command.split():
            case ["nrnode" | "nr" | "oc", *_] | ["cg", "set", _, _, _]:
                self._note_mems(command.split())
            case _:
                self.run(command)

    def _in_process(self, process: int, words: Sequence[str]) -> str:
        if process not in self.around.places:
            return "gone"
        self._need_group_of_task(process)
        said = (
            self._on_memory(process, words)
            or self._on_other_memory(process, words)
            or self._on_file(process, words)
            or self._on_task(process, words)
        )
        if said is None:
            raise NotExpressible(f"no action for {' '.join(words)!r}")
        return said

    def _on_memory(self, process: int, words: Sequence[str]) -> str | None:
        match words:
            case ["mmap", page, length, flags, fd, offset, *rest]:
                numbers = [int(n) for n in (page, length, fd, offset, *rest)]
                return self._mmap(process, flags, *numbers)
            case ["munmap", page, length]:
                self._unmap(process, int(page), int(length))
                return "ok"
            case ["r", page]:
                return self._touch(process, int(page), False)
            case ["w", page, _]:
                return self._touch(process, int(page), True)
            case ["madv", page, "1", advice] if advice == SOFT_OFFLINE:
                return self._soft_offline(process, int(page))
            case ["madv", page, length, advice]:
                return self._madvise(process, int(page), int(length), advice)
            case ["mprotect", page, length, protection]:
                numbers = [int(n) for n in (page, length, protection)]
                return self._mprotect(process, *numbers)
            case ["mremap", page, old, new, flags, to]:
                numbers = [int(n) for n in (page, old, new, flags, to)]
                return self._mremap(process, *numbers)
            case ["munmapb", at, size]:
                return self._bytes(process, int(at), int(size), None)
            case ["mprotectb", at, size, protection]:
                return self._bytes(process, int(at), int(size), int(protection))
        return None

    def _on_other_memory(self, process: int, words: Sequence[str]) -> str | None:
        """Pages of 1 GiB, and those of other processes."""
        match words:
            case ["gmmap", number]:
                return self._mmap_gigantic(process, int(number))
            case ["gmunmap", number]:
                return self._munmap_gigantic(process, int(number))
            case ["remote", other, page]:
                return self._remote(process, int(other), int(page))
            case ["uffdcopy", page, length, at, *cold]:
                place = process, int(page), int(length), int(at)
                return self._uffd_copy(*place, cold == ["cold"])
        return None

    def _on_file(self, process: int, words: Sequence[str]) -> str | None:
        match words:
            case ["open", fd, path]:
                return self._open((process, int(fd)), path)
            case ["memfd", fd]:
                self._need_no_limit("a memfd")
                self._keep((process, int(fd)), self._unused_file())
                return "ok"
            case ["close", fd]:
                if (process, int(fd)) not in self.around.descriptors:
                    return "err EBADF"
                self._close((process, int(fd)))
                return "ok"
            case ["unlink", path]:
                if path not in self.around.names:
                    return "err ENOENT"
                self._drop(self.around.names.pop(path))
                return "ok"
            case ["trunc", fd, size]:
                return self._trunc((process, int(fd)), int(size))
            case ["falloc", fd, mode, offset, length]:
                numbers = [int(n) for n in (fd, mode, offset, length)]
                return self._falloc(process, *numbers)
            case ["fstat", fd]:
                return self._fstat((process, int(fd)))
        return None

    def _on_task(self, process: int, words: Sequence[str]) -> str | None:
        match words:
            case ["fork", child]:
                return self._fork(process, int(child))
            case ["exit"]:
                return self._exit(process)
            case ["mbind", page, length, mode, mask, flags]:
                place = process, int(page), int(length)
                said = self._mbind(*place, int(mode), mask)
                if said == "ok" and int(flags):
                    nodes = self.mask(mask)
                    if int(mode) & ~STATIC != BIND:
                        nodes = frozenset()
                    self._migrate_to_policy(*place, nodes, int(flags))
                return said
            case ["setpol", mode, mask]:
                return self._set_mempolicy(process, int(mode), mask)
            case ["maps"]:
                return " ".join(["ok", *map(str, self.areas_of(process))])
            case ["pmap", page, *length]:
                return self._pmap(process, int(page), int(length[0]) if length else 1)
            case ["numa", page]:
                return self._numa(process, int(page))
        return None

    # -- processes --

    def _spawn(self, process: int) -> str:
        if process in self.around.places or not 0 <= process < WORKERS:
            return "err EEXIST"
        self.around.places[process] = ""
        if self._first(process):
            default: Policy = (frozenset(), Mode.BIND)
            self._inherit(self.task(process), default, frozenset(), None)
        return "ok"

    def _inherit(
        self, task: Any, policy: Policy, mems: frozenset[Any], group: Any
    ) -> None:
        """A task's first process has these from its parent."""
        now, f = self.now, self.features
        if f["cgroup"] and now.cgroup.of[task] != group:
            self._step("cgroup_attach", task, group)
        if f["cpuset"] and now.mpol.mems_allowed[task] != mems:
            self._step("set_cpuset", task, mems)
        if f["mempolicy"] and self._policy_of_task(task) != policy:
            self._set_policy("set_mempolicy", task, policy)

    def _policy_of_task(self, task: Any) -> Policy:
        mpol = self.now.mpol
        return mpol.mempolicy[task], mpol.mode[task]

    def _exit(self, process: int) -> str:
        self._munmap_all(self.areas_of(process))
        for owner, number in sorted(self.around.gigantic):
            if owner == process:
                self._munmap_gigantic(process, number)
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
                self._policy_of_task(parent),
                mpol.mems_allowed[parent],
                self.now.cgroup.of[parent],
            )
        for (owner, fd), file in list(self.around.descriptors.items()):
            if owner == process:
                self.around.descriptors[child, fd] = file
        for area in areas:
            slot = self._slot()
            result = self._step("fork", area.slot, task, slot)
            if result != OK:
                self._undo_fork(child)
                return f"err {result.name}"
            copy = replace(area, process=child, slot=slot)
            self.around.areas.insert(self.around.areas.index(area) + 1, copy)
        return "ok"

    def _undo_fork(self, child: int) -> None:
        """kernel/fork.c:dup_mmap fails: what the child has so far goes."""
        for area in self.areas_of(child):
            self._munmap(area)
        for owner, fd in list(self.around.descriptors):
            if owner == child:
                del self.around.descriptors[owner, fd]
        del self.around.places[child]

    # -- the end --

    def drains(self) -> bool:
        """Kill, unmount and empty as the agent's reset does, as far as the
        design goes. Return whether nothing is left then."""
        if self.around.corrupted:
            return False
        now = self.now
        for process in sorted(self.around.places):
            self._take_away(self.areas_of(process))
        self.around = Environment()
        if self.features["mount"]:
            if now.spool.mounted:
                now.step("umount")
        elif self.features["hugetlbfs"]:
            for file in self.all("FILES"):
                now.remove_inode_hugepages(file, 0)
        if self.features["surplus"]:
            self._empty()
            size = now.h.nr_huge_pages()
        else:
            size = now.h.nr_huge_pages() - now.h.free_huge_pages()
        surplus = any(now.h.surplus_huge_pages_node[n] for n in self.nodes)
        demoted = self.features["demote"] and now.gigantic < self.bounds["GIGANTIC"]
        return not (size or surplus or now.h.resv_huge_pages or demoted)

    def _empty(self) -> None:
        """The writes to the pool's files, as op_empty of the agent does them. They
        need no feature: whoever runs a kernel may write nr_hugepages."""
        if self.features["sysctl"]:
            self.now.step("set_nr_overcommit", 0)
        for node in self.nodes:
            self._resize(node, 0)
        if self.now.h.nr_huge_pages() == 0:
            self._resize(self.nodes[-1], 1)
            self._resize(self.nodes[-1], 0)

    def _resize(self, node: Any, count: int) -> None:
        """mm/hugetlb.c:set_max_huge_pages, by a write to the node's file."""
        total = self.now.node_count(node, count)
        self.now.h.set_max_huge_pages_node(total, self.now.min_count(), node)
