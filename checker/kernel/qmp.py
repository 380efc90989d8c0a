# SPDX-License-Identifier: GPL-2.0-only
"""The little of QEMU's monitor protocol that is needed."""

import json
import socket
import time
from pathlib import Path
from typing import Any

_UNLIMITED = 10 << 30


class MonitorError(Exception):
    """QEMU refused a command, or its monitor has gone."""


class Monitor:
    """QEMU's QMP over a connected socket. Raises MonitorError, OSError."""

    def __init__(self, channel: socket.socket, patience: float) -> None:
        self._channel = channel
        self._channel.settimeout(patience)
        self._read = b""
        self._message()  # the greeting
        self._execute("qmp_capabilities")

    def save(self, path: Path, patience: float) -> None:
        """Writes the guest's state to a file; the guest stays stopped."""
        self._execute("migrate-set-parameters", {"max-bandwidth": _UNLIMITED})
        with path.open("wb") as file:
            self._execute("getfd", {"fdname": "state"}, file.fileno())
            self._execute("migrate", {"uri": "fd:state"})
            deadline = time.monotonic() + patience
            status = ""
            while status != "completed":
                if status in ("failed", "cancelled") or time.monotonic() > deadline:
                    raise MonitorError(f"saving the guest: {status or 'no answer'}")
                time.sleep(0.02)
                status = self._execute("query-migrate").get("status", "")

    def obey(self, line: str) -> None:
        """Do a command of the monitor for humans."""
        self._execute("human-monitor-command", {"command-line": line})

    def _execute(
        self, name: str, arguments: dict[str, Any] | None = None, fd: int | None = None
    ) -> Any:
        request = json.dumps({"execute": name, "arguments": arguments or {}}).encode()
        if fd is None:
            self._channel.sendall(request)
        else:
            socket.send_fds(self._channel, [request], [fd])
        while True:
            message = self._message()
            if "error" in message:
                raise MonitorError(f"{name}: {message['error'].get('desc')}")
            if "return" in message:
                return message["return"]

    def _message(self) -> dict[str, Any]:
        while b"\n" not in self._read:
            chunk = self._channel.recv(1 << 16)
            if not chunk:
                raise MonitorError("the monitor has gone")
            self._read += chunk
        line, self._read = self._read.split(b"\n", 1)
        message: dict[str, Any] = json.loads(line)
        return message
