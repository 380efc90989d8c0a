# SPDX-License-Identifier: GPL-2.0-only
"""Equivalence classes of names (union-find)."""

from __future__ import annotations


class Classes:
    """Names that were joined are in one class; each class has one name that `of`
    returns for all in it."""

    def __init__(self) -> None:
        self.parent: dict[str, str] = {}

    def of(self, name: str) -> str:
        self.parent.setdefault(name, name)
        while self.parent[name] != name:
            name = self.parent[name]
        return name

    def join(self, *names: str) -> None:
        for other in names[1:]:
            self.parent[self.of(other)] = self.of(names[0])
