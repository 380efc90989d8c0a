# SPDX-License-Identifier: GPL-2.0-only
"""The IR as Python source, for the explicit engine and as an oracle.

A state is the flat tuple of `TransitionSystem.cells`. An action becomes one
function that loops over its parameters and yields every enabled step; shared
subterms are computed once, as locals, also where they have no meaning. So a
table reads 0 outside its domain, where no set has an element: the obligations
that forbid it are checked beforehand.
"""

from __future__ import annotations

import math
from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from poolproof.checker.backends.cell_number import bit_number, cell_number
from poolproof.checker.backends.shared import shared, size
from poolproof.checker.backends.templates import joined, template
from poolproof.checker.core.fold import Algebra, beyond, fold, unbound
from poolproof.checker.core.ir import (
    BINDERS,
    Domain,
    Expr,
    TableSort,
    domain_of,
    expand_all,
)
from poolproof.checker.core.limits import tick
from poolproof.checker.core.system import (
    Action,
    Assumption,
    Parameter,
    State,
    TransitionSystem,
    conjuncts,
    writes,
)


class Transition(NamedTuple):
    """A step that an action allows in a state. ``result`` is raw, None of an
    action without one. Where the step fails an obligation, ``broken`` is its
    number, and ``after`` means nothing."""

    arguments: tuple[int, ...]
    after: State
    result: int | None = None
    broken: int | None = None


Successors = Callable[[State], list[Transition]]
"""Every enabled step of one action from a state."""


