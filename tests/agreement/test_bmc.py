# SPDX-License-Identifier: GPL-2.0-only
"""Bounded model checking against the brute-force reference, and its limits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from poolproof.checker.core.ir import (
    BOOL,
    FALSE,
    INT,
    TRUE,
    Domain,
    add,
    aggregate,
    and_,
    const,
    eq,
    ite,
    le,
    local,
    ne,
    not_,
    num,
    scalar_sort,
    select,
    store,
    table_sort,
)
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.system import (
    Action,
    Assumption,
    Obligation,
    Parameter,
    TransitionSystem,
    Variable,
)
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
from poolproof.checker.engines import bmc as engine
from poolproof.checker.engines.bmc import confirm
from poolproof.checker.engines.registry import engine_of
from poolproof.checker.engines.unrolling import Incremental
from tests.agreement.test_backends import one_of_each
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


@pytest.mark.parametrize("step", [1, -1])
@pytest.mark.parametrize("beside", [(0, 1), (0, None)])
def test_both_ends_of_a_range_are_asked(step: int, beside: tuple[int, Any]) -> None:
    """A number without an end turns bits into integers."""
    x = Variable("x", INT, num(0), num(3), num(1))
    lo, hi = beside
    other = Variable("o", INT, num(lo), None if hi is None else num(hi), num(0))
    move = Action("move", (), TRUE, {"x": add(x.now, num(step))}, None)
    system = TransitionSystem("ends", (x, other), (move,), TRUE, {}, {})
    never = Property("p", Kind.REACHABLE, eq(x.now, num(9)))
    (defect,) = bmc(system, (never,), Budget(depth=5), Silent()).defects
    assert defect.message == "x leaves its range"
    assert len(defect.trace) == (3 if step > 0 else 2)


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


def test_questions_that_were_put_off_are_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whether both leave their range together no induction can tell."""
    beside = Variable("y", INT, num(0), num(3), num(0))
    both = {v.name: add(v.now, num(1)) for v in (X, beside)}
    up = Action("up", (), le(X.now, num(2)), both, None)
    system = TransitionSystem("pair", (X, beside), (up,), TRUE, {}, {})
    fine = (Property("fine", Kind.INVARIANT, le(X.now, num(3))),)
    at_once = bmc(system, fine, Budget(depth=2), Silent())
    monkeypatch.setattr(engine, "_PATIENCE", 1)
    monkeypatch.setattr(engine._Deepening, "done", lambda _: 0)
    again: list[int] = []
    early = Incremental.check_early

    def asked(solver: Incremental, *given: Any) -> tuple[Any, Any]:
        again.append(given[0])
        return early(solver, *given)

    monkeypatch.setattr(Incremental, "check_early", asked)
    late = bmc(system, fine, Budget(depth=2), Silent())
    assert again
    assert late.verdicts == at_once.verdicts
    assert late.verdicts["fine"] == Unknown("the depth budget of 2 steps", 2)


@pytest.mark.parametrize("seconds", [0.1, 0.4, 1.0])
def test_an_interrupt_ends_with_what_is_known(seconds: float) -> None:
    """Wherever it comes: z3 would swallow some."""
    system = pool(4, 4, 3)
    properties = pool_properties(system)
    with interrupt_after(seconds):
        outcome = bmc(system, properties, Budget(seconds=100), Silent())
    told = {v.reason for v in outcome.verdicts.values() if isinstance(v, Unknown)}
    assert told == {"interrupted"}


# --- the same small systems in every run ------------------------------------------


@pytest.mark.parametrize("symmetric", [False, True])
def test_small_systems_one_by_one(symmetric: bool) -> None:
    """Shortest runs, defects and what never happens, against the reference."""
    shown = complete = 0
    for case in one_of_each(cases(symmetric=symmetric), 40):
        truth = explore(case.system, case.properties, limit=30)
        if not truth.complete or truth.depth > 4 or truth.transitions > 120:
            continue
        budget = Budget(depth=truth.depth + 2)
        outcome = bmc(case.system, case.properties, budget, Silent())
        if truth.defects:
            first = min(truth.defects.values())
            assert all(len(d.trace) >= first for d in outcome.defects)
            continue
        assert not outcome.defects
        complete += outcome.statistics.complete
        for p in case.properties:
            verdict = outcome.verdicts[p.name]
            if p.name in truth.found:
                assert isinstance(verdict, Shown)
                assert len(verdict.trace) == truth.found[p.name]
                shown += 1
            else:
                assert not isinstance(verdict, Shown)
        if outcome.statistics.complete and truth.states:
            said = outcome.statistics
            for name in said.impossible:
                assert truth.fired[name] == 0
            for p in case.properties:
                if p.name not in truth.found:
                    assert said.true_antecedents[p.name] == truth.antecedents[p.name]
    assert shown > 3
    assert complete > 3


