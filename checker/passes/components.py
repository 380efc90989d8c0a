# SPDX-License-Identifier: GPL-2.0-only
"""Components: parts of a system that are independent of each other.

Two actions commute if no variable of one occurs in the other. If this cuts
the variables into parts, the reachable states are all combinations of the
parts' reachable states, so each part is searched alone. This is partial order
reduction at its strongest (Godefroid 1996; the persistent sets are the parts).
It is sound and exact: a shortest run to a violation in one part takes no step of
another part, and all counts follow from the parts' counts (`Component`). If one of
the conditions, which are syntactic, does not hold, there is one part.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from poolproof.checker.core.ir import TRUE, Expr, Sort, scalarsets, subterms
from poolproof.checker.core.property import Property
from poolproof.checker.core.system import Action, TransitionSystem
from poolproof.checker.core.verdict import (
    MODEL_IS_WRONG,
    Holds,
    Outcome,
    Statistics,
    Trace,
    Unknown,
    Unreachable,
    Verdict,
)
from poolproof.checker.passes.classes import Classes


@dataclass(frozen=True)
class Component:
    """All variables of the system with some of its actions and properties. The
    other actions change nothing that these mention."""

    system: TransitionSystem
    properties: tuple[Property, ...]


def independent(
    system: TransitionSystem, properties: Sequence[Property], symmetry: bool
) -> tuple[Component, ...]:
    """The parts, at least one. There is one initial state, no property speaks
    of any step; with ``symmetry``, no scalarset is in two parts, so that
    orbits are combinations, too."""
    whole = (Component(system, tuple(properties)),)
    anywhere = any(p.kind.of_steps and p.action is None for p in properties)
    fixed = system.initial is TRUE and all(v.init is not None for v in system.variables)
    if anywhere or not fixed:
        return whole
    same = Classes()
    for a in system.actions:
        same.join(f"action {a.name}", *_of_action(a, symmetry))
    for p in properties:
        names = _names(p.formulas(), symmetry)
        if p.action is not None:
            names.add(f"action {p.action}")
        same.join(f"property {p.name}", *names)
    if symmetry:
        for v in system.variables:
            same.join(f"variable {v.name}", *_scalars((v.sort,)))
    classes = dict.fromkeys(same.of(f"action {a.name}") for a in system.actions)
    if len(classes) < 2:
        return whole
    first = next(iter(classes))
    return tuple(
        Component(
            replace(
                system,
                actions=tuple(
                    a for a in system.actions if same.of(f"action {a.name}") == c
                ),
            ),
            tuple(
                p
                for p in properties
                if (of := same.of(f"property {p.name}")) == c
                or (c == first and of not in classes)
            ),
        )
        for c in classes
    )


def _of_action(action: Action, symmetry: bool) -> set[str]:
    names = _names((f.expr for f in action.formulas()), symmetry)
    names |= {f"variable {name}" for name in action.updates}
    if symmetry:
        names |= _scalars(p.domain.sort for p in action.parameters)
    return names


def _names(formulas: Iterable[Expr], symmetry: bool) -> set[str]:
    """Return the variables that occur and, with symmetry, the scalarsets."""
    found: set[str] = set()
    for e in subterms(*formulas):
        if e.op == "var":
            found.add(f"variable {e.data[0]}")
        if symmetry:
            found |= _scalars((e.sort,))  # a binder's too: its body has it
    return found


def _scalars(sorts: Iterable[Sort]) -> set[str]:
    return {f"scalarset {s.name}" for sort in sorts for s in scalarsets(sort)}


def combine(parts: Sequence[Component], done: Sequence[Outcome]) -> Outcome:
    """Return the outcome for the whole from the searches of its parts: its states
    are the combinations of theirs."""
    figures = [o.statistics for o in done]
    states = math.prod(s.states for s in figures)
    depth = sum(s.depth for s in figures)
    defects = tuple(d for o in done for d in o.defects)
    complete = all(s.complete for s in figures)
    verdicts: dict[str, Verdict] = {}
    for outcome in done:
        for name, verdict in outcome.verdicts.items():
            match verdict:
                case Holds() | Unreachable() if defects:
                    verdict = Unknown(MODEL_IS_WRONG, outcome.statistics.depth)
                case Holds() if complete:
                    verdict = Holds(True, states, depth)
                case Unreachable() if complete:
                    verdict = Unreachable(states, depth)
            verdicts[name] = verdict
    fired: dict[str, int] = {}
    results: dict[tuple[str, int], int] = {}
    assumed: dict[str, int] = {}
    for k, s in enumerate(figures):
        others = math.prod(t.states for j, t in enumerate(figures) if j != k)
        fired |= {name: n * others for name, n in s.fired.items()}
        results |= {key: n * others for key, n in s.results.items()}
        for why, n in s.assumed.items():
            assumed[why] = assumed.get(why, 0) + n * others
    names = "; ".join(", ".join(a.name for a in p.system.actions) for p in parts)
    notes = (f"searched one by one, as they have nothing in common: {names}",)
    return Outcome(
        ", ".join(dict.fromkeys(o.engine for o in done)),
        verdicts,
        defects,
        Statistics(
            states=states,
            transitions=sum(fired.values()),
            depth=depth,
            seconds=sum(s.seconds for s in figures),
            complete=complete and not defects,
            fired=fired,
            results=results,
            assumed=assumed,
            deadlocks=math.prod(s.deadlocks for s in figures),
            deadlock=_deadlock([s.deadlock for s in figures]),
            true_antecedents={
                n: seen for s in figures for n, seen in s.true_antecedents.items()
            },
            notes=(*notes, *dict.fromkeys(n for s in figures for n in s.notes)),
            memory=max(s.memory for s in figures),
            no_start=any(s.no_start for s in figures),
            impossible=frozenset().union(*(s.impossible for s in figures)),
        ),
    )


def _deadlock(ends: Sequence[Trace | None]) -> Trace | None:
    """Return a run into a deadlock of the whole: all parts end somewhere there."""
    found = [end for end in ends if end is not None]
    if len(found) < len(ends):
        return None
    return Trace(found[0].initial, tuple(step for end in found for step in end.steps))
