# SPDX-License-Identifier: GPL-2.0-only
"""`poolproof bugs`: bugs that kernels once had, and what finds them."""

from __future__ import annotations

from collections.abc import Sequence

from poolproof.checker.commands import options as shared
from poolproof.checker.commands.parser import Options, Parser
from poolproof.checker.commands.streams import output
from poolproof.checker.commands.terminal import Interrupts, progress
from poolproof.checker.core.verdict import Budget
from poolproof.checker.driver.designs import one_design
from poolproof.checker.driver.regressions import (
    SECONDS,
    BugEntry,
    BugResult,
    Regression,
    detected,
    entries,
    regressions,
)
from poolproof.checker.reports import json
from poolproof.checker.reports.regressions import (
    bugs_markdown,
    bugs_table,
    regressions_report,
    runs,
)


def add(parser: Parser) -> None:
    """Add the arguments of the verb."""
    add = parser.add_argument
    add(
        "design",
        nargs="?",
        metavar="DESIGN",
        help="a design of yours, like my.py:MyHugetlb: find the bugs that are back "
        "in it",
    )
    only = "only bugs with these fixes; the beginning of a hash is enough"
    parser.names("--only", only, metavar="HASH[,HASH]")
    parser.budget("time for each search; 60 by default", SECONDS)
    parser.verbose("print each run, too")
    parser.flag("--markdown", "print Markdown")
    shared.add_output(parser)


def run(options: Options) -> int:
    """Ask, print, and return the exit code."""
    among = entries(options.only)
    budget = Budget(seconds=options.budget)
    if options.design:
        return _of_design(options, among, budget)
    interrupts = Interrupts()
    found: list[BugResult] = []
    with output(options.output) as out, interrupts.caught():
        for number, entry in enumerate(among, 1):
            if interrupts():
                break
            with progress("bugs") as report:
                report.progress(asked=number, of=len(among))
                found.append(detected(entry, budget))
        if options.json:
            out.write(json.text(json.bugs_json(found)))
        elif options.markdown:
            out.write(bugs_markdown(found))
        else:
            lines = bugs_table(found) + (runs(found) if options.verbose else [])
            print("\n".join(lines), file=out)
    missed = any(f.steps is None and not f.missing for f in found)
    return 3 if missed or len(found) < len(among) else 0


def _of_design(options: Options, among: Sequence[BugEntry], budget: Budget) -> int:
    known = one_design(options.design)
    interrupts = Interrupts()
    with output(options.output) as out, interrupts.caught():
        done = regressions(known, among, budget, interrupts)
        if options.json:
            out.write(json.text(json.regressions_json(known.name, done)))
        else:
            print("\n".join(regressions_report(known.name, done)), file=out)
    if any(r.is_back for r in done):
        return 1
    return 3 if interrupts() or any(_open(r) for r in done) else 0


def _open(regression: Regression) -> bool:
    return regression.found.steps is None and not regression.found.clean
