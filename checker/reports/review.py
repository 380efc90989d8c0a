# SPDX-License-Identifier: GPL-2.0-only
"""A review of one spec on all its designs, and what all of them count.

Each column says what its verdicts rest on: actions that never fired,
antecedents that were never true, and how many mutants the specs tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from poolproof.checker.core.text import WIDTH, count
from poolproof.checker.core.verdict import Unknown, Unreachable, Violated
from poolproof.checker.driver.assertions import listed_names, titles_asked
from poolproof.checker.driver.judging import (
    CheckResult,
    ExpectationStatus,
    PropertyResult,
)
from poolproof.checker.driver.scores import Scores
from poolproof.checker.driver.stored import stored_trace
from poolproof.checker.reports.check import assertions_summary, assumed_lines, settings
from poolproof.checker.reports.text import (
    broken_by,
    indented,
    run,
    table,
    trust,
    wrapped,
)
from poolproof.checker.reports.words import cell, short
from poolproof.model.language import declared

# --- one spec ---------------------------------------------------------------


def review_report(checked: Sequence[CheckResult], scores: Scores) -> list[str]:
    """Return one spec on all its designs: the bounds, a row for each property, a column
    for each design, what the columns rest on, and the traces."""
    spec = checked[0].task.spec
    lines = wrapped(f"{spec.file}: {spec.title}", "", "    ")
    for c in checked:
        text = f"{c.task.known.name}, {settings(c.task)}{_covered(c)}"
        lines += indented(text)
    lines += _tables(checked)
    rests = [
        line
        for c in checked
        for text in rests_on(c, scores, covered=False)
        for line in indented(f"{c.task.known.name}: {text}")
    ]
    if rests:
        lines += ["", *rests]
    traces = [line for c in checked for line in _traces(c)]
    if traces:
        lines += ["", *traces]
    for c in checked:
        for defect, replayed in c.defects:
            lines += ["", f"  {c.task.known.name}: THE MODEL IS WRONG"]
            lines += run(c.task.compiled, replayed)
            lines += broken_by(replayed, defect.message, defect.obligation)
    return lines


def ranking_report(done: Sequence[CheckResult]) -> list[str]:
    """Return for each spec a table of its properties and designs, those with the
    fewest violations first, and then what each design comes to in all of them."""
    designs = list(dict.fromkeys(c.task.known.name for c in done))
    counts = {d: _tally([c for c in done if c.task.known.name == d]) for d in designs}
    ranked = sorted(designs, key=lambda d: counts[d])
    lines: list[str] = []
    for group in each_spec(done):
        some = sorted(group, key=lambda c: ranked.index(c.task.known.name))
        spec = some[0].task.spec
        lines += ["", *wrapped(f"{spec.file}: {spec.title}", "", "    ")]
        lines += indented(settings(some[0].task))
        lines += _tables(some)
    totals = ("", "violated", "not known", "unexpected")
    tallies = [[d, *map(str, counts[d])] for d in ranked]
    return [*lines[1:], "", *table(totals, tallies)]


def _tally(checked: Sequence[CheckResult]) -> tuple[int, int, int]:
    """Return the numbers of properties that are violated, that are unknown, and that
    are not as expected."""
    answers = [a for c in checked for a in c.answers]
    bad = sum(isinstance(a.verdict, Violated | Unreachable) for a in answers)
    open_ = sum(isinstance(a.verdict, Unknown) for a in answers)
    return bad, open_, sum(a.status is ExpectationStatus.UNMET for a in answers)


def _tables(checked: Sequence[CheckResult]) -> list[str]:
    """Return a row for each property of a spec and a column for each design; those
    that do not fit side by side are further tables."""
    names = [*titles_asked(checked), *listed_names(checked)]
    cells = {(n, c.task.known.name): _cell(c, n) for n in names for c in checked}
    lines: list[str] = []
    for some in _columns(checked, cells):
        head = ["", *(c.task.known.name for c in some)]
        rows = [[n, *(cells[n, c.task.known.name] for c in some)] for n in names]
        lines += ["", *table(head, rows)]
    return lines


def _columns(
    checked: Sequence[CheckResult], cells: Mapping[tuple[str, str], str]
) -> Iterator[Sequence[CheckResult]]:
    """Yield the designs in groups that fit side by side."""
    first = max((len(name) for name, _ in cells), default=0) + 4
    room = WIDTH - first
    some: list[CheckResult] = []
    for c in checked:
        mine = [t for (_, design), t in cells.items() if design == c.task.known.name]
        wide = max(map(len, [*mine, c.task.known.name])) + 2
        if some and wide > room:
            yield some
            room, some = WIDTH - first, []
        room -= wide
        some.append(c)
    if some:
        yield some


def _covered(checked: CheckResult) -> str:
    for outcome in checked.outcomes:
        s = outcome.statistics
        if s.states:
            word = "" if s.complete else ", not all"
            if s.unobserved:
                word += f", without {', '.join(s.unobserved)}"
            return f": {count(s.states, 'state')}, depth {s.depth}{word}"
    return ""


def _cell(checked: CheckResult, name: str) -> str:
    answer = answer_of(checked, name)
    if answer is not None:
        odd = " !" if answer.status is ExpectationStatus.UNMET else ""
        return cell(answer.verdict) + odd
    missing = checked.task.resolved.missing.get(name)
    return "-" if missing is None else f"n/a: {missing}"


def _traces(checked: CheckResult) -> Iterator[str]:
    for answer in checked.answers:
        path = stored_trace(checked.task, answer.prop.name)
        if path is not None and answer.replay is not None:
            yield from indented(path)
        if answer.status is ExpectationStatus.UNMET:
            name = f"{checked.task.known.name} {answer.prop.name}"
            yield from wrapped(f"{name}: expected {answer.expected}", "  ! ", "    ")
        elif not answer.as_stated:
            text = f"{answer.prop.name}, the spec as written: {answer.expected}"
            yield from indented(f"{checked.task.known.name} {text}")


def each_spec(done: Sequence[CheckResult]) -> Iterator[list[CheckResult]]:
    """Yield the results of each spec; those of one spec stand side by side."""
    for _, some in groupby(done, key=lambda c: c.task.spec.file):
        yield list(some)


def answer_of(checked: CheckResult, name: str) -> PropertyResult | None:
    """Return what came out for a property; None if the design was not asked."""
    return next((a for a in checked.answers if a.prop.name == name), None)


def cell_text(checked: CheckResult, name: str) -> str:
    """Return a property's verdict in a few words, or why there is none."""
    answer = answer_of(checked, name)
    if answer is None:
        missing = checked.task.resolved.missing.get(name)
        return f"n/a: {missing}" if missing else "not checked"
    text = short(answer.verdict, answer.prop.kind)
    if answer.status is ExpectationStatus.UNMET:
        return f"{text}; expected: {answer.expected}"
    if not answer.as_stated:
        return f"{text}; the spec as written: {answer.expected}"
    return text


