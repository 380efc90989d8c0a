# SPDX-License-Identifier: GPL-2.0-only
"""The functions of the spec language: `len`, `min`, `max`, and what is `unchanged`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from poolproof.checker.core import ir
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.ir import Expr
from poolproof.checker.elaborate import operators
from poolproof.checker.elaborate.values import Operand
from poolproof.checker.spec.reading import Env, Reading
from poolproof.checker.spec.syntax import CallExpr, Expression, Name, start
from poolproof.model.language import LEFT


class Arguments(Protocol):
    """What the arguments of a call mean."""

    def read(self, e: Expression, env: Env, strong: bool, /) -> Operand: ...
    def collection(self, e: Expression, env: Env) -> Operand: ...
    def arity(
        self, e: Name, names: Sequence[str], arguments: Sequence[Expression]
    ) -> None: ...
    def mistake(self, e: Name | CallExpr, message: str) -> UserError: ...


class Functions:
    """Calls of the functions in one property."""

    def __init__(self, reading: Reading, meanings: Arguments) -> None:
        self.reading, self.meanings = reading, meanings
        self.by_name: dict[str, Callable[[CallExpr, Env], Expr]] = {
            "len": self.length,
            "min": self.extremum,
            "max": self.extremum,
            "unchanged": self.unchanged,
            "unchanged_but": self.unchanged_but,
        }

    def length(self, e: CallExpr, env: Env) -> Expr:
        self.meanings.arity(e.function, ["set"], e.arguments)
        (of,) = e.arguments
        return operators.size(self.meanings.collection(of, env), self.reading.at(of))

    def extremum(self, e: CallExpr, env: Env) -> Expr:
        operands = (self.meanings.read(a, env, False) for a in e.arguments)
        at = self.reading.at(e)
        return operators.extremum(e.function.text, len(e.arguments), operands, at)

    def of_step(self, e: CallExpr, env: Env) -> None:
        """Raise UserError if the property is not about steps, or the call is inside
        something of the state after."""
        name, kind = e.function.text, self.reading.claim.kind
        if not kind.of_steps:
            raise self.meanings.mistake(
                e,
                f"`{name}` is about a step, which "
                f"`{kind.value}` does not have: write a step property",
            )
        if env.primed:
            raise self.meanings.mistake(e, f"`{name}` is about both states already")

    def unchanged_but(self, e: CallExpr, env: Env) -> Expr:
        """Return that all fields are as before, but for those named, and for the
        number of failures that are left."""
        self.of_step(e, env)
        but = {LEFT}
        for a in e.arguments:
            field = self.meanings.read(a, env, False).value
            if isinstance(field, Expr) and field.op == "var":
                but.add(field.data[0])
            elif not (isinstance(a, Name) and self.reading.names.kind_of(a.text)):
                raise self.reading.mistake(
                    start(a), "name fields here: `unchanged_but(failed, cursor)`"
                )
        fields = (v for v in self.reading.names.system.variables if v.name not in but)
        return ir.and_(*(ir.eq(v.next, v.now) for v in fields))

    def unchanged(self, e: CallExpr, env: Env) -> Expr:
        self.of_step(e, env)
        if not e.arguments:
            return self.unchanged_but(e, env)
        following = replace(env, primed=True, deep=True)

        def state(a: Expression, env: Env) -> Expr:
            return operators.coerce(
                self.meanings.read(a, env, False), None, self.reading.at(a)
            )

        return ir.and_(
            *(ir.eq(state(a, following), state(a, env)) for a in e.arguments)
        )
