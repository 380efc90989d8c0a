"""The states of a system and the steps between them, and one search of them.

Breadth first: `explore` visits every reachable state once, in order of
distance, or one of each orbit where the space is seen up to symmetry. What a
search is for is up to its visitors: they are told of each state, of each step
of the actions that they ask for, of each error of the model. A visitor that
knows enough raises `Enough`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from poolproof.checker.backends import python as lower
from poolproof.checker.backends.python import Taken
from poolproof.checker.core.evaluate import initial_states
from poolproof.checker.core.limits import Spent, look, tick
from poolproof.checker.core.system import Action, State, TransitionSystem
from poolproof.checker.core.verdict import Budget, Reporter, Silent
from poolproof.checker.passes.symmetry import Symmetry, canonical_under

_BATCH = 2048
"""States between two reports of progress."""

_WORK = 100
"""What visiting a state costs at least, see checker.core.limits."""

NO_SYMMETRY = Symmetry((), (), ())

OnStep = Callable[[State, Taken], None]
"""What a visitor does with a step from a state: one that breaks nothing and
stays in range."""


class StateSpace:
    """A system as a graph: where it starts, and which steps a state has. With
    ``symmetry`` states count up to permutations of its scalarsets."""

    def __init__(
        self, system: TransitionSystem, symmetry: Symmetry = NO_SYMMETRY
    ) -> None:
        self.system, self.symmetry = system, symmetry
        self.functions: dict[str, lower.Successors] = {}

    def initial(self) -> Sequence[State]:
        """The initial states, those outside their ranges included."""
        return initial_states(self.system)

    def successors(self, action: Action) -> lower.Successors:
        """The function from a state to the action's steps."""
        found = self.functions.get(action.name)
        if found is None:
            found = self.functions[action.name] = lower.successors(self.system, action)
        return found

    @cached_property
    def canonical(self) -> Callable[[State], State]:
        """One state for each orbit."""
        return canonical_under(self.system, self.symmetry)

    @cached_property
    def outside(self) -> Callable[[State], int | None]:
        """The number of a cell outside its range, or None."""
        return lower.in_range(self.system)


class Enough(Exception):
    """Raised by a visitor: the search may end."""


class Visitor:
    """Who watches a search; each method does nothing until it is overridden."""

    def state(self, state: State, depth: int) -> None:
        """A state (its canonical form) is visited first, so many steps away."""

    def on_step(self, action: Action) -> OnStep | None:
        """What to do with the steps of an action; asked once."""
        return None

    def broken(self, state: State, action: Action, taken: Taken) -> None:
        """The step fails its obligation ``taken.broken``."""

    def leaves(
        self, state: State, cell: int, before: State | None, action: Action | None
    ) -> None:
        """An initial state, or one after a step, has a cell out of range."""

    def deadlock(self, state: State) -> None:
        """No action is possible."""

    def level(self, states: list[State], depth: int) -> None:
        """All states at this distance were found."""


@dataclass
class Explored:
    """What a search has found. ``parents`` has every state visited (canonical)
    with the one it was first reached from, ``starts`` an initial state for
    each of their canonical forms. ``stopped`` says why it is not complete;
    it is also empty where a visitor had enough (``ended``)."""

    space: StateSpace
    parents: dict[State, State | None] = field(default_factory=dict)
    starts: dict[State, State] = field(default_factory=dict)
    fired: dict[str, int] = field(default_factory=dict)
    results: dict[tuple[str, int], int] = field(default_factory=dict)
    depth: int = 0
    stopped: str = ""
    ended: bool = False

    @property
    def transitions(self) -> int:
        return sum(self.fired.values())


@dataclass
class _Row:
    """An action at work: its function, who is told of its steps, its counts."""

    action: Action
    successors: lower.Successors
    told: tuple[OnStep, ...]
    fired: int = 0
    results: dict[int | None, int] = field(default_factory=dict)


def explore(
    space: StateSpace,
    visitors: Sequence[Visitor],
    budget: Budget,
    report: Reporter | None = None,
) -> Explored:
    """Searches the space until all is visited, a limit is reached, a visitor
    has enough, or on Ctrl-C."""
    return _Search(space, visitors, budget, report or Silent()).run()


