# SPDX-License-Identifier: GPL-2.0-only
"""A check: one spec on one design, by one engine or several.

Every violation and witness is replayed before it is returned, and the verdicts of
the engines are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.ir import subterms
from poolproof.checker.core.limits import Spent, doing
from poolproof.checker.core.property import Property
from poolproof.checker.core.verdict import (
    Budget,
    Defect,
    Holds,
    Outcome,
    Reached,
    Reporter,
    Shown,
    Unknown,
    Unreachable,
    Vacuous,
    Verdict,
    Violated,
)
from poolproof.checker.driver.any_size import ALL, Opened, opened
from poolproof.checker.driver.branches import (
    BranchCoverage,
    coverage,
    watching,
    with_branches,
)
from poolproof.checker.driver.designs import DesignRef, designs_for
from poolproof.checker.engines import registry
from poolproof.checker.evidence.replay import Replay, confirm, confirm_defect
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.spec import (
    Resolved,
    Sizes,
    Spec,
    at_label,
    resolve,
    resolve_all,
    sizes,
)
from poolproof.model.language import (
    Bound,
    Design,
    Feature,
    ModelError,
    declared,
    did_you_mean,
    outside,
    structural,
    with_needs,
)

EXHAUSTIVE = "exhaustive"
"""explicit or native, by the system's size and by whether there is a compiler:
what a review runs."""


def engines() -> dict[str, str]:
    """Return the choices of --engine, each with its line of help. The default is
    `auto` in a check, and EXHAUSTIVE in a review."""
    auto = "every state within the bounds, then a proof for any size"
    return {"auto": auto, **{row.name: row.help for row in registry.choices()}}


class EnginesDisagree(Exception):
    """Two engines contradict each other: a bug of poolproof."""


# --- queries --------------------------------------------------------


@dataclass(frozen=True)
class Request:
    """The options of a check. ``label`` picks one of the spec's named bounds,
    ``bounds`` overrides single ones."""

    designs: tuple[str | DesignRef, ...] = ()
    label: str = ""
    bounds: Mapping[str, int] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    having: tuple[str, ...] = ()
    any_size: tuple[str, ...] = ()
    """The bounds that a proof should leave open, those that decide how many
    elements there are included."""

    @property
    def as_written(self) -> bool:
        """Whether the spec's own bounds are checked, so that expected depths apply."""
        return not (self.label or self.altered)

    @property
    def altered(self) -> bool:
        """Whether single bounds or features differ from any bounds of the spec."""
        return bool(self.bounds or self.without or self.having)


@dataclass(frozen=True)
class Task:
    """A spec bound to a design, ready to be checked. ``set_bounds`` are the
    bounds that the spec or the caller set (all, where neither did);
    ``as_written``: they and the features are the spec's own. ``key`` is a digest of
    all texts that it depends on, or empty; see `driver.kept`."""

    spec: Spec
    known: DesignRef
    compiled: Compiled
    resolved: Resolved
    sizes: Sizes
    set_bounds: Mapping[str, int]
    as_written: bool
    key: str = field(default="", compare=False)
    any_size: tuple[str, ...] = ()

    @property
    def asks_nothing(self) -> bool:
        """Whether no property of the spec applies to the design."""
        return all(p.assertion for p in self.resolved.properties)


def refuse_nothing(tasks: Sequence[Task]) -> None:
    """Raise UserError if no property of any spec applies to its design."""
    if not tasks or not all(task.asks_nothing for task in tasks):
        return
    task = tasks[0]
    name, reason = next(iter(task.resolved.missing.items()))
    raise UserError(
        None,
        f"{task.spec.file}: no property applies to {task.known.name}, so that "
        f"nothing can be wrong: {name} is n/a, {reason}",
    )


