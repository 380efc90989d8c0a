# SPDX-License-Identifier: GPL-2.0-only
"""A system as its user sees it: calls with results, readings, and silent steps.

A *call* is a name and the arguments that the user gives. One or more actions take
it; any other arguments of theirs are the system's choice. A *reading* shows a value
of the state and changes nothing. Silent steps happen at any time, and the user does
not see them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from typing import TypeVar

from poolproof.checker.backends import python as lower
from poolproof.checker.core.ir import BOOL, Expr, show_raw
from poolproof.checker.core.limits import tick
from poolproof.checker.core.remembered import Remembered
from poolproof.checker.core.system import Action, State, TransitionSystem
from poolproof.checker.core.verdict import Step
from poolproof.checker.engines.space import StateSpace

OK = "OK"
"""The result of a call that succeeds: of an action that returns OK, true or nothing."""

HALT = "BUG"
"""The result of a call that ends at a `bug_on`: nothing comes after it."""

Event = tuple[str, tuple[int, ...] | None]
"""A call with its arguments as raw values; or a reading, with None."""

Shown = str | int
"""The result of a call as text, or the raw value of a reading."""

_REMEMBERED = 8_000
"""Upper limit on the states whose moves are remembered."""

_WORK = 100
"""Least cost of visiting a state, in the units of checker.core.limits."""


@dataclass(frozen=True)
class Form:
    """One way to take a call: an action. ``places`` are the numbers of the
    parameters that are the call's, in its order, and ``within`` the values that
    each may have; ``fixed`` maps others to the only value that counts."""

    action: Action
    places: tuple[int, ...]
    within: tuple[range, ...]
    fixed: Mapping[int, int] = field(default_factory=dict)

    def call(self, given: tuple[int, ...]) -> tuple[int, ...] | None:
        """Return the call's arguments in a step with these, or None if the step is not
        this call."""
        if any(given[k] != raw for k, raw in self.fixed.items()):
            return None
        chosen = tuple([given[k] for k in self.places])
        for raw, some in zip(chosen, self.within, strict=True):
            if raw not in some:
                return None
        return chosen

    def valuations(self, call: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        """Yield the action's arguments, whatever the system chooses."""
        return (given for given in self.action.valuations() if self.call(given) == call)


@dataclass(frozen=True)
class ShownValue:
    """``value`` is shown. It means nothing where ``defined`` is false."""

    value: Expr
    defined: Expr


@dataclass(frozen=True)
class View:
    """What the user sees of a system. ``stops`` is, for some actions, the condition
    over the state before a step and its arguments under which it is a HALT. The calls
    in ``total`` show OK and change nothing where no action takes them, now or after
    silent steps. Where a silent step in ``first`` is possible, no call is."""

    system: TransitionSystem
    calls: Mapping[str, tuple[Form, ...]]
    silent: tuple[Form, ...] = ()
    readings: Mapping[str, ShownValue] = field(default_factory=dict)
    stops: Mapping[str, Expr] = field(default_factory=dict)
    total: frozenset[str] = frozenset()
    first: frozenset[str] = frozenset()


class Erroneous(Exception):
    """The model is in error: a step that can be taken breaks an obligation or leaves
    a range, or a reading is not defined. Nothing is then known."""

    def __init__(self, system: TransitionSystem, message: str) -> None:
        super().__init__(message)
        self.system = system


