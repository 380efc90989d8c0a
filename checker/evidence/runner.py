# SPDX-License-Identifier: GPL-2.0-only
"""A design's own class under CPython, driven by raw values."""

from __future__ import annotations

from traceback import walk_tb
from typing import Any

from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.ir import show_raw
from poolproof.checker.core.system import State
from poolproof.checker.core.verdict import Step
from poolproof.checker.evidence.generators import SUSPENDED, Generators
from poolproof.checker.evidence.raw import raw_of
from poolproof.model.language import (
    NONE_FAILS,
    KernelBug,
    KernelWarning,
    ModelError,
    Values,
    action_methods,
    bind,
    parameters,
)

MODEL_IS_WRONG = (ModelError, AssertionError)
"""The exceptions of a design's class if an obligation fails."""


class Runner:
    """A fresh instance of a design's class, driven by raw values."""

    def __init__(self, compiled: Compiled) -> None:
        self.compiled = compiled
        self.design = compiled.design()
        self.stopped: KernelBug | None = None
        binding = bind(
            compiled.source, compiled.bounds, compiled.without, compiled.having
        )
        self._parameters: dict[str, tuple[Values, ...]] = {
            name: tuple(
                binding.values(domain)
                for domain in parameters(compiled.source, function).values()
            )
            for name, (function, _) in action_methods(compiled.source).items()
            if name in compiled.outline.signatures
        }

        self.tasks: Generators | None = None
        if compiled.processes is not None:
            self.tasks = Generators(compiled.processes, self.design)

    @property
    def state(self) -> State:
        state: State = self.design.dump()
        return state if self.tasks is None else state + self.tasks.dump()

    def load(self, state: State) -> None:
        """Set the state. A task that is inside an action is where it was in a run
        of this runner."""
        if self.tasks is None:
            self.design.load(state)
        else:
            self.tasks.load(state)

    @property
    def asserted(self) -> set[int]:
        """The lines of the `bug_on` and `warn_on` calls whose conditions the
        last step met."""
        lines = {
            w.lineno
            for w in self.design.warned
            if issubclass(w.category, KernelWarning)
        }
        if self.stopped is not None and self.stopped.__traceback__ is not None:
            last = list(walk_tb(self.stopped.__traceback__))
            lines.add(last[-2][1])  # the call; the last is bug_on itself
        return lines

    def python_arguments(self, step: Step) -> tuple[Any, ...]:
        """Return the step's arguments as Python values for its method; without the
        task, if the step begins at a `yield`."""
        place = None if self.tasks is None else self.tasks.places.get(step.action)
        if place is not None:
            if place.receives is None:
                return ()
            return (place.receives.python(step.arguments[1]),)
        values = self._parameters[step.action]
        given = step.arguments[: len(values)]
        return tuple(v.python(r) for v, r in zip(values, given, strict=True))

    def fails(self, step: Step) -> str:
        """Return the call that fails in the step, as Design.step has it."""
        action = self.compiled.outline.signatures[step.action]
        for p, raw in zip(action.parameters, step.arguments, strict=True):
            if p.implicit:
                return show_raw(p.domain.sort, raw)
        return NONE_FAILS

    def take(self, step: Step) -> int | None:
        """Take the step and return its raw result; None if it ends at a `yield`, or
        at a `bug_on`, which leaves the state unchanged. Raise what Design.step
        raises; the state is then as before."""
        self.stopped = None
        given = self.python_arguments(step)
        try:
            if self.tasks is None:
                value = self.design.step(step.action, *given, fails=self.fails(step))
            else:
                value = self.tasks.take(step, given, self.fails(step))
        except KernelBug as e:
            self.stopped = e
            return None
        if value is SUSPENDED:
            return None
        returns = self.compiled.outline.signatures[step.action].returns
        return None if returns is None else raw_of(returns, value)
