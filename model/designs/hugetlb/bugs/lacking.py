# SPDX-License-Identifier: GPL-2.0-only
"""Bugs that hugetlb once had and that no design here can have yet, each with what
the model lacks."""

from poolproof.model.designs.bug import Bug

FAILURES = "region_add() fails only after a race: failures in actions that yield"

RESERVED_ANYWAY = Bug(
    "7fc2513aa237",
    "5.11",
    "mmap succeeds although region_add() failed, and nothing is reserved",
    lacks=FAILURES,
)
FIX_COUNTS = Bug(
    "da56388c4397",
    "5.13",
    "if memory is short, punching a hole reserves a page that the subpool refused",
    lacks="a drift that the fix removes: it warns, and the counts stay wrong",
)
