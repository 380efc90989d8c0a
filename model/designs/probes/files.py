# SPDX-License-Identifier: GPL-2.0-only
"""Files in memory between processes: model/blocks/file.py at work, Linux 6.12.

Tasks create files, open them, hand them over by descriptor, map and touch them,
allocate and punch, truncate, unlink, close and exit. ShmemFiles is tmpfs and
memfd, HugetlbfsFiles hugetlbfs. ShmemRaces is ShmemFiles where truncation and a
fault that copies are taken apart at the folio lock. Memory is one number of base
pages; compaction always finds a huge page among free ones.

``promise``: what fallocate() returned 0 for is looked after: ``failed`` says
that a fault there found no memory. ``hole_keeps`` is no kernel's: a hole gives
its pages back, but not the promise. Nor is ``unmap_once``: shmem_setattr()
without its second unmap.

Left out beyond model/blocks/file.py: fork, reclaim and swap, hugetlb's own pool (here
huge pages come from the same memory) and what mmap() reserves there, which
hugetlb.py has.
"""

from typing import Any

from poolproof.model.blocks.errno import (
    EFAULT,
    EINVAL,
    ENOMEM,
    ENOSPC,
    OK,
    SIGBUS,
    Errno,
)
from poolproof.model.blocks.file import Entry, Folio, HugetlbfsInodes, ShmemInodes
from poolproof.model.designs.names import FALLOCATE, PUNCH, SEND, TRUNCATE
from poolproof.model.language import (
    Bool,
    Bound,
    Design,
    Feature,
    Given,
    Int,
    Scalarset,
    action,
    made_like,
    may_fail,
    observer,
    require,
    table,
    var,
)

HOLE, SMALL, HUGE = Folio
EMPTY, PTE, PMD, COW = Entry

F = Bound("files", 1)
T = Bound("T", 2, doc="tasks")
V = Bound("V", 1, doc="mappings")
P = Bound("P", 1, doc="huge pages of a file at most")
K = Bound("K", 2, doc="base pages of a huge page")
M = Bound("M", 3, doc="base pages of memory")
LINKS = Bound("links", 1, doc="names of a file")

FILES = Scalarset("FILES", F, prefix="f")
TASKS = Scalarset("TASKS", T, prefix="t")
VMAS = Scalarset("VMAS", V, prefix="v")
UNITS = Int(0, P - 1)
PAGES = Int(0, P * K - 1)

MMAP = Feature("mmap", False, "mappings and faults")
PRIVATE = Feature("private", False, "MAP_PRIVATE", needs=MMAP)
KEEP_SIZE = Feature(
    "keep_size", False, "FALLOC_FL_KEEP_SIZE, shmem only", needs=FALLOCATE
)
MEMFD = Feature("memfd", False, "files without a name")
LINK = Feature("link", False, "further names")
PINS = Feature("pins", False, "references to huge folios from elsewhere")
COLLAPSE = Feature("collapse", False, "khugepaged, shmem only", needs=MMAP)
OTHERS = Feature("others", False, "other users of memory")
PROMISE = Feature(
    "promise",
    False,
    "what fallocate() granted is looked after",
    needs=(MMAP, FALLOCATE),
)
HOLE_KEEPS = Feature(
    "hole_keeps", False, "a hole leaves fallocate()'s promise", needs=(PUNCH, PROMISE)
)
UNMAP_ONCE = Feature(
    "unmap_once", False, "shmem_setattr() does not unmap again", needs=(MMAP, TRUNCATE)
)


