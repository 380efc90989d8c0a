# SPDX-License-Identifier: GPL-2.0-only
"""Designs that break what the kernel asserts."""

from enum import Enum

from poolproof.model.blocks.memcg import CounterTree
from poolproof.model.blocks.quota import PageCounters
from poolproof.model.blocks.vma.address_space import AddressSpace
from poolproof.model.designs.hugetlb import names as hugetlb
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb
from poolproof.model.designs.probes.address_space import (
    INODES,
    MLOCK,
    POLICIES,
    C,
    M,
    P,
    Vmas,
)
from poolproof.model.designs.probes.address_space import TASKS as T
from poolproof.model.designs.probes.memcg_tree import (
    CG_RSVD,
    CGROUPS,
    LIMITS,
    RSVD,
    MemcgTree,
)
from poolproof.model.language import (
    Block,
    Bool,
    Bound,
    Counter,
    Design,
    Feature,
    Int,
    Scalarset,
    action,
    bug_on,
    domain,
    invariant,
    require,
    table,
    var,
    warn_on,
)


class Told(Enum):
    OK = 0
    ENOMEM = 12


TASKS = Scalarset("TASKS", Bound("T", 2), prefix="t")
PINS = Feature("pins")


class Account(Block):
    """What each task has: counted twice, and returned without a look."""

    def __init__(self, tasks, most):
        self.locked = table(tasks, Counter(most), doc="mm/mlock.c")
        self.pages = table(tasks, Int(0, most))

    def put(self, task):
        warn_on(self.pages[task] == 0, "pages underflow")
        self.pages[task] = max(0, self.pages[task] - 1)


class Locking(Design):
    """unlock() does not ask whether anything is locked."""

    mm = Account(TASKS, 2)
    held = table(TASKS, Bool())
    total = var(Counter(3))

    @action
    def lock(self, task: TASKS) -> Told:
        if self.held[task]:
            return Told.ENOMEM
        self.held[task] = True
        self.mm.locked[task] += 1
        self.mm.pages[task] += 1
        self.total += 1
        return Told.OK

    @action
    def unlock(self, task: TASKS) -> Told:
        bug_on(self.mm.locked[task] == 2)
        self.held[task] = False
        self.mm.locked[task] -= 1
        self.mm.put(task)
        bug_on(self.mm.locked[task] == -2, "unlocked twice")
        require(self.total > 0)
        self.total -= 1
        return Told.OK


class Loans(Block):
    """Loans that are pinned without a look at how many there are."""

    tasks = domain()

    def __init__(self, tasks, pins):
        self.tasks, self.pins = tasks, pins
        self.lent = table(tasks, Int(0, 2))
        self.pinned = table(tasks, Int(0, 2), when=pins)

    @action
    def lend(self, task: tasks):
        require(self.lent[task] < 2)
        self.lent[task] += 1

    @action(when="pins")
    def pin(self, task: tasks):
        require(self.design.may_pin(task))
        self.pinned[task] += 1

    @invariant(when="pins")
    def pinned_is_lent(self):
        """a pinned page is lent"""
        return all(self.pinned[t] <= self.lent[t] for t in self.tasks)

    @invariant
    def at_most(self):
        return all(self.design.is_small(t) for t in self.tasks)


class Lender(Design):
    """A hook that forgets to ask what is lent."""

    loans = Loans(TASKS, PINS)

    def may_pin(self, task):
        return self.loans.pinned[task] < 2

    def is_small(self, task):
        return self.loans.lent[task] + self.loans.pinned[task] < 5


class CarefulLender(Lender):
    def may_pin(self, task):
        return self.loans.pinned[task] < self.loans.lent[task]

    @invariant
    def few(self):
        return sum(self.loans.lent[t] for t in TASKS) <= 4


# --- planted in shipped designs --------------------------------------------


class TwiceUncharged(CounterTree):
    """Each page is uncharged twice."""

    def uncharge(self, cgroup, pages):
        super().uncharge(cgroup, 2 * pages)


class DoubleUncharge(MemcgTree):
    """Reservations are uncharged twice."""

    rsvd = TwiceUncharged(CGROUPS, CG_RSVD, RSVD, LIMITS)


class Uncharged(PageCounters):
    """The charge was dropped from a patch, its uncharge was not."""

    def try_charge(self, cgroup, pages):
        return True


class DroppedCharge(Hugetlb):
    """Faults are not charged."""

    usage = Uncharged(hugetlb.CGROUPS, hugetlb.CG_MAX, hugetlb.CGROUP)


class KeepsLocked(AddressSpace):
    """munmap does not return locked_vm."""

    def remove_vmas(self, task, start, end):
        locked = self.locked_vm[task]
        super().remove_vmas(task, start, end)
        if MLOCK:
            self.locked_vm[task] = locked


class LockedNotReturned(Vmas):
    """locked_vm only grows."""

    mm = KeepsLocked(T, P, INODES, POLICIES, M, C)


class KeepsCount(AddressSpace):
    """What is unmapped whole stays in map_count."""

    def remove_vmas(self, task, start, end):
        count = self.map_count[task]
        super().remove_vmas(task, start, end)
        self.map_count[task] = count


class CountNotReturned(Vmas):
    """map_count only grows."""

    mm = KeepsCount(T, P, INODES, POLICIES, M, C)
