# SPDX-License-Identifier: GPL-2.0-only
"""`size --any`: the least pool as a formula."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

from poolproof.checker.commands import options as shared
from poolproof.checker.commands.streams import output
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.driver.least_formula import least_formula
from poolproof.checker.driver.size import scenarios_on
from poolproof.checker.driver.sweep import Axis
from poolproof.checker.reports.least_formula import formula_report
from poolproof.checker.spec import Spec
from poolproof.checker.spec.numbers import with_range
from poolproof.model.language import declared, did_you_mean

_VALUES = range(1, 4)
"""The values of a name that is given without a range."""


def add_any(parser: argparse.ArgumentParser) -> None:
    """Add --any."""
    shared.add_value(
        parser,
        "--any",
        _axes,
        action="extend",
        default=[],
        metavar="NAME[=LO..HI][,...]",
        help="find the least size as a formula of bounds or lets: fitted to these "
        "values (default: 1..3), and tried beyond them",
    )


def _axes(text: str) -> list[Axis]:
    found = []
    for part in text.split(","):
        name, equals, over = part.partition("=")
        values = shared.span(over.strip()) if equals else _VALUES
        found.append((name.strip(), values))
    return found


def run_any(
    options: argparse.Namespace, specs: Sequence[Spec], bounds: Mapping[str, int]
) -> int:
    """Print the formula of each scenario on each design, and return the exit code: 3
    if one has none, else 0."""
    axes: list[Axis] = options.any
    names = [name for name, _ in axes]
    if options.json:
        raise UserError(None, "--any writes no JSON")
    if len(set(names)) < len(names):
        raise UserError(None, "--any has a name twice: once is enough")
    code = 0
    with output(options.output) as out:
        for spec in specs:
            for scenario, known in scenarios_on(spec, options.design, options.scenario):
                there = [*(let.name.text for let in spec.lets), *declared(known.cls)[0]]
                for name in names:
                    if name not in there:
                        raise UserError(
                            None,
                            f"--any {name}: {known.name} has no such bound, and "
                            f"{spec.file} no such let{did_you_mean(name, there)}",
                        )
                if options.sizes is not None:
                    scenario = with_range(scenario, options.sizes)
                found = least_formula(
                    scenario, spec, known.cls, bounds, axes, options.budget
                )
                assert scenario.measure is not None
                lines = formula_report(
                    scenario.name.text,
                    known.name,
                    scenario.measure.bound.text,
                    names,
                    found,
                )
                print("\n".join(lines), file=out, flush=True)
                code = code if found.formula else 3
    return code
