# SPDX-License-Identifier: GPL-2.0-only
"""The state space of a system, and the only search of it in Python.

`explore` goes breadth first: it visits every reachable state once, in order of
distance, or with symmetry one state of each orbit. Its visitors decide what the
search is for. `explore` calls them for each state, for each step of the actions
they choose, and for each error of the model. A visitor raises `Enough` to end
the search.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice

from poolproof.checker.backends import python as lower
from poolproof.checker.backends.python import Transition
from poolproof.checker.core.evaluate import initial_states
from poolproof.checker.core.limits import Spent, look, tick
from poolproof.checker.core.system import Action, State, TransitionSystem
from poolproof.checker.core.verdict import INTERRUPTED, Budget, Reporter, Silent
from poolproof.checker.passes.symmetry import Symmetry, canonical_under

_BATCH = 2048
"""States between two reports of progress."""

_WORK = 100
"""Least cost of visiting a state, in the units of checker.core.limits."""

_REMEMBERED = 200_000
"""Upper limit on the states whose representatives a search remembers."""

NO_SYMMETRY = Symmetry((), (), ())

OnStep = Callable[[State, Transition], None]
"""Called with a state and a step from it that satisfies its obligations and
stays in range."""


class StateSpace:
    """A system as a graph. With ``symmetry``, states count up to permutations
    of its scalarsets. ``like`` is the space of a system with the same
    variables: what was compiled there for actions of this one is used again."""

    def __init__(
        self,
        system: TransitionSystem,
        symmetry: Symmetry = NO_SYMMETRY,
        like: StateSpace | None = None,
    ) -> None:
        self.system, self.symmetry = system, symmetry
        self.functions: dict[str, lower.Successors] = {}
        if like is not None and like.system.variables is system.variables:
            old = like.system.action_by_name
            self.functions = {
                a.name: like.successors(a)
                for a in system.actions
                if a is old.get(a.name)
            }

    def initial(self) -> Sequence[State]:
        """Return the initial states, those outside their ranges included."""
        return initial_states(self.system)

    def successors(self, action: Action) -> lower.Successors:
        """Return the function from a state to the action's steps."""
        found = self.functions.get(action.name)
        if found is None:
            found = self.functions[action.name] = lower.successors(self.system, action)
        return found

    @cached_property
    def canonical(self) -> Callable[[State], State]:
        """A function from a state to the representative of its orbit."""
        return canonical_under(self.system, self.symmetry)

    @cached_property
    def outside(self) -> Callable[[State], int | None]:
        """A function from a state to the number of a cell outside its range,
        or None."""
        return lower.in_range(self.system)

    def excess(self, state: State, cell: int) -> str:
        """Return the message for a state whose cell is outside its range."""
        name = self.system.cells[cell].name
        return f"{name} becomes {state[cell]}, outside its range"


class Enough(Exception):
    """Raised by a visitor to end the search."""


class Visitor:
    """A client of a search; each method does nothing until it is overridden."""

    def state(self, state: State, depth: int) -> None:
        """A state (in canonical form) is found, this many steps away."""

    def on_step(self, action: Action) -> OnStep | None:
        """Return what to do with the action's steps; called once an action."""
        return None

    def broken(self, state: State, action: Action, taken: Transition) -> None:
        """The step fails its obligation ``taken.broken``."""

    def leaves(
        self, state: State, action: Action, taken: Transition, cell: int
    ) -> None:
        """The step leads to a state with ``cell`` out of range."""

    def outside(self, start: State, cell: int) -> None:
        """An initial state has ``cell`` out of range; it is not visited."""

    def expanded(self, state: State, enabled: bool) -> None:
        """All steps from the state were visited; ``enabled``: there are any."""

    def level(self, states: list[State], depth: int) -> None:
        """All states at this distance are found."""


class Cuts(Visitor):
    """Count the steps that the system's assumptions cut, in each state whose
    steps are visited (in canonical form): ``found`` has the sum by reason."""

    def __init__(self, system: TransitionSystem) -> None:
        self.found = dict.fromkeys(system.cutting, 0)
        self.rows = [
            (assumed.why, lower.cuts(system, a, assumed))
            for a in system.actions
            for assumed in a.assumptions
        ]

    def expanded(self, state: State, enabled: bool) -> None:
        for why, cuts in self.rows:
            self.found[why] += cuts(state)


@dataclass
class Explored:
    """What a search has found. ``parents`` maps every state visited (in
    canonical form, by distance) to the one it was first reached from, and
    ``starts`` the canonical form of each initial state to one of them.
    ``depth`` is the distance of the last state. ``stopped`` says why the search
    is not complete; ``enough`` that a visitor ended it."""

    space: StateSpace
    parents: dict[State, State | None] = field(default_factory=dict)
    starts: dict[State, State] = field(default_factory=dict)
    fired: dict[str, int] = field(default_factory=dict)
    results: dict[tuple[str, int], int] = field(default_factory=dict)
    depth: int = 0
    sizes: list[int] = field(default_factory=list)
    """Number of states up to each distance."""
    stopped: str = ""
    enough: bool = False
    cut: BaseException | None = None

    @property
    def complete(self) -> bool:
        """Return whether every reachable state was visited."""
        return not self.stopped and not self.enough

    @property
    def transitions(self) -> int:
        return sum(self.fired.values())

    def or_raise(self) -> Explored:
        """Return this; raise the KeyboardInterrupt or Spent that ended it."""
        if self.cut is not None:
            raise self.cut
        return self

    def until(self, depth: int, space: StateSpace) -> Explored:
        """Return the states up to a distance, as the beginning of a search of
        a space with the same ones up to there (and the same orbits)."""
        states = islice(self.parents.items(), self.sizes[depth])
        return Explored(
            space,
            dict(states),
            dict(self.starts),
            depth=depth,
            sizes=self.sizes[: depth + 1],
        )


