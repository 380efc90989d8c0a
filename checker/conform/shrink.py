# SPDX-License-Identifier: GPL-2.0-only
"""Shorter sequences that still show a difference: delta debugging on the kernel.

Andreas Zeller, Ralf Hildebrandt: "Simplifying and isolating failure-inducing
input", IEEE TSE 28(2), 2002. Every candidate is predicted anew and run again;
what the design has no word for is no candidate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from poolproof.checker.conform.c_calls import operation
from poolproof.checker.conform.environment import Config, NotExpressible
from poolproof.checker.conform.hugetlb import setup
from poolproof.checker.conform.sequence import SILENT, Difference, Run, compare, predict
from poolproof.checker.kernel.answer import Answer
from poolproof.checker.kernel.kernel import Hung, Kernel, SequenceOutcome
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb
from poolproof.model.language import declared, with_needs

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Found:
    """A run, what a kernel answered to it, and where the two part. ``answers``
    begin with the setup's and end where the kernel did. ``left`` says what outlived the
    reset, if it is known."""

    run: Run
    answers: tuple[Answer, ...]
    clean: bool
    difference: Difference
    left: str = ""

    @property
    def call(self) -> str:
        """Return the call that differs, like "munmap"; empty for a setup or a reset."""
        at, rows = self.difference.at, self.run.rows
        return operation(rows[at].command) if 0 <= at < len(rows) else ""

    @property
    def kind(self) -> tuple[str, ...]:
        """Return what differences of one cause have in common: the call and the
        observables."""
        return (self.call, *self.difference.what)

    def resembles(self, other: Found) -> bool:
        """Return whether both have the call, and some observable, in common."""
        common = {*self.difference.what} & {*other.difference.what}
        return self.call == other.call and bool(common)


def execute(kernel: Kernel, run: Run, alone: bool = False) -> Found | None:
    """Runs it and compares; None where nothing differs. Raises Unavailable."""
    outcome: SequenceOutcome | None = None
    for again in (False, True):
        try:
            outcome = kernel.sequence(run.commands)
            break
        except Hung as hung:
            # a guest may also be ended from outside: then only once
            at = len(hung.answers) - len(run.setup)
            if again:
                return Found(run, hung.answers, False, Difference(at, (SILENT,)))
    assert outcome is not None
    difference = compare(run, outcome, alone)
    if difference is None:
        return None
    return Found(run, outcome.answers, outcome.clean, difference, outcome.left)


@dataclass
class Shrinker:
    """Tries at most ``tries`` candidates on the kernel."""

    design: type[Hugetlb]
    kernel: Kernel
    alone: bool = False
    tries: int = 300

    def shrink(self, found: Found) -> Found:
        """The same kind of difference, after as few commands as can be had."""
        best = self._fewer_commands(found)
        best = self._plainer(best)
        return self._fewer_commands(best)

    def expected(
        self, setting: Config, setup: Sequence[str], commands: Sequence[str]
    ) -> Run | None:
        """Return what is expected of the commands; None if nothing is. Raise
        NotExpressible."""
        return predict(self.design, setting, setup, commands)

    def _again(
        self, like: Found, setting: Config, setup: Sequence[str], commands: list[str]
    ) -> Found | None:
        """What the candidate shows, if that is like it."""
        if self.tries <= 0:
            return None
        try:
            run = self.expected(setting, setup, commands)
        except NotExpressible:
            return None
        if run is None:
            return None
        self.tries -= 1
        found = execute(self.kernel, run, self.alone)
        return found if found is not None and found.resembles(like) else None

    def _fewer_commands(self, found: Found) -> Found:
        run = found.run
        commands = [row.command for row in run.rows[: found.difference.at + 1]]

        def test(candidate: list[str]) -> Found | None:
            return self._again(found, run.setting, run.setup, candidate)

        best = test(commands) or found
        _, best = minimal(commands, test, best)
        return best

    def _plainer(self, found: Found) -> Found:
        """Without the features and sizes that it does not need."""
        best = found
        memfds = sum(" memfd " in command for command in found.run.setup)
        for setting in plainer(self.design, found.run.setting):
            at = best.difference.at + 1
            commands = [row.command for row in best.run.rows[:at]]
            if len(setting.having) >= len(best.run.setting.having) and (
                setting.bounds == best.run.setting.bounds
            ):
                continue
            wanted = replace(
                best.run.setting,
                having=tuple(f for f in best.run.setting.having if f in setting.having),
                bounds={
                    n: min(v, setting.bounds[n])
                    for n, v in best.run.setting.bounds.items()
                },
            )
            try:
                again = setup(wanted, range(memfds))
            except NotExpressible:
                continue
            best = self._again(best, wanted, again, commands) or best
        return best


def plainer(design: type[Hugetlb], setting: Config) -> Iterator[Config]:
    """Settings with one feature less, or a smaller bound. A feature goes with all
    that need it, and after them: the design would have it nonetheless, and the
    setup would not."""
    having, features = setting.having, declared(design)[1]
    needs = {f: with_needs(features, [f]) for f in having}
    without = {f: tuple(g for g in having if f not in needs[g]) for f in having}
    for rest in sorted(without.values(), key=len, reverse=True):
        yield replace(setting, having=rest)
    for bound in ("T", "blocks", "OC", "C", "files"):
        for value in range(setting.bounds[bound]):
            if value or bound in ("blocks", "OC"):
                yield replace(setting, bounds={**setting.bounds, bound: value})


def minimal(
    items: list[T], test: Callable[[list[T]], R | None], known: R
) -> tuple[list[T], R]:
    """Return a 1-minimal sublist (ddmin) that still passes `test`, and the result
    of `test` for it (``known`` for all items)."""
    parts = 2
    while items:
        size = max(1, len(items) // parts)
        for start in range(0, len(items), size):
            rest = items[:start] + items[start + size :]
            result = test(rest)
            if result is not None:
                items, known, parts = rest, result, max(parts - 1, 2)
                break
        else:
            if size == 1:
                break
            parts = min(2 * parts, len(items))
    return items, known
