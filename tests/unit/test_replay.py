# SPDX-License-Identifier: GPL-2.0-only
"""Replays: what agrees is shown, what does not is an error of ours."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from pathlib import Path
from random import Random
from typing import Any

import pytest

from bench.pool import Pool
from poolproof.checker.core import ir
from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.evaluate import (
    broken,
    initial_states,
    out_of_range,
    successor,
)
from poolproof.checker.core.property import Fairness, Kind, Property
from poolproof.checker.core.system import Obligation
from poolproof.checker.core.verdict import Budget, Defect, Silent, Step, Trace, Violated
from poolproof.checker.driver.designs import from_file
from poolproof.checker.engines.explicit import explicit
from poolproof.checker.evidence.raw import ReplayDisagrees, raw_of
from poolproof.checker.evidence.replay import (
    NotReproduced,
    confirm,
    confirm_deadlock,
    confirm_defect,
    is_initial,
    named,
    replay,
    show_result,
    show_state,
    show_step,
)
from poolproof.checker.frontend.design import compile_design
from poolproof.model.language import (
    Bool,
    Design,
    Element,
    Int,
    action,
    assume,
    require,
)
from poolproof.model.language import var as cell
from tests.common.random_designs import design_text
from tests.common.toys import Shelf

POOL = compile_design(Pool)
MMAP = Step("mmap", (0, 0, 0, 2))
TO_SIGBUS = (
    MMAP,
    Step("fault", (0, 0, 0)),
    Step("mmap", (1, 1, 0, 1)),
    Step("fault", (0, 1, 0)),
    Step("fault_sigbus", (1, 0)),
)


def start_of(compiled: Compiled, **cells: int) -> tuple[int, ...]:
    """The initial state with the given cells."""
    at = {c.name: k for k, c in enumerate(compiled.system.cells)}
    return next(
        s
        for s in initial_states(compiled.system)
        if all(s[at[name]] == raw for name, raw in cells.items())
    )


def invariant(compiled: Compiled, name: str) -> Property:
    return Property("no", Kind.INVARIANT, ir.not_(compiled.system.by_name[name].now))


def trace(compiled: Compiled, *steps: Step) -> Trace:
    return Trace(start_of(compiled), steps)


# --- what agrees ----------------------------------------------------------


def test_every_step_has_its_result_and_its_state() -> None:
    played = replay(POOL, trace(POOL, *TO_SIGBUS))
    assert [t.result for t in played.taken] == [None, None, None, None, 1]
    assert [show_step(POOL.system, t.step, t.result) for t in played.taken][-1] == (
        "fault_sigbus(v1, 0) -> SIGBUS"
    )
    after = named(POOL.system, played.states[1])
    assert (after["resv"], after["live[v0]"], after["cgroup[v0]"]) == (
        "2",
        "true",
        "cg0",
    )
    assert len(played.states) == 6


def test_a_violation_is_confirmed() -> None:
    prop = invariant(POOL, "sigbus")
    assert confirm(POOL, prop, trace(POOL, *TO_SIGBUS), shortest=True)


def test_a_witness_is_confirmed() -> None:
    sigbus = POOL.system.by_name["sigbus"].now
    prop = Property("seen", Kind.REACHABLE, sigbus)
    assert confirm(POOL, prop, trace(POOL, *TO_SIGBUS), shortest=True)


def test_a_step_violation_sees_arguments_result_and_both_states() -> None:
    compiled = compile_design(Shelf)
    put = compiled.system.action_by_name["put"]
    assert put.result is not None
    result = ir.local("result", ir.Domain(put.result.sort, 0, 1, "result"))
    left = compiled.system.by_name["left"]
    ok = ir.eq(result, ir.const(put.result.sort, 0))
    prop = Property(
        "takes", Kind.STEP, ir.implies(ok, ir.eq(left.next, left.now)), "put"
    )
    start = Trace(start_of(compiled, left=1), (Step("put", (0, 1, 0)),))
    assert confirm(compiled, prop, start)
    twice = replace(start, steps=(*start.steps, Step("put", (0, 0, 0))))
    with pytest.raises(NotReproduced, match="not decided"):
        confirm(compiled, prop, twice)


def test_a_deadlock_is_confirmed() -> None:
    compiled = compile_design(Shelf, {"R": 1}, having=("force",))
    with pytest.raises(NotReproduced, match=r"put\(r0, w0, force=false\) is possible"):
        confirm_deadlock(compiled, trace(compiled))


# --- what does not --------------------------------------------------------


def altered(compiled: Compiled, action: str, **changes: Any) -> Compiled:
    system = compiled.system
    actions = tuple(
        replace(a, **changes) if a.name == action else a for a in system.actions
    )
    return replace(compiled, system=replace(system, actions=actions))


def test_another_state_names_both() -> None:
    mmap = POOL.system.action_by_name["mmap"]
    wrong = altered(POOL, "mmap", updates={**mmap.updates, "resv": ir.num(1)})
    with pytest.raises(ReplayDisagrees) as found:
        replay(wrong, trace(POOL, MMAP))
    assert not isinstance(found.value, NotReproduced)
    assert "resv: 2 under CPython, 1 in the IR" in str(found.value)
    assert "CPython's state:\n  free[n0] = 2" in str(found.value)
    assert "the IR's state:\n  free[n0] = 2" in str(found.value)


def test_another_result_is_found() -> None:
    sort = POOL.system.action_by_name["fault_sigbus"].result
    assert sort is not None
    wrong = altered(POOL, "fault_sigbus", result=ir.const(sort.sort, 0))
    with pytest.raises(ReplayDisagrees, match="result: SIGBUS under CPython, OK in"):
        replay(wrong, trace(POOL, *TO_SIGBUS))


@pytest.mark.parametrize("guard", [ir.TRUE, ir.FALSE])
def test_another_guard_is_found(guard: ir.Expr) -> None:
    wrong = altered(POOL, "mmap", guard=guard)
    steps = (MMAP, MMAP) if guard is ir.TRUE else (MMAP,)
    with pytest.raises(ReplayDisagrees, match="a `require` is false") as found:
        replay(wrong, trace(POOL, *steps))
    assert not isinstance(found.value, NotReproduced)


def test_a_missing_obligation_is_found() -> None:
    compiled = compile_design(Shelf, having=("broken",))
    pick = Step("pick", (0, 3))
    defect = Defect("outside", trace(compiled, pick))
    assert confirm_defect(compiled, defect).failure.startswith("OutOfDomain")
    wrong = altered(compiled, "pick", obligations=())
    with pytest.raises(ReplayDisagrees, match="outside its index domain"):
        confirm_defect(wrong, defect)


def test_no_run_is_refuted() -> None:
    with pytest.raises(NotReproduced, match="step 2, mmap") as found:
        replay(POOL, trace(POOL, MMAP, MMAP))
    assert found.value.number == 2
    elsewhere = Trace((1, *start_of(POOL)[1:]), ())
    with pytest.raises(NotReproduced, match="not start in an initial state"):
        replay(POOL, elsewhere)


class OneAtATime(Design):
    """The second of two is left out by a decision of the model's author."""

    busy = cell(Bool())
    count = cell(Int(0, 3))

    @action
    def begin(self) -> None:
        require(self.count < 3)
        assume(not self.busy, "one at a time")
        self.busy = True
        self.count += 1


