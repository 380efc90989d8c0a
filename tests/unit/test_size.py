# SPDX-License-Identifier: GPL-2.0-only
"""`poolproof size`: the smallest pool, and the schedule that shows it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from poolproof.checker.commands.main import main
from poolproof.checker.core.verdict import Budget, Silent
from poolproof.checker.driver.designs import designs_named
from poolproof.checker.driver.size import (
    AtSize,
    Failure,
    Sized,
    SizeTask,
    find_size,
    size_question,
    size_tasks,
)
from poolproof.checker.reports.page import PoolCell, least_pool
from poolproof.checker.spec import parse

ROOT = Path(__file__).parents[2]
FOUR = "specs/scenarios/hot_upgrade_4.scenario"
EIGHT = "specs/scenarios/hot_upgrade_8.scenario"


def failing(kind: str) -> Failure:
    failure = Failure.__new__(Failure)
    object.__setattr__(failure, "kind", kind)
    return failure


def test_cells_of_the_review() -> None:
    early, late, breaks = (failing(k) for k in ("early", "late", "nothing_small"))
    for sizes, text in (
        ((AtSize(1, 5, early), AtSize(2, 5)), "2e"),
        ((AtSize(1, 5, early), AtSize(2, 5, late)), ">2l"),
        ((AtSize(1, 5, breaks), AtSize(2, 5)), "2b"),
        ((AtSize(1, 5),), "1"),
        ((AtSize(1, 5, None, "time is up"),), "?"),
    ):
        assert least_pool(PoolCell(Sized("blocks", sizes), "")) == text
    assert least_pool(PoolCell(None, "")) == "-"
    assert least_pool(PoolCell(None, "no swap")) == "n/a"


def test_what_is_smallest_does_not_rest_on_monotony() -> None:
    failure = Failure.__new__(Failure)
    sizes = (AtSize(1, 5, failure), AtSize(2, 5), AtSize(3, 5, failure), AtSize(4, 5))
    found = Sized("blocks", sizes)
    assert found.smallest == 2
    assert not found.monotone
    below = found.just_below()
    assert below is not None
    assert below.size == 1
    unknown = Sized("blocks", (AtSize(1, 5, None, "the time"), AtSize(2, 5)))
    assert unknown.smallest is None


def test_the_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["size", FOUR, "--scenario", "cold3"]) == 0
    out = capsys.readouterr().out
    assert "  cold3     ReservedThpPlanned  5      4 fails late; of 1 to 9\n" in out
    assert "   13. new          fault(v1, 3, n0) -> SIGBUS\n" in out
    assert max(map(len, out.splitlines())) <= 75
    assert (
        main(
            [
                "size",
                FOUR,
                "--scenario",
                "hugetlb_limit",
                "--design",
                "Hugetlb",
                "--bounds",
                "limit=8",
                "--table",
            ]
        )
        == 0
    )
    out = capsys.readouterr().out
    assert "  hugetlb_limit  Hugetlb  8      7 fails early; of 0 to 9\n" in out
    assert main(["size", FOUR, "--scenario", "clod3"]) == 2
    assert "did you mean 'cold3'?" in capsys.readouterr().err


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    call = ["size", FOUR, "--scenario", "hugetlb", "--design", "Hugetlb"]
    assert main([*call, "--json"]) == 0
    [answer] = json.loads(capsys.readouterr().out)["answers"]
    assert answer["smallest"] == 8
    assert answer["bound"] == "blocks"
    below = next(at for at in answer["sizes"] if at["size"] == 7)
    assert not below["guaranteed"]
    assert below["failure"]["kind"] == "early"
    assert len(below["failure"]["who"]) == len(below["failure"]["steps"])


COUNTER = '''
"""Two counters under one bound."""

from poolproof.model.language import Bound, Design, Int, action, require, var

B = Bound("B", 1)


class Counter(Design):
    """Counts in ones, or in twos where there is room."""

    n = var(Int(0, 9))

    @action
    def up(self) -> Bool():
        require(self.n < 7)
        self.n += 2 if B > 1 else 1
        return True

    @action
    def rest(self):
        pass
'''.replace("import Bound", "import Bool, Bound")

SCENARIO = """spec "counting"
for Counter
{claim}
scenario two "two calls":
    size B = 1..2
    task a:
        up()
        up()
