# SPDX-License-Identifier: GPL-2.0-only
"""What z3 says of doubted actions is what all states of a small system say."""

from __future__ import annotations

import importlib.metadata
from dataclasses import replace
from functools import cache
from importlib.metadata import PackageNotFoundError
from itertools import product
from pathlib import Path

import pytest

from poolproof.checker.core import ir
from poolproof.checker.core.evaluate import Valuation, arguments, successor
from poolproof.checker.core.ir import (
    BOOL,
    TRUE,
    Domain,
    Expr,
    add,
    and_,
    const,
    eq,
    ite,
    local,
    lt,
    ne,
    num,
    scalar_sort,
    select,
    set_sort,
    store,
)
from poolproof.checker.core.limits import limited
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.system import (
    Action,
    Assumption,
    Obligation,
    Parameter,
    State,
    TransitionSystem,
    Variable,
)
from poolproof.checker.core.verdict import Budget, Silent
from poolproof.checker.engines import any_state, doubts, equivariant
from poolproof.checker.engines.native import native, usable_symmetry
from poolproof.checker.passes.symmetry import find_symmetry
from tests.agreement.test_symmetry import (
    elements,
    everything,
    sets_of,
    system_of,
    table,
)
from tests.common.random_systems import permuted

A = scalar_sort("A", 3, "a")
A_D = Domain(A, 0, 2, "A")
A0, A1, A2 = (const(A, k) for k in range(3))
X, WHO, S = table("x", (A_D,), 2), elements("who", (), A), sets_of("s", A_D)
N = Variable("n", ir.INT, num(0), num(2), num(0))
VARIABLES = (X, WHO, S, N)
P = local("act.p", A_D)


def at(k: Expr) -> Expr:
    return select(X.now, k)


def is_at(k: Expr, value: int) -> Expr:
    return eq(at(k), num(value))


def counted(least: int, up: int, down: int) -> Expr:
    """n after a loop over A: one more for each that is at ``up``, one less for
    each at ``down``, never out of ``least``..2 on the way."""
    n: Expr = N.now
    for k in (A0, A1, A2):
        change = ite(is_at(k, up), num(1), ite(is_at(k, down), num(-1), num(0)))
        n = ir.max_(num(least), ir.min_(num(2), add(n, change)))
    return n


def first(where: int) -> Expr:
    """The first element that is there, or none."""
    found: Expr = const(A, A.size)
    for k in (A2, A1, A0):
        found = ite(is_at(k, where), k, found)
    return found


def masked(*named: Expr) -> Expr:
    """The set of whom `who` is, if it is one of these."""
    sort = set_sort(A_D)
    made: Expr = const(sort, 0)
    for k in named:
        made = ite(eq(WHO.now, k), const(sort, 1 << k.data), made)
    return made


ONE = eq(add(*(ite(is_at(k, 2), num(1), num(0)) for k in (A0, A1, A2))), num(1))
ALIKE = and_(eq(at(A0), at(A1)), eq(at(A1), at(A2)))


def act(guard: Expr = TRUE, result: Expr | None = None, **updates: Expr) -> Action:
    return Action("act", (Parameter("p", P),), guard, updates, result)


def asserting(formula: Expr) -> Property:
    return Property("sure", Kind.STEP, formula, action="act", assertion="warn_on")


def everywhere(a: Action, *assertions: Property) -> tuple[Action, tuple[Property, ...]]:
    return a, assertions


