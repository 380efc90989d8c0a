# SPDX-License-Identifier: GPL-2.0-only
"""The index symmetries of a system."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product

from poolproof.checker.core.ir import INT, ScalarSort
from poolproof.checker.core.property import Property
from poolproof.checker.core.system import TransitionSystem
from poolproof.checker.passes.indices.naming import Naming
from poolproof.checker.passes.indices.orbits import (
    CellRow,
    Hold,
    Indices,
    RowSpace,
    space_of,
)
from poolproof.checker.passes.indices.reading import SimplifiedFormulas
from poolproof.checker.passes.indices.sets import IndexSets
from poolproof.checker.passes.indices.uses import NoIndexSymmetry, RowTerms, Uses
from poolproof.checker.passes.reduce import close

LEAST = 3
"""Domains with fewer values are not looked at: sorting costs more than the
few states that it saves."""


def find_indices(
    system: TransitionSystem,
    properties: Iterable[Property],
    permuted: Iterable[ScalarSort] = (),
) -> tuple[Indices, ...]:
    """Return the index symmetries. Rows of one of the ``permuted`` scalarsets are
    treated alike."""
    found = (
        attempt(uses, tables, permuted)[0]
        for uses in all_uses(system, properties)
        for tables in uses.groups()
    )
    return tuple(one for one in found if one is not None)


def all_uses(system: TransitionSystem, properties: Iterable[Property]) -> list[Uses]:
    """Return the uses of each domain of ints that is large enough."""
    domains = {
        d
        for v in system.variables
        for d in v.index
        if d.sort is INT and len(d) >= LEAST
    }
    if not domains:
        return []
    read = SimplifiedFormulas(*close(system, tuple(properties)))
    return [Uses(read, d) for d in sorted(domains, key=lambda d: (d.lo, d.hi))]


def attempt(
    uses: Uses, tables: tuple[str, ...], permuted: Iterable[ScalarSort] = ()
) -> tuple[Indices | None, str]:
    """Return the symmetry of some tables, of each row by itself if that is one; or
    None, and why."""
    why = "each index is named"
    for joint in (False, True):
        try:
            made = _Group(uses, tables, joint, tuple(permuted)).made()
        except NoIndexSymmetry as refused:
            why = str(refused)
            continue
        if made is not None:
            return made, ""
    return None, why


class _Group:
    """Tables of which the formulas tell some sets of indices apart."""

    def __init__(
        self,
        uses: Uses,
        tables: tuple[str, ...],
        joint: bool,
        permuted: tuple[ScalarSort, ...],
    ) -> None:
        self.uses, self.joint, self.domain = uses, joint, uses.domain
        self.tables, self.permuted = frozenset(tables), permuted
        self.sets: dict[tuple[RowTerms, frozenset[int], Hold | None], None] = {}

    def made(self) -> Indices | None:
        """Return the symmetry, or None if no two indices are alike. Raise Refused if
        these permutations are none."""
        for name in self.uses.place:
            if name in self.tables and name in self.uses.wrong:
                raise NoIndexSymmetry(self.uses.wrong[name])
        read = self.uses.read
        for scope in read.scopes:
            names = Naming(self.uses, self.tables, self.joint, scope.name)
            IndexSets(names, read.values, self._tell).read(scope)
        rows = tuple(row for row in self._rows() if row.classes)
        if not rows:
            return None
        places = {n: k for n, k in self.uses.place.items() if n in self.tables}
        return Indices(self.domain, places, self.joint, rows)

    def _tell(self, row: RowTerms, indices: Iterable[int], hold: Hold | None) -> None:
        some = frozenset(indices)
        if 0 < len(some) < len(self.domain):
            self.sets[row, some, hold] = None

    def _rows(self) -> Iterator[CellRow]:
        if self.joint:
            yield CellRow((), None, self._classes((), None))
            return
        spaces: dict[RowSpace, set[tuple[int, ...]]] = {}
        for v in self.uses.read.system.variables:
            if v.name in self.tables:
                at = self.uses.place[v.name]
                domains = [d for k, d in enumerate(v.index) if k != at]
                keys = spaces.setdefault(space_of(v.sort, at), set())
                keys.update(product(*domains))
        for space, keys in spaces.items():
            for key in sorted(keys):
                yield CellRow(space, key, self._classes(space, key))

    def _classes(
        self, space: RowSpace, key: tuple[int, ...] | None
    ) -> tuple[tuple[tuple[int, tuple[Hold, ...]], ...], ...]:
        signs: dict[int, list[int]] = {k: [] for k in self.domain}
        holds: dict[int, dict[str, int]] = {k: {} for k in self.domain}
        for number, (row, indices, hold) in enumerate(self.sets):
            if not self._concerns(row, space, key):
                continue
            for k in indices:
                if k not in signs:
                    continue
                if hold is None:
                    signs[k].append(number)
                else:
                    name, last = hold
                    holds[k][name] = max(last, holds[k].get(name, last))
        classes: dict[tuple[int, ...], list[int]] = {}
        for k, sign in signs.items():
            classes.setdefault(tuple(sign), []).append(k)
        return tuple(
            tuple((k, tuple(sorted(holds[k].items()))) for k in some)
            for some in classes.values()
            if len(some) > 1
        )

    def _concerns(
        self, row: RowTerms, space: RowSpace, key: tuple[int, ...] | None
    ) -> bool:
        """Return whether the terms can mean this row, or one that is treated alike."""
        if key is None:
            return True
        return len(row) == len(key) and all(
            term.sort is sort
            and (not term.is_const or term.data == k or sort in self.permuted)
            for term, sort, k in zip(row, space, key, strict=True)
        )
