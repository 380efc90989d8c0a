# SPDX-License-Identifier: GPL-2.0-only
"""Many expressions and systems at once, as C and as Python.

`one_of_each` draws the same few hundred expressions every time. One system has
an action for each of them, which returns its value or stores it; so a single
compilation asks the whole C backend, and the expected results come from the
plain reading (checker.core.evaluate). The states are some twenty random ones.
`united` makes one system of many small random ones, with their properties and
their defects.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache
from itertools import product
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from poolproof.checker.backends import python
from poolproof.checker.backends.c import copies
from poolproof.checker.backends.c.build import compiler
from poolproof.checker.backends.c.expressions import facts_of
from poolproof.checker.backends.c.program import Unsupported, lower
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
from poolproof.checker.core.verdict import Budget, Silent, Violated
from poolproof.checker.engines.explicit import explicit
from poolproof.checker.engines.native import native
from poolproof.checker.passes.symmetry import Symmetry
from tests.agreement.test_ir_simplify import LOCALS, SYSTEM, VARIABLES, simplified
from tests.agreement.test_ir_simplify import raw_expressions as raw
from tests.agreement.test_native import agree, defects_of
from tests.common.random_systems import (
    Case,
    Exploration,
    Grammar,
    _kept,
    cases,
    explore,
)

T = TypeVar("T")

PHASE = Variable("phase", INT, num(0), num(2), num(0))
LOADED = ir.eq(PHASE.now, num(1))


def one_of_each(source: st.SearchStrategy[T], count: int) -> list[T]:
    """Examples of the strategy, the same in every run."""
    found: list[T] = []

    @settings(
        derandomize=True,
        database=None,
        max_examples=count,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(source)
    def draw(e: T) -> None:
        if e not in found:
            found.append(e)

    draw()
    return found


@cache
def expressions() -> tuple[Expr, ...]:
    """Over the state and at most two arguments; ints and bools, a third of them
    as nobody simplified them."""
    found = []
    for k, e in enumerate(one_of_each(raw(), 500)):
        tables = any(n.op in ("store", "fill") for n in ir.subterms(e))
        e = e if k % 3 == 0 and not tables else simplified(e)
        if e.args and len(e.free) <= 2 and not isinstance(e.sort, ir.SetSort):
            found.append(e)
    return tuple(found)


@cache
def states(count: int) -> tuple[State, ...]:
    """Random states of `VARIABLES`; the first two have every cell at its end."""
    chance = random.Random(1)
    ranges = [(c.variable.lo, c.variable.hi) for c in SYSTEM.cells]
    spans = [(lo.data, hi.data) for lo, hi in ranges if lo and hi]
    more = [tuple(chance.randint(*s) for s in spans) for _ in range(count - 2)]
    return tuple(lo for lo, _ in spans), tuple(hi for _, hi in spans), *more


def start(v: Variable) -> Variable:
    assert v.lo is not None
    first = ir.const(v.element, v.lo.data)
    return Variable(v.name, v.sort, v.lo, v.hi, first)


def loading(count: int) -> Iterator[Action]:
    """An action for each state that goes there from the first phase."""
    for k, state in enumerate(states(count)):
        updates: dict[str, Expr] = {"phase": num(1)}
        for v in VARIABLES:
            new = v.now
            for c, value in zip(SYSTEM.cells, state, strict=True):
                if c.variable is v:
                    value = ir.const(v.element, value)
                    at = [
                        ir.const(d.sort, i)
                        for d, i in zip(v.index, c.index, strict=True)
                    ]
                    new = ir.store(new, *at, value) if v.index else value
            updates[v.name] = new
        yield Action(f"load{k}", (), ir.eq(PHASE.now, num(0)), updates, None)


def parameters(*free: Expr) -> tuple[Parameter, ...]:
    return tuple(Parameter(x.data[0], x) for x in LOCALS if x in free)


def returning(some: tuple[Expr, ...]) -> TransitionSystem:
    """An action returns the value of each expression, where it has one."""
    observers = [
        Action(f"e{k}", parameters(*e.free), ir.and_(LOADED, ir.defined(e)), {}, e)
        for k, e in enumerate(some)
    ]
    variables = (*map(start, VARIABLES), PHASE)
    actions = (*loading(20), *observers)
    return TransitionSystem("returning", variables, actions, ir.TRUE, {}, {})


@st.composite
def updates(draw: st.DrawFn, careless: bool = False) -> tuple[Variable, Expr]:
    """A variable and its next value, in its range unless `careless`."""
    scalars = [v.now for v in VARIABLES if not v.index]
    tables = [v.now for v in VARIABLES if v.index]
    sorts = list(dict.fromkeys(v.element for v in VARIABLES))
    domains = (LOCALS[0].data[1], LOCALS[2].data[1])
    g = Grammar(draw, (*scalars, LOCALS[0], LOCALS[2]), tables, False, sorts, domains)
    v = draw(st.sampled_from(VARIABLES))
    value = v.now
    if not v.index:
        return v, _kept(v, g.expr(v.element, 2), careless)
    for _ in range(draw(st.integers(1, 3))):
        at = [g.leaf(d.sort) if careless else g.element(d) for d in v.index]
        step = ir.add(ir.select(v.now, *at), num(1)) if v.element is INT else None
        new = step if step and draw(st.booleans()) else g.expr(v.element, 1)
        changed = ir.store(value, *at, _kept(v, new, careless))
        value = ir.ite(g.boolean(1), changed, value) if draw(st.booleans()) else changed
    return v, value


def storing(count: int, careless: bool) -> TransitionSystem:
    """An action for each update, and one for each cell that returns it after."""
    acting: list[Action] = []
    for k, (v, value) in enumerate(one_of_each(updates(careless), count)):
        guard, inside = LOADED, ir.defined(value)
        due: tuple[Obligation, ...] = ()
        if careless:
            claim = ir.implies(LOADED, inside)
            due = (Obligation("index", claim, f"index {k}", None, early=k % 2 == 0),)
        else:
            guard = ir.and_(LOADED, inside)
        new = {v.name: value, "phase": num(2)}
        given = parameters(*value.free)
        acting.append(Action(f"u{k}", given, guard, new, None, due))
    for k, c in enumerate(SYSTEM.cells):
        v = c.variable
        at = [ir.const(d.sort, i) for d, i in zip(v.index, c.index, strict=True)]
        cell = ir.select(v.now, *at) if v.index else v.now
        if not isinstance(v.element, ir.SetSort):
            acting.append(Action(f"c{k}", (), ir.eq(PHASE.now, num(2)), {}, cell))
    variables = (*map(start, VARIABLES), PHASE)
    actions = (*loading(10), *acting)
    return TransitionSystem("storing", variables, actions, ir.TRUE, {}, {})


MANY_D = Domain(INT, -2, 37)
MANY = ir.set_sort(MANY_D)


def aggregates() -> TransitionSystem:
    """Loops in loops over forty cells, with a set that says some of them."""
    t = Variable("t", ir.table_sort((MANY_D,), INT), num(0), num(3), num(0))
    s = Variable("s", MANY, num(0), num((1 << 40) - 1), ir.const(MANY, 0))
    i, j = ir.local("i", MANY_D), ir.local("j", MANY_D)
    n = ir.local("n#act", Domain(INT, 0, 1))
    ti, tj = ir.select(t.now, i), ir.select(t.now, j)
    every, some = (
        ir.aggregate(op, j, ir.le(ti, ir.add(tj, n))) for op in ("all", "any")
    )
    later = ir.aggregate("any", j, ir.and_(ir.eq(ti, tj), ir.lt(i, j)))
    asked = {
        "pairs": ir.aggregate(
            "sum", i, ir.aggregate("sum", j, ir.ite(ir.lt(ti, tj), num(1), num(0)))
        ),
        "weights": ir.div(
            ir.aggregate("sum", i, ir.aggregate("sum", j, ir.min_(ti, tj))), num(2)
        ),
        "least": ir.card(ir.aggregate("setof", i, every)),
        "again": ir.card(ir.aggregate("setof", i, ir.and_(later, ir.member(i, s.now)))),
        "all": ir.ite(ir.aggregate("all", i, some), num(1), num(0)),
        "any": ir.ite(ir.aggregate("any", i, ir.not_(later)), num(1), num(0)),
    }
    actions = []
    for k in range(4):
        chance = random.Random(k)
        table: Expr = t.now
        for at in MANY_D:
            table = ir.store(table, num(at), num(chance.randint(0, k)))
        members = ir.const(MANY, chance.getrandbits(40))
        guard = ir.eq(PHASE.now, num(0))
        new = {"t": table, "s": members, "phase": num(1)}
        actions.append(Action(f"load{k}", (), guard, new, None))
    for name, e in asked.items():
        given = (Parameter("n", n),) if n in e.free else ()
        actions.append(Action(name, given, LOADED, {}, e))
    told = {"s": ir.aggregate("setof", i, later), "phase": num(2)}
    chosen = ir.lt(asked["pairs"], num(600))
    actions.append(Action("keep", (), ir.and_(LOADED, chosen), told, None))
    twice = ir.eq(PHASE.now, num(2))
    actions.append(Action("kept", (), twice, {}, ir.card(s.now)))
    return TransitionSystem(
        "aggregates", (t, s, PHASE), tuple(actions), ir.TRUE, {}, {}
    )


SYSTEMS: dict[str, Callable[[], TransitionSystem]] = {
    "some": lambda: returning(expressions()[0::2]),
    "others": lambda: returning(expressions()[1::2]),
    "updates": lambda: storing(60, careless=False),
    "aggregates": aggregates,
    "careless updates": lambda: storing(60, careless=True),
}


@cache
def made(name: str) -> tuple[TransitionSystem, Exploration]:
    system = SYSTEMS[name]()
    right = explore(system, (), limit=5000)
    assert right.complete
    assert (len(right.defects) > 5) == (name == "careless updates")
    assert len(right.results) > (20 if name == "aggregates" else 70)
    return system, right


@pytest.mark.skipif(compiler() is None, reason="there is no C compiler")
@pytest.mark.parametrize("small", [0, copies.SMALL], ids=["loops", "copies"])
@pytest.mark.parametrize("name", SYSTEMS)
def test_as_c(name: str, small: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "SMALL", small)
    system, right = made(name)
    budget = Budget(symmetry=False, threads=1)
    found = native(system, (), budget, Silent())
    assert found.statistics.states == right.states, found.statistics.notes
    assert defects_of(found) == right.defects
    assert found.statistics.transitions == right.transitions
    assert dict(found.statistics.fired) == right.fired
    assert dict(found.statistics.results) == right.results


@pytest.mark.parametrize("name", SYSTEMS)
def test_as_python(name: str) -> None:
    system, right = made(name)
    found = explicit(system, (), Budget(symmetry=False), Silent())
    assert found.statistics.states == right.states
    assert defects_of(found) == right.defects
    assert found.statistics.transitions == right.transitions
    assert dict(found.statistics.fired) == right.fired
    assert dict(found.statistics.results) == right.results


def test_as_python_formulas() -> None:
    some = [e for e in expressions() if e.sort is BOOL and not e.free]
    some = [e for e in some if ir.defined(e) is ir.TRUE]
    assert len(some) > 15
    truth = python.predicates(SYSTEM, some)
    for state in states(20):
        at = Valuation(SYSTEM, state)
        assert truth(state) == tuple(at.true(e) for e in some)


def test_a_set_is_asked_about_a_number_outside_its_domain() -> None:
    """Twice, so that Python computes it before the condition on the number."""
    three = Domain(INT, 0, 2)
    x = Variable("x", INT, num(-3), num(4), None)
    s = Variable("s", ir.set_sort(three), num(0), num(7), None)
    p = Variable("p", BOOL, num(0), num(1), None)
    system = TransitionSystem("outside", (x, s, p), (), ir.TRUE, {}, {})
    held = ir.member(x.now, s.now)
    alone = Expr("card", INT, (Expr("single", s.sort, (x.now,)),))
    here = ir.and_(ir.le(num(0), x.now), ir.le(x.now, num(2)))
    some = (
        ir.and_(p.now, held),
        ir.and_(held, ir.lt(x.now, num(2)), ir.not_(p.now)),
        ir.and_(here, ir.eq(alone, num(1))),
        ir.or_(ir.not_(here), ir.lt(alone, num(1))),
    )
    truth = python.predicates(system, some)
    for state in product(range(-3, 5), range(8), (0, 1)):
        number, members, flag = state
        within = 0 <= number <= 2
        inside = within and bool(members >> number & 1)
        wanted = (flag and inside, inside and number < 2 and not flag, within)
        assert truth(state) == (*map(bool, wanted), not within), state


# --- many systems -------------------------------------------------------------


def constants(v: Variable, system: TransitionSystem, state: State) -> Expr:
    """The value that a variable has in a state, written out."""
    value = v.now
    for c, raw_value in zip(system.cells, state, strict=True):
        if c.variable is v:
            new = ir.const(v.element, raw_value)
            at = [ir.const(d.sort, i) for d, i in zip(v.index, c.index, strict=True)]
            value = ir.store(value, *at, new) if v.index else new
    return value


def united(some: Iterable[Case]) -> Case:
    """One system in which a first step decides whose states and actions follow."""
    which = Variable("which", INT, num(-1), num(99), num(-1))
    variables, actions, properties = [which], [], []
    for n, case in enumerate(some):
        here = ir.eq(which.now, num(n))
        old = case.system
        renamed = {v.name: replace(v, name=f"{v.name}_{n}") for v in old.variables}
        by = {v.now: renamed[v.name].now for v in old.variables}
        by |= {v.next: renamed[v.name].next for v in old.variables}

        def put(e: Expr, by: dict[Expr, Expr] = by) -> Expr:
            return ir.substitute_all((e,), by)[0]

        for v in renamed.values():
            assert v.lo is not None
            variables.append(replace(v, init=ir.const(v.element, v.lo.data)))
        for k, state in enumerate(evaluate.initial_states(old)):
            updates: dict[str, Expr] = {"which": num(n)}
            for v in old.variables:
                updates[renamed[v.name].name] = put(constants(v, old, state))
            guard = ir.eq(which.now, num(-1))
            actions.append(Action(f"go_{n}_{k}", (), guard, updates, None))
        for a in old.actions:
            new = a.map(put)
            due = tuple(
                replace(
                    o, formula=ir.implies(here, o.formula), message=f"{o.message} {n}"
                )
                for o in new.obligations
            )
            actions.append(
                replace(
                    new,
                    name=f"{a.name}_{n}",
                    guard=ir.and_(here, new.guard),
                    updates={renamed[x].name: e for x, e in new.updates.items()},
                    obligations=due,
                )
            )
        for p in case.properties:
            new_p = p.map(put)
            both = ir.and_ if p.kind is Kind.REACHABLE else ir.implies
            properties.append(
                replace(
                    new_p,
                    name=f"{p.name}_{n}",
                    action=f"{p.action}_{n}" if p.action else None,
                    formula=both(here, new_p.formula),
                    antecedents=tuple(ir.and_(here, x) for x in new_p.antecedents),
                )
            )
    system = TransitionSystem(
        "united", tuple(variables), tuple(actions), ir.TRUE, {}, {}
    )
    return Case(system, tuple(properties))


def small(case: Case) -> bool:
    found = explore(case.system, case.properties, limit=30)
    return found.complete and found.states > 1 and found.transitions < 150


@cache
def many(defects: bool) -> tuple[Case, Exploration]:
    drawn = one_of_each(cases(defects=defects), 80)
    case = united([c for c in drawn if small(c)][::2])
    right = explore(case.system, case.properties, limit=2000)
    assert right.complete
    assert bool(right.defects) is defects
    assert len(right.found) > 8
    return case, right


@pytest.mark.skipif(compiler() is None, reason="there is no C compiler")
@pytest.mark.parametrize("room", [0, copies.SMALL], ids=["loops", "copies"])
@pytest.mark.parametrize("defects", [False, True])
def test_systems_as_c(
    defects: bool, room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "SMALL", room)
    case, right = many(defects)
    budget = Budget(symmetry=False, threads=1)
    found = native(case.system, case.properties, budget, Silent())
    agree(case, right, found)


@pytest.mark.parametrize("defects", [False, True])
def test_systems_as_python(defects: bool) -> None:
    case, right = many(defects)
    found = explicit(case.system, case.properties, Budget(symmetry=False), Silent())
    agree(case, right, found)


# --- what is used twice -------------------------------------------------------


def test_a_text_grows_with_the_nodes_and_not_with_their_uses() -> None:
    x = Variable("x", INT, num(0), num(6), None)
    e = x.now
    for k in range(16):
        e = ir.mod(ir.add(ir.mul(e, e), num(k % 3)), num(7))
    up = Action("up", (), ir.lt(e, num(6)), {"x": e}, e)
    claim = Property("p", Kind.INVARIANT, ir.le(e, num(6)), antecedents=(ir.eq(e, e),))
    system = TransitionSystem("twice", (x,), (up,), ir.TRUE, {}, {})
    right = explore(system, (claim,))
    lowered = lower(system, (claim,), Symmetry((), (), ()))
    assert len(lowered.text) < 30_000
    for engine in (explicit, native) if compiler() else (explicit,):
        found = engine(system, (claim,), Budget(symmetry=False), Silent())
        assert found.statistics.states == right.states
        assert dict(found.statistics.results) == right.results


# --- what is too large to be written out ---


def wide_cells() -> TransitionSystem:
    """A table in several words, whose cells are found by what they hold."""
    flag = Domain(BOOL, 0, 1)
    place = Domain(INT, -1, 3)
    most = (1 << 20) - 1
    t = Variable("t", ir.table_sort((place, flag), INT), num(0), num(most), num(0))
    i, f = ir.local("i#act", place), ir.local("f#act", flag)
    cell = ir.select(t.now, i, f)
    grow = ir.store(t.now, i, f, ir.add(cell, num(300_000)))
    low = ir.lt(cell, num(600_000))
    total = ir.add(*(ir.select(t.now, num(k), ir.FALSE) for k in place))
    few = ir.lt(total, num(400_000))
    follow = ir.add(ir.mod(cell, num(4)), num(-1))
    seen = ir.ite(ir.lt(num(0), ir.select(t.now, follow, f)), num(1), num(0))
    given = (Parameter("i", i), Parameter("f", f))
    return TransitionSystem(
        "wide",
        (t,),
        (
            Action("grow", given, ir.and_(low, few), {"t": grow}, None),
            Action("look", given, ir.TRUE, {}, ir.div(cell, num(300_000))),
            Action("follow", given, ir.TRUE, {}, seen),
        ),
        ir.eq(num(0), num(0)),
        {},
        {},
    )


@pytest.mark.skipif(compiler() is None, reason="there is no C compiler")
@pytest.mark.parametrize("room", [0, copies.SMALL], ids=["loops", "copies"])
def test_a_table_in_several_words(room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "SMALL", room)
    system = wide_cells()
    budget = Budget(symmetry=False, threads=1, depth=2)
    right = explicit(system, (), budget, Silent()).statistics
    found = native(system, (), budget, Silent()).statistics
    assert found.states == right.states > 20


@pytest.mark.skipif(compiler() is None, reason="there is no C compiler")
@pytest.mark.parametrize("room", [0, copies.SMALL], ids=["loops", "copies"])
def test_a_change_under_a_condition(room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two counters of 0 to 3 that go up and down while a flag is set. All 32 states
    are reached: flip has a step from each; from the 4 * 4 * 2 states, up has
    3 * 4 * 2 for each counter, down as many."""
    monkeypatch.setattr(copies, "SMALL", room)
    place = Domain(INT, 1, 2)
    t = Variable("t", ir.table_sort((place,), INT), num(0), num(3), num(0))
    on = Variable("on", BOOL, num(0), num(1), ir.FALSE)
    i = ir.local("i#act", place)
    cell = ir.select(t.now, i)

    def change(name: str, guard: Expr, value: Expr) -> Action:
        new = ir.store(t.now, i, ir.ite(on.now, value, cell))
        return Action(name, (Parameter("i", i),), guard, {"t": new}, None)

    actions = (
        change("up", ir.lt(cell, num(3)), ir.add(cell, num(1))),
        change("down", ir.lt(num(0), cell), ir.sub(cell, num(1))),
        Action("flip", (), ir.TRUE, {"on": ir.not_(on.now)}, None),
    )
    system = TransitionSystem("counters", (t, on), actions, ir.TRUE, {}, {})
    never = Property("full", Kind.INVARIANT, ir.lt(_sum(t, place), num(6)))
    budget = Budget(symmetry=False, threads=1)
    found = native(system, (never,), budget, Silent())
    assert found.statistics.states == 32
    assert found.statistics.fired == {"up": 48, "down": 48, "flip": 32}
    full = found.verdicts["full"]
    assert isinstance(full, Violated)
    assert len(full.trace) == 7