def test_why_a_step_is_not_possible() -> None:
    """By an `assume`, in its own words, or by a `require`."""
    compiled = compile_design(OneAtATime)
    begin = Step("begin", ())
    with pytest.raises(NotReproduced) as found:
        replay(compiled, trace(compiled, begin, begin))
    assert str(found.value).startswith(
        "step 2, begin(): the design assumes one at a time in\n"
    )
    assert found.value.number == 2
    with pytest.raises(NotReproduced) as found:
        replay(POOL, trace(POOL, MMAP, MMAP))
    assert ": a `require` is false in\n" in str(found.value)


def test_a_detour_is_not_shortest() -> None:
    prop = invariant(POOL, "sigbus")
    longer = trace(POOL, *TO_SIGBUS, Step("munmap", (1,)))
    assert confirm(POOL, prop, longer)
    with pytest.raises(NotReproduced, match="after 5 of the 6 steps"):
        confirm(POOL, prop, longer, shortest=True)


# --- defects --------------------------------------------------------------

EMPTY = (Step("put", (0, 0, 0)),)


@pytest.mark.parametrize(
    ("steps", "failure"),
    [
        ((*EMPTY, Step("overdraw", ())), "OutOfRange: left becomes -1"),
        ((*EMPTY, Step("put", (0, 0, 1)), Step("demand", ())), "AssertionError: nob"),
        ((Step("pick", (1, 3)),), "OutOfDomain: box"),
    ],
)
def test_defects_are_confirmed(steps: tuple[Step, ...], failure: str) -> None:
    compiled = compile_design(Shelf, having=("broken", "force"))
    start = start_of(compiled, left=1)
    played = confirm_defect(compiled, Defect("it breaks", Trace(start, steps)))
    assert played.failure.startswith(failure)
    assert played.failing == steps[-1]
    assert len(played.taken) == len(steps) - 1
    harmless = Defect("it breaks", Trace(start, EMPTY))
    with pytest.raises(NotReproduced, match="breaks nothing"):
        confirm_defect(compiled, harmless)


