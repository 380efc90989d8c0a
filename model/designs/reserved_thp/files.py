# SPDX-License-Identifier: GPL-2.0-only
"""Reserved THP behind files: sections 3.3 and 3.4 of its cover letter.

Source: cover.1782538002.git.zhengqi.arch@bytedance.com, which says that reserved
THP can be a back end of shmem and of hugetlbfs, and no more. No code was posted
for this. From the posted patches are the pool (pageblocks set apart at boot, per
node), the global quota, and faults that install a block of it or fail.

Our choices: the quota is charged for indices of a file, once each, as in a
reserve map of hugetlb (model/blocks/reserve_map.py). ReservedThpFiles is shmem: its
files have a size from the start, and mmap() charges up to it; fallocate()
charges and allocates. ReservedThpHugetlbfs charges at mmap() of a writable
mapping, which is also what makes the file as long. With ``kinds`` both meet on one
pool and one quota. An index without a charge asks for one at the fault, and has no
promise. No folio is split (3.1): what a hole or the end cuts is zeroed and stays, as
in hugetlbfs. A hole, and truncation, give back page and charge; with ``hole_keeps`` a
hole leaves the charge. memory.max is met at the fault, by the task that faults. Errors
are those of the file system: shmem says ENOMEM where there is no memory and ENOSPC
where its account is full, hugetlbfs ENOSPC of both; of memory.max, both say ENOMEM.

Left out: swap and overcommit (planned.py has them), MAP_PRIVATE,
names (the files are memfds), masks of fallocate(), parts of blocks.
"""

from typing import Any

from poolproof.model.blocks.file import Entry, Folio, HugetlbfsInodes
from poolproof.model.blocks.numa import Mempolicy
from poolproof.model.blocks.reserve_map import ResvMap
from poolproof.model.blocks.reserved_blocks import ReservedBlocks
from poolproof.model.designs.names import (
    BLOCKS,
    ENOMEM,
    ENOSPC,
    FALLOCATE,
    FILES,
    FORK,
    INDICES,
    LIMIT,
    MBIND,
    MEMCG,
    MEMPOLICY,
    NODES,
    NUMA,
    OK,
    OOM,
    PINS,
    POISON,
    PUNCH,
    SEND,
    SIGBUS,
    TRUNCATE,
    VMAS,
    Errno,
    N,
    P,
)
from poolproof.model.designs.reserved_thp.posted import SKETCHED
from poolproof.model.language import (
    Bool,
    Bound,
    Design,
    Feature,
    Int,
    Maybe,
    Scalarset,
    SetOf,
    action,
    observer,
    require,
    table,
    var,
)

HOLE, SMALL, HUGE = Folio
EMPTY, PTE, PMD, COW = Entry

T = Bound("T", 1, doc="tasks")

TASKS = Scalarset("TASKS", T, prefix="t")

HOLE_KEEPS = Feature("hole_keeps", False, "a hole leaves the charge", needs=PUNCH)
TABLES = Feature("tables", False, "page tables")
KINDS = Feature("kinds", False, "files of hugetlbfs beside shmem")


class ReservedInodes(HugetlbfsInodes):
    """Files whose folios are never split. mmap() does not change the length of one of
    shmem."""

    def file_mmap(self, inode):
        """mm/shmem.c:shmem_mmap_prepare, or that of hugetlbfs."""
        if self.design.is_hugetlbfs(inode):
            super().file_mmap(inode)


