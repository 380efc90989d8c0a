# SPDX-License-Identifier: GPL-2.0-only
"""Calls of an instance may name elements, or give their positions."""

from __future__ import annotations

from enum import Enum
from typing import Any

import pytest

from poolproof.model.language import (
    Block,
    Bound,
    Design,
    Int,
    ModelError,
    OutOfDomain,
    Scalarset,
    SetOf,
    action,
    observer,
    require,
    table,
    var,
)

VMAS = Scalarset("VMAS", Bound("V", 2), prefix="v")
NODES = Scalarset("NODES", 3, prefix="n")


class Way(Enum):
    IN = 0
    OUT = 1


class Counts(Block):
    seen = table(NODES, Int(0, 9))

    @action
    def see(self, node: NODES):
        self.seen[node] += 1


class Pool(Design):
    mask = table(VMAS, SetOf(NODES))
    pages = table(VMAS, Int(0, 9))
    way = var(Way)
    counts: Any = Counts()

    @action
    def bind(self, vma: VMAS, nodes: SetOf(NODES), way: Way):
        require(len(nodes) > 0)
        self.mask[vma], self.way = nodes, way

    @action
    def fault(self, vma: VMAS, number: Int(0, 9)):
        self.pages[vma] = number

    @observer
    def is_bound(self, vma: VMAS):
        return len(self.mask[vma]) > 0


def test_names_and_positions_mean_elements() -> None:
    pool = Pool()
    pool.bind("v0", {"n2"}, "OUT")
    assert pool.is_bound("v0")
    assert not pool.is_bound(1)
    pool.step("bind", 1, [0, "n1"], Way.IN)
    assert repr(pool.mask["v1"]) in ("frozenset({n0, n1})", "frozenset({n1, n0})")
    assert pool.way is Way.IN


def test_a_blocks_action_takes_names_too() -> None:
    pool = Pool()
    pool.see("n1")
    assert [pool.counts.seen[f"n{k}"] for k in range(3)] == [0, 1, 0]


def test_numbers_stay_numbers() -> None:
    pool = Pool()
    pool.fault("v1", 1)
    assert (pool.pages["v0"], pool.pages["v1"]) == (0, 1)


@pytest.mark.parametrize("vma", ["v2", "n0", 2, -1, True, "", 0.5])
def test_what_names_nothing_is_refused(vma: object) -> None:
    pool = Pool()
    with pytest.raises((ModelError, OutOfDomain)):
        pool.step("fault", vma, 0)
    with pytest.raises(ModelError):
        pool.fault(vma, 0)
    assert pool.dump() == Pool().dump()
