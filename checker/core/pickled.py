# SPDX-License-Identifier: GPL-2.0-only
"""Values with expressions in them as bytes, for other processes and the cache.

Expressions are interned and may be deeper than Python can recurse. So all that
a value holds are written first, as one list of rows in which arguments come
before what is built from them; the rest of the value mentions their numbers.
Once this is imported, plain `pickle` can write expressions, too, each by itself.
"""

from __future__ import annotations

import copyreg
import io
import pickle
from collections.abc import Iterable, Sequence
from typing import Any

from poolproof.checker.core.ir import Expr, subterms

Row = tuple[str, Any, tuple[int, ...], Any]
"""Operator, sort, numbers of the arguments, data."""


def dumps(value: Any) -> bytes:
    """Return the value as bytes, with each of its expressions once."""
    body = io.BytesIO()
    writer = _Pickler(body)
    writer.dump(value)
    whole = io.BytesIO()
    pickler = pickle.Pickler(whole, pickle.HIGHEST_PROTOCOL)
    pickler.dump(writer.rows.rows)
    return whole.getvalue() + body.getvalue()


def loads(data: bytes) -> Any:
    """Return the value that `dumps` wrote. What is in the bytes is executed: they
    must come from this user."""
    file = io.BytesIO(data)
    nodes = _built(pickle.load(file))
    return _Unpickler(file, nodes).load()


def _reduced(e: Expr) -> tuple[Any, tuple[Any, ...]]:
    rows = _Rows()
    rows.number(e)
    return _last, (rows.rows,)


def _last(rows: Sequence[Row]) -> Expr:
    return _built(rows)[-1]


copyreg.pickle(Expr, _reduced)


class _Rows:
    """The rows of expressions, each of which has a number."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.numbers: dict[Expr, int] = {}

    def number(self, e: Expr) -> int:
        """Return the expression's number, after giving one to all it is built of."""
        numbers = self.numbers
        for node in subterms(e, known=numbers):
            numbers[node] = len(self.rows)
            of = tuple([numbers[a] for a in node.args])
            self.rows.append((node.op, node.sort, of, node.data))
        return numbers[e]


def _built(rows: Iterable[Row]) -> list[Expr]:
    nodes: list[Expr] = []
    for op, sort, of, data in rows:
        nodes.append(Expr(op, sort, tuple([nodes[k] for k in of]), data))
    return nodes


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self.rows = _Rows()

    def persistent_id(self, value: Any) -> int | None:
        return self.rows.number(value) if type(value) is Expr else None


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, nodes: Sequence[Expr]) -> None:
        super().__init__(file)
        self.nodes = nodes

    def persistent_load(self, number: int) -> Expr:
        return self.nodes[number]