@dataclass
class _PythonWriter:
    """Expressions to Python text, naming what is used more than once."""

    system: TransitionSystem
    names: dict[Expr, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    indent: str = "    "
    fresh: int = 0

    def emit(self, line: str) -> None:
        self.lines.append(self.indent + line)

    def loop(self, name: str, p: Parameter, inside: Sequence[Parameter]) -> None:
        """Begin the loop over a parameter; those over others are ``inside``."""
        self.names[p.local] = name
        self.emit(f"for {name} in range({p.domain.lo}, {p.domain.hi + 1}):")
        self.indent += "    "
        inner = math.prod(len(q.domain) for q in inside)
        if inner >= _LONG:
            self.emit(f"tick({inner})")

    def share(
        self, roots: Iterable[Expr], unbound: frozenset[Expr] = frozenset()
    ) -> None:
        """Assign locals to the subterms that several users have, except those that
        mention an ``unbound`` parameter."""
        roots = tuple(roots)
        for e in shared(roots, self.names, roots):
            if unbound and not e.free.isdisjoint(unbound):
                continue
            if e.op not in ("store", "fill"):
                text = self.text(e)
                self.fresh += 1
                self.names[e] = f"x{self.fresh}"
                self.emit(f"x{self.fresh} = {text}")

    def text(self, e: Expr) -> str:
        """The text of e; what has a name is not read again."""
        return fold((e,), PYTHON, self, ChainMap({}, self.names))[0]

    def position(
        self,
        name: str,
        domains: tuple[Domain, ...],
        index: Sequence[Expr],
        texts: Sequence[str],
    ) -> tuple[str, list[str]]:
        """(text of the cell's number, conditions under which it is one).
        ``texts`` are the index's."""
        first = self.system.cell_of[name, tuple(d.lo for d in domains)]
        return cell_number(first, domains, index, texts, _within, "False")


def _within(text: str, domain: Domain) -> str:
    return f"{domain.lo} <= {text} <= {domain.hi}"


def _constant(w: _PythonWriter, e: Expr) -> str:
    return f"({e.data})" if e.data < 0 else str(e.data)


def _state(primed: bool) -> str:
    return "t" if primed else "s"


def _variable(w: _PythonWriter, e: Expr) -> str:
    name, primed = e.data
    if isinstance(e.sort, TableSort):
        return ""  # its cells are read by `select`
    return f"{_state(primed)}[{w.system.cell_of[name, ()]}]"


def _select(w: _PythonWriter, e: Expr, _: str, *index: str) -> str:
    table, *at = e.args
    if table.op != "var":
        raise ValueError(f"{e}: a table that is no variable")
    name, primed = table.data
    v = w.system.by_name[name]
    where, checks = w.position(v.name, v.index, at, index)
    read = f"{_state(primed)}[{where}]"
    return f"({read} if {' and '.join(checks)} else 0)" if checks else read


def _member(w: _PythonWriter, e: Expr, element: str, members: str) -> str:
    bit, test = bit_number(e.args[0], element, domain_of(e.args[1]), _within)
    return f"({test + ' and ' if test else ''}{members} >> {bit} & 1 == 1)"


def _single(w: _PythonWriter, e: Expr, element: str) -> str:
    bit, test = bit_number(e.args[0], element, domain_of(e), _within)
    return f"(1 << {bit} if {test} else 0)" if test else f"(1 << {bit})"


PYTHON: Algebra[str] = {
    "const": _constant,
    "param": unbound,
    "var": _variable,
    "local": unbound,
    "not": template("(not {a})"),
    "and": joined("and"),
    "or": joined("or"),
    "eq": template("({a} == {b})"),
    "lt": template("({a} < {b})"),
    "le": template("({a} <= {b})"),
    "add": joined("+"),
    "sub": template("({a} - {b})"),
    "mul": template("({a} * {b})"),
    "div": template("({a} // {b})"),
    "mod": template("({a} % {b})"),
    "min": template("min({a}, {b})"),
    "max": template("max({a}, {b})"),
    "ite": template("({b} if {a} else {c})"),
    "in": _member,
    "union": template("({a} | {b})"),
    "inter": template("({a} & {b})"),
    "diff": template("({a} & ~{b})"),
    "single": _single,
    "card": template("({a}).bit_count()"),
    "select": _select,
    **dict.fromkeys(BINDERS | {"store", "fill", "map"}, beyond),
}


def _compiled(text: str, name: str) -> Any:
    scope: dict[str, Any] = {
        "tick": tick,
        "new": tuple.__new__,
        "Transition": Transition,
    }
    exec(compile(text, f"<{name}>", "exec"), scope)
    return scope[name]


def successors(system: TransitionSystem, action: Action) -> Successors:
    """All enabled steps of one action from a state. A step whose obligation
    fails comes with the obligation's number; its next state means nothing."""
    key = _formulas(action)
    layout, found = _kept.get(key, ((), None))
    if found is None or layout != system.layout:
        found = _successors(system, action)
        if len(_kept) >= _MOST:
            _kept.clear()
        _kept[key] = system.layout, found
    return found


_MOST = 500
"""Functions that are not compiled again: a scenario is asked of one size after the
other, and its actions are mostly the same."""

_kept: dict[tuple[Any, ...], tuple[tuple[Any, ...], Successors]] = {}
"""The last function for an action, with the layout of its states."""


def _formulas(action: Action) -> tuple[Any, ...]:
    """All that `successors` reads of an action."""
    return (
        action.name,
        action.parameters,
        action.guard,
        action.result,
        *action.updates.items(),
        *((o.formula, o.early) for o in action.obligations),
    )


def _successors(system: TransitionSystem, action: Action) -> Successors:
    w = _PythonWriter(system)
    names = [f"p{k}" for k in range(len(action.parameters))]
    parts = list(
        expand_all(action.guard.args if action.guard.op == "and" else (action.guard,))
    )
    early = [(k, o) for k, o in enumerate(action.obligations) if o.early]
    late = [(k, o) for k, o in enumerate(action.obligations) if not o.early]
    called = f"step_{action.name.replace('.', '_')}"
    w.lines.append(f"def {called}(s):")
    w.emit("out = []")
    # a conjunct is tested as soon as the parameters that it mentions are bound;
    # an early obligation concerns disabled steps too, and then tests come last
    depth_of = {
        c: max(
            (i + 1 for i, p in enumerate(action.parameters) if p.local in c.free),
            default=0,
        )
        for c in parts
    }
    if early:
        depth_of = dict.fromkeys(parts, len(names))
    updates = dict(
        zip(action.updates, expand_all(action.updates.values()), strict=True)
    )
    result = expand_all((action.result,))[0] if action.result is not None else None
    taken = [*_values(updates), *([result] if result is not None else [])]
    for depth in range(len(names) + 1):
        if depth:
            p = action.parameters[depth - 1]
            w.loop(names[depth - 1], p, action.parameters[depth:])
        if depth == len(names) and early:
            _obligations(w, names, early)
        for c in (c for c in parts if depth_of[c] == depth):
            _share_large(w, c)
            w.emit(f"if not {w.text(c)}: {'continue' if depth else 'return out'}")
        unbound = action.parameters[depth:]
        if unbound and len(unbound[0].domain) > 1:  # what a loop does not change
            w.share(taken, frozenset(p.local for p in unbound))
    _obligations(w, names, late)
    w.share(taken)
    w.emit("t = list(s)")
    for name, update in updates.items():
        for at, value in writes(update):
            v = system.by_name[name]
            texts = [w.text(i) for i in at]
            where, checks = w.position(name, v.index, at, texts)
            guard = f"if {' and '.join(checks)}: " if checks else ""
            w.emit(f"{guard}t[{where}] = {w.text(value)}")
    arguments = "(" + "".join(f"{n}, " for n in names) + ")"
    returned = f"int({w.text(result)})" if result is not None else None
    w.emit(f"out.append(new(Transition, ({arguments}, tuple(t), {returned}, None)))")
    w.indent = "    "
    w.emit("return out")
    found: Successors = _compiled("\n".join(w.lines), called)
    return found


def _obligations(
    w: _PythonWriter, names: list[str], some: list[tuple[int, Any]]
) -> None:
    arguments = "(" + "".join(f"{n}, " for n in names) + ")"
    for k, o in some:
        formula = expand_all((o.formula,))[0]
        skip = "continue" if names else "return out"
        _share_large(w, formula)
        w.emit(f"if not {w.text(formula)}:")
        w.emit(f"    out.append(new(Transition, ({arguments}, s, None, {k}))); {skip}")


Cuts = Callable[[State], int]
"""How many steps an assumption cuts in a state."""


def cuts(system: TransitionSystem, action: Action, assumed: Assumption) -> Cuts:
    """A function of a state that counts the steps which one of the action's
    assumptions cuts: the choices of arguments for which ``cut`` is true. A
    conjunct is tested as soon as the parameters that it mentions are bound;
    parameters that none mentions only multiply."""
    w = _PythonWriter(system)
    called = f"cuts_{action.name.replace('.', '_')}"
    w.lines.append(f"def {called}(s):")
    left = list(expand_all(conjuncts(assumed.cut)))
    used = [p for p in action.parameters if any(p.local in c.free for c in left)]
    times = math.prod(len(p.domain) for p in action.parameters if p not in used)
    w.emit("n = 0")
    waiting = {p.local for p in used}
    for depth in range(len(used) + 1):
        if depth:
            p = used[depth - 1]
            waiting.remove(p.local)
            w.loop(f"p{depth}", p, used[depth:])
        for c in [c for c in left if not c.free & waiting]:
            left.remove(c)
            _share_large(w, c)
            w.emit(f"if not {w.text(c)}: {'continue' if depth else 'return n'}")
    w.emit(f"n += {times}")
    w.indent = "    "
    w.emit("return n")
    found: Cuts = _compiled("\n".join(w.lines), called)
    return found


_LONG = 100
"""Steps that are tried between two looks at the budget, where there are more."""

_LARGE = 300
"""Nodes of a condition's text from which on repeated parts get names; below,
`and` and `or` are left to end early."""


def _share_large(w: _PythonWriter, condition: Expr) -> None:
    if size(condition, named=w.names) > _LARGE:
        w.share([condition])


def _values(updates: Mapping[str, Expr]) -> list[Expr]:
    return [e for u in updates.values() for at, v in writes(u) for e in (*at, v)]


def predicates(
    system: TransitionSystem, formulas: Iterable[Expr]
) -> Callable[[State], tuple[bool, ...]]:
    """One function of a state that evaluates all formulas."""
    return _of_state(system, formulas, "bool")


def values(
    system: TransitionSystem, expressions: Iterable[Expr]
) -> Callable[[State], tuple[int, ...]]:
    """One function of a state that returns the raw values of all expressions."""
    return _of_state(system, expressions, "int")


def _of_state(
    system: TransitionSystem, expressions: Iterable[Expr], kind: str
) -> Callable[[State], tuple[Any, ...]]:
    w = _PythonWriter(system)
    w.lines.append("def truth(s):")
    found: Callable[[State], tuple[Any, ...]] = _returning(w, expressions, kind)
    return found


def _returning(w: _PythonWriter, expressions: Iterable[Expr], kind: str) -> Any:
    """Return the function `truth`, which returns all expressions."""
    expanded = expand_all(expressions)
    w.share(expanded)
    w.emit("return (" + "".join(f"{kind}({w.text(e)}), " for e in expanded) + ")")
    return _compiled("\n".join(w.lines), "truth")


StepPredicates = Callable[[State, State, tuple[int, ...], int | None], tuple[bool, ...]]


def step_predicates(
    system: TransitionSystem, action: Action, formulas: Iterable[Expr]
) -> StepPredicates:
    """One function of (before, after, arguments, result) for all formulas."""
    w = _PythonWriter(system)
    w.lines.append("def truth(s, t, p, r):")
    for k, p in enumerate(action.parameters):
        w.names[p.local] = f"p[{k}]"
    if action.result is not None:
        w.names[action.returned] = "r"
    found: StepPredicates = _returning(w, formulas, "bool")
    return found


def in_range(system: TransitionSystem) -> Callable[[State], int | None]:
    """A function of a state: the number of a cell outside its range, or None."""
    w = _PythonWriter(system)
    w.lines.append("def outside(s):")
    for k, cell in enumerate(system.cells):
        v = cell.variable
        if v.lo is not None:
            w.emit(f"if s[{k}] < {w.text(v.lo)}: return {k}")
        if v.hi is not None:
            w.emit(f"if s[{k}] > {w.text(v.hi)}: return {k}")
    w.emit("return None")
    found: Callable[[State], int | None] = _compiled("\n".join(w.lines), "outside")
    return found
