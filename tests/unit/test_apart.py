# SPDX-License-Identifier: GPL-2.0-only
"""A question that is asked in a process of its own."""

from __future__ import annotations

import os
import signal
import time
from typing import NoReturn

import pytest

from poolproof.checker.core.limits import Spent, limited
from poolproof.checker.engines.apart import Failed, apart
from poolproof.checker.engines.interruptible import interruptible


def test_the_answer_comes_back_however_long() -> None:
    here = os.getpid()
    pid, text = apart(lambda: (os.getpid(), "x" * 300_000), None)
    assert pid != here
    assert text == "x" * 300_000


def _prints_and_exits() -> NoReturn:
    os.write(2, b"ASSERTION VIOLATION\n")
    os._exit(114)


def test_a_process_that_ends_is_an_answer(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Failed, match="z3 ended with exit code 114"):
        apart(_prints_and_exits, None)
    with pytest.raises(Failed, match="z3 ended with signal 9"):
        apart(lambda: os.kill(os.getpid(), signal.SIGKILL), None)
    assert capfd.readouterr() == ("", "")


def test_it_is_stopped_when_its_time_is_over() -> None:
    with pytest.raises(Failed, match="timeout"):
        apart(lambda: time.sleep(600), 0.2)
    with pytest.raises(ChildProcessError):  # nobody is left
        os.waitpid(-1, os.WNOHANG)


def test_memory_that_is_used_up_is_said_as_of_this_process() -> None:
    def spends() -> NoReturn:
        raise Spent(limits, "the child's words")

    with (
        limited(None, 1 << 40) as limits,
        pytest.raises(Spent, match="the memory budget of"),
    ):
        apart(spends, None)


def test_an_interrupt_ends_it() -> None:
    def interrupts() -> None:
        os.kill(os.getppid(), signal.SIGINT)
        time.sleep(600)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:  # a worker of pytest may ignore it
        with pytest.raises(KeyboardInterrupt), interruptible():
            apart(interrupts, 60)
    finally:
        signal.signal(signal.SIGINT, before)
