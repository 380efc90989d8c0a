# SPDX-License-Identifier: GPL-2.0-only
"""Files, fs/hugetlbfs/inode.c."""

from poolproof.model.designs.bug import Bug
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb


class Before22146c3ce989(Hugetlb):
    """ "hugetlbfs: dirty pages as they are added to pagecache": clean pages of a file
    could be dropped by generic code, and their indices stayed in the reserve map
    (huge_add_to_page_cache)."""

    bug = Bug(
        "22146c3ce989?",
        "4.20",
        "drop_caches frees pages of files, but their indices stay in the map",
        trigger="drop_caches",
        having="hugetlbfs",
        bounds={"V": 1, "P": 1, "files": 1, "blocks": 1},
        detected="hugetlb_invariants.resv_exact",
    )

    def is_dirty(self, file, page):
        return False
