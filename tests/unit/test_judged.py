# SPDX-License-Identifier: GPL-2.0-only
"""Which verdicts rest on nothing, by what an engine says never happens."""

from __future__ import annotations

import pytest

from poolproof.checker.core import ir
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.system import Action, TransitionSystem
from poolproof.checker.core.vacuity import judged, never_possible
from poolproof.checker.core.verdict import (
    Holds,
    Outcome,
    Reached,
    Statistics,
    Trace,
    Unknown,
    Unreachable,
    Vacuous,
    Verdict,
    Violated,
)

A, B = ir.var("a", ir.BOOL), ir.var("b", ir.BOOL)
UP, DOWN = (Action(name, (), ir.TRUE, {}, None) for name in ("up", "down"))
SYSTEM = TransitionSystem("s", (), (UP, DOWN), ir.TRUE, {}, {})
TRACE = Trace((), ())
HOLDS, UNREACHABLE = Holds(True), Unreachable(True)

ALWAYS = Property("p", Kind.INVARIANT, ir.TRUE)
ASKED = Property("p", Kind.INVARIANT, ir.TRUE, antecedents=(A, B))
ON_UP = Property("p", Kind.STEP, ir.TRUE, action="up")
WARN = Property("p", Kind.STEP, ir.TRUE, action="up", assertion="warn_on")
REACH = Property("p", Kind.REACHABLE, ir.TRUE, antecedents=(A,))

BOTH = {"up": 1, "down": 1}
IDLE = {"up": 0, "down": 3}


def seen(*values: bool) -> Statistics:
    return Statistics(complete=True, fired=BOTH, true_antecedents={"p": values})


NOTHING: dict[str, tuple[Property, Verdict, Statistics, str]] = {
    "no start": (
        ALWAYS,
        HOLDS,
        Statistics(no_start=True),
        "there is no initial state",
    ),
    "no start, and nothing fires": (
        ALWAYS,
        HOLDS,
        Statistics(no_start=True, complete=True, fired={"up": 0, "down": 0}),
        "there is no initial state",
    ),
    "no step": (
        ALWAYS,
        HOLDS,
        Statistics(complete=True, fired={"up": 0, "down": 0}),
        "no action is ever possible",
    ),
    "no step, by induction": (
        ALWAYS,
        HOLDS,
        Statistics(impossible=frozenset(("up", "down"))),
        "no action is ever possible",
    ),
    "some step": (ALWAYS, HOLDS, Statistics(complete=True, fired=IDLE), ""),
    "its action": (
        ON_UP,
        HOLDS,
        Statistics(complete=True, fired=IDLE),
        "up is never possible",
    ),
    "its action is not in the counts": (
        ON_UP,
        HOLDS,
        Statistics(complete=True, fired={"down": 1}),
        "up is never possible",
    ),
    "its action, by induction": (
        ON_UP,
        HOLDS,
        Statistics(impossible=frozenset(("up",))),
        "up is never possible",
    ),
    "another action": (
        ON_UP,
        HOLDS,
        Statistics(complete=True, fired={"up": 1, "down": 0}),
        "",
    ),
    "not all was visited": (ON_UP, HOLDS, Statistics(fired=IDLE), ""),
    "an assertion of an action that is never possible": (
        WARN,
        HOLDS,
        Statistics(complete=True, fired=IDLE),
        "",
    ),
    "an antecedent": (ASKED, HOLDS, seen(True, False), "never true: b"),
    "both antecedents": (ASKED, HOLDS, seen(False, False), "never true: a; b"),
    "no antecedent": (ASKED, HOLDS, seen(True, True), ""),
    "antecedents that nobody watched": (
        ASKED,
        HOLDS,
        Statistics(complete=True, fired=BOTH),
        "",
    ),
    "what is not reached has no antecedent": (REACH, UNREACHABLE, seen(False), ""),
    "not reached, and no start": (
        REACH,
        UNREACHABLE,
        Statistics(no_start=True),
        "there is no initial state",
    ),
}


@pytest.mark.parametrize("name", NOTHING)
def test_what_rests_on_nothing(name: str) -> None:
    p, verdict, statistics, reason = NOTHING[name]
    outcome = Outcome("some", {"p": verdict}, (), statistics)
    found = judged(SYSTEM, (p,), outcome)
    assert found.verdicts["p"] == (Vacuous(reason, verdict) if reason else verdict)
    assert (found.engine, found.statistics) == ("some", statistics)


@pytest.mark.parametrize("verdict", [Unknown("?"), Violated(TRACE), Reached(TRACE)])
def test_other_verdicts_are_left_alone(verdict: Verdict) -> None:
    outcome = Outcome("some", {"p": verdict}, (), Statistics(no_start=True))
    assert judged(SYSTEM, (ALWAYS,), outcome) == outcome


def test_each_property_is_judged_by_itself() -> None:
    other = Property("q", Kind.STEP, ir.TRUE, action="down")
    unasked = Property("r", Kind.INVARIANT, ir.TRUE)
    verdicts: dict[str, Verdict] = {"p": HOLDS, "q": HOLDS}
    outcome = Outcome("some", verdicts, (), Statistics(complete=True, fired=IDLE))
    found = judged(SYSTEM, (unasked, other, ON_UP), outcome)
    assert found.verdicts == {"p": Vacuous("up is never possible", HOLDS), "q": HOLDS}
    assert outcome.verdicts == {"p": HOLDS, "q": HOLDS}


def test_actions_that_are_never_possible() -> None:
    for statistics, wanted in (
        (Statistics(complete=True, fired=IDLE), {"up"}),
        (Statistics(complete=True, fired=BOTH), set()),
        (Statistics(complete=True, impossible=frozenset(("down",))), {"down"}),
        (Statistics(fired=IDLE, impossible=frozenset(("down",))), {"down"}),
        (Statistics(), set()),
    ):
        assert never_possible(SYSTEM, statistics) == wanted
