# SPDX-License-Identifier: GPL-2.0-only
"""An action that yields, as the atomic parts between its `yield`s.

Each part is executed like an action, from a place. The task's locals have the
values there that some part which leads to the place leaves in them. If a local has
the same value in every state (a constant, or the task itself), it is that value.
Any other is read from a table over the tasks. A place keeps the rows that later
parts still read; the others are reset, so that they do not multiply the states.
"""

from __future__ import annotations

import ast
import heapq
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from poolproof.checker.core import interval, ir
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.interval import Interval
from poolproof.checker.core.ir import Expr
from poolproof.checker.core.processes import Halt, Kept, YieldPlace, code_key
from poolproof.checker.core.ranges import Ranges
from poolproof.checker.core.source import span_of
from poolproof.checker.core.system import Parameter, Variable
from poolproof.checker.elaborate import operators
from poolproof.checker.elaborate.domains import domain_of, size_expr, sort_of
from poolproof.checker.elaborate.values import Choice, Display, Operand, Pending
from poolproof.checker.frontend.calls import outcome
from poolproof.checker.frontend.cursor import (
    Cursor,
    Effects,
    Frame,
    Store,
    Tuple,
    Unusable,
    Value,
    Written,
    merge_vars,
)
from poolproof.checker.frontend.expressions import Expressions
from poolproof.checker.frontend.failures import Choices, settled
from poolproof.checker.frontend.method import Executed
from poolproof.checker.frontend.names import Names
from poolproof.checker.frontend.statements import Statements
from poolproof.checker.frontend.yields import Activation, Path, Suspension, Yields
from poolproof.model.language import (
    LEFT,
    Binding,
    Domain,
    ModelError,
    Values,
    evaluated,
)


@dataclass
class LocalTable:
    """A local that may have to be kept: a table over the tasks. ``declared`` is the
    domain that the text gives it."""

    name: str
    table: Expr
    declared: Values | None
    range: Interval | None = None

    @property
    def sort(self) -> ir.Sort:
        sort = self.table.sort
        assert isinstance(sort, ir.TableSort)
        return sort.element

    @property
    def interval(self) -> Interval:
        """The interval of its values at the places where it is kept."""
        if self.declared is None:
            return self.range or interval.ANY
        lo, hi = (
            e if isinstance(e, int) else None
            for e in (self.declared.lo, self.declared.hi)
        )
        return lo, hi

    @property
    def reset(self) -> Expr:
        """The value where it is not kept: no element of a scalarset, since none
        is like the others."""
        if isinstance(self.sort, ir.ScalarSort):
            return ir.const(self.sort, self.sort.size)
        lo, hi = self.interval
        return ir.const(
            self.sort, max(lo or 0, 0) if hi is None else min(max(lo or 0, 0), hi)
        )

    def variable(self) -> Variable:
        lo, hi = self.interval
        if isinstance(self.sort, ir.ScalarSort):
            lo, hi = 0, self.sort.size
        ends = [None if e is None else ir.const(self.sort, e) for e in (lo, hi)]
        if self.declared is not None and self.sort is ir.INT:
            given = (self.declared.lo, self.declared.hi)
            ends = [None if e is None else size_expr(e) for e in given]
        assert isinstance(self.table.sort, ir.TableSort)
        init = ir.fill(self.table.sort, self.reset)
        return Variable(self.name, self.table.sort, ends[0], ends[1], init)


@dataclass
class Arrival:
    """A way to a place: the part that leads there and what it leaves."""

    origin: ProcessPart
    end: Suspension


