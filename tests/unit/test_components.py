# SPDX-License-Identifier: GPL-2.0-only
"""Parts of a system: what is searched apart, and what ties parts together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from poolproof.checker.core.ir import (
    BOOL,
    FALSE,
    INT,
    TRUE,
    Domain,
    Expr,
    TableSort,
    add,
    aggregate,
    and_,
    const,
    eq,
    local,
    lt,
    num,
    scalar_sort,
    select,
    store,
    table_sort,
)
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.system import (
    Action,
    Assumption,
    Obligation,
    Parameter,
    TransitionSystem,
    Variable,
)
from poolproof.checker.core.verdict import (
    Budget,
    Holds,
    Outcome,
    Reached,
    Silent,
    Statistics,
    Unknown,
    Violated,
)
from poolproof.checker.engines.explicit import explicit
from poolproof.checker.passes.components import combine, independent

S, T = (
    Domain(scalar_sort(f"PART_{name}", 2, name.lower()), 0, 1, name) for name in "ST"
)
A, B, UNUSED = (
    Variable(name, INT, num(0), num(3), num(0)) for name in ("a", "b", "unused")
)
FLAGS = Variable("flags", table_sort((S,), BOOL), num(0), num(1), FALSE)


def up(name: str, variable: Variable, **more: object) -> Action:
    updates = {variable.name: add(variable.now, num(1))}
    action = Action(name, (), lt(variable.now, num(3)), updates, None)
    return replace(action, **more)  # type: ignore[arg-type]


def invariant(name: str, formula: Expr) -> Property:
    return Property(name, Kind.INVARIANT, formula)


UP_A, UP_B, AGAIN_A = up("up_a", A), up("up_b", B), up("again_a", A)
OF_A, OF_B = invariant("of_a", lt(A.now, num(9))), invariant("of_b", lt(B.now, num(9)))
APART = TransitionSystem("apart", (A, B, UNUSED, FLAGS), (UP_A, UP_B), TRUE, {}, {})


def parts(
    system: TransitionSystem, *properties: Property, symmetry: bool = False
) -> list[str]:
    """Each part's actions and properties, in their order."""
    found = independent(system, properties, symmetry)
    for part in found:
        assert part.system.variables == system.variables
        assert (part.system.name, part.system.initial) == (system.name, TRUE)
    return [
        " ".join(
            (
                *(a.name for a in part.system.actions),
                "|",
                *(p.name for p in part.properties),
            )
        )
        for part in found
    ]


def test_two_variables_are_two_parts() -> None:
    for symmetry in (False, True):
        found = parts(APART, OF_B, OF_A, symmetry=symmetry)
        assert found == ["up_a | of_a", "up_b | of_b"]


def test_a_part_keeps_the_order_of_its_actions() -> None:
    three = replace(APART, actions=(UP_A, UP_B, AGAIN_A))
    assert parts(three, OF_A) == ["up_a again_a | of_a", "up_b |"]
    three = replace(APART, actions=(UP_B, UP_A, AGAIN_A))
    assert parts(three, OF_A) == ["up_b |", "up_a again_a | of_a"]


def test_what_speaks_of_no_action_is_asked_of_the_first_part() -> None:
    nothing = invariant("nothing", FALSE)
    still = invariant("still", eq(UNUSED.now, num(0)))
    found = parts(APART, nothing, OF_B, still)
    assert found == ["up_a | nothing still", "up_b | of_b"]


ONE = ["up_a up_b | of_a of_b"]
READS_A = eq(A.now, num(1))
TIES = {
    "guard": up("up_b", B, guard=READS_A),
    "value": up("up_b", B, updates={"b": A.now}),
    "cell": up("up_b", B, updates={"b": num(0), "a": num(0)}),
    "obligation": up(
        "up_b",
        B,
        obligations=(
            Obligation("assert", TRUE, "nothing", None),
            Obligation("assert", READS_A, "a is 1", None),
        ),
    ),
    "result": up("up_b", B, result=READS_A),
}


