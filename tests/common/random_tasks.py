# SPDX-License-Identifier: GPL-2.0-only
"""Random designs of two tasks that share two numbers and two locks, as text.

An action reads, writes, takes and drops locks and yields. The oracle runs the
generators themselves, breadth first: it knows nothing of expressions, places are
where CPython stops, and locals what its frames hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.evaluate import initial_states
from poolproof.checker.core.system import State
from poolproof.checker.core.verdict import Step
from poolproof.checker.evidence.runner import Runner
from poolproof.model.language import Disabled

HEAD = '''
from poolproof.model.language import *

TASKS = Scalarset("TASKS", 2, prefix="t")
LOCKS = Int(0, 1)


class Tasks(Design):
    """What came out."""

    x = var(Int(0, 2), init=1)
    y = var(Int(0, 2))
    own = table(TASKS, Int(0, 2))
    holder = table(LOCKS, Maybe(TASKS))

    def take(self, t, k):
        yield f"waits"
        require(self.holder[k] is None)
        self.holder[k] = t

    def drop(self, t, k):
        if self.holder[k] == t:
            self.holder[k] = None
'''.replace('f"waits"', '"waits"')


OWN = "    own = table(TASKS, Int(0, 2))\n"


class Writer:
    """One text. ``known`` are the locals in reach. ``own``: there are steps that
    concern the task alone. ``fallible``: there are calls that may fail."""

    def __init__(self, seed: int, own: bool = False, fallible: bool = False) -> None:
        self.random = Random(seed)
        self.own, self.fallible = own, fallible
        self.known: list[str] = []

    def number(self) -> str:
        return self.random.choice(["0", "1", "2", "self.x", "self.y", *self.known])

    def condition(self) -> str:
        relation = self.random.choice(["==", "<", "!="])
        return f"{self.number()} {relation} {self.number()}"

    def block(self, depth: int) -> Iterator[str]:
        for _ in range(self.random.randint(1, 3)):
            yield from self.statement(depth)

    def statement(self, depth: int) -> Iterator[str]:
        kinds = ["write", "read", "yield", "take", "drop", "bring", "return"]
        kinds += ["if", "for"] if depth else []
        kinds += ["own"] * 4 if self.own else []
        kinds += ["fail", "failed"] if self.fallible else []
        match self.random.choice(kinds):
            case "own":
                yield "yield"
                yield f"self.own[t] = {self.random.choice(['0', '1', *self.known])}"
                yield "yield"
            case "fail":
                call = self.random.choice(["kmalloc", "alloc_page"])
                yield f'if may_fail("{call}"):'
                yield f"    {self.random.choice(['return False', 'self.x = 0'])}"
            case "failed":
                self.known = [*{*self.known, "f"}]
                yield 'failed = may_fail("kmalloc")'
                yield "f = 1 if failed else 0"
            case "write":
                field = self.random.choice(["x", "y"])
                change = self.random.choice(
                    [self.number(), f"min({self.number()} + 1, 2)"]
                )
                yield f"self.{field} = {change}"
            case "read":
                value = self.number()
                name = self.random.choice(["a", "b"])
                self.known = [*{*self.known, name}]
                yield f"{name} = {value}"
            case "yield":
                yield "yield"
            case "bring":
                self.known = [*{*self.known, "c"}]
                yield "c: Int(0, 1) = yield"
            case "take":
                yield f"yield from self.take(t, {self.random.randint(0, 1)})"
            case "drop":
                yield f"self.drop(t, {self.random.randint(0, 1)})"
            case "return":
                yield f"if {self.condition()}:"
                yield f"    return {self.condition()}"
            case "if":
                known = self.known
                yield f"if {self.condition()}:"
                yield from (f"    {line}" for line in self.block(depth - 1))
                self.known = known
            case "for":
                known = self.known
                yield f"for k{depth} in LOCKS:"
                self.known = [*known, f"k{depth}"]
                yield from (f"    {line}" for line in self.block(depth - 1))
                self.known = known

    def action(self, name: str) -> Iterator[str]:
        self.known = ["n"]
        yield "    @action"
        yield f"    def {name}(self, t: TASKS, n: Int(0, 1)) -> Bool():"
        yield from (f"        {line}" for line in self.block(2))
        yield "        yield"
        if self.fallible:
            yield '        if may_fail("alloc_page"):'
            yield "            return False"
        yield f"        return {self.condition()}"


def task_text(seed: int, own: bool = False, fallible: bool = False) -> str:
    """The text of a module with a design called Tasks."""
    w = Writer(seed, own, fallible)
    lines = [(HEAD if own else HEAD.replace(OWN, "")).strip("\n")]
    for name in ("one", "two"):
        lines += ["", *w.action(name)]
    return "\n".join(lines) + "\n"


def explored(compiled: Compiled) -> dict[State, int]:
    """Each state that CPython reaches, with the fewest steps to it."""
    runner, system = Runner(compiled), compiled.system
    steps = [Step(a.name, raw) for a in system.actions for raw in a.valuations()]
    found = dict.fromkeys(initial_states(system), 0)
    level = list(found)
    while level:
        following = []
        for state in level:
            for step in steps:
                runner.load(state)
                try:
                    runner.take(step)
                except Disabled:
                    continue
                after = runner.state
                if after not in found:
                    found[after] = found[state] + 1
                    following.append(after)
        level = following
    return found
