# SPDX-License-Identifier: GPL-2.0-only
"""Cgroups in a tree as a block: charges, limits and references with numbers
worked out by hand, and two sets of counters in one design."""

from __future__ import annotations

from typing import Any

import pytest

from poolproof.model.blocks.memcg import CounterTree, Css
from poolproof.model.designs.probes.memcg_tree import MemcgTree
from poolproof.model.language import (
    Bool,
    Design,
    Disabled,
    Feature,
    Maybe,
    Scalarset,
    action,
    action_methods,
    parameters,
)

CGROUPS = Scalarset("CGROUPS", 4, prefix="cg")
COUNTED = Feature("counted", True)
WRITTEN = Feature("written", True)


class Two(Design):
    """Two limits over one tree: what is charged to one is not to the other."""

    small = CounterTree(CGROUPS, 3, COUNTED, WRITTEN)
    large = CounterTree(CGROUPS, 9, COUNTED, WRITTEN)

    @action
    def grow(self, cgroup: CGROUPS, parent: Maybe(CGROUPS)):
        self.small.page_counter_init(cgroup, parent)
        self.large.page_counter_init(cgroup, parent)

    @action
    def charge(self, cgroup: CGROUPS, both: Bool()) -> bool:
        charged = self.small.try_charge(cgroup, 2)
        if both and charged:
            charged = self.large.try_charge(cgroup, 2)
        return bool(charged)


def two() -> tuple[Any, Any]:
    """cg0 > cg1 > cg2, and cg3 beside them under cg0."""
    design: Any = Two()
    a, b, c, d = cgroups = tuple(design._binding.values(CGROUPS))
    for cgroup, parent in ((a, None), (b, a), (c, b), (d, a)):
        design.step("grow", cgroup, parent)
    return design, cgroups


def usage(counters: Any, cgroups: Any) -> list[int]:
    return [counters.usage[c] for c in cgroups]


def test_a_charge_counts_up_to_the_root() -> None:
    design, cgroups = two()
    assert design.small.try_charge(cgroups[2], 2)
    assert usage(design.small, cgroups) == [2, 2, 2, 0]
    design.small.uncharge(cgroups[2], 2)
    assert usage(design.small, cgroups) == [0, 0, 0, 0]


@pytest.mark.parametrize("full", [0, 1, 2])
def test_a_refused_charge_is_rolled_back_below(full: int) -> None:
    """Three deep, and each of the three in turn is the one that refuses: 1
    page there leaves no room for 2 under a limit of 2."""
    design, cgroups = two()
    design.small.write_max(cgroups[full], 2)
    assert design.small.try_charge(cgroups[full], 1)
    before = usage(design.small, cgroups)
    assert before == [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0]][full]
    assert not design.small.try_charge(cgroups[2], 2)
    assert usage(design.small, cgroups) == before
    assert design.small.try_charge(cgroups[3], 2) is (full > 0)


def test_what_refuses_is_above_and_another_has_filled_it() -> None:
    design, cgroups = two()
    assert design.small.try_charge(cgroups[3], 2)
    assert not design.small.try_charge(cgroups[2], 2)
    assert usage(design.small, cgroups) == [2, 0, 0, 2]
    assert design.small.try_charge(cgroups[2], 1)
    assert usage(design.small, cgroups) == [3, 1, 1, 2]


def test_two_sets_of_counters_in_one_design() -> None:
    design, cgroups = two()
    assert design.step("charge", cgroups[2], True) is True
    assert design.step("charge", cgroups[1], False) is False
    assert usage(design.small, cgroups) == [2, 2, 2, 0]
    design.small.uncharge(cgroups[2], 2)
    assert design.step("charge", cgroups[1], True) is True
    assert usage(design.small, cgroups) == [2, 2, 0, 0]
    assert usage(design.large, cgroups) == [4, 4, 2, 0]


def test_set_max_refuses_below_the_usage_and_write_max_does_not() -> None:
    design, cgroups = two()
    assert design.small.try_charge(cgroups[1], 2)
    assert not design.small.set_max(cgroups[0], 1)
    assert design.small.max[cgroups[0]] == 3
    assert design.small.set_max(cgroups[0], 2)
    assert not design.small.try_charge(cgroups[3], 1)
    design.small.write_max(cgroups[1], 0)
    assert design.small.over(cgroups[1])
    assert not design.small.over(cgroups[0])
    assert usage(design.small, cgroups) == [2, 2, 0, 0]


