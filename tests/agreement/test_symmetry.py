# SPDX-License-Identifier: GPL-2.0-only
"""Which scalarsets are interchangeable, and that orbits are counted right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings

from poolproof.checker.core import ir
from poolproof.checker.core.ir import (
    BOOL,
    INT,
    TRUE,
    Domain,
    Expr,
    add,
    aggregate,
    and_,
    const,
    eq,
    ite,
    local,
    lt,
    mul,
    ne,
    not_,
    num,
    or_,
    scalar_sort,
    select,
    set_sort,
    single,
    store,
    sub,
    table_sort,
    union,
)
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.system import (
    Action,
    Parameter,
    State,
    TransitionSystem,
    Variable,
)
from poolproof.checker.passes import equivariance, symmetry
from poolproof.checker.passes.equivariance import Equivariance
from poolproof.checker.passes.symmetry import (
    canonical_under,
    find_symmetry,
    group,
    mover,
)
from tests.common.pool_system import POOL_COUNTS, pool, pool_properties
from tests.common.random_systems import Case, cases, explore, orbit, permuted

A = scalar_sort("A", 3, "a")
B = scalar_sort("B", 2, "b")
A_D, B_D = Domain(A, 0, 2, "A"), Domain(B, 0, 1, "B")
OR_NONE = Domain(A, 0, 3, "A")


def system_of(
    *variables: Variable, actions: tuple[Action, ...] = ()
) -> TransitionSystem:
    return TransitionSystem("made", variables, actions, TRUE, {}, {})


def table(name: str, index: tuple[Domain, ...], hi: int, init: int = 0) -> Variable:
    return Variable(name, table_sort(index, INT), num(0), num(hi), num(init))


def elements(name: str, index: tuple[Domain, ...], of: ir.ScalarSort) -> Variable:
    sort = table_sort(index, of) if index else of
    return Variable(name, sort, num(0), num(of.size), const(of, of.size))


def sets_of(name: str, domain: Domain) -> Variable:
    sort = set_sort(domain)
    return Variable(name, sort, num(0), num((1 << len(domain)) - 1), const(sort, 0))


SYSTEMS = {
    "rows": system_of(table("x", (A_D,), 1), elements("y", (A_D,), B)),
    "rows of two kinds": system_of(table("x", (A_D,), 2), table("k", (B_D,), 1)),
    "values of both": system_of(elements("y", (A_D,), B), elements("z", (B_D,), A)),
    "a pointer among its own": system_of(elements("next", (A_D,), A)),
    "two indices": system_of(table("x", (A_D, B_D), 1), table("k", (B_D,), 1)),
    "twice the same index": system_of(table("edge", (A_D, A_D), 1)),
    "sets": system_of(
        Variable(
            "s",
            table_sort((B_D,), set_sort(A_D)),
            num(0),
            num(7),
            const(set_sort(A_D), 0),
        ),
        elements("chosen", (), A),
    ),
    "a scalar and its table": system_of(
        elements("owner", (), A), table("x", (A_D,), 2)
    ),
    "a cell for nobody": system_of(
        table("x", (OR_NONE,), 1), elements("who", (), A), table("k", (B_D, A_D), 1)
    ),
    "sets that may have nobody": system_of(
        sets_of("s", OR_NONE), sets_of("nobody", Domain(A, 3, 3)), table("x", (A_D,), 1)
    ),
}


def everything(system: TransitionSystem) -> list[State]:
    """All states in the declared ranges."""
    spans = []
    for cell in system.cells:
        lo, hi = cell.variable.lo, cell.variable.hi
        assert lo is not None
        assert hi is not None
        spans.append(range(lo.data, hi.data + 1))
    return list(product(*spans))


@pytest.mark.parametrize("name", SYSTEMS)
def test_canonical_forms_are_exact(name: str) -> None:
    """Over every state: the form is in the orbit, and one for all of it."""
    system = SYSTEMS[name]
    canonical = canonical_under(system, find_symmetry(system, ()))
    form_of: dict[State, State] = {}
    orbits = 0
    for state in everything(system):
        if state in form_of:
            continue
        orbits += 1
        members = orbit(system, state)
        forms = {canonical(member) for member in members}
        assert len(forms) == 1
        assert forms <= members
        form_of.update(dict.fromkeys(members, forms.pop()))
    assert len(set(form_of.values())) == orbits


@pytest.mark.parametrize("name", SYSTEMS)
def test_permuting(name: str) -> None:
    """A mover is a group action, and equals its plain definition."""
    system = SYSTEMS[name]
    states = everything(system)[::97]
    for by in group(system.scalars):
        inverse = {s: tuple(p.index(k) for k in range(len(p))) for s, p in by.items()}
        move, back = mover(system, by), mover(system, inverse)
        for state in states:
            moved = tuple(move(state))
            assert moved == permuted(system, state, dict(by))
            assert tuple(back(moved)) == state


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases(symmetric=True))
def test_orbits_of_random_systems(case: Case) -> None:
    right = explore(case.system, case.properties, limit=400)
    found = find_symmetry(case.system, case.properties, indices=False)
    canonical = canonical_under(case.system, found)
    for state in list(right.reached)[:100]:
        forms = {
            canonical(permuted(case.system, state, by)) for by in group(found.sorts)
        }
        assert len(forms) == 1
        some = (permuted(case.system, state, by) for by in group(found.sorts))
        assert forms.pop() in set(some)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_what_is_called_interchangeable_is(case: Case) -> None:
    """No action of a random system tells elements apart that the check
    accepts: steps commute with every transposition."""
    found = find_symmetry(case.system, case.properties)
    right = explore(case.system, case.properties, limit=60)
    for sort in found.sorts:
        for k in range(sort.size - 1):
            order = list(range(sort.size))
            order[k], order[k + 1] = order[k + 1], order[k]
            by = {sort: tuple(order)}
            for state in list(right.reached)[:40]:
                moved = permuted(case.system, state, by)
                assert steps(case.system, moved) == {
                    permuted(case.system, after, by)
                    for after in steps(case.system, state)
                }


def steps(system: TransitionSystem, state: State) -> set[State]:
    from poolproof.checker.core import evaluate

    found = set()
    for a in system.actions:
        for raw in a.valuations():
            if evaluate.broken(system, a, state, raw) is None:
                taken = evaluate.successor(system, a, state, raw)
                if taken is not None:
                    found.add(taken[0])
    return found


# --- the check ------------------------------------------------------------------


def accepted(update: Expr, variable: Variable, *parameters: Expr) -> bool:
    """Whether A may be permuted under an action that makes this update."""
    named = tuple(Parameter(x.data[0], x) for x in parameters)
    act = Action("act", named, TRUE, {variable.name: update}, None)
    system = system_of(variable, actions=(act,))
    return A in find_symmetry(system, ()).sorts


X = table("x", (A_D,), 9)
E0, E1, E2 = (const(A, k) for k in range(3))
NONE = const(A, 3)
P = local("p", A_D)
Q = local("q", A_D)


def test_no_constants_no_objection() -> None:
    assert accepted(store(X.now, P, add(select(X.now, P), num(1))), X, P)
    assert accepted(store(X.now, P, select(X.now, Q)), X, P, Q)


def test_one_element_is_told_apart() -> None:
    assert not accepted(store(X.now, E0, num(1)), X)
    assert not accepted(store(X.now, P, ite(eq(P, E1), num(1), num(2))), X, P)


def test_all_elements_alike() -> None:
    update = X.now
    for e in (E0, E1, E2):
        update = store(update, e, add(select(X.now, e), num(1)))
    assert accepted(update, X)
    partial = store(store(X.now, E0, num(1)), E2, num(1))
    assert not accepted(partial, X)


def test_sums_and_junctions_are_sorted() -> None:
    total = add(*(select(X.now, e) for e in (E2, E0, E1)))
    assert accepted(store(X.now, P, total), X, P)
    assert not accepted(
        store(X.now, P, add(select(X.now, E0), select(X.now, E1))), X, P
    )
    some = or_(*(eq(select(X.now, e), num(0)) for e in (E0, E1, E2)))
    assert accepted(store(X.now, P, ite(some, num(1), num(2))), X, P)


def test_counting_in_turn_is_counting() -> None:
    """n += 1 for each element that ..., as a loop in a design makes it."""
    count: Expr = num(0)
    for e in (E0, E1, E2):
        count = ite(lt(num(0), select(X.now, e)), add(count, num(1)), count)
    assert accepted(store(X.now, P, count), X, P)


def test_a_cascade_over_all_elements() -> None:
    chain: Expr = num(0)
    for e in (E0, E1, E2):
        chain = ite(eq(P, e), select(X.now, e), chain)
    assert accepted(store(X.now, P, chain), X, P)
    first: Expr = num(0)
    for k, e in enumerate((E0, E1, E2)):
        first = ite(eq(select(X.now, e), num(0)), num(k), first)
    assert not accepted(store(X.now, P, first), X, P)


def test_a_choice_between_equal_counts() -> None:
    """Which no simplifier has seen: both branches are rewritten first."""
    c = lt(num(0), select(X.now, P))
    each = [Expr("ite", INT, (c, x, x)) for x in (select(X.now, e) for e in (E2, E0))]
    count = add(*each, select(X.now, E1))
    assert accepted(store(X.now, P, count), X, P)


def test_a_branch_not_taken_may_name_any_cell() -> None:
    """The frontend's guarded store: elsewhere cell 0 keeps its value."""
    pick = elements("pick", (), A)
    c = ne(pick.now, NONE)
    at = ite(c, pick.now, E0)
    value = ite(c, add(select(X.now, pick.now), num(1)), select(X.now, E0))
    act = Action("act", (), TRUE, {"x": store(X.now, at, value)}, None)
    system = system_of(X, pick, actions=(act,))
    assert A in find_symmetry(system, ()).sorts
    wrong = ite(c, add(select(X.now, pick.now), num(1)), num(0))
    act = replace(act, updates={"x": store(X.now, at, wrong)})
    assert A not in find_symmetry(system_of(X, pick, actions=(act,)), ()).sorts


