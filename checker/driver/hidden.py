# SPDX-License-Identifier: GPL-2.0-only
"""Violations that a known one hides, with any three features together.

If the base violates an invariant with some features, too, a violation by the heir may
be the same one. Each set with these features is searched once more: for a run on which
the heir violates an invariant that the base violates with them, while the base, by the
same steps, violates none (checker.passes.product).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from poolproof.checker.core import ir
from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.property import Property
from poolproof.checker.core.verdict import (
    Budget,
    Reporter,
    Silent,
    Trace,
    Unknown,
    Violated,
)
from poolproof.checker.driver.designs import DesignRef
from poolproof.checker.driver.jobs import BatchJob, Lost, Spread
from poolproof.checker.driver.judging import ExpectationStatus
from poolproof.checker.driver.task import Task
from poolproof.checker.driver.triples import (
    MinimalViolation,
    PropertyAnswer,
    Triples,
    feature_sets,
    parts_of,
)
from poolproof.checker.engines import registry
from poolproof.checker.evidence.replay import confirm, decided_by, replay
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.passes.product import Undetermined, alone
from poolproof.checker.spec import resolve
from poolproof.model.language import declared

_BATCH = 4
"""Sets that a worker searches in one piece of work."""


@dataclass(frozen=True)
class Masked:
    """A set of features, and the invariants that both designs violate with it."""

    chosen: tuple[str, ...]
    having: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class HiddenResult:
    """The result for one set: a run, and the invariants that it violates. ``open``: the
    search did not end."""

    masked: Masked
    trace: Trace | None = None
    names: tuple[str, ...] = ()
    open: bool = False


def with_hidden(
    done: Triples, base: DesignRef, budget: Budget, spread: Spread, report: Reporter
) -> Triples:
    """Return the answers, with the violations that known ones hide. ``budget`` bounds
    each search."""
    some = tuple(_masked(done))
    batches = [some[k : k + _BATCH] for k in range(0, len(some), _BATCH)]
    search = partial(_asked, done.task, base, budget)
    name = done.task.known.name
    jobs = [
        BatchJob(f"{name} with {' '.join(batch[0].chosen)}", search, batch)
        for batch in batches
    ]
    results: list[HiddenResult] = []
    for each in spread(jobs, report):
        results += [] if isinstance(each, Lost) else each
    unknown = len(some) - len(results) + sum(r.open for r in results)
    answers = [_answer(done.task, base, a, results, budget) for a in done.answers]
    return replace(done, answers=answers, hidden=len(some), hidden_unknown=unknown)


def _masked(done: Triples) -> Iterator[Masked]:
    """Yield the sets with which the base violates something that the heir violates,
    too, and with which no violation by the heir is known to be new."""
    known, new = (
        [
            (a.prop.name, frozenset(b.having))
            for a in done.answers
            for b in a.broken
            if b.inherited is inherited and a.prop.kind.of_states
        ]
        for inherited in (True, False)
    )
    for chosen, having in feature_sets(done.task, done.features):
        seen = {n for n, few in new if few <= set(having)}
        names = dict.fromkeys(
            n for n, few in known if few <= set(having) and n not in seen
        )
        if names:
            yield Masked(chosen, having, tuple(names))


def _asked(task: Task, base: DesignRef, budget: Budget, masked: Masked) -> HiddenResult:
    mine = _compiled(task, task.known, masked.having)
    its = _compiled(task, base, masked.having)
    here, there = _invariants(task, mine, masked), _invariants(task, its, masked)
    try:
        product = alone(mine.system, its.system, _all_of(here), _all_of(there))
    except Undetermined:
        return HiddenResult(masked, open=True)
    engine = registry.every_state(here[0].kind)
    outcome = registry.ask(engine, product.system, product.properties, budget, Silent())
    for verdict in outcome.verdicts.values():
        match verdict:
            case Violated(trace=trace):
                run = Trace(product.leads(trace.initial), trace.steps)
                end = replay(mine, run).states[-1]
                names = [p.name for p in here if decided_by(mine.system, p, end)]
                return HiddenResult(masked, run, tuple(names))
            case Unknown():
                return HiddenResult(masked, open=True)
    return HiddenResult(masked, open=bool(outcome.defects))


def _compiled(task: Task, known: DesignRef, having: Sequence[str]) -> Compiled:
    """Return the design at the task's bounds with these features, as far as it has
    them."""
    bounds, features = declared(known.cls)
    sizes = {k: v for k, v in task.sizes.bounds.items() if k in bounds}
    without = tuple(f for f in task.sizes.without if f in features)
    return compile_design(
        known.cls, sizes, without, tuple(f for f in having if f in features)
    )


def _invariants(task: Task, compiled: Compiled, masked: Masked) -> list[Property]:
    found = resolve(task.spec, compiled).properties
    return [p for p in found if p.name in masked.names]


def _all_of(some: Sequence[Property]) -> Property:
    """Return one property: the conjunction of the invariants."""
    formula = ir.and_(*(p.formula for p in some))
    return replace(some[0], formula=formula, antecedents=())


def _answer(
    task: Task,
    base: DesignRef,
    answer: PropertyAnswer,
    results: Sequence[HiddenResult],
    budget: Budget,
) -> PropertyAnswer:
    """Return the answer with the smallest set whose violation was hidden, if any."""
    name = answer.prop.name
    found = [r for r in results if name in r.names]
    if not found:
        return answer
    first = min(found, key=lambda r: (len(r.masked.having), _length(r)))
    new = _broken(task, name, _reduced(task, base, name, first, budget))
    return replace(
        answer,
        broken=(*answer.broken, new),
        new=(*answer.new, new),
        status=ExpectationStatus.UNMET,
    )


def _length(result: HiddenResult) -> int:
    assert result.trace is not None
    return len(result.trace)


def _reduced(
    task: Task, base: DesignRef, name: str, whole: HiddenResult, budget: Budget
) -> HiddenResult:
    """Return the result for the smallest part of the set with such a run. It has at
    most as many chosen features as the set."""
    masked = whole.masked
    for chosen, having in parts_of(task, (masked.chosen, masked.having)):
        if len(having) < len(masked.having):
            part = replace(masked, chosen=chosen, having=having)
            result = _asked(task, base, budget, part)
            if name in result.names:
                return result
    return whole


def _broken(task: Task, name: str, result: HiddenResult) -> MinimalViolation:
    masked, trace = result.masked, result.trace
    assert trace is not None
    compiled = _compiled(task, task.known, masked.having)
    (prop,) = (p for p in _invariants(task, compiled, masked) if p.name == name)
    verdict = Violated(trace, shortest=False)
    run = confirm(compiled, prop, trace)
    return MinimalViolation(
        prop, masked.chosen, masked.having, verdict, run, compiled, inherited=False
    )
