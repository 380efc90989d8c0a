# SPDX-License-Identifier: GPL-2.0-only
"""The options that several verbs share, and readers of their values.

A reader takes the text of one option and returns its value, or raises
ArgumentTypeError with the reason; `add_value` puts the option before it.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Sequence
from typing import Any

from poolproof.checker.commands.streams import complain
from poolproof.checker.commands.terminal import Interrupts, progress
from poolproof.checker.core.bounds import parse_bounds
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.verdict import INTERRUPTED, Budget
from poolproof.checker.driver.check import EXHAUSTIVE, engines
from poolproof.checker.driver.cluster import on_cluster
from poolproof.checker.driver.designs import DesignRef, designs_named
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


# --- readers --------------------------------------------------------------


def whole(least: int) -> Callable[[str], int]:
    """Return a reader of whole numbers from ``least`` on."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]+", text) or int(text) < least:
            raise argparse.ArgumentTypeError(
                f"a whole number of at least {least} is expected"
            )
        return int(text)

    return read


def seconds(text: str) -> float:
    """Return a finite number of seconds above 0."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError("a number of seconds above 0 is expected")
    return value


def memory(text: str) -> int:
    """Return the bytes of ``500M`` or ``4G``."""
    found = re.fullmatch(r"([0-9]+)([KMG]?)B?", text.upper())
    if found is None or int(found[1]) == 0:
        raise argparse.ArgumentTypeError("write bytes, or like 500M, 4G")
    return int(found[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[found[2]]


def span(text: str) -> range:
    """Return the numbers of ``LO..HI``, both ends included."""
    lo, dots, hi = text.partition("..")
    if not (dots and lo.isdecimal() and hi.isdecimal() and int(lo) <= int(hi)):
        raise argparse.ArgumentTypeError("write two sizes, like 20..24")
    return range(int(lo), int(hi) + 1)


def names(text: str) -> list[str]:
    """Return the names of ``A,B``."""
    return text.replace(",", " ").split()


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


# --- options --------------------------------------------------------------


def add_value(
    parser: argparse.ArgumentParser,
    name: str,
    read: Callable[[str], Any],
    **more: Any,
) -> None:
    """Add an option whose text ``read`` reads. The parser raises UserError,
    with the option and its text, where ``read`` refuses."""

    def value(text: str) -> Any:
        try:
            return read(text)
        except argparse.ArgumentTypeError as e:
            raise UserError(None, f"{name} {text}: {e}") from None

    parser.add_argument(name, type=value, **more)


def add_whole(
    parser: argparse.ArgumentParser,
    name: str,
    what: str,
    default: int | None = None,
    least: int = 1,
    metavar: str = "N",
) -> None:
    """Add an option that takes a whole number from ``least`` on."""
    add_value(parser, name, whole(least), default=default, metavar=metavar, help=what)


def add_budget(
    parser: argparse.ArgumentParser, what: str, default: float | None = None
) -> None:
    """Add --budget, in seconds."""
    add_value(
        parser, "--budget", seconds, default=default, metavar="SECONDS", help=what
    )


def add_memory(parser: argparse.ArgumentParser) -> None:
    """Add --memory."""
    what = "at most this, like 500M or 4G"
    add_value(parser, "--memory", memory, metavar="SIZE", help=what)


def add_names(
    parser: argparse.ArgumentParser,
    name: str,
    what: str,
    dest: str | None = None,
    one: str = "FEATURE",
) -> None:
    """Add an option that takes features, or what ``one`` says, and may be
    repeated."""
    add_value(
        parser,
        name,
        names,
        action="extend",
        default=[],
        metavar=f"{one}[,{one}]",
        dest=dest,
        help=what,
    )


def add_output(parser: argparse.ArgumentParser, json: bool = True) -> None:
    """Add -o, and --json unless the verb has forms of its own."""
    if json:
        parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("-o", metavar="FILE", dest="output", help="print to FILE")


def add_designs(parser: argparse.ArgumentParser) -> None:
    """Add which designs a spec is asked of, and at which bounds."""
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
        type=bounds,
        default=[],
        metavar="K=V[,K=V]",
        help="set bounds, or choose labelled bounds of the spec",
    )


def add_any(parser: argparse.ArgumentParser) -> None:
    """Add which sizes a proof leaves open."""
    add_value(
        parser,
        "--any",
        names,
        action="extend",
        default=[],
        metavar="BOUND[,BOUND]",
        dest="any_size",
        help="leave these bounds open in proofs, or `all` bounds (engines prove "
        "and auto)",
    )


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add what is checked, by which engine, and for how long."""
    add_designs(parser)
    add_names(parser, "--without", "leave features out")
    add_names(parser, "--with", "turn features on", dest="having")
    add_whole(
        parser,
        "--failures",
        "let up to N of the calls that may fail do so in a run (--bounds "
        f"{FAILURES.name}=N)",
        least=0,
    )
    add_value(parser, "--engine", engine, metavar="ENGINE", help=", ".join(engines()))
    add_budget(parser, "time for each engine on each design")
    add_whole(parser, "--depth", "length of the longest runs", least=0, metavar="STEPS")
    add_memory(parser)
    add_whole(
        parser,
        "--threads",
        "workers of the native engine (default: one for each core), at most 256",
        0,
    )
    add_whole(parser, "--seed", "seed of the fuzz engine; 0 by default", 0, least=0)
    parser.add_argument(
        "--no-symmetry", action="store_true", help="visit symmetric states, too"
    )
    parser.add_argument(
        "--indices",
        action="store_true",
        help="also use the symmetry of ints that are only indices",
    )
    parser.add_argument(
        "--partial-order",
        action="store_true",
        help="explicit, native: take steps that concern only their own task first; "
        "fewer states, but not the shortest runs",
    )
    add_no_cache(parser)
    add_output(parser)


