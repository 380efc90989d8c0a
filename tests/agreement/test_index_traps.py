# SPDX-License-Identifier: GPL-2.0-only
"""Systems in which indices look interchangeable and are not, each as small as can be.

States that have one canonical form must be alike, and the answers must be those of
the plain search.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from poolproof.checker.backends.c.build import compiler
from poolproof.checker.core import ir
from poolproof.checker.core.ir import BOOL, INT, Domain, Expr, num
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.system import (
    Action,
    Assumption,
    Obligation,
    Parameter,
    TransitionSystem,
    Variable,
)
from poolproof.checker.core.verdict import Budget, Engine, Silent
from poolproof.checker.engines.explicit import explicit
from poolproof.checker.engines.native import native
from poolproof.checker.passes.symmetry import find_symmetry
from tests.agreement.test_indices import compared

PAGE = Domain(INT, 0, 2)
P, Q = ir.local("p", PAGE), ir.local("q", PAGE)


def table(name: str, *index: Domain) -> Variable:
    sort = ir.table_sort((*index, PAGE), BOOL)
    return Variable(name, sort, ir.FALSE, ir.TRUE, ir.FALSE)


def act(
    name: str,
    parameters: tuple[Expr, ...],
    guard: Expr,
    updates: Mapping[str, Expr],
    obligations: tuple[Obligation, ...] = (),
    assumptions: tuple[Assumption, ...] = (),
    result: Expr | None = None,
) -> Action:
    given = tuple(Parameter(x.data[0], x) for x in parameters)
    return Action(
        name, given, guard, updates, result, obligations, assumptions=assumptions
    )


def system(variables: tuple[Variable, ...], *actions: Action) -> TransitionSystem:
    return TransitionSystem("trap", variables, actions, ir.TRUE, {}, {})


def setting(v: Variable, *row: Expr) -> Action:
    """An action that sets any cell."""
    changed = ir.store(v.now, *row, P, ir.TRUE)
    return act(f"set_{v.name}", (*row, P), ir.TRUE, {v.name: changed})


A, B = table("a"), table("b")


def at(v: Variable, index: Expr | int) -> Expr:
    return ir.select(v.now, num(index) if isinstance(index, int) else index)


def kept() -> TransitionSystem:
    """The page that was taken last is kept as a number."""
    last = Variable("last", INT, num(0), num(2), num(0))
    taken = {"a": ir.store(A.now, P, ir.FALSE), "last": P}
    return system((A, last), setting(A), act("take", (P,), at(A, P), taken))


def returned() -> TransitionSystem:
    """The page that was taken is the result."""
    taken = {"a": ir.store(A.now, P, ir.FALSE)}
    take = act("take", (P,), at(A, P), taken, result=P)
    return system((A,), setting(A), take)


def beside() -> TransitionSystem:
    """A condition on pages 1 and 2, by a binder over 1, 2 and 3."""
    x = ir.local("x", Domain(INT, 1, 3))
    some = ir.aggregate("any", x, ir.and_(ir.ne(x, num(3)), at(A, x)))
    return system((A,), setting(A), act("found", (), some, {}))


def early() -> TransitionSystem:
    """An obligation of pages 0 and 1, though the guard wants page 0."""
    due = Obligation("assert", ir.or_(ir.not_(at(A, P)), ir.eq(P, num(2))), "", None)
    due = Obligation("assert", due.formula, "due", None, early=True)
    wants = ir.eq(P, num(0))
    return system((A,), setting(A), act("check", (P,), wants, {}, (due,)))


def assumed() -> TransitionSystem:
    """An assumption cuts steps with page 2, though the guard wants page 0."""
    cut = Assumption("cut", ir.and_(at(A, P), ir.eq(P, num(2))))
    wants = ir.eq(P, num(0))
    return system((A,), setting(A), act("check", (P,), wants, {}, (), (cut,)))


def first_named() -> TransitionSystem:
    """The first of two kinds of obligation that fails, by the order of the pages."""
    dues = []
    for k in PAGE:
        dues.append(Obligation("assert", ir.not_(at(A, k)), "a", None))
        other = ir.or_(ir.not_(at(B, k)), at(A, k))
        dues.append(Obligation("assert", other, "b", None))
    check = act("check", (), ir.TRUE, {}, tuple(dues))
    return system((A, B), setting(A), setting(B), check)


ROW = Domain(BOOL, 0, 1)
V, W = ir.local("v", ROW), ir.local("w", ROW)
ROWS = table("rows", ROW)


def two_rows() -> TransitionSystem:
    """One page of two rows: each row by itself has no permutations."""
    both = ir.and_(
        ir.select(ROWS.now, V, P), ir.select(ROWS.now, W, Q), ir.eq(P, Q), V, ir.not_(W)
    )
    return system((ROWS,), setting(ROWS, V), act("both", (V, W, P, Q), both, {}))


def in_between() -> TransitionSystem:
    """A page is set after page 0 was cleared, and before pages 1 and 2 are."""
    changed = A.now
    for index, value in ((0, False), (P, True), (1, False), (2, False)):
        where = num(index) if isinstance(index, int) else index
        changed = ir.store(changed, where, ir.boolean(value))
    return system((A, B), setting(B), act("reset", (P,), at(B, P), {"a": changed}))


@pytest.mark.parametrize(
    "trap",
    [
        kept(),
        returned(),
        beside(),
        early(),
        assumed(),
        first_named(),
        in_between(),
    ],
    ids=lambda trap: trap.actions[-1].name,
)
def test_told_apart(trap: TransitionSystem) -> None:
    assert compared(trap, (), 1000) is not None
    for one in find_symmetry(trap, ()).indices:
        assert all(len(c) < len(PAGE) for row in one.rows for c in row.classes)


def test_pages_of_two_rows_move_together() -> None:
    trap = two_rows()
    assert [one.joint for one in find_symmetry(trap, ()).indices] == [True]
    assert compared(trap, (), 1000) == (64, 20)


def test_rows_that_may_change_places_have_the_same_classes() -> None:
    """An action in doubt names page 0 of one row: so it may of the other."""
    rows = ir.scalar_sort("TRAP_ROWS", 2, "r", True)
    some = Domain(rows, 0, 1)
    a = table("a", some)
    named = act("named", (), ir.select(a.now, ir.const(rows, 0), num(0)), {})
    trap = system((a,), setting(a, ir.local("v", some)), named)
    (found,) = find_symmetry(trap, (), doubtful=True).indices
    assert not found.joint
    pages = {tuple(k for k, _ in c) for row in found.rows for c in row.classes}
    assert (len(found.rows), pages) == (2, {(1, 2)})


ENGINES: list[Engine] = [explicit, *([native] if compiler() is not None else [])]


@pytest.mark.parametrize("engine", ENGINES)
def test_obligations_that_say_the_same(engine: Engine) -> None:
    """The run to the failure ends with another page than the one that was seen."""
    dues = tuple(Obligation("assert", ir.not_(at(A, k)), "free", None) for k in PAGE)
    check = act("check", (), ir.TRUE, {}, dues)
    trap = system((A,), setting(A), check)
    assert compared(trap, (), 1000) == (8, 4)
    for symmetry in (False, True):
        outcome = engine(trap, (), Budget(symmetry=symmetry, indices=True), Silent())
        (defect,) = outcome.defects
        (page,) = defect.trace.steps[0].arguments
        assert (defect.message, len(defect.trace)) == ("free", 2)
        assert defect.obligation is dues[page]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_page_that_is_kept_is_found(engine: Engine) -> None:
    asked = Property("small", Kind.INVARIANT, ir.lt(kept().variables[1].now, num(2)))
    verdict = engine(kept(), (asked,), Budget(indices=True), Silent()).verdicts["small"]
    assert type(verdict).__name__ == "Violated"
