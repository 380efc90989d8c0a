# SPDX-License-Identifier: GPL-2.0-only
"""What the design's machine answers to single commands. The answers are those of
Linux 6.12: mm/mmap.c:mmap_region, mm/vma.c:__split_vma, mm/madvise.c."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from poolproof.checker.conform.environment import Config, NotExpressible
from poolproof.checker.conform.failures import with_failures
from poolproof.checker.conform.hugetlb import roomy
from poolproof.checker.conform.machine import ModelMachine
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb
from poolproof.model.designs.hugetlb.versions import Hugetlb61
from poolproof.model.language import NONE_FAILS

FEATURES = (
    *("surplus", "resize", "resize_node", "sysctl"),
    *("split", "exit", "mremap", "hugetlbfs", "unlink"),
)
MOVING = ("fork", "reads", "migrate", "remote", "private_files", "cpuset", "cgroup")


def machine(commands: Sequence[str], more: Sequence[str] = ()) -> ModelMachine:
    """After the commands, on three pages of the first node."""
    room = roomy(Hugetlb, (*commands, "w 0 mmap 0 4 PA -1 0", "spawn 1"))
    having = (*FEATURES, *more)
    found = ModelMachine(Hugetlb, with_failures(replace(room, having=having)))
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


def test_mremap_takes_the_place_of_what_is_there() -> None:
    one = machine(["w 0 mmap 0 1 PA -1 0", "w 0 mmap 4 2 PA -1 0", "w 0 w 0 7"])
    assert one.counters().rsvd == 2
    assert one.run("w 0 mremap 0 1 1 3 4") == "ok 4"
    assert one.run("w 0 maps") == "ok 4+1:rw-p@0 5+1:rw-p@1"
    assert one.run("w 0 pmap 4 2") == "ok x -"
    assert one.counters().rsvd == 1


def test_mremap_onto_itself_is_refused() -> None:
    one = machine(["w 0 mmap 0 3 PA -1 0"])
    assert one.run("w 0 mremap 0 2 2 3 1") == "err EINVAL"
    assert one.run("w 0 maps") == "ok 0+3:rw-p@0"


def test_a_page_moves_to_another_node_with_all_who_map_it() -> None:
    made = ["w 0 mmap 0 1 PA -1 0", "w 0 w 0 1", "w 0 fork 1", "nrnode 1 1"]
    one = machine(made, MOVING)
    assert one.run("w 1 movepage 0 1") == "err EACCES"
    assert one.run("w 1 movepage 0 1 all") == "ok 1"
    assert [one.run(f"w {p} numa 0") for p in (0, 1)] == ["ok 1", "ok 1"]
    assert [n.free for n in one.counters().nodes] == [3, 0]
    assert one.run("w 0 movepage 1 1 all") == "err EFAULT"


def test_a_page_of_a_file_moves_by_who_has_touched_it() -> None:
    made = ["mount m", "w 0 open 0 /mnt/m/f0", "w 0 mmap 0 1 S 0 0", "w 0 w 0 1"]
    one = machine([*made, "nrnode 1 1"], MOVING)
    before = one.saved()
    with pytest.raises(NotExpressible, match="may not be in the page table"):
        one.run("w 0 movepage 0 1 all")
    one.put_back(before)
    assert one.run("w 0 r 0") == "ok"
    assert one.run("w 0 movepage 0 1 all") == "ok 1"
    assert [n.free for n in one.counters().nodes] == [3, 0]


def test_mbind_moves_what_nobody_else_maps() -> None:
    """mm/mempolicy.c:queue_folios_hugetlb; a page without room for it stays."""
    made = ["w 0 mmap 0 3 PA -1 0", "w 0 w 0 1", "w 0 fork 1", "w 0 w 1 1"]
    one = machine([*made, "w 0 w 2 1", "nrnode 1 1"], (*MOVING, "mbind"))
    assert one.run("w 0 mbind 0 3 2 2 2") == "ok"
    assert [t.action for t in one.taken] == ["mbind", "migrate", "migrate"]
    assert [one.run(f"w 0 numa {p}") for p in range(3)] == ["ok 0", "ok 1", "ok 1"]
    with pytest.raises(NotExpressible, match="otherwise than by MPOL_BIND"):
        one.run("w 0 mbind 0 3 0 0 2")


def test_uffdio_copy_needs_a_page_more_if_it_cannot_read() -> None:
    """mm/hugetlb.c:alloc_hugetlb_folio_vma: the temporary page is none of the
    promised ones."""
    one = machine(["w 0 mmap 0 3 PA -1 0"], ("userfaultfd",))
    one.now.h.nr_huge_pages_node[one.nodes[0]] = one.bounds["CAP"]
    assert one.run("w 0 uffdcopy 0 3 1 cold") == "err ENOMEM"
    assert one.run("w 0 uffdcopy 0 3 1") == "ok"
    assert one.run("w 0 uffdcopy 0 3 1 cold") == "err EEXIST"
    assert one.run("w 0 pmap 0 3") == "ok - x -"
    with pytest.raises(NotExpressible, match="not one whole mapping"):
        one.run("w 0 uffdcopy 0 2 0")


def test_a_fresh_page_for_uffdio_copy_is_of_the_cpu_s_node() -> None:
    """mm/hugetlb.c:alloc_hugetlb_folio_vma, __GFP_THISNODE: seen on 6.18."""
    made = ["w 0 mmap 0 3 PA -1 0", "w 0 mbind 0 3 2 2 0", "nrnode 1 3", "nrnode 0 0"]
    one = machine(made, ("userfaultfd", "mbind"))
    assert one.run("w 0 uffdcopy 0 3 1 cold") == "err ENOMEM"
    assert one.run("w 0 uffdcopy 0 3 1") == "ok"


def test_mremap_of_nothing_comes_before_its_flags() -> None:
    one = machine([])
    assert one.run("w 0 mremap 0 1 1 7 4096") == "err EFAULT"


def test_a_page_goes_offline_and_its_user_goes_on() -> None:
    made = ["w 0 mmap 0 1 PA -1 0", "w 0 w 0 1"]
    one = machine(made, ("soft_offline",))
    assert one.run("w 0 madv 0 1 101") == "ok"
    assert (one.counters().total, one.counters().free) == (2, 1)
    assert one.run("w 0 pmap 0 1") == "ok x"
    assert not one.drains()


def test_a_memory_error_in_a_free_page() -> None:
    one = machine(["w 0 mmap 0 2 PA -1 0"], ("poison",))
    assert one.run("poison 0") == "ok"
    assert one.counters().total == 2
    assert one.run("poison 0") == "err EBUSY"
    assert (one.counters().total, one.counters().free) == (2, 2)
    assert [one.run(f"w 0 w {p} 1") for p in (0, 1)] == ["ok", "sig SIGBUS"]
    assert one.run("w 0 munmap 0 2") == "ok"
    with pytest.raises(NotExpressible, match="which free page leaves"):
        one.run("nrnode 0 0")
    assert not one.drains()


def test_the_middle_of_a_mapping_moves() -> None:
    one = machine(
        ["w 0 mmap 0 3 PA -1 0", "w 0 w 1 1"], ("mremap_part", "mremap_middle")
    )
    assert one.run("w 0 mremap 1 1 1 3 8") == "ok 8"
    assert one.run("w 0 maps") == "ok 0+1:rw-p@0 2+1:rw-p@2 8+1:rw-p@1"
    assert one.run("w 0 pmap 8 1") == "ok x"
    assert one.counters().rsvd == 2


@pytest.mark.parametrize(
    ("passes", "shown"), [(1, "0+3:rw-p@0"), (2, "0+1:rw-p@0 1+2:rw-p@1")]
)
def test_the_middle_moves_though_the_rest_cannot_be_split(
    passes: int, shown: str
) -> None:
    one = machine(["w 0 mmap 0 3 PA -1 0"], ("mremap_part", "mremap_middle"))
    one.fails, one.passes = "vm_area_dup", passes
    assert one.run("w 0 mremap 1 1 1 3 8") == "ok 8"
    assert one.run("w 0 maps") == f"ok {shown} 8+1:rw-p@1"


def test_another_process_writes() -> None:
    one = machine(["spawn 1", "w 0 mmap 0 1 PA -1 0"], MOVING)
    assert one.run("w 1 remote 0 0") == "ok"
    assert [t.action for t in one.taken] == ["touch_remote"]
    assert one.run("w 0 pmap 0 1") == "ok x"
    assert one.run("w 1 remote 0 9") == "err EFAULT"
    assert one.run("w 1 remote 7 0") == "err ESRCH"


def test_vmas_with_other_numbers() -> None:
    one = machine(["w 0 mmap 0 2 PA -1 0", "w 0 w 0 1", "w 0 fork 1"], MOVING)
    before, shown = one.saved(), one.counters()
    first, second = (a.slot.index for a in one.around.areas)
    one.renumber({first: second, second: first})
    assert one.now.dump() != before[0]
    assert one.counters() == shown
    one.renumber({first: second, second: first})
    assert one.now.dump() == before[0]


@pytest.mark.parametrize(
    ("design", "left", "pages"), [(Hugetlb, 0, 1024), (Hugetlb61, 1, 512)]
)
def test_demotion_beside_a_promise(
    design: type[Hugetlb], left: int, pages: int
) -> None:
    """Two gigantic pages, one of them promised, and a write of 2 to demote."""
    bounds = {"nodes": 2, "blocks": 0, "GIGANTIC": 2, "RATIO": 512, "CAP": 1024}
    one = ModelMachine(design, Config(bounds, ("exit", "gigantic_mmap"), bare=True))
    assert [one.run(c) for c in ("spawn 0", "w 0 gmmap 0", "w 0 gmmap 0")] == [
        *("ok", "ok", "err EEXIST")
    ]
    assert one.run("demote 2") == "ok"
    assert one.counters().gigantic == (left, left, 1, 0)
    assert one.counters().total == pages
    assert one.run("w 0 exit") == "ok"
    assert one.counters().gigantic == (left, left, 0, 0)
    assert not one.drains()


def test_demotion_where_none_is_mapped() -> None:
    """Without the feature gigantic_mmap a write demotes one page."""
    bounds = {"nodes": 2, "blocks": 0, "GIGANTIC": 2, "RATIO": 512, "CAP": 1024}
    one = ModelMachine(Hugetlb, Config(bounds, ("exit", "demote"), bare=True))
    with pytest.raises(NotExpressible, match="several"):
        one.run("demote 2")
    assert one.run("demote 1") == "ok"
    assert one.counters().gigantic == (1, 1, 0, 0)
    assert one.counters().total == 512
