# SPDX-License-Identifier: GPL-2.0-only
"""A spec asked with any three features together.

Bugs of accounting sit where features meet, and a spec with all of them on is too large
to search. So each set of three that nothing else needs, with what they need, is a
small search of its own. A property that a set breaks is then asked of its parts, and
the smallest set that breaks it is reported.

A feature mostly adds runs, so two or one are not asked by themselves: a set of three
has their runs, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import combinations

from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.verdict import (
    Budget,
    Holds,
    Reporter,
    Silent,
    Unknown,
    Vacuous,
    Verdict,
    Violated,
)
from poolproof.checker.driver.designs import (
    DesignRef,
    designs_named,
    shipped_bugs,
    shipped_designs,
)
from poolproof.checker.driver.jobs import BatchJob, Lost, Spread
from poolproof.checker.driver.judging import ExpectationStatus, compare
from poolproof.checker.driver.known_sets import known_sets
from poolproof.checker.driver.task import Request, Task, prepare
from poolproof.checker.engines import registry
from poolproof.checker.evidence.replay import Replay, confirm
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.spec import Spec, resolve
from poolproof.model.language import ModelError, declared, with_needs

LABEL = "triples"
"""The label of the bounds at which a spec wants to be asked so."""

TOGETHER = 3
"""Features in a set, without those that they need."""

STATES = 60_000
"""Most states of a search, unless the caller says otherwise."""

_BATCH = 16
"""Sets that a worker searches at a time."""


FeatureSet = tuple[tuple[str, ...], tuple[str, ...]]
"""The features that are chosen, and these with what they need."""


@dataclass(frozen=True)
class SetResult:
    """The result for one set of features. ``chosen`` are the features that no other of
    the set needs, ``having`` all of them. ``defect`` is an error of the model."""

    chosen: tuple[str, ...]
    having: tuple[str, ...]
    verdicts: Mapping[str, Verdict]
    states: int
    defect: str = ""


@dataclass(frozen=True)
class MinimalViolation:
    """A smallest set of features with which a property is violated. ``inherited``:
    the base violates it with that set, too (None: there is no base)."""

    prop: Property
    chosen: tuple[str, ...]
    having: tuple[str, ...]
    verdict: Violated
    replay: Replay
    compiled: Compiled
    inherited: bool | None = None


@dataclass(frozen=True)
class PropertyAnswer:
    """A property with all sets: the shortest violation, or else what is known of
    them. ``broken`` has the smallest sets that violate it, the shortest runs first;
    ``new`` are those that nobody expects, and ``gone`` are expected and not among
    them."""

    prop: Property
    verdict: Verdict
    broken: tuple[MinimalViolation, ...]
    status: ExpectationStatus
    new: tuple[MinimalViolation, ...] = ()
    gone: tuple[tuple[str, ...], ...] = ()


@dataclass
class Triples:
    """A spec on a design, with all sets of ``features``. ``base`` is the design whose
    violations are no news; None: the spec's expectations apply. ``hidden`` is the
    number of sets that were searched for what such a violation hides, and
    ``hidden_unknown`` of these searches did not end."""

    task: Task
    base: DesignRef | None
    features: tuple[str, ...]
    sets: int
    searched: int = 0
    states: int = 0
    answers: list[PropertyAnswer] = field(default_factory=list)
    defects: list[tuple[tuple[str, ...], str]] = field(default_factory=list)
    lost: str = ""
    hidden: int = 0
    hidden_unknown: int = 0


def candidates(task: Task) -> tuple[str, ...]:
    """Return the features that the design declares, that are off at the task's
    bounds, and that these do not leave out, nor what they need."""
    given = {*task.sizes.having, *task.sizes.without}
    features = declared(task.known.cls)[1]
    off = (n for n, f in features.items() if not f.default and n not in given)
    return tuple(n for n in off if _possible(task, n))


def _possible(task: Task, name: str) -> bool:
    try:
        with_needs(declared(task.known.cls)[1], (name,), task.sizes.without)
    except ModelError:
        return False
    return True


def closed(task: Task, chosen: Sequence[str]) -> tuple[str, ...]:
    """Return the task's features and the chosen ones, with what they need."""
    known, sizes = declared(task.known.cls)[1], task.sizes
    return with_needs(known, (*sizes.having, *chosen), sizes.without)


def feature_sets(task: Task, features: Sequence[str]) -> list[FeatureSet]:
    """Return the sets to ask. A set that is a part of another one is left out."""
    every: dict[frozenset[str], FeatureSet] = {}
    for chosen in combinations(features, min(TOGETHER, len(features))):
        having = closed(task, chosen)
        every.setdefault(frozenset(having), (chosen, having))
    needed = {
        other for name in features for other in closed(task, (name,)) if other != name
    }
    leaves = len([f for f in features if f not in needed])
    if leaves < TOGETHER:
        return list(every.values())
    return [s for s in every.values() if not needed & set(s[0])]


