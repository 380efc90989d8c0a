# SPDX-License-Identifier: GPL-2.0-only
"""`poolproof trace`: replay stored traces under CPython."""

from __future__ import annotations

from poolproof.checker.commands import options as shared
from poolproof.checker.commands.parser import Options, Parser
from poolproof.checker.commands.streams import output
from poolproof.checker.conform.c_trace import c_program
from poolproof.checker.conform.mail import mail, quote
from poolproof.checker.conform.script import script
from poolproof.checker.conform.shown import showing
from poolproof.checker.conform.syz import syz_program
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.driver.stored import Replayed, find_trace, replay_file
from poolproof.checker.evidence.replay import NotReproduced
from poolproof.checker.reports import json
from poolproof.checker.reports.itf import itf
from poolproof.checker.reports.trace import trace_report

_FORMS = {
    "json": "print JSON",
    "itf": "print Apalache's trace format (ITF)",
    "c": "print the calls as a C program (kselftest)",
    "syz": "print a syzkaller program",
    "mail": "print a bug report with a C reproducer",
    "quote": "print a comment for a patch review",
}
"""The forms of a trace, each with its help."""


def add(parser: Parser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("file", nargs="+", metavar="FILE", help="a .trace file")
    forms = parser.add_mutually_exclusive_group()
    for name, what in _FORMS.items():
        forms.add_argument(f"--{name}", action="store_true", help=what)
    parser.several(
        "--ran",
        "VERSION",
        "state in the report that the C program showed it on this kernel",
    )
    shared.add_output(parser, json=False)


def run(options: Options) -> int:
    """Replay, print, and return the exit code."""
    alone = options.json or options.itf or options.c or options.syz or options.mail
    if len(options.file) > 1 and alone:
        raise UserError(
            None, "--json, --itf, --c, --syz and --mail take one trace at a time"
        )
    code = 0
    with output(options.output) as out:
        for number, path in enumerate(map(find_trace, options.file)):
            try:
                replayed = replay_file(path)
            except NotReproduced as e:
                print(f"{path}: the design no longer takes this run\n{e}", file=out)
                code = 1
                continue
            if number:
                print(file=out)
            out.write(_text(replayed, options))
    return code


def _text(replayed: Replayed, options: Options) -> str:
    """The trace in the form that was chosen. Raises UserError where system
    calls cannot bring it about."""
    system = replayed.compiled.system
    if options.c:
        return c_program(showing(script(replayed)))
    if options.mail:
        return mail(replayed, options.ran)
    if options.quote:
        return quote(replayed)
    if options.syz:
        return syz_program(script(replayed))
    if options.itf:
        return json.text(itf(replayed.heading, system, replayed.replay))
    if options.json:
        return json.text(json.trace_json(replayed.heading, system, replayed.replay))
    return "\n".join(trace_report(replayed)) + "\n"
