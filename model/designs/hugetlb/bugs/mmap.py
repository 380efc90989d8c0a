# SPDX-License-Identifier: GPL-2.0-only
"""mmap that fails half-way: mm/hugetlb.c:hugetlb_reserve_pages and its callers."""

from poolproof.model.designs.bug import Bug
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb
from poolproof.model.language import may_fail

PRIVATE = {"V": 1, "P": 1, "blocks": 1, "failures": 1}


class Beforec50ac0508415(Hugetlb):
    """ "hugetlb: fix resv_map leak in error path": a private mapping got its reserve
    map first, and a mmap that failed afterwards never freed it
    (hugetlb_reserve_pages). The map itself is not counted here; the reference to a
    cgroup that it has today is lost with it."""

    bug = Bug(
        "c50ac0508415?",
        "3.5",
        "a private mmap that fails leaks its reserve map",
        trigger="css",
        bounds={"V": 1, "P": 2, "blocks": 1, "CG_RSVD": 2},
        detected="hugetlb_css.css_exact",
    )

    def hugetlb_reserve_private(self, task, spool, length):
        reserved = super().hugetlb_reserve_private(task, spool, length)
        if not reserved:
            self.css.css_get(self.cgroup.of[task])
        return reserved


class Beforeff8c0c53c475(Hugetlb):
    """ "mm/hugetlb.c: don't call region_abort if region_chg fails": the second phase of
    a change of the reserve map was undone where the first one had failed
    (hugetlb_reserve_pages)."""

    bug = Bug(
        "ff8c0c53c475",
        "4.11",
        "region_abort() is called although region_chg() failed",
        trigger="failures",
        having="hugetlbfs regions descriptors",
        bounds={"V": 2, "P": 2, "files": 1, "blocks": 2, "failures": 1},
        detected="hugetlb_failures.settled",
    )

    def out_err(self, file, chg, needed):
        self.i_resv_map.region_abort(file, needed)


class Beforedeb0f6562884(Hugetlb):
    """ "mm/mmap: undo ->mmap() when arch_validate_flags() fails": a mmap that failed
    after the file's mmap method did not close the mapping (mmap_region)."""

    bug = Bug(
        "deb0f6562884",
        "6.1",
        "an mmap that fails late does not close the mapping: its reservation stays",
        trigger="failures",
        bounds=PRIVATE,
        detected="hugetlb_invariants.resv_exact",
    )

    def late_failure(self):
        return may_fail("arch_validate_flags")

    def close_and_free_vma(self, task, spool, length, noreserve):
        pass


class MmapPrepare(Hugetlb):
    """hugetlbfs with mmap_prepare (ea52cb24cd3f, reverted): what was reserved before
    the VMA is there was not given back where none could be allocated."""

    bug = Bug(
        "",
        "7.1",
        "if there is no memory for a VMA, what mmap_prepare reserved stays",
        trigger="failures",
        bounds=PRIVATE,
        detected="hugetlb_invariants.resv_exact",
    )

    def late_failure(self):
        return may_fail("vm_area_alloc")

    def close_and_free_vma(self, task, spool, length, noreserve):
        pass
