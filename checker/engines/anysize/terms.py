# SPDX-License-Identifier: GPL-2.0-only
"""From expressions to z3's terms. Tables are uninterpreted functions; names of
sizes, tables and unknowns have characters that no name of a design has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import z3  # type: ignore[import-untyped]

from poolproof.checker.backends.smt import conjunction, disjunction
from poolproof.checker.core import ir
from poolproof.checker.core.fold import Algebra, fold
from poolproof.checker.core.ir import BINDERS, BOOL, Expr, SetSort
from poolproof.checker.core.system import TransitionSystem
from poolproof.checker.engines.anysize.formulas import OutOfReach
from poolproof.checker.engines.anysize.sums import plus

Term = Any
"""A z3 term."""


class PlainTerms:
    """Terms of what has no open binder: the same in all questions about a system.
    Each leaf has axioms, its range."""

    def __init__(self, system: TransitionSystem) -> None:
        self.system = system
        self.terms: dict[Expr, Term] = {}
        self.leaves: dict[Expr, frozenset[Expr]] = {}
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

    def leaves_of(self, e: Expr) -> frozenset[Expr]:
        """Return the leaves with axioms under a plain expression."""
        if e not in self.leaves:
            found: frozenset[Expr] = frozenset()
            for a in e.args:
                found |= self.leaves_of(a)
            if e.op in ("var", "local", "select", "param"):
                found |= {e}
            self.leaves[e] = found
        return self.leaves[e]

    def axioms_of(self, leaves: Iterable[Expr]) -> list[Term]:
        """Return the axioms of leaves, and of what these mention."""
        found: list[Term] = []
        todo, seen = list(leaves), set()
        while todo:
            e = todo.pop()
            if e in seen:
                continue
            seen.add(e)
            for fact in self.ranges(e):
                found.append(self.lower(fact))
                todo += self.leaves_of(fact)
        return sorted(found, key=lambda t: int(t.get_id()))

    def ranges(self, e: Expr) -> list[Expr]:
        """Return what the declaration of a leaf says of it, as expressions."""
        if e.op == "param":
            least = self.system.least.get(e.data)
            return [] if least is None else [ir.le(ir.num(least), e)]
        if e.sort is BOOL or isinstance(e.sort, ir.TableSort | SetSort):
            return []
        if e.op == "local":
            domain = e.data[1]
            return [_raw_le(ir.num(domain.lo), e), _raw_le(e, ir.last(domain))]
        name = e.data[0] if e.op == "var" else e.args[0].data[0]
        primed = e.op == "var" and e.data[1]
        v = self.system.by_name.get(name)
        if v is None or primed:
            return []
        found = []
        if v.lo is not None:
            found.append(_raw_le(v.lo, e))
        if v.hi is not None:
            found.append(_raw_le(e, v.hi))
        return found


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


def _as_int(term: Term) -> Term:
    return z3.If(term, 1, 0) if z3.is_bool(term) else term


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


def _no_set(at: Any, e: Expr, *args: Term) -> Term:
    raise OutOfReach("a set" if e.op not in ("store", "fill", "map") else "a table")


def _eq(at: Any, e: Expr, a: Term, b: Term) -> Term:
    if isinstance(e.args[0].sort, ir.TableSort):
        raise OutOfReach("an equation of tables")
    return a == b


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
    "not": lambda _, e, a: z3.Not(a),
    "and": lambda _, e, *args: conjunction(args),
    "or": lambda _, e, *args: disjunction(args),
    "eq": _eq,
    "lt": lambda _, e, a, b: a < b,
    "le": lambda _, e, a, b: a <= b,
    "add": lambda _, e, *args: plus(args),
    "sub": lambda _, e, a, b: a - b,
    "mul": lambda _, e, a, b: a * b,
    "div": lambda _, e, a, b: a / b,
    "mod": lambda _, e, a, b: a % b,
    "min": lambda _, e, a, b: z3.If(a <= b, a, b),
    "max": lambda _, e, a, b: z3.If(a <= b, b, a),
    "ite": lambda _, e, c, a, b: z3.If(c, a, b),
    "select": _select,
    "in": _in,
    "all": lambda at, e: at.truth_of_all(e),
    "sum": lambda at, e: at.sums.term(e),
}
