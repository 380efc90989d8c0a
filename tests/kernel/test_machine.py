# SPDX-License-Identifier: GPL-2.0-only
"""What the design's machine answers to single commands. The answers are those of
Linux 6.12: mm/mmap.c:mmap_region, mm/vma.c:__split_vma, mm/madvise.c."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from poolproof.checker.conform.environment import NotExpressible
from poolproof.checker.conform.failures import with_failures
from poolproof.checker.conform.hugetlb import roomy
from poolproof.checker.conform.machine import ModelMachine
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb
from poolproof.model.language import NONE_FAILS

FEATURES = (
    *("surplus", "resize", "resize_node", "sysctl"),
    *("split", "exit", "mremap", "hugetlbfs", "unlink"),
)


def machine(commands: Sequence[str]) -> ModelMachine:
    """After the commands, on two pages of the first node."""
    room = roomy(Hugetlb, (*commands, "w 0 mmap 0 4 PA -1 0"))
    found = ModelMachine(Hugetlb, with_failures(replace(room, having=FEATURES)))
    for command in ("nrnode 0 3", "spawn 0", *commands):
        assert found.run(command) == "ok"
    return found


def test_map_fixed_takes_the_place_of_what_is_there() -> None:
    one = machine(["w 0 mmap 0 3 PA -1 0", "w 0 w 1 1"])
    assert one.counters().rsvd == 2
    assert one.run("w 0 mmap 1 1 PAF -1 0") == "ok"
    assert one.run("w 0 maps") == "ok 0+1:rw-p@0 1+1:rw-p@0 2+1:rw-p@2"
    assert (one.counters().free, one.counters().rsvd) == (3, 3)


def test_a_map_fixed_that_fails_takes_away_what_is_there() -> None:
    one = machine(["w 0 mmap 0 2 PA -1 0", "w 0 mmap 8 1 PA -1 0"])
    assert one.run("w 0 mmap 0 3 PAF -1 0") == "err ENOMEM"
    assert one.run("w 0 maps") == "ok 8+1:rw-p@0"
    assert one.counters().rsvd == 1


def test_a_file_that_goes_with_its_mapping_is_not_mapped_over() -> None:
    """Seen on 6.1 and 6.12: ENOMEM, because the file's promise is still there."""
    one = machine(["mount m", "w 0 open 0 /mnt/m/f0", "w 0 mmap 0 1 S 0 0"])
    assert one.run("w 0 unlink /mnt/m/f0") == "ok"
    before = one.saved()
    assert one.run("w 0 mmap 0 1 PAF -1 0") == "ok"
    one.put_back(before)
    assert one.run("w 0 close 0") == "ok"
    with pytest.raises(NotExpressible, match="a file that may go with it"):
        one.run("w 0 mmap 0 1 PAF -1 0")


def test_a_file_that_is_not_open_is_said_before_what_is_in_the_way() -> None:
    one = machine(["w 0 mmap 0 2 PA -1 0"])
    assert one.run("w 0 mmap 0 1 S 7 0") == "err EBADF"
    assert one.run("w 0 mmap 0 1 PA -1 0") == "err EEXIST"


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("w 0 munmap 1 1", "err ENOMEM"),
        ("w 0 mprotect 0 1 1", "err ENOMEM"),
        ("w 0 madv 0 1 10", "err EAGAIN"),
    ],
)
def test_a_vma_that_cannot_be_split(command: str, answer: str) -> None:
    one = machine(["w 0 mmap 0 3 PA -1 0"])
    one.fails = "vm_area_dup"
    assert one.run(command) == answer
    assert one.fails == NONE_FAILS
    assert one.run("w 0 maps") == "ok 0+3:rw-p@0"
    assert one.counters().rsvd == 3
