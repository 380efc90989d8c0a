# SPDX-License-Identifier: GPL-2.0-only
"""Inductive invariants: the search for them.

Flanagan and Leino, "Houdini" (2001): the largest subset of the candidates that
holds initially and is preserved by every step. Symmetry: a candidate is
about all elements of a scalarset and is kept or dropped as a whole, so one
action of each orbit suffices.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any

import z3

from poolproof.checker.backends.smt import (
    Term,
    negation,
    raw_of,
    term_of,
)
from poolproof.checker.core import ir
from poolproof.checker.core.ir import Expr, show_raw
from poolproof.checker.core.property import Property
from poolproof.checker.core.system import Obligation, Variable
from poolproof.checker.engines import effort
from poolproof.checker.engines.apart import Failed, apart
from poolproof.checker.engines.symbolic import (
    Candidate,
    Facts,
    SymbolicStep,
    SymbolicSystem,
    subterms,
)


def cannot_prove(p: Property) -> str:
    """Return why induction does not decide a property that is not safety."""
    follows = "follows" if p.kind.of_runs else "is reached"
    return f"induction cannot prove what {follows}"


Broken = tuple[str, Variable | Obligation]
"""What a step of an action may break: a range, or an index or assert."""


class Induction(SymbolicSystem):
    """The search for inductive invariants of a system."""

    def strongest(
        self, steps: Sequence[SymbolicStep], lemmas: Iterable[Candidate]
    ) -> tuple[list[Candidate], dict[str, str]]:
        """Return the largest set of lemmas that holds initially and is preserved by
        every step from a state within its ranges; for each dropped one, why."""
        why: dict[str, str] = {}
        start, kept = self.given(self.initial()), []
        for lemma in lemmas:
            if any(start.refuted(t) for t in self.truths([lemma], self.now)):
                why[lemma.name] = "an initial state violates it"
            else:
                kept.append(lemma)
        changed = True
        while changed:
            changed = False
            known = self.given(self.ranges(self.now), self.truths(kept, self.now))
            for step in steps:
                known.assume(step.given)
                for lemma in list(kept):
                    if not lemma.variables & step.action.updates.keys():
                        continue
                    reason = self.broken_part(step, known, lemma)
                    if reason:
                        why[lemma.name] = reason
                        kept.remove(lemma)
                        changed = True
                known.forget()
                self.report.progress(lemmas=len(kept), queries=self.queries)
        return kept, why

    def broken_part(self, step: SymbolicStep, known: Facts, lemma: Candidate) -> str:
        for part in lemma.parts:
            before, after = self.low.truth(part), step.next.truth(part)
            if before.eq(after):
                continue
            reason = known.refuted(after)
            if reason:
                example = self.example(step, known.model, part)
                return f"{step.action.name} {reason} {ir.show(part)}{example}"
        return ""

    def example(self, step: SymbolicStep, model: Any, part: Expr) -> str:
        """Return the relevant part of a state from which the step breaks ``part``."""
        if model is None:
            return ""
        names = ir.variables_in(part)
        cells = zip(self.system.cells, self.now, strict=True)
        values = [
            f"{c.name} = {show_raw(c.variable.element, raw_of(model, value))}"
            for c, value in cells
            if c.variable.name in names and model[term_of(value)] is not None
        ]
        return f", e.g. {step.show(model)} where {', '.join(values[:8])}"

    def broken_rules(
        self, steps: Sequence[SymbolicStep], kept: Sequence[Candidate]
    ) -> dict[Broken, str]:
        """Return, by action, the ranges, indices and asserts that some step from a
        state with the lemmas may break, and why."""
        found: dict[Broken, str] = {}
        known = self.given(self.ranges(self.now), self.truths(kept, self.now))
        for step in steps:
            name = step.action.name
            for v, why in self.leaves_ranges(step, known, found):
                found[name, v] = why
            for due, why in self.unmet(step, known, found):
                found[name, due] = why
        return found

    def starts_outside(self) -> Iterator[str]:
        """Yield why a cell's initial value may be outside its range."""
        start = self.given(self.initial())
        for cell, value in zip(self.system.cells, self.now, strict=True):
            for t in self.in_range(cell.variable, value, self.low):
                if reason := start.refuted(t):
                    why = f"an initial state {reason} the range of {cell.name}"
                    if self.params:
                        why += f", with {', '.join(sorted(self.params))} left open"
                    yield why

    def leaves_ranges(
        self, step: SymbolicStep, known: Facts, found: Container[Broken]
    ) -> Iterator[tuple[Variable, str]]:
        """Yield the variables that the step may put outside their ranges, but for
        those found already; and why."""
        name = step.action.name
        done: set[str] = set()
        known.assume(step.given)
        for cell, before, after in zip(
            self.system.cells, self.now, step.after, strict=True
        ):
            v = cell.variable
            if before is after or v.name in done or (name, v) in found:
                continue
            claims = self.in_range(v, after, step.lowering)
            if reason := next(filter(None, map(known.refuted, claims)), ""):
                done.add(v.name)
                yield v, f"{name} {reason} the range of {cell.name}"
        known.forget()

    def unmet(
        self, step: SymbolicStep, known: Facts, found: Container[Broken]
    ) -> Iterator[tuple[Obligation, str]]:
        """Yield the indices and asserts that the step may break, but for those
        found already; and why."""
        name = step.action.name
        for due in step.action.obligations:
            if (name, due) in found:
                continue
            known.assume(step.sizes if due.early else step.given)
            claim = step.lowering.truth(due.formula)
            if reason := known.refuted(claim):
                where = f"{due.span}: " if due.span else ""
                yield due, f"{where}{name} {reason}: {due.message}"
            known.forget()

    # -- Spacer --

    def spacer(
        self, claim: Term, work: int, seconds: float | None
    ) -> tuple[str, list[Term]]:
        """Return ('', terms over the state that are inductive and imply the claim),
        or the reason why there are none. The caller has to check the terms."""
        sizes = [term_of(p) for p in self.params.values()]
        now = [*(term_of(v) for v in self.now), *sizes]
        solver = z3.Fixedpoint()
        solver.set(engine="spacer")
        known = z3.Function("known", *(t.sort() for t in now), z3.BoolSort())
        solver.register_relation(known)
        for t in now:
            solver.declare_var(t)
        solver.rule(known(*now), self.initial())
        for action in self.system.actions:
            step = self.any_step(action, self.now, "")
            for a in step.arguments:
                if term_of(a).decl().kind() == z3.Z3_OP_UNINTERPRETED:
                    solver.declare_var(term_of(a))
            after = [*(term_of(v) for v in step.after), *sizes]
            solver.rule(known(*after), [known(*now), *step.given])
        self.queries += 1
        wanted = z3.And(known(*now), negation(claim))

        def answer() -> tuple[str, list[str]]:
            try:
                found = effort.within(
                    solver, work, seconds, lambda: solver.query(wanted)
                )
                if found == z3.sat:
                    return "some run violates it (ask engine bmc for one)", []
                if found != z3.unsat:
                    return f"spacer gave up ({solver.reason_unknown()})", []
                cover = solver.get_cover_delta(-1, known)
            except z3.Z3Exception as error:
                reason = error.value
                if isinstance(reason, bytes):
                    reason = reason.decode()
                return f"spacer gave up ({reason})", []
            cover = z3.substitute_vars(cover, *now)
            lemmas = cover.children() if z3.is_and(cover) else [cover]
            return "", [standard(t).sexpr() for t in lemmas]

        try:
            reason, texts = apart(answer, None if seconds is None else seconds + 0.5)
        except Failed as error:
            return f"spacer gave up ({error})", []
        return reason, self.read(texts)


def standard(term: Term) -> Term:
    """Return the same term in words of SMT-LIB: z3's own `bit2bool`, which its answers
    may have, says that a bit is set."""
    while bits := [t for t in subterms(term) if z3.is_app_of(t, z3.Z3_OP_BIT2BOOL)]:
        term = z3.substitute(term, *((b, _is_set(b)) for b in bits))
    return term


def _is_set(bit: Term) -> Term:
    (k,) = bit.decl().params()
    return z3.Extract(k, k, bit.arg(0)) == z3.BitVecVal(1, 1)
