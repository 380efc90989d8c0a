# SPDX-License-Identifier: GPL-2.0-only
"""A scenario on one compiled design: programs, and their product with it.

The product has one more cell per task (how many of its calls have returned)
and one that is true once a call has failed. An action of a task is the
design's own under a stronger guard: it is the task's next call, what that
waits for was signalled, and nothing has failed so far. So each run of the
product is a run of the design, and every interleaving of the programs and
the environment is one of its runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from poolproof.checker.core import ir
from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.ir import BOOL, INT, Expr
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.system import (
    Action,
    Parameter,
    TransitionSystem,
    Variable,
    conjuncts,
)
from poolproof.checker.core.verdict import Step, Trace
from poolproof.checker.spec.names import Lookup
from poolproof.checker.spec.resolve import constant
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
    Word,
    once,
)

FAILED = "scenario.failed"
GUARANTEED = "guaranteed"
"""The property that no call fails."""
NEVER_STUCK = "never_stuck"
"""The property that until all have returned, something can happen."""

_MOST_CALLS = 1000


@dataclass(frozen=True)
class Called:
    """A call that stands in a scenario: for each parameter, the raw values
    it may take, and how many calls of which tasks have returned before."""

    action: Action
    given: tuple[frozenset[int], ...]
    after: tuple[tuple[str, int], ...] = ()

    def takes(self, step: Step) -> bool:
        """Return whether the step is such a call."""
        return step.action == self.action.name and all(
            raw in allowed
            for raw, allowed in zip(step.arguments, self.given, strict=True)
        )


@dataclass(frozen=True)
class Programs:
    """The calls of a scenario and their order. Those of ``anytime`` must not fail,
    either."""

    tasks: Mapping[str, tuple[Called, ...]]
    environment: tuple[Called, ...]
    anytime: tuple[Called, ...]


@dataclass(frozen=True)
class Product:
    """The system that engines explore. ``origin`` is, for each of its
    actions, who takes it (a task, `environment` or `anytime`) and which
    action of the design it is."""

    system: TransitionSystem
    programs: Programs
    properties: tuple[Property, ...]
    origin: Mapping[str, tuple[str, str]]
    cells: int

    def projected(self, trace: Trace) -> Trace:
        """Return the design's own run in a run of the product."""
        steps = (Step(self.origin[s.action][1], s.arguments) for s in trace.steps)
        return Trace(trace.initial[: self.cells], tuple(steps))

    def claimed(self, claim: Property) -> Iterator[Property]:
        """Return the design's property for the product. A step property on one action
        becomes one for each action of the product that takes it."""
        return claimed(claim, self.origin)

    @property
    def called(self) -> frozenset[str]:
        """Return the design's actions that a program or the environment calls."""
        return frozenset(action for _, action in self.origin.values())

    def of_design(self, claim: Property) -> Property:
        """Return the design's property from which `claimed` made this one."""
        if claim.action is None:
            return claim
        name, _, _ = claim.name.rpartition(" of ")
        return replace(claim, name=name, action=self.origin[claim.action][1])

    def who(self, trace: Trace) -> tuple[str, ...]:
        """Return who takes each step."""
        return tuple(self.origin[s.action][0] for s in trace.steps)


def claimed(
    claim: Property, origin: Mapping[str, tuple[str, str]]
) -> Iterator[Property]:
    """Yield a design's property for the product; see `Product.claimed`."""
    if claim.action is None:
        yield claim
        return
    for name, (_, action) in origin.items():
        if action == claim.action:
            yield replace(claim, name=f"{claim.name} of {name}", action=name)


def programs(scenario: Scenario, spec: Spec, compiled: Compiled) -> Programs:
    """Return the scenario's programs in raw values. Raise UserError, or MissingName for
    a name that the design does not have."""
    return _ProgramReader(scenario, spec, compiled).programs()


