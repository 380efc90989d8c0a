# SPDX-License-Identifier: GPL-2.0-only
"""Swap as a block: where slots come from, what is charged, two devices."""

from __future__ import annotations

import random
from itertools import product
from typing import Any

import pytest

from poolproof.model.blocks.swap import FRAG, FREE, FULL, NONFULL, SWAPPED, SwapDevice
from poolproof.model.designs.probes import swap_space
from poolproof.model.designs.probes.swap_space import Result, SwapSpace
from poolproof.model.language import (
    Design,
    Disabled,
    Scalarset,
    action,
    action_methods,
    parameters,
    require,
)

OK, SPLIT, KEPT, OOM = Result


class Space:
    """A design, called with numbers for elements."""

    def __init__(self, having: str = "", **bounds: int) -> None:
        self.design: Any = SwapSpace(bounds=bounds, having=tuple(having.split()))
        bind = self.design._binding.values
        self.v = list(bind(swap_space.RANGES))
        self.sc = list(bind(swap_space.CLUSTERS))
        self.cpu = list(bind(swap_space.CPUS))
        self.cg = list(bind(swap_space.CGROUPS))
        self.step = self.design.step
        self.swap = self.design.swap

    def others(self, *clusters: int, cpu: int = 0, reclaimed: Any = None) -> None:
        for c in clusters:
            self.step("other_out", self.cpu[cpu], self.sc[c], reclaimed)

    def map(self, cluster: int) -> str:
        """A cluster's slots, by the first letter of what they are."""
        at = self.sc[cluster]
        slots = range(self.swap.pages)
        return "".join(self.swap.swap_map[at, s].name[0] for s in slots)

    def flags(self) -> list[Any]:
        return [self.swap.flags[c] for c in self.sc]


def test_a_cpu_goes_on_in_its_cluster() -> None:
    s = Space(clusters=2, K=4, others=8)
    s.others(0, 0)
    with pytest.raises(Disabled):
        s.others(1)
    s.step("other_free", s.sc[0], 0)
    s.others(0)
    assert (s.map(0), s.flags()) == ("USSU", [NONFULL, FREE])
    s.others(0)
    assert (s.map(0), s.flags()) == ("USSS", [NONFULL, FREE])


def test_a_free_cluster_comes_before_one_in_use() -> None:
    s = Space(clusters=2, K=4, others=8)
    s.others(0, 0, 0, 0)
    s.step("other_free", s.sc[0], 1)
    with pytest.raises(Disabled):
        s.others(0)
    s.others(1, 1, 1, 1)
    assert s.flags() == [NONFULL, FULL]
    assert s.design.free_slots() == 1
    s.others(0)
    assert s.flags() == [FULL, FULL]
    assert s.design.free_slots() == 0


def test_a_cluster_that_was_tried_is_on_the_other_list() -> None:
    s = Space(clusters=2, K=4, others=8)
    s.others(0, 0, 0, 0, 1, 1, 1, 1)
    s.step("other_free", s.sc[0], 0)
    s.step("other_free", s.sc[0], 3)
    s.others(0)
    assert (s.map(0), s.flags()) == ("SSSU", [FRAG, FULL])
    s.step("other_free", s.sc[0], 1)
    assert (s.map(0), s.flags()) == ("SUSU", [NONFULL, FULL])


def test_what_was_taken_whole_is_tried_last() -> None:
    """Order 0 stealing from higher order."""
    s = Space(V=1, clusters=2, K=2, others=3)
    s.step("fault", s.v[0], 0, None)
    s.step("swap_out", s.v[0], s.sc[0], None)
    s.others(1, 1)
    s.step("swap_in", s.v[0], 0, True)
    s.step("other_free", s.sc[1], 0)
    assert s.flags() == [NONFULL, NONFULL]
    assert s.swap.huge[s.sc[0]]
    with pytest.raises(Disabled):
        s.others(0)
    s.others(1, 0)
    assert s.flags() == [FULL, FULL]


def test_two_cpus_fragment_two_clusters() -> None:
    s = Space(V=1, clusters=2, K=2, others=2, cpus=2)
    s.step("fault", s.v[0], 0, None)
    s.others(0)
    s.others(1, cpu=1)
    assert s.step("swap_out", s.v[0], s.sc[0], None) is SPLIT
    assert s.step("swap_out_page", s.v[0], 0, s.cpu[0], s.sc[0], None) is OK
    assert s.step("swap_out_page", s.v[0], 1, s.cpu[0], s.sc[1], None) is OK
    assert (s.map(0), s.map(1), s.design.free_slots()) == ("SS", "SS", 0)


