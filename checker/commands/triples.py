# SPDX-License-Identifier: GPL-2.0-only
"""`check --triples`: a spec with any three features together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from poolproof.checker.commands import options as shared
from poolproof.checker.commands.parser import Options, Parser
from poolproof.checker.commands.streams import output
from poolproof.checker.commands.terminal import Interrupts, progress
from poolproof.checker.core.verdict import Budget
from poolproof.checker.driver.designs import DesignRef
from poolproof.checker.driver.hidden import with_hidden
from poolproof.checker.driver.task import Request, Task, prepare, refuse_nothing
from poolproof.checker.driver.triples import (
    STATES,
    Triples,
    exit_code,
    labelled,
    triples,
)
from poolproof.checker.driver.workers import cores
from poolproof.checker.reports import json
from poolproof.checker.reports.triples import triples_report
from poolproof.checker.spec import Spec


def add_triples(parser: Parser) -> None:
    """Add --triples."""
    parser.flag(
        "--triples", "check with any three features together, at the bounds `triples`"
    )


def run_triples(options: Options, specs: Sequence[Spec], request: Request) -> int:
    """Ask the specs with any three features, print, and return the exit code."""
    base: DesignRef | None = None
    tasks = [t for s in specs for t in prepare(s, labelled(request, s))]
    if options.against:
        base, tasks = shared.compared(options.against, tasks)
    refuse_nothing(tasks)
    options.jobs = options.jobs or cores()
    interrupts = Interrupts()
    done: list[Triples] = []
    with output(options.output) as out:
        for one in each_triples(options, tasks, base, interrupts):
            done.append(one)
            if not options.json:
                if len(done) > 1:
                    print(file=out)
                lines = triples_report(one, options.verbose)
                print("\n".join(lines), file=out, flush=True)
        code = exit_code(done)
        if options.json:
            out.write(json.text(json.triples_json(done, code)))
    return code


def each_triples(
    options: Options,
    tasks: Sequence[Task],
    base: DesignRef | None,
    interrupts: Interrupts,
) -> Iterator[Triples]:
    """Yield the result of each task, with progress on a terminal. Without --budget
    there is no time limit."""
    limit = Budget(seconds=options.budget, states=STATES)
    spread = shared.spread(options, interrupts)
    for task in tasks:
        with progress(f"{task.known.name} triples") as report, interrupts.caught():
            one = triples(task, limit, spread, report, base)
            if base is not None:
                one = with_hidden(one, base, limit, spread, report)
        yield one
