# SPDX-License-Identifier: GPL-2.0-only
"""The few values that some numbers can have in all reachable states."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

from poolproof.checker.core import ir
from poolproof.checker.core.ir import (
    INT,
    Expr,
    TableSort,
    substitute_all,
    subterms,
)
from poolproof.checker.core.system import TransitionSystem


class FewValues:
    """The few values that some numbers can have in all reachable states."""

    MOST = 16

    def __init__(
        self, system: TransitionSystem, fixed: Mapping[str, Mapping[Expr, Expr]]
    ) -> None:
        self.known: dict[Expr, frozenset[int] | None] = {}
        self.of_variable: dict[str, frozenset[int] | None] = {}
        self.met: set[Expr] = set()
        """What `decide` has looked at, with the comparisons that it replaces, and the
        results. They stay right: no value is added any more."""
        self.outcomes: dict[Expr, Expr] = {}
        self.decided: dict[Expr, Expr] = {}
        for v in system.variables:
            if v.element is INT:
                init = v.init
                if init is not None and init.op == "fill":
                    init = init.args[0]
                start = init is not None and init.is_const
                self.of_variable[v.name] = (
                    frozenset({init.data}) if start and init is not None else None
                )
        updates = [
            (name, substitute_all((u,), fixed[a.name])[0])
            for a in system.actions
            for name, u in a.updates.items()
            if name in self.of_variable
        ]
        changed = True
        while changed:
            changed = False
            for name, update in updates:
                old = self.of_variable[name]
                if old is None:
                    continue
                new = self._stored(update)
                grown = None if new is None else old | new
                if grown is not None and len(grown) > self.MOST:
                    grown = None
                if grown != old:
                    self.of_variable[name] = grown
                    self.known, changed = {}, True

    def _stored(self, update: Expr) -> frozenset[int] | None:
        found: frozenset[int] | None = frozenset()
        while update.op == "store" and found is not None:
            found = _union(found, self.of(update.args[-1]))
            update = update.args[0]
        if update.op == "var" and isinstance(update.sort, TableSort):
            return found
        if isinstance(update.sort, TableSort):
            return None
        return _union(found, self.of(update))

    def of(self, e: Expr) -> frozenset[int] | None:
        """Return the values that e, a number over the state, can have; None if they
        are many, or not known."""
        known = self.known
        for node in subterms(e, known=known):
            known[node] = self._node(node, [known[a] for a in node.args])
        return known[e]

    def _node(
        self, e: Expr, args: list[frozenset[int] | None]
    ) -> frozenset[int] | None:
        if e.sort is not INT:
            return None
        match e.op:
            case "const":
                return frozenset({e.data})
            case "local":
                domain = e.data[1]
                return frozenset(domain) if len(domain) <= self.MOST else None
            case "var":
                return None if e.data[1] else self.of_variable.get(e.data[0])
            case "select":
                table = e.args[0]
                if table.op != "var" or table.data[1]:
                    return None
                return self.of_variable.get(table.data[0])
            case "ite":
                return _union(args[1], args[2])
            case "add" | "sub" | "mul" | "min" | "max" | "div" | "mod":
                return self._computed(e, args)
        return None

    def _computed(
        self, e: Expr, args: list[frozenset[int] | None]
    ) -> frozenset[int] | None:
        choices: list[list[Expr]] = []
        size = 1
        for some in args:
            if some is None or (size := size * len(some)) > 4 * self.MOST:
                return None
            choices.append([ir.num(k) for k in sorted(some)])
        made = (ir.rebuild(e, combination) for combination in product(*choices))
        values = {x.data if x.is_const else None for x in made}
        known = frozenset(k for k in values if k is not None)
        return known if len(known) == len(values) <= self.MOST else None

    def decide(self, root: Expr) -> Expr:
        """Return root with each comparison of a number of few values with a constant
        replaced by one that only depends on the outcome."""
        for node in subterms(root, known=self.met):
            self.met.add(node)
            if node.op in ("lt", "le", "eq") and node.args[0].sort is INT:
                outcome = self._outcome(node)
                if outcome is not node:
                    self.outcomes[node] = outcome
        return substitute_all((root,), self.outcomes, self.decided)[0]

    def _outcome(self, node: Expr) -> Expr:
        a, b = node.args
        of, other = (b, a) if a.is_const else (a, b)
        if not other.is_const or of.op == "local":
            return node
        some = self.of(of)
        if some is None:
            return node
        true = [
            k
            for k in sorted(some)
            if ir.rebuild(node, (a, ir.num(k)) if of is b else (ir.num(k), b))
            is ir.TRUE
        ]
        if len(true) == len(some):
            return ir.TRUE
        return ir.or_(*(Expr("eq", ir.BOOL, (of, ir.num(k))) for k in true))


def _union(a: frozenset[int] | None, b: frozenset[int] | None) -> frozenset[int] | None:
    return None if a is None or b is None else a | b
