# SPDX-License-Identifier: GPL-2.0-only
"""A stored score says so where the design or its specs are others now."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from poolproof.checker.core.verdict import Budget, Silent
from poolproof.checker.driver import scores
from poolproof.checker.driver.check import run
from poolproof.checker.driver.designs import DesignRef, designs_named, from_file
from poolproof.checker.driver.mutation_run import campaign
from poolproof.checker.driver.scored_text import text_line
from poolproof.checker.driver.scores import stored_scores
from poolproof.checker.driver.task import Request, prepare
from poolproof.checker.reports.mutate import mutation_report
from poolproof.checker.reports.review import rests_on
from poolproof.checker.spec import parse
from poolproof.checker.spec.syntax import Claim, Compare, Name, Numeral

BLOCKS = '''
from enum import Enum

from poolproof.model.language import Block, Bound, Int, var

TOTAL = Bound("total", 2)


class Errno(Enum):
    OK = 0
    ENOMEM = 12


class Quota(Block):
    used = var(Int(0, TOTAL))

    def charge(self):
        """Counts."""
        self.used += 1
'''

BASE = """
from blocks_of_pool import TOTAL, Errno, Quota

from poolproof.model.language import Design, action


class Base(Design):
    q = Quota()

    @action(kernel="mm/hugetlb.c:charge")
    def take(self) -> Errno:
        if self.q.used >= TOTAL:
            return Errno.ENOMEM
        self.q.charge()
        return Errno.OK
"""

HEIR = '''
from base_of_pool import Base

from poolproof.model.language import action, observer, require


class Pool(Base):
    """An heir."""

    @action(kernel="mm/hugetlb.c:uncharge")
    def drop(self):
        require(self.q.used > 0)
        self.q.used -= 1
'''

SPEC = """spec "a quota"
for Pool
bounds total = 1

