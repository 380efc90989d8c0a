# SPDX-License-Identifier: GPL-2.0-only
"""Induction at open sizes: which lemmas hold initially and after every step.

Houdini (see checker.engines.induction) over the properties and the guesses. A lemma
whose proof used other lemmas is checked again if one of those is given up.

Every range, index, assert and loop is checked, too. Nothing is proved unless every
loop is, because its closed form depends on that. A range that is not proved is not
assumed: the results then hold with that variable unbounded, so in every state up to
the first error of the model. Indices and asserts are never assumed. Those that are
not proved are reported in a note.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from poolproof.checker.core import ir
from poolproof.checker.core.compiled import Compiled, Observer
from poolproof.checker.core.ir import Expr
from poolproof.checker.core.limits import doing
from poolproof.checker.core.property import Property
from poolproof.checker.core.system import (
    Action,
    Obligation,
    TransitionSystem,
    Variable,
)
from poolproof.checker.core.verdict import (
    Budget,
    Certificate,
    Ending,
    Holds,
    Outcome,
    Reporter,
    Statistics,
    Unknown,
    Verdict,
)
from poolproof.checker.engines.anysize.candidates import guesses, renamed
from poolproof.checker.engines.anysize.questions import (
    QueryResult,
    Question,
    unsatisfiable,
)
from poolproof.checker.engines.anysize.rows import Rows
from poolproof.checker.engines.anysize.terms import PlainTerms, range_of
from poolproof.checker.engines.anysize.visits import Visits
from poolproof.checker.engines.anysize.winnow import Clauses, Winnow
from poolproof.checker.engines.induction import cannot_prove


@dataclass(frozen=True)
class VerificationCondition:
    """A formula over the state before and ``action``'s arguments that must hold
    where its guard does (``early``: everywhere), or in every initial state (no
    action). ``about`` is its name. ``loop``: an assumption of a loop's closed form;
    no proof is valid without this claim. ``range``: the variable whose
    range the claim is a part of."""

    about: str
    formula: Expr
    action: Action | None = None
    early: bool = False
    loop: Obligation | None = None
    range: str = ""


@dataclass
class Lemma:
    """A candidate over the state."""

    name: str
    formula: Expr
    of: Property | None = None

    @property
    def variables(self) -> frozenset[str]:
        return ir.variables_in(self.formula)


@dataclass
class Proof:
    """The lemmas in use, the guesses that may still become some, and what was
    proved with which of them."""

    system: TransitionSystem
    report: Reporter
    lemmas: dict[str, Lemma] = field(default_factory=dict)
    pool: dict[str, Lemma] = field(default_factory=dict)
    answers: dict[tuple[str, Expr], QueryResult] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    queries: int = 0

    def __post_init__(self) -> None:
        self.relations = relations(self.system)
        self.plain = PlainTerms(self.system)
        self.visits = Visits(self.system)
        self.known: dict[str, list[VerificationCondition]] = {}

    # -- claims --

    def after(self, formula: Expr, action: Action) -> Expr:
        """Return a formula over states, of the state after a step of the action, over
        the state before."""
        by = {
            self.system.by_name[name].now: update
            for name, update in action.updates.items()
        }
        return ir.substitute(formula, by)

    def next(self, name: str, action: Action) -> Expr:
        return action.updates.get(name, self.system.by_name[name].now)

    def at_start(self, formula: Expr) -> Expr:
        by = {v.now: v.init for v in self.system.variables if v.init is not None}
        return ir.substitute(formula, by)

    def claims(self, lemma: Lemma) -> list[VerificationCondition]:
        """Return what must be proved for a lemma."""
        if lemma.name not in self.known:
            self.known[lemma.name] = list(self.made(lemma))
        return self.known[lemma.name]

    def made(self, lemma: Lemma) -> Iterator[VerificationCondition]:
        yield VerificationCondition(
            f"initially {lemma.name}", self.at_start(lemma.formula)
        )
        for action in self.system.actions:
            if lemma.variables & action.updates.keys():
                formula = self.after(lemma.formula, action)
                if formula is not lemma.formula:
                    yield VerificationCondition(
                        f"{action.name} keeps {lemma.name}", formula, action
                    )

    def rules(self) -> Iterator[VerificationCondition]:
        """Ranges, indices, asserts and loops."""
        for v in self.system.variables:
            formula = in_range(v)
            if formula is ir.TRUE:
                continue
            about = f"initially {range_of(v.name)}"
            yield VerificationCondition(about, self.at_start(formula), range=v.name)
            for action in self.system.actions:
                if v.name in action.updates:
                    formula_after = self.after(formula, action)
                    about = f"{action.name} keeps {range_of(v.name)}"
                    yield VerificationCondition(
                        about, formula_after, action, range=v.name
                    )
        for action in self.system.actions:
            for due in action.obligations:
                where = f"{due.span}: " if due.span else ""
                about = f"{where}{action.name}: {due.message}"
                loop = due if due.kind == "loop" else None
                yield VerificationCondition(about, due.formula, action, due.early, loop)

    # -- asking --

    def ask(self, claim: VerificationCondition) -> QueryResult:
        """Return the answer to whether the claim follows from the lemmas. Guesses that
        it needs become lemmas."""
        known = self.answers.get((claim.about, claim.formula))
        if known is None or not self.may_use(known):
            known = self.question(claim, self.lemmas.values())
            if not known.proved and self.pool:
                every = (*self.lemmas.values(), *self.pool.values())
                known = self.question(claim, every)
        if known.proved:
            self.answers[claim.about, claim.formula] = known
            for name in [n for n in self.pool if n in known.used]:
                self.lemmas[name] = self.pool.pop(name)
        return known

    def clauses(self) -> Iterator[tuple[str, Expr]]:
        """Yield what holds of each shape's rows: clauses that the actions keep, as
        far as z3 can say."""
        shapes = Rows(self.visits).shapes()
        groups = [Clauses(s.binders, list(s.clauses())) for s in shapes]
        Winnow(self.system, groups, self.after, self.at_start, self.about_step).go()
        for group in groups:
            if group.left:
                yield f"rows {', '.join(map(str, group.binders))}", group.formula

    def about_step(
        self,
        action: Action | None,
        lemmas: Iterable[Lemma] | None = None,
        early: bool = False,
    ) -> Question:
        """Return a question about a state with all lemmas (or these) that the action's
        guard allows (``early``: or not), or about an initial one."""
        question = Question(self.plain, self.relations)
        if action is None:
            question.know("", self.at_start(self.system.initial))
            return question
        if not early:
            question.know("", action.guard)
        for lemma in self.lemmas.values() if lemmas is None else lemmas:
            question.know(lemma.name, lemma.formula)
        return question

    def may_use(self, answer: QueryResult) -> bool:
        return answer.used <= self.lemmas.keys() | self.pool.keys() | self.ranges

    @property
    def ranges(self) -> frozenset[str]:
        """The names of the ranges that are assumed."""
        return frozenset(map(range_of, self.plain.ranged))

    @property
    def size(self) -> int:
        """How much may still be given up."""
        return len(self.lemmas) + len(self.pool) + len(self.plain.ranged)

    def question(
        self, claim: VerificationCondition, lemmas: Iterable[Lemma]
    ) -> QueryResult:
        self.queries += 1
        self.report.progress(lemmas=len(self.lemmas), queries=self.queries)
        question = self.about_step(claim.action, lemmas, claim.early)
        question.deny(claim.formula)
        return question.ask()

    def reason(self, claim: VerificationCondition, answer: QueryResult) -> str:
        if answer.refuted:
            state = ", ".join(answer.model[:8])
            return f"not proved: {claim.about}" + (
                f", e.g. where {state}" if state else ""
            )
        return f"not decided: {claim.about}: {answer.why}"

    def settle(self) -> None:
        """Give up lemmas, and take up guesses, until what is left is inductive."""
        settled = False
        while not settled:
            settled = True
            for lemma in list(self.lemmas.values()):
                for claim in self.claims(lemma):
                    before = len(self.lemmas)
                    answer = self.ask(claim)
                    settled = settled and len(self.lemmas) == before
                    if not answer.proved:
                        self.why[lemma.name] = self.reason(claim, answer)
                        del self.lemmas[lemma.name]
                        settled = False
                        break


def in_range(v: Variable) -> Expr:
    """Return that every cell of the variable is in its declared range. A value of a
    scalarset is an element or none."""
    index = [ir.local(f"at{k}@{v.name}", d) for k, d in enumerate(v.index)]
    cell = ir.select(v.now, *index) if index else v.now
    sort = v.element
    if isinstance(sort, ir.ScalarSort):
        none = v.lo if sort.size < 0 else v.hi
        absent = none is not None and none.is_const and none.data == sort.size
        formula = ir.TRUE if absent else ir.ne(cell, ir.const(sort, sort.size))
    elif sort is ir.INT:
        formula = ir.and_(
            ir.TRUE if v.lo is None else ir.le(v.lo, cell),
            ir.TRUE if v.hi is None else ir.le(cell, v.hi),
        )
    else:
        return ir.TRUE
    return ir.nested("all", index, formula)


def relations(system: TransitionSystem) -> tuple[Expr, ...]:
    """Return what open bounds must satisfy for the initial values to be in their
    ranges: the sizes of which the proof is."""
    found: dict[Expr, None] = {}
    for v in system.variables:
        init = v.init
        if init is not None and init.op == "fill":
            init = init.args[0]
        if init is None or init.sort is not ir.INT:
            continue
        ends = ((v.lo, init), (init, v.hi))
        for low, high in ends:
            if low is None or high is None:
                continue
            formula = ir.le(low, high)
            leaves = {e.op for e in ir.subterms(formula) if not e.args}
            if formula is not ir.TRUE and leaves == {"param"}:
                found[formula] = None
    return tuple(found)


@dataclass(frozen=True)
class Sources:
    """The material for guesses, besides tables: the design's ``observers``, formulas
    that are ``stated`` elsewhere, and, on request, ``clauses`` about rows."""

    observers: tuple[Observer, ...] = ()
    stated: tuple[Expr, ...] = ()
    clauses: bool = True


def anysize(
    system: TransitionSystem,
    properties: tuple[Property, ...],
    budget: Budget,
    report: Reporter,
    sources: Sources,
) -> Outcome:
    """Prove properties for all values of the open bounds; see verdict.Engine."""
    begin = time.monotonic()
    run = _Run(system, properties, report, sources)
    with Ending() as ending, doing("proving at open sizes"):
        run.go()
    stopped = ending.why or "time is up"
    return Outcome(
        "prove",
        {p.name: run.verdicts.get(p.name, Unknown(stopped)) for p in properties},
        statistics=replace(
            run.statistics,
            seconds=time.monotonic() - begin,
            notes=run.notes,
            loop=None if ending.why else run.loop,
        ),
    )


def anysize_of(compiled: Compiled) -> Callable[..., Outcome]:
    """Return the engine for a design, whose observers it knows."""
    observers = tuple(compiled.vocabulary.observers.values())
    return partial(anysize, sources=Sources(observers, compiled.stated))


@dataclass
class _Run:
    """One call of `anysize`: what is proved so far."""

    system: TransitionSystem
    properties: tuple[Property, ...]
    report: Reporter
    sources: Sources
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    statistics: Statistics = field(default_factory=Statistics)
    notes: tuple[str, ...] = ()
    loop: Obligation | None = None

    def __post_init__(self) -> None:
        self.proof = Proof(self.system, self.report)

    def go(self) -> None:
        proof = self.proof
        named = {
            p.name: Lemma(p.name, renamed(stated(p), k), p)
            for k, p in enumerate(self.properties)
            if p.kind.of_states and p.kind.safety
        }
        guessed = {
            f"stated {k}": Lemma(f"stated {k}", renamed(e, 1000 + k))
            for k, e in enumerate(self.sources.stated)
        }
        guessed |= {
            n: Lemma(n, e) for n, e in guesses(proof.visits, self.sources.observers)
        }
        candidates = {**guessed, **named}
        fit = proof.visits.true({n: one.formula for n, one in candidates.items()})
        fitting = {n: one for n, one in named.items() if n in fit}
        proof.pool = {n: one for n, one in guessed.items() if n in fit}
        rules = list(proof.rules())
        self.attempt(fitting, rules)
        if self.sources.clauses and any(
            self.worth_more(p, fit) for p in self.properties
        ):
            clauses = dict(proof.clauses())
            number = len(self.properties)
            proof.pool |= {
                n: Lemma(n, renamed(e, number + k))
                for k, (n, e) in enumerate(clauses.items())
            }
            proof.plain.ranged |= {v.name for v in self.system.variables}
            self.attempt(fitting, rules)

    def worth_more(self, p: Property, fit: frozenset[str]) -> bool:
        """Whether the property is not proved and may hold."""
        unknown = isinstance(self.verdicts[p.name], Unknown) and p.kind.safety
        return unknown and (p.name in fit or not p.kind.of_states)

    def attempt(
        self, named: Mapping[str, Lemma], rules: list[VerificationCondition]
    ) -> None:
        """Prove what follows from the lemmas, the named ones and guesses."""
        proof = self.proof
        proof.lemmas |= named
        while True:
            before = proof.size
            proof.settle()
            wrong, left_open = self.of_rules(rules)
            steps = {
                p.name: self.first_wrong(self.step_claims(p)) for p in self.properties
            }
            proof.settle()
            if proof.size == before:
                break
        proved: list[Property] = []
        for p in self.properties:
            reason = wrong or self.unknown(p, steps[p.name])
            if not reason:
                proved.append(p)
            elif not isinstance(self.verdicts.get(p.name), Holds):
                self.verdicts[p.name] = Unknown(reason)
        if any(not isinstance(self.verdicts.get(p.name), Holds) for p in proved):
            self.notes = tuple(
                f"neither proved nor assumed, so the model may be wrong: {one}"
                for one in left_open
            )
            self.confirm(proved, rules)

    def of_rules(
        self, rules: Iterable[VerificationCondition]
    ) -> tuple[str, tuple[str, ...]]:
        """Return why nothing can be proved, or '', and the ranges, indices and
        asserts that are not proved. A range that is not is no longer assumed."""
        ranged, open_rules = self.proof.plain.ranged, dict[str, None]()
        self.loop = None
        for claim in rules:
            if claim.range and claim.range not in ranged:
                open_rules[range_of(claim.range)] = None
                continue
            answer = self.proof.ask(claim)
            if answer.proved:
                continue
            if claim.loop is not None:
                self.loop = claim.loop
                return self.proof.reason(claim, answer), ()
            if claim.range:
                ranged.discard(claim.range)
            open_rules[range_of(claim.range) if claim.range else claim.about] = None
        return "", tuple(open_rules)

    def first_wrong(self, claims: Iterable[VerificationCondition]) -> str:
        """Return why a claim is not proved; '' if all are."""
        for claim in claims:
            answer = self.proof.ask(claim)
            if not answer.proved:
                return self.proof.reason(claim, answer)
        return ""

    def step_claims(self, p: Property) -> list[VerificationCondition]:
        return [self.step(p, a) for a in self.system.actions if p.about(a)]

    def unknown(self, p: Property, steps: str) -> str:
        """Return why the property is not proved; '' if it is."""
        if not p.kind.safety:
            return cannot_prove(p)
        if p.kind.of_states and p.name not in self.proof.lemmas:
            why = "it is false in a state that was visited at small sizes"
            return self.proof.why.get(p.name, why)
        return steps

    def step(
        self, p: Property, action: Action, formula: Expr | None = None
    ) -> VerificationCondition:
        """The claim that a step property makes about an action."""
        formula = renamed(stated(p) if formula is None else formula, -1)
        if action.result is not None:
            formula = ir.substitute(formula, {action.returned: action.result})
        by = {
            e: self.proof.next(e.data[0], action)
            for e in ir.subterms(formula)
            if e.op == "var" and e.data[1]
        }
        about = f"{action.name} keeps {p.name}"
        return VerificationCondition(about, ir.substitute(formula, by), action)

    # -- the certificate --

    def confirm(
        self, proved: list[Property], rules: list[VerificationCondition]
    ) -> None:
        """Ask each question's text of a fresh solver, and what the lemmas exclude.
        No guess may help, because none is proved."""
        pool, self.proof.pool = self.proof.pool, {}
        self.confirmed(proved, rules)
        self.proof.pool = pool

    def confirmed(
        self, proved: list[Property], rules: list[VerificationCondition]
    ) -> None:
        proof = self.proof
        claims = [c for p in proved for c in self.step_claims(p)]
        claims += [c for one in proof.lemmas.values() for c in proof.claims(one)]
        claims += [c for c in rules if c.loop or c.range in proof.plain.ranged]
        given = proof.lemmas.keys() | proof.ranges
        texts: dict[str, None] = {}
        wrong = ""
        for claim in claims:
            answer = proof.ask(claim)
            if not answer.proved or not answer.used <= given:
                wrong = proof.reason(claim, answer)
                break
            for text in (asked.text for asked in answer.asked):
                if text not in texts and not unsatisfiable(text):
                    wrong = f"{claim.about} is not confirmed"
                texts[text] = None
        if wrong:
            for p in proved:
                self.verdicts[p.name] = Unknown(f"the certificate: {wrong}")
            return
        certificate = Certificate(
            tuple(ir.show(one.formula) for one in proof.lemmas.values()),
            1,
            tuple(sorted(self.system.least)),
            len(proof.lemmas),
            tuple(texts),
            tuple(ir.show(e) for e in proof.relations),
        )
        self.nothing(proved)
        for p in proved:
            self.verdicts[p.name] = Holds(False, certificate=certificate)

    def nothing(self, proved: list[Property]) -> None:
        """Find what the lemmas exclude: a start, actions, antecedents. Whatever was
        visited at small sizes is possible, and needs no question."""
        never, proof = VerificationCondition("a start", ir.FALSE), self.proof
        visits = proof.visits
        impossible = frozenset(
            a.name
            for a in self.system.actions
            if a.name not in visits.taken
            and proof.ask(VerificationCondition(f"no {a.name}", ir.FALSE, a)).proved
        )
        true = {
            p.name: tuple(self.may_be_true(p, a) for a in p.antecedents) for p in proved
        }
        self.statistics = Statistics(
            no_start=not visits.each[0].states and proof.ask(never).proved,
            impossible=impossible,
            true_antecedents=true,
        )

    def may_be_true(self, p: Property, antecedent: Expr) -> bool:
        claim, proof = ir.not_(antecedent), self.proof
        if p.kind.of_states and not proof.visits.true({"": claim}):
            return True
        if p.kind.of_states:
            return not proof.ask(
                VerificationCondition("an antecedent", claim, IDLE)
            ).proved
        return any(
            not proof.ask(self.step(p, a, claim)).proved
            for a in self.system.actions
            if p.about(a)
        )


IDLE = Action("", (), ir.TRUE, {}, None)
"""The step that changes nothing: a claim about it is one about every state."""


def stated(p: Property) -> Expr:
    """Return that the property's formula is defined, and true."""
    return ir.and_(ir.defined(p.formula), p.formula)
