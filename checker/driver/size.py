# SPDX-License-Identifier: GPL-2.0-only
"""The smallest size at which a scenario's success is guaranteed.

Sound because each size is one exhaustive exploration of the product of the
programs, their environment and the design (checker.spec.scenario): success
is an invariant of it, so every interleaving is covered, and a failure comes
with a shortest schedule. Nothing is assumed about other sizes: all from the
least on are explored, and "smallest" says how far. A schedule counts after
the design's own class has run it under CPython and the programs allow it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.evaluate import successor
from poolproof.checker.core.limits import Spent, doing, left, look
from poolproof.checker.core.property import Property
from poolproof.checker.core.system import Span, State
from poolproof.checker.core.verdict import (
    Budget,
    Outcome,
    Reporter,
    Step,
    Unknown,
    Vacuous,
    Violated,
)
from poolproof.checker.driver.assumptions import AssumptionResult, assumed_by, together
from poolproof.checker.driver.designs import (
    DesignRef,
    designs_for,
    designs_named,
    designs_of,
)
from poolproof.checker.driver.task import unknown_name
from poolproof.checker.engines import registry
from poolproof.checker.evidence.replay import (
    NotReproduced,
    Replay,
    deciding,
    replay,
    show_step,
)
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.spec.numbers import number, with_lets, with_range
from poolproof.checker.spec.resolve import resolve
from poolproof.checker.spec.scenario import (
    GUARANTEED,
    NEVER_STUCK,
    Called,
    Product,
    product,
    programs,
)
from poolproof.checker.spec.sizes import Sizes
from poolproof.checker.spec.syntax import Let, Scenario, Spec
from poolproof.model.language import (
    Bound,
    Design,
    ModelError,
    declared,
    outside,
    with_needs,
)


@dataclass(frozen=True)
class Failure:
    """A schedule, run under CPython, after which a program has failed.
    ``who`` takes each step; ``kind`` is 'early' or 'late' (a call returned
    an error), 'stuck', or the name of the invariant that is false."""

    compiled: Compiled
    replay: Replay
    who: tuple[str, ...]
    kind: str


@dataclass(frozen=True)
class AtSize:
    """The answer at one size: guaranteed if there is neither a failure
    nor a reason why it is not known. ``assumptions`` are those of the steps that
    the programs take; ``unobserved`` are variables that no state was stored with,
    because nothing observes them."""

    size: int
    states: int
    failure: Failure | None = None
    unknown: str = ""
    assumptions: tuple[AssumptionResult, ...] = ()
    unobserved: tuple[str, ...] = ()

    @property
    def guaranteed(self) -> bool:
        return self.failure is None and not self.unknown


@dataclass(frozen=True)
class Sized:
    """All sizes of a scenario on one design."""

    bound: str
    sizes: tuple[AtSize, ...]

    @property
    def smallest(self) -> int | None:
        """The least size that guarantees success; smaller ones fail."""
        for at in self.sizes:
            if at.unknown:
                return None
            if at.guaranteed:
                return at.size
        return None

    @property
    def monotone(self) -> bool:
        """Return whether each size above it that is known does, too."""
        found = [at.guaranteed for at in self.sizes if not at.unknown]
        return found == sorted(found)

    @property
    def assumptions(self) -> tuple[AssumptionResult, ...]:
        """The assumptions of the answers, with the steps that they cut at all sizes."""
        return together(at.assumptions for at in self.sizes)

    @property
    def unobserved(self) -> tuple[str, ...]:
        """The variables that the states of some size are without."""
        return tuple(dict.fromkeys(v for at in self.sizes for v in at.unobserved))

    def just_below(self) -> AtSize | None:
        """The last size that fails before the smallest (or of all)."""
        smallest = self.smallest
        failing = [
            at
            for at in self.sizes
            if at.failure is not None and (smallest is None or at.size < smallest)
        ]
        return failing[-1] if failing else None


@dataclass(frozen=True)
class SizeTask:
    """A scenario of a spec on a design. ``given`` overrides the scenario's bounds and
    `let`s."""

    scenario: Scenario
    spec: Spec
    known: DesignRef
    given: Mapping[str, int] = field(default_factory=dict)

    def within(self, sizes: range) -> SizeTask:
        """Return the task with these sizes in place of the scenario's own."""
        return replace(self, scenario=with_range(self.scenario, sizes))


