# SPDX-License-Identifier: GPL-2.0-only
"""The functions that a C file of the kernel defines.

No preprocessor is run: the text is read as it stands, both branches of an #if.
A macro with arguments counts as a function, and SYSCALL_DEFINE3(mremap, ...)
defines mremap.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise


@dataclass(frozen=True)
class CFunction:
    """A definition. Lines count from 1, and ``last`` is part of it; the name
    stands in ``line``. ``digest``
    depends on the tokens from the name on: not on comments, white space,
    storage class or return type."""

    name: str
    first: int
    last: int
    line: int
    digest: str


DIGITS = 12
"""Hexadecimal digits of a digest."""

_TOKEN = re.compile(
    r"""(?P<space>[^\S\n]+|\\\n)
      | (?P<comment>/\*.*?(?:\*/|\Z)|//[^\n]*)
      | (?P<line>\n)
      | (?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
      | (?P<word>[A-Za-z_]\w*)
      | (?P<number>\d[\w.]*)
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)

SYSCALL = re.compile(r"(?:COMPAT_)?SYSCALL_DEFINE\d$")
"""The macro that defines a system call: its first argument is the name."""

_NO_NAME = re.compile(
    r"__(?:attribute(?:__)?|aligned|section|printf|acquires|releases|must_hold|"
    r"cold|free|flatten)$|(?:asm|typeof|__typeof__|if|while|for|switch)$"
)
"""Words that a parenthesis may follow, and that name no function."""


@dataclass(frozen=True)
class _Token:
    text: str
    line: int


def functions(text: str) -> tuple[CFunction, ...]:
    """Return the definitions in the order of the file. A function that is
    defined twice, under two #ifs, is there twice."""
    return tuple(sorted(_Scanner().read(text), key=lambda f: (f.first, f.last)))


def _digest(tokens: list[str]) -> str:
    return hashlib.sha256(" ".join(tokens).encode()).hexdigest()[:DIGITS]


@dataclass
class _Scanner:
    """Reads a file once. ``head`` has the tokens since the last declaration."""

    head: list[_Token] = field(default_factory=list)
    body: list[_Token] = field(default_factory=list)
    depth: int = 0
    branches: list[int] = field(default_factory=list)
    """The depth of braces at each open #if."""

    def read(self, text: str) -> Iterator[CFunction]:
        for tokens in _lines(text):
            if tokens[0].text == "#":
                yield from self.directive(tokens)
                continue
            for token in tokens:
                yield from self.token(token)

    def directive(self, tokens: list[_Token]) -> Iterator[CFunction]:
        """Each branch of an #if begins at the depth where the #if stands."""
        words = [t.text for t in tokens]
        match words[1:2]:
            case ["if" | "ifdef" | "ifndef"]:
                self.branches.append(self.depth)
            case ["else" | "elif"] if self.branches:
                self.depth = self.branches[-1]
            case ["endif"] if self.branches:
                self.branches.pop()
            case ["define"] if words[3:4] == ["("]:
                first, last = tokens[0].line, tokens[-1].line
                yield CFunction(words[2], first, last, first, _digest(words[2:]))
        if self.depth:
            self.body += tokens

    def token(self, token: _Token) -> Iterator[CFunction]:
        if self.depth:
            self.body.append(token)
            self.depth += {"{": 1, "}": -1}.get(token.text, 0)
            if not self.depth:
                yield from self.definition()
        elif token.text == "{":
            self.depth, self.body = 1, [token]
        elif token.text == ";":
            self.head = []
        else:
            self.head.append(token)

    def definition(self) -> Iterator[CFunction]:
        """Yield the function that ends here, if one does."""
        at = _name_at(self.head)
        if at is None:
            # an initialiser, a type or an enum: its ; or its variable follows
            self.head.append(self.body[-1])
            return
        name = self.head[at]
        tokens = [t.text for t in (*self.head[at:], *self.body)]
        first, last = self.head[0].line, self.body[-1].line
        yield CFunction(name.text, first, last, name.line, _digest(tokens))
        self.head = []


def _lines(text: str) -> Iterator[list[_Token]]:
    """The tokens of each line that has any; a directive with all its lines."""
    tokens: list[_Token] = []
    line = 1
    for match in _TOKEN.finditer(text):
        kind, found = match.lastgroup, match.group()
        if kind == "line":
            if tokens:
                yield tokens
            tokens = []
        elif kind not in ("space", "comment"):
            tokens.append(_Token(found, line))
        line += found.count("\n")
    if tokens:
        yield tokens


def _name_at(head: list[_Token]) -> int | None:
    """Where in a declaration's tokens the name of a function is: at the last
    `name(`, annotations behind the parameters apart. Macros that end without a
    semicolon may stand before it."""
    depth, found = 0, None
    for k, (token, after) in enumerate(pairwise(head)):
        if depth == 0 and token.text == "=":
            return None
        behind = found is not None and head[k - 1].text == ")"
        if depth == 0 and after.text == "(" and _names(token.text) and not behind:
            found = k + 2 if SYSCALL.match(token.text) else k
        depth += {"(": 1, ")": -1}.get(token.text, 0)
    return found


def _names(word: str) -> bool:
    return (word[0].isalpha() or word[0] == "_") and not _NO_NAME.match(word)
