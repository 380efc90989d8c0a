# SPDX-License-Identifier: GPL-2.0-only
"""The promises of every pool design, and pageblocks: the exemplary runs end as
they should."""

from __future__ import annotations

from typing import Any

import pytest

from poolproof.model.blocks.pageblock import Type
from poolproof.model.designs.global_pool.pool import GlobalPool
from poolproof.model.designs.guest_memfd import GuestMemfd
from poolproof.model.designs.hugetlb.cma import HugetlbCma
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb
from poolproof.model.designs.probes.page_allocator import (
    NODES,
    PAGEBLOCKS,
    PageAllocator,
)
from poolproof.model.designs.reserved_thp.assumed import ReservedThpAssumed
from poolproof.model.designs.reserved_thp.planned import ReservedThpPlanned
from poolproof.model.designs.reserved_thp.posted import ReservedThp
from poolproof.model.designs.tao import Tao
from poolproof.model.language import Disabled, action_methods, parameters

Call = tuple[Any, ...]


def played(cls: Any, bounds: dict[str, int], having: str, *calls: Call) -> Any:
    """The design after the calls: each a name, arguments (raw), a result."""
    design = cls(bounds=bounds, having=tuple(having.split()))
    for name, *raw, result in calls:
        domains = parameters(cls, action_methods(cls)[name][0]).values()
        arguments = [
            design._binding.values(d).python(r)
            for d, r in zip(domains, raw, strict=True)
        ]
        returned = design.step(name, *arguments)
        assert getattr(returned, "name", None) == result, (name, raw)
    return design


RTHP = (ReservedThp, ReservedThpPlanned)


@pytest.mark.parametrize("cls", RTHP)
def test_dontunmap_is_charged_in_full(cls: Any) -> None:
    """vma: MREMAP_DONTUNMAP leaves two VMAs with the flag."""
    d = played(
        cls,
        {"blocks": 2, "V": 2, "P": 1},
        "mremap",
        ("reserve", 0, 1, "OK"),
        ("fault", 0, 0, 0, "OK"),
        ("mremap_dontunmap", 0, 1, "OK"),
    )
    assert (d.used(), d.populated(), d.promised()) == (2, 1, 1)


@pytest.mark.parametrize("cls", RTHP)
def test_dontunmap_beyond_the_quota_fails(cls: Any) -> None:
    d = played(
        cls,
        {"blocks": 1, "V": 2, "P": 1},
        "mremap",
        ("reserve", 0, 1, "OK"),
        ("mremap_dontunmap", 0, 1, "ENOMEM"),
    )
    assert d.used() == 1


def test_three_pieces_lose_a_block() -> None:
    """vma: floor(a) + floor(b) < floor(a + b)."""
    d = played(
        ReservedThpAssumed,
        {"blocks": 2, "V": 1, "P": 2, "K": 2},
        "partial",
        ("reserve", 0, 2, "OK"),
        ("fault", 0, 0, 0, "OK"),
        ("unmap_tail", 0, 1, None),
        ("unmap", 0, None),
    )
    assert d.idle()
    assert (d.used(), d.free_blocks()) == (1, 2)


@pytest.mark.parametrize("cls", RTHP)
def test_nohugepage_gives_quota_back_and_no_block(cls: Any) -> None:
    """rfc: MADV_NOHUGEPAGE clears the flag; the folio stays mapped. Base pages
    that are there already do not keep MADV_RESERVED_THP from charging."""
    d = played(
        cls,
        {"blocks": 2, "V": 2, "P": 2, "K": 2},
        "",
        ("reserve", 0, 2, "OK"),
        ("fault", 0, 0, 0, "OK"),
        ("madvise_nohugepage", 0, None),
        ("touch", 0, 1, None),
        ("reserve", 1, 1, "OK"),
        ("madvise_reserved", 0, "EAGAIN"),
        ("unmap", 1, None),
        ("madvise_reserved", 0, "OK"),
    )
    assert (d.used(), d.populated(), d.small(), d.promised()) == (2, 1, 1, 0)


@pytest.mark.parametrize("cls", RTHP)
def test_a_large_holder_cannot_fork(cls: Any) -> None:
    played(
        cls,
        {"blocks": 2, "V": 2, "P": 2},
        "fork",
        ("reserve", 0, 2, "OK"),
        ("fork", 0, 1, "ENOMEM"),
    )


@pytest.mark.parametrize("cls", RTHP)
def test_copy_on_write_makes_small_pages(cls: Any) -> None:
    d = played(
        cls,
        {"blocks": 2, "V": 2, "P": 1},
        "fork",
        ("reserve", 0, 1, "OK"),
        ("fault", 0, 0, 0, "OK"),
        ("fork", 0, 1, "OK"),
        ("write", 1, 0, None),
        ("unmap", 0, None),
    )
    assert (d.small(), d.populated(), d.used()) == (1, 1, 1)


