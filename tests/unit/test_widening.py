# SPDX-License-Identifier: GPL-2.0-only
"""`poolproof check --sweep`: a spec at many bounds, the smallest first."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from poolproof.checker.commands.main import main
from poolproof.checker.core.verdict import Budget, Reporter, Silent
from poolproof.checker.driver import widening
from poolproof.checker.driver.designs import designs_named
from poolproof.checker.driver.growth import missed_by, predicted, steps_beyond
from poolproof.checker.driver.jobs import Job, Lost, in_turn
from poolproof.checker.driver.kept import ANEW
from poolproof.checker.driver.task import Request
from poolproof.checker.spec import parse

DESIGN = '''"""Tasks that take a page each."""
from poolproof.model.language import (
    Bool, Bound, Design, Int, Scalarset, action, require, table, var)

N = Bound("N", 1)
P = Bound("P", 1)
TASKS = Scalarset("TASKS", N)


class Takers(Design):
    taken = var(Int(0, P))
    spare = var(Int(N, P + 2), init=P + 2)
    has = table(TASKS, Bool())

    @action
    def take(self, t: TASKS):
        require(not self.has[t] and self.taken < P)
        self.has[t] = True
        self.taken += 1
'''
SPEC = """spec "takers"
for Takers
bounds N = 1, P = 1
invariant two "at most two": taken <= 2
invariant within "never above": taken <= P
reachable pair "two have one": taken == 2
"""


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    Path("t.py").write_text(DESIGN)
    Path("t.spec").write_text(SPEC)
    return ["check", "t.spec", "--design", "t.py:Takers", "--engine", "explicit"]


def test_every_cell_has_its_line(
    call: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """With symmetry a state is a number of pages taken: min(N, P) + 1 of them. The
    third page is taken where there are three, and three tasks."""
    assert main([*call, "--sweep", "N=1..3,P=2..3"]) == 1
    out = capsys.readouterr().out
    rows = [line.split(maxsplit=4) for line in out.splitlines()]
    cells = {(int(r[0]), int(r[1])): r[2:] for r in rows if len(r) == 5 and r[0] < "4"}
    assert set(cells) == {(n, p) for n in (1, 2, 3) for p in (2, 3)}
    for (n, p), (states, depth, worst) in cells.items():
        right = {1: "not reached: pair", 2: "no violation", 3: "violated: two"}
        assert worst == right[min(n, p)]
        assert (int(states), int(depth)) == (min(n, p) + 1, min(n, p))
    assert "two     fails at N=3 P=3 after 3 steps\n" in out
    assert "within  no violation in 6 cells\n" in out
    assert "pair    reached at N=2 P=2 after 2 steps\n" in out
    assert max(map(len, out.splitlines())) <= 75


def test_small_bounds_come_first_and_json_has_all(
    call: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    axes = ["--sweep", "P=1..2", "--sweep", "N=1..2"]
    assert main([*call, *axes, "--json"]) == 0
    (sweep,) = json.loads(capsys.readouterr().out)["sweeps"]
    order = [(c["at"]["P"], c["at"]["N"]) for c in sweep["cells"]]
    assert order[0] == (1, 1)
    assert order[-1] == (2, 2)
    assert sweep["axes"] == {"P": [1, 2], "N": [1, 2]}
    assert [len(c["check"]["properties"]) for c in sweep["cells"]] == [3] * 4
    (pair,) = [f for f in sweep["first"] if f["property"] == "pair"]
    assert pair["at"] == [{"bounds": {"P": 2, "N": 2}, "steps": 2}]
    assert sweep["not_searched"] == []


def test_bounds_that_the_design_cannot_have(
    call: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """There is no number from N = 5 to P + 2 = 4."""
    call += ["--bounds", "P=2"]
    assert main([*call, "--sweep", "N=4..5"]) == 0
    out = capsys.readouterr().out
    assert "impossible" in out
    assert "no violation in 1 cell\n" in out
    assert main([*call, "--sweep", "N=5..6"]) == 2
    assert "spare" in capsys.readouterr().err


def grid(**axes: range) -> widening.Widened:
    (known,) = designs_named("t.py:Takers")
    (one,) = widening.grids(
        parse("t.spec"), Request(designs=(known.reference,)), [*axes.items()]
    )
    return one


@pytest.mark.usefixtures("call")
def test_a_spent_budget_leaves_out_the_largest() -> None:
    """The time is up after the third cell: the others are not known, so the exit code
    is 3, and the pair that was not reached is no failure."""
    one = grid(N=range(1, 3), P=range(1, 3))
    budget = Budget(seconds=60.0)
    spread = in_turn(lambda: False)

    def three(cells: Sequence[Job], report: Reporter) -> Iterator[Any]:
        return (
            iter([Lost("the time budget")])
            if len(one.cells) == 3
            else spread(cells, report)
        )

    how = widening.Searches("explicit", budget, ANEW, three)
    assert len([*widening.widen(one, how, Silent())]) == 4
    assert sorted(one.checked) == [(1, 1), (1, 2), (2, 1)]
    assert widening.sweep_code([one], False) == 3
    late = widening.Searches("explicit", Budget(seconds=0.0), ANEW, spread)
    other = grid(N=range(1, 3))
    assert [*widening.widen(other, late, Silent())] == []
    assert other.not_reached == [(1,), (2,)]
    assert widening.sweep_code([other], False) == 3


def test_ctrl_c_leaves_what_is_known(
    call: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = widening.BoundsCell.run

    def interrupted(cell: Any, *more: Any) -> Any:
        if cell.request.bounds == {"N": 2}:
            os.kill(os.getpid(), signal.SIGINT)
        return run(cell, *more)

    monkeypatch.setattr(widening.BoundsCell, "run", interrupted)
    assert main([*call, "--sweep", "N=1..3"]) == 3
    out = capsys.readouterr().out
    assert "within  no violation in 1 cell\n" in out
    assert "not searched: 2 cells" in out


def test_processes_give_the_same(
    call: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """In the order of the cells that are done together."""
    sweep = [*call, "--sweep", "N=1..2,P=1..2", "--no-cache"]
    assert main(sweep) == 0
    alone = capsys.readouterr().out
    assert main([*sweep, "--jobs", "2"]) == 0
    assert sorted(capsys.readouterr().out.splitlines()) == sorted(alone.splitlines())


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--sweep", "M=1..2"], "no bound 'M'"),
        (["--sweep", "N=0..2"], "--sweep N=0: N is at least 1"),
        (["--sweep", "N=1..2,N=1..3"], "has N twice"),
        (["--sweep", "N=1..2", "--bounds", "N=2"], "in --bounds and in --sweep"),
        (["--sweep", "N"], "write it like cold=0..16"),
        (["--sweep", "N=1..2", "--engine", "bmc"], "explicit or native"),
        (["--sweep", "N=1..2", "--triples"], "leave one of them out"),
    ],
)
def test_what_is_no_sweep(
    call: list[str], more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*call, *more]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_growth() -> None:
    """Of functions whose values are known: a constant factor, a polynomial, and two
    bounds that make each other larger."""
    power = {(n, m): 3.0**n * 2.0**m for n in range(1, 4) for m in range(1, 4)}
    assert predicted(power, (5, 4)) == pytest.approx(3**5 * 2**4)
    both = {(n, m): 2.0 ** (n * m) for n in range(1, 4) for m in range(1, 4)}
    assert predicted(both, (4, 4)) == pytest.approx(2.0**16)
    cube = {(n,): float(n**3) for n in range(3, 6)}
    assert 0.8 < (predicted(cube, (8,)) or 0) / 8**3 < 1.25
    assert missed_by(cube, 1) == pytest.approx((4**3 / 3**3) ** 2 / 5**3 * 3**3)
    assert steps_beyond(cube, (8,)) == 3
    assert missed_by(cube, 3) is None
    assert predicted({(1,): 7.0}, (1,)) == pytest.approx(7)
    assert predicted({}, (1,)) is None
