# SPDX-License-Identifier: GPL-2.0-only
"""VMA operations by themselves: model.blocks.vma.address_space with nothing else.

As in v7.2. The block's header says what is modelled and what is left out. Here a task
maps private anonymous memory; files, failures and vm_ops->close are features.
"""

from typing import Any

from poolproof.model.blocks.errno import Errno
from poolproof.model.blocks.vma.address_space import (
    BRK,
    CLOSE,
    FAILURES,
    FAULTS,
    FILES,
    FORK,
    MLOCK,
    POLICY,
    VM,
    AddressSpace,
    Advice,
    Fail,
    Lock,
    Mark,
    Place,
    Prot,
    Remap,
)
from poolproof.model.blocks.vma.versions import AddressSpace612, AddressSpace618
from poolproof.model.language import (
    Bool,
    Bound,
    Design,
    Feature,
    Given,
    Int,
    Maybe,
    Scalarset,
    action,
    made_like,
    observer,
    require,
)

P = Bound("P", 4, doc="base pages of an address space")
T = Bound("T", 1, doc="tasks")
M = Bound("M", 16, doc="max_map_count")
C = Bound("C", 8, doc="CommitLimit in pages")
TASKS = Scalarset("TASKS", T, prefix="t")
F = Bound("F", 1, doc="files")
Q = Bound("Q", 1, doc="mempolicies")
INODES = Scalarset("INODES", F, prefix="f")
POLICIES = Scalarset("POLICIES", Q, prefix="mpol")
PAGES = Int(0, P - 1)
ENDS = Int(1, P)
LENGTHS = Int(0, P)

MPROTECT = Feature("mprotect", doc="mprotect")
MREMAP = Feature("mremap", False, "mremap")
MADVISE = Feature("madvise", False, "madvise that changes VMAs")
DONTFORK: Any = Feature(
    "dontfork", False, "MADV_DONTFORK and MADV_DOFORK", needs=MADVISE
)
WIPEONFORK: Any = Feature(
    "wipeonfork", False, "MADV_WIPEONFORK and MADV_KEEPONFORK", needs=MADVISE
)
HUGEPAGE: Any = Feature(
    "hugepage", doc="MADV_HUGEPAGE and MADV_NOHUGEPAGE", needs=MADVISE
)
NORESERVE = Feature("noreserve", False, "MAP_NORESERVE")
OFFSETS: Any = Feature(
    "offsets", False, "files mapped at another offset than address", needs=FILES
)
SHARED = Feature("shared", False, "MAP_SHARED, for files", needs=FILES)
PLACES = Feature("places", False, "mmap without MAP_FIXED")
READONLY: Any = Feature("readonly", False, "PROT_READ, besides PROT_NONE and both")

FAIL = Given(FAILURES, Fail, Fail.NONE)
NTH = Given(FAILURES, Int(1, 2), 1)


