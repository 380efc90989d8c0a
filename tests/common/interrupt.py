# SPDX-License-Identifier: GPL-2.0-only
"""Ctrl-C, some time after an engine has begun."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def interrupt_after(seconds: float) -> Iterator[None]:
    """SIGINT comes so much later, and must not come through as an exception."""
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
    # a shell that starts tests in the background has them ignore it
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer.start()
    try:
        yield
    except KeyboardInterrupt:
        pytest.fail("the interrupt came through")
    finally:
        timer.cancel()
        signal.signal(signal.SIGINT, before)
