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

import z3  # type: ignore[import-untyped]

from poolproof.checker.backends.smt import (
    Bits,
    Encoding,
    Integers,
    Lowering,
    Number,
    Term,
    Value,
    conjunction,
    disjunction,
    negation,
    raw_of,
    unknown,
)
from poolproof.checker.core import ir
from poolproof.checker.core.evaluate import (
    Valuation,
    arguments,
    broken,
    initial_states,
    out_of_range,
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
    tick,
    worked,
)
from poolproof.checker.core.property import Property
from poolproof.checker.core.ranges import declared
from poolproof.checker.core.system import Action, Obligation, State, TransitionSystem
from poolproof.checker.core.verdict import (
    INTERRUPTED,
    Budget,
    Defect,
    Outcome,
    Reporter,
    Statistics,
    Step,
    Trace,
    Unknown,
    Verdict,
    settled,
    shown_by,
)
from poolproof.checker.engines import effort
from poolproof.checker.engines.candidates import guesses
from poolproof.checker.engines.induction import Induction, Lemma, conjuncts
from poolproof.checker.engines.interruptible import handle_interrupts, interruptible
from poolproof.checker.passes.symmetry import find_symmetry


class _Solver:
    """An incremental z3 solver that can be started afresh with the same terms."""

    def __init__(self, logic: str) -> None:
        self.logic = logic
        self.asserted: list[Term] = []
        self.solver = self.new()

    def new(self) -> Any:
        return z3.SolverFor(self.logic) if self.logic else z3.Solver()

    def add(self, *terms: Term) -> None:
        self.asserted += terms
        self.solver.add(*terms)

    def check(self, extra: Term, work: int | None = None) -> tuple[Any, Any]:
        """Return (answer, model) with one more term, which is then dropped.
        ``work`` as in effort.check. A solver that was stopped while it read
        the terms has lost some of them, and is replaced."""
        self.solver.push()
        self.solver.add(extra)
        answer = effort.check(self.solver, work, left())
        model = self.solver.model() if answer == z3.sat else None
        self.solver.pop()
        if answer == z3.unknown:
            self.solver = self.new()
            self.solver.add(*self.asserted)
        return answer, model

    def check_early(
        self, asserted: int, extra: Term, work: int | None = None
    ) -> tuple[Any, Any]:
        """`check` with only the first ``asserted`` terms."""
        solver = self.new()
        solver.add(*self.asserted[:asserted], extra)
        answer = effort.check(solver, work, left())
        return answer, solver.model() if answer == z3.sat else None


@dataclass
class _Choice:
    """One action at one depth: whether it is taken, its arguments, and the next
    state."""

    action: Action
    taken: Term
    lowering: Lowering
    guard: Term
    updates: dict[int, Value]
    result: Value | None


_Number = tuple[str, str, int]
"""A question about the model: (action, 'range', cell) or (action, 'due', of
its obligations)."""


@dataclass
class _Question:
    """A violation (or witness) to look for: of a property, or an error of the
    model. With ``step`` it is about the next step, if that is this action; else
    about the last state."""

    key: str
    bad: Term
    step: _Choice | None
    prop: Property | None = None
    obligation: Obligation | None = None
    message: str = ""
    number: _Number = ("", "", 0)


@dataclass(frozen=True)
class _Deferred:
    """Queries about the model itself that took too long: their depth, and the
    terms that the solver had."""

    questions: list[_Question]
    depth: int
    asserted: int


_TRUE = z3.BoolVal(True)
_WORK = 200
"""Least cost of one more step of an action, see checker.core.limits."""
_PATIENCE = SECOND // 4
"""Units of work for the questions about the model at one depth, at first."""
_INDUCTION = 4 * SECOND
"""Units of work at most for what induction can show before runs are looked at."""


