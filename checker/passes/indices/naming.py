# SPDX-License-Identifier: GPL-2.0-only
"""Which indices a formula names, and where it compares one."""

from __future__ import annotations

from poolproof.checker.core.ir import (
    BINDERS,
    Expr,
    SetSort,
    binder_of,
    local,
    sort_of_table,
    subterms,
)
from poolproof.checker.passes.equivariance import renamed
from poolproof.checker.passes.indices.orbits import Hold
from poolproof.checker.passes.indices.uses import NoIndexSymmetry, RowTerms, Uses

Named = tuple[RowTerms, int]
"""An index that is written as a constant, in its row."""

MANY: Named = ((), -1)
"""More than one `Named`."""


class Naming:
    """The formulas of a ``scope``, read for the indices of some tables. With
    ``joint``, an index is the same in all rows. ``terms`` includes every term of
    a `row`. Raise Refused where the indices are no symmetry."""

    def __init__(
        self, uses: Uses, tables: frozenset[str], joint: bool, scope: str
    ) -> None:
        self.uses, self.tables, self.joint, self.scope = uses, tables, joint, scope
        self.domain = uses.domain
        self.growing = uses.read.growing
        self.terms = frozenset[Expr]() if joint else frozenset(uses.terms[scope])
        self.hole = local("#index", self.domain)
        self.named: dict[Expr, Named | None] = {}
        self.special: dict[Expr, bool] = {}
        self.templates: dict[Expr, Expr] = {}
        self.height: dict[Expr, int] = {}
        """How deep binders nest in what has a template."""

    def is_index(self, e: Expr) -> bool:
        mine = self.uses.tables.get((self.scope, e))
        return mine is not None and not mine.isdisjoint(self.tables)

    def row(self, e: Expr) -> RowTerms:
        """The row of a local that is an index."""
        if self.joint:
            return ()
        (row,) = self.uses.rows[self.scope, e]
        return row

    def check_local(self, e: Expr) -> None:
        scope = self.scope
        if "" in self.uses.tables[scope, e]:
            raise NoIndexSymmetry(
                f"{e.data[0]} in {scope} is an index of other tables, too"
            )
        if not self.joint and len(self.uses.rows[scope, e]) > 1:
            raise NoIndexSymmetry(f"{scope} compares two rows at {e.data[0]}")

    def silent(self, e: Expr) -> bool:
        """Return whether e, which was looked at, names and compares no index."""
        return self.named[e] is None and not self.special[e]

    def look(self, root: Expr) -> None:
        """Note for each part of a formula the index that it names (MANY of
        several), and whether it is ``special``."""
        if self.is_index(root):
            raise NoIndexSymmetry(f"{self.scope} keeps {root.data[0]} as a value")
        if root in self.named:
            return
        for e in subterms(root, known=self.named):
            self.named[e], self.special[e] = self._node(e)

    def _node(self, e: Expr) -> tuple[Named | None, bool]:
        """The indices that e names; and whether they must be looked at where they
        stand, because a comparison or a binder is between."""
        found: Named | None = None
        special = False
        for a in e.args:
            found = _either(found, self.named[a])
            special = special or self.special[a]
        allowed: tuple[int, ...] = ()
        if e.op in ("select", "store"):
            name = self.uses.table_of(e.args[0])
            if name in self.tables:
                at = 1 + self.uses.place[name]
                allowed = (at,)
                if e.args[at].is_const:
                    found = _either(found, (self.terms_of(e, at), e.args[at].data))
        elif e.op in ("eq", "lt", "le"):
            allowed = (0, 1)
            new, odd = self._comparison(e)
            found, special = _either(found, new), special or odd
        elif e.op in BINDERS:
            binder = binder_of(e)
            if self.is_index(binder):
                self.check_local(binder)
                if e.op == "setof":
                    raise NoIndexSymmetry(f"{self.scope} has a set of them")
                special = special or e.data[1] != self.domain
            special, found = self._bound(e, found, special)
        for k, a in enumerate(e.args):
            if k not in allowed and self.is_index(a):
                raise NoIndexSymmetry(f"{self.scope} computes with {a.data[0]}")
        if isinstance(e.sort, SetSort) and e.sort.domain == self.domain:
            raise NoIndexSymmetry(f"{self.scope} has a set of them")
        return found, special

    def _bound(
        self, e: Expr, found: Named | None, special: bool
    ) -> tuple[bool, Named | None]:
        """A row that a binder chooses ends with the binder."""
        if self.joint:
            return special, found
        binder, scope = binder_of(e), self.scope
        for x in e.free:
            rows = self.uses.rows.get((scope, x), ())
            if self.is_index(x) and any(binder in t.free for r in rows for t in r):
                raise NoIndexSymmetry(f"{scope} compares two rows at {x.data[0]}")
        if found is MANY or (found and any(binder in t.free for t in found[0])):
            return True, MANY
        return special, found

    def terms_of(self, e: Expr, at: int) -> RowTerms:
        if self.joint:
            return ()
        sort = sort_of_table(e.args[0])
        return tuple(e.args[k] for k in range(1, 1 + len(sort.index)) if k != at)

    def _comparison(self, e: Expr) -> tuple[Named | None, bool]:
        a, b = e.args
        if not self.is_index(a):
            a, b = b, a
        if not self.is_index(a):
            return None, False
        self.check_local(a)
        if e.op != "eq":
            return None, True
        if b.is_const:
            return ((self.row(a), b.data) if b.data in self.domain else None), False
        if self.is_index(b):
            self.check_local(b)
            return None, self.row(a) != self.row(b)
        return None, True

    def place(self, e: Expr) -> int | None:
        name = self.uses.table_of(e.args[0])
        return 1 + self.uses.place[name] if name in self.tables else None

    def template(self, e: Expr) -> Expr:
        """e with the hole in the place of the one index that it names."""
        done, height = self.templates, self.height
        for node in subterms(e, known=done):
            args = [done[a] for a in node.args]
            data = node.data
            height[node] = max((height[a] for a in node.args), default=0)
            if node.op in BINDERS:
                height[node] += 1
                data = (f"#{height[node]}", data[1])
                args = [renamed(args[0], binder_of(node), local(*data))]
            if node.op in ("select", "store"):
                at = self.place(node)
                if at is not None and args[at].is_const:
                    args[at] = self.hole
            elif (
                node.op == "eq"
                and self.is_index(node.args[0])
                and args[1].is_const
                and args[1].data in self.domain
            ):
                args[1] = self.hole
            done[node] = Expr(node.op, node.sort, tuple(args), data)
        return done[e]

    def hold(self, e: Expr) -> Hold | None:
        """The growing variable that a conjunction bounds from above."""
        for c in e.args if e.op == "and" else (e,):
            if c.op in ("eq", "le", "lt") and c.args[1].is_const:
                shifted = self.shifted(c.args[0])
                if shifted is not None:
                    name, plus = shifted
                    return name, c.args[1].data - plus - (c.op == "lt")
        return None

    def shifted(self, e: Expr) -> tuple[str, int] | None:
        """(m, c) where e is m + c, for a variable m that only grows."""
        plus = 0
        if e.op == "add" and len(e.args) == 2 and e.args[1].is_const:
            e, plus = e.args[0], e.args[1].data
        if e.op == "var" and not e.data[1] and e.data[0] in self.growing:
            return e.data[0], plus
        return None


def _either(a: Named | None, b: Named | None) -> Named | None:
    if a is None or a == b:
        return b
    return a if b is None else MANY
