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
    first = args[0] if args else unit
    joined = first.op == op
    parts = [*first.args] if joined else []
    before = set(parts)
    """The operands so far. Those of a junction are distinct, and none is needless."""
    for a in args[1:] if joined else args:
        for part in a.args if a.op == op else (a,):
            if part is zero or not_(part) in before:
                return zero
            if part is not unit and part not in before:
                before.add(part)
                parts.append(part)
    return _absorbed(op, unit, zero, parts, len(first.args) if joined else 0)


def _absorbed(op: str, unit: Expr, zero: Expr, parts: list[Expr], start: int) -> Expr:
    """Return the junction of the parts: x and (x or y) is x. Only operands to the left
    may absorb: evaluation is left to right, so an operand may be undefined once an
    earlier one is false. From ``start`` on the parts are new."""
    dual = "or" if op == "and" else "and"
    if any(p.op == dual for p in parts[start:]):
        before, kept = {*parts[:start]}, parts[:start]
        for p in parts[start:]:
            before.add(p)
            if p.op == dual:
                if not before.isdisjoint(p.args):
                    continue
                inner = [q for q in p.args if not_(q) not in before]
                if len(inner) < len(p.args):
                    p = or_(*inner) if dual == "or" else and_(*inner)
                    if p is zero:
                        return zero
            kept.append(p)
        parts = kept
    if not parts:
        return unit
    return parts[0] if len(parts) == 1 else Expr(op, BOOL, tuple(parts))


def implies(a: Expr, b: Expr) -> Expr:
    return or_(not_(a), b)


BUILD.update({"not": builder(not_), "and": builder(and_), "or": builder(or_)})
