# SPDX-License-Identifier: GPL-2.0-only
"""`poolproof size`: the smallest pool with which a scenario always succeeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from poolproof.checker.commands import options as shared
from poolproof.checker.commands.least_formula import add_any, run_any
from poolproof.checker.commands.parser import Options, Parser, span
from poolproof.checker.commands.streams import output
from poolproof.checker.commands.sweep import add_sweep, run_sweep
from poolproof.checker.commands.terminal import Interrupts, progress
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.verdict import Budget, Silent
from poolproof.checker.driver.designs import find_spec
from poolproof.checker.driver.jobs import Inapplicable, Lost, SizeJob
from poolproof.checker.driver.size import Sized, check_given, size_tasks
from poolproof.checker.reports import json
from poolproof.checker.reports.size import SizeAnswer, size_report
from poolproof.checker.spec import Spec, parse
from poolproof.model.language import did_you_mean


def add(parser: Parser) -> None:
    """Add the arguments of the verb."""
    add = parser.add_argument
    add("spec", nargs="+", metavar="FILE", help="a .scenario file, or a shipped one")
    parser.several("--scenario", "NAME", "run only these scenarios")
    parser.value(
        "--sizes",
        span,
        metavar="LO..HI",
        help="try these sizes instead of the scenario's range",
    )
    add_sweep(
        parser,
        "find the least size for each value of a bound or `let`; two make a grid",
    )
    add_any(parser)
    add("--csv", metavar="FILE", help="with --sweep: write the sizes as CSV")
    add("--plot", metavar="FILE", help="with --sweep: draw a plot (needs matplotlib)")
    parser.flag("--table", "do not print the failing schedules")
    shared.add_designs(parser)
    parser.budget(
        "time for each scenario on each design", shared.DEFAULT_SECONDS[shared.AUTO]
    )
    shared.add_no_cache(parser)
    shared.add_jobs(parser, 1)
    shared.add_output(parser)


def run(options: Options) -> int:
    """Find the sizes, print them, and return the exit code."""
    label, bounds = shared.merged(options)
    if label:
        raise UserError(None, f"--bounds {label}: write NAME=NUMBER, like {label}=2")
    specs = [parse(find_spec(name)) for name in options.spec]
    _check_names(specs, options.scenario)
    check_given(specs, options.design, options.scenario, bounds)
    if options.sweep and options.any:
        raise UserError(None, "--sweep and --any: leave one of them out")
    if options.sweep:
        return run_sweep(options, specs, bounds)
    if options.any:
        return run_any(options, specs, bounds)
    for name in ("csv", "plot"):
        if getattr(options, name):
            raise UserError(None, f"--{name} needs --sweep, like --sweep cold=0..16")
    answers: list[SizeAnswer] = []
    with output(options.output) as out:
        for spec in specs:
            mine = _answers(options, _cells(options, spec, bounds))
            if not mine:
                raise UserError(
                    None, f"{spec.file}: none of these scenarios is for these designs"
                )
            if not options.json:
                lines = size_report(spec, mine, schedules=not options.table)
                print("\n".join(lines), file=out, flush=True)
            answers += mine
        code = _exit_code(answers)
        if options.json:
            out.write(json.text(json.sizes_json(answers, code)))
    return code


def _cells(options: Options, spec: Spec, bounds: Mapping[str, int]) -> list[SizeJob]:
    """Return the scenarios of a spec that are asked for, on their designs."""
    budget = shared.budget_of_each(options, Budget(seconds=options.budget))
    checks = shared.checks(options)
    tasks = size_tasks(spec, options.design, options.scenario, bounds)
    if options.sizes is not None:
        tasks = (task.within(options.sizes) for task in tasks)
    return [SizeJob(task, budget, checks) for task in tasks]


def _answers(options: Options, jobs: Sequence[SizeJob]) -> list[SizeAnswer]:
    """Return what comes out of each job. Raise KeyboardInterrupt at Ctrl-C."""
    results: list[Sized | Lost]
    if not shared.is_spread(options):
        results = [job.find(Silent()) for job in jobs]
    else:
        interrupts = Interrupts()
        with progress("size") as report, interrupts.caught():
            results = list(shared.spread(options, interrupts)(jobs, report))
        if interrupts():
            raise KeyboardInterrupt
    return [_answer(job, result) for job, result in zip(jobs, results, strict=True)]


def _answer(job: SizeJob, result: Sized | Lost) -> SizeAnswer:
    if isinstance(result, Inapplicable):
        return SizeAnswer(job.task.scenario, job.task.known.name, None, result.why)
    if isinstance(result, Lost):
        raise UserError(None, f"{job.title}: nothing is known: {result.why}")
    return SizeAnswer(job.task.scenario, job.task.known.name, result)


def _check_names(specs: list[Spec], wanted: list[str]) -> None:
    named = tuple(s.name.text for spec in specs for s in spec.scenarios)
    for name in wanted:
        if name not in named:
            raise UserError(
                None,
                f"no scenario {name!r}{did_you_mean(name, named)}; "
                f"there are {', '.join(named) or 'none'}",
            )


def _exit_code(answers: list[SizeAnswer]) -> int:
    """Return 3 if a size is not known, 1 if no size is large enough, else 0."""
    found = [a.found for a in answers if a.found is not None]
    if any(at.unknown for f in found for at in f.sizes):
        return 3
    return 1 if any(f.smallest is None for f in found) else 0