"""


@pytest.fixture
def counter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "counter.py").write_text(COUNTER)
    return tmp_path


def test_a_budget_that_ends_between_two_sizes_is_said(
    counter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last size that was explored is known, and the next one is not."""

    def at(size: int, *_: object) -> AtSize:
        time.sleep(0.02)
        return AtSize(size, 1)

    monkeypatch.setattr("poolproof.checker.driver.size._at", at)
    (counter / "c.scenario").write_text(SCENARIO.format(claim=""))
    (known,) = designs_named("counter.py")
    spec = parse("c.scenario")
    two = spec.scenarios[0]
    found = find_size(SizeTask(two, spec, known), Budget(seconds=0.01), Silent())
    assert [bool(a.unknown) for a in found.sizes] == [False, True]
    assert "the time budget of 0.01 s" in found.sizes[-1].unknown


@pytest.mark.parametrize("on", ["", "on up", "on rest"])
def test_step_properties_are_asked(counter: Path, on: str) -> None:
    """They were dropped without a word."""
    claim = f"step slow {on}: n' <= n + 1"
    (counter / "c.scenario").write_text(SCENARIO.format(claim=claim))
    (known,) = designs_named("counter.py")
    spec = parse("c.scenario")
    found = find_size(SizeTask(spec.scenarios[0], spec, known), Budget(), Silent())
    one, two = found.sizes
    if on == "on rest":
        reason = "vacuous: slow is about rest, which no program calls"
        assert [at.unknown for at in found.sizes] == [reason, reason]
        assert main(["size", "c.scenario", "--design", "counter.py"]) == 3
        return
    assert one.guaranteed
    assert two.failure is not None
    assert two.failure.kind == "slow"
    assert len(two.failure.replay.taken) == 1


