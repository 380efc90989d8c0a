# SPDX-License-Identifier: GPL-2.0-only
"""Checks on a local cluster of two workers: the same text as from one machine, also
if a worker is killed."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import Any

import pytest

from poolproof.checker.commands.main import main
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.verdict import Reporter, Silent
from poolproof.checker.driver import cluster
from poolproof.checker.driver.cluster import NO_SCHEDULER, NO_WORKERS, on_cluster
from poolproof.checker.driver.jobs import Job, Lost
from poolproof.checker.driver.workers import DIED

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    distributed = pytest.importorskip("distributed")
    dask = pytest.importorskip("dask")
    # a LocalCluster looks for a lost worker once, after this time, and if it is not
    # back then, it is never started again: on a busy machine, 15 s are too few
    patient = dask.config.set({"distributed.deploy.lost-worker-timeout": "1 hour"})
    with (
        patient,
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as local,
    ):
        yield local.scheduler_address


@dataclass(frozen=True)
class Notes:
    """A job that notes its process, and does one thing."""

    number: int
    folder: str
    what: str = ""

    @property
    def title(self) -> str:
        return f"job {self.number}"

    def run(self, report: Reporter, _interrupted: Callable[[], bool]) -> int:
        first = Path(self.folder, f"{self.number}")
        again = first.exists()
        first.write_text(str(os.getpid()))
        report.progress(states=self.number)
        if self.what == "once" and not again:
            time.sleep(60)
        if self.what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.what == "mistake":
            raise UserError(None, "write x")
        return self.number


class Heard:
    def __init__(self) -> None:
        self.figures: list[dict[str, Any]] = []

    def progress(self, **figures: int | float | str) -> None:
        self.figures.append(figures)


def test_all_cells_report_and_come_in_order(address: str, tmp_path: Path) -> None:
    heard = Heard()
    jobs: list[Job] = [Notes(k, str(tmp_path)) for k in range(6)]
    assert list(on_cluster(address)(jobs, heard)) == list(range(6))
    end = time.monotonic() + 10
    titles = {f"job {k}" for k in range(6)}
    while not titles <= {f.get("job") for f in heard.figures}:
        assert time.monotonic() < end, heard.figures
        time.sleep(0.05)
    assert heard.figures[-1]["of"] == 6


def test_a_lost_workers_cell_is_done_again(address: str, tmp_path: Path) -> None:
    """The worker is killed in the middle of its job."""
    note = tmp_path / "1"

    def kill() -> None:
        while not (note.exists() and note.read_text()):
            time.sleep(0.02)
        os.kill(int(note.read_text()), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    folder = str(tmp_path)
    jobs: list[Job] = [Notes(0, folder), Notes(1, folder, "once"), Notes(2, folder)]
    assert list(on_cluster(address)(jobs, Silent())) == [0, 1, 2]
    killer.join()


def test_a_cell_that_kills_every_worker_is_lost(address: str, tmp_path: Path) -> None:
    jobs: list[Job] = [Notes(0, str(tmp_path), "kill"), Notes(1, str(tmp_path))]
    assert list(on_cluster(address)(jobs, Silent())) == [Lost(DIED), 1]


def test_cells_are_lost_when_all_workers_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are stopped in the middle of the second job."""
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "_LOOK", 0.2)
    monkeypatch.setattr(cluster, "_DESERTED", 1.0)
    folder = str(tmp_path)
    jobs: list[Job] = [Notes(0, folder), Notes(1, folder, "once"), Notes(2, folder)]
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=None
    ) as local:
        results = on_cluster(local.scheduler_address)(jobs, Silent())
        assert next(results) == 0
        while not (tmp_path / "1").exists():
            time.sleep(0.02)
        local.scale(0)
        assert list(results) == [Lost(NO_WORKERS), Lost(NO_WORKERS)]


def test_cells_are_lost_when_the_scheduler_is(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is killed in the middle of a job, and does not come back."""
    distributed = pytest.importorskip("distributed")
    file, folder = tmp_path / "scheduler.json", str(tmp_path)
    program = [sys.executable, "-m", "dask"]
    options = ["--scheduler-file", str(file), "--no-dashboard"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    start = partial(Popen, stderr=DEVNULL, env=env)
    with (
        start([*program, "scheduler", *options, "--port", "0"]) as one,
        start([*program, "worker", *options]) as other,
    ):
        try:
            while not file.exists():
                time.sleep(0.1)
            address = json.loads(file.read_text())["address"]
            with distributed.Client(address, set_as_default=False) as client:
                client.wait_for_workers(1)

            def kill() -> None:
                while not (tmp_path / "0").exists():
                    time.sleep(0.02)
                one.kill()

            threading.Thread(target=kill, daemon=True).start()
            capfd.readouterr()
            jobs: list[Job] = [Notes(0, folder, "once"), Notes(1, folder)]
            found = list(on_cluster(address)(jobs, Silent()))
        finally:
            one.kill()
            other.terminate()
    assert found == [Lost(NO_SCHEDULER), Lost(NO_SCHEDULER)]
    assert not capfd.readouterr().err


def test_a_mistake_comes_back(address: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="write x"):
        list(on_cluster(address)([Notes(0, str(tmp_path), "mistake")], Silent()))


def test_an_address_where_nobody_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "promise_plain", "--cluster", "tcp://127.0.0.1:9"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("poolproof: --cluster tcp://127.0.0.1:9: ")
    assert "Traceback" not in err


def printed(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(argv) == 0
    out, err = capsys.readouterr()
    assert not err
    return out


@pytest.mark.parametrize(
    "argv",
    [
        ("review", "--design", "Thp", "--all"),
        ("size", "hot_upgrade_4", "--scenario", "files", "--sizes", "30..32"),
        ("check", "promise_plain", "hugetlb_surplus_race", "--engine", "explicit"),
    ],
)
def test_the_text_is_that_of_one_machine(
    argv: tuple[str, ...], address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = printed(capsys, *argv, "--jobs", "1")
    assert printed(capsys, *argv, "--cluster", address) == alone


def test_mutants_are_those_of_one_machine(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a design with several specs, and bounds with labels for those that live."""
    argv = ("mutate", "SurplusRace")
    alone = printed(capsys, *argv, "--threads", "1")
    assert printed(capsys, *argv, "--cluster", address) == alone
