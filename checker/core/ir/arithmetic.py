# SPDX-License-Identifier: GPL-2.0-only
"""Comparisons and arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from poolproof.checker.core.ir.nodes import FALSE, TRUE, Expr, boolean, num, want
from poolproof.checker.core.ir.substitution import BUILD, builder
from poolproof.checker.core.show import show
from poolproof.checker.core.sorts import BOOL, INT, SortError


def lt(a: Expr, b: Expr) -> Expr:
    return _compare("lt", a, b)


def le(a: Expr, b: Expr) -> Expr:
    return _compare("le", a, b)


def as_written(e: Expr, greater: bool | None) -> Expr:
    """Return the comparison for texts: ``greater`` if it is written with `>` or
    `>=`, so that its right side stands first. It is a node of its own, for no
    engine to see: `plain` takes the writing away. Any other expression is
    returned as it is, and so is a comparison where ``greater`` is None."""
    if greater is None or e.op not in ("lt", "le"):
        return e
    return Expr(e.op, BOOL, e.args, greater)


@cache
def _compare(op: str, a: Expr, b: Expr) -> Expr:
    want(INT, a, b)
    if a is b:
        return boolean(op == "le")
    (alo, ahi), (blo, bhi) = a.interval, b.interval
    strict = int(op == "lt")
    if ahi is not None and blo is not None and ahi + strict <= blo:
        return TRUE
    if alo is not None and bhi is not None and alo + strict > bhi:
        return FALSE
    return Expr(op, BOOL, (a, b))


def add(*args: Expr) -> Expr:
    terms: list[Expr] = []
    total = 0
    for a in args:
        want(INT, a)
        for part in a.args if a.op == "add" else (a,):
            if part.is_const:
                total += part.data
            else:
                terms.append(part)
    if total or not terms:
        terms.append(num(total))
    return terms[0] if len(terms) == 1 else Expr("add", INT, tuple(terms))


def sub(a: Expr, b: Expr) -> Expr:
    want(INT, a, b)
    if a is b:
        return num(0)
    if b.is_const:
        return add(a, num(-b.data))
    if a.op == "add" and b in a.args:
        rest = list(a.args)
        rest.remove(b)
        return add(*rest)
    return Expr("sub", INT, (a, b))


def neg(a: Expr) -> Expr:
    return sub(num(0), a)


def mul(a: Expr, b: Expr) -> Expr:
    want(INT, a, b)
    if a.is_const:
        a, b = b, a
    if b.is_const:
        if a.is_const:
            return num(a.data * b.data)
        if b.data == 0:
            return b
        if b.data == 1:
            return a
    return Expr("mul", INT, (a, b))


def div(a: Expr, b: Expr) -> Expr:
    """Floor division by a positive constant."""
    return _quotient("div", a, b, lambda x, y: x // y)


def mod(a: Expr, b: Expr) -> Expr:
    """Remainder (never negative) of division by a positive constant: wraps."""
    return _quotient("mod", a, b, lambda x, y: x % y)


def _quotient(op: str, a: Expr, b: Expr, fold: Callable[[int, int], int]) -> Expr:
    want(INT, a, b)
    if not b.is_const or b.data <= 0:
        raise SortError(f"{show(b)} is not a positive constant to divide by")
    if a.is_const:
        return num(fold(a.data, b.data))
    lo, hi = a.interval
    if lo is not None and hi is not None and lo >= 0 and hi < b.data:
        return num(0) if op == "div" else a
    return Expr(op, INT, (a, b))


def min_(a: Expr, b: Expr) -> Expr:
    return _extremum("min", a, b)


def max_(a: Expr, b: Expr) -> Expr:
    return _extremum("max", a, b)


def _extremum(op: str, a: Expr, b: Expr) -> Expr:
    want(INT, a, b)
    for x, y in ((a, b), (b, a)):
        if le(x, y) is TRUE:
            return x if op == "min" else y
    return Expr(op, INT, (a, b))


def _comparison(build: Callable[..., Expr]) -> Callable[..., Expr]:
    return lambda _, e, a, b: as_written(build(a, b), e.data)


BUILD.update(
    {
        "lt": _comparison(lt),
        "le": _comparison(le),
        "add": builder(add),
        "sub": builder(sub),
        "mul": builder(mul),
        "div": builder(div),
        "mod": builder(mod),
        "min": builder(min_),
        "max": builder(max_),
    }
)
