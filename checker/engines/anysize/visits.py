# SPDX-License-Identifier: GPL-2.0-only
"""States that a search finds at small sizes: what guesses are made from and tried
in. They decide which guesses are tried, never what is proved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from poolproof.checker.backends.python import predicates
from poolproof.checker.core.ir import Expr
from poolproof.checker.core.system import State, TransitionSystem
from poolproof.checker.core.verdict import Budget, Silent
from poolproof.checker.engines.anysize.sizes import small_sizes
from poolproof.checker.engines.space import StateSpace, Visitor, explore
from poolproof.checker.passes.close import Closing, close, closing_of

_STATES = 1500
"""States visited at each size, at most."""


@dataclass(frozen=True)
class Visit:
    """The states found at one choice of sizes; ``closing`` reads the open system's
    expressions there."""

    system: TransitionSystem
    closing: Closing
    states: tuple[State, ...]
    taken: frozenset[str]
    """The actions of which some step was visited."""

    def sample(self, most: int) -> tuple[State, ...]:
        """Return about so many of the states, evenly spread."""
        return self.states[:: max(1, len(self.states) // most)]


class Visits:
    """The states of a system with open bounds, at each of its small sizes."""

    def __init__(self, system: TransitionSystem) -> None:
        self.system = system

    @cached_property
    def each(self) -> tuple[Visit, ...]:
        """Each choice of sizes, with its states."""
        return tuple(self.at(sizes) for sizes in small_sizes(self.system))

    def at(self, sizes: Mapping[str, int]) -> Visit:
        closing = closing_of(self.system, sizes)
        small = close(self.system, closing)
        found = _States()
        budget = Budget(states=_STATES)
        explored = explore(StateSpace(small), (found,), budget, Silent())
        taken = frozenset(name for name, steps in explored.fired.items() if steps)
        return Visit(small, closing, tuple(found.states), taken)

    @property
    def taken(self) -> frozenset[str]:
        """The actions of which some step was visited, at some size."""
        return frozenset().union(*(visit.taken for visit in self.each))

    def true(self, formulas: Mapping[str, Expr]) -> frozenset[str]:
        """Return the names of the formulas that no state violates."""
        left = dict(formulas)
        for visit in self.each:
            names = list(left)
            closed = [visit.closing.expr(e) for e in left.values()]
            truths = predicates(visit.system, closed)
            for state in visit.states:
                truth = truths(state)
                if False in truth:
                    for name, true in zip(names, truth, strict=True):
                        if not true:
                            left.pop(name, None)
        return frozenset(left)


class _States(Visitor):
    def __init__(self) -> None:
        self.states: list[State] = []

    def state(self, state: State, depth: int) -> None:
        self.states.append(state)
