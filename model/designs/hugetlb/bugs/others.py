# SPDX-License-Identifier: GPL-2.0-only
"""What is no fix's: tests that failed on some kernel, and a text that was wrong."""

from poolproof.model.designs.bug import Bug
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb
from poolproof.model.designs.hugetlb.names import NODES


class ReadaheadKeepsPromise(Hugetlb):
    """libhugetlbfs tests/readahead_reserve.c, madvise_reserve.c and
    fadvise_reserve.c: on some kernels advice to read ahead allocated the page
    and put it into the file, but took no promise. resv_huge_pages +1: map a
    file, readahead()."""

    bug = Bug(
        "",
        "2.6.24",
        "readahead fills a file without using its reservations",
        trigger="readahead",
        having="hugetlbfs",
        bounds={"V": 1, "P": 1, "files": 1, "blocks": 1},
        detected="hugetlb_invariants.resv_exact",
    )

    def read_ahead(self, file, page):
        promised = self.i_resv_map.regions[file, page]
        if promised and self.page_cache.node[file, page] is None:
            nid = self.h.dequeue_hugetlb_folio_nodemask({n for n in NODES})
            self.page_cache.set(file, page, nid, None, None)


class DocumentedReservation(Hugetlb):
    """7a197d346a44: Documentation/mm/hugetlbfs_reserv.rst said that a promise is
    made if resv_needed <= resv_huge_pages - free_huge_pages. Both counters are
    unsigned: while fewer pages are promised than are free the difference is a
    very large number, and any request passes. No kernel ever did this."""

    bug = Bug(
        "7a197d346a44",
        "",
        "the documented test lets any request pass",
        bounds={"V": 1, "P": 2, "blocks": 1},
        detected="hugetlb_invariants.resv_backed",
    )

    def hugetlb_acct_memory(self, delta, nodes, mems):
        difference = self.h.resv_huge_pages - self.h.free_huge_pages()
        if difference >= 0 and delta > difference:
            return False
        self.h.change_resv(delta)
        return True
