# SPDX-License-Identifier: GPL-2.0-only
"""What an address space is made of: a row of base pages for each task.

A VMA is a run of pages: it begins where `mark` says START and ends before the
next page that is not INSIDE. All of a VMA's attributes are kept on each of its
pages, so that equal address spaces are equal states: there are no slots to
number, and a split is one mark. Addresses and lengths are in pages.

What struct vm_area_struct calls vm_pgoff is kept as `shift`, the page offset
of a page minus its address: it is the same all over a VMA, and neighbours
whose shift is equal are linear. `anon_vma` is 0, or 1 more than the lowest
page of this task that has the same anon_vma: a name that depends on the
address space only, not on its history.
"""

from enum import Enum
from typing import Any

from poolproof.model.language import (
    Block,
    Bool,
    Counter,
    Feature,
    Int,
    Maybe,
    SetOf,
    assume,
    table,
    var,
)


class Mark(Enum):
    """What a page of an address space is."""

    HOLE = 0
    START = 1
    INSIDE = 2


class VM(Enum):
    """vm_flags, include/linux/mm.h; CLOSE stands for vm_ops->close, and
    RESERVED is for designs that charge a quota for a VMA."""

    READ = 0
    WRITE = 1
    SHARED = 2
    ACCOUNT = 3
    NORESERVE = 4
    LOCKED = 5
    LOCKONFAULT = 6
    DONTCOPY = 7
    WIPEONFORK = 8
    HUGEPAGE = 9
    NOHUGEPAGE = 10
    CLOSE = 11
    RESERVED = 12


class Fail(Enum):
    """Where a call can fail for want of memory or at a limit."""

    NONE = 0
    SPLIT = 1
    """__split_vma: allocating the second VMA."""
    MERGE = 2
    """commit_merge, dup_anon_vma: preallocation, before anything changes."""
    ALLOC = 3
    """vm_area_alloc, vm_area_dup, linking it, f_op->mmap."""
    CLEAR = 4
    """vma_iter_clear_gfp: taking the VMAs of a munmap out of the tree."""
    CHARGE = 5
    """security_vm_enough_memory_mm."""
    LIMIT = 6
    """may_expand_vm: RLIMIT_AS, RLIMIT_DATA."""
    TABLES = 7
    """move_page_tables, vm_ops->mremap."""


FAULTS = Feature("faults", doc="write faults, which give a VMA its anon_vma")
FORK = Feature("fork", False, "fork, and VMAs whose anon_vma came from a parent")
FILES = Feature("files", False, "mappings of files, private and shared")
POLICY = Feature("policy", False, "mempolicies of VMAs")
BRK = Feature("brk", False, "the heap, from page 0 upwards")
COMMIT = Feature("commit", doc="vm_committed_as and its limit")
MLOCK = Feature("mlock", False, "locked_vm")
CLOSE = Feature(
    "close", False, "vm_ops->close, which forbids a VMA's removal", needs=FILES
)
SEVERAL = Feature("several", False, "one call changes several VMAs")
FAILURES = Feature("failures", False, "calls that fail half-way, see Fail")