def prepare(spec: Spec, request: Request) -> tuple[Task, ...]:
    """Return the spec bound to each of its designs. Raise UserError for a mistake
    in the spec, the designs or the request."""
    labels = tuple(b.label for b in spec.bounds if b.label)
    if request.label and request.label not in labels:
        there = f", or one of this spec's labels: {', '.join(labels)}" if labels else ""
        raise UserError(
            None,
            f"--bounds {request.label}: write NAME=NUMBER, like "
            f"{request.label}=2{there}{did_you_mean(request.label, labels)}",
        )
    _check_not_empty(spec)
    spec = at_label(spec, request.label)
    known = designs_for(spec, request.designs)
    classes = [k.cls for k in known]
    try:
        given = sizes(spec, classes)
    except UserError as mistake:
        # an unknown bound is an error only if none of the spec's designs has it
        others = _others(spec, classes, mistake)
        given = sizes(spec, [*classes, *others])
    chosen = [sized(s, k, request) for s, k in zip(given, known, strict=False)]
    check_request(request, known)
    compiled = [
        compile_design(k.cls, s.bounds, s.without, s.having)
        for k, s in zip(known, chosen, strict=True)
    ]
    try:
        resolved = resolve_all(spec, compiled)
    except UserError as mistake:
        # an unknown name is an error only if none of the spec's designs has it
        others = _others(spec, classes, mistake)
        more = [
            compile_design(cls, s.bounds, s.without, s.having)
            for cls, s in zip(
                others,
                sizes(spec, [*classes, *others])[len(classes) :],
                strict=True,
            )
        ]
        resolved = resolve_all(spec, [*compiled, *more])
    return tuple(
        Task(
            spec,
            k,
            c,
            r,
            s,
            s.bounds or c.bounds,
            not request.altered,
            any_size=request.any_size,
        )
        for k, c, r, s in zip(known, compiled, resolved, chosen, strict=False)
    )


def _check_not_empty(spec: Spec) -> None:
    """A spec without properties would hold whatever happens."""
    if spec.claims:
        return
    if spec.calls or spec.observed:
        raise UserError(
            None, f"{spec.file} is for comparisons: poolproof compare A B {spec.file}"
        )
    if spec.scenarios:
        raise UserError(
            None, f"{spec.file} has scenarios only: poolproof size {spec.file}"
        )
    raise UserError(
        None,
        f"{spec.file} has no property, so that nothing can be wrong: "
        "write one, like `invariant NAME: FORMULA`",
    )


def _others(
    spec: Spec, classes: Sequence[type[Design]], mistake: UserError
) -> list[type[Design]]:
    """The designs that the spec names and the caller left out; where there
    is none, the mistake stands."""
    try:
        others = [k.cls for k in designs_for(spec, ()) if k.cls not in classes]
    except UserError:
        others = []
    if not others:
        raise mistake
    return others


def sized(own: Sizes, known: DesignRef, request: Request) -> Sizes:
    """Return a design's sizes by a spec, with what the request changes. Raise
    UserError."""
    bounds, features = declared(known.cls)
    without = [f for f in request.without if f in features]
    queries = [f for f in request.having if f in features]
    try:
        having = with_needs(features, queries, without)
        left = (*(f for f in own.without if f not in having), *without)
        having = with_needs(
            features, (*(f for f in own.having if f not in without), *having), left
        )
    except ModelError as e:
        raise UserError(None, f"--without {','.join(without)}: {e}") from None
    given = {k: v for k, v in request.bounds.items() if k in bounds}
    return Sizes({**own.bounds, **given}, left, having)


def check_request(request: Request, known: Sequence[DesignRef]) -> None:
    """Every bound and feature of the command line must mean something."""
    bounds: dict[str, Bound] = {}
    features: dict[str, Feature] = {}
    for k in known:
        of_bounds, of_features = declared(k.cls)
        bounds.update(of_bounds)
        features.update(of_features)
    names = ", ".join(k.name for k in known)
    for name, value in request.bounds.items():
        if name not in bounds:
            raise UserError(None, unknown_name("bound", name, tuple(bounds), names))
        for k in known:
            if name in declared(k.cls)[0] and (
                reason := outside(k.cls, bounds[name], value)
            ):
                raise UserError(None, f"--bounds {name}={value}: {reason}")
    for name in request.any_size:
        if name != ALL and name not in bounds:
            raise UserError(None, unknown_name("bound", name, tuple(bounds), names))
    for name in (*request.without, *request.having):
        if name not in features:
            raise UserError(None, unknown_name("feature", name, tuple(features), names))
    for name in request.without:
        if name in request.having:
            raise UserError(None, f"{name} is in --without and in --with")


def unknown_name(what: str, name: str, known: tuple[str, ...], designs: str) -> str:
    """Return the message that the designs have no bound or feature (``what``) of
    that name, with those that they have."""
    there = ", ".join(sorted(known)) or "none"
    return (
        f"{designs}: no {what} {name!r}{did_you_mean(name, known)}; there are {there}"
    )


# --- what comes of it -----------------------------------------------------


class ExpectationStatus(Enum):
    """How a verdict compares with the outcome that the spec's author stated."""

    MET = "expected"
    UNMET = "unexpected"
    VACUOUS = "vacuous"
    """As expected, but only because nothing happens."""
    OPEN = "open"


