# SPDX-License-Identifier: GPL-2.0-only
"""Random sequences of a design's actions, and of calls that are several of them.

Each sequence has features and bounds of its own. What comes next is drawn so
that actions, their results and pairs of actions that were rare so far become
less rare; `Tally` is what was so far. The same seed gives the same sequences.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from random import Random
from typing import Any

from poolproof.checker.conform.environment import (
    Config,
    NotExpressible,
    Taken,
)
from poolproof.checker.conform.hugetlb import RATIO, setup
from poolproof.checker.conform.machine import ModelMachine
from poolproof.checker.conform.sequence import Row, Run, ask, begin, finish
from poolproof.checker.conform.state import OK
from poolproof.checker.conform.system_calls import SystemCalls
from poolproof.checker.conform.writing import CommandWriter
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb
from poolproof.model.language import (
    Disabled,
    ModelError,
    Values,
    action_methods,
    declared,
    parameters,
    with_needs,
)

CHANCES = {
    "hugetlbfs": 0.75,
    "private_files": 0.5,
    "noreserve": 0.5,
    "offsets": 0.5,
    "fork": 0.5,
    "reads": 0.6,
    "split": 0.5,
    "mremap": 0.4,
    "mremap_part": 0.15,
    "mremap_middle": 0.6,
    "dontneed": 0.5,
    "punch": 0.5,
    "fallocate": 0.5,
    "truncate": 0.45,
    "unlink": 0.5,
    "surplus": 0.6,
    "sysctl": 0.5,
    "resize_node": 0.5,
    "resize": 0.5,
    "mount": 0.4,
    "size": 0.6,
    "min_size": 0.6,
    "cpuset": 0.3,
    "mempolicy": 0.4,
    "mbind": 0.4,
    "policies": 0.6,
    "cgroup": 0.45,
    "cgroup_move": 0.6,
    "remote": 0.3,
    "migrate": 0.3,
    "userfaultfd": 0.25,
    "soft_offline": 0.1,
    "poison": 0.08,
}
"""How often a sequence has each feature of hugetlb."""

ALWAYS = ("exit",)
"""What every sequence has: no kernel is without it."""

NEEDED = {
    "cgroup": "hugetlb",
    "cpuset": "cpuset",
    "userfaultfd": "userfaultfd",
    "soft_offline": "memory_failure",
    "poison": "memory_failure",
}
"""What a kernel needs for a feature: a cgroup v2 controller, or an option."""

LARGEST = 5
"""What is written to nr_hugepages at most."""

WEIGHT = {
    "touch": 8.0,
    "mmap": 2.5,
    "mmap_shared": 3.0,
    "mmap_private": 2.0,
    "munmap": 1.3,
    "umount": 0.2,
    "mount": 3.0,
}


@dataclass
class Tally:
    """What the sequences so far had in them."""

    actions: Counter[str] = field(default_factory=Counter)
    results: Counter[tuple[str, str]] = field(default_factory=Counter)
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    features: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    def note(self, before: str, taken: Taken) -> None:
        self.actions[taken.action] += 1
        self.results[taken.action, taken.result.name] += 1
        self.pairs[before, taken.action] += 1


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a kernel offers to sequences: nodes, cgroup v2 controllers and options
    (``able``), pages of 1 GiB; ``leaks``: it can be restored where something is left
    behind.
    ``having``: features that every sequence has, ``without``: that none has."""

    nodes: int
    able: frozenset[str]
    leaks: bool = True
    gigantic: int = 0
    having: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


