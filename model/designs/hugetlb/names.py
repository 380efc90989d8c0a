# SPDX-License-Identifier: GPL-2.0-only
"""Features, bounds and domains of hugetlb. What other designs of pools have,
too, is in model/designs/names.py."""

from poolproof.model.designs.names import FILES as FILES
from poolproof.model.designs.names import LIMIT as LIMIT
from poolproof.model.designs.names import PINS as PINS
from poolproof.model.designs.names import POISON as POISON
from poolproof.model.designs.names import VMAS as VMAS
from poolproof.model.designs.names import F as F
from poolproof.model.designs.names import N as N
from poolproof.model.designs.names import P as P
from poolproof.model.designs.names import V as V
from poolproof.model.language import Bound, Feature, Int, Scalarset

HUGETLBFS = Feature("hugetlbfs", False, "files, with shared mappings")
PRIVATE_FILES = Feature(
    "private_files", False, "private mappings of files", needs=HUGETLBFS
)
NORESERVE = Feature("noreserve", False, "MAP_NORESERVE")
READAHEAD = Feature(
    "readahead", False, "readahead, fadvise and MADV_WILLNEED", needs=HUGETLBFS
)
DROP_CACHES = Feature(
    "drop_caches", False, "drop_caches, reclaim of clean pages", needs=HUGETLBFS
)
OFFSETS = Feature("offsets", False, "mappings of a file's tail", needs=HUGETLBFS)
FORK = Feature("fork", False, "fork and copy-on-write")
READS = Feature("reads", False, "read faults besides write faults")
EXIT = Feature(
    "exit",
    False,
    "exit, and munmap of several VMAs at once",
    assuming="munmap and exit go VMA by VMA",
)
SPLIT = Feature("split", False, "VMA splits, partial munmap")
MREMAP = Feature("mremap", False, "mremap to a new address")
MREMAP_PART = Feature(
    "mremap_part", False, "mremap of a VMA's head or tail", needs=MREMAP
)
MREMAP_MIDDLE = Feature(
    "mremap_middle", False, "mremap of a VMA's middle", needs=(MREMAP_PART, SPLIT)
)
DONTNEED = Feature("dontneed", False, "MADV_DONTNEED")
PUNCH = Feature("punch", False, "FALLOC_FL_PUNCH_HOLE, MADV_REMOVE", needs=HUGETLBFS)
FALLOCATE = Feature("fallocate", False, "fallocate", needs=HUGETLBFS)
DESCRIPTORS = Feature(
    "descriptors", False, "how many struct file_region a reserve map has in stock"
)
REGIONS = Feature("regions", False, "adds_in_progress of the reserve maps")
TRUNCATE = Feature("truncate", False, "ftruncate; a file has a size", needs=HUGETLBFS)
UNLINK = Feature("unlink", False, "unlink, close and eviction", needs=HUGETLBFS)
SURPLUS = Feature("surplus", False, "surplus pages up to nr_overcommit_hugepages")
SYSCTL = Feature("sysctl", False, "writes to nr_overcommit_hugepages", needs=SURPLUS)
RESIZE_NODE = Feature(
    "resize_node", False, "writes to a node's nr_hugepages", needs=SURPLUS
)
RESIZE = Feature("resize", False, "writes to nr_hugepages", needs=SURPLUS)
MOUNT = Feature(
    "mount", False, "mount and umount, with size= or min_size=", needs=HUGETLBFS
)
SIZE = Feature("size", False, "size= of the mount", needs=MOUNT)
MIN_SIZE = Feature("min_size", False, "min_size= of the mount", needs=MOUNT)
CPUSET = Feature("cpuset", False, "cpuset.mems of tasks")
MEMPOLICY = Feature("mempolicy", False, "set_mempolicy(MPOL_BIND)")
MBIND = Feature("mbind", False, "mbind(MPOL_BIND)")
POLICIES = Feature(
    "policies", False, "MPOL_PREFERRED and MPOL_INTERLEAVE, too", needs=MEMPOLICY
)
CGROUP = Feature("cgroup", False, "hugetlb_cgroup limits")
CGROUP_MOVE = Feature(
    "cgroup_move", False, "tasks move between cgroups at any time", needs=CGROUP
)
CSS = Feature(
    "css", False, "references that keep a dead cgroup's charges", needs=CGROUP
)
MEMCG = Feature(
    "memcg", False, "memory.max, with memory_hugetlb_accounting", needs=CGROUP
)
REMOTE = Feature(
    "remote", False, "other tasks fault pages in: process_vm_writev, ptrace"
)
MIGRATE = Feature("migrate", False, "pages move to another node")
OFFLINE = Feature("offline", False, "memory of a node is taken offline")
SOFT_OFFLINE = Feature(
    "soft_offline", False, "private pages in use are taken offline softly"
)
DEMOTE = Feature("demote", False, "gigantic pages of the first node are demoted")
GIGANTIC_MMAP = Feature(
    "gigantic_mmap", False, "mappings are promised gigantic pages", needs=DEMOTE
)
FRAGMENTS = Feature("fragments", False, "others' unmovable pages", needs=SURPLUS)
MEMFD = Feature(
    "memfd", False, "pages of files that are pinned by index", needs=(HUGETLBFS, PINS)
)
READ_ONLY = Feature(
    "read_only",
    False,
    "shared mappings of read-only descriptors",
    needs=(HUGETLBFS, READS),
)
SHM = Feature("shm", False, "System V segments: shmget, shmat", needs=UNLINK)
USERFAULTFD = Feature("userfaultfd", False, "UFFDIO_COPY, in one half or in two")
INJECT = Feature("inject", False, "allocated pages that cannot be installed")

B = Bound("blocks", 2, least=0, doc="persistent pages per node at the start")
CAP = Bound("CAP", 4, doc="huge pages that a node has room for")
OC = Bound("OC", 1, least=0, doc="nr_overcommit_hugepages")
STEP = Bound("STEP", 1, doc="pages that a write to nr_hugepages changes at most")
T = Bound("T", 1, doc="tasks")
C = Bound("C", 1, doc="cgroups, besides the root")
MAX = Bound("MAX", 2, doc="size= of the mount, in pages")
MIN = Bound("MIN", 1, doc="min_size= of the mount, in pages; at most P")
CG_MAX = Bound("CG_MAX", 1, doc="hugetlb.max of each cgroup")
GIGANTIC = Bound("GIGANTIC", 1, doc="free gigantic pages at the start")
RATIO = Bound("RATIO", 2, doc="pages that a gigantic page is demoted to")
CG_RSVD = Bound("CG_RSVD", 2, doc="hugetlb.rsvd.max of each cgroup")
IO = Bound("ios", 1, doc="pages that are pinned at a time")

NODES = Scalarset("NODES", N, prefix="n", ordered=True)
TASKS = Scalarset("TASKS", T, prefix="t")
CGROUPS = Scalarset("CGROUPS", C, prefix="cg")
IOS = Scalarset("IOS", IO, prefix="io", ordered=True)
ONE = Int(0, 0)
PAGES = Int(0, P - 1)
MAPCOUNTS = Int(1, V)
