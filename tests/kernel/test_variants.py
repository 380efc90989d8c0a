# SPDX-License-Identifier: GPL-2.0-only
"""What the shipped variants of the hugetlb design do differently, call by call."""

from __future__ import annotations

import pytest

from poolproof.checker.conform.environment import Config
from poolproof.checker.conform.hugetlb import setup, variant
from poolproof.checker.conform.sequence import predict
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb
from poolproof.model.designs.hugetlb.versions import (
    Hugetlb61,
    Hugetlb70,
    Hugetlb615,
    Hugetlb618,
)

BOUNDS = {"nodes": 2, "blocks": 0, "OC": 2, "T": 1, "V": 2, "P": 2, "CAP": 4}


@pytest.mark.parametrize(
    ("design", "result", "free"),
    [(Hugetlb61, "err ENOMEM", 0), (Hugetlb, "ok", 2), (Hugetlb70, "ok", 2)],
)
def test_surplus_pages_for_the_promise_of_a_bound_task(
    design: type[Hugetlb], result: str, free: int
) -> None:
    """The task may use the second node only, and runs on the first."""
    setting = Config(BOUNDS, ("surplus", "mempolicy"), (1, 1))
    commands = ["w 0 setpol 2 2", "w 0 mmap 0 2 PA -1 0"]
    run = predict(design, setting, setup(setting), commands)
    last = run.rows[-1]
    assert last.result == result
    assert [node.free for node in last.counters.nodes] == [0, free]
    assert last.counters.surp == free


@pytest.mark.parametrize(
    ("release", "design"),
    [
        ("6.1.0-57-cloud-amd64", Hugetlb61),
        ("6.12.117+deb12-cloud-amd64", Hugetlb),
        ("6.18.15+deb13-cloud-amd64", Hugetlb615),
        ("6.18.44", Hugetlb618),
        ("7.2.13", Hugetlb70),
    ],
)
def test_the_variant_of_a_release(release: str, design: type[Hugetlb]) -> None:
    assert variant(Hugetlb, release) is design


OWNER_UNMAPS = (
    *("w 0 mmap 0 1 PA -1 0", "w 0 w 0 1", "w 0 fork 1", "w 0 munmap 0 1"),
    "w 1 exit",
)


@pytest.mark.parametrize(
    ("design", "promised"), [(Hugetlb, 0), (Hugetlb618, -1), (Hugetlb70, 0)]
)
def test_an_owner_unmaps_what_its_child_maps(
    design: type[Hugetlb], promised: int
) -> None:
    """A promise is missing until the child frees the page."""
    setting = Config({**BOUNDS, "blocks": 1}, ("fork",), (1, 1))
    run = predict(design, setting, setup(setting), OWNER_UNMAPS)
    assert [row.counters.rsvd for row in run.rows] == [1, 0, 0, promised, 0]
    assert run.drains


@pytest.mark.parametrize(
    ("design", "left"), [(Hugetlb, 1), (Hugetlb615, 0), (Hugetlb618, 1)]
)
def test_a_reservation_that_fails_on_a_mount_with_a_size(
    design: type[Hugetlb], left: int
) -> None:
    having = ("hugetlbfs", "mount", "size", "private_files")
    setting = Config({**BOUNDS, "files": 1, "MAX": 1, "MIN": 1}, having, (1, 1))
    commands = ("mount m size=2M", "w 0 open 0 /mnt/m/f0", "w 0 mmap 0 1 P 0 0")
    run = predict(design, setting, setup(setting), commands)
    assert run.rows[-1].result == "err ENOMEM"
    (mount,) = run.rows[-1].counters.mounts
    assert mount[1].free == left


def test_a_promise_comes_back_with_a_page_that_moves() -> None:
    """As seen on 6.18.15: the page that is freed is the old one."""
    setting = Config({**BOUNDS, "blocks": 1}, ("fork", "migrate"), (1, 1))
    commands = (*OWNER_UNMAPS[:-1], "w 1 movepage 0 1 all", "w 1 exit")
    run = predict(Hugetlb618, setting, setup(setting), commands)
    assert [row.counters.rsvd for row in run.rows] == [1, 0, 0, -1, 0, 0]
    assert run.drains


GOES_OFFLINE_TWICE = (
    *("w 0 mmap 0 2 PA -1 0", "w 0 w 0 1", "w 0 madv 0 1 101", "w 0 fork 1"),
    *("w 1 movepage 0 1 all", "w 0 madv 0 1 101", "w 1 w 0 2", "w 1 movepage 0 1"),
)
"""The other free page is promised, so a fresh one replaces the first."""


@pytest.mark.parametrize(
    ("design", "said"),
    [
        (Hugetlb, ["ok 1", "ok", "sig SIGBUS", "ok 1"]),
        (Hugetlb615, ["err EBUSY", "err EBUSY", "sig SIGBUS", "err EACCES"]),
        (Hugetlb618, ["ok 1", "ok", "sig SIGBUS", "ok 1"]),
    ],
)
def test_a_page_that_replaced_one_of_its_node(
    design: type[Hugetlb], said: list[str]
) -> None:
    """In 6.18.15 nobody can move it any more, whoever maps it. A shared page that is on
    its node already is no error, as 6.12.117 says; one that is not is EACCES."""
    setting = Config({**BOUNDS, "blocks": 1}, ("fork", "soft_offline", "migrate"))
    run = predict(design, setting, setup(setting), GOES_OFFLINE_TWICE)
    assert [row.result for row in run.rows[4:]] == said
