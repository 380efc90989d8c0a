# SPDX-License-Identifier: GPL-2.0-only
"""Interval arithmetic, and the one interval analysis of the IR.

An interval is (least, greatest) raw value; None: no bound on that side.
`INTERVALS` is the analysis, as an algebra (`poolproof.checker.core.fold`) over
what is known about variables (`Leaves`). `Expr.interval` assumes nothing about
them; `poolproof.checker.core.ranges` assumes their declared ranges and the
conditions of a guard.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from poolproof.checker.core.fold import Algebra, Node
from poolproof.checker.core.sorts import (
    BOOL,
    Domain,
    EnumSort,
    OpenDomain,
    ScalarSort,
    SetSort,
    Sort,
    TableSort,
)

Interval = tuple[int | None, int | None]

ANY: Interval = (None, None)
TRUTH: Interval = (0, 1)

# --- arithmetic --------------------------------------------------------------


def total(parts: Iterable[int | None]) -> int | None:
    """Return the sum; None if a part is."""
    sum_ = 0
    for p in parts:
        if p is None:
            return None
        sum_ += p
    return sum_


def least(*ends: int | None) -> int | None:
    """Return the lower bound of values with these lower bounds."""
    known = [e for e in ends if e is not None]
    return min(known) if len(known) == len(ends) else None


def most(*ends: int | None) -> int | None:
    """Return the upper bound of values with these upper bounds."""
    known = [e for e in ends if e is not None]
    return max(known) if len(known) == len(ends) else None


def plus(*parts: Interval) -> Interval:
    return total(lo for lo, _ in parts), total(hi for _, hi in parts)


def minus(a: Interval, b: Interval) -> Interval:
    return plus(a, (None if b[1] is None else -b[1], None if b[0] is None else -b[0]))


def times(a: Interval, b: Interval) -> Interval:
    (alo, ahi), (blo, bhi) = a, b
    if alo is None or ahi is None or blo is None or bhi is None:
        return ANY
    corners = [x * y for x in (alo, ahi) for y in (blo, bhi)]
    return min(corners), max(corners)


def times_count(a: Interval, n: int) -> Interval:
    """Return the interval of a sum of n values in ``a``."""
    return None if a[0] is None else a[0] * n, None if a[1] is None else a[1] * n


def quotient(a: Interval, by: int) -> Interval:
    """Floor division; ``by`` is positive."""
    return None if a[0] is None else a[0] // by, None if a[1] is None else a[1] // by


def remainder(a: Interval, by: int) -> tuple[int, int]:
    """The remainder of floor division; ``by`` is positive."""
    lo, hi = a
    if lo is not None and hi is not None and lo // by == hi // by:
        return lo % by, hi % by
    return 0, by - 1


def either(*parts: Interval) -> Interval:
    """Return the smallest interval that holds all of them."""
    return least(*(lo for lo, _ in parts)), most(*(hi for _, hi in parts))


def both(*parts: Interval) -> Interval:
    """Return the intersection: (lo, hi) with lo > hi where it is empty."""
    los = [lo for lo, _ in parts if lo is not None]
    his = [hi for _, hi in parts if hi is not None]
    return max(los, default=None), min(his, default=None)


def lesser(a: Interval, b: Interval) -> Interval:
    """The interval of the smaller value."""
    return least(a[0], b[0]), both(a, b)[1]


def greater(a: Interval, b: Interval) -> Interval:
    """The interval of the greater value."""
    return both(a, b)[0], most(a[1], b[1])


def below(a: int | None, b: int | None) -> bool:
    """Return whether the bound a is certainly less than the bound b."""
    return a is not None and b is not None and a < b


def inside(a: Interval, domain: Domain) -> bool:
    """Return whether every value of the interval is in the domain."""
    lo, hi = a
    if lo is None or hi is None or isinstance(domain, OpenDomain):
        return False
    return domain.lo <= lo and hi <= domain.hi


def full(sort: SetSort) -> Interval:
    """Return the interval of all sets."""
    if isinstance(sort.domain, OpenDomain):
        return 0, None
    return 0, (1 << len(sort.domain)) - 1


def of_sort(sort: Sort) -> Interval:
    """The raw values of a scalar sort's values, none of Maybe included."""
    match sort:
        case EnumSort(labels=labels):
            return 0, len(labels) - 1
        case ScalarSort(size=size):
            return (0, size) if size >= 0 else (size, None)
        case SetSort():
            return full(sort)
        case _ if sort is BOOL:
            return TRUTH
    return ANY


# --- the analysis ------------------------------------------------------------


class Leaves(Protocol):
    """Known intervals of the variables."""

    def variable(self, e: Node) -> Interval:
        """The interval of a scalar variable."""

    def cell(self, e: Node, index: tuple[Interval, ...]) -> Interval:
        """The interval of a `select`."""


class _Structure:
    """Nothing but what follows from a bool's and a set's sort: enums and
    scalarsets have raw values beyond their own."""

    def variable(self, e: Node) -> Interval:
        structured = e.sort is BOOL or isinstance(e.sort, SetSort)
        return of_sort(e.sort) if structured else ANY

    def cell(self, e: Node, index: tuple[Interval, ...]) -> Interval:
        return self.variable(e)


STRUCTURE: Leaves = _Structure()


def _truth(_: Leaves, e: Node, *args: Interval) -> Interval:
    return TRUTH


def _set(_: Leaves, e: Node, *args: Interval) -> Interval:
    return of_sort(e.sort)


def _any(_: Leaves, e: Node, *args: Interval) -> Interval:
    return ANY


def _variable(given: Leaves, e: Node) -> Interval:
    return ANY if isinstance(e.sort, TableSort) else given.variable(e)


def _card(_: Leaves, e: Node, s: Interval) -> Interval:
    sort = e.args[0].sort
    assert isinstance(sort, SetSort)
    return 0, len(sort.domain)


def _sum(_: Leaves, e: Node, body: Interval) -> Interval:
    domain = e.data[1]
    if not isinstance(domain, OpenDomain):
        return times_count(body, len(domain))
    lo, hi = body
    return 0 if lo is not None and lo >= 0 else None, 0 if hi == 0 else None


INTERVALS: Algebra[Interval] = {
    "const": lambda _, e: (e.data, e.data),
    "param": _any,
    "local": lambda _, e: (e.data[1].lo, e.data[1].hi),
    "var": _variable,
    "not": _truth,
    "and": _truth,
    "or": _truth,
    "eq": _truth,
    "lt": _truth,
    "le": _truth,
    "in": _truth,
    "all": _truth,
    "any": _truth,
    "add": lambda _, e, *parts: plus(*parts),
    "sub": lambda _, e, a, b: minus(a, b),
    "mul": lambda _, e, a, b: times(a, b),
    "div": lambda _, e, a, b: quotient(a, e.args[1].data),
    "mod": lambda _, e, a, b: remainder(a, e.args[1].data),
    "min": lambda _, e, a, b: lesser(a, b),
    "max": lambda _, e, a, b: greater(a, b),
    "ite": lambda _, e, c, a, b: either(a, b),
    "sum": _sum,
    "card": _card,
    "union": _set,
    "inter": _set,
    "diff": _set,
    "single": _set,
    "setof": _set,
    "select": lambda given, e, table, *index: given.cell(e, index),
    "store": _any,
    "fill": _any,
    "map": _any,
    "first": lambda _, e, body: (-1, e.data[1].hi),
}