@pytest.mark.parametrize(
    ("claim", "kind"),
    [("reachable top: n == 2", "reachable"), ("eventually top: n == 2", "leads to")],
)
def test_what_is_not_asked_is_refused(
    counter: Path, capsys: pytest.CaptureFixture[str], claim: str, kind: str
) -> None:
    (counter / "c.scenario").write_text(SCENARIO.format(claim=claim))
    assert main(["size", "c.scenario", "--design", "counter.py"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("c.scenario:3:")
    assert f"`{kind}`" in said


RESERVE = '''
"""Blocks that two calls take, and a count that nothing reads."""

from poolproof.model.language import Bool, Bound, Design, Feature, Int
from poolproof.model.language import action, assume, require, var

B = Bound("B", 1)
MOST = Bound("MOST", 2)
MOUNT = Feature("mount", False)
QUOTA = Feature("quota", False, needs=MOUNT)


class Reserve(Design):
    """Takes one block at a time."""

    used = var(Int(0, MOST))
    calls = var(Int(0, 99))

    @action
    def take(self) -> Bool():
        assume(self.used < 1 or not QUOTA, "one block has a quota")
        self.calls = min(self.calls + 1, 99)
        if self.used < B:
            self.used += 1
            return True
        return False

    @action(when=MOUNT)
    def mount(self) -> Bool():
        assume(self.used >= 0, "used is not negative")
        return True
'''

TAKE = """spec "taking"
for Reserve
scenario two "two blocks":
    bounds with quota
    size B = 1..2
    task a:
        mount()
        take()
    anytime take()
"""


@pytest.fixture
def reserve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reserve.py").write_text(RESERVE)
    (tmp_path / "other.py").write_text(RESERVE.replace("class Reserve", "class Other"))
    (tmp_path / "t.scenario").write_text(TAKE)
    return ["size", "t.scenario", "--design", "reserve.py"]


def test_what_the_answer_assumes(
    reserve: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """`quota` brings the `mount` that it needs. With a block taken, at each of
    the two sizes, a take of anybody is cut before, between and after the task's
    calls, and between them the task's own, too."""
    main([*reserve, "--table"])
    out = capsys.readouterr().out
    assert "assuming one block has a quota: 8 steps cut\n" in out
    assert "assuming used is not negative: cut nothing\n" in out
    assert "states are without the variables that nothing observes: calls\n" in out
    main([*reserve, "--json"])
    [answer] = json.loads(capsys.readouterr().out)["answers"]
    assert answer["unobserved"] == ["calls"]
    cut = {a["why"]: a["cut"] for a in answer["assumptions"]}
    assert cut == {"one block has a quota": 8, "used is not negative": 0}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("B = 1..2", "C = 1..2", "5:10: Reserve has no bound `C`"),
        ("B = 1..2", "B = 2..1", "5:10: 2..1 is empty: write the smaller number first"),
        ("B = 1..2", "B = 1..2000000000000", "5:10: 2000000000000: "),
        ("size B = 1..2", "", "3:10: of which bound? Write `size blocks = 0..8`"),
        ("with quota", "with quote", "3:10: Reserve has no feature `quote`"),
        ("with quota", "MOST = 0 with quota", "4:12: MOST = 0: "),
        ("with quota", "B = 1 with quota", "4:12: B is the bound that is sought: "),
    ],
)
def test_a_size_that_the_design_cannot_have(
    reserve: list[str],
    capsys: pytest.CaptureFixture[str],
    old: str,
    new: str,
    says: str,
) -> None:
    """At the place where it is written."""
    assert old in TAKE
    Path("t.scenario").write_text(TAKE.replace(old, new))
    assert main(reserve) == 2
    assert capsys.readouterr().err.startswith(f"t.scenario:{says}")


@pytest.mark.usefixtures("reserve")
def test_sizes_begin_where_the_design_can_have_them() -> None:
    """B is 1 at least. One size alone is unknown where its budget is spent."""
    Path("t.scenario").write_text(TAKE.replace("1..2", "0..2"))
    (known,) = designs_named("reserve.py")
    spec = parse("t.scenario")
    task = SizeTask(spec.scenarios[0], spec, known)
    assert size_question(task).range == range(1, 3)
    found = find_size(task, Budget(states=1), Silent())
    assert [at.size for at in found.sizes] == [1, 2]
    assert all("states" in at.unknown for at in found.sizes)
    assert all(at.states >= 1 for at in found.sizes)


def test_a_bound_that_means_nothing(
    reserve: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*reserve, "--bounds", "C=1"]) == 2
    assert "no bound 'C'" in capsys.readouterr().err
    assert main([*reserve, "--bounds", "B=1"]) == 2
    assert (
        "B is the bound that is sought; write --sizes 1..1" in capsys.readouterr().err
    )
    Path("t.scenario").write_text(TAKE.replace("for Reserve\n", ""))
    assert main([*reserve[:2], *OTHER, "--bounds", "MOTS=8"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("poolproof: Reserve, Other: no bound 'MOTS' (did you mean")


OTHER = ("--design", "reserve.py", "--design", "other.py")


@pytest.mark.usefixtures("reserve")
def test_a_scenario_is_on_its_own_designs_or_on_the_files() -> None:
    """Its own `for` takes the place of the file's."""
    asked = [reference for reference in OTHER if reference.endswith(".py")]

    def named(text: str, *designs: str) -> list[str]:
        Path("t.scenario").write_text(text)
        return [t.known.name for t in size_tasks(parse("t.scenario"), designs)]

    inner = "    bounds with quota\n"
    assert named(TAKE, *asked) == ["Reserve"]
    assert named(TAKE.replace(inner, f"    for Other\n{inner}"), *asked) == ["Other"]
    nowhere = TAKE.replace("for Reserve\n", "")
    assert named(nowhere.replace(inner, f"    for Other\n{inner}"), *asked) == ["Other"]
    assert named(nowhere, *asked) == ["Reserve", "Other"]
