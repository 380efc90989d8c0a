# SPDX-License-Identifier: GPL-2.0-only
"""Lines to an agent and back, many in one write, with a time-out."""

import os
import select
import time
from collections.abc import Callable, Sequence

_CHUNK = 1 << 16
_SLICE = 0.5
"""Seconds between two looks at the clock while a link waits."""


class NoAnswer(Exception):
    """The agent stopped answering; `lines` came before that."""

    def __init__(self, lines: Sequence[str], why: str) -> None:
        super().__init__(f"the agent {why} after {len(lines)} answers")
        self.lines = tuple(lines)


class Link:
    """A pair of descriptors (maybe the same one twice) that carry lines.

    The caller closes them. They are made non-blocking. Patience is measured by
    ``clock``, in seconds.
    """

    def __init__(
        self, reader: int, writer: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._reader = reader
        self._writer = writer
        self._read = b""
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)

    def exchange(self, lines: Sequence[str], patience: float) -> list[str]:
        """Sends all lines, returns one answer for each.

        Raises NoAnswer after `patience` seconds without an answer, or where the
        other side has gone, or says what is no text.
        """
        unsent = memoryview("".join(f"{line}\n" for line in lines).encode())
        answers: list[str] = []
        deadline = self._clock() + patience
        poll = select.poll()
        while len(answers) < len(lines):
            poll.register(self._reader, select.POLLIN)
            if unsent:
                both = self._writer == self._reader
                wanted = select.POLLOUT | (select.POLLIN if both else 0)
                poll.register(self._writer, wanted)
            left = deadline - self._clock()
            if left <= 0:
                raise NoAnswer(answers, f"was silent for {patience:g} s")
            if not poll.poll(min(left, _SLICE) * 1000):
                continue
            try:
                if unsent:
                    unsent = self._write(unsent)
                    if not unsent and self._writer != self._reader:
                        poll.unregister(self._writer)
                got = self._lines()
            except OSError as error:
                raise NoAnswer(answers, "has gone") from error
            except UnicodeDecodeError as error:
                raise NoAnswer(answers, "said what is not text") from error
            if got:
                answers += got
                deadline = self._clock() + patience
        return answers

    def _write(self, data: memoryview) -> memoryview:
        try:
            return data[os.write(self._writer, data) :]
        except BlockingIOError:
            return data

    def _lines(self) -> list[str]:
        try:
            chunk = os.read(self._reader, _CHUNK)
        except BlockingIOError:
            return []
        if not chunk:
            raise ConnectionResetError
        *lines, self._read = (self._read + chunk).split(b"\n")
        return [line.decode() for line in lines]
