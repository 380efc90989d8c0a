# SPDX-License-Identifier: GPL-2.0-only
"""`poolproof guarantee`: which feature breaks a promise first."""

from __future__ import annotations

from pathlib import Path

from poolproof.checker.commands import options as shared
from poolproof.checker.commands.parser import Options, Parser
from poolproof.checker.commands.streams import output
from poolproof.checker.commands.terminal import progress
from poolproof.checker.core.bounds import parse_bounds
from poolproof.checker.core.verdict import Budget
from poolproof.checker.driver.designs import designs_named, find_spec
from poolproof.checker.driver.guarantee import PROPERTY, SIZES, SPEC, guarantee
from poolproof.checker.reports import json
from poolproof.checker.reports.guarantee import guarantee_report
from poolproof.checker.spec import parse


def add(parser: Parser) -> None:
    """Add the arguments of the verb."""
    add = parser.add_argument
    parser.several("--design", "DESIGN", "as for check; by default, those of the spec")
    name = Path(SPEC).stem
    add("--spec", default=name, metavar="SPEC", help=f"a spec; {name} by default")
    add(
        "--property",
        metavar="NAME",
        default=PROPERTY,
        help=f"the promise, a property of the spec; {PROPERTY} by default",
    )
    what = "bounds to try; repeat the option for others"
    shared.add_bounds(parser, what, parse_bounds)
    parser.whole(
        "--states", "visit at most N states in each search; 3000 by default", 3000
    )
    parser.budget("time for all searches together; 300 by default", 300.0)
    parser.whole("--most", "combine at most N features; 2 by default", 2)
    parser.flag("--single", "try no pairs (--most 1)")
    parser.names("--among", "combine only these features")
    shared.add_output(parser)


def run(options: Options) -> int:
    """Try the features, print the tables, and return the exit code."""
    spec = parse(find_spec(options.spec))
    wanted = options.design or [w.text for w in spec.designs]
    designs = [k for reference in wanted for k in designs_named(reference)]
    budget = Budget(seconds=options.budget)
    over = budget.clock()
    done = []
    with output(options.output) as out, budget.limited():
        for known in designs:
            with progress(known.name) as report:
                done.append(
                    guarantee(
                        known,
                        spec,
                        options.property,
                        sizes=options.bounds or SIZES,
                        states=options.states,
                        over=over,
                        report=report,
                        most=1 if options.single else options.most,
                        among=options.among,
                    )
                )
            if "interrupted" in done[-1].stopped:
                break
        if options.json:
            out.write(json.text(json.guarantee_json(done)))
        else:
            print("\n".join(guarantee_report(done)), file=out)
    return 3 if any(g.stopped for g in done) else 0
