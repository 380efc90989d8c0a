# SPDX-License-Identifier: GPL-2.0-only
"""Huge pages of files, reserved and touched by tasks in a tree of cgroups.

mm/hugetlb.c, mm/hugetlb_cgroup.c and mm/memcontrol.c of Linux 6.12, as far as
cgroups go. Three limits, each a feature: hugetlb.rsvd.max, charged when pages
are reserved (or touched without a reservation); hugetlb.max, and memory.max
with memory_hugetlb_accounting, charged when they are touched. The three
differ in what becomes of charges at rmdir. ``rehome`` is no kernel's: the
reservations move to the parent at offline, like hugetlb's fault charges.
Files are shared, and have a name or, where a task has them (memfd), none.
Left out: private mappings (model/designs/hugetlb/linux_6_12.py has them, with flat
limits), nodes, subpools, surplus pages, allocation of descriptors; reclaim,
as nothing here can be reclaimed; charges in flight, for which css_offline
waits. One css stands for those of both controllers. What is in the pool and
what is reserved there is counted, not kept.
"""

from poolproof.model.blocks.errno import EBUSY, ENOMEM, ENOSPC, OK, Errno
from poolproof.model.blocks.memcg import Cgroups, CounterTree, Css
from poolproof.model.blocks.quota import Membership
from poolproof.model.blocks.reserve_map import ChargedResvMap
from poolproof.model.language import (
    Bool,
    Bound,
    Design,
    Feature,
    Int,
    Maybe,
    Scalarset,
    action,
    observer,
    require,
    table,
)

B = Bound("B", 2, doc="huge pages in the pool")
C = Bound("C", 2, doc="cgroups")
T = Bound("T", 1, doc="tasks")
F = Bound("F", 1, doc="files")
P = Bound("P", 2, doc="pages of a file")
CG_RSVD = Bound("CG_RSVD", 2, least=0, doc="hugetlb.rsvd.max at first, and at most")
CG_MAX = Bound("CG_MAX", 2, least=0, doc="hugetlb.max at first, and at most")
MEM_MAX = Bound("MEM_MAX", 2, least=0, doc="memory.max at first, and at most")

CGROUPS = Scalarset("CGROUPS", C, prefix="cg")
TASKS = Scalarset("TASKS", T, prefix="t")
FILES = Scalarset("FILES", F, prefix="f")
PAGES = Int(0, P - 1)
ENDS = Int(1, P)
CGROUP = Maybe(CGROUPS)

RSVD = Feature("rsvd", False, "hugetlb.rsvd.max: reservations are charged")
FAULT = Feature("fault", False, "hugetlb.max: faults are charged")
MEMORY = Feature("memory", False, "memory.max: faults are charged")
LIMITS = Feature(
    "limits", False, "limits are written later", needs=RSVD | FAULT | MEMORY
)
OFFLINE_ON = Feature("offline", False, "rmdir")
REHOME = Feature(
    "rehome",
    False,
    "reservations move to the parent at offline",
    needs=(RSVD, OFFLINE_ON),
)
NORESERVE = Feature("noreserve", False, "MAP_NORESERVE")
MEMFD = Feature("memfd", False, "files without a name, and OOM kills")


