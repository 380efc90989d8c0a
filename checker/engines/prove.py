# SPDX-License-Identifier: GPL-2.0-only
"""Induction with z3: proofs for any size, with certificates.

Sheeran, Singh and Stalmarck, k-induction (2000); Komuravelli, Gurfinkel and
Chaki, Spacer (2014); the lemmas are found as checker.engines.induction says.
Sound: a property holds only if lemmas imply it that hold initially and that
every action preserves, over mathematical integers, and if fresh solvers confirm
this from the lemmas' text, for all actions and all arguments. The lemmas must
also imply ranges, indices and asserts. The only assumptions are the domains of
arguments and the least values of open sizes.
Symmetry helps to find lemmas, never to check them.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import z3

from poolproof.checker.backends.smt import Term, term_of
from poolproof.checker.core import ir
from poolproof.checker.core.limits import SECOND, doing, left
from poolproof.checker.core.property import Property
from poolproof.checker.core.system import Obligation, TransitionSystem, Variable
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
from poolproof.checker.engines.candidates import guesses
from poolproof.checker.engines.induction import Induction, cannot_prove
from poolproof.checker.engines.interruptible import interruptible
from poolproof.checker.engines.symbolic import (
    Candidate,
    Facts,
    SymbolicStep,
    SymbolicSystem,
    conjuncts,
    moves,
    unknowns,
)
from poolproof.checker.passes.symmetry import find_symmetry

_FALSE = z3.BoolVal(False)
_DEEPEST = 3
"""The k of k-induction, at most; and how many paths of actions are tried."""
_PATHS = 400
_SPACER = 30 * SECOND
"""Units of work for one question to Spacer, and at most a quarter of what the
budget allows."""


# --- certificates ---------------------------------------------------------


def check_certificate(
    system: TransitionSystem,
    claimed: tuple[Property, ...],
    certificate: Certificate,
) -> str:
    """'' where the certificate's lemmas, read from their text, hold initially
    and are inductive for the system, and imply its ranges, indices, asserts
    and the claimed properties; else what is missing. Solvers have a context
    of their own, and every action is taken with all arguments."""
    work = SymbolicSystem(system, context=z3.Context())
    lemmas = work.read(certificate.lemmas)
    kept, deep = lemmas[: certificate.base], lemmas[certificate.base :]
    if deep and certificate.k < 1:
        return f"k is {certificate.k}, and no step is looked at"
    start = work.given(work.initial())
    for lemma in lemmas:
        if reason := start.refuted(lemma):
            return f"an initial state {reason} a lemma"
    lacking = _not_implied(work, claimed, lemmas) or _not_kept(
        work, claimed, kept, work.given(lemmas)
    )
    if deep and not lacking:
        return work.deep_inductive(kept, deep, certificate.k)
    return lacking


def _not_implied(
    work: SymbolicSystem, claimed: tuple[Property, ...], lemmas: list[Term]
) -> str:
    """Return which range or property of states the lemmas do not imply; '' if none."""
    known = work.given(lemmas)
    for claim in work.ranges(work.now):
        if reason := known.refuted(claim):
            return f"{reason} a declared range"
    for p in claimed:
        if p.kind.of_states and (reason := known.refuted(work.holds(p))):
            return f"{reason} {p.name}"
    return ""


def _not_kept(
    work: SymbolicSystem,
    claimed: tuple[Property, ...],
    kept: list[Term],
    all_known: Facts,
) -> str:
    """Return which of the lemmas ``kept``, obligations and step properties some
    step breaks; '' if none."""
    before = [term_of(v) for v in work.now]
    mentioned = [{str(t) for t in unknowns(lemma)} for lemma in kept]
    known = work.given(kept)
    for action in work.system.actions:
        for step in work.instances(action):
            moved = moves(before, step.after)
            changed = {str(cell) for cell, _ in moved}
            touched = [
                z3.substitute(lemma, *moved)
                for lemma, names in zip(kept, mentioned, strict=True)
                if names & changed
            ]
            asked = [p for p in claimed if p.about(action)]
            lacking = (
                _refuted(known, step.given, [(e, "a lemma") for e in touched])
                or _obligation_not_met(work, all_known, step)
                or _refuted(
                    all_known,
                    step.given,
                    [(work.holds(p, step), p.name) for p in asked],
                )
            )
            if lacking:
                return f"{action.name} {lacking}"
    return ""


def _obligation_not_met(work: SymbolicSystem, known: Facts, step: SymbolicStep) -> str:
    for due in step.action.obligations:
        claim = step.lowering.truth(due.formula)
        given = step.sizes if due.early else step.given
        if lacking := _refuted(known, given, [(claim, due.message)]):
            return lacking
    return ""


def _refuted(known: Facts, given: list[Term], claims: list[tuple[Term, str]]) -> str:
    """Return why the first of the claims, each with its name, that does not follow
    from what is known and given does not; '' if all do."""
    known.assume(given)
    found = ((known.refuted(claim), name) for claim, name in claims)
    lacking = next((f"{reason} {name}" for reason, name in found if reason), "")
    known.forget()
    return lacking


# --- the engine -----------------------------------------------------------


def prove(
    system: TransitionSystem,
    properties: tuple[Property, ...],
    budget: Budget,
    report: Reporter,
) -> Outcome:
    """Prove properties for any size; see verdict.Engine. What cannot be proved is
    Unknown; the reason names the action and the conjunct in the way."""
    begin = time.monotonic()
    proofs = _Proofs(system, properties, budget, report)
    with Ending() as ending, interruptible(), doing("building the formula"):
        proofs.go()
    stopped = ending.why or "time is up"
    return Outcome(
        "prove",
        {p.name: proofs.verdicts.get(p.name, Unknown(stopped)) for p in properties},
        statistics=Statistics(
            seconds=time.monotonic() - begin,
            notes=proofs.notes,
            no_start=proofs.no_start,
            impossible=proofs.impossible,
            unneeded=proofs.unneeded,
            true_antecedents=proofs.possible,
        ),
    )


@dataclass
class _Proofs:
    """One call of `prove`: what is shown so far, and by which lemmas."""

    system: TransitionSystem
    properties: tuple[Property, ...]
    budget: Budget
    report: Reporter
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    no_start: bool = False
    impossible: frozenset[str] = frozenset()
    unneeded: frozenset[str] = frozenset()
    possible: dict[str, tuple[bool, ...]] = field(default_factory=dict)
    """By property: whether each antecedent may be true, for all that is known."""

    def go(self) -> None:
        for p in self.properties:
            if not p.kind.safety:
                self.verdicts[p.name] = Unknown(cannot_prove(p))
        self.work = Induction(self.system, self.report)
        if outside := next(self.work.starts_outside(), ""):
            self.refuse(outside)
            return
        found = find_symmetry(self.system, self.properties, indices=False)
        sorts = frozenset(found.sorts)
        self.steps = self.work.representatives(sorts)
        self.invariants = {
            p.name: p for p in self.properties if p.kind.of_states and p.kind.safety
        }
        kept, why, wrong = self.lemmas()
        if wrong:
            self.refuse(next(iter(wrong.values())))
            return
        base = [
            *self.work.ranges(self.work.now),
            *self.work.truths(kept, self.work.now),
        ]
        implied = self.implied(kept, base)
        self.nothing(implied, base)
        self.certify(implied, base)
        self.unneeded = self.work.unneeded(base)
        for name, p in self.invariants.items():
            if name not in self.verdicts and left() != 0.0:
                self.verdicts[name] = self.harder(p, base, why.get(name, ""))

    def refuse(self, why: str) -> None:
        """Nothing is inductive: some run may leave what every proof relies on."""
        for p in self.properties:
            self.verdicts.setdefault(p.name, Unknown(f"not inductive: {why}"))

    def lemmas(
        self,
    ) -> tuple[
        list[Candidate], dict[str, str], Mapping[tuple[str, Variable | Obligation], str]
    ]:
        """The invariants that are inductive together; where one is missing,
        or a range or an index, with guesses to help."""
        claims = [Candidate(p.name, conjuncts(p)) for p in self.invariants.values()]
        helpers: dict[str, Candidate] = {}
        for _ in range(4):
            kept, why = self.work.strongest(self.steps, [*claims, *helpers.values()])
            wrong = self.work.broken_rules(self.steps, kept)
            kept_names = {lemma.name for lemma in kept}
            good = not wrong and kept_names.issuperset(self.invariants)
            fresh = {} if good else self.helpers(wrong)
            if left() == 0.0 or fresh.keys() <= helpers.keys():
                break
            helpers |= fresh
        return kept, why, wrong

    def helpers(
        self, wrong: Iterable[tuple[str, Variable | Obligation]]
    ) -> dict[str, Candidate]:
        """More candidates: what states look like, and the indices and asserts
        that do not follow yet, for all arguments."""
        found = {n: Candidate(n, parts) for n, parts in guesses(self.system).items()}
        for name, rule in wrong:
            if isinstance(rule, Variable):
                continue
            action = self.system.action_by_name[name]
            parts: dict[ir.Expr, None] = {}
            for raw in action.valuations():
                part = ir.expand(ir.substitute(rule.formula, action.constants(raw)))
                if part is not ir.TRUE:
                    parts[part] = None
            lemma = f"{name}: {rule.message}"
            found[lemma] = Candidate(lemma, tuple(parts))
        return found

    def implied(self, kept: list[Candidate], base: list[Term]) -> list[Property]:
        """The properties that the lemmas imply; the step properties' verdicts
        where they do not."""
        names = {lemma.name for lemma in kept}
        found = [p for name, p in self.invariants.items() if name in names]
        facts = self.work.given(base)
        for p in self.properties:
            if not p.kind.of_steps:
                continue
            for step in self.steps:
                if not p.about(step.action):
                    continue
                facts.assume(step.given)
                reason = facts.refuted(self.work.holds(p, step))
                facts.forget()
                if reason:
                    words = f"not inductive: {step.action.name} {reason} it"
                    if facts.model is not None:
                        words += f", e.g. {step.show(facts.model)}"
                    self.verdicts[p.name] = Unknown(words)
                    break
            else:
                found.append(p)
        return found

    def nothing(self, implied: list[Property], base: list[Term]) -> None:
        """What the lemmas exclude: a start, actions, antecedents. A solver that
        gives up excludes nothing."""
        self.no_start = not self.work.given(self.work.initial()).refuted(_FALSE)
        facts = self.work.given(base)
        possible: set[str] = set()
        for step in self.steps:
            if step.action.name not in possible:
                facts.assume(step.given)
                if facts.refuted(_FALSE):
                    possible.add(step.action.name)
                facts.forget()
        self.impossible = frozenset(
            a.name for a in self.system.actions if a.name not in possible
        )
        for p in implied:
            self.possible[p.name] = tuple(
                self.may_be_true(facts, p, a) for a in p.antecedents
            )

    def may_be_true(self, facts: Facts, p: Property, antecedent: ir.Expr) -> bool:
        never = replace(p, formula=ir.not_(antecedent))
        if p.kind.of_states:
            return bool(facts.refuted(self.work.holds(never)))
        for step in self.steps:
            if p.about(step.action):
                facts.assume(step.given)
                may = bool(facts.refuted(self.work.holds(never, step)))
                facts.forget()
                if may:
                    return True
        return False

    def certify(self, implied: list[Property], base: list[Term]) -> None:
        certificate, wrong = self.certificate(tuple(implied), base, [], 1)
        for p in implied:
            if wrong:
                reason = f"the certificate was not confirmed: {wrong}"
                self.verdicts[p.name] = Unknown(reason)
            else:
                self.verdicts[p.name] = Holds(False, certificate=certificate)

    def certificate(
        self, claimed: tuple[Property, ...], base: list[Term], deep: list[Term], k: int
    ) -> tuple[Certificate, str]:
        """Return a certificate, and '' if fresh solvers confirm it from its text."""
        base = [t for t in base if not z3.is_true(t)]
        certificate = Certificate(
            tuple(t.sexpr() for t in (*base, *deep)),
            k,
            tuple(sorted(self.work.params)),
            len(base),
        )
        wrong = check_certificate(self.system, claimed, certificate)
        return certificate, wrong

    def harder(self, p: Property, base: list[Term], why: str) -> Verdict:
        """Try k-induction, then Spacer."""
        reason = f"not inductive: {why}"
        if why.startswith("an initial"):
            return Unknown(reason)
        claim = self.work.holds(p)
        for k in range(2, _DEEPEST + 1):
            if len(self.system.actions) ** k > _PATHS or left() == 0.0:
                break
            if self.work.deep_inductive(base, [claim], k):
                continue
            certificate, wrong = self.certificate((p,), base, [claim], k)
            if not wrong:
                return Holds(False, certificate=certificate)
        seconds, rest, most = self.budget.seconds, left(), _SPACER
        if seconds is not None and rest is not None:
            most, rest = min(most, int(seconds * SECOND / 4)), rest / 2
        spent, found = self.work.spacer(claim, most, rest)
        if spent:
            return Unknown(f"{reason}; {spent}")
        certificate, wrong = self.certificate((p,), [*base, *found], [], 1)
        if not wrong:
            return Holds(False, certificate=certificate)
        return Unknown(f"{reason}; spacer's certificate was not confirmed: {wrong}")
