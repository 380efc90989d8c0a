# SPDX-License-Identifier: GPL-2.0-only
"""A kernel's source tree: a folder, or a revision of a git repository."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from poolproof.checker.core.diagnostic import UserError


@dataclass(frozen=True)
class Folder:
    """A tree as it lies in a folder."""

    name: str

    def read(self, path: str) -> str | None:
        """Return a file's text; None if there is no such file."""
        file = Path(self.name, path)
        if not file.is_file():
            return None
        return file.read_text(encoding="utf-8", errors="replace")


@dataclass(frozen=True)
class Revision:
    """A tree as a commit has it."""

    folder: str
    revision: str

    @property
    def name(self) -> str:
        return self.revision

    def read(self, path: str) -> str | None:
        """Return a file's text; None if there is no such file."""
        done = _git(self.folder, "show", f"{self.revision}:{path}")
        if done.returncode:
            return None
        return done.stdout.decode("utf-8", "replace")


Tree = Folder | Revision
"""A source of the kernel's files. Users know it by its name."""

_LINE = re.compile(r"^(VERSION|PATCHLEVEL|SUBLEVEL) *= *(\d+) *$", re.MULTILINE)


def version_of(tree: Tree) -> str:
    """Return the kernel's version by its Makefile, like ``6.12.117``. Raise
    UserError if this is no kernel."""
    found = dict(_LINE.findall((tree.read("Makefile") or "")[:2000]))
    if "VERSION" not in found or "PATCHLEVEL" not in found:
        raise UserError(
            None,
            f"{tree.name}: this is not a kernel tree: its Makefile has no VERSION; "
            "name the folder that has mm/ in it",
        )
    parts = [found["VERSION"], found["PATCHLEVEL"], found.get("SUBLEVEL", "0")]
    return ".".join(parts[: 2 if parts[2] == "0" else 3])


def folder_of(path: str) -> Folder:
    """Return the tree in a folder. Raise UserError if it is no kernel."""
    if not Path(path).is_dir():
        raise UserError(None, f"{path}: there is no such folder; name a kernel tree")
    tree = Folder(path)
    version_of(tree)
    return tree


# --- ranges of git --------------------------------------------------------

_RANGE = re.compile(r"(?P<base>\S*?)(?P<dots>\.\.\.?)(?P<head>[^\s./][^\s]*|)")


@dataclass(frozen=True)
class RevisionRange:
    """The changes between two revisions: the diff, and both trees."""

    diff: bytes
    before: Revision
    after: Revision


def is_range(text: str) -> bool:
    """Return whether it may be REV..REV, and not a file."""
    return _RANGE.fullmatch(text) is not None and not Path(text).exists()


def range_of(text: str, folder: str) -> RevisionRange:
    """Return a range of the git repository in a folder. As for `git diff`, with
    three dots it begins where the branches part. Raise UserError if git does
    not know it."""
    found = _RANGE.fullmatch(text)
    assert found is not None
    base, head = found["base"] or "HEAD", found["head"] or "HEAD"
    if found["dots"] == "...":
        base = _asked(folder, "merge-base", base, head).decode().strip()
    diff = _asked(folder, "diff", "--no-color", "--no-ext-diff", "-M", base, head, "--")
    if not diff.strip():
        raise UserError(None, f"{text}: nothing changed there")
    return RevisionRange(diff, Revision(folder, base), Revision(folder, head))


def _asked(folder: str, *arguments: str) -> bytes:
    done = _git(folder, *arguments)
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().split("\n")
        raise UserError(None, f"git in {folder}: {said[0]}")
    return done.stdout


def _git(folder: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ["git", "-C", folder, *arguments], capture_output=True, check=False
        )
    except OSError as e:
        raise UserError(
            None, f"git: {e.strerror}: install it, or name a diff"
        ) from None
