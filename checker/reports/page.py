# SPDX-License-Identifier: GPL-2.0-only
"""The page of a review: the objections, what each proposal answers, on what that
rests, and a few runs in full.

`overview` has what all forms of the page say; `page` is its plain text, at most
150 lines of 75 columns for the shipped page.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count as numbers
from pathlib import Path
from string import ascii_lowercase

from poolproof.checker.core.bounds import show_bounds
from poolproof.checker.core.text import WIDTH
from poolproof.checker.driver.assertions import listed_names, titles_asked
from poolproof.checker.driver.assumptions import assumptions
from poolproof.checker.driver.check import CheckResult, ExpectationStatus
from poolproof.checker.driver.objections import (
    Asked,
    PageCell,
    PageColumn,
    answered,
    columns,
    property_of,
)
from poolproof.checker.driver.review import LeastPools
from poolproof.checker.driver.scores import Scores
from poolproof.checker.driver.size import Failure, Sized
from poolproof.checker.driver.stored import trace_name
from poolproof.checker.evidence.replay import Replay
from poolproof.checker.reports.check import settings
from poolproof.checker.reports.lanes import Lanes
from poolproof.checker.reports.schedule import Call, schedule_lines
from poolproof.checker.reports.text import wrapped
from poolproof.checker.reports.words import MARKS, assuming, cell_mark, mark
from poolproof.checker.spec.page import Objection, Page, ShownRun, Upgrade

KEY = (
    "V5.a: spec a is violated after 5 steps; no.a: what should be possible is not; "
    "ok.a: no violation of any property asked, within bounds like those of a; ?3: "
    "unknown past 3 steps; vac: what it is about never happens; n/a: the design has "
    "no such thing; -: not asked; !: not as expected. 22e: the least pool, and how one "
    "less fails: e early, l late, s all wait for ever, b an invariant breaks."
)
"""What the cells of the table mean."""


NO_FIGURES = "mutants and conformance: none stored"


@dataclass(frozen=True)
class Overview:
    """What the page is made of. ``conformance`` and ``scores`` are in words."""

    page: Page
    done: Sequence[CheckResult]
    columns: Sequence[PageColumn]
    scores: Scores
    conformance: Mapping[type, str]
    sizes: LeastPools | None
    keys: dict[str, str] = field(default_factory=dict)

    def key(self, checked: CheckResult) -> str:
        """Return the letter of a check's spec; the next one, if it has none."""
        file = checked.task.spec.file
        if file not in self.keys:
            self.keys[file] = _letters(len(self.keys))
        return self.keys[file]


def _letters(number: int) -> str:
    """Return a, b, ... z, aa, ab, ..."""
    first, last = divmod(number, len(ascii_lowercase))
    return (_letters(first - 1) if first else "") + ascii_lowercase[last]


def overview(
    page: Page,
    done: Sequence[CheckResult],
    given: Sequence[str],
    scores: Scores,
    sizes: LeastPools | None = None,
    conformance: Mapping[type, str] | None = None,
) -> Overview:
    """Return the page of what was ``done``. Designs that are ``given`` and in no
    column get one each."""
    found = columns(page, done, given)
    return Overview(page, done, found, scores, conformance or {}, sizes)


# --- the table --------------------------------------------------------------


def objection_rows(view: Overview) -> Iterator[tuple[Objection, list[PageCell]]]:
    """Yield each objection that some spec asks a column, with the columns' cells."""
    for objection in view.page.objections:
        cells = [answered(objection, column) for column in view.columns]
        if any(cell.answers or cell.missing for cell in cells):
            yield objection, cells


def upgrade_rows(
    view: Overview,
) -> Iterator[tuple[Upgrade, list[Sized | None]]]:
    """Yield each row of least pools, with the columns' largest ones."""
    if view.sizes is None:
        return
    for upgrade in view.page.upgrades:
        cells: list[Sized | None] = []
        for column in view.columns:
            found = [
                view.sizes.found[w.text, k.name]
                for w in upgrade.scenarios
                for k in column.designs
                if (w.text, k.name) in view.sizes.found
            ]
            cells.append(max(found, key=_needed, default=None))
        if any(cells):
            yield upgrade, cells


def _needed(found: Sized) -> float:
    return float("inf") if found.smallest is None else found.smallest


def cell_text(cell: PageCell, view: Overview) -> str:
    """Return ``V5.a``: the worst answer, and the key of its spec."""
    if not cell.answers:
        return "n/a" if cell.missing else "-"
    worst = cell.answers[0]
    odd = any(a.answer.status is ExpectationStatus.UNMET for a in cell.answers)
    word = cell_mark(worst.answer.verdict)
    return f"{word}.{view.key(worst.checked)}" + ("!" if odd else "")


