# SPDX-License-Identifier: GPL-2.0-only
"""What a VMA is charged for: mm/mremap.c and mm/mlock.c."""

from poolproof.model.blocks.errno import ENOMEM
from poolproof.model.blocks.vma.address_space import VM, AddressSpace, Lock
from poolproof.model.blocks.vma.versions import AddressSpace612
from poolproof.model.designs.bug import Bug
from poolproof.model.designs.probes.address_space import Vmas, Vmas612
from poolproof.model.language import made_like


class KeptSourceUncharged(AddressSpace612):
    """Nothing is committed for a source that mremap cannot unmap."""

    def acct_kept_source(self, pages, vm_flags, dontunmap):
        pass


class Before51df7bcb6151(Vmas612):
    """ "mm/mremap: account memory on do_munmap() failure": where a moved mapping could
    not be unmapped, both were there and one was charged (move_vma)."""

    bug = Bug(
        "51df7bcb6151",
        "5.11",
        "if mremap cannot unmap the source, only one of two mappings is charged",
        trigger="failures",
        having="mremap",
        bounds={"P": 2, "C": 2},
        detected="vma_mremap_failures.just_right",
    )

    mm = made_like(Vmas.mm, KeptSourceUncharged)


class UncheckedDontunmap(AddressSpace612):
    """MREMAP_DONTUNMAP commits memory whatever the limit."""

    def vrm_calc_charge(self, task, start, pages, vm_flags, dontunmap):
        if not dontunmap:
            return super().vrm_calc_charge(task, start, pages, vm_flags, dontunmap)
        if VM.ACCOUNT in vm_flags:
            self.vm_acct_memory(pages)
        return True


class Beforead8ee77ea9db(Vmas612):
    """ "mm/mremap: for MREMAP_DONTUNMAP check security_vm_enough_memory_mm()": the
    second mapping was charged without a look at the limit (move_vma)."""

    bug = Bug(
        "ad8ee77ea9db",
        "5.11",
        "MREMAP_DONTUNMAP commits more than CommitLimit",
        trigger="mremap",
        bounds={"P": 2, "C": 1},
        detected="vma_invariants.commit_limit",
    )

    mm = made_like(Vmas.mm, UncheckedDontunmap)


class ExpansionStaysCharged(AddressSpace612):
    """What an expansion in place was charged stays charged if it fails."""

    def vrm_uncharge(self, task, start, pages, vm_flags):
        pass


class Afterfdbef6149135(Vmas612):
    """fdbef6149135, "mm/mremap: don't account pages in vma_to_resize()", was itself
    wrong: the charge moved to where the VMA grows, and a merge that fails there kept
    it (mremap, the vma_merge() of an expansion)."""

    bug = Bug(
        "fdbef6149135",
        "5.17",
        "an mremap that cannot grow in place keeps the charge (after a wrong fix)",
        trigger="failures",
        having="mremap",
        bounds={"P": 2, "C": 2},
        detected="vma_mremap_failures.copy_gives_back",
    )

    mm = made_like(Vmas.mm, ExpansionStaysCharged)


class UnchargedHead(AddressSpace):
    """If mremap leaves the head of a VMA that starts at address 0 (here page 0), the
    head does not get VM_ACCOUNT back."""

    def unmap_source_vma(self, task, addr, end, dontunmap):
        start = self.vma_start(task, addr)
        super().unmap_source_vma(task, addr, end, dontunmap)
        if start == 0 and not dontunmap:
            for p in self.PAGES:
                if p < addr:
                    self.vm_flags[task, p] = self.vm_flags[task, p] - {VM.ACCOUNT}


class Before937582ee8e8d(Vmas):
    """ "mm/mremap: correctly handle partial mremap() of VMA starting at 0": the start
    of the rest of the source was kept in a variable for which 0 meant "nothing"
    (move_vma)."""

    bug = Bug(
        "937582ee8e8d?",
        "6.15",
        "mremap of the tail of a VMA at address 0 leaves a head without VM_ACCOUNT",
        trigger="mremap",
        bounds={"P": 2, "C": 2},
        detected="vma_invariants.writable_committed",
    )

    mm = made_like(Vmas.mm, UnchargedHead)


class LockedTwice(AddressSpace):
    """RLIMIT_MEMLOCK, here the whole address space, is compared with what is locked
    and all of the range."""

    def mlock(self, task, start, end, lock):
        locked = self.locked_vm[task] + end - start
        if lock is not Lock.NONE and start < end and locked > self.SIZE:
            return ENOMEM
        return super().mlock(task, start, end, lock)


class Before0cf2f6f6dc60(Vmas):
    """ "mm: mlock: check against vma for actual mlock() size": what is locked already
    counted twice against RLIMIT_MEMLOCK (do_mlock). The limit is all of the address
    space, which nobody can exceed."""

    bug = Bug(
        "0cf2f6f6dc60",
        "4.9",
        "mlock of locked memory is refused, because it is counted twice",
        trigger="mlock",
        bounds={"P": 2},
        detected="vma_mlock.fails",
    )

    mm = made_like(Vmas.mm, LockedTwice)
