# SPDX-License-Identifier: GPL-2.0-only
"""Files that live in memory: inodes, who holds them, and their page cache.

include/linux/fs.h, fs/inode.c, mm/shmem.c, mm/truncate.c, fs/hugetlbfs/inode.c,
v6.12. A folio of the cache is a huge page or a base page. A huge folio of shmem is
split into base pages if a hole or the end of the file cuts it. hugetlbfs never
splits: a page that a hole cuts is zeroed, and stays.

Where free pages are is up to the design: a method that allocates returns how many
pages of the given ``room`` it took, one that frees returns how many it freed.

Left out: contents; orders between a base page and a huge page; swap; seals;
leases; mount options; fault-around, MAP_POPULATE and read() (a fault is what fills
a hole); offsets (each mapping is of the whole file); the dentry cache (a name is a
link); page tables that are empty but there (a huge folio is mapped by a PMD wherever
nothing else is in its range). Of shmem: overcommit accounting, folios that a failing
fallocate() takes back, which a fault may keep from it. Of hugetlbfs: the reserve map
and the subpool (model/blocks/reserve_map.py, quota.py), and its locks, so that
truncation is one step there.
"""

from enum import Enum
from typing import Any

from poolproof.model.language import (
    Block,
    Bool,
    Int,
    Maybe,
    action,
    domain,
    require,
    table,
    var,
)


class Folio(Enum):
    """What the page cache has for one page of a file."""

    HOLE = 0
    SMALL = 1
    HUGE = 2


class Entry(Enum):
    """What a page table has for one page of a mapping."""

    EMPTY = 0
    PTE = 1
    """A page of the file."""
    PMD = 2
    """A page of a huge folio that is mapped as a whole."""
    COW = 3
    """A private page: a copy, or one that the file never had."""


HOLE, SMALL, HUGE = Folio
EMPTY, PTE, PMD, COW = Entry


