# SPDX-License-Identifier: GPL-2.0-only
"""An action that yields, as the atomic parts between its `yield`s.

Each part is executed like an action, from a place. The task's locals have the
values there that some part which leads to the place leaves in them. A place keeps
the rows that later parts still read; the others are reset, so that they do not
multiply the states.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from poolproof.checker.core import ir
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.ir import Expr
from poolproof.checker.core.processes import Halt, Kept, YieldPlace, code_key
from poolproof.checker.core.ranges import Ranges
from poolproof.checker.core.source import span_of
from poolproof.checker.core.system import Parameter, Variable
from poolproof.checker.elaborate.domains import domain_of
from poolproof.checker.frontend.calls import outcome
from poolproof.checker.frontend.cursor import (
    Cursor,
    Effects,
    Frame,
    Store,
    merge_vars,
)
from poolproof.checker.frontend.expressions import Expressions
from poolproof.checker.frontend.failures import Choices, settled
from poolproof.checker.frontend.kept_locals import KeptLocals, value_left
from poolproof.checker.frontend.method import Executed
from poolproof.checker.frontend.names import Names
from poolproof.checker.frontend.process_parts import (
    Arrival,
    LocalTable,
    ProcessPart,
    after,
)
from poolproof.checker.frontend.statements import Statements
from poolproof.checker.frontend.yields import Activation, Path, Suspension, Yields
from poolproof.model.language import (
    LEFT,
    Binding,
    Values,
)


@dataclass
class Process:
    """The action ``name`` of the method of ``frame``. ``task`` is the
    one of its ``arguments`` that is the task; ``effects`` makes the collection for
    a part, from the variables' ranges and the choices of the call that fails."""

    name: str
    frame: Frame
    arguments: Mapping[str, Parameter]
    task: str
    variables: Mapping[str, Variable]
    binding: Binding
    effects: Callable[[Ranges, Choices | None], Effects]
    symbolic: bool
    parts: list[ProcessPart] = field(default_factory=list)
    received: dict[str, Values] = field(default_factory=dict)
    """The values of `name: DOMAIN = yield`, by place."""

    def __post_init__(self) -> None:
        self.locals = KeptLocals(self.name, self.tasks, self.binding)

    @property
    def tasks(self) -> ir.Domain:
        return self.arguments[self.task].domain

    def explore(self) -> None:
        """Execute all parts, in the order of the text."""
        todo: list[Path] = [()]
        arriving: dict[Path, list[Arrival]] = {(): []}
        while todo:
            path = heapq.heappop(todo)
            part = self._part(path, arriving[path])
            self.parts.append(part)
            for end in part.ends:
                if end.path not in arriving:
                    heapq.heappush(todo, end.path)
                arriving.setdefault(end.path, []).append(Arrival(part, end))
        for part in reversed(self.parts):
            part.kept |= self._read(part)
        self._check_kept()

    # -- one part --

    def _part(self, path: Path, arrivals: list[Arrival]) -> ProcessPart:
        if not arrivals:
            name, label = self.name, ""
            parameters = dict(self.arguments)
            cells: dict[tuple[int, str], LocalTable] = {}
            values = {n: p.local for n, p in parameters.items()}
            stack = [Activation(self.frame, values)]
        else:
            first = arrivals[0].end
            name, label = self._named(first)
            parameters = self._parameters(name, first)
            task = parameters[self.task].local
            stack, cells = self.locals.joined(arrivals, task)
            if first.received is not None:
                word = first.received[0]
                stack[-1].locals[word] = parameters[word].local
        task = parameters[self.task].local
        known = {v.name: v for v in self.variables.values()}
        ranges = Ranges(
            {
                **{n: Ranges.of_variables([v]).variables[n] for n, v in known.items()},
                **{c.name: c.interval for c in cells.values()},
            }
        )

        def run(choices: Choices | None) -> tuple[Executed, Expr, list[Suspension]]:
            return self._executed(path, stack, ranges, choices)

        fallible = LEFT in self.variables
        done, choices = settled(name, run) if fallible else (run(None), None)
        executed, finished, ends = done
        executed.effects.choices = choices
        return ProcessPart(
            name,
            path,
            label,
            parameters,
            task,
            executed,
            ranges,
            finished,
            ends,
            cells,
            arrivals,
        )

    def _executed(
        self,
        path: Path,
        stack: Sequence[Activation],
        ranges: Ranges,
        choices: Choices | None,
    ) -> tuple[Executed, Expr, list[Suspension]]:
        """Execute a part. Return it, the condition under which it ends the action, and
        the `yield`s that it may reach."""
        effects = self.effects(ranges, choices)
        resumed = tuple(a.copy() for a in stack)
        yields = Yields(list(path) if path else None, resumed)
        statements = Statements(Expressions(Names(effects)), yields)
        yields.stack.append(Activation(resumed[0].frame, resumed[0].locals))
        now = {n: v.now for n, v in self.variables.items()}
        if choices is not None:
            now |= choices.start()
        cursor = Cursor(effects, self.frame, Store(now, {}), ir.TRUE)
        flow = statements.calls.run(cursor, self.frame, resumed[0].locals)
        final, value = outcome(self.frame, flow)
        finished = ir.or_(flow.live, flow.returned)
        for end in yields.found:
            if finished is ir.FALSE and end is yields.found[0]:
                final = end.vars
            else:
                final = merge_vars(end.condition, end.vars, final)
        done = Executed(final, value, effects, cursor)
        return done, finished, yields.found

    def _named(self, end: Suspension) -> tuple[str, str]:
        """Return the name and the label of a place."""
        innermost = end.stack[-1]
        slug = re.sub(r"\W+", "_", end.label).strip("_")
        if slug[:1].isdigit():
            slug = f"_{slug}"
        base = f"{self.name}.{slug or f'yield{len(self.parts)}'}"
        name, number = base, 1
        while name in {p.name for p in self.parts}:
            number += 1
            name = f"{base}_{number}"
        label = end.label or f"{innermost.frame.function.__name__}:{end.node.lineno}"
        rounds = [ir.show(item) for a in end.stack for item in a.loops.values()]
        return name, label + (f" [{', '.join(rounds)}]" if rounds else "")

    def _parameters(self, name: str, end: Suspension) -> dict[str, Parameter]:
        found = {self.task: ir.local(f"{self.task}#{name}", self.tasks)}
        if end.received is not None:
            word, annotation = end.received
            frame = end.stack[-1].frame
            if word in found:
                raise UserError(
                    span_of(frame.file, end.node),
                    f"{word!r} is the task: choose another name",
                )
            values = self.locals.domain(frame, annotation, strict=True)
            assert values is not None
            try:
                domain = domain_of(values)
                self.received[name] = values
            except UserError as e:
                raise UserError(span_of(frame.file, annotation), e.message) from None
            found[word] = ir.local(f"{word}#{name}", domain)
        return {n: Parameter(n, e) for n, e in found.items()}

    # -- what is kept --

    def _read(self, part: ProcessPart) -> set[str]:
        """Return the names of the tables that a part and those after it read."""
        own = {c.name for c in part.cells.values()}
        by_path = self.by_path
        found: list[Expr] = list(self._expressions(part))
        for end in part.ends:
            then = by_path[end.path]
            for (depth, name), cell in then.cells.items():
                if cell.name in then.kept:
                    found.append(value_left(end, depth, name, cell.sort, part))
        return own & ir.variables_in(*found)

    def _expressions(self, part: ProcessPart) -> Iterator[Expr]:
        """Everything that a part reads, but for what it leaves in locals."""
        done = part.executed
        effects = done.effects
        now = {n: v.now for n, v in self.variables.items()}
        yield from (done.final[n] for n, e in now.items() if done.final[n] is not e)
        yield from effects.guards
        if effects.choices is not None:
            yield effects.choices.possible
        yield from (due.formula for _, due in effects.obligations)
        yield from (a.held for a in effects.assertions)
        yield from (a.cut for a in effects.assumptions)
        yield from (effects.running, part.finished)
        yield from (end.condition for end in part.ends)
        if isinstance(done.value, Expr):
            yield done.value

    def _check_kept(self) -> None:
        """Raise UserError for a local without a known range."""
        for part in self.parts:
            for (_, name), cell in part.cells.items():
                if cell.name not in part.kept or self.symbolic:
                    continue
                if None in cell.interval and cell.sort is ir.INT:
                    end = part.arrivals[0].end
                    raise UserError(
                        span_of(end.stack[-1].frame.file, end.node),
                        f"{name!r} is kept across this yield, and its range is not "
                        f"known: write `{name}: Int(0, 3) = ...` where it is assigned",
                    )

    @property
    def by_path(self) -> dict[Path, ProcessPart]:
        return {p.path: p for p in self.parts}

    def left(self, part: ProcessPart, cell: LocalTable) -> Expr:
        """Return what is in a cell of the task after a part."""
        by_path = self.by_path

        def at_end(end: Suspension) -> Expr:
            value, then = cell.reset, by_path[end.path]
            for (depth, name), other in then.cells.items():
                if other is cell and cell.name in then.kept:
                    value = value_left(end, depth, name, cell.sort, part)
            return value

        return after(part, at_end, cell.reset)

    # -- for replays and reports --

    def place(self, part: ProcessPart) -> YieldPlace:
        """Return the place where a part begins."""
        end = part.arrivals[0].end
        halts = []
        for activation in end.stack:
            node = activation.node
            assert node is not None
            loops = tuple(
                (name, item.sort, item.data) for name, item in activation.loops.items()
            )
            halts.append(
                Halt(
                    code_key(activation.frame.function.__code__),
                    node.lineno,
                    node.col_offset,
                    loops,
                )
            )
        return YieldPlace(
            part.name,
            self.name,
            part.label,
            tuple(halts),
            tuple(
                Kept(cell.name, depth, name)
                for (depth, name), cell in part.cells.items()
                if cell.name in part.kept
            ),
            self.received.get(part.name),
            span_of(end.stack[-1].frame.file, end.node),
        )

    def tables(self) -> Iterable[Variable]:
        """Return the variables that hold what is kept."""
        used = {name for part in self.parts for name in part.kept}
        return [c.variable() for c in self.locals.cells.values() if c.name in used]
