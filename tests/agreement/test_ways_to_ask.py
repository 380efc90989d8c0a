# SPDX-License-Identifier: GPL-2.0-only
"""check, guarantee, mutate and size answer the same question alike.

Each asks a shipped property of a design with a path of its own through the
checker: guarantee compiles and resolves one property at a time, mutate has a
search of its own, size asks invariants of a product of the design with a
scenario in which anything may be called at any time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest

from poolproof.checker.core.ir import BOOL
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.verdict import (
    Budget,
    Shown,
    Silent,
    Unknown,
    Vacuous,
    Verdict,
)
from poolproof.checker.driver.check import run
from poolproof.checker.driver.designs import designs_for, shipped_specs
from poolproof.checker.driver.guarantee import Guarantee, ask
from poolproof.checker.driver.mutate import look
from poolproof.checker.driver.size import SizeTask, find_size
from poolproof.checker.driver.task import Request, Task, prepare
from poolproof.checker.spec import parse, parse_text
from poolproof.checker.spec.syntax import Scenario, Spec

STATES = 2000
"""States of each search; what is not decided within them is not compared."""


@dataclass(frozen=True)
class Answer:
    """After how many steps a property is violated or reached; None: never."""

    depth: int | None


Told = dict[str, Answer]
"""By property, what is known of it."""


def answer(verdict: Verdict) -> Answer | None:
    if isinstance(verdict, Vacuous):
        verdict = verdict.of
    if isinstance(verdict, Unknown):
        return None
    return Answer(len(verdict.trace) if isinstance(verdict, Shown) else None)


# --- the four ways --------------------------------------------------------


def by_check(task: Task) -> Told:
    budget = Budget(states=STATES)
    found = {
        a.prop.name: answer(a.verdict)
        for a in run(task, "explicit", budget, Silent()).answers
    }
    return {name: told for name, told in found.items() if told is not None}


def by_mutate(task: Task) -> Told:
    search = look(task, STATES).profile
    return {
        p.name: Answer(search.found.get(p.name))
        for p in search.queries
        if search.complete or p.name in search.found
    }


def by_guarantee(task: Task) -> Told:
    """It knows no `without`, and no witnesses."""
    told: Told = {}
    for spec, prop in alone(task):
        if prop.kind is Kind.REACHABLE or task.sizes.without:
            continue
        size = task.compiled.bounds
        done = Guarantee(task.known, spec.file, prop.name, prop.title, (size,))
        finding = ask(done, spec, task.sizes.having, STATES)
        assert finding is not None, prop.name
        assert not finding.defect, prop.name
        if finding.complete:
            told[prop.name] = Answer(finding.depth)
    return told


def by_size(task: Task) -> Told:
    """It asks invariants: the design is the environment of no task at all."""
    told: Told = {}
    for spec, prop in alone(task):
        if prop.kind is not Kind.INVARIANT or not task.compiled.bounds:
            continue
        budget = Budget(states=STATES)
        spec = replace(spec, bounds=())  # the scenario has them
        found = find_size(SizeTask(anything(task), spec, task.known), budget, Silent())
        (at,) = found.sizes
        if at.failure is not None:
            if at.failure.kind == prop.name:
                told[prop.name] = Answer(len(at.failure.replay.taken))
            else:  # size asks the design's own assertions, too, and stops at the first
                assert at.failure.kind in {p.name for p in task.resolved.properties}
        elif not at.unknown:
            told[prop.name] = Answer(None)
    return told


def alone(task: Task) -> Iterator[tuple[Spec, Property]]:
    """The spec with one of its properties."""
    for claim in task.spec.claims:
        for prop in task.resolved.properties:
            if prop.name == claim.name.text:
                yield replace(task.spec, claims=(claim,)), prop


def anything(task: Task) -> Scenario:
    """Any call at any time, at the task's own bounds."""
    bounds = task.compiled.bounds
    name, value = next(iter(bounds.items()))
    line = ", ".join(f"{n} = {v}" for n, v in bounds.items() if n != name)
    for how, names in (("without", task.sizes.without), ("with", task.sizes.having)):
        line += f" {how} {', '.join(names)}" if names else ""
    line = f"bounds {line}" if line else ""
    calls = []
    for action in task.compiled.system.actions:
        shown = [
            p
            for p in action.parameters
            if not p.implicit and (p.local.sort is not BOOL or len(p.domain) > 1)
        ]
        calls.append(f"{action.name}({', '.join('_' for _ in shown)})")
    text = (
        f'spec "anything"\nscenario anything:\n    {line}\n'
        f"    size {name} = {value}..{value}\n    environment {', '.join(calls)}\n"
    )
    (scenario,) = parse_text(text, "anything.scenario").scenarios
    return scenario


# --- they agree -----------------------------------------------------------


@cache
def read(path: str) -> Spec:
    return parse(path)


def pairs() -> list[tuple[str, str]]:
    """Each shipped spec with each design that it is for."""
    return [
        (Path(path).stem, known.name)
        for path in shipped_specs()
        for known in designs_for(read(path), ())
    ]


def compared(stem: str, design: str) -> int:
    """How many answers of others were held against check's."""
    path = next(p for p in shipped_specs() if Path(p).stem == stem)
    (task,) = prepare(read(path), Request(designs=(design,)))
    told = by_check(task)
    number = 0
    for way in (by_mutate, by_guarantee, by_size):
        others = way(task)
        both = told.keys() & others.keys()
        assert {n: others[n] for n in both} == {n: told[n] for n in both}, way.__name__
        number += len(both)
    return number


SAMPLE = [
    ("hugetlb_dontneed", "Hugetlb"),
    ("hugetlb_mempolicy", "Hugetlb"),
    ("promise_memcg", "Shmem1g"),
    ("promise_partial", "Shmem1g"),
    ("promise_poison", "Hugetlb"),
    ("liveness", "Hugetlb"),
]
"""Small ones: invariants, steps, witnesses and `leads to`; held and violated."""


@pytest.mark.parametrize(
    ("spec", "design"),
    [
        pytest.param(*pair, marks=pytest.mark.slow if pair == SAMPLE[2] else ())
        for pair in SAMPLE
    ],
)
def test_a_sample(spec: str, design: str) -> None:
    assert compared(spec, design) > 1


@pytest.mark.slow
@pytest.mark.parametrize(("spec", "design"), pairs())
def test_every_shipped_pair(spec: str, design: str) -> None:
    compared(spec, design)
