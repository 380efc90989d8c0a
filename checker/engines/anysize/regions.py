# SPDX-License-Identifier: GPL-2.0-only
"""How the rests of sums are related: the sizes of regions that they are made of.

An element that no term names is in one of finitely many *regions*, each a vector
of truth values of the conditions that the rests count. z3 lists the vectors that
the facts allow; each rest is the sum of some regions' sizes, which are at least 0.
That the list is complete is a question of its own, and it is kept beside the other
(Kuncak and others, "Boolean Algebra with Presburger Arithmetic", 2006).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from typing import Any, Protocol

import z3

from poolproof.checker.core import ir
from poolproof.checker.core.ir import Expr
from poolproof.checker.engines.anysize.building import (
    Term,
    add,
    at_most,
    conjunction,
    disjunction,
    equal,
    implies,
    less,
    negated,
    plus,
)
from poolproof.checker.engines.anysize.elements import Elements
from poolproof.checker.engines.anysize.facts import Universal
from poolproof.checker.engines.anysize.sums import Rest, Sums
from poolproof.checker.engines.anysize.terms import PlainTerms

_ZERO = z3.IntVal(0)
_REGIONS = 96
"""Vectors of one group of rests, at most."""


class LoweredQuestion(Protocol):
    """A question that is put into z3's terms."""

    plain: PlainTerms
    sums: Sums
    named: dict[Expr, None]
    axioms: list[Term]
    opaque: dict[Expr, Term]
    universals: list[Universal]

    def lower(self, e: Expr) -> Term: ...
    def where_inside(self, u: Universal, at: tuple[Expr, ...], fact: Expr) -> Term: ...
    def labelled(self, named: Iterable[tuple[str, Term]]) -> list[Term]: ...
    def asked(self, solver: Any) -> Any: ...
    def used(self, solver: Any) -> dict[str, Term]: ...


class Regions:
    """The regions of one question. ``ground``: its facts about named elements."""

    def __init__(
        self, question: LoweredQuestion, ground: Iterable[Expr], solver: Any
    ) -> None:
        self.question, self.solver = question, solver
        self.ground = tuple(ground)
        self.witnesses: list[Callable[[], list[Term]]] = []
        """Functions that make the facts that no region is without an element."""
        self.listed: list[tuple[Any, list[Term]]] = []
        """Assertions by which a list of regions is complete, with the facts used."""

    def relate(self) -> str:
        """Say how the rests over the same elements are related. Return why that is not
        known, or ''."""
        groups: dict[Any, list[Rest]] = {}
        for rest in self.question.sums.rests.values():
            if rest.weight is ir.num(1):
                groups.setdefault((rest.binders, rest.named), []).append(rest)
        parts = [part for rests in groups.values() for part in related(rests)]
        for number, rests in enumerate(parts):
            why = self.group(number, rests)
            if why:
                return why
        return ""

    def group(self, number: int, rests: list[Rest]) -> str:
        """List the regions of some rests, and say which make up each. Return why that
        is not known, or ''."""
        asked, solver = self.question, self.solver
        binders, named = rests[0].binders, rests[0].named
        axioms, leaves = len(asked.axioms), len(asked.named)
        conditions = [r.condition for r in rests]
        totals = [r.term for r in rests]
        about, bodies = self.about_elements(binders, named)
        compared = [*conditions, *bodies]
        for condition, total in asked.sums.counted(binders, named, compared):
            conditions.append(condition)
            totals.append(total)
        values = [asked.lower(c) for c in conditions]
        ranges = asked.plain.axioms_of(islice(asked.named, leaves, None))
        more = [*asked.axioms[axioms:], *asked.labelled(ranges)]
        add(solver, more)
        sizes: list[tuple[Term, list[bool]]] = []
        solver.push()
        add(solver, asked.labelled(about))
        while True:
            answer = asked.asked(solver)
            if answer == z3.unsat:
                break
            if answer != z3.sat:
                return "z3 gave up on the regions of a sum for"
            if len(sizes) == _REGIONS:
                return "a sum has too many regions for"
            model = solver.model()
            vector = [z3.is_true(model.eval(v, model_completion=True)) for v in values]
            sizes.append((z3.Int(f"region {number}.{len(sizes)}"), vector))
            other = zip(values, vector, strict=True)
            add(solver, [disjunction([negated(v) if b else v for v, b in other])])
        used = list(asked.used(solver).values())
        self.listed.append((solver.assertions(), used))
        solver.pop()
        add(solver, (at_most(_ZERO, size) for size, _ in sizes))
        said = [*more, *asked.labelled(about)]
        for size, vector in sizes:
            self.witnesses.append(
                partial(self.witness, binders, size, vector, values, said)
            )
        for k, total in enumerate(totals):
            mine = [size for size, vector in sizes if vector[k]]
            add(solver, [implies(conjunction(used), equal(total, plus(mine)))])
        return ""

    def witness(
        self,
        binders: tuple[Expr, ...],
        size: Term,
        vector: list[bool],
        values: list[Term],
        said: list[Term],
    ) -> list[Term]:
        """Return that a region which is not empty has an element, for which its
        conditions, and the facts about all elements, are true."""
        own = [
            (self.question.lower(b), z3.Int(f"{b.data[0]} in {size}")) for b in binders
        ]
        bound = frozenset(binders)
        own += [
            (truth, z3.Bool(f"{truth} in {size}"))
            for e, truth in self.question.opaque.items()
            if not e.free.isdisjoint(bound)
        ]
        own += [
            (rest.term, z3.Int(f"{rest.term} in {size}"))
            for rest in self.question.sums.rests.values()
            if not rest.free.isdisjoint(bound)
        ]
        is_there = [v if b else negated(v) for v, b in zip(values, vector, strict=True)]
        fact = z3.substitute(conjunction([*is_there, *said]), *own)
        return [implies(less(_ZERO, size), fact)]

    def about_elements(
        self, binders: tuple[Expr, ...], named: tuple[tuple[Expr, ...], ...]
    ) -> tuple[list[tuple[str, Term]], list[Expr]]:
        """Return what holds of elements that no term names, and facts about them."""
        about: list[tuple[str, Term]] = []
        bodies: list[Expr] = []
        for b, terms in zip(binders, named, strict=True):
            value = self.question.lower(b)
            about += [
                ("", negated(equal(value, self.question.lower(t)))) for t in terms
            ]
        mixed = Elements(self.ground)
        for u in list(self.question.universals):
            mine = frozenset(u.binders)
            if any(
                n.op in ("sum", "first") and not n.free.isdisjoint(mine)
                for n in ir.subterms(u.body)
            ):
                continue
            for at in mixed.with_new(u.binders, binders):
                body = ir.substitute(u.body, dict(zip(u.binders, at, strict=True)))
                bodies.append(body)
                about.append((u.of, self.question.where_inside(u, at, body)))
        return about, bodies


def related(rests: list[Rest]) -> list[list[Rest]]:
    """Return the rests in groups: two that read a table at one index belong
    together. Those of two rows do not, so that a group has fewer regions."""
    groups: list[tuple[set[tuple[Expr, ...]], list[Rest]]] = []
    for rest in rests:
        bound = frozenset(rest.binders)
        read = {
            e.args[1:]
            for e in ir.subterms(rest.condition)
            if e.op == "select" and not e.free.isdisjoint(bound)
        }
        joined, others = [rest], []
        for indices, some in groups:
            if indices.isdisjoint(read):
                others.append((indices, some))
            else:
                read |= indices
                joined = [*some, *joined]
        groups = [*others, (read, joined)]
    return [some for _, some in groups]
