# SPDX-License-Identifier: GPL-2.0-only
"""An heir against its base: what differs between two designs under one spec.

Both are checked with the same properties at the same sizes. If the base violates a
property, too, the heir is searched for a violating run whose calls do not violate it
in the base, so that a known fault does not hide a new one (checker.passes.product).
All three searches use the cache, if the task was prepared with it (driver.kept).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from poolproof.checker.core.evaluate import initial_states, successor
from poolproof.checker.core.ir import show_raw
from poolproof.checker.core.limits import Spent, doing
from poolproof.checker.core.property import Property
from poolproof.checker.core.system import State, TransitionSystem
from poolproof.checker.core.verdict import (
    Budget,
    Reporter,
    Shown,
    Statistics,
    Trace,
    Unknown,
    Verdict,
    Violated,
)
from poolproof.checker.driver import kept
from poolproof.checker.driver.branches import BranchResult
from poolproof.checker.driver.check import EXHAUSTIVE
from poolproof.checker.driver.designs import DesignRef
from poolproof.checker.driver.judging import CheckResult, PropertyResult, expectation
from poolproof.checker.driver.task import Task
from poolproof.checker.engines import registry
from poolproof.checker.evidence.replay import (
    Replay,
    breaks_step,
    confirm,
    decided_by,
    show_result,
)
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.passes.product import Undetermined, alone, same_behaviour
from poolproof.checker.spec import Sizes, resolve
from poolproof.model.language import declared


class Change(Enum):
    """The way in which an answer of the heir differs from the base's."""

    NEW = "new violation"
    LOST = "no longer violated"
    SHORTER = "shorter run"
    LONGER = "longer run"
    OTHER = "another violation"
    CHANGED = "another answer"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class PropertyDifference:
    """One property that differs. ``here`` and ``there`` are the answers of the heir
    and of the base, None if the property does not apply. For `OTHER`, ``other`` is
    the run that the base does not have; for UNKNOWN, ``why`` says what is not
    known. ``parting`` says where the base goes another way than the heir's run."""

    change: Change
    prop: Property
    here: PropertyResult | None
    there: PropertyResult | None
    other: Replay | None = None
    why: str = ""
    parting: str = ""

    @property
    def run(self) -> Replay | None:
        """The heir's run that shows the difference, if a run can."""
        match self.change:
            case Change.OTHER:
                return self.other
            case Change.NEW | Change.SHORTER if self.here is not None:
                return self.here.replay
        return None


@dataclass(frozen=True)
class Compared:
    """A spec on an heir and on its base. ``same``: the two are the same transition
    system with the same properties, so nothing was searched. ``dead`` are actions
    and results that the base has in some run and the heir has in none, ``new`` the
    reverse; both are empty unless both were searched completely. ``never`` are
    branches that the heir never takes, and of which that is no news of the base."""

    task: Task
    base: Task
    same: bool = False
    here: CheckResult | None = None
    there: CheckResult | None = None
    differences: tuple[PropertyDifference, ...] = ()
    dead: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    never: tuple[BranchResult, ...] = ()

    @property
    def properties(self) -> int:
        return len(self.task.resolved.properties)

    @property
    def wrong(self) -> bool:
        """Return whether one of the two designs, or the spec, is in error."""
        return any(
            c.defects or c.mistakes for c in (self.here, self.there) if c is not None
        )

    @property
    def unknown(self) -> bool:
        return any(d.change is Change.UNKNOWN for d in self.differences)

    @property
    def differs(self) -> bool:
        some = any(d.change is not Change.UNKNOWN for d in self.differences)
        return bool(some or self.dead or self.new or self.never)


def on_base(task: Task, base: DesignRef) -> Task:
    """Return the task's spec on the base, with the heir's sizes and features as far
    as the base has them."""
    bounds, features = declared(base.cls)
    sizes = Sizes(
        {k: v for k, v in task.compiled.bounds.items() if k in bounds},
        tuple(f for f in task.sizes.without if f in features),
        tuple(f for f in task.sizes.having if f in features),
    )
    compiled = compile_design(base.cls, sizes.bounds, sizes.without, sizes.having)
    return replace(
        task,
        known=base,
        compiled=compiled,
        resolved=resolve(task.spec, compiled),
        sizes=sizes,
        key="",
    )


def compare(
    task: Task,
    base: DesignRef,
    engine: str,
    budget: Budget,
    report: Reporter,
    interrupted: Callable[[], bool] = lambda: False,
) -> Compared:
    """Return what differs between the task's design and the base."""
    there = kept.on_design(task, base, on_base)
    if _same(task, there):
        return Compared(task, there, same=True)
    mine = kept.run(task, engine, budget, report, interrupted)
    its = kept.run(there, engine, budget, report, interrupted)
    ask = _Asking(task, there, engine, budget, report)
    found = tuple(ask.differences(mine, its)) if not interrupted() else ()
    a, b = _happened(mine), _happened(its)
    whole = a is not None and b is not None
    return Compared(
        task,
        there,
        here=mine,
        there=its,
        differences=found,
        dead=_only(b, a) if whole else (),
        new=_only(a, b) if whole else (),
        never=_never(mine, its),
    )