class _ProgramReader:
    def __init__(self, scenario: Scenario, spec: Spec, compiled: Compiled) -> None:
        self.scenario, self.spec = scenario, spec
        self.names = Lookup(compiled)
        self.bounds = compiled.bounds

    def programs(self) -> Programs:
        flat = {
            p.task.text: list(self.flat(p.body, {})) for p in self.scenario.programs
        }
        signals: dict[str, tuple[str, int]] = {}
        named: list[Word] = []
        for task, stages in flat.items():
            returned = 0
            for stage, _ in stages:
                match stage:
                    case Signal(name=name):
                        named.append(name)
                        signals[name.text] = (task, returned)
                    case Invocation():
                        returned += 1
        once(named, "is signalled twice")
        tasks = {t: tuple(self.calls(stages, signals)) for t, stages in flat.items()}
        for word in self.scenario.early:
            self.names.action(word.text, word.span)
        return Programs(
            tasks,
            tuple(self.called(i, {}) for i in self.scenario.environment),
            tuple(self.called(i, {}) for i in self.scenario.anytime),
        )

    def flat(
        self, body: tuple[Stage, ...], scope: Mapping[str, int]
    ) -> Iterator[tuple[Stage, Mapping[str, int]]]:
        for stage in body:
            if not isinstance(stage, Repeat):
                yield stage, scope
                continue
            lo, hi = self.ends(stage.over, ir.INT, scope)
            if hi - lo >= _MOST_CALLS:
                raise UserError(stage.name.span, f"more than {_MOST_CALLS} times")
            for k in range(lo, hi + 1):
                yield from self.flat(stage.body, {**scope, stage.name.text: k})

    def calls(
        self,
        stages: list[tuple[Stage, Mapping[str, int]]],
        signals: Mapping[str, tuple[str, int]],
    ) -> Iterator[Called]:
        after: list[tuple[str, int]] = []
        last = None
        for stage, scope in stages:
            match stage:
                case Await(signal=word):
                    if word.text not in signals:
                        known = ", ".join(signals) or "none"
                        raise UserError(
                            word.span,
                            f"no task signals `{word.text}`; there are {known}",
                        )
                    after.append(signals[word.text])
                    last = word
                case Invocation():
                    yield self.called(stage, scope, tuple(after))
                    after, last = [], None
        if last is not None:
            raise UserError(last.span, "the task has no call that would wait for this")

    def ends(
        self, over: Range, sort: ir.Sort, scope: Mapping[str, int]
    ) -> tuple[int, int]:
        return self.raw(over.lo, sort, scope), self.raw(over.hi, sort, scope)

    def raw(self, e: Expression, sort: ir.Sort, scope: Mapping[str, int]) -> int:
        return constant(self.spec, self.names, e, sort, scope)

    def called(
        self,
        stage: Invocation,
        scope: Mapping[str, int],
        after: tuple[tuple[str, int], ...] = (),
    ) -> Called:
        action = self.names.action(stage.action.text, stage.action.span)
        parameters = [p for p in action.parameters if is_visible(p)]
        if len(stage.arguments) != len(parameters):
            names = ", ".join(p.name for p in parameters)
            raise UserError(
                stage.action.span,
                f"{action.name}({names}) takes {len(parameters)}, not "
                f"{len(stage.arguments)}; write `_` for any value",
            )
        written = dict(zip((p.name for p in parameters), stage.arguments, strict=True))
        given = []
        for p in action.parameters:
            allowed = frozenset(p.domain)
            match written.get(p.name):
                case None | Name(text="_", primed=False):
                    pass
                case Range() as over:
                    lo, hi = self.ends(over, p.local.sort, scope)
                    allowed &= frozenset(range(lo, hi + 1))
                case e:
                    allowed &= {self.raw(e, p.local.sort, scope)}
            if not allowed:
                raise UserError(
                    stage.action.span, f"no value of `{p.name}` is meant by this"
                )
            given.append(allowed)
        return Called(action, tuple(given), after)


def is_visible(parameter: Parameter) -> bool:
    """A switch whose feature is off is no argument, nor is which call fails: any
    may."""
    if parameter.implicit:
        return False
    return parameter.local.sort is not BOOL or len(parameter.domain) > 1