def add_no_cache(parser: argparse.ArgumentParser) -> None:
    """Add whether to use what the cache has."""
    parser.add_argument(
        "--no-cache",
        action="store_true",
        default=bool(os.environ.get(NO_CACHE)),
        help="do not use results of earlier checks",
    )


def add_jobs(parser: argparse.ArgumentParser, default: int) -> None:
    """Add how many checks are made at the same time."""
    add_whole(parser, "--jobs", "run N checks at the same time", default=default)
    add_cluster(parser)


def add_cluster(parser: argparse.ArgumentParser) -> None:
    """Add the option for other machines."""
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="check on the workers of a dask scheduler, like tcp://host:8786",
    )


def add_cases(parser: argparse.ArgumentParser) -> None:
    """Add the forms of the answers that other tools read as test cases."""
    parser.add_argument(
        "--junit", metavar="FILE", help="write the answers as JUnit XML, too"
    )
    parser.add_argument("--ktap", action="store_true", help="print the answers as KTAP")


# --- what they mean -------------------------------------------------------


def budget(options: argparse.Namespace, engine: str) -> Budget:
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


def checks(options: argparse.Namespace) -> Checks:
    """Return the functions that check, with the cache or without it."""
    return ANEW if options.no_cache else KEPT


def threads(options: argparse.Namespace) -> int:
    """Return the workers of the native engine for each check."""
    given: int = getattr(options, "threads", 0)  # size has no such option
    if options.cluster:
        return given or 1
    return given or max(1, cores() // options.jobs)


def spread(options: argparse.Namespace, interrupted: Callable[[], bool]) -> Spread:
    """Return how jobs are done."""
    jobs: int = options.jobs
    if options.cluster:
        return on_cluster(options.cluster)
    return in_processes(jobs) if jobs > 1 else in_turn(interrupted)


def results(
    options: argparse.Namespace,
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


def merged(options: argparse.Namespace) -> tuple[str, dict[str, int]]:
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


def request(options: argparse.Namespace) -> Request:
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


def one_design(reference: str) -> DesignRef:
    """Return the only design that is meant. Raises UserError."""
    found: Sequence[DesignRef] = designs_named(reference)
    if len(found) != 1:
        names = ", ".join(k.name for k in found)
        raise UserError(None, f"which of {names}? Write file.py:Class")
    return found[0]


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
