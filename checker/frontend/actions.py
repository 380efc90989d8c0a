# SPDX-License-Identifier: GPL-2.0-only
"""A method of a design as an action: its guard, its updates, what it owes."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from types import FunctionType
from typing import Any

from poolproof.checker.core import ir
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.ir import Expr
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.ranges import Ranges
from poolproof.checker.core.source import method_tree, span_of
from poolproof.checker.core.system import (
    Action,
    BranchSide,
    Obligation,
    Parameter,
    Span,
    Variable,
)
from poolproof.checker.elaborate.domains import domain_of, size_expr, sort_of
from poolproof.checker.elaborate.values import Pending
from poolproof.checker.frontend.cursor import (
    Effects,
    KernelAssertion,
    Ref,
    forwarded_to,
)
from poolproof.checker.frontend.failures import Choices, settled
from poolproof.checker.frontend.method import Executed, execute
from poolproof.model.language import (
    FAILS,
    LEFT,
    NONE_FAILS,
    ActionMark,
    Binding,
    ModelError,
    Slot,
    Values,
    parameter_domain,
    returns,
)


@dataclass(frozen=True)
class Work:
    """The context in which any method of the design is translated."""

    this: Ref
    binding: Binding
    slots: Mapping[str, Slot]
    variables: Mapping[str, Variable]
    named: Mapping[str, Any]
    ranges: Ranges
    fresh: Iterator[str]
    """What tells bound names from others of the same name."""

    def naming(self, method: str) -> Work:
        """Return the work for a method, with a numbering of its own for the names that
        it binds, so that they do not depend on what else is translated."""
        return replace(self, fresh=(f"{method}.{k}" for k in count(1)))

    def effects(
        self,
        ranges: Ranges,
        choices: Choices | None = None,
        may_require: bool = True,
    ) -> Effects:
        """Return an empty collection for executing a method. Its only guard is that a
        call fails only if a failure is left."""
        effects = Effects(
            self.binding,
            self.slots,
            self.variables,
            ranges,
            self.fresh,
            replace(self.this, hooks=True),
            may_require,
            choices=choices,
        )
        if choices is not None and not choices.counting:
            left = self.variables[LEFT].now
            effects.guards.append(
                ir.or_(choices.is_chosen(NONE_FAILS), ir.lt(ir.num(0), left))
            )
        return effects

    def execute(
        self,
        this: Ref,
        function: FunctionType,
        arguments: Mapping[str, Parameter],
        may_require: bool = True,
        choices: Choices | None = None,
    ) -> Executed:
        """Execute an action, or (without ``require``) an observer."""
        effects = self.effects(self.ranges, choices, may_require)
        values = {name: p.local for name, p in arguments.items()}
        return execute(effects, this, function, values)


_MOST = 1 << 20
"""Values of a parameter: each is tried in every state."""


def parameters_of(
    this: Ref, work: Work, name: str, function: FunctionType
) -> dict[str, Parameter]:
    """Return the parameters of a method of ``this``; ``name`` is its name in the
    design. Raise UserError for a domain that an action cannot take."""
    file, tree = method_tree(function)
    if not tree.args.args:
        raise UserError(span_of(file, tree), "a method takes self first")
    written = {a.arg: a for a in ast.walk(tree.args) if isinstance(a, ast.arg)}
    _, *taken = inspect.signature(function).parameters.values()
    found: dict[str, Parameter] = {}
    for p in taken:
        try:
            annotation = parameter_domain(this.owner, function, p)
            values = work.binding.values(annotation)
            domain = domain_of(values, name_of(annotation, work.named))
        except (ModelError, UserError) as e:
            raise UserError(span_of(file, written[p.name]), str(e)) from None
        if isinstance(domain, ir.OpenDomain):
            if isinstance(domain.sort, ir.SetSort):
                raise UserError(span_of(file, written[p.name]), f"{p.name} is a set")
        elif domain.hi - domain.lo >= _MOST:
            raise UserError(
                span_of(file, written[p.name]),
                f"{p.name} has more than {_MOST:,} values at these bounds: "
                "choose smaller ones",
            )
        local = ir.local(f"{p.name}#{name}", domain)
        found[p.name] = Parameter(p.name, local)
    return found


@dataclass(frozen=True)
class ActionText:
    """An action as it is written: its name, its method, and the design or block that
    the method belongs to."""

    name: str
    this: Ref
    text: FunctionType
    mark: ActionMark
    arguments: Mapping[str, Parameter]

    @classmethod
    def of(
        cls, work: Work, name: str, function: FunctionType, mark: ActionMark
    ) -> ActionText:
        this, text = forwarded_to(work.this, function)
        return cls(name, this, text, mark, parameters_of(this, work, name, text))

    @property
    def span(self) -> Span:
        return span_of(*method_tree(self.text))


@dataclass(frozen=True)
class Hidden:
    """What an action does besides its text, in a design whose actions yield: it is
    possible only under ``guard``, and assigns ``updates``. ``returns`` is False if it
    never comes to its end."""

    guard: Expr = ir.TRUE
    updates: Mapping[Expr, Expr] = field(default_factory=dict)
    returns: bool = True


def executed(work: Work, written: ActionText) -> Executed:
    """Return the result of executing an action; if calls may fail, with the choice of
    the one that fails."""
    this, text, arguments = written.this, written.text, written.arguments
    if LEFT not in work.slots:
        return work.execute(this, text, arguments)

    def run(choices: Choices) -> Executed:
        return work.execute(this, text, arguments, choices=choices)

    method, choices = settled(written.name, run)
    method.effects.choices = choices
    return method


Made = tuple[Action, list[Property], tuple[BranchSide, ...]]


def action_of(
    work: Work, written: ActionText, method: Executed, hidden: Hidden
) -> Made:
    """An action, what the kernel asserts in it, and the branches of its text."""
    effects, name = method.effects, written.name
    if hidden.guard is not ir.TRUE:
        _put_first(effects, hidden.guard)
    parameters = tuple(written.arguments.values())
    if effects.choices is not None:
        if FAILS in written.arguments:
            raise UserError(
                written.span,
                f"{FAILS} says which call fails: give the parameter another name",
            )
        parameters += (effects.choices.parameter,)
        effects.guards.append(effects.choices.possible)
        method.final[LEFT] = effects.choices.left(method.final)
    result = None
    if hidden.returns:
        result = result_of(written.this, work, written.text, method, written.span)
    guard = ir.and_(*effects.guards)
    facts = _facts(guard)
    now = {n: v.now for n, v in work.variables.items()}
    kept = {
        n: _saturated(work.slots[n], now[n], e)
        for n, e in method.final.items()
        if n in now and e is not now[n]
    }
    for variable, e in hidden.updates.items():
        now[variable.data[0]], kept[variable.data[0]] = variable, e
    changed = {n: ir.ite(effects.running, e, now[n]) for n, e in kept.items()}
    memo: dict[Expr, Expr] = {}
    updates = dict(
        zip(changed, ir.substitute_all(changed.values(), facts, memo), strict=True)
    )
    if result is not None:
        result = ir.substitute_all((result,), facts, memo)[0]
    action = Action(
        name=name,
        parameters=parameters,
        guard=guard,
        updates={n: e for n, e in updates.items() if e is not now[n]},
        result=result,
        obligations=obligations_of(effects),
        kernel=written.mark.kernel,
        doc=inspect.getdoc(written.text) or "",
        span=written.span,
        assumptions=tuple(effects.assumptions),
    )
    asserted = _asserted(name, written.mark.kernel, effects, facts, memo)
    sides = tuple(effects.branches())
    taken = ir.substitute_all((b.taken for b in sides), facts, memo)
    branches = (replace(b, taken=e) for b, e in zip(sides, taken, strict=True))
    return action, asserted, tuple(branches)


def _put_first(effects: Effects, guard: Expr) -> None:
    """Make the guard the first `require`."""
    effects.guards.insert(0, guard)
    effects.obligations = [(n + 1, due) for n, due in effects.obligations]
    effects.assumptions = [
        replace(a, cut=ir.and_(guard, a.cut)) for a in effects.assumptions
    ]


def _asserted(
    name: str,
    kernel: str,
    effects: Effects,
    facts: Mapping[Expr, Expr],
    memo: dict[Expr, Expr],
) -> list[Property]:
    """A step property for each `bug_on` and `warn_on` that the action can
    meet; one in a loop is one."""
    sites: dict[Span, list[KernelAssertion]] = {}
    for met in effects.assertions:
        sites.setdefault(met.span, []).append(met)
    found: dict[str, Property] = {}
    for span, several in sites.items():
        first = several[0]
        title = base = f"{first.kind}.{name}.{first.where}"
        number = 1
        while title in found:
            number += 1
            title = f"{base}_{number}"
        held = ir.substitute_all([a.held for a in several], facts, memo)
        found[title] = Property(
            title,
            Kind.STEP,
            ir.and_(*held),
            name,
            title=first.text,
            source=kernel,
            span=span,
            assertion=first.kind,
        )
    return list(found.values())


def _saturated(slot: Slot, now: Expr, e: Expr) -> Expr:
    """Return a counter's value at the end of an action, as `Values.saturated` does."""
    values = slot.values
    if not values.counter or e is now:
        return e
    if e.op == "store":
        table, *index, value = e.args
        return ir.store(
            _saturated(slot, now, table), *index, _kept_count(values, value, {})
        )
    if e.op == "map":
        assert isinstance(e.sort, ir.TableSort)
        return ir.row_wise(
            e.sort, lambda *at: _kept_count(values, ir.select(e, *at), {})
        )
    return _kept_count(values, e, {})


