# SPDX-License-Identifier: GPL-2.0-only
"""An int whose value z3 knows: methods run on it under CPython as they are.

Arithmetic builds z3 terms. Whatever needs to know a value - a comparison, a
condition, a dictionary, an index - takes one branch, and `paths` runs the
function again for each other branch that the path so far leaves open.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import z3

Result = TypeVar("Result")


class TooManyPaths(Exception):
    """More than the given number of paths."""


class Path:
    """One run: the values that its choices take. Those that ``taken`` does
    not say are found, and their alternatives noted in ``todo``."""

    def __init__(self, solver: Any, taken: list[Any], todo: list[list[Any]]) -> None:
        self.solver, self.taken, self.todo = solver, taken, todo
        self.position = 0
        self.known: dict[int, tuple[Any, Any]] = {}

    def choose(self, term: Any) -> Any:
        """The value (an int or a bool) that this path gives to the term."""
        if isinstance(term, int):
            return term
        key = term.get_id()
        if key not in self.known:  # which keeps the term, and so its id
            self.known[key] = term, self._value(z3.simplify(term))
        return self.known[key][1]

    def _value(self, term: Any) -> Any:
        if z3.is_int_value(term) or z3.is_true(term) or z3.is_false(term):
            return _python(term)
        key = term.get_id()
        if key in self.known:
            return self.known[key][1]
        if self.position == len(self.taken):
            first, *others = self._possible(term)
            self.todo += [[*self.taken, value] for value in others]
            self.taken.append(first)
        value = self.taken[self.position]
        self.position += 1
        self.solver.add(term == value)
        self.known[key] = term, value
        return value

    def _possible(self, term: Any) -> list[Any]:
        if z3.is_bool(term):
            if self.solver.check(term) == z3.unsat:
                return [False]
            certain = self.solver.check(z3.Not(term)) == z3.unsat
            return [True] if certain else [True, False]
        values: list[Any] = []
        self.solver.push()
        while self.solver.check() == z3.sat:
            value = self.solver.model().eval(term, model_completion=True)
            values.append(_python(value))
            self.solver.add(term != value)
            if len(values) > 64:
                raise TooManyPaths
        self.solver.pop()
        return values


def _python(value: Any) -> Any:
    return value.as_long() if z3.is_int_value(value) else z3.is_true(value)


def paths(
    assumed: list[Any], run: Callable[[Path], Result], most: int
) -> Iterator[tuple[Any, Result]]:
    """What ``run`` returns on each path under the assumptions, with a solver
    that holds the path's condition."""
    solver = z3.SimpleSolver()
    solver.add(*assumed)
    todo: list[list[Any]] = [[]]
    for _ in range(most):
        solver.push()
        yield solver, run(Path(solver, todo.pop(), todo))
        solver.pop()
        if not todo:
            return
    raise TooManyPaths


class SymbolicInt:
    """Says that it is an int. ``term`` is a z3 term, an int once chosen."""

    __class__ = property(lambda _: int)  # type: ignore[assignment]

    def __init__(self, path: Path, term: Any) -> None:
        self.path, self.term = path, term

    def __index__(self) -> int:
        self.term = self.path.choose(self.term)
        return int(self.term)

    __int__ = __index__

    def __hash__(self) -> int:
        return hash(self.__index__())

    def __bool__(self) -> bool:
        return bool(self != 0)

    def __rshift__(self, k: int) -> int:
        return self.__index__() >> k

    def __neg__(self) -> SymbolicInt:
        return SymbolicInt(self.path, -self.term)


def term_of(value: Any) -> Any:
    """The z3 term, or the int, that an int's value is."""
    return value.term if type(value) is SymbolicInt else int(value)


def _divided(a: Any, b: int) -> Any:
    return a // b if isinstance(a, int) else a / b  # z3's / rounds as // if b > 0


for name, build in {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "floordiv": _divided,
    "mod": operator.mod,
}.items():

    def method(self: Any, other: Any, build: Any = build) -> Any:
        return SymbolicInt(self.path, build(self.term, term_of(other)))

    def reflected(self: Any, other: Any, build: Any = build) -> Any:
        return SymbolicInt(self.path, build(term_of(other), self.term))

    setattr(SymbolicInt, f"__{name}__", method)
    setattr(SymbolicInt, f"__r{name}__", reflected)

for name in ("lt", "le", "gt", "ge", "eq", "ne"):

    def compared(self: Any, other: Any, build: Any = getattr(operator, name)) -> Any:  # noqa: B008
        if not isinstance(other, int):
            return NotImplemented
        return self.path.choose(build(self.term, term_of(other)))

    setattr(SymbolicInt, f"__{name}__", compared)
