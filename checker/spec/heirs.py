# SPDX-License-Identifier: GPL-2.0-only
"""Which lines of a spec apply to a design: a line for a base is one for its heirs."""

from __future__ import annotations

from collections.abc import Iterable

from poolproof.model.language import Design


def lineage(cls: type) -> tuple[str, ...]:
    """Return the names by which a spec may mean this design, nearest first:
    its own, then those of the designs that it inherits, each bare and with
    its module."""
    found: dict[str, None] = {}
    for base in cls.__mro__:
        if issubclass(base, Design) and base is not Design:
            found[base.__name__] = None
            found[f"{base.__module__}.{base.__name__}"] = None
    return tuple(found)


def nearest_named(cls: type, names: Iterable[str]) -> str | None:
    """Return the one of ``names`` that means the design: its own name, or else that of
    its nearest base. Return None if there is none."""
    given = frozenset(names)
    return next((name for name in lineage(cls) if name in given), None)
