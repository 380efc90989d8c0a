# SPDX-License-Identifier: GPL-2.0-only
"""`poolproof review`: every shipped spec on every shipped design."""

from __future__ import annotations

import argparse

from poolproof.checker.commands import options as shared
from poolproof.checker.commands.check import check, complain_of_mistakes, prepared
from poolproof.checker.commands.streams import output, writable
from poolproof.checker.commands.terminal import Interrupts
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.verdict import Budget
from poolproof.checker.driver.check import EXHAUSTIVE, CheckResult, exit_code
from poolproof.checker.driver.designs import ROOT, shipped_specs
from poolproof.checker.driver.review import least_pools, requests
from poolproof.checker.driver.scores import SCORES, stored_scores
from poolproof.checker.reports import html, json
from poolproof.checker.reports.markdown import markdown
from poolproof.checker.reports.review import page, review_report, totals
from poolproof.checker.spec import parse


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.epilog = shared.engines_help()
    shared.add_engine(parser)
    add = parser.add_argument
    add("--page", action="store_true", help="print the one page at the end only")
    add("--markdown", action="store_true", help="print Markdown")
    add("--html", metavar="FILE", help="write a page with a picture of each run, too")


def run(options: argparse.Namespace) -> int:
    """Check everything, print it, and return the exit code."""
    engine = options.engine or EXHAUSTIVE
    budget, request = shared.budget(options, engine), shared.request(options)
    paths = shipped_specs()
    if not paths:
        raise UserError(None, f"there are no specs in {ROOT / 'specs'}")
    specs = [parse(path) for path in paths]
    scores = stored_scores(ROOT / SCORES, specs)
    interrupts = Interrupts()
    done: list[CheckResult] = []
    skipped = False
    with output(options.output) as out:
        planned = [prepared([s], its, budget) for s, its in requests(specs, request)]
        for tasks, late in planned:
            skipped = skipped or late
            some: list[CheckResult] = []
            for task in tasks:
                if interrupts():
                    skipped = True
                    break
                some.append(check(task, engine, budget, interrupts))
            if some and not (options.json or options.markdown or options.page):
                if done:
                    print(file=out)
                print("\n".join(review_report(some, scores)), file=out, flush=True)
            done += some
        sizes = None
        if request.as_written:
            limit = Budget(
                seconds=options.budget or shared.DEFAULT_SECONDS[shared.AUTO]
            )
            seen = {c.task.known.reference for c in done}
            with interrupts.caught():
                sizes = least_pools(options.design, seen, limit, interrupts)
        code = exit_code(done, strict=True)
        if (skipped or interrupts()) and code == 0:
            code = 3
        if options.json:
            out.write(json.text(json.check_json(done, code, sizes)))
        elif options.markdown:
            out.write(markdown(done, scores, sizes))
        else:
            lines = page(done, sizes) + totals(done)
            print("\n".join([*([] if options.page else [""]), *lines]), file=out)
    if options.html:
        with writable(options.html) as file:
            file.write(html.page(done, scores, sizes))
    complain_of_mistakes(done)
    return code