ACTIONS = {
    "a counter up to its end": everywhere(act(n=counted(0, 1, 3))),
    "a counter up and down": everywhere(act(n=counted(0, 1, 2))),
    "a counter down to its end": everywhere(act(n=counted(0, 3, 1))),
    "the first": everywhere(act(who=first(2))),
    "the only one": everywhere(act(ONE, who=first(2))),
    "some other than the first": everywhere(act(ONE, who=first(1))),
    "a set of all": everywhere(act(s=masked(A0, A1, A2))),
    "a set of two": everywhere(act(s=masked(A0, A1))),
    "what changes nothing": everywhere(act(ALIKE, x=store(X.now, A0, at(A1)))),
    "what changes something": everywhere(act(x=store(X.now, A0, at(A1)))),
    "a guard": everywhere(act(is_at(A0, 1))),
    "a guard that asks all": everywhere(act(ne(masked(A0, A1, A2), S.now))),
    "a row": everywhere(act(x=store(X.now, P, ite(eq(P, A0), at(A0), at(P))))),
    "another row": everywhere(act(x=store(X.now, P, ite(eq(P, A0), at(A1), at(P))))),
    "a result": everywhere(act(result=eq(WHO.now, A1))),
    "a result of all": everywhere(act(result=eq(masked(A0, A1, A2), S.now))),
    "a result that is one": everywhere(act(ONE, first(2))),
    "a result that is the first": everywhere(act(result=first(2))),
    "an obligation": everywhere(
        replace(act(), obligations=(Obligation("assert", is_at(A0, 1), "", None),))
    ),
    "an obligation behind which all are alike": everywhere(
        replace(
            act(x=store(X.now, A0, at(A1))),
            obligations=(Obligation("assert", ALIKE, "", None),),
        )
    ),
    "an assumption": everywhere(
        replace(act(), assumptions=(Assumption("", is_at(A2, 1)),))
    ),
    "an assumption of all": everywhere(
        replace(act(), assumptions=(Assumption("", eq(WHO.now, first(1))),))
    ),
    "an assertion": everywhere(
        act(x=store(X.now, P, num(1))), asserting(eq(select(X.next, A0), num(1)))
    ),
    "an assertion of all": everywhere(
        act(x=store(X.now, P, num(1))),
        asserting(eq(select(X.next, P), add(num(1), num(0)))),
    ),
    "an assertion that the step decides": everywhere(
        act(ALIKE, x=store(X.now, A0, at(A1))),
        asserting(eq(select(X.next, A0), select(X.next, A2))),
    ),
    "an assertion of the result": everywhere(
        act(ALIKE, result=is_at(A0, 1)),
        asserting(ne(local("result", Domain(BOOL, 0, 1, "result")), is_at(A1, 1))),
    ),
}


def says(
    system: TransitionSystem,
    assertions: tuple[Property, ...],
    state: State,
    raw: tuple[int, ...],
) -> tuple[list[int], State | None, int | None, list[int]]:
    """What the action does in a state: its conditions, the step, the assertions."""
    (action,) = system.actions
    here = Valuation(system, state, locals_=arguments(action, raw))
    due = [here.raw(o.formula) for o in action.obligations]
    conditions = [*due, *(here.raw(c.cut) for c in action.assumptions)]
    step = successor(system, action, state, raw)
    if step is None:
        return [*conditions, 0], None, None, []
    if not all(due):
        return [*conditions, 1], None, None, []
    known = arguments(action, raw)
    if action.result is not None and step[1] is not None:
        known[action.returned] = step[1]
    there = Valuation(system, state, step[0], known)
    return [*conditions, 1], *step, [there.raw(p.formula) for p in assertions]


@cache
def commutes(name: str) -> bool:
    """Whether one of the actions does in all states, by evaluation."""
    system, assertions = made(name)
    (action,) = system.actions
    for by in ((1, 0, 2), (0, 2, 1)):
        swap = {A: by}
        for state, raw in product(everything(system), range(3)):
            one = says(system, assertions, state, (raw,))
            image = permuted(system, state, swap)
            other = says(system, assertions, image, (by[raw],))
            conditions, after, result, truths = one
            if after is not None:
                after = permuted(system, after, swap)
            if action.result is not None and action.result.sort is A and result != 3:
                result = None if result is None else by[result]
            if (conditions, after, result, truths) != other:
                return False
    return True


def made(name: str) -> tuple[TransitionSystem, tuple[Property, ...]]:
    """The system of one of the actions, with the variables that it mentions."""
    action, assertions = ACTIONS[name]
    roots = [f.expr for f in action.formulas()] + [p.formula for p in assertions]
    names = {e.data[0] for e in ir.subterms(*roots) if e.op == "var"}
    names |= action.updates.keys()
    kept = tuple(v for v in VARIABLES if v.name in names or v is X)
    return system_of(*kept, actions=(action,)), assertions


@pytest.mark.parametrize("name", ACTIONS)
def test_z3_says_what_all_states_say(name: str) -> None:
    system, assertions = made(name)
    (action,) = system.actions
    found = equivariant.equivariant(system, assertions, action, A)
    assert found is commutes(name)


def test_there_are_some_of_both() -> None:
    """And the syntactic check, which is not refuted, is in doubt of many that are
    equivariant."""
    right = {name for name in ACTIONS if commutes(name)}
    assert len(right) >= 10
    assert len(ACTIONS) - len(right) >= 10
    sure = {n for n in ACTIONS if not find_symmetry(*made(n), doubtful=True).doubts}
    assert sure <= right
    assert len(right - sure) >= 6


def test_a_part_of_the_scalarset_is_not_asked_about() -> None:
    part = Domain(A, 0, 1)
    i = local("i", part)
    some = ir.aggregate("any", i, is_at(i, 1))
    of_part = eq(ir.card(const(set_sort(part), 3)), num(2))
    for guard in (some, Expr("and", BOOL, (of_part, TRUE))):
        system = system_of(X, actions=(act(guard),))
        found = equivariant.equivariant(system, (), system.actions[0], A)
        assert found is (guard is not some and of_part is TRUE)


