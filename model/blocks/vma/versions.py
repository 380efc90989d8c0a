# SPDX-License-Identifier: GPL-2.0-only
"""Address spaces of older kernels: what v6.18 and v6.12 do otherwise than v7.2.

6.18 is 6.18.44, by its behaviour; 6.12 is 6.12.117, from its source.
"""

from typing import Any

from poolproof.model.blocks.errno import EINVAL, ENOMEM, OK, Errno
from poolproof.model.blocks.vma.address_space import AddressSpace, Remap
from poolproof.model.blocks.vma.state import MLOCK, VM, Fail, Mark
from poolproof.model.language import Counter, table


class AddressSpace618(AddressSpace):
    """v6.18. MREMAP_DONTUNMAP does not split the VMA that it takes a part of:
    the whole of it is unlocked, and locked_vm does not learn of it. What is
    copied may merge with what it was copied from. The source keeps its page
    offset where it loses its anon_vma. Only a move with a new address looks
    at map_count early."""

    def __init__(
        self,
        tasks: Any,
        pages: Any,
        files: Any,
        policies: Any,
        max_map_count: Any,
        commit_limit: Any,
    ) -> None:
        super().__init__(tasks, pages, files, policies, max_map_count, commit_limit)
        self.locked_vm = table(tasks, Counter(), when=MLOCK)

    def mremap_headroom(self, task, placed, dontunmap):
        """mm/mremap.c:check_mremap_params"""
        return not placed or self.map_count[task] + 2 < self.max_map_count - 3

    def move_headroom(self, task, presplit):
        return self.map_count[task] < self.max_map_count - 3

    def prep_move_vma(self, task, addr, end, dontunmap):
        if not self.move_headroom(task, False):
            return ENOMEM
        if self.mark[task, addr] is Mark.INSIDE and not self.may_split(task, addr):
            return EINVAL
        if not self.at_boundary(task, end) and not self.may_split(task, end):
            return EINVAL
        return OK

    def stays_apart(self):
        return False

    def resets_pgoff(self):
        return False

    def dontunmap_complete(self, task, addr, end):
        if MLOCK and VM.LOCKED in self.vm_flags[task, addr]:
            self.locked_vm[task] += end - addr
        super().dontunmap_complete(task, addr, end)


class AddressSpace612(AddressSpace):
    """v6.12. A neighbour without anon_vma does not merge with what has one.
    mremap moves one VMA only, and unmaps the destination before it looks at
    the source's length. It charges what a move adds after the tail is gone, and
    commits again only a source that was accounted; where page tables fail, it
    gives back no more than later versions do."""

    def delta_of_shrunk(self, delta):
        """mm/mremap.c:move_vma, to_account"""
        return 0

    def acct_kept_source(self, pages, vm_flags, dontunmap):
        """mm/mremap.c:move_vma"""
        if VM.ACCOUNT in vm_flags and not dontunmap:
            self.vm_acct_memory(pages)

    def is_mergeable_anon_vma(self, task, near, anon_vma, forked):
        """mm/vma.c:is_mergeable_anon_vma, list_is_singular of the neighbour"""
        tgt = self.anon_vma[task, near]
        if tgt != 0 and anon_vma == 0:
            return not self.forked[task, near]
        return tgt == anon_vma

    def mremap_headroom(self, task, placed, dontunmap):
        """mm/mremap.c:mremap_to"""
        return self.map_count[task] + 2 < self.max_map_count - 3

    def move_headroom(self, task, presplit):
        """mm/mremap.c:move_vma"""
        return self.map_count[task] < self.max_map_count - 3

    def mremap(self, task, addr, old_len, new_len, how, new_addr):
        """mm/mremap.c:mremap"""
        self.require_place(task, addr, old_len, new_len, how, new_addr)
        fixed = how in (Remap.FIXED, Remap.FIXED_DONTUNMAP)
        dontunmap = how in (Remap.DONTUNMAP, Remap.FIXED_DONTUNMAP)
        placed = fixed or dontunmap
        if new_len == 0 or (dontunmap and old_len != new_len):
            return EINVAL
        if not self.mapped(task, addr):
            return Errno.EFAULT
        if not self.sensible(addr, old_len, new_len, how, new_addr):
            return EINVAL
        if placed:
            if not self.mremap_headroom(task, placed, dontunmap):
                return ENOMEM
        elif new_len > old_len:
            error = self.vma_to_resize(task, addr, old_len, new_len)
            if error is not OK:
                return error
        return self.mremap_one(
            task,
            addr,
            old_len,
            new_len,
            new_addr,
            fixed,
            dontunmap,
            how is Remap.MAYMOVE,
        )

    def check_unmapped_to(self, task, addr, old_len, new_len):
        return self.vma_to_resize(task, addr, old_len, new_len)

    def vma_to_resize(self, task, addr, old_len, new_len):
        """mm/mremap.c:vma_to_resize"""
        if not self.mapped(task, addr):
            return Errno.EFAULT
        if old_len == 0 and VM.SHARED not in self.vm_flags[task, addr]:
            return EINVAL
        if old_len > self.vma_end(task, addr) - addr:
            return Errno.EFAULT
        if new_len > old_len:
            limited = self.should_fail(Fail.LIMIT)
            return ENOMEM if limited else OK
        return OK