class ShmemFiles(Design):
    """tmpfs and memfd."""

    f: Any = ShmemInodes(
        FILES, TASKS, VMAS, UNITS, PAGES, P * K, K, LINKS, MMAP, MMAP, SEND, PINS
    )
    free = var(Int(0, M), init=M)
    others = var(Int(0, M), when=OTHERS)
    promise = table(FILES, PAGES, Bool(), when=PROMISE)
    failed = var(Bool(), when=PROMISE, doc="a promised fault found no memory")

    @observer
    def nrpages(self, file: FILES):
        return self.f.nrpages(file)

    @observer
    def is_held(self, file: FILES):
        """Whether a name, a descriptor, a message or a mapping has it."""
        return self.f.is_held(file)

    @observer
    def is_open(self, file: FILES):
        return self.f.is_open(file)

    @observer
    def is_mapped(self, file: FILES):
        return self.f.is_mapped(file)

    @observer
    def copied(self):
        return self.f.private_pages()

    # -- parts --

    def kept(self):
        """Pages that fallocate() promised and a hole gave back."""
        if HOLE_KEEPS:
            return sum(1 for i in FILES for p in PAGES if self.is_kept(i, p))
        return 0

    def is_kept(self, file, page):
        return self.promise[file, page] and self.f.i_pages[file, page] == HOLE

    def room(self, file, start, end):
        """Pages that may be taken to fill start..end of a file."""
        own = 0
        if HOLE_KEEPS:
            own = sum(1 for p in PAGES if start <= p < end and self.is_kept(file, p))
        return self.free - self.kept() + own

    def grant(self, file, start, end):
        """fallocate() has promised what is in start..end."""
        if PROMISE:
            for p in PAGES:
                if start <= p < end:
                    self.promise[file, p] = True

    def forget(self, file, start):
        """Beyond its end a file has no promise."""
        if PROMISE:
            for p in PAGES:
                if p >= start:
                    self.promise[file, p] = False

    def is_locked(self, file, start, end):
        """Whether a fault sleeps with a folio that start..end meets."""
        return False

    def is_busy(self, vma):
        """Whether a fault of the mapping is under way."""
        return False

    def inode_is_locked(self, file):
        """Whether somebody sleeps with the inode's i_rwsem."""
        return False

    def inode_lock(self, task, file):
        """A call by descriptor that takes i_rwsem."""
        require(self.f.fd[task, file] and not self.inode_is_locked(file))

    def copy(self, vma, page):
        """The end of a fault that copies."""
        self.f.cow(vma, page)

    # -- names and descriptors --

    @action(kernel="fs/namei.c:vfs_create")
    def create(self, task: TASKS, file: FILES):
        """open(O_CREAT)."""
        require(not self.f.exists[file])
        self.f.create(file, task, 1)

    @action(kernel="mm/memfd.c:memfd_create", when=MEMFD)
    def memfd_create(self, task: TASKS, file: FILES):
        require(not self.f.exists[file])
        self.f.create(file, task, 0)

    @action(kernel="fs/open.c:do_dentry_open")
    def open(self, task: TASKS, file: FILES):
        """By its name."""
        require(self.f.i_nlink[file] > 0 and not self.f.fd[task, file])
        self.f.fd[task, file] = True

    @action(kernel="fs/namei.c:vfs_link", when=LINK)
    def link(self, file: FILES):
        require(0 < self.f.i_nlink[file] < LINKS)
        self.f.i_nlink[file] += 1

    @action(kernel="fs/namei.c:vfs_unlink")
    def unlink(self, file: FILES):
        require(self.f.i_nlink[file] > 0 and not self.inode_is_locked(file))
        self.f.i_nlink[file] -= 1

    @action(kernel="fs/file_table.c:__fput")
    def close(self, task: TASKS, file: FILES):
        self.f.close(task, file)

    @action(kernel="net/core/scm.c:scm_fp_copy", when=SEND)
    def send(self, task: TASKS, file: FILES):
        """SCM_RIGHTS."""
        self.f.send(task, file)

    @action(kernel="net/core/scm.c:scm_detach_fds", when=SEND)
    def receive(self, task: TASKS, file: FILES):
        self.f.receive(task, file)

    @action(kernel="net/core/scm.c:__scm_destroy", when=SEND)
    def discard(self, file: FILES):
        """The socket is closed with the message in it."""
        require(self.f.in_flight[file])
        self.f.in_flight[file] = False

    @action(kernel="kernel/pid.c:pidfd_getfd", when=SEND)
    def pidfd_getfd(self, task: TASKS, owner: TASKS, file: FILES):
        require(self.f.fd[owner, file] and not self.f.fd[task, file])
        self.f.fd[task, file] = True

    @action(kernel="kernel/exit.c:do_exit")
    def exit(self, task: TASKS):
        """Its mappings and descriptors go; another task takes its place."""
        require(
            any(self.f.fd[task, i] for i in FILES)
            or any(self.f.vm_mm[v] == task for v in VMAS)
        )
        require(all(not self.is_busy(v) or self.f.vm_mm[v] != task for v in VMAS))
        self.free += self.f.exit(task)
        for i in FILES:
            self.f.fd[task, i] = False

    @action(kernel="fs/inode.c:iput_final", silent=True)
    def evict(self, file: FILES):
        """Some time after the last holder is gone: the last struct file goes
        from task_work, or from a workqueue."""
        require(self.f.exists[file] and not self.f.is_held(file))
        require(not self.inode_is_locked(file))
        self.free += self.f.evict(file)
        self.forget(file, 0)

    # -- size, allocation, holes --

    @action(kernel="mm/shmem.c:shmem_fallocate", when=FALLOCATE)
    def fallocate(
        self,
        task: TASKS,
        file: FILES,
        start: PAGES,
        end: Int(1, P * K),
        keep_size: Given(KEEP_SIZE, Bool(), False),
    ) -> Errno:
        self.inode_lock(task, file)
        require(start < end and not self.is_locked(file, start, end))
        room = self.room(file, start, end)
        if self.f.falloc_needs(file, start, end, room) > room:
            return ENOSPC
        self.free -= self.f.falloc(file, start, end, keep_size, room)
        self.grant(file, start, end)
        return OK

    @action(kernel="fs/open.c:vfs_fallocate", when=PUNCH)
    def punch_hole(self, task: TASKS, file: FILES, start: PAGES, end: Int(1, P * K)):
        """fallocate(FALLOC_FL_PUNCH_HOLE), or MADV_REMOVE."""
        require(self.f.may_punch(task, file) and not self.inode_is_locked(file))
        require(start < end and not self.is_locked(file, start, end))
        self.free += self.f.punch_hole(file, start, end)

    @action(kernel="mm/shmem.c:shmem_setattr")
    def ftruncate(self, task: TASKS, file: FILES, size: Int(0, P * K)) -> Errno:
        self.inode_lock(task, file)
        if not TRUNCATE:
            require(size > self.f.i_size[file])
        if size <= self.f.i_size[file]:
            self.forget(file, size)
        self.free += self.f.truncate(file, size)
        return OK

    # -- mappings --

    @action(kernel="mm/mmap.c:do_mmap", when=MMAP)
    def mmap(
        self, vma: VMAS, task: TASKS, file: FILES, shared: Given(PRIVATE, Bool(), True)
    ):
        """Of the whole file, and of what lies beyond its end."""
        require(self.f.vm_file[vma] is None and self.f.fd[task, file])
        self.f.map_file(vma, task, file, shared)

    @action(kernel="mm/vma.c:vms_complete_munmap_vmas", when=MMAP)
    def munmap(self, vma: VMAS):
        require(self.f.vm_file[vma] is not None)
        require(not self.is_busy(vma))
        self.free += self.f.unmap(vma)

    @action(kernel="mm/memory.c:do_fault", when=MMAP)
    def touch(
        self, vma: VMAS, page: PAGES, write: Given(PRIVATE, Bool(), True)
    ) -> Errno:
        """A fault. A copy is allocated before the file's page is looked for
        (do_cow_fault), which a hole gets in any case."""
        file = self.f.vm_file[vma]
        require(file is not None)
        require(not self.is_busy(vma))
        copies = write and not self.f.vm_shared[vma]
        entry = self.f.entry[vma, page]
        require(entry == EMPTY or (copies and entry != COW))
        require(not self.is_locked(file, page, page + 1))
        if copies and self.room(file, page, page) < self.f.cow_needs():
            return ENOMEM
        if self.f.is_beyond(file, page):
            return SIGBUS
        if copies:
            self.free -= self.f.cow_needs()
        if self.f.i_pages[file, page] == HOLE:
            room = self.room(file, page, page + 1)
            took = self.f.get_folio(file, page, room)
            self.free -= took
            if took == 0:
                if copies:
                    self.free += self.f.cow_needs()
                if PROMISE:
                    self.failed = self.failed or self.promise[file, page]
                return ENOMEM
        if copies:
            self.copy(vma, page)
        else:
            self.f.finish_fault(vma, page)
        return OK

    @action(kernel="mm/khugepaged.c:collapse_file", when=COLLAPSE, silent=True)
    def collapse(self, file: FILES, unit: UNITS) -> Errno:
        """khugepaged makes a huge page of base pages and holes of a file that somebody
        maps. It may find after the charge that a page cannot be copied."""
        first = unit * K
        require(self.f.is_mapped(file) and self.f.may_collapse(file, unit))
        require(not self.is_locked(file, first, first + K))
        holes = self.f.holes(file, unit, first, first + K)
        if self.room(file, first, first + K) < K:
            return ENOMEM
        self.f.shmem_charge(file, holes)
        if may_fail("copy_mc_highpage"):
            self.f.rollback(file, holes)
            return EFAULT
        self.free -= holes
        self.f.collapse(file, unit)
        return OK

    # -- others --

    pin, unpin = f.pin, f.unpin

    @action(kernel="mm/gup.c:gup_put_folio", when=PINS)
    def unpin_last(self):
        """The last reference to a folio that the file has no more."""
        require(self.f.orphans > 0)
        self.f.orphans -= K
        self.free += K

    @action(kernel="mm/page_alloc.c:__alloc_pages_noprof", when=OTHERS, silent=True)
    def other_alloc(self):
        require(self.free > self.kept())
        self.others += 1
        self.free -= 1

    @action(kernel="mm/page_alloc.c:free_unref_folios", when=OTHERS, silent=True)
    def other_free(self):
        require(self.others > 0)
        self.others -= 1
        self.free += 1