# --- what runs do, element by element ----------------------------------------------

THINGS = scalar_sort("BMC_THINGS", 3, "t")
THING_D = Domain(THINGS, 0, 2)
SEEN = Variable("seen", table_sort((THING_D,), BOOL), num(0), num(1), FALSE)
LAST = Variable("last", THINGS, num(0), num(3), const(THINGS, 3))


def taking(*names: str) -> Action:
    """Mark the elements, which must be different; the last one is remembered."""
    locals_ = [local(f"{n}#take", THING_D) for n in names]
    seen = SEEN.now
    for x in locals_:
        seen = store(seen, x, TRUE)
    apart = [ne(a, b) for k, a in enumerate(locals_) for b in locals_[:k]]
    fresh = [not_(select(SEEN.now, x)) for x in locals_]
    given = tuple(Parameter(n, x) for n, x in zip(names, locals_, strict=True))
    updates = {"seen": seen, "last": locals_[-1]}
    return Action("take", given, and_(*apart, *fresh), updates, None)


@pytest.mark.parametrize(("names", "depth"), [(("a",), 3), (("a", "b"), 2)])
@pytest.mark.parametrize("symmetry", [False, True])
def test_elements_are_named_in_order_and_no_run_is_lost(
    names: tuple[str, ...], depth: int, symmetry: bool
) -> None:
    x = local("x#all", THING_D)
    every = aggregate("all", x, select(SEEN.now, x))
    least = add(
        *(ite(select(SEEN.now, const(THINGS, k)), num(1), num(0)) for k in range(3))
    )
    most = Property("most", Kind.REACHABLE, le(num(2), least))
    system = TransitionSystem("takes", (SEEN, LAST), (taking(*names),), TRUE, {}, {})
    asked = (Property("all", Kind.REACHABLE, every), most)
    outcome = bmc(system, asked, Budget(depth=4, symmetry=symmetry), Silent())
    found = outcome.verdicts["most"]
    assert isinstance(found, Reached)
    assert len(found.trace) == 2 // len(names)
    verdict = outcome.verdicts["all"]
    if len(names) == 1:
        assert isinstance(verdict, Reached)
        assert len(verdict.trace) == depth
        used = [s.arguments[0] for s in verdict.trace.steps]
        assert sorted(used) == [0, 1, 2]
        if symmetry:
            assert used == [0, 1, 2]
    else:
        assert verdict == Unreachable(0, 1)


def test_a_step_is_judged_by_its_arguments_result_and_both_states() -> None:
    which = local("which#give", THING_D)
    answer = eq(X.now, num(1))
    give = Action(
        "give",
        (Parameter("which", which),),
        le(X.now, num(2)),
        {"x": add(X.now, num(1)), "last": which},
        answer,
    )
    system = TransitionSystem("gives", (X, LAST), (give,), TRUE, {}, {})
    result = give.returned
    kept = Property("kept", Kind.STEP, eq(LAST.next, which), "give")
    never = Property("never", Kind.STEP, not_(result), "give")
    grows = Property("grows", Kind.STEP, eq(X.next, add(X.now, num(1))))
    outcome = bmc(system, (kept, never, grows), Budget(), Silent())
    assert isinstance(outcome.verdicts["kept"], Holds)
    assert isinstance(outcome.verdicts["grows"], Holds)
    verdict = outcome.verdicts["never"]
    assert isinstance(verdict, Violated)
    assert len(verdict.trace) == 2


# --- the model itself --------------------------------------------------------------


