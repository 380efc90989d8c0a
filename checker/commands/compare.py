# SPDX-License-Identifier: GPL-2.0-only
"""`poolproof compare`: can user space tell two designs apart?"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

from poolproof.checker.commands import options as shared
from poolproof.checker.commands.streams import Stream, output
from poolproof.checker.commands.terminal import Interrupts, progress
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.verdict import Budget
from poolproof.checker.driver.check import EXHAUSTIVE, CheckResult
from poolproof.checker.driver.compare import Comparison, Pair, compare, exit_code
from poolproof.checker.driver.compare import prepare as prepare_pair
from poolproof.checker.driver.designs import DesignRef, find_spec
from poolproof.checker.driver.property_wise import common_specs, property_wise
from poolproof.checker.reports import json
from poolproof.checker.reports.compare import (
    compare_json,
    compare_report,
    verdicts_json,
    verdicts_report,
)
from poolproof.checker.spec import Spec, parse

_EPILOG = """\
Both designs are driven by the same calls. Compared is what they show: the
result of each call, and what a spec says can be read. A difference is a
sequence of calls after which one design shows something that the other
cannot show after the same sequence with the same results.

  user touch or fault(vma, page = block)   one call, two names
  user mmap_shared(task, vma, end = P)     only with this argument
  user punch_hole(file, page) else OK      or nothing, where none can be
  kernel swap_out                          a step that no task asks for
  observe free "HugePages_Free": free_huge_pages()

Without `user`, actions of one name are one call, but for those that are
silent in the design. Not compared: what the kernel chooses (arguments that
one design lacks, or that the design calls chosen; calls that may fail),
time, warnings in the log, and calls that one design does not have, which
are listed.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.epilog = _EPILOG
    add = parser.add_argument
    add("one", metavar="A", help="a design: Hugetlb, or my.py:Class")
    add("other", metavar="B", help="the other one")
    add(
        "spec",
        nargs="*",
        metavar="SPEC",
        help="a spec with the sizes, and with `user`, `kernel`, `observe` lines; with "
        "--property-wise the specs to ask",
    )
    add(
        "--bounds",
        action="append",
        type=shared.bounds,
        default=[],
        metavar="K=V[,K=V]",
        help="set bounds; or a label of the spec's bounds",
    )
    shared.add_names(parser, "--without", "leave features out")
    shared.add_names(parser, "--with", "turn features on", dest="having")
    shared.add_value(
        parser,
        "--failures",
        shared.whole(0),
        metavar="N",
        help="let up to N calls fail in a run, of those that may",
    )
    shared.add_value(
        parser,
        "--budget",
        shared.seconds,
        default=60.0,
        metavar="SECONDS",
        help="time for the comparison; 60 by default",
    )
    shared.add_value(
        parser,
        "--depth",
        shared.whole(1),
        metavar="CALLS",
        help="no sequence longer than this",
    )
    shared.add_value(
        parser, "--memory", shared.memory, metavar="SIZE", help="like 500M or 4G"
    )
    add(
        "--property-wise",
        action="store_true",
        help="compare the verdicts on specs that both can be asked instead; without "
        "SPEC, on all shipped ones",
    )
    shared.add_value(
        parser,
        "--engine",
        shared.engine,
        metavar="ENGINE",
        help="of --property-wise, as in check",
    )
    shared.add_no_cache(parser)
    add("--no-symmetry", action="store_true", help="visit symmetric states, too")
    add(
        "-v",
        "--verbose",
        action="store_true",
        help="print the runs of all differences, not of the first only",
    )
    shared.add_output(parser)


def run(options: argparse.Namespace) -> int:
    """Compare, print, and return the exit code."""
    options.design = []
    designs = shared.one_design(options.one), shared.one_design(options.other)
    specs = [parse(find_spec(name)) for name in options.spec]
    budget = Budget(
        seconds=options.budget,
        depth=options.depth,
        memory=options.memory,
        symmetry=not options.no_symmetry,
    )
    if options.property_wise:
        return _by_verdicts(options, designs, specs, budget)
    if options.engine:
        raise UserError(None, "--engine is for --property-wise")
    if len(specs) > 1:
        raise UserError(None, "several specs are for --property-wise: name one here")
    if specs and specs[0].scenarios:
        raise UserError(None, f"{specs[0].file} has scenarios: poolproof size")
    request = shared.request(options)
    pair = prepare_pair(*designs, specs[0] if specs else None, request)
    comparison = _compared(pair, budget)
    code = exit_code(comparison)
    with output(options.output) as out:
        _print(options, comparison, code, out)
    return code


def _by_verdicts(
    options: argparse.Namespace,
    designs: tuple[DesignRef, DesignRef],
    specs: Sequence[Spec],
    budget: Budget,
) -> int:
    """Compare the verdicts, print, and return the exit code."""
    specs = specs or common_specs(designs)
    names = " and ".join(known.name for known in designs)
    if not specs:
        raise UserError(None, f"no shipped spec is for both {names}: name one")
    request = replace(shared.request(options), designs=designs)
    checks, interrupts = shared.checks(options), Interrupts()
    engine = options.engine or EXHAUSTIVE
    with progress(names) as report, interrupts.caught():

        def ask(spec: Spec) -> list[CheckResult]:
            done: list[CheckResult] = []
            for task in checks.prepare(spec, request):
                result = checks.run(task, engine, budget, report, interrupts)
                if interrupts():
                    return []
                done.append(result)
            return done

        found = property_wise(designs, specs, ask)
    with output(options.output) as out:
        if options.json:
            out.write(json.text(verdicts_json(found)))
        else:
            print("\n".join(verdicts_report(found)), file=out)
    return found.exit_code


def _compared(pair: Pair, budget: Budget) -> Comparison:
    """Return what differs, with progress on a terminal. Ctrl-C ends it early."""
    interrupts = Interrupts()
    with progress(" and ".join(pair.names)) as report, interrupts.caught():
        return compare(pair, budget, report)


def _print(
    options: argparse.Namespace, comparison: Comparison, code: int, out: Stream
) -> None:
    if options.json:
        out.write(json.text(compare_json(comparison, code)))
    else:
        print("\n".join(compare_report(comparison, options.verbose)), file=out)
