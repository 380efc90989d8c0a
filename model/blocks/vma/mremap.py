# SPDX-License-Identifier: GPL-2.0-only
"""mremap: mm/mremap.c, v7.2.

Three faults of what is charged are the kernel's own. A smaller length at a fixed
place is charged the difference, although nothing is added: mremap_to() unmaps the
tail and sets vrm->old_len, and vrm_calc_charge() takes the vrm->delta from before.
copy_vma_and_data() gives nothing back where the page tables of a growing move
cannot be had. unmap_source_vma() commits a source that it cannot unmap, whether
or not that was accounted, and takes VM_ACCOUNT from it.
"""

from enum import Enum

from poolproof.model.blocks.errno import EINVAL, ENOMEM, OK, Errno
from poolproof.model.blocks.vma.merge import Merge
from poolproof.model.blocks.vma.state import (
    MLOCK,
    SEVERAL,
    VM,
    Fail,
    Mark,
)
from poolproof.model.blocks.vma.unmap import VmaUnmap
from poolproof.model.language import assume, require


class Remap(Enum):
    """The flags of mremap(2). All but IN_PLACE imply MREMAP_MAYMOVE."""

    IN_PLACE = 0
    MAYMOVE = 1
    FIXED = 2
    DONTUNMAP = 3
    FIXED_DONTUNMAP = 4


