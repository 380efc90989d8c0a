# SPDX-License-Identifier: GPL-2.0-only
"""Guesses of what a program's place says of the state, for proofs at open sizes.

A *mark* is a place at which a group of a task's calls begins or ends. Guessed is that
between, before or beyond marks a row of a table that the task's calls name is as at
the start, or is not, or is one of their arguments; that of a row that a `repeat` goes
through, the cells before its turn are changed, and the others are not; that a task
waits where it should; and that beyond a mark some call has failed.

A guess is proved before it is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from poolproof.checker.core import ir
from poolproof.checker.core.ir import BOOL, INT, Expr
from poolproof.checker.core.system import TransitionSystem, Variable
from poolproof.checker.spec.open_scenario import OpenCalls, OpenPrograms
from poolproof.checker.spec.scenario import FAILED


def phase_guesses(system: TransitionSystem, found: OpenPrograms) -> tuple[Expr, ...]:
    """Return guesses about the states of the programs' product with a design;
    ``system`` is the design's."""
    places = found.places()
    guesses: list[Expr] = []
    for task, calls in found.tasks.items():
        place = places[task].now
        guesses += _Phases(system, place, calls).guesses()
        for group in calls:
            for other, n in group.after:
                waited = ir.le(n, places[other].now)
                guesses.append(ir.or_(ir.le(place, group.first), waited))
    return tuple(dict.fromkeys(g for g in guesses if g is not ir.TRUE))


@dataclass(frozen=True)
class _Phases:
    """One task's calls, and its place."""

    system: TransitionSystem
    place: Expr
    calls: tuple[OpenCalls, ...]

    def guesses(self) -> Iterator[Expr]:
        failed = ir.var(FAILED, BOOL)
        for mark in self.marks:
            yield ir.or_(failed, ir.le(self.place, mark))
        for v in self.system.variables:
            for row in self.rows(v):
                yield from self.of_row(v, row)

    @property
    def marks(self) -> tuple[Expr, ...]:
        ends = (e for group in self.calls for e in (group.first, group.end))
        return tuple(dict.fromkeys(ends))

    def phases(self) -> Iterator[Expr]:
        """Yield conditions on the place that say between which marks it is."""
        for mark in self.marks:
            yield ir.le(self.place, mark)
            yield ir.lt(mark, self.place)
        for low, high in pairwise(self.marks):
            yield ir.and_(ir.lt(low, self.place), ir.le(self.place, high))

    def values(self, sort: ir.Sort) -> tuple[Expr, ...]:
        """Return the arguments of the sort that are one for all calls of a group."""
        every = (e for group in self.calls for e in group.at(self.place).values())
        fixed = (
            e for e in every if e.sort is sort and self.place not in ir.subterms(e)
        )
        return tuple(dict.fromkeys(fixed))

    def rows(self, v: Variable) -> tuple[Expr, ...]:
        """Return the elements that the calls name and that are a first index of the
        table."""
        sort = v.index[0].sort if v.index else None
        return () if sort is None or sort is INT else self.values(sort)

    def of_row(self, v: Variable, row: Expr) -> Iterator[Expr]:
        if v.init is None or v.init.op != "fill":
            return
        rest = [ir.local(f"p{k}#phase {v.name}", d) for k, d in enumerate(v.index[1:])]
        cell = ir.select(v.now, row, *rest)
        same = ir.eq(cell, v.init.args[0])
        for phase in self.phases():
            for truth in (same, ir.not_(same)):
                yield ir.nested("all", rest, ir.implies(phase, truth))
            for value in self.values(v.element) if not rest else ():
                yield ir.implies(phase, ir.eq(cell, value))
        if len(rest) == 1 and rest[0].sort is INT:
            yield from self.turns(rest, same)

    def turns(self, rest: list[Expr], same: Expr) -> Iterator[Expr]:
        """Yield that the cells that a `repeat` has gone through are changed, for ever
        or until one of the next marks, and that no others are."""
        for group in self.calls:
            for at in group.at(self.place).values():
                if at.sort is not INT or self.place not in ir.subterms(at):
                    continue
                gone = ir.lt(rest[0], at)
                yield ir.nested("all", rest, ir.or_(gone, same))
                changed = ir.or_(ir.not_(gone), ir.not_(same))
                yield ir.nested("all", rest, changed)
                for mark in self.marks:
                    later = ir.lt(mark, self.place)
                    until = ir.or_(later, ir.not_(gone), ir.not_(same))
                    yield ir.nested("all", rest, until)