@pytest.mark.parametrize("tie", TIES)
def test_an_action_that_reads_or_writes_both_ties_them(tie: str) -> None:
    system = replace(APART, actions=(UP_A, TIES[tie]))
    assert parts(system, OF_A, OF_B) == ONE
    other = replace(
        APART, actions=(replace(TIES[tie], name="up_a"), replace(UP_A, name="up_b"))
    )
    assert parts(other, OF_A, OF_B) == ONE


def test_a_property_that_reads_both_ties_them() -> None:
    both = invariant("both", lt(A.now, add(B.now, num(9))))
    assert parts(APART, both) == ["up_a up_b | both"]
    under = replace(OF_A, antecedents=(TRUE, eq(B.now, num(1))))
    assert parts(APART, under) == ["up_a up_b | of_a"]


def test_a_step_property_is_of_its_action() -> None:
    step = Property("step", Kind.STEP, TRUE, "up_b")
    assert parts(APART, step, OF_A) == ["up_a | of_a", "up_b | step"]
    other = replace(step, formula=eq(A.next, A.now))
    assert parts(APART, other, OF_A) == ["up_a up_b | step of_a"]


@pytest.mark.parametrize(
    ("system", "more"),
    [
        (replace(APART, initial=lt(A.now, num(2))), ()),
        (replace(APART, variables=(A, B, replace(UNUSED, init=None))), ()),
        (APART, (Property("any", Kind.STEP, TRUE),)),
    ],
)
def test_what_may_start_or_step_in_several_ways_is_whole(
    system: TransitionSystem, more: tuple[Property, ...]
) -> None:
    (part,) = independent(system, (OF_A, OF_B, *more), False)
    assert part.system is system
    assert part.properties == (OF_A, OF_B, *more)


def test_one_action_is_one_part() -> None:
    system = replace(APART, actions=(UP_A,))
    (part,) = independent(system, [OF_A, OF_B], False)
    assert part.system is system
    assert part.properties == (OF_A, OF_B)


# --- with symmetry, no scalarset is in two parts -----------------------------


def taking(action: Action, domain: Domain) -> Action:
    """The action with a parameter that it does not look at."""
    x = local(f"x#{action.name}", domain)
    return replace(action, parameters=(Parameter("x", x),))


def some(action: Action, domain: Domain) -> Action:
    """The action with a question about an element, whichever, in its guard."""
    x = local(f"x#{action.name}", domain)
    first = aggregate("any", x, eq(x, const(domain.sort, 0)))
    return replace(action, guard=and_(action.guard, first))


def marking(action: Action, flags: Variable) -> Action:
    """The action, which also writes a flag, always the same."""
    assert isinstance(flags.sort, TableSort)
    at = const(flags.sort.index[0].sort, 0)
    return replace(
        action, updates={**action.updates, flags.name: store(flags.now, at, TRUE)}
    )


@pytest.mark.parametrize("touch", [taking, some])
def test_a_scalarset_ties_parts_only_with_symmetry(touch: Any) -> None:
    both = replace(APART, actions=(touch(UP_A, S), touch(UP_B, S)))
    assert parts(both, OF_A, OF_B) == ["up_a | of_a", "up_b | of_b"]
    assert parts(both, OF_A, OF_B, symmetry=True) == ONE
    two = replace(APART, actions=(touch(UP_A, S), touch(UP_B, T)))
    assert parts(two, OF_A, OF_B, symmetry=True) == ["up_a | of_a", "up_b | of_b"]


def test_a_table_over_a_scalarset_ties_parts_only_with_symmetry() -> None:
    mixed = replace(APART, actions=(marking(UP_A, FLAGS), taking(UP_B, S)))
    assert parts(mixed, OF_A, OF_B) == ["up_a | of_a", "up_b | of_b"]
    assert parts(mixed, OF_A, OF_B, symmetry=True) == ONE
    asked = invariant("asked", select(FLAGS.now, const(S.sort, 0)))
    aside = replace(APART, actions=(UP_A, taking(UP_B, S)))
    assert parts(aside, asked) == ["up_a | asked", "up_b |"]
    assert parts(aside, asked, symmetry=True) == ["up_a |", "up_b | asked"]