class ShmemRaces(ShmemFiles):
    """ftruncate() and do_cow_fault() in steps: both sleep on a folio's lock."""

    shrinking = table(FILES, Int(0, 2), doc="steps of shmem_setattr, with i_rwsem")
    locked = table(VMAS, PAGES, Bool(), doc="do_cow_fault has the folio")

    def is_locked(self, file, start, end):
        return any(
            self.locked[v, p] and self.f.vm_file[v] == file
            for v in VMAS
            for p in PAGES
            if self.f.round_down(start) <= p < end
        )

    def is_busy(self, vma):
        return any(self.locked[vma, p] for p in PAGES)

    def inode_is_locked(self, file):
        return self.shrinking[file] > 0

    def copy(self, vma, page):
        """Where nothing is mapped the folio is locked while it is copied;
        do_wp_page() copies what is mapped, and starts again if that changes."""
        if self.f.entry[vma, page] == EMPTY:
            self.locked[vma, page] = True
        else:
            self.f.cow(vma, page)

    @action(kernel="mm/memory.c:finish_fault", when=MMAP)
    def finish_cow(self, vma: VMAS, page: PAGES):
        """The copy is mapped, and the folio unlocked."""
        require(self.locked[vma, page])
        self.locked[vma, page] = False
        self.f.cow(vma, page)

    @action(kernel="mm/shmem.c:shmem_setattr")
    def ftruncate(self, task: TASKS, file: FILES, size: Int(0, P * K)) -> Errno:
        """To a larger size: one step."""
        self.inode_lock(task, file)
        require(size > self.f.i_size[file])
        self.f.setattr_size(file, size)
        return OK

    @action(kernel="mm/shmem.c:shmem_setattr", when=TRUNCATE)
    def setattr(self, task: TASKS, file: FILES, size: Int(0, P * K)):
        """ftruncate() begins: i_rwsem is held from here."""
        self.inode_lock(task, file)
        require(size < self.f.i_size[file])
        self.free += self.f.setattr_size(file, size)
        self.shrinking[file] = 1

    @action(kernel="mm/shmem.c:shmem_truncate_range", when=TRUNCATE)
    def truncate_range(self, file: FILES):
        """... waits for folio locks, and removes."""
        require(self.shrinking[file] == 1)
        require(not self.is_locked(file, self.f.i_size[file], P * K))
        self.free += self.f.setattr_truncate(file)
        self.forget(file, self.f.i_size[file])
        self.shrinking[file] = 2

    @action(kernel="mm/memory.c:unmap_mapping_range", when=TRUNCATE)
    def unmap_again(self, file: FILES):
        """... and returns."""
        require(self.shrinking[file] == 2)
        if not UNMAP_ONCE:
            self.free += self.f.setattr_unmap_again(file)
        self.shrinking[file] = 0


