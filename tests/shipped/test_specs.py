# SPDX-License-Identifier: GPL-2.0-only
"""Every shipped spec comes out as its author expects, on all its designs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from poolproof.checker.core.diagnostic import UserError
from tests.common.tiers import (
    QUICK,
    ROOT,
    Row,
    cpu_seconds,
    rows,
    shipped,
    specs,
    table,
    unexpected,
)

ROWS = rows()


def cases(slow: bool) -> list[Any]:
    return [
        pytest.param(row, id=f"{row.spec}:{row.label}" if row.label else row.spec)
        for row in ROWS
        if row.slow is slow
    ]


def check(row: Row) -> None:
    before = cpu_seconds()
    assert list(unexpected(specs()[row.spec], row.label, row.engine)) == []
    if not row.noted:
        seconds = cpu_seconds() - before
        assert seconds < QUICK, "write its line: python -m tests.common.tiers"


@pytest.mark.parametrize("row", cases(slow=False))
def test_as_expected(row: Row) -> None:
    check(row)


@pytest.mark.slow
@pytest.mark.parametrize("row", cases(slow=True))
def test_as_expected_slow(row: Row) -> None:
    check(row)


def test_each_is_in_one_tier() -> None:
    tiers = [case.values[0] for slow in (False, True) for case in cases(slow)]
    asserted = Counter((row.spec, row.label) for row in tiers)
    files = {path.stem for path in (ROOT / "specs").rglob("*.spec")}
    assert {spec for spec, _ in asserted} == files
    assert set(asserted.values()) == {1}
    for spec, path in specs().items():
        written = re.findall(r"^bounds (\w+):", path.read_text(), re.MULTILINE)
        assert {label for name, label in asserted if name == spec} == {"", *written}


def test_the_table_has_no_line_of_a_spec_that_is_gone() -> None:
    assert table().keys() <= set(shipped()), "python -m tests.common.tiers"


OPPOSITE = {
    "holds": "violated",
    "violated": "holds",
    "reachable": "unreachable",
    "unreachable": "reachable",
}


def broken(text: str) -> Iterator[str]:
    """The text of a spec with one expectation that is not met."""
    for found in re.finditer(r"expect (\w+)( at (\d+))?", text):
        others = [f"expect {OPPOSITE[found[1]]}"]
        if found[3]:
            others += [f"expect {found[1]} at {int(found[3]) + by}" for by in (-1, 1)]
        for other in others:
            yield text[: found.start()] + other + text[found.end() :]


@pytest.mark.parametrize("name", ["hugetlb_mbind", "liveness_swap", "vma_brk"])
def test_each_expectation_that_is_not_met_is_seen(name: str, tmp_path: Path) -> None:
    copy = tmp_path / f"{name}.spec"
    (row,) = (row for row in ROWS if row.spec == name and not row.label)
    texts = list(broken(specs()[name].read_text(encoding="utf-8")))
    assert texts
    for text in texts:
        copy.write_text(text, encoding="utf-8")
        assert list(unexpected(copy, row.label, row.engine)), text


def test_a_formula_that_is_false_is_seen(tmp_path: Path) -> None:
    text = specs()["hugetlb_mempolicy"].read_text(encoding="utf-8")
    other = text.replace("0 <= h.resv_huge_pages and", "0 < h.resv_huge_pages and")
    assert other != text
    copy = tmp_path / "copy.spec"
    copy.write_text(other, encoding="utf-8")
    (found,) = unexpected(copy, "", "explicit")
    assert "expected holds" in found


def test_a_spec_with_nothing_in_it_is_seen(tmp_path: Path) -> None:
    copy = tmp_path / "copy.spec"
    copy.write_text('spec "x"\nfor Hugetlb\nbounds V = 1, P = 1, blocks = 1\n')
    with pytest.raises(UserError, match="no property"):
        list(unexpected(copy, "", "explicit"))
