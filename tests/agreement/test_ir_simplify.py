# SPDX-License-Identifier: GPL-2.0-only
"""Every simplification of the IR's constructors, against z3.

Random expressions are built twice: as they are (`Raw`: no constructor
simplifies anything) and by the constructors. z3 proves that both mean the
same for every state and argument in which the first has a value, and that the
second then has one too (a simplification must not read a table where the
expression did not). A second test says the same with the plain reading only.
"""

from __future__ import annotations

from itertools import product

import z3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from poolproof.checker.backends.smt import (
    LOWER,
    Bits,
    Lowering,
    Number,
    Term,
    Value,
    unknown,
)
from poolproof.checker.core import ir
from poolproof.checker.core.evaluate import Undefined, Valuation
from poolproof.checker.core.fold import fold
from poolproof.checker.core.ir import BOOL, INT, Domain, Expr, SetSort, Sort, num
from poolproof.checker.core.ranges import Ranges
from poolproof.checker.core.system import TransitionSystem, Variable
from tests.common.random_systems import Grammar


class Raw:
    """The constructors' names, building nodes without looking at them."""

    @staticmethod
    def aggregate(op: str, binder: Expr, body: Expr) -> Expr:
        sort = ir.set_sort(binder.data[1]) if op == "setof" else body.sort
        return Expr(op, sort, (body,), binder.data)

    @staticmethod
    def single(e: Expr, domain: Domain) -> Expr:
        return Expr("single", ir.set_sort(domain), (e,))

    @staticmethod
    def fill(sort: Sort, value: Expr) -> Expr:
        return Expr("fill", sort, (value,))

    @staticmethod
    def select(table: Expr, *index: Expr) -> Expr:
        assert isinstance(table.sort, ir.TableSort)
        return Expr("select", table.sort.element, (table, *index))

    @staticmethod
    def store(table: Expr, *index_and_value: Expr) -> Expr:
        return Expr("store", table.sort, (table, *index_and_value))

    @staticmethod
    def ite(c: Expr, a: Expr, b: Expr) -> Expr:
        return Expr("ite", a.sort, (c, a, b))

    def __getattr__(self, name: str) -> object:
        op = {"member": "in"}.get(name, name.rstrip("_"))
        of_sets = op in ("union", "inter", "diff")
        boolean = op in ("not", "and", "or", "eq", "lt", "le", "in")

        def build(*args: Expr) -> Expr:
            sort = args[0].sort if of_sets else BOOL if boolean else INT
            return Expr(op, sort, args)

        return build


THINGS = ir.scalar_sort("SIMPLE_THINGS", 2, "t")
MOOD = ir.enum_sort("SimpleMood", ("GOOD", "BAD", "UGLY"))
THING_D, SLOT_D = Domain(THINGS, 0, 1), Domain(INT, -1, 1)
FLAG_D, MOOD_D = Domain(BOOL, 0, 1), Domain(MOOD, 0, 2)
SETS = ir.set_sort(THING_D), ir.set_sort(SLOT_D)
SET_D = Domain(SETS[0], 0, 3)


def _variables() -> tuple[Variable, ...]:
    found = []
    elements = (
        (BOOL, 0, 1),
        (INT, -3, 4),
        (INT, 0, 2),
        (MOOD, 0, 2),
        (THINGS, 0, 2),
        (SETS[0], 0, 3),
        (SETS[1], 0, 7),
    )
    for k, (sort, lo, hi) in enumerate(elements):
        found.append(Variable(f"x{k}", sort, num(lo), num(hi), None))
    tables = (
        ((THING_D,), INT, -1, 2),
        ((THING_D,), BOOL, 0, 1),
        ((SLOT_D,), THINGS, 0, 2),
        ((THING_D, SLOT_D), INT, 0, 1),
        ((FLAG_D,), INT, -1, 2),
        ((MOOD_D, FLAG_D), BOOL, 0, 1),
        ((SET_D,), BOOL, 0, 1),
    )
    for k, (index, sort, lo, hi) in enumerate(tables):
        sort = ir.table_sort(index, sort)
        found.append(Variable(f"t{k}", sort, num(lo), num(hi), None))
    return tuple(found)


