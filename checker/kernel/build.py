# SPDX-License-Identifier: GPL-2.0-only
"""A kernel built from a source tree, with the configuration of small.config.

The objects stay in the cache, one folder for each tree, so that a tree is built
once and then only what changed of it. Revisions of a git tree are checked out in
turn in one clone in the cache, which has its objects from the tree, and each
one's image is kept. Needs make, gcc, flex, bison, bc; 1 GB in the cache; some
minutes of CPU.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from poolproof.checker.kernel.fetch import Image
from poolproof.checker.kernel.kernel import Unavailable

CONFIG = Path(__file__).with_name("small.config")

_NEEDED = {"make": "make", "gcc": "gcc", "flex": "flex", "bison": "bison", "bc": "bc"}
"""Programs, and Debian's packages that have them."""

Build = Callable[[Sequence[str], Path], None]
"""Runs a command in a folder, its output to build.log there. Raises Unavailable."""


def build_image(
    tree: Path, cache: Path, jobs: int = 2, build: Build | None = None
) -> Image:
    """Return the image of a tree, after building what is not up to date. Raise
    Unavailable if a program is missing or the build fails."""
    for name, package in _NEEDED.items():
        if shutil.which(name) is None:
            raise Unavailable(f"{name} is missing: apt-get install {package}")
    folder = cache / "builds" / _name(tree)
    folder.mkdir(parents=True, exist_ok=True)
    run = build or _run
    make = ["make", "-s", "-C", str(tree.resolve()), f"O={folder.resolve()}"]
    if not _is_configured(folder):
        run([*make, f"KCONFIG_ALLCONFIG={CONFIG}", "allnoconfig"], folder)
        (folder / "small.config").write_bytes(CONFIG.read_bytes())
    compiler = ["CC=ccache gcc"] if shutil.which("ccache") else []
    run([*make, f"-j{jobs}", *compiler, "bzImage"], folder)
    release = (folder / "include/config/kernel.release").read_text().strip()
    return Image(release, folder / "arch/x86/boot/bzImage", ())


def build_revision(
    tree: Path, revision: str, cache: Path, build: Build | None = None
) -> Image:
    """Return the image of a revision of a git tree. Raise Unavailable."""
    commit = _git(tree, "rev-parse", "--verify", f"{revision}^{{commit}}")
    kept = cache / "images" / commit
    if not kept.is_file():
        work = (cache / "trees" / _name(tree)).resolve()
        if not work.is_dir():
            work.parent.mkdir(parents=True, exist_ok=True)
            _git(tree, "clone", "--quiet", "--shared", "--no-checkout", ".", str(work))
        _git(work, "checkout", "--quiet", "--detach", commit)
        image = build_image(work, cache, build=build)
        kept.parent.mkdir(parents=True, exist_ok=True)
        fresh = kept.with_name(f"{commit}.{os.getpid()}")
        shutil.copyfile(image.vmlinuz, fresh)
        fresh.rename(kept)
    return Image(commit[:12], kept, ())


def _git(folder: Path, *arguments: str) -> str:
    """Return git's output. Raise Unavailable if it fails."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except OSError as e:
        raise Unavailable(f"git: {e.strerror}: apt-get install git") from None
    except subprocess.CalledProcessError as e:
        said = str(e.stderr).strip().splitlines()
        raise Unavailable(f"git in {folder}: {(said or ['failed'])[-1]}") from None
    return done.stdout.strip()


def _name(tree: Path) -> str:
    """A folder's own name, and what tells it from others of that name."""
    digest = hashlib.sha256(os.fsencode(tree.resolve())).hexdigest()
    return f"{tree.resolve().name}-{digest[:12]}"


def _is_configured(folder: Path) -> bool:
    """Return whether the folder was configured with small.config as it is now."""
    used = folder / "small.config"
    known = used.is_file() and used.read_bytes() == CONFIG.read_bytes()
    return known and (folder / ".config").is_file()


def _run(command: Sequence[str], folder: Path) -> None:
    """At low priority: others work on this machine."""
    log = folder / "build.log"
    nice = shutil.which("nice")
    words = [nice, "-n", "15", *command] if nice else list(command)
    with open(log, "w", encoding="utf-8") as out:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT
        )
    if done.returncode:
        said = log.read_text(encoding="utf-8", errors="replace").splitlines()
        wrong = next((line for line in said if "rror" in line), "no reason is given")
        raise Unavailable(f"the kernel cannot be built: {wrong.strip()}; see {log}")
