# SPDX-License-Identifier: GPL-2.0-only
"""Address spaces of tasks: VMAs and the system calls that change them.

mm/vma.c, mm/mmap.c, mm/mprotect.c, mm/madvise.c, mm/mlock.c, mm/mempolicy.c,
mm/mremap.c of v7.2; model.blocks.vma.versions has what is different in 6.18 and 6.12.
The block is in layers: model.blocks.vma.state (the state, hooks), vma_merge,
vma_unmap, vma_mremap, and here the calls.

Modelled: where VMAs begin and end, their flags, page offset, file, mempolicy
and anon_vma; map_count and its limit, vm_committed_as, locked_vm; every way a
call can fail half-way (feature `failures`). Holes, and ranges over several
VMAs, are treated as each call does.

Left out: pages and page tables, except that the first write fault gives a
private VMA its anon_vma; execution and soft-dirty bits, VM_SPECIAL mappings,
userfaultfd, KSM, names of anonymous VMAs, mseal, growing stacks, shared
anonymous memory (map a file), mlockall, hugetlb's alignment (a hook), rlimits
(injected). An errno that only arguments decide (unaligned, unknown flags) is
not modelled.
"""

from enum import Enum

from poolproof.model.blocks.errno import EINVAL, ENOMEM, OK, Errno
from poolproof.model.blocks.vma.merge import Merge
from poolproof.model.blocks.vma.mremap import Remap as Remap
from poolproof.model.blocks.vma.mremap import VmaRemap
from poolproof.model.blocks.vma.state import BRK as BRK
from poolproof.model.blocks.vma.state import CLOSE as CLOSE
from poolproof.model.blocks.vma.state import COMMIT as COMMIT
from poolproof.model.blocks.vma.state import FAILURES as FAILURES
from poolproof.model.blocks.vma.state import FAULTS as FAULTS
from poolproof.model.blocks.vma.state import FILES as FILES
from poolproof.model.blocks.vma.state import FORK as FORK
from poolproof.model.blocks.vma.state import MLOCK as MLOCK
from poolproof.model.blocks.vma.state import POLICY as POLICY
from poolproof.model.blocks.vma.state import SEVERAL as SEVERAL
from poolproof.model.blocks.vma.state import VM as VM
from poolproof.model.blocks.vma.state import Fail as Fail
from poolproof.model.blocks.vma.state import Mark as Mark
from poolproof.model.language import assume, require


class Prot(Enum):
    """PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE."""

    NONE = 0
    READ = 1
    WRITE = 2


class Place(Enum):
    """How mmap finds its place: where it is told and nothing is there,
    MAP_FIXED, MAP_FIXED_NOREPLACE."""

    FREE = 0
    FIXED = 1
    NOREPLACE = 2


class Lock(Enum):
    """munlock, mlock, mlock2(MLOCK_ONFAULT)."""

    NONE = 0
    LOCKED = 1
    ONFAULT = 2


class Advice(Enum):
    """madvise that changes VMAs."""

    DONTFORK = 0
    DOFORK = 1
    WIPEONFORK = 2
    KEEPONFORK = 3
    HUGEPAGE = 4
    NOHUGEPAGE = 5


