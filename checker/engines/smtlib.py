# SPDX-License-Identifier: GPL-2.0-only
"""The proof obligations of a certificate as SMT-LIB 2 files for any solver.

Barrett, Fontaine and Tinelli, "The SMT-LIB Standard: Version 2.6" (2017). Each
obligation is one self-contained script with the expected status `unsat`. The
certificate proves its properties iff all of them are `unsat`:

- initiation: no initial state is without a lemma;
- consecution, for each action: no step leads from the lemmas to a state
  without one; for lemmas that need k states in a row, for each sequence of at
  most k actions;
- safety: no state with the lemmas is outside a declared range, breaks an
  index or assert of an action, or violates a property; for a step property,
  no step from such a state does.

The lemmas are in the file word for word, as a function of the state, which is
applied to the state before the step and to the one after it. Arguments of
actions are unknowns within their domains.

Shared with the search and with `prove.check_certificate`: the frontend, and the
terms of initial states, steps, ranges and properties, which
`checker.backends.smt` and `checker.engines.symbolic` make and z3 prints. Not
shared: the solver and its parser, the choice of arguments, the substitution
into the next state, and the omission of lemmas that an action does not touch
(nothing is omitted here).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import z3

from poolproof.checker.backends.smt import (
    Term,
    Value,
    conjunction,
    disjunction,
    negation,
    term_of,
)
from poolproof.checker.core.property import Property
from poolproof.checker.core.system import Action, TransitionSystem
from poolproof.checker.core.verdict import Certificate
from poolproof.checker.engines.symbolic import (
    SymbolicStep,
    SymbolicSystem,
    subterms,
    unknowns,
)

KEPT = "|lemmas that each step keeps|"
DEEP = "|lemmas that need k states|"
"""Symbols that no variable of a design can be called."""


@dataclass(frozen=True)
class SmtScript:
    """One script. ``name`` is its file's name without the ending."""

    name: str
    text: str


def questions(
    system: TransitionSystem,
    claimed: Sequence[Property],
    certificate: Certificate,
    about: Sequence[str] = (),
) -> list[SmtScript]:
    """Return all that must be `unsat` for the certificate to show the claimed
    properties (invariants and step properties). ``about`` are lines of comment
    for each file."""
    work = _Questions(system, certificate, about)
    found = [work.initiation()]
    found += (work.consecution(action) for action in system.actions)
    found += work.deep()
    found.append(work.ranges())
    found += (work.obligations(a) for a in system.actions if a.obligations)
    for p in claimed:
        if p.kind.of_states and p.kind.safety:
            found.append(work.invariant(p))
        elif p.kind.of_steps:
            found += (work.step_property(p, a) for a in system.actions if p.about(a))
        else:
            raise ValueError(f"{p.name}: a certificate shows no `{p.kind.value}`")
    return [
        SmtScript(f"{number:03}-{re.sub(r'[^A-Za-z0-9_.-]+', '_', q.name)}", q.text)
        for number, q in enumerate(found, 1)
    ]