VARIABLES = _variables()
SYSTEM = TransitionSystem("all", VARIABLES, (), ir.TRUE, {}, {})
LOCALS = (
    ir.local("a#simplify", THING_D),
    ir.local("b#simplify", Domain(THINGS, 0, 2)),
    ir.local("i#simplify", SLOT_D),
    ir.local("j#simplify", Domain(INT, 0, 3)),
)


@st.composite
def raw_expressions(draw: st.DrawFn) -> Expr:
    """An expression over `VARIABLES` and `LOCALS` that nobody simplified."""
    scalars = [v.now for v in VARIABLES if not v.index]
    tables = [v.now for v in VARIABLES if v.index]
    sorts: list[Sort] = [BOOL, INT, MOOD, THINGS, *SETS]
    g = Grammar(draw, (*scalars, *LOCALS), tables, False, sorts, (THING_D, SLOT_D))
    g.build = Raw()
    sort = draw(st.sampled_from((BOOL, BOOL, INT, *SETS)))
    return g.expr(sort, draw(st.integers(1, 4)))


def simplified(e: Expr) -> Expr:
    """The same expression by the constructors."""
    return fold((e,), ir.BUILD)[0]


def written_out(e: Expr) -> Expr:
    """Aggregates over their domains, and nothing else changed."""
    if e.op not in ir.BINDERS:
        args = tuple(written_out(a) for a in e.args)
        return e if args == e.args else Expr(e.op, e.sort, args, e.data)
    body, binder, domain = written_out(e.args[0]), ir.binder_of(e), e.data[1]
    parts = [_put(body, binder, ir.const(domain.sort, v)) for v in domain]
    match e.op:
        case "sum":
            return Expr("add", INT, tuple(parts)) if len(parts) > 1 else parts[0]
        case "all" | "any":
            return Expr("and" if e.op == "all" else "or", BOOL, tuple(parts))
    result = ir.const(e.sort, 0)
    for k, part in enumerate(parts):
        one = Raw.ite(part, ir.const(e.sort, 1 << k), ir.const(e.sort, 0))
        result = Expr("union", e.sort, (result, one))
    return result


def _put(e: Expr, binder: Expr, value: Expr) -> Expr:
    if e is binder:
        return value
    args = tuple(_put(a, binder, value) for a in e.args)
    return e if args == e.args else Expr(e.op, e.sort, args, e.data)


def lowering() -> tuple[Lowering, list[Term]]:
    """Over unknown cells and locals in their domains, as bits."""
    bits, given = Bits(), []

    def fresh(name: str, sort: Sort, lo: int, hi: int) -> Value:
        if sort is BOOL or isinstance(sort, SetSort):
            return unknown(bits, name, sort, None)
        number = bits.fresh(name, lo, hi)
        given.append(bits.within(number, lo, hi))
        return number

    cells = [
        fresh(c.name, c.variable.element, c.variable.lo.data, c.variable.hi.data)
        for c in SYSTEM.cells
        if c.variable.lo is not None and c.variable.hi is not None
    ]
    names = {x: fresh(x.data[0], x.sort, x.data[1].lo, x.data[1].hi) for x in LOCALS}
    return Lowering(SYSTEM, bits, cells, None, names), given


def lowered(low: Lowering, e: Expr) -> Value:
    """e by the table of rows alone: nothing is simplified on the way."""
    return fold((e,), LOWER, low, low.memo)[0]


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(raw_expressions())
def test_simplification_keeps_the_meaning(raw: Expr) -> None:
    smart = simplified(raw)
    assert smart.sort is raw.sort
    low, given = lowering()
    plain = written_out(raw)
    a, b = lowered(low, plain), lowered(low, written_out(smart))
    has_value = low.truth(ir.defined(raw))
    has_still = low.truth(ir.defined(smart))
    solver = z3.SolverFor("QF_BV")
    solver.set("timeout", 10_000)
    solver.add(*given, has_value)
    solver.add(z3.Or(z3.Not(low.equal(a, b)), z3.Not(has_still)))
    answer = solver.check()
    assert answer != z3.sat, f"{raw}\nis not\n{smart}\nwhere {solver.model()}"


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(raw_expressions(), st.data())
def test_simplification_keeps_the_plain_reading(raw: Expr, data: st.DataObject) -> None:
    smart, has_value = simplified(raw), ir.defined(raw)
    for _ in range(4):
        at = valuation(data)
        try:
            wanted = at.value(raw)
        except Undefined:
            assert not at.true(has_value)
            continue
        assert at.true(has_value)
        assert at.value(smart) == wanted