def test_the_last_free_slot_is_a_pages() -> None:
    s = Space(V=1, clusters=1, K=2, others=1)
    s.step("fault", s.v[0], 0, None)
    s.others(0)
    assert s.step("swap_out", s.v[0], s.sc[0], None) is SPLIT
    assert s.step("swap_out_page", s.v[0], 1, s.cpu[0], s.sc[0], None) is OK
    assert s.step("swap_out_page", s.v[0], 0, s.cpu[0], s.sc[0], None) is KEPT
    assert (s.design.swapped(), s.design.resident()) == (1, 1)


def test_what_swap_max_refuses_is_given_back() -> None:
    s = Space("memcg", V=1, clusters=2, K=2, others=0, limit=2, swap_max=1)
    s.step("fault", s.v[0], 0, s.cg[0])
    assert s.step("swap_out", s.v[0], s.sc[0], None) is SPLIT
    assert (s.flags(), s.swap.usage[s.cg[0]]) == ([FREE, FREE], 0)
    assert s.step("swap_out_page", s.v[0], 0, s.cpu[0], s.sc[0], None) is OK
    assert s.step("swap_out_page", s.v[0], 1, s.cpu[0], s.sc[0], None) is KEPT
    usage = s.design.memory.usage[s.cg[0]], s.swap.usage[s.cg[0]]
    assert (usage, s.design.free_slots(), s.map(0)) == ((1, 1), 3, "SU")


def test_swap_in_has_to_be_charged() -> None:
    """One page of two goes out for each that comes in, or none can come."""
    s = Space("memcg mlock", V=2, clusters=2, K=2, others=0, limit=2, swap_max=4)
    s.step("fault", s.v[0], 0, s.cg[0])
    s.step("swap_out", s.v[0], s.sc[0], None)
    s.step("fault", s.v[1], 0, s.cg[0])
    with pytest.raises(Disabled):
        s.step("swap_in", s.v[0], 0, True)
    s.step("mlock", s.v[1])
    assert s.step("swap_in", s.v[0], 0, True) is OOM
    with pytest.raises(Disabled):
        s.step("swap_out", s.v[1], s.sc[1], None)


def test_a_pinned_folio_stays() -> None:
    s = Space("pins", V=1)
    s.step("fault", s.v[0], 0, None)
    s.step("pin", s.v[0])
    for c in s.sc:
        with pytest.raises(Disabled):
            s.step("swap_out", s.v[0], c, None)
    s.step("unpin", s.v[0])
    assert s.step("swap_out", s.v[0], s.sc[0], None) is OK


def test_a_read_keeps_the_slot_and_a_write_does_not() -> None:
    s = Space("cache memcg", V=1, clusters=2, K=2, others=2, limit=2, swap_max=6)
    s.step("fault", s.v[0], 0, s.cg[0])
    s.step("swap_out", s.v[0], s.sc[0], None)
    s.step("swap_in", s.v[0], 0, False)
    assert (s.map(0), s.swap.usage[s.cg[0]]) == ("CS", 2)
    assert s.design.memory.usage[s.cg[0]] == 1
    s.step("swap_in", s.v[0], 1, True)
    assert (s.map(0), s.swap.usage[s.cg[0]]) == ("CU", 1)
    assert s.design.memory.usage[s.cg[0]] == 2
    s.step("swap_out_page", s.v[0], 0, s.cpu[0], s.sc[0], None)
    assert (s.map(0), s.swap.usage[s.cg[0]]) == ("SU", 1)


def test_half_of_swap_max_is_full() -> None:
    s = Space("cache memcg", V=1, clusters=2, K=2, others=0, limit=2, swap_max=4)
    s.step("fault", s.v[0], 0, s.cg[0])
    s.step("swap_out", s.v[0], s.sc[0], None)
    s.step("swap_in", s.v[0], 0, False)
    assert (s.map(0), s.swap.usage[s.cg[0]]) == ("US", 1)


def test_a_full_device_takes_what_is_in_memory() -> None:
    """Slot 0 of the cluster comes before slot 1, which is unused."""
    s = Space("cache", V=1, clusters=2, K=2, others=3)
    s.step("fault", s.v[0], 0, None)
    s.step("swap_out", s.v[0], s.sc[0], None)
    s.step("swap_in", s.v[0], 0, False)
    s.others(1, 1)
    s.step("swap_in", s.v[0], 1, True)
    assert (s.map(0), s.design.free_slots()) == ("CU", 1)
    s.others(0, reclaimed=s.sc[1])
    assert (s.map(0), s.design.free_slots()) == ("SU", 1)
    assert not s.design.is_cached(s.v[0], 0)


def test_what_a_used_up_device_gives_back() -> None:
    s = Space("cache", V=1, clusters=2, K=2, others=2)
    s.step("fault", s.v[0], 0, None)
    s.step("swap_out", s.v[0], s.sc[0], None)
    s.step("swap_in", s.v[0], 0, False)
    s.step("swap_in", s.v[0], 1, False)
    s.others(1, 1)
    assert (s.map(0), s.design.free_slots()) == ("CC", 0)
    s.step("swap_reclaim_work")
    assert (s.flags(), s.design.free_slots()) == ([FREE, FULL], 2)
    assert s.step("swap_out_page", s.v[0], 0, s.cpu[0], s.sc[0], None) is OK