class Inodes(Block):
    """Inodes, and who holds them: names, descriptors (also those in a message),
    and mappings. ``size`` base pages are a file's most, ``unit`` of them a huge
    page; ``units`` and ``pages`` are the domains of indices.

    ``mmap`` turns mappings on, ``tables`` what they map, ``messages``
    descriptors on their way, ``pins`` references to huge folios from elsewhere.
    """

    inodes, units = domain(), domain()

    def __init__(
        self,
        inodes: Any,
        tasks: Any,
        vmas: Any,
        units: Any,
        pages: Any,
        size: Any,
        unit: Any,
        links: Any,
        mmap: Any,
        tables: Any,
        messages: Any,
        pins: Any,
    ) -> None:
        self.inodes = inodes
        self.tasks = tasks
        self.vmas = vmas
        self.units = units
        self.pages = pages
        self.size = size
        self.unit = unit
        self.messages = messages
        self.pins = pins
        self.exists = table(inodes, Bool())
        self.i_nlink = table(inodes, Int(0, links))
        self.fd = table(tasks, inodes, Bool())
        self.in_flight = table(inodes, Bool(), when=messages)
        self.i_size = table(inodes, Int(0, size))
        self.i_pages = table(inodes, pages, Folio)
        self.alloced = table(inodes, Int(0, size))
        self.vm_file = table(vmas, Maybe(inodes), when=mmap)
        self.vm_mm = table(vmas, Maybe(tasks), when=mmap)
        self.vm_shared = table(vmas, Bool(), when=mmap)
        self.entry = table(vmas, pages, Entry, when=tables)
        self.pinned = table(inodes, units, Bool(), when=pins)
        self.orphans = var(Int(0), when=pins)

    # -- I/O --

    @action(kernel="mm/gup.c:try_grab_folio", when="pins")
    def pin(self, inode: inodes, unit: units):
        """A reference to a huge folio that is no mapping."""
        require(self.i_pages[inode, unit * self.unit] == Folio.HUGE)
        require(not self.pinned[inode, unit])
        self.pinned[inode, unit] = True

    @action(kernel="mm/gup.c:gup_put_folio", when="pins")
    def unpin(self, inode: inodes, unit: units):
        require(self.pinned[inode, unit])
        self.pinned[inode, unit] = False

    # -- who holds an inode --

    def is_open(self, inode):
        """Return whether there is a struct file, in a descriptor or in a message."""
        return any(self.fd[t, inode] for t in self.tasks) or self.in_flight[inode]

    def is_mapped(self, inode):
        """Return whether i_mmap has a VMA; vm_file is a reference."""
        return any(self.vm_file[v] == inode for v in self.vmas)

    def is_held(self, inode):
        """Return whether i_count is not 0: tmpfs and hugetlbfs keep the dentry of a
        name, a struct file keeps its dentry."""
        return self.i_nlink[inode] > 0 or self.is_open(inode) or self.is_mapped(inode)

    def create(self, inode, task, links):
        """An open, empty file: shmem_mknod and hugetlbfs_mknod with one link,
        __shmem_file_setup and hugetlb_file_setup (memfd_create) with none."""
        self.exists[inode] = True
        self.i_nlink[inode] = links
        self.fd[task, inode] = True

    def close(self, task, inode):
        """fs/file_table.c:__fput."""
        require(self.fd[task, inode])
        self.fd[task, inode] = False

    def send(self, task, inode):
        """net/core/scm.c:scm_fp_copy: the message is a holder of its own."""
        require(self.fd[task, inode] and not self.in_flight[inode])
        self.in_flight[inode] = True

    def receive(self, task, inode):
        """net/core/scm.c:scm_detach_fds."""
        require(self.in_flight[inode] and not self.fd[task, inode])
        self.in_flight[inode] = False
        self.fd[task, inode] = True

    def may_punch(self, task, inode):
        """Return whether the task can make a hole: with a descriptor, or with a mapping
        that is shared and may be written (mm/madvise.c:madvise_remove)."""
        return self.fd[task, inode] or any(
            self.vm_file[v] == inode and self.vm_mm[v] == task and self.vm_shared[v]
            for v in self.vmas
        )

    def map_file(self, vma, task, inode, shared):
        """mm/mmap.c:mmap_region: the VMA takes a reference to the file."""
        self.file_mmap(inode)
        self.vm_file[vma] = inode
        self.vm_mm[vma] = task
        self.vm_shared[vma] = shared

    def file_mmap(self, inode):
        """f_op->mmap: for most files nothing that matters here."""

    def remove_vma(self, vma):
        """mm/vma.c:remove_vma, and its page tables."""
        for p in self.pages:
            self.entry[vma, p] = EMPTY
        self.vm_file[vma] = None
        self.vm_mm[vma] = None
        self.vm_shared[vma] = False

    def unmap(self, vma):
        """Return how many private pages were freed."""
        freed = sum(1 for p in self.pages if self.entry[vma, p] == COW)
        self.remove_vma(vma)
        return freed

    def exit(self, task):
        """exit_mmap. Return how many private pages were freed."""
        freed = sum(
            1
            for v in self.vmas
            for p in self.pages
            if self.vm_mm[v] == task and self.entry[v, p] == COW
        )
        for v in self.vmas:
            if self.vm_mm[v] == task:
                self.remove_vma(v)
        return freed

    # -- the page cache, mm/filemap.c --

    def round_down(self, page):
        """Return the first page of the huge page."""
        return page // self.unit * self.unit

    def round_up(self, page):
        return (page + self.unit - 1) // self.unit * self.unit

    def nrpages(self, inode):
        return sum(1 for p in self.pages if self.i_pages[inode, p] != HOLE)

    def private_pages(self):
        """Return how many pages mappings have for themselves."""
        return sum(1 for v in self.vmas for p in self.pages if self.entry[v, p] == COW)

    def holes(self, inode, unit, start, end):
        """Return how many pages of a unit that lie in start..end are not there."""
        return sum(
            1
            for p in self.pages
            if p // self.unit == unit
            and start <= p < end
            and self.i_pages[inode, p] == HOLE
        )

    def add_huge(self, inode, unit):
        """mm/filemap.c:filemap_add_folio of a huge folio."""
        for p in self.pages:
            if p // self.unit == unit:
                self.i_pages[inode, p] = HUGE
        self.alloced[inode] += self.unit

    def zap(self, vma, page, even_cows):
        """mm/memory.c:zap_pte_range of one page, and zap_pmd_range: of a PMD
        that maps a file nothing is left, however small the part."""
        entry = self.entry[vma, page]
        if entry != COW or even_cows:
            for p in self.pages:
                if p == page or (entry == PMD and p // self.unit == page // self.unit):
                    self.entry[vma, p] = EMPTY

    def unmap_mapping_range(self, inode, start, end, even_cows):
        """mm/memory.c:unmap_mapping_range, every mapping of start..end. Return how many
        private pages were freed."""
        freed = sum(
            1
            for v in self.vmas
            for p in self.pages
            if self.vm_file[v] == inode
            and start <= p < end
            and even_cows
            and self.entry[v, p] == COW
        )
        for v in self.vmas:
            if self.vm_file[v] == inode:
                for p in self.pages:
                    if start <= p < end:
                        self.zap(v, p, even_cows)
        return freed

    def remove_huge(self, inode, unit):
        """mm/truncate.c:truncate_inode_folio, filemap_remove_folio of hugetlbfs. Return
        the pages freed: none if there is another reference, which keeps the folio
        outside the file."""
        self.unmap_mapping_range(inode, unit * self.unit, (unit + 1) * self.unit, False)
        for p in self.pages:
            if p // self.unit == unit:
                self.i_pages[inode, p] = HOLE
        if self.pins and self.pinned[inode, unit]:
            self.pinned[inode, unit] = False
            self.orphans += self.unit
            return 0
        return self.unit

    def finish_fault(self, vma, page):
        """mm/memory.c:finish_fault of a page of the file: a huge folio is
        mapped by a PMD, across i_size as well, where nothing of its range is
        mapped yet."""
        inode = self.vm_file[vma]
        whole = self.i_pages[inode, page] == HUGE and all(
            self.entry[vma, p] == EMPTY
            for p in self.pages
            if p // self.unit == page // self.unit
        )
        for p in self.pages:
            if whole and p // self.unit == page // self.unit:
                self.entry[vma, p] = PMD
            elif p == page:
                self.entry[vma, p] = PTE


class ShmemInodes(Inodes):
    """Files of tmpfs with huge=always, and memfds. ``alloced`` is that of
    struct shmem_inode_info."""

    def __init__(self, inodes: Any, *rest: Any) -> None:
        super().__init__(inodes, *rest)
        self.fallocend = table(inodes, Int(0, self.size))

    def shmem_recalc_inode(self, inode):
        """Free what the mm dropped: more was counted than is there."""
        self.alloced[inode] = min(self.alloced[inode], self.nrpages(inode))

    def can_be_huge(self, inode, unit, room):
        """mm/shmem.c:shmem_suitable_orders: nothing of it is there yet."""
        first = unit * self.unit
        empty = self.holes(inode, unit, first, first + self.unit) == self.unit
        return empty and room >= self.unit

    def get_folio(self, inode, page, room):
        """mm/shmem.c:shmem_get_folio_gfp of a page that is not there: huge, else small,
        else nothing. Return how many pages it took."""
        unit = page // self.unit
        if self.can_be_huge(inode, unit, room):
            self.add_huge(inode, unit)
            return self.unit
        if room == 0:
            return 0
        self.i_pages[inode, page] = SMALL
        self.alloced[inode] += 1
        return 1

    def falloc_needs(self, inode, start, end, room):
        """Return how many pages shmem_fallocate() would allocate: it goes from folio to
        folio, and takes back what it added if one cannot be had."""
        needs = 0
        for u in self.units:
            missing = self.holes(inode, u, start, end)
            if missing > 0 and self.can_be_huge(inode, u, room - needs):
                needs += self.unit
            else:
                needs += missing
        return needs

    def falloc(self, inode, start, end, keep_size, room):
        """mm/shmem.c:shmem_fallocate, where there is room for all of it."""
        self.fallocend[inode] = max(self.fallocend[inode], end)
        took = 0
        for p in self.pages:
            if start <= p < end and self.i_pages[inode, p] == HOLE:
                took += self.get_folio(inode, p, room - took)
        if not keep_size:
            self.i_size[inode] = max(self.i_size[inode], end)
        return took

    def split(self, inode, unit):
        """mm/huge_memory.c:split_huge_page_to_list_to_order: nothing maps it
        any more, and what lies beyond i_size goes, unless fallocate() put it
        there. A folio with a reference from elsewhere is not split."""
        first = unit * self.unit
        if self.pins and self.pinned[inode, unit]:
            return 0
        self.unmap_mapping_range(inode, first, first + self.unit, False)
        end = max(self.i_size[inode], self.fallocend[inode])
        freed = 0
        for p in self.pages:
            if p // self.unit == unit:
                self.i_pages[inode, p] = SMALL if p < end else HOLE
                if p >= end:
                    freed += 1
        return freed

    def shmem_undo_range(self, inode, start, end):
        """Remove what is in start..end, and return how many pages were freed. A huge
        folio that is cut is split, or else stays, zeroed."""
        if start < self.fallocend[inode] <= end:
            self.fallocend[inode] = start
        freed = 0
        for u in self.units:
            first = u * self.unit
            if self.i_pages[inode, first] == HUGE:
                if start <= first and first + self.unit <= end:
                    freed += self.remove_huge(inode, u)
                elif start < first + self.unit and first < end:
                    freed += self.split(inode, u)
        for p in self.pages:
            if start <= p < end and self.i_pages[inode, p] == SMALL:
                self.unmap_mapping_range(inode, p, p + 1, False)
                self.i_pages[inode, p] = HOLE
                freed += 1
        self.shmem_recalc_inode(inode)
        return freed

    def punch_hole(self, inode, start, end):
        """shmem_fallocate(FALLOC_FL_PUNCH_HOLE): private copies stay."""
        freed = self.unmap_mapping_range(inode, start, end, False)
        freed += self.shmem_undo_range(inode, start, end)
        return freed

    def setattr_size(self, inode, newsize):
        """mm/shmem.c:shmem_setattr, its first part: i_size first, then the
        mappings."""
        oldsize = self.i_size[inode]
        self.i_size[inode] = newsize
        if newsize < oldsize:
            return self.unmap_mapping_range(inode, newsize, self.size, True)
        return 0

    def setattr_truncate(self, inode):
        """... its second part: the pages."""
        if self.alloced[inode] == 0:
            return 0
        return self.shmem_undo_range(inode, self.i_size[inode], self.size)

    def setattr_unmap_again(self, inode):
        """... its last part: "unmap again to remove racily COWed private
        pages"."""
        return self.unmap_mapping_range(inode, self.i_size[inode], self.size, True)

    def truncate(self, inode, newsize):
        """All of shmem_setattr; a larger size only moves the end."""
        grows = newsize > self.i_size[inode]
        shrinks = newsize < self.i_size[inode]
        freed = self.setattr_size(inode, newsize)
        if not grows:
            freed += self.setattr_truncate(inode)
        if shrinks:
            freed += self.setattr_unmap_again(inode)
        return freed

    def evict(self, inode):
        """fs/inode.c:evict and mm/shmem.c:shmem_evict_inode."""
        self.i_size[inode] = 0
        freed = self.shmem_undo_range(inode, 0, self.size)
        self.exists[inode] = False
        return freed

    # -- khugepaged --

    def may_collapse(self, inode, unit):
        """mm/khugepaged.c:collapse_file: return whether a huge page can take the place
        of base pages: of none there is nothing to collapse (SCAN_TRUNCATED)."""
        return any(
            self.i_pages[inode, p] == SMALL
            for p in self.pages
            if p // self.unit == unit
        )

    def shmem_charge(self, inode, pages):
        """mm/shmem.c:shmem_charge, for the holes that a collapse is to fill."""
        self.alloced[inode] += pages

    def collapse(self, inode, unit):
        """The end of collapse_file, after the charge: one folio for base pages, which
        nothing maps any more, and holes."""
        first = unit * self.unit
        self.unmap_mapping_range(inode, first, first + self.unit, False)
        for p in self.pages:
            if p // self.unit == unit:
                self.i_pages[inode, p] = HUGE

    def rollback(self, inode, holes):
        """mm/khugepaged.c:collapse_file, "roll back page cache changes": the holes are
        charged no longer (since 4.20: aaa52e340073)."""
        self.alloced[inode] -= holes

    # -- faults --

    def is_beyond(self, inode, page):
        """Return whether shmem_fault() ends in SIGBUS before it looks for a page."""
        return page >= self.i_size[inode]

    def cow_needs(self):
        """Return the pages of a private copy."""
        return 1

    def cow(self, vma, page):
        """mm/memory.c:do_cow_fault, do_wp_page: one base page. A PMD goes
        first (mm/huge_memory.c:__split_huge_pmd)."""
        self.zap(vma, page, False)
        self.entry[vma, page] = COW


class HugetlbfsInodes(Inodes):
    """Files of hugetlbfs: everything is huge. ``alloced`` is i_blocks."""

    def get_folio(self, inode, page, room):
        """mm/hugetlb.c:hugetlb_no_page of a shared mapping, and
        hugetlb_add_to_page_cache. Return how many pages it took."""
        if room < self.unit:
            return 0
        self.add_huge(inode, page // self.unit)
        return self.unit

    def falloc_needs(self, inode, start, end, room):
        """Return how many pages hugetlbfs_fallocate() would allocate: whole units."""
        first = self.round_down(start)
        last = self.round_up(end)
        return sum(self.holes(inode, u, first, last) for u in self.units)

    def falloc(self, inode, start, end, keep_size, room):
        """fs/hugetlbfs/inode.c:hugetlbfs_fallocate. What was allocated before
        there was none left stays, without a size."""
        took = 0
        complete = True
        for u in self.units:
            first = u * self.unit
            inside = self.round_down(start) <= first < end
            if inside and self.i_pages[inode, first] == HOLE:
                complete = complete and room - took >= self.unit
                if complete:
                    self.add_huge(inode, u)
                    took += self.unit
        if complete and not keep_size:
            self.i_size[inode] = max(self.i_size[inode], end)
        return took

    def remove_inode_hugepages(self, inode, start, end):
        """fs/hugetlbfs/inode.c:remove_inode_hugepages, with hugetlb_unreserve_pages for
        i_blocks. Return how many pages were freed."""
        freed = 0
        for u in self.units:
            first = u * self.unit
            if start <= first < end and self.i_pages[inode, first] == HUGE:
                freed += self.remove_huge(inode, u)
                self.alloced[inode] -= self.unit
        return freed

    def punch_hole(self, inode, start, end):
        """fs/hugetlbfs/inode.c:hugetlbfs_punch_hole: private pages go, too; a page that
        is only partly in the hole is zeroed, and stays."""
        hole_start = self.round_up(start)
        hole_end = self.round_down(end)
        freed = 0
        if hole_end > hole_start:
            freed += self.unmap_mapping_range(inode, hole_start, hole_end, True)
            freed += self.remove_inode_hugepages(inode, hole_start, hole_end)
        return freed

    def truncate(self, inode, newsize):
        """fs/hugetlbfs/inode.c:hugetlb_vmtruncate, for a larger size as well:
        i_size, then the mappings, then the pages."""
        self.i_size[inode] = newsize
        freed = self.unmap_mapping_range(inode, newsize, self.size, True)
        freed += self.remove_inode_hugepages(inode, newsize, self.size)
        return freed

    def evict(self, inode):
        """fs/inode.c:evict and fs/hugetlbfs/inode.c:hugetlbfs_evict_inode."""
        freed = self.remove_inode_hugepages(inode, 0, self.size)
        self.i_size[inode] = 0
        self.exists[inode] = False
        return freed

    def file_mmap(self, inode):
        """fs/hugetlbfs/inode.c:hugetlbfs_file_mmap of a writable mapping: the
        file becomes as long as the mapping."""
        self.i_size[inode] = self.size

    # -- faults --

    def is_beyond(self, inode, page):
        """mm/hugetlb.c:hugetlb_no_page asks where no page is in the cache, and
        counts whole pages: fallocate() can leave a size that is not."""
        beyond = page // self.unit >= self.i_size[inode] // self.unit
        return beyond and self.i_pages[inode, page] == HOLE

    def cow_needs(self):
        """Return the pages of a private copy."""
        return self.unit

    def cow(self, vma, page):
        """mm/hugetlb.c:hugetlb_wp, or hugetlb_no_page of a private mapping."""
        for p in self.pages:
            if p // self.unit == page // self.unit:
                self.entry[vma, p] = COW
