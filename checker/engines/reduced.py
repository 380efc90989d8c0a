# SPDX-License-Identifier: GPL-2.0-only
"""Engines on reduced systems: the one place that makes a system smaller before
an engine sees it, and puts back into its runs what was left out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from poolproof.checker.core.property import Property
from poolproof.checker.core.system import TransitionSystem
from poolproof.checker.core.verdict import (
    INTERRUPTED,
    Budget,
    Engine,
    Outcome,
    Reporter,
    Shown,
    Statistics,
    Trace,
    Unknown,
    Verdict,
)
from poolproof.checker.engines.commuting import commuting
from poolproof.checker.passes.components import Component, combine, independent
from poolproof.checker.passes.partial_order import private, take_at_once
from poolproof.checker.passes.reduce import Reduced, Reduction, reduce

NO_CYCLE = "searched with all variables: without some, a cycle is shorter"
"""The note if a run that returns to a state does not do so in the whole system."""


def reduced(engine: Engine, by: Collection[Reduction]) -> Engine:
    """Return an engine that runs this one on the system as the reductions make
    it, with the same verdicts. Its runs are those of the whole system."""

    def on_reduced(
        system: TransitionSystem,
        properties: tuple[Property, ...],
        budget: Budget,
        report: Reporter,
    ) -> Outcome:
        run = engine
        if Reduction.ORDER in by and budget.partial_order:
            run = in_order(engine)
        small = reduce(system, properties, by)
        parts: tuple[Component, ...] = ()
        if Reduction.COMPONENTS in by:
            parts = independent(small.system, small.properties, budget.symmetry)
        if len(parts) > 1:
            outcome = _one_by_one(run, parts, budget, report)
        else:
            outcome = run(small.system, small.properties, budget, report)
        lifted = lift(small, outcome)
        if lifted is not None:
            return lifted
        outcome = engine(small.whole, small.properties, budget, report)
        return _noted(outcome, NO_CYCLE)

    return on_reduced


def in_order(engine: Engine) -> Engine:
    """Return an engine that runs ``engine`` on the system in which private steps go
    first. Its runs may not be the shortest, and a search that was not completed makes
    no claim about a number of steps."""

    def on_ordered(
        system: TransitionSystem,
        properties: tuple[Property, ...],
        budget: Budget,
        report: Reporter,
    ) -> Outcome:
        first = max(private(system, properties), commuting(system, properties), key=len)
        ordered, names = take_at_once(system, first)
        if not first:
            outcome = engine(system, properties, budget, report)
            return _noted(outcome, "no step concerns only its own task")
        outcome = engine(ordered, properties, budget, report)
        if outcome.defects:  # behind which no other task has gone on
            return engine(system, properties, budget, report)
        verdicts = {name: _any_length(v) for name, v in outcome.verdicts.items()}
        note = f"taken at once: {', '.join(names)}"
        return _noted(replace(outcome, verdicts=verdicts), note)

    return on_ordered


def _any_length(verdict: Verdict) -> Verdict:
    """Return the verdict without its claim about the number of steps."""
    if isinstance(verdict, Shown):
        return replace(verdict, shortest=False)
    if isinstance(verdict, Unknown):
        return replace(verdict, depth=0)
    return verdict


def _one_by_one(
    engine: Engine, parts: tuple[Component, ...], budget: Budget, report: Reporter
) -> Outcome:
    """Return the outcome for all parts. Each is searched without the variables of
    the others, which it never changes."""
    done: list[Outcome] = []
    for part in parts:
        if done and _interrupted(done[-1]):
            verdicts = {p.name: Unknown(INTERRUPTED) for p in part.properties}
            done.append(Outcome(done[0].engine, verdicts, (), Statistics(states=1)))
            continue
        small = reduce(part.system, part.properties, (Reduction.CONE,))
        outcome = lift(small, engine(small.system, small.properties, budget, report))
        assert outcome is not None, "only infinite runs return to a state"
        statistics = replace(outcome.statistics, unobserved=())
        done.append(replace(outcome, statistics=statistics))
    return combine(parts, done)


def _interrupted(outcome: Outcome) -> bool:
    return any(
        isinstance(v, Unknown) and v.reason == INTERRUPTED
        for v in outcome.verdicts.values()
    )


def lift(small: Reduced, outcome: Outcome) -> Outcome | None:
    """Return the outcome with the runs of the whole system; None if one of them
    should return to a state and does not."""
    verdicts = dict(outcome.verdicts)
    for name, verdict in verdicts.items():
        if isinstance(verdict, Shown):
            trace = small.lift(verdict.trace)
            if trace is None:
                return None
            verdicts[name] = replace(verdict, trace=trace)

    def finite(trace: Trace) -> Trace:
        lifted = small.lift(trace)
        assert lifted is not None, "only a verdict has an infinite run"
        return lifted

    s = outcome.statistics
    statistics = replace(
        s,
        unobserved=small.unobserved,
        deadlock=None if s.deadlock is None else finite(s.deadlock),
    )
    defects = tuple(replace(d, trace=finite(d.trace)) for d in outcome.defects)
    return Outcome(outcome.engine, verdicts, defects, statistics)


def _noted(outcome: Outcome, note: str) -> Outcome:
    s = outcome.statistics
    return replace(outcome, statistics=replace(s, notes=(*s.notes, note)))
