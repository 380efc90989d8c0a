# SPDX-License-Identifier: GPL-2.0-only
"""Partial-order reduction: a step that concerns no other task is taken first.

While a task is at a place from which all its steps are private, the guards of all
other actions are false. The steps that may be taken in a state are then an ample set
(Clarke, Grumberg and Peled, "Model Checking", 1999, chapter 10), and each run of the
smaller system is a run of the whole. These are the conditions, all of which are
checked on the formulas of the system and none of which is assumed:

- Independence (C1). A private step of a task reads and writes only the task's row of
  tables, and what no action changes. Others touch these tables only in the row of a
  parameter, and only where their guard says that this task stands at another place.
- Invisibility (C2). No property reads what a private step writes, or is about it; one
  that compares places with some constant cannot tell the others apart. If a property
  is about every step, no step is private. Deadlock is an exception, and may be checked:
  there is none where a task inside an action can go on.
- Progress (C3). Private steps lead from place to place without a cycle, so their
  number is finite, and no task is postponed forever.

engines/commuting.py has z3 prove the first two where names do not show them.

A place is a constant that the guards compare with the row of some table: the pass
knows nothing of processes, and works as well for a table in the user's own text.
It does not preserve infinite runs: fairness depends on the steps that are possible.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from poolproof.checker.core import ir
from poolproof.checker.core.ir import Expr
from poolproof.checker.core.processes import PLACE
from poolproof.checker.core.property import DEADLOCK, Property
from poolproof.checker.core.system import (
    Action,
    Role,
    TransitionSystem,
    Write,
    conjuncts,
    writes,
)

Row = tuple[str, Expr | None]
"""A variable, and the parameter whose row is used; None: all rows, or an unknown
one."""


@dataclass(frozen=True)
class Part:
    """A part of an action, with the variables it uses where ``when`` is true: its step,
    one of its assumptions, or an obligation that no guard precedes."""

    action: Action
    when: Expr
    reads: frozenset[Row]
    writes: frozenset[Row] = frozenset()
    step: bool = False


@dataclass(frozen=True)
class At:
    """A part whose ``when`` implies that the row ``task`` of a table is ``place``."""

    part: Part
    task: Expr
    place: Expr
    leads: frozenset[Expr] | None
    """The places where the step may leave the task; None if they are not constants."""


def take_at_once(
    system: TransitionSystem, first: Sequence[Action]
) -> tuple[TransitionSystem, tuple[str, ...]]:
    """Return the system in which the steps of these actions go first, and their
    names."""
    if not first:
        return system, ()
    names = tuple(a.name for a in first)
    nobody = ir.not_(ir.or_(*map(_possible, first)))
    actions = tuple(
        a if a.name in names else replace(a, guard=ir.and_(a.guard, nobody))
        for a in system.actions
    )
    return replace(system, actions=actions), names


def private(
    system: TransitionSystem, properties: Sequence[Property]
) -> tuple[Action, ...]:
    """Return the actions whose steps may be taken first, for the table of places that
    has the most of them."""
    if any(p.kind.of_steps and p.action is None for p in properties):
        return ()
    asked = {p.action for p in properties}
    formulas = [e for p in properties if p.assertion != DEADLOCK for e in p.formulas()]
    waiting = any(p.assertion == DEADLOCK for p in properties)
    parts = _all_parts(system)
    changed = {name for part in parts for name, _ in part.writes}
    best: tuple[Action, ...] = ()
    for table in (v.name for v in system.variables if v.index):
        if waiting and table != PLACE:
            continue
        seen, places = _observed(formulas, table)
        stands = [at for part in parts for at in _standing(part, table)]
        alone = [
            at
            for at in stands
            if at.part.action.name not in asked
            and not (waiting and at.place.data == 0)
            and _invisible(at, seen, places)
            and _reads_own(at, changed)
            and all(_apart(at, part, stands) for part in parts)
        ]
        shared = {at.place for at in stands if at not in alone}
        alone = [at for at in alone if at.place not in shared and at.part.step]
        found = tuple(at.part.action for at in without_circles(alone))
        if len(found) > len(best):
            best = found
    return best


def standing(system: TransitionSystem, table: str) -> list[At]:
    """Return where each part of the actions says that a task stands."""
    return [at for part in _all_parts(system) for at in _standing(part, table)]


def _all_parts(system: TransitionSystem) -> list[Part]:
    return [part for a in system.actions for part in _parts(a)]


def _possible(a: Action) -> Expr:
    """Return that some step of the action is possible."""
    return ir.nested("any", [p.local for p in a.parameters], a.guard)


# --- what a part touches ---------------------------------------------------------


def _parts(a: Action) -> Iterator[Part]:
    """Yield the action's step first."""
    own = {p.local for p in a.parameters}
    reads: set[Row] = set()
    written: set[Row] = set()
    apart: list[Part] = []
    for f in a.formulas():
        if f.role is Role.UPDATE:
            for index, value in writes(f.expr):
                row = index[0] if index and index[0] in own else None
                written.add((f.variable, row))
                for e in (*index, value):
                    reads |= _reads(e, own)
        elif f.role is Role.ASSUMPTION:
            apart.append(Part(a, f.expr, frozenset(_reads(f.expr, own))))
        elif f.role is not Role.OBLIGATION:
            reads |= _reads(f.expr, own)
    for due in a.obligations:
        if due.early:
            apart.append(Part(a, ir.TRUE, frozenset(_reads(due.formula, own))))
        else:
            reads |= _reads(due.formula, own)
    yield Part(a, a.guard, frozenset(reads), frozenset(written), step=True)
    yield from apart


