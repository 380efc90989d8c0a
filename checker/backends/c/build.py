# SPDX-License-Identifier: GPL-2.0-only
"""Programs from C text: compiled once, and kept in the cache.

The half that is particular to a system is compiled with canon.h and search.h,
the search (search.c) apart from it; many systems share one.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from poolproof.checker.core import cache
from poolproof.checker.core.cache import intact, own_folder, seal
from poolproof.checker.core.limits import doing, look

FLAGS = ("-march=native", "-fno-strict-aliasing", "-pthread", "-w")
QUICK, FAST = ("-O0", "-O0"), ("-O1", "-O2")
"""Optimisation levels (system, search) for the probing run and for the full run.
(-O2 doubles the time to compile the system, and makes it no faster.)"""


NO_COMPILER = "no C compiler: install gcc or clang, or set CC"
FAILS = "the C compiler fails"
"""The reason if there is no program for a system."""


def compiler() -> str | None:
    """Return the C compiler: $CC, or the first of cc, gcc and clang."""
    for name in (os.environ.get("CC"), "cc", "gcc", "clang"):
        path = shutil.which(name) if name else None
        if path:
            return path
    return None


class CompilerFailed(Exception):
    """The C compiler failed; the text is its message."""


class Build:
    """A program for the C text: there already, or being compiled. It is kept
    in ``folder``, `own_folder` by default. Raises OSError where that folder
    cannot be used."""

    def __init__(
        self, text: str, words: int, flags: tuple[str, str], folder: Path | None = None
    ) -> None:
        cc = compiler()
        if cc is None:
            raise FileNotFoundError(NO_COMPILER)
        self.cc = cc
        here = Path(__file__).parent
        made = os.stat(cc)
        common = (
            os.path.realpath(cc),
            str(made.st_size),
            str(made.st_mtime_ns),
            _processor(),
            *FLAGS,
            (here / "search.h").read_text(),
        )
        generic = (here / "canon.h").read_text()
        self.include = f"-I{here}"
        self.flags = flags
        self.text = text
        self.search = f'#define WORDS {words}\n#include "search.c"\n'
        whole = (here / "search.c").read_text()
        self.folder = own_folder() if folder is None else folder
        self.shared = self.folder / _name(*common, flags[1], self.search, whole)
        self.program = self.folder / _name(self.shared.name, flags[0], generic, text)
        self.running: list[subprocess.Popen[bytes]] = []
        self.directory: Path | None = None

    @property
    def done(self) -> bool:
        return intact(self.program)

    def start(self) -> None:
        """Compile system and search in parallel. Many systems share the search."""
        made = tempfile.mkdtemp(dir=self.folder, prefix=_BUILDING)
        self.directory = Path(made)
        self._compile(self.flags[0], self.text, "model")
        if not intact(self.shared):
            self._compile(self.flags[1], self.search, "search")

    def _compile(self, level: str, text: str, name: str) -> None:
        assert self.directory is not None
        source = self.directory / f"half-{name}.c"
        source.write_text(text)
        self._spawn(
            level,
            *FLAGS,
            self.include,
            "-c",
            str(source),
            "-o",
            str(self.directory / f"{name}.o"),
        )

    def _spawn(self, *arguments: str) -> None:
        """Starts the compiler. Its end is the end of its output, which is
        empty; what it says goes to a file, so that it never waits for us."""
        assert self.directory is not None
        with open(self.directory / _SAID, "ab") as said:
            self.running.append(
                subprocess.Popen(
                    [self.cc, *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=said,
                    start_new_session=True,
                    env={**os.environ, "TMPDIR": str(self.directory)},
                )
            )

    @property
    def ready(self) -> bool:
        """Return whether `finish` would return at once."""
        return all(child.poll() is not None for child in self.running)

    def finish(self) -> Path:
        """Wait for the compiler and return the program. Raise Refused if it fails,
        Spent if it takes too long."""
        assert self.directory is not None
        try:
            with doing("compiling the C program"):
                self._wait()
                made = self.directory / "search.o"
                if made.exists():
                    self._keep(made, self.shared)
                target = self.directory / "program"
                self._spawn(
                    str(self.directory / "model.o"),
                    str(self.shared),
                    "-pthread",
                    "-o",
                    str(target),
                )
                self._wait()
                self._keep(target, self.program)
        finally:
            self.cancel()
        if self.folder not in _pruned:
            _pruned.add(self.folder)
            prune(self.folder)
        return self.program

    def _wait(self) -> None:
        for child in self.running:
            assert child.stdout is not None
            end = time.monotonic() + _LONGEST
            out = child.stdout.fileno()
            while not select.select([out], [], [], 0.1)[0] or os.read(out, 4096):
                look()
                if time.monotonic() > end:
                    raise CompilerFailed(f"no end after {_LONGEST:.0f} s")
            if child.wait():
                raise CompilerFailed(self._said(child.returncode))

    def _said(self, code: int) -> str:
        """Return the first error of the compiler, as one line."""
        assert self.directory is not None
        text = (self.directory / _SAID).read_text(errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        errors = [line for line in lines if "error" in line]
        return (errors or lines or [f"exit code {code}"])[0].replace(
            f"{self.directory}/", ""
        )

    def _keep(self, made: Path, name: Path) -> None:
        seal(made)
        made.chmod(0o700)
        os.replace(made, name)

    def cancel(self) -> None:
        """Kill the compilers and their children, and remove their files."""
        for child in self.running:
            if child.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()
            if child.stdout is not None:
                child.stdout.close()
        self.running = []
        if self.directory is not None:
            shutil.rmtree(self.directory, ignore_errors=True)
            self.directory = None


def _name(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


_SAID = "said"
"""The file with the compiler's messages."""
_LONGEST = 900.0
"""Seconds after which a compiler counts as hung, whatever the budget."""
CACHE = 100_000_000
"""Upper limit in bytes on the compiled programs in the cache."""
_RECENT = 3600.0
"""Seconds after which nobody is still compiling."""
_PROGRAM = re.compile("[0-9a-f]{32}")
_BUILDING = ".building-"
"""How programs are called, and where they are compiled; others keep things
in the cache, too."""


_pruned: set[Path] = set()
"""The caches that this process has pruned; one may hold thousands of files."""


def prune(directory: Path) -> None:
    """Remove the least recently used programs if all need more than `CACHE`, and
    the folders that killed runs left."""
    cache.prune(directory, _PROGRAM, CACHE)
    now = time.time()
    with contextlib.suppress(OSError):
        for path in directory.glob(f"{_BUILDING}*"):
            with contextlib.suppress(OSError):
                if now - path.stat().st_mtime > _RECENT:
                    shutil.rmtree(path, ignore_errors=True)


def _processor() -> str:
    """Return the facts about the processor that -march=native depends on."""
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as lines:
        for line in lines:
            if line.startswith(("flags", "Features")):
                return line
    return ""
