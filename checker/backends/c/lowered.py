# SPDX-License-Identifier: GPL-2.0-only
"""A system as C, and what the numbers in the C program stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from poolproof.checker.backends.c.layout import Layout
from poolproof.checker.core.system import Obligation


@dataclass(frozen=True)
class Event:
    """Something the search may find in a state or a step. ``kind``: 'state'
    or 'step' (a property), 'obligation', 'range', 'open' (a variable leaves
    the range that this engine gave it) or 'deadlock'."""

    kind: str
    prop: str = ""
    action: str = ""
    variable: str = ""
    obligation: Obligation | None = None

    @property
    def by_step(self) -> bool:
        return self.kind not in ("state", "deadlock")


@dataclass(frozen=True)
class Cut:
    """The steps that an assumption cut, by its reason."""

    why: str


Counted = tuple[str, int] | Cut


@dataclass(frozen=True)
class Lowered:
    """A system as C. ``steps`` gives (action, arguments) of each step number;
    ``results`` its raw result where that is constant; ``counters`` says what each
    counter that steps increment themselves is for: an (action, raw result), or
    the steps that an assumption cut."""

    text: str
    layout: Layout
    events: tuple[Event, ...]
    steps: Sequence[tuple[str, tuple[int, ...]]]
    results: Mapping[int, int]
    counters: tuple[Counted, ...]
    antecedents: tuple[tuple[str, int], ...]