def _kept_count(values: Values, e: Expr, known: dict[Expr, Expr]) -> Expr:
    """A choice is taken apart: what did not change is as it was."""
    if e in known:
        return known[e]
    if e.op == "ite":
        c, a, b = e.args
        kept = ir.ite(c, _kept_count(values, a, known), _kept_count(values, b, known))
    elif e.op in ("var", "select"):
        kept = e
    else:
        kept = ir.max_(e, size_expr(values.lo))
        if values.hi is not None:
            kept = ir.min_(kept, size_expr(values.hi))
    known[e] = kept
    return kept


def _facts(guard: Expr) -> dict[Expr, Expr]:
    """What a guard says outright: its conjuncts are true, their negations
    false. Constants only are put in their place, so it stays acyclic."""
    facts: dict[Expr, Expr] = {}
    for part in guard.args if guard.op == "and" else (guard,):
        if not part.is_const:
            facts[part] = ir.TRUE
            facts[ir.not_(part)] = ir.FALSE
    return facts


def obligations_of(effects: Effects) -> tuple[Obligation, ...]:
    """Return the obligations, each under the `require`s before it. It is early if
    another `require` follows."""
    found: dict[Expr, Obligation] = {}
    for count_, due in effects.obligations:
        before = ir.and_(*effects.guards[:count_])
        formula = ir.implies(before, due.formula)
        early = count_ < len(effects.guards)
        if formula is not ir.TRUE and formula not in found:
            found[formula] = replace(due, formula=formula, early=early)
    return tuple(found.values())


def result_of(
    this: Ref, work: Work, function: FunctionType, method: Executed, span: Span
) -> Expr | None:
    """Return the method's result, of the sort that its annotation names."""
    name, value = function.__name__, method.value
    try:
        wanted = returns(this.owner, function)
        sort = None if wanted is None else sort_of(work.binding.values(wanted))
    except ModelError as e:
        raise UserError(span, f"what {name} returns: {e}") from None
    if value is None or (sort is None and isinstance(value, Pending)):
        if sort is None:
            return None
        raise UserError(span, f"{name} returns nothing: return a value of {sort}")
    return method.result(sort)


def name_of(domain: Any, named: Mapping[str, Any]) -> str:
    for name, known in named.items():
        if known is domain:
            return name
    for name, known in named.items():
        if known == domain:
            return name
    return ""
