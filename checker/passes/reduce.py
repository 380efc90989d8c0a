# SPDX-License-Identifier: GPL-2.0-only
"""A smaller system with the same answers, for the exhaustive engines.

Constants take the place of rigid params; variables that nothing observes are
left out (the cone of influence of guards, results, obligations, ranges and
properties: Clarke, Grumberg and Peled, "Model Checking", 1999, section 13.1).
Actions, their arguments and the lengths of runs stay, so that a trace of the
small system is one of the whole: only its initial state lacks cells.
`poolproof.checker.passes.components` cuts a system into independent ones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from poolproof.checker.core import ir
from poolproof.checker.core.interval import Interval
from poolproof.checker.core.ir import Expr, substitute_all, subterms
from poolproof.checker.core.property import Property
from poolproof.checker.core.ranges import Ranges, declared
from poolproof.checker.core.system import (
    Action,
    Formula,
    Role,
    State,
    TransitionSystem,
    conjuncts,
    writes,
)


@dataclass(frozen=True)
class Reduced:
    """``system`` is ``whole`` without the variables that nothing observes;
    neither has rigid params. ``notes`` names what was left out."""

    whole: TransitionSystem
    system: TransitionSystem
    properties: tuple[Property, ...]
    notes: tuple[str, ...] = ()

    def project(self, state: Sequence[int]) -> State:
        """Return what the small system keeps of a state of the whole."""
        kept = self.system.by_name
        cells = zip(self.whole.cells, state, strict=True)
        return tuple(raw for c, raw in cells if c.variable.name in kept)


def reduce(
    system: TransitionSystem,
    properties: Sequence[Property],
    cone: bool = True,
    keep: Collection[str] = (),
) -> Reduced:
    """Return the system with its bounds put in and, with ``cone``, without
    the variables that nothing observes; those of ``keep`` stay."""
    whole, asked = close(system, properties)
    if not cone:
        return Reduced(whole, whole, asked)
    kept = _observed(whole, asked, keep)
    dropped = [v.name for v in whole.variables if v.name not in kept]
    if not dropped:
        return Reduced(whole, whole, asked)
    small = replace(
        whole,
        variables=tuple(v for v in whole.variables if v.name in kept),
        actions=tuple(
            replace(a, updates={n: u for n, u in a.updates.items() if n in kept})
            for a in whole.actions
        ),
    )
    note = f"not stored, as nothing observes it: {', '.join(dropped)}"
    return Reduced(whole, small, asked, (note,))


def close(
    system: TransitionSystem, properties: Sequence[Property]
) -> tuple[TransitionSystem, tuple[Property, ...]]:
    """Return both with each rigid param replaced by its bound."""
    values = {ir.param(n): ir.num(k) for n, k in system.bounds.items()}
    roots = [f.expr for f in system.formulas()]
    roots += [e for p in properties for e in p.formulas()]
    if not values or not any(e.op == "param" for e in subterms(*roots)):
        return system, tuple(properties)
    memo: dict[Expr, Expr] = {}

    def put(e: Expr) -> Expr:
        return substitute_all((e,), values, memo)[0]

    return system.map(put), tuple(p.map(put) for p in properties)


def _observed(
    system: TransitionSystem, properties: Sequence[Property], keep: Collection[str]
) -> set[str]:
    """The variables that decide, in the end, something that is asked."""
    ranges = {v.name: declared(v) for v in system.variables}
    seen = [f.expr for f in system.formulas() if _observes(f)]
    seen += [e for p in properties for e in p.formulas()]
    waiting = {*_mentioned(seen), *keep}
    for a in system.actions:
        waiting.update(_leaving(a, ranges))
    kept: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in kept:
            continue
        kept.add(name)
        for a in system.actions:
            if name in a.updates:
                waiting |= _mentioned((a.updates[name],)) - kept
    return kept


def _observes(f: Formula) -> bool:
    return f.role in (
        Role.INITIAL,
        Role.GUARD,
        Role.RESULT,
        Role.OBLIGATION,
        Role.ASSUMPTION,
    )


def _mentioned(roots: Iterable[Expr]) -> set[str]:
    return {n.data[0] for n in subterms(*roots) if n.op == "var"}


def _leaving(action: Action, ranges: Mapping[str, Interval]) -> Iterator[str]:
    """Variables that the action may put outside their range, and those that
    say which cells it writes."""
    # compiled engines read 0 outside a table
    known = Ranges(ranges, (0, 0)).where(conjuncts(action.guard))
    for name, update in action.updates.items():
        lo, hi = ranges[name]
        for index, value in writes(update):
            yield from _mentioned(index)
            least, most = known.of(value)
            low = lo is None or (least is not None and lo <= least)
            high = hi is None or (most is not None and most <= hi)
            if not (low and high):
                yield name