def rests_on(checked: CheckResult, scores: Scores, covered: bool = True) -> list[str]:
    """Return what the verdicts of a column rest on, the design's assumptions
    among them; with ``covered``, also how many states were visited."""
    task = checked.task
    bounds, _ = declared(task.known.cls)
    least = {name: bound.least for name, bound in bounds.items()}
    basis: list[str] = []
    for outcome in checked.outcomes:
        lines = trust(
            task.compiled.outline,
            task.resolved.properties,
            outcome,
            task.set_bounds,
            least,
            covered,
        )
        first = min((len(t) - len(t.lstrip()) for t in lines), default=0)
        for line in lines:
            if line[: first + 1].isspace() and basis:
                basis[-1] += " " + line.strip()
            else:
                basis.append(line.strip())
    asserted = assertions_summary(checked)
    if asserted:
        basis.append(asserted)
    basis += assumed_lines(checked)
    basis += [f"assumed: {text}" for text in task.known.cls.assumed]
    if task.known.cls in scores:
        basis.append(f"mutants: {scores[task.known.cls]}")
    return basis


# --- counted --------------------------------------------------------------


def totals(done: Sequence[CheckResult]) -> list[str]:
    """Return how many properties there are, and how many came out how."""
    judged = [a.status.value for c in done for a in c.answers]
    parts = [f"{len(judged)} properties"]
    for word, text in (
        ("expected", "as expected"),
        ("unexpected", "not as expected"),
        ("vacuous", "vacuous"),
        ("open", "unknown"),
    ):
        if word in judged:
            parts.append(f"{judged.count(word)} {text}")
    return ["", *wrapped(", ".join(parts))]