def test_none_is_no_element() -> None:
    pick = elements("pick", (), A)
    act = Action("act", (), TRUE, {"pick": NONE}, None)
    assert A in find_symmetry(system_of(pick, actions=(act,)), ()).sorts
    act = Action("act", (), TRUE, {"pick": E1}, None)
    assert A not in find_symmetry(system_of(pick, actions=(act,)), ()).sorts


def test_sets_of_elements() -> None:
    s = Variable("s", set_sort(A_D), num(0), num(7), const(set_sort(A_D), 0))

    def fine(value: Expr, *parameters: Expr) -> bool:
        return accepted(value, s, *parameters)

    assert fine(union(s.now, single(P, A_D)), P)
    for members in range(8):
        assert fine(const(set_sort(A_D), members)) is (members in (0, 7))
    half = replace(s, hi=num(3))
    assert A not in find_symmetry(system_of(half), ()).sorts


def test_a_part_of_the_scalarset() -> None:
    part = Domain(A, 0, 1, "A")
    assert not accepted(store(X.now, P, num(1)), X, local("r", part))
    n = aggregate("sum", local("i", part), select(X.now, local("i", part)))
    assert not accepted(store(X.now, P, n), X, P)
    half = table("half", (part,), 1)
    assert A not in find_symmetry(system_of(half), ()).sorts
    held = replace(elements("pick", (), A), hi=num(1))
    assert A not in find_symmetry(system_of(held), ()).sorts
    assert accepted(store(X.now, P, num(1)), X, P, local("r", Domain(A, 3, 3, "A")))


