# SPDX-License-Identifier: GPL-2.0-only
"""What the native engine says of a small counter that breaks every rule."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from poolproof.checker.backends.c import copies
from poolproof.checker.backends.c import program as lower
from poolproof.checker.backends.c.build import (
    FAST,
    QUICK,
    Build,
    CompilerFailed,
    compiler,
)
from poolproof.checker.backends.c.lowered import Event
from poolproof.checker.core import ir
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.system import Assumption, TransitionSystem, Variable
from poolproof.checker.core.verdict import (
    Budget,
    Engine,
    Holds,
    Outcome,
    Reached,
    Silent,
    Step,
    Trace,
    Unknown,
    Unreachable,
    Violated,
)
from poolproof.checker.engines import native as engine
from poolproof.checker.engines.explicit import explicit
from poolproof.checker.engines.native import native
from poolproof.checker.passes.symmetry import Symmetry, find_symmetry
from tests.agreement.test_native_symmetry import doubtful
from tests.unit.test_space import COUNTER, EVEN, FLIP, UP, N, Progress, X, Y

pytestmark = pytest.mark.skipif(compiler() is None, reason="there is no C compiler")

CLEAN = replace(COUNTER, actions=(replace(UP, obligations=()), FLIP))
CLEAN = replace(CLEAN, variables=(replace(X, hi=ir.num(5)), Y))
"""x goes from 0 or 1 to 5, y is set at 4; 5 is a deadlock."""


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of its own, or the one that a run of mutants shares."""
    with pytest.MonkeyPatch.context() as patch:
        if "XDG_CACHE_HOME" not in os.environ:
            directory = tmp_path_factory.mktemp("cache")
            patch.setenv("XDG_CACHE_HOME", str(directory))
        yield Path(os.environ["XDG_CACHE_HOME"])


def run(system: TransitionSystem, *properties: Property, **limits: object) -> Outcome:
    budget = Budget(threads=1, symmetry=False, **limits)  # type: ignore[arg-type]
    return native(system, properties, budget, Silent())


SMALL = Property("small", Kind.INVARIANT, ir.le(X.now, ir.num(3)))
FINE = Property("fine", Kind.INVARIANT, ir.le(X.now, ir.num(5)))
SEEN = Property("seen", Kind.REACHABLE, ir.eq(X.now, ir.num(5)))
JUMP = Property("jump", Kind.STEP, ir.lt(X.next, ir.add(X.now, ir.num(2))), action="up")


def test_verdicts_and_figures() -> None:
    nowhere = Property(
        "nowhere",
        Kind.REACHABLE,
        ir.and_(ir.eq(Y.now, ir.num(1)), ir.lt(X.now, ir.num(4))),
    )
    antecedents = (ir.eq(X.now, ir.num(2)), ir.lt(X.now, Y.now))
    fine = replace(FINE, antecedents=antecedents)
    jump = replace(JUMP, antecedents=(ir.eq(N, ir.num(2)), ir.FALSE))
    found = run(CLEAN, SMALL, fine, SEEN, nowhere, jump)
    assert found.engine == "native"
    assert found.defects == ()
    small = found.verdicts["small"]
    assert isinstance(small, Violated)
    assert len(small.trace) == 2
    assert small.shortest
    seen = found.verdicts["seen"]
    assert isinstance(seen, Reached)
    assert len(seen.trace) == 2
    assert seen.trace.initial == (1, 0)
    assert found.verdicts["jump"] == Violated(Trace((0, 0), (Step("up", (2,)),)))
    s = found.statistics
    assert found.verdicts["fine"] == Holds(True, s.states, s.depth)
    assert found.verdicts["nowhere"] == Unreachable(s.states, s.depth)
    assert (s.states, s.transitions, s.depth, s.deadlocks) == (7, 10, 3, 1)
    assert s.deadlock is not None
    assert len(s.deadlock) == 2
    assert s.fired == {"up": 8, "flip": 2}
    assert s.results == {("up", 7): 4, ("up", 8): 4}
    assert s.true_antecedents["fine"] == (True, False)
    assert s.true_antecedents["jump"] == (True, False)
    assert s.complete
    assert not s.no_start
    assert s.memory > 0
    assert 0 < s.seconds < 60
    assert s.notes == ()


def test_defects_of_steps_and_starts() -> None:
    found = run(COUNTER, FINE)
    (defect,) = found.defects
    assert (defect.message, defect.obligation) == ("x is not 3", EVEN)
    assert len(defect.trace) == 2
    assert found.verdicts["fine"] == Unknown(
        "the model itself is wrong (see the defects)", 1
    )
    small = replace(X, hi=ir.num(2))
    found = run(replace(COUNTER, variables=(small, Y)), FINE)
    (defect,) = found.defects
    assert defect.message == "x becomes 3, outside its range"
    assert defect.trace == Trace((1, 0), (Step("up", (2,)),))
    wrong = Variable("y", ir.INT, ir.num(0), ir.num(1), ir.num(2))
    found = run(replace(CLEAN, variables=(replace(X, hi=ir.num(5)), wrong)), FINE)
    (defect,) = found.defects
    assert defect.message == "y starts outside its range"
    assert defect.trace.steps == ()
    assert defect.trace.initial[1] == 2
    assert isinstance(found.verdicts["fine"], Unknown)
    assert not found.statistics.no_start


