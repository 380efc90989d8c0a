# SPDX-License-Identifier: GPL-2.0-only
"""Vacuity: the one place that decides whether a verdict says anything.

"No violation" is worth nothing if nothing happens. The statistics of an engine
say what it knows never to happen. `judged` turns each verdict that rests on
nothing into `Vacuous`, and leaves a verdict alone if the engine does not know.
"""

from __future__ import annotations

from dataclasses import replace

from poolproof.checker.core.ir import show
from poolproof.checker.core.property import Property
from poolproof.checker.core.system import System, TransitionSystem
from poolproof.checker.core.verdict import (
    Holds,
    Outcome,
    Statistics,
    Unreachable,
    Vacuous,
    Verdict,
)

NO_START = "there is no initial state"
NO_STEP = "no action is ever possible"


def judged(
    system: TransitionSystem, properties: tuple[Property, ...], outcome: Outcome
) -> Outcome:
    """Return the outcome with `Vacuous` for each verdict that rests on nothing."""
    verdicts: dict[str, Verdict] = dict(outcome.verdicts)
    for p in properties:
        verdict = verdicts.get(p.name)
        if isinstance(verdict, Holds | Unreachable):
            reason = _reason(system, p, verdict, outcome.statistics)
            if reason:
                verdicts[p.name] = Vacuous(reason, verdict)
    return replace(outcome, verdicts=verdicts)


def _reason(
    system: TransitionSystem, p: Property, verdict: Holds | Unreachable, s: Statistics
) -> str:
    idle = never_possible(system, s)
    if s.no_start:
        return NO_START
    if len(idle) == len(system.actions):
        return NO_STEP
    if p.action in idle and not p.assertion:  # which nobody asked about
        return f"{p.action} is never possible"
    seen = s.true_antecedents.get(p.name, ())
    never = [
        a for a, true in zip(p.as_written.antecedents, seen, strict=False) if not true
    ]
    if never and isinstance(verdict, Holds):
        return "never true: " + "; ".join(show(a) for a in never)
    return ""


def never_possible(system: System, s: Statistics) -> frozenset[str]:
    """Return the actions that are known to be disabled in every reachable state:
    all states were visited and the action never fired, or by induction."""
    if s.complete and s.fired:
        return frozenset(n for n in system.signatures if not s.fired.get(n))
    return s.impossible
