# SPDX-License-Identifier: GPL-2.0-only
"""The sets of indices that formulas tell apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from poolproof.checker.core import ir
from poolproof.checker.core.ir import (
    BINDERS,
    INT,
    Domain,
    Expr,
    binder_of,
    local,
    substitute_all,
    subterms,
)
from poolproof.checker.core.limits import tick
from poolproof.checker.passes.indices.naming import MANY, Naming
from poolproof.checker.passes.indices.orbits import Hold
from poolproof.checker.passes.indices.reading import Scope
from poolproof.checker.passes.indices.uses import NoIndexSymmetry, RowTerms
from poolproof.checker.passes.indices.values import FewValues

Tell = Callable[[RowTerms, Iterable[int], Hold | None], None]
"""Called with a row and indices of it that are told from the others, and with
what must be true for that."""


_Pair = frozenset[Expr]
"""Two terms of rows that are equal."""


@dataclass(frozen=True)
class _Context:
    """The facts at one place in a formula: the ``hold`` that is true there, and terms
    of rows that are the ``same``."""

    hold: Hold | None = None
    same: frozenset[_Pair] = frozenset()


_FAR = 2**62
"""No condition on a cell follows from a range that wide."""


class IndexSets:
    """A visit of all formulas of a scope, which calls ``tell``. Raise Refused
    where the indices are no symmetry. ``visits`` counts the parts visited."""

    def __init__(self, names: Naming, values: FewValues, tell: Tell) -> None:
        self.names, self.values, self.tell = names, values, tell
        self.domain = names.domain
        self.cell = local("#cell", Domain(INT, -_FAR, _FAR))
        self.sums = _Sums()
        self.seen: dict[tuple[Expr, Hold | None], frozenset[_Pair]] = {}
        self.visits = 0

    def read(self, scope: Scope) -> None:
        """Visit the scope's formulas, and its parameters."""
        for x in {*scope.parameters}.union(*(e.free for e in scope.roots)):
            if self.names.is_index(x):
                if x not in scope.parameters:
                    raise NoIndexSymmetry(f"{x.data[0]} is an index in {scope.name}")
                self._part(x, _Context())
        for root in scope.formulas:
            self._visit(root, _Context())
        for some in scope.alike:
            for root, context in list(self._grouped(some, _Context())):
                self._visit(root, context)

    def _part(self, e: Expr, context: _Context) -> None:
        """A local that is an index, and may range over a part of them."""
        self.names.check_local(e)
        domain = e.data[1]
        if domain.lo < self.domain.lo or domain.hi > self.domain.hi:
            raise NoIndexSymmetry(f"{e.data[0]} ranges over more than the indices")
        if len(domain) < len(self.domain):
            self.tell(self.names.row(e), domain, context.hold)

    def _visit(self, root: Expr, context: _Context) -> None:
        """Visit root and its parts. A part that stands in several places is
        visited with the pairs that all of these places have, and again only
        when they become fewer. That loses nothing: a comparison needs all its
        pairs in every place. Each hold is a visit of its own."""
        self.names.look(root)
        waiting = [(root, context)]
        while waiting:
            e, context = waiting.pop()
            if self.names.silent(e):
                continue
            before = self.seen.get((e, context.hold))
            same = context.same if before is None else before & context.same
            if same == before:
                continue
            self.seen[e, context.hold] = same
            self.visits += 1
            tick(4)
            waiting.extend(self._inside(e, _Context(context.hold, same)))

    def _inside(self, e: Expr, context: _Context) -> Iterator[tuple[Expr, _Context]]:
        """The parts of e that are to be visited by themselves."""
        match e.op:
            case "and":
                yield from self._grouped(e.args, self._with(context, e))
            case "or":
                yield from self._grouped(e.args, context)
            case "add":
                yield from self._sum(e, context)
            case "mul" | "min" | "max":
                yield from self._grouped(_flat(e.op, e), context)
            case "ite":
                yield from self._choice(e, context)
            case "store":
                yield from self._stores(e, context)
            case "eq" | "lt" | "le":
                yield from self._compared(e, context)
            case "select":
                at = self.names.place(e)
                if at is not None and e.args[at].is_const:
                    self.tell(
                        self.names.terms_of(e, at), {e.args[at].data}, context.hold
                    )
                yield from ((a, context) for a in e.args)
            case _:
                if e.op in BINDERS and self.names.is_index(binder_of(e)):
                    self._part(binder_of(e), context)
                yield from ((a, context) for a in e.args)

    def _with(self, context: _Context, e: Expr) -> _Context:
        """Return the facts inside a conjunction."""
        terms = self.names.terms
        equal = (frozenset(c.args) for c in e.args if c.op == "eq")
        same = {pair for pair in equal if pair <= terms}
        hold = self.names.hold(e) or context.hold
        return _Context(hold, context.same | same)

    def _grouped(
        self, operands: Iterable[Expr], context: _Context
    ) -> Iterator[tuple[Expr, _Context]]:
        """Operands in any order: those that are alike but for an index name a set
        of indices. The others are to be visited."""
        sets: dict[tuple[RowTerms, Expr, Hold | None], Counter[int]] = {}
        for e in operands:
            self.names.look(e)
            named = self.names.named[e]
            if self.names.special[e] or named is MANY:
                yield e, context
            elif named is not None:
                row, k = named
                hold = self.names.hold(e) or context.hold
                key = row, self.names.template(e), hold
                sets.setdefault(key, Counter())[k] += 1
        for (row, _, hold), times in sets.items():
            for n in set(times.values()):
                self.tell(row, (k for k, m in times.items() if m == n), hold)

    def _choice(self, e: Expr, context: _Context) -> Iterator[tuple[Expr, _Context]]:
        if e.sort is INT:
            terms = self.sums.terms(e)
            if len(terms) != 1 or e not in terms:
                yield from self._grouped(terms.elements(), context)
                return
        c, a, b = e.args
        yield c, context
        yield a, self._with(context, c) if c.op == "and" else context
        yield b, context

    def _sum(self, e: Expr, context: _Context) -> Iterator[tuple[Expr, _Context]]:
        terms = self.sums.terms(e)
        if terms == Counter({e: 1}):
            yield from self._grouped(e.args, context)
        else:
            yield from self._grouped(terms.elements(), context)

    def _stores(self, e: Expr, context: _Context) -> Iterator[tuple[Expr, _Context]]:
        chain: list[tuple[Expr, tuple[Expr, ...], Expr]] = []
        top = e
        while top.op == "store":
            chain.append((top.args[0], top.args[1:-1], top.args[-1]))
            top = top.args[0]
        chain.reverse()
        yield top, context
        at = self.names.place(e)
        if at is None:
            yield from self._increments(chain, context)
            return
        by_index: dict[Expr, Expr] = {}
        for _, index, value in chain:
            k = index[at - 1]
            below = by_index.get(k, top)
            by_index[k] = Expr("store", e.sort, (below, *index, value))
        alike: list[Expr] = []
        for k, changed in by_index.items():
            self.names.look(changed)
            if (
                not k.is_const
                or self.names.special[changed]
                or self.names.named[changed] is MANY
            ):
                yield from self._one_by_one(changed, top, at, context)
            else:
                alike.append(changed)
        if len(by_index) > 1 and not all(k.is_const for k in by_index):
            for changed in alike:
                yield from self._one_by_one(changed, top, at, context)
            return
        # changes at different indices, in any order
        yield from self._grouped(alike, context)

    def _one_by_one(
        self, changed: Expr, top: Expr, at: int, context: _Context
    ) -> Iterator[tuple[Expr, _Context]]:
        """Changes whose indices stand for themselves."""
        while changed is not top:
            if changed.args[at].is_const:
                row = self.names.terms_of(changed, at)
                self.tell(row, {changed.args[at].data}, context.hold)
            yield from ((x, context) for x in changed.args[1:])
            changed = changed.args[0]

    def _increments(
        self, chain: list[tuple[Expr, tuple[Expr, ...], Expr]], context: _Context
    ) -> Iterator[tuple[Expr, _Context]]:
        """Changes of another table. Those that only add to cells may be made in
        any order, whichever cells they are."""
        added: list[Expr] = []
        for before, index, value in chain:
            if value.sort is not INT:
                break
            old = ir.select(before, *index)
            terms = self.sums.terms(substitute_all((value,), {old: self.cell})[0])
            if terms[self.cell] != 1:
                break
            more = ir.add(*(terms - Counter({self.cell: 1})).elements())
            if self.cell in more.free:
                break
            base = chain[0][0]
            added.append(Expr("store", base.sort, (base, *index, more)))
        else:
            yield from self._grouped(added, context)
            return
        for _, index, value in chain:
            yield from ((x, context) for x in (*index, value))

    def _compared(self, e: Expr, context: _Context) -> Iterator[tuple[Expr, _Context]]:
        a, b = e.args
        first = self.names.is_index(a)
        p, t = (a, b) if first else (b, a)
        if not self.names.is_index(p):
            yield a, context
            yield b, context
        elif self.names.is_index(t):
            if e.op != "eq":
                raise NoIndexSymmetry(f"{self.names.scope} puts {p.data[0]} in order")
            self._equal(self.names.row(p), self.names.row(t), context)
        else:
            yield t, context
            self._against(e, p, t, context)

    def _equal(self, row: RowTerms, other: RowTerms, context: _Context) -> None:
        """Two indices are compared: their rows must be the same here."""
        if len(row) != len(other) or any(
            x is not y and frozenset((x, y)) not in context.same
            for x, y in zip(row, other, strict=True)
        ):
            raise NoIndexSymmetry(f"{self.names.scope} compares indices of two rows")

    def _against(self, e: Expr, p: Expr, t: Expr, context: _Context) -> None:
        """An index is compared with a number t."""
        first, row = e.args[0] is p, self.names.row(p)
        shifted = self.names.shifted(t)
        if shifted is not None:
            name, plus = shifted
            # p < m + plus; the other comparisons are this one, one further or not
            further = e.op == ("le" if first else "lt")
            for k in self.domain:
                last = k - plus - further
                if last <= self.names.growing[name] or e.op != "eq":
                    self.tell(row, {k}, (name, last))
            return
        values = self.values.of(t)
        if values is None:
            for k in self.domain:
                self.tell(row, {k}, context.hold)
            return
        for value in sorted(values):
            number = ir.num(value)
            true = [
                k
                for k in self.domain
                if ir.rebuild(e, (ir.num(k), number) if first else (number, ir.num(k)))
                is ir.TRUE
            ]
            self.tell(row, true, context.hold)