def test_uncharged_child_takes_what_a_third_was_promised() -> None:
    d = played(
        ReservedThpAssumed,
        {"blocks": 2, "V": 3, "P": 1},
        "fork fork_uncharged",
        ("reserve", 0, 1, "OK"),
        ("fork", 0, 1, "OK"),
        ("reserve", 2, 1, "OK"),
        ("fault", 0, 0, 0, "OK"),
        ("fault", 1, 0, 0, "OK"),
        ("fault", 2, 0, 0, "SIGBUS"),
    )
    assert d.failed
    assert d.used() < d.entitled()


@pytest.mark.parametrize("cls", RTHP)
def test_dontneed_keeps_the_promise(cls: Any) -> None:
    d = played(
        cls,
        {"blocks": 1, "V": 2, "P": 1},
        "dontneed",
        ("reserve", 0, 1, "OK"),
        ("fault", 0, 0, 0, "OK"),
        ("dontneed", 0, 0, None),
        ("reserve", 1, 1, "EAGAIN"),
        ("fault", 0, 0, 0, "OK"),
    )
    assert d.promised() == 0


@pytest.mark.parametrize("cls", RTHP)
def test_a_pinned_block_is_not_free(cls: Any) -> None:
    """vma: munmap while a folio is pinned."""
    d = played(
        cls,
        {"blocks": 1, "V": 2, "P": 1},
        "pins",
        ("reserve", 0, 1, "OK"),
        ("fault", 0, 0, 0, "OK"),
        ("pin", 0, 0, None),
        ("unmap", 0, None),
        ("reserve", 1, 1, "OK"),
    )
    assert not d.idle()
    assert d.free_blocks() == 0


def test_swap_comes_back_small_as_posted_and_huge_as_planned() -> None:
    for cls, small in ((ReservedThp, 1), (ReservedThpPlanned, 0)):
        d = played(
            cls,
            {"blocks": 1, "V": 1, "P": 1},
            "swap",
            ("reserve", 0, 1, "OK"),
            ("fault", 0, 0, 0, "OK"),
            ("swap_out", 0, 0, None),
            ("swap_in", 0, 0, 0, "OK"),
        )
        assert d.small() == small


def test_the_owner_takes_the_page_from_its_child() -> None:
    d = played(
        Hugetlb,
        {"blocks": 1, "V": 2, "P": 1},
        "fork",
        ("mmap", 0, 0, 1, 0, "OK"),
        ("touch", 0, 0, 1, 1, "OK"),
        ("fork", 0, 0, 1, "OK"),
        ("touch", 0, 0, 1, 1, "OK"),
        ("touch", 1, 0, 1, 1, "SIGBUS"),
    )
    assert not d.failed
    assert d.populated() == 1


def test_hugetlb_takes_back_what_a_pinned_page_has_not_brought() -> None:
    """munmap() of a page that I/O holds: resv_huge_pages wraps until the I/O
    ends, and the page that is not free can be promised."""
    before: list[Call] = [
        ("mmap", 0, 0, 1, 0, "OK"),
        ("touch", 0, 0, 1, 1, "OK"),
        ("pin", 0, 0, None),
        ("munmap", 0, "OK"),
    ]
    size = {"blocks": 2, "V": 2, "P": 1}
    d = played(Hugetlb, size, "pins", *before)
    assert (d.promised(), d.free_blocks(), d.in_limbo()) == (-1, 1, 1)
    d = played(Hugetlb, size, "pins", *before, ("unpin_last", 0, None))
    assert (d.promised(), d.free_blocks(), d.idle()) == (0, 2, True)
    d = played(
        Hugetlb,
        size,
        "pins",
        *before,
        ("mmap", 0, 0, 1, 0, "OK"),
        ("mmap", 0, 1, 1, 0, "OK"),
        ("touch", 0, 0, 1, 1, "OK"),
        ("touch", 1, 0, 1, 1, "SIGBUS"),
    )
    assert d.failed


def test_hugetlb_is_above_memory_max() -> None:
    """The charge is of the fault: VM_FAULT_OOM, and the promise is kept."""
    d = played(
        Hugetlb,
        {"blocks": 2, "V": 1, "P": 2, "limit": 1, "CG_MAX": 2, "CG_RSVD": 2},
        "memcg",
        ("cgroup_attach", 0, 0, "OK"),
        ("mmap", 0, 0, 2, 0, "OK"),
        ("touch", 0, 0, 1, 1, "OK"),
        ("touch", 0, 1, 1, 1, "OOM"),
    )
    assert (d.failed, d.promised(), d.populated()) == (True, 1, 1)


def test_a_promised_page_with_an_error_is_still_counted() -> None:
    d = played(
        Hugetlb,
        {"blocks": 1, "V": 1, "P": 1},
        "poison",
        ("mmap", 0, 0, 1, 0, "OK"),
        ("poison", 0, None),
        ("touch", 0, 0, 1, 1, "SIGBUS"),
    )
    assert d.failed
    assert d.total() == 1


