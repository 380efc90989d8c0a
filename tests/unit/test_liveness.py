# SPDX-License-Identifier: GPL-2.0-only
"""`leads to` under fairness, on systems small enough to see the answer."""

from __future__ import annotations

import pytest

from poolproof.checker.core import ir
from poolproof.checker.core.evaluate import Valuation, successor
from poolproof.checker.core.property import Fairness, Kind, Property
from poolproof.checker.core.system import Action, Parameter, TransitionSystem, Variable
from poolproof.checker.core.verdict import (
    Budget,
    Holds,
    Outcome,
    Silent,
    Trace,
    Unknown,
    Violated,
)
from poolproof.checker.engines.registry import engine_of

liveness = engine_of("liveness")

X = Variable("x", ir.INT, ir.num(0), ir.num(3), ir.num(0))


def system(*edges: tuple[str, int, int]) -> TransitionSystem:
    """One action per name, moving x along the edges of that name."""
    names = dict.fromkeys(name for name, _, _ in edges)
    actions = []
    for name in names:
        mine = [(a, b) for n, a, b in edges if n == name]
        to = ir.local(f"to#{name}", ir.Domain(ir.INT, 0, 3))
        guard = ir.or_(
            *(ir.and_(ir.eq(X.now, ir.num(a)), ir.eq(to, ir.num(b))) for a, b in mine)
        )
        actions.append(Action(name, (Parameter("to", to),), guard, {"x": to}, None))
    return TransitionSystem("edges", (X,), tuple(actions), ir.TRUE, {}, {})


def at(k: int) -> ir.Expr:
    return ir.eq(X.now, ir.num(k))


def ask(s: TransitionSystem, start: int, goal: int, *fair: Fairness) -> Outcome:
    p = Property("p", Kind.LEADS_TO, at(start), goal=at(goal), fair=fair)
    return liveness(s, (p,), Budget(), Silent())


def run_of(s: TransitionSystem, trace: Trace) -> list[int]:
    states = [trace.initial]
    for step in trace.steps:
        taken = successor(s, s.action_by_name[step.action], states[-1], step.arguments)
        assert taken is not None
        states.append(taken[0])
    return [x for (x,) in states]


def test_without_fairness_a_run_may_stop() -> None:
    s = system(("go", 0, 1))
    verdict = ask(s, 0, 1).verdicts["p"]
    assert isinstance(verdict, Violated)
    assert run_of(s, verdict.trace) == [0]
    assert verdict.trace.loop == 0


def test_weak_fairness_takes_what_stays_possible() -> None:
    s = system(("go", 0, 1))
    verdict = ask(s, 0, 1, Fairness("go")).verdicts["p"]
    assert isinstance(verdict, Holds)
    assert verdict.states == 2


BLINK = system(("on", 0, 1), ("off", 1, 0), ("leave", 1, 2))


def test_weak_fairness_does_not_help_what_blinks() -> None:
    """`leave` is possible again and again, and never for good."""
    fair = (Fairness("on"), Fairness("off"), Fairness("leave"))
    verdict = ask(BLINK, 0, 2, *fair).verdicts["p"]
    assert isinstance(verdict, Violated)
    run = run_of(BLINK, verdict.trace)
    loop = verdict.trace.loop
    assert loop is not None
    assert run[-1] == run[loop]
    assert set(run[loop:]) == {0, 1}


def test_strong_fairness_helps_what_blinks() -> None:
    fair = (Fairness("on"), Fairness("off"), Fairness("leave", strong=True))
    assert isinstance(ask(BLINK, 0, 2, *fair).verdicts["p"], Holds)


def test_only_states_with_the_formula_are_asked() -> None:
    s = system(("a", 0, 1), ("b", 0, 2), ("c", 2, 3))
    assert isinstance(ask(s, 2, 3, Fairness("c")).verdicts["p"], Holds)
    assert isinstance(ask(s, 0, 3, Fairness("c")).verdicts["p"], Violated)


def test_the_stem_reaches_the_formula_first() -> None:
    s = system(("a", 0, 1), ("b", 1, 2), ("c", 2, 1))
    verdict = ask(s, 1, 3, Fairness("b"), Fairness("c")).verdicts["p"]
    assert isinstance(verdict, Violated)
    run = run_of(s, verdict.trace)
    assert run[0] == 0
    assert 1 in run
    assert run[-1] == run[verdict.trace.loop or 0]
    formula = Valuation(s, (run[1],)).true(at(1))
    assert formula


def test_a_partial_graph_gives_no_verdict() -> None:
    s = system(("go", 0, 1), ("go", 1, 2), ("go", 2, 3))
    p = Property("p", Kind.LEADS_TO, at(0), goal=at(3), fair=(Fairness("go"),))
    outcome = liveness(s, (p,), Budget(seconds=-1.0), Silent())
    verdict = outcome.verdicts["p"]
    assert isinstance(verdict, Unknown)
    assert "time budget" in verdict.reason


@pytest.mark.parametrize("goal", [0, 1])
def test_a_goal_met_at_once_holds(goal: int) -> None:
    s = system(("go", 0, 1))
    expected = Holds if goal == 0 else Violated
    assert isinstance(ask(s, 0, goal).verdicts["p"], expected)
