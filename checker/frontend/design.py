# SPDX-License-Identifier: GPL-2.0-only
"""A design class to a transition system.

Soundness: the system's actions are what CPython executes, path by path.
tests/agreement/test_translation.py proves that over every shipped action: it runs the
methods on symbolic integers whose truth value follows both branches, and z3
compares each path with the compiled action.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from itertools import count
from types import FunctionType
from typing import Any

from poolproof.checker.core import ir
from poolproof.checker.core.compiled import Compiled, Observer, Vocabulary
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.ir import Expr
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.ranges import Ranges
from poolproof.checker.core.source import class_span, member_span, method_tree, span_of
from poolproof.checker.core.system import (
    Action,
    Obligation,
    Parameter,
    Span,
    TransitionSystem,
    Variable,
)
from poolproof.checker.elaborate.domains import (
    domain_of,
    size_expr,
    sort_of,
    start_of,
)
from poolproof.checker.elaborate.values import Pending
from poolproof.checker.frontend.cursor import Assertion, Effects, Ref, forwarded_to
from poolproof.checker.frontend.method import Executed, execute
from poolproof.checker.frontend.overrides import check_overrides
from poolproof.model.language import (
    ANY,
    ActionMark,
    Arithmetic,
    Binding,
    Block,
    Bound,
    Design,
    Domain,
    ModelError,
    Slot,
    Values,
    action_methods,
    bind,
    blocks,
    closure,
    declared,
    invariant_methods,
    members,
    observer_methods,
    own_classes,
    parameter_domain,
    returns,
    slots,
)


def compile_design(
    cls: type[Design],
    bounds: Mapping[str, int] | None = None,
    without: Sequence[str] = (),
    having: Sequence[str] = (),
    symbolic: frozenset[str] = frozenset(),
) -> Compiled:
    """The transition system of a design at the given bounds.

    ``symbolic`` names bounds that stay rigid parameters (for proofs of any
    size); none of them may decide a domain's size. Raises UserError, with the
    user's line and column, for text outside the accepted subset.
    """
    try:
        binding = bind(cls, bounds or {}, without, having, symbolic)
        return _compile(cls, binding, tuple(without), tuple(having))
    except ModelError as e:
        where = member_span(*e.where) if e.where else class_span(cls)
        raise UserError(where, str(e)) from None


def _compile(
    cls: type[Design],
    binding: Binding,
    without: tuple[str, ...],
    having: tuple[str, ...],
) -> Compiled:
    _names_are_free(cls)
    check_overrides(cls)
    named = _named_domains(cls)
    known, features = declared(cls)
    every = {s.name: s for s in slots(cls, binding)}
    variables = {n: _variable(s, named) for n, s in every.items() if not s.off}
    work = _Work(Ref(cls, cls, ""), binding, every, variables, named, count(1))
    actions: list[Action] = []
    assertions = [*_counted(work), *_invariants(work)]
    for name, (function, mark) in action_methods(cls).items():
        if all(binding.on(f) for f in mark.when):
            action, own = _action(work, name, function, mark)
            actions.append(action)
            assertions += own
    system = TransitionSystem(
        name=cls.__name__,
        variables=tuple(variables.values()),
        actions=tuple(actions),
        initial=_initial(work),
        least={n: known[n].least for n in binding.symbolic},
        bounds=dict(binding.bounds),
        lacking=tuple(
            f.assuming for f in features.values() if f.assuming and not binding.on(f)
        ),
    )
    bounds = {
        n: ir.param(n) if n in binding.symbolic else ir.num(v)
        for n, v in binding.bounds.items()
    }
    vocabulary = Vocabulary(
        domains={
            n: domain_of(v, n)
            for n, v in ((n, _try_values(binding, d)) for n, d in named.items())
            if v is not None and v.finite
        },
        bounds=bounds,
        enums=_enums(cls, binding),
        observers={n: _observer(work, f) for n, f in observer_methods(cls).items()},
    )
    return Compiled(
        cls,
        dict(binding.bounds),
        without,
        having,
        system,
        vocabulary,
        tuple(assertions),
    )


@dataclass(frozen=True)
class _Work:
    """What translating any method of the design needs."""

    this: Ref
    binding: Binding
    slots: Mapping[str, Slot]
    variables: Mapping[str, Variable]
    named: Mapping[str, Any]
    fresh: Iterator[int]

    @cached_property
    def ranges(self) -> Ranges:
        return Ranges.of_variables(self.variables.values())

    def execute(
        self,
        this: Ref,
        function: FunctionType,
        arguments: Mapping[str, Parameter],
        may_require: bool = True,
    ) -> Executed:
        """Execute an action, or (without ``require``) an observer."""
        effects = Effects(
            self.binding,
            self.slots,
            self.variables,
            self.ranges,
            self.fresh,
            replace(self.this, hooks=True),
            may_require,
        )
        values = {name: p.local for name, p in arguments.items()}
        return execute(effects, this, function, values)


def _try_values(binding: Binding, domain: Any) -> Values | None:
    """None where the domain would need a symbolic size."""
    try:
        return binding.values(domain)
    except ModelError:
        return None


# --- variables ------------------------------------------------------------


def _variable(slot: Slot, named: Mapping[str, Any]) -> Variable:
    values = slot.values
    element = sort_of(values)
    sort: ir.Sort = element
    if slot.index:
        index = tuple(
            domain_of(v, _name_of(d, named))
            for v, d in zip(slot.index, slot.field.index, strict=True)
        )
        sort = ir.table_sort(index, element)

    def end(value: Any) -> Expr | None:
        if value is None:
            return None
        if isinstance(value, Bound | Arithmetic):
            return size_expr(value)
        return ir.const(element, value)

    init = None if slot.start is ANY else start_of(slot)
    if init is not None and isinstance(sort, ir.TableSort):
        init = ir.fill(sort, init)
    return Variable(
        slot.name, sort, end(values.lo), end(values.hi), init, member_span(*slot.where)
    )


def _named_domains(cls: type[Design]) -> dict[str, Any]:
    """Domains by the name their module, class or block gives them."""
    found: dict[str, Any] = {}

    def note(scope: Mapping[str, Any]) -> None:
        for name, value in scope.items():
            if isinstance(value, Domain) and not name.startswith("_"):
                found.setdefault(name, value)

    def visit(owner: Any) -> None:
        for base in own_classes(owner if isinstance(owner, type) else type(owner)):
            note(vars(base))
            note(_around(base))
        for part in members(owner).values():
            if isinstance(part, Block):
                visit(part)

    visit(cls)
    return found


def _name_of(domain: Any, named: Mapping[str, Any]) -> str:
    for name, known in named.items():
        if known is domain:
            return name
    for name, known in named.items():
        if known == domain:
            return name
    return ""


def _enums(cls: type[Design], binding: Binding) -> dict[str, ir.EnumSort]:
    """Every Enum class that the design's modules name."""
    found: dict[str, ir.EnumSort] = {}
    for base in own_classes(cls):
        for value in _around(base).values():
            if isinstance(value, type) and issubclass(value, Enum) and len(value):
                sort = sort_of(binding.values(value))
                assert isinstance(sort, ir.EnumSort)
                found.setdefault(value.__name__, sort)
    return found


