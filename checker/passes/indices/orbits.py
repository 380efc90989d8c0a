# SPDX-License-Identifier: GPL-2.0-only
"""Index symmetries, and how a state is put in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from poolproof.checker.core.ir import Domain, Sort, TableSort
from poolproof.checker.core.system import TransitionSystem

RowSpace = tuple[Sort, ...]
"""The sorts of a table's other indices."""

Hold = tuple[str, int]
"""A variable, and the last value with which it keeps an index in its place."""


@dataclass(frozen=True)
class CellRow:
    """Cells that differ in one index only. ``key`` are the raw values of the other
    indices; None: of all rows at once. ``classes`` are the indices that may
    change places, each with what keeps it in place for a while."""

    space: RowSpace
    key: tuple[int, ...] | None
    classes: tuple[tuple[tuple[int, tuple[Hold, ...]], ...], ...]


@dataclass(frozen=True)
class Indices:
    """An index symmetry. ``places`` has the tables that are permuted together,
    each with the position of the index; ``joint`` says that it is the same
    permutation for all rows."""

    domain: Domain
    places: Mapping[str, int]
    joint: bool
    rows: tuple[CellRow, ...]

    def items(
        self, system: TransitionSystem
    ) -> Iterator[list[tuple[tuple[int, ...], tuple[tuple[int, int], ...]]]]:
        """Yield each class as a list of its members: (numbers of the cells that
        move with the index, alike for all members; (number of a cell, last value
        with which it keeps them in place))."""
        for row in self.rows:
            tables = [
                (v, self.places[v.name])
                for v in system.variables
                if v.name in self.places
                and (
                    row.key is None
                    or space_of(v.sort, self.places[v.name]) == row.space
                )
            ]
            for members in row.classes:
                yield [
                    (
                        tuple(
                            system.cell_of[v.name, (*o[:at], index, *o[at:])]
                            for v, at in tables
                            for o in _others(v.index, at, row.key)
                        ),
                        tuple((system.cell_of[name, ()], c) for name, c in holds),
                    )
                    for index, holds in members
                ]


def space_of(sort: Sort, at: int) -> RowSpace:
    assert isinstance(sort, TableSort)
    return tuple(d.sort for k, d in enumerate(sort.index) if k != at)


def _others(
    index: Sequence[Domain], at: int, key: tuple[int, ...] | None
) -> Iterable[tuple[int, ...]]:
    """The values of the other indices: those of the row, or all."""
    domains = [d for k, d in enumerate(index) if k != at]
    if key is None:
        return product(*domains)
    return (key,) if all(k in d for k, d in zip(key, domains, strict=True)) else ()


def sorter(
    system: TransitionSystem, found: Iterable[Indices]
) -> Callable[[list[int]], None]:
    """Return a function that puts the cells of a state in the order in which its
    interchangeable indices are sorted."""
    classes = [members for one in found for members in one.items(system)]

    def put_in_order(state: list[int]) -> None:
        for members in classes:
            free = [
                cells
                for cells, holds in members
                if not any(state[k] <= last for k, last in holds)
            ]
            if len(free) < 2:
                continue
            before = [[state[k] for k in cells] for cells in free]
            for cells, values in zip(free, sorted(before), strict=True):
                for k, raw in zip(cells, values, strict=True):
                    state[k] = raw

    return put_in_order
