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
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from poolproof.checker.core.limits import tick

# --- sorts ---------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Sort:
    """What a raw int means. Sorts are interned: compare them with ``is``."""

    name: str

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True, eq=False, repr=False)
class EnumSort(Sort):
    """A finite sort of named labels; raw k is ``labels[k]``."""

    labels: tuple[str, ...]


@dataclass(frozen=True, eq=False, repr=False)
class ScalarSort(Sort):
    """A finite sort of ``size`` elements; raw ``size`` stands for none.

    ``interchangeable`` is the design's claim that no action tells its
    elements apart; checker.passes.symmetry checks the claim before it is used.
    """

    size: int
    prefix: str
    interchangeable: bool


@dataclass(frozen=True, eq=False, repr=False)
class SetSort(Sort):
    """Subsets of a finite domain, as bit masks."""

    domain: Domain


@dataclass(frozen=True, eq=False, repr=False)
class TableSort(Sort):
    """Total maps from the product of ``index`` domains to ``element``."""

    index: tuple[Domain, ...]
    element: Sort


@dataclass(frozen=True)
class Domain:
    """The raw values lo..hi (inclusive) of ``sort``: binders, indices,
    parameters. ``name`` is what the user called it and no part of equality."""

    sort: Sort
    lo: int
    hi: int
    name: str = field(default="", compare=False)

    def __len__(self) -> int:
        return self.hi - self.lo + 1

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.lo, self.hi + 1))

    def __contains__(self, raw: object) -> bool:
        return isinstance(raw, int) and self.lo <= raw <= self.hi


BOOL = Sort("bool")
INT = Sort("int")


@cache
def enum_sort(name: str, labels: tuple[str, ...]) -> EnumSort:
    return EnumSort(name, labels)


@cache
def scalar_sort(
    name: str, size: int, prefix: str = "", interchangeable: bool = True
) -> ScalarSort:
    return ScalarSort(name, size, prefix or name.lower(), interchangeable)


@cache
def set_sort(domain: Domain) -> SetSort:
    return SetSort(f"set of {domain.name or domain.sort}", domain)


@cache
def table_sort(index: tuple[Domain, ...], element: Sort) -> TableSort:
    over = " ".join(str(d.name or d.sort) for d in index)
    return TableSort(f"table over {over} of {element}", index, element)


def scalarsets(sort: Sort) -> Iterator[ScalarSort]:
    """The scalarsets that index a sort's values, or are among them."""
    match sort:
        case ScalarSort():
            yield sort
        case SetSort(domain=domain):
            yield from scalarsets(domain.sort)
        case TableSort(index=index, element=element):
            for domain in index:
                yield from scalarsets(domain.sort)
            yield from scalarsets(element)


def show_raw(sort: Sort, raw: int) -> str:
    """The raw value as a user writes it: ``true``, ``ENOMEM``, ``v1``, ``{n0}``."""
    match sort:
        case EnumSort(labels=labels):
            return labels[raw] if 0 <= raw < len(labels) else f"{sort.name}#{raw}"
        case ScalarSort(size=size, prefix=prefix):
            return "none" if raw == size else f"{prefix}{raw}"
        case SetSort(domain=domain):
            members = (v for k, v in enumerate(domain) if raw >> k & 1)
            return "{" + ", ".join(show_raw(domain.sort, v) for v in members) + "}"
        case _ if sort is BOOL:
            return "true" if raw else "false"
        case _:
            return str(raw)


# --- nodes ---------------------------------------------------------------


class Expr:
    """One interned node. ``data`` is what the operator needs besides its
    arguments: a constant's raw value, a name, a binder's (name, Domain)."""

    __slots__ = ("args", "data", "free", "is_const", "negation", "op", "sort", "total")
    op: str
    sort: Sort
    args: tuple[Expr, ...]
    data: Any
    free: frozenset[Expr]
    """The locals that occur free in this node."""
    is_const: bool
    negation: Expr | None
    """`not_` of this node, once somebody asked for it."""
    total: bool
    """It has a value wherever its leaves have: no index, element of a set
    included, may leave its domain."""

    _interned: dict[tuple[str, Sort, tuple[Expr, ...], Any], Expr] = {}  # noqa: RUF012

    def __new__(
        cls, op: str, sort: Sort, args: tuple[Expr, ...] = (), data: Any = None
    ) -> Expr:
        key = (op, sort, args, data)
        node = cls._interned.get(key)
        if node is None:
            node = super().__new__(cls)
            node.op, node.sort, node.args, node.data = op, sort, args, data
            OPERATORS[op].check(args)
            free: frozenset[Expr] = frozenset()
            for arg in args:
                if arg.free:
                    free = free | arg.free if free else arg.free
            if op == "local":
                free = frozenset((node,))
            elif op in BINDERS:
                free = free - {local(data[0], data[1])}
            node.free = free
            node.is_const = op == "const"
            node.negation = None
            node.total = all(a.total for a in args) and (not args or _inside(node))
            cls._interned[key] = node
            tick(4)
        return node

    def __repr__(self) -> str:
        return show(self)


