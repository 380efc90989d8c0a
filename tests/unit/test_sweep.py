# SPDX-License-Identifier: GPL-2.0-only
"""`poolproof size --sweep`: the least pool over a grid."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest

from poolproof.checker.commands.main import main

TEXT = """spec "s"
bounds P = 3, V = 2, nodes = 1
let cold = 1
scenario a "swap helps": for ReservedThpPlanned
    bounds slots = cold, over = P + P with swap, overcommit
    size blocks = 1..P + P
    early reserve
    task old:
        reserve(v0, P) repeat p in 0..P - 1: fault(v0, p, _)
        signal up await ready unmap(v0)
    task new:
        await up reserve(v1, P) repeat p in 0..P - 1: fault(v1, p, _)
        signal ready
    environment swap_out(v0, P - cold..P - 1)
"""


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.scenario").write_text(TEXT)
    return ["size", "s.scenario"]


def test_a_grid(call: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """hot + new - what swap takes: the smaller of cold and slots."""
    axes = ["--sweep", "cold=1..2", "--sweep", "slots=1..2"]
    assert main([*call, *axes, "--csv", "s.csv"]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 75
    with open("s.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(r["scenario"], r["design"], r["bound"]) for r in rows} == {
        ("a", "ReservedThpPlanned", "blocks")
    }
    for row in rows:
        taken = min(int(row["cold"]), int(row["slots"]))
        assert int(row["least"]) == 3 + 3 - taken
        # with swap left, the fault waits for a hot block to go out
        assert row["below"] == ("stuck" if taken < int(row["slots"]) else "late")
    assert len(rows) == 4
    assert "  1             5  5\n" in out
    assert "  2             5  4\n" in out


def test_a_cell_without_an_answer_in_the_range(
    call: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*call, "--sizes", "1..4", "--sweep", "cold=1..2"]) == 0
    out = capsys.readouterr().out
    assert "  1     none\n" in out
    assert "  2     4\n" in out


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--sweep", "cald=1..2"], "did you mean 'cold'?"),
        (["--sweep", "cold"], "write it like cold=0..16"),
        (["--sweep", "cold=2..1"], "write two sizes, like 20..24"),
        (["--sweep", "cold=1..2"] * 2, "has cold twice"),
        (["--csv", "s.csv"], "--csv needs --sweep"),
        (["--plot", "s.png"], "--plot needs --sweep"),
        (["--sweep", "cold=1..1", "--json"], "use --csv FILE"),
        (["--sweep", "cold=1..1", "--csv", "no/s.csv"], "no/s.csv: No such file"),
    ],
)
def test_what_is_no_sweep(
    call: list[str], more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: object = main([*call, *more])
    except SystemExit as e:
        code = e.code
    assert code == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_plot_without_matplotlib(
    call: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert main([*call, "--sweep", "cold=1..1", "--plot", "s.png"]) == 2
    assert "pip install 'poolproof[plot]'" in capsys.readouterr().err
    assert not Path("s.png").exists()


def test_a_plot(call: list[str]) -> None:
    pytest.importorskip("matplotlib")
    axes = ["--sweep", "cold=1..2", "--sweep", "slots=0..1"]
    assert main([*call, *axes, "--plot", "s.png"]) == 0
    assert Path("s.png").read_bytes().startswith(b"\x89PNG")