@dataclass(frozen=True)
class PropertyResult:
    """The result of one property: each engine's verdict, the decisive one first,
    the replay of its trace, and the outcome that the spec as written expects.
    ``as_stated`` is false where that is something else, but of other bounds or
    features than those that were checked."""

    prop: Property
    verdicts: tuple[tuple[str, Verdict], ...]
    replay: Replay | None
    status: ExpectationStatus
    expected: str
    as_stated: bool = True

    @property
    def verdict(self) -> Verdict:
        return self.verdicts[0][1]


@dataclass(frozen=True)
class CheckResult:
    """A task's outcome. ``mistakes`` are places of the spec that some run
    showed to be undefined. ``branches``: those of the design's text, if a search was
    to follow them."""

    task: Task
    outcomes: tuple[Outcome, ...]
    answers: tuple[PropertyResult, ...]
    defects: tuple[tuple[Defect, Replay], ...]
    mistakes: tuple[UserError, ...]
    interrupted: bool = False
    branches: BranchCoverage | None = None


def run(
    task: Task,
    engine: str,
    budget: Budget,
    report: Reporter,
    interrupted: Callable[[], bool] = lambda: False,
) -> CheckResult:
    """Run the engine (or, for auto, each in turn) on all properties."""
    outcomes = asked(task, engine, budget, report, interrupted)
    return judged(task, outcomes, budget, interrupted())


def asked(
    task: Task,
    engine: str,
    budget: Budget,
    report: Reporter,
    interrupted: Callable[[], bool],
) -> tuple[Outcome, ...]:
    """Return the outcome of each engine that was run."""
    outcomes: list[Outcome] = []
    for step in _plan(engine):
        if interrupted():
            break
        with budget.limited():
            outcome = step(task, outcomes, budget, report)
        if outcome is not None:
            outcomes.append(outcome)
    return tuple(outcomes)


def judged(
    task: Task, outcomes: tuple[Outcome, ...], budget: Budget, interrupted: bool
) -> CheckResult:
    """Return what the outcomes say of each property, with every run replayed."""
    with budget.limited(), doing("replaying the runs"):
        checked = _checked(task, outcomes, interrupted)
        return replace(checked, branches=coverage(task.compiled, outcomes, budget))


Stage = Callable[[Task, Sequence[Outcome], Budget, Reporter], Outcome | None]


def _plan(engine: str) -> tuple[Stage, ...]:
    match engine:
        case "auto":
            return (_single(EXHAUSTIVE), _rest(EXHAUSTIVE), _any_size)
        case "prove":
            return (_any_size,)
        case _ if registry.row(engine).rest:
            return (_single(engine), _rest(engine))
        case _:
            return (_single(engine),)


def _everything(task: Task) -> tuple[Property, ...]:
    return (*task.resolved.properties, *task.resolved.obligations)


def _left_to_rest(name: str, p: Property) -> bool:
    rest = registry.row(name).rest
    return bool(rest) and p.kind in registry.row(rest).decides


def _single(name: str) -> Stage:
    """Return the stage that asks the engine all but what `_rest` asks."""

    def stage(
        task: Task, _before: Sequence[Outcome], budget: Budget, report: Reporter
    ) -> Outcome | None:
        queries = tuple(p for p in _everything(task) if not _left_to_rest(name, p))
        compiled = task.compiled
        follow = budget.branches and bool(registry.row(name).rest)
        watched = watching(compiled, queries, budget) if follow else ()
        asked = (*queries, *watched)
        outcome = registry.ask(name, compiled.system, asked, budget, report, compiled)
        return with_branches(compiled, watched, outcome) if follow else outcome

    return stage


def _rest(name: str) -> Stage:
    """Return the stage that answers what the engine does not decide."""

    def stage(
        task: Task, before: Sequence[Outcome], budget: Budget, report: Reporter
    ) -> Outcome | None:
        queries = tuple(p for p in _everything(task) if _left_to_rest(name, p))
        if not queries or any(o.defects for o in before):
            return None
        rest, system = registry.row(name).rest, task.compiled.system
        return registry.ask(rest, system, queries, budget, report, task.compiled)

    return stage


