# SPDX-License-Identifier: GPL-2.0-only
"""The IR as z3 terms: over unbounded integers, or over exactly sized bits.

Encodings. A bool is a z3 Bool and a set a bit vector (bit k for the domain's
k-th value). A number - an int, an enum's or a scalarset's raw value - is a
`Number`: a term with the interval it certainly lies in. `Integers` makes it a
z3 Int; `Bits` a bit vector as wide as the interval needs, widened before every
operation, so that no operation overflows and both encodings mean the same. A
table is one number (or bool, or set) per cell: reading at an index that is
not a constant is a choice over the cells, writing one over all of them.

Reading outside a table gives its last cell, and a set of an element outside
the domain is empty: whether that may happen is what `ir.defined` and the
obligations say, and it is for the engines to check them first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import product
from typing import Any

import z3

from poolproof.checker.core import interval
from poolproof.checker.core.fold import Algebra, beyond, fold
from poolproof.checker.core.interval import Interval
from poolproof.checker.core.ir import (
    BINDERS,
    BOOL,
    Domain,
    Expr,
    SetSort,
    Sort,
    TableSort,
    domain_of,
    expand_all,
    sort_of_table,
)
from poolproof.checker.core.system import Action, TransitionSystem

Term = Any
"""A z3 term. z3 has no type annotations worth the name."""


@dataclass(frozen=True, slots=True)
class Number:
    """A numeric term and the interval that it certainly lies in."""

    term: Term
    lo: int | None
    hi: int | None

    @property
    def within(self) -> Interval:
        return self.lo, self.hi

    @property
    def known(self) -> int | None:
        return self.lo if self.lo is not None and self.lo == self.hi else None


Value = Number | Term | dict[tuple[int, ...], Any]
"""What an expression lowers to: a Number, a z3 Bool, a z3 bit vector (a set),
or a table of those by raw index."""


# --- unbounded integers ------------------------------------------------------


class Integers:
    """z3 Ints. An interval's end may be None: not known."""

    def constant(self, raw: int) -> Number:
        return Number(z3.IntVal(raw), raw, raw)

    def fresh(self, name: str, lo: int | None, hi: int | None) -> Number:
        """Return an unknown number (of one value: that value). The caller asserts
        `within`, and until then lo..hi is what is hoped."""
        if lo is not None and lo == hi:
            return self.constant(lo)
        return Number(z3.Int(name), lo, hi)

    def within(self, a: Number, lo: int | None, hi: int | None) -> Term:
        parts = []
        if lo is not None and (a.lo is None or a.lo < lo):
            parts.append(a.term >= lo)
        if hi is not None and (a.hi is None or a.hi > hi):
            parts.append(a.term <= hi)
        return z3.And(*parts) if len(parts) > 1 else parts[0] if parts else _TRUE

    def fit(self, a: Number, lo: int | None, hi: int | None) -> Number:
        """Return the number as one of lo..hi, where its value is one of those."""
        return Number(a.term, lo, hi)

    def add(self, numbers: Sequence[Number]) -> Number:
        if len(numbers) == 1:  # SMT-LIB has no sum of one term, z3 prints one
            return numbers[0]
        term = z3.Sum(*(n.term for n in numbers))
        return Number(term, *interval.plus(*(n.within for n in numbers)))

    def sub(self, a: Number, b: Number) -> Number:
        return Number(a.term - b.term, *interval.minus(a.within, b.within))

    def mul(self, a: Number, b: Number) -> Number:
        """Linear where one factor has few values: a choice over them."""
        lo, hi = interval.times(a.within, b.within)
        if a.known is not None or b.known is not None:
            return Number(a.term * b.term, lo, hi)
        for x, y in ((a, b), (b, a)):
            if x.lo is not None and x.hi is not None and x.hi - x.lo <= 16:
                term = y.term * x.hi
                for v in range(x.lo, x.hi):
                    term = z3.If(x.term == v, y.term * v, term)
                return Number(term, lo, hi)
        return Number(a.term * b.term, lo, hi)

    def div(self, a: Number, by: int) -> Number:
        return Number(a.term / by, *interval.quotient(a.within, by))

    def mod(self, a: Number, by: int) -> Number:
        return Number(a.term % by, *interval.remainder(a.within, by))

    def eq(self, a: Number, b: Number) -> Term:
        return a.term == b.term

    def le(self, a: Number, b: Number) -> Term:
        return a.term <= b.term

    def choose(self, c: Term, a: Number, b: Number) -> Number:
        term = z3.If(c, a.term, b.term)
        return Number(term, *interval.either(a.within, b.within))


