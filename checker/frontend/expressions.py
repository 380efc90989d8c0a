# SPDX-License-Identifier: GPL-2.0-only
"""The expressions of a method, as values."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from poolproof.checker.core import ir
from poolproof.checker.core.ir import Expr
from poolproof.checker.core.limits import tick
from poolproof.checker.elaborate import operators
from poolproof.checker.elaborate.values import (
    Display,
    Missing,
    Operand,
    Pending,
    is_set,
)
from poolproof.checker.frontend.cursor import (
    Cursor,
    Tuple,
    Unusable,
    Value,
    Written,
)
from poolproof.checker.frontend.names import Names, read
from poolproof.checker.frontend.refusals import no_constant, refused
from poolproof.model.language import Slot

_ARITHMETIC: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.BitOr: "|",
    ast.BitAnd: "&",
}
_RELATIONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.Is: "==",
    ast.NotEq: "!=",
    ast.IsNot: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}


class Expressions:
    """Evaluates expressions. ``kinds`` has a function for each kind of syntax;
    calls and comprehensions add theirs."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.kinds: dict[type[ast.AST], Callable[[Cursor, Any], Value]] = {
            ast.Constant: self.constant,
            ast.Name: self.name,
            ast.Attribute: self.attribute,
            ast.Subscript: self.subscript,
            ast.BoolOp: self.junction,
            ast.UnaryOp: self.unary,
            ast.BinOp: self.binary,
            ast.Compare: self.comparison,
            ast.IfExp: self.choice,
            ast.Set: self.display,
            ast.Tuple: self.items,
        }

    def expr(self, cursor: Cursor, node: ast.expr) -> Value:
        """Return the value of an expression."""
        tick(4)
        kind = self.kinds.get(type(node))
        if kind is None:
            raise cursor.at(node).mistake(refused(node))
        return kind(cursor, node)

    def condition(self, cursor: Cursor, node: ast.expr) -> Expr:
        """Return the value of an expression that must be a condition."""
        return operators.condition(*self.operand(cursor, node))

    def number(self, cursor: Cursor, node: ast.expr) -> Expr:
        """Return the value of an expression that must be a number."""
        return operators.number(*self.operand(cursor, node))

    def operand(self, cursor: Cursor, node: ast.expr) -> tuple[Operand, Written]:
        """Return the value of an expression, and where it stands."""
        at = cursor.at(node)
        return Operand(self.expr(cursor, node), at), at

    def pure(self, cursor: Cursor, node: ast.expr) -> Value:
        """Return the value of an expression that Python may skip, so that it
        must not change the state."""
        copy = cursor.apart()
        cursor.effects.skippable += 1
        value = self.expr(copy, node)
        cursor.effects.skippable -= 1
        if copy.store.vars != cursor.store.vars:
            raise cursor.at(node).mistake(
                f"`{ast.unparse(node)}` changes the state inside an expression: "
                "make it a statement of its own"
            )
        return value

    # -- kinds of expressions --

    def constant(self, cursor: Cursor, node: ast.Constant) -> Value:
        value, at = node.value, cursor.at(node)
        if value is None or isinstance(value, bool | int):
            return self.names.static(at, value)
        raise at.mistake(no_constant(value))

    def name(self, cursor: Cursor, node: ast.Name) -> Value:
        return self.names.name(cursor, node, node.id)

    def attribute(self, cursor: Cursor, node: ast.Attribute) -> Value:
        owner = self.expr(cursor, node.value)
        return self.names.attribute(cursor, node, owner, node.attr)

    def items(self, cursor: Cursor, node: ast.Tuple) -> Tuple:
        return Tuple(tuple(self.expr(cursor, i) for i in node.elts))

    def subscript(self, cursor: Cursor, node: ast.Subscript) -> Expr:
        if not isinstance(node.value, ast.Attribute):
            raise cursor.at(node).mistake(refused(node))
        return read(cursor, *self.cell(cursor, node))

    def binary(self, cursor: Cursor, node: ast.BinOp) -> Expr:
        a, b = self.expr(cursor, node.left), self.expr(cursor, node.right)
        x = Operand(a, cursor.at(node, shows=node.left))
        y = Operand(b, cursor.at(node, shows=node.right))
        return arithmetic(cursor.at(node), node.op, x, y)

    def cell(
        self, cursor: Cursor, node: ast.Subscript
    ) -> tuple[Slot, tuple[Expr, ...]]:
        """Return the table and the index of ``owner.table[index]``."""
        assert isinstance(node.value, ast.Attribute)
        owner = self.expr(cursor, node.value.value)
        slot = self.names.slot(cursor.at(node), owner, node.value.attr)
        whole = node.slice
        at = cursor.at(whole)
        domains = self.names.index_domains(at, slot)
        nodes = list(whole.elts) if isinstance(whole, ast.Tuple) else [whole]
        operators.count_indices(slot.name, domains, len(nodes), at)
        found = tuple(
            operators.index(slot.name, domain, *self.operand(cursor, written))
            for written, domain in zip(nodes, domains, strict=True)
        )
        return slot, found

    def unary(self, cursor: Cursor, node: ast.UnaryOp) -> Expr:
        at, operand = cursor.at(node), node.operand
        match node.op:
            case ast.Not():
                return ir.not_(self.condition(cursor, operand))
            case ast.USub():
                return ir.neg(self.number(cursor, operand))
            case ast.UAdd():
                raise at.mistake("leave out the +")
        raise at.mistake("no ~: write `not`, or DOMAIN minus the set")

    def junction(self, cursor: Cursor, node: ast.BoolOp) -> Expr:
        conjunction = isinstance(node.op, ast.And)
        result = ir.boolean(conjunction)
        for k, operand in enumerate(node.values):
            if k and result.is_const and bool(result.data) != conjunction:
                break
            reach = cursor.under(result if conjunction else ir.not_(result))
            value = (self.expr if k == 0 else self.pure)(reach, operand)
            truth = operators.condition(Operand(value), cursor.at(operand))
            result = (ir.and_ if conjunction else ir.or_)(result, truth)
        return result

    def choice(self, cursor: Cursor, node: ast.IfExp) -> Value:
        c = self.condition(cursor, node.test)
        cursor.fork(node, c)
        if c.is_const:
            return self.expr(cursor, node.body if c.data else node.orelse)
        then, otherwise = cursor.under(c), cursor.under(ir.not_(c))
        a, b = self.pure(then, node.body), self.pure(otherwise, node.orelse)
        if all(isinstance(x, Expr | Pending) for x in (a, b)):
            return operators.choose(
                c,
                Operand(a, then.at(node, shows=node.body)),
                Operand(b, otherwise.at(node, shows=node.orelse)),
                cursor.at(node),
            )
        value = cursor.either(c, a, b)
        if isinstance(value, Unusable):
            raise cursor.at(node).mistake(f"this is {value.why}")
        return value

    def display(self, cursor: Cursor, node: ast.Set) -> Display:
        at, elements = cursor.at(node), node.elts
        items = [self.expr(cursor, e) for e in elements]
        if Missing() in items:
            raise at.mistake("no None in a set")
        return Display(
            tuple(
                Operand(operators.coerce(Operand(i), None, cursor.at(node, shows=e)))
                for i, e in zip(items, elements, strict=True)
            )
        )

    # -- comparisons --

    def comparison(self, cursor: Cursor, node: ast.Compare) -> Expr:
        left: ast.expr = node.left
        a = self.expr(cursor, left)
        result = ir.TRUE
        for k, (op, right) in enumerate(zip(node.ops, node.comparators, strict=True)):
            reach = cursor.under(result)
            b = (self.expr if k == 0 else self.pure)(reach, right)
            at = reach.at(right)
            truth = self.compare(at, op, Operand(a, reach.at(right, shows=left)), b)
            result = ir.and_(result, truth)
            a, left = b, right
        return result

    def compare(self, at: Written, op: ast.cmpop, x: Operand, b: Value) -> Expr:
        """Return ``x op b``, at the place of b."""
        a = x.value
        if isinstance(op, ast.In | ast.NotIn):
            inside = operators.member(x, self.container(at, b), at)
            return inside if isinstance(op, ast.In) else ir.not_(inside)
        word = _RELATIONS[type(op)]
        if isinstance(op, ast.Is | ast.IsNot) and not _identity(a, b):
            raise at.mistake(f"`is` is for None: write `{word}`")
        if word not in ("==", "!=") and is_set(a) and is_set(b):
            raise at.mistake("write len(a - b) == 0 for: a is a subset of b")
        if isinstance(a, Missing) and isinstance(b, Missing):
            return ir.boolean(word == "==")
        return operators.related(word, x, Operand(b, at), at)

    def container(self, at: Written, value: Value) -> Operand:
        """Return what stands on the right of `in`."""
        if isinstance(value, Tuple):
            return Operand(Display(tuple(Operand(i) for i in value.items)), at)
        domain = self.names.domain(at, value)
        return Operand(value if domain is None else domain, at)


def arithmetic(at: Written, op: ast.operator, a: Operand, b: Operand) -> Expr:
    """Return ``a op b``."""
    word = _ARITHMETIC.get(type(op), "")
    if not word and not is_set(a.value) and not is_set(b.value):
        raise at.mistake("only +, -, *, // and % on numbers")
    return operators.arithmetic(word, a, b, at)


def _identity(a: Value, b: Value) -> bool:
    """Return whether `is` between the two is equality in Python, too."""
    if any(isinstance(x, Missing) for x in (a, b)):
        return True
    return all(
        isinstance(x, Expr) and (x.sort is ir.BOOL or isinstance(x.sort, ir.EnumSort))
        for x in (a, b)
    )
