# SPDX-License-Identifier: GPL-2.0-only
"""Other ways to map a file: System V segments, and descriptors without writing.

A segment of SHM_HUGETLB is a file on the internal mount, reserved by shmget() as a
whole, or never (SHM_NORESERVE). Its size does not change. A shared mapping of a
read-only descriptor has VM_MAYSHARE, not VM_SHARED: it reserves like any other, and
a fault reads.
"""

from poolproof.model.blocks.errno import ENOMEM, OK, Errno
from poolproof.model.designs.hugetlb.names import (
    FILES,
    MOUNT,
    NORESERVE,
    OFFSETS,
    PAGES,
    READ_ONLY,
    SHM,
    TASKS,
    VMAS,
    P,
)
from poolproof.model.designs.hugetlb.reserve import Reserving
from poolproof.model.language import Bool, Given, Int, action, assume, require


class OtherMappings(Reserving):
    """shmget, shmat, and mmap of a read-only descriptor."""

    @action(kernel="fs/hugetlbfs/inode.c:hugetlb_file_setup", when=SHM)
    def shmget(
        self,
        task: TASKS,
        file: FILES,
        length: Int(1, P),
        noreserve: Given(NORESERVE, Bool(), False),
    ) -> Errno:
        """shmget(SHM_HUGETLB) of a new segment, for which an empty file serves."""
        assume(not MOUNT, "no segments beside a mount")
        require(self.exists(file) and self.accounted(file) == 0)
        require(all(self.vm_file[v] != file for v in VMAS))
        if not noreserve:
            reserved = self.hugetlb_reserve_pages(task, file, 0, length)
            if not reserved:
                return ENOMEM
        self.segment[file] = length
        self.segment_noreserve[file] = noreserve
        self.i_size_grow(file, length)
        return OK

    @action(kernel="ipc/shm.c:do_shmat", when=SHM)
    def shmat(self, task: TASKS, vma: VMAS, file: FILES) -> Errno:
        """shmat() of a segment that is not yet removed."""
        require(self.vm_mm[vma] is None)
        require(self.segment[file] > 0 and self.linked[file])
        end = self.segment[file]
        if self.shmat_reserves(file):
            reserved = self.hugetlb_reserve_pages(task, file, 0, end)
            if not reserved:
                return ENOMEM
        self.map(task, vma, 0, end, False)
        self.vm_file[vma] = file
        return OK

    def shmat_reserves(self, file):
        """fs/hugetlbfs/inode.c:hugetlbfs_file_mmap: whether shmat() reserves what
        shmget() may have reserved. Not if the inode is S_PRIVATE (since 6.8:
        e656c7a9e596)."""
        return False

    @action(kernel="fs/hugetlbfs/inode.c:hugetlbfs_file_mmap", when=READ_ONLY)
    def mmap_read_only(
        self,
        task: TASKS,
        vma: VMAS,
        file: FILES,
        start: Given(OFFSETS, PAGES, 0),
        end: Int(1, P),
        noreserve: Given(NORESERVE, Bool(), False),
    ) -> Errno:
        """mmap(MAP_SHARED, PROT_READ) of a descriptor that cannot write. The file
        does not grow."""
        require(self.vm_mm[vma] is None and start < end)
        require(self.exists(file))
        if not noreserve:
            reserved = self.hugetlb_reserve_pages(task, file, start, end)
            if not reserved:
                return ENOMEM
        self.map(task, vma, start, end, False)
        self.vm_file[vma] = file
        self.vm_read_only[vma] = True
        return OK
