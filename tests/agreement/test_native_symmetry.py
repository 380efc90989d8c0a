# SPDX-License-Identifier: GPL-2.0-only
"""The native engine counts orbits: canonical forms in C, layout by layout.

Each system can be set to any of its states, so the number of states that the
search stores is the number of orbits, which a brute-force count gives.
"""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from poolproof.checker.backends.c import program
from poolproof.checker.backends.c.build import compiler
from poolproof.checker.backends.c.program import lower
from poolproof.checker.core import ir
from poolproof.checker.core.ir import (
    BOOL,
    INT,
    TRUE,
    Domain,
    Expr,
    add,
    const,
    eq,
    local,
    mul,
    num,
    scalar_sort,
    select,
    store,
    table_sort,
)
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.system import Action, Parameter, TransitionSystem, Variable
from poolproof.checker.core.verdict import Budget, Outcome, Silent, Violated
from poolproof.checker.engines.native import native, usable_symmetry
from poolproof.checker.passes.symmetry import canonical_under
from tests.agreement import test_symmetry
from tests.agreement.test_symmetry import elements, sets_of, system_of, table
from tests.common.index_systems import index_system
from tests.common.random_systems import count_orbits, explore

pytestmark = pytest.mark.skipif(compiler() is None, reason="there is no C compiler")

A = scalar_sort("A", 3, "a")
B = scalar_sort("B", 2, "b")
FOUR = scalar_sort("FOUR", 4, "f")
A_D, B_D, F_D = Domain(A, 0, 2), Domain(B, 0, 1), Domain(FOUR, 0, 3)


def searched(
    system: TransitionSystem, *properties: Property, **limits: object
) -> Outcome:
    budget = Budget(threads=1, **limits)  # type: ignore[arg-type]
    return native(system, properties, budget, Silent())


@pytest.mark.parametrize("name", test_symmetry.SYSTEMS)
def test_every_state_of_a_small_system(name: str) -> None:
    system = test_symmetry.SYSTEMS[name]
    anywhere = tuple(replace(v, init=None) for v in system.variables)
    system = replace(system, variables=anywhere)
    states = test_symmetry.everything(system)
    found = searched(system)
    assert found.statistics.notes == ()
    assert found.statistics.states == count_orbits(system, states)
    assert found.statistics.deadlocks == found.statistics.states


def setting(name: str, v: Variable, values: int, scale: int) -> Action:
    """Put any of `values` multiples of `scale` into any cell."""
    named = [local(f"{name}.i{k}", d) for k, d in enumerate(v.index)]
    n = local(f"{name}.n", Domain(INT, 0, values - 1))
    new = mul(n, num(scale)) if scale > 1 else n
    update: Expr = store(v.now, *named, new) if named else new
    given = tuple(Parameter(x.data[0], x) for x in (*named, n))
    return Action(name, given, TRUE, {v.name: update}, None)


def choosing(name: str, v: Variable, of: ir.ScalarSort) -> Action:
    """Put any element, or nobody, into any cell."""
    named = [local(f"{name}.i{k}", d) for k, d in enumerate(v.index)]
    who = local(f"{name}.who", Domain(of, 0, of.size))
    update: Expr = store(v.now, *named, who) if named else who
    given = tuple(Parameter(x.data[0], x) for x in (*named, who))
    return Action(name, given, TRUE, {v.name: update}, None)


def put_together(*parts: tuple[Variable, Action]) -> TransitionSystem:
    variables = tuple(v for v, _ in parts)
    return TransitionSystem("made", variables, tuple(a for _, a in parts), TRUE, {}, {})


