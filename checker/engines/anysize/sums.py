# SPDX-License-Identifier: GPL-2.0-only
"""Sums over open domains: what named elements add, and a rest.

A sum is distributed over +, conditions are pushed in, and sums of sums become one
over several elements. What does not depend on the element is taken out as a case.
Then the sum is taken apart at every term t of which its conditions say ``x == t``:
what t adds, if it is in the domain and no earlier term is the same, and the rest,
where ``x == t`` is false. Rests of a state before and after a step are the same
node where the step touches only elements that it names, and cancel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import z3

from poolproof.checker.core import ir
from poolproof.checker.core.ir import BINDERS, BOOL, Expr, last
from poolproof.checker.core.limits import tick
from poolproof.checker.engines.anysize.building import (
    choice,
    conjunction,
    less,
    minus,
    plus,
    times,
)
from poolproof.checker.engines.anysize.formulas import captures, one_point

_CASES = 10
"""Cases on what does not depend on the element, at most, one inside another."""
_INTERVALS = 6
_ZERO, _ONE, _MINUS_ONE = z3.IntVal(0), z3.IntVal(1), z3.IntVal(-1)


class Terms(Protocol):
    """What puts expressions into z3's terms."""

    def lower(self, e: Expr) -> Any: ...
    def inside(self, e: Expr, domain: ir.Domain) -> Any: ...


@dataclass(frozen=True)
class Rest:
    """The sum of ``weight`` over the elements that no term names and of which
    the condition holds. ``named``: for each binder, the terms that do."""

    binders: tuple[Expr, ...]
    named: tuple[tuple[Expr, ...], ...]
    condition: Expr
    weight: Expr
    term: Any
    least: int | None

    @property
    def free(self) -> frozenset[Expr]:
        """The locals that it depends on."""
        every = self.condition.free | self.weight.free
        return every - frozenset(self.binders)


