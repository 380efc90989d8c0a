# SPDX-License-Identifier: GPL-2.0-only
"""The elements of open domains that formulas name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import Any

from poolproof.checker.core import ir
from poolproof.checker.core.ir import BINDERS, Expr, OpenDomain


class Elements:
    """The terms that formulas name as elements of open domains."""

    def __init__(self, formulas: Iterable[Expr]) -> None:
        self.of: dict[Any, dict[Expr, None]] = {}
        self.domains: dict[Any, Any] = {}
        self.add(formulas)

    def add(self, formulas: Iterable[Expr], but: Iterable[Expr] = ()) -> None:
        """Add what the formulas name that depends on no binder and not on ``but``."""
        bound = set(but)
        formulas = tuple(formulas)
        for e in ir.subterms(*formulas):
            if e.op in BINDERS:
                bound.add(ir.binder_of(e))
        for e in ir.subterms(*formulas):
            if not e.free.isdisjoint(bound):
                continue
            if e.op == "local":
                if isinstance(e.data[1], OpenDomain):
                    self.at(e.data[1])[e] = None
            elif e.op == "select":
                sort = ir.sort_of_table(e.args[0])
                for i, d in zip(e.args[1:], sort.index, strict=True):
                    if isinstance(d, OpenDomain) and not i.is_const:
                        self.at(d)[i] = None

    def by_domain(self) -> dict[Any, list[Expr]]:
        """Return the elements of each domain that sums may be over."""
        return {domain: list(self.of[key]) for domain, key in self.domains.items()}

    def at(self, domain: OpenDomain) -> dict[Expr, None]:
        key = self.domains[domain] = key_of(domain)
        return self.of.setdefault(key, {})

    def choices(self, binders: Sequence[Expr]) -> Iterator[tuple[Expr, ...]]:
        return product(*(tuple(self.of.get(key_of(b.data[1]), ())) for b in binders))

    def with_new(
        self, binders: Sequence[Expr], new: Sequence[Expr]
    ) -> Iterator[tuple[Expr, ...]]:
        """Choices of which at least one is new."""
        options = []
        for b in binders:
            key = key_of(b.data[1])
            more = [n for n in new if key_of(n.data[1]) == key]
            options.append((*more, *self.of.get(key, ())))
        for at in product(*options):
            if any(t in new for t in at):
                yield at


def key_of(domain: ir.Domain) -> Any:
    """Elements of a scalarset are one kind, whatever the domain; integers are
    those of one domain."""
    if domain.sort is ir.INT:
        return domain
    return domain.sort
