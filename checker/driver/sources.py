# SPDX-License-Identifier: GPL-2.0-only
"""Digests of the texts that an answer depends on: the checker's and a design's.

A design's answers depend on the files of its modules and of all that they import.
That is known only of modules that import other designs, the language, and a few
modules of Python, and that read nothing while they are imported. For any other
design there is no digest, and its answers are not kept.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from poolproof.checker.core.source import parts
from poolproof.checker.driver.designs import ROOT
from poolproof.model.language import Design

_LANGUAGE = "poolproof.model.language"
_HARMLESS = {
    "__future__",
    "abc",
    "collections",
    "collections.abc",
    "dataclasses",
    "enum",
    "functools",
    "itertools",
    "math",
    "operator",
    "typing",
}
"""Modules of Python whose contents never change from one run to the next."""

_UNKNOWN = {"__import__", "compile", "eval", "exec", "globals", "input", "open", "vars"}
"""Functions whose result may be other than the text says."""

_NO_ANSWERS = ("commands", "conform", "kernel", "reports")
"""Rooms of the checker that no answer depends on: the code that decides one imports
none of them."""

_LIBRARIES = ("hypothesis", "lark", "networkx", "z3-solver")


@cache
def of_checker() -> str:
    """Return a digest of all that decides answers: of the checker's rooms, the design
    language, Python and the libraries."""
    rooms = sorted(
        room
        for room in (ROOT / "checker").iterdir()
        if room.is_dir() and room.name not in _NO_ANSWERS
    )
    files = [
        file
        for room in (*rooms, ROOT / "model/language")
        for file in sorted(room.rglob("*"))
        if file.suffix in (".py", ".lark", ".c", ".h")
    ]
    return digest([sys.version, *map(_version, _LIBRARIES), *_texts(files)])


def of_designs(designs: Iterable[type[Design]]) -> str | None:
    """Return a digest of the designs' names and of all the text that they depend
    on; None if that is not known."""
    names: list[str] = []
    files: set[Path] = set()
    for design in designs:
        names.append(f"{design.__module__}:{design.__qualname__}")
        found = files_of(design)
        if found is None:
            return None
        files |= found
    return digest([*names, *_texts(sorted(files))])


def files_of(design: type[Design]) -> frozenset[Path] | None:
    """Return the files that a design's text depends on, without the language; None if
    they are not known."""
    files: frozenset[Path] = frozenset()
    for part in parts(design):
        for cls in part.__mro__[:-1]:
            if "<locals>" in cls.__qualname__:
                return None  # a function decides what it means
            if not _is_language(cls.__module__):
                found = _closure(cls.__module__)
                if found is None:
                    return None
                files |= found
    return files


def digest(texts: Iterable[str]) -> str:
    """Return a digest of the texts in their order."""
    whole = hashlib.sha256()
    for text in texts:
        data = text.encode(errors="surrogateescape")
        whole.update(b"%d:" % len(data) + data)
    return whole.hexdigest()


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""


def _texts(files: Iterable[Path]) -> Iterator[str]:
    for file in files:
        yield file.name
        yield file.read_bytes().decode(errors="surrogateescape")


def _is_language(module: str) -> bool:
    return module == _LANGUAGE or module.startswith(f"{_LANGUAGE}.")


@cache
def _closure(module: str) -> frozenset[Path] | None:
    """Return the files of a module and of all that it imports but the language;
    None if they are not known."""
    found: set[Path] = set()
    seen: set[str] = set()
    todo = [module]
    while todo:
        name = todo.pop()
        if name in seen or name in _HARMLESS or _is_language(name):
            continue
        seen.add(name)
        file = getattr(sys.modules.get(name), "__file__", None)
        if file is None or Path(file).suffix != ".py":
            return None
        imported = _imported(name, Path(file))
        if imported is None:
            return None
        found.add(Path(file))
        todo += imported
    return frozenset(found)


@cache
def _imported(module: str, file: Path) -> set[str] | None:
    """Return the modules that a module imports, the packages that they are in, and
    its own; None if its text may depend on something else."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None
    names = _above(module)
    for node in ast.walk(tree):
        match node:
            case ast.Import(aliases):
                names |= {a.name for a in aliases}
                names |= {above for a in aliases for above in _above(a.name)}
            case ast.ImportFrom(base, aliases, level):
                whole = _absolute(module, file, base or "", level)
                names |= {whole} | _above(whole)
                inner = (f"{whole}.{a.name}" for a in aliases)
                names |= {name for name in inner if name in sys.modules}
            case ast.Name(name) if name in _UNKNOWN:
                return None
    return names - {""}


def _above(module: str) -> set[str]:
    parts = module.split(".")
    above = {".".join(parts[:k]) for k in range(1, len(parts))}
    return above - {"poolproof", "poolproof.model"}


def _absolute(module: str, file: Path, base: str, level: int) -> str:
    if not level:
        return base
    package = module.split(".")
    up = level - (file.name == "__init__.py")
    return ".".join([*package[: len(package) - up], *([base] if base else [])])