@dataclass
class _Row:
    """An action in a search: its function, the visitors' functions, counts."""

    action: Action
    successors: lower.Successors
    on_step: tuple[OnStep, ...]
    results: dict[int | None, int] = field(default_factory=dict)
    """Number of steps by result; by None for an action that returns nothing."""


def explore(
    space: StateSpace,
    visitors: Sequence[Visitor],
    budget: Budget,
    report: Reporter | None = None,
    begun: Explored | None = None,
) -> Explored:
    """Return what was visited when there is nothing left, a limit is reached, a
    visitor raises Enough, or on Ctrl-C. ``begun`` (see `Explored.until`; it
    is added to) is known already: visitors are not called for its states, and
    counts of steps are of what follows."""
    return _Exploration(space, visitors, budget, report or Silent(), begun).run()


def _overriding(visitors: Iterable[Visitor], name: str) -> tuple[Visitor, ...]:
    plain = getattr(Visitor, name)
    return tuple(v for v in visitors if getattr(type(v), name) is not plain)


class _Exploration:
    """One run of `explore`."""

    def __init__(
        self,
        space: StateSpace,
        visitors: Sequence[Visitor],
        budget: Budget,
        report: Reporter,
        begun: Explored | None,
    ) -> None:
        self.space, self.budget, self.report = space, budget, report
        self.found = Explored(space) if begun is None else begun
        self.visitors = visitors
        self.rows = [
            _Row(
                a,
                space.successors(a),
                tuple(f for v in visitors if (f := v.on_step(a)) is not None),
            )
            for a in space.system.actions
        ]
        self.forms: dict[State, State] = {}
        """The representatives of states in range that steps led to lately: most steps
        lead to a state that another one led to."""
        self.begin = time.monotonic()

    def run(self) -> Explored:
        found = self.found
        try:
            level = self.first() if not found.sizes else self.last()
            while level and not found.stopped:
                level = self.next(level)
        except Enough:
            found.enough = True
        except KeyboardInterrupt as cut:
            found.stopped, found.cut = INTERRUPTED, cut
        except Spent as cut:
            found.stopped, found.cut = str(cut), cut
        for row in self.rows:
            name = row.action.name
            found.fired[name] = sum(row.results.values())
            if row.action.result is not None:
                found.results |= {
                    (name, r): n for r, n in row.results.items() if r is not None
                }
        return found

    def first(self) -> list[State]:
        """Return the initial states that are in range."""
        found, level = self.found, []
        for start in self.space.initial():
            cell = self.space.outside(start)
            if cell is not None:
                for v in self.visitors:
                    v.outside(start, cell)
                continue
            form = self.space.canonical(start)
            if form not in found.parents:
                found.parents[form] = None
                found.starts[form] = start
                level.append(form)
                for v in self.visitors:
                    v.state(form, 0)
        self.level_ended(level)
        return level

    def last(self) -> list[State]:
        """Return the states of the last level of those known from the start."""
        sizes = [0, *self.found.sizes]
        return list(islice(self.found.parents, sizes[-2], sizes[-1]))

    def level_ended(self, level: list[State]) -> None:
        self.found.sizes.append(len(self.found.parents))
        for v in self.visitors:
            v.level(level, len(self.found.sizes) - 1)

    def next(self, level: list[State]) -> list[State]:
        """Return the states one step further than these."""
        found, budget = self.found, self.budget
        if budget.depth is not None and found.depth >= budget.depth:
            found.stopped = budget.depth_spent
            return []
        parents = found.parents
        canonical, outside, forms = self.space.canonical, self.space.outside, self.forms
        visiting = [v.state for v in _overriding(self.visitors, "state")]
        expanding = [v.expanded for v in _overriding(self.visitors, "expanded")]
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
                on_step, results = row.on_step, row.results
                for taken in steps:
                    _, after, result, broken = taken
                    if broken is not None:
                        self.broken(state, row.action, taken)
                        continue
                    form = forms.get(after)
                    if form is None:
                        cell = outside(after)
                        if cell is not None:
                            self.leaves(state, row.action, taken, cell)
                            continue
                        if len(forms) >= _REMEMBERED:
                            forms.clear()
                        form = forms[after] = canonical(after)
                    results[result] = results.get(result, 0) + 1
                    for call in on_step:
                        call(state, taken)
                    if form not in parents:
                        parents[form] = state
                        further.append(form)
                        for visit in visiting:
                            visit(form, depth)
            for expand in expanding:
                expand(state, enabled)
        if further:
            found.depth = depth
        self.level_ended(further)
        return further

    def broken(self, state: State, action: Action, taken: Transition) -> None:
        for v in self.visitors:
            v.broken(state, action, taken)

    def leaves(
        self, state: State, action: Action, taken: Transition, cell: int
    ) -> None:
        for v in self.visitors:
            v.leaves(state, action, taken, cell)

    def progress(self, frontier: int) -> None:
        self.report.progress(
            states=len(self.found.parents),
            depth=self.found.depth,
            frontier=frontier,
            seconds=time.monotonic() - self.begin,
        )
        look()
