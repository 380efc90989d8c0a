# SPDX-License-Identifier: GPL-2.0-only
"""Every "fixed in", "since" and "until" a release is asked on both sides of it.

Such a claim in a spec or a design names a commit. A property whose source names
that commit expects one verdict of the last design before the release and another
of the first one from it on; other tests check what specs expect. A release before
the oldest design, or a fix that is a method of its own, is in the catalogue of bugs,
which says in which release it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from poolproof.checker.conform.hugetlb import VARIANTS
from poolproof.checker.driver.regressions import catalogue
from poolproof.checker.driver.task import Request, prepare
from poolproof.checker.spec import parse

ROOT = Path(__file__).parents[2]
FILES = sorted([*ROOT.glob("specs/**/*.spec"), *ROOT.glob("model/**/*.py")])

CLAIM = re.compile(
    r"\b(?:fixed in|broken in|since|until|before|up to|as of) (?:Linux |v)?"
    r"(\d+)\.(\d+)\b",
    re.IGNORECASE,
)
COMMIT = re.compile(r"\b[0-9a-f]{12}\b")
NEWLINE = re.compile(r"\s*\n\s*(?:#\s*)?")


@dataclass(frozen=True)
class Claim:
    """A release of the kernel from which on something is otherwise, by a commit
    ("": the text names none)."""

    place: str
    release: tuple[int, int]
    commit: str


def claims(text: str, place: str) -> Iterator[Claim]:
    """The claims of a text; a commit belongs to the claim just before it."""
    text = NEWLINE.sub(" ", text)
    found = list(CLAIM.finditer(text))
    ends = [*(m.start() for m in found[1:]), len(text)]
    for m, end in zip(found, ends, strict=False):
        commit = COMMIT.search(text, m.end(), min(m.end() + 80, end))
        yield Claim(place, (int(m[1]), int(m[2])), commit[0] if commit else "")


CLAIMS = [c for p in FILES for c in claims(p.read_text(), str(p.relative_to(ROOT)))]


def sides(release: tuple[int, int]) -> tuple[str, str]:
    """The last shipped design before a release, and the first from it on."""
    versions: Sequence[tuple[int, int]] = sorted(VARIANTS)
    before = [v for v in versions if v < release]
    after = [v for v in versions if v >= release]
    assert before, f"no design before {release}"
    assert after, f"no design from {release} on"
    return VARIANTS[before[-1]].__name__, VARIANTS[after[0]].__name__


@cache
def expected(path: Path) -> tuple[tuple[str, str, str, str], ...]:
    """Property, source, design and verdict of all expectations of a spec."""
    return tuple(
        (p.name, p.source, task.known.name, p.expect.verdict)
        for task in prepare(parse(path), Request())
        for p in task.resolved.properties
        if p.expect is not None
    )


def told_apart(claim: Claim) -> bool:
    before, after = sides(claim.release)
    for path in FILES:
        if path.suffix == ".spec" and claim.commit in path.read_text():
            rows = [row for row in expected(path) if claim.commit in row[1]]
            for name in {row[0] for row in rows}:
                verdicts = {row[2]: row[3] for row in rows if row[0] == name}
                old, new = verdicts.get(before), verdicts.get(after)
                if old is not None and new is not None and old != new:
                    return True
    return False


def test_there_are_claims() -> None:
    """What the pattern must find, or the next test asks nothing."""
    assert {c.release for c in CLAIMS} >= {(6, 8), (6, 9), (6, 11), (6, 14), (6, 15)}


FIXES = {
    e.name: tuple(map(int, e.bug.release.split(".")))
    for e in catalogue()
    if e.bug.commit and e.bug.release
}


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda c: f"{c.place}:{c.commit}")
def test_both_sides_are_asked(claim: Claim) -> None:
    assert claim.commit, f"{claim.place}: name the commit after the release"
    if claim.commit in FIXES:
        assert FIXES[claim.commit][:2] == claim.release
        return
    assert told_apart(claim), (
        f"no property with source {claim.commit} expects different verdicts of "
        f"{' and '.join(sides(claim.release))}"
    )


def test_a_claim_that_nothing_supports_is_seen() -> None:
    text = '"""Given back (since\n    6.15: 0123456789ab)."""\n# Fixed\n# in 6.9.\n'
    made_up, nameless = claims(text, "here")
    assert made_up == Claim("here", (6, 15), "0123456789ab")
    assert nameless == Claim("here", (6, 9), "")
    assert not told_apart(made_up)


def test_a_release_on_the_wrong_side_is_seen() -> None:
    """003af997c8a9 is in 6.12: from 6.1 to 6.12 it is something else, not later."""
    assert told_apart(Claim("", (6, 11), "003af997c8a9"))
    assert not told_apart(Claim("", (6, 15), "003af997c8a9"))
