# SPDX-License-Identifier: GPL-2.0-only
"""`poolproof mutate`: change a design in one place at a time."""

from __future__ import annotations

from poolproof.checker.commands import options as shared
from poolproof.checker.commands.parser import Options, Parser
from poolproof.checker.commands.streams import output
from poolproof.checker.commands.terminal import progress
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.verdict import Budget
from poolproof.checker.driver.cluster import on_cluster
from poolproof.checker.driver.designs import (
    find_spec,
    one_design,
    shipped_specs,
    specs_for,
)
from poolproof.checker.driver.mutation_run import ALONE, Workers, campaign
from poolproof.checker.driver.task import Request
from poolproof.checker.driver.workers import cores, in_processes
from poolproof.checker.reports import json
from poolproof.checker.reports.mutate import mutation_report
from poolproof.checker.spec import parse


def add(parser: Parser) -> None:
    """Add the arguments of the verb."""
    add = parser.add_argument
    add("design", metavar="DESIGN", help="as for check --design")
    parser.several("--spec", "SPEC", "use only this spec; all shipped ones by default")
    parser.flag("--inherited", "also change the text that the design inherits")
    parser.whole("--sample", "try only N mutants")
    parser.whole("--seed", "seed of the mutants' order; 0 by default", 0, least=0)
    parser.whole(
        "--states",
        "visit at most N states of the unchanged design under each spec; 4000 by "
        "default",
        4000,
    )
    parser.budget("time for all mutants together; 120 by default", 120.0)
    parser.memory()
    parser.whole("--threads", "run N processes (default: one for each core)", cores())
    shared.add_cluster(parser)
    shared.add_no_cache(parser)
    shared.add_output(parser)


def run(options: Options) -> int:
    """Try the mutants, print the score, and return the exit code."""
    known = one_design(options.design)
    paths = [find_spec(name) for name in options.spec] or shipped_specs()
    specs = [parse(path) for path in paths]
    if not options.spec:
        specs = list(specs_for(specs, known))
    if not specs:
        raise UserError(
            None, f"no shipped spec is for {known.name}: name one with --spec"
        )
    budget = Budget(seconds=options.budget, memory=options.memory)
    workers = _workers(options, budget)
    with output(options.output) as out, budget.limited():
        with progress(f"{known.name} mutants") as report:
            done = campaign(
                specs,
                Request(designs=(options.design,)),
                sample=options.sample,
                seed=options.seed,
                states=options.states,
                report=report,
                workers=workers,
                inherited=options.inherited,
                keep=not options.no_cache,
            )
        if options.json:
            out.write(json.text(json.mutation_json(done)))
        else:
            print("\n".join(mutation_report(done)), file=out)
    return 3 if done.stopped else 0


def _workers(options: Options, budget: Budget) -> Workers:
    """Return who tries the mutants: processes of this machine, or other machines."""
    if options.cluster:
        return Workers(on_cluster(options.cluster), budget=budget)
    if options.threads > 1:
        return Workers(in_processes(options.threads), options.threads)
    return ALONE