class Sums:
    """The sums of one question. ``known``: by domain, the terms that sums are
    taken apart at. ``grew``: one more was found, and all must be done again."""

    def __init__(self, terms: Terms, known: dict[Any, list[Expr]]) -> None:
        self.terms = terms
        self.known = {d: list(ts) for d, ts in known.items()}
        self.grew = False
        self.rests: dict[tuple[Any, ...], Rest] = {}
        self.done: dict[tuple[Any, ...], Any] = {}

    def term(self, e: Expr) -> Any:
        """Return the z3 term of a `sum`."""
        return self.total(e, None)

    def unnamed(self, x: Expr, body: Expr) -> Any:
        """Return the z3 term of the sum of ``body`` over those x that no term names."""
        return self.total(body, x)

    def total(self, e: Expr, unnamed: Expr | None) -> Any:
        total: list[Any] = []
        over = () if unnamed is None else (unnamed,)
        for factor, binders, condition, weight in self.parts(e, ir.TRUE, over):
            ordered = tuple(sorted(binders, key=_rank))
            value = self.apart(ordered, (), condition, weight, 0, unnamed)
            total.append(value if factor == 1 else times(z3.IntVal(factor), value))
        return plus(total)

    def parts(
        self, e: Expr, condition: Expr, binders: tuple[Expr, ...]
    ) -> Iterator[tuple[int, tuple[Expr, ...], Expr, Expr]]:
        """Yield (factor, binders, condition, weight) that e is the sum of."""
        tick()
        if condition is ir.FALSE:
            return
        inner: list[tuple[int, Expr, Expr]] = []
        """(factor, expression, its condition)"""
        match e.op:
            case "const":
                if e.data:
                    yield e.data, binders, condition, ir.num(1)
            case "add":
                inner = [(1, a, condition) for a in e.args]
            case "sub":
                inner = [(1, e.args[0], condition), (-1, e.args[1], condition)]
            case "mul" if e.args[1].is_const:
                inner = [(e.args[1].data, e.args[0], condition)]
            case "ite":
                c, a, b = e.args
                inner = [
                    (1, a, ir.and_(condition, c)),
                    (1, b, ir.and_(condition, ir.not_(c))),
                ]
            case "sum":
                binder = ir.binder_of(e)
                if binder in binders:
                    raise ir.SortError(f"{e}: a name is bound twice")
                inner, binders = [(1, e.args[0], condition)], (*binders, binder)
            case _:
                yield 1, binders, condition, e
        for by, part, where in inner:
            for factor, xs, c, weight in self.parts(part, where, binders):
                yield factor * by, xs, c, weight

    # -- taking apart --

    def apart(
        self,
        binders: tuple[Expr, ...],
        rests: tuple[Expr, ...],
        condition: Expr,
        weight: Expr,
        cases: int,
        unnamed: Expr | None = None,
    ) -> Any:
        """Return the sum over the binders, and over what no term names of the
        domains of ``rests``, and of the binder ``unnamed``."""
        if unnamed not in binders:
            unnamed = None
        key = (binders, rests, condition, weight, unnamed)
        if key not in self.done:
            self.done[key] = self.taken_apart(*key, cases)
        return self.done[key]

    def taken_apart(
        self,
        binders: tuple[Expr, ...],
        rests: tuple[Expr, ...],
        condition: Expr,
        weight: Expr,
        unnamed: Expr | None,
        cases: int,
    ) -> Any:
        tick(4)
        if condition is ir.FALSE or weight is ir.num(0):
            return z3.IntVal(0)
        bound = frozenset((*binders, *rests))
        fixed = _fixed(condition, bound) or _fixed(weight, bound)
        if fixed is not None and cases < _CASES:
            yes, no = (
                self.apart(
                    binders,
                    rests,
                    ir.substitute(condition, {fixed: truth}),
                    ir.substitute(weight, {fixed: truth}),
                    cases + 1,
                    unnamed,
                )
                for truth in (ir.TRUE, ir.FALSE)
            )
            return choice(self.terms.lower(fixed), yes, no)
        if not binders:
            if not rests:
                return self.terms.lower(ir.ite(condition, weight, ir.num(0)))
            return self.rest(rests, condition, weight)
        x, *others = binders

        def inner(where: Expr, value: Expr, more: tuple[Expr, ...] = ()) -> Any:
            seen = (*rests, *more)
            return self.apart(tuple(others), seen, where, value, cases, unnamed)

        point = self.point(x, condition, weight, bound)
        if point is not None:
            by = {x: point}
            there = [ir.ne(point, ir.const(point.sort, -1))]
            if x is unnamed:
                named = self.named(x, (condition, weight), bound)
                there += [ir.ne(point, t) for t in named]
            where, value = ir.substitute_all((condition, weight), by)
            return inner(ir.and_(*there, where), value)
        domain = x.data[1]
        named = self.named(x, (condition, weight), bound)
        total = []
        for k, t in enumerate(named if x is not unnamed else ()):
            where, value = ir.substitute_all((condition, weight), {x: t})
            mine = inner(where, value)
            new = [self.terms.lower(ir.ne(t, u)) for u in named[:k]]
            counts = conjunction([self.terms.inside(t, domain), *new])
            total.append(choice(counts, mine, _ZERO))
        canonical = _unnamed(len(rests), domain, condition.free | weight.free)
        by = {ir.eq(x, t): ir.FALSE for t in named}
        by |= {ir.eq(t, x): ir.FALSE for t in named}
        condition, weight = ir.substitute_all((condition, weight), by)
        condition, weight = ir.substitute_all((condition, weight), {x: canonical})
        total.append(inner(condition, weight, (canonical,)))
        return plus(total)

    def point(
        self, x: Expr, condition: Expr, weight: Expr, bound: frozenset[Expr]
    ) -> Expr | None:
        """Return the t of a condition ``x == t and ...``, where t depends on other
        elements of the sum: x is no other element, and none if t is none."""
        for part in condition.args if condition.op == "and" else (condition,):
            t = one_point(x, part)
            if t is None or t.free.isdisjoint(bound):
                continue
            if not captures(condition, t) and not captures(weight, t):
                return t
        return None

    def named(
        self, x: Expr, formulas: tuple[Expr, ...], bound: frozenset[Expr]
    ) -> list[Expr]:
        """Return the terms at which sums over the element's domain are taken
        apart, and note those that these formulas compare it with."""
        domain = x.data[1]
        known = self.known.setdefault(domain, [])
        for e in ir.subterms(*formulas):
            if e.op != "eq" or x not in e.args:
                continue
            a, b = e.args
            other = b if a is x else a
            free = other.free.isdisjoint(bound)
            free = free and not any(captures(f, other) for f in formulas)
            if free:
                self.name(domain, other)
        return known

    def name(self, domain: Any, term: Expr) -> None:
        """Take sums over the domain apart at the term, too."""
        known = self.known.setdefault(domain, [])
        if term not in known:
            known.append(term)
            self.grew = True

    def rest(self, binders: tuple[Expr, ...], condition: Expr, weight: Expr) -> Any:
        named = tuple(tuple(self.known[b.data[1]]) for b in binders)
        key = (binders, named, condition, weight)
        if key not in self.rests:
            least = weight.interval[0]
            self.rests[key] = Rest(
                binders,
                named,
                condition,
                weight,
                z3.Int(f"rest {len(self.rests)}"),
                0 if least is not None and least >= 0 else None,
            )
        return self.rests[key].term

    # -- what is known of counts --

    def counted(
        self,
        binders: tuple[Expr, ...],
        named: tuple[tuple[Expr, ...], ...],
        conditions: list[Expr],
    ) -> Iterator[tuple[Expr, Any]]:
        """Yield conditions on one element, each with the number of unnamed
        elements of which it holds: all, and intervals of integers."""
        if len(binders) != 1:
            return
        (x,) = binders
        domain = x.data[1]
        yield ir.TRUE, self.interval(x, named[0], None, None)
        if domain.sort is not ir.INT:
            return
        lows: dict[Expr, None] = {}
        highs: dict[Expr, None] = {}
        for e in ir.subterms(*conditions):
            if e.op not in ("lt", "le"):
                continue
            a, b = e.args
            strict = ir.num(int(e.op == "lt"))
            if b is x and x not in a.free:
                lows[ir.add(a, strict)] = None
            if a is x and x not in b.free:
                highs[ir.sub(ir.add(b, ir.num(1)), strict)] = None
        pairs: list[tuple[Expr | None, Expr | None]] = []
        pairs += [(a, None) for a in lows] + [(None, b) for b in highs]
        pairs += [(a, b) for a in lows for b in highs]
        for low, high in pairs[:_INTERVALS]:
            yield _between(x, low, high), self.interval(x, named[0], low, high)

    def interval(
        self,
        x: Expr,
        known: tuple[Expr, ...],
        low: Expr | None,
        high: Expr | None,
    ) -> Any:
        """Return how many unnamed values of x's domain are in low..high - 1."""
        domain = x.data[1]
        lower = self.terms.lower
        first, end = z3.IntVal(domain.lo), plus((lower(domain.end), _ONE))
        if low is not None:
            first = choice(less(first, lower(low)), lower(low), first)
        if high is not None:
            end = choice(less(lower(high), end), lower(high), end)
        total = [choice(less(first, end), minus(end, first), _ZERO)]
        for k, t in enumerate(known):
            new = [lower(ir.ne(t, u)) for u in known[:k]]
            value = _between(t, low, high)
            counts = conjunction([self.terms.inside(t, domain), *new, lower(value)])
            total.append(choice(counts, _MINUS_ONE, _ZERO))
        return plus(total)


