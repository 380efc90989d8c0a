# SPDX-License-Identifier: GPL-2.0-only
"""The terminal: progress on a line of stderr, and Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

from poolproof.checker.core.text import WIDTH
from poolproof.checker.core.verdict import Reporter, Silent


class Progress:
    """Progress on one line of stderr, cleared before anything is printed."""

    def __init__(self, what: str) -> None:
        self.what, self.last, self.written = what, 0.0, False

    def progress(self, **figures: int | float | str) -> None:
        now = time.monotonic()
        if now - self.last < 0.2:
            return
        self.last, self.written = now, True
        text = ", ".join(
            f"{k} {v:,.0f}" if isinstance(v, int | float) else f"{k} {v}"
            for k, v in figures.items()
        )
        line = f"{self.what}: {text}"[: WIDTH - 1]
        print(f"\r{line:<{WIDTH - 1}}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self.written:
            print(f"\r{'':{WIDTH - 1}}\r", end="", file=sys.stderr, flush=True)


@contextlib.contextmanager
def progress(what: str) -> Iterator[Reporter]:
    """Within, what is reported is shown if stderr is a terminal."""
    if not sys.stderr.isatty():
        yield Silent()
        return
    line = Progress(what)
    try:
        yield line
    finally:
        line.clear()


@dataclass
class Interrupts:
    """Ctrl-C ends the engine that runs; the report has what is known by then. Calling
    it returns whether there was one."""

    count: int = 0

    def __call__(self) -> bool:
        return self.count > 0

    @contextlib.contextmanager
    def caught(self) -> Iterator[None]:
        """Within, each Ctrl-C is counted and raises KeyboardInterrupt."""

        def note(_number: int, _frame: FrameType | None) -> None:
            self.count += 1
            raise KeyboardInterrupt

        try:
            before = signal.signal(signal.SIGINT, note)
        except ValueError:  # not in the main thread
            yield
            return
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
