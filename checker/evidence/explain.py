# SPDX-License-Identifier: GPL-2.0-only
"""Why a formula has the truth value it has, on concrete values.

The formula is taken apart at its connectives; what remains is printed in the
spec language's own syntax with the values that decide it.
"""

from __future__ import annotations

from collections.abc import Iterator

from poolproof.checker.core.evaluate import Undefined, Valuation
from poolproof.checker.core.ir import (
    BINDERS,
    Domain,
    Expr,
    TableSort,
    binder_of,
    const,
    not_,
    show,
    show_raw,
    sort_of_table,
    substitute,
)
from poolproof.checker.core.show import symbol

Line = tuple[int, str]
"""(depth of indentation, text)."""

_INSTANCES = 3
"""Upper limit on the values of a bound variable for which reasons are given."""

_LONG = 50
"""Aggregates in a longer text (characters) are abbreviated."""


def reasons(at: Valuation, formula: Expr) -> list[Line]:
    """Return the reasons why the formula is true, or false, here."""
    return list(_because(at, formula, 0))


def _because(at: Valuation, e: Expr, depth: int) -> Iterator[Line]:
    true = at.true(e)
    match e.op, true:
        case ("and", False) | ("or", True):
            for arg in e.args:
                value = _truth(at, arg)
                if value is true:
                    yield from _because(at, arg, depth)
                    if true:
                        return
        case "and", True:
            for arg in e.args:
                yield from _because(at, arg, depth)
        case "or", False:
            *others, last = e.args
            yield depth, "although " + " and ".join(_show(not_(a)) for a in others)
            yield from _because(at, last, depth)
        case ("all", False) | ("any", True):
            yield from _instances(at, e, true, depth)
        case "not", _:
            yield from _because(at, e.args[0], depth)
        case "ite", _:
            test, yes, no = e.args
            first = at.true(test)
            yield depth, f"where {_show(test if first else not_(test))}"
            yield from _because(at, yes if first else no, depth)
        case _:
            yield from _leaf(at, e, true, depth)


def _truth(at: Valuation, e: Expr) -> bool | None:
    try:
        return at.true(e)
    except Undefined:
        return None


def _instances(at: Valuation, e: Expr, true: bool, depth: int) -> Iterator[Line]:
    binder = binder_of(e)
    domain: Domain = binder.data[1]
    hits = [r for r in domain if _truth(at.with_local(binder, r), e.args[0]) is true]
    for raw in hits[:_INSTANCES]:
        value = const(domain.sort, raw)
        body = substitute(e.args[0], {binder: value})
        yield depth, f"for {_show(binder)} = {_show(value)}:"
        if body.is_const:
            yield depth + 1, f"{_show(e.args[0])} is {str(true).lower()}"
        else:
            yield from _because(at, body, depth + 1)
    if len(hits) > _INSTANCES:
        yield depth, f"and for {len(hits) - _INSTANCES} more"


def _leaf(at: Valuation, e: Expr, true: bool, depth: int) -> Iterator[Line]:
    word = "true" if true else "false"
    compared = _sides(e) if e.op in ("eq", "lt", "le") else ()
    if compared and isinstance(compared[0].sort, TableSort):
        yield depth, f"{_show(e)} is {word}"
        yield from _cells(at, compared[0], compared[1], depth + 1)
        return
    text = ""
    if compared and not all(x.is_const for x in compared):
        a, b = compared
        if b.is_const and _is_plain(a):
            text = f": {_show(a)} is {_value(at, a)}"
        else:
            sides = (_value(at, x) for x in compared)
            text = f": {f' {symbol(e)} '.join(sides)}"
    yield depth, f"{_show(e)} is {word}{text}"
    if compared and all(_is_plain(x) for x in compared):
        return
    parts = [
        f"{_show(x)} = {_value(at, x)}"
        for x in _read(e)
        if x is not e and x not in compared
    ]
    if parts:
        yield depth + 1, ", ".join(parts)
    for node in _sums(e):
        yield from _terms(at, node, depth + 1)


def _sides(e: Expr) -> tuple[Expr, ...]:
    """The arguments, in the order in which a comparison was written."""
    return e.args[::-1] if e.turned else e.args


def _is_plain(e: Expr) -> bool:
    """Return whether e is a constant, a variable or a cell."""
    return (
        e.is_const
        or e.op in ("var", "local", "param")
        or (e.op == "select" and all(i.is_const for i in e.args[1:]))
    )


def _read(e: Expr) -> list[Expr]:
    """The variables, cells and parameters outside of aggregates that e
    depends on."""
    found: dict[Expr, None] = {}

    def visit(x: Expr) -> None:
        if x.op in BINDERS or x.is_const:
            return
        if x.op in ("local", "var", "select") and not isinstance(x.sort, TableSort):
            found[x] = None
            if x.op == "select":
                for i in x.args[1:]:
                    visit(i)
            return
        for arg in x.args:
            visit(arg)

    visit(e)
    return list(found)


def _sums(e: Expr) -> list[Expr]:
    """The outermost sums in e, each of which has a value here."""
    found: list[Expr] = []

    def visit(x: Expr) -> None:
        if x.op == "sum":
            found.append(x)
        elif x.op not in BINDERS:
            for arg in x.args:
                visit(arg)

    visit(e)
    return list(dict.fromkeys(found))


def _terms(at: Valuation, node: Expr, depth: int) -> Iterator[Line]:
    """Yield the contribution of each value of a sum's variable that makes one."""
    binder = binder_of(node)
    domain: Domain = binder.data[1]
    parts = [
        (show_raw(domain.sort, raw), at.with_local(binder, raw).raw(node.args[0]))
        for raw in domain
    ]
    text = ", ".join(f"{n}: {v}" for n, v in parts if v) or "all zero"
    yield depth, f"{_show(node)} = {at.raw(node)} ({text})"


def _cells(at: Valuation, a: Expr, b: Expr, depth: int) -> Iterator[Line]:
    left, right = at.table(a), at.table(b)
    sort = sort_of_table(a)
    for index in left:
        if left[index] != right[index]:
            where = ", ".join(
                show_raw(d.sort, i) for d, i in zip(sort.index, index, strict=True)
            )
            before, after = (show_raw(sort.element, t[index]) for t in (left, right))
            yield depth, f"[{where}]: {before} and {after}"


def _value(at: Valuation, e: Expr) -> str:
    try:
        return show_raw(e.sort, at.raw(e))
    except Undefined:
        return "undefined"


def _show(e: Expr) -> str:
    """Return e as text: an `or` with negations as the implication it was written
    as, and aggregates without their body if the whole is long."""
    if e.op == "or" and len(e.args) > 1:
        *others, last = e.args
        left = " and ".join(_bracketed(not_(a)) for a in others)
        return f"{left} implies {_bracketed(last)}"
    whole = show(e)
    if len(whole) <= _LONG:
        return whole
    match e.op:
        case "sum" | "all" | "any":
            name, domain = e.data
            return f"{e.op}({name.split('#')[0]} in {domain}: ...)"
        case "eq" | "lt" | "le" | "and" | "add" | "sub":
            return f" {symbol(e)} ".join(_bracketed(x) for x in _sides(e))
        case "not":
            return f"not {_bracketed(e.args[0])}"
        case "min" | "max":
            return f"{e.op}({', '.join(_show(x) for x in e.args)})"
        case _:
            return whole


def _bracketed(e: Expr) -> str:
    return f"({_show(e)})" if e.op in ("or", "ite") else _show(e)