class SortError(TypeError):
    """An operator was applied to a sort it is not defined on."""


# --- the operator table --------------------------------------------------


@dataclass(frozen=True)
class Operator:
    """One row of the table: what every backend needs to know of an operator.

    ``least`` and ``most`` (None: any) arguments. ``python`` is a template
    over the argument texts a, b, c. ``symbol`` and ``binding`` print the
    expression (higher binds tighter).
    """

    name: str
    least: int
    most: int | None
    symbol: str
    python: str
    binding: int = 9

    def check(self, args: tuple[Expr, ...]) -> None:
        """Raises SortError for too few or too many arguments."""
        if len(args) < self.least or (self.most is not None and len(args) > self.most):
            raise SortError(f"{self.name} does not take {len(args)} arguments")


OPERATORS: dict[str, Operator] = {
    o.name: o
    for o in (
        Operator("not", 1, 1, "not {a}", "(not {a})", 3),
        Operator("and", 1, None, "and", "", 2),
        Operator("or", 1, None, "or", "", 1),
        Operator("eq", 2, 2, "==", "({a} == {b})", 4),
        Operator("lt", 2, 2, "<", "({a} < {b})", 4),
        Operator("le", 2, 2, "<=", "({a} <= {b})", 4),
        Operator("add", 1, None, "+", "", 6),
        Operator("sub", 2, 2, "-", "({a} - {b})", 6),
        Operator("mul", 2, 2, "*", "({a} * {b})", 7),
        Operator("div", 2, 2, "//", "({a} // {b})", 7),
        Operator("mod", 2, 2, "%", "({a} % {b})", 7),
        Operator("min", 2, 2, "min", "min({a}, {b})"),
        Operator("max", 2, 2, "max", "max({a}, {b})"),
        Operator("ite", 3, 3, "if", "({b} if {a} else {c})"),
        Operator("in", 2, 2, "in", "({b} >> ({a} - {lo}) & 1 == 1)", 4),
        Operator("union", 2, 2, "|", "({a} | {b})", 5),
        Operator("inter", 2, 2, "&", "({a} & {b})", 5),
        Operator("diff", 2, 2, "-", "({a} & ~{b})", 6),
        Operator("single", 1, 1, "{a}", "(1 << ({a} - {lo}))"),
        Operator("card", 1, 1, "len", "({a}).bit_count()"),
        Operator("select", 2, None, "[]", ""),
        Operator("store", 3, None, "[:=]", ""),
        Operator("fill", 1, 1, "fill", ""),
        Operator("sum", 1, 1, "sum", ""),
        Operator("all", 1, 1, "all", ""),
        Operator("any", 1, 1, "any", ""),
        Operator("setof", 1, 1, "setof", ""),
        Operator("const", 0, 0, "", ""),
        Operator("param", 0, 0, "", ""),
        Operator("var", 0, 0, "", ""),
        Operator("local", 0, 0, "", ""),
    )
}

BINDERS = frozenset(("sum", "all", "any", "setof"))


# --- leaves --------------------------------------------------------------


def const(sort: Sort, raw: int) -> Expr:
    """The raw value of ``sort`` as a node. Numbers, labels and elements have
    raw values beyond the sort's own ("none"); bools and sets have not, and
    SortError is raised for one."""
    raw = int(raw)
    size = 1 if sort is BOOL else len(sort.domain) if isinstance(sort, SetSort) else -1
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
    if a.op == "lt":
        return le(a.args[1], a.args[0])
    if a.op == "le":
        return lt(a.args[1], a.args[0])
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
    # absorb: x and (x or y) is x; a part decides about those to its right
    # (only those: where it is false, they may be undefined, and what is
    # between the two may be where they are false)
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
        lo, hi = interval(a)
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


@cache
def _compare(op: str, a: Expr, b: Expr) -> Expr:
    _want(INT, a, b)
    if a is b:
        return boolean(op == "le")
    (alo, ahi), (blo, bhi) = interval(a), interval(b)
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
    lo, hi = interval(a)
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
        i if i.total else ite(c, i, const(d.sort, d.hi + 1))
        for i, d in zip(index, sort.index, strict=True)
    )
    return store(table, *where, value)


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
    else:
        value = Expr("select", sort.element, (table, *index))
    for same, stored in reversed(choices):
        value = ite(same, stored, value)
    return value


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
        if i.is_const and i.data not in d:
            return table
        if len(d) > SPREAD or isinstance(d.sort, ScalarSort) or _certainly_in(i, d):
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
    if not isinstance(table.sort, TableSort):
        raise SortError(f"{show(table)} is {table.sort}, not a table")
    if len(index) != len(table.sort.index):
        raise SortError(
            f"{show(table)} takes {len(table.sort.index)} indices, not {len(index)}"
        )
    for i, d in zip(index, table.sort.index, strict=True):
        _want(d.sort, i)
    return table.sort


