"""A stored trace as calls: what reproducers are made of."""

from __future__ import annotations

from dataclasses import dataclass

from checker.conform.around import NotExpressible, Setting
from checker.conform.hugetlb import setup
from checker.conform.machine import Machine
from checker.conform.sequence import ask, begin
from checker.conform.writing import Writer
from checker.diagnostic import Mistake
from checker.kernel.answer import Counters
from checker.replay import Runner, show_step
from checker.system import State
from checker.trace import Replayed
from model.designs.hugetlb import Hugetlb
from model.language import bind


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the trace: its text and result, the commands that bring it
    about, which of them has the result, the counters after it."""

    text: str
    result: str
    commands: tuple[str, ...]
    telling: int
    counters: Counters


@dataclass(frozen=True, slots=True)
class Script:
    """A trace as commands of the agent. ``ready`` are the counters after the
    setup."""

    replayed: Replayed
    setting: Setting
    setup: tuple[str, ...]
    ready: Counters
    steps: tuple[Step, ...]

    @property
    def name(self) -> str:
        """What the trace is a trace of."""
        heading = self.replayed.heading
        return heading.property or heading.shows

    @property
    def commands(self) -> tuple[str, ...]:
        return (*self.setup, *(c for step in self.steps for c in step.commands))


def script(replayed: Replayed) -> Script:
    """The trace as calls. Raises Mistake where the design has no mapping to
    system calls, or a step has none."""
    compiled = replayed.compiled
    design = compiled.source
    if not issubclass(design, Hugetlb):
        raise Mistake(
            None,
            f"{compiled.system.name} has no mapping to system calls; Hugetlb has, "
            "and designs that inherit it",
        )
    binding = bind(design, compiled.bounds, compiled.without, compiled.having)
    having = tuple(sorted(name for name, on in binding.features.items() if on))
    cursors = _cursors(replayed, binding.bounds["N"])
    setting = Setting(dict(binding.bounds), having, cursors)
    start = setup(setting)
    machine = begin(design, setting, start)
    ready = machine.counters()
    runner, steps = Runner(compiled), []
    for number, taken in enumerate(replayed.played.taken, 1):
        action = compiled.system.action_by_name[taken.step.action]
        text = show_step(compiled.system, taken.step, taken.result)
        names = (p.name for p in action.parameters)
        values = runner.python_arguments(taken.step)
        arguments = dict(zip(names, values, strict=True))
        try:
            steps.append(_step(machine, text, taken.step.action, arguments))
        except NotExpressible as e:
            raise Mistake(
                None, f"step {number}, {text}: no system call does this: {e}"
            ) from None
        _agrees(machine, taken.state, number, text)
    return Script(replayed, setting, tuple(start), ready, tuple(steps))


def _cursors(replayed: Replayed, nodes: int) -> tuple[int, int]:
    """Where the trace's initial state has the pool's node cursors."""
    system = replayed.compiled.system
    raw = dict(
        zip((c.name for c in system.cells), replayed.played.trace.initial, strict=True)
    )
    last = nodes - 1
    return raw.get("h.next_nid_to_alloc", last), raw.get("h.next_nid_to_free", last)


def _step(
    machine: Machine, text: str, action: str, arguments: dict[str, object]
) -> Step:
    machine.around.wanted = [
        arguments[name]
        for name in (("new",) if "new" in arguments else ("vma",))
        if name == "new" or action.startswith("mmap")
    ]
    commands: list[str] = []
    telling, result = 0, "OK"
    for command in Writer(machine).commands(action, arguments):
        row = ask(machine, command)
        for taken in row.taken:
            if (taken.action, taken.arguments) != (action, tuple(arguments.values())):
                raise NotExpressible(f"{command} is {taken.action}, too")
            telling, result = len(commands), taken.result.name
        commands.append(command)
    machine.around.wanted = []
    call, _, _ = text.partition(" -> ")
    return Step(call, result, tuple(commands), telling, machine.counters())


def _agrees(machine: Machine, state: State, number: int, text: str) -> None:
    if machine.now.dump() != state:
        raise Mistake(None, f"step {number}, {text}: the calls do something else")
