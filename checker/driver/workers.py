# SPDX-License-Identifier: GPL-2.0-only
"""Jobs on the cores of this machine, each process a fork of this one.

A process that dies (for want of memory, say) takes the others of its pool along:
what was not done is then done again, each job in a process of its own, so that
only the job that kills its process is lost.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from types import FrameType
from typing import Any

from poolproof.checker.core.pickled import dumps, loads
from poolproof.checker.core.verdict import INTERRUPTED, Reporter, Silent
from poolproof.checker.driver.jobs import Job, Lost, Spread

DIED = "its process died"
_SOON = 0.5
"""Seconds between two reports of progress, and two looks for the parent."""


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def in_processes(number: int) -> Spread:
    """Return how to do jobs in so many processes. Ctrl-C ends each of them with what
    it knows; jobs that were not started are `Lost`."""

    def spread(jobs: Sequence[Job], report: Reporter) -> Iterator[Any]:
        pool = _Pool(number, jobs, report)
        try:
            yield from pool.results()
        finally:
            pool.close()

    return spread


class _Pool:
    def __init__(self, number: int, jobs: Sequence[Job], report: Reporter) -> None:
        self.number, self.jobs, self.report = number, jobs, report
        self.stopped = False
        self.executor: ProcessPoolExecutor | None = None
        self.started: Any = None
        self.pids: set[int] = set()

    def results(self) -> Iterator[Any]:
        todo: dict[int, Future[bytes]] = {}
        self.open(self.number)
        for k in range(len(self.jobs)):
            todo[k] = self.submit(k)
        for k in range(len(self.jobs)):
            try:
                yield self.result(todo, k)
            except BrokenProcessPool:
                yield from self.apart(range(k, len(self.jobs)), todo)
                return

    def apart(
        self, rest: Sequence[int], todo: dict[int, Future[bytes]]
    ) -> Iterator[Any]:
        """Yield the results of the rest, after a process died."""
        for k in rest:
            done = todo[k].done() and not todo[k].cancelled()
            if not done or todo[k].exception() is not None:
                self.close()
                self.open(1)
                todo[k] = self.submit(k)
            try:
                yield self.result(todo, k)
            except BrokenProcessPool:
                yield Lost(DIED)

    def result(self, todo: dict[int, Future[bytes]], k: int) -> Any:
        future = todo[k]
        while not future.done():
            try:
                wait([future], _SOON, FIRST_COMPLETED)
                done = sum(f.done() for f in todo.values())
                self.report.progress(done=done, of=len(self.jobs))
            except KeyboardInterrupt:
                self.stop()
        if future.cancelled():
            return Lost(INTERRUPTED)
        result = loads(future.result())
        if isinstance(result, JobFailed):
            raise result.error
        return result

    def open(self, number: int) -> None:
        global _jobs
        _jobs = self.jobs
        fork = get_context("fork")
        self.started, self.pids = fork.SimpleQueue(), set()
        self.executor = ProcessPoolExecutor(number, fork, _begin, (self.started,))

    def submit(self, k: int) -> Future[bytes]:
        assert self.executor is not None
        future = self.executor.submit(_do, k)
        if self.stopped:
            future.cancel()
        return future

    def stop(self) -> None:
        """Have every process end with what it knows, and start no other job. The
        second time, kill them."""
        how = signal.SIGKILL if self.stopped else signal.SIGINT
        self.stopped = True
        if self.executor is not None:
            self.executor.shutdown(wait=False, cancel_futures=True)
        while not self.started.empty():
            self.pids.add(self.started.get())
        for pid in self.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, how)

    def close(self) -> None:
        if self.executor is not None:
            if not self.stopped:
                self.stop()
                self.stopped = False
            self.executor.shutdown()
            self.executor = None


# --- within a process -----------------------------------------------------


_jobs: Sequence[Job] = ()
"""The jobs of the process that forks."""

_interrupts = 0
_busy = False


@dataclass(frozen=True)
class JobFailed:
    """An exception that a job raised."""

    error: BaseException


def _begin(pids: Any) -> None:
    """Start as a group of processes of its own, so that Ctrl-C reaches the parent
    only, which passes it on once."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, _note)
    pids.put(os.getpid())
    threading.Thread(target=_with, args=(os.getppid(),), daemon=True).start()


def _with(parent: int) -> None:
    """End with the parent, however it ends."""
    while os.getppid() == parent:
        time.sleep(_SOON)
    os._exit(1)


def _note(_number: int, _frame: FrameType | None) -> None:
    global _interrupts
    _interrupts += 1
    if _busy:
        raise KeyboardInterrupt


def _interrupted() -> bool:
    return _interrupts > 0


def _do(number: int) -> bytes:
    global _busy
    if _interrupted():
        return dumps(Lost(INTERRUPTED))
    try:
        _busy = True
        result = _jobs[number].run(Silent(), _interrupted)
        _busy = False
        return dumps(result)
    except KeyboardInterrupt:
        return dumps(Lost(INTERRUPTED))
    except BaseException as error:
        return written_failure(error)
    finally:
        _busy = False


def written_failure(error: BaseException) -> bytes:
    """Return what a job raised, as the bytes of a `JobFailed`."""
    error.add_note(traceback.format_exc())
    try:
        written = dumps(JobFailed(error))
        loads(written)
    except Exception:
        return dumps(JobFailed(RuntimeError(traceback.format_exc())))
    return written
