# SPDX-License-Identifier: GPL-2.0-only
"""Proofs by z3 that an action commutes with the permutations of a scalarset.

It does if each of its expressions equals its image under each exchange of
neighbours, for all arguments and in all states within the declared ranges. If guard
and obligations are equivariant, then updates, result and the kernel's assertions need
to be so only where they hold.
"""

from __future__ import annotations

from collections.abc import Sequence

from poolproof.checker.backends.smt import Lowering
from poolproof.checker.core.ir import Expr, ScalarSort, expand
from poolproof.checker.core.limits import SECOND
from poolproof.checker.core.property import Property
from poolproof.checker.core.system import Action, TransitionSystem
from poolproof.checker.engines.any_state import AnyState, Late
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
    except Late:
        return None


class _Question:
    """The action in an arbitrary state, with arbitrary arguments."""

    def __init__(
        self, system: TransitionSystem, action: Action, sort: ScalarSort
    ) -> None:
        self.action, self.sort = action, sort
        self.images = Equivariance(sort)
        self.state = AnyState(system, _MOST)
        self.low = self.state.low
        self.low.locals.update(self.state.arguments(action))

    def commutes(self, k: int, assertions: Sequence[Property]) -> bool:
        """Return whether z3 proves it for the exchange of elements k and k + 1."""
        a, state = self.action, self.state
        due = [o.formula for o in a.obligations]
        always = [*due, *(assumed.cut for assumed in a.assumptions), a.guard]
        if not all(self.same(e, k, self.low) for e in always):
            return False
        taken = list(a.updates.values())
        if a.result is not None:
            taken.append(a.result)
        state.solver.push()
        state.given(self.low.all([a.guard, *due]))
        fine = all(self.same(e, k, self.low) for e in taken)
        if fine and assertions:
            step = self.step()
            fine = all(self.same(p.formula, k, step) for p in assertions)
        state.solver.pop()
        return fine

    def step(self) -> Lowering:
        """Return the lowering of formulas about the action's step."""
        result = self.action.result
        return self.low.of_step(
            self.action,
            self.low.state_after(self.action),
            None if result is None else self.low(result),
        )

    def same(self, e: Expr, k: int, low: Lowering) -> bool:
        """Return whether z3 proves that e equals its image."""
        e = expand(e)
        if partial_domain(e, self.sort) is not None:
            return False
        x, y = low.all(self.images.apart(e, k))
        if isinstance(x, dict) and isinstance(y, dict):
            return all(self.state.follows(low.equal(x[at], y[at])) for at in x)
        return self.state.follows(low.equal(x, y))
