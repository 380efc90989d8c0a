"""Induction with z3: what holds for any size, and a certificate that says why.

Flanagan and Leino, "Houdini" (2001); Sheeran, Singh and Stalmarck,
k-induction (2000); Komuravelli, Gurfinkel and Chaki, Spacer (2014).
Sound: a property is reported only if a set of lemmas contains or implies it
that holds initially and is kept by every action, over mathematical integers,
and a fresh solver has found so again from the lemmas' text. Declared ranges,
indices and asserts are among what is proved; nothing else is assumed but
parameters' domains and the least values of the sizes that stay open.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import z3  # type: ignore[import-untyped]

from checker import ir
from checker.ir import Expr, expand
from checker.lower.smt import (
    Integers,
    Lowering,
    Number,
    Term,
    Value,
    constant,
    disjunction,
    negation,
    term_of,
    unknown,
)
from checker.property import Kind, Property, result_local
from checker.symmetry import find_symmetry
from checker.system import Action, TransitionSystem, Variable
from checker.verdict import (
    Budget,
    Certificate,
    Holds,
    Outcome,
    Reporter,
    Silent,
    Statistics,
    Unknown,
    Verdict,
)

_QUERY_SECONDS = 20.0
"""How long z3 may think about one query."""


@dataclass(frozen=True)
class Lemma:
    """A candidate: what it is called, and its conjuncts over the state."""

    name: str
    parts: tuple[Expr, ...]

    @property
    def variables(self) -> frozenset[str]:
        return _mentioned(self.parts)


@dataclass
class _Step:
    """One action over named unknowns: its guard, and the state after it."""

    action: Action
    given: list[Term]
    after: list[Value]
    lowering: Lowering
    result: Value | None
    next: Lowering


class _Facts:
    """What is given, and one solver that is asked what follows from it."""

    def __init__(self, work: _Induction, terms: Iterable[Term]) -> None:
        self.work = work
        self.solver = z3.Solver(ctx=work.context)
        self.solver.set("timeout", int(_QUERY_SECONDS * 1000))
        self.solver.add(*(work.own(t) for t in terms))

    def refuted(self, claim: Term) -> str:
        """'' where the claim follows, else why that is not known."""
        self.work.asked += 1
        if z3.is_true(claim):
            return ""
        if self.work.over():
            return "the time budget is spent at"
        self.solver.push()
        self.solver.add(self.work.own(negation(claim)))
        answer = self.solver.check()
        self.solver.pop()
        if answer == z3.unsat:
            return ""
        if answer == z3.sat:
            return "does not keep"
        return f"z3 gave up ({self.solver.reason_unknown()}) on"


@dataclass
class _Induction:
    """The system over z3 integers, and the queries about it."""

    system: TransitionSystem
    over: Any
    report: Reporter
    sorts: frozenset[ir.Sort]
    context: Any = None
    asked: int = 0
    now: list[Value] = field(default_factory=list)
    params: dict[str, Value] = field(default_factory=dict)
    sizes: list[Term] = field(default_factory=list)
    steps: list[_Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.now = self.state()
        for name, least in self.system.least.items():
            size = self.encoding.fresh(name, None, None)
            self.params[name] = size
            if least is not None:
                self.sizes.append(size.term >= least)
        self.now_of = self.lowering(self.now)
        self.steps = [
            self.step(a, raw, self.now)
            for a in self.system.actions
            for raw in self.representatives(a)
        ]

    encoding = Integers()

    def own(self, term: Term) -> Term:
        """The term for this induction's solvers."""
        return term if self.context is None else term.translate(self.context)

    def representatives(self, action: Action) -> list[tuple[int, ...]]:
        """The action's arguments, one of each orbit: ranges and properties
        are the same for all elements of an interchangeable scalarset."""
        found = []
        for raw in action.valuations():
            seen: dict[ir.Sort, list[int]] = {}
            first = True
            for p, r in zip(action.parameters, raw, strict=True):
                sort = p.local.sort
                if sort not in self.sorts or not isinstance(sort, ir.ScalarSort):
                    continue
                known = seen.setdefault(sort, [])
                if r != sort.size and r not in known:
                    first = first and r == len(known)
                    known.append(r)
            if first:
                found.append(raw)
        return found

    def state(self) -> list[Value]:
        """Unknowns for the cells. Their ranges are lemmas, not assumptions."""
        return [
            self.encoding.fresh(c.name, None, None)
            if c.variable.element is not ir.BOOL
            and not isinstance(c.variable.element, ir.SetSort)
            else unknown(self.encoding, c.name, c.variable.element, None)
            for c in self.system.cells
        ]

    def lowering(self, now: Sequence[Value]) -> Lowering:
        return Lowering(self.system, self.encoding, now, params=self.params)

    def step(
        self, action: Action, raw: tuple[int, ...], now: Sequence[Value]
    ) -> _Step:
        low = self.lowering(now)
        for p, r in zip(action.parameters, raw, strict=True):
            low.locals[p.local] = constant(self.encoding, p.local.sort, r)
        given = [*self.sizes, low.truth(action.guard)]
        updates = dict(zip(action.updates, low.all(action.updates.values()),
                           strict=True))  # fmt: skip
        after = list(now)
        for name, value in updates.items():
            cells = value if isinstance(value, dict) else {(): value}
            for index, cell in cells.items():
                after[self.system.cell_of[name, index]] = cell
        result = None if action.result is None else low(action.result)
        return _Step(action, given, after, low, result, self.lowering(after))

    def given(self, *terms: Iterable[Term]) -> _Facts:
        """A solver that knows these terms."""
        return _Facts(self, [t for some in terms for t in some])

    # -- the queries --

    def truths(self, lemmas: Iterable[Lemma], at: Sequence[Value]) -> list[Term]:
        low = self.lowering(at)
        return [low.truth(part) for lemma in lemmas for part in lemma.parts]

    def initial(self) -> list[Term]:
        """What the initial states satisfy."""
        terms = list(self.sizes)
        low = self.lowering(self.now)
        at = dict(zip((c for c in self.system.cells), self.now, strict=True))
        for cell, value in at.items():
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
        """That one cell's value is in its variable's declared range."""
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

    # -- Houdini --

    def strongest(self, lemmas: list[Lemma]) -> tuple[list[Lemma], dict[str, str]]:
        """The largest set of lemmas that holds initially and is kept by every
        action; for each one dropped, what breaks it."""
        why: dict[str, str] = {}
        start = self.given(self.initial())
        kept = []
        for lemma in lemmas:
            broken = [r for t in self.truths([lemma], self.now)
                      if (r := start.refuted(t))]  # fmt: skip
            if broken:
                why[lemma.name] = "an initial state is against it"
            else:
                kept.append(lemma)
        changed = True
        while changed:
            changed = False
            for step in self.steps:
                given = self.given(
                    step.given, self.ranges(self.now), self.truths(kept, self.now)
                )
                for lemma in list(kept):
                    if not lemma.variables & step.action.updates.keys():
                        continue
                    part = self.broken_part(step, given, lemma)
                    if part:
                        why[lemma.name] = part
                        kept.remove(lemma)
                        changed = True
                self.report.progress(lemmas=len(kept), queries=self.asked)
        return kept, why

    def broken_part(self, step: _Step, given: _Facts, lemma: Lemma) -> str:
        for part in lemma.parts:
            before, after = self.now_of.truth(part), step.next.truth(part)
            if before.eq(after):
                continue
            reason = given.refuted(after)
            if reason:
                return f"{step.action.name} {reason} {ir.show(part)}"
        return ""

    def broken_ranges(self, kept: list[Lemma]) -> str:
        """Which declared range, index or assert is not known to be kept."""
        start = self.given(self.initial())
        for t in self.ranges(self.now):
            if reason := start.refuted(t):
                return f"an initial state {reason} a declared range"
        for step in self.steps:
            now = [*self.ranges(self.now), *self.truths(kept, self.now)]
            given = self.given(step.given, now)
            cells = zip(self.system.cells, self.now, step.after, strict=True)
            for cell, before, after in cells:
                if before is after:
                    continue
                for t in self.in_range(cell.variable, after, step.lowering):
                    if reason := given.refuted(t):
                        return f"{step.action.name} {reason} the range of {cell.name}"
            early = self.given(self.sizes, now)
            for due in step.action.obligations:
                facts = early if due.early else given
                if reason := facts.refuted(step.lowering.truth(due.formula)):
                    return f"{due.span}: {step.action.name} {reason}: {due.message}"
        return ""

    # -- k-induction, for what one step does not keep --

    def two_inductive(self, kept: list[Lemma], lemma: Lemma) -> str:
        """'' where the lemma holds in the first two states and then, held
        twice in a row, in the next; else why that is not known."""
        start = self.initial()
        before = [*self.ranges(self.now), *self.truths([*kept, lemma], self.now)]
        for one in self.steps:
            first = self.truths([lemma], one.after)
            begun = self.given(start, one.given)
            for t in first:
                if reason := begun.refuted(t):
                    return f"{one.action.name}, first of all, {reason} it"
            for action in self.system.actions:
                for raw in action.valuations():
                    two = self.step(action, raw, one.after)
                    given = self.given(before, one.given, first, two.given)
                    for t in self.truths([lemma], two.after):
                        if reason := given.refuted(t):
                            return f"{one.action.name}, {action.name} {reason} it"
        return ""

    # -- Spacer --

    def spacer(self, lemma: Lemma, seconds: float) -> list[Term]:
        """Terms over the state that are inductive and imply the lemma, if
        Spacer finds some; nothing is believed of them yet."""
        sizes = [term_of(p) for p in self.params.values()]
        now = [*(term_of(v) for v in self.now), *sizes]
        if any(z3.is_bv(t) for t in now):
            return []
        solver = z3.Fixedpoint()
        solver.set(engine="spacer", timeout=int(seconds * 1000))
        known = z3.Function("known", *(t.sort() for t in now), z3.BoolSort())
        solver.register_relation(known)
        for t in now:
            solver.declare_var(t)
        solver.rule(known(*now), self.initial())
        for step in self.steps:
            after = [*(term_of(v) for v in step.after), *sizes]
            solver.rule(known(*after), [known(*now), *step.given])
        bad = disjunction(negation(t) for t in self.truths([lemma], self.now))
        self.asked += 1
        try:
            if solver.query(z3.And(known(*now), bad)) != z3.unsat:
                return []
        except z3.Z3Exception:
            return []
        cover = solver.get_cover_delta(-1, known)
        found = z3.substitute_vars(cover, *now)
        return list(found.children()) if z3.is_and(found) else [found]


