# SPDX-License-Identifier: GPL-2.0-only
"""Induction's own questions: which states, which steps, and what they break."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
import z3

from poolproof.checker.core import ir
from poolproof.checker.core.ir import (
    BOOL,
    FALSE,
    INT,
    TRUE,
    Domain,
    Expr,
    add,
    const,
    eq,
    le,
    local,
    lt,
    ne,
    not_,
    num,
    scalar_sort,
    select,
    store,
    table_sort,
)
from poolproof.checker.core.limits import Spent, limited, worked
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.system import (
    Action,
    Assumption,
    Obligation,
    Parameter,
    Span,
    TransitionSystem,
    Variable,
)
from poolproof.checker.core.verdict import Budget, Silent, Unknown
from poolproof.checker.engines import symbolic
from poolproof.checker.engines.induction import Induction, standard
from poolproof.checker.engines.prove import prove
from poolproof.checker.engines.symbolic import Candidate, conjuncts, unknowns

X = Variable("x", INT, num(0), num(9), num(0))
Y = Variable("y", INT, num(0), num(9), None)
THINGS = scalar_sort("THINGS", 3, "t")
THING_D = Domain(THINGS, 0, 2)
ANY_D = Domain(THINGS, 0, 3)
ON = Variable("on", table_sort((THING_D,), BOOL), num(0), num(1), FALSE)
WHO = Variable("who", THINGS, num(0), num(3), const(THINGS, 3))
N = local("n", Domain(INT, 2, 4))
P, Q = local("p", THING_D), local("q", ANY_D)


def given(*locals_: Expr) -> tuple[Parameter, ...]:
    return tuple(Parameter(x.data[0], x) for x in locals_)


PUT = Action("put", given(P, N), lt(X.now, N), {"x": N, "who": P}, None)
PAIR = Action("pair", given(P, Q), TRUE, {"who": Q}, None)


def system(*actions: Action, initial: Expr = TRUE, **least: int | None) -> Induction:
    variables = (X, Y, ON, WHO)
    return Induction(TransitionSystem("s", variables, actions, initial, least, {}))


def cell(work: Induction, name: str, *index: int) -> z3.ExprRef:
    return symbolic.term_of(work.now[work.system.cell_of[name, index]])


# --- states and steps ---------------------------------------------------------


def test_the_initial_states_have_initial_values_or_any_of_the_range() -> None:
    work = system(initial=ne(Y.now, num(4)))
    start = work.given(work.initial())
    x, y, on = cell(work, "x"), cell(work, "y"), cell(work, "on", 1)
    for claim in (x == 0, y >= 0, y <= 9, y != 4, z3.Not(on)):
        assert start.refuted(claim) == ""
    for claim in (y >= 1, y <= 8, y != 5, on):
        assert start.refuted(claim) == "does not keep"
    assert start.model is not None


def test_a_size_has_its_least_value_or_none() -> None:
    work = system(B=2, C=None)
    start = work.given(work.initial())
    b, c = (symbolic.term_of(work.params[n]) for n in "BC")
    assert start.refuted(b >= 2) == ""
    assert start.refuted(b >= 3)
    assert start.refuted(c >= 0)


def test_ranges_are_claims_about_each_cell() -> None:
    work = system()
    nothing = work.given()
    claims = work.ranges(work.now)
    assert len(claims) == 6  # two ends of x, y and who
    assert all(nothing.refuted(claim) for claim in claims)
    inside = work.given(claims)
    for name, least, most in (("x", 0, 9), ("y", 0, 9), ("who", 0, 3)):
        at = cell(work, name)
        assert inside.refuted(z3.And(at >= least, at <= most)) == ""


def test_unknown_arguments_are_in_their_domains() -> None:
    work = system(PUT)
    step = work.any_step(PUT, work.now, " 0")
    assert [str(symbolic.term_of(a)) for a in step.arguments] == [
        "argument p 0",
        "argument n 0",
    ]
    thing, n = (symbolic.term_of(a) for a in step.arguments)
    taken = work.given(step.given)
    for claim in (thing >= 0, thing <= 2, n >= 2, n <= 4, cell(work, "x") < n):
        assert taken.refuted(claim) == ""
    for claim in (thing >= 1, thing <= 1, n >= 3, n <= 3):
        assert taken.refuted(claim)
    fixed = local("f", Domain(INT, 5, 5))
    act = Action("f", given(fixed), TRUE, {"x": fixed}, None)
    assert system(act).any_step(act, work.now, "").given[1:] == []


def test_the_state_after_a_step() -> None:
    update = store(ON.now, P, not_(select(ON.now, P)))
    act = Action("flip", given(P), TRUE, {"on": update, "x": add(X.now, num(1))}, None)
    work = system(act)
    step = work.instance(act, (1,))
    after = {c.name: step.after[k] for k, c in enumerate(work.system.cells)}
    taken = work.given(step.given)
    x = symbolic.term_of(after["x"])
    assert taken.refuted(x == cell(work, "x") + 1) == ""
    assert taken.refuted(after["on[t1]"] != cell(work, "on", 1)) == ""
    for k in (0, 2):
        assert after[f"on[t{k}]"].eq(cell(work, "on", k))
    assert step.after[1] is work.now[1]


def test_a_bit_is_said_as_any_solver_reads_it() -> None:
    """Spacer's lemmas may have a function that only z3 knows."""
    x = z3.BitVec("x", 3)
    lemma = "(assert (not (=> ((_ bit2bool 2) x) ((_ bit2bool 0) x))))"
    (own,) = z3.parse_smt2_string(lemma, decls={"x": x})
    said = standard(own)
    assert "bit2bool" in own.sexpr()
    assert "bit2bool" not in said.sexpr()
    solver = z3.Solver()
    solver.add(own != said)
    assert solver.check() == z3.unsat


