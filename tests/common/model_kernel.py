# SPDX-License-Identifier: GPL-2.0-only
"""A kernel that is the design once more, every feature on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from poolproof.checker.conform.hugetlb import roomy
from poolproof.checker.conform.machine import ModelMachine
from poolproof.checker.kernel.answer import Answer, Counters
from poolproof.checker.kernel.kernel import KernelFacts, SequenceOutcome
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb


class ModelKernel:
    """Implements checker.kernel.kernel.Kernel."""

    def __init__(
        self, design: type[Hugetlb], nodes: int = 2, release: str = "6.12.0-model"
    ) -> None:
        self.design = design
        controllers = frozenset(("hugetlb", "memory", "cpuset"))
        able = frozenset(("userfaultfd", "memory_failure"))
        self.facts = KernelFacts(release, nodes, controllers, able, 0)
        self.sequences = 0

    @property
    def release(self) -> str:
        return self.facts.release

    def run(self, commands: Sequence[str]) -> list[Answer]:
        return list(self.sequence(commands).answers)

    def sequence(self, commands: Sequence[str]) -> SequenceOutcome:
        """The cursors are on the last node, as after a reset of the agent."""
        self.sequences += 1
        nodes = self.facts.nodes
        setting = roomy(self.design, commands, nodes, (nodes - 1, nodes - 1))
        machine = ModelMachine(self.design, setting)
        answers = []
        for command in commands:
            result = machine.run(command)
            answers.append(Answer(result, unsigned(machine.counters())))
        return SequenceOutcome(tuple(answers), machine.drains())

    def reset(self) -> bool:
        return True

    def close(self) -> None:
        return None


def unsigned(counters: Counters) -> Counters:
    """As the kernel prints it."""
    return replace(counters, rsvd=counters.rsvd % (1 << 64))