def test_offline_takes_the_charge_off_the_local_counter_only() -> None:
    design, cgroups = two()
    assert design.small.try_charge(cgroups[2], 2)
    design.small.move_parent(cgroups[2], 2)
    assert usage(design.small, cgroups) == [2, 2, 0, 0]
    design.small.uncharge(cgroups[1], 2)
    assert usage(design.small, cgroups) == [0, 0, 0, 0]


def test_after_an_underflow_the_counter_starts_from_zero() -> None:
    """page_counter_cancel: WARN_ONCE, and the counter is set to 0."""
    design, cgroups = two()
    design.small.uncharge(cgroups[2], 1)
    assert usage(design.small, cgroups) == [-1, -1, -1, 0]
    assert design.small.try_charge(cgroups[2], 2)
    assert usage(design.small, cgroups) == [2, 2, 2, 0]


# --- the design ---------------------------------------------------------

Call = tuple[Any, ...]


def played(bounds: dict[str, int], having: str, *calls: Call) -> Any:
    """The design after the calls: each a name, arguments (raw), a result. A
    cgroup beyond the last one is the root; the end of pages is exclusive."""
    design: Any = MemcgTree(bounds=bounds, having=tuple(having.split()))
    for name, *raw, result in calls:
        domains = parameters(MemcgTree, action_methods(MemcgTree)[name][0]).values()
        arguments = [
            design._binding.values(d).python(r)
            for d, r in zip(domains, raw, strict=True)
        ]
        returned = design.step(name, *arguments)
        assert getattr(returned, "name", None) == result, (name, raw)
    return design


def of(design: Any, table: Any) -> list[Any]:
    return [table[c] for c in design._binding.values(design.cgroups.cgroups)]


def removed(cgroup: int) -> list[Call]:
    return [("rmdir", cgroup, "OK"), ("css_offline", cgroup, None)]


THREE: list[Call] = [
    ("mkdir", 0, 3, None),
    ("mkdir", 1, 0, None),
    ("mkdir", 2, 1, None),
    ("attach", 0, 2, None),
]
"""cg0 > cg1 > cg2, and the task in cg2."""


def test_a_reservation_refused_three_deep_holds_nothing() -> None:
    """A task in cg0 has reserved 1 of 2; 2 more are refused there."""
    d = played(
        {"C": 3, "T": 2, "F": 2, "B": 4},
        "rsvd",
        *THREE,
        ("attach", 1, 0, None),
        ("reserve", 1, 1, 0, 1, "OK"),
        ("reserve", 0, 0, 0, 2, "ENOMEM"),
    )
    assert of(d, d.rsvd.usage) == [1, 0, 0]
    assert of(d, d.cgroups.refcnt) == [3, 2, 1]


def test_a_hole_in_the_middle_makes_a_second_reference() -> None:
    """3 pages are 1 region; without the middle one, 2; then 1, then 0."""
    bounds = {"C": 1, "P": 3, "B": 3, "CG_RSVD": 3}
    calls: list[Call] = [
        ("mkdir", 0, 1, None),
        ("attach", 0, 0, None),
        ("reserve", 0, 0, 0, 3, "OK"),
    ]
    for page, references, charged in ((None, 2, 3), (1, 3, 2), (0, 2, 1), (2, 1, 0)):
        if page is not None:
            calls.append(("punch", 0, page, None))
        d = played(bounds, "rsvd", *calls)
        assert of(d, d.cgroups.refcnt) == [references]
        assert of(d, d.rsvd.usage) == [charged]


def test_the_three_kinds_of_charge_at_offline() -> None:
    """2 reserved, 1 touched in cg2, which then goes."""
    bounds = {"C": 3, "B": 2, "CG_MAX": 2}
    calls = [
        *THREE,
        ("reserve", 0, 0, 0, 2, "OK"),
        ("fault", 0, 0, 0, "OK"),
        ("attach", 0, 3, None),
        *removed(2),
    ]
    d = played(bounds, "rsvd fault memory offline", *calls)
    assert of(d, d.rsvd.usage) == [2, 2, 2]
    assert of(d, d.usage.usage) == [1, 1, 0]
    assert of(d, d.memory.usage) == [1, 1, 1]
    # cg2: one region, one folio. Its ancestors: the base reference, a child.
    assert of(d, d.cgroups.refcnt) == [2, 2, 2]
    d = played(bounds, "rsvd fault memory offline rehome", *calls)
    assert of(d, d.rsvd.usage) == [2, 2, 0]
    assert of(d, d.cgroups.refcnt) == [2, 3, 1]


