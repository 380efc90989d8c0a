"""Where what takes long to make is kept for the next time: compiled programs,
the grammar's tables, kernels and what they run on.

What is kept here is run and unpickled, so that only folders and files count
that are the user's own and that nobody else can write.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
from functools import cache
from pathlib import Path

_SEAL = b"\npoolproof "
"""Begins the end of a kept file: it, and the digest of what is before."""


def cache_folder() -> Path:
    """$XDG_CACHE_HOME/poolproof, or ~/.cache/poolproof; it need not exist.
    Without a home, a place in the temporary folder."""
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "poolproof"
    except RuntimeError:
        return Path(tempfile.gettempdir()) / f"poolproof-{os.geteuid()}"


def own_folder() -> Path:
    """`cache_folder`, made if it was not there. Raises OSError with what is
    wrong where it cannot be, or where it is not safe to use."""
    folder = cache_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if reason := _unsafe(folder):
        raise PermissionError(f"{folder} {reason}")
    return folder


@cache
def temporary_folder() -> Path:
    """A folder of this process alone, removed at its end. Raises OSError."""
    folder = tempfile.mkdtemp(prefix="poolproof-")
    owner = os.getpid()

    def remove() -> None:
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return Path(folder)


def _unsafe(folder: Path) -> str:
    """Why somebody else may put something there, or ''."""
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


# --- files that are sealed -------------------------------------------------


def seal(file: Path) -> None:
    """Append the digest of what is in the file, for `intact`. Programs and
    object files do not mind what stands after their end."""
    with open(file, "rb+") as whole:
        digest = hashlib.sha256(whole.read()).hexdigest()
        whole.write(_SEAL + digest.encode())


def intact(file: Path) -> bool:
    """Return whether the file is there, the user's own, written by nobody
    else, and as it was when it was sealed."""
    if not is_own(file):
        return False
    with contextlib.suppress(OSError):
        text, mark, digest = file.read_bytes().rpartition(_SEAL)
        made = hashlib.sha256(text).hexdigest().encode()
        return bool(mark) and made == digest
    return False


def is_own(file: Path) -> bool:
    """Return whether it is a file of the user's own that nobody else can
    write."""
    with contextlib.suppress(OSError):
        found = file.lstat()
        others = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        mine = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
        return mine and not others
    return False
