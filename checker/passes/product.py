# SPDX-License-Identifier: GPL-2.0-only
"""Two systems that take the same steps: what one does where the other does not.

A step of the product is a step of the `leader`. The `follower` takes the same
action with the same arguments if it can; an action that it does not have leaves
it where it is; where it has the action and cannot take the step, it has *left*,
and the run goes on without it. `alone` asks for a run on which the leader violates
a property and the follower, with the same steps, has not violated its own before
or then. A run ends where the follower violates: what comes later is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from poolproof.checker.core import ir
from poolproof.checker.core.ir import Expr, substitute_all
from poolproof.checker.core.property import Property
from poolproof.checker.core.system import (
    Action,
    State,
    TransitionSystem,
    Variable,
    conjuncts,
)


def same_behaviour(one: TransitionSystem, other: TransitionSystem) -> bool:
    """Return whether the two are the same system apart from their names, citations
    and places in a text. False only says that their expressions differ."""
    return _essence(one) == _essence(other)


def _essence(system: TransitionSystem) -> tuple[object, ...]:
    return (
        tuple((v.name, v.sort, v.lo, v.hi, v.init) for v in system.variables),
        tuple(
            (
                a.name,
                a.parameters,
                a.guard,
                tuple(sorted(a.updates.items())),
                a.result,
                tuple((o.kind, o.formula, o.message) for o in a.obligations),
                tuple((s.why, s.cut) for s in a.assumptions),
            )
            for a in sorted(system.actions, key=lambda a: a.name)
        ),
        system.initial,
        tuple(system.least.items()),
        tuple(sorted(system.bounds.items())),
        system.lacking,
    )


@dataclass(frozen=True)
class Alone:
    """The product of two systems, and the properties to ask of it: one for each
    action that the leader's property is about."""

    system: TransitionSystem
    properties: tuple[Property, ...]
    cells: int
    """The leader's cells, which come first in a state; whether the follower has left
    comes last."""

    def leads(self, state: State) -> State:
        """Return the leader's part of a state."""
        return state[: self.cells]

    def follows(self, state: State) -> State:
        """Return the follower's part of a state."""
        return state[self.cells : -1]


class Undetermined(ValueError):
    """The steps of the leader do not say what the follower does."""


def alone(
    leader: TransitionSystem,
    follower: TransitionSystem,
    mine: Property,
    its: Property,
) -> Alone:
    """Return the question: is there a run on which the leader violates ``mine`` and
    the follower, by the same steps, does not violate ``its``? Both are invariants or
    step properties. Raise Undetermined if the follower has a choice of starts that
    the leader does not have, or if the properties are about different actions."""
    return _Product(leader, follower, mine, its).made()


