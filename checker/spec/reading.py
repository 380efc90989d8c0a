# SPDX-License-Identifier: GPL-2.0-only
"""One property of a spec while it is read: what its names mean at a place,
what is around the place, and what must hold for it to be defined."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from poolproof.checker.core import ir
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.ir import Domain, Expr
from poolproof.checker.core.system import Action, Span
from poolproof.checker.elaborate.values import Label, Missing, Site, lies_in
from poolproof.checker.spec.names import Lookup
from poolproof.checker.spec.syntax import Claim, Expression, Let, Spec, start

# --- names at one place ---------------------------------------------------


@dataclass(frozen=True)
class Local:
    """A bound name or an action's parameter."""

    expr: Expr
    what: str


@dataclass(frozen=True)
class Closure:
    """A definition's argument: text, and what its names mean."""

    text: Expression
    env: Env

    what = "an argument"


Scope = Mapping[str, Local | Closure]


@dataclass(frozen=True)
class Env:
    """The meanings of names at one place of the text.

    ``primed``: state is that after the step. ``deep``: arguments of the
    definitions around too (in ``unchanged(x)`` and ``x'``). ``lets``: how
    many of the spec's definitions are visible.
    """

    scope: Scope
    lets: int
    primed: bool = False
    deep: bool = False

    def within(self, names: Scope) -> Env:
        return replace(self, scope={**self.scope, **names})


# --- what is around one place ---------------------------------------------

Around = tuple[tuple[str, Expr], ...]
"""Binders ("for"), and conditions that hold inside ("if"; "and" where they
are conjuncts of the whole property), outermost first."""


def closed(formula: Expr, around: Around, op: str) -> Expr:
    """Return the formula for all (or any) values around it."""
    join: Callable[[Expr, Expr], Expr] = ir.implies if op == "all" else ir.and_
    for what, e in reversed(around):
        formula = ir.aggregate(op, e, formula) if what == "for" else join(e, formula)
    return formula


class Reading:
    """The results of reading one claim."""

    def __init__(self, spec: Spec, names: Lookup, claim: Claim) -> None:
        self.spec, self.names, self.claim = spec, names, claim
        self.action: Action | None = None
        self.around: Around = ()
        self.depth = 0
        """Depth of binders, which numbers their locals."""
        self.needs: dict[Span, tuple[str, Expr]] = {}
        """The message for each index that may be outside, and the condition that it
        is inside."""
        self.antecedents: dict[Expr, Expr] = {}
        """Antecedents as they are written, by their plain expressions."""
        self.using: tuple[tuple[str, Span], ...] = ()
        """The definitions being read, and where they are used."""
        self.uses = 0
        self.ranges = names.ranges

    @contextmanager
    def where(self, *around: tuple[str, Expr]) -> Iterator[None]:
        """What is read inside counts where the conditions hold, and for all
        values of the binders."""
        before, self.around = self.around, (*self.around, *around)
        yield
        self.around = before

    def at(self, text: Expression | Span) -> SpecSite:
        """Return the site of a text that is being read."""
        return SpecSite(self, text, self.around, self.using)

    def mistake(self, span: Span, message: str) -> UserError:
        """Return the error to raise for what is wrong at a site."""
        return self.at(span).mistake(message)

    def total(self, formula: Expr) -> Expr:
        """Return that every index is inside, and the formula."""
        return ir.and_(*(inside for _, inside in self.needs.values()), formula)

    def presume(self, antecedent: Expr) -> None:
        """Note an antecedent, which should be true somewhere."""
        plain = ir.plain(antecedent)
        if plain is not ir.TRUE:
            self.antecedents.setdefault(plain, antecedent)

    def need(self, inside: Expr, at: SpecSite, message: str) -> None:
        """Note that an index must be inside, wherever it is read."""
        formula = ir.plain(closed(inside, at.around, "all"))
        if formula is ir.TRUE:
            return
        if at.span in self.needs:
            formula = ir.and_(self.needs[at.span][1], formula)
        self.needs[at.span] = (message + at.note, formula)

    def let(self, name: str, env: Env) -> tuple[int, Let] | None:
        """Return the definition of that name, where it is visible."""
        for k, let in enumerate(self.spec.lets[: env.lets]):
            if let.name.text == name:
                return k, let
        return None


@dataclass(frozen=True)
class SpecSite(Site):
    """A site in a spec. ``written``: how messages call the value there, if
    not by the formula that it became."""

    reading: Reading
    text: Expression | Span
    around: Around
    using: tuple[tuple[str, Span], ...]
    written: str = ""

    none = "none"
    unequal = "!="
    lenient = False
    keeps_writing = True

    @property
    def span(self) -> Span:
        return self.text if isinstance(self.text, Span) else start(self.text)

    @property
    def note(self) -> str:
        """Return, as text, where the definition around this place is used."""
        if not self.using:
            return ""
        name, span = self.using[0]
        return f" (in `{name}`, used in line {span.line})"

    @property
    def reached(self) -> bool:
        return ir.plain(closed(ir.FALSE, self.around, "all")) is not ir.TRUE

    def mistake(self, message: str) -> UserError:
        return super().mistake(message + self.note)

    def code(self, value: Any) -> str:
        match value:
            case Expr():
                return self.written or ir.show(value)
            case Missing():
                return self.none
            case Label(name=name):
                return name
        return self.written or "{...}"

    def inside(self, e: Expr, domain: Domain, strictly: bool = False) -> Expr:
        lo, hi = self.reading.ranges.of(e)
        low = lo is not None and domain.lo <= lo
        closed = not isinstance(domain, ir.OpenDomain)
        high = closed and hi is not None and hi <= domain.hi
        return lies_in(e, domain, low, high, strictly)

    def oblige(self, e: Expr, domain: Domain, inside: Expr, message: str) -> None:
        # what stands to the left may say it as `<`
        same = self.inside(e, domain, strictly=True)
        if ir.plain(closed(same, self.around, "all")) is not ir.TRUE:
            message += f": write `{ir.show(inside)} implies ...`"
            self.reading.need(inside, self, message)

    def under(self, condition: Expr) -> SpecSite:
        return replace(self, around=(*self.around, ("if", condition)))

    def naming(self, code: str) -> SpecSite:
        return replace(self, written=code)
