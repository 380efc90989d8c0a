# SPDX-License-Identifier: GPL-2.0-only
"""The IR on many states at once.

The value of an expression is a partition of the states: for each raw value, the
states in which the expression has it, as an int with a bit for each state (1: it
is among them). So an operator costs a few operations on long ints, however many
the states are. Of a bool it is the states in which it is true. A table reads 0
outside its domain, as in all compiled code.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from operator import and_, or_

from poolproof.checker.backends.c.layout import PackedCell
from poolproof.checker.core.fold import Algebra, beyond, fold, unbound
from poolproof.checker.core.ir import (
    BINDERS,
    BOOL,
    Expr,
    TableSort,
    domain_of,
    expand_all,
)
from poolproof.checker.core.limits import tick
from poolproof.checker.core.remembered import Remembered
from poolproof.checker.core.system import Action, State, TransitionSystem, conjuncts

Partition = dict[int, int]
Value = int | Partition

_WORK = 4
"""Work of an operator, in the units of checker.core.limits."""


class Tuples:
    """States as tuples."""

    def __init__(self, states: Iterable[State]) -> None:
        self.columns: Sequence[Sequence[int]] = list(zip(*states, strict=True))
        self.count = len(self.columns[0]) if self.columns else 0

    def partition(self, cell: int) -> Partition:
        """Return the states by the raw value of a cell."""
        column = self.columns[cell] if self.columns else ()
        tick(len(column) // 16)
        raws = set(column)
        if all(0 <= raw < 256 for raw in raws):
            return _by_value(bytes(column))
        return {
            raw: int("".join("1" if x == raw else "0" for x in column), 2)
            for raw in raws
        }


class Packed:
    """States as the native engine stores them: ``words`` of 64 bits for each, in
    which the cells have their ``slots``."""

    def __init__(self, data: bytes, words: int, slots: Sequence[PackedCell]) -> None:
        stored = array("Q", data)
        self.count = len(stored) // words
        self.columns = [stored[k::words] for k in range(words)]
        self.slots = slots
        self.ints: dict[int, int] = {}

    def partition(self, cell: int) -> Partition:
        """Return the states by the raw value of a cell."""
        slot = self.slots[cell]
        tick(self.count // 16)
        if slot.width > 8:
            column = self.columns[slot.word]
            raws = [(x >> slot.shift & slot.mask) + slot.lo for x in column]
            return Tuples((raw,) for raw in raws).partition(0)
        if slot.word not in self.ints:
            words = self.columns[slot.word]
            if sys.byteorder == "big":
                words.byteswap()
            self.ints[slot.word] = int.from_bytes(words.tobytes(), "little")
        mask = int.from_bytes(
            slot.mask.to_bytes(8, sys.byteorder) * self.count, sys.byteorder
        )
        kept = self.ints[slot.word] >> slot.shift & mask
        column_ = kept.to_bytes(8 * self.count, "little")[::8]
        return {raw + slot.lo: states for raw, states in _by_value(column_).items()}


CellSource = Tuples | Packed
"""States whose cells can be read one by one."""


def _by_value(column: bytes) -> Partition:
    return {raw: int(column.translate(_only(raw)), 2) for raw in sorted(set(column))}


class Columns:
    """Some states of a system, cell by cell."""

    def __init__(self, system: TransitionSystem, states: CellSource) -> None:
        self.system, self.states = system, states
        self.whole = (1 << states.count) - 1
        self.cell = Remembered(states.partition).__getitem__
        """The partition of a cell, by its number."""
        self.known = _KnownValues()
        self.arguments: dict[Expr, int] = {}

    @contextmanager
    def given(self, local: Expr, raw: int) -> Iterator[None]:
        """Within, a local has this value, as have those that were given before."""
        self.arguments[local] = raw
        self.known.bind(local)
        yield
        self.known.leave()
        del self.arguments[local]

    def within(self, states: int, formulas: Iterable[Expr]) -> int:
        """Return those of the states in which all formulas are true. Aggregates must
        be written out."""
        for e in formulas:
            if not states:
                break
            (value,) = fold((e,), COLUMNS, self, self.known, work=_WORK)
            assert isinstance(value, int)
            states &= value
        return states


def first_steps(
    action: Action, conditions: Sequence[Expr], columns: Columns
) -> list[bool]:
    """Return which of the conditions are true of some step that the action can take
    from one of the states."""
    guard, *expanded = expand_all((action.guard, *conditions))
    waiting = {k: _disjuncts(e) for k, e in enumerate(expanded)}
    parameters = [p.local for p in action.parameters]

    def look(possible: int, tests: Sequence[Expr], bound: int) -> None:
        """Look at the steps with the first ``bound`` arguments given."""
        open_ = set(parameters[bound:])
        possible = columns.within(
            possible, [c for c in tests if c.free.isdisjoint(open_)]
        )
        if not possible or not waiting:
            return
        if bound == len(parameters):
            for k, ways in list(waiting.items()):
                if any(columns.within(possible, way) for way in ways):
                    del waiting[k]
            return
        left = [c for c in tests if not c.free.isdisjoint(open_)]
        for raw in action.parameters[bound].domain:
            with columns.given(parameters[bound], raw):
                look(possible, left, bound + 1)

    look(columns.whole, conjuncts(guard), 0)
    return [k not in waiting for k in range(len(expanded))]


def _disjuncts(e: Expr) -> list[tuple[Expr, ...]]:
    """The conjunctions of which the formula is the disjunction."""
    return [conjuncts(x) for x in (e.args if e.op == "or" else (e,))]


def _only(raw: int) -> bytes:
    return b"0" * raw + b"1" + b"0" * (255 - raw)


class _KnownValues(dict[Expr, Value]):
    """Values that were computed. That of an expression with locals is kept as long as
    the last of its locals has its value."""

    def __init__(self) -> None:
        self.levels: list[list[Expr]] = [[]]
        self.locals: list[Expr] = []

    def bind(self, local: Expr) -> None:
        self.locals.append(local)
        self.levels.append([])

    def leave(self) -> None:
        self.locals.pop()
        for e in self.levels.pop():
            del self[e]

    def __setitem__(self, e: Expr, value: Value) -> None:
        super().__setitem__(e, value)
        if e.free:
            depth = len(self.locals)
            while self.locals[depth - 1] not in e.free:
                depth -= 1
            self.levels[depth].append(e)


# --- operators ----------------------------------------------------------------


def _parts(c: Columns, x: Value) -> Partition:
    if isinstance(x, dict):
        return x
    return {raw: states for raw, states in ((0, c.whole ^ x), (1, x)) if states}


def _of_sort(e: Expr, found: Partition) -> Value:
    return found.get(1, 0) if e.sort is BOOL else found


def _constant(c: Columns, e: Expr) -> Value:
    if e.sort is BOOL:
        return c.whole if e.data else 0
    return {e.data: c.whole} if c.whole else {}


def _variable(c: Columns, e: Expr) -> Value:
    name, primed = e.data
    if primed:
        raise ValueError(f"{e} has no value in a state")
    if isinstance(e.sort, TableSort):
        return 0  # its cells are read by `select`
    return _of_sort(e, c.cell(c.system.cell_of[name, ()]))


def _local(c: Columns, e: Expr) -> Value:
    raw = c.arguments[e]
    if e.sort is BOOL:
        return c.whole if raw else 0
    return {raw: c.whole} if c.whole else {}


def _unary(of: Callable[[int], int]) -> Callable[..., Value]:
    def read(c: Columns, e: Expr, a: Value) -> Value:
        found: Partition = {}
        for raw, states in _parts(c, a).items():
            value = of(raw)
            found[value] = found.get(value, 0) | states
        return found

    return read


def _pairs(
    c: Columns, of: Callable[[int, int], int], a: Partition, b: Partition
) -> Partition:
    tick(len(a) * len(b))
    found: Partition = {}
    for x, here in a.items():
        for y, there in b.items():
            both = here & there
            if both:
                value = of(x, y)
                found[value] = found.get(value, 0) | both
    return found


def _binary(of: Callable[[int, int], int]) -> Callable[..., Value]:
    def read(c: Columns, e: Expr, *args: Value) -> Value:
        first, *rest = (_parts(c, a) for a in args)
        for other in rest:
            first = _pairs(c, of, first, other)
        return first

    return read


def _compared(of: Callable[[int, int], bool]) -> Callable[..., Value]:
    def read(c: Columns, e: Expr, a: Value, b: Value) -> Value:
        pairs = _pairs(c, lambda x, y: int(of(x, y)), _parts(c, a), _parts(c, b))
        return pairs.get(1, 0)

    return read


def _equal(c: Columns, e: Expr, a: Value, b: Value) -> Value:
    one, other = _parts(c, a), _parts(c, b)
    return reduce(or_, (s & other[raw] for raw, s in one.items() if raw in other), 0)


def _choice(c: Columns, e: Expr, test: int, a: Value, b: Value) -> Value:
    rest = c.whole ^ test
    if isinstance(a, int) and isinstance(b, int):
        return (test & a) | (rest & b)
    found: Partition = {}
    for where, value in ((test, a), (rest, b)):
        for raw, states in _parts(c, value).items():
            here = states & where
            if here:
                found[raw] = found.get(raw, 0) | here
    return found


def _member(c: Columns, e: Expr, element: Value, members: Value) -> Value:
    lo = domain_of(e.args[1]).lo

    def inside(raw: int, mask: int) -> int:
        return int(raw >= lo and mask >> raw - lo & 1)

    return _pairs(c, inside, _parts(c, element), _parts(c, members)).get(1, 0)


def _single(c: Columns, e: Expr, element: Value) -> Value:
    domain = domain_of(e)
    one = _unary(lambda raw: 1 << raw - domain.lo if raw in domain else 0)
    return one(c, e, element)


def _select(c: Columns, e: Expr, _table: Value, *index: Value) -> Value:
    table = e.args[0]
    if table.op != "var":
        raise ValueError(f"{e}: a table that is no variable")
    where: dict[tuple[int, ...], int] = {(): c.whole}
    for i in index:
        where = {
            (*at, raw): both
            for at, here in where.items()
            for raw, states in _parts(c, i).items()
            if (both := here & states)
        }
    tick(len(where))
    found: Partition = {}
    for at, here in where.items():
        cell = c.system.cell_of.get((table.data[0], at))
        values = {0: c.whole} if cell is None else c.cell(cell)
        for raw, states in values.items():
            both = here & states
            if both:
                found[raw] = found.get(raw, 0) | both
    return _of_sort(e, found)


COLUMNS: Algebra[Value] = {
    "const": _constant,
    "param": unbound,
    "var": _variable,
    "local": _local,
    "not": lambda c, e, a: c.whole ^ a,
    "and": lambda c, e, *args: reduce(and_, args),
    "or": lambda c, e, *args: reduce(or_, args),
    "eq": _equal,
    "lt": _compared(lambda a, b: a < b),
    "le": _compared(lambda a, b: a <= b),
    "add": _binary(lambda a, b: a + b),
    "sub": _binary(lambda a, b: a - b),
    "mul": _binary(lambda a, b: a * b),
    "div": _binary(lambda a, b: a // b),
    "mod": _binary(lambda a, b: a % b),
    "min": _binary(min),
    "max": _binary(max),
    "ite": _choice,
    "in": _member,
    "union": _binary(lambda a, b: a | b),
    "inter": _binary(lambda a, b: a & b),
    "diff": _binary(lambda a, b: a & ~b),
    "single": _single,
    "card": _unary(int.bit_count),
    "select": _select,
    **dict.fromkeys(BINDERS | {"store", "fill", "map"}, beyond),
}