def _reads(e: Expr, own: set[Expr]) -> set[Row]:
    """Return what an expression reads. ``own`` are the action's parameters."""
    found: set[Row] = set()
    todo, done = [e], set[Expr]()
    while todo:
        node = todo.pop()
        if node in done:
            continue
        done.add(node)
        table, changes = node, list[Write]()
        if node.op == "select" and node.args[1] in own:
            table, changes = ir.changes_of(node.args[0])
        if table.op == "var":
            row = None if table is node else node.args[1]
            found.add((table.data[0], row))
        if table is node or table.op != "var":
            todo += node.args
        else:
            todo += (e for index, value in changes for e in (*index, value))
            todo += node.args[1:]
    return found


# --- the conditions --------------------------------------------------------------


def _observed(formulas: Iterable[Expr], table: str) -> tuple[set[str], set[Expr]]:
    """Return the variables that formulas read, and the places that they tell from
    others, by comparing rows of the table with them and in no other way."""
    names: set[str] = set()
    places: set[Expr] = set()
    todo, done = list(formulas), set[Expr]()
    while todo:
        node = todo.pop()
        if node in done:
            continue
        done.add(node)
        if node.op == "var":
            names.add(node.data[0])
        for row, place in _compared(node, table):
            places.add(place)
            todo += row.args[1:]
            break
        else:
            todo += node.args
    return names, places


def _compared(e: Expr, table: str) -> Iterator[tuple[Expr, Expr]]:
    """Yield the row of the table and the constant if the formula compares them."""
    for row, place in (e.args, e.args[::-1]) if e.op == "eq" else ():
        if (
            place.is_const
            and row.op == "select"
            and row.args[0].op == "var"
            and row.args[0].data[0] == table
            and len(row.args) == 2
        ):
            yield row, place


def _invisible(at: At, names: set[str], places: set[Expr]) -> bool:
    """Return whether no formula can tell that the step was taken."""
    if at.leads is None or places & {at.place, *at.leads}:
        return False
    return not names & {name for name, _ in at.part.writes}


def _standing(part: Part, table: str) -> Iterator[At]:
    """Yield where the part says that a task stands: `table[task] == place`."""
    own = {p.local for p in part.action.parameters}
    for fact in conjuncts(part.when):
        for row, place in _compared(fact, table):
            if row.args[1] in own:
                update = part.action.updates.get(table)
                leads = frozenset({place}) if update is None else constants(update)
                yield At(part, row.args[1], place, leads)


def _reads_own(at: At, changed: set[str]) -> bool:
    """Return whether the part reads only rows of its task, and what never changes.
    Then it writes nothing else, or `_apart` fails of the part itself: no other row
    that it may write has a place that it asks about."""
    return all(row is at.task or name not in changed for name, row in at.part.reads)


def _apart(at: At, other: Part, stands: Sequence[At]) -> bool:
    """Return whether the other part touches what this one does only in the row of
    a task that, as the other says, stands somewhere."""
    mine = {name for name, _ in at.part.reads | at.part.writes}
    written = {name for name, _ in at.part.writes}
    rows = {row for name, row in other.reads | other.writes if name in written}
    rows |= {row for name, row in other.writes if name in mine}
    return all(
        any(one.part is other and one.task is row for one in stands) for row in rows
    )


def constants(
    update: Expr | None, besides: Expr | None = None
) -> frozenset[Expr] | None:
    """Return the constants of which an update writes one, or ``besides``; None if it
    may write something else."""
    if update is None:
        return frozenset()
    found: set[Expr] = set()
    todo = [value for _, value in writes(update)]
    while todo:
        e = todo.pop()
        if e.op == "ite":
            todo += e.args[1:]
        elif e.is_const:
            found.add(e)
        elif e is not besides:
            return None
    return frozenset(found)


def without_circles(found: list[At]) -> list[At]:
    """Return those whose steps always come to an end: from no place do they lead
    back to it."""
    while True:
        after: dict[Expr, set[Expr]] = {}
        for at in found:
            after.setdefault(at.place, set()).update(at.leads or ())
        back = {place for place in after if place in _reached(after, place)}
        if not back:
            return found
        found = [at for at in found if at.place not in back]


def _reached(after: Mapping[Expr, set[Expr]], place: Expr) -> set[Expr]:
    """Return the places to which steps lead from a place."""
    found: set[Expr] = set()
    todo = [place]
    while todo:
        new = after.get(todo.pop(), set()) - found
        found |= new
        todo += new
    return found
