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
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from poolproof.checker.backends.cell_number import bit_number, cell_number
from poolproof.checker.backends.shared import shared, size
from poolproof.checker.backends.templates import joined, template
from poolproof.checker.core.fold import Algebra, beyond, fold, unbound
from poolproof.checker.core.ir import (
    BINDERS,
    FALSE,
    Domain,
    Expr,
    TableSort,
    and_,
    domain_of,
    expand_all,
    not_,
    subterms,
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

    def share_large(self, condition: Expr) -> None:
        """Name the repeated parts of a long condition. In a short one, `and` and `or`
        are left to end early."""
        if _size(condition) > _LARGE and size(condition, named=self.names) > _LARGE:
            self.share([condition])

    def skip_unless(self, condition: Expr, skip: str) -> None:
        """Leave the function, or this turn of a loop, where it is false."""
        self.share_large(condition)
        self.emit(f"if not {self.text(condition)}: {skip}")

    def text(self, e: Expr) -> str:
        """The text of e; what has a name is not read again."""
        return fold((e,), PYTHON, self, self.names.copy())[0]

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
    return _StepWriter(system, action).compiled()


class _StepWriter:
    """The text of an action's function: a loop over each parameter, in which a
    condition is tested as soon as the parameters that it mentions are bound."""

    def __init__(self, system: TransitionSystem, action: Action) -> None:
        self.system, self.action = system, action
        self.w = _PythonWriter(system)
        self.called = f"step_{action.name.replace('.', '_')}"
        self.names = [f"p{k}" for k in range(len(action.parameters))]
        self.arguments = "(" + "".join(f"{n}, " for n in self.names) + ")"
        self.skip = "continue" if self.names else "return out"
        guard = _conditions(action.guard)
        early = [o.formula for o in action.obligations if o.early]
        first = _before(guard, early)
        self.early = self._obligations(True, first)
        self.last: list[Expr] = []
        """Conditions of the guard that come after the early obligations: these concern
        steps for which they are false, too."""
        self.by_depth: list[list[Expr]] = [[] for _ in range(len(self.names) + 1)]
        """The other conditions, by the number of parameters that must be bound."""
        for c, full in zip(guard, expand_all(guard), strict=True):
            sooner = not early or c in first
            (self.by_depth[self._depth(full)] if sooner else self.last).append(full)
        self.late = self._obligations(False, frozenset(guard))
        self.updates = dict(
            zip(action.updates, expand_all(action.updates.values()), strict=True)
        )
        self.result = None if action.result is None else expand_all((action.result,))[0]
        self.taken = _values(self.updates)
        if self.result is not None:
            self.taken.append(self.result)

    def _depth(self, e: Expr) -> int:
        """Return how many parameters must be bound before e has a value."""
        where = (
            i + 1 for i, p in enumerate(self.action.parameters) if p.local in e.free
        )
        return max(where, default=0)

    def _obligations(
        self, early: bool, known: Collection[Expr]
    ) -> list[tuple[int, Expr]]:
        """Return where the obligations fail, by number, if some conditions are known
        to be true."""
        return [
            (k, expand_all((_fails(o.formula, known),))[0])
            for k, o in enumerate(self.action.obligations)
            if o.early == early
        ]

    def compiled(self) -> Successors:
        w = self.w
        w.lines.append(f"def {self.called}(s):")
        w.emit("out = []")
        waiting: list[tuple[int, frozenset[Expr]]] = []
        for depth in range(len(self.names) + 1):
            if depth:
                p = self.action.parameters[depth - 1]
                w.loop(self.names[depth - 1], p, self.action.parameters[depth:])
            for c in self.by_depth[depth]:
                w.skip_unless(c, "continue" if depth else "return out")
            inner = self.action.parameters[depth:]
            if math.prod(len(p.domain) for p in inner) > 1:
                free = frozenset(p.local for p in inner)
                further = [c for some in self.by_depth[depth + 1 :] for c in some]
                w.share([c for c in further if _size(c) > _LARGE], free)
                waiting.append((len(w.lines), free))
                w.emit(f"new{depth} = True")
        self._once_a_loop(waiting)
        self._broken(self.early)
        for c in self.last:
            w.skip_unless(c, self.skip)
        self._broken(self.late)
        self._step()
        w.indent = "    "
        w.emit("return out")
        found: Successors = _compiled("\n".join(w.lines), self.called)
        return found

    def _once_a_loop(self, waiting: list[tuple[int, frozenset[Expr]]]) -> None:
        """Name what inner loops do not change, in the first turn that comes here: most
        loops have none. ``waiting``: the line that starts the loops, and what they
        bind."""
        w = self.w
        indent, unused = w.indent, []
        rest = [f for _, f in self.early + self.late] + self.last + self.taken
        for line, free in waiting:
            flag = w.lines[line].strip().split(" ")[0]
            w.emit(f"if {flag}:")
            w.indent += "    "
            w.emit(f"{flag} = False")
            before = len(w.lines)
            w.share(rest, free)
            w.indent = indent
            if len(w.lines) == before:
                del w.lines[-2:]
                unused.append(line)
        for line in reversed(unused):
            del w.lines[line]

    def _broken(self, some: list[tuple[int, Expr]]) -> None:
        """Test obligations; a step that fails one is that and nothing more."""
        w = self.w
        for k, fails in some:
            if fails is FALSE:
                continue
            w.share_large(fails)
            w.emit(f"if {w.text(fails)}:")
            w.emit(
                f"    out.append(new(Transition, ({self.arguments}, s, None, {k}))); "
                f"{self.skip}"
            )

    def _step(self) -> None:
        """Add the step that is left."""
        w = self.w
        w.share(self.taken)
        w.emit("t = list(s)")
        for name, update in self.updates.items():
            for at, value in writes(update):
                v = self.system.by_name[name]
                texts = [w.text(i) for i in at]
                where, checks = w.position(name, v.index, at, texts)
                guard = f"if {' and '.join(checks)}: " if checks else ""
                w.emit(f"{guard}t[{where}] = {w.text(value)}")
        returned = None if self.result is None else f"int({w.text(self.result)})"
        w.emit(
            f"out.append(new(Transition, "
            f"({self.arguments}, tuple(t), {returned}, None)))"
        )


def _conditions(guard: Expr) -> tuple[Expr, ...]:
    return guard.args if guard.op == "and" else (guard,)


def _needed(formula: Expr) -> Iterator[Expr]:
    """Yield conditions that are all true where the formula is false, and nowhere
    else."""
    for way in formula.args if formula.op == "or" else (formula,):
        yield from conjuncts(not_(way))


def _before(guard: tuple[Expr, ...], early: Sequence[Expr]) -> frozenset[Expr]:
    """Return the conditions of a guard that hold wherever one of the obligations
    fails: without them there is no step, and none that is broken."""
    return frozenset(guard).intersection(*map(_needed, early))


def _fails(formula: Expr, known: Collection[Expr]) -> Expr:
    """Return where an obligation fails, among the places where all ``known``
    conditions hold."""
    return and_(*(c for c in _needed(formula) if c not in known))


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
            w.skip_unless(c, "continue" if depth else "return n")
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

_sizes: dict[Expr, int] = {}
"""Cache of `_size`: most formulas are asked for again, with longer and longer ones."""


def _size(e: Expr) -> int:
    """Return the number of nodes of e's text, if nothing in it has a name."""
    for node in subterms(e, known=_sizes):
        _sizes[node] = 1 + sum(_sizes[a] for a in node.args)
    return _sizes[e]


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
