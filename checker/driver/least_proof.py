# SPDX-License-Identifier: GPL-2.0-only
"""A formula for the least pool of a scenario, proved by induction for all values of
its names.

The design is compiled with these names open, and the pool's size is the formula
(`checker.spec.open_scenario`). Two questions are asked: that success is an invariant of
the programs' product with the design, at this size; and that no run ends well, with
one fewer. Where the tasks' calls are all that happens, every run ends, so a run that
does not end well has failed, or is stuck.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from poolproof.checker.core import ir
from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.ir import INT, Expr, OpenDomain
from poolproof.checker.core.limits import Spent, doing
from poolproof.checker.core.property import Property
from poolproof.checker.core.verdict import Budget, Holds, Silent
from poolproof.checker.driver.least_formula import LinearForm
from poolproof.checker.driver.size import SizeQuestion, SizeTask, size_question
from poolproof.checker.driver.stated import with_stated
from poolproof.checker.driver.sweep import Axis
from poolproof.checker.engines import registry
from poolproof.checker.engines.anysize.proof import relations
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.spec.names import Lookup, MissingName
from poolproof.checker.spec.open_scenario import (
    OpenProduct,
    open_product,
    open_programs,
)
from poolproof.checker.spec.phases import phase_guesses
from poolproof.checker.spec.resolve import resolve, rigid
from poolproof.checker.spec.syntax import Spec
from poolproof.model.language import declared


@dataclass(frozen=True)
class LeastProof:
    """What is proved of a formula, for all values of its names that are at least
    ``least``: that so many succeed, unless ``enough`` says why not; and that no run
    ends well with one fewer, unless ``needed`` does."""

    least: Mapping[str, int]
    enough: str
    needed: str


def prove_least(
    task: SizeTask, axes: Sequence[Axis], formula: LinearForm, seconds: float
) -> LeastProof:
    """Return what is proved of the formula, which is over the axes. Each of the two
    proofs has ``seconds`` of time; the second is tried if the first succeeds."""
    least = {name: over[0] for name, over in axes}
    try:
        with Budget(seconds=seconds).limited(), doing("leaving the sizes open"):
            what = _opened(task, least)
            size = formula.expr()
            refused = what.refused
    except Spent as spent:
        refused = str(spent)
    except MissingName as lacking:
        refused = lacking.what
    except (UserError, ir.SortError) as mistake:
        refused = str(mistake)
    if refused:
        return LeastProof(least, refused, refused)
    enough = what.proved(size, what.product.properties, seconds)
    needed = enough or "calls that are no task's may go on for ever"
    if what.product.ends and not enough:
        fewer = ir.sub(size, ir.num(1))
        needed = what.proved(fewer, (what.product.never_done,), seconds)
    return LeastProof(least, enough, needed)


@dataclass(frozen=True)
class _Opened:
    """The product with open names, each at its ``least`` or more, and an open size, the
    bound ``size``; ``amounts`` are the bounds that the scenario computes from the
    names. ``guesses`` are what the programs, this spec and others say."""

    compiled: Compiled
    product: OpenProduct
    size: str
    amounts: Mapping[str, Expr]
    least: Mapping[str, int]
    guesses: tuple[Expr, ...]

    @property
    def refused(self) -> str:
        """Why the size cannot be a formula; '' if it can."""
        formulas = (f.expr for f in self.product.system.formulas())
        found = [d for v in self.product.system.variables for d in v.index]
        found += [e.data[1] for e in ir.subterms(*formulas) if e.op == "local"]
        ends = (d.end for d in found if isinstance(d, OpenDomain))
        used = {e.data for e in ir.subterms(*ends) if e.op == "param"}
        deciding = sorted(used & {self.size, *self.amounts})
        return f"{deciding[0]} decides how many elements there are" if deciding else ""

    def always(self, relation: Expr) -> bool:
        """Return whether ``a <= b`` holds for all values of the names."""
        if relation.op != "le":
            return relation is ir.TRUE
        names = tuple(self.least)
        low, high = (LinearForm.of(e, names) for e in relation.args)
        if low is None or high is None:
            return False
        more = high.plus(low, -1)
        return min(0, *more.factors) == 0 and more.at([*self.least.values()]) >= 0

    def proved(
        self, size: Expr, properties: tuple[Property, ...], seconds: float
    ) -> str:
        """Return why the properties are not proved at a size; '' if they are."""
        values = {**self.amounts, self.size: size}
        by = {ir.param(n): e for n, e in values.items()}

        def at(e: Expr) -> Expr:
            return ir.substitute(e, by)

        whole = self.product.system.map(at)
        least = {n: few for n, few in whole.least.items() if n not in values}
        least |= self.least
        needs = [
            ir.le(ir.num(few or 0), values[n])
            for n, few in whole.least.items()
            if n in values
        ]
        for needed in (*needs, *relations(whole)):
            if not self.always(needed):
                return f"only where {ir.show(needed)}"
        words = self.compiled.vocabulary
        observers = {n: replace(o, body=at(o.body)) for n, o in words.observers.items()}
        compiled = replace(
            self.compiled,
            stated=tuple(map(at, self.guesses)),
            vocabulary=replace(words, observers=observers),
        )
        outcome = registry.ask(
            "anysize",
            replace(whole, least=least),
            tuple(p.map(at) for p in properties),
            Budget(seconds=seconds),
            Silent(),
            compiled,
        )
        for name, verdict in outcome.verdicts.items():
            if not isinstance(verdict, Holds):
                why = getattr(verdict, "reason", "it is violated")
                return f"{name}: {why}"
        return next(iter(outcome.statistics.notes), "")


def _opened(task: SizeTask, least: Mapping[str, int]) -> _Opened:
    """Return the scenario on its design with these names open, which are at least so
    much. Raise UserError, MissingName or SortError if they cannot be."""
    question = size_question(replace(task, given={**task.given, **least}))
    lets = tuple(let for let in task.spec.lets if let.name.text not in least)
    spec = replace(question.spec, lets=lets)
    bounds = frozenset(declared(question.cls)[0])
    names = frozenset(least) & bounds | {question.bound}
    compiled = _compiled(question, spec, names, least)
    amounts = dict(_amounts(task, spec, compiled))
    if amounts:
        compiled = _compiled(question, spec, names | frozenset(amounts), least)
    found = open_programs(question.scenario, spec, compiled)
    resolved = resolve(spec, compiled)
    claims = (*resolved.properties, *resolved.obligations)
    product = open_product(compiled.system, found, claims)
    own = (p.formula for p in claims if p.kind.of_states and not p.assertion)
    guesses = (*phase_guesses(compiled.system, found), *own, *compiled.stated)
    return _Opened(compiled, product, question.bound, amounts, least, guesses)


def _compiled(
    question: SizeQuestion, spec: Spec, names: frozenset[str], least: Mapping[str, int]
) -> Compiled:
    """Return the design with these bounds open, and with the `let`s of ``least`` as
    more names of bounds."""
    own = question.sizes
    found = compile_design(
        question.cls, own.bounds, own.without, own.having, names, True
    )
    words = found.vocabulary
    open_names = {n: ir.param(n) for n in least}
    words = replace(words, bounds={**words.bounds, **open_names})
    return with_stated(replace(found, vocabulary=words), spec)


def _amounts(
    task: SizeTask, spec: Spec, compiled: Compiled
) -> Iterator[tuple[str, Expr]]:
    """Yield the scenario's own bounds that depend on open names, with their values."""
    names = Lookup(compiled)
    for amount in task.scenario.amounts:
        if amount.name.text not in task.given:
            value = rigid(spec, names, amount.value, INT, {})
            if not value.is_const:
                yield amount.name.text, value
