# SPDX-License-Identifier: GPL-2.0-only
"""Many small inputs in one file, each with the error message it must get.

A file is a head that all its cases share, then the cases. A line
``# === NAME`` opens a case. The message stands above the line it is about:

    # === while
    @action
    def act(self):
        # 9: no `while`: write `for` over a domain
        while self.count:

9 is the column. ``# LINE:COLUMN: message`` is for a place outside the case; it
counts lines as the input has them: the head, then the case without its message.

``POOLPROOF_BLESS=1 pytest tests/golden`` writes the messages anew.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from poolproof.checker.core.diagnostic import UserError

_OPENS = re.compile(r"\s*# === (\w+)$")
_MESSAGE = re.compile(r"\s*# (?:(\d+):)?(\d+): (.*)$")


@dataclass(frozen=True)
class Case:
    """One input of the file ``path``: ``body`` has its message, too."""

    path: Path
    name: str
    head: tuple[str, ...]
    body: tuple[str, ...]

    @property
    def _own(self) -> list[str]:
        return [line for line in self.body if not _MESSAGE.match(line)]

    def write(self, folder: Path) -> Path:
        """Return the path of the input, written into ``folder``."""
        path = folder / f"{self.name}{self.path.suffix}"
        path.write_text("".join(f"{line}\n" for line in (*self.head, *self._own)))
        return path

    def expected(self) -> list[str]:
        """Return the messages in the case as LINE:COLUMN: MESSAGE. One is right."""
        found, line = [], len(self.head) + 1
        for text in self.body:
            if message := _MESSAGE.match(text):
                found.append(f"{message[1] or line}:{message[2]}: {message[3]}")
            else:
                line += 1
        return found

    def check(self, error: UserError, path: Path) -> None:
        """Assert that ``error`` is the message of the case, at a place in
        ``path``; with POOLPROOF_BLESS, write it into the file.
        """
        span = error.span
        assert span is not None
        assert Path(span.file).resolve() == path.resolve()
        if os.environ.get("POOLPROOF_BLESS"):
            self._renew(span.line, f"{span.column}: {error.message}")
        else:
            shown = f"{span.line}:{span.column}: {error.message}"
            assert [shown] == self.expected()

    def _renew(self, line: int, text: str) -> None:
        body, at = self._own, line - 1 - len(self.head)
        if 0 <= at < len(body):
            indent = body[at][: len(body[at]) - len(body[at].lstrip())]
            body.insert(at, f"{indent}# {text}")
        else:
            body.insert(0, f"# {line}:{text}")
        lines = self.path.read_text().splitlines()
        start = 1 + next(
            k
            for k, x in enumerate(lines)
            if (m := _OPENS.match(x)) and m[1] == self.name
        )
        assert tuple(lines[start : start + len(self.body)]) == self.body
        lines[start : start + len(self.body)] = body
        self.path.write_text("".join(f"{x}\n" for x in lines))


def read_cases(path: Path) -> Iterator[Case]:
    """Yield the cases of a file. Blank lines at the end belong to no case."""
    lines = path.read_text().splitlines()
    opens = [(k, m[1]) for k, line in enumerate(lines) if (m := _OPENS.match(line))]
    head = _stripped(lines[: opens[0][0]])
    ends = [*(at for at, _ in opens[1:]), len(lines)]
    for (at, name), end in zip(opens, ends, strict=True):
        yield Case(path, name, head, _stripped(lines[at + 1 : end]))


def _stripped(lines: list[str]) -> tuple[str, ...]:
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    return tuple(lines[:end])


def cases_in(folder: Path, pattern: str) -> list[Case]:
    """Return the cases of the files in ``folder``. No two have one name."""
    found = [case for path in sorted(folder.glob(pattern)) for case in read_cases(path)]
    names = [case.name for case in found]
    assert len(names) == len(set(names)), sorted(n for n in names if names.count(n) > 1)
    return found