# --- the product ----------------------------------------------------------


def product(
    compiled: Compiled, found: Programs, claims: tuple[Property, ...]
) -> Product:
    """Return the programs with the design; ``claims`` are the design's invariants
    and step properties that must hold all along."""
    places = {task: place_of(task, ir.num(len(c))) for task, c in found.tasks.items()}
    system, own, origin = joined(
        compiled.system, places, _allowed(found, places), _possible
    )
    made = Product(system, found, own, origin, len(compiled.system.cells))
    along = (p for claim in claims for p in made.claimed(claim))
    return replace(made, properties=(*own, *along))


def place_of(task: str, calls: Expr) -> Variable:
    """Return the variable that counts how many of a task's calls have returned."""
    return Variable(f"scenario.{task}", INT, ir.num(0), calls, ir.num(0))


@dataclass(frozen=True)
class Allowed:
    """That ``who`` may take an action where one of the conditions ``when`` holds;
    ``more`` updates the task's place. ``strict``: it must not fail."""

    who: str
    action: str
    when: list[Expr]
    more: Mapping[str, Expr]
    strict: bool


def joined(
    system: TransitionSystem,
    places: Mapping[str, Variable],
    allowed: Iterable[Allowed],
    possible: Callable[[Action], Expr],
) -> tuple[TransitionSystem, tuple[Property, ...], dict[str, tuple[str, str]]]:
    """Return the system of a design under its programs, the properties that they
    succeed, and the origin of each action. ``possible``: the condition that an action
    can be taken with some arguments."""
    failed = Variable(FAILED, BOOL, ir.FALSE, ir.TRUE, ir.FALSE)
    actions: list[Action] = []
    origin: dict[str, tuple[str, str]] = {}
    for one in allowed:
        name = f"{one.who}_{one.action}"
        while name in origin:
            name += "_"
        origin[name] = (one.who, one.action)
        due = ir.and_(ir.not_(failed.now), _any_of(one.when))
        action = system.action_by_name[one.action]
        actions.append(replace(_when_due(action, due, one.more, one.strict), name=name))
    whole = replace(
        system,
        name=f"{system.name} scenario",
        variables=(*system.variables, *places.values(), failed),
        actions=tuple(actions),
    )
    able = (possible(a) for a in actions)
    never_stuck = ir.or_(failed.now, all_returned(places.values()), *able)
    own = (
        Property(GUARANTEED, Kind.INVARIANT, ir.not_(failed.now)),
        Property(NEVER_STUCK, Kind.INVARIANT, never_stuck),
    )
    return whole, own, origin


def all_returned(places: Iterable[Variable]) -> Expr:
    """Return the condition that all calls of all tasks have returned."""
    return ir.and_(*(ir.eq(p.now, p.hi) for p in places if p.hi is not None))


def _allowed(found: Programs, places: Mapping[str, Variable]) -> Iterator[Allowed]:
    for task, calls in found.tasks.items():
        place = places[task]
        mine: dict[str, list[Expr]] = {}
        for run in _runs(calls):
            waits = (ir.le(ir.num(n), places[other].now) for other, n in run.call.after)
            mine.setdefault(run.call.action.name, []).append(
                ir.and_(run.due(place.now), *waits)
            )
        for name, when in mine.items():
            yield Allowed(task, name, when, one_more(place), True)
    for who, some in (("environment", found.environment), ("anytime", found.anytime)):
        together: dict[str, list[Expr]] = {}
        for call in some:
            together.setdefault(call.action.name, []).append(_matches(call))
        for name, when in together.items():
            yield Allowed(who, name, when, {}, who == "anytime")


def one_more(place: Variable) -> dict[str, Expr]:
    """Return the update of a task's place by a call that returns."""
    return {place.name: ir.add(place.now, ir.num(1))}


