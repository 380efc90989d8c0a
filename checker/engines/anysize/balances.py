# SPDX-License-Identifier: GPL-2.0-only
"""Guesses of balances: linear equations between counters and what they count.

A state is a row of numbers: each number of the state, each open bound, for each
table with open rows the number of cells that are set, or their sum, and the numbers
that the design's observers return, summed over their parameters. Each vector that is
orthogonal to the rows of all states visited at small sizes is a guess. The same is
done for each element of a scalarset, with its own numbers and the number of cells
that name it. After Karr, "Affine relationships among variables of a program" (1976),
with states in place of the program.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from math import lcm

from poolproof.checker.core import ir
from poolproof.checker.core.compiled import Observer
from poolproof.checker.core.evaluate import Valuation
from poolproof.checker.core.ir import BOOL, INT, Expr, OpenDomain
from poolproof.checker.core.system import TransitionSystem, Variable
from poolproof.checker.engines.anysize.sizes import domains
from poolproof.checker.engines.anysize.visits import Visit, Visits

_ROWS = 60
"""States of which rows are made, at each size."""
_NUMBERS = 40
_MOST = 5
"""Numbers in one balance, at most: a longer one is chance."""


def balances(
    visits: Visits, observers: Iterable[Observer] = ()
) -> Iterator[tuple[str, Expr]]:
    """Yield guesses, each with a name."""
    system = visits.system
    whole = [e for v in system.variables for e in numbers(v)]
    decide = {e.data for d in domains(system) for e in ir.subterms(d.end)}
    whole += [ir.param(name) for name in sorted(system.least.keys() - decide)]
    yield from _orthogonal(visits, "balance", (), whole)
    seen = [e for o in observers for e in observed(o)]
    mine = [v.now for v in system.variables if not v.index and v.element is INT]
    mine += [e for v in system.variables for e in numbers(v) if e not in mine]
    if seen:
        yield from _orthogonal(visits, "balance seen", (), (mine + seen)[-_NUMBERS:])
    for domain in _elements(system):
        x = ir.local(f"{domain.sort.name[:1].lower()}#balance", domain)
        own = [e for v in system.variables for e in of_element(v, x)]
        yield from _orthogonal(visits, f"balance of {domain.sort}", (x,), own)


def _elements(system: TransitionSystem) -> list[OpenDomain]:
    found = dict.fromkeys(d for v in system.variables for d in v.index)
    return [
        d
        for d in found
        if isinstance(d, OpenDomain) and isinstance(d.sort, ir.ScalarSort)
    ]


def numbers(v: Variable) -> Iterator[Expr]:
    """Yield the numbers of a state that a variable gives."""
    if any(isinstance(d, OpenDomain) for d in v.index):
        index = [ir.local(f"x{k}#{v.name}", d) for k, d in enumerate(v.index)]
        yield from _summed(v, index, index)
    elif v.element is INT:
        if not v.index:
            yield v.now
            return
        yield from (ir.select(v.now, *i) for i in ir.index_space(_table(v)))


def observed(observer: Observer) -> Iterator[Expr]:
    """Yield an observer that returns a number, summed over its parameters."""
    if observer.body.sort is INT:
        binders = [p.local for p in observer.parameters]
        fresh = [ir.local(f"{b.data[0]}#seen", b.data[1]) for b in binders]
        body = ir.substitute(observer.body, dict(zip(binders, fresh, strict=True)))
        yield ir.nested("sum", fresh, body)


def of_element(v: Variable, x: Expr) -> Iterator[Expr]:
    """Yield the numbers that a variable gives to one element."""
    if not v.index:
        return
    index = [ir.local(f"x{k}#{v.name}", d) for k, d in enumerate(v.index)]
    if v.index[0] == x.data[1]:
        row = [x, *index[1:]]
        if v.element is INT and len(v.index) == 1:
            yield ir.select(v.now, x)
        else:
            yield from _summed(v, row, index[1:])
    if v.element is x.sort:
        named = ir.eq(ir.select(v.now, *index), x)
        yield ir.nested("sum", index, ir.ite(named, ir.num(1), ir.num(0)))


def _summed(
    v: Variable, index: Sequence[Expr], binders: Sequence[Expr]
) -> Iterator[Expr]:
    cell = ir.select(v.now, *index)
    if v.element is INT:
        yield ir.nested("sum", binders, cell)
    elif v.element is BOOL:
        yield ir.nested("sum", binders, ir.ite(cell, ir.num(1), ir.num(0)))
    elif isinstance(v.element, ir.ScalarSort):
        there = ir.ne(cell, ir.const(v.element, v.element.size))
        yield ir.nested("sum", binders, ir.ite(there, ir.num(1), ir.num(0)))


def _table(v: Variable) -> ir.TableSort:
    assert isinstance(v.sort, ir.TableSort)
    return v.sort


def _orthogonal(
    visits: Visits, name: str, of: tuple[Expr, ...], numbers: list[Expr]
) -> Iterator[tuple[str, Expr]]:
    numbers = list(dict.fromkeys(numbers))
    if not 1 < len(numbers) <= _NUMBERS:
        return
    rows: set[tuple[int, ...]] = set()
    for visit in visits.each:
        rows |= set(_values(visit, of, numbers))
    for number, row in enumerate(orthogonal(rows, len(numbers))):
        terms = [(a, e) for a, e in zip(row, numbers, strict=True) if a]
        if not 1 < len(terms) <= _MOST or all(e.op == "param" for _, e in terms):
            continue
        left, right = (
            ir.add(*(ir.mul(e, ir.num(abs(a))) for a, e in terms if (a > 0) is up))
            for up in (True, False)
        )
        yield f"{name} {number}", ir.nested("all", of, ir.eq(left, right))


def _values(
    visit: Visit, of: tuple[Expr, ...], numbers: list[Expr]
) -> Iterator[tuple[int, ...]]:
    closing, small = visit.closing, visit.system
    closed = [closing.expr(e) for e in numbers]
    for state in visit.sample(_ROWS):
        if not of:
            at = Valuation(small, state)
            yield tuple(at.raw(e) for e in closed)
            continue
        x = closing.expr(of[0])
        for raw in x.data[1]:
            at = Valuation(small, state, locals_={x: raw})
            yield tuple(at.raw(e) for e in closed)


def orthogonal(rows: Iterable[tuple[int, ...]], width: int) -> list[list[int]]:
    """Return integer vectors that span what is orthogonal to all rows."""
    pivots: dict[int, list[Fraction]] = {}
    for row in sorted(rows):
        left = [Fraction(a) for a in row]
        for k, pivot in pivots.items():
            if left[k]:
                by = left[k]
                left = [a - by * b for a, b in zip(left, pivot, strict=True)]
        first = next((k for k, a in enumerate(left) if a), None)
        if first is None:
            continue
        left = [a / left[first] for a in left]
        for other, pivot in list(pivots.items()):
            if by := pivot[first]:
                pivots[other] = [a - by * b for a, b in zip(pivot, left, strict=True)]
        pivots[first] = left
    found = []
    for free in (k for k in range(width) if k not in pivots):
        vector = [Fraction(0)] * width
        vector[free] = Fraction(1)
        for k, pivot in pivots.items():
            vector[k] = -pivot[free]
        scale = lcm(*(a.denominator for a in vector))
        found.append([int(a * scale) for a in vector])
    return found
