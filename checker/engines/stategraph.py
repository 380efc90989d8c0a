"""Liveness on the explicit state graph: `leads to` under stated fairness.

Emerson and Lei, "Modalities for model checking" (1987); Lichtenstein and
Pnueli (1985) for fair strongly connected components; Lamport's weak and
strong fairness. Sound and complete on a finite graph: a violation is a
reachable state with the formula from which a fair run avoids the goal, and
such a run exists iff the goal-free part holds a component that satisfies
every fairness assumption. A run may stop for ever (stutter) wherever no
assumption forbids it.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import networkx as nx

from checker import ir
from checker.evaluate import initial_states
from checker.lower import python as lower
from checker.property import Fairness, Kind, Property
from checker.system import State, TransitionSystem
from checker.verdict import (
    Budget,
    Holds,
    Outcome,
    Reporter,
    Statistics,
    Step,
    Trace,
    Unknown,
    Verdict,
    Violated,
)

Label = tuple[str, tuple[int, ...]]
"""One action with its raw arguments."""


@dataclass(frozen=True)
class Graph:
    """Every reachable state and step. ``numbers`` is in order of discovery,
    ``parents`` the breadth-first tree; ``reason`` says why it is partial."""

    states: list[State]
    edges: list[list[tuple[Label, int]]]
    parents: list[tuple[int, Label] | None]
    depth: int
    reason: str


def build(system: TransitionSystem, budget: Budget, report: Reporter) -> Graph:
    """The reachable graph, without symmetry (a permuted cycle is no cycle)."""
    steps = [(a.name, lower.successors(system, a)) for a in system.actions]
    outside = lower.in_range(system)
    over = budget.clock()
    begin = time.monotonic()
    number: dict[State, int] = {}
    graph = Graph([], [], [], 0, "")
    level: list[int] = []
    depth = [0]

    def add(state: State, parent: tuple[int, Label] | None) -> int:
        if state not in number:
            number[state] = len(graph.states)
            graph.states.append(state)
            graph.edges.append([])
            graph.parents.append(parent)
            level.append(0 if parent is None else level[parent[0]] + 1)
            depth[0] = max(depth[0], level[-1])
        return number[state]

    reason = ""
    for start in initial_states(system):
        add(start, None)
    k = 0
    try:
        while k < len(graph.states) and not reason:
            if k % 1024 == 0:
                report.progress(states=len(graph.states), depth=depth[0],
                                seconds=time.monotonic() - begin)  # fmt: skip
                if over():
                    reason = f"the time budget of {budget.seconds:g} s"
                if budget.states is not None and len(graph.states) > budget.states:
                    reason = f"the budget of {budget.states:,} states"
            state = graph.states[k]
            for name, successors in steps:
                for arguments, after, _, broken in successors(state):
                    if broken >= 0 or outside(after) >= 0:
                        reason = f"{name} breaks an obligation of the model"
                        continue
                    label = (name, arguments)
                    graph.edges[k].append((label, add(after, (k, label))))
            k += 1
    except KeyboardInterrupt:
        reason = "interrupted"
    return Graph(graph.states, graph.edges, graph.parents, depth[0], reason)


def stategraph(
    system: TransitionSystem,
    properties: tuple[Property, ...],
    budget: Budget,
    report: Reporter,
) -> Outcome:
    """Answers the `leads to` properties; see verdict.Engine. The others are
    left out of the outcome: they are the other engines' business."""
    begin = time.monotonic()
    mine = [p for p in properties if p.kind is Kind.LEADS_TO]
    if not mine:
        return Outcome("stategraph", {})
    graph = build(system, budget, report)
    verdicts: dict[str, Verdict] = {}
    seen: dict[str, tuple[bool, ...]] = {}
    for p in mine:
        holds = lower.predicates(system, list(p.antecedents))
        truths = [holds(state) for state in graph.states] if p.antecedents else []
        seen[p.name] = tuple(map(any, zip(*truths, strict=True)))
        verdicts[p.name] = _answer(system, graph, p)
    statistics = Statistics(
        states=len(graph.states),
        transitions=sum(map(len, graph.edges)),
        depth=graph.depth,
        seconds=time.monotonic() - begin,
        complete=not graph.reason,
        true_antecedents=seen,
    )
    return Outcome("stategraph", verdicts, (), statistics)


def _answer(system: TransitionSystem, graph: Graph, p: Property) -> Verdict:
    goal = p.goal if p.goal is not None else ir.FALSE
    truths = lower.predicates(system, [p.formula, goal])
    asked: list[int] = []
    avoiding: set[int] = set()
    for k, state in enumerate(graph.states):
        here, there = truths(state)
        if not there:
            avoiding.add(k)
            if here:
                asked.append(k)
    if graph.reason:  # a missing edge could be the fair way out: no verdict
        return Unknown(graph.reason, max(graph.depth - 1, 0))
    inside = nx.DiGraph()
    inside.add_nodes_from(avoiding)
    inside.add_edges_from(
        (k, t) for k in avoiding for _, t in graph.edges[k] if t in avoiding
    )
    reached = _reachable(inside, asked)
    for component in _fair_components(graph, inside.subgraph(reached), p.fair):
        return Violated(_lasso(graph, asked, component, avoiding, p.fair), False)
    return Holds(True, len(graph.states), graph.depth)


def _reachable(inside: nx.DiGraph, sources: Iterable[int]) -> set[int]:
    seen = set(sources)
    queue = deque(seen)
    while queue:
        for t in inside.successors(queue.popleft()):
            if t not in seen:
                seen.add(t)
                queue.append(t)
    return seen


