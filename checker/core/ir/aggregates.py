# SPDX-License-Identifier: GPL-2.0-only
"""`sum`, `all`, `any`, `setof` and `first` over a domain, which bind a local."""

from __future__ import annotations

from collections.abc import Sequence

from poolproof.checker.core.ir.arithmetic import add, mul, sub
from poolproof.checker.core.ir.nodes import (
    Expr,
    binder_of,
    boolean,
    const,
    num,
    want,
)
from poolproof.checker.core.ir.substitution import BUILD
from poolproof.checker.core.sorts import (
    BOOL,
    INT,
    Domain,
    OpenDomain,
    Sort,
    SortError,
    set_sort,
)


def aggregate(op: str, binder: Expr, body: Expr) -> Expr:
    """Return the sum, all, any or setof of ``body`` over the binder's domain, or the
    first of its elements with ``body``: -1 if there is none. Raise SortError for the
    first of a closed domain, which is a choice between its elements, and of one
    that begins below 0: -1 may be an element there."""
    name, domain = binder.data
    want(INT if op == "sum" else BOOL, body)
    if op == "setof":
        sort: Sort = set_sort(domain)
        if body.is_const:
            return const(sort, (1 << len(domain)) - 1 if body.data else 0)
    elif op == "first":
        if not isinstance(domain, OpenDomain):
            raise SortError(f"{name} is over a closed domain")
        if domain.lo < 0:
            raise SortError(f"{name} may be -1, which stands for none")
        sort = domain.sort
        if body.is_const:
            return const(sort, domain.lo if body.data else -1)
    else:
        sort = body.sort
        if not isinstance(domain, OpenDomain) and len(domain) == 0:
            return num(0) if op == "sum" else boolean(op == "all")
        if binder not in body.free:
            return mul(body, number_of_values(domain)) if op == "sum" else body
    return Expr(op, sort, (body,), (name, domain))


def nested(op: str, binders: Sequence[Expr], body: Expr) -> Expr:
    """Return the `aggregate` over several binders, the first of them outermost."""
    for binder in reversed(binders):
        body = aggregate(op, binder, body)
    return body


def number_of_values(domain: Domain) -> Expr:
    """Return how many values the domain has."""
    if isinstance(domain, OpenDomain):
        return add(sub(domain.end, num(domain.lo)), num(1))
    return num(len(domain))


def last(domain: Domain) -> Expr:
    """Return the greatest value of a domain of integers."""
    return domain.end if isinstance(domain, OpenDomain) else num(domain.hi)


def above(domain: Domain) -> Expr:
    """Return the integer after the greatest value of the domain."""
    return add(last(domain), num(1))


def _aggregate(_: None, e: Expr, body: Expr) -> Expr:
    return aggregate(e.op, binder_of(e), body)


BUILD.update(dict.fromkeys(("sum", "all", "any", "setof", "first"), _aggregate))
