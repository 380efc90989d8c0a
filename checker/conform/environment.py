# SPDX-License-Identifier: GPL-2.0-only
"""What is around the hugetlb design while commands act on it: processes,
addresses, protections, descriptors, names, cgroups by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from poolproof.model.blocks.numa import Mode

HUGE_PAGE = 2 << 20
WORKERS = 16

UNLIMITED = "root"
"""A cgroup without limits, which stands for the root: it has leaves."""

UNKNOWN = "?"
"""In a result: a word that the design does not tell."""

BIND = 2
STATIC = 1 << 15
"""MPOL_F_STATIC_NODES: the policy keeps its nodes when the cpuset changes."""

NOT_INSTALLED = "hugetlb_add_to_page_cache"
"""The call that fails in an action whose ``installed`` is false."""

DONTNEED, REMOVE, DONTFORK, DOFORK = "4", "9", "10", "11"
SOFT_OFFLINE = "101"

MOVE = 2
"""mbind's flag MPOL_MF_MOVE."""

LIMITS = {"hugetlb.2MB.max": "CG_MAX", "hugetlb.2MB.rsvd.max": "CG_RSVD"}
OPTIONS = {"size": "MAX", "min_size": "MIN"}


class NotExpressible(Exception):
    """The design has no word for a command; the message says what is missing."""


class GuardFails(NotExpressible):
    """A command means an action that is not possible in this state."""


class DesignBreaks(NotExpressible):
    """An action leaves a field's range, or an assert of the design fails."""


class Refused(Exception):
    """An action within a command fails, and so the command does: its errno."""

    def __init__(self, errno: str) -> None:
        super().__init__(errno)
        self.errno = errno


Policy = tuple[frozenset[Any], Mode]
"""The nodes and the mode of a memory policy; no nodes: the default."""


class Taken(NamedTuple):
    """An action that a command meant, with its arguments and its result."""

    action: str
    arguments: tuple[Any, ...]
    result: Any


@dataclass(frozen=True, slots=True)
class Config:
    """The design's sizes and features. ``cursors`` are the nodes that the pool's
    two round-robin cursors (alloc, free) stand on at the start. ``bare``: a
    kernel after a reset, where nr_overcommit_hugepages is 0, whatever OC is."""

    bounds: Mapping[str, int]
    having: tuple[str, ...]
    cursors: tuple[int, int] = (0, 0)
    bare: bool = False


@dataclass(slots=True)
class Area:
    """A VMA in a process: pages start..end, from index ``pgoff`` of its file."""

    process: int
    start: int
    end: int
    pgoff: int
    slot: Any
    file: Any = None
    shared: bool = False
    protection: int = 3
    forked: bool = True

    @property
    def length(self) -> int:
        return self.end - self.start

    @property
    def writable(self) -> bool:
        return bool(self.protection & 2)

    def index(self, page: int) -> int:
        """The page index of its file at an address."""
        return page - self.start + self.pgoff

    def __str__(self) -> str:
        r, w = "r" * (self.protection & 1), "w" * self.writable
        kind = "s" if self.shared else "p"
        return f"{self.start}+{self.length}:{r or '-'}{w or '-'}-{kind}@{self.pgoff}"


@dataclass
class Environment:
    """What is around the design: all that a command names.

    ``areas`` are in the order in which a file's i_mmap has those that begin at
    the same index: a child's after its parent's, else the newest last.
    ``places`` has the live processes, oldest first, and the cgroup of each
    ("" where it was born). ``gigantic`` are the processes' mappings of pages of 1 GiB,
    each by its number. ``touched`` is the process and the page of the last
    command, if that was a touch: the page is in its page table. ``wanted`` are VMA
    slots for the next VMAs. ``corrupted``: a page has a memory error, which outlives
    a reset.
    """

    areas: list[Area] = field(default_factory=list)
    places: dict[int, str] = field(default_factory=dict)
    descriptors: dict[tuple[int, int], Any] = field(default_factory=dict)
    names: dict[str, Any] = field(default_factory=dict)
    groups: list[str] = field(default_factory=list)
    mems: dict[str, frozenset[Any]] = field(default_factory=dict)
    mounts: dict[str, bool] = field(default_factory=dict)
    floating: bool = False
    gigantic: set[tuple[int, int]] = field(default_factory=set)
    touched: tuple[int, int] | None = None
    wanted: list[Any] = field(default_factory=list)
    corrupted: bool = False

    def copy(self) -> Environment:
        return Environment(
            [replace(a) for a in self.areas],
            dict(self.places),
            dict(self.descriptors),
            dict(self.names),
            list(self.groups),
            dict(self.mems),
            dict(self.mounts),
            self.floating,
            set(self.gigantic),
            self.touched,
            list(self.wanted),
            self.corrupted,
        )


# --- the words of commands --------------------------------------------------


def node_list(text: str) -> list[int]:
    """The nodes of a list like "0-1,3"."""
    found: list[int] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def limits(options: str) -> dict[str, int]:
    """The bounds that a mount's options give. Raises NotExpressible."""
    found: dict[str, int] = {}
    for option in filter(None, options.split(",")):
        name, _, size = option.partition("=")
        if name not in OPTIONS or not size.endswith("M") or int(size[:-1]) % 2:
            raise NotExpressible(f"a mount with {option}")
        found[OPTIONS[name]] = int(size[:-1]) // 2
    return found
