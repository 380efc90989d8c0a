# SPDX-License-Identifier: GPL-2.0-only
"""`poolproof list`: list the designs and specs, or describe one design."""

from __future__ import annotations

from poolproof.checker.commands.parser import Options, Parser
from poolproof.checker.driver.designs import (
    designs_named,
    shipped_designs,
    shipped_interfaces,
    shipped_scenarios,
    shipped_specs,
)
from poolproof.checker.reports.catalogue import catalogue, design_text
from poolproof.checker.spec import parse


def add(parser: Parser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument(
        "--design",
        metavar="DESIGN",
        help="print the bounds, features and actions of one design",
    )


def run(options: Options) -> int:
    """Print, and return the exit code."""
    if options.design:
        for number, known in enumerate(designs_named(options.design)):
            if number:
                print()
            print("\n".join(design_text(known)))
        return 0
    paths = (*shipped_specs(), *shipped_scenarios(), *shipped_interfaces())
    specs = [parse(path) for path in paths]
    print("\n".join(catalogue(shipped_designs(), specs)))
    return 0