def _overriding(visitors: Iterable[Visitor], name: str) -> tuple[Visitor, ...]:
    plain = getattr(Visitor, name)
    return tuple(v for v in visitors if getattr(type(v), name) is not plain)


class _Search:
    def __init__(
        self,
        space: StateSpace,
        visitors: Sequence[Visitor],
        budget: Budget,
        report: Reporter,
    ) -> None:
        self.space, self.budget, self.report = space, budget, report
        self.found = Explored(space)
        self.visitors = visitors
        self.rows = [
            _Row(
                a,
                space.successors(a),
                tuple(f for v in visitors if (f := v.on_step(a)) is not None),
            )
            for a in space.system.actions
        ]
        self.begin = time.monotonic()

    def run(self) -> Explored:
        found = self.found
        try:
            level = self.first()
            while level and not found.stopped:
                level = self.next(level)
        except Enough:
            found.ended = True
        except KeyboardInterrupt:
            found.stopped = "interrupted"
        except Spent as spent:
            found.stopped = str(spent)
        for row in self.rows:
            name = row.action.name
            found.fired[name] = row.fired
            if row.action.result is not None:
                found.results |= {
                    (name, r): n for r, n in row.results.items() if r is not None
                }
        return found

    def first(self) -> list[State]:
        """The initial states that are in range."""
        found, level = self.found, []
        for start in self.space.initial():
            cell = self.space.outside(start)
            if cell is not None:
                for v in self.visitors:
                    v.leaves(start, cell, None, None)
                continue
            form = self.space.canonical(start)
            if form not in found.parents:
                found.parents[form] = None
                found.starts[form] = start
                level.append(form)
                for v in self.visitors:
                    v.state(form, 0)
        self.ended(level)
        return level

    def ended(self, level: list[State]) -> None:
        for v in self.visitors:
            v.level(level, self.found.depth)

    def next(self, level: list[State]) -> list[State]:
        """The states one step further than these."""
        found, budget = self.found, self.budget
        if budget.depth is not None and found.depth >= budget.depth:
            found.stopped = f"the depth budget of {budget.depth} steps"
            return []
        parents, canonical, outside = (
            found.parents,
            self.space.canonical,
            self.space.outside,
        )
        visiting = [v.state for v in _overriding(self.visitors, "state")]
        depth, rows = found.depth + 1, self.rows
        most = float("inf") if budget.states is None else budget.states
        further: list[State] = []
        for count, state in enumerate(level):
            if count % _BATCH == 0:
                self.progress(len(level))
            if len(parents) >= most:
                found.stopped = f"the budget of {budget.states:,} states"
                return []
            tick(_WORK)
            enabled = False
            for row in rows:
                steps = row.successors(state)
                if not steps:
                    continue
                enabled = True
                told, results = row.told, row.results
                for taken in steps:
                    _, after, result, broken = taken
                    if broken is not None:
                        self.broken(state, row.action, taken)
                        continue
                    cell = outside(after)
                    if cell is not None:
                        self.leaves(after, cell, state, row.action)
                        continue
                    row.fired += 1
                    results[result] = results.get(result, 0) + 1
                    for tell in told:
                        tell(state, taken)
                    form = canonical(after)
                    if form not in parents:
                        parents[form] = state
                        further.append(form)
                        for visit in visiting:
                            visit(form, depth)
            if not enabled:
                for v in self.visitors:
                    v.deadlock(state)
        if further:
            found.depth = depth
        self.ended(further)
        return further

    def broken(self, state: State, action: Action, taken: Taken) -> None:
        for v in self.visitors:
            v.broken(state, action, taken)

    def leaves(self, after: State, cell: int, before: State, action: Action) -> None:
        for v in self.visitors:
            v.leaves(after, cell, before, action)

    def progress(self, frontier: int) -> None:
        self.report.progress(
            states=len(self.found.parents),
            depth=self.found.depth,
            frontier=frontier,
            seconds=time.monotonic() - self.begin,
        )
        look()
