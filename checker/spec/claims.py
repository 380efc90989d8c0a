# SPDX-License-Identifier: GPL-2.0-only
"""One claim of a spec as a property.

If nothing to the left of a table index keeps it inside the domain, the index is
an *obligation*: a hidden property, whose violation is a mistake of the spec. The
formula itself becomes "every index is inside, and ...", so no engine ever reads
outside a table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from poolproof.checker.core import ir
from poolproof.checker.core.ir import Expr
from poolproof.checker.core.property import Expectation, Fairness, Kind, Property
from poolproof.checker.core.system import Action, Span
from poolproof.checker.spec.formulas import Formulas
from poolproof.checker.spec.heirs import nearest_named
from poolproof.checker.spec.names import Lookup, MissingName, suggestion
from poolproof.checker.spec.reading import Env, Local, Reading, Scope
from poolproof.checker.spec.syntax import (
    FAILURE,
    Binary,
    Claim,
    Compare,
    Expect,
    Expression,
    Name,
    Relation,
    Spec,
    Unary,
    Word,
)
from poolproof.model.language import FAILS


class ClaimReader:
    """Reads one claim for one design."""

    def __init__(self, spec: Spec, names: Lookup, claim: Claim) -> None:
        self.spec, self.names, self.claim = spec, names, claim
        self.reading = Reading(spec, names, claim)
        self.formulas = Formulas(self.reading)

    @property
    def action(self) -> str | None:
        """The name of the action that the claim is about."""
        action = self.reading.action
        return None if action is None else action.name

    def property(self) -> Property:
        """Return the claim as a property."""
        claim, reading = self.claim, self.reading
        scope = self.parameters()
        place = (claim.span.line, claim.span.column)
        visible = sum(
            (t.name.span.line, t.name.span.column) < place for t in self.spec.lets
        )
        strong = claim.kind.safety
        body = self.formulas.truth(claim.formula, Env(scope, visible), strong)
        goal = None
        if claim.goal is not None:
            goal = self.formulas.truth(claim.goal, Env(scope, visible))
            reading.presume(body)
        fair = tuple(
            Fairness(self.names.action(f.action.text, f.action.span).name, f.strong)
            for f in claim.fair
        )
        return Property(
            name=claim.name.text,
            kind=claim.kind,
            formula=self.running(reading.total(body)),
            action=self.action,
            antecedents=tuple(map(self.returned, reading.antecedents.values())),
            title=claim.title,
            source=claim.source or self.spec.source,
            expect=expected(
                self.spec, self.names.source, claim.expects, self.action or ""
            ),
            span=claim.span,
            goal=None if goal is None else reading.total(goal),
            fair=fair,
        ).plain()

    def running(self, formula: Expr) -> Expr:
        """Return the formula for steps that go on. A step that ends at a `bug_on`
        returns nothing, and nobody sees its effect; one that ends at a `yield` returns
        nothing, either."""
        if self.action is None:
            return formula
        stops = self.names.compiled.stops(self.action)
        return ir.or_(stops, ir.not_(self.returns(formula)), formula)

    def returned(self, antecedent: Expr) -> Expr:
        """Return the antecedent, made false for a result that was never returned."""
        return ir.and_(self.returns(antecedent), antecedent)

    def returns(self, formula: Expr) -> Expr:
        """Return the condition that a step has the result that the formula is about."""
        action, processes = self.reading.action, self.names.compiled.processes
        if (
            action is None
            or action.result is None
            or processes is None
            or action.name not in processes.yielding
            or action.returned not in ir.subterms(formula)
        ):
            return ir.TRUE
        return processes.returned(action)

    def parameters(self) -> Scope:
        """Return the meanings of the names after `on`."""
        on = self.claim.on
        if on is None:
            return {}
        action = self.names.action(on.action.text, on.action.span)
        self.reading.action = action
        known = {p.name: p.local for p in action.parameters}
        scope: dict[str, Local] = {}
        for a in on.arguments:
            name = a.parameter.text
            if name not in known:
                raise MissingName(
                    f"no parameter {name} of {action.name}",
                    a.parameter.span,
                    f"`{action.name}` has no parameter `{name}`"
                    f"{suggestion(name, known)}: it has {', '.join(known) or 'none'}",
                    off=name == FAILS,
                )
            scope[a.alias.text] = Local(known[name], "a parameter")
        return scope

    def obligations(self) -> Iterator[Property]:
        """Yield a property for each index: it is inside its domain wherever all indices
        before it are."""
        before: list[Expr] = []
        kind = Kind.STEP if self.claim.kind.of_steps else Kind.INVARIANT
        for span, (message, inside) in self.reading.needs.items():
            yield Property(
                name=f"{self.claim.name.text}@{span.line}:{span.column}",
                kind=kind,
                formula=self.running(ir.implies(ir.and_(*before), inside)),
                action=self.action,
                title=message,
                span=span,
            ).plain()
            before.append(inside)


def expected(
    spec: Spec, source: type, expects: Sequence[Expect], action: str = ""
) -> Expectation | None:
    """Return the outcome that is expected of the design, or of the nearest base that
    the spec is for. One that is stated for the action goes before one for no action;
    among those, one under the label of the spec's first bounds before one without a
    label."""
    mine = [e for e in expects if any(word.text == action for word in e.actions)]
    if mine and (found := expected(spec, source, [_of_all(e) for e in mine])):
        return found
    expects = [e for e in expects if not e.actions]
    label = spec.bounds[0].label if spec.bounds else ""
    here = [e for e in expects if any(word.text == label for word in e.labels)]
    always = [e for e in expects if not e.labels]
    named = [word.text for word in spec.designs]
    for some in (here, always):
        stated = {d.text: e for e in some for d in e.designs}
        others = next((e for e in some if not e.designs), None)
        name = nearest_named(source, named or stated)
        e = others if name is None else stated.get(name, others)
        if e is not None:
            return Expectation(e.verdict, e.depth, e.span, e.elsewhere)
    return None


def _is_of(e: Expect, names: Lookup) -> bool:
    """Return whether something is expected of this design, among others."""
    named = [word.text for word in e.designs]
    return not named or nearest_named(names.source, named) is not None


def _of_all(e: Expect) -> Expect:
    return replace(e, actions=())


def single(claim: Claim, names: Lookup) -> tuple[Claim, ...]:
    """Return the claims, each of one action at most, that a claim is. One `on
    failure` is one for each action that can fail: whose result is neither OK nor
    true then. Raises MissingName where none can, and UserError where an
    expectation names no action."""
    on = claim.on
    if on is None or on.action.text != FAILURE:
        return (claim,)
    if FAILURE in names.system.action_by_name:
        return (claim,)
    for word in (a for e in claim.expects if _is_of(e, names) for a in e.actions):
        try:
            names.action(word.text, word.span)
        except MissingName as reason:
            if not reason.off:
                raise reason.mistake from None
    found = []
    for action in names.system.actions:
        if (failed := _failed(action, claim.span)) is not None:
            name = Word(f"{claim.name.text}.{action.name}", claim.name.span)
            formula = Binary("implies", failed, claim.formula, claim.span)
            about = replace(on, action=Word(action.name, on.action.span))
            found.append(replace(claim, name=name, on=about, formula=formula))
    if not found:
        what = "no action that fails"
        raise MissingName(what, on.action.span, f"{names.design} has {what}", off=True)
    return tuple(found)


def _failed(action: Action, at: Span) -> Expression | None:
    """Return that the action has failed, or None if it never does."""
    sort = None if action.result is None else action.result.sort
    result = Name("result", False, at)
    if sort is ir.BOOL and action.result is not ir.TRUE:
        return Unary("not", result, at)
    labels = getattr(sort, "labels", ())
    if "OK" in labels and any(labels[r] != "OK" for r in action.results):
        ok = Name("OK", False, at)
        return Compare((result, ok), (Relation("!=", at),), at)
    return None
