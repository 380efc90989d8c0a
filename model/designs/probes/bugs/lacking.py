# SPDX-License-Identifier: GPL-2.0-only
"""Bugs of other parts than hugetlb that no design here can have yet, each with what
the model lacks."""

from poolproof.model.designs.bug import Bug

FREE_PAGES = Bug(
    "2139cbe627b8",
    "3.8",
    "free pages of an isolated block are counted twice",
    lacks="NR_FREE_PAGES of all types, beside the free lists",
)
ANON_THPS = Bug(
    "",
    "5.12",
    "NR_ANON_THPS counts a huge page as one page when its charge moves",
    lacks="statistics of cgroups, in pages and in huge pages",
)