@pytest.mark.parametrize("second", ["no spare memory", "a pin"])
def test_recall_fails(second: str) -> None:
    start: list[Call] = [("lend", 0, None), ("lend", 0, None)]
    if second == "a pin":
        start += [("pin_loan", 0, None), ("pin_loan", 0, None)]
    else:
        start += [("recall", 0, "OK"), ("lend", 0, None)]
    d = played(
        HugetlbCma,
        {"blocks": 2, "spare": 1},
        "lending pins",
        *start,
        ("grow", 0, "EBUSY"),
    )
    assert d.borrowed() == 2


def test_a_file_outlives_its_pinned_block() -> None:
    d = played(
        GlobalPool,
        {"nodes": 1, "blocks": 1, "files": 1, "P": 1},
        "pins",
        ("create", 0, 0, None),
        ("reserve", 0, 0, 0, 0, "OK"),
        ("fault", 0, 0, 0, 0, "OK"),
        ("pin", 0, 0, "OK"),
        ("evict", 0, None),
        ("create", 0, 0, None),
        ("reserve", 0, 0, 0, 0, "ENOSPC"),
        ("unpin_last", 0, None),
        ("reserve", 0, 0, 0, 0, "OK"),
    )
    assert d.promised() == 1


def test_guest_memory_stays_split_while_referenced() -> None:
    d = played(
        GuestMemfd,
        {"blocks": 1, "files": 1, "P": 1},
        "partial pins",
        ("create", 0, 1, "OK"),
        ("fault", 0, 0, 0, "OK"),
        ("share", 0, 0, "OK"),
        ("pin", 0, 0, None),
        ("unshare", 0, 0, "EAGAIN"),
        ("evict", 0, None),
        ("create", 0, 1, "ENOMEM"),
        ("unpin_last", 0, None),
        ("create", 0, 1, "OK"),
    )
    assert d.small() == 0


def test_shattering_needs_memory_outside() -> None:
    d = played(
        Tao,
        {"blocks": 1, "V": 1, "outside": 1},
        "partial",
        ("mmap", 0, None),
        ("fault", 0, "OK"),
        ("unmap_part", 0, None),
        ("stranger", None),
        ("shatter", 0, "EBUSY"),
        ("stranger_leaves", None),
        ("shatter", 0, "OK"),
    )
    assert (d.small(), d.free_blocks()) == (1, 1)


def allocator(types: tuple[int, ...], having: str, **bounds: int) -> Any:
    """Pageblocks of one node, of the given types."""
    design: Any = PageAllocator(
        bounds={"blocks": len(types), **bounds}, having=tuple(having.split())
    )
    binding = design._binding
    node = binding.values(NODES).python(0)
    for i, raw in enumerate(types):
        block = binding.values(PAGEBLOCKS).python(i)
        design.pb.type[node, block] = list(Type)[raw]
    assert design.initial()
    return design


def test_a_claim_needs_a_majority() -> None:
    """physical: k = 4 has a refusing case."""
    design = allocator((1, 1), "", K=4, reserved=0)
    node = design._binding.values(NODES).python(0)
    first, second = (design._binding.values(PAGEBLOCKS).python(i) for i in (0, 1))
    design.step("alloc_huge", node, first)
    for _ in range(3):
        assert design.step("alloc", node, second, Type.MOVABLE).name == "OK"
    assert design.step("alloc", node, second, Type.UNMOVABLE).name == "OK"
    assert design.pb.type[node, second] == Type.MOVABLE


def test_a_reserved_request_takes_highatomic_blocks_over() -> None:
    """rfc: unreserve_highatomic_pageblock(ac) gives them ac->migratetype, with a
    page of an atomic request in one; the last such block stays."""
    design = allocator(
        (5, 3, 3, 1), "slowpath highatomics", K=2, reserved=1, highatomic=2
    )
    node = design._binding.values(NODES).python(0)
    blocks = [design._binding.values(PAGEBLOCKS).python(i) for i in range(4)]
    design.step("alloc_reserved", node, blocks[0])
    design.step("alloc_atomic", node, blocks[1])
    design.step("miss_reserved")
    design.step("unreserve_highatomic", node, blocks[1])
    assert design.pb.type[node, blocks[1]] == Type.RESERVED_THP
    assert (design.foreign(), design.nr_free_reserved_thp[node]) == (1, 1)
    with pytest.raises(Disabled):
        design.step("unreserve_highatomic", node, blocks[2])
    assert design.step("slow_reserved", node, blocks[0], None).name == "ENOMEM"
    assert design.warned


def test_the_rest_of_a_split_folio_is_no_ones() -> None:
    design = allocator((5, 1), "split", K=2, reserved=1)
    node = design._binding.values(NODES).python(0)
    reserved, other = (design._binding.values(PAGEBLOCKS).python(i) for i in (0, 1))
    design.step("alloc_reserved", node, reserved)
    design.step("split_reserved", node, reserved)
    design.step("free_rest", node, reserved)
    design.step("alloc_huge", node, other)
    assert design.step("alloc", node, other, Type.MOVABLE).name == "ENOMEM"
    with pytest.raises(Disabled):
        design.step("alloc_reserved", node, reserved)
    assert design.nr_free_reserved_thp[node] == 1
