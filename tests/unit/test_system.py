# SPDX-License-Identifier: GPL-2.0-only
"""A system's formulas: none is missing, and `map` reaches each of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

from poolproof.checker.core import ir
from poolproof.checker.core.ir import Expr
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.system import (
    Action,
    Obligation,
    Parameter,
    TransitionSystem,
    Variable,
)

N = ir.param("N")
SLOTS = ir.Domain(ir.INT, 0, 3, "SLOTS")
K = ir.local("k", SLOTS)
COUNT = Variable("count", ir.INT, ir.num(0), N, ir.num(1))
PAGE = Variable("page", ir.table_sort((SLOTS,), ir.INT), None, ir.add(N, ir.num(1)), N)
STEP = Action(
    "step",
    (Parameter("k", K),),
    ir.lt(COUNT.now, N),
    {"count": ir.add(COUNT.now, K), "page": ir.store(PAGE.now, K, N)},
    ir.sub(N, K),
    (Obligation("assert", ir.le(COUNT.now, ir.add(N, K)), "", None),),
)
SYSTEM = TransitionSystem(
    "all", (COUNT, PAGE), (STEP,), ir.le(num := ir.num(2), N), {}, {}
)
PROPERTY = Property(
    "p",
    Kind.LEADS_TO,
    ir.lt(N, COUNT.now),
    antecedents=(ir.lt(num, COUNT.now),),
    goal=ir.eq(COUNT.now, num),
)


def expressions(of: object) -> Iterator[Expr]:
    """Every expression that a value's fields hold, found by looking."""
    if isinstance(of, Expr):
        yield of
    elif isinstance(of, Mapping):
        for x in of.values():
            yield from expressions(x)
    elif isinstance(of, tuple):
        for x in of:
            yield from expressions(x)
    elif dataclasses.is_dataclass(of) and not isinstance(of, Parameter):
        for f in dataclasses.fields(of):
            yield from expressions(getattr(of, f.name))


def test_no_formula_is_missing() -> None:
    assert {f.expr for f in SYSTEM.formulas()} == set(expressions(SYSTEM))
    assert len(list(SYSTEM.formulas())) == 11
    assert set(PROPERTY.formulas()) == set(expressions(PROPERTY))


def test_map_reaches_every_formula() -> None:
    def closed(e: Expr) -> Expr:
        return ir.substitute(e, {N: ir.num(3)})

    def params(roots: Iterator[Expr]) -> bool:
        return any(e.op == "param" for e in ir.subterms(*roots))

    assert params(f.expr for f in SYSTEM.formulas())
    done = SYSTEM.map(closed)
    assert not params(f.expr for f in done.formulas())
    assert done.actions[0].updates["page"] is ir.store(PAGE.now, K, ir.num(3))
    assert SYSTEM.map(lambda e: e) == SYSTEM
    assert not params(PROPERTY.map(closed).formulas())


def test_a_formula_says_where_it_stands() -> None:
    where = [f.where for f in SYSTEM.formulas()]
    assert where[:3] == [
        "the initial state",
        "the least value of count",
        "the greatest value of count",
    ]
    assert set(where[6:]) == {"step"}
