# SPDX-License-Identifier: GPL-2.0-only
"""Jobs: pieces of work that need nothing of each other, for the cores of this
machine or for others.

A job has all that it needs, and can be pickled. Whoever spreads jobs yields
their results in the order of the jobs, whatever order they were done in, so a
report is the same from any number of workers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from poolproof.checker.core.limits import Spent, doing
from poolproof.checker.core.verdict import INTERRUPTED, Budget, Reporter
from poolproof.checker.driver.against import Compared, compare
from poolproof.checker.driver.designs import DesignRef
from poolproof.checker.driver.judging import CheckResult
from poolproof.checker.driver.kept import Checks
from poolproof.checker.driver.size import Sized, SizeTask
from poolproof.checker.driver.task import Request, Task
from poolproof.checker.spec import Spec
from poolproof.checker.spec.names import MissingName


class Job(Protocol):
    """A piece of work. ``title`` names it in progress reports."""

    @property
    def title(self) -> str: ...

    def run(self, report: Reporter, interrupted: Callable[[], bool]) -> Any:
        """Return the result. At Ctrl-C, return what is known and raise nothing."""


@dataclass(frozen=True)
class Lost:
    """The result of a job without one; ``why`` completes "nothing is known: "."""

    why: str


class Inapplicable(Lost):
    """The design lacks what the job is about: ``why`` says what ("no resv")."""


class Spread(Protocol):
    """A function that yields a result for each job, in their order: what the job
    returns, or `Lost`. Jobs are started in their order, too."""

    def __call__(self, jobs: Sequence[Job], report: Reporter) -> Iterator[Any]: ...


# --- kinds of jobs -------------------------------------------------------


@dataclass(frozen=True)
class CheckJob:
    """A task. Its result is a `CheckResult`."""

    task: Task
    engine: str
    budget: Budget
    checks: Checks

    @property
    def title(self) -> str:
        return f"{self.task.known.name} {Path(self.task.spec.file).stem}"

    def run(self, report: Reporter, interrupted: Callable[[], bool]) -> CheckResult:
        return self.checks.run(self.task, self.engine, self.budget, report, interrupted)


@dataclass(frozen=True)
class AgainstJob:
    """A task, and the design to compare its own design with. Its result is a
    `Compared`."""

    task: Task
    base: DesignRef
    engine: str
    budget: Budget

    @property
    def title(self) -> str:
        return f"{self.task.known.name} {Path(self.task.spec.file).stem}"

    def run(self, report: Reporter, interrupted: Callable[[], bool]) -> Compared:
        return compare(
            self.task, self.base, self.engine, self.budget, report, interrupted
        )


@dataclass(frozen=True)
class SpecJob:
    """A spec on the designs of a request. Its result is a list of `CheckResult`, or
    `Lost` if the budget does not suffice to compile them."""

    spec: Spec
    request: Request
    engine: str
    budget: Budget
    checks: Checks

    @property
    def title(self) -> str:
        return Path(self.spec.file).stem

    def run(
        self, report: Reporter, interrupted: Callable[[], bool]
    ) -> list[CheckResult] | Lost:
        try:
            with self.budget.limited(), doing("compiling the design"):
                tasks = self.checks.prepare(self.spec, self.request)
        except Spent as spent:
            return Lost(str(spent))
        return [
            self.checks.run(task, self.engine, self.budget, report, interrupted)
            for task in tasks
            if not interrupted()
        ]


@dataclass(frozen=True)
class SizeJob:
    """A scenario on a design. Its result is a `Sized`, or `Inapplicable`; Ctrl-C loses
    it."""

    task: SizeTask
    budget: Budget
    checks: Checks

    @property
    def title(self) -> str:
        return f"{self.task.known.name} {self.task.scenario.name.text}"

    def find(self, report: Reporter) -> Sized | Lost:
        """Return the result. Ctrl-C raises KeyboardInterrupt."""
        try:
            return self.checks.find_size(self.task, self.budget, report)
        except MissingName as missing:
            return Inapplicable(missing.what)

    def run(self, report: Reporter, interrupted: Callable[[], bool]) -> Sized | Lost:
        try:
            return self.find(report)
        except KeyboardInterrupt:
            return Lost(INTERRUPTED)


@dataclass(frozen=True)
class BatchJob:
    """Some items of work that is done item by item. Its result is a list with what
    ``ask`` returns for each; at Ctrl-C, for those that were done."""

    title: str
    ask: Callable[[Any], Any]
    items: Sequence[Any]

    def run(self, report: Reporter, interrupted: Callable[[], bool]) -> list[Any]:
        done: list[Any] = []
        for item in self.items:
            if interrupted():
                break
            done.append(self.ask(item))
        return done


# --- one after another ----------------------------------------------------


def in_turn(interrupted: Callable[[], bool]) -> Spread:
    """Return how this process does the jobs, one by one."""

    def spread(jobs: Sequence[Job], report: Reporter) -> Iterator[Any]:
        for job in jobs:
            result: Any = Lost(INTERRUPTED)
            with contextlib.suppress(KeyboardInterrupt):
                if not interrupted():
                    result = job.run(report, interrupted)
            yield result

    return spread
