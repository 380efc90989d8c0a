# SPDX-License-Identifier: GPL-2.0-only
"""What conformance knows of the hugetlb design by name: which variant is which
kernel, the setup that its start stands for, the sizes that a log needs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from poolproof.checker.conform.environment import (
    HUGE_PAGE,
    LIMITS,
    OPTIONS,
    UNLIMITED,
    Config,
)
from poolproof.checker.conform.environment import limits as mount_limits
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb
from poolproof.model.designs.hugetlb.versions import (
    Hugetlb61,
    Hugetlb70,
    Hugetlb615,
    Hugetlb618,
)
from poolproof.model.language import declared

VARIANTS: Mapping[tuple[int, ...], type[Hugetlb]] = {
    (6, 1): Hugetlb61,
    (6, 12): Hugetlb,
    (6, 15): Hugetlb615,
    (6, 18, 44): Hugetlb618,
    (7, 0): Hugetlb70,
}
"""The design of a kernel, and of those after it up to the next one."""

KNOWN = frozenset(
    (
        "vm_mm",
        "vm_start",
        "vm_end",
        "vm_file",
        "vm_private",
        "i_size",
        "linked",
        "mpol.mempolicy",
        "mpol.vm_policy",
        "mpol.mode",
        "mpol.vm_mode",
        "mpol.mems_allowed",
        "cgroup.of",
        "spool.mounted",
        "h.nr_overcommit_huge_pages",
    )
)
"""Fields that user space decides by its calls and can read at any time:
/proc/PID/maps and numa_maps, fstat(2), the cgroups' files, /proc/mounts."""

COUNTED = {
    "h.nr_huge_pages_node": "node{} nr",
    "h.free_huge_pages_node": "node{} free",
    "h.surplus_huge_pages_node": "node{} surplus",
    "h.resv_huge_pages": "HugePages_Rsvd",
    "usage.usage": "cg:{group} usage",
    "rsvd.usage": "cg:{group} rsvd",
}
"""Fields that are counters: the observable (`sequence.observables`) of each."""

RATIO = 512
"""Pages that a page of 1 GiB is demoted to."""

MOUNT = "m"
"""The mount of the files f0, f1 ..."""


def variant(design: type[Hugetlb], release: str) -> type[Hugetlb]:
    """The design as it is in a release of the kernel. A design that is no
    shipped variant is somebody's own, and stays what it is."""
    if design not in VARIANTS.values():
        return design
    numbers = tuple(int(n) for n in re.findall(r"\d+", release)[:3])
    older = [version for version in sorted(VARIANTS) if version <= numbers]
    return VARIANTS[older[-1] if older else min(VARIANTS)]


def group(k: int) -> str:
    """The name of the design's cgroup k."""
    return f"c{k}"


def counter_of(field: str, index: Sequence[int]) -> str:
    """Return the observable that a cell is; "" where it is no counter."""
    if field not in COUNTED:
        return ""
    return COUNTED[field].format(*index, group=group(*index[:1] or (0,)))


def leaf(place: str, task: int) -> str:
    """The cgroup in a cgroup (or in UNLIMITED) with a task's memory nodes."""
    return f"{place}/t{task}"


def path(file: int) -> str:
    """The name of the design's file."""
    return f"/mnt/{MOUNT}/f{file}"


def mount_options(setting: Config) -> str:
    """size= and min_size= as the setting's features and bounds want them."""
    return ",".join(
        f"{feature}={2 * setting.bounds[bound]}M"
        for feature, bound in OPTIONS.items()
        if feature in setting.having
    )


def setup(setting: Config, memfds: Sequence[int] = ()) -> list[str]:
    """The commands after which a kernel is where the design starts: after a
    reset both cursors of the pool stand on the last node. All of T's
    processes run; ``memfds`` are files that are memfds, open in each as 8, 9
    ..., the others are on a mount, once there is one.
    """
    has, bounds = setting.having, setting.bounds
    commands = _pool(setting)
    if "surplus" in has:
        commands.append(f"oc {bounds['OC']}")
    if "hugetlbfs" in has and "mount" not in has:
        commands.append(f"mount {MOUNT}")
    commands += _cgroups(setting)
    commands.append("spawn 0")
    commands += [f"w 0 memfd {8 + k}" for k, _ in enumerate(memfds)]
    for task in range(1, bounds["T"]):
        commands.append(f"w 0 fork {task}" if memfds else f"spawn {task}")
    if "cpuset" in has:
        commands += [f"cg attach {leaf(UNLIMITED, t)} {t}" for t in range(bounds["T"])]
    return commands


