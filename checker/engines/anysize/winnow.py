# SPDX-License-Identifier: GPL-2.0-only
"""Houdini over many guesses at once.

One query per action covers all clauses of a shape: can a step from a state that
satisfies all of them violate one? If z3 finds such a state, the violated clauses are
dropped. The remaining ones are preserved as far as z3 could decide, and are worth
checking one by one: nothing here is a proof. After Flanagan and Leino, "Houdini, an
annotation assistant for ESC/Java" (2001).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from poolproof.checker.core import ir
from poolproof.checker.core.ir import Expr
from poolproof.checker.core.limits import tick
from poolproof.checker.core.system import Action, TransitionSystem
from poolproof.checker.engines.anysize.questions import FoundState, Question

_ROUNDS = 40
"""Upper limit on the queries for one action."""


@dataclass
class Clauses:
    """Clauses about the elements that the binders stand for."""

    binders: tuple[Expr, ...]
    left: list[Expr] = field(default_factory=list)

    @property
    def formula(self) -> Expr:
        """Return the conjunction of the remaining clauses, for all elements."""
        return ir.nested("all", self.binders, ir.and_(*self.left))


@dataclass
class Winnow:
    """Finds the clauses that all actions preserve. ``after`` gives a formula after an
    action's step, over the state before; ``question`` has all facts but the clauses."""

    system: TransitionSystem
    groups: Sequence[Clauses]
    after: Callable[[Expr, Action], Expr]
    at_start: Callable[[Expr], Expr]
    question: Callable[[Action | None], Question]

    def go(self) -> None:
        """Drop clauses until every action keeps those that are left."""
        for group in self.groups:
            self.drop(group, None)
        changed = True
        while changed:
            changed = False
            for action in self.system.actions:
                for group in self.groups:
                    changed |= self.drop(group, action)

    def drop(self, group: Clauses, action: Action | None) -> bool:
        """Leave out what the action loses; whether it lost any."""
        lost = False
        for _ in range(_ROUNDS):
            tick(100)
            later = self.later(group, action)
            if not later:
                return lost
            question = self.question(action)
            if action is not None:
                for number, other in enumerate(self.groups):
                    if other.left:
                        question.know(f"rows {number}", other.formula)
            question.shallow = True
            question.deny(ir.and_(*later.values()))
            answer = question.ask()
            if answer.proved:
                return lost
            gone = self.false(answer.state, later)
            if not gone:
                break
            lost = True
            group.left = [c for c in group.left if c not in gone]
        group.left = [c for c in group.left if c not in self.later(group, action)]
        return True

    def later(self, group: Clauses, action: Action | None) -> dict[Expr, Expr]:
        """Return the clauses that the action may lose, each as it is after the step
        at unknown elements."""
        by = {b: ir.local(f"row!{b.data[0]}", b.data[1]) for b in group.binders}
        found = {}
        for clause in group.left:
            after = self.at_start(clause)
            if action is not None:
                after = self.after(clause, action)
                if after is clause:
                    continue
            after = ir.substitute(after, by)
            if after is not ir.TRUE:
                found[clause] = after
        return found

    def false(self, state: FoundState | None, later: dict[Expr, Expr]) -> set[Expr]:
        if state is None:
            return set()
        return {c for c, after in later.items() if state.is_false(after)}
