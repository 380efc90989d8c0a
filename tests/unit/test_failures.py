# SPDX-License-Identifier: GPL-2.0-only
"""Calls that may fail: what a bound on them adds to a design, and what it leaves
as it was."""

from __future__ import annotations

import pytest

from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.verdict import (
    Budget,
    Silent,
    Step,
    Trace,
    Vacuous,
    Violated,
)
from poolproof.checker.engines.registry import engine_of
from poolproof.checker.evidence import trace_file
from poolproof.checker.evidence.replay import replay, show_step
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.spec import parse_text, resolve
from poolproof.model.language import (
    Bool,
    Bound,
    Counter,
    Design,
    Disabled,
    Int,
    Scalarset,
    action,
    assume,
    may_fail,
    require,
    var,
)

P = Bound("P", 2)
TASKS = Scalarset("TASKS", 2, prefix="t")


class Descriptors(Design):
    """A number of pages is charged one by one, and each needs a descriptor."""

    charged = var(Counter(P))
    tables = var(Int(0, 1))

    @action
    def charge(self, n: Int(0, P)) -> bool:
        require(self.charged == 0)
        for k in range(P):
            if k < n:
                if may_fail("descriptor"):
                    return False
                self.charged += 1
        if may_fail("page table"):
            self.charged = 0
            return False
        return True

    @action
    def uncharge(self) -> bool:
        require(self.charged > 0)
        self.charged = 0
        return True


class Undoing(Descriptors):
    """An error undoes what was charged."""

    @action
    def charge(self, n: Int(0, P)) -> bool:
        charged = super().charge(n)
        if not charged:
            self.charged = 0
        return charged


SPEC = """
spec "charges"
bounds P = 2, failures = 1
step undone "an error has no effect" on failure: unchanged()
step undone_but on failure: unchanged_but(charged)
"""


def test_without_the_bound_there_is_nothing_more() -> None:
    system = compile_design(Descriptors).system
    assert [v.name for v in system.variables] == ["charged", "tables"]
    assert [p.name for p in system.action_by_name["charge"].parameters] == ["n"]
    assert system.action_by_name["charge"].results == (1,)


def test_with_it_an_action_says_which_call_fails() -> None:
    system = compile_design(Descriptors, {"failures": 1}).system
    assert [v.name for v in system.variables][-1] == "failures_left"
    *_, fails = system.action_by_name["charge"].parameters
    labels = ("nothing", "descriptor", "2nd descriptor", "page table")
    assert getattr(fails.domain.sort, "labels", ()) == labels
    assert system.action_by_name["uncharge"].parameters == ()


def test_cpython_makes_the_same_choices() -> None:
    design = Descriptors({"failures": 1})
    with pytest.raises(Disabled):  # one page needs one descriptor
        design.step("charge", 1, fails="2nd descriptor")
    assert design.dump() == (0, 0, 1)
    assert design.step("charge", 2, fails="2nd descriptor") is False
    assert design.dump() == (1, 0, 0)
    design.step("uncharge")
    with pytest.raises(Disabled):  # that was the only failure
        design.step("charge", 1, fails="descriptor")
    assert design.step("charge", 2) is True


@pytest.mark.parametrize("engine", ["explicit", "native", "bmc"])
def test_an_error_that_has_an_effect_is_found(engine: str) -> None:
    compiled = compile_design(Descriptors, {"failures": 1})
    properties = resolve(parse_text(SPEC), compiled).properties
    asked = [p for p in properties if not p.assertion]
    assert [p.name for p in asked] == ["undone.charge", "undone_but.charge"]
    found = engine_of(engine)(compiled.system, asked, Budget(depth=4), Silent())
    verdict = found.verdicts["undone.charge"]
    assert isinstance(verdict, Violated)
    assert len(verdict.trace) == 1
    assert not isinstance(found.verdicts["undone_but.charge"], Violated)
    replay(compiled, verdict.trace)


@pytest.mark.parametrize("failures", [1, 3])
def test_one_that_is_undone_is_not(failures: int) -> None:
    compiled = compile_design(Undoing, {"failures": failures})
    asked = resolve(parse_text(SPEC), compiled).properties
    found = engine_of("explicit")(compiled.system, asked, Budget(), Silent())
    assert found.statistics.complete
    assert not any(isinstance(v, Violated | Vacuous) for v in found.verdicts.values())