def _pool(setting: Config) -> list[str]:
    """The nodes' pages, and the cursors: growing moves one, shrinking both."""
    nodes, pages = range(setting.bounds["nodes"]), setting.bounds["blocks"]
    alloc, free = setting.cursors
    commands = [f"nrnode {n} {pages}" for n in nodes if pages]
    if "surplus" not in setting.having:
        return commands
    if alloc == free:
        return [*commands, f"nrnode {free} {pages + 1}", f"nrnode {free} {pages}"]
    return [
        *commands,
        *(f"nrnode {free} {pages + 1}", f"nrnode {alloc} {pages + 1}"),
        *(f"nrnode {alloc} {pages}", f"nrnode {free} {pages}"),
    ]


def _cgroups(setting: Config) -> list[str]:
    has, bounds = setting.having, setting.bounds
    commands: list[str] = []
    groups = []
    if "cgroup" in has:
        groups = [group(k) for k in range(bounds["C"])]
        for name in groups:
            commands.append(f"cg mk {name}")
            for file, bound in LIMITS.items():
                commands.append(f"cg set {name} {file} {bounds[bound] * HUGE_PAGE}")
    if "cpuset" in has:
        commands.append(f"cg mk {UNLIMITED}")
        for place in (UNLIMITED, *groups):
            commands.append(f"cg set {place} cgroup.subtree_control +cpuset")
            commands += [f"cg mk {leaf(place, t)}" for t in range(bounds["T"])]
    return commands


# --- logs ------------------------------------------------------------------

OUT_OF_REACH = frozenset(("memcg", "pins", "fragments", "descriptors", "offline"))
"""Features that no command of the agent reaches."""

WITHOUT_C = OUT_OF_REACH | {
    *("remote", "migrate", "gigantic_mmap"),
    *("userfaultfd", "poison", "soft_offline"),
}
"""Features that no C program of a trace reaches."""

_LEFT_OUT = OUT_OF_REACH | {
    *("mount", "size", "min_size", "inject", "demote", "gigantic_mmap")
}


def roomy(
    design: type[Hugetlb],
    commands: Sequence[str],
    nodes: int = 2,
    cursors: tuple[int, int] = (0, 0),
) -> Config:
    """Every feature, and bounds that are enough for a list of commands. The
    pool starts empty, nothing runs. Raises NotExpressible."""
    _, features = declared(design)
    having = {name for name in features if name not in _LEFT_OUT}
    bounds = {
        "nodes": nodes,
        "blocks": 0,
        "OC": 0,
        "T": 1,
        "V": 4,
        "P": 1,
        "files": 1,
        "C": 1,
        "CG_MAX": 99,
        "CG_RSVD": 99,
    }
    capacity = 4
    forks = 0

    def least(bound: str, value: int) -> None:
        bounds[bound] = max(bounds[bound], value)

    for command in commands:
        match command.split():
            case ["nr" | "nrnode", *_, count]:
                capacity = max(capacity, int(count) + 2)
            case ["oc", count]:
                least("OC", int(count))
            case ["demote", count]:
                having |= {"demote", "gigantic_mmap"}
                bounds["GIGANTIC"] = bounds.get("GIGANTIC", 0) + int(count)
                bounds["RATIO"] = RATIO
                capacity += RATIO
            case ["cg", "mk", name] if "/" not in name and name != UNLIMITED:
                bounds["C"] += 1
            case ["cg", "set", _, file, limit] if file in LIMITS and limit.isdigit():
                bounds[LIMITS[file]] = int(limit) // HUGE_PAGE
            case ["mount", _, *options] if options:
                least("P", mount_limits(",".join(options)).get("MIN", 1))
            case ["spawn", process]:
                least("T", int(process) + 1)
            case ["w", _, "fork", child]:
                least("T", int(child) + 1)
                forks += 1
            case ["w", _, "mmap", _, length, flags, _, offset, *_]:
                least("P", int(length) + int(offset))
                bounds["V"] += 1
                bounds["files"] += "SA" in flags
            case ["w", _, "open" | "memfd", *_]:
                bounds["files"] += 1
            case ["w", _, "falloc", _, _, offset, length]:
                least("P", int(offset) + int(length))
            case ["w", _, "trunc", _, size]:
                least("P", int(size))
            case ["w", _, "munmap" | "mprotect" | "madv" | "mbind" | "mremap", *_]:
                bounds["V"] += 2
    bounds["V"] = min(bounds["V"] * (1 + min(forks, 3)), 40)
    bounds["files"] = min(bounds["files"], 8)
    bounds["CAP"] = capacity + bounds["OC"]
    return Config(bounds, tuple(sorted(having)), cursors, bare=True)
