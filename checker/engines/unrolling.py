# SPDX-License-Identifier: GPL-2.0-only
"""The runs of a system up to some length as one formula, for bounded model checking.

Each step is a choice of one action and its arguments. Which step of a run a formula
speaks of is the unrolling's business; what to ask, and in which order, is that of
checker.engines.bmc.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import z3

from poolproof.checker.backends.smt import (
    Bits,
    Encoding,
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
from poolproof.checker.core.ir import Expr
from poolproof.checker.core.limits import left, tick
from poolproof.checker.core.property import Property
from poolproof.checker.core.system import Action, Obligation, State, TransitionSystem
from poolproof.checker.core.verdict import Step, Trace
from poolproof.checker.engines import effort
from poolproof.checker.engines.interruptible import handle_interrupts


class Incremental:
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
class StepChoice:
    """One action at one depth: whether it is taken, its arguments, and the next
    state."""

    action: Action
    taken: Term
    lowering: Lowering
    guard: Term
    updates: dict[int, Value]
    result: Value | None


AboutModel = tuple[str, str, int]
"""A question about the model: (action, 'range', cell) or (action, 'due', of
its obligations)."""


@dataclass
class RunQuestion:
    """A violation (or witness) to look for: of a property, or an error of the
    model. With ``step`` it is about the next step, if that is this action; else
    about the last state."""

    key: str
    bad: Term
    step: StepChoice | None
    prop: Property | None = None
    obligation: Obligation | None = None
    message: str = ""


TRUE_TERM = z3.BoolVal(True)
_WORK = 200
"""Least cost of one more step of an action, see checker.core.limits."""


@dataclass
class Unrolling:
    """The runs of the present length, as a formula. ``facts`` hold in all of
    their states; the questions about the model in ``closed`` are answered
    with no, for good."""

    system: TransitionSystem
    encoding: Encoding
    solver: Incremental
    ordered: tuple[ir.ScalarSort, ...]
    ranges: list[tuple[int | None, int | None]]
    states: list[list[Value]] = field(default_factory=list)
    choices: list[list[StepChoice]] = field(default_factory=list)
    used: dict[ir.ScalarSort, Number] = field(default_factory=dict)
    facts: tuple[Expr, ...] = ()
    closed: frozenset[AboutModel] = frozenset()

    def start(self) -> None:
        """Begin with an arbitrary initial state."""
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

    def offer(self) -> list[StepChoice]:
        """Return every action from the last state; only the domains of their arguments
        are asserted."""
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
            updates = {
                k: cell
                for k, cell in low.updates(action).items()
                if cell is not self.states[-1][k]
            }
            result = None if action.result is None else low(action.result)
            taken = z3.Bool(f"{action.name}@{depth}")
            made.append(StepChoice(action, taken, low, guard, updates, result))
        self.choices.append(made)
        return made

    def leaves(self, choice: StepChoice) -> list[tuple[int, Term]]:
        """Return (cell, term) for each update that may leave its cell's range: the term
        says that it does."""
        found = []
        for k, value in choice.updates.items():
            lo, hi = self.ranges[k]
            if isinstance(value, Number):
                inside = self.encoding.within(value, lo, hi)
                if not z3.is_true(inside):
                    found.append((k, z3.And(choice.guard, negation(inside))))
        return found

    def model_questions(self, c: StepChoice) -> list[RunQuestion]:
        """Return the questions whether taking an action breaks a range, an index or an
        assert."""
        found = []

        def ask(key: str, bad: Term, message: str, kind: str, n: int) -> None:
            due = c.action.obligations[n] if kind == "due" else None
            taken = conjunction((c.taken, bad))
            if (c.action.name, kind, n) not in self.closed and not z3.is_false(taken):
                found.append(RunQuestion(key, taken, c, None, due, message))

        for k, bad in self.leaves(c):
            cell = self.system.cells[k]
            key = f"range {cell.variable.name} {c.action.name}"
            ask(key, bad, f"{cell.name} leaves its range", "range", k)
        for n, due in enumerate(c.action.obligations):
            bad = negation(c.lowering.truth(due.formula))
            if not due.early:
                bad = conjunction((c.guard, bad))
            ask(f"{due.span} {due.message}", bad, due.message, "due", n)
        return found

    def state_after(self, c: StepChoice) -> list[Value]:
        """Return the next state if an action is taken and breaks no range."""
        after = list(self.states[-1])
        for k, value in c.updates.items():
            lo, hi = self.ranges[k]
            after[k] = (
                self.encoding.fit(value, lo, hi) if isinstance(value, Number) else value
            )
        return after

    def advance(self) -> None:
        """Add one more step: some action is taken, and its guard is true."""
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
        """Return a fresh constant that equals the value, a variable of the solver's
        own."""
        element = self.system.cells[k].variable.element
        if not isinstance(value, Number):
            fresh = unknown(self.encoding, name, element, None)
            self.solver.add(fresh == value)
            return fresh
        number = self.encoding.fresh(name, *self.ranges[k])
        self.solver.add(self.encoding.eq(number, value))
        return number

    def name_in_order(self, c: StepChoice, sort: ir.ScalarSort) -> Number:
        """Assert that a new element is the least unused one, and return how many are
        used after the action."""
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
        """Return the run of so many steps that a model describes."""
        initial: State = tuple(raw_of(model, v) for v in self.states[0])
        found = []
        for made in self.choices[:steps]:
            c = next(c for c in made if z3.is_true(model.eval(c.taken, True)))
            found.append(self.chosen(model, c))
        return Trace(initial, tuple(found))

    def chosen(self, model: Any, c: StepChoice) -> Step:
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
