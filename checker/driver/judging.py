# SPDX-License-Identifier: GPL-2.0-only
"""Verdicts beside expectations. Every violation and every witness is replayed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.limits import Spent
from poolproof.checker.core.property import Property
from poolproof.checker.core.verdict import (
    Defect,
    Holds,
    Outcome,
    Reached,
    Shown,
    Unknown,
    Unreachable,
    Vacuous,
    Verdict,
    Violated,
)
from poolproof.checker.driver.branches import BranchCoverage
from poolproof.checker.driver.task import Task
from poolproof.checker.evidence.replay import Replay, confirm, confirm_defect
from poolproof.checker.spec import Resolved


class EnginesDisagree(Exception):
    """Two engines contradict each other: a bug of poolproof."""


class ExpectationStatus(Enum):
    """The comparison of a verdict with the outcome that the spec's author stated."""

    MET = "expected"
    UNMET = "unexpected"
    VACUOUS = "vacuous"
    """As expected, but only because nothing happens."""
    OPEN = "open"


@dataclass(frozen=True)
class PropertyResult:
    """The result of one property: each engine's verdict, the decisive one first,
    the replay of its trace, and the outcome that the spec as written expects.
    ``as_stated`` is false if they differ, but the spec as written has other bounds
    or features than those that were checked."""

    prop: Property
    verdicts: tuple[tuple[str, Verdict], ...]
    replay: Replay | None
    status: ExpectationStatus
    expected: str
    as_stated: bool = True

    @property
    def verdict(self) -> Verdict:
        return self.verdicts[0][1]


@dataclass(frozen=True)
class CheckResult:
    """A task's outcome. ``mistakes`` are places of the spec that some run
    showed to be undefined. ``branches``: those of the design's text, if a search was
    to follow them."""

    task: Task
    outcomes: tuple[Outcome, ...]
    answers: tuple[PropertyResult, ...]
    defects: tuple[tuple[Defect, Replay], ...]
    mistakes: tuple[UserError, ...]
    interrupted: bool = False
    branches: BranchCoverage | None = None


def judge(
    task: Task, outcomes: tuple[Outcome, ...], interrupted: bool, kept: bool = False
) -> CheckResult:
    """Return the result; ``kept`` are outcomes that were judged before, see
    `replay.again`."""
    verdicts: dict[str, list[tuple[str, Verdict]]] = {}
    for outcome in outcomes:
        for name, verdict in outcome.verdicts.items():
            verdicts.setdefault(name, []).append((outcome.engine, verdict))
    mistakes: list[UserError] = []
    undefined: set[str] = set()
    for hidden in task.resolved.obligations:
        for _, verdict in verdicts.get(hidden.name, ()):
            if isinstance(verdict, Violated):
                confirm(task.compiled, hidden, verdict.trace)
                mistakes.append(UserError(hidden.span, hidden.title))
                undefined.add(Resolved.owner(hidden.name))
                break
    answers: list[PropertyResult] = []
    for prop in task.resolved.properties:
        if prop.name in undefined:
            found: list[tuple[str, Verdict]] = [
                (outcomes[0].engine, Unknown("the property is not defined everywhere"))
            ]
        else:
            found = _ranked(prop, verdicts.get(prop.name, []))
        answers.append(_answer(task, prop, found, interrupted, kept))
    defects = tuple(
        (d, confirm_defect(task.compiled, d)) for o in outcomes for d in o.defects
    )
    return CheckResult(
        task, outcomes, tuple(answers), defects, tuple(mistakes), interrupted
    )


def _answer(
    task: Task,
    prop: Property,
    found: list[tuple[str, Verdict]],
    interrupted: bool,
    kept: bool,
) -> PropertyResult:
    if not found:
        reason = "interrupted" if interrupted else "no engine checked it"
        found = [("", Unknown(reason))]
    first = found[0][1]
    replayed = None
    if isinstance(first, Shown):
        try:
            replayed = confirm(task.compiled, prop, first.trace, first.shortest, kept)
        except Spent as spent:
            first = Unknown(str(spent))
            found = [(found[0][0], first)]
    elsewhere = prop.expect is not None and prop.expect.elsewhere
    status, expected = compare(prop, first, task.as_written and not elsewhere)
    stated = status is compare(prop, first)[0]
    return PropertyResult(prop, tuple(found), replayed, status, expected, stated)


