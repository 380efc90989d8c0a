# SPDX-License-Identifier: GPL-2.0-only
"""How hard z3 may try, in its own count of steps.

z3 counts what it does (`rlimit count`): the same question has the same count
on every machine, for one release of z3. A limit in seconds would make an
answer depend on how fast the machine is, and on what else it does. Only the
user's budget is in seconds.

z3 holds its memory to what the budget leaves: one question may take much of it
before the next `tick`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import z3

from poolproof.checker.core.limits import doing, memory_left, out_of_memory, tick
from poolproof.checker.engines.interruptible import asking

_STEPS = 4
"""z3's steps in a unit of work (checker.core.limits), which is about a
microsecond. Measured: 4 to 6 million steps a second where bits are solved, 3
million with integers."""

_PHASE = "solving it with z3"

_MOST = 2**32 - 1
"""z3's limits are 32 bits wide. As a time-out, this is none."""


def check(solver: Any, work: int | None, seconds: float | None) -> Any:
    """Return z3's answer: sat, unsat, or unknown where it would take more
    than so many units of `work`, or more than the `seconds` that the budget
    leaves. None is no limit. What it took is counted by `tick`, which raises
    Spent."""
    if (seconds is not None and seconds <= 0) or (work is not None and work <= 0):
        return z3.unknown
    before = _steps(solver)
    answer = within(solver, work, seconds, solver.check)
    with doing(_PHASE):
        tick((_steps(solver) - before) // _STEPS)
    return answer


def within(
    solver: Any, work: int | None, seconds: float | None, ask: Callable[[], Any]
) -> Any:
    """Return the answer of a solver or a fixedpoint that is held to limits,
    as those of `check`, and to the memory of the budget. Raises Spent if that is
    used up: the solver is then of no more use."""
    time = _MOST if seconds is None else min(_MOST, max(1, int(seconds * 1000)))
    steps = 0 if work is None else min(_MOST, max(1, work * _STEPS))
    solver.set("timeout", time)
    solver.set("rlimit", steps)
    with asking(solver), doing(_PHASE), _held_to_memory():
        answer = ask()
        if answer == z3.unknown and "memory" in solver.reason_unknown():
            out_of_memory()
    return answer


@contextmanager
def _held_to_memory() -> Iterator[None]:
    """Within, z3 may allocate what the budget leaves. The limit is one of the
    process, in MB of z3's own count."""
    more = memory_left()
    if more is None:
        yield
        return
    used = z3.Z3_get_estimated_alloc_size()
    z3.set_param("memory_max_size", min(_MOST, (used + more >> 20) + 1))
    try:
        yield
    except z3.Z3Exception as error:
        if "memory" not in str(error):
            raise
        out_of_memory()
    finally:
        z3.set_param("memory_max_size", 0)


def worked(solver: Any) -> int:
    """Return the units of work that the solvers of this solver's context have
    done."""
    return _steps(solver) // _STEPS


def _steps(solver: Any) -> int:
    """Return what all solvers of this solver's context have counted; there is
    no such figure as long as it is 0."""
    figures = solver.statistics()
    for i in reversed(range(len(figures))):
        name, figure = figures[i]
        if name == "rlimit count":
            return int(figure)
    return 0