def test_one_step_of_each_orbit() -> None:
    """Elements come in order of their first use; nobody is not an element."""
    work = system(PUT, PAIR)
    taken = work.representatives(frozenset((THINGS,)))
    raws = [
        (s.action.name, *(symbolic.raw_of(_model(), a) for a in s.arguments))
        for s in taken
    ]
    assert raws == [
        *(("put", 0, n) for n in (2, 3, 4)),
        ("pair", 0, 0),
        ("pair", 0, 1),
        ("pair", 0, 3),
    ]
    assert len(work.representatives(frozenset())) == 9 + 12


def _model() -> z3.ModelRef:
    solver = z3.Solver()
    solver.check()
    return solver.model()


def test_a_step_is_shown_as_a_user_writes_it() -> None:
    step = system(PUT).instance(PUT, (1, 3))
    assert step.show(_model()) == "put(t1, 3)"


# --- questions ----------------------------------------------------------------


def test_what_is_assumed_is_forgotten() -> None:
    work = system()
    x = cell(work, "x")
    facts = work.given([x > 1])
    facts.assume([x > 5])
    assert facts.refuted(x > 3) == ""
    assert facts.model is None
    facts.forget()
    assert facts.refuted(x > 3) == "does not keep"
    assert facts.refuted(x > 1) == ""
    assert facts.model is None
    asked = work.queries
    assert facts.refuted(z3.BoolVal(True)) == ""
    assert work.queries == asked


def test_nothing_follows_when_the_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    work = system()
    facts = work.given([cell(work, "x") > 1])
    monkeypatch.setattr(symbolic, "left", lambda: 0.0)
    assert facts.refuted(cell(work, "x") > 0) == "time is up for"


def hard() -> z3.BoolRef:
    """Eleven pigeons in ten holes, which takes z3 minutes."""
    pigeons = [z3.Int(f"p{k}") for k in range(11)]
    apart = [a != b for k, a in enumerate(pigeons) for b in pigeons[:k]]
    return z3.Or(
        *(z3.Not(z3.And(p >= 0, p < 10)) for p in pigeons), z3.Not(z3.And(*apart))
    )


def test_a_question_is_held_to_the_work_that_is_left() -> None:
    work = system()
    facts = work.given()
    before = worked()
    said = "gave up"
    try:
        with limited(None, work=20_000):
            said = facts.refuted(hard())
    except Spent:
        pass
    assert "gave up" in said
    assert worked() - before < 1_000_000


def test_a_question_is_held_to_the_time_that_is_left() -> None:
    work = system()
    facts = work.given()
    begin, said = time.process_time(), "gave up"
    try:
        with limited(0.3):
            said = facts.refuted(hard())
    except Spent:
        pass
    assert "gave up" in said
    assert time.process_time() - begin < 3


def test_the_unknowns_of_a_term() -> None:
    a, b, c = z3.Ints("a b c")
    f = z3.And(a < b, a < b, z3.Or(b > a, z3.Not(a < b)), c == c + a - 1)
    assert {str(t) for t in unknowns(f)} == {"a", "b", "c"}
    assert {str(t) for t in unknowns(z3.Sum(a, a, b, a))} == {"a", "b"}
    assert {str(t) for t in unknowns(z3.IntVal(3))} == set()


