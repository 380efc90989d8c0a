# SPDX-License-Identifier: GPL-2.0-only
"""The z3 lowering: complete, and equal to the plain reading in both encodings."""

from __future__ import annotations

import pytest
import z3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from poolproof.checker.backends.smt import (
    Bits,
    Encoding,
    Integers,
    Lowering,
    Number,
    Unbounded,
    Value,
    constant,
    raw_of,
    term_of,
    unknown,
)
from poolproof.checker.core import ir
from poolproof.checker.core.evaluate import Undefined, Valuation
from poolproof.checker.core.ir import BOOL, INT, Domain, Expr, num
from poolproof.checker.core.ranges import declared
from poolproof.checker.core.system import TransitionSystem, Variable
from poolproof.checker.engines.unrolling import bounded
from tests.agreement import test_backends as many
from tests.agreement.test_ir_simplify import LOCALS, SYSTEM, VARIABLES, valuation
from tests.common.random_systems import Grammar

ENCODINGS = (Integers(), Bits())


@st.composite
def expressions(draw: st.DrawFn) -> Expr:
    scalars = [v.now for v in VARIABLES if not v.index]
    tables = [v.now for v in VARIABLES if v.index]
    sorts = [v.element for v in VARIABLES]
    domains = (LOCALS[0].data[1], LOCALS[2].data[1])
    g = Grammar(draw, (*scalars, *LOCALS), tables, False, sorts, domains)
    if draw(st.integers(0, 4)) == 4:
        return g.table(draw(st.sampled_from(tables)), 2)
    return g.expr(draw(st.sampled_from(sorts)), draw(st.integers(1, 4)))


def known(encoding: Encoding, at: Valuation) -> Lowering:
    """The valuation's own values as leaves."""
    cells = [
        constant(encoding, c.variable.element, raw)
        for c, raw in zip(SYSTEM.cells, at.state, strict=True)
    ]
    names = {x: constant(encoding, x.sort, raw) for x, raw in at.locals.items()}
    return Lowering(SYSTEM, encoding, cells, None, names)


def unknowns(encoding: Encoding) -> Lowering:
    """Fresh constants as leaves, with the intervals that are declared."""
    cells: list[Value] = []
    for c in SYSTEM.cells:
        lo, hi = declared(c.variable)
        sort = c.variable.element
        if sort is BOOL or isinstance(sort, ir.SetSort):
            cells.append(unknown(encoding, c.name, sort, None))
        else:
            cells.append(encoding.fresh(c.name, lo, hi))
    names = {x: unknown(encoding, x.data[0], x.sort, x.data[1]) for x in LOCALS}
    return Lowering(SYSTEM, encoding, cells, None, names)


def values(low: Lowering, model: z3.ModelRef, value: Value) -> object:
    if isinstance(value, dict):
        return {i: values(low, model, v) for i, v in value.items()}
    return raw_of(model, value)


def model_of(encoding: Encoding, low: Lowering, at: Valuation) -> z3.ModelRef:
    """A model in which the unknown leaves have the valuation's values."""
    solver = z3.Solver()
    fixed = known(encoding, at)
    pairs = list(zip(low.now, fixed.now, strict=True))
    pairs += [(low.locals[x], fixed.locals[x]) for x in low.locals]
    for a, b in pairs:
        solver.add(low.equal(a, b))
    assert solver.check() == z3.sat
    return solver.model()


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(expressions(), st.data())
def test_both_encodings_agree_with_the_plain_reading(
    e: Expr, data: st.DataObject
) -> None:
    at = valuation(data)
    try:
        wanted = at.value(e)
    except Undefined:
        return
    for encoding in ENCODINGS:
        low = unknowns(encoding)
        model = model_of(encoding, low, at)
        value = low(e)
        got = values(low, model, value)
        assert got == wanted, type(encoding).__name__
        for number in value.values() if isinstance(value, dict) else (value,):
            if isinstance(number, Number) and not isinstance(value, dict):
                assert number.lo is None or number.lo <= got
                assert number.hi is None or number.hi >= got
        simple = z3.Solver()
        simple.check()
        folded = known(encoding, at)(e)
        assert values(low, simple.model(), folded) == wanted


