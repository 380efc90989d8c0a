# SPDX-License-Identifier: GPL-2.0-only
"""`size --any`: the least pool as a formula."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from poolproof.checker.commands.axes import add_axes, checked, tasks_along
from poolproof.checker.commands.parser import Options, Parser
from poolproof.checker.commands.streams import output
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.driver.least_formula import least_formula
from poolproof.checker.driver.least_proof import prove_least
from poolproof.checker.reports.least_formula import formula_report
from poolproof.checker.spec import Spec

_VALUES = range(1, 4)
"""The values of a name that is given without a range."""


def add_any(parser: Parser) -> None:
    """Add --any."""
    what = (
        "find the least size as a formula of bounds or lets: fitted to these "
        "values (default: 1..3), tried beyond them, and proved if it can be"
    )
    add_axes(parser, "--any", what, _VALUES)


def run_any(options: Options, specs: Sequence[Spec], bounds: Mapping[str, int]) -> int:
    """Print the formula of each scenario on each design, and return the exit code: 3
    if one has none, else 0."""
    if options.json:
        raise UserError(None, "--any writes no JSON")
    axes = checked("any", options.any)
    names = [name for name, _ in axes]
    code = 0
    with output(options.output) as out:
        for task in tasks_along("any", axes, options, specs, bounds):
            found = least_formula(task, axes, options.budget)
            name, measure = task.scenario.name.text, task.scenario.measure
            assert measure is not None
            size = measure.bound.text
            proof = None
            if found.formula is not None:
                proof = prove_least(task, axes, found.formula, options.budget)
            lines = formula_report(name, task.known.name, size, names, found, proof)
            print("\n".join(lines), file=out, flush=True)
            code = code if found.formula else 3
    return code
