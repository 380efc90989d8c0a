# SPDX-License-Identifier: GPL-2.0-only
"""Jobs in processes of their own: results in order, losses, Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

import pytest

from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.system import Span
from poolproof.checker.core.verdict import INTERRUPTED, Reporter, Silent
from poolproof.checker.driver.jobs import Lost, in_turn
from poolproof.checker.driver.workers import DIED, in_processes

HERE = os.getpid()


@dataclass(frozen=True)
class Does:
    """A job that does one thing, and returns ``number``."""

    number: int
    what: str = ""
    note: str = ""

    @property
    def title(self) -> str:
        return str(self.number)

    def run(self, report: Reporter, interrupted: Callable[[], bool]) -> int | str:
        match self.what:
            case "late":
                time.sleep(0.2)
            case "mistake":
                raise UserError(Span("a.spec", 1, 2), "write x")
            case "die":
                assert os.getpid() != HERE
                os.kill(os.getpid(), signal.SIGKILL)
            case "die once" if not Path(self.note).exists():
                Path(self.note).touch()
                os.kill(os.getpid(), signal.SIGKILL)
            case "wait":
                Path(self.note).touch()
                try:
                    time.sleep(60)
                except KeyboardInterrupt:
                    return f"partial, {interrupted()}"
        return self.number


def test_results_come_in_order() -> None:
    jobs = [Does(0, "late"), Does(1), Does(2, "late"), Does(3)]
    assert list(in_processes(2)(jobs, Silent())) == [0, 1, 2, 3]
    assert list(in_turn(lambda: False)(jobs, Silent())) == [0, 1, 2, 3]


def test_a_mistake_comes_back_as_it_was_raised() -> None:
    results = in_processes(2)([Does(0), Does(1, "mistake")], Silent())
    assert next(results) == 0
    with pytest.raises(UserError, match="write x"):
        next(results)


def test_a_cell_that_kills_its_process_is_lost_alone() -> None:
    jobs = [Does(0), Does(1, "die"), Does(2, "late"), Does(3, "die"), Does(4)]
    found = list(in_processes(2)(jobs, Silent()))
    assert found == [0, Lost(DIED), 2, Lost(DIED), 4]


def test_a_process_that_is_killed_is_replaced(tmp_path: Path) -> None:
    jobs = [Does(0, "die once", str(tmp_path / "note")), Does(1, "late"), Does(2)]
    assert list(in_processes(2)(jobs, Silent())) == [0, 1, 2]


def test_an_interrupt_keeps_what_is_known(tmp_path: Path) -> None:
    notes = [tmp_path / name for name in "ab"]
    jobs = [Does(k, "wait", str(note)) for k, note in enumerate(notes)]

    def when_both_wait() -> None:
        while not all(note.exists() for note in notes):
            time.sleep(0.01)
        os.kill(HERE, signal.SIGINT)

    Timer(0, when_both_wait).start()
    found = list(in_processes(2)([*jobs, Does(2), Does(3)], Silent()))
    assert found == ["partial, True"] * 2 + [Lost(INTERRUPTED)] * 2


def test_nothing_is_begun_after_an_interrupt() -> None:
    assert list(in_turn(lambda: True)([Does(0)], Silent())) == [Lost(INTERRUPTED)]


def test_processes_end_with_their_parent(tmp_path: Path) -> None:
    code = (
        "import sys; from tests.unit.test_jobs import *\n"
        "jobs = [Does(k, 'wait', sys.argv[1] + str(k)) for k in range(2)]\n"
        "list(in_processes(2)(jobs, Silent()))"
    )
    note = str(tmp_path / "note")
    root = Path(__file__).parents[2]
    parent = subprocess.Popen(
        [sys.executable, "-c", code, note], cwd=root, stderr=subprocess.DEVNULL
    )
    while not Path(note + "1").exists():
        time.sleep(0.02)
        assert parent.poll() is None
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text()
    assert len(children.split()) == 2
    parent.kill()
    parent.wait()
    end = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in children.split()):
        assert time.monotonic() < end
        time.sleep(0.05)
