"""The agent's commands (checker/kernel/agent.c) as calls of the hugetlb design.

A `Machine` keeps what the design does not: addresses, file descriptors, names
and protections. It answers in the agent's words, values of pages left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from checker.kernel.answer import Charge, Counters, NodePool, Space
from model.designs.hugetlb import Errno, Hugetlb

ROOMY = {"N": 2, "B": 0, "CAP": 12, "OC": 8, "T": 2, "V": 6, "P": 9, "F": 2, "C": 2,
         "STEP": 24, "CG_MAX": 99, "CG_RSVD": 99}  # fmt: skip
FEATURES = (
    "files", "private_files", "noreserve", "offsets", "fork", "reads", "split",
    "mremap", "mremap_part", "dontneed", "punch", "fallocate", "truncate", "unlink",
    "surplus", "sysctl", "resize_node", "resize", "cpuset", "mempolicy", "mbind",
    "cgroup", "cgroup_move",
)  # fmt: skip


class NotExpressible(Exception):
    """The design has no word for this command."""


@dataclass
class Area:
    """A VMA: where it is, and the slot that it has in the design."""

    process: int
    start: int
    end: int
    pgoff: int
    slot: Any
    file: Any = None
    writable: bool = True

    def index(self, page: int) -> int:
        return page - self.start + self.pgoff


@dataclass
class Machine:
    """The design with as much of a system around it as the commands need.
    ``cursors`` are where next_nid_to_alloc and next_nid_to_free stand."""

    design: type[Hugetlb] = Hugetlb
    cursors: tuple[int, int] = (0, 0)
    bounds: dict[str, int] = field(default_factory=lambda: dict(ROOMY))
    features: list[str] = field(default_factory=lambda: list(FEATURES))
    areas: list[Area] = field(default_factory=list)
    descriptors: dict[tuple[int, int], Any] = field(default_factory=dict)
    names: dict[str, Any] = field(default_factory=dict)
    cgroups: list[str] = field(default_factory=list)
    mounted: str | None = None
    now: Any = None

    # -- the state --

    def begin(self, setup: Sequence[str]) -> None:
        """Makes the design that the scenario needs and sets it up."""
        for command in setup:
            match command.split():
                case ["cg", "set", _, "hugetlb.2MB.max", limit]:
                    self.bounds["CG_MAX"] = int(limit) >> 21
                case ["cg", "set", _, "hugetlb.2MB.rsvd.max", limit]:
                    self.bounds["CG_RSVD"] = int(limit) >> 21
        self.make()
        self.now.h.next_nid_to_alloc = self.of("NODES", self.cursors[0])
        self.now.h.next_nid_to_free = self.of("NODES", self.cursors[1])
        self.now.h.nr_overcommit_huge_pages = 0
        for command in setup:
            self.run(command)

    def make(self) -> None:
        """A fresh design with the present bounds and the present pool."""
        old, self.now = self.now, self.design(self.bounds, having=self.features)
        if old is not None:
            assert not self.areas, "a mount while something is mapped"
            new = dict(zip(self.cells(self.now), self.now.dump(), strict=True))
            pool = zip(self.cells(old), old.dump(), strict=True)
            new |= {cell: raw for cell, raw in pool if cell[0].startswith("h.")}
            self.now.load(list(new.values()))

    def cells(self, design: Any) -> list[tuple[str, int]]:
        return [
            (slot.name, k)
            for slot in design._slots
            for k in range(len(self.table(design, slot.name)) if slot.index else 1)
        ]

    def table(self, design: Any, name: str) -> Any:
        for part in name.split("."):
            design = getattr(design, part)
        return design.cells

    def of(self, domain: str, k: int) -> Any:
        """An element of one of the design's scalarsets."""
        d = self.now
        return {
            "NODES": d.h.nr_huge_pages_node.index[0],
            "TASKS": d.mpol.mempolicy.index[0],
            "VMAS": d.vm_mm.index[0],
            "FILES": d.linked.index[0],
            "CGROUPS": d.usage.usage.index[0],
        }[domain].python(k)

    def counters(self) -> Counters:
        """What the kernel would report."""
        h, nodes = self.now.h, range(2)
        pools = tuple(
            NodePool(
                h.nr_huge_pages_node[self.of("NODES", n)],
                h.free_huge_pages_node[self.of("NODES", n)],
                h.surplus_huge_pages_node[self.of("NODES", n)],
            )
            for n in nodes
        )
        groups = tuple(
            (name, Charge(self.now.usage.usage[cg], self.now.rsvd.usage[cg]))
            for k, name in enumerate(self.cgroups)
            for cg in [self.of("CGROUPS", k)]
            if name
        )
        mounts = ((self.mounted, self.space()),) if self.mounted else ()
        return Counters(
            h.nr_huge_pages(), h.free_huge_pages(), h.resv_huge_pages,
            h.surplus_huge_pages(), pools, groups, mounts,
        )  # fmt: skip

    def space(self) -> Space:
        """fs/hugetlbfs/inode.c:hugetlbfs_statfs."""
        if "mount" not in self.features:
            return Space(0, 0)
        if "size" not in self.features:
            return Space(-1, -1)
        spool = self.now.spool
        return Space(spool.max_hpages, spool.max_hpages - spool.used_hpages)

    # -- commands --

    def run(self, command: str) -> str:
        """Does it; answers "ok", "err ENAME" or "sig SIGNAME"."""
        match command.split():
            case ["nrnode", node, count]:
                self.now.step(
                    "set_nr_hugepages_node", self.of("NODES", int(node)), int(count)
                )
            case ["nr", count]:
                self.now.step("set_nr_hugepages", int(count))
            case ["oc", count]:
                self.now.step("set_nr_overcommit", int(count))
            case ["mount", name, *options]:
                return self.mount(name, options)
            case ["umount", _]:
                if "mount" in self.features:
                    self.now.step("umount")
                self.mounted = None
            case ["cg", "mk", name]:
                self.cgroups.append(name)
            case ["cg", "attach", name, process]:
                cgroup = self.of("CGROUPS", self.cgroups.index(name))
                self.now.step("cgroup_attach", self.of("TASKS", int(process)), cgroup)
            case ["cg", "rm", name]:
                self.cgroups[self.cgroups.index(name)] = ""
            case ["cg", *_] | ["spawn", _]:
                pass
            case ["w", process, *words]:
                return self.call(int(process), words)
            case _:
                raise NotExpressible(command)
        return "ok"

    def mount(self, name: str, options: list[str]) -> str:
        limits = {"size": "MAX", "min_size": "MIN"}
        asked = dict(o.split("=") for o in options)
        for option, size in asked.items():
            self.bounds[limits[option]] = int(size.removesuffix("M")) // 2
        self.features = [f for f in self.features if f not in ("mount", *limits)]
        self.features += ["mount", *asked] if asked else []
        self.bounds["P"] = max(self.bounds["P"], self.bounds.get("MIN", 1))
        self.make()
        if asked and self.now.step("mount") != Errno.OK:
            return "err ENOMEM"
        self.mounted = name
        return "ok"

    def call(self, process: int, words: list[str]) -> str:
        match words:
            case ["mmap", page, length, flags, fd, offset, *_]:
                return self.mmap(
                    process, int(page), int(length), flags, int(fd), int(offset)
                )
            case ["munmap", page, length]:
                for area in self.within(process, int(page), int(length)):
                    self.munmap(area)
            case [("r" | "w") as kind, page, *_]:
                return self.touch(process, int(page), kind == "w")
            case ["fork", child]:
                self.fork(process, int(child))
            case ["exit"]:
                for area in self.within(process, 0, 10**6):
                    self.munmap(area)
                for owner, fd in list(self.descriptors):
                    if owner == process:
                        self.close((owner, fd))
            case ["open", fd, path]:
                if path not in self.names:
                    self.names[path] = self.unused_file()
                self.descriptors[process, int(fd)] = self.names[path]
            case ["close", fd]:
                self.close((process, int(fd)))
            case ["unlink", path]:
                self.drop(self.names.pop(path))
            case ["trunc", fd, size]:
                file = self.descriptors[process, int(fd)]
                self.now.step("truncate", file, int(size))
            case ["falloc", fd, mode, offset, length]:
                file = self.descriptors[process, int(fd)]
                return self.falloc(process, file, int(mode), int(offset), int(length))
            case ["madv", page, length, advice]:
                for area in self.within(process, int(page), int(length)):
                    for k in range(area.pgoff, area.pgoff + area.end - area.start):
                        if advice == "9":
                            self.now.step("punch_hole", area.file, k)
                        else:
                            self.now.step("madvise_dontneed", area.slot, k)
            case ["mprotect", page, length, protection]:
                for area in self.within(process, int(page), int(length)):
                    area.writable = protection == "3"
            case ["mbind", page, length, "2", mask, _]:
                for area in self.within(process, int(page), int(length)):
                    self.now.step("mbind", area.slot, self.mask(mask))
            case ["setpol", "2" | "0", mask]:
                task = self.of("TASKS", process)
                self.now.step("set_mempolicy", task, self.mask(mask))
            case ["mremap", page, old, new, flags, to]:
                return self.mremap(
                    process, int(page), int(old), int(new), int(flags), int(to)
                )
            case ["munmapb" | "mprotectb", *_]:
                return "err EINVAL"
            case ["maps" | "pmap" | "fstat" | "numa", *_]:
                pass
            case _:
                raise NotExpressible(" ".join(words))
        return "ok"

    # -- memory --

    def slot(self) -> Any:
        used = [a.slot for a in self.areas]
        slots = [self.of("VMAS", k) for k in range(self.bounds["V"])]
        return next(s for s in slots if s not in used)

    def within(self, process: int, page: int, length: int) -> list[Area]:
        """The areas inside a range, split at its ends where need be."""
        for at in (page, page + length):
            for a in list(self.areas):
                if a.process == process and a.start < at < a.end:
                    rest = Area(process, at, a.end, a.index(at), self.slot(), a.file,
                                a.writable)  # fmt: skip
                    self.now.step("split", a.slot, rest.slot, rest.pgoff)
                    a.end = at
                    self.areas.append(rest)
        return sorted(
            (
                a
                for a in self.areas
                if a.process == process and page <= a.start and a.end <= page + length
            ),
            key=lambda a: a.start,
        )

    def mmap(
        self, process: int, page: int, length: int, flags: str, fd: int, offset: int
    ) -> str:
        task, slot, file = self.of("TASKS", process), self.slot(), None
        noreserve = "N" in flags
        if flags.startswith("PA"):
            result = self.now.step("mmap", task, slot, length, noreserve)
        else:
            kind = "mmap_shared" if flags[0] == "S" else "mmap_private"
            anonymous = "A" in flags
            file = self.unused_file() if anonymous else self.descriptors[process, fd]
            result = self.now.step(
                kind, task, slot, file, offset, offset + length, noreserve
            )
            if anonymous:
                self.now.step("unlink", file)
        if result == Errno.OK:
            area = Area(process, page, page + length, offset, slot, file)
            self.areas.append(area)
            return "ok"
        return f"err {result.name}"

    def munmap(self, area: Area) -> None:
        self.now.step("munmap", area.slot)
        self.areas.remove(area)

    def touch(self, process: int, page: int, write: bool) -> str:
        for a in self.areas:
            if a.process == process and a.start <= page < a.end:
                if write and not a.writable:
                    return "sig SIGSEGV"
                result = self.now.step("touch", a.slot, a.index(page), write, True)
                return "ok" if result == Errno.OK else f"sig {result.name}"
        return "sig SIGSEGV"

    def fork(self, process: int, child: int) -> None:
        for a in [a for a in self.areas if a.process == process]:
            slot = self.slot()
            self.now.step("fork", a.slot, self.of("TASKS", child), slot)
            self.areas.append(
                Area(child, a.start, a.end, a.pgoff, slot, a.file, a.writable)
            )
        for (owner, fd), file in list(self.descriptors.items()):
            if owner == process:
                self.descriptors[child, fd] = file
        group = self.now.cgroup.of[self.of("TASKS", process)]
        self.now.step("cgroup_attach", self.of("TASKS", child), group)

    def mremap(
        self, process: int, page: int, old: int, new: int, flags: int, to: int
    ) -> str:
        if new > old or flags & 4:
            return "err EINVAL"
        for area in self.within(process, page + new, old - new):
            self.munmap(area)
        if flags & 2:
            area = next(
                a for a in self.areas if a.process == process and a.start == page
            )
            slot = self.slot()
            if new == area.end - area.start:
                self.now.step("mremap", area.slot, slot)
                area.slot = slot
            else:
                f = area.pgoff
                self.now.step("mremap_part", area.slot, slot, f, f + new)
                area.start, area.pgoff = area.start + new, area.pgoff + new
                area = Area(process, to, to + new, f, slot, area.file, area.writable)
                self.areas.append(area)
            area.start, area.end = to, to + new
        return "ok"

    def mask(self, mask: str) -> frozenset[Any]:
        return frozenset(
            self.of("NODES", n) for n in range(2) if int(mask, 16) >> n & 1
        )

    # -- files --

    def unused_file(self) -> Any:
        used = [*self.names.values(), *self.descriptors.values()]
        used += [a.file for a in self.areas if a.file is not None]
        files = [self.of("FILES", k) for k in range(self.bounds["F"])]
        return next(f for f in files if f not in used)

    def close(self, descriptor: tuple[int, int]) -> None:
        self.drop(self.descriptors.pop(descriptor))

    def drop(self, file: Any) -> None:
        """A name or a descriptor is gone: the last one is the unlink."""
        if file not in (*self.names.values(), *self.descriptors.values()):
            self.now.step("unlink", file)

    def falloc(
        self, process: int, file: Any, mode: int, offset: int, length: int
    ) -> str:
        task = self.of("TASKS", process)
        for page in range(offset, offset + length):
            if mode == 3:
                self.now.step("punch_hole", file, page)
                continue
            result = self.now.step("fallocate", task, file, page, True, True)
            if result != Errno.OK:
                return f"err {result.name}"
        if mode == 0:
            last = offset + length - 1
            self.now.step("fallocate", task, file, last, False, True)
        return "ok"
