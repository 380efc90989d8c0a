# SPDX-License-Identifier: GPL-2.0-only
"""Each bug of the catalogue is found where it says, the design with the fix has it
not at the same bounds, and without what triggers it the bug breaks nothing."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from poolproof.checker.core.property import Kind
from poolproof.checker.core.verdict import Budget, Silent, Violated
from poolproof.checker.driver.designs import find_spec, shipped_bugs
from poolproof.checker.driver.regressions import (
    BugEntry,
    ask,
    catalogue,
    detected,
)
from poolproof.checker.engines.registry import engine_of
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.reports.regressions import bugs_markdown
from poolproof.checker.spec import parse, resolve
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb
from poolproof.model.language import Design, declared

ROOT = Path(__file__).parents[2]
ENTRIES = catalogue()
POSSIBLE = [e for e in ENTRIES if e.known is not None]
BUDGET = Budget(seconds=60)
explicit = engine_of("explicit")


def by_name(entry: BugEntry) -> str:
    return entry.known.name if entry.known else entry.name


each = pytest.mark.parametrize("entry", POSSIBLE, ids=by_name)

# One of each kind, in less than a second: by a fault, a size, a cgroup, a split.
CHEAP = [
    e
    for e in POSSIBLE
    if e.name in ("ebed4bfc8da8", "6b0c880dfefe", "9808895e1a44", "84afd99b8398")
]


# --- what an entry says ----------------------------------------------------


def test_every_design_with_a_bug_is_in_the_catalogue() -> None:
    assert {e.known.cls for e in POSSIBLE if e.known} == {k.cls for k in shipped_bugs()}


def test_no_fix_is_there_twice() -> None:
    names = [e.name for e in ENTRIES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("entry", ENTRIES, ids=by_name)
def test_what_an_entry_says_exists(entry: BugEntry) -> None:
    bug = entry.bug
    assert re.fullmatch(r"([0-9a-f]{12}\??)?", bug.commit)
    assert re.fullmatch(r"(\d+(\.\d+)+)?", bug.release)
    assert bug.symptom
    if entry.known is None:
        assert bug.lacks
        return
    cls = entry.known.cls
    assert cls.__doc__, "which commit, and what went wrong"
    assert (
        not bug.commit
        or cls.__name__ == f"Before{entry.name}"
        or entry.name in (cls.__doc__)
    )
    bounds, features = declared(cls)
    assert set(bug.bounds) <= set(bounds)
    assert set(bug.features) <= set(features)
    claims = {c.name.text for c in parse(find_spec(entry.spec)).claims}
    assert entry.property in claims or "." in entry.property
    assert issubclass(cls, entry.sound)
    assert entry.sound is not Design


# --- what comes out --------------------------------------------------------


def check(entry: BugEntry) -> None:
    found = detected(entry, BUDGET)
    fixed = ask(entry, entry.sound, entry.bug.features, BUDGET)
    assert found.steps is not None
    assert found.steps <= (18 if "steps" in entry.bug.features else 12)
    assert found.seconds <= 60
    assert fixed.clean
    if entry.bug.trigger:
        assert entry.known is not None
        having, bounds = entry.bug.having.split(), entry.bug.untriggered
        assert ask(entry, entry.known.cls, having, BUDGET, bounds).clean


@pytest.mark.parametrize("entry", CHEAP, ids=by_name)
def test_it_is_found(entry: BugEntry) -> None:
    check(entry)


@pytest.mark.slow
@each
def test_it_is_found_slow(entry: BugEntry) -> None:
    check(entry)


@pytest.mark.slow
def test_the_document_is_current() -> None:
    page = bugs_markdown([detected(e, BUDGET) for e in ENTRIES])
    assert (ROOT / "BUGS.md").read_text() == page, (
        "poolproof bugs --markdown -o BUGS.md"
    )


# --- without the trigger ---------------------------------------------------

# Everything that the model has, in parts.
ELSEWHERE = {
    "private": (
        "fork reads split mremap dontneed noreserve inject",
        {"V": 2, "P": 2, "blocks": 2},
    ),
    "surplus": (
        "surplus resize_node resize exit dontneed",
        {"V": 2, "P": 1, "blocks": 1, "CAP": 2},
    ),
    "nodes": ("mempolicy cpuset", {"V": 2, "P": 1, "blocks": 1, "nodes": 2}),
    "hugetlbfs": (
        "hugetlbfs private_files noreserve inject punch truncate fallocate unlink dontneed",
        {"V": 2, "P": 1, "files": 1, "blocks": 2},
    ),
    "limit": (
        "hugetlbfs private_files mount size fork noreserve inject punch",
        {"V": 2, "P": 1, "files": 1, "blocks": 2, "MAX": 2},
    ),
    "minimum": (
        "hugetlbfs mount min_size noreserve inject truncate",
        {"V": 2, "P": 1, "files": 1, "blocks": 2},
    ),
}
INVARIANTS = parse(find_spec("hugetlb_invariants"))


@cache
def violated(
    design: type[Design], bounds: tuple[tuple[str, int], ...], features: str
) -> dict[str, int]:
    """The depth of each violated invariant, by name."""
    compiled = compile_design(design, dict(bounds), having=features.split())
    queries = tuple(
        p for p in resolve(INVARIANTS, compiled).properties if p.kind is Kind.INVARIANT
    )
    outcome = explicit(compiled.system, queries, BUDGET, Silent())
    assert not outcome.defects
    return {
        name: len(v.trace)
        for name, v in outcome.verdicts.items()
        if isinstance(v, Violated)
    }


@pytest.mark.slow
@pytest.mark.parametrize("part", ELSEWHERE)
@pytest.mark.parametrize(
    "entry",
    [e for e in POSSIBLE if e.bug.trigger and issubclass(e.sound, Hugetlb)],
    ids=by_name,
)
def test_without_its_trigger_it_breaks_nothing(entry: BugEntry, part: str) -> None:
    features, bounds = ELSEWHERE[part]
    off = entry.bug.trigger.split()
    rest = " ".join(f for f in features.split() if f not in off)
    given = tuple(bounds.items())
    fixed = violated(entry.sound, given, rest)
    assert entry.known is not None
    found = violated(entry.known.cls, given, rest)
    assert {n: d for n, d in found.items() if d != fixed.get(n)} == {}
