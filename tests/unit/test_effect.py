# SPDX-License-Identifier: GPL-2.0-only
"""A feature has an effect if some run is another with it than without."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from poolproof.checker.driver.effect import has_effect
from poolproof.checker.frontend.design import compile_design
from poolproof.model.language import (
    ANY,
    Bool,
    Design,
    Feature,
    Given,
    Int,
    action,
    require,
    table,
    var,
)

COUNTER = Feature("counter", False, "a counter that counts")
UNUSED = Feature("unused", False, "a counter that stays")
GUARD = Feature("guard", False, "a guard that never matters")
REFUSES = Feature("refuses", False, "a guard that matters after three steps")
RESULT = Feature("result", False, "another result of the same step")
ARGUMENT = Feature("argument", False, "another argument for the same step")
WIDER = Feature("wider", False, "a range that nobody uses")
STARTS = Feature("starts", False, "another initial state")
BREAKS = Feature("breaks", False, "an index that leaves its domain")


class Lamp(Design):
    """A lamp that fades."""

    light = var(Int(0, 5), init=5)
    counted = var(Int(0, 5), when=COUNTER)
    stays = var(Int(0, 5), when=UNUSED)
    range = var(Given(WIDER, Int(0, 3), 0))
    begun = var(Given(STARTS, Bool(), False), init=ANY)
    cells = table(Int(0, 5), Bool())

    @action
    def fade(self) -> bool:
        require(self.light > 0)
        require(not (REFUSES and self.light == 2))
        require(not (GUARD and self.light > 5))
        self.light -= 1
        if COUNTER:
            self.counted += 1
        if BREAKS and self.light == 1:
            self.cells[self.light + 5] = True
        return RESULT and self.light == 0

    @action
    def turn(self, side: Given(ARGUMENT, Int(0, 1), 0)) -> None:
        require(self.light == 0)


EFFECT = {
    "counter": True,
    "unused": False,
    "guard": False,
    "refuses": True,
    "result": True,
    "argument": True,
    "wider": False,
    "starts": True,
    "breaks": True,
}


def asked(having: Sequence[str], states: int = 1000) -> bool | None:
    off, on = (compile_design(Lamp, having=h).system for h in ((), having))
    return has_effect(off, on, states)


@pytest.mark.parametrize("name", EFFECT)
def test_each_way_to_have_an_effect(name: str) -> None:
    assert asked([name]) is EFFECT[name]


def test_both_ways_round() -> None:
    """What a feature takes away is an effect, too."""
    for name, effect in EFFECT.items():
        off, on = (compile_design(Lamp, having=h).system for h in ((), (name,)))
        assert has_effect(on, off, 1000) is effect, name


def test_undecided() -> None:
    assert asked(["guard"], states=2) is None
    assert asked(["refuses"], states=2) is None
    off, on = (compile_design(Lamp, having=h).system for h in ((), ("guard",)))
    assert has_effect(off, on, 1000, lambda: True) is None
