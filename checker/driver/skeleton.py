# SPDX-License-Identifier: GPL-2.0-only
"""A design to begin a patch with: an heir that overrides the methods which model
what the patch touches, with their present text. As it is, it equals its base."""

from __future__ import annotations

import ast
import builtins
import inspect
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any

from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.source import method_tree
from poolproof.checker.driver.patch import Modelled
from poolproof.checker.linux.patch import Patch
from poolproof.model.language import blocks, members, own_classes

_WIDTH = 88


def skeleton(m: Modelled, patches: Sequence[Patch]) -> str:
    """Return the text of a Python file with the heir. Raise UserError if no
    method models what the patch touches."""
    work = _Skeleton(m)
    parts = [*work.block_classes(), work.design_class()]
    if not work.overridden:
        raise UserError(
            None, f"no method of {m.known.name} models what the patch touches"
        )
    head = [
        "# SPDX-License-Identifier: GPL-2.0-only",
        *_docstring(_title(m, patches), ""),
        "",
        *work.imports(),
    ]
    return "\n".join(head) + "\n\n\n" + "\n\n\n".join(parts) + "\n"


def _title(m: Modelled, patches: Sequence[Patch]) -> str:
    subjects = [p.subject for p in patches if p.subject]
    what = f'"{subjects[0]}"' if subjects else "a patch"
    more = f" and {len(subjects) - 1} more" if len(subjects) > 1 else ""
    names = dict.fromkeys(p.touched.name for p in m.places if p.actions)
    return f"{m.known.name} with {what}{more}.\n\nTouched: {', '.join(names)}."


def _docstring(text: str, indent: str) -> list[str]:
    first, *rest = text.replace("\\", "\\\\").replace('"""', "'''").split("\n\n")
    lines = textwrap.wrap(f'"""{first}', _WIDTH - len(indent))
    for paragraph in rest:
        lines += ["", *textwrap.wrap(paragraph, _WIDTH - len(indent))]
    if rest:
        lines.append('"""')
    else:
        lines[-1] += '"""'
    return [(indent + line).rstrip() for line in lines]


@dataclass
class _Skeleton:
    """Writes one heir; ``names`` are what its text takes from elsewhere, by the
    module that they are imported from."""

    m: Modelled
    names: dict[str, str] = field(default_factory=dict)
    overridden: int = 0

    def functions(self, owner: type) -> list[FunctionType]:
        """The methods to override in an heir of this class, each name once."""
        found = {
            f.__name__: f
            for place in self.m.places
            if place.actions and (f := place.citation.method) is not None
            if any(f in vars(c).values() for c in own_classes(owner))
        }
        return list(found.values())

    def blocks(self) -> Iterator[tuple[str, Any]]:
        """The design's own blocks of which a method is overridden."""
        for path, block in blocks(self.m.known.cls):
            if "." not in path and self.functions(type(block)):
                yield path, block

    def block_classes(self) -> Iterator[str]:
        for block in {type(b): b for _, b in self.blocks()}.values():
            yield self.heir(type(block), _patched(type(block)), [])

    def design_class(self) -> str:
        cls = self.m.known.cls
        return self.heir(cls, f"{cls.__name__}Patched", list(self.declarations()))

    def declarations(self) -> Iterator[str]:
        """The blocks again, of the classes with the overridden methods."""
        for path, block in self.blocks():
            owner, node, text = _declaration(self.m.known.cls, path)
            self.note([node.value], vars(inspect.getmodule(owner)), owner.__module__)
            own, new = type(block).__name__, _patched(type(block))
            yield f"    {text.replace(f'{own}(', f'{new}(', 1)}"

    def heir(self, base: type, name: str, fields: list[str]) -> str:
        self.names[base.__name__] = base.__module__
        lines = [f"class {name}({base.__name__}):"]
        lines += _docstring(f"{base.__name__} with the patch.", "    ")
        if fields:
            lines += ["", *fields]
        for function in self.functions(base):
            lines += ["", *self.method(base, function)]
            self.overridden += 1
        return "\n".join(lines)

    def method(self, owner: type, function: FunctionType) -> Iterator[str]:
        """The method's text where it is the one in force and calls no
        `super()`; else a call of what is in force."""
        file, tree = method_tree(function)
        if members(owner).get(function.__name__) is function and not _calls_super(tree):
            parts = [tree.args, *tree.body, *([tree.returns] if tree.returns else [])]
            self.note(parts, function.__globals__, function.__module__)
            yield from _text(function, tree)
            return
        names = [a.arg for a in tree.args.args]
        call = f"super().{function.__name__}({', '.join(names[1:])})"
        returns = any(isinstance(n, ast.Return) and n.value for n in ast.walk(tree))
        yield f"    def {function.__name__}({', '.join(names)}):"
        yield from _docstring(f"See {file}:{tree.lineno}, which calls others.", " " * 8)
        yield f"        {'return ' if returns else ''}{call}"

    def note(self, nodes: list[Any], known: dict[str, Any], module: str) -> None:
        """Note the names of a text that stand for something of its module."""
        for n in (n for node in nodes for n in ast.walk(node)):
            if (
                isinstance(n, ast.Name)
                and n.id in known
                and not hasattr(builtins, n.id)
            ):
                self.names[n.id] = _imports(module).get(n.id, module)

    def imports(self) -> Iterator[str]:
        """The import statements."""
        by_module: dict[str, list[str]] = {}
        for name, module in self.names.items():
            by_module.setdefault(module, []).append(name)
        for module, names in sorted(by_module.items()):
            names.sort(key=_order)
            line = f"from {module} import {', '.join(names)}"
            if len(line) <= _WIDTH:
                yield line
            else:
                yield f"from {module} import ("
                yield from (f"    {name}," for name in names)
                yield ")"


def _order(name: str) -> tuple[bool, bool, str]:
    """Return the sort key of isort: constants, classes, functions."""
    return (not (name.isupper() and len(name) > 1), not name[0].isupper(), name)


def _patched(cls: type) -> str:
    return f"Patched{cls.__name__}"


def _calls_super(tree: ast.FunctionDef) -> bool:
    return any(isinstance(n, ast.Name) and n.id == "super" for n in ast.walk(tree))


def _text(function: FunctionType, tree: ast.FunctionDef) -> Iterator[str]:
    """The method without its decorators, comments included."""
    lines = Path(inspect.getsourcefile(function) or "").read_text().split("\n")
    text = "\n".join(lines[tree.lineno - 1 : tree.end_lineno])
    yield from textwrap.indent(textwrap.dedent(text), "    ").split("\n")


def _declaration(cls: type, name: str) -> tuple[type, ast.Assign, str]:
    """The class that declares a block in its body, and the statement."""
    for owner in own_classes(cls):
        source = inspect.getsource(owner)
        tree = ast.parse(source).body[0]
        assert isinstance(tree, ast.ClassDef)
        for node in tree.body:
            match node:
                case ast.Assign([ast.Name(target)], ast.Call()) if target == name:
                    return owner, node, ast.get_source_segment(source, node) or ""
    raise UserError(None, f"{cls.__name__}.{name} is not declared in a class body")


@cache
def _imports(module: str) -> dict[str, str]:
    """Return the modules that a module imports names from."""
    source = inspect.getsource(__import__(module, fromlist=["*"]))
    return {
        alias.asname or alias.name: node.module
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and node.module and not node.level
        for alias in node.names
        if alias.asname is None
    }
