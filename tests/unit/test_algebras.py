# SPDX-License-Identifier: GPL-2.0-only
"""The readings of the IR: each has all operators, and the fold is deep."""

from __future__ import annotations

import pytest

from poolproof.checker.backends.c import expressions as c
from poolproof.checker.backends.columns import COLUMNS
from poolproof.checker.backends.promela.expressions import PROMELA
from poolproof.checker.backends.python import PYTHON
from poolproof.checker.backends.smt import LOWER
from poolproof.checker.backends.tla.expressions import TLA
from poolproof.checker.core import ir
from poolproof.checker.core.evaluate import VALUES, Valuation
from poolproof.checker.core.fold import Algebra, fold
from poolproof.checker.core.interval import INTERVALS
from poolproof.checker.core.ir import BINDERS, BUILD, OPERATORS
from poolproof.checker.core.ranges import Ranges
from poolproof.checker.core.show import LONGEST, TEXT
from poolproof.checker.core.system import TransitionSystem, Variable

ALGEBRAS = {
    "values": VALUES,
    "intervals": INTERVALS,
    "text": TEXT,
    "itself": BUILD,
    "python": PYTHON,
    "columns": COLUMNS,
    "c": c.TEXT,
    "promela": PROMELA,
    "tla": TLA,
    "z3": LOWER,
}

X = Variable("x", ir.INT, ir.num(0), ir.num(7), None)
SYSTEM = TransitionSystem("deep", (X,), (), ir.TRUE, {}, {})


@pytest.mark.parametrize("algebra", ALGEBRAS.values(), ids=ALGEBRAS.keys())
def test_every_reading_has_every_operator(algebra: Algebra[object]) -> None:
    assert set(algebra) == set(OPERATORS)


def test_each_node_is_read_once_and_from_the_left() -> None:
    a, b = X.now, ir.num(3)
    shared = ir.min_(a, b)
    e = ir.sub(ir.mul(shared, a), ir.div(shared, b))
    order: list[str] = []

    def seen(_: None, node: ir.Expr, *_args: str) -> str:
        order.append(node.op)
        return node.op

    fold((e, shared), dict.fromkeys(OPERATORS, seen))
    assert order == ["var", "const", "min", "mul", "div", "sub"]


def test_what_is_known_is_not_read_and_a_closed_operator_reads_itself() -> None:
    k = ir.local("k", ir.Domain(ir.INT, 0, 3))
    body = ir.lt(k, X.now)
    e = ir.and_(ir.aggregate("all", k, body), ir.lt(ir.num(2), X.now))
    known = {X.now: "known"}
    fold(
        (e,),
        dict.fromkeys(OPERATORS, lambda _, node, *args: f"{node.op}{len(args)}"),
        known=known,
        closed=BINDERS,
    )
    assert known[X.now] == "known"
    assert k not in known
    assert body not in known
    assert known[e] == "and2"
    assert known[e.args[0]] == "all0"


def test_a_deep_expression_overflows_nothing() -> None:
    """Six levels for each that Python's stack has."""
    e = X.now
    for n in range(3_000):
        e = ir.Expr("max", ir.INT, (ir.Expr("sub", ir.INT, (e, ir.num(1))), ir.num(n)))
    assert e.interval == (2_999, None)
    assert Ranges.of_variables((X,)).of(e) == (2_999, 2_999)
    assert str(e).endswith(" - 1, 2999)")
    assert fold((e,), BUILD)[0].interval == e.interval


def test_the_text_of_a_shared_expression_is_not_written_out() -> None:
    """Each level uses the one below twice: written out, 2^60 of them."""
    e = X.now
    for n in range(60):
        e = ir.Expr("add", ir.INT, (e, ir.Expr("mul", ir.INT, (e, ir.num(n + 2)))))
    assert len(str(e)) < 3 * LONGEST
    assert str(e).startswith("... + ... * 58")


def test_ranges_know_a_guard() -> None:
    ranges = Ranges.of_variables((X,))
    x = X.now
    assert x.interval == (None, None)
    assert ranges.of(x) == (0, 7)
    inside = ranges.where((ir.lt(ir.num(2), x), ir.ne(x, ir.num(7))))
    assert inside.of(x) == (3, 6)
    assert inside.of(ir.mod(x, ir.num(4))) == (0, 3)
    assert inside.of(ir.div(ir.sub(x, ir.num(9)), ir.num(2))) == (-3, -2)
    (e,) = inside.decide(ir.or_(ir.eq(x, ir.num(1)), ir.le(x, ir.num(5))))
    assert e is ir.le(x, ir.num(5))
    assert inside.decide(ir.lt(x, ir.num(7))) == (ir.TRUE,)
    assert Valuation(SYSTEM, (5,)).true(e)
