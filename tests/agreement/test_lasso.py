# SPDX-License-Identifier: GPL-2.0-only
"""Lassos are shortest in prefix and then in loop, by enumeration of all walks.

The reference knows no components: it lists walks, and asks each the question
as checker.engines.lasso states it.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from poolproof.checker.core import ir
from poolproof.checker.core.evaluate import Valuation
from poolproof.checker.core.property import Fairness, Kind, Property
from poolproof.checker.core.system import Action, Parameter, TransitionSystem, Variable
from poolproof.checker.core.verdict import Budget, Holds, Silent, Trace, Violated
from poolproof.checker.engines import lasso as module
from poolproof.checker.engines.liveness import liveness
from tests.common.random_systems import Case, avoidable, cases, explore, run, runs

NODES = 4
LONGEST = 6
"""Steps of the walks that the reference lists; loops may be longer."""

Edge = tuple[str, int, int]
X = Variable("x", ir.INT, ir.num(0), ir.num(NODES - 1), ir.num(0))


def one_of(nodes: frozenset[int]) -> ir.Expr:
    return ir.or_(*(ir.eq(X.now, ir.num(k)) for k in sorted(nodes)))


def system(edges: tuple[Edge, ...]) -> TransitionSystem:
    """The label of an edge is its name and its target."""
    actions = []
    for name in dict.fromkeys(name for name, _, _ in edges):
        to = ir.local(f"to#{name}", ir.Domain(ir.INT, 0, NODES - 1))
        guard = ir.or_(
            *(
                ir.and_(ir.eq(X.now, ir.num(a)), ir.eq(to, ir.num(b)))
                for n, a, b in edges
                if n == name
            )
        )
        actions.append(Action(name, (Parameter("to", to),), guard, {"x": to}, None))
    return TransitionSystem("edges", (X,), tuple(actions), ir.TRUE, {}, {})


def walks(
    edges: tuple[Edge, ...], at: int, longest: int
) -> Iterator[tuple[list[int], list[tuple[str, int]]]]:
    """All walks from a node, shorter ones first: (nodes, labels)."""
    level: list[tuple[list[int], list[tuple[str, int]]]] = [([at], [])]
    for _ in range(longest + 1):
        yield from level
        level = [
            ([*nodes, b], [*labels, (name, b)])
            for nodes, labels in level
            for name, a, b in edges
            if a == nodes[-1]
        ]


def is_fair(
    edges: tuple[Edge, ...],
    nodes: list[int],
    labels: list[tuple[str, int]],
    fair: tuple[Fairness, ...],
) -> bool:
    possible = [{(name, b) for name, a, b in edges if a == k} for k in nodes]
    for f in fair:
        for label in {lb for here in possible for lb in here if lb[0] == f.action}:
            due = (any if f.strong else all)(label in here for here in possible)
            if due and label not in labels:
                return False
    return True


def shortest_loop(
    edges: tuple[Edge, ...],
    entry: int,
    goal: frozenset[int],
    fair: tuple[Fairness, ...],
) -> int | None:
    for nodes, labels in walks(edges, entry, LONGEST):
        if (
            nodes[-1] == entry
            and not goal & set(nodes)
            and (is_fair(edges, nodes, labels, fair))
        ):
            return len(labels)
    return None


def reference(
    edges: tuple[Edge, ...],
    formula: frozenset[int],
    goal: frozenset[int],
    fair: tuple[Fairness, ...],
) -> tuple[int, int] | None:
    """(steps of the prefix, of the loop), or None where no loop is found."""
    best = None
    for nodes, _ in walks(edges, 0, NODES + 1):
        if best is not None and len(nodes) - 1 > best[0]:
            break
        if not any(
            k in formula and not goal & set(nodes[i:]) for i, k in enumerate(nodes)
        ):
            continue
        loop = shortest_loop(edges, nodes[-1], goal, fair)
        if loop is not None and (best is None or loop < best[1]):
            best = len(nodes) - 1, loop
    return best


node = st.integers(0, NODES - 1)
some_edges = st.lists(
    st.tuples(st.sampled_from("abc"), node, node), min_size=1, max_size=8, unique=True
).map(tuple)
some_nodes = st.frozensets(node, max_size=2)


def found(trace: Trace) -> tuple[int, int]:
    assert trace.loop is not None
    return trace.loop, len(trace) - trace.loop


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(some_edges, some_nodes, some_nodes, st.tuples(*[st.sampled_from("-ws")] * 3))
def test_lassos_are_shortest_in_prefix_and_then_in_loop(
    edges: tuple[Edge, ...],
    formula: frozenset[int],
    goal: frozenset[int],
    how: tuple[str, ...],
) -> None:
    s = system(edges)
    fair = tuple(
        Fairness(name, strong=kind == "s")
        for name, kind in zip("abc", how, strict=True)
        if kind != "-" and name in s.action_by_name
    )
    p = Property("p", Kind.LEADS_TO, one_of(formula), goal=one_of(goal), fair=fair)
    verdict = liveness(s, (p,), Budget(), Silent()).verdicts["p"]
    truth = reference(edges, formula, goal, fair)
    if isinstance(verdict, Holds):
        assert truth is None
        return
    assert isinstance(verdict, Violated)
    assert verdict.shortest
    prefix, loop = found(verdict.trace)
    if loop <= LONGEST:
        assert (prefix, loop) == truth
    else:  # too long for the reference, which may know a later entry
        assert truth is None or truth[0] > prefix


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases(defects=False, kinds=(Kind.LEADS_TO,)))
def test_leads_to_agrees_with_the_reference(case: Case) -> None:
    truth = explore(case.system, (), limit=60)
    if not truth.complete or truth.defects:
        return
    graph = runs(case.system, truth.reached)
    outcome = liveness(case.system, case.properties, Budget(), Silent())
    for p in case.properties:
        bad, verdict = avoidable(case.system, graph, p), outcome.verdicts[p.name]
        assert isinstance(verdict, Holds | Violated)
        if bad is not None:
            assert isinstance(verdict, Violated) == bad
        if isinstance(verdict, Violated):
            lassos(case.system, p, verdict.trace)


def lassos(s: TransitionSystem, p: Property, trace: Trace) -> None:
    """The trace is a run that repeats, fair, with the formula and no goal."""
    states, loop = run(s, trace), trace.loop
    assert loop is not None
    assert states[loop] == states[-1]
    truths = [Valuation(s, state) for state in states]
    goal = ir.FALSE if p.goal is None else p.goal
    first = max((k for k, at in enumerate(truths) if at.true(goal)), default=-1) + 1
    assert any(at.true(p.formula) for at in truths[first : loop + 1])
    taken = set(trace.steps[loop:])
    graph = runs(s, explore(s, ()).reached)
    there = [
        {step for step, _ in graph.steps[graph.states.index(state)]}
        for state in states[loop:]
    ]
    for f in p.fair:
        some = {step for here in there for step in here if step.action == f.action}
        for step in some - taken:
            assert not f.strong
            assert not all(step in here for here in there)


LADDER: tuple[Edge, ...] = (
    ("a", 0, 1),
    ("a", 1, 2),
    ("a", 2, 3),
    ("a", 3, 0),
    ("b", 0, 2),
    ("b", 2, 0),
)


@pytest.mark.parametrize("work", [1_000_000, 0])
def test_a_search_that_is_cut_short_says_so(
    work: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strong fairness of both: all six edges are taken."""
    monkeypatch.setattr(module, "_WORK", work)
    fair = (Fairness("a", strong=True), Fairness("b", strong=True))
    s = system(LADDER)
    p = Property("p", Kind.LEADS_TO, ir.TRUE, goal=ir.FALSE, fair=fair)
    verdict = liveness(s, (p,), Budget(), Silent()).verdicts["p"]
    assert isinstance(verdict, Violated)
    assert verdict.shortest is bool(work)
    prefix, loop = found(verdict.trace)
    assert prefix == 0
    assert loop == 6 if work else loop >= 6


def test_a_search_that_is_cut_short_claims_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first walk waits until `a` is impossible, which takes three steps; `a`
    and back are two. A loop is called shortest only where all shorter ones were
    looked at."""

    def label(action: str, target: int) -> tuple[tuple[str, tuple[int]], int]:
        return (action, (target,)), target

    edges = [[label("b", 2), label("a", 1)], [label("b", 0)], [label("b", 1)]]
    mine, said = {0, 1, 2}, []
    for work in range(40):
        monkeypatch.setattr(module, "_WORK", work)
        found = module.lasso(edges, [0], {0}, mine, [mine], (Fairness("a"),))
        assert len(found.steps) == 2 or not found.shortest
        assert len(found.steps) in (2, 3)
        said.append(found.shortest)
    assert {*said} == {False, True}