class VmaState(Block):
    """The state, how to look at it, and the hooks for designs with a quota.

    ``tasks`` and ``files`` and ``policies`` are scalarsets, ``pages`` is how
    many base pages an address space has. ``max_map_count`` is the sysctl,
    ``commit_limit`` CommitLimit with overcommit_memory = 2. The kernel does
    not notice when locked_vm, an unsigned long, or vm_committed_as wraps;
    map_count it compares in exit_mmap.
    """

    def __init__(
        self,
        tasks: Any,
        pages: Any,
        files: Any,
        policies: Any,
        max_map_count: Any,
        commit_limit: Any,
    ) -> None:
        self.TASKS = tasks
        self.SIZE = pages
        self.PAGES = Int(0, pages - 1)
        # named, so that the limits count as sizes: with M open, a proof would have
        # to reason about every call at any number of VMAs
        self.COUNTS = Counter(max_map_count + 2)
        self.COMMITTED = Counter(commit_limit + pages)
        self.max_map_count = max_map_count
        self.commit_limit = commit_limit
        self.mark = table(tasks, self.PAGES, Mark)
        self.vm_flags = table(tasks, self.PAGES, SetOf(VM))
        self.shift = table(tasks, self.PAGES, Int(1 - pages, pages))
        self.anon_vma = table(tasks, self.PAGES, Int(0, pages), when=FAULTS)
        self.forked = table(tasks, self.PAGES, Bool(), when=(FAULTS, FORK))
        self.vm_file = table(tasks, self.PAGES, Maybe(files), when=FILES)
        self.vm_policy = table(tasks, self.PAGES, Maybe(policies), when=POLICY)
        self.brk = table(tasks, Int(0, pages), when=BRK)
        self.map_count = table(tasks, self.COUNTS)
        self.locked_vm = table(tasks, Counter(pages), when=MLOCK)
        self.vm_committed_as = var(self.COMMITTED, when=COMMIT)
        self.fail = var(Fail, when=FAILURES)
        self.fail_nth = var(Int(0, 2), when=FAILURES)

    # -- looking --

    def vma_start(self, task, page):
        """vm_start of the VMA that has the page."""
        start = 0
        for p in self.PAGES:
            if p <= page and self.mark[task, p] is Mark.START:
                start = p
        return start

    def vma_end(self, task, page):
        """vm_end of the VMA that has the page."""
        end = self.SIZE
        for k in self.PAGES:
            p = self.SIZE - 1 - k
            if page < p and self.mark[task, p] is not Mark.INSIDE:
                end = p
        return end

    def at_boundary(self, task, address):
        """Return whether no VMA has the pages on both sides of the address."""
        return all(
            self.mark[task, p] is not Mark.INSIDE for p in self.PAGES if p == address
        )

    def mapped(self, task, page):
        return self.mark[task, page] is not Mark.HOLE

    def unmapped(self, task, start, end):
        """Return whether no VMA intersects [start, end)."""
        return all(
            self.mark[task, p] is Mark.HOLE for p in self.PAGES if start <= p < end
        )

    def one_vma(self, task, start, end):
        """Return whether one VMA has all of [start, end)."""
        return self.mapped(task, start) and end <= self.vma_end(task, start)

    def assume_one_vma(self, task, start, end):
        """Without `SEVERAL`: a call that changes VMAs names a part of one."""
        assume(self.one_vma(task, start, end), "a call changes one VMA")

    def count_vmas(self, task):
        return sum(1 for p in self.PAGES if self.mark[task, p] is Mark.START)

    def pages_with(self, task, start, end, flag):
        """Return how many pages of [start, end) are in VMAs with the flag."""
        return sum(
            1 for p in self.PAGES if start <= p < end and flag in self.vm_flags[task, p]
        )

    def vma_is_anonymous(self, task, page):
        return self.vm_file[task, page] is None

    def has_close(self, task, page):
        return CLOSE and any(
            VM.CLOSE in self.vm_flags[task, p] for p in self.PAGES if p == page
        )

    def anon_vma_at(self, task, page):
        return sum(self.anon_vma[task, p] for p in self.PAGES if p == page)

    def forked_at(self, task, page):
        return any(self.forked[task, p] for p in self.PAGES if p == page)

    # -- changing --

    def set_mark(self, task, address, mark):
        for p in self.PAGES:
            if p == address:
                self.mark[task, p] = mark

    def clear(self, task, start, end):
        """Nothing is mapped in [start, end) any more."""
        for p in self.PAGES:
            if start <= p < end:
                self.mark[task, p] = Mark.HOLE
                self.vm_flags[task, p] = frozenset()
                self.shift[task, p] = 0
                self.anon_vma[task, p] = 0
                self.forked[task, p] = False
                self.vm_file[task, p] = None
                self.vm_policy[task, p] = None

    def set_anon_vma(self, task, start, end, anon_vma, forked):
        for p in self.PAGES:
            if start <= p < end:
                self.anon_vma[task, p] = anon_vma
                self.forked[task, p] = forked

    def name_anon_vmas(self, task):
        """Gives each anon_vma the name that it has by convention, from the
        highest page down, so that lower pages still have their old names."""
        if FAULTS:
            for k in self.PAGES:
                p = self.SIZE - 1 - k
                old = self.anon_vma[task, p]
                if old != 0:
                    name = p + 1
                    for q in self.PAGES:
                        if q < p and name > q + 1 and self.anon_vma[task, q] == old:
                            name = q + 1
                    self.anon_vma[task, p] = name

    # -- commit accounting, mm/util.c --

    def security_vm_enough_memory(self, pages):
        """Charges the pages to vm_committed_as; False is -ENOMEM."""
        if self.should_fail(Fail.CHARGE):
            return False
        if COMMIT:
            if self.vm_committed_as + pages > self.commit_limit:
                return False
            self.vm_committed_as += pages
        return True

    def vm_acct_memory(self, pages):
        """include/linux/mman.h:vm_acct_memory: charges without a limit. Only mremap
        calls it, so a state beyond needs as many unmappings of a source that failed."""
        if COMMIT:
            most = self.commit_limit + self.SIZE
            assume(
                self.vm_committed_as + pages <= most,
                "vm_committed_as stays near CommitLimit",
            )
            self.vm_committed_as += pages

    def vm_unacct_memory(self, pages):
        if COMMIT:
            self.vm_committed_as -= pages

    def charge_vma(self, task, start, pages, vm_flags):
        """The commit charge of pages that a VMA with these flags gains, and
        the design's own; False is -ENOMEM, and nothing is charged."""
        if VM.ACCOUNT in vm_flags:
            enough = self.security_vm_enough_memory(pages)
            if not enough:
                return False
        if not self.charge(task, start, pages, vm_flags):
            if VM.ACCOUNT in vm_flags:
                self.vm_unacct_memory(pages)
            return False
        return True

    def uncharge_vma(self, task, start, pages, vm_flags):
        """Undoes charge_vma on the way back from a call that fails."""
        self.uncharge(task, start, pages, vm_flags)
        if VM.ACCOUNT in vm_flags:
            self.vm_unacct_memory(pages)

    # -- failures --

    def inject(self, fail, nth):
        """Let the nth chance for this failure in the call that follows be
        one. Where there is no such chance, the call is like any other."""
        if FAILURES:
            self.fail = fail
            self.fail_nth = nth

    def injected(self):
        """At the end of an action: what did not come does not come later."""
        if FAILURES:
            self.fail = Fail.NONE
            self.fail_nth = 0

    def should_fail(self, fail):
        if FAILURES and self.fail is fail:
            self.fail_nth -= 1
            if self.fail_nth == 0:
                self.fail = Fail.NONE
                return True
        return False

    # -- hooks of designs that charge a quota for VMAs --

    def may_split(self, task, address):
        """vm_ops->may_split: False is -EINVAL."""
        return True

    def may_remap(self, task, addr, old_len, new_len, new_addr, fixed):
        """Return whether check_prep_vma takes these lengths and addresses for the VMA
        at `addr`: False is -EINVAL. ``new_addr`` counts if `fixed`."""
        return True

    def charge(self, task, start, pages, vm_flags):
        """The quota for `pages` more pages of VMAs with these flags, from
        `start`: mremap that grows, MREMAP_DONTUNMAP, fork. Called after the
        commit charge; False is -ENOMEM, and that charge is returned."""
        return True

    def uncharge(self, task, start, pages, vm_flags):
        """A VMA, or a part that was split off, is gone: munmap, mmap over it,
        exit, and every way back from a call that fails."""

    def concealed(self):
        """The flags that mremap takes from the source while it is unmapped,
        so that what moved is not given back."""
        return {VM.ACCOUNT}

    def child_flags(self, vm_flags):
        """What a child's VMA keeps of its parent's flags."""
        return vm_flags - {VM.LOCKED, VM.LOCKONFAULT}
