# SPDX-License-Identifier: GPL-2.0-only
"""Breadth-first search over concrete states, in Python: the oracle.

Follows Dill et al., "Protocol verification as a hardware design aid" (1992),
and Ip and Dill, "Better verification through symmetry" (1996).
Sound: every reachable state is visited once, in order of distance, so the first
violation of a property has a shortest trace. With symmetry, one state of each
orbit is visited; the canonical form is exact (checker.passes.symmetry).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from poolproof.checker.backends.columns import Tuples
from poolproof.checker.backends.python import Transition
from poolproof.checker.core.limits import doing, overtime
from poolproof.checker.core.property import Property
from poolproof.checker.core.system import Action, Obligation, State, TransitionSystem
from poolproof.checker.core.verdict import (
    MODEL_IS_WRONG,
    Budget,
    Defect,
    Outcome,
    Reporter,
    Statistics,
    Step,
    Trace,
    Unknown,
    Verdict,
    settled,
    shown_by,
    undisturbed,
)
from poolproof.checker.engines.space import (
    NO_SYMMETRY,
    Cuts,
    Explored,
    OnStep,
    StateSpace,
    Visitor,
    explore,
)
from poolproof.checker.engines.watch import Watch
from poolproof.checker.passes.symmetry import find_symmetry

Accepts = Callable[[State, Transition], bool]
Last = tuple[str, Accepts]
"""The end of a trace: an action, and a test for its steps from a state. With
symmetry, the step that was seen starts in a canonical state, and the trace ends
with its image under a permutation."""


def explicit(
    system: TransitionSystem,
    properties: tuple[Property, ...],
    budget: Budget,
    report: Reporter,
) -> Outcome:
    """Visit every state; see verdict.Engine. Raise ValueError for a property that
    one state or one step does not decide."""
    begin = time.monotonic()
    symmetry = NO_SYMMETRY
    if budget.symmetry:
        symmetry = find_symmetry(system, properties, indices=budget.indices)
    space = StateSpace(system, symmetry)
    watch, defects = Watch(system, properties), _Defects(space)
    decided, ends = _Decided(space, watch), _Ends()
    cuts = Cuts(system)
    visitors = (decided, defects, ends, *((cuts,) if cuts.rows else ()))
    found = explore(space, visitors, budget, report)
    seconds = time.monotonic() - begin
    with overtime(), doing("writing down the runs"):
        if found.complete:
            watch.look_back(Tuples(found.parents))
        outcome = _outcome(found, properties, decided, defects, ends, seconds)
    return replace(outcome, statistics=replace(outcome.statistics, assumed=cuts.found))


class _Decided(Visitor):
    """The first state or step that decides each property."""

    def __init__(self, space: StateSpace, watch: Watch) -> None:
        self.space, self.watch = space, watch
        self.found: dict[str, tuple[State, Last | None]] = {}

    def state(self, state: State, depth: int) -> None:
        for name in self.watch.state(state):
            self.found.setdefault(name, (state, None))

    def on_step(self, action: Action) -> OnStep | None:
        decided = self.watch.of_step(action)
        if decided is None:
            return None
        found, outside = self.found, self.space.outside

        def look_at(state: State, taken: Transition) -> None:
            for name in decided(state, taken):
                if name not in found:
                    found[name] = state, (action.name, violating(name))

        def violating(name: str) -> Accepts:
            return lambda state, taken: (
                taken.broken is None
                and outside(taken.after) is None
                and name in decided(state, taken)
            )

        return look_at


class _Defects(Visitor):
    """The first state that shows each error of the model."""

    def __init__(self, space: StateSpace) -> None:
        self.space = space
        self.found: dict[str, tuple[str, State, Last | None, Obligation | None]] = {}

    def broken(self, state: State, action: Action, taken: Transition) -> None:
        assert taken.broken is not None
        due = action.obligations[taken.broken]
        key = f"{due.span} {due.message}"
        if key not in self.found:
            # permuted, it is another one that says the same
            alike = {k for k, o in enumerate(action.obligations) if o.says == due.says}
            last = action.name, lambda state, taken: taken.broken in alike
            self.found[key] = due.message, state, last, due

    def leaves(
        self, state: State, action: Action, taken: Transition, cell: int
    ) -> None:
        outside = self.space.outside
        key = self.key(cell, action.name)
        if key not in self.found:
            last = (
                action.name,
                lambda state, taken: (
                    taken.broken is None and outside(taken.after) is not None
                ),
            )
            message = self.space.excess(taken.after, cell)
            self.found[key] = message, state, last, None

    def outside(self, start: State, cell: int) -> None:
        message = self.space.excess(start, cell)
        self.found.setdefault(self.key(cell, ""), (message, start, None, None))

    def key(self, cell: int, action: str) -> str:
        return f"range {self.space.system.cells[cell].variable.name} {action}"


class _Ends(Visitor):
    """The states without any step."""

    def __init__(self) -> None:
        self.count = 0
        self.first: State | None = None

    def expanded(self, state: State, enabled: bool) -> None:
        if not enabled:
            self.count += 1
            if self.first is None:
                self.first = state


def _outcome(
    found: Explored,
    properties: tuple[Property, ...],
    decided: _Decided,
    defects: _Defects,
    ends: _Ends,
    seconds: float,
) -> Outcome:
    complete = not found.stopped and not defects.found
    reason = found.stopped or MODEL_IS_WRONG
    verdicts: dict[str, Verdict] = {}
    states, space = len(found.parents), found.space
    said = tuple(
        Defect(message, trace, None if due is None else _failing(space, trace))
        for message, state, last, due in defects.found.values()
        for trace in (_trace(found, state, last),)
    )
    for p in properties:
        if p.name in decided.found:
            verdicts[p.name] = shown_by(p, _trace(found, *decided.found[p.name]))
        elif not complete:
            verdicts[p.name] = Unknown(reason, undisturbed(found.depth, said))
        else:
            verdicts[p.name] = settled(p, states, found.depth)
    statistics = Statistics(
        states=states,
        transitions=found.transitions,
        depth=found.depth,
        seconds=seconds,
        complete=complete,
        fired=found.fired,
        results=found.results,
        deadlocks=ends.count,
        deadlock=None if ends.first is None else _trace(found, ends.first),
        true_antecedents={n: tuple(v) for n, v in decided.watch.seen.items()},
        notes=space.symmetry.notes,
        no_start=complete and not states,
    )
    return Outcome("explicit", verdicts, said, statistics)


def _trace(found: Explored, end: State, last: Last | None = None) -> Trace:
    """Return a concrete run to (an image of) the canonical state ``end``, followed
    by a step that ``last`` accepts."""
    path = [end]
    while (parent := found.parents.get(path[-1])) is not None:
        path.append(parent)
    path.reverse()
    if path[0] not in found.starts:  # a start that is out of range itself
        return Trace(path[0], ())
    state = start = found.starts[path[0]]
    trace: list[Step] = []
    for form in path[1:]:
        state, step = _step_to(found.space, state, form)
        trace.append(step)
    if last is not None:
        name, accepts = last
        action = found.space.system.action_by_name[name]
        taken = next(
            t for t in found.space.successors(action)(state) if accepts(state, t)
        )
        trace.append(Step(name, taken.arguments))
    return Trace(start, tuple(trace))


def _failing(space: StateSpace, trace: Trace) -> Obligation | None:
    """Return the obligation that fails at the last step of a run."""
    state = trace.initial
    for step in trace.steps:
        action = space.system.action_by_name[step.action]
        taken = next(
            t for t in space.successors(action)(state) if t.arguments == step.arguments
        )
        if taken.broken is not None:
            return action.obligations[taken.broken]
        state = taken.after
    return None


def _step_to(space: StateSpace, state: State, form: State) -> tuple[State, Step]:
    for action in space.system.actions:
        for taken in space.successors(action)(state):
            if taken.broken is None and space.canonical(taken.after) == form:
                return taken.after, Step(action.name, taken.arguments)
    raise AssertionError("a canonical step has no concrete one: symmetry is broken")
