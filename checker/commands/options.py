# SPDX-License-Identifier: GPL-2.0-only
"""The options that several verbs share, and what they mean."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from poolproof.checker.commands.parser import Options, Parser
from poolproof.checker.commands.streams import complain
from poolproof.checker.commands.terminal import Interrupts, progress
from poolproof.checker.core.bounds import parse_bounds
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.verdict import INTERRUPTED, Budget
from poolproof.checker.driver.check import EXHAUSTIVE, engines
from poolproof.checker.driver.cluster import on_cluster
from poolproof.checker.driver.designs import DesignRef, one_design
from poolproof.checker.driver.jobs import Job, Lost, Spread, in_turn
from poolproof.checker.driver.kept import ANEW, KEPT, Checks
from poolproof.checker.driver.task import Request, Task
from poolproof.checker.driver.workers import cores, in_processes
from poolproof.model.language import FAILURES, did_you_mean

AUTO = "auto"
NO_CACHE = "POOLPROOF_NO_CACHE"
"""The environment variable that is --no-cache if it is not empty."""

DEFAULT_SECONDS = {AUTO: 60.0, EXHAUSTIVE: 60.0}
"""Seconds for each engine without --budget; the other engines have no limit."""


def engines_help() -> str:
    """Return what each engine does, for the end of a verb's help."""
    return "\n".join(
        [
            "engines:",
            *(f"  {name:<8}  {text}" for name, text in engines().items()),
            "Without --engine, check uses auto, and review visits every state (with",
            "native, or with explicit if there is no compiler). Without --budget,",
            "auto has 60 seconds for each engine, and review 50 million states, but",
            "no time limit. An engine that you name has no limit: bmc may run for",
            "ever.",
            "",
        ]
    )


# --- options --------------------------------------------------------------


def engine(text: str) -> str:
    """Return the name of an engine."""
    known = engines()
    if text not in known:
        raise argparse.ArgumentTypeError(
            f"no such engine{did_you_mean(text, known)}; there are {', '.join(known)}"
        )
    return text


def bounds(text: str) -> list[str | dict[str, int]]:
    """Return the parts of ``wide,V=3``: a label as it is, a bound as a dict.
    Raises UserError."""
    parts = (part.strip() for part in text.split(","))
    return [parse_bounds(part) if "=" in part else part for part in parts if part]


def add_output(parser: Parser, json: bool = True) -> None:
    """Add -o, and --json unless the verb has forms of its own."""
    if json:
        parser.flag("--json", "print JSON")
    parser.add_argument("-o", metavar="FILE", dest="output", help="print to FILE")


def add_designs(parser: Parser) -> None:
    """Add which designs a spec is asked of, and at which bounds."""
    what = (
        "instead of the spec's `for`: Hugetlb, package.module:Class, my.py:Class, "
        "or my.py"
    )
    parser.several("--design", "DESIGN", what)
    add_bounds(parser)


def add_bounds(
    parser: Parser,
    what: str = "set bounds, or choose labelled bounds of the spec",
    read: Callable[[str], object] = bounds,
) -> None:
    """Add --bounds, whose text ``read`` reads. Raises UserError as that does."""
    parser.add_argument(
        "--bounds",
        action="append",
        type=read,
        default=[],
        metavar="K=V[,K=V]",
        help=what,
    )


def add_features(parser: Parser) -> None:
    """Add --without and --with."""
    parser.names("--without", "leave features out")
    parser.names("--with", "turn features on", dest="having")


def add_any(parser: Parser) -> None:
    """Add which sizes a proof leaves open."""
    what = "leave these bounds open in proofs, or `all` bounds (engines prove and auto)"
    parser.names("--any", what, dest="any_size", metavar="all|BOUND[,BOUND]")


def add_engine(parser: Parser) -> None:
    """Add what is checked, by which engine, and for how long."""
    add_designs(parser)
    add_features(parser)
    parser.whole(
        "--failures",
        "let up to N of the calls that may fail do so in a run (--bounds "
        f"{FAILURES.name}=N)",
        least=0,
    )
    parser.value("--engine", engine, metavar="ENGINE", help=", ".join(engines()))
    parser.budget("time for each engine on each design")
    parser.whole("--depth", "length of the longest runs", least=0, metavar="STEPS")
    parser.memory()
    parser.whole(
        "--threads",
        "workers of the native engine (default: one for each core), at most 256",
        0,
    )
    parser.whole("--seed", "seed of the fuzz engine; 0 by default", 0, least=0)
    parser.flag("--no-symmetry", "visit symmetric states, too")
    parser.flag("--indices", "also use the symmetry of ints that are only indices")
    parser.flag(
        "--partial-order",
        "explicit, native: take steps that concern only their own task first; "
        "fewer states, but not the shortest runs",
    )
    add_no_cache(parser)
    add_output(parser)


def add_no_cache(parser: Parser) -> None:
    """Add whether to use what the cache has."""
    parser.add_argument(
        "--no-cache",
        action="store_true",
        default=bool(os.environ.get(NO_CACHE)),
        help="do not use results of earlier checks",
    )


