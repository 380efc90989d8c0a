# SPDX-License-Identifier: GPL-2.0-only
"""What any three features break together is what is known: see the .triples files."""

from __future__ import annotations

import pytest

from poolproof.checker.commands.main import main
from poolproof.checker.driver.designs import find_spec
from poolproof.checker.driver.task import Request, prepare
from poolproof.checker.driver.triples import LABEL, candidates, feature_sets
from poolproof.checker.spec import parse

SPEC = "hugetlb_invariants"


def test_there_are_as_many_sets_as_sixteen_features_have_triples() -> None:
    spec = parse(find_spec(SPEC))
    (task,) = prepare(spec, Request(label=LABEL, designs=("Hugetlb",)))
    sets = feature_sets(task, candidates(task))
    assert len(sets) == 560
    assert len({frozenset(having) for _, having in sets}) == 560


@pytest.mark.slow
@pytest.mark.parametrize("design", ["Hugetlb", "Hugetlb70"])
def test_nothing_else_breaks(design: str) -> None:
    assert main(["check", SPEC, "--triples", "--design", design]) == 0
