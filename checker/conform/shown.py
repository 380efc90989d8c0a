# SPDX-License-Identifier: GPL-2.0-only
"""Whether a run shows to user space what its property says.

User space sees the results of the calls and the counters after them
(`sequence.observables`). It sees no reserve map and no subpool. So a run may
violate a property and look like a run that does not. Words used here:

- The *deciding* step is the last one of the stored trace. A kernel that looks
  different before it is another kernel, and the question does not arise.
- An *explanation* is a state after the deciding step that looks the same (the
  step's result, all counters) and in which the property is not violated. It is
  the model's state except in cells that the property reads there (primed, for
  a step property), less those of hugetlb.KNOWN, which user space decides or
  can read. A run of another shipped kernel's design with the same calls that
  looks the same and does not violate the property is an explanation, too.
- An explanation goes on by the actions of its own design. A further call rules
  it out if its result or the counters are then not as in the model. A call
  that is impossible in an explanation, or breaks its design, is not made.
- A run *shows* the violation if no explanation is left after its last step.
- An explanation is *minimal* if no explanation changes only some of its cells.
  A run that rules out the minimal ones and not all shows that the property is
  violated or that more is wrong than the property says.

`showing` extends a run by the fewest actions found after which it shows the
violation, or else rules out what is minimal. For a `reachable` property, read
"not reached" for "not violated".

What is assumed: before the deciding step the kernel has the model's hidden
state, and after it in the cells that the property does not read; and it makes
the further calls as its design does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product
from math import prod
from pathlib import Path
from typing import NamedTuple

from poolproof.checker.conform.environment import Environment, NotExpressible
from poolproof.checker.conform.hugetlb import KNOWN, VARIANTS
from poolproof.checker.conform.machine import ModelMachine
from poolproof.checker.conform.script import Command, Script, again
from poolproof.checker.conform.sequence import begin, observables
from poolproof.checker.core import verdict
from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.evaluate import Undefined, Valuation
from poolproof.checker.core.ir import subterms
from poolproof.checker.core.property import Property
from poolproof.checker.core.system import State
from poolproof.checker.evidence.replay import breaks_step, decided_by
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.spec import parse, resolve

EXPLANATIONS = 4096
"""Upper limit on the states that are looked at as explanations."""

TRIES = 20_000
"""Upper limit on the calls that are tried for an extension, explanations not
counted."""

DEPTH = 3
"""Upper limit on the actions of an extension."""


@dataclass(frozen=True, slots=True)
class Showing:
    """A script, perhaps longer than its trace, and what it shows.

    ``decided`` is the number of the deciding step (0: the start). ``reason``
    is empty where the script shows the violation, and else says why nothing
    does. ``minimal``: only the minimal explanations are ruled out.
    ``otherwise`` is what the last step would look like, result and counters,
    if the property held.
    """

    script: Script
    decided: int
    reason: str = ""
    minimal: bool = False
    otherwise: tuple[str, ...] = ()


class Observation(NamedTuple):
    """What user space sees of a step."""

    result: str
    counters: tuple[tuple[str, int], ...]

    @staticmethod
    def of(step: Command) -> Observation:
        return Observation(step.result, tuple(observables(step.counters).items()))

    def beside(self, other: Observation) -> str:
        """The parts that differ from another's."""
        parts = [self.result] * (self.result != other.result)
        theirs = dict(other.counters)
        parts += [f"{n} {v}" for n, v in self.counters if theirs.get(n) != v]
        return ", ".join(parts)


class Explanation(NamedTuple):
    """A state of a machine's design, what is around it, and the cells in which
    it is not the model's (empty: another kernel's design)."""

    machine: ModelMachine
    saved: tuple[State, Environment]
    changed: frozenset[int] = frozenset()


def showing(script: Script) -> Showing:
    """The script with the fewest further actions after which the run shows
    the violation; the script itself where there are none."""
    decided, prop = len(script.steps), script.replayed.prop
    if prop is None:
        return Showing(script, decided, "no property is checked on this run")
    if prop.kind.of_runs:
        return Showing(script, decided, "no kernel makes a run that never ends")
    end = script.performer.machine.saved()
    found = _Search(script, explanations(script, prop)).run()
    script.performer.machine.put_back(end)
    if found is None:
        return Showing(script, decided, f"no {DEPTH} further calls show it")
    return Showing(
        script.and_then(found.steps), decided, "", bool(found.left), found.otherwise
    )