class ReservedThpFiles(Design):
    """A quota on files of shmem."""

    assumed: tuple[str, ...] = (
        "cover letter, section 3: not posted",
        *SKETCHED,
    )

    f: Any = ReservedInodes(
        FILES, TASKS, VMAS, INDICES, INDICES, P, 1, 0, (), TABLES, SEND, PINS
    )
    hugetlbfs = table(FILES, Bool(), when=KINDS, doc="of hugetlbfs, not of shmem")
    charged = ResvMap(FILES, INDICES, ())
    pool = ReservedBlocks(NODES, BLOCKS, POISON)
    frame = table(FILES, INDICES, Maybe(NODES), doc="the block of the pool it holds")
    limbo = table(NODES, Int(0, BLOCKS), when=PINS, doc="in no file, still pinned")
    mpol = Mempolicy(TASKS, FILES, NODES, NUMA, MEMPOLICY, MBIND)
    failed = var(Bool(), doc="a promised fault has failed")

    # -- what the common specs ask --

    total, free_blocks = pool.total, pool.free_blocks

    @observer
    def promised(self):
        """Indices that are charged, and have no block yet."""
        return sum(
            1
            for f in FILES
            for i in INDICES
            if self.charged.regions[f, i] and self.f.i_pages[f, i] == HOLE
        )

    @observer
    def populated(self):
        return sum(self.f.nrpages(f) for f in FILES)

    @observer
    def entitled(self):
        return sum(self.charged.region_count(f, 0, P) for f in FILES)

    @observer
    def foreign(self):
        """Blocks that no file has, and that are neither free nor pinned."""
        return (
            self.total()
            - self.free_blocks()
            - self.populated()
            - sum(self.limbo[n] for n in NODES)
        )

    @observer
    def kinds(self):
        """Kinds of consumers that have a block: files of shmem, files of hugetlbfs."""
        filled = {f for f in FILES if self.f.nrpages(f) > 0}
        huge = 1 if any(self.is_hugetlbfs(f) for f in filled) else 0
        return huge + (1 if any(not self.is_hugetlbfs(f) for f in filled) else 0)

    @observer
    def small(self):
        """A folio is never split."""
        return 0

    @observer
    def swapped(self):
        return 0

    @observer
    def in_limbo(self):
        """Blocks that no file has, and that I/O keeps."""
        return sum(self.limbo[n] for n in NODES)

    @observer
    def idle(self):
        """No inode, and no I/O under way."""
        return all(not self.f.exists[f] for f in FILES) and all(
            self.limbo[n] == 0 for n in NODES
        )

    @observer
    def is_held(self, file: FILES):
        return self.f.is_held(file)

    # -- the quota, mm/reserved_thp.c --

    def quota(self):
        """reserved_thp_total: set at boot, never changed."""
        return BLOCKS * N

    def reserve_pages(self, file, start, end):
        """As mm/hugetlb.c:hugetlb_reserve_pages: what of start..end is not
        charged yet is charged, or nothing."""
        chg = self.charged.region_chg(file, start, end)
        charged = self.pool.charge(chg)
        if charged:
            self.charged.region_add(file, start, end)
        return charged

    def unreserve_pages(self, file, start, end):
        """As mm/hugetlb.c:hugetlb_unreserve_pages."""
        self.pool.reserved_thp_used -= self.charged.region_count(file, start, end)
        for i in INDICES:
            if start <= i < end:
                self.charged.region_del(file, i)

    # -- parts --

    def is_hugetlbfs(self, file):
        return self.hugetlbfs[file]

    def allowed(self, vma, node):
        """By the masks of the task that faults, and the file's shared policy."""
        return any(
            self.f.vm_mm[vma] == t
            and self.f.vm_file[vma] == f
            and node in self.mpol.huge_node(f, t)
            for t in TASKS
            for f in FILES
        )

    def fits_memcg(self):
        """mm/memcontrol.c:try_charge_memcg: nothing is reclaimed for it."""
        return not MEMCG or self.populated() < LIMIT

    def alloc(self, file, page, node, lacking):
        """mm/shmem.c:shmem_alloc_and_add_folio: memory, memcg, then the account;
        mm/hugetlb.c:alloc_hugetlb_folio: memcg first. ``lacking``: no block may be
        taken."""
        if not self.fits_memcg():
            return ENOMEM
        if lacking:
            return ENOSPC if self.is_hugetlbfs(file) else ENOMEM
        charged = self.reserve_pages(file, page, page + 1)
        if not charged:
            return ENOSPC
        self.take(file, page, node)
        return OK

    def take(self, file, page, node):
        """A block of the pool goes into the page cache."""
        self.pool.take(node)
        self.frame[file, page] = node
        self.f.add_huge(file, page)

    def put_frames(self, file, start, end):
        """The blocks behind start..end, before the page cache drops them: a
        pinned one is free later."""
        for i in INDICES:
            if start <= i < end and self.frame[file, i] is not None:
                if PINS and self.f.pinned[file, i]:
                    self.limbo[self.frame[file, i]] += 1
                else:
                    self.pool.put(self.frame[file, i])
                self.frame[file, i] = None

    # -- files --

    @action(kernel="mm/memfd.c:memfd_create")
    def create(self, task: TASKS, file: FILES, size: Int(1, P)):
        """memfd_create() and ftruncate(): nothing is charged."""
        require(not self.f.exists[file])
        self.f.create(file, task, 0)
        self.f.i_size[file] = size

    @action(kernel="fs/hugetlbfs/inode.c:hugetlb_file_setup", when=KINDS)
    def create_hugetlbfs(self, task: TASKS, file: FILES, size: Int(1, P)):
        """... with MFD_HUGETLB."""
        require(not self.f.exists[file])
        self.f.create(file, task, 0)
        self.f.i_size[file] = size
        self.hugetlbfs[file] = True

    @action(kernel="fs/file_table.c:__fput")
    def close(self, task: TASKS, file: FILES):
        self.f.close(task, file)

    @action(kernel="net/core/scm.c:scm_fp_copy", when=SEND)
    def send(self, task: TASKS, file: FILES):
        self.f.send(task, file)

    @action(kernel="net/core/scm.c:scm_detach_fds", when=SEND)
    def receive(self, task: TASKS, file: FILES):
        self.f.receive(task, file)

    @action(kernel="fs/inode.c:iput_final", silent=True)
    def evict(self, file: FILES):
        """Some time after the last descriptor and mapping are gone."""
        require(self.f.exists[file] and not self.f.is_held(file))
        self.put_frames(file, 0, P)
        self.mpol.forget(file)
        self.f.evict(file)
        self.hugetlbfs[file] = False
        self.unreserve_pages(file, 0, P)

    @action(kernel="fs/open.c:vfs_fallocate", when=FALLOCATE, chosen="node")
    def fallocate(self, task: TASKS, file: FILES, page: INDICES, node: NODES) -> Errno:
        """One block within the file, charged and there, or neither."""
        require(self.f.fd[task, file] and page < self.f.i_size[file])
        require(self.f.i_pages[file, page] == HOLE)
        require(self.pool.free[node] > 0 or self.free_blocks() == 0)
        error: Errno = self.alloc(file, page, node, self.pool.free[node] == 0)
        return error

    @action(kernel="fs/open.c:vfs_fallocate", when=PUNCH)
    def punch_hole(self, task: TASKS, file: FILES, page: INDICES):
        """Of one block, or MADV_REMOVE. Where no page is, a hole takes no charge
        either."""
        require(self.f.may_punch(task, file) and self.f.i_pages[file, page] != HOLE)
        self.put_frames(file, page, page + 1)
        self.f.punch_hole(file, page, page + 1)
        if not HOLE_KEEPS:
            self.unreserve_pages(file, page, page + 1)

    @action(kernel="fs/attr.c:notify_change", when=TRUNCATE)
    def ftruncate(self, task: TASKS, file: FILES, size: Int(0, P)):
        require(self.f.fd[task, file] and size < self.f.i_size[file])
        self.put_frames(file, size, P)
        self.f.truncate(file, size)
        self.unreserve_pages(file, size, P)

    # -- mappings --

    @action(kernel="mm/shmem.c:shmem_mmap_prepare")
    def mmap(self, vma: VMAS, task: TASKS, file: FILES) -> Errno:
        """MAP_SHARED: the rest of the file is charged, or ENOMEM. For hugetlbfs
        (fs/hugetlbfs/inode.c:hugetlbfs_file_mmap) that is up to the longest file that
        there may be."""
        require(self.f.vm_file[vma] is None and self.f.fd[task, file])
        end = P if self.is_hugetlbfs(file) else self.f.i_size[file]
        charged = self.reserve_pages(file, 0, end)
        if not charged:
            return ENOMEM
        self.f.map_file(vma, task, file, True)
        return OK

    @action(kernel="mm/memory.c:do_fault", chosen="node")
    def fault(self, vma: VMAS, page: INDICES, node: NODES) -> Errno:
        """A block of the pool from an allowed node, or what vmf_error() makes of
        the error."""
        file = self.f.vm_file[vma]
        require(file is not None and self.f.i_pages[file, page] == HOLE)
        require(self.allowed(vma, node))
        lacking = self.pool.lacks(vma)
        require(lacking or self.pool.free[node] > 0)
        if page >= self.f.i_size[file]:
            return SIGBUS
        promised = self.charged.regions[file, page]
        error: Errno = self.alloc(file, page, node, lacking)
        if error is not OK:
            self.failed = self.failed or promised
            return OOM if error is ENOMEM else SIGBUS
        if TABLES:
            self.f.finish_fault(vma, page)
        return OK

    @action(kernel="mm/memory.c:finish_fault", when=TABLES)
    def fault_cached(self, vma: VMAS, page: INDICES):
        """A fault on a page that the file has."""
        file = self.f.vm_file[vma]
        require(file is not None and self.f.i_pages[file, page] != HOLE)
        require(self.f.entry[vma, page] == EMPTY)
        self.f.finish_fault(vma, page)

    @action(kernel="mm/vma.c:vms_complete_munmap_vmas")
    def unmap(self, vma: VMAS):
        """munmap(), or exit. The file keeps what was charged."""
        require(self.f.vm_file[vma] is not None)
        self.f.unmap(vma)

    @action(kernel="mm/mmap.c:dup_mmap", when=FORK)
    def fork(self, vma: VMAS, child: VMAS) -> Errno:
        """The child maps the same file, and nothing is charged."""
        require(self.f.vm_file[vma] is not None and self.f.vm_file[child] is None)
        self.f.map_file(child, self.f.vm_mm[vma], self.f.vm_file[vma], True)
        return OK

    # -- pins, binding --

    pin, unpin = f.pin, f.unpin

    @action(kernel="mm/gup.c:unpin_user_page", when=PINS)
    def unpin_last(self, node: NODES):
        """The I/O on a block that no file has ends: now it is free."""
        require(self.limbo[node] > 0)
        self.limbo[node] -= 1
        self.f.orphans -= 1
        self.pool.put(node)

    @action(kernel="kernel/cgroup/cpuset.c:update_nodemask", when=NUMA)
    def bind(self, task: TASKS, node: NODES) -> Errno:
        """cpuset.mems of the task becomes one node."""
        require(self.mpol.mems_allowed[task] != {node})
        self.mpol.mems_allowed[task] = {node}
        return OK

    @action(kernel="mm/mempolicy.c:do_set_mempolicy", when=MEMPOLICY)
    def set_mempolicy(self, task: TASKS, nodes: SetOf(NODES)):
        require(self.mpol.mempolicy[task] != nodes)
        self.mpol.mempolicy[task] = nodes

    @action(kernel="mm/mempolicy.c:mpol_set_shared_policy", when=MBIND)
    def mbind(self, vma: VMAS, nodes: SetOf(NODES)):
        """The shared policy of the file that the VMA maps."""
        file = self.f.vm_file[vma]
        require(file is not None and self.mpol.vm_policy[file] != nodes)
        self.mpol.vm_policy[file] = nodes


class ReservedThpHugetlbfs(ReservedThpFiles):
    """A quota on files of hugetlbfs, charged as they are mapped."""

    create_hugetlbfs: Any = None

    def is_hugetlbfs(self, file):
        return True

    @action(kernel="fs/hugetlbfs/inode.c:hugetlbfs_file_mmap")
    def mmap(self, vma: VMAS, task: TASKS, file: FILES) -> Errno:
        """All that a file may have is mapped, writable, and charged."""
        error: Errno = super().mmap(vma, task, file)
        return error
