# SPDX-License-Identifier: GPL-2.0-only
"""Which branches of the design's text a search took.

A search that visits every state records, for each action, the conditions of branches
that were true of some step. They are the antecedents of a property that is always
true. A branch is followed only if the search has all variables of its condition.
States lack the variables that nothing observes, and a branch that depends on those
makes no difference to any property.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from poolproof.checker.core import ir
from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.ir import Expr
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.system import BranchSide, Span, TransitionSystem
from poolproof.checker.core.verdict import Budget, Outcome
from poolproof.checker.engines.watch import LOOK_BACK
from poolproof.checker.passes.components import independent
from poolproof.checker.passes.equivariance import Equivariance
from poolproof.checker.passes.reduce import Reduction, reduce

_PREFIX = "branches of "

STEPS = 1_500
"""Upper limit on the actions with arguments of a system whose branches are followed:
looking back tries each of them again."""


def watching(
    compiled: Compiled, queries: Sequence[Property], budget: Budget
) -> tuple[Property, ...]:
    """Return the properties that watch the branches of each action while these queries
    are searched for."""
    if budget.indices:  # which indices are alike depends on all that is watched
        return ()
    if budget.partial_order:  # no step is private whose branches are watched
        return ()
    if _steps(compiled.system) > STEPS:
        return ()
    left_out = _left_out(compiled.system, queries, budget.symmetry)
    found = []
    for a in compiled.system.actions:
        conditions = dict.fromkeys(b.taken for b in compiled.branches.get(a.name, ()))
        mine = [e for e in conditions if not e.is_const]
        if left_out[a.name] & ir.variables_in(*mine):
            mine = [e for e in mine if not left_out[a.name] & ir.variables_in(e)]
        if mine:
            name = _PREFIX + a.name
            found.append(
                Property(name, Kind.STEP, ir.TRUE, a.name, tuple(mine), watches=True)
            )
    return tuple(found)


def _steps(system: TransitionSystem) -> int:
    return sum(math.prod(len(p.domain) for p in a.parameters) for a in system.actions)


def _left_out(
    system: TransitionSystem, queries: Sequence[Property], symmetry: bool
) -> Mapping[str, set[str]]:
    """Return for each action the variables that are missing from the search that takes
    its steps."""
    small = reduce(system, queries, (Reduction.BOUNDS, Reduction.CONE))
    parts = independent(small.system, small.properties, symmetry)
    if len(parts) == 1:
        return {a.name: {*small.unobserved} for a in system.actions}
    found: dict[str, set[str]] = {}
    for part in parts:
        formulas = [f.expr for a in part.system.actions for f in a.formulas()]
        formulas += [e for p in part.properties for e in p.formulas()]
        written = {name for a in part.system.actions for name in a.updates}
        mine = ir.variables_in(*formulas) | written
        others = {v.name for v in system.variables if v.name not in mine}
        found |= {a.name: others for a in part.system.actions}
    return found


def with_branches(
    compiled: Compiled, watched: Sequence[Property], outcome: Outcome
) -> Outcome:
    """Return the outcome with the branches that were taken, and without the properties
    that watched them."""
    names = {p.name for p in watched}
    s = outcome.statistics
    taken: dict[str, set[Expr]] = {}
    for p in watched:
        seen = s.true_antecedents.get(p.name, ())
        true = {e for e, came in zip(p.antecedents, seen, strict=False) if came}
        taken[p.name.removeprefix(_PREFIX)] = true
    followed = {
        p.name.removeprefix(_PREFIX): {*p.antecedents}
        for p in watched
        if p.name in s.true_antecedents
    }

    def state(action: str, e: Expr) -> bool | None:
        if e in taken.get(action, ()) or (e is ir.TRUE and s.fired.get(action)):
            return True
        if e.is_const:
            return False
        return False if e in followed.get(action, ()) and s.complete else None

    branches = {
        name: tuple(state(name, b.taken) for b in some)
        for name, some in compiled.branches.items()
    }
    kept = {n: seen for n, seen in s.true_antecedents.items() if n not in names}
    return replace(
        outcome,
        verdicts={n: v for n, v in outcome.verdicts.items() if n not in names},
        statistics=replace(s, true_antecedents=kept, branches=branches),
    )


# --- by place ---------------------------------------------------------------


@dataclass(frozen=True)
class BranchResult:
    """A place of the text: the actions that take it, those that never do, and those for
    which this is unknown."""

    branch: BranchSide
    taken: tuple[str, ...]
    never: tuple[str, ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True)
class BranchCoverage:
    """The branches that a check followed. ``never`` are those that no step takes,
    although some step decides their condition the other way; branches inside them are
    not listed. ``why`` is the reason if nothing is known."""

    results: tuple[BranchResult, ...] = ()
    never: tuple[BranchResult, ...] = ()
    why: str = ""


def coverage(
    compiled: Compiled, outcomes: Sequence[Outcome], budget: Budget
) -> BranchCoverage | None:
    """Return what the engines found out about branches; None if no engine was to follow
    them."""
    if not budget.branches:
        return None
    searched = [o.statistics for o in outcomes if o.statistics.branches]
    if not searched:
        return None
    s = searched[0]
    known = any(b is not None for some in s.branches.values() for b in some)
    if _steps(compiled.system) > STEPS:
        return BranchCoverage(why=f"more than {STEPS:,} steps to try in each state")
    if not s.complete:
        return BranchCoverage(why="not all states were visited")
    if budget.indices:
        return BranchCoverage(why="indices were permuted")
    if budget.partial_order:
        return BranchCoverage(why="private steps were taken at once")
    if s.states > LOOK_BACK and not known:
        return BranchCoverage(why=f"more than {LOOK_BACK:,} states")
    results = _by_place(compiled, s.branches)
    return BranchCoverage(results, tuple(_never(compiled, results)))


def _by_place(
    compiled: Compiled, branches: Mapping[str, tuple[bool | None, ...]]
) -> tuple[BranchResult, ...]:
    """Return the result of each branch, sorted by file and line."""
    found: dict[tuple[Span, str], dict[bool | None, list[str]]] = {}
    first: dict[tuple[Span, str], BranchSide] = {}
    for action, states in branches.items():
        for branch, state in zip(compiled.branches[action], states, strict=True):
            key = branch.span, branch.what
            first.setdefault(key, branch)
            of = found.setdefault(key, {True: [], False: [], None: []})
            of[state].append(action)
    results = [
        BranchResult(first[k], tuple(of[True]), tuple(of[False]), tuple(of[None]))
        for k, of in found.items()
    ]
    return tuple(sorted(results, key=lambda r: _order(r.branch)))


def _order(branch: BranchSide) -> tuple[str, int, int, str]:
    span = branch.span
    return span.file, span.line, span.column, branch.what


def _never(
    compiled: Compiled, results: Sequence[BranchResult]
) -> Iterator[BranchResult]:
    reached = {r.branch.site for r in results if r.taken}
    checks = [Equivariance(x) for x in compiled.system.scalars if x.size > 1]
    for r in results:
        if r.taken or r.unknown or r.branch.site not in reached:
            continue
        here = [b for a in r.never for b in compiled.branches[a] if _same(b, r.branch)]
        # a search visits one state of each orbit: the others must be as good
        if all(c.equivariant(b.taken) for c in checks for b in here):
            yield r


def _same(one: BranchSide, other: BranchSide) -> bool:
    return (one.span, one.what) == (other.span, other.what)
