# SPDX-License-Identifier: GPL-2.0-only
"""A question to z3 in a process of its own.

A failed check inside z3 ends the process: Spacer's `Failed to verify: found`
does, now and then, if it is stopped at a bad moment. The question is asked in a
fork, so that this is an answer like others, and nothing of it is printed.
"""

from __future__ import annotations

import os
import pickle
import selectors
import signal
import time
import warnings
from collections.abc import Callable
from typing import NoReturn, TypeVar

from poolproof.checker.core.limits import Spent, out_of_memory
from poolproof.checker.engines.interruptible import came, handle_interrupts

T = TypeVar("T")

_LOOK = 0.1
"""Seconds between two looks for a signal."""


class Failed(Exception):
    """There is no answer; the text says why."""


def apart(answer: Callable[[], T], seconds: float | None) -> T:
    """Return ``answer()``, which a child process computes and pickles.

    Raises Failed if the process ends without one or takes longer than so many
    seconds, and Spent if it has used up the memory.
    """
    read, write = os.pipe()
    with warnings.catch_warnings():  # the other threads only wait for signals
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        _child(answer, write)
    os.close(write)
    try:
        text = _read(read, seconds)
    finally:
        os.close(read)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    handle_interrupts()
    if not text:
        how = os.waitstatus_to_exitcode(status)
        raise Failed(f"z3 ended with {'signal' if how < 0 else 'exit code'} {abs(how)}")
    value = pickle.loads(text)
    if value is None:
        out_of_memory()
    found: T = value[0]
    return found


def _read(read: int, seconds: float | None) -> bytes:
    """Return what the child writes until it ends; empty if a signal came."""
    end = None if seconds is None else time.monotonic() + seconds
    parts: list[bytes] = []
    with selectors.DefaultSelector() as ready:
        ready.register(read, selectors.EVENT_READ)
        while not came():
            if end is not None and time.monotonic() >= end:
                raise Failed("timeout")
            if ready.select(_LOOK):
                if part := os.read(read, 1 << 16):
                    parts.append(part)
                else:
                    return b"".join(parts)
    return b""


def _child(answer: Callable[[], object], write: int) -> NoReturn:
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for descriptor in (1, 2):  # z3 prints what it failed to verify
            os.dup2(nowhere, descriptor)
        try:
            text = pickle.dumps((answer(),))
        except Spent:
            text = pickle.dumps(None)
        with os.fdopen(write, "wb") as out:
            out.write(text)
        code = 0
    finally:
        os._exit(code)