def number_of(low: Lowering, e: Expr) -> Number:
    """The number that an integer expression lowers to."""
    value = low(e)
    assert isinstance(value, Number)
    return value


# --- certificates ---------------------------------------------------------


def check_certificate(
    system: TransitionSystem,
    properties: tuple[Property, ...],
    certificate: Certificate,
    over: Callable[[], bool],
) -> str:
    """'' where the certificate's lemmas, read from their text, are inductive
    for the system, by solvers of a context of their own; else what is not."""
    sorts = frozenset(find_symmetry(system, properties).sorts)
    work = _Induction(system, over, Silent(), sorts, z3.Context())
    lemmas = read_lemmas(work, certificate.lemmas)
    kept, deep = lemmas[: certificate.base], lemmas[certificate.base :]
    start = work.given(work.initial())
    for lemma in lemmas:
        if reason := start.refuted(lemma):
            return f"an initial state {reason} a lemma"
    before = [term_of(v) for v in work.now]
    for step in work.steps:
        moved = _moved(before, step.after)
        given = work.given(step.given, kept)
        for lemma in kept:
            after = z3.substitute(lemma, *moved)
            if not after.eq(lemma) and (reason := given.refuted(after)):
                return f"{step.action.name} {reason} a lemma"
        if not deep:
            continue
        first = [z3.substitute(lemma, *moved) for lemma in deep]
        begun = work.given(work.initial(), step.given)
        for lemma in first:
            if reason := begun.refuted(lemma):
                return f"{step.action.name}, first of all, {reason} a lemma"
        for action in system.actions:
            for raw in action.valuations():
                two = work.step(action, raw, step.after)
                given = work.given(lemmas, step.given, first, two.given)
                again = _moved(before, two.after)
                for lemma in deep:
                    if reason := given.refuted(z3.substitute(lemma, *again)):
                        return f"{step.action.name}, {action.name} {reason} a lemma"
    return ""


