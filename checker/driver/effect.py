# SPDX-License-Identifier: GPL-2.0-only
"""The effect of a feature: does it change anything that a design can do?

Two systems that agree on their initial states, and on every step from each
state that both reach, have the same runs (by induction over their length). A
verdict about the one with the feature then says nothing about the feature.
"""

from __future__ import annotations

from collections.abc import Callable

from poolproof.checker.backends.python import Transition
from poolproof.checker.core.system import Action, State, TransitionSystem
from poolproof.checker.core.verdict import Budget
from poolproof.checker.engines.space import (
    Enough,
    OnStep,
    StateSpace,
    Visitor,
    explore,
)

Change = tuple[str, tuple[int, ...], int | None, State | None]
"""Action, arguments, result, and what both systems have of the state
after it (None: an obligation fails). All raw: features change no size."""


def has_effect(
    off: TransitionSystem,
    on: TransitionSystem,
    states: int,
    over: Callable[[], bool] = lambda: False,
) -> bool | None:
    """Return whether ``on`` and ``off``, the same design without the feature, have
    different runs. None: not decided within so many states, or in time."""
    if (off.variables, off.actions, off.initial) == (
        on.variables,
        on.actions,
        on.initial,
    ):
        return False
    shared = {c.name for c in off.cells} & {c.name for c in on.cells}
    one, other = _System(StateSpace(off), shared), _System(StateSpace(on), shared)
    if one.initial().keys() != other.initial().keys() or one.moved or other.moved:
        return True
    comparison = _Comparison(one, other, over)
    found = explore(one.space, (comparison,), Budget(states=states + 1)).or_raise()
    return True if comparison.differs else False if found.complete else None


class _Comparison(Visitor):
    """Compares the steps of two systems, while one of them is explored, and
    ends the search at the first difference."""

    def __init__(self, one: _System, other: _System, over: Callable[[], bool]) -> None:
        self.one, self.other, self.over = one, other, over
        self.differs = False
        self.steps: set[Change] = set()
        self.beside = other.initial()
        """The other system's state for what both have of a state."""

    def on_step(self, action: Action) -> OnStep:
        name, one = action.name, self.one

        def add(_state: State, taken: Transition) -> None:
            self.steps.add(one.change(name, taken))

        return add

    def broken(self, state: State, action: Action, taken: Transition) -> None:
        self.steps.add(self.one.change(action.name, taken))

    def leaves(
        self, state: State, action: Action, taken: Transition, cell: int
    ) -> None:
        self.steps.add(self.one.change(action.name, taken))

    def expanded(self, state: State, enabled: bool) -> None:
        if self.over():
            raise Enough
        steps, self.steps = self.steps, set()
        there = self.other.steps(self.beside[self.one.common(state)])
        if steps != there.keys() or self.one.moved or self.other.moved:
            self.differs = True
            raise Enough
        for (*_, common), after in there.items():
            if common is not None:
                self.beside.setdefault(common, after)


class _System:
    """One of the two systems, seen through the cells that both have.
    ``moved``: another cell of its own has had two values."""

    def __init__(self, space: StateSpace, shared: set[str]) -> None:
        self.space = space
        number = {c.name: k for k, c in enumerate(space.system.cells)}
        self.shared = [number[name] for name in sorted(shared)]
        self.own = [k for name, k in number.items() if name not in shared]
        self.alone: set[State] = set()

    @property
    def moved(self) -> bool:
        return len(self.alone) > 1

    def initial(self) -> dict[State, State]:
        return {self.common(s): s for s in self.space.initial()}

    def common(self, state: State) -> State:
        """Return what both systems have of a state."""
        if self.own:
            self.alone.add(tuple([state[k] for k in self.own]))
        return tuple([state[k] for k in self.shared])

    def change(self, name: str, taken: Transition) -> Change:
        arguments, after, result, broken = taken
        if broken is not None:  # the state after it means nothing
            return name, arguments, None, None
        return name, arguments, result, self.common(after)

    def steps(self, state: State) -> dict[Change, State]:
        """Return the steps from a state, and the states after them."""
        return {
            self.change(action.name, taken): taken.after
            for action in self.space.system.actions
            for taken in self.space.successors(action)(state)
        }
