"""The command `poolproof`: the only place that prints.

Exit codes: 0 all as expected · 1 something is not · 2 an error in a design,
a spec or the call · 3 something is not known, or (--strict, review) vacuous ·
130 interrupted, nothing known.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from types import FrameType
from typing import Any

from poolproof.checker.commands import conform as conform_cli
from poolproof.checker.commands.streams import (
    Stream,
    complain,
    standard_output,
    writable,
)
from poolproof.checker.core.bounds import parse_bounds
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.limits import Spent, doing
from poolproof.checker.core.source import shown_path
from poolproof.checker.core.text import WIDTH, count
from poolproof.checker.core.verdict import Budget, Reporter, Silent, Violated
from poolproof.checker.driver.check import (
    EXHAUSTIVE,
    CheckResult,
    Request,
    Task,
    engines,
    exit_code,
    prepare,
    run,
)
from poolproof.checker.driver.designs import (
    ROOT,
    DesignRef,
    designs_for,
    designs_named,
    designs_of,
    shipped_designs,
    shipped_specs,
    specs_for,
)
from poolproof.checker.driver.review import SCENARIOS, LeastPools
from poolproof.checker.driver.scores import SCORES, stored_scores
from poolproof.checker.driver.size import Sized, find_size
from poolproof.checker.driver.stored import Replayed, replay_file, trace_name
from poolproof.checker.engines import registry
from poolproof.checker.evidence.replay import NotReproduced, show_step
from poolproof.checker.reports import json as export
from poolproof.checker.reports.certificate import certificate_files
from poolproof.checker.reports.check import check_report
from poolproof.checker.reports.itf import itf
from poolproof.checker.reports.review import page, review_report
from poolproof.checker.reports.text import table, wrapped
from poolproof.checker.reports.trace import defect_text, trace_report, trace_text
from poolproof.checker.spec import Spec, parse
from poolproof.checker.spec.names import MissingName
from poolproof.checker.spec.syntax import Scenario
from poolproof.model.language import Feature, ModelError, declared, did_you_mean

DEFAULT_SECONDS = {"auto": 60.0, EXHAUSTIVE: 60.0}
"""Time for each engine where --budget says nothing; the others have no limit."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        with contextlib.redirect_stdout(standard_output()) as out:
            code = _run_command(arguments)
            out.flush()
            return code
    except UserError as e:
        complain(str(e) if e.span else f"poolproof: {e}")
        return 2
    except Spent as e:
        complain(f"poolproof: {e}; nothing is known yet")
        return 3
    except KeyboardInterrupt:
        complain("poolproof: interrupted; nothing is known yet")
        return 130
    except ModelError as e:
        complain(f"poolproof: {e}")
        return 2
    except MemoryError:
        complain("poolproof: there is no memory left; nothing is known yet")
        return 3
    except BaseException:
        complain(traceback.format_exc())
        complain("poolproof: this is a bug of poolproof, and no verdict")
        return 2


def _run_command(arguments: Sequence[str]) -> int:
    try:
        options = _parser().parse_args(arguments)
    except SystemExit as e:  # argparse has said why, or shown the help
        return e.code if isinstance(e.code, int) else 2
    code: int = options.command(options)
    return code


# --- the call -------------------------------------------------------------


class _Help(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=22, width=WIDTH)


_EXAMPLES = """\
examples:
  poolproof list
  poolproof check specs/hugetlb/hugetlb_mempolicy.spec
  poolproof check my.spec --design my.py:MyPool --bounds V=3,P=2
  poolproof check my.spec --engine bmc --depth 12 --json -o my.json
  poolproof review
  poolproof size specs/scenarios/hot_upgrade_4.scenario --table
  poolproof trace counterexamples/*.trace

exit codes:
  0  all as expected (a property holds, where no `expect` says otherwise)
  1  a property is violated, or an `expect` is not met
  2  an error in a design, a spec or the call
  3  inconclusive: a budget was spent, or a solver gave up; in review, and
     with --strict: a property is vacuous, what it speaks of never happens
  130  interrupted (Ctrl-C) before anything was known
"""


