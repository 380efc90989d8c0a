# SPDX-License-Identifier: GPL-2.0-only
"""The native engine against the brute-force reference, and its own promises."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from poolproof.checker.backends.c import build as build_c
from poolproof.checker.backends.c import copies
from poolproof.checker.backends.c import program as lower
from poolproof.checker.backends.c.build import compiler
from poolproof.checker.core.ir import (
    BOOL,
    INT,
    TRUE,
    Domain,
    EnumSort,
    Expr,
    add,
    and_,
    const,
    eq,
    ite,
    le,
    local,
    lt,
    max_,
    not_,
    num,
    scalar_sort,
    select,
    store,
    table_sort,
)
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.system import Action, Parameter, TransitionSystem, Variable
from poolproof.checker.core.verdict import (
    Budget,
    Holds,
    Outcome,
    Reached,
    Shown,
    Silent,
    Unknown,
    Unreachable,
    Violated,
)
from poolproof.checker.engines import native as engine
from poolproof.checker.engines.registry import engine_of
from poolproof.checker.passes.symmetry import Symmetry, canonical_under, find_symmetry
from tests.common.pool_system import POOL_COUNTS, pool, pool_properties
from tests.common.random_systems import (
    Case,
    Exploration,
    cases,
    count_orbits,
    depths_of,
    explore,
    last_step,
    run,
)

native = engine_of("native")

pytestmark = pytest.mark.skipif(compiler() is None, reason="there is no C compiler")

EXAMPLES = int(os.environ.get("NATIVE_EXAMPLES", "24"))


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of its own."""
    with pytest.MonkeyPatch.context() as patch:
        directory = tmp_path_factory.mktemp("cache")
        patch.setenv("XDG_CACHE_HOME", str(directory))
        yield directory


def check(
    system: TransitionSystem, properties: tuple[Property, ...], **limits: object
) -> Outcome:
    budget = Budget(**limits)  # type: ignore[arg-type]
    return native(system, properties, budget, Silent())


def defects_of(outcome: Outcome) -> dict[tuple[str, str], int]:
    """(action, message) or ("", variable) -> length of the shortest trace."""
    found: dict[tuple[str, str], int] = {}
    for d in outcome.defects:
        if d.obligation is not None:
            key = d.trace.steps[-1].action, d.obligation.message
        else:
            key = "", d.message.split(" ")[0].split("[")[0]
        found[key] = min(found.get(key, 1 << 30), len(d.trace))
    return found


def replays(case: Case, outcome: Outcome) -> None:
    for p in case.properties:
        verdict = outcome.verdicts[p.name]
        if not isinstance(verdict, Shown):
            continue
        if p.kind is Kind.STEP:
            at, _ = last_step(case.system, verdict.trace)
            assert not at.true(p.formula)
        else:
            run(case.system, verdict.trace)
    if outcome.statistics.deadlock is not None:
        run(case.system, outcome.statistics.deadlock)


def agree(case: Case, right: Exploration, outcome: Outcome) -> None:
    s = outcome.statistics
    assert (s.states, s.depth) == (right.states, right.depth)
    assert s.transitions == right.transitions
    assert depths_of(outcome) == right.found
    assert defects_of(outcome) == right.defects
    assert s.deadlocks == right.deadlocks
    deadlock = None if s.deadlock is None else len(s.deadlock)
    assert deadlock == right.deadlock_depth
    assert dict(s.fired) == right.fired
    assert dict(s.results) == right.results
    assert dict(s.true_antecedents) == right.antecedents
    for p in case.properties:
        verdict = outcome.verdicts[p.name]
        if p.name in right.found:
            shown = Reached if p.kind is Kind.REACHABLE else Violated
            assert isinstance(verdict, shown)
        elif right.defects:
            assert isinstance(verdict, Unknown)
        else:
            fine = Unreachable if p.kind is Kind.REACHABLE else Holds
            assert isinstance(verdict, fine)
    replays(case, outcome)


SLOWLY = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)


@SLOWLY
@given(cases())
def test_random_systems(case: Case) -> None:
    right = explore(case.system, case.properties)
    if right.complete:
        budget = Budget(symmetry=False, threads=1)
        outcome = native(case.system, case.properties, budget, Silent())
        agree(case, right, outcome)


@SLOWLY
@given(cases(symmetric=True))
def test_random_symmetric_systems(case: Case) -> None:
    right = explore(case.system, case.properties)
    if right.complete:
        budget = Budget(threads=1)
        outcome = native(case.system, case.properties, budget, Silent())
        found = find_symmetry(case.system, case.properties)
        canonical = canonical_under(case.system, found)
        orbits = len({canonical(state) for state in right.reached})
        assert outcome.statistics.states == orbits
        assert outcome.statistics.notes == found.notes
        assert outcome.statistics.depth == right.depth
        assert depths_of(outcome) == right.found
        assert defects_of(outcome) == right.defects
        replays(case, outcome)