def size_tasks(
    spec: Spec,
    designs: Sequence[str],
    names: Collection[str] = (),
    given: Mapping[str, int] | None = None,
) -> Iterator[SizeTask]:
    """Yield each scenario (of ``names``, if there are any) on each design it
    is for; ``designs`` are those of --design."""
    wanted = [k for r in designs for k in designs_named(r)]
    for scenario in spec.scenarios:
        if names and scenario.name.text not in names:
            continue
        words = scenario.designs or spec.designs
        if words and wanted:
            chosen = designs_of(words, wanted)
        else:
            chosen = tuple(wanted) or designs_for(replace(spec, designs=words), ())
        yield from (SizeTask(scenario, spec, known, given or {}) for known in chosen)


def check_given(
    specs: Sequence[Spec],
    designs: Sequence[str],
    names: Collection[str],
    given: Mapping[str, int],
) -> None:
    """Raise UserError for a name of ``given`` that means nothing in any of the
    scenarios that `size_tasks` yields: neither a bound of a design nor a `let`,
    or only the bound that the size is of."""
    tasks = [task for spec in specs for task in size_tasks(spec, designs, names)]
    lets = [let.name.text for task in tasks for let in task.spec.lets]
    bounds = [n for task in tasks for n in declared(task.known.cls)[0]]
    mentioned = ", ".join(dict.fromkeys(task.known.name for task in tasks))
    measures = [task.scenario.measure for task in tasks]
    measured = [m.bound.text for m in measures if m is not None]
    for name, value in given.items() if tasks else ():
        if name not in lets and name not in bounds:
            known_names = tuple(dict.fromkeys((*bounds, *lets)))
            raise UserError(None, unknown_name("bound", name, known_names, mentioned))
        if len(tasks) == len(measured) and {*measured} == {name}:
            raise UserError(
                None,
                f"--bounds {name}={value}: {name} is the bound that is sought; "
                f"write --sizes {value}..{value}",
            )


@dataclass(frozen=True)
class SizeExploration:
    """The exploration at one size: the product, the design there, its properties by
    the spec, and all properties of the product."""

    product: Product
    compiled: Compiled
    claims: tuple[Property, ...]
    queries: tuple[Property, ...]


@dataclass(frozen=True)
class SizeQuestion:
    """A scenario on a design: the bound that is its size, and the other settings."""

    scenario: Scenario
    spec: Spec
    cls: type[Design]
    sizes: Sizes
    bound: str
    range: range

    def at(self, size: int) -> SizeExploration:
        """Return what `find_size` explores at one size. Raise as it does."""
        with doing("compiling the design"):
            own = self.sizes
            bounds = {**own.bounds, self.bound: size}
            compiled = compile_design(self.cls, bounds, own.without, own.having)
        resolved = resolve(self.spec, compiled)
        for p in resolved.properties:
            if not p.kind.safety:
                raise UserError(
                    p.span,
                    f"size checks safety properties only, and `{p.kind.value}` is "
                    "none: put it into a spec of its own, for poolproof check",
                )
        found = programs(self.scenario, self.spec, compiled)
        whole = product(compiled, found, resolved.properties)
        hidden = [q for p in resolved.obligations for q in whole.claimed(p)]
        queries = (*whole.properties, *hidden)
        return SizeExploration(whole, compiled, resolved.properties, queries)


