# SPDX-License-Identifier: GPL-2.0-only
"""Equality, choice and tables.

They stand together because each needs the others: a choice between tables is
pushed into the stored values, and a cell that is read after a store is a choice
by an equality of indices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import count, product

from poolproof.checker.core.ir.aggregates import aggregate
from poolproof.checker.core.ir.logic import and_, not_, or_
from poolproof.checker.core.ir.nodes import (
    FALSE,
    TRUE,
    Expr,
    binder_of,
    boolean,
    certainly_in,
    const,
    local,
    sort_of_table,
    subterms,
    want,
)
from poolproof.checker.core.ir.substitution import BUILD, builder, substitute
from poolproof.checker.core.operators import BINDERS
from poolproof.checker.core.show import show
from poolproof.checker.core.sorts import (
    BOOL,
    Domain,
    OpenDomain,
    ScalarSort,
    SetSort,
    SortError,
    TableSort,
)


@cache
def eq(a: Expr, b: Expr) -> Expr:
    """Equality of two values of one sort (tables included)."""
    want(a.sort, b)
    if a is b:
        return TRUE
    if a.is_const and b.is_const:
        return boolean(a.data == b.data)
    if a.sort is BOOL:
        for x, y in ((a, b), (b, a)):
            if x.is_const:
                return y if x.data else not_(y)
    if a.is_const:
        a, b = b, a
    if b.is_const and not isinstance(a.sort, TableSort):
        if a.op == "first" and b.data == -1:
            return not_(aggregate("any", binder_of(a), a.args[0]))
        if _chooses_constant(a):
            return in_branches(a, lambda leaf: eq(leaf, b), _chooses_constant)
        lo, hi = a.interval
        if (lo is not None and b.data < lo) or (hi is not None and b.data > hi):
            return FALSE
    return Expr("eq", BOOL, (a, b))


def in_branches(
    e: Expr, build: Callable[[Expr], Expr], splits: Callable[[Expr], bool]
) -> Expr:
    """``build`` of e, pushed into the branches of every if-then-else that
    ``splits``; e is one."""
    done: dict[Expr, Expr] = {}
    stack = [e]
    while stack:
        node = stack[-1]
        if not splits(node):
            done[node] = build(node)
        elif waiting := [a for a in node.args[1:] if a not in done]:
            stack += waiting
            continue
        else:
            c, a, b = node.args
            done[node] = ite(c, done[a], done[b])
        stack.pop()
    return done[e]


def chooses(e: Expr) -> bool:
    return e.op == "ite"


def _chooses_constant(e: Expr) -> bool:
    return e.op == "ite" and any(a.is_const or a.op == "first" for a in e.args[1:])


def ne(a: Expr, b: Expr) -> Expr:
    return not_(eq(a, b))


@cache
def ite(c: Expr, a: Expr, b: Expr) -> Expr:
    """Return a where c holds, else b. Over tables the choice is pushed into the stored
    values, so that a table is always its variable under a chain of stores."""
    want(BOOL, c)
    want(a.sort, b)
    if c.is_const:
        return a if c.data else b
    if a is b:
        return a
    if c.op == "not":
        c, a, b = c.args[0], b, a
    if a.sort is BOOL and (a.is_const or b.is_const):
        return _junction_of(c, a, b)
    if isinstance(a.sort, TableSort):
        return _merge_tables(c, a, b)
    return _choice(c, a, b)


def _junction_of(c: Expr, a: Expr, b: Expr) -> Expr:
    """Return the choice between two bools of which one is a constant."""
    if a.is_const:
        return or_(c, b) if a.data else and_(not_(c), b)
    return or_(not_(c), a) if b.data else and_(c, a)


def _choice(c: Expr, a: Expr, b: Expr) -> Expr:
    """Return the choice, without choices inside that c or a branch decides."""
    if a.op == "ite" and a.args[0] is c:
        a = a.args[1]
    if b.op == "ite" and b.args[0] is c:
        b = b.args[2]
    if a is b:
        return a
    if b.op == "ite" and b.args[1] is a:
        return ite(or_(c, b.args[0]), a, b.args[2])
    if a.op == "ite" and a.args[2] is b:
        return ite(and_(c, a.args[0]), a.args[1], b)
    return Expr("ite", a.sort, (c, a, b))


Change = tuple[tuple[Expr, ...], Expr]
"""An index, and the value stored there."""


def changes_of(table: Expr) -> tuple[Expr, list[Change]]:
    """Return the table without stores, and its stores, innermost first."""
    changes: list[Change] = []
    while table.op == "store":
        changes.append((table.args[1:-1], table.args[-1]))
        table = table.args[0]
    changes.reverse()
    return table, changes


def _merge_tables(c: Expr, a: Expr, b: Expr) -> Expr:
    base, left = changes_of(a)
    other_base, right = changes_of(b)
    if "map" in (base.op, other_base.op):
        sort = sort_of_table(a)
        return row_wise(sort, lambda *at: ite(c, select(a, *at), select(b, *at)))
    if base is not other_base:
        return Expr("ite", a.sort, (c, a, b))
    merged, left, right = _apart_from(base, left, right)
    for index, value in left:
        merged = _store_if(c, merged, index, value, b)
    for index, value in right:
        merged = _store_if(not_(c), merged, index, value, a)
    return merged


def _store_if(
    c: Expr, table: Expr, index: tuple[Expr, ...], value: Expr, other: Expr
) -> Expr:
    """The table with a change where c holds; elsewhere the same cell gets
    what it holds in ``other`` in the end. An index that has a value only
    where c holds leaves the table elsewhere, and so changes nothing; bools
    and sets have no value outside, and each cell that they may name is
    written by itself."""
    if all(i.total for i in index):
        return store(table, *index, ite(c, value, select(other, *index)))
    sort = table.sort
    assert isinstance(sort, TableSort)
    for k, (i, d) in enumerate(zip(index, sort.index, strict=True)):
        if not i.total and (d.sort is BOOL or isinstance(d.sort, SetSort)):
            for v in (const(d.sort, raw) for raw in d):
                here = (*index[:k], v, *index[k + 1 :])
                changed = ite(eq(i, v), value, select(table, *here))
                table = _store_if(c, table, here, changed, other)
            return table
    where = (
        i if i.total else ite(c, i, _out_of(d))
        for i, d in zip(index, sort.index, strict=True)
    )
    return store(table, *where, value)


def _out_of(domain: Domain) -> Expr:
    """Return a value that is not in the domain."""
    below = isinstance(domain, OpenDomain)
    return const(domain.sort, domain.lo - 1 if below else domain.hi + 1)


def _apart_from(
    base: Expr, left: list[Change], right: list[Change]
) -> tuple[Expr, list[Change], list[Change]]:
    """The table that both sides begin with, and the rest of each. A change
    that the other side has made, too, and then overwritten is common."""
    where_left, where_right = (
        {index: k for k, (index, _) in enumerate(side)} for side in (left, right)
    )
    i = j = 0
    while True:
        if i < len(left) and j < len(right) and left[i] == right[j]:
            index, value = left[i]
            i, j = i + 1, j + 1
        elif i < len(left) and _overwritten(left[i], right, where_right, j):
            index, value = left[i]
            i += 1
        elif j < len(right) and _overwritten(right[j], left, where_left, i):
            index, value = right[j]
            j += 1
        else:
            return base, left[i:], right[j:]
        base = Expr("store", base.sort, (base, *index, value))


def _overwritten(
    change: Change, side: list[Change], where: dict[tuple[Expr, ...], int], after: int
) -> bool:
    """Return whether a side changes the same index to something else later. What is
    overwritten must have a value there, too."""
    later = where.get(change[0], -1)
    return later > after and side[later] != change and change[1].total


@cache
def select(table: Expr, *index: Expr) -> Expr:
    """table[index]; outside the index domain the value is unspecified (the
    frontend emits an obligation that it does not happen)."""
    sort = _table(table, index)
    choices = []
    while table.op == "store":
        same = and_(*(eq(x, y) for x, y in zip(table.args[1:-1], index, strict=True)))
        if same is TRUE:
            break
        if same is not FALSE:
            choices.append((same, table.args[-1]))
        table = table.args[0]
    if table.op == "store":
        value = table.args[-1]
    elif table.op == "fill":
        value = table.args[0]
    elif table.op == "map":
        binders = (local(*bound) for bound in table.data)
        if not _bound(table.args[0]).isdisjoint(frozenset().union(*_free(index))):
            raise SortError(f"an index of {show(table)} is bound in it")
        value = substitute(table.args[0], dict(zip(binders, index, strict=True)))
    else:
        value = Expr("select", sort.element, (table, *index))
    for same, stored in reversed(choices):
        value = ite(same, stored, value)
    return value


def _free(index: tuple[Expr, ...]) -> Iterator[frozenset[Expr]]:
    return (i.free for i in index)


@cache
def _bound(e: Expr) -> frozenset[Expr]:
    """Return the locals that are bound inside e."""
    return frozenset(binder_of(n) for n in subterms(e) if n.op in BINDERS)


SPREAD = 16
"""An index that may leave its domain is written out over so many values."""


def store(table: Expr, *index_and_value: Expr) -> Expr:
    """table with one cell changed; where the index leaves its domain, with
    none changed. Innermost stores come first, at most one for each index."""
    *at, value = index_and_value
    index = tuple(at)
    sort = _table(table, index)
    want(sort.element, value)
    if select(table, *index) is value:
        return table
    for k, (i, d) in enumerate(zip(index, sort.index, strict=True)):
        if isinstance(d, OpenDomain):
            if i.is_const and i.data < d.lo:
                return table
            continue
        if i.is_const and i.data not in d:
            return table
        if len(d) > SPREAD or isinstance(d.sort, ScalarSort) or certainly_in(i, d):
            continue
        for c in (const(d.sort, v) for v in d):
            here = (*index[:k], c, *index[k + 1 :])
            changed = ite(eq(i, c), value, select(table, *here))
            table = store(table, *here, changed)
        return table
    above: list[Expr] = []
    below = table
    while below.op == "store" and below.args[1:-1] != index:
        above.append(below)
        below = below.args[0]
    if below.op == "store":  # it is overwritten
        table = below.args[0]
        for node in reversed(above):
            table = Expr("store", sort, (table, *node.args[1:]))
    return Expr("store", sort, (table, *index, value))


def _table(table: Expr, index: tuple[Expr, ...]) -> TableSort:
    sort = sort_of_table(table)
    if len(index) != len(sort.index):
        raise SortError(
            f"{show(table)} takes {len(sort.index)} indices, not {len(index)}"
        )
    for i, d in zip(index, sort.index, strict=True):
        want(d.sort, i)
    return sort


def fill(sort: TableSort, value: Expr) -> Expr:
    """The table whose every cell is ``value``."""
    want(sort.element, value)
    return Expr("fill", sort, (value,))


def row_wise(sort: TableSort, cell: Callable[..., Expr]) -> Expr:
    """The table whose cell at each index is ``cell`` of the index."""
    name = f"row{next(_FRESH)}"
    binders = [local(f"{name}.{k}", d) for k, d in enumerate(sort.index)]
    body = cell(*binders)
    want(sort.element, body)
    if body.op == "select" and body.args[1:] == tuple(binders):
        return body.args[0]
    return Expr("map", sort, (body,), tuple(b.data for b in binders))


_FRESH = count()


def index_space(sort: TableSort) -> Iterator[tuple[Expr, ...]]:
    """All indices of a table as constants, last index fastest."""
    return product(*([const(d.sort, v) for v in d] for d in sort.index))


BUILD.update(
    {
        "eq": builder(eq),
        "ite": builder(ite),
        "select": builder(select),
        "store": builder(store),
        "fill": lambda _, e, a: fill(sort_of_table(e), a),
        "map": lambda _, e, a: Expr("map", e.sort, (a,), e.data),
    }
)
