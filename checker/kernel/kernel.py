# SPDX-License-Identifier: GPL-2.0-only
"""What every kernel that can be asked looks like, and why one cannot be."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from poolproof.checker.kernel.answer import Answer, parse_answer
from poolproof.checker.kernel.link import Link, NoAnswer


class Unavailable(Exception):
    """This kernel cannot be asked here; the message says why, in one line."""


class Hung(Exception):
    """The kernel stopped answering in the middle of a run.

    `answers` are those it gave before. The kernel has been put back to its
    saved state where it has one; otherwise it is closed.
    """

    def __init__(self, message: str, answers: Sequence[Answer]) -> None:
        super().__init__(message)
        self.answers = tuple(answers)


@dataclass(frozen=True, slots=True)
class KernelFacts:
    """What a kernel says about itself.

    `release` is uname -r; `controllers` are the cgroup v2 controllers that can
    be used, of hugetlb, memory and cpuset; `able` is what else it was built with, of
    userfaultfd and memory_failure; `gigantic` is the number of 1 GiB pages it was
    booted with.
    """

    release: str
    nodes: int
    controllers: frozenset[str]
    able: frozenset[str]
    gigantic: int


@dataclass(frozen=True, slots=True)
class SequenceOutcome:
    """One sequence, then a reset. Not `clean`: something outlived the reset, and
    ``left`` says what, if it is known."""

    answers: tuple[Answer, ...]
    clean: bool
    left: str = ""


class Kernel(Protocol):
    """A kernel with an agent in it, closed at the end of a `with`. agent.c's table is
    the command grammar."""

    @property
    def facts(self) -> KernelFacts: ...

    @property
    def release(self) -> str:
        """uname -r."""
        return self.facts.release

    def run(self, commands: Sequence[str]) -> list[Answer]:
        """Runs the commands in order, all in one round trip. Raises Hung."""

    def sequence(self, commands: Sequence[str]) -> SequenceOutcome:
        """As run, with a reset in the same round trip.

        The kernel is all zero afterwards: where the reset was not enough, by
        restoring the saved state. Raises Hung; Unavailable where there is none.
        """

    def reset(self) -> bool:
        """No process, mount, cgroup or page left; False where that took more."""
        return self.sequence([]).clean

    def close(self) -> None:
        """Ends it and puts back whatever it changed. May be called twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Conversation:
    """A link on which an agent has said hello. Raises Silent."""

    link: Link
    facts: KernelFacts
    patience: float

    def run(self, commands: Sequence[str]) -> list[Answer]:
        try:
            lines = self.link.exchange(commands, self.patience)
        except NoAnswer as silent:
            answers = [parse_answer(line) for line in silent.lines]
            raise Hung(str(silent), answers) from silent
        return [parse_answer(line) for line in lines]


def greet(link: Link, patience: float) -> Conversation:
    """Waits for an agent to say hello. Raises Silent after `patience` seconds."""
    return Conversation(link, _facts(link.exchange(["hello"], patience)[0]), patience)


def _facts(line: str) -> KernelFacts:
    words = parse_answer(line).value.split()
    said = dict(word.split("=", 1) for word in words)

    def names(key: str) -> frozenset[str]:
        return frozenset(filter(None, said[key].split(",")))

    return KernelFacts(
        release=said["release"],
        nodes=int(said["nodes"]),
        controllers=names("cgroup"),
        able=names("able"),
        gigantic=int(said["gigantic"]),
    )
