# SPDX-License-Identifier: GPL-2.0-only
"""The steps of tasks whose actions yield, side by side: one lane a task."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.ir import show_raw
from poolproof.checker.core.processes import Processes
from poolproof.checker.core.system import State
from poolproof.checker.core.text import WIDTH
from poolproof.checker.core.verdict import Step

MARGIN = 7
"""Columns on the left, for the number of a step."""

_NARROW = 12
"""Least columns of a lane."""


@dataclass(frozen=True)
class Lanes:
    """The tasks of a design. A design in which nothing yields has none."""

    compiled: Compiled

    @property
    def processes(self) -> Processes | None:
        return self.compiled.processes

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The tasks, from left to right."""
        if self.processes is None:
            return ()
        tasks = self.processes.tasks
        return tuple(show_raw(tasks.sort, raw) for raw in tasks)

    @cached_property
    def hidden(self) -> frozenset[str]:
        """The variables of which `note` says more than the change of a cell."""
        if self.processes is None:
            return frozenset()
        return frozenset(v.name for v in (self.processes.at, *self.processes.kept))

    def lane(self, step: Step) -> int | None:
        """Return the number of the task that takes the step, or None."""
        if self.processes is None:
            return None
        task = self.processes.lane(step.action, step.arguments)
        return None if task is None else task - self.processes.tasks.lo

    def who(self, step: Step) -> str:
        """Return the name of the task that takes the step, or nothing."""
        lane = self.lane(step)
        return "" if lane is None else self.names[lane]

    def note(self, step: Step, after: State) -> str:
        """Return where the step's task stops, and what it keeps there; nothing if
        the action has come to its end."""
        processes, lane = self.processes, self.lane(step)
        if processes is None or lane is None:
            return ""
        if not self.compiled.suspended(step.action, step.arguments, after):
            return ""
        tasks = len(self.names)
        hidden = after[len(after) - processes.hidden :]
        place = processes.places[hidden[lane] - 1]
        rows = {v.name: k for k, v in enumerate(processes.kept, 1)}
        kept = ", ".join(
            f"{k.name} = "
            + show_raw(
                processes.kept[rows[k.variable] - 1].element,
                hidden[rows[k.variable] * tasks + lane],
            )
            for k in place.kept
        )
        return f"yields: {place.label}" + (f" ({kept})" if kept else "")

    # -- as text --

    @property
    def wide(self) -> int:
        return max(_NARROW, (WIDTH - MARGIN) // len(self.names))

    def head(self) -> list[str]:
        """Return the line above the lanes."""
        if len(self.names) < 2:
            return []
        line = "".join(f"{name:<{self.wide}}" for name in self.names)
        return [(" " * MARGIN + line).rstrip()[:WIDTH]]

    def indent(self, step: Step, text: str) -> int:
        """Return the column at which a text about the step begins: its lane's, or
        further to the left if it is too long."""
        lane = self.lane(step) if len(self.names) > 1 else None
        if lane is None:
            return MARGIN
        return max(MARGIN, min(MARGIN + lane * self.wide, WIDTH - len(text)))
