# SPDX-License-Identifier: GPL-2.0-only
"""Small designs that use every construct of the language between them. In
each, every action is run by CPython and by the compiled system from random
states; some of them break their model from some states, on purpose."""

from enum import Enum

from poolproof.model.language import (
    ANY,
    Block,
    Bool,
    Bound,
    Design,
    Feature,
    Given,
    Int,
    Maybe,
    Natural,
    Scalarset,
    SetOf,
    Wrapping,
    action,
    bug_on,
    domain,
    may_fail,
    observer,
    require,
    table,
    var,
)


class Errno(Enum):
    OK = 0
    ENOMEM = 1
    EINVAL = 2


OK = Errno.OK
ENOMEM = Errno.ENOMEM
FAILURES = (Errno.ENOMEM, Errno.EINVAL)
SMALL = frozenset((1, 2))
LIMIT = 2

B = Bound("B", 2)
N = Bound("N", 2)
V = Bound("V", 2)
FORK = Feature("fork")
SWAP = Feature("swap", False)
NODES = Scalarset("NODES", N, prefix="n")
ORDERED = Scalarset("ORDERED", 3, ordered=True)
VMAS = Scalarset("VMAS", V, prefix="v")
PAGES = Int(0, B)


class Numbers(Design):
    """Integers, arithmetic, comparisons, wrapping."""

    count = var(Int(-2, 5))
    total = var(Natural())
    jiffies = var(Wrapping(3))
    flag = var(Bool())

    @action
    def add(self, n: Int(-3, 3)):
        self.count += n

    @action
    def arithmetic(self, n: Int(-3, 3)):
        self.count = (self.count * n - 7) // 3 + (n - self.total) % LIMIT
        self.total += -n * 2

    @action
    def wraps(self, n: Int(-9, 9)):
        self.jiffies += n
        self.jiffies = self.jiffies * self.jiffies - 1
        if self.jiffies - 1 < 0:
            self.flag = not self.flag

    @action
    def chains(self, n: Int(-3, 6)):
        require(-2 <= n < self.count != 3)
        if 0 < n <= self.count or n == self.total == 1:
            self.count = n
        elif not self.flag and n >= 0:
            self.flag = True
        else:
            self.flag = self.count > n

    @action
    def conditional(self, n: Int(-3, 3)):
        self.count = n if self.flag else -n if n < 0 else self.count
        self.total = max(n, self.total, 0) - min(n, 0)

    @action
    def within(self, n: Int(-3, 3)):
        require(n in (1, 2, self.count) or n in SMALL or self.count not in {n, 3})
        self.flag = n in PAGES
        self.total = self.total + (1 if self.flag is True else 0)

    @action
    def asserts(self, n: Int(0, 3)):
        self.count -= n
        assert self.count >= 0, "the count is a count"
        require(self.flag)
        assert n != 2
        self.count = 0

    @action
    def requires_late(self, n: Int(0, 3)):
        self.count += n
        self.flag = False
        require(self.count > 2)
        self.total += 1

    @action
    def loops(self, n: Int(0, 3)):
        for k in range(3):
            if k < n:
                self.count += k
        for k in range(1, LIMIT + 1):
            last = k
            self.total += last * n
        self.flag = last == k