def least_pool(found: Sized | None) -> str:
    """Return the least size and how the one below fails, by the first letter:
    ``8e``. ``>9l``: not even at 9. ``-``: no such scenario."""
    if found is None:
        return "-"
    below = found.just_below()
    how = "" if below is None or below.failure is None else below.failure.kind
    if how not in ("early", "late", "stuck"):
        how = how and "breaks"
    if found.smallest is not None:
        return f"{found.smallest}{how[:1]}"
    if any(at.unknown for at in found.sizes):
        return "?"
    return f">{found.sizes[-1].size}{how[:1]}" if found.sizes else "?"


def spec_settings(file: str, done: Sequence[CheckResult]) -> str:
    """Return the bounds and features of a spec, over all designs."""
    bounds: dict[str, int] = {}
    having: dict[str, None] = {}
    for c in done:
        if c.task.spec.file == file:
            bounds |= c.task.set_bounds
            having |= dict.fromkeys(c.task.sizes.having)
    parts = [show_bounds(bounds), "with " + " ".join(having) if having else ""]
    return ", ".join(p for p in parts if p) or "no bounds"


# --- what columns rest on ----------------------------------------------------


def column_assumptions(column: PageColumn) -> list[str]:
    """Return each `assume` of the column's designs once, with all that it cut."""
    cut: dict[str, int | None] = {}
    whole: dict[str, bool] = {}
    needed: set[str] = set()
    for a in (a for c in column.results for a in assumptions(c)):
        before = cut.get(a.why)
        cut[a.why] = before if a.cut is None else a.cut + (before or 0)
        whole[a.why] = whole.get(a.why, True) and (a.complete or a.cut is None)
        if not a.unneeded:
            needed.add(a.why)
    return [assuming(why, n, whole[why], why not in needed) for why, n in cut.items()]


def taken_for_granted(column: PageColumn) -> list[str]:
    """Return what the column's designs say of what their source does not show."""
    return list(dict.fromkeys(t for k in column.designs for t in k.cls.assumed))


def figures(column: PageColumn, view: Overview) -> str:
    """Return the mutation scores and the conformance of the column's designs; empty
    if none is stored."""
    found = [
        f"{k.name}: mutants {view.scores[k.cls]}"
        for k in column.designs
        if k.cls in view.scores
    ]
    found += [
        f"{k.name} and {view.conformance[k.cls]}"
        for k in column.designs
        if k.cls in view.conformance
    ]
    return "; ".join(found)


# --- runs --------------------------------------------------------------------


@dataclass(frozen=True)
class PageRun:
    """A run in full: where it is from, and who makes each call."""

    run: ShownRun
    where: str
    asked: Asked | None
    failure: Failure | None
    calls: tuple[str, ...]

    @property
    def replay(self) -> Replay | None:
        if self.asked is not None:
            return self.asked.answer.replay
        return None if self.failure is None else self.failure.replay


def page_runs(view: Overview) -> Iterator[PageRun]:
    """Yield the page's runs, those that were asked and are there."""
    for shown in view.page.runs:
        asked = property_of(shown.shown, shown.design, view.done)
        if asked is not None and asked.answer.replay is not None:
            replay, task = asked.answer.replay, asked.checked.task
            who = Lanes(task.compiled).who
            calls = [Call(who(t.step), t.step, t.result) for t in replay.taken]
            lines = schedule_lines(task.compiled.system, calls)
            where = trace_name(task, asked.answer.prop.name)
            yield PageRun(shown, where, asked, None, tuple(lines))
        elif view.sizes is not None:
            found = view.sizes.found.get((shown.shown.text, shown.design.text))
            at = None if found is None else found.just_below()
            if found is None or at is None or at.failure is None:
                continue
            failure = at.failure
            taken = zip(failure.who, failure.replay.taken, strict=True)
            calls = [Call(who, t.step, t.result) for who, t in taken]
            lines = schedule_lines(failure.compiled.system, calls)
            where = f"{shown.design.text}, {shown.shown.text}, {found.bound}={at.size}"
            yield PageRun(shown, where, None, failure, tuple(lines))


# --- as text -----------------------------------------------------------------


def page(view: Overview) -> list[str]:
    """Return the page as plain text."""
    lines = _table(view)
    if lines:
        lines += ["", *wrapped(KEY, "  ", "  "), *_specs(view)]
    lines += _basis(view)
    runs = [line for run in page_runs(view) for line in _run(run)]
    if runs:
        words = "Runs in full; poolproof trace counterexamples/... says what changes:"
        lines += ["", *wrapped(words), *runs]
    return lines


def _capitals() -> Iterator[str]:
    return (_letters(n).upper() for n in numbers())


