# SPDX-License-Identifier: GPL-2.0-only
"""The visit of formulas for the sets of indices that they tell apart."""

from __future__ import annotations

import pytest

from poolproof.checker.core import ir
from poolproof.checker.core.ir import BOOL, INT, Domain, Expr
from poolproof.checker.core.system import (
    Action,
    Parameter,
    TransitionSystem,
    Variable,
)
from poolproof.checker.passes.indices.find import all_uses
from poolproof.checker.passes.indices.naming import Naming
from poolproof.checker.passes.indices.orbits import CellRow, Indices, sorter
from poolproof.checker.passes.indices.sets import IndexSets
from poolproof.checker.passes.indices.uses import NoIndexSymmetry

PAGE, FILE = Domain(INT, 0, 2), Domain(INT, 0, 1)
TABLE = Variable("has", ir.table_sort((FILE, PAGE), BOOL), ir.FALSE, ir.TRUE, ir.FALSE)
X, Y, Z = (ir.local(name, Domain(BOOL, 0, 1)) for name in "xyz")


class Two:
    """A page of each of two files."""

    def __init__(self, number: int = 0) -> None:
        self.files = [ir.local(f"{name}{number}", FILE) for name in "fg"]
        self.pages = [ir.local(f"{name}{number}", PAGE) for name in "pq"]
        f, g = self.files
        p, q = self.pages
        self.same_file, self.turned = ir.eq(f, g), ir.eq(g, f)
        cells = (ir.select(TABLE.now, f, p), ir.select(TABLE.now, g, q))
        self.same_page = ir.and_(ir.eq(p, q), *cells)
        """Whether one page is meant, which both files have."""


def visited(guard: Expr) -> IndexSets:
    """Visit the guard of an action. Raise Refused if its pages cannot be permuted
    in each file by itself."""
    parameters = tuple(Parameter(x.data[0], x) for x in guard.free)
    action = Action("act", parameters, guard, {}, None, ())
    system = TransitionSystem("pages", (TABLE,), (action,), ir.TRUE, {}, {})
    (uses,) = all_uses(system, ())
    _, scope = uses.read.scopes
    names = Naming(uses, frozenset({"has"}), False, scope.name)
    sets = IndexSets(names, uses.read.values, lambda *_: None)
    sets.read(scope)
    return sets


def in_layers(layers: int) -> Expr:
    """A formula that stands, as it is or negated, in three places of one that
    stands in three places, and so on. In one of them, two files are known to be
    the same."""
    pairs = [Two(number) for number in range(layers)]
    e = ir.and_(*(ir.or_(X, ir.and_(k.same_file, k.same_page)) for k in pairs))
    for k in pairs:
        first = ir.ite(X, ir.and_(k.same_file, ir.or_(Y, e)), ir.not_(e))
        e = ir.or_(first, ir.and_(ir.ne(*k.files), ir.not_(e)))
    return e


def test_visits_grow_with_the_formula_not_with_its_paths() -> None:
    """Each layer has three times as many paths to the innermost part."""
    two, four, twelve = (visited(in_layers(n)).visits for n in (2, 4, 12))
    assert two > 0
    assert twelve - two == 5 * (four - two)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("second", [True, False])
def test_files_must_be_the_same_in_each_place_of_a_comparison(
    first: bool, second: bool
) -> None:
    two = Two()
    compared = ir.or_(Z, two.same_page)
    guard = ir.or_(
        ir.and_(X, two.same_file if first else ir.TRUE, compared),
        ir.and_(Y, two.turned if second else ir.TRUE, compared),
    )
    if first and second:
        assert visited(guard).visits > 0
        return
    with pytest.raises(NoIndexSymmetry, match="compares indices of two rows"):
        visited(guard)


@pytest.mark.parametrize(
    ("keeps", "after"), [(0, [2, 3, 1]), (1, [2, 3, 1]), (2, [1, 2, 3])]
)
def test_an_index_is_kept_in_place_up_to_a_value(keeps: int, after: list[int]) -> None:
    """Page 2 while n is 1 at most; then all three change places."""
    n = Variable("n", INT, ir.num(0), ir.num(2), None)
    t = Variable("t", ir.table_sort((PAGE,), INT), ir.num(0), ir.num(3), None)
    system = TransitionSystem("kept", (n, t), (), ir.TRUE, {}, {})
    members = ((0, ()), (1, ()), (2, (("n", 1),)))
    row = CellRow((), (), (members,))
    state = [keeps, 3, 2, 1]
    sorter(system, [Indices(PAGE, {"t": 0}, False, (row,))])(state)
    assert state == [keeps, *after]
