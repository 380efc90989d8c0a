# SPDX-License-Identifier: GPL-2.0-only
"""The features of the global pool, and the bounds and domains that it alone has.

A feature is a load (something that happens to the pool) or a choice (what the
pool does about it). With no choice on, the pool refuses what would break a
promise; most choices are what a kernel does today, or what costs less.
"""

from enum import Enum
from typing import Any

from poolproof.model.designs.names import (
    BLOCKS,
    LENDING,
    MEMCG,
    NUMA,
    PINS,
    POISON,
    PUNCH,
    SLOTS,
    SWAP_ON,
    C,
    F,
    N,
    P,
)
from poolproof.model.language import Bound, Feature, Int, Scalarset

A: Any = Bound("areas", 1, doc="areas of 1 GiB of each node; blocks: 2 MiB of each")
OUTSIDE = Bound("outside", 1, doc="pageblocks of others, of each node")
K = Bound("K", 2, doc="base pages of a block")
MARK = Bound("mark", 0, least=0, doc="low watermark of a node, in base pages")
ERRORS = Bound("errors", 1, doc="memory errors at most")
VMEMMAP = Bound("vmemmap", 1, doc="splits for which there are page structures")

MOST = BLOCKS + OUTSIDE
REFS = 1 + C + F * P

AREAS = Scalarset("AREAS", N * A, prefix="a")
PAGEBLOCKS = Scalarset("PAGEBLOCKS", OUTSIDE, prefix="b")
CLUSTERS = Scalarset("CLUSTERS", SLOTS, prefix="sc")
CPUS = Scalarset("CPUS", 1, prefix="cpu")
SLOT = Int(0, K - 1)


class Kind(Enum):
    """Whose memory a file is."""

    NONE = 0
    """There is no such file."""
    SHMEM = 1
    HUGETLBFS = 2
    """Never in swap."""
    GUEST = 3
    """guest_memfd: never in swap, and split where the host shares a part."""
    ANON = 4
    """Not a file: a process's own THPs, which fall back to base pages."""


NONE, SHMEM, HUGETLBFS, GUEST, ANON = Kind

# -- loads --

KINDS = Feature("kinds", False, "hugetlbfs and guest_memfd beside shmem")
PARTIAL = Feature("partial", False, "guests share parts of pages", needs=KINDS)
THP = Feature("thp", False, "processes' own THPs take idle blocks")
SIZES = Feature("sizes", False, "files with pages of 1 GiB")
HANDOVER = Feature("handover", False, "a file is handed to another task", needs=NUMA)
LIMIT_CHANGE = Feature(
    "limit_change", False, "memory.max is lowered later", needs=MEMCG
)
RMDIR = Feature("rmdir", False, "cgroups are removed", needs=MEMCG)
RESIZE = Feature("resize", False, "the pool grows and shrinks at runtime")
FRAGMENTED = Feature(
    "fragmented", False, "others' pages are where the pool would grow", needs=RESIZE
)
OFFLINE = Feature("offline", False, "the memory of a node is removed")
SWAP_OTHERS = Feature("swap_others", False, "others' base pages in swap", needs=SWAP_ON)

# -- choices --

CPUSET_UNCHECKED = Feature(
    "cpuset_unchecked", False, "rebinding ignores promises", needs=NUMA
)
HANDOVER_UNCHECKED = Feature(
    "handover_unchecked", False, "handing over a file ignores promises", needs=HANDOVER
)
HOLE_UNCHECKED = Feature(
    "hole_unchecked",
    False,
    "rebinding checks promises, but not pages that a hole turns into promises",
    needs=(NUMA, PUNCH),
)
PROMISE_WINS = Feature(
    "promise_wins",
    False,
    "a promised fault goes where the promise is, whatever the masks",
    needs=CPUSET_UNCHECKED | HANDOVER_UNCHECKED,
)
HOLE_DROPS = Feature("hole_drops", False, "a hole gives the promise up", needs=PUNCH)
CHARGE_AT_FAULT = Feature(
    "charge_at_fault", False, "the fault is charged, not the promise", needs=MEMCG
)
LIMIT_REFUSED = Feature(
    "limit_refused", False, "a limit below the usage is refused", needs=LIMIT_CHANGE
)
REHOME = Feature("rehome", False, "at offline, charges move to the parent", needs=RMDIR)
LEND_PROMISED = Feature(
    "lend_promised", False, "promised blocks are lent, too", needs=LENDING
)
OVERCOMMIT = Feature(
    "overcommit", False, "promises up to the pool and its swap", needs=SWAP_ON
)
LAST_SLOT = Feature(
    "last_slot", False, "promises up to the last cluster of swap", needs=OVERCOMMIT
)
PINS_REFUSED: Any = Feature(
    "pins_refused",
    False,
    "a pin is refused if a promise needs the block in exchange",
    needs=(PINS, OVERCOMMIT),
)
KINDS_UNCHECKED = Feature(
    "kinds_unchecked",
    False,
    "promises of pages that swap can never take count like others",
    needs=(KINDS, OVERCOMMIT),
)
SLOTS_UNRESERVED: Any = Feature(
    "slots_unreserved",
    False,
    "others take the clusters that promises need",
    needs=(SWAP_ON, OVERCOMMIT),
)
COUNTED = Feature(
    "counted", False, "a promise checks only the number of free blocks", needs=SIZES
)
ANY_PLACE = Feature("any_place", False, "2 MiB are taken from any area", needs=SIZES)
MARGIN = Feature(
    "margin",
    False,
    "as many blocks stay unpromised as there may be errors",
    needs=POISON,
)
