# SPDX-License-Identifier: GPL-2.0-only
"""Two kernels, a base and one with a patch, asked the same sequences: what the
patch changed for user space.

The sequences are those that the design has words for; what it says of them does
not count here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from poolproof.checker.conform.campaign import Plan
from poolproof.checker.conform.environment import Config
from poolproof.checker.conform.hugetlb import variant
from poolproof.checker.conform.sequence import Run, as_shown, predict
from poolproof.checker.conform.shrink import Found, Shrinker, execute
from poolproof.checker.core.verdict import Reporter, Silent
from poolproof.checker.kernel.kernel import Hung, Kernel, Unavailable
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb


@dataclass
class Pair:
    """What was asked of both, and the differences, each shrunk. In a `Found` the
    run's answers are the base's. ``ended`` says why it ended early."""

    base: str
    head: str
    sequences: int = 0
    calls: int = 0
    differences: list[Found] = field(default_factory=list)
    repeated: Counter[tuple[str, ...]] = field(default_factory=Counter)
    ended: str = ""


def compare_kernels(
    design: type[Hugetlb],
    base: Kernel,
    head: Kernel,
    plan: Plan,
    report: Reporter | None = None,
) -> Pair:
    """Return how the two differ, as far as the plan goes."""
    facts = base.facts
    design = variant(design, facts.release)
    done = Pair(facts.release, head.release)
    try:
        for run in plan.runs(design, facts, done):
            found = _execute(base, head, run, plan.alone)
            done.sequences += 1
            done.calls += len(run.rows)
            if found is not None:
                _note(done, _Shrinker(design, head, plan.alone, base=base), found)
            (report or Silent()).progress(
                sequences=done.sequences, differences=sum(done.repeated.values())
            )
            if len(done.differences) >= plan.enough:
                break
    except Unavailable as reason:
        done.ended = str(reason)
    except KeyboardInterrupt:
        done.ended = "interrupted"
    return done


def _note(done: Pair, shrinker: _Shrinker, found: Found) -> None:
    kind = found.kind
    done.repeated[kind] += 1
    if done.repeated[kind] == 1:
        done.differences.append(shrinker.shrink(found))


def _execute(base: Kernel, head: Kernel, run: Run, alone: bool) -> Found | None:
    told = _told(base, run)
    return None if told is None else execute(head, told, alone)


def _told(base: Kernel, run: Run) -> Run | None:
    """The run with the base's answers in place of the design's; None where the
    base does not answer."""
    try:
        outcome = base.sequence(run.commands)
    except Hung:
        return None
    first = len(run.setup)
    answers = outcome.answers[first:]
    rows = tuple(
        replace(row, result=as_shown(row.command, a.result), counters=a.counters)
        for row, a in zip(run.rows, answers, strict=True)
    )
    ready = outcome.answers[first - 1].counters if first else run.ready
    return replace(run, ready=ready, rows=rows, drains=outcome.clean, wrapped=False)


@dataclass
class _Shrinker(Shrinker):
    """As `Shrinker`, with the base's answers in place of the design's."""

    base: Kernel = field(kw_only=True)

    def expected(
        self, setting: Config, setup: Sequence[str], commands: Sequence[str]
    ) -> Run | None:
        return _told(self.base, predict(self.design, setting, setup, commands))
