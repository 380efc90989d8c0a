# SPDX-License-Identifier: GPL-2.0-only
"""The Python engine and a brute-force search agree on random systems."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings

from poolproof.checker.core.verdict import Budget, Silent
from poolproof.checker.engines.explicit import explicit
from tests.agreement.test_native import agree
from tests.common.random_systems import Case, cases, explore


@settings(
    max_examples=100,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(cases())
def test_random_systems(case: Case) -> None:
    right = explore(case.system, case.properties)
    if right.complete:
        budget = Budget(symmetry=False)
        outcome = explicit(case.system, case.properties, budget, Silent())
        agree(case, right, outcome)
