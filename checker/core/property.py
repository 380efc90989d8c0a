"""Properties as engines see them: formulas over a transition system."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import Enum

from poolproof.checker.core.ir import Domain, Expr, Sort, local
from poolproof.checker.core.system import Span


class Kind(Enum):
    """What a property says of runs."""

    INVARIANT = "invariant"
    """``formula`` (over unprimed variables) holds in every reachable state."""
    STEP = "step"
    """``formula`` (over unprimed and primed variables, the parameters of
    ``action`` and `result_local`) holds for every reachable step: of
    ``action`` where one is named, else of every action."""
    REACHABLE = "reachable"
    """Some reachable state satisfies ``formula``: a witness must exist."""
    LEADS_TO = "leads to"
    """On every fair run, each state with ``formula`` is followed (or met) by
    one with ``goal``. `eventually GOAL` is `true leads to GOAL`."""

    @property
    def of_states(self) -> bool:
        """Whether one state decides it, by violating it or as its witness."""
        return self in (Kind.INVARIANT, Kind.REACHABLE)

    @property
    def of_steps(self) -> bool:
        """Whether one step decides it: its formula may mention `next`, the
        action's parameters and its result."""
        return self is Kind.STEP

    @property
    def of_runs(self) -> bool:
        """Whether only an infinite run decides it."""
        return self is Kind.LEADS_TO

    @property
    def wants_witness(self) -> bool:
        """Whether the state that decides it is good news: a witness."""
        return self is Kind.REACHABLE


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
    shortest trace.
    """

    verdict: str
    depth: int | None
    span: Span | None = None


@dataclass(frozen=True)
class Property:
    """One named property. Each of the ``antecedents`` should be true in some
    reachable state (or step), or else the property is vacuous. ``assertion`` is
    'counter', 'warn_on' or 'bug_on' for an assertion of the kernel, which
    comes from the design, and empty for a property of a spec."""

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
        )


def result_local(sort: Sort, size: int) -> Expr:
    """Return the local that stands for the action's result in a step property."""
    return local("result", Domain(sort, 0, size - 1, "result"))