# --- explanations ----------------------------------------------------------


def explanations(script: Script, prop: Property) -> tuple[Explanation, ...]:
    """What a kernel that looks like the script may be in at its end although
    the property is not violated."""
    return (*_own(script, prop), *_other_kernels(script, prop))


def _own(script: Script, prop: Property) -> Iterator[Explanation]:
    """The states of the model's own design."""
    machine, compiled = script.performer.machine, script.replayed.compiled
    state, around = machine.saved()
    want = observables(machine.counters())
    for other in _states_beside(compiled, prop, state):
        machine.put_back((other, around))
        if observables(machine.counters()) == want and not _violated(
            script, prop, other
        ):
            changed = (k for k, raw in enumerate(other) if raw != state[k])
            yield Explanation(machine, (other, around), frozenset(changed))
    machine.put_back((state, around))


def _violated(script: Script, prop: Property, after: State) -> bool:
    """Return whether the property is violated if the run ended in this state. What has
    no value is no explanation."""
    system, run = script.replayed.compiled.system, script.replayed.replay
    try:
        if not prop.kind.of_steps:
            return decided_by(system, prop, after)
        last = run.taken[-1]
        before = run.states[-2]
        return breaks_step(system, prop, before, last.step, last.result, after)
    except Undefined:
        return True


def _states_beside(compiled: Compiled, prop: Property, state: State) -> Iterator[State]:
    """The states that differ in the property's hidden cells: in all of them if
    EXPLANATIONS allows it, else in as many at a time as it allows."""
    system = compiled.system
    primed = prop.kind.of_steps
    read = {
        e.data[0]
        for e in subterms(prop.formula)
        if e.op == "var" and e.data[1] == primed
    }
    at = Valuation(system, state)
    hidden: dict[int, list[int]] = {}
    for number, cell in enumerate(system.cells):
        v = cell.variable
        if v.name not in read or v.name in KNOWN or v.lo is None:
            continue
        top = state[number] + 1 if v.hi is None else at.raw(v.hi)
        others = range(at.raw(v.lo), top + 1)
        hidden[number] = [raw for raw in others if raw != state[number]]
    for size in range(1, len(hidden) + 1):
        chosen = list(combinations(hidden, size))
        if sum(prod(len(hidden[c]) for c in cells) for cells in chosen) > EXPLANATIONS:
            return
        for cells in chosen:
            for values in product(*(hidden[c] for c in cells)):
                changed = dict(zip(cells, values, strict=True))
                yield tuple(changed.get(k, raw) for k, raw in enumerate(state))


def _other_kernels(script: Script, prop: Property) -> Iterator[Explanation]:
    """The same run of the other variants, where it looks the same and the
    property is not violated."""
    own = script.replayed.compiled.source
    for design in VARIANTS.values():
        if design is own:
            continue
        asked = _asked_of(design, script, prop)
        if asked is None:
            continue
        compiled, theirs = asked
        machine = begin(design, script.setting, script.setup)
        states = [machine.now.dump()]
        try:
            same = observables(machine.counters()) == observables(script.ready)
            for step in script.steps:
                same = same and _looks_other(machine, step) is None
                states.append(machine.now.dump())
        except NotExpressible:
            continue
        if same and not _ends_violated(compiled, theirs, states, script):
            yield Explanation(machine, machine.saved())


def _asked_of(
    design: type, script: Script, prop: Property
) -> tuple[Compiled, Property] | None:
    """The property, asked of another design; None where it does not apply."""
    heading = script.replayed.heading
    if prop.span is None or not Path(prop.span.file).is_file():
        return None
    try:
        compiled = compile_design(
            design, heading.bounds, heading.without, heading.having
        )
        resolved = resolve(parse(prop.span.file), compiled)
    except UserError:
        return None
    found = [p for p in resolved.properties if p.name == prop.name]
    return (compiled, found[0]) if found else None


