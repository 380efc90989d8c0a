# SPDX-License-Identifier: GPL-2.0-only
"""The page of a review: the objections, what each proposal answers, on what that
rests, and a few runs in full.

`overview` has what all forms of the page say; `page` is its plain text, at most
150 lines of 75 columns for the shipped page.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import ascii_lowercase
from typing import TypeVar

from poolproof.checker.core.bounds import show_bounds
from poolproof.checker.core.text import WIDTH
from poolproof.checker.driver.assertions import listed_names, titles_asked
from poolproof.checker.driver.assumptions import AssumptionResult, assumptions
from poolproof.checker.driver.designs import DesignRef
from poolproof.checker.driver.judging import CheckResult, ExpectationStatus
from poolproof.checker.driver.mutants import mutants
from poolproof.checker.driver.objections import (
    Asked,
    PageCell,
    PageColumn,
    answered,
    columns,
    lacked,
    property_of,
)
from poolproof.checker.driver.review import LeastPools
from poolproof.checker.driver.scores import Scores
from poolproof.checker.driver.size import Failure, Sized
from poolproof.checker.driver.stored import trace_name
from poolproof.checker.reports.check import settings
from poolproof.checker.reports.review import answer_of, each_spec
from poolproof.checker.reports.schedule import replay_lines
from poolproof.checker.reports.text import indented, wrapped
from poolproof.checker.reports.words import MARKS, assuming, cell_mark, mark, sizes
from poolproof.checker.spec.page import Objection, Page, ShownRun, Upgrade
from poolproof.model.language import declared

KEY = (
    "V5.a: violated after 5 steps, in spec a; no.a: never happens, and should; "
    "ok.a: no violation within bounds like those of spec a; ?: unknown, ?3: beyond "
    "3 steps; vac: vacuous; n/a: does not apply; -: not checked; !: not as expected. "
    "22e: the least pool; with one less, e: a promise is refused early, l: a fault "
    "fails late, s: all wait forever, b: an invariant breaks."
)
"""What the cells of the table mean."""


NO_FIGURES = "mutants and conformance: none stored"


@dataclass(frozen=True)
class Overview:
    """The parts of the page. ``conformance`` and ``scores`` are in words."""

    page: Page
    done: Sequence[CheckResult]
    columns: Sequence[PageColumn]
    scores: Scores
    conformance: Mapping[type, str]
    sizes: LeastPools | None
    keys: dict[str, str] = field(default_factory=dict)

    def key(self, checked: CheckResult) -> str:
        """Return the key of a check's spec; the next one, if it has none."""
        file = checked.task.spec.file
        if file not in self.keys:
            at = len(self.keys)
            self.keys[file] = _KEYS[at] if at < len(_KEYS) else _letters(at)
        return self.keys[file]


_Column = TypeVar("_Column")

_KEYS = ascii_lowercase + "123456789"
"""One character each, so that a cell of the shipped page is narrow."""


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


@dataclass(frozen=True)
class PoolCell:
    """The largest of a column's least pools, None if no scenario asks; ``missing``:
    why the row does not apply to it, or why the answer is ``unknown``."""

    found: Sized | None
    missing: str = ""
    unknown: bool = False


def upgrade_rows(view: Overview) -> Iterator[tuple[Upgrade, list[PoolCell]]]:
    """Yield each row of least pools that some scenario asks."""
    if view.sizes is None:
        return
    for upgrade in view.page.upgrades:
        cells: list[PoolCell] = []
        for column in view.columns:
            found = [
                view.sizes.found[w.text, k.name]
                for w in upgrade.scenarios
                for k in column.designs
                if (w.text, k.name) in view.sizes.found
            ]
            largest = max(found, key=_needed, default=None)
            said = lacked(upgrade, column)
            cells.append(
                PoolCell(largest)
                if said is None
                else PoolCell(largest, said.reason, said.unknown)
            )
        if any(cell.found for cell in cells):
            yield upgrade, cells


def _needed(found: Sized) -> float:
    return float("inf") if found.smallest is None else found.smallest