def _ranked(
    prop: Property, found: list[tuple[str, Verdict]]
) -> list[tuple[str, Verdict]]:
    """Return the verdicts, the most informative first. Contradictions are bugs."""

    def key(item: tuple[str, Verdict]) -> int:
        match item[1]:
            case Violated() | Reached():
                return 0
            case Vacuous():
                return 1
            case Holds(exhaustive=False):
                return 2
            case Holds() | Unreachable():
                return 3
            case Unknown():
                return 4

    ordered = sorted(found, key=key)
    said = {type(v) for _, v in ordered} - {Unknown}
    if said & {Violated, Reached} and len(said) > 1:
        raise EnginesDisagree(
            f"{prop.name}: "
            + ", ".join(f"{e} says {type(v).__name__}" for e, v in ordered)
        )
    return ordered


def compare(
    prop: Property, verdict: Verdict, as_written: bool = True
) -> tuple[ExpectationStatus, str]:
    """Return whether the verdict is as expected, and the expectation in words.

    Without ``expect``, a property should hold and a reachable one be
    reached; vacuous is neither, unless it is expected. At other bounds than
    those of the expectation, no depth is expected, and what was expected to be
    violated may hold."""
    want = prop.expect.verdict if prop.expect else prop.kind.outcomes[0]
    depth = prop.expect.depth if prop.expect else None
    stated = want if depth is None else f"{want} at {depth}"
    depth = depth if as_written else None
    match verdict:
        case Unknown() if want == "unknown":
            return ExpectationStatus.MET, stated
        case Unknown(depth=covered):
            late = want in ("violated", "reachable") and depth is not None
            if late and depth is not None and covered >= depth:
                return ExpectationStatus.UNMET, stated
            return ExpectationStatus.OPEN, stated
        case Vacuous() if want == "vacuous":
            return ExpectationStatus.MET, stated
        case Vacuous(of=of):
            alike, stated = compare(prop, of, as_written)
            fine = alike is ExpectationStatus.MET
            return (ExpectationStatus.VACUOUS if fine else alike), stated
        case (
            Violated(trace=trace, shortest=shortest)
            | Reached(trace=trace, shortest=shortest)
        ):
            wrong = expectation(verdict) != want or (
                depth is not None
                and (len(trace) != depth if shortest else len(trace) < depth)
            )
        case Unreachable():
            wrong = want != "unreachable"
        case Holds():
            wrong = want != "holds" and as_written
    return (ExpectationStatus.UNMET if wrong else ExpectationStatus.MET), stated


def expectation(verdict: Verdict) -> str:
    """Return the verdict as `expect` writes it."""
    match verdict:
        case Holds():
            return "holds"
        case Violated():
            return "violated"
        case Reached():
            return "reachable"
        case Unreachable():
            return "unreachable"
        case Vacuous():
            return "vacuous"
        case Unknown():
            return "unknown"


def exit_code(checked: Sequence[CheckResult], strict: bool = False) -> int:
    """0 all as expected · 1 something is not · 2 an error in a design or a
    spec · 3 something is not known, or with ``strict`` vacuous: a property, or
    a spec of which no property applies to any of its designs."""
    if any(c.defects or c.mistakes for c in checked):
        return 2
    judgements = [a.status for c in checked for a in c.answers]
    if ExpectationStatus.UNMET in judgements:
        return 1
    stopped = any(c.interrupted for c in checked)
    asking = {c.task.spec.file for c in checked if not c.task.asks_nothing}
    empty = any(c.task.spec.file not in asking for c in checked)
    vacuous = strict and (empty or ExpectationStatus.VACUOUS in judgements)
    return 3 if ExpectationStatus.OPEN in judgements or stopped or vacuous else 0