def _moved(before: list[Term], after: Sequence[Value]) -> list[tuple[Term, Term]]:
    pairs = zip(before, (term_of(v) for v in after), strict=True)
    return [(b, a) for b, a in pairs if not b.eq(a)]


def read_lemmas(work: _Induction, texts: Iterable[str]) -> list[Term]:
    """The lemmas as terms over the state's unknowns, from SMT-LIB 2."""
    symbols = {str(term_of(v)): term_of(v)
               for v in (*work.now, *work.params.values())}  # fmt: skip
    return [z3.And(*z3.parse_smt2_string(f"(assert {text})", decls=symbols))
            for text in texts]  # fmt: skip


# --- the engine -----------------------------------------------------------


def prove(
    system: TransitionSystem,
    properties: tuple[Property, ...],
    budget: Budget,
    report: Reporter,
) -> Outcome:
    """Proofs for any size; see verdict.Engine. What cannot be proved is
    Unknown, with the action and the conjunct that stand in the way."""
    begin = time.monotonic()
    over = budget.clock()
    verdicts: dict[str, Verdict] = {}
    try:
        _prove(system, properties, budget, over, report, verdicts)
    except KeyboardInterrupt:
        for p in properties:
            verdicts.setdefault(p.name, Unknown("interrupted"))
    return Outcome(
        "prove", {p.name: verdicts[p.name] for p in properties},
        statistics=Statistics(seconds=time.monotonic() - begin),
    )  # fmt: skip