def test_the_explicit_engine_finds_all_three() -> None:
    compiled = compile_design(Shelf, having=("broken", "force"))
    found = explicit(compiled.system, (), Budget(), Silent())
    messages = [confirm_defect(compiled, d).failure for d in found.defects]
    assert {m.partition(":")[0] for m in messages} == {
        "OutOfRange",
        "AssertionError",
        "OutOfDomain",
    }


def test_a_start_outside_its_range_is_a_defect() -> None:
    resv = POOL.system.by_name["resv"]
    below = replace(resv, init=ir.num(-1))
    variables = tuple(below if v is resv else v for v in POOL.system.variables)
    wrong = replace(POOL, system=replace(POOL.system, variables=variables))
    defect = Defect("resv is -1", Trace(start_of(wrong, resv=-1), ()))
    played = confirm_defect(wrong, defect)
    assert played.failure == "resv starts outside its range"
    assert (played.trace, played.taken, played.failing) == (defect.trace, (), None)
    with pytest.raises(NotReproduced, match="not start in an initial state"):
        confirm_defect(POOL, defect)
    with pytest.raises(
        NotReproduced, match="the initial state is not a defect: it breaks"
    ):
        confirm_defect(POOL, Defect("it breaks", trace(POOL)))


THINGS = ir.scalar_sort("REPLAYED", 3, "r")


class Colour(Enum):
    RED = 7
    GREEN = 3


@pytest.mark.parametrize(
    ("sort", "value", "raw"),
    [
        (ir.INT, 5, 5),
        (ir.INT, -2, -2),
        (ir.BOOL, True, 1),
        (ir.BOOL, False, 0),
        (THINGS, Element("REPLAYED", "r", 2), 2),
        (THINGS, None, 3),
        (ir.enum_sort("Colour", ("RED", "GREEN")), Colour.GREEN, 1),
        (ir.set_sort(ir.Domain(THINGS, 0, 2)), frozenset(), 0),
        (
            ir.set_sort(ir.Domain(THINGS, 0, 2)),
            {Element("REPLAYED", "r", 0), Element("REPLAYED", "r", 2)},
            0b101,
        ),
        (ir.set_sort(ir.Domain(ir.INT, 2, 5)), frozenset({2, 5}), 0b1001),
    ],
)
def test_what_a_method_returns_as_a_raw_value(
    sort: ir.Sort, value: object, raw: int
) -> None:
    assert raw_of(sort, value) == raw