@dataclass
class ProcessPart:
    """What a task does from a place (the action's own name: from its start) to the
    next. ``cells`` are the locals that are no constants there, by the position of
    their method and their name."""

    name: str
    path: Path
    label: str
    parameters: dict[str, Parameter]
    task: Expr
    executed: Executed
    ranges: Ranges
    finished: Expr
    ends: list[Suspension]
    cells: dict[tuple[int, str], LocalTable] = field(default_factory=dict)
    arrivals: list[Arrival] = field(default_factory=list)
    kept: set[str] = field(default_factory=set)
    """The names of the tables that this part or one after it reads."""


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
    cells: dict[tuple[str, ir.Sort], LocalTable] = field(default_factory=dict)
    received: dict[str, Values] = field(default_factory=dict)
    """The values of `name: DOMAIN = yield`, by place."""

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
            stack, cells = self._joined(arrivals, task)
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
            values = self._domain(frame, annotation, strict=True)
            assert values is not None
            try:
                domain = domain_of(values)
                self.received[name] = values
            except UserError as e:
                raise UserError(span_of(frame.file, annotation), e.message) from None
            found[word] = ir.local(f"{word}#{name}", domain)
        return {n: Parameter(n, e) for n, e in found.items()}

    def _domain(
        self, frame: Frame, annotation: ast.expr, strict: bool = False
    ) -> Values | None:
        """Return what the annotation of a local says; None if it is not a domain.
        Raise UserError, with ``strict`` for that, too."""
        place = span_of(frame.file, annotation)
        try:
            found = evaluated(frame.this.owner, frame.function, ast.unparse(annotation))
            known = isinstance(found, Domain) or (
                isinstance(found, type) and found not in (bool, int)
            )
            if known or strict:
                return self.binding.values(found)
        except ModelError as e:
            raise UserError(place, str(e)) from None
        return None

    # -- the locals at a place --

    def _joined(
        self, arrivals: list[Arrival], task: Expr
    ) -> tuple[list[Activation], dict[tuple[int, str], LocalTable]]:
        """Return the methods being executed at a place, with their locals."""
        stack = [
            Activation(a.frame, {}, dict(a.loops), a.node)
            for a in arrivals[0].end.stack
        ]
        cells: dict[tuple[int, str], LocalTable] = {}
        known: dict[tuple[Value, ...], Expr] = {}
        for depth, activation in enumerate(stack):
            names = dict.fromkeys(
                n for a in arrivals for n in a.end.stack[depth].locals
            )
            for name in names:
                left = tuple(self._left(a, depth, name) for a in arrivals)
                same = all(isinstance(v, Expr) for v in left)
                if same and left in known:  # an argument that was handed on
                    activation.locals[name] = known[left]
                    continue
                value = self._local(arrivals, depth, name)
                if value is _TASK:
                    value = task
                elif isinstance(value, LocalTable):
                    cells[depth, name] = value
                    value = ir.select(value.table, task)
                    if same:
                        known[left] = value
                activation.locals[name] = value
        return stack, cells

    def _local(self, arrivals: list[Arrival], depth: int, name: str) -> Value:
        """Return the one value that a local has at a place, _TASK, or its Cell."""
        values = [self._left(a, depth, name) for a in arrivals]
        first = values[0]
        if _is_fixed(first) and all(_is_fixed(v) and v == first for v in values):
            return first
        for value in values:
            if isinstance(value, Unusable):
                return value
        frame = arrivals[0].end.stack[depth].frame
        declared = self._annotated(frame, name)
        sorts = [sort_of(declared)] if declared is not None else []
        sorts += [
            self.tasks.sort if v is _TASK else v.sort for v in values if _has_sort(v)
        ]
        if not sorts:
            return Unusable("a value here whose domain is not known: annotate it")
        sort = sorts[0]
        try:
            for a in arrivals:
                self.value(a.end, depth, name, sort, a.origin)
        except UserError:
            return Unusable("values of two kinds on two paths")
        qualified = ".".join(
            [self.name]
            + [a.frame.function.__name__ for a in arrivals[0].end.stack[1 : depth + 1]]
            + [name]
        )
        return self._cell(qualified, sort, declared, arrivals, depth, name)

    def _cell(
        self,
        qualified: str,
        sort: ir.Sort,
        declared: Values | None,
        arrivals: list[Arrival],
        depth: int,
        name: str,
    ) -> LocalTable:
        cell = self.cells.get((qualified, sort))
        if cell is None:
            alike = sum(n == qualified for n, _ in self.cells)
            table = ir.var(
                qualified + (f"_{alike + 1}" if alike else ""),
                ir.table_sort((self.tasks,), sort),
            )
            cell = self.cells[qualified, sort] = LocalTable(
                table.data[0], table, declared
            )
        found = [] if cell.range is None else [cell.range]
        found += [
            a.origin.ranges.of(self.value(a.end, depth, name, cell.sort, a.origin))
            for a in arrivals
        ]
        cell.range = interval.either(*found)
        return cell

    def _left(self, arrival: Arrival, depth: int, name: str) -> Value:
        value = arrival.end.stack[depth].locals.get(name, _UNBOUND)
        return _TASK if value is arrival.origin.task else value

    def value(
        self, end: Suspension, depth: int, name: str, sort: ir.Sort, origin: ProcessPart
    ) -> Expr:
        """Return the value that an end leaves in a local, over the state before its
        part. Raise UserError if it is not a value of the sort."""
        activation = end.stack[depth]
        value = activation.locals[name]
        frame = activation.frame
        effects = origin.executed.effects
        at = Written(
            Cursor(effects, frame, Store({}, {}), ir.TRUE), end.node, shows=name
        )
        return operators.coerce(Operand(value), sort, at)

    def _annotated(self, frame: Frame, name: str) -> Values | None:
        """Return the domain that the text gives a local, or None."""
        for node in ast.walk(frame.tree):
            match node:
                case ast.AnnAssign(ast.Name(other), annotation) if other == name:
                    found = self._domain(frame, annotation)
                case ast.arg(arg=other, annotation=annotation) if (
                    other == name and annotation is not None
                ):
                    found = self._domain(frame, annotation)
                case _:
                    continue
            if found is not None:
                if found.bits is not None or found.counter:
                    raise UserError(
                        span_of(frame.file, node),
                        f"{name!r} is kept across a `yield`: write Int(lo, hi)",
                    )
                return found
        return None

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
                    found.append(self.value(end, depth, name, cell.sort, part))
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
                    value = self.value(end, depth, name, cell.sort, part)
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
        return [c.variable() for c in self.cells.values() if c.name in used]


def after(part: ProcessPart, at_end: Callable[[Suspension], Expr], idle: Expr) -> Expr:
    """Return what is so after a part: ``at_end`` of where it stops, or ``idle``."""
    result = idle
    for k, end in enumerate(part.ends):
        first = k == 0 and part.finished is ir.FALSE
        result = at_end(end) if first else ir.ite(end.condition, at_end(end), result)
    return result


def _is_fixed(value: Value) -> bool:
    """Return whether a value is the same in every state."""
    match value:
        case Expr():
            return value.is_const or value is _TASK
        case Unusable():
            return False
        case Display(elements):
            return all(_is_fixed(e.value) for e in elements)
        case Choice():
            return False
        case Tuple(items):
            return all(_is_fixed(i) for i in items)
    return True


def _has_sort(value: Value) -> bool:
    return isinstance(value, Expr | Pending) and value.sort is not None


_TASK = ir.local("the task", ir.Domain(ir.INT, 0, 0))
_UNBOUND = Unusable("a value on some paths only: give it one before the `if`")
