# SPDX-License-Identifier: GPL-2.0-only
"""Runs, verdicts and the other answers for programs, as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from poolproof.checker.core.ir import (
    BOOL,
    EnumSort,
    ScalarSort,
    SetSort,
    Sort,
    show_raw,
)
from poolproof.checker.core.system import State, TransitionSystem
from poolproof.checker.core.verdict import (
    Holds,
    Outcome,
    Reached,
    Statistics,
    Unknown,
    Unreachable,
    Vacuous,
    Verdict,
    Violated,
)
from poolproof.checker.driver.assumptions import assumptions
from poolproof.checker.driver.guarantee import Guarantee
from poolproof.checker.driver.judging import CheckResult
from poolproof.checker.driver.mutate import MutantStatus
from poolproof.checker.driver.mutation_run import MutationRun
from poolproof.checker.driver.objections import PageCell, PageColumn
from poolproof.checker.driver.regressions import BugResult, Regression
from poolproof.checker.driver.size import Failure, Sized
from poolproof.checker.driver.triples import Triples
from poolproof.checker.evidence.replay import (
    Replay,
    ReplayedStep,
    show_result,
    show_step,
)
from poolproof.checker.evidence.trace_file import Heading
from poolproof.checker.reports.branches import branches_json
from poolproof.checker.reports.page import (
    Overview,
    column_assumptions,
    objection_rows,
    taken_for_granted,
)
from poolproof.checker.reports.size import SizeAnswer
from poolproof.checker.reports.words import key


def text(value: Any) -> str:
    """Return JSON text, the same every time."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


# --- values ---------------------------------------------------------------


def plain(sort: Sort, raw: int) -> Any:
    """Return a raw value as JSON has it: numbers, booleans, names, lists, null."""
    match sort:
        case ScalarSort(size=size) if raw == size:
            return None
        case EnumSort() | ScalarSort():
            return show_raw(sort, raw)
        case SetSort(domain=domain):
            return [plain(domain.sort, v) for k, v in enumerate(domain) if raw >> k & 1]
        case _ if sort is BOOL:
            return bool(raw)
        case _:
            return raw


def state_json(system: TransitionSystem, state: State) -> dict[str, Any]:
    """Return every cell by its name."""
    return {
        cell.name: plain(cell.variable.element, raw)
        for cell, raw in zip(system.cells, state, strict=True)
    }


def _arguments(system: TransitionSystem, taken: ReplayedStep) -> dict[str, Any]:
    action = system.action_by_name[taken.step.action]
    return {
        p.name: plain(p.domain.sort, raw)
        for p, raw in zip(action.parameters, taken.step.arguments, strict=True)
    }


def run_json(system: TransitionSystem, replayed: Replay) -> dict[str, Any]:
    """Return the initial state and, for each step, the call and what it changed."""
    steps = []
    before = replayed.trace.initial
    for taken in replayed.taken:
        action = system.action_by_name[taken.step.action]
        changed = {
            cell.name: plain(cell.variable.element, b)
            for cell, a, b in zip(system.cells, before, taken.state, strict=True)
            if a != b
        }
        result = None if taken.result is None else show_result(action, taken.result)
        steps.append(
            {
                "action": taken.step.action,
                "arguments": _arguments(system, taken),
                "result": result,
                "kernel": action.kernel,
                "changes": changed,
            }
        )
        before = taken.state
    found: dict[str, Any] = {
        "initial": state_json(system, replayed.trace.initial),
        "steps": steps,
    }
    if replayed.failing is not None:
        found["failing"] = show_step(system, replayed.failing)
    if replayed.failure:
        found["failure"] = replayed.failure
    if replayed.trace.loop is not None:
        found["loop"] = replayed.trace.loop
    return found


def trace_json(
    heading: Heading, system: TransitionSystem, replayed: Replay
) -> dict[str, Any]:
    """Return a stored trace: its heading, and the run."""
    return {
        "design": heading.design,
        "bounds": dict(sorted(heading.bounds.items())),
        "without": list(heading.without),
        "with": list(heading.having),
        "spec": heading.spec,
        "property": heading.property,
        "title": heading.title,
        "source": heading.source,
        "shows": heading.shows,
        "depth": heading.depth,
        "shortest": heading.shortest,
        "assuming": list(heading.assuming),
        **run_json(system, replayed),
    }


# --- checks ---------------------------------------------------------------


def check_json(checked: Sequence[CheckResult], code: int) -> dict[str, Any]:
    """Return everything that a check prints."""
    return {"exit": code, "checks": [one_check(c) for c in checked]}