def test_a_property_about_a_scalarset_is_tied_only_with_symmetry() -> None:
    x = local("x#asked", S)
    odd = invariant("odd", aggregate("any", x, eq(x, const(S.sort, 0))))
    aside = replace(APART, actions=(UP_A, taking(UP_B, S)))
    assert parts(aside, odd) == ["up_a | odd", "up_b |"]
    assert parts(aside, odd, symmetry=True) == ["up_a |", "up_b | odd"]


def test_a_table_over_two_scalarsets_ties_these() -> None:
    """Also where nothing reads it: a permutation moves its cells."""
    over_t = Variable("over_t", table_sort((T,), BOOL), num(0), num(1), FALSE)
    wide = Variable("wide", table_sort((S, T), BOOL), num(0), num(1), FALSE)
    two = replace(APART, actions=(taking(UP_A, S), taking(UP_B, T)))
    narrow = replace(two, variables=(*two.variables, over_t))
    assert parts(narrow, OF_A, OF_B, symmetry=True) == ["up_a | of_a", "up_b | of_b"]
    both = replace(two, variables=(*two.variables, wide))
    assert parts(both, OF_A, OF_B, symmetry=True) == ONE
    assert parts(both, OF_A, OF_B) == ["up_a | of_a", "up_b | of_b"]


# --- the outcome for the whole -----------------------------------------------


def searched(
    system: TransitionSystem, properties: tuple[Property, ...], **limits: Any
) -> Outcome:
    budget = Budget(symmetry=False, **limits)
    return explicit(system, properties, budget, Silent())


def both_ways(
    system: TransitionSystem, *properties: Property, **limits: Any
) -> tuple[Outcome, Outcome]:
    """The outcome of a search of the whole, and that of its parts combined."""
    found = independent(system, properties, False)
    assert len(found) > 1
    outcomes = [searched(part.system, part.properties, **limits) for part in found]
    return searched(system, properties, **limits), combine(found, outcomes)


ASSUMED = up(
    "up_b",
    B,
    guard=lt(B.now, num(2)),
    result=eq(B.now, num(1)),
    assumptions=(Assumption("b stays small", eq(B.now, num(2))),),
)
SEEN = replace(OF_B, antecedents=(eq(B.now, num(2)), eq(B.now, num(3))))


def test_what_is_counted_of_the_parts_is_what_a_search_of_the_whole_counts() -> None:
    back = Action("back", (), lt(num(2), A.now), {"a": num(0)}, None)
    system = replace(APART, variables=(A, B), actions=(UP_A, back, ASSUMED))
    again = replace(system, actions=(UP_A, ASSUMED))
    third = Variable("c", INT, num(0), num(1), num(0))
    late = (Assumption("b stays small", eq(third.now, num(1))),)
    up_c = Action("up_c", (), lt(third.now, num(1)), {"c": num(1)}, third.now)
    up_c = replace(up_c, assumptions=late)
    more = replace(again, variables=(A, B, third), actions=(UP_A, ASSUMED, up_c))
    for each in (system, again, more):
        whole, combined = both_ways(each, OF_A, SEEN)
        assert whole.engine == combined.engine
        assert whole.verdicts == combined.verdicts
        one, other = whole.statistics, combined.statistics
        assert one.complete
        for figure in (
            "states",
            "transitions",
            "depth",
            "complete",
            "fired",
            "results",
            "assumed",
            "deadlocks",
            "true_antecedents",
            "no_start",
            "impossible",
        ):
            assert getattr(one, figure) == getattr(other, figure), figure
        assert (one.deadlock is None) == (other.deadlock is None)
        if one.deadlock is not None and other.deadlock is not None:
            assert one.deadlock.initial == other.deadlock.initial
            assert sorted(map(str, one.deadlock.steps)) == sorted(
                map(str, other.deadlock.steps)
            )


