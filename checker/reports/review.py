# SPDX-License-Identifier: GPL-2.0-only
"""The review: every spec on every design, and all on one page.

Each column says what its verdicts rest on: actions that never fired,
antecedents that were never true, and how many mutants the specs tell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from poolproof.checker.core.text import WIDTH, count
from poolproof.checker.driver.assertions import listed, listed_names
from poolproof.checker.driver.check import (
    CheckResult,
    ExpectationStatus,
    PropertyResult,
)
from poolproof.checker.driver.review import LeastPools
from poolproof.checker.driver.scores import Scores
from poolproof.checker.driver.stored import stored_trace
from poolproof.checker.reports.check import (
    assertions_summary,
    assumed_lines,
    settings,
)
from poolproof.checker.reports.text import broken_by, run, table, trust, wrapped
from poolproof.checker.reports.words import MARKS, cell, counted, mark, short
from poolproof.model.language import declared

LETTERS = (
    "8e: success is guaranteed from 8 on; with 7 a call fails that comes before "
    "the use of what it promises (l: a later one, s: all wait for ever, b: an "
    "invariant breaks). >9l: not at 9 either."
)


def sizes_title(sizes: LeastPools) -> str:
    """Return what the rows of the least pools are called."""
    return f"{Path(sizes.spec.file).stem}: the least pool"


def least_pool(sizes: LeastPools, scenario: str, design: str) -> str:
    """The least size and how the one below fails, by the first letter:
    ``8e``. ``>9l``: not even at 9. Empty: not this design's."""
    found = sizes.found.get((scenario, design))
    if found is None:
        return ""
    below = found.just_below()
    how = "" if below is None or below.failure is None else below.failure.kind
    if how not in ("early", "late", "stuck"):
        how = how and "breaks"
    if found.smallest is not None:
        return f"{found.smallest}{how[:1]}"
    if any(at.unknown for at in found.sizes):
        return "?"
    return f">{found.sizes[-1].size}{how[:1]}" if found.sizes else "?"


def size_rows(
    sizes: LeastPools, designs: Sequence[str]
) -> Iterator[tuple[str, list[str]]]:
    """Each scenario that some of the designs have, with their cells."""
    for scenario in sizes.spec.scenarios:
        name = scenario.name.text
        cells = [least_pool(sizes, name, design) for design in designs]
        if any(cells):
            yield name, cells


# --- one spec ---------------------------------------------------------------


def review_report(checked: Sequence[CheckResult], scores: Scores) -> list[str]:
    """One spec on all its designs: the bounds, a row for each property, a
    column for each design, what the columns rest on, and the traces."""
    spec = checked[0].task.spec
    lines = wrapped(f"{spec.file}: {spec.title}", "", "    ")
    for c in checked:
        text = f"{c.task.known.name}, {settings(c.task)}{_covered(c)}"
        lines += wrapped(text, "  ", "    ")
    names = [claim.name.text for claim in spec.claims] + listed_names(checked)
    cells = {
        (name, c.task.known.name): _cell(c, name) for name in names for c in checked
    }
    for some in _columns(checked, cells):
        head = ["", *(c.task.known.name for c in some)]
        rows = [[n, *(cells[n, c.task.known.name] for c in some)] for n in names]
        lines += ["", *table(head, rows)]
    rests = [
        line
        for c in checked
        for text in rests_on(c, scores, covered=False)
        for line in wrapped(f"{c.task.known.name}: {text}", "  ", "    ")
    ]
    if rests:
        lines += ["", *rests]
    traces = [line for c in checked for line in _traces(c)]
    if traces:
        lines += ["", *traces]
    for c in checked:
        for defect, replayed in c.defects:
            lines += ["", f"  {c.task.known.name}: THE MODEL IS WRONG"]
            lines += run(c.task.compiled.system, replayed)
            lines += broken_by(replayed, defect.message, defect.obligation)
    return lines


