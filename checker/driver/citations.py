# SPDX-License-Identifier: GPL-2.0-only
"""Which functions of the kernel the designs cite, and where.

An action cites one in `kernel=`, a method in its docstring, as
``mm/hugetlb.c:region_chg``. Two forms are shorter: a method that bears the name of
a function, and a name with an underscore in its docstring, are citations of a file
that the docstring of the method, its class or its module names, or a method of the
class.
These only mean something where such a function is known to exist.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import FunctionType, ModuleType

from poolproof.checker.core.source import class_span, method_tree, parts, span_of
from poolproof.checker.core.system import Span
from poolproof.checker.driver.designs import DesignRef, shipped_designs
from poolproof.model.language import Design, forwarded, own_classes


@dataclass(frozen=True)
class Citation:
    """A function of the kernel, and the class that cites it: its method, or
    its docstring or that of its module (``method`` is None). ``written``: the
    file and the name stand together."""

    file: str
    function: str
    written: bool
    owner: type
    method: FunctionType | None
    span: Span | None

    @property
    def name(self) -> str:
        return f"{self.file}:{self.function}"


_FILE = re.compile(r"\b[a-z][a-z0-9_]*(?:/[A-Za-z0-9_-]+)+\.[ch]\b")
_CITED = re.compile(rf"({_FILE.pattern}):([A-Za-z_]\w*)")
_NAME = re.compile(r"(?<![\w./:-])_*[a-z][a-z0-9]*(?:_+[a-z0-9]+)+(?!\w*[./]\w)")


def citations(design: type[Design]) -> tuple[Citation, ...]:
    """Return what the design and its blocks cite, in the order of the text."""
    owners = dict.fromkeys(c for part in parts(design) for c in own_classes(part))
    return tuple(c for owner in owners for c in _of_class(owner))


@cache
def _of_class(cls: type) -> tuple[Citation, ...]:
    module = inspect.getmodule(cls)
    header = (module.__doc__ or "") if isinstance(module, ModuleType) else ""
    above = f"{header}\n{cls.__doc__ or ''}"
    found = [
        Citation(file, name, True, cls, None, class_span(cls))
        for file, name in dict.fromkeys(_CITED.findall(above))
    ]
    methods = [
        value
        for name, value in vars(cls).items()
        if isinstance(value, FunctionType) and not forwarded(value)
        if not name.startswith("__")
    ]
    texts = [above, *map(_text, methods)]
    files = tuple(dict.fromkeys(f for text in texts for f in _FILE.findall(text)))
    for method in methods:
        found += _of_method(cls, method, files)
    return tuple(found)


def _text(method: FunctionType) -> str:
    """Return the text in which a method cites the kernel."""
    mark = method.__dict__.get("action")
    return f"{mark.kernel if mark else ''}\n{method.__doc__ or ''}"


def _of_method(
    cls: type, function: FunctionType, files: tuple[str, ...]
) -> Iterator[Citation]:
    text = _text(function)
    span = span_of(*method_tree(function))
    written = dict.fromkeys(_CITED.findall(text))
    for file, name in written:
        yield Citation(file, name, True, cls, function, span)
    names = dict.fromkeys([function.__name__, *_NAME.findall(text)])
    for file in files:
        for name in names:
            if (file, name) not in written:
                yield Citation(file, name, False, cls, function, span)


def all_citations(designs: tuple[DesignRef, ...] = ()) -> tuple[Citation, ...]:
    """Return the citations of the designs (the shipped ones), each once."""
    found = (c for k in designs or shipped_designs() for c in citations(k.cls))
    return tuple(dict.fromkeys(found))