def _table(view: Overview) -> list[str]:
    rows = [
        (f'"{o.words}" ({o.who})', [cell_text(c, view) for c in cells])
        for o, cells in objection_rows(view)
    ]
    rows += [
        (u.title, [least_pool(c) for c in cells]) for u, cells in upgrade_rows(view)
    ]
    if not rows:
        return []
    lines = wrapped("What was said of the designs, and the worst that each shows:")
    wide = max(len(cell) for _, cells in rows for cell in cells) + 1
    each = max(1, (WIDTH - 2) // wide)
    names = list(zip(_capitals(), view.columns, strict=False))
    for start in range(0, len(names), each):
        some = names[start : start + each]
        words = [f"{letter} {c.title}: {c.status}" for letter, c in some]
        lines += wrapped("; ".join(words) + ".", "  ", "  ")
        lines.append("  " + "".join(f"{letter:<{wide}}" for letter, _ in some))
        for title, cells in rows:
            lines += wrapped(title)
            here = cells[start : start + each]
            lines.append("  " + "".join(f"{cell:<{wide}}" for cell in here))
    return [line.rstrip() for line in lines]


def _specs(view: Overview) -> list[str]:
    """What the letters of the specs mean, and the bounds of each."""
    words = [
        f"{key} {Path(file).stem} ({spec_settings(file, view.done)})"
        for file, key in view.keys.items()
    ]
    return wrapped("; ".join(words) + ".", "  ", "  ") if words else []


def _basis(view: Overview) -> list[str]:
    """What the columns rest on; an assumption that an earlier column has in full is
    only counted."""
    if not view.columns:
        return []
    words = "What columns rest on (mutants, conformance: none stored unless said):"
    lines = ["", *wrapped(words)]
    said: dict[str, str] = {}
    bare: list[str] = []
    for letter, column in zip(_capitals(), view.columns, strict=False):
        granted = taken_for_granted(column)
        new = [t for t in granted if t not in said]
        before = Counter(said[t] for t in granted if t in said)
        said |= dict.fromkeys(new, letter)
        parts = [f"{n} as {first}" for first, n in before.items()] + new
        own = [text.removeprefix("assuming ") for text in column_assumptions(column)]
        sentences = [
            f"assumed: {'; '.join(parts)}" if parts else "",
            f"assuming {'; '.join(own)}" if own else "",
            figures(column, view),
        ]
        text = ". ".join(t.removesuffix(".") for t in sentences if t)
        if text:
            names = ", ".join(k.name for k in column.designs)
            lines += wrapped(f"{letter} {names}: {text}.", "  ", "    ")
        else:
            bare.append(letter)
    if bare:
        lines += wrapped(f"{', '.join(bare)}: no assumption is declared.", "  ", "    ")
    return lines


def _run(run: PageRun) -> list[str]:
    """The title, and calls on as few lines as they fit."""
    calls = [" ".join(call.split()).replace(" ", "\0") for call in run.calls]
    text = " ".join([f"{run.run.title}:", *calls, f"({run.where})"])
    return [line.replace("\0", " ") for line in wrapped(text, "- ", "    ")]


# --- all rows ------------------------------------------------------------------

_NARROW = 6
_MOST = 9


def all_rows(done: Sequence[CheckResult]) -> list[str]:
    """Return every property by its title, with all designs of its spec, and the
    bounds of each."""
    by_spec: dict[str, list[CheckResult]] = {}
    for c in done:
        by_spec.setdefault(c.task.spec.file, []).append(c)
    lines: list[str] = []
    for file, some in by_spec.items():
        for start in range(0, len(some), _MOST):
            lines += ["", *_rows(file, some[start : start + _MOST])]
    return [*lines, "", *wrapped(MARKS, "  ", "  ")]


def _rows(file: str, some: Sequence[CheckResult]) -> list[str]:
    lines = wrapped(f"{Path(file).stem}: {some[0].task.spec.title}", "", "    ")
    for letter, c in zip(_capitals(), some, strict=False):
        lines += wrapped(
            f"{letter} {c.task.known.name}, {settings(c.task)}", "  ", "    "
        )
    first = WIDTH - _NARROW * len(some)
    letters = [letter for letter, _ in zip(_capitals(), some, strict=False)]
    lines.append(" " * first + "".join(f"{x:<{_NARROW}}" for x in letters))
    titles = titles_asked(some)
    titles |= {n: assertion_title(some, n) for n in listed_names(some)}
    for name, text in titles.items():
        title = wrapped(plain_title(text) or name, "  ", "    ")
        cells = "".join(f"{_brief(c, name):<{_NARROW}}" for c in some)
        if len(title[-1]) >= first:
            title.append("")
        title[-1] = f"{title[-1]:<{first}}" + cells
        lines += title
    return [line.rstrip() for line in lines]


_TAGS = re.compile(r"([A-Z][0-9]+[a-z]?(, )?)+: ")


def plain_title(title: str) -> str:
    """Return the title without the numbers of questions before it."""
    return _TAGS.sub("", title, count=1) if _TAGS.match(title) else title


def assertion_title(some: Sequence[CheckResult], name: str) -> str:
    """Return what an assertion says of itself."""
    titles = (a.prop.title for c in some for a in c.answers if a.prop.name == name)
    return next(titles, "")


def _brief(checked: CheckResult, name: str) -> str:
    answer = next((a for a in checked.answers if a.prop.name == name), None)
    if answer is None:
        return "-"
    odd = "!" if answer.status is ExpectationStatus.UNMET else ""
    return mark(answer.verdict) + odd
