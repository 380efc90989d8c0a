# SPDX-License-Identifier: GPL-2.0-only
"""What a question knows of all elements, and what follows for sums over them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from poolproof.checker.core import ir
from poolproof.checker.core.ir import Expr, OpenDomain
from poolproof.checker.engines.anysize.building import Term
from poolproof.checker.engines.anysize.formulas import captures


@dataclass(frozen=True)
class Universal:
    """The body holds for all values of the binders, wherever ``given`` does (a z3
    term; None: always). ``of``: the fact that says so."""

    of: str
    binders: tuple[Expr, ...]
    body: Expr
    given: Term = None


@dataclass(frozen=True)
class Total:
    """``op`` ("eq" or "le") of the sums of two numbers over the same x, which is none
    of ``but``."""

    op: str
    x: Expr
    left: Expr
    right: Expr
    but: tuple[Expr, ...] = ()


def summed(every: Expr) -> Iterator[Total]:
    """Yield the consequences for sums of an `all` that equates, or compares, numbers of
    each element: the sums over any elements are equal, or compare in the same way.
    Only for numeric cells: counts are sums over regions."""
    x, body = ir.binder_of(every), every.args[0]
    if not isinstance(x.data[1], OpenDomain):
        return
    total = ir.local(f"{x.data[0]} summed", x.data[1])
    for part in body.args if body.op == "and" else (body,):
        part, but = _of_others(part, x)
        if part.op not in ("eq", "le") or part.args[0].sort is not ir.INT:
            continue
        if any(_is_number_of(e, x) for e in ir.subterms(part)):
            a, b = ir.substitute_all(part.args, {x: total})
            yield Total(part.op, total, a, b, but)


def _of_others(e: Expr, x: Expr) -> tuple[Expr, tuple[Expr, ...]]:
    """Return e for an x that is none of some terms, and these terms."""
    if e.op != "or":
        return e, ()
    but: dict[Expr, Expr] = {}
    for part in e.args:
        if part.op == "eq" and x in part.args:
            t = part.args[part.args[0] is x]
            if x not in t.free and not captures(e, t):
                but[part] = t
    return ir.or_(*(p for p in e.args if p not in but)), tuple(but.values())


def _is_number_of(e: Expr, x: Expr) -> bool:
    return e.op == "select" and e.sort is ir.INT and x in e.args[1:]
