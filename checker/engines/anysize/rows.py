# SPDX-License-Identifier: GPL-2.0-only
"""Guessed invariants of each row: clauses of one or two conditions.

A *row* is the values, in one state, of the conditions of a *shape* on some elements:
for a VMA, say, each flag, comparisons of its numbers, properties of its file. A
condition that has the same value in all visited rows is a guess, and so is each
disjunction of two conditions that is true in all of them. They are too many to check
one by one: winnow.py filters them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import permutations, product

from poolproof.checker.backends.python import predicates
from poolproof.checker.core import ir
from poolproof.checker.core.ir import (
    BOOL,
    INT,
    Expr,
    OpenDomain,
    ScalarSort,
    SetSort,
    TableSort,
)
from poolproof.checker.core.limits import tick
from poolproof.checker.core.system import Variable
from poolproof.checker.engines.anysize.visits import Visit, Visits

_CONDITIONS = 240
"""Conditions of a shape, at most."""
_CELLS = 16
"""Cells of a table over closed domains that conditions are about, at most."""
_NUMBERS = 10
"""Numbers of a shape that are compared with each other, at most."""
_PAIRS = 500
"""Guesses of two conditions of a shape, at most."""
_SAMPLE = 500
"""States of each size whose rows are looked at."""


@dataclass
class Shape:
    """Conditions on elements of open domains, and their values in each visited row:
    bit k of ``true[c]`` is condition c in row k."""

    binders: tuple[Expr, ...]
    conditions: list[Expr]
    evaluated: list[Expr]
    """The conditions with no table read where there is no cell."""
    true: list[int] = field(default_factory=list)
    rows: int = 0

    def visit(self, visits: Visits) -> None:
        """Take in the rows of the visited states."""
        found: set[tuple[bool, ...]] = set()
        for visit in visits.each:
            found |= set(self.rows_of(visit))
        self.rows = len(found)
        self.true = [0] * len(self.conditions)
        for k, row in enumerate(found):
            for c, truth in enumerate(row):
                self.true[c] |= truth << k

    def rows_of(self, visit: Visit) -> Iterator[tuple[bool, ...]]:
        closing = visit.closing
        closed = [closing.expr(c) for c in self.evaluated]
        binders = [closing.expr(b) for b in self.binders]
        for raws in product(*(b.data[1] for b in binders)):
            tick(20)
            by = {
                b: ir.const(b.data[1].sort, raw)
                for b, raw in zip(binders, raws, strict=True)
            }
            truths = predicates(visit.system, ir.substitute_all(closed, by))
            for state in visit.sample(_SAMPLE):
                yield truths(state)

    def clauses(self) -> Iterator[Expr]:
        """Yield what holds in all visited rows: single conditions, then pairs."""
        everything = (1 << self.rows) - 1
        literals: list[tuple[Expr, int]] = []
        for e, rows in zip(self.conditions, self.true, strict=True):
            if rows in (0, everything):
                yield e if rows else ir.not_(e)
            else:
                literals += [(e, rows), (ir.not_(e), rows ^ everything)]
        rank = {e: _cost(e) for e, _ in literals}
        only = {e: _only_cell(e) for e, _ in literals}
        pairs = [
            (rank[a] + rank[b], k, j)
            for k, (a, mine) in enumerate(literals)
            for j, (b, other) in enumerate(literals[:k])
            if mine | other == everything and not (only[a] and only[a] == only[b])
        ]
        for _, k, j in sorted(pairs)[:_PAIRS]:
            yield ir.or_(literals[j][0], literals[k][0])


def _cost(e: Expr) -> int:
    """Comparisons of numbers come last: they are most often chance."""
    return 1 + 4 * any(n.op in ("le", "lt") for n in ir.subterms(e))


def _only_cell(e: Expr) -> frozenset[Expr]:
    """Return the cells whose value e fixes. Between two conditions on the value of the
    same cell, any relation is a matter of logic. Empty for other conditions."""
    nodes = list(ir.subterms(e))
    if any(n.op in ("le", "lt", "in") for n in nodes):
        return frozenset()
    read = (n for n in nodes if n.op in ("select", "var"))
    return frozenset(n for n in read if not isinstance(n.sort, TableSort))


class Rows:
    """The shapes of a system."""

    def __init__(self, visits: Visits) -> None:
        self.visits, self.system = visits, visits.system

    def shapes(self) -> Iterator[Shape]:
        """Yield shapes that have taken in the visited states."""
        for shape in self.made():
            shape.visit(self.visits)
            yield shape

    def made(self) -> Iterator[Shape]:
        indices = {
            tuple(d for d in v.index if isinstance(d, OpenDomain))
            for v in self.system.variables
        }
        for index in sorted(indices, key=lambda i: (len(i), str(i))):
            binders = tuple(_binder(k, d) for k, d in enumerate(index))
            both = dict(self.conditions(binders))
            conditions = list(both)[:_CONDITIONS]
            if len(index) < 3 and len(conditions) > 1:
                yield Shape(binders, conditions, [both[c] for c in conditions])

    def conditions(self, binders: tuple[Expr, ...]) -> Iterator[tuple[Expr, Expr]]:
        """Yield each condition, as it is meant and as it can be evaluated."""
        numbers: list[Expr] = [b for b in binders if b.sort is INT]
        linked: list[Expr] = []
        """Cells that name the element of another row."""
        for v in self.system.variables:
            mine = cells(v, binders)
            for cell in mine:
                yield from ((e, e) for e in about(cell, v, binders))
            if v.element is INT:
                numbers += mine
            else:
                yield from ((e, e) for e in map(ir.eq, mine, mine[1:]))
            if isinstance(v.element, ScalarSort) and v.element.size < 0:
                linked += mine
        for cell in linked:
            yield from self.linked(cell, binders)
        del numbers[_NUMBERS:]
        for a, b in permutations(numbers, 2):
            yield ir.le(a, b), ir.le(a, b)

    def linked(
        self, cell: Expr, binders: tuple[Expr, ...]
    ) -> Iterator[tuple[Expr, Expr]]:
        """Yield conditions on the row of the element that a cell names."""
        assert isinstance(cell.sort, ScalarSort)
        there = ir.ne(cell, ir.const(cell.sort, cell.sort.size))
        others = tuple(b for b in binders if b.sort is INT)
        for v in self.system.variables:
            if not v.index or v.index[0].sort is not cell.sort:
                continue
            for other in cells(v, (cell, *others)):
                safe = ir.select(v.now, _or_first(cell), *other.args[2:])
                both = zip(
                    about(other, v, binders), about(safe, v, binders), strict=True
                )
                yield from ((ir.and_(there, a), ir.and_(there, b)) for a, b in both)


def _binder(k: int, domain: OpenDomain) -> Expr:
    letter = getattr(domain.sort, "prefix", "p")[:1]
    return ir.local(f"{letter}{k}#row", domain)


def _or_first(cell: Expr) -> Expr:
    """The element that a cell names; where it is none, some element."""
    assert isinstance(cell.sort, ScalarSort)
    none = ir.const(cell.sort, cell.sort.size)
    return ir.ite(ir.eq(cell, none), ir.const(cell.sort, 0), cell)


def cells(v: Variable, elements: Sequence[Expr]) -> list[Expr]:
    """Return the variable's cells at these elements of open domains, in order, and
    at each index of closed ones; [] if it has an open index that has no element."""
    if isinstance(v.element, SetSort) and isinstance(v.element.domain, OpenDomain):
        return []
    options: list[list[Expr]] = []
    left = list(elements)
    for d in v.index:
        if isinstance(d, OpenDomain):
            mine = next((e for e in left if _is_of(e, d)), None)
            if mine is None:
                return []
            left.remove(mine)
            options.append([mine])
        else:
            options.append([ir.const(d.sort, raw) for raw in d])
    many = 1
    for some in options:
        many *= len(some)
    if many > _CELLS:
        return []
    if not v.index:
        return [v.now]
    return [ir.select(v.now, *at) for at in product(*options)]


def _is_of(e: Expr, domain: OpenDomain) -> bool:
    if domain.sort is INT:
        return e.op == "local" and bool(e.data[1] == domain)
    return e.sort is domain.sort


def about(cell: Expr, v: Variable, binders: Sequence[Expr]) -> Iterator[Expr]:
    """Yield conditions on the value of a cell."""
    sort = cell.sort
    if sort is BOOL:
        yield cell
    elif sort is INT:
        yield ir.le(cell, ir.num(0))
        if v.lo is None or not v.lo.is_const or v.lo.data < 0:
            yield ir.lt(cell, ir.num(0))
        else:
            yield ir.le(cell, ir.num(1))
    elif isinstance(sort, SetSort):
        for raw in sort.domain:
            yield ir.member(ir.const(sort.domain.sort, raw), cell)
    elif isinstance(sort, ScalarSort) and sort.size < 0:
        yield ir.eq(cell, ir.const(sort, sort.size))
        for b in binders:
            if b.sort is sort:
                yield ir.eq(cell, b)
    elif v.lo is not None and v.hi is not None and v.lo.is_const and v.hi.is_const:
        for raw in range(v.lo.data, v.hi.data + 1):
            yield ir.eq(cell, ir.const(sort, raw))