class VmaRemap(VmaUnmap):
    """mremap."""

    def mremap(self, task, addr, old_len, new_len, how, new_addr):
        """mm/mremap.c:do_mremap. ``new_addr`` is where get_unmapped_area puts
        what moves without MREMAP_FIXED, and 0 where nothing moves."""
        fixed = how in (Remap.FIXED, Remap.FIXED_DONTUNMAP)
        dontunmap = how in (Remap.DONTUNMAP, Remap.FIXED_DONTUNMAP)
        self.require_place(task, addr, old_len, new_len, how, new_addr)
        if not self.sensible(addr, old_len, new_len, how, new_addr):
            return EINVAL
        if not self.mremap_headroom(task, fixed or dontunmap, dontunmap):
            return ENOMEM
        if SEVERAL and fixed and old_len == new_len:
            return self.remap_move(task, addr, old_len, new_addr, dontunmap)
        error = self.check_prep_vma(
            task, addr, old_len, new_len, new_addr, fixed, dontunmap
        )
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

    def sensible(self, addr, old_len, new_len, how, new_addr):
        """mm/mremap.c:check_mremap_params: return False if the arguments alone are
        -EINVAL."""
        if how in (Remap.IN_PLACE, Remap.MAYMOVE):
            return new_len > 0
        apart = addr + old_len <= new_addr or new_addr + new_len <= addr
        return new_len > 0 and apart and (how is Remap.FIXED or old_len == new_len)

    def require_place(self, task, addr, old_len, new_len, how, new_addr):
        """What ``new_addr`` must be; and no page gets an offset outside what
        `shift` can say (it would be a larger model that could)."""
        require(addr + old_len <= self.SIZE and addr + new_len <= self.SIZE)
        require(new_addr + new_len <= self.SIZE)
        fixed = how in (Remap.FIXED, Remap.FIXED_DONTUNMAP)
        moves = how is Remap.DONTUNMAP or (
            how is Remap.MAYMOVE
            and new_len > old_len
            and not self.expandable(task, addr, addr + old_len, addr + new_len)
        )
        require(fixed or moves or new_addr == 0)
        require(not moves or self.unmapped(task, new_addr, new_addr + new_len))
        assume(
            all(
                1 - self.SIZE <= self.shift[task, p] + addr - new_addr <= self.SIZE
                for p in self.PAGES
                if addr <= p < addr + max(old_len, 1) and (fixed or moves)
            ),
            "page offsets stay near addresses",
        )

    def expandable(self, task, addr, end, new_end):
        """mm/mremap.c:vrm_can_expand_in_place"""
        return self.vma_end(task, addr) == end and self.unmapped(task, end, new_end)

    def mremap_headroom(self, task, placed, dontunmap):
        """mm/mremap.c:check_map_count_against_split_early: room for the splits
        of two unmappings, and for what move_vma wants."""
        return self.map_count[task] + (5 if dontunmap else 4) <= self.max_map_count

    def move_headroom(self, task, presplit):
        """mm/mremap.c:check_map_count_against_split"""
        return self.map_count[task] + (3 if presplit else 2) <= self.max_map_count

    def check_prep_vma(self, task, addr, old_len, new_len, new_addr, fixed, dontunmap):
        """mm/mremap.c:check_prep_vma"""
        if addr == self.SIZE or not self.mapped(task, addr):
            return Errno.EFAULT
        if not self.may_remap(task, addr, old_len, new_len, new_addr, fixed):
            return EINVAL
        if new_len <= old_len and not fixed and not dontunmap:
            return OK
        if old_len == 0 and VM.SHARED not in self.vm_flags[task, addr]:
            return EINVAL
        if min(old_len, new_len) > self.vma_end(task, addr) - addr:
            return Errno.EFAULT
        if new_len > old_len:
            limited = self.should_fail(Fail.LIMIT)
            return ENOMEM if limited else OK
        return OK

    def remap_move(self, task, addr, length, new_addr, dontunmap):
        """mm/mremap.c:remap_move: MREMAP_FIXED to the same length moves every
        VMA of the range, and keeps the gaps. Those before a failure stay
        moved."""
        if not self.mapped(task, addr):
            return Errno.EFAULT
        end = addr + length
        for p in self.PAGES:
            first = p == addr
            if (
                addr <= p < end
                and (first or self.mark[task, p] is Mark.START)
                and self.mapped(task, p)
            ):
                vm_end = min(self.vma_end(task, p), end)
                multi = self.vma_multi_allowed(task, p)
                if not multi and not (first and vm_end == end):
                    return Errno.EFAULT
                vm_len = vm_end - p
                to = new_addr + p - addr
                if not self.may_remap(task, p, vm_len, vm_len, to, True):
                    return EINVAL
                error = self.mremap_one(
                    task, p, vm_len, vm_len, to, True, dontunmap, False
                )
                if error is not OK:
                    return error
        return OK

    def vma_multi_allowed(self, task, page):
        """mm/mremap.c:vma_multi_allowed: not with userfaultfd, nor with a
        file that has a get_unmapped_area of its own."""
        return True

    def mremap_one(
        self, task, addr, old_len, new_len, new_addr, fixed, dontunmap, maymove
    ):
        """mm/mremap.c:mremap_to and mremap_at. With MREMAP_FIXED the
        destination is unmapped first, then a tail that is not wanted."""
        delta = max(old_len, new_len) - min(old_len, new_len)
        if fixed:
            error = self.do_munmap(task, new_addr, new_addr + new_len)
            if error is not OK:
                return error
        if old_len > new_len:
            error = self.do_munmap(task, addr + new_len, addr + old_len)
            if error is not OK:
                return error
            old_len = new_len
            delta = self.delta_of_shrunk(delta)
        if fixed or dontunmap:
            error = self.check_unmapped_to(task, addr, old_len, new_len)
            if error is not OK:
                return error
        if not fixed and not dontunmap:
            if old_len == new_len:
                return OK
            end = addr + old_len
            new_end = addr + new_len
            if self.expandable(task, addr, end, new_end):
                return self.expand_vma_in_place(task, addr, end, new_end)
            if not maymove:
                return ENOMEM
        if dontunmap:
            limited = self.should_fail(Fail.LIMIT)
            if limited:
                return ENOMEM
        return self.move_vma(task, addr, old_len, new_len, new_addr, dontunmap, delta)

    def delta_of_shrunk(self, delta):
        """vrm->delta once mremap_to has unmapped the tail: nobody sets it anew."""
        return delta

    def check_unmapped_to(self, task, addr, old_len, new_len):
        """What mremap_to looks at once the destination is unmapped."""
        return OK if self.mapped(task, addr) else Errno.EFAULT

    def expand_vma_in_place(self, task, addr, end, new_end):
        """mm/mremap.c:expand_vma_in_place, with vma_merge_extend"""
        vm_flags = self.vm_flags[task, addr]
        pages = new_end - end
        if not self.charge_vma(task, end, pages, vm_flags):
            return ENOMEM
        merge = self.vma_merge_new_range(
            task,
            end,
            new_end,
            vm_flags,
            self.vm_policy[task, addr],
            self.vm_file[task, addr],
            self.shift[task, addr],
            self.anon_vma[task, addr],
            False,
            True,
            True,
        )
        if merge is not Merge.SUCCESS:
            self.vrm_uncharge(task, end, pages, vm_flags)
            return ENOMEM
        self.name_anon_vmas(task)
        if MLOCK and VM.LOCKED in vm_flags:
            self.locked_vm[task] += pages
            self.populate_vma_page_range(task, addr)
        return OK

    def vrm_calc_charge(self, task, start, pages, vm_flags, dontunmap):
        """mm/mremap.c:vrm_calc_charge of a move. Return whether what it adds is
        charged."""
        return self.charge_vma(task, start, pages, vm_flags)

    def vrm_uncharge(self, task, start, pages, vm_flags):
        """mm/mremap.c:vrm_uncharge of an expansion in place that fails."""
        self.uncharge_vma(task, start, pages, vm_flags)

    def prep_move_vma(self, task, addr, end, dontunmap):
        """mm/mremap.c:prep_move_vma"""
        presplit = dontunmap and VM.LOCKED in self.vm_flags[task, addr]
        if not self.move_headroom(task, presplit):
            return ENOMEM
        before = self.mark[task, addr] is Mark.INSIDE
        after = not self.at_boundary(task, end)
        if before and not self.may_split(task, addr):
            return EINVAL
        if after and not self.may_split(task, end):
            return EINVAL
        if presplit:
            if before:
                error = self.split_vma(task, addr)
                if error is not OK:
                    return error
            if after:
                return self.split_vma(task, end)
        return OK

    def move_vma(self, task, addr, old_len, new_len, new_addr, dontunmap, delta):
        """mm/mremap.c:move_vma, vrm_calc_charge, copy_vma_and_data. Where page
        tables fail, the copy is unmapped in place of the source, and what was
        charged for `delta` stays charged."""
        end = addr + old_len
        new_end = new_addr + new_len
        error = self.prep_move_vma(task, addr, end, dontunmap)
        if error is not OK:
            return error
        vm_flags = self.vm_flags[task, addr]
        pages = new_len if dontunmap else delta
        start = new_end - pages
        charged = self.vrm_calc_charge(task, start, pages, vm_flags, dontunmap)
        if not charged:
            return ENOMEM
        if not self.copy_vma(task, addr, new_addr, new_end, dontunmap):
            self.uncharge_vma(task, new_end - pages, pages, vm_flags)
            return ENOMEM
        failed = self.should_fail(Fail.TABLES)
        if dontunmap and not failed:
            self.dontunmap_complete(task, addr, end)
        else:
            if MLOCK and VM.LOCKED in vm_flags:
                self.locked_vm[task] += new_len
            start = new_addr if failed else addr
            if failed or old_len > 0:
                self.unmap_source_vma(
                    task, start, new_end if failed else end, dontunmap
                )
        if failed:
            return ENOMEM
        if VM.LOCKED in vm_flags and new_len > old_len:
            self.populate_vma_page_range(task, new_addr)
        return OK

    def copy_vma(self, task, addr, new_addr, new_end, dontunmap):
        """mm/vma.c:copy_vma: False is -ENOMEM. An anonymous VMA without an
        anon_vma gets new page offsets, and so may merge with itself, unless
        it stays."""
        start = self.vma_start(task, addr)
        end = self.vma_end(task, addr)
        fresh = self.vma_is_anonymous(task, addr) and self.anon_vma[task, addr] == 0
        apart = fresh and dontunmap and self.stays_apart()
        shift = 0 if fresh else self.shift[task, addr] + addr - new_addr
        vm_flags = self.vm_flags[task, addr]
        policy = self.vm_policy[task, addr]
        file = self.vm_file[task, addr]
        anon_vma = self.anon_vma[task, addr]
        forked = self.forked[task, addr]
        merge = self.vma_merge_new_range(
            task,
            new_addr,
            new_end,
            vm_flags,
            policy,
            file,
            shift,
            anon_vma,
            forked,
            not (apart and end == new_addr),
            not (apart and start == new_end),
        )
        if merge is Merge.SUCCESS:
            return True
        if self.should_fail(Fail.ALLOC):
            return False
        self.insert_vma(
            task, new_addr, new_end, vm_flags, policy, file, shift, anon_vma, forked
        )
        return True

    def stays_apart(self):
        """Return whether MREMAP_DONTUNMAP keeps what it copies from being merged with
        what it was copied from."""
        return True

    def resets_pgoff(self):
        """Return whether what it leaves without pages gets its own address back as page
        offset."""
        return True

    def dontunmap_complete(self, task, addr, end):
        """mm/mremap.c:dontunmap_complete"""
        whole = self.mark[task, addr] is Mark.START and self.at_boundary(task, end)
        start = self.vma_start(task, addr)
        vm_end = self.vma_end(task, addr)
        reset = self.vma_is_anonymous(task, addr) and self.resets_pgoff()
        for p in self.PAGES:
            if start <= p < vm_end:
                self.vm_flags[task, p] = self.vm_flags[task, p] - {
                    VM.LOCKED,
                    VM.LOCKONFAULT,
                }
                if whole:
                    self.anon_vma[task, p] = 0
                    self.forked[task, p] = False
                    if reset:
                        self.shift[task, p] = 0
        self.name_anon_vmas(task)

    def unmap_source_vma(self, task, addr, end, dontunmap):
        """mm/mremap.c:unmap_source_vma. Flags by which a VMA is accounted are
        taken from the whole VMA while a part of it is unmapped, and put back
        on what is left of it."""
        vm_flags = self.vm_flags[task, addr]
        start = self.vma_start(task, addr)
        vm_end = self.vma_end(task, addr)
        if not dontunmap:
            for p in self.PAGES:
                if start <= p < vm_end:
                    self.vm_flags[task, p] = vm_flags - self.concealed()
        error = self.do_munmap(task, addr, end)
        if error is not OK:
            self.acct_kept_source(end - addr, vm_flags, dontunmap)
        elif not dontunmap:
            for p in self.PAGES:
                if start <= p < addr or end <= p < vm_end:
                    self.vm_flags[task, p] = vm_flags

    def acct_kept_source(self, pages, vm_flags, dontunmap):
        """What unmap_source_vma commits for a source that it cannot unmap."""
        self.vm_acct_memory(pages)
