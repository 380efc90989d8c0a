# SPDX-License-Identifier: GPL-2.0-only
"""The state of hugetlb, and what specs ask of it."""

from poolproof.model.blocks.folio import Folios, Mappers
from poolproof.model.blocks.hstate import Hstate
from poolproof.model.blocks.numa import ModalMempolicy
from poolproof.model.blocks.quota import (
    CssReferences,
    HugepageSubpool,
    Membership,
    PageCounters,
)
from poolproof.model.blocks.reserve_map import ChargedResvMap, ResvMap
from poolproof.model.designs.hugetlb.names import (
    CAP,
    CG_MAX,
    CG_RSVD,
    CGROUP,
    CGROUPS,
    CPUSET,
    CSS,
    DEMOTE,
    DESCRIPTORS,
    FILES,
    FORK,
    FRAGMENTS,
    GIGANTIC,
    GIGANTIC_MMAP,
    HUGETLBFS,
    IO,
    IOS,
    LIMIT,
    MAPCOUNTS,
    MAX,
    MBIND,
    MEMCG,
    MEMPOLICY,
    MIN,
    MIN_SIZE,
    MOUNT,
    NODES,
    OC,
    ONE,
    PAGES,
    PINS,
    POISON,
    POLICIES,
    PRIVATE_FILES,
    READ_ONLY,
    REGIONS,
    RESIZE,
    SHM,
    SIZE,
    STEP,
    SURPLUS,
    SYSCTL,
    TASKS,
    TRUNCATE,
    UNLINK,
    VMAS,
    B,
    F,
    P,
    V,
)
from poolproof.model.language import Block, Bool, Int, Maybe, observer, table, var


