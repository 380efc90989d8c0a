"""The syntax trees of methods, with their places in the user's files."""

from __future__ import annotations

import ast
import inspect
import os
from functools import cache
from pathlib import Path
from types import FunctionType

from checker.diagnostic import Mistake
from checker.system import Span


@cache
def _functions(file: str) -> dict[tuple[str, int], ast.FunctionDef]:
    tree = ast.parse(Path(file).read_text(encoding="utf-8"), file)
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            first = min(n.lineno for n in (*node.decorator_list, node))
            found[node.name, first] = node
    return found


def shown_path(file: str) -> str:
    """The file as a user would type it: relative where that is shorter."""
    try:
        relative = os.path.relpath(file)
    except ValueError:
        return file
    return relative if len(relative) < len(file) else file


def method_tree(function: FunctionType) -> tuple[str, ast.FunctionDef]:
    """(file as shown in messages, syntax tree). Raises Mistake where the
    source cannot be had (typed into an interpreter, say)."""
    file = inspect.getsourcefile(function)
    if file is None or not os.path.exists(file):
        raise Mistake(None, f"the source of {function.__qualname__} is not in a file")
    key = (function.__name__, function.__code__.co_firstlineno)
    tree = _functions(file).get(key)
    if tree is None:
        raise Mistake(None, f"{function.__qualname__} is no plain method in {file}")
    return shown_path(file), tree


def span_of(file: str, node: ast.AST) -> Span:
    """The place of a syntax node; columns count from 1."""
    return Span(file, getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1)
