# SPDX-License-Identifier: GPL-2.0-only
"""Candidate invariants that the shape of the state suggests.

Flanagan and Leino, "Houdini" (2001). The symbolic engines keep only candidates
that they prove to be initial and inductive, together with the spec's own
invariants. Two shapes are common in kernel state, and often make a spec's
invariants inductive without further help:

- what a flag guards is as it was initially while the flag is ("a VMA that is
  not live has no pages");
- what lies beyond a length is as it was initially.
"""

from __future__ import annotations

from collections.abc import Iterator

from poolproof.checker.core.ir import (
    BOOL,
    INT,
    TRUE,
    Domain,
    Expr,
    TableSort,
    const,
    eq,
    index_space,
    lt,
    ne,
    or_,
    select,
    show,
)
from poolproof.checker.core.system import TransitionSystem, Variable


def guesses(system: TransitionSystem, most: int = 1_000) -> dict[str, tuple[Expr, ...]]:
    """Return candidate invariants by name, with one conjunct per cell, and at most
    so many conjuncts in all. Each covers all cells of its tables, so it is
    invariant under permutations of a scalarset."""
    found: dict[str, tuple[Expr, ...]] = {}
    for name, parts in _all(system):
        kept = tuple(p for p in parts if p is not TRUE)
        most -= len(kept)
        if most < 0:
            break
        if kept:
            found[name] = kept
    return found


def _all(system: TransitionSystem) -> Iterator[tuple[str, list[Expr]]]:
    tables = [v for v in system.variables if v.index]
    for v in tables:
        first = _initial(v)
        if first is None:
            continue
        assert isinstance(v.sort, TableSort)
        space = list(index_space(v.sort))
        for other in tables:
            n = len(other.index)
            was = _initial(other)
            if other is v or other.index != v.index[:n]:
                continue
            if other.element is BOOL and was is not None:
                yield (
                    f"{v.name} is {show(first)} while {other.name} is {show(was)}",
                    [
                        or_(
                            ne(select(other.now, *at[:n]), was),
                            eq(select(v.now, *at), first),
                        )
                        for at in space
                    ],
                )
            if other.element is INT and _counts(v.index[n:]):
                yield (
                    f"{v.name} is {show(first)} beyond {other.name}",
                    [
                        or_(
                            lt(at[n], select(other.now, *at[:n])),
                            eq(select(v.now, *at), first),
                        )
                        for at in space
                    ],
                )


def _counts(rest: tuple[Domain, ...]) -> bool:
    return len(rest) == 1 and rest[0].sort is INT


def _initial(v: Variable) -> Expr | None:
    """Return the initial value of all cells if it is one constant."""
    init = v.init
    if init is not None and init.op == "fill":
        init = init.args[0]
    if init is None or not init.is_const or init.sort is not v.element:
        return None
    return const(v.element, init.data)