def parts_of(task: Task, whole: FeatureSet) -> list[FeatureSet]:
    """Return the parts of a set, itself included, the smallest first. A part has at
    most as many chosen features as the set."""
    mine = [f for f in whole[1] if f not in task.sizes.having]
    parts: dict[frozenset[str], FeatureSet] = {}
    for number in range(len(whole[0]) + 1):
        for chosen in combinations(mine, number):
            having = closed(task, chosen)
            parts.setdefault(frozenset(having), (chosen, having))
    return sorted(parts.values(), key=lambda part: len(part[1]))


def answered(
    task: Task,
    chosen: tuple[str, ...],
    having: tuple[str, ...],
    budget: Budget,
    only: str = "",
) -> tuple[SetResult, Compiled, Mapping[str, Property]]:
    """Return what comes out with these features, for all properties that a search of
    states decides, or for one."""
    sizes = task.sizes
    compiled = compile_design(task.known.cls, sizes.bounds, sizes.without, having)
    resolved = resolve(task.spec, compiled)
    queries = {
        p.name: p
        for p in resolved.properties
        if not p.kind.wants_witness and not p.kind.of_runs and only in ("", p.name)
    }
    if not queries:
        return SetResult(chosen, having, {}, 0), compiled, queries
    engine, asked = registry.every_state(Kind.INVARIANT), tuple(queries.values())
    outcome = registry.ask(engine, compiled.system, asked, budget, Silent())
    defect = outcome.defects[0].message if outcome.defects else ""
    verdicts = {n: v for n, v in outcome.verdicts.items() if n in queries}
    result = SetResult(chosen, having, verdicts, outcome.statistics.states, defect)
    return result, compiled, queries


def _searched(task: Task, budget: Budget, features: FeatureSet) -> SetResult:
    return answered(task, *features, budget)[0]


def triples(
    task: Task,
    budget: Budget,
    spread: Spread,
    report: Reporter,
    base: DesignRef | None = None,
) -> Triples:
    """Check the task's properties with each set of features. ``budget`` bounds each
    search. Without a ``base`` it is the nearest shipped design that the task's
    inherits, unless that is shipped itself."""
    features = candidates(task)
    sets = feature_sets(task, features)
    batches = [sets[k : k + _BATCH] for k in range(0, len(sets), _BATCH)]
    search = partial(_searched, task, budget)
    jobs = [
        BatchJob(f"{task.known.name} with {' '.join(batch[0][0])}", search, batch)
        for batch in batches
    ]
    done = Triples(task, base or _shipped_base(task), features, len(sets))
    results: list[SetResult] = []
    for some in spread(jobs, report):
        if isinstance(some, Lost):
            done.lost = done.lost or some.why
        else:
            results += some
    done.searched = len(results)
    done.states = sum(r.states for r in results)
    done.defects = [(r.chosen, r.defect) for r in results if r.defect]
    for name in _names(task, results):
        mine = [(r, r.verdicts[name]) for r in results if name in r.verdicts]
        if mine:
            prop = _property(task, name, mine[0][0].having)
            done.answers.append(_answer(task, prop, mine, done, budget))
    return done


def _names(task: Task, results: Sequence[SetResult]) -> list[str]:
    """The spec's properties, and those of the kernel's own that some set violates."""
    violated = {
        n for r in results for n, v in r.verdicts.items() if isinstance(v, Violated)
    }
    names = [c.name.text for c in task.spec.claims]
    return [*names, *sorted(violated - set(names))]


def _property(task: Task, name: str, having: Sequence[str]) -> Property:
    """The property where these features are on."""
    found = next((p for p in task.resolved.properties if p.name == name), None)
    if found is None:
        sizes = task.sizes
        compiled = compile_design(task.known.cls, sizes.bounds, sizes.without, having)
        resolved = resolve(task.spec, compiled)
        found = next(p for p in resolved.properties if p.name == name)
    return found


def _answer(
    task: Task,
    prop: Property,
    mine: Sequence[tuple[SetResult, Verdict]],
    done: Triples,
    budget: Budget,
) -> PropertyAnswer:
    broken = tuple(_smallest(task, prop, mine, budget, done.base))
    verdict = _verdict(mine, done, broken)
    without = set(task.sizes.without)
    expected = {
        frozenset(closed(task, c)): c
        for c in known_sets(task.spec, task.known.cls, prop)
        if not without & set(c) and all(_possible(task, name) for name in c)
    }
    new = tuple(
        b
        for b in broken
        if b.inherited is False
        or (b.inherited is None and frozenset(b.having) not in expected)
    )
    found = {frozenset(b.having) for b in broken}
    gone = tuple(chosen for whole, chosen in expected.items() if whole not in found)
    if new or (gone and done.searched == done.sets and not _open(mine)):
        return PropertyAnswer(prop, verdict, broken, ExpectationStatus.UNMET, new, gone)
    if broken:
        return PropertyAnswer(prop, verdict, broken, ExpectationStatus.MET)
    status = compare(replace(prop, expect=None), verdict)[0]
    return PropertyAnswer(prop, verdict, broken, status)