def _engines_help() -> str:
    rows = [
        ("auto", "every state within the bounds, then a proof for any size"),
        *((row.name, row.help) for row in registry.choices()),
    ]
    return "\n".join(
        [
            "engines:",
            *(f"  {name:<8}  {text}" for name, text in rows),
            "Without --engine, check is auto; review visits every state (native, or",
            "explicit without a compiler). Both then have 60 seconds for each.",
            "",
        ]
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="poolproof",
        description="Checks designs of huge-page reservation: which promises hold, "
        "up to\nwhich bounds, and the shortest run that breaks one.",
        epilog=_EXAMPLES,
        formatter_class=_Help,
    )
    sub = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, run_: Any, help_: str, **more: Any) -> Any:
        made = sub.add_parser(
            name, help=help_, description=help_ + ".", formatter_class=_Help, **more
        )
        made.set_defaults(command=run_)
        return made

    lists = command("list", _list, "the designs and specs there are")
    lists.add_argument(
        "--design", metavar="DESIGN", help="one design's bounds, features, actions"
    )
    check = command(
        "check", _check, "check specs and say what came out", epilog=_engines_help()
    )
    check.add_argument("spec", nargs="+", metavar="SPEC", help="a .spec file")
    _add_engine_options(check)
    check.add_argument(
        "--store", metavar="DIR", help="write the trace of each violation to DIR"
    )
    check.add_argument(
        "--certificate",
        metavar="DIR",
        help="write what was proved as SMT-LIB 2 files to DIR",
    )
    check.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="print the runs of expected violations and of witnesses, too",
    )
    check.add_argument(
        "--strict",
        action="store_true",
        help="exit 3 if something is vacuous, as review does",
    )
    review = command(
        "review",
        _review,
        "every shipped spec on every shipped design",
        epilog=_engines_help(),
    )
    _add_engine_options(review)
    review.add_argument(
        "--page", action="store_true", help="print the one page at the end only"
    )
    review.add_argument("--markdown", action="store_true", help="print Markdown")
    review.add_argument(
        "--html", metavar="FILE", help="write a page with a picture of each run, too"
    )
    size = command(
        "size", _size, "the smallest pool with which a scenario must succeed"
    )
    size.add_argument("spec", nargs="+", metavar="FILE", help="a .scenario file")
    size.add_argument(
        "--scenario",
        action="append",
        default=[],
        metavar="NAME",
        help="only these scenarios",
    )
    size.add_argument(
        "--table", action="store_true", help="do not print the failing schedules"
    )
    size.add_argument("--json", action="store_true", help="print JSON")
    _add_design_options(size)
    size.add_argument(
        "--budget", metavar="SECONDS", help="time for each scenario, on each design"
    )
    _add_output(size)
    trace = command("trace", _trace, "replay stored traces under CPython")
    trace.add_argument("file", nargs="+", metavar="FILE", help="a .trace file")
    form = trace.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument(
        "--itf", action="store_true", help="print Apalache's trace format (ITF)"
    )
    conform_cli.add_forms(form)
    _add_output(trace)
    conform = command(
        "conform",
        _conform,
        "ask a kernel what a design says it does",
        epilog=conform_cli.EXAMPLES,
    )
    conform_cli.add_options(conform)
    _add_output(conform)
    mutate = command(
        "mutate",
        _mutate,
        "change a design in one place at a time: which property tells?",
    )
    mutate.add_argument("design", metavar="DESIGN", help="as for check --design")
    add = mutate.add_argument
    add(
        "--spec",
        action="append",
        default=[],
        metavar="SPEC",
        help="tell by this one; else by all shipped ones",
    )
    add("--sample", metavar="N", help="try so many mutants only")
    add("--seed", metavar="N", help="decides their order; 0 by default")
    add("--states", metavar="N", help="states of each original; 4000 by default")
    add("--budget", metavar="SECONDS", help="time for all; 120 by default")
    add("--threads", metavar="N", help="processes; as many as cores by default")
    add("--json", action="store_true", help="print JSON")
    _add_output(mutate)
    guarantee = command(
        "guarantee",
        _guarantee,
        "which feature breaks a promise first, alone or in pairs",
    )
    add = guarantee.add_argument
    add(
        "--design",
        action="append",
        default=[],
        metavar="DESIGN",
        help="as for check; without it, those of the spec",
    )
    add("--spec", metavar="SPEC", help="specs/questions/promise_plain.spec by default")
    add(
        "--property",
        metavar="NAME",
        default="q2_promise_kept",
        help="q2_promise_kept by default",
    )
    add(
        "--bounds",
        action="append",
        default=[],
        metavar="K=V[,K=V]",
        help="a size to try; again for another",
    )
    add("--states", metavar="N", help="states of each search; 3000 by default")
    add("--budget", metavar="SECONDS", help="time for all; 300 by default")
    add("--single", action="store_true", help="no pairs")
    add("--json", action="store_true", help="print JSON")
    _add_output(guarantee)
    return parser


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", metavar="FILE", dest="output", help="print to FILE")


