# SPDX-License-Identifier: GPL-2.0-only
"""`poolproof review`: every shipped spec on every shipped design."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from poolproof.checker.commands import options as shared
from poolproof.checker.commands.against import add_against, run_against
from poolproof.checker.commands.check import complain_of_mistakes, prepared, write_junit
from poolproof.checker.commands.parser import Options, Parser
from poolproof.checker.commands.streams import Stream, complain, output, writable
from poolproof.checker.commands.terminal import Interrupts, progress
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.verdict import INTERRUPTED, Budget
from poolproof.checker.driver.check import EXHAUSTIVE
from poolproof.checker.driver.designs import ROOT, designs_for, shipped_specs
from poolproof.checker.driver.jobs import SizeJob, SpecJob
from poolproof.checker.driver.judging import exit_code
from poolproof.checker.driver.objections import shipped_page
from poolproof.checker.driver.review import requests, review, scenario_cells
from poolproof.checker.driver.scores import SCORES, stored_conformance, stored_scores
from poolproof.checker.driver.triples import STATES as SET_STATES
from poolproof.checker.driver.triples import Triples, triples, triples_tasks
from poolproof.checker.driver.triples import exit_code as triples_code
from poolproof.checker.driver.workers import cores
from poolproof.checker.reports import html, json
from poolproof.checker.reports.cases import ktap
from poolproof.checker.reports.markdown import markdown
from poolproof.checker.reports.page import Overview, all_rows, overview, page
from poolproof.checker.reports.review import each_spec, review_report, totals
from poolproof.checker.reports.triples import triples_report


def add(parser: Parser) -> None:
    """Add the arguments of the verb."""
    parser.epilog = shared.engines_help()
    shared.add_engine(parser)
    shared.add_jobs(parser, cores())
    add = parser.add_argument
    parser.flag("--page", "print the page only")
    parser.flag("--all", "print all rows after the page, too")
    parser.flag("--markdown", "print Markdown")
    add("--html", metavar="FILE", help="write a page with pictures of runs, too")
    shared.add_cases(parser)
    parser.flag(
        "--triples",
        "also check with any three features together (the default for a "
        "--design of your own)",
    )
    add_against(parser)


STATES = 50_000_000
"""Most states of a search without --budget. A limit in seconds would make what is
known depend on the machine."""

SECONDS = 120.0
"""For each scenario on each design, without --budget."""


def run(options: Options) -> int:
    """Check everything, print it, and return the exit code."""
    engine = options.engine or EXHAUSTIVE
    budget, request = shared.budget(options, engine), shared.request(options)
    budget = replace(budget, threads=shared.threads(options))
    checks = shared.checks(options)
    if options.budget is None:
        budget = replace(budget, seconds=None, states=STATES)
    paths = shipped_specs()
    if not paths:
        raise UserError(None, f"there are no specs in {ROOT / 'specs'}")
    specs = [checks.parse(path) for path in paths]
    asked = requests(specs, request)
    if options.against:
        budget = replace(budget, branches=True)
        each = [prepared([s], its, budget, checks) for s, its in asked]
        late = any(spent for _, spent in each)
        tasks = [t for some, _ in each for t in some]
        sets = [t for s, i in asked for t in triples_tasks(s, i, options.triples)]
        return run_against(options, tasks, late, budget, sets)
    plan = shipped_page(specs)
    scores = stored_scores(ROOT / SCORES, specs, checks.text_line)
    jobs = [SpecJob(spec, its, engine, budget, checks) for spec, its in asked]
    scenarios: list[SizeJob] = []
    if request.as_written:
        seen = {k.reference for s, its in asked for k in designs_for(s, its.designs)}
        limit = replace(budget, seconds=options.budget or SECONDS)
        scenarios = scenario_cells(plan, options.design, seen, limit, checks)
    interrupts = Interrupts()
    with output(options.output) as out:
        with progress("review") as report, interrupts.caught():
            spread = shared.spread(options, interrupts)
            found = review(jobs, scenarios, spread, report)
            together = [
                triples(task, Budget(states=SET_STATES), spread, report)
                for spec, its in asked
                for task in triples_tasks(spec, its, options.triples)
            ]
        done = found.done
        code = exit_code(done, strict=True)
        if (found.lost or interrupts()) and code == 0:
            code = 3
        code = code or triples_code(together)
        for place, why in found.lost.items():
            if why != INTERRUPTED:
                complain(f"{place}: nothing is known: {why}")
        sizes = found.sizes if request.as_written else None
        agree = stored_conformance(ROOT / SCORES)
        view = overview(plan, done, options.design, scores, sizes, agree)
        _print(view, together, options, code, out)
    if options.html:
        with writable(options.html) as file:
            file.write(html.page(view))
    write_junit(options, done)
    complain_of_mistakes(done)
    return code


def _print(
    view: Overview,
    together: Sequence[Triples],
    options: Options,
    code: int,
    out: Stream,
) -> None:
    if options.json:
        made = json.review_json(view, code)
        made["triples"] = json.triples_json(together, code)["specs"]
        out.write(json.text(made))
    elif options.ktap:
        out.write(ktap(view.done))
    elif options.markdown:
        out.write(markdown(view))
    else:
        lines = _text(view, options)
        for one in together:
            lines += ["", *triples_report(one)]
        print("\n".join(lines), file=out)


def _text(view: Overview, options: Options) -> list[str]:
    """The page and the totals; what else the options ask for comes in between."""
    lines = page(view)
    if options.all or options.design:
        lines += all_rows(view.done)
    if not options.page:
        for some in each_spec(view.done):
            lines += ["", *review_report(some, view.scores)]
    return lines[not lines or not lines[0] :] + totals(view.done)
