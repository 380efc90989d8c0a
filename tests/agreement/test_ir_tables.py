# SPDX-License-Identifier: GPL-2.0-only
"""Tables under long chains of stores and choices, against the plain reading.

Random tables are built twice, node by node and by the constructors, which
push choices into stored values, drop what is overwritten and write uncertain
indices out. Both must read the same wherever the first has a value.
"""

from __future__ import annotations

from random import Random

import pytest

from poolproof.checker.core import ir
from poolproof.checker.core.evaluate import Undefined, Valuation
from poolproof.checker.core.ir import BOOL, INT, Expr, Sort
from tests.agreement.test_ir_simplify import LOCALS, SYSTEM, VARIABLES, Raw, simplified

RAW = Raw()
SCALARS = [v.now for v in VARIABLES if not v.index]
TABLES = [v.now for v in VARIABLES if v.index]


class Builder:
    """Raw tables over one variable, with few different indices."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.base = random.choice(TABLES)
        assert isinstance(self.base.sort, ir.TableSort)
        self.sort = self.base.sort
        self.pool = [self.index(2) for _ in range(4)]

    def leaf(self, sort: Sort) -> Expr:
        known = [x for x in (*SCALARS, *LOCALS) if x.sort is sort]
        return self.random.choice([*known, ir.const(sort, self.random.randint(0, 1))])

    def value(self, sort: Sort, depth: int) -> Expr:
        chance, d = self.random.random(), depth - 1
        tables = [t for t in TABLES if t.sort.element is sort]  # type: ignore[attr-defined]
        if depth > 0 and sort is INT and chance < 0.3:
            return RAW.add(self.value(INT, d), self.value(INT, d))  # type: ignore[operator]
        if depth > 0 and tables and chance < 0.6:
            t = self.random.choice(tables)
            return RAW.select(t, *(self.value(x.sort, d) for x in t.sort.index))  # type: ignore[attr-defined]
        if depth > 0 and chance < 0.7:
            return RAW.ite(self.truth(d), self.value(sort, d), self.value(sort, d))
        return self.leaf(sort)

    def truth(self, depth: int) -> Expr:
        sort = self.random.choice((INT, self.sort.index[0].sort, BOOL))
        if sort is BOOL:
            return self.leaf(BOOL)
        return RAW.eq(self.value(sort, depth), self.value(sort, depth))  # type: ignore[operator]

    def index(self, depth: int) -> tuple[Expr, ...]:
        return tuple(self.value(d.sort, depth) for d in self.sort.index)

    def table(self, t: Expr, steps: int, depth: int) -> Expr:
        for _ in range(steps):
            if depth and self.random.random() < 0.45:
                sides = (
                    self.table(t, self.random.randint(0, 3), depth - 1)
                    for _ in range(2)
                )
                t = RAW.ite(self.truth(1), *sides)
            else:
                often = self.random.random() < 0.7
                at = self.random.choice(self.pool) if often else self.index(1)
                t = RAW.store(t, *at, self.value(self.sort.element, 1))
        return t


def valuation(random: Random) -> Valuation:
    cells = tuple(
        random.randint(c.variable.lo.data, c.variable.hi.data)  # type: ignore[union-attr]
        for c in SYSTEM.cells
    )
    names = {x: random.choice([*x.data[1]]) for x in LOCALS}
    return Valuation(SYSTEM, cells, locals_=names)


def compare(seeds: range) -> int:
    compared = 0
    for seed in seeds:
        random = Random(seed)
        b = Builder(random)
        raw = b.table(b.base, random.randint(2, 5), 3)
        smart = simplified(raw)
        indices, below = set(), smart
        while below.op == "store":
            assert below.args[1:-1] not in indices, seed
            indices.add(below.args[1:-1])
            below = below.args[0]
        assert below is b.base, seed
        for _ in range(12):
            at = valuation(random)
            try:
                wanted = at.value(raw)
            except Undefined:
                continue
            assert at.value(smart) == wanted, seed
            assert at.true(ir.defined(smart)), seed
            compared += 1
    return compared


def test_tables() -> None:
    assert compare(range(60)) > 320


@pytest.mark.slow
def test_more_tables() -> None:
    assert compare(range(60, 6000)) > 10_000


def test_a_chain_has_each_index_once() -> None:
    """However often a loop writes, the chain is as long as the table."""
    t = next(v.now for v in VARIABLES if v.name == "t0")
    assert isinstance(t.sort, ir.TableSort)
    x, flag = VARIABLES[1].now, VARIABLES[0].now
    value, chain = t, 0
    for k in range(50):
        i = ir.const(t.sort.index[0].sort, k % 2)
        changed = ir.store(value, i, ir.add(x, ir.num(k)))
        value = ir.ite(ir.lt(x, ir.num(k)), changed, ir.ite(flag, value, t))
    below = value
    while below.op == "store":
        below, chain = below.args[0], chain + 1
    assert chain == 2


def test_outside_a_table_nothing_is_stored() -> None:
    t = next(v.now for v in VARIABLES if v.name == "t0")
    b = next(x for x in LOCALS if x.data[0].startswith("b"))
    none = ir.const(b.sort, 2)
    assert ir.store(t, none, ir.num(1)) is t
    at = valuation(Random(0))
    at.locals[b] = 2
    assert at.value(ir.store(t, b, ir.num(5))) == at.value(t)
    assert at.true(ir.defined(ir.store(t, b, ir.num(5))))
    assert not at.true(ir.defined(ir.select(t, b)))
