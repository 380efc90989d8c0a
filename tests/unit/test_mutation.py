# SPDX-License-Identifier: GPL-2.0-only
"""The command that mutates the checker: what it covers, and what it counts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.common.mutation import (
    LEAST,
    ROOT,
    SCORES,
    TESTS,
    Score,
    digest,
    killers,
    modules,
    score,
)


def test_all_that_decides_a_verdict_is_changed() -> None:
    known = modules()
    assert set(TESTS) <= set(known)
    assert {"ir", "symmetry", "replay", "program", "smt", "native", "prove"} <= set(
        known
    )
    for path in known.values():
        for test in killers(path):
            assert (ROOT / test).exists(), test


def test_what_counts() -> None:
    """1 a failed test, 36 no end; 0 all passed, 33 no test; None not tried."""
    found = score({"a": 1, "b": 36, "c": 0, "d": 33, "e": None, "f": 1, "g": -9})
    assert found == Score(killed=3, alive=("c", "d", "g"), left=1)
    assert str(found) == "50 % (3 of 6 killed; 1 not tried)"
    assert str(score({"a": 1})) == "100 % (1 of 1 killed)"
    assert score({}).percent == score({"a": None}).percent == 0
    assert Score(199, ("x",), 0).percent == 99


@pytest.mark.parametrize("path", sorted(SCORES.glob("*.txt")), ids=lambda p: p.stem)
def test_a_stored_score_is_high_enough(path: Path) -> None:
    """Of the text that it was made of: `make mutants` makes it anew."""
    module, of, _, told = path.read_text(encoding="utf-8").splitlines()[:4]
    module = module.removeprefix("module: ")
    assert module in modules().values()
    assert path.stem == Path(module).stem
    assert re.fullmatch(r"digest: [0-9a-f]{16}", of)
    assert len(digest(module)) == 16
    found = re.fullmatch(r"score: (\d+) % \(\d+ of \d+ killed\)", told)
    assert found is not None, "not all mutants were tried"
    assert int(found[1]) >= LEAST
