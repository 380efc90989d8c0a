# SPDX-License-Identifier: GPL-2.0-only
"""The pool, mm/hugetlb.c: its size, surplus pages, memory that goes offline."""

from poolproof.model.blocks.hstate import Hstate
from poolproof.model.designs.bug import Bug
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb
from poolproof.model.designs.hugetlb.names import (
    CAP,
    NODES,
    TASKS,
)
from poolproof.model.language import made_like


class Before6b0c880dfefe(Hugetlb):
    """ "hugetlb: Fix pool resizing corner case": a shrink left as many pages as are
    promised, though pages in use cannot keep promises (set_max_huge_pages)."""

    bug = Bug(
        "6b0c880dfefe?",
        "2.6.24",
        "shrinking the pool frees pages that reservations need, if others are in use",
        trigger="resize_node resize",
        having="surplus",
        bounds={"V": 2, "P": 2, "blocks": 3},
        detected="hugetlb_invariants.resv_backed",
    )

    def min_count(self):
        return self.h.resv_huge_pages


class WritersNodes(Hstate):
    """A pool that is shrunk by free pages of the writer's cpuset only.

    Hook: ``writers_nodes()``, the cpuset of whoever writes nr_hugepages.
    """

    def remove_pool_hugetlb_folio(self, nodes_allowed, acct_surplus):
        if not acct_surplus:
            nodes_allowed = nodes_allowed & self.design.writers_nodes()
        super().remove_pool_hugetlb_folio(nodes_allowed, acct_surplus)


class Before348e1e04b522(Hugetlb):
    """ "hugetlb: fix pool shrinking while in restricted cpuset": a write to
    nr_hugepages freed pages of the writer's cpuset only, and called those of other
    nodes surplus (try_to_free_low, by dequeue_huge_page). The writer is any task."""

    bug = Bug(
        "348e1e04b522?",
        "2.6.25",
        "if a task in a cpuset shrinks the pool, free pages elsewhere become surplus",
        trigger="cpuset",
        having="surplus resize",
        bounds={"V": 1, "P": 1, "T": 1, "blocks": 1, "CAP": 2, "nodes": 2},
        detected="hugetlb_resize.shrink_frees_first",
    )

    h = made_like(Hugetlb.h, WritersNodes)

    def writers_nodes(self):
        return {
            n
            for n in NODES
            if all(n in self.mpol.cpuset_current_mems_allowed(t) for t in TASKS)
        }


class Before082d5b6b60e9(Hugetlb):
    """ "mm/hugetlb: check for reserved hugepages during memory offline": free pages
    were dissolved although all of them were promised
    (dissolve_free_huge_page)."""

    bug = Bug(
        "082d5b6b60e9?",
        "4.9",
        "taking memory offline takes reserved pages away",
        trigger="offline",
        bounds={"V": 1, "P": 1, "blocks": 1},
        detected="hugetlb_invariants.resv_backed",
    )

    def may_dissolve(self):
        return True


class Beforefd875dca7c71(Hugetlb):
    """ "hugetlbfs: fix potential over/underflow setting node specific nr_hugepages":
    the count for a node and the pages of the others were added as unsigned longs.
    Here the largest unsigned long is CAP (set_max_huge_pages)."""

    bug = Bug(
        "fd875dca7c71",
        "5.1",
        "a very large value for a node's nr_hugepages overflows to a small one",
        trigger="resize_node",
        having="surplus",
        bounds={"V": 1, "P": 1, "blocks": 1, "CAP": 2, "nodes": 2},
        detected="hugetlb_surplus_nodes.node_resize_is_obeyed",
    )

    def node_count(self, node, count):
        total = super().node_count(node, count)
        return total - (CAP + 1) if total > CAP else total


class SurplusSurvivesDissolve(Hugetlb):
    """ "mm/hugetlb: fix surplus pages in dissolve_free_huge_page()": a free page of a
    node with surplus was dissolved as if it were a persistent one."""

    bug = Bug(
        "",
        "6.15",
        "after a page is dissolved, its node has more surplus pages than pages",
        trigger="offline",
        having="surplus resize_node",
        bounds={"V": 1, "P": 1, "blocks": 1, "CAP": 2, "nodes": 2},
        detected="hugetlb_invariants.ranges",
    )

    def dissolved_surplus(self, node):
        return False