class HugetlbState(Block):
    """struct hstate, the mount, cgroups, VMAs and inodes; see the bounds."""

    h = Hstate(
        NODES, CAP, B, OC, STEP, SURPLUS, RESIZE, SYSCTL, POISON, PINS, IO, FRAGMENTS
    )
    gigantic = var(Int(0, GIGANTIC), init=GIGANTIC, when=DEMOTE)
    gigantic_mapped = table(
        TASKS,
        Int(0, GIGANTIC),
        when=(DEMOTE, GIGANTIC_MMAP),
        doc="gigantic pages that its mappings were promised; none is touched",
    )
    spool = HugepageSubpool(MAX, MIN, MOUNT, SIZE, MIN_SIZE)
    usage = PageCounters(CGROUPS, CG_MAX, CGROUP)
    rsvd = PageCounters(CGROUPS, CG_RSVD, CGROUP)
    memory = PageCounters(CGROUPS, LIMIT, MEMCG)
    cgroup = Membership(TASKS, CGROUPS, CGROUP)
    css = CssReferences(CGROUPS, V + V * P + 2 * F * P + IO, CSS)
    mpol = ModalMempolicy(
        TASKS, VMAS, NODES, CPUSET, MEMPOLICY, MBIND, modes=POLICIES, pages=PAGES
    )

    vm_mm = table(VMAS, Maybe(TASKS), doc="whose VMA it is; None: no VMA")
    vm_start = table(VMAS, Int(0, P), doc="first page index")
    vm_end = table(VMAS, Int(0, P), doc="page index after the last")
    vm_file = table(VMAS, Maybe(FILES), when=HUGETLBFS, doc="None: private, anonymous")
    vm_private = table(VMAS, Bool(), when=(HUGETLBFS, PRIVATE_FILES))
    vm_read_only = table(VMAS, Bool(), when=READ_ONLY, doc="VM_MAYSHARE, no VM_SHARED")
    resv_owner = table(VMAS, Bool(), doc="HPAGE_RESV_OWNER: it has a reserve map")
    resv_unmapped = table(VMAS, Bool(), when=FORK, doc="HPAGE_RESV_UNMAPPED")
    resv_css = table(VMAS, Maybe(CGROUPS), when=CGROUP, doc="who pays for its map")
    resv_map = ResvMap(VMAS, PAGES, None, REGIONS, DESCRIPTORS, P)
    anon = Folios(VMAS, PAGES, NODES, CGROUPS, None, CGROUP)
    mappers = Mappers(VMAS, PAGES, FORK)
    pinned = table(VMAS, PAGES, Bool(), when=PINS)
    cache_pinned = table(FILES, PAGES, Bool(), when=(PINS, HUGETLBFS))
    limbo = Folios(IOS, ONE, NODES, CGROUPS, PINS, (PINS, CGROUP))
    limbo_restore = table(IOS, Bool(), when=PINS, doc="HPAGE_RESTORE_RESERVE")
    limbo_spool = table(IOS, Bool(), when=(PINS, MOUNT))
    failed = var(Bool(), doc="a promised fault has failed")

    i_resv_map = ChargedResvMap(
        FILES,
        PAGES,
        CGROUPS,
        HUGETLBFS,
        (HUGETLBFS, CGROUP),
        REGIONS,
        DESCRIPTORS,
        P,
    )
    page_cache = Folios(FILES, PAGES, NODES, CGROUPS, HUGETLBFS, (HUGETLBFS, CGROUP))
    i_size = table(FILES, Int(0, P), when=(HUGETLBFS, TRUNCATE))
    linked = table(
        FILES,
        Bool(),
        init=True,
        when=(HUGETLBFS, UNLINK),
        doc="it has a name, or somebody has it open",
    )
    segment = table(FILES, Int(0, P), when=SHM, doc="length of a segment; 0: a file")
    segment_noreserve = table(FILES, Bool(), when=SHM, doc="SHM_NORESERVE")

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
        """Return whether the VMA covers the page index."""
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
        return self.resv_map.region_absent(vma, self.vm_start[vma], self.vm_end[vma])

    @observer
    def accounted(self, file: FILES) -> Int(0, P):
        """Page indices in a file's reserve map."""
        return self.i_resv_map.region_count(file, 0, P)

    @observer
    def instantiated(self, file: FILES) -> Int(0, P):
        """Pages in a file's page cache."""
        return sum(1 for p in PAGES if self.page_cache.node[file, p] is not None)

    @observer
    def is_promised(self, vma: VMAS, page: PAGES) -> Bool():
        """Return whether a page is kept for the next fault of this VMA there."""
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
        """Return whether the page index is before the end of the file."""
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
        if not FORK:
            return pages + sum(
                1 for v in VMAS for p in PAGES if self.anon.node[v, p] == node
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

    @observer
    def used_of_mount(self) -> Int():
        """Pages that the mount's subpool should have in used_hpages: those in the
        reserve maps of its files, what private mappings of them were promised
        and have had, and what I/O holds (but for what brings a promise back: the
        mapping has given it to the subpool)."""
        used = sum(self.accounted(f) for f in FILES)
        used += sum(self.unconsumed(v) for v in VMAS if self.vm_file[v] is not None)
        for mapcount in MAPCOUNTS:
            used += (
                sum(
                    1
                    for v in VMAS
                    for p in PAGES
                    if self.vm_file[v] is not None
                    and self.anon.node[v, p] is not None
                    and self.mappers.mapcount(v, p) == mapcount
                )
                // mapcount
            )
        return used + sum(
            1 for io in IOS if self.limbo_spool[io] and not self.limbo_restore[io]
        )

    @observer
    def has_size(self) -> Bool():
        """Return whether a mount with size= is there."""
        return SIZE and self.spool.mounted

    @observer
    def has_min_size(self) -> Bool():
        """Return whether a mount with min_size= is there."""
        return MIN_SIZE and self.spool.mounted

    def exists(self, file):
        """Return whether the file can be opened, or is open."""
        mounted = self.spool.mounted or not MOUNT
        return mounted and self.linked[file] and self.segment[file] == 0

    def i_size_grow(self, file, end):
        if TRUNCATE:
            self.i_size[file] = max(self.i_size[file], end)
