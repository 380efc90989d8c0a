"""The hooks of model/blocks/vma/ for designs that charge a quota for VMAs: every state
within some bounds of a small design that uses them."""

from __future__ import annotations

from pathlib import Path

import pytest

from poolproof.checker.core.verdict import Budget, Silent
from poolproof.checker.driver.check import Judgement, Request, prepare, run
from poolproof.checker.spec import parse

HERE = Path(__file__).parent
DESIGN = f"{HERE / 'reserving.py'}:ReservingVmas"
SPEC = parse(HERE / "reserving.spec")


def check(name: str, label: str = "") -> None:
    [task] = prepare(parse(HERE / name), Request((DESIGN,), label))
    checked = run(task, "exhaustive", Budget(), Silent())
    assert not checked.defects and not checked.mistakes
    for answer in checked.answers:
        assert answer.judgement is Judgement.EXPECTED, answer.prop.name


@pytest.mark.parametrize("label", [bounds.label for bounds in SPEC.bounds])
def test_what_is_charged_has_the_flag(label: str) -> None:
    check("reserving.spec", label)


@pytest.mark.slow
def test_what_a_failing_mremap_leaves_charged() -> None:
    check("reserving_failures.spec")