def cell_text(cell: PageCell, view: Overview) -> str:
    """Return ``V5.a``: the worst answer, and the key of its spec."""
    if not cell.answers:
        return _no_answer(cell)
    worst = cell.answers[0]
    odd = any(a.answer.status is ExpectationStatus.UNMET for a in cell.answers)
    word = cell_mark(worst.answer.verdict)
    return f"{word}.{view.key(worst.checked)}" + ("!" if odd else "")


def _no_answer(cell: PageCell | PoolCell) -> str:
    """Return what stands in a cell without an answer."""
    if cell.unknown:
        return "?"
    return "n/a" if cell.missing else "-"


def least_pool(cell: PoolCell) -> str:
    """Return the least size and how the one below fails, by the first letter:
    ``8e``. ``>9l``: not even at 9. ``?``: not known. ``-``: no such scenario."""
    found = cell.found
    if found is None:
        return _no_answer(cell)
    below = found.just_below()
    how = "" if below is None or below.failure is None else below.failure.kind
    if how not in ("early", "late", "stuck"):
        how = how and "breaks"
    if found.smallest is not None:
        return f"{found.smallest}{how[:1]}"
    if any(at.unknown for at in found.sizes):
        return "?"
    return f">{found.sizes[-1].size}{how[:1]}" if found.sizes else "?"


@dataclass(frozen=True)
class SpecSettings:
    """The bounds and features of a spec, over all designs."""

    bounds: Mapping[str, int]
    having: tuple[str, ...]
    without: tuple[str, ...]


def settings_of(file: str, done: Sequence[CheckResult]) -> SpecSettings:
    """Return the bounds and features that the checks of the spec in ``file`` set."""
    bounds: dict[str, int] = {}
    having: dict[str, None] = {}
    without: dict[str, None] = {}
    for c in (c for c in done if c.task.spec.file == file):
        bounds |= c.task.set_bounds
        having |= dict.fromkeys(c.task.sizes.having)
        without |= dict.fromkeys(c.task.sizes.without)
    return SpecSettings(bounds, tuple(having), tuple(without))


def spec_settings(file: str, done: Sequence[CheckResult]) -> str:
    """Return `settings_of` in words."""
    found = settings_of(file, done)
    return sizes(found.bounds, found.having, found.without) or "no bounds"


# --- what columns rest on ----------------------------------------------------


def assumed_in(column: PageColumn) -> list[AssumptionResult]:
    """Return each `assume` of the column's designs once, with all that it cut."""
    found: dict[str, AssumptionResult] = {}
    for a in (a for c in column.results for a in assumptions(c)):
        before = found.get(a.why, AssumptionResult(a.why, None, True, True))
        cuts = [n for n in (before.cut, a.cut) if n is not None]
        found[a.why] = AssumptionResult(
            a.why,
            sum(cuts) if cuts else None,
            before.complete and (a.complete or a.cut is None),
            before.unneeded and a.unneeded,
        )
    return list(found.values())


def column_assumptions(column: PageColumn) -> list[str]:
    """Return `assumed_in` in words."""
    return [assuming(a) for a in assumed_in(column)]


def taken_for_granted(column: PageColumn) -> list[str]:
    """Return what the column's designs assume beyond what their source shows."""
    return list(dict.fromkeys(t for k in column.designs for t in k.cls.assumed))


def figures(column: PageColumn, view: Overview) -> str:
    """Return the mutation scores and the conformance of the column's designs; empty
    if none is stored."""
    found = [f"{k.name}: mutants {view.scores[k.cls]}" for k in scored(column, view)]
    return "; ".join([*found, *conformance(column, view)])


def scored(column: PageColumn, view: Overview) -> list[DesignRef]:
    """Return the column's designs that have a stored mutation score."""
    return [k for k in column.designs if k.cls in view.scores]


def conformance(column: PageColumn, view: Overview) -> list[str]:
    """Return what is stored of the column's designs beside a kernel."""
    return [
        f"{k.name} and {view.conformance[k.cls]}"
        for k in column.designs
        if k.cls in view.conformance
    ]


_MARKS = {"*": "earlier text", "+": "own lines", "~": "sample"}


