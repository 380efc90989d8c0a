# SPDX-License-Identifier: GPL-2.0-only
"""`--sweep`: the least pool of `size`, and the verdicts of `check`, over a grid."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from poolproof.checker.commands import options as shared
from poolproof.checker.commands.axes import add_axes, checked, tasks_along
from poolproof.checker.commands.parser import Options, Parser
from poolproof.checker.commands.streams import output
from poolproof.checker.commands.terminal import Interrupts, Progress, progress
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.verdict import Budget
from poolproof.checker.driver.growth import Point
from poolproof.checker.driver.sweep import sweep
from poolproof.checker.driver.task import Request
from poolproof.checker.driver.widening import (
    Searches,
    Widened,
    every_state,
    grids,
    sweep_code,
    widen,
)
from poolproof.checker.reports import json
from poolproof.checker.reports.plot import figure_class, plot_sweeps
from poolproof.checker.reports.sweep import (
    Swept,
    cell_lines,
    first_lines,
    grid_head,
    sweep_csv,
    sweep_report,
    widened_json,
)
from poolproof.checker.spec import Spec


def add_sweep(parser: Parser, what: str) -> None:
    """Add --sweep, whose help is ``what``."""
    add_axes(parser, "--sweep", what)


# --- least pools ------------------------------------------------------------


def run_sweep(
    options: Options, specs: Sequence[Spec], bounds: Mapping[str, int]
) -> int:
    """Print the grid of each scenario on each design, and return the exit code: 3
    if a cell is not known, else 0."""
    axes = checked("sweep", options.sweep)
    if len(axes) > 2:
        raise UserError(None, "size --sweep takes one name, or two")
    if options.json:
        raise UserError(None, "--sweep writes no JSON: use --csv FILE")
    figure = figure_class() if options.plot else None
    done: list[Swept] = []
    with output(options.output) as out:
        for task in tasks_along("sweep", axes, options, specs, bounds):
            cells = tuple(sweep(task, axes, options.budget))
            done.append(Swept(task.scenario, task.known.name, axes, cells))
            lines = sweep_report(task.spec, done[-1])
            print("\n".join(lines), file=out, flush=True)
    if not done:
        raise UserError(None, "none of these scenarios is for these designs")
    if options.csv:
        _write(options.csv, sweep_csv(done))
    if figure is not None:
        plot_sweeps(figure, done, options.plot)
    return 3 if any(c.unknown for one in done for c in one.cells) else 0


def _write(name: str, text: str) -> None:
    try:
        Path(name).write_text(text, encoding="utf-8")
    except OSError as e:
        raise UserError(None, f"{name}: {e.strerror}") from None


# --- checks -----------------------------------------------------------------


_OTHER_FORMS = (
    "against",
    "any_size",
    "certificate",
    "junit",
    "ktap",
    "mail",
    "store",
    "table",
    "triples",
)
"""Options of `check` that do not go with a grid."""

_ALL = 1_000
"""Cells that are given to a cluster together."""


def run_check_sweep(
    options: Options,
    specs: Sequence[Spec],
    request: Request,
    budget: Budget,
) -> int:
    """Check the specs at all bounds of the grid, the small ones first, print a line for
    each, and return the exit code."""
    axes = checked("sweep", options.sweep)
    refuse_other_forms(options, "sweep")
    interrupts = Interrupts()
    how = searches(options, budget, interrupts)
    done: list[Widened] = []
    with output(options.output) as out:
        for grid in [g for spec in specs for g in grids(spec, request, axes)]:
            if interrupts():
                break
            if done and not options.json:
                print(file=out)
            done.append(grid)
            lines = _widen(grid, how, interrupts)
            for some in lines:
                if not options.json:
                    print("\n".join(some), file=out, flush=True)
        code = sweep_code(done, options.strict)
        if options.json:
            out.write(json.text(widened_json(done, code)))
    return code


def refuse_other_forms(options: Options, mine: str) -> None:
    """Raise UserError for an option that does not go with ``mine``."""
    for name in _OTHER_FORMS:
        if vars(options).get(name):
            shown = "any" if name == "any_size" else name
            raise UserError(None, f"--{mine} and --{shown}: leave one of them out")


def searches(options: Options, budget: Budget, interrupts: Interrupts) -> Searches:
    """Return how cells are searched, by the options."""
    spread = shared.spread(options, interrupts)
    together = _ALL if options.cluster else max(options.jobs, 1)
    budget = shared.budget_of_each(options, budget)
    engine = every_state(options.engine)
    return Searches(engine, budget, shared.checks(options), spread, together)


def _widen(grid: Widened, how: Searches, interrupts: Interrupts) -> Iterator[list[str]]:
    """Yield the lines of each cell when it is done, then the summary."""
    for number, point in enumerate(cells_of(grid, how, interrupts)):
        yield [*([] if number else grid_head(grid)), *cell_lines(grid, point)]
    yield first_lines(grid)


def cells_of(grid: Widened, how: Searches, interrupts: Interrupts) -> Iterator[Point]:
    """Yield each cell when it is done, with progress on a terminal. Ctrl-C ends it."""
    with progress(f"{grid.known.name} {grid.spec.file}") as report:
        cells = widen(grid, how, report)
        while True:
            point = None
            with contextlib.suppress(KeyboardInterrupt), interrupts.caught():
                point = next(cells, None)
            if isinstance(report, Progress):
                report.clear()
            if point is None:
                return
            yield point