def _prove(
    system: TransitionSystem,
    properties: tuple[Property, ...],
    budget: Budget,
    over: Any,
    report: Reporter,
    verdicts: dict[str, Verdict],
) -> None:
    begin = time.monotonic()
    sorts = frozenset(find_symmetry(system, properties).sorts)
    work = _Induction(system, over, report, sorts)
    for p in properties:
        if p.kind not in (Kind.INVARIANT, Kind.STEP):
            verdicts[p.name] = Unknown("induction does not show what is reached")
    invariants = [p for p in properties if p.kind is Kind.INVARIANT]
    lemmas = {p.name: Lemma(p.name, _conjuncts(p.formula)) for p in invariants}
    kept, why = work.strongest(list(lemmas.values()))
    wrong = work.broken_ranges(kept)
    if wrong:
        for p in properties:
            verdicts.setdefault(p.name, Unknown(f"not inductive: {wrong}"))
        return
    base = [*work.ranges(work.now), *work.truths(kept, work.now)]
    certificate = _certified(work, properties, base)
    if certificate is None:
        for p in properties:
            verdicts.setdefault(p.name, Unknown("the certificate was not confirmed"))
        return
    holds = Holds(exhaustive=False, certificate=certificate)
    for lemma in kept:
        verdicts[lemma.name] = holds
    for p in properties:
        if p.kind is Kind.STEP:
            reason = _step_reason(work, base, p)
            verdicts[p.name] = Unknown(reason) if reason else holds
    for p in invariants:
        if p.name in verdicts:
            continue
        verdicts[p.name] = Unknown(f"not inductive: {why.get(p.name, '')}")
        if over():
            continue
        lemma = lemmas[p.name]
        if why.get(p.name, "").startswith("an initial"):
            continue
        if not work.two_inductive(kept, lemma):
            deeper = _certified(work, properties, base, work.truths([lemma], work.now))
            if deeper is not None:
                verdicts[p.name] = Holds(exhaustive=False, certificate=deeper)
                continue
        spent = time.monotonic() - begin
        left = (budget.seconds or 60.0) - spent
        if left < 1:
            continue
        found = work.spacer(lemma, min(left / 2, 30.0))
        if found:
            terms = [*base, *found, *work.truths([lemma], work.now)]
            spacers = _certified(work, properties, terms)
            if spacers is not None:
                verdicts[p.name] = Holds(exhaustive=False, certificate=spacers)


def _certified(
    work: _Induction,
    properties: tuple[Property, ...],
    base: Sequence[Term],
    deep: Sequence[Term] = (),
) -> Certificate | None:
    """The certificate, if fresh solvers agree from its text."""
    base = [t for t in base if not z3.is_true(t)]
    texts = tuple(t.sexpr() for t in (*base, *deep))
    certificate = Certificate(
        texts, 2 if deep else 1, tuple(sorted(work.params)), len(base)
    )
    wrong = check_certificate(work.system, properties, certificate, work.over)
    return None if wrong else certificate


def _step_reason(work: _Induction, base: Sequence[Term], p: Property) -> str:
    for step in work.steps:
        if p.action not in (None, step.action.name):
            continue
        low = Lowering(
            work.system, work.encoding, work.now, step.after,
            dict(step.lowering.locals), work.params,
        )  # fmt: skip
        if step.result is not None and step.action.result is not None:
            sort = step.action.result.sort
            size = len(getattr(sort, "labels", (0, 1)))
            low.locals[result_local(sort, size)] = step.result
        reason = work.given(step.given, base).refuted(low.truth(p.formula))
        if reason:
            return f"{step.action.name} {reason} it"
    return ""


def _conjuncts(formula: Expr) -> tuple[Expr, ...]:
    whole = expand(formula)
    return whole.args if whole.op == "and" else (whole,)


def _mentioned(parts: Iterable[Expr]) -> frozenset[str]:
    return frozenset(e.data[0] for e in ir.subterms(*parts) if e.op == "var")
