# SPDX-License-Identifier: GPL-2.0-only
"""A spec at many bounds of a design, from small ones to large ones.

Each cell of the grid is a check. A cell is checked after those with one bound less by
one. Of the cells that are ready, the one that should have the fewest states, by the
growth so far, is first. So a budget that runs out leaves out the largest cells, and
a property is seen to fail at its smallest bounds first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from math import prod

from poolproof.checker.backends.c.build import compiler
from poolproof.checker.core.bounds import show_bounds
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.limits import Limits, Spent, doing
from poolproof.checker.core.property import Property
from poolproof.checker.core.verdict import (
    INTERRUPTED,
    Budget,
    Reporter,
    Shown,
    Statistics,
    Unknown,
    Unreachable,
)
from poolproof.checker.driver.designs import DesignRef, designs_for
from poolproof.checker.driver.growth import Point, below, predicted, within
from poolproof.checker.driver.jobs import Lost, Spread
from poolproof.checker.driver.judging import CheckResult, PropertyResult, exit_code
from poolproof.checker.driver.kept import Checks
from poolproof.checker.driver.sweep import Axis
from poolproof.checker.driver.task import Request, unknown_name
from poolproof.checker.spec import Spec
from poolproof.model.language import ModelError, declared, outside


@dataclass(frozen=True)
class RefusedBounds(Lost):
    """A cell whose bounds the design or the spec does not allow."""

    mistake: UserError | ModelError


@dataclass(frozen=True)
class BoundsCell:
    """A spec on a design at the bounds of its request. Its result is a
    `CheckResult`, or `Lost`."""

    spec: Spec
    known: DesignRef
    request: Request
    engine: str
    budget: Budget
    checks: Checks

    @property
    def title(self) -> str:
        return f"{self.known.name} {show_bounds(self.request.bounds)}"

    def run(
        self, report: Reporter, interrupted: Callable[[], bool]
    ) -> CheckResult | Lost:
        try:
            with self.budget.limited():
                with doing("compiling the design"):
                    (task,) = self.checks.prepare(self.spec, self.request)
                return self.checks.run(
                    task, self.engine, self.budget, report, interrupted
                )
        except Spent as spent:
            return Lost(str(spent))
        except (UserError, ModelError) as mistake:
            return RefusedBounds(str(mistake), mistake)


@dataclass
class Widened:
    """A spec on a design over the grid of ``axes``, and the results of its ``cells``
    in the order in which they were checked."""

    spec: Spec
    known: DesignRef
    request: Request
    axes: tuple[Axis, ...]
    cells: dict[Point, CheckResult | Lost] = field(default_factory=dict)

    @property
    def points(self) -> list[Point]:
        """The cells of the whole grid."""
        return list(product(*(over for _, over in self.axes)))

    @property
    def checked(self) -> dict[Point, CheckResult]:
        """The results of the cells that were checked."""
        return {p: c for p, c in self.cells.items() if isinstance(c, CheckResult)}

    @property
    def not_reached(self) -> list[Point]:
        """The cells that the budget did not reach."""
        return [p for p in self.points if p not in self.cells]

    def states(self) -> dict[Point, float]:
        """Return the number of states of each cell that was searched to its end."""
        found = {p: statistics(c) for p, c in self.checked.items()}
        return {p: s.states for p, s in found.items() if s.complete}

    def at(self, point: Point) -> dict[str, int]:
        """Return the bounds of a cell, those of the axes only."""
        return {name: n for (name, _), n in zip(self.axes, point, strict=True)}

    def cell(
        self, point: Point, engine: str, budget: Budget, checks: Checks
    ) -> BoundsCell:
        """Return the check of the cell at a point, not yet run."""
        bounds = {**self.request.bounds, **self.at(point)}
        designs = (self.known.reference,)
        request = replace(self.request, designs=designs, bounds=bounds)
        return BoundsCell(self.spec, self.known, request, engine, budget, checks)

    def next_first(self, bounded: bool) -> list[Point]:
        """Return the cells that can be next, the one with the fewest states first.
        None is larger than one that was cut short, unless ``bounded``: a depth cuts
        all of them."""
        todo, known = self.not_reached, self.states()
        cut = () if bounded else (p for p, c in self.cells.items() if _cut(c))
        waiting = {*todo, *cut}
        ready = [p for p in todo if not any(q in waiting for q in below(p))]
        size = {p: predicted(known, p) or 0.0 for p in ready}
        return sorted(ready, key=lambda p: (size[p], prod(p), p))


def every_state(engine: str | None) -> str:
    """Return the engine for all cells: ``engine``, or native (explicit without a C
    compiler) if that is None. It is the same for all cells, because the two may count
    states differently. Raise UserError if it does not visit every state."""
    if engine is None:
        return "explicit" if compiler() is None else "native"
    if engine not in ("explicit", "native"):
        raise UserError(
            None,
            f"--engine {engine}: a sweep needs explicit or native, which "
            "visit every state",
        )
    return engine


def statistics(checked: CheckResult) -> Statistics:
    """Return the statistics of a check's search."""
    some = checked.outcomes
    return some[0].statistics if some else Statistics()


