# SPDX-License-Identifier: GPL-2.0-only
"""What the command writes to: standard output, and files that a user names.

Where something cannot be written that is one line and exit 2. A reader who
has gone away (`poolproof check ... | head -1`) has read what they wanted: the
rest is dropped, and the exit code is the same as without them.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from itertools import islice
from types import TracebackType
from typing import TextIO

from poolproof.checker.core.diagnostic import UserError, each
from poolproof.checker.core.system import Span
from poolproof.checker.core.text import WIDTH


class Stream:
    """Text output called ``name``. Raises UserError where it cannot be written."""

    def __init__(self, under: TextIO, name: str) -> None:
        self.under, self.name = under, name

    def write(self, text: str) -> int:
        try:
            try:
                return self.under.write(text)
            except UnicodeEncodeError as e:
                plain = text.encode(e.encoding, "backslashreplace")
                return self.under.write(plain.decode(e.encoding))
        except OSError as e:
            self._failed(e)
            return len(text)

    def flush(self) -> None:
        try:
            self.under.flush()
        except OSError as e:
            self._failed(e)

    def isatty(self) -> bool:
        return self.under.isatty()

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file; where another error ends its writing, quietly."""
        try:
            self.under.close()
        except OSError as e:
            if error is None:
                self._failed(e)

    def _failed(self, error: OSError) -> None:
        """Drop what is still to be written, and say so unless nobody reads."""
        with contextlib.suppress(OSError, ValueError):
            descriptor = self.under.fileno()
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)
        if not isinstance(error, BrokenPipeError):
            raise UserError(
                None, f"{self.name}: cannot be written: {error.strerror}"
            ) from None


def standard_output() -> Stream:
    """Return what the command prints to. Raises UserError if that is closed."""
    if sys.stdout is None:
        raise UserError(None, "standard output: cannot be written: it is closed")
    return Stream(sys.stdout, "standard output")


def writable(path: str, parents: bool = False) -> Stream:
    """Return a new file, to be used in a `with`; with ``parents`` its folders
    are made, too. Raises UserError."""
    try:
        if parents:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        return Stream(open(path, "w", encoding="utf-8"), path)
    except OSError as e:
        raise UserError(None, f"{path}: cannot be written: {e.strerror}") from None


def complain(text: str) -> None:
    """Print a line to standard error, if there is one."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()


def pointed(mistake: UserError) -> str:
    """Return each mistake's text, with the line of the file that it is about and a
    caret below the place."""
    lines: list[str] = []
    for one in each(mistake):
        lines.append(str(one) if one.span else f"poolproof: {one}")
        lines += _place(one.span)
    return "\n".join(lines)


_BEFORE = 4
"""Columns before the line that a message is about."""


def _place(span: Span | None) -> list[str]:
    """Return the line of a place and a caret, cut to the width of a page."""
    if span is None:
        return []
    try:
        with open(span.file, encoding="utf-8-sig") as file:
            line = next(islice(file, span.line - 1, None), "").rstrip()
    except (OSError, ValueError):
        return []
    if not line.strip() or not line.isprintable() or span.column > len(line) + 1:
        return []
    room, at = WIDTH - _BEFORE, span.column - 1
    first = max(0, min(at - room // 2, len(line) - room))
    indent = len(line) - len(line.lstrip()) if not first else 0
    first += min(indent, at)
    shown = line[first : first + room].rstrip()
    return [" " * _BEFORE + shown, " " * (_BEFORE + at - first) + "^"]


@contextlib.contextmanager
def output(path: str | None) -> Iterator[Stream]:
    """Within, what a verb prints to: the file of -o, or standard output."""
    if not path:
        yield standard_output()
        return
    with writable(path) as file:
        yield file
