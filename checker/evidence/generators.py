# SPDX-License-Identifier: GPL-2.0-only
"""The generators of a design whose actions yield, under CPython.

A generator cannot be copied, and one that a `require` has refused is dead. So each
place that a run comes to is remembered with its *history*: the call, and for each
part of it the state that it began in. Running these parts again gives a generator
that stands there. It does what the first one does if the place and the locals that
are kept are all that counts, which is what a replay checks.
"""

from __future__ import annotations

import warnings
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from types import FrameType, GeneratorType
from typing import Any

from poolproof.checker.core.processes import CodeKey, Processes, YieldPlace, code_key
from poolproof.checker.core.system import State
from poolproof.checker.core.verdict import Step
from poolproof.checker.evidence.raw import ReplayDisagrees, raw_of
from poolproof.model.language import Disabled, OutOfRange

SUSPENDED = object()
"""The result of a step that ends at a `yield`."""

Running = Generator[Any, Any, Any]
Stand = tuple[int, ...]
"""Where a task stands: its place, and what it keeps."""


@dataclass(frozen=True)
class History:
    """A call, and for each of its parts: the state in which it began, the value that
    the `yield` before it received, and the call that failed in it."""

    action: str
    arguments: tuple[Any, ...]
    parts: tuple[tuple[State, Any, str], ...]


class Generators:
    """The tasks of an instance. A state is that of the instance, and then where
    each task stands."""

    def __init__(self, processes: Processes, design: Any) -> None:
        self.processes, self.design = processes, design
        self.places = processes.by_name
        tables = (processes.at, *processes.kept)
        self.idle: Stand = tuple(_reset(v.init.args[0]) for v in tables if v.init)
        self.stands: dict[int, Stand] = dict.fromkeys(processes.tasks, self.idle)
        self.histories: dict[tuple[int, Stand], History] = {}
        self.generators: dict[int, tuple[Stand, Running]] = {}
        self.by_code: dict[tuple[CodeKey, ...], list[YieldPlace]] = {}
        for place in processes.places:
            codes = tuple(h.code for h in place.halts)
            self.by_code.setdefault(codes, []).append(place)

    def dump(self) -> State:
        """Return where the tasks stand, as the last cells of a state."""
        return tuple(
            self.stands[task][row]
            for row in range(len(self.idle))
            for task in self.processes.tasks
        )

    def load(self, state: State) -> None:
        """Set a state of all cells."""
        seen = len(state) - self.processes.hidden
        self.design.load(state[:seen])
        tasks = self.processes.tasks
        for column, task in enumerate(tasks):
            self.stands[task] = state[seen + column :: len(tasks)]

    def take(self, step: Step, given: tuple[Any, ...], fails: str) -> Any:
        """Take a step with these Python arguments, in which ``fails`` fails, and
        return its result, or SUSPENDED. Raise what Design.step raises; the state is
        then as before."""
        task = self.processes.lane(step.action, step.arguments)
        place = self.places.get(step.action)
        if task is None:
            return self.design.step(step.action, *given, fails=fails)
        wanted = 0 if place is None else self.processes.raw(place.name)
        if self.stands[task][0] != wanted:
            raise Disabled
        if place is None and step.action not in self.processes.yielding:
            return self.design.step(step.action, *given, fails=fails)
        return self._go_on(task, step.action, given, place, fails)

    def _go_on(
        self,
        task: int,
        action: str,
        given: tuple[Any, ...],
        place: YieldPlace | None,
        fails: str,
    ) -> Any:
        before = self.design.dump()
        if place is None:
            generator, sent = getattr(self.design, action)(*given), None
            history = History(action, given, ((before, None, fails),))
        else:
            sent = given[0] if given else None
            generator, history = self._there(task)
            parts = (*history.parts, (before, sent, fails))
            history = History(history.action, history.arguments, parts)
        self.generators.pop(task, None)
        stand = self.idle

        def part() -> Any:
            try:
                generator.send(sent)
            except StopIteration as end:
                return end.value
            return SUSPENDED

        def run() -> Any:
            nonlocal stand
            result = self.design.with_failure(fails, part)
            if result is SUSPENDED:
                stand = self._stand(generator)
            return result

        result = self.design.atomic(run)
        self.stands[task] = stand
        if result is SUSPENDED:
            self.histories[task, stand] = history
            self.generators[task] = stand, generator
        return result

    def _there(self, task: int) -> tuple[Running, History]:
        """Return a generator that is where the task stands."""
        stand = self.stands[task]
        history = self.histories.get((task, stand))
        if history is None:
            raise ReplayDisagrees(
                f"no run under CPython has come to {self._named(stand)}"
            )
        known = self.generators.pop(task, None)
        if known is not None and known[0] == stand:
            return known[1], history
        before = self.design.dump()
        generator = getattr(self.design, history.action)(*history.arguments)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for state, sent, fails in history.parts:
                self.design.load(state)
                self.design.with_failure(fails, generator.send, sent)
        self.design.load(before)
        return generator, history

    def _named(self, stand: Stand) -> str:
        place = self.processes.places[stand[0] - 1]
        kept = ", ".join(map(str, stand[1:]))
        return f"{place.name} with ({kept})"

    # -- where a generator stands --

    def _stand(self, generator: Running) -> Stand:
        """Return the place of a generator, and what is kept there."""
        frames = list(_frames(generator))
        codes = tuple(code_key(f.f_code) for f in frames)
        where = [_position(f) for f in frames]
        for place in self.by_code.get(codes, ()):
            if [(h.line, h.column) for h in place.halts] == where and all(
                raw_of(sort, frame.f_locals[name]) == raw
                for frame, halt in zip(frames, place.halts, strict=True)
                for name, sort, raw in halt.loops
            ):
                return self._kept(place, frames)
        raise ReplayDisagrees(f"CPython stops at {where}, and no place is there")

    def _kept(self, place: YieldPlace, frames: list[FrameType]) -> Stand:
        stand = [self.processes.raw(place.name), *self.idle[1:]]
        for kept in place.kept:
            row = [v.name for v in self.processes.kept].index(kept.variable)
            variable = self.processes.kept[row]
            value = frames[kept.frame].f_locals[kept.name]
            raw = raw_of(variable.element, value)
            ends = (variable.lo, variable.hi)
            lo, hi = (e.data if e is not None and e.is_const else None for e in ends)
            if (lo is not None and raw < lo) or (hi is not None and raw > hi):
                raise OutOfRange(f"{variable.name} becomes {value}, outside {lo}..{hi}")
            stand[1 + row] = raw
        return tuple(stand)


def _reset(e: Any) -> int:
    value: int = e.data
    return value


def _frames(generator: Running) -> Iterator[FrameType]:
    """The frames of a generator, and of those that it yields from."""
    inner: object = generator
    while isinstance(inner, GeneratorType) and inner.gi_frame is not None:
        yield inner.gi_frame
        inner = inner.gi_yieldfrom


def _position(frame: FrameType) -> tuple[int, int]:
    """Return the line and column of the `yield` at which a frame has stopped."""
    positions = list(frame.f_code.co_positions())
    line, _, column, _ = positions[frame.f_lasti // 2]
    return line or 0, column or 0
