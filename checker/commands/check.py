# SPDX-License-Identifier: GPL-2.0-only
"""`poolproof check`: specs, each on its designs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from poolproof.checker.commands import options as shared
from poolproof.checker.commands.against import add_against, run_against
from poolproof.checker.commands.estimate import add_estimate, run_estimate
from poolproof.checker.commands.parser import Options, Parser
from poolproof.checker.commands.streams import (
    Stream,
    complain,
    output,
    pointed,
    writable,
)
from poolproof.checker.commands.sweep import add_sweep, run_check_sweep
from poolproof.checker.commands.terminal import Interrupts, progress
from poolproof.checker.commands.triples import add_triples, run_triples
from poolproof.checker.core.diagnostic import UserError, together
from poolproof.checker.core.limits import Spent, doing
from poolproof.checker.core.text import count
from poolproof.checker.core.verdict import Budget, Violated
from poolproof.checker.driver.designs import shipped_specs
from poolproof.checker.driver.jobs import CheckJob, Lost
from poolproof.checker.driver.judging import CheckResult, ExpectationStatus, exit_code
from poolproof.checker.driver.kept import Checks
from poolproof.checker.driver.selected import changed_since, specs
from poolproof.checker.driver.stored import trace_name
from poolproof.checker.driver.task import Request, Task, refuse_nothing
from poolproof.checker.reports import json
from poolproof.checker.reports.cases import junit, ktap
from poolproof.checker.reports.certificate import certificate_files
from poolproof.checker.reports.check import check_report
from poolproof.checker.reports.review import ranking_report, totals
from poolproof.checker.reports.text import indented
from poolproof.checker.reports.trace import defect_text, replayed_of, trace_text
from poolproof.checker.spec import Spec


def add(parser: Parser) -> None:
    """Add the arguments of the verb."""
    parser.epilog = shared.engines_help()
    add = parser.add_argument
    add(
        "spec",
        nargs="*",
        metavar="SPEC",
        help="a .spec file, a folder of them, or a shipped spec; "
        "SPEC::PROPERTY is one property",
    )
    add("-k", metavar="WORDS", default="", help="check only matching properties")
    add("--since", metavar="REV", help="check only what changed since a git revision")
    shared.add_engine(parser)
    shared.add_jobs(parser, 0)  # one; as many as cores with --triples
    shared.add_any(parser)
    add("--store", metavar="DIR", help="write the trace of each violation to DIR")
    add(
        "--certificate",
        metavar="DIR",
        help="write what was proved as SMT-LIB 2 files to DIR",
    )
    parser.verbose("print the runs of expected violations and of witnesses, too")
    parser.flag("--strict", "exit with 3 if a property is vacuous, as review does")
    parser.flag(
        "--mail",
        "print a bug report for each unexpected violation (with -v, for "
        "expected ones, too)",
    )
    shared.add_cases(parser)
    add_triples(parser)
    add_estimate(parser)
    add_sweep(parser, "check at all these bounds, the smallest first, within --budget")
    parser.flag(
        "--table",
        "print one table of the designs, those with the fewest violations first",
    )
    parser.flag(
        "--no-branches", "do not list branches of the design's text that no step takes"
    )
    add_against(parser)


def run(options: Options) -> int:
    """Check, print, and return the exit code."""
    engine = options.engine or shared.AUTO
    budget, request = shared.budget(options, engine), _request(options, engine)
    for name in ("store", "certificate"):
        if vars(options)[name]:
            _make_folder(f"--{name}", vars(options)[name])
    chosen = _specs(options)
    checks = shared.checks(options)
    if options.since and not chosen:
        with output(options.output) as out:
            print(f"nothing changed since {options.since}", file=out)
        return 0
    if options.sweep:
        return run_check_sweep(options, chosen, request, budget)
    if options.triples:
        return run_triples(options, chosen, request)
    tasks, late = prepared(chosen, request, budget, checks)
    refuse_nothing(tasks)
    if options.estimate:
        return run_estimate(options, tasks, request, budget)
    if options.against:
        return run_against(options, tasks, late, budget)
    budget = shared.budget_of_each(options, budget)
    jobs = [CheckJob(task, engine, budget, checks) for task in tasks]
    interrupts = Interrupts()
    done: list[CheckResult] = []
    with output(options.output) as out:
        for checked in shared.each_result(options, "check", jobs, interrupts):
            if isinstance(checked, Lost):
                continue
            _print_one(options, checked, bool(done), out)
            done.append(checked)
        code = 3 if len(done) < len(tasks) else exit_code(done, options.strict)
        code = code or (3 if late else 0)
        _print_all(options, done, code, out)
    write_junit(options, done)
    complain_of_mistakes(done)
    return code


def _print_one(
    options: Options, checked: CheckResult, later: bool, out: Stream
) -> None:
    """Print one check, and write the files that the options ask for; ``later``: it is
    not the first."""
    stored = _store(checked, options.store) if options.store else {}
    proof = _certify(checked, options.certificate) if options.certificate else []
    if options.mail:
        out.write(_mails(checked, options.verbose))
    elif not (options.json or options.ktap or options.table):
        if later:
            print(file=out)
        lines = check_report(checked, stored, options.verbose) + proof
        print("\n".join(lines), file=out, flush=True)


def _print_all(
    options: Options, done: Sequence[CheckResult], code: int, out: Stream
) -> None:
    """Print what comes after the last check."""
    if options.json:
        out.write(json.text(json.check_json(done, code)))
    elif options.ktap:
        out.write(ktap(done))
    elif options.table:
        print("\n".join(ranking_report(done)), file=out)
    elif len(done) > 1 and not options.mail:
        print("\n".join(totals(done)), file=out)


def _mails(checked: CheckResult, verbose: bool) -> str:
    """A mailbox with a bug report for each violation that nobody expected, or
    with ``verbose`` for each."""
    from poolproof.checker.conform.mail import mail  # most checks do not need it

    return "".join(
        f"From poolproof Mon Sep 17 00:00:00 2001\n{mail(replayed)}\n"
        for answer in checked.answers
        if isinstance(answer.verdict, Violated) and answer.replay is not None
        if verbose or answer.status is ExpectationStatus.UNMET
        for replayed in [replayed_of(checked.task, answer)]
    )


def _specs(options: Options) -> list[Spec]:
    """Return what is to be checked."""
    names = options.spec or (shipped_specs() if options.since else ())
    if not names:
        raise UserError(None, "which spec? Write a file, a folder, or --since REV")
    some = specs(names, options.k)
    if options.since:
        some = changed_since(some, options.since, options.design)
    return some


def _request(options: Options, engine: str) -> Request:
    request = shared.request(options)
    if request.any_size and engine not in (shared.AUTO, "prove"):
        raise UserError(
            None, f"--any is for proofs, which {engine} does not do: use --engine prove"
        )
    return request


def prepared(
    specs: Sequence[Spec], request: Request, budget: Budget, checks: Checks
) -> tuple[list[Task], bool]:
    """Return the specs on their designs, and whether some are missing because
    the budget does not suffice to compile them; stderr then says so."""
    tasks: list[Task] = []
    mistakes: list[UserError] = []
    late = False
    for spec in specs:
        try:
            with budget.limited(), doing("compiling the design"):
                tasks += checks.prepare(spec, request)
        except Spent as spent:
            complain(f"{spec.file}: nothing is known: {spent}")
            late = True
        except UserError as mistake:
            mistakes.append(mistake)
    if mistakes:
        raise together(mistakes)
    return tasks, late


def check(
    task: Task, engine: str, budget: Budget, interrupts: Interrupts, checks: Checks
) -> CheckResult:
    """Return the result, with progress on a terminal. Ctrl-C ends it early."""
    with (
        progress(f"{task.known.name} {Path(task.spec.file).stem}") as report,
        interrupts.caught(),
    ):
        return checks.run(task, engine, budget, report, interrupts)


def write_junit(options: Options, done: Sequence[CheckResult]) -> None:
    """Write the file of --junit."""
    if options.junit:
        with writable(options.junit) as file:
            file.write(junit(done))


def complain_of_mistakes(done: Sequence[CheckResult]) -> None:
    """Print the places of specs that some run showed to be undefined."""
    for checked in done:
        for mistake in checked.mistakes:
            complain(pointed(mistake))


def _make_folder(option: str, path: str) -> None:
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise UserError(None, f"{option} {path}: {e.strerror}") from None


def _store(checked: CheckResult, directory: str) -> dict[str, str]:
    """Write a trace for each violation; return where each is."""
    stored: dict[str, str] = {}
    texts = [
        (answer.prop.name, trace_text(checked.task, answer))
        for answer in checked.answers
        if isinstance(answer.verdict, Violated)
    ]
    for number, (defect, replayed) in enumerate(checked.defects, 1):
        texts.append((f"defect{number}", defect_text(checked.task, defect, replayed)))
    for name, text in texts:
        path = os.path.join(directory, trace_name(checked.task, name))
        with writable(path, parents=True) as file:
            file.write(text)
        stored[name] = path
    return stored


def _certify(checked: CheckResult, directory: str) -> list[str]:
    """Write the questions of all certificates; return what to print."""
    files = certificate_files(checked)
    for path, text in files.items():
        whole = Path(directory, path)
        _make_folder("--certificate", str(whole.parent))
        with writable(str(whole)) as file:
            file.write(text)
    lines = []
    for folder, paths in groupby(files, key=lambda path: path.split("/")[0]):
        number = count(len(list(paths)), "question")
        where = os.path.join(directory, folder)
        lines += indented(f"certificate: {number} in {where}, each must be unsat")
    return ["", *(lines or ["  certificate: none, nothing was proved"])]
