# SPDX-License-Identifier: GPL-2.0-only
"""The expression IR: sorted, interned nodes over one operator table.

Every value of every sort is a *raw* int: a bool is 0/1, an enum label its
position, an element of a scalarset its index, a set over a domain a bit mask
(bit k is the domain's k-th value). The absent value of a ``Maybe`` domain
over a scalarset of n elements is the raw n, so "none or node" needs no sort
of its own.

Nodes are interned by (operator, sort, arguments, data): equal structure is
the same object, `is` is equality, and every fold can memoise by identity.
The sort is part of the key, so the int 1 and the bool true never meet.
Source spans are no part of a node.

Outside its index domain a table cannot be read (`defined` says where an
expression has a value), and a store changes nothing.

Build expressions with the functions below only: they check sorts and
simplify. tests/agreement/test_ir_simplify.py proves each simplification with z3. They
are cached, as nodes are: what has been built once is built at once again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from itertools import count
from typing import Any

from poolproof.checker.core.fold import Algebra, fold
from poolproof.checker.core.interval import INTERVALS, STRUCTURE, Interval, inside
from poolproof.checker.core.limits import tick
from poolproof.checker.core.operators import BINDERS as BINDERS
from poolproof.checker.core.operators import OPERATORS as OPERATORS
from poolproof.checker.core.show import show as show
from poolproof.checker.core.sorts import BOOL as BOOL
from poolproof.checker.core.sorts import INT as INT
from poolproof.checker.core.sorts import Domain as Domain
from poolproof.checker.core.sorts import EnumSort as EnumSort
from poolproof.checker.core.sorts import OpenDomain as OpenDomain
from poolproof.checker.core.sorts import ScalarSort as ScalarSort
from poolproof.checker.core.sorts import SetSort as SetSort
from poolproof.checker.core.sorts import Sort as Sort
from poolproof.checker.core.sorts import SortError as SortError
from poolproof.checker.core.sorts import TableSort as TableSort
from poolproof.checker.core.sorts import enum_sort as enum_sort
from poolproof.checker.core.sorts import scalar_sort as scalar_sort
from poolproof.checker.core.sorts import scalarsets as scalarsets
from poolproof.checker.core.sorts import set_sort as set_sort
from poolproof.checker.core.sorts import show_raw as show_raw
from poolproof.checker.core.sorts import table_sort as table_sort

# --- nodes ---------------------------------------------------------------


class Expr:
    """One interned node. ``data`` is what the operator needs besides its
    arguments: a constant's raw value, a name, a binder's (name, Domain); of a
    comparison that is kept for texts, how it was written (see `as_written`)."""

    __slots__ = (
        "args",
        "data",
        "free",
        "interval",
        "is_const",
        "negation",
        "op",
        "sort",
        "total",
    )
    op: str
    sort: Sort
    args: tuple[Expr, ...]
    data: Any
    free: frozenset[Expr]
    """The locals that occur free in this node."""
    is_const: bool
    negation: Expr | None
    """`not_` of this node, once somebody asked for it."""
    interval: Interval
    """Bounds that the raw value certainly keeps, from constants, locals and
    structure alone. A variable's declared range is an obligation, and is not
    used here; see `poolproof.checker.core.ranges`."""
    total: bool
    """It has a value wherever its leaves have: no index, element of a set
    included, may leave its domain."""

    _interned: dict[tuple[str, Sort, tuple[Expr, ...], Any], Expr] = {}  # noqa: RUF012

    @property
    def turned(self) -> bool:
        """Whether a text has the right side of this comparison first: as it was
        written, or else with a constant on the right."""
        if self.op not in ("lt", "le"):
            return False
        return self.args[0].is_const if self.data is None else bool(self.data)

    def __new__(
        cls, op: str, sort: Sort, args: tuple[Expr, ...] = (), data: Any = None
    ) -> Expr:
        key = (op, sort, args, data)
        node = cls._interned.get(key)
        if node is None:
            node = super().__new__(cls)
            node.op, node.sort, node.args, node.data = op, sort, args, data
            OPERATORS[op].check(len(args))
            free: frozenset[Expr] = frozenset()
            for arg in args:
                if arg.free:
                    free = free | arg.free if free else arg.free
            if op == "local":
                free = frozenset((node,))
            elif op in BINDERS:
                free = free - {local(data[0], data[1])}
            elif op == "map":
                free = free - {local(*bound) for bound in data}
            node.free = free
            node.is_const = op == "const"
            node.negation = None
            bounds = (a.interval for a in args)
            node.interval = INTERVALS[op](STRUCTURE, node, *bounds)
            node.total = all(a.total for a in args) and (not args or _inside(node))
            cls._interned[key] = node
            tick(4)
        return node

    def __repr__(self) -> str:
        return show(self)


# --- leaves --------------------------------------------------------------


def const(sort: Sort, raw: int) -> Expr:
    """The raw value of ``sort`` as a node. Numbers, labels and elements have
    raw values beyond the sort's own ("none"); bools and sets have not, and
    SortError is raised for one."""
    raw = int(raw)
    size = 1 if sort is BOOL else -1
    if isinstance(sort, SetSort):
        size = 0 if isinstance(sort.domain, OpenDomain) else len(sort.domain)
    if size >= 0 and raw >> size:
        raise SortError(f"{sort} has no value {raw}")
    return Expr("const", sort, (), raw)


def num(value: int) -> Expr:
    return const(INT, value)


TRUE: Expr
FALSE: Expr


def boolean(value: bool) -> Expr:
    return TRUE if value else FALSE


def param(name: str) -> Expr:
    """A rigid integer: a bound (a pool's size, say) left symbolic."""
    return Expr("param", INT, (), name)


def var(name: str, sort: Sort, primed: bool = False) -> Expr:
    """A state variable before (or, primed, after) a step."""
    return Expr("var", sort, (), (name, primed))


def local(name: str, domain: Domain) -> Expr:
    """An action's parameter or a binder's variable; ranges over ``domain``.
    Names are unique within a system, so substitution cannot capture."""
    return Expr("local", domain.sort, (), (name, domain))


TRUE = const(BOOL, 1)
FALSE = const(BOOL, 0)


# --- smart constructors: check sorts, simplify ---------------------------


def _want(sort: Sort, *exprs: Expr) -> None:
    for e in exprs:
        if e.sort is not sort:
            raise SortError(f"{show(e)} is {e.sort}, and {sort} is needed here")


def not_(a: Expr) -> Expr:
    if a.negation is None:
        _want(BOOL, a)
        a.negation = _negated(a)
    return a.negation


def _negated(a: Expr) -> Expr:
    if a.is_const:
        return boolean(not a.data)
    if a.op == "not":
        return a.args[0]
    if a.op in ("lt", "le"):
        turned = (le if a.op == "lt" else lt)(a.args[1], a.args[0])
        if not turned.is_const:
            turned = as_written(turned, None if a.data is None else not a.data)
            turned.negation = a
        return turned
    return Expr("not", BOOL, (a,))


def and_(*args: Expr) -> Expr:
    return _junction("and", TRUE, FALSE, args)


def or_(*args: Expr) -> Expr:
    return _junction("or", FALSE, TRUE, args)


@cache
def _junction(op: str, unit: Expr, zero: Expr, args: tuple[Expr, ...]) -> Expr:
    _want(BOOL, *args)
    kept: dict[Expr, None] = {}
    for a in args:
        for part in a.args if a.op == op else (a,):
            if part is zero or not_(part) in kept:
                return zero
            if part is not unit:
                kept[part] = None
    # absorb: x and (x or y) is x. Only operands to the left may absorb:
    # evaluation is left to right, so an operand may be undefined once an
    # earlier one is false
    parts = []
    before: set[Expr] = set()
    dual = "or" if op == "and" else "and"
    for p in kept:
        before.add(p)
        if p.op == dual:
            if any(q in before for q in p.args):
                continue
            inner = tuple(q for q in p.args if not_(q) not in before)
            if len(inner) != len(p.args):
                p = _junction(dual, zero, unit, inner)
                if p is zero:
                    return zero
        parts.append(p)
    if not parts:
        return unit
    return parts[0] if len(parts) == 1 else Expr(op, BOOL, tuple(parts))


def implies(a: Expr, b: Expr) -> Expr:
    return or_(not_(a), b)


@cache
def eq(a: Expr, b: Expr) -> Expr:
    """Equality of two values of one sort (tables included)."""
    _want(a.sort, b)
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
        if _chooses_constant(a):
            return _in_branches(a, lambda leaf: eq(leaf, b), _chooses_constant)
        lo, hi = a.interval
        if (lo is not None and b.data < lo) or (hi is not None and b.data > hi):
            return FALSE
    return Expr("eq", BOOL, (a, b))


def _in_branches(
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


def _chooses(e: Expr) -> bool:
    return e.op == "ite"


def _chooses_constant(e: Expr) -> bool:
    return e.op == "ite" and (e.args[1].is_const or e.args[2].is_const)


def ne(a: Expr, b: Expr) -> Expr:
    return not_(eq(a, b))


def lt(a: Expr, b: Expr) -> Expr:
    return _compare("lt", a, b)


def le(a: Expr, b: Expr) -> Expr:
    return _compare("le", a, b)


def as_written(e: Expr, greater: bool | None) -> Expr:
    """Return the comparison for texts: ``greater`` if it is written with `>` or
    `>=`, so that its right side stands first. It is a node of its own, for no
    engine to see: `plain` takes the writing away. Any other expression is
    returned as it is, and so is a comparison where ``greater`` is None."""
    if greater is None or e.op not in ("lt", "le"):
        return e
    return Expr(e.op, BOOL, e.args, greater)


def plain(e: Expr) -> Expr:
    """Return the expression for engines: x > y and y < x are one node in it."""
    return fold((e,), _PLAIN)[0]


@cache
def _compare(op: str, a: Expr, b: Expr) -> Expr:
    _want(INT, a, b)
    if a is b:
        return boolean(op == "le")
    (alo, ahi), (blo, bhi) = a.interval, b.interval
    strict = int(op == "lt")
    if ahi is not None and blo is not None and ahi + strict <= blo:
        return TRUE
    if alo is not None and bhi is not None and alo + strict > bhi:
        return FALSE
    return Expr(op, BOOL, (a, b))


def add(*args: Expr) -> Expr:
    terms: list[Expr] = []
    total = 0
    for a in args:
        _want(INT, a)
        for part in a.args if a.op == "add" else (a,):
            if part.is_const:
                total += part.data
            else:
                terms.append(part)
    if total or not terms:
        terms.append(num(total))
    return terms[0] if len(terms) == 1 else Expr("add", INT, tuple(terms))


def sub(a: Expr, b: Expr) -> Expr:
    _want(INT, a, b)
    if a is b:
        return num(0)
    if b.is_const:
        return add(a, num(-b.data))
    if a.op == "add" and b in a.args:
        rest = list(a.args)
        rest.remove(b)
        return add(*rest)
    return Expr("sub", INT, (a, b))


def neg(a: Expr) -> Expr:
    return sub(num(0), a)


def mul(a: Expr, b: Expr) -> Expr:
    _want(INT, a, b)
    if a.is_const:
        a, b = b, a
    if b.is_const:
        if a.is_const:
            return num(a.data * b.data)
        if b.data == 0:
            return b
        if b.data == 1:
            return a
    return Expr("mul", INT, (a, b))


def div(a: Expr, b: Expr) -> Expr:
    """Floor division by a positive constant."""
    return _quotient("div", a, b, lambda x, y: x // y)


def mod(a: Expr, b: Expr) -> Expr:
    """Remainder (never negative) of division by a positive constant: wraps."""
    return _quotient("mod", a, b, lambda x, y: x % y)


def _quotient(op: str, a: Expr, b: Expr, fold: Callable[[int, int], int]) -> Expr:
    _want(INT, a, b)
    if not b.is_const or b.data <= 0:
        raise SortError(f"{show(b)} is no positive constant to divide by")
    if a.is_const:
        return num(fold(a.data, b.data))
    lo, hi = a.interval
    if lo is not None and hi is not None and lo >= 0 and hi < b.data:
        return num(0) if op == "div" else a
    return Expr(op, INT, (a, b))


def min_(a: Expr, b: Expr) -> Expr:
    return _extremum("min", a, b)


def max_(a: Expr, b: Expr) -> Expr:
    return _extremum("max", a, b)


def _extremum(op: str, a: Expr, b: Expr) -> Expr:
    _want(INT, a, b)
    for x, y in ((a, b), (b, a)):
        if le(x, y) is TRUE:
            return x if op == "min" else y
    return Expr(op, INT, (a, b))


@cache
def ite(c: Expr, a: Expr, b: Expr) -> Expr:
    """If c then a else b. Over tables the choice is pushed into the stored
    values, so that a table is always its variable under a chain of stores."""
    _want(BOOL, c)
    _want(a.sort, b)
    if c.is_const:
        return a if c.data else b
    if a is b:
        return a
    if c.op == "not":
        c, a, b = c.args[0], b, a
    if a.sort is BOOL:
        if a.is_const:
            return or_(c, b) if a.data else and_(not_(c), b)
        if b.is_const:
            return or_(not_(c), a) if b.data else and_(c, a)
    if isinstance(a.sort, TableSort):
        return _merge_tables(c, a, b)
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


def _changes(table: Expr) -> tuple[Expr, list[Change]]:
    """The table without stores, and its stores, innermost first."""
    changes: list[Change] = []
    while table.op == "store":
        changes.append((table.args[1:-1], table.args[-1]))
        table = table.args[0]
    changes.reverse()
    return table, changes


def _merge_tables(c: Expr, a: Expr, b: Expr) -> Expr:
    base, left = _changes(a)
    other_base, right = _changes(b)
    if "map" in (base.op, other_base.op):
        sort = _sort_of_table(a)
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
    """Whether a side changes the same index to something else later. What is
    overwritten must have a value there, too."""
    later = where.get(change[0], -1)
    return later > after and side[later] != change and change[1].total


# --- tables --------------------------------------------------------------


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
    _want(sort.element, value)
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
    sort = _sort_of_table(table)
    if len(index) != len(sort.index):
        raise SortError(
            f"{show(table)} takes {len(sort.index)} indices, not {len(index)}"
        )
    for i, d in zip(index, sort.index, strict=True):
        _want(d.sort, i)
    return sort


def _sort_of_table(e: Expr) -> TableSort:
    if not isinstance(e.sort, TableSort):
        raise SortError(f"{show(e)} is {e.sort}, not a table")
    return e.sort


def fill(sort: TableSort, value: Expr) -> Expr:
    """The table whose every cell is ``value``."""
    _want(sort.element, value)
    return Expr("fill", sort, (value,))


def row_wise(sort: TableSort, cell: Callable[..., Expr]) -> Expr:
    """The table whose cell at each index is ``cell`` of the index."""
    name = f"row{next(_FRESH)}"
    binders = [local(f"{name}.{k}", d) for k, d in enumerate(sort.index)]
    body = cell(*binders)
    _want(sort.element, body)
    if body.op == "select" and body.args[1:] == tuple(binders):
        return body.args[0]
    return Expr("map", sort, (body,), tuple(b.data for b in binders))


_FRESH = count()


# --- binders -------------------------------------------------------------


def aggregate(op: str, binder: Expr, body: Expr) -> Expr:
    """sum/all/any/setof over the binder's domain of ``body``."""
    name, domain = binder.data
    _want(INT if op == "sum" else BOOL, body)
    if op == "setof":
        sort: Sort = set_sort(domain)
        if body.is_const:
            return const(sort, (1 << len(domain)) - 1 if body.data else 0)
    else:
        sort = body.sort
        if not isinstance(domain, OpenDomain) and len(domain) == 0:
            return num(0) if op == "sum" else boolean(op == "all")
        if binder not in body.free:
            return mul(body, number_of_values(domain)) if op == "sum" else body
    return Expr(op, sort, (body,), (name, domain))


def number_of_values(domain: Domain) -> Expr:
    """Return how many values the domain has."""
    if isinstance(domain, OpenDomain):
        return add(sub(domain.end, num(domain.lo)), num(1))
    return num(len(domain))


def binder_of(e: Expr) -> Expr:
    """The local that a sum/all/any/setof node binds."""
    return local(e.data[0], e.data[1])


# --- sets ----------------------------------------------------------------


@cache
def member(e: Expr, s: Expr) -> Expr:
    domain = _set(s).domain
    _want(domain.sort, e)
    if s.is_const and e.is_const:
        return boolean(e.data in domain and s.data >> (e.data - domain.lo) & 1 == 1)
    if s.op == "setof" and e.op == "local" and e.data[1] == domain:
        return substitute(s.args[0], {binder_of(s): e})
    if s.op == "ite":
        return _in_branches(s, lambda leaf: member(e, leaf), _chooses)
    if s.is_const and s.data == 0:
        return FALSE
    if e.is_const and s.op in ("union", "inter", "diff"):
        a, b = (member(e, x) for x in s.args)
        if a.is_const or b.is_const:
            if s.op == "union":
                return or_(a, b)
            return and_(a, b if s.op == "inter" else not_(b))
    inside = _in_domain(e, domain)
    if s.op == "single":
        return and_(inside, eq(e, s.args[0]))
    if inside is not TRUE:
        return and_(inside, Expr("in", BOOL, (e, s)))
    if s.is_const and s.data == (1 << len(domain)) - 1:
        return TRUE
    return Expr("in", BOOL, (e, s))


def _inside(e: Expr) -> bool:
    if e.op == "select" and isinstance(sort := e.args[0].sort, TableSort):
        return all(map(certainly_in, e.args[1:], sort.index))
    if e.op == "single" and isinstance(e.sort, SetSort):
        return certainly_in(e.args[0], e.sort.domain)
    return True


def _in_domain(e: Expr, domain: Domain) -> Expr:
    if certainly_in(e, domain):
        return TRUE
    if isinstance(domain, OpenDomain):
        if e.sort is INT:
            return and_(le(num(domain.lo), e), le(e, domain.end))
        none = const(e.sort, -1)
        return TRUE if domain.lo < 0 else ne(e, none)
    if e.sort is INT:
        return and_(le(num(domain.lo), e), le(e, num(domain.hi)))
    return or_(*(eq(e, const(e.sort, v)) for v in domain))


def last(domain: Domain) -> Expr:
    """Return the greatest value of a domain of integers."""
    return domain.end if isinstance(domain, OpenDomain) else num(domain.hi)


def above(domain: Domain) -> Expr:
    """Return the integer after the greatest value of the domain."""
    return add(last(domain), num(1))


def certainly_in(e: Expr, domain: Domain) -> bool:
    """Return whether e is in the domain by its structure."""
    if isinstance(domain, OpenDomain):  # it has a least value, and is not empty
        least = e.is_const and e.data == domain.lo
        return least or (e.op == "local" and e.data[1] == domain)
    return inside(e.interval, domain)


def _set(*exprs: Expr) -> SetSort:
    for e in exprs:
        if not isinstance(e.sort, SetSort):
            raise SortError(f"{show(e)} is {e.sort}, not a set")
        _want(exprs[0].sort, e)
    sort = exprs[0].sort
    assert isinstance(sort, SetSort)
    return sort


def union(a: Expr, b: Expr) -> Expr:
    return _set_op("union", a, b, lambda x, y: x | y)


def inter(a: Expr, b: Expr) -> Expr:
    return _set_op("inter", a, b, lambda x, y: x & y)


def diff(a: Expr, b: Expr) -> Expr:
    return _set_op("diff", a, b, lambda x, y: x & ~y)


def _set_op(op: str, a: Expr, b: Expr, fold: Callable[[int, int], int]) -> Expr:
    sort = _set(a, b)
    full = (1 << len(sort.domain)) - 1
    if a.is_const and b.is_const:
        return const(sort, fold(a.data, b.data))
    empty = const(sort, 0)
    if a is b:
        return empty if op == "diff" else a
    for x, y in ((a, b), (b, a)):
        if op == "diff" and x is not a:
            if x is empty:
                return y
            if x.is_const and x.data == full:
                return empty
        elif x is empty:
            return y if op == "union" else empty
        elif op == "union" and x.is_const and x.data == full:
            return x
        elif op == "inter" and x.is_const and x.data == full:
            return y
    return Expr(op, sort, (a, b))


def single(e: Expr, domain: Domain) -> Expr:
    """The set {e} over ``domain``; e must lie in it."""
    _want(domain.sort, e)
    sort = set_sort(domain)
    if e.is_const and e.data in domain:
        return const(sort, 1 << (e.data - domain.lo))
    return Expr("single", sort, (e,))


def card(s: Expr) -> Expr:
    _set(s)
    if s.is_const:
        return num(s.data.bit_count())
    return Expr("card", INT, (s,))


# --- folds ---------------------------------------------------------------


def subterms(*roots: Expr) -> Iterator[Expr]:
    """Every node below ``roots`` once, arguments before their users."""
    seen: set[Expr] = set()
    stack: list[tuple[Expr, bool]] = [(r, False) for r in reversed(roots)]
    while stack:
        node, ready = stack.pop()
        if ready:
            yield node
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((a, False) for a in reversed(node.args) if a not in seen)
    tick(len(seen))


def rebuild(e: Expr, args: tuple[Expr, ...]) -> Expr:
    """The node with other arguments, simplified again."""
    return e if args == e.args else BUILD[e.op](None, e, *args)


def _rebuilt(_: None, e: Expr, *args: Expr) -> Expr:
    return rebuild(e, args)


def _leaf(_: None, e: Expr) -> Expr:
    return e


def _builder(build: Callable[..., Expr]) -> Callable[..., Expr]:
    return lambda _, e, *args: build(*args)


def _comparison(build: Callable[..., Expr]) -> Callable[..., Expr]:
    return lambda _, e, a, b: as_written(build(a, b), e.data)


def _aggregate(_: None, e: Expr, body: Expr) -> Expr:
    return aggregate(e.op, binder_of(e), body)


BUILD: Algebra[Expr] = {
    "const": _leaf,
    "param": _leaf,
    "var": _leaf,
    "local": _leaf,
    "not": _builder(not_),
    "and": _builder(and_),
    "or": _builder(or_),
    "eq": _builder(eq),
    "lt": _comparison(lt),
    "le": _comparison(le),
    "add": _builder(add),
    "sub": _builder(sub),
    "mul": _builder(mul),
    "div": _builder(div),
    "mod": _builder(mod),
    "min": _builder(min_),
    "max": _builder(max_),
    "ite": _builder(ite),
    "in": _builder(member),
    "union": _builder(union),
    "inter": _builder(inter),
    "diff": _builder(diff),
    "single": lambda _, e, a: single(a, _set(e).domain),
    "card": _builder(card),
    "select": _builder(select),
    "store": _builder(store),
    "fill": lambda _, e, a: fill(_sort_of_table(e), a),
    "map": lambda _, e, a: Expr("map", e.sort, (a,), e.data),
    "sum": _aggregate,
    "all": _aggregate,
    "any": _aggregate,
    "setof": _aggregate,
}
"""The reading of an expression as itself: each node by its constructor."""


_PLAIN: Algebra[Expr] = {
    **dict.fromkeys(BUILD, _rebuilt),
    "lt": lambda _, e, a, b: lt(a, b),
    "le": lambda _, e, a, b: le(a, b),
}


def substitute(e: Expr, by: Mapping[Expr, Expr]) -> Expr:
    """e with every node that is a key of ``by`` replaced, then simplified.
    Replacements must not mention binders of e (names are unique, so closed
    terms and other systems' locals are safe)."""
    return substitute_all((e,), by)[0]


def substitute_all(
    roots: Iterable[Expr], by: Mapping[Expr, Expr], memo: dict[Expr, Expr] | None = None
) -> tuple[Expr, ...]:
    """`substitute` over several roots with one memo table."""
    roots = tuple(roots)
    done: dict[Expr, Expr] = memo if memo is not None else {}
    of_locals = all(e.op == "local" for e in by)
    stack = list(roots)
    while stack:
        node = stack[-1]
        if node in done:
            stack.pop()
            continue
        hit = by.get(node)
        if hit is not None:
            done[node] = hit
            stack.pop()
            continue
        if not node.args or (of_locals and node.free.isdisjoint(by)):
            done[node] = node
            stack.pop()
            continue
        waiting = [a for a in node.args if a not in done]
        if waiting:
            stack.extend(waiting)
            continue
        args = tuple(done[a] for a in node.args)
        done[node] = rebuild(node, args)
        stack.pop()
        tick()
    return tuple(done[r] for r in roots)


def expand(e: Expr) -> Expr:
    """e without binders: every aggregate written out over its domain.
    Table equality becomes equality of all cells."""
    return expand_all((e,))[0]


def expand_all(roots: Iterable[Expr]) -> tuple[Expr, ...]:
    return tuple(fold(roots, _EXPANDED))


def _written_out(_: None, e: Expr, body: Expr) -> Expr:
    binder, domain = binder_of(e), e.data[1]
    parts = [expand(substitute(body, {binder: const(domain.sort, v)})) for v in domain]
    match e.op:
        case "sum":
            return add(*parts)
        case "all":
            return and_(*parts)
        case "any":
            return or_(*parts)
    result = empty = const(e.sort, 0)
    for k, part in enumerate(parts):
        result = union(result, ite(part, const(e.sort, 1 << k), empty))
    return result


def _cell_by_cell(_: None, e: Expr, a: Expr, b: Expr) -> Expr:
    if not isinstance(a.sort, TableSort):
        return rebuild(e, (a, b))
    space = index_space(a.sort)
    return and_(*(eq(select(a, *at), select(b, *at)) for at in space))


def _open(_: None, e: Expr, *body: Expr) -> Expr:
    raise SortError(f"{show(e)} is over all rows of an open table")


_EXPANDED: Algebra[Expr] = {
    **dict.fromkeys(BUILD, _rebuilt),
    **dict.fromkeys(BINDERS, _written_out),
    "map": _open,
    "eq": _cell_by_cell,
}


def defined(e: Expr) -> Expr:
    """Where e has a value: the condition, itself defined everywhere, that
    evaluating e (and/or/if from the left) reads tables inside their index
    domains and makes sets of elements of their domain."""
    return fold((e,), _DEFINED)[0]


def _all_defined(_: None, e: Expr, *of: Expr) -> Expr:
    return and_(*of)


def _junction_defined(_: None, e: Expr, *of: Expr) -> Expr:
    condition, reached = TRUE, TRUE
    for arg, known in zip(e.args, of, strict=True):
        condition = and_(condition, implies(reached, known))
        reached = and_(reached, arg if e.op == "and" else not_(arg))
    return condition


def _ite_defined(_: None, e: Expr, c: Expr, a: Expr, b: Expr) -> Expr:
    test = e.args[0]
    return and_(c, implies(test, a), implies(not_(test), b))


def _body_defined(_: None, e: Expr, body: Expr) -> Expr:
    return aggregate("all", binder_of(e), body)


def _index_inside(e: Expr) -> Expr:
    """That the index of a select or store is in the table."""
    index = zip(e.args[1:], _sort_of_table(e.args[0]).index, strict=False)
    return and_(*(_in_domain(i, d) for i, d in index))


def _select_defined(_: None, e: Expr, *of: Expr) -> Expr:
    return and_(*of, _index_inside(e))


def _store_defined(_: None, e: Expr, *of: Expr) -> Expr:
    return and_(*of[:-1], implies(_index_inside(e), of[-1]))


def _single_defined(_: None, e: Expr, a: Expr) -> Expr:
    return and_(a, _in_domain(e.args[0], _set(e).domain))


_DEFINED: Algebra[Expr] = {
    **dict.fromkeys(BUILD, _all_defined),
    **dict.fromkeys(BINDERS, _body_defined),
    "and": _junction_defined,
    "or": _junction_defined,
    "ite": _ite_defined,
    "select": _select_defined,
    "store": _store_defined,
    "single": _single_defined,
}


def index_space(sort: TableSort) -> Iterator[tuple[Expr, ...]]:
    """All indices of a table as constants, last index fastest."""

    def walk(domains: tuple[Domain, ...]) -> Iterator[tuple[Expr, ...]]:
        if not domains:
            yield ()
            return
        for v in domains[0]:
            for rest in walk(domains[1:]):
                yield (const(domains[0].sort, v), *rest)

    return walk(sort.index)
