# SPDX-License-Identifier: GPL-2.0-only
"""What is proved at open sizes of each shipped spec, which is nothing that a search
violates; tests/scores/any_sizes.txt has the figures."""

from __future__ import annotations

import pytest

from tests.common.any_sizes import (
    by_design,
    is_violated,
    measure,
    pairs,
    refuted,
    table,
    task_of,
)


@pytest.mark.slow
@pytest.mark.parametrize(("spec", "design"), list(table()))
def test_nothing_is_proved_that_a_search_violates(spec: str, design: str) -> None:
    task = task_of(spec, design)
    row, proved = measure(task)
    assert not [p.name for p in proved if is_violated(p)]
    assert not refuted(task, proved, states=1000)
    assert row.proved + row.violated + row.left > 0


def test_the_table_counts_what_its_lines_say() -> None:
    rows = table()
    assert sum(proved for proved, _, _ in by_design(rows.values()).values()) > 0
    for spec, design in rows:
        assert spec
        assert design


@pytest.mark.slow
def test_the_table_has_no_line_of_a_spec_that_is_gone() -> None:
    assert table().keys() <= set(pairs())
