# SPDX-License-Identifier: GPL-2.0-only
"""A check: one spec on one design, by one engine or several.

Every violation and witness is replayed before it is returned, and the verdicts of
the engines are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.limits import Spent, doing
from poolproof.checker.core.property import Property
from poolproof.checker.core.verdict import Budget, Outcome, Reporter, Shown, Unknown
from poolproof.checker.driver.any_size import (
    KeptBound,
    Opened,
    kept_for,
    opened,
    params,
)
from poolproof.checker.driver.branches import coverage, watching, with_branches
from poolproof.checker.driver.judging import CheckResult, judge
from poolproof.checker.driver.stated import with_stated
from poolproof.checker.driver.task import Task
from poolproof.checker.engines import registry
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.spec import Resolved, resolve
from poolproof.model.language import structural

EXHAUSTIVE = "exhaustive"
"""explicit or native, by the system's size and by whether there is a compiler:
what a review runs."""


def engines() -> dict[str, str]:
    """Return the choices of --engine, each with its line of help. The default is
    `auto` in a check, and EXHAUSTIVE in a review."""
    auto = "every state within the bounds, then a proof for any size"
    return {"auto": auto, **{row.name: row.help for row in registry.choices()}}


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
    task: Task,
    outcomes: tuple[Outcome, ...],
    budget: Budget,
    interrupted: bool,
    kept: bool = False,
) -> CheckResult:
    """Return what the outcomes say of each property, with every run replayed; see
    `judge`."""
    with budget.limited(), doing("replaying the runs"):
        checked = judge(task, outcomes, interrupted, kept)
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


def _not_refuted(
    resolved: Resolved, before: Sequence[Outcome], engine: str = ""
) -> tuple[Property, ...]:
    """Return what no engine before refuted; after another engine, only what this one
    decides."""
    refuted = {n for o in before for n, v in o.verdicts.items() if isinstance(v, Shown)}
    kinds = registry.row(engine).decides if engine and before else None
    return tuple(
        p
        for p in (*resolved.properties, *resolved.obligations)
        if p.name not in refuted and (kinds is None or p.kind in kinds)
    )


def _nothing_proved(properties: Sequence[Property], spent: Spent) -> Outcome:
    return Outcome("prove", {p.name: Unknown(str(spent)) for p in properties})


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
    settled = any(o.statistics.complete for o in before)
    try:
        with doing("leaving the bounds open"):
            compiled, resolved = open_sizes(task)
    except Spent as spent:
        return _nothing_proved(task.resolved.properties, spent)
    if settled and not compiled.system.least:
        return None  # nothing is left to be shown
    queries = _not_refuted(resolved, before, "prove")
    if not queries:
        return None
    system = compiled.system
    return registry.ask("prove", system, queries, budget, report, compiled)


def _any_number(
    task: Task, before: Sequence[Outcome], budget: Budget, report: Reporter
) -> Outcome:
    """Proves what no engine before refuted, for any number of elements."""
    named = _not_refuted(task.resolved, before)
    kept: tuple[KeptBound, ...] = ()
    while True:
        try:
            with doing("leaving the sizes open"):
                found = opened_sizes(task, kept)
                compiled = with_stated(found.compiled, task.spec)
        except Spent as spent:
            return _nothing_proved(named, spent)
        queries = _not_refuted(found.resolved, before, "anysize")
        system = compiled.system
        outcome = registry.ask("anysize", system, queries, budget, report, compiled)
        loop = outcome.statistics.loop
        if loop is None or not loop.turns:
            break
        kept = (*found.kept, *kept_for(loop, task.compiled))
    lost = {
        p.name: Unknown("no formula for it with these sizes open")
        for p in named
        if p.name not in outcome.verdicts and not before
    }
    notes = (*(str(k) for k in found.kept), *outcome.statistics.notes)
    return replace(
        outcome,
        verdicts={**outcome.verdicts, **lost},
        statistics=replace(outcome.statistics, notes=notes),
    )


def opened_sizes(task: Task, kept: Iterable[KeptBound] = ()) -> Opened:
    """Return the task with the bounds open that its request names, except ``kept``."""
    known = task.known.cls
    return opened(known, task.spec, task.sizes, task.compiled, task.any_size, kept)


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
        used = params(compiled, resolved)
        if used == free:
            return compiled, resolved
        free = used
    return task.compiled, task.resolved
