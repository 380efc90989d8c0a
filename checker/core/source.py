# SPDX-License-Identifier: GPL-2.0-only
"""The syntax trees of methods and classes, with their places in the user's
files."""

from __future__ import annotations

import ast
import inspect
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType

from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.system import Span
from poolproof.model.language import (
    Block,
    Design,
    action_methods,
    forwarded,
    members,
    own_classes,
    resolved,
)

_PACKAGE, _PACKAGE_NAME = Path(__file__).resolve().parents[2], __name__.split(".")[0]


@dataclass(frozen=True)
class _Trees:
    """The functions of a file by name and first line (decorators included),
    its classes by qualified name."""

    functions: dict[tuple[str, int], ast.FunctionDef]
    classes: dict[str, ast.ClassDef]


@cache
def _trees(file: str) -> _Trees:
    tree = ast.parse(Path(file).read_bytes(), file)
    found = _Trees({}, {})

    def visit(node: ast.AST, path: str) -> None:
        for child in ast.iter_child_nodes(node):
            match child:
                case ast.ClassDef(name):
                    found.classes[path + name] = child
                    visit(child, f"{path}{name}.")
                case ast.FunctionDef(name) | ast.AsyncFunctionDef(name):
                    first = min(n.lineno for n in (*child.decorator_list, child))
                    if isinstance(child, ast.FunctionDef):
                        found.functions[name, first] = child
                    visit(child, f"{path}{name}.<locals>.")
                case _:
                    visit(child, path)

    visit(tree, "")
    return found


def shown_path(file: str) -> str:
    """Return the file as a user would type it: relative if that is shorter."""
    try:
        relative = os.path.relpath(_real(os.path.abspath(file)))
    except ValueError:
        return file
    return relative if len(relative) < len(file) else file


def shown_source(file: str) -> str:
    """Return the file of a class: as a user would type it, or if it is one of this
    package, and not below the current folder, by its place there."""
    shown = shown_path(file)
    if shown.startswith("..") or os.path.isabs(shown):
        inside = os.path.relpath(_real(os.path.abspath(file)), _PACKAGE)
        if not inside.startswith(".."):
            return os.path.join(_PACKAGE_NAME, inside)
    return shown


@cache
def _real(file: str) -> str:
    return os.path.realpath(file)


_instead: ContextVar[tuple[ast.FunctionDef, ast.FunctionDef] | None] = ContextVar(
    "_instead", default=None
)


@contextmanager
def altered(tree: ast.FunctionDef, other: ast.FunctionDef) -> Iterator[None]:
    """Let `method_tree` find another tree for one method within."""
    token = _instead.set((tree, other))
    try:
        yield
    finally:
        _instead.reset(token)


_noted: ContextVar[set[ast.FunctionDef] | None] = ContextVar("_noted", default=None)


@contextmanager
def trees_read() -> Iterator[set[ast.FunctionDef]]:
    """Yield a set of the trees that `method_tree` finds within."""
    found: set[ast.FunctionDef] = set()
    token = _noted.set(found)
    try:
        yield found
    finally:
        _noted.reset(token)


def reads_matter() -> bool:
    """Return whether a method has another tree at the moment, or it is noted which
    trees are read: what is known of a text must not be used."""
    return _instead.get() is not None or _noted.get() is not None


def method_tree(function: FunctionType) -> tuple[str, ast.FunctionDef]:
    """Return (file as shown in messages, syntax tree). Raise UserError if there
    is no source (it was typed into an interpreter, say)."""
    file, tree = _method_tree(function)
    noted = _noted.get()
    if noted is not None:
        noted.add(tree)
    instead = _instead.get()
    return file, instead[1] if instead and instead[0] is tree else tree


@cache
def _method_tree(function: FunctionType) -> tuple[str, ast.FunctionDef]:
    file = inspect.getsourcefile(function)
    if file is None or not os.path.exists(file):
        raise UserError(None, f"the source of {function.__qualname__} is not in a file")
    first = function.__code__.co_firstlineno
    tree = _trees(file).functions.get((function.__name__, first))
    if tree is None:
        raise UserError(
            Span(shown_source(file), first, 1),
            f"{function.__qualname__} is not a plain method: write `def`, with no "
            "decorator but @action and @observer",
        )
    return shown_source(file), tree


