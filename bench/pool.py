# SPDX-License-Identifier: GPL-2.0-only
"""The reference model that every engine is timed on.

Two nodes of B pages, V VMAs of at most P pages, two cgroups with a limit of
2B - 1 pages. The same model in other checkers' languages is in bench/peers.
"""

from enum import Enum

from poolproof.model.language import (
    Bool,
    Bound,
    Design,
    Int,
    Maybe,
    Scalarset,
    action,
    observer,
    require,
    table,
    var,
)


class Signal(Enum):
    """What a fault ends in."""

    OK = 0
    SIGBUS = 1


B = Bound("B", 2, doc="pages per node")
V = Bound("V", 2, doc="VMAs")
P = Bound("P", 2, doc="pages per VMA at most")
NODES = Scalarset("NODES", 2, prefix="n")
CGROUPS = Scalarset("CGROUPS", 2, prefix="cg")
VMAS = Scalarset("VMAS", V, prefix="v")
PAGES = Int(0, P - 1)


class Pool(Design):
    """A pool that is reserved from globally and faulted per node."""

    free = table(NODES, Int(0, B), init=B)
    resv = var(Int(0, 2 * B))
    usage = table(CGROUPS, Int(0, 2 * B - 1))
    live = table(VMAS, Bool())
    cgroup = table(VMAS, Maybe(CGROUPS))
    binding = table(VMAS, Maybe(NODES))
    length = table(VMAS, Int(0, P))
    page = table(VMAS, PAGES, Maybe(NODES))
    sigbus = var(Bool())

    @observer
    def absent(self, vma: VMAS) -> Int(0, P):
        """Pages of the VMA that are reserved and not there."""
        return sum(
            1 for p in PAGES if p < self.length[vma] and self.page[vma, p] is None
        )

    def clear(self, vma):
        self.live[vma] = False
        self.cgroup[vma] = None
        self.binding[vma] = None
        self.length[vma] = 0
        for p in PAGES:
            self.page[vma, p] = None

    def allowed(self, vma, node):
        return self.binding[vma] is None or self.binding[vma] == node

    @action
    def mmap(
        self, vma: VMAS, cgroup: CGROUPS, binding: Maybe(NODES), length: Int(1, P)
    ):
        require(not self.live[vma])
        require(sum(self.free[n] for n in NODES) - self.resv >= length)
        require(self.usage[cgroup] + length <= 2 * B - 1)
        self.live[vma] = True
        self.cgroup[vma] = cgroup
        self.binding[vma] = binding
        self.length[vma] = length
        self.resv += length
        self.usage[cgroup] += length

    @action
    def fault(self, vma: VMAS, page: PAGES, node: NODES):
        require(page < self.length[vma] and self.page[vma, page] is None)
        require(self.allowed(vma, node) and self.free[node] > 0)
        self.page[vma, page] = node
        self.free[node] -= 1
        self.resv -= 1

    @action
    def fault_sigbus(self, vma: VMAS, page: PAGES) -> Signal:
        require(page < self.length[vma] and self.page[vma, page] is None)
        require(all(self.free[n] == 0 for n in NODES if self.allowed(vma, n)))
        self.sigbus = True
        return Signal.SIGBUS

    @action
    def munmap(self, vma: VMAS):
        require(self.live[vma])
        for n in NODES:
            self.free[n] += sum(1 for p in PAGES if self.page[vma, p] == n)
        self.resv -= self.absent(vma)
        self.usage[self.cgroup[vma]] -= self.length[vma]
        self.clear(vma)

    @action
    def split(self, vma: VMAS, new: VMAS, at: Int(1, P - 1)):
        require(self.live[vma] and not self.live[new])
        require(at < self.length[vma])
        self.live[new] = True
        self.cgroup[new] = self.cgroup[vma]
        self.binding[new] = self.binding[vma]
        self.length[new] = self.length[vma] - at
        for p in PAGES:
            if p + at < P:
                self.page[new, p] = self.page[vma, p + at]
        for p in PAGES:
            if p >= at:
                self.page[vma, p] = None
        self.length[vma] = at

    @action
    def merge(self, vma: VMAS, next: VMAS):
        require(vma != next and self.live[vma] and self.live[next])
        require(self.cgroup[vma] == self.cgroup[next])
        require(self.binding[vma] == self.binding[next])
        require(self.length[vma] + self.length[next] <= P)
        for p in PAGES:
            if p < self.length[next]:
                self.page[vma, self.length[vma] + p] = self.page[next, p]
        self.length[vma] += self.length[next]
        self.clear(next)

    @action
    def migrate(self, vma: VMAS, page: PAGES, node: NODES):
        require(self.page[vma, page] is not None and self.page[vma, page] != node)
        require(self.free[node] > 0)
        self.free[self.page[vma, page]] += 1
        self.free[node] -= 1
        self.page[vma, page] = node
