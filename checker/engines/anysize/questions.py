# SPDX-License-Identifier: GPL-2.0-only
"""One question: whether a claim follows from facts, for any sizes.

z3 gets no quantifier. Tables are uninterpreted functions over integers. What is
said of all elements is taken at the terms that the question names, and at one
unknown element for each claim. A sum is cut into what its named elements add and
a rest (`checker.engines.anysize.sums`). First the rests are unknown numbers. If
that does not do, regions say how they are related
(`checker.engines.anysize.regions`).

"unsat" is a proof. Nothing else is an answer: facts about elements that the
question does not name are missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations
from typing import Any

import z3

from poolproof.checker.core import ir
from poolproof.checker.core.fold import fold
from poolproof.checker.core.ir import BINDERS, Expr, OpenDomain, SetSort
from poolproof.checker.core.limits import SECOND, left, tick
from poolproof.checker.engines import effort
from poolproof.checker.engines.anysize.building import (
    Term,
    add,
    at_most,
    conjunction,
    disjunction,
    equal,
    implies,
    negated,
)
from poolproof.checker.engines.anysize.elements import Elements
from poolproof.checker.engines.anysize.facts import Total, Universal, summed
from poolproof.checker.engines.anysize.formulas import (
    COUNTS,
    OutOfReach,
    every,
    has_first,
    prepared,
)
from poolproof.checker.engines.anysize.regions import Regions
from poolproof.checker.engines.anysize.sums import Sums
from poolproof.checker.engines.anysize.terms import CLOSED, TERMS, PlainTerms

_QUERY = 20 * SECOND
_ZERO = z3.IntVal(0)
_PAIRS = 3
"""Pairs of elements of which both cases are looked at."""
_CHOICES = 12
"""First elements of one question that get a name, at most."""
_INSTANCES = 4000
"""Instances of one question, at most."""


@dataclass(frozen=True)
class Refutation:
    """Assertions that contradict each other, and the labels of the facts used."""

    assertions: list[Term]
    used: tuple[Term, ...]

    @cached_property
    def text(self) -> str:
        """An SMT-LIB 2 script whose answer should be unsat."""
        solver = z3.Solver()
        add(solver, self.assertions)
        labels = "".join(f"(assert {label.sexpr()})\n" for label in self.used)
        return f"(set-logic ALL)\n{solver.sexpr()}{labels}(check-sat)\n"


@dataclass(frozen=True)
class QueryResult:
    """``proved``, with the facts that the proof used and the questions; else why
    not, and whether a state was found against it (``refuted``, ``state``)."""

    proved: bool
    used: frozenset[str] = frozenset()
    asked: tuple[Refutation, ...] = ()
    why: str = ""
    refuted: bool = False
    model: tuple[str, ...] = ()
    state: FoundState | None = None


@dataclass(frozen=True)
class FoundState:
    """The state that z3 found against a claim."""

    attempt: _Attempt
    model: Any

    def is_false(self, e: Expr) -> bool:
        """Whether a formula of the question is false there."""
        term = self.attempt.lower(self.attempt.question.with_names(prepared(e)))
        return bool(z3.is_false(self.model.eval(term, model_completion=True)))


@dataclass
class Question:
    """Facts and a claim over a system's state, its params and free locals."""

    plain: PlainTerms
    relations: Sequence[Expr] = ()
    """What the open bounds satisfy besides their least values."""
    ground: list[tuple[str, Expr]] = field(default_factory=list)
    universals: list[Universal] = field(default_factory=list)
    totals: list[tuple[str, Total]] = field(default_factory=list)
    """Relations between sums over the elements that no term names, from the facts."""
    shallow: bool = False
    """Whether not to look for regions."""
    fresh: int = 0
    chosen: dict[Expr, Expr] = field(default_factory=dict)
    """Each `first` that has a name, with the choice between none and the name."""

    # -- saying things --

    def know(self, name: str, fact: Expr) -> None:
        """Assume a formula; ``name`` is what `QueryResult.used` calls it."""
        self.assume(name, prepared(fact))

    def deny(self, claim: Expr) -> None:
        """Assume that the claim is false."""
        self.assume("", ir.not_(prepared(claim)))

    def assume(self, name: str, fact: Expr) -> None:
        fact = self.with_names(fact)
        if fact.op == "and":
            for part in fact.args:
                self.assume(name, part)
        elif fact.op == "all":
            self.universal(name, [], fact)
            self.totals += ((name, each) for each in summed(fact))
        elif fact.op == "not" and fact.args[0].op == "or":
            for part in fact.args[0].args:
                self.assume(name, ir.not_(part))
        elif fact.op == "not" and fact.args[0].op == "all":
            self.assume(name, ir.not_(self.at_skolem(fact.args[0])))
        elif fact is not ir.TRUE:
            self.ground.append((name, fact))

    def universal(
        self, name: str, binders: list[Expr], fact: Expr, given: Term = None
    ) -> None:
        if fact.op == "all":
            body = fact.args[0]
            self.universal(name, [*binders, ir.binder_of(fact)], body, given)
        elif fact.op == "and":
            for part in fact.args:
                self.universal(name, binders, part, given)
        elif fact is not ir.TRUE:
            self.universals.append(Universal(name, tuple(binders), fact, given))

    def at_skolem(self, every: Expr) -> Expr:
        """The body of an `all` at an unknown element."""
        binder = ir.binder_of(every)
        return ir.substitute(every.args[0], {binder: self.unknown(binder)})

    def unknown(self, binder: Expr) -> Expr:
        """Return a new name for some element of the binder's domain."""
        self.fresh += 1
        name = f"{binder.data[0].split('#')[0]}?{self.fresh}"
        return ir.local(name, binder.data[1])

    def with_names(self, e: Expr) -> Expr:
        """e, with a name for the first of some elements, unless these depend on what
        is bound in e. What is known of the name becomes a fact."""
        while first := self.nameable(e):
            if first not in self.chosen:
                if len(self.chosen) == _CHOICES:
                    return e
                self.choose(first)
            e = prepared(ir.substitute(e, {first: self.chosen[first]}))
        return e

    def nameable(self, e: Expr) -> Expr | None:
        """Return a `first` in e that depends on nothing that is bound in e."""
        if not has_first(e):
            return None
        nodes = list(ir.subterms(e))
        bound = {ir.binder_of(n) for n in nodes if n.op in BINDERS}
        firsts = (n for n in nodes if n.op == "first" and n.free.isdisjoint(bound))
        return next(firsts, None)

    def choose(self, first: Expr) -> None:
        """Name the first element of which the body is true."""
        binder, (body,) = ir.binder_of(first), first.args
        chosen = self.unknown(binder)
        nothing = every(binder, ir.not_(body))
        none = ir.const(first.sort, -1)
        self.chosen[first] = ir.ite(nothing, none, chosen)
        self.assume("", ir.or_(nothing, ir.substitute(body, {binder: chosen})))
        if first.sort is ir.INT:
            before = ir.lt(binder, chosen)
            no_less = ir.or_(ir.not_(before), ir.not_(body))
            self.assume("", ir.or_(nothing, every(binder, no_less)))

    # -- asking --

    def ask(self) -> QueryResult:
        """Return the answer to whether the facts contradict each other; if that is not
        clear, to whether they do in each case of which elements are the same."""
        answer = self.once()
        if answer.proved or self.shallow:
            return answer
        return self.in_cases(self.pairs()[:_PAIRS], answer)

    def pairs(self) -> list[tuple[Expr, Expr]]:
        """Return the elements of scalarsets that may be the same, in pairs."""
        elements = Elements(e for _, e in self.ground)
        return [
            (a, b)
            for key, found in elements.of.items()
            if isinstance(key, ir.ScalarSort)
            for a, b in combinations(found, 2)
        ]

    def in_cases(
        self, pairs: list[tuple[Expr, Expr]], whole: QueryResult
    ) -> QueryResult:
        """Return the answer for both cases of the first pair; ``whole`` is that
        without cases."""
        if not pairs:
            return whole
        (a, b), *others = pairs
        same, apart = (
            Question(self.plain, self.relations, fresh=self.fresh) for _ in range(2)
        )
        by = {a: b} if _is_element(b) and not _is_element(a) else {b: a}
        same.ground = [(n, ir.substitute(e, by)) for n, e in self.ground]
        same.universals = [
            replace(u, body=ir.substitute(u.body, by)) for u in self.universals
        ]
        apart.ground = [*self.ground, ("", ir.ne(a, b))]
        apart.universals = self.universals
        apart.totals = self.totals
        same.totals = [
            (n, Total(t.op, t.x, left, right, tuple(but)))
            for n, t in self.totals
            for left, right, *but in [ir.substitute_all((t.left, t.right, *t.but), by)]
        ]
        used: frozenset[str] = frozenset()
        asked: tuple[Refutation, ...] = ()
        for case, rest in ((same, _moved(others, by)), (apart, others)):
            answer = case.once()
            if not answer.proved:
                answer = case.in_cases(rest, answer)
            if not answer.proved:
                return answer
            used, asked = used | answer.used, asked + answer.asked
        return QueryResult(True, used, asked)

    def elements(self) -> Elements:
        """Return the elements that the facts name."""
        found = Elements((*(e for _, e in self.ground), *self.relations))
        for u in self.universals:
            found.add((u.body,), u.binders)
        return found

    def once(self) -> QueryResult:
        known = self.elements().by_domain()
        try:
            while True:
                before = len(self.chosen)
                attempt = _Attempt(self, known)
                if attempt.build() and len(self.chosen) == before:
                    break
                known = attempt.sums.known
                for domain, terms in self.elements().by_domain().items():
                    old = known.setdefault(domain, [])
                    old += (t for t in terms if t not in old)
            return attempt.answer()
        except (OutOfReach, ir.SortError) as reason:
            return QueryResult(False, why=str(reason))


