# SPDX-License-Identifier: GPL-2.0-only
"""The parser of a review's page: its columns, objections and runs.

A ``.page`` file has items. A property is SPEC.NAME, without the spec's folder and
ending, and so is a scenario::

    column "hugetlb" is "mainline 6.12": Hugetlb
    objection "it's not NUMA aware" by "Hildenbrand": promise_numa.q3_promise_kept
    upgrade "the pool for 16 + 16": hot_upgrade.hugetlb
        lacks "anonymous memory has no file": Thp
        unknown "not found within 60 s": Shmem1g
    run "a file on the wrong node" of Hugetlb: promise_numa.q3_promise_kept

A column is one design, and more designs that are parts of it; columns may share
parts. Below an objection or an upgrade, ``lacks`` says why it has no meaning for some
designs, and ``unknown`` why they have no answer: good answers of theirs do not count,
and others do. Comments begin with ``#``; names are separated by commas.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.system import Span
from poolproof.checker.core.user_file import place, read_text
from poolproof.checker.spec.syntax import Word, once
from poolproof.model.language import did_you_mean


@dataclass(frozen=True)
class Column:
    """Designs that are one proposal; ``status`` says what the first one is made
    of: `as posted`, `mainline 6.12`, `sketch`, ..."""

    title: str
    status: str
    designs: tuple[Word, ...]


@dataclass(frozen=True)
class Lacking:
    """Designs that a row has no answer for, and why: it has no meaning for them, or
    the answer is ``unknown``."""

    reason: str
    designs: tuple[Word, ...]
    unknown: bool = False


@dataclass(frozen=True)
class Objection:
    """An objection from the list: its words, its author, and the properties that test
    it."""

    words: str
    who: str
    properties: tuple[Word, ...]
    lacking: tuple[Lacking, ...] = ()


@dataclass(frozen=True)
class Upgrade:
    """Scenarios whose least pools make one row."""

    title: str
    scenarios: tuple[Word, ...]
    lacking: tuple[Lacking, ...] = ()


@dataclass(frozen=True)
class ShownRun:
    """A run of a design in full: of a property, or of a scenario one below the
    least size."""

    title: str
    design: Word
    shown: Word


@dataclass(frozen=True)
class Page:
    """A whole file."""

    file: str
    columns: tuple[Column, ...] = ()
    objections: tuple[Objection, ...] = ()
    upgrades: tuple[Upgrade, ...] = ()
    runs: tuple[ShownRun, ...] = ()


_LINKS = {"column": "is", "objection": "by", "upgrade": "", "run": "of"}
"""The items, and the word before what stands behind the title."""

_NO_ANSWER = (("name", "lacks"), ("name", "unknown"))

_TOKEN = re.compile(r'\s+|#[^\n]*|"(?P<text>[^"\n]*)"|(?P<name>[A-Za-z_][\w.]*)|[:,]')


def parse_page(path: str) -> Page:
    """Return the page in a file. Raise UserError, with line and column, if it is not
    one."""
    reader = _Tokens(path, read_text(path, "a page (columns, objections, runs)"))
    items: list[Column | Objection | Upgrade | ShownRun] = []
    while reader.left:
        items.append(_item(reader))
    page = Page(
        path,
        tuple(i for i in items if isinstance(i, Column)),
        tuple(i for i in items if isinstance(i, Objection)),
        tuple(i for i in items if isinstance(i, Upgrade)),
        tuple(i for i in items if isinstance(i, ShownRun)),
    )
    once((c.designs[0] for c in page.columns), "is in a column already")
    for column in page.columns:
        once(column.designs, "is in this column already")
    return page


def _item(reader: _Tokens) -> Column | Objection | Upgrade | ShownRun:
    kind = reader.word("an item")
    if kind.text not in _LINKS:
        raise UserError(
            kind.span,
            f"`{kind.text}` does not begin an item"
            f"{did_you_mean(kind.text, tuple(_LINKS))}; write {', '.join(_LINKS)}",
        )
    title = reader.text(f"the {kind.text}'s title")
    link = _LINKS[kind.text]
    if link:
        reader.mark(link)
    match kind.text:
        case "column":
            status = reader.text("what the design is")
            return Column(title, status, reader.names())
        case "objection":
            who = reader.text("who said so")
            asked = reader.names(dots=True)
            return Objection(title, who, asked, reader.lacking())
        case "upgrade":
            scenarios = reader.names(dots=True)
            return Upgrade(title, scenarios, reader.lacking())
        case _:
            design = reader.word("a design")
            shown, *others = reader.names(dots=True)
            for word in others:
                raise UserError(word.span, "a run is of one property")
            return ShownRun(title, design, shown)


class _Tokens:
    """The tokens of a file, and where each one stands."""

    def __init__(self, file: str, text: str) -> None:
        self._tokens: list[tuple[str, str, Span]] = []
        at = 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                unclosed = text[at] == '"'
                raise UserError(
                    place(file, text, at),
                    "this text does not end on its line"
                    if unclosed
                    else f"`{text[at]}` means nothing here",
                )
            if found["text"] is not None or found["name"] or found[0] in ":,":
                kind = found.lastgroup or "mark"
                body = found[kind] if found.lastgroup else found[0]
                self._tokens.append((kind, body, place(file, text, at)))
            at = found.end()
        self._end = place(file, text, len(text.rstrip()))
        self._at = 0

    @property
    def left(self) -> bool:
        return self._at < len(self._tokens)

    def _next(self, kind: str, wanted: str, body: str = "") -> Word:
        have = self._tokens[self._at] if self.left else ("", "", self._end)
        if have[0] != kind or (body and have[1] != body):
            raise UserError(have[2], f"{wanted} is expected here")
        self._at += 1
        return Word(have[1], have[2])

    def word(self, wanted: str) -> Word:
        return self._next("name", wanted)

    def text(self, wanted: str) -> str:
        return self._next("text", f'{wanted} ("...")').text

    def mark(self, body: str) -> None:
        self._next("mark" if body in ":," else "name", f"`{body}`", body)

    def lacking(self) -> tuple[Lacking, ...]:
        """Return the `lacks` and `unknown` lines of the item."""
        found = []
        while self.left and self._tokens[self._at][:2] in _NO_ANSWER:
            unknown = self._tokens[self._at][1] == "unknown"
            self._at += 1
            reason = self.text(
                "why they have no answer"
                if unknown
                else "why it has no meaning for them"
            )
            found.append(Lacking(reason, self.names(), unknown))
        return tuple(found)

    def names(self, dots: bool = False) -> tuple[Word, ...]:
        """Return the names behind a colon; with ``dots``, each one SPEC.NAME."""
        self.mark(":")
        found = [self.word("a name")]
        while self.left and self._tokens[self._at][1] == ",":
            self._at += 1
            found.append(self.word("a name"))
        for word in found if dots else ():
            if "." not in word.text.strip("."):
                raise UserError(word.span, f"`{word.text}`: write SPEC.{word.text}")
        return tuple(found)


def spec_and_name(word: Word) -> tuple[str, str]:
    """Return the two parts of ``promise_numa.q3_promise_kept``."""
    spec, _, name = word.text.partition(".")
    return spec, name


def refuse_unknown(word: Word, name: str, known: Sequence[str], what: str) -> None:
    """Raise UserError if the word's ``name`` is none of the known ones."""
    if name not in known:
        raise UserError(
            word.span, f"there is no {what} {name!r}{did_you_mean(name, tuple(known))}"
        )
