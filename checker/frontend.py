"""A design class to a transition system.

Soundness: the system's actions are what CPython executes, path by path.
tests/test_translation.py proves that over every shipped action: it runs the
methods on symbolic integers whose truth value follows both branches, and z3
compares each path with the compiled action.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping, Sequence
from enum import Enum
from itertools import count
from typing import Any

from checker import ir
from checker.compiled import Compiled, Observer, Vocabulary
from checker.diagnostic import Mistake
from checker.ir import Expr
from checker.method import Pending, Ref, Translation, domain_of, size_expr, sort_of
from checker.source import method_tree, shown_path, span_of
from checker.system import (
    Action,
    Obligation,
    Parameter,
    Span,
    TransitionSystem,
    Variable,
)
from model.language import (
    ANY,
    ActionMark,
    Arithmetic,
    Binding,
    Block,
    Bound,
    Design,
    Domain,
    Feature,
    ModelError,
    Slot,
    Values,
    action_methods,
    bind,
    members,
    observer_methods,
    parameters,
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
    size); none of them may decide a domain's size. Raises Mistake, with the
    user's line and column, for text outside the accepted subset.
    """
    where = class_span(cls)
    try:
        binding = bind(cls, bounds or {}, without, having, symbolic)
        return _compile(cls, binding, tuple(without), tuple(having))
    except ModelError as e:
        raise Mistake(where, str(e)) from None


def class_span(cls: type) -> Span:
    """Where the class is written."""
    try:
        _, line = inspect.getsourcelines(cls)
        return Span(shown_path(inspect.getfile(cls)), line or 1, 1)
    except (OSError, TypeError):
        return Span("<unknown>", 1, 1)


def _compile(
    cls: type[Design], binding: Binding, without: tuple[str, ...],
    having: tuple[str, ...],
) -> Compiled:  # fmt: skip
    named = _named_domains(cls)
    variables = {
        s.name: _variable(s, binding, named, cls)
        for s in slots(cls, binding)
        if not s.off
    }
    fresh = count(1)
    this = Ref(cls, cls, "")
    actions = tuple(
        _action(this, name, function, mark, binding, variables, fresh)
        for name, (function, mark) in action_methods(cls).items()
        if all(binding.on(f) for f in mark.when)
    )
    bounds = {
        n: ir.param(n) if n in binding.symbolic else ir.num(v)
        for n, v in binding.bounds.items()
    }
    known, _ = _declared(cls)
    system = TransitionSystem(
        name=cls.__name__,
        variables=tuple(variables.values()),
        actions=actions,
        initial=_initial(this, binding, variables, fresh),
        least={n: known[n].least for n in binding.symbolic},
        bounds=dict(binding.bounds),
    )
    vocabulary = Vocabulary(
        domains={
            n: domain_of(v, n)
            for n, v in ((n, _try_values(binding, d)) for n, d in named.items())
            if v is not None and isinstance(v.lo, int) and isinstance(v.hi, int)
        },
        bounds=bounds,
        enums=_enums(cls, binding),
        observers={
            n: _observer(this, f, binding, variables, fresh)
            for n, f in observer_methods(cls).items()
        },
    )
    return Compiled(
        cls, dict(binding.bounds), without, having, system, vocabulary
    )


def _declared(cls: type[Design]) -> tuple[dict[str, Bound], dict[str, Feature]]:
    from model.language import declared

    return declared(cls)


def _try_values(binding: Binding, domain: Any) -> Values | None:
    """None where the domain would need a symbolic size."""
    try:
        return binding.values(domain)
    except ModelError:
        return None


# --- variables ------------------------------------------------------------


def _variable(
    slot: Slot, binding: Binding, named: Mapping[str, Any], cls: type
) -> Variable:
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
        return ir.const(element, value) if element is not ir.INT else ir.num(value)

    lo, hi = end(values.lo), end(values.hi)
    if lo is not None and hi is not None and lo.is_const and hi.is_const \
            and lo.data > hi.data:  # fmt: skip
        raise ModelError(f"{slot.name}: {values} is empty")
    start = slot.field.default(values)
    init: Expr | None
    if start is ANY:
        if lo is None or hi is None:
            raise ModelError(f"{slot.name}: init=ANY needs a finite range")
        init = None
    else:
        start = binding.size(start)
        raw = (
            size_expr(start)
            if isinstance(start, Bound | Arithmetic)
            else ir.const(element, values.raw(start))
        )
        init = ir.fill(sort, raw) if isinstance(sort, ir.TableSort) else raw
    return Variable(slot.name, sort, lo, hi, init, class_span(cls))


