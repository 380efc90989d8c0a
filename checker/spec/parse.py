# SPDX-License-Identifier: GPL-2.0-only
"""A spec's text to its syntax tree."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from poolproof.checker.core.diagnostic import UserError, together
from poolproof.checker.core.system import Span
from poolproof.checker.core.user_file import place
from poolproof.checker.spec.grammar import Stopped, read_tree
from poolproof.checker.spec.refusals import refusal
from poolproof.checker.spec.syntax import Spec
from poolproof.checker.spec.tree import build


def parse(path: str | Path) -> Spec:
    """Return the spec in a file. Raise UserError, with line and column, if it is not
    one."""
    file = str(path)
    head = Span(file, 1, 1)
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise UserError(head, "there is no such file") from None
    except IsADirectoryError:
        raise UserError(head, "this is a directory: name a .spec file in it") from None
    except (OSError, ValueError) as e:
        reason = getattr(e, "strerror", None) or str(e)
        raise UserError(head, f"cannot be read: {reason}") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        before = data[: e.start].decode("utf-8-sig", "replace")
        raise UserError(place(file, before, len(before)), _JUNK) from None
    return parse_text(text, file)


_JUNK = "this is not text: a spec is UTF-8"


def parse_text(text: str, file: str = "<spec>") -> Spec:
    """Return the spec that ``text`` is; messages call it ``file``. Raise UserError if
    it is not one."""
    junk = re.search(r"[^\S\t\n\r\f ]|[\x00-\x08\x0e-\x1f\x7f]", text)
    if junk:
        raise UserError(place(file, text, junk.start()), _JUNK)
    if not text.strip():
        raise UserError(
            Span(file, 1, 1), 'the file is empty: a spec starts with `spec "title"`'
        )
    mistakes: list[UserError] = []
    while True:
        try:
            spec = _spec(text, file)
        except UserError as mistake:
            mistakes.append(mistake)
            rest = _without_item(text, mistake)
            if rest is None or len(mistakes) == _MOST:
                raise together(mistakes) from None
            text = rest
        else:
            if mistakes:
                raise together(mistakes)
            return spec


_MOST = 20
"""Upper limit on the mistakes that are told at once."""

_ITEM = re.compile(
    r"^(?:assertion|eventually|invariant|leadsto|let|reachable|scenario|step)\b", re.M
)
"""The beginning of an item. Nothing else is read differently without one."""


_KEPT = 500
"""Specs of this process that are not read twice; more than are shipped. They are
values, which nothing changes."""


def _without_item(text: str, mistake: UserError) -> str | None:
    """Return the text with blanks in place of the item that the mistake is in, so
    that the others can be read; None if it is in none. One at the beginning of an
    item is that the item before does not end there."""
    if mistake.span is None:
        return None
    lines = text.splitlines(keepends=True)
    at = sum(map(len, lines[: mistake.span.line - 1])) + mistake.span.column - 1
    starts = [m.start() for m in _ITEM.finditer(text)]
    begin = max((start for start in starts if start < at), default=None)
    if begin is None:
        return None
    end = min((start for start in starts if start >= at), default=len(text))
    return text[:begin] + re.sub(r"[^\n]", " ", text[begin:end]) + text[end:]


@lru_cache(maxsize=_KEPT)
def _spec(text: str, file: str) -> Spec:
    """Return the spec. Raise UserError for its first mistake."""
    try:
        tree = read_tree(text)
    except Stopped as e:
        raise refusal(text, file, e.at, e.wanted) from None
    try:
        return build(tree, file)
    except RecursionError:
        raise UserError(
            Span(file, 1, 1), "a formula is nested too deeply to be read"
        ) from None
