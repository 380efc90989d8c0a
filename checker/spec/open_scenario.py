# SPDX-License-Identifier: GPL-2.0-only
"""A scenario on a design with open sizes: its programs, as a system of open size.

A `repeat` whose number of turns depends on an open bound stays one group of calls:
the task's place, less the place of the first call, is the number of the turn. Its
body is one call. Every other `repeat` is written out, as at closed sizes.
tests/agreement/test_open_scenario.py compares the product at given sizes with that of
checker.spec.scenario.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from poolproof.checker.core import ir
from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.ir import INT, Expr, OpenDomain
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.ranges import Ranges
from poolproof.checker.core.system import (
    Action,
    Parameter,
    TransitionSystem,
    Variable,
    conjuncts,
)
from poolproof.checker.spec.names import Lookup
from poolproof.checker.spec.resolve import rigid
from poolproof.checker.spec.scenario import (
    Allowed,
    all_returned,
    claimed,
    is_one_of,
    is_visible,
    joined,
    one_more,
    place_of,
)
from poolproof.checker.spec.syntax import (
    Await,
    Expression,
    Invocation,
    Name,
    Range,
    Repeat,
    Scenario,
    Signal,
    Spec,
    Stage,
    start,
)

NEVER_DONE = "never_done"
"""The property that no run ends well."""

_TURN = ir.param("scenario turn")
"""The number of a call in its group, from 0."""


@dataclass(frozen=True)
class OpenCalls:
    """``number`` calls of one action that follow each other, from the task's call
    ``first`` on. ``given``: for each parameter that has one value, the value; over the
    number of the call in its group. ``others``: what the other arguments satisfy.
    ``after``: how many calls of which tasks have returned before."""

    action: Action
    first: Expr
    number: Expr
    given: Mapping[str, Expr]
    others: Expr
    after: tuple[tuple[str, Expr], ...] = ()

    @property
    def end(self) -> Expr:
        return ir.add(self.first, self.number)

    def at(self, place: Expr) -> dict[str, Expr]:
        """Return the arguments that the call at a place has."""
        turn = {_TURN: ir.sub(place, self.first)}
        return {n: ir.substitute(e, turn) for n, e in self.given.items()}

    def matches(self, place: Expr) -> Expr:
        """Return the condition that the arguments are those of the call at a place."""
        given = self.at(place)
        mine = {p.name: p.local for p in self.action.parameters}
        given |= {p.name: e for p in self.action.parameters if (e := _only(p))}
        equal = (ir.eq(mine[name], value) for name, value in given.items())
        others = ir.substitute(self.others, {_TURN: ir.sub(place, self.first)})
        return ir.and_(*equal, others)

    def due(self, place: Expr) -> Expr:
        """Return the condition that the call at the place is one of these."""
        if self.number is ir.num(1):
            return ir.and_(ir.eq(place, self.first), self.matches(place))
        within = ir.le(self.first, place), ir.lt(place, self.end)
        return ir.and_(*within, self.matches(place))


@dataclass(frozen=True)
class OpenPrograms:
    """The calls of each task, and of the environment."""

    tasks: Mapping[str, tuple[OpenCalls, ...]]
    environment: tuple[OpenCalls, ...]
    anytime: tuple[OpenCalls, ...]

    def places(self) -> dict[str, Variable]:
        """Return the variable that counts each task's calls."""
        return {
            task: place_of(task, calls[-1].end if calls else ir.num(0))
            for task, calls in self.tasks.items()
        }


@dataclass(frozen=True)
class OpenProduct:
    """The product of programs and design. ``properties`` are those of success and the
    design's. ``never_done``: no run ends well. ``ends``: every run ends, because each
    step is a call of a task."""

    system: TransitionSystem
    properties: tuple[Property, ...]
    never_done: Property
    ends: bool


def open_programs(scenario: Scenario, spec: Spec, compiled: Compiled) -> OpenPrograms:
    """Return the scenario's programs over the open bounds. Raise UserError for what has
    no such form, or MissingName for a name that the design does not have."""
    return _OpenReader(scenario, spec, compiled).programs()


