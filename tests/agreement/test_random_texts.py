# SPDX-License-Identifier: GPL-2.0-only
"""A few random texts through the whole tool; `make random` asks many more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.common.random_run import check
from tests.common.random_texts import DOMAINS, texts, truth


@pytest.mark.parametrize(
    ("engine", "seeds"),
    [
        ("explicit", range(40)),
        ("bmc", range(40, 50)),
        ("prove", range(50, 60)),
        ("native", range(60, 62)),
    ],
)
def test_what_the_tool_says_is_so(engine: str, seeds: range, tmp_path: Path) -> None:
    for seed in seeds:
        t = texts(seed)
        right = truth(t)
        assert right.complete
        assert check(t, right, engine, tmp_path, f"t{seed}") == [], f"seed {seed}"


def test_what_it_says_of_pages(tmp_path: Path) -> None:
    for seed in range(12):
        t = texts(seed, pages=True)
        right = truth(t)
        assert right.complete
        assert check(t, right, "explicit", tmp_path, f"p{seed}") == [], f"seed {seed}"


@pytest.mark.parametrize("seed", [200743, 2101821])
def test_a_text_that_was_answered_wrongly(seed: int, tmp_path: Path) -> None:
    """Each has a step that leaves its range beside a step property: it is asked
    of no such step, neither in the search nor when the run is written down."""
    t = texts(seed)
    for engine in ("explicit", "bmc"):
        assert check(t, truth(t), engine, tmp_path, f"t{seed}") == []


def test_the_texts_have_everything() -> None:
    """Every sort of index and of value, every kind, both answers, and defects
    in a text with steps."""
    many = [texts(seed, pages=seed % 2 == 1) for seed in range(150)]
    fields = [f for t in many for f in t.fields]
    assert {i for f in fields for i in f.index} == {
        *("row", "bool", "level", "small", "page")
    }
    assert {f.element for f in fields} | {"row", "small", "page"} == set(DOMAINS)
    seen = set()
    steps = 0
    for t in many:
        right = truth(t)
        seen |= {(p.kind, p.name in right.found) for p in t.asked}
        on = {p.action for p in t.asked if p.kind == "step" and p.action}
        steps += len(on) > 1
        if right.defect is not None and on:
            seen.add(("defect", True))
    kinds = ("invariant", "step", "reachable", "leadsto")
    assert seen >= {(k, found) for k in kinds for found in (True, False)}
    assert ("defect", True) in seen
    assert steps > 3


@pytest.mark.parametrize("engine", ["explicit", "bmc", "prove"])
def test_a_wrong_answer_is_seen(engine: str, tmp_path: Path) -> None:
    """Against the opposite of the truth, every engine is found wrong."""
    wrong = 0
    for seed in range(12):
        t = texts(seed)
        right = truth(t)
        opposite = {p.name: 0 for p in t.asked if p.name not in right.found}
        lies = replace(right, found=opposite, defect=None)
        wrong += bool(check(t, lies, engine, tmp_path, f"t{seed}"))
    assert wrong > 3
