# SPDX-License-Identifier: GPL-2.0-only
"""Trace inclusion finds what an enumeration of all sequences finds: each result that
one system shows and the other cannot, after as few calls; with and without symmetry."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from poolproof.checker.core import ir
from poolproof.checker.core.evaluate import Valuation, initial_states, successor
from poolproof.checker.core.ir import Domain, Expr
from poolproof.checker.core.limits import Spent, limited
from poolproof.checker.core.system import (
    Action,
    Parameter,
    State,
    TransitionSystem,
    Variable,
)
from poolproof.checker.core.verdict import INTERRUPTED, Budget, Silent, Trace
from poolproof.checker.engines import inclusion, joint
from poolproof.checker.engines.inclusion import Included, include
from poolproof.checker.engines.visible import (
    Alphabet,
    Form,
    ShownValue,
    View,
    ViewGraph,
)

LENGTH = 4
"""Calls and readings of the sequences that are enumerated."""

THING = ir.scalar_sort("THING", 2, "s")
THINGS = Domain(THING, 0, 1)
ROW = ir.table_sort((THINGS,), ir.BOOL)
X, SEEN, LAST = ir.var("x", ir.INT), ir.var("seen", ROW), ir.var("last", THING)
NOBODY, ONE = ir.const(THING, 2), ir.num(1)
TOP = ir.num(2)
RESULT = ir.enum_sort("RESULT", ("OK", "LOW", "HIGH"))
VARIABLES = (
    Variable("x", ir.INT, ir.num(0), TOP, ir.num(0)),
    Variable("seen", ROW, ir.FALSE, ir.TRUE, ir.FALSE),
    Variable("last", THING, ir.const(THING, 0), NOBODY, NOBODY),
)


def random_action(name: str, draw: Random, chosen: bool) -> Action:
    """An action of a thing and, if ``chosen``, a number that the system picks. It
    treats all things alike."""
    thing = ir.local(f"s#{name}", THINGS)
    number = ir.local(f"c#{name}", Domain(ir.INT, 0, 1))
    numbers = (ir.num(0), ONE, X, ir.mod(ir.add(X, ONE), ir.num(3)))
    numbers = (*numbers, number) if chosen else numbers

    def truth() -> Expr:
        return draw.choice(
            (
                ir.eq(draw.choice(numbers), draw.choice(numbers)),
                ir.le(draw.choice(numbers), draw.choice(numbers)),
                ir.select(SEEN, thing),
                ir.eq(LAST, thing),
                ir.eq(LAST, NOBODY),
                ir.TRUE,
            )
        )

    updates: dict[str, Expr] = {}
    if draw.random() < 0.7:
        updates["x"] = ir.ite(truth(), draw.choice(numbers), X)
    if draw.random() < 0.5:
        updates["seen"] = ir.store(SEEN, thing, truth())
    if draw.random() < 0.5:
        updates["last"] = ir.ite(truth(), thing, draw.choice((LAST, NOBODY)))
    ok, low, high = (ir.const(RESULT, k) for k in range(3))
    result = ir.ite(truth(), ok, ir.ite(truth(), low, high))
    parameters = [Parameter("s", thing)] + [Parameter("c", number)] * chosen
    guard = ir.or_(truth(), truth())
    return Action(name, tuple(parameters), guard, updates, result)


def random_pair(seed: int, silent: bool) -> tuple[View, View]:
    """Two views that have one action of two in common, and perhaps a silent one."""
    draw = Random(seed)
    both = random_action("f", draw, chosen=True)
    views = []
    for side in "ab":
        other = random_action("g", draw, chosen=draw.random() < 0.5)
        alone = (random_action("t", draw, chosen=False),) if silent else ()
        system = TransitionSystem(
            side, VARIABLES, (both, other, *alone), ir.TRUE, {}, {}
        )
        calls = {
            a.name: (Form(a, (0,), (range(2),)),)
            for a in system.actions
            if a not in alone
        }
        value = draw.choice((X, ir.ite(ir.eq(LAST, NOBODY), X, ONE)))
        readings = {"r": ShownValue(value, ir.TRUE)} if silent else {}
        forms = tuple(Form(a, (), ()) for a in alone)
        views.append(View(system, calls, forms, readings))
    return views[0], views[1]


# --- the enumeration ----------------------------------------------------------


def steps(view: View, state: State, name: str) -> Iterator[tuple[int, str, State]]:
    """The thing, the result and the state after each step of an action."""
    action = view.system.action_by_name[name]
    for given in action.valuations():
        taken = successor(view.system, action, state, given)
        if taken is not None:
            after, result = taken
            yield given[0], RESULT.labels[result or 0], after


def settled(view: View, states: frozenset[State]) -> frozenset[State]:
    found, left = set(states), list(states)
    while left:
        state = left.pop()
        for form in view.silent:
            for _, _, after in steps(view, state, form.action.name):
                if after not in found:
                    found.add(after)
                    left.append(after)
    return frozenset(found)


def seen(view: View, states: frozenset[State]) -> dict[tuple, dict[object, set[State]]]:
    """What may be called and read in some of the states: the states after each."""
    found: dict[tuple, dict[object, set[State]]] = {}
    for state in states:
        for name in view.calls:
            for thing, result, after in steps(view, state, name):
                shown = found.setdefault((name, thing), {})
                shown.setdefault(result, set()).add(after)
        for name, reading in view.readings.items():
            value = Valuation(view.system, state).raw(reading.value)
            found.setdefault((name,), {}).setdefault(value, set()).add(state)
    return found


def enumerated(
    left: View, right: View, length: int
) -> dict[tuple[str, object, frozenset], int]:
    """Each difference by what is called and shown, with the fewest calls."""
    found: dict[tuple[str, object, frozenset], int] = {}

    def go(mine: frozenset[State], its: frozenset[State], n: int, calls: int) -> None:
        if n == length:
            return
        mine, its = settled(left, mine), settled(right, its)
        can, could = seen(left, mine), seen(right, its)
        for event, shows in can.items():
            more = calls + (len(event) == 2)
            theirs = could.get(event, {})
            for shown, after in shows.items():
                if shown in theirs:
                    go(frozenset(after), frozenset(theirs[shown]), n + 1, more)
                    continue
                key = event[0], shown, frozenset(theirs)
                found[key] = min(more, found.get(key, more))

    starts = (frozenset(initial_states(v.system)) for v in (left, right))
    go(*starts, 0, 0)
    return found


def searched(left: View, right: View, symmetry: bool, depth: int | None) -> Included:
    alphabet = Alphabet()
    sides = [ViewGraph(v, alphabet) for v in (left, right)]
    return include(*sides, Budget(depth=depth, symmetry=symmetry), Silent())


def fewest(found: Included) -> dict[tuple[str, object], int]:
    """The calls after which each thing is shown that the other side cannot show."""
    least: dict[tuple[str, object], int] = {}
    for d in found.differences:
        name, shown, _ = d.of
        calls = sum(arguments is not None for (_, arguments), _ in d.seen)
        key = (name, "" if d.reading else shown)
        least[key] = min(calls, least.get(key, calls))
    return least


@pytest.mark.parametrize("seed", range(25))
def test_calls_as_enumerated(seed: int) -> None:
    left, right = random_pair(seed, silent=False)
    every = enumerated(left, right, LENGTH)
    found = searched(left, right, symmetry=seed % 2 == 0, depth=LENGTH)
    assert {d.of: len(d.seen) for d in found.differences} == every


@pytest.mark.parametrize("seed", [102, *range(104, 110), 5089, 20029])
def test_silent_steps_and_readings(seed: int) -> None:
    left, right = random_pair(seed, silent=True)
    every = enumerated(left, right, LENGTH)
    found = searched(left, right, symmetry=True, depth=LENGTH)
    least = fewest(found)
    for (name, shown, _), calls in every.items():
        assert least[name, "" if name == "r" else shown] <= calls
    for d in found.differences:
        if len(d.seen) <= LENGTH:
            assert d.of in every
            calls = sum(arguments is not None for (_, arguments), _ in d.seen)
            assert every[d.of] <= calls


@pytest.mark.parametrize("seed", range(200, 210))
def test_the_same_with_symmetry(seed: int) -> None:
    left, right = random_pair(seed, silent=seed % 2 == 0)
    small, large = (searched(left, right, s, None) for s in (True, False))
    assert small.complete
    assert large.complete
    assert fewest(small) == fewest(large)
    assert small.pairs <= large.pairs


def test_symmetry_is_used() -> None:
    view, _ = random_pair(201, silent=False)
    pairs = [searched(view, view, s, None).pairs for s in (True, False)]
    assert pairs[0] < pairs[1]


@pytest.mark.parametrize("seed", range(300, 304))
def test_a_system_includes_itself(seed: int) -> None:
    view, _ = random_pair(seed, silent=True)
    found = searched(view, view, True, None)
    assert found.complete
    assert not found.differences


class Impatient(Silent):
    """Presses Ctrl-C at the first report."""

    def progress(self, **figures: object) -> None:
        raise KeyboardInterrupt


def test_what_ends_a_search_is_said() -> None:
    view, _ = random_pair(3, silent=False)
    alphabet = Alphabet()
    sides = [ViewGraph(view, alphabet) for _ in "ab"]
    whole = include(*sides, Budget(), Silent())
    few = include(*sides, Budget(states=2), Silent())
    assert few.stopped == "the budget of 2 states"
    assert 2 <= few.pairs < whole.pairs
    cut = include(*sides, Budget(), Impatient())
    assert cut.stopped == INTERRUPTED
    assert isinstance(cut.cut, KeyboardInterrupt)
    assert cut.pairs > 0
    with limited(None, work=1):
        spent = include(*sides, Budget(), Silent())
    assert isinstance(spent.cut, Spent)
    assert not spent.complete


def test_a_search_may_end_before_its_first_pair(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(joint, "find_symmetry", interrupted)
    view, _ = random_pair(3, silent=False)
    sides = [ViewGraph(view, Alphabet())] * 2
    assert include(*sides, Budget(), Silent()).stopped == INTERRUPTED


@pytest.mark.parametrize("seed", range(8))
def test_the_runs_of_a_difference_show_it(seed: int) -> None:
    """The left run shows all of it, the right one the same but for the last."""
    left, right = random_pair(seed, silent=False)
    for d in searched(left, right, symmetry=True, depth=LENGTH).differences:
        told = [(name, *arguments, shown) for (name, arguments), shown in d.seen]
        assert list(shown_by(left, d.left)) == told
        assert list(shown_by(right, d.right))[: len(told) - 1] == told[:-1]
        name, shown, instead = d.of
        assert (told[-1][0], told[-1][-1]) == (name, shown)
        its = frozenset(initial_states(right.system))
        for *event, answer in told[:-1]:
            its = frozenset(seen(right, its)[tuple(event)][answer])
        possible = seen(right, its).get(told[-1][:-1], {})
        assert frozenset(possible) == instead


def test_progress_is_reported_while_a_level_is_searched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Counting(Silent):
        def __init__(self) -> None:
            self.pairs: list[object] = []

        def progress(self, **figures: object) -> None:
            self.pairs.append(figures["states"])

    view, _ = random_pair(3, silent=False)
    monkeypatch.setattr(inclusion, "_BATCH", 1)
    report = Counting()
    sides = [ViewGraph(view, Alphabet())] * 2
    found = include(*sides, Budget(), report)
    assert len(report.pairs) == found.pairs


def shown_by(view: View, trace: Trace) -> Iterator[tuple[object, ...]]:
    state = trace.initial
    assert state in set(initial_states(view.system))
    for step in trace.steps:
        action = view.system.action_by_name[step.action]
        taken = successor(view.system, action, state, step.arguments)
        assert taken is not None
        state, result = taken
        yield step.action, step.arguments[0], RESULT.labels[result or 0]
