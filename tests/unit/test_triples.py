# SPDX-License-Identifier: GPL-2.0-only
"""Any three features together: what breaks only then is found, with the smallest set."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from poolproof.checker.commands.main import main
from poolproof.checker.core.verdict import Budget, Holds, Silent, Unknown, Violated
from poolproof.checker.driver import triples as module
from poolproof.checker.driver.designs import DesignRef, designs_named
from poolproof.checker.driver.jobs import in_turn
from poolproof.checker.driver.judging import ExpectationStatus
from poolproof.checker.driver.task import Request, Task, prepare
from poolproof.checker.driver.triples import (
    STATES,
    Triples,
    candidates,
    exit_code,
    feature_sets,
    triples,
)
from poolproof.checker.spec import parse

DESIGN = """
from poolproof.model.language import (
    Bound, Design, Feature, Given, Int, action, require, table, var,
)

B = Bound("B", 3)
ALPHA = Feature("alpha", False)
BETA = Feature("beta", False, needs=ALPHA)
GAMMA = Feature("gamma", False)
DELTA = Feature("delta", False)

class Toy(Design):
    x = var(Int(0, B))
    y = var(Int(0, B))

    @action(kernel="a.c:tick")
    def tick(self):
        require(self.y < 1)
        self.y += 1

    @action(kernel="a.c:add", when=(BETA, GAMMA, DELTA))
    def add(self):
        require(self.x < B)
        self.x += 1

    @action(kernel="a.c:jump", when=DELTA)
    def jump(self):
        require(self.y == 1)
        self.y = 2
"""

HEIR = """
from toy import *

OTHER = Feature("other", False)

class Heir(Toy):
    @action(kernel='a.c:third', when=GAMMA)
    def third(self):
        self.y = 2

    @action(kernel='a.c:none', when=OTHER)
    def none(self):
        require(self.x > B)
"""

SPEC = """
spec "toy"
for Toy
bounds B = 3
bounds triples: B = 2

invariant low: x < 2
invariant small: y < 2
invariant free: x <= B
step slow on add: x' == x + 1
reachable there: y == 1
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "toy.py").write_text(DESIGN)
    (tmp_path / "toy.spec").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def task_of(label: str = "triples") -> Task:
    (task,) = prepare(parse("toy.spec"), Request(label=label, designs=("toy.py",)))
    return task


def asked(task: Task, states: int = STATES) -> Triples:
    return triples(task, Budget(states=states), in_turn(lambda: False), Silent())


@pytest.mark.usefixtures("folder")
def test_each_set_has_three_that_nothing_else_needs() -> None:
    task = task_of()
    assert set(candidates(task)) == {"alpha", "beta", "gamma", "delta"}
    (one,) = feature_sets(task, candidates(task))
    assert set(one[0]) == {"beta", "gamma", "delta"}
    assert set(one[1]) == {"alpha", "beta", "gamma", "delta"}


@pytest.mark.usefixtures("folder")
def test_the_smallest_set_is_named() -> None:
    done = asked(task_of())
    found = {a.prop.name: a for a in done.answers}
    assert set(found) == {"low", "small", "free", "slow"}
    (low,) = found["low"].broken
    assert set(low.chosen) == {"beta", "gamma", "delta"}
    assert len(low.verdict.trace) == 2
    (small,) = found["small"].broken
    assert small.chosen == ("delta",)
    assert isinstance(found["free"].verdict, Holds)
    assert found["free"].broken == ()
    assert found["low"].status is ExpectationStatus.UNMET
    assert exit_code([done]) == 1


@pytest.mark.usefixtures("folder")
def test_a_search_that_did_not_end_is_unknown() -> None:
    found = {a.prop.name: a.verdict for a in asked(task_of(), states=2).answers}
    assert isinstance(found["free"], Unknown)
    assert "1 of 1" in found["free"].reason
    assert not isinstance(found["low"], Violated | Holds)


def expecting(folder: Path, more: str = "") -> None:
    (folder / "toy.triples").write_text(
        "for Toy\nlow with beta, gamma, delta  # why\n\nsmall with delta\n" + more
    )


