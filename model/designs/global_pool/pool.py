# SPDX-License-Identifier: GPL-2.0-only
"""One pool, many consumers: the idea in David Hildenbrand's mail, as a design.

Source: the reply of 2026-06-29 to "[RFC PATCH 0/8] Introduce Reserved THP". The
mail names requirements, not a mechanism: file-centric, NUMA aware, memcg
aware, consumed by several clients. This is one mechanism that meets them, with
its open choices as features (names). mm/ has no such code: `kernel=` cites what
plays the part today.

Modelled: pages of files that are promised one by one, each on a node, to
whoever maps the file; files of shmem, hugetlbfs and guest_memfd, and
processes' own THPs, which are promised nothing; pages of 2 MiB and 1 GiB;
masks of the task that faults (cpuset, set_mempolicy) and of the file (mbind);
charges to a tree of cgroups, whose limits are lowered and which are removed;
loans to movable allocations; swap; pins; runtime resize, on memory that
others fragment; memory errors; offlining of a node.

Left out: base pages of THPs that fall back, and their charges; mappings of a
page that is there (they need nothing of the pool); the contents of pages;
names, descriptors and who holds them (a file goes at any time, a memfd with
the task that made it, unless it was handed over); the aging that picks
victims: any may go. The charge of a pinned page ends with its file. Who maps
a file is kept with ``numa`` only; else any task may. A cpuset is a task's, as
if each had a cgroup of its own for it. Others free what they use in loans
block by block; 1 GiB is unpinned block by block.

Each file has a class that builds on the one before: state (with what specs
ask), charges, admission (what may be promised), memory (blocks that come and
go), policies, swap, faults, files.
"""

from poolproof.model.designs.global_pool.files import Files
from poolproof.model.language import Design


class GlobalPool(Files, Design):
    """A file-centric, node-aware, memcg-aware pool."""
