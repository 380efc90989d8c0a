# SPDX-License-Identifier: GPL-2.0-only
"""The limits of a run: one deadline and one limit of memory for all its phases.

Whoever starts an engine opens `limited`. Code that may build or search something
large counts its work with `tick`, which checks the clock and the process's
memory from time to time and raises `Spent`. So a budget also binds while a
design is unrolled, a formula is built or a trace is replayed.

An engine that gives a part of its work less than the whole budget counts that
in units of work, not in seconds. What it then finds is the same on a slow
machine.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

_WORK = 2_000
"""Units of work between two looks at the clock. A unit takes about a
microsecond: a node of an expression, a step that is tried."""

SECOND = 1_000_000
"""Units of work that take about a second."""

_MEMORY_EVERY = 0.05
"""Seconds between two looks at the memory."""

_OVERTIME, _MORE = 2.0, 64 << 20
"""Seconds and bytes that `overtime` gives at least."""

_PAGE = os.sysconf("SC_PAGE_SIZE")


class Spent(BaseException):
    """A limit was reached. Its text is the reason of an engine's Unknown. Like
    KeyboardInterrupt it is no Exception: the code that it ends did not fail."""

    def __init__(self, limits: Limits, reason: str) -> None:
        super().__init__(reason)
        self.limits = limits


class Limits:
    """The limits of one run, from now on. ``seconds`` of wall time,
    ``memory`` in bytes that the process may grow by, and ``work`` in units of
    `tick`; None is no limit."""

    def __init__(
        self, seconds: float | None, memory: int | None, work: int | None = None
    ) -> None:
        self.seconds, self.memory, self.work = seconds, memory, work
        self.worked = worked()
        self.begin, self.before = time.monotonic(), resident()
        self.late = False

    def left(self) -> float | None:
        """Return the seconds that are left, at least 0; None without limit."""
        if self.seconds is None:
            return None
        more = max(self.seconds / 4, _OVERTIME) if self.late else 0.0
        return max(0.0, self.begin + self.seconds + more - time.monotonic())

    def work_left(self) -> int | None:
        """Return the units of work that are left, at least 0; None without
        limit."""
        if self.work is None:
            return None
        return max(0, self.work - (worked() - self.worked))

    def look(self, resident: int) -> None:
        """Raise Spent if the time, the memory or the work is used up."""
        if self.work_left() == 0:
            raise Spent(self, f"{self.work} units of work{_while()}")
        if self.left() == 0.0:
            raise Spent(self, f"the time budget of {self.seconds:g} s{_while()}")
        if self.memory_left(resident) < 0:
            self.out_of_memory()

    def memory_left(self, resident: int) -> float:
        """Return the bytes that the process may still grow by, below 0 if it has
        grown more; infinite without limit."""
        if self.memory is None:
            return math.inf
        more = max(self.memory // 4, _MORE) if self.late else 0
        return self.memory + more - (resident - self.before)

    def out_of_memory(self) -> NoReturn:
        """Raise Spent for the memory."""
        assert self.memory is not None
        size = show_bytes(self.memory)
        raise Spent(self, f"the memory budget of {size}{_while()}")


_active: list[Limits] = []
_phases: list[str] = []
_work = 0
_counted = 0
_resident = 0
_resident_at = 0.0


def tick(units: int = 1) -> None:
    """Count work of about so many microseconds. Raise Spent if a limit that
    is in force is reached."""
    global _work, _counted
    _work += units
    if _work >= _WORK:
        _counted += _work
        _work = 0
        look()


def worked() -> int:
    """Return the units of work that this process has counted."""
    return _counted + _work


def look() -> None:
    """Raise Spent if a limit that is in force is reached."""
    global _resident, _resident_at
    if not _active:
        return
    now = time.monotonic()
    if now - _resident_at > _MEMORY_EVERY or now < _resident_at:
        _resident, _resident_at = resident(), now
    for limits in _active:
        limits.look(_resident)


@contextlib.contextmanager
def limited(
    seconds: float | None, memory: int | None = None, work: int | None = None
) -> Iterator[Limits]:
    """Hold the work within to ``seconds`` of wall time and ``work`` units, and
    the process to growing by ``memory`` bytes. Limits nest; the strictest
    counts."""
    limits = Limits(seconds, memory, work)
    _active.append(limits)
    try:
        yield limits
    finally:
        _active.remove(limits)


@contextlib.contextmanager
def overtime() -> Iterator[None]:
    """Widen the limits in force by a quarter, to write down and check what was
    found when they were reached."""
    before = [(limits, limits.late) for limits in _active]
    for limits in _active:
        limits.late = True
    try:
        yield
    finally:
        for limits, late in before:
            limits.late = late


@contextlib.contextmanager
def doing(phase: str) -> Iterator[None]:
    """Name the phase for the reason that Spent gives: "building the formula".
    The innermost name counts."""
    _phases.append(phase)
    try:
        yield
    finally:
        _phases.pop()


def left() -> float | None:
    """Return the seconds that the limits in force leave; None: no limit."""
    ends = [seconds for limits in _active if (seconds := limits.left()) is not None]
    return min(ends, default=None)


def work_left() -> int | None:
    """Return the units of work that the limits in force leave; None: no
    limit."""
    ends = [work for limits in _active if (work := limits.work_left()) is not None]
    return min(ends, default=None)


def memory_left() -> int | None:
    """Return the bytes that the limits in force let the process grow by, at least
    0; None: no limit."""
    now = resident()
    most = min((limits.memory_left(now) for limits in _active), default=math.inf)
    return None if most == math.inf else max(0, int(most))


def out_of_memory() -> NoReturn:
    """Raise Spent for the limit that leaves the least memory: code that
    `memory_left` was handed to has used it up. There must be such a limit."""
    now = resident()
    min(_active, key=lambda limits: limits.memory_left(now)).out_of_memory()


def resident() -> int:
    """Return the bytes of memory that this process holds (0: not known)."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return 0


def available() -> int:
    """Return nine tenths of the bytes that are free for this process."""
    free = 1 << 62
    with contextlib.suppress(OSError), open("/proc/meminfo") as lines:
        for line in lines:
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) * 1024
    with contextlib.suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        most = int((group / "memory.max").read_text())
        free = min(free, most - int((group / "memory.current").read_text()))
    if free == 1 << 62:
        free = 4 << 30
    return free // 10 * 9


def show_bytes(number: int) -> str:
    """Return the number as --memory takes it: 500M, 4G."""
    for letter, shift in (("G", 30), ("M", 20), ("K", 10)):
        if number >= 1 << shift and not number % (1 << shift):
            return f"{number >> shift}{letter}"
    return str(number)


def _while() -> str:
    return f", while {_phases[-1]}" if _phases else ""