# --- lemmas -------------------------------------------------------------------

UP = Action("up", (), lt(X.now, num(9)), {"x": add(X.now, num(1))}, None)
STAY = Action("stay", (), TRUE, {"y": Y.now}, None)


def test_lemmas_are_dropped_until_the_rest_is_kept() -> None:
    """A lemma goes with any of its parts, and takes with it those that need it."""
    follow = Action("follow", (), TRUE, {"y": X.now}, None)
    work = system(UP, follow, initial=eq(Y.now, num(0)))
    lemmas = [
        Candidate("small", (le(X.now, num(5)),)),
        Candidate("needs small", (le(Y.now, num(5)),)),
        Candidate("two parts", (le(num(0), Y.now), le(X.now, num(7)))),
        Candidate("not at first", (le(num(1), X.now),)),
        Candidate("fine", (le(Y.now, num(9)), le(X.now, num(9)))),
    ]
    kept, why = work.strongest(work.representatives(frozenset()), lemmas)
    assert [lemma.name for lemma in kept] == ["fine"]
    assert why["not at first"] == "an initial state violates it"
    assert why["small"].startswith("up does not keep x <= 5, e.g. up() where x = 5")
    assert why["two parts"].startswith("up does not keep x <= 7")
    assert why["needs small"].startswith("follow does not keep y <= 5")


class Figures(Silent):
    def __init__(self) -> None:
        self.said: list[dict[str, object]] = []

    def progress(self, **figures: object) -> None:
        self.said.append(figures)


def test_progress_says_how_many_lemmas_are_left() -> None:
    report = Figures()
    work = system(UP)
    work.report = report
    lemmas = [Candidate(f"x <= {k}", (le(X.now, num(k)),)) for k in (5, 9)]
    work.strongest(work.representatives(frozenset()), lemmas)
    assert [f["lemmas"] for f in report.said] == [1, 1]
    asked = [f["queries"] for f in report.said]
    assert asked[-1] == work.queries
    assert 0 < asked[0] <= work.queries


def test_each_rule_that_a_step_may_break_is_named_once() -> None:
    due = Obligation("assert", lt(X.now, num(3)), "x is small", Span("f.py", 3, 1))
    early = Obligation("assert", lt(X.now, num(4)), "early", None, early=True)
    fine = Obligation("assert", le(X.now, num(8)), "fine", None)
    late_only = Obligation("assert", le(X.now, num(8)), "late", None, early=True)
    over = Action(
        "over",
        given(N),
        lt(X.now, num(9)),
        {"x": add(X.now, N), "y": add(X.now, num(1))},
        None,
        (due, early, fine, late_only),
    )
    work = system(over)
    found = work.broken_rules(work.representatives(frozenset()), [])
    assert {(name, rule): why for (name, rule), why in found.items()} == {
        ("over", X): "over does not keep the range of x",
        ("over", due): "f.py:3:1: over does not keep: x is small",
        ("over", early): "over does not keep: early",
        ("over", late_only): "over does not keep: late",
    }


def test_an_initial_state_outside_its_range_ends_the_proof() -> None:
    start = Variable("x", INT, num(0), num(9), ir.param("B"))
    made = TransitionSystem("s", (start,), (), TRUE, {"B": 0}, {})
    why = "an initial state does not keep the range of x"
    assert [*Induction(made).starts_outside()] == [f"{why}, with B left open"]
    fixed = Variable("x", INT, num(0), num(9), num(10))
    made = TransitionSystem("s", (fixed,), (), TRUE, {}, {})
    assert [*Induction(made).starts_outside()] == [why]
    small = Property("small", Kind.INVARIANT, le(fixed.now, num(10)))
    (verdict,) = prove(made, (small,), Budget(), Silent()).verdicts.values()
    assert verdict == Unknown(f"not inductive: {why}")


# --- deeper -------------------------------------------------------------------


def holds(work: Induction, formula: Expr) -> z3.BoolRef:
    return work.holds(Property("p", Kind.INVARIANT, formula))


def test_a_step_property_reads_arguments_result_and_both_states() -> None:
    small = le(X.now, num(2))
    say = Action("say", given(N), lt(X.now, N), {"x": N}, small)
    work = system(say)
    *_, step = work.instances(say)  # with n = 4
    facts = work.given(work.ranges(work.now))
    facts.assume(step.given)
    for formula, follows in (
        (eq(X.next, N), True),
        (eq(say.returned, small), True),
        (eq(say.returned, le(X.next, num(2))), False),
        (say.returned, False),
        (lt(X.now, X.next), True),
    ):
        p = Property("p", Kind.STEP, formula, "say")
        assert (facts.refuted(work.holds(p, step)) == "") is follows, formula


