# SPDX-License-Identifier: GPL-2.0-only
"""`poolproof check --estimate`, of designs whose states can be counted by hand, and
of the reference pool, whose counts are in README."""

from __future__ import annotations

import json
from itertools import islice
from math import comb
from pathlib import Path

import pytest

from poolproof.checker.commands.main import main
from poolproof.checker.core.verdict import Budget, Silent
from poolproof.checker.driver import widening
from poolproof.checker.driver.estimate import Estimate, estimated, grid_below
from poolproof.checker.driver.jobs import in_turn
from poolproof.checker.driver.kept import ANEW
from poolproof.checker.driver.task import Request, prepare
from poolproof.checker.reports.estimate import estimate_report
from poolproof.checker.spec import parse

ROOT = Path(__file__).parents[2]

DESIGN = '''"""Tasks that take a page each, while there are pages."""
from poolproof.model.language import (
    Bool, Bound, Design, Int, Scalarset, action, require, table, var)

N = Bound("N", 1)
P = Bound("P", 1)
TASKS = Scalarset("TASKS", N)


class Takers(Design):
    taken = var(Int(0, P))
    has = table(TASKS, Bool())

    @action
    def take(self, t: TASKS):
        require(not self.has[t] and self.taken < P)
        self.has[t] = True
        self.taken += 1
'''
SPEC = """spec "takers"
for Takers
bounds N = 6, P = 4
invariant within "never above": taken <= P
"""


def states(tasks: int, pages: int) -> int:
    """Without symmetry: the sets of at most so many tasks."""
    return sum(comb(tasks, k) for k in range(pages + 1))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.py").write_text(DESIGN)
    Path("t.spec").write_text(SPEC)


def estimate(cells: int) -> Estimate:
    """The estimate from so many cells."""
    request = Request(designs=("t.py:Takers",))
    (task,) = prepare(parse("t.spec"), request)
    grid = grid_below(task, request)
    budget = Budget(symmetry=False)
    how = widening.Searches("explicit", budget, ANEW, in_turn(lambda: False))
    for _ in islice(widening.widen(grid, how, Silent()), cells):
        pass
    return estimated(task, grid, "explicit")


@pytest.mark.usefixtures("here")
def test_the_count_is_within_the_factor() -> None:
    """Of 57 states, from a dozen searches. The pages that no task can take make its
    growth one that comes to an end, which no formula of the method has."""
    e = estimate(12)
    assert not e.exact
    assert e.states is not None
    assert max(e.grid.states().values()) < states(6, 4) == 57
    assert states(6, 4) / e.off <= e.states <= states(6, 4) * e.off
    assert e.off <= 4
    text = "\n".join(estimate_report(e))
    assert "Extrapolated from 12 searches at smaller bounds" in text
    assert max(map(len, text.splitlines())) <= 75


@pytest.mark.usefixtures("here")
def test_all_cells_are_the_search_itself(capsys: pytest.CaptureFixture[str]) -> None:
    call = ["check", "t.spec", "--design", "t.py:Takers", "--engine", "explicit"]
    call += ["--no-symmetry", "--estimate", "--bounds", "N=2,P=2"]
    assert main(call) == 0
    out = capsys.readouterr().out
    assert f"states  {states(2, 2)}, searched\n" in out
    assert "Extrapolated" not in out
    assert main([*call, "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["estimates"]
    assert (one["states"], one["exact"]) == (4, True)
    assert {(s["at"]["N"], s["at"]["P"]): s["states"] for s in one["searched"]} == {
        (n, p): states(n, p) for n in (1, 2) for p in (1, 2)
    }


@pytest.mark.usefixtures("here")
def test_nothing_is_known_without_a_search(capsys: pytest.CaptureFixture[str]) -> None:
    e = estimate(0)
    assert e.states is None
    assert "nothing is known" in " ".join(estimate_report(e))
    call = ["check", "t.spec", "--design", "t.py:Takers", "--estimate"]
    assert main([*call, "--bounds", "N=200,P=200"]) == 2
    assert "too far" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bounds", "more", "count"),
    [
        ("B=4,V=3,P=3", ["--no-symmetry"], 13_601_738),
        ("B=4,V=4,P=3", [], 4_218_388),
    ],
)
def test_the_reference_pool(
    bounds: str, more: list[str], count: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """README's counts, which other checkers found, too."""
    call = ["check", str(ROOT / "bench/pool.spec"), "--bounds", bounds, *more]
    call += ["--design", str(ROOT / "bench/pool.py"), "--estimate", "--json"]
    assert main([*call, "--budget", "20"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["estimates"]
    assert count / one["factor"] <= one["states"] <= count * one["factor"]