class _Questions:
    """The questions about one certificate, over one set of unknowns."""

    def __init__(
        self, system: TransitionSystem, certificate: Certificate, about: Sequence[str]
    ) -> None:
        self.system = system
        self.work = SymbolicSystem(system)
        self.about = about
        self.k = certificate.k
        self.kept = certificate.lemmas[: certificate.base]
        self.deep_lemmas = certificate.lemmas[certificate.base :]
        self.parsed = self.work.read(certificate.lemmas)

    def initiation(self) -> SmtScript:
        return self.question(
            "initiation",
            "an initial state in which a lemma is false",
            self.work.initial(),
            [f"(not (and {self.of(KEPT, 0)} {self.of(DEEP, 0)}))"],
        )

    def consecution(self, action: Action) -> SmtScript:
        return self.question(
            f"consecution-{action.name}",
            f"a step of {action.name} after which a lemma is false",
            *self.run((action,), [KEPT], KEPT),
            steps=1,
        )

    def deep(self) -> Iterator[SmtScript]:
        """Consecution of the lemmas that need k states in a row: they hold in
        the first k states of every run, and in the next one after any k. Of
        k = 0 that is left which no state need be known for."""
        if not self.deep_lemmas:
            return
        if self.k < 1:
            texts = [self.of(KEPT, 0), f"(not {self.of(DEEP, 0)})"]
            sought = "a state with the other lemmas in which a lemma is false"
            yield self.question("consecution0", sought, self.work.sizes, texts)
        for n in range(1, self.k + 1):
            for actions in product(self.system.actions, repeat=n):
                names = "-".join(a.name for a in actions)
                if n < self.k:
                    terms, texts = self.run(actions, [], DEEP)
                    terms = [*self.work.initial(), *terms]
                    where = "from an initial state"
                else:
                    terms, texts = self.run(actions, [KEPT, DEEP], DEEP)
                    where = "from states with all lemmas"
                yield self.question(
                    f"consecution{n}-{names}",
                    f"{names} {where}, after which a lemma is false",
                    terms,
                    texts,
                    n,
                )

    def ranges(self) -> SmtScript:
        claims = self.work.ranges(self.work.now)
        return self.state("ranges", "with a value outside its declared range", claims)

    def invariant(self, p: Property) -> SmtScript:
        return self.state(
            f"safety-{p.name}", f"that violates {p.name}", [self.work.holds(p)]
        )

    def obligations(self, action: Action) -> SmtScript:
        step = self.step(action, 0)
        guard = conjunction(step.given)
        claims = []
        for due in action.obligations:
            claim = step.lowering.truth(due.formula)
            claims.append(claim if due.early else disjunction((negation(guard), claim)))
        return self.state(
            f"obligations-{action.name}",
            f"in which {action.name} breaks an index or an assert",
            claims,
            step.sizes,
        )

    def step_property(self, p: Property, action: Action) -> SmtScript:
        step = self.step(action, 0)
        return self.question(
            f"safety-{p.name}-{action.name}",
            f"a step of {action.name}, from a state with the lemmas, that violates "
            f"{p.name}",
            [*step.given, negation(self.work.holds(p, step))],
            [self.of(KEPT, 0), self.of(DEEP, 0)],
        )

    def state(
        self, name: str, which: str, claims: Iterable[Term], given: Iterable[Term] = ()
    ) -> SmtScript:
        """Return the question whether all states with the lemmas satisfy the claims."""
        return self.question(
            name,
            f"a state with the lemmas {which}",
            [*self.work.sizes, *given, negation(conjunction(claims))],
            [self.of(KEPT, 0), self.of(DEEP, 0)],
        )

    def run(
        self, actions: Sequence[Action], held: Sequence[str], claim: str
    ) -> tuple[list[Term], list[str]]:
        """Steps in a row, with the ``held`` lemmas in each state but the last,
        and a ``claim`` that is false in the last."""
        terms: list[Term] = []
        texts: list[str] = []
        for n, action in enumerate(actions):
            step = self.step(action, n)
            after = self.cells(n + 1)
            terms += step.given
            terms += (
                step.lowering.equal(there, value)
                for there, value in zip(after, step.after, strict=True)
            )
            texts += (self.of(lemmas, n) for lemmas in held)
        return terms, [*texts, f"(not {self.of(claim, len(actions))})"]

    def step(self, action: Action, n: int) -> SymbolicStep:
        return self.work.any_step(action, self.cells(n), f" {n + 1}")

    def cells(self, n: int) -> list[Value]:
        """The unknowns of the state after n steps."""
        if not n:
            return self.work.now
        return self.work.state("'" * n)

    def of(self, lemmas: str, n: int) -> str:
        """Some lemmas' conjunction in the state after n steps."""
        cells = [term_of(v).sexpr() for v in self.cells(n)]
        return f"({' '.join((lemmas, *cells))})" if cells else lemmas

    def question(
        self,
        name: str,
        sought: str,
        terms: Iterable[Term],
        texts: Sequence[str],
        steps: int = 0,
    ) -> SmtScript:
        """A script that asks for a model of the terms and the texts, over the
        state and those after so many steps."""
        whole = conjunction(terms)
        sizes = [term_of(v) for v in self.work.params.values()]
        states = [[term_of(v) for v in self.cells(n)] for n in range(steps + 1)]
        symbols = {
            t.decl().name(): t
            for t in (*sizes, *(t for cells in states for t in cells), *unknowns(whole))
        }
        lines = [
            *(f"; {line}" for line in self.about),
            f"; {name}: is there {sought}?",
            "(set-info :smt-lib-version 2.6)",
            f"(set-logic {_logic((whole, *self.parsed), symbols.values())})",
            "(set-info :category |industrial|)",
            "(set-info :status unsat)",
            *(
                f"(declare-const {t.sexpr()} {t.sort().sexpr()})"
                for t in symbols.values()
            ),
            *_function(KEPT, self.kept, states[0]),
            *_function(DEEP, self.deep_lemmas, states[0]),
            f"(assert {whole.sexpr()})",
            *(f"(assert {text})" for text in texts),
            "(check-sat)",
            "(exit)",
        ]
        return SmtScript(name, "\n".join(lines) + "\n")


def _function(name: str, lemmas: Sequence[str], cells: Sequence[Term]) -> list[str]:
    """The conjunction of some lemmas, as a function of the state."""
    sorted_cells = (f"({t.sexpr()} {t.sort().sexpr()})" for t in cells)
    body = "(and " + "\n  ".join((*lemmas, "true", "true")) + ")"
    return [f"(define-fun {name} ({' '.join(sorted_cells)}) Bool", f"  {body})"]


def _logic(terms: Iterable[Term], symbols: Iterable[Term]) -> str:
    """QF_LIA where everything is in it, else ALL."""
    for t in symbols:
        if z3.is_bv(t):
            return "ALL"
    for t in (t for whole in terms for t in subterms(whole)):
        if z3.is_bv(t) or z3.is_idiv(t) or z3.is_mod(t):
            return "ALL"
        if z3.is_mul(t) and sum(not z3.is_int_value(a) for a in t.children()) > 1:
            return "ALL"
    return "QF_LIA"
