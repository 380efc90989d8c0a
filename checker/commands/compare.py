# SPDX-License-Identifier: GPL-2.0-only
"""`poolproof compare`: can user space tell two designs apart?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from poolproof.checker.commands import options as shared
from poolproof.checker.commands.parser import Options, Parser
from poolproof.checker.commands.streams import Stream, output
from poolproof.checker.commands.terminal import Interrupts, progress
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.verdict import Budget
from poolproof.checker.driver.check import EXHAUSTIVE
from poolproof.checker.driver.compare import Comparison, DesignPair, compare, exit_code
from poolproof.checker.driver.compare import prepare as prepare_pair
from poolproof.checker.driver.designs import DesignRef, find_spec, one_design
from poolproof.checker.driver.judging import CheckResult
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
Both designs get the same calls. The result of each call is compared, and
the values that the spec lets user space read. A difference is a sequence
of calls after which one design shows something that the other cannot show
after the same calls with the same results.

  user touch or fault(vma, page = block)   one call, two names
  user mmap_shared(task, vma, end = P)     only with this argument
  user punch_hole(file, page) else OK      no effect where it is impossible
  kernel swap_out                          a step that no task requests
  observe free "HugePages_Free": free_huge_pages()

Without `user` lines, actions with the same name are the same call, except
those that a design marks silent. Not compared are choices of the kernel
(arguments that one design lacks or marks chosen, and whether a call that
may fail does fail), time, and warnings in the log. Calls that only one
design has are listed, but not compared.
"""


def add(parser: Parser) -> None:
    """Add the arguments of the verb."""
    parser.epilog = _EPILOG
    add = parser.add_argument
    add("one", metavar="A", help="a design: Hugetlb, or my.py:Class")
    add("other", metavar="B", help="the other design")
    add(
        "spec",
        nargs="*",
        metavar="SPEC",
        help="a spec with the sizes, and with `user`, `kernel`, `observe` lines; with "
        "--property-wise, the specs to check",
    )
    shared.add_bounds(parser)
    shared.add_features(parser)
    parser.whole(
        "--failures", "let up to N of the calls that may fail do so in a run", least=0
    )
    parser.budget("time for the comparison; 60 by default", 60.0)
    parser.whole("--depth", "longest sequence to try", metavar="CALLS")
    parser.memory()
    parser.flag(
        "--property-wise",
        "instead, compare the verdicts of specs that apply to both designs; "
        "without SPEC, of all shipped ones",
    )
    parser.value(
        "--engine",
        shared.engine,
        metavar="ENGINE",
        help="the engine for --property-wise, as in check",
    )
    shared.add_no_cache(parser)
    parser.flag("--no-symmetry", "visit symmetric states, too")
    parser.verbose("print the runs of all differences, not only of the first")
    shared.add_output(parser)


def run(options: Options) -> int:
    """Compare, print, and return the exit code."""
    options.design = []
    designs = one_design(options.one), one_design(options.other)
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
        raise UserError(None, "name one spec; several need --property-wise")
    if specs and specs[0].scenarios:
        raise UserError(None, f"{specs[0].file} has scenarios: use poolproof size")
    request = shared.request(options)
    pair = prepare_pair(*designs, specs[0] if specs else None, request)
    comparison = _compared(pair, budget)
    code = exit_code(comparison)
    with output(options.output) as out:
        _print(options, comparison, code, out)
    return code


def _by_verdicts(
    options: Options,
    designs: tuple[DesignRef, DesignRef],
    specs: Sequence[Spec],
    budget: Budget,
) -> int:
    """Compare the verdicts, print, and return the exit code."""
    specs = specs or common_specs(designs)
    names = " and ".join(known.name for known in designs)
    if not specs:
        raise UserError(None, f"no shipped spec applies to both {names}: name one")
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


def _compared(pair: DesignPair, budget: Budget) -> Comparison:
    """Return the comparison, with progress on a terminal. Ctrl-C ends it early."""
    interrupts = Interrupts()
    with progress(" and ".join(pair.names)) as report, interrupts.caught():
        return compare(pair, budget, report)


def _print(options: Options, comparison: Comparison, code: int, out: Stream) -> None:
    if options.json:
        out.write(json.text(compare_json(comparison, code)))
    else:
        print("\n".join(compare_report(comparison, options.verbose)), file=out)
