# SPDX-License-Identifier: GPL-2.0-only
"""Logs of calls with observed counters, matched against the design.

A log has one JSON object a line:

    {"kernels": {"6.12": "6.12.117+deb12-cloud-amd64"}}
    {"scenario": "S01", "setup": ["nrnode 0 4", "spawn 0"], "counters": ...}
    {"step": "w 0 mmap 0 3 PA -1 0", "result": "ok", "counters": "8/8/3/0 ..."}

The first form, once and first, names the releases that were asked; without it
the design is taken as it is. The second begins a scenario on a kernel whose
pool is empty, and may be missing: then there is one scenario without a setup.
The third is a call with its answer, in the agent's words (checker/kernel/
agent.c); "counters" may be missing where they were not read. A key that is one
of the releases' names ("6.1": {"result": ..., ...}) has the answer of that kernel
if it differs.

Where the pool's two node cursors stood before a scenario cannot be read: a
scenario is accepted if one position explains all of its rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from poolproof.checker.conform.environment import NotExpressible
from poolproof.checker.conform.hugetlb import roomy, variant
from poolproof.checker.conform.machine import ModelMachine
from poolproof.checker.conform.sequence import (
    Row,
    as_shown,
    ask,
    differing,
    observables,
)
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.system import Span
from poolproof.checker.core.user_file import read_text
from poolproof.checker.kernel.answer import (
    Answer,
    Counters,
    MalformedAnswer,
    NodePool,
    parse_counters,
)
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb

_NOTHING = Counters(0, 0, 0, 0, ())


@dataclass(frozen=True, slots=True)
class LoggedCall:
    """A logged call: what each kernel answered; without counters, None."""

    step: str
    answers: Mapping[str, tuple[str, Counters | None]]

    def on(self, kernel: str) -> tuple[str, Counters | None]:
        return self.answers[kernel]


@dataclass(frozen=True, slots=True)
class LoggedRun:
    """Logged calls from an empty pool on; ``line`` is where it begins."""

    name: str
    setup: tuple[str, ...]
    ready: Counters | None
    steps: tuple[LoggedCall, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Log:
    """All scenarios, and the releases by the names that answers have."""

    kernels: Mapping[str, str]
    scenarios: tuple[LoggedRun, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """How far the design explains a scenario on a kernel.

    ``matched`` rows of ``rows``. Where that is not all, ``step`` is the call
    that it does not explain, and either ``why`` says what is missing in the
    design, or ``ours`` and ``theirs`` are the observables that differ.
    """

    scenario: str
    kernel: str
    matched: int
    rows: int
    step: str = ""
    why: str = ""
    ours: Mapping[str, str] | None = None
    theirs: Mapping[str, str] | None = None

    @property
    def accepted(self) -> bool:
        return self.matched == self.rows


# --- reading ---------------------------------------------------------------


def load(path: str) -> Log:
    """Reads a log file. Raises UserError."""
    return parse(read_text(path, "a log of calls"), path)


def parse(text: str, path: str) -> Log:
    """Reads the text of a log; ``path`` is for messages. Raises UserError."""
    kernels: Mapping[str, str] = {"": ""}
    scenarios: list[LoggedRun] = []
    steps: list[LoggedCall] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        where = Span(path, number, 1)
        entry = _object(line, where)
        if "kernels" in entry:
            if scenarios or steps:
                raise UserError(where, '"kernels" belongs into the first line')
            kernels = _kernels(entry["kernels"], where)
        elif "scenario" in entry:
            if steps and not scenarios:
                scenarios.append(LoggedRun("", (), None, (), number))
            steps = []
            scenarios.append(_scenario(entry, where))
        elif "step" in entry:
            if not scenarios:
                scenarios.append(LoggedRun("", (), None, (), number))
            steps.append(_seen(entry, kernels, where))
            last = scenarios[-1]
            scenarios[-1] = LoggedRun(
                last.name, last.setup, last.ready, tuple(steps), last.line
            )
        else:
            raise UserError(
                where, 'a "step", a "scenario" or "kernels" is expected here'
            )
    if not scenarios:
        raise UserError(Span(path, 1, 1), "no call is in this log")
    return Log(kernels, tuple(scenarios))


def _object(line: str, where: Span) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except json.JSONDecodeError as e:
        raise UserError(
            Span(where.file, where.line, e.colno), f"this is not JSON: {e.msg}"
        ) from None
    if not isinstance(entry, dict):
        raise UserError(where, "a JSON object is expected on each line")
    return entry


def _kernels(value: Any, where: Span) -> Mapping[str, str]:
    if not isinstance(value, dict) or not value:
        raise UserError(where, 'write {"kernels": {"NAME": "RELEASE"}}')
    return {str(k): str(v) for k, v in value.items()}


def _scenario(entry: Mapping[str, Any], where: Span) -> LoggedRun:
    setup = entry.get("setup", [])
    if not isinstance(setup, list) or not all(isinstance(c, str) for c in setup):
        raise UserError(where, '"setup" is a list of commands')
    ready = _counters(entry.get("counters"), where)
    return LoggedRun(str(entry["scenario"]), tuple(setup), ready, (), where.line)


def _seen(
    entry: Mapping[str, Any], kernels: Mapping[str, str], where: Span
) -> LoggedCall:
    def answer(of: Any) -> tuple[str, Counters | None]:
        if not isinstance(of, dict) or not isinstance(of.get("result"), str):
            raise UserError(
                where, 'a "result" is missing here, like "ok", "err ENOMEM"'
            )
        return of["result"], _counters(of.get("counters"), where)

    return LoggedCall(
        str(entry["step"]), {name: answer(entry.get(name, entry)) for name in kernels}
    )


def _counters(text: Any, where: Span) -> Counters | None:
    if text is None:
        return None
    try:
        return parse_counters(str(text))
    except MalformedAnswer as e:
        raise UserError(
            where,
            f"{e}; write TOTAL/FREE/RSVD/SURP and NR/FREE/SURPLUS for each node",
        ) from None


# --- matching --------------------------------------------------------------


def match(design: type[Hugetlb], log: Log) -> Iterator[Match]:
    """Each scenario on each kernel of the log. The design is taken as it is
    in the kernel's release."""
    for scenario in log.scenarios:
        for name, release in log.kernels.items():
            taken = variant(design, release) if release else design
            yield match_scenario(taken, scenario, name)