def _same(one: Task, other: Task) -> bool:
    """Return whether both are the same system with the same properties."""

    def queries(task: Task) -> list[tuple[object, ...]]:
        r = task.resolved
        return [
            (p.name, p.kind, p.formula, p.action, p.antecedents, p.goal, p.fair)
            for p in (*r.properties, *r.obligations)
        ]

    return (
        same_behaviour(one.compiled.system, other.compiled.system)
        and queries(one) == queries(other)
        and one.resolved.missing == other.resolved.missing
    )


def exit_code(done: Sequence[Compared], stopped: bool) -> int:
    """Return 0 if nothing differs, 1 if something does, 2 for an error of a design or
    a spec, 3 if something is not known."""
    if any(c.wrong for c in done):
        return 2
    if any(c.differs for c in done):
        return 1
    return 3 if stopped or any(c.unknown for c in done) else 0


# --- actions and results ----------------------------------------------------


def _happened(checked: CheckResult) -> set[str] | None:
    """The actions that fire, and ``ACTION -> RESULT``, in all reachable states; None
    if no engine visited all."""
    system = checked.task.compiled.system
    s: Statistics | None = next(
        (o.statistics for o in checked.outcomes if o.statistics.complete), None
    )
    if s is None:
        return None
    found = {name for name, times in s.fired.items() if times}
    for (name, raw), times in s.results.items():
        if times:
            result = show_result(system.action_by_name[name], raw)
            found.add(f"{name} -> {result}")
    return found


def _only(one: set[str] | None, other: set[str] | None) -> tuple[str, ...]:
    """Return what only one of the two has, without the results of an action that it
    alone has."""
    left = sorted((one or set()) - (other or set()))
    return tuple(x for x in left if x.partition(" -> ")[0] not in left or "->" not in x)


def _never(mine: CheckResult, its: CheckResult) -> tuple[BranchResult, ...]:
    """The branches that only the heir never takes."""
    if mine.branches is None or its.branches is None:
        return ()
    known = {(r.branch.span, r.branch.what) for r in its.branches.never}
    return tuple(
        r for r in mine.branches.never if (r.branch.span, r.branch.what) not in known
    )


# --- properties -------------------------------------------------------------


@dataclass(frozen=True)
class _Asking:
    task: Task
    base: Task
    engine: str
    budget: Budget
    report: Reporter

    def differences(
        self, mine: CheckResult, its: CheckResult
    ) -> Iterator[PropertyDifference]:
        """Yield what differs, each with the place where the base's run parts."""
        one, other = self.task.compiled.system, self.base.compiled.system
        for d in self.pairs(mine, its):
            parting = "" if d.run is None else _parting(one, other, d.run)
            yield replace(d, parting=parting)

    def pairs(
        self, mine: CheckResult, its: CheckResult
    ) -> Iterator[PropertyDifference]:
        here = {a.prop.name: a for a in mine.answers}
        there = {a.prop.name: a for a in its.answers}
        for name in dict.fromkeys((*here, *there)):
            yield from self.of_one(here.get(name), there.get(name))

    def of_one(
        self, here: PropertyResult | None, there: PropertyResult | None
    ) -> Iterator[PropertyDifference]:
        known = here or there
        assert known is not None
        change, why = change_of(here, there)
        if change is not None:
            yield PropertyDifference(change, known.prop, here, there, why=why)
        both = here is not None and there is not None
        if both and change in (None, Change.LONGER) and here and there:
            yield from self.other(here, there)

    def other(
        self, here: PropertyResult, there: PropertyResult
    ) -> Iterator[PropertyDifference]:
        """A violation by the heir that is none of the base, where both have one."""
        pair = here.verdict, there.verdict
        if not all(isinstance(v, Violated) for v in pair) or not here.prop.kind.safety:
            return
        prop = here.prop
        try:
            verdict, other = self.alone(prop, there.prop)
        except (Undetermined, Spent) as reason:
            yield self.open(here, there, str(reason))
            return
        if other is not None:
            yield PropertyDifference(Change.OTHER, prop, here, there, other)
        elif isinstance(verdict, Unknown):
            yield self.open(here, there, verdict.reason)

    def open(
        self, here: PropertyResult, there: PropertyResult, reason: str
    ) -> PropertyDifference:
        why = f"other violations unknown: {reason}"
        return PropertyDifference(Change.UNKNOWN, here.prop, here, there, why=why)

    def alone(self, mine: Property, its: Property) -> tuple[Verdict, Replay | None]:
        """Return the answer of a search for a run that violates the heir's property
        only, and such a run, replayed on both."""
        a, b = self.task.compiled, self.base.compiled
        engine = self.engine
        if mine.kind not in registry.row(engine).decides or engine in ("prove", "fuzz"):
            engine = EXHAUSTIVE
        with self.budget.limited(), doing("building the product with the base"):
            product = alone(a.system, b.system, mine, its)
        outcome = kept.outcome(
            (self.task, self.base),
            f"{mine.name} alone",
            engine,
            self.budget,
            lambda: registry.ask(
                engine, product.system, product.properties, self.budget, self.report
            ),
        )
        verdict = min(outcome.verdicts.values(), key=_order)
        if not isinstance(verdict, Violated):
            return verdict, None
        trace = Trace(product.leads(verdict.trace.initial), verdict.trace.steps)
        replayed = confirm(a, mine, trace)
        if _violates(b.system, its, product.follows(verdict.trace.initial), trace):
            raise AssertionError(f"{mine.name}: the base violates it, too: {trace}")
        return verdict, replayed