class MemcgTree(Design):
    """Huge pages of shared files, charged to a hierarchy of cgroups."""

    cgroups = Cgroups(CGROUPS, 1 + C + 3 * F * P, (), OFFLINE_ON)
    rsvd = CounterTree(CGROUPS, CG_RSVD, RSVD, LIMITS)
    usage = CounterTree(CGROUPS, CG_MAX, FAULT, LIMITS)
    memory = CounterTree(CGROUPS, MEM_MAX, MEMORY, LIMITS)
    task = Membership(TASKS, CGROUPS)
    resv_map = ChargedResvMap(FILES, PAGES, CGROUPS, when=(), cgroup=RSVD)
    cached = table(FILES, PAGES, Bool(), doc="the page is there")
    cg = table(FILES, PAGES, CGROUP, when=FAULT, doc="its usage is charged to")
    cg_rsvd = table(FILES, PAGES, CGROUP, when=(RSVD, NORESERVE))
    memcg = table(FILES, PAGES, CGROUP, when=MEMORY)
    memfd_of = table(FILES, Maybe(TASKS), when=MEMFD)

    # -- what specs ask --

    @observer
    def under(self, cgroup: CGROUP, ancestor: CGROUPS):
        return self.cgroups.is_descendant(cgroup, ancestor)

    @observer
    def free_huge_pages(self):
        return B - sum(1 for f in FILES for p in PAGES if self.cached[f, p])

    @observer
    def resv_huge_pages(self):
        return sum(
            1
            for f in FILES
            for p in PAGES
            if self.resv_map.regions[f, p] and not self.cached[f, p]
        )

    @observer
    def file_regions(self, cgroup: CGROUPS):
        """File regions charged to it: neighbours with one css are one."""
        return sum(
            1
            for f in FILES
            for p in PAGES
            if self.has_region(f, p, cgroup)
            and not (p > 0 and self.has_region(f, p - 1, cgroup))
        )

    # -- regions and their references --

    def has_region(self, file, page, css):
        return (
            self.resv_map.regions[file, page] and self.resv_map.css[file, page] == css
        )

    def joins_before(self, file, page, css):
        return page > 0 and self.has_region(file, page - 1, css)

    def joins_after(self, file, page, css):
        return page < P - 1 and self.has_region(file, page + 1, css)

    def region_add(self, file, f, t, css):
        """mm/hugetlb.c:region_add."""
        for p in PAGES:
            if f <= p < t and not self.resv_map.regions[file, p]:
                if RSVD:
                    self.record_uncharge_info(file, p, css)
                self.resv_map.region_add(file, p, p + 1)

    def record_uncharge_info(self, file, page, css):
        """mm/hugetlb.c:record_hugetlb_cgroup_uncharge_info: a new region gets
        a reference. coalesce_file_region puts that of each one it joins."""
        self.cgroups.css_get(css)
        if self.joins_before(file, page, css):
            self.cgroups.css_put(css)
        if self.joins_after(file, page, css):
            self.cgroups.css_put(css)
        self.resv_map.css[file, page] = css

    def region_put(self, file, page):
        """A page leaves its region: the second half of a split gets a
        reference (copy_hugetlb_cgroup_uncharge_info), what is only trimmed
        keeps the one it has."""
        css = self.resv_map.css[file, page]
        before = self.joins_before(file, page, css)
        after = self.joins_after(file, page, css)
        if before and after:
            self.cgroups.css_get(css)
        elif not before and not after:
            self.cgroups.css_put(css)
        self.resv_map.region_del(file, page)

    def region_del(self, file, page):
        """mm/hugetlb.c:region_del with hugetlb_cgroup_uncharge_file_region, of
        a page."""
        if RSVD:
            self.rsvd.uncharge(self.resv_map.css[file, page], 1)
        self.region_put(file, page)

    # -- charges --

    def charge_cgroup_rsvd(self, css, pages):
        """mm/hugetlb_cgroup.c:hugetlb_cgroup_charge_cgroup_rsvd. It keeps its
        reference to the css."""
        if RSVD:
            self.cgroups.css_get(css)
            charged = self.rsvd.try_charge(css, pages)
            if not charged:
                self.cgroups.css_put(css)
            return charged
        return True

    def uncharge_cgroup_rsvd(self, css, pages):
        """mm/hugetlb_cgroup.c:hugetlb_cgroup_uncharge_cgroup_rsvd."""
        if RSVD:
            self.rsvd.uncharge(css, pages)
            self.cgroups.css_put(css)

    def charge_fault(self, css, map_chg):
        """mm/hugetlb.c:alloc_hugetlb_folio, its charges; what was charged
        before one that is refused is given back."""
        if MEMORY:
            charged = self.memory.try_charge(css, 1)
            if not charged:
                return ENOMEM
        if map_chg:
            charged = self.charge_cgroup_rsvd(css, 1)
            if not charged:
                if MEMORY:
                    self.memory.uncharge(css, 1)
                return ENOSPC
        if FAULT:
            charged = self.usage.try_charge(css, 1)
            if not charged:
                if map_chg:
                    self.uncharge_cgroup_rsvd(css, 1)
                if MEMORY:
                    self.memory.uncharge(css, 1)
                return ENOSPC
        return OK

    def uncharge_fault(self, css, map_chg):
        """alloc_hugetlb_folio, from out_uncharge_cgroup on."""
        if FAULT:
            self.usage.uncharge(css, 1)
        if map_chg:
            self.uncharge_cgroup_rsvd(css, 1)
        if MEMORY:
            self.memory.uncharge(css, 1)

    def free_huge_folio(self, file, page):
        """mm/hugetlb.c:free_huge_folio: whoever was charged is uncharged."""
        if FAULT:
            self.usage.uncharge(self.cg[file, page], 1)
            self.cg[file, page] = None
        if RSVD and NORESERVE:
            self.uncharge_cgroup_rsvd(self.cg_rsvd[file, page], 1)
            self.cg_rsvd[file, page] = None
        if MEMORY:
            self.memory.uncharge(self.memcg[file, page], 1)
            self.cgroups.css_put(self.memcg[file, page])
            self.memcg[file, page] = None
        self.cached[file, page] = False

    # -- tasks, files, pages --

    @action(kernel="kernel/cgroup/cgroup.c:cgroup_attach_task")
    def attach(self, task: TASKS, cgroup: CGROUP):
        """Charges stay where they are."""
        require(cgroup is None or self.cgroups.css[cgroup] == Css.ONLINE)
        self.task.of[task] = cgroup

    @action(kernel="mm/memfd.c:memfd_create", when=MEMFD)
    def memfd_create(self, task: TASKS, file: FILES):
        require(self.memfd_of[file] is None)
        require(not any(self.resv_map.regions[file, p] for p in PAGES))
        self.memfd_of[file] = task

    @action(kernel="mm/hugetlb.c:hugetlb_reserve_pages")
    def reserve(self, task: TASKS, file: FILES, start: PAGES, end: ENDS) -> Errno:
        """mmap, or the like, of a part of a file."""
        css = self.task.of[task]
        chg = self.resv_map.region_chg(file, start, end)
        require(chg > 0)
        charged = self.charge_cgroup_rsvd(css, chg)
        if not charged:
            return ENOMEM
        if self.resv_huge_pages() + chg > self.free_huge_pages():
            self.uncharge_cgroup_rsvd(css, chg)
            return ENOMEM
        self.region_add(file, start, end, css)
        if RSVD:
            self.cgroups.css_put(css)
        return OK

    @action(kernel="mm/hugetlb.c:alloc_hugetlb_folio")
    def fault(self, task: TASKS, file: FILES, page: PAGES) -> Errno:
        require(not self.cached[file, page])
        css = self.task.of[task]
        map_chg = not self.resv_map.regions[file, page]
        if not NORESERVE:
            require(not map_chg)
        error: Errno = self.charge_fault(css, map_chg)
        if error is not OK:
            return error
        if map_chg and self.free_huge_pages() <= self.resv_huge_pages():
            self.uncharge_fault(css, map_chg)
            return ENOSPC
        self.cached[file, page] = True
        if FAULT:
            self.cg[file, page] = css
        if map_chg:
            if RSVD and NORESERVE:
                self.cg_rsvd[file, page] = css
            self.region_add(file, page, page + 1, None)
        if MEMORY:
            self.cgroups.css_get(css)
            self.memcg[file, page] = css
        return OK

    def remove_inode_hugepages(self, file, page):
        """fs/hugetlbfs/inode.c:remove_inode_hugepages, of one page."""
        if self.cached[file, page]:
            self.free_huge_folio(file, page)
        if self.resv_map.regions[file, page]:
            self.region_del(file, page)

    @action(kernel="fs/hugetlbfs/inode.c:hugetlbfs_punch_hole")
    def punch(self, file: FILES, page: PAGES):
        require(self.resv_map.regions[file, page])
        self.remove_inode_hugepages(file, page)

    def evict_inode(self, file):
        """fs/hugetlbfs/inode.c:hugetlbfs_evict_inode."""
        for p in PAGES:
            self.remove_inode_hugepages(file, p)
        if MEMFD:
            self.memfd_of[file] = None

    @action(kernel="fs/hugetlbfs/inode.c:hugetlbfs_evict_inode")
    def evict(self, file: FILES):
        """The last link, descriptor and mapping are gone."""
        require(any(self.resv_map.regions[file, p] for p in PAGES))
        self.evict_inode(file)

    # -- cgroups --

    def css_alloc(self, cgroup, parent):
        if RSVD:
            self.rsvd.page_counter_init(cgroup, parent)
        if FAULT:
            self.usage.page_counter_init(cgroup, parent)
        if MEMORY:
            self.memory.page_counter_init(cgroup, parent)

    def has_tasks(self, cgroup):
        return any(self.task.of[t] == cgroup for t in TASKS)

    def move_charges(self, cgroup, parent):
        """hugetlb's fault charges go to the parent
        (mm/hugetlb_cgroup.c:hugetlb_cgroup_css_offline). memory's stay
        (mem_cgroup_css_offline moves no page), and reservations."""
        if FAULT:
            for f in FILES:
                for p in PAGES:
                    if self.cg[f, p] == cgroup:
                        self.usage.move_parent(cgroup, 1)
                        self.cg[f, p] = parent
        if REHOME and RSVD:
            self.rehome(cgroup, parent)

    def rehome(self, cgroup, parent):
        """Reservations, with the references of their regions. Regions that
        become neighbours with one css become one."""
        for f in FILES:
            for p in PAGES:
                if self.has_region(f, p, cgroup):
                    self.region_put(f, p)
                    self.region_add(f, p, p + 1, parent)
                    self.rsvd.move_parent(cgroup, 1)
                if NORESERVE and self.cg_rsvd[f, p] == cgroup:
                    self.rsvd.move_parent(cgroup, 1)
                    self.cgroups.css_put(cgroup)
                    self.cgroups.css_get(parent)
                    self.cg_rsvd[f, p] = parent

    def css_release(self, cgroup):
        if RSVD:
            self.rsvd.forget(cgroup)
        if FAULT:
            self.usage.forget(cgroup)
        if MEMORY:
            self.memory.forget(cgroup)

    # -- limits --

    @action(kernel="mm/hugetlb_cgroup.c:hugetlb_cgroup_write", when=(RSVD, LIMITS))
    def rsvd_max_write(self, cgroup: CGROUPS, pages: Int(0, CG_RSVD)) -> Errno:
        require(self.cgroups.css[cgroup] == Css.ONLINE)
        done = self.rsvd.set_max(cgroup, pages)
        return OK if done else EBUSY

    @action(kernel="mm/hugetlb_cgroup.c:hugetlb_cgroup_write", when=(FAULT, LIMITS))
    def max_write(self, cgroup: CGROUPS, pages: Int(0, CG_MAX)) -> Errno:
        require(self.cgroups.css[cgroup] == Css.ONLINE)
        done = self.usage.set_max(cgroup, pages)
        return OK if done else EBUSY

    @action(kernel="mm/memcontrol.c:memory_max_write", when=(MEMORY, LIMITS))
    def memory_max_write(self, cgroup: CGROUPS, pages: Int(0, MEM_MAX)):
        require(self.cgroups.css[cgroup] == Css.ONLINE)
        self.memory.write_max(cgroup, pages)

    @action(
        kernel="mm/memcontrol.c:mem_cgroup_out_of_memory", when=(MEMORY, LIMITS, MEMFD)
    )
    def oom_kill(self, task: TASKS):
        """memory_max_write kills a task below the limit that was written. Its
        memfds go with it; what has a name stays. A new task starts in the
        root."""
        require(
            any(
                self.cgroups.css[c] == Css.ONLINE
                and self.memory.over(c)
                and self.cgroups.is_descendant(self.task.of[task], c)
                for c in CGROUPS
            )
        )
        for f in FILES:
            if self.memfd_of[f] == task:
                self.evict_inode(f)
        self.task.of[task] = None
