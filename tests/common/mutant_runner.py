# SPDX-License-Identifier: GPL-2.0-only
"""Run the tests against one mutant after another, inside a copy of the tree.

mutation.py starts this with the copy as the current folder and a job on stdin.
The module in the copy has all mutants; an environment variable says which one
is active. The tests are imported once, and each mutant is a fork: nothing that
one mutant leaves in memory reaches the next. A line of results.jsonl says what
became of a mutant, so an interrupted run loses one mutant at most.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state

from tests.common.mutation import function_of, order

RESULTS = Path("results.jsonl")
MEASURED = Path("measured.json")

NO_END = 36
"""The code of a mutant that used up its time."""


def _cpu() -> float:
    """CPU seconds of this process and of the children it has waited for."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, -1))
    return sum(u.ru_utime + u.ru_stime for u in used)


@dataclass
class Measure:
    """A pytest plugin: each test's CPU seconds, and the functions that it calls."""

    seconds: dict[str, float] = field(default_factory=dict)
    calls: dict[str, list[str]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    began: float = 0.0

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        state()._stats.clear()
        self.began = _cpu()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.seconds[nodeid] = _cpu() - self.began
        self.calls[nodeid] = sorted(name.rpartition(".")[2] for name in state()._stats)


@dataclass
class Ordered:
    """A pytest plugin: these tests in this order; writes the first that fails."""

    tests: Sequence[str]
    pipe: int

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        by_id = {item.nodeid: item for item in items}
        items[:] = [by_id[name] for name in self.tests if name in by_id]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            os.write(self.pipe, report.nodeid.encode())


_ALWAYS = ("-m", "not slow", "-p", "no:cacheprovider", "--tb=no", "-q")


def _pytest(arguments: Sequence[str], plugin: object = None) -> int:
    return int(pytest.main([*_ALWAYS, *arguments], plugins=[plugin] if plugin else []))


def _quiet() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (1, 2):
        os.dup2(nothing, fd)


def _fork(work: Callable[[], int], cpu: int, wall: float) -> int:
    """Return the exit code of `work` in a child; NO_END after `cpu` seconds of CPU
    or `wall` seconds. Its own children end with it."""
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _quiet()
        limit = cpu + int(time.process_time())
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
        try:
            code = work()
        except BaseException:
            code = 3
        os._exit(code)

    def end(*_: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)

    def stop(*_: object) -> None:
        end()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, wall)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    signal.setitimer(signal.ITIMER_REAL, 0)
    end()
    return NO_END if status in (-signal.SIGKILL, -signal.SIGXCPU) else status


def _measure(files: Sequence[str]) -> int:
    found = Measure()
    set_mutant_under_test("stats")
    code = _pytest(files, found)
    MEASURED.write_text(json.dumps(found.__dict__))
    return code


def _attempt(
    mutant: str, tests: Sequence[str], seconds: float, fresh: bool
) -> tuple[int, str]:
    """Return the exit code of the tests, and the test that failed. With ``fresh``,
    the modules are imported again: the function is called by an import."""
    reader, writer = os.pipe()
    files = list(dict.fromkeys(test.partition("::")[0] for test in tests))

    def work() -> int:
        set_mutant_under_test(mutant)
        if fresh:
            command = [sys.executable, "-m", "pytest", *_ALWAYS, "-x", *files]
            os.execv(sys.executable, command)
        return _pytest(["-x", *files], Ordered(tests, writer))

    code = _fork(work, cpu=int(4 + 2 * seconds), wall=60 + 40 * seconds)
    os.close(writer)
    with os.fdopen(reader) as stream:
        return code, stream.read()


def main() -> None:
    job = json.load(sys.stdin)
    if job["measure"] or not MEASURED.exists():
        MEASURED.unlink(missing_ok=True)
        code = _fork(lambda: _measure(job["tests"]), cpu=900, wall=3600)
        if code != 0 or not MEASURED.exists():
            failed = (
                json.loads(MEASURED.read_text())["failed"] if MEASURED.exists() else []
            )
            MEASURED.unlink(missing_ok=True)
            raise SystemExit(f"the tests fail without a mutant ({code}): {failed}")
    measured = json.loads(MEASURED.read_text())
    calls, cost = measured["calls"], measured["seconds"]
    _pytest(["--collect-only", "-qqq", *job["tests"]])
    for mutant, function_digest in job["mutants"]:
        name = mutant.rpartition(".")[2]
        tests = order(function_of(name), calls, cost)
        began = time.monotonic()
        fresh = not tests
        tests = tests or sorted(cost, key=cost.__getitem__)
        code, by = _attempt(mutant, tests, sum(cost[t] for t in tests), fresh)
        line = {
            "mutant": name,
            "function": function_digest,
            "tests": job["digest"],
            "code": code,
            "by": by,
            "seconds": round(time.monotonic() - began, 1),
        }
        with RESULTS.open("a") as file:
            file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