def marks_key(told: str) -> str:
    """Return what the marks mean that scores as text have; empty without any."""
    here = [f"{mark} {why}" for mark, why in _MARKS.items() if mark in told]
    return f" ({', '.join(here)})" if here else ""


def brief(score: str) -> tuple[str, str]:
    """Return a score as ``95 %``, and its marks (see `marks_key`)."""
    found = re.match(r"\d+ of \d+ killed, (\d+ %)(.*)", score)
    if found is None:
        return score, ""
    marks = {"earlier text": "*", "without the text": "+", "sample": "~"}
    shown = "".join(mark for said, mark in marks.items() if said in found[2])
    return found[1], shown


def by_score(scores: Iterable[tuple[str, str]]) -> list[str]:
    """Return the names of designs with each score, the best first, from names and
    scores as they are stored."""
    groups: dict[str, list[str]] = {}
    for name, score in scores:
        percent, marks = brief(score)
        groups.setdefault(percent, []).append(f"{name}{marks}")

    def rank(score: str) -> int:
        percent = re.match(r"\d+ %", score)
        return -int(percent[0].split()[0]) if percent else 1

    return [f"{s}: {', '.join(groups[s])}" for s in sorted(groups, key=rank)]


# --- runs --------------------------------------------------------------------


@dataclass(frozen=True)
class PageRun:
    """A run in full: where it is from, and who makes each call."""

    run: ShownRun
    where: str
    asked: Asked | None
    failure: Failure | None
    calls: tuple[str, ...]


def page_runs(view: Overview) -> Iterator[PageRun]:
    """Yield the page's runs, those that were asked and are there."""
    for shown in view.page.runs:
        asked = property_of(shown.shown, shown.design, view.done)
        if asked is not None and asked.answer.replay is not None:
            task = asked.checked.task
            lines = replay_lines(task.compiled, asked.answer.replay)
            where = trace_name(task, asked.answer.prop.name)
            yield PageRun(shown, where, asked, None, tuple(lines))
        elif view.sizes is not None:
            found = view.sizes.found.get((shown.shown.text, shown.design.text))
            at = None if found is None else found.just_below()
            if found is None or at is None or at.failure is None:
                continue
            failure = at.failure
            lines = replay_lines(failure.compiled, failure.replay, failure.who)
            where = f"{shown.design.text}, {shown.shown.text}, {found.bound}={at.size}"
            yield PageRun(shown, where, None, failure, tuple(lines))


# --- as text -----------------------------------------------------------------


def page(view: Overview) -> list[str]:
    """Return the page as plain text."""
    lines = _table(view)
    if lines:
        lines += ["", *_specs(view)]
    lines += _basis(view)
    runs = [line for run in page_runs(view) for line in _run(run)]
    if runs:
        words = "Full runs, without `-> OK`; `poolproof trace` shows the state changes:"
        lines += ["", *wrapped(words), *runs]
    return lines


def _lettered(columns: Iterable[_Column]) -> list[tuple[str, _Column]]:
    """Return each of the columns behind its letter."""
    return [(_letters(n).upper(), column) for n, column in enumerate(columns)]


def _table(view: Overview) -> list[str]:
    """Return the key to the cells, the columns' names, and the table. A cell is as
    wide as its column needs; columns that do not fit side by side follow below."""
    rows = [
        (f'"{o.words}" ({o.who})', [cell_text(c, view) for c in cells])
        for o, cells in objection_rows(view)
    ]
    rows += [
        (u.title, [least_pool(c) for c in cells]) for u, cells in upgrade_rows(view)
    ]
    if not rows:
        return []
    lines = wrapped("What was said about the designs, and the worst result of each.")
    lines += wrapped(KEY)
    letters = []
    for letter, column in _lettered(view.columns):
        letters.append(letter)
        names = ", ".join(k.name for k in column.designs)
        text = f"{letter} {column.title}: {column.status} ({names})"
        lines += indented(text)
    wide = [
        max(len(text) for text in (letter, *(cells[k] for _, cells in rows))) + 1
        for k, letter in enumerate(letters)
    ]
    for start, end in _fitting(wide):
        lines += ["", _side_by_side(letters[start:end], wide[start:end])]
        for title, cells in rows:
            lines += wrapped(title)
            lines.append(_side_by_side(cells[start:end], wide[start:end]))
    return lines


