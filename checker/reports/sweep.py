# SPDX-License-Identifier: GPL-2.0-only
"""The least pools over a grid, as text and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from poolproof.checker.driver.sweep import Axis, SweepCell
from poolproof.checker.reports.text import table, wrapped
from poolproof.checker.spec.syntax import Scenario, Spec


@dataclass(frozen=True)
class Swept:
    """The cells of a scenario on a design, over one axis or two."""

    scenario: Scenario
    design: str
    axes: tuple[Axis, ...]
    cells: tuple[SweepCell, ...]

    @property
    def bound(self) -> str:
        """What the sizes are of."""
        measure = self.scenario.measure
        return "" if measure is None else measure.bound.text


_WIDE = 14
"""Columns of a grid that stand beside each other."""


def sweep_report(spec: Spec, swept: Swept) -> list[str]:
    """Return the grid: a row for each value of the first axis, a column for each
    of the second."""
    (_, rows), *others = swept.axes
    columns = others[0][1] if others else range(1)
    by = {c.values: c for c in swept.cells}
    names = " \\ ".join(name for name, _ in swept.axes)
    head = f"{swept.scenario.name.text}, {swept.design}: {swept.scenario.title}"
    lines = wrapped(f"{spec.file}: {head}", "", "    ")
    for start in range(0, len(columns), _WIDE):
        some = columns[start : start + _WIDE]
        body = [
            (str(k), *(_shown(by[(k, j) if others else (k,)]) for j in some))
            for k in rows
        ]
        title = [str(j) for j in some] if others else [f"least {swept.bound}"]
        lines += ["", *table((names, *title), body)]
    lines += [
        "",
        *wrapped(
            f"the least {swept.bound} of which every interleaving succeeds, while one "
            "less fails; none: not in the range",
            "  ",
        ),
    ]
    for c in swept.cells:
        if c.unknown:
            where = ", ".join(
                f"{name}={k}" for (name, _), k in zip(swept.axes, c.values, strict=True)
            )
            lines += wrapped(f"{where}: unknown {c.unknown}", "  ", "    ")
    return [*lines, ""]


def _shown(cell: SweepCell) -> str:
    if cell.unknown:
        return "?"
    return "none" if cell.least is None else str(cell.least)


def sweep_csv(done: Sequence[Swept]) -> str:
    """Return all cells as CSV; the first line has the names of the columns. An
    empty least size: none in the range, or not known."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [name for name, _ in done[0].axes]
    columns = ("scenario", "design", *names, "bound", "least", "below", "unknown")
    writer.writerow(columns)
    for one in done:
        for c in one.cells:
            least = "" if c.least is None else c.least
            own = (one.scenario.name.text, one.design, *c.values)
            writer.writerow((*own, one.bound, least, c.below, c.unknown))
    return text.getvalue()
