# SPDX-License-Identifier: GPL-2.0-only
"""Properties as engines see them: formulas over a transition system.

To add a kind of property, change these files and no others:

1. core/property.py: its member of `Kind` and its traits. `FINITE` and `SAFETY`
   follow from them, and so does which engines decide it.
2. spec/grammar.lark: its syntax; and spec/tree.py, unless it is written like
   an invariant.
3. spec/syntax.py and spec/claims.py, if it has more than one formula.
4. engines/registry.py and a new engine, if neither a state nor a step decides it.
5. evidence/replay.py (which runs decide it) and reports/text.py (why they do),
   if neither a state nor a step decides it.

Elsewhere, only spec/resolve.py, spec/scenario.py, spec/open_scenario.py,
frontend/design.py, frontend/actions.py, frontend/lanes.py, driver/regressions.py,
driver/triples.py, driver/interface.py and driver/branches.py name kinds: they make
properties.
tests/unit/test_kinds.py checks this list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import Enum

from poolproof.checker.core.ir import Expr, not_, plain
from poolproof.checker.core.system import Action, Span


class Kind(Enum):
    """The kind of claim that a property makes about runs."""

    INVARIANT = "invariant"
    """``formula`` (over unprimed variables) holds in every reachable state."""
    STEP = "step"
    """``formula`` (over unprimed and primed variables, the parameters of
    ``action`` and `Action.returned`) holds for every reachable step: of
    ``action`` where one is named, else of every action."""
    REACHABLE = "reachable"
    """Some reachable state satisfies ``formula``: a witness must exist."""
    LEADS_TO = "leads to"
    """On every fair run, each state with ``formula`` is followed (or met) by
    one with ``goal``. `eventually GOAL` is `true leads to GOAL`."""

    @property
    def of_states(self) -> bool:
        """Return whether one state decides it, by violating it or as its witness."""
        return _TRAITS[self].decided_by == "state"

    @property
    def of_steps(self) -> bool:
        """Return whether one step decides it: its formula may mention the state after
        the step, the action's parameters and its result."""
        return _TRAITS[self].decided_by == "step"

    @property
    def of_runs(self) -> bool:
        """Return whether only an infinite run decides it."""
        return _TRAITS[self].decided_by == "run"

    @property
    def wants_witness(self) -> bool:
        """Return whether the run that decides it is good news: a witness, not a
        violation."""
        return _TRAITS[self].wants_witness

    @property
    def safety(self) -> bool:
        """Return whether a finite run may violate it, and none confirms it."""
        return not self.of_runs and not self.wants_witness

    @property
    def outcomes(self) -> tuple[str, str]:
        """The words of `expect` for good news and for bad."""
        if self.wants_witness:
            return "reachable", "unreachable"
        return "holds", "violated"

    @property
    def noun(self) -> str:
        """The kind in a sentence, with its article."""
        return _TRAITS[self].noun


@dataclass(frozen=True)
class _Traits:
    """``decided_by``: 'state', 'step' or 'run'."""

    noun: str
    decided_by: str
    wants_witness: bool = False


_TRAITS = {
    Kind.INVARIANT: _Traits("an invariant", "state"),
    Kind.STEP: _Traits("a step property", "step"),
    Kind.REACHABLE: _Traits("a reachable property", "state", True),
    Kind.LEADS_TO: _Traits("a `leads to` property", "run"),
}

FINITE = frozenset(kind for kind in Kind if not kind.of_runs)
"""The kinds that a finite run decides."""

SAFETY = frozenset(kind for kind in Kind if kind.safety)
"""The kinds that a finite run can only violate."""


@dataclass(frozen=True)
class Fairness:
    """An assumption about runs, for each choice of the action's arguments
    separately. Weak: a step that stays enabled is taken eventually. Strong: a
    step that is enabled infinitely often is. Specs state fairness; nothing
    implies it."""

    action: str
    strong: bool = False


@dataclass(frozen=True)
class Expectation:
    """The outcome that the spec's author expects.

    ``verdict`` is 'holds' or 'violated' ('reachable'/'unreachable' for a
    reachable property), 'vacuous' or 'unknown'; ``depth`` the length of the
    shortest trace. ``elsewhere``: it is stated for bounds other than those that
    are checked.
    """

    verdict: str
    depth: int | None
    span: Span | None = None
    elsewhere: bool = False


DEADLOCK = "deadlock"
"""The `Property.assertion` that, of the tasks inside an action, one can go on."""


@dataclass(frozen=True)
class Property:
    """One named property. Each of the ``antecedents`` should be true in some
    reachable state (or step), or else the property is vacuous. ``assertion`` is
    'counter', 'warn_on' or 'bug_on' for an assertion of the kernel, 'invariant'
    for a method under `@invariant`, both of which come from the design, and
    empty for a property of a spec. ``watches``: there is nothing to decide; a search
    only notes which of the antecedents came true. ``written``: the property for texts,
    with each comparison as its author wrote it; None if it has no text."""

    name: str
    kind: Kind
    formula: Expr
    action: str | None = None
    antecedents: tuple[Expr, ...] = ()
    title: str = ""
    source: str = ""
    expect: Expectation | None = None
    span: Span | None = None
    goal: Expr | None = None
    fair: tuple[Fairness, ...] = ()
    assertion: str = ""
    watches: bool = False
    written: Property | None = None

    @property
    def as_written(self) -> Property:
        """The property whose expressions texts show."""
        return self if self.written is None else self.written

    def plain(self) -> Property:
        """Return the property for engines, which keeps this one for texts."""
        return replace(self.map(plain), written=self)

    @property
    def deciding(self) -> Expr:
        """The formula that is true of a state, or a step, that decides it."""
        return self.formula if self.kind.wants_witness else not_(self.formula)

    def about(self, action: Action) -> bool:
        """Return whether it is a step property that the action's steps may violate."""
        return self.kind.of_steps and self.action in (None, action.name)

    def formulas(self) -> Iterator[Expr]:
        """Every expression of the property."""
        yield self.formula
        yield from self.antecedents
        if self.goal is not None:
            yield self.goal

    def map(self, f: Callable[[Expr], Expr]) -> Property:
        """The property with ``f`` applied to every expression."""
        return replace(
            self,
            formula=f(self.formula),
            antecedents=tuple(f(a) for a in self.antecedents),
            goal=None if self.goal is None else f(self.goal),
            written=None if self.written is None else self.written.map(f),
        )