invariant few: q.used <= 1   # at most one
"""


def written(folder: Path, text: dict[str, str]) -> tuple[DesignRef, str]:
    """A design in three files of their own, and its spec."""
    folder.mkdir()
    for name in ("blocks", "base", "pool"):
        sys.modules.pop(f"{name}_of_pool", None)  # as a new process finds them
        (folder / f"{name}_of_pool.py").write_text(text[name])
    (folder / "pool.spec").write_text(text["spec"])
    (known,) = from_file(str(folder / "pool_of_pool.py"))
    return known, str(folder / "pool.spec")


NOW = {"blocks": BLOCKS, "base": BASE, "pool": HEIR, "spec": SPEC}

OTHERS = {
    "a comment": ("blocks", "self.used += 1", "self.used += 1  # counted", ""),
    "a docstring": ("pool", "An heir.", "Another.", ""),
    "layout": ("base", "        self.q.charge()\n", "\n        self.q.charge( )\n", ""),
    "a block": ("blocks", "self.used += 1", "self.used += 2", "design"),
    "a base": ("base", ">= TOTAL", "> TOTAL", "design"),
    "the class itself": ("pool", '"""An heir."""', "level = 1", "design"),
    "a bound's default": ("blocks", '"total", 2', '"total", 3', "design"),
    "a label of another file": ("blocks", "ENOMEM = 12", "ENOMEM = 11", "design"),
    "a citation": ("base", "mm/hugetlb.c:charge", "mm/hugetlb.c:take", ""),
    "who makes a call": ("base", "(kernel=", "(silent=True, kernel=", ""),
    "what is assumed": (
        "pool",
        '"""An heir."""',
        'assumed: tuple[str, ...] = ("x",)',
        "",
    ),
    "what a bound is": ("blocks", '"total", 2', '"total", 2, doc="pages"', ""),
    "a class that the design does not have": (
        "blocks",
        "class Quota",
        "class Other(Block):\n    free = var(Int(0, 1))\n\n\nclass Quota",
        "",
    ),
    "an enum that nothing names": (
        "blocks",
        "class Quota",
        "class Mode(Enum):\n    BIND = 1\n\n\nclass Quota",
        "",
    ),
    "a method that nothing leads to": (
        "pool",
        "    @action",
        "    def grow(self):\n        self.q.used = 0\n\n    @action",
        "",
    ),
    "a hook that an action leads to": (
        "pool",
        "        self.q.used -= 1",
        "        self.give()\n\n    def give(self):\n        self.q.used -= 1",
        "design",
    ),
    "an observer": (
        "pool",
        "    @action",
        "    @observer\n    def some(self):\n        return self.q.used\n\n    @action",
        "design",
    ),
    "a comment of the spec": ("spec", "for Pool", "# more\nfor Pool", ""),
    "the spec's title": ("spec", '"a quota"', '"one quota"', ""),
    "a property's title": ("spec", "few:", 'few "not many":', ""),
    "a source": ("spec", "few:", 'few: source "mm/pool.c"', ""),
    "what is expected": ("spec", "<= 1", "<= 1 expect violated at 2", ""),
    "other bounds": ("spec", "= 1\n", "= 1\nbounds wide: total = 3\n", "specs"),
    "a property's name": ("spec", "few:", "little:", "specs"),
    "another property": (
        "spec",
        "invariant few",
        "reachable one: q.used == 1\ninvariant few",
        "specs",
    ),
    "bounds": ("spec", "total = 1", "total = 2", "specs"),
    "a property": ("spec", "q.used <= 1", "q.used <= 2", "specs"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_what_counts_as_another_text(case: str, tmp_path: Path) -> None:
    which, old, new, changed = OTHERS[case]
    assert old in NOW[which]
    first, spec = written(tmp_path / "a", NOW)
    one = text_line(first.cls, [parse(spec)])
    text = {**NOW, which: NOW[which].replace(old, new)}
    other, spec = written(tmp_path / "b", text)
    two = text_line(other.cls, [parse(spec)])
    differ = [
        a.split()[0]
        for a, b in zip(one.split(", "), two.split(", "), strict=True)
        if a != b
    ]
    assert differ == ([changed] if changed else [])


def test_names_of_the_checkers_classes_do_not_count(tmp_path: Path) -> None:
    known, file = written(tmp_path / "a", NOW)
    spec = parse(file)
    before = text_line(known.cls, [spec])
    renamed = {kind: kind.__name__ for kind in (Claim, Compare, Name, Numeral)}
    try:
        for kind, name in renamed.items():
            kind.__name__ = f"{name}Node"
        assert text_line(known.cls, [spec]) == before
    finally:
        for kind, name in renamed.items():
            kind.__name__ = name


@pytest.fixture
def shelf(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[DesignRef, str, Path]:
    """A shipped design with a stored report of its mutants."""
    known, spec = written(tmp_path / "shipped", NOW)
    monkeypatch.setattr(scores, "shipped_designs", lambda: (known,))
    done = campaign(
        [parse(spec)],
        Request(designs=(known.reference,)),
        sample=None,
        seed=0,
        states=100,
        report=Silent(),
    )
    folder = tmp_path / "scores"
    folder.mkdir()
    (folder / "Pool.txt").write_text("\n".join(mutation_report(done)) + "\n")
    return known, spec, folder


def test_a_score_of_this_text(shelf: tuple[DesignRef, str, Path]) -> None:
    _, spec, folder = shelf
    (told,) = stored_scores(folder, [parse(spec)]).values()
    assert re.fullmatch(r"\d of \d killed, \d+ %, without the text of Base", told)


def test_a_score_of_earlier_specs(shelf: tuple[DesignRef, str, Path]) -> None:
    _, spec, folder = shelf
    Path(spec).write_text(SPEC.replace("<= 1", "<= 2"))
    (told,) = stored_scores(folder, [parse(spec)]).values()
    assert told.endswith(", of an earlier text of the specs")


def test_a_score_without_digests(shelf: tuple[DesignRef, str, Path]) -> None:
    _, spec, folder = shelf
    report = folder / "Pool.txt"
    report.write_text(report.read_text().replace("text: ", "words: "))
    (told,) = stored_scores(folder, [parse(spec)]).values()
    assert told.endswith(", of an earlier text of the design and the specs")


def test_what_review_says(shelf: tuple[DesignRef, str, Path]) -> None:
    known, spec, folder = shelf
    Path(spec).write_text(SPEC.replace("<= 1", "<= 2"))
    (task,) = prepare(parse(spec), Request(designs=(known.reference,)))
    checked = run(task, "explicit", Budget(), Silent())
    found = stored_scores(folder, [parse(spec)])
    assert any(
        "of an earlier text of the specs" in line for line in rests_on(checked, found)
    )


def test_a_class_of_the_same_name_has_no_score(
    shelf: tuple[DesignRef, str, Path],
) -> None:
    """A user's design is not the shipped one that it is called after."""
    known, spec, folder = shelf
    own = Path(spec).with_name("own.py")
    own.write_text(
        "from poolproof.model.designs.tao import Tao\nclass Pool(Tao): pass\n"
    )
    (mine,) = designs_named(str(own))
    assert mine.cls not in stored_scores(folder, [parse(spec)])
    assert known.cls in stored_scores(folder, [parse(spec)])
