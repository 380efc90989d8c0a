# SPDX-License-Identifier: GPL-2.0-only
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
from typing import NoReturn

import networkx as nx

from poolproof.checker.backends import python as lower
from poolproof.checker.backends.python import Transition
from poolproof.checker.core import ir
from poolproof.checker.core.limits import doing, overtime, tick
from poolproof.checker.core.property import Fairness, Property
from poolproof.checker.core.system import Action, State, TransitionSystem
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
)
from poolproof.checker.engines.lasso import Label, lasso
from poolproof.checker.engines.space import (
    Cuts,
    Enough,
    OnStep,
    StateSpace,
    Visitor,
    explore,
)


class Graph(Visitor):
    """Every reachable state and step. A state's number is its place in the
    search's order, ``edges`` has the labels and targets of its steps.
    ``reason`` says why the graph is not complete."""

    def __init__(
        self, system: TransitionSystem, budget: Budget, report: Reporter
    ) -> None:
        self.number: dict[State, int] = {}
        self.edges: list[list[tuple[Label, int]]] = [[]]
        self.defect = ""
        # without symmetry: a permuted cycle is no cycle
        self.cuts = Cuts(system)
        visitors = (self, *((self.cuts,) if self.cuts.rows else ()))
        self.found = explore(StateSpace(system), visitors, budget, report)
        self.reason = self.defect or self.found.stopped
        self.states = list(self.found.parents)
        missing = len(self.states) - len(self.edges)
        self.edges += [[] for _ in range(missing)]
        del self.edges[len(self.states) :]

    @property
    def starts(self) -> list[int]:
        return [self.number[s] for s in self.found.starts]

    def level(self, states: list[State], depth: int) -> None:
        if depth == 0:
            self.number.update((state, k) for k, state in enumerate(states))

    def on_step(self, action: Action) -> OnStep:
        edges, number, name = self.edges, self.number, action.name

        def add(state: State, taken: Transition) -> None:
            arguments, after, _, _ = taken
            target = number.setdefault(after, len(number))
            edges[-1].append(((name, arguments), target))

        return add

    def expanded(self, state: State, enabled: bool) -> None:
        self.edges.append([])  # of the next state: they come in order

    def broken(self, state: State, action: Action, taken: Transition) -> None:
        self.end(action.name)

    def leaves(
        self, state: State, action: Action, taken: Transition, cell: int
    ) -> None:
        self.end(action.name)

    def outside(self, start: State, cell: int) -> None:
        self.end("an initial state")

    def end(self, who: str) -> NoReturn:
        self.defect = f"{who} breaks an obligation of the model"
        raise Enough


def liveness(
    system: TransitionSystem,
    properties: tuple[Property, ...],
    budget: Budget,
    report: Reporter,
) -> Outcome:
    """Decide the `leads to` properties; see verdict.Engine. The outcome leaves out
    the others, which are for other engines."""
    begin = time.monotonic()
    mine = [p for p in properties if p.kind.of_runs]
    if not mine:
        return Outcome("liveness", {})
    graph = Graph(system, budget, report)
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
        transitions=graph.found.transitions,
        depth=graph.found.depth,
        seconds=time.monotonic() - begin,
        complete=not graph.reason,
        no_start=not graph.states and not graph.reason,
        impossible=frozenset()
        if graph.reason
        else frozenset(n for n, times in graph.found.fired.items() if not times),
        assumed=graph.cuts.found,
        true_antecedents=seen,
    )
    return Outcome("liveness", verdicts, (), statistics)


def _answer(system: TransitionSystem, graph: Graph, p: Property) -> Verdict:
    goal = p.goal if p.goal is not None else ir.FALSE
    truths = lower.predicates(system, [p.formula, goal])
    triggers: list[int] = []
    avoiding: set[int] = set()
    depth = graph.found.depth
    for k, state in enumerate(graph.states):
        here, there = truths(state)
        if not there:
            avoiding.add(k)
            if here:
                triggers.append(k)
    if graph.reason:  # a missing edge could be the fair way out: no verdict
        return Unknown(graph.reason, max(depth - 1, 0))
    inside = nx.DiGraph()
    inside.add_nodes_from(avoiding)
    inside.add_edges_from(
        (k, t) for k in avoiding for _, t in graph.edges[k] if t in avoiding
    )
    reached: set[int] = set()
    for layer in nx.bfs_layers(inside, triggers):
        tick(len(layer))
        reached.update(layer)
    components = list(_fair_components(graph, inside.subgraph(reached), p.fair))
    if not components:
        return Holds(True, len(graph.states), depth)
    found = lasso(
        graph.edges, graph.starts, set(triggers), avoiding, components, p.fair
    )
    steps = tuple(Step(name, arguments) for name, arguments in found.steps)
    trace = Trace(graph.states[found.start], steps, found.loop)
    return Violated(trace, found.shortest)


def _fair_components(
    graph: Graph, inside: nx.DiGraph, fair: tuple[Fairness, ...]
) -> Iterable[set[int]]:
    """Return the largest sets of states such that some fair run stays within and
    visits all of them for ever. A single state may be one: a run may stop there."""
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