@pytest.mark.parametrize("value", ["text", None, 0.5])
def test_what_no_sort_has_is_an_error(value: object) -> None:
    with pytest.raises(ReplayDisagrees, match=r"returned .*, and the IR expects int"):
        raw_of(ir.INT, value)


def test_which_states_a_system_starts_in() -> None:
    """`left` may be anything from 0 to 3, but for what initial() refuses."""
    compiled = compile_design(Shelf)
    system = compiled.system
    everything = replace(system, initial=ir.TRUE)
    start = list(start_of(compiled, left=1))
    at = {c.name: k for k, c in enumerate(system.cells)}
    for left in range(-1, 5):
        start[at["left"]] = left
        assert is_initial(system, tuple(start)) == (left in (1, 3))
        assert is_initial(everything, tuple(start)) == (0 <= left <= 3)
    start[at["left"]] = 1
    assert not is_initial(system, tuple(start[:-1]))
    assert not is_initial(system, (*start, 0))
    start[at["alarm"]] = 1
    assert not is_initial(system, tuple(start))


# --- lassos ---------------------------------------------------------------


def test_a_lasso_must_close_avoid_the_goal_and_be_fair() -> None:
    compiled = compile_design(Shelf, {"R": 1})
    left = compiled.system.by_name["left"].now
    start = start_of(compiled, left=1)
    prop = Property(
        "emptied",
        Kind.LEADS_TO,
        ir.TRUE,
        goal=ir.eq(left, ir.num(0)),
        fair=(Fairness("put"),),
    )
    close = (Step("close", (1,)), Step("close", (0,)))
    assert confirm(compiled, prop, Trace(start, close, 0))
    strong = replace(prop, fair=(Fairness("put", strong=True),))
    with pytest.raises(NotReproduced, match=r"unfair: it never takes put\(r0, w0\)"):
        confirm(compiled, strong, Trace(start, close, 0))
    with pytest.raises(NotReproduced, match="does not return"):
        confirm(compiled, prop, Trace(start, close, 1))
    put = (Step("put", (0, 0, 0)),)
    with pytest.raises(NotReproduced, match="meets the goal"):
        confirm(compiled, prop, Trace(start, put, 1))


def test_a_lasso_is_asked_where_its_formula_is_true() -> None:
    """From some state on that is asked, no later one has the goal."""
    compiled = compile_design(Shelf, {"R": 1})
    left = compiled.system.by_name["left"].now
    one, none = ir.eq(left, ir.num(1)), ir.eq(left, ir.num(0))
    start = start_of(compiled, left=1)
    around = (Step("close", (1,)), Step("close", (0,)))
    put = Step("put", (0, 0, 0))
    stays, leaves = Trace(start, around, 0), Trace(start, (put, *around), 1)
    for asked, goal, lasso in (
        (one, none, stays),
        (one, ir.FALSE, leaves),
        (none, one, leaves),
        (ir.TRUE, one, leaves),
    ):
        prop = Property("p", Kind.LEADS_TO, asked, goal=goal)
        assert confirm(compiled, prop, lasso).trace == lasso
    for asked, goal, lasso in (
        (none, ir.FALSE, stays),
        (one, one, stays),
        (one, none, leaves),
        (ir.TRUE, none, leaves),
        (ir.FALSE, ir.FALSE, leaves),
    ):
        prop = Property("p", Kind.LEADS_TO, asked, goal=goal)
        with pytest.raises(NotReproduced, match="meets the goal, or never needs it"):
            confirm(compiled, prop, lasso)


# --- at random ------------------------------------------------------------


def random_design(seed: int, directory: Path) -> Compiled:
    """The first of some random designs that the frontend does not refuse
    (for an index that is certainly outside)."""
    for k in range(seed, seed + 1000, 100):
        file = directory / f"random_{k}.py"
        file.write_text(design_text(k))
        try:
            return compile_design(from_file(str(file))[0].cls)
        except UserError:
            continue
    raise AssertionError("all are refused")


