# SPDX-License-Identifier: GPL-2.0-only
"""A kernel of one's own for the slow tests: POOLPROOF_LINUX names a source tree of
Linux 6.12.111 or later (Debian's linux-source-6.12).

Its copy of hard links stays in the cache, with the objects, so that only the first
run builds a whole kernel: 10 minutes of CPU. One test at a time has the copy.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from poolproof.checker.core.cache import cache_folder
from poolproof.checker.kernel.build import build_image
from poolproof.checker.kernel.fetch import Image
from poolproof.checker.kernel.kernel import Unavailable

VARIABLE = "POOLPROOF_LINUX"


@contextmanager
def own_tree() -> Iterator[tuple[Path, Path]]:
    """The tree, and a copy of it whose files may be replaced within. Skips without a
    tree."""
    named = os.environ.get(VARIABLE)
    if not named:
        pytest.skip(f"{VARIABLE} names no source tree of Linux 6.12")
    tree = Path(named).resolve()
    copy = cache_folder() / "trees" / "tests"
    copy.parent.mkdir(parents=True, exist_ok=True)
    with open(copy.with_suffix(".of"), "a+") as of:
        fcntl.flock(of, fcntl.LOCK_EX)
        of.seek(0)
        if not copy.is_dir() or of.read() not in ("", str(tree)):
            fresh = copy.with_suffix(".fresh")
            for old in (fresh, copy):
                shutil.rmtree(old, ignore_errors=True)
            shutil.copytree(tree, fresh, symlinks=True, copy_function=os.link)
            fresh.rename(copy)
        of.truncate(0)
        of.write(str(tree))
        of.flush()
        put_back(tree, copy)
        yield tree, copy


def own_image(folder: Path) -> Image:
    """The image of the tree as it is named, in a folder where no other build writes.
    Skips without one."""
    with own_tree() as (_, copy):
        try:
            built = build_image(copy, cache_folder())
        except Unavailable as reason:
            pytest.skip(str(reason))
        for name in ("arch/x86/boot/bzImage", "System.map"):
            shutil.copy(built.vmlinuz.parents[3] / name, folder)
    return Image(built.release, folder / "bzImage", ())


def put_back(tree: Path, copy: Path) -> None:
    """Give each file of the copy the text that it has in the tree: a test that was
    killed may have left another one."""
    for place, _, names in os.walk(tree):
        there = copy / Path(place).relative_to(tree)
        for name in names:
            original, mine = Path(place, name), there / name
            if not original.is_symlink() and not mine.samefile(original):
                replace_file(mine, original.read_text())


def replace_file(file: Path, text: str) -> None:
    """Give a file of the copy another text, and not the tree's, which it links to."""
    if file.read_text() != text:
        fresh = file.with_suffix(".fresh")
        fresh.write_text(text)
        fresh.rename(file)
