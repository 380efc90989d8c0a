# SPDX-License-Identifier: GPL-2.0-only
"""How large a search will be, from searches at smaller bounds.

The bounds of a check are the last cell of a grid. The small cells of the grid are
searched (`driver.widening`), and their states and steps extrapolated
(`driver.growth`). The error is measured on the searched cells: each is predicted from
smaller ones that are as far away as the last cell is from all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, prod

from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.ranges import declared as declared_range
from poolproof.checker.core.system import TransitionSystem
from poolproof.checker.driver.growth import Point, missed_by, predicted, steps_beyond
from poolproof.checker.driver.task import Request, Task
from poolproof.checker.driver.widening import Widened, statistics
from poolproof.checker.passes.reduce import reduce
from poolproof.model.language import declared

FAR = 20_000
"""Upper limit on the cells between the least bounds and those of the check."""

LEAST = 2.0
"""The least factor by which an estimate may be off."""

STEP, UNTESTED = 1.5, 3.0
"""Factors for each step of a bound beyond the searched ones: the least one, and the
one where no searches are far enough apart to test the method."""

_LONG = 0.05
"""Least seconds of a search whose rate is used."""


@dataclass(frozen=True)
class Estimate:
    """The cost of a search of ``task``. ``states``, ``bytes`` and ``seconds`` (None
    if unknown) may be wrong by the factor ``off``, except that ``exact`` ones are of
    the search itself, which was done. The ``largest`` cell that was searched has
    ``has`` states. The bounds are ``beyond`` steps away from the nearest searched
    cell; over that distance, predictions of searched cells ``missed`` by this factor
    at most (None if there are none)."""

    task: Task
    grid: Widened
    states: float | None = None
    bytes: float | None = None
    seconds: float | None = None
    off: float = 1.0
    exact: bool = False
    largest: Point = ()
    has: int = 0
    missed: float | None = None
    beyond: int = 0


def grid_below(task: Task, request: Request) -> Widened:
    """Return the grid from the least bounds above 0 up to the task's bounds. Raise
    UserError if it has more than `FAR` cells."""
    known = declared(task.known.cls)[0]
    axes = []
    for name, value in task.set_bounds.items():
        least = max(1, known[name].least)
        if value > least:
            axes.append((name, range(least, value + 1)))
    if prod(len(over) for _, over in axes) > FAR:
        raise UserError(
            None,
            "--estimate: these bounds are too far from any that can be searched; "
            "try smaller ones first",
        )
    return Widened(task.spec, task.known, request, tuple(axes))


def estimated(task: Task, grid: Widened, engine: str) -> Estimate:
    """Return the estimate for the last cell, from the cells that were searched."""
    target = tuple(over[-1] for _, over in grid.axes)
    found = {p: statistics(c) for p, c in grid.checked.items()}
    done = {p: s for p, s in found.items() if s.complete}
    states = {p: float(s.states) for p, s in done.items()}
    whole = predicted(states, target)
    if whole is None:
        return Estimate(task, grid)
    steps = predicted({p: float(s.transitions) for p, s in done.items()}, target)
    largest = max(states, key=lambda p: (states[p], p))
    far = steps_beyond(states, target) or 0
    missed = missed_by(states, far)
    timed = max(done.values(), key=lambda s: s.transitions)
    fast = timed.transitions / timed.seconds if timed.seconds > _LONG else None
    here = done.get(target)
    return Estimate(
        task,
        grid,
        whole,
        whole * bytes_of_state(task, engine),
        here.seconds if here else (steps / fast if steps and fast else None),
        1.0 if here else _off(far, missed),
        here is not None,
        largest,
        done[largest].states,
        missed,
        far,
    )


def _off(far: int, missed: float | None) -> float:
    if missed is None:
        return float(UNTESTED**far)
    return float(max(LEAST, STEP**far, missed))


def bytes_of_state(task: Task, engine: str) -> int:
    """Return roughly how many bytes the engine needs for each visited state."""
    small = reduce(task.compiled.system, task.resolved.properties).system
    if engine == "native":
        return 8 * max(1, ceil(_bits(small) / 63)) + 16
    return 200 + 8 * len(small.cells)


def _bits(system: TransitionSystem) -> int:
    """Return the bits of a packed state; a cell without a range takes a word."""
    total = 0
    for cell in system.cells:
        lo, hi = declared_range(cell.variable)
        total += 63 if lo is None or hi is None else (hi - lo).bit_length()
    return total