def test_a_condition_stays_before_what_it_guards() -> None:
    """(x or y) and t[...] and x is not t[...] and x: the table would be read
    where neither x nor y is true."""
    table, who = VARIABLES[7].now, VARIABLES[4].now
    assert isinstance(table.sort, ir.TableSort)
    here = [ir.eq(who, ir.const(THINGS, k)) for k in (0, 1)]
    read = ir.eq(ir.select(table, who), num(1))
    guarded = ir.and_(ir.or_(*here), read, here[0])
    dual = ir.or_(ir.and_(*map(ir.not_, here)), ir.not_(read), ir.not_(here[0]))
    state = [0] * len(SYSTEM.cells)
    for k in range(3):
        state[SYSTEM.cell_of["x4", ()]] = k
        at = Valuation(SYSTEM, tuple(state))
        assert not at.true(guarded)
        assert at.true(dual)
    assert ir.and_(here[0], ir.or_(*here)) is here[0]


def valuation(data: st.DataObject) -> Valuation:
    """A random state and random arguments."""
    cells = []
    for c in SYSTEM.cells:
        assert c.variable.lo is not None
        assert c.variable.hi is not None
        lo, hi = c.variable.lo.data, c.variable.hi.data
        cells.append(data.draw(st.integers(lo, hi)))
    names = {x: data.draw(st.sampled_from(list(x.data[1]))) for x in LOCALS}
    return Valuation(SYSTEM, tuple(cells), locals_=names)


def test_true_is_not_one() -> None:
    """Nodes are interned by sort too: the int 1 and true never meet."""
    assert ir.TRUE is not num(1)
    assert ir.const(BOOL, 1) is ir.TRUE
    assert ir.const(INT, True) is num(1)
    x, b = VARIABLES[1].now, VARIABLES[0].now
    picked = ir.ite(b, ir.eq(x, num(1)), ir.TRUE)
    for raw, flag in product((0, 1), (0, 1)):
        state = [0] * len(SYSTEM.cells)
        state[SYSTEM.cell_of["x1", ()]] = raw
        state[SYSTEM.cell_of["x0", ()]] = flag
        at = Valuation(SYSTEM, tuple(state))
        assert at.raw(picked) == (raw == 1 if flag else 1)


def test_the_number_range_is_what_evaluation_gives() -> None:
    """`Expr.interval` encloses the values of an index sum."""
    i, j = LOCALS[2], LOCALS[3]
    e = ir.sub(ir.mul(i, num(2)), ir.min_(j, num(2)))
    lo, hi = e.interval
    values = [2 * a - min(b, 2) for a in i.data[1] for b in j.data[1]]
    assert lo is None or lo <= min(values)
    assert hi is None or hi >= max(values)


def test_numbers_of_bits_hold_their_interval() -> None:
    low, _ = lowering()
    value = low(ir.add(VARIABLES[1].now, VARIABLES[2].now))
    assert isinstance(value, Number)
    assert (value.lo, value.hi) == (-3, 6)


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(raw_expressions(), st.data())
def test_intervals_enclose_the_plain_reading(raw: Expr, data: st.DataObject) -> None:
    """Of every node: by structure, by declared ranges, and under a guard."""
    declared = Ranges.of_variables(VARIABLES)
    at = valuation(data)
    for node in ir.subterms(raw):
        if isinstance(node.sort, ir.TableSort) or not node.free <= set(LOCALS):
            continue
        try:
            value = at.raw(node)
        except Undefined:
            continue
        readings = [node.interval, declared.of(node)]
        if node.sort is BOOL and value:
            guarded = declared.where(node.args if node.op == "and" else (node,))
            readings += [guarded.of(node)]
            sides = [a for a in node.args if not isinstance(a.sort, ir.TableSort)]
            for side in sides if node.op in ("eq", "lt", "le") else ():
                lo, hi = guarded.of(side)
                raw_side = at.raw(side)
                assert lo is None or lo <= raw_side, (node, side)
                assert hi is None or hi >= raw_side, (node, side)
        for lo, hi in readings:
            assert lo is None or lo <= value, node
            assert hi is None or hi >= value, node
