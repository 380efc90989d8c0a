"""hugetlb's reservations: mm/hugetlb.c, fs/hugetlbfs/inode.c and
mm/hugetlb_cgroup.c of Linux 6.12 (6.12.117), one huge page size.

Modelled, each a feature that a spec turns on: private anonymous mappings and
their reserve maps (always there), shared and private mappings of files on one
hugetlbfs mount, MAP_NORESERVE, surplus pages and nr_overcommit_hugepages,
resizing by node and in total with the hidden node cursors, fork and
copy-on-write with the owner taking pages from children, VMA splits and
partial munmap, munmap and exit of several VMAs at once, moving mremap,
MADV_DONTNEED, hole punching, fallocate, truncation, unlink with eviction at
the last munmap, size= and min_size= of the mount, cpusets, MPOL_BIND of tasks
and VMAs, hugetlb_cgroup usage and rsvd with limits, tasks that move between
cgroups, gigantic pages that are demoted, and pages that are allocated and then
cannot be installed. Errors are what the system call or the fault shows.

Each action is one critical section; what happens when the kernel drops a
lock in the middle is left out, and so are: reserve map descriptors and other
small allocations that fail; memcg; shm, memfd and userfaultfd; migration,
hwpoison, offlining, CMA, what else happens to gigantic pages; policies other
than MPOL_BIND; read-only mappings and mappings beyond the end of a file.

Written down less literally:
- An address is a VMA and a page index of its file (of its private object).
  Two pieces of one private mapping share a reserve map in the kernel; their
  indices are disjoint, so here each VMA has its part of it.
- VM_NORESERVE leaves no trace: a mapping without promises is one without
  HPAGE_RESV_OWNER (private), or whose indices are not in the inode's map.
- Page table entries of page cache pages are not kept: they change no count.
- Files exist, empty, until they are unlinked; an evicted one exists again.
- fork() copies one VMA, as if MADV_DONTFORK were set on all others. The child
  may be the same element of TASKS: tasks that share policy, cpuset and cgroup
  need not be told apart.
- exit(), or a munmap() of several VMAs, is munmap() of each VMA, one after the
  other, where the feature "exit" is off. The kernel frees the pages of all of
  them before it closes the first. Only surplus pages and a mount with both
  size= and min_size= show the difference. With "exit" the VMAs are closed in
  the order of their slots, in the kernel by address: only such a mount shows
  that.
- mremap() that shrinks is munmap() of the tail; MADV_REMOVE is a hole.
- Pages that one call unmaps are freed one by one. The kernel unmaps first and
  frees then, which is the same where none of them is a surplus page.
- An owner finds its children's mappings of a page by the page, the kernel by
  the address: fork() together with mremap() is left out.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from poolproof.model.blocks.errno import ENOMEM, ENOSPC, OK, OOM, SIGBUS, Errno
from poolproof.model.blocks.folio import Folios, Mappers
from poolproof.model.blocks.hstate import Hstate
from poolproof.model.blocks.numa import Mempolicy
from poolproof.model.blocks.quota import HugepageSubpool, Membership, PageCounters
from poolproof.model.blocks.reserve_map import ChargedResvMap, ResvMap
from poolproof.model.language import (
    Bool,
    Bound,
    Design,
    Feature,
    Given,
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

HUGETLBFS = Feature("files", False, "files, with shared mappings")
PRIVATE_FILES = Feature(
    "private_files", False, "private mappings of files", needs=HUGETLBFS
)
NORESERVE = Feature("noreserve", False, "MAP_NORESERVE")
OFFSETS = Feature("offsets", False, "mappings of a file's tail", needs=HUGETLBFS)
FORK = Feature("fork", False, "fork and copy-on-write")
READS = Feature("reads", False, "read faults besides write faults")
EXIT = Feature("exit", False, "exit, and munmap of several VMAs at once")
SPLIT = Feature("split", False, "VMA splits, partial munmap")
MREMAP = Feature("mremap", False, "mremap to a new address")
MREMAP_PART = Feature(
    "mremap_part", False, "mremap of a VMA's head or tail", needs=MREMAP
)
DONTNEED = Feature("dontneed", False, "MADV_DONTNEED")
PUNCH = Feature("punch", False, "FALLOC_FL_PUNCH_HOLE, MADV_REMOVE", needs=HUGETLBFS)
FALLOCATE = Feature("fallocate", False, "fallocate", needs=HUGETLBFS)
TRUNCATE = Feature("truncate", False, "ftruncate; a file has a size", needs=HUGETLBFS)
UNLINK = Feature("unlink", False, "unlink, close and eviction", needs=HUGETLBFS)
SURPLUS = Feature("surplus", False, "surplus pages up to nr_overcommit_hugepages")
SYSCTL = Feature("sysctl", False, "writes to nr_overcommit_hugepages", needs=SURPLUS)
RESIZE_NODE = Feature(
    "resize_node", False, "writes to a node's nr_hugepages", needs=SURPLUS
)
RESIZE = Feature("resize", False, "writes to nr_hugepages", needs=SURPLUS)
MOUNT = Feature(
    "mount", False, "mount and umount, with size= or min_size=", needs=HUGETLBFS
)
SIZE = Feature("size", False, "size= of the mount", needs=MOUNT)
MIN_SIZE = Feature("min_size", False, "min_size= of the mount", needs=MOUNT)
CPUSET = Feature("cpuset", False, "cpuset.mems of tasks")
MEMPOLICY = Feature("mempolicy", False, "set_mempolicy(MPOL_BIND)")
MBIND = Feature("mbind", False, "mbind(MPOL_BIND)")
CGROUP = Feature("cgroup", False, "hugetlb_cgroup limits")
CGROUP_MOVE = Feature(
    "cgroup_move", False, "tasks move between cgroups at any time", needs=CGROUP
)
DEMOTE = Feature("demote", False, "gigantic pages of the first node are demoted")
INJECT = Feature("inject", False, "allocated pages that cannot be installed")

N = Bound("N", 1, doc="nodes")
B = Bound("B", 2, least=0, doc="persistent pages per node at the start")
CAP = Bound("CAP", 4, doc="huge pages that a node has room for")
OC = Bound("OC", 1, least=0, doc="nr_overcommit_hugepages")
STEP = Bound("STEP", 1, doc="pages that a write to nr_hugepages changes at most")
T = Bound("T", 1, doc="tasks")
V = Bound("V", 2, doc="VMAs")
P = Bound("P", 2, doc="pages of a VMA and of a file at most")
F = Bound("F", 1, doc="files")
C = Bound("C", 1, doc="cgroups, besides the root")
MAX = Bound("MAX", 2, doc="size= of the mount, in pages")
MIN = Bound("MIN", 1, doc="min_size= of the mount, in pages; at most P")
CG_MAX = Bound("CG_MAX", 1, doc="hugetlb.max of each cgroup")
GIGANTIC = Bound("GIGANTIC", 1, doc="free gigantic pages at the start")
RATIO = Bound("RATIO", 2, doc="pages that a gigantic page is demoted to")
CG_RSVD = Bound("CG_RSVD", 2, doc="hugetlb.rsvd.max of each cgroup")

NODES = Scalarset("NODES", N, prefix="n", ordered=True)
TASKS = Scalarset("TASKS", T, prefix="t")
VMAS = Scalarset("VMAS", V, prefix="v")
FILES = Scalarset("FILES", F, prefix="f")
CGROUPS = Scalarset("CGROUPS", C, prefix="cg")
PAGES = Int(0, P - 1)
MAPCOUNTS = Int(1, V)


class Hugetlb(Design):
    """hugetlb reservations of Linux 6.12."""

    h = Hstate(NODES, CAP, B, OC, STEP, SURPLUS, RESIZE, SYSCTL)
    gigantic = var(Int(0, GIGANTIC), init=GIGANTIC, when=DEMOTE)
    spool = HugepageSubpool(MAX, MIN, MOUNT, SIZE, MIN_SIZE)
    usage = PageCounters(CGROUPS, CG_MAX, CGROUP)
    rsvd = PageCounters(CGROUPS, CG_RSVD, CGROUP)
    cgroup = Membership(TASKS, CGROUPS, CGROUP)
    mpol = Mempolicy(TASKS, VMAS, NODES, CPUSET, MEMPOLICY, MBIND)

    vm_mm = table(VMAS, Maybe(TASKS), doc="whose VMA it is; None: no VMA")
    vm_start = table(VMAS, Int(0, P), doc="first page index")
    vm_end = table(VMAS, Int(0, P), doc="page index after the last")
    vm_file = table(VMAS, Maybe(FILES), when=HUGETLBFS, doc="None: private, anonymous")
    vm_private = table(VMAS, Bool(), when=(HUGETLBFS, PRIVATE_FILES))
    resv_owner = table(VMAS, Bool(), doc="HPAGE_RESV_OWNER: it has a reserve map")
    resv_unmapped = table(VMAS, Bool(), when=FORK, doc="HPAGE_RESV_UNMAPPED")
    resv_css = table(VMAS, Maybe(CGROUPS), when=CGROUP, doc="who pays for its map")
    resv_map = ResvMap(VMAS, PAGES, None)
    anon = Folios(VMAS, PAGES, NODES, CGROUPS, None, CGROUP)
    mappers = Mappers(VMAS, PAGES, FORK)

    i_resv_map = ChargedResvMap(FILES, PAGES, CGROUPS, HUGETLBFS, (HUGETLBFS, CGROUP))
    page_cache = Folios(FILES, PAGES, NODES, CGROUPS, HUGETLBFS, (HUGETLBFS, CGROUP))
    i_size = table(FILES, Int(0, P), when=(HUGETLBFS, TRUNCATE))
    linked = table(
        FILES,
        Bool(),
        init=True,
        when=(HUGETLBFS, UNLINK),
        doc="it has a name, or somebody has it open",
    )

    # -- what specs ask ----------------------------------------------------

    @observer
    def nr_huge_pages(self) -> Int():
        """HugePages_Total."""
        return self.h.nr_huge_pages()

    @observer
    def free_huge_pages(self) -> Int():
        """HugePages_Free."""
        return self.h.free_huge_pages()

    @observer
    def surplus_huge_pages(self) -> Int():
        """HugePages_Surp."""
        return self.h.surplus_huge_pages()

    @observer
    def mapped(self, vma: VMAS, page: PAGES) -> Bool():
        """Whether the VMA covers the page index."""
        return (
            self.vm_mm[vma] is not None
            and self.vm_start[vma] <= page
            and page < self.vm_end[vma]
        )

    @observer
    def shared(self, vma: VMAS) -> Bool():
        """VM_MAYSHARE."""
        return self.vm_file[vma] is not None and not self.vm_private[vma]

    @observer
    def unconsumed(self, vma: VMAS) -> Int(0, P):
        """Pages that a private mapping was promised and has not had yet."""
        if not self.resv_owner[vma]:
            return 0
        return self.resv_map.region_chg(vma, self.vm_start[vma], self.vm_end[vma])

    @observer
    def accounted(self, file: FILES) -> Int(0, P):
        """Page indices in a file's reserve map."""
        return self.i_resv_map.region_count(file, 0, P)

    @observer
    def instantiated(self, file: FILES) -> Int(0, P):
        """Pages in a file's page cache."""
        return sum(1 for p in PAGES if self.page_cache.node[file, p] is not None)

    @observer
    def promised(self, vma: VMAS, page: PAGES) -> Bool():
        """Whether a page is kept for the next fault of this VMA there."""
        if not self.mapped(vma, page):
            return False
        if HUGETLBFS and self.shared(vma):
            file = self.vm_file[vma]
            return (
                self.i_resv_map.regions[file, page]
                and self.page_cache.node[file, page] is None
            )
        return self.resv_owner[vma] and not self.resv_map.regions[vma, page]

    @observer
    def within_file(self, vma: VMAS, page: PAGES) -> Bool():
        """Whether the page index is before the end of the file."""
        if not (HUGETLBFS and TRUNCATE) or self.vm_file[vma] is None:
            return True
        return page < self.i_size[self.vm_file[vma]]

    @observer
    def in_use(self, node: NODES) -> Int():
        """Pages of the node in page tables or in a page cache."""
        pages = 0
        if HUGETLBFS:
            pages = sum(
                1 for f in FILES for p in PAGES if self.page_cache.node[f, p] == node
            )
        for mapcount in MAPCOUNTS:
            pages += (
                sum(
                    1
                    for v in VMAS
                    for p in PAGES
                    if self.anon.node[v, p] == node
                    and self.mappers.mapcount(v, p) == mapcount
                )
                // mapcount
            )
        return pages

    # -- subpool and global promises ---------------------------------------

    def subpool_vma(self, vma):
        """Whether the VMA's pages are those of the mount's subpool."""
        return MOUNT and self.vm_file[vma] is not None

    def hugepage_subpool_get_pages(self, spool, delta):
        """mm/hugetlb.c:hugepage_subpool_get_pages, for a delta that fits."""
        if MOUNT and spool:
            return self.spool.get_pages(delta)
        return delta

    def hugepage_subpool_put_pages(self, spool, delta):
        """mm/hugetlb.c:hugepage_subpool_put_pages."""
        if MOUNT and spool:
            return self.spool.put_pages(delta)
        return delta

    def hugetlb_acct_memory(self, delta, nodes, mems):
        """mm/hugetlb.c:hugetlb_acct_memory for delta >= 0. Whether the pages
        are promised. That they are on ``nodes`` is looked at last, and other
        promises are not taken into account there."""
        if delta == 0:
            return True
        first = self.surplus_nodes(nodes, mems)
        if not self.h.gather_surplus_pages(delta, first, mems):
            return False
        if delta > sum(self.h.free_huge_pages_node[n] for n in NODES if n in nodes):
            self.h.return_unused_surplus_pages(delta, PAGES)
            return False
        return True

    def surplus_nodes(self, nodes, mems):
        """Where surplus pages for a promise are looked for first."""
        return nodes

    # -- reserving ---------------------------------------------------------

    def out_put_pages(self, spool, chg, gbl_reserve):
        """The end of hugetlb_reserve_pages when the pool has no pages: all of
        chg goes back to the subpool, also what it did not give (fixed in 6.15
        by a833a693a490)."""
        self.hugepage_subpool_put_pages(spool, chg)

    def hugetlb_acct_reservation(self, task, spool, chg):
        """mm/hugetlb.c:hugetlb_reserve_pages from the cgroup charge on.
        Whether chg pages are promised to the task."""
        css = self.cgroup.of[task]
        if not self.rsvd.try_charge(css, chg):
            return False
        if MOUNT and spool and not self.spool.fits(chg):
            self.rsvd.uncharge(css, chg)
            return False
        gbl_reserve = self.hugepage_subpool_get_pages(spool, chg)
        nodes = self.mpol.policy_mbind_nodemask(task)
        mems = self.mpol.cpuset_current_mems_allowed(task)
        if not self.hugetlb_acct_memory(gbl_reserve, nodes, mems):
            self.out_put_pages(spool, chg, gbl_reserve)
            self.rsvd.uncharge(css, chg)
            return False
        return True

    def map(self, task, vma, start, end, owner):
        self.vm_mm[vma] = task
        self.vm_start[vma] = start
        self.vm_end[vma] = end
        if owner:
            self.resv_owner[vma] = True
            self.resv_css[vma] = self.cgroup.of[task]

    @action(kernel="mm/hugetlb.c:hugetlb_reserve_pages")
    def mmap(
        self,
        task: TASKS,
        vma: VMAS,
        length: Int(1, P),
        noreserve: Given(NORESERVE, Bool(), False),
    ) -> Errno:
        """mmap(MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB)."""
        require(self.vm_mm[vma] is None)
        if not noreserve:
            reserved = self.hugetlb_acct_reservation(task, False, length)
            if not reserved:
                return ENOMEM
        self.map(task, vma, 0, length, not noreserve)
        return OK

    @action(kernel="fs/hugetlbfs/inode.c:hugetlbfs_file_mmap", when=HUGETLBFS)
    def mmap_shared(
        self,
        task: TASKS,
        vma: VMAS,
        file: FILES,
        start: Given(OFFSETS, PAGES, 0),
        end: Int(1, P),
        noreserve: Given(NORESERVE, Bool(), False),
    ) -> Errno:
        """mmap(MAP_SHARED) of pages start..end of a file: only indices that
        nobody has reserved yet cost anything."""
        require(self.vm_mm[vma] is None and start < end)
        require(self.exists(file))
        if not noreserve:
            chg = self.i_resv_map.region_chg(file, start, end)
            reserved = self.hugetlb_acct_reservation(task, True, chg)
            if not reserved:
                return ENOMEM
            self.i_resv_map.region_charge(file, start, end, self.cgroup.of[task])
        self.map(task, vma, start, end, False)
        self.vm_file[vma] = file
        self.i_size_grow(file, end)
        return OK

    @action(
        kernel="fs/hugetlbfs/inode.c:hugetlbfs_file_mmap",
        when=(HUGETLBFS, PRIVATE_FILES),
    )
    def mmap_private(
        self,
        task: TASKS,
        vma: VMAS,
        file: FILES,
        start: Given(OFFSETS, PAGES, 0),
        end: Int(1, P),
        noreserve: Given(NORESERVE, Bool(), False),
    ) -> Errno:
        """mmap(MAP_PRIVATE) of pages start..end of a file: every page is
        promised again, cached or not."""
        require(self.vm_mm[vma] is None and start < end)
        require(self.exists(file))
        if not noreserve:
            reserved = self.hugetlb_acct_reservation(task, True, end - start)
            if not reserved:
                return ENOMEM
        self.map(task, vma, start, end, not noreserve)
        self.vm_file[vma] = file
        self.vm_private[vma] = True
        self.i_size_grow(file, end)
        return OK

    # -- one page: from the pool and back ----------------------------------

    def alloc_hugetlb_folio(
        self, spool, map_chg, cow_from_owner, may_reserve, nodes, css
    ):
        """mm/hugetlb.c:alloc_hugetlb_folio. A page's node, or None (-ENOSPC)
        with everything undone. ``map_chg`` is vma_needs_reservation's answer,
        ``may_reserve`` the rest of vma_has_reserves: a shared mapping, or the
        owner of a private one. The caller commits to the reserve map."""
        deferred_reserve = map_chg > 0 or cow_from_owner
        gbl_chg = map_chg
        if deferred_reserve:
            if MOUNT and spool and not self.spool.fits(1):
                return None
            gbl_chg = self.hugepage_subpool_get_pages(spool, 1)
            if not self.rsvd.try_charge(css, 1):
                self.out_subpool_put(spool, gbl_chg)
                return None
        charged = self.usage.try_charge(css, 1)
        nid = None
        if charged:
            nid = self.take_folio(gbl_chg, cow_from_owner, may_reserve, nodes)
        if nid is None:
            if charged:
                self.usage.uncharge(css, 1)
            if deferred_reserve:
                self.rsvd.uncharge(css, 1)
                self.out_subpool_put(spool, gbl_chg)
        return nid

    def take_folio(self, gbl_chg, cow_from_owner, may_reserve, nodes):
        """The part of alloc_hugetlb_folio that takes a page off a free list
        (dequeue_hugetlb_folio_vma) or makes a surplus one."""
        reserved = self.vma_has_reserves(may_reserve, gbl_chg)
        nid = None
        if reserved or self.h.available_huge_pages():
            nid = self.h.dequeue_hugetlb_folio_nodemask(nodes)
        if nid is None:
            nid = self.h.alloc_surplus_hugetlb_folio(nodes)
            if nid is not None and self.surplus_has_reserves(reserved, cow_from_owner):
                self.h.change_resv(-1)
        elif reserved:
            self.h.change_resv(-1)
        return nid

    def vma_has_reserves(self, may_reserve, gbl_chg):
        """mm/hugetlb.c:vma_has_reserves."""
        return may_reserve and gbl_chg == 0

    def surplus_has_reserves(self, reserved, cow_from_owner):
        """Whether a surplus page for a fault takes a promise."""
        return reserved and not cow_from_owner

    def out_subpool_put(self, spool, gbl_chg):
        """The end of alloc_hugetlb_folio when there is no page."""
        self.hugepage_subpool_put_pages(spool, 1)

    def free_huge_folio(self, nid, restore_reserve, spool, cg, cg_rsvd):
        """mm/hugetlb.c:free_huge_folio."""
        restore = restore_reserve
        if not restore:
            restore = self.hugepage_subpool_put_pages(spool, 1) == 0
        self.usage.uncharge(cg, 1)
        self.rsvd.uncharge(cg_rsvd, 1)
        if restore:
            self.h.change_resv(1)
        for n in NODES:
            if n == nid:
                if self.h.surplus_huge_pages_node[n] > 0:
                    self.h.remove_hugetlb_folio(n, False, True)
                else:
                    self.h.enqueue_hugetlb_folio(n)

    def vma_needs_reservation(self, vma, page):
        """mm/hugetlb.c:vma_needs_reservation: 0 if the fault can use one."""
        if HUGETLBFS and self.shared(vma):
            return self.i_resv_map.region_chg(self.vm_file[vma], page, page + 1)
        if not self.resv_owner[vma]:
            return 1
        return 1 if self.resv_map.regions[vma, page] else 0

    def vma_commit_reservation(self, vma, page):
        """mm/hugetlb.c:vma_commit_reservation."""
        if HUGETLBFS and self.shared(vma):
            self.i_resv_map.region_add(self.vm_file[vma], page, page + 1)
        elif self.resv_owner[vma]:
            self.resv_map.region_add(vma, page, page + 1)

    def restore_reserve_on_error(self, vma, page, restore_reserve):
        """mm/hugetlb.c:restore_reserve_on_error, after the commit."""
        rc = self.vma_needs_reservation(vma, page)
        if HUGETLBFS and self.shared(vma):
            if restore_reserve and rc > 0:
                self.i_resv_map.region_add(self.vm_file[vma], page, page + 1)
            if not restore_reserve and rc == 0:
                self.i_resv_map.region_del(self.vm_file[vma], page)
        elif self.resv_owner[vma]:
            if restore_reserve and rc > 0:
                self.resv_map.region_del(vma, page)
            if not restore_reserve and rc == 0:
                self.resv_map.region_add(vma, page, page + 1)

    # -- faults ------------------------------------------------------------

    @action(kernel="mm/hugetlb.c:hugetlb_fault")
    def touch(
        self,
        vma: VMAS,
        page: PAGES,
        write: Given(READS, Bool(), True),
        installed: Given(INJECT, Bool(), True),
    ) -> Errno:
        """A read or write of a mapped page. Where a new page cannot be
        ``installed``, it is given back: no memory for the page cache's tree
        (SIGBUS), for the anon_vma, or for the copy (OOM)."""
        require(self.mapped(vma, page))
        shared = HUGETLBFS and self.shared(vma)
        cached = False
        if HUGETLBFS and self.vm_file[vma] is not None:
            cached = self.page_cache.node[self.vm_file[vma], page] is not None
        old = self.anon.node[vma, page]
        if shared and cached:
            return OK
        if old is not None:
            if not write or self.mappers.mapcount(vma, page) == 1:
                return OK
        elif not shared:
            if self.resv_unmapped[vma]:
                return SIGBUS
            if cached and not write:
                return OK
        if old is None and not cached and not self.within_file(vma, page):
            return SIGBUS

        cow_from_owner = old is not None and self.resv_owner[vma]
        css = self.css_of(vma)
        map_chg = self.vma_needs_reservation(vma, page)
        promises = self.h.resv_huge_pages
        nid = self.alloc_hugetlb_folio(
            self.subpool_vma(vma),
            map_chg,
            cow_from_owner,
            shared or self.resv_owner[vma],
            self.nodes_of(vma),
            css,
        )
        if nid is None:
            if not cow_from_owner:
                return SIGBUS
            self.unmap_ref_private(vma, page)
            return OK
        css_rsvd = css if map_chg > 0 or cow_from_owner else None
        self.vma_commit_reservation(vma, page)
        if INJECT and not installed:
            restore_reserve = self.h.resv_huge_pages < promises
            self.restore_reserve_on_error(vma, page, restore_reserve)
            self.free_huge_folio(
                nid, restore_reserve, self.subpool_vma(vma), css, css_rsvd
            )
            return SIGBUS if shared else OOM
        if HUGETLBFS and shared:
            self.page_cache.set(self.vm_file[vma], page, nid, css, css_rsvd)
            return OK
        if old is not None:
            self.mappers.leave(vma, page)
        self.anon.set(vma, page, nid, css, css_rsvd)
        self.mappers.alone(vma, page)
        return OK

    def css_of(self, vma):
        """The cgroup of the task that faults, of a mapped VMA."""
        if not CGROUP:
            return None
        return self.cgroup.of[self.vm_mm[vma]]

    def nodes_of(self, vma):
        """The nodes where a fault of a mapped VMA may take a page."""
        return self.mpol.huge_node(vma, self.vm_mm[vma])

    def unmap_ref_private(self, vma, page):
        """mm/hugetlb.c:unmap_ref_private: the owner has no page for its copy
        and takes the old one away from all mappers without a reserve map.
        Then it is the only one, and writes to it."""
        if FORK:
            mapped = self.mappers.of[vma, page]
            kept = {v for v in VMAS if v in mapped and (v == vma or self.resv_owner[v])}
            for v in VMAS:
                if v in kept:
                    self.mappers.of[v, page] = kept
                elif v in mapped:
                    self.mappers.of[v, page] = set()
                    self.anon.clear(v, page)
                    self.resv_unmapped[v] = True

    @action(
        kernel="fs/hugetlbfs/inode.c:hugetlbfs_fallocate", when=(HUGETLBFS, FALLOCATE)
    )
    def fallocate(
        self,
        task: TASKS,
        file: FILES,
        page: PAGES,
        keep_size: Given(TRUNCATE, Bool(), True),
        installed: Given(INJECT, Bool(), True),
    ) -> Errno:
        """fallocate() of one page."""
        require(self.exists(file))
        if self.page_cache.node[file, page] is None:
            css = self.cgroup.of[task]
            map_chg = self.i_resv_map.region_chg(file, page, page + 1)
            promises = self.h.resv_huge_pages
            nodes = self.mpol.policy_mbind_nodemask(task)
            nid = self.alloc_hugetlb_folio(MOUNT, map_chg, False, True, nodes, css)
            if nid is None:
                return ENOSPC
            css_rsvd = css if map_chg > 0 else None
            self.i_resv_map.region_add(file, page, page + 1)
            if INJECT and not installed:
                restore_reserve = self.h.resv_huge_pages < promises
                if not restore_reserve:
                    self.i_resv_map.region_del(file, page)
                self.free_huge_folio(nid, restore_reserve, MOUNT, css, css_rsvd)
                return ENOMEM
            self.page_cache.set(file, page, nid, css, css_rsvd)
        if not keep_size:
            self.i_size_grow(file, page + 1)
        return OK

    # -- unmapping ---------------------------------------------------------

    def unmap_hugepage_range(self, vma, page):
        """mm/hugetlb.c:__unmap_hugepage_range for one page. If it was the
        last mapping of an owner's page, and there is no surplus page on any
        node, the owner has its reservation back."""
        nid = self.anon.node[vma, page]
        if nid is not None:
            last = self.mappers.mapcount(vma, page) == 1
            cg = self.anon.cg[vma, page]
            cg_rsvd = self.anon.cg_rsvd[vma, page]
            self.anon.clear(vma, page)
            self.mappers.leave(vma, page)
            if last:
                adjust_reservation = self.adjust_reservation(vma)
                if adjust_reservation:
                    self.resv_map.region_del(vma, page)
                self.free_huge_folio(
                    nid, adjust_reservation, self.subpool_vma(vma), cg, cg_rsvd
                )

    def adjust_reservation(self, vma):
        """Whether __unmap_hugepage_range gives the owner its promise back."""
        return self.resv_owner[vma] and self.h.surplus_huge_pages() == 0

    def hugetlb_vm_op_close(self, vma, start, end):
        """mm/hugetlb.c:hugetlb_vm_op_close of the piece start..end."""
        spool = self.subpool_vma(vma)
        if self.resv_owner[vma]:
            reserve = self.resv_map.region_chg(vma, start, end)
            self.rsvd.uncharge(self.resv_css[vma], end - start)
            gbl_reserve = self.hugepage_subpool_put_pages(spool, reserve)
            self.h.return_unused_surplus_pages(gbl_reserve, PAGES)

    def forget(self, vma):
        """The slot of a VMA that is gone can be used again."""
        self.vm_mm[vma] = None
        self.vm_start[vma] = 0
        self.vm_end[vma] = 0
        self.vm_file[vma] = None
        self.vm_private[vma] = False
        self.resv_owner[vma] = False
        self.resv_unmapped[vma] = False
        self.resv_css[vma] = None
        self.mpol.forget(vma)
        for p in PAGES:
            self.resv_map.region_del(vma, p)

    @action(kernel="mm/vma.c:do_vmi_munmap")
    def munmap(self, vma: VMAS) -> Errno:
        """munmap() of the VMA."""
        require(self.vm_mm[vma] is not None)
        self.unmap_region(vma, self.vm_start[vma], self.vm_end[vma])
        file = self.vm_file[vma]
        self.forget(vma)
        if UNLINK and file is not None:
            self.fput(file)
        return OK

    @action(kernel="mm/vma.c:vms_complete_munmap_vmas", when=EXIT)
    def munmap_range(self, task: TASKS, vmas: SetOf(VMAS)) -> Errno:
        """munmap() of several VMAs of a process, or its exit(): the pages of all
        are free before the first VMA is closed; see mm/mmap.c:exit_mmap. Files
        are put after the call (fs/file_table.c:fput)."""
        require(len(vmas) > 1)
        require(all(self.vm_mm[v] == task for v in VMAS if v in vmas))
        for v in VMAS:
            if v in vmas:
                self.vms_clear_ptes(v, self.vm_start[v], self.vm_end[v])
        for v in VMAS:
            if v in vmas:
                self.hugetlb_vm_op_close(v, self.vm_start[v], self.vm_end[v])
                self.forget(v)
        if UNLINK:
            for f in FILES:
                self.fput(f)
        return OK

    @action(kernel="mm/vma.c:do_vmi_munmap", when=SPLIT)
    def munmap_part(self, vma: VMAS, start: PAGES, end: Int(1, P)) -> Errno:
        """munmap() of a VMA's head or tail, or mremap() that shrinks. A hole
        in the middle is a split first."""
        require(self.part_of(vma, start, end))
        self.unmap_region(vma, start, end)
        self.cut(vma, start, end)
        return OK

    def unmap_region(self, vma, start, end):
        """mm/vma.c:vms_complete_munmap_vmas for one VMA."""
        self.vms_clear_ptes(vma, start, end)
        self.hugetlb_vm_op_close(vma, start, end)

    def vms_clear_ptes(self, vma, start, end):
        """mm/vma.c:vms_clear_ptes: unmaps and frees the pages start..end."""
        for p in PAGES:
            if start <= p and p < end:
                self.unmap_hugepage_range(vma, p)

    def part_of(self, vma, start, end):
        """Whether start..end is the head or the tail of a VMA, not all."""
        if self.vm_mm[vma] is None or start >= end:
            return False
        head = self.vm_start[vma] == start and end < self.vm_end[vma]
        return head or (self.vm_start[vma] < start and end == self.vm_end[vma])

    def cut(self, vma, start, end):
        """The VMA without its head or tail."""
        for p in PAGES:
            if start <= p and p < end:
                self.resv_map.region_del(vma, p)
        if start == self.vm_start[vma]:
            self.vm_start[vma] = end
        else:
            self.vm_end[vma] = start

    @action(kernel="mm/madvise.c:madvise_dontneed_single_vma", when=DONTNEED)
    def madvise_dontneed(self, vma: VMAS, page: PAGES) -> Errno:
        """madvise(MADV_DONTNEED) of one page."""
        require(self.mapped(vma, page))
        self.unmap_hugepage_range(vma, page)
        return OK

    # -- VMAs change -------------------------------------------------------

    def move_page(self, vma, new, page):
        """What is known of one page index, from one VMA to another."""
        self.anon.copy(vma, new, page)
        self.mappers.move(vma, new, page)
        self.anon.clear(vma, page)
        if self.resv_map.regions[vma, page]:
            self.resv_map.region_add(new, page, page + 1)
        self.resv_map.region_del(vma, page)

    def vm_area_dup(self, vma, new):
        self.vm_mm[new] = self.vm_mm[vma]
        self.vm_file[new] = self.vm_file[vma]
        self.vm_private[new] = self.vm_private[vma]
        self.mpol.dup(vma, new)

    def hugetlb_vm_op_open(self, vma, new):
        """mm/hugetlb.c:hugetlb_vm_op_open: both use the same reserve map."""
        self.resv_owner[new] = self.resv_owner[vma]
        self.resv_unmapped[new] = self.resv_unmapped[vma]
        self.resv_css[new] = self.resv_css[vma]

    @action(kernel="mm/vma.c:__split_vma", when=SPLIT)
    def split(self, vma: VMAS, new: VMAS, at: PAGES) -> Errno:
        """The VMA is split at a page index, as by mprotect() of its tail."""
        require(self.vm_mm[vma] is not None and self.vm_mm[new] is None)
        require(self.vm_start[vma] < at and at < self.vm_end[vma])
        self.vm_area_dup(vma, new)
        self.hugetlb_vm_op_open(vma, new)
        self.vm_start[new] = at
        self.vm_end[new] = self.vm_end[vma]
        self.vm_end[vma] = at
        for p in PAGES:
            if at <= p and p < self.vm_end[new]:
                self.move_page(vma, new, p)
        return OK

    @action(kernel="mm/mremap.c:move_vma", when=MREMAP)
    def mremap(self, vma: VMAS, new: VMAS) -> Errno:
        """mremap(MREMAP_MAYMOVE) of the VMA to another address."""
        require(self.vm_mm[vma] is not None and self.vm_mm[new] is None)
        self.move_vma(vma, new, self.vm_start[vma], self.vm_end[vma])
        self.forget(vma)
        return OK

    @action(kernel="mm/mremap.c:move_vma", when=(MREMAP, MREMAP_PART))
    def mremap_part(self, vma: VMAS, new: VMAS, start: PAGES, end: Int(1, P)) -> Errno:
        """mremap(MREMAP_MAYMOVE) of a VMA's head or tail."""
        require(self.vm_mm[new] is None and self.part_of(vma, start, end))
        self.move_vma(vma, new, start, end)
        self.cut(vma, start, end)
        return OK

    def move_vma(self, vma, new, start, end):
        """mm/mremap.c:move_vma: a new VMA opens the reserve map, the pages
        move, the old VMA loses its map before what moved is unmapped."""
        self.vm_area_dup(vma, new)
        self.hugetlb_vm_op_open(vma, new)
        self.vm_start[new] = start
        self.vm_end[new] = end
        for p in PAGES:
            if start <= p and p < end:
                self.move_page(vma, new, p)
        self.clear_vma_resv_huge_pages(vma)

    def clear_vma_resv_huge_pages(self, vma):
        """mm/hugetlb.c:clear_vma_resv_huge_pages: of the whole old VMA."""
        self.resv_owner[vma] = False
        self.resv_unmapped[vma] = False
        self.resv_css[vma] = None
        for p in PAGES:
            self.resv_map.region_del(vma, p)

    @action(kernel="mm/hugetlb.c:copy_hugetlb_page_range", when=FORK)
    def fork(self, vma: VMAS, child: TASKS, new: VMAS) -> Errno:
        """fork() as far as one VMA goes: the child maps the same pages and
        has no reserve map for a private mapping."""
        require(self.vm_mm[vma] is not None and self.vm_mm[new] is None)
        self.vm_area_dup(vma, new)
        self.vm_mm[new] = child
        self.vm_start[new] = self.vm_start[vma]
        self.vm_end[new] = self.vm_end[vma]
        for p in PAGES:
            if self.anon.node[vma, p] is not None:
                self.anon.copy(vma, new, p)
                self.mappers.join(vma, new, p)
        return OK

    # -- files -------------------------------------------------------------

    def exists(self, file):
        """Whether the file can be opened, or is open."""
        mounted = self.spool.mounted or not MOUNT
        return mounted and self.linked[file]

    def i_size_grow(self, file, end):
        if TRUNCATE:
            self.i_size[file] = max(self.i_size[file], end)

    def unmap_file_page(self, file, page):
        """fs/hugetlbfs/inode.c:hugetlb_vmdelete_list for one page index:
        private pages of it go, too, those of a parent before its child's."""
        if PRIVATE_FILES:
            for v in VMAS:
                if self.vm_file[v] == file and self.resv_owner[v]:
                    self.unmap_hugepage_range(v, page)
            for v in VMAS:
                if self.vm_file[v] == file and not self.resv_owner[v]:
                    self.unmap_hugepage_range(v, page)

    def free_cached(self, file, page):
        """hugetlb_delete_from_page_cache and the last folio_put."""
        nid = self.page_cache.node[file, page]
        cg = self.page_cache.cg[file, page]
        cg_rsvd = self.page_cache.cg_rsvd[file, page]
        self.page_cache.clear(file, page)
        self.free_huge_folio(nid, False, MOUNT, cg, cg_rsvd)

    def region_del(self, file, page):
        """mm/hugetlb.c:region_del of one index. Whether it was there."""
        found = self.i_resv_map.regions[file, page]
        if found:
            self.rsvd.uncharge(self.i_resv_map.css[file, page], 1)
        self.i_resv_map.region_del(file, page)
        return found

    def remove_inode_hugepages(self, file, start):
        """fs/hugetlbfs/inode.c:remove_inode_hugepages from start to the end
        of the file, and mm/hugetlb.c:hugetlb_unreserve_pages."""
        freed = 0
        for p in PAGES:
            if p >= start and self.page_cache.node[file, p] is not None:
                self.free_cached(file, p)
                freed += 1
        chg = 0
        for p in PAGES:
            if p >= start:
                found = self.region_del(file, p)
                if found:
                    chg += 1
        gbl_reserve = self.hugepage_subpool_put_pages(MOUNT, chg - freed)
        self.h.return_unused_surplus_pages(gbl_reserve, PAGES)

    @action(
        kernel="fs/hugetlbfs/inode.c:hugetlb_vmtruncate", when=(HUGETLBFS, TRUNCATE)
    )
    def truncate(self, file: FILES, size: Int(0, P)) -> Errno:
        """ftruncate()."""
        require(self.exists(file))
        self.i_size[file] = size
        for p in PAGES:
            if p >= size:
                self.unmap_file_page(file, p)
        self.remove_inode_hugepages(file, size)
        return OK

    @action(kernel="fs/hugetlbfs/inode.c:hugetlbfs_punch_hole", when=(HUGETLBFS, PUNCH))
    def punch_hole(self, file: FILES, page: PAGES) -> Errno:
        """fallocate(FALLOC_FL_PUNCH_HOLE) of one page, or MADV_REMOVE. Only a
        page that is there takes its index out of the reserve map."""
        require(self.exists(file))
        self.unmap_file_page(file, page)
        if self.page_cache.node[file, page] is not None:
            chg = 0
            found = self.region_del(file, page)
            if found:
                chg = 1
            gbl_reserve = self.hugepage_subpool_put_pages(MOUNT, chg - 1)
            self.h.return_unused_surplus_pages(gbl_reserve, PAGES)
            self.free_cached(file, page)
        return OK

    @action(
        kernel="fs/hugetlbfs/inode.c:hugetlbfs_evict_inode", when=(HUGETLBFS, UNLINK)
    )
    def unlink(self, file: FILES) -> Errno:
        """unlink() and the last close(). The inode goes with its last
        mapping; after that the file can be created again."""
        require(self.exists(file))
        self.linked[file] = False
        self.fput(file)
        return OK

    def fput(self, file):
        """Evicts the inode if nothing holds it."""
        if not self.linked[file] and all(self.vm_file[v] != file for v in VMAS):
            self.remove_inode_hugepages(file, 0)
            if TRUNCATE:
                self.i_size[file] = 0
            self.linked[file] = True

    @action(kernel="mm/hugetlb.c:hugepage_new_subpool", when=(HUGETLBFS, MOUNT))
    def mount(self) -> Errno:
        """mount -t hugetlbfs -o size=MAX,min_size=MIN."""
        require(not self.spool.mounted)
        if MIN_SIZE:
            nodes = {n for n in NODES}
            promised = self.hugetlb_acct_memory(MIN, nodes, nodes)
            if not promised:
                return ENOMEM
            self.spool.rsv_hpages = MIN
        self.spool.mounted = True
        return OK

    @action(kernel="mm/hugetlb.c:hugepage_put_subpool", when=(HUGETLBFS, MOUNT))
    def umount(self) -> Errno:
        """umount of a mount that nobody uses: its files go first."""
        require(self.spool.mounted)
        require(all(self.vm_file[v] is None for v in VMAS))
        for f in FILES:
            self.remove_inode_hugepages(f, 0)
            if TRUNCATE:
                self.i_size[f] = 0
        if MIN_SIZE and self.spool.is_free():
            self.h.return_unused_surplus_pages(MIN, PAGES)
        self.spool.mounted = False
        if SIZE:
            self.spool.used_hpages = 0
        if MIN_SIZE:
            self.spool.rsv_hpages = 0
        return OK

    # -- administration ----------------------------------------------------

    @action(
        kernel="mm/hugetlb.c:nr_hugepages_store_common", when=(SURPLUS, RESIZE_NODE)
    )
    def set_nr_hugepages_node(self, node: NODES, count: Int(0, CAP)) -> Errno:
        """A write to a node's nr_hugepages."""
        total = self.node_count(node, count)
        self.h.set_max_huge_pages_node(total, self.min_count(), node)
        return OK

    def node_count(self, node, count):
        """mm/hugetlb.c:set_max_huge_pages, "a node specific request"."""
        here = self.h.nr_huge_pages_node[node] - self.h.surplus_huge_pages_node[node]
        others = self.h.persistent_huge_pages() - here
        if here < 0 or others < 0:
            # unsigned: the sum overflows, which means as many as possible
            return self.h.nr_huge_pages() + CAP
        return count + others

    def min_count(self):
        """mm/hugetlb.c:set_max_huge_pages: what a shrink leaves, the pages in
        use or promised. Unsigned: a wrapped promise counter stops it."""
        if self.h.resv_huge_pages < 0:
            return self.h.nr_huge_pages()
        in_use = self.h.nr_huge_pages() - self.h.free_huge_pages()
        return self.h.resv_huge_pages + in_use

    @action(kernel="mm/hugetlb.c:nr_hugepages_store_common", when=(SURPLUS, RESIZE))
    def set_nr_hugepages(self, count: Int(0, N * CAP)) -> Errno:
        """A write to nr_hugepages, by at most STEP pages more or less: more
        is several writes."""
        persistent = self.h.persistent_huge_pages()
        require(persistent - STEP <= count and count <= persistent + STEP)
        self.h.set_max_huge_pages(count, self.min_count(), {n for n in NODES})
        return OK

    @action(kernel="mm/hugetlb.c:nr_overcommit_hugepages_store", when=(SURPLUS, SYSCTL))
    def set_nr_overcommit(self, count: Int(0, OC)) -> Errno:
        """A write to nr_overcommit_hugepages."""
        self.h.nr_overcommit_huge_pages = count
        return OK

    @action(kernel="mm/hugetlb.c:demote_free_hugetlb_folios", when=DEMOTE)
    def demote(self) -> Errno:
        """A write of 1 to the gigantic pool's demote, where CAP has room: a
        free page of the first node becomes free pages of this pool."""
        first = None
        for n in NODES:
            if first is None:
                first = n
        require(self.gigantic > 0)
        require(self.h.nr_huge_pages_node[first] + RATIO <= CAP)
        self.gigantic -= 1
        self.h.nr_huge_pages_node[first] += RATIO
        self.h.free_huge_pages_node[first] += RATIO
        return OK

    @action(kernel="mm/mempolicy.c:do_set_mempolicy", when=MEMPOLICY)
    def set_mempolicy(self, task: TASKS, nodes: SetOf(NODES)) -> Errno:
        """set_mempolicy(MPOL_BIND); no nodes: MPOL_DEFAULT."""
        self.mpol.mempolicy[task] = nodes
        return OK

    @action(kernel="mm/mempolicy.c:do_mbind", when=MBIND)
    def mbind(self, vma: VMAS, nodes: SetOf(NODES)) -> Errno:
        """mbind(MPOL_BIND) of a VMA without moving pages."""
        require(self.vm_mm[vma] is not None)
        self.mpol.vm_policy[vma] = nodes
        return OK

    @action(kernel="kernel/cgroup/cpuset.c:update_nodemask", when=CPUSET)
    def set_cpuset(self, task: TASKS, nodes: SetOf(NODES)) -> Errno:
        """A write to cpuset.mems, or a move to another cpuset; no nodes: all."""
        self.mpol.mems_allowed[task] = nodes
        return OK

    @action(kernel="kernel/cgroup/cgroup.c:cgroup_attach_task", when=CGROUP)
    def cgroup_attach(self, task: TASKS, cgroup: Maybe(CGROUPS)) -> Errno:
        """The task moves to a cgroup; what is charged stays charged."""
        if not CGROUP_MOVE:
            require(all(self.vm_mm[v] != task for v in VMAS))
        self.cgroup.of[task] = cgroup
        return OK