def match_scenario(design: type[Hugetlb], scenario: LoggedRun, kernel: str) -> Match:
    """The position of the node cursors that explains most."""
    nodes = len(_node_pools(scenario, kernel)) or 2
    best: Match | None = None
    for alloc, free in product(range(nodes), repeat=2):
        found = _match(design, scenario, kernel, nodes, (alloc, free))
        if found.accepted:
            return found
        if best is None or found.matched > best.matched:
            best = found
    assert best is not None
    return best


def _node_pools(scenario: LoggedRun, kernel: str) -> tuple[NodePool, ...]:
    for counters in (scenario.ready, *(s.on(kernel)[1] for s in scenario.steps)):
        if counters is not None:
            return counters.nodes
    return ()


def _match(
    design: type[Hugetlb],
    scenario: LoggedRun,
    kernel: str,
    nodes: int,
    cursors: tuple[int, int],
) -> Match:
    rows = len(scenario.steps)

    def stuck(at: int, step: str, why: str) -> Match:
        return Match(scenario.name, kernel, at, rows, step, why)

    commands = [*scenario.setup, *(seen.step for seen in scenario.steps)]
    try:
        machine = ModelMachine(design, roomy(design, commands, nodes, cursors))
        for command in scenario.setup:
            machine.run(command)
    except NotExpressible as e:
        return stuck(0, "(setup)", str(e))
    ready = Row("(setup)", "ok", machine.counters())
    found = _compared(scenario, kernel, 0, ready, "ok", scenario.ready)
    if found is not None:
        return found
    for at, seen in enumerate(scenario.steps):
        if machine.below_zero():
            return stuck(at, seen.step, "a counter fell below zero in the design")
        try:
            row = ask(machine, seen.step)
        except NotExpressible as e:
            return stuck(at, seen.step, str(e))
        found = _compared(scenario, kernel, at, row, *seen.on(kernel))
        if found is not None:
            return found
    return Match(scenario.name, kernel, rows, rows)


def _compared(
    scenario: LoggedRun,
    kernel: str,
    at: int,
    row: Row,
    result: str,
    counters: Counters | None,
) -> Match | None:
    """None where the row agrees."""
    if counters is None:
        row, counters = Row(row.command, row.result, _NOTHING, row.taken), _NOTHING
    names: Sequence[str] = differing(row, Answer(result, counters))
    if not names:
        return None
    ours: dict[str, str] = {}
    theirs: dict[str, str] = {}
    model, kernels = observables(row.counters), observables(counters)
    for name in names:
        ours[name] = str(model.get(name, ""))
        theirs[name] = str(kernels.get(name, "missing"))
        if name == "result":
            ours[name], theirs[name] = row.result, as_shown(row.command, result)
    return Match(
        scenario.name, kernel, at, len(scenario.steps), row.command, "", ours, theirs
    )