def fill(sort: TableSort, value: Expr) -> Expr:
    """The table whose every cell is ``value``."""
    _want(sort.element, value)
    return Expr("fill", sort, (value,))


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
        if len(domain) == 0:
            return num(0) if op == "sum" else boolean(op == "all")
        if binder not in body.free:
            return mul(body, num(len(domain))) if op == "sum" else body
    return Expr(op, sort, (body,), (name, domain))


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
        return all(map(_certainly_in, e.args[1:], sort.index))
    if e.op == "single" and isinstance(e.sort, SetSort):
        return _certainly_in(e.args[0], e.sort.domain)
    return True


def _in_domain(e: Expr, domain: Domain) -> Expr:
    if _certainly_in(e, domain):
        return TRUE
    if e.sort is INT:
        return and_(le(num(domain.lo), e), le(e, num(domain.hi)))
    return or_(*(eq(e, const(e.sort, v)) for v in domain))


def _certainly_in(e: Expr, domain: Domain) -> bool:
    lo, hi = interval(e)
    return lo is not None and hi is not None and domain.lo <= lo and hi <= domain.hi


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
    match e.op:
        case "and":
            return and_(*args)
        case "or":
            return or_(*args)
        case "add":
            return add(*args)
        case "sum" | "all" | "any" | "setof":
            return aggregate(e.op, binder_of(e), args[0])
        case "fill":
            assert isinstance(e.sort, TableSort)
            return fill(e.sort, args[0])
        case "single":
            assert isinstance(e.sort, SetSort)
            return single(args[0], e.sort.domain)
        case op if op in _BUILDERS:
            return _BUILDERS[op](*args)
        case _:
            return e