class Alphabet:
    """The numbers of events and of what they show, shared by several processes."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.shown: list[Shown] = []
        self._event: dict[Event, int] = {}
        self._shown: dict[Shown, int] = {}

    def event(self, event: Event) -> int:
        """Return the number of a call or reading."""
        return _number(event, self._event, self.events)

    def show(self, shown: Shown) -> int:
        """Return the number of a result or value."""
        return _number(shown, self._shown, self.shown)


_Item = TypeVar("_Item")


def _number(item: _Item, known: dict[_Item, int], items: list[_Item]) -> int:
    found = known.get(item)
    if found is None:
        found = known[item] = len(items)
        items.append(item)
    return found


GONE = -1
"""In place of the state after HALT."""

Move = tuple[int, int, int]
"""The numbers of an event, of what it shows, and of the state after it."""


class ViewGraph:
    """A view as a graph, whose states are numbered as they are met. Methods raise
    `Erroneous`."""

    def __init__(self, view: View, alphabet: Alphabet) -> None:
        self.view, self.system, self.alphabet = view, view.system, alphabet
        self.space = StateSpace(view.system)
        self.states: list[State] = []
        self._numbers: dict[State, int] = {}
        self.moves = Remembered(self._find_moves, _REMEMBERED).__getitem__
        """All that can be called and read, by state."""
        self._reach = Remembered(self._find_reach)
        self._possible = Remembered(self._find_possible)
        self._forms = [
            _Form(name, form, view, alphabet)
            for name, some in view.calls.items()
            for form in some
        ]
        self._cuts: dict[str, _Cut] = {}
        readings = view.readings.items()
        self._readings = [alphabet.event((name, None)) for name, _ in readings]
        self._values = lower.values(
            view.system, [e for _, r in readings for e in (r.value, r.defined)]
        )

    def number(self, state: State) -> int:
        """Return the number of a state that is reached."""
        found = self._numbers.get(state)
        if found is None:
            cell = self.space.outside(state)
            if cell is not None:
                raise Erroneous(self.system, self.space.excess(state, cell))
            found = self._numbers[state] = len(self.states)
            self.states.append(state)
        return found

    def starts(self) -> list[int]:
        """Return the initial states."""
        return [self.number(s) for s in self.space.initial()]

    def silent(self, state: int) -> list[int]:
        """Return where silent steps lead to."""
        return [self._after(*step) for step in self._silent(state)]

    def _silent(self, state: int) -> Iterator[tuple[Action, lower.Transition]]:
        before = self.states[state]
        for form in self.view.silent:
            for taken in self.space.successors(form.action)(before):
                if form.call(taken.arguments) is not None:
                    yield form.action, taken

    def _after(self, action: Action, taken: lower.Transition) -> int:
        if taken.broken is not None:
            message = action.obligations[taken.broken].message
            raise Erroneous(self.system, f"{action.name}: {message}")
        return self.number(taken.after)

    def _find_moves(self, state: int) -> list[Move]:
        found: list[Move] = []
        if not self._is_busy(state):
            found += [move for move, _, _ in self._steps(state)]
            found += self._nothing(state)
            found += self._read(state)
        tick(_WORK + len(found))
        return found

    def _is_busy(self, state: int) -> bool:
        """Return whether a silent step comes before any call."""
        return bool(self.view.first) and any(
            action.name in self.view.first for action, _ in self._silent(state)
        )

    def _steps(self, state: int) -> Iterator[tuple[Move, Action, lower.Transition]]:
        """Yield the calls, with the steps that take them."""
        before = self.states[state]
        for form in self._forms:
            action, events, shown = form.form.action, form.events, form.shown
            for taken in self.space.successors(action)(before):
                event = events[taken.arguments]
                if event < 0:
                    continue
                if form.stops is not None and form.stops(before, taken.arguments):
                    yield (event, form.halt, GONE), action, taken
                else:
                    after = self._after(action, taken)
                    yield (event, shown[taken.result], after), action, taken

    def _nothing(self, state: int) -> Iterator[Move]:
        """Yield the calls that change nothing: no action takes them here or after
        silent steps, not even without the `assume`s."""
        if not self.view.total:
            return
        reached = self.reach(state)
        possible = {e for k in reached for e in self._possible[k]}
        for name in sorted(self.view.total):
            forms = self.view.calls[name]
            cut = any(form.action.assumptions for form in forms)
            where = [k for k in reached if cut and not self._is_busy(k)]
            for call in product(*forms[0].within):
                event = self.alphabet.event((name, call))
                if event not in possible and not any(
                    self.assumed(k, event) for k in where
                ):
                    yield event, self.alphabet.show(OK), state

    def _find_possible(self, state: int) -> frozenset[int]:
        """Return the calls in ``total`` that some action takes."""
        if self._is_busy(state):
            return frozenset()
        events, total = self.alphabet.events, self.view.total
        every = (move[0] for move, _, _ in self._steps(state))
        return frozenset(e for e in every if events[e][0] in total)

    def reach(self, start: int) -> frozenset[int]:
        """Return all that silent steps lead to from a state, itself included."""
        if not self.view.silent:
            return frozenset({start})
        return self._reach[start]

    def _find_reach(self, start: int) -> frozenset[int]:
        seen, left = {start}, [start]
        for k in left:
            for after in self.silent(k):
                if after not in seen:
                    seen.add(after)
                    left.append(after)
        return frozenset(seen)

    def _read(self, state: int) -> Iterator[Move]:
        values = self._values(self.states[state])
        for k, reading in enumerate(self._readings):
            value, defined = values[2 * k : 2 * k + 2]
            if not defined:
                name = self.alphabet.events[reading][0]
                raise Erroneous(self.system, f"{name} is undefined in some state")
            yield reading, self.alphabet.show(value), state

    def assumed(self, state: int, event: int) -> str:
        """Return why an `assume` leaves a call out here, or "" if none does."""
        name, call = self.alphabet.events[event]
        if call is None:
            return ""
        for form in self.view.calls.get(name, ()):
            action = form.action
            cut = self._cuts.get(action.name)
            if cut is None:
                cut = self._cuts[action.name] = _cut(self.system, action)
            for given in form.valuations(call):
                why = cut(self.states[state], given)
                if why:
                    return why
        return ""

    def silent_step(self, state: int, after: int) -> Step:
        """Return a silent step that leads from one state to another."""
        return next(
            Step(action.name, taken.arguments)
            for action, taken in self._silent(state)
            if self._after(action, taken) == after
        )

    def step(self, state: int, move: Move) -> Step | None:
        """Return a step that is a move; None of a move that changes nothing."""
        for known, action, taken in self._steps(state):
            if known == move:
                return Step(action.name, taken.arguments)
        return None


class _Form:
    """A form with what is compiled for it. ``events`` maps a step's arguments to the
    number of the call, or -1; ``shown`` a raw result to the number of its text."""

    def __init__(self, name: str, form: Form, view: View, alphabet: Alphabet) -> None:
        self.form = form
        self.events = Remembered(partial(_event, name, form, alphabet))
        self.shown = {
            raw: alphabet.show(result_text(form.action, raw))
            for raw in (None, *_results(form.action))
        }
        self.halt = alphabet.show(HALT)
        self.stops: Callable[[State, tuple[int, ...]], bool] | None = None
        stop = view.stops.get(form.action.name)
        if stop is not None:
            true = lower.step_predicates(view.system, form.action, (stop,))
            self.stops = lambda before, given: true(before, before, given, None)[0]


def _event(name: str, form: Form, alphabet: Alphabet, given: tuple[int, ...]) -> int:
    """Return the number of the call by the arguments of the action, or -1."""
    call = form.call(given)
    return -1 if call is None else alphabet.event((name, call))


def _results(action: Action) -> Sequence[int]:
    return () if action.result is None else tuple(action.returned.data[1])


def result_text(action: Action, raw: int | None) -> str:
    """Return what the user sees of a result: OK for all that is a success."""
    if action.result is None or raw is None:
        return OK
    sort = action.result.sort
    return OK if sort is BOOL and raw else show_raw(sort, raw)


_Cut = Callable[[State, tuple[int, ...]], str]


def _cut(system: TransitionSystem, action: Action) -> _Cut:
    """Return a function of a state and arguments: why the step is cut, or ""."""
    reasons = [assumed.why for assumed in action.assumptions]
    if not reasons:
        return lambda before, given: ""
    cuts = lower.step_predicates(system, action, [s.cut for s in action.assumptions])

    def why(before: State, given: tuple[int, ...]) -> str:
        which = cuts(before, before, given, None)
        return next((r for r, cut in zip(reasons, which, strict=True) if cut), "")

    return why
