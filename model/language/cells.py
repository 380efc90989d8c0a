# SPDX-License-Identifier: GPL-2.0-only
"""A table's cells while a design runs under CPython."""

from __future__ import annotations

from itertools import product
from typing import Any

from poolproof.model.language.domains import (
    ModelError,
    OutOfDomain,
    OutOfRange,
    Values,
)


class TableValue:
    """The cells of one table, by their raw index. ``frozen``: its feature is off, so
    that it cannot change."""

    __slots__ = ("cells", "frozen", "index", "name", "values")

    def __init__(
        self,
        name: str,
        index: tuple[Values, ...],
        values: Values,
        init: Any,
        frozen: bool,
    ) -> None:
        self.name, self.index, self.values, self.frozen = name, index, values, frozen
        raw = values.raw(init)
        spaces = (range(v.lo, v.hi + 1) for v in index)
        self.cells = dict.fromkeys(product(*spaces), raw)

    def _at(self, key: Any) -> tuple[int, ...]:
        keys = key if isinstance(key, tuple) else (key,)
        if len(keys) != len(self.index):
            n = len(self.index)
            few = "index" if n == 1 else "indices"
            raise ModelError(f"{self.name} takes {n} {few}, not {len(keys)}")
        pairs = zip(self.index, keys, strict=True)
        raw = tuple(v.raw(v.meant(k) if type(k) is str else k) for v, k in pairs)
        if raw not in self.cells:
            shown = ", ".join(str(k) for k in keys)
            raise OutOfDomain(f"{self.name}[{shown}]: no such index")
        return raw

    def __getitem__(self, key: Any) -> Any:
        return self.values.python(self.cells[self._at(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        at, raw = self._at(key), self.values.raw(value)
        if self.frozen and raw != self.cells[at]:
            raise OutOfRange(f"{self.name} is off and cannot change")
        self.cells[at] = raw

    def __iter__(self) -> Any:
        raise ModelError(f"{self.name} is a table: loop over its index domain")