NUMBERS = ((0, 1), (0, 2**33), (-5, 4), (-(2**40), -3), (7, 7), (-1, 0))


@pytest.mark.parametrize("a_range", NUMBERS)
@pytest.mark.parametrize("b_range", NUMBERS)
def test_bits_never_overflow(
    a_range: tuple[int, int], b_range: tuple[int, int]
) -> None:
    """Every operation on numbers of any width and sign, at the corners."""
    variables = tuple(
        Variable(n, INT, num(lo), num(hi), None)
        for n, (lo, hi) in (("a", a_range), ("b", b_range))
    )
    system = TransitionSystem("ab", variables, (), ir.TRUE, {}, {})
    a, b = (v.now for v in variables)
    asked = [
        ir.add(a, b, b),
        ir.sub(a, b),
        ir.sub(num(0), b),
        ir.mul(a, b),
        ir.div(a, num(3)),
        ir.mod(a, num(3)),
        ir.mod(b, num(2**16)),
        ir.min_(a, b),
        ir.max_(a, b),
        ir.ite(ir.lt(a, b), a, ir.mul(b, num(-7))),
        ir.lt(a, b),
        ir.le(a, b),
        ir.eq(a, b),
        ir.eq(ir.add(a, num(1)), b),
        ir.mod(ir.add(a, b), num(2**32)),
    ]
    bits = Bits()
    cells: list[Value] = [bits.fresh("a", *a_range), bits.fresh("b", *b_range)]
    low = Lowering(system, bits, cells)
    for x in (a_range[0], a_range[1], sum(a_range) // 2):
        for y in (b_range[0], b_range[1], sum(b_range) // 2):
            solver = z3.Solver()
            for cell, raw in zip(cells, (x, y), strict=True):
                solver.add(low.equal(cell, bits.constant(raw)))
            assert solver.check() == z3.sat
            for e in asked:
                wanted = Valuation(system, (x, y)).raw(e)
                assert raw_of(solver.model(), low(e)) == wanted, (e, x, y)


def test_bits_know_when_a_constant_leaves_its_range() -> None:
    """`within` is about every value of the width, not about the interval."""
    bits = Bits()
    x = bits.fresh("x", 0, 4)
    solver = z3.Solver()
    solver.add(z3.Not(bits.within(x, 0, 4)))
    assert solver.check() == z3.sat
    assert solver.model()[x.term].as_long() > 4
    y = bits.fresh("y", -3, 4)
    solver = z3.Solver()
    solver.add(bits.within(y, -3, 4), z3.Or(y.term < -3, y.term > 4))
    assert solver.check() == z3.unsat


def test_a_number_without_bounds_has_no_bits() -> None:
    with pytest.raises(Unbounded):
        Bits().fresh("x", 0, None)


def test_one_and_true_stay_apart() -> None:
    low = unknowns(Integers())
    assert z3.is_bool(low(ir.TRUE))
    assert isinstance(low(num(1)), Number)
    flag, x = VARIABLES[0].now, VARIABLES[1].now
    both = ir.and_(flag, ir.eq(x, num(1)))
    assert z3.is_and(term_of(low(both)))


def test_a_param_stays_symbolic() -> None:
    low = unknowns(Integers())
    size = Integers().fresh("B", None, None)
    low.params = {"B": size}
    twice = low(ir.mul(ir.param("B"), num(2)))
    assert isinstance(twice, Number)
    solver = z3.Solver()
    solver.add(size.term >= 3, twice.term < 6)
    assert solver.check() == z3.unsat


def test_an_index_that_is_an_expression_reads_every_cell() -> None:
    """t[i + 1] over -1..1 for i in -2..0, cell by cell."""
    i = ir.local("i#read", Domain(INT, -2, 0))
    table = next(v for v in VARIABLES if v.name == "t2")
    e = ir.select(table.now, ir.add(i, num(1)))
    for encoding in ENCODINGS:
        low = unknowns(encoding)
        low.locals[i] = unknown(encoding, "i", INT, i.data[1])
        value = low(e)
        for raw in i.data[1]:
            cell = low.now[SYSTEM.cell_of["t2", (raw + 1,)]]
            solver = z3.Solver()
            solver.add(low.equal(low.locals[i], encoding.constant(raw)))
            solver.add(z3.Not(low.equal(value, cell)))
            assert solver.check() == z3.unsat


def test_numbers_carry_their_interval() -> None:
    """What follows from it (a bound that needs no question) would be wrong."""
    whole = Integers()
    three, wide = whole.constant(3), whole.fresh("w", -2, 5)
    assert (three.lo, three.hi, three.known) == (3, 3, 3)
    either = whole.choose(z3.Bool("c"), three, whole.constant(7))
    assert (either.lo, either.hi) == (3, 7)
    either = whole.choose(z3.Bool("c"), wide, three)
    assert (either.lo, either.hi) == (-2, 5)


@pytest.mark.parametrize("swapped", [False, True])
def test_a_product_of_unknowns_is_a_choice_over_the_smaller(swapped: bool) -> None:
    whole = Integers()
    small, large = whole.fresh("small", -2, 3), whole.fresh("large", 0, 99)
    factors = (large, small) if swapped else (small, large)
    product = whole.mul(*factors)
    assert (product.lo, product.hi) == (-198, 297)
    for x in range(-2, 4):
        at = ((small.term, z3.IntVal(x)), (large.term, z3.IntVal(7)))
        assert z3.simplify(z3.substitute(product.term, *at)).as_long() == 7 * x


def test_an_unknown_set_has_the_name_that_it_is_given() -> None:
    sort = ir.set_sort(Domain(INT, 0, 3))
    named = unknown(Integers(), "chosen", sort, None)
    assert isinstance(named, z3.BitVecRef)
    assert (str(named), named.size()) == ("chosen", 4)


@pytest.mark.parametrize("encoding", ENCODINGS, ids=["integers", "bits"])
@pytest.mark.parametrize(("lo", "hi"), [(-1, 2), (-3, -1), (-4, 3), (0, 2), (2, 5)])
def test_a_number_has_the_values_of_its_range(
    encoding: Encoding, lo: int, hi: int
) -> None:
    """Bits alone would allow more, and fewer where a sign is lost."""
    number = encoding.fresh("n", lo, hi)
    solver = z3.Solver()
    solver.add(*bounded(encoding, number, lo, hi))
    for v in range(lo - 2, hi + 3):
        is_v = encoding.eq(number, encoding.constant(v))
        assert (solver.check(is_v) == z3.sat) == (lo <= v <= hi), v
        for least, most in ((lo, v), (v, hi)):
            if least <= most:
                inside = encoding.within(number, least, most)
                assert (solver.check(is_v, inside) == z3.sat) == (
                    max(lo, least) <= v <= min(hi, most)
                )


def test_truth_values_are_compared_and_chosen_as_by_z3() -> None:
    """What is known of one side is put in; what is unknown stays an equation."""
    low = Lowering(SYSTEM, Bits(), [])
    p, q = z3.Bools("p q")
    values = (z3.BoolVal(True), z3.BoolVal(False), p, q)
    solver = z3.Solver()
    for a in values:
        for b in values:
            assert solver.check(low.equal(a, b) != (a == b)) == z3.unsat
            made = low.choose(z3.Bool("c"), a, b)
            assert solver.check(made != z3.If(z3.Bool("c"), a, b)) == z3.unsat


@pytest.mark.parametrize("encoding", ENCODINGS, ids=["integers", "bits"])
def test_many_expressions_at_once(encoding: Encoding) -> None:
    """Over known leaves, where z3 has nothing to decide."""
    model = z3.Solver()
    model.check()
    nothing = model.model()
    for state in many.states(3):
        names = {x: x.data[1].lo for x in many.LOCALS}
        at = Valuation(many.SYSTEM, state, locals_=names)
        cells = [
            constant(encoding, c.variable.element, value)
            for c, value in zip(many.SYSTEM.cells, state, strict=True)
        ]
        leaves = {x: constant(encoding, x.sort, value) for x, value in names.items()}
        low = Lowering(many.SYSTEM, encoding, cells, None, leaves)
        for e in many.expressions():
            try:
                wanted = at.raw(e)
            except Undefined:
                continue
            assert raw_of(nothing, low(e)) == wanted, e
