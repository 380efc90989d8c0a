# SPDX-License-Identifier: GPL-2.0-only
"""Bounded model checking against the brute-force reference, and its limits."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from poolproof.checker.core.ir import (
    BOOL,
    FALSE,
    INT,
    TRUE,
    Domain,
    add,
    eq,
    le,
    local,
    not_,
    num,
)
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.system import Action, Parameter, TransitionSystem, Variable
from poolproof.checker.core.verdict import (
    Budget,
    Holds,
    Reached,
    Shown,
    Silent,
    Step,
    Trace,
    Unknown,
    Unreachable,
    Violated,
)
from poolproof.checker.engines.bmc import confirm
from poolproof.checker.engines.registry import engine_of
from tests.common.interrupt import interrupt_after
from tests.common.pool_system import pool, pool_properties
from tests.common.random_systems import Case, cases, explore

bmc = engine_of("bmc")


def prop(properties: tuple[Property, ...], name: str) -> tuple[Property, ...]:
    return tuple(p for p in properties if p.name == name)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_agrees_with_the_reference(case: Case) -> None:
    truth = explore(case.system, case.properties)
    if not truth.complete or truth.depth > 8:
        return
    budget = Budget(depth=truth.depth + 1, seconds=60)
    outcome = bmc(case.system, case.properties, budget, Silent())
    if truth.defects:
        first = min(truth.defects.values())
        assert outcome.defects or all(
            isinstance(v, Shown) and len(v.trace) <= first
            for v in outcome.verdicts.values()
        )
        return
    assert not outcome.defects
    for p in case.properties:
        verdict = outcome.verdicts[p.name]
        if p.name in truth.found:
            shown = Reached if p.kind is Kind.REACHABLE else Violated
            assert isinstance(verdict, shown), p.name
            assert len(verdict.trace) == truth.found[p.name]
        else:
            assert isinstance(verdict, Holds | Unknown | Unreachable), p.name


@pytest.mark.parametrize(("b", "v", "p", "depth"), [(2, 2, 2, 5), (2, 3, 2, 5)])
def test_shortest_run_to_sigbus(b: int, v: int, p: int, depth: int) -> None:
    system = pool(b, v, p)
    asked = prop(pool_properties(system), "no_sigbus")
    verdict = bmc(system, asked, Budget(seconds=100), Silent()).verdicts["no_sigbus"]
    assert isinstance(verdict, Violated)
    assert len(verdict.trace) == depth


X = Variable("x", INT, num(0), num(3), num(0))


def counter(action: Action) -> TransitionSystem:
    return TransitionSystem("counter", (X,), (action,), TRUE, {}, {})


UP = Action("up", (), le(X.now, num(2)), {"x": add(X.now, num(1))}, None)


def test_a_bad_state_that_is_a_deadlock_is_found() -> None:
    bad = Property("p", Kind.INVARIANT, not_(eq(X.now, num(3))))
    verdict = bmc(counter(UP), (bad,), Budget(), Silent()).verdicts["p"]
    assert isinstance(verdict, Violated)
    assert len(verdict.trace) == 3


def test_when_no_run_is_left_the_answer_is_complete() -> None:
    good = Property("p", Kind.INVARIANT, le(X.now, num(3)))
    never = Property("q", Kind.REACHABLE, eq(X.now, num(7)))
    verdicts = bmc(counter(UP), (good, never), Budget(), Silent()).verdicts
    assert isinstance(verdicts["p"], Holds)
    assert verdicts["p"].depth == 3
    assert isinstance(verdicts["q"], Unreachable)


def test_a_range_is_a_question_not_an_assumption() -> None:
    over = Action("up", (), TRUE, {"x": add(X.now, num(1))}, None)
    good = Property("p", Kind.INVARIANT, le(X.now, num(3)))
    outcome = bmc(counter(over), (good,), Budget(), Silent())
    assert [len(d.trace) for d in outcome.defects] == [4]
    assert isinstance(outcome.verdicts["p"], Unknown)


def test_each_step_property_is_of_its_own_action() -> None:
    """Both are violated by the same first step, each of another action."""
    down = Action("down", (), le(num(1), X.now), {"x": add(X.now, num(-1))}, None)
    start = Variable("x", INT, num(0), num(3), num(1))
    for actions in ((UP, down), (down, UP)):
        system = TransitionSystem("counter", (start,), actions, TRUE, {}, {})
        asked = tuple(
            Property(a.name, Kind.STEP, eq(X.next, X.now), a.name) for a in actions
        )
        outcome = bmc(system, asked, Budget(seconds=60), Silent())
        for p in asked:
            verdict = outcome.verdicts[p.name]
            assert isinstance(verdict, Violated)
            assert [s.action for s in verdict.trace.steps] == [p.action]


def test_a_run_that_ends_in_another_action_shows_nothing() -> None:
    trace = Trace((1,), (Step("up", ()),))
    p = Property("p", Kind.STEP, FALSE, "down")
    with pytest.raises(AssertionError):
        confirm(counter(UP), trace, p)
    confirm(counter(UP), trace, Property("p", Kind.STEP, FALSE))


def test_a_flag_of_one_value_has_that_value() -> None:
    """A parameter whose feature is off: the formulas do not ask it."""
    flag = Parameter("write", local("write#on", Domain(BOOL, 1, 1)))
    on = Action("on", (flag,), TRUE, {"x": num(1)}, None)
    bad = Property("p", Kind.INVARIANT, not_(eq(X.now, num(1))))
    verdict = bmc(counter(on), (bad,), Budget(), Silent()).verdicts["p"]
    assert isinstance(verdict, Violated)
    assert verdict.trace.steps[0].arguments == (1,)


def test_an_action_without_arguments_to_choose_is_never_taken() -> None:
    """Its parameter's domain is empty at these bounds."""
    at = Parameter("at", local("at#never", Domain(INT, 1, 0)))
    never = Action("never", (at,), TRUE, {"x": num(3)}, None)
    good = Property("p", Kind.INVARIANT, le(X.now, num(2)))
    verdict = bmc(counter(never), (good,), Budget(), Silent()).verdicts["p"]
    assert isinstance(verdict, Holds)
    assert verdict.depth == 0
    system = TransitionSystem("counter", (X,), (never, UP), TRUE, {}, {})
    verdict = bmc(system, (good,), Budget(), Silent()).verdicts["p"]
    assert isinstance(verdict, Violated)
    assert len(verdict.trace) == 3


