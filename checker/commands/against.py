# SPDX-License-Identifier: GPL-2.0-only
"""`check --against` and `review --against`: only what differs from a base."""

from __future__ import annotations

from collections.abc import Sequence

from poolproof.checker.commands import options as shared
from poolproof.checker.commands.parser import Options, Parser
from poolproof.checker.commands.streams import output
from poolproof.checker.commands.terminal import Interrupts
from poolproof.checker.commands.triples import each_triples
from poolproof.checker.core.verdict import Budget
from poolproof.checker.driver.against import Compared, exit_code
from poolproof.checker.driver.check import EXHAUSTIVE
from poolproof.checker.driver.jobs import AgainstJob, Lost
from poolproof.checker.driver.task import Task
from poolproof.checker.driver.triples import Triples
from poolproof.checker.driver.triples import exit_code as triples_code
from poolproof.checker.reports import json
from poolproof.checker.reports.against import (
    against_json,
    against_report,
    against_totals,
)
from poolproof.checker.reports.triples import triples_report


def add_against(parser: Parser) -> None:
    """Add --against."""
    parser.add_argument(
        "--against",
        metavar="DESIGN",
        help="print only what differs from this design, the base",
    )


def run_against(
    options: Options,
    tasks: Sequence[Task],
    late: bool,
    budget: Budget,
    sets: Sequence[Task] = (),
) -> int:
    """Compare the design of each task with the base, print, and return the exit
    code: 0 nothing differs, 1 something does, 2 an error, 3 something is not known.
    ``late``: some specs are missing, because the budget was spent. ``sets`` are
    tasks to check with any three features together."""
    base, mine = shared.compared(options.against, tasks)
    engine = options.engine or EXHAUSTIVE
    budget = shared.budget_of_each(options, budget)
    jobs = [AgainstJob(task, base, engine, budget) for task in mine]
    interrupts = Interrupts()
    done: list[Compared] = []
    with output(options.output) as out:
        for compared in shared.each_result(options, "against", jobs, interrupts):
            if isinstance(compared, Lost):
                continue
            lines = [] if options.json else against_report(compared)
            if lines:
                print("\n".join([*lines, ""]), file=out, flush=True)
            done.append(compared)
        together: list[Triples] = []
        others = [task for task in sets if task.known.cls is not base.cls]
        for one in each_triples(options, others, base, interrupts):
            if not options.json and triples_code([one]):
                print("\n".join([*triples_report(one), ""]), file=out, flush=True)
            together.append(one)
        late = late or len(done) < len(mine)
        code = exit_code(done, late or interrupts()) or triples_code(together)
        if options.json:
            out.write(json.text(against_json(done, together, code)))
        else:
            print("\n".join(against_totals(done, together)), file=out)
    return code
