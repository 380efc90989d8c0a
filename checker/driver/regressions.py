# SPDX-License-Identifier: GPL-2.0-only
"""The catalogue of bugs that kernels once had: which property finds each of them, and
whether a design has one of them again.

An entry is a design with one such bug (see model/designs/bug.py). It is checked for one
property of a shipped spec, at the bounds and with the features at which the bug shows.
The design with the bug must violate it there, and no other design may.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.verdict import (
    Budget,
    Holds,
    Silent,
    Unknown,
    Vacuous,
    Verdict,
    Violated,
)
from poolproof.checker.driver.check import EXHAUSTIVE
from poolproof.checker.driver.designs import (
    DesignRef,
    design_modules,
    find_spec,
    is_of_bugs,
    shipped_bugs,
    shipped_designs,
)
from poolproof.checker.engines import registry
from poolproof.checker.evidence.replay import Replay, confirm
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.spec import Spec, parse, resolve
from poolproof.model.designs.bug import Bug
from poolproof.model.language import Design, declared, did_you_mean

SECONDS = 60.0
"""Time for each search, unless the caller says otherwise."""


@dataclass(frozen=True)
class BugEntry:
    """A bug, and the design that has it. None: no design can have it yet, see
    ``bug.lacks``."""

    bug: Bug
    known: DesignRef | None

    @property
    def name(self) -> str:
        """The entry's name: its commit, or if none is known, the name of the
        design."""
        commit = self.bug.commit.rstrip("?")
        return commit or (self.known.name if self.known else self.bug.symptom)

    @property
    def sound(self) -> type[Design]:
        """The design with the fix."""
        assert self.known is not None
        base: type[Design] = self.known.cls.__bases__[0]
        return base

    @property
    def spec(self) -> str:
        """The name of the spec that finds it."""
        return self.bug.detected.partition(".")[0]

    @property
    def property(self) -> str:
        """The name of the property that finds it."""
        return self.bug.detected.partition(".")[2]


@dataclass(frozen=True)
class BugResult:
    """The result of one entry on one design: ``verdict`` on the property, after
    ``states`` states and ``seconds``. ``missing`` says why there was no check."""

    entry: BugEntry
    design: type[Design]
    verdict: Verdict
    states: int = 0
    seconds: float = 0.0
    replay: Replay | None = None
    prop: Property | None = None
    compiled: Compiled | None = None
    missing: str = ""

    @property
    def steps(self) -> int | None:
        """Length of the shortest violation; None if there is none."""
        match self.verdict:
            case Violated(trace=trace):
                return len(trace)
            case _:
                return None

    @property
    def by_invariant(self) -> bool:
        """Return whether the violated property is an invariant, and so is not about one
        call."""
        invariant = self.prop is not None and self.prop.kind is Kind.INVARIANT
        return invariant and self.steps is not None

    @property
    def clean(self) -> bool:
        """Return whether every state was visited, or nothing applies, without a
        violation."""
        return bool(self.missing) or isinstance(self.verdict, Holds | Vacuous)


@dataclass(frozen=True)
class Regression:
    """An entry on a user's design. ``shipped`` is the result of the nearest shipped
    design that it inherits; None if the user's does not violate the property."""

    found: BugResult
    shipped: BugResult | None = None

    @property
    def is_back(self) -> bool:
        """Return whether the bug is there, and not in the design that this one
        inherits."""
        before = self.shipped
        violated = self.found.steps is not None
        return violated and (before is None or before.steps is None)


@cache
def catalogue() -> tuple[BugEntry, ...]:
    """Return all entries, the oldest fixes first."""
    found: list[BugEntry] = []
    designs = {k.cls: k for k in shipped_bugs()}
    for module in filter(is_of_bugs, design_modules()):
        for value in vars(module).values():
            if isinstance(value, Bug):
                found.append(BugEntry(value, None))
            elif isinstance(value, type) and value.__module__ == module.__name__:
                bug = vars(value).get("bug")
                if bug is not None and value in designs:
                    found.append(BugEntry(bug, designs[value]))
    return tuple(sorted(found, key=_age))


