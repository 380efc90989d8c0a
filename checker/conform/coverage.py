# SPDX-License-Identifier: GPL-2.0-only
"""Which branches of a design's methods have been taken.

A branch is an `if` of a method, with its two ways. They are seen by following
the lines that CPython executes (sys.settrace); a method whose branches were
all taken is followed no more, so that most of the cost ends soon.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FrameType, FunctionType
from typing import Any

from poolproof.checker.core.source import methods, shown_source
from poolproof.model.language import Design


@dataclass(frozen=True, slots=True)
class Branch:
    """One way of an `if`: taken where its condition is ``way``."""

    file: str
    line: int
    way: bool
    method: str


def show(branches: Iterable[Branch]) -> list[str]:
    """``file:line method: true, false``, a line for each `if`."""
    ways: dict[str, list[str]] = {}
    for b in branches:
        place = f"{shown_source(b.file)}:{b.line} {b.method}"
        ways.setdefault(place, []).append("true" if b.way else "false")
    return [f"{place}: {', '.join(some)}" for place, some in ways.items()]


@dataclass(slots=True)
class _Fork:
    """An `if` in a method: the lines of its test, the first of its body."""

    first: int
    last: int
    body: int
    ways: set[bool]


class Coverage:
    """The branches of a design, and those that were taken while `watching`."""

    def __init__(self, design: type[Design]) -> None:
        self._methods: dict[CodeType, tuple[str, list[_Fork]]] = {}
        for name, function in methods(design):
            forks = list(_forks(function))
            if forks:
                self._methods[function.__code__] = (name, forks)
        self._open = dict(self._methods)

    @property
    def branches(self) -> tuple[Branch, ...]:
        """All branches, by file and line."""
        return tuple(self._all(lambda _: True))

    @property
    def missed(self) -> tuple[Branch, ...]:
        """Those that were never taken."""
        return tuple(self._all(lambda taken: not taken))

    def _all(self, wanted: Callable[[bool], bool]) -> Iterator[Branch]:
        found = [
            Branch(code.co_filename, fork.first, way, name)
            for code, (name, forks) in self._methods.items()
            for fork in forks
            for way in (True, False)
            if wanted(way in fork.ways)
        ]
        return iter(sorted(found, key=lambda b: (b.file, b.line, not b.way)))

    @contextmanager
    def watching(self) -> Iterator[None]:
        """What runs inside counts."""
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            yield
        finally:
            sys.settrace(before)

    def _enter(self, frame: FrameType, _event: str, _arg: Any) -> Any:
        known = self._open.get(frame.f_code)
        if known is None:
            return None
        forks = known[1]
        if all(len(fork.ways) == 2 for fork in forks):
            del self._open[frame.f_code]
            return None
        at: _Fork | None = None

        def follow(frame: FrameType, event: str, _arg: Any) -> Any:
            nonlocal at
            line = frame.f_lineno
            if at is not None and event in ("line", "return"):
                if event == "line" and at.first <= line <= at.last:
                    return follow
                at.ways.add(event == "line" and line == at.body)
                at = None
            if event == "line":
                at = next((f for f in forks if f.first <= line <= f.last), None)
            elif event == "exception":
                at = None
            return follow

        return follow


def _forks(function: FunctionType) -> Iterator[_Fork]:
    lines, start = inspect.getsourcelines(function)
    tree = ast.parse(textwrap.dedent("".join(lines)))
    for node in ast.walk(tree):
        if isinstance(node, ast.If):
            offset = start - 1
            last = node.test.end_lineno or node.test.lineno
            yield _Fork(
                node.lineno + offset, last + offset, node.body[0].lineno + offset, set()
            )
