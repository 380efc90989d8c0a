# SPDX-License-Identifier: GPL-2.0-only
"""The one fold over the IR.

A reading of the IR - values, intervals, text, Python, C, z3 - is an *algebra*:
a mapping from each operator's name to a function that makes a node's value
from its arguments' values. tests/unit/test_algebras.py checks that every
algebra has every operator of the table.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NoReturn, Protocol, Self, TypeVar

from poolproof.checker.core.limits import tick
from poolproof.checker.core.sorts import Sort


class Node(Protocol):
    """The attributes of an expression (`poolproof.checker.core.ir.Expr`) that a reading
    uses."""

    @property
    def op(self) -> str: ...
    @property
    def sort(self) -> Sort: ...
    @property
    def args(self) -> tuple[Self, ...]: ...
    @property
    def data(self) -> Any: ...
    @property
    def turned(self) -> bool: ...


V = TypeVar("V")
N = TypeVar("N", bound=Node)
K = TypeVar("K", contravariant=True)

Algebra = Mapping[str, Callable[..., V]]
"""Operator -> function of (given, node, *the arguments' values)."""


class Known(Protocol[K, V]):
    """The values of the nodes that have been read; a dict is one."""

    def __contains__(self, e: K, /) -> bool: ...
    def __getitem__(self, e: K, /) -> V: ...
    def __setitem__(self, e: K, value: V, /) -> None: ...


def fold(
    roots: Iterable[N],
    algebra: Algebra[V],
    given: Any = None,
    known: Known[N, V] | None = None,
    closed: Collection[str] = (),
    work: int = 1,
) -> list[V]:
    """Return the roots' values: ``algebra[node.op](given, node, *values)``.

    Each node is read once, arguments before their users and from the left,
    however often it is used and however deep it is. Nodes in ``known`` are
    not read again, and what is read is put there. Operators of ``closed``
    get no values: they read their arguments themselves (a binder's body has
    none before its variable is bound). ``work``: of a node, see `tick`.
    """
    roots = tuple(roots)
    done: Known[N, V] = {} if known is None else known
    count = 0
    path: list[N] = []
    stack: list[N | None] = [*reversed(roots)]  # None: the path's end is next
    while stack:
        node = stack.pop()
        if node is None:
            node = path.pop()
            values = [done[a] for a in node.args]
        elif node in done:
            continue
        elif node.args and node.op not in closed:
            path.append(node)
            stack.append(None)
            stack.extend(node.args[::-1])
            continue
        else:
            values = []
        count += 1
        if count == _OFTEN:
            tick(count * work)
            count = 0
        done[node] = algebra[node.op](given, node, *values)
    tick(count * work)
    return [done[root] for root in roots]


def unbound(_given: object, e: object, *_values: object) -> NoReturn:
    """For a leaf that has no value in an algebra. Raise KeyError."""
    raise KeyError(f"{e} has no value here")


def beyond(_given: object, e: Any, *_values: object) -> NoReturn:
    """For an operator that expressions must be without before an algebra reads them:
    aggregates are written out, tables are read and written cell by cell. Raise
    ValueError."""
    raise ValueError(f"{e}: {e.op} is written out before it is read")


_OFTEN = 16
"""Nodes that are read between two looks at the budget."""
