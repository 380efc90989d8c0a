# SPDX-License-Identifier: GPL-2.0-only
"""The mutants of a design: its Python text with one thing changed.

A `require` or one of its conjuncts is dropped, an `assume` dropped, a condition
negated, an assignment or a call that is a statement dropped, an amount made one
more or less, < and <= exchanged. After Budd et al., "Theoretical and empirical studies
on using program mutation to test the functional correctness of programs"
(1980). Only methods that actions lead to are changed. Observers are not: the
specs read the state through them. A subclass's mutants are of its own text: the text
of its base is changed, and scored, with the base.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial

from poolproof.checker.core.source import method_tree, methods
from poolproof.checker.core.system import Span
from poolproof.model.language import (
    Design,
    action_methods,
    observer_methods,
    resolved,
)

Node = ast.stmt | ast.expr
Edit = Callable[[ast.AST], ast.AST]


@dataclass(frozen=True)
class Mutant:
    """A one-place change: ``edit`` of a ``node`` in the syntax tree of a method.
    ``what`` describes it in the design's own words."""

    method: str
    span: Span
    kind: str
    what: str
    tree: ast.FunctionDef = field(compare=False, repr=False)
    node: Node = field(compare=False, repr=False)
    edit: Edit = field(compare=False, repr=False)

    @cached_property
    def other(self) -> ast.FunctionDef:
        """Return the tree with the change: a copy, made on first use."""
        return _edited(self.tree, self.node, self.edit)


def base_designs(design: type[Design]) -> tuple[type[Design], ...]:
    """Return the designs that a design inherits from, the nearest first."""
    bases = (c for c in design.__mro__[1:] if issubclass(c, Design))
    return tuple(c for c in bases if action_methods(c))


def mutants(design: type[Design], inherited: bool = False) -> tuple[Mutant, ...]:
    """Return the mutants of a design's own text, in its order; with ``inherited``,
    also those of the methods that the actions of `base_designs` lead to."""
    found: dict[tuple[str, int, int, str], Mutant] = {}
    bases = () if inherited else base_designs(design)
    elsewhere = {f for base in bases for _, f in methods(base)}
    observers = {
        resolved(design, f)[1].__name__ for f in observer_methods(design).values()
    }
    for _, function in methods(design):
        if function.__name__ in observers or function in elsewhere:
            continue
        file, tree = method_tree(function)
        for kind, node, what, edit in _changes(tree):
            span = Span(file, node.lineno, node.col_offset + 1)
            key = (file, span.line, span.column, what)
            mutant = Mutant(function.__qualname__, span, kind, what, tree, node, edit)
            found.setdefault(key, mutant)
    return tuple(found[key] for key in sorted(found))


def _edited(tree: ast.FunctionDef, node: Node, edit: Edit) -> ast.FunctionDef:
    """A copy of the tree with one node edited."""
    number = next(k for k, n in enumerate(ast.walk(tree)) if n is node)
    other = copy.deepcopy(tree)
    target = next(n for k, n in enumerate(ast.walk(other)) if k == number)

    class Put(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            if node is target:
                return ast.copy_location(edit(node), node)
            return super().generic_visit(node)

    changed = ast.fix_missing_locations(Put().visit(other))
    assert isinstance(changed, ast.FunctionDef)
    return changed


def _changes(tree: ast.FunctionDef) -> Iterator[tuple[str, Node, str, Edit]]:
    """(kind, the node, what becomes of it in words, its edit)."""
    for statement in tree.body:
        for node in ast.walk(statement):
            match node:
                case ast.Expr(ast.Call(ast.Name("require"), conditions)):
                    yield from _guards(node, conditions)
                case ast.Expr(ast.Call(ast.Name("assume"))):
                    yield "assumption", node, f"without {_text(node)}", _nothing
                case ast.Expr(ast.Call()):
                    yield "update", node, f"without {_text(node)}", _nothing
                case ast.Assign([ast.Attribute() | ast.Subscript()]):
                    yield "update", node, f"without {_text(node)}", _nothing
                case ast.AugAssign(ast.Attribute() | ast.Subscript()):
                    yield "update", node, f"without {_text(node)}", _nothing
                case ast.If(test) | ast.IfExp(test):
                    yield "if", test, f"if not ({_text(test)})", _negated
            match node:
                case ast.AugAssign(_, ast.Add() | ast.Sub(), amount):
                    yield from _amounts(amount, _text(node))
                case ast.BinOp(_, ast.Add() | ast.Sub(), ast.Constant() as amount):
                    yield from _amounts(amount, _text(node))
                case ast.Compare(_, operators):
                    yield from _comparisons(node, operators)


def _guards(
    node: ast.Expr, conditions: list[ast.expr]
) -> Iterator[tuple[str, Node, str, Edit]]:
    if len(conditions) != 1:
        return
    [condition] = conditions
    if not (isinstance(condition, ast.BoolOp) and isinstance(condition.op, ast.And)):
        yield "guard", node, f"without {_text(node)}", _nothing
        return
    for part in condition.values:
        yield "guard", part, f"without the guard {_text(part)}", _true


def _amounts(node: ast.expr, inside: str) -> Iterator[tuple[str, Node, str, Edit]]:
    for by in (-1, 1):
        if isinstance(node, ast.Constant):
            if not isinstance(node.value, int):
                return
            if node.value + by == 0:
                continue  # the update dropped
            value = str(node.value + by)
        else:
            value = f"{_text(node)} {'+' if by > 0 else '-'} 1"
        what = f"{value} for {_text(node)} in {inside}"
        yield "amount", node, what, partial(_shifted, by=by)


def _comparisons(
    node: ast.Compare, operators: list[ast.cmpop]
) -> Iterator[tuple[str, Node, str, Edit]]:
    for k, operator in enumerate(operators):
        other = _OTHER.get(type(operator))
        if other is None:
            continue

        def edit(n: ast.AST, k: int = k, other: type[ast.cmpop] = other) -> ast.AST:
            assert isinstance(n, ast.Compare)
            ops = [*n.ops[:k], other(), *n.ops[k + 1 :]]
            return ast.Compare(n.left, ops, n.comparators)

        yield "comparison", node, f"{_text(edit(node))} for {_text(node)}", edit


_OTHER: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}


def _nothing(_: ast.AST) -> ast.AST:
    return ast.Pass()


def _true(_: ast.AST) -> ast.AST:
    return ast.Constant(True)


def _negated(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.expr)
    return ast.UnaryOp(ast.Not(), node)


def _shifted(node: ast.AST, by: int) -> ast.AST:
    assert isinstance(node, ast.expr)
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return ast.Constant(node.value + by)
    return ast.BinOp(node, ast.Add() if by > 0 else ast.Sub(), ast.Constant(1))


def _text(node: ast.AST) -> str:
    return ast.unparse(node)
