# SPDX-License-Identifier: GPL-2.0-only
"""Formulas as questions want them: without closed binders, `any`, and index ranges
of one value, with sets over closed domains as what is in them; and what an `all`
says of a sum."""

from __future__ import annotations

from dataclasses import replace

from poolproof.checker.core import ir
from poolproof.checker.core.fold import Algebra, fold
from poolproof.checker.core.ir import BINDERS, Expr, OpenDomain, SetSort


class OutOfReach(Exception):
    """A formula that the engine cannot put into a question."""


def prepared(e: Expr) -> Expr:
    """e with closed binders written out, `any` as `all`, and index ranges of one
    value as equations."""
    return fold((e,), _PREPARED, None, _PREPARED_ALREADY)[0]


def _prepared(_: None, e: Expr, *args: Expr) -> Expr:
    return ir.rebuild(e, args)


def _prepared_and(_: None, e: Expr, *args: Expr) -> Expr:
    made = ir.and_(*args)
    equation = ir.as_equation(made.args) if made.op == "and" else None
    return equation or made


def _prepared_local(_: None, e: Expr) -> Expr:
    """The local, over its domain without a name: sums over a domain that the design
    and the spec name differently are the same."""
    name, domain = e.data
    return ir.local(name, replace(domain, name="")) if domain.name else e


def _prepared_binder(_: None, e: Expr, body: Expr) -> Expr:
    binder = _prepared_local(None, ir.binder_of(e))
    domain = binder.data[1]
    if isinstance(domain, OpenDomain):
        if e.op == "any":
            return ir.not_(every(binder, ir.not_(body)))
        if e.op == "all":
            return every(binder, body)
        return ir.aggregate(e.op, binder, body)
    if e.op not in ir.JOINED:
        return ir.aggregate(e.op, binder, body)
    parts = (ir.substitute(body, {binder: ir.const(domain.sort, v)}) for v in domain)
    return ir.JOINED[e.op](*parts)


def every(x: Expr, body: Expr) -> Expr:
    """Return ``all(x: body)``; at the one element that matters, if there is one."""
    parts = body.args if body.op == "or" else (body,)
    for part in parts:
        point = one_point(x, part.args[0]) if part.op == "not" else None
        others = ir.or_(*(p for p in parts if p is not part))
        if point is not None and not captures(others, point):
            there = ir.ne(point, ir.const(point.sort, -1))
            return ir.or_(ir.not_(there), ir.substitute(others, {x: point}))
    return ir.aggregate("all", x, body)


def captures(formula: Expr, e: Expr) -> bool:
    """Return whether e depends on what a binder inside the formula binds."""
    if not e.free:
        return False
    inner = {ir.binder_of(n) for n in ir.subterms(formula) if n.op in BINDERS}
    return not e.free.isdisjoint(inner)


def has_first(e: Expr) -> bool:
    """Return whether there is a `first` in e."""
    for node in ir.subterms(e, known=_FIRSTS):
        _FIRSTS[node] = node.op == "first" or any(_FIRSTS[a] for a in node.args)
    return _FIRSTS[e]


_FIRSTS: dict[Expr, bool] = {}


def one_point(x: Expr, condition: Expr) -> Expr | None:
    """Return t if the condition is ``x == t``, t does not depend on x, and x ranges
    over all elements of an open scalarset: t is then one of them, or none."""
    if condition.op != "eq" or x not in condition.args:
        return None
    a, b = condition.args
    t, domain = (b if a is x else a), x.data[1]
    whole = isinstance(domain, OpenDomain) and domain.lo == 0
    sort = domain.sort
    if not whole or not isinstance(sort, ir.ScalarSort) or sort.size >= 0:
        return None
    return None if x in t.free or t.sort is not sort else t


def has(s: Expr, k: Expr) -> Expr:
    """Return that the constant k is in a set over a closed domain."""
    known = _HAS.get((s, k))
    if known is None:
        known = _HAS[s, k] = _has(s, k)
    return known