def _between(e: Expr, low: Expr | None, high: Expr | None) -> Expr:
    return ir.and_(
        ir.TRUE if low is None else ir.le(low, e),
        ir.TRUE if high is None else ir.lt(e, high),
    )


def _unnamed(number: int, domain: ir.Domain, taken: frozenset[Expr]) -> Expr:
    """The element that no term names; not one of an outer sum."""
    while True:
        over = f"{domain.sort} {domain.lo} to {last(domain)}"
        e = ir.local(f"unnamed {number} of {over}", domain)
        if e not in taken:
            return e
        number += 1


def _rank(binder: Expr) -> tuple[bool, str, str]:
    """Elements of scalarsets first, then integers."""
    domain = binder.data[1]
    return domain.sort is ir.INT, str(domain.sort), str(last(domain))


def _fixed(e: Expr, bound: frozenset[Expr]) -> Expr | None:
    """Return a condition inside e that does not depend on what is bound."""
    stack: list[tuple[Expr, frozenset[Expr]]] = [(e, bound)]
    seen: set[Expr] = set()
    while stack:
        node, names = stack.pop()
        if node in seen or node.is_const:
            continue
        seen.add(node)
        if node.sort is BOOL and node.free.isdisjoint(names):
            return node
        if node.op in BINDERS:
            names = names | {ir.binder_of(node)}
        stack += [(a, names) for a in reversed(node.args)]
    return None
