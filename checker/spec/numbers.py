# SPDX-License-Identifier: GPL-2.0-only
"""Numbers of a scenario that must be known before the design has its sizes: its
bounds, and the range of its size. They are made of numbers, bounds, `let`s
without parameters, `+ - * // %`, `min` and `max`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.spec.names import listed, suggestion
from poolproof.checker.spec.syntax import (
    Binary,
    CallExpr,
    Expression,
    Let,
    Measure,
    Name,
    Numeral,
    Range,
    Scenario,
    Spec,
    Unary,
    start,
)

_DEEP = 100
"""`let`s inside each other."""


def number(
    e: Expression, bounds: Mapping[str, int], lets: Mapping[str, Let], deep: int = 0
) -> int:
    """Return the value of e, by the values of bounds. Raise UserError for anything
    that is no such number."""

    def value(part: Expression) -> int:
        return number(part, bounds, lets, deep)

    match e:
        case Numeral(value=known):
            return known
        case Name(text=text, primed=False) if text in lets:
            let = lets[text]
            if let.parameters or deep == _DEEP:
                raise UserError(start(e), f"`{text}` is not a number here")
            return number(let.body, bounds, lets, deep + 1)
        case Name(text=text, primed=False):
            if text not in bounds:
                known_names = (*bounds, *lets)
                raise UserError(
                    start(e),
                    f"unknown bound `{text}`{suggestion(text, known_names)}: there are "
                    f"{listed(known_names)}",
                )
            return bounds[text]
        case Unary(operator="-", operand=operand):
            return -value(operand)
        case Binary(operator=word, left=left, right=right) if word in ("+", "-", "*"):
            a, b = value(left), value(right)
            return a + b if word == "+" else a - b if word == "-" else a * b
        case Binary(operator=word, left=left, right=right) if word in ("//", "%"):
            a, b = value(left), value(right)
            if b <= 0:
                raise UserError(start(right), f"this is {b}: divide by 1 or more")
            return a // b if word == "//" else a % b
        case CallExpr(function=Name(text=text), arguments=parts) if text in _LEAST:
            return _LEAST[text](value(part) for part in parts)
    raise UserError(
        start(e),
        "a size is made of numbers, bounds and `+ - * // %`, as in `P + P`",
    )


_LEAST = {"min": min, "max": max}


def with_range(scenario: Scenario, sizes: range) -> Scenario:
    """Return the scenario with these sizes in place of its own."""
    if scenario.measure is None:
        return scenario
    bound = scenario.measure.bound
    lo, hi = Numeral(sizes[0], bound.span), Numeral(sizes[-1], bound.span)
    return replace(scenario, measure=Measure(bound, Range(lo, hi, bound.span)))


def with_lets(spec: Spec, given: Mapping[str, int]) -> Spec:
    """Return the spec whose `let`s of these names are these numbers."""
    return replace(
        spec,
        lets=tuple(
            replace(let, body=Numeral(given[let.name.text], let.name.span))
            if let.name.text in given and not let.parameters
            else let
            for let in spec.lets
        ),
    )
