# SPDX-License-Identifier: GPL-2.0-only
"""A system with open sizes, at given ones.

A binder over an open domain becomes one over as many values as the sizes say, the
first of its elements a choice between them, a row-wise change of a table a `store`
for each cell, and the absent element, -1 where sizes are open, the raw value that
it has at these. The result can be run by every engine; it should do what the design
does that is compiled at these sizes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from poolproof.checker.core import ir
from poolproof.checker.core.fold import Algebra, fold
from poolproof.checker.core.ir import (
    BINDERS,
    Domain,
    Expr,
    OpenDomain,
    ScalarSort,
    Sort,
    TableSort,
)
from poolproof.checker.core.system import (
    Action,
    Parameter,
    TransitionSystem,
    Variable,
)


class Closing:
    """Expressions at the given sizes, by bound."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self.sizes = sizes
        self.known: dict[Expr, Expr] = {}
        self.elements: dict[ScalarSort, ScalarSort] = {}

    def note(self, roots: Iterable[Expr], tables: Iterable[Sort]) -> None:
        """Learn how many elements each open scalarset has."""
        domains = [e.data[1] for e in ir.subterms(*roots) if e.op == "local"]
        for sort in tables:
            domains += sort.index if isinstance(sort, TableSort) else ()
        for domain in domains:
            sort = domain.sort
            if isinstance(domain, OpenDomain) and isinstance(sort, ScalarSort):
                self.elements[sort] = ir.scalar_sort(
                    sort.name,
                    self.number(domain.end) + 1,
                    sort.prefix,
                    sort.interchangeable,
                )

    def number(self, size: Expr) -> int:
        """Return the value of arithmetic over bounds."""
        closed = self.expr(size)
        assert closed.is_const, "every bound has a size"
        return int(closed.data)

    def sort(self, sort: Sort) -> Sort:
        match sort:
            case ScalarSort(size=-1):
                return self.elements[sort]
            case TableSort(index=index, element=element):
                domains = tuple(self.domain(d) for d in index)
                return ir.table_sort(domains, self.sort(element))
        return sort

    def domain(self, domain: Domain) -> Domain:
        sort, lo, hi = self.sort(domain.sort), domain.lo, domain.hi
        if isinstance(domain, OpenDomain):
            hi = self.number(domain.end)
        elif sort is domain.sort:
            return domain
        if isinstance(sort, ScalarSort) and hi < 0:
            lo, hi = sort.size, sort.size
        elif isinstance(sort, ScalarSort) and lo < 0:
            lo, hi = 0, sort.size
        return Domain(sort, lo, hi, domain.name)

    def expr(self, e: Expr) -> Expr:
        return fold((e,), _CLOSED, self, self.known)[0]

    def variable(self, v: Variable) -> Variable:
        """Return the variable; its raw values are those at these sizes."""
        sort = self.sort(v.sort)
        closed = replace(v, sort=sort, init=v.init and self.expr(v.init))
        element = closed.element
        if element is v.element:
            return replace(
                closed, lo=v.lo and self.expr(v.lo), hi=v.hi and self.expr(v.hi)
            )
        assert isinstance(element, ScalarSort)
        absent = v.lo is not None and v.lo.data < 0
        last = element.size if absent else element.size - 1
        return replace(closed, lo=ir.const(element, 0), hi=ir.const(element, last))

    def action(self, action: Action, variables: Mapping[str, Variable]) -> Action:
        """Return the action. ``variables`` are those of the closed system."""
        parameters = tuple(
            Parameter(p.name, self.expr(p.local)) for p in action.parameters
        )
        whole = replace(action, updates={}).map(self.expr)
        updates = {}
        for name, update in action.updates.items():
            now = variables[name].now
            if isinstance(update.sort, TableSort) and isinstance(now.sort, TableSort):
                after = now
                binders = [
                    ir.local(f"cell{k}", d) for k, d in enumerate(update.sort.index)
                ]
                cell = self.expr(ir.select(update, *binders))
                inside = [self.expr(b) for b in binders]
                for index in ir.index_space(now.sort):
                    by = dict(zip(inside, index, strict=True))
                    after = ir.store(after, *index, ir.substitute(cell, by))
            else:
                after = self.expr(update)
            updates[name] = after
        return replace(whole, parameters=parameters, updates=updates)


def closing_of(system: TransitionSystem, sizes: Mapping[str, int]) -> Closing:
    """Return the reading of the system's expressions at the sizes of its open
    bounds."""
    closing = Closing(sizes)
    roots = [f.expr for f in system.formulas()]
    roots += [p.local for a in system.actions for p in a.parameters]
    closing.note(roots, (v.sort for v in system.variables))
    return closing


def close(system: TransitionSystem, closing: Closing) -> TransitionSystem:
    """Return the system at the sizes."""
    variables = tuple(closing.variable(v) for v in system.variables)
    sizes = closing.sizes
    by_name = {v.name: v for v in variables}
    return replace(
        system,
        variables=variables,
        actions=tuple(closing.action(a, by_name) for a in system.actions),
        initial=closing.expr(system.initial),
        least={n: least for n, least in system.least.items() if n not in sizes},
        bounds={**system.bounds, **sizes},
    )


def _constant(closing: Closing, e: Expr) -> Expr:
    sort = closing.sort(e.sort)
    if sort is not e.sort and isinstance(sort, ScalarSort) and e.data == -1:
        return ir.const(sort, sort.size)
    return ir.const(sort, e.data)


def _param(closing: Closing, e: Expr) -> Expr:
    size = closing.sizes.get(e.data)
    return e if size is None else ir.num(size)


def _local(closing: Closing, e: Expr) -> Expr:
    return ir.local(e.data[0], closing.domain(e.data[1]))


def _variable(closing: Closing, e: Expr) -> Expr:
    name, primed = e.data
    return ir.var(name, closing.sort(e.sort), primed)


def _rebuilt(_: Closing, e: Expr, *args: Expr) -> Expr:
    return ir.BUILD[e.op](None, e, *args)


def _binder(closing: Closing, e: Expr, body: Expr) -> Expr:
    binder = ir.local(e.data[0], closing.domain(e.data[1]))
    return ir.aggregate(e.op, binder, body)


def _first(closing: Closing, e: Expr, body: Expr) -> Expr:
    """The first element is a choice, the absent one its last case."""
    domain = closing.domain(e.data[1])
    binder, sort = ir.local(e.data[0], domain), domain.sort
    found = ir.const(sort, sort.size if isinstance(sort, ScalarSort) else -1)
    for raw in reversed(list(domain)):
        value = ir.const(sort, raw)
        found = ir.ite(ir.substitute(body, {binder: value}), value, found)
    return found


def _fill(closing: Closing, e: Expr, value: Expr) -> Expr:
    sort = closing.sort(e.sort)
    assert isinstance(sort, TableSort)
    return ir.fill(sort, value)


_CLOSED: Algebra[Expr] = {
    **dict.fromkeys(ir.BUILD, _rebuilt),
    **dict.fromkeys(BINDERS, _binder),
    "first": _first,
    "const": _constant,
    "param": _param,
    "local": _local,
    "var": _variable,
    "fill": _fill,
}
