# SPDX-License-Identifier: GPL-2.0-only
"""Formulas read of many states at once are true where `evaluate` says so."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings

from poolproof.checker.backends.c.layout import lay_out, widths
from poolproof.checker.backends.columns import Columns, Packed, Tuples, first_steps
from poolproof.checker.core import evaluate, ir
from poolproof.checker.core.evaluate import Valuation, arguments
from poolproof.checker.core.ir import Expr
from poolproof.checker.core.property import Kind
from poolproof.checker.core.system import Action, State, TransitionSystem
from poolproof.checker.passes.symmetry import Symmetry
from tests.common.random_systems import Case, cases, explore


def by_evaluate(
    system: TransitionSystem, action: Action, states: list[State], e: Expr
) -> bool:
    """One state at a time, one choice of arguments at a time."""
    for state in states:
        for raw in action.valuations():
            at = Valuation(system, state, None, arguments(action, raw))
            if at.true(action.guard) and at.true(e):
                return True
    return False


@settings(
    max_examples=60,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(cases(defects=False, kinds=(Kind.INVARIANT,)))
def test_random_systems(case: Case) -> None:
    system = case.system
    right = explore(system, (), 60)
    if not right.complete or not right.reached:
        return
    states = list(right.reached)
    layout = lay_out(system, widths(system).ranges, Symmetry((), (), ()))
    packed = b"".join(
        w.to_bytes(8, "little") for state in states for w in layout.pack(state)
    )
    formulas = [f for p in case.properties for f in (p.formula, ir.not_(p.formula))]
    for action in system.actions:
        more = [*formulas, *(ir.and_(action.guard, f) for f in formulas)]
        if action.result is not None:
            more.append(ir.eq(action.result, action.result))
        want = []
        for e in more:
            try:
                want.append(by_evaluate(system, action, states, e))
            except evaluate.Undefined:
                want.append(None)
        for source in (Tuples(states), Packed(packed, layout.words, layout.slots)):
            assert source.count == len(states)
            got = first_steps(action, more, Columns(system, source))
            assert [g for g, w in zip(got, want, strict=True) if w is not None] == [
                w for w in want if w is not None
            ]
