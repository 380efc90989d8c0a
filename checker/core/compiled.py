# SPDX-License-Identifier: GPL-2.0-only
"""A compiled design: its transition system, and the names that specs may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any

from poolproof.checker.core.ir import Domain, EnumSort, Expr, and_, not_
from poolproof.checker.core.pickled import dumps, loads
from poolproof.checker.core.processes import Processes
from poolproof.checker.core.property import Property
from poolproof.checker.core.system import (
    BranchSide,
    Obligation,
    Outline,
    Parameter,
    State,
    TransitionSystem,
)


@dataclass(frozen=True)
class Observer:
    """A pure function of the state that specs may call. ``body`` is over the
    variables and ``parameters``; substitute arguments for their locals.
    ``obligations`` are conditions under which the body is defined."""

    name: str
    parameters: tuple[Parameter, ...]
    body: Expr
    obligations: tuple[Obligation, ...] = ()


@dataclass(frozen=True)
class Vocabulary:
    """The names of one bound design, for specs and messages.

    ``domains``: what a spec may quantify over (NODES, PAGES ...). ``bounds``:
    each bound as a constant or a param. ``enums``: by name. Variables and
    actions are those of the system.
    """

    domains: Mapping[str, Domain]
    bounds: Mapping[str, Expr]
    enums: Mapping[str, EnumSort]
    observers: Mapping[str, Observer]


@dataclass(frozen=True, slots=True)
class Compiled:
    """A design bound to sizes. ``design()`` makes a fresh CPython instance
    whose `dump`/`load` states have the layout of ``system.cells``.
    ``assertions`` are the kernel's own, as properties: every check asks them.
    ``processes`` is None if no action yields; else the state has cells that the
    instance lacks, at its end. ``open_domains``: some domain's size may be open;
    ``refused`` are then the observers that have no closed form, each with the
    reason.
    ``branches`` are those of each action's text, the helpers' included; one that a
    feature decides is not among them. ``stated``: formulas that other specs state of
    its states, which may be false.

    One that was unpickled is read when something is asked of it for the first time,
    and is pickled again as the same bytes. What a run under CPython needs is read
    apart from the formulas, which take long.
    """

    source: type
    bounds: Mapping[str, int]
    without: tuple[str, ...]
    having: tuple[str, ...]
    system: TransitionSystem
    vocabulary: Vocabulary
    assertions: tuple[Property, ...] = ()
    processes: Processes | None = None
    open_domains: bool = False
    refused: Mapping[str, Any] = field(default_factory=dict)
    branches: Mapping[str, tuple[BranchSide, ...]] = field(default_factory=dict)
    stated: tuple[Expr, ...] = ()
    outline: Outline = field(init=False, repr=False, compare=False)
    """The system without the formulas of its actions."""
    written: tuple[bytes, bytes] | None = field(
        default=None, init=False, repr=False, compare=False
    )
    """What `_RUNS` names, and the rest."""

    def suspended(self, action: str, arguments: tuple[int, ...], after: State) -> bool:
        """Return whether a step ended at a `yield`, so that it returned nothing."""
        known = self.processes
        return known is not None and known.suspended(action, arguments, after)

    def __reduce__(self) -> tuple[Any, tuple[tuple[bytes, bytes]]]:
        if self.written is None:
            parts = [[getattr(self, name) for name in names] for names in _parts()]
            object.__setattr__(self, "written", tuple(map(dumps, parts)))
        assert self.written is not None
        return _unread, (self.written,)

    def __getattr__(self, name: str) -> Any:
        """Called for what was not read yet."""
        if self.written is None:
            if name != "outline":
                raise AttributeError(name)
            object.__setattr__(self, name, self.system.outline())
            return self.outline
        for names, written in zip(_parts(), self.written, strict=True):
            if name in names:
                for each, value in zip(names, loads(written), strict=True):
                    object.__setattr__(self, each, value)
                return getattr(self, name)
        raise AttributeError(name)

    def stops(self, action: str) -> Expr:
        """Return the condition under which a step of the action ends at a `bug_on`,
        over the state before the step and the action's parameters."""
        held = (
            p.formula
            for p in self.assertions
            if p.assertion == "bug_on" and p.action == action
        )
        return not_(and_(*held))

    def design(self) -> Any:
        return self.source(self.bounds, self.without, self.having)


_RUNS = ("source", "bounds", "without", "having", "processes", "outline")
"""The fields that a run under CPython needs."""


@cache
def _parts() -> tuple[tuple[str, ...], tuple[str, ...]]:
    rest = (f.name for f in fields(Compiled) if f.init and f.name not in _RUNS)
    return _RUNS, tuple(rest)


def _unread(written: tuple[bytes, bytes]) -> Compiled:
    made = object.__new__(Compiled)
    object.__setattr__(made, "written", written)
    return made