def test_khugepaged_needs_room_for_both() -> None:
    for limit, result in ((3, KEPT), (4, OK)):
        s = Space("memcg collapse", V=1, clusters=1, K=2, limit=limit, swap_max=2)
        s.step("fault", s.v[0], 0, s.cg[0])
        s.step("swap_out", s.v[0], s.sc[0], None)
        for page in (0, 1):
            s.step("swap_in", s.v[0], page, True)
        assert s.step("collapse", s.v[0]) is result
        assert s.design.memory.usage[s.cg[0]] == 2


def calls(design: Any) -> list[tuple[Any, ...]]:
    """Every action with all its arguments."""
    found: list[tuple[Any, ...]] = []
    for name, (method, mark) in action_methods(SwapSpace).items():
        if all(design._binding.on(f) for f in mark.when):
            domains = parameters(SwapSpace, method).values()
            values = (design._binding.values(d) for d in domains)
            found += [(name, *given) for given in product(*values)]
    return found


def enabled(design: Any, call: tuple[Any, ...]) -> bool:
    before = design.dump()
    try:
        design.step(*call)
    except Disabled:
        return False
    design.load(before)
    return True


@pytest.mark.parametrize("having", ["", "cache", "memcg lowered", "cache memcg pins"])
def test_reclaim_always_ends_in_something(having: str) -> None:
    """Whatever the lists are, each victim goes out, is split or stays; and
    with everything given back the device is as it was."""
    s = Space(having, clusters=3, K=2, others=3, cpus=2, limit=4, swap_max=5)
    fresh, every = s.design.dump(), calls(s.design)
    chance = random.Random(having)
    reclaimed = 0
    for _ in range(60):
        some = chance.choice([c for c in every if enabled(s.design, c)])
        s.step(*some)
        for v in s.v:
            if s.design.huge[v] and s.design.is_victim(v):
                out = [c for c in every if c[:2] == ("swap_out", v)]
                assert any(enabled(s.design, c) for c in out)
                reclaimed += 1
            for p in (0, 1):
                if s.design.mapped[v, p] and not s.design.huge[v]:
                    out = [c for c in every if c[:3] == ("swap_out_page", v, p)]
                    assert any(enabled(s.design, c) for c in out)
                    reclaimed += 1
    assert reclaimed > 20
    for call in every:
        if call[0] in {"unpin", "exit", "other_free"} and enabled(s.design, call):
            s.step(*call)
    for call in every:
        if call[0] == "exit" and enabled(s.design, call):
            s.step(*call)
    assert s.flags() == [FREE] * 3
    assert s.design.free_slots() == 6
    for cpu in s.cpu:  # where a CPU stopped is all that is left
        s.swap.next_cluster[cpu], s.swap.next_slot[cpu] = None, 0
    if "lowered" in having:
        s.swap.max[s.cg[0]] = 5
    assert s.design.dump() == fresh


CLUSTERS: Any = Scalarset("CLUSTERS", 2, prefix="sc")
CPUS: Any = Scalarset("CPUS", 1, prefix="cpu")


class TwoDevices(Design):
    """Single pages on one device, and on the other once it is used up."""

    first = SwapDevice(CLUSTERS, 2, CPUS)
    second = SwapDevice(CLUSTERS, 2, CPUS)

    @action(kernel="mm/swapfile.c:get_swap_pages")
    def page_out(self, cpu: CPUS, cluster: CLUSTERS) -> bool:
        if self.first.free_slots() > 0:
            slot = self.first.alloc_slot(cpu, cluster, None, False)
            require(slot < 2)
            self.first.swap_map[cluster, slot] = SWAPPED
            return True
        slot = self.second.alloc_slot(cpu, cluster, None, False)
        return slot < 2

    @action(kernel="mm/swapfile.c:get_swap_pages")
    def folio_out(self, cluster: CLUSTERS) -> bool:
        return bool(self.second.alloc_cluster(cluster, None, False))


def test_two_devices_have_nothing_in_common() -> None:
    d: Any = TwoDevices()
    (cpu,) = d._binding.values(CPUS)
    a, b = d._binding.values(CLUSTERS)
    for cluster in (a, a, b, b):
        assert d.step("page_out", cpu, cluster)
    assert (d.first.free_slots(), d.second.free_slots()) == (0, 4)
    assert d.step("page_out", cpu, b)
    assert (d.second.flags[a], d.second.flags[b]) == (FREE, NONFULL)
    assert d.step("folio_out", a)
    assert d.second.free_slots() == 1
    assert not d.step("folio_out", b)
    d.first.swap_entry_range_free(a, 0)
    assert (d.first.free_slots(), d.second.free_slots()) == (1, 1)