def _any_size(
    task: Task, before: Sequence[Outcome], budget: Budget, report: Reporter
) -> Outcome | None:
    """Proves what no engine before refuted, with every bound left open that
    the design lets be open."""
    if any(o.defects for o in before):
        return None
    if task.any_size:
        return _any_number(task, before, budget, report)
    refuted = {n for o in before for n, v in o.verdicts.items() if isinstance(v, Shown)}
    settled = any(o.statistics.complete for o in before)
    try:
        with doing("leaving the bounds open"):
            compiled, resolved = open_sizes(task)
    except Spent as spent:
        named = task.resolved.properties
        return Outcome("prove", {p.name: Unknown(str(spent)) for p in named})
    if settled and not compiled.system.least:
        return None  # nothing is left to be shown
    queries = tuple(
        p
        for p in (*resolved.properties, *resolved.obligations)
        if p.name not in refuted
        and (not before or p.kind in registry.row("prove").decides)
    )
    if not queries:
        return None
    system = compiled.system
    return registry.ask("prove", system, queries, budget, report, compiled)


def _any_number(
    task: Task, before: Sequence[Outcome], budget: Budget, report: Reporter
) -> Outcome:
    """Proves what no engine before refuted, for any number of elements."""
    refuted = {n for o in before for n, v in o.verdicts.items() if isinstance(v, Shown)}
    named = tuple(p for p in _everything(task) if p.name not in refuted)
    try:
        with doing("leaving the sizes open"):
            found = opened_sizes(task)
    except Spent as spent:
        return Outcome("prove", {p.name: Unknown(str(spent)) for p in named})
    queries = tuple(
        p
        for p in (*found.resolved.properties, *found.resolved.obligations)
        if p.name not in refuted
        and (not before or p.kind in registry.row("anysize").decides)
    )
    system = found.compiled.system
    outcome = registry.ask("anysize", system, queries, budget, report, found.compiled)
    lost = {
        p.name: Unknown("it cannot be said with these sizes open")
        for p in named
        if p.name not in outcome.verdicts and not before
    }
    notes = (*(str(k) for k in found.kept), *outcome.statistics.notes)
    return replace(
        outcome,
        verdicts={**outcome.verdicts, **lost},
        statistics=replace(outcome.statistics, notes=notes),
    )


def opened_sizes(task: Task) -> Opened:
    """Return the task with the bounds open that its request names."""
    return opened(task.known.cls, task.spec, task.sizes, task.compiled, task.any_size)


def open_sizes(task: Task) -> tuple[Compiled, Resolved]:
    """The task with symbolic bounds: those that decide no structure, that
    occur, and that the spec can leave open."""
    free = frozenset(task.compiled.bounds) - structural(task.known.cls)
    s = task.sizes
    while free:
        try:
            compiled = compile_design(
                task.known.cls, s.bounds, s.without, s.having, free
            )
            resolved = resolve(task.spec, compiled)
        except UserError:
            break
        used = _params(compiled, resolved)
        if used == free:
            return compiled, resolved
        free = used
    return task.compiled, task.resolved


def _params(compiled: Compiled, resolved: Resolved) -> frozenset[str]:
    """The symbolic bounds that occur in a system or its properties."""
    roots = [f.expr for f in compiled.system.formulas()]
    roots += [e for p in resolved.properties for e in p.formulas()]
    return frozenset(e.data for e in subterms(*roots) if e.op == "param")


# --- judging --------------------------------------------------------------


def _checked(
    task: Task, outcomes: tuple[Outcome, ...], interrupted: bool
) -> CheckResult:
    verdicts: dict[str, list[tuple[str, Verdict]]] = {}
    for outcome in outcomes:
        for name, verdict in outcome.verdicts.items():
            verdicts.setdefault(name, []).append((outcome.engine, verdict))
    mistakes: list[UserError] = []
    undefined: set[str] = set()
    for hidden in task.resolved.obligations:
        for _, verdict in verdicts.get(hidden.name, ()):
            if isinstance(verdict, Violated):
                confirm(task.compiled, hidden, verdict.trace)
                mistakes.append(UserError(hidden.span, hidden.title))
                undefined.add(Resolved.owner(hidden.name))
                break
    answers: list[PropertyResult] = []
    for prop in task.resolved.properties:
        if prop.name in undefined:
            found: list[tuple[str, Verdict]] = [
                (outcomes[0].engine, Unknown("the property is not defined everywhere"))
            ]
        else:
            found = _ranked(prop, verdicts.get(prop.name, []))
        answers.append(_answer(task, prop, found, interrupted))
    defects = tuple(
        (d, confirm_defect(task.compiled, d)) for o in outcomes for d in o.defects
    )
    return CheckResult(
        task, outcomes, tuple(answers), defects, tuple(mistakes), interrupted
    )