# --- sized bits --------------------------------------------------------------


class Unbounded(Exception):
    """A number without bounds has no finite encoding."""


class Bits:
    """Bit vectors, with the methods of `Integers`. [lo, hi] decides width and
    signedness: unsigned and as narrow as hi allows, or two's complement where lo is
    negative."""

    def constant(self, raw: int) -> Number:
        return Number(z3.BitVecVal(raw, _width(raw, raw)), raw, raw)

    def fresh(self, name: str, lo: int | None, hi: int | None) -> Number:
        if lo is None or hi is None:
            raise Unbounded(name)
        if lo == hi:
            return self.constant(lo)
        return Number(z3.BitVec(name, _width(lo, hi)), lo, hi)

    def within(self, a: Number, lo: int | None, hi: int | None) -> Term:
        """Also for a term that may have any value of its width."""
        parts = []
        least, most = a.lo, a.hi
        assert least is not None
        assert most is not None
        if z3.is_const(a.term) and not z3.is_bv_value(a.term):
            size = a.term.size()
            least = -(1 << size - 1) if least < 0 else 0
            most = (1 << size - (1 if least < 0 else 0)) - 1
        whole = Number(a.term, least, most)
        if lo is not None and lo > least:
            parts.append(self.le(self.constant(lo), whole))
        if hi is not None and hi < most:
            parts.append(self.le(whole, self.constant(hi)))
        return z3.And(*parts) if len(parts) > 1 else parts[0] if parts else _TRUE

    def fit(self, a: Number, lo: int | None, hi: int | None) -> Number:
        assert lo is not None
        assert hi is not None
        return Number(_resized(a, _width(lo, hi)), lo, hi)

    def add(self, numbers: Sequence[Number]) -> Number:
        lo, hi = interval.plus(*(n.within for n in numbers))
        return self._modular(lo, hi, numbers, lambda x, y: x + y)

    def sub(self, a: Number, b: Number) -> Number:
        lo, hi = interval.minus(a.within, b.within)
        return self._modular(lo, hi, (a, b), lambda x, y: x - y)

    def mul(self, a: Number, b: Number) -> Number:
        lo, hi = interval.times(a.within, b.within)
        return self._modular(lo, hi, (a, b), lambda x, y: x * y)

    def _modular(
        self,
        lo: int | None,
        hi: int | None,
        numbers: Sequence[Number],
        op: Callable[[Term, Term], Term],
    ) -> Number:
        """Exact if done modulo 2**width, as the result fits the width."""
        assert lo is not None
        assert hi is not None
        if lo == hi:
            return self.constant(lo)
        width = _width(lo, hi)
        return Number(reduce(op, (_resized(n, width) for n in numbers)), lo, hi)

    def div(self, a: Number, by: int) -> Number:
        above, shift = self._from_zero(a, by)
        assert above.hi is not None
        if above.hi < by:
            return self.constant(-shift)
        quotient = z3.UDiv(above.term, z3.BitVecVal(by, above.term.size()))
        result = Number(quotient, 0, above.hi // by)
        return self.sub(result, self.constant(shift)) if shift else result

    def mod(self, a: Number, by: int) -> Number:
        above, _ = self._from_zero(a, by)
        assert above.hi is not None
        if above.hi < by:
            return Number(above.term, 0, above.hi)
        lo, hi = interval.remainder(a.within, by)
        remainder = z3.URem(above.term, z3.BitVecVal(by, above.term.size()))
        return self.fit(Number(remainder, 0, by - 1), lo, hi)

    def _from_zero(self, a: Number, by: int) -> tuple[Number, int]:
        """a + shift * by, which is not negative."""
        assert a.lo is not None
        if a.lo >= 0:
            return a, 0
        shift = -(a.lo // by)
        return self.add((a, self.constant(shift * by))), shift

    def eq(self, a: Number, b: Number) -> Term:
        width, _ = self._common(a, b)
        return _resized(a, width) == _resized(b, width)

    def le(self, a: Number, b: Number) -> Term:
        width, signed = self._common(a, b)
        x, y = _resized(a, width), _resized(b, width)
        return x <= y if signed else z3.ULE(x, y)

    def choose(self, c: Term, a: Number, b: Number) -> Number:
        width, _ = self._common(a, b)
        lo, hi = interval.either(a.within, b.within)
        return Number(z3.If(c, _resized(a, width), _resized(b, width)), lo, hi)

    def _common(self, a: Number, b: Number) -> tuple[int, bool]:
        lo, hi = interval.either(a.within, b.within)
        assert lo is not None
        assert hi is not None
        return _width(lo, hi), lo < 0


Encoding = Integers | Bits
"""The way in which numbers become z3 terms."""


def _width(lo: int, hi: int) -> int:
    if lo >= 0:
        return max(1, hi.bit_length())
    return max((-lo - 1).bit_length(), hi.bit_length()) + 1


def _resized(a: Number, width: int) -> Term:
    """a's term with ``width`` bits: equal to a modulo 2**width."""
    assert a.lo is not None
    if a.known is not None:
        return z3.BitVecVal(a.known, width)
    more = width - a.term.size()
    if more > 0:
        return z3.SignExt(more, a.term) if a.lo < 0 else z3.ZeroExt(more, a.term)
    return a.term if more == 0 else z3.Extract(width - 1, 0, a.term)


_TRUE = z3.BoolVal(True)
_FALSE = z3.BoolVal(False)


# --- leaves ------------------------------------------------------------------


def unknown(encoding: Encoding, name: str, sort: Sort, domain: Domain | None) -> Value:
    """A fresh constant of a scalar sort; its name is the SMT-LIB symbol.
    The value itself where the domain has one only."""
    if domain is not None and domain.lo == domain.hi:
        return constant(encoding, sort, domain.lo)
    if sort is BOOL:
        return z3.Bool(name)
    if isinstance(sort, SetSort):
        return z3.BitVec(name, max(1, len(sort.domain)))
    lo, hi = (domain.lo, domain.hi) if domain else interval.of_sort(sort)
    return encoding.fresh(name, lo, hi)


def constant(encoding: Encoding, sort: Sort, raw: int) -> Value:
    """A raw value as a term."""
    if sort is BOOL:
        return _TRUE if raw else _FALSE
    if isinstance(sort, SetSort):
        return z3.BitVecVal(raw, max(1, len(sort.domain)))
    return encoding.constant(raw)


def term_of(value: Value) -> Term:
    return value.term if isinstance(value, Number) else value


def raw_of(model: Any, value: Value) -> int:
    """The raw value that a model gives to a scalar (0 or so where free)."""
    term = model.eval(term_of(value), model_completion=True)
    if z3.is_bool(term):
        return int(z3.is_true(term))
    if z3.is_bv_value(term) and isinstance(value, Number) and value.lo is not None:
        return int(term.as_signed_long() if value.lo < 0 else term.as_long())
    return int(term.as_long())


# --- the fold ----------------------------------------------------------------


_WORK = 20
"""What a node's term costs at least, see checker.core.limits."""


@dataclass
class Lowering:
    """Lowers expressions over given leaves: the cells of the state before
    (and after) a step in the order of `system.cells`, locals, params."""

    system: TransitionSystem
    encoding: Encoding
    now: Sequence[Value]
    after: Sequence[Value] | None = None
    locals: dict[Expr, Value] = field(default_factory=dict)
    params: Mapping[str, Value] = field(default_factory=dict)
    memo: dict[Expr, Value] = field(default_factory=dict)

    def __call__(self, e: Expr) -> Value:
        return self.all((e,))[0]

    def all(self, roots: Iterable[Expr]) -> list[Value]:
        """Several expressions at once; aggregates are written out."""
        return fold(expand_all(roots), LOWER, self, self.memo, work=_WORK)

    def truth(self, e: Expr) -> Term:
        return self(e)

    def equal(self, a: Value, b: Value) -> Term:
        """Equality of two values of one sort."""
        if isinstance(a, dict) and isinstance(b, dict):
            return conjunction(self.equal(a[i], b[i]) for i in a)
        if isinstance(a, Number) and isinstance(b, Number):
            return self.same(a, b)
        if z3.is_bool(a):
            return _same_bool(a, b)
        return _TRUE if a is b else _FALSE if _differ(a, b) else a == b

    def same(self, a: Number, b: Number) -> Term:
        if a.term is b.term:
            return _TRUE
        if a.known is not None and a.known == b.known:
            return _TRUE
        if interval.below(a.hi, b.lo) or interval.below(b.hi, a.lo):
            return _FALSE
        return self.encoding.eq(a, b)

    def at_most(self, a: Number, b: Number) -> Term:
        if a.hi is not None and b.lo is not None and a.hi <= b.lo:
            return _TRUE
        return _FALSE if interval.below(b.hi, a.lo) else self.encoding.le(a, b)

    def choose(self, c: Term, a: Value, b: Value) -> Value:
        """Return a where c holds, else b, for values of one sort."""
        if a is b or z3.is_true(c):
            return a
        if z3.is_false(c):
            return b
        if isinstance(a, dict) and isinstance(b, dict):
            return {i: self.choose(c, a[i], b[i]) for i in a}
        if isinstance(a, Number) and isinstance(b, Number):
            if a.known is not None and a.known == b.known:
                return a
            return self.encoding.choose(c, a, b)
        if z3.is_bool(a):
            return _if_bool(c, a, b)
        return z3.If(c, a, b)

    def read(
        self,
        cells: Mapping[tuple[int, ...], Value],
        domains: Sequence[Domain],
        index: Sequence[Value],
        at: tuple[int, ...] = (),
    ) -> Value:
        """The cell at an index, of those whose index starts with ``at``."""
        if not domains:
            return cells[at]
        domain, i = domains[0], index[0]
        values = [v for v in domain if not z3.is_false(self.is_at(i, v, domain))]
        values = values or [domain.hi]
        rest = domains[1:], index[1:]
        result = self.read(cells, *rest, (*at, values[-1]))
        for v in reversed(values[:-1]):
            here = self.read(cells, *rest, (*at, v))
            result = self.choose(self.is_at(i, v, domain), here, result)
        return result

    def is_at(self, i: Value, raw: int, domain: Domain) -> Term:
        """Return the condition that a value of the domain's sort (any sort) is this
        one."""
        return self.equal(i, constant(self.encoding, domain.sort, raw))

    def write(
        self,
        cells: Mapping[tuple[int, ...], Value],
        domains: Sequence[Domain],
        index: Sequence[Value],
        value: Value,
    ) -> dict[tuple[int, ...], Value]:
        def here(at: tuple[int, ...]) -> Term:
            return conjunction(map(self.is_at, index, at, domains))

        return {at: self.choose(here(at), value, old) for at, old in cells.items()}

    def updates(self, action: Action) -> dict[int, Value]:
        """Return what an action assigns, by the numbers of the cells."""
        found: dict[int, Value] = {}
        values = self.all(action.updates.values())
        for name, value in zip(action.updates, values, strict=True):
            cells = value if isinstance(value, dict) else {(): value}
            for index, cell in cells.items():
                found[self.system.cell_of[name, index]] = cell
        return found

    def state_after(self, action: Action) -> list[Value]:
        """Return the state after a step of the action from this one."""
        after = list(self.now)
        for k, cell in self.updates(action).items():
            after[k] = cell
        return after

    def of_step(
        self, action: Action, after: Sequence[Value], result: Value | None = None
    ) -> Lowering:
        """Return the lowering of formulas about a step of the action from this state,
        with the same arguments."""
        known = dict(self.locals)
        if result is not None:
            known[action.returned] = result
        return Lowering(self.system, self.encoding, self.now, after, known, self.params)

    def cells_of(self, name: str, primed: bool) -> Value:
        cells = self.after if primed else self.now
        if cells is None:
            raise ValueError(f"{name}' has no value: there is no step here")
        v = self.system.by_name[name]
        where = self.system.cell_of
        if not v.index:
            return cells[where[name, ()]]
        return {i: cells[where[name, i]] for i in product(*v.index)}


def _differ(a: Term, b: Term) -> bool:
    values = z3.is_bv_value(a) and z3.is_bv_value(b)
    return bool(values and a.as_long() != b.as_long())


def _same_bool(a: Term, b: Term) -> Term:
    if z3.is_true(b) or z3.is_false(a):
        a, b = b, a
    if z3.is_true(a):
        return b
    return negation(b) if z3.is_false(a) else a == b


def _if_bool(c: Term, a: Term, b: Term) -> Term:
    if z3.is_true(a):
        return _TRUE if z3.is_true(b) else disjunction((c, b))
    if z3.is_false(a):
        return _FALSE if z3.is_false(b) else conjunction((negation(c), b))
    if z3.is_true(b):
        return disjunction((negation(c), a))
    if z3.is_false(b):
        return conjunction((c, a))
    return z3.If(c, a, b)


def conjunction(parts: Iterable[Term]) -> Term:
    kept = [p for p in parts if not z3.is_true(p)]
    if any(z3.is_false(p) for p in kept):
        return _FALSE
    return kept[0] if len(kept) == 1 else z3.And(*kept) if kept else _TRUE


def disjunction(parts: Iterable[Term]) -> Term:
    kept = [p for p in parts if not z3.is_false(p)]
    if any(z3.is_true(p) for p in kept):
        return _TRUE
    return kept[0] if len(kept) == 1 else z3.Or(*kept) if kept else _FALSE


def negation(a: Term) -> Term:
    if z3.is_not(a):
        return a.arg(0)
    return _FALSE if z3.is_true(a) else _TRUE if z3.is_false(a) else z3.Not(a)


# --- one row per operator ----------------------------------------------------


def _leaf_local(low: Lowering, e: Expr) -> Value:
    try:
        return low.locals[e]
    except KeyError:
        raise KeyError(f"{e.data[0]} has no value here") from None


def _lesser(low: Lowering, e: Expr, a: Number, b: Number) -> Value:
    return _chosen(low, low.at_most(a, b), a, b, interval.lesser(a.within, b.within))


def _greater(low: Lowering, e: Expr, a: Number, b: Number) -> Value:
    return _chosen(low, low.at_most(b, a), a, b, interval.greater(a.within, b.within))


def _chosen(
    low: Lowering, first: Term, a: Number, b: Number, within: interval.Interval
) -> Value:
    number = low.choose(first, a, b)
    assert isinstance(number, Number)
    return low.encoding.fit(number, *within)


def _member(low: Lowering, e: Expr, i: Value, s: Term) -> Value:
    hits, domain = [], domain_of(e.args[1])
    for k, v in enumerate(domain):
        bit = z3.Extract(k, k, s) == 1
        hits.append(conjunction((low.is_at(i, v, domain), bit)))
    return disjunction(hits)


def _single(low: Lowering, e: Expr, i: Value) -> Value:
    result, domain = constant(low.encoding, e.sort, 0), domain_of(e)
    for k, v in enumerate(domain):
        one = constant(low.encoding, e.sort, 1 << k)
        result = low.choose(low.is_at(i, v, domain), one, result)
    return result


def _card(low: Lowering, e: Expr, s: Term) -> Value:
    zero, one = low.encoding.constant(0), low.encoding.constant(1)
    bits = [
        low.encoding.choose(z3.Extract(k, k, s) == 1, one, zero)
        for k in range(len(domain_of(e.args[0])))
    ]
    return low.encoding.add(bits) if bits else zero


def _select(low: Lowering, e: Expr, table: Any, *index: Value) -> Value:
    sort = sort_of_table(e.args[0])
    return low.read(table, sort.index, index)


def _store(low: Lowering, e: Expr, table: Any, *rest: Value) -> Value:
    *index, value = rest
    assert isinstance(e.sort, TableSort)
    return low.write(table, e.sort.index, index, value)


def _fill(low: Lowering, e: Expr, value: Value) -> Value:
    assert isinstance(e.sort, TableSort)
    return dict.fromkeys(product(*e.sort.index), value)


def _less(low: Lowering, e: Expr, a: Number, b: Number) -> Value:
    return negation(low.at_most(b, a))


LOWER: Algebra[Value] = {
    "const": lambda low, e: constant(low.encoding, e.sort, e.data),
    "param": lambda low, e: low.params[e.data],
    "var": lambda low, e: low.cells_of(*e.data),
    "local": _leaf_local,
    "not": lambda low, e, a: negation(a),
    "and": lambda low, e, *args: conjunction(args),
    "or": lambda low, e, *args: disjunction(args),
    "eq": lambda low, e, a, b: low.equal(a, b),
    "lt": _less,
    "le": lambda low, e, a, b: low.at_most(a, b),
    "add": lambda low, e, *terms: low.encoding.add(terms),
    "sub": lambda low, e, a, b: low.encoding.sub(a, b),
    "mul": lambda low, e, a, b: low.encoding.mul(a, b),
    "div": lambda low, e, a, b: low.encoding.div(a, e.args[1].data),
    "mod": lambda low, e, a, b: low.encoding.mod(a, e.args[1].data),
    "min": _lesser,
    "max": _greater,
    "ite": lambda low, e, c, a, b: low.choose(c, a, b),
    "in": _member,
    "union": lambda low, e, a, b: a | b,
    "inter": lambda low, e, a, b: a & b,
    "diff": lambda low, e, a, b: a & ~b,
    "single": _single,
    "card": _card,
    "select": _select,
    "store": _store,
    "fill": _fill,
    **dict.fromkeys(BINDERS | {"map"}, beyond),
}
"""The IR as z3 terms."""
