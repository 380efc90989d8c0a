# SPDX-License-Identifier: GPL-2.0-only
"""Pages of 1 GiB beside the pool: mappings that are promised them, and demotion.

All are on the first node. No mapping of them is ever touched, and no child has it
(MADV_DONTFORK).
"""

from poolproof.model.blocks.errno import EBUSY, ENOMEM, OK, Errno
from poolproof.model.designs.hugetlb.files import Mounts
from poolproof.model.designs.hugetlb.names import (
    CAP,
    DEMOTE,
    GIGANTIC,
    GIGANTIC_MMAP,
    NODES,
    RATIO,
    TASKS,
)
from poolproof.model.language import Given, Int, action, assume, observer, require


class Gigantic(Mounts):
    """demote_store, and reservations of gigantic pages."""

    @observer
    def gigantic_resv(self) -> Int():
        """HugePages_Rsvd of the gigantic pool."""
        if not GIGANTIC_MMAP:
            return 0
        return sum(self.gigantic_mapped[t] for t in TASKS)

    @action(kernel="mm/hugetlb.c:hugetlb_reserve_pages", when=(DEMOTE, GIGANTIC_MMAP))
    def mmap_gigantic(self, task: TASKS) -> Errno:
        """mmap(MAP_HUGE_1GB) of one page. There is no surplus of such pages:
        nr_overcommit_hugepages of their pool is 0."""
        first = self.first_node()
        if self.gigantic_resv() + 1 > self.gigantic:
            return ENOMEM
        if first not in self.mpol.policy_mbind_nodemask(task):
            return ENOMEM
        self.gigantic_mapped[task] += 1
        return OK

    @action(kernel="mm/hugetlb.c:hugetlb_vm_op_close", when=(DEMOTE, GIGANTIC_MMAP))
    def munmap_gigantic(self, task: TASKS) -> Errno:
        """munmap() of such a mapping."""
        require(self.gigantic_mapped[task] > 0)
        self.gigantic_mapped[task] -= 1
        return OK

    @action(kernel="mm/hugetlb.c:demote_free_hugetlb_folios", when=DEMOTE)
    def demote(self, count: Given(GIGANTIC_MMAP, Int(1, GIGANTIC), 1)) -> Errno:
        """A write to the gigantic pool's demote, where CAP has room: free pages of
        the first node become free pages of this pool. demote_store() succeeds
        without effect if all are promised, and fails if no page is left."""
        first = self.first_node()
        require(self.gigantic > 0)
        available = self.gigantic - self.gigantic_resv()
        if GIGANTIC_MMAP and available == 0:
            return OK
        demoted = self.demoted_at_once(count, available)
        assume(
            self.h.nr_huge_pages_node[first] + RATIO * demoted <= CAP,
            "no demotion beyond a node's CAP",
        )
        self.gigantic -= demoted
        self.h.nr_huge_pages_node[first] += RATIO * demoted
        self.h.free_huge_pages_node[first] += RATIO * demoted
        if demoted < count and self.gigantic != self.gigantic_resv():
            return EBUSY
        return OK

    def demoted_at_once(self, count, available):
        """Return how many pages demote_store() takes. It looks at the promises once,
        and demote_pool_huge_page() takes as many as the write says (in 6.12, not in
        6.1)."""
        return min(count, self.gigantic)

    def first_node(self):
        """Return the first node."""
        first = None
        for n in NODES:
            if first is None:
                first = n
        return first
