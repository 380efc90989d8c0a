# SPDX-License-Identifier: GPL-2.0-only
"""Which methods an action may call, with which features."""

from __future__ import annotations

from typing import Any

from poolproof.checker.core.call_graph import called_by
from poolproof.model.language import (
    Block,
    Design,
    Feature,
    Int,
    action,
    observer,
    require,
    var,
)

LOUD, SLOW = Feature("loud"), Feature("slow")


class Part(Block):
    def __init__(self, slow: Feature) -> None:
        self.slow = slow
        self.level = var(Int(0, 3))

    def fill(self) -> None:
        if self.slow:
            self.wait()
        self.level += 1

    def wait(self) -> None:
        self.design.pause()

    def other(self) -> None:
        self.level -= 1


class Base(Design):
    near, far = Part(SLOW), Part(SLOW)

    @action
    def go(self) -> None:
        if not LOUD:
            self.near.fill()
            return
        self.shout(LOUD and self.quiet())

    @action
    def stay(self) -> None:
        require(self.is_there())

    @observer
    def is_there(self) -> bool:
        return any(self.near.level == k for k in range(3) if self.quiet())

    def shout(self, much: Any) -> None:
        self.far.fill() if LOUD else self.far.other()

    def quiet(self) -> bool:
        return True

    def pause(self) -> None:
        pass

    def idle(self) -> None:
        self.near.other()


class Heir(Base):
    def quiet(self) -> bool:
        return not super().quiet()


def names(design: type[Design], action: str, **on: bool) -> set[str]:
    found = called_by(design, action, on or None)
    return {f"{m.path}.{m.function.__qualname__}".lstrip(".") for m in found}


def test_what_each_branch_calls() -> None:
    assert names(Base, "go", loud=False, slow=False) == {"Base.go", "near.Part.fill"}
    assert names(Base, "go", loud=False, slow=True) == {
        "Base.go",
        "near.Part.fill",
        "near.Part.wait",
        "Base.pause",
    }
    assert names(Base, "go", loud=True, slow=False) == {
        "Base.go",
        "Base.shout",
        "Base.quiet",
        "far.Part.fill",
    }


def test_without_features_every_branch_counts() -> None:
    assert names(Base, "go") >= {"near.Part.fill", "far.Part.fill", "far.Part.other"}


def test_calls_in_conditions_and_aggregates_count() -> None:
    assert names(Base, "stay") == {"Base.stay", "Base.is_there", "Base.quiet"}


def test_an_override_counts_and_what_it_calls_above() -> None:
    assert names(Heir, "stay") == {
        "Base.stay",
        "Base.is_there",
        "Heir.quiet",
        "Base.quiet",
    }
