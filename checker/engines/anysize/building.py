# SPDX-License-Identifier: GPL-2.0-only
"""z3 terms over Bool and Int, built without z3's own sort checks.

z3's Python functions compare and convert the sorts of all arguments, which takes most
of the time of a question. Here sorts are right by construction: the IR has checked
them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import z3

Term = Any
"""A z3 term."""

_CONTEXT = z3.main_ctx()
_REF = _CONTEXT.ref()
_TRUE, _FALSE = z3.BoolVal(True), z3.BoolVal(False)
_ZERO = z3.IntVal(0)


def _truth(ast: Any) -> Term:
    return z3.BoolRef(ast, _CONTEXT)


def _number(ast: Any) -> Term:
    return z3.ArithRef(ast, _CONTEXT)


def _array(terms: Sequence[Term]) -> Any:
    return (z3.Ast * len(terms))(*(t.ast for t in terms))


def implies(a: Term, b: Term) -> Term:
    return _truth(z3.Z3_mk_implies(_REF, a.ast, b.ast))


def negated(a: Term) -> Term:
    return _truth(z3.Z3_mk_not(_REF, a.ast))


def conjunction(parts: Iterable[Term]) -> Term:
    kept = [p for p in parts if not p.eq(_TRUE)]
    if len(kept) < 2:
        return kept[0] if kept else _TRUE
    return _truth(z3.Z3_mk_and(_REF, len(kept), _array(kept)))


def disjunction(parts: Iterable[Term]) -> Term:
    kept = [p for p in parts if not p.eq(_FALSE)]
    if len(kept) < 2:
        return kept[0] if kept else _FALSE
    return _truth(z3.Z3_mk_or(_REF, len(kept), _array(kept)))


def equal(a: Term, b: Term) -> Term:
    return _truth(z3.Z3_mk_eq(_REF, a.ast, b.ast))


def less(a: Term, b: Term) -> Term:
    return _truth(z3.Z3_mk_lt(_REF, a.ast, b.ast))


def at_most(a: Term, b: Term) -> Term:
    return _truth(z3.Z3_mk_le(_REF, a.ast, b.ast))


def plus(terms: Sequence[Term]) -> Term:
    """Return the sum of integer terms."""
    if len(terms) < 2:
        return terms[0] if terms else _ZERO
    return _number(z3.Z3_mk_add(_REF, len(terms), _array(terms)))


def minus(a: Term, b: Term) -> Term:
    return _number(z3.Z3_mk_sub(_REF, 2, _array((a, b))))


def times(a: Term, b: Term) -> Term:
    return _number(z3.Z3_mk_mul(_REF, 2, _array((a, b))))


def choice(c: Term, a: Term, b: Term) -> Term:
    """Return ``a`` where ``c`` is true, else ``b``."""
    ast = z3.Z3_mk_ite(_REF, c.ast, a.ast, b.ast)
    return _truth(ast) if z3.is_bool(a) else _number(ast)


def add(solver: Any, terms: Iterable[Term]) -> None:
    """Add assertions to a solver."""
    for t in terms:
        z3.Z3_solver_assert(_REF, solver.solver, t.ast)
