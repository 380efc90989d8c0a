# SPDX-License-Identifier: GPL-2.0-only
"""Jobs on a cluster of dask: the home of distributed.

The workers need this poolproof, and the user's files at the same paths. A job is
done in one thread of a process at a time, because limits belong to a process. If a
worker is lost, dask gives its jobs to another one. If all are lost and none comes
back in time, the jobs that are left are lost, too.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from typing import Any

from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.pickled import dumps, loads
from poolproof.checker.core.verdict import INTERRUPTED, Reporter
from poolproof.checker.driver.jobs import Job, Lost, Spread
from poolproof.checker.driver.sources import of_checker
from poolproof.checker.driver.workers import DIED, JobFailed, written_failure

_PATIENCE = "10 s"
"""Upper limit on the time in which the scheduler must answer."""

_PAUSE = 0.5
"""Least seconds between two reports of a job."""

_LOOK = 5.0
"""Seconds between two looks whether there are workers."""

_DESERTED = 120.0
"""Upper limit on the seconds without workers: one that was killed needs some to start
again, but dask's LocalCluster and its kin may give it up for good."""

NO_WORKERS = "the cluster has no workers"
NO_SCHEDULER = "the cluster's scheduler is lost"


def on_cluster(address: str) -> Spread:
    """Return how to do jobs on the workers of the scheduler at this address. Raise
    UserError if distributed is not installed."""
    try:
        import distributed
    except ImportError:
        raise UserError(
            None,
            f"--cluster {address} needs dask.distributed: "
            "pip install 'poolproof[cluster]'",
        ) from None
    for name in ("distributed", "distributed.client"):  # each has a level of its own
        logging.getLogger(name).setLevel(logging.CRITICAL)

    def spread(jobs: Sequence[Job], report: Reporter) -> Iterator[Any]:
        try:
            client = distributed.Client(
                address, timeout=_PATIENCE, set_as_default=False
            )
        except (OSError, ValueError, TimeoutError) as e:
            reason = str(e).splitlines()[0] if str(e) else type(e).__name__
            raise _refused(address, reason) from None
        with client:
            _check_workers(client, address)
            yield from _ClusterJobs(client, jobs, report).results()

    return spread


def _check_workers(client: Any, address: str) -> None:
    """Raise UserError unless there are workers, and all have this checker."""
    try:
        digests = client.run(of_checker)
    except ModuleNotFoundError as e:
        raise _refused(address, f"a worker has no {e.name}") from None
    if not digests:
        raise _refused(address, "there are no workers")
    for worker, digest in digests.items():
        if digest != of_checker():
            raise _refused(address, f"{worker} has another poolproof")


def _refused(address: str, why: str) -> UserError:
    return UserError(None, f"--cluster {address}: {why}")


class _Gone(Exception):
    """The cluster does nothing any more; the argument says why."""


class _ClusterJobs:
    """Jobs on a cluster, and what they report."""

    def __init__(self, client: Any, jobs: Sequence[Job], report: Reporter) -> None:
        self.client, self.jobs, self.report = client, jobs, report
        self.topic = f"poolproof-{os.getpid()}-{time.monotonic_ns()}"
        self.futures: list[Any] = []

    def results(self) -> Iterator[Any]:
        """Yield each job's result. Who needs no more of them closes this."""
        self.client.subscribe_topic(self.topic, self.hear)
        self.futures = [self.submit(k) for k in range(len(self.jobs))]
        why = ""
        for number in range(len(self.jobs)):
            result: Any = None
            try:
                if not why:
                    result = self.result(number)
            except KeyboardInterrupt:
                why = INTERRUPTED
                self.client.cancel(self.futures, force=True)
            except _Gone as gone:
                why = str(gone)
                if why == NO_WORKERS:
                    self.client.cancel(self.futures, force=True)
            try:
                yield Lost(why) if why else result
            except GeneratorExit:
                self.client.cancel(self.futures, force=True)
                raise
        self.client.unsubscribe_topic(self.topic)

    def submit(self, number: int, times: int = 1) -> Any:
        key = f"{self.topic}-{number}-{times}"
        data = dumps(self.jobs[number])
        where = os.getcwd()
        return self.client.submit(
            _do, data, where, self.topic, key=key, pure=False, priority=-number
        )

    def result(self, number: int) -> Any:
        """Return the result of a job. What is given up because its workers died is
        done once more when nothing else is, for another job may have killed them."""
        from distributed import KilledWorker

        try:
            data = self.wait(self.futures[number].result)
        except KilledWorker:
            for other in self.futures:
                self.wait(other.exception)
            self.futures[number] = self.submit(number, 2)
            try:
                data = self.wait(self.futures[number].result)
            except KilledWorker:
                return Lost(DIED)
        result = loads(data)
        if isinstance(result, JobFailed):
            raise result.error
        done = sum(f.done() for f in self.futures)
        self.report.progress(done=done, of=len(self.jobs))
        return result

    def wait(self, ask: Callable[..., Any]) -> Any:
        """Return what a future is asked for, once it has ended. Raise _Gone if
        nobody is left to work on it."""
        seen = time.monotonic()
        while True:
            try:
                return ask(timeout=_LOOK)
            except TimeoutError:
                now = time.monotonic()
                if self.client.nthreads():
                    seen = now
                elif now - seen > _DESERTED:
                    raise _Gone(NO_WORKERS) from None
            except CancelledError:  # by the client itself, as nobody is there
                raise _Gone(NO_SCHEDULER) from None

    def hear(self, event: Any) -> None:
        """Pass on what a worker reports."""
        _, (title, figures) = event
        done = sum(f.done() for f in self.futures)
        self.report.progress(job=title, done=done, of=len(self.jobs), **figures)


# --- on a worker ----------------------------------------------------------

_one = threading.Lock()


def _do(data: bytes, where: str, topic: str) -> bytes:
    """Do a job in the folder that the user is in."""
    with _one:
        try:
            with contextlib.chdir(where):
                job: Job = loads(data)
                report = _Report(job.title, topic)
                report.say({})
                return dumps(job.run(report, lambda: False))
        except BaseException as error:
            return written_failure(error)


class _Report:
    """A reporter whose figures the client hears."""

    def __init__(self, title: str, topic: str) -> None:
        self.title, self.topic, self.last = title, topic, 0.0

    def progress(self, **figures: int | float | str) -> None:
        now = time.monotonic()
        if now - self.last >= _PAUSE:
            self.last = now
            self.say(figures)

    def say(self, figures: dict[str, int | float | str]) -> None:
        from distributed import get_worker

        get_worker().log_event(self.topic, (self.title, figures))
