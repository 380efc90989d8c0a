# SPDX-License-Identifier: GPL-2.0-only
"""Classes bound to sizes.

In the methods of a design's instance, names of bounds, domains and features mean
that instance's values. The class is copied, and its methods get a namespace in
which `V` is 3 and `VMAS` can be iterated.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable
from types import CellType, FunctionType
from typing import Any

from poolproof.model.language.declarations import LANGUAGE
from poolproof.model.language.domains import (
    Arithmetic,
    Binding,
    Bound,
    Domain,
    Feature,
)
from poolproof.model.language.methods import closure


def _any(conditions: Iterable[object]) -> bool:
    return builtins.any([bool(c) for c in conditions])


def _all(conditions: Iterable[object]) -> bool:
    return builtins.all([bool(c) for c in conditions])


class Twins:
    """Copies of classes whose methods see bound domains, bounds, features."""

    def __init__(self, binding: Binding) -> None:
        self.binding = binding
        self.classes: dict[type, type] = {}
        self.namespaces: dict[int, dict[str, Any]] = {}

    def bound(self, value: Any) -> Any:
        match value:
            case Domain():
                return self.binding.values(value)
            case Bound() | Arithmetic():
                return self.binding.size(value)
            case Feature():
                return self.binding.on(value)
            case _:
                return value

    def twin(self, cls: type) -> type:
        if cls.__module__ in LANGUAGE:
            return cls
        if cls not in self.classes:
            bases = tuple(self.twin(b) for b in cls.__bases__)
            around = CellType()
            body = {
                k: self.function(v, around)
                if isinstance(v, FunctionType)
                else self.bound(v)
                for k, v in vars(cls).items()
                if k not in ("__dict__", "__weakref__")
            }
            self.classes[cls] = type(cls.__name__, bases, body)
            around.cell_contents = self.classes[cls]
        return self.classes[cls]

    def namespace(self, scope: dict[str, Any]) -> dict[str, Any]:
        known = self.namespaces.get(id(scope))
        if known is None:
            known = {"any": _any, "all": _all}
            known |= {k: self.bound(v) for k, v in scope.items()}
            self.namespaces[id(scope)] = known
        return known

    def function(self, f: FunctionType, around: CellType) -> FunctionType:
        """Return the copy of a method; ``around`` will hold its class."""
        copy = FunctionType(
            f.__code__,
            self.namespace(f.__globals__),
            f.__name__,
            tuple(map(self.bound, f.__defaults__ or ())),
            self._cells(f, around) if f.__closure__ else (),
        )
        copy.__kwdefaults__ = f.__kwdefaults__
        copy.__annotations__ = f.__annotations__
        copy.__dict__.update(f.__dict__)
        copy.__qualname__ = f.__qualname__
        return copy

    def _cells(self, f: FunctionType, around: CellType) -> tuple[CellType, ...]:
        values = closure(f)
        return tuple(
            around
            if n == "__class__"
            else CellType(self.bound(values[n]))
            if n in values
            else CellType()
            for n in f.__code__.co_freevars
        )