def test_initial_states_count() -> None:
    pick = replace(elements("pick", (), A), init=E0)
    found = find_symmetry(system_of(pick), ())
    assert found.sorts == ()
    assert found.notes == (
        "A is not used as a symmetry: the initial value of pick names one of "
        "its elements",
    )
    anyone = replace(elements("pick", (), A), init=None)
    assert A in find_symmetry(system_of(anyone), ()).sorts
    some = replace(system_of(anyone), initial=ne(anyone.now, E0))
    assert A not in find_symmetry(some, ()).sorts


def test_properties_count() -> None:
    system = system_of(X)
    fair = Property("fair", Kind.INVARIANT, eq(select(X.now, E0), num(0)))
    found = find_symmetry(system, (fair,))
    assert found.sorts == ()
    assert "fair names one of its elements" in found.notes[0]
    every = aggregate(
        "all", local("i", A_D), eq(select(X.now, local("i", A_D)), num(0))
    )
    assert A in find_symmetry(system, (replace(fair, formula=every),)).sorts
    antecedent = replace(fair, formula=every, antecedents=(eq(P, E0),))
    assert A not in find_symmetry(system, (antecedent,)).sorts


def test_claims_only() -> None:
    kept = scalar_sort("KEPT", 3, "k", interchangeable=False)
    x = table("x", (Domain(kept, 0, 2, "KEPT"),), 1)
    assert find_symmetry(system_of(x), ()).sorts == ()