class Tables(Design):
    """One and two indices, None, sets, enums, elements that are compared."""

    free = table(NODES, Int(0, B), init=B)
    home = table(VMAS, Maybe(NODES))
    page = table(VMAS, PAGES, Maybe(NODES))
    near = table(NODES, NODES, Bool())
    mask = table(VMAS, SetOf(NODES))
    last = var(Errno)
    cursor = var(NODES, init=ANY)
    some = var(SetOf(PAGES), init=ANY)

    def initial(self):
        return self.near_enough() and len(self.some) <= 1

    def near_enough(self):
        return all(not self.near[n, m] for n in NODES for m in NODES)

    @action
    def move(self, vma: VMAS, page: PAGES, node: Maybe(NODES)):
        require(self.page[vma, page] != node)
        old = self.page[vma, page]
        self.page[vma, page] = node
        if old is not None:
            self.free[old] += 1
        if node is not None:
            self.free[node] -= 1

    @action
    def none_as_index(self, vma: VMAS):
        self.free[self.home[vma]] = 0

    @action
    def far_index(self, vma: VMAS, page: PAGES, by: Int(-2, 2)):
        self.home[vma] = self.page[vma, page + by]
        self.page[vma, page] = None

    @action
    def swap(self, a: VMAS, b: VMAS, page: PAGES):
        there = self.page[b, page]
        self.page[b, page] = self.page[a, page]
        self.page[a, page] = there
        self.near[self.cursor, self.cursor] = self.home[a] == self.home[b]

    @action
    def shift(self, vma: VMAS, by: PAGES):
        for p in PAGES:
            if p + by <= B:
                self.page[vma, p] = self.page[vma, p + by]
            else:
                self.page[vma, p] = None

    @action
    def count(self, vma: VMAS) -> Errno:
        present = sum(1 for p in PAGES if self.page[vma, p] is not None)
        pairs = sum(self.near[n, m] for n in NODES for m in NODES if n != m)
        if present > pairs:
            self.last = ENOMEM
            return ENOMEM
        if any(self.page[v, p] == self.cursor for v in VMAS for p in PAGES):
            return Errno.EINVAL
        self.last = OK
        return self.last

    @action
    def results(self, last: Errno) -> Errno:
        require(last in FAILURES or self.last is OK or last != self.last)
        self.last = last
        return last if last not in FAILURES else Errno.EINVAL

    @action
    def masks(self, vma: VMAS, nodes: SetOf(NODES), node: Maybe(NODES)):
        require(len(nodes) > 0 or node not in nodes)
        self.mask[vma] = (self.mask[vma] | nodes) - {self.cursor}
        if nodes & self.mask[vma] == set() and node is not None:
            self.mask[vma] |= {node, self.cursor}
        for n in NODES:
            if n in self.mask[vma]:
                self.near[n, self.cursor] = True

    @action
    def more_masks(self, vma: VMAS, node: Maybe(NODES), page: PAGES):
        both = {n for n in NODES if n in self.mask[vma] and self.free[n] > 0}
        everything = frozenset(NODES)
        self.mask[vma] = everything - both if len(both) == 1 else both
        require({node} != everything and both - {node} != {self.cursor})
        self.some = {p for p in self.some if p != page} | frozenset()
        self.free[self.cursor] = sum(1 for p in self.some) + len(Errno) - 3

    @action
    def bad_set(self, vma: VMAS, node: Maybe(NODES), page: Int(-1, 4)):
        if page > 1:
            self.some = {page, 0}
        self.mask[vma] = {node}

    @action
    def aggregates(self, vma: VMAS):
        full = all(self.free[n] == 0 or n == self.cursor for n in NODES)
        require(full or not any(self.near[n, n] for n in self.mask[vma]))
        self.free[self.cursor] = sum(self.free[n] for n in self.mask[vma] if full)
        self.last = Errno.EINVAL if any(v == vma for v in VMAS if full) else OK

    @action
    def undefined_in_aggregate(self, vma: VMAS):
        require(all(self.free[self.page[vma, p]] > 0 for p in PAGES if p != 1))
        self.home[vma] = None

    @action
    def undefined_in_any(self, vma: VMAS, page: PAGES):
        found = any(self.page[vma, p + page] is None for p in PAGES if p + page < 4)
        self.home[vma] = None if found else self.cursor

    @action
    def labels(self):
        for e in Errno:
            if e != self.last and e not in FAILURES:
                self.last = e

    @observer
    def present(self, vma: VMAS) -> int:
        return sum(1 for p in PAGES if self.page[vma, p] is not None)

    @observer
    def anywhere(self, vma: VMAS, page: Int(0, 4)) -> Maybe(NODES):
        return self.page[vma, page] if page < 4 else None

    @observer
    def crowded(self) -> bool:
        for n in NODES:
            if self.free[n] == 0:
                return self.near[n, self.cursor]
        return False


