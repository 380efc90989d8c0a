# SPDX-License-Identifier: GPL-2.0-only
"""TAO: ZONE_NOSPLIT and ZONE_NOMERGE, Yu Zhao, February 2024.

Source: 20240229183436.4110845-2-yuzhao@google.com, and its LWN coverage.
Modelled: one policy zone with a minimum order of one huge page, next to
ordinary memory of base pages. Any movable request of that order may use the
zone: there is no owner, no quota and no promise. A folio of the zone that
would have to be split is shattered: its pages in use are migrated to base
pages outside, and the huge page is whole again; where there is no room, the
split fails and nothing changes. Features: ``partial`` (unmapping of parts),
``swap`` (whole, or shattered page by page), ``numa`` (tasks bound to a node; each
has a zone of its own), ``memcg``, ``fork`` and copy-on-write in base pages outside,
``poison`` (an error in a page of the zone: its huge page is shattered, and the
rest of it is below the order for good), ``nomerge`` (some of the zone's blocks are
ZONE_NOMERGE, which is tried first and whose page structures are saved).
Left out: several orders, the fallback to ZONE_MOVABLE, compaction.
"""

from enum import Enum

from poolproof.model.blocks.numa import NodeBinding
from poolproof.model.blocks.quota import MemoryMax
from poolproof.model.designs.forked_ranges import ForkedRanges
from poolproof.model.designs.names import (
    BLOCKS,
    EBUSY,
    FORK,
    GROUP,
    LIMIT,
    MEMCG,
    NODES,
    NUMA,
    OK,
    OOM,
    POISON,
    RANGES,
    SLOTS,
    SWAP_ON,
    Errno,
)
from poolproof.model.language import (
    Bool,
    Bound,
    Design,
    Feature,
    Int,
    Maybe,
    action,
    assume,
    observer,
    require,
    table,
    var,
)


class Backing(Enum):
    """What is behind one aligned range of a huge page's size."""

    UNMAPPED = 0
    NONE = 1
    HUGE = 2
    """A huge page of the zone."""
    PARTLY = 3
    """... of which a part is unmapped: the split waits for memory."""
    SMALL = 4
    SWAP = 5


UNMAPPED, NONE, HUGE, PARTLY, SMALL, SWAP = Backing

MERGELESS = Bound("nomerge_blocks", 1, doc="blocks of each node in ZONE_NOMERGE")
OUTSIDE = Bound("outside", 1, doc="memory outside, in huge pages' worth")

PARTIAL = Feature("partial", False, "unmapping of parts")
NOMERGE = Feature("nomerge", False, "a ZONE_NOMERGE besides ZONE_NOSPLIT")


