# SPDX-License-Identifier: GPL-2.0-only
"""Small designs whose actions yield, in every way that the language has."""

from enum import Enum

from poolproof.model.language import (
    Bool,
    Bound,
    Design,
    Feature,
    Int,
    Maybe,
    Scalarset,
    action,
    bug_on,
    require,
    table,
    var,
    warn_on,
)


class Errno(Enum):
    """Results."""

    OK = 0
    ENOMEM = 12


OK, ENOMEM = Errno

TASKS = Scalarset("TASKS", Bound("T", 2), prefix="t")
NODES = Scalarset("NODES", 2, prefix="n", ordered=True)
LOCKED = Feature("locked", False, "the counter is changed under its lock")


class Counter(Design):
    """`count -= 1` with and without a lock around the two halves."""

    count = var(Int(0, 2), init=2)
    taken = var(Int(0, 2))
    lock = var(Maybe(TASKS))

    @action
    def take(self, t: TASKS) -> Errno:
        """Read, then write."""
        require(self.taken < 2)
        if LOCKED:
            yield "waits for the lock"
            require(self.lock is None)
            self.lock = t
        old = self.count
        if old == 0:
            self.lock = None
            return ENOMEM
        yield "has read"
        self.count = old - 1
        if LOCKED:
            self.lock = None
        self.taken = min(self.taken + 1, 2)
        return OK


class TwoLocks(Design):
    """Two locks, taken in either order."""

    first = var(Maybe(TASKS))
    second = var(Maybe(TASKS))

    @action
    def up(self, t: TASKS):
        """The first one first."""
        require(self.first is None)
        self.first = t
        yield "waits for second"
        require(self.second is None)
        self.first = None

    @action
    def down(self, t: TASKS):
        """The second one first."""
        require(self.second is None)
        self.second = t
        yield "waits for first"
        require(self.first is None)
        self.second = None


class Ways(Design):
    """Loops, branches, methods that yield, and values that a step brings."""

    free = table(NODES, Int(0, 1), init=1)
    home = table(TASKS, Maybe(NODES))
    seen = var(Int(0, 3))

    @action
    def alloc(self, t: TASKS, small: Bool()) -> Errno:
        """Looks at each node, with the lock dropped in between."""
        require(self.home[t] is None)
        found = yield from self.dequeue(t, 1 if small else 2)
        if not found:
            fails: Bool() = yield "buddy allocator"
            if fails:
                return ENOMEM
        return OK

    def dequeue(self, t, most):
        """Take the first page within ``most`` nodes."""
        looked = 0
        for n in NODES:
            if looked < most:
                yield "next node"
                looked += 1
                if self.free[n] > 0:
                    self.free[n] -= 1
                    yield from self.note(t, n)
                    return True
        return False

    def note(self, t, n):
        """Two more places, one of them on one path only."""
        self.home[t] = n
        if self.seen == 3:
            yield
            self.seen = 0
        else:
            yield "noted"
            self.seen += 1

    @action
    def release(self, t: TASKS):
        """An atomic action of a task, which must be idle."""
        for n in NODES:
            if self.home[t] == n:
                self.free[n] += 1
        self.home[t] = None

    @action
    def shake(self, node: NODES):
        """An action of nobody."""
        require(self.free[node] == 0)
        warn_on(self.seen == 2, "seen twice")
        bug_on(self.seen == 3, "seen three times")
        self.free[node] = 0
