# SPDX-License-Identifier: GPL-2.0-only
"""Which methods of a design, and of its blocks, an action calls.

Read from the text, with the features that a branch needs. A call is followed by
what it is called on: `self`, a block, `super()`, `self.design`. If that is
something else, every block's method of the name counts.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import FunctionType
from typing import Any

from poolproof.checker.core.source import method_tree
from poolproof.model.language import (
    Block,
    Feature,
    action_methods,
    blocks,
    closure,
    forwarded,
    members,
    own_classes,
)


@dataclass(frozen=True)
class Method:
    """A method as it was written, and the block that it acts on (``path`` as in
    ``mm.pins``, "" for the design)."""

    path: str
    function: FunctionType


Guard = Mapping[str, bool]
"""Features by name that a call needs on, or off."""


@dataclass(frozen=True)
class CallSite:
    """A call in a method."""

    guard: Guard
    called: Method

    def possible(self, on: Mapping[str, bool]) -> bool:
        return all(on.get(name, value) == value for name, value in self.guard.items())


def called_by(
    design: type, action: str, on: Mapping[str, bool] | None = None
) -> tuple[Method, ...]:
    """Return the action's own method and all that it may call, directly or not,
    nearest first: with these features on and off, or with any."""
    return _reached(design, action, None if on is None else frozenset(on.items()))


@cache
def _reached(
    design: type, action: str, on: frozenset[tuple[str, bool]] | None
) -> tuple[Method, ...]:
    features = dict(on or ())
    function, _ = action_methods(design)[action]
    found = dict.fromkeys([_as_written(design, Method("", function))])
    todo = list(found)
    for method in todo:
        for call in _calls(design, method):
            if call.possible(features) and call.called not in found:
                found[call.called] = None
                todo.append(call.called)
    return tuple(found)


def _as_written(design: type, method: Method) -> Method:
    """The block's method that a forwarder stands for; else the method itself."""
    link = forwarded(method.function)
    if link is None:
        return method
    written = members(_owner(design, link.block)).get(link.method)
    assert isinstance(written, FunctionType)
    return Method(link.block, written)


def _owner(design: type, path: str) -> Any:
    owner: Any = design
    for part in path.split(".") if path else ():
        owner = members(owner)[part]
    return owner


@cache
def _calls(design: type, method: Method) -> tuple[CallSite, ...]:
    _, tree = method_tree(method.function)
    reader = _MethodReader(design, method, closure(method.function))
    return tuple(reader.statements(tree.body, {}))


@dataclass
class _MethodReader:
    """Reads the calls of one method."""

    design: type
    method: Method
    enclosing: Mapping[str, Any]
    owner: Any = field(init=False)

    def __post_init__(self) -> None:
        self.owner = _owner(self.design, self.method.path)

    # -- what a branch needs --

    def statements(self, body: list[ast.stmt], guard: Guard) -> Iterator[CallSite]:
        for statement in body:
            if not isinstance(statement, ast.If):
                yield from self.node(statement, guard)
                continue
            yield from self.node(statement.test, guard)
            true, false = self.needs(statement.test)
            yield from self.statements(statement.body, {**guard, **true})
            yield from self.statements(statement.orelse, {**guard, **false})
            if isinstance(statement.body[-1], ast.Return):
                guard = {**guard, **false}

    def node(self, node: ast.AST, guard: Guard) -> Iterator[CallSite]:
        match node:
            case ast.For(body=body):
                yield from self.node(node.iter, guard)
                yield from self.statements(body, guard)
                return
            case ast.BoolOp(op, values):
                for value in values:
                    yield from self.node(value, guard)
                    true, false = self.needs(value)
                    guard = {**guard, **(true if isinstance(op, ast.And) else false)}
                return
            case ast.IfExp(test, body, orelse):
                true, false = self.needs(test)
                yield from self.node(test, guard)
                yield from self.node(body, {**guard, **true})
                yield from self.node(orelse, {**guard, **false})
                return
            case ast.Call():
                yield from (CallSite(guard, m) for m in self.targets(node.func))
        for child in ast.iter_child_nodes(node):
            yield from self.node(child, guard)

    def needs(self, test: ast.expr) -> tuple[Guard, Guard]:
        """Return the features that are on where a condition is true, and those where it
        is false."""
        match test:
            case ast.UnaryOp(ast.Not(), operand):
                true, false = self.needs(operand)
                return false, true
            case ast.BoolOp(op, values):
                both = [self.needs(v) for v in values]
                if isinstance(op, ast.And):
                    return {k: v for true, _ in both for k, v in true.items()}, {}
                return {}, {k: v for _, false in both for k, v in false.items()}
        feature = self.value(test)
        if isinstance(feature, Feature):
            return {feature.name: True}, {feature.name: False}
        return {}, {}

    def value(self, node: ast.expr) -> Any:
        """Return the value of a name or of an attribute of a block, as far as the text
        says."""
        match node:
            case ast.Name(name):
                known = self.method.function.__globals__
                return self.enclosing.get(name, known.get(name))
            case ast.Attribute(target, name):
                path = self.path(target)
                if path is not None:
                    return members(_owner(self.design, path)).get(name)
        return None

    # -- what is called --

    def path(self, node: ast.expr) -> str | None:
        """The block that an expression names; None if it is something else."""
        match node:
            case ast.Name("self"):
                return self.method.path
            case ast.Attribute(target, name):
                above = self.path(target)
                if above is None:
                    return None
                if name == "design" and above:
                    return ""
                if isinstance(members(_owner(self.design, above)).get(name), Block):
                    return f"{above}.{name}" if above else name
        return None

    def targets(self, called: ast.expr) -> Iterator[Method]:
        match called:
            case ast.Attribute(ast.Call(ast.Name("super")), name):
                yield from self.inherited(name)
            case ast.Attribute(target, name):
                path = self.path(target)
                if path is None:
                    yield from self.anywhere(name)
                else:
                    yield from self.of(path, name)

    def of(self, path: str, name: str) -> Iterator[Method]:
        found = members(_owner(self.design, path)).get(name)
        if isinstance(found, FunctionType):
            yield _as_written(self.design, Method(path, found))

    def anywhere(self, name: str) -> Iterator[Method]:
        for path, _ in blocks(self.design):
            yield from self.of(path, name)

    def inherited(self, name: str) -> Iterator[Method]:
        """The method of the next class after the one that this is written in."""
        classes = own_classes(self.owner)
        mine = [self.method.function in vars(c).values() for c in classes]
        after = classes[mine.index(True) + 1 :] if True in mine else ()
        for cls in after:
            if isinstance(found := vars(cls).get(name), FunctionType):
                yield _as_written(self.design, Method(self.method.path, found))
                return
