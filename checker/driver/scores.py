# SPDX-License-Identifier: GPL-2.0-only
"""Stored mutation scores, and whether they are of the text as it is now.

A report of `poolproof mutate` ends with digests of the design's text and of its
specs. A score whose digests are others is of an earlier text, and says so. Only
what changes the question counts: in a spec, its bounds, its definitions and its
properties; in a design, its code. Comments, docstrings, layout, titles, labels,
citations and what is expected do not.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

from poolproof.checker.core.source import parts
from poolproof.checker.driver.designs import shipped_designs, specs_for
from poolproof.checker.spec.syntax import Spec
from poolproof.model.language import Bound, Design, Domain, Feature, own_classes

SCORES = "specs/scores"
"""The folder for `poolproof mutate DESIGN -o specs/scores/DESIGN.txt`."""

Scores = Mapping[type, str]
"""By design: its mutation score, in words."""


def stored_scores(folder: Path, specs: Sequence[Spec]) -> dict[type, str]:
    """Return the score of each shipped design whose report of mutants is kept,
    and what has changed since. ``specs`` are the shipped ones."""
    found: dict[type, str] = {}
    for known in shipped_designs():
        path = folder / f"{known.name}.txt"
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        for score in re.findall(r"^score: (.*)$", text, re.M):
            was = re.search(r"^text: (.*)$", text, re.M)
            now = text_line(known.cls, specs_for(specs, known))
            found[known.cls] = score + _since(was[1] if was else "", now)
    return found


def stored_conformance(folder: Path) -> dict[type, str]:
    """Return the figures of each shipped design whose report of `poolproof conform`
    is kept as DESIGN.conform.txt: the kernel, the sequences and steps, and whether
    they disagree. The rate is left out, which depends on the machine."""
    found: dict[type, str] = {}
    for known in shipped_designs():
        path = folder / f"{known.name}.conform.txt"
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        words = " ".join(text.split())
        head = re.match(r"\S+ and (Linux \S+) (.*? calls?), ", words)
        said = re.search(
            r"no disagreement that is not listed|[\d,]+ sequences? in "
            r"disagreement",
            words,
        )
        if head is not None and said is not None:
            found[known.cls] = f"{head[1]}: {head[2]}; {said[0]}"
    return found


def text_line(design: type[Design], specs: Iterable[Spec]) -> str:
    """Return ``design 0123456789ab, specs 0123456789ab``: the digests of what a
    design is made of, and of what its specs ask."""
    asked = sorted(f"{Path(s.file).name} {_question(s)}" for s in specs)
    return f"design {_digest(_design_text(design))}, specs {_digest(asked)}"


def _since(was: str, now: str) -> str:
    """Return in words which parts of two `text_line`s differ."""
    before = was.split(", ")
    changed = [part.split()[0] for part in now.split(", ") if part not in before]
    return f", of an earlier text of the {' and the '.join(changed)}" if changed else ""


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def _design_text(design: type[Design]) -> Iterator[str]:
    """The modules of the design's classes, bases and blocks, and the values
    that they take from other modules."""
    classes = {c for part in parts(design) for c in own_classes(part)}
    for name in sorted({c.__module__ for c in classes}):
        module = sys.modules[name]
        yield ast.unparse(_bare(ast.parse(inspect.getsource(module))))
        for key, value in sorted(vars(module).items()):
            if not key.startswith("__") and (text := _constant_text(value)):
                yield f"{key} = {text}"


def _bare(tree: ast.Module) -> ast.Module:
    """The tree without docstrings, citations, and other things that only say
    something."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            _drop_words(node)
        body = getattr(node, "body", None)
        if isinstance(body, list):
            body[:] = [n for n in body if not _says(n)] or [ast.Pass()]
    return tree


_WORDS = ("doc", "kernel", "silent", "chosen")
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
    """Return whether a statement is a docstring, an import (of which only the values
    count), a text or a tuple of texts, or the design's ``assumed``."""
    match node:
        case ast.Expr(ast.Constant()) | ast.AnnAssign(ast.Name("assumed")):
            return True
        case ast.Import() | ast.ImportFrom():
            return True
        case ast.Assign(_, ast.Constant(str())):
            return True
        case ast.Assign(_, ast.Tuple(elements)):
            return bool(elements) and all(map(_is_text, elements))
    return False


def _constant_text(value: Any) -> str:
    """A constant's text; a class's or function's is in its own module."""
    if isinstance(value, type) and issubclass(value, Enum):
        return repr([(member.name, member.value) for member in value])
    if isinstance(value, Bound | Feature):
        return repr(replace(value, doc=""))
    constant = isinstance(value, Domain | int)
    return repr(value) if constant else ""


_SAID = frozenset(("span", "title", "source", "expects", "label"))
"""Fields of a spec's tree that do not change what is asked."""


def _question(spec: Spec) -> Any:
    """The bounds, the definitions and the properties, as nested lists."""
    return _plain((spec.bounds, spec.lets, spec.claims))


def _plain(part: Any) -> Any:
    if is_dataclass(part):
        kept = (f.name for f in fields(part) if f.name not in _SAID)
        return [type(part).__name__, *(_plain(getattr(part, name)) for name in kept)]
    if isinstance(part, tuple):
        return [_plain(p) for p in part]
    return part.value if isinstance(part, Enum) else part