def _flat(op: str, e: Expr) -> Iterator[Expr]:
    """The operands of nested uses of an associative operator."""
    waiting = [e]
    while waiting:
        node = waiting.pop()
        if node.op == op:
            waiting.extend(node.args)
        else:
            yield node


class _Sums:
    """Numbers as sums: what both branches of a choice add is added whatever is
    chosen."""

    def __init__(self) -> None:
        self.known: dict[Expr, Counter[Expr] | None] = {}
        """The terms of each node that was met; None for what is no number."""

    def terms(self, e: Expr) -> Counter[Expr]:
        """Return the terms that e, a number, is the sum of."""
        for node in subterms(e, known=self.known):
            found = self._node(node) if node.sort is INT else None
            tick(len(found or ()))
            self.known[node] = found
        return self._terms(e)

    def _terms(self, e: Expr) -> Counter[Expr]:
        found = self.known[e]
        assert found is not None
        return found

    def _node(self, e: Expr) -> Counter[Expr]:
        if e.op == "add":
            found: Counter[Expr] = Counter()
            for part in e.args:
                found.update(self._terms(part))
            return found
        if e.op == "ite":
            a, b = (self._terms(x) for x in e.args[1:])
            both = a & b
            if both:
                more, less = (ir.add(*(x - both).elements()) for x in (a, b))
                if more is less:
                    return both
                return both + Counter({ir.ite(e.args[0], more, less): 1})
        return Counter() if e.is_const and e.data == 0 else Counter({e: 1})
