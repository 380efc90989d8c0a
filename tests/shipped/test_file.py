# SPDX-License-Identifier: GPL-2.0-only
"""Files: concrete runs with what the kernel leaves, worked out by hand;
the block used twice; how much memory a hot upgrade by file needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from poolproof.checker.core.verdict import Budget, Silent
from poolproof.checker.driver.designs import designs_named
from poolproof.checker.driver.size import SizeTask, find_size
from poolproof.checker.spec import parse
from poolproof.model.designs.probes.files import HugetlbfsFiles, ShmemFiles
from poolproof.model.designs.reserved_thp.files import (
    ReservedThpFiles,
    ReservedThpHugetlbfs,
)
from poolproof.model.language import Disabled, action_methods, parameters
from tests.common.tiers import unexpected

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def test_a_block_that_is_used_twice() -> None:
    design = f"{HERE / 'two_mounts.py'}:TwoMounts"
    assert list(unexpected(HERE / "two_mounts.spec", design=design)) == []


class Played:
    """A design with one file of two-page units, told what to do with raw
    arguments; a call's value is the name of its result."""

    def __init__(self, cls: Any, having: str, **bounds: int) -> None:
        self.cls = cls
        self.design = cls(bounds=bounds, having=having.split())

    def __call__(self, name: str, *raw: int) -> str | None:
        function = action_methods(self.cls)[name][0]
        domains = parameters(self.cls, function).values()
        arguments = [
            self.design._binding.values(d).python(r)
            for d, r in zip(domains, raw, strict=True)
        ]
        return getattr(self.design.step(name, *arguments), "name", None)

    def cache(self) -> str:
        """The page cache: . hole, s small, H huge."""
        return "".join(".sH"[raw] for raw in self.design.f.i_pages.cells.values())

    def entries(self) -> str:
        """The page table of the mapping: . nothing, t PTE, P PMD, c copy."""
        return "".join(".tPc"[raw] for raw in self.design.f.entry.cells.values())

    def size(self) -> int:
        [size] = self.design.f.i_size.cells.values()
        return int(size)

    def free(self) -> int:
        return int(self.design.free)


ALL = "mmap private fallocate keep_size punch truncate send pins"


def full(cls: Any) -> Played:
    """A file of two huge pages, all there, in a memory of three."""
    play = Played(cls, ALL, P=2, K=2, M=6)
    play("create", 0, 0)
    assert play("fallocate", 0, 0, 0, 4, 0) == "OK"
    assert (play.cache(), play.free()) == ("HHHH", 2)
    return play


def test_a_hole_splits_what_it_cuts_in_shmem() -> None:
    play = full(ShmemFiles)
    play("punch_hole", 0, 0, 1, 2)
    assert (play.cache(), play.free()) == ("s.HH", 3)
    play("punch_hole", 0, 0, 0, 3)
    assert (play.cache(), play.free()) == ("...s", 5)


def test_a_hole_frees_whole_pages_in_hugetlbfs() -> None:
    play = full(HugetlbfsFiles)
    play("punch_hole", 0, 0, 1, 2)
    assert (play.cache(), play.free()) == ("HHHH", 2)
    play("punch_hole", 0, 0, 0, 3)
    assert (play.cache(), play.free()) == ("..HH", 4)


def test_truncation_within_a_huge_page() -> None:
    play = full(ShmemFiles)
    assert play("ftruncate", 0, 0, 1) == "OK"
    assert (play.cache(), play.free()) == ("s...", 5)
    play = full(HugetlbfsFiles)
    assert play("ftruncate", 0, 0, 1) == "EINVAL"
    assert play("ftruncate", 0, 0, 2) == "OK"
    assert (play.cache(), play.free()) == ("HH..", 4)


def test_a_reference_keeps_a_folio_whole() -> None:
    play = full(ShmemFiles)
    play("pin", 0, 0)
    assert play("ftruncate", 0, 0, 1) == "OK"
    assert (play.cache(), play.free()) == ("HH..", 4)
    play("punch_hole", 0, 0, 0, 4)
    assert (play.cache(), play.free()) == ("....", 4)
    play("unpin_last")
    assert play.free() == 6


def test_small_pages_where_memory_is_short_and_nothing_where_it_is_out() -> None:
    play = Played(ShmemFiles, ALL, P=2, K=2, M=3)
    play("create", 0, 0)
    assert play("fallocate", 0, 0, 0, 4, 0) == "ENOSPC"
    assert (play.cache(), play.free(), play.size()) == ("....", 3, 0)
    assert play("fallocate", 0, 0, 0, 3, 0) == "OK"
    assert (play.cache(), play.free(), play.size()) == ("HHs.", 0, 3)


def test_a_split_drops_what_no_fallocate_put_beyond_the_end() -> None:
    """shmem_fallocend(): the second page is beyond a size of one."""
    for keeps in (True, False):
        play = Played(ShmemFiles, ALL, P=1, K=2, M=2)
        play("create", 0, 0)
        if keeps:
            assert play("fallocate", 0, 0, 0, 2, 1) == "OK"
        play("mmap", 0, 0, 0, 1)
        assert play("touch", 0, 0, 1) == "SIGBUS"
        play("ftruncate", 0, 0, 1)
        assert play("touch", 0, 0, 1) == "OK"
        assert (play.cache(), play.entries()) == ("HH", "PP")
        play("punch_hole", 0, 0, 0, 1)
        assert (play.cache(), play.entries()) == (".s" if keeps else "..", "..")
        assert play("touch", 0, 1, 1) == "SIGBUS"


