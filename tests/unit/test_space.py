# SPDX-License-Identifier: GPL-2.0-only
"""The one search: whom it tells what, and when it ends."""

from __future__ import annotations

from dataclasses import replace

import pytest

from poolproof.checker.backends.python import Transition
from poolproof.checker.core import ir
from poolproof.checker.core.limits import Spent, limited
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.system import (
    Action,
    Assumption,
    Obligation,
    Parameter,
    State,
    TransitionSystem,
    Variable,
)
from poolproof.checker.core.verdict import Budget, Silent, Unknown, Violated
from poolproof.checker.engines.explicit import explicit
from poolproof.checker.engines.space import (
    Cuts,
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
        self.steps: list[tuple[State, Action, Transition]] = []
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


# --- a counter that breaks every rule ------------------------------------------

N = ir.local("n", ir.Domain(ir.INT, 1, 2))
X = Variable("x", ir.INT, ir.num(0), ir.num(4), None)
Y = Variable("y", ir.INT, ir.num(0), ir.num(1), ir.num(0))
EVEN = Obligation("assert", ir.ne(X.now, ir.num(3)), "x is not 3", None)
LATE = Obligation("assert", ir.ne(Y.now, ir.num(1)), "y is not 1", None)
UP = Action(
    "up",
    (Parameter("n", N),),
    ir.lt(X.now, ir.num(4)),
    {"x": ir.add(X.now, N)},
    ir.ite(ir.lt(X.now, ir.num(2)), ir.num(7), ir.num(8)),
    (EVEN, LATE),
)
FLIP = Action("flip", (), ir.eq(X.now, ir.num(4)), {"y": ir.num(1)}, None)
START = ir.or_(ir.eq(X.now, ir.num(0)), ir.eq(X.now, ir.num(1)))
COUNTER = TransitionSystem("counter", (X, Y), (UP, FLIP), START, {}, {})


class Heard(Visitor):
    """Every call, in order."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def state(self, state: State, depth: int) -> None:
        self.calls.append(("state", state, depth))

    def on_step(self, action: Action) -> OnStep | None:
        return lambda state, taken: self.calls.append(
            (action.name, state, taken.arguments, taken.after, taken.result)
        )

    def broken(self, state: State, action: Action, taken: Transition) -> None:
        self.calls.append((action.name, state, taken.arguments, "due", taken.broken))

    def leaves(
        self, state: State, action: Action, taken: Transition, cell: int
    ) -> None:
        self.calls.append((action.name, state, taken.arguments, "leaves", cell))

    def outside(self, start: State, cell: int) -> None:
        self.calls.append(("outside", start, cell))

    def expanded(self, state: State, enabled: bool) -> None:
        self.calls.append(("expanded", state, enabled))

    def level(self, states: list[State], depth: int) -> None:
        self.calls.append(("level", list(states), depth))


def test_all_that_a_search_says_in_order() -> None:
    heard = Heard()
    found = explore(StateSpace(COUNTER), (heard,), Budget())
    assert heard.calls == [
        ("state", (0, 0), 0),
        ("state", (1, 0), 0),
        ("level", [(0, 0), (1, 0)], 0),
        ("up", (0, 0), (1,), (1, 0), 7),
        ("up", (0, 0), (2,), (2, 0), 7),
        ("state", (2, 0), 1),
        ("expanded", (0, 0), True),
        ("up", (1, 0), (1,), (2, 0), 7),
        ("up", (1, 0), (2,), (3, 0), 7),
        ("state", (3, 0), 1),
        ("expanded", (1, 0), True),
        ("level", [(2, 0), (3, 0)], 1),
        ("up", (2, 0), (1,), (3, 0), 8),
        ("up", (2, 0), (2,), (4, 0), 8),
        ("state", (4, 0), 2),
        ("expanded", (2, 0), True),
        ("up", (3, 0), (1,), "due", 0),
        ("up", (3, 0), (2,), "due", 0),
        ("expanded", (3, 0), True),
        ("level", [(4, 0)], 2),
        ("flip", (4, 0), (), (4, 1), None),
        ("state", (4, 1), 3),
        ("expanded", (4, 0), True),
        ("level", [(4, 1)], 3),
        ("flip", (4, 1), (), (4, 1), None),
        ("expanded", (4, 1), True),
        ("level", [], 4),
    ]
    assert found.fired == {"up": 6, "flip": 2}
    assert found.transitions == 8
    assert found.results == {("up", 7): 4, ("up", 8): 2}
    assert found.parents[4, 1] == (4, 0)
    assert found.starts == {(0, 0): (0, 0), (1, 0): (1, 0)}
    assert found.sizes == [2, 4, 5, 6, 6]
    assert (found.depth, found.complete, found.stopped) == (3, True, "")
    assert found.or_raise() is found


def test_steps_and_starts_out_of_range() -> None:
    small = replace(X, hi=ir.num(2))
    anywhere = Variable("y", ir.INT, ir.num(0), ir.num(1), ir.num(2))
    heard = Heard()
    system = replace(COUNTER, variables=(small, Y))
    explore(StateSpace(system), (heard,), Budget())
    assert ("up", (1, 0), (2,), "leaves", 0) in heard.calls
    assert not any(call[:2] == ("state", (3, 0)) for call in heard.calls)
    heard = Heard()
    found = explore(
        StateSpace(replace(COUNTER, variables=(X, anywhere))), (heard,), Budget()
    )
    assert heard.calls == [
        ("outside", (0, 2), 1),
        ("outside", (1, 2), 1),
        ("level", [], 0),
    ]
    assert (found.parents, found.depth) == ({}, 0)
    space = StateSpace(system)
    assert space.excess((3, 0), 0) == "x becomes 3, outside its range"
    assert [space.outside(s) for s in ((2, 1), (3, 0), (0, 2))] == [None, 0, 1]


def test_a_search_goes_on_where_another_was() -> None:
    whole = explore(StateSpace(COUNTER), (), Budget())
    begun = whole.until(1, StateSpace(COUNTER))
    assert list(begun.parents) == [(0, 0), (1, 0), (2, 0), (3, 0)]
    assert (begun.depth, begun.sizes, begun.starts) == (1, [2, 4], whole.starts)
    heard = Heard()
    found = explore(begun.space, (heard,), Budget(), begun=begun)
    assert found is begun
    assert found.parents == whole.parents
    assert (found.depth, found.sizes) == (whole.depth, whole.sizes)
    assert heard.calls[0] == ("up", (2, 0), (1,), (3, 0), 8)
    assert [c for c in heard.calls if c[0] == "state"] == [
        ("state", (4, 0), 2),
        ("state", (4, 1), 3),
    ]
    assert begun.starts is not whole.starts


@pytest.mark.parametrize("depth", [0, 2])
def test_it_goes_on_from_the_states_of_the_last_level(depth: int) -> None:
    whole = explore(StateSpace(COUNTER), (), Budget())
    begun = whole.until(depth, StateSpace(COUNTER))
    found = explore(begun.space, (), Budget(), begun=begun)
    assert found.parents == whole.parents
    assert found.sizes == whole.sizes


def test_cut_steps_are_counted_by_reason() -> None:
    """up(2) from 3 and up(1), up(2) from 1 are cut; flip never is."""
    guard = ir.and_(ir.lt(X.now, ir.num(4)), ir.ne(X.now, ir.num(1)))
    far = ir.and_(ir.eq(X.now, ir.num(3)), ir.eq(N, ir.num(2)))
    up = replace(
        UP,
        guard=ir.and_(guard, ir.not_(far)),
        obligations=(),
        assumptions=(
            Assumption("not from 1", ir.eq(X.now, ir.num(1))),
            Assumption("not far", far),
        ),
    )
    flip = replace(FLIP, assumptions=(Assumption("never", ir.lt(X.now, ir.num(0))),))
    system = replace(COUNTER, actions=(up, flip))
    cuts = Cuts(system)
    found = explore(StateSpace(system), (cuts,), Budget())
    assert sorted(x for x, _ in found.parents) == [0, 1, 2, 3, 4, 4]
    assert cuts.found == {"not from 1": 2, "not far": 1, "never": 0}


def test_what_was_compiled_is_used_for_actions_that_are_the_same() -> None:
    one = StateSpace(COUNTER)
    up, flip = (one.successors(a) for a in COUNTER.actions)
    other = replace(FLIP, updates={"y": ir.num(0)})
    two = StateSpace(replace(COUNTER, actions=(UP, other)), like=one)
    assert two.successors(UP) is up
    assert two.successors(other) is not flip
    assert two.successors(other)((4, 1))[0].after == (4, 0)
    turned = replace(COUNTER, variables=(Y, X))
    assert StateSpace(turned, like=one).successors(UP) is not up
    assert one.successors(UP) is up


class Stops(Visitor):
    def __init__(self, cut: BaseException) -> None:
        self.cut = cut

    def state(self, state: State, depth: int) -> None:
        if depth == 2:
            raise self.cut


def test_an_interrupt_keeps_what_was_found() -> None:
    cut = KeyboardInterrupt()
    found = explore(StateSpace(COUNTER), (Stops(cut),), Budget())
    assert (found.stopped, found.cut, found.complete) == ("interrupted", cut, False)
    assert len(found.parents) == 5
    assert found.fired["up"] == 6
    with pytest.raises(KeyboardInterrupt):
        found.or_raise()


def test_a_limit_keeps_what_was_found() -> None:
    with limited(None, work=350):
        found = explore(StateSpace(COUNTER), (), Budget())
        # a look at the limits comes with each level
    assert found.stopped.startswith("350 units of work")
    assert isinstance(found.cut, Spent)
    assert not found.complete
    assert 2 <= len(found.parents) < 6


def test_budgets_to_the_state() -> None:
    for depth, states in ((0, 2), (1, 4), (2, 5), (3, 6)):
        found = explore(StateSpace(COUNTER), (), Budget(depth=depth))
        assert len(found.parents) == states
        assert found.depth == depth
        assert found.stopped == Budget(depth=depth).depth_spent
    found = explore(StateSpace(COUNTER), (), Budget(depth=4))
    assert found.complete
    found = explore(StateSpace(COUNTER), (), Budget(states=4))
    assert (found.stopped, len(found.parents)) == ("the budget of 4 states", 4)
    assert explore(StateSpace(COUNTER), (), Budget(states=7)).complete


class Progress(Silent):
    def __init__(self) -> None:
        self.said: list[dict[str, object]] = []

    def progress(self, **figures: object) -> None:
        self.said.append(figures)


def test_progress_is_reported_for_each_level() -> None:
    report = Progress()
    explore(StateSpace(COUNTER), (), Budget(), report)
    assert [(f["states"], f["depth"], f["frontier"]) for f in report.said] == [
        (2, 0, 2),
        (4, 1, 2),
        (5, 2, 1),
        (6, 3, 1),
    ]
    assert all(
        isinstance(f["seconds"], float) and f["seconds"] < 60 for f in report.said
    )


# --- the engine's answers -------------------------------------------------------


def test_the_engine_says_what_it_has_seen() -> None:
    small = Property("small", Kind.INVARIANT, ir.le(X.now, ir.num(3)))
    fine = Property("fine", Kind.INVARIANT, ir.le(X.now, ir.num(4)))
    still = Property("still", Kind.STEP, ir.eq(X.next, X.now), action="flip")
    jump = Property(
        "jump", Kind.STEP, ir.lt(X.next, ir.add(X.now, ir.num(2))), action="up"
    )
    found = explicit(
        COUNTER, (small, fine, still, jump), Budget(symmetry=False), Silent()
    )
    verdict = found.verdicts["small"]
    assert isinstance(verdict, Violated)
    assert [(s.action, s.arguments) for s in verdict.trace.steps] == [
        ("up", (2,)),
        ("up", (2,)),
    ]
    assert verdict.trace.initial == (0, 0)
    verdict = found.verdicts["jump"]
    assert isinstance(verdict, Violated)
    assert [(s.action, s.arguments) for s in verdict.trace.steps] == [("up", (2,))]
    for name in ("fine", "still"):
        unknown = found.verdicts[name]
        assert unknown == Unknown("the model itself is wrong (see the defects)", 1)
    assert found.engine == "explicit"
    (defect,) = found.defects
    assert (defect.message, defect.obligation) == ("x is not 3", EVEN)
    assert [s.arguments for s in defect.trace.steps] == [(2,), (1,)]
    assert defect.trace.initial == (1, 0)
    s = found.statistics
    assert (s.states, s.transitions, s.depth, s.deadlocks) == (6, 8, 3, 0)
    assert not s.complete
    assert not s.no_start


def test_the_engine_names_each_range_once_for_an_action() -> None:
    small = replace(X, hi=ir.num(2))
    found = explicit(
        replace(COUNTER, variables=(small, Y)), (), Budget(symmetry=False), Silent()
    )
    (defect,) = found.defects
    assert defect.message == "x becomes 3, outside its range"
    assert [s.arguments for s in defect.trace.steps] == [(2,)]
    assert defect.obligation is None
    wrong = Variable("y", ir.INT, ir.num(0), ir.num(1), ir.num(2))
    found = explicit(
        replace(COUNTER, variables=(X, wrong)), (), Budget(symmetry=False), Silent()
    )
    (defect,) = found.defects
    assert defect.message == "y becomes 2, outside its range"
    assert (defect.trace.initial, defect.trace.steps) == ((0, 2), ())
    assert not found.statistics.no_start


def test_the_engine_counts_deadlocks_and_systems_without_a_start() -> None:
    up = replace(UP, obligations=())
    system = replace(COUNTER, actions=(up,))
    found = explicit(
        replace(system, variables=(replace(X, hi=ir.num(5)), Y)),
        (),
        Budget(symmetry=False),
        Silent(),
    )
    s = found.statistics
    assert s.complete
    assert s.deadlocks == 2
    assert s.deadlock is not None
    assert len(s.deadlock) == 2
    nowhere = explicit(
        replace(system, initial=ir.FALSE), (), Budget(symmetry=False), Silent()
    )
    assert nowhere.statistics.no_start
    assert nowhere.statistics.states == 0


def test_a_depth_that_was_not_finished_is_not_claimed() -> None:
    fine = Property("fine", Kind.INVARIANT, ir.le(X.now, ir.num(9)))
    system = replace(COUNTER, actions=(replace(UP, obligations=()),))
    system = replace(system, variables=(replace(X, hi=ir.num(9)), Y))
    found = explicit(system, (fine,), Budget(symmetry=False, depth=2), Silent())
    assert found.verdicts["fine"] == Unknown("the depth budget of 2 steps", 2)
    found = explicit(system, (fine,), Budget(symmetry=False, depth=0), Silent())
    assert found.verdicts["fine"] == Unknown("the depth budget of 0 steps", 0)


def test_the_engine_says_which_antecedents_came_true_and_what_was_cut() -> None:
    far = ir.and_(ir.eq(X.now, ir.num(3)), ir.eq(N, ir.num(2)))
    up = replace(
        UP,
        guard=ir.and_(UP.guard, ir.not_(far)),
        obligations=(),
        assumptions=(Assumption("not far", far), Assumption("never", ir.FALSE)),
    )
    system = replace(COUNTER, actions=(up, FLIP))
    fine = Property(
        "fine",
        Kind.INVARIANT,
        ir.le(X.now, ir.num(4)),
        antecedents=(ir.eq(X.now, ir.num(2)), ir.lt(X.now, Y.now)),
    )
    jump = Property(
        "jump", Kind.STEP, ir.TRUE, "up", (ir.eq(N, ir.num(2)), ir.lt(X.next, X.now))
    )
    s = explicit(system, (fine, jump), Budget(symmetry=False), Silent()).statistics
    assert s.true_antecedents == {"fine": (True, False), "jump": (True, False)}
    assert s.assumed == {"not far": 1, "never": 0}
    assert s.notes == ()


def test_the_engine_says_why_a_symmetry_is_not_used() -> None:
    things = ir.scalar_sort("SPACE_THINGS", 2, "t")
    who = Variable("who", things, ir.num(0), ir.num(2), ir.const(things, 0))
    system = TransitionSystem("who", (who,), (), ir.TRUE, {}, {})
    notes = find_symmetry(system, ()).notes
    assert notes
    assert explicit(system, (), Budget(), Silent()).statistics.notes == notes
    without = explicit(system, (), Budget(symmetry=False), Silent())
    assert without.statistics.notes == ()


def test_an_action_of_two_layouts_writes_the_cell_of_each() -> None:
    """The function of an action is used again in systems whose states look alike, and
    only there."""
    one, other = (
        Variable(name, ir.INT, ir.num(0), ir.num(3), ir.num(k))
        for k, name in enumerate("ab")
    )
    add = Action("add", (), ir.TRUE, {"b": ir.add(other.now, ir.num(1))}, None)
    first = TransitionSystem("ab", (one, other), (add,), ir.TRUE, {}, {})
    last = replace(first, variables=(other, one))
    wide = replace(first, variables=(replace(one, hi=ir.num(9)), other))
    became = [StateSpace(s).successors(add) for s in (first, wide, last, first)]
    assert [f((0, 1))[0].after for f in became] == [(0, 2), (0, 2), (1, 1), (0, 2)]
    assert became[0] is became[1]
