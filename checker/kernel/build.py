# SPDX-License-Identifier: GPL-2.0-only
"""A kernel built from a source tree, with the configuration of small.config.

The objects stay in the cache, one folder for each tree, so that a tree is built
once and then only what changed of it. make tells by times; a file that was replaced by
an older one (by tar, rsync or cp -p) is told by the list of files of the last build.
Revisions of a git tree are checked out in turn in one clone in the cache, which has its
objects from the tree, and each one's image is kept. Needs make, gcc, flex, bison, bc;
1 GB in the cache; some minutes of CPU.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import time
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
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_configured(folder):
            run([*make, f"KCONFIG_ALLCONFIG={CONFIG}", "allnoconfig"], folder)
            (folder / "small.config").write_bytes(CONFIG.read_bytes())
        if not _sources(tree.resolve(), folder):
            run([*make, "clean"], folder)
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


def _sources(tree: Path, folder: Path) -> bool:
    """Note the tree's files, and remove the objects of those that make would take for
    unchanged. Return False if one of them is no .c or .S file: then objects of any file
    may be out of date."""
    note, begun, now = folder / "sources.json", time.time_ns(), _files(tree)
    built, before = begun, now
    if note.is_file():
        built, before = json.loads(note.read_text())
    changed = [f for f in now if now[f] != before.get(f) and now[f][0] < built]
    for file in changed:
        (folder / file).with_suffix(".o").unlink(missing_ok=True)
    fresh = note.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps([begun, now]))
    fresh.rename(note)
    return all(file.endswith((".c", ".S")) for file in changed)


def _files(tree: Path) -> dict[str, list[int]]:
    """Return the files that may be compiled, each with its time of change in
    nanoseconds and its size in bytes."""
    found: dict[str, list[int]] = {}
    for place, folders, names in os.walk(tree):
        folders[:] = [f for f in folders if f not in (".git", "Documentation")]
        inside = os.path.relpath(place, tree)
        for name in names:
            status = os.lstat(os.path.join(place, name))
            file = os.path.normpath(os.path.join(inside, name))
            found[file] = [status.st_mtime_ns, status.st_size]
    return found


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
