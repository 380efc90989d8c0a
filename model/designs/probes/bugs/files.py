# SPDX-License-Identifier: GPL-2.0-only
"""Files of shmem that khugepaged collapses, mm/khugepaged.c."""

from typing import Any

from poolproof.model.blocks.file import ShmemInodes
from poolproof.model.designs.bug import Bug
from poolproof.model.designs.probes.files import ShmemFiles
from poolproof.model.language import Int, made_like, table


class ChargedHoles(ShmemInodes):
    """Holes stay charged if they are not filled: a file may be charged for more pages
    than it can have."""

    def __init__(self, inodes: Any, *rest: Any) -> None:
        super().__init__(inodes, *rest)
        self.alloced = table(inodes, Int(0, 2 * self.size))

    def rollback(self, inode, holes):
        pass


class Beforeaaa52e340073(ShmemFiles):
    """ "mm/khugepaged: fix crashes due to misaccounted holes": the holes of a range
    were charged to the file before all its pages could be copied, and a collapse that
    failed did not take that back (collapse_shmem)."""

    bug = Bug(
        "aaa52e340073?",
        "4.20",
        "a failed collapse leaves a file charged for its holes",
        trigger="collapse",
        having="mmap fallocate punch",
        bounds={"T": 1, "V": 1, "P": 1, "K": 2, "M": 3, "failures": 1},
        detected="file_cache.counted",
    )

    f = made_like(ShmemFiles.f, ChargedHoles)