def review_json(view: Overview, code: int) -> dict[str, Any]:
    """Return everything that a review prints: its checks, its scenarios, and the page's
    table."""
    made = check_json(view.done, code)
    made["columns"] = [_column(c, view) for c in view.columns]
    made["objections"] = [
        {
            "words": objection.words,
            "who": objection.who,
            "cells": [_cell(cell) for cell in cells],
        }
        for objection, cells in objection_rows(view)
    ]
    if view.sizes is not None:
        made["sizes"] = [
            size_json(scenario.partition(".")[2], design, found)
            for (scenario, design), found in view.sizes.found.items()
        ]
    return made


def _column(column: PageColumn, view: Overview) -> dict[str, Any]:
    return {
        "title": column.title,
        "status": column.status,
        "designs": [k.reference for k in column.designs],
        "assumed": taken_for_granted(column),
        "assuming": column_assumptions(column),
        "scores": [view.scores.get(k.cls) for k in column.designs],
        "conformance": [view.conformance.get(k.cls) for k in column.designs],
    }


def _cell(cell: PageCell) -> dict[str, Any]:
    """The worst answer first."""
    return {
        "missing": cell.missing or None,
        "answers": [
            {
                "design": a.checked.task.known.reference,
                "spec": a.checked.task.spec.file,
                "property": a.answer.prop.name,
                "verdict": key(a.answer.verdict),
                "judgement": a.answer.status.value,
            }
            for a in cell.answers
        ],
    }


