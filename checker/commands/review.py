# SPDX-License-Identifier: GPL-2.0-only
"""`poolproof review`: every shipped spec on every shipped design."""

from __future__ import annotations

import argparse
from dataclasses import replace

from poolproof.checker.commands import options as shared
from poolproof.checker.commands.against import add_against, run_against
from poolproof.checker.commands.check import check, complain_of_mistakes, prepared
from poolproof.checker.commands.streams import output, writable
from poolproof.checker.commands.terminal import Interrupts
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.driver.check import EXHAUSTIVE, CheckResult, exit_code
from poolproof.checker.driver.designs import ROOT, shipped_specs
from poolproof.checker.driver.objections import shipped_page
from poolproof.checker.driver.review import least_pools, requests
from poolproof.checker.driver.scores import (
    SCORES,
    stored_conformance,
    stored_scores,
)
from poolproof.checker.reports import html, json
from poolproof.checker.reports.markdown import markdown
from poolproof.checker.reports.page import Overview, all_rows, overview, page
from poolproof.checker.reports.review import each_spec, review_report, totals
from poolproof.checker.spec import parse


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.epilog = shared.engines_help()
    shared.add_engine(parser)
    add = parser.add_argument
    add("--page", action="store_true", help="print the page only")
    add("--all", action="store_true", help="print all rows after the page, too")
    add("--markdown", action="store_true", help="print Markdown")
    add("--html", metavar="FILE", help="write a page with pictures of runs, too")
    add_against(parser)


STATES = 50_000_000
"""Most states of a search without --budget. A limit in seconds would make what is
known depend on the machine."""

SECONDS = 120.0
"""For each scenario on each design, without --budget."""


def run(options: argparse.Namespace) -> int:
    """Check everything, print it, and return the exit code."""
    engine = options.engine or EXHAUSTIVE
    budget, request = shared.budget(options, engine), shared.request(options)
    checks = shared.checks(options)
    if options.budget is None:
        budget = replace(budget, seconds=None, states=STATES)
    paths = shipped_specs()
    if not paths:
        raise UserError(None, f"there are no specs in {ROOT / 'specs'}")
    specs = [parse(path) for path in paths]
    if options.against:
        each = [
            prepared([s], its, budget, checks) for s, its in requests(specs, request)
        ]
        late = any(spent for _, spent in each)
        return run_against(options, [t for some, _ in each for t in some], late, budget)
    plan = shipped_page(specs)
    scores = stored_scores(ROOT / SCORES, specs)
    interrupts = Interrupts()
    done: list[CheckResult] = []
    skipped = False
    with output(options.output) as out:
        planned = [
            prepared([s], its, budget, checks) for s, its in requests(specs, request)
        ]
        for tasks, late in planned:
            skipped = skipped or late
            for task in tasks:
                if interrupts():
                    skipped = True
                    break
                done.append(check(task, engine, budget, interrupts, checks))
        sizes = None
        if request.as_written:
            seen = {c.task.known.reference for c in done}
            limit = replace(budget, seconds=options.budget or SECONDS)
            with interrupts.caught():
                sizes = least_pools(plan, options.design, seen, limit, interrupts)
        code = exit_code(done, strict=True)
        if (skipped or interrupts()) and code == 0:
            code = 3
        agree = stored_conformance(ROOT / SCORES)
        view = overview(plan, done, options.design, scores, sizes, agree)
        if options.json:
            out.write(json.text(json.review_json(view, code)))
        elif options.markdown:
            out.write(markdown(view))
        else:
            print("\n".join(_text(view, options)), file=out)
    if options.html:
        with writable(options.html) as file:
            file.write(html.page(view))
    complain_of_mistakes(done)
    return code


def _text(view: Overview, options: argparse.Namespace) -> list[str]:
    """The page and the totals; what else the options ask for comes in between."""
    lines = page(view)
    if options.all or options.design:
        lines += all_rows(view.done)
    if not options.page:
        for some in each_spec(view.done):
            lines += ["", *review_report(some, view.scores)]
    return lines[not lines or not lines[0] :] + totals(view.done)
