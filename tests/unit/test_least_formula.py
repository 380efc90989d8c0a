# SPDX-License-Identifier: GPL-2.0-only
"""The least pool as a formula: what is fitted, and what is refused."""

from __future__ import annotations

import pytest

from poolproof.checker.commands.main import main
from poolproof.checker.core import ir
from poolproof.checker.driver.least_formula import LinearForm, beyond, fitted, judged
from poolproof.checker.driver.sweep import SweepCell

NAMES = ("P", "cold")


def cells(least: dict[tuple[int, int], int | None]) -> list[SweepCell]:
    return [SweepCell(values, size, "stuck") for values, size in least.items()]


GRID = [(p, cold) for p in (2, 3, 4) for cold in (1, 2)]


def test_the_formula_is_the_one_that_all_cells_satisfy() -> None:
    found, why = fitted(NAMES, cells({(p, c): 2 * p - c + 1 for p, c in GRID}))
    assert why == ""
    assert found == LinearForm(NAMES, (2, -1), 1)
    assert str(found) == "2 * P - cold + 1"
    assert found.at((10, 3)) == 18


@pytest.mark.parametrize(
    ("factors", "constant", "text"),
    [
        ((1, 0), 0, "P"),
        ((0, 0), 0, "0"),
        ((-1, 3), -2, "-P + 3 * cold - 2"),
        ((0, 1), 5, "cold + 5"),
    ],
)
def test_a_formula_as_text(factors: tuple[int, int], constant: int, text: str) -> None:
    assert str(LinearForm(NAMES, factors, constant)) == text


@pytest.mark.parametrize(
    ("least", "why"),
    [
        ({(p, c): max(p, 2 * c) for p, c in GRID}, "it is not linear in P, cold"),
        ({(p, 1): 2 * p for p in range(5)}, "it is not linear in P, cold"),
        ({(2, 1): 1, (3, 1): 2, (2, 2): 5}, "3 sizes are too few"),
        (
            {(p, c): None if c == 2 else p for p, c in GRID},
            "P=2, cold=2 has none in the scenario's range (stuck)",
        ),
    ],
)
def test_no_formula(least: dict[tuple[int, int], int | None], why: str) -> None:
    assert fitted(NAMES, cells(least)) == (None, why)


def test_factors_are_whole_numbers() -> None:
    least = {(2, 1): 2, (4, 1): 3, (6, 1): 4, (2, 2): 2, (4, 3): 3}
    assert fitted(NAMES, cells(least)) == (None, "its factors are not whole numbers")


def test_a_formula_must_be_right_beyond_the_grid() -> None:
    assert list(beyond((("P", range(2, 5)), ("cold", range(1, 3))))) == [
        (5, 2),
        (4, 3),
        (5, 3),
    ]
    formula = LinearForm(NAMES, (2, 0), 0)
    right = cells({(5, 2): 10, (4, 3): 8})
    assert judged(formula, [], right).formula == formula
    wrong = judged(formula, [], [*right, SweepCell((5, 3), 9)])
    assert wrong.formula is None
    assert wrong.why == "2 * P fits the grid, but P=5, cold=3 needs 9"
    assert judged(formula, [], []).formula is None


def test_what_cannot_be_asked(capsys: pytest.CaptureFixture[str]) -> None:
    call = ["size", "hot_upgrade", "--scenario", "pool_files"]
    assert main([*call, "--any", "pages"]) == 2
    assert "no such bound" in capsys.readouterr().err
    assert main([*call, "--any", "P,P"]) == 2
    assert "twice" in capsys.readouterr().err
    assert main([*call, "--any", "P", "--sweep", "P=1..2"]) == 2
    assert "leave one" in capsys.readouterr().err


@pytest.mark.slow
def test_what_an_upgrade_takes(capsys: pytest.CaptureFixture[str]) -> None:
    """Hot, standby, and nothing for what reclaim took."""
    call = ["size", "hot_upgrade", "--any", "P=2..4,cold=1..2"]
    assert main([*call, "--scenario", "cold"]) == 0
    out = capsys.readouterr().out
    assert "cold on ReservedThpPlanned: blocks = 2 * P - cold\n" in out
    assert "Not proved for other values" in " ".join(out.split())
    assert main([*call, "--scenario", "limit", "--design", "ReservedThp"]) == 3
    assert "no formula for blocks: P=2, cold=1 has none" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (ir.sub(ir.add(ir.param("P"), ir.num(3)), ir.param("cold")), "P - cold + 3"),
        (ir.sub(ir.num(1), ir.mul(ir.num(2), ir.param("P"))), "-2 * P + 1"),
        (ir.mul(ir.param("P"), ir.param("cold")), "None"),
        (ir.param("V"), "None"),
        (ir.max_(ir.param("P"), ir.num(2)), "None"),
    ],
)
def test_an_expression_as_a_formula(text: ir.Expr, form: str) -> None:
    found = LinearForm.of(text, NAMES)
    assert str(found) == form
    assert found is None or LinearForm.of(found.expr(), NAMES) == found