_HAS: dict[tuple[Expr, Expr], Expr] = {}


def _has(s: Expr, k: Expr) -> Expr:
    match s.op:
        case "union":
            return ir.or_(*(has(a, k) for a in s.args))
        case "inter":
            return ir.and_(*(has(a, k) for a in s.args))
        case "diff":
            return ir.and_(has(s.args[0], k), ir.not_(has(s.args[1], k)))
        case "single":
            return ir.eq(s.args[0], k)
        case "setof":
            return ir.substitute(s.args[0], {ir.binder_of(s): k})
        case "ite":
            c, a, b = s.args
            return ir.ite(c, has(a, k), has(b, k))
    return ir.member(k, s)


def _elements(s: Expr) -> list[Expr]:
    domain = ir.domain_of(s)
    if isinstance(domain, OpenDomain):
        raise OutOfReach("a set over an open domain")
    return [ir.const(domain.sort, raw) for raw in domain]


def _prepared_in(_: None, e: Expr, x: Expr, s: Expr) -> Expr:
    if x.is_const:
        return ir.or_(*(has(s, k) for k in _elements(s) if k is x))
    return ir.or_(*(ir.and_(ir.eq(x, k), has(s, k)) for k in _elements(s)))


def _prepared_card(_: None, e: Expr, s: Expr) -> Expr:
    one, none = ir.num(1), ir.num(0)
    return ir.add(*(ir.ite(has(s, k), one, none) for k in _elements(s)))


def _is_count(e: Expr) -> bool:
    """Whether it is a sum over an open domain of what is never below zero."""
    least = e.args[0].interval[0] if e.op == "sum" else None
    return least is not None and least >= 0


def _none_counted(e: Expr) -> Expr:
    every = ir.aggregate("all", ir.binder_of(e), zero(e.args[0]))
    COUNTS[every] = e
    return every


COUNTS: dict[Expr, Expr] = {}
"""The sums of which each `all` says that they are 0."""


def zero(e: Expr) -> Expr:
    """Return that e is 0; for a count, that nothing is counted."""
    return _none_counted(e) if _is_count(e) else ir.eq(e, ir.num(0))


def _prepared_eq(_: None, e: Expr, a: Expr, b: Expr) -> Expr:
    if isinstance(a.sort, SetSort):
        return ir.and_(*(ir.eq(has(a, k), has(b, k)) for k in _elements(a)))
    if isinstance(a.sort, ir.TableSort) and a is not b:
        return _same_cells(a, b)
    if b is ir.num(0):
        return zero(a)
    made = ir.eq(a, b)
    return made if made.op == "eq" else prepared(made)


def _same_cells(a: Expr, b: Expr) -> Expr:
    """Return that two tables are equal, cell by cell."""
    assert isinstance(a.sort, ir.TableSort)
    at = [ir.local(f"same{k}#{d}", d) for k, d in enumerate(a.sort.index)]
    same = ir.eq(ir.select(a, *at), ir.select(b, *at))
    return prepared(ir.nested("all", at, same))


def _prepared_lt(_: None, e: Expr, a: Expr, b: Expr) -> Expr:
    if a is ir.num(0) and _is_count(b):
        return ir.not_(zero(b))
    return ir.lt(a, b)


def _prepared_le(_: None, e: Expr, a: Expr, b: Expr) -> Expr:
    return zero(a) if b is ir.num(0) and _is_count(a) else ir.le(a, b)


_PREPARED: Algebra[Expr] = {
    **dict.fromkeys(ir.BUILD, _prepared),
    **dict.fromkeys(BINDERS, _prepared_binder),
    "local": _prepared_local,
    "and": _prepared_and,
    "in": _prepared_in,
    "card": _prepared_card,
    "eq": _prepared_eq,
    "lt": _prepared_lt,
    "le": _prepared_le,
}
_PREPARED_ALREADY: dict[Expr, Expr] = {}