def _is_element(e: Expr) -> bool:
    """Whether it is a name of an element, and never none."""
    return e.op == "local" and e.data[1].lo >= 0


def _moved(
    pairs: list[tuple[Expr, Expr]], by: dict[Expr, Expr]
) -> list[tuple[Expr, Expr]]:
    """Return the pairs that still are of two terms."""
    moved = ((ir.substitute(a, by), ir.substitute(b, by)) for a, b in pairs)
    return [(a, b) for a, b in moved if a is not b]


class _Attempt:
    """A question, with the elements that its sums are taken apart at."""

    def __init__(self, question: Question, known: dict[Any, list[Expr]]) -> None:
        self.question, self.plain = question, question.plain
        self.system = question.plain.system
        self.named: dict[Expr, None] = {}
        """Leaves whose axioms belong to the question."""
        self.terms: dict[Expr, Term] = {}
        self.facts: list[tuple[str, Term]] = []
        self.axioms: list[Term] = []
        self.opaque: dict[Expr, Term] = {}
        self.waiting: list[Expr] = []
        self.sums = Sums(self, known)
        self.universals = list(question.universals)
        self.labels: dict[str, Term] = {}
        self.instances = 0
        self.listed: list[tuple[Any, list[Term]]] = []
        """Assertions by which a list of regions is complete, with the facts used."""

    # -- building --

    def build(self) -> bool:
        """Put the facts into terms; false where a sum names elements that it is
        not taken apart at yet."""
        ground = [*self.question.ground]
        ground += [("", r) for r in self.question.relations]
        for name, fact in ground:
            self.facts.append((name, self.lower(fact)))
            if name:  # what lemmas say under a condition needs no element against it
                self.waiting.clear()
        for name, total in self.question.totals:
            self.facts.append((name, self.of_unnamed(total)))
        elements = self.question.elements()
        done: set[tuple[int, tuple[Expr, ...]]] = set()
        for _ in range(3):
            before = len(done)
            made: list[Expr] = []
            for number, u in enumerate(list(self.universals)):
                for at in elements.choices(u.binders):
                    if (number, at) in done:
                        continue
                    done.add((number, at))
                    made.append(self.instance(u, at))
            made += [self.counterexample(every) for every in self.waiting]
            self.waiting.clear()
            elements.add(made)
            if self.sums.grew or (len(done) == before and not made):
                break
        return not self.sums.grew

    def of_unnamed(self, total: Total) -> Term:
        """Return that the sums over what no term names are equal, or at most."""
        for t in total.but:
            self.sums.name(total.x.data[1], t)
        a, b = (self.sums.unnamed(total.x, e) for e in (total.left, total.right))
        return equal(a, b) if total.op == "eq" else at_most(a, b)

    def instance(self, u: Universal, at: tuple[Expr, ...]) -> Expr:
        self.instances += 1
        if self.instances > _INSTANCES:
            raise OutOfReach("too many instances")
        fact = ir.substitute(u.body, dict(zip(u.binders, at, strict=True)))
        fact = self.question.with_names(fact)
        if has_first(fact):
            return ir.TRUE  # the fact is left out
        self.facts.append((u.of, self.where_inside(u, at, fact)))
        return fact

    def where_inside(self, u: Universal, at: tuple[Expr, ...], fact: Expr) -> Term:
        """Return the fact, where its condition holds and the elements are inside."""
        inside = [self.inside(t, b.data[1]) for t, b in zip(at, u.binders, strict=True)]
        given = [] if u.given is None else [u.given]
        return implies(conjunction([*given, *inside]), self.lower(fact))

    def counterexample(self, every: Expr) -> Expr:
        """Add the axiom that an `all` inside a formula is true, or false at an element.
        Return its body at this element."""
        body = self.question.with_names(self.question.at_skolem(every))
        if has_first(body):
            return ir.TRUE  # the axiom is left out
        self.axioms.append(disjunction([self.opaque[every], negated(self.lower(body))]))
        return body

    def inside(self, e: Expr, domain: ir.Domain) -> Term:
        if ir.certainly_in(e, domain):
            return z3.BoolVal(True)
        value, least = self.lower(e), z3.IntVal(domain.lo)
        if isinstance(domain, OpenDomain):
            most = self.lower(domain.end)
        else:
            most = z3.IntVal(domain.hi)
        return conjunction([at_most(least, value), at_most(value, most)])

    # -- terms --

    def lower(self, e: Expr) -> Term:
        return fold((e,), TERMS, self, _Known(self), closed=CLOSED)[0]

    def truth_of_all(self, e: Expr) -> Term:
        """An `all` inside a formula: an unknown truth value. If it is true, so is
        the body at every element that is named."""
        if e not in self.opaque:
            value = z3.Bool(f"all {len(self.opaque)}")
            self.opaque[e] = value
            at = Question(self.plain)
            at.universal("", [], e, value)
            self.universals += at.universals
            for each in summed(e):
                self.axioms.append(implies(value, self.of_unnamed(each)))
            if e in COUNTS:
                self.axioms.append(equal(value, equal(self.lower(COUNTS[e]), _ZERO)))
            self.waiting.append(e)
        return self.opaque[e]

    # -- the answer --

    def answer(self) -> QueryResult:
        solver = self.solver()
        first = self.check(solver)
        if first.proved or not first.refuted or not self.sums.rests:
            return first
        if self.question.shallow:
            return first
        regions = Regions(self, (e for _, e in self.question.ground), solver)
        why = regions.relate()
        self.listed = regions.listed
        if why:
            return QueryResult(False, why=why)
        second = self.check(solver)
        if second.proved or not second.refuted:
            return second
        add(solver, (fact for make in regions.witnesses for fact in make()))
        return self.check(solver)

    def solver(self) -> Any:
        solver = z3.Solver()
        add(solver, self.axioms)
        add(solver, self.labelled(self.plain.axioms_of(self.named)))
        add(solver, self.labelled(self.facts))
        for rest in self.sums.rests.values():
            if rest.least is not None:
                add(solver, [at_most(z3.IntVal(rest.least), rest.term)])
        return solver

    def labelled(self, named: Iterable[tuple[str, Term]]) -> list[Term]:
        """The facts, each where its label is true (without a name, always); those of
        one label together."""
        groups: dict[str, list[Term]] = {}
        for name, fact in named:
            groups.setdefault(name, []).append(fact)
        found = []
        for name, facts in groups.items():
            fact = conjunction(facts)
            if name:
                label = self.labels.setdefault(name, z3.Bool(f"fact {name}"))
                fact = implies(label, fact)
            found.append(fact)
        return found

    def check(self, solver: Any) -> QueryResult:
        answer = self.asked(solver)
        if answer == z3.unsat:
            used = self.used(solver)
            scripts = [self.script(of, by) for of, by in self.listed]
            by = [used[n] for n in sorted(used)]
            scripts.append(self.script(solver.assertions(), by))
            return QueryResult(True, frozenset(used), tuple(scripts))
        if answer == z3.sat:
            return QueryResult(
                False,
                refuted=True,
                model=self.shown(solver),
                state=FoundState(self, solver.model()),
            )
        return QueryResult(False, why=f"z3 gave up ({solver.reason_unknown()}) on")

    def asked(self, solver: Any) -> Any:
        """Return z3's answer, where all facts with a label hold."""
        labels = self.labels.values()
        tick(200)
        return effort.within(solver, _QUERY, left(), lambda: solver.check(*labels))

    def used(self, solver: Any) -> dict[str, Term]:
        """Return the labels, by name, of the facts that a contradiction needs."""
        core = {c.get_id() for c in solver.unsat_core()}
        return {n: t for n, t in self.labels.items() if t.get_id() in core}

    def script(self, assertions: Iterable[Term], used: list[Term]) -> Refutation:
        """Return the script without the facts that are not used."""
        no_use = {t.get_id() for t in self.labels.values()}
        no_use -= {t.get_id() for t in used}
        kept = [
            a
            for a in assertions
            if not (z3.is_implies(a) and a.arg(0).get_id() in no_use)
        ]
        return Refutation(kept, tuple(used))

    def shown(self, solver: Any) -> tuple[str, ...]:
        """The cells and arguments of a state against the claim."""
        model = solver.model()
        found = {}
        for e in sorted(self.named, key=ir.show):
            term = self.plain.terms.get(e)
            if term is None:
                continue
            if any(x.data[0].startswith("unnamed") for x in e.free):
                continue
            if e.op in ("var", "local", "select") and not isinstance(
                e.sort, ir.TableSort | SetSort
            ):
                if e.op == "select" and e.args[0].op != "var":
                    continue
                value = model.eval(term)
                if z3.is_true(value) or z3.is_false(value):
                    shown = str(value).lower()
                elif z3.is_int_value(value):
                    shown = ir.show_raw(e.sort, value.as_long())
                else:
                    continue
                name = e.data[0].split("#")[0] if e.op == "local" else ir.show(e)
                found[name] = shown
        return tuple(f"{n} = {v}" for n, v in found.items())


def unsatisfiable(text: str) -> bool:
    """Return whether a fresh solver finds the script's assertions contradictory."""
    solver = z3.Solver(ctx=z3.Context())
    solver.from_string(text)
    return bool(solver.check() == z3.unsat)


class _Known:
    """The terms of a question, plain ones from those of the system."""

    def __init__(self, attempt: _Attempt) -> None:
        self.attempt = attempt

    def __contains__(self, e: Expr) -> bool:
        return e in self.attempt.terms or self.attempt.plain.is_plain(e)

    def __getitem__(self, e: Expr) -> Term:
        own = self.attempt.terms.get(e)
        if own is not None:
            return own
        plain = self.attempt.plain
        self.attempt.named.update(plain.leaves_of(e))
        return plain.lower(e)

    def __setitem__(self, e: Expr, value: Term) -> None:
        self.attempt.terms[e] = value
