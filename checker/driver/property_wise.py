# SPDX-License-Identifier: GPL-2.0-only
"""Two designs by their verdicts: the specs that apply to both, and where the
answers differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from poolproof.checker.driver.against import Change, change_of
from poolproof.checker.driver.designs import DesignRef, is_for, shipped_specs
from poolproof.checker.driver.judging import CheckResult, PropertyResult
from poolproof.checker.spec import Spec, parse


@dataclass(frozen=True)
class ResultPair:
    """The results of one property of a spec on two designs. ``differ`` is how they
    differ: None if they do not, UNKNOWN if one of them is unknown."""

    spec: Spec
    one: PropertyResult
    other: PropertyResult
    differ: Change | None

    @property
    def name(self) -> str:
        return self.one.prop.name


@dataclass(frozen=True)
class PropertyWise:
    """The verdicts of all properties that both designs have. ``wrong``: a model or a
    spec is in error; ``stopped``: not all specs were checked."""

    designs: tuple[DesignRef, DesignRef]
    specs: int
    verdicts: tuple[ResultPair, ...]
    wrong: bool
    stopped: bool

    def that(self, unknown: bool) -> tuple[ResultPair, ...]:
        """Return the verdicts that differ; with ``unknown``, those that may differ."""
        return tuple(
            v
            for v in self.verdicts
            if v.differ is not None and (v.differ is Change.UNKNOWN) == unknown
        )

    @property
    def exit_code(self) -> int:
        """Return 0 if nothing differs, 1 if something does, 2 for an error, 3 if
        something is not known."""
        if self.wrong:
            return 2
        if self.that(unknown=False):
            return 1
        return 3 if self.stopped or self.that(unknown=True) else 0


def common_specs(designs: Sequence[DesignRef]) -> list[Spec]:
    """Return the shipped specs that name each of the designs, or a base of it."""
    specs = map(parse, shipped_specs())
    return [s for s in specs if all(is_for(s, known) for known in designs)]


Ask = Callable[[Spec], Sequence[CheckResult]]
"""From a spec to its result on each design; empty if interrupted."""


def property_wise(
    designs: tuple[DesignRef, DesignRef], specs: Sequence[Spec], ask: Ask
) -> PropertyWise:
    """Return the verdicts of both designs. Raise UserError as ``ask`` does."""
    found: list[ResultPair] = []
    asked, wrong = 0, False
    for spec in specs:
        results = ask(spec)
        if not results:
            break
        asked += 1
        wrong = wrong or any(r.defects or r.mistakes for r in results)
        found += _verdicts(spec, results[0], results[-1])
    return PropertyWise(designs, asked, tuple(found), wrong, asked < len(specs))


def _verdicts(spec: Spec, one: CheckResult, other: CheckResult) -> Iterator[ResultPair]:
    theirs = {a.prop.name: a for a in other.answers}
    for mine in one.answers:
        its = theirs.get(mine.prop.name)
        if its is not None:
            yield ResultPair(spec, mine, its, change_of(mine, its)[0])
