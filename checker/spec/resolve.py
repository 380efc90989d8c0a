# SPDX-License-Identifier: GPL-2.0-only
"""A spec over one compiled design, or several: its claims as properties."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from poolproof.checker.core import ir
from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.diagnostic import UserError, together
from poolproof.checker.core.ir import Expr, Sort
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.spec.claims import ClaimReader, expected, single
from poolproof.checker.spec.formulas import Formulas
from poolproof.checker.spec.names import Lookup, MissingName, listed, suggestion
from poolproof.checker.spec.reading import Env, Local, Reading
from poolproof.checker.spec.syntax import Claim, Expression, Spec, Word, start
from poolproof.model.language import (
    action_methods,
    bind,
    blocks,
    invariant_methods,
    resolved,
    slots,
    yields,
)


@dataclass(frozen=True)
class Resolved:
    """A spec's meaning for one design.

    ``missing``: properties that do not apply, and which name the design
    lacks ("no resv"). ``obligations``: invariants (or step properties) that
    say that the formulas are defined; check them with the properties. One
    that is violated is a mistake of the spec, with ``span`` and ``title``
    (what to write) to say so; nothing is then known of the property that
    ``owner`` of the obligation's name gives.
    """

    properties: tuple[Property, ...]
    missing: dict[str, str]
    obligations: tuple[Property, ...]

    @staticmethod
    def owner(obligation: str) -> str:
        """Return the name of the property that an obligation belongs to."""
        return obligation.partition("@")[0]


def resolve(spec: Spec, compiled: Compiled) -> Resolved:
    """Return the spec's properties for one design. Raise UserError for what is wrong in
    every design; a name that only this design lacks makes the property n/a."""
    return _resolve(spec, compiled)[0]


def resolve_all(spec: Spec, designs: Sequence[Compiled]) -> tuple[Resolved, ...]:
    """Return `resolve` for each design of the spec. Raise UserError for a property that
    applies to none of them: a name in it is misspelt."""
    resolved, lacking = [], []
    for compiled in designs:
        found, lacks = _resolve(spec, compiled)
        resolved.append(found)
        lacking.append(lacks)
    mistakes: list[UserError] = []
    for claim in spec.claims:
        reasons = [lacks.get(claim.name.text) for lacks in lacking]
        first = next(iter(reasons), None)
        if first is not None and all(r is not None and not r.off for r in reasons):
            mistakes.append(first.mistake)
    if mistakes:
        raise together(mistakes)
    _assertions_exist(spec, designs)
    return tuple(resolved)


def _assertions_exist(spec: Spec, designs: Sequence[Compiled]) -> None:
    """Raises UserError for an expectation of an assertion that no design has,
    whatever its features."""
    here = [p.name for c in designs for p in c.assertions]
    for stated in spec.assertions:
        name = stated.name.text
        if name in here or any(_may_assert(c, name) for c in designs):
            continue
        names = listed(c.source.__name__ for c in designs)
        raise UserError(
            stated.name.span,
            f"{names} has no kernel assertion `{name}`{suggestion(name, here)}: "
            f"there is {listed(here) if here else 'none'}",
        )


def _may_assert(compiled: Compiled, name: str) -> bool:
    """Return whether the design may have an assertion of that name with other
    features."""
    kind, _, rest = name.partition(".")
    if name == "deadlock":
        actions = (f for f, _ in action_methods(compiled.source).values())
        return any(yields(resolved(compiled.source, f)[1]) for f in actions)
    if kind == "counter":
        binding = bind(compiled.source, {})
        known = [s.name for s in slots(compiled.source, binding) if s.values.counter]
        return rest in known
    if kind == "invariant":
        path, _, method = rest.rpartition(".")
        owners = {"": compiled.source, **dict(blocks(compiled.source))}
        return path in owners and method in invariant_methods(owners[path])
    action, _, where = rest.partition(".")
    return (
        bool(where)
        and kind in ("bug_on", "warn_on")
        and (action in action_methods(compiled.source))
    )


def _asserted(spec: Spec, compiled: Compiled) -> Iterator[Property]:
    """Yield the design's own assertions as properties, with the outcomes that the spec
    expects of them."""
    stated = {a.name.text: a.expects for a in spec.assertions}
    for p in compiled.assertions:
        expects = stated.get(p.name, ())
        yield replace(p, expect=expected(spec, compiled.source, expects))


def _resolve(spec: Spec, compiled: Compiled) -> tuple[Resolved, dict[str, MissingName]]:
    names = Lookup(compiled)
    for let in spec.lets:
        what = names.kind_of(let.name.text)
        if what:
            raise UserError(
                let.name.span,
                f"`{let.name.text}` is {what} of {names.design} already: "
                "choose another name",
            )
    properties: list[Property] = []
    obligations: list[Property] = []
    lacks: dict[str, MissingName] = {}
    mistakes: list[UserError] = []
    for claim in spec.claims:
        try:
            for one in single(claim, names):
                reader = ClaimReader(spec, names, one)
                properties.append(reader.property())
                obligations += reader.obligations()
        except MissingName as reason:
            lacks[claim.name.text] = reason
        except RecursionError:
            nested = "this formula is nested too deeply"
            mistakes.append(UserError(claim.span, nested))
        except ir.SortError as e:
            mistakes.append(UserError(start(claim.formula), str(e)))
        except UserError as mistake:
            mistakes.append(mistake)
    if mistakes:
        raise together(mistakes)
    properties += _asserted(spec, compiled)
    missing = {name: reason.what for name, reason in lacks.items()}
    return Resolved(tuple(properties), missing, tuple(obligations)), lacks


def constant(
    spec: Spec, names: Lookup, e: Expression, want: Sort, scope: Mapping[str, int]
) -> int:
    """Return the raw value of an expression that depends on no state;
    ``scope`` are numbers by name. Raises UserError, or MissingName, for
    anything else."""
    value = rigid(spec, names, e, want, {n: ir.num(k) for n, k in scope.items()})
    if not value.is_const:
        raise UserError(start(e), f"`{ir.show(value)}` is not a constant")
    raw: int = value.data
    return raw


def rigid(
    spec: Spec, names: Lookup, e: Expression, want: Sort, scope: Mapping[str, Expr]
) -> Expr:
    """Return the value of an expression that depends on no state, over open bounds
    and what ``scope`` gives for names. Raise as `constant` does."""
    claim = Claim(Kind.INVARIANT, Word("", start(e)), "", None, e, "", ())
    meant = {n: Local(value, "a bound name") for n, value in scope.items()}
    formulas = Formulas(Reading(spec, names, claim))
    value = formulas.sorted(e, Env(meant, len(spec.lets)), want)
    if any(part.op == "var" for part in ir.subterms(value)):
        raise UserError(start(e), f"`{ir.show(value)}` is not a constant")
    return value