def _open(mine: Sequence[tuple[SetResult, Verdict]]) -> list[Unknown]:
    return [v for _, v in mine if isinstance(v, Unknown)]


def _verdict(
    mine: Sequence[tuple[SetResult, Verdict]],
    done: Triples,
    broken: Sequence[MinimalViolation],
) -> Verdict:
    """The shortest violation, or the weakest of what the sets say."""
    if broken:
        return broken[0].verdict
    open_ = _open(mine)
    if open_ or done.searched < done.sets:
        missing = done.sets - done.searched + len(open_)
        depth = min((v.depth for v in open_), default=0)
        return Unknown(f"{missing} of {done.sets} sets not searched to the end", depth)
    held = [v for _, v in mine if isinstance(v, Holds)]
    if not held:
        return next(v for _, v in mine)
    states = sum(r.states for r, v in mine if isinstance(v, Holds | Vacuous))
    return Holds(True, states, max(v.depth for v in held))


def _smallest(
    task: Task,
    prop: Property,
    mine: Sequence[tuple[SetResult, Verdict]],
    budget: Budget,
    base: DesignRef | None,
) -> Iterator[MinimalViolation]:
    """Yield the smallest sets that violate the property, the shortest runs first."""
    violated = [(len(v.trace), r) for r, v in mine if isinstance(v, Violated)]
    found: list[MinimalViolation] = []
    for _, result in sorted(violated, key=lambda pair: pair[0]):
        if any(set(b.having) <= set(result.having) for b in found):
            continue
        smallest = _reduced(task, prop, result, budget)
        known = None if base is None else _inherited(task, smallest, budget, base)
        found.append(replace(smallest, inherited=known))
    yield from sorted(found, key=lambda b: len(b.verdict.trace))


def _reduced(
    task: Task, prop: Property, whole: SetResult, budget: Budget
) -> MinimalViolation:
    """The smallest part of a set that violates the property, with as many features
    chosen as the set has at most."""
    for chosen, having in parts_of(task, (whole.chosen, whole.having)):
        part, compiled, props = answered(task, chosen, having, budget, prop.name)
        verdict = part.verdicts.get(prop.name)
        if isinstance(verdict, Violated):
            named = props[prop.name]
            replay = confirm(compiled, named, verdict.trace, verdict.shortest)
            return MinimalViolation(named, chosen, having, verdict, replay, compiled)
    raise AssertionError(f"{prop.name}: violated once, and not again")


def _shipped_base(task: Task) -> DesignRef | None:
    shipped = {k.cls: k for k in shipped_designs()}
    base = next((shipped[c] for c in task.known.cls.__mro__ if c in shipped), None)
    return None if base is None or base.cls is task.known.cls else base


def _inherited(
    task: Task, broken: MinimalViolation, budget: Budget, base: DesignRef
) -> bool:
    """Return whether the base violates the property, too."""
    bounds, features = declared(base.cls)
    named = {*broken.having, *task.sizes.without}
    if not (named <= set(features) and set(task.sizes.bounds) <= set(bounds)):
        return False
    of_base = replace(task, known=base)
    part = answered(of_base, broken.chosen, broken.having, budget, broken.prop.name)[0]
    return isinstance(part.verdicts.get(broken.prop.name), Violated)


def exit_code(done: Sequence[Triples]) -> int:
    """0 all as expected · 1 something is not · 2 an error in a design · 3 something is
    not known."""
    if any(t.defects for t in done):
        return 2
    found = [a.status for t in done for a in t.answers]
    if ExpectationStatus.UNMET in found:
        return 1
    lost = any(t.searched < t.sets or t.hidden_unknown for t in done)
    return 3 if ExpectationStatus.OPEN in found or lost else 0


def labelled(request: Request, spec: Spec) -> Request:
    """Return the request at the bounds that the spec has for this, if it has any and
    the request names none."""
    has = any(b.label == LABEL for b in spec.bounds)
    return replace(request, label=LABEL) if has and not request.label else request


def triples_tasks(spec: Spec, request: Request, always: bool) -> tuple[Task, ...]:
    """Return the tasks of a spec that has the bounds for it, at these bounds: for
    designs that are not shipped, or with ``always`` for all of the request's."""
    if request.altered or not any(b.label == LABEL for b in spec.bounds):
        return ()
    own = {k.cls for k in (*shipped_designs(), *shipped_bugs())}
    named = [k for r in request.designs for k in designs_named(r)]
    if not always and not any(k.cls not in own for k in named):
        return ()
    tasks = prepare(spec, labelled(request, spec))
    return tuple(t for t in tasks if always or t.known.cls not in own)