def _answer(
    task: Task, prop: Property, found: list[tuple[str, Verdict]], interrupted: bool
) -> PropertyResult:
    if not found:
        reason = "interrupted" if interrupted else "no engine was asked"
        found = [("", Unknown(reason))]
    first = found[0][1]
    replayed = None
    if isinstance(first, Shown):
        try:
            replayed = confirm(task.compiled, prop, first.trace, first.shortest)
        except Spent as spent:
            first = Unknown(str(spent))
            found = [(found[0][0], first)]
    elsewhere = prop.expect is not None and prop.expect.elsewhere
    status, expected = compare(prop, first, task.as_written and not elsewhere)
    stated = status is compare(prop, first)[0]
    return PropertyResult(prop, tuple(found), replayed, status, expected, stated)


def _ranked(
    prop: Property, found: list[tuple[str, Verdict]]
) -> list[tuple[str, Verdict]]:
    """The most telling verdict first; contradictions are bugs."""

    def key(item: tuple[str, Verdict]) -> int:
        match item[1]:
            case Violated() | Reached():
                return 0
            case Vacuous():
                return 1
            case Holds(exhaustive=False):
                return 2
            case Holds() | Unreachable():
                return 3
            case Unknown():
                return 4

    ordered = sorted(found, key=key)
    said = {type(v) for _, v in ordered} - {Unknown}
    if said & {Violated, Reached} and len(said) > 1:
        raise EnginesDisagree(
            f"{prop.name}: "
            + ", ".join(f"{e} says {type(v).__name__}" for e, v in ordered)
        )
    return ordered


def compare(
    prop: Property, verdict: Verdict, as_written: bool = True
) -> tuple[ExpectationStatus, str]:
    """How the verdict stands to what was expected, and in words what was.

    Without ``expect``, a property should hold and a reachable one be
    reached; vacuous is neither, unless it is expected. At other bounds than
    those of the expectation, no depth is expected, and what was expected to be
    violated may hold."""
    want = prop.expect.verdict if prop.expect else prop.kind.outcomes[0]
    depth = prop.expect.depth if prop.expect else None
    stated = want if depth is None else f"{want} at {depth}"
    depth = depth if as_written else None
    match verdict:
        case Unknown() if want == "unknown":
            return ExpectationStatus.MET, stated
        case Unknown(depth=covered):
            late = want in ("violated", "reachable") and depth is not None
            if late and depth is not None and covered >= depth:
                return ExpectationStatus.UNMET, stated
            return ExpectationStatus.OPEN, stated
        case Vacuous() if want == "vacuous":
            return ExpectationStatus.MET, stated
        case Vacuous(of=of):
            alike, stated = compare(prop, of, as_written)
            fine = alike is ExpectationStatus.MET
            return (ExpectationStatus.VACUOUS if fine else alike), stated
        case (
            Violated(trace=trace, shortest=shortest)
            | Reached(trace=trace, shortest=shortest)
        ):
            wrong = expectation(verdict) != want or (
                depth is not None
                and (len(trace) != depth if shortest else len(trace) < depth)
            )
        case Unreachable():
            wrong = want != "unreachable"
        case Holds():
            wrong = want != "holds" and as_written
    return (ExpectationStatus.UNMET if wrong else ExpectationStatus.MET), stated


def expectation(verdict: Verdict) -> str:
    """Return the verdict as `expect` writes it."""
    match verdict:
        case Holds():
            return "holds"
        case Violated():
            return "violated"
        case Reached():
            return "reachable"
        case Unreachable():
            return "unreachable"
        case Vacuous():
            return "vacuous"
        case Unknown():
            return "unknown"


def exit_code(checked: Sequence[CheckResult], strict: bool = False) -> int:
    """0 all as expected · 1 something is not · 2 an error in a design or a
    spec · 3 something is not known, or with ``strict`` vacuous: a property, or
    a spec of which no property applies to any of its designs."""
    if any(c.defects or c.mistakes for c in checked):
        return 2
    judgements = [a.status for c in checked for a in c.answers]
    if ExpectationStatus.UNMET in judgements:
        return 1
    stopped = any(c.interrupted for c in checked)
    asking = {c.task.spec.file for c in checked if not c.task.asks_nothing}
    empty = any(c.task.spec.file not in asking for c in checked)
    vacuous = strict and (empty or ExpectationStatus.VACUOUS in judgements)
    return 3 if ExpectationStatus.OPEN in judgements or stopped or vacuous else 0
