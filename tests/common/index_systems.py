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
    Assumption,
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
            at = Valuation(system, state, None, evaluate.arguments(action, raw))
            for assumed in action.assumptions:
                steps[action.name, assumed.why] += at.true(assumed.cut)
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
        first = r.choice((0, 0, 1))
        self.row, self.index = Domain(rows, 0, 1), Domain(INT, first, first + MOST - 1)
        self.near = Domain(INT, first + 1, first + MOST)
        self.fresh = 0
        two = (self.row, self.index)
        self.a = self._table("a", two, BOOL, 1)
        self.b = self._table("b", two, INT, 1)
        self.d = self._table("d", (Domain(INT, 0, 1),), INT, 2)
        self.count = Variable("count", INT, num(0), num(MOST), num(0))
        self.grows = Variable("grows", INT, num(0), num(MOST), num(0))
        self.last = Variable("last", INT, num(0), num(MOST), num(0))
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
        everything = (
            self.a,
            self.b,
            self.d,
            self.count,
            self.grows,
            self.length,
            self.last,
        )
        variables = tuple(v for v in everything if v.name in used or v is self.a)
        asked = [
            Property(f"p{k}", Kind.INVARIANT, self.closed())
            for k in range(self.r.randint(0, 2))
        ]
        if self.r.random() < 0.3:
            asked.append(self.of_step(self.r.choice(actions)))
        read = {
            e.data[0]
            for root in (*(f.expr for a in actions for f in a.formulas()),)
            for e in ir.subterms(root, *(p.formula for p in asked))
            if e.op == "var"
        }
        variables = tuple(v for v in everything if v in variables or v.name in read)
        return TransitionSystem("index", variables, actions, ir.TRUE, {}, {}), tuple(
            asked
        )

    def of_step(self, action: Action) -> Property:
        """A property of the action's steps: of the cells that it changes."""
        has = {p.local for p in action.parameters}
        before = self.condition(has)
        primed = {v.now: v.next for v in (self.a, self.b, self.count, self.last)}
        after = ir.substitute(self.condition(has), primed)
        return Property("s", Kind.STEP, ir.or_(before, after), action.name)

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
            texts = self.r.choice((("due",), ("due", "too")))
            due = tuple(
                Obligation(
                    "assert", ir.or_(self.at(self.v, k), self.told(k)), text, None
                )
                for k in self.index
                for text in texts
            )
        if self.r.random() < 0.15:
            early = ir.or_(self.condition(has), self.condition(has))
            due += (Obligation("assert", early, "early", None, True),)
        cuts = ()
        if self.r.random() < 0.15:
            cuts = (Assumption("cut", ir.and_(*guard[:1], self.condition(has))),)
        return Action(
            f"act{number}",
            tuple(parameters),
            ir.and_(*guard),
            updates,
            result,
            due,
            assumptions=cuts,
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
            lambda: ir.eq(p, num(self.r.choice(list(self.index)))),
            lambda: ir.lt(p, num(self.r.choice(list(self.index)))),
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
            lambda: ir.eq(self.last.now, p),
            lambda: ir.lt(self.last.now, num(self.r.randint(1, MOST))),
            lambda: ir.lt(p, self.fewest(v)),
            lambda: ir.and_(ir.eq(v, other), self.at(v, p), self.at(other, p)),
        ]
        if self.q in has:
            forms += [
                lambda: ir.not_(ir.eq(p, self.q)),
                lambda: self.at(other, self.q),
                lambda: ir.and_(self.at(other, self.q), ir.eq(p, self.q)),
                lambda: ir.and_(
                    ir.eq(v, other), self.at(other, self.q), ir.eq(p, self.q)
                ),
                lambda: ir.lt(p, self.q),
            ]
        return self.r.choice(forms)()

    def fewest(self, row: Expr) -> Expr:
        """The least, or the greatest, number in a row's cells, and more."""
        first, *others = (ir.select(self.b.now, row, num(k)) for k in self.index)
        make = self.r.choice((ir.min_, ir.max_))
        for e in others[self.r.randint(0, 1) :]:
            first = make(first, e)
        return ir.add(first, num(self.r.randint(0, 2)))

    def at_same(self, row: Expr) -> list[Expr]:
        """One condition on some cells of a row."""
        number = self.r.randrange(1000)
        found = []
        for k in list(self.index)[: self.r.choice((MOST, MOST, MOST - 1))]:
            self.r, kept = random.Random(number), self.r
            found.append(self.at(row, k))
            self.r = kept
        return found

    def each(self, op: str, row: Expr | None = None) -> Expr:
        """A condition on all cells, or on those of a row."""
        if self.r.random() < 0.1:
            x = self.binder(self.near)
            y = row if row is not None else ir.const(self.row.sort, 0)
            inside = ir.ne(x, num(self.near.hi))
            return ir.aggregate("any", x, ir.and_(inside, self.at(y, x)))
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
                lambda: self.at(named, self.r.choice(list(self.index))),
            )
        )()

    # -- changes

    def change(self, has: set[Expr]) -> tuple[str, Expr]:
        v, p = self.v, self.p
        other = self.w if self.w in has else v
        a, b = self.a.now, self.b.now
        some = self.r.choice((ir.TRUE, ir.FALSE, self.at(v, p)))

        def row_of(value: Callable[[int], Expr], table: Expr, row: Expr) -> Expr:
            for k in self.index:
                table = ir.store(table, row, num(k), value(k))
            return table

        def moved() -> Expr:
            table = a
            for k in self.index:
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
            for k in self.index:
                at = ir.select(b, v, num(k))
                old = ir.select(table, at)
                more = ir.ite(ir.select(a, v, num(k)), ir.add(old, num(1)), old)
                table = ir.store(table, at, more)
            return table

        def cleared() -> Expr:
            table = a
            for k in self.r.sample([p, *map(num, self.index)], MOST + 1):
                table = ir.store(table, v, k, some if k is p else ir.FALSE)
            return table

        def weighed() -> Expr:
            value = num(0)
            for n, e in enumerate(self.at_same(v)):
                weight = self.r.choice((1, 1, 1, n))
                value = ir.add(value, ir.ite(e, num(weight), num(0)))
            return ir.min_(value, num(MOST))

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
                lambda: ("a", cleared()),
                lambda: ("last", p),
                lambda: ("last", ir.ite(some, p, num(0))),
                lambda: ("count", weighed()),
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
