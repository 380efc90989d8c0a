# SPDX-License-Identifier: GPL-2.0-only
"""What the verdicts of a check assume: the design's `assume`s, and what of the
steps each of them cut; the features that are off; and a count that wraps, whose
states beyond are one.

A step is an action with its arguments, in a state that was visited. One is cut
by an `assume` if all `require`s and `assume`s before it hold and it does not. A
search that uses symmetry visits one state of each orbit, and counts its steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from poolproof.checker.core.system import Outline, TransitionSystem
from poolproof.checker.core.verdict import Statistics, Violated
from poolproof.checker.driver.judging import CheckResult


@dataclass(frozen=True)
class AssumptionResult:
    """An assumption: ``why`` completes "assuming ...". ``cut`` is the number of
    steps that it cut, None if no engine counted. ``complete``: in all reachable
    states. ``unneeded``: a proof says that it cuts none in any state."""

    why: str
    cut: int | None = None
    complete: bool = False
    unneeded: bool = False


def assumed_by(
    system: TransitionSystem | Outline, statistics: Statistics
) -> tuple[AssumptionResult, ...]:
    """Return what the verdicts of one search of the system assume."""
    cut, unneeded = statistics.assumed, statistics.unneeded
    return tuple(
        AssumptionResult(why, cut.get(why), statistics.complete, why in unneeded)
        for why in system.assumptions
    )


def together(
    searches: Iterable[Sequence[AssumptionResult]],
) -> tuple[AssumptionResult, ...]:
    """Return what several searches assume, each reason once: its steps in all of
    them, complete if each search that has it counted all."""
    by: dict[str, list[AssumptionResult]] = {}
    for found in searches:
        for a in found:
            by.setdefault(a.why, []).append(a)
    return tuple(
        AssumptionResult(
            why,
            sum(cuts) if (cuts := [a.cut for a in some if a.cut is not None]) else None,
            all(a.complete and a.cut is not None for a in some),
            all(a.unneeded for a in some),
        )
        for why, some in by.items()
    )


def assumptions(checked: CheckResult) -> list[AssumptionResult]:
    """Return what the verdicts assume, in the order of the design's text. Counts
    are those of the first engine that counted, or of the first that counted in
    all reachable states."""
    figures = [o.statistics for o in checked.outcomes]
    best = next(
        (s for s in figures if s.assumed and s.complete),
        next((s for s in figures if s.assumed and s.states), Statistics()),
    )
    unneeded = frozenset[str]().union(*(s.unneeded for s in figures))
    wrapped = [
        a.prop.name.partition(".")[2]
        for a in checked.answers
        if a.prop.assertion == "counter" and isinstance(a.verdict, Violated)
    ]
    system = checked.task.compiled.outline
    return [
        *assumed_by(system, replace(best, unneeded=unneeded)),
        *(
            AssumptionResult(f"{name} stays outside its range once it has left it")
            for name in wrapped
        ),
    ]
