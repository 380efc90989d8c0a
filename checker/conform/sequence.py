# SPDX-License-Identifier: GPL-2.0-only
"""A sequence of commands with what the design says to each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from poolproof.checker.conform.environment import UNKNOWN, Config, Taken
from poolproof.checker.conform.machine import ModelMachine
from poolproof.checker.kernel.answer import Answer, Counters
from poolproof.checker.kernel.kernel import SequenceOutcome
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb

_SIGN = 1 << 63


@dataclass(frozen=True, slots=True)
class Row:
    """A command, what the agent should answer, the actions that it means."""

    command: str
    result: str
    counters: Counters
    taken: tuple[Taken, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """A setup and what follows it, with the design's answers. ``ready`` are the
    counters after the setup; ``drains``: a reset leaves nothing behind;
    ``wrapped``: it ends where a counter fell below zero."""

    setting: Config
    setup: tuple[str, ...]
    ready: Counters
    rows: tuple[Row, ...]
    drains: bool
    wrapped: bool = False

    @property
    def commands(self) -> list[str]:
        """All of it, for a kernel that was reset."""
        return [*self.setup, *(row.command for row in self.rows)]


@dataclass(frozen=True, slots=True)
class Difference:
    """Where the two part. ``at`` is the row (-1: the setup; as many as there
    are rows: the reset after them); ``what`` are the observables."""

    at: int
    what: tuple[str, ...]


LEFT_BEHIND = "left behind"
"""The observable that a reset is: whether anything outlives it."""

SILENT = "no answer"


def begin(design: type[Hugetlb], setting: Config, setup: Sequence[str]) -> ModelMachine:
    """The machine after a setup that the design's start stands for. Raises
    NotExpressible."""
    machine = ModelMachine(design, setting)
    for command in setup:
        machine.assume(command)
    return machine


def predict(
    design: type[Hugetlb],
    setting: Config,
    setup: Sequence[str],
    commands: Sequence[str],
) -> Run:
    """What the design says to the commands. Rows after one where a counter
    fell below zero are left out. Raises NotExpressible."""
    machine = begin(design, setting, setup)
    ready = machine.counters()
    rows: list[Row] = []
    for command in commands:
        if machine.below_zero():
            break
        rows.append(ask(machine, command))
    return finish(machine, tuple(setup), ready, rows)


def ask(machine: ModelMachine, command: str) -> Row:
    """One command. Raises NotExpressible."""
    result = machine.run(command)
    return Row(command, result, machine.counters(), tuple(machine.taken))


def finish(
    machine: ModelMachine, setup: Sequence[str], ready: Counters, rows: Sequence[Row]
) -> Run:
    """The run; the machine is of no use afterwards."""
    wrapped = machine.below_zero()
    setting = machine.setting
    drains = not wrapped and machine.drains()
    return Run(setting, tuple(setup), ready, tuple(rows), drains, wrapped)


# --- comparing -------------------------------------------------------------


def observables(counters: Counters) -> dict[str, int]:
    """Every counter by name. Underflowed counters are reported as -1."""
    found = {
        "HugePages_Total": counters.total,
        "HugePages_Free": counters.free,
        "HugePages_Rsvd": counters.rsvd,
        "HugePages_Surp": counters.surp,
    }
    for k, node in enumerate(counters.nodes):
        for name, value in zip(node._fields, node, strict=True):
            found[f"node{k} {name}"] = value
    if counters.gigantic is not None:
        for name, value in zip(
            counters.gigantic._fields, counters.gigantic, strict=True
        ):
            found[f"gigantic {name}"] = value
    for group, charge in counters.cgroups:
        found[f"cg:{group} usage"] = charge.usage
        found[f"cg:{group} rsvd"] = charge.rsvd
    for mount, space in counters.mounts:
        found[f"m:{mount} blocks"] = space.blocks
        found[f"m:{mount} free"] = space.free
    return {name: -1 if not 0 <= v < _SIGN else v for name, v in found.items()}


_EXACT = frozenset(("maps", "pmap", "fstat", "numa", "mremap"))


def agrees(command: str, expected: str, seen: str) -> bool:
    """Return whether an answer is what was expected: word by word where the command
    asks for more than to be done, else the first words."""
    if expected == UNKNOWN:
        return True
    want, got = expected.split(), seen.split()
    if len(want) != len(got) and not _EXACT.isdisjoint(command.split()[2:3]):
        return False
    return len(want) <= len(got) and all(map(_word, want, got))


def _word(want: str, got: str) -> bool:
    name, equals, value = want.rpartition("=")
    if value == UNKNOWN:
        return got.startswith(name + equals)
    return want == got


def as_shown(command: str, result: str) -> str:
    """The agent's answer without what differs from boot to boot. Frames are as the
    design knows them: `x` mapped once, `s` mapped more often."""
    if command.split()[2:3] != ["pmap"] or not result.startswith("ok"):
        return result
    _, *frames = result.split()
    shown = ("-" if f == "-" else "x" if f.endswith("x") else "s" for f in frames)
    return " ".join(["ok", *shown])


def differing(row: Row, answer: Answer) -> tuple[str, ...]:
    """The observables of a row that are not as the design says."""
    seen = as_shown(row.command, answer.result)
    found = [] if agrees(row.command, row.result, seen) else ["result"]
    found += _counters_differing(row.counters, answer.counters)
    if len(row.taken) > 1:
        # between two actions a counter may fall below zero and come back:
        # the design has lost it then, the kernel has not
        ours = observables(row.counters)
        found = [name for name in found if ours.get(name) != -1]
    return tuple(found)


def _counters_differing(ours: Counters, theirs: Counters) -> list[str]:
    seen = observables(theirs)
    return [n for n, value in observables(ours).items() if seen.get(n) != value]


COMMITTED = "Committed_AS"
_MAKE_PROCESSES = frozenset(("spawn", "fork", "exit"))


def compare(
    run: Run, outcome: SequenceOutcome, alone: bool = False
) -> Difference | None:
    """The first difference between a run and what a kernel did; the setup
    counts as one row. Where the kernel is ``alone`` with the run, Committed_AS
    may change only with a process that comes or goes: huge pages are not in it.
    """
    ready = len(run.setup) - 1
    if ready >= 0:
        what = _counters_differing(run.ready, outcome.answers[ready].counters)
        bad = [a.result for a in outcome.answers[: ready + 1] if not a.ok]
        if what or bad:
            return Difference(-1, tuple(what) or ("result",))
    before = outcome.answers[ready].counters.committed if ready >= 0 else None
    for at, (row, answer) in enumerate(
        zip(run.rows, outcome.answers[ready + 1 :], strict=True)
    ):
        found = differing(row, answer)
        committed = answer.counters.committed
        if alone and _MAKE_PROCESSES.isdisjoint(row.command.split()[:3]):
            found += (COMMITTED,) * (committed != before and before is not None)
        before = committed
        if found:
            return Difference(at, found)
    if outcome.clean != run.drains and not run.wrapped:
        return Difference(len(run.rows), (LEFT_BEHIND,))
    return None