def _order(verdict: Verdict) -> tuple[int, int]:
    """The shortest violation first, then what is not known."""
    match verdict:
        case Violated(trace=trace):
            return 0, len(trace)
        case Unknown():
            return 1, 0
    return 2, 0


def _violates(
    system: TransitionSystem, prop: Property, state: State, trace: Trace
) -> bool:
    """Return whether a system violates a property on its way along a run of another:
    it skips actions that it does not have, and stops at a step that it cannot
    take."""
    if prop.kind.of_states and decided_by(system, prop, state):
        return True
    for step in trace.steps:
        action = system.action_by_name.get(step.action)
        if action is None or len(action.parameters) != len(step.arguments):
            continue
        taken = successor(system, action, state, step.arguments)
        if taken is None:
            return False
        before, (state, result) = state, taken
        if prop.kind.of_steps:
            if breaks_step(system, prop, before, step, result, state):
                return True
        elif decided_by(system, prop, state):
            return True
    return False


def _parting(one: TransitionSystem, other: TransitionSystem, run: Replay) -> str:
    """Return where the other system, by the same steps, first does something else:
    ``step 3 returns ENOMEM``, or after which step a cell of both is another."""
    start = run.trace.initial
    state = _start_like(one, other, start)
    for number, taken in enumerate(run.taken, 1):
        step = taken.step
        action = other.action_by_name.get(step.action)
        if action is None or state is None:
            return f"step {number} does not exist"
        mine = one.action_by_name[step.action]
        if mine.parameters != action.parameters:
            return f"step {number} takes other arguments"
        after = successor(other, action, state, step.arguments)
        if after is None:
            return f"step {number} is not possible"
        state, result = after
        if taken.result is not None and result != taken.result:
            return f"step {number} returns {show_result(action, result)}"
        cell = _first_other_cell(one, other, taken.state, state)
        if cell:
            return f"after step {number} {cell}"
    return ""


def _start_like(
    one: TransitionSystem, other: TransitionSystem, start: State
) -> State | None:
    """Return the other system's start that agrees with this one's, if it has one."""
    at = one.cell_of

    def alike(state: State) -> bool:
        return all(
            state[k] == start[at[where]]
            for where, k in other.cell_of.items()
            if where in at
        )

    starts = initial_states(other)
    return next((s for s in starts if alike(s)), starts[0] if starts else None)


def _first_other_cell(
    one: TransitionSystem, other: TransitionSystem, mine: State, its: State
) -> str:
    """Return ``h.resv_huge_pages is 0`` for the first cell in which the other state
    is another."""
    for where, k in other.cell_of.items():
        j = one.cell_of.get(where)
        if j is not None and mine[j] != its[k]:
            cell = other.cells[k]
            return f"{cell.name} is {show_raw(cell.variable.element, its[k])}"
    return ""


def change_of(
    here: PropertyResult | None, there: PropertyResult | None
) -> tuple[Change | None, str]:
    """Return how two results of a property differ (None if they do not), and why that
    is unknown."""
    if here is None or there is None:
        return _only_one(here, there), ""
    mine, its = here.verdict, there.verdict
    for verdict in (mine, its):
        if isinstance(verdict, Unknown):
            return Change.UNKNOWN, verdict.reason
    one, other = expectation(mine), expectation(its)
    if one != other:
        if one == "violated":
            return Change.NEW, ""
        return (Change.LOST if other == "violated" else Change.CHANGED), ""
    if isinstance(mine, Shown) and isinstance(its, Shown):
        if not (mine.shortest and its.shortest):
            return None, ""
        if len(mine.trace) < len(its.trace):
            return Change.SHORTER, ""
        if len(mine.trace) > len(its.trace):
            return Change.LONGER, ""
    return None, ""


def _only_one(
    here: PropertyResult | None, there: PropertyResult | None
) -> Change | None:
    """An assertion that one of the designs does not have differs only if it is
    violated."""
    if here is not None and isinstance(here.verdict, Violated):
        return Change.NEW
    if there is not None and isinstance(there.verdict, Violated):
        return Change.LOST
    one = here or there
    assert one is not None
    return None if one.prop.assertion else Change.CHANGED
