# SPDX-License-Identifier: GPL-2.0-only
"""Mutation testing: which property detects each one-place change of a design?

Each mutant of checker.driver.mutants is checked against specs. It is *killed* when
some property comes out otherwise, at another depth included, or the model
itself breaks. A mutant whose every step agrees with the original's in every
state that the original reaches is the same within these bounds, by induction
over runs: it is set apart, and said so.

A mutant's runs are the original's up to the first state, by distance, where a
step differs; the search goes on from there and ends at the first difference
that a property tells. Budgets are in states: the same call gives the same answer.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from enum import Enum
from typing import NoReturn

from poolproof.checker.backends.python import Transition
from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.property import Property
from poolproof.checker.core.source import altered, trees_read
from poolproof.checker.core.system import Action, State, TransitionSystem
from poolproof.checker.core.verdict import Budget
from poolproof.checker.driver.mutants import Mutant
from poolproof.checker.driver.task import Task
from poolproof.checker.engines.space import (
    Enough,
    Explored,
    OnStep,
    StateSpace,
    Visitor,
    explore,
)
from poolproof.checker.engines.watch import Watch
from poolproof.checker.frontend.design import ActionsAlone, compile_design
from poolproof.checker.passes.symmetry import find_symmetry
from poolproof.checker.spec import Resolved, resolve_all

# --- when each property is decided -----------------------------------------


class Profile(Visitor):
    """After how many steps each property is violated, or reached, in the space;
    and, where a profile is ``expected``, the first difference from it.

    ``levels`` are the states by distance (with symmetry, one of each orbit),
    ``found`` maps a property's name to the number of steps, ``breaks`` is the
    first error of the model, ``killer`` a property that comes out otherwise than
    expected. This is not an engine of the registry: it has no verdicts and no
    traces, begins where the original's runs end, and ends at a difference."""

    def __init__(
        self,
        space: StateSpace,
        queries: tuple[Property, ...],
        states: int,
        expected: Profile | None = None,
    ) -> None:
        self.space, self.queries, self.states = space, queries, states
        self.expected = expected
        self.watch = Watch(space.system, [replace(p, antecedents=()) for p in queries])
        self.levels: list[list[State]] = []
        self.found: dict[str, int] = {}
        self.breaks = self.killer = ""
        self.explored = Explored(space)

    def run(self, after: int | None = None) -> None:
        """Search from the initial states, or from what is expected to be the
        same up to the distance ``after``. Search no farther than the expected
        profile knows, and begin no level beyond ``states`` states."""
        was, begun = self.expected, None
        if was is not None and after is not None:
            begun = was.explored.until(after, self.space)
            self.levels = was.levels[: after + 1]
            self.found = {n: d for n, d in was.found.items() if d <= after}
        most = None if was is None or was.complete else len(was.levels) - 1
        found = explore(self.space, (self,), Budget(depth=most), None, begun)
        self.explored = found.or_raise()

    @property
    def complete(self) -> bool:
        """Return whether every state was visited, without a difference."""
        return self.explored.complete

    @property
    def differs(self) -> bool:
        return bool(self.breaks or self.killer)

    def level(self, states: list[State], depth: int) -> None:
        self.levels.append(states)
        if any(p.kind.of_states and p.name not in self.found for p in self.queries):
            for state in states:
                for name in self.watch.state(state):
                    self.decided(name, depth)
        if self.expected is not None:
            for name, wanted in self.expected.found.items():
                if wanted <= depth and name not in self.found:
                    self.end(killer=name)
        if states and sum(map(len, self.levels)) >= self.states:
            raise Enough

    def on_step(self, action: Action) -> OnStep | None:
        violated = self.watch.of_step(action)
        if violated is None:
            return None

        def look_at(state: State, taken: Transition) -> None:
            for name in violated(state, taken):
                self.decided(name, len(self.levels))

        return look_at

    def broken(self, state: State, action: Action, taken: Transition) -> None:
        assert taken.broken is not None
        self.end(breaks=action.obligations[taken.broken].message)

    def leaves(
        self, state: State, action: Action, taken: Transition, cell: int
    ) -> None:
        self.end(breaks=self.space.excess(taken.after, cell))

    def outside(self, start: State, cell: int) -> None:
        self.end(breaks=self.space.excess(start, cell))

    def decided(self, name: str, depth: int) -> None:
        if name not in self.found:
            self.found[name] = depth
            was = self.expected
            if was is not None and depth < was.found.get(name, float("inf")):
                self.end(killer=name)

    def end(self, breaks: str = "", killer: str = "") -> NoReturn:
        self.breaks, self.killer = breaks, killer
        raise Enough


