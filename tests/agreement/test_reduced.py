# SPDX-License-Identifier: GPL-2.0-only
"""Engines on reduced systems say what they say of the whole ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from poolproof.checker.backends.c.build import compiler
from poolproof.checker.core import ir
from poolproof.checker.core.ir import BOOL, FALSE, TRUE, Expr, const, le, not_
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.system import Variable
from poolproof.checker.core.vacuity import judged
from poolproof.checker.core.verdict import (
    Budget,
    Outcome,
    Shown,
    Silent,
    Vacuous,
    Verdict,
)
from poolproof.checker.driver.task import Request, prepare
from poolproof.checker.engines import registry
from poolproof.checker.evidence.replay import confirm
from poolproof.checker.passes.components import independent
from poolproof.checker.spec import parse
from tests.agreement.test_native import agree, defects_of, depths_of, replays
from tests.common.pool_system import pool, pool_properties
from tests.common.random_systems import Case, cases, explore, run


def some(examples: int) -> Any:
    return settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.reuse, Phase.generate),
    )


def ask(engine: str, case: Case, **limits: Any) -> Outcome:
    """The engine as the commands run it: on the reduced system."""
    if engine == "native" and compiler() is None:
        pytest.skip("needs a C compiler")
    budget = Budget(**{"symmetry": False, "threads": 1, **limits})
    return registry.ask(engine, case.system, case.properties, budget, Silent())


def on_the_whole(engine: str, case: Case, **limits: Any) -> Outcome:
    budget = Budget(**{"symmetry": False, "threads": 1, **limits})
    run = registry.engine_of(engine)
    outcome = run(case.system, case.properties, budget, Silent())
    return judged(case.system, case.properties, outcome)


def in_short(verdict: Verdict) -> tuple[str, int]:
    """What a verdict says, without what counts differ in."""
    if isinstance(verdict, Vacuous):
        return f"vacuous: {verdict.reason}", 0
    steps = len(verdict.trace) if isinstance(verdict, Shown) else 0
    return type(verdict).__name__, steps


def shadowed(case: Case) -> Case:
    """The case with variables that follow it, and that it never reads: one is
    set for good, one changes with each step, one copies another."""
    scalar = [v for v in case.system.variables if not v.index]
    started = case.system.actions[0].name
    ever = Variable("ever", BOOL, None, None, FALSE)
    turn = Variable("turn", BOOL, None, None, FALSE)
    copies = tuple(
        replace(v, name=f"copy_{v.name}", init=v.lo or const(v.element, 0))
        for v in scalar[:1]
    )
    actions = tuple(
        replace(
            a,
            updates={
                **a.updates,
                **({"ever": TRUE} if a.name == started else {}),
                "turn": not_(turn.now),
                **{c.name: v.now for c, v in zip(copies, scalar, strict=False)},
            },
        )
        for a in case.system.actions
    )
    variables = (ever, *case.system.variables, turn, *copies)
    system = replace(case.system, variables=variables, actions=actions)
    return Case(system, case.properties)


# --- random systems ---------------------------------------------------------------


def agrees_with_the_reference(engine: str, case: Case) -> None:
    right = explore(case.system, case.properties)
    if not right.complete:
        return
    hidden = shadowed(case)
    outcome = ask(engine, hidden, depth=6 if engine == "bmc" else None)
    assert {"ever", "turn"} <= set(outcome.statistics.unobserved)
    assert defects_of(outcome) == right.defects
    if engine != "bmc":
        assert depths_of(outcome) == right.found
        s = outcome.statistics
        assert {a: n > 0 for a, n in s.fired.items()} == {
            a: n > 0 for a, n in right.fired.items()
        }
        assert (s.deadlocks > 0) == (right.deadlocks > 0)
        deadlock = None if s.deadlock is None else len(s.deadlock)
        assert deadlock == right.deadlock_depth
        assert dict(s.true_antecedents) == right.antecedents
    else:
        assert depths_of(outcome).items() <= right.found.items()
    replays(hidden, outcome)


@some(60)
@given(cases())
def test_explicit(case: Case) -> None:
    agrees_with_the_reference("explicit", case)


@some(4)
@given(cases())
def test_native(case: Case) -> None:
    agrees_with_the_reference("native", case)


@some(6)
@given(cases(defects=False))
def test_bmc(case: Case) -> None:
    agrees_with_the_reference("bmc", case)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["explicit", "native", "bmc"])
def test_many(engine: str) -> None:
    @some({"explicit": 2000, "native": 150, "bmc": 150}[engine])
    @given(cases(defects=engine != "bmc"))
    def check(case: Case) -> None:
        agrees_with_the_reference(engine, case)

    check()


@some(60)
@given(cases())
def test_what_is_vacuous_stays_so(case: Case) -> None:
    if explore(case.system, case.properties).complete:
        plain, small = on_the_whole("explicit", case), ask("explicit", shadowed(case))
        assert {n: in_short(v) for n, v in plain.verdicts.items()} == {
            n: in_short(v) for n, v in small.verdicts.items()
        }


@some(60)
@given(cases(defects=False, kinds=(Kind.LEADS_TO,)))
def test_leads_to(case: Case) -> None:
    """A violation has the length that it has in the whole system: where a cycle
    of the small one is none of the whole, the whole is searched."""
    if explore(case.system, ()).complete:
        hidden = shadowed(case)
        plain, small = on_the_whole("liveness", hidden), ask("liveness", hidden)
        assert {n: in_short(v) for n, v in plain.verdicts.items()} == {
            n: in_short(v) for n, v in small.verdicts.items()
        }
        for verdict in small.verdicts.values():
            if isinstance(verdict, Shown):
                states, loop = run(hidden.system, verdict.trace), verdict.trace.loop
                assert loop is not None
                assert states[loop] == states[-1]


# --- parts that have nothing in common --------------------------------------------


def started(case: Case) -> Case:
    """The case with one initial state."""
    variables = tuple(
        v if v.init is not None else replace(v, init=v.lo or const(v.element, 0))
        for v in case.system.variables
    )
    properties = tuple(p for p in case.properties if p.action or p.kind != Kind.STEP)
    return Case(replace(case.system, variables=variables, initial=TRUE), properties)


def renamed(case: Case, prefix: str) -> Case:
    """The same with other names for variables, actions and properties."""
    by = {
        ir.var(v.name, v.sort, primed): ir.var(prefix + v.name, v.sort, primed)
        for v in case.system.variables
        for primed in (False, True)
    }

    def put(e: Expr) -> Expr:
        return ir.substitute(e, by)

    variables = tuple(replace(v, name=prefix + v.name) for v in case.system.variables)
    actions = tuple(
        replace(
            a,
            name=prefix + a.name,
            guard=put(a.guard),
            updates={prefix + n: put(u) for n, u in a.updates.items()},
            result=None if a.result is None else put(a.result),
            obligations=tuple(
                replace(o, formula=put(o.formula), message=prefix + o.message)
                for o in a.obligations
            ),
        )
        for a in case.system.actions
    )
    properties = tuple(
        replace(
            p,
            name=prefix + p.name,
            formula=put(p.formula),
            action=None if p.action is None else prefix + p.action,
            antecedents=tuple(map(put, p.antecedents)),
        )
        for p in case.properties
    )
    system = replace(case.system, variables=variables, actions=actions)
    return Case(system, properties)


def beside(a: Case, b: Case) -> Case:
    """Both at once: every step is one of either."""
    variables = (*a.system.variables, *b.system.variables)
    actions = (*a.system.actions, *b.system.actions)
    system = replace(a.system, variables=variables, actions=actions)
    return Case(system, (*a.properties, *b.properties))


@some(25)
@given(cases(), cases())
def test_parts_are_searched_alone(a: Case, b: Case) -> None:
    """All verdicts and all counts are those of one search of both."""
    parts_agree("explicit", beside(started(a), renamed(started(b), "other_")))


@some(3)
@given(cases(), cases())
def test_parts_are_searched_alone_natively(a: Case, b: Case) -> None:
    parts_agree("native", beside(started(a), renamed(started(b), "other_")))


def parts_agree(engine: str, case: Case) -> None:
    right = explore(case.system, case.properties)
    assert len(independent(case.system, case.properties, False)) > 1
    if not right.complete:
        return
    outcome = ask(engine, case)
    assert any("nothing in common" in n for n in outcome.statistics.notes)
    assert depths_of(outcome) == right.found
    assert defects_of(outcome) == right.defects
    assert outcome.statistics.complete == (not right.defects)
    replays(case, outcome)
    if not outcome.statistics.unobserved:
        plain = {
            n: v.of if isinstance(v, Vacuous) else v
            for n, v in outcome.verdicts.items()
        }
        agree(case, right, replace(outcome, verdicts=plain))


def test_two_pools_in_the_time_of_one() -> None:
    """(6,798 states)^2 without looking at each pair."""
    one = Case(pool(2, 2, 2), pool_properties(pool(2, 2, 2)))
    both = beside(one, renamed(one, "other_"))
    outcome = ask("native", both)
    s = outcome.statistics
    assert s.complete
    assert s.states == 6_798**2
    assert s.depth == 2 * 10
    assert depths_of(outcome) == {"no_sigbus": 5, "other_no_sigbus": 5}


def test_what_ties_parts_together() -> None:
    one = Case(pool(2, 2, 2), pool_properties(pool(2, 2, 2)))
    both = beside(one, renamed(one, "other_"))
    assert len(independent(both.system, both.properties, False)) == 2
    # the VMAs of both would be permuted together
    assert len(independent(both.system, both.properties, True)) == 1
    x, y = (both.system.by_name[n].now for n in ("resv", "other_resv"))
    tie = Property("tie", Kind.INVARIANT, le(x, y))
    assert len(independent(both.system, (*both.properties, tie), False)) == 1
    step = Property("step", Kind.STEP, TRUE)
    assert len(independent(both.system, (*both.properties, step), False)) == 1
    unsure = replace(both.system, initial=le(x, y))
    assert len(independent(unsure, both.properties, False)) == 1


# --- shipped specs ------------------------------------------------------------------


SHIPPED = {
    ("promise_partial", "Shmem1g", "exhaustive"): "promise",
    ("promise_lending", "Shmem1g", "bmc"): "promise",
    ("liveness_swap", "ReservedThp", "liveness"): "failed",
}
"""Spec, design and engine; what nothing observes."""


@pytest.mark.parametrize(("spec", "design", "engine"), SHIPPED)
def test_a_shipped_spec(spec: str, design: str, engine: str) -> None:
    """What is asked of the whole is answered alike."""
    found = parse(f"specs/questions/{spec}.spec")
    (task,) = prepare(found, Request((design,)))
    decides = registry.row(engine).decides
    asked = tuple(p for p in task.resolved.properties if p.kind in decides)
    case = Case(task.compiled.system, asked)
    depth = 4 if engine == "bmc" else None
    small = ask(engine, case, symmetry=True, depth=depth)
    assert ", ".join(small.statistics.unobserved) == SHIPPED[spec, design, engine]
    whole = on_the_whole(engine, case, symmetry=True, depth=depth)
    assert {n: in_short(v) for n, v in whole.verdicts.items()} == {
        n: in_short(v) for n, v in small.verdicts.items()
    }
    for name, verdict in small.verdicts.items():
        if isinstance(verdict, Shown):
            prop = next(p for p in asked if p.name == name)
            confirm(task.compiled, prop, verdict.trace, verdict.shortest)
