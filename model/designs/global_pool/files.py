# SPDX-License-Identifier: GPL-2.0-only
"""Files of several kinds: how they come, lose pages, and go."""

from poolproof.model.blocks.errno import EAGAIN, ENOMEM, OK, Errno
from poolproof.model.designs.global_pool.faults import Faults
from poolproof.model.designs.global_pool.names import (
    ANON,
    CHARGE_AT_FAULT,
    ERRORS,
    GUEST,
    HOLE_DROPS,
    HOLE_UNCHECKED,
    HUGETLBFS,
    KINDS,
    LIMIT_CHANGE,
    NONE,
    PARTIAL,
    SHMEM,
    SIZES,
    THP,
    Kind,
)
from poolproof.model.designs.names import (
    FILES,
    INDICES,
    NODES,
    NUMA,
    PINS,
    POISON,
    PUNCH,
    SWAP_ON,
    TASKS,
)
from poolproof.model.language import action, assume, require


class Files(Faults):
    """A file outlives whoever made it, unless it has no name."""

    # -- how they come --

    def make(self, task, file, kind):
        require(self.kind[file] == NONE)
        self.kind[file] = kind
        if NUMA:
            self.maps[task, file] = True

    @action(kernel="mm/shmem.c:shmem_file_setup")
    def create(self, task: TASKS, file: FILES):
        """A file of shmem, with a name, that the task maps."""
        self.make(task, file, SHMEM)

    @action(kernel="mm/memfd.c:memfd_create", when=LIMIT_CHANGE)
    def memfd_create(self, task: TASKS, file: FILES):
        """It goes with the task."""
        self.make(task, file, SHMEM)
        self.memfd_of[file] = task

    @action(kernel="fs/hugetlbfs/inode.c:hugetlb_file_setup", when=KINDS)
    def create_other(self, task: TASKS, file: FILES, kind: Kind):
        """A file of hugetlbfs, or a guest's memory."""
        require(kind in {HUGETLBFS, GUEST})
        self.make(task, file, kind)

    @action(kernel="mm/shmem.c:shmem_parse_one", when=SIZES)
    def create_gigantic(self, task: TASKS, file: FILES):
        """On a mount with huge pages of 1 GiB."""
        self.make(task, file, SHMEM)
        self.gigantic[file] = True

    @action(kernel="mm/mmap.c:do_mmap", when=THP)
    def mmap_anon(self, task: TASKS, file: FILES):
        """A process's own memory, which nobody promises anything."""
        self.make(task, file, ANON)

    # -- pages that go --

    def merge(self, file, index):
        """A page that was split is whole again."""
        if PARTIAL and self.split[file, index]:
            self.split[file, index] = False
            self.free_vmemmap += 1

    def let_go(self, file, index):
        """The page leaves the file. Its blocks are free, or with the end of
        the I/O on them (one by one, where there are several)."""
        area = self.page[file, index]
        self.merge(file, index)
        if PINS and self.pins.pinned[file, index]:
            self.pins.limbo[area] += self.unit(file)
            self.pins.pinned[file, index] = False
        else:
            self.free[area] += self.unit(file)
        self.lru.forget(file, index)
        self.page[file, index] = None

    def forget_index(self, file, index):
        """Nothing is promised, and nobody pays."""
        self.resv_map.regions[file, index] = False
        self.uncharge(file, index)

    def renews(self, file, node):
        """Whether the promise of a page that is punched out can be renewed:
        it is on a node of all who map the file, and the block comes back."""
        common = HOLE_UNCHECKED or self.is_common(file, node)
        return not HOLE_DROPS and common and self.keeps(None)

    @action(kernel="mm/shmem.c:shmem_fallocate", when=PUNCH)
    def punch(self, file: FILES, index: INDICES):
        """FALLOC_FL_PUNCH_HOLE of a page that is there: it is promised again
        (it was paid for), if that can be kept."""
        require(self.is_file(file) and self.page[file, index] is not None)
        node = self.node_of[self.page[file, index]]
        self.let_go(file, index)
        self.promise[file, node] += 1
        if not self.renews(file, node):
            self.promise[file, node] -= 1
            self.forget_index(file, index)
        elif CHARGE_AT_FAULT:
            self.uncharge(file, index)

    @action(kernel="mm/memory-failure.c:memory_failure", when=POISON)
    def poison_page(self, file: FILES, index: INDICES):
        """An error in a page in use: it is lost, with what was in it and the
        right to it."""
        require(self.page[file, index] is not None and self.lost < ERRORS)
        assume(
            not PINS or not self.pins.pinned[file, index],
            "no memory error in a page under I/O",
        )
        area = self.page[file, index]
        self.let_go(file, index)
        self.forget_index(file, index)
        self.free[area] -= self.unit(file)
        self.capacity[area] -= self.unit(file)
        self.lost += 1

    def evict_inode(self, file):
        for i in INDICES:
            if self.page[file, i] is not None:
                self.let_go(file, i)
            if SWAP_ON and self.cluster[file, i] is not None:
                self.put_cluster(file, i)
            self.forget_index(file, i)
            if THP:
                self.fallen[file, i] = False
        for n in NODES:
            self.promise[file, n] = 0
        self.kind[file] = NONE
        if SIZES:
            self.gigantic[file] = False
        if NUMA:
            for t in TASKS:
                self.maps[t, file] = False
            self.mpol.forget(file)
        if LIMIT_CHANGE:
            self.memfd_of[file] = None

    @action(kernel="mm/shmem.c:shmem_evict_inode")
    def evict(self, file: FILES):
        """The last link, descriptor and mapping are gone."""
        require(self.kind[file] != NONE)
        self.evict_inode(file)

    # -- guests --

    @action(kernel="virt/kvm/guest_memfd.c:kvm_gmem_set_attributes", when=PARTIAL)
    def share(self, file: FILES, index: INDICES) -> Errno:
        """A part becomes shared: the page is split, its vmemmap restored."""
        require(self.is_guest(file) and self.page[file, index] is not None)
        require(not self.split[file, index])
        if self.free_vmemmap == 0:
            return ENOMEM
        self.free_vmemmap -= 1
        self.split[file, index] = True
        return OK

    @action(kernel="virt/kvm/guest_memfd.c:kvm_gmem_set_attributes", when=PARTIAL)
    def unshare(self, file: FILES, index: INDICES) -> Errno:
        """All is private again: merged, unless somebody holds a reference."""
        require(self.split[file, index])
        if self.pins.pinned[file, index]:
            return EAGAIN
        self.merge(file, index)
        return OK