@dataclass(frozen=True)
class Original:
    """The result of a spec on the unchanged design, with the bounds of ``label``
    (the first ones if it is empty). ``reads`` are the methods that
    each action was compiled from: a change of any other has no effect on it.
    Actions are compiled one by one, by ``alone``, unless some yield: then a
    change of any method has all of them compiled again."""

    task: Task
    label: str
    profile: Profile
    reads: Mapping[str, Set[ast.FunctionDef]]
    alone: ActionsAlone | None

    @property
    def name(self) -> str:
        """Return the spec's file, and the label in parentheses if there is one."""
        file = self.task.spec.file
        return f"{file} ({self.label})" if self.label else file

    def with_mutant(self, mutant: Mutant) -> TransitionSystem | None:
        """Return the system of the changed design; None if no action changes. Its
        variables are the original's, unless the mutant changes the places or the
        locals of an action that yields. Raises UserError if the mutant is no
        design."""
        old = self.profile.space.system
        concerned = {n for n, trees in self.reads.items() if mutant.tree in trees}
        if not concerned:
            return None
        with altered(mutant.tree, mutant.other):
            if self.alone is None:
                whole = _compiled(self.task).system
                if whole.variables != old.variables:
                    return whole
                made = {a.name: a for a in whole.actions}
            else:
                made = {n: self.alone.compile(n) for n in concerned}
        # what did not change stays the same object, and its parts with it
        actions = tuple(
            b if (b := made.get(a.name, a)) is not a and not _alike(a, b) else a
            for a in old.actions
        )
        return None if actions == old.actions else replace(old, actions=actions)

    def asked_of(
        self, mutant: Mutant, system: TransitionSystem
    ) -> tuple[Property, ...]:
        """Return the properties of the mutant's ``system``. The spec is resolved again
        if the system has other variables, or if other calls of an action may fail
        than before, because ``fails`` then has other values. Raises UserError if the
        spec names one that is gone."""
        old = self.profile.space.system
        was = {a.name: a.parameters for a in old.actions}
        if system.variables is old.variables and all(
            a.parameters == was[a.name] for a in system.actions
        ):
            return self.profile.queries
        spec, gone = self.task.spec, self.task.resolved.missing
        applies = tuple(c for c in spec.claims if c.name.text not in gone)
        with altered(mutant.tree, mutant.other):
            compiled = replace(_compiled(self.task), system=system)
        (resolved,) = resolve_all(replace(spec, claims=applies), (compiled,))
        return _of_states_and_steps(resolved)


def look(task: Task, states: int, label: str = "") -> Original:
    """Return the original's profile, within ``states`` of its states. ``label`` is
    that of the task's bounds. Raises UserError where the original breaks."""
    queries = _of_states_and_steps(task.resolved)
    system = task.compiled.system
    alone: ActionsAlone | None = None
    reads: dict[str, Set[ast.FunctionDef]] = {}
    if task.compiled.processes is None:
        alone = ActionsAlone(task.compiled)
        actions = []
        for action in system.actions:
            with trees_read() as reads[action.name]:
                actions.append(alone.compile(action.name))
        system = replace(system, actions=tuple(actions))
    else:
        with trees_read() as trees:
            _compiled(task)
        reads = dict.fromkeys((a.name for a in system.actions), trees)
    profile = Profile(
        StateSpace(system, find_symmetry(system, queries, indices=False)),
        queries,
        states,
    )
    profile.run()
    if profile.breaks:
        raise UserError(
            None,
            f"{task.spec.file}: the model itself is wrong ({profile.breaks}): "
            "poolproof check says where",
        )
    return Original(task, label, profile, reads, alone)


def _of_states_and_steps(resolved: Resolved) -> tuple[Property, ...]:
    everything = (*resolved.properties, *resolved.obligations)
    return tuple(p for p in everything if not p.kind.of_runs)


def _compiled(task: Task) -> Compiled:
    """Return the task's design, compiled from its present text."""
    was = task.compiled
    return compile_design(was.source, was.bounds, was.without, was.having)


# --- one mutant -----------------------------------------------------------


class MutantStatus(Enum):
    """The status of a mutant."""

    KILLED = "killed"
    SURVIVED = "survived"
    UNDECIDED = "undecided"
    SAME = "same"
    """No step differs in any state that was visited."""
    UNUSED = "unused"
    """No spec's features lead to it."""
    EQUIVALENT = "equivalent"
    """It lives, and `equivalents` says why nobody can tell."""


@dataclass(frozen=True)
class MutantResult:
    """The status of a mutant; ``by`` is the spec and the property that killed it,
    or why it is equivalent."""

    mutant: Mutant
    fate: MutantStatus = MutantStatus.UNUSED
    by: str = ""


def judge(
    mutant: Mutant,
    originals: Sequence[Original],
    fate: MutantStatus = MutantStatus.UNUSED,
) -> MutantResult:
    """Check one spec after the other, until one kills the mutant. ``fate`` is the
    result of the specs that were checked before."""
    for original in originals:
        was = original.profile
        try:
            system = original.with_mutant(mutant)
            if system is None:
                continue
            queries = original.asked_of(mutant, system)
        except UserError:
            return MutantResult(mutant, MutantStatus.KILLED, "it is no design")
        symmetry = find_symmetry(system, queries, indices=False)
        space = StateSpace(system, symmetry, was.space)
        most = 3 * len(was.explored.parents) + 1000
        profile = Profile(space, queries, most, was)
        if symmetry == was.space.symmetry and queries is was.queries:
            level = _first_difference(was, space)
            if level is None:
                fate = MutantStatus.SAME if fate is MutantStatus.UNUSED else fate
                continue
            profile.run(level)
        else:
            profile.run()
        if profile.differs:
            by = profile.killer or f"the model breaks: {profile.breaks}"
            return MutantResult(mutant, MutantStatus.KILLED, f"{original.name}: {by}")
        if was.complete and not profile.complete:
            fate = MutantStatus.UNDECIDED
        elif fate is not MutantStatus.UNDECIDED:
            fate = MutantStatus.SURVIVED
    return MutantResult(mutant, fate)


def _alike(a: Action, b: Action) -> bool:
    formulas = [tuple((o.formula, o.early) for o in x.obligations) for x in (a, b)]
    return (
        a.guard is b.guard
        and a.result is b.result
        and dict(a.updates) == dict(b.updates)
        and formulas[0] == formulas[1]
    )


def _first_difference(was: Profile, space: StateSpace) -> int | None:
    """Return the first distance of a state from which some step differs."""
    pairs = [
        (was.space.successors(a), space.successors(b))
        for a, b in zip(was.space.system.actions, space.system.actions, strict=True)
        if a is not b
    ]
    for number, level in enumerate(was.levels):
        for state in level:
            for before, after in pairs:
                if before(state) != after(state):
                    return number
    return None
