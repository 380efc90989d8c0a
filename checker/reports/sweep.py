# SPDX-License-Identifier: GPL-2.0-only
"""The least pools over a grid, and the verdicts of checks, as text and for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from poolproof.checker.core.bounds import show_bounds
from poolproof.checker.core.text import count
from poolproof.checker.core.verdict import Unknown, Unreachable, Vacuous, Violated
from poolproof.checker.driver.growth import Point
from poolproof.checker.driver.judging import (
    CheckResult,
    ExpectationStatus,
    PropertyResult,
)
from poolproof.checker.driver.sweep import Axis, SweepCell
from poolproof.checker.driver.widening import (
    First,
    RefusedBounds,
    Widened,
    firsts,
    statistics,
)
from poolproof.checker.reports.check import settings
from poolproof.checker.reports.json import one_check
from poolproof.checker.reports.text import indented, table, wrapped
from poolproof.checker.spec.syntax import Scenario, Spec

# --- least pools ------------------------------------------------------------


@dataclass(frozen=True)
class Swept:
    """The cells of a scenario on a design, over one axis or two."""

    scenario: Scenario
    design: str
    axes: tuple[Axis, ...]
    cells: tuple[SweepCell, ...]

    @property
    def bound(self) -> str:
        """Return the bound whose sizes these are."""
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
            f"the least {swept.bound} with which every interleaving succeeds, while "
            "one less fails; none: not in the range",
            "  ",
        ),
    ]
    for c in swept.cells:
        if c.unknown:
            where = ", ".join(
                f"{name}={k}" for (name, _), k in zip(swept.axes, c.values, strict=True)
            )
            lines += indented(f"{where}: unknown {c.unknown}")
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


# --- checks -----------------------------------------------------------------


_STATES, _DEPTH = 13, 5
"""Widths of the columns of figures, in characters."""

_NAMES = 3
"""Upper limit on the properties that a cell names."""


def grid_head(grid: Widened) -> list[str]:
    """Return the spec, the design and its settings, and the names of the columns."""
    lines = wrapped(f"{grid.spec.file}: {grid.spec.title}", "", "    ")
    lines += indented(_elsewhere(grid))
    names = "  ".join(
        f"{name:>{wide}}"
        for (name, _), wide in zip(grid.axes, _wide(grid), strict=True)
    )
    return [*lines, "", f"  {names}  {'states':>{_STATES}}  depth  worst verdict"]


def _elsewhere(grid: Widened) -> str:
    """Return the design, and the settings that are the same in all cells."""
    for checked in grid.checked.values():
        task = checked.task
        names = {name for name, _ in grid.axes}
        same = {k: v for k, v in task.set_bounds.items() if k not in names}
        return f"{grid.known.name}, {settings(replace(task, set_bounds=same))}"
    return grid.known.name


def _wide(grid: Widened) -> list[int]:
    return [max(len(name), len(str(over[-1]))) for name, over in grid.axes]


def cell_lines(grid: Widened, point: Point) -> list[str]:
    """Return the line of a cell: its bounds, states, depth and worst verdict."""
    result = grid.cells[point]
    numbers = "  ".join(
        f"{n:>{wide}}" for n, wide in zip(point, _wide(grid), strict=True)
    )
    if isinstance(result, CheckResult):
        s = statistics(result)
        states = f"{s.states:,}" + ("" if s.complete else "+")
        figures, text = f"{states:>{_STATES}}  {s.depth:>{_DEPTH}}", _worst(result)
    else:
        what = "impossible" if isinstance(result, RefusedBounds) else "unknown"
        figures, text = f"{'-':>{_STATES}}  {'-':>{_DEPTH}}", f"{what}: {result.why}"
    first = f"  {numbers}  {figures}  "
    return wrapped(text, first, " " * len(first))


def _worst(checked: CheckResult) -> str:
    """Return the worst verdict of a cell, and the properties that have it."""
    if checked.defects:
        return f"the model is wrong: {checked.defects[0][0].message}"
    if checked.mistakes:
        return f"the spec is wrong: {checked.mistakes[0]}"
    answers = checked.answers
    unmet = [a for a in answers if a.status is ExpectationStatus.UNMET]
    groups = (
        ("violated", [a for a in unmet if isinstance(a.verdict, Violated)]),
        ("violated, as expected", [a for a in answers if _violated(a.verdict)]),
        ("unknown", [a for a in answers if isinstance(a.verdict, Unknown)]),
        ("not reached", [a for a in unmet if isinstance(a.verdict, Unreachable)]),
        ("not as expected", unmet),
        ("vacuous", [a for a in answers if _vacuous(a)]),
    )
    for word, some in groups:
        if some:
            names = [a.prop.name for a in some]
            more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
            return f"{word}: {', '.join(names[:_NAMES])}{more}"
    return "no violation"


def _violated(verdict: object) -> bool:
    return isinstance(verdict, Violated)


def _vacuous(answer: PropertyResult) -> bool:
    return isinstance(answer.verdict, Vacuous) and not answer.prop.assertion


def first_lines(grid: Widened) -> list[str]:
    """Return the number of cells that were left out, and the smallest bounds at which
    each property is decided."""
    lines = [""]
    left = grid.not_reached
    if left:
        lines += indented(
            f"not searched: {count(len(left), 'cell')}; the budget ran out, or a "
            "smaller cell was cut short"
        )
        lines.append("")
    found = firsts(grid)
    if not found:
        return [*lines, "  nothing is known"]
    shown = [f for f in found if f.at or not f.prop.assertion]
    quiet = len(found) - len(shown)
    rows = [(f.prop.name, _first(grid, f)) for f in shown]
    lines += ["  the smallest bounds at which a property first fails, or is reached:"]
    lines += table(("", ""), rows)
    if quiet:
        lines += wrapped(f"no violation of {count(quiet, 'other assertion')}", "  ")
    return lines


def _first(grid: Widened, f: First) -> str:
    witness = f.prop.kind.wants_witness
    at = " and ".join(
        f"{show_bounds(grid.at(point))} after {count(steps, 'step')}"
        for point, steps in f.at
    )
    if at:
        text = f"{'reached' if witness else 'fails'} at {at}"
    else:
        none = "not reached" if witness else "no violation"
        text = f"{none} in {count(f.known, 'cell')}"
    if f.open:
        places = ", ".join(show_bounds(grid.at(point)) for point in f.open)
        text += f"; unknown at {places}"
    return text


def widened_json(grids: Sequence[Widened], code: int) -> dict[str, Any]:
    """Return the cells of all grids, and the smallest bounds for each property."""
    return {"exit": code, "sweeps": [_grid_json(grid) for grid in grids]}


def _grid_json(grid: Widened) -> dict[str, Any]:
    return {
        "spec": grid.spec.file,
        "design": grid.known.reference,
        "axes": {name: [over[0], over[-1]] for name, over in grid.axes},
        "cells": [
            {"at": grid.at(point), "check": one_check(result)}
            if isinstance(result, CheckResult)
            else {"at": grid.at(point), "missing": result.why}
            for point, result in grid.cells.items()
        ],
        "not_searched": [grid.at(point) for point in grid.not_reached],
        "first": [
            {
                "property": f.prop.name,
                "kind": f.prop.kind.value,
                "at": [{"bounds": grid.at(p), "steps": steps} for p, steps in f.at],
                "unknown": [grid.at(p) for p in f.open],
            }
            for f in firsts(grid)
        ],
    }
