# SPDX-License-Identifier: GPL-2.0-only
"""Whether an expression commutes with the permutations of a scalarset.

It does if it equals its image under each transposition of neighbours, which
exchanges the constants that name them. Here they are compared in a normal form,
by laws that hold whatever the values are; `checker.engines.doubts` asks z3 about
those that differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

from poolproof.checker.core.ir import (
    BINDERS,
    BOOL,
    FALSE,
    INT,
    TRUE,
    Domain,
    Expr,
    ScalarSort,
    SetSort,
    Sort,
    TableSort,
    binder_of,
    changes_of,
    const,
    eq,
    local,
    not_,
    num,
    substitute,
    substitute_all,
    subterms,
)
from poolproof.checker.core.limits import tick

COMPARISONS = 300
"""Upper limit on the expressions that are compared with their images to answer for
one: its cases, and the conditions that might tell cases apart."""


class Equivariance:
    """The check that expressions commute with the permutations of one scalarset."""

    def __init__(self, sort: ScalarSort) -> None:
        self.sort = sort
        self.known: dict[Expr, bool] = {}
        self.normal: dict[Expr, Expr] = {}
        self.serial: dict[Expr, int] = {}
        self.height: dict[Expr, int] = {}
        self.naming: dict[Expr, bool] = {}
        self.under: dict[Expr, tuple[dict[Expr, Expr], dict[Expr, Expr]]] = {}
        """For each condition: its equations, and expressions with these substituted."""
        self.fuel = 0

    def equivariant(self, e: Expr) -> bool:
        self.fuel = COMPARISONS
        return self._equivariant(e)

    def _equivariant(self, e: Expr) -> bool:
        hit = self.known.get(e)
        if hit is None:
            hit = self._commutes(e)
            if hit or self.fuel >= 0:
                self.known[e] = hit
        return hit

    def _commutes(self, e: Expr) -> bool:
        if not self._names_elements(e):
            return True
        self.fuel -= 1
        if self.fuel < 0:
            return False
        normal = self.normalise(e)
        if all(
            self.normalise(self.image(normal, k)) is normal
            for k in range(self.sort.size - 1)
        ):
            return True
        # A value that an untaken branch leaves open ("cell 0, which keeps its
        # value") is a constant that does no harm: e is e[c := true] where c
        # holds and e[c := false] elsewhere, so all three commuting suffices.
        for c in self._conditions(e):
            if self.fuel < 0:
                return False
            if self._equivariant(c):
                cases = (
                    {c: TRUE, not_(c): FALSE, **_same(c)},
                    {c: FALSE, not_(c): TRUE},
                )
                return all(self._equivariant(substitute(e, by)) for by in cases)
        return False

    def _conditions(self, e: Expr) -> Iterator[Expr]:
        """Atoms to tell cases apart by, first those that decide between
        branches of which one is a constant."""
        bound = {n.data[0] for n in subterms(e) if n.op in BINDERS}
        nodes = list(subterms(e))
        branches = [
            n
            for n in nodes
            if n.op == "ite" and any(map(self.names_element, n.args[1:]))
        ]
        seen: set[Expr] = set()
        for node in (*branches, *nodes):
            waiting = [node.args[0]] if node.op == "ite" else []
            if node.op in ("and", "or", "not"):
                waiting = list(node.args)
            while waiting:
                c = waiting.pop()
                if c in seen:
                    continue
                seen.add(c)
                if c.op in ("and", "or", "not"):
                    waiting.extend(reversed(c.args))
                elif not any(x.data[0] in bound for x in c.free):
                    yield c

    def _names_elements(self, e: Expr) -> bool:
        """Return whether some exchange changes a constant in e."""
        for node in subterms(e, known=self.naming):
            below = any(self.naming[a] for a in node.args)
            self.naming[node] = below or self.names_element(node)
        return self.naming[e]

    def names_element(self, node: Expr) -> bool:
        return node.op == "const" and self.swap_constant(node, None) is not node

    def swap_constant(self, node: Expr, k: int | None) -> Expr:
        """The constant after exchanging elements k and k + 1; with k None,
        another node if any exchange changes it."""
        raw = node.data
        for j in range(self.sort.size - 1) if k is None else (k,):
            if node.sort is self.sort:
                raw = j + 1 if raw == j else j if raw == j + 1 else raw
            elif scalar_in(node.sort) is self.sort and (raw ^ raw >> 1) >> j & 1:
                raw ^= 3 << j
            if k is None and raw != node.data:
                return const(node.sort, raw)
        return node if raw == node.data else const(node.sort, raw)

    def image(self, e: Expr, k: int) -> Expr:
        done: dict[Expr, Expr] = {}
        for node in subterms(e):
            if node.op == "const":
                done[node] = self.swap_constant(node, k)
            else:
                args = tuple(done[a] for a in node.args)
                done[node] = Expr(node.op, node.sort, args, node.data)
        return done[e]

    def apart(self, e: Expr, k: int) -> tuple[Expr, Expr]:
        """Return the normal forms of e and of its image after exchanging elements
        k and k + 1, without the summands that both have."""
        normal = self.normalise(e)
        image = self.normalise(self.image(normal, k))
        if e.sort is not INT:
            return normal, image
        _, more, less = _common(normal, image)
        return self._sum(more), self._sum(less)

    # Normal form: laws that hold whatever the values are.

    def normalise(self, e: Expr) -> Expr:
        """e with bound names by height, arguments in one order."""
        for node in subterms(e, known=self.normal):
            args = tuple(self.normal[a] for a in node.args)
            self.normal[node] = self._normal_node(node, args)
        return self.normal[e]

    def _order(self, node: Expr) -> int:
        return self.serial.setdefault(node, len(self.serial))

    def _normal_node(self, node: Expr, args: tuple[Expr, ...]) -> Expr:
        match node.op:
            case "and" | "or" | "add":
                args = tuple(sorted(_operands(node.op, args), key=self._order))
            case "union" | "inter" | "mul" | "min" | "max":
                first, *rest = sorted(_operands(node.op, args), key=self._order)
                for a in rest:
                    first = Expr(node.op, node.sort, (first, a))
                return first
            case "eq":
                args = tuple(sorted(args, key=self._order))
            case "ite":
                return self._normal_ite(node, args)
            case "store":
                return self._normal_stores(node, args)
            case "sum" | "all" | "any" | "setof":
                name, domain = f"#{self._height(args[0])}", node.data[1]
                body = renamed(args[0], binder_of(node), local(name, domain))
                args = (self.normalise(body),)
                return Expr(node.op, node.sort, args, (name, domain))
        return Expr(node.op, node.sort, args, node.data)

    def _height(self, e: Expr) -> int:
        """Return how deep binders nest in e."""
        for node in subterms(e, known=self.height):
            below = max((self.height[a] for a in node.args), default=0)
            self.height[node] = below + (node.op in BINDERS)
        return self.height[e]

    def _normal_ite(self, node: Expr, args: tuple[Expr, ...]) -> Expr:
        c, a, b = args
        if a is b or self._same_where(c, a, b):
            return b
        if node.sort is INT:
            both, more, less = _common(a, b)
            if both:
                change = self._normal_ite(node, (c, self._sum(more), self._sum(less)))
                return self._sum([*both, *_terms(change)])
        if b.op == "ite" and b.args[1] is a:
            either = self._normal_node(Expr("or", BOOL, (c, b.args[0])), (c, b.args[0]))
            return self._normal_ite(node, (either, a, b.args[2]))
        # a chain of "if x == k" over distinct constants may be reordered
        links: list[tuple[Expr, Expr]] = []
        subject = _subject(c)
        rest = Expr("ite", node.sort, (c, a, b))
        while rest.op == "ite" and subject and _subject(rest.args[0]) == subject:
            links.append((rest.args[0], rest.args[1]))
            rest = rest.args[2]
        if len({link[0] for link in links}) < 2:
            return Expr("ite", node.sort, (c, a, b))
        first: dict[Expr, Expr] = {}
        for test, value in links:
            first.setdefault(test, value)
        for test, value in sorted(first.items(), key=lambda x: -self._order(x[0])):
            rest = Expr("ite", node.sort, (test, value, rest))
        return rest

    def _same_where(self, c: Expr, a: Expr, b: Expr) -> bool:
        """Return whether a and b are the same expression where the equations c hold."""
        if c not in self.under:
            self.under[c] = _equations(c), {}
        where, memo = self.under[c]
        if not where:
            return False
        left, right = substitute_all((a, b), where, memo)
        return left is right

    def _sum(self, terms: list[Expr]) -> Expr:
        """The terms added up, in normal order."""
        kept = [t for t in terms if not (t.is_const and t.data == 0)]
        if len(kept) < 2:
            return kept[0] if kept else num(0)
        return Expr("add", INT, tuple(sorted(kept, key=self._order)))

    def _normal_stores(self, node: Expr, args: tuple[Expr, ...]) -> Expr:
        top, changes = changes_of(Expr("store", node.sort, args))
        chain = [(*index, value) for index, value in changes]
        while chain:
            free = [
                k
                for k, s in enumerate(chain)
                if all(_apart(s[:-1], t[:-1]) for t in chain[:k])
            ]
            tick(len(chain) ** 2 // 4)
            least = min(free, key=lambda k: tuple(map(self._order, chain[k])))
            (*index, value) = chain.pop(least)
            base, below = top, True
            while base.op == "store":
                below = below and _apart(tuple(index), base.args[1:-1])
                base = base.args[0]
            if not (below and value is Expr("select", value.sort, (base, *index))):
                top = Expr("store", node.sort, (top, *index, value))
        return top


def _operands(op: str, args: Iterable[Expr]) -> Iterator[Expr]:
    """Yield the operands of nested uses of an associative operator."""
    for a in args:
        if a.op == op:
            yield from _operands(op, a.args)
        else:
            yield a


def _terms(e: Expr) -> list[Expr]:
    """Return the terms of the sum e."""
    return list(e.args) if e.op == "add" else [e]


def _common(a: Expr, b: Expr) -> tuple[list[Expr], list[Expr], list[Expr]]:
    """Return the terms of both sums, of the first only, and of the second only."""
    more, less, both = _terms(a), _terms(b), []
    for t in tuple(more):
        if t in less:
            more.remove(t)
            less.remove(t)
            both.append(t)
    return both, more, less


def renamed(e: Expr, old: Expr, new: Expr) -> Expr:
    """Return e with a local renamed, without simplification."""
    done: dict[Expr, Expr] = {old: new}
    for node in subterms(e):
        if node not in done:
            args = tuple(done[a] for a in node.args)
            done[node] = Expr(node.op, node.sort, args, node.data)
    return done[e]


def _equations(c: Expr) -> dict[Expr, Expr]:
    """c as x == constant and ..., or nothing."""
    found = {}
    for part in c.args if c.op == "and" else (c,):
        if part.op != "eq":
            return {}
        x, k = part.args
        if x.is_const:
            x, k = k, x
        if not k.is_const or x.is_const:
            return {}
        found[x] = k
    return found


def _same(c: Expr) -> dict[Expr, Expr]:
    """One side of an equation by the other."""
    if c.op != "eq" or isinstance(c.args[0].sort, TableSort):
        return {}
    a, b = c.args
    return {b: a} if a.is_const or a in subterms(b) else {a: b}


def _subject(c: Expr) -> Expr | None:
    """x, where c is x == constant."""
    where = _equations(c)
    return next(iter(where)) if len(where) == 1 else None


def _apart(i: tuple[Expr, ...], j: tuple[Expr, ...]) -> bool:
    return any(
        x.is_const and y.is_const and eq(x, y) is FALSE
        for x, y in zip(i, j, strict=True)
    )


def scalar_in(sort: Sort) -> ScalarSort | None:
    """Return the scalarset whose elements occur in values of the (element) sort."""
    if isinstance(sort, SetSort):
        sort = sort.domain.sort
    return sort if isinstance(sort, ScalarSort) else None


def partial(domain: Domain, sort: ScalarSort) -> bool:
    """Return whether the domain has some, but not all, of the elements."""
    return (
        domain.sort is sort
        and domain.lo != sort.size
        and (domain.lo != 0 or domain.hi not in (sort.size - 1, sort.size))
    )


@cache
def commutes(e: Expr, sort: ScalarSort) -> bool:
    """Return whether e is found to commute with the permutations of the sort. The
    answer does not depend on what was asked before, so it is kept: the formulas of a
    design are mostly the same at its other sizes."""
    return Equivariance(sort).equivariant(e)


@cache
def partial_domain(e: Expr, sort: ScalarSort) -> Domain | None:
    """Return a domain in e that has some, but not all, of the elements."""
    for node in subterms(e):
        domains: tuple[Domain, ...] = ()
        if node.op in BINDERS or node.op == "local":
            domains = (node.data[1],)
        if isinstance(node.sort, SetSort):
            domains += (node.sort.domain,)
        for d in domains:
            if partial(d, sort):
                return d
    return None
