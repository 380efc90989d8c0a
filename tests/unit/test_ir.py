# SPDX-License-Identifier: GPL-2.0-only
"""The IR's constructors: what each simplifies, refuses, and means.

The tables say which node a constructor gives. That all of it is right is asked
of five hundred expressions that are the same every time: as they are and
simplified, they have one value in each of twenty states.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest

from poolproof.checker.core import interval, ir
from poolproof.checker.core.evaluate import Undefined, Valuation
from poolproof.checker.core.fold import fold
from poolproof.checker.core.interval import Interval
from poolproof.checker.core.ir import (
    BOOL,
    FALSE,
    INT,
    TRUE,
    Domain,
    Expr,
    SortError,
    add,
    aggregate,
    and_,
    card,
    const,
    defined,
    diff,
    div,
    enum_sort,
    eq,
    expand,
    fill,
    implies,
    inter,
    ite,
    le,
    local,
    lt,
    max_,
    member,
    min_,
    mod,
    mul,
    ne,
    neg,
    not_,
    num,
    or_,
    param,
    scalar_sort,
    select,
    set_sort,
    single,
    store,
    sub,
    substitute,
    substitute_all,
    subterms,
    table_sort,
    union,
    var,
)
from poolproof.checker.core.limits import worked
from poolproof.checker.core.ranges import Ranges
from poolproof.checker.core.system import TransitionSystem, Variable
from tests.agreement.test_backends import one_of_each, states
from tests.agreement.test_ir_simplify import LOCALS, SYSTEM, VARIABLES, simplified
from tests.agreement.test_ir_simplify import raw_expressions as raw

X, Y, Z = (var(n, INT) for n in "xyz")
P, Q, R = (var(n, BOOL) for n in "pqr")
MOOD = enum_sort("IrMood", ("GOOD", "BAD", "UGLY"))
M = var("m", MOOD)
THINGS = scalar_sort("IR_THINGS", 3, "t")
T_D, N_D, FLAG_D = Domain(THINGS, 0, 2), Domain(INT, -1, 2), Domain(BOOL, 0, 1)
W = var("w", THINGS)
N, J = local("i", Domain(INT, 0, 3)), local("j", Domain(INT, 2, 9))
K = local("k", T_D)
NUMBERS = set_sort(N_D)
S, U = var("s", NUMBERS), var("u", NUMBERS)
ALL, NONE = const(NUMBERS, 15), const(NUMBERS, 0)
T, T2 = (var(n, table_sort((T_D,), INT)) for n in ("t", "t2"))
B = var("b", table_sort((N_D,), BOOL))
G = var("g", table_sort((T_D, FLAG_D), INT))
E0, E1, E2, NOBODY = (const(THINGS, k) for k in range(4))


def plain(op: str, *args: Expr) -> Expr:
    """The node that no constructor has looked at."""
    return Expr(op, BOOL if args[0].sort is BOOL or op in _BOOLS else INT, args)


_BOOLS = {"eq", "lt", "le", "in", "and", "or", "not"}


def branch(c: Expr, a: Expr, b: Expr) -> Expr:
    return Expr("ite", a.sort, (c, a, b))


GIVEN: dict[str, Callable[[], tuple[Expr, Expr]]] = {
    "not true": lambda: (not_(TRUE), FALSE),
    "not not": lambda: (not_(not_(P)), P),
    "not lt": lambda: (not_(lt(X, Y)), plain("le", Y, X)),
    "not le": lambda: (not_(le(X, Y)), plain("lt", Y, X)),
    "and of none": lambda: (and_(), TRUE),
    "or of none": lambda: (or_(), FALSE),
    "and of one": lambda: (and_(P), P),
    "and with true": lambda: (and_(P, TRUE, Q), plain("and", P, Q)),
    "and with false": lambda: (and_(P, FALSE, Q), FALSE),
    "or with true": lambda: (or_(P, TRUE), TRUE),
    "or with false": lambda: (or_(FALSE, P), P),
    "and is flat": lambda: (and_(and_(P, Q), R), plain("and", P, Q, R)),
    "or is flat": lambda: (or_(P, or_(Q, R)), plain("or", P, Q, R)),
    "and twice": lambda: (and_(P, Q, P), plain("and", P, Q)),
    "and with its opposite": lambda: (and_(P, Q, not_(P)), FALSE),
    "or with its opposite": lambda: (or_(not_(P), Q, P), TRUE),
    "absorbed from the left": lambda: (and_(P, or_(Q, P)), P),
    "not absorbed from the right": lambda: (
        and_(or_(Q, P), P),
        plain("and", plain("or", Q, P), P),
    ),
    "or absorbs": lambda: (or_(P, and_(Q, P)), P),
    "an operand that is false goes": lambda: (
        and_(P, or_(not_(P), Q)),
        plain("and", P, Q),
    ),
    "an operand that is true goes": lambda: (
        or_(P, and_(not_(P), Q)),
        plain("or", P, Q),
    ),
    "the others stay one operand": lambda: (
        and_(P, or_(not_(P), Q, R)),
        plain("and", P, plain("or", Q, R)),
    ),
    "the others stay one operand of or": lambda: (
        or_(P, and_(not_(P), Q, R)),
        plain("or", P, plain("and", Q, R)),
    ),
    "all operands go": lambda: (and_(P, Q, or_(not_(P), not_(Q))), FALSE),
    "implies": lambda: (implies(P, Q), plain("or", plain("not", P), Q)),
    "eq of one": lambda: (eq(X, X), TRUE),
    "eq of constants": lambda: (eq(num(2), num(3)), FALSE),
    "eq of equal constants": lambda: (eq(E1, E1), TRUE),
    "eq with true": lambda: (eq(P, TRUE), P),
    "eq with false": lambda: (eq(FALSE, P), plain("not", P)),
    "a constant stands right": lambda: (eq(num(3), X), plain("eq", X, num(3))),
    "eq of variables keeps its order": lambda: (eq(Y, X), plain("eq", Y, X)),
    "eq beyond the interval": lambda: (eq(N, num(4)), FALSE),
    "eq below the interval": lambda: (eq(J, num(1)), FALSE),
    "eq at the ends": lambda: (eq(N, num(3)), plain("eq", N, num(3))),
    "eq at the least": lambda: (eq(J, num(2)), plain("eq", J, num(2))),
    "eq of a choice of constants": lambda: (eq(branch(P, num(1), num(2)), num(1)), P),
    "eq of a choice, nested": lambda: (
        eq(branch(P, num(1), branch(Q, num(2), X)), num(2)),
        and_(not_(P), or_(Q, eq(X, num(2)))),
    ),
    "ne": lambda: (ne(X, Y), plain("not", plain("eq", X, Y))),
    "lt of one": lambda: (lt(X, X), FALSE),
    "le of one": lambda: (le(X, X), TRUE),
    "lt by intervals": lambda: (lt(N, num(4)), TRUE),
    "lt at the end": lambda: (lt(N, num(3)), plain("lt", N, num(3))),
    "le at the end": lambda: (le(N, num(3)), TRUE),
    "le beyond": lambda: (le(N, num(2)), plain("le", N, num(2))),
    "never lt": lambda: (lt(J, num(2)), FALSE),
    "lt may be": lambda: (lt(J, num(3)), plain("lt", J, num(3))),
    "le at the least": lambda: (le(J, num(2)), plain("le", J, num(2))),
    "never le": lambda: (le(J, num(1)), FALSE),
    "a bound is a number": lambda: (sub(param("B"), param("B")), num(0)),
    "add of none": lambda: (add(), num(0)),
    "add is flat": lambda: (add(add(X, Y), Z), plain("add", X, Y, Z)),
    "constants are added up": lambda: (
        add(num(2), X, num(3)),
        plain("add", X, num(5)),
    ),
    "constants that add up to nothing": lambda: (add(X, num(2), num(-2)), X),
    "sub of one": lambda: (sub(X, X), num(0)),
    "sub of a constant": lambda: (sub(X, num(3)), plain("add", X, num(-3))),
    "sub of a term": lambda: (sub(add(X, Y), X), Y),
    "sub of a term that is there twice": lambda: (
        sub(add(X, Y, X), X),
        plain("add", Y, X),
    ),
    "sub": lambda: (sub(X, Y), plain("sub", X, Y)),
    "neg": lambda: (neg(X), plain("sub", num(0), X)),
    "neg of a constant": lambda: (neg(num(4)), num(-4)),
    "mul by 0": lambda: (mul(X, num(0)), num(0)),
    "mul by 1": lambda: (mul(num(1), X), X),
    "mul of constants": lambda: (mul(num(3), num(-4)), num(-12)),
    "a factor stands right": lambda: (mul(num(2), X), plain("mul", X, num(2))),
    "div of constants": lambda: (div(num(-7), num(2)), num(-4)),
    "mod of constants": lambda: (mod(num(-7), num(4)), num(1)),
    "div of what is small": lambda: (div(N, num(4)), num(0)),
    "div at the end": lambda: (div(N, num(3)), plain("div", N, num(3))),
    "mod of what is small": lambda: (mod(N, num(4)), N),
    "mod at the end": lambda: (mod(N, num(3)), plain("mod", N, num(3))),
    "mod of what may be negative": lambda: (
        mod(add(N, num(-1)), num(9)),
        plain("mod", plain("add", N, num(-1)), num(9)),
    ),
    "mod of what is unknown": lambda: (mod(X, num(9)), plain("mod", X, num(9))),
    "min by intervals": lambda: (min_(J, num(2)), num(2)),
    "min of the other": lambda: (min_(num(2), J), num(2)),
    "max by intervals": lambda: (max_(N, num(3)), num(3)),
    "max of the other": lambda: (max_(num(1), J), J),
    "min of one": lambda: (min_(X, X), X),
    "min": lambda: (min_(X, Y), plain("min", X, Y)),
    "ite of true": lambda: (ite(TRUE, X, Y), X),
    "ite of false": lambda: (ite(FALSE, X, Y), Y),
    "ite of one": lambda: (ite(P, X, X), X),
    "ite of not": lambda: (ite(not_(P), X, Y), branch(P, Y, X)),
    "ite true": lambda: (ite(P, TRUE, Q), plain("or", P, Q)),
    "ite false": lambda: (ite(P, FALSE, Q), and_(not_(P), Q)),
    "ite else true": lambda: (ite(P, Q, TRUE), or_(not_(P), Q)),
    "ite else false": lambda: (ite(P, Q, FALSE), plain("and", P, Q)),
    "ite in ite": lambda: (ite(P, branch(P, X, Y), Z), branch(P, X, Z)),
    "ite in else": lambda: (ite(P, X, branch(P, Y, Z)), branch(P, X, Z)),
    "ite comes to one": lambda: (ite(P, branch(P, X, Y), X), X),
    "the same answer": lambda: (
        ite(P, X, branch(Q, X, Y)),
        branch(plain("or", P, Q), X, Y),
    ),
    "the same else": lambda: (
        ite(P, branch(Q, X, Y), Y),
        branch(plain("and", P, Q), X, Y),
    ),
    "read what was stored": lambda: (select(store(T, K, X), K), X),
    "read beside it": lambda: (select(store(T, E0, X), E1), select(T, E1)),
    "read perhaps it": lambda: (
        select(store(T, W, X), E1),
        branch(eq(W, E1), X, select(T, E1)),
    ),
    "read through several": lambda: (
        select(store(store(T, E0, X), W, Y), E0),
        branch(eq(W, E0), Y, X),
    ),
    "read what is full": lambda: (select(fill(T.sort, X), E1), X),  # type: ignore[arg-type]
    "store what is there": lambda: (store(T, K, select(T, K)), T),
    "store outside": lambda: (store(T, NOBODY, X), T),
    "stored twice": lambda: (store(store(T, W, X), W, Y), store(T, W, Y)),
    "stored twice, something between": lambda: (
        store(store(store(T, W, X), E1, Z), W, Y),
        Expr("store", T.sort, (Expr("store", T.sort, (T, E1, Z)), W, Y)),
    ),
    "ite of tables with one base": lambda: (
        ite(P, store(T, K, X), T),
        store(T, K, branch(P, X, select(T, K))),
    ),
    "ite of tables stored alike": lambda: (
        ite(P, store(T, K, X), store(T, K, Y)),
        store(T, K, branch(P, X, Y)),
    ),
    "ite of tables, a common beginning": lambda: (
        ite(P, store(store(T, E0, Z), E1, X), store(T, E0, Z)),
        store(store(T, E0, Z), E1, branch(P, X, select(T, E1))),
    ),
    "ite of two tables": lambda: (
        ite(not_(P), T, T2),
        branch(P, T2, T),
    ),
    "sum of what does not depend": lambda: (
        aggregate("sum", N, X),
        plain("mul", X, num(4)),
    ),
    "all of what does not depend": lambda: (aggregate("all", N, P), P),
    "all of nobody": lambda: (aggregate("all", local("e", Domain(INT, 1, 0)), P), TRUE),
    "any of nobody": lambda: (
        aggregate("any", local("e", Domain(INT, 1, 0)), P),
        FALSE,
    ),
    "sum of nobody": lambda: (
        aggregate("sum", local("e", Domain(INT, 1, 0)), X),
        num(0),
    ),
    "set of all": lambda: (aggregate("setof", local("e", N_D), TRUE), ALL),
    "set of none": lambda: (aggregate("setof", local("e", N_D), FALSE), NONE),
    "a constant in a constant": lambda: (member(num(-1), const(NUMBERS, 1)), TRUE),
    "a constant beside it": lambda: (member(num(0), const(NUMBERS, 1)), FALSE),
    "a constant outside": lambda: (member(num(3), ALL), FALSE),
    "in the empty set": lambda: (member(X, NONE), FALSE),
    "in the full set": lambda: (member(local("n", N_D), ALL), TRUE),
    "perhaps in the full set": lambda: (
        member(X, ALL),
        and_(
            plain("le", num(-1), X),
            plain("le", X, num(2)),
            Expr("in", BOOL, (X, ALL)),
        ),
    ),
    "in a choice": lambda: (member(num(1), branch(P, const(NUMBERS, 4), NONE)), P),
    "in a union": lambda: (
        member(num(1), Expr("union", NUMBERS, (S, const(NUMBERS, 4)))),
        TRUE,
    ),
    "in an intersection": lambda: (
        member(num(1), Expr("inter", NUMBERS, (S, const(NUMBERS, 4)))),
        Expr("in", BOOL, (num(1), S)),
    ),
    "in a difference": lambda: (
        member(num(1), Expr("diff", NUMBERS, (const(NUMBERS, 4), S))),
        not_(Expr("in", BOOL, (num(1), S))),
    ),
    "in a set of one": lambda: (
        member(local("n", N_D), Expr("single", NUMBERS, (X,))),
        plain("eq", local("n", N_D), X),
    ),
    "in the set of those that": lambda: (
        member(
            local("n", N_D),
            aggregate("setof", local("e", N_D), lt(local("e", N_D), X)),
        ),
        plain("lt", local("n", N_D), X),
    ),
    "union of constants": lambda: (
        union(const(NUMBERS, 5), const(NUMBERS, 3)),
        const(NUMBERS, 7),
    ),
    "inter of constants": lambda: (
        inter(const(NUMBERS, 5), const(NUMBERS, 3)),
        const(NUMBERS, 1),
    ),
    "diff of constants": lambda: (
        diff(const(NUMBERS, 5), const(NUMBERS, 3)),
        const(NUMBERS, 4),
    ),
    "union with nothing": lambda: (union(NONE, S), S),
    "union with all": lambda: (union(S, ALL), ALL),
    "union of one": lambda: (union(S, S), S),
    "inter with nothing": lambda: (inter(S, NONE), NONE),
    "inter with all": lambda: (inter(ALL, S), S),
    "diff with nothing": lambda: (diff(S, NONE), S),
    "diff with all": lambda: (diff(S, ALL), NONE),
    "diff of nothing": lambda: (diff(NONE, S), NONE),
    "diff of one": lambda: (diff(S, S), NONE),
    "diff of all": lambda: (diff(ALL, S), Expr("diff", NUMBERS, (ALL, S))),
    "union": lambda: (union(S, U), Expr("union", NUMBERS, (S, U))),
    "a set of a constant": lambda: (single(num(1), N_D), const(NUMBERS, 4)),
    "a set of what is outside": lambda: (
        single(num(3), N_D),
        Expr("single", NUMBERS, (num(3),)),
    ),
    "how many": lambda: (card(const(NUMBERS, 11)), num(3)),
    "how many of a set": lambda: (card(S), Expr("card", INT, (S,))),
}


@pytest.mark.parametrize("name", GIVEN)
def test_the_node_that_a_constructor_gives(name: str) -> None:
    found, wanted = GIVEN[name]()
    assert found is wanted, f"{found}, not {wanted}"


WRONG: dict[str, Callable[[], Expr]] = {
    "not": lambda: not_(X),
    "and": lambda: and_(P, X),
    "eq": lambda: eq(X, P),
    "lt": lambda: lt(P, X),
    "add": lambda: add(X, P),
    "sub": lambda: sub(X, P),
    "mul": lambda: mul(P, X),
    "min": lambda: min_(X, P),
    "ite's condition": lambda: ite(X, X, X),
    "ite's branches": lambda: ite(P, X, P),
    "div by a variable": lambda: div(X, Y),
    "div by zero": lambda: div(X, num(0)),
    "mod of a bool": lambda: mod(P, num(2)),
    "an index of another sort": lambda: select(T, X),
    "an index too many": lambda: select(T, K, K),
    "no table": lambda: select(X, K),
    "a value of another sort": lambda: store(T, K, P),
    "a table full of something else": lambda: fill(T.sort, P),  # type: ignore[arg-type]
    "a sum of bools": lambda: aggregate("sum", N, P),
    "a set of numbers": lambda: aggregate("setof", N, X),
    "an element of another sort": lambda: member(K, S),
    "no set": lambda: member(X, X),
    "sets of two sorts": lambda: union(S, var("o", set_sort(T_D))),
    "how many of a number": lambda: card(X),
    "a set of another sort": lambda: single(K, N_D),
    "a bool that is 2": lambda: const(BOOL, 2),
    "a set that is too large": lambda: const(NUMBERS, 16),
    "a bool below 0": lambda: const(BOOL, -1),
}


OF_NUMBERS = {"lt": lt, "le": le, "add": add, "sub": sub, "mul": mul}
OF_NUMBERS |= {"min": min_, "max": max_}


@pytest.mark.parametrize("name", OF_NUMBERS)
def test_arithmetic_is_of_numbers_on_either_side(name: str) -> None:
    build = OF_NUMBERS[name]
    for args in ((P, X), (X, P), (P, Q), (P, num(2)), (num(2), P)):
        with pytest.raises(SortError, match="int is needed here"):
            build(*args)


@pytest.mark.parametrize("name", WRONG)
def test_what_has_no_sort_is_refused(name: str) -> None:
    with pytest.raises(SortError):
        WRONG[name]()


def test_refusals_say_what_is_wrong() -> None:
    for wrong, text in (
        (WRONG["not"], "x is int, and bool is needed here"),
        (WRONG["div by zero"], "0 is not a positive constant to divide by"),
        (WRONG["an index too many"], "t takes 1 indices, not 2"),
        (WRONG["no table"], "x is int, not a table"),
        (WRONG["no set"], "x is int, not a set"),
        (WRONG["a bool that is 2"], "bool has no value 2"),
    ):
        with pytest.raises(SortError, match=text):
            wrong()


def test_raw_values_beyond_the_sort() -> None:
    """None of Maybe is one, and the largest bool and set are themselves."""
    assert const(THINGS, 3).data == 3
    assert const(MOOD, 7).data == 7
    assert const(BOOL, 1) is TRUE
    assert const(NUMBERS, 15).data == 15
    assert const(INT, -(2**70)).data == -(2**70)


# --- nodes --------------------------------------------------------------------


def test_free_names_are_those_that_nothing_binds() -> None:
    assert add(N, J, X).free == {N, J}
    assert plain("sub", X, Y).free == frozenset()
    total = aggregate("sum", N, mul(N, J))
    assert total.free == {J}
    assert aggregate("any", J, lt(total, J)).free == frozenset()
    assert local("i", Domain(INT, 0, 4)) is not N


def test_what_is_total() -> None:
    n = local("n", N_D)
    assert select(T, K).total
    assert not select(T, W).total
    assert select(B, n).total
    assert not select(B, X).total
    assert not add(select(T, W), num(1)).total
    assert Expr("single", NUMBERS, (n,)).total
    assert not Expr("single", NUMBERS, (X,)).total
    assert X.total
    assert num(1).total


def test_names_that_are_replaced() -> None:
    total = aggregate("sum", N, mul(N, J))
    assert substitute(total, {J: num(2)}) is aggregate("sum", N, mul(N, num(2)))
    assert substitute(total, {N: num(2)}) is total
    assert substitute(add(X, Y), {X: Y, Y: num(1)}) is add(Y, num(1))
    assert substitute(add(N, num(3)), {N: num(-3)}) is num(0)
    memo: dict[Expr, Expr] = {}
    first = substitute_all((add(X, Y),), {X: num(1)}, memo)
    assert first == (add(Y, num(1)),)
    assert memo[add(X, Y)] is first[0]
    assert substitute_all((X, Y, X), {X: Z}) == (Z, Y, Z)
    as_built = plain("add", X, num(0))
    assert substitute(as_built, {Z: num(1)}) is as_built


def test_each_subterm_once_arguments_first() -> None:
    shared = mul(X, Y)
    e = sub(add(shared, Z), shared.args[0])
    found = list(subterms(e, shared))
    assert len(found) == len(set(found))
    assert set(found) == {X, Y, Z, shared, e, *e.args}
    for node in found:
        assert all(found.index(a) < found.index(node) for a in node.args)
    assert list(subterms()) == []


# --- written out --------------------------------------------------------------


def test_aggregates_are_written_out() -> None:
    n = local("n", Domain(INT, 1, 3))
    cells = [select(T, e) for e in (E0, E1, E2)]
    assert expand(aggregate("sum", K, select(T, K))) is add(*cells)
    here = [eq(c, num(0)) for c in cells]
    each = eq(select(T, K), num(0))
    assert expand(aggregate("all", K, each)) is and_(*here)
    assert expand(aggregate("any", K, each)) is or_(*here)
    assert expand(aggregate("sum", n, aggregate("sum", N, mul(n, N)))) is num(36)
    sort = set_sort(T_D)
    none = const(sort, 0)
    made = expand(aggregate("setof", K, each))
    ones = [ite(c, const(sort, 1 << k), none) for k, c in enumerate(here)]
    assert made is union(union(ones[0], ones[1]), ones[2])
    other = var("o", T.sort)
    same = [eq(select(T, e), select(other, e)) for e in (E0, E1, E2)]
    assert expand(Expr("eq", BOOL, (T, other))) is and_(*same)


def test_where_an_expression_has_a_value() -> None:
    is_thing = or_(*(eq(W, e) for e in (E0, E1, E2)))
    read = select(T, W)
    assert defined(read) is is_thing
    assert defined(select(T, K)) is TRUE
    assert defined(eq(read, num(1))) is is_thing
    in_b = and_(le(num(-1), X), le(X, num(2)))
    assert defined(select(B, X)) is in_b
    flag = eq(read, num(0))
    assert defined(plain("and", P, flag)) is implies(P, is_thing)
    assert defined(plain("or", P, flag)) is or_(P, is_thing)
    assert defined(plain("and", flag, P)) is is_thing
    assert defined(plain("and", P, Q, flag)) is implies(and_(P, Q), is_thing)
    neither = and_(not_(P), not_(Q))
    assert defined(plain("or", P, Q, flag)) is implies(neither, is_thing)
    assert defined(plain("and", flag, Q, P)) is is_thing
    assert defined(branch(P, read, X)) is implies(P, is_thing)
    assert defined(branch(P, X, read)) is or_(P, is_thing)
    assert defined(branch(flag, X, Y)) is is_thing
    assert defined(Expr("single", NUMBERS, (X,))) is in_b
    of_cell = Expr("single", NUMBERS, (read,))
    in_numbers = and_(le(num(-1), read), le(read, num(2)))
    assert defined(of_cell) is and_(is_thing, in_numbers)
    held = Expr("store", T.sort, (T, E1, read))
    assert defined(held) is is_thing
    outside = Expr("store", T.sort, (T, W, X))
    assert defined(outside) is TRUE
    bad = Expr("store", T.sort, (T, W, ite(select(B, X), num(1), num(2))))
    assert defined(bad) is implies(is_thing, in_b)
    nowhere = Expr("store", B.sort, (B, read, P))
    assert defined(nowhere) is is_thing
    at = plain("add", N, X)
    some = Expr("any", BOOL, (select(B, at),), N.data)
    inside = and_(le(num(-1), at), le(at, num(2)))
    assert defined(some) is aggregate("all", N, inside)


def test_the_indices_of_a_table() -> None:
    assert isinstance(G.sort, ir.TableSort)
    raws = [tuple(i.data for i in at) for at in ir.index_space(G.sort)]
    assert raws == [(t, f) for t in range(3) for f in range(2)]


# --- the same values ----------------------------------------------------------


EXAMPLES = 150


def test_what_is_simplified_means_the_same() -> None:
    used = 0
    for e in one_of_each(raw(), EXAMPLES):
        smart, has_value = simplified(e), defined(e)
        written = expand(smart)
        assert all(n.op not in ir.BINDERS for n in subterms(written))
        for state in states(6):
            names = {x: x.data[1].hi for x in LOCALS}
            at = Valuation(SYSTEM, state, locals_=names)
            try:
                wanted = at.value(e)
            except Undefined:
                assert not at.true(has_value), e
                continue
            used += 1
            assert at.true(has_value), e
            assert at.value(smart) == wanted, (e, smart)
            assert at.value(written) == wanted, (e, written)
            assert at.true(defined(smart)), (e, smart)
    assert used > 400


def test_values_are_in_their_intervals() -> None:
    declared = Ranges.of_variables(VARIABLES)
    for e in one_of_each(raw(), EXAMPLES):
        nodes = [n for n in subterms(e) if not isinstance(n.sort, ir.TableSort)]
        nodes = [n for n in nodes if n.free <= set(LOCALS)]
        for state in states(4):
            at = Valuation(SYSTEM, state, locals_={x: x.data[1].lo for x in LOCALS})
            for node in nodes:
                try:
                    value = at.raw(node)
                except Undefined:
                    continue
                for lo, hi in (node.interval, declared.of(node)):
                    assert lo is None or lo <= value, node
                    assert hi is None or hi >= value, node


# --- intervals ----------------------------------------------------------------

SPANS: list[Interval] = [(lo, hi) for lo in range(-3, 3) for hi in range(lo, 3)]


def values(a: Interval) -> range:
    lo, hi = a
    assert lo is not None
    assert hi is not None
    return range(lo, hi + 1)


BINARY: dict[str, tuple[Callable[..., Interval], Callable[[int, int], int]]] = {
    "plus": (interval.plus, lambda x, y: x + y),
    "minus": (interval.minus, lambda x, y: x - y),
    "times": (interval.times, lambda x, y: x * y),
    "lesser": (interval.lesser, min),
    "greater": (interval.greater, max),
}


@pytest.mark.parametrize("name", BINARY)
def test_arithmetic_on_intervals_is_exact(name: str) -> None:
    of, op = BINARY[name]
    for a, b in product(SPANS, SPANS):
        found = [op(x, y) for x in values(a) for y in values(b)]
        assert of(a, b) == (min(found), max(found)), (a, b)


def test_quotients_and_remainders() -> None:
    for a, by in product(SPANS, (1, 2, 3)):
        quotients = [x // by for x in values(a)]
        assert interval.quotient(a, by) == (min(quotients), max(quotients))
        lo, hi = interval.remainder(a, by)
        rest = [x % by for x in values(a)]
        assert lo <= min(rest)
        assert max(rest) <= hi
        if len(set(quotients)) == 1:
            assert (lo, hi) == (min(rest), max(rest))
        else:
            assert (lo, hi) == (0, by - 1)


def test_an_end_that_is_not_known() -> None:
    known, low, high = (1, 2), (1, None), (None, 2)
    assert interval.plus(known, low) == (2, None)
    assert interval.plus(known, high) == (None, 4)
    assert interval.minus(known, low) == (None, 1)
    assert interval.minus(known, high) == (-1, None)
    assert interval.times(known, low) == interval.ANY
    assert interval.times(high, known) == interval.ANY
    assert interval.times_count(low, 3) == (3, None)
    assert interval.times_count(high, 3) == (None, 6)
    assert interval.quotient(low, 2) == (0, None)
    assert interval.quotient(high, 2) == (None, 1)
    assert interval.remainder(low, 4) == (0, 3)
    assert interval.remainder(high, 4) == (0, 3)
    assert interval.either(known, low) == (1, None)
    assert interval.either(known, (-4, 1)) == (-4, 2)
    assert interval.both(low, (0, 5)) == (1, 5)
    assert interval.both(low, high) == (1, 2)
    assert interval.both() == (None, None)
    assert interval.lesser(low, (0, 5)) == (0, 5)
    assert interval.lesser(high, (0, 5)) == (None, 2)
    assert interval.greater(low, (0, 5)) == (1, None)
    assert interval.greater(high, (0, 5)) == (0, 5)
    assert interval.below(1, 2)
    assert not interval.below(2, 2)
    assert not interval.below(None, 2)
    assert not interval.below(1, None)


def test_inside_a_domain() -> None:
    for span, fine in (
        ((-1, 2), True),
        ((0, 1), True),
        ((-2, 2), False),
        ((-1, 3), False),
        ((None, 2), False),
        ((-1, None), False),
    ):
        assert interval.inside(span, N_D) is fine


def test_intervals_of_sorts() -> None:
    assert interval.of_sort(BOOL) == (0, 1)
    assert interval.of_sort(MOOD) == (0, 2)
    assert interval.of_sort(THINGS) == (0, 3)
    assert interval.of_sort(scalar_sort("IR_NOBODY", 0)) == (0, 0)
    assert interval.of_sort(scalar_sort("IR_OPEN", -1)) == (-1, None)
    assert interval.of_sort(NUMBERS) == interval.full(NUMBERS) == (0, 15)
    assert interval.of_sort(INT) == (None, None)


def test_intervals_of_nodes() -> None:
    for e, wanted in (
        (N, (0, 3)),
        (X, (None, None)),
        (P, (0, 1)),
        (S, (0, 15)),
        (M, (None, None)),
        (param("B"), (None, None)),
        (num(-4), (-4, -4)),
        (add(N, J), (2, 12)),
        (sub(N, J), (-9, 1)),
        (mul(N, J), (0, 27)),
        (div(J, num(4)), (0, 2)),
        (mod(J, num(4)), (0, 3)),
        (min_(N, J), (0, 3)),
        (max_(N, J), (2, 9)),
        (branch(P, N, J), (0, 9)),
        (aggregate("sum", K, branch(P, N, select(T, K))), (None, None)),
        (Expr("sum", INT, (N,), ("e", N_D)), (0, 12)),
        (card(S), (0, 4)),
        (union(S, U), (0, 15)),
        (lt(X, Y), (0, 1)),
        (member(X, S), (0, 1)),
        (select(B, local("n", N_D)), (0, 1)),
        (select(T, K), (None, None)),
        (T, (None, None)),
        (var("a mood", MOOD), (None, None)),
        (var("a thing", THINGS), (None, None)),
        (var("a flag", BOOL), (0, 1)),
        (var("a set", NUMBERS), (0, 15)),
    ):
        assert e.interval == wanted, e


# --- the fold -----------------------------------------------------------------


def test_the_work_of_a_fold_is_counted() -> None:
    e = X
    for k in range(100):
        e = plain("sub", e, var(f"v{k}", INT))
    before = worked()
    fold((e,), dict.fromkeys(ir.OPERATORS, lambda *_: 0), work=7)
    assert worked() - before == 201 * 7
    fold((e,), dict.fromkeys(ir.OPERATORS, lambda *_: 0))
    assert worked() - before == 201 * 8


# --- a store under a condition --------------------------------------------------

SMALL = Domain(INT, 0, 1)
PLACES: dict[str, Domain] = {
    "a bool": FLAG_D,
    "a number": SMALL,
    "a set": Domain(set_sort(SMALL), 0, 3),
    "an element": Domain(scalar_sort("IR_PLACES", 2, "p"), 0, 1),
    "many numbers": Domain(INT, 0, 39),
}


@pytest.mark.parametrize("name", PLACES)
def test_an_index_that_has_a_value_only_under_the_condition(name: str) -> None:
    """if p: t[at[x]] = 7, where x may be outside of `at` unless p is true."""
    place = PLACES[name]
    sort = table_sort((place,), INT)
    p = Variable("p", BOOL, num(0), num(1), None)
    x = Variable("x", INT, num(0), num(2), None)
    at = Variable("at", table_sort((SMALL,), place.sort), num(0), num(1), None)
    t = Variable("t", sort, num(0), num(9), None)
    system = TransitionSystem("stores", (p, x, at, t), (), TRUE, {}, {})
    index = select(at.now, x.now)
    assert not index.total
    one = ite(p.now, store(t.now, index, num(7)), t.now)
    other = ite(p.now, t.now, store(t.now, index, num(8)))
    both = ite(p.now, store(t.now, index, num(7)), store(t.now, index, num(8)))
    cells = len(place)
    for flag, number, first, second in product((0, 1), range(3), (0, 1), (0, 1)):
        before = tuple(range(cells)) if cells < 9 else (3,) * cells
        at_state = Valuation(system, (flag, number, first, second, *before))
        inside = number < 2
        for e, writes, value in (
            (one, bool(flag), 7),
            (other, not flag, 8),
            (both, True, 7 if flag else 8),
        ):
            if writes and not inside:
                continue  # that has no value
            wanted = list(before)
            if writes:
                wanted[(first, second)[number]] = value
            found = at_state.table(e)
            assert [found[k,] for k in range(cells)] == wanted, (e, flag, number)


def test_what_both_sides_have_stored_is_common() -> None:
    """Stores that one side has overwritten are so for both."""
    x, y, z = (Variable(n, INT, num(0), num(3), None) for n in "xyz")
    t = Variable("t", table_sort((T_D,), INT), num(0), num(9), None)
    p = Variable("p", BOOL, num(0), num(1), None)
    w = Variable("w", THINGS, num(0), num(3), None)
    system = TransitionSystem("stores", (x, y, z, t, p, w), (), TRUE, {}, {})
    base = store(store(t.now, E0, x.now), w.now, y.now)
    left = store(store(base, E1, z.now), E0, y.now)
    right = store(base, E2, x.now)
    e = ite(p.now, left, right)
    for flag, who in product((0, 1), range(4)):
        at = Valuation(system, (1, 2, 3, 7, 8, 9, flag, who))
        wanted = [1, 8, 9]
        if who < 3:
            wanted[who] = 2
        if flag:
            wanted[1], wanted[0] = 3, 2
        else:
            wanted[2] = 1
        found = at.table(e)
        assert [found[k,] for k in range(3)] == wanted, (flag, who)


def test_several_stores_that_the_other_side_overwrites() -> None:
    x, y, z = (Variable(n, INT, num(0), num(3), None) for n in "xyz")
    t = Variable("t", table_sort((T_D,), INT), num(0), num(9), None)
    p = Variable("p", BOOL, num(0), num(1), None)
    system = TransitionSystem("stores", (x, y, z, t, p), (), TRUE, {}, {})
    few = store(store(t.now, E0, x.now), E1, y.now)
    more = store(store(store(t.now, E2, y.now), E0, z.now), E1, x.now)
    for e, flag in product(
        (ite(p.now, few, more), ite(not_(p.now), more, few)), (0, 1)
    ):
        found = Valuation(system, (1, 2, 3, 7, 8, 9, flag)).table(e)
        assert [found[k,] for k in range(3)] == ([1, 2, 9] if flag else [3, 1, 2])
