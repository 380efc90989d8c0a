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

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import networkx as nx

from poolproof.checker.backends import python as lower
from poolproof.checker.core import ir
from poolproof.checker.core.evaluate import initial_states
from poolproof.checker.core.limits import Spent, doing, look, overtime, tick
from poolproof.checker.core.property import Fairness, Kind, Property
from poolproof.checker.core.system import State, TransitionSystem
from poolproof.checker.core.verdict import (
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
    within_budget,
)
from poolproof.checker.engines.lasso import Label, lasso


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
    k = 0
    try:
        for start in initial_states(system):
            add(start, None)
        while k < len(graph.states) and not reason:
            if k % 1024 == 0:
                report.progress(
                    states=len(graph.states),
                    depth=depth[0],
                    seconds=time.monotonic() - begin,
                )
                look()
                if budget.states is not None and len(graph.states) > budget.states:
                    reason = f"the budget of {budget.states:,} states"
            tick(100)
            state = graph.states[k]
            for name, successors in steps:
                for arguments, after, _, broken in successors(state):
                    if broken is not None or outside(after) is not None:
                        reason = f"{name} breaks an obligation of the model"
                        continue
                    label = (name, arguments)
                    graph.edges[k].append((label, add(after, (k, label))))
            k += 1
    except KeyboardInterrupt:
        reason = "interrupted"
    except Spent as spent:
        reason = str(spent)
    return Graph(graph.states, graph.edges, graph.parents, depth[0], reason)


@within_budget("liveness")
def liveness(
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
        return Outcome("liveness", {})
    graph = build(system, budget, report)
    verdicts: dict[str, Verdict] = {}
    seen: dict[str, tuple[bool, ...]] = {}
    with overtime(), doing("looking for fair cycles"):
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
        no_start=not graph.states and not graph.reason,
        impossible=frozenset() if graph.reason else _never_taken(system, graph),
        true_antecedents=seen,
    )
    return Outcome("liveness", verdicts, (), statistics)


def _never_taken(system: TransitionSystem, graph: Graph) -> frozenset[str]:
    taken = {label[0] for edges in graph.edges for label, _ in edges}
    return frozenset(a.name for a in system.actions if a.name not in taken)


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
    components = list(_fair_components(graph, inside.subgraph(reached), p.fair))
    if not components:
        return Holds(True, len(graph.states), graph.depth)
    starts = [k for k, parent in enumerate(graph.parents) if parent is None]
    found = lasso(graph.edges, starts, set(asked), avoiding, components, p.fair)
    steps = tuple(Step(name, arguments) for name, arguments in found.steps)
    trace = Trace(graph.states[found.start], steps, found.loop)
    return Violated(trace, found.shortest)


def _reachable(inside: nx.DiGraph, sources: Iterable[int]) -> set[int]:
    seen = set(sources)
    queue = deque(seen)
    while queue:
        tick()
        for t in inside.successors(queue.popleft()):
            if t not in seen:
                seen.add(t)
                queue.append(t)
    return seen


def _fair_components(
    graph: Graph, inside: nx.DiGraph, fair: tuple[Fairness, ...]
) -> Iterable[set[int]]:
    """The largest sets of states in which some run stays for ever, fairly,
    visiting all. A single state counts: a run may stop there."""
    strong = {f.action for f in fair if f.strong}
    weak = {f.action for f in fair if not f.strong}
    waiting = deque(
        sorted((set(c) for c in nx.strongly_connected_components(inside)), key=min)
    )
    while waiting:
        component = waiting.popleft()
        tick(len(component))
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
