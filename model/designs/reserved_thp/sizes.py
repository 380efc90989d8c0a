# SPDX-License-Identifier: GPL-2.0-only
"""Reserved THP with pages of 1 GiB: section 3.5 of its cover letter.

Source: cover.1782538002.git.zhengqi.arch@bytedance.com, which says that it would
be simpler than for regular THP. No code was posted. From the posted patches are
one quota for all, charged by length, and pageblocks that are taken wherever they
are free. Our choice: K of them, side by side from a boundary on, make a page of
1 GiB, and none is moved for it. All else is of global_pool_sizes.py.
"""

from poolproof.model.designs.global_pool.sizes import GlobalPoolSizes


class ReservedThpSizes(GlobalPoolSizes):
    """A quota by length, and pageblocks from anywhere."""

    def counted(self):
        return True

    def any_place(self):
        return True