def size_question(task: SizeTask) -> SizeQuestion:
    """Return what a task asks. Raise UserError for a bound or a feature that the
    design does not have, or for a size that it cannot have."""
    scenario, cls, given = task.scenario, task.known.cls, task.given
    measure = scenario.measure
    if measure is None:
        raise UserError(
            scenario.name.span,
            f"of which bound? Write `size blocks = 0..8` in `{scenario.name.text}`",
        )
    known, features = declared(cls)
    name = measure.bound.text
    if name not in known:
        raise UserError(measure.bound.span, f"{cls.__name__} has no bound `{name}`")
    for amount in scenario.amounts:
        if amount.name.text == name:
            raise UserError(
                amount.name.span, f"{name} is the bound that is sought: do not set it"
            )
    spec = with_lets(task.spec, given)
    settings, places = _settings(scenario, spec, known, given)
    head = spec.bounds[:1]
    without = [w.text for line in head for w in line.without]
    having = [w.text for line in head for w in line.having]
    without += [w.text for w in scenario.without]
    having += [w.text for w in scenario.having]
    for what in {*without, *having} - set(features):
        raise UserError(scenario.name.span, f"{cls.__name__} has no feature `{what}`")
    try:
        having = [*with_needs(features, having, without)]
    except ModelError as e:
        raise UserError(scenario.name.span, str(e)) from None
    for bound, value in settings.items():
        if reason := outside(cls, known[bound], value):
            place = places.get(bound, scenario.name.span)
            raise UserError(place, f"{bound} = {value}: {reason}")
    lets = _lets(spec)
    defaults = {n: b.default for n, b in known.items() if n != name}
    lo, hi = (
        number(end, {**defaults, **settings}, lets)
        for end in (measure.over.lo, measure.over.hi)
    )
    if lo > hi:
        raise UserError(
            measure.bound.span, f"{lo}..{hi} is empty: write the smaller number first"
        )
    if reason := outside(cls, known[name], max(hi, known[name].least)):
        raise UserError(measure.bound.span, f"{hi}: {reason}")
    return SizeQuestion(
        scenario,
        spec,
        cls,
        Sizes(settings, tuple(without), tuple(having)),
        name,
        range(max(lo, known[name].least), hi + 1),
    )


def _lets(spec: Spec) -> dict[str, Let]:
    return {let.name.text: let for let in spec.lets}


def _settings(
    scenario: Scenario,
    spec: Spec,
    known: Mapping[str, Bound],
    given: Mapping[str, int],
) -> tuple[dict[str, int], dict[str, Span]]:
    """The bounds that are set, those of the scenario after the file's; and where."""
    measure = scenario.measure
    own = {a.name.text for a in scenario.amounts}
    settings: dict[str, int] = {}
    places: dict[str, Span] = {}
    for line in spec.bounds[:1]:
        for s in line.settings:
            settings[s.name.text], places[s.name.text] = s.value, s.name.span
    settings |= {k: v for k, v in given.items() if k in known}
    defaults = {n: b.default for n, b in known.items() if n not in own}
    if measure is not None:
        defaults.pop(measure.bound.text, None)
    for amount in scenario.amounts:
        name = amount.name.text
        if name not in given:
            here = {**defaults, **settings}
            settings[name] = number(amount.value, here, _lets(spec))
            places[name] = amount.name.span
    size = "" if measure is None else measure.bound.text
    return {k: v for k, v in settings.items() if k in known and k != size}, places


def find_size(task: SizeTask, budget: Budget, report: Reporter) -> Sized:
    """Return the answers at all sizes, within one budget; where it is spent, that
    size is unknown, and none above is explored. Raise UserError, or MissingName where
    the design lacks something that the scenario names."""
    question = size_question(task)
    found: list[AtSize] = []
    budget = replace(budget, indices=True)
    with budget.limited():
        for size in question.range:
            report.progress(size=size)
            try:
                look()  # the size before may have taken all that was left
                at = _at(size, question, budget, report)
            except Spent as spent:
                at = AtSize(size, 0, None, str(spent))
            found.append(at)
            if at.unknown and left() == 0.0:
                break
    return Sized(question.bound, tuple(found))


def _at(size: int, question: SizeQuestion, budget: Budget, report: Reporter) -> AtSize:
    what = question.at(size)
    whole = what.product
    outcome = registry.ask("exhaustive", whole.system, what.queries, budget, report)
    return replace(
        _judged(size, question, what, outcome),
        assumptions=assumed_by(whole.system, outcome.statistics),
        unobserved=outcome.statistics.unobserved,
    )


