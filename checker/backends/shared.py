# SPDX-License-Identifier: GPL-2.0-only
"""What expressions share: writers of text give it a name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator

from poolproof.checker.core.ir import Expr, subterms


def shared(
    roots: Iterable[Expr], known: Container[Expr], more: Iterable[Expr] = ()
) -> Iterator[Expr]:
    """Yield what several users have, arguments before users, except what is ``known``
    at first. ``more`` has a user for each time that it has an expression."""
    order = [e for e in subterms(*roots) if e not in known]
    uses = Counter(more)
    uses.update(a for e in order for a in e.args)
    return (e for e in order if e.args and uses[e] > 1)


def size(*roots: Expr, named: Container[Expr] = ()) -> int:
    """Return the nodes of the expressions, each as often as it is used; what is
    ``named`` counts as one."""
    known: dict[Expr, int] = {}
    for e in subterms(*roots):
        known[e] = 1 if e in named else 1 + sum(known[a] for a in e.args)
    return sum(known[e] for e in roots)
