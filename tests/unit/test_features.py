# SPDX-License-Identifier: GPL-2.0-only
"""What a feature needs is selected with it."""

from __future__ import annotations

from typing import Any

import pytest

from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.driver.task import Request, Task, prepare
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.reports.check import settings
from poolproof.checker.spec import parse_text
from poolproof.model.language import (
    Design,
    Feature,
    Int,
    ModelError,
    action,
    declared,
    var,
    with_needs,
)

MOUNT = Feature("mount", False)
SIZE = Feature("size", False, needs=MOUNT)
LIMIT = Feature("limit", False, needs=(SIZE, Feature("rsvd", False) | MOUNT))
FORK = Feature("fork")
CHARGED = Feature("charged", False, needs=FORK)


class Mounts(Design):
    """Counts what its features let happen."""

    used = var(Int(0, 3))

    @action(when=(MOUNT, SIZE, LIMIT))
    def use(self) -> None:
        self.used = 1

    @action(when=(FORK, CHARGED))
    def charge(self) -> None:
        self.used = 2


def actions(**chosen: Any) -> list[str]:
    return [a.name for a in compile_design(Mounts, **chosen).system.actions]


def test_selecting_a_feature_selects_what_it_needs() -> None:
    assert actions() == []
    assert actions(having=["size"]) == []
    assert actions(having=["limit"]) == ["use"]
    assert actions(having=["charged"]) == ["charge"]


def test_the_first_of_several_is_selected_unless_another_is() -> None:
    features = declared(Mounts)[1]
    either = Feature("either", False, needs=Feature("left", False) | MOUNT)
    known = {**features, "left": Feature("left", False), "either": either}
    assert with_needs(known, ["either"]) == ("either", "left")
    assert with_needs(known, ["either", "mount"]) == ("either", "mount")
    assert with_needs(known, ["either"], ["left"]) == ("either", "mount")


def test_what_is_needed_cannot_be_left_out() -> None:
    wanted = "charged needs fork: leave charged out, or have that, too"
    with pytest.raises(UserError, match=wanted):
        compile_design(Mounts, without=["fork"], having=["charged"])
    with pytest.raises(ModelError, match=wanted):
        Mounts(without=["fork"], having=["charged"])


def test_a_need_is_a_feature() -> None:
    with pytest.raises(ModelError, match="needs='fork': name a Feature"):
        Feature("charged", needs="fork")


HEAD = 'spec "m"\nfor Mounts\n'
SPEC = HEAD + "bounds\n    with charged\ninvariant low: used <= 3\n"


def prepared(text: str, **asked: tuple[str, ...]) -> Task:
    request = Request(designs=(f"{__name__}:Mounts",), **asked)  # type: ignore[arg-type]
    (task,) = prepare(parse_text(text, "m.spec"), request)
    return task


def test_what_is_on_is_shown() -> None:
    assert prepared(SPEC).sizes.having == ("charged",)
    task = prepared(SPEC, having=("size",))
    assert task.sizes.having == ("charged", "size", "mount")
    assert settings(task) == "with charged size mount"
    task = prepared(SPEC.replace("charged", "size, limit"))
    assert task.sizes.having == ("size", "limit", "mount")
    task = prepared(SPEC.replace("charged", "limit, rsvd"))
    assert task.sizes.having == ("limit", "rsvd", "size", "mount")


def test_a_need_that_the_spec_leaves_out() -> None:
    text = SPEC.replace("with charged", "without fork with charged")
    with pytest.raises(UserError, match="charged needs fork") as e:
        prepared(text)
    assert str(e.value).startswith("m.spec:4:")


def test_a_need_that_the_caller_leaves_out() -> None:
    with pytest.raises(UserError) as e:
        prepared(SPEC, without=("fork",))
    wanted = "charged needs fork: leave charged out, or have that, too"
    assert str(e.value) == f"--without fork: {wanted}"
    assert prepared(SPEC, without=("fork", "charged")).sizes.having == ()


def test_a_need_that_the_caller_brings_back() -> None:
    """The spec has no mount; who asks for a limit of one wants it."""
    text = SPEC.replace("with charged", "without mount")
    assert prepared(text).sizes.without == ("mount",)
    task = prepared(text, having=("size",))
    assert (task.sizes.having, task.sizes.without) == (("size", "mount"), ())


class NoSize(Mounts):
    """As a base that cannot do all of it."""

    lacks = (SIZE, LIMIT)


def test_what_a_design_lacks_cannot_be_selected() -> None:
    assert declared(NoSize)[1].keys() == {"mount", "rsvd", "fork", "charged"}
    assert compile_design(NoSize, having=["mount"]).system.actions == ()
    with pytest.raises(UserError, match="no feature 'size'"):
        compile_design(NoSize, having=["size"])


@pytest.mark.parametrize(
    ("left_out", "message"),
    [
        ((MOUNT,), "lacks: mount is what size needs"),
        ((FORK,), "off by default"),
        (("size",), "'size' is not a feature"),
    ],
)
def test_what_is_needed_or_on_cannot_be_lacking(
    left_out: tuple[Any, ...], message: str
) -> None:
    class Lacking(Mounts):
        lacks = left_out

    with pytest.raises(UserError, match=message):
        compile_design(Lacking)
