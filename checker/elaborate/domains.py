# SPDX-License-Identifier: GPL-2.0-only
"""The domains of the modelling language as sorts and domains of the IR."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from poolproof.checker.core import ir
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.ir import Expr
from poolproof.model.language import ANY, Arithmetic, Bound, Slot, Values

_BUILD: dict[str, Callable[[Expr, Expr], Expr]] = {
    "+": ir.add,
    "-": ir.sub,
    "*": ir.mul,
}


def sort_of(values: Values) -> ir.Sort:
    """Return the IR sort of a bound domain."""
    match values.kind:
        case "int":
            return ir.INT
        case "bool":
            return ir.BOOL
        case "enum":
            assert values.members is not None
            labels = tuple(m.name for m in values.members)
            return ir.enum_sort(values.name, labels)
        case "element":
            return ir.scalar_sort(
                values.name, values.size, values.prefix, not values.ordered
            )
        case _:
            assert values.inner is not None
            return ir.set_sort(domain_of(values.inner))


def domain_of(values: Values, name: str = "") -> ir.Domain:
    """Return the finite domain of bound values. Raises UserError, without a
    place, for a Counter and for a domain with an open end."""
    if values.counter:
        raise UserError(None, "a Counter is a field's domain: write Int(0, hi)")
    if values.open and isinstance(values.lo, int) and values.hi is not None:
        if (least := least_of(values.hi)) is None or least < values.lo:
            raise UserError(None, f"{values} may be empty")
        return ir.OpenDomain(
            sort_of(values),
            values.lo,
            name=name,
            end=size_expr(values.hi),
        )
    if not (isinstance(values.lo, int) and isinstance(values.hi, int)):
        raise UserError(None, f"{values} is not a finite domain: give it both ends")
    return ir.Domain(sort_of(values), values.lo, values.hi, name)


def least_of(size: Any) -> int | None:
    """Return the least value of a size, by those of its bounds; None if it has
    none, or if that is not known."""
    match size:
        case int():
            return size
        case Bound(least=least):
            return least
        case Arithmetic("-", left, int(right)):
            less = least_of(left)
            return None if less is None else less - right
        case Arithmetic(("+" | "*") as op, left, right):
            a, b = least_of(left), least_of(right)
            if a is None or b is None:
                return None
            if op == "+":
                return a + b
            return a * b if a >= 0 and b >= 0 else None
    return None


def size_expr(value: Any) -> Expr:
    """Return an int, or arithmetic over symbolic bounds, as an expression."""
    match value:
        case Bound(name=name):
            return ir.param(name)
        case Arithmetic(op, left, right):
            return _BUILD[op](size_expr(left), size_expr(right))
        case _:
            return ir.num(value)


def start_of(slot: Slot) -> Expr:
    """Return the initial value of each cell, which is also the value that a
    field reads as where its feature is off. ANY is the least value."""
    values = slot.values
    start = values.python(values.lo) if slot.start is ANY else slot.start
    if isinstance(start, Bound | Arithmetic):
        return size_expr(start)
    return ir.const(sort_of(values), values.raw(start))
