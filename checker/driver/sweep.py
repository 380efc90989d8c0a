# SPDX-License-Identifier: GPL-2.0-only
"""The least pool of a scenario over a grid of bounds.

A cell's answer is a size that succeeds, while the next smaller one fails: both are
explored, and no other needs to be. The walk begins at the answer of the cell
before. So it is the least size if success is monotone in the size; `find_size`
explores all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from poolproof.checker.core.verdict import Budget, Silent
from poolproof.checker.driver.size import AtSize, SizeTask, find_size, size_question

Axis = tuple[str, range]
"""A bound, or a `let`, and its values."""


_At = Callable[[int], AtSize]
"""The answer at one size."""


@dataclass(frozen=True)
class SweepCell:
    """The answer for ``values`` of the axes: the ``least`` size, None if none in
    the range succeeds; ``below`` is how the size below it fails ('' if there is
    none), ``unknown`` why nothing is known."""

    values: tuple[int, ...]
    least: int | None
    below: str = ""
    unknown: str = ""


def sweep(task: SizeTask, axes: Sequence[Axis], seconds: float) -> Iterator[SweepCell]:
    """Yield the cells, the last axis fastest, with so many seconds for each. Raise
    as `find_size` does."""
    start: int | None = None
    for values in product(*(over for _, over in axes)):
        names = (name for name, _ in axes)
        given = {**task.given, **dict(zip(names, values, strict=True))}
        here = replace(task, given=given)
        budget = Budget(seconds=seconds)

        def at(size: int, here: SizeTask = here, budget: Budget = budget) -> AtSize:
            one = here.within(range(size, size + 1))
            return find_size(one, budget, Silent()).sizes[0]

        cell = _cell(values, size_question(here).range, start, at)
        start = cell.least
        yield cell


def _cell(
    values: tuple[int, ...],
    sizes: range,
    start: int | None,
    at: _At,
) -> SweepCell:
    size = sizes[0] if start is None else min(max(start, sizes[0]), sizes[-1])
    answer = at(size)
    while not answer.unknown:
        if answer.guaranteed and size == sizes[0]:
            return SweepCell(values, size)
        if not answer.guaranteed and size == sizes[-1]:
            return SweepCell(values, None, _kind(answer))
        step = -1 if answer.guaranteed else 1
        other = at(size + step)
        if not other.unknown and other.guaranteed != answer.guaranteed:
            least = size if answer.guaranteed else size + 1
            return SweepCell(values, least, _kind(other if step < 0 else answer))
        size, answer = size + step, other
    return SweepCell(values, None, "", f"at {size}: {answer.unknown}")


def _kind(at: AtSize) -> str:
    return "" if at.failure is None else at.failure.kind
