# SPDX-License-Identifier: GPL-2.0-only
"""Calls that may fail: an action gets a parameter that says which one does.

Its values are the calls by name, each as often as a path of the action comes to
it. How often that was so far is kept in the store beside the variables, so that
branches are merged as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import TypeVar

from poolproof.checker.core import ir
from poolproof.checker.core.ir import Expr
from poolproof.checker.core.system import Parameter
from poolproof.model.language import FAILS, LEFT, NONE_FAILS, choice

Made = TypeVar("Made")


@dataclass
class Choices:
    """The choice of the call that fails in an action. ``times`` is the greatest number
    of times that a path comes to each call. With ``counting`` these numbers are still
    being determined, and there is no parameter yet."""

    action: str
    times: dict[str, int] = field(default_factory=dict)
    counting: bool = False
    met: dict[str, Expr] = field(default_factory=dict)
    """By choice: the action comes to that call, and it is chosen."""

    def __post_init__(self) -> None:
        labels = [choice(c, n) for c, most in self.times.items() for n in _upto(most)]
        self.sort = ir.enum_sort("Failure", (NONE_FAILS, *labels))
        domain = ir.Domain(self.sort, 0, len(labels))
        local = ir.local(f"{FAILS}#{self.action}", domain)
        self.parameter = Parameter(FAILS, local, implicit=True)
        self._unknown = count()

    def start(self) -> Mapping[str, Expr]:
        """Return the counts that the store has when the action starts, beside the
        variables."""
        return {} if self.counting else {_times(c): ir.num(0) for c in self.times}

    def is_chosen(self, label: str) -> Expr:
        """Return the condition that the call of that name fails."""
        raw = self.sort.labels.index(label)
        return ir.eq(self.parameter.local, ir.const(self.sort, raw))

    @property
    def possible(self) -> Expr:
        """True if the action came to the call that should fail, if any; always while
        calls are counted, because there is no choice yet."""
        if self.counting:
            return ir.TRUE
        return ir.or_(self.is_chosen(NONE_FAILS), *self.met.values())

    def call(self, call: str, store: dict[str, Expr], reached: Expr) -> Expr:
        """Return the condition that the call fails at a point, where the store has the
        variables and is changed, if it is ``reached``."""
        if self.counting:
            self.times[call] = self.times.get(call, 0) + 1
            unknown = f"{FAILS}{next(self._unknown)}#{self.action}"
            return ir.local(unknown, ir.Domain(ir.BOOL, 0, 1))
        so_far = store.get(_times(call), ir.num(0))
        store[_times(call)] = ir.add(so_far, ir.num(1))
        fails = []
        for n in _upto(self.times.get(call, 0)):
            label = choice(call, n)
            here = ir.and_(ir.eq(so_far, ir.num(n - 1)), self.is_chosen(label))
            met = self.met.get(label, ir.FALSE)
            self.met[label] = ir.or_(met, ir.and_(reached, here))
            fails.append(here)
        return ir.or_(*fails)

    def narrowed(self) -> Choices:
        """Return the choices without those that no path comes to."""
        met = {label for label, c in self.met.items() if c is not ir.FALSE}
        times = {
            call: sum(choice(call, n) in met for n in _upto(most))
            for call, most in self.times.items()
        }
        return Choices(self.action, {c: n for c, n in times.items() if n})

    def left(self, final: Mapping[str, Expr]) -> Expr:
        """Return what is left of the failures at the end of the action."""
        now = final[LEFT]
        return ir.ite(self.is_chosen(NONE_FAILS), now, ir.sub(now, ir.num(1)))


def settled(action: str, run: Callable[[Choices], Made]) -> tuple[Made, Choices | None]:
    """Return the result of ``run`` for an action, and the choices of the call that
    fails; None for these if no call may fail. Which calls there are is known only
    after the text is executed, so it is executed more than once."""
    choices = Choices(action, counting=True)
    made = run(choices)
    if not choices.times:
        return made, None
    while choices.counting or choices.narrowed().times != choices.times:
        times = choices.times if choices.counting else choices.narrowed().times
        choices = Choices(action, times)
        made = run(choices)
    return made, choices


def _upto(most: int) -> range:
    return range(1, most + 1)


def _times(call: str) -> str:
    """The store's key for how often a path came to the call; no variable."""
    return f"?{call}"
