# SPDX-License-Identifier: GPL-2.0-only
"""Transparent huge pages, without any pool: mm/huge_memory.c of Linux 6.12.

Modelled: the memory of model/blocks/machine.py, in which other users' pages may
be anywhere; faults that take a whole block, or one that compaction can empty,
else base pages, else reclaim, else the OOM killer; khugepaged; munmap. Features:
swap of whole folios, which come back as base pages; a fault that reclaims for
a huge page (``defrag``: MADV_HUGEPAGE with defrag=madvise); splits of parts
(``partial``); tasks bound to a node; a memcg, whose limit a huge page must fit in,
too; fork and copy-on-write, for which a huge mapping is split; others' pins;
memory errors; a ZONE_MOVABLE.
`Thp1g` is anonymous memory in runs of 1 GiB; `ThpPreferredOrder` is the
proposal of pageblocks that remember an order. With ``lru`` reclaim passes over ranges
that were touched since the last scan, or are off their LRU list.

Written down less literally: a fault that reclaims waits until swap_out() has
made room; which range that takes is open. Copy-on-write
copies the whole range at once.
Left out: mTHP, the shrinker for partly mapped folios, fragmented swap. Nothing is
promised: of the common questions those about hugeness and counters apply.
"""

from enum import Enum
from typing import Any