def test_what_is_expected_is_no_surprise(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expecting(folder)
    assert main(["check", "toy.spec", "--design", "toy.py", "--triples"]) == 0
    out = capsys.readouterr().out
    assert all(len(line) <= 75 for line in out.splitlines())
    assert "beta + gamma + delta (needs alpha): after 2 steps" in out
    assert "violated after 2 steps, as expected" in out
    assert "1 set of features" in out


def test_a_known_set_that_is_not_violated_is_seen(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expecting(folder, "free with alpha\n")
    assert main(["check", "toy.spec", "--design", "toy.py", "--triples"]) == 1
    assert "free is expected to be violated with alpha, and is not" in (
        capsys.readouterr().out
    )


def test_a_known_set_with_a_feature_that_is_left_out_is_no_surprise(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """beta needs alpha."""
    expecting(folder)
    asked = ("check", "toy.spec", "--design", "toy.py", "--triples")
    assert main([*asked, "--without", "alpha"]) == 0
    assert "is expected" not in capsys.readouterr().out


def test_a_line_that_is_no_set_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expecting(folder, "free without alpha\n")
    assert main(["check", "toy.spec", "--design", "toy.py", "--triples"]) == 2
    assert capsys.readouterr().err.startswith("toy.triples:5:1: write `for DESIGN`")


def test_an_heir_is_compared_with_what_it_inherits(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "heir.py").write_text(HEIR)
    (known,) = [k for k in designs_named("heir.py") if k.name == "Heir"]
    base = DesignRef(known.cls.__bases__[0], "Toy")
    monkeypatch.setattr(module, "shipped_designs", lambda: (base,))
    expecting(folder)
    (task,) = prepare(
        parse("toy.spec"), Request(label="triples", designs=("heir.py:Heir",))
    )
    found = {a.prop.name: a for a in asked(task).answers}
    assert [b.inherited for b in found["low"].broken] == [True]
    assert found["low"].new == ()
    assert {b.chosen: b.inherited for b in found["small"].broken} == {
        ("gamma",): False,
        ("delta",): True,
    }
    assert [b.chosen for b in found["small"].new] == [("gamma",)]


def test_a_base_that_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the base violates, too, is no news, whatever the spec expects."""
    (folder / "heir.py").write_text(HEIR)
    asked = ("check", "toy.spec", "--design", "heir.py:Heir", "--triples")
    assert main([*asked, "--against", "toy.py:Toy"]) == 1
    text = capsys.readouterr().out
    assert "Heir against Toy, B=2" in text
    assert text.count("NEW") == 1
    assert "    gamma: after 1 step, NEW\n" in text
    hidden = " ".join(text.split()).partition("Toy violates the same with ")[2]
    assert "; delta: 2 sets with these features searched again, for runs" in hidden
    assert main([*asked, "--against", "heir.py:Heir"]) == 2
    assert "name the other design with --design" in capsys.readouterr().err


def test_no_difference_says_what_was_not_asked(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "same.py").write_text("from toy import *\n\nclass Same(Toy):\n    pass\n")
    asked = ("check", "toy.spec", "--design", "same.py:Same", "--against", "toy.py:Toy")
    assert main(asked) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "Same against Toy: no difference, the same transition system" in text
    assert "not checked with any three features together: check toy --triples" in text


def test_a_known_violation_hides_no_other(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With delta `jump` violates `small` in both; `leap` in the heir only, and later."""
    (folder / "other.py").write_text(
        "from toy import *\n\nclass Other(Toy):\n"
        "    @action(kernel='a.c:leap', when=(DELTA, GAMMA))\n"
        "    def leap(self):\n        require(self.x == 1 and self.y == 1)\n"
        "        self.y = 2\n"
    )
    asked = ("check", "toy.spec", "--design", "other.py:Other", "--triples")
    assert main([*asked, "--against", "toy.py:Toy"]) == 1
    text = capsys.readouterr().out
    (line,) = (x for x in text.splitlines() if x.endswith(": after 3 steps, NEW"))
    assert {"beta", "gamma", "delta"} <= set(line.replace(" +", "").split())
    assert "3. leap()" in text
    assert text.count("NEW") == 1


def test_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expecting(folder)
    assert main(["check", "toy.spec", "--design", "toy.py", "--triples", "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["specs"]
    low = next(p for p in one["properties"] if p["name"] == "low")
    assert low["violated_with"][0]["steps"] == 2
    assert low["violated_with"][0]["needed"] == ["alpha"]


# --- designs side by side ---------------------------------------------------


def test_designs_are_ranked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "toy.py").write_text(
        DESIGN
        + """
class Worse(Toy):
    @action(kernel="a.c:tick")
    def tick(self):
        self.y = 2

class Better(Toy):
    jump = None
"""
    )
    given = ["--design", "toy.py:Worse", "--design", "toy.py:Better"]
    code = main(
        [
            "check",
            "toy.spec",
            "--table",
            "--engine",
            "explicit",
            *given,
            "--with",
            "delta",
        ]
    )
    out = capsys.readouterr().out
    assert code == 1
    assert out.index("Better") < out.index("Worse")
    rows = {
        line.split()[0]: line.split()[1:] for line in out.splitlines() if line.strip()
    }
    assert rows["Better"][0] == "0"
    assert rows["Worse"][0] == "2"
    assert all(len(line) <= 75 for line in out.splitlines())