@SLOWLY
@given(cases())
def test_loops_and_copies_agree(case: Case) -> None:
    """Large actions are printed as loops; here all of them are."""
    right = explore(case.system, case.properties)
    if right.complete:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(copies, "SMALL", 0)
            budget = Budget(symmetry=False, threads=1)
            outcome = native(case.system, case.properties, budget, Silent())
        agree(case, right, outcome)


# --- the reference pool ----------------------------------------------------------


@pytest.mark.parametrize("size", [(2, 2, 2), (2, 3, 2), (3, 3, 2)])
@pytest.mark.parametrize("symmetry", [False, True])
def test_pool(size: tuple[int, int, int], symmetry: bool) -> None:
    states, orbits, depth, sigbus = POOL_COUNTS[size]
    system = pool(*size)
    properties = pool_properties(system)
    outcome = check(system, properties, symmetry=symmetry)
    s = outcome.statistics
    assert s.states == (orbits if symmetry else states)
    assert depth in (None, s.depth)
    assert s.complete
    assert not outcome.defects
    assert not s.notes
    assert depths_of(outcome) == {"no_sigbus": sigbus}
    assert all(
        isinstance(v, Holds)
        for name, v in outcome.verdicts.items()
        if name != "no_sigbus"
    )
    run(system, outcome.verdicts["no_sigbus"].trace)  # type: ignore[union-attr]


@pytest.mark.slow
@pytest.mark.parametrize("size", list(POOL_COUNTS))
@pytest.mark.parametrize("symmetry", [False, True])
def test_pool_counts(size: tuple[int, int, int], symmetry: bool) -> None:
    """Every row of the reference, except 390 million states unreduced."""
    states, orbits, depth, sigbus = POOL_COUNTS[size]
    if states > 10**8 and not symmetry:
        pytest.skip("not without symmetry")
    system = pool(*size)
    outcome = check(system, pool_properties(system), symmetry=symmetry)
    assert outcome.statistics.states == (orbits if symmetry else states)
    assert depth in (None, outcome.statistics.depth)
    assert depths_of(outcome) == {"no_sigbus": sigbus}


def test_threads_change_nothing() -> None:
    system = pool(3, 3, 2)
    properties = pool_properties(system)
    outcomes = [
        check(system, properties, symmetry=symmetry, threads=threads)
        for symmetry in (False, True)
        for threads in (1, 2, 40)
    ]
    for some in (outcomes[:3], outcomes[3:]):
        shown = {
            (
                repr(o.verdicts),
                o.statistics.states,
                o.statistics.transitions,
                repr(o.statistics.fired),
            )
            for o in some
        }
        assert len(shown) == 1


def test_stops_where_everything_is_decided() -> None:
    system = pool(3, 3, 2)
    sigbus = pool_properties(system)[4:]
    outcome = native(
        system, sigbus, Budget(symmetry=False), Silent(), until_decided=True
    )
    assert depths_of(outcome) == {"no_sigbus": 6}
    assert not outcome.statistics.complete
    assert outcome.statistics.states < 200_000
    assert outcome.verdicts == check(system, sigbus, symmetry=False).verdicts


# --- limits ------------------------------------------------------------------------


def test_budgets_end_in_unknown() -> None:
    system = pool(3, 3, 2)
    good = pool_properties(system)[:4]
    for limit, words in (
        ({"states": 1000}, "states"),
        ({"depth": 3}, "depth"),
        ({"seconds": 0.0}, "time"),
        ({"memory": 2_000_000}, "memory"),
    ):
        outcome = check(system, good, symmetry=False, **limit)
        assert not outcome.statistics.complete
        for verdict in outcome.verdicts.values():
            assert isinstance(verdict, Unknown)
            assert words in verdict.reason
    deep = check(system, good, symmetry=False, depth=3)
    assert deep.statistics.depth == 3
    assert deep.verdicts["resv_exact"] == Unknown("the depth budget is spent", 3)


def test_what_was_found_before_the_budget_is_kept() -> None:
    system = pool(3, 3, 2)
    properties = pool_properties(system)
    outcome = check(system, properties, symmetry=False, depth=8)
    assert depths_of(outcome) == {"no_sigbus": 6}
    assert isinstance(outcome.verdicts["resv_exact"], Unknown)


class Interrupting:
    """A reporter at which the user presses Ctrl-C."""

    def progress(self, **figures: int | float | str) -> None:
        raise KeyboardInterrupt


