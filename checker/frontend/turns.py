# SPDX-License-Identifier: GPL-2.0-only
"""What one turn of a loop does to a value: the terms that closed_forms.py reads.

A *head* is a symbol for a variable's value as the turn begins.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

from poolproof.checker.core import ir
from poolproof.checker.core.ir import Expr
from poolproof.checker.core.system import conjuncts


def without(e: Expr, a: Expr, b: Expr) -> Expr:
    """Return e where a and b are not equal."""
    return ir.substitute(e, {ir.eq(a, b): ir.FALSE, ir.eq(b, a): ir.FALSE})


def at_cell(
    e: Expr, head: Expr, cell: list[Expr], symbol: Expr, known: frozenset[Expr]
) -> Expr:
    """Return e with the symbol in place of each read of the head at the cell: at its
    index, or at one that equals it by ``known``, the conditions around the read."""
    if e.op == "select" and e.args[0] is head:
        pairs = zip(e.args[1:], cell, strict=True)
        if all(_same(i, c, known) for i, c in pairs):
            return symbol
    if e.op == "ite":
        c, a, b = e.args
        more = known | frozenset(_known_where(c))
        return ir.ite(
            at_cell(c, head, cell, symbol, known),
            at_cell(a, head, cell, symbol, more),
            at_cell(b, head, cell, symbol, known),
        )
    if not e.args or e.op in ir.BINDERS or e.op == "map":
        return e
    args = tuple(at_cell(a, head, cell, symbol, known) for a in e.args)
    return ir.rebuild(e, args)


def _known_where(c: Expr) -> Iterator[Expr]:
    """Yield what holds where c does: its conjuncts, and for a choice that equals
    something, the only branch that can."""
    for part in c.args if c.op == "and" else (c,):
        yield part
        if part.op != "eq":
            continue
        for choice, other in (part.args, part.args[::-1]):
            if choice.op == "ite":
                _, a, b = choice.args
                if ir.eq(a, other) is ir.FALSE:
                    yield from _known_where(ir.eq(b, other))
                elif ir.eq(b, other) is ir.FALSE:
                    yield from _known_where(ir.eq(a, other))


def _same(a: Expr, b: Expr, known: frozenset[Expr]) -> bool:
    """Return whether the two are equal by equations that are known."""
    reached, todo = {a}, [a]
    while todo:
        here = todo.pop()
        for fact in known:
            if fact.op == "eq" and here in fact.args:
                other = fact.args[fact.args[0] is here]
                if other not in reached:
                    reached.add(other)
                    todo.append(other)
    return b in reached


def decided(e: Expr) -> Expr:
    """Return e, with conditions inside a choice replaced by what the choice decides."""
    done: dict[Expr, Expr] = {}

    def at(node: Expr) -> Expr:
        if node in done or not node.args or node.op in ir.BINDERS or node.op == "map":
            return done.get(node, node)
        if node.op == "ite":
            c, a, b = node.args
            parts = c.args if c.op == "and" else (c,)
            true = {p: ir.TRUE for p in parts}
            true |= {ir.not_(p): ir.FALSE for p in parts}
            true |= dict(filter(None, map(_element, parts)))
            false = {p: ir.FALSE for p in (c.args if c.op == "or" else (c,))}
            false |= {ir.not_(p): ir.TRUE for p in false}
            made = ir.ite(c, at(ir.substitute(a, true)), at(ir.substitute(b, false)))
        else:
            made = ir.rebuild(node, tuple(map(at, node.args)))
        done[node] = made
        return made

    return at(e)


def _element(part: Expr) -> tuple[Expr, Expr] | None:
    """Return a term and the one element that it is where ``part`` holds; None if that
    does not say. A variable stays: it may be a head."""
    if part.op != "eq" or not isinstance(part.args[0].sort, ir.ScalarSort):
        return None
    a, b = part.args
    if a.is_const:
        a, b = b, a
    return (a, b) if b.is_const and a.op != "var" else None


def added_to(head: Expr, value: Expr) -> Expr | None:
    """Return ``value`` minus the head, or None if that depends on the head."""
    if value is head:
        return ir.num(0)
    match value.op:
        case "add":
            mine = [a for a in value.args if _mentions(a, head)]
            if len(mine) != 1:
                return None
            rest = added_to(head, mine[0])
            others = [a for a in value.args if a is not mine[0]]
            if rest is None or len(others) != len(value.args) - 1:
                return None
            return ir.add(rest, *others)
        case "sub":
            a, b = value.args
            rest = added_to(head, a)
            return None if rest is None or _mentions(b, head) else ir.sub(rest, b)
        case "ite":
            c, a, b = value.args
            then, other = added_to(head, a), added_to(head, b)
            if _mentions(c, head) or then is None or other is None:
                return None
            return ir.ite(c, then, other)
    return None


def kept_where(head: Expr, value: Expr) -> tuple[Expr, Expr | None] | None:
    """Return where the value is not the head, and what it is there (None: it is the
    head everywhere); None if one of the two depends on the head."""
    if value is head:
        return ir.FALSE, None
    if not _mentions(value, head):
        return ir.TRUE, value
    if value.op != "ite" or _mentions(value.args[0], head):
        return None
    c, a, b = value.args
    then, other = kept_where(head, a), kept_where(head, b)
    if then is None or other is None:
        return None
    where = ir.ite(c, then[0], other[0])
    if then[1] is None or other[1] is None:
        return where, other[1] if then[1] is None else then[1]
    return where, ir.ite(c, then[1], other[1])


def only_one(x: Expr, where: Expr) -> Expr | None:
    """Return the element that x is wherever the condition holds; None if the condition
    does not say."""
    for part in where.args if where.op == "and" else (where,):
        if part.op == "eq" and x in part.args:
            other = part.args[part.args[0] is x]
            if x not in other.free:
                return other
    return None


class Unclamped:
    """A value, provided that no ``h + d`` that it compares with zero is below zero.
    ``asked`` has each d with a condition under which it is compared. ``whole``: all
    of them were found."""

    def __init__(self, head: Expr, value: Expr) -> None:
        self.head = head
        self.asked: dict[tuple[Expr, Expr], None] = {}
        self.dropped: set[Expr] = set()
        self.looks = 0
        self.look(value, ir.TRUE)
        self.value = self.free(value)
        found = {added for _, added in self.asked}
        self.whole = self.looks < _LOOKS and self.dropped <= found

    def free(self, e: Expr) -> Expr:
        """Return e, provided that none of them is below zero."""

        def never(node: Expr) -> Expr | None:
            added = _asks(self.head, node)
            if added is None:
                return None
            self.dropped.add(added)
            return ir.FALSE

        return rewritten(e, never)

    def look(self, e: Expr, path: Expr) -> None:
        """Note the comparisons in e, where ``path`` holds."""
        self.looks += 1
        if self.looks >= _LOOKS or not _mentions(e, self.head):
            return
        if e.op == "lt" and e.args[1] is ir.num(0):
            added = added_to(self.head, self.free(e.args[0]))
            if added is not None:
                self.asked[path, added] = None
        if e.op != "ite":
            for a in e.args:
                self.look(a, path)
            return
        c, a, b = e.args
        self.look(c, path)
        known = self.free(c)
        if _mentions(known, self.head):
            yes = no = path
        else:
            yes, no = ir.and_(path, known), ir.and_(path, ir.not_(known))
        self.look(a, yes)
        self.look(b, no)


_LOOKS = 2000
"""Upper limit on the places of one value that are looked at."""


def _asks(head: Expr, e: Expr) -> Expr | None:
    """Return the d of ``h + d < 0``, or None."""
    if e.op != "lt" or e.args[1] is not ir.num(0):
        return None
    return added_to(head, e.args[0])


def certain(e: Expr, known: Collection[Expr]) -> bool:
    """Return whether e is certainly true, given what is known: each comparison in one
    part of e, an `or`, follows from a single one that is known, or that holds where
    the other parts are false."""
    parts = e.args if e.op == "or" else (e,)

    def otherwise(claim: Expr) -> Iterator[Expr]:
        yield from known
        for other in parts:
            if other is not claim:
                yield from conjuncts(ir.not_(other))

    return any(
        all(_follows(c, otherwise(claim)) for c in conjuncts(claim)) for claim in parts
    )


def _follows(c: Expr, known: Iterable[Expr]) -> bool:
    """Return whether a comparison follows from one that is known: both have the same
    terms, and its own constant is no smaller."""
    mine = _difference(c)
    if not mine:
        return False
    number = mine.pop(ir.num(1), 0)
    for other in map(_difference, known):
        least = other.pop(ir.num(1), 0)
        if other == mine and least <= number:
            return True
    return False


def _difference(c: Expr) -> dict[Expr, int]:
    """Return the sum that a comparison says is at least 0: the factor of each term,
    and of 1. Empty for anything else."""
    found: dict[Expr, int] = {}

    def add(e: Expr, times: int) -> None:
        if e.op == "add":
            for a in e.args:
                add(a, times)
        elif e.op == "sub":
            add(e.args[0], times)
            add(e.args[1], -times)
        else:
            term, count = (ir.num(1), e.data * times) if e.is_const else (e, times)
            found[term] = found.get(term, 0) + count

    if c.op in ("lt", "le"):
        add(c.args[1], 1)
        add(c.args[0], -1)
        if c.op == "lt":
            add(ir.num(1), -1)
    return {term: n for term, n in found.items() if n}


def _mentions(e: Expr, head: Expr) -> bool:
    return any(n is head for n in ir.subterms(e))


def pointed(e: Expr) -> Expr:
    """Return e with ``a <= q and q < a + 1`` written as ``q == a``, and ``a // 1`` as
    ``a``."""
    return rewritten(e, _point)


def _point(e: Expr) -> Expr | None:
    if e.op == "and":
        return ir.as_equation(e.args)
    return e.args[0] if e.op == "div" and e.args[1] is ir.num(1) else None


def rewritten(e: Expr, new: Callable[[Expr], Expr | None]) -> Expr:
    """Return e with what ``new`` says in place of its parts (None: as they are), until
    that changes nothing more."""
    while True:
        by = {n: made for n in ir.subterms(e) if (made := new(n)) is not None}
        changed = ir.substitute(e, by) if by else e
        if changed is e:
            return e
        e = changed
