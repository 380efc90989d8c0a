# SPDX-License-Identifier: GPL-2.0-only
"""Checks whose answers are kept in the cache, so that what did not change is not
searched again.

An answer is found by a digest of all that decides it: the text of the spec, of
the designs and of the checker, the request, the engine and its options; with open
sizes also the text of the specs whose invariants may be lemmas. Only what engines
said is kept, once its runs are replayed. Each time, CPython takes their steps again,
and the answer is compared with the expectations anew. An answer that a limit of time
or memory, or Ctrl-C, cut short is not kept, nor one without a program because a
compiler failed.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from poolproof.checker.backends.c.build import FAILS, compiler
from poolproof.checker.core import cache as files
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.pickled import dumps, loads
from poolproof.checker.core.verdict import (
    INTERRUPTED,
    Budget,
    Outcome,
    Reporter,
    Unknown,
    Verdict,
)
from poolproof.checker.driver import check, size
from poolproof.checker.driver.designs import ROOT, DesignRef, designs_for
from poolproof.checker.driver.judging import CheckResult
from poolproof.checker.driver.scored_text import text_line as text_line_anew
from poolproof.checker.driver.size import Sized, SizeTask
from poolproof.checker.driver.sources import digest, of_checker, of_designs
from poolproof.checker.driver.stated import texts_of
from poolproof.checker.driver.task import Request, Task
from poolproof.checker.driver.task import prepare as prepare_anew
from poolproof.checker.evidence.raw import ReplayDisagrees
from poolproof.checker.evidence.replay import again
from poolproof.checker.spec import Spec
from poolproof.checker.spec import parse as parse_anew
from poolproof.model.language import Design


@dataclass(frozen=True)
class Checks:
    """The functions that read and prepare specs, run tasks, find sizes, and say which
    text a score is of: those of `parse`, `check`, `size` and `scored_text`, or others
    that store what they find."""

    parse: Callable[[str], Spec]
    prepare: Callable[[Spec, Request], tuple[Task, ...]]
    run: Callable[[Task, str, Budget, Reporter, Callable[[], bool]], CheckResult]
    find_size: Callable[[SizeTask, Budget, Reporter], Sized]
    text_line: Callable[[type[Design], Sequence[Spec]], str]


ROOM = 100_000_000
"""Upper limit in bytes on the answers in the cache."""

_NAME = re.compile("answer-[0-9a-f]{64}")
_CUT = re.compile(f"memory|time|the search died|{FAILS}|{INTERRUPTED}")
"""Reasons of Unknown that another run may not give."""


def parse(path: str) -> Spec:
    """Return what `spec.parse` returns. Raise as it does."""
    try:
        text = Path(path).read_text(encoding="utf-8", errors="surrogateescape")
    except (OSError, ValueError):
        return parse_anew(path)
    key = digest([of_checker(), path, text])
    found: Spec | None = read(key)
    if found is None:
        found = parse_anew(path)
        write(key, found)
    return found


def prepare(spec: Spec, request: Request) -> tuple[Task, ...]:
    """Return what `task.prepare` returns. Raise as it does."""
    key = key_of(spec, request)
    kept = read(key)
    if kept is not None:
        return tuple(replace(task, spec=spec) for task in kept)
    tasks = prepare_anew(spec, request)
    if key:
        tasks = tuple(replace(task, key=key) for task in tasks)
        write(key, tasks)
    return tasks


def run(
    task: Task,
    engine: str,
    budget: Budget,
    report: Reporter,
    interrupted: Callable[[], bool] = lambda: False,
) -> CheckResult:
    """Return what `check.run` returns. Outcomes are kept once their runs are replayed,
    so those that were kept are replayed without the IR."""
    key = _of_task(task, engine, budget)
    found: tuple[Outcome, ...] | None = read(key)
    if found is not None:
        return check.judged(task, found, budget, interrupted(), kept=True)
    outcomes, whole = _asked(
        budget,
        lambda: check.asked(task, engine, budget, report, interrupted),
        interrupted,
    )
    checked = check.judged(task, outcomes, budget, interrupted())
    if key and whole and not any(_is_cut(a.verdict) for a in checked.answers):
        write(key, outcomes)
    return checked


def on_design(
    task: Task, known: DesignRef, make: Callable[[Task, DesignRef], Task]
) -> Task:
    """Return the task that ``make`` makes: the same spec on another design, with a key
    if the task has one."""
    sources = of_designs([known.cls]) if task.key else None
    if sources is None:
        return make(task, known)
    key = digest([task.key, repr(task.sizes), known.reference, sources])
    found: Task | None = read(key)
    if found is not None:
        return replace(found, spec=task.spec)
    made = replace(make(task, known), key=key)
    write(key, made)
    return made


def outcome(
    tasks: Sequence[Task],
    what: str,
    engine: str,
    budget: Budget,
    ask: Callable[[], Outcome],
) -> Outcome:
    """Return what ``ask`` returns: an engine's answer to a query. The tasks decide
    the query, and ``what`` tells it from their other queries."""
    keys = [_of_task(task, engine, budget) for task in tasks]
    key = digest([what, *keys]) if all(keys) else ""
    found: tuple[Outcome, ...] | None = read(key)
    if found is not None:
        return found[0]
    outcomes, whole = _asked(budget, lambda: (ask(),))
    if key and whole:
        write(key, outcomes)
    return outcomes[0]


def _of_task(task: Task, engine: str, budget: Budget) -> str:
    """Return the digest of all that decides an engine's answer; '' if the task has no
    key."""
    if not task.key:
        return ""
    of = [task.key, task.known.reference, repr(task.sizes), engine, _options(budget)]
    if task.any_size:  # a proof's lemmas may be what other specs state
        of += (part for other in texts_of(task.known.cls, task.spec) for part in other)
    return digest(of)


def _asked(
    budget: Budget,
    ask: Callable[[], tuple[Outcome, ...]],
    interrupted: Callable[[], bool] = lambda: False,
) -> tuple[tuple[Outcome, ...], bool]:
    """Return what ``ask`` returns, and whether nothing cut it short."""
    begin = time.monotonic()
    outcomes = ask()
    late = budget.seconds is not None and time.monotonic() - begin > budget.seconds
    return outcomes, not (late or interrupted() or any(map(_cut, outcomes)))


def find_size(task: SizeTask, budget: Budget, report: Reporter) -> Sized:
    """Return what `size.find_size` returns. A schedule that was kept
    is run again, and must have the same states. Raise as it does."""
    key = key_of(task.spec, Request((task.known.reference,)))
    asked = [repr(task.scenario), repr(sorted(task.given.items()))]
    key = key and digest([key, *asked])
    key = key and digest([key, _options(budget)])
    found: Sized | None = read(key)
    if found is not None:
        for failure in (at.failure for at in found.sizes if at.failure is not None):
            if again(failure.compiled, failure.replay.trace) != failure.replay:
                raise ReplayDisagrees("a schedule that was kept has other states now")
        return found
    found = size.find_size(task, budget, report)
    whole = len(found.sizes) == len(size.size_question(task).range)
    if key and whole and not any(_CUT.search(at.unknown) for at in found.sizes):
        write(key, found)
    return found


def text_line(design: type[Design], specs: Sequence[Spec]) -> str:
    """Return what `scored_text.text_line` returns."""
    sources = of_designs([design])
    try:
        asked = [part for s in specs for part in (s.file, _text_of(s))]
    except OSError:
        sources = None
    key = "" if sources is None else digest(["text", of_checker(), sources, *asked])
    found: str | None = read(key)
    if found is None:
        found = text_line_anew(design, specs)
        if key:
            write(key, found)
    return found


def _text_of(spec: Spec) -> str:
    return Path(spec.file).read_text(encoding="utf-8", errors="surrogateescape")


def _options(budget: Budget) -> str:
    """Return what decides an answer that no limit cut short."""
    options = replace(budget, seconds=None, memory=None, threads=0)
    return f"{options} {compiler() is not None}"


def _cut(outcome: Outcome) -> bool:
    failed = any(FAILS in note for note in outcome.statistics.notes)
    return failed or any(map(_is_cut, outcome.verdicts.values()))


def _is_cut(verdict: Verdict) -> bool:
    return isinstance(verdict, Unknown) and _CUT.search(verdict.reason) is not None


def key_of(spec: Spec, request: Request) -> str:
    """Return the digest of what decides the tasks; '' if that is not known."""
    try:
        designs = list(designs_for(spec, request.designs))
        text = _text_of(spec)
    except (UserError, OSError):
        return ""
    with contextlib.suppress(UserError):
        designs += designs_for(spec, ())  # a name that one of them has is no mistake
    names = (claim.name.text for claim in spec.claims)
    sources = of_designs(k.cls for k in designs)
    if sources is None:
        return ""
    asked = [spec.file, text, *names, repr(request), *(k.reference for k in designs)]
    # Messages and places have paths: from the working directory, or else whole.
    return digest([os.getcwd(), str(ROOT), of_checker(), sources, *asked])


KEPT = Checks(parse, prepare, run, find_size, text_line)
ANEW = Checks(parse_anew, prepare_anew, check.run, size.find_size, text_line_anew)
"""With the cache, and without."""


# --- files ----------------------------------------------------------------


def read(key: str) -> Any:
    """Return what was kept; None if there is nothing, or no key."""
    if not key:
        return None
    with contextlib.suppress(OSError):
        file = files.own_folder() / f"answer-{digest([key])}"
        text = files.content(file)
        if text is not None:
            os.utime(file)  # see `cache.prune`
            return loads(text)
    return None


def write(key: str, value: Any) -> None:
    with contextlib.suppress(OSError):
        folder = files.own_folder()
        files.keep(folder / f"answer-{digest([key])}", dumps(value))
        _prune(folder)


@cache
def _prune(folder: Path) -> None:
    """Once in each process: the folder may hold thousands of files."""
    files.prune(folder, _NAME, ROOM)