def grids(spec: Spec, request: Request, axes: Sequence[Axis]) -> Iterator[Widened]:
    """Yield the grid of a spec on each of its designs. A design's grid has only the
    axes that are bounds of it. Raise UserError for a bound that none of the designs
    has, or a value that a bound cannot have."""
    known = designs_for(spec, request.designs)
    names = ", ".join(k.name for k in known)
    every = {n: b for k in known for n, b in declared(k.cls)[0].items()}
    for name, over in axes:
        if name not in every:
            raise UserError(None, unknown_name("bound", name, tuple(every), names))
        if name in request.bounds:
            raise UserError(None, f"{name} is in --bounds and in --sweep")
        for k in known:
            for value in (over[0], over[-1]):
                own = declared(k.cls)[0].get(name)
                if own is not None and (reason := outside(k.cls, own, value)):
                    raise UserError(None, f"--sweep {name}={value}: {reason}")
    for k in known:
        mine = tuple(axis for axis in axes if axis[0] in declared(k.cls)[0])
        yield Widened(spec, k, request, mine)


@dataclass(frozen=True)
class Searches:
    """The settings for checking the cells of a grid: the engine, the ``budget``, whose
    time is for all cells, and the number of cells that are handed out ``together``."""

    engine: str
    budget: Budget
    checks: Checks
    spread: Spread
    together: int = 1


def widen(grid: Widened, how: Searches, report: Reporter) -> Iterator[Point]:
    """Check the cells of a grid until the time is up, and yield each as soon as the
    grid has it. Raise UserError or ModelError if no cell can have its bounds."""
    limits, bounded = Limits(how.budget.seconds, None), how.budget.depth is not None
    while limits.left() != 0.0 and (some := grid.next_first(bounded)[: how.together]):
        budget = replace(how.budget, seconds=limits.left())
        cells = [grid.cell(point, how.engine, budget, how.checks) for point in some]
        for point, result in zip(some, list(how.spread(cells, report)), strict=True):
            if isinstance(result, Lost) and result.why == INTERRUPTED:
                return
            grid.cells[point] = result
            yield point
            if isinstance(result, CheckResult) and result.interrupted:
                return
    refused = [c for c in grid.cells.values() if isinstance(c, RefusedBounds)]
    if refused and len(refused) == len(grid.cells):
        raise refused[0].mistake


def _cut(result: CheckResult | Lost) -> bool:
    """Return whether the cell was not searched to its end."""
    if isinstance(result, CheckResult):
        return not statistics(result).complete
    return _lost(result)


# --- the smallest bounds ----------------------------------------------------


@dataclass(frozen=True)
class First:
    """The smallest bounds at which a property is violated, or has the witness that it
    wants. ``at`` has the minimal cells, each with the number of steps of its run.
    ``open`` are the cells not above any of these in which the property is unknown;
    ``known`` counts the cells in which it is not."""

    prop: Property
    at: tuple[tuple[Point, int], ...]
    open: tuple[Point, ...]
    known: int


def firsts(grid: Widened) -> list[First]:
    """Return the smallest bounds at which each property is decided."""
    answers: dict[str, dict[Point, PropertyResult]] = {}
    for point, checked in grid.checked.items():
        for answer in checked.answers:
            answers.setdefault(answer.prop.name, {})[point] = answer
    return [_first(mine) for mine in answers.values()]


def _first(mine: Mapping[Point, PropertyResult]) -> First:
    shown = {
        p: len(a.verdict.trace) for p, a in mine.items() if isinstance(a.verdict, Shown)
    }
    least = [p for p in shown if not any(q != p and within(q, p) for q in shown)]
    unknown = [p for p, a in mine.items() if isinstance(a.verdict, Unknown)]
    return First(
        next(iter(mine.values())).prop,
        tuple((p, shown[p]) for p in least),
        tuple(p for p in unknown if not any(within(q, p) for q in least)),
        len(mine) - len(unknown),
    )


def sweep_code(grids: Sequence[Widened], strict: bool) -> int:
    """Return the exit code of all checks together, where a witness in one cell is
    enough; 3 instead of 0 if some cell was not searched."""
    done = [c for grid in grids for c in _forgiving(grid)]
    missing = any(_missing(grid) for grid in grids)
    return exit_code(done, strict) or (3 if missing or not done else 0)


def _missing(grid: Widened) -> bool:
    """Return whether some cell was not searched."""
    return bool(grid.not_reached) or any(map(_lost, grid.cells.values()))


def _lost(result: CheckResult | Lost) -> bool:
    return isinstance(result, Lost) and not isinstance(result, RefusedBounds)


def _forgiving(grid: Widened) -> list[CheckResult]:
    """Return the checks without each answer "not reached" that may be due to small
    bounds: the property is reached in another cell, or unknown in one."""
    wanted = [f for f in firsts(grid) if f.prop.kind.wants_witness]
    later = {f.prop.name for f in wanted if f.at or f.open or _missing(grid)}

    def counts(answer: PropertyResult) -> bool:
        missed = isinstance(answer.verdict, Unreachable)
        return not (missed and answer.prop.name in later)

    return [
        replace(c, answers=tuple(filter(counts, c.answers)))
        for c in grid.checked.values()
    ]