@dataclass
class _Product:
    leader: TransitionSystem
    follower: TransitionSystem
    mine: Property
    its: Property

    def __post_init__(self) -> None:
        follower = self.follower
        if not self.about_the_same():
            raise Undetermined(f"{self.its.action} has other parameters")
        self.prefix = "base."
        while any(v.name.startswith(self.prefix) for v in self.leader.variables):
            self.prefix = f"base_{self.prefix}"
        renamed: dict[Expr, Expr] = {}
        for v in follower.variables:
            copy = replace(v, name=self.prefix + v.name)
            renamed |= {v.now: copy.now, v.next: copy.next}
        self.renamed, self.memo = renamed, dict[Expr, Expr]()
        self.left = Variable(
            f"{self.prefix}left",
            ir.BOOL,
            ir.const(ir.BOOL, 0),
            ir.const(ir.BOOL, 1),
            ir.FALSE,
        )
        self.there = ir.not_(self.left.now)
        self.variables = {
            v.name: replace(v.map(self.rename), name=self.prefix + v.name)
            for v in follower.variables
        }

    def about_the_same(self) -> bool:
        """Return whether both properties speak of all steps, or of steps with the same
        arguments."""
        name = self.its.action
        if name is None or self.mine.action != name:
            return name is self.mine.action
        of = (s.action_by_name[name].parameters for s in (self.leader, self.follower))
        return len(set(of)) == 1

    def rename(self, e: Expr) -> Expr:
        """Return the follower's expression over its variables in the product."""
        return substitute_all((e,), self.renamed, self.memo)[0]

    def made(self) -> Alone:
        leader = self.leader
        system = replace(
            leader,
            name=f"{leader.name} beside {self.follower.name}",
            variables=(*leader.variables, *self.variables.values(), self.left),
            actions=tuple(self.action(a) for a in leader.actions),
            initial=ir.and_(
                leader.initial, self.rename(self.follower.initial), *self.same_start()
            ),
        )
        return Alone(system, tuple(self.properties()), len(leader.cells))

    def properties(self) -> Iterator[Property]:
        """The leader's property, where the follower does not violate its own; a step
        property action by action, as the follower takes part in some only."""
        mine = replace(self.mine, antecedents=(), expect=None)
        if mine.kind.of_states:
            yield replace(mine, formula=ir.or_(mine.formula, self.violates_now()))
            return
        for a in self.leader.actions:
            if mine.about(a):
                known = self.violates_by(a)
                formula = ir.or_(mine.formula, known)
                name = f"{mine.name}@{a.name}"
                yield replace(mine, name=name, action=a.name, formula=formula)

    def same_start(self) -> Iterator[Expr]:
        """Yield the conditions that the follower starts as the leader does."""
        own = self.leader.by_name
        for v in self.follower.variables:
            if v.init is not None:
                continue
            like = own.get(v.name)
            if like is None or like.sort is not v.sort or like.init is not None:
                raise Undetermined(f"{v.name} may start with any value")
            other = self.variables[v.name]
            if not isinstance(v.sort, ir.TableSort):
                yield ir.eq(like.now, other.now)
                continue
            for index in ir.index_space(v.sort):
                yield ir.eq(ir.select(like.now, *index), ir.select(other.now, *index))

    def violates_now(self) -> Expr:
        return ir.and_(self.there, ir.not_(self.rename(self.its.formula)))

    def violates_by(self, a: Action) -> Expr:
        """The follower takes the step of the leader's action, too, and violates its
        property; its result is what it returns itself."""
        b = self.like(a)
        if b is None or not self.its.about(b):
            return ir.FALSE
        formula = self.rename(self.its.formula)
        if self.its.action is not None and b.result is not None:
            formula = ir.substitute(formula, {b.returned: self.rename(b.result)})
        return ir.and_(self.there, self.rename(b.guard), ir.not_(formula))

    def like(self, a: Action) -> Action | None:
        """The follower's action that it takes where the leader takes this one."""
        b = self.follower.action_by_name.get(a.name)
        return b if b is not None and b.parameters == a.parameters else None

    def action(self, a: Action) -> Action:
        """The leader's action, and what it makes the follower do."""
        b = self.like(a)
        known = self.its.kind.of_states
        guard = ir.and_(a.guard, ir.not_(self.violates_now())) if known else a.guard
        if b is None:
            return replace(a, guard=guard)
        possible = self.rename(b.guard)
        now = {n: v.now for n, v in self.variables.items()}
        after = {n: self.rename(b.updates.get(n, v.now)) for n, v in self._own()}
        along = ir.and_(self.there, possible)
        lost = ir.or_(self.left.now, ir.not_(possible))
        if self.its.about(a):
            broken = self.broken(b, after)
            guard = ir.and_(guard, ir.not_(ir.and_(along, broken)))
        given = {c: ir.TRUE for c in conjuncts(guard)}
        updates = dict(a.updates)
        leaves = ir.substitute(lost, given)
        for name, own in self._own():
            key = self.prefix + name
            kept = ir.ite(along, after[name], now[name])
            if leaves is not ir.FALSE and own.init is not None:
                kept = ir.ite(leaves, self.start(own), kept)
            kept = ir.substitute(kept, given)
            if kept is not now[name]:
                updates[key] = kept
        if leaves is not self.left.now:
            updates[self.left.name] = leaves
        return replace(a, guard=guard, updates=updates)

    def _own(self) -> Iterator[tuple[str, Variable]]:
        return ((v.name, v) for v in self.follower.variables)

    def start(self, v: Variable) -> Expr:
        """The variable as it was at the start: one state for all where the follower
        has left."""
        assert v.init is not None
        init, now = self.rename(v.init), self.variables[v.name].now
        if not isinstance(v.sort, ir.TableSort):
            return init
        for index in ir.index_space(v.sort):
            whole = isinstance(init.sort, ir.TableSort)
            cell = ir.select(init, *index) if whole else init
            now = ir.store(now, *index, cell)
        return now

    def broken(self, b: Action, after: Mapping[str, Expr]) -> Expr:
        """The step of the follower violates its property, over the state before."""
        held = self.rename(self.its.formula)
        by = {self.variables[n].next: after[n] for n in after}
        if self.its.action is not None and b.result is not None:
            by[b.returned] = self.rename(b.result)
        return ir.not_(ir.substitute(held, by))
