# SPDX-License-Identifier: GPL-2.0-only
"""assume(condition, "why"): a guard that is a decision of the model's author."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from poolproof.checker.commands.main import main
from poolproof.checker.core.verdict import Budget, Silent, Step
from poolproof.checker.driver.mutants import mutants
from poolproof.checker.driver.stored import replay_file
from poolproof.checker.engines.explicit import explicit
from poolproof.checker.evidence.runner import Runner
from poolproof.checker.frontend.design import compile_design
from poolproof.model.language import (
    Assumed,
    Bool,
    Bound,
    Design,
    Disabled,
    Feature,
    Int,
    Scalarset,
    action,
    assume,
    require,
    table,
    var,
)

VMAS = Scalarset("VMAS", Bound("V", 2), prefix="v")
FORK = Feature("fork", False)


class Shelf(Design):
    """Two places; who takes one while another has it is left out."""

    taken = table(VMAS, Bool())
    count = var(Int(0, 3))

    def alone(self):
        assume(not any(self.taken[v] for v in VMAS), "one VMA at a time")

    @action
    def take(self, vma: VMAS):
        require(not self.taken[vma])
        self.alone()
        assume(FORK or self.count < 2, "few turns")
        self.taken[vma] = True

    @action
    def drop(self, vma: VMAS, times: Int(1, 3)):
        require(self.taken[vma] and self.count < 3)
        assume(times == 1, "  one turn\n at a time ")
        assume(self.count >= 0, "counts are not negative")
        self.taken[vma] = False
        self.count += times

    @action
    def rest(self):
        if FORK:
            assume(self.count == 0, "only with fork")
        require(self.count > 0)


REASONS = (
    "one VMA at a time",
    "few turns",
    "one turn at a time",
    "counts are not negative",
)
"""The last follows from the range: it cuts nothing."""

SPEC = """spec "shelves"
bounds V = 2

invariant alone "one is taken at most": count(v in VMAS: taken[v]) <= 1
reachable twice: count == 2
invariant never: count < 1
    expect violated at 2
"""


def test_cpython_says_what_is_assumed() -> None:
    shelf = Runner(compile_design(Shelf))
    shelf.take(Step("take", (0,)))
    before = shelf.state
    with pytest.raises(Assumed, match="one VMA at a time"):
        shelf.take(Step("take", (1,)))
    assert shelf.state == before
    with pytest.raises(Disabled) as first:
        shelf.take(Step("take", (0,)))
    assert not isinstance(first.value, Assumed)


def test_a_system_has_one_list_of_them() -> None:
    assert compile_design(Shelf).system.assumptions == REASONS
    forking = compile_design(Shelf, having=("fork",)).system
    assert forking.assumptions == (
        "one VMA at a time",
        "one turn at a time",
        "counts are not negative",
        "only with fork",
    )


def test_a_step_counts_for_the_first_that_cuts_it() -> None:
    """By hand. The states are (taken by, count): none 0, v0 0, v1 0, none 1,
    v0 1, v1 1, none 2. Another may not take in the four where one has it, and
    each drop of 2 or 3 turns is cut there; neither may take in the last."""
    found = explicit(compile_design(Shelf).system, (), Budget(symmetry=False), Silent())
    assert found.statistics.states == 7
    assert found.statistics.assumed == dict(zip(REASONS, (4, 2, 8, 0), strict=True))
    # one state of each orbit: v0 and v1 are one
    found = explicit(compile_design(Shelf).system, (), Budget(), Silent())
    assert found.statistics.states == 5
    assert found.statistics.assumed == dict(zip(REASONS, (2, 2, 4, 0), strict=True))


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = Path(__file__).read_text()
    start = text.index("from poolproof.model.language import (")
    Path("shelf.py").write_text(text[start : text.index("\nREASONS = ")])
    Path("shelf.spec").write_text(SPEC)


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    said = capsys.readouterr().out.splitlines()
    assert max(map(len, said)) <= 75
    return [line.strip() for line in said if "assuming" in line]


CHECK = ["check", "shelf.spec", "--design", "shelf.py:Shelf"]


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("engine", ["explicit", "auto"])
def test_a_check_prints_them_once(
    capsys: pytest.CaptureFixture[str], engine: str
) -> None:
    assert main([*CHECK, "--engine", engine]) == 0
    assert lines(capsys) == [
        "assuming one VMA at a time: 2 steps cut",
        "assuming few turns: 2 steps cut",
        "assuming one turn at a time: 4 steps cut",
        "assuming counts are not negative: cut nothing",
    ]


@pytest.mark.usefixtures("files")
def test_a_search_that_ends_early_has_counted_so_far(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main([*CHECK, "--engine", "explicit", "--depth", "1"])
    assert lines(capsys) == [f"assuming {why}: cut nothing so far" for why in REASONS]


@pytest.mark.usefixtures("files")
def test_who_does_not_count_says_no_figure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    *counted, unneeded = (f"assuming {why}" for why in REASONS)
    for engine in ("bmc", "prove"):
        main([*CHECK, "--engine", engine, "--depth", "3"])
        assert lines(capsys) == [*counted, f"{unneeded}: not needed"]
    main([*CHECK, "--engine", "fuzz", "--budget", "1"])
    assert lines(capsys) == [*counted, unneeded]


@pytest.mark.usefixtures("files")
def test_programs_read_them(capsys: pytest.CaptureFixture[str]) -> None:
    main([*CHECK, "--engine", "explicit", "--json"])
    told = json.loads(capsys.readouterr().out)["checks"][0]["assumptions"]
    assert told == [
        {"why": why, "cut": cut, "complete": True, "unneeded": False}
        for why, cut in zip(REASONS, (2, 2, 4, 0), strict=True)
    ]


@pytest.mark.usefixtures("files")
def test_a_stored_trace_has_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main([*CHECK, "--engine", "explicit", "--store", "kept"])
    path = "kept/Shelf/shelf.never.trace"
    assert replay_file(path).heading.assuming == REASONS
    capsys.readouterr()
    main(["trace", path])
    assert lines(capsys) == [f"assuming {why}" for why in REASONS]


def test_a_mutant_is_without_one() -> None:
    found = {(m.kind, m.what) for m in mutants(Shelf) if m.kind == "assumption"}
    assert ("assumption", "without assume(times == 1, '  one turn\\n at a time ')") in (
        found
    )
    assert len(found) == 5