def test_the_parts_are_named_by_their_actions() -> None:
    system = replace(APART, actions=(UP_A, UP_B, AGAIN_A))
    _, combined = both_ways(system, OF_A, OF_B)
    assert combined.statistics.notes == (
        "searched one by one, as they have nothing in common: up_a, again_a; up_b",
    )


def test_what_a_part_decides_is_decided_of_the_whole() -> None:
    never = invariant("never", lt(A.now, num(2)))
    reached = Property("reached", Kind.REACHABLE, eq(B.now, num(3)))
    missed = Property("missed", Kind.REACHABLE, eq(B.now, num(7)))
    whole, combined = both_ways(APART, never, reached, missed, OF_B)
    for name, verdict in whole.verdicts.items():
        other = combined.verdicts[name]
        assert type(verdict) is type(other)
        if isinstance(verdict, Violated | Reached):
            assert isinstance(other, Violated | Reached)
            assert verdict.trace.steps == other.trace.steps
        else:
            assert verdict == other


def test_an_error_in_one_part_leaves_nothing_proved() -> None:
    """The states behind it are not visited, whatever the other part found."""
    far = Action("far", (), eq(A.now, num(3)), {"a": num(4)}, None)
    system = replace(APART, actions=(UP_A, far, UP_B))
    missed = Property("missed", Kind.REACHABLE, eq(B.now, num(7)))
    low = invariant("low", lt(B.now, num(2)))
    whole, combined = both_ways(system, OF_A, OF_B, missed, low)
    assert [d.message for d in combined.defects] == ["a becomes 4, outside its range"]
    assert [d.trace.steps for d in combined.defects] == [
        d.trace.steps for d in whole.defects
    ]
    assert not combined.statistics.complete
    for name in ("of_a", "of_b", "missed"):
        for outcome in (whole, combined):
            verdict = outcome.verdicts[name]
            assert isinstance(verdict, Unknown)
            assert verdict.reason == "the model itself is wrong (see the defects)"
    assert combined.verdicts["of_b"] == Unknown(verdict.reason, 3)
    found = combined.verdicts["low"]
    assert isinstance(found, Violated)
    assert len(found.trace) == 2


def test_a_part_that_was_not_searched_to_its_end() -> None:
    """b is; of a, nothing is known beyond one step."""
    at_once = Action("at_once", (), TRUE, {"b": num(1)}, None)
    system = replace(APART, actions=(UP_A, at_once))
    found = independent(system, (OF_A, OF_B), False)
    outcomes = [searched(p.system, p.properties, depth=2) for p in found]
    combined = combine(found, outcomes)
    assert not combined.statistics.complete
    assert combined.verdicts["of_a"] == Unknown("the depth budget of 2 steps", 2)
    assert combined.verdicts["of_b"] == Holds(True, 2, 1)


def test_figures_that_need_no_search() -> None:
    two = Statistics(states=2, complete=True, seconds=1.5, memory=7, notes=("slow",))
    one = Statistics(states=1, complete=True, seconds=0.5, memory=9, notes=("slow",))
    found = independent(APART, (), False)
    both = combine(found, [Outcome("e", {}, (), two), Outcome("f", {}, (), one)])
    assert both.engine == "e, f"
    figures = both.statistics
    assert (figures.states, figures.seconds, figures.memory) == (2, 2.0, 9)
    assert figures.notes[1:] == ("slow",)
    assert not figures.no_start
    nobody = Outcome("e", {}, (), Statistics(no_start=True))
    for outcomes in ([nobody, Outcome("e", {})], [Outcome("e", {}), nobody]):
        assert combine(found, outcomes).statistics.no_start


def test_an_action_that_is_never_possible_is_so_in_the_whole() -> None:
    found = independent(APART, (), False)
    figures = [Statistics(impossible=frozenset((n,))) for n in ("up_a", "up_b")]
    both = combine(found, [Outcome("e", {}, (), s) for s in figures])
    assert both.statistics.impossible == {"up_a", "up_b"}
