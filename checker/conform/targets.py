# SPDX-License-Identifier: GPL-2.0-only
"""What a command may be about: processes, mappings, room for more, descriptors."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from poolproof.checker.conform.environment import WORKERS, Area, NotExpressible
from poolproof.checker.conform.hugetlb import path
from poolproof.checker.conform.machine import ModelMachine

STRIDE = 16
"""How many pages apart mappings are that have nothing to do with each other."""


@dataclass
class Targets:
    """What there is in the state that a machine is in.

    Where there are several ways it takes the first, or one by ``chance``.
    """

    machine: ModelMachine
    chance: Random | None = None

    def processes(self, task: Any) -> list[int]:
        """The task's live processes. Raises NotExpressible for none."""
        found = self.machine.processes(task)
        if not found:
            raise NotExpressible(f"no process of {task} is left")
        return found

    def one_of(self, choices: Any) -> Any:
        return self.chance.choice(choices) if self.chance else choices[0]

    def other_way(self) -> bool:
        return self.chance is not None and self.chance.random() < 0.4

    def area(self, slot: Any) -> Area:
        area = self.machine.area_of(slot)
        if area is None:
            raise NotExpressible(f"{slot} is not mapped")
        return area

    def room_for(self, task: Any, length: int) -> tuple[int, int]:
        process = self.one_of(self.processes(task))
        return process, self.room(process, length)

    def room(self, process: int, length: int) -> int:
        """A page where nothing is mapped for so many pages."""
        if self.other_way():
            ends = [a.end for a in self.machine.areas_of(process)]
            beside = [e for e in ends if self.machine.is_free(process, e, length)]
            if beside:
                return int(self.one_of(beside))
        page = 0
        while not self.machine.is_free(process, page, length):
            page += STRIDE
        return page

    def free_process(self, task: Any) -> int:
        """A number for a new process of a task. Raises NotExpressible."""
        for process in range(task.index, WORKERS, self.machine.bounds["T"]):
            if process not in self.machine.around.places:
                return process
        raise NotExpressible(f"{task} has no more processes")

    def descriptor(self, process: int, file: Any) -> tuple[int, list[str]]:
        """A descriptor of a file, and what opens it first."""
        around = self.machine.around
        for (owner, fd), opened in around.descriptors.items():
            if owner == process and opened == file:
                return fd, []
        name = next((n for n, f in around.names.items() if f == file), None)
        if name is None:
            if file in around.descriptors.values():
                raise NotExpressible(f"process {process} cannot open a memfd")
            name = path(file.index)
        return file.index, [f"w {process} open {file.index} {name}"]

    def some_process(self, file: Any = None) -> int:
        """A live process; one that has the file open, where there is one."""
        around = self.machine.around
        for (owner, _), opened in around.descriptors.items():
            if opened == file:
                return owner
        for process in around.places:
            return process
        raise NotExpressible("no process is left")
