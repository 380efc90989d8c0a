# SPDX-License-Identifier: GPL-2.0-only
"""Scenarios that were run on real kernels, with every counter after every call.

The file has one JSON object a line, in three forms:

    {"kernels": {"6.12": "6.12.117+deb12-cloud-amd64", ...}}
    {"scenario": "S01", "title": ..., "note": ..., "setup": [...], "counters": ...}
    {"step": ..., "result": ..., "counters": ..., "6.1": {"result": ..., ...}}

A step belongs to the scenario above it. Steps and setup are commands of the
agent, results and counters its words (agent.c). A row is what the first kernel
did; another kernel is named where it did something else. Pages are set up node
by node, because which node gets the odd page of `nr N` depends on a cursor that
nobody can read. Frames in the result of `pmap` are numbered in the order in
which a scenario shows them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from poolproof.checker.kernel.answer import Answer, Counters, parse_counters


@dataclass(frozen=True, slots=True)
class Row:
    """A step and what it did; `elsewhere` names the kernels that differ."""

    step: str
    answer: Answer
    elsewhere: tuple[tuple[str, Answer], ...] = ()

    def on(self, kernel: str) -> Answer:
        """What the step did on a kernel, "6.12" or "6.1"."""
        return dict(self.elsewhere).get(kernel, self.answer)


@dataclass(frozen=True, slots=True)
class Recording:
    """A recorded sequence; `ready` are the counters after its setup."""

    name: str
    title: str
    note: str
    setup: tuple[str, ...]
    ready: Counters
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Observations:
    """All scenarios, and the exact release of each kernel they were run on."""

    kernels: tuple[tuple[str, str], ...]
    scenarios: tuple[Recording, ...]


def read_observations(path: Path) -> Observations:
    """The scenarios in a file. Raises OSError, ValueError, KeyError."""
    head, *lines = (json.loads(line) for line in path.read_text().splitlines())
    kernels = tuple(head["kernels"].items())
    scenarios: list[Recording] = []
    rows: list[Row] = []
    for line in reversed(lines):
        if "scenario" in line:
            scenarios.append(_scenario(line, rows))
            rows = []
        else:
            rows.insert(0, _row(line, [name for name, _ in kernels]))
    return Observations(kernels, tuple(reversed(scenarios)))


def name_frames(results: Sequence[tuple[str, str]]) -> list[str]:
    """The results of (step, result) pairs with page frames numbered from 0.

    Which frame a kernel takes says nothing; which pages share one does.
    """
    numbers: dict[str, int] = {}
    named: list[str] = []
    for step, result in results:
        words = result.split()
        if step.split()[2:3] == ["pmap"] and words[:1] == ["ok"]:
            words[1:] = [_frame(word, numbers) for word in words[1:]]
        named.append(" ".join(words))
    return named


def _frame(word: str, numbers: dict[str, int]) -> str:
    if word == "-":
        return word
    frame = word.removesuffix("x")
    number = numbers.setdefault(frame, len(numbers))
    return f"{number}{word[len(frame) :]}"


def _scenario(line: dict[str, object], rows: Sequence[Row]) -> Recording:
    setup = line["setup"]
    if not isinstance(setup, list):
        raise ValueError(f"the setup of {line['scenario']} is no list")
    return Recording(
        name=str(line["scenario"]),
        title=str(line["title"]),
        note=str(line["note"]),
        setup=tuple(map(str, setup)),
        ready=parse_counters(str(line["counters"])),
        rows=tuple(rows),
    )


def _row(line: dict[str, dict[str, str]], kernels: Sequence[str]) -> Row:
    elsewhere = [(name, _answer(line[name])) for name in kernels if name in line]
    return Row(str(line["step"]), _answer(line), tuple(elsewhere))


def _answer(said: dict[str, str] | dict[str, dict[str, str]]) -> Answer:
    return Answer(str(said["result"]), parse_counters(str(said["counters"])))
