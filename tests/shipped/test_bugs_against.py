# SPDX-License-Identifier: GPL-2.0-only
"""Each bug of the catalogue against the design with the fix: what differs is what the
bug breaks, and what follows from that; nothing else.

`BREAKS` was written from public reports of the bugs, which say by how much a count is
off, before anything was run. Comments say where the run knew better, and why.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from poolproof.checker.core.verdict import Budget, Silent
from poolproof.checker.driver.against import Compared, compare
from poolproof.checker.driver.check import EXHAUSTIVE
from poolproof.checker.driver.designs import (
    DesignRef,
    find_spec,
    shipped_specs,
    specs_for,
)
from poolproof.checker.driver.regressions import BugEntry, catalogue
from poolproof.checker.driver.task import Request, Task, prepare
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.spec import Sizes, Spec, parse, resolve
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb
from poolproof.model.designs.hugetlb.steps import HugetlbSteps
from poolproof.model.language import declared, with_needs
from tests.common.tiers import table

INVARIANTS = "hugetlb_invariants"
BUDGET = Budget(seconds=60)
POSSIBLE = {e.name: e for e in catalogue() if e.known is not None}
OF_HUGETLB = {
    n: e
    for n, e in POSSIBLE.items()
    if issubclass(e.sound, Hugetlb) and not issubclass(e.sound, HugetlbSteps)
}

BREAKS: dict[str, set[str]] = {
    # resv_huge_pages is too low, below zero in the end
    "ebed4bfc8da8": {"resv_exact", "ranges"},
    "84afd99b8398": {"resv_exact", "ranges", "drain"},
    "07443a85ad90": {"resv_exact"},
    "67961f9db8c4": {"resv_exact", "ranges"},
    "22146c3ce989": {"resv_exact", "ranges"},
    "846be08578ed": {"resv_exact", "ranges"},
    # ... and a wrapped counter stays as it is: alloc_hugetlb_folio()'s callers see no
    # difference, and take the next page for one that had no promise. Its index leaves
    # the map. The kernel has a flag for it, so there the index would stay.
    "d84cf06e3dd8": {"resv_exact", "ranges", "cached_is_accounted"},
    "ee40c9920ac2": {"resv_exact", "ranges"},
    # resv_huge_pages is too high
    "ReadaheadKeepsPromise": {"resv_exact"},
    "96b96a96ddee": {"resv_exact", "drain"},
    "CopyErrorKeepsConsumed": {"resv_exact"},
    "26a8ea80929c": {"resv_exact"},  # the page stays in the file at these bounds
    "deb0f6562884": {"resv_exact", "drain"},
    "MmapPrepare": {"resv_exact", "drain"},
    "26273f5f4cf6": {"resv_exact", "drain"},
    # free pages do not suffice for what is promised
    "6b0c880dfefe": {"resv_backed"},
    "082d5b6b60e9": {"resv_backed"},
    "7a197d346a44": {"resv_backed"},
    "4ef918482808": {"resv_backed"},
    # the subpool
    "c79fb75e5a51": {"used_exact"},
    "17c9d12e126c": {"used_exact"},
    "CowSkipsSubpool": {"used_exact"},
    "cb6acd01e2e4": {"used_exact"},
    "0919e1b69ab4": {"used_exact"},
    "1d3f9bb4c8af": {"used_exact"},
    "a833a693a490": {"resv_exact", "min_exact"},
    "UncountedMinimum": {"min_exact"},
    # a page is cached, and its index is not in the reserve map
    "f83a275dbc5c": {"cached_is_accounted", "resv_exact"},
    "c7b1850dfb41": {"cached_is_accounted"},
    # pages
    "c56b6f3d801d": {"census", "drain"},
    "SurplusSurvivesDissolve": {"ranges"},
    # a surplus page is freed as one that is not surplus
    "348e1e04b522": {"ranges"},
    "fd875dca7c71": {"ranges"},
    # nothing is promised: what is said of promises says nothing
    "5a6fe1259506": {"all_promised", "had_is_consumed"},
    # references to cgroups, and changes in progress: counts that the kernel asserts
    "c50ac0508415": {"counter.css.refs"},
    "09a26e832705": {"counter.css.refs"},
    "afe041c2d0fe": {"counter.css.refs"},
    "ff8c0c53c475": {"counter.i_resv_map.adds_in_progress"},
    "8daf9c702ee7": {
        "counter.resv_map.adds_in_progress",
        "bug_on.munmap.resv_map.resv_map_release",
    },
    # no count of hugetlb is wrong: another spec finds these
    "8ca39e6874f8": set(),
    "e656c7a9e596": set(),
    "9808895e1a44": set(),
    "a01f43901cfb": set(),
}
"""Which invariants of hugetlb the bug breaks at the bounds of its entry."""

FOLLOWS = {
    "resv_exact": {"ranges", "resv_backed", "drain"},
    "resv_backed": {"ranges"},
    "used_exact": {"min_exact"},
    "min_exact": {"resv_exact"},
    "cached_is_accounted": {"resv_exact", "used_exact"},
    "census": {"drain", "resv_backed"},
}
"""What may be wrong wherever the first is: counts that are computed from it."""


def implied(names: set[str]) -> set[str]:
    """All that may be wrong where these are."""
    found = set(names)
    while more := {f for n in found for f in FOLLOWS.get(n, ())} - found:
        found |= more
    return found


def against(entry: BugEntry, spec: str) -> Compared:
    """The design with the bug against the one with the fix, where the bug shows."""
    assert entry.known is not None
    bug, text = entry.bug, parse(find_spec(spec))
    sizes = Sizes(dict(bug.bounds), (), bug.features)
    compiled = compile_design(entry.known.cls, sizes.bounds, (), sizes.having)
    resolved = resolve(text, compiled)
    task = Task(text, entry.known, compiled, resolved, sizes, sizes.bounds, False)
    cls = entry.sound
    base = DesignRef(cls, f"{cls.__module__}:{cls.__name__}")
    return compare(task, base, EXHAUSTIVE, BUDGET, Silent())


def changed(entry: BugEntry, spec: str) -> set[str]:
    """The names of the properties that differ."""
    compared = against(entry, spec)
    assert not compared.wrong
    assert not compared.unknown
    return {d.prop.name for d in compared.differences}


def test_every_bug_of_hugetlb_has_its_line() -> None:
    assert set(BREAKS) == set(OF_HUGETLB)


def test_what_follows_is_said_of_what_is_broken() -> None:
    broken = {n for names in BREAKS.values() for n in names}
    assert set(FOLLOWS) <= broken | {"min_exact", "resv_backed"}


def check_invariants(name: str) -> None:
    differs = changed(OF_HUGETLB[name], INVARIANTS)
    assert BREAKS[name] <= differs <= implied(BREAKS[name])


@pytest.mark.parametrize("name", ["ebed4bfc8da8", "082d5b6b60e9"])
def test_only_what_it_breaks_differs(name: str) -> None:
    check_invariants(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", BREAKS)
def test_only_what_it_breaks_differs_slow(name: str) -> None:
    check_invariants(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", POSSIBLE)
def test_its_own_property_differs(name: str) -> None:
    entry = POSSIBLE[name]
    assert entry.property in changed(entry, entry.spec)


# --- without the trigger ------------------------------------------------------

SAMPLE = 3
"""Specs for each bug: all of them would take half an hour."""

ALWAYS_TRIGGERED = {
    "ac09b3a15154",
    "33039678c8da",
    "e5bbc8a6c992",
    "8cc5fcbb5be8",
    "12df140f0bdf",
    "b76b46902c2d",
}
"""Bugs of HugetlbSteps: all its specs have the trigger, which is `steps`."""


@cache
def cheap_specs() -> tuple[Spec, ...]:
    """The shipped specs of less than a second."""
    slow = {name for name, _ in table()}
    return tuple(parse(p) for p in shipped_specs() if Path(p).stem not in slow)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "name"),
    [(k, n) for k, n in enumerate(POSSIBLE) if POSSIBLE[n].bug.trigger],
)
def test_specs_without_its_trigger_see_nothing(number: int, name: str) -> None:
    entry = POSSIBLE[name]
    assert entry.known is not None
    cls = entry.sound
    base = DesignRef(cls, f"{cls.__module__}:{cls.__name__}")
    mine = specs_for(cheap_specs(), base)
    triggers, asked = set(entry.bug.trigger.split()), 0
    for k in range(len(mine)):
        spec = mine[(number + 7 * k) % len(mine)]
        for task in prepare(spec, Request(designs=(entry.known,))):
            features, sizes = declared(entry.known.cls)[1], task.sizes
            on = set(with_needs(features, sizes.having, sizes.without))
            on |= {n for n, f in features.items() if f.default} - set(sizes.without)
            on |= {b for b, size in task.compiled.bounds.items() if size > 0}
            if triggers & on or task.asks_nothing:
                continue
            compared = compare(task, base, EXHAUSTIVE, BUDGET, Silent())
            assert not compared.differs, spec.file
            asked += 1
        if asked == SAMPLE:
            break
    assert bool(asked) == (name not in ALWAYS_TRIGGERED)
