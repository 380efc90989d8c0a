"""The IR on concrete values: the plain reading every backend must agree with.

Slow and simple on purpose. Replays, violated-conjunct reports and tests use
it; engines use their own lowering.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product

from poolproof.checker.core.ir import Expr, TableSort, binder_of
from poolproof.checker.core.limits import tick
from poolproof.checker.core.system import Action, Obligation, State, TransitionSystem

Value = int | dict[tuple[int, ...], int]
"""A raw value; a table is a dict from raw index to raw value."""


class Undefined(Exception):
    """A table was read outside its index domain, or a set made of an element
    that is outside the set's domain."""


class Valuation:
    """The leaves' values: state, primed state, parameters, rigid params."""

    def __init__(
        self,
        system: TransitionSystem,
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
        are evaluated once: an expression is no tree."""
        if not e.args:
            return _READ[e.op](self, e)
        if self._outer is not None and self._outer[1] not in e.free:
            return self._outer[0].value(e)
        if e not in self._known:
            tick(4)
            self._known[e] = _READ[e.op](self, e)
        return self._known[e]

    def raw(self, e: Expr) -> int:
        value = self.value(e)
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


Reader = Callable[[Valuation, Expr], Value]


def _select(v: Valuation, e: Expr) -> Value:
    table, *index = e.args
    at = tuple(v.raw(i) for i in index)
    if table.op == "var":
        name, primed = table.data
        state = v.after if primed else v.state
        where = v.system.cell_of.get((name, at))
        if where is None or state is None:
            raise Undefined(f"{e}: index {at}")
        return state[where]
    values = v.table(table)
    if at not in values:
        raise Undefined(f"{e}: index {at}")
    return values[at]


def _store(v: Valuation, e: Expr) -> Value:
    table, *index, value = e.args
    values = v.table(table)
    at = tuple(v.raw(i) for i in index)
    return {**values, at: v.raw(value)} if at in values else values


def _fill(v: Valuation, e: Expr) -> Value:
    assert isinstance(e.sort, TableSort)
    raw = v.raw(e.args[0])
    return dict.fromkeys(product(*e.sort.index), raw)


def _bodies(v: Valuation, e: Expr) -> list[int]:
    binder = binder_of(e)
    return [v.with_local(binder, raw).raw(e.args[0]) for raw in e.data[1]]


def _position(e: Expr, raw: int) -> int:
    """The bit that stands for ``raw`` in a set like the sort of ``e``."""
    return raw - e.sort.domain.lo  # type: ignore[attr-defined, no-any-return]


def _member(v: Valuation, e: Expr) -> Value:
    k = _position(e.args[1], v.raw(e.args[0]))
    return int(k >= 0 and v.raw(e.args[1]) >> k & 1)


def _single(v: Valuation, e: Expr) -> Value:
    raw = v.raw(e.args[0])
    if raw not in e.sort.domain:  # type: ignore[attr-defined]
        raise Undefined(f"{e}: {raw} is no element")
    return 1 << _position(e, raw)


_READ: dict[str, Reader] = {
    "const": lambda v, e: e.data,
    "param": lambda v, e: v.params[e.data],
    "local": lambda v, e: v.locals[e],
    "var": lambda v, e: v.variable(*e.data),
    "not": lambda v, e: int(not v.raw(e.args[0])),
    "and": lambda v, e: int(all(v.raw(a) for a in e.args)),
    "or": lambda v, e: int(any(v.raw(a) for a in e.args)),
    "eq": lambda v, e: int(v.value(e.args[0]) == v.value(e.args[1])),
    "lt": lambda v, e: int(v.raw(e.args[0]) < v.raw(e.args[1])),
    "le": lambda v, e: int(v.raw(e.args[0]) <= v.raw(e.args[1])),
    "add": lambda v, e: sum(v.raw(a) for a in e.args),
    "sub": lambda v, e: v.raw(e.args[0]) - v.raw(e.args[1]),
    "mul": lambda v, e: v.raw(e.args[0]) * v.raw(e.args[1]),
    "div": lambda v, e: v.raw(e.args[0]) // v.raw(e.args[1]),
    "mod": lambda v, e: v.raw(e.args[0]) % v.raw(e.args[1]),
    "min": lambda v, e: min(v.raw(a) for a in e.args),
    "max": lambda v, e: max(v.raw(a) for a in e.args),
    "ite": lambda v, e: v.value(e.args[1] if v.raw(e.args[0]) else e.args[2]),
    "in": _member,
    "union": lambda v, e: v.raw(e.args[0]) | v.raw(e.args[1]),
    "inter": lambda v, e: v.raw(e.args[0]) & v.raw(e.args[1]),
    "diff": lambda v, e: v.raw(e.args[0]) & ~v.raw(e.args[1]),
    "single": _single,
    "card": lambda v, e: v.raw(e.args[0]).bit_count(),
    "select": _select,
    "store": _store,
    "fill": _fill,
    "sum": lambda v, e: sum(_bodies(v, e)),
    "all": lambda v, e: int(all(_bodies(v, e))),
    "any": lambda v, e: int(any(_bodies(v, e))),
    "setof": lambda v, e: sum(b << k for k, b in enumerate(_bodies(v, e))),
}


def arguments(action: Action, raw: tuple[int, ...]) -> dict[Expr, int]:
    """The action's parameters bound to raw arguments."""
    return {p.local: r for p, r in zip(action.parameters, raw, strict=True)}


def broken(
    system: TransitionSystem, action: Action, state: State, raw: tuple[int, ...]
) -> Obligation | None:
    """The first of the action's obligations that fails here, if any."""
    at = Valuation(system, state, locals_=arguments(action, raw))
    for obligation in action.obligations:
        if not at.true(obligation.formula):
            return obligation
    return None


def successor(
    system: TransitionSystem, action: Action, state: State, raw: tuple[int, ...]
) -> tuple[State, int | None] | None:
    """(next state, raw result) of the action, or None where its guard is
    false. Obligations are the caller's to check first."""
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


def out_of_range(
    system: TransitionSystem, state: State, params: Mapping[str, int] | None = None
) -> str | None:
    """The name of a cell whose value leaves its declared range, if any."""
    at = Valuation(system, state, params=params)
    for cell, raw in zip(system.cells, state, strict=True):
        lo, hi = cell.variable.lo, cell.variable.hi
        if (lo is not None and raw < at.raw(lo)) or (
            hi is not None and raw > at.raw(hi)
        ):
            return cell.name
    return None


def initial_states(system: TransitionSystem) -> list[State]:
    """Every initial state, in lexicographic order of the cells. Variables
    without ``init`` range over their declared (finite) range."""
    at = Valuation(system, ())
    choices: list[list[int]] = []
    for cell in system.cells:
        v = cell.variable
        if v.init is None:
            assert v.lo is not None and v.hi is not None
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