@pytest.mark.parametrize("engine", [native, explicit])
def test_no_start(engine: Engine) -> None:
    """So no step either, which a property could watch."""
    watch = Property("ups", Kind.STEP, ir.TRUE, "up", (ir.lt(X.now, N),), watches=True)
    system = replace(CLEAN, initial=ir.FALSE)
    found = engine(system, (FINE, watch), Budget(threads=1, symmetry=False), Silent())
    s = found.statistics
    assert (s.states, s.no_start, s.complete) == (0, True, True)
    assert not any(s.true_antecedents.get("ups", ()))


def test_a_depth_that_was_not_finished_is_not_claimed() -> None:
    for depth in (0, 1, 2):
        found = run(CLEAN, FINE, depth=depth)
        assert found.verdicts["fine"] == Unknown("the depth budget is spent", depth)
        assert not found.statistics.complete
        assert found.statistics.depth == depth


def test_it_stops_where_all_is_decided_if_asked() -> None:
    budget = Budget(threads=1, symmetry=False)
    found = native(CLEAN, (JUMP,), budget, Silent(), until_decided=True)
    assert isinstance(found.verdicts["jump"], Violated)
    assert not found.statistics.complete
    assert found.statistics.states < 7
    both = native(CLEAN, (JUMP, FINE), budget, Silent(), until_decided=True)
    assert isinstance(both.verdicts["fine"], Holds)


