# SPDX-License-Identifier: GPL-2.0-only
"""`poolproof patch`: what a patch means for the designs, and the specs on it."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from poolproof.checker.commands import options as shared
from poolproof.checker.commands.check import check, prepared
from poolproof.checker.commands.parser import Options, Parser
from poolproof.checker.commands.streams import output, writable
from poolproof.checker.commands.terminal import Interrupts
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.verdict import Budget
from poolproof.checker.driver.check import EXHAUSTIVE
from poolproof.checker.driver.designs import DesignRef, designs_named, shipped_designs
from poolproof.checker.driver.judging import CheckResult, exit_code
from poolproof.checker.driver.kept import Checks
from poolproof.checker.driver.patch import (
    Exercised,
    Modelled,
    exercising,
    modelled,
    unmodelled,
)
from poolproof.checker.driver.skeleton import skeleton
from poolproof.checker.driver.task import Request
from poolproof.checker.linux.patch import NoLines, Patch, read_patches
from poolproof.checker.linux.touched import touched
from poolproof.checker.linux.tree import (
    RevisionRange,
    Tree,
    folder_of,
    is_range,
    range_of,
)
from poolproof.checker.reports.b4 import (
    ERROR,
    as_json,
    modelled_lines,
    unknown_lines,
    violated_lines,
)
from poolproof.checker.reports.patch import (
    modelled_report,
    patch_report,
    results_report,
    specs_report,
)

SECONDS, B4_SECONDS = 60.0, 3.0
"""For all specs together, without --budget."""

_EXAMPLES = """\
examples:
  poolproof patch fix.patch
  poolproof patch v6.18..my-branch --tree ~/linux --skeleton my_patch.py
  poolproof patch fix.patch --design my_patch.py --budget 300
  b4 -q mbox -o- MESSAGE-ID | poolproof patch - --tree ~/linux
  git config b4.prep-perpatch-check-cmd 'poolproof patch - --b4'
  git config b4.review-perpatch-check-cmd 'poolproof patch - --b4 --json'

exit codes: 0 all outcomes are as expected, 1 one is not, 2 no patch can be
read, 3 the budget was spent
"""


def add(parser: Parser) -> None:
    """Add the arguments of the verb."""
    parser.epilog = _EXAMPLES
    add = parser.add_argument
    add(
        "patch",
        metavar="FILE",
        help="a diff, a mail or a mailbox; - for standard input; or REV..REV",
    )
    add(
        "--tree",
        metavar="DIR",
        help="a kernel tree, with or without the patch; for REV..REV, its git",
    )
    parser.several(
        "--design", "DESIGN", "consider only these: Hugetlb, my.py:Class, or my.py"
    )
    add(
        "--skeleton",
        metavar="FILE",
        help="write to FILE a design with the methods that must change",
    )
    parser.budget(f"time for all specs together; {SECONDS:.0f} by default")
    parser.flag("--no-run", "list the specs, but do not run them")
    parser.flag(
        "--b4",
        "act as a check command of b4: print a line for each warning, and run "
        "the specs only on designs of --design",
    )
    parser.flag("--json", "with --b4: print what `b4 review` reads")
    shared.add_no_cache(parser)
    shared.add_output(parser, json=False)


def run(options: Options) -> int:
    """Read the patch, look and run, print, and return the exit code."""
    if options.json and not options.b4:
        raise UserError(None, "--json is for `b4 review`: write --b4 --json")
    try:
        patches, where = _read(options.patch, options.tree)
    except NoLines:
        if not options.b4:
            raise
        return _answer_b4((), options)
    found, unfit = touched(patches, where)
    which = modelled(found, _designs(options.design))
    if options.skeleton:
        _write(options.skeleton, which, patches)
    if options.b4:
        return _answer_b4(which, options)
    with output(options.output) as out:
        lines = patch_report(patches, found, unfit, where is not None)
        lines += modelled_report(which, unmodelled(found, which))
        exercised = exercising(which)
        lines += specs_report(exercised)
        print("\n".join(lines), file=out, flush=True)
        if options.no_run or not exercised:
            return 0
        done, left = _run(exercised, options.budget or SECONDS, shared.checks(options))
        print("\n".join(results_report(done, left)), file=out)
    return exit_code(done) or (3 if left else 0)


def _read(
    name: str, folder: str | None
) -> tuple[Sequence[Patch], Tree | RevisionRange | None]:
    """The patches, and where their files can be read."""
    if name != "-" and is_range(name):
        found = range_of(name, folder or ".")
        return read_patches(found.diff, name), found
    tree = folder_of(folder) if folder else None
    if name == "-":
        return read_patches(sys.stdin.buffer.read(), "standard input"), tree
    try:
        data = Path(name).read_bytes()
    except OSError as e:
        raise UserError(None, f"{name}: cannot be read: {e.strerror}") from None
    return read_patches(data, name), tree


def _designs(given: Sequence[str]) -> Sequence[DesignRef]:
    found = [k for reference in given for k in designs_named(reference)]
    return found or shipped_designs()


def _write(path: str, which: Sequence[Modelled], patches: Sequence[Patch]) -> None:
    if not which:
        raise UserError(None, "--skeleton: no design models what the patch touches")
    text = skeleton(which[0], patches)
    if Path(path).exists():
        raise UserError(None, f"--skeleton {path}: it is there already")
    with writable(path) as file:
        file.write(text)


def _run(
    exercised: Sequence[Exercised], seconds: float, checks: Checks
) -> tuple[list[CheckResult], list[Exercised]]:
    """The results within the time, and what was not run. Each spec has at most
    half of the time that is left."""
    end = time.monotonic() + seconds
    interrupts = Interrupts()
    done: list[CheckResult] = []
    for number, one in enumerate(exercised):
        left = end - time.monotonic()
        if left <= 0 or interrupts():
            return done, list(exercised[number:])
        budget = Budget(seconds=max(left / 2, 0.1))
        request = Request(designs=(one.known.reference,))
        tasks, _ = prepared([one.spec], request, budget, checks)
        done += [check(task, EXHAUSTIVE, budget, interrupts, checks) for task in tasks]
    return done, []


def _answer_b4(which: Sequence[Modelled], options: Options) -> int:
    lines = list(modelled_lines(which))
    if options.design:
        seconds = options.budget or B4_SECONDS
        done, left = _run(exercising(which), seconds, shared.checks(options))
        lines = list(violated_lines(done))
        lines += unknown_lines(done, len(left), seconds)
    with output(options.output) as out:
        out.write(as_json(lines) if options.json else "".join(f"{x}\n" for x in lines))
    failed = any(line.startswith(ERROR) for line in lines)
    return 1 if failed and not options.json else 0
