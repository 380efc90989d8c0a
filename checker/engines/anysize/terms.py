# SPDX-License-Identifier: GPL-2.0-only
"""From expressions to z3's terms. Tables are uninterpreted functions; names of
sizes, tables and unknowns have characters that no name of a design has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import z3

from poolproof.checker.core import ir
from poolproof.checker.core.fold import Algebra, fold
from poolproof.checker.core.ir import BINDERS, BOOL, Expr, SetSort
from poolproof.checker.core.system import TransitionSystem
from poolproof.checker.engines.anysize.building import (
    Term,
    at_most,
    choice,
    conjunction,
    disjunction,
    equal,
    less,
    minus,
    negated,
    plus,
    times,
)
from poolproof.checker.engines.anysize.formulas import OutOfReach


def range_of(name: str) -> str:
    """Return what `QueryResult.used` calls the range of a variable."""
    return f"the range of {name}"


class PlainTerms:
    """Terms of what has no open binder: the same in all questions about a system.
    Each leaf has axioms: what its sort says of it and, for a cell of a variable in
    ``ranged``, the variable's declared range."""

    def __init__(self, system: TransitionSystem) -> None:
        self.system = system
        self.ranged = {v.name for v in system.variables}
        self.terms: dict[Expr, Term] = {}
        self.leaves: dict[Expr, dict[Expr, None]] = {}
        self.axioms: dict[Expr, list[Term]] = {}
        self.plain: dict[Expr, bool] = {}

    def is_plain(self, e: Expr) -> bool:
        known = self.plain.get(e)
        if known is None:
            known = e.op not in BINDERS and all(map(self.is_plain, e.args))
            self.plain[e] = known
        return known

    def lower(self, e: Expr) -> Term:
        return fold((e,), TERMS, self, self.terms, closed=CLOSED)[0]

    def leaves_of(self, e: Expr) -> Mapping[Expr, None]:
        """Return the leaves with axioms under a plain expression, in the order of its
        text: what z3 shows depends on the order in which it hears of them."""
        if e not in self.leaves:
            found: dict[Expr, None] = {}
            for a in e.args:
                found |= self.leaves_of(a)
            if e.op in ("var", "local", "select", "param"):
                found[e] = None
            self.leaves[e] = found
        return self.leaves[e]

    def axioms_of(self, leaves: Iterable[Expr]) -> list[tuple[str, Term]]:
        """Return the axioms of leaves, and of what these mention, each with the
        name of the range that it is of, or ''."""
        found: list[tuple[str, Term]] = []
        todo, seen = list(leaves), set()
        while todo:
            e = todo.pop()
            if e in seen:
                continue
            seen.add(e)
            for name, fact in self.known_of(e):
                found.append((name, self.lower(fact)))
                todo += self.leaves_of(fact)
        return sorted(found, key=lambda named: int(named[1].get_id()))

    def known_of(self, e: Expr) -> Iterator[tuple[str, Expr]]:
        """Yield what is known of a leaf, each with the name of its range or ''."""
        if e.op == "param":
            least = self.system.least.get(e.data)
            if least is not None:
                yield "", ir.le(ir.num(least), e)
            return
        if e.sort is BOOL or isinstance(e.sort, ir.TableSort | SetSort):
            return
        if e.op == "local":
            domain = e.data[1]
            yield "", _raw_le(ir.num(domain.lo), e)
            yield "", _raw_le(e, ir.last(domain))
            return
        name = e.data[0] if e.op == "var" else e.args[0].data[0]
        primed = e.op == "var" and e.data[1]
        v = self.system.by_name.get(name)
        if v is None or primed:
            return
        for low, high in ((v.lo, e), (e, v.hi)):
            if low is None or high is None:
                continue
            if v.name in self.ranged:
                yield range_of(v.name), _raw_le(low, high)
            elif v.element is not ir.INT:
                yield "", _or_none(e, _raw_le(low, high))


def _or_none(e: Expr, fact: Expr) -> Expr:
    """The fact, or that e is not an element: all that a sort says of its values."""
    if not isinstance(e.sort, ir.ScalarSort):
        return fact
    return Expr("or", BOOL, (ir.eq(e, ir.const(e.sort, e.sort.size)), fact))


