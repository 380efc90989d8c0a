# SPDX-License-Identifier: GPL-2.0-only
"""`leads to` under fairness, on systems small enough to see the answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from poolproof.checker.core import ir
from poolproof.checker.core.evaluate import Valuation, successor
from poolproof.checker.core.limits import Spent, limited, tick
from poolproof.checker.core.property import Fairness, Kind, Property
from poolproof.checker.core.system import (
    Action,
    Obligation,
    Parameter,
    TransitionSystem,
    Variable,
)
from poolproof.checker.core.verdict import (
    Budget,
    Holds,
    Outcome,
    Silent,
    Trace,
    Unknown,
    Violated,
)
from poolproof.checker.engines import liveness as engine
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


def test_a_shorter_way_without_the_formula_does_not_count() -> None:
    """3 is where runs end; only by way of 1 do they miss what they owe."""
    s = system(("short", 0, 3), ("long", 0, 1), ("on", 1, 3))
    verdict = ask(s, 1, 2, Fairness("on")).verdicts["p"]
    assert isinstance(verdict, Violated)
    assert run_of(s, verdict.trace) == [0, 1, 3]


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


# --- what it says besides ---------------------------------------------------------


CHAIN = system(("go", 0, 1), ("go", 1, 2), ("go", 2, 3))


def to(end: int, *antecedents: ir.Expr) -> Property:
    """From 0 to the end, if `go` is fair."""
    fair = (Fairness("go"),)
    return Property(
        "p", Kind.LEADS_TO, at(0), goal=at(end), fair=fair, antecedents=antecedents
    )


def test_what_was_visited_is_counted() -> None:
    idle = replace(CHAIN.actions[0], name="idle", guard=at(7))
    s = replace(CHAIN, actions=(*CHAIN.actions, idle))
    outcome = liveness(s, (to(3, at(2), at(4)),), Budget(), Silent())
    found = outcome.statistics
    assert (outcome.engine, outcome.defects) == ("liveness", ())
    assert (found.states, found.transitions, found.depth) == (4, 3, 3)
    assert (found.complete, found.no_start) == (True, False)
    assert found.impossible == {"idle"}
    assert found.true_antecedents == {"p": (True, False)}


def test_nothing_to_decide_is_no_search() -> None:
    outcome = liveness(
        CHAIN, (Property("i", Kind.INVARIANT, at(0)),), Budget(), Silent()
    )
    assert (outcome.engine, outcome.statistics.states) == ("liveness", 0)


def test_no_initial_state() -> None:
    s = replace(CHAIN, initial=ir.FALSE)
    assert liveness(s, (to(3),), Budget(), Silent()).statistics.no_start


@pytest.mark.parametrize("depth", [1, 2])
def test_a_partial_graph_is_as_deep_as_its_steps_are_known(depth: int) -> None:
    """The steps from the last states that were visited are missing."""
    outcome = liveness(CHAIN, (to(3),), Budget(depth=depth), Silent())
    verdict, found = outcome.verdicts["p"], outcome.statistics
    assert isinstance(verdict, Unknown)
    assert verdict.depth == depth - 1
    assert (found.complete, found.impossible) == (False, frozenset())


ONE_STEP = {
    "leaves its range": ("go", {"updates": {"x": ir.add(X.now, ir.num(9))}}),
    "fails an assertion": (
        "go",
        {"obligations": (Obligation("assert", ir.FALSE, "never", None),)},
    ),
}


@pytest.mark.parametrize("how", ONE_STEP)
def test_a_model_that_is_wrong_has_no_verdict(how: str) -> None:
    name, changes = ONE_STEP[how]
    s = replace(CHAIN, actions=(replace(CHAIN.actions[0], **changes),))
    verdict = liveness(s, (to(3),), Budget(), Silent()).verdicts["p"]
    assert isinstance(verdict, Unknown)
    assert verdict.reason == f"{name} breaks an obligation of the model"


def test_a_start_outside_its_range_has_no_verdict() -> None:
    wrong = replace(X, init=ir.num(4))
    s = replace(CHAIN, variables=(wrong,))
    verdict = liveness(s, (to(3),), Budget(), Silent()).verdicts["p"]
    assert isinstance(verdict, Unknown)
    assert verdict.reason == "an initial state breaks an obligation of the model"


def test_progress_is_reported() -> None:
    figures: list[dict[str, int | float | str]] = []

    class Notes(Silent):
        def progress(self, **some: int | float | str) -> None:
            figures.append(some)

    liveness(CHAIN, (to(3),), Budget(), Notes())
    assert [f["states"] for f in figures][-1] == 4


def test_the_search_for_cycles_has_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason says what a budget ended."""

    def endless(*_: object) -> None:
        while True:
            tick()

    monkeypatch.setattr(engine, "lasso", endless)
    p = Property("p", Kind.LEADS_TO, at(0), goal=at(2))
    reason = "5000 units of work, while looking for fair cycles"
    with pytest.raises(Spent, match=reason), limited(None, work=5_000):
        engine.liveness(BLINK, (p,), Budget(), Silent())


@pytest.mark.parametrize(("goal", "end"), [(1, 3), (2, 1), (3, 1)])
def test_of_the_nearest_ends_the_first_is_shown(goal: int, end: int) -> None:
    """1 and 3 are one step away; 3 is further on the way through 2."""
    s = system(("a", 0, 1), ("b", 0, 2), ("b", 2, 3), ("c", 0, 3))
    fair = (Fairness("a"), Fairness("b"), Fairness("c"))
    verdict = ask(s, 0, goal, *fair).verdicts["p"]
    assert isinstance(verdict, Violated)
    assert run_of(s, verdict.trace) == [0, end]
