# SPDX-License-Identifier: GPL-2.0-only
"""Bound names: sums, any(), all(), set comprehensions, and what loops run over."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace

from poolproof.checker.core import ir
from poolproof.checker.core.ir import Expr
from poolproof.checker.elaborate import operators
from poolproof.checker.elaborate.values import Operand
from poolproof.checker.frontend.calls import CallEvaluator
from poolproof.checker.frontend.closed_forms import NotClosed
from poolproof.checker.frontend.cursor import Cursor, Value


@dataclass(frozen=True)
class Generated:
    """The element of a comprehension, for the values of ``binders`` where
    ``condition`` holds."""

    binders: list[Expr]
    condition: Expr
    value: Value

    @property
    def bound(self) -> list[tuple[Expr, Expr]]:
        """Each binder with its condition: the last one has all of it."""
        *outer, last = self.binders
        return [*((b, ir.TRUE) for b in outer), (last, self.condition)]


@dataclass
class Comprehensions:
    """Evaluates what binds names."""

    calls: CallEvaluator

    def __post_init__(self) -> None:
        self.expressions = self.calls.expressions
        self.names = self.expressions.names
        self.effects = self.names.effects
        for name in ("sum", "any", "all"):
            self.calls.builtin[name] = self.aggregate
        self.expressions.kinds[ast.SetComp] = self.set_comprehension

    def over(self, cursor: Cursor, node: ast.expr) -> ir.Domain | Expr:
        """Return what a `for` runs over: a domain, or a set's value."""
        at = cursor.at(node)
        match node:
            case ast.Call(ast.Name("range"), arguments):
                ends = [self.expressions.number(cursor, a) for a in arguments]
                if not 1 <= len(ends) <= 2 or not all(e.is_const for e in ends):
                    raise at.mistake(
                        "write range(n) or range(a, b) of constants, and test "
                        "inside the loop"
                    )
                lo = ends[0].data if len(ends) == 2 else 0
                return ir.Domain(ir.INT, lo, ends[-1].data - 1)
        value = self.expressions.expr(cursor, node)
        name = node.id if isinstance(node, ast.Name) else ""
        domain = self.names.domain(at, value, name)
        if domain is not None:
            return domain
        if isinstance(value, Expr) and isinstance(value.sort, ir.SetSort):
            return value
        raise at.mistake(
            f"{at.named(value)} is {at.described(value)}: loop over a domain"
        )

    def elements(
        self, cursor: Cursor, node: ast.expr, known: ir.Domain | Expr | None = None
    ) -> list[Expr]:
        """Return the constants that a `for` statement runs over; ``known`` is the
        domain, if it has been read."""
        domain = self.over(cursor, node) if known is None else known
        if isinstance(domain, ir.OpenDomain):
            raise NotClosed(cursor.at(node).span, domain, "a loop that is left")
        if isinstance(domain, Expr):
            raise cursor.at(node).mistake(
                "a set has no order: loop over its domain and test `in`"
            )
        return [ir.const(domain.sort, raw) for raw in domain]

    def aggregate(self, cursor: Cursor, node: ast.Call, name: str) -> Expr:
        at = cursor.at(node)
        if len(node.args) != 1 or not isinstance(node.args[0], ast.GeneratorExp):
            raise at.mistake(f"write {name}(... for x in DOMAIN)")
        inner = node.args[0]
        found = self.generated(cursor, node, inner.generators, inner.elt)
        value = found.value
        if name == "sum" and isinstance(value, Expr) and value.sort is ir.BOOL:
            name = "count"
        body = Operand(value, cursor.at(node, shows=inner.elt))
        return operators.aggregate(name, found.bound, body, at)

    def set_comprehension(self, cursor: Cursor, node: ast.SetComp) -> Expr:
        found = self.generated(cursor, node, node.generators, node.elt)
        domain = found.binders[0].data[1]
        if isinstance(domain, ir.OpenDomain):
            raise NotClosed(cursor.at(node).span, domain, "a set of its elements")
        if len(found.binders) != 1 or found.value is not found.binders[0]:
            raise cursor.at(node).mistake("write {x for x in DOMAIN if condition}")
        return ir.aggregate("setof", found.binders[0], found.condition)

    def generated(
        self,
        cursor: Cursor,
        node: ast.AST,
        generators: list[ast.comprehension],
        element: ast.expr,
    ) -> Generated:
        """Return the element's value; what must hold for it to be defined is
        required for all values of the bound names."""
        effects, at = self.effects, cursor.at(node)
        inner = cursor.apart()
        binders: list[Expr] = []
        condition = ir.TRUE
        guards, dues = len(effects.guards), len(effects.obligations)
        assertions = len(effects.assertions)
        sides, effects.sides = effects.sides, {}
        for g in generators:
            if not isinstance(g.target, ast.Name):
                raise at.mistake("bind one name at a time")
            over = self.over(inner.under(condition), g.iter)
            name = f"{g.target.id}#{next(effects.fresh)}"
            if isinstance(over, Expr):
                assert isinstance(over.sort, ir.SetSort)
                binder = ir.local(name, over.sort.domain)
                condition = ir.and_(condition, ir.member(binder, over))
            else:
                binder = ir.local(name, over)
            binders.append(binder)
            inner.store.locals[g.target.id] = binder
            for test in g.ifs:
                truth = self.expressions.condition(inner.under(condition), test)
                condition = ir.and_(condition, truth)
        value = self.expressions.expr(inner.under(condition), element)
        if inner.store.vars != cursor.store.vars:
            raise at.mistake("this changes the state for each element: write a `for`")
        if len(effects.guards) > guards:
            raise at.mistake("no require() or assume() inside: write require(all(...))")
        if len(effects.assertions) > assertions:
            raise at.mistake("no bug_on() or warn_on() inside: write bug_on(any(...))")
        effects.obligations[dues:] = [
            (n, replace(due, formula=ir.nested("all", binders, due.formula)))
            for n, due in effects.obligations[dues:]
        ]
        inside, effects.sides = tuple(effects.branches()), sides
        for b in inside:
            side = b.span, b.site, b.what
            effects.fork(side, ir.nested("any", binders, b.taken))
        return Generated(binders, condition, value)
