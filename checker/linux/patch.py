# SPDX-License-Identifier: GPL-2.0-only
"""Patches: a diff, a mail, or a mailbox with a series of them.

What a mail thread has beside patches (cover letters, replies that quote one) is
passed over; of several versions of a series only the newest counts. A patch
that cannot be read to its end is refused: half a patch says nothing.
"""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage

from unidiff.errors import UnidiffParseError
from unidiff.patch import PatchedFile, PatchSet

from poolproof.checker.core.diagnostic import UserError

NOWHERE = "/dev/null"


@dataclass(frozen=True)
class Hunk:
    """Lines that change together. A line is a sign (space, minus, plus) and
    its text. ``first`` and ``new_first`` are the line numbers, from 1, before
    and after; ``section`` is what the header says after the second @@."""

    first: int
    new_first: int
    section: str
    lines: tuple[tuple[str, str], ...]

    def before(self) -> tuple[str, ...]:
        """Return the text that the patch finds."""
        return tuple(text for sign, text in self.lines if sign != "+")

    def after(self) -> tuple[str, ...]:
        """Return the text that the patch leaves."""
        return tuple(text for sign, text in self.lines if sign != "-")


@dataclass(frozen=True)
class FilePatch:
    """The changes of a patch to a file: its path before and after (`NOWHERE` if it is
    new or deleted)."""

    before: str
    after: str
    hunks: tuple[Hunk, ...]
    binary: bool = False

    @property
    def path(self) -> str:
        """The path before the patch; of a new file, the new one."""
        return self.after if self.before == NOWHERE else self.before


class NoLines(UserError):
    """Raised for a complete patch that changes no line of text: renames, modes, binary
    files."""


@dataclass(frozen=True)
class Patch:
    """One patch: its subject without `[PATCH ...]` ("" of a bare diff)."""

    subject: str
    files: tuple[FilePatch, ...]