class Helpers(Design):
    """Early returns, helpers that change the state, actions as helpers."""

    free = table(NODES, Int(0, 3))
    spare = table(NODES, Int(-9, 9))
    home = table(VMAS, Maybe(NODES))
    failed = var(Bool())

    def take(self, node):
        if self.free[node] == 0:
            return False
        self.free[node] -= 1
        return True

    def first(self, least):
        for n in NODES:
            if self.free[n] >= least:
                return n
        return None

    def drop(self, vma):
        if self.home[vma] is None:
            return
        self.free[self.home[vma]] += 1
        self.home[vma] = None

    def strict(self, node):
        require(self.free[node] > 0)
        assert not self.failed
        return self.free[node] - 1

    def by_default(self, node, n=B, twice=False):
        self.spare[node] -= n + n if twice else n
        return n

    @action
    def fault(self, vma: VMAS, node: NODES) -> Errno:
        if not self.take(node):
            self.failed = True
            return ENOMEM
        self.drop(vma)
        self.home[vma] = node
        return OK

    @action
    def fault_any(self, vma: VMAS, least: Int(0, 3)) -> Errno:
        node = self.first(least)
        if node is None:
            return ENOMEM
        self.free[node] -= 1
        self.drop(vma)
        self.home[vma] = node
        return OK

    @action
    def twice(self, a: VMAS, b: VMAS, node: NODES) -> Errno:
        if self.fault(a, node) == ENOMEM:
            return Errno.EINVAL
        return self.fault(vma=b, node=node)

    @action
    def order(self, node: NODES):
        self.spare[node] += self.by_default(node, 1)
        self.spare[node] = self.spare[node] + self.by_default(node, twice=True) * 2
        self.spare[self.cursor(node)] += self.by_default(self.cursor(node))

    def cursor(self, node):
        """Not the same before and after `by_default`."""
        return node if self.spare[node] > 0 else self.home_of(node)

    def home_of(self, node):
        for v in VMAS:
            if self.home[v] is not None:
                return self.home[v]
        return node

    @action
    def inner_require(self, node: NODES, vma: VMAS):
        self.home[vma] = node
        if self.free[node] != 1:
            left = self.strict(node)
            self.free[node] = left - 1 if left > 0 else 0

    @action
    def loop_return(self, vma: VMAS) -> Errno:
        for n in NODES:
            for p in PAGES:
                if self.free[n] > p and self.home[vma] != n:
                    self.free[n] = p
                    return ENOMEM
                self.failed = not self.failed
            if self.home[vma] == n:
                self.home[vma] = None
                return OK
        return Errno.EINVAL

    @action
    def different_sorts(self, node: NODES):
        if self.failed:
            x = self.free[node]
        elif self.home[self.other()] is None:
            x = False
        else:
            x = None
        if self.failed:
            x = 1
            y = None
        else:
            x = 2
            y = node
        self.free[node] = x
        self.home[self.other()] = y

    def other(self):
        for v in VMAS:
            if self.home[v] is None:
                return v
        return None


class Counter(Block):
    """A block of a block: usage under a limit."""

    def __init__(self, owners, limit):
        self.owners = owners
        self.limit = limit
        self.usage = table(owners, Int(0, limit))
        self.failcnt = var(Wrapping(2))

    def charge(self, owner, n):
        if self.usage[owner] + n > self.limit:
            self.failcnt += 1
            return False
        self.usage[owner] += n
        return True

    def total(self):
        return sum(self.usage[o] for o in self.owners)


class Group(Block):
    """Two counters of one class."""

    name = var(Errno)

    def __init__(self, owners, limit):
        self.pages = Counter(owners, limit)
        self.rsvd = Counter(owners, limit + 1)

    def charge(self, owner, n):
        if not self.rsvd.charge(owner, n):
            return Errno.EINVAL
        if self.pages.charge(owner, n):
            return OK
        self.rsvd.usage[owner] -= n
        self.name = ENOMEM
        return ENOMEM


class Blocks(Design):
    """Blocks inside blocks, each class used twice."""

    tasks = Group(VMAS, B)
    nodes = Group(NODES, 1)
    inner = Counter(NODES, 2 * B)

    @action
    def charge(self, vma: VMAS, node: NODES, n: Int(0, 3)) -> Errno:
        ret = self.tasks.charge(vma, n)
        if ret != OK:
            return ret
        ret = self.nodes.charge(node, n)
        if ret in FAILURES:
            self.tasks.pages.usage[vma] -= n
            self.tasks.rsvd.usage[vma] -= n
        return ret

    @action
    def level(self, node: NODES):
        limit = self.inner
        require(limit.total() < limit.limit)
        limit.usage[node] += self.nodes.pages.total()
        self.nodes.name = self.tasks.name

    @observer
    def same(self) -> Bool():
        return self.tasks.pages.total() == self.nodes.pages.total()