@pytest.mark.parametrize("small", [0, copies.SMALL], ids=["loops", "copies"])
def test_cut_steps_are_counted(small: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each choice of arguments, also of those that the reason does not mention."""
    monkeypatch.setattr(copies, "SMALL", small)
    far = ir.and_(ir.eq(X.now, ir.num(3)), ir.eq(N, ir.num(2)))
    one = ir.eq(X.now, ir.num(1))
    up = replace(
        UP,
        obligations=(),
        guard=ir.and_(UP.guard, ir.not_(far), ir.not_(one)),
        assumptions=(
            Assumption("not far", far),
            Assumption("not from 1", one),
            Assumption("never", ir.FALSE),
        ),
    )
    found = run(replace(CLEAN, actions=(up, FLIP)), FINE)
    assert dict(found.statistics.assumed) == {
        "not far": 1,
        "not from 1": 2,
        "never": 0,
    }


def test_a_result_of_many_values_is_not_counted() -> None:
    wide = Variable("x", ir.INT, ir.num(0), ir.num(5000), ir.num(0))
    tell = replace(FLIP, guard=ir.TRUE, updates={}, result=wide.now)
    system = TransitionSystem("tells", (wide,), (tell,), ir.TRUE, {}, {})
    reason = "the native engine cannot: flip returns too many different values"
    assert run(system, FINE).verdicts["fine"] == Unknown(reason)


def test_a_variable_without_range_that_grows_is_said() -> None:
    wide = replace(X, hi=None, init=ir.num(1), lo=ir.num(0))
    grow = replace(
        UP,
        guard=ir.TRUE,
        obligations=(),
        parameters=(),
        result=None,
        updates={"x": ir.mul(X.now, ir.num(1 << 20))},
    )
    system = TransitionSystem("grows", (wide,), (grow,), ir.TRUE, {}, {})
    fine = Property("fine", Kind.INVARIANT, ir.le(ir.num(0), X.now))
    verdict = run(system, fine).verdicts["fine"]
    assert isinstance(verdict, Unknown)
    assert verdict.reason == "x has no range, and exceeds the 32 bits that it has in up"


def test_what_it_cannot_lower_is_said() -> None:
    far = Variable("x", ir.INT, ir.num(0), ir.num(1 << 64), ir.num(0))
    system = TransitionSystem("wide", (far,), (), ir.TRUE, {}, {})
    found = run(system, FINE)
    reason = "the native engine cannot: x needs more than 63 bits"
    assert found.verdicts["fine"] == Unknown(reason)
    assert found.statistics.notes == (reason,)


def test_what_a_property_that_only_watches_saw() -> None:
    """It has no verdict. `up` goes from x below 4, by 1 or 2."""
    last = ir.and_(ir.eq(X.now, ir.num(3)), ir.eq(N, ir.num(2)))
    wide = ir.and_(ir.eq(X.now, ir.num(4)), ir.eq(N, ir.num(1)))
    seen = Property("ups", Kind.STEP, ir.TRUE, "up", (last, wide), watches=True)
    found = run(CLEAN, FINE, seen)
    assert found.statistics.true_antecedents == {"fine": (), "ups": (True, False)}
    assert found.verdicts.keys() == {"fine"}


def test_a_trace_that_the_plain_reading_denies_is_refused() -> None:
    """`flip` needs x = 4, `up` leads from 0 to 2, and nothing fails there."""
    flip, up = (Trace((0, 0), (Step(*step),)) for step in (("flip", ()), ("up", (2,))))
    broken = Event("obligation", action="up", obligation=EVEN)
    left = Event("range", action="up", variable="x")
    for event, trace, system in (
        (Event("state", prop="small"), flip, CLEAN),
        (Event("state", prop="small"), up, CLEAN),
        (broken, up, COUNTER),
        (left, up, CLEAN),
    ):
        with pytest.raises(AssertionError) as said:
            engine._checked(system, event, (SMALL,), trace)
        assert str(said.value) == f"the trace for {event} does not replay: {trace}"


def test_progress_has_figures() -> None:
    line = b"progress 1000 5000 7 33 4096"
    report = Progress()
    lowered = lower.lower(CLEAN, (FINE,), Symmetry((), (), ()))
    taken = engine._Output(lowered)
    taken.take(line, engine.time.monotonic() - 2, report)
    (said,) = report.said
    assert [said[k] for k in ("states", "transitions", "depth", "frontier", "memory")] == [
        1000, 5000, 7, 33, 4096,
    ]  # fmt: skip
    assert 400 < said["rate"] <= 500  # type: ignore[operator]
    for text in (b"event 1 3", b"trace 1 0 4 5", b"fired 2 9", b"counter 0 4"):
        taken.take(text, 0.0, report)
    for text in (b"antecedent 1", b"states 12"):
        taken.take(text, 0.0, report)
    assert (taken.depths, taken.traces) == ({1: 3}, {1: (0, (4, 5))})
    assert (taken.fired, taken.counters) == ({2: 9}, {0: 4})
    assert (taken.antecedents, taken.figures) == ({1}, {"states": "12"})
    assert (taken.figure("states"), taken.figure("none")) == (12, 0)
    taken.forget()
    gone = taken.figures, taken.fired, taken.counters, taken.traces, taken.depths
    assert gone == ({}, {}, {}, {}, {})
    assert taken.antecedents == set()


def test_too_many_permutations(monkeypatch: pytest.MonkeyPatch) -> None:
    system = doubtful(3, True)
    assert [a for _, a in engine.usable_symmetry(system, ()).doubts] == ["serve"]
    monkeypatch.setattr(engine, "DOUBTS", 6)
    assert engine.usable_symmetry(system, ()).doubts
    monkeypatch.setattr(engine, "DOUBTS", 5)
    found = engine.usable_symmetry(system, ())
    assert found == find_symmetry(system, ())
    assert found.sorts == ()
    sure = engine.usable_symmetry(system, (), doubtful=False)
    assert (sure.sorts, sure.doubts) == ((), ())


def test_a_scalarset_with_too_many_orders_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    things = ir.scalar_sort("NATIVE_THINGS", 3, "t")
    rows = ir.scalar_sort("NATIVE_ROWS", 4, "r")
    row_d = ir.Domain(rows, 0, 3)
    who = Variable(
        "who",
        ir.table_sort((row_d,), things),
        ir.num(0),
        ir.num(3),
        ir.const(things, 3),
    )
    system = TransitionSystem("who", (who,), (), ir.TRUE, {}, {})
    whole = engine.usable_symmetry(system, ())
    assert (whole.sorts, whole.rows) == ((rows, things), (rows,))
    monkeypatch.setattr(engine, "GROUP", 6)
    assert engine.usable_symmetry(system, ()) == whole
    monkeypatch.setattr(engine, "GROUP", 5)
    found = engine.usable_symmetry(system, ())
    assert (found.sorts, found.rows) == ((rows,), (rows,))
    assert found.notes == ("NATIVE_THINGS are not used as symmetries: 6 permutations",)


def test_what_the_compiler_says_is_one_line(tmp_path: Path) -> None:
    build = Build("int x = ;\nint y = ;\n", 1, QUICK, tmp_path)
    build.start()
    with pytest.raises(CompilerFailed) as said:
        build.finish()
    text = str(said.value)
    assert "error" in text
    assert "\n" not in text
    assert str(tmp_path) not in text
    assert list(tmp_path.glob(".building-*")) == []
    assert not build.done


def test_a_small_search_is_compiled_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Optimisation would take longer than the search; a longer one gets it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    levels: list[tuple[str, str]] = []
    start = Build.start

    def recorded(build: Build) -> None:
        levels.append(build.flags)
        start(build)

    monkeypatch.setattr(Build, "start", recorded)
    monkeypatch.setattr(engine, "SMALL", 60.0)
    first = run(CLEAN, SMALL)
    assert levels == [QUICK]
    monkeypatch.setattr(engine, "SMALL", 0.0)
    assert run(CLEAN, SMALL).verdicts == first.verdicts
    assert levels == [QUICK, FAST]


def test_a_program_that_is_there_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The optimised one, without a look at the other."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = run(CLEAN, SMALL)
    monkeypatch.setattr(engine, "FAST", QUICK)
    monkeypatch.setattr(engine, "QUICK", FAST)
    monkeypatch.setattr(Build, "start", None)
    again = run(CLEAN, SMALL)
    assert again.verdicts == first.verdicts
    assert replace(again.statistics, seconds=0, memory=0) == replace(
        first.statistics, seconds=0, memory=0
    )
