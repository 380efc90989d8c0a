# SPDX-License-Identifier: GPL-2.0-only
"""Intervals of expressions, given that variables are in their declared ranges.

Staying in range is an obligation of its own, and no state outside is explored.
So these intervals hold in every state that an engine reads. The analysis
is that of `poolproof.checker.core.interval`; a guard's comparisons narrow it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Self

from poolproof.checker.core.fold import Algebra, fold
from poolproof.checker.core.interval import (
    ANY,
    INTERVALS,
    Interval,
    below,
    both,
    either,
    inside,
    of_sort,
)
from poolproof.checker.core.ir import (
    FALSE,
    TRUE,
    Domain,
    Expr,
    TableSort,
    substitute_all,
    subterms,
)
from poolproof.checker.core.system import Variable


def declared(v: Variable) -> Interval:
    """The interval of a variable's cells by its range, where that is
    constant, and by its sort."""
    lo, hi = (e.data if e is not None and e.is_const else None for e in (v.lo, v.hi))
    return both((lo, hi), of_sort(v.element))


class Ranges:
    """Intervals under ranges of variables and facts about expressions.
    ``outside`` are the values of reads outside a table, where a backend
    defines them; None: there are no such reads."""

    def __init__(
        self,
        variables: Mapping[str, Interval],
        outside: Interval | None = None,
        facts: Mapping[Expr, Interval] | None = None,
    ) -> None:
        self.variables, self.outside = variables, outside
        self.facts = dict(facts or {})
        self.known: dict[Expr, Interval] = {}

    @classmethod
    def of_variables(cls, variables: Iterable[Variable]) -> Self:
        """The declared ranges and nothing else."""
        return cls({v.name: declared(v) for v in variables})

    def of(self, e: Expr) -> Interval:
        """Return the interval of e. An index may leave its table."""
        return fold((e,), _NARROWED, self, self.known)[0]

    def inside(self, e: Expr, domain: Domain) -> bool:
        """Return whether e is certainly in the domain."""
        return inside(self.of(e), domain)

    def variable(self, e: Expr) -> Interval:
        return self.variables.get(e.data[0], ANY)

    def cell(self, e: Expr, index: tuple[Interval, ...]) -> Interval:
        table = e.args[0]
        if table.op != "var":
            return ANY
        found = self.variable(table)
        if self.outside is None:
            return found
        assert isinstance(table.sort, TableSort)
        if all(map(inside, index, table.sort.index)):
            return found
        return either(found, self.outside)

    def narrowed(self, e: Expr, found: Interval) -> Interval:
        """The interval with what the facts say."""
        fact = self.facts.get(e)
        if fact is None:
            return found
        lo, hi = both(found, fact)
        # where the facts contradict, this code does not run
        return (fact[0], fact[0]) if below(hi, lo) else (lo, hi)

    def where(self, conjuncts: Iterable[Expr]) -> Self:
        """These ranges and what the conjuncts say of their sides."""
        inner = type(self)(self.variables, self.outside, self.facts)
        facts = dict(self.facts)

        def narrow(e: Expr, to: Interval) -> None:
            if e.is_const:
                return
            lo, hi = both(facts.get(e) or self.of(e), to)
            if not below(hi, lo):
                facts[e] = lo, hi

        for c in conjuncts:
            match c.op:
                case "lt" | "le":
                    (a, b), strict = c.args, int(c.op == "lt")
                    most, least = self.of(b)[1], self.of(a)[0]
                    narrow(a, (None, None if most is None else most - strict))
                    narrow(b, (None if least is None else least + strict, None))
                case "eq" if not isinstance(c.args[0].sort, TableSort):
                    a, b = c.args
                    narrow(a, self.of(b))
                    narrow(b, self.of(a))
                case "not" if c.args[0].op == "eq":
                    a, b = c.args[0].args
                    if b.is_const and not isinstance(a.sort, TableSort):
                        lo, hi = self.of(a)
                        lo = None if lo is None else lo + (b.data == lo)
                        hi = None if hi is None else hi - (b.data == hi)
                        narrow(a, (lo, hi))
        inner.facts = facts
        return inner

    def decide(self, *roots: Expr) -> tuple[Expr, ...]:
        """Return the expressions with a constant for each comparison that the
        ranges decide."""
        by: dict[Expr, Expr] = {}
        for node in subterms(*roots):
            if node.op in ("lt", "le") or (
                node.op == "eq" and not isinstance(node.args[0].sort, TableSort)
            ):
                known = self._decided(node)
                if known is not None:
                    by[node] = known
        return substitute_all(roots, by) if by else roots

    def _decided(self, e: Expr) -> Expr | None:
        (alo, ahi), (blo, bhi) = self.of(e.args[0]), self.of(e.args[1])
        if e.op == "eq":
            if below(ahi, blo) or below(bhi, alo):
                return FALSE
            same = alo is not None and alo == ahi == blo == bhi
            return TRUE if same else None
        if below(bhi, alo) or (e.op == "lt" and alo is not None and alo == bhi):
            return FALSE
        if below(ahi, blo) or (e.op == "le" and ahi is not None and ahi == blo):
            return TRUE
        return None


def _narrowed(plain: Callable[..., Interval]) -> Callable[..., Interval]:
    def read(given: Ranges, e: Expr, *args: Interval) -> Interval:
        return given.narrowed(e, plain(given, e, *args))

    return read


_NARROWED: Algebra[Interval] = {op: _narrowed(f) for op, f in INTERVALS.items()}
"""`INTERVALS`, and of each node what the facts say."""
