# SPDX-License-Identifier: GPL-2.0-only
"""What mremap to fewer pages commits for good, on the running kernel.

The calls of the stored traces are made with Committed_AS read after each. It
moves with whatever else runs, so a run is tried a few times until one has no
noise in it; each leaves one unit committed until reboot.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from poolproof.checker.driver.stored import replay_file
from poolproof.checker.evidence.replay import named
from poolproof.checker.evidence.trace_file import load

ROOT = Path(__file__).parents[2]
TRACES = ROOT / "counterexamples" / "Vmas618"
UNIT = 16
"""Base pages that stand for one of the model's."""
PAGE = os.sysconf("SC_PAGESIZE")
ANONYMOUS, FIXED_NOREPLACE, MAYMOVE, FIXED = 0x22, 0x100000, 1, 2

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not re.match(r"6\.1[89]\.|7\.", os.uname().release),
        reason="the traces are of v6.18 and later",
    ),
]


class Window:
    """A part of the address space, in units of the model's pages."""

    def __init__(self, pages: int) -> None:
        self.libc = ctypes.CDLL(None, use_errno=True)
        word, number = ctypes.c_void_p, ctypes.c_size_t
        self.libc.mmap.restype = self.libc.mremap.restype = word
        self.libc.mmap.argtypes = [word, number, *[ctypes.c_int] * 3, ctypes.c_long]
        self.libc.mremap.argtypes = [word, number, number, ctypes.c_int, word]
        self.libc.munmap.argtypes = [word, number]
        length = pages * UNIT * PAGE
        self.base: int = self.libc.mmap(None, length, 0, ANONYMOUS, -1, 0)
        self.libc.munmap(self.base, length)

    def at(self, page: int) -> int:
        return self.base + page * UNIT * PAGE

    def call(self, name: str, *a: str) -> int:
        """Make the call; return the address, or 0 of munmap."""
        match name, a:
            case "mmap", (start, end, "FIXED", "WRITE", *_):
                length = self.at(int(end)) - self.at(int(start))
                flags = ANONYMOUS | FIXED_NOREPLACE
                return int(self.libc.mmap(self.at(int(start)), length, 3, flags, -1, 0))
            case "munmap", (start, end, *_):
                length = self.at(int(end)) - self.at(int(start))
                return int(self.libc.munmap(self.at(int(start)), length))
            case "exit_mmap", ():
                return 0
            case "mremap", (addr, old, new, "FIXED", to, *_):
                unit, flags = UNIT * PAGE, MAYMOVE | FIXED
                sizes = int(old) * unit, int(new) * unit
                there = self.at(int(to))
                return int(self.libc.mremap(self.at(int(addr)), *sizes, flags, there))
        raise NotImplementedError(f"{name}{a}")


def committed() -> int:
    """Committed_AS in units of the model's pages."""
    found = re.search(r"Committed_AS:\s*(\d+) kB", Path("/proc/meminfo").read_text())
    assert found is not None
    return int(found[1]) * 1024 // (UNIT * PAGE)


def real(calls: list[tuple[str, tuple[str, ...]]]) -> Iterator[int]:
    """Yield what is committed after each call."""
    window, before = Window(16), committed()
    for name, arguments in calls:
        assert window.call(name, *arguments) < 1 << 63
        yield committed() - before


@pytest.mark.parametrize("prop", ["committed", "no_leak"])
def test_the_kernel_commits_what_the_trace_says(prop: str) -> None:
    path = TRACES / f"vma_mremap_fixed.{prop}.trace"
    replayed = replay_file(str(path))
    system = replayed.compiled.system
    expected = [
        int(named(system, taken.state)["mm.vm_committed_as"])
        for taken in replayed.replay.taken
    ]
    calls = [
        (call.action.text, tuple(w.text for w in call.arguments[1:]))
        for call in load(str(path)).calls
    ]
    seen = [list(real(calls)) for _ in range(5)]
    assert expected in seen
    assert expected[-1] > 0