class Holds(Block):
    """Actions, an observer and hooks, over domains that it is given."""

    holders, pages, most = domain(), domain(), domain()

    def __init__(self, holders, pages, most, when):
        self.holders, self.pages, self.most = holders, pages, most
        self.when = when
        self.held = table(holders, pages, Bool(), when=when)
        self.kept = var(Int(0, most), when=when)

    @action(kernel="mm/gup.c:pin_user_pages", when="when")
    def pin(self, holder: holders, page: pages, n: Int(1, most) = 1):
        require(not self.held[holder, page])
        require(self.design.may_hold(holder))
        self.held[holder, page] = n > 0

    @action(when="when")
    def unpin(self, holder: holders, page: pages) -> Errno:
        require(self.held[holder, page])
        self.held[holder, page] = False
        if self.design.dropped(holder, self.kept):
            self.keep(1)
            return OK
        return ENOMEM

    def keep(self, n):
        self.kept += n

    @action
    def forget(self):
        self.kept = 0

    @observer
    def holds(self, holder: holders) -> Int():
        return sum(1 for p in self.pages if self.held[holder, p])


class Machine(Block):
    """A block whose block has the actions."""

    spare = var(Int(0, 2))

    def __init__(self, holders):
        self.holds = Holds(holders, PAGES, 2, SWAP)


class Exports(Design):
    """The actions of two blocks of one class, one of them inside a block."""

    tasks = Holds(VMAS, PAGES, 2, ())
    count = var(Int(0, 3))
    machine = Machine(NODES)
    pin_page = machine.holds.pin
    unpin_page = machine.holds.unpin
    node_holds = machine.holds.holds
    forget_nodes = machine.holds.forget
    forget = None

    def may_hold(self, holder):
        return self.count < 3

    def dropped(self, holder, kept):
        self.count += 1
        return kept < self.count

    @action
    def again(self, vma: VMAS, page: PAGES) -> Errno:
        self.pin(vma, page)
        return self.unpin(vma, page=page)

    @observer
    def several(self) -> Bool():
        return any(self.holds(v) > 1 for v in VMAS)


class ExportsVariant(Exports):
    """An heir that overrides an action of a block, and calls it."""

    tasks = Holds(VMAS, PAGES, 1, FORK)
    again = None

    def unpin(self, holder, page):
        error = super().unpin(holder, page)
        if error != OK:
            self.count = 0
        return error

    def dropped(self, holder, kept):
        return super().dropped(holder, kept) and not self.several()


class Features(Design):
    """What is off is no state and no action."""

    count = var(Int(0, 3))
    copies = table(VMAS, Int(0, 3), init=1, when=FORK)
    shared = var(Bool(), when=(FORK, SWAP))
    swapped = table(VMAS, Maybe(NODES), when=SWAP)
    ways = var(Given(SWAP, Int(0, 3), 2), init=3)

    @action
    def touch(
        self, vma: VMAS, write: Given(FORK, Bool(), True), n: Given(SWAP, Int(0, 2), 1)
    ):
        if FORK and self.copies[vma] > 1:
            self.copies[vma] -= 1
        if not SWAP:
            self.count += self.copies[vma]
        elif self.swapped[vma] is None or write:
            self.swapped[vma] = None
            self.shared = self.shared or n == 2
        self.count = max(self.count - n, self.ways - 2)

    @action(when=FORK)
    def fork(self, vma: VMAS):
        self.copies[vma] += 1
        if SWAP:
            self.shared = True

    @action(when=(FORK, SWAP))
    def swap(self, vma: VMAS, node: NODES):
        self.swapped[vma] = node

    @action
    def writes_what_is_off(self, vma: VMAS, n: Int(0, 2)):
        require(n < 2)
        self.copies[vma] = n
        self.shared = self.count > 1
        require(self.count > 0)