class HugetlbfsFiles(ShmemFiles):
    """hugetlbfs: whole huge pages."""

    collapse: Any = None

    f = made_like(ShmemFiles.f, HugetlbfsInodes)

    @action(kernel="fs/hugetlbfs/inode.c:hugetlbfs_fallocate", when=FALLOCATE)
    def fallocate(
        self,
        task: TASKS,
        file: FILES,
        start: PAGES,
        end: Int(1, P * K),
        keep_size: Given(KEEP_SIZE, Bool(), False),
    ) -> Errno:
        self.inode_lock(task, file)
        require(start < end)
        first = self.f.round_down(start)
        last = self.f.round_up(end)
        room = self.room(file, first, last)
        needs = self.f.falloc_needs(file, start, end, room)
        if HOLE_KEEPS and needs > room:
            # the part that stays must not be what the rest was promised
            room = self.room(file, first, first)
        self.free -= self.f.falloc(file, start, end, keep_size, room)
        if needs > room:
            return ENOSPC
        self.grant(file, first, last)
        return OK

    @action(kernel="fs/hugetlbfs/inode.c:hugetlbfs_setattr")
    def ftruncate(self, task: TASKS, file: FILES, size: Int(0, P * K)) -> Errno:
        """Whole pages only."""
        self.inode_lock(task, file)
        if not TRUNCATE:
            require(size > self.f.i_size[file])
        if size % K != 0:
            return EINVAL
        self.free += self.f.truncate(file, size)
        self.forget(file, size)
        return OK

    @action(kernel="mm/hugetlb.c:hugetlb_fault", when=MMAP)
    def touch(
        self, vma: VMAS, page: PAGES, write: Given(PRIVATE, Bool(), True)
    ) -> Errno:
        """A fault. A private mapping has a hole's page for itself."""
        file = self.f.vm_file[vma]
        require(file is not None)
        copies = not self.f.vm_shared[vma] and (
            write or self.f.i_pages[file, page] == HOLE
        )
        entry = self.f.entry[vma, page]
        require(entry == EMPTY or (copies and entry != COW))
        if self.f.is_beyond(file, page):
            return SIGBUS
        if copies:
            if self.room(file, page, page) < K:
                return SIGBUS
            self.free -= K
            self.f.cow(vma, page)
            return OK
        if self.f.i_pages[file, page] == HOLE:
            first = self.f.round_down(page)
            took = self.f.get_folio(file, page, self.room(file, first, first + K))
            self.free -= took
            if took == 0:
                if PROMISE:
                    self.failed = self.failed or self.promise[file, page]
                return SIGBUS
        self.f.finish_fault(vma, page)
        return OK