def test_a_private_write_takes_two_pages_of_shmem() -> None:
    """do_cow_fault() of a hole: the file's page, huge here, and the copy. A hole
    leaves the copy, truncation takes it."""
    play = Played(ShmemFiles, ALL, P=1, K=2, M=4)
    play("create", 0, 0)
    play("ftruncate", 0, 0, 2)
    play("mmap", 0, 0, 0, 0)
    assert play("touch", 0, 0, 1) == "OK"
    assert (play.cache(), play.entries(), play.free()) == ("HH", "c.", 1)
    assert play("touch", 0, 1, 0) == "OK"
    assert play.entries() == "ct"
    play("punch_hole", 0, 0, 0, 2)
    assert (play.cache(), play.entries(), play.free()) == ("..", "c.", 3)
    play("ftruncate", 0, 0, 0)
    assert (play.entries(), play.free()) == ("..", 4)


def test_a_write_through_a_private_pmd_drops_it() -> None:
    play = Played(ShmemFiles, ALL, P=1, K=2, M=4)
    play("create", 0, 0)
    play("ftruncate", 0, 0, 2)
    play("mmap", 0, 0, 0, 0)
    play("touch", 0, 0, 0)
    assert play.entries() == "PP"
    play("touch", 0, 1, 1)
    assert (play.entries(), play.free()) == (".c", 1)


def test_a_private_page_of_hugetlbfs_is_not_the_files() -> None:
    play = Played(HugetlbfsFiles, ALL, P=1, K=2, M=4)
    play("create", 0, 0)
    play("mmap", 0, 0, 0, 0)
    assert play("touch", 0, 1, 0) == "OK"
    assert (play.cache(), play.entries(), play.free()) == ("..", "cc", 2)
    play("punch_hole", 0, 0, 0, 2)
    assert (play.entries(), play.free()) == ("..", 4)


@pytest.mark.parametrize("cls", [ShmemFiles, HugetlbfsFiles])
def test_a_message_keeps_a_file_whose_creator_is_gone(cls: Any) -> None:
    play = full(cls)
    play("unlink", 0)
    play("send", 0, 0)
    play("exit", 0)
    with pytest.raises(Disabled):
        play("evict", 0)
    play("receive", 1, 0)
    play("mmap", 0, 1, 0, 1)
    assert play("touch", 0, 3, 1) == "OK"
    assert (play.cache(), play.free()) == ("HHHH", 2)
    play("close", 1, 0)
    with pytest.raises(Disabled):
        play("evict", 0)
    play("munmap", 0)
    play("evict", 0)
    assert (play.cache(), play.free()) == ("....", 6)


@pytest.mark.parametrize("cls", [ReservedThpFiles, ReservedThpHugetlbfs])
def test_a_reserved_file_is_charged_once(cls: Any) -> None:
    play = Played(cls, "", blocks=3, files=2, V=2, P=2)
    play("create", 0, 0, 2)
    play("create", 0, 1, 2)
    assert play("mmap", 0, 0, 0) == "OK"
    assert play("mmap", 1, 0, 0) == "OK"
    assert play.design.used() == 2
    play("unmap", 1)
    assert play("mmap", 1, 0, 1) == "ENOMEM"
    assert (play.design.used(), play.design.promised()) == (2, 2)
    assert play("fault", 0, 1, 0) == "OK"
    play("unmap", 0)
    play("close", 0, 0)
    assert (play.design.used(), play.design.populated()) == (2, 1)
    play("evict", 0)
    assert (play.design.used(), play.design.free_blocks()) == (0, 3)


def test_shmem_charges_for_its_size_and_hugetlbfs_for_the_mapping() -> None:
    for cls, charged in ((ReservedThpFiles, 1), (ReservedThpHugetlbfs, 2)):
        play = Played(cls, "", blocks=3, files=2, V=2, P=2)
        play("create", 0, 0, 1)
        assert play("mmap", 0, 0, 0) == "OK"
        assert play.design.used() == charged
        assert play("fault", 0, 1, 0) == ("OK" if charged == 2 else "SIGBUS")
        assert not play.design.failed


@pytest.mark.parametrize(
    ("scenario", "design", "smallest"),
    [
        ("handed_over", "ShmemFiles", 2),
        ("handed_over", "HugetlbfsFiles", 2),
        ("private", "ShmemFiles", 4),
        ("private_huge", "HugetlbfsFiles", 4),
    ],
)
def test_a_file_that_is_handed_over_is_there_once(
    scenario: str, design: str, smallest: int
) -> None:
    spec = parse(ROOT / "specs/scenarios/file_upgrade.scenario")
    (known,) = designs_named(design)
    (mine,) = (s for s in spec.scenarios if s.name.text == scenario)
    found = find_size(SizeTask(mine, spec, known), Budget(seconds=60), Silent())
    below = found.just_below()
    assert found.smallest == smallest
    assert below is not None
    assert below.failure is not None
    assert below.failure.kind == "late"
