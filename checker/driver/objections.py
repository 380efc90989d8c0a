# SPDX-License-Identifier: GPL-2.0-only
"""The page of a review: its columns, and the worst answer to each objection."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from poolproof.checker.core.source import shown_path
from poolproof.checker.core.verdict import (
    Holds,
    Reached,
    Unknown,
    Unreachable,
    Vacuous,
    Verdict,
    Violated,
)
from poolproof.checker.driver.designs import (
    ROOT,
    DesignRef,
    shipped_designs,
    shipped_scenarios,
    shipped_specs,
)
from poolproof.checker.driver.judging import CheckResult, PropertyResult
from poolproof.checker.spec import parse
from poolproof.checker.spec.page import (
    Lacking,
    Objection,
    Page,
    Upgrade,
    parse_page,
    refuse_unknown,
    spec_and_name,
)
from poolproof.checker.spec.syntax import Spec, Word

PAGE = "specs/review.page"
"""The questions of the page, and the designs that they are for."""

NOT_SHIPPED = "a design of your own"


@dataclass(frozen=True)
class PageColumn:
    """A proposal with its results: those of one design and of its parts."""

    title: str
    status: str
    designs: tuple[DesignRef, ...]
    results: tuple[CheckResult, ...]


@dataclass(frozen=True)
class Asked:
    """An answer, and the check that gave it."""

    checked: CheckResult
    answer: PropertyResult


@dataclass(frozen=True)
class PageCell:
    """The answers of a column's designs to an objection, the worst first. If there is
    none, ``missing`` says why: the objection does not apply to what the designs have,
    or the answer is ``unknown``. Where the page says so, good answers do not count."""

    answers: tuple[Asked, ...] = ()
    missing: str = ""
    unknown: bool = False


def shipped_page(specs: Sequence[Spec]) -> Page:
    """Return the shipped page. ``specs`` are those that are reviewed."""
    page = parse_page(shown_path(str(ROOT / PAGE)))
    check_page(page, specs, shipped_specs(), shipped_scenarios())
    return page


def check_page(
    page: Page, specs: Sequence[Spec], paths: Sequence[str], scenarios: Sequence[str]
) -> None:
    """Raise UserError for a design, spec, property or scenario that does not exist:
    a design is shipped; a spec is a file of ``paths``, a scenario one of a file of
    ``scenarios``. Properties are looked up in ``specs`` only."""
    designs = [k.name for k in shipped_designs()]
    rows: list[Objection | Upgrade] = [*page.objections, *page.upgrades]
    for word in (
        *(d for c in page.columns for d in c.designs),
        *(r.design for r in page.runs),
        *(d for row in rows for lacking in row.lacking for d in lacking.designs),
    ):
        refuse_unknown(word, word.text, designs, "design")
    named = {Path(s.file).stem: s for s in specs}
    programs = {Path(path).stem: path for path in scenarios}
    words = [w for o in page.objections for w in o.properties]
    upgrades = [w for u in page.upgrades for w in u.scenarios]
    for run in page.runs:
        stem = spec_and_name(run.shown)[0]
        (upgrades if stem in programs else words).append(run.shown)
    for word in words:
        stem, name = spec_and_name(word)
        refuse_unknown(word, stem, [Path(p).stem for p in paths], "spec")
        if stem in named:
            refuse_unknown(word, name, _properties(named[stem]), f"property of {stem}")
    read: dict[str, list[str]] = {}
    for word in upgrades:
        stem, name = spec_and_name(word)
        refuse_unknown(word, stem, tuple(programs), "file of scenarios")
        if stem not in read:
            read[stem] = [s.name.text for s in parse(programs[stem]).scenarios]
        refuse_unknown(word, name, read[stem], f"scenario of {stem}")


def _properties(spec: Spec) -> tuple[str, ...]:
    return (
        *(claim.name.text for claim in spec.claims),
        *(assertion.name.text for assertion in spec.assertions),
    )


def columns(
    page: Page, done: Sequence[CheckResult], given: Collection[str]
) -> list[PageColumn]:
    """Return the page's columns that have results, and one for each design that is
    ``given`` by its reference and is in none."""
    seen = {c.task.known.cls: c.task.known for c in done}
    shipped = {k.name: k for k in shipped_designs()}
    found = []
    for column in page.columns:
        mine = [shipped[w.text] for w in column.designs]
        here = tuple(k for k in mine if k.cls in seen)
        if here:
            found.append(_column(column.title, column.status, here, done))
    taken = {k.cls for c in found for k in c.designs}
    for known in seen.values():
        if known.cls not in taken and given:
            ours = known in shipped.values()
            status = "a building block" if ours else NOT_SHIPPED
            found.append(_column(known.name, status, (known,), done))
    return found


def _column(
    title: str, status: str, designs: tuple[DesignRef, ...], done: Sequence[CheckResult]
) -> PageColumn:
    results = (c for c in done if c.task.known in designs)
    return PageColumn(title, status, designs, tuple(results))


def answered(objection: Objection, column: PageColumn) -> PageCell:
    """Return what the column says to the objection."""
    found: list[Asked] = []
    missing = ""
    for stem, name in map(spec_and_name, objection.properties):
        for checked in column.results:
            if Path(checked.task.spec.file).stem != stem:
                continue
            same = [a for a in checked.answers if a.prop.name == name]
            found += [Asked(checked, a) for a in same]
            missing = missing or checked.task.resolved.missing.get(name, "")
    answers = tuple(sorted(found, key=_goodness))
    said = lacked(objection, column)
    if said is None:
        return PageCell(answers, missing)
    if answers and severity(answers[0].answer.verdict) == "good":
        answers = ()
    return PageCell(answers, said.reason, said.unknown)


def lacked(row: Objection | Upgrade, column: PageColumn) -> Lacking | None:
    """Return why the row has no answer for the column's designs, as the page says;
    None if it says nothing."""
    names = {k.name for k in column.designs}
    return next((x for x in row.lacking if names & {d.text for d in x.designs}), None)


def severity(verdict: Verdict) -> str:
    """Return ``bad``, ``open``, ``vacuous`` or ``good``: what a property should be,
    that is, to hold or to be reached."""
    match verdict:
        case Violated() | Unreachable():
            return "bad"
        case Unknown():
            return "open"
        case Vacuous():
            return "vacuous"
        case Holds() | Reached():
            return "good"


def _goodness(asked: Asked) -> tuple[int, int]:
    """Worst first, and of the violated ones the shortest run."""
    verdict = asked.answer.verdict
    place = ("bad", "open", "vacuous", "good").index(severity(verdict))
    return place, len(verdict.trace) if isinstance(verdict, Violated) else 0


def property_of(word: Word, design: Word, done: Sequence[CheckResult]) -> Asked | None:
    """Return the answer that a run of the page shows; None if it was not asked."""
    stem, name = spec_and_name(word)
    return next(_matching(stem, name, design.text, done), None)


def _matching(
    stem: str, name: str, design: str, done: Sequence[CheckResult]
) -> Iterator[Asked]:
    for checked in done:
        if (
            Path(checked.task.spec.file).stem == stem
            and checked.task.known.reference == design
        ):
            yield from (
                Asked(checked, a) for a in checked.answers if a.prop.name == name
            )
