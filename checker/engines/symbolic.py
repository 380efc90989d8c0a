# SPDX-License-Identifier: GPL-2.0-only
"""A system over z3's mathematical integers: states, steps, and the questions whether
a claim about them follows. The only assumptions are the domains of arguments and the
least values of open sizes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any

import z3

from poolproof.checker.backends.smt import (
    Integers,
    Lowering,
    Number,
    Term,
    Value,
    constant,
    negation,
    raw_of,
    term_of,
    unknown,
)
from poolproof.checker.core import ir
from poolproof.checker.core.ir import BOOL, Expr, SetSort
from poolproof.checker.core.limits import SECOND, left, look, tick, work_left
from poolproof.checker.core.property import Property
from poolproof.checker.core.system import Action, TransitionSystem, Variable
from poolproof.checker.core.verdict import Reporter, Silent
from poolproof.checker.engines import effort
from poolproof.checker.engines.interruptible import handle_interrupts

_QUERY = 20 * SECOND
"""Units of work for one query (checker.engines.effort)."""

_WORK = 200
"""Least cost of a step, see checker.core.limits."""


@dataclass(frozen=True)
class Candidate:
    """A candidate: its name, and its conjuncts over the state."""

    name: str
    parts: tuple[Expr, ...]

    @cached_property
    def variables(self) -> frozenset[str]:
        return ir.variables_in(*self.parts)


@dataclass
class SymbolicStep:
    """One action over named unknowns: when it is taken, the state after it.
    ``arguments`` are its raw arguments, or unknowns within their domains."""

    action: Action
    arguments: tuple[Value, ...]
    given: list[Term]
    sizes: list[Term]
    after: list[Value]
    lowering: Lowering
    result: Value | None
    next: Lowering

    def show(self, model: Any) -> str:
        return self.action.call([raw_of(model, a) for a in self.arguments])


class Facts:
    """Given terms, and one solver for the queries whether a claim follows."""

    def __init__(self, work: SymbolicSystem, terms: Iterable[Term]) -> None:
        self.work = work
        self.solver = z3.Solver(ctx=work.context)
        self.solver.add(*(work.own(t) for t in terms))
        self.model: Any = None

    def assume(self, terms: Iterable[Term]) -> None:
        """Add terms, until `forget`."""
        self.solver.push()
        self.solver.add(*(self.work.own(t) for t in terms))

    def forget(self) -> None:
        self.solver.pop()

    def refuted(self, claim: Term) -> str:
        """Return '' if the claim follows, else the reason: z3 has a counterexample
        (`model`), gave up, or the time is up."""
        self.model = None
        if z3.is_true(claim):
            return ""
        look()
        self.work.queries += 1
        seconds = left()
        if seconds == 0.0:
            return "time is up for"
        self.solver.push()
        self.solver.add(self.work.own(negation(claim)))
        most = work_left()
        answer = effort.check(
            self.solver, _QUERY if most is None else min(most, _QUERY), seconds
        )
        if answer == z3.sat:
            self.model = self.solver.model()
        why = self.solver.reason_unknown() if answer == z3.unknown else ""
        self.solver.pop()
        if answer == z3.unsat:
            return ""
        return "does not keep" if answer == z3.sat else f"z3 gave up ({why}) on"


@dataclass
class SymbolicSystem:
    """The system over z3 integers, and the queries about it."""

    system: TransitionSystem
    report: Reporter = field(default_factory=Silent)
    context: Any = None
    queries: int = 0
    params: dict[str, Value] = field(default_factory=dict)
    sizes: list[Term] = field(default_factory=list)

    encoding = Integers()

    def __post_init__(self) -> None:
        self.now = self.state()
        for name, least in self.system.least.items():
            # A bound and a variable may have one name.
            size = self.encoding.fresh(f"size {name}", None, None)
            self.params[name] = size
            if least is not None:
                self.sizes.append(size.term >= least)
        self.low = self.lowering(self.now)

    def own(self, term: Term) -> Term:
        """Return the term in the context of this system's solvers."""
        return term if self.context is None else term.translate(self.context)

    def state(self, mark: str = "") -> list[Value]:
        """Return unknowns for the cells, with the ``mark`` behind their names. Their
        ranges are lemmas, not assumptions."""
        return [
            unknown(self.encoding, c.name + mark, element, None)
            if (element := c.variable.element) is BOOL or isinstance(element, SetSort)
            else self.encoding.fresh(c.name + mark, None, None)
            for c in self.system.cells
        ]

    def lowering(self, now: Sequence[Value]) -> Lowering:
        return Lowering(self.system, self.encoding, now, params=self.params)

    # -- steps --

    def instances(self, action: Action) -> Iterator[SymbolicStep]:
        """Yield the action with each choice of arguments."""
        for raw in action.valuations():
            yield self.instance(action, raw)

    def instance(self, action: Action, raw: tuple[int, ...]) -> SymbolicStep:
        arguments = tuple(
            constant(self.encoding, p.local.sort, r)
            for p, r in zip(action.parameters, raw, strict=True)
        )
        return self.step(action, arguments, self.now, [])

    def representatives(self, sorts: frozenset[ir.Sort]) -> list[SymbolicStep]:
        """Return every action with one choice of arguments from each orbit: the one in
        which elements of the given scalarsets first appear in order."""
        found = []
        for action in self.system.actions:
            for raw in action.valuations():
                seen: dict[ir.Sort, list[int]] = {}
                first = True
                tick(4)
                for p, r in zip(action.parameters, raw, strict=True):
                    sort = p.local.sort
                    if sort not in sorts or not isinstance(sort, ir.ScalarSort):
                        continue
                    known = seen.setdefault(sort, [])
                    if r != sort.size and r not in known:
                        first = first and r == len(known)
                        known.append(r)
                if first:
                    found.append(self.instance(action, raw))
        return found

    def any_step(self, action: Action, now: Sequence[Value], name: str) -> SymbolicStep:
        """Return the action from a state, with unknown arguments."""
        domains, arguments = [], []
        for p in action.parameters:
            label = f"argument {p.name}{name}"
            value = unknown(self.encoding, label, p.local.sort, p.domain)
            arguments.append(value)
            if isinstance(value, Number) and value.known is None:
                domains += [value.term >= p.domain.lo, value.term <= p.domain.hi]
        return self.step(action, tuple(arguments), now, domains)

    def step(
        self,
        action: Action,
        arguments: tuple[Value, ...],
        now: Sequence[Value],
        domains: Sequence[Term],
    ) -> SymbolicStep:
        handle_interrupts()
        tick(_WORK)
        low = self.lowering(now)
        for p, value in zip(action.parameters, arguments, strict=True):
            low.locals[p.local] = value
        sizes = [*self.sizes, *domains]
        given = [*sizes, low.truth(action.guard)]
        after = low.state_after(action)
        result = None if action.result is None else low(action.result)
        return SymbolicStep(
            action, arguments, given, sizes, after, low, result, self.lowering(after)
        )

    def unneeded(self, known: Iterable[Term]) -> frozenset[str]:
        """Return the assumptions that cut nothing in any state of which the terms
        are true: their reasons. One that z3 gives up on is not among them."""
        facts = self.given(known)
        needed: set[str] = set()
        for action in self.system.actions:
            if not action.assumptions:
                continue
            step = self.any_step(action, self.now, "")
            facts.assume(step.sizes)
            for assumed in action.assumptions:
                if assumed.why not in needed:
                    cut = step.lowering.truth(assumed.cut)
                    if facts.refuted(negation(cut)):
                        needed.add(assumed.why)
            facts.forget()
        return frozenset(self.system.cutting) - needed

    # -- what is known of states --

    def given(self, *terms: Iterable[Term]) -> Facts:
        """Return a solver with these terms."""
        return Facts(self, [t for some in terms for t in some])

    def truths(self, lemmas: Iterable[Candidate], at: Sequence[Value]) -> list[Term]:
        low = self.lowering(at)
        return low.all(part for lemma in lemmas for part in lemma.parts)

    def initial(self) -> list[Term]:
        """Return the terms of the initial states."""
        terms, low = list(self.sizes), self.lowering(self.now)
        for cell, value in zip(self.system.cells, self.now, strict=True):
            v = cell.variable
            if v.init is not None:
                start = low(v.init)
                wanted = start[cell.index] if isinstance(start, dict) else start
                terms.append(low.equal(value, wanted))
            else:
                terms.extend(self.in_range(v, value, low))
        terms.append(low.truth(self.system.initial))
        return terms

    def in_range(self, v: Variable, value: Value, low: Lowering) -> list[Term]:
        """Return the term: the cell's value is in its variable's declared range."""
        if not isinstance(value, Number):
            return []
        terms = []
        if v.lo is not None:
            terms.append(low.at_most(number_of(low, v.lo), value))
        if v.hi is not None:
            terms.append(low.at_most(value, number_of(low, v.hi)))
        return terms

    def ranges(self, at: Sequence[Value]) -> list[Term]:
        low = self.lowering(at)
        cells = zip(self.system.cells, at, strict=True)
        return [t for c, value in cells for t in self.in_range(c.variable, value, low)]

    def holds(self, p: Property, step: SymbolicStep | None = None) -> Term:
        """Return the term: an invariant (or, for a step, a step property) is true and
        reads no table outside its domain."""
        formula = ir.and_(ir.defined(p.formula), p.formula)
        if step is None:
            return self.low.truth(formula)
        low = step.lowering.of_step(step.action, step.after, step.result)
        return low.truth(formula)

    # -- k-induction, for what one step does not keep --

    def paths(self, k: int) -> Iterator[list[SymbolicStep]]:
        """Yield all sequences of k actions, with unknown arguments."""
        for actions in product(self.system.actions, repeat=k):
            path: list[SymbolicStep] = []
            for n, action in enumerate(actions):
                now = path[-1].after if path else self.now
                path.append(self.any_step(action, now, f" {n}"))
            yield path

    def deep_inductive(self, shallow: list[Term], deep: list[Term], k: int) -> str:
        """Return '' if the deep terms hold in the first k states of every run and,
        after k states in a row in which they hold, in the next one, with the shallow
        ones always given. Else return why that is not known."""
        before = [term_of(v) for v in self.now]

        def at(terms: list[Term], state: Sequence[Value]) -> list[Term]:
            moved = moves(before, state)
            return [z3.substitute(t, *moved) for t in terms]

        for n in range(1, k + 1):
            for path in self.paths(n):
                taken = [t for step in path for t in step.given]
                names = ", ".join(step.action.name for step in path)
                if n < k:
                    facts = self.given(self.initial(), taken)
                else:
                    states = [self.now, *(step.after for step in path[:-1])]
                    held = [t for s in states for t in at([*shallow, *deep], s)]
                    facts = self.given(held, taken)
                for claim in at(deep, path[-1].after):
                    if reason := facts.refuted(claim):
                        return f"{names} {reason} it"
        return ""

    # -- lemmas as text --

    def read(self, texts: Iterable[str]) -> list[Term]:
        """Return lemmas as terms over the state's unknowns, from SMT-LIB 2."""
        symbols = {
            str(term_of(v)): term_of(v) for v in (*self.now, *self.params.values())
        }
        parsed = (
            z3.parse_smt2_string(f"(assert {text})", decls=symbols) for text in texts
        )  # an `and` of one term is none of SMT-LIB
        return [some[0] if len(some) == 1 else z3.And(*some) for some in parsed]


def number_of(low: Lowering, e: Expr) -> Number:
    """Return the number that an integer expression lowers to."""
    value = low(e)
    assert isinstance(value, Number)
    return value


def moves(before: list[Term], after: Sequence[Value]) -> list[tuple[Term, Term]]:
    """Return the substitution that turns a term over a state into one over the next."""
    pairs = zip(before, (term_of(v) for v in after), strict=True)
    return [(b, a) for b, a in pairs if not b.eq(a)]


def unknowns(term: Term) -> Iterator[Term]:
    """Yield the unknowns in a term."""
    for t in subterms(term):
        if z3.is_const(t) and z3.is_app_of(t, z3.Z3_OP_UNINTERPRETED):
            yield t


def subterms(term: Term) -> Iterator[Term]:
    """Yield a term and all that is in it, each once."""
    seen, stack = set(), [term]
    while stack:
        t = stack.pop()
        if t.get_id() not in seen:
            seen.add(t.get_id())
            yield t
            stack.extend(t.children())


def conjuncts(p: Property) -> tuple[Expr, ...]:
    """Return the conjuncts of an invariant, and the condition that it is defined."""
    whole = ir.expand(ir.and_(ir.defined(p.formula), p.formula))
    return whole.args if whole.op == "and" else (whole,)
