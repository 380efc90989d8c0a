# SPDX-License-Identifier: GPL-2.0-only
"""hugetlb with several tasks at once: faults, mmap, munmap and UFFDIO_COPY of Linux
6.12, from one lock to the next. mm/hugetlb.c, fs/hugetlbfs/inode.c.

The pieces are those of `Hugetlb`. Here they stand between `yield`s, where the kernel
drops a lock or has not taken it yet. Without the feature "steps" nothing yields, as
if one lock were held all the time; then the design does what `Hugetlb` does. Locks:
inode_lock of a file (mmap of it), the fault mutex of an index, hugetlb_lock. The
lock of a reserve map and that of a subpool are held for one step each. mmap_lock is
implied: a VMA belongs to a task, which does one thing at a time.

Left out: truncation and holes, which race with faults under the vma_lock as well;
writes to nr_hugepages; fork, mounts with size= or min_size=; a reservation that needs
more than OC + 1 surplus pages gives up. Fault mutexes are by index alone:
two files with the same index share one, as may happen with the kernel's hash.
"""

from typing import Any

from poolproof.model.blocks.errno import EEXIST, ENOMEM, OK, SIGBUS, Errno
from poolproof.model.blocks.locks import Mutex, Spinlock
from poolproof.model.designs.hugetlb.names import (
    CGROUP,
    CGROUPS,
    FILES,
    HUGETLBFS,
    MEMPOLICY,
    NODES,
    OC,
    ONE,
    PAGES,
    SURPLUS,
    TASKS,
    USERFAULTFD,
    VMAS,
    P,
)
from poolproof.model.designs.hugetlb.unmap import Unmapping
from poolproof.model.language import (
    Bool,
    Design,
    Feature,
    Int,
    Maybe,
    SetOf,
    action,
    assume,
    require,
    table,
    var,
)

STEPS = Feature(
    "steps",
    False,
    "tasks interleave where the kernel drops a lock",
    assuming="one lock is held throughout each call",
)
TRIES = Int(1, OC + 1)


