# SPDX-License-Identifier: GPL-2.0-only
"""The debugger's end of GDB's remote protocol, against a stub that plays QEMU's."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Sequence

import pytest

from poolproof.checker.kernel.kernel import Unavailable
from tests.kernel.debugger import Debugger


def packet(text: str) -> bytes:
    return f"${text}#{sum(text.encode()) % 256:02x}".encode()


class Stub:
    """Answers each packet with the next of its answers; "" is none."""

    def __init__(self, answers: Sequence[str]) -> None:
        self.heard: list[bytes] = []
        self.here, self.there = socket.socketpair()
        self.thread = threading.Thread(target=self.serve, args=(list(answers),))
        self.thread.start()

    def serve(self, answers: list[str]) -> None:
        buffer = b""
        while answers:
            buffer += self.there.recv(4096)
            while buffer and answers:
                if buffer[:1] == b"+":
                    buffer = buffer[1:]
                    continue
                end = 1 if buffer[:1] == b"\x03" else buffer.find(b"#") + 3
                if end < 1 or len(buffer) < end:
                    break
                self.heard.append(buffer[:end])
                buffer = buffer[end:]
                reply = answers.pop(0)
                with contextlib.suppress(BrokenPipeError):  # it has gone away
                    self.there.sendall(b"+" + b"".join(map(packet, reply.split())))


def test_one_cpu_stops_and_the_other_goes_on() -> None:
    stub = Stub(["T05thread:01;", "OK", "T05thread:02;", "OK", "", "T02thread:01;", ""])
    debugger = Debugger(stub.here, 5.0)
    debugger.break_at(0xFFFFFFFF81187140)
    debugger.resume()
    assert debugger.stopped() == 1
    debugger.forget(0xFFFFFFFF81187140)
    debugger.resume([0])
    debugger.interrupt()
    debugger.close()
    stub.thread.join()
    assert stub.heard == [
        packet("?"),
        packet("Z1,ffffffff81187140,1"),
        packet("vCont;c"),
        packet("z1,ffffffff81187140,1"),
        packet("vCont;c:1"),
        b"\x03",
        packet("D"),
    ]


def test_a_stop_for_the_debugger_itself_is_no_answer() -> None:
    stub = Stub(["T05thread:01; T05thread:01;", "OK"])
    debugger = Debugger(stub.here, 5.0)
    debugger.break_at(0x1000)
    stub.thread.join()


def test_a_refusal_and_silence_are_said() -> None:
    stub = Stub(["T05thread:01;", "E22"])
    debugger = Debugger(stub.here, 0.05)
    with pytest.raises(Unavailable, match="the debugger says 'E22' to Z1,10,1"):
        debugger.break_at(0x10)
    with pytest.raises(Unavailable, match="the debugger: timed out"):
        debugger.stopped()
    stub.thread.join()