class TaoState(ForkedRanges):
    """The zones of each node, memory outside, and ranges."""

    free = table(NODES, Int(0, BLOCKS), init=BLOCKS, doc="free, in ZONE_NOSPLIT")
    free_nomerge = table(
        NODES, Int(0, MERGELESS), init=MERGELESS, when=NOMERGE, doc="... ZONE_NOMERGE"
    )
    guests = table(NODES, Int(0, BLOCKS + MERGELESS), doc="other movable users")
    broken = table(NODES, Int(0, BLOCKS), when=POISON, doc="with a memory error")
    outside = var(Int(0, OUTSIDE), init=OUTSIDE, doc="free memory outside")
    strangers = var(Int(0, OUTSIDE), init=0, doc="memory outside that others use")
    backing = table(RANGES, Backing)
    node = table(RANGES, Maybe(NODES), doc="of a huge page")
    nomerge = table(RANGES, Bool(), when=NOMERGE, doc="in ZONE_NOMERGE")
    guests_nomerge = table(NODES, Int(0, MERGELESS), when=NOMERGE)
    binding = NodeBinding(RANGES, NODES, NUMA)
    memory = MemoryMax(GROUP, LIMIT, MEMCG)
    slots = var(Int(0, SLOTS), init=SLOTS, when=SWAP_ON)

    @observer
    def total(self):
        """Blocks of the zones, without those that an error has broken."""
        merged = sum(BLOCKS - self.broken[n] for n in NODES)
        return merged + sum(MERGELESS for n in NODES) if NOMERGE else merged

    @observer
    def free_blocks(self):
        return sum(self.free[n] + self.free_nomerge_of(n) for n in NODES)

    @observer
    def populated(self):
        """Huge pages of the zones that ranges have; a shared one counts once."""
        return sum(
            1
            for r in RANGES
            if self.backing[r] in {HUGE, PARTLY} and not self.is_child(r)
        )

    @observer
    def borrowed(self):
        """Huge pages of other movable users, who have the same right."""
        return sum(self.guests[n] for n in NODES)

    @observer
    def kinds(self):
        """Kinds of consumers of the zones: ranges here, other movable users."""
        mine = 1 if self.populated() > 0 else 0
        return mine + (1 if self.borrowed() > 0 else 0)

    @observer
    def whole(self):
        """Blocks whose pages are neither free nor in use below the order."""
        return self.free_blocks() + self.populated() + self.borrowed()

    @observer
    def below_order(self):
        """Blocks of which pages are in folios below the zone's order, or free so."""
        return sum(self.broken[n] for n in NODES)

    @observer
    def small(self):
        return sum(1 for r in RANGES if self.backing[r] == SMALL)

    @observer
    def swapped(self):
        return sum(1 for r in RANGES if self.backing[r] == SWAP)

    @observer
    def idle(self):
        """No range, and no other user of the zones."""
        gone = all(self.backing[r] == UNMAPPED for r in RANGES)
        return gone and self.borrowed() == 0

    def free_nomerge_of(self, node):
        return self.free_nomerge[node] if NOMERGE else 0

    def has_free(self, node):
        return self.free[node] + self.free_nomerge_of(node) > 0

    def is_there(self, range_):
        return self.backing[range_] != UNMAPPED


