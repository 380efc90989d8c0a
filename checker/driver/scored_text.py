# SPDX-License-Identifier: GPL-2.0-only
"""The text that a mutation score is of, as digests of the design and of its specs.

Only what changes the question counts. Of a spec, these are its bounds, its
definitions and its properties; of a design, the code that its actions, observers and
invariants lead to, its fields, and the values that these take from elsewhere.
Comments, docstrings, layout, titles, labels, citations and expectations do not
count. Neither do the names of the checker's classes, nor other code in a design's
modules.
"""

from __future__ import annotations

import ast
import copy
import hashlib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from poolproof.checker.core.source import class_tree, parts
from poolproof.checker.spec.syntax import Spec
from poolproof.model.language import (
    Arithmetic,
    Bound,
    Design,
    Domain,
    Either,
    Feature,
    own_classes,
)


def text_line(design: type[Design], specs: Iterable[Spec]) -> str:
    """Return ``design 0123456789ab, specs 0123456789ab``: the digests of what a
    design is made of, and of what its specs ask."""
    asked = sorted(f"{Path(s.file).name} {_question(s)}" for s in specs)
    return f"design {_digest(_design_text(design))}, specs {_digest(asked)}"


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


# --- a design ---------------------------------------------------------------


def _design_text(design: type[Design]) -> Iterator[str]:
    """Yield the classes of the design, its bases and its blocks, without methods that
    nothing leads to, and the values of other modules that they name."""
    classes = dict.fromkeys(c for part in parts(design) for c in own_classes(part))
    trees = {c: _bare(found[1]) for c in classes if (found := class_tree(c))}
    used = _used(trees.values())
    for cls, tree in trees.items():
        tree.body[:] = [n for n in tree.body if _kept(n, used)] or [ast.Pass()]
        yield ast.unparse(tree)
        module = vars(sys.modules[cls.__module__])
        for name in sorted(_names(tree) & module.keys()):
            text = _value_text(module[name])
            if text and not isinstance(module[name], str):
                yield f"{name} = {text}"


def _used(trees: Iterable[ast.ClassDef]) -> set[str]:
    """Return the names of the methods that actions, observers, invariants, fields and
    the language lead to."""
    named: dict[str, set[str]] = {}
    todo: set[str] = {"initial"}
    for tree in trees:
        for node in tree.body:
            if not isinstance(node, ast.FunctionDef):
                todo |= _names(node)
                continue
            named.setdefault(node.name, set()).update(_names(node))
            if node.decorator_list or node.name.startswith("__"):
                todo.add(node.name)
    used: set[str] = set()
    while todo:
        name = todo.pop()
        if name in named and name not in used:
            used.add(name)
            todo |= named[name]
    return used


def _kept(node: ast.stmt, used: set[str]) -> bool:
    return not isinstance(node, ast.FunctionDef) or node.name in used


def _names(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(name) | ast.Attribute(attr=name):
                found.add(name)
    return found


def _bare(tree: ast.ClassDef) -> ast.ClassDef:
    """Return a copy without docstrings, citations, and other things that only say
    something."""
    tree = copy.deepcopy(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            _drop_words(node)
        body = getattr(node, "body", None)
        if isinstance(body, list):
            body[:] = [n for n in body if not _says(n)] or [ast.Pass()]
    return tree


_WORDS = ("doc", "kernel", "silent", "chosen", "assuming")
"""Arguments of declarations that only reports read, and no engine."""


def _drop_words(call: ast.Call) -> None:
    """Drop `_WORDS`, the text after a feature's default, and that of an assume."""
    call.keywords = [k for k in call.keywords if k.arg not in _WORDS]
    named = call.func.id if isinstance(call.func, ast.Name) else ""
    if named in ("Bound", "Feature", "assume"):
        first, *others = call.args or [ast.Constant("")]
        call.args = [first, *(a for a in others if not _is_text(a))]


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _says(node: ast.AST) -> bool:
    """Return whether a statement is a docstring, a text or a tuple of texts, or the
    design's ``assumed``."""
    match node:
        case ast.Expr(ast.Constant()) | ast.AnnAssign(ast.Name("assumed")):
            return True
        case ast.Assign(_, ast.Constant(str())):
            return True
        case ast.Assign(_, ast.Tuple(elements)):
            return bool(elements) and all(map(_is_text, elements))
    return False


def _value_text(value: Any) -> str:
    """Return the text of a domain, an enum, a number or a label; '' for what has a
    text of its own, as classes and functions have."""
    match value:
        case type() if issubclass(value, Enum):
            return repr([(member.name, member.value) for member in value])
        case Enum() | int() | str() | None:
            return repr(value)
        case tuple():
            return repr([_value_text(v) for v in value])
        case frozenset():
            return repr(sorted(_value_text(v) for v in value))
        case Arithmetic() | Bound() | Domain() | Either() | Feature():
            declared = fields(value) if is_dataclass(value) else ()
            kept = (f.name for f in declared if f.name not in _WORDS)
            inner = (_value_text(getattr(value, name)) for name in kept)
            return f"{type(value).__name__}({', '.join(inner)})"
    return ""


# --- a spec -----------------------------------------------------------------

_SAID = frozenset(("span", "title", "source", "expects", "label"))
"""Fields of a spec's tree that do not change what is asked."""


def _question(spec: Spec) -> Any:
    """Return the bounds, the definitions and the properties, as nested lists."""
    return _plain((spec.bounds, spec.lets, spec.claims))


def _plain(part: Any) -> Any:
    """Return the values of a syntax tree without the names of its classes and fields,
    and without fields that have their default."""
    if is_dataclass(part):
        kept = (f for f in fields(part) if f.name not in _SAID)
        values = ((f.default, getattr(part, f.name)) for f in kept)
        return [
            _plain(v) for default, v in values if default is MISSING or v != default
        ]
    if isinstance(part, tuple):
        return [_plain(p) for p in part]
    return part.value if isinstance(part, Enum) else part
