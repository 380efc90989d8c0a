# SPDX-License-Identifier: GPL-2.0-only
"""Sets over a domain."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from poolproof.checker.core.ir.aggregates import last
from poolproof.checker.core.ir.arithmetic import le
from poolproof.checker.core.ir.logic import and_, not_, or_
from poolproof.checker.core.ir.nodes import (
    FALSE,
    TRUE,
    Expr,
    binder_of,
    boolean,
    certainly_in,
    const,
    num,
    sort_of_set,
    want,
)
from poolproof.checker.core.ir.substitution import BUILD, builder, substitute
from poolproof.checker.core.ir.tables import chooses, eq, in_branches, ne
from poolproof.checker.core.sorts import BOOL, INT, Domain, OpenDomain, set_sort


@cache
def member(e: Expr, s: Expr) -> Expr:
    domain = sort_of_set(s).domain
    want(domain.sort, e)
    if s.is_const and e.is_const:
        return boolean(e.data in domain and s.data >> (e.data - domain.lo) & 1 == 1)
    if s.op == "setof" and e.op == "local" and e.data[1] == domain:
        return substitute(s.args[0], {binder_of(s): e})
    if s.op == "ite":
        return in_branches(s, lambda leaf: member(e, leaf), chooses)
    if s.is_const and s.data == 0:
        return FALSE
    if e.is_const and s.op in ("union", "inter", "diff"):
        a, b = (member(e, x) for x in s.args)
        if a.is_const or b.is_const:
            if s.op == "union":
                return or_(a, b)
            return and_(a, b if s.op == "inter" else not_(b))
    inside = in_domain(e, domain)
    if s.op == "single":
        return and_(inside, eq(e, s.args[0]))
    if inside is not TRUE:
        return and_(inside, Expr("in", BOOL, (e, s)))
    if s.is_const and s.data == (1 << len(domain)) - 1:
        return TRUE
    return Expr("in", BOOL, (e, s))


def in_domain(e: Expr, domain: Domain) -> Expr:
    if certainly_in(e, domain):
        return TRUE
    if e.sort is INT:
        return and_(le(num(domain.lo), e), le(e, last(domain)))
    if isinstance(domain, OpenDomain):
        return TRUE if domain.lo < 0 else ne(e, const(e.sort, -1))
    return or_(*(eq(e, const(e.sort, v)) for v in domain))


def union(a: Expr, b: Expr) -> Expr:
    return _set_op("union", a, b, lambda x, y: x | y)


def inter(a: Expr, b: Expr) -> Expr:
    return _set_op("inter", a, b, lambda x, y: x & y)


def diff(a: Expr, b: Expr) -> Expr:
    return _set_op("diff", a, b, lambda x, y: x & ~y)


def _set_op(op: str, a: Expr, b: Expr, fold: Callable[[int, int], int]) -> Expr:
    sort = sort_of_set(a, b)
    full = (1 << len(sort.domain)) - 1
    if a.is_const and b.is_const:
        return const(sort, fold(a.data, b.data))
    empty = const(sort, 0)
    if a is b:
        return empty if op == "diff" else a
    for x, y in ((a, b), (b, a)):
        if op == "diff" and x is not a:
            if x is empty:
                return y
            if x.is_const and x.data == full:
                return empty
        elif x is empty:
            return y if op == "union" else empty
        elif op == "union" and x.is_const and x.data == full:
            return x
        elif op == "inter" and x.is_const and x.data == full:
            return y
    return Expr(op, sort, (a, b))


def single(e: Expr, domain: Domain) -> Expr:
    """The set {e} over ``domain``; e must lie in it."""
    want(domain.sort, e)
    sort = set_sort(domain)
    if e.is_const and e.data in domain:
        return const(sort, 1 << (e.data - domain.lo))
    return Expr("single", sort, (e,))


def card(s: Expr) -> Expr:
    sort_of_set(s)
    if s.is_const:
        return num(s.data.bit_count())
    return Expr("card", INT, (s,))


BUILD.update(
    {
        "in": builder(member),
        "union": builder(union),
        "inter": builder(inter),
        "diff": builder(diff),
        "single": lambda _, e, a: single(a, sort_of_set(e).domain),
        "card": builder(card),
    }
)