def _sum(t: Variable, place: Domain) -> Expr:
    return ir.add(*(ir.select(t.now, num(k)) for k in place))


@pytest.mark.skipif(compiler() is None, reason="there is no C compiler")
@pytest.mark.parametrize("most", [29, 30, 31, 35, 61])
def test_an_element_of_a_large_set(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a loop: no number in the program needs so many bits as its sets."""
    monkeypatch.setattr(copies, "SMALL", 0)
    domain = Domain(INT, 0, most)
    sort = ir.set_sort(domain)
    s = Variable("s", sort, num(0), num((1 << most + 1) - 1), ir.const(sort, 0))
    i = ir.local("i#put", domain)
    new = {"s": ir.single(i, domain)}
    put = Action("put", (Parameter("i", i),), ir.TRUE, new, None)
    last = Property("last", Kind.INVARIANT, ir.not_(ir.member(num(most), s.now)))
    system = TransitionSystem("sets", (s,), (put,), ir.TRUE, {}, {})
    found = native(system, (last,), Budget(symmetry=False, threads=1), Silent())
    assert found.statistics.states == most + 2
    assert isinstance(found.verdicts["last"], Violated)


@pytest.mark.skipif(compiler() is None, reason="there is no C compiler")
@pytest.mark.parametrize("most", [30, 61])
def test_every_element_of_a_large_set(most: int) -> None:
    domain = Domain(INT, 0, most)
    sort = ir.set_sort(domain)
    full = (1 << most + 1) - 1
    s = Variable("s", sort, num(0), num(full), ir.const(sort, 0))
    i, k = ir.local("i#put", domain), ir.local("k", domain)
    put = Action(
        "put", (Parameter("i", i),), ir.TRUE, {"s": ir.single(i, domain)}, None
    )
    others = ir.aggregate("setof", k, ir.not_(ir.member(k, s.now)))
    turn = Action("turn", (), ir.eq(ir.card(s.now), num(1)), {"s": others}, None)
    system = TransitionSystem("sets", (s,), (put, turn), ir.TRUE, {}, {})
    asked = [
        Property(f"has{e}", Kind.REACHABLE, ir.eq(s.now, ir.single(num(e), domain)))
        for e in range(most)
    ]
    last = Property("last", Kind.INVARIANT, ir.not_(ir.member(num(most), s.now)))
    budget = Budget(symmetry=False, threads=1)
    for properties in ((last,), (*asked, last)):
        right = explicit(system, properties, budget, Silent())
        found = native(system, properties, budget, Silent())
        assert found.statistics.states == right.statistics.states == 2 * most + 3
        assert {n: type(v) for n, v in found.verdicts.items()} == {
            n: type(v) for n, v in right.verdicts.items()
        }
        assert isinstance(found.verdicts["last"], Violated)


@pytest.mark.parametrize(("most", "fine"), [(61, True), (62, False)])
def test_a_set_has_62_bits(most: int, fine: bool) -> None:
    domain = Domain(INT, 0, most)
    sort = ir.set_sort(domain)
    s = Variable("s", sort, num(0), num((1 << most + 1) - 1), ir.const(sort, 0))
    i = ir.local("i#add", domain)
    new = {"s": ir.union(s.now, ir.single(i, domain))}
    add = Action("add", (Parameter("i", i),), ir.TRUE, new, None)
    system = TransitionSystem("sets", (s,), (add,), ir.TRUE, {}, {})
    if fine:
        assert lower(system, (), Symmetry((), (), ())).text
    else:
        with pytest.raises(Unsupported, match="62 bits"):
            lower(system, (), Symmetry((), (), ()))


@pytest.mark.parametrize(("most", "fine"), [((1 << 63) - 1, True), (1 << 63, False)])
def test_a_constant_that_no_word_holds(most: int, fine: bool) -> None:
    x = Variable("x", INT, num(0), num(4), num(0))
    far = ir.lt(num(most), ir.mul(x.now, num(1 << 62)))
    act = Action("act", (), far, {}, None)
    system = TransitionSystem("far", (x,), (act,), ir.TRUE, {}, {})
    if fine:
        assert lower(system, (), Symmetry((), (), ())).text
    else:
        with pytest.raises(Unsupported, match=rf"the constant {most} is too large"):
            lower(system, (), Symmetry((), (), ()))


def test_facts_are_right_where_the_conditions_hold() -> None:
    """Each condition, the other way round too, in each state."""
    three = Domain(INT, 0, 2)
    x, y = (Variable(n, INT, num(0), num(2), None) for n in "xy")
    s = Variable("s", ir.set_sort(three), num(0), num(7), None)
    system = TransitionSystem("facts", (x, y, s), (), ir.TRUE, {}, {})
    a, b = x.now, y.now
    for condition, other in (
        (ir.eq(a, b), None),
        (ir.eq(a, num(1)), a),
        (ir.not_(ir.eq(a, b)), Expr("eq", BOOL, (b, a))),
        (ir.not_(ir.eq(a, num(1))), Expr("eq", BOOL, (num(1), a))),
        (ir.lt(a, b), Expr("le", BOOL, (b, a))),
        (ir.le(a, b), Expr("lt", BOOL, (b, a))),
        (ir.member(a, s.now), None),
        (ir.not_(ir.member(a, s.now)), None),
    ):
        facts = facts_of((condition,))
        assert facts
        assert other is None or other in facts
        for state in product(range(3), range(3), range(8)):
            at = Valuation(system, state)
            if at.true(condition):
                assert all(at.raw(e) == value.data for e, value in facts.items())


def _largest(most: int) -> TransitionSystem:
    """x holds 0 to 2^31, and its multiples are compared."""
    x = Variable("x", INT, num(0), num(1 << 31), num(0))
    e = x.now
    for _ in range(most // 31 - 1):
        e = ir.mul(e, x.now)
    far = ir.lt(ir.mul(e, num(1 << most % 31)), num(1 << 31))
    act = Action("act", (), far, {}, None)
    return TransitionSystem("largest", (x,), (act,), ir.TRUE, {}, {})


@pytest.mark.parametrize(
    ("most", "holds"),
    [(31, "long long"), (61, "long long"), (62, "__int128"), (125, "__int128")],
)
def test_the_type_of_values_holds_the_largest(most: int, holds: str) -> None:
    """A signed type of n bits holds less than 2^(n-1). One bit more is spare: for the
    difference between a value and the least one."""
    text = lower(_largest(most), (), Symmetry((), (), ())).text
    assert f"#define VALUE {holds}\n" in text


def test_a_value_that_no_type_holds() -> None:
    with pytest.raises(Unsupported, match="more than 126 bits"):
        lower(_largest(126), (), Symmetry((), (), ()))