def test_interrupt_ends_with_what_is_known() -> None:
    system = pool(3, 3, 3)
    outcome = native(
        system, pool_properties(system), Budget(symmetry=False), Interrupting()
    )
    assert not outcome.statistics.complete
    assert outcome.statistics.states > 0
    verdict = outcome.verdicts["resv_exact"]
    assert isinstance(verdict, Unknown)
    assert verdict.reason == "interrupted"


def counter(lo: int | None, hi: int | None, step: int = 1) -> TransitionSystem:
    x = Variable(
        "x",
        INT,
        None if lo is None else num(lo),
        None if hi is None else num(hi),
        num(0),
    )
    act = Action("inc", (), TRUE, {"x": add(x.now, num(step))}, None)
    return TransitionSystem("counter", (x,), (act,), TRUE, {}, {})


def test_a_write_outside_its_range_is_a_defect() -> None:
    system = counter(0, 5)
    fine = Property("fine", Kind.INVARIANT, le(num(0), system.variables[0].now))
    outcome = check(system, (fine,))
    (defect,) = outcome.defects
    assert defect.message == "x becomes 6, outside its range"
    assert len(defect.trace) == 6
    assert outcome.statistics.states == 6
    assert isinstance(outcome.verdicts["fine"], Unknown)


def test_a_variable_without_range_is_explored_as_far_as_it_fits() -> None:
    system = counter(None, None, 1 << 20)
    x = system.variables[0].now
    never = Property("never", Kind.INVARIANT, not_(eq(x, num(5 << 20))))
    fine = Property("fine", Kind.INVARIANT, le(num(0), x))
    outcome = check(system, (never, fine))
    assert depths_of(outcome) == {"never": 5}
    verdict = outcome.verdicts["fine"]
    assert isinstance(verdict, Unknown)
    assert "has no range" in verdict.reason
    assert outcome.statistics.states == 1 << 11


def test_a_deep_narrow_search() -> None:
    system = counter(0, 20_000)
    modulo = replace(
        system.actions[0],
        guard=le(system.variables[0].now, num(19_999)),
    )
    system = replace(system, actions=(modulo,))
    end = Property("end", Kind.REACHABLE, eq(system.variables[0].now, num(20_000)))
    outcome = check(system, (end,), threads=2)
    assert depths_of(outcome) == {"end": 20_000}
    assert outcome.statistics.deadlocks == 1


def test_the_program_is_compiled_once(cache: Path) -> None:
    text = lower.lower(counter(0, 7), (), Symmetry((), (), ())).text
    build = build_c.Build(text, 1, build_c.QUICK)
    assert not build.done
    build.start()
    build.finish()
    assert build.done
    assert build_c.Build(text, 1, build_c.QUICK).program == build.program
    assert build_c.Build(text, 1, build_c.FAST).program != build.program
    assert not list((cache / "poolproof").glob(".building-*"))


def test_a_compiler_that_is_stopped_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    system, properties = takers("all to the first")
    text = lower.lower(system, properties, Symmetry((), (), ())).text
    build = build_c.Build(text, 1, build_c.FAST)
    build.start()
    groups = [child.pid for child in build.running]
    time.sleep(0.05)
    build.cancel()
    assert {path.name for path in tmp_path.iterdir()} == {"cache"}
    end = time.monotonic() + 60
    while any(alive(group) for group in groups):
        assert time.monotonic() < end
        time.sleep(0.01)


def alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/nonexistent")
    with pytest.raises(FileNotFoundError, match="no C compiler"):
        check(counter(0, 3), ())


# --- symmetry that only the search can see -----------------------------------------


FIVE = EnumSort("Five", ("zero", "one", "two", "three", "four"))


def which(x: Expr) -> Expr:
    """The value of x, compared with one constant after the other."""
    told = const(FIVE, 4)
    for k in reversed(range(4)):
        told = ite(eq(x, num(k)), const(FIVE, k), told)
    return told


def guarded() -> TransitionSystem:
    """A number from 0 to 4 and one from 1 to 3 in all ways. Each action compares
    x with a constant or with y, and returns which value one of them has."""
    x = Variable("x", INT, num(0), num(4), None)
    y = Variable("y", INT, num(1), num(3), None)
    guards = [
        g
        for compare in (lt, le, eq)
        for k in range(5)
        for a, b in (
            (x.now, num(k)),
            (num(k), x.now),
            (add(x.now, num(k)), y.now),
            (y.now, add(x.now, num(k))),
        )
        for g in (compare(a, b), not_(compare(a, b)))
    ]
    actions = tuple(
        Action(f"{name}{n}", (), guard, {}, which(v.now))
        for n, guard in enumerate(guards)
        for name, v in (("x", x), ("y", y))
    )
    return TransitionSystem("guarded", (x, y), actions, TRUE, {}, {})


