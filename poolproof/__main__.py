# SPDX-License-Identifier: GPL-2.0-only
"""`python -m poolproof` is `poolproof`.

Ctrl-C may come while the command is still being loaded: then there is nothing
to say but that, and exit code 130.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Any, NoReturn

_INTERRUPTED = 130
_SOON = 0.02
"""Seconds until what is being freed is freed."""


def _leave(*_: object) -> NoReturn:
    os.write(2, b"poolproof: interrupted; nothing is known yet\n")
    os._exit(_INTERRUPTED)


_came: list[int] = []
"""The interrupts that came."""


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    _came.append(number)
    signal.default_int_handler(number, frame)


def _again(dropped: Any) -> None:
    """Handle an exception in a ``__del__``, which Python drops. Ctrl-C is sent once
    more; other exceptions after it are those of objects that it left half made."""
    if issubclass(dropped.exc_type, KeyboardInterrupt):
        from threading import Timer

        Timer(_SOON, os.kill, (os.getpid(), signal.SIGINT)).start()
    elif not _came:
        sys.__unraisablehook__(dropped)


def command() -> int:
    """Run the command and return its exit code."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started by nohup, or so
        from poolproof.checker.commands.main import main

        return main()
    signal.signal(signal.SIGINT, _leave)
    sys.unraisablehook = _again
    from poolproof.checker.commands.main import main

    try:
        signal.signal(signal.SIGINT, _interrupt)
        code = main()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    except KeyboardInterrupt:
        _leave()
    return code


if __name__ == "__main__":
    sys.exit(command())
