# SPDX-License-Identifier: GPL-2.0-only
"""Where an action stops at a `yield`, and how it goes on from there.

The executor reads a method from its first statement. For the part of an action
after a `yield` it goes down the *path* to that `yield` first: the position of the
statement in each block, which branch, which round of a loop. Paths in
lexicographic order are the order of the text with its loops unrolled, so a part
never leads to an earlier one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from poolproof.checker.core.ir import Expr
from poolproof.checker.frontend.cursor import Cursor, Frame, Value

Path = tuple[int, ...]


@dataclass
class Activation:
    """A method in the middle of its text: its locals there, the loops around, and
    the `yield` or `yield from` at which it is."""

    frame: Frame
    locals: dict[str, Value]
    loops: dict[str, Expr] = field(default_factory=dict)
    node: ast.expr | None = None

    def copy(self) -> Activation:
        return Activation(self.frame, dict(self.locals), dict(self.loops), self.node)


@dataclass(frozen=True)
class Suspension:
    """An end of a part at a `yield`, under ``condition``: the variables there, and
    the methods that are being executed, the action first. ``received`` is the
    name and the annotation of `name: DOMAIN = yield`."""

    path: Path
    condition: Expr
    vars: dict[str, Expr]
    stack: tuple[Activation, ...]
    node: ast.Yield
    label: str
    received: tuple[str, ast.expr] | None


@dataclass
class Yields:
    """Where the executor is in an action that yields. ``way`` is what remains of
    the path that leads to where this part begins; None once it is there.
    ``resumed`` are the methods that were being executed at that place."""

    way: list[int] | None = None
    resumed: tuple[Activation, ...] = ()
    path: list[int] = field(default_factory=list)
    stack: list[Activation] = field(default_factory=list)
    found: list[Suspension] = field(default_factory=list)

    def first(self) -> int:
        """Return the next number of the way; 0 if the part has begun."""
        return self.way.pop(0) if self.way else 0

    @contextmanager
    def at(self, number: int) -> Iterator[None]:
        """Go down the path within."""
        self.path.append(number)
        try:
            yield
        finally:
            self.path.pop()

    def arrived(self) -> bool:
        """Return whether this `yield` is where the part begins; if so, it has
        begun."""
        if self.way is None:
            return False
        assert not self.way
        self.way = None
        return True

    def suspend(
        self,
        cursor: Cursor,
        node: ast.Yield,
        label: str,
        received: tuple[str, ast.expr] | None,
    ) -> None:
        """Note that the part ends here. Raise UserError where the text has given
        another value to a loop's variable."""
        self.stack[-1].locals, self.stack[-1].node = cursor.store.locals, node
        for activation in self.stack:
            for name, item in activation.loops.items():
                if activation.locals.get(name, item) is not item:
                    raise cursor.at(node).mistake(
                        f"{name!r} is what the loop runs over: assign to another name"
                    )
        self.found.append(
            Suspension(
                tuple(self.path),
                cursor.pc,
                dict(cursor.store.vars),
                tuple(a.copy() for a in self.stack),
                node,
                label,
                received,
            )
        )
