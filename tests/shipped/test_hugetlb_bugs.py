# SPDX-License-Identifier: GPL-2.0-only
"""Each historical bug is found, by the invariants that it broke in its time,
the present design has none of them at the same bounds, and without what triggers
it a bug breaks nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import pytest

from poolproof.checker.core.verdict import Budget, Silent, Violated
from poolproof.checker.engines.registry import engine_of
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.spec import parse_text, resolve
from poolproof.model.designs.hugetlb import bugs
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb
from poolproof.model.designs.hugetlb.versions import Hugetlb61, Hugetlb70

explicit = engine_of("explicit")

SPEC = """
spec "hugetlb: what its bugs broke"
let absent = sum(f in FILES: accounted(f) - instantiated(f))
let private_use(v) = unconsumed(v) + count(p in PAGES: anon.node[v, p] != none)
invariant I1:
    h.resv_huge_pages == sum(v in VMAS: unconsumed(v)) + absent + spool.rsv_hpages
invariant I2: h.resv_huge_pages <= free_huge_pages()
invariant I4: 0 <= h.resv_huge_pages
invariant I7: 0 <= spool.used_hpages
step I16 on touch(vma, page, installed):
    is_promised(vma, page) and within_file(vma, page) and installed implies result == OK
step B34 on mmap(task, length):
    result == OK implies length <= sum(n in NODES: h.free_huge_pages_node'[n]
        if len(mpol.mempolicy[task]) == 0 or n in mpol.mempolicy[task] else 0)
"""


@dataclass(frozen=True)
class Case:
    """A bug, the features and bounds to see it, and at which depth it breaks
    what ``sound``, the design without it, does not break. ``trigger`` are the
    features of which one is needed to see it."""

    bug: type[Hugetlb]
    trigger: str
    features: str
    bounds: dict[str, int]
    broken: dict[str, int]
    sound: type[Hugetlb] = Hugetlb


ONE = {"V": 1, "P": 1, "blocks": 1}
CASES = [
    Case(
        bugs.FaultBeyondEof,
        "truncate",
        "hugetlbfs truncate",
        ONE,
        {"I1": 3, "I4": 3, "I16": 12},  # the count is too low: one page, two promises
    ),
    Case(
        bugs.ResizeForgetsPagesInUse,
        "resize resize_node",
        "surplus resize_node",
        {"V": 2, "P": 2, "blocks": 3},
        {"I2": 3, "I16": 4},
    ),
    Case(
        bugs.SplitCopiesReservation,
        "split mremap_part",
        "split",
        {"V": 2, "P": 2, "blocks": 2},
        {"I1": 2, "I4": 3, "I16": 6},
        Hugetlb61,
    ),
    Case(
        bugs.CowSkipsSubpool,
        "fork",
        "hugetlbfs private_files mount size fork",
        {"V": 2, "P": 1, "blocks": 2},
        {"I7": 7},
    ),
    Case(
        bugs.PrivateHoleReusesReservation,
        "punch truncate dontneed",
        "hugetlbfs private_files punch",
        ONE,
        {"I1": 4, "I4": 4, "I16": 12},
        Hugetlb61,
    ),
    Case(bugs.ErrorLeavesConsumed, "inject", "inject", ONE, {"I1": 2}),
    Case(
        bugs.RestoreCreditsSubpool,
        "inject",
        "hugetlbfs mount size inject",
        ONE,
        {"I7": 4},
        Hugetlb61,
    ),
    Case(
        bugs.ReserveIgnoresMempolicy,
        "mempolicy",
        "mempolicy",
        {"V": 2, "P": 1, "blocks": 1, "nodes": 2},
        {"B34": 4},
    ),
    Case(
        bugs.ErrorLeavesEntry,
        "inject",
        "hugetlbfs noreserve inject",
        ONE,
        {"I1": 2, "I4": 3, "I16": 8},
    ),
    Case(
        bugs.FailedReserveFillsMinimum,
        "min_size",
        "hugetlbfs mount min_size truncate",
        {"V": 2, "P": 2, "files": 1, "blocks": 1},
        {"I1": 3, "I4": 5, "I16": 6},
        Hugetlb70,
    ),
    Case(
        bugs.ReadaheadKeepsPromise,
        "readahead",
        "hugetlbfs readahead",
        ONE,
        {"I1": 2, "I2": 2},
    ),
]

# Each with everything that the model has, in parts, but the bug's trigger.
ELSEWHERE = {
    "private": (
        "fork reads split mremap dontneed noreserve inject",
        {"V": 2, "P": 2, "blocks": 2},
    ),
    "surplus": (
        "surplus resize_node resize exit dontneed",
        {"V": 2, "P": 1, "blocks": 1, "CAP": 2},
    ),
    "nodes": ("mempolicy cpuset", {"V": 2, "P": 1, "blocks": 1, "nodes": 2}),
    "hugetlbfs": (
        "hugetlbfs private_files noreserve inject punch truncate fallocate unlink dontneed",
        {"V": 2, "P": 1, "files": 1, "blocks": 2},
    ),
    "limit": (
        "hugetlbfs private_files mount size fork noreserve inject punch",
        {"V": 2, "P": 1, "files": 1, "blocks": 2, "MAX": 2},
    ),
    "minimum": (
        "hugetlbfs mount min_size noreserve inject truncate",
        {"V": 2, "P": 1, "files": 1, "blocks": 2},
    ),
}


@cache
def violated(
    design: type[Hugetlb], bounds: tuple[tuple[str, int], ...], features: str
) -> dict[str, int]:
    """The depth of each violation, by property."""
    compiled = compile_design(design, dict(bounds), having=features.split())
    properties = resolve(parse_text(SPEC), compiled).properties
    outcome = explicit(compiled.system, properties, Budget(seconds=60), Silent())
    assert not outcome.defects
    assert outcome.statistics.complete
    return {
        name: len(v.trace)
        for name, v in outcome.verdicts.items()
        if isinstance(v, Violated)
    }


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.bug.__name__)
def test_the_bug_is_found(case: Case) -> None:
    bounds = tuple(case.bounds.items())
    sound = violated(case.sound, bounds, case.features)
    found = violated(case.bug, bounds, case.features)
    assert {n: d for n, d in found.items() if n not in sound} == case.broken


def unprovoked(case: Case, features: str, bounds: dict[str, int]) -> dict[str, int]:
    """What the bug breaks, or breaks sooner, without its trigger."""
    off = {*case.trigger.split()}
    rest = " ".join(f for f in features.split() if f not in off)
    given = tuple(bounds.items())
    sound = violated(case.sound, given, rest)
    found = violated(case.bug, given, rest)
    return {n: d for n, d in found.items() if d != sound.get(n)}


@pytest.mark.parametrize("part", ELSEWHERE)
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.bug.__name__)
def test_without_its_trigger_it_breaks_nothing(case: Case, part: str) -> None:
    features, bounds = ELSEWHERE[part]
    assert not unprovoked(case, features, bounds)