class Base(Design):
    """Overridden, extended and removed below."""

    free = var(Int(0, 4))
    promised = var(Int(0, 4))
    mood = var(Errno)

    @action(kernel="mm/hugetlb.c:hugetlb_reserve_pages")
    def reserve(self, n: Int(0, 3)) -> Errno:
        if self.promised + n > self.available():
            return self.fail(ENOMEM)
        self.promised += n
        return OK

    @action
    def release(self, n: Int(0, 3)):
        require(n <= self.promised)
        self.promised -= n

    @action
    def shrink(self):
        self.free -= 1

    @observer
    def left(self) -> int:
        return self.available() - self.promised

    def available(self):
        return self.free

    def fail(self, errno):
        self.mood = errno
        return errno


class Variant(Base):
    """Overrides an action with and without super(), a helper; removes one."""

    surplus = var(Int(0, B))
    shrink = None

    def reserve(self, n):
        if FORK and n == 3:
            return Errno.EINVAL
        result = super().reserve(n)
        if result == ENOMEM and self.surplus < B:
            self.surplus += 1
            return super().reserve(n)
        return result

    def available(self):
        return super().available() + self.surplus

    @action
    def grow(self):
        self.free += 1


class Deeper(Variant):
    """super() from the middle of a chain."""

    def available(self):
        return super().available() + 1

    def release(self, n):
        super().release(n)
        self.fail(OK)

    def left(self):
        return super().left() - 1


class Ordered(Design):
    """Elements in a fallback order; any starts that `initial` allows."""

    free = table(ORDERED, Int(0, 2), init=ANY)
    preferred = var(ORDERED, init=ANY)

    def initial(self) -> bool:
        return sum(self.free[n] for n in ORDERED) == 3 and self.free[self.preferred] > 0

    @action
    def fallback(self, node: ORDERED) -> Maybe(ORDERED):
        found = None
        passed = False
        for n in ORDERED:
            passed = passed or n == node
            if passed and found is None and self.free[n] > 0:
                found = n
        if found is not None:
            self.free[found] -= 1
        return found


def enclosed():
    """A design that takes its domains from the function around it."""
    size = Bound("S", 2)
    slots = Scalarset("SLOTS", size)

    class Enclosed(Design):
        used = table(slots, Bool())
        full = var(Bool())

        @action
        def use(self, slot: slots, n: Int(0, size)):
            require(not self.used[slot])
            self.used[slot] = n < size
            self.full = all(self.used[s] for s in slots)

    return Enclosed


Enclosed = enclosed()


class Descriptors(Block):
    """A block in which allocations fail."""

    def __init__(self):
        self.made = var(Int(0, 9))

    def take(self, n) -> int:
        """One for each of n; -1 if there is no memory for one of them."""
        for k in range(3):
            if k < n:
                if may_fail("kmalloc of a descriptor"):
                    return -1
                self.made += 1
        return self.made


class Failing(Design):
    """Calls that may fail: in loops, helpers and branches, beside a `require`, an
    `assume`, an `assert` and a `bug_on`; some are never reached."""

    descriptors = Descriptors()
    count = var(Int(0, 9))
    stopped = var(Bool())

    @action
    def twice(self, n: Int(0, 3), again: Bool()) -> Errno:
        taken = self.descriptors.take(n)
        if taken < 0:
            return ENOMEM
        self.count += 1
        if again:
            more = self.descriptors.take(1)
            if more < 0:
                self.descriptors.made = 0
                return Errno.EINVAL
        return OK

    @action
    def branches(self, n: Int(0, 3)) -> Bool():
        if n == 0:
            failed = False
            if self.count > 100:
                failed = may_fail("never")
        elif n == 1:
            failed = may_fail("first")
        else:
            failed = may_fail("second of  two")
            if failed and self.stopped:
                require(n == 2)
        assert failed or n < 3, "only a failure helps"
        self.count = 1 if failed else 2
        return not failed

    @action
    def refuses(self, n: Int(0, 3)) -> Errno:
        if n == 3 and self.stopped:
            return OK
        if may_fail("early"):
            self.count = 3
        require(n != 1)
        bug_on(n == 2, "before the late one")
        if may_fail("late"):
            return ENOMEM
        self.stopped = True
        return OK

    @action
    def plain(self):
        self.count = 0