class Steps(Unmapping):
    """The calls of `Unmapping`, in steps."""

    inode_lock = Mutex(TASKS, FILES, "waits for inode_lock")
    fault_mutex = Mutex(TASKS, PAGES, "waits for the fault mutex")
    hugetlb_lock = Spinlock(TASKS, ONE, "waits for hugetlb_lock")
    unheld = var(Bool(), doc="lockdep_assert_held(&hugetlb_lock) has failed")
    surplus_list = table(TASKS, NODES, Int(0, OC + 1), when=SURPLUS)
    scratch = table(TASKS, Maybe(NODES), when=USERFAULTFD)
    scratch_temporary = table(TASKS, Bool(), when=USERFAULTFD, doc="folio_temporary")

    touch: Any = None
    touch_remote: Any = None
    uffd_copy: Any = None
    uffd_copy_retry: Any = None
    fallocate: Any = None
    mmap_private: Any = None
    mmap_read_only: Any = None
    shmget: Any = None
    shmat: Any = None
    pin: Any = None
    unpin: Any = None
    unpin_cached: Any = None
    unpin_last: Any = None
    migrate: Any = None
    migrate_cached: Any = None
    munmap: Any = None
    munmap_range: Any = None
    munmap_part: Any = None
    madvise_dontneed: Any = None

    # -- hugetlb_lock --

    def lock(self, task):
        """spin_lock_irq(&hugetlb_lock)."""
        if STEPS:
            yield from self.hugetlb_lock.spin_lock(task, 0)

    def unlock(self, task):
        """spin_unlock_irq(&hugetlb_lock)."""
        if STEPS:
            self.hugetlb_lock.spin_unlock(task, 0)

    def hugetlb_cgroup_uncharge_folio_rsvd(self, task, css):
        """mm/hugetlb_cgroup.c:__hugetlb_cgroup_uncharge_folio, which asserts that the
        lock is held."""
        if STEPS:
            held = self.hugetlb_lock.holder[0] == task
            self.unheld = self.unheld or not held
        self.hugetlb_cgroup_uncharge_cgroup_rsvd(css, 1)

    # -- reserving --

    def gather_steps(self, task, delta):
        """mm/hugetlb.c:gather_surplus_pages. Return whether there are the pages;
        hugetlb_lock is held before and after, not while it allocates."""
        needed = self.h.resv_huge_pages + delta - self.h.free_huge_pages()
        if needed <= 0:
            self.promise_gathered(delta)
            return True
        if not SURPLUS:
            return False
        left: Int(0, P) = min(needed, P)
        alloc_ok = True
        enough = False
        for _try in TRIES:
            if alloc_ok and not enough:
                self.unlock(task)
                if STEPS:
                    yield "allocates a surplus page"
                alloc_ok = self.alloc_gathered(task)
                left = max(0, left - 1) if alloc_ok else 0
                yield from self.lock(task)
                if left == 0:
                    gathered = sum(self.surplus_list[task, n] for n in NODES)
                    free = self.h.free_huge_pages() + gathered
                    needed = self.h.resv_huge_pages + delta - free
                    enough = needed <= 0
                    left = max(0, min(needed, P))
        if enough:
            self.promise_gathered(delta)
            self.enqueue_gathered(task, delta)
        self.unlock(task)
        self.free_gathered(task)
        yield from self.lock(task)
        return enough

    def alloc_gathered(self, task):
        """One alloc_surplus_hugetlb_folio() for the list. Return whether it could."""
        nodes = self.mpol.policy_mbind_nodemask(task)
        nid = self.h.alloc_surplus_hugetlb_folio(self.first_of(nodes))
        if nid is None:
            mems = self.mpol.cpuset_current_mems_allowed(task)
            nid = self.h.alloc_surplus_hugetlb_folio(mems)
        for n in NODES:
            if n == nid:
                self.surplus_list[task, n] += 1
        return nid is not None

    def first_of(self, nodes):
        """Return the set of the first node."""
        return {n for n in NODES if n in nodes and not self.comes_after(n, nodes)}

    def comes_after(self, node, nodes):
        """Return whether a node of the set is before ``node``."""
        before = True
        found = False
        for n in NODES:
            if n == node:
                before = False
            found = found or (before and n in nodes)
        return found

    def promise_gathered(self, delta):
        """resv_huge_pages += delta, in the section that puts the pages on the free
        list (since 2.6.26: ac09b3a15154)."""
        self.h.change_resv(delta)

    def promise_at_last(self, delta):
        """What hugetlb_acct_memory() does when all has gone well: nothing more."""

    def enqueue_gathered(self, task, delta):
        """The pages that are needed go to the free list."""
        needed = self.h.resv_huge_pages - self.h.free_huge_pages()
        for n in NODES:
            pages = max(0, min(needed, self.surplus_list[task, n]))
            self.h.free_huge_pages_node[n] += pages
            self.surplus_list[task, n] -= pages
            needed -= pages

    def free_gathered(self, task):
        """free_huge_folio() of the others: they go back to the buddy allocator,
        or, if somebody else has freed a page of the node as surplus meanwhile,
        to the free list."""
        for n in NODES:
            left = self.surplus_list[task, n]
            gone = min(left, self.h.surplus_huge_pages_node[n])
            self.h.nr_huge_pages_node[n] -= gone
            self.h.surplus_huge_pages_node[n] -= gone
            self.h.free_huge_pages_node[n] += left - gone
            self.surplus_list[task, n] = 0

    def acct_steps(self, task, delta):
        """mm/hugetlb.c:hugetlb_acct_memory for delta >= 0."""
        if delta == 0:
            return True
        yield from self.lock(task)
        promised = yield from self.gather_steps(task, delta)
        if promised:
            nodes = self.mpol.policy_mbind_nodemask(task)
            if delta > sum(self.h.free_huge_pages_node[n] for n in NODES if n in nodes):
                self.h.return_unused_surplus_pages(delta, PAGES)
                promised = False
            else:
                self.promise_at_last(delta)
        self.unlock(task)
        return promised

    def return_unused_steps(self, task, unused_resv_pages):
        """mm/hugetlb.c:hugetlb_acct_memory for less: the promises go, and as many
        surplus pages leave the pool under the same hold of hugetlb_lock (since
        4.10: e5bbc8a6c992)."""
        if unused_resv_pages > 0:
            yield from self.lock(task)
            self.h.return_unused_surplus_pages(unused_resv_pages, PAGES)
            self.unlock(task)

    def acct_reservation_steps(self, task, chg):
        """mm/hugetlb.c:hugetlb_reserve_pages from the cgroup charge on."""
        css = self.cgroup.of[task]
        charged = self.hugetlb_cgroup_charge_cgroup_rsvd(css, chg)
        if not charged:
            return False
        promised = yield from self.acct_steps(task, chg)
        if not promised:
            self.hugetlb_cgroup_uncharge_cgroup_rsvd(css, chg)
        return promised

    def reserve_steps(self, task, file, start, end):
        """mm/hugetlb.c:hugetlb_reserve_pages for a shared mapping."""
        needed = self.i_resv_map.regions_needed(file, start, end)
        chg = self.i_resv_map.region_chg(file, start, end)
        if STEPS:
            yield "region_chg is done"
        promised = yield from self.acct_reservation_steps(task, chg)
        if not promised:
            self.out_err(file, chg, needed)
            return False
        if STEPS:
            yield "has a promise"
        css = self.cgroup.of[task]
        add = self.region_charge(file, start, end, css, needed)
        if self.raced(chg, add):
            self.hugetlb_cgroup_uncharge_cgroup_rsvd(css, chg - add)
            yield from self.return_unused_steps(task, chg - add)
        else:
            self.css.css_put(css)
        return True

    def raced(self, chg, add):
        """Return whether others have changed the reserve map since region_chg()."""
        return chg > add

    @action(kernel="mm/hugetlb.c:hugetlb_reserve_pages")
    def mmap(self, task, vma, length, noreserve):
        """mmap(MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB)."""
        require(self.vm_mm[vma] is None)
        self.vm_mm[vma] = task
        if not noreserve:
            promised = yield from self.acct_reservation_steps(task, length)
            if not promised:
                self.vm_mm[vma] = None
                return ENOMEM
        self.map(task, vma, 0, length, not noreserve)
        return OK

    @action(kernel="fs/hugetlbfs/inode.c:hugetlbfs_file_mmap", when=HUGETLBFS)
    def mmap_shared(self, task, vma, file, start, end, noreserve):
        """mmap(MAP_SHARED) of pages start..end of a file."""
        require(self.vm_mm[vma] is None and start < end)
        require(self.exists(file))
        self.vm_mm[vma] = task
        if not noreserve:
            if STEPS:
                yield from self.inode_lock.mutex_lock(task, file)
            promised = yield from self.reserve_steps(task, file, start, end)
            if STEPS:
                self.inode_lock.mutex_unlock(task, file)
            if not promised:
                self.vm_mm[vma] = None
                return ENOMEM
        self.map(task, vma, start, end, False)
        self.vm_file[vma] = file
        return OK

    # -- faults --

    def lock_index(self, task, page, shared):
        """The fault mutex of a file's index. That of a private mapping's own object
        has nobody else to wait for it."""
        if STEPS and shared:
            yield from self.fault_mutex.mutex_lock(task, page)

    def unlock_index(self, task, page, shared):
        """As `lock_index`."""
        if STEPS and shared:
            self.fault_mutex.mutex_unlock(task, page)

    def alloc_steps(self, task, vma, map_chg, may_reserve, css):
        """mm/hugetlb.c:alloc_hugetlb_folio up to the commit. Return the page's node,
        or None."""
        if map_chg > 0:
            charged_rsvd = self.hugetlb_cgroup_charge_cgroup_rsvd(css, 1)
            if not charged_rsvd:
                return None
        charged = self.usage.try_charge(css, 1)
        if not charged:
            if map_chg > 0:
                self.hugetlb_cgroup_uncharge_cgroup_rsvd(css, 1)
            return None
        yield from self.lock(task)
        reserved = self.vma_has_reserves(may_reserve, map_chg)
        nid = self.dequeue_hugetlb_folio_vma(reserved, self.mpol.huge_node(vma, task))
        if nid is not None:
            if reserved:
                self.h.change_resv(-1)
            self.unlock(task)
            return nid
        self.unlock(task)
        if STEPS:
            yield "asks the buddy allocator"
        nid = self.h.alloc_surplus_hugetlb_folio(self.mpol.huge_node(vma, task))
        if nid is None:
            self.usage.uncharge(css, 1)
            if map_chg > 0:
                self.hugetlb_cgroup_uncharge_cgroup_rsvd(css, 1)
            return None
        yield from self.surplus_takes_promise(task, reserved)
        return nid

    def surplus_takes_promise(self, task, reserved):
        """A surplus page for a fault takes its promise under hugetlb_lock (since
        6.1: 12df140f0bdf)."""
        yield from self.lock(task)
        if reserved:
            self.h.change_resv(-1)
        self.unlock(task)

    def commit_steps(self, task, vma, page, map_chg, css):
        """vma_commit_reservation(), and what follows if others were faster. Return
        the cgroup whose rsvd the page is charged to."""
        map_commit = self.vma_commit_reservation(vma, page)
        css_rsvd = css if map_chg > 0 else None
        if self.raced(map_chg, map_commit):
            yield from self.return_unused_steps(task, 1)
            yield from self.uncharge_raced(task, css)
            css_rsvd = None
        return css_rsvd

    def uncharge_raced(self, task, css):
        """The page is no longer charged to rsvd; under hugetlb_lock (since 6.9:
        b76b46902c2d)."""
        yield from self.lock(task)
        self.hugetlb_cgroup_uncharge_folio_rsvd(task, css)
        self.unlock(task)

    @action(kernel="mm/hugetlb.c:hugetlb_fault")
    def fault(self, task: TASKS, vma: VMAS, page: PAGES) -> Errno:
        """A write to a page of one's own VMA."""
        require(self.vm_mm[vma] == task and self.mapped(vma, page))
        shared = HUGETLBFS and self.shared(vma)
        yield from self.lock_index(task, page, shared)
        result = OK
        if not self.is_there(vma, page):
            result = yield from self.no_page_steps(task, vma, page)
        self.unlock_index(task, page, shared)
        return result

    def is_there(self, vma, page):
        """Whether the page needs no allocation."""
        if HUGETLBFS and self.shared(vma):
            return self.page_cache.node[self.vm_file[vma], page] is not None
        return self.anon.node[vma, page] is not None

    def no_page_steps(self, task, vma, page):
        """mm/hugetlb.c:hugetlb_no_page."""
        shared = HUGETLBFS and self.shared(vma)
        css = self.css_of(task)
        map_chg = self.vma_needs_reservation(vma, page)
        if STEPS:
            yield "vma_needs_reservation is done"
        may_reserve = shared or self.resv_owner[vma]
        nid = yield from self.alloc_steps(task, vma, map_chg, may_reserve, css)
        if nid is None:
            self.vma_end_reservation(vma)
            self.failed = self.failed or map_chg == 0
            return SIGBUS
        if STEPS:
            yield "has a folio"
        css_rsvd = yield from self.commit_steps(task, vma, page, map_chg, css)
        self.install(vma, page, nid, css, css_rsvd)
        return OK

    def install(self, vma, page, nid, css, css_rsvd):
        """hugetlb_add_to_page_cache, or the first mapping of a private page."""
        if HUGETLBFS and self.shared(vma):
            self.page_cache.set(self.vm_file[vma], page, nid, css, css_rsvd)
        else:
            self.anon.set(vma, page, nid, css, css_rsvd)

    # -- userfaultfd --

    @action(kernel="mm/hugetlb.c:hugetlb_mfill_atomic_pte", when=USERFAULTFD)
    def uffdio_copy(
        self, task: TASKS, vma: VMAS, page: PAGES, resident: Bool()
    ) -> Errno:
        """UFFDIO_COPY to a shared mapping. Unless the source is ``resident``, it is
        copied without locks, to a page that is no promised one, and then all is
        tried again."""
        require(self.vm_mm[vma] == task and self.mapped(vma, page))
        require(self.shared(vma))
        yield from self.lock_index(task, page, True)
        result = OK
        if self.is_there(vma, page):
            result = EEXIST
        elif resident:
            result = yield from self.no_page_steps(task, vma, page)
        else:
            result = yield from self.copy_steps(task, vma, page)
        self.unlock_index(task, page, True)
        return result

    def copy_steps(self, task, vma, page):
        """The two calls of hugetlb_mfill_atomic_pte(). The first page is given back
        with its promise before the locks are dropped (since 5.14: 8cc5fcbb5be8)."""
        css = self.css_of(task)
        map_chg = self.vma_needs_reservation(vma, page)
        nid = yield from self.alloc_steps(task, vma, map_chg, True, css)
        if nid is None:
            self.vma_end_reservation(vma)
            return ENOMEM
        css_rsvd = yield from self.commit_steps(task, vma, page, map_chg, css)
        yield from self.lock(task)
        restore = self.restore_reserve_on_error(vma, page, map_chg == 0)
        self.free_huge_folio(nid, restore, False, css, css_rsvd)
        self.unlock(task)
        yield from self.lock(task)
        allocated = self.alloc_scratch(task, vma)
        self.unlock(task)
        if not allocated:
            return ENOMEM
        self.unlock_index(task, page, True)
        if STEPS:
            yield "copies without locks"
        yield from self.lock_index(task, page, True)
        result = EEXIST
        if not self.is_there(vma, page):
            result = yield from self.no_page_steps(task, vma, page)
        yield from self.lock(task)
        self.free_scratch(task)
        self.unlock(task)
        return result

    def alloc_scratch(self, task, vma):
        """mm/hugetlb.c:alloc_hugetlb_folio_nodemask: a free page that is promised to
        nobody, or a temporary one. Return whether there is one."""
        nodes = self.mpol.huge_node(vma, task)
        nid = self.dequeue_hugetlb_folio_vma(False, nodes)
        temporary = nid is None
        if nid is None:
            nid = self.h.alloc_fresh_hugetlb_folio(nodes)
        self.scratch[task] = nid
        self.scratch_temporary[task] = temporary and nid is not None
        return nid is not None

    def free_scratch(self, task):
        """mm/hugetlb.c:free_huge_folio of the page that was copied to."""
        for n in NODES:
            if self.scratch[task] == n:
                if self.scratch_temporary[task]:
                    self.h.remove_hugetlb_folio(n, False, False)
                elif self.h.surplus_huge_pages_node[n] > 0:
                    self.h.remove_hugetlb_folio(n, False, True)
                else:
                    self.h.enqueue_hugetlb_folio(n)
        self.scratch[task] = None
        self.scratch_temporary[task] = False

    # -- munmap --

    @action(kernel="mm/vma.c:do_vmi_munmap")
    def unmap(self, task: TASKS, vma: VMAS) -> Errno:
        """munmap() of the VMA."""
        require(self.vm_mm[vma] == task)
        for p in PAGES:
            if self.anon.node[vma, p] is not None:
                yield from self.lock(task)
                self.unmap_hugepage_range(vma, p)
                self.unlock(task)
        yield from self.close_steps(task, vma)
        self.forget(vma)
        return OK

    def close_steps(self, task, vma):
        """mm/hugetlb.c:hugetlb_vm_op_close."""
        if self.resv_owner[vma]:
            start = self.vm_start[vma]
            end = self.vm_end[vma]
            reserve = self.resv_map.region_absent(vma, start, end)
            self.hugetlb_cgroup_uncharge_cgroup_rsvd(self.resv_css[vma], end - start)
            yield from self.return_unused_steps(task, reserve)

    # -- policies, cgroups --

    @action(kernel="mm/mempolicy.c:do_set_mempolicy", when=MEMPOLICY)
    def set_mempolicy(self, task: TASKS, nodes: SetOf(NODES)) -> Errno:
        """set_mempolicy(MPOL_BIND)."""
        require(len(nodes) > 0)
        self.mpol.mempolicy[task] = nodes
        return OK

    @action(kernel="kernel/cgroup/cgroup.c:cgroup_attach_task", when=CGROUP)
    def attach(self, task: TASKS, css: CGROUPS) -> Errno:
        """A task enters a cgroup; what is charged stays charged."""
        assume(
            all(self.vm_mm[v] != task for v in VMAS),
            "no task with VMAs moves to a cgroup",
        )
        self.cgroup.of[task] = css
        return OK


class HugetlbSteps(Steps, Design):
    """hugetlb of Linux 6.12, tasks at once."""
