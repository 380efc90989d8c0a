# SPDX-License-Identifier: GPL-2.0-only
"""The product with a base finds the violations that a search of pairs of states
finds: shortest, and none that the base has by the same steps."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from poolproof.checker.core import ir
from poolproof.checker.core.evaluate import initial_states, successor
from poolproof.checker.core.ir import Domain, Expr, Sort, TableSort
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.system import (
    Action,
    Parameter,
    State,
    TransitionSystem,
    Variable,
)
from poolproof.checker.core.verdict import Budget, Holds, Silent, Step, Violated
from poolproof.checker.engines.explicit import explicit
from poolproof.checker.evidence.replay import breaks_step, decided_by
from poolproof.checker.passes.product import alone, same_behaviour
from tests.common.random_systems import Case, cases

X, Y = (ir.var(name, ir.INT) for name in "xy")
ROW = ir.table_sort((Domain(ir.INT, 0, 1),), ir.BOOL)
SEEN = ir.var("seen", ROW)
LAST = ir.num(2)


def variable(name: str, sort: Sort, hi: Expr, init: Expr | None) -> Variable:
    element = sort.element if isinstance(sort, TableSort) else sort
    return Variable(name, sort, ir.const(element, 0), hi, init)


def action(name: str, draw: Random) -> Action:
    """A random action of one argument."""
    at = ir.local(f"p#{name}", Domain(ir.INT, 0, 1))
    numbers = (ir.num(0), ir.num(1), X, Y, at, ir.mod(ir.add(X, at), ir.num(3)))

    def number() -> Expr:
        return draw.choice(numbers)

    def truth() -> Expr:
        kinds = (ir.eq(number(), number()), ir.le(number(), number()))
        return draw.choice((*kinds, ir.TRUE, ir.select(SEEN, at)))

    updates: dict[str, Expr] = {}
    for name_, now in (("x", X), ("y", Y)):
        if draw.random() < 0.6:
            updates[name_] = ir.ite(truth(), number(), now)
    if draw.random() < 0.5:
        updates["seen"] = ir.store(SEEN, at, truth())
    result = ir.ite(truth(), ir.TRUE, ir.FALSE)
    parameters = (Parameter("p", at),)
    return Action(name, parameters, ir.and_(truth(), truth()), updates, result)


def bolder(a: Action) -> Action:
    """The action, possible where it was not."""
    return replace(a, guard=ir.TRUE)


def pair(draw: Random) -> tuple[TransitionSystem, TransitionSystem]:
    """Two systems that have some actions in common."""
    start = None if draw.random() < 0.3 else ir.num(0)
    variables = (
        variable("x", ir.INT, LAST, ir.num(0)),
        variable("y", ir.INT, LAST, start),
        variable("seen", ROW, ir.TRUE, ir.FALSE),
    )
    base = [action(name, draw) for name in "abc"]
    heir = [draw.choice((a, a, bolder(a), action(a.name, draw))) for a in base]
    made = [
        TransitionSystem(name, variables, tuple(actions), ir.TRUE, {}, {})
        for name, actions in (("heir", heir), ("base", base))
    ]
    if draw.random() < 0.2:
        made[1] = replace(made[1], actions=made[1].actions[1:])
    return made[0], made[1]


def question(draw: Random) -> Property:
    """A random invariant or step property."""
    now = (ir.num(0), ir.num(1), LAST, X, Y)
    after = (*now, *(ir.var(n, ir.INT, primed=True) for n in "xy"))

    def formula(of: tuple[Expr, ...]) -> Expr:
        some = [
            ir.ne(draw.choice(of), draw.choice(of)) for _ in range(draw.randint(1, 2))
        ]
        some.append(ir.le(draw.choice(of), draw.choice(of)))
        return ir.or_(*some)

    match draw.randrange(4):
        case 0 | 1:
            return Property("p", Kind.INVARIANT, formula(now))
        case 2:
            return Property("p", Kind.STEP, formula(after))
    returned = ir.local("result", Domain(ir.BOOL, 0, 1, "result"))
    return Property("p", Kind.STEP, ir.or_(returned, formula(after)), "c")


def breaks(
    system: TransitionSystem,
    p: Property,
    before: State,
    step: Step,
    after: State,
    result: int | None,
) -> bool:
    if p.kind is Kind.STEP:
        return breaks_step(system, p, before, step, result, after)
    return decided_by(system, p, after)


def shortest(
    leader: TransitionSystem, follower: TransitionSystem, p: Property
) -> int | None:
    """Steps to the first violation by the leader alone, one pair at a time."""
    of_states = p.kind is Kind.INVARIANT
    level: list[tuple[State, State | None]] = []
    for start in initial_states(leader):
        if of_states and decided_by(follower, p, start):
            continue
        if of_states and decided_by(leader, p, start):
            return 0
        level.append((start, start))
    seen, depth = set(level), 0
    while level:
        depth += 1
        new = []
        for mine, its in level:
            for a in leader.actions:
                for raw in a.valuations():
                    taken = successor(leader, a, mine, raw)
                    if taken is None:
                        continue
                    step, known, after = Step(a.name, raw), False, its
                    b = follower.action_by_name.get(a.name)
                    if its is not None and b is not None:
                        along = successor(follower, b, its, raw)
                        after = None if along is None else along[0]
                        known = along is not None and breaks(
                            follower, p, its, step, along[0], along[1]
                        )
                    if known:
                        continue
                    if breaks(leader, p, mine, step, *taken):
                        return depth
                    pair = taken[0], after
                    if pair not in seen:
                        seen.add(pair)
                        new.append(pair)
        level = new
    return None


def test_random_systems() -> None:
    found = 0
    for seed in range(150):
        draw = Random(seed)
        leader, follower = pair(draw)
        p = question(draw)
        product = alone(leader, follower, p, p)
        outcome = explicit(
            product.system, product.properties, Budget(symmetry=False), Silent()
        )
        assert not outcome.defects
        verdicts = outcome.verdicts.values()
        depths = [len(v.trace) for v in verdicts if isinstance(v, Violated)]
        assert min(depths, default=None) == shortest(leader, follower, p), seed
        assert depths or all(isinstance(v, Holds) for v in verdicts)
        found += bool(depths)
    assert 12 < found < 120


@settings(max_examples=20, deadline=None, database=None, derandomize=True)
@given(cases(), st.integers(0, 9))
def test_what_is_the_same(case: Case, number: int) -> None:
    named = replace(case.system, name="another", actions=case.system.actions[::-1])
    assert same_behaviour(case.system, named)
    k = number % len(case.system.actions)
    others = (*case.system.actions[:k], *case.system.actions[k + 1 :])
    assert not same_behaviour(case.system, replace(case.system, actions=others))
