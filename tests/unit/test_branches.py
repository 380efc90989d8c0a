# SPDX-License-Identifier: GPL-2.0-only
"""Branches of a design's text that no step takes are listed, and no others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from poolproof.checker.commands.main import main
from poolproof.checker.core.verdict import Budget, Silent
from poolproof.checker.driver.branches import BranchCoverage
from poolproof.checker.driver.check import run
from poolproof.checker.driver.task import Request, prepare
from poolproof.checker.spec import parse_text
from poolproof.model.language import Block as BaseBlock
from poolproof.model.language import (
    Bool,
    Bound,
    Design,
    Feature,
    Int,
    Maybe,
    Scalarset,
    action,
    domain,
    require,
    table,
    var,
)

MAX = Bound("MAX", 1)
THINGS = Scalarset("THINGS", Bound("T", 2), prefix="t")
EXTRA = Feature("extra", default=False)


class Leak(Design):
    """A page is lost, but only where two can be held."""

    used = var(Int(0, MAX))
    held = var(Int(0, MAX))

    @action
    def take(self) -> bool:
        if self.used == MAX:
            return False
        self.used += 1
        self.held += 1
        return True

    @action
    def put(self):
        require(self.held > 0)
        if self.held > 1:
            self.held -= 1  # the leak
        else:
            self.held -= 1
            self.used -= 1

    @action
    def put_all(self):
        if MAX > 1 and self.held == MAX:
            self.used = 0  # decided by the bound
            self.held = 0


class Kept(BaseBlock):
    """Which things are kept, one of them twice."""

    things = domain()

    def __init__(self, things):
        self.things = things
        self.twice = table(things, Bool())

    def note(self, thing, twice):
        if twice:
            self.twice[thing] = True
        elif self.twice[thing]:
            self.twice[thing] = False  # nobody ever sets it


class Shapes(Design):
    """Each way to write a branch."""

    n = var(Int(0, 3))
    last = var(Maybe(THINGS))
    on = table(THINGS, Bool())
    kept = Kept(THINGS)

    def half(self, n) -> int:
        if n == 7:
            return 1  # of no step
        return n // 2

    def least(self) -> int:
        return self.n if self.n < 4 else 9

    @action
    def count(self, thing: THINGS):
        require(self.n < 3)
        if EXTRA:
            self.n = 0
        self.n += 1 if self.least() < 9 else 2
        self.n -= self.half(self.n) - self.half(self.n)
        self.kept.note(thing, False)

    @action
    def turn(self, thing: THINGS):
        for t in THINGS:
            if self.on[t] and t == thing:
                self.on[t] = False
        if any(self.half(1) == 3 and self.on[t] for t in THINGS):
            self.n = 0  # of no step
        self.on[thing] = not self.on[thing]


SPEC = 'spec "s"\nfor {}\ninvariant low: {}\n'


def branches(
    cls: type[Design], formula: str, engine: str = "explicit", **bounds: int
) -> BranchCoverage:
    spec = parse_text(SPEC.format(cls.__name__, formula), "s.spec")
    request = Request(designs=(f"{__name__}:{cls.__name__}",), bounds=bounds)
    (task,) = prepare(spec, request)
    checked = run(task, engine, Budget(branches=True, threads=1), Silent())
    assert checked.branches is not None
    return checked.branches


def lines(found: BranchCoverage) -> list[str]:
    """The text of the lines that are never taken, and of the sides."""
    source = Path(__file__).read_text().splitlines()
    return [
        source[r.branch.span.line - 1].strip()
        + (f" [{r.branch.what}]" if r.branch.what else "")
        for r in found.never
    ]


@pytest.mark.parametrize("engine", ["explicit", "native", "exhaustive"])
def test_a_leak_that_the_bounds_hide(engine: str) -> None:
    found = branches(Leak, "used == held", engine)
    assert lines(found) == [
        "self.held -= 1  # the leak",
        "self.used = 0  # decided by the bound",
    ]


def test_it_is_taken_at_a_larger_bound() -> None:
    assert lines(branches(Leak, "used <= 2", MAX=2)) == []


@pytest.mark.parametrize("engine", ["explicit", "native"])
def test_every_way_to_write_a_branch(engine: str) -> None:
    """`if EXTRA` is no branch without the feature; a helper's place counts once,
    whoever calls it; what is inside of something never taken is not listed."""
    found = branches(Shapes, "not kept.twice[t0] or on[t0]", engine)
    assert lines(found) == [
        "self.twice[thing] = False  # nobody ever sets it",
        "return 1  # of no step",
        "return self.n if self.n < 4 else 9 [9]",
        "self.n += 1 if self.least() < 9 else 2 [2]",
        "self.n = 0  # of no step",
    ]


def test_what_nothing_observes_is_not_known() -> None:
    """`kept.twice` and `on` are in no state; that is not "never"."""
    found = branches(Shapes, "n <= 3")
    unknown = tuple(r for r in found.results if r.unknown)
    assert lines(BranchCoverage(never=unknown)) == [
        "elif self.twice[thing]: [never false]",
        "self.twice[thing] = False  # nobody ever sets it",
        "if self.on[t] and t == thing: [never false]",
        "self.on[t] = False",
    ]
    assert not set(unknown) & set(found.never)


def test_only_a_whole_search_says_never() -> None:
    spec = parse_text(SPEC.format("Leak", "used == held"), "s.spec")
    (task,) = prepare(spec, Request(designs=(f"{__name__}:Leak",), bounds={"MAX": 9}))
    budget = Budget(branches=True, states=2)
    checked = run(task, "explicit", budget, Silent())
    assert checked.branches is not None
    assert checked.branches.never == ()
    assert checked.branches.why == "not all states were visited"


def test_nobody_asked() -> None:
    spec = parse_text(SPEC.format("Leak", "used == held"), "s.spec")
    (task,) = prepare(spec, Request(designs=(f"{__name__}:Leak",)))
    assert run(task, "explicit", Budget(), Silent()).branches is None


# --- the command --------------------------------------------------------------


def test_text_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tmp_path / "leak.spec"
    spec.write_text(SPEC.format("Leak", "used == held"))
    argv = ["check", str(spec), "--design", f"{__name__}:Leak"]
    source = Path(__file__).read_text().splitlines()
    leak, bound = (
        next(k for k, text in enumerate(source, 1) if text.endswith(end))
        for end in ("# the leak", "# decided by the bound")
    )
    assert main(argv) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "never taken within MAX=1:" in out
    assert f"test_branches.py:{leak}, {bound}" in out
    assert main([*argv, "--no-branches"]) == 0
    assert "never taken" not in capsys.readouterr().out
    assert main([*argv, "--json"]) == 0
    (made,) = json.loads(capsys.readouterr().out)["checks"]
    assert made["branches"]["unknown"] is None
    assert made["branches"]["taken"] == 4
    assert [b["actions"] for b in made["branches"]["never"]] == [["put"], ["put_all"]]
