# SPDX-License-Identifier: GPL-2.0-only
"""The hooks of model/blocks/vma/ for designs that charge a quota for VMAs: every state
within some bounds of a small design that uses them."""

from __future__ import annotations

from pathlib import Path

import pytest

from poolproof.checker.spec import parse
from tests.common.tiers import unexpected

HERE = Path(__file__).parent
DESIGN = f"{HERE / 'reserving.py'}:ReservingVmas"
SPEC = parse(HERE / "reserving.spec")


@pytest.mark.parametrize("label", [bounds.label for bounds in SPEC.bounds])
def test_what_is_charged_has_the_flag(label: str) -> None:
    assert list(unexpected(HERE / "reserving.spec", label, design=DESIGN)) == []


@pytest.mark.slow
def test_what_a_failing_mremap_leaves_charged() -> None:
    path = HERE / "reserving_failures.spec"
    assert list(unexpected(path, design=DESIGN)) == []
