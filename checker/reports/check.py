# SPDX-License-Identifier: GPL-2.0-only
"""One spec checked on one design, as plain text of 75 columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from poolproof.checker.core.property import Kind
from poolproof.checker.core.text import WIDTH
from poolproof.checker.core.verdict import Holds, Unknown, Verdict, Violated
from poolproof.checker.driver.assertions import listed
from poolproof.checker.driver.assumptions import assumptions
from poolproof.checker.driver.judging import (
    CheckResult,
    ExpectationStatus,
    PropertyResult,
)
from poolproof.checker.driver.task import Task
from poolproof.checker.frontend.overrides import idle_methods
from poolproof.checker.reports.branches import branch_lines
from poolproof.checker.reports.text import (
    broken_by,
    indented,
    run,
    table,
    trust,
    why,
    wrapped,
)
from poolproof.checker.reports.words import assuming, sentence, short, sizes
from poolproof.model.language import declared


def check_report(
    checked: CheckResult, stored: Mapping[str, str], verbose: bool
) -> list[str]:
    """Return the verdicts of one spec on one design, what they rest on, and the runs
    that nobody expected (with ``verbose``, all runs)."""
    task = checked.task
    lines = wrapped(f"{task.spec.file}: {task.spec.title}", "", "    ")
    lines += indented(_circumstances(task))
    for span, name in idle_methods(task.known.cls):
        lines += indented(
            f"{span}: nothing calls {name}: write @action above it, or remove it"
        )
    lines += ["", *table(("", ""), _rows(checked))]
    lines += _below(checked)
    for outcome in checked.outcomes:
        basis = trust(
            task.compiled.system,
            task.resolved.properties,
            outcome,
            task.set_bounds,
            _least(task),
        )
        if basis:
            lines += ["", f"  {outcome.engine}", *basis]
    for defect, replayed in checked.defects:
        lines += ["", "THE MODEL IS WRONG"]
        lines += run(task.compiled, replayed)
        lines += broken_by(replayed, defect.message, defect.obligation)
    for answer in checked.answers:
        if answer.replay is None:
            continue
        if verbose or answer.status is ExpectationStatus.UNMET:
            lines += ["", *answer_run(task, answer)]
        if answer.prop.name in stored:
            lines += ["", *wrapped(f"stored in {stored[answer.prop.name]}", "  ")]
    return lines


def _below(checked: CheckResult) -> list[str]:
    """Return the lines below the verdicts: assertions, assumptions, branches."""
    asserted = assertions_summary(checked)
    lines = ["", *indented(asserted)] if asserted else []
    assumed = assumed_lines(checked)
    if assumed:
        lines.append("")
        for line in assumed:
            lines += indented(line)
    never = branch_lines(checked.branches, checked.task.set_bounds)
    return lines + (["", *never] if never else [])


def _circumstances(task: Task) -> str:
    return f"{task.known.name}, " + settings(task)


def settings(task: Task) -> str:
    """Return ``B=2 V=3, with fork split, without swap``."""
    own = task.sizes
    return sizes(task.set_bounds, own.having, own.without) or "no bounds"


def assertions_summary(checked: CheckResult) -> str:
    """Return ``kernel assertions: 12, none violated``, and the same of the
    design's own invariants; empty where there are neither."""
    implicit = [a for a in checked.answers if a.prop.assertion]
    own = [a for a in implicit if a.prop.assertion == "invariant"]
    kernel = [a for a in implicit if a not in own]
    parts = (("kernel assertions", kernel), ("own invariants", own))
    return "; ".join(f"{name}: {_counted(some)}" for name, some in parts if some)


def assumed_lines(checked: CheckResult) -> list[str]:
    """Return a line for each assumption of the design, and what it cut."""
    return [assuming(a) for a in assumptions(checked)]


def _counted(answers: Sequence[PropertyResult]) -> str:
    """Return ``12, none violated, 2 unknown``."""
    violated = sum(isinstance(a.verdict, Violated) for a in answers)
    unknown = sum(isinstance(a.verdict, Unknown) for a in answers)
    text = f"{len(answers)}, {violated or 'none'} violated"
    return text + (f", {unknown} unknown" if unknown else "")


def _rows(checked: CheckResult) -> list[tuple[str, str]]:
    """Each property and its verdicts, in as many words as fit on a line."""
    task, answers = checked.task, listed(checked)
    names = [a.prop.name for a in answers]
    room = WIDTH - 4 - max(map(len, names), default=0)

    def full(verdict: Verdict, kind: Kind) -> str:
        return sentence(verdict, kind, task.set_bounds, _least(task))

    def unbound(verdict: Verdict, kind: Kind) -> str:
        return sentence(verdict, kind, {}, _least(task))

    for words in (full, unbound, short):
        texts = [_verdict_text(a, words) for a in answers]
        if all(len(text) <= room for text in texts):
            break
    rows = list(zip(names, texts, strict=True))
    return rows + [(n, f"n/a: {why}") for n, why in task.resolved.missing.items()]


def _least(task: Task) -> dict[str, int | None]:
    bounds, _ = declared(task.known.cls)
    return {name: bound.least for name, bound in bounds.items()}


def _verdict_text(answer: PropertyResult, words: Callable[[Verdict, Kind], str]) -> str:
    """Return the verdict of each engine; the Unknown of one of several has a line of
    its own."""
    given = [v for _, v in answer.verdicts]
    known = [v for v in given if not isinstance(v, Unknown)] or given[:1]
    known.sort(key=lambda v: isinstance(v, Holds) and not v.exhaustive)
    text = "; ".join(words(v, answer.prop.kind) for v in known)
    if answer.status is ExpectationStatus.UNMET:
        return f"{text}; EXPECTED: {answer.expected}"
    if not answer.as_stated:
        return f"{text}; the spec as written: {answer.expected}"
    if isinstance(answer.verdict, Violated):
        return f"{text}, as expected"
    return text


def answer_run(task: Task, answer: PropertyResult) -> list[str]:
    """Return a property's run in full, and why it counts."""
    prop, system = answer.prop, task.compiled.system
    title = f": {prop.title}" if prop.title else ""
    lines = wrapped(f"{prop.name}{title}", "", "    ")
    if prop.source:
        lines += wrapped(f"({prop.source})", "  ", "   ")
    assert answer.replay is not None
    lines += run(task.compiled, answer.replay)
    return [*lines, *why(system, prop, answer.replay)]
