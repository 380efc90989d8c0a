# SPDX-License-Identifier: GPL-2.0-only
"""Ctrl-C while z3 works.

z3 has a handler of its own for SIGINT, which makes an answer of it, or loses
it where the answer was already there; and an exception that Python's handler
raises while a z3 term is freed is dropped, as is every exception in a
``__del__``. So the signal is noted here, a thread has z3 return at once, and
the handler that was there before is called where an exception does no harm.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any

import z3

_AGAIN = 0.05
"""Seconds after which z3 is told again: it may not have searched yet."""

_asked: list[Any] = []
"""The contexts in which z3 is at work, innermost last."""

_stopping = threading.Lock()
"""Held while z3 is told to return, so that it is at work then."""

_noted: list[Callable[[], object]] = []
"""What handles the signals that came and were not handled yet."""


@contextmanager
def asking(solver: Any) -> Iterator[None]:
    """Within, ``solver`` (or a fixedpoint) is asked something that may take
    long."""
    solver.set("ctrl_c", False)
    _asked.append(solver.ctx)
    try:
        yield
    finally:
        with _stopping:
            _asked.pop()
        if _noted:  # z3 may have been told, and remembers until it has answered
            z3.Solver(ctx=solver.ctx).check()
    handle_interrupts()


def came() -> bool:
    """Return whether SIGINT came and was not handled yet."""
    return bool(_noted)


def handle_interrupts() -> None:
    """Here an exception does no harm: SIGINT is handled if it came, which
    usually raises KeyboardInterrupt."""
    while _noted:
        _noted.pop()()


@contextmanager
def interruptible() -> Iterator[None]:
    """Within, SIGINT ends what is `asking` and is handled soon; a second one
    before that is handled at once. Signals reach the main thread only:
    elsewhere this does nothing."""
    handler = signal.getsignal(signal.SIGINT)
    main = threading.current_thread() is threading.main_thread()
    if not main or not callable(handler):
        yield
        return

    def note(number: int, frame: FrameType | None) -> None:
        _noted.append(partial(handler, number, frame))
        if len(_noted) > 1:
            _noted.clear()
            handler(number, frame)

    wakes, woken = os.pipe()
    os.set_blocking(woken, False)
    watch = threading.Thread(target=_watch, args=(wakes,), daemon=True)
    watch.start()
    fd = signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    signal.signal(signal.SIGINT, note)
    try:
        yield
        handle_interrupts()
    finally:
        signal.signal(signal.SIGINT, handler)
        signal.set_wakeup_fd(fd)
        _noted.clear()
        os.close(woken)
        watch.join()
        os.close(wakes)


def _watch(wakes: int) -> None:
    """Reads the signals' numbers, until nobody can write any more."""
    pause = threading.Event()
    while byte := os.read(wakes, 1):
        while byte[0] == signal.SIGINT and _stopped_z3():
            pause.wait(_AGAIN)


def _stopped_z3() -> bool:
    """Return whether z3 was at work; it was told to return then."""
    with _stopping:
        if _asked:
            _asked[-1].interrupt()
        return bool(_asked)
