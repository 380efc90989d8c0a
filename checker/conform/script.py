# SPDX-License-Identifier: GPL-2.0-only
"""A stored trace as calls: what reproducers are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from poolproof.checker.conform.environment import Config, NotExpressible
from poolproof.checker.conform.hugetlb import WITHOUT_C, setup
from poolproof.checker.conform.machine import ModelMachine
from poolproof.checker.conform.sequence import ask, begin
from poolproof.checker.conform.writing import CommandWriter
from poolproof.checker.core import verdict
from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.system import State
from poolproof.checker.driver.stored import Replayed
from poolproof.checker.evidence.replay import show_step
from poolproof.checker.evidence.runner import Runner
from poolproof.checker.kernel.answer import Counters
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb
from poolproof.model.language import NONE_FAILS, bind


@dataclass(frozen=True, slots=True)
class Command:
    """A step of the trace: its text and result, the commands that bring it
    about, which of them has the result, the counters after it, and the VMA
    slots of the mappings that it makes."""

    text: str
    result: str
    commands: tuple[str, ...]
    telling: int
    counters: Counters
    slots: tuple[Any, ...] = ()


class Performer:
    """Takes the steps of a compiled design on a machine of the same design."""

    def __init__(self, compiled: Compiled, machine: ModelMachine) -> None:
        self.compiled = compiled
        self.machine = machine
        self._runner = Runner(compiled)

    def take(self, call: verdict.Step) -> Command:
        """The step, with the commands for it. Raises NotExpressible where
        there are none, or where they mean something else, too."""
        system, machine = self.compiled.system, self.machine
        fails = self._runner.fails(call)
        if fails != NONE_FAILS:
            raise NotExpressible(f"{fails} fails: no command makes it")
        parameters = system.action_by_name[call.action].parameters
        names = (p.name for p in parameters if not p.implicit)
        values = self._runner.python_arguments(call)
        arguments = dict(zip(names, values, strict=True))
        slots = tuple(
            arguments[name]
            for name in ("new", "rest", "vma")
            if name in arguments and (name != "vma" or call.action.startswith("mmap"))
        )
        machine.around.wanted = list(slots)
        commands: list[str] = []
        telling, result = 0, "OK"
        for command in CommandWriter(machine).commands(call.action, arguments):
            row = ask(machine, command)
            for taken in row.taken:
                if (taken.action, taken.arguments) != (call.action, values):
                    raise NotExpressible(f"{command} is {taken.action}, too")
                telling, result = len(commands), taken.result.name
            commands.append(command)
        machine.around.wanted = []
        text = show_step(system, call)
        return Command(
            text, result, tuple(commands), telling, machine.counters(), slots
        )


def again(machine: ModelMachine, step: Command) -> Command:
    """A step's commands on another machine, or in another state: the same
    step with what is seen there. Raises NotExpressible where its commands
    mean something else."""
    machine.around.wanted = list(step.slots)
    result = "OK"
    for number, command in enumerate(step.commands):
        for taken in ask(machine, command).taken:
            if number != step.telling:
                raise NotExpressible(f"{command} is {taken.action} here")
            result = taken.result.name
    machine.around.wanted = []
    return replace(step, result=result, counters=machine.counters())


@dataclass(frozen=True, slots=True)
class Calls:
    """Steps as commands of the agent, after a setup. ``ready`` are the counters
    between the two."""

    name: str
    setting: Config
    setup: tuple[str, ...]
    ready: Counters
    steps: tuple[Command, ...]

    @property
    def commands(self) -> tuple[str, ...]:
        return (*self.setup, *(c for step in self.steps for c in step.commands))


@dataclass(frozen=True, slots=True)
class Script(Calls):
    """A trace as commands of the agent, named after what it is a trace of.
    ``performer`` stands at the end of the trace."""

    replayed: Replayed
    performer: Performer = field(repr=False, compare=False)

    def and_then(self, steps: Sequence[Command]) -> Script:
        """The script with further steps."""
        return replace(self, steps=(*self.steps, *steps))


def script(replayed: Replayed) -> Script:
    """The trace as calls. Raises UserError where the design has no mapping to
    system calls, or a step has none."""
    compiled = replayed.compiled
    design = compiled.source
    if not issubclass(design, Hugetlb):
        raise UserError(
            None,
            f"{compiled.system.name} has no mapping to system calls; Hugetlb has, "
            "and designs that inherit it",
        )
    binding = bind(design, compiled.bounds, compiled.without, compiled.having)
    having = tuple(sorted(name for name, on in binding.features.items() if on))
    for name in sorted(WITHOUT_C & {*having}):
        raise UserError(None, f"no system call does what the feature {name!r} is about")
    cursors = _cursors(replayed, binding.bounds["nodes"])
    setting = Config(dict(binding.bounds), having, cursors)
    start = setup(setting)
    machine = begin(design, setting, start)
    ready = machine.counters()
    performer, steps = Performer(compiled, machine), []
    for number, taken in enumerate(replayed.replay.taken, 1):
        text = show_step(compiled.system, taken.step, taken.result)
        try:
            steps.append(performer.take(taken.step))
        except NotExpressible as e:
            raise UserError(
                None, f"step {number}, {text}: no system call does this: {e}"
            ) from None
        _agrees(machine, taken.state, number, text)
    heading = replayed.heading
    return Script(
        name=heading.property or heading.shows,
        setting=setting,
        setup=tuple(start),
        ready=ready,
        steps=tuple(steps),
        replayed=replayed,
        performer=performer,
    )


def _cursors(replayed: Replayed, nodes: int) -> tuple[int, int]:
    """Where the trace's initial state has the pool's node cursors."""
    system = replayed.compiled.system
    raw = dict(
        zip((c.name for c in system.cells), replayed.replay.trace.initial, strict=True)
    )
    last = nodes - 1
    return raw.get("h.next_nid_to_alloc", last), raw.get("h.next_nid_to_free", last)


def _agrees(machine: ModelMachine, state: State, number: int, text: str) -> None:
    if machine.now.dump() != state:
        raise UserError(None, f"step {number}, {text}: the calls do something else")
