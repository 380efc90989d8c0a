# SPDX-License-Identifier: GPL-2.0-only
"""Readings of an expression as another one: for engines, without binders, and the
condition under which it has a value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from poolproof.checker.core.fold import Algebra, fold
from poolproof.checker.core.ir.aggregates import aggregate
from poolproof.checker.core.ir.arithmetic import add, le, lt
from poolproof.checker.core.ir.logic import and_, implies, not_, or_
from poolproof.checker.core.ir.nodes import (
    TRUE,
    Expr,
    binder_of,
    const,
    num,
    sort_of_set,
    sort_of_table,
)
from poolproof.checker.core.ir.sets import in_domain, union
from poolproof.checker.core.ir.substitution import BUILD, rebuild, substitute
from poolproof.checker.core.ir.tables import eq, index_space, ite, select
from poolproof.checker.core.operators import BINDERS
from poolproof.checker.core.show import show
from poolproof.checker.core.sorts import SortError, TableSort


def plain(e: Expr) -> Expr:
    """Return the expression for engines: x > y and y < x are one node in it."""
    return fold((e,), _PLAIN)[0]


def _rebuilt(_: None, e: Expr, *args: Expr) -> Expr:
    return rebuild(e, args)


_PLAIN: Algebra[Expr] = {
    **dict.fromkeys(BUILD, _rebuilt),
    "lt": lambda _, e, a, b: lt(a, b),
    "le": lambda _, e, a, b: le(a, b),
}


def expand(e: Expr) -> Expr:
    """e without binders: every aggregate written out over its domain.
    Table equality becomes equality of all cells."""
    return expand_all((e,))[0]


def expand_all(roots: Iterable[Expr]) -> tuple[Expr, ...]:
    return tuple(fold(roots, _EXPANDED, known=_WITHOUT_BINDERS))


_WITHOUT_BINDERS: dict[Expr, Expr] = {}
"""Cache of `expand`: several engines, and the way back of a search, expand the same."""


JOINED: dict[str, Callable[..., Expr]] = {"sum": add, "all": and_, "any": or_}
"""For a binder, how the values of its body become that of the aggregate."""


def _written_out(_: None, e: Expr, body: Expr) -> Expr:
    binder, domain = binder_of(e), e.data[1]
    parts = [expand(substitute(body, {binder: const(domain.sort, v)})) for v in domain]
    if e.op in JOINED:
        return JOINED[e.op](*parts)
    result = empty = const(e.sort, 0)
    for k, part in enumerate(parts):
        result = union(result, ite(part, const(e.sort, 1 << k), empty))
    return result


def _cell_by_cell(_: None, e: Expr, a: Expr, b: Expr) -> Expr:
    if not isinstance(a.sort, TableSort):
        return rebuild(e, (a, b))
    space = index_space(a.sort)
    return and_(*(eq(select(a, *at), select(b, *at)) for at in space))


def _open(_: None, e: Expr, *body: Expr) -> Expr:
    raise SortError(f"{show(e)} is over an open domain")


_EXPANDED: Algebra[Expr] = {
    **dict.fromkeys(BUILD, _rebuilt),
    **dict.fromkeys(BINDERS, _written_out),
    "map": _open,
    "first": _open,
    "eq": _cell_by_cell,
}


def as_equation(conjuncts: Sequence[Expr]) -> Expr | None:
    """Return the conjunction with ``a <= q and q < a + 1`` in it written as ``q == a``;
    None if it has no such conjuncts."""
    for low in conjuncts:
        if low.op == "le":
            a, q = low.args
            high = lt(q, add(a, num(1)))
            if high in conjuncts:
                rest = (p for p in conjuncts if p is not low and p is not high)
                return and_(eq(q, a), *rest)
    return None


def defined(e: Expr) -> Expr:
    """Return where e has a value: the condition, itself defined everywhere, that
    evaluating e (and/or/if from the left) reads tables inside their index
    domains and makes sets of elements of their domain."""
    return fold((e,), _DEFINED)[0]


def _all_defined(_: None, e: Expr, *of: Expr) -> Expr:
    return and_(*of)


def _junction_defined(_: None, e: Expr, *of: Expr) -> Expr:
    condition, reached = TRUE, TRUE
    for arg, known in zip(e.args, of, strict=True):
        condition = and_(condition, implies(reached, known))
        reached = and_(reached, arg if e.op == "and" else not_(arg))
    return condition


def _ite_defined(_: None, e: Expr, c: Expr, a: Expr, b: Expr) -> Expr:
    test = e.args[0]
    return and_(c, implies(test, a), implies(not_(test), b))


def _body_defined(_: None, e: Expr, body: Expr) -> Expr:
    return aggregate("all", binder_of(e), body)


def _index_inside(e: Expr) -> Expr:
    """Return that the index of a select or store is in the table."""
    index = zip(e.args[1:], sort_of_table(e.args[0]).index, strict=False)
    return and_(*(in_domain(i, d) for i, d in index))


def _select_defined(_: None, e: Expr, *of: Expr) -> Expr:
    return and_(*of, _index_inside(e))


def _store_defined(_: None, e: Expr, *of: Expr) -> Expr:
    return and_(*of[:-1], implies(_index_inside(e), of[-1]))


def _single_defined(_: None, e: Expr, a: Expr) -> Expr:
    return and_(a, in_domain(e.args[0], sort_of_set(e).domain))


_DEFINED: Algebra[Expr] = {
    **dict.fromkeys(BUILD, _all_defined),
    **dict.fromkeys(BINDERS, _body_defined),
    "and": _junction_defined,
    "or": _junction_defined,
    "ite": _ite_defined,
    "select": _select_defined,
    "store": _store_defined,
    "single": _single_defined,
}
