# SPDX-License-Identifier: GPL-2.0-only
"""Every reachable state, by the engine that suits the system's size.

The Python engine starts at once. The native engine first compiles a program, and
is then a hundred times faster. Counts of the system and of its states decide
which one answers, never a clock: the two store and count states differently, so
the same call must always be answered by the same engine.
"""

from __future__ import annotations

import math
from dataclasses import replace

from poolproof.checker.backends.c.build import compiler
from poolproof.checker.core.property import Property
from poolproof.checker.core.system import TransitionSystem
from poolproof.checker.core.verdict import (
    Budget,
    Outcome,
    Reporter,
    Unknown,
)
from poolproof.checker.engines.explicit import explicit
from poolproof.checker.engines.native import CANNOT, native

_STATES = 30_000
"""States that the Python engine may visit before the native one takes over."""

_ATTEMPTS = 300_000
"""Steps that it may try, enabled or not: about two seconds of work."""

_WORTH = 200
"""With fewer states than this within `_ATTEMPTS`, it is not tried first."""


def first_states(system: TransitionSystem) -> int:
    """Return how many states the Python engine may visit first; 0: none."""
    instances = sum(
        math.prod(len(p.domain) for p in a.parameters) for a in system.actions
    )
    states = min(_STATES, _ATTEMPTS // max(instances, 1))
    return states if states >= _WORTH else 0


def exhaustive(
    system: TransitionSystem,
    properties: tuple[Property, ...],
    budget: Budget,
    report: Reporter,
) -> Outcome:
    """Exhaustive search; see verdict.Engine."""
    if compiler() is None:
        return explicit(system, properties, budget, report)
    most = first_states(system)
    if most:
        states = most if budget.states is None else min(most, budget.states)
        outcome = explicit(system, properties, replace(budget, states=states), report)
        if outcome.statistics.states < most or budget.states == states:
            return outcome
        if outcome.statistics.complete or outcome.defects:
            return outcome
        asked = [outcome.verdicts[p.name] for p in properties if not p.watches]
        if not any(isinstance(v, Unknown) for v in asked):
            return outcome
    outcome = native(system, properties, budget, report)
    reason = _refused(outcome)
    if not reason:
        return outcome
    outcome = explicit(system, properties, budget, report)
    notes = (*outcome.statistics.notes, reason)
    return replace(outcome, statistics=replace(outcome.statistics, notes=notes))


def _refused(outcome: Outcome) -> str:
    """Return why the native engine did not search this system, or ''."""
    notes = outcome.statistics.notes
    return next((note for note in notes if note.startswith(CANNOT)), "")
