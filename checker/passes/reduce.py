# SPDX-License-Identifier: GPL-2.0-only
"""A smaller system with the same answers.

Constants take the place of rigid params; variables that nothing observes are
left out (the cone of influence of guards, results, obligations, ranges and
properties: Clarke, Grumberg and Peled, "Model Checking", 1999, section 13.1).
Actions, their arguments and the lengths of runs stay, so a run of the small
system is one of the whole: only its initial state lacks cells, and `Reduced`
puts them back. `poolproof.checker.passes.components` cuts a system into
independent ones; `poolproof.checker.engines.reduced` applies both to an engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property

from poolproof.checker.core import ir
from poolproof.checker.core.evaluate import Valuation, states_of
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
    Variable,
    conjuncts,
    writes,
)
from poolproof.checker.core.verdict import Trace


class Reduction(Enum):
    """A way to make a system smaller. Each engine's row says which it allows."""

    BOUNDS = "bounds"
    """Each rigid param is replaced by its bound. Not for an answer about every
    value of the param."""
    CONE = "cone of influence"
    """Variables that nothing observes are left out. Not for an answer that states
    something of every variable, as a certificate states their ranges."""
    COMPONENTS = "components"
    """Independent parts are searched one by one. Not for infinite runs: fairness
    may demand a step of one part while a run stays in another."""
    ORDER = "partial order"
    """Private steps are taken at once, where `Budget.partial_order` asks for it. Not
    for an answer about runs of some length, nor for infinite runs."""


@dataclass(frozen=True)
class Reduced:
    """``system`` is ``whole`` without the variables of ``unobserved``; neither has
    rigid params if these were replaced."""

    whole: TransitionSystem
    system: TransitionSystem
    properties: tuple[Property, ...]
    unobserved: tuple[str, ...] = ()

    @cached_property
    def _first(self) -> State:
        """An initial value of each cell that was left out, 0 of each other."""
        kept = self.system.by_name
        return tuple(
            0 if c.variable.name in kept else _starts(self.whole, c.variable)[c.index]
            for c in self.whole.cells
        )

    def lift_state(self, state: Sequence[int]) -> State:
        """Return an initial state of the whole system whose part this one is."""
        kept, rest = self.system.by_name, iter(state)
        return tuple(
            next(rest) if c.variable.name in kept else first
            for c, first in zip(self.whole.cells, self._first, strict=True)
        )

    def lift(self, trace: Trace) -> Trace | None:
        """Return the run in the whole system. None if it should return to an
        earlier state and does not: a cell that was left out differs."""
        if not self.unobserved:
            return trace
        lifted = replace(trace, initial=self.lift_state(trace.initial))
        if trace.loop is None:
            return lifted
        states = states_of(self.whole, lifted.initial, lifted.steps)
        return lifted if states[-1] == states[trace.loop] else None


def reduce(
    system: TransitionSystem,
    properties: Sequence[Property],
    by: Iterable[Reduction] = (Reduction.BOUNDS, Reduction.CONE),
) -> Reduced:
    """Return the system, reduced: its bounds put in, and without the variables
    that nothing observes."""
    by = frozenset(by)
    whole, queries = system, tuple(properties)
    if Reduction.BOUNDS in by:
        whole, queries = close(system, properties)
    if Reduction.CONE not in by:
        return Reduced(whole, whole, queries)
    kept = observed(whole, queries)
    dropped = tuple(v.name for v in whole.variables if v.name not in kept)
    if not dropped:
        return Reduced(whole, whole, queries)
    small = replace(
        whole,
        variables=tuple(v for v in whole.variables if v.name in kept),
        actions=tuple(
            replace(a, updates={n: u for n, u in a.updates.items() if n in kept})
            for a in whole.actions
        ),
    )
    return Reduced(whole, small, queries, dropped)


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


def observed(system: TransitionSystem, properties: Sequence[Property]) -> set[str]:
    """Return the variables that decide, in the end, something that is asked."""
    ranges = {v.name: declared(v) for v in system.variables}
    seen = [f.expr for f in system.formulas() if _observes(f)]
    seen += [e for p in properties for e in p.formulas()]
    waiting = set(ir.variables_in(*seen))
    waiting.update(v.name for v in system.variables if not _starts_well(system, v))
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
                waiting |= ir.variables_in(a.updates[name]) - kept
    return kept


def _observes(f: Formula) -> bool:
    return f.role in (
        Role.INITIAL,
        Role.GUARD,
        Role.RESULT,
        Role.OBLIGATION,
        Role.ASSUMPTION,
    )


def _starts_well(system: TransitionSystem, v: Variable) -> bool:
    """Return whether the variable has an initial value, and none outside its
    range: then it neither prevents a start nor makes one an error. False if the
    range is not a pair of constants, or open where the start is not given."""
    ends = (v.lo, v.hi)
    if any(e is not None and not e.is_const for e in ends):
        return False
    lo, hi = (None if e is None else e.data for e in ends)
    if v.init is None:
        return lo is not None and hi is not None and bool(lo <= hi)
    if any(e.op == "param" for e in subterms(v.init)):
        return False
    return all(
        (lo is None or lo <= raw) and (hi is None or raw <= hi)
        for raw in _starts(system, v).values()
    )


def _starts(system: TransitionSystem, v: Variable) -> dict[tuple[int, ...], int]:
    """Return an initial value of each of the variable's cells, by index."""
    at = Valuation(system, ())
    cells = (c for c in system.cells if c.variable is v)
    if v.init is None:
        assert v.lo is not None
        return dict.fromkeys((c.index for c in cells), at.raw(v.lo))
    value = at.value(v.init)
    return {c.index: value if isinstance(value, int) else value[c.index] for c in cells}


def _leaving(action: Action, ranges: Mapping[str, Interval]) -> Iterator[str]:
    """Variables that the action may put outside their range, and those that
    say which cells it writes."""
    # compiled engines read 0 outside a table
    known = Ranges(ranges, (0, 0)).where(conjuncts(action.guard))
    for name, update in action.updates.items():
        lo, hi = ranges[name]
        for index, value in writes(update):
            yield from ir.variables_in(*index)
            least, most = known.of(value)
            low = lo is None or (least is not None and lo <= least)
            high = hi is None or (most is not None and most <= hi)
            if not (low and high):
                yield name
