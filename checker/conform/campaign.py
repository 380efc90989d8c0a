# SPDX-License-Identifier: GPL-2.0-only
"""Many random sequences on a kernel, every answer compared: what came of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

from poolproof.checker.conform.coverage import Coverage
from poolproof.checker.conform.generate import Capabilities, Generator, Tally
from poolproof.checker.conform.hugetlb import variant
from poolproof.checker.conform.known import (
    KnownDifference,
    explained,
    known_differences,
    left_out,
)
from poolproof.checker.conform.sequence import Run
from poolproof.checker.conform.shrink import Found, Shrinker, execute
from poolproof.checker.core.verdict import Reporter, Silent
from poolproof.checker.kernel.kernel import Kernel, KernelFacts, Unavailable
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb


class EndsEarly(Protocol):
    """What may end early, and says why."""

    ended: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The size of a campaign: sequences of about ``steps`` actions, for ``seconds``
    at most (None: no limit). It ends at ``enough`` different disagreements.
    ``leaks``: the kernel can be restored where a sequence leaves something
    behind; ``alone``: nothing else runs on it; ``having``: features that every
    sequence has, with those they need; ``without``: features that none has."""

    sequences: int = 1000
    steps: int = 26
    seed: int = 0
    seconds: float | None = None
    leaks: bool = True
    alone: bool = True
    enough: int = 3
    having: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    def offered(self, facts: KernelFacts) -> Capabilities:
        """Return what the kernel offers, within the features of the plan."""
        return Capabilities(
            facts.nodes,
            facts.controllers | facts.able,
            self.leaks,
            facts.gigantic,
            self.having,
            self.without,
        )

    def runs(
        self, design: type[Hugetlb], facts: KernelFacts, done: EndsEarly
    ) -> Iterator[Run]:
        """Yield the plan's sequences. ``done`` says so if the time is over before."""
        made = Generator(design, self.offered(facts), self.seed, self.steps).runs()
        begun = time.monotonic()
        for _ in range(self.sequences):
            if self.seconds is not None and time.monotonic() - begun > self.seconds:
                done.ended = f"the budget of {self.seconds:g} s is spent"
                return
            yield next(made)


@dataclass
class Campaign:
    """What was done and seen. ``differed`` and ``left_out`` count the known
    differences that occurred, by name. ``ended`` says why the kernel was not
    asked to the end, ``spent`` that the plan's time was over before that."""

    design: type[Hugetlb]
    release: str
    plan: Plan
    tally: Tally
    coverage: Coverage
    sequences: int = 0
    calls: int = 0
    steps: int = 0
    leaked: int = 0
    wrapped: int = 0
    seconds: float = 0.0
    disagreements: list[Found] = field(default_factory=list)
    repeated: Counter[tuple[str, ...]] = field(default_factory=Counter)
    differed: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    ended: str = ""
    spent: bool = False

    @property
    def unexplained(self) -> int:
        """Return the number of disagreements that no known difference explains."""
        return sum(self.repeated.values())


def campaign(
    design: type[Hugetlb],
    kernel: Kernel,
    plan: Plan,
    report: Reporter | None = None,
    known: Sequence[KnownDifference] | None = None,
) -> Campaign:
    """Runs a plan. The design is taken as it is in the kernel's release; each
    new kind of disagreement is shrunk on the kernel."""
    facts = kernel.facts
    design = variant(design, facts.release)
    coverage, tally = Coverage(design), Tally()
    done = Campaign(design, facts.release, plan, tally, coverage)
    entries = known_differences() if known is None else tuple(known)
    offered = plan.offered(facts)
    chooser = Generator(
        design, offered, plan.seed, plan.steps, tally, coverage.watching
    )
    asked = _Asked(done, kernel, entries, report or Silent())
    begun = time.monotonic()
    runs = chooser.runs()
    # the next sequence is made while the kernel works on the last one
    with ThreadPoolExecutor(1) as other:
        waiting: tuple[Run, Future[Found | None]] | None = None
        try:
            for left in reversed(range(plan.sequences)):
                run = next(runs)
                if waiting is not None and not asked.settle(*waiting):
                    waiting = None
                    break
                waiting = run, other.submit(execute, kernel, run, plan.alone)
                done.seconds = time.monotonic() - begun
                if plan.seconds is not None and done.seconds > plan.seconds:
                    done.spent = left > 0
                    break
            if waiting is not None:
                asked.settle(*waiting)
        except Unavailable as reason:
            done.ended = str(reason)
        except KeyboardInterrupt:
            done.ended = "interrupted"
    done.seconds = time.monotonic() - begun
    for message, count in tally.left_out.items():
        done.left_out[left_out(message, entries)] += count
    return done


@dataclass
class _Asked:
    """What a kernel answered, one sequence after the other."""

    done: Campaign
    kernel: Kernel
    known: Sequence[KnownDifference]
    report: Reporter

    def settle(self, run: Run, answered: Future[Found | None]) -> bool:
        """Counts a run. Whether there should be another one."""
        done, found = self.done, answered.result()
        done.sequences += 1
        done.calls += len(run.rows)
        done.steps += sum(len(row.taken) for row in run.rows)
        done.leaked += not run.drains
        done.wrapped += run.wrapped
        if found is not None:
            name = explained(done.release, run, found.difference, self.known)
            if name is not None:
                done.differed[name] += 1
            else:
                self._disagree(found)
        self.report.progress(
            sequences=done.sequences,
            steps=done.steps,
            disagreements=done.unexplained,
        )
        return len(done.disagreements) < done.plan.enough

    def _disagree(self, found: Found) -> None:
        kind = found.kind
        self.done.repeated[kind] += 1
        if self.done.repeated[kind] == 1:
            shrinker = Shrinker(self.done.design, self.kernel, self.done.plan.alone)
            self.done.disagreements.append(shrinker.shrink(found))
