# SPDX-License-Identifier: GPL-2.0-only
"""What a reduction leaves out, what it must keep, and which engines allow it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from poolproof.checker.core.ir import (
    FALSE,
    INT,
    TRUE,
    Domain,
    Expr,
    add,
    eq,
    le,
    local,
    lt,
    not_,
    num,
    param,
    scalar_sort,
    select,
    store,
    sub,
    table_sort,
)
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
    Step,
    Trace,
    Unknown,
    Violated,
)
from poolproof.checker.engines import registry
from poolproof.checker.engines.reduced import NO_CYCLE, reduced
from poolproof.checker.passes.reduce import Reduction, reduce

MAIN, SIDE = (Variable(n, INT, num(0), num(3), num(0)) for n in ("main", "side"))
ROUND = eq(SIDE.now, num(3))


def turned(v: Variable) -> Expr:
    """3 - v: never outside its range, and seen to be so."""
    return sub(num(3), v.now)


STEP = Action("step", (), TRUE, {"main": turned(MAIN), "side": turned(SIDE)}, None)
SYSTEM = TransitionSystem("two", (MAIN, SIDE), (STEP,), TRUE, {}, {})
FINE = Property("fine", Kind.INVARIANT, le(MAIN.now, num(3)))


def dropped(
    system: TransitionSystem = SYSTEM, *properties: Property, **step: Any
) -> tuple[str, ...]:
    """What is left out of the system with another step."""
    system = replace(system, actions=(replace(STEP, **step),))
    small = reduce(system, (FINE, *properties))
    assert set(small.system.by_name) == {"main", "side"} - set(small.unobserved)
    return small.unobserved


def bounded(**declared: Any) -> TransitionSystem:
    return replace(SYSTEM, variables=(MAIN, replace(SIDE, **declared)))


def test_what_nothing_observes_is_left_out() -> None:
    assert dropped() == ("side",)
    small = reduce(SYSTEM, (FINE,))
    assert set(small.system.actions[0].updates) == {"main"}
    assert small.system.cells != SYSTEM.cells
    assert reduce(SYSTEM, ()).unobserved == ("main", "side")


# --- what observes ------------------------------------------------------------


def about(kind: Kind, formula: Expr = TRUE, **more: Any) -> Property:
    return Property("more", kind, formula, **more)


@pytest.mark.parametrize(
    "asked",
    [
        about(Kind.INVARIANT, not_(ROUND)),
        about(Kind.REACHABLE, ROUND),
        about(Kind.STEP, eq(SIDE.next, num(0))),
        about(Kind.STEP, ROUND, action="step", assertion="bug_on"),
        about(Kind.LEADS_TO, ROUND, goal=FALSE),
        about(Kind.LEADS_TO, TRUE, goal=ROUND),
        about(Kind.INVARIANT, antecedents=(ROUND,)),
    ],
    ids=lambda p: f"{p.kind.value} {p.assertion}",
)
def test_a_property_observes(asked: Property) -> None:
    assert dropped(SYSTEM, asked) == ()


def test_other_steps_are_not_observed_by_a_step_property() -> None:
    assert dropped(SYSTEM, about(Kind.STEP, TRUE, action="step")) == ("side",)


@pytest.mark.parametrize(
    "step",
    [
        {"guard": ROUND},
        {"result": ROUND},
        {"obligations": (Obligation("assert", ROUND, "is 3", None),)},
        {"updates": {"main": SIDE.now, "side": turned(SIDE)}},
        # out of its range, which is an error of the model
        {"updates": {"main": MAIN.now, "side": add(SIDE.now, num(1))}},
        {"updates": {"main": MAIN.now, "side": add(SIDE.now, num(-1))}},
    ],
    ids=["guard", "result", "obligation", "value", "above", "below"],
)
def test_a_step_observes(step: dict[str, Any]) -> None:
    assert dropped(SYSTEM, **step) == ()


def test_a_guard_may_keep_a_range() -> None:
    """What the guard says of main does for side, whose value is that of main."""
    up = {"main": num(0), "side": add(MAIN.now, num(1))}
    assert dropped(SYSTEM, updates=up) == ()
    assert dropped(SYSTEM, updates=up, guard=lt(MAIN.now, num(3))) == ("side",)


@pytest.mark.parametrize(
    ("least", "most", "left_out"), [(0, 3, True), (0, 0, True), (1, 3, False)]
)
def test_a_cell_outside_its_table_is_0(least: int, most: int, left_out: bool) -> None:
    """To compiled engines: that may be outside the range of what is read."""
    lo, hi = num(least), num(most)
    table = Variable("table", table_sort((Domain(INT, 0, 1),), INT), lo, hi, lo)
    side = replace(SIDE, lo=lo, hi=hi, init=lo)
    step = replace(STEP, updates={"side": select(table.now, MAIN.now)})
    system = replace(SYSTEM, variables=(MAIN, side, table), actions=(step,))
    kept = set(reduce(system, (FINE,)).system.by_name)
    assert kept == ({"main"} if left_out else {"main", "side", "table"})


@pytest.mark.parametrize(
    "system",
    [
        replace(SYSTEM, initial=eq(SIDE.now, num(0))),
        bounded(init=num(4)),
        bounded(init=num(-1)),
        bounded(init=None, lo=num(2), hi=num(1)),  # then there is no initial state
        bounded(init=None, lo=None),
        bounded(hi=param("N")),
        bounded(init=param("N")),
    ],
    ids=["initial", "above", "below", "none", "open", "symbolic", "symbolic start"],
)
def test_a_start_observes(system: TransitionSystem) -> None:
    assert dropped(system) == ()


def test_an_index_is_observed_with_its_table() -> None:
    at = Domain(scalar_sort("REDUCED", 2, "r"), 0, 1)
    table = Variable("table", table_sort((at,), INT), num(0), num(3), num(0))
    index = Variable("index", at.sort, num(0), num(1), num(0))
    put = {"table": store(table.now, index.now, num(1))}
    action = Action("put", (), TRUE, put, None)
    system = TransitionSystem("put", (table, index), (action,), TRUE, {}, {})
    first = select(table.now, index.now)
    small = reduce(system, (Property("p", Kind.INVARIANT, le(first, num(3))),))
    assert small.unobserved == ()


def test_bounds_are_put_in_first() -> None:
    """A range with the bound in it is kept, or left, by numbers."""
    system = replace(bounded(hi=param("N")), bounds={"N": 3})
    assert dropped(system) == ("side",)
    assert dropped(replace(system, bounds={"N": 2})) == ()
    without = reduce(system, (FINE,), (Reduction.CONE,))
    assert without.unobserved == ()


# --- runs of the whole system --------------------------------------------------


def test_a_start_is_put_back() -> None:
    system = bounded(init=num(2))
    system = replace(system, variables=(system.variables[1], MAIN))
    small = reduce(system, (FINE,))
    assert small.lift_state((1,)) == (2, 1)
    assert reduce(bounded(init=None), (FINE,)).lift_state((1,)) == (1, 0)
    trace = Trace((0,), (Step("step", ()),))
    assert small.lift(trace) == Trace((2, 0), trace.steps)


LATE = replace(STEP, updates={"main": turned(MAIN), "side": num(1)})
NEVER = Property(
    "never", Kind.LEADS_TO, eq(MAIN.now, num(0)), goal=FALSE, fair=(Fairness("step"),)
)


def answer(engine: str, system: TransitionSystem, *asked: Property) -> Outcome:
    depth = 4 if engine == "bmc" else None
    return registry.ask(engine, system, asked, Budget(depth=depth), Silent())


def test_a_cycle_of_the_small_system_that_is_one_of_the_whole() -> None:
    outcome = answer("liveness", SYSTEM, NEVER)
    assert outcome.statistics.unobserved == ("side",)
    verdict = outcome.verdicts["never"]
    assert isinstance(verdict, Violated)
    assert (len(verdict.trace), verdict.trace.loop) == (2, 0)
    assert NO_CYCLE not in outcome.statistics.notes


def test_a_cycle_of_the_small_system_that_is_none_of_the_whole() -> None:
    """side becomes 1 with the first step and stays so: the first state of main
    comes again, that of the whole does not."""
    system = replace(SYSTEM, actions=(LATE,))
    assert reduce(system, (NEVER,)).unobserved == ("side",)
    outcome = answer("liveness", system, NEVER)
    verdict = outcome.verdicts["never"]
    assert isinstance(verdict, Violated)
    assert (len(verdict.trace), verdict.trace.loop) == (3, 1)
    assert outcome.statistics.notes == (NO_CYCLE,)
    assert outcome.statistics.unobserved == ()


# --- which engines allow it ------------------------------------------------------


def test_fairness_of_an_action_that_changes_nothing_observed() -> None:
    """Actions stay, even where nothing they change does: a fair run takes them."""
    idle = Action("idle", (), lt(MAIN.now, num(2)), {"side": turned(SIDE)}, None)
    up = replace(STEP, updates={"main": num(2)}, guard=lt(MAIN.now, num(2)))
    system = replace(SYSTEM, actions=(idle, up))
    there = Property(
        "there",
        Kind.LEADS_TO,
        TRUE,
        goal=eq(MAIN.now, num(2)),
        fair=(Fairness("step"),),
    )
    assert reduce(system, (there,)).unobserved == ("side",)
    outcome = answer("liveness", system, there, replace(there, name="unfair", fair=()))
    assert isinstance(outcome.verdicts["there"], Holds)
    assert isinstance(outcome.verdicts["unfair"], Violated)


def test_a_proof_states_the_range_of_each_variable() -> None:
    outcome = answer("prove", SYSTEM, FINE)
    assert outcome.statistics.unobserved == ()
    verdict = outcome.verdicts["fine"]
    assert isinstance(verdict, Holds)
    assert verdict.certificate is not None
    assert any("side" in lemma for lemma in verdict.certificate.lemmas)


def test_a_proof_leaves_its_bounds_open() -> None:
    n = param("N")
    system = replace(
        SYSTEM,
        variables=(replace(MAIN, hi=n),),
        actions=(replace(STEP, updates={"main": n}),),
        least={"N": 0},
        bounds={"N": 3},
    )
    claim = Property("claim", Kind.INVARIANT, le(MAIN.now, n))
    verdict = answer("prove", system, claim).verdicts["claim"]
    assert isinstance(verdict, Holds)
    assert verdict.certificate is not None
    assert verdict.certificate.params == ("N",)
    verdict = answer("bmc", system, claim).verdicts["claim"]
    assert verdict == Unknown("N left open: bmc needs numbers")


def test_what_each_engine_allows() -> None:
    """Infinite runs are not looked for in parts, a certificate claims something of
    all variables and for all bounds, and fuzz runs the class itself."""
    allowed = {row.name: row.reductions for row in registry.ROWS}
    whole = frozenset(Reduction)
    assert allowed == {
        "explicit": whole,
        "native": whole,
        "exhaustive": whole,
        "liveness": {Reduction.BOUNDS, Reduction.CONE},
        "bmc": {Reduction.CONE},
        "prove": set(),
        "anysize": set(),
        "fuzz": set(),
    }


def test_an_engine_that_allows_nothing_gets_the_whole() -> None:
    seen: list[TransitionSystem] = []

    def engine(system: TransitionSystem, *_: object) -> Outcome:
        seen.append(system)
        return Outcome("toy", {})

    reduced(engine, ())(SYSTEM, (FINE,), Budget(), Silent())
    assert seen == [SYSTEM]


@pytest.mark.parametrize("engine", ["explicit", "bmc", "exhaustive"])
def test_what_is_left_out_is_said(engine: str) -> None:
    outcome = answer(engine, SYSTEM, FINE)
    assert outcome.statistics.unobserved == ("side",)
    assert outcome.statistics.states in (0, 2)


def test_nothing_is_observed() -> None:
    """A system of one state: the actions are possible, and change nothing."""
    for engine in ("explicit", "native", "bmc"):
        outcome = answer(engine, SYSTEM, about(Kind.INVARIANT, TRUE))
        assert not outcome.defects
        if engine != "bmc":
            assert isinstance(outcome.verdicts["more"], Holds)
            assert outcome.statistics.states == 1


def test_parameters_stay() -> None:
    """The arguments of a step are those of the whole system's."""
    at = Domain(scalar_sort("REDUCED", 2, "r"), 0, 1)
    who = Parameter("who", local("who#s", at))
    step = replace(STEP, parameters=(who,))
    small = reduce(replace(SYSTEM, actions=(step,)), (FINE,))
    assert small.system.actions[0].parameters == (who,)
