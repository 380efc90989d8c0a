# SPDX-License-Identifier: GPL-2.0-only
"""The IR on concrete values: the reference that every backend must agree with.

An algebra whose values are functions of a `Valuation`: and/or/if ask for the
arguments that they need. Slow and simple on purpose. Replays, reports of
violated conjuncts and tests use it; engines use their own lowering.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import product
from typing import Any

from poolproof.checker.core.fold import Algebra, fold
from poolproof.checker.core.ir import (
    Expr,
    TableSort,
    binder_of,
    domain_of,
)
from poolproof.checker.core.limits import tick
from poolproof.checker.core.system import (
    Action,
    Obligation,
    Signature,
    State,
    System,
    TransitionSystem,
)
from poolproof.checker.core.verdict import Step

Value = int | dict[tuple[int, ...], int]
"""A raw value; a table is a dict from raw index to raw value."""


class Undefined(Exception):
    """A table was read outside its index domain, or a set made of an element
    that is outside the set's domain."""


class Valuation:
    """The leaves' values: state, primed state, parameters, rigid params."""

    def __init__(
        self,
        system: System,
        state: State,
        after: State | None = None,
        locals_: Mapping[Expr, int] | None = None,
        params: Mapping[str, int] | None = None,
    ) -> None:
        self.system = system
        self.state = state
        self.after = after
        self.locals = dict(locals_ or {})
        self.params = dict(params or {})
        self._known: dict[Expr, Value] = {}
        self._outer: tuple[Valuation, Expr] | None = None
        """The valuation around a binder's body, and the binder."""

    def variable(self, name: str, primed: bool) -> Value:
        state = self.after if primed else self.state
        if state is None:
            raise ValueError(f"{name}' has no value: there is no step here")
        v = self.system.by_name[name]
        at = self.system.cell_of
        if not v.index:
            return state[at[name, ()]]
        found = {i: state[at[name, i]] for i in product(*v.index)}
        tick(len(found))
        return found

    def value(self, e: Expr) -> Value:
        """The value of e. Raises Undefined for an index out of its domain.
        and/or/if are evaluated from the left and stop early. Shared nodes
        are evaluated once."""
        read = _READ.get(e) or fold((e,), VALUES, known=_READ)[0]
        found: Value = read(self)
        return found

    def scope(self, e: Expr) -> Valuation:
        """The outermost valuation in which e has the same value: binders
        that e does not mention are left."""
        at = self
        while at._outer is not None and at._outer[1] not in e.free:
            at = at._outer[0]
        return at

    def raw(self, e: Expr) -> int:
        value = e.data if e.is_const else self.value(e)
        assert isinstance(value, int)
        return value

    def table(self, e: Expr) -> dict[tuple[int, ...], int]:
        value = self.value(e)
        assert isinstance(value, dict)
        return value

    def true(self, e: Expr) -> bool:
        return self.raw(e) != 0

    def with_local(self, name: Expr, raw: int) -> Valuation:
        inner = Valuation(self.system, self.state, self.after, self.locals, self.params)
        inner.locals[name] = raw
        inner._outer = self, name
        return inner


Reader = Callable[[Valuation], Any]
"""A node under this algebra: a function from a valuation to its `Value`."""

_READ: dict[Expr, Reader] = {}


def _shared(make: Callable[..., Reader]) -> Callable[..., Reader]:
    """Cache the value: expressions share nodes."""

    def shared(_: None, e: Expr, *args: Reader) -> Reader:
        read = make(e, *args)

        def value(v: Valuation) -> Value:
            at = v.scope(e)
            known = at._known
            if e not in known:
                tick(4)
                known[e] = read(at)
            return known[e]

        return value

    return shared


def _leaf(read: Callable[[Valuation, Expr], Value]) -> Callable[..., Reader]:
    return lambda _, e: lambda v: read(v, e)


def _strict(of: Callable[..., int]) -> Callable[..., Reader]:
    """An operation on the values of all arguments."""
    return _shared(lambda e, *args: lambda v: of(*(a(v) for a in args)))


def _ite(e: Expr, c: Reader, a: Reader, b: Reader) -> Reader:
    return lambda v: a(v) if c(v) else b(v)


def _select(e: Expr, table: Reader, *index: Reader) -> Reader:
    cells = e.args[0]

    def read(v: Valuation) -> Value:
        at = tuple(i(v) for i in index)
        if cells.op == "var":
            name, primed = cells.data
            state = v.after if primed else v.state
            where = v.system.cell_of.get((name, at))
            if where is None or state is None:
                raise Undefined(f"{e}: index {at}")
            return state[where]
        values: dict[tuple[int, ...], int] = table(v)
        if at not in values:
            raise Undefined(f"{e}: index {at}")
        return values[at]

    return read


def _store(e: Expr, table: Reader, *rest: Reader) -> Reader:
    *index, value = rest

    def read(v: Valuation) -> Value:
        values: dict[tuple[int, ...], int] = table(v)
        at = tuple(i(v) for i in index)
        return {**values, at: value(v)} if at in values else values

    return read


def _fill(e: Expr, value: Reader) -> Reader:
    assert isinstance(e.sort, TableSort)
    index = e.sort.index

    def read(v: Valuation) -> Value:
        raw: int = value(v)
        return dict.fromkeys(product(*index), raw)

    return read


def _open(e: Expr, body: Reader) -> Reader:
    raise ValueError(f"{e}: close the sizes first")


