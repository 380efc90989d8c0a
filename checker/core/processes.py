# SPDX-License-Identifier: GPL-2.0-only
"""The tasks of a design whose actions yield: where each of them may stand.

An engine sees none of this: to it, a place is a value of a variable, and the
step from one place to the next an action. Replays and reports read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import CodeType

from poolproof.checker.core.ir import Domain, Expr, Sort, const, eq, select
from poolproof.checker.core.system import Action, Span, State, Variable
from poolproof.model.language import Values

PLACE = "place"
"""The variable that says where each task stands."""

IDLE = "idle"
"""The place of a task that is in no action."""


CodeKey = tuple[str, int]


def code_key(code: CodeType) -> CodeKey:
    """Return the file and the first line of a method, by which it is known."""
    return code.co_filename, code.co_firstlineno


@dataclass(frozen=True)
class Halt:
    """Where CPython has stopped in one method: the `yield`, or the `yield from`
    whose callee has. ``code`` is that of the method, see `code_key`. ``loops`` are
    the variables of the loops around it, each with its sort and raw value."""

    code: CodeKey
    line: int
    column: int
    loops: tuple[tuple[str, Sort, int], ...]


@dataclass(frozen=True)
class Kept:
    """A local that a task keeps at a place: the local ``name`` of the method at
    position ``frame`` (0: the action itself), in the table ``variable``."""

    variable: str
    frame: int
    name: str


@dataclass(frozen=True)
class YieldPlace:
    """A `yield` of an action, once for each round of the loops around it. The
    action that goes on from there has the same ``name``. ``label`` is for people;
    ``receives`` are the values of `name: DOMAIN = yield`."""

    name: str
    action: str
    label: str
    halts: tuple[Halt, ...]
    kept: tuple[Kept, ...]
    receives: Values | None
    span: Span


@dataclass(frozen=True)
class Processes:
    """One sequential process for each element of ``tasks``. ``at`` is the variable
    PLACE; raw 0 is IDLE, raw k the place ``places[k - 1]``. ``kept`` are the
    variables that hold locals. ``lanes`` has the position of the parameter that is
    the task, by action, atomic ones included. ``begun`` are the actions whose text
    has a `yield`."""

    tasks: Domain
    at: Variable
    places: tuple[YieldPlace, ...]
    kept: tuple[Variable, ...]
    lanes: Mapping[str, int]
    begun: frozenset[str]

    @cached_property
    def hidden(self) -> int:
        """The number of cells at the end of a state that no field of the design is."""
        return len(self.tasks) * (1 + len(self.kept))

    @cached_property
    def by_name(self) -> Mapping[str, YieldPlace]:
        return {p.name: p for p in self.places}

    @cached_property
    def yielding(self) -> frozenset[str]:
        """The actions that a generator takes under CPython: their steps may end at
        a yield."""
        return self.begun | self.by_name.keys()

    def raw(self, name: str) -> int:
        """Return the raw value of the place of that name."""
        return 1 + [p.name for p in self.places].index(name)

    def is_inside(self, state: State, task: int) -> bool:
        """Return whether the task is at a yield."""
        return state[len(state) - self.hidden + task - self.tasks.lo] != 0

    def suspended(self, action: str, arguments: tuple[int, ...], after: State) -> bool:
        """Return whether the step ended at a yield, so that it returned nothing."""
        return action in self.yielding and self.is_inside(
            after, arguments[self.lanes[action]]
        )

    def returned(self, action: Action) -> Expr:
        """Return the condition under which a step of the action returns something,
        over the state after it and the action's parameters."""
        task = action.parameters[self.lanes[action.name]].local
        return eq(select(self.at.next, task), const(self.at.element, 0))

    def lane(self, action: str, arguments: tuple[int, ...]) -> int | None:
        """Return the task whose step it is; None for a step of no task."""
        position = self.lanes.get(action)
        return None if position is None else arguments[position]