def _around(cls: type) -> dict[str, Any]:
    """The names that a class's methods see: of its module, and of the
    function that it is written in, if it is."""
    found = dict(vars(sys.modules[cls.__module__]))
    for value in vars(cls).values():
        if isinstance(value, FunctionType):
            found |= closure(value)
    return found


def _names_are_free(cls: type[Design]) -> None:
    """Raises UserError for an action that hides a method of Design."""
    for name, (function, _) in action_methods(cls).items():
        if hasattr(Design, name):
            file, tree = method_tree(function)
            message = f"{name} is a method of Design itself: call the action otherwise"
            raise UserError(span_of(file, tree), message)


# --- methods --------------------------------------------------------------


_MOST = 1 << 20
"""Values of a parameter: each is tried in every state."""


def _parameters(
    this: Ref, work: _Work, name: str, function: FunctionType
) -> dict[str, Parameter]:
    """The parameters of a method of ``this``; ``name`` is its name in the
    design."""
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
            domain = domain_of(values, _name_of(annotation, work.named))
        except (ModelError, UserError) as e:
            raise UserError(span_of(file, written[p.name]), str(e)) from None
        if domain.hi - domain.lo >= _MOST:
            raise UserError(
                span_of(file, written[p.name]),
                f"{p.name} has more than {_MOST:,} values at these bounds: "
                "choose smaller ones",
            )
        local = ir.local(f"{p.name}#{name}", domain)
        found[p.name] = Parameter(p.name, local)
    return found


def _action(
    work: _Work, name: str, function: FunctionType, mark: ActionMark
) -> tuple[Action, list[Property]]:
    """An action, and what the kernel asserts in it."""
    this, text = forwarded_to(work.this, function)
    file, tree = method_tree(text)
    span = span_of(file, tree)
    arguments = _parameters(this, work, name, text)
    method = work.execute(this, text, arguments)
    effects = method.effects
    result = _result(this, work, text, method, span)
    guard = ir.and_(*effects.guards)
    facts = _facts(guard)
    now = {n: v.now for n, v in work.variables.items()}
    kept = {n: _saturated(work.slots[n], now[n], e) for n, e in method.final.items()}
    changed = {
        n: ir.ite(effects.running, e, now[n])
        for n, e in kept.items()
        if e is not now[n]
    }
    memo: dict[Expr, Expr] = {}
    updates = dict(
        zip(changed, ir.substitute_all(changed.values(), facts, memo), strict=True)
    )
    if result is not None:
        result = ir.substitute_all((result,), facts, memo)[0]
    action = Action(
        name=name,
        parameters=tuple(arguments.values()),
        guard=guard,
        updates={n: e for n, e in updates.items() if e is not now[n]},
        result=result,
        obligations=_obligations(effects),
        kernel=mark.kernel,
        doc=inspect.getdoc(text) or "",
        span=span,
        assumptions=tuple(effects.assumptions),
    )
    return action, _asserted(name, mark.kernel, effects, facts, memo)


