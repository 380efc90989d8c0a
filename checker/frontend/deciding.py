# SPDX-License-Identifier: GPL-2.0-only
"""What a variable is after a loop where the turns do not add up: one turn decides,
or the least or greatest number of all turns. See closed_forms.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from poolproof.checker.core import ir
from poolproof.checker.core.ir import INT, Domain, Expr
from poolproof.checker.core.ranges import Ranges
from poolproof.checker.frontend.turns import decided, kept_where, only_one

_VALUES = 16
"""Upper limit on the distance of two constants that the least or greatest of some
numbers is between."""


@dataclass(frozen=True)
class Deciding:
    """Loops over the domain of ``x``. ``has_heads``: whether an expression depends on
    what the turns before did."""

    x: Expr
    has_heads: Callable[[Expr], bool]

    @property
    def domain(self) -> Domain:
        found: Domain = self.x.data[1]
        return found

    @property
    def has_first(self) -> bool:
        """True if -1, which stands for none, is not an element of the domain."""
        return self.domain.lo >= 0

    def after(self, head: Expr, value: Expr, before: Expr) -> Expr | None:
        """Return what a variable is after the loop, if the first turn that finds the
        absent element in it decides, or the last that changes it. ``value`` is what a
        turn makes of the head, ``before`` what the variable was before the loop."""
        sort = head.sort
        if isinstance(sort, ir.ScalarSort):
            none = ir.const(sort, sort.size)
            is_none = ir.eq(head, none)
            if decided(ir.substitute(value, {is_none: ir.FALSE})) is head:
                there = decided(ir.substitute(value, {is_none: ir.TRUE}))
                first = self.of_first(kept_where(head, there), none)
                return first and ir.ite(ir.eq(before, none), first, before)
        return self.of_last(kept_where(head, value), before)

    def of_first(
        self, found: tuple[Expr, Expr | None] | None, none: Expr
    ) -> Expr | None:
        """Return the value of the first turn that has an element for the variable;
        ``found`` is where a turn has one, and which."""
        known = self.without_heads(found)
        if known is None or not self.has_first or not _is_element(known[1]):
            return None
        where, value = known
        turn = ir.aggregate("first", self.x, where)
        if value is self.x:
            return turn
        some = ir.aggregate("any", self.x, where)
        return ir.ite(some, ir.substitute(value, {self.x: turn}), none)

    def of_last(
        self, found: tuple[Expr, Expr | None] | None, before: Expr
    ) -> Expr | None:
        """Return the value of the last turn that changes the variable; ``found`` is
        where a turn does, and to what. Elements of a scalarset have no last one,
        except where one turn at most changes it, or each would do the same."""
        known = self.without_heads(found)
        if known is None:
            return None
        where, value = known
        one = only_one(self.x, where)
        if one is not None:
            value = ir.substitute(value, {self.x: one})
        elif self.x in value.free:
            if self.domain.sort is not INT or not self.has_first:
                return None
            where = self.counted_down(where, self.x)
            value = self.counted_down(value, ir.aggregate("first", self.x, where))
        return ir.ite(ir.aggregate("any", self.x, where), value, before)

    def without_heads(
        self, found: tuple[Expr, Expr | None] | None
    ) -> tuple[Expr, Expr] | None:
        """Return where a turn changes the variable, and to what, if neither depends on
        the turns before."""
        if found is None:
            return None
        where, value = found
        if value is None or self.has_heads(where) or self.has_heads(value):
            return None
        return where, value

    def counted_down(self, e: Expr, k: Expr) -> Expr:
        """Return e, with x the k-th number of the domain from the end."""
        both_ends = ir.add(ir.num(self.domain.lo), ir.last(self.domain))
        mirror = ir.sub(both_ends, self.x)
        return ir.substitute(e, {mirror: k, self.x: ir.sub(both_ends, k)})

    def extreme(self, head: Expr, value: Expr, before: Expr) -> Expr | None:
        """Return the least or greatest of numbers that are between two constants: how
        many of the numbers between these are reached."""
        if value.op not in ("min", "max") or head not in value.args:
            return None
        each = value.args[value.args[0] is head]
        lo, hi = Ranges({}).of(each)
        if lo is None or hi is None or hi - lo > _VALUES or self.has_heads(each):
            return None
        of_all = [ir.num(lo)]
        for k in range(lo, hi):
            above = ir.lt(ir.num(k), each)
            op = "all" if value.op == "min" else "any"
            reached = ir.aggregate(op, self.x, above)
            of_all.append(ir.ite(reached, ir.num(1), ir.num(0)))
        return ir.rebuild(value, (before, ir.add(*of_all)))


def _is_element(e: Expr) -> bool:
    """Return whether the value is certainly not the absent element."""
    least, most = e.interval
    assert isinstance(e.sort, ir.ScalarSort)
    if e.sort.size < 0:
        return least is not None and least >= 0
    return most is not None and most < e.sort.size