def test_the_time_budget_ends_runs_that_need_no_question() -> None:
    stays = Action("stay", (), TRUE, {"x": X.now}, None)
    good = Property("p", Kind.INVARIANT, le(X.now, num(1)))
    verdict = bmc(counter(stays), (good,), Budget(seconds=0.2), Silent()).verdicts["p"]
    assert isinstance(verdict, Unknown)
    assert "time budget" in verdict.reason


def test_unknown_is_never_good() -> None:
    system = pool(2, 2, 2)
    asked = prop(pool_properties(system), "resv_exact")
    outcome = bmc(system, asked, Budget(seconds=0.0), Silent())
    verdict = outcome.verdicts["resv_exact"]
    assert isinstance(verdict, Unknown)
    assert "time budget" in verdict.reason


def test_the_depth_budget_is_said() -> None:
    system = pool(2, 2, 2)
    asked = prop(pool_properties(system), "resv_exact")
    verdict = bmc(system, asked, Budget(depth=3), Silent()).verdicts["resv_exact"]
    assert verdict == Unknown("the depth budget of 3 steps", 3)


@pytest.mark.parametrize("seconds", [0.1, 0.4, 1.0])
def test_an_interrupt_ends_with_what_is_known(seconds: float) -> None:
    """Wherever it comes: z3 would swallow some."""
    system = pool(4, 4, 3)
    properties = pool_properties(system)
    with interrupt_after(seconds):
        outcome = bmc(system, properties, Budget(seconds=100), Silent())
    told = {v.reason for v in outcome.verdicts.values() if isinstance(v, Unknown)}
    assert told == {"interrupted"}
