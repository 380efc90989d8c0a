# SPDX-License-Identifier: GPL-2.0-only
"""Orders of two tasks' steps that the model allows, made on a kernel by stopping one
CPU where the kernel drops a lock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

import pytest

from poolproof.checker.core.cache import cache_folder
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.kernel.guest import Guest, GuestMachine
from poolproof.checker.kernel.kernel import Unavailable
from poolproof.model.designs.hugetlb.bugs.steps import (
    Before8cc5fcbb5be8,
    Before33039678c8da,
)
from poolproof.model.designs.hugetlb.steps import HugetlbSteps
from tests.common.linux_tree import own_image
from tests.kernel.windows import STOPS, Call, Order, orders, replay, setup, symbols


def shared(task: int, end: int = 1, noreserve: int = 0) -> Call:
    """mmap() of the file's first pages; task t has VMA t."""
    where = {"vma": task, "file": 0, "start": 0, "end": end}
    return Call(task, "mmap_shared", {**where, "noreserve": noreserve})


def private(task: int, length: int = 1, noreserve: int = 0) -> Call:
    where = {"vma": task, "length": length}
    return Call(task, "mmap", {**where, "noreserve": noreserve})


def fault(task: int, page: int = 0) -> Call:
    where = {"vma": task, "page": page}
    return Call(task, "fault", {**where, "write": 1, "installed": 1})


def copy(task: int, page: int = 0) -> Call:
    where = {"vma": task, "page": page}
    return Call(task, "uffdio_copy", {**where, "resident": 0})


def truncate(task: int, size: int = 0) -> Call:
    return Call(task, "ftruncate", {"file": 0, "size": size})


def dontneed(task: int) -> Call:
    return Call(task, "dontneed", {"vma": task, "page": 0})


def unmap(task: int) -> Call:
    return Call(task, "unmap", {"vma": task})


@dataclass(frozen=True)
class Case:
    """What both tasks have, the first one's call, and those of the second."""

    name: str
    having: tuple[str, ...]
    before: tuple[Call, ...]
    first: Call
    seconds: tuple[Call, ...]
    bounds: Mapping[str, int] = field(default_factory=dict)

    @property
    def sizes(self) -> dict[str, int]:
        return {"T": 2, "V": 2, "P": 1, "files": 1, "blocks": 2, "OC": 1, **self.bounds}


FILES = ("hugetlbfs", "noreserve")
BOTH = (shared(0), shared(1))
TWO = (shared(0, 2), shared(1, 2))
CASES = (
    Case("a fault", FILES, BOTH, fault(0), (fault(1), unmap(1))),
    Case("other pages", FILES, TWO, fault(0), (fault(1), fault(1, 1)), {"P": 2}),
    Case("a fault alone", FILES, (private(0),), fault(0), (private(1), shared(1))),
    Case(
        "a fault without a promise",
        FILES,
        (shared(0, noreserve=1), shared(1, noreserve=1)),
        fault(0),
        (fault(1), unmap(1)),
    ),
    Case(
        "mmap of what others fault",
        FILES,
        (shared(1, noreserve=1),),
        shared(0),
        (fault(1), unmap(1)),
    ),
    Case("mmap by both", FILES, (), shared(0), (shared(1), private(1))),
    Case("the last page", FILES, (), shared(0), (private(1),), {"blocks": 1}),
    Case(
        "surplus pages for mmap",
        ("surplus", "noreserve"),
        (),
        private(0, 2),
        (private(1, 1), private(1, 2)),
        {"P": 2, "blocks": 1},
    ),
    Case(
        "a surplus page for a fault",
        ("surplus", "noreserve"),
        (private(1), private(0, noreserve=1)),
        fault(0),
        (fault(1), unmap(1)),
        {"blocks": 1},
    ),
    Case(
        "UFFDIO_COPY",
        ("hugetlbfs", "userfaultfd"),
        BOTH,
        copy(0),
        (fault(1), unmap(1)),
    ),
    Case("two copies", ("hugetlbfs", "userfaultfd"), BOTH, copy(0), (copy(1),)),
    Case(
        "a copy through a temporary page",
        ("hugetlbfs", "userfaultfd"),
        BOTH,
        copy(0),
        (fault(1),),
        {"blocks": 1},
    ),
    Case(
        "ftruncate during a fault",
        ("hugetlbfs", "truncate"),
        (shared(0),),
        fault(0),
        (truncate(1),),
    ),
    Case(
        "a fault during ftruncate",
        ("hugetlbfs", "truncate"),
        (shared(1),),
        truncate(0),
        (fault(1),),
    ),
    Case(
        "a surplus page while another is freed",
        ("surplus", "dontneed"),
        (private(0), fault(0)),
        dontneed(0),
        (private(1),),
        {"blocks": 1},
    ),
)


