# SPDX-License-Identifier: GPL-2.0-only
"""hugetlb's reservations: mm/hugetlb.c, fs/hugetlbfs/inode.c and
mm/hugetlb_cgroup.c of Linux 6.12 (6.12.117), one huge page size.

Modelled, each a feature that a spec turns on: private anonymous mappings and their
reserve maps (always there), shared and private mappings of files on one hugetlbfs
mount, MAP_NORESERVE, surplus pages and nr_overcommit_hugepages, resizing by node and
in total with the hidden node cursors, fork and copy-on-write with the owner taking
pages from children, VMA splits and partial munmap, munmap and exit of several VMAs at
once, moving mremap, MADV_DONTNEED, hole punching, fallocate, truncation, unlink with
eviction at the last munmap, size= and min_size= of the mount, cpusets, MPOL_BIND of
tasks and VMAs, hugetlb_cgroup usage and rsvd with limits, tasks that move between
cgroups, memory.max with memory_hugetlb_accounting, pages pinned for I/O, memory
errors in free pages, private pages that are taken offline softly, gigantic pages that
are promised or demoted, pages that are allocated and then cannot be installed, holes
without memory for a reserve map descriptor, pages that move to another node, faults
by other tasks, advice to read ahead, UFFDIO_COPY in two halves, System V segments,
pages of a memfd that are pinned by index, shared mappings of read-only descriptors,
the two phases in which a reserve map changes, references to cgroups, and (with the
bound `failures`) allocations of descriptors, reserve maps, VMAs and page tables that
fail.
Errors are those that the system call returns, or the signal of the fault.

Each action is one critical section; what happens when the kernel drops a lock
in the middle is left out, and so are: other small allocations that fail (that of
a descriptor fails with the feature descriptors only); OOM kills in a memcg;
errors in pages in use, CMA, what else happens to gigantic pages; policies other than
MPOL_BIND; private read-only mappings and mappings beyond the end of a file.
`HugetlbSteps` (steps/) has tasks that interleave where a lock is dropped.

Written down less literally:
- An address is a VMA and a page index of its file (of its private object).
  Two pieces of one private mapping share a reserve map in the kernel; their
  indices are disjoint, so here each VMA has its part of it, with as many
  descriptors in stock as the whole had when it was split.
- VM_NORESERVE leaves no trace: a mapping without promises is one without
  HPAGE_RESV_OWNER (private), or whose indices are not in the inode's map.
- Page table entries of page cache pages are not modelled: they change no count.
- Files exist, empty, until they are unlinked; an evicted one exists again.
- fork() copies one VMA, as if MADV_DONTFORK were set on all others. The child
  may be the same element of TASKS: tasks that share policy, cpuset and cgroup
  need no elements of their own.
- exit(), or a munmap() of several VMAs, is munmap() of each VMA, one after the
  other, where the feature "exit" is off. The kernel frees the pages of all of
  them before it closes the first. Only surplus pages and a mount with both
  size= and min_size= show the difference. With "exit" the VMAs are closed in
  the order of their slots, in the kernel by address: only such a mount shows
  that.
- mremap() that shrinks is munmap() of the tail; MADV_REMOVE is a hole.
- Pages that one call unmaps are freed one by one. The kernel unmaps first and
  frees then, which is the same where none of them is a surplus page.
- An owner finds its children's mappings of a page by the page, the kernel by
  the address: fork() together with mremap() is left out.

Each file has a class that builds on the one before: state (with what specs
ask), reserve (mmap), shm, fault (and fallocate), userfault, gup (pins), migrate, inode,
unmap, vmas (split, mremap, fork), files (holes, truncation, unlink, mounts), gigantic,
administration (sizes, policies, cgroups, memory errors), census (the observers of
specs/questions/).
names has the features and bounds.
"""

from poolproof.model.designs.hugetlb.census import Census
from poolproof.model.language import Design


class Hugetlb(Census, Design):
    """hugetlb reservations of Linux 6.12."""