def _add_design_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--design",
        action="append",
        default=[],
        metavar="DESIGN",
        help="instead of the spec's `for`: Hugetlb, package.module:Class, "
        "my.py:Class, or my.py",
    )
    add(
        "--bounds",
        action="append",
        default=[],
        metavar="K=V[,K=V]",
        help="set bounds; or a label of the spec's bounds",
    )


def _add_engine_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    _add_design_options(parser)
    add(
        "--without",
        action="append",
        default=[],
        metavar="FEATURE[,FEATURE]",
        help="leave features out",
    )
    add(
        "--having",
        action="append",
        default=[],
        metavar="FEATURE[,FEATURE]",
        help="turn features on",
    )
    add("--engine", metavar="ENGINE", help=", ".join(engines()))
    add("--budget", metavar="SECONDS", help="time for each engine on each design")
    add("--depth", metavar="STEPS", help="no run longer than this")
    add("--memory", metavar="SIZE", help="like 500M or 4G")
    add("--threads", metavar="N", help="workers of the native engine")
    add("--seed", metavar="N", help="for the fuzz engine; 0 by default")
    add("--no-symmetry", action="store_true", help="visit symmetric states, too")
    add("--json", action="store_true", help="print JSON")
    _add_output(parser)


def _number(text: str | None, option: str, least: int) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]+", text) or int(text) < least:
        raise UserError(None, f"{option} {text}: a whole number from {least} is wanted")
    return int(text)