class Vmas(Design):
    """Tasks that map, unmap and change memory."""

    mm = AddressSpace(TASKS, P, INODES, POLICIES, M, C)

    @observer
    def mapped(self, task: TASKS, page: PAGES):
        return self.mm.mark[task, page] is not Mark.HOLE

    @observer
    def starts(self, task: TASKS, page: PAGES):
        """Whether a VMA begins at the page."""
        return self.mm.mark[task, page] is Mark.START

    @observer
    def unmerged(self, task: TASKS, page: PAGES):
        """Whether the VMA that begins at the page could be one with the VMA
        before it."""
        return self.mm.unmerged(task, page)

    @observer
    def pages_with(self, task: TASKS, flag: VM):
        """How many pages are in VMAs with the flag."""
        return self.mm.pages_with(task, 0, P, flag)

    @action(kernel="mm/vma.c:__mmap_region", chosen=("fail", "nth"))
    def mmap(
        self,
        task: TASKS,
        addr: PAGES,
        end: ENDS,
        place: Given(PLACES, Place, Place.FIXED),
        prot: Prot,
        noreserve: Given(NORESERVE, Bool(), False),
        lock: Given(MLOCK, Bool(), False),
        file: Given(FILES, Maybe(INODES), None),
        shared: Given(SHARED, Bool(), False),
        pgoff: Given(FILES, PAGES, 0),
        close: Given(CLOSE, Bool(), False),
        fail: FAIL,
        nth: NTH,
    ) -> Errno:
        require(READONLY or prot is not Prot.READ)
        require(OFFSETS or file is None or pgoff == addr)
        self.mm.inject(fail, nth)
        vm_flags = self.mm.vm_flags_of(prot, shared, noreserve, lock, close)
        error: Errno = self.mm.mmap(task, addr, end, place, vm_flags, file, pgoff)
        self.mm.injected()
        return error

    @action(kernel="mm/vma.c:do_vmi_align_munmap", chosen=("fail", "nth"))
    def munmap(
        self, task: TASKS, start: PAGES, end: ENDS, fail: FAIL, nth: NTH
    ) -> Errno:
        self.mm.inject(fail, nth)
        error: Errno = self.mm.munmap(task, start, end)
        self.mm.injected()
        return error

    @action(
        kernel="mm/mprotect.c:do_mprotect_pkey", when=MPROTECT, chosen=("fail", "nth")
    )
    def mprotect(
        self, task: TASKS, start: PAGES, end: ENDS, prot: Prot, fail: FAIL, nth: NTH
    ) -> Errno:
        require(READONLY or prot is not Prot.READ)
        self.mm.inject(fail, nth)
        error: Errno = self.mm.mprotect(task, start, end, prot)
        self.mm.injected()
        return error

    @action(kernel="mm/madvise.c:do_madvise", when=MADVISE, chosen=("fail", "nth"))
    def madvise(
        self, task: TASKS, start: PAGES, end: ENDS, advice: Advice, fail: FAIL, nth: NTH
    ) -> Errno:
        require(DONTFORK or advice not in (Advice.DONTFORK, Advice.DOFORK))
        require(WIPEONFORK or advice not in (Advice.WIPEONFORK, Advice.KEEPONFORK))
        require(HUGEPAGE or advice not in (Advice.HUGEPAGE, Advice.NOHUGEPAGE))
        self.mm.inject(fail, nth)
        error: Errno = self.mm.madvise(task, start, end, advice)
        self.mm.injected()
        return error

    @action(kernel="mm/mlock.c:do_mlock", when=MLOCK, chosen=("fail", "nth"))
    def mlock(
        self, task: TASKS, start: PAGES, end: ENDS, lock: Lock, fail: FAIL, nth: NTH
    ) -> Errno:
        self.mm.inject(fail, nth)
        error: Errno = self.mm.mlock(task, start, end, lock)
        self.mm.injected()
        return error

    @action(kernel="mm/mempolicy.c:do_mbind", when=POLICY, chosen=("fail", "nth"))
    def mbind(
        self,
        task: TASKS,
        start: PAGES,
        end: ENDS,
        policy: Maybe(POLICIES),
        fail: FAIL,
        nth: NTH,
    ) -> Errno:
        self.mm.inject(fail, nth)
        error: Errno = self.mm.mbind(task, start, end, policy)
        self.mm.injected()
        return error

    @action(kernel="mm/mremap.c:do_mremap", when=MREMAP, chosen=("fail", "nth"))
    def mremap(
        self,
        task: TASKS,
        addr: PAGES,
        old_len: LENGTHS,
        new_len: LENGTHS,
        how: Remap,
        new_addr: PAGES,
        fail: FAIL,
        nth: NTH,
    ) -> Errno:
        require(self.mm.sensible(addr, old_len, new_len, how, new_addr))
        self.mm.inject(fail, nth)
        error: Errno = self.mm.mremap(task, addr, old_len, new_len, how, new_addr)
        self.mm.injected()
        return error

    @action(kernel="mm/mmap.c:brk", when=BRK, chosen=("fail", "nth"))
    def set_brk(self, task: TASKS, brk: LENGTHS, fail: FAIL, nth: NTH) -> Errno:
        self.mm.inject(fail, nth)
        error: Errno = self.mm.set_brk(task, brk)
        self.mm.injected()
        return error

    @action(kernel="mm/memory.c:do_anonymous_page", when=FAULTS)
    def write_fault(self, task: TASKS, page: PAGES):
        self.mm.write_fault(task, page)

    @action(kernel="mm/mmap.c:dup_mmap", when=FORK, chosen=("fail", "nth"))
    def fork(self, task: TASKS, child: TASKS, fail: FAIL, nth: NTH) -> Errno:
        self.mm.inject(fail, nth)
        error: Errno = self.mm.fork(task, child)
        self.mm.injected()
        return error

    @action(kernel="mm/mmap.c:exit_mmap")
    def exit_mmap(self, task: TASKS):
        require(not self.mm.unmapped(task, 0, P))
        self.mm.exit_mmap(task)


class Vmas618(Vmas):
    """VMAs as in v6.18."""

    mm = made_like(Vmas.mm, AddressSpace618)


class Vmas612(Vmas):
    """VMAs as in v6.12."""

    mm = made_like(Vmas.mm, AddressSpace612)
