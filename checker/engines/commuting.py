# SPDX-License-Identifier: GPL-2.0-only
"""Steps that z3 proves to commute with those of all other tasks.

`passes.partial_order` looks at the names of variables only, which is coarse: a task
that has a lock, or a VMA of its own, shares no cell with the others, but shares the
table. Here z3 proves the conditions, in all states within the declared ranges in which
each task holds what it must hold at its place. That is an invariant, which is proved
first: the largest inductive set of facts "at this place the task is the holder of the
element that this local names", for tables of holders (locks, owners of VMAs). Houdini
finds it.

The conditions at a place, for each step a of its task and each step b of anybody else
(Clarke, Grumberg and Peled, "Model Checking", 1999, chapter 10):

- b does not decide whether a is possible, a does not make b impossible, and both orders
  lead to the same state (C1). Neither step changes the assumptions of the other, or its
  index and assert obligations.
- a changes the truth of no property (C2). It writes no variable of a property about
  single steps, or of the result that it mentions. If a property about a itself is not
  proved, or has antecedents, which may come true in one order only, a is not taken
  first.
- Such steps form no cycle (C3).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from poolproof.checker.backends.smt import (
    Lowering,
    Term,
    Value,
    conjunction,
    disjunction,
    negation,
)
from poolproof.checker.core import ir
from poolproof.checker.core.ir import Expr
from poolproof.checker.core.limits import SECOND
from poolproof.checker.core.processes import PLACE
from poolproof.checker.core.property import DEADLOCK, Property
from poolproof.checker.core.system import (
    Action,
    TransitionSystem,
    Variable,
    writes,
)
from poolproof.checker.engines.any_state import AnyState, Late
from poolproof.checker.passes.partial_order import (
    At,
    constants,
    standing,
    without_circles,
)

_MOST = 2 * SECOND
"""Units of work for one place, and for one action's part of the invariant."""


def commuting(
    system: TransitionSystem, properties: Sequence[Property]
) -> tuple[Action, ...]:
    """Return the actions whose steps may be taken first, as far as z3 proves it."""
    if any(p.kind.of_steps and p.action is None for p in properties):
        return ()
    stands = [at for at in standing(system, PLACE) if at.part.step]
    places = dict.fromkeys(at.place for at in stands if at.place.data != 0)
    if not places:
        return ()
    try:
        held = _held(system, list(places))
        open_ = [p for p in properties if not _is_proved(system, p, held)]
        found = []
        for place in places:
            mine = [_leaving(at) for at in stands if at.place is place]
            if _Place(system, open_, mine, held).is_private():
                found += mine
    except Late:
        return ()
    return tuple(at.part.action for at in without_circles(found))


# --- what a task holds at its place ------------------------------------------------


@dataclass(frozen=True)
class _Held:
    """A fact about each task at ``place``: the table ``holder`` has the task at the
    index that ``local``, a table over the tasks, has for it (without a local: at its
    only index). Without a holder: the local is an element, not none."""

    place: Expr
    holder: Variable | None
    local: Variable | None

    def may_end(self, action: Action, leads: frozenset[Expr] | None) -> bool:
        """Return whether a step of the action could make the fact false. ``leads``
        are the places where tasks may be after the step (None: any)."""
        read = {v.name for v in (self.holder, self.local) if v is not None}
        writes = bool(read & action.updates.keys())
        return writes or leads is None or self.place in leads

    def fact(self, at: Variable) -> Expr:
        """Return the fact for all tasks, over the state."""
        return ir.and_(*self._facts(at))

    def _facts(self, at: Variable) -> Iterator[Expr]:
        (tasks,) = at.index
        for task in (ir.const(tasks.sort, t) for t in tasks):
            here = ir.eq(ir.select(at.now, task), self.place)
            named = [ir.TRUE]
            if self.local is not None:
                local = ir.select(self.local.now, task)
                named = [ir.eq(local, k) for k in _elements(self)]
                yield ir.implies(here, ir.or_(*named))
            for k, is_named in zip(_elements(self), named, strict=True):
                if self.holder is not None:
                    cell = ir.select(self.holder.now, k)
                    mine = ir.eq(cell, ir.const(self.holder.element, task.data))
                    yield ir.implies(ir.and_(here, is_named), mine)