def _raw_le(a: Expr, b: Expr) -> Expr:
    """``a <= b`` of raw values, whatever their sorts; not simplified."""
    return Expr("le", BOOL, (a, b))


def _leaf_const(at: Any, e: Expr) -> Term:
    if isinstance(e.sort, SetSort):
        raise OutOfReach("a set")
    return z3.BoolVal(bool(e.data)) if e.sort is BOOL else z3.IntVal(e.data)


def _unknown(name: str, sort: ir.Sort) -> Term:
    if isinstance(sort, SetSort):
        raise OutOfReach("a set")
    return z3.Bool(name) if sort is BOOL else z3.Int(name)


def _leaf_var(at: Any, e: Expr) -> Term:
    if isinstance(e.sort, ir.TableSort):
        return None
    name, primed = e.data
    return _unknown(f"{name}'" if primed else name, e.sort)


def _leaf_local(at: Any, e: Expr) -> Term:
    return _unknown(f"{e.data[0]}", e.sort)


_ZERO, _ONE = z3.IntVal(0), z3.IntVal(1)


def _as_int(term: Term) -> Term:
    return choice(term, _ONE, _ZERO) if z3.is_bool(term) else term


def _select(at: Any, e: Expr, table: Term, *index: Term) -> Term:
    base = e.args[0]
    if base.op != "var" or base.data[0] not in at.system.by_name:
        raise OutOfReach(f"the table {base.op}")
    name, _ = base.data
    v = at.system.by_name[name]
    if isinstance(v.element, SetSort):
        raise OutOfReach("a table of sets")
    sorts = [z3.IntSort() for _ in index]
    range_ = z3.BoolSort() if v.element is BOOL else z3.IntSort()
    cells = z3.Function(f"{name}[]", *sorts, range_)
    return cells(*(_as_int(i) for i in index))


def _no_name(at: Any, e: Expr) -> Term:
    raise OutOfReach("the first of elements that depend on others")


def _no_set(at: Any, e: Expr, *args: Term) -> Term:
    raise OutOfReach("a set" if e.op not in ("store", "fill", "map") else "a table")


def _eq(at: Any, e: Expr, a: Term, b: Term) -> Term:
    if isinstance(e.args[0].sort, ir.TableSort):
        raise OutOfReach("an equation of tables")
    return equal(a, b)


def _in(at: Any, e: Expr) -> Term:
    """An unknown truth value for each element of a field's or parameter's set."""
    k, s = e.args
    if s.op == "select" and s.args[0].op == "var" and k.is_const:
        index = [_as_int(at.lower(i)) for i in s.args[1:]]
        sorts = [z3.IntSort() for _ in index]
        name = f"{s.args[0].data[0]}[] has {k.data}"
        return z3.Function(name, *sorts, z3.BoolSort())(*index)
    if (s.op == "local" or (s.op == "var" and not s.data[1])) and k.is_const:
        return z3.Bool(f"{s.op} {s.data[0]} has {k.data}")
    raise OutOfReach("a set")


CLOSED = BINDERS | {"in"}
"""Operators that lower their arguments themselves."""

TERMS: Algebra[Term] = {
    **dict.fromkeys(ir.BUILD, _no_set),
    "const": _leaf_const,
    "param": lambda at, e: z3.Int(f"size {e.data}"),
    "var": _leaf_var,
    "local": _leaf_local,
    "not": lambda _, e, a: negated(a),
    "and": lambda _, e, *args: conjunction(args),
    "or": lambda _, e, *args: disjunction(args),
    "eq": _eq,
    "lt": lambda _, e, a, b: less(a, b),
    "le": lambda _, e, a, b: at_most(a, b),
    "add": lambda _, e, *args: plus(args),
    "sub": lambda _, e, a, b: minus(a, b),
    "mul": lambda _, e, a, b: times(a, b),
    "div": lambda _, e, a, b: a / b,
    "mod": lambda _, e, a, b: a % b,
    "min": lambda _, e, a, b: choice(at_most(a, b), a, b),
    "max": lambda _, e, a, b: choice(at_most(a, b), b, a),
    "ite": lambda _, e, c, a, b: choice(c, a, b),
    "select": _select,
    "in": _in,
    "all": lambda at, e: at.truth_of_all(e),
    "sum": lambda at, e: at.sums.term(e),
    "first": _no_name,
}
