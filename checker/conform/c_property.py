# SPDX-License-Identifier: GPL-2.0-only
"""A property as a C function of what the kernel shows after the deciding step.

Only where everything that it reads is known by then: counters and the result
are seen, and before the step the kernel is in the model's state (shown.py).
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from poolproof.checker.conform.hugetlb import KNOWN, counter_of
from poolproof.checker.conform.shown import Showing
from poolproof.checker.core.evaluate import arguments
from poolproof.checker.core.ir import (
    Expr,
    const,
    expand,
    not_,
    select,
    show_raw,
    substitute,
    subterms,
)
from poolproof.checker.core.property import Property
from poolproof.checker.core.system import Cell

_INFIX = {
    "and": "&&",
    "or": "||",
    "eq": "==",
    "lt": "<",
    "le": "<=",
    "add": "+",
    "sub": "-",
    "mul": "*",
}


class _Unseen(Exception):
    """The formula reads what no counter shows."""


def c_property(showing: Showing, observed: Sequence[str]) -> str:
    """The text of `violated(result, seen)`; empty where the property reads
    what is hidden. ``observed`` are the names of the values in ``seen``."""
    script = showing.script
    prop = script.replayed.prop
    if prop is None or showing.reason or len(script.steps) != showing.decided:
        return ""
    try:
        formula, known = _of_what_is_seen(showing, prop)
        bad = _c(formula if prop.kind.wants_witness else not_(formula), observed)
    except _Unseen:
        return ""
    lines = [
        "/* Whether the property is violated, by what the kernel shows. */",
        "static int violated(const char *result, const long *seen)",
        "{",
    ]
    if script.steps:
        # a result that the model does not know, or after which user space's
        # own part of the state is not the model's
        names = [script.steps[-1].result] if known else _results(showing)
        unlike = " &&\n\t    ".join(f'strcmp(result, "{name}")' for name in names)
        lines += [f"\tif ({unlike})", "\t\treturn 0;"]
    else:
        lines.append("\t(void)result;")
    if "seen" not in bad:
        lines.append("\t(void)seen;")
    text = textwrap.wrap(f"return {bad};", 62, break_on_hyphens=False)
    return "\n".join([*lines, "\t" + "\n\t       ".join(text), "}", ""])


def _results(showing: Showing) -> list[str]:
    """Return the results that the deciding action may have in the model, by
    name. The errnos that other actions have are not among them."""
    replayed = showing.script.replayed
    name = replayed.replay.taken[-1].step.action
    action = replayed.compiled.system.action_by_name[name]
    if action.result is None:
        return ["OK"]
    names = [show_raw(action.result.sort, raw) for raw in action.results]
    return list(dict.fromkeys((*names, showing.script.steps[-1].result)))


def _of_what_is_seen(showing: Showing, prop: Property) -> tuple[Expr, bool]:
    """The formula over counters and the result, and whether the model's values
    of KNOWN after the step are in it. Raises _Unseen."""
    replayed = showing.script.replayed
    system, run = replayed.compiled.system, replayed.replay
    step = prop.kind.of_steps
    by: dict[Expr, Expr] = {}
    after: dict[Expr, Cell] = {}
    for number, cell in enumerate(system.cells):
        before, later = _read(cell, False), _read(cell, True)
        if step:
            by[before] = const(before.sort, run.states[-2][number])
        after[later if step else before] = cell
    formula = prop.formula
    if step:
        taken = run.taken[-1].step
        bound = arguments(system.action_by_name[taken.action], taken.arguments)
        formula = substitute(
            formula, {name: const(name.sort, raw) for name, raw in bound.items()}
        )
    formula = _settled(formula, by)
    where = {cell: number for number, cell in enumerate(system.cells)}
    told = {
        e: const(e.sort, run.states[-1][where[cell]])
        for e, cell in after.items()
        if cell.variable.name in KNOWN
    }
    known = any(e in told for e in subterms(formula))
    return _settled(formula, told), known


def _read(cell: Cell, primed: bool) -> Expr:
    variable = cell.variable.next if primed else cell.variable.now
    if not cell.index:
        return variable
    domains = cell.variable.index
    index = [const(d.sort, k) for d, k in zip(domains, cell.index, strict=True)]
    return select(variable, *index)


def _settled(formula: Expr, by: dict[Expr, Expr]) -> Expr:
    """The formula with its cells' values, where an index may be one, too."""
    while True:
        simpler = substitute(expand(formula), by)
        if simpler is formula:
            return formula
        formula = simpler


def _c(e: Expr, observed: Sequence[str]) -> str:
    """The expression in C, in brackets where need be. Raises _Unseen."""
    match e.op, e.args:
        case "const", _:
            return str(e.data)
        case "eq", (name, value) if name.op == "local" and value.is_const:
            return f'!strcmp(result, "{show_raw(name.sort, value.data)}")'
        case "eq", (value, name) if name.op == "local" and value.is_const:
            return f'!strcmp(result, "{show_raw(name.sort, value.data)}")'
        case "var" | "select", _:
            return f"seen[{_place(e, observed)}]"
        case "not", (a,) if a.op == "eq" and "strcmp" in _c(a, observed):
            return _c(a, observed).removeprefix("!")
        case "not", (a,):
            return f"!{_c(a, observed)}"
        case "ite", (c, a, b):
            parts = [_c(x, observed) for x in (c, a, b)]
            return f"({parts[0]} ? {parts[1]} : {parts[2]})"
        case (("min" | "max"), (a, b)):
            x, y = _c(a, observed), _c(b, observed)
            sign = "<" if e.op == "min" else ">"
            return f"({x} {sign} {y} ? {x} : {y})"
        case op, args if op in _INFIX:
            return f"({f' {_INFIX[op]} '.join(_c(a, observed) for a in args)})"
    raise _Unseen


def _place(e: Expr, observed: Sequence[str]) -> int:
    table = e.args[0] if e.args else e
    if table.op != "var" or not all(a.is_const for a in e.args[1:]):
        raise _Unseen
    name = counter_of(table.data[0], [a.data for a in e.args[1:]])
    if name not in observed:
        raise _Unseen
    return observed.index(name)
