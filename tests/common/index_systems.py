# SPDX-License-Identifier: GPL-2.0-only
"""Small random systems whose tables are indexed by ints, and a test of quotients.

`index_system` draws guards, changes and properties from forms that treat all
indices alike, and from forms that do not: an index by its number, in order,
counted by a variable, or in two rows at once. Which of them a system has, and
whether its indices are interchangeable, nobody says: `unlike` compares all states
that a canonical form takes for one.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from poolproof.checker.core import evaluate, ir
from poolproof.checker.core.evaluate import Valuation
from poolproof.checker.core.ir import BOOL, INT, Domain, Expr, num
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.system import (
    Action,
    Obligation,
    Parameter,
    State,
    TransitionSystem,
    Variable,
)

MOST = 3
"""The greatest index, and the greatest value of the variable that grows."""

Canonical = Callable[[State], State]


def unlike(
    system: TransitionSystem,
    properties: Sequence[Property],
    states: Iterable[State],
    canonical: Canonical,
) -> str:
    """Return how two of the states with one canonical form differ, or ''. They are
    alike if each action leads to the same forms, equally often and with the same
    results and failures, and each property has one value for both."""
    known: dict[State, tuple[State, object]] = {}
    for state in states:
        seen = _seen(system, properties, state, canonical)
        first, expected = known.setdefault(canonical(state), (state, seen))
        if seen != expected:
            return f"{first} does {expected}, and {state} does {seen}"
    return ""


def _seen(
    system: TransitionSystem,
    properties: Sequence[Property],
    state: State,
    canonical: Canonical,
) -> object:
    steps: Counter[object] = Counter()
    for action in system.actions:
        for raw in action.valuations():
            broken = evaluate.broken(system, action, state, raw)
            if broken is not None:
                steps[action.name, broken.message] += 1
                continue
            step = evaluate.successor(system, action, state, raw)
            if step is None:
                continue
            after, result = step
            if evaluate.out_of_range(system, after) is not None:
                steps[action.name, "leaves its range"] += 1
                continue
            at = Valuation(system, state, after, evaluate.arguments(action, raw))
            values = [at.true(p.formula) for p in properties if p.about(action)]
            steps[action.name, result, canonical(after), *values] += 1
    here = Valuation(system, state)
    return steps, [here.true(p.formula) for p in properties if p.kind.of_states]


def index_system(seed: int) -> tuple[TransitionSystem, tuple[Property, ...]]:
    """Return the system of this number, and its properties."""
    return _Draw(random.Random(seed)).system()


class _Draw:
    """The expressions of one system."""

    def __init__(self, r: random.Random) -> None:
        self.r = r
        rows = ir.scalar_sort("INDEX_ROWS", 2, "r", r.random() < 0.6)
        self.row, self.index = Domain(rows, 0, 1), Domain(INT, 0, MOST - 1)
        self.fresh = 0
        two = (self.row, self.index)
        self.a = self._table("a", two, BOOL, 1)
        self.b = self._table("b", two, INT, 1)
        self.d = self._table("d", (Domain(INT, 0, 1),), INT, 2)
        self.count = Variable("count", INT, num(0), num(MOST), num(0))
        self.grows = Variable("grows", INT, num(0), num(MOST), num(0))
        self.length = self._table("length", (self.row,), INT, MOST)
        self.v, self.w = ir.local("v", self.row), ir.local("w", self.row)
        self.p, self.q = ir.local("p", self.index), ir.local("q", self.index)

    def _table(
        self, name: str, index: tuple[Domain, ...], element: ir.Sort, hi: int
    ) -> Variable:
        sort = ir.table_sort(index, element)
        lo, zero = ir.const(element, 0), ir.const(element, 0)
        return Variable(name, sort, lo, ir.const(element, hi), zero)

    def system(self) -> tuple[TransitionSystem, tuple[Property, ...]]:
        actions = tuple(self.action(k) for k in range(self.r.randint(1, 3)))
        used = {n for a in actions for n in a.updates}
        everything = (self.a, self.b, self.d, self.count, self.grows, self.length)
        variables = tuple(v for v in everything if v.name in used or v is self.a)
        asked = tuple(
            Property(f"p{k}", Kind.INVARIANT, self.closed())
            for k in range(self.r.randint(0, 2))
        )
        read = {
            e.data[0]
            for root in (*(f.expr for a in actions for f in a.formulas()),)
            for e in ir.subterms(root, *(p.formula for p in asked))
            if e.op == "var"
        }
        variables = tuple(v for v in everything if v in variables or v.name in read)
        return TransitionSystem("index", variables, actions, ir.TRUE, {}, {}), asked

    def action(self, number: int) -> Action:
        parameters = [Parameter(x.data[0], x) for x in (self.v, self.p)]
        if self.r.random() < 0.5:
            parameters.append(Parameter("w", self.w))
        if self.r.random() < 0.2:
            parameters.append(Parameter("q", self.q))
        has = {p.local for p in parameters}
        guard = [self.condition(has) for _ in range(self.r.randint(0, 2))]
        updates: dict[str, Expr] = {}
        for _ in range(self.r.randint(1, 3)):
            name, value = self.change(has)
            updates.setdefault(name, value)
        if "grows" in updates:
            guard.append(ir.lt(self.grows.now, num(MOST)))
        result = self.condition(has) if self.r.random() < 0.3 else None
        due = ()
        if self.r.random() < 0.2:
            due = tuple(
                Obligation(
                    "assert", ir.or_(self.at(self.v, k), self.told(k)), "due", None
                )
                for k in range(MOST)
            )
        return Action(
            f"act{number}", tuple(parameters), ir.and_(*guard), updates, result, due
        )

    # -- cells

    def at(self, row: Expr, index: Expr | int) -> Expr:
        """A condition on one cell."""
        i = num(index) if isinstance(index, int) else index
        cell = ir.select(self.a.now, row, i)
        other = ir.eq(ir.select(self.b.now, row, i), num(self.one))
        return self.r.choice((cell, ir.not_(cell), other))

    @property
    def one(self) -> int:
        return self.r.randint(0, 1)

    def told(self, k: int) -> Expr:
        """Something that depends on the number of the index, or does not."""
        return self.r.choice(
            (
                ir.lt(num(k), ir.select(self.length.now, self.v)),
                ir.le(num(1), self.count.now),
                ir.eq(self.grows.now, num(k)),
            )
        )

    def binder(self, domain: Domain) -> Expr:
        self.fresh += 1
        return ir.local(f"x{self.fresh}", domain)

    # -- conditions

    def condition(self, has: set[Expr]) -> Expr:
        v, p = self.v, self.p
        other = self.w if self.w in has else v
        forms = [
            lambda: self.at(v, p),
            lambda: self.at(v, p),
            lambda: self.at(v, p),
            self.closed,
            self.closed,
            lambda: ir.eq(p, num(self.r.randrange(MOST))),
            lambda: ir.lt(p, num(self.r.randrange(MOST))),
            lambda: ir.eq(p, ir.add(self.grows.now, num(self.r.randint(-1, 1)))),
            lambda: ir.le(p, self.grows.now),
            lambda: ir.lt(self.grows.now, p),
            lambda: ir.and_(
                ir.eq(self.grows.now, num(self.one)), ir.eq(p, num(self.one + 1))
            ),
            lambda: ir.lt(p, ir.select(self.length.now, v)),
            lambda: ir.lt(p, self.count.now),
            lambda: self.at(other, p),
            lambda: ir.and_(self.at(v, p), self.at(other, p)),
            lambda: self.each("any", v),
            lambda: ir.or_(*(self.at_same(v))),
            lambda: ir.not_(ir.eq(v, other)),
        ]
        if self.q in has:
            forms += [lambda: ir.not_(ir.eq(p, self.q)), lambda: self.at(other, self.q)]
        return self.r.choice(forms)()

    def at_same(self, row: Expr) -> list[Expr]:
        """One condition on some cells of a row."""
        number = self.r.randrange(1000)
        found = []
        for k in range(self.r.choice((MOST, MOST, MOST - 1))):
            self.r, kept = random.Random(number), self.r
            found.append(self.at(row, k))
            self.r = kept
        return found

    def each(self, op: str, row: Expr | None = None) -> Expr:
        """A condition on all cells, or on those of a row."""
        x = self.binder(self.index)
        if row is not None:
            return ir.aggregate(op, x, self.at(row, x))
        y = self.binder(self.row)
        if self.r.random() < 0.3:
            inner = ir.aggregate("any", y, self.at(y, x))
            return ir.aggregate(op, x, inner)
        return ir.aggregate(op, y, ir.aggregate(op, x, self.at(y, x)))

    def closed(self) -> Expr:
        """A condition on the state alone."""
        x, y = self.binder(self.index), self.binder(self.row)
        number = ir.ite(self.at(y, x), num(1), num(0))
        total = ir.aggregate("sum", y, ir.aggregate("sum", x, number))
        named = ir.const(self.row.sort, self.one)
        return self.r.choice(
            (
                lambda: ir.lt(total, num(self.r.randint(1, 5))),
                lambda: ir.le(self.count.now, num(self.r.randint(0, MOST))),
                lambda: ir.lt(self.grows.now, num(MOST)),
                lambda: self.each("any"),
                lambda: self.each("all"),
                lambda: ir.or_(*self.at_same(named)),
                lambda: self.at(named, self.r.randrange(MOST)),
            )
        )()

    # -- changes

    def change(self, has: set[Expr]) -> tuple[str, Expr]:
        v, p = self.v, self.p
        other = self.w if self.w in has else v
        a, b = self.a.now, self.b.now
        some = self.r.choice((ir.TRUE, ir.FALSE, self.at(v, p)))

        def row_of(value: Callable[[int], Expr], table: Expr, row: Expr) -> Expr:
            for k in range(MOST):
                table = ir.store(table, row, num(k), value(k))
            return table

        def moved() -> Expr:
            table = a
            for k in range(MOST):
                table = ir.store(table, v, num(k), ir.select(a, other, num(k)))
                table = ir.store(table, other, num(k), ir.FALSE)
            return table

        def counted() -> Expr:
            value = self.count.now
            for e in self.at_same(v):
                value = ir.ite(e, ir.add(value, num(1)), value)
            return ir.ite(ir.le(value, num(MOST)), value, num(0))

        def credited() -> Expr:
            table = self.d.now
            for k in range(MOST):
                at = ir.select(b, v, num(k))
                old = ir.select(table, at)
                more = ir.ite(ir.select(a, v, num(k)), ir.add(old, num(1)), old)
                table = ir.store(table, at, more)
            return table

        def mixed(k: int) -> Expr:
            return ir.and_(ir.select(a, v, num(k)), self.told(k))

        return self.r.choice(
            (
                lambda: ("a", ir.store(a, v, p, some)),
                lambda: ("a", ir.store(a, v, p, ir.not_(ir.select(a, v, p)))),
                lambda: ("a", ir.store(a, v, p, ir.TRUE)),
                lambda: ("b", ir.store(b, v, p, num(1))),
                lambda: (
                    "b",
                    ir.store(b, v, p, ir.sub(num(1), ir.select(b, v, p))),
                ),
                lambda: ("a", row_of(lambda _: ir.FALSE, a, v)),
                lambda: ("b", row_of(lambda _: num(0), b, v)),
                lambda: ("a", row_of(mixed, a, v)),
                lambda: ("a", row_of(lambda k: ir.select(a, other, num(k)), a, v)),
                lambda: ("a", ir.store(a, v, p, ir.select(a, other, p))),
                lambda: ("a", moved()),
                lambda: ("count", counted()),
                lambda: ("d", credited()),
                lambda: ("grows", ir.add(self.grows.now, num(1))),
                lambda: ("grows", ir.add(self.grows.now, num(1))),
                lambda: (
                    "length",
                    ir.store(
                        self.length.now, v, num(self.r.choice((0, MOST, MOST, 1)))
                    ),
                ),
            )
        )()
