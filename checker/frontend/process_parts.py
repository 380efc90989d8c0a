# SPDX-License-Identifier: GPL-2.0-only
"""The parts of an action that yields, and the tables of what a task keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from poolproof.checker.core import interval, ir
from poolproof.checker.core.interval import Interval
from poolproof.checker.core.ir import Expr
from poolproof.checker.core.ranges import Ranges
from poolproof.checker.core.system import Parameter, Variable
from poolproof.checker.elaborate.domains import size_expr
from poolproof.checker.frontend.method import Executed
from poolproof.checker.frontend.yields import Path, Suspension
from poolproof.model.language import Values


@dataclass
class LocalTable:
    """A local that may have to be kept: a table over the tasks. ``declared`` is the
    domain that the text gives it."""

    name: str
    table: Expr
    declared: Values | None
    range: Interval | None = None

    @property
    def sort(self) -> ir.Sort:
        sort = self.table.sort
        assert isinstance(sort, ir.TableSort)
        return sort.element

    @property
    def interval(self) -> Interval:
        """The interval of its values at the places where it is kept."""
        if self.declared is None:
            return self.range or interval.ANY
        lo, hi = (
            e if isinstance(e, int) else None
            for e in (self.declared.lo, self.declared.hi)
        )
        return lo, hi

    @property
    def reset(self) -> Expr:
        """The value where it is not kept: no element of a scalarset, since none
        is like the others."""
        if isinstance(self.sort, ir.ScalarSort):
            return ir.const(self.sort, self.sort.size)
        lo, hi = self.interval
        return ir.const(
            self.sort, max(lo or 0, 0) if hi is None else min(max(lo or 0, 0), hi)
        )

    def variable(self) -> Variable:
        lo, hi = self.interval
        if isinstance(self.sort, ir.ScalarSort):
            lo, hi = 0, self.sort.size
        ends = [None if e is None else ir.const(self.sort, e) for e in (lo, hi)]
        if self.declared is not None and self.sort is ir.INT:
            given = (self.declared.lo, self.declared.hi)
            ends = [None if e is None else size_expr(e) for e in given]
        assert isinstance(self.table.sort, ir.TableSort)
        init = ir.fill(self.table.sort, self.reset)
        return Variable(self.name, self.table.sort, ends[0], ends[1], init)


@dataclass
class Arrival:
    """A way to a place: the part that leads there and what it leaves."""

    origin: ProcessPart
    end: Suspension


@dataclass
class ProcessPart:
    """What a task does from a place (the action's own name: from its start) to the
    next. ``cells`` are the locals that are no constants there, by the position of
    their method and their name."""

    name: str
    path: Path
    label: str
    parameters: dict[str, Parameter]
    task: Expr
    executed: Executed
    ranges: Ranges
    finished: Expr
    ends: list[Suspension]
    cells: dict[tuple[int, str], LocalTable] = field(default_factory=dict)
    arrivals: list[Arrival] = field(default_factory=list)
    kept: set[str] = field(default_factory=set)
    """The names of the tables that this part or one after it reads."""


def after(part: ProcessPart, at_end: Callable[[Suspension], Expr], idle: Expr) -> Expr:
    """Return what is so after a part: ``at_end`` of where it stops, or ``idle``."""
    result = idle
    for k, end in enumerate(part.ends):
        first = k == 0 and part.finished is ir.FALSE
        result = at_end(end) if first else ir.ite(end.condition, at_end(end), result)
    return result