def settings(chance: Random, design: type[Hugetlb], offered: Capabilities) -> Config:
    """Random features and bounds of a design."""
    features = declared(design)[1]
    known = {*features} - {*offered.without}
    always = (*ALWAYS, *with_needs(features, offered.having))
    having = [name for name in always if name in known]
    limits = [name for name in ("size", "min_size") if name in known]
    for name, often in CHANCES.items():
        possible = name in known and {*with_needs(features, [name])} <= {name, *having}
        if name in NEEDED:
            possible &= NEEDED[name] in offered.able
        if name == "mount":
            possible &= bool(limits)
        if possible and chance.random() < often and name not in having:
            having.append(name)
    if (
        offered.gigantic
        and offered.leaks
        and "demote" in known
        and chance.random() < 0.5
    ):
        having.append("demote")
    if "demote" in having and "gigantic_mmap" in known and chance.random() < 0.7:
        having.append("gigantic_mmap")
    if "mount" in having and not {*limits} & {*having}:
        having.append(chance.choice(limits))
    draw = chance.randint
    pages, high = draw(1, 4), draw(1, 5)
    overcommit = draw(0, 3)
    bounds = {
        "nodes": offered.nodes,
        "blocks": draw(0, 3),
        "OC": overcommit,
        "T": draw(1, 3),
        "V": draw(2, 7),
        "P": pages,
        "files": draw(1, 3),
        "C": draw(1, 2),
        "MAX": high,
        "MIN": draw(1, min(pages, high)),
        "CG_MAX": draw(1, 5),
        "CG_RSVD": draw(1, 6),
        "CAP": 3 * LARGEST + overcommit,
    }
    if "demote" in having:
        bounds |= {"GIGANTIC": offered.gigantic, "RATIO": RATIO}
        bounds["CAP"] += RATIO * offered.gigantic
    cursors = (draw(0, offered.nodes - 1), draw(0, offered.nodes - 1))
    if "surplus" not in having:
        cursors = (offered.nodes - 1, offered.nodes - 1)
    return Config(bounds, tuple(having), cursors)


@dataclass
class Generator:
    """Makes runs of about ``steps`` actions each, taken inside ``watch``."""

    design: type[Hugetlb]
    offered: Capabilities
    seed: int
    steps: int
    tally: Tally = field(default_factory=Tally)
    watch: Callable[[], AbstractContextManager[object]] = nullcontext

    def __post_init__(self) -> None:
        self._chance = Random(self.seed)

    def runs(self) -> Iterator[Run]:
        """Runs without end."""
        while True:
            yield self.run()

    def run(self) -> Run:
        chance = self._chance
        setting = settings(chance, self.design, self.offered)
        memfds: Sequence[int] = ()
        if "unlink" in setting.having and "mount" not in setting.having:
            memfds = range(chance.choice((0, 0, 1)))
        commands = setup(setting, memfds)
        machine = begin(self.design, setting, commands)
        machine.watch = self.watch
        self.tally.features.update(setting.having)
        one = _RunUnderWay(machine, chance, self.tally)
        return one.run(commands, self.steps, self.offered.leaks)


class _BelowZero(Exception):
    """A counter fell below zero in the middle of several commands."""