def test_rows() -> None:
    def rows(name: str) -> set[ir.ScalarSort]:
        return set(find_symmetry(SYSTEMS[name], ()).rows)

    assert rows("rows") == {A}
    assert rows("rows of two kinds") == {A, B}
    assert rows("values of both") == set()
    assert rows("a pointer among its own") == set()
    assert rows("two indices") == {A}
    assert rows("twice the same index") == set()
    assert rows("sets") == {B}
    assert rows("a cell for nobody") == {B}


def test_alpha_equal_aggregates() -> None:
    flag = Variable("f", table_sort((A_D, B_D), BOOL), num(0), num(1), const(BOOL, 0))
    n = Variable("n", table_sort((B_D,), INT), num(0), num(9), num(0))
    update = n.now
    for k in range(2):
        i = local(f"i{k}", A_D)
        held = ite(select(flag.now, i, const(B, k)), num(1), num(0))
        change = sub(num(9), aggregate("sum", i, held))
        update = store(update, const(B, k), change)
    act = Action("act", (), not_(eq(num(1), num(2))), {"n": update}, None)
    assert B in find_symmetry(system_of(flag, n, actions=(act,)), ()).sorts


def asked(formula: Expr, *variables: Variable, of: ir.ScalarSort = A) -> bool:
    """Whether a sort may be permuted under an invariant."""
    p = Property("p", Kind.INVARIANT, formula)
    return of in find_symmetry(system_of(*variables), (p,)).sorts


def choice(c: Expr, a: Expr, b: Expr) -> Expr:
    """As a compiled design has it: no constructor has looked at it."""
    return Expr("ite", a.sort, (c, a, b))


def is_zero(e: Expr) -> Expr:
    return eq(e, num(0))


def test_where_an_equation_holds_its_sides_are_the_same() -> None:
    """if p == a0: x[a0] else: x[p] is x[p], for one element or for two."""
    value = choice(eq(P, E0), select(X.now, E0), select(X.now, P))
    assert accepted(store(X.now, P, value), X, P)
    other = choice(eq(P, E0), select(X.now, E1), select(X.now, P))
    assert not accepted(store(X.now, P, other), X, P)
    edge = table("edge", (A_D, A_D), 9)
    both = Expr("and", BOOL, (eq(P, E0), eq(Q, E1)))
    value = choice(both, select(edge.now, E0, E1), select(edge.now, P, Q))
    assert accepted(store(edge.now, P, Q, value), edge, P, Q)
    other = choice(both, select(edge.now, E0, E0), select(edge.now, P, Q))
    assert not accepted(store(edge.now, P, Q, other), edge, P, Q)


