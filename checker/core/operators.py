# SPDX-License-Identifier: GPL-2.0-only
"""The table of all operators of the IR.

Each reading of the IR (values, intervals, text, Python, C, z3) is an algebra:
a function for each of these operators, see `poolproof.checker.core.fold`.
"""

from __future__ import annotations

from dataclasses import dataclass

from poolproof.checker.core.sorts import SortError


@dataclass(frozen=True)
class Operator:
    """One row of the table: ``least`` and ``most`` (None: any) arguments, and
    ``symbol`` and ``binding``, which print it (higher binds tighter)."""

    name: str
    least: int
    most: int | None
    symbol: str
    binding: int = 9

    def check(self, count: int) -> None:
        """Raise SortError for too few or too many arguments."""
        if count < self.least or (self.most is not None and count > self.most):
            raise SortError(f"{self.name} does not take {count} arguments")


OPERATORS: dict[str, Operator] = {
    o.name: o
    for o in (
        Operator("not", 1, 1, "not", 3),
        Operator("and", 1, None, "and", 2),
        Operator("or", 1, None, "or", 1),
        Operator("eq", 2, 2, "==", 4),
        Operator("lt", 2, 2, "<", 4),
        Operator("le", 2, 2, "<=", 4),
        Operator("add", 1, None, "+", 6),
        Operator("sub", 2, 2, "-", 6),
        Operator("mul", 2, 2, "*", 7),
        Operator("div", 2, 2, "//", 7),
        Operator("mod", 2, 2, "%", 7),
        Operator("min", 2, 2, "min"),
        Operator("max", 2, 2, "max"),
        Operator("ite", 3, 3, "if"),
        Operator("in", 2, 2, "in", 4),
        Operator("union", 2, 2, "|", 5),
        Operator("inter", 2, 2, "&", 5),
        Operator("diff", 2, 2, "-", 6),
        Operator("single", 1, 1, "{}"),
        Operator("card", 1, 1, "len"),
        Operator("select", 2, None, "[]"),
        Operator("store", 3, None, "[:=]"),
        Operator("fill", 1, 1, "fill"),
        Operator("map", 1, 1, "map"),
        Operator("sum", 1, 1, "sum"),
        Operator("all", 1, 1, "all"),
        Operator("any", 1, 1, "any"),
        Operator("setof", 1, 1, "setof"),
        Operator("first", 1, 1, "first"),
        Operator("const", 0, 0, ""),
        Operator("param", 0, 0, ""),
        Operator("var", 0, 0, ""),
        Operator("local", 0, 0, ""),
    )
}

BINDERS = frozenset(("sum", "all", "any", "setof", "first"))
"""The operators that bind a variable in their one argument."""
