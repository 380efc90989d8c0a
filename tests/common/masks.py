# SPDX-License-Identifier: GPL-2.0-only
"""A design that has one of everything a spec can name."""

from enum import Enum

from poolproof.model.language import (
    Block,
    Bool,
    Bound,
    Design,
    Feature,
    Int,
    Maybe,
    Natural,
    Scalarset,
    SetOf,
    action,
    observer,
    require,
    table,
    var,
)


class Errno(Enum):
    OK = 0
    ENOMEM = 1


class Signal(Enum):
    OK = 0
    SIGBUS = 1


T = Bound("T", 2, doc="tasks")
K = Bound("K", 3, doc="slots")
FORK = Feature("fork", doc="children")
SWAP = Feature("swap", default=False, doc="pages on disk")
NODES = Scalarset("NODES", 2, prefix="n", ordered=True)
TASKS = Scalarset("TASKS", T, prefix="t")
SLOTS = Int(0, K - 1)


class Counter(Block):
    """One number and what became of it."""

    used = var(Int(0, 3))
    errno = var(Errno)


class Masks(Design):
    """Tasks that may use some of the nodes."""

    rsvd = Counter()
    mems = table(TASKS, SetOf(NODES))
    home = table(TASKS, Maybe(NODES))
    parent = table(TASKS, Maybe(TASKS), when=FORK)
    swapped = var(Int(0, 2), when=SWAP)
    slot = table(SLOTS, Bool())
    next = var(Int(0, K))
    total = var(Natural())

    @observer
    def home_of(self, task: TASKS) -> Maybe(NODES):
        """The task's home."""
        return self.home[task]

    @observer
    def next_used(self) -> Bool():
        """Whether the next slot is used (there may be none)."""
        return self.slot[self.next]

    @action
    def settle(self, task: TASKS, node: NODES) -> Errno:
        require(self.home[task] is None)
        self.total += 1
        self.mems[task] = self.mems[task] | {node}
        if self.next == K:
            self.rsvd.errno = Errno.ENOMEM
            return Errno.ENOMEM
        self.slot[self.next] = True
        self.next += 1
        self.home[task] = node
        return Errno.OK

    @action(when=FORK)
    def fork(self, task: TASKS, child: TASKS):
        require(task != child and self.parent[child] is None)
        self.parent[child] = task

    @action
    def kill(self, task: TASKS) -> Signal:
        require(self.home[task] is not None)
        self.home[task] = None
        return Signal.SIGBUS