from poolproof.model.blocks.lru import Lru
from poolproof.model.blocks.machine import STEAL, Machine
from poolproof.model.blocks.numa import NodeBinding
from poolproof.model.blocks.quota import MemoryMax
from poolproof.model.designs.forked_ranges import ForkedRanges
from poolproof.model.designs.names import (
    FORK,
    GROUP,
    LIMIT,
    LRU,
    MEMCG,
    NODES,
    NUMA,
    OK,
    OOM,
    PAGEBLOCKS,
    PINS,
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
    made_like,
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
    SMALL = 3
    SWAP = 4


UNMAPPED, NONE, HUGE, SMALL, SWAP = Backing

K = 2

MARK = Bound("mark", 0, least=0, doc="watermark of a node, in base pages")

ONLY = Int(0, 0)
"""The index of a range's one folio."""

PARTIAL = Feature("partial", False, "MADV_DONTNEED of a part")
DEFRAG = Feature("defrag", False, "a fault reclaims for a huge page", needs=SWAP_ON)
ZONE_MOVABLE = Feature("zone_movable", False, "unmovable pages are elsewhere")


class ThpState(ForkedRanges):
    """Ranges, and where their memory is."""

    mem = Machine(NODES, PAGEBLOCKS, K, MARK, PINS, POISON, ZONE_MOVABLE)
    backing = table(RANGES, Backing)
    node = table(RANGES, Maybe(NODES), doc="where its memory is")
    block = table(RANGES, Maybe(PAGEBLOCKS), doc="of a huge one")
    binding = NodeBinding(RANGES, NODES, NUMA)
    memory = MemoryMax(GROUP, LIMIT, MEMCG)
    slots = var(Int(0, SLOTS), init=SLOTS, when=SWAP_ON)
    lru = Lru(RANGES, ONLY, LRU)

    @observer
    def huge(self):
        """Ranges that are mapped by a huge page."""
        return sum(1 for r in RANGES if self.backing[r] == HUGE)

    @observer
    def small(self):
        """Ranges that are mapped by base pages."""
        return sum(1 for r in RANGES if self.backing[r] == SMALL)

    @observer
    def swapped(self):
        return sum(1 for r in RANGES if self.backing[r] == SWAP)

    @observer
    def kinds(self):
        """Kinds of consumers: ranges here, and other users."""
        mine = 1 if self.huge() + self.small() > 0 else 0
        return mine + (1 if self.mem.others() > 0 else 0)

    def own_pages(self, node):
        """Base pages that ranges have there."""
        return K * sum(
            1 for r in RANGES if self.backing[r] == SMALL and self.node[r] == node
        )

    def is_there(self, range_):
        return self.backing[range_] != UNMAPPED

    def allowed(self, range_, node):
        return self.binding.allowed(range_, node)

    def has_page(self, range_, _index):
        """Return whether the range has a folio of its own."""
        return self.backing[range_] in {HUGE, SMALL} and self.parent[range_] is None


class ThpMemory(ThpState):
    """Memory for a range, and back."""

    def is_victim(self, range_):
        """Return whether reclaim takes the range's folio now."""
        return self.backing[range_] in {HUGE, SMALL} and self.lru.may_take(range_, 0)

    def can_reclaim(self):
        """Return whether a range can go to swap for another."""
        return SWAP_ON and self.slots > 0 and any(self.is_victim(r) for r in RANGES)

    def has_block(self, range_):
        return any(
            self.allowed(range_, n) and self.mem.find_whole(n) is not None
            for n in NODES
        )

    def has_pages(self, range_):
        return any(self.allowed(range_, n) and self.mem.has_pages(n) for n in NODES)

    def make_huge(self, range_):
        """The range gets the first block of the nodes in their order."""
        found = None
        for n in NODES:
            if found is None and self.allowed(range_, n):
                block = self.mem.find_whole(n)
                if block is not None:
                    found = block
                    self.node[range_] = n
                    self.mem.take_whole(n, block)
        self.block[range_] = found
        self.backing[range_] = HUGE

    def make_small(self, range_):
        done = False
        for n in NODES:
            if not done and self.allowed(range_, n) and self.mem.has_pages(n):
                done = True
                self.node[range_] = n
                self.mem.take_pages(n)
        self.block[range_] = None
        self.backing[range_] = SMALL

    def reclaim(self):
        """Wait while a range can go to swap for another."""
        assume(not self.can_reclaim(), "a fault waits while something can be reclaimed")

    def get_small(self, range_):
        """The range gets base pages, charged anew. Return whether there was memory."""
        if not self.has_pages(range_) or not self.memory.fits():
            self.reclaim()
            return False
        self.memory.charge_one()
        self.make_small(range_)
        return True

    def give_folio(self, range_):
        """The first range that shares its folio has it now."""
        heir = self.hand_over(range_)
        for r in RANGES:
            if r == heir:
                self.lru.move(range_, r, 0)

    def drop(self, range_):
        """The range loses its memory."""
        if self.shares(range_):
            self.give_folio(range_)
        else:
            for n in NODES:
                if self.node[range_] == n:
                    if self.backing[range_] == HUGE:
                        self.mem.put_whole(n, self.block[range_])
                    if self.backing[range_] == SMALL:
                        self.mem.put_pages(n)
            if self.backing[range_] in {HUGE, SMALL}:
                self.memory.uncharge_one()
            self.lru.forget(range_, 0)
        self.node[range_] = None
        self.block[range_] = None


class Thp(ThpMemory, Design):
    """Plain THP: huge where it can be had."""

    @action(kernel="mm/mmap.c:do_mmap")
    def mmap(self, range_: RANGES):
        require(self.backing[range_] == UNMAPPED)
        self.backing[range_] = NONE

    @action(kernel="mm/huge_memory.c:do_huge_pmd_anonymous_page")
    def fault(self, range_: RANGES) -> Errno:
        """Huge, else small, else reclaim, else the OOM killer."""
        require(self.backing[range_] == NONE)
        if self.memory.fits() and self.has_block(range_):
            self.memory.charge_one()
            self.make_huge(range_)
            return OK
        if DEFRAG:
            self.reclaim()
        got = self.get_small(range_)
        return OK if got else OOM

    @action(kernel="mm/khugepaged.c:collapse_huge_page", silent=True)
    def collapse(self, range_: RANGES):
        """Into a block on the node where the base pages are."""
        require(self.backing[range_] == SMALL and not self.shares(range_))
        require(not self.lru.isolated[range_, 0])
        require(any(self.node[range_] == n and self.has_room(n) for n in NODES))
        for n in NODES:
            if self.node[range_] == n:
                block = self.mem.find_whole(n)
                self.mem.take_whole(n, block)
                self.mem.put_pages(n)
                self.block[range_] = block
        self.lru.forget(range_, 0)
        self.backing[range_] = HUGE

    def has_room(self, node):
        return self.mem.find_whole(node) is not None

    @action(kernel="mm/madvise.c:madvise_dontneed_free", when=PARTIAL)
    def dontneed(self, range_: RANGES):
        """A part is unmapped and touched again: the folio is split."""
        require(self.backing[range_] == HUGE)
        assume(not self.shares(range_), "no part of what a fork shares is unmapped")
        for n in NODES:
            if self.node[range_] == n:
                self.mem.split_whole(n, self.block[range_])
        self.block[range_] = None
        self.backing[range_] = SMALL

    @action(kernel="mm/vma.c:vms_complete_munmap_vmas")
    def unmap(self, range_: RANGES):
        require(self.backing[range_] != UNMAPPED)
        if self.backing[range_] == SWAP:
            self.slots += 1
        self.drop(range_)
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
        self.block[child] = self.block[range_]
        self.binding.copy(range_, child)
        return OK

    @action(kernel="mm/huge_memory.c:do_huge_pmd_wp_page", when=FORK)
    def write(self, range_: RANGES) -> Errno:
        """Of a folio that two processes map: the mapping is split, and base
        pages are copied."""
        require(self.shares(range_))
        got = self.get_small(range_)
        if not got:
            return OOM
        self.give_folio(range_)
        return OK

    # -- swap --

    @action(kernel="mm/vmscan.c:shrink_folio_list", when=SWAP_ON, silent=True)
    def swap_out(self, range_: RANGES):
        require(self.is_victim(range_) and self.slots > 0)
        assume(not self.shares(range_), "no swap-out of what a fork shares")
        self.drop(range_)
        self.slots -= 1
        self.backing[range_] = SWAP

    @action(kernel="mm/memory.c:do_swap_page", when=SWAP_ON)
    def swap_in(self, range_: RANGES) -> Errno:
        """In base pages, charged anew."""
        require(self.backing[range_] == SWAP)
        got = self.get_small(range_)
        if not got:
            return OOM
        self.slots += 1
        return OK


class Thp1g(Thp):
    """Anonymous memory in runs of 1 GiB: no patch is merged (Zi Yan, 2020; Usama
    Arif, February 2026). A block is a run and a base page a part of 2 MiB; a run
    comes from alloc_contig_pages(), and khugepaged makes none."""

    collapse: Any = None


class PreferringMachine(Machine):
    """Pageblocks that remember an order: a block in which a huge page was gives
    base pages only where others have none, or would have one stolen."""

    def __init__(self, nodes: Any, blocks: Any, *rest: Any) -> None:
        super().__init__(nodes, blocks, *rest)
        self.preferred = table(nodes, blocks, Bool(), doc="it had a huge page")

    def rank(self, node, block, mobility):
        rank = super().rank(node, block, mobility)
        if self.preferred[node, block]:
            return max(rank, STEAL)
        return rank

    def take_whole(self, node, block):
        super().take_whole(node, block)
        for b in self.blocks:
            if b == block:
                self.preferred[node, b] = True


class ThpPreferredOrder(Thp):
    """Barry Song's idea in the thread: pageblocks remember a preferred order. Only
    its outline is known. Assumed: a block remembers the last huge page that it
    had, and base pages take it as a last resort."""

    mem = made_like(Thp.mem, PreferringMachine)
