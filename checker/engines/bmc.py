# SPDX-License-Identifier: GPL-2.0-only
"""Bounded model checking with z3: runs of growing length, shortest first.

Biere, Cimatti, Clarke and Zhu, "Symbolic model checking without BDDs" (1999);
Een and Sorensson, "Temporal induction by incremental SAT solving" (2003).
A run is replayed before it is returned; if no run is found, the answer says up
to which depth. A property that holds at a depth is assumed there afterwards.
Ranges, indices and asserts are queries of their own at each depth. If one
costs z3 much work, the search goes on with runs that do not break it, and
repeats the query at the end; until then no greater depth is claimed. Work is
counted in z3's steps, not in seconds (engines/effort.py). Facts that hold by
induction (initially, and after each step from a state within its ranges) are
assumed at every depth. If there is no run of some length, all were visited.
Elements of an interchangeable scalarset are named in the order of their first
use, which loses no run: the single initial state is invariant under renaming.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import z3

from poolproof.checker.backends.smt import (
    Bits,
    Integers,
    Lowering,
    Term,
    Value,
    conjunction,
    disjunction,
    negation,
)
from poolproof.checker.core import ir
from poolproof.checker.core.evaluate import (
    Valuation,
    arguments,
    broken,
    initial_states,
    out_of_range,
    states_of,
    successor,
)
from poolproof.checker.core.ir import Expr
from poolproof.checker.core.limits import (
    SECOND,
    Spent,
    doing,
    left,
    limited,
    overtime,
    worked,
)
from poolproof.checker.core.property import Property
from poolproof.checker.core.ranges import declared
from poolproof.checker.core.system import TransitionSystem
from poolproof.checker.core.verdict import (
    MODEL_IS_WRONG,
    Budget,
    Defect,
    Ending,
    Outcome,
    Reporter,
    Statistics,
    Trace,
    Unknown,
    Verdict,
    settled,
    shown_by,
)
from poolproof.checker.engines.candidates import guesses
from poolproof.checker.engines.induction import Induction
from poolproof.checker.engines.interruptible import interruptible
from poolproof.checker.engines.symbolic import Candidate, conjuncts
from poolproof.checker.engines.unrolling import (
    TRUE_TERM,
    Incremental,
    RunQuestion,
    StepChoice,
    Unrolling,
)
from poolproof.checker.passes.symmetry import find_symmetry


@dataclass(frozen=True)
class _Deferred:
    """Queries about the model itself that took too long: their depth, and the
    terms that the solver had."""

    questions: list[RunQuestion]
    depth: int
    asserted: int


_PATIENCE = SECOND // 4
"""Units of work for the questions about the model at one depth, at first."""
_INDUCTION = 4 * SECOND
"""Units of work at most for what induction can show before runs are looked at."""


# --- the engine -----------------------------------------------------------


def bmc(
    system: TransitionSystem,
    properties: tuple[Property, ...],
    budget: Budget,
    report: Reporter,
) -> Outcome:
    """Search runs of 0, 1, 2 ... steps until the budget is spent, every property
    is decided or no longer run exists; see verdict.Engine."""
    runs = _Deepening(system, properties, budget, report)
    with Ending() as ending, interruptible(), doing("building the formula"):
        runs.go()
    runs.stopped = ending.why or runs.stopped
    return runs.outcome()


@dataclass
class _Deepening:
    """One call of `bmc`: runs of growing length, and what they have found."""

    system: TransitionSystem
    properties: tuple[Property, ...]
    budget: Budget
    report: Reporter
    begin: float = field(default_factory=time.monotonic)
    worked: int = field(default_factory=worked)
    """The units of work that were counted before."""
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    defects: dict[str, Defect] = field(default_factory=dict)
    depth: int = -1
    """All runs of so many steps were searched."""
    stopped: str = ""
    complete: bool = False
    never: _Never | None = None
    deferred: list[_Deferred] = field(default_factory=list)
    asserted: list[int] = field(default_factory=list)
    """The terms of the solver before the first step, and after each step."""
    lasts: set[str] = field(default_factory=set)
    """The invariants that are never violated, by induction."""
    unneeded: frozenset[str] = frozenset()
    """The assumptions that cut nothing, by induction."""

    def go(self) -> None:
        if self.system.least:
            names = ", ".join(sorted(self.system.least))
            self.stopped = f"{names} left open: bmc needs numbers"
            return
        if self.starts_wrong():
            self.stopped = MODEL_IS_WRONG
            return
        for p in self.properties:
            if p.kind.of_runs:
                self.verdicts[p.name] = Unknown("bmc looks at finite runs only")
        unrolling = self.unrolling()
        self.settle_for_good(unrolling)
        unrolling.start()
        self.unroll(unrolling)
        self.ask_again(unrolling)
        if self.complete:
            self.never = _Never.of(self, unrolling)

    def unroll(self, unrolling: Unrolling) -> None:
        while True:
            depth = self.depth + 1
            self.report.progress(depth=depth, seconds=time.monotonic() - self.begin)
            if not self.settle(unrolling, self.at_state(unrolling), depth):
                return
            self.depth = depth
            if all(p.name in self.verdicts for p in self.properties):
                return
            if self.budget.depth is not None and depth >= self.budget.depth:
                self.stopped = self.budget.depth_spent
                return
            if not self.asserted:
                self.asserted.append(len(unrolling.solver.asserted))
            unrolling.offer()
            self.sound(unrolling, depth)
            if self.defects:
                self.stopped = MODEL_IS_WRONG
                return
            if not self.settle(unrolling, self.step_questions(unrolling), depth):
                return
            unrolling.advance()
            self.asserted.append(len(unrolling.solver.asserted))
            answer, _ = unrolling.solver.check(TRUE_TERM, _PATIENCE)
            if answer == z3.unsat:
                self.complete = True
                return
            if left() == 0.0:
                self.gave_up()
                return

    def settle_for_good(self, unrolling: Unrolling) -> None:
        """What induction shows, with a part of the work that the budget may
        allow: facts of all states, invariants among them, and rules of the
        model that no step breaks."""
        seconds, most = self.budget.seconds, _INDUCTION
        if seconds is not None:
            most = min(most, int(seconds * SECOND / 4))
        with limited(None, work=most) as mine:
            try:
                self.settle_within(unrolling)
            except Spent as spent:
                if spent.limits is not mine:
                    raise

    def settle_within(self, unrolling: Unrolling) -> None:
        work = Induction(self.system)
        sorts = find_symmetry(self.system, self.properties, indices=False).sorts
        steps = work.representatives(frozenset(sorts))
        claims = [
            Candidate(p.name, conjuncts(p))
            for p in self.open()
            if p.kind.of_states and p.kind.safety
        ]
        names = {lemma.name for lemma in claims}
        guessed = (Candidate(n, parts) for n, parts in guesses(self.system).items())
        kept, _ = work.strongest(steps, [*claims, *guessed])
        self.lasts = {lemma.name for lemma in kept} & names
        unrolling.facts = tuple(part for lemma in kept for part in lemma.parts)
        wrong = work.broken_rules(steps, kept)
        if self.system.cutting:
            known = [*work.ranges(work.now), *work.truths(kept, work.now)]
            self.unneeded = work.unneeded(known)
        cells = self.system.cells
        unrolling.closed = frozenset(
            (a.name, "range", k)
            for a in self.system.actions
            for k, cell in enumerate(cells)
            if (a.name, cell.variable) not in wrong
        ) | frozenset(
            (a.name, "due", n)
            for a in self.system.actions
            for n, due in enumerate(a.obligations)
            if (a.name, due) not in wrong
        )

    def done(self) -> int:
        """Return the units of work since the engine was started."""
        return worked() - self.worked

    def sound(self, unrolling: Unrolling, depth: int) -> None:
        """Asks whether a step from here breaks the model, with little work;
        what stays open is put off, and runs go on without breaking it."""
        questions = [
            q for c in unrolling.choices[-1] for q in unrolling.model_questions(c)
        ]
        if not questions:
            return
        patience = max(_PATIENCE, self.done() // 8)
        bad = disjunction(q.bad for q in questions)
        asserted = len(unrolling.solver.asserted)
        answer, model = unrolling.solver.check(bad, patience)
        if answer == z3.sat:
            for q in questions:
                if z3.is_true(model.eval(q.bad, True)):
                    self.found(unrolling, model, q, depth)
        elif answer != z3.unsat:
            self.deferred.append(_Deferred(questions, depth, asserted))
        unrolling.solver.add(*(negation(q.bad) for q in questions))

    def ask_again(self, unrolling: Unrolling) -> None:
        """The questions that were put off, with half the work of all before."""
        end = self.done() + max(self.done() // 2, SECOND)
        while self.deferred and not self.defects:
            late = self.deferred[0]
            bad = disjunction(q.bad for q in late.questions)
            work = end - self.done()
            answer, model = unrolling.solver.check_early(late.asserted, bad, work)
            if answer == z3.sat:
                for q in late.questions:
                    if z3.is_true(model.eval(q.bad, True)):
                        self.found(unrolling, model, q, late.depth)
                return
            if answer != z3.unsat:
                return
            self.deferred.pop(0)

    def starts_wrong(self) -> bool:
        """Return whether some initial value is outside its declared range."""
        for cell in self.system.cells:
            v = cell.variable
            if v.init is None:
                continue
            at = Valuation(self.system, ())
            first = at.value(v.init)
            raw = first if isinstance(first, int) else first[cell.index]
            low = v.lo is not None and raw < at.raw(v.lo)
            if low or (v.hi is not None and raw > at.raw(v.hi)):
                starts = initial_states(self.system)
                if starts:
                    message = f"{cell.name} becomes {raw}, outside its range"
                    self.defects[cell.name] = Defect(message, Trace(starts[0], ()))
                    return True
        return False

    def unrolling(self) -> Unrolling:
        system = self.system
        ranges = [declared(c.variable) for c in system.cells]
        finite = all(lo is not None and hi is not None for lo, hi in ranges)
        ordered: tuple[ir.ScalarSort, ...] = ()
        if self.budget.symmetry and all(v.init is not None for v in system.variables):
            ordered = find_symmetry(system, self.properties, indices=False).sorts
        if finite:
            return Unrolling(system, Bits(), Incremental("QF_FD"), ordered, ranges)
        return Unrolling(system, Integers(), Incremental(""), ordered, ranges)

    # -- questions --

    def open(self) -> list[Property]:
        return [p for p in self.properties if p.name not in self.verdicts]

    def at_state(self, unrolling: Unrolling) -> list[RunQuestion]:
        low = Lowering(self.system, unrolling.encoding, unrolling.states[-1])
        found = []
        for p in self.open():
            if p.kind.of_states and p.name not in self.lasts:
                truth = low.truth(p.formula)
                bad = truth if p.kind.wants_witness else negation(truth)
                found.append(RunQuestion(p.name, bad, None, p))
        return found

    def step_questions(self, unrolling: Unrolling) -> list[RunQuestion]:
        """The step properties, of the step to come."""
        found = []
        for p in self.open():
            for c in unrolling.choices[-1]:
                if p.about(c.action):
                    bad = self.step_fails(unrolling, c, p)
                    found.append(RunQuestion(p.name, bad, c, p))
        return found

    def step_fails(self, unrolling: Unrolling, c: StepChoice, p: Property) -> Term:
        after = unrolling.state_after(c)
        low = c.lowering.of_step(c.action, after, c.result)
        fine = [negation(q.bad) for q in unrolling.model_questions(c)]
        return conjunction((c.taken, c.guard, *fine, negation(low.truth(p.formula))))

    # -- answers --

    def settle(
        self, unrolling: Unrolling, questions: list[RunQuestion], depth: int
    ) -> bool:
        """Answers the questions for runs of this length; what is not
        violated is assumed from here on. False where z3 gave up."""
        questions = [q for q in questions if not z3.is_false(q.bad)]
        while questions:
            bad = disjunction(q.bad for q in questions)
            answer, model = unrolling.solver.check(bad)
            if answer == z3.unsat:
                unrolling.solver.add(*(negation(q.bad) for q in questions))
                return True
            if answer != z3.sat:
                self.gave_up()
                return False
            hit = [q for q in questions if z3.is_true(model.eval(q.bad, True))]
            for q in hit:
                self.found(unrolling, model, q, depth)
            keys = {q.key for q in hit}
            questions = [q for q in questions if q.key not in keys]
        return True

    def gave_up(self) -> None:
        if left() == 0.0:
            self.stopped = f"the time budget of {self.budget.seconds:g} s"
        else:
            self.stopped = "z3 gave up"

    def found(
        self, unrolling: Unrolling, model: Any, q: RunQuestion, depth: int
    ) -> None:
        trace = unrolling.run(model, depth)
        if q.step is not None:  # a model may take other actions, too
            last = unrolling.chosen(model, q.step)
            trace = Trace(trace.initial, (*trace.steps, last))
        if q.prop is None:
            self.defects.setdefault(q.key, Defect(q.message, trace, q.obligation))
            with overtime():
                confirm_defect(self.system, trace)
        elif q.key not in self.verdicts:
            with overtime():
                confirm(self.system, trace, q.prop)
            self.verdicts[q.key] = shown_by(q.prop, trace)

    def outcome(self) -> Outcome:
        verdicts: dict[str, Verdict] = {}
        complete = self.complete and not self.deferred and not self.defects
        depth, reason = max(self.depth, 0), self.stopped
        if self.deferred:
            depth = min(depth, self.deferred[0].depth)
            reason = reason or f"ranges and asserts are open from depth {depth} on"
        for p in self.properties:
            if p.name in self.verdicts:
                verdicts[p.name] = self.verdicts[p.name]
            elif complete:
                verdicts[p.name] = settled(p, 0, self.depth)
            else:
                verdicts[p.name] = Unknown(reason, depth)
        notes: tuple[str, ...] = ()
        if self.deferred:
            notes = (f"ranges, indices and asserts: checked to depth {depth} only",)
        statistics = Statistics(
            depth=max(self.depth, 0),
            seconds=time.monotonic() - self.begin,
            complete=complete,
            unneeded=self.unneeded,
            notes=notes,
        )
        if self.never is not None and complete:
            statistics = replace(
                statistics,
                no_start=self.never.start,
                impossible=frozenset(self.never.actions),
                true_antecedents=self.never.true_antecedents(),
            )
        return Outcome("bmc", verdicts, tuple(self.defects.values()), statistics)


# --- what never happens ----------------------------------------------------


_Key = TypeVar("_Key")


@dataclass
class _Never:
    """What no run of any length does, once all are known: start at all, take
    an action, make an antecedent true. Nothing is said where z3 gives up."""

    search: _Deepening
    unrolling: Unrolling
    start: bool
    actions: set[str]
    antecedents: dict[tuple[str, int], tuple[Property, Expr]]

    @staticmethod
    def of(search: _Deepening, unrolling: Unrolling) -> _Never:
        properties = [p for p in search.properties if p.name not in search.verdicts]
        never = _Never(
            search,
            unrolling,
            False,
            {a.name for a in search.system.actions},
            {
                (p.name, k): (p, a)
                for p in properties
                for k, a in enumerate(p.antecedents)
            },
        )
        first: set[str] = never.possible(0, {"": TRUE_TERM})
        never.start = not first
        for depth in range(len(search.asserted) - 1):
            never.at(depth)
        return never

    def true_antecedents(self) -> dict[str, tuple[bool, ...]]:
        return {
            p.name: tuple(
                (p.name, k) not in self.antecedents for k in range(len(p.antecedents))
            )
            for p in self.search.properties
        }

    def at(self, depth: int) -> None:
        """Crosses off what happens after so many steps, or in the next."""
        choices = self.unrolling.choices[depth]
        taken = {
            c.action.name: c.taken for c in choices if c.action.name in self.actions
        }
        happens: set[str] = self.possible(depth + 1, taken)
        self.actions -= happens
        states = self.unrolling.states
        now = Lowering(self.search.system, self.unrolling.encoding, states[depth])
        here = {
            key: now.truth(a)
            for key, (p, a) in self.antecedents.items()
            if p.kind.of_states
        }
        steps = {
            key: disjunction(
                self.taken_with(choices, c, a, states[depth + 1])
                for c in choices
                if p.about(c.action)
            )
            for key, (p, a) in self.antecedents.items()
            if p.kind.of_steps
        }
        for key in (*self.possible(depth, here), *self.possible(depth + 1, steps)):
            del self.antecedents[key]

    def taken_with(
        self,
        choices: list[StepChoice],
        c: StepChoice,
        antecedent: Expr,
        after: list[Value],
    ) -> Term:
        """That this step, and no other, is taken with the antecedent true."""
        low = c.lowering.of_step(c.action, after, c.result)
        alone = (negation(other.taken) for other in choices if other is not c)
        return conjunction((c.taken, *alone, low.truth(antecedent)))

    def possible(self, step: int, questions: Mapping[_Key, Term]) -> set[_Key]:
        """Those that some run of so many steps, or more, makes true; all
        that are left where z3 gives up."""
        found: set[_Key] = set()
        asserted, solver = self.search.asserted[step], self.unrolling.solver
        while left := {k: q for k, q in questions.items() if k not in found}:
            some = disjunction(left.values())
            answer, model = solver.check_early(asserted, some)
            if answer == z3.unsat:
                return found
            if answer != z3.sat:
                return found | set(left)
            found |= {k for k, q in left.items() if z3.is_true(model.eval(q, True))}
        return found


# --- evidence --------------------------------------------------------------


def confirm(system: TransitionSystem, trace: Trace, p: Property) -> None:
    """Raise AssertionError if the run does not show what z3 says."""
    if p.kind.of_steps:
        assert trace.steps, trace
        assert p.action in (None, trace.steps[-1].action), trace
    if not trace.steps:
        at = Valuation(system, trace.initial)
        assert at.true(p.formula) == p.kind.wants_witness, trace
        return
    before = states_of(system, trace.initial, trace.steps[:-1])[-1]
    last = trace.steps[-1]
    action = system.action_by_name[last.action]
    taken = successor(system, action, before, last.arguments)
    assert taken is not None, f"{last} is not enabled"
    after, result = taken
    if not p.kind.of_steps:
        at = Valuation(system, after)
        assert at.true(p.formula) == p.kind.wants_witness, trace
        return
    locals_: dict[Expr, int] = arguments(action, last.arguments)
    if action.result is not None and result is not None:
        locals_[action.returned] = result
    assert not Valuation(system, before, after, locals_).true(p.formula), trace


def confirm_defect(system: TransitionSystem, trace: Trace) -> None:
    """Raise AssertionError if the model is not wrong there."""
    before = states_of(system, trace.initial, trace.steps[:-1])[-1]
    last = trace.steps[-1]
    action = system.action_by_name[last.action]
    if broken(system, action, before, last.arguments) is not None:
        return
    taken = successor(system, action, before, last.arguments)
    assert taken is not None, trace
    assert out_of_range(system, taken[0]), trace