def _elements(held: _Held) -> list[Expr]:
    """Return the possible values of the index."""
    if held.holder is not None:
        (domain,) = held.holder.index
        return [ir.const(domain.sort, k) for k in domain]
    assert held.local is not None
    sort = held.local.element
    assert isinstance(sort, ir.ScalarSort)
    return [ir.const(sort, k) for k in range(sort.size)]


def _held(system: TransitionSystem, places: Sequence[Expr]) -> list[Expr]:
    """Return what the tasks hold at the places, as proved invariants."""
    (at,) = (v for v in system.variables if v.name == PLACE)
    leads = {a.name: constants(a.updates.get(PLACE)) for a in system.actions}
    kept = {h: h.fact(at) for h in _candidates(system, at, places)}
    changed = bool(kept)
    while changed:
        changed = False
        for action in system.actions:
            touched = [h for h in kept if h.may_end(action, leads[action.name])]
            if not touched:
                continue
            state = AnyState(system, _MOST)
            state.low.locals.update(state.arguments(action))
            state.given(state.low.all([*kept.values(), action.guard]))
            after = Lowering(system, state.encoding, state.low.state_after(action))
            claims = {h: after.truth(kept[h]) for h in touched}
            if state.follows(conjunction(claims.values())):
                continue
            lost = [h for h, claim in claims.items() if not state.follows(claim)]
            kept = {h: fact for h, fact in kept.items() if h not in lost}
            changed = changed or bool(lost)
    return list(kept.values())


def _is_proved(system: TransitionSystem, p: Property, held: Sequence[Expr]) -> bool:
    """Return whether z3 proves that a property of an action's steps holds wherever
    tasks hold what they must: no order of steps then violates it. One with
    antecedents is not tried: without the right order it may be vacuous."""
    if not p.kind.of_steps or p.action is None or p.antecedents:
        return False
    state, action = AnyState(system, _MOST), system.action_by_name[p.action]
    if action.result is not None and action.returned in ir.subterms(p.formula):
        return False
    state.low.locals.update(state.arguments(action))
    state.given(state.low.all([*held, action.guard]))
    step = state.low.of_step(action, state.low.state_after(action))
    return state.follows(step.truth(p.formula))


def _candidates(
    system: TransitionSystem, at: Variable, places: Sequence[Expr]
) -> Iterator[_Held]:
    """Yield the candidates for `_held`, which are true initially: no task starts at
    their place. The names of a place and of its locals begin with the action's name
    and a dot."""
    if at.init is None or at.init.op != "fill" or not at.init.args[0].is_const:
        return
    (tasks,) = at.index
    tables = [v for v in system.variables if v.index == at.index and v is not at]
    holders = [
        v
        for v in system.variables
        if v.element is tasks.sort and len(v.index) == 1 and v.index != at.index
    ]
    for place in (p for p in places if p is not at.init.args[0]):
        action = ir.show(place).partition(".")[0]
        locals_ = [v for v in tables if v.name.partition(".")[0] == action]
        for local in locals_:
            if isinstance(local.element, ir.ScalarSort):
                yield _Held(place, None, local)
        for holder in holders:
            (elements,) = holder.index
            if len(elements) == 1:
                yield _Held(place, holder, None)
            for local in locals_:
                if local.element is elements.sort:
                    yield _Held(place, holder, local)


# --- one place ---------------------------------------------------------------------


@dataclass
class _Move:
    """An action with unknown arguments, and the task that takes it. `now` lowers its
    formulas in the arbitrary state."""

    state: AnyState
    action: Action
    now: Lowering

    @classmethod
    def of(cls, state: AnyState, action: Action, label: str) -> _Move:
        known = state.arguments(action, label)
        low = Lowering(state.system, state.encoding, state.low.now, locals=known)
        return cls(state, action, low)

    def at(self, cells: Sequence[Value]) -> Lowering:
        """Return the lowering of the action's formulas in another state."""
        known = dict(self.now.locals)
        return Lowering(self.state.system, self.state.encoding, cells, locals=known)

    def after(self, low: Lowering) -> list[Value]:
        return low.state_after(self.action)

    def owed(self) -> list[Expr]:
        """Return the action's obligations and the formulas of its assumptions."""
        due = [o.formula for o in self.action.obligations]
        return [*due, *(a.cut for a in self.action.assumptions)]


