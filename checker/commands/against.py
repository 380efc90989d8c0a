# SPDX-License-Identifier: GPL-2.0-only
"""`check --against` and `review --against`: only what differs from a base."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from poolproof.checker.commands import options as shared
from poolproof.checker.commands.streams import output
from poolproof.checker.commands.terminal import Interrupts, progress
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.verdict import Budget
from poolproof.checker.driver.against import Compared, compare, exit_code
from poolproof.checker.driver.check import EXHAUSTIVE
from poolproof.checker.driver.designs import DesignRef
from poolproof.checker.driver.task import Task
from poolproof.checker.reports import json
from poolproof.checker.reports.against import (
    against_json,
    against_report,
    against_totals,
)


def add_against(parser: argparse.ArgumentParser) -> None:
    """Add --against."""
    parser.add_argument(
        "--against",
        metavar="DESIGN",
        help="print only what differs from this design, the base",
    )


def run_against(
    options: argparse.Namespace, tasks: Sequence[Task], late: bool, budget: Budget
) -> int:
    """Compare the design of each task with the base, print, and return the exit
    code: 0 nothing differs, 1 something does, 2 an error, 3 something is not known.
    ``late``: some specs are missing, because the budget was spent."""
    base = shared.one_design(options.against)
    mine = [task for task in tasks if task.known.cls is not base.cls]
    if not mine:
        raise UserError(
            None,
            f"--against {options.against}: nothing is compared with it; "
            "name the other design by --design",
        )
    interrupts = Interrupts()
    done: list[Compared] = []
    with output(options.output) as out:
        for task in mine:
            if interrupts():
                break
            compared = _compared(task, base, options.engine, budget, interrupts)
            lines = [] if options.json else against_report(compared)
            if lines:
                print("\n".join([*lines, ""]), file=out, flush=True)
            done.append(compared)
        code = exit_code(done, late or interrupts())
        if options.json:
            out.write(json.text(against_json(done, code)))
        else:
            print("\n".join(against_totals(done)), file=out)
    return code


def _compared(
    task: Task,
    base: DesignRef,
    engine: str | None,
    budget: Budget,
    interrupts: Interrupts,
) -> Compared:
    """Return what differs, with progress on a terminal. Ctrl-C ends it early."""
    with (
        progress(f"{task.known.name} {Path(task.spec.file).stem}") as report,
        interrupts.caught(),
    ):
        return compare(task, base, engine or EXHAUSTIVE, budget, report, interrupts)