def test_an_equation_between_an_element_and_its_successor() -> None:
    """Where next[p] == p, next[p] is put for p nowhere: that would go on."""
    after = elements("next", (A_D,), A)
    follows = select(after.now, P)
    first, second = (ite(eq(x, E0), num(1), num(0)) for x in (P, follows))
    for c in (eq(P, follows), eq(follows, P)):
        value = choice(c, sub(first, second), num(0))
        act = Action(
            "act", (Parameter("p", P),), TRUE, {"x": store(X.now, P, value)}, None
        )
        system = system_of(X, after, actions=(act,))
        assert A in find_symmetry(system, ()).sorts


def test_the_same_answer_for_several_elements() -> None:
    """if x[a0] == 0: return 1, if x[a1] == 0: return 1, ...: any of them."""
    chain: Expr = num(2)
    for e in (E0, E1, E2):
        chain = choice(is_zero(select(X.now, e)), num(1), chain)
    assert accepted(store(X.now, P, chain), X, P)
    part: Expr = num(2)
    for e in (E0, E1):
        part = choice(is_zero(select(X.now, e)), num(1), part)
    assert not accepted(store(X.now, P, part), X, P)


def test_cases_by_a_condition_on_a_parameter() -> None:
    """The frontend's guarded store, where the condition is the parameter's."""
    c = lt(num(0), select(X.now, P))
    kept = ite(c, add(select(X.now, P), num(1)), select(X.now, E0))
    assert accepted(store(X.now, ite(c, P, E0), kept), X, P)


def test_cases_by_each_of_two_conditions() -> None:
    """Cell 0 is read where neither is true, and then not used."""
    one, other = lt(num(0), select(X.now, P)), lt(num(1), select(X.now, Q))
    at = ite(or_(one, other), P, E0)
    value = choice(one, select(X.now, at), choice(other, select(X.now, at), num(0)))
    assert accepted(store(X.now, P, value), X, P, Q)
    used = choice(one, select(X.now, at), choice(other, num(0), select(X.now, at)))
    assert not accepted(store(X.now, P, used), X, P, Q)
    at = ite(and_(one, other), P, E0)
    value = choice(one, choice(other, select(X.now, at), num(0)), num(0))
    assert accepted(store(X.now, P, value), X, P, Q)
    used = choice(one, choice(other, num(0), select(X.now, at)), num(0))
    assert not accepted(store(X.now, P, used), X, P, Q)


