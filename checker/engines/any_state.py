# SPDX-License-Identifier: GPL-2.0-only
"""Questions to z3 about an arbitrary state within the declared ranges. No engine goes
on from a state outside them.

The limit is a number of z3's steps, not a time, and each state has a context of its
own: earlier questions of this process change no answer.
"""

from __future__ import annotations

from collections.abc import Iterable

import z3

from poolproof.checker.backends.smt import (
    Integers,
    Lowering,
    Number,
    Term,
    Value,
    negation,
    unknown,
)
from poolproof.checker.core.interval import Interval
from poolproof.checker.core.ir import BOOL, Expr, SetSort, Sort
from poolproof.checker.core.limits import left, look
from poolproof.checker.core.ranges import declared
from poolproof.checker.core.system import Action, TransitionSystem
from poolproof.checker.engines import effort
from poolproof.checker.engines.interruptible import handle_interrupts


class Late(Exception):
    """The time was up."""


class AnyState:
    """The state, and what is given about it. ``work`` limits all questions together,
    in units of `effort`."""

    def __init__(self, system: TransitionSystem, work: int) -> None:
        self.system, self.work = system, work
        self.encoding = Integers()
        self.solver = z3.Solver(ctx=z3.Context())
        now = [
            self.any_of(c.name, c.variable.element, declared(c.variable))
            for c in system.cells
        ]
        self.low = Lowering(system, self.encoding, now)

    def any_of(self, name: str, sort: Sort, within: Interval) -> Value:
        """Return an unknown within an interval."""
        if sort is BOOL or isinstance(sort, SetSort):
            return unknown(self.encoding, name, sort, None)
        value = self.encoding.fresh(name, *within)
        if value.known is None:
            free = Number(value.term, None, None)
            self.given([self.encoding.within(free, *within)])
        return value

    def arguments(self, action: Action, label: str = "") -> dict[Expr, Value]:
        """Return unknowns for an action's arguments."""
        return {
            p.local: self.any_of(
                f"argument {p.name}{label}",
                p.local.sort,
                (p.domain.lo, p.domain.hi),
            )
            for p in action.parameters
        }

    def given(self, terms: Iterable[Term]) -> None:
        self.solver.add(*(t.translate(self.solver.ctx) for t in terms))

    def follows(self, claim: Term) -> bool:
        """Return whether z3 proves the claim; False also if the work is used up.
        Raise Late if the time was already over."""
        if z3.is_true(claim):
            return True
        handle_interrupts()
        look()
        self.solver.push()
        self.given([negation(claim)])
        work = self.work - effort.worked(self.solver)
        answer = effort.check(self.solver, work, left())
        why = self.solver.reason_unknown() if answer == z3.unknown else ""
        self.solver.pop()
        if answer == z3.unknown and work > 0 and "resource" not in why:
            raise Late
        return bool(answer == z3.unsat)
