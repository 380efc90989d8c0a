# SPDX-License-Identifier: GPL-2.0-only
"""Formulas read of many states at once are true where `evaluate` says so."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, given, settings

from poolproof.checker.backends.c.layout import lay_out, widths
from poolproof.checker.backends.columns import (
    COLUMNS,
    CellSource,
    Columns,
    Packed,
    Tuples,
    Value,
    first_steps,
)
from poolproof.checker.core import evaluate, ir
from poolproof.checker.core.evaluate import Valuation, arguments
from poolproof.checker.core.fold import fold
from poolproof.checker.core.ir import Expr
from poolproof.checker.core.property import Kind
from poolproof.checker.core.system import Action, State, TransitionSystem, Variable
from poolproof.checker.passes.symmetry import Symmetry
from tests.agreement import test_backends as many
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


def sources(
    system: TransitionSystem, states: Sequence[State]
) -> tuple[CellSource, CellSource]:
    """The states as tuples, and as the native engine stores them."""
    layout = lay_out(system, widths(system).ranges, Symmetry((), (), ()))
    packed = b"".join(
        w.to_bytes(8, "little") for state in states for w in layout.pack(state)
    )
    return Tuples(states), Packed(packed, layout.words, layout.slots)


@settings(
    max_examples=40,
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
        for source in sources(system, states):
            assert source.count == len(states)
            got = first_steps(action, more, Columns(system, source))
            assert [g for g, w in zip(got, want, strict=True) if w is not None] == [
                w for w in want if w is not None
            ]


@pytest.mark.parametrize("packed", [False, True])
def test_there_is_no_step_from_no_state(packed: bool) -> None:
    x = Variable("x", ir.INT, ir.num(0), ir.num(3), ir.num(0))
    low = ir.lt(x.now, ir.num(3))
    up = Action("up", (), low, {"x": ir.add(x.now, ir.num(1))}, None)
    system = TransitionSystem("none", (x,), (up,), ir.FALSE, {}, {})
    source = sources(system, [])[packed]
    assert source.count == 0
    assert first_steps(up, (low, ir.TRUE), Columns(system, source)) == [False, False]


def which(truth: Sequence[bool]) -> int:
    """The states for which it is true, as columns have them: the last is bit 0."""
    return int("".join("01"[bool(t)] for t in truth), 2)


def test_a_cell_has_the_values_that_are_stored() -> None:
    """Below zero, over a byte, and of one value."""
    ends = {"a": (-3, 4), "b": (0, 70_000), "c": (250, 260), "d": (7, 7)}
    variables = tuple(
        Variable(name, ir.INT, ir.num(lo), ir.num(hi), None)
        for name, (lo, hi) in ends.items()
    )
    system = TransitionSystem("cells", variables, (), ir.TRUE, {}, {})
    states = [(-3, 70_000, 250, 7), (4, 0, 260, 7), (0, 300, 255, 7), (-3, 300, 256, 7)]
    for source in sources(system, states):
        for cell in range(len(ends)):
            raws = [state[cell] for state in states]
            assert source.partition(cell) == {
                raw: which([x == raw for x in raws]) for raw in raws
            }


def test_without_states_a_cell_has_no_value() -> None:
    """As where a design has no initial state."""
    assert Tuples([]).count == 0
    assert Tuples([]).partition(0) == {}


@pytest.mark.parametrize("packed", [False, True])
def test_many_expressions_at_once(packed: bool) -> None:
    """Each of them in each state is what the plain reading says."""
    states = list(many.states(12))
    columns = Columns(many.SYSTEM, sources(many.SYSTEM, states)[packed])
    names = {x: x.data[1].hi for x in many.LOCALS}
    readable = 0
    with ExitStack() as stack:
        for x, raw in names.items():
            stack.enter_context(columns.given(x, raw))
        for e in many.expressions():
            try:
                (value,) = fold(ir.expand_all((e,)), COLUMNS, columns, columns.known)
            except ValueError:  # tables that are stored into are never asked for
                continue
            if isinstance(e.sort, ir.TableSort):
                continue
            readable += 1
            for k, state in enumerate(states):
                try:
                    wanted = Valuation(many.SYSTEM, state, locals_=names).raw(e)
                except evaluate.Undefined:
                    continue
                assert at(value, len(states) - 1 - k) == wanted, e
    assert readable > 100


def at(value: Value, bit: int) -> int:
    """The raw value in one state; it has no second one."""
    if isinstance(value, int):
        return value >> bit & 1
    (raw,) = (raw for raw, states in value.items() if states >> bit & 1)
    return raw
