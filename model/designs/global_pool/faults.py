# SPDX-License-Identifier: GPL-2.0-only
"""Page faults: what was promised is there, and what was not may be."""

from poolproof.model.blocks.errno import OK, OOM, SIGBUS, Errno
from poolproof.model.designs.global_pool.names import (
    ANON,
    ANY_PLACE,
    AREAS,
    CHARGE_AT_FAULT,
    LEND_PROMISED,
    PROMISE_WINS,
    SIZES,
    THP,
)
from poolproof.model.designs.global_pool.swap import Swapping
from poolproof.model.designs.names import (
    CGROUPS,
    FILES,
    INDICES,
    MEMCG,
    NODES,
    NUMA,
    SWAP_ON,
    TASKS,
)
from poolproof.model.language import action, assume, require


class Faults(Swapping):
    """A task that faults, on a node of its masks."""

    def may_use(self, task, file, node):
        return not NUMA or node in self.mpol.huge_node(file, task)

    def serves(self, task, file, node):
        """Whether a promise on the node is of use to the task."""
        return self.promise[file, node] > 0 and (
            PROMISE_WINS or self.may_use(task, file, node)
        )

    def is_broken_up(self, area):
        return self.free[area] > 0 and not self.is_whole(area)

    def has_room(self, file, area):
        """Whether a page of the file can be had of the area. 2 MiB come from
        an area that is broken up, while there is room in one of the node."""
        if SIZES:
            if self.gigantic[file]:
                return self.is_whole(area)
            if not ANY_PLACE and self.is_whole(area):
                return not any(
                    self.node_of[a] == self.node_of[area] and self.is_broken_up(a)
                    for a in AREAS
                )
        return self.free[area] > 0

    def finds(self, task, file, area):
        """Whether a promised fault can take the area."""
        return self.has_room(file, area) and any(
            self.node_of[area] == n and self.serves(task, file, n) for n in NODES
        )

    def waits(self, task, file):
        """Whether something can be done for a fault that finds no block: a
        loan is called back, or a page goes to swap."""
        return any(
            self.serves(task, file, n)
            and (
                (LEND_PROMISED and self.can_recall_on(n))
                or (SWAP_ON and not self.is_gigantic(file) and self.can_exchange(n))
            )
            for n in NODES
        )

    def is_gigantic(self, file):
        return SIZES and self.gigantic[file]

    def limit_waits(self, task, file):
        """Whether a charge that is refused waits: each cgroup that refuses it
        has something to reclaim."""
        return MEMCG and not any(
            self.cgroups.is_descendant(self.task.of[task], c)
            and self.memory.usage[c] + self.unit(file) > self.memory.max[c]
            and not self.can_reclaim(c)
            for c in CGROUPS
        )

    def take(self, file, index, area):
        """The page is there."""
        self.free[area] -= self.unit(file)
        self.page[file, index] = area

    def fault_promised(self, task, file, index, area):
        """A page that was promised, or has been in memory before: the error."""
        none = not any(self.finds(task, file, a) for a in AREAS)
        require(none or self.finds(task, file, area))
        if none:
            assume(
                not self.waits(task, file),
                "a fault waits while something can be reclaimed",
            )
            self.failed = True
            return SIGBUS
        if CHARGE_AT_FAULT:
            charged = self.try_charge(file, index, self.payer(task))
            if not charged:
                assume(
                    not self.limit_waits(task, file),
                    "a fault waits while something can be reclaimed",
                )
                self.failed = True
                return OOM
        self.promise[file, self.node_of[area]] -= 1
        self.take(file, index, area)
        return OK

    def is_idle(self, task, file, area):
        """Whether the task may have a block that nobody needs."""
        return (
            self.has_room(file, area)
            and not self.is_gigantic(file)
            and any(
                self.node_of[area] == n
                and self.may_use(task, file, n)
                and self.is_common(file, n)
                for n in NODES
            )
            and self.keeps(area, True)
        )

    def fault_idle(self, task, file, index, area):
        """A page that nobody promised."""
        none = not any(self.is_idle(task, file, a) for a in AREAS)
        require(none or self.is_idle(task, file, area))
        if none:
            return SIGBUS
        charged = self.try_charge(file, index, self.payer(task))
        if not charged:
            assume(
                not self.limit_waits(task, file),
                "a fault waits while something can be reclaimed",
            )
            return SIGBUS
        self.resv_map.region_add(file, index, index + 1)
        self.take(file, index, area)
        return OK

    @action(kernel="mm/hugetlb.c:hugetlb_no_page", chosen="area")
    def fault(self, task: TASKS, file: FILES, index: INDICES, area: AREAS) -> Errno:
        """The area is the allocator's choice, among those that will do."""
        require(self.is_file(file) and self.page[file, index] is None)
        require(self.cluster[file, index] is None)
        if NUMA:
            require(self.maps[task, file])
        if self.resv_map.regions[file, index]:
            promised: Errno = self.fault_promised(task, file, index, area)
            return promised
        idle: Errno = self.fault_idle(task, file, index, area)
        return idle

    @action(
        kernel="mm/huge_memory.c:do_huge_pmd_anonymous_page", when=THP, chosen="area"
    )
    def fault_anon(
        self, task: TASKS, file: FILES, index: INDICES, area: AREAS
    ) -> Errno:
        """Huge where a block is idle, else base pages from elsewhere."""
        require(self.kind[file] == ANON and self.page[file, index] is None)
        require(not self.fallen[file, index])
        if SWAP_ON:
            require(self.cluster[file, index] is None)
        if NUMA:
            require(self.maps[task, file])
        error: Errno = self.fault_idle(task, file, index, area)
        if error is not OK:
            self.fallen[file, index] = True
        return OK

    @action(kernel="mm/shmem.c:shmem_swapin_folio", when=SWAP_ON, chosen="area")
    def swap_in(self, task: TASKS, file: FILES, index: INDICES, area: AREAS) -> Errno:
        """Of a page that was promised: whole, to a block of the pool. The
        cluster that is read is free only afterwards."""
        require(self.is_file(file) and self.cluster[file, index] is not None)
        if NUMA:
            require(self.maps[task, file])
        error: Errno = self.fault_promised(task, file, index, area)
        if error is OK:
            self.put_cluster(file, index)
        return error

    @action(kernel="mm/memory.c:do_swap_page", when=(SWAP_ON, THP))
    def swap_in_anon(self, file: FILES, index: INDICES):
        """Base pages, whatever it was."""
        require(self.kind[file] == ANON and self.cluster[file, index] is not None)
        self.put_cluster(file, index)
        self.fallen[file, index] = True
