# SPDX-License-Identifier: GPL-2.0-only
"""model/blocks/vma/ against the running kernel: random calls, VMAs compared.

Each sequence is taken by the model and, with real system calls, by a fresh
child process; after every call the errno, the VMAs of a window (from
/proc/self/smaps) and VmLck must agree. Sequences fork; some run just below
max_map_count, and some calls below a resource limit, so that they fail
half-way. A disagreement is shrunk and printed with both sides.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator

import pytest

from tests.common.maps_model import Kernel, Modelled, compare, draw, shrink

RELEASE = tuple(int(x) for x in platform.release().split(".")[:2])
pytestmark = pytest.mark.skipif(
    platform.system() != "Linux"
    or RELEASE != (6, 18)
    or not os.path.exists("/proc/self/smaps"),
    reason="the model's variants are those of Linux 6.18 (and 6.12, 7.2)",
)
LENGTH = 25


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    agent = Kernel()
    yield agent
    agent.close()


def agree(kernel: Kernel, seeds: range, room: int = 0) -> int:
    """Fails with the shortest disagreement found; counts the calls."""
    model = Modelled(room)
    steps = 0
    for seed in seeds:
        calls = draw(model, seed, LENGTH)
        steps += len(calls)
        found = compare(model, kernel, calls)
        if found is not None:
            found = shrink(model, kernel, found)
            pytest.fail(f"seed {seed}, room {room}:\n{found}", pytrace=False)
    return steps


def test_the_model_has_the_kernels_vmas(kernel: Kernel) -> None:
    assert agree(kernel, range(80)) == 80 * LENGTH


def test_below_max_map_count(kernel: Kernel) -> None:
    agree(kernel, range(8), room=12)


@pytest.mark.slow
def test_the_model_has_the_kernels_vmas_in_thousands(kernel: Kernel) -> None:
    agree(kernel, range(1000, 6000))


@pytest.mark.slow
@pytest.mark.parametrize("room", [7, 9, 12, 15, 20])
def test_below_max_map_count_in_hundreds(kernel: Kernel, room: int) -> None:
    agree(kernel, range(100, 250), room)
