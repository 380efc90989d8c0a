"""Breadth-first search over concrete states, in Python: the oracle.

Follows Dill et al., "Protocol verification as a hardware design aid" (1992),
and Ip and Dill, "Better verification through symmetry" (1996).
Sound: every reachable state is visited once, in order of distance, so the
first violation of a property has a shortest trace; with symmetry, one state
of each orbit is, and the canonical form is exact (checker.passes.symmetry).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from poolproof.checker.backends import python as lower
from poolproof.checker.core import ir
from poolproof.checker.core.evaluate import initial_states
from poolproof.checker.core.limits import Spent, doing, look, overtime, tick
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.system import Action, Obligation, State, TransitionSystem
from poolproof.checker.core.verdict import (
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
    within_budget,
)
from poolproof.checker.passes.symmetry import Symmetry, canonical_under, find_symmetry

_BATCH = 2048
"""States between two reports of progress."""

_WORK = 100
"""What visiting a state costs at least, see checker.core.limits."""

NO_SYMMETRY = Symmetry((), (), ())


Accepts = Callable[[State, tuple[int, ...], State, int, int], bool]
Last = tuple[str, Accepts]
"""The end of a trace: an action, and which of its steps (before, arguments,
after, result, failed obligation) will do. With symmetry the step that was
seen belongs to a canonical state; its image under the permutation will."""


@dataclass
class _Search:
    """What is known while the search runs."""

    system: TransitionSystem
    canonical: Callable[[State], State]
    parents: dict[State, State | None] = field(default_factory=dict)
    fired: Counter[str] = field(default_factory=Counter)
    results: Counter[tuple[str, int]] = field(default_factory=Counter)
    transitions: int = 0
    depth: int = 0
    deadlocks: int = 0
    deadlock: State | None = None
    found: dict[str, tuple[State, Last | None]] = field(default_factory=dict)
    defects: dict[str, tuple[str, State, Last | None, Obligation | None]] = field(
        default_factory=dict
    )
    starts: dict[State, State] = field(default_factory=dict)
    stopped: str = ""


@within_budget("explicit")
def explicit(
    system: TransitionSystem,
    properties: tuple[Property, ...],
    budget: Budget,
    report: Reporter,
) -> Outcome:
    """Exhaustive search; see verdict.Engine. Raises ValueError for a property
    that one state or one step does not decide."""
    if any(p.kind is Kind.LEADS_TO for p in properties):
        raise ValueError("explicit does not decide `leads to`")
    begin = time.monotonic()
    symmetry = find_symmetry(system, properties) if budget.symmetry else NO_SYMMETRY
    canonical, notes = canonical_under(system, symmetry), symmetry.notes
    search = _Search(system, canonical)
    state_properties = [p for p in properties if p.kind is not Kind.STEP]
    truths = lower.predicates(
        system,
        [
            p.formula if p.kind is Kind.REACHABLE else ir.not_(p.formula)
            for p in state_properties
        ],
    )
    antecedents = [
        (p.name, k, a) for p in state_properties for k, a in enumerate(p.antecedents)
    ]
    holds_of = lower.predicates(system, [a for _, _, a in antecedents])
    seen_true = {p.name: [False] * len(p.antecedents) for p in properties}
    pending = list(range(len(antecedents)))
    steps = [(a, lower.successors(system, a)) for a in system.actions]
    step_checks = {a.name: _step_check(system, a, properties) for a in system.actions}
    outside = lower.in_range(system)

    def inside(state: State, parent: State | None, action: str) -> bool:
        """Says whether the state is in range; where not, that is an error of
        the model, and nothing else is asked of the state or the step to it."""
        cell = outside(state)
        if cell < 0:
            return True
        c = system.cells[cell]
        message = f"{c.name} becomes {state[cell]}, outside its range"
        key = f"range {c.variable.name} {action}"
        if parent is None:
            search.defects.setdefault(key, (message, state, None, None))
        elif key not in search.defects:
            last = (action, lambda b, p, t, r, o: o < 0 and outside(t) >= 0)
            search.defects[key] = (message, parent, last, None)
        return False

    def visit(state: State, parent: State | None) -> bool:
        """Counts a state; says whether it was new."""
        form = canonical(state)
        if form in search.parents:
            return False
        search.parents[form] = parent
        if parent is None:
            search.starts[form] = state
        for p, hit in zip(state_properties, truths(form), strict=True):
            if hit and p.name not in search.found:
                search.found[p.name] = (form, None)
        if pending:
            values = holds_of(form)
            for k in [k for k in pending if values[k]]:
                name, which, _ = antecedents[k]
                seen_true[name][which] = True
                pending.remove(k)
        return True

    frontier: list[State] = []
    try:
        for start in initial_states(system):
            if inside(start, None, "") and visit(start, None):
                frontier.append(canonical(start))
        while frontier and not search.stopped:
            if budget.depth is not None and search.depth >= budget.depth:
                search.stopped = f"the depth budget of {budget.depth} steps"
                break
            nxt: list[State] = []
            for count, state in enumerate(frontier):
                if count % _BATCH == 0:
                    report.progress(
                        states=len(search.parents),
                        depth=search.depth,
                        frontier=len(frontier),
                        seconds=time.monotonic() - begin,
                    )
                    look()
                if budget.states is not None and len(search.parents) >= budget.states:
                    search.stopped = f"the budget of {budget.states:,} states"
                    break
                tick(_WORK)
                enabled = False
                for action, successors in steps:
                    for arguments, after, result, broken in successors(state):
                        step = Step(action.name, arguments)
                        if broken >= 0:
                            due = action.obligations[broken]
                            key = f"{due.span} {due.message}"
                            if key not in search.defects:
                                last = (action.name, _failing(broken))
                                search.defects[key] = (due.message, state, last, due)
                            enabled = True
                            continue
                        enabled = True
                        search.fired[action.name] += 1
                        if action.result is not None:
                            search.results[action.name, result] += 1
                        if not inside(after, state, action.name):
                            continue
                        check = step_checks[action.name]
                        if check is not None:
                            check(search, seen_true, state, after, step, result)
                        if visit(after, state):
                            nxt.append(canonical(after))
                if not enabled:
                    search.deadlocks += 1
                    if search.deadlock is None:
                        search.deadlock = state
            if search.stopped:
                break
            if nxt:
                search.depth += 1
            frontier = nxt
    except KeyboardInterrupt:
        search.stopped = "interrupted"
    except Spent as spent:
        search.stopped = str(spent)
    search.transitions = sum(search.fired.values())
    with overtime(), doing("writing down the runs"):
        return _outcome(search, properties, seen_true, notes, time.monotonic() - begin)


def _failing(obligation: int) -> Accepts:
    return lambda before, arguments, after, result, broken: broken == obligation


StepCheck = Callable[[_Search, dict[str, list[bool]], State, State, Step, int], None]


def _step_check(
    system: TransitionSystem, action: Action, properties: tuple[Property, ...]
) -> StepCheck | None:
    mine = lower.step_properties([p for p in properties if p.kind is Kind.STEP], action)
    if not mine:
        return None
    truths = lower.step_predicates(system, action, [p.formula for p in mine])
    wanted = [(p.name, k, a) for p in mine for k, a in enumerate(p.antecedents)]
    holds_of = lower.step_predicates(system, action, [a for _, _, a in wanted])
    pending = list(range(len(wanted)))

    def violating(which: int) -> Accepts:
        return lambda before, arguments, after, result, broken: (
            broken < 0 and not truths(before, after, arguments, result)[which]
        )

    def check(
        search: _Search,
        seen: dict[str, list[bool]],
        before: State,
        after: State,
        step: Step,
        result: int,
    ) -> None:
        ok = truths(before, after, step.arguments, result)
        for k, (p, good) in enumerate(zip(mine, ok, strict=True)):
            if not good and p.name not in search.found:
                search.found[p.name] = (before, (action.name, violating(k)))
        if pending:
            values = holds_of(before, after, step.arguments, result)
            for k in [k for k in pending if values[k]]:
                name, which, _ = wanted[k]
                seen[name][which] = True
                pending.remove(k)

    return check


def _outcome(
    search: _Search,
    properties: tuple[Property, ...],
    seen_true: dict[str, list[bool]],
    notes: tuple[str, ...],
    seconds: float,
) -> Outcome:
    complete = not search.stopped and not search.defects
    reason = search.stopped or "the model itself is wrong (see the defects)"
    verdicts: dict[str, Verdict] = {}
    states = len(search.parents)
    for p in properties:
        if p.name in search.found:
            verdicts[p.name] = shown_by(p, _trace(search, *search.found[p.name]))
        elif not complete:
            verdicts[p.name] = Unknown(reason, max(search.depth - 1, 0))
        else:
            verdicts[p.name] = settled(p, states, search.depth)
    defects = tuple(
        Defect(message, _trace(search, state, last), due)
        for message, state, last, due in search.defects.values()
    )
    statistics = Statistics(
        states=states,
        transitions=search.transitions,
        depth=search.depth,
        seconds=seconds,
        complete=complete,
        fired={a.name: search.fired[a.name] for a in search.system.actions},
        results=dict(search.results),
        deadlocks=search.deadlocks,
        deadlock=None if search.deadlock is None else _trace(search, search.deadlock),
        true_antecedents={n: tuple(v) for n, v in seen_true.items()},
        notes=notes,
        no_start=complete and not states,
    )
    return Outcome("explicit", verdicts, defects, statistics)


def _trace(search: _Search, end: State, last: Last | None = None) -> Trace:
    """A concrete run to (an image of) the canonical state ``end``, and then
    a step that ``last`` accepts."""
    path = [end]
    while (parent := search.parents.get(path[-1])) is not None:
        path.append(parent)
    path.reverse()
    if path[0] not in search.starts:  # a start that is out of range itself
        return Trace(path[0], ())
    state = start = search.starts[path[0]]
    steps = [(a, lower.successors(search.system, a)) for a in search.system.actions]
    trace: list[Step] = []
    for form in path[1:]:
        state, step = _step_to(search, steps, state, form)
        trace.append(step)
    if last is not None:
        name, accepts = last
        successors = dict((a.name, f) for a, f in steps)[name]
        arguments = next(
            p for p, t, r, o in successors(state) if accepts(state, p, t, r, o)
        )
        trace.append(Step(name, arguments))
    return Trace(start, tuple(trace))


def _step_to(
    search: _Search,
    steps: list[tuple[Action, lower.Successors]],
    state: State,
    form: State,
) -> tuple[State, Step]:
    for action, successors in steps:
        for arguments, after, _, broken in successors(state):
            if broken < 0 and search.canonical(after) == form:
                return after, Step(action.name, arguments)
    raise AssertionError("a canonical step has no concrete one: symmetry is broken")
