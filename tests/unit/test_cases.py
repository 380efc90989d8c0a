# SPDX-License-Identifier: GPL-2.0-only
"""The answers of a check as test cases: JUnit's XML, and KTAP."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from poolproof.checker.commands.main import main
from tests.common.counters import COUNTERS

SPEC = """\
spec "x & <y>"
for D, E
invariant low: x <= 1
invariant all: x <= 3
invariant more: y <= 1
invariant odd: x > 3 implies x > 4
reachable high: x == 3
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("d.py").write_text(COUNTERS)
    Path("d.spec").write_text(SPEC)


KTAP = """\
KTAP version 1
1..2
  KTAP version 1
  1..5
  # violated after 2 steps; expected: holds
  # low
  #   1. up()
  #        x  0 -> 1
  #   2. up()
  #        x  1 -> 2
  #   low is false:
  #     x <= 1 is false: x is 2
  not ok 1 low
  ok 2 all
  # vacuous: never true: x > 3; expected: holds
  not ok 3 odd
  ok 4 high
  ok 5 more # SKIP n/a: no y
not ok 1 d.spec D, no bounds
  KTAP version 1
  1..5
  ok 1 more
  ok 2 low # SKIP n/a: no x
  ok 3 all # SKIP n/a: no x
  ok 4 odd # SKIP n/a: no x
  ok 5 high # SKIP n/a: no x
ok 2 d.spec E, no bounds
"""


def test_ktap(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "d.spec", "--engine", "explicit", "--ktap"]) == 1
    out, err = capsys.readouterr()
    assert (out, err) == (KTAP, "")


def test_junit(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["check", "d.spec", "--engine", "explicit"]
    assert main([*argv, "--junit", "out.xml"]) == 1
    text = capsys.readouterr().out
    assert "violated after 2 steps; EXPECTED: holds" in text
    root = ElementTree.fromstring(Path("out.xml").read_text())
    suite, other = root
    assert other.get("skipped") == "4"
    assert suite.attrib == {
        "name": "d.spec D, no bounds",
        "tests": "5",
        "failures": "2",
        "errors": "0",
        "skipped": "1",
    }
    found = {c.get("name"): [(x.tag, x.get("message")) for x in c] for c in suite}
    assert found == {
        "low": [("failure", "violated after 2 steps; expected: holds")],
        "all": [],
        "odd": [("failure", "vacuous: never true: x > 3; expected: holds")],
        "high": [],
        "more": [("skipped", "n/a: no y")],
    }
    assert "1. up()" in (suite[0][0].text or "")


def test_what_is_not_known_is_an_error() -> None:
    argv = ["check", "d.spec", "--engine", "explicit", "--depth", "1"]
    assert main([*argv, "--junit", "out.xml"]) == 3
    suite, _ = ElementTree.fromstring(Path("out.xml").read_text())
    assert suite.get("errors") == "4"
    assert suite[0][0].tag == "error"


def test_an_error_of_the_design_is_a_failure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("d.py").write_text(COUNTERS.replace("self.x < 3", "self.x < 4"))
    assert main(["check", "d.spec", "--engine", "explicit", "--ktap"]) == 2
    out = capsys.readouterr().out
    assert "not ok 6 the design\n" in out
    assert "  # x becomes 4, outside its range" in out
