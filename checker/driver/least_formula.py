# SPDX-License-Identifier: GPL-2.0-only
"""The least pool of a scenario as a formula: linear in bounds and `let`s.

The least sizes of a small grid are explored (`driver.sweep`); the linear form that
all of them satisfy, if there is one, is tried at values beyond the grid. At each
point a pool of the formula's size succeeds and one page less fails, under every
interleaving. least_proof.py tries to prove the formula for other values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction

from poolproof.checker.core import ir
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.ir import Expr
from poolproof.checker.driver.size import SizeTask
from poolproof.checker.driver.sweep import Axis, SweepCell, sweep


@dataclass(frozen=True)
class LinearForm:
    """A linear form: ``constant`` plus each of the ``factors`` times its axis."""

    names: tuple[str, ...]
    factors: tuple[int, ...]
    constant: int

    def at(self, values: Sequence[int]) -> int:
        """Return the value of the formula at these values of the axes."""
        terms = (a * v for a, v in zip(self.factors, values, strict=True))
        return self.constant + sum(terms)

    def expr(self) -> Expr:
        """Return the formula over bounds of these names."""
        terms = zip(self.factors, self.names, strict=True)
        scaled = (ir.mul(ir.num(a), ir.param(name)) for a, name in terms)
        return ir.add(ir.num(self.constant), *scaled)

    @staticmethod
    def of(e: Expr, names: tuple[str, ...]) -> LinearForm | None:
        """Return the expression as a form of these bounds, or None."""
        match e.op:
            case "const":
                return LinearForm(names, (0,) * len(names), e.data)
            case "param" if e.data in names:
                return LinearForm(names, tuple(int(n == e.data) for n in names), 0)
            case "add" | "sub" | "mul":
                parts = [LinearForm.of(a, names) for a in e.args]
            case _:
                return None
        total, *others = parts
        for other in others:
            if total is None or other is None:
                return None
            if e.op == "mul":
                total = total.times(other)
            else:
                total = total.plus(other, 1 if e.op == "add" else -1)
        return total

    def plus(self, other: LinearForm, times: int = 1) -> LinearForm:
        """Return the sum of this form and so many ``times`` the other."""
        pairs = zip(self.factors, other.factors, strict=True)
        factors = tuple(a + times * b for a, b in pairs)
        constant = self.constant + times * other.constant
        return LinearForm(self.names, factors, constant)

    def times(self, other: LinearForm) -> LinearForm | None:
        """Return the product, or None if both depend on a name."""
        number, form = (other, self) if any(self.factors) else (self, other)
        if any(number.factors):
            return None
        k = number.constant
        factors = tuple(k * a for a in form.factors)
        return LinearForm(self.names, factors, k * form.constant)

    def __str__(self) -> str:
        text = ""
        for a, name in (*zip(self.factors, self.names, strict=True), (0, "")):
            last = not name
            amount = self.constant if last else a
            if amount == 0:
                continue
            sign = "-" if amount < 0 else "+"
            many = abs(amount)
            term = str(many) if last else name if many == 1 else f"{many} * {name}"
            text += f" {sign} {term}" if text else f"-{term}" if amount < 0 else term
        return text or "0"


@dataclass(frozen=True)
class Least:
    """The formula that the cells ``fitted`` satisfy, and the cells beyond the grid
    (``tried``) that confirm it; or ``why`` there is none."""

    formula: LinearForm | None
    fitted: tuple[SweepCell, ...]
    tried: tuple[SweepCell, ...] = ()
    why: str = ""


def least_formula(task: SizeTask, axes: Sequence[Axis], seconds: float) -> Least:
    """Return the least size as a formula of the axes. Each cell has ``seconds`` of
    time. Raise UserError if the spec refuses every cell of the grid."""
    names = tuple(name for name, _ in axes)

    def least(values: Sequence[int]) -> Iterator[SweepCell]:
        one = [(n, range(v, v + 1)) for n, v in zip(names, values, strict=True)]
        return sweep(task, one, seconds)

    cells: list[SweepCell] = []
    mistake: UserError | None = None
    for values in _grid(axes):
        try:
            cells += least(values)
        except UserError as outside:
            mistake = mistake or outside
    if not cells and mistake is not None:
        raise mistake
    formula, why = fitted(names, cells)
    if formula is None:
        return Least(None, tuple(cells), why=why)
    tried: list[SweepCell] = []
    for values in beyond(axes):
        with suppress(UserError):  # the scenario may have no such values
            tried += least(values)
    return judged(formula, cells, tried)


def judged(
    formula: LinearForm, cells: Sequence[SweepCell], tried: Sequence[SweepCell]
) -> Least:
    """Return the formula if it is right in every cell that was tried beyond the
    grid."""
    wrong = next((c for c in tried if c.least != formula.at(c.values)), None)
    why = "" if tried else f"{formula} fits, but no larger values could be tried"
    if wrong is not None:
        where = at(formula.names, wrong.values)
        why = f"{formula} fits the grid, but {where} {_outcome(wrong)}"
    return Least(None if why else formula, tuple(cells), tuple(tried), why)


def _grid(axes: Sequence[Axis]) -> Iterator[tuple[int, ...]]:
    if not axes:
        yield ()
        return
    for first in axes[0][1]:
        for others in _grid(axes[1:]):
            yield first, *others


def beyond(axes: Sequence[Axis]) -> Iterator[tuple[int, ...]]:
    """Yield values beyond the grid: each name one above its last value, with the
    others at their last; then all of them one above."""
    last = [over[-1] for _, over in axes]
    for k in range(len(axes)):
        yield tuple(v + (j == k) for j, v in enumerate(last))
    if len(axes) > 1:
        yield tuple(v + 1 for v in last)


def fitted(
    names: tuple[str, ...], cells: Sequence[SweepCell]
) -> tuple[LinearForm | None, str]:
    """Return the one linear form with whole numbers that all cells satisfy, or None
    and why there is none."""
    for cell in cells:
        if cell.least is None:
            return None, f"{at(names, cell.values)} {_outcome(cell)}"
    if len(cells) < len(names) + 2:
        return None, f"{len(cells)} sizes are too few"
    rows = [(*map(Fraction, c.values), Fraction(1)) for c in cells]
    found = solved(rows, [Fraction(c.least or 0) for c in cells])
    if found is None:
        return None, f"it is not linear in {', '.join(names)}"
    if any(a.denominator > 1 for a in found):
        return None, "its factors are not whole numbers"
    *factors, constant = (int(a) for a in found)
    return LinearForm(names, tuple(factors), constant), ""


def solved(
    rows: Sequence[tuple[Fraction, ...]], right: Sequence[Fraction]
) -> list[Fraction] | None:
    """Return the only solution of the linear equations, or None."""
    width = len(rows[0])
    left = [[*row, value] for row, value in zip(rows, right, strict=True)]
    for k in range(width):
        pivot = next((r for r in left[k:] if r[k]), None)
        if pivot is None:
            return None
        left.remove(pivot)
        left.insert(k, [a / pivot[k] for a in pivot])
        for j, row in enumerate(left):
            if j != k and row[k]:
                left[j] = [a - row[k] * b for a, b in zip(row, left[k], strict=True)]
    if any(row[width] for row in left[width:]):
        return None
    return [left[k][width] for k in range(width)]


def _outcome(cell: SweepCell) -> str:
    if cell.unknown:
        return f"is unknown: {cell.unknown}"
    if cell.least is None:
        return f"has none in the scenario's range ({cell.below})"
    return f"needs {cell.least}"


def at(names: Sequence[str], values: Sequence[int]) -> str:
    """Return the values as text, like P=2, cold=1."""
    return ", ".join(f"{n}={v}" for n, v in zip(names, values, strict=True))
