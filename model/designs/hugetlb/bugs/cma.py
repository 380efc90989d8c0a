# SPDX-License-Identifier: GPL-2.0-only
"""Pages of CMA areas, mm/hugetlb.c."""

from poolproof.model.blocks.errno import OK
from poolproof.model.designs.bug import Bug
from poolproof.model.designs.hugetlb.cma import HugetlbCma
from poolproof.model.designs.hugetlb.names import DEMOTE, RATIO, B
from poolproof.model.language import Int, var


class Beforea01f43901cfb(HugetlbCma):
    """ "hugetlb: be sure to free demoted CMA pages to CMA": the pieces of a demoted
    page did not know that they were the area's, so what left the pool went to the
    buddy allocator (demote_free_huge_page). Here pieces leave the pool first."""

    bug = Bug(
        "a01f43901cfb",
        "5.16",
        "pieces of a demoted CMA page go to the buddy allocator",
        trigger="demote",
        having="lending",
        bounds={"V": 1, "P": 1, "nodes": 1, "blocks": 3, "spare": 1},
        detected="hugetlb_cma.grown",
    )

    pieces = var(Int(0, B), when=DEMOTE, doc="pages of the pool that were demoted")
    astray = var(Int(0, B), when=DEMOTE, doc="of the area, and it has them no more")

    def demote(self, count):
        before = self.gigantic
        error = super().demote(count)
        self.pieces += RATIO * (before - self.gigantic)
        return error

    def shrink(self, node):
        error = super().shrink(node)
        if error is OK and self.pieces > 0:
            self.pieces -= 1
            self.astray += 1
        return error

    def area(self, node):
        whole = super().area(node)
        return whole - self.astray if node == self.first_node() else whole
