# SPDX-License-Identifier: GPL-2.0-only
"""`poolproof export`: a design as a model for another checker."""

from __future__ import annotations

import re
from pathlib import Path

from poolproof.checker.commands import options as shared
from poolproof.checker.commands.parser import Options, Parser
from poolproof.checker.commands.streams import output, writable
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.driver.designs import find_spec, shipped_specs
from poolproof.checker.driver.export import (
    ToExport,
    exported_design,
    exported_spec,
    for_spin,
    for_tlc,
)
from poolproof.checker.spec import parse


def add(parser: Parser) -> None:
    """Add the arguments of the verb."""
    add = parser.add_argument
    add(
        "what",
        metavar="SPEC|DESIGN",
        help="a .spec file or a shipped spec, or a design without one",
    )
    shared.add_designs(parser)
    shared.add_features(parser)
    form = parser.add_mutually_exclusive_group(required=True)
    form.add_argument("--promela", action="store_true", help="for SPIN")
    form.add_argument(
        "--tla",
        action="store_true",
        help="for TLC: a TLA+ module; -o NAME.tla also writes NAME.cfg, otherwise the "
        "configuration follows the module",
    )
    shared.add_output(parser, json=False)
    parser.set_defaults(failures=None)


def run(options: Options) -> int:
    """Print the model, and return the exit code."""
    request, what = shared.request(options), options.what
    shipped = {Path(path).stem for path in shipped_specs()}
    if what in shipped or Path(what).suffix == ".spec":
        found = exported_spec(parse(find_spec(what)), request)
    else:
        found = exported_design(what, request)
    made = (
        for_spin(found) if options.promela else for_tlc(found, _module(options, found))
    )
    if options.output and made.configuration:
        with writable(str(Path(options.output).with_suffix(".cfg"))) as file:
            file.write(made.configuration)
    with output(options.output) as out:
        out.write(made.model)
        if not options.output:
            out.write(made.configuration)
    return 0


def _module(options: Options, found: ToExport) -> str:
    """Return the module's name, which TLA+ requires to be its file's. Raise UserError
    if the file cannot have such a name."""
    if not options.output:
        return found.compiled.source.__name__
    path = Path(options.output)
    if path.suffix != ".tla" or not re.fullmatch(r"[A-Za-z]\w*", path.stem, re.ASCII):
        raise UserError(
            None, f"-o {path}: TLA+ names the module after its file: write Pool.tla"
        )
    return path.stem