class _OpenReader:
    def __init__(self, scenario: Scenario, spec: Spec, compiled: Compiled) -> None:
        self.scenario, self.spec = scenario, spec
        self.names = Lookup(compiled)
        self.signals: dict[str, tuple[str, Expr]] = {}
        open_bounds = compiled.system.least.items()
        facts = {ir.param(name): (least, None) for name, least in open_bounds}
        self.ranges = Ranges({}, facts=facts)

    def programs(self) -> OpenPrograms:
        flat = {p.task.text: tuple(self.placed(p.body)) for p in self.scenario.programs}
        for task, stages in flat.items():
            for stage, first in stages:
                if isinstance(stage, Signal):
                    self.signals[stage.name.text] = task, first
        return OpenPrograms(
            {task: tuple(self.waiting(stages)) for task, stages in flat.items()},
            tuple(self.called(i, {}) for i in self.scenario.environment),
            tuple(self.called(i, {}) for i in self.scenario.anytime),
        )

    def placed(
        self, body: tuple[Stage, ...]
    ) -> Iterator[tuple[Await | Signal | OpenCalls, Expr]]:
        """Yield the stages of a task, each with the number of calls before it."""
        first = ir.num(0)
        for stage in self.flat(body, {}):
            if isinstance(stage, OpenCalls):
                stage = replace(stage, first=first)
                yield stage, first
                first = stage.end
            else:
                yield stage, first

    def flat(
        self, body: tuple[Stage, ...], scope: Mapping[str, Expr]
    ) -> Iterator[Await | Signal | OpenCalls]:
        for stage in body:
            match stage:
                case Invocation():
                    yield self.called(stage, scope)
                case Repeat():
                    yield from self.repeated(stage, scope)
                case _:
                    yield stage

    def repeated(
        self, stage: Repeat, scope: Mapping[str, Expr]
    ) -> Iterator[Await | Signal | OpenCalls]:
        lo, hi = (self.rigid(e, INT, scope) for e in (stage.over.lo, stage.over.hi))
        if lo.is_const and hi.is_const:
            for k in range(lo.data, hi.data + 1):
                yield from self.flat(stage.body, {**scope, stage.name.text: ir.num(k)})
            return
        match stage.body:
            case (Invocation() as call,):
                turn = {stage.name.text: ir.add(lo, _TURN)}
                number = self.counted(ir.sub(ir.add(hi, ir.num(1)), lo))
                yield replace(self.called(call, {**scope, **turn}), number=number)
            case _:
                raise UserError(
                    stage.name.span, "a repeat of open length has one call as its body"
                )

    def counted(self, number: Expr) -> Expr:
        """Return the number, or 0 where it is less."""
        least = self.ranges.of(number)[0]
        return (
            number if least is not None and least >= 0 else ir.max_(ir.num(0), number)
        )

    def waiting(
        self, stages: tuple[tuple[Await | Signal | OpenCalls, Expr], ...]
    ) -> Iterator[OpenCalls]:
        after: list[tuple[str, Expr]] = []
        for stage, _ in stages:
            match stage:
                case Await(signal=word):
                    after.append(self.signals[word.text])
                case OpenCalls():
                    yield replace(stage, after=tuple(after))
                    after = []

    def rigid(self, e: Expression, sort: ir.Sort, scope: Mapping[str, Expr]) -> Expr:
        return rigid(self.spec, self.names, e, sort, scope)

    def called(self, stage: Invocation, scope: Mapping[str, Expr]) -> OpenCalls:
        action = self.names.action(stage.action.text, stage.action.span)
        visible = [p for p in action.parameters if is_visible(p)]
        given: dict[str, Expr] = {}
        others = []
        for p, written in zip(visible, stage.arguments, strict=True):
            match written:
                case Name(text="_", primed=False):
                    pass
                case Range() as over:
                    others.append(self.between(p, over, scope))
                case e:
                    given[p.name] = self.rigid(e, p.local.sort, scope)
        zero, one = ir.num(0), ir.num(1)
        return OpenCalls(action, zero, one, given, ir.and_(*others))

    def between(self, p: Parameter, over: Range, scope: Mapping[str, Expr]) -> Expr:
        lo, hi = (self.rigid(e, p.local.sort, scope) for e in (over.lo, over.hi))
        if p.local.sort is INT:
            return ir.and_(ir.le(lo, p.local), ir.le(p.local, hi))
        if not (lo.is_const and hi.is_const):
            raise UserError(start(over.lo), "this range is of no numbers, and open")
        return is_one_of(p, frozenset(range(lo.data, hi.data + 1)))