def _binder(of: Callable[[list[int]], int]) -> Callable[..., Reader]:
    """An operation on the body's values over the binder's domain."""

    def make(e: Expr, body: Reader) -> Reader:
        binder, domain = binder_of(e), e.data[1]
        return lambda v: of([body(v.with_local(binder, raw)) for raw in domain])

    return _shared(make)


def _member(e: Expr, element: Reader, members: Reader) -> Reader:
    lo = domain_of(e.args[1]).lo

    def read(v: Valuation) -> Value:
        k = element(v) - lo
        return int(k >= 0 and members(v) >> k & 1)

    return read


def _single(e: Expr, element: Reader) -> Reader:
    domain = domain_of(e)

    def read(v: Valuation) -> Value:
        raw: int = element(v)
        if raw not in domain:
            raise Undefined(f"{e}: {raw} is not an element")
        return 1 << raw - domain.lo

    return read


VALUES: Algebra[Reader] = {
    "const": _leaf(lambda v, e: e.data),
    "param": _leaf(lambda v, e: v.params[e.data]),
    "local": _leaf(lambda v, e: v.locals[e]),
    "var": _leaf(lambda v, e: v.variable(*e.data)),
    "not": _strict(lambda a: int(not a)),
    "and": _shared(lambda e, *args: lambda v: int(all(a(v) for a in args))),
    "or": _shared(lambda e, *args: lambda v: int(any(a(v) for a in args))),
    "eq": _strict(lambda a, b: int(a == b)),
    "lt": _strict(lambda a, b: int(a < b)),
    "le": _strict(lambda a, b: int(a <= b)),
    "add": _strict(lambda *terms: sum(terms)),
    "sub": _strict(lambda a, b: a - b),
    "mul": _strict(lambda a, b: a * b),
    "div": _strict(lambda a, b: a // b),
    "mod": _strict(lambda a, b: a % b),
    "min": _strict(min),
    "max": _strict(max),
    "ite": _shared(_ite),
    "in": _shared(_member),
    "union": _strict(lambda a, b: a | b),
    "inter": _strict(lambda a, b: a & b),
    "diff": _strict(lambda a, b: a & ~b),
    "single": _shared(_single),
    "card": _strict(lambda a: a.bit_count()),
    "select": _shared(_select),
    "store": _shared(_store),
    "fill": _shared(_fill),
    "map": _shared(_open),
    "sum": _binder(sum),
    "all": _binder(lambda bodies: int(all(bodies))),
    "any": _binder(lambda bodies: int(any(bodies))),
    "setof": _binder(lambda bodies: sum(b << k for k, b in enumerate(bodies))),
    "first": _shared(_open),
}


def arguments(action: Action | Signature, raw: tuple[int, ...]) -> dict[Expr, int]:
    """The action's parameters bound to raw arguments."""
    return {p.local: r for p, r in zip(action.parameters, raw, strict=True)}


def broken(
    system: TransitionSystem, action: Action, state: State, raw: tuple[int, ...]
) -> Obligation | None:
    """Return the first obligation of the action that fails here, if any."""
    at = Valuation(system, state, locals_=arguments(action, raw))
    for obligation in action.obligations:
        if not at.true(obligation.formula):
            return obligation
    return None


def successor(
    system: TransitionSystem, action: Action, state: State, raw: tuple[int, ...]
) -> tuple[State, int | None] | None:
    """Return (next state, raw result) of the action, or None if its guard is
    false. The caller checks obligations first."""
    at = Valuation(system, state, locals_=arguments(action, raw))
    if not at.true(action.guard):
        return None
    cells = list(state)
    for name, update in action.updates.items():
        value = at.value(update)
        if isinstance(value, int):
            cells[system.cell_of[name, ()]] = value
        else:
            for index, r in value.items():
                cells[system.cell_of[name, index]] = r
    result = None if action.result is None else at.raw(action.result)
    return tuple(cells), result


def states_of(
    system: TransitionSystem, initial: State, steps: Iterable[Step]
) -> list[State]:
    """Return the states of a run. Raise AssertionError if a step is not enabled."""
    states = [initial]
    for step in steps:
        action = system.action_by_name[step.action]
        taken = successor(system, action, states[-1], step.arguments)
        assert taken is not None, f"{step} is not enabled"
        states.append(taken[0])
    return states


def out_of_range(system: TransitionSystem, state: State) -> str | None:
    """Return the name of a cell that is outside its declared range, if any."""
    at = Valuation(system, state)
    for cell, raw in zip(system.cells, state, strict=True):
        lo, hi = cell.variable.lo, cell.variable.hi
        if (lo is not None and raw < at.raw(lo)) or (
            hi is not None and raw > at.raw(hi)
        ):
            return cell.name
    return None


def initial_states(system: TransitionSystem) -> list[State]:
    """Return every initial state, in lexicographic order of the cells. Variables
    without ``init`` range over their declared (finite) range."""
    at = Valuation(system, ())
    choices: list[list[int]] = []
    for cell in system.cells:
        v = cell.variable
        if v.init is None:
            assert v.lo is not None
            assert v.hi is not None
            choices.append(list(range(at.raw(v.lo), at.raw(v.hi) + 1)))
            continue
        value = at.value(v.init)
        choices.append([value if isinstance(value, int) else value[cell.index]])
    return [
        state
        for state in product(*choices)
        if _counted(Valuation(system, state)).true(system.initial)
    ]


def _counted(at: Valuation) -> Valuation:
    tick(4)
    return at