def _named_domains(cls: type[Design]) -> dict[str, Any]:
    """Domains by the name their module, class or block gives them."""
    found: dict[str, Any] = {}

    def note(scope: Mapping[str, Any]) -> None:
        for name, value in scope.items():
            if isinstance(value, Domain) and not name.startswith("_"):
                found.setdefault(name, value)

    def visit(owner: Any) -> None:
        kind = owner if isinstance(owner, type) else type(owner)
        for base in kind.__mro__:
            if base.__module__ not in ("builtins", "model.language"):
                note(vars(base))
                note(vars(sys.modules[base.__module__]))
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
    for base in cls.__mro__:
        if base.__module__ in ("builtins", "model.language"):
            continue
        for value in vars(sys.modules[base.__module__]).values():
            if isinstance(value, type) and issubclass(value, Enum) and len(value):
                sort = sort_of(binding.values(value))
                assert isinstance(sort, ir.EnumSort)
                found.setdefault(value.__name__, sort)
    return found


# --- methods --------------------------------------------------------------


def _parameters(
    this: Ref, function: Any, binding: Binding
) -> dict[str, Parameter]:
    file, tree = method_tree(function)
    found: dict[str, Parameter] = {}
    for name, annotation in parameters(this.cls, function).items():
        try:
            domain = domain_of(binding.values(annotation))
        except (ModelError, Mistake) as e:
            raise Mistake(span_of(file, tree), f"parameter {name!r}: {e}") from None
        local = ir.local(f"{name}#{function.__name__}", domain)
        found[name] = Parameter(name, local)
    return found


def _action(
    this: Ref, name: str, function: Any, mark: ActionMark, binding: Binding,
    variables: Mapping[str, Variable], fresh: Any,
) -> Action:  # fmt: skip
    file, tree = method_tree(function)
    span = span_of(file, tree)
    arguments = _parameters(this, function, binding)
    work = Translation(binding, variables, fresh)
    final, value = work.run(this, function, {n: p.local for n, p in arguments.items()})
    result = _result(this, function, value, binding, span)
    guard = ir.and_(*work.guards)
    facts = _facts(guard)
    changed = {n: e for n, e in final.items() if e is not variables[n].now}
    names = list(changed)
    memo: dict[Expr, Expr] = {}
    updates = dict(
        zip(names, ir.substitute_all(changed.values(), facts, memo), strict=True)
    )
    if result is not None:
        result = ir.substitute_all((result,), facts, memo)[0]
    return Action(
        name=name,
        parameters=tuple(arguments.values()),
        guard=guard,
        updates={n: e for n, e in updates.items() if e is not variables[n].now},
        result=result,
        obligations=_obligations(work),
        kernel=mark.kernel,
        doc=inspect.getdoc(function) or "",
        span=span,
    )


def _facts(guard: Expr) -> dict[Expr, Expr]:
    """What a guard says outright: its conjuncts are true, their negations
    false. Constants only are put in their place, so it stays acyclic."""
    facts: dict[Expr, Expr] = {}
    for part in guard.args if guard.op == "and" else (guard,):
        if not part.is_const:
            facts[part] = ir.TRUE
            facts[ir.not_(part)] = ir.FALSE
    return facts


def _obligations(work: Translation) -> tuple[Obligation, ...]:
    """Each obligation counts where every `require` before it was true; it is
    early where another `require` follows."""
    found: dict[Expr, Obligation] = {}
    for count_, due in work.obligations:
        before = ir.and_(*work.guards[:count_])
        formula = ir.implies(before, due.formula)
        early = count_ < len(work.guards)
        if formula is not ir.TRUE and formula not in found:
            found[formula] = Obligation(due.kind, formula, due.message, due.span, early)
    return tuple(found.values())


def _result(
    this: Ref, function: Any, value: Any, binding: Binding, span: Span
) -> Expr | None:
    wanted = returns(this.cls, function)
    if wanted is None:
        if value is None or isinstance(value, Pending):
            return None
        if isinstance(value, Expr):
            return value
        raise Mistake(span, f"{function.__name__} returns no value of a sort")
    sort = sort_of(binding.values(wanted))
    if not isinstance(value, Expr) or value.sort is not sort:
        raise Mistake(
            span, f"{function.__name__} must return {sort} on every path"
        )
    return value


def _observer(
    this: Ref, function: Any, binding: Binding, variables: Mapping[str, Variable],
    fresh: Any,
) -> Observer:  # fmt: skip
    file, tree = method_tree(function)
    arguments = _parameters(this, function, binding)
    work = Translation(binding, variables, fresh, may_require=False)
    final, value = work.run(this, function, {n: p.local for n, p in arguments.items()})
    if any(e is not variables[n].now for n, e in final.items()):
        raise Mistake(span_of(file, tree), f"{function.__name__} changes the state: "
                      "an observer only looks")  # fmt: skip
    if not isinstance(value, Expr):
        raise Mistake(span_of(file, tree), f"{function.__name__} returns no value")
    return Observer(
        function.__name__, tuple(arguments.values()), value, _obligations(work)
    )


def _initial(
    this: Ref, binding: Binding, variables: Mapping[str, Variable], fresh: Any
) -> Expr:
    function = members(this.cls).get("initial")
    if function is None:
        return ir.TRUE
    observed = _observer(this, function, binding, variables, fresh)
    if observed.body.sort is not ir.BOOL:
        raise Mistake(class_span(this.cls), "initial() returns a condition")
    return observed.body