@cache
def allowed(
    number: int, design: type[HugetlbSteps] = HugetlbSteps
) -> tuple[Order, ...]:
    case = CASES[number]
    compiled = compile_design(design, case.sizes, having=("steps", *case.having))
    return tuple(orders(compiled, case.before, case.first, case.seconds))


def test_a_call_waits_where_the_first_task_has_the_lock() -> None:
    """The fault mutex of the index: from before the reserve map is asked until the
    page is in the page cache."""
    faults = [o for o in allowed(0) if o.second == fault(1)]
    assert [o.label for o in faults] == [
        *("vma_needs_reservation is done", "has a folio")
    ]
    assert all(o.waits for o in faults)
    assert not any(o.waits for o in allowed(0) if o.second == unmap(1))
    *_, last = faults[0].seen
    assert last.pool is not None
    assert (last.pool.free, last.pool.rsvd) == (1, 0)


@pytest.fixture(scope="module")
def kernel(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Guest, dict[str, int]]]:
    image = own_image(tmp_path_factory.mktemp("image"))
    machine = GuestMachine(cpus=2)
    try:
        guest = Guest(image, cache_folder(), machine)
    except Unavailable as reason:
        pytest.skip(str(reason))
    with guest:
        yield guest, symbols(image.vmlinuz.with_name("System.map"))


@pytest.mark.slow
def test_all_windows_are_looked_at() -> None:
    labels = {o.label for number, _ in enumerate(CASES) for o in allowed(number)}
    assert labels == {*STOPS}


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda k: CASES[k].name)
def test_a_kernel_does_as_the_model_in_each_order(
    number: int, kernel: tuple[Guest, dict[str, int]]
) -> None:
    guest, addresses = kernel
    sizes = CASES[number].sizes
    overcommit = sizes["OC"] if "surplus" in CASES[number].having else 0
    assert allowed(number)
    for order in allowed(number):
        start = setup(sizes["blocks"], overcommit, sizes["files"])
        seen = replay(guest, addresses, start, order)
        for ours, theirs in zip(order.seen, seen, strict=True):
            assert theirs == ours, str(order)
        # a counter that has wrapped needs another guest
        wraps = any(s.pool is not None and s.pool.rsvd < 0 for s in order.seen)
        assert guest.reset() or wraps


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "design"),
    [
        ("mmap of what others fault", Before33039678c8da),
        ("UFFDIO_COPY", Before8cc5fcbb5be8),
    ],
)
def test_a_model_without_a_fix_differs(
    name: str, design: type[HugetlbSteps], kernel: tuple[Guest, dict[str, int]]
) -> None:
    """A fault between region_chg and region_add; a page that is kept while it is
    copied to."""
    guest, addresses = kernel
    number = [case.name for case in CASES].index(name)
    start = setup(CASES[number].sizes["blocks"], 0, 1)
    differ = []
    for order in allowed(number, design):
        differ.append(replay(guest, addresses, start, order) != order.seen)
        assert guest.reset()
    assert any(differ)