def _columns(
    checked: Sequence[CheckResult], cells: Mapping[tuple[str, str], str]
) -> Iterator[Sequence[CheckResult]]:
    """As many designs as fit side by side."""
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
            yield from wrapped(path, "  ", "    ")
        if answer.status is ExpectationStatus.UNMET:
            name = f"{checked.task.known.name} {answer.prop.name}"
            yield from wrapped(f"{name}: expected {answer.expected}", "  ! ", "    ")
        elif not answer.as_stated:
            text = f"{answer.prop.name}, the spec as written: {answer.expected}"
            yield from wrapped(f"{checked.task.known.name} {text}", "  ", "    ")


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
        return f"n/a: {missing}" if missing else "not asked"
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
            task.compiled.system,
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


# --- on one page ----------------------------------------------------------

_MANY = 4
"""A spec on so many designs has rows of its own on the page."""
_NARROW = 6


def page(done: Sequence[CheckResult], sizes: LeastPools | None = None) -> list[str]:
    """Designs across, properties down; specs on few designs are counted."""
    by_spec: dict[str, list[CheckResult]] = {}
    for c in done:
        by_spec.setdefault(c.task.spec.file, []).append(c)
    many = [some for some in by_spec.values() if len(some) >= _MANY]
    few = [some for some in by_spec.values() if len(some) < _MANY]
    lines: list[str] = []
    names = list(dict.fromkeys(c.task.known.name for some in many for c in some))
    for start in range(0, len(names), 9):
        lines += _across(many, names[start : start + 9], sizes)
    others: dict[str, list[CheckResult]] = {}
    for c in (c for some in few for c in some):
        others.setdefault(c.task.known.name, []).append(c)
    if others:
        head = ("", "specs of its own: properties" if lines else "specs: properties")
        rows = [(name, _counted(some)) for name, some in others.items()]
        lines += [*([""] if lines else []), *table(head, rows)]
    left = [name for name in sizes.designs if name not in names] if sizes else []
    if sizes and left:
        sized = [(name, *cells) for name, cells in size_rows(sizes, left)]
        lines += [
            "",
            *wrapped(sizes_title(sizes), "  "),
            *table(("", *left), sized),
            "",
        ]
        lines += wrapped(LETTERS, "  ", "  ")
    return lines


def _across(
    many: Sequence[Sequence[CheckResult]],
    names: Sequence[str],
    sizes: LeastPools | None,
) -> list[str]:
    letters = {name: chr(ord("A") + k) for k, name in enumerate(names)}
    legend = "   ".join(f"{letter} {name}" for name, letter in letters.items())
    lines = wrapped(legend, "  ", "  ")
    first = WIDTH - _NARROW * len(names)
    lines += ["", " " * first + "".join(f"{x:<{_NARROW}}" for x in letters.values())]
    for some in many:
        here = {c.task.known.name: c for c in some}
        lines.append(Path(some[0].task.spec.file).stem)
        claims = [claim.name.text for claim in some[0].task.spec.claims]
        for name in claims + listed_names(some):
            cells = [_brief(here[n], name) if n in here else "" for n in names]
            lines += _row(name, cells)
    text = list(size_rows(sizes, names)) if sizes else []
    if sizes and text:
        lines.append(sizes_title(sizes))
        lines += [line for name, cells in text for line in _row(name, cells)]
    lines += [
        "",
        *wrapped(
            MARKS + (f" {LETTERS}" if text else ""),
            "  ",
            "  ",
        ),
    ]
    return [line.rstrip() for line in lines]


def _row(name: str, cells: Sequence[str]) -> list[str]:
    first = WIDTH - _NARROW * len(cells)
    left = [f"  {name}"]
    if len(left[0]) >= first:
        left.append("")
    left[-1] = f"{left[-1]:<{first}}" + "".join(f"{x:<{_NARROW}}" for x in cells)
    return left


def _brief(checked: CheckResult, name: str) -> str:
    answer = answer_of(checked, name)
    if answer is None:
        return "-"
    odd = "!" if answer.status is ExpectationStatus.UNMET else ""
    return mark(answer.verdict) + odd


def _counted(some: Sequence[CheckResult]) -> str:
    """How the properties of some specs on one design came out."""
    words: Counter[str] = Counter()
    for answer in (a for c in some for a in listed(c)):
        words[counted(answer.verdict)] += 1
    text = ", ".join(f"{n} {word}" for word, n in words.most_common())
    return f"{len(some)}: {text}"


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
