# SPDX-License-Identifier: GPL-2.0-only
"""The least pool of each design for the shipped hot upgrades, and what goes
wrong in the next smaller one.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from poolproof.checker.core.verdict import Budget, Silent
from poolproof.checker.driver.designs import designs_named
from poolproof.checker.driver.size import SizeTask, find_size
from poolproof.checker.spec import parse

ROOT = Path(__file__).parents[2]
FOUR = "specs/scenarios/hot_upgrade_4.scenario"
EIGHT = "specs/scenarios/hot_upgrade_8.scenario"
SIXTEEN = "specs/scenarios/hot_upgrade.scenario"

EXPECTED = {
    (FOUR, "hugetlb", "Hugetlb"): (8, "early"),
    (FOUR, "mappings", "ReservedThp"): (8, "early"),
    (FOUR, "files", "GuestMemfd"): (8, "early"),
    (FOUR, "pool_files", "GlobalPool"): (8, "early"),
    (FOUR, "pool_handed_over", "GlobalPool"): (4, "early"),
    (FOUR, "pool_cold3", "GlobalPool"): (5, "early"),
    (FOUR, "cma", "HugetlbCma"): (8, "early"),
    (FOUR, "cold3", "ReservedThpPlanned"): (5, "late"),
    (FOUR, "cold2", "ReservedThpPlanned"): (6, "late"),
    (FOUR, "swap_short", "ReservedThpPlanned"): (6, "late"),
    (FOUR, "pinned", "ReservedThpPlanned"): (6, "stuck"),
    (FOUR, "touched", "ReservedThpPlanned"): (6, "late"),
    (FOUR, "touched_more", "ReservedThpPlanned"): (5, "late"),
    (FOUR, "refused", "ReservedThpPlanned"): (8, "early"),
    (FOUR, "swap_posted", "ReservedThp"): (None, "nothing_small"),
    (FOUR, "hugetlb_limit", "Hugetlb"): (None, "late"),
    (FOUR, "limit_pool", "GlobalPool"): (None, "early"),
    (FOUR, "bound_pool", "GlobalPool"): (4, "early"),
    (FOUR, "hugetlb_again", "Hugetlb"): (9, "early"),
    (FOUR, "again", "ReservedThp"): (9, "late"),
    (FOUR, "thp", "Thp"): (8, "late"),
    (FOUR, "thp_reclaim", "Thp"): (5, "late"),
    (FOUR, "zone", "Tao"): (8, "nothing_small"),
    (FOUR, "thp_others", "Thp"): (None, "nothing_small"),
    (EIGHT, "hugetlb", "Hugetlb"): (16, "early"),
    (EIGHT, "pool_handed_over", "GlobalPool"): (8, "early"),
    (SIXTEEN, "shmem_handed_over", "Shmem1g"): (16, "early"),
    (SIXTEEN, "pool_cold", "GlobalPool"): (23, "early"),
    (SIXTEEN, "thp_cold", "Thp"): (22, "late"),
    (SIXTEEN, "shmem_cold", "Shmem1g"): (22, "early"),
}


DEAR = {
    (FOUR, "thp", "Thp"),
    (FOUR, "thp_reclaim", "Thp"),
    (FOUR, "limit_pool", "GlobalPool"),
    (FOUR, "bound_pool", "GlobalPool"),
    (FOUR, "pool_cold3", "GlobalPool"),
    (FOUR, "hugetlb_limit", "Hugetlb"),
    (EIGHT, "hugetlb", "Hugetlb"),
    (EIGHT, "pool_handed_over", "GlobalPool"),
    (SIXTEEN, "shmem_handed_over", "Shmem1g"),
    (SIXTEEN, "pool_cold", "GlobalPool"),
    (SIXTEEN, "thp_cold", "Thp"),
    (SIXTEEN, "shmem_cold", "Shmem1g"),
}
"""More than two seconds each. Others of the same file and design are in the gate."""


@pytest.mark.parametrize(
    ("file", "scenario", "design"),
    [
        pytest.param(*case, marks=pytest.mark.slow if case in DEAR else ())
        for case in EXPECTED
    ],
)
def test_hot_upgrade(file: str, scenario: str, design: str) -> None:
    spec = parse(ROOT / file)
    (known,) = designs_named(design)
    (mine,) = (s for s in spec.scenarios if s.name.text == scenario)
    found = find_size(SizeTask(mine, spec, known), Budget(seconds=60), Silent())
    below = found.just_below()
    assert below is not None
    assert below.failure is not None
    assert found.monotone
    smallest = found.smallest
    assert (smallest, below.failure.kind) == EXPECTED[file, scenario, design]
    assert below.size == (found.sizes[-1].size if smallest is None else smallest - 1)
