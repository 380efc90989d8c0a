# SPDX-License-Identifier: GPL-2.0-only
"""The formulas of a system, as the search for index symmetries reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby

from poolproof.checker.core.ir import (
    BINDERS,
    INT,
    Expr,
    binder_of,
    eq,
    local,
    not_,
    substitute_all,
    subterms,
)
from poolproof.checker.core.property import Property
from poolproof.checker.core.ranges import declared
from poolproof.checker.core.system import (
    Action,
    Obligation,
    Role,
    TransitionSystem,
    conjuncts,
)
from poolproof.checker.passes.equivariance import renamed
from poolproof.checker.passes.indices.values import FewValues


@dataclass
class Scope:
    """Formulas that share their parameters: an action's, or a property's. Each
    of ``alike`` is a list of obligations that are asked one after the other and
    have the same answer."""

    name: str
    formulas: list[Expr] = field(default_factory=list)
    parameters: tuple[Expr, ...] = ()
    alike: list[list[Expr]] = field(default_factory=list)

    @property
    def roots(self) -> list[Expr]:
        return [*self.formulas, *(e for some in self.alike for e in some)]


class SimplifiedFormulas:
    """The formulas of a system with its properties, simplified: parameters that
    the guard fixes are put in, and what a comparison with a constant comes to
    is decided by the values that variables can have at all."""

    def __init__(
        self, system: TransitionSystem, properties: tuple[Property, ...]
    ) -> None:
        self.system = system
        self.fixed = {a.name: _fixed(a) for a in system.actions}
        self.fixed_in: dict[str, dict[Expr, Expr]] = {}
        """Of each action, what was read with its fixed parameters put in."""
        self.values = FewValues(system, self.fixed)
        self.growing = _growing(system)
        self.apart = _Apart()
        self.scopes = [self._start(), *map(self._of_action, system.actions)]
        by_name = {s.name: s for s in self.scopes}
        for p in properties:
            formulas = list(p.formulas())
            if not p.kind.of_steps:
                self.scopes.append(Scope(p.name, self._put(formulas, {})))
                continue
            for a in system.actions:
                if p.action in (None, a.name):
                    by, memo = self.fixed[a.name], self.fixed_in[a.name]
                    by_name[a.name].formulas += self._put(formulas, by, memo)

    def _start(self) -> Scope:
        formulas = [
            f.expr
            for f in self.system.formulas()
            if f.action is None and f.role in (Role.INITIAL, Role.INIT)
        ]
        return Scope("the initial state", self._put(formulas, {}))

    def _of_action(self, a: Action) -> Scope:
        by, memo = self.fixed[a.name], self.fixed_in.setdefault(a.name, {})
        plain = [f.expr for f in a.formulas() if f.role is not Role.OBLIGATION]
        return Scope(
            a.name,
            self._put(plain, by, memo),
            tuple(p.local for p in a.parameters if p.local not in by),
            [
                self._put([due.formula for due in dues], by, memo)
                for _, dues in groupby(a.obligations, _answer)
            ],
        )

    def _put(
        self,
        roots: list[Expr],
        by: Mapping[Expr, Expr],
        memo: dict[Expr, Expr] | None = None,
    ) -> list[Expr]:
        decided = (self.values.decide(e) for e in substitute_all(roots, by, memo))
        return [self.apart.rename(e) for e in decided]


def _answer(due: Obligation) -> tuple[bool, object]:
    """What a search says of an obligation that fails. It says so of the first one
    only: those with one answer may only change places if they are neighbours."""
    return due.early, due.says


def _fixed(action: Action) -> dict[Expr, Expr]:
    """The parameters that can have one value only, by the guard. Assumptions and
    early obligations do not wait for the guard: they must say it themselves."""
    found: dict[Expr, Expr] = {}
    mine = {p.local for p in action.parameters}
    for c in conjuncts(action.guard):
        if c.op == "eq" and c.args[0] in mine and c.args[1].is_const:
            found[c.args[0]] = c.args[1]
    asked = [(x.cut, set(conjuncts(x.cut))) for x in action.assumptions]
    for due in action.obligations:
        if due.early:
            e = due.formula
            ways = e.args if e.op == "or" else (e,)
            asked.append((e, {c for way in ways for c in conjuncts(not_(way))}))
    for e, known in asked:
        for x in e.free.intersection(found):
            if eq(x, found[x]) not in known:
                del found[x]
    return found


def _growing(system: TransitionSystem) -> dict[str, int]:
    """The variables that no action makes less, with their greatest values."""
    found: dict[str, int] = {}
    for v in system.variables:
        most = declared(v)[1]
        if v.sort is not INT or most is None:
            continue
        updates = [a.updates[v.name] for a in system.actions if v.name in a.updates]
        if all(_grows(u, v.now) for u in updates):
            found[v.name] = most
    return found


def _grows(e: Expr, now: Expr) -> bool:
    """Return whether e is ``now`` plus constants that are not negative."""
    if e.op == "ite":
        return all(_grows(a, now) for a in e.args[1:])
    parts = list(e.args) if e.op == "add" else [e]
    if parts.count(now) != 1:
        return False
    parts.remove(now)
    return all(p.is_const and p.data >= 0 for p in parts)


class _Apart:
    """Gives each binder a name of its own: its rows are those of its body."""

    def __init__(self) -> None:
        self.done: dict[Expr, Expr] = {}
        self.fresh = 0

    def rename(self, root: Expr) -> Expr:
        for e in subterms(root, known=self.done):
            args = tuple(self.done[a] for a in e.args)
            data = e.data
            if e.op in BINDERS:
                self.fresh += 1
                data = (f"{e.data[0]}#{self.fresh}", e.data[1])
                args = (renamed(args[0], binder_of(e), local(*data)),)
            self.done[e] = Expr(e.op, e.sort, args, data)
        return self.done[root]