def _age(entry: BugEntry) -> tuple[tuple[int, ...], str]:
    """Fixes of no release last."""
    numbers = tuple(map(int, re.findall(r"\d+", entry.bug.release)))
    return numbers or (99,), entry.name


def entries(only: Sequence[str]) -> tuple[BugEntry, ...]:
    """Return the entries of the given names, or beginnings of names; all without
    any. Raise UserError for one that is none."""
    known = catalogue()
    for name in only:
        if not any(e.name.startswith(name) for e in known):
            names = tuple(e.name for e in known)
            raise UserError(None, f"no entry {name!r}{did_you_mean(name, names)}")
    return tuple(e for e in known if not only or e.name.startswith(tuple(only)))


# --- asking ---------------------------------------------------------------


@cache
def _question(spec: str, name: str) -> Spec:
    """The spec with one property left, or none if it is one of the kernel's."""
    whole = parse(find_spec(spec))
    return replace(whole, claims=tuple(c for c in whole.claims if c.name.text == name))


def ask(
    entry: BugEntry,
    design: type[Design],
    features: Sequence[str],
    budget: Budget,
    bounds: Mapping[str, int] | None = None,
) -> BugResult:
    """Return the result of the entry's property on a design with these features, at
    the entry's bounds (or ``bounds``). A violation is replayed."""
    there = declared(design)
    given = dict(entry.bug.bounds if bounds is None else bounds)
    lacks = [n for n in given if n not in there[0]]
    lacks += [n for n in features if n not in there[1]]
    if lacks:
        return _not_asked(entry, design, f"no {lacks[0]}")
    compiled = compile_design(design, given, (), features)
    resolved = resolve(_question(entry.spec, entry.property), compiled)
    prop = next((p for p in resolved.properties if p.name == entry.property), None)
    if prop is None:
        reason = resolved.missing.get(entry.property, f"no {entry.property}")
        return _not_asked(entry, design, reason)
    begin = time.monotonic()
    engine = registry.row(EXHAUSTIVE)
    name = engine.name if prop.kind in engine.decides else engine.rest
    outcome = registry.ask(name, compiled.system, (prop,), budget, Silent())
    seconds = time.monotonic() - begin
    if outcome.defects:
        verdict: Verdict = Unknown(f"the model breaks: {outcome.defects[0].message}")
    else:
        verdict = outcome.verdicts[prop.name]
    replay = None
    if isinstance(verdict, Violated):
        replay = confirm(compiled, prop, verdict.trace, verdict.shortest)
    states = outcome.statistics.states
    return BugResult(entry, design, verdict, states, seconds, replay, prop, compiled)


def _not_asked(entry: BugEntry, design: type[Design], missing: str) -> BugResult:
    return BugResult(entry, design, Unknown(missing), missing=missing)


def detected(entry: BugEntry, budget: Budget) -> BugResult:
    """Return the result of the design with the bug where the bug shows."""
    if entry.known is None:
        return _not_asked(entry, Design, entry.bug.lacks)
    return ask(entry, entry.known.cls, entry.bug.features, budget)


def regressions(
    known: DesignRef,
    among: Sequence[BugEntry],
    budget: Budget,
    over: Callable[[], bool] = lambda: False,
) -> list[Regression]:
    """Return the result of a user's design for each entry that a design can have.
    The entry's own change is not applied. ``over`` ends it early."""
    shipped = {k.cls for k in shipped_designs()}
    base = next((c for c in known.cls.__mro__[1:] if c in shipped), None)
    done: list[Regression] = []
    for entry in among:
        if entry.known is None:
            continue
        if over():
            break
        found = ask(entry, known.cls, entry.bug.features, budget)
        before = None
        if found.steps is not None and base is not None:
            before = ask(entry, base, entry.bug.features, budget)
        done.append(Regression(found, before))
    return done
