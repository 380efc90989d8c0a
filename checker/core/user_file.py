# SPDX-License-Identifier: GPL-2.0-only
"""The text of files that a user names."""

from __future__ import annotations

from codecs import BOM_UTF8
from pathlib import Path

from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.system import Span


def place(file: str, text: str, offset: int) -> Span:
    """Return the line and column of an offset."""
    before = text[:offset]
    return Span(file, before.count("\n") + 1, offset - before.rfind("\n"))


def read_text(path: str, what: str) -> str:
    """Return the text of the user's file, without a byte order mark. ``what`` names the
    kind of file, for messages. Raises UserError if the file cannot be read or is not
    text."""
    head = Span(path, 1, 1)
    try:
        data = Path(path).read_bytes().removeprefix(BOM_UTF8)
    except FileNotFoundError:
        raise UserError(head, f"there is no such file; {what} is expected") from None
    except IsADirectoryError:
        raise UserError(head, f"this is a directory; name {what} inside it") from None
    except (OSError, ValueError) as e:
        reason = e.strerror if isinstance(e, OSError) and e.strerror else str(e)
        raise UserError(head, f"cannot be read: {reason}") from None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as e:
        line = data[: e.start].count(b"\n") + 1
        column = e.start - (data[: e.start].rfind(b"\n") + 1) + 1
        raise UserError(
            Span(path, line, column), f"this is not UTF-8 text; {what} is expected here"
        ) from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise UserError(
            Span(path, line, 1), f"this is a binary file; {what} is expected here"
        )
    if not text.strip():
        raise UserError(head, f"the file is empty; {what} is expected here")
    return text
