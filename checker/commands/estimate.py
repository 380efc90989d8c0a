# SPDX-License-Identifier: GPL-2.0-only
"""`poolproof check --estimate`: how large a search will be, before it starts."""

from __future__ import annotations

from collections.abc import Sequence

from poolproof.checker.commands.parser import Options, Parser
from poolproof.checker.commands.streams import output
from poolproof.checker.commands.sweep import cells_of, refuse_other_forms, searches
from poolproof.checker.commands.terminal import Interrupts
from poolproof.checker.core.verdict import Budget
from poolproof.checker.driver.estimate import Estimate, estimated, grid_below
from poolproof.checker.driver.task import Request, Task
from poolproof.checker.reports import json
from poolproof.checker.reports.estimate import estimate_json, estimate_report


def add_estimate(parser: Parser) -> None:
    """Add --estimate."""
    parser.flag(
        "--estimate",
        "do not check, but estimate the states, memory and time of the check "
        "from searches at smaller bounds within --budget",
    )


def run_estimate(
    options: Options,
    tasks: Sequence[Task],
    request: Request,
    budget: Budget,
) -> int:
    """Print an estimate for each task, and return the exit code: 3 if there is none."""
    refuse_other_forms(options, "estimate")
    interrupts = Interrupts()
    how = searches(options, budget, interrupts)
    done: list[Estimate] = []
    with output(options.output) as out:
        for task in tasks:
            if interrupts():
                break
            grid = grid_below(task, request)
            for _ in cells_of(grid, how, interrupts):
                pass
            done.append(estimated(task, grid, how.engine))
            if not options.json:
                lines = [*([""] if len(done) > 1 else []), *estimate_report(done[-1])]
                print("\n".join(lines), file=out, flush=True)
        lost = len(done) < len(tasks) or any(e.states is None for e in done)
        code = 3 if lost else 0
        if options.json:
            out.write(json.text(estimate_json(done, code)))
    return code
