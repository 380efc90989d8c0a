# SPDX-License-Identifier: GPL-2.0-only
"""Splitting and merging VMAs: mm/vma.c, v7.2.

Conditions 1.1 to 1.4 of a merge are spread over the functions as in the
kernel: is_mergeable_vma (policy, flags, file; here also linear page offsets),
is_mergeable_anon_vma, can_vma_merge_left and _right, and what vm_ops->close
forbids. `near` is a page of the neighbour that may take part.
"""

from enum import Enum

from poolproof.model.blocks.errno import EINVAL, ENOMEM, OK
from poolproof.model.blocks.vma.state import (
    CLOSE,
    FAULTS,
    FILES,
    VM,
    Fail,
    Mark,
    VmaState,
)


class Merge(Enum):
    """enum vma_merge_state; nothing has changed unless it is SUCCESS."""

    NOMERGE = 0
    NOMEM = 1
    SUCCESS = 2


class VmaMerge(VmaState):
    """Merge, split, and the anon_vma that they depend on."""

    # -- compatibility --

    def is_mergeable_vma(self, task, near, vm_flags, policy, file, shift):
        """mm/vma.c:is_mergeable_vma, and that page offsets are linear."""
        return (
            self.vm_flags[task, near] == vm_flags
            and self.vm_policy[task, near] == policy
            and self.vm_file[task, near] == file
            and self.shift[task, near] == shift
        )

    def is_mergeable_anon_vma(self, task, near, anon_vma, forked):
        """mm/vma.c:is_mergeable_anon_vma; ``forked`` says that the VMA which
        is modified or copied is a fork child (vma_is_fork_child)."""
        tgt = self.anon_vma[task, near]
        if tgt == 0 and anon_vma != 0:
            return not forked
        if tgt != 0 and anon_vma == 0:
            return not self.forked[task, near]
        return tgt == anon_vma

    def can_vma_merge_left(
        self, task, start, vm_flags, policy, file, shift, anon_vma, forked
    ):
        return any(
            self.mark[task, p] is not Mark.HOLE
            and self.is_mergeable_vma(task, p, vm_flags, policy, file, shift)
            and self.is_mergeable_anon_vma(task, p, anon_vma, forked)
            for p in self.PAGES
            if p + 1 == start
        )

    def can_vma_merge_right(
        self, task, start, end, left, vm_flags, policy, file, shift, anon_vma, forked
    ):
        """Where it can merge with the left, too, the two neighbours must be
        compatible with each other."""
        prev = self.anon_vma_at(task, start - 1) if left else 0
        return any(
            self.mark[task, p] is Mark.START
            and self.is_mergeable_vma(task, p, vm_flags, policy, file, shift)
            and self.is_mergeable_anon_vma(task, p, anon_vma, forked)
            and (
                prev == 0
                or self.anon_vma[task, p] == 0
                or self.anon_vma[task, p] == prev
            )
            for p in self.PAGES
            if p == end
        )

    def unmerged(self, task, page):
        """Return whether a VMA begins at the page that could be one with the VMA before
        it."""
        return self.mark[task, page] is Mark.START and self.can_vma_merge_left(
            task,
            page,
            self.vm_flags[task, page],
            self.vm_policy[task, page],
            self.vm_file[task, page],
            self.shift[task, page],
            self.anon_vma[task, page],
            self.forked[task, page],
        )

    # -- split --

    def split_vma(self, task, address):
        """mm/vma.c:split_vma, which looks at the limit."""
        if self.map_count[task] >= self.max_map_count:
            return ENOMEM
        return self.do_split_vma(task, address)

    def do_split_vma(self, task, address):
        """mm/vma.c:__split_vma"""
        if not self.may_split(task, address):
            return EINVAL
        if self.should_fail(Fail.SPLIT):
            return ENOMEM
        self.set_mark(task, address, Mark.START)
        self.map_count[task] += 1
        return OK

    # -- merge --

    def dup_anon_vma(self, task, start, end, left, right, anon_vma, forked):
        """mm/vma.c:dup_anon_vma. [start, end) becomes part of the left or the
        right neighbour or joins both; the whole of the result then has the
        anon_vma that one of them has."""
        if FAULTS:
            low = self.vma_start(task, start - 1) if left else start
            high = self.vma_end(task, end) if right else end
            if left and self.anon_vma_at(task, start - 1) != 0:
                anon_vma = self.anon_vma_at(task, start - 1)
                forked = self.forked_at(task, start - 1)
            elif right and anon_vma == 0:
                anon_vma = self.anon_vma_at(task, end)
                forked = self.forked_at(task, end)
            self.set_anon_vma(task, low, high, anon_vma, forked)

    def vma_modify(self, task, start, end, vm_flags, policy):
        """mm/vma.c:vma_modify: gives [start, end), inside one VMA, new flags
        and a new policy; merges where that is possible, else splits. Where
        the second split fails the first one stays."""
        anon_vma = self.anon_vma[task, start]
        forked = self.forked[task, start]
        file = self.vm_file[task, start]
        shift = self.shift[task, start]
        left_side = self.mark[task, start] is Mark.START
        right_side = self.at_boundary(task, end)
        left = left_side and self.can_vma_merge_left(
            task, start, vm_flags, policy, file, shift, anon_vma, forked
        )
        right = right_side and self.can_vma_merge_right(
            task, start, end, left, vm_flags, policy, file, shift, anon_vma, forked
        )
        if CLOSE:
            if left_side and right_side and self.has_close(task, start):
                left = False
                right = False
            if left and right and self.has_close(task, end):
                right = False
        if left or right:
            if self.should_fail(Fail.MERGE):
                return ENOMEM
            self.dup_anon_vma(task, start, end, left, right, anon_vma, forked)
            if left_side and right_side:
                self.map_count[task] -= 2 if left and right else 1
            self.set_mark(task, start, Mark.INSIDE if left else Mark.START)
            if right:
                self.set_mark(task, end, Mark.INSIDE)
            elif not right_side:
                self.set_mark(task, end, Mark.START)
        else:
            if not left_side:
                error = self.split_vma(task, start)
                if error is not OK:
                    return error
            if not right_side:
                error = self.split_vma(task, end)
                if error is not OK:
                    return error
        for p in self.PAGES:
            if start <= p < end:
                self.vm_flags[task, p] = vm_flags
                self.vm_policy[task, p] = policy
        return OK

    def vma_merge_new_range(
        self,
        task,
        start,
        end,
        vm_flags,
        policy,
        file,
        shift,
        anon_vma,
        forked,
        prev,
        next,
    ):
        """mm/vma.c:vma_merge_new_range: [start, end) is empty and becomes
        part of its neighbours, of those that may be looked at."""
        left = prev and self.can_vma_merge_left(
            task, start, vm_flags, policy, file, shift, anon_vma, forked
        )
        right = next and self.can_vma_merge_right(
            task, start, end, left, vm_flags, policy, file, shift, anon_vma, forked
        )
        if CLOSE and left and right and self.has_close(task, end):
            right = False
        if not left and not right:
            return Merge.NOMERGE
        if self.should_fail(Fail.MERGE):
            return Merge.NOMEM
        self.set_range(
            task, start, end, vm_flags, policy, file, shift, anon_vma, forked
        )
        self.dup_anon_vma(task, start, end, left, right, anon_vma, forked)
        if not left:
            self.set_mark(task, start, Mark.START)
        if right:
            self.set_mark(task, end, Mark.INSIDE)
        if left and right:
            self.map_count[task] -= 1
        return Merge.SUCCESS

    def insert_vma(
        self, task, start, end, vm_flags, policy, file, shift, anon_vma, forked
    ):
        """mm/vma.c:vma_link: a new VMA, not merged."""
        self.set_range(
            task, start, end, vm_flags, policy, file, shift, anon_vma, forked
        )
        self.set_mark(task, start, Mark.START)
        self.map_count[task] += 1

    def set_range(
        self, task, start, end, vm_flags, policy, file, shift, anon_vma, forked
    ):
        for p in self.PAGES:
            if start <= p < end:
                self.mark[task, p] = Mark.INSIDE
                self.vm_flags[task, p] = vm_flags
                self.vm_policy[task, p] = policy
                self.shift[task, p] = shift
                if FILES:
                    self.vm_file[task, p] = file
        self.set_anon_vma(task, start, end, anon_vma, forked)

    # -- write faults --

    def anon_vma_compatible(self, task, page, near):
        """mm/vma.c:anon_vma_compatible, for adjacent VMAs."""
        access = {VM.READ, VM.WRITE}
        return (
            self.vm_policy[task, page] == self.vm_policy[task, near]
            and self.vm_file[task, page] == self.vm_file[task, near]
            and self.vm_flags[task, page] - access == self.vm_flags[task, near] - access
            and self.shift[task, page] == self.shift[task, near]
        )

    def reusable_anon_vma(self, task, page, near):
        """mm/vma.c:reusable_anon_vma: the neighbour's, unless it was forked."""
        return (
            self.anon_vma[task, near] != 0
            and not self.forked[task, near]
            and self.anon_vma_compatible(task, page, near)
        )

    def anon_vma_prepare(self, task, page):
        """mm/rmap.c:__anon_vma_prepare with find_mergeable_anon_vma: the
        first write fault of a private VMA. The next neighbour goes first; a
        name of its own is the one of its first page, which no other has."""
        if FAULTS and self.anon_vma[task, page] == 0:
            start = self.vma_start(task, page)
            end = self.vma_end(task, page)
            anon_vma = start + 1
            for p in self.PAGES:
                before = p + 1 == start and self.mark[task, p] is not Mark.HOLE
                after = p == end and self.mark[task, p] is Mark.START
                if (before or after) and self.reusable_anon_vma(task, page, p):
                    anon_vma = self.anon_vma[task, p]
            self.set_anon_vma(task, start, end, anon_vma, False)

    def populate_vma_page_range(self, task, page):
        """mm/gup.c:populate_vma_page_range. Private pages that may be written
        are, so that they need not be copied later. False is -EFAULT."""
        vm_flags = self.vm_flags[task, page]
        if VM.LOCKONFAULT in vm_flags:
            return True
        if VM.READ not in vm_flags:
            return False
        if VM.WRITE in vm_flags and VM.SHARED not in vm_flags:
            self.anon_vma_prepare(task, page)
            self.name_anon_vmas(task)
        return True