def _asserted(
    name: str,
    kernel: str,
    effects: Effects,
    facts: Mapping[Expr, Expr],
    memo: dict[Expr, Expr],
) -> list[Property]:
    """A step property for each `bug_on` and `warn_on` that the action can
    meet; one in a loop is one."""
    sites: dict[Span, list[Assertion]] = {}
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


def _counted(work: _Work) -> Iterator[Property]:
    """An invariant for each `Counter`: it stays in its range."""
    for slot in work.slots.values():
        if slot.off or not slot.values.counter:
            continue
        v = work.variables[slot.name]
        index = [ir.local(f"i{k}#{v.name}", d) for k, d in enumerate(v.index)]
        cell = ir.select(v.now, *index) if index else v.now
        formula = ir.le(ir.num(0), cell)
        if v.hi is not None:
            formula = ir.and_(formula, ir.lt(cell, v.hi))
        for binder in reversed(index):
            formula = ir.aggregate("all", binder, formula)
        within = (
            f"0..{slot.values.hi - 1}"
            if isinstance(slot.values.hi, int)
            else ("0.." if v.hi is None else f"0..{slot.field.domain.hi}")
        )
        yield Property(
            f"counter.{slot.name}",
            Kind.INVARIANT,
            formula,
            title=f"the count stays within {within}",
            source=slot.field.doc,
            span=v.span,
            assertion="counter",
        )


def _invariants(work: _Work) -> Iterator[Property]:
    """An invariant for each method under `@invariant`, of the design and of
    its blocks, where its features are on."""
    owners = [Ref(work.this.cls, work.this.cls, "")]
    owners += [Ref(b, type(b), f"{path}.") for path, b in blocks(work.this.cls)]
    for this in owners:
        for name, (function, mark) in invariant_methods(this.owner).items():
            if not all(work.binding.on(f) for f in mark.when):
                continue
            observed = _observed(work, this, name, function)
            if observed.body.sort is not ir.BOOL or observed.parameters:
                raise UserError(
                    member_span(this.cls, name), f"{name}(self) returns a condition"
                )
            formula = ir.and_(*(o.formula for o in observed.obligations), observed.body)
            if formula is not ir.TRUE:
                yield Property(
                    f"invariant.{this.prefix}{name}",
                    Kind.INVARIANT,
                    formula,
                    title=" ".join((inspect.getdoc(function) or name).split()),
                    span=member_span(this.cls, name),
                    assertion="invariant",
                )


def _saturated(slot: Slot, now: Expr, e: Expr) -> Expr:
    """What a counter is at the end of an action, as `Values.saturated`."""
    values = slot.values
    if not values.counter or e is now:
        return e
    if e.op == "store":
        table, *index, value = e.args
        return ir.store(
            _saturated(slot, now, table), *index, _kept_count(values, value, {})
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


def _obligations(effects: Effects) -> tuple[Obligation, ...]:
    """Each obligation counts where every `require` before it was true; it is
    early where another `require` follows."""
    found: dict[Expr, Obligation] = {}
    for count_, due in effects.obligations:
        before = ir.and_(*effects.guards[:count_])
        formula = ir.implies(before, due.formula)
        early = count_ < len(effects.guards)
        if formula is not ir.TRUE and formula not in found:
            found[formula] = Obligation(due.kind, formula, due.message, due.span, early)
    return tuple(found.values())


def _result(
    this: Ref, work: _Work, function: FunctionType, method: Executed, span: Span
) -> Expr | None:
    """What the method returns, of the sort that its annotation names."""
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


def _observer(work: _Work, function: FunctionType) -> Observer:
    this, text = forwarded_to(work.this, function)
    return _observed(work, this, function.__name__, text)


def _observed(work: _Work, this: Ref, name: str, text: FunctionType) -> Observer:
    """A pure method of ``this``; ``name`` is its name in the design."""
    file, tree = method_tree(text)
    span = span_of(file, tree)
    arguments = _parameters(this, work, name, text)
    method = work.execute(this, text, arguments, may_require=False)
    changed = [n for n, e in method.final.items() if e is not work.variables[n].now]
    if changed:
        raise UserError(span, f"{name} changes {changed[0]}: an observer only looks")
    body = _result(this, work, text, method, span)
    if body is None:
        raise UserError(span, f"{name} returns nothing: an observer returns a value")
    return Observer(name, tuple(arguments.values()), body, _obligations(method.effects))


def _initial(work: _Work) -> Expr:
    function = members(work.this.cls).get("initial")
    if function is None:
        return ir.TRUE
    observed = _observer(work, function)
    if observed.body.sort is not ir.BOOL or observed.parameters:
        where = member_span(work.this.cls, "initial")
        raise UserError(where, "initial(self) returns a condition")
    return observed.body