def cells(
    name: str, index: tuple[Domain, ...], bits: int, values: int
) -> tuple[Variable, Action]:
    """A table whose cells are so wide, and the action that sets them."""
    v = table(name, index, (1 << bits) - 1)
    return v, setting(f"set_{name}", v, values, max(1, (1 << bits) // values))


def pointers(
    name: str, index: tuple[Domain, ...], of: ir.ScalarSort
) -> tuple[Variable, Action]:
    v = elements(name, index, of)
    return v, choosing(f"set_{name}", v, of)


LARGE = {
    "rows in words of their own": put_together(cells("x", (A_D,), 50, 3)),
    "rows of two words": put_together(
        cells("x", (A_D,), 50, 2), cells("y", (A_D,), 40, 2)
    ),
    "rows of three pieces": put_together(
        cells("x", (B_D,), 50, 2), cells("y", (B_D,), 40, 2), cells("z", (B_D,), 30, 2)
    ),
    "four rows": put_together(cells("x", (F_D,), 3, 4)),
    "four rows in two words": put_together(cells("x", (F_D,), 20, 3)),
    "keys, and pointers to what has them": put_together(
        cells("x", (A_D,), 2, 3), pointers("who", (B_D,), A)
    ),
    "keys in two words": put_together(
        cells("x", (A_D,), 40, 3), pointers("who", (), A)
    ),
    "keys of more than a word": put_together(
        cells("x", (A_D,), 40, 2), cells("y", (A_D,), 40, 2), pointers("who", (), A)
    ),
    "no keys": put_together(pointers("next", (A_D,), A)),
    "pointers in two words": put_together(
        pointers("a", (B_D, B_D), FOUR), cells("x", (), 61, 2)
    ),
    "cells across words": put_together(
        cells("edge", (A_D, A_D), 20, 2), pointers("who", (), A)
    ),
    "both indices, both values": put_together(
        cells("x", (A_D, B_D), 1, 2), pointers("y", (), A), pointers("z", (), B)
    ),
    "a negative least value": put_together(
        (
            Variable("x", table_sort((A_D,), INT), num(-3), num(4), num(-3)),
            setting(
                "set",
                Variable("x", table_sort((A_D,), INT), num(-3), num(4), num(0)),
                5,
                1,
            ),
        ),
        pointers("who", (), A),
    ),
}


@pytest.mark.parametrize("name", LARGE)
def test_fields_of_any_width(name: str) -> None:
    system = LARGE[name]
    right = explore(system, (), limit=5000)
    assert right.complete
    found = searched(system)
    assert found.statistics.notes == ()
    assert found.statistics.states == count_orbits(system, right.reached)
    assert found.statistics.depth == right.depth
    plain = searched(system, symmetry=False)
    assert plain.statistics.states == right.states
    assert plain.statistics.transitions == right.transitions


@pytest.mark.parametrize("name", LARGE)
def test_no_shift_is_wider_than_its_word(name: str, tmp_path: Path) -> None:
    """C leaves open what that would give."""
    system = LARGE[name]
    lowered = lower(system, (), usable_symmetry(system, ()))
    source = tmp_path / "model.c"
    source.write_text(lowered.text)
    wrong = ("shift-count-overflow", "shift-count-negative")
    said = subprocess.run(
        [
            str(compiler()),
            "-fsyntax-only",
            f"-I{Path(program.__file__).parent}",
            *(f"-Werror={w}" for w in wrong),
            str(source),
        ],
        capture_output=True,
        text=True,
    )
    assert said.returncode == 0, said.stderr


def test_a_run_through_orbits_is_found_again() -> None:
    """The shortest way to one element that is at 3, others at 1 and 2."""
    v = table("x", (A_D,), 3)
    p = local("up.p", A_D)
    up = Action(
        "up",
        (Parameter("p", p),),
        TRUE,
        {"x": store(v.now, p, add(select(v.now, p), num(1)))},
        None,
    )
    below = ir.lt(select(v.now, p), num(3))
    system = TransitionSystem("ups", (v,), (replace(up, guard=below),), TRUE, {}, {})
    i, j = local("i", A_D), local("j", A_D)
    highest = ir.aggregate("any", i, eq(select(v.now, i), num(3)))
    middle = ir.aggregate("any", j, eq(select(v.now, j), num(2)))
    total = ir.aggregate("sum", i, select(v.now, i))
    claim = Property(
        "p", Kind.INVARIANT, ir.not_(ir.and_(highest, middle, eq(total, num(6))))
    )
    found = searched(system, claim)
    verdict = found.verdicts["p"]
    assert isinstance(verdict, Violated)
    assert len(verdict.trace) == 6
    assert found.statistics.states == 20  # multisets of three of 0..3


def doubtful(size: int, fair: bool) -> TransitionSystem:
    """`serve` goes to the first that waits, or never to the second: only the
    search can tell that the first choice is one among equals."""
    sort = scalar_sort(f"D{size}", size, "d")
    domain = Domain(sort, 0, size - 1)
    waits = Variable(
        "waits", table_sort((domain,), BOOL), num(0), num(1), const(BOOL, 0)
    )
    had = table("had", (domain,), 1)
    who = local("ask.who", domain)
    ask = Action(
        "ask",
        (Parameter("who", who),),
        ir.and_(ir.not_(select(waits.now, who)), eq(select(had.now, who), num(0))),
        {"waits": store(waits.now, who, TRUE)},
        None,
    )
    got: Expr = had.now
    still: Expr = waits.now
    rest: Expr = num(1)
    for k in range(size):
        e = const(sort, k)
        takes = ir.and_(select(waits.now, e), ir.lt(num(0), rest))
        if fair or k != 1:
            got = store(got, e, ir.ite(takes, num(1), select(had.now, e)))
            still = store(still, e, ir.ite(takes, ir.FALSE, select(waits.now, e)))
            rest = ir.ite(takes, num(0), rest)
    serve = Action("serve", (), TRUE, {"had": got, "waits": still}, None)
    return TransitionSystem("doubtful", (waits, had), (ask, serve), TRUE, {}, {})


@pytest.mark.parametrize("size", [2, 3, 4])
def test_doubts_are_settled_in_every_state(size: int) -> None:
    for fair in (True, False):
        system = doubtful(size, fair)
        symmetry = usable_symmetry(system, ())
        assert [name for _, name in symmetry.doubts] == ["serve"]
        right = explore(system, (), limit=5000)
        found = searched(system)
        if fair:
            assert found.statistics.notes == ()
            assert found.statistics.states < right.states
        else:
            assert "serve names one of its elements" in found.statistics.notes[0]
            assert found.statistics.states == right.states


def test_sets_in_two_words() -> None:
    s = sets_of("s", A_D)
    p = local("add.p", A_D)
    grow = Action(
        "add",
        (Parameter("p", p),),
        TRUE,
        {"s": ir.union(s.now, ir.single(p, A_D))},
        None,
    )
    wide, act = cells("x", (), 61, 2)
    system = replace(system_of(s, wide), actions=(grow, act))
    right = explore(system, ())
    assert searched(system).statistics.states == count_orbits(system, right.reached)


# --- ints that are only indices -------------------------------------------------

PAGE_D = Domain(INT, 0, 2)
WIDE = put_together(cells("x", (PAGE_D,), 40, 2), cells("y", (PAGE_D,), 1, 2))
BELOW_0 = put_together(
    (
        Variable("x", table_sort((PAGE_D,), INT), num(-3), num(4), num(-3)),
        setting(
            "set",
            Variable("x", table_sort((PAGE_D,), INT), num(-3), num(4), num(0)),
            3,
            1,
        ),
    )
)


@pytest.mark.parametrize(
    ("system", "orbits"),
    [
        (WIDE, 4 * 4),  # in either table, 0 to 3 pages have the greater value
        (BELOW_0, 20),  # multisets of three of 0, 1, 2 and -3
        *((index_system(seed)[0], None) for seed in (54, 156, 239)),
    ],
    ids=["wide", "below 0", "54", "156", "239"],
)
def test_pages_are_put_in_order(system: TransitionSystem, orbits: int | None) -> None:
    """In the random ones, some pages keep their place for a while."""
    found = usable_symmetry(system, ())
    assert found.indices
    canonical = canonical_under(system, found)
    states = explore(system, ()).reached
    if orbits is None:
        orbits = len(set(map(canonical, states)))
    assert len(states) > orbits
    outcome = searched(system, indices=True)
    assert outcome.statistics.states == orbits
    assert searched(system).statistics.states >= orbits