@cache
def assigned(tree: ast.FunctionDef) -> frozenset[str]:
    """The names that a method binds, its parameters included: they mean
    locals everywhere in it. Names bound in comprehensions are not among them."""

    def names(node: ast.AST) -> Iterator[str]:
        match node:
            case ast.GeneratorExp() | ast.SetComp() | ast.ListComp() | ast.DictComp():
                return
            case ast.Name(name, ast.Store()):
                yield name
        for child in ast.iter_child_nodes(node):
            yield from names(child)

    arguments = (a.arg for a in ast.walk(tree.args) if isinstance(a, ast.arg))
    return frozenset((*arguments, *(n for s in tree.body for n in names(s))))


@cache
def class_tree(cls: type) -> tuple[str, ast.ClassDef] | None:
    """Return the file of a class, and its syntax tree there."""
    try:
        file = inspect.getsourcefile(cls)
    except TypeError:
        return None
    if file is None or not os.path.exists(file):
        return None
    tree = _trees(file).classes.get(cls.__qualname__)
    return None if tree is None else (file, tree)


def class_span(cls: type) -> Span | None:
    """Return the place of the class."""
    found = class_tree(cls)
    return None if found is None else span_of(shown_source(found[0]), found[1])


def member_span(cls: type, name: str) -> Span | None:
    """Return the place where a class (or a base of it) declares a member, in its body
    or as `self.name = ...` in __init__; else the place of the class."""
    for base in cls.__mro__:
        found = class_tree(base)
        if found is None:
            continue
        file, tree = found
        if (node := _members(tree).get(name)) is not None:
            return span_of(shown_source(file), node)
    return class_span(cls)


@cache
def _members(tree: ast.ClassDef) -> dict[str, ast.AST]:
    """Return the place where a class first declares each name."""
    found: dict[str, ast.AST] = {}
    makers = [n for n in tree.body if getattr(n, "name", "") == "__init__"]
    for node in (*tree.body, *(n for m in makers for n in ast.walk(m))):
        match node:
            case ast.Assign([target]) | ast.AnnAssign(target):
                name = getattr(target, "id", "") or getattr(target, "attr", "")
                found.setdefault(name, node)
            case ast.FunctionDef(name):
                found.setdefault(name, node)
    return found


def span_of(file: str, node: ast.AST) -> Span:
    """The place of a syntax node; columns count from 1."""
    return Span(file, getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1)


def methods(design: type[Design]) -> Iterator[tuple[str, FunctionType]]:
    """The methods of a design and of its blocks that its actions lead to, by
    name; those that are overridden included, since `super()` may call them."""
    known: dict[str, list[FunctionType]] = {}
    for name, function in _all_methods(design):
        known.setdefault(name, []).append(function)
    actions = (f for f, _ in action_methods(design).values())
    todo, seen = [resolved(design, f)[1].__name__ for f in actions], set()
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        for function in known.get(name, ()):
            yield name, function
            todo += [n for n in names_in(function.__code__) if n in known]


def names_in(code: CodeType) -> Iterator[str]:
    """The names that code mentions, attributes and nested code included."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from names_in(constant)


def parts(design: type[Design]) -> tuple[type, ...]:
    """The design, and the class of each of its blocks and of theirs."""
    found: dict[type, None] = {}

    def note(owner: type[Design] | Block) -> None:
        found[owner if isinstance(owner, type) else type(owner)] = None
        for value in members(owner).values():
            if isinstance(value, Block):
                note(value)

    note(design)
    return tuple(found)


def _all_methods(design: type[Design]) -> Iterator[tuple[str, FunctionType]]:
    owners = dict.fromkeys(c for part in parts(design) for c in own_classes(part))
    for owner in owners:
        for name, value in vars(owner).items():
            if not isinstance(value, FunctionType) or name.startswith("__"):
                continue
            if not forwarded(value):
                yield name, value
