# SPDX-License-Identifier: GPL-2.0-only
"""What user space can tell the shipped designs apart by, as far as it is known."""

from __future__ import annotations

import pytest

from poolproof.checker.core.verdict import Budget, Silent
from poolproof.checker.driver.check import Request
from poolproof.checker.driver.compare import Comparison, compare, prepare
from poolproof.checker.driver.designs import (
    designs_named,
    find_spec,
    shipped_interfaces,
)
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
    """All is as in hugetlbfs, the counters too, but for the errno of fallocate()
    without a page: hugetlbfs_fallocate() returns what alloc_hugetlb_folio() does,
    ENOSPC, and the sketch ENOMEM."""
    found = compared("Hugetlb", "ReservedThpHugetlbfs", "reserved_thp_hugetlbfs")
    assert found.complete
    assert classes(found) == [("fallocate", "ENOSPC", "ENOMEM", 3)]
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
