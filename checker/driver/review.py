# SPDX-License-Identifier: GPL-2.0-only
"""The review: all specs and scenarios on their designs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.verdict import Budget, Reporter
from poolproof.checker.driver.designs import designs_named, shipped_scenarios, specs_for
from poolproof.checker.driver.jobs import Lost, SizeJob, SpecJob, Spread
from poolproof.checker.driver.judging import CheckResult
from poolproof.checker.driver.kept import Checks
from poolproof.checker.driver.size import Sized, size_tasks
from poolproof.checker.driver.task import Request
from poolproof.checker.spec.page import Page
from poolproof.checker.spec.syntax import Spec


@dataclass(frozen=True)
class LeastPools:
    """The answers of `size`: by scenario, as FILE.NAME without the file's folder
    and ending, and by design."""

    found: Mapping[tuple[str, str], Sized]


def requests(specs: Sequence[Spec], request: Request) -> list[tuple[Spec, Request]]:
    """Return the specs that are for the request's designs (all, if it names
    none), each with what is asked of it. Raises UserError if there are none."""
    found = []
    wanted = [k for r in request.designs for k in designs_named(r)]
    for_each = {k.reference: specs_for(specs, k) for k in wanted}
    for spec in specs:
        mine = tuple(r for r, some in for_each.items() if spec in some)
        if not request.designs:
            found.append((spec, request))
        elif mine:
            found.append((spec, replace(request, designs=mine)))
    if not found:
        raise UserError(None, "no shipped spec is for " + ", ".join(for_each))
    return found


@dataclass(frozen=True)
class Review:
    """The results of a review. ``complete`` is false if something was not
    checked; ``lost`` says why, by the spec's file."""

    done: tuple[CheckResult, ...]
    sizes: LeastPools | None
    lost: Mapping[str, str]

    @property
    def complete(self) -> bool:
        return not self.lost


def review(
    specs: Sequence[SpecJob],
    scenarios: Sequence[SizeJob],
    spread: Spread,
    report: Reporter,
) -> Review:
    """Return the result of each spec, and the least pools of the scenarios.
    Scenarios take longest and are started first."""
    results = list(spread([*scenarios, *specs], report))
    lost: dict[str, str] = {}
    sizes: dict[tuple[str, str], Sized] = {}
    for job, result in zip(scenarios, results, strict=False):
        if isinstance(result, Lost):
            lost[job.title] = result.why
        else:
            sizes[scenario_name(job), job.task.known.name] = result
    done: list[CheckResult] = []
    for spec_cell, result in zip(specs, results[len(scenarios) :], strict=True):
        if isinstance(result, Lost):
            lost[spec_cell.spec.file] = result.why
        else:
            done += result
    return Review(tuple(done), LeastPools(sizes), lost)


def scenario_name(job: SizeJob) -> str:
    """Return FILE.NAME, without the file's folder and ending."""
    return f"{Path(job.task.spec.file).stem}.{job.task.scenario.name.text}"


def scenario_cells(
    page: Page,
    given: Sequence[str],
    seen: Collection[str],
    budget: Budget,
    checks: Checks,
) -> list[SizeJob]:
    """Return the page's scenarios on those of the ``given`` designs (all, if there
    are none) whose references are in ``seen``."""
    wanted = {w.text for u in page.upgrades for w in u.scenarios}
    files = {name.partition(".")[0] for name in wanted}
    specs = [checks.parse(p) for p in shipped_scenarios() if Path(p).stem in files]
    jobs = [
        SizeJob(task, budget, checks)
        for spec in specs
        for task in size_tasks(spec, given)
        if task.known.reference in seen
    ]
    return [job for job in jobs if scenario_name(job) in wanted]
