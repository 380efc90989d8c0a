# SPDX-License-Identifier: GPL-2.0-only
"""Locks, for designs whose actions yield: mutexes, spinlocks, rw_semaphores.

include/linux/mutex.h, spinlock.h, rwsem.h; kernel/locking/lockdep.c for the order in
which locks are taken, v6.12. To take a lock is a place where a task may wait: the
critical section before it has ended, and what follows happens in one step with the
lock if no `yield` stands in between. To drop a lock is no place of its own, since
the next one that others can tell apart is the next lock that the task takes.

Left out: fairness (a reader may pass a writer that waits), trylock of readers,
spinlocks and mutexes, interruptible waits, owners that die.
"""

from typing import Any

from poolproof.model.language import (
    Block,
    Maybe,
    SetOf,
    bug_on,
    domain,
    invariant,
    require,
    table,
    warn_on,
)


class LockOrder(Block):
    """Lockdep: which classes of locks a task holds, and which were ever taken
    while another one was held. ``locks`` is an Enum with a member for each class,
    ``spinlocks`` those members of it that are spinlocks; ``when`` is a feature.
    All of it is for the two properties only, and costs states: it belongs to specs
    that ask for them.

    A design with an order has a method ``lock_order`` that returns it."""

    def __init__(self, tasks: Any, locks: Any, spinlocks: Any, when: Any) -> None:
        self.locks, self.spinlocks, self.when = locks, spinlocks, when
        self.held = table(tasks, SetOf(locks), when=when)
        self.after = table(locks, SetOf(locks), when=when)

    def might_sleep(self, t):
        """include/linux/kernel.h:might_sleep."""
        if self.when:
            warn_on(
                len(self.held[t] & self.spinlocks) > 0,
                "a task sleeps with a spinlock held",
            )

    def taken(self, t, lock):
        """kernel/locking/lockdep.c:check_prev_add, and the transitive closure."""
        if self.when:
            for other in self.locks:
                if other in self.held[t] or len(self.after[other] & self.held[t]) > 0:
                    self.after[other] = self.after[other] | self.after[lock] | {lock}
            self.held[t] = self.held[t] | {lock}

    def tried(self, t, lock):
        """A trylock that succeeded: nobody waited, so it comes after no other lock;
        the locks that are taken next come after it."""
        if self.when:
            self.held[t] = self.held[t] | {lock}

    def dropped(self, t, lock):
        """kernel/locking/lockdep.c:lock_release."""
        if self.when:
            self.held[t] = self.held[t] - {lock}

    @invariant(when="when")
    def acyclic(self) -> bool:
        """No class of locks is taken while a task holds what was taken after it."""
        return all(lock not in self.after[lock] for lock in self.locks)


class Lock(Block):
    """A lock for each of ``indices``. ``waits`` names the place where tasks wait.
    ``lock`` is its class in the design's `LockOrder`; None if it has none."""

    tasks = domain()

    def __init__(self, tasks: Any, indices: Any, waits: str, lock: Any = None) -> None:
        self.tasks, self.indices = tasks, indices
        self.waits, self.lock, self.ordered = waits, lock, lock is not None

    def might_sleep(self, t):
        """Tell the design's `LockOrder`, as the next two do."""
        if self.ordered:
            self.design.lock_order().might_sleep(t)

    def taken(self, t):
        if self.ordered:
            self.design.lock_order().taken(t, self.lock)

    def dropped(self, t):
        if self.ordered:
            self.design.lock_order().dropped(t, self.lock)


class HeldLock(Lock):
    """A lock that one task holds at a time."""

    def __init__(self, tasks: Any, indices: Any, waits: str, lock: Any = None) -> None:
        super().__init__(tasks, indices, waits, lock)
        self.holder = table(indices, Maybe(tasks))

    def take(self, t, index):
        """Wait for the lock, and take it."""
        yield self.waits
        require(self.holder[index] is None)
        self.holder[index] = t
        self.taken(t)

    def drop(self, t, index):
        """Drop the lock, which the task holds."""
        self.holder[index] = None
        self.dropped(t)


class Mutex(HeldLock):
    """struct mutex: hugetlb_fault_mutex_table by hash."""

    def mutex_lock(self, t, index):
        """include/linux/mutex.h:mutex_lock."""
        self.might_sleep(t)
        yield from self.take(t, index)

    def mutex_unlock(self, t, index):
        """kernel/locking/mutex.c:mutex_unlock."""
        bug_on(self.holder[index] != t, "a mutex is dropped by who does not hold it")
        self.drop(t, index)


class Spinlock(HeldLock):
    """spinlock_t; hugetlb_lock is one. Whoever holds it must not sleep."""

    def spin_lock(self, t, index):
        """include/linux/spinlock.h:spin_lock."""
        yield from self.take(t, index)

    def spin_unlock(self, t, index):
        """include/linux/spinlock.h:spin_unlock."""
        bug_on(self.holder[index] != t, "a spinlock is dropped by who does not hold it")
        self.drop(t, index)


class Rwsem(Lock):
    """struct rw_semaphore: mmap_lock by mm, vma_lock, i_mmap_rwsem by file. Several
    tasks may read at once."""

    def __init__(self, tasks: Any, indices: Any, waits: str, lock: Any = None) -> None:
        super().__init__(tasks, indices, waits, lock)
        self.writer = table(indices, Maybe(tasks))
        self.readers = table(indices, SetOf(tasks))

    def down_read(self, t, index):
        """kernel/locking/rwsem.c:down_read."""
        self.might_sleep(t)
        yield self.waits
        require(self.writer[index] is None)
        self.readers[index] = self.readers[index] | {t}
        self.taken(t)

    def up_read(self, t, index):
        """kernel/locking/rwsem.c:up_read."""
        bug_on(t not in self.readers[index], "a rwsem is dropped by who does not read")
        self.readers[index] = self.readers[index] - {t}
        self.dropped(t)

    def down_write(self, t, index):
        """kernel/locking/rwsem.c:down_write."""
        self.might_sleep(t)
        yield self.waits
        require(self.writer[index] is None and len(self.readers[index]) == 0)
        self.writer[index] = t
        self.taken(t)

    def down_write_trylock(self, t, index):
        """kernel/locking/rwsem.c:down_write_trylock. Return whether it succeeded."""
        if self.writer[index] is not None or len(self.readers[index]) > 0:
            return False
        self.writer[index] = t
        if self.ordered:
            self.design.lock_order().tried(t, self.lock)
        return True

    def up_write(self, t, index):
        """kernel/locking/rwsem.c:up_write."""
        bug_on(self.writer[index] != t, "a rwsem is dropped by who does not write")
        self.writer[index] = None
        self.dropped(t)

    def downgrade_write(self, t, index):
        """kernel/locking/rwsem.c:downgrade_write."""
        bug_on(self.writer[index] != t, "a rwsem is dropped by who does not write")
        self.writer[index] = None
        self.readers[index] = self.readers[index] | {t}