@pytest.mark.parametrize("seed", range(20))
def test_random_runs_of_random_designs_agree(seed: int, tmp_path: Path) -> None:
    compiled = random_design(seed, tmp_path)
    system, random = compiled.system, Random(seed)
    state = start = random.choice(initial_states(system))
    steps: list[Step] = []
    for _ in range(60):
        action = random.choice(system.actions)
        raw = tuple(random.choice(list(p.domain)) for p in action.parameters)
        if broken(system, action, state, raw) is not None:
            continue
        after = successor(system, action, state, raw)
        if after is not None and out_of_range(system, after[0]) is None:
            steps.append(Step(action.name, raw))
            state = after[0]
    assert replay(compiled, Trace(start, tuple(steps))).states[-1] == state


def test_every_trace_of_the_explicit_engine_is_confirmed() -> None:
    found = explicit(POOL.system, (invariant(POOL, "sigbus"),), Budget(), Silent())
    verdict = found.verdicts["no"]
    assert isinstance(verdict, Violated)
    assert len(verdict.trace) == 5
    assert confirm(POOL, invariant(POOL, "sigbus"), verdict.trace, shortest=True)


# --- words ------------------------------------------------------------------


def test_steps_results_and_states_as_text() -> None:
    compiled = compile_design(Shelf, having=("force",))
    system = compiled.system
    put, close = (system.action_by_name[n] for n in ("put", "close"))
    assert show_step(system, Step("put", (1, 0, 1)), 1) == (
        "put(r1, w0, force=true) -> FULL"
    )
    assert show_step(system, Step("close", (2,))) == "close({r1})"
    assert [show_result(put, r) for r in (0, 1, None)] == ["OK", "FULL", "nothing"]
    assert show_result(close, None) == show_result(close, 0) == "nothing"
    text = show_state(system, start_of(compiled, left=1))
    assert text.splitlines()[:3] == ["  left = 1", "  shut = {}", "  box[r0, 0] = none"]
    assert text.count("\n") == len(system.cells) - 1


def test_an_obligation_without_a_message_is_named_by_its_kind() -> None:
    """The IR refuses what CPython takes, and the report says which part."""
    due = ir.FALSE
    for message, told in (("left is even", "left is even"), ("", "assert")):
        obligation = Obligation("assert", due, message, None)
        wrong = altered(POOL, "mmap", obligations=(obligation,))
        with pytest.raises(ReplayDisagrees, match=f"{told} in the IR") as found:
            replay(wrong, trace(POOL, MMAP))
        assert not isinstance(found.value, NotReproduced)
        assert "possible under CPython" in str(found.value)
        assert show_state(POOL.system, start_of(POOL)) in str(found.value)
        with pytest.raises(ReplayDisagrees, match=f"breaks nothing.*{told}") as found:
            confirm_defect(wrong, Defect("it breaks", trace(POOL, MMAP)))
        assert not isinstance(found.value, NotReproduced)


def test_a_lasso_is_fair_if_the_step_is_never_possible_or_always_broken() -> None:
    """What an obligation forbids is not possible, and so not due."""
    compiled = compile_design(Shelf, {"R": 1})
    left = compiled.system.by_name["left"].now
    start = start_of(compiled, left=1)
    strong = Property(
        "emptied",
        Kind.LEADS_TO,
        ir.TRUE,
        goal=ir.eq(left, ir.num(0)),
        fair=(Fairness("put", strong=True),),
    )
    close = (Step("close", (1,)), Step("close", (0,)))
    due = Obligation("assert", ir.FALSE, "never", None)
    broken_put = altered(compiled, "put", obligations=(due,))
    assert confirm(broken_put, strong, Trace(start, close, 0))
    never = altered(compiled, "put", guard=ir.FALSE)
    assert confirm(never, strong, Trace(start, close, 0))