def one_check(checked: CheckResult) -> dict[str, Any]:
    """Return the result of one spec on one design."""
    task = checked.task
    system = task.compiled.system
    return {
        "spec": task.spec.file,
        "title": task.spec.title,
        "design": task.known.reference,
        "bounds": dict(sorted(task.compiled.bounds.items())),
        "without": list(task.sizes.without),
        "with": list(task.sizes.having),
        "interrupted": checked.interrupted,
        "properties": [
            {
                "name": a.prop.name,
                "kind": a.prop.kind.value,
                "assertion": a.prop.assertion,
                "title": a.prop.title,
                "source": a.prop.source,
                "expected": a.expected,
                "judgement": a.status.value,
                "as_stated": a.as_stated,
                "verdicts": [
                    {"engine": engine, **_verdict(verdict)}
                    for engine, verdict in a.verdicts
                ],
                "trace": a.replay and run_json(system, a.replay),
            }
            for a in checked.answers
        ],
        "assumptions": list(map(asdict, assumptions(checked))),
        "missing": dict(task.resolved.missing),
        "branches": branches_json(checked.branches),
        "defects": [
            {
                "message": defect.message,
                "at": str(defect.obligation.span) if defect.obligation else None,
                "trace": run_json(system, replayed),
            }
            for defect, replayed in checked.defects
        ],
        "mistakes": [str(m) for m in checked.mistakes],
        "engines": [_outcome(o) for o in checked.outcomes],
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {"verdict": key(verdict), **_figures(verdict)}


def _figures(verdict: Verdict) -> dict[str, Any]:
    match verdict:
        case Holds(exhaustive=True) | Unreachable():
            return {"states": verdict.states, "depth": verdict.depth}
        case Holds(certificate=certificate):
            return {
                "params": list(certificate.params) if certificate else [],
                "k": certificate.k if certificate else 1,
                "lemmas": list(certificate.lemmas) if certificate else [],
                **(
                    {"with": list(certificate.relations)}
                    if certificate and certificate.relations
                    else {}
                ),
            }
        case Violated() | Reached():
            return {"steps": len(verdict.trace), "shortest": verdict.shortest}
        case Vacuous(reason=reason, of=of):
            return {"reason": reason, "of": _verdict(of)}
        case Unknown(reason=reason, depth=depth):
            return {"reason": reason, "depth": depth}


def _outcome(outcome: Outcome) -> dict[str, Any]:
    s: Statistics = outcome.statistics
    return {
        "engine": outcome.engine,
        "states": s.states,
        "transitions": s.transitions,
        "depth": s.depth,
        "complete": s.complete,
        "deadlocks": s.deadlocks,
        "fired": dict(s.fired),
        "unobserved": list(s.unobserved),
        "notes": list(s.notes),
    }


# --- sizes, guarantees, mutants -------------------------------------------


def sizes_json(answers: Sequence[SizeAnswer], code: int) -> dict[str, Any]:
    """Return everything that `size` prints."""
    return {"exit": code, "answers": [_size_answer(a) for a in answers]}


def _size_answer(answer: SizeAnswer) -> dict[str, Any]:
    scenario = answer.scenario.name.text
    if answer.found is not None:
        return size_json(scenario, answer.design, answer.found)
    return {"scenario": scenario, "design": answer.design, "missing": answer.missing}


def size_json(scenario: str, design: str, found: Sized) -> dict[str, Any]:
    """Return a scenario's answer on one design: each size, and how it fails."""
    return {
        "scenario": scenario,
        "design": design,
        "bound": found.bound,
        "smallest": found.smallest,
        "assumptions": list(map(asdict, found.assumptions)),
        "unobserved": list(found.unobserved),
        "sizes": [
            {
                "size": at.size,
                "states": at.states,
                "guaranteed": at.guaranteed,
                "unknown": at.unknown,
                "failure": None if at.failure is None else _failure_json(at.failure),
            }
            for at in found.sizes
        ],
    }


def _failure_json(failure: Failure) -> dict[str, Any]:
    run = run_json(failure.compiled.system, failure.replay)
    return {"kind": failure.kind, "who": list(failure.who), **run}


def guarantee_json(done: Sequence[Guarantee]) -> list[dict[str, Any]]:
    """Return the report of `guarantee`, with every combination."""
    return [
        {
            "design": g.known.name,
            "spec": g.spec,
            "property": g.name,
            "sizes": [dict(s) for s in g.sizes],
            "missing": g.missing,
            "stopped": g.stopped,
            "assumptions": list(map(asdict, g.assumptions)),
            "findings": [
                {
                    "features": list(f.features),
                    "needed": list(f.needed),
                    "effect": f.effect,
                    "broken_after": f.depth,
                    "complete": f.complete,
                    "vacuous": f.vacuous,
                    "defect": f.defect,
                    "assertion": f.assertion,
                }
                for f in g.findings
            ],
        }
        for g in done
    ]


def triples_json(done: Sequence[Triples], code: int) -> dict[str, Any]:
    """Return the results of the specs with any three features together."""
    return {
        "exit_code": code,
        "specs": [
            {
                "spec": t.task.spec.file,
                "design": t.task.known.name,
                "bounds": dict(t.task.set_bounds),
                "features": list(t.features),
                "sets": t.sets,
                "searched": t.searched,
                "searched_again": t.hidden,
                "searched_again_unknown": t.hidden_unknown,
                "states": t.states,
                "defects": [{"with": list(f), "message": m} for f, m in t.defects],
                "properties": [
                    {
                        "name": a.prop.name,
                        **_verdict(a.verdict),
                        "status": a.status.value,
                        "violated_with": [
                            {
                                "features": list(b.chosen),
                                "needed": [f for f in b.having if f not in b.chosen],
                                "steps": len(b.verdict.trace),
                                "new": b in a.new,
                                "run": run_json(b.compiled.system, b.replay),
                            }
                            for b in a.broken
                        ],
                    }
                    for a in t.answers
                ],
            }
            for t in done
        ],
    }


def bugs_json(found: Sequence[BugResult]) -> list[dict[str, Any]]:
    """Return the catalogue of bugs, with what finds each of them."""
    return [_found(f) for f in found]


def regressions_json(design: str, done: Sequence[Regression]) -> dict[str, Any]:
    """Return the bugs that a design has again."""
    return {
        "design": design,
        "asked": sum(not r.found.missing for r in done),
        "back": [r.found.entry.name for r in done if r.is_back],
        "entries": [{**_found(r.found), "is_back": r.is_back} for r in done],
    }


def _found(f: BugResult) -> dict[str, Any]:
    bug = f.entry.bug
    return {
        "commit": bug.commit,
        "release": bug.release,
        "symptom": bug.symptom,
        "features": list(bug.features),
        "bounds": dict(bug.bounds),
        "property": bug.detected,
        "missing": f.missing,
        "steps": f.steps,
        "states": f.states,
        "seconds": round(f.seconds, 1),
        "run": None
        if f.replay is None or f.compiled is None
        else run_json(f.compiled.system, f.replay),
    }


def mutation_json(done: MutationRun) -> dict[str, Any]:
    """Return the report of `mutate`, with all texts in full."""
    fates = [r.fate for r in done.results]
    return {
        "design": done.design,
        "specs": list(done.specs),
        "incomplete": list(done.incomplete),
        "inherits": list(done.bases),
        "mutants": done.total,
        "tried": len(done.results),
        "seed": done.seed,
        "text": done.text,
        "states": done.states,
        "stopped": done.stopped,
        "score": None if done.score is None else round(done.score, 4),
        **{f.value: fates.count(f) for f in MutantStatus},
        "results": [
            {
                "file": r.mutant.span.file,
                "line": r.mutant.span.line,
                "method": r.mutant.method,
                "kind": r.mutant.kind,
                "what": r.mutant.what,
                "fate": f.value,
                "by": r.by,
            }
            for f in MutantStatus
            for r in done.of(f)
        ],
    }