# --- the product ----------------------------------------------------------


def open_product(
    system: TransitionSystem,
    found: OpenPrograms,
    claims: tuple[Property, ...],
) -> OpenProduct:
    """Return the programs with the design, whose system is ``system``; ``claims`` are
    the design's invariants and step properties that must hold all along."""
    places = found.places()
    allowed = tuple(_allowed(found, places))
    whole, own, origin = joined(system, places, allowed, _possible)
    along = (p for claim in claims for p in claimed(claim, origin))
    failed = ir.not_(own[0].formula)
    unfinished = ir.or_(failed, ir.not_(all_returned(places.values())))
    never_done = Property(NEVER_DONE, Kind.INVARIANT, unfinished)
    ends = not found.environment and not found.anytime
    return OpenProduct(whole, (*own, *along), never_done, ends)


def _allowed(found: OpenPrograms, places: Mapping[str, Variable]) -> Iterator[Allowed]:
    for task, calls in found.tasks.items():
        mine: dict[str, list[Expr]] = {}
        place = places[task]
        for group in calls:
            waits = (ir.le(n, places[other].now) for other, n in group.after)
            due = ir.and_(group.due(place.now), *waits)
            mine.setdefault(group.action.name, []).append(due)
        for name, when in mine.items():
            yield Allowed(task, name, when, one_more(place), True)
    for who, some in (("environment", found.environment), ("anytime", found.anytime)):
        together: dict[str, list[Expr]] = {}
        for group in some:
            matches = group.matches(ir.num(0))
            together.setdefault(group.action.name, []).append(matches)
        for name, when in together.items():
            yield Allowed(who, name, when, {}, who == "anytime")


def _possible(action: Action) -> Expr:
    """The condition that the action can be taken with some arguments. An argument that
    has one value is that value, where its domain has it."""
    formula = action.guard
    inside: list[Expr] = []
    left: list[Expr] = []
    for p in reversed(action.parameters):
        value = _only_value(p, formula)
        if value is None:
            left.append(p.local)
            continue
        inside += _in_domain(value, p)
        formula = ir.substitute(formula, {p.local: value})
    return ir.and_(*inside, ir.nested("any", left[::-1], formula))


def _only(p: Parameter) -> Expr | None:
    """Return the one value of an argument whose feature is off, or None."""
    if isinstance(p.domain, OpenDomain) or len(p.domain) != 1:
        return None
    return ir.const(p.local.sort, p.domain.lo)


def _only_value(parameter: Parameter, guard: Expr) -> Expr | None:
    """Return a value over the state that the guard says the argument has, or None."""
    argument = parameter.local
    if isinstance(parameter.domain, OpenDomain) and argument.sort is not INT:
        return None
    for part in conjuncts(guard):
        if part.op == "eq" and argument in part.args:
            other = part.args[part.args[0] is argument]
            if not other.free:
                return other
    return None


def _in_domain(value: Expr, p: Parameter) -> Iterator[Expr]:
    domain = p.domain
    if value.sort is INT:
        last = domain.end if isinstance(domain, OpenDomain) else ir.num(domain.hi)
        yield ir.le(ir.num(domain.lo), value)
        yield ir.le(value, last)
    else:
        yield is_one_of(replace(p, local=value), frozenset(domain))
