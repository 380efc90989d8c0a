# SPDX-License-Identifier: GPL-2.0-only
"""`poolproof size --sweep`: the least pool over a grid of bounds."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from poolproof.checker.commands.streams import output
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.driver.size import scenarios_on
from poolproof.checker.driver.sweep import SweepCell, sweep
from poolproof.checker.reports.plot import figure_class, plot_sweeps
from poolproof.checker.reports.sweep import Swept, sweep_csv, sweep_report
from poolproof.checker.spec import Spec
from poolproof.checker.spec.numbers import with_range
from poolproof.model.language import declared, did_you_mean


def run_sweep(
    options: argparse.Namespace, specs: Sequence[Spec], bounds: Mapping[str, int]
) -> int:
    """Print the grid of each scenario on each design, and return the exit code: 3
    if a cell is not known, else 0."""
    axes = tuple(options.sweep)
    if len(axes) > 2 or len({name for name, _ in axes}) < len(axes):
        raise UserError(None, "--sweep takes one name, or two different ones")
    if options.json:
        raise UserError(None, "--sweep writes no JSON: use --csv FILE")
    figure = figure_class() if options.plot else None
    done: list[Swept] = []
    with output(options.output) as out:
        for spec in specs:
            for scenario, known in scenarios_on(spec, options.design, options.scenario):
                names = [let.name.text for let in spec.lets] + list(
                    declared(known.cls)[0]
                )
                for name, _ in axes:
                    if name not in names:
                        raise UserError(
                            None,
                            f"--sweep {name}: {known.name} has no such bound, and "
                            f"{spec.file} no such let{did_you_mean(name, names)}",
                        )
                if options.sizes is not None:
                    scenario = with_range(scenario, options.sizes)
                cells: tuple[SweepCell, ...] = tuple(
                    sweep(scenario, spec, known.cls, bounds, axes, options.budget)
                )
                done.append(Swept(scenario, known.name, axes, cells))
                print("\n".join(sweep_report(spec, done[-1])), file=out, flush=True)
    if not done:
        raise UserError(None, "no such scenario is for these designs")
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
