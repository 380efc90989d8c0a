# SPDX-License-Identifier: GPL-2.0-only
"""Guesses of lemmas: how a design's tables hang together.

T and U are tables that share their first index. "T is as at the start while (or
unless) U is", "T is as at the start before (or beyond) U", and "at most U cells of
T are not", U being a number; of a number, that it is at least 0; and balances
(balances.py). A guess is not tried if some state violates it that was visited at small
sizes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from poolproof.checker.core import ir
from poolproof.checker.core.compiled import Observer
from poolproof.checker.core.ir import Expr
from poolproof.checker.core.system import Variable
from poolproof.checker.engines.anysize.balances import balances
from poolproof.checker.engines.anysize.visits import Visits


def guesses(
    visits: Visits, observers: Iterable[Observer] = ()
) -> Iterator[tuple[str, Expr]]:
    """Yield guesses, each with a name."""
    system = visits.system
    yield from balances(visits, observers)
    for v in system.variables:
        if v.element is ir.INT and (v.lo is None or _is_negative(v.lo)):
            index = _index(v)
            cell = ir.select(v.now, *index) if index else v.now
            yield f"{v.name} >= 0", ir.nested("all", index, ir.le(ir.num(0), cell))
    tables = [v for v in system.variables if v.index]
    for t in tables:
        for u in tables:
            if t is u or u.index != t.index[: len(u.index)]:
                continue
            index = _index(t)
            start, other = _start(t, index), _start(u, index[: len(u.index)])
            if start is None or other is None:
                continue
            names = f"{t.name}, {u.name}"
            yield (
                f"{names}: while",
                ir.nested("all", index, ir.or_(ir.not_(other), start)),
            )
            yield f"{names}: unless", ir.nested("all", index, ir.or_(other, start))
            if u.element is not ir.INT:
                continue
            cell = ir.select(u.now, *index[: len(u.index)])
            for position in index[len(u.index) :]:
                if position.sort is ir.INT:
                    before = ir.lt(position, cell)
                    yield (
                        f"{names}: from",
                        ir.nested("all", index, ir.or_(ir.not_(before), start)),
                    )
                    yield (
                        f"{names}: before",
                        ir.nested("all", index, ir.or_(before, start)),
                    )
            if len(t.index) == len(u.index) + 1 and u.index and _counts(t):
                yield f"{names}: count at most", _counted(t, index, cell)
            if t.element is ir.INT and t.index == u.index:
                mine = ir.select(t.now, *index)
                yield f"{names}: at most", ir.nested("all", index, ir.le(mine, cell))


def _counts(t: Variable) -> bool:
    return t.element is ir.BOOL or isinstance(t.element, ir.ScalarSort)


def _counted(t: Variable, index: list[Expr], most: Expr) -> Expr:
    """Return that at most so many cells of each row are not as at the start."""
    start = _start(t, index)
    assert start is not None
    count = ir.aggregate("sum", index[-1], ir.ite(start, ir.num(0), ir.num(1)))
    return ir.nested("all", index[:-1], ir.le(count, most))


def _is_negative(e: Expr) -> bool:
    return not e.is_const or e.data < 0


def _index(v: Variable) -> list[Expr]:
    """A name for each index: the first letter of a scalarset's prefix, or p."""
    found: list[Expr] = []
    for k, d in enumerate(v.index):
        letter = getattr(d.sort, "prefix", "p")[:1]
        again = sum(1 for e in found if e.data[0].startswith(letter))
        found.append(ir.local(f"{letter}{again or ''}#lemma {v.name} {k}", d))
    return found


def _start(v: Variable, index: list[Expr]) -> Expr | None:
    """Return that the cell has its initial value; None if it may have several."""
    if v.init is None or v.init.op != "fill" or isinstance(v.element, ir.SetSort):
        return None
    return ir.eq(ir.select(v.now, *index), v.init.args[0])


def renamed(e: Expr, number: int) -> Expr:
    """e with binders that no other formula has."""

    def at(node: Expr, depth: int) -> Expr:
        if node.op in ir.BINDERS:
            binder = ir.binder_of(node)
            fresh = ir.local(f"{binder.data[0]}^{number}.{depth}", binder.data[1])
            body = ir.substitute(node.args[0], {binder: fresh})
            return ir.aggregate(node.op, fresh, at(body, depth + 1))
        if not node.args:
            return node
        return ir.rebuild(node, tuple(at(a, depth) for a in node.args))

    return at(e, 0)
