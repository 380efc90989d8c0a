# SPDX-License-Identifier: GPL-2.0-only
"""Two designs under the same calls: what user space sees, and nothing else."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path

import pytest

from poolproof.checker.commands.main import main
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.verdict import Budget, Silent
from poolproof.checker.driver.compare import Comparison, compare, exit_code, prepare
from poolproof.checker.driver.designs import DesignRef
from poolproof.checker.driver.task import Request
from poolproof.checker.reports.compare import compare_report
from poolproof.checker.spec import parse_text
from poolproof.model.language import (
    Bool,
    Design,
    Feature,
    Int,
    Scalarset,
    action,
    assume,
    bug_on,
    observer,
    require,
    table,
    var,
)


class Errno(Enum):
    OK = 0
    ENOMEM = 12
    ENOSPC = 28


NODES = Scalarset("NODES", 2, prefix="n")
EXTRA = Feature("extra", False, "a call more")


class Pool(Design):
    """Two pages, one on each node; a call takes one of either."""

    free = table(NODES, Bool(), init=True)
    held = var(Int(0, 2))

    @action(chosen="node")
    def take(self, node: NODES) -> Errno:
        if self.held == 2:
            return self.full()
        require(self.free[node])
        self.free[node] = False
        self.held += 1
        return Errno.OK

    def full(self):
        return Errno.ENOMEM

    @action(chosen="node")
    def put(self, node: NODES):
        require(not self.free[node])
        self.free[node] = True
        self.held -= 1

    @action(when=EXTRA)
    def extra(self) -> bool:
        return True


class Same(Pool):
    """The same."""


class Other(Pool):
    """Another error where no page is left."""

    def full(self):
        return Errno.ENOSPC


class Counting(Design):
    """The same as `Pool` to a user: pages without nodes, under other names."""

    held = var(Int(0, 2))
    spare = var(Int(0, 1), init=1)

    @action
    def alloc(self) -> Errno:
        if self.held == 2:
            return Errno.ENOMEM
        require(self.held + self.spare < 3)
        self.held += 1
        return Errno.OK

    @action
    def release(self):
        require(self.held > 0)
        self.held -= 1

    @action(silent=True)
    def reclaim(self):
        require(self.spare > 0)
        self.spare = 0


class Fills(Design):
    """Nothing is left only after something that happens by itself."""

    full = var(Bool())

    @action(silent=True)
    def fill(self):
        require(not self.full)
        self.full = True

    @action
    def take(self) -> Errno:
        require(self.full)
        return Errno.ENOMEM


class FillsAssuming(Fills):
    """Says nothing of what comes then."""

    @action
    def take(self) -> Errno:
        assume(not self.full, "nobody takes from what is full")
        return super().take()


class Lost(Pool):
    """Pages come back by themselves."""

    @action(chosen="node", silent=True)
    def put(self, node: NODES):
        super().put(node)


class Shown(Counting):
    """Shows what it holds."""

    @observer
    def shown(self) -> Int(0, 2):
        return self.held


class Twice(Shown):
    """Shows twice what it holds."""

    @observer
    def shown(self) -> Int(0, 4):
        return 2 * self.held


class Stingy(Counting):
    """Nothing is reclaimed, so that the second page cannot be had."""

    reclaim = None

    @action
    def alloc(self) -> Errno:
        if self.held == 1:
            return Errno.ENOMEM
        return super().alloc()


class OneAtATime(Pool):
    """Who has a page waits."""

    @action(chosen="node")
    def take(self, node: NODES) -> Errno:
        require(self.held == 0)
        return super().take(node)


class Assuming(Pool):
    """Says nothing of a pool that is used up."""

    @action(chosen="node")
    def take(self, node: NODES) -> Errno:
        assume(self.held < 2, "nobody asks for a third page")
        return super().take(node)


class Bugged(Pool):
    """Ends where no page is left."""

    @action(chosen="node")
    def take(self, node: NODES) -> Errno:
        bug_on(self.held == 2, "no page is left")
        return super().take(node)


class Broken(Pool):
    """Counts a page too many."""

    @action(chosen="node")
    def take(self, node: NODES) -> Errno:
        self.held += 1
        return super().take(node)


BOTH = """\
spec "one pool or the other"
user take or alloc
user put or release
observe held "pages that are held": held
observe somewhere: any(n in NODES: free[n])
"""


def ref(cls: type[Design]) -> DesignRef:
    return DesignRef(cls, f"{cls.__module__}:{cls.__name__}")


def compared(
    one: type[Design],
    other: type[Design],
    text: str = "",
    depth: int | None = None,
    having: tuple[str, ...] = (),
) -> Comparison:
    spec = parse_text(text, "both.spec") if text else None
    pair = prepare(ref(one), ref(other), spec, Request(having=having))
    return compare(pair, Budget(depth=depth), Silent())


def classes(found: Comparison) -> list[tuple[str, set[object], set[object], int]]:
    return [(c.name, set(c.shown[0]), set(c.shown[1]), c.calls) for c in found.classes]


def test_a_renamed_copy_differs_in_nothing() -> None:
    found = compared(Same, Pool)
    assert found.same
    assert exit_code(found) == 0


SWAPPED = "user alloc\nuser Shown.release or Twice.reclaim"


@pytest.mark.parametrize(
    ("one", "other", "text", "differs"),
    [
        (Pool, Lost, "", {"take"}),
        (Shown, Twice, "user alloc\nobserve shown: shown()", {"shown"}),
        (Shown, Twice, SWAPPED, {"alloc", "release"}),
    ],
)
def test_one_system_may_be_seen_in_two_ways(
    one: type[Design], other: type[Design], text: str, differs: set[str]
) -> None:
    found = compared(one, other, f'spec "seen"\n{text}' if text else "")
    assert not found.same
    assert {c.name for c in found.classes} == differs


@pytest.mark.parametrize("first", [Fills, FillsAssuming])
def test_a_call_left_out_after_a_silent_step_does_not_succeed(
    first: type[Design],
) -> None:
    (other,) = {Fills, FillsAssuming} - {first}
    found = compared(first, other, 'spec "full"\nuser take else OK')
    assert not found.classes
    assert "nobody takes from what is full" in found.assumed
    assert exit_code(found) == 3


def test_another_result_is_found_after_the_fewest_calls() -> None:
    found = compared(Other, Pool)
    assert classes(found) == [("take", {"ENOSPC"}, {"ENOMEM"}, 3)]
    assert exit_code(found) == 1


def test_names_nodes_and_silent_steps_make_no_difference() -> None:
    """Which node a page comes from, and when something is reclaimed, is the kernel's
    choice on both sides."""
    found = compared(Pool, Counting, BOTH)
    assert not found.classes
    assert found.complete
    assert exit_code(found) == 0
    assert found.pair.interface.unread == {"somewhere": "Counting has no free"}


def test_what_is_never_reclaimed_is_a_difference() -> None:
    found = compared(Stingy, Counting)
    # each way of the difference is one of what it alone can show
    assert ("alloc", {"ENOMEM"}, {"OK"}, 2) in classes(found)


def test_a_value_that_is_read_is_a_class_of_its_own() -> None:
    found = compared(Other, Pool, 'spec "x"\nobserve odd: held % 2\n')
    assert classes(found) == [("take", {"ENOSPC"}, {"ENOMEM"}, 3)]
    text = 'spec "x"\nuser put\nkernel take\nobserve odd: held % 2\n'
    assert not compared(Other, Pool, text).classes


def test_a_call_that_is_not_possible_is_a_class() -> None:
    found = compared(Pool, OneAtATime)
    assert classes(found) == [("take", {"OK"}, set(), 2)]
    assert not found.classes[0].possible
    text = "\n".join(compare_report(found))
    assert "take  OK    not possible  take(); take()" in text
    assert "OneAtATime cannot take take()" in text


def test_an_assumption_of_the_other_side_is_no_difference() -> None:
    found = compared(Pool, Assuming)
    assert not found.classes
    assert found.assumed == {"nobody asks for a third page": 2}
    assert exit_code(found) == 3
    text = "\n".join(compare_report(found))
    assert "unknown: no difference, apart from calls" in text


class Lazy(Counting):
    """A page is given back at once, but free only after a silent step."""

    draining = var(Int(0, 2))

    @action
    def alloc(self) -> Errno:
        if self.held + self.draining == 2:
            return Errno.ENOMEM
        return super().alloc()

    @action
    def release(self):
        super().release()
        self.draining += 1

    @action(silent=True)
    def drain(self):
        require(self.draining > 0)
        self.draining -= 1


def test_a_silent_step_may_come_first() -> None:
    """What is late by itself is seen, unless it comes before the next call."""
    late = compared(Lazy, Counting)
    assert classes(late) == [("alloc", {"ENOMEM"}, {"OK"}, 4)]
    text = 'spec "x"\nkernel drain first\nkernel reclaim\n'
    assert not compared(Lazy, Counting, text).classes


def test_a_call_that_is_not_possible_may_change_nothing() -> None:
    """Only where silent steps do not make it possible."""
    text = 'spec "x"\nuser take else OK, put else OK\n'
    (first, *_) = classes(compared(Pool, OneAtATime, text))
    assert first == ("take", {"ENOMEM"}, {"OK"}, 3)
    text = 'spec "x"\nuser alloc else OK, release else OK\nobserve held: held\n'
    assert not compared(Counting, Counting, text).classes
    late = compared(Counting, Lazy, text + "kernel drain first\n")
    assert not late.classes


def test_an_action_may_be_that_of_one_design() -> None:
    text = 'spec "x"\nuser Pool.take or Counting.alloc, put or Counting.release\n'
    assert not compared(Same, Counting, text).classes
    with pytest.raises(UserError, match=r"no action `Thp\.take`"):
        compared(Same, Counting, text.replace("Pool.", "Thp."))


def test_a_bug_is_seen() -> None:
    found = compared(Bugged, Pool)
    assert classes(found) == [("take", {"BUG"}, {"ENOMEM"}, 3)]


def test_calls_of_one_design_are_listed_and_not_made() -> None:
    found = compared(Other, Counting, BOTH + "user extra", having=("extra",))
    assert list(found.pair.interface.calls) == ["take", "put"]
    assert found.pair.interface.only == (("extra",), ())
    found = compared(Other, Counting, BOTH, having=("extra",))
    assert found.pair.interface.left == (("extra",), ())
    found = compared(Other, Pool, having=("extra",))
    assert list(found.pair.interface.calls) == ["take", "put", "extra"]


def test_one_action_is_two_calls_by_a_value() -> None:
    text = 'spec "x"\nuser take(node = n0), take(node = n1), put(node)\n'
    found = compared(Other, Pool, text)
    assert list(found.pair.interface.calls) == ["take", "take(node=n1)", "put"]
    assert classes(found) == [
        ("take", {"ENOSPC"}, {"ENOMEM"}, 3),
        ("take(node=n1)", {"ENOSPC"}, {"ENOMEM"}, 3),
    ]


def test_a_depth_that_is_too_small_is_no_answer() -> None:
    found = compared(Other, Pool, depth=2)
    assert not found.classes
    assert exit_code(found) == 3
    assert "unknown: no difference found" in "\n".join(compare_report(found))


def test_a_model_in_error_is_refused() -> None:
    with pytest.raises(UserError, match="Broken is in error"):
        compared(Broken, Pool)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("user takes", "no action `takes` .did you mean `take`."),
        ("user take(nod)", "`take` has no parameter `nod`"),
        ("user take(node = 7)", "an element of NODES is needed"),
        ("user take(node = none)", "node cannot be none: write a value from n0 to n1"),
        ("user put, put", "this call is named twice"),
        ("user put(n = 1, n = 0)", "`n` is named twice"),
        ("observe odd: helt", "unknown"),
        ("kernel takes", "no action `takes`"),
        ("kernel take(node)", r"which node\? Write a value"),
        ("kernel take, take", "`take` is named twice"),
        ("user take else ENOMEM", "write `else OK`"),
    ],
)
def test_mistakes_are_answered(text: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        compared(Other, Pool, f'spec "x"\n{text}\n')


def test_no_call_in_common() -> None:
    with pytest.raises(UserError, match="no call in common"):
        compared(Pool, Counting)


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    this = f"{__name__}:Other", f"{__name__}:Pool"
    assert main(["compare", *this]) == 1
    out = capsys.readouterr().out
    assert "  take  ENOSPC  ENOMEM  take(); take(); take()" in out
    assert "Other shows ENOSPC: take()" in out
    assert "1 class of differences" in out
    assert main(["compare", *this, "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    (difference,) = answer["differences"]
    assert difference["after"] == ["take()"] * 3
    assert [len(t["steps"]) for t in difference["traces"]] == [3, 3]
    assert main(["compare", f"{__name__}:Same", this[1]]) == 0
    assert "the same transition system" in capsys.readouterr().out


PROPERTIES = """\
spec "pools"
invariant few: held <= 1
invariant bounded: held <= 2
invariant spared: spare <= 1
"""


def test_verdicts_are_compared_property_by_property(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "pools.spec"
    spec.write_text(PROPERTIES)
    argv = ("compare", f"{__name__}:Stingy", f"{__name__}:Counting", str(spec))
    assert main([*argv, "--property-wise", "--engine", "explicit"]) == 1
    out = capsys.readouterr().out
    assert "pools.few  no violation; Counting: violated after 2 steps" in out
    assert "by the verdicts of 1 spec: 1 differ, " in out
    assert main([*argv, "--property-wise", "--engine", "explicit", "--json"]) == 1
    verdicts = json.loads(capsys.readouterr().out)["verdicts"]
    assert {v["property"]: v["differ"] is None for v in verdicts}["bounded"]
    same = (*argv[:1], argv[2], *argv[2:])
    assert main([*same, "--property-wise", "--engine", "explicit"]) == 0
    assert "none differ" in capsys.readouterr().out
    assert main([*argv, str(spec)]) == 2
    assert "several need --property-wise" in capsys.readouterr().err


def test_a_chosen_parameter_must_exist() -> None:
    class Misspelt(Pool):
        @action(chosen="nod")
        def take(self, node: NODES) -> Errno:
            return Errno.OK

    with pytest.raises(UserError, match="chosen='nod': no such parameter"):
        compared(Misspelt, Pool)