class AddressSpace(VmaRemap):
    """Every call returns an Errno. Ranges are [start, end), not empty."""

    # -- mmap, munmap, brk --

    def vm_flags_of(self, prot, shared, noreserve, lock, close):
        """Return the vm_flags that do_mmap makes of its arguments."""
        return {
            f
            for f in VM
            if (f is VM.READ and prot is not Prot.NONE)
            or (f is VM.WRITE and prot is Prot.WRITE)
            or (f is VM.SHARED and shared)
            or (f is VM.NORESERVE and noreserve)
            or (f is VM.LOCKED and lock)
            or (f is VM.CLOSE and close)
        }

    def mmap(self, task, addr, end, place, vm_flags, file, pgoff):
        """mm/mmap.c:do_mmap and mm/vma.c:__mmap_region. ``file`` is None for
        private anonymous memory; ``vm_flags`` come from `vm_flags_of`."""
        require(addr < end)
        require(file is not None or pgoff == 0)
        assume(
            file is not None or VM.SHARED not in vm_flags, "no shared anonymous memory"
        )
        require(file is not None or VM.CLOSE not in vm_flags)
        if self.map_count[task] > self.max_map_count:
            return ENOMEM
        if place is Place.FREE:
            require(self.unmapped(task, addr, end))
        if place is Place.NOREPLACE and not self.unmapped(task, addr, end):
            return Errno.EEXIST
        error = self.vms_gather_munmap_vmas(task, addr, end)
        if error is not OK:
            return error
        if self.should_fail(Fail.LIMIT):
            return ENOMEM
        pages = end - addr
        accounted = self.pages_with(task, addr, end, VM.ACCOUNT)
        charged = 0
        netted = 0
        if VM.WRITE in vm_flags and not (
            VM.SHARED in vm_flags or VM.NORESERVE in vm_flags
        ):
            charged = pages - accounted
            netted = accounted
            accounted = 0
            if charged != 0:
                enough = self.security_vm_enough_memory(charged)
                if not enough:
                    return ENOMEM
            vm_flags = vm_flags | {VM.ACCOUNT}
        self.vm_unacct_memory(accounted)
        self.remove_vmas(task, addr, end)
        shift = 0 if file is None else pgoff - addr
        merge = self.vma_merge_new_range(
            task, addr, end, vm_flags, None, file, shift, 0, False, True, True
        )
        if merge is not Merge.SUCCESS:
            if self.should_fail(Fail.ALLOC):
                self.vm_unacct_memory(charged + netted)
                return ENOMEM
            self.insert_vma(task, addr, end, vm_flags, None, file, shift, 0, False)
        self.name_anon_vmas(task)
        if MLOCK and VM.LOCKED in vm_flags:
            self.locked_vm[task] += pages
            self.populate_vma_page_range(task, addr)
        return OK

    def munmap(self, task, start, end):
        """mm/mmap.c:munmap"""
        require(start < end)
        return self.do_munmap(task, start, end)

    def set_brk(self, task, brk):
        """mm/mmap.c:brk and mm/vma.c:do_brk_flags. The heap begins at page 0;
        ENOMEM stands for the old value, which brk(2) returns."""
        old = self.brk[task]
        if brk == old:
            return OK
        if brk < old:
            if self.unmapped(task, brk, old):
                return ENOMEM
            error = self.do_munmap(task, brk, old)
            if error is not OK:
                return ENOMEM
        else:
            if not self.unmapped(task, old, min(brk + 1, self.SIZE)):
                return ENOMEM
            if not self.do_brk_flags(task, old, brk):
                return ENOMEM
        self.brk[task] = brk
        return OK

    def do_brk_flags(self, task, addr, end):
        vm_flags = self.vm_flags_of(Prot.WRITE, False, False, False, False)
        vm_flags = vm_flags | {VM.ACCOUNT}
        if self.should_fail(Fail.LIMIT):
            return False
        if self.map_count[task] > self.max_map_count:
            return False
        if not self.security_vm_enough_memory(end - addr):
            return False
        merge = self.vma_merge_new_range(
            task, addr, end, vm_flags, None, None, 0, 0, False, True, False
        )
        failed = merge is Merge.NOMEM
        if merge is Merge.NOMERGE:
            failed = self.should_fail(Fail.ALLOC)
        if failed:
            self.vm_unacct_memory(end - addr)
            return False
        if merge is Merge.NOMERGE:
            self.insert_vma(task, addr, end, vm_flags, None, None, 0, 0, False)
        self.name_anon_vmas(task)
        return True

    # -- mprotect --

    def mprotect(self, task, start, end, prot):
        """mm/mprotect.c:do_mprotect_pkey. Stops at the first hole or error;
        what came before it has changed."""
        require(start < end)
        if not SEVERAL:
            self.assume_one_vma(task, start, end)
            return self.mprotect_fixup(task, start, end, prot)
        for p in self.PAGES:
            if start <= p < end:
                if not self.mapped(task, p):
                    return ENOMEM
                if p == start or self.mark[task, p] is Mark.START:
                    vm_end = min(self.vma_end(task, p), end)
                    error = self.mprotect_fixup(task, p, vm_end, prot)
                    if error is not OK:
                        return error
        return OK

    def mprotect_fixup(self, task, start, end, prot):
        """mm/mprotect.c:mprotect_fixup"""
        old = self.vm_flags[task, start]
        new = old - {VM.READ, VM.WRITE}
        if prot is not Prot.NONE:
            new = new | {VM.READ}
        if prot is Prot.WRITE:
            new = new | {VM.WRITE}
        if new == old:
            return OK
        pages = end - start
        charged = 0
        if VM.WRITE in new:
            if VM.SHARED not in new:
                limited = self.should_fail(Fail.LIMIT)
                if limited:
                    return ENOMEM
            if not (
                VM.ACCOUNT in old
                or VM.WRITE in old
                or VM.SHARED in old
                or VM.NORESERVE in old
            ):
                charged = pages
                if not self.security_vm_enough_memory(charged):
                    return ENOMEM
                new = new | {VM.ACCOUNT}
        elif self.vma_is_anonymous(task, start) and self.anon_vma[task, start] == 0:
            new = new - {VM.ACCOUNT}
        error = self.vma_modify(task, start, end, new, self.vm_policy[task, start])
        if error is not OK:
            self.vm_unacct_memory(charged)
            return error
        self.name_anon_vmas(task)
        if VM.ACCOUNT in old and VM.ACCOUNT not in new:
            self.vm_unacct_memory(pages)
        if (
            VM.LOCKED in old
            and VM.WRITE in new
            and not (VM.WRITE in old or VM.SHARED in old)
        ):
            self.populate_vma_page_range(task, start)
        return OK

    # -- madvise, mbind --

    def madvise(self, task, start, end, advice):
        """mm/madvise.c:madvise_walk_vmas: a hole is passed over and reported
        at the end, an error ends the walk."""
        require(start < end)
        if not SEVERAL:
            self.assume_one_vma(task, start, end)
            return self.madvise_vma_behavior(task, start, end, advice)
        hole = False
        for p in self.PAGES:
            if start <= p < end:
                if not self.mapped(task, p):
                    hole = True
                elif p == start or self.mark[task, p] is Mark.START:
                    vm_end = min(self.vma_end(task, p), end)
                    error = self.madvise_vma_behavior(task, p, vm_end, advice)
                    if error is not OK:
                        return error
        return ENOMEM if hole else OK

    def madvise_vma_behavior(self, task, start, end, advice):
        """mm/madvise.c:madvise_vma_behavior and madvise_update_vma"""
        if advice is Advice.WIPEONFORK and not self.vma_is_anonymous(task, start):
            return EINVAL
        new = self.advised_flags(self.vm_flags[task, start], advice)
        error = self.change(task, start, end, new, self.vm_policy[task, start])
        return Errno.EAGAIN if error is ENOMEM else error

    def advised_flags(self, vm_flags, advice):
        """Return the flags of a VMA with ``vm_flags`` after the advice."""
        if advice is Advice.DONTFORK:
            return vm_flags | {VM.DONTCOPY}
        if advice is Advice.DOFORK:
            return vm_flags - {VM.DONTCOPY}
        if advice is Advice.WIPEONFORK:
            return vm_flags | {VM.WIPEONFORK}
        if advice is Advice.KEEPONFORK:
            return vm_flags - {VM.WIPEONFORK}
        if advice is Advice.HUGEPAGE:
            return (vm_flags - {VM.NOHUGEPAGE}) | {VM.HUGEPAGE}
        return (vm_flags - {VM.HUGEPAGE}) | {VM.NOHUGEPAGE}

    def change(self, task, start, end, vm_flags, policy):
        """vma_modify, where something changes."""
        if (
            vm_flags == self.vm_flags[task, start]
            and policy == self.vm_policy[task, start]
        ):
            return OK
        error = self.vma_modify(task, start, end, vm_flags, policy)
        self.name_anon_vmas(task)
        return error

    def mbind(self, task, start, end, policy):
        """mm/mempolicy.c:do_mbind. None is MPOL_DEFAULT, which is the only
        one that a hole does not stop before anything changes."""
        require(start < end)
        if not SEVERAL:
            self.assume_one_vma(task, start, end)
            return self.change(task, start, end, self.vm_flags[task, start], policy)
        if self.unmapped(task, start, end):
            return Errno.EFAULT
        if policy is not None and any(
            not self.mapped(task, p) for p in self.PAGES if start <= p < end
        ):
            return Errno.EFAULT
        for p in self.PAGES:
            if (
                start <= p < end
                and self.mapped(task, p)
                and (p == start or self.mark[task, p] is Mark.START)
            ):
                error = self.change(
                    task,
                    p,
                    min(self.vma_end(task, p), end),
                    self.vm_flags[task, p],
                    policy,
                )
                if error is not OK:
                    return error
        return OK

    # -- mlock --

    def mlock(self, task, start, end, lock):
        """mm/mlock.c:do_mlock, munlock; then the pages are faulted in."""
        require(start < end)
        if not SEVERAL:
            self.assume_one_vma(task, start, end)
            error = self.mlock_fixup(task, start, end, lock)
            if error is OK and lock is not Lock.NONE:
                populated = self.populate_vma_page_range(task, start)
                return OK if populated else ENOMEM
            return error
        for p in self.PAGES:
            if start <= p < end:
                if not self.mapped(task, p):
                    return ENOMEM
                if p == start or self.mark[task, p] is Mark.START:
                    error = self.mlock_fixup(
                        task, p, min(self.vma_end(task, p), end), lock
                    )
                    if error is not OK:
                        return error
        if lock is not Lock.NONE:
            for p in self.PAGES:
                first = p == start or self.mark[task, p] is Mark.START
                if start <= p < end and first:
                    populated = self.populate_vma_page_range(task, p)
                    if not populated:
                        return ENOMEM
        return OK

    def mlock_fixup(self, task, start, end, lock):
        """mm/mlock.c:mlock_fixup"""
        old = self.vm_flags[task, start]
        new = old - {VM.LOCKED, VM.LOCKONFAULT}
        if lock is not Lock.NONE:
            new = new | {VM.LOCKED}
        if lock is Lock.ONFAULT:
            new = new | {VM.LOCKONFAULT}
        error = self.change(task, start, end, new, self.vm_policy[task, start])
        if error is not OK:
            return error
        if MLOCK:
            if lock is Lock.NONE and VM.LOCKED in old:
                self.locked_vm[task] -= end - start
            elif lock is not Lock.NONE and VM.LOCKED not in old:
                self.locked_vm[task] += end - start
        return OK

    # -- write faults --

    def write_fault(self, task, page):
        """mm/memory.c: a write to a page that was never written."""
        vm_flags = self.vm_flags[task, page]
        require(VM.WRITE in vm_flags and VM.SHARED not in vm_flags)
        self.anon_vma_prepare(task, page)
        self.name_anon_vmas(task)

    # -- fork --

    def fork(self, task, child):
        """mm/mmap.c:dup_mmap. A task without VMAs is one that can be the
        child. Each VMA that the child gets has an anon_vma of its own, which
        never merges with one that is not the same."""
        require(task != child and self.unmapped(child, 0, self.SIZE))
        for p in self.PAGES:
            if (
                self.mark[task, p] is Mark.START
                and VM.DONTCOPY not in self.vm_flags[task, p]
            ):
                copied = self.dup_vma(task, child, p, self.vma_end(task, p))
                if not copied:
                    self.exit_mmap(child)
                    return ENOMEM
        if BRK:
            self.brk[child] = self.brk[task]
        return OK

    def dup_vma(self, task, child, start, end):
        """One iteration of dup_mmap: return False for -ENOMEM."""
        pages = end - start
        old = self.vm_flags[task, start]
        new = self.child_flags(old)
        if not self.charge_vma(child, start, pages, new):
            return False
        if self.should_fail(Fail.ALLOC):
            self.uncharge_vma(child, start, pages, new)
            return False
        anon_vma = 0
        if self.anon_vma[task, start] != 0 and VM.WIPEONFORK not in old:
            anon_vma = start + 1
        self.insert_vma(
            child,
            start,
            end,
            new,
            self.vm_policy[task, start],
            self.vm_file[task, start],
            self.shift[task, start],
            anon_vma,
            anon_vma != 0,
        )
        return True