def _fitting(wide: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each group of columns that fits on one line."""
    start = 0
    for end in range(1, len(wide) + 1):
        if end == len(wide) or 2 + sum(wide[start : end + 1]) > WIDTH + 1:
            yield start, end
            start = end


def _side_by_side(cells: Sequence[str], wide: Sequence[int]) -> str:
    padded = (f"{cell:<{w}}" for cell, w in zip(cells, wide, strict=True))
    return f"  {''.join(padded)}".rstrip()


def _specs(view: Overview) -> list[str]:
    """Return the spec that each letter stands for, with its bounds. Bounds that most
    specs share are named once."""
    if not view.keys:
        return []
    shared = _shared_bounds(view)
    words = []
    for file, key in view.keys.items():
        brief = _brief_settings(file, view, shared)
        words.append(f"{key} {Path(file).stem}" + (f" ({brief})" if brief else ""))
    head = "Specs (+ with, - without a feature"
    if shared:
        head += f"; else {show_bounds(shared)}"
    return [*wrapped(f"{head}):"), *wrapped("; ".join(words) + ".", "  ", "  ")]


def _brief_settings(file: str, view: Overview, shared: Mapping[str, int]) -> str:
    """Return ``P=1 +pins -advice``: where the spec differs from the ``shared`` bounds.
    A bound that the spec does not set counts with the design's default."""
    found = settings_of(file, view.done)
    bounds = dict(found.bounds)
    for c in (c for c in view.done if c.task.spec.file == file):
        for name, bound in declared(c.task.known.cls)[0].items():
            if name in shared:
                bounds.setdefault(name, bound.default)
    parts = [show_bounds({k: v for k, v in bounds.items() if shared.get(k) != v})]
    parts += [f"+{name}" for name in found.having]
    parts += [f"-{name}" for name in found.without]
    return " ".join(p for p in parts if p)


def _shared_bounds(view: Overview) -> dict[str, int]:
    """Return each bound that at least two in five of the page's specs set to one
    value, and that value; of two such values, the more common one."""
    sets: Counter[tuple[str, int]] = Counter()
    for file in view.keys:
        sets.update(settings_of(file, view.done).bounds.items())
    least = max(2, len(view.keys) * 2 // 5)
    rising = reversed(sets.most_common())
    return {name: value for (name, value), n in rising if n >= least}


def _basis(view: Overview) -> list[str]:
    """Return the assumptions behind the columns, each with the letters of its columns,
    and an `assume` with the steps that it cut in each. One that cut nothing is left
    out."""
    if not view.columns:
        return []
    granted: dict[str, list[str]] = {}
    cut: dict[str, list[str]] = {}
    own: list[tuple[str, str]] = []
    agree: list[str] = []
    bare: list[str] = []
    for letter, column in _lettered(view.columns):
        for text in taken_for_granted(column):
            granted.setdefault(text, []).append(letter)
        some = [a for a in assumed_in(column) if a.cut != 0 and not a.unneeded]
        for a in some:
            steps = "" if a.cut is None else f" {a.cut:,}"
            so_far = "" if a.complete or a.cut is None else " so far"
            cut.setdefault(a.why, []).append(f"{letter}{steps}{so_far}")
        own += [(k.name, view.scores[k.cls]) for k in scored(column, view)]
        agree += conformance(column, view)
        if not some and not taken_for_granted(column):
            bare.append(letter)
    lines = ["", *wrapped("What the columns are based on:")]
    if granted:
        lines += wrapped(f"- taken for granted: {_by_columns(granted)}", "", "  ")
    if unanswered := _unanswered(view):
        lines += wrapped(f"- {unanswered}", "", "  ")
    if cut:
        parts = [f"{why} ({' '.join(some)})" for why, some in cut.items()]
        none = f"; none: {', '.join(bare)}" if bare else ""
        words = "assumptions, and the steps they cut"
        lines += wrapped(f"- {words}: {'; '.join(parts)}{none}", "", "  ")
    elif bare:
        lines += wrapped(f"- no assumptions: {', '.join(bare)}", "", "  ")
    if not own and not agree:
        return [*lines, f"- {NO_FIGURES}"]
    if own:
        told = "; ".join(by_score(dict.fromkeys(own))) + _unscored(view)
        lines += wrapped(f"- mutants detected{marks_key(told)}: {told}", "", "  ")
    words = "; ".join(dict.fromkeys(agree))
    return lines + wrapped(f"- {words}", "", "  ") if agree else lines


def _by_columns(said: Mapping[str, Sequence[str]]) -> str:
    """Return texts behind the letters of the columns that they are about, such as
    ``(AB) first; second; (C) third``, from the letters of each text."""
    groups: dict[str, list[str]] = {}
    for text, letters in said.items():
        groups.setdefault("".join(letters), []).append(text)
    return "; ".join(f"({some}) {'; '.join(groups[some])}" for some in groups)


def _unscored(view: Overview) -> str:
    """Return what to add to the scores if designs of the columns have lines of their
    own to change, and no stored score."""
    left = [k for c in view.columns for k in c.designs if k.cls not in view.scores]
    return "; others: none" if any(mutants(k.cls) for k in left) else ""


def _unanswered(view: Overview) -> str:
    """Return the page's reasons for ``n/a``, then those for ``?``, each with the
    letters of its columns."""
    rows: list[Objection | Upgrade] = [*view.page.objections, *view.page.upgrades]
    found: dict[str, dict[str, list[str]]] = {"n/a": {}, "?": {}}
    for row in rows:
        for letter, column in _lettered(view.columns):
            said = lacked(row, column)
            if said is not None:
                reasons = found["?" if said.unknown else "n/a"]
                letters = reasons.setdefault(said.reason, [])
                if letter not in letters:
                    letters.append(letter)
    for reasons in found.values():
        for letters in reasons.values():
            letters.sort(key=lambda letter: (len(letter), letter))
    said_of = {sign: _by_columns(reasons) for sign, reasons in found.items()}
    return "; ".join(f"{sign}: {words}" for sign, words in said_of.items() if words)


def _run(run: PageRun) -> list[str]:
    """Return the title, and the calls on as few lines as possible. The result OK is
    omitted."""
    said = (" ".join(call.split()).replace(" -> OK", "") for call in run.calls)
    calls = [call.replace(" ", "\0") for call in said]
    text = " ".join([f"{run.run.title}:", *calls, f"({run.where})"])
    return [line.replace("\0", " ") for line in wrapped(text, "- ", "  ")]


# --- all rows ------------------------------------------------------------------

_NARROW = 6
_MOST = 9


def all_rows(done: Sequence[CheckResult]) -> list[str]:
    """Return every property by its title, with all designs of its spec, and the
    bounds of each."""
    lines: list[str] = []
    for some in each_spec(done):
        for start in range(0, len(some), _MOST):
            lines += ["", *_rows(some[start : start + _MOST])]
    return [*lines, "", *wrapped(MARKS, "  ", "  ")]


def _rows(some: Sequence[CheckResult]) -> list[str]:
    spec = some[0].task.spec
    lines = wrapped(f"{Path(spec.file).stem}: {spec.title}", "", "    ")
    letters = []
    for letter, c in _lettered(some):
        letters.append(letter)
        lines += indented(f"{letter} {c.task.known.name}, {settings(c.task)}")
    first = WIDTH - _NARROW * len(some)
    lines.append(" " * first + "".join(f"{x:<{_NARROW}}" for x in letters))
    titles = titles_asked(some)
    titles |= {n: assertion_title(some, n) for n in listed_names(some)}
    for name, text in titles.items():
        title = indented(plain_title(text) or name)
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
    answer = answer_of(checked, name)
    if answer is None:
        return "-"
    odd = "!" if answer.status is ExpectationStatus.UNMET else ""
    return mark(answer.verdict) + odd
