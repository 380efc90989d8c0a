# SPDX-License-Identifier: GPL-2.0-only
"""A tmpfs and a hugetlbfs that share one memory: model.blocks.file used twice."""

from enum import Enum

from poolproof.model.blocks.file import Folio, HugetlbfsInodes, ShmemInodes
from poolproof.model.designs.probes.files import (
    FILES,
    MMAP,
    PAGES,
    PINS,
    SEND,
    TASKS,
    UNITS,
    VMAS,
    K,
    M,
    P,
)
from poolproof.model.language import Design, Int, action, observer, require, var


class Errno(Enum):
    OK = 0
    ENOSPC = 28


OK, ENOSPC = Errno
HOLE, SMALL, HUGE = Folio


class TwoMounts(Design):
    """Each mount has its own files of the same numbers."""

    small = ShmemInodes(
        FILES, TASKS, VMAS, UNITS, PAGES, P * K, K, 1, MMAP, MMAP, SEND, PINS
    )
    huge = HugetlbfsInodes(
        FILES, TASKS, VMAS, UNITS, PAGES, P * K, K, 1, MMAP, MMAP, SEND, PINS
    )
    free = var(Int(0, M), init=M)
    pin = unpin = None  # both blocks have them

    @observer
    def in_small(self):
        return sum(self.small.nrpages(f) for f in FILES)

    @observer
    def in_huge(self):
        return sum(self.huge.nrpages(f) for f in FILES)

    @action(kernel="mm/shmem.c:shmem_mknod")
    def create_small(self, task: TASKS, file: FILES):
        require(not self.small.exists[file])
        self.small.create(file, task, 0)

    @action(kernel="fs/hugetlbfs/inode.c:hugetlbfs_mknod")
    def create_huge(self, task: TASKS, file: FILES):
        require(not self.huge.exists[file])
        self.huge.create(file, task, 0)

    @action(kernel="mm/shmem.c:shmem_fallocate")
    def fill_small(self, file: FILES, start: PAGES, end: Int(1, P * K)) -> Errno:
        require(self.small.exists[file] and start < end)
        if self.small.falloc_needs(file, start, end, self.free) > self.free:
            return ENOSPC
        self.free -= self.small.falloc(file, start, end, False, self.free)
        return OK

    @action(kernel="fs/hugetlbfs/inode.c:hugetlbfs_fallocate")
    def fill_huge(self, file: FILES, start: PAGES, end: Int(1, P * K)) -> Errno:
        require(self.huge.exists[file] and start < end)
        needs = self.huge.falloc_needs(file, start, end, self.free)
        room = self.free
        self.free -= self.huge.falloc(file, start, end, False, room)
        return OK if needs <= room else ENOSPC

    @action(kernel="mm/shmem.c:shmem_undo_range")
    def punch_small(self, file: FILES, start: PAGES, end: Int(1, P * K)):
        require(self.small.exists[file] and start < end)
        self.free += self.small.punch_hole(file, start, end)

    @action(kernel="fs/hugetlbfs/inode.c:hugetlbfs_punch_hole")
    def punch_huge(self, file: FILES, start: PAGES, end: Int(1, P * K)):
        require(self.huge.exists[file] and start < end)
        self.free += self.huge.punch_hole(file, start, end)

    @action(kernel="mm/shmem.c:shmem_evict_inode")
    def evict_small(self, task: TASKS, file: FILES):
        require(self.small.fd[task, file])
        self.small.fd[task, file] = False
        self.free += self.small.evict(file)

    @action(kernel="fs/hugetlbfs/inode.c:hugetlbfs_evict_inode")
    def evict_huge(self, task: TASKS, file: FILES):
        require(self.huge.fd[task, file])
        self.huge.fd[task, file] = False
        self.free += self.huge.evict(file)
