# SPDX-License-Identifier: GPL-2.0-only
"""A new kind of property has few places, and core/property.py lists them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from poolproof.checker.core import ir, property
from poolproof.checker.core.property import FINITE, SAFETY, Kind, Property
from poolproof.checker.core.system import Action

CHECKER = Path(property.__file__).parents[1]

MEMBER = re.compile(rf"\bKind\.(?:{'|'.join(Kind.__members__)})\b")


def test_kinds_are_named_only_where_the_docstring_says() -> None:
    assert property.__doc__ is not None
    steps, makers = property.__doc__.split("Elsewhere")
    places, others = (
        set(re.findall(r"(?<![\w/])\w+/\w+\.\w+", text)) for text in (steps, makers)
    )
    assert 0 < len(places) < 10
    naming = {
        str(path.relative_to(CHECKER))
        for path in CHECKER.rglob("*.py")
        if MEMBER.search(path.read_text())
    }
    assert naming <= places | others
    assert all((CHECKER / name).exists() for name in places | others)


@pytest.mark.parametrize("kind", Kind)
def test_the_traits_fit_together(kind: Kind) -> None:
    assert [kind.of_states, kind.of_steps, kind.of_runs].count(True) == 1
    assert (kind in FINITE) is not kind.of_runs
    assert (kind in SAFETY) is (kind in FINITE and not kind.wants_witness)
    assert kind.noun.startswith(("a ", "an "))


def test_what_decides_a_property_and_whose_steps_it_is_about() -> None:
    truth = ir.local("x", ir.Domain(ir.BOOL, 0, 1, ""))
    put, get = (
        Action(name, (), ir.TRUE, {}, ir.TRUE if name == "get" else None)
        for name in ("put", "get")
    )
    for kind in Kind:
        p = Property("p", kind, truth, action="put" if kind is Kind.STEP else None)
        wanted = truth if kind is Kind.REACHABLE else ir.not_(truth)
        assert p.deciding is wanted
        assert p.about(put) is (kind is Kind.STEP)
        assert not p.about(get)
    assert Property("p", Kind.STEP, truth).about(get)
    assert get.returned.sort is ir.BOOL
    with pytest.raises(ValueError, match="put returns nothing"):
        _ = put.returned