def _judged(
    size: int, question: SizeQuestion, what: SizeExploration, outcome: Outcome
) -> AtSize:
    """The answer at one size, without what it assumes."""
    whole, states = what.product, outcome.statistics.states
    for defect in outcome.defects:
        return AtSize(size, states, None, f"the model is wrong: {defect.message}")
    failing = {n: v for n, v in outcome.verdicts.items() if isinstance(v, Violated)}
    for p in what.queries[len(whole.properties) :]:
        if p.name in failing:
            raise UserError(p.span, p.title)
    if failing:
        first = min(failing, key=lambda n: len(failing[n].trace))
        prop = next(p for p in whole.properties if p.name == first)
        early = {w.text for w in question.scenario.early}
        return AtSize(
            size, states, confirmed(whole, what.compiled, prop, failing[first], early)
        )
    for verdict in outcome.verdicts.values():
        if isinstance(verdict, Unknown):
            return AtSize(size, states, None, verdict.reason)
    for p in what.claims:
        asked_of = None if p.assertion else p.action
        if asked_of is not None and asked_of not in whole.called:
            reason = f"vacuous: {p.name} is about {p.action}, which no program calls"
            return AtSize(size, states, None, reason)
    success = outcome.verdicts[GUARANTEED]
    if isinstance(success, Vacuous):
        return AtSize(size, states, None, f"vacuous: {success.reason}")
    return AtSize(size, states)


# --- schedules ------------------------------------------------------------


def confirmed(
    whole: Product,
    compiled: Compiled,
    prop: Property,
    verdict: Violated,
    early: set[str] | frozenset[str] = frozenset(),
) -> Failure:
    """Replay a schedule under CPython, and check that the programs allow it and that
    it fails as stated. Raise NotReproduced otherwise."""
    replayed = replay(compiled, whole.projected(verdict.trace))
    who = whole.who(verdict.trace)
    places = dict.fromkeys(whole.programs.tasks, 0)
    failed = ""
    for one, taken in zip(who, replayed.taken, strict=True):
        call = _allowed(whole, places, one, taken.step)
        if call is None or failed:
            step = show_step(compiled.system, taken.step)
            raise NotReproduced(f"the programs do not allow this step of {one}: {step}")
        if one in places:
            places[one] += 1
        action = call.action
        if one == "environment" or action.result is None or taken.result is None:
            continue
        labels: tuple[str, ...] = getattr(action.result.sort, "labels", ())
        if taken.result != (labels.index("OK") if labels else 1):
            failed = "early" if action.name in early else "late"
    end = replayed.states[-1]
    match prop.name:
        case name if name == GUARANTEED:
            if not failed:
                raise NotReproduced("no call of the schedule fails")
        case name if name == NEVER_STUCK:
            if failed or _can_go_on(whole, compiled, places, end):
                raise NotReproduced("the schedule is not stuck at its end")
            failed = "stuck"
        case _:
            claim = whole.of_design(prop)
            if deciding(compiled.system, claim, replayed)[-1:] != [len(who)]:
                raise NotReproduced(f"{claim.name} is true at the schedule's end")
            failed = claim.name
    return Failure(compiled, replayed, who, failed)


def _due(whole: Product, places: Mapping[str, int], task: str) -> Called | None:
    """The task's next call, if it need not wait."""
    calls = whole.programs.tasks[task]
    if places[task] == len(calls):
        return None
    call = calls[places[task]]
    ready = all(places[other] >= n for other, n in call.after)
    return call if ready else None


def _allowed(
    whole: Product, places: Mapping[str, int], who: str, step: Step
) -> Called | None:
    """The call of the scenario that the step is."""
    some: tuple[Called | None, ...]
    match who:
        case "environment":
            some = whole.programs.environment
        case "anytime":
            some = whole.programs.anytime
        case task:
            some = (_due(whole, places, task),)
    return next((c for c in some if c is not None and c.takes(step)), None)


def _can_go_on(
    whole: Product, compiled: Compiled, places: Mapping[str, int], state: State
) -> bool:
    tasks = whole.programs.tasks
    if all(places[t] == len(calls) for t, calls in tasks.items()):
        return True
    for who in (*tasks, "environment", "anytime"):
        for action in compiled.system.actions:
            for raw in action.valuations():
                step = Step(action.name, raw)
                if (
                    _allowed(whole, places, who, step) is not None
                    and successor(compiled.system, action, state, raw) is not None
                ):
                    return True
    return False
