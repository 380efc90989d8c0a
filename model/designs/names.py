# SPDX-License-Identifier: GPL-2.0-only
"""Names that the designs of pools share: one bound, one domain and one feature
has one name in all of them, so that a spec may be asked of any.

A design declares what it alone has, or what means another thing there, such
as ``partial``. hugetlb's full account and the probes have shorter names of
bounds (``N``, ``F``) in their specs, and their own declarations.
"""

from poolproof.model.blocks.errno import EAGAIN as EAGAIN
from poolproof.model.blocks.errno import EBUSY as EBUSY
from poolproof.model.blocks.errno import ENOMEM as ENOMEM
from poolproof.model.blocks.errno import ENOSPC as ENOSPC
from poolproof.model.blocks.errno import OK as OK
from poolproof.model.blocks.errno import OOM as OOM
from poolproof.model.blocks.errno import SIGBUS as SIGBUS
from poolproof.model.blocks.errno import Errno as Errno
from poolproof.model.language import Bound, Feature, Int, Scalarset

BLOCKS = Bound("blocks", 2, doc="huge pages of the pool, of each node")
N = Bound("nodes", 1)
F = Bound("files", 2)
T = Bound("T", 2, doc="tasks")
C = Bound("C", 2, doc="cgroups")
V = Bound("V", 2, doc="mappings")
P = Bound("P", 2, doc="huge pages of a mapping or a file at most")
LIMIT = Bound("limit", 1, doc="memory.max, in huge pages")
SLOTS = Bound("slots", 1, least=0, doc="swap, in huge pages")
SPARE = Bound("spare", 1, doc="base memory for migration targets, in huge pages")

NODES = Scalarset("NODES", N, prefix="n")
FILES = Scalarset("FILES", F, prefix="f")
TASKS = Scalarset("TASKS", T, prefix="t")
CGROUPS = Scalarset("CGROUPS", C, prefix="cg")
VMAS = Scalarset("VMAS", V, prefix="v")
RANGES = Scalarset("RANGES", V, prefix="v")
PAGEBLOCKS = Scalarset("PAGEBLOCKS", BLOCKS, prefix="b", ordered=True)
GROUP = Scalarset("CGROUPS", 1, prefix="cg")
INDICES = Int(0, P - 1)

NUMA = Feature("numa", False, "tasks or files are bound to a node, and rebound")
MEMCG = Feature("memcg", False, "a memcg with a limit")
FORK = Feature("fork", False, "fork and copy-on-write")
DONTNEED = Feature("dontneed", False, "MADV_DONTNEED")
MEMPOLICY = Feature("mempolicy", False, "set_mempolicy(MPOL_BIND)", needs=NUMA)
MBIND = Feature("mbind", False, "mbind(MPOL_BIND) of a file", needs=NUMA)
SEND = Feature("send", False, "descriptors handed over")
FALLOCATE = Feature("fallocate", False, "fallocate")
TRUNCATE = Feature("truncate", False, "ftruncate to a smaller size")
PUNCH = Feature("punch", False, "FALLOC_FL_PUNCH_HOLE")
SWAP_ON = Feature("swap", False, "a swap device")
LRU = Feature("lru", False, "pages that reclaim skips for now", needs=SWAP_ON)
LRU_WAITS = Feature(
    "lru_waits", False, "a promised fault waits for such pages", needs=LRU
)
LENDING = Feature("lending", False, "idle blocks lent to movable allocations")
PINS = Feature("pins", False, "pages pinned for I/O")
POISON = Feature("poison", False, "memory errors in free huge pages")
