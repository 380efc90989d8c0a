# SPDX-License-Identifier: GPL-2.0-only
"""What the agent answers to a command: a result and the counters after it."""

from dataclasses import dataclass, field
from typing import NamedTuple

_WORD = 1 << 64


class NodePool(NamedTuple):
    """A node's share of the pool, in huge pages, unsigned."""

    nr: int
    free: int
    surplus: int


class Charge(NamedTuple):
    """A hugetlb cgroup's hugetlb.2MB.current and .rsvd.current, in huge pages."""

    usage: int
    rsvd: int


class Space(NamedTuple):
    """statfs of a hugetlbfs mount, in huge pages.

    0/0: a mount without a limit. -1/-1: min_size only.
    """

    blocks: int
    free: int


class Gigantic(NamedTuple):
    """The pool of 1 GiB pages, where the kernel was booted with one."""

    nr: int
    free: int
    rsvd: int
    surplus: int


@dataclass(frozen=True, slots=True)
class Counters:
    """Everything the kernel reports about the pool of 2 MiB pages.

    All values are unsigned as the kernel prints them: a counter that fell below
    zero shows as 2**64 - 1. `committed` is Committed_AS in kB; it moves with
    every process of the system and takes no part in comparisons.
    Sources: /proc/meminfo, the nodes' hugepages-2048kB, the cgroups' hugetlb
    files, statfs(2).
    """

    total: int
    free: int
    rsvd: int
    surp: int
    nodes: tuple[NodePool, ...]
    cgroups: tuple[tuple[str, Charge], ...] = ()
    mounts: tuple[tuple[str, Space], ...] = ()
    gigantic: Gigantic | None = None
    committed: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """A command's result and the counters right after it.

    `result` is one of: "ok", "ok VALUE...", "err ENAME", "sig SIGNAME code N"
    (caught by a handler in the worker), "killed SIGNAME" (the worker died),
    "timeout" (the worker was killed for it), "gone" (no such worker),
    "usage TEXT" (the agent did not understand), "dirty WHAT..." (a reset after which
    something was left or the kernel had warned).
    """

    result: str
    counters: Counters

    @property
    def ok(self) -> bool:
        return self.result == "ok" or self.result.startswith("ok ")

    @property
    def value(self) -> str:
        """Return the words after "ok"; empty if there are none."""
        return self.result[3:] if self.ok else ""

    @property
    def left(self) -> str:
        """Return what a reset left behind, in the agent's words; empty if nothing."""
        word, _, rest = self.result.partition(" ")
        return rest if word == "dirty" else ""

    @property
    def errno(self) -> str | None:
        """The name of the errno, "ENOMEM" ...; None where the call did not fail."""
        return self.result[4:] if self.result.startswith("err ") else None

    @property
    def signal(self) -> str | None:
        """The signal caught or died of, "SIGBUS" ...; None where there was none."""
        word, _, rest = self.result.partition(" ")
        return rest.partition(" ")[0] if word in ("sig", "killed") else None


class MalformedAnswer(ValueError):
    """A line that is no answer of the agent."""


def parse_answer(line: str) -> Answer:
    """The answer in a line of the agent: RESULT, a tab, COUNTERS.

    Raises MalformedAnswer.
    """
    result, tab, counters = line.partition("\t")
    if not tab:
        raise MalformedAnswer(f"not an answer: {line!r}")
    return Answer(result, parse_counters(counters))


def parse_counters(text: str) -> Counters:
    """The counters in the agent's words, as agent.c's header describes them.

    Raises MalformedAnswer.
    """
    nodes: list[NodePool] = []
    cgroups: list[tuple[str, Charge]] = []
    mounts: list[tuple[str, Space]] = []
    gigantic: Gigantic | None = None
    committed: int | None = None
    try:
        pool, *words = text.split()
        for word in words:
            kind, colon, rest = word.partition(":")
            name, _, values = rest.rpartition("=")
            if not colon:
                nodes.append(NodePool(*_numbers(word)))
            elif kind == "cg":
                cgroups.append((name, Charge(*_numbers(values))))
            elif kind == "m":
                mounts.append((name, Space(*map(_signed, _numbers(values)))))
            elif kind == "g":
                gigantic = Gigantic(*_numbers(rest))
            elif kind == "as":
                committed = int(rest)
            else:
                raise MalformedAnswer(f"no counter is called {kind!r}: {text!r}")
        total, free, rsvd, surp = _numbers(pool)
    except (TypeError, ValueError) as error:
        raise MalformedAnswer(f"not counters: {text!r}") from error
    return Counters(
        *(total, free, rsvd, surp),
        nodes=tuple(nodes),
        cgroups=tuple(sorted(cgroups)),
        mounts=tuple(sorted(mounts)),
        gigantic=gigantic,
        committed=committed,
    )


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split("/")]


def _signed(value: int) -> int:
    return value - _WORD if value >= _WORD // 2 else value