def _ends_violated(
    compiled: Compiled, prop: Property, states: list[State], script: Script
) -> bool:
    system = compiled.system
    if not prop.kind.of_steps:
        return any(decided_by(system, prop, state) for state in states)
    return any(
        breaks_step(system, prop, before, taken.step, taken.result, after)
        for before, after, taken in zip(
            states, states[1:], script.replayed.replay.taken, strict=False
        )
    )


# --- the search for an extension ---------------------------------------------


class _Node(NamedTuple):
    """An extension: its steps, where the model is afterwards, and what still
    explains it: some minimal explanations, or with ``all`` any others."""

    steps: tuple[Command, ...]
    saved: tuple[State, Environment]
    left: tuple[Explanation, ...]
    all: bool = False
    otherwise: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[object, ...]:
        left = frozenset((id(e.machine), e.saved[0]) for e in self.left)
        return self.saved[0], self.all, left


class _Search:
    """Breadth first. The minimal explanations come first, because they are
    few; the others are asked where those are ruled out."""

    def __init__(self, script: Script, every: tuple[Explanation, ...]) -> None:
        self.performer = script.performer
        self.start = script.performer.machine.saved()
        self.every = every
        self.calls = [
            verdict.Step(action.name, raw)
            for action in script.replayed.compiled.system.actions
            for raw in action.valuations()
        ]

    def run(self) -> _Node | None:
        """The first node that nothing explains; else the first that no minimal
        explanation explains; None where there is neither."""
        first = self._asked_all(_Node((), self.start, tuple(minimal(self.every))))
        level, visited, tries = [first], {first.key}, 0
        found = first if first.all else None
        if not first.left:
            return first
        for _ in range(DEPTH):
            below: list[_Node] = []
            for node, call in product(level, self.calls):
                tries += 1
                if tries > TRIES:
                    return found
                further = self._further(node, call)
                if further is None or further.key in visited:
                    continue
                if further.all and not further.left:
                    return further
                if further.all and found is None:
                    found = further
                visited.add(further.key)
                below.append(further)
            level = below
        return found

    def _further(self, node: _Node, call: verdict.Step) -> _Node | None:
        """The node after one more action; None where it cannot be had."""
        machine = self.performer.machine
        machine.put_back(node.saved)
        try:
            # below zero the design says nothing exact
            if machine.below_zero():
                return None
            step = self.performer.take(call)
            saved = machine.saved()
            left, otherwise = _still(node.left, step)
            after = _Node((*node.steps, step), saved, left, node.all, otherwise)
            return self._asked_all(after)
        except NotExpressible:
            return None

    def _asked_all(self, node: _Node) -> _Node:
        """The node with all explanations that are left once no minimal one is.
        Raises NotExpressible."""
        if node.left or node.all:
            return node
        left, otherwise = self.every, node.otherwise
        for step in node.steps:
            left, otherwise = _still(left, step)
        return node._replace(left=left, all=True, otherwise=otherwise)


def minimal(every: tuple[Explanation, ...]) -> Iterator[Explanation]:
    """Those of which no other changes only some of the cells."""
    smaller: list[frozenset[int]] = []
    for explanation in sorted(every, key=lambda e: len(e.changed)):
        if not explanation.changed:
            yield explanation
        elif not any(cells < explanation.changed for cells in smaller):
            smaller.append(explanation.changed)
            yield explanation


def _still(
    explanations: tuple[Explanation, ...], step: Command
) -> tuple[tuple[Explanation, ...], tuple[str, ...]]:
    """The explanations that look like the step after it, and what the others
    look like. Raises NotExpressible where one cannot take it."""
    left: list[Explanation] = []
    others: dict[str, None] = {}
    for explanation in explanations:
        machine = explanation.machine
        machine.put_back(explanation.saved)
        other = _looks_other(machine, step)
        if other is None:
            left.append(explanation._replace(saved=machine.saved()))
        else:
            others.setdefault(other)
    return tuple(left), tuple(others)


def _looks_other(machine: ModelMachine, step: Command) -> str | None:
    """Takes the step's calls; what is seen where it is not as in the step.
    Raises NotExpressible."""
    here, there = Observation.of(step), Observation.of(again(machine, step))
    return None if here == there else there.beside(here)