class _RunUnderWay:
    """One run in the making."""

    def __init__(self, machine: ModelMachine, chance: Random, tally: Tally) -> None:
        self.machine = machine
        self.chance = chance
        self.tally = tally
        self.writer = CommandWriter(machine, chance)
        self.rows: list[Row] = []
        self.before = "start"
        source, binding = machine.now._source, machine.now._binding
        self.parameters: dict[str, dict[str, Values]] = {
            name: {
                n: binding.values(d) for n, d in parameters(source, function).items()
            }
            for name, (function, mark) in action_methods(source).items()
            if all(binding.on(feature) for feature in mark.when)
        }
        calls = SystemCalls(machine, chance, self.writer, self._ask)
        self.calls = list(calls.possible())

    def run(self, commands: Sequence[str], steps: int, leaks: bool) -> Run:
        ready, taken = self.machine.counters(), 0
        for _ in range(4 * steps):
            if taken >= steps or self.machine.below_zero():
                break
            kept, saved = len(self.rows), self.machine.saved()
            try:
                if self.calls and self.chance.random() < 0.12:
                    self._call()
                else:
                    self._action()
                if self.machine.full():
                    raise NotExpressible("a node as full as the bounds allow")
            except NotExpressible as e:
                self.tally.left_out[str(e)] += 1
                del self.rows[kept:]
                self.machine.put_back(saved)
                continue
            except _BelowZero:
                pass  # the rows before it count
            for row in self.rows[kept:]:
                for t in row.taken:
                    self.tally.note(self.before, t)
                    self.before, taken = t.action, taken + 1
        if not self.machine.below_zero():
            self._look_around()
        run = finish(self.machine, commands, ready, self.rows)
        if not leaks and not run.drains:
            self.tally.left_out["a leak, on a kernel that cannot be restored"] += 1
            return finish(
                begin(self.machine.design, run.setting, commands), commands, ready, ()
            )
        return run

    def _ask(self, command: str) -> Row:
        """Add a row. Raise _BelowZero where the design predicts nothing any more,
        as `predict` adds none there."""
        if self.machine.below_zero():
            raise _BelowZero
        row = ask(self.machine, command)
        self.rows.append(row)
        return row

    # -- an action of the design --

    def _action(self) -> None:
        names = list(self.parameters)
        weights = [
            WEIGHT.get(n, 1.0) / (1 + self.tally.pairs[self.before, n]) ** 0.3
            for n in names
        ]
        (action,) = self.chance.choices(names, weights)
        arguments = self._arguments(action)
        if arguments is None:
            return
        for command in self.writer.commands(action, arguments):
            self._ask(command)
        if action in _CHANGES_VMAS:
            self._ask_maps()

    def _arguments(self, action: str) -> dict[str, Any] | None:
        """Arguments that are possible now, if some are found soon; of a few,
        those whose result was the rarest."""
        best, rarest = None, -1
        wanted = self.chance.choice((1, 1, 3))
        now = self.machine.now
        state = now.dump()
        for _ in range(8):
            drawn = {
                n: self._draw(action, n, v) for n, v in self.parameters[action].items()
            }
            if None in [drawn.get(name, 0) for name in ("vma", *_NEW, "vmas")]:
                return None
            try:
                result = now.step(action, *drawn.values()) or OK
            except (Disabled, ModelError, AssertionError):
                continue
            now.load(state)
            seen = self.tally.results[action, result.name]
            if rarest < 0 or seen < rarest:
                best, rarest = drawn, seen
            wanted -= 1
            if not wanted:
                break
        return best

    def _draw(self, action: str, name: str, values: Values) -> Any:
        """A value that is likely to be possible, None for a VMA that is not."""
        if name == "vma" or name in _NEW:
            free = name in _NEW or action.startswith("mmap")
            mapped = [a.slot for a in self.machine.around.areas]
            some = self.machine.free_slots() if free else mapped
            return self.chance.choice(some) if some else None
        if name == "vmas":
            return self._some_range()
        raw = self.chance.randint(values.lo, values.hi)
        if name == "count":
            raw = min(raw, self.chance.randint(0, LARGEST))
        if name in ("installed", "reads"):
            return True
        return values.python(raw)

    def _some_range(self) -> frozenset[Any] | None:
        """The slots of neighbouring areas of a process that has several."""
        several = [
            areas
            for p in self.machine.around.places
            if len(areas := self.machine.areas_of(p)) > 1
        ]
        if not several:
            return None
        areas = self.chance.choice(several)
        first = self.chance.randrange(len(areas) - 1)
        last = self.chance.randint(first + 2, len(areas))
        return frozenset(a.slot for a in areas[first:last])

    def _call(self) -> None:
        call = self.chance.choice(self.calls)
        kept = len(self.rows)
        call()
        if len(self.rows) > kept:
            self.tally.calls[call.__name__] += 1

    # -- looking --

    def _ask_maps(self) -> None:
        rows = (r for r in reversed(self.rows) if r.command.startswith("w "))
        process = next(rows).command.split()[1]
        if int(process) in self.machine.around.places:
            self._ask(f"w {process} maps")

    def _look_around(self) -> None:
        """What every process maps, which pages, on which nodes; the files."""
        machine = self.machine
        for process in machine.around.places:
            self._ask(f"w {process} maps")
            for a in machine.areas_of(process):
                self._ask(f"w {process} pmap {a.start} {a.length}")
                self._ask(f"w {process} numa {a.start}")
        for process, fd in machine.around.descriptors:
            self._ask(f"w {process} fstat {fd}")


_NEW = ("new", "rest")
"""Parameters for slots of VMAs that an action makes."""

_CHANGES_VMAS = frozenset(
    (
        "mmap",
        "mmap_shared",
        "mmap_private",
        "munmap_part",
        "split",
        "mremap",
        "mremap_part",
        "mremap_middle",
        "mbind",
        "mbind_mode",
        "fork",
    )
)