def _memory(text: str | None) -> int | None:
    if text is None:
        return None
    found = re.fullmatch(r"([0-9]+)([KMG]?)B?", text.upper())
    if found is None or int(found[1]) == 0:
        raise UserError(None, f"--memory {text}: write bytes, or like 500M, 4G")
    return int(found[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[found[2]]


def _seconds(text: str | None, otherwise: float | None) -> float | None:
    if text is None:
        return otherwise
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        raise UserError(None, f"--budget {text}: seconds above 0 are wanted")
    return seconds


def _budget(options: argparse.Namespace, engine: str) -> Budget:
    if options.engine is None:
        options.engine = engine
    elif options.engine not in engines():
        raise UserError(
            None,
            f"--engine {options.engine}: no such engine"
            f"{did_you_mean(options.engine, engines())}; "
            f"there are {', '.join(engines())}",
        )
    return Budget(
        seconds=_seconds(options.budget, DEFAULT_SECONDS.get(options.engine)),
        depth=_number(options.depth, "--depth", 0),
        memory=_memory(options.memory),
        symmetry=not options.no_symmetry,
        threads=_number(options.threads, "--threads", 1) or 0,
        seed=_number(options.seed, "--seed", 0) or 0,
    )


def _request(options: argparse.Namespace) -> Request:
    label, bounds = "", {}
    for part in (p for text in options.bounds for p in text.split(",") if p.strip()):
        if "=" in part:
            for name, value in parse_bounds(part).items():
                if name in bounds:
                    raise UserError(None, f"--bounds sets {name} twice")
                bounds[name] = value
        elif label:
            raise UserError(None, f"--bounds {label} and {part.strip()}: one is enough")
        else:
            label = part.strip()
    return Request(
        designs=tuple(options.design),
        label=label,
        bounds=bounds,
        without=_names(options.without),
        having=_names(options.having),
    )


def _names(given: Sequence[str]) -> tuple[str, ...]:
    return tuple(n for text in given for n in text.replace(",", " ").split())


# --- output ---------------------------------------------------------------


@contextlib.contextmanager
def _output(options: argparse.Namespace) -> Iterator[Stream]:
    if not options.output:
        yield standard_output()
        return
    with writable(options.output) as file:
        yield file


class _Terminal:
    """Progress on one line of stderr, cleared before anything is printed."""

    def __init__(self, what: str) -> None:
        self.what, self.last, self.shown = what, 0.0, False

    def progress(self, **figures: int | float | str) -> None:
        now = time.monotonic()
        if now - self.last < 0.2:
            return
        self.last, self.shown = now, True
        told = ", ".join(
            f"{k} {v:,.0f}" if isinstance(v, int | float) else f"{k} {v}"
            for k, v in figures.items()
        )
        line = f"{self.what}: {told}"[: WIDTH - 1]
        print(f"\r{line:<{WIDTH - 1}}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self.shown:
            print(f"\r{'':{WIDTH - 1}}\r", end="", file=sys.stderr, flush=True)


@dataclass
class _Interrupts:
    """Ctrl-C ends the engine that runs; what is known is still told."""

    count: int = 0

    def __call__(self) -> bool:
        return self.count > 0

    @contextlib.contextmanager
    def caught(self) -> Iterator[None]:
        def note(_number: int, _frame: FrameType | None) -> None:
            self.count += 1
            raise KeyboardInterrupt

        try:
            before = signal.signal(signal.SIGINT, note)
        except ValueError:  # not in the main thread
            yield
            return
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


def _run(
    task: Task, engine: str, budget: Budget, interrupts: _Interrupts
) -> CheckResult:
    report: Reporter = Silent()
    terminal = None
    if sys.stderr.isatty():
        report = terminal = _Terminal(f"{task.known.name} {Path(task.spec.file).stem}")
    try:
        with interrupts.caught():
            return run(task, engine, budget, report, interrupts)
    finally:
        if terminal is not None:
            terminal.clear()


# --- check ----------------------------------------------------------------


def _check(options: argparse.Namespace) -> int:
    budget, request = _budget(options, "auto"), _request(options)
    if options.store:
        _check_directory("--store", options.store)
    if options.certificate:
        _check_directory("--certificate", options.certificate)
    specs = [parse(path) for path in options.spec]
    tasks, late = _prepared(specs, request, budget)
    interrupts = _Interrupts()
    done: list[CheckResult] = []
    with _output(options) as out:
        for task in tasks:
            if interrupts():
                break
            checked = _run(task, options.engine, budget, interrupts)
            stored = _store(checked, options.store) if options.store else {}
            proof = (
                _certify(checked, options.certificate) if options.certificate else []
            )
            if not options.json:
                if done:
                    print(file=out)
                lines = check_report(checked, stored, options.verbose) + proof
                print("\n".join(lines), file=out, flush=True)
            done.append(checked)
        code = 3 if len(done) < len(tasks) else exit_code(done, options.strict)
        code = code or (3 if late else 0)
        if options.json:
            out.write(export.text(export.check_json(done, code)))
    for checked in done:
        for mistake in checked.mistakes:
            complain(str(mistake))
    return code


def _prepared(
    specs: Sequence[Spec], request: Request, budget: Budget
) -> tuple[list[Task], bool]:
    """The specs on their designs, and whether some are missing because the
    budget does not suffice to compile them; that is said."""
    tasks: list[Task] = []
    late = False
    for spec in specs:
        try:
            with budget.limited(), doing("compiling the design"):
                tasks += prepare(spec, request)
        except Spent as spent:
            complain(f"{spec.file}: nothing is known: {spent}")
            late = True
    return tasks, late


def _check_directory(option: str, path: str) -> None:
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise UserError(None, f"{option} {path}: {e.strerror}") from None


def _store(checked: CheckResult, directory: str) -> dict[str, str]:
    """Writes a trace for each violation; where each is."""
    stored: dict[str, str] = {}
    texts = [
        (answer.prop.name, trace_text(checked.task, answer))
        for answer in checked.answers
        if isinstance(answer.verdict, Violated)
    ]
    for number, (defect, played) in enumerate(checked.defects, 1):
        texts.append((f"defect{number}", defect_text(checked.task, defect, played)))
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
        _check_directory("--certificate", str(whole.parent))
        with writable(str(whole)) as file:
            file.write(text)
    lines = []
    for folder, paths in groupby(files, key=lambda path: path.split("/")[0]):
        number = count(len(list(paths)), "question")
        where = os.path.join(directory, folder)
        lines += wrapped(
            f"certificate: {number} in {where}, each should be unsat", "  ", "    "
        )
    return ["", *(lines or ["  certificate: none, nothing was proved"])]


# --- review ---------------------------------------------------------------


def _review(options: argparse.Namespace) -> int:
    from poolproof.checker.reports import html
    from poolproof.checker.reports.markdown import markdown

    budget, request = _budget(options, EXHAUSTIVE), _request(options)
    paths = shipped_specs()
    if not paths:
        raise UserError(None, "there is no specs/ here: run this in a checkout")
    specs = [parse(path) for path in paths]
    scores = stored_scores(ROOT / SCORES, specs)
    interrupts = _Interrupts()
    done: list[CheckResult] = []
    skipped = False
    with _output(options) as out:
        for tasks, late in _applicable(specs, request, budget):
            skipped = skipped or late
            some: list[CheckResult] = []
            for task in tasks:
                if interrupts():
                    skipped = True
                    break
                some.append(_run(task, options.engine, budget, interrupts))
            if some and not (options.json or options.markdown or options.page):
                if done:
                    print(file=out)
                print("\n".join(review_report(some, scores)), file=out, flush=True)
            done += some
        sizes = None
        if not (request.label or request.bounds or request.without or request.having):
            seen = {c.task.known.reference for c in done}
            sizes = _review_sizes(sorted(seen), options, interrupts)
        code = exit_code(done, strict=True)
        if (skipped or interrupts()) and code == 0:
            code = 3
        if options.json:
            out.write(export.text(export.check_json(done, code, sizes)))
        elif options.markdown:
            out.write(markdown(done, scores, sizes))
        else:
            lines = page(done, sizes) + _totals(done)
            print("\n".join([*([] if options.page else [""]), *lines]), file=out)
    if options.html:
        with writable(options.html) as file:
            file.write(html.page(done, scores, sizes))
    for checked in done:
        for mistake in checked.mistakes:
            complain(str(mistake))
    return code


def _review_sizes(
    designs: Sequence[str], options: argparse.Namespace, interrupts: _Interrupts
) -> LeastPools:
    """The scenarios' least pools, as far as Ctrl-C lets it come."""
    spec = parse(ROOT / SCENARIOS)
    found: dict[tuple[str, str], Sized] = {}
    budget = Budget(seconds=_seconds(options.budget, DEFAULT_SECONDS["auto"]))
    with contextlib.suppress(KeyboardInterrupt), interrupts.caught():
        for scenario, known in _sizable(spec, options.design, ()):
            if interrupts():
                break
            if known.reference not in designs:
                continue
            found[scenario.name.text, known.name] = find_size(
                scenario, spec, known.cls, {}, budget, Silent()
            )
    return LeastPools(spec, found)


def _applicable(
    specs: Sequence[Spec], request: Request, budget: Budget
) -> list[tuple[list[Task], bool]]:
    """With --design, the specs that are for one of those; else all. As from
    `_prepared`, one by one."""
    found = []
    wanted = [k for r in request.designs for k in designs_named(r)]
    asked = {k.reference: specs_for(specs, k) for k in wanted}
    for spec in specs:
        mine = tuple(r for r, some in asked.items() if spec in some)
        if not request.designs:
            found.append(_prepared([spec], request, budget))
        elif mine:
            found.append(_prepared([spec], replace(request, designs=mine), budget))
    if not found:
        raise UserError(None, "no shipped spec is for " + ", ".join(request.designs))
    return found


def _totals(done: Sequence[CheckResult]) -> list[str]:
    judged = [a.judgement.value for c in done for a in c.answers]
    parts = [f"{len(judged)} properties"]
    for word, text in (
        ("expected", "as expected"),
        ("unexpected", "not as expected"),
        ("vacuous", "vacuous"),
        ("open", "unknown"),
    ):
        if word in judged:
            parts.append(f"{judged.count(word)} {text}")
    return ["", *wrapped(", ".join(parts))]


# --- mutate ---------------------------------------------------------------


def _mutate(options: argparse.Namespace) -> int:
    from poolproof.checker.driver import mutate
    from poolproof.checker.reports.mutate import mutation_report

    designs = designs_named(options.design)
    if len(designs) != 1:
        names = ", ".join(k.name for k in designs)
        raise UserError(None, f"which of {names}? Write file.py:Class")
    name = designs[0].name
    specs = [parse(path) for path in options.spec or shipped_specs()]
    if not options.spec:
        specs = list(specs_for(specs, designs[0]))
    if not specs:
        raise UserError(None, f"no shipped spec is for {name}: name one with --spec")
    seconds = _seconds(options.budget, 120.0)
    sample = _number(options.sample, "--sample", 1)
    seed = _number(options.seed, "--seed", 0) or 0
    states = _number(options.states, "--states", 1) or 4000
    threads = _number(options.threads, "--threads", 1)
    threads = threads or len(os.sched_getaffinity(0))
    terminal = _Terminal(f"{name} mutants") if sys.stderr.isatty() else None
    with _output(options) as out:
        done = mutate.campaign(
            specs,
            Request(designs=(options.design,)),
            sample=sample,
            seed=seed,
            states=states,
            seconds=seconds,
            report=terminal or Silent(),
            threads=threads,
        )
        if terminal is not None:
            terminal.clear()
        if options.json:
            out.write(export.text(export.mutation_json(done)))
        else:
            print("\n".join(mutation_report(done)), file=out)
    return 3 if done.stopped else 0


# --- size -----------------------------------------------------------------


def _size(options: argparse.Namespace) -> int:
    bounds = parse_bounds(",".join(options.bounds))
    seconds = _seconds(options.budget, DEFAULT_SECONDS["auto"])
    specs = [parse(path) for path in options.spec]
    named = tuple(s.name.text for spec in specs for s in spec.scenarios)
    for name in options.scenario:
        if name not in named:
            raise UserError(
                None,
                f"no scenario {name!r}{did_you_mean(name, named)}; "
                f"there are {', '.join(named) or 'none'}",
            )
    code = 0
    answers: list[Any] = []
    with _output(options) as out:
        for spec in specs:
            rows: list[tuple[str, ...]] = []
            told: list[str] = []
            most = 0
            asked = list(_sizable(spec, options.design, options.scenario))
            if not asked:
                raise UserError(
                    None, f"{spec.file}: no such scenario is for these designs"
                )
            for scenario, known in asked:
                who = (scenario.name.text, known.name)
                try:
                    found = find_size(
                        scenario,
                        spec,
                        known.cls,
                        bounds,
                        Budget(seconds=seconds),
                        Silent(),
                    )
                except MissingName as e:
                    rows.append((*who, "n/a", e.what))
                    answers.append(
                        {"scenario": who[0], "design": who[1], "missing": e.what}
                    )
                    continue
                rows.append((*who, *_sized_row(found)))
                answers.append(export.size_json(*who, found))
                most = max([most, *(at.states for at in found.sizes)])
                if any(a.unknown for a in found.sizes):
                    code = 3
                elif found.smallest is None:
                    code = max(code, 1)
                if not options.table:
                    told += _schedule(found, scenario.title, *who)
            if options.json:
                continue
            print(
                "\n".join(
                    [
                        *wrapped(f"{spec.file}: {spec.title}", "", "    "),
                        "",
                        *table(("scenario", "design", "least", "just below it"), rows),
                        "",
                        *wrapped(f"every state at each size, {most:,} at most", "  "),
                        *told,
                    ]
                ),
                file=out,
                flush=True,
            )
        if options.json:
            out.write(export.text({"exit": code, "answers": answers}))
    return code


def _sizable(
    spec: Spec, designs: Sequence[str], scenarios: Sequence[str]
) -> Iterator[tuple[Scenario, DesignRef]]:
    """Each scenario (of those, if any are named) with each design it is for."""
    wanted = [k for r in designs for k in designs_named(r)]
    for scenario in spec.scenarios:
        if scenarios and scenario.name.text not in scenarios:
            continue
        words = scenario.designs or spec.designs
        for known in (
            designs_of(words, wanted)
            if words and wanted
            else (wanted or designs_for(replace(spec, designs=words), ()))
        ):
            yield scenario, known


def _sized_row(found: Sized) -> tuple[str, str]:
    """The least size, and what is known of the others."""
    sizes = [at.size for at in found.sizes if not at.unknown]
    reach = f"of {sizes[0]} to {sizes[-1]}" if sizes else "no size"
    for at in found.sizes:
        if at.unknown and found.smallest is None:
            return "?", f"unknown at {at.size}: {at.unknown}"
    below = found.just_below()
    parts = []
    if below is not None and below.failure is not None:
        kind = {"early": "fails early", "late": "fails late", "stuck": "is stuck"}.get(
            below.failure.kind
        )
        parts.append(f"{below.size} {kind or 'breaks ' + below.failure.kind}")
    if found.smallest is None:
        return "none", "; ".join([*parts, reach])
    if not found.monotone:
        again = [
            str(a.size)
            for a in found.sizes
            if a.size > found.smallest and a.failure is not None
        ]
        parts.append("NOT MONOTONE: " + ", ".join(again) + " not guaranteed")
    parts += [f"unknown at {a.size}: {a.unknown}" for a in found.sizes if a.unknown]
    return str(found.smallest), "; ".join([*parts, reach])


def _schedule(found: Sized, title: str, scenario: str, design: str) -> list[str]:
    """The run with which the size below fails, each step with its task."""
    at = found.just_below()
    if at is None or at.failure is None:
        return []
    failure = at.failure
    head = f"{scenario}, {design}, {found.bound} = {at.size}: {title}"
    lines = ["", *wrapped(head, "", "    ")]
    wide = max(map(len, failure.who), default=0)
    for number, (who, taken) in enumerate(
        zip(failure.who, failure.played.taken, strict=True), 1
    ):
        call = show_step(failure.compiled.system, taken.step, taken.result)
        lines += wrapped(call, f"  {number:>3}. {who:<{wide}}  ", " " * (wide + 9))
    if failure.kind == "stuck":
        lines.append("  and nothing can happen any more")
    elif failure.kind not in ("early", "late"):
        lines.append(f"  and {failure.kind} is false")
    return lines


# --- guarantee ------------------------------------------------------------


def _guarantee(options: argparse.Namespace) -> int:
    from poolproof.checker.driver import guarantee as table_of
    from poolproof.checker.reports.guarantee import guarantee_report

    path = options.spec or str(ROOT / table_of.SPEC)
    spec = parse(shown_path(path))
    wanted = options.design or [w.text for w in spec.designs]
    designs = [k for reference in wanted for k in designs_named(reference)]
    sizes = [parse_bounds(text) for text in options.bounds] or table_of.SIZES
    states = _number(options.states, "--states", 1) or 3000
    budget = Budget(seconds=_seconds(options.budget, 300.0))
    over = budget.clock()
    done = []
    with _output(options) as out, budget.limited():
        for known in designs:
            terminal = _Terminal(known.name) if sys.stderr.isatty() else None
            done.append(
                table_of.guarantee(
                    known,
                    spec,
                    options.property,
                    sizes=sizes,
                    states=states,
                    over=over,
                    report=terminal,
                    pairs=not options.single,
                )
            )
            if terminal is not None:
                terminal.clear()
            if "interrupted" in done[-1].stopped:
                break
        if options.json:
            out.write(export.text(export.guarantee_json(done)))
        else:
            print("\n".join(guarantee_report(done)), file=out)
    return 3 if any(g.stopped for g in done) else 0


# --- trace ----------------------------------------------------------------


def _trace(options: argparse.Namespace) -> int:
    alone = options.json or options.itf or options.c or options.syz
    if len(options.file) > 1 and alone:
        raise UserError(None, "--json, --itf, --c and --syz take one trace at a time")
    code = 0
    with _output(options) as out:
        for number, path in enumerate(options.file):
            try:
                replayed = replay_file(path)
            except NotReproduced as e:
                print(f"{path}: this no longer shows what it says\n{e}", file=out)
                code = 1
                continue
            if number:
                print(file=out)
            out.write(_trace_text(replayed, options))
    return code


def _trace_text(replayed: Replayed, options: argparse.Namespace) -> str:
    system = replayed.compiled.system
    calls = conform_cli.reproducer(replayed, options)
    if calls:
        return calls
    if options.itf:
        return export.text(itf(replayed.heading, system, replayed.played))
    if options.json:
        return export.text(export.trace_json(replayed.heading, system, replayed.played))
    return "\n".join(trace_report(replayed)) + "\n"


# --- conform --------------------------------------------------------------


def _conform(options: argparse.Namespace) -> int:
    asked = conform_cli.options(options, _number, _seconds)
    terminal = _Terminal("conform") if sys.stderr.isatty() else None
    with _output(options) as out:
        try:
            lines, code = conform_cli.conform(asked, terminal or Silent())
        finally:
            if terminal is not None:
                terminal.clear()
        print("\n".join(lines), file=out)
    return code


# --- list -----------------------------------------------------------------


def _list(options: argparse.Namespace) -> int:
    if options.design:
        for number, known in enumerate(designs_named(options.design)):
            if number:
                print()
            print("\n".join(_described(known.cls, known.reference)))
        return 0
    print("designs (poolproof list --design NAME says more)")
    rows = [(k.name, _first_line(k.cls.__doc__)) for k in shipped_designs()]
    print("\n".join(table(("", ""), rows)))
    print("\nspecs")
    for path in shipped_specs():
        spec = parse(path)
        number = len(spec.claims)
        title = f"{spec.title} ({number} properties)"
        print("\n".join([*wrapped(path, "  "), *wrapped(title, "      ", "      ")]))
    return 0


def _first_line(doc: str | None) -> str:
    return " ".join((doc or "").strip().partition("\n\n")[0].split())


def _told(feature: Feature) -> str:
    """What a feature is, and which others it needs."""
    needs = ", ".join(str(need) for need in feature.needs)
    return f"{feature.doc}; needs {needs}" if needs else feature.doc


def _described(cls: Any, reference: str) -> list[str]:
    from poolproof.checker.frontend.design import compile_design

    bounds, features = declared(cls)
    system = compile_design(
        cls, having=[n for n, f in features.items() if not f.default]
    ).system
    lines = wrapped(reference)
    lines += wrapped(_first_line(cls.__doc__), "  ", "  ") if cls.__doc__ else []
    if bounds:
        rows = [(n, str(b.default), b.doc) for n, b in sorted(bounds.items())]
        lines += ["", "bounds, their defaults", *table(("", "", ""), rows)]
    if features:
        switches = [
            (n, "on" if f.default else "off", _told(f))
            for n, f in sorted(features.items())
        ]
        lines += ["", "features, their defaults", *table(("", "", ""), switches)]
    actions = [
        (f"{a.name}({', '.join(p.name for p in a.parameters)})", a.kernel)
        for a in system.actions
    ]
    return [*lines, "", "actions", *table(("", ""), actions)]