@dataclass
class _Place:
    """The steps of a task from a place, in an arbitrary state. ``mine`` are those that
    the task may take there; ``held`` is true of the state."""

    system: TransitionSystem
    properties: Sequence[Property]
    mine: Sequence[At]
    held: Sequence[Expr]

    def __post_init__(self) -> None:
        self.state = state = AnyState(self.system, _MOST)
        state.given(state.low.all(self.held))
        self.moves = [_Move.of(state, at.part.action, "") for at in self.mine]
        self.others = [_Move.of(state, b, " of another") for b in self.system.actions]

    def is_private(self) -> bool:
        """Return whether z3 proves the conditions for each step."""
        each = list(zip(self.mine, self.moves, strict=True))
        return all(self._is_unseen(at, a) for at, a in each) and all(
            self._commutes(at, a, b) for at, a in each for b in self.others
        )

    def _is_unseen(self, at: At, a: _Move) -> bool:
        """C2: return whether the step changes no property, and leads its task to
        another place."""
        if at.leads is None:
            return False
        self.state.solver.push()
        self.state.given([a.now.truth(a.action.guard)])
        after = a.after(a.now)
        stays = self._is_there(at)
        unseen = self.state.follows(negation(a.at(after).truth(stays))) and all(
            self._has_not_seen(p, a, after) for p in self.properties
        )
        self.state.solver.pop()
        return unseen

    def _has_not_seen(self, p: Property, a: _Move, after: list[Value]) -> bool:
        if p.assertion == DEADLOCK:
            return True
        if p.action == a.action.name:
            return False
        if p.kind.of_steps:
            return not _read(self.system, p) & a.action.updates.keys()
        then = a.at(after)
        return all(
            self.state.follows(then.equal(a.now(e), then(e))) for e in p.formulas()
        )

    def _commutes(self, at: At, a: _Move, b: _Move) -> bool:
        """C1: return whether the step commutes with a step of anybody else."""
        at_place = a.now.truth(self._is_there(at))
        possible = [m.now.truth(m.action.guard) for m in (a, b)]
        before, after = a.at(b.after(b.now)), b.at(a.after(a.now))
        given = [at_place, *self._two_tasks(at, a, b)]
        same = [
            a.now.equal(possible[0], before.truth(a.action.guard)),
            *(a.now.equal(a.now(e), before(e)) for e in a.owed()),
        ]
        claims = [implied([possible[1]], same)]
        same = [b.now.equal(b.now(e), after(e)) for e in b.owed()]
        claims.append(implied([possible[0]], same))
        both = [after.truth(b.action.guard)]
        first, second = b.after(after), a.after(before)
        for cell, x, y, one, other in zip(
            a.now.now, first, second, after.now, before.now, strict=True
        ):
            both.append(a.now.equal(x, y))
            kept = [a.now.equal(cell, one), a.now.equal(cell, other)]
            both.append(disjunction(kept))
        claims.append(implied(possible, both))
        return self.state.follows(implied(given, claims))

    def _is_there(self, at: At) -> Expr:
        """Return that the task is at the place."""
        table = next(v for v in self.system.variables if v.name == PLACE)
        return ir.eq(ir.select(table.now, at.task), at.place)

    def _two_tasks(self, at: At, a: _Move, b: _Move) -> list[Term]:
        """Return the conditions that the other step is not one of this task from this
        place."""
        return [
            negation(a.now.equal(a.now(at.task), b.now(other.task)))
            for other in self.mine
            if other.part.action is b.action
        ]


def _leaving(at: At) -> At:
    """Return ``at`` with the places to which its step leads, if it leaves its own and
    changes only its own task's place."""
    update = at.part.action.updates.get(PLACE)
    if update is None or [index for index, _ in writes(update)] != [(at.task,)]:
        return replace(at, leads=None)
    row = ir.select(update.args[0], at.task)
    return replace(at, leads=constants(update, besides=row))


def _read(system: TransitionSystem, p: Property) -> frozenset[str]:
    """Return the variables that a property of steps reads, those of the result that
    it mentions included."""
    formulas = list(p.formulas())
    if p.action is not None:
        action = system.action_by_name[p.action]
        if action.result is not None and action.returned in ir.subterms(*formulas):
            formulas.append(action.result)
    return ir.variables_in(*formulas)


def implied(given: Sequence[Term], claims: Sequence[Term]) -> Term:
    """Return the term: if all that is given holds, so do all claims."""
    return disjunction([*(negation(g) for g in given), conjunction(claims)])
