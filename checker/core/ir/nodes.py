# SPDX-License-Identifier: GPL-2.0-only
"""The interned node, its leaves, and what is read off a node's structure."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import Any, ClassVar

from poolproof.checker.core.interval import INTERVALS, STRUCTURE, Interval, inside
from poolproof.checker.core.limits import tick
from poolproof.checker.core.operators import BINDERS, OPERATORS
from poolproof.checker.core.show import show
from poolproof.checker.core.sorts import (
    BOOL,
    INT,
    Domain,
    OpenDomain,
    SetSort,
    Sort,
    SortError,
    TableSort,
)


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
    """True if it has a value wherever its leaves have one: no index, and no element of
    a set, may leave its domain."""

    _interned: ClassVar[dict[tuple[Any, ...], Expr]] = {}

    @property
    def turned(self) -> bool:
        """Return whether a text has the right side of this comparison first: as it was
        written, or else with a constant on the right."""
        if self.op not in ("lt", "le"):
            return False
        return self.args[0].is_const if self.data is None else bool(self.data)

    def __new__(
        cls, op: str, sort: Sort, args: tuple[Expr, ...] = (), data: Any = None
    ) -> Expr:
        key: tuple[Any, ...] = (op, sort, args, data)
        if op in _WITH_DOMAINS:
            key = (*key, *(domain.name for _, domain in _bound(op, data)))
        node = cls._interned.get(key)
        if node is None:
            node = super().__new__(cls)
            node.op, node.sort, node.args, node.data = op, sort, args, data
            OPERATORS[op].check(len(args))
            free: frozenset[Expr] = frozenset()
            total = True
            for arg in args:
                if arg.free:
                    free = free | arg.free if free else arg.free
                total = total and arg.total
            if op == "local":
                free = frozenset((node,))
            elif op in _WITH_DOMAINS:
                free = free - {local(*bound) for bound in _bound(op, data)}
            node.free = free
            node.is_const = op == "const"
            node.negation = None
            node.interval = INTERVALS[op](STRUCTURE, node, *[a.interval for a in args])
            node.total = total and _reads_inside(node)
            cls._interned[key] = node
            tick(4)
        return node

    def __repr__(self) -> str:
        return show(self)


_WITH_DOMAINS = BINDERS | {"local", "map"}


def _bound(op: str, data: Any) -> Sequence[tuple[str, Domain]]:
    """Return the locals that such a node is, or binds."""
    return data if op == "map" else (data,)


def const(sort: Sort, raw: int) -> Expr:
    """Return the raw value of ``sort`` as a node. Numbers, labels and elements may
    have raw values beyond the sort's own ("none"). Raise SortError for one of bools
    or sets, which have none."""
    raw = int(raw)
    size = 1 if sort is BOOL else -1
    if isinstance(sort, SetSort):
        size = 0 if isinstance(sort.domain, OpenDomain) else len(sort.domain)
    if size >= 0 and raw >> size:
        raise SortError(f"{sort} has no value {raw}")
    return Expr("const", sort, (), raw)


def num(value: int) -> Expr:
    return const(INT, value)


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


def binder_of(e: Expr) -> Expr:
    """The local that a sum/all/any/setof node binds."""
    return local(e.data[0], e.data[1])


def want(sort: Sort, *exprs: Expr) -> None:
    for e in exprs:
        if e.sort is not sort:
            raise SortError(f"{show(e)} is {e.sort}, and {sort} is needed here")


def sort_of_table(e: Expr) -> TableSort:
    if not isinstance(e.sort, TableSort):
        raise SortError(f"{show(e)} is {e.sort}, not a table")
    return e.sort


def sort_of_set(*exprs: Expr) -> SetSort:
    for e in exprs:
        if not isinstance(e.sort, SetSort):
            raise SortError(f"{show(e)} is {e.sort}, not a set")
        want(exprs[0].sort, e)
    sort = exprs[0].sort
    assert isinstance(sort, SetSort)
    return sort


def domain_of(e: Expr) -> Domain:
    """Return the domain of which a value of e is a set. Raise SortError if e is no
    set."""
    return sort_of_set(e).domain


def certainly_in(e: Expr, domain: Domain) -> bool:
    """Return whether e is in the domain by its structure."""
    if isinstance(domain, OpenDomain):  # it has a least value, and is not empty
        least = e.is_const and e.data == domain.lo
        return least or (e.op == "local" and e.data[1] == domain)
    return inside(e.interval, domain)


def _reads_inside(e: Expr) -> bool:
    """Return whether a read of a table, or an element of a set, is certainly in its
    domain."""
    if e.op == "select" and isinstance(sort := e.args[0].sort, TableSort):
        return all(map(certainly_in, e.args[1:], sort.index))
    if e.op == "single" and isinstance(e.sort, SetSort):
        return certainly_in(e.args[0], e.sort.domain)
    return True


def subterms(*roots: Expr, known: Container[Expr] = ()) -> Iterator[Expr]:
    """Yield every node below the roots once, arguments before their users, except
    those that are ``known``, and the nodes that only these use. Nodes may become
    known as they are yielded."""
    seen: set[Expr] = set()
    path: list[Expr] = []
    stack: list[Expr | None] = [*reversed(roots)]  # None: the path's end is next
    while stack:
        node = stack.pop()
        if node is None:
            yield path.pop()
        elif node not in seen and node not in known:
            seen.add(node)
            if node.args:
                path.append(node)
                stack.append(None)
                stack.extend(node.args[::-1])
            else:
                yield node
    tick(len(seen))


def variables_in(*roots: Expr) -> frozenset[str]:
    """Return the names of the variables that occur in expressions, primed or not."""
    return frozenset(e.data[0] for e in subterms(*roots) if e.op == "var")


TRUE = const(BOOL, 1)
FALSE = const(BOOL, 0)
