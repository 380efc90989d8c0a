# SPDX-License-Identifier: GPL-2.0-only
"""Junctions and negation. Operands of `and` and `or` are evaluated from the left."""

from __future__ import annotations

from functools import cache

from poolproof.checker.core.ir.arithmetic import as_written, le, lt
from poolproof.checker.core.ir.nodes import FALSE, TRUE, Expr, boolean, want
from poolproof.checker.core.ir.substitution import BUILD, builder
from poolproof.checker.core.sorts import BOOL


def not_(a: Expr) -> Expr:
    if a.negation is None:
        want(BOOL, a)
        a.negation = _negated(a)
    return a.negation


def _negated(a: Expr) -> Expr:
    if a.is_const:
        return boolean(not a.data)
    if a.op == "not":
        return a.args[0]
    if a.op in ("lt", "le"):
        turned = (le if a.op == "lt" else lt)(a.args[1], a.args[0])
        if not turned.is_const:
            turned = as_written(turned, None if a.data is None else not a.data)
            turned.negation = a
        return turned
    return Expr("not", BOOL, (a,))


@cache
def and_(*args: Expr) -> Expr:
    return _junction("and", TRUE, FALSE, args)


@cache
def or_(*args: Expr) -> Expr:
    return _junction("or", FALSE, TRUE, args)


def _junction(op: str, unit: Expr, zero: Expr, args: tuple[Expr, ...]) -> Expr:
    want(BOOL, *args)
    kept: dict[Expr, Expr] = {}
    """Each operand, with its negation."""
    for a in args:
        for part in a.args if a.op == op else (a,):
            negation = part.negation or not_(part)
            if part is zero or negation in kept:
                return zero
            if part is not unit:
                kept[part] = negation
    # absorb: x and (x or y) is x. Only operands to the left may absorb:
    # evaluation is left to right, so an operand may be undefined once an
    # earlier one is false
    parts = []
    before: set[Expr] = set()
    false: set[Expr] = set()
    dual = "or" if op == "and" else "and"
    for p, negation in kept.items():
        before.add(p)
        false.add(negation)
        if p.op == dual:
            if not before.isdisjoint(p.args):
                continue
            if not false.isdisjoint(p.args):
                inner = [q for q in p.args if q not in false]
                p = or_(*inner) if dual == "or" else and_(*inner)
                if p is zero:
                    return zero
        parts.append(p)
    if not parts:
        return unit
    return parts[0] if len(parts) == 1 else Expr(op, BOOL, tuple(parts))


def implies(a: Expr, b: Expr) -> Expr:
    return or_(not_(a), b)


BUILD.update({"not": builder(not_), "and": builder(and_), "or": builder(or_)})
