# SPDX-License-Identifier: GPL-2.0-only
"""Whether an action commutes with the permutations of a scalarset, asked of z3.

It does if each of its expressions equals its image under each exchange of
neighbours, for all arguments and in all states within the declared ranges (no
engine goes on from another one). If guard and obligations are equivariant, then
updates, result and the kernel's assertions need to be so only where they hold.

z3 is held to a number of steps, not to a time, and each question has a context of
its own: what was asked before in this process changes no answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import z3  # type: ignore[import-untyped]

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
from poolproof.checker.core.ir import (
    BOOL,
    Expr,
    ScalarSort,
    SetSort,
    Sort,
    expand,
)
from poolproof.checker.core.limits import SECOND, left, look
from poolproof.checker.core.property import Property
from poolproof.checker.core.ranges import declared
from poolproof.checker.core.system import Action, TransitionSystem
from poolproof.checker.engines import effort
from poolproof.checker.engines.interruptible import handle_interrupts
from poolproof.checker.passes.equivariance import Equivariance, partial_domain

_MOST = 10 * SECOND
"""Units of work for one action (checker.engines.effort)."""


def equivariant(
    system: TransitionSystem,
    assertions: Sequence[Property],
    action: Action,
    sort: ScalarSort,
) -> bool | None:
    """Return whether z3 proves the action and its assertions equivariant, False also
    if that takes too many steps; None if the time was up before."""
    question = _Question(system, action, sort)
    try:
        return all(question.commutes(k, assertions) for k in range(sort.size - 1))
    except _Late:
        return None


class _Late(Exception):
    """The time was up."""


class _Question:
    """The action in an arbitrary state, with arbitrary arguments."""

    def __init__(
        self, system: TransitionSystem, action: Action, sort: ScalarSort
    ) -> None:
        self.system, self.action, self.sort = system, action, sort
        self.images = Equivariance(sort)
        self.encoding = Integers()
        self.solver = z3.Solver(ctx=z3.Context())
        now = [
            self.any_of(c.name, c.variable.element, declared(c.variable))
            for c in system.cells
        ]
        self.low = Lowering(system, self.encoding, now)
        for p in action.parameters:
            within = p.domain.lo, p.domain.hi
            value = self.any_of(f"argument {p.name}", p.local.sort, within)
            self.low.locals[p.local] = value

    def any_of(self, name: str, sort: Sort, within: Interval) -> Value:
        """Return an unknown within an interval."""
        if sort is BOOL or isinstance(sort, SetSort):
            return unknown(self.encoding, name, sort, None)
        value = self.encoding.fresh(name, *within)
        if value.known is None:
            free = Number(value.term, None, None)
            self.given([self.encoding.within(free, *within)])
        return value

    def given(self, terms: Iterable[Term]) -> None:
        self.solver.add(*(t.translate(self.solver.ctx) for t in terms))

    def commutes(self, k: int, assertions: Sequence[Property]) -> bool:
        """Return whether z3 proves it for the exchange of elements k and k + 1."""
        a = self.action
        due = [o.formula for o in a.obligations]
        always = [*due, *(assumed.cut for assumed in a.assumptions), a.guard]
        if not all(self.same(e, k, self.low) for e in always):
            return False
        taken = list(a.updates.values())
        if a.result is not None:
            taken.append(a.result)
        self.solver.push()
        self.given(self.low.all([a.guard, *due]))
        fine = all(self.same(e, k, self.low) for e in taken)
        if fine and assertions:
            step = self.step()
            fine = all(self.same(p.formula, k, step) for p in assertions)
        self.solver.pop()
        return fine

    def step(self) -> Lowering:
        """Return the lowering of formulas about the action's step."""
        after = list(self.low.now)
        for name, update in self.action.updates.items():
            value = self.low(update)
            cells = value if isinstance(value, dict) else {(): value}
            for index, cell in cells.items():
                after[self.system.cell_of[name, index]] = cell
        known = dict(self.low.locals)
        if self.action.result is not None:
            known[self.action.returned] = self.low(self.action.result)
        return Lowering(self.system, self.encoding, self.low.now, after, known)

    def same(self, e: Expr, k: int, low: Lowering) -> bool:
        """Return whether z3 proves that e equals its image."""
        e = expand(e)
        if partial_domain(e, self.sort) is not None:
            return False
        x, y = low.all(self.images.apart(e, k))
        if isinstance(x, dict) and isinstance(y, dict):
            return all(self.follows(low.equal(x[at], y[at])) for at in x)
        return self.follows(low.equal(x, y))

    def follows(self, claim: Term) -> bool:
        if z3.is_true(claim):
            return True
        handle_interrupts()
        look()
        self.solver.push()
        self.given([negation(claim)])
        work = _MOST - effort.worked(self.solver)
        answer = effort.check(self.solver, work, left())
        why = self.solver.reason_unknown() if answer == z3.unknown else ""
        self.solver.pop()
        if answer == z3.unknown and work > 0 and "resource" not in why:
            raise _Late
        return bool(answer == z3.unsat)