@pytest.mark.parametrize(("limit", "fine"), [(7, True), (6, False)])
def test_the_cases_of_one_expression_are_limited(
    limit: int, fine: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three conditions, each of which decides whether a0 is read: 1 + 2 + 4
    expressions name an element."""
    monkeypatch.setattr(equivariance, "COMPARISONS", limit)
    monkeypatch.setattr(symmetry, "commutes", equivariance.commutes.__wrapped__)
    terms = []
    for k in range(3):
        c = lt(num(k), select(X.now, P))
        read = select(X.now, ite(c, P, E0))
        terms.append(choice(c, mul(read, num(1 << k)), num(0)))
    assert accepted(store(X.now, P, Expr("add", INT, tuple(terms))), X, P) is fine


@pytest.mark.parametrize(("limit", "fine"), [(3, True), (2, False)])
def test_conditions_that_do_not_commute_count(
    limit: int, fine: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The formula is c. Two conditions on a0 come first, and tell no cases apart."""
    monkeypatch.setattr(equivariance, "COMPARISONS", limit)
    c = lt(num(0), select(X.now, P))
    a0 = select(X.now, E0)
    either = Expr("or", BOOL, (c, eq(a0, num(1)), eq(a0, num(0))))
    assert Equivariance(A).equivariant(Expr("and", BOOL, (either, c))) is fine


def test_conditions_that_share_parts() -> None:
    """Each of 60 conditions has the one before twice: 2 ** 60 paths lead to a0."""
    e = eq(select(X.now, E0), num(0))
    for k in range(60):
        a1 = select(X.now, E1)
        sides = [Expr("and", BOOL, (e, eq(a1, num(n)))) for n in (2 * k, 2 * k + 1)]
        e = Expr("or", BOOL, tuple(sides))
    assert not Equivariance(A).equivariant(e)


def test_an_equation_has_no_order() -> None:
    """Each two of three are equal, which comes to the same after an exchange."""
    x0, x1, x2 = (select(X.now, e) for e in (E0, E1, E2))
    assert asked(Expr("and", BOOL, (eq(x0, x1), eq(x1, x2), eq(x0, x2))), X)
    assert not asked(Expr("and", BOOL, (eq(x0, x1), eq(x1, x2))), X)


def test_sets_of_one_element_each() -> None:
    s = sets_of("s", A_D)
    ones = [eq(s.now, const(s.sort, 1 << k)) for k in range(3)]
    twos = [eq(s.now, const(s.sort, 7 - (1 << k))) for k in range(3)]
    for alike in (ones, twos):
        assert asked(or_(*alike), s)
        assert not asked(or_(*alike[1:]), s)
        assert not asked(or_(*alike[:2]), s)
    assert not asked(or_(ones[0], ones[1], twos[2]), s)


def test_a_cell_that_is_written_before_or_after_any() -> None:
    """x[a0] = 1, x[p] = 2, x[a1] = x[a2] = 1: only a0 keeps the 2."""

    def written(order: tuple[Expr, ...]) -> Expr:
        update = X.now
        for e in order:
            update = store(update, e, num(2) if e is P else num(1))
        return update

    reset = Action("reset", (), TRUE, {"x": written((E0, E1, E2))}, None)

    def fine(*order: Expr) -> bool:
        act = Action("act", (Parameter("p", P),), TRUE, {"x": written(order)}, None)
        both = [
            A in find_symmetry(system_of(X, actions=actions), ()).sorts
            for actions in ((act,), (reset, act), (act, reset))
        ]
        assert len(set(both)) == 1
        return both[0]

    assert not fine(E0, P, E1, E2)
    assert not fine(E1, E2, P, E0)
    assert not fine(E2, P, E1, E0)
    assert fine(E0, E1, E2, P)
    assert fine(E2, E0, E1, P)
    assert fine(P, E1, E2, E0)


def test_a_summand_of_one_branch_counts() -> None:
    """n + x[a0] where c holds, and else n: that a0 is added is not lost."""
    c, n = lt(num(0), select(X.now, P)), select(X.now, P)
    one = choice(c, add(n, select(X.now, E0)), n)
    assert not accepted(store(X.now, P, one), X, P)
    each = choice(c, add(n, *(select(X.now, e) for e in (E0, E1, E2))), n)
    assert accepted(store(X.now, P, each), X, P)


def test_what_sets_a_sum_apart_from_its_image() -> None:
    """Without the summands that both have, for z3 to compare."""
    x0, x1, x2 = (select(X.now, e) for e in (E0, E1, E2))
    check = Equivariance(A)
    assert check.apart(add(x0, x1, num(4)), 1) == (x1, x2)
    assert check.apart(add(x0, x1, num(4)), 0) == (num(0), num(0))
    assert check.apart(add(x0, x0, x1), 0) == (x0, x1)
    assert check.apart(is_zero(x0), 0) == (is_zero(x0), is_zero(x1))
    assert check.apart(add(x1, x2), 0) == (x1, x0)
    y = table("y", (A_D,), 9)
    y0, y1 = (select(y.now, e) for e in (E0, E1))
    assert check.apart(add(x0, y0), 0) == (add(x0, y0), add(x1, y1))


def test_no_cases_by_a_condition_on_a_bound_name() -> None:
    """It is not true of all elements, or false of all: some are zero, some not,
    and the first is zero."""
    i = local("i", A_D)
    here = is_zero(select(X.now, i))
    some = aggregate("any", i, here)
    others = aggregate("any", i, not_(here))
    first = is_zero(select(X.now, E0))
    assert not asked(Expr("and", BOOL, (some, others, first)), X)
    assert asked(Expr("and", BOOL, (some, others)), X)


def test_bound_names_of_nested_aggregates_stay_apart() -> None:
    """The cell [b0, b1] is not the cell [b1, b0], however it is found."""
    cell = Variable("c", table_sort((B_D, B_D), INT), num(0), num(1), num(0))
    i, j = local("i", B_D), local("j", B_D)
    ends = Expr("and", BOOL, (eq(i, const(B, 0)), eq(j, const(B, 1))))
    picked = choice(ends, select(cell.now, i, j), num(0))
    total = aggregate("sum", i, aggregate("sum", j, picked))
    assert not asked(is_zero(total), cell, of=B)
    every = aggregate("sum", i, aggregate("sum", j, select(cell.now, i, j)))
    assert asked(is_zero(every), cell, of=B)


def test_the_note_says_what_tells_elements_apart() -> None:
    part = Domain(A, 0, 1, "A")
    act = Action("act", (Parameter("r", local("r", part)),), TRUE, {}, None)
    i = local("i", part)
    few = Property(
        "few", Kind.INVARIANT, aggregate("all", i, is_zero(select(X.now, i)))
    )
    for system, properties, reason in (
        (system_of(table("half", (part,), 1)), (), "half is indexed by a part of it"),
        (system_of(sets_of("s", part)), (), "s holds sets of a part of it"),
        (
            system_of(replace(elements("pick", (), A), hi=num(1))),
            (),
            "pick may hold a part of it only",
        ),
        (system_of(X, actions=(act,)), (), "act takes a part of it"),
        (system_of(X), (few,), "few ranges over a part of it"),
    ):
        found = find_symmetry(system, properties)
        assert found.sorts == ()
        assert found.notes == (f"A is not used as a symmetry: {reason}",)


# --- the pool -----------------------------------------------------------------


def test_pool_orbits() -> None:
    """Every reachable state of (2,2,2), orbit by orbit."""
    system = pool(2, 2, 2)
    properties = pool_properties(system)
    found = find_symmetry(system, properties)
    assert {s.name for s in found.sorts} == {"NODES", "CGROUPS", "VMAS"}
    assert [s.name for s in found.rows] == ["VMAS"]
    assert not found.notes
    reached = explore(system, (), limit=10_000).reached
    canonical = canonical_under(system, found)
    states, orbits, _, _ = POOL_COUNTS[2, 2, 2]
    assert len(reached) == states
    assert len({canonical(state) for state in reached}) == orbits
    left = set(reached)
    count = 0
    while left:
        left -= orbit(system, next(iter(left)))
        count += 1
    assert count == orbits


@pytest.mark.parametrize("op", [ir.mul, ir.min_, ir.max_, ir.union, ir.inter])
@pytest.mark.parametrize("count", [3, 4])
def test_an_operator_of_two_in_a_row(
    op: Callable[[Expr, Expr], Expr], count: int
) -> None:
    """a * b * c under a choice that names an element: the normal form may
    bring the operands into another order, not into one node."""
    of_sets = op in (ir.union, ir.inter)
    sort = set_sort(A_D) if of_sets else INT
    start = const(sort, 0 if of_sets else 1)
    x = Variable("x", table_sort((A_D,), sort), num(0), num(7), start)
    who = elements("who", (), A)
    parts = [select(x.now, const(A, k % 3)) for k in range(count)]
    one, other = parts[0], parts[-1]
    for a in parts[1:]:
        one = op(one, a)
    for a in parts[:-1]:
        other = op(a, other)
    here = eq(who.now, const(A, 0))
    fill = store(x.now, const(A, 0), ite(here, one, other))
    act = Action("act", (), TRUE, {"x": ite(here, fill, x.now)}, None)
    system = system_of(x, who, actions=(act,))
    found = find_symmetry(system, (), doubtful=True)
    assert (A, "act") in found.doubts
    whole = Property("p", Kind.INVARIANT, eq(one, other))
    if count == 3:  # all of A, in two orders: nobody is told apart
        assert A in find_symmetry(system_of(x, who), (whole,)).sorts


def test_an_operator_takes_its_number_of_arguments() -> None:
    x, y = num(1), ir.param("B")
    for op, count in (("mul", 3), ("min", 1), ("ite", 2), ("add", 0), ("not", 2)):
        with pytest.raises(ir.SortError):
            Expr(op, INT, tuple([x, y, y][:count]))