_BUILDERS: dict[str, Callable[..., Expr]] = {
    "not": not_,
    "eq": eq,
    "lt": lt,
    "le": le,
    "sub": sub,
    "mul": mul,
    "div": div,
    "mod": mod,
    "min": min_,
    "max": max_,
    "ite": ite,
    "select": select,
    "store": store,
    "in": member,
    "union": union,
    "inter": inter,
    "diff": diff,
    "card": card,
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
        done[node] = node if args == node.args else rebuild(node, args)
        stack.pop()
        tick()
    return tuple(done[r] for r in roots)


def expand(e: Expr) -> Expr:
    """e without binders: every aggregate written out over its domain.
    Table equality becomes equality of all cells."""
    return expand_all((e,))[0]


def expand_all(roots: Iterable[Expr]) -> tuple[Expr, ...]:
    roots = tuple(roots)
    done: dict[Expr, Expr] = {}
    for node in subterms(*roots):
        args = tuple(done[a] for a in node.args)
        if node.op in BINDERS:
            binder, domain = binder_of(node), node.data[1]
            parts = [
                expand(substitute(args[0], {binder: const(domain.sort, v)}))
                for v in domain
            ]
            done[node] = _join(node, parts)
        elif node.op == "eq" and isinstance(args[0].sort, TableSort):
            done[node] = and_(
                *(
                    eq(select(args[0], *at), select(args[1], *at))
                    for at in index_space(args[0].sort)
                )
            )
        else:
            done[node] = node if args == node.args else rebuild(node, args)
    return tuple(done[r] for r in roots)


def _join(node: Expr, parts: list[Expr]) -> Expr:
    match node.op:
        case "sum":
            return add(*parts)
        case "all":
            return and_(*parts)
        case "any":
            return or_(*parts)
    sort = node.sort
    result = const(sort, 0)
    for k, part in enumerate(parts):
        result = union(result, ite(part, const(sort, 1 << k), const(sort, 0)))
    return result


def defined(e: Expr) -> Expr:
    """Where e has a value: the condition, itself defined everywhere, that
    evaluating e (and/or/if from the left) reads tables inside their index
    domains and makes sets of elements of their domain."""
    done: dict[Expr, Expr] = {}
    for node in subterms(e):
        of = [done[a] for a in node.args]
        match node.op:
            case "and" | "or":
                condition, reached = TRUE, TRUE
                for arg, known in zip(node.args, of, strict=True):
                    condition = and_(condition, implies(reached, known))
                    reached = and_(reached, arg if node.op == "and" else not_(arg))
            case "ite":
                test = node.args[0]
                condition = and_(
                    of[0], implies(test, of[1]), implies(not_(test), of[2])
                )
            case "sum" | "all" | "any" | "setof":
                condition = aggregate("all", binder_of(node), of[0])
            case "select" | "store":
                sort = node.args[0].sort
                assert isinstance(sort, TableSort)
                index = zip(node.args[1:], sort.index, strict=False)
                inside = and_(*(_in_domain(i, d) for i, d in index))
                if node.op == "select":
                    condition = and_(*of, inside)
                else:
                    condition = and_(*of[:-1], implies(inside, of[-1]))
            case "single":
                assert isinstance(node.sort, SetSort)
                condition = and_(of[0], _in_domain(node.args[0], node.sort.domain))
            case _:
                condition = and_(*of)
        done[node] = condition
    return done[e]


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


@cache
def interval(e: Expr) -> tuple[int | None, int | None]:
    """Bounds that e's raw value certainly keeps, from constants, locals and
    structure alone (a variable's declared range is an obligation, and is not
    used here)."""
    match e.op:
        case "const":
            return e.data, e.data
        case "local":
            return e.data[1].lo, e.data[1].hi
        case "add":
            los, his = zip(*(interval(a) for a in e.args), strict=True)
            return _total(los), _total(his)
        case "sub":
            (alo, ahi), (blo, bhi) = interval(e.args[0]), interval(e.args[1])
            return (
                None if alo is None or bhi is None else alo - bhi,
                None if ahi is None or blo is None else ahi - blo,
            )
        case "mod":
            return 0, e.args[1].data - 1
        case "ite":
            (alo, ahi), (blo, bhi) = interval(e.args[1]), interval(e.args[2])
            return (
                None if alo is None or blo is None else min(alo, blo),
                None if ahi is None or bhi is None else max(ahi, bhi),
            )
        case "min" | "max":
            return _extremum_interval(e)
        case "card":
            sort = e.args[0].sort
            return 0, len(sort.domain) if isinstance(sort, SetSort) else None
        case "sum":
            lo, hi = interval(e.args[0])
            n = len(e.data[1])
            return None if lo is None else lo * n, None if hi is None else hi * n
        case _:
            return (0, 1) if e.sort is BOOL else (None, None)


def _extremum_interval(e: Expr) -> tuple[int | None, int | None]:
    (alo, ahi), (blo, bhi) = interval(e.args[0]), interval(e.args[1])
    least, most = (alo, blo), (ahi, bhi)
    if e.op == "min":
        known = [h for h in most if h is not None]
        lo = None if None in least else min(x for x in least if x is not None)
        return lo, min(known) if known else None
    floors = [x for x in least if x is not None]
    hi = None if None in most else max(h for h in most if h is not None)
    return max(floors) if floors else None, hi


def _total(parts: Iterable[int | None]) -> int | None:
    total = 0
    for p in parts:
        if p is None:
            return None
        total += p
    return total


# --- printing ------------------------------------------------------------


def show(e: Expr) -> str:
    """The expression in the spec language's own syntax."""
    return _show(e, 0)


COMPARISON = OPERATORS["eq"].binding


def _show(e: Expr, outer: int) -> str:
    match e.op:
        case "const":
            return show_raw(e.sort, e.data)
        case "param":
            return str(e.data)
        case "var":
            return str(e.data[0]) + ("'" if e.data[1] else "")
        case "local":
            return str(e.data[0]).split("#")[0]
        case "select":
            table, *index = e.args
            return f"{_show(table, 9)}[{', '.join(_show(i, 0) for i in index)}]"
        case "store":
            table, *index, value = e.args
            at = ", ".join(_show(i, 0) for i in index)
            return f"{_show(table, 9)}[{at} := {_show(value, 0)}]"
        case "sum" | "all" | "any" | "setof":
            name, domain = e.data
            values = domain.name or f"{domain.lo}..{domain.hi}"
            if not domain.name and domain.sort is not INT:
                values = str(domain.sort)
            head = f"{name.split('#')[0]} in {values}"
            return f"{e.op}({head}: {_show(e.args[0], 0)})"
        case "ite":
            c, a, b = (_show(x, 1) for x in e.args)
            text, mine = f"{a} if {c} else {b}", 0
        case "min" | "max" | "card" | "fill":
            name = OPERATORS[e.op].symbol
            return f"{name}({', '.join(_show(a, 0) for a in e.args)})"
        case "single":
            return "{" + _show(e.args[0], 0) + "}"
        case "not" if e.args[0].op == "eq":
            text, mine = " != ".join(_show(a, 5) for a in e.args[0].args), 4
        case "not":
            text, mine = "not " + _show(e.args[0], 3), 3
        case _:
            row = OPERATORS[e.op]
            mine = row.binding
            right = mine + 1
            first, *rest = e.args
            left = right if mine == COMPARISON else mine  # a chain is a conjunction
            text = f" {row.symbol} ".join(
                (_show(first, left), *(_show(a, right) for a in rest))
            )
    return f"({text})" if mine < outer else text
