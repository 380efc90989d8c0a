# SPDX-License-Identifier: GPL-2.0-only
"""The IR over domains whose last value is an expression, `0..N - 1`, say.

What an expression means there is what it means at each size: closed at a size,
it is the expression over the closed domain, and has the value that Python
computes over a range.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest

from poolproof.checker.core.evaluate import Valuation
from poolproof.checker.core.ir import (
    BOOL,
    FALSE,
    INT,
    TRUE,
    Domain,
    Expr,
    OpenDomain,
    SortError,
    above,
    add,
    aggregate,
    and_,
    certainly_in,
    const,
    defined,
    eq,
    expand,
    ite,
    last,
    le,
    local,
    lt,
    member,
    mul,
    ne,
    not_,
    num,
    number_of_values,
    param,
    row_wise,
    scalar_sort,
    select,
    set_sort,
    store,
    sub,
    substitute,
    table_sort,
    var,
)
from poolproof.checker.core.system import TransitionSystem, Variable
from poolproof.checker.passes.close import Closing

SIZE = param("N")
PAGES = OpenDomain(INT, 2, name="PAGES", end=sub(SIZE, num(1)))
"""2 up to N - 1."""
NODES = scalar_sort("OPEN_NODES", -1, "n")
NODE = OpenDomain(NODES, 0, name="NODE", end=sub(SIZE, num(1)))
NONE_OR_NODE = OpenDomain(NODES, -1, name="NODE", end=sub(SIZE, num(1)))
X, Y, P = var("x", INT), var("y", INT), var("p", BOOL)
ROWS = table_sort((PAGES,), INT)
T = var("t", ROWS)
USED = var("used", table_sort((PAGES,), BOOL))
BY_NODE = var("by_node", table_sort((NODE,), INT))
Q = local("open q", PAGES)
W = var("w", NODES)

SIZES = (3, 4, 7)


def at(e: Expr, size: int, x: int = 0) -> int:
    """Return the value of a number of x at a size."""
    v = Variable("x", INT, num(0), num(9), None)
    system = TransitionSystem("open", (v,), (), TRUE, {}, {})
    return Valuation(system, (x,)).raw(Closing({"N": size}).expr(e))


@pytest.mark.parametrize("size", SIZES)
def test_the_ends_of_a_domain(size: int) -> None:
    values = range(2, size)
    assert at(number_of_values(PAGES), size) == len(values)
    assert at(last(PAGES), size) == values[-1]
    assert at(above(PAGES), size) == values.stop
    closed = Domain(INT, 2, size - 1)
    assert number_of_values(closed) is num(len(values))
    assert last(closed) is num(values[-1])
    assert above(closed) is num(values.stop)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("x", [0, 1, 5])
def test_a_sum(size: int, x: int) -> None:
    values = range(2, size)
    for body, wanted in (
        (num(3), 3 * len(values)),
        (X, x * len(values)),
        (Q, sum(values)),
        (mul(Q, X), sum(q * x for q in values)),
    ):
        assert at(aggregate("sum", Q, body), size, x) == wanted, body


def test_a_domain_is_never_empty() -> None:
    for op in ("all", "any"):
        assert aggregate(op, Q, lt(X, num(3))) is lt(X, num(3))
        for size, x in product(SIZES, range(9)):
            body = eq(Q, X)
            wanted = {"all": all, "any": any}[op](q == x for q in range(2, size))
            assert at(ite(aggregate(op, Q, body), num(1), num(0)), size, x) == wanted


def first_of(where: Callable[[int], bool], size: int) -> int:
    return next((q for q in range(2, size) if where(q)), -1)


def test_the_first_of_some() -> None:
    """The least page, or -1 if there is none; and what follows from it."""
    first = aggregate("first", Q, lt(X, Q))
    other = ite(lt(X, num(4)), first, num(1))
    for size, x in product(SIZES, range(9)):
        wanted = first_of(lambda q, x=x: x < q, size)
        assert at(first, size, x) == wanted
        assert at(add(first, X), size, x) == wanted + x
        for k in (-1, 0, 1, 2, 3):
            assert at(ite(eq(first, num(k)), num(1), num(0)), size, x) == (wanted == k)
            assert at(ite(lt(first, num(k)), num(1), num(0)), size, x) == (wanted < k)
            value = wanted if x < 4 else 1
            assert at(ite(eq(other, num(k)), num(1), num(0)), size, x) == (value == k)
    assert aggregate("first", Q, TRUE) is num(2)
    assert aggregate("first", Q, FALSE) is num(-1)
    assert first.interval == (-1, None)
    from_0 = local("from_0", OpenDomain(INT, 0, end=sub(SIZE, num(1))))
    for size, x in product(SIZES, range(9)):
        least = at(aggregate("first", from_0, le(X, from_0)), size, x)
        assert least == (x if x < size else -1)


def test_whether_there_is_a_first() -> None:
    there = aggregate("any", Q, lt(X, Q))
    first = aggregate("first", Q, lt(X, Q))
    assert ne(first, num(-1)) is there
    assert eq(num(-1), first) is not_(there)
    assert eq(aggregate("first", Q, P), num(-1)) is not_(P)
    choice = Expr("ite", INT, (P, first, X))
    assert eq(choice, num(-1)) is ite(P, not_(there), eq(X, num(-1)))
    chosen = Expr("ite", INT, (P, X, first))
    assert eq(chosen, num(-1)) is ite(P, eq(X, num(-1)), not_(there))


def test_what_has_no_first() -> None:
    closed = local("closed", Domain(INT, 0, 3))
    below = local("below", OpenDomain(INT, -2, end=SIZE))
    nobody = local("nobody", NONE_OR_NODE)
    for q, why in (
        (closed, "closed is over a closed domain"),
        (below, "below may be -1, which stands for none"),
        (nobody, "nobody may be -1, which stands for none"),
    ):
        with pytest.raises(SortError, match=why):
            aggregate("first", q, eq(q, q))
    with pytest.raises(SortError, match="int, and bool is needed"):
        aggregate("first", Q, X)


def test_what_a_sum_may_be() -> None:
    """Numbers that are not negative add up to none that is; how many there are is
    not known."""
    for body, wanted in (
        (Q, (0, None)),
        (sub(num(1), Q), (None, None)),
        (mul(Q, num(-1)), (None, None)),
        (ite(eq(Q, num(3)), num(1), num(0)), (0, None)),
        (ite(eq(Q, num(3)), num(-1), num(0)), (None, 0)),
        (ite(eq(Q, num(3)), num(-1), num(1)), (None, None)),
    ):
        assert aggregate("sum", Q, body).interval == wanted, body


def test_what_is_certainly_in_it() -> None:
    assert certainly_in(Q, PAGES)
    assert certainly_in(num(2), PAGES)
    assert not certainly_in(num(1), PAGES)
    assert not certainly_in(num(3), PAGES)
    assert not certainly_in(X, PAGES)
    assert not certainly_in(local("other", OpenDomain(INT, 2, end=SIZE)), PAGES)
    assert not certainly_in(add(Q, num(0), X), PAGES)
    assert select(T, Q).total
    assert select(T, num(2)).total
    assert not select(T, num(3)).total


def test_where_a_read_has_a_value() -> None:
    assert defined(select(T, Q)) is TRUE
    inside = defined(select(T, X))
    for size, x in product(SIZES, range(9)):
        assert at(ite(inside, num(1), num(0)), size, x) == (2 <= x < size)
    none = const(NODES, -1)
    assert defined(select(BY_NODE, W)) is ne(W, none)
    maybe = var("maybe", table_sort((NONE_OR_NODE,), INT))
    assert defined(select(maybe, W)) is TRUE


def test_a_store_outside_changes_nothing() -> None:
    """Below the domain that is known; above it, it is not."""
    assert store(T, num(1), X) is T
    assert store(T, num(2), X) is not T
    assert store(T, num(9), X) is not T
    assert select(store(T, num(9), X), num(9)) is X
    assert store(BY_NODE, const(NODES, -1), X) is BY_NODE


def test_a_store_under_a_condition_that_its_index_needs() -> None:
    """Where the condition is false the index has no value, and nothing changes."""
    index = select(T, X)
    assert not index.total
    after = ite(P, store(T, index, num(7)), T)
    assert substitute(after, {P: TRUE}) is store(T, index, num(7))
    assert substitute(after, {P: FALSE}) is T
    other = ite(P, T, store(T, index, num(8)))
    assert substitute(other, {P: FALSE}) is store(T, index, num(8))
    assert substitute(other, {P: TRUE}) is T


def test_a_change_of_each_row() -> None:
    change = row_wise(ROWS, lambda q: add(select(T, q), q))
    assert select(change, X) is add(select(T, X), X)
    assert select(change, num(4)) is add(select(T, num(4)), num(4))
    assert row_wise(ROWS, lambda q: select(T, q)) is T
    both = ite(P, change, store(T, num(2), X))
    assert select(both, Y) is ite(
        P, add(select(T, Y), Y), ite(eq(Y, num(2)), X, select(T, Y))
    )
    other = ite(P, T, change)
    assert select(other, Y) is ite(P, select(T, Y), add(select(T, Y), Y))
    with pytest.raises(SortError, match="p is bool, and int"):
        row_wise(ROWS, lambda _: P)


def test_an_index_that_the_change_of_a_row_binds() -> None:
    """The value of each row: how many pages are before it. Read at a number of the
    same name, it would count them all."""
    inner = local("inner q", PAGES)

    def before(q: Expr) -> Expr:
        return aggregate("sum", inner, ite(lt(inner, q), num(1), num(0)))

    change = row_wise(ROWS, before)
    assert select(change, X) is before(X)
    with pytest.raises(SortError, match=r"an index of .* is bound in it"):
        select(change, inner)
    with pytest.raises(SortError, match=r"an index of .* is bound in it"):
        select(change, add(inner, num(1)))


def test_what_has_no_size_is_refused() -> None:
    """An engine gets a system with its sizes; what counts the values says so."""
    for wrong in (
        lambda: len(PAGES),
        lambda: list(PAGES),
        lambda: 3 in PAGES,
        lambda: expand(aggregate("any", Q, eq(Q, X))),
    ):
        with pytest.raises(SortError, match="PAGES is left open"):
            wrong()
    change = row_wise(ROWS, lambda q: add(q, X))
    with pytest.raises(SortError, match="is over an open domain"):
        expand(eq(change, T))


def test_sets_of_an_open_domain() -> None:
    sort = set_sort(PAGES)
    s = var("open s", sort)
    assert s.interval == (0, None)
    assert member(X, s).op == "and"
    assert member(Q, s).op == "in"
    some = aggregate("setof", Q, lt(Q, X))
    other = local("open r", PAGES)
    assert member(other, some) is lt(other, X)
    assert and_(member(Q, s), not_(member(Q, s))) is FALSE
    with pytest.raises(SortError, match="has no value 1"):
        const(sort, 1)
    assert const(sort, 0).data == 0
