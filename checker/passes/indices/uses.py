# SPDX-License-Identifier: GPL-2.0-only
"""Where formulas use ints as indices: of which tables, in which rows."""

from __future__ import annotations

from poolproof.checker.core.ir import (
    INT,
    Domain,
    Expr,
    TableSort,
    sort_of_table,
    subterms,
)
from poolproof.checker.passes.classes import Classes
from poolproof.checker.passes.indices.reading import SimplifiedFormulas


class NoIndexSymmetry(Exception):
    """The tables' indices are no symmetry; the text says why."""


RowTerms = tuple[Expr, ...]
"""The other indices of a cell, as they are written."""


class Uses:
    """How the formulas use the indices of one domain: which tables have one, and
    of each local that is one (in its scope) the tables and the rows. ``terms`` are
    the terms of all rows of a scope."""

    def __init__(self, read: SimplifiedFormulas, domain: Domain) -> None:
        self.read, self.domain = read, domain
        self.place: dict[str, int] = {}
        self.wrong: dict[str, str] = {}
        for v in read.system.variables:
            at = [k for k, d in enumerate(v.index) if d == domain]
            if at:
                self.place[v.name] = at[0]
            if len(at) > 1:
                self.wrong[v.name] = f"{v.name} has two of them"
        self.rows: dict[tuple[str, Expr], set[RowTerms]] = {}
        self.terms: dict[str, set[Expr]] = {s.name: set() for s in read.scopes}
        self.tables: dict[tuple[str, Expr], set[str]] = {}
        self.tied = Classes()
        self.base: dict[Expr, str | None] = {}
        for scope in read.scopes:
            for root in scope.roots:
                self._read(scope.name, root)

    def groups(self) -> list[tuple[str, ...]]:
        """The tables that only one permutation may move, as they are tied."""
        found: dict[str, list[str]] = {}
        for name in self.place:
            found.setdefault(self.tied.of(name), []).append(name)
        return [tuple(names) for names in found.values()]

    def table_of(self, e: Expr) -> str | None:
        """The variable that a table is, with changes; None if it is none."""
        chain = []
        while e not in self.base and e.op == "store":
            chain.append(e)
            e = e.args[0]
        if e not in self.base:
            self.base[e] = e.data[0] if e.op == "var" else None
        for above in chain:
            self.base[above] = self.base[e]
        return self.base[e]

    def _read(self, scope: str, root: Expr) -> None:
        named: set[str] = set()
        equations = []
        for e in subterms(root):
            if e.op in ("select", "store"):
                self._cell(scope, e, named)
            elif e.op == "eq":
                equations.append(e)
                if isinstance(e.args[0].sort, TableSort):
                    whole = [self.table_of(a) for a in e.args]
                    self.tied.join(*(n for n in whole if n in self.place))
            elif e.op == "ite" and isinstance(e.sort, TableSort):
                for n in subterms(e):
                    if n.op == "var" and n.data[0] in self.place:
                        self.wrong[n.data[0]] = f"{n.data[0]} is chosen as a whole"
        self.tied.join(*named)
        for e in equations:
            both = [self.tables.get((scope, a)) for a in e.args]
            if both[0] and both[1]:
                self.tied.join(*(both[0] | both[1]) - {""})

    def _cell(self, scope: str, e: Expr, named: set[str]) -> None:
        name = self.table_of(e.args[0])
        sort = sort_of_table(e.args[0])
        index = e.args[1 : 1 + len(sort.index)]
        for k, (d, i) in enumerate(zip(sort.index, index, strict=True)):
            if i.op == "local" and i.sort is INT and (d != self.domain or name is None):
                # it is an index of something else, too
                self.tables.setdefault((scope, i), set()).add("")
            if d != self.domain:
                continue
            if name is None:
                for n in self.place:
                    self.wrong.setdefault(n, "a table without a name has such indices")
                continue
            if i.op == "local":
                others = tuple(x for j, x in enumerate(index) if j != k)
                self.rows.setdefault((scope, i), set()).add(others)
                self.terms[scope].update(others)
                mine = self.tables.setdefault((scope, i), set())
                mine.add(name)
                self.tied.join(*mine - {""})
            elif i.is_const:
                named.add(name)
            else:
                self.wrong.setdefault(name, f"an index of {name} is computed")
