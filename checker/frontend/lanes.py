# SPDX-License-Identifier: GPL-2.0-only
"""The actions of a design, those that yield part by part.

Each task does one action at a time: an action that has a task begins only where
the task is idle. A design in which nothing yields has none of this.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from types import FunctionType

from poolproof.checker.core import ir
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.ir import Expr
from poolproof.checker.core.processes import IDLE, PLACE, Processes
from poolproof.checker.core.property import DEADLOCK, Kind, Property
from poolproof.checker.core.source import member_span, method_tree
from poolproof.checker.core.system import Action, Variable
from poolproof.checker.frontend.actions import (
    ActionText,
    Hidden,
    Made,
    Work,
    action_of,
    executed,
)
from poolproof.checker.frontend.again import Methods
from poolproof.checker.frontend.cursor import Frame
from poolproof.checker.frontend.process_parts import ProcessPart, after
from poolproof.checker.frontend.processes import Process
from poolproof.checker.frontend.yields import Path
from poolproof.model.language import (
    ActionMark,
    ModelError,
    chosen_parameters,
    task_parameter,
    yields,
)


@dataclass
class TaskActions:
    """The actions of a design and the parameter of each that is its task, if any.
    `note` all of them first."""

    methods: Methods
    texts: dict[str, ActionText] = field(default_factory=dict)
    tasks: dict[str, str] = field(default_factory=dict)
    yielding: dict[str, Process] = field(default_factory=dict)

    @property
    def work(self) -> Work:
        return self.methods.work

    def note(self, name: str, function: FunctionType, mark: ActionMark) -> None:
        """Add an action. Raise UserError for one that yields and has no task."""
        text = self.texts[name] = ActionText.of(self.work, name, function, mark)
        try:
            self.tasks[name] = task_parameter(text.text, mark)
            chosen_parameters(text.text, mark)
        except ModelError as e:
            raise UserError(text.span, f"{name}: {e}") from None
        if yields(text.text):
            self._note_yielding(text, self.tasks[name])

    def _note_yielding(self, text: ActionText, task: str) -> None:
        name, work = text.name, self.work
        if not task:
            raise UserError(
                text.span,
                f"{name} yields, but none of its parameters is the task: call one `t`, "
                'or write @action(task="NAME")',
            )
        domain = text.arguments[task].domain
        for other, process in self.yielding.items():
            if process.tasks != domain:
                raise UserError(
                    text.span,
                    f"the tasks of {name} are {domain}, those of {other} "
                    f"{process.tasks}: all actions that yield must have the same tasks",
                )
        if PLACE in work.slots:
            raise UserError(
                member_span(work.this.cls, PLACE),
                f"{PLACE} says where a task stands in an action that yields: give "
                "the field another name",
            )
        process = self.yielding[name] = Process(
            name,
            Frame(text.this, text.text, *method_tree(text.text)),
            text.arguments,
            task,
            work.variables,
            work.binding,
            work.effects,
            bool(work.binding.symbolic),
        )
        process.explore()

    # -- the places --

    @property
    def later(self) -> list[tuple[Process, ProcessPart]]:
        """The parts that begin at a `yield`, in the order of the places."""
        return [(p, part) for p in self.yielding.values() for part in p.parts[1:]]

    @property
    def domain(self) -> ir.Domain:
        return next(iter(self.yielding.values())).tasks

    @property
    def at(self) -> Variable:
        """The variable that says at which place each task is."""
        names = (IDLE, *(part.name for _, part in self.later))
        sort = ir.table_sort((self.domain,), ir.enum_sort("Place", names))
        idle, last = (ir.const(sort.element, k) for k in (0, len(names) - 1))
        return Variable(PLACE, sort, idle, last, ir.fill(sort, idle))

    @property
    def processes(self) -> Processes | None:
        """Return the processes, for replays and reports; None if nothing yields."""
        if not self.yielding:
            return None
        lanes = {
            name: [*self.texts[name].arguments].index(task)
            for name, task in self.tasks.items()
            if task and self.texts[name].arguments[task].domain == self.domain
        }
        return Processes(
            self.domain,
            self.at,
            tuple(process.place(part) for process, part in self.later),
            tuple(v for p in self.yielding.values() for v in p.tables()),
            lanes | {part.name: 0 for _, part in self.later},
            frozenset(self.yielding),
        )

    # -- the actions --

    def actions(self) -> Iterator[Made]:
        """Yield the actions, with what the kernel asserts in each, and branches."""
        known = self.processes
        for name, text in self.texts.items():
            if name in self.yielding:
                yield from self._parts(text, self.yielding[name])
                continue
            hidden = Hidden()
            if known is not None and name in known.lanes:
                task = text.arguments[self.tasks[name]].local
                hidden = Hidden(self._stands(task, 0))
            key = text.name, *text.arguments.values(), hidden.guard

            def made(
                work: Work, text: ActionText = text, hidden: Hidden = hidden
            ) -> Made:
                return action_of(work, text, executed(work, text), hidden)

            yield self.methods.made(text.name, key, made)

    def _stands(self, task: Expr, raw: int) -> Expr:
        at = self.at
        return ir.eq(ir.select(at.now, task), ir.const(at.element, raw))

    def _parts(self, text: ActionText, process: Process) -> Iterator[Made]:
        raw = {part.name: k for k, (_, part) in enumerate(self.later, 1)}
        at = self.at
        places: dict[Path, Expr] = {
            part.path: ir.const(at.element, raw[part.name])
            for part in process.parts[1:]
        }
        idle = ir.const(at.element, 0)
        for part in process.parts:
            place = after(part, lambda end: places[end.path], idle)
            updates = {at.now: ir.store(at.now, part.task, place)}
            updates |= dict(self._kept(process, part))
            hidden = Hidden(
                self._stands(part.task, raw.get(part.name, 0)),
                {v: e for v, e in updates.items() if e is not v},
                part.finished is not ir.FALSE,
            )
            written = replace(text, name=part.name, arguments=part.parameters)
            yield action_of(self.work, written, part.executed, hidden)

    def _kept(self, process: Process, part: ProcessPart) -> Iterator[tuple[Expr, Expr]]:
        """The tables of locals that the part writes, with what it leaves."""
        by_path = process.by_path
        touched = part.kept.union(*(by_path[end.path].kept for end in part.ends))
        for cell in process.locals.cells.values():
            if cell.name in touched:
                left = process.left(part, cell)
                yield cell.table, ir.store(cell.table, part.task, left)

    def deadlock(self, actions: Sequence[Action]) -> Property:
        """Return the property: if tasks are in an action, one of them can go on."""
        domain, at = self.domain, self.at
        by_name = {a.name: a for a in actions}
        task = ir.local("t#deadlock", domain)
        inside = ir.not_(self._stands(task, 0))
        goes_on = []
        for _, part in self.later:
            action = by_name[part.name]
            # a step that an `assume` cuts is possible in the kernel
            possible = ir.or_(action.guard, *(a.cut for a in action.assumptions))
            others = [p.local for p in action.parameters if p.local is not part.task]
            possible = ir.nested("any", others[::-1], possible)
            goes_on.append(ir.substitute(possible, {part.task: task}))
        return Property(
            DEADLOCK,
            Kind.INVARIANT,
            ir.implies(
                ir.aggregate("any", task, inside),
                ir.aggregate("any", task, ir.or_(*goes_on)),
            ),
            title="of the tasks that are in an action, one can go on",
            span=at.span,
            assertion=DEADLOCK,
        )
