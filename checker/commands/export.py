# SPDX-License-Identifier: GPL-2.0-only
"""`poolproof export`: a design as a model for another checker."""

from __future__ import annotations

import argparse
from pathlib import Path

from poolproof.checker.commands import options as shared
from poolproof.checker.commands.streams import output
from poolproof.checker.driver.designs import find_spec, shipped_specs
from poolproof.checker.driver.export import exported_design, exported_spec
from poolproof.checker.spec import parse


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add = parser.add_argument
    add(
        "what",
        metavar="SPEC|DESIGN",
        help="a .spec file or a shipped spec, or a design without one",
    )
    shared.add_designs(parser)
    shared.add_names(parser, "--without", "leave features out")
    shared.add_names(parser, "--with", "turn features on", dest="having")
    add("--promela", action="store_true", required=True, help="for SPIN")
    shared.add_output(parser, json=False)
    parser.set_defaults(failures=None)


def run(options: argparse.Namespace) -> int:
    """Print the model, and return the exit code."""
    request, what = shared.request(options), options.what
    shipped = {Path(path).stem for path in shipped_specs()}
    if what in shipped or Path(what).suffix == ".spec":
        text = exported_spec(parse(find_spec(what)), request)
    else:
        text = exported_design(what, request)
    with output(options.output) as out:
        out.write(text)
    return 0
