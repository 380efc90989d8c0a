# SPDX-License-Identifier: GPL-2.0-only
"""A design class to a transition system.

Soundness: the system's actions are what CPython executes, path by path.
tests/agreement/test_translation.py proves that over every shipped action: it runs the
methods on symbolic integers whose truth value follows both branches, and z3
compares each path with the compiled action.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from functools import lru_cache
from itertools import count
from types import FunctionType
from typing import Any

from poolproof.checker.core import ir
from poolproof.checker.core.compiled import Compiled, Observer, Vocabulary
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.ir import Expr
from poolproof.checker.core.processes import Processes
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.ranges import Ranges
from poolproof.checker.core.source import (
    class_span,
    member_span,
    method_tree,
    parts,
    reads_matter,
    span_of,
)
from poolproof.checker.core.system import (
    Action,
    BranchSide,
    TransitionSystem,
    Variable,
)
from poolproof.checker.elaborate.domains import (
    domain_of,
    size_expr,
    sort_of,
    start_of,
)
from poolproof.checker.frontend.actions import (
    ActionText,
    Hidden,
    Work,
    action_of,
    executed,
    name_of,
    obligations_of,
    parameters_of,
    result_of,
)
from poolproof.checker.frontend.again import Methods, Results
from poolproof.checker.frontend.closed_forms import NotClosed
from poolproof.checker.frontend.cursor import Ref, forwarded_to
from poolproof.checker.frontend.lanes import TaskActions
from poolproof.checker.frontend.overrides import check_overrides
from poolproof.model.language import (
    ANY,
    Arithmetic,
    Binding,
    Bound,
    Design,
    Domain,
    ModelError,
    Slot,
    action_methods,
    bind,
    blocks,
    closure,
    declared,
    invariant_methods,
    members,
    observer_methods,
    own_classes,
    slots,
)


def compile_design(
    cls: type[Design],
    bounds: Mapping[str, int] | None = None,
    without: Sequence[str] = (),
    having: Sequence[str] = (),
    symbolic: frozenset[str] = frozenset(),
    open_domains: bool = False,
) -> Compiled:
    """The transition system of a design at the given bounds.

    ``symbolic`` names bounds that stay rigid parameters (for proofs of any
    size); only with ``open_domains`` may they decide a domain's size. Raises
    UserError, with the user's line and column, for text outside the accepted
    subset, and NotClosed for a loop over an open domain without a closed form.
    """
    design: type = cls
    try:
        binding = bind(cls, bounds or {}, without, having, symbolic, open_domains)
        if reads_matter():
            found = _compile(cls, binding, Results())
        else:
            found = _compiled(
                design,
                tuple(binding.bounds.items()),
                tuple(binding.features.items()),
                symbolic,
                open_domains,
                os.getcwd(),
            )
    except ModelError as e:
        where = member_span(*e.where) if e.where else class_span(cls)
        raise UserError(where, str(e)) from None
    return replace(found, without=tuple(without), having=tuple(having))


_KEPT = 8
"""How many compiled designs are kept: several specs, or traces, often use the same
design at the same sizes one after the other."""


@lru_cache(maxsize=_KEPT)
def _compiled(
    cls: type[Design],
    bounds: tuple[tuple[str, int], ...],
    features: tuple[tuple[str, bool], ...],
    symbolic: frozenset[str],
    open_domains: bool,
    folder: str,
) -> Compiled:
    """Return the compiled design. Places in it are relative to the folder."""
    design: type = cls
    binding = Binding(dict(bounds), dict(features), symbolic, open_domains)
    return _compile(cls, binding, _results(design, symbolic, open_domains, folder))


@lru_cache(maxsize=_KEPT)
def _results(
    _cls: type[Design], _symbolic: frozenset[str], _open_domains: bool, _folder: str
) -> Results:
    """Return what methods of the design became so far."""
    return Results()


def _compile(cls: type[Design], binding: Binding, results: Results) -> Compiled:
    """Return the compiled design, without the features that were given."""
    design: type = cls
    _names_are_free(cls)
    check_overrides(design)
    work = _work(cls, binding)
    variables = work.variables
    known, features = declared(cls)
    actions: list[Action] = []
    methods = Methods(work, results)
    assertions = [*_counted(work), *_invariants(methods)]
    lanes = TaskActions(methods)
    for name, (function, mark) in action_methods(cls).items():
        if all(binding.on(f) for f in mark.when):
            lanes.note(name, function, mark)
    branches: dict[str, tuple[BranchSide, ...]] = {}
    for action, own, sides in lanes.actions():
        actions.append(action)
        assertions += own
        branches[action.name] = sides
    processes = lanes.processes
    hidden: tuple[Variable, ...] = ()
    if processes is not None:
        hidden = (processes.at, *processes.kept)
        assertions.append(lanes.deadlock(actions))
    system = TransitionSystem(
        name=cls.__name__,
        variables=(*variables.values(), *hidden),
        actions=tuple(actions),
        initial=_initial(methods),
        least={n: b.least for n, b in known.items() if n in binding.symbolic},
        bounds=dict(binding.bounds),
        lacking=tuple(
            f.assuming for f in features.values() if f.assuming and not binding.on(f)
        ),
    )
    vocabulary, refused = _vocabulary(cls, methods, processes)
    return Compiled(
        cls,
        dict(binding.bounds),
        (),
        (),
        system,
        vocabulary,
        tuple(assertions),
        processes,
        binding.open,
        refused,
        branches
        if processes is None
        else {name: tuple(_readable(system, b)) for name, b in branches.items()},
    )


def _vocabulary(
    cls: type[Design], methods: Methods, processes: Processes | None
) -> tuple[Vocabulary, Mapping[str, UserError]]:
    """Return the names that specs may use, and the observers that do not compile,
    with the reason."""
    work = methods.work
    binding = work.binding
    domains = {n: _domain(binding, d, n) for n, d in work.named.items()}
    observers, refused = _observers(methods)
    vocabulary = Vocabulary(
        domains={n: d for n, d in domains.items() if d is not None},
        bounds={
            n: ir.param(n) if n in binding.symbolic else ir.num(v)
            for n, v in binding.bounds.items()
        },
        enums=_enums(cls, binding) | _places(processes),
        observers=observers,
    )
    return vocabulary, refused


def _work(cls: type[Design], binding: Binding) -> Work:
    """Return what executing the methods of a design needs."""
    named = _named_domains(cls)
    every = {s.name: s for s in slots(cls, binding)}
    variables = {n: _variable(s, named) for n, s in every.items() if not s.off}
    ranges = Ranges.of_variables(variables.values())
    fresh = map(str, count(1))
    return Work(Ref(cls, cls, ""), binding, every, variables, named, ranges, fresh)


class ActionsAlone:
    """The actions of a compiled design in which nothing yields, each compiled by
    itself: what an action becomes does not depend on the others.

    Raises UserError where an action is outside the accepted subset."""

    def __init__(self, compiled: Compiled) -> None:
        assert compiled.processes is None
        was = self.design = compiled.source
        self.work = _work(
            was, bind(was, compiled.bounds, compiled.without, compiled.having)
        )

    def compile(self, name: str) -> Action:
        """Return the action, from its text as it is read now."""
        function, mark = action_methods(self.design)[name]
        work = self.work.naming(name)
        text = ActionText.of(work, name, function, mark)
        return action_of(work, text, executed(work, text), Hidden())[0]


def _domain(binding: Binding, domain: Any, name: str) -> ir.Domain | None:
    """Return the domain of that name; None if it would need a symbolic size, is not
    finite, or may be empty where its end is open."""
    try:
        values = binding.values(domain)
    except ModelError:
        return None
    try:
        return domain_of(values, name)
    except UserError:
        if values.finite:
            raise
        return None


def _observers(
    methods: Methods,
) -> tuple[dict[str, Observer], dict[str, NotClosed]]:
    """Return the observers, and at open sizes those without a closed form."""
    found: dict[str, Observer] = {}
    refused: dict[str, NotClosed] = {}
    for name, function in observer_methods(methods.work.this.cls).items():
        try:
            found[name] = _observer(methods, function)
        except NotClosed as mistake:
            refused[name] = mistake
    return found, refused


def _readable(
    system: TransitionSystem, some: Iterable[BranchSide]
) -> Iterator[BranchSide]:
    """Yield the branches that depend on variables only. A local of a waiting task is a
    variable if something other than the branch reads it."""
    for b in some:
        if ir.variables_in(b.taken) <= system.by_name.keys():
            yield b


# --- variables ------------------------------------------------------------


def _variable(slot: Slot, named: Mapping[str, Any]) -> Variable:
    values = slot.values
    element = sort_of(values)
    if isinstance(element, ir.SetSort) and isinstance(element.domain, ir.OpenDomain):
        where = member_span(*slot.where)
        raise NotClosed(where, element.domain, f"{slot.name} is a set over it")
    sort: ir.Sort = element
    index: tuple[ir.Domain, ...] = ()
    if slot.index:
        index = tuple(
            domain_of(v, name_of(d, named))
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
        slot.name,
        sort,
        end(values.lo),
        end(values.hi),
        init,
        member_span(*slot.where),
        index,
    )


def _named_domains(cls: type[Design]) -> dict[str, Any]:
    """Domains by the name their module, class or block gives them."""
    found: dict[str, Any] = {}

    def note(scope: Mapping[str, Any]) -> None:
        for name, value in scope.items():
            if isinstance(value, Domain) and not name.startswith("_"):
                found.setdefault(name, value)

    for part in parts(cls):
        for base in own_classes(part):
            note(vars(base))
            note(_around(base))
    return found


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


def _places(processes: Processes | None) -> dict[str, ir.EnumSort]:
    """The places of the tasks, by name."""
    if processes is None:
        return {}
    sort = processes.at.element
    assert isinstance(sort, ir.EnumSort)
    return {sort.name: sort}


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


def _counted(work: Work) -> Iterator[Property]:
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
        within = (
            f"0..{slot.values.hi - 1}"
            if isinstance(slot.values.hi, int)
            else ("0.." if v.hi is None else f"0..{slot.field.domain.hi}")
        )
        yield Property(
            f"counter.{slot.name}",
            Kind.INVARIANT,
            ir.nested("all", index, formula),
            title=f"the count stays within {within}",
            source=slot.field.doc,
            span=v.span,
            assertion="counter",
        )


def _invariants(methods: Methods) -> Iterator[Property]:
    """An invariant for each method under `@invariant`, of the design and of
    its blocks, where its features are on."""
    work = methods.work
    owners = [Ref(work.this.cls, work.this.cls, "")]
    owners += [Ref(b, type(b), f"{path}.") for path, b in blocks(work.this.cls)]
    for this in owners:
        for name, (function, mark) in invariant_methods(this.owner).items():
            if not all(work.binding.on(f) for f in mark.when):
                continue
            observed = _condition(_observed(methods, this, name, function), this.cls)
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


def _observer(methods: Methods, function: FunctionType) -> Observer:
    this, text = forwarded_to(methods.work.this, function)
    return _observed(methods, this, function.__name__, text)


def _observed(methods: Methods, this: Ref, name: str, text: FunctionType) -> Observer:
    """A pure method of ``this``; ``name`` is its name in the design."""
    return methods.made(
        this.prefix + name,
        (this.prefix, name, text),
        lambda work: _as_observer(work, this, name, text),
    )


def _as_observer(work: Work, this: Ref, name: str, text: FunctionType) -> Observer:
    file, tree = method_tree(text)
    span = span_of(file, tree)
    arguments = parameters_of(this, work, name, text)
    method = work.execute(this, text, arguments, may_require=False)
    changed = [n for n, e in method.final.items() if e is not work.variables[n].now]
    if changed:
        raise UserError(span, f"{name} changes {changed[0]}: an observer only looks")
    body = result_of(this, work, text, method, span)
    if body is None:
        raise UserError(span, f"{name} returns nothing: an observer returns a value")
    return Observer(
        name, tuple(arguments.values()), body, obligations_of(method.effects)
    )


def _initial(methods: Methods) -> Expr:
    cls = methods.work.this.cls
    function = members(cls).get("initial")
    if function is None:
        return ir.TRUE
    return _condition(_observer(methods, function), cls).body


def _condition(observed: Observer, cls: type) -> Observer:
    """Return what a method of the class became, which must be a condition."""
    if observed.body.sort is not ir.BOOL or observed.parameters:
        where, name = member_span(cls, observed.name), observed.name
        raise UserError(where, f"{name}(self) returns a condition")
    return observed