def test_a_zombie_holds_its_parents_until_the_file_goes() -> None:
    calls = [
        *THREE,
        ("reserve", 0, 0, 0, 1, "OK"),
        ("attach", 0, 3, None),
        *removed(2),
        *removed(1),
        *removed(0),
    ]
    d = played({"C": 3}, "rsvd offline", *calls)
    assert of(d, d.cgroups.refcnt) == [1, 1, 1]
    for cgroup in d._binding.values(d.cgroups.cgroups):
        with pytest.raises(Disabled):
            d.step("css_free", cgroup)
    d = played(
        {"C": 3},
        "rsvd offline",
        *calls,
        ("evict", 0, None),
        ("css_free", 2, None),
        ("css_free", 1, None),
        ("css_free", 0, None),
    )
    assert of(d, d.cgroups.css) == [Css.FREED] * 3
    assert of(d, d.cgroups.refcnt) == [0, 0, 0]


def test_rmdir_is_refused_while_there_is_a_task_or_a_child() -> None:
    played(
        {"C": 3},
        "offline",
        *THREE,
        ("rmdir", 2, "EBUSY"),
        ("rmdir", 1, "EBUSY"),
        ("attach", 0, 3, None),
        ("rmdir", 1, "EBUSY"),
        ("rmdir", 2, "OK"),
        ("rmdir", 1, "OK"),
    )


def test_offline_waits_for_the_children() -> None:
    with pytest.raises(Disabled):
        played(
            {"C": 2},
            "offline",
            ("mkdir", 0, 2, None),
            ("mkdir", 1, 0, None),
            ("rmdir", 1, "OK"),
            ("rmdir", 0, "OK"),
            ("css_offline", 0, None),
        )


def test_the_same_page_charged_at_reservation_and_at_fault() -> None:
    """rsvd.max 1 refuses at once; max 1 refuses the second fault."""
    start: list[Call] = [("mkdir", 0, 1, None), ("attach", 0, 0, None)]
    played({"C": 1, "CG_RSVD": 1}, "rsvd", *start, ("reserve", 0, 0, 0, 2, "ENOMEM"))
    d = played(
        {"C": 1, "CG_MAX": 1},
        "fault",
        *start,
        ("reserve", 0, 0, 0, 2, "OK"),
        ("fault", 0, 0, 0, "OK"),
        ("fault", 0, 0, 1, "ENOSPC"),
    )
    assert (of(d, d.usage.usage), d.free_huge_pages()) == ([1], 1)


@pytest.mark.parametrize(
    ("refuses", "error"),
    [
        ("MEM_MAX", "ENOMEM"),
        ("CG_RSVD", "ENOSPC"),
        ("CG_MAX", "ENOSPC"),
        ("B", "ENOSPC"),
    ],
)
def test_a_fault_gives_back_what_it_charged_before(refuses: str, error: str) -> None:
    """Memory first, then rsvd (nothing is reserved), then usage, then a page
    is taken: the second page is refused by each of the four in turn."""
    bounds = {"C": 1, "P": 2, "B": 2, "CG_RSVD": 2, "CG_MAX": 2, "MEM_MAX": 2}
    d = played(
        bounds | {refuses: 1},
        "rsvd fault memory noreserve",
        ("mkdir", 0, 1, None),
        ("attach", 0, 0, None),
        ("fault", 0, 0, 0, "OK"),
        ("fault", 0, 0, 1, error),
    )
    for counters in (d.memory, d.rsvd, d.usage):
        assert of(d, counters.usage) == [1]
    # The base reference, a folio of memory, a folio without a reservation.
    assert of(d, d.cgroups.refcnt) == [3]


def test_a_kill_frees_what_has_no_name() -> None:
    """2 tasks in a group with 2 pages, one of them a memfd's: the limit 0
    kills both tasks, and 1 page stays."""
    d = played(
        {"C": 1, "T": 2, "F": 2, "P": 1, "B": 2},
        "memory limits memfd",
        ("mkdir", 0, 1, None),
        ("attach", 0, 0, None),
        ("attach", 1, 0, None),
        ("memfd_create", 0, 0, None),
        ("reserve", 0, 0, 0, 1, "OK"),
        ("fault", 0, 0, 0, "OK"),
        ("reserve", 1, 1, 0, 1, "OK"),
        ("fault", 1, 1, 0, "OK"),
        ("memory_max_write", 0, 0, None),
        ("oom_kill", 0, None),
        ("oom_kill", 1, None),
    )
    assert of(d, d.memory.usage) == [1]
    tasks = list(d._binding.values(parameters(MemcgTree, MemcgTree.attach)["task"]))
    with pytest.raises(Disabled):
        d.step("oom_kill", tasks[0])
