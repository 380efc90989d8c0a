# SPDX-License-Identifier: GPL-2.0-only
"""The quota of Reserved THP over VMAs: runs with more blocks than a search has,
counted by hand."""

from __future__ import annotations

from typing import Any

import pytest

from poolproof.model.blocks.errno import EINVAL, ENOMEM, OK
from poolproof.model.blocks.vma.address_space import Fail, Place, Prot, Remap
from poolproof.model.designs.reserved_thp.assumed_vmas import (
    ReservedPagesVmas,
    ReservedThpVmasAssumed,
)
from poolproof.model.designs.reserved_thp.vmas import ReservedThpVmas
from poolproof.model.language import Element

TASK = Element("TASKS", "t", 0)


def reserved(cls: Any, pages: int, block: int, end: int, having: str = "") -> Any:
    """A design where the first pages, up to `end`, are mapped and reserved."""
    design = cls(
        bounds={"P": pages, "K": block, "total": 3, "C": pages},
        having=("mremap", "several", *having.split()),
    )
    flags = design.mm.vm_flags_of(Prot.WRITE, False, False, False, False)
    assert design.mm.mmap(TASK, 0, end, Place.FREE, flags, None, 0) is OK
    assert design.mm.reserve(TASK, 0, end) is OK
    return design


@pytest.mark.parametrize(
    ("cls", "counts"),
    [(ReservedThpVmasAssumed, (3, 3, 2, 1, 1)), (ReservedPagesVmas, (12, 12, 7, 1, 0))],
)
def test_what_pieces_give_back(cls: Any, counts: tuple[int, ...]) -> None:
    """Three blocks of 4 pages: mprotect leaves 5 + 6 + 1 pages, which are 1 + 1 + 0
    blocks by their length; the third block stays charged for ever."""
    design = reserved(cls, 12, 4, 12, "any_split")
    seen = [design.used()]
    assert design.mm.mprotect(TASK, 5, 11, Prot.NONE) is OK
    seen.append(design.used())
    for start, end in ((0, 5), (5, 11), (11, 12)):
        assert design.mm.munmap(TASK, start, end) is OK
        seen.append(design.used())
    assert tuple(seen) == counts
    assert design.entitled() == 0


def test_a_whole_block_is_all_that_can_be_cut() -> None:
    design = reserved(ReservedThpVmas, 12, 4, 12)
    for start, end in ((5, 11), (4, 6), (1, 12)):
        assert design.mm.mprotect(TASK, start, end, Prot.NONE) is EINVAL
        assert design.mm.munmap(TASK, start, end) is EINVAL
        assert design.used() == design.entitled() == design.blocks() == 3
    assert design.mm.munmap(TASK, 4, 8) is OK
    assert design.used() == design.entitled() == design.blocks() == 2


def test_mremap_charges_blocks() -> None:
    """Two blocks of 2 pages grow to three, and no further; a copy that stays
    needs as many again."""
    design = reserved(ReservedThpVmas, 12, 2, 4)
    mremap = design.mm.mremap
    assert design.used() == 2
    assert mremap(TASK, 0, 4, 5, Remap.IN_PLACE, 0) is EINVAL
    assert mremap(TASK, 0, 4, 8, Remap.IN_PLACE, 0) is ENOMEM
    assert mremap(TASK, 0, 4, 6, Remap.IN_PLACE, 0) is OK
    assert design.used() == 3
    assert mremap(TASK, 0, 2, 2, Remap.DONTUNMAP, 6) is ENOMEM
    assert mremap(TASK, 0, 6, 4, Remap.IN_PLACE, 0) is OK
    assert mremap(TASK, 0, 2, 2, Remap.DONTUNMAP, 7) is ENOMEM
    assert design.used() == 2
    assert mremap(TASK, 0, 2, 2, Remap.DONTUNMAP, 6) is OK
    assert mremap(TASK, 2, 2, 2, Remap.FIXED, 7) is EINVAL
    assert mremap(TASK, 2, 2, 2, Remap.FIXED, 8) is OK
    assert [p for p in range(12) if design.reserved(TASK, p)] == [0, 1, 6, 7, 8, 9]
    assert design.used() == design.entitled() == 3


def test_a_charge_is_returned_with_the_commit_charge() -> None:
    """The copy cannot be allocated: both charges are as before."""
    design = reserved(ReservedThpVmas, 12, 2, 4, "failures")
    design.mm.inject(Fail.ALLOC, 1)
    assert design.mm.mremap(TASK, 0, 2, 4, Remap.FIXED, 8) is ENOMEM
    assert (design.used(), design.mm.vm_committed_as) == (2, 4)


def test_a_move_of_several_vmas_stops_half_way() -> None:
    """The first VMA has moved when the second, which is reserved, would land
    inside a block: -EINVAL, and the quota is as it was."""
    design = reserved(ReservedThpVmas, 12, 2, 2)
    mm = design.mm
    flags = mm.vm_flags_of(Prot.WRITE, False, False, False, False)
    assert mm.mmap(TASK, 3, 6, Place.FREE, flags, None, 0) is OK
    assert mm.reserve(TASK, 4, 6) is OK
    assert mm.mremap(TASK, 3, 2, 2, Remap.FIXED, 8) is EINVAL
    there = [p for p in range(12) if design.mapped(TASK, p)]
    assert there == [0, 1, 4, 5, 8]
    assert design.used() == design.entitled() == 2