def _fair_components(
    graph: Graph, inside: nx.DiGraph, fair: tuple[Fairness, ...]
) -> Iterable[set[int]]:
    """Sets of states in which some run stays for ever, fairly, visiting all.
    A single state counts: a run may stop there."""
    strong = {f.action for f in fair if f.strong}
    weak = {f.action for f in fair if not f.strong}
    waiting = sorted(
        (set(c) for c in nx.strongly_connected_components(inside)), key=min
    )
    while waiting:
        component = waiting.pop(0)
        taken = {
            label
            for k in component
            for label, t in graph.edges[k]
            if t in component and label[0] in strong | weak
        }
        always = set.intersection(
            *({label for label, _ in graph.edges[k]} for k in component)
        )
        if any(label[0] in weak and label not in taken for label in always):
            continue
        starved = {
            k
            for k in component
            if any(lb[0] in strong and lb not in taken for lb, _ in graph.edges[k])
        }
        if not starved:
            yield component
        elif starved != component:
            rest = inside.subgraph(component - starved)
            parts = (set(c) for c in nx.strongly_connected_components(rest))
            waiting.extend(sorted(parts, key=min))


def _lasso(
    graph: Graph,
    asked: list[int],
    component: set[int],
    avoiding: set[int],
    fair: tuple[Fairness, ...],
) -> Trace:
    """To a state with the formula, on to the component, and around it: on a
    short fair cycle where one is found, else past each of its states and
    each step that fairness speaks of."""
    cycle = _short_cycle(graph, asked, component, avoiding, fair)
    if cycle is not None:
        component = {cycle[0]}
    stem, entry = _path(graph, asked, component, avoiding)
    steps, start = _from_start(graph, stem[0] if stem else entry)
    steps.extend(label for label, _ in _labels(graph, [*stem, entry]))
    loop = len(steps)
    if cycle is not None:
        steps.extend(cycle[1])
        return _trace(graph, start, steps, loop)
    names = {f.action for f in fair}
    goals: list[tuple[int, Label, int]] = []
    seen: set[Label] = set()
    for k in sorted(component):
        for label, t in graph.edges[k]:
            if t in component and label[0] in names and label not in seen:
                seen.add(label)
                goals.append((k, label, t))
    here = entry
    for k in sorted(component):
        here = _walk(graph, component, here, k, steps)
    for k, label, t in goals:
        here = _walk(graph, component, here, k, steps)
        steps.append(label)
        here = t
    _walk(graph, component, here, entry, steps)
    return _trace(graph, start, steps, loop)


def _trace(graph: Graph, start: int, steps: list[Label], loop: int) -> Trace:
    return Trace(
        graph.states[start], tuple(Step(name, args) for name, args in steps), loop
    )


_TRIES = 2000
"""Cycles that are looked at before the whole component is walked."""


def _short_cycle(
    graph: Graph,
    asked: list[int],
    component: set[int],
    avoiding: set[int],
    fair: tuple[Fairness, ...],
) -> tuple[int, list[Label]] | None:
    """A fair cycle of few steps (none: the run stops there), near to where
    the formula is true: (its first state, its steps)."""
    near = list(dict.fromkeys(asked))
    seen = set(near)
    for k in near:
        for _, t in graph.edges[k]:
            if t in avoiding and t not in seen:
                seen.add(t)
                near.append(t)
    inside = [k for k in near if k in component]
    for k in inside[:_TRIES]:
        if _is_fair(graph, [k], set(), fair):
            return k, []
    tries = 0
    for k in inside:
        for label, t in graph.edges[k]:
            tries += 1
            if t not in component or tries > _TRIES:
                continue
            before, end = _path(graph, [t], {k}, component)
            way = [*before, end]
            steps = [label, *(lb for lb, _ in _labels(graph, way))]
            if _is_fair(graph, way, set(steps), fair):
                return k, steps
    return None


def _is_fair(
    graph: Graph, states: list[int], taken: set[Label], fair: tuple[Fairness, ...]
) -> bool:
    """Whether a run may visit these states, and take these steps, for ever."""
    possible = [{label for label, _ in graph.edges[k]} for k in states]
    for f in fair:
        due = set.union(*possible) if f.strong else set.intersection(*possible)
        if any(label[0] == f.action and label not in taken for label in due):
            return False
    return True


def _path(
    graph: Graph, sources: list[int], targets: set[int], inside: set[int]
) -> tuple[list[int], int]:
    """A shortest way from a source to a target: (states before it, target)."""
    came: dict[int, int | None] = dict.fromkeys(sources)
    queue = deque(sources)
    while queue:
        k = queue.popleft()
        if k in targets:
            back: list[int] = []
            at = came[k]
            while at is not None:
                back.append(at)
                at = came[at]
            return back[::-1], k
        for _, t in graph.edges[k]:
            if t in inside and t not in came:
                came[t] = k
                queue.append(t)
    raise AssertionError("the component was reachable")


def _labels(graph: Graph, path: list[int]) -> list[tuple[Label, int]]:
    return [
        next((lb, t) for lb, t in graph.edges[k] if t == nxt)
        for k, nxt in itertools.pairwise(path)
    ]


def _from_start(graph: Graph, k: int) -> tuple[list[Label], int]:
    labels: list[Label] = []
    while (parent := graph.parents[k]) is not None:
        k, label = parent
        labels.append(label)
    return labels[::-1], k


def _walk(
    graph: Graph, component: set[int], here: int, there: int, steps: list[Label]
) -> int:
    before, end = _path(graph, [here], {there}, component)
    steps.extend(label for label, _ in _labels(graph, [*before, end]))
    return there
