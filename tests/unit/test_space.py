# SPDX-License-Identifier: GPL-2.0-only
"""The one search: whom it tells what, and when it ends."""

from __future__ import annotations

from poolproof.checker.backends.python import Taken
from poolproof.checker.core import ir
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.system import Action, State
from poolproof.checker.core.verdict import Budget
from poolproof.checker.engines.space import (
    Enough,
    Explored,
    OnStep,
    StateSpace,
    Visitor,
    explore,
)
from poolproof.checker.engines.watch import Watch
from poolproof.checker.passes.symmetry import find_symmetry
from tests.common.pool_system import pool, pool_properties


class Notes(Visitor):
    """Writes down what it is told."""

    def __init__(self, only: str = "", most: int = 10**9) -> None:
        self.only, self.most = only, most
        self.depths: dict[State, int] = {}
        self.steps: list[tuple[State, Action, Taken]] = []
        self.levels: list[list[State]] = []

    def state(self, state: State, depth: int) -> None:
        assert state not in self.depths
        self.depths[state] = depth
        if len(self.depths) >= self.most:
            raise Enough

    def on_step(self, action: Action) -> OnStep | None:
        if self.only not in ("", action.name):
            return None
        return lambda state, taken: self.steps.append((state, action, taken))

    def level(self, states: list[State], depth: int) -> None:
        self.levels.append(states)


SYSTEM = pool(2, 2, 1)


def searched(notes: Notes, budget: Budget | None = None) -> Explored:
    return explore(StateSpace(SYSTEM), (notes,), budget or Budget())


def test_each_state_is_told_once_and_by_distance() -> None:
    notes = Notes()
    found = searched(notes)
    assert not found.stopped
    assert not found.enough
    assert list(notes.depths) == list(found.parents)
    assert [s for level in notes.levels for s in level] == list(found.parents)
    for state, parent in found.parents.items():
        assert notes.depths[state] == (
            0 if parent is None else notes.depths[parent] + 1
        )
    assert max(notes.depths.values()) == found.depth


def test_each_step_is_told_to_who_asks_for_its_action() -> None:
    notes = Notes()
    found = searched(notes)
    assert len(notes.steps) == found.transitions > 0
    results: dict[tuple[str, int], int] = {}
    for state, action, taken in notes.steps:
        assert taken.broken is None
        assert (taken.result is None) == (action.result is None)
        assert notes.depths[taken.after] <= notes.depths[state] + 1
        if taken.result is not None:
            key = action.name, taken.result
            results[key] = results.get(key, 0) + 1
    assert results == found.results
    name = SYSTEM.actions[0].name
    some = Notes(name)
    searched(some)
    assert some.steps == [s for s in notes.steps if s[1].name == name]


def test_it_ends_where_a_visitor_has_enough() -> None:
    notes = Notes(most=5)
    found = searched(notes)
    assert found.enough
    assert not found.stopped
    assert len(notes.depths) == 5


def test_budgets() -> None:
    found = searched(Notes(), Budget(depth=2))
    assert (found.stopped, found.depth) == ("the depth budget of 2 steps", 2)
    found = searched(Notes(), Budget(states=7))
    assert found.stopped == "the budget of 7 states"
    assert len(found.parents) >= 7


def test_with_symmetry_one_state_of_each_orbit() -> None:
    symmetry = find_symmetry(SYSTEM, pool_properties(SYSTEM))
    space = StateSpace(SYSTEM, symmetry)
    notes = Notes()
    found = explore(space, (notes,), Budget())
    whole = searched(Notes())
    assert len(found.parents) < len(whole.parents)
    assert set(found.parents) == {space.canonical(s) for s in whole.parents}


def test_the_watch_says_what_a_state_and_a_step_decide() -> None:
    (first,) = StateSpace(SYSTEM).initial()
    change = ir.or_(
        *(
            ir.not_(ir.eq(v.now, v.next))
            for v in SYSTEM.variables
            if not hasattr(v.sort, "index")
        )
    )
    properties = (
        Property("never", Kind.INVARIANT, ir.FALSE, antecedents=(ir.TRUE, ir.FALSE)),
        Property("always", Kind.INVARIANT, ir.TRUE),
        Property("here", Kind.REACHABLE, ir.TRUE),
        Property("moves", Kind.STEP, change, antecedents=(ir.TRUE,)),
        Property("still", Kind.STEP, ir.FALSE, action=SYSTEM.actions[0].name),
    )
    watch = Watch(SYSTEM, properties)
    assert watch.state(first) == ["never", "here"]
    assert watch.seen["never"] == [True, False]
    assert watch.seen["moves"] == [False]
    for number, action in enumerate(SYSTEM.actions):
        decided = watch.of_step(action)
        assert decided is not None
        for taken in StateSpace(SYSTEM).successors(action)(first):
            assert ("still" in decided(first, taken)) == (number == 0)
            assert watch.seen["moves"] == [True]