@dataclass
class _Unrolling:
    """The runs of the present length, as a formula. ``facts`` hold in all of
    their states; the questions about the model in ``closed`` are answered
    with no, for good."""

    system: TransitionSystem
    encoding: Encoding
    solver: _Solver
    ordered: tuple[ir.ScalarSort, ...]
    ranges: list[tuple[int | None, int | None]]
    states: list[list[Value]] = field(default_factory=list)
    choices: list[list[_Choice]] = field(default_factory=list)
    used: dict[ir.ScalarSort, Number] = field(default_factory=dict)
    facts: tuple[Expr, ...] = ()
    closed: frozenset[_Number] = frozenset()

    def start(self) -> None:
        """Return an arbitrary initial state."""
        cells = []
        for cell, (lo, hi) in zip(self.system.cells, self.ranges, strict=True):
            name = f"{cell.name}@0"
            element = cell.variable.element
            if element is ir.BOOL or isinstance(element, ir.SetSort):
                cells.append(unknown(self.encoding, name, element, None))
            else:
                number = self.encoding.fresh(name, lo, hi)
                self.solver.add(*bounded(self.encoding, number, lo, hi))
                cells.append(number)
        self.states.append(cells)
        low = Lowering(self.system, self.encoding, cells)
        for cell, value in zip(self.system.cells, cells, strict=True):
            if cell.variable.init is not None:
                first = low(cell.variable.init)
                wanted = first[cell.index] if isinstance(first, dict) else first
                self.solver.add(low.equal(value, wanted))
        self.solver.add(low.truth(self.system.initial))
        self.used = {s: self.encoding.constant(0) for s in self.ordered}

    def offer(self) -> list[_Choice]:
        """Every action from the last state; nothing is asserted but the
        domains of their arguments."""
        depth = len(self.choices)
        made = []
        for action in self.system.actions:
            handle_interrupts()
            if not all(len(p.domain) for p in action.parameters):
                continue  # there are no arguments to take it with
            tick(_WORK)
            low = Lowering(self.system, self.encoding, self.states[-1])
            for p in action.parameters:
                name = f"{action.name}.{p.name}@{depth}"
                value = unknown(self.encoding, name, p.local.sort, p.domain)
                if isinstance(value, Number):
                    ends = p.domain.lo, p.domain.hi
                    self.solver.add(*bounded(self.encoding, value, *ends))
                low.locals[p.local] = value
            guard = low.truth(action.guard)
            updates: dict[int, Value] = {}
            lowered = low.all(action.updates.values())
            for name, value in zip(action.updates, lowered, strict=True):
                cells = value if isinstance(value, dict) else {(): value}
                for index, cell in cells.items():
                    k = self.system.cell_of[name, index]
                    if cell is not self.states[-1][k]:
                        updates[k] = cell
            result = None if action.result is None else low(action.result)
            taken = z3.Bool(f"{action.name}@{depth}")
            made.append(_Choice(action, taken, low, guard, updates, result))
        self.choices.append(made)
        return made

    def leaves(self, choice: _Choice) -> list[tuple[int, Term]]:
        """Where an update may leave a cell's range: (cell, that it does)."""
        found = []
        for k, value in choice.updates.items():
            lo, hi = self.ranges[k]
            if isinstance(value, Number):
                inside = self.encoding.within(value, lo, hi)
                if not z3.is_true(inside):
                    found.append((k, z3.And(choice.guard, negation(inside))))
        return found

    def model_questions(self, c: _Choice) -> list[_Question]:
        """The ranges, indices and asserts that taking an action may break."""
        found = []
        name = c.action.name
        for k, bad in self.leaves(c):
            cell = self.system.cells[k]
            key = f"range {cell.variable.name} {name}"
            message = f"{cell.name} leaves its range"
            found.append(
                _Question(
                    key,
                    conjunction((c.taken, bad)),
                    c,
                    None,
                    None,
                    message,
                    (name, "range", k),
                )
            )
        for n, due in enumerate(c.action.obligations):
            bad = negation(c.lowering.truth(due.formula))
            if not due.early:
                bad = conjunction((c.guard, bad))
            key = f"{due.span} {due.message}"
            found.append(
                _Question(
                    key,
                    conjunction((c.taken, bad)),
                    c,
                    None,
                    due,
                    due.message,
                    (name, "due", n),
                )
            )
        return [
            q for q in found if q.number not in self.closed and not z3.is_false(q.bad)
        ]

    def state_after(self, c: _Choice) -> list[Value]:
        """Return the next state if an action is taken and breaks no range."""
        after = list(self.states[-1])
        for k, value in c.updates.items():
            lo, hi = self.ranges[k]
            after[k] = (
                self.encoding.fit(value, lo, hi) if isinstance(value, Number) else value
            )
        return after

    def advance(self) -> None:
        """One more step: some action is taken, its guard true."""
        choices = self.choices[-1]
        self.solver.add(disjunction(c.taken for c in choices))
        used = dict(self.used)
        for c in reversed(choices):
            self.solver.add(z3.Implies(c.taken, c.guard))
            for sort in self.ordered:
                mine = self.name_in_order(c, sort)
                used[sort] = self.encoding.fit(
                    self.encoding.choose(c.taken, mine, used[sort]), 0, sort.size
                )
        self.used = used
        before = self.states[-1]
        after = list(before)
        low = Lowering(self.system, self.encoding, before)
        for c in reversed(choices):
            fitted = self.state_after(c)
            for k in c.updates:
                after[k] = low.choose(c.taken, fitted[k], after[k])
            for k in range(len(after)):
                if k not in c.updates and after[k] is not before[k]:
                    after[k] = low.choose(c.taken, before[k], after[k])
        depth = len(self.states)
        for k, value in enumerate(after):
            if value is not before[k]:
                after[k] = self.named(f"{self.system.cells[k].name}@{depth}", k, value)
        self.states.append(after)
        now = Lowering(self.system, self.encoding, after)
        self.solver.add(*now.all(self.facts))

    def named(self, name: str, k: int, value: Value) -> Value:
        """A fresh constant equal to the value: the solver's own variable."""
        element = self.system.cells[k].variable.element
        if not isinstance(value, Number):
            fresh = unknown(self.encoding, name, element, None)
            self.solver.add(fresh == value)
            return fresh
        number = self.encoding.fresh(name, *self.ranges[k])
        self.solver.add(self.encoding.eq(number, value))
        return number

    def name_in_order(self, c: _Choice, sort: ir.ScalarSort) -> Number:
        """Asserts that an element that is new is the least unused one; how
        many are used after the action."""
        used = self.used[sort]
        for p in c.action.parameters:
            value = c.lowering.locals[p.local]
            if p.local.sort is not sort or not isinstance(value, Number):
                continue
            nothing = c.lowering.same(value, self.encoding.constant(sort.size))
            fits = c.lowering.at_most(value, used)
            self.solver.add(disjunction((negation(c.taken), nothing, fits)))
            new = conjunction((negation(nothing), c.lowering.same(value, used)))
            grown = self.encoding.add((used, self.encoding.constant(1)))
            chosen = self.encoding.choose(new, grown, used)
            used = self.encoding.fit(chosen, 0, sort.size)
        return used

    def run(self, model: Any, steps: int) -> Trace:
        """The run of so many steps that a model describes."""
        initial: State = tuple(raw_of(model, v) for v in self.states[0])
        found = []
        for made in self.choices[:steps]:
            c = next(c for c in made if z3.is_true(model.eval(c.taken, True)))
            found.append(self.chosen(model, c))
        return Trace(initial, tuple(found))

    def chosen(self, model: Any, c: _Choice) -> Step:
        locals_ = c.lowering.locals
        raw = tuple(raw_of(model, locals_[p.local]) for p in c.action.parameters)
        return Step(c.action.name, raw)


