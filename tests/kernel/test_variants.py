# SPDX-License-Identifier: GPL-2.0-only
"""What the shipped variants of the hugetlb design do differently, call by call."""

from __future__ import annotations

import pytest

from poolproof.checker.conform.environment import Config
from poolproof.checker.conform.hugetlb import setup
from poolproof.checker.conform.sequence import predict
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb
from poolproof.model.designs.hugetlb.versions import Hugetlb61, Hugetlb70

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