def add_jobs(parser: Parser, default: int) -> None:
    """Add how many checks are made at the same time."""
    parser.whole("--jobs", "run N checks at the same time", default=default)
    add_cluster(parser)


def add_cluster(parser: Parser) -> None:
    """Add the option for other machines."""
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="check on the workers of a dask scheduler, like tcp://host:8786",
    )


def add_cases(parser: Parser) -> None:
    """Add the forms of the answers that other tools read as test cases."""
    parser.add_argument(
        "--junit", metavar="FILE", help="write the answers as JUnit XML, too"
    )
    parser.flag("--ktap", "print the answers as KTAP")


# --- what they mean -------------------------------------------------------


def budget(options: Options, engine: str) -> Budget:
    """Return the limits of the options for an engine."""
    otherwise = DEFAULT_SECONDS.get(engine)
    return Budget(
        seconds=otherwise if options.budget is None else options.budget,
        depth=options.depth,
        memory=options.memory,
        symmetry=not options.no_symmetry,
        indices=options.indices,
        partial_order=options.partial_order,
        branches=not vars(options).get("no_branches", True),
        threads=options.threads,
        seed=options.seed,
    )


def checks(options: Options) -> Checks:
    """Return the functions that check, with the cache or without it."""
    return ANEW if options.no_cache else KEPT


def threads(options: Options) -> int:
    """Return the workers of the native engine for each check."""
    given: int = getattr(options, "threads", 0)  # size has no such option
    if options.cluster:
        return given or 1
    return given or max(1, cores() // options.jobs)


def budget_of_each(options: Options, budget: Budget) -> Budget:
    """Return the limits of each job: its share of the cores if several may run at the
    same time."""
    return replace(budget, threads=threads(options)) if is_spread(options) else budget


def spread(options: Options, interrupted: Callable[[], bool]) -> Spread:
    """Return how jobs are done."""
    jobs: int = options.jobs
    if options.cluster:
        return on_cluster(options.cluster)
    return in_processes(jobs) if jobs > 1 else in_turn(interrupted)


def results(
    options: Options,
    verb: str,
    jobs: Sequence[Job],
    interrupts: Interrupts,
) -> list[Any]:
    """Return the result of each job, in their order, with progress on a terminal.
    Complain of each that was lost, except by Ctrl-C."""
    with progress(verb) as report, interrupts.caught():
        found = list(spread(options, interrupts)(jobs, report))
    for job, result in zip(jobs, found, strict=True):
        if isinstance(result, Lost) and result.why != INTERRUPTED:
            complain(f"{job.title}: nothing is known: {result.why}")
    return found


def each_result(
    options: Options, verb: str, jobs: Sequence[Job], interrupts: Interrupts
) -> Iterator[Any]:
    """Yield the result of each job, in their order. If several run at the same time,
    none is yielded before all are done; else those after Ctrl-C are left out."""
    if is_spread(options):
        yield from results(options, verb, jobs, interrupts)
        return
    for job in jobs:
        if interrupts():
            return
        with progress(job.title) as report, interrupts.caught():
            result = job.run(report, interrupts)
        yield result


def is_spread(options: Options) -> bool:
    """Return whether several jobs may run at the same time."""
    return options.jobs > 1 or bool(options.cluster)


def merged(options: Options) -> tuple[str, dict[str, int]]:
    """Return the label and the bounds of all --bounds. Raises UserError if
    they contradict each other."""
    parts = [part for some in options.bounds for part in some]
    labels = [part for part in parts if isinstance(part, str)]
    if len(labels) > 1:
        raise UserError(None, f"--bounds {labels[0]} and {labels[1]}: one is enough")
    bounds: dict[str, int] = {}
    for part in parts:
        for name, value in part.items() if isinstance(part, dict) else ():
            if name in bounds:
                raise UserError(None, f"--bounds sets {name} twice")
            bounds[name] = value
    return "".join(labels), bounds


def request(options: Options) -> Request:
    """Return what the options add to a spec. Raises UserError."""
    label, bounds = merged(options)
    if options.failures is not None:
        if FAILURES.name in bounds:
            raise UserError(None, "--failures and --bounds set the same bound")
        bounds[FAILURES.name] = options.failures
    return Request(
        designs=tuple(options.design),
        label=label,
        bounds=bounds,
        without=tuple(options.without),
        having=tuple(options.having),
        any_size=tuple(vars(options).get("any_size", ())),
    )


def compared(reference: str, tasks: Sequence[Task]) -> tuple[DesignRef, list[Task]]:
    """Return the design of --against, and the tasks of other designs. Raises UserError
    if there are none."""
    base = one_design(reference)
    others = [task for task in tasks if task.known.cls is not base.cls]
    if not others:
        raise UserError(
            None,
            f"--against {reference}: there is nothing to compare with it; "
            "name the other design with --design",
        )
    return base, others
