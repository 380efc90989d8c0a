# SPDX-License-Identifier: GPL-2.0-only
"""The cache of things that take long to make: compiled programs, answers, the
grammar's tables, kernels and their guests.

Cached files are executed and unpickled. So only folders and files are used that
belong to the user and that nobody else can write.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import re
import shutil
import stat
import tempfile
import time
from functools import cache
from pathlib import Path

_SEAL = b"\npoolproof "
"""The mark at the end of a cached file, before the digest of its content."""

_KEEPING = ".keeping-"
"""How a file is called until it is complete."""

_RECENT = 3600.0
"""Files that were used within so many seconds are never pruned."""


def cache_folder() -> Path:
    """$XDG_CACHE_HOME/poolproof, or ~/.cache/poolproof; it need not exist.
    Without a home, a place in the temporary folder."""
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "poolproof"
    except RuntimeError:
        return Path(tempfile.gettempdir()) / f"poolproof-{os.geteuid()}"


def own_folder() -> Path:
    """Return `cache_folder`, after making it if necessary. Raise OSError with the
    reason if it cannot be made, or is not safe to use."""
    folder = cache_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if reason := _unsafe(folder):
        raise PermissionError(f"{folder} {reason}")
    return folder


@cache
def temporary_folder() -> Path:
    """Return a folder of this process alone, removed at its end. Raise OSError."""
    folder = tempfile.mkdtemp(prefix="poolproof-")
    owner = os.getpid()

    def remove() -> None:
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return Path(folder)


def _unsafe(folder: Path) -> str:
    """Return why somebody else could write there, or ''."""
    found = folder.stat()
    if found.st_uid != os.geteuid():
        return "belongs to somebody else"
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "can be written by others: chmod go-w it"
    for above in folder.resolve().parents:
        mode = above.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            return f"is in {above}, which everybody can write"
    return ""


def prune(folder: Path, name: re.Pattern[str], room: int) -> None:
    """Remove the least recently used of the files with such names if all need more
    bytes than ``room``, and what killed runs left. Files of the last hour stay."""
    now, files = time.time(), []
    for path in _entries(folder):
        with contextlib.suppress(OSError):
            found = path.stat()
            if path.is_file() and name.fullmatch(path.name):
                files.append((found.st_mtime, found.st_size, path))
            elif path.name.startswith(_KEEPING) and now - found.st_mtime > _RECENT:
                path.unlink()
    for used, size, path in sorted(files, reverse=True):
        room -= size
        if room < 0 and now - used > _RECENT:
            with contextlib.suppress(OSError):
                path.unlink()


def _entries(folder: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return list(folder.iterdir())
    return []


# --- files that are sealed -------------------------------------------------


def seal(file: Path) -> None:
    """Append the digest of the file's content, for `intact`. Programs and object
    files may have more bytes after their end."""
    with open(file, "rb+") as whole:
        whole.write(_sealed(whole.read()))


def intact(file: Path) -> bool:
    """Return whether the file exists, belongs to the user, can be written by nobody
    else, and is as it was when it was sealed."""
    return content(file) is not None


def content(file: Path) -> bytes | None:
    """Return what was in the file when it was sealed; None if it is not `intact`."""
    if not is_own(file):
        return None
    with contextlib.suppress(OSError):
        text, mark, _ = (whole := file.read_bytes()).rpartition(_SEAL)
        if mark and whole[len(text) :] == _sealed(text):
            return text
    return None


def keep(file: Path, text: bytes) -> None:
    """Write a sealed file at once, whoever else writes it. Raise OSError."""
    handle, made = tempfile.mkstemp(dir=file.parent, prefix=_KEEPING)
    try:
        with open(handle, "wb") as whole:
            whole.write(text + _sealed(text))
        os.replace(made, file)
    except BaseException:
        os.unlink(made)
        raise


def _sealed(text: bytes) -> bytes:
    return _SEAL + hashlib.sha256(text).hexdigest().encode()


def is_own(file: Path) -> bool:
    """Return whether the file belongs to the user and nobody else can write it."""
    with contextlib.suppress(OSError):
        found = file.lstat()
        others = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        mine = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
        return mine and not others
    return False