class Tao(TaoState, Design):
    """Zones whose huge pages are never split."""

    @action(kernel="mm/mmap.c:do_mmap")
    def mmap(self, range_: RANGES):
        require(self.backing[range_] == UNMAPPED)
        self.backing[range_] = NONE

    @action(kernel="mm/huge_memory.c:do_huge_pmd_anonymous_page")
    def fault(self, range_: RANGES) -> Errno:
        """From ZONE_NOMERGE, then ZONE_NOSPLIT, of the first node that has any;
        else base pages outside."""
        require(self.backing[range_] == NONE)
        if not self.memory.fits():
            return OOM
        found = None
        for n in NODES:
            if found is None and self.binding.allowed(range_, n) and self.has_free(n):
                found = n
        if found is None and self.outside == 0:
            return OOM
        self.memory.charge_one()
        if found is None:
            self.outside -= 1
            self.backing[range_] = SMALL
            return OK
        for n in NODES:
            if n == found:
                if NOMERGE and self.free_nomerge[n] > 0:
                    self.free_nomerge[n] -= 1
                    self.nomerge[range_] = True
                else:
                    self.free[n] -= 1
        self.node[range_] = found
        self.backing[range_] = HUGE
        return OK

    @action(kernel="mm/page_alloc.c:get_page_from_freelist", silent=True)
    def guest(self, node: NODES):
        """Another movable request of the order takes a huge page."""
        require(self.has_free(node))
        if NOMERGE and self.free_nomerge[node] > 0:
            self.free_nomerge[node] -= 1
            self.guests_nomerge[node] += 1
        else:
            self.free[node] -= 1
        self.guests[node] += 1

    @action(kernel="mm/page_alloc.c:free_unref_folios", silent=True)
    def guest_leaves(self, node: NODES):
        """Those in ZONE_NOMERGE go last."""
        require(self.guests[node] > 0)
        if NOMERGE and self.guests[node] == self.guests_nomerge[node]:
            self.guests_nomerge[node] -= 1
            self.free_nomerge[node] += 1
        else:
            self.free[node] += 1
        self.guests[node] -= 1

    @action(kernel="mm/page_alloc.c:get_page_from_freelist", silent=True)
    def stranger(self):
        """Others use memory outside the zone."""
        require(self.outside > 0)
        self.outside -= 1
        self.strangers += 1

    @action(kernel="mm/page_alloc.c:free_unref_folios", silent=True)
    def stranger_leaves(self):
        require(self.strangers > 0)
        self.strangers -= 1
        self.outside += 1

    def put_huge(self, range_):
        """The huge page goes back to its zone, or to the range that shares it."""
        own = not self.is_child(range_)
        heir = self.hand_over(range_)
        if heir is None and own:
            self.memory.uncharge_one()
            for n in NODES:
                if self.node[range_] == n:
                    if NOMERGE and self.nomerge[range_]:
                        self.free_nomerge[n] += 1
                    else:
                        self.free[n] += 1
        self.node[range_] = None
        self.nomerge[range_] = False

    @action(kernel="mm/madvise.c:madvise_dontneed_free", when=PARTIAL)
    def unmap_part(self, range_: RANGES):
        require(self.backing[range_] == HUGE)
        assume(not self.shares(range_), "no part of what a fork shares is unmapped")
        self.backing[range_] = PARTLY

    @action(kernel="mm/huge_memory.c:split_folio_to_list", when=PARTIAL, silent=True)
    def shatter(self, range_: RANGES) -> Errno:
        """The pages in use move out, and the huge page is free again."""
        require(self.backing[range_] == PARTLY)
        if self.outside == 0:
            return EBUSY
        self.put_huge(range_)
        self.memory.charge_one()
        self.outside -= 1
        self.backing[range_] = SMALL
        return OK

    def drop(self, range_):
        if self.backing[range_] in {HUGE, PARTLY}:
            self.put_huge(range_)
        elif self.backing[range_] == SMALL:
            self.outside += 1
            self.memory.uncharge_one()

    @action(kernel="mm/vma.c:vms_complete_munmap_vmas")
    def unmap(self, range_: RANGES):
        require(self.backing[range_] != UNMAPPED)
        self.drop(range_)
        if self.backing[range_] == SWAP:
            self.slots += 1
        self.binding.forget(range_)
        self.backing[range_] = UNMAPPED

    # -- fork --

    @action(kernel="mm/huge_memory.c:copy_huge_pmd", when=FORK)
    def fork(self, range_: RANGES, child: RANGES) -> Errno:
        """The child maps the same folio."""
        require(self.backing[range_] == HUGE and self.backing[child] == UNMAPPED)
        assume(self.parent[range_] is None, "a child does not fork")
        self.backing[child] = HUGE
        self.parent[child] = range_
        self.node[child] = self.node[range_]
        self.nomerge[child] = self.nomerge[range_]
        self.binding.copy(range_, child)
        return OK

    @action(kernel="mm/huge_memory.c:do_huge_pmd_wp_page", when=FORK)
    def write(self, range_: RANGES) -> Errno:
        """Of a folio that two processes map: the mapping is split, and base
        pages outside are copied. The folio stays whole, the other's."""
        require(self.shares(range_))
        if self.outside == 0 or not self.memory.fits():
            return OOM
        self.put_huge(range_)
        self.memory.charge_one()
        self.outside -= 1
        self.backing[range_] = SMALL
        return OK

    # -- memory errors --

    @action(kernel="mm/memory-failure.c:memory_failure", when=POISON)
    def poison(self, node: NODES):
        """An error in a free huge page of ZONE_NOSPLIT: without the bad page, it
        is below the order."""
        require(self.free[node] > 0)
        self.free[node] -= 1
        self.broken[node] += 1

    # -- swap --

    @action(kernel="mm/vmscan.c:shrink_folio_list", when=SWAP_ON, silent=True)
    def swap_out(self, range_: RANGES):
        require(self.backing[range_] in {HUGE, SMALL} and self.slots > 0)
        assume(not self.shares(range_), "no swap-out of what a fork shares")
        self.drop(range_)
        self.slots -= 1
        self.backing[range_] = SWAP

    @action(kernel="mm/memory.c:do_swap_page", when=SWAP_ON)
    def swap_in(self, range_: RANGES) -> Errno:
        """In base pages, charged anew."""
        require(self.backing[range_] == SWAP)
        if self.outside == 0 or not self.memory.fits():
            return OOM
        self.memory.charge_one()
        self.outside -= 1
        self.slots += 1
        self.backing[range_] = SMALL
        return OK
