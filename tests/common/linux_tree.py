# SPDX-License-Identifier: GPL-2.0-only
"""A kernel of one's own for the slow tests: POOLPROOF_LINUX names a source tree of
Linux 6.12.111 or later (Debian's linux-source-6.12).

Its copy of hard links stays in the cache, with the objects, so that only the first
run builds a whole kernel: 10 minutes of CPU.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from poolproof.checker.core.cache import cache_folder
from poolproof.checker.kernel.build import build_image
from poolproof.checker.kernel.fetch import Image
from poolproof.checker.kernel.kernel import Unavailable

VARIABLE = "POOLPROOF_LINUX"


def own_tree() -> tuple[Path, Path]:
    """The tree, and a copy of it whose files may be replaced. Skips without one."""
    named = os.environ.get(VARIABLE)
    if not named:
        pytest.skip(f"{VARIABLE} names no source tree of Linux 6.12")
    copy = cache_folder() / "trees" / "tests"
    if not copy.is_dir():
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(named, copy, symlinks=True, copy_function=os.link)
    return Path(named), copy


def own_image() -> Image:
    """The image of the tree. Skips without one."""
    _, copy = own_tree()
    try:
        return build_image(copy, cache_folder())
    except Unavailable as reason:
        pytest.skip(str(reason))


def replace_file(file: Path, text: str) -> None:
    """Give a file of the copy another text, and not the tree's, which it links to."""
    if file.read_text() != text:
        fresh = file.with_suffix(".fresh")
        fresh.write_text(text)
        fresh.rename(file)