def read_patches(data: bytes, name: str) -> tuple[Patch, ...]:
    """Return the patches of a diff, a mail or a mailbox, in their order.
    ``name`` is the file, for messages. Raise UserError where there is none, or
    one is cut off, and NoLines where none changes a line."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise _wrong(name, "this is UTF-16 text: write the diff as UTF-8")
    if b"\0" in data:
        raise _wrong(name, "this is a binary file: a diff or a mail is expected here")
    if not data.strip():
        raise _wrong(name, "there is nothing in it: a diff or a mail is expected here")
    found = [p for subject, text in _texts(data) if (p := _patch(subject, text, name))]
    if not found:
        raise _wrong(name, "there is no diff in it: no line begins with `--- a/`")
    patches = tuple(patch for _, patch in _newest(found))
    if not any(f.hunks for patch in patches for f in patch.files):
        why = _no_hunk([f for p in patches for f in p.files])
        raise NoLines(None, f"{name}: {why}")
    return patches


def _wrong(name: str, message: str) -> UserError:
    return UserError(None, f"{name}: {message}")


def _no_hunk(files: list[FilePatch]) -> str:
    """Return why a patch without hunks touches no function."""
    first = files[0]
    if any(f.binary for f in files):
        what = f"it changes binary files only ({first.path})"
    elif first.before != first.after:
        what = f"it renames files only ({first.before} to {first.after})"
    else:
        what = f"it changes no line of {first.path}"
    return f"{what}: no function is touched"


# --- mails ----------------------------------------------------------------

_MAIL = re.compile(rb"^From \S+ +\w{3} \w{3} .*\n", re.MULTILINE)
_HEADER = re.compile(rb"\A(?:[A-Za-z-]+: [^\n]*\n(?:[ \t][^\n]*\n)*)+\r?\n")


def _texts(data: bytes) -> Iterator[tuple[str, str]]:
    """The subject and the decoded text of each mail; of a bare diff, its text."""
    data = data.replace(b"\r\n", b"\n")
    for part in _MAIL.split(data):
        part = part.lstrip(b"\n")
        if _HEADER.match(part):
            mail = email.message_from_bytes(part, policy=email.policy.default)
            assert isinstance(mail, EmailMessage)
            yield str(mail.get("Subject", "")), _body(mail)
        elif part.strip():
            yield "", _decoded(part)


def _body(mail: EmailMessage) -> str:
    """The text of a mail, and of attached patches."""
    parts = (p for p in mail.walk() if p.get_content_maintype() == "text")
    raw = (p.get_payload(decode=True) for p in parts)
    return "\n".join(_decoded(r) for r in raw if isinstance(r, bytes))


def _decoded(raw: bytes) -> str:
    """Names of functions are ASCII in any of the encodings that mails have."""
    text = raw.replace(b"\r\n", b"\n")
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1")


_VERSION = re.compile(r"\bv(\d+)\b", re.IGNORECASE)
_TAGS = re.compile(r"\A\s*(?:(?:re:|\[[^\]]*\])\s*)+", re.IGNORECASE)


def _newest(found: list[tuple[int, Patch]]) -> list[tuple[int, Patch]]:
    newest = max(version for version, _ in found)
    return [(version, patch) for version, patch in found if version == newest]


# --- one patch ------------------------------------------------------------

_START = re.compile(r"^(?:diff --git |--- (?:a/|/dev/null|\S+\.[ch]\b))", re.MULTILINE)
_SIZE = re.compile(
    r"^ \d+ files? changed(?:, (\d+) insertions?\(\+\))?(?:, (\d+) deletions?\(-\))?$",
    re.MULTILINE,
)


def _patch(subject: str, text: str, name: str) -> tuple[int, Patch] | None:
    """The version and the patch of a mail, if it has one."""
    start = _START.search(text)
    if start is None:
        return None
    letter, diff = text[: start.start()], text[start.start() :]
    _check_hunks(diff, name)
    try:
        files = tuple(_file(f) for f in PatchSet.from_string(diff))
    except UnidiffParseError as e:
        raise _wrong(name, f"the diff cannot be read: {_first_line(e)}") from None
    _check_size(letter, files, name)
    tags = _TAGS.match(subject)
    version = _VERSION.search(tags[0] if tags else "")
    title = " ".join(_TAGS.sub("", subject).split())
    return (int(version[1]) if version else 1), Patch(title, files)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _file(patched: PatchedFile) -> FilePatch:
    return FilePatch(
        _path(patched.source_file),
        _path(patched.target_file),
        tuple(
            Hunk(
                h.source_start,
                h.target_start,
                h.section_header,
                tuple((x.line_type, x.value.rstrip("\n")) for x in h if _counts(x)),
            )
            for h in patched
        ),
        patched.is_binary_file,
    )


def _counts(line: object) -> bool:
    """Return whether it is a line of the file, and not one about it."""
    return getattr(line, "line_type", "") in ("+", "-", " ")


def _path(name: str) -> str:
    name = name.strip('"')
    return name if name == NOWHERE else re.sub(r"\A[ab]/", "", name)


_HUNK = re.compile(r"^@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")


def _check_hunks(diff: str, name: str) -> None:
    """Raise UserError, with the hunk, where fewer lines follow than it says."""
    file, hunk, old, new = "", "", 0, 0
    for line in [*diff.split("\n"), "end"]:
        if old > 0 or new > 0:
            sign = line[:1] or " "
            if sign not in " +-\\":
                raise _cut_off(name, file, hunk)
            old -= sign in " -"
            new -= sign in " +"
        elif line.startswith("+++ "):
            file = _path(line[4:].split("\t")[0])
        elif size := _HUNK.match(line):
            hunk, old, new = size[0], int(size[1] or 1), int(size[2] or 1)


def _cut_off(name: str, file: str, hunk: str) -> UserError:
    return _wrong(
        name,
        f"the patch is cut off, or its lines were broken: {file}, {hunk} has fewer "
        "lines than it says",
    )


def _check_size(letter: str, files: tuple[FilePatch, ...], name: str) -> None:
    """Raise UserError where the diffstat counts more lines than there are."""
    size = _SIZE.search(letter)
    if size is None:
        return
    signs = [sign for f in files for h in f.hunks for sign, _ in h.lines]
    for said, sign in zip(size.groups(), "+-", strict=True):
        if said and int(said) > signs.count(sign):
            raise _wrong(
                name,
                f"the patch is cut off: its diffstat counts {said} lines with "
                f"{sign}, the diff has {signs.count(sign)}",
            )
