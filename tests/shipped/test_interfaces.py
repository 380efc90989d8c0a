# SPDX-License-Identifier: GPL-2.0-only
"""What user space can tell the shipped designs apart by, as far as it is known."""

from __future__ import annotations

import pytest

from poolproof.checker.core.verdict import Budget, Silent
from poolproof.checker.driver.compare import Comparison, compare, prepare
from poolproof.checker.driver.designs import (
    designs_named,
    find_spec,
    shipped_interfaces,
)
from poolproof.checker.driver.task import Request
from poolproof.checker.spec import parse


def compared(
    one: str, other: str, name: str, label: str = "", depth: int | None = None
) -> Comparison:
    (a,), (b,) = designs_named(one), designs_named(other)
    pair = prepare(a, b, parse(find_spec(name)), Request(label=label))
    return compare(pair, Budget(depth=depth), Silent())


def classes(found: Comparison) -> list[tuple[str, str, str, int]]:
    return [
        (c.name, *(" or ".join(sorted(map(str, s))) for s in c.shown), c.calls)
        for c in found.classes
    ]


def test_reserved_thp_behind_hugetlbfs() -> None:
    """All is as in hugetlbfs: results and counters. ENOSPC of fallocate() without a
    page, too, which shmem calls ENOMEM."""
    found = compared("Hugetlb", "ReservedThpHugetlbfs", "reserved_thp_hugetlbfs")
    assert found.complete
    assert not found.classes
    assert [(w.pairs, w.depth) for w in found.ways] == [(357, 12), (357, 12)]


def test_a_reserved_thp_file_that_is_cut() -> None:
    found = compared(
        "Hugetlb", "ReservedThpHugetlbfs", "reserved_thp_hugetlbfs", "truncate"
    )
    assert found.complete
    assert not found.classes
    assert [w.pairs for w in found.ways] == [568, 569]


def test_reserved_thp_does_not_know_nodes() -> None:
    """The quota is one for all nodes: mmap() promises what a bound task may not have,
    where hugetlb_acct_memory() refuses it."""
    found = compared(
        "Hugetlb", "ReservedThpHugetlbfs", "reserved_thp_hugetlbfs", "numa"
    )
    assert found.complete
    assert classes(found) == [
        ("mmap_shared", "ENOMEM", "OK", 2),
        ("fallocate", "ENOSPC", "OK", 3),
        ("touch", "SIGBUS", "OK", 4),
        ("touch", "OK", "SIGBUS", 4),
    ]


def test_reserved_thp_and_fork() -> None:
    """The child shares the file's promises: neither design counts anything."""
    found = compared(
        "Hugetlb", "ReservedThpHugetlbfs", "reserved_thp_hugetlbfs", "fork"
    )
    assert found.complete
    assert not found.classes


def test_reserved_thp_returns_the_quota_of_a_pinned_page() -> None:
    """hugetlb counts pages: the one that I/O keeps after the hole is not free, and mmap()
    is refused. The quota is one of indices: it is free at once, mmap() promises a page
    that nobody has, and the fault is SIGBUS. A pin without a mapping is the sketch's:
    it pins by file."""
    found = compared(
        "Hugetlb", "ReservedThpHugetlbfs", "reserved_thp_hugetlbfs", "pins"
    )
    assert found.complete
    assert ("mmap_shared", "ENOMEM", "OK") in [c[:3] for c in classes(found)]
    assert {c[0] for c in classes(found)} == {"mmap_shared", "pin"}


def test_a_page_that_goes_brings_its_promise_back() -> None:
    """df7a6d1f6405, in 6.9: 6.1 forgets the promise of a page that its owner unmaps.
    HugePages_Rsvd says so, and then a promise that is there or not."""
    found = compared("Hugetlb61", "Hugetlb", "hugetlb_meminfo", "dontneed")
    assert found.complete
    assert classes(found) == [
        ("reserved", "0", "1", 3),
        ("mmap", "OK", "ENOMEM", 4),
        ("touch", "OK", "SIGBUS", 5),
        ("free", "0", "1", 6),
        ("touch", "SIGBUS", "OK", 7),
        ("mmap", "ENOMEM", "OK", 8),
    ]
    assert [w.pairs for w in found.ways] == [308, 308]


def test_a_mapping_that_fails_leaves_the_subpool_right() -> None:
    """a833a693a490, in 6.15: 6.12 gives a subpool what it did not get from it."""
    found = compared("Hugetlb70", "Hugetlb", "hugetlb_meminfo", "mount")
    assert found.complete
    assert classes(found) == [
        ("reserved", "1", "2", 3),
        ("mmap", "OK", "ENOMEM", 4),
        ("mount", "OK", "ENOMEM", 6),
        ("mmap_shared", "OK", "ENOMEM", 6),
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("one", "label"), [("Hugetlb61", "mount"), ("Hugetlb70", "dontneed")]
)
def test_versions_that_show_the_same(one: str, label: str) -> None:
    found = compared(one, "Hugetlb", "hugetlb_meminfo", label)
    assert found.complete
    assert not found.same
    assert not found.classes


@pytest.mark.slow
def test_a_surplus_page_on_an_allowed_node() -> None:
    """003af997c8a9, in 6.11: 6.1 takes a surplus page from any node of the cpuset, and
    then refuses a bound task."""
    found = compared("Hugetlb61", "Hugetlb", "hugetlb_meminfo", "three", depth=5)
    assert classes(found) == [("mmap", "ENOMEM", "OK", 5)]


@pytest.mark.slow
@pytest.mark.parametrize("path", shipped_interfaces())
def test_each_label_has_calls(path: str) -> None:
    spec = parse(path)
    first, *others = (word.text for word in spec.designs)
    for label in (b.label for b in spec.bounds):
        (a,), (b,) = designs_named(first), designs_named((others or [first])[0])
        found = prepare(a, b, spec, Request(label=label)).interface
        assert found.calls
        assert not found.unread
