# SPDX-License-Identifier: GPL-2.0-only
"""Symmetry: the interchangeable scalarsets, and canonical forms under them.

Papers: Ip and Dill, "Better verification through symmetry" (1996); Clarke,
Emerson, Jha and Sistla, "Symmetry reductions in model checking" (1998).

Soundness. A permutation of a scalarset acts on states (indices and values),
parameters and results. An expression without constants of the scalarset, and
with whole domains only, commutes with every permutation; one with constants
does if each transposition of neighbours maps it to itself up to the laws of
normal form. If that holds for all actions, initial states, ranges and
properties, the quotient has the same verdicts and shortest traces. The set of
permutations that `canonical_under` tries depends on the orbit only, so the
least of the results is the same for all members of an orbit, and is one.
"""

from __future__ import annotations

from collections.abc import (
    Callable,
    Container,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass
from itertools import permutations, product
from operator import itemgetter
from typing import Any

from poolproof.checker.core.ir import (
    Expr,
    ScalarSort,
    SetSort,
    Sort,
    TableSort,
)
from poolproof.checker.core.limits import tick
from poolproof.checker.core.property import Property
from poolproof.checker.core.remembered import Remembered
from poolproof.checker.core.system import (
    Cell,
    Role,
    State,
    TransitionSystem,
    Variable,
)
from poolproof.checker.passes.equivariance import (
    commutes,
    partial,
    partial_domain,
    scalar_in,
)
from poolproof.checker.passes.indices.find import find_indices
from poolproof.checker.passes.indices.orbits import Indices, sorter

Permutation = Mapping[ScalarSort, tuple[int, ...]]
"""For each scalarset, the new raw value of each old one."""

Doubt = tuple[ScalarSort, str]
"""A scalarset and an action that may not be equivariant under its permutations."""


@dataclass(frozen=True)
class Symmetry:
    """The result of the check. ``sorts`` may be permuted. The elements of
    ``rows`` only index tables, no table by two of them and none twice; given
    the order of the other sorts, sorting puts them in order. ``notes`` says
    what stands in the way of each scalarset that is not used. Of ``doubts`` the
    search must check, in every state, that the action's steps are the same up to
    permutation. ``indices`` are ints that may be permuted in tables."""

    sorts: tuple[ScalarSort, ...]
    rows: tuple[ScalarSort, ...]
    notes: tuple[str, ...]
    doubts: tuple[Doubt, ...] = ()
    indices: tuple[Indices, ...] = ()

    @property
    def enumerated(self) -> tuple[ScalarSort, ...]:
        return tuple(s for s in self.sorts if s not in self.rows)


def find_symmetry(
    system: TransitionSystem,
    properties: Iterable[Property],
    doubtful: bool = False,
    indices: bool = True,
    settled: Container[Doubt] = (),
) -> Symmetry:
    """Check which scalarsets may be permuted and, with ``indices``, which ints.
    With ``doubtful``, an action for which the check is inconclusive is a doubt,
    not an obstacle. ``settled`` are doubts that are neither."""
    properties = tuple(properties)
    sorts, notes = [], []
    doubts: list[Doubt] = []
    for sort in system.scalars:
        if sort.size < 2:
            continue
        obstacle, doubted = _obstacle(system, properties, sort)
        doubted = [name for name in doubted if (sort, name) not in settled]
        if doubted and not doubtful:
            obstacle = obstacle or f"{doubted[0]} names one of its elements"
        if obstacle is None:
            sorts.append(sort)
            doubts.extend((sort, name) for name in doubted)
        else:
            notes.append(f"{sort.name} is not used as a symmetry: {obstacle}")
    found = find_indices(system, properties, sorts) if indices else ()
    joint = {name for one in found if one.joint for name in one.places}
    rows: list[ScalarSort] = []
    for sort in sorted(sorts, key=lambda s: -s.size):
        if all(
            _only_indexes(v.sort, sort, rows)
            and (v.name not in joint or all(d.sort is not sort for d in v.index))
            for v in system.variables
        ):
            rows.append(sort)
    return Symmetry(tuple(sorts), tuple(rows), tuple(notes), tuple(doubts), found)


def _only_indexes(sort: Sort, candidate: ScalarSort, rows: list[ScalarSort]) -> bool:
    if not isinstance(sort, TableSort):
        return scalar_in(sort) is not candidate
    index = [d.sort for d in sort.index]
    if scalar_in(sort.element) is candidate or index.count(candidate) > 1:
        return False
    return candidate not in index or not any(r in index for r in rows)


# --- the check -----------------------------------------------------------


def _obstacle(
    system: TransitionSystem, properties: tuple[Property, ...], sort: ScalarSort
) -> tuple[str | None, list[str]]:
    """Return why permuting ``sort`` is unsound (None if it is sound), and the
    actions for which the syntactic check is inconclusive."""
    doubted: dict[str, None] = {}
    for v in system.variables:
        why = _asymmetric_variable(v, sort)
        if why:
            return f"{v.name} {why}", []
    for a in system.actions:
        if any(partial(p.domain, sort) for p in a.parameters):
            return f"{a.name} takes a part of it", []
    for action, where, e in _expressions(system, properties):
        if action in doubted:
            continue
        if partial_domain(e, sort) is not None:
            if action is None:
                return f"{where} ranges over a part of it", []
            doubted[action] = None
        elif not commutes(e, sort):
            if action is None:
                return f"{where} names one of its elements", []
            doubted[action] = None
    return None, list(doubted)


def _expressions(
    system: TransitionSystem, properties: tuple[Property, ...]
) -> Iterator[tuple[str | None, str, Expr]]:
    """Yield (action, its name in messages, expression) for all that a search
    evaluates."""
    for f in system.formulas():
        # ranges are seen to in `_asymmetric_variable`
        if f.role not in (Role.LEAST, Role.MOST):
            yield f.action.name if f.action else None, f.where, f.expr
    for p in properties:
        # an assertion belongs to its action: where that is watched, so is this
        yield (p.action if p.assertion else None), p.name, p.formula
        if not p.watches:  # what it sees is no verdict: see driver/branches.py
            for e in p.antecedents:
                yield None, p.name, e


def _asymmetric_variable(v: Variable, sort: ScalarSort) -> str | None:
    if any(partial(d, sort) for d in v.index):
        return "is indexed by a part of it"
    if scalar_in(v.element) is not sort:
        return None
    if isinstance(v.element, SetSort):
        if partial(v.element.domain, sort):
            return "holds sets of a part of it"
        least, greatest = 0, {(1 << len(v.element.domain)) - 1}
    else:
        least, greatest = 0, {sort.size - 1, sort.size}
    for end, fine in ((v.lo, {least}), (v.hi, greatest)):
        if end is not None and not (end.is_const and end.data in fine):
            return "may hold a part of it only"
    return None


# --- permutations of states ----------------------------------------------


def permute_raw(sort: Sort, raw: int, by: Permutation) -> int:
    """Return the value of ``sort`` after the permutation."""
    if isinstance(sort, ScalarSort):
        moved = by.get(sort)
        return raw if moved is None or raw >= sort.size else moved[raw]
    if isinstance(sort, SetSort):
        inner = sort.domain.sort
        if isinstance(inner, ScalarSort) and inner in by:
            result = 0
            for k, value in enumerate(sort.domain):
                if raw >> k & 1:
                    result |= 1 << (permute_raw(inner, value, by) - sort.domain.lo)
            return result
    return raw


def _moved(cell: Cell, by: Permutation) -> tuple[int, ...]:
    return tuple(
        permute_raw(d.sort, i, by)
        for d, i in zip(cell.variable.index, cell.index, strict=True)
    )


def group(sorts: Iterable[ScalarSort]) -> Iterator[dict[ScalarSort, tuple[int, ...]]]:
    """Yield every permutation of the scalarsets, the identity first."""
    sorts = tuple(sorts)
    for choice in product(*(permutations(range(s.size)) for s in sorts)):
        tick(4)
        yield dict(zip(sorts, choice, strict=True))


# --- canonical forms in Python -------------------------------------------


def canonical_under(
    system: TransitionSystem, found: Symmetry
) -> Callable[[State], State]:
    """Return a function from a state to the canonical state of its orbit."""
    if not found.sorts and not found.indices:
        return lambda state: state
    sort_indices = sorter(system, found.indices)
    cells = system.cells
    row_cells = [
        [(row, _getter(row)) for row in cells_by_row(cells, sort)]
        for sort in found.rows
    ]
    enumerated = found.enumerated
    keys = [_key_cells(cells, sort, found.sorts) for sort in enumerated]
    moves: dict[tuple[tuple[int, ...], ...], Callable[[State], list[int]]] = {}

    def move(choice: tuple[tuple[int, ...], ...]) -> Callable[[State], list[int]]:
        made = moves.get(choice)
        if made is None:
            by = dict(zip(enumerated, choice, strict=True))
            made = moves[choice] = mover(system, by)
        return made

    def canonical(state: State) -> State:
        best: list[int] | None = None
        for choice in product(*(_orders(state, *k) for k in keys)):
            tick(len(state))
            moved = move(choice)(state)
            sort_indices(moved)
            for rows in row_cells:
                parts = [get(moved) for _, get in rows]
                ordered = sorted(parts)
                if ordered == parts:
                    continue
                for (row, _), part in zip(rows, ordered, strict=True):
                    for k, raw in zip(row, part, strict=True):
                        moved[k] = raw
            if best is None or moved < best:
                best = moved
        assert best is not None
        return tuple(best)

    return canonical


def _getter(row: Sequence[int]) -> Callable[[Sequence[int]], tuple[int, ...]]:
    """Return the function from a state to the values of some cells."""
    if len(row) > 1:
        return itemgetter(*row)
    return lambda state: tuple([state[k] for k in row])


def cells_by_row(cells: Sequence[Cell], sort: ScalarSort) -> list[list[int]]:
    """Return the cells of each element, in the same order for all elements."""
    rows: list[list[int]] = [[] for _ in range(sort.size)]
    for k, cell in enumerate(cells):
        for d, i in zip(cell.variable.index, cell.index, strict=True):
            if d.sort is sort and i < sort.size:
                rows[i].append(k)
    return rows


def mover(system: TransitionSystem, by: Permutation) -> Callable[[State], list[int]]:
    """Return a function from a state to its cells with every element renamed."""
    source = [0] * len(system.cells)
    tables: list[dict[int, int] | None] = [None] * len(system.cells)
    identity = {s: p for s, p in by.items() if p != tuple(range(s.size))}
    values = Remembered[Sort, dict[int, int]](
        lambda sort: Remembered(lambda raw: permute_raw(sort, raw, by))
    )
    for k, cell in enumerate(system.cells):
        target = system.cell_of[cell.variable.name, _moved(cell, by)]
        source[target] = k
        element = cell.variable.element
        if scalar_in(element) in identity:
            tables[target] = values[element]

    if all(t is None for t in tables):
        get = _getter(source)
        return lambda state: list(get(state))

    def moved(state: State) -> list[int]:
        return [
            state[k] if t is None else t[state[k]]
            for k, t in zip(source, tables, strict=True)
        ]

    return moved


def _key_cells(
    cells: Sequence[Cell], sort: ScalarSort, sorts: tuple[ScalarSort, ...]
) -> tuple[ScalarSort, list[list[list[int]]], list[list[int]]]:
    """Return the cells that distinguish the sort's elements under any order of
    all sorts: per element and variable, cells with plain values that it indexes
    once; and per variable, the cells whose value it may be."""
    indexed: list[dict[str, list[int]]] = [{} for _ in range(sort.size)]
    valued: dict[str, list[int]] = {}
    for k, cell in enumerate(cells):
        v = cell.variable
        inside = scalar_in(v.element)
        if v.element is sort:
            valued.setdefault(v.name, []).append(k)
        at = [i for d, i in zip(v.index, cell.index, strict=True) if d.sort is sort]
        if inside not in sorts and len(at) == 1 and at[0] < sort.size:
            indexed[at[0]].setdefault(v.name, []).append(k)
    return sort, [list(x.values()) for x in indexed], list(valued.values())


def _orders(
    state: State,
    sort: ScalarSort,
    indexed: list[list[list[int]]],
    valued: list[list[int]],
) -> Iterator[tuple[int, ...]]:
    """Yield the permutations of the sort that order its elements by their keys;
    only one if all keys differ."""
    keys: list[Any] = []
    for e in range(sort.size):
        plain = [sorted([state[k] for k in group]) for group in indexed[e]]
        count = [sum(state[k] == e for k in group) for group in valued]
        keys.append((plain, count))
    order = sorted(range(sort.size), key=keys.__getitem__)
    classes: list[list[int]] = []
    for e in order:
        if classes and keys[classes[-1][0]] == keys[e]:
            classes[-1].append(e)
        else:
            classes.append([e])
    for choice in product(*(permutations(c) for c in classes)):
        tick(sort.size)
        moved = [0] * sort.size
        for new, old in enumerate(e for part in choice for e in part):
            moved[old] = new
        yield tuple(moved)
