# SPDX-License-Identifier: GPL-2.0-only
"""Which functions a patch touches.

With a tree, by the extents of the functions before and after; the tree may have
the patch already. Without one, or where the patch does not fit, by the headers of
the hunks and the definitions that their lines show.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from poolproof.checker.linux.functions import SYSCALL, CFunction, functions
from poolproof.checker.linux.patch import NOWHERE, FilePatch, Hunk, Patch
from poolproof.checker.linux.tree import RevisionRange, Tree


@dataclass(frozen=True)
class Touched:
    """A function that a patch touches, "" for what is outside of functions, and
    how many lines it adds and removes there. ``file`` is the path before the
    patch; ``renamed`` the one after, where it is another."""

    file: str
    function: str
    added: int
    removed: int
    renamed: str = ""

    @property
    def name(self) -> str:
        """``mm/hugetlb.c:region_chg``"""
        return f"{self.file}:{self.function}" if self.function else self.file


@dataclass(frozen=True)
class Sides:
    """A file's text before and after a patch."""

    before: str
    after: str


def touched(
    patches: Sequence[Patch], where: Tree | RevisionRange | None = None
) -> tuple[tuple[Touched, ...], tuple[str, ...]]:
    """Return what the patches touch, in their order, and the files of the tree
    that they do not fit. Several patches to one function count together."""
    changed: dict[tuple[str, str], Counter[str]] = {}
    renamed: dict[str, str] = {}
    unfit: dict[str, None] = {}
    for file in (f for p in patches for f in p.files if f.hunks):
        sides = _sides(file, where)
        if where is not None and sides is None:
            unfit[file.path] = None
        for sign, name in _lines(file, sides):
            changed.setdefault((file.path, name), Counter())[sign] += 1
        if NOWHERE not in (file.before, file.after) and file.before != file.after:
            renamed[file.path] = file.after
    found = (
        Touched(file, name, lines["+"], lines["-"], renamed.get(file, ""))
        for (file, name), lines in changed.items()
    )
    return tuple(found), tuple(unfit)


def _lines(file: FilePatch, sides: Sides | None) -> Iterator[tuple[str, str]]:
    """For each changed line its sign, and the function that it was or is in."""
    for hunk in file.hunks if sides is None else ():
        for sign in "-+":
            yield from ((sign, name) for name in _shown(hunk, sign))
    if sides is not None:
        for sign, text in (("-", sides.before), ("+", sides.after)):
            found = functions(text)
            for line, words in _changed(text, file.hunks, sign):
                if words.strip():
                    yield sign, _function_at(found, line)


# --- with a tree ----------------------------------------------------------


def _function_at(found: Sequence[CFunction], line: int) -> str:
    """Return the function that has the line, or ""."""
    return next((f.name for f in found if f.first <= line <= f.last), "")


def _sides(file: FilePatch, where: Tree | RevisionRange | None) -> Sides | None:
    """The file before and after; None where that is not known."""
    if where is None:
        return None
    if isinstance(where, RevisionRange):
        before = None if file.before == NOWHERE else where.before.read(file.before)
        after = None if file.after == NOWHERE else where.after.read(file.after)
        return Sides(before or "", after or "")
    here = None if file.before == NOWHERE else where.read(file.before)
    if here is not None and (there := _applied(here, file.hunks, "-+")) is not None:
        return Sides(here, there)
    here = None if file.after == NOWHERE else where.read(file.after)
    if here is not None and (there := _applied(here, file.hunks, "+-")) is not None:
        return Sides(there, here)
    if file.before == NOWHERE and here is None:
        return Sides("", "\n".join(t for h in file.hunks for t in h.after()) + "\n")
    return None


def _applied(text: str, hunks: Sequence[Hunk], way: str) -> str | None:
    """The text after the hunks ("-+") or before them ("+-"); None where one is
    found nowhere."""
    lines, done, at = text.split("\n"), [], 0
    for hunk in hunks:
        old, new = hunk.before(), hunk.after()
        if way == "+-":
            old, new = new, old
        place = _place(lines, old, _first(hunk, way[0]), at)
        if place is None:
            return None
        done += [*lines[at:place], *new]
        at = place + len(old)
    return "\n".join([*done, *lines[at:]])


def _first(hunk: Hunk, sign: str) -> int:
    return hunk.first if sign == "-" else hunk.new_first


def _place(
    lines: list[str], wanted: Sequence[str], near: int, least: int
) -> int | None:
    """Return the place of the lines that is nearest to line ``near`` (from 1)."""
    if not wanted:
        return max(near, least)
    found = (
        k
        for k in range(least, len(lines) - len(wanted) + 1)
        if lines[k] == wanted[0] and tuple(lines[k : k + len(wanted)]) == tuple(wanted)
    )
    return min(found, key=lambda k: abs(k + 1 - near), default=None)


def _changed(text: str, hunks: Sequence[Hunk], sign: str) -> Iterator[tuple[int, str]]:
    """The lines with this sign, by number in the text that has them."""
    lines, at = text.split("\n"), 0
    for hunk in hunks:
        own = hunk.before() if sign == "-" else hunk.after()
        place = _place(lines, own, _first(hunk, sign), at)
        if place is None:
            continue
        line = place
        for mark, words in hunk.lines:
            if mark == sign:
                yield line + 1, words
            line += mark in (" ", sign)
        at = place + len(own)


# --- without --------------------------------------------------------------

_DEFINES = re.compile(r"^(?:[A-Za-z_][\w\s*]*?[\s*])?(\w+)\s*\((\w*)")
_MACRO = re.compile(r"^#\s*define\s+(\w+)\(")


def _shown(hunk: Hunk, sign: str) -> Iterator[str]:
    """The function of each changed line, as far as the hunk shows it. Comments
    between functions belong to none."""
    lines = [(mark, text) for mark, text in hunk.lines if mark in (" ", sign)]
    texts = [text for _, text in lines]
    function = _defined([hunk.section], 0) or ""
    for k, (mark, text) in enumerate(lines):
        name = _defined(texts, k)
        function = function if name is None else name
        if mark == sign and text.strip() and not text.startswith(("/*", " *")):
            yield function
        if text.startswith("}"):
            function = ""


def _defined(lines: Sequence[str], at: int) -> str | None:
    """The function whose definition begins at a line; None where none does."""
    if found := _MACRO.match(lines[at]):
        return found[1]
    found = _DEFINES.match(lines[at])
    if found is None:
        return None
    for k in range(at, len(lines)):
        if end := re.search(r"[;{]", lines[k]):
            if end[0] == ";":
                return None
            break
    return (found[2] if SYSCALL.match(found[1]) else found[1]) or None