def unsettled(size: int) -> TransitionSystem:
    """A counter that a loop over many elements stops at 2."""
    sort = scalar_sort(f"U{size}", size, "u")
    domain = Domain(sort, 0, size - 1)
    x = table("x", (domain,), 2)
    n: Expr = N.now
    for k in range(size):
        one = eq(select(x.now, const(sort, k)), num(1))
        n = ite(and_(one, lt(n, num(2))), add(n, num(1)), n)
    q = local("up.q", domain)
    below = lt(select(x.now, q), num(2))
    up = {"x": store(x.now, q, add(select(x.now, q), num(1)))}
    return system_of(
        x,
        N,
        actions=(
            Action("up", (Parameter("q", q),), below, up, None),
            Action("count", (), eq(N.now, num(0)), {"n": n}, None),
        ),
    )


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No answer is known."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(doubts, "_answers", {})
    return tmp_path / "poolproof"


@pytest.mark.usefixtures("fresh")
def test_a_large_symmetry_is_used_where_nothing_is_in_doubt() -> None:
    """5! permutations are more than a search watches."""
    system = unsettled(5)
    doubted = find_symmetry(system, (), doubtful=True)
    assert [name for _, name in doubted.doubts] == ["count"]
    found = usable_symmetry(system, ())
    assert (found.sorts, found.doubts, found.notes) == (doubted.sorts, (), ())
    assert usable_symmetry(system, (), doubtful=False) == found
    outcome = native(system, (), Budget(threads=1), Silent())
    # 21 ways to be at 0, 1 and 2; of which 20 have one that n can have counted, and
    # 18 have two
    assert outcome.statistics.states == 21 + 20 + 18


@pytest.mark.usefixtures("fresh")
def test_where_steps_or_time_do_not_suffice(monkeypatch: pytest.MonkeyPatch) -> None:
    system = unsettled(4)
    (doubt,) = find_symmetry(system, (), doubtful=True).doubts
    with limited(0.0), monkeypatch.context() as patch:
        patch.setattr(any_state, "look", lambda: None)
        assert doubts.unfounded(system, (), [doubt]) == frozenset()
    assert doubts._answers == {}
    with monkeypatch.context() as patch:
        patch.setattr(equivariant, "_MOST", 2)
        assert doubts.unfounded(system, (), [doubt]) == frozenset()
    assert list(doubts._answers.values()) == [False]


def test_an_answer_is_found_again(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    right = equivariant.equivariant

    def noted(*given: object) -> bool | None:
        asked.append(given)
        return right(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(equivariant, "equivariant", noted)
    for name in ("the only one", "the first"):
        system, _ = made(name)
        (doubt,) = find_symmetry(system, (), doubtful=True).doubts
        found = frozenset({doubt} if name == "the only one" else ())
        asked.clear()
        assert doubts.unfounded(system, (), [doubt]) == found
        assert doubts.unfounded(system, (), [doubt]) == found
        monkeypatch.setattr(doubts, "_answers", {})
        assert doubts.unfounded(system, (), [doubt]) == found
        assert len(asked) == 1
        (file,) = (f for f in fresh.iterdir() if f.stat().st_mtime)
        file.write_bytes(file.read_bytes()[:-1] + b"?")  # not as it was sealed
        monkeypatch.setattr(doubts, "_answers", {})
        assert doubts.unfounded(system, (), [doubt]) == found
        assert len(asked) == 2
        file.unlink()


def test_without_z3_every_doubt_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    doubts._versions.cache_clear()
    system, _ = made("the only one")
    assert doubts.unfounded(system, (), [(A, "act")]) == frozenset()


def test_each_question_has_an_answer_of_its_own(fresh: Path) -> None:
    """Actions, ranges and assertions are part of the question."""
    doubt = (A, "act")
    system, _ = made("a guard")
    assert doubts.unfounded(system, (), [doubt]) == frozenset()
    never = replace(system, variables=(replace(X, hi=num(0)),))
    assert doubts.unfounded(never, (), [doubt]) == {doubt}
    system, (of_one,) = made("an assertion")
    _, (of_all,) = made("an assertion of all")
    assert doubts.unfounded(system, (of_one,), [doubt]) == frozenset()
    assert doubts.unfounded(system, (of_all,), [doubt]) == {doubt}
    spec = replace(of_one, assertion="")  # a property of a spec is no doubt's business
    assert doubts.unfounded(system, (spec,), [doubt]) == {doubt}
    assert len(list(fresh.iterdir())) == 5