def test_a_stored_trace_names_the_call() -> None:
    compiled = compile_design(Descriptors, {"failures": 2})
    step = Step("charge", (2, 2))
    assert show_step(compiled.system, step) == "charge(2, fails=2nd descriptor)"
    assert show_step(compiled.system, Step("charge", (2, 0))) == "charge(2)"
    head = (
        "design: Descriptors\nspec: a.spec\nproperty: undone\n"
        "verdict: violated after 1 step\n\n"
    )
    for call, meant in (
        ("charge(2, fails=2nd descriptor)", step),
        ("charge(2)", Step("charge", (2, 0))),
        ("charge(2, nothing)", Step("charge", (2, 0))),
    ):
        file = trace_file.parse(head + call + "\n", "a.trace")
        assert trace_file.bind(file, compiled).steps == (meant,)
    taken = replay(compiled, Trace((0, 0, 2), (step,))).taken
    assert taken[0].state == (1, 0, 1)


def test_a_design_that_never_fails_is_no_answer() -> None:
    compiled = compile_design(Descriptors)
    assert resolve(parse_text(SPEC), compiled).missing == {
        "undone": "no action that fails",
        "undone_but": "no action that fails",
    }


def test_a_bound_of_failures_needs_calls_that_may_fail() -> None:
    class Other(Design):
        flag = var(Bool())

    with pytest.raises(UserError, match="no bound 'failures'"):
        compile_design(Other, {"failures": 1})


def test_each_action_may_be_expected_otherwise() -> None:
    text = SPEC.replace(
        "on failure: unchanged()",
        "on failure: unchanged()\n expect holds\n expect violated at 1 on charge",
    )
    (first, *_) = resolve(
        parse_text(text), compile_design(Descriptors, {"failures": 1})
    ).properties
    assert first.expect is not None
    assert (first.expect.verdict, first.expect.depth) == ("violated", 1)


class Yielding(Design):
    """A page table is allocated without the lock."""

    tables = var(Int(0, 2))
    lost = var(Int(0, 2))

    @action
    def fault(self, t: TASKS) -> bool:
        require(self.tables + self.lost < 2)
        if may_fail("page"):
            return False
        yield "drops the lock"
        failed = may_fail("page table")
        yield "takes the lock"
        if failed:
            self.lost += 1
            return False
        self.tables += 1
        return True


YIELDING = """
spec "faults"
bounds failures = 1
invariant kept "no page is lost": lost == 0
invariant once "one call fails in a run": lost <= 1
"""


@pytest.mark.parametrize("engine", ["explicit", "native", "bmc"])
def test_each_part_of_an_action_has_calls_of_its_own(engine: str) -> None:
    compiled = compile_design(Yielding, {"failures": 1})
    asked = resolve(parse_text(YIELDING), compiled).properties
    found = engine_of(engine)(compiled.system, asked, Budget(depth=8), Silent())
    verdict = found.verdicts["kept"]
    assert isinstance(verdict, Violated)
    assert [show_step(compiled.system, s) for s in verdict.trace.steps] == [
        "fault(t0)",
        "fault.drops_the_lock(t0, fails=page table)",
        "fault.takes_the_lock(t0)",
    ]
    replay(compiled, verdict.trace)
    assert not isinstance(found.verdicts["once"], Violated)


def test_what_a_yield_brings_may_not_have_the_name() -> None:
    class Named(Design):
        count = var(Int(0, 1))

        @action
        def fault(self, t: TASKS):
            fails: Bool() = yield "asks"
            if fails or self.count == 1:
                return
            if may_fail("page"):
                self.count = 1

    compile_design(Named)
    with pytest.raises(UserError, match="give the parameter another name"):
        compile_design(Named, {"failures": 1})


def test_an_assumption_beside_calls_that_cannot_fail() -> None:
    """An action without such a call has no choice, and its assumptions name none.
    By hand: two states are not charged, with the failure left and without."""

    class Halves(Design):
        charged = var(Bool())
        done = var(Bool())

        @action
        def charge(self) -> bool:
            if may_fail("descriptor"):
                return False
            self.charged = True
            return True

        @action
        def finish(self):
            assume(self.charged, "charged first")
            self.done = True

    compiled = compile_design(Halves, {"failures": 1})
    found = engine_of("explicit")(compiled.system, (), Budget(), Silent())
    assert found.statistics.assumed == {"charged first": 2}