def _when_due(
    action: Action, due: Expr, more: Mapping[str, Expr], strict: bool
) -> Action:
    """Return the action where it is due, with more updates. ``strict``: it must not
    fail."""
    updates = {**action.updates, **more}
    if strict and action.result is not None:
        updates[FAILED] = ir.not_(succeeds(action, action.result))
    return replace(
        action,
        guard=ir.and_(due, action.guard),
        updates=updates,
        assumptions=tuple(
            replace(assumed, cut=ir.and_(due, assumed.cut))
            for assumed in action.assumptions
        ),
    )


def succeeds(action: Action, result: Expr) -> Expr:
    """Return the condition that a call succeeded: it returned OK, or true."""
    if result.sort is BOOL:
        return result
    labels: tuple[str, ...] = getattr(result.sort, "labels", ())
    if "OK" not in labels:
        raise UserError(action.span, f"{action.name} returns no OK: when does it fail?")
    return ir.eq(result, ir.const(result.sort, labels.index("OK")))


@dataclass(frozen=True)
class _Repetition:
    """Calls of a task that follow each other: the first is number ``start``, and
    the parameters of ``counted`` are one more in each of the others."""

    call: Called
    start: int
    length: int = 1
    counted: frozenset[str] = frozenset()

    def due(self, place: Expr) -> Expr:
        """The condition that the task's next call is this one."""
        if self.length == 1:
            return ir.and_(ir.eq(place, ir.num(self.start)), _matches(self.call))
        first, end = ir.num(self.start), ir.num(self.start + self.length)
        parts = [ir.le(first, place), ir.lt(place, end)]
        for p, allowed in zip(
            self.call.action.parameters, self.call.given, strict=True
        ):
            if p.name in self.counted:
                (least,) = allowed
                parts.append(ir.eq(p.local, ir.add(place, ir.num(least - self.start))))
            elif len(allowed) < len(p.domain):
                parts.append(is_one_of(p, allowed))
        return ir.and_(*parts)

    def longer(self, call: Called) -> _Repetition | None:
        """The run with one more call, if it is one."""
        if call.action is not self.call.action or call.after:
            return None
        counted = set()
        for p, first, this in zip(
            call.action.parameters, self.call.given, call.given, strict=True
        ):
            one = len(first) == len(this) == 1 and p.local.sort is INT
            if one and this == {min(first) + self.length}:
                counted.add(p.name)
            elif first != this:
                return None
        if self.length > 1 and counted != self.counted:
            return None
        return replace(self, length=self.length + 1, counted=frozenset(counted))


def _runs(calls: tuple[Called, ...]) -> Iterator[_Repetition]:
    """The calls of a task, those of a `repeat` together where they can be."""
    run: _Repetition | None = None
    for number, call in enumerate(calls):
        more = None if run is None else run.longer(call)
        if more is None:
            if run is not None:
                yield run
            more = _Repetition(call, number)
        run = more
    if run is not None:
        yield run


def _any_of(when: list[Expr]) -> Expr:
    """One of the conditions; what all of them ask is asked once."""
    common = [
        c for c in conjuncts(when[0]) if all(c in conjuncts(other) for other in when)
    ]
    rest = (ir.and_(*(c for c in conjuncts(one) if c not in common)) for one in when)
    return ir.and_(*common, ir.or_(*rest))


def is_one_of(p: Parameter, allowed: frozenset[int]) -> Expr:
    sort = p.local.sort
    return ir.or_(*(ir.eq(p.local, ir.const(sort, r)) for r in sorted(allowed)))


def _matches(call: Called) -> Expr:
    return ir.and_(
        *(
            is_one_of(p, allowed)
            for p, allowed in zip(call.action.parameters, call.given, strict=True)
            if len(allowed) < len(p.domain)
        )
    )


def _possible(action: Action) -> Expr:
    """The condition that the action can be taken with some arguments."""
    by = {
        c.args[0]: c.args[1]
        for c in conjuncts(action.guard)
        if c.op == "eq" and c.args[0].op == "local" and c.args[1].is_const
    }
    (formula,) = ir.substitute_all((action.guard,), by)
    return ir.nested("any", [p.local for p in action.parameters], formula)
