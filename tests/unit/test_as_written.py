# SPDX-License-Identifier: GPL-2.0-only
"""At other bounds or features than the spec's own, both numbers are told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from poolproof.checker.commands.main import main

DESIGN = """
from poolproof.model.language import Bound, Design, Feature, Int, action, require, var

CAP = Bound("cap", 5)
FAST = Feature("fast", False, "two at a time")


class Tank(Design):
    level = var(Int(0, 9))

    @action
    def fill(self):
        require(self.level < CAP)
        if FAST and self.level < CAP - 1:
            self.level += 2
        else:
            self.level += 1
"""

SPEC = """spec "a tank"
for Tank
bounds cap = 5
bounds small: cap = 3

invariant room "it is never full": level < cap
    expect violated at 5
invariant five: level != 5
    expect violated at 5
invariant within: level <= 7
"""

UNDER = """
invariant low: level <= 3
    expect violated at 4
    expect {} under small
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tank.py").write_text(DESIGN)
    (tmp_path / "tank.spec").write_text(SPEC)
    return tmp_path


def check(capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, dict[str, str]]:
    """The exit code, and the words for each property."""
    code = main(["check", "tank.spec", "--engine", "explicit", *more])
    told = capsys.readouterr().out
    rows = (
        line.split(None, 1)
        for line in told.splitlines()
        if line.startswith("  ") and not line.startswith("   ")
    )
    return code, {row[0]: row[1] for row in reversed([*rows]) if len(row) == 2}


def test_as_written(capsys: pytest.CaptureFixture[str]) -> None:
    code, told = check(capsys)
    assert code == 0
    assert told["room"] == "violated after 5 steps, as expected"


@pytest.mark.parametrize(
    ("how", "steps"),
    [
        (("--bounds", "cap=3"), 3),
        (("--bounds", "small"), 3),
        (("--bounds", "cap=7"), 7),
        (("--with", "fast"), 3),
    ],
)
def test_another_depth(
    how: tuple[str, ...], steps: int, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = check(capsys, *how)
    assert code == 0
    wanted = f"violated after {steps} steps; the spec as written: violated at 5"
    assert told["room"] == wanted
    assert "as written" not in told["within"]


def test_another_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    code, told = check(capsys, "--bounds", "small")
    assert code == 0
    assert told["five"].startswith("no violation")
    assert told["five"].endswith("; the spec as written: violated at 5")


def test_the_same_depth_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    code, told = check(capsys, "--bounds", "cap=5")
    assert (code, told["room"]) == (0, "violated after 5 steps, as expected")


def test_what_should_hold_is_violated(capsys: pytest.CaptureFixture[str]) -> None:
    """No bounds excuse that."""
    code, told = check(capsys, "--bounds", "cap=8")
    assert (code, told["within"]) == (1, "violated after 8 steps; EXPECTED: holds")


@pytest.mark.parametrize(
    ("stated", "code", "words"),
    [
        ("holds", 0, "no violation"),
        ("violated at 4", 1, "; EXPECTED: violated at 4"),
        ("violated", 1, "; EXPECTED: violated"),
        ("vacuous", 1, "; EXPECTED: vacuous"),
    ],
)
def test_what_is_expected_under_a_label_is_strict(
    stated: str,
    code: int,
    words: str,
    here: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (here / "tank.spec").write_text(SPEC + UNDER.format(stated))
    found, told = check(capsys, "--bounds", "small")
    assert found == code
    assert told["low"].endswith(words)
    assert told["room"] == "violated after 3 steps; the spec as written: violated at 5"
    found, told = check(capsys)
    assert (found, told["low"]) == (0, "violated after 4 steps, as expected")


def test_other_bounds_than_those_of_the_label(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A single bound beside the label makes its expectation one of other bounds."""
    (here / "tank.spec").write_text(SPEC + UNDER.format("violated at 4"))
    code, told = check(capsys, "--bounds", "small,cap=7")
    assert (code, told["low"]) == (0, "violated after 4 steps, as expected")
    code, told = check(capsys, "--bounds", "small,cap=2")
    assert code == 0
    assert told["low"].endswith("; the spec as written: violated at 4")


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    for how, stated in ((), True), (("--bounds", "cap=3"), False):
        main(["check", "tank.spec", "--engine", "explicit", "--json", *how])
        (found,) = json.loads(capsys.readouterr().out)["checks"]
        room = found["properties"][0]
        assert (room["expected"], room["as_stated"]) == ("violated at 5", stated)
        assert room["judgement"] == "expected"