def bounded(
    encoding: Encoding, number: Number, lo: int | None, hi: int | None
) -> list[Term]:
    """Return the term for lo <= number <= hi."""
    if isinstance(encoding, Bits):
        return [encoding.within(number, lo, hi)]
    low = [] if lo is None else [number.term >= lo]
    return low if hi is None else [*low, number.term <= hi]


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
    try:
        with interruptible(), doing("building the formula"):
            runs.go()
    except KeyboardInterrupt:
        runs.stopped = INTERRUPTED
    except Spent as spent:
        runs.stopped = str(spent)
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
            self.stopped = "the model itself is wrong (see the defects)"
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

    def unroll(self, unrolling: _Unrolling) -> None:
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
                self.stopped = "the model itself is wrong (see the defects)"
                return
            if not self.settle(unrolling, self.step_questions(unrolling), depth):
                return
            unrolling.advance()
            self.asserted.append(len(unrolling.solver.asserted))
            answer, _ = unrolling.solver.check(_TRUE, _PATIENCE)
            if answer == z3.unsat:
                self.complete = True
                return
            if self.left() == 0.0:
                self.gave_up()
                return

    def settle_for_good(self, unrolling: _Unrolling) -> None:
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

    def settle_within(self, unrolling: _Unrolling) -> None:
        work = Induction(self.system)
        sorts = find_symmetry(self.system, self.properties, indices=False).sorts
        steps = work.representatives(frozenset(sorts))
        claims = [
            Lemma(p.name, conjuncts(p))
            for p in self.open()
            if p.kind.of_states and p.kind.safety
        ]
        names = {lemma.name for lemma in claims}
        guessed = (Lemma(n, parts) for n, parts in guesses(self.system).items())
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

    def left(self) -> float | None:
        """Return the seconds left of the budget; None without one."""
        return left()

    def sound(self, unrolling: _Unrolling, depth: int) -> None:
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

    def ask_again(self, unrolling: _Unrolling) -> None:
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

    def unrolling(self) -> _Unrolling:
        system = self.system
        ranges = [declared(c.variable) for c in system.cells]
        finite = all(lo is not None and hi is not None for lo, hi in ranges)
        ordered: tuple[ir.ScalarSort, ...] = ()
        if self.budget.symmetry and all(v.init is not None for v in system.variables):
            ordered = find_symmetry(system, self.properties, indices=False).sorts
        if finite:
            return _Unrolling(system, Bits(), _Solver("QF_FD"), ordered, ranges)
        return _Unrolling(system, Integers(), _Solver(""), ordered, ranges)

    # -- questions --

    def open(self) -> list[Property]:
        return [p for p in self.properties if p.name not in self.verdicts]

    def at_state(self, unrolling: _Unrolling) -> list[_Question]:
        low = Lowering(self.system, unrolling.encoding, unrolling.states[-1])
        found = []
        for p in self.open():
            if p.kind.of_states and p.name not in self.lasts:
                truth = low.truth(p.formula)
                bad = truth if p.kind.wants_witness else negation(truth)
                found.append(_Question(p.name, bad, None, p))
        return found

    def step_questions(self, unrolling: _Unrolling) -> list[_Question]:
        """The step properties, of the step to come."""
        found = []
        for p in self.open():
            for c in unrolling.choices[-1]:
                if p.about(c.action):
                    bad = self.step_fails(unrolling, c, p)
                    found.append(_Question(p.name, bad, c, p))
        return found

    def step_low(
        self,
        unrolling: _Unrolling,
        c: _Choice,
        before: list[Value],
        after: list[Value],
    ) -> Lowering:
        """How formulas about a choice's step are read."""
        low = Lowering(
            self.system, unrolling.encoding, before, after, dict(c.lowering.locals)
        )
        if c.result is not None and c.action.result is not None:
            low.locals[c.action.returned] = c.result
        return low

    def step_fails(self, unrolling: _Unrolling, c: _Choice, p: Property) -> Term:
        after = unrolling.state_after(c)
        low = self.step_low(unrolling, c, unrolling.states[-1], after)
        fine = [negation(q.bad) for q in unrolling.model_questions(c)]
        return conjunction((c.taken, c.guard, *fine, negation(low.truth(p.formula))))

    # -- answers --

    def settle(
        self, unrolling: _Unrolling, questions: list[_Question], depth: int
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
        if self.left() == 0.0:
            self.stopped = f"the time budget of {self.budget.seconds:g} s"
        else:
            self.stopped = "z3 gave up"

    def found(
        self, unrolling: _Unrolling, model: Any, q: _Question, depth: int
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
    unrolling: _Unrolling
    start: bool
    actions: set[str]
    antecedents: dict[tuple[str, int], tuple[Property, Expr]]

    @staticmethod
    def of(search: _Deepening, unrolling: _Unrolling) -> _Never:
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
        first: set[str] = never.possible(0, {"": _TRUE})
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
                self.taken_with(choices, c, a, states[depth], states[depth + 1])
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
        choices: list[_Choice],
        c: _Choice,
        antecedent: Expr,
        before: list[Value],
        after: list[Value],
    ) -> Term:
        """That this step, and no other, is taken with the antecedent true."""
        low = self.search.step_low(self.unrolling, c, before, after)
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


def _replayed(system: TransitionSystem, trace: Trace) -> list[State]:
    """The states before the last step, by the plain reading of the IR."""
    states = [trace.initial]
    for step in trace.steps[:-1]:
        taken = successor(
            system, system.action_by_name[step.action], states[-1], step.arguments
        )
        assert taken is not None, f"{step} is not enabled"
        states.append(taken[0])
    return states


def confirm(system: TransitionSystem, trace: Trace, p: Property) -> None:
    """Raise AssertionError if the run does not show what z3 says."""
    if p.kind.of_steps:
        assert trace.steps, trace
        assert p.action in (None, trace.steps[-1].action), trace
    if not trace.steps:
        at = Valuation(system, trace.initial)
        assert at.true(p.formula) == p.kind.wants_witness, trace
        return
    before = _replayed(system, trace)[-1]
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
    before = _replayed(system, trace)[-1]
    last = trace.steps[-1]
    action = system.action_by_name[last.action]
    if broken(system, action, before, last.arguments) is not None:
        return
    taken = successor(system, action, before, last.arguments)
    assert taken is not None, trace
    assert out_of_range(system, taken[0]), trace