def test_each_error_of_the_model_is_shown_by_a_shortest_run() -> None:
    small = Obligation("assert", le(X.now, num(1)), "x is small", None)
    early = Obligation("assert", le(X.now, num(2)), "early", None, early=True)
    over = Action("over", (), TRUE, {"x": add(X.now, num(1))}, None)
    for due, guard, depth in (
        (small, TRUE, 3),
        (early, eq(X.now, num(9)), 4),
    ):
        act = Action("act", (), guard, {}, None, (due,))
        system = TransitionSystem("wrong", (X,), (act, UP), TRUE, {}, {})
        outcome = bmc(system, (), Budget(), Silent())
        assert not outcome.defects  # nothing was asked
        never = Property("p", Kind.REACHABLE, eq(X.now, num(7)))
        outcome = bmc(system, (never,), Budget(), Silent())
        (defect,) = outcome.defects
        assert (defect.message, defect.obligation) == (due.message, due)
        assert len(defect.trace) == depth
        assert defect.trace.steps[-1].action == "act"
        assert outcome.verdicts["p"] == Unknown(
            "the model itself is wrong (see the defects)", depth - 1
        )
    never = Property("p", Kind.REACHABLE, eq(X.now, num(7)))
    (defect,) = bmc(counter(over), (never,), Budget(), Silent()).defects
    assert (defect.message, len(defect.trace)) == ("x leaves its range", 4)


def test_an_initial_value_outside_its_range_is_an_error() -> None:
    good = Property("p", Kind.INVARIANT, le(X.now, num(9)))
    for init, wrong in ((-1, True), (0, False), (3, False), (4, True)):
        start = Variable("x", INT, num(0), num(3), num(init))
        system = TransitionSystem("starts", (start,), (), TRUE, {}, {})
        outcome = bmc(system, (good,), Budget(), Silent())
        messages = [d.message for d in outcome.defects]
        if wrong:
            assert messages == [f"x becomes {init}, outside its range"]
            assert outcome.defects[0].trace == Trace((init,), ())
            reason = "the model itself is wrong (see the defects)"
            assert outcome.verdicts["p"] == Unknown(reason, 0)
        else:
            assert messages == []
            assert isinstance(outcome.verdicts["p"], Holds)


def test_what_never_happens_is_known_when_no_run_is_left() -> None:
    idle = Action("idle", (), eq(X.now, num(9)), {}, None)
    system = TransitionSystem("counter", (X,), (UP, idle), TRUE, {}, {})
    asked = (
        Property(
            "p",
            Kind.INVARIANT,
            le(X.now, num(3)),
            antecedents=(eq(X.now, num(3)), eq(X.now, num(5))),
        ),
        Property(
            "q",
            Kind.STEP,
            le(X.now, X.next),
            "up",
            antecedents=(eq(X.next, num(3)), eq(X.now, num(3))),
        ),
    )
    said = bmc(system, asked, Budget(), Silent()).statistics
    assert said.complete
    assert not said.no_start
    assert said.impossible == {"idle"}
    assert said.true_antecedents == {"p": (True, False), "q": (True, False)}
    nowhere = TransitionSystem("counter", (X,), (UP,), FALSE, {}, {})
    said = bmc(nowhere, asked, Budget(), Silent()).statistics
    assert said.no_start


def test_an_assumption_that_cuts_nothing_is_known_by_induction() -> None:
    """x is never above 3; it is 3 at last, and then the other one cuts."""
    cutting = (
        Assumption("x is small", le(num(4), X.now)),
        Assumption("x is not 3", eq(X.now, num(3))),
    )
    up = replace(UP, assumptions=cutting)
    good = Property("p", Kind.INVARIANT, le(X.now, num(3)))
    said = bmc(counter(up), (good,), Budget(), Silent()).statistics
    assert said.unneeded == {"x is small"}
    assert 0 <= said.seconds < 60


def test_what_it_cannot_decide_is_said() -> None:
    good = Property("p", Kind.INVARIANT, le(X.now, num(3)))
    open_size = TransitionSystem("open", (X,), (UP,), TRUE, {"B": 1, "A": None}, {})
    verdict = bmc(open_size, (good,), Budget(), Silent()).verdicts["p"]
    assert verdict == Unknown("A, B left open: bmc needs numbers", 0)
    later = Property("l", Kind.LEADS_TO, TRUE, goal=eq(X.now, num(3)))
    verdicts = bmc(counter(UP), (later, good), Budget(), Silent()).verdicts
    assert verdicts["l"] == Unknown("bmc looks at finite runs only")
    assert isinstance(verdicts["p"], Holds)
    verdict = bmc(
        counter(Action("stay", (), TRUE, {}, None)),
        (Property("q", Kind.REACHABLE, eq(X.now, num(1))),),
        Budget(depth=2),
        Silent(),
    ).verdicts["q"]
    assert verdict == Unknown("the depth budget of 2 steps", 2)