def test_a_guard_leaves_what_it_says_up_to_its_bound() -> None:
    """`require(x <= 2)` leaves x == 2, and what is asked next must see it."""
    system = guarded()
    right = explore(system, ())
    assert len(right.results) > 250
    outcome = check(system, (), symmetry=False)
    assert dict(outcome.statistics.results) == right.results


def takers(serve: str) -> tuple[TransitionSystem, tuple[Property, ...]]:
    """Three takers of two units; `serve` goes round them in a fixed order."""
    t = scalar_sort("TAKERS", 3, "t")
    domain = Domain(t, 0, 2, "TAKERS")
    waits = Variable(
        "waits", table_sort((domain,), BOOL), num(0), num(1), const(BOOL, 0)
    )
    had = Variable("had", table_sort((domain,), INT), num(0), num(9), num(0))
    left = Variable("left", INT, num(0), num(2), num(2))
    who = local("ask.who", domain)
    ask = Action(
        "ask",
        (Parameter("who", who),),
        and_(not_(select(waits.now, who)), eq(select(had.now, who), num(0))),
        {"waits": store(waits.now, who, TRUE)},
        None,
    )
    rest: Expr = left.now
    got = had.now
    for k in range(3):
        e = const(t, k)
        takes = select(waits.now, e)
        if serve == "one each":
            rest = ite(takes, max_(num(0), add(rest, num(-1))), rest)
            got = store(got, e, ite(takes, num(1), select(had.now, e)))
        elif serve == "all to the first":
            takes = and_(takes, lt(num(0), rest))
            got = store(got, e, ite(takes, rest, select(had.now, e)))
            rest = ite(takes, num(0), rest)
        elif k == 1:
            rest = ite(takes, max_(num(0), add(rest, num(-1))), rest)
    act = Action("serve", (), TRUE, {"left": rest, "had": got}, None)
    system = TransitionSystem("takers", (waits, had, left), (ask, act), TRUE, {}, {})
    spent = Property("spent", Kind.REACHABLE, eq(left.now, num(0)))
    fine = Property("fine", Kind.INVARIANT, le(left.now, num(2)))
    return system, (spent, fine)


@pytest.mark.parametrize("watched", [False, True])
def test_an_order_that_does_not_matter(
    watched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """z3 proves it; where z3 gives up, the search sees that it is so."""
    system, properties = takers("one each")
    assert find_symmetry(system, properties).sorts == ()
    if watched:
        monkeypatch.setattr(engine, "unfounded", lambda *_: frozenset())
    found = engine.usable_symmetry(system, properties)
    doubts = [("TAKERS", "serve")] if watched else []
    assert [(s.name, a) for s, a in found.doubts] == doubts
    right = explore(system, properties)
    outcome = check(system, properties)
    assert outcome.statistics.states == count_orbits(system, right.reached)
    assert outcome.statistics.notes == ()
    assert depths_of(outcome) == right.found


def test_a_choice_among_equals() -> None:
    """Not symmetric, and still every step has its like up to permutation."""
    system, properties = takers("all to the first")
    right = explore(system, properties)
    outcome = check(system, properties)
    assert outcome.statistics.states < right.states
    assert outcome.statistics.notes == ()
    assert depths_of(outcome) == right.found


def test_an_element_that_is_not_like_the_others() -> None:
    """The search finds out, and is made again without the scalarset."""
    system, properties = takers("only the second")
    right = explore(system, properties)
    outcome = check(system, properties)
    assert outcome.statistics.states == right.states
    assert outcome.statistics.notes == (
        "TAKERS is not used as a symmetry: serve names one of its elements",
    )
    assert depths_of(outcome) == right.found


@SLOWLY
@given(cases())
def test_doubts_change_no_verdict(case: Case) -> None:
    """Random systems name elements at random; the search must notice."""
    right = explore(case.system, case.properties)
    if right.complete:
        outcome = check(case.system, case.properties, threads=1)
        assert depths_of(outcome) == right.found
        assert defects_of(outcome) == right.defects
        replays(case, outcome)


def test_old_programs_go_when_there_are_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_c, "CACHE", 25)
    now = time.time()
    new, day, week = (letter * 32 for letter in "abc")
    for name, age in ((new, 10), (day, 86_400), (week, 604_800), ("other", 604_800)):
        (tmp_path / name).write_bytes(b"x" * 10)
        os.utime(tmp_path / name, (now - age, now - age))
    for name in (".building-killed", "kernels"):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (now - 86_400, now - 86_400))
    (tmp_path / ".building-now").mkdir()
    others = {"other", "kernels", ".building-now"}
    build_c.prune(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {new, day, *others}
    monkeypatch.setattr(build_c, "CACHE", 5)
    build_c.prune(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {new, *others}
