# SPDX-License-Identifier: GPL-2.0-only
"""The locals that a task has at a `yield`.

If a local has the same value in every state (a constant, or the task itself), it is
that value. Any other is read from a table over the tasks.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from poolproof.checker.core import interval, ir
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.ir import Expr
from poolproof.checker.core.source import span_of
from poolproof.checker.elaborate import operators
from poolproof.checker.elaborate.domains import sort_of
from poolproof.checker.elaborate.values import Choice, Display, Operand, Pending
from poolproof.checker.frontend.cursor import (
    Cursor,
    Frame,
    Store,
    Tuple,
    Unusable,
    Value,
    Written,
)
from poolproof.checker.frontend.process_parts import Arrival, LocalTable, ProcessPart
from poolproof.checker.frontend.yields import Activation, Suspension
from poolproof.model.language import Binding, Domain, ModelError, Values, evaluated


@dataclass
class KeptLocals:
    """The locals of the tasks that run an action."""

    action: str
    tasks: ir.Domain
    binding: Binding
    cells: dict[tuple[str, ir.Sort], LocalTable] = field(default_factory=dict)

    def domain(
        self, frame: Frame, annotation: ast.expr, strict: bool = False
    ) -> Values | None:
        """Return what the annotation of a local says; None if it is not a domain.
        Raise UserError, with ``strict`` for that, too."""
        place = span_of(frame.file, annotation)
        try:
            found = evaluated(frame.this.owner, frame.function, ast.unparse(annotation))
            known = isinstance(found, Domain) or (
                isinstance(found, type) and found not in (bool, int)
            )
            if known or strict:
                return self.binding.values(found)
        except ModelError as e:
            raise UserError(place, str(e)) from None
        return None

    def joined(
        self, arrivals: list[Arrival], task: Expr
    ) -> tuple[list[Activation], dict[tuple[int, str], LocalTable]]:
        """Return the methods being executed at a place, with their locals."""
        stack = [
            Activation(a.frame, {}, dict(a.loops), a.node)
            for a in arrivals[0].end.stack
        ]
        cells: dict[tuple[int, str], LocalTable] = {}
        known: dict[tuple[Value, ...], Expr] = {}
        for depth, activation in enumerate(stack):
            names = dict.fromkeys(
                n for a in arrivals for n in a.end.stack[depth].locals
            )
            for name in names:
                left = tuple(_left(a, depth, name) for a in arrivals)
                same = all(isinstance(v, Expr) for v in left)
                if same and left in known:  # an argument that was handed on
                    activation.locals[name] = known[left]
                    continue
                value = self.local(arrivals, depth, name)
                if value is _TASK:
                    value = task
                elif isinstance(value, LocalTable):
                    cells[depth, name] = value
                    value = ir.select(value.table, task)
                    if same:
                        known[left] = value
                activation.locals[name] = value
        return stack, cells

    def local(self, arrivals: list[Arrival], depth: int, name: str) -> Value:
        """Return the one value that a local has at a place, _TASK, or its Cell."""
        values = [_left(a, depth, name) for a in arrivals]
        first = values[0]
        if _is_fixed(first) and all(_is_fixed(v) and v == first for v in values):
            return first
        for value in values:
            if isinstance(value, Unusable):
                return value
        frame = arrivals[0].end.stack[depth].frame
        declared = self.annotated(frame, name)
        sorts = [sort_of(declared)] if declared is not None else []
        sorts += [
            self.tasks.sort if v is _TASK else v.sort for v in values if _has_sort(v)
        ]
        if not sorts:
            return Unusable("a value here whose domain is not known: annotate it")
        sort = sorts[0]
        try:
            for a in arrivals:
                value_left(a.end, depth, name, sort, a.origin)
        except UserError:
            return Unusable("values of two kinds on two paths")
        qualified = ".".join(
            [self.action]
            + [a.frame.function.__name__ for a in arrivals[0].end.stack[1 : depth + 1]]
            + [name]
        )
        return self.cell(qualified, sort, declared, arrivals, depth, name)

    def cell(
        self,
        qualified: str,
        sort: ir.Sort,
        declared: Values | None,
        arrivals: list[Arrival],
        depth: int,
        name: str,
    ) -> LocalTable:
        cell = self.cells.get((qualified, sort))
        if cell is None:
            alike = sum(n == qualified for n, _ in self.cells)
            table = ir.var(
                qualified + (f"_{alike + 1}" if alike else ""),
                ir.table_sort((self.tasks,), sort),
            )
            cell = self.cells[qualified, sort] = LocalTable(
                table.data[0], table, declared
            )
        found = [] if cell.range is None else [cell.range]
        found += [
            a.origin.ranges.of(value_left(a.end, depth, name, cell.sort, a.origin))
            for a in arrivals
        ]
        cell.range = interval.either(*found)
        return cell

    def annotated(self, frame: Frame, name: str) -> Values | None:
        """Return the domain that the text gives a local, or None."""
        for node in ast.walk(frame.tree):
            match node:
                case ast.AnnAssign(ast.Name(other), annotation) if other == name:
                    found = self.domain(frame, annotation)
                case ast.arg(arg=other, annotation=annotation) if (
                    other == name and annotation is not None
                ):
                    found = self.domain(frame, annotation)
                case _:
                    continue
            if found is not None:
                if found.bits is not None or found.counter:
                    raise UserError(
                        span_of(frame.file, node),
                        f"{name!r} is kept across a `yield`: write Int(lo, hi)",
                    )
                return found
        return None


def value_left(
    end: Suspension, depth: int, name: str, sort: ir.Sort, origin: ProcessPart
) -> Expr:
    """Return the value that an end leaves in a local, over the state before its
    part. Raise UserError if it is not a value of the sort."""
    activation = end.stack[depth]
    value = activation.locals[name]
    frame = activation.frame
    effects = origin.executed.effects
    at = Written(Cursor(effects, frame, Store({}, {}), ir.TRUE), end.node, shows=name)
    return operators.coerce(Operand(value), sort, at)


def _left(arrival: Arrival, depth: int, name: str) -> Value:
    value = arrival.end.stack[depth].locals.get(name, _UNBOUND)
    return _TASK if value is arrival.origin.task else value


def _is_fixed(value: Value) -> bool:
    """Return whether a value is the same in every state."""
    match value:
        case Expr():
            return value.is_const or value is _TASK
        case Unusable():
            return False
        case Display(elements):
            return all(_is_fixed(e.value) for e in elements)
        case Choice():
            return False
        case Tuple(items):
            return all(_is_fixed(i) for i in items)
    return True


def _has_sort(value: Value) -> bool:
    return isinstance(value, Expr | Pending) and value.sort is not None


_TASK = ir.local("the task", ir.Domain(ir.INT, 0, 0))
_UNBOUND = Unusable("a value on some paths only: give it one before the `if`")