def test_what_needs_two_steps() -> None:
    """x follows y, which follows x: x <= 3 once says nothing of the next."""
    follow = Action("follow", (), TRUE, {"x": Y.now, "y": X.now}, None)
    work = system(follow, STAY, initial=eq(Y.now, num(0)))
    claim = holds(work, le(X.now, num(3)))
    ranges = work.ranges(work.now)
    only = system(follow, initial=eq(Y.now, num(0)))
    assert only.deep_inductive(ranges, [claim], 1) == "follow does not keep it"
    assert only.deep_inductive(ranges, [claim], 2) == ""
    assert work.deep_inductive(ranges, [claim], 2) == "stay, follow does not keep it"
    never = holds(only, eq(X.now, num(1)))
    assert only.deep_inductive(ranges, [never], 2)


def test_paths_are_all_sequences() -> None:
    work = system(UP, STAY)
    names = [[s.action.name for s in path] for path in work.paths(2)]
    assert names == [["up", "up"], ["up", "stay"], ["stay", "up"], ["stay", "stay"]]
    first, second = next(iter(work.paths(2)))
    x = cell(work, "x")
    facts = work.given([x == 3], first.given, second.given)
    after = symbolic.term_of(second.after[0])
    assert facts.refuted(after == 5) == ""


def test_spacer_finds_what_is_missing() -> None:
    """x == y is not asked, and x <= 5 needs it: only y is bounded."""
    both = {"x": add(X.now, num(1)), "y": add(Y.now, num(1))}
    act = Action("both", (), lt(Y.now, num(5)), both, None)
    work = system(act, initial=eq(Y.now, num(0)))
    claim = holds(work, le(X.now, num(5)))
    said, terms = work.spacer(claim, 30_000_000, None)
    assert said == ""
    assert terms
    known = work.given(terms)
    assert known.refuted(claim) == ""
    step = work.instance(act, ())
    before = [symbolic.term_of(v) for v in work.now]
    known.assume(step.given)
    for term in terms:
        moved = z3.substitute(term, *symbolic.moves(before, step.after))
        assert known.refuted(moved) == ""
    start = work.given(work.initial())
    assert all(start.refuted(term) == "" for term in terms)
    said, terms = work.spacer(holds(work, le(X.now, num(4))), 30_000_000, None)
    assert said == "some run violates it (ask engine bmc for one)"
    assert terms == []


def test_a_property_is_its_conjuncts_and_that_it_is_defined() -> None:
    both = ir.and_(le(X.now, num(3)), le(Y.now, num(3)))
    parts = conjuncts(Property("p", Kind.INVARIANT, both))
    assert parts == (le(X.now, num(3)), le(Y.now, num(3)))
    one = ir.or_(le(X.now, num(3)), le(Y.now, num(3)))
    assert conjuncts(Property("p", Kind.INVARIANT, one)) == (one,)
    read = select(ON.now, WHO.now)
    parts = conjuncts(Property("p", Kind.INVARIANT, read))
    assert read in parts
    assert ir.expand(ir.defined(read)) in (*parts, ir.and_(*parts[:-1]))


def test_an_assumption_is_needed_if_it_cuts_a_step_somewhere() -> None:
    """One reason may stand in several actions; each counts."""
    over, never = lt(X.now, num(0)), le(num(10), Y.now)
    cuts = {
        "x": (Assumption("x is small", lt(num(5), X.now)),),
        "y": (
            Assumption("nothing", over),
            Assumption("y is small", never),
            Assumption("n is small", ir.and_(lt(num(3), N), eq(X.now, num(1)))),
        ),
        "z": (Assumption("y is small", lt(num(8), Y.now)),),
    }
    plain = Action("plain", (), TRUE, {}, None)
    acts = [
        replace(plain, name=n, parameters=given(N), assumptions=a)
        for n, a in cuts.items()
    ]
    for actions in ((plain, *acts), (*reversed(acts), plain)):
        work = system(*actions)
        found = work.unneeded(work.ranges(work.now))
        assert found == {"nothing"}
        assert work.unneeded([*work.ranges(work.now), cell(work, "x") == 0]) == {
            "nothing",
            "x is small",
            "n is small",
        }
