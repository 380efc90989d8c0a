# SPDX-License-Identifier: GPL-2.0-only
"""A check as a function, and as tests of pytest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import poolproof
from poolproof.model.language import Bound, Design, Int, action, require, var
from tests.common.counters import COUNTERS

ROOT = Path(__file__).parents[2]
MOST = Bound("MOST", 3)


class Counts(Design):
    x = var(Int(0, MOST))

    @action
    def up(self):
        require(self.x < MOST)
        self.x += 1


SPEC = """\
spec "x"
invariant low: x <= 1
invariant all: x <= MOST
reachable high: x == MOST
invariant odd: x > MOST implies x < 0
    expect vacuous
"""


def verdicts(**more: int) -> poolproof.Verdicts:
    return poolproof.check(Counts, SPEC, engine="explicit", **more)


def test_the_verdicts_of_a_class() -> None:
    found = verdicts()
    assert {n: v.verdict for n, v in found.items()} == {
        "low": "violated",
        "all": "holds",
        "high": "reachable",
        "odd": "vacuous",
    }
    assert [n for n, v in found.items() if not v.ok] == ["low"]
    assert not found.ok
    low = found["low"]
    assert low.calls == ("up()", "up()")
    assert low.run.splitlines()[0] == "low"
    assert "  low is false:" in low.run
    assert str(low) == "low: violated after 2 steps; expected: holds"
    assert str(found).startswith("<spec>: x\n  Counts, ")


def test_bounds_by_name() -> None:
    found = verdicts(MOST=1)
    assert found.ok
    assert found["high"].calls == ("up()",)
    with pytest.raises(poolproof.UserError, match="no bound 'LEAST'"):
        verdicts(LEAST=1)


def test_a_local_class_is_a_design_too() -> None:
    class Local(Counts):
        @action
        def down(self):
            require(self.x > 0)
            self.x -= 1

    found = poolproof.check(Local, SPEC, engine="explicit")
    assert found["high"].verdict == "reachable"


def test_a_shipped_spec() -> None:
    found = poolproof.check(None, "hugetlb_surplus_race", engine="explicit")
    assert found.ok
    assert all(v.verdict != "unknown" for v in found.values())


def test_mistakes_of_the_call() -> None:
    with pytest.raises(poolproof.UserError, match="engine fast: there are auto"):
        poolproof.check(Counts, SPEC, engine="fast")
    with pytest.raises(poolproof.UserError, match="which design"):
        poolproof.check(None, "promise_plain", engine="explicit", depth=0)


def test_a_design_that_is_wrong() -> None:
    class Wrong(Counts):
        @action
        def more(self):
            self.x += 1

    found = poolproof.check(Wrong, SPEC, engine="explicit")
    assert not found.ok
    assert "outside its range" in found.errors[0]


# --- pytest ---------------------------------------------------------------


PLUGIN = ("-p", "no:poolproof", "-p", "poolproof.pytest_plugin")
"""The plugin of this checkout, whatever is installed."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "d.py").write_text(COUNTERS)
    text = SPEC.replace("\n", "\nfor D, E\n", 1).replace("MOST", "3")
    (tmp_path / "d.spec").write_text(text + "invariant mine: y <= 1\n")
    (tmp_path / "other.spec").write_text("Name: hello\nVersion: 1\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\npoolproof_engine = explicit\n")
    return tmp_path


def run_pytest(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *PLUGIN, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr
    return done.stdout


def test_pytest_collects_a_spec(folder: Path) -> None:
    out = run_pytest(folder, "-v")
    for line in (
        "d.spec::low[D] FAILED",
        "d.spec::all[D] PASSED",
        "d.spec::odd[D] PASSED",
        "d.spec::mine[D] SKIPPED (n/a: no y)",
        "d.spec::design[D] PASSED",
        "d.spec::mine[E] PASSED",
        "d.spec::high[E] SKIPPED (n/a: no x)",
    ):
        assert line in out
    assert "low: violated after 2 steps; expected: holds\nlow\n  1. up()\n" in out
    assert "    x <= 1 is false: x is 2\n" in out
    assert "1 failed, 6 passed, 5 skipped" in out
    assert "Traceback" not in out


def test_one_property_is_a_test(folder: Path) -> None:
    assert "1 passed" in run_pytest(folder, "d.spec::all[D]")


def test_a_mistake_in_a_spec_is_an_error_of_collection(folder: Path) -> None:
    (folder / "d.spec").write_text('spec "x"\nfor D\ninvariant low: x <\n')
    out = run_pytest(folder)
    assert "d.spec:3:19: the file ends in the middle" in out
    assert "Traceback" not in out
