# SPDX-License-Identifier: GPL-2.0-only
"""A digest of what expressions mean, for names of files in the cache."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache

from poolproof.checker.core.ir import (
    Domain,
    EnumSort,
    Expr,
    ScalarSort,
    SetSort,
    Sort,
    TableSort,
    subterms,
)


def digest(roots: Iterable[Expr], *more: str) -> str:
    """Return 32 hexadecimal digits: the same for the same expressions and texts in
    the same order, whatever was built before in this process."""
    known: dict[Expr, str] = {}
    ends = []
    for root in roots:
        for node in subterms(root):
            if node not in known:
                data = _data(node.data)
                below = [known[a] for a in node.args]
                known[node] = _hash(node.op, _sort(node.sort), data, *below)
        ends.append(known[root])
    return _hash(*ends, "", *more)


def _hash(*parts: str) -> str:
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _data(data: object) -> str:
    """Return the data of a node besides its arguments: a number, a name, or a name with
    a flag or a domain."""
    if isinstance(data, tuple):
        return _hash(*map(_data, data))
    return _domain(data) if isinstance(data, Domain) else repr(data)


def _domain(domain: Domain) -> str:
    return f"{domain.lo}..{domain.hi} of {_sort(domain.sort)}"


@cache
def _sort(sort: Sort) -> str:
    match sort:
        case EnumSort():
            return f"enum {sort.name} {sort.labels}"
        case ScalarSort():
            return f"scalarset {sort.name} {sort.size}"
        case SetSort():
            return f"set {_domain(sort.domain)}"
        case TableSort():
            index = ", ".join(map(_domain, sort.index))
            return f"table [{index}] {_sort(sort.element)}"
    return sort.name
