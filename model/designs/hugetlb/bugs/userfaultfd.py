# SPDX-License-Identifier: GPL-2.0-only
"""UFFDIO_COPY, mm/hugetlb.c."""

from poolproof.model.designs.bug import Bug
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb


class CopyErrorKeepsConsumed(Hugetlb):
    """ "userfaultfd: hugetlbfs: reserve count on error in __mcopy_atomic_hugetlb": a
    page that could not be copied brought its promise back, and the reserve map went
    on to say that it was consumed."""

    bug = Bug(
        "",
        "4.11",
        "a failing UFFDIO_COPY restores a reservation that the map says is consumed",
        trigger="userfaultfd",
        bounds={"V": 1, "P": 1, "blocks": 1},
        detected="hugetlb_invariants.resv_exact",
    )

    def copy_failed(self, vma, page, restore_reserve):
        return restore_reserve


class Befored84cf06e3dd8(Hugetlb):
    """ "mm, hugetlb: fix simple resv_huge_pages underflow on UFFDIO_COPY": a copy to an
    index that is in the page cache allocated a second page from the same promise,
    and gave it back (hugetlb_mcopy_atomic_pte). In between the counter has wrapped,
    which in this model stays."""

    bug = Bug(
        "d84cf06e3dd8",
        "5.13",
        "UFFDIO_COPY to an index in the page cache uses a second reservation",
        trigger="userfaultfd",
        having="hugetlbfs",
        bounds={"V": 1, "P": 1, "files": 1, "blocks": 2},
        detected="hugetlb_invariants.ranges",
    )

    def copy_exists(self, vma, page):
        if self.shared(vma):
            return False
        return super().copy_exists(vma, page)
