# SPDX-License-Identifier: GPL-2.0-only
"""A method's text to expressions: the accepted subset, by symbolic execution.

Both branches of an `if` are executed and merged with if-then-else; loops over
a domain are unrolled; helper methods are inlined. Everything is expressed
over the state before the action. Syntax outside the subset is refused at the
user's own line and column, with what to write instead (refusals.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import FunctionType

from poolproof.checker.core import ir
from poolproof.checker.core.ir import Expr
from poolproof.checker.core.source import method_tree
from poolproof.checker.elaborate import operators
from poolproof.checker.elaborate.values import Operand
from poolproof.checker.frontend.calls import outcome
from poolproof.checker.frontend.cursor import (
    Cursor,
    Effects,
    Frame,
    Ref,
    Store,
    Value,
    Written,
    forwarded_to,
)
from poolproof.checker.frontend.expressions import Expressions
from poolproof.checker.frontend.names import Names
from poolproof.checker.frontend.statements import Statements


@dataclass(frozen=True)
class Executed:
    """The result of executing a method: the variables' final values, the value returned
    (None: nothing) and what was collected on the way."""

    final: dict[str, Expr]
    value: Value
    effects: Effects
    end: Cursor

    def result(self, sort: ir.Sort | None) -> Expr:
        """Return the value returned, of the sort."""
        called = f"what {self.end.frame.function.__name__} returns"
        at = Written(self.end, self.end.frame.tree, called=called)
        return operators.coerce(Operand(self.value), sort, at)


def execute(
    effects: Effects,
    this: Ref,
    function: FunctionType,
    arguments: Mapping[str, Value],
) -> Executed:
    """Execute an action or observer. Raises UserError for syntax outside the
    subset, and for values that do not fit."""
    this, function = forwarded_to(this, function)
    start = Store({name: v.now for name, v in effects.variables.items()}, {})
    if effects.choices is not None:
        start.vars.update(effects.choices.start())
    frame = Frame(this, function, *method_tree(function))
    cursor = Cursor(effects, frame, start, ir.TRUE)
    calls = Statements(Expressions(Names(effects))).calls
    final, value = outcome(frame, calls.run(cursor, frame, arguments))
    return Executed(final, value, effects, cursor)
