# SPDX-License-Identifier: GPL-2.0-only
"""A debugger for a guest: it stops one CPU at a function while the others go on.

It speaks as much of GDB's remote protocol as QEMU's stub needs (QEMU: gdbstub.c,
vCont). A stopped CPU answers no interrupt from the others, so they must not wait for
it.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from poolproof.checker.core.cache import temporary_folder
from poolproof.checker.kernel.guest import Guest
from poolproof.checker.kernel.kernel import Unavailable
from poolproof.checker.kernel.qmp import Monitor

_PATIENCE = 40.0


def attached(guest: Guest) -> Debugger:
    """Return a debugger of a guest, which has stopped then. One at a time."""
    channel = socket.socket(socket.AF_UNIX)
    channel.connect(str(_served(guest.monitor)))
    return Debugger(channel, _PATIENCE)


@cache
def _served(monitor: Monitor) -> Path:
    """Return the socket at which QEMU waits for a debugger from now on."""
    path = temporary_folder() / f"debugger-{id(monitor)}"
    monitor.obey(f"gdbserver unix:{path},server=on,wait=off")
    return path


class Debugger:
    """A connection to the stub. Until a CPU is resumed, the whole guest stands still.
    Every method raises Unavailable if the stub does not answer within ``patience``
    seconds."""

    def __init__(self, channel: socket.socket, patience: float) -> None:
        self._channel = channel
        self._channel.settimeout(patience)
        self._read = b""
        self._ask("?")

    def break_at(self, address: int) -> None:
        """Stop the guest when a CPU comes to an address."""
        self._must(f"Z1,{address:x},1")

    def forget(self, address: int) -> None:
        """Undo `break_at`."""
        self._must(f"z1,{address:x},1")

    def resume(self, cpus: Sequence[int] = ()) -> None:
        """Let these CPUs run, or all; the others stay where they are."""
        chosen = ";".join(f"c:{cpu + 1:x}" for cpu in cpus) or "c"
        self._send(f"vCont;{chosen}")

    def step(self, cpu: int) -> None:
        """Run one instruction on a CPU; the others stay where they are."""
        self._send(f"vCont;s:{cpu + 1:x}")
        self.stopped()

    def stopped(self) -> int:
        """Return the CPU at which the guest has stopped, once it has."""
        answer = self._answer()
        found = re.search(r"thread:(?:p[0-9a-f]+\.)?([0-9a-f]+)", answer)
        if not answer.startswith("T") or found is None:
            raise Unavailable(f"the debugger says {answer!r}")
        return int(found[1], 16) - 1

    def interrupt(self) -> None:
        """Stop the guest now."""
        self._channel.sendall(b"\x03")
        self.stopped()

    def close(self) -> None:
        """Let the guest go on without a debugger."""
        try:
            self._send("D")
        finally:
            self._channel.close()

    def _must(self, request: str) -> None:
        answer = self._ask(request)
        while answer.startswith("T"):
            answer = self._answer()  # it stopped for the debugger to come
        if answer != "OK":
            raise Unavailable(f"the debugger says {answer!r} to {request}")

    def _ask(self, request: str) -> str:
        self._send(request)
        return self._answer()

    def _send(self, request: str) -> None:
        check = sum(request.encode()) % 256
        try:
            self._channel.sendall(f"${request}#{check:02x}".encode())
        except OSError as e:
            raise Unavailable(f"the debugger: {e}") from e

    def _answer(self) -> str:
        while True:
            found = re.search(rb"\$([^#]*)#[0-9a-f]{2}", self._read)
            if found:
                self._read = self._read[found.end() :]
                self._channel.sendall(b"+")
                return found[1].decode()
            try:
                chunk = self._channel.recv(1 << 12)
            except OSError as e:
                raise Unavailable(f"the debugger: {e}") from e
            if not chunk:
                raise Unavailable("the debugger has gone")
            self._read += chunk
