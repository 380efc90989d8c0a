# SPDX-License-Identifier: GPL-2.0-only
"""Induction: what it proves is true, and a certificate is really checked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from bench.pool import Pool
from poolproof.checker.core.ir import (
    BOOL,
    FALSE,
    INT,
    TRUE,
    Domain,
    Expr,
    add,
    aggregate,
    const,
    eq,
    ite,
    le,
    local,
    lt,
    ne,
    not_,
    num,
    or_,
    scalar_sort,
    select,
    store,
    sub,
    table_sort,
)
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.system import (
    Action,
    Obligation,
    Parameter,
    TransitionSystem,
    Variable,
)
from poolproof.checker.core.verdict import Budget, Certificate, Holds, Silent, Unknown
from poolproof.checker.engines.prove import check_certificate
from poolproof.checker.engines.registry import engine_of
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.spec import parse, resolve
from tests.common.interrupt import interrupt_after
from tests.common.random_systems import Case, cases, explore

prove = engine_of("prove")

TRUE_INVARIANTS = ("resv_exact", "free_exact", "usage_exact", "resv_backed")
HELPERS = ("dead_is_empty", "live_is_charged", "none_beyond_length")


def pool_of_any_size(v: int, p: int) -> tuple[TransitionSystem, tuple[Property, ...]]:
    compiled = compile_design(Pool, {"V": v, "P": p}, symbolic=frozenset({"B"}))
    resolved = resolve(parse("bench/pool.spec"), compiled)
    wanted = TRUE_INVARIANTS + HELPERS
    mine = [p for p in resolved.properties if p.name in wanted]
    return compiled.system, (*mine, *resolved.obligations)


@pytest.mark.parametrize(
    ("v", "p"), [(2, 2), pytest.param(4, 3, marks=pytest.mark.slow)]
)
def test_pool_for_any_b(v: int, p: int) -> None:
    system, properties = pool_of_any_size(v, p)
    verdicts = prove(system, properties, Budget(seconds=100), Silent()).verdicts
    for name in TRUE_INVARIANTS:
        verdict = verdicts[name]
        assert isinstance(verdict, Holds)
        assert not verdict.exhaustive
        assert verdict.certificate is not None
        assert verdict.certificate.params == ("B",)


def test_a_certificate_with_a_lemma_too_few_is_refused() -> None:
    system, properties = pool_of_any_size(2, 2)
    verdicts = prove(system, properties, Budget(seconds=100), Silent()).verdicts
    holds = verdicts["resv_exact"]
    assert isinstance(holds, Holds)
    assert holds.certificate is not None
    good = holds.certificate
    claimed = tuple(p for p in properties if p.name in TRUE_INVARIANTS)
    assert check_certificate(system, claimed, good) == ""
    for k, text in enumerate(good.lemmas):
        if text == "(>= (* 2 B) resv)":  # not implied by the rest
            less = good.lemmas[:k] + good.lemmas[k + 1 :]
            poor = replace(good, lemmas=less, base=len(less))
            assert "range" in check_certificate(system, claimed, poor)
    half = tuple(t for t in good.lemmas if "length" not in t or "resv" in t)
    weak = replace(good, lemmas=half, base=len(half))
    assert check_certificate(system, claimed, weak)
    false = replace(good, lemmas=(*good.lemmas, "(= resv 1)"))
    assert "initial" in check_certificate(system, claimed, false)
    other = Property("no", Kind.INVARIANT, system.by_name["sigbus"].now)
    assert "no" in check_certificate(system, (other,), good)


def test_the_guesses_help_where_a_spec_does_not() -> None:
    """The four promises alone, without what they rest on."""
    system, properties = pool_of_any_size(3, 2)
    asked = tuple(p for p in properties if p.name in TRUE_INVARIANTS)
    verdicts = prove(system, asked, Budget(seconds=200), Silent()).verdicts
    assert all(isinstance(v, Holds) for v in verdicts.values()), verdicts


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_what_is_proved_is_true(case: Case) -> None:
    truth = explore(case.system, case.properties)
    if not truth.complete:
        return
    outcome = prove(case.system, case.properties, Budget(seconds=5), Silent())
    for name, verdict in outcome.verdicts.items():
        assert isinstance(verdict, Holds | Unknown)
        if isinstance(verdict, Holds):
            assert name not in truth.found
            assert not truth.defects


X = Variable("x", INT, num(0), num(9), num(0))
Y = Variable("y", INT, num(0), num(9), num(0))


def asked(formula_true: Property, *actions: Action) -> str:
    system = TransitionSystem("xy", (X, Y), actions, TRUE, {}, {})
    verdict = prove(system, (formula_true,), Budget(seconds=20), Silent()).verdicts["p"]
    if isinstance(verdict, Holds):
        assert verdict.certificate is not None
        return f"k={verdict.certificate.k}"
    assert isinstance(verdict, Unknown)
    return verdict.reason


def test_ranges_are_obligations_in_induction() -> None:
    """x <= 9 is not assumed: the action that leaves it is named."""
    up = Action("up", (), TRUE, {"x": add(X.now, num(1))}, None)
    assert "up" in asked(Property("p", Kind.INVARIANT, le(X.now, num(9))), up)


def test_two_steps_where_one_is_not_enough() -> None:
    """x follows y one step behind: x <= 3 is kept only where it was twice."""
    follow = Action("follow", (), TRUE, {"x": Y.now, "y": X.now}, None)
    p = Property("p", Kind.INVARIANT, le(X.now, num(3)))
    assert asked(p, follow) == "k=2"


def test_the_failing_action_and_conjunct_are_named() -> None:
    jump = Action("jump", (), lt(X.now, num(5)), {"x": num(7)}, None)
    reason = asked(Property("p", Kind.INVARIANT, not_(eq(X.now, num(7)))), jump)
    assert "jump" in reason
    assert "x != 7" in reason


def test_what_only_a_stronger_invariant_shows() -> None:
    """Spacer finds x <= y by itself, or the answer is unknown; never wrong."""
    both = Action(
        "both",
        (),
        lt(Y.now, num(9)),
        {
            "x": ite(eq(X.now, Y.now), add(X.now, num(1)), X.now),
            "y": add(Y.now, num(1)),
        },
        None,
    )
    p = Property("p", Kind.INVARIANT, le(sub(X.now, Y.now), num(0)))
    assert asked(p, both).startswith(("k=", "not inductive"))


THINGS = scalar_sort("PROVED_THINGS", 2, "t")
THING_D = Domain(THINGS, 0, 1, "THINGS")


def switches() -> tuple[Variable, Action]:
    """A switch per thing, and the action that turns any of them on."""
    on = Variable("on", table_sort((THING_D,), BOOL), num(0), num(1), FALSE)
    which = local("which#turn", THING_D)
    turn = Action(
        "turn",
        (Parameter("which", which),),
        TRUE,
        {"on": store(on.now, which, TRUE)},
        None,
    )
    return on, turn


def test_all_arguments_count_not_one_of_each_orbit() -> None:
    """Turning on only t0 never turns on both; Spacer must see t1 too."""
    on, turn = switches()
    x = local("x#both", THING_D)
    both = aggregate("all", x, select(on.now, x))
    p = Property("p", Kind.INVARIANT, not_(both))
    system = TransitionSystem("switches", (on,), (turn,), TRUE, {}, {})
    assert isinstance(
        prove(system, (p,), Budget(seconds=20), Silent()).verdicts["p"], Unknown
    )
    wrong = Certificate(("(not |on[t1]|)", "(not (and |on[t0]| |on[t1]|))"), 1, (), 2)
    assert "turn" in check_certificate(system, (p,), wrong)


XY = TransitionSystem("xy", (X, Y), (), TRUE, {}, {})
KEEPERS = (
    Action(
        "both",
        (),
        lt(X.now, num(9)),
        {"x": add(X.now, num(1)), "y": add(Y.now, num(1))},
        None,
    ),
    Action("back", (), TRUE, {"x": num(0), "y": num(0)}, None),
)
"""What keeps x == y."""


def refused(
    breaker: Action, prop: Property, *lemmas: str, k: int = 1, base: int | None = None
) -> str:
    """What is said of a certificate that all actions keep but `breaker`,
    wherever that stands among them; without it the certificate is good."""
    base = len(lemmas) if base is None else base
    certificate = Certificate(lemmas, k, (), base)
    good = replace(XY, actions=KEEPERS)
    assert check_certificate(good, (prop,), certificate) == ""
    said = ""
    for at in range(len(KEEPERS) + 1):
        actions = (*KEEPERS[:at], breaker, *KEEPERS[at:])
        bad = replace(XY, actions=actions)
        said = check_certificate(bad, (prop,), certificate)
        assert breaker.name in said
    return said


RANGES = ("(>= x 0)", "(<= x 9)", "(>= y 0)", "(<= y 9)")
SAME = Property("same", Kind.INVARIANT, eq(X.now, Y.now))
ANY = Property("any", Kind.INVARIANT, le(num(0), X.now))


@pytest.mark.parametrize(
    "updates",
    [
        {"x": num(3)},
        {"y": num(3)},
        {"x": Y.now, "y": num(3)},
        {"x": sub(X.now, num(1))},
        {"y": sub(Y.now, num(1))},
    ],
)
def test_a_lemma_that_one_action_breaks(updates: dict[str, Expr]) -> None:
    """Also where the action changes only one of the lemma's unknowns."""
    said = refused(
        Action("one", (), lt(num(3), X.now), updates, None), SAME, *RANGES, "(= x y)"
    )
    assert said.startswith("one ")
    assert said.endswith("a lemma")


def test_an_assert_that_one_action_breaks() -> None:
    due = Obligation("assert", lt(X.now, num(5)), "x is small", None)
    said = refused(Action("one", (), TRUE, {}, None, (due,)), ANY, *RANGES, "(= x y)")
    assert said.startswith("one ")
    assert said.endswith("x is small")


def test_a_step_property_that_one_action_breaks() -> None:
    never = Property(
        "no_jump",
        Kind.STEP,
        or_(le(X.next, add(X.now, num(1))), not_(eq(X.now, num(0)))),
    )
    jump = Action("one", (), TRUE, {"x": num(7), "y": num(7)}, None)
    said = refused(jump, never, *RANGES, "(= x y)")
    assert said.startswith("one ")
    assert said.endswith("no_jump")
    ones = replace(never, action="both")
    other = replace(XY, actions=(*KEEPERS, jump))
    lemmas = (*RANGES, "(= x y)")
    assert check_certificate(other, (ones,), Certificate(lemmas, 1, (), 5)) == ""


def test_a_claim_that_does_not_follow_from_the_lemmas() -> None:
    system = replace(XY, actions=KEEPERS)
    weak = Certificate((*RANGES, "(or (= x y) (> x y))"), 1, (), 5)
    assert check_certificate(system, (SAME,), weak).endswith("same")


def test_a_lemma_that_does_not_hold_initially() -> None:
    """All actions keep x >= 1 here, and no run has it."""
    up = Action("up", (), lt(X.now, num(9)), {"x": add(X.now, num(1))}, None)
    p = Property("p", Kind.INVARIANT, le(num(1), X.now))
    false = Certificate(("(>= x 1)", *RANGES), 1, (), 5)
    said = check_certificate(replace(XY, actions=(up,)), (p,), false)
    assert "initial" in said


@pytest.mark.parametrize("k", [2, 3])
def test_a_deep_lemma_that_one_action_breaks(k: int) -> None:
    """x == y is kept by every single step, and so where it held k times."""
    lose = Action("one", (), lt(num(0), X.now), {"y": num(0)}, None)
    said = refused(lose, SAME, *RANGES, "(= x y)", k=k, base=0)
    assert "one" in said


def test_a_deep_lemma_that_fails_in_a_later_step() -> None:
    """x is 4 after four steps: k = 3 sees it in the step, k = 5 before."""
    up = Action("up", (), lt(X.now, num(9)), {"x": add(X.now, num(1))}, None)
    system = replace(XY, actions=(up,))
    p = Property("p", Kind.INVARIANT, lt(X.now, num(4)))
    for k in (1, 2, 3, 4, 5):
        false = Certificate((*RANGES, "(< x 4)"), k, (), 4)
        assert check_certificate(system, (p,), false).startswith("up"), k


@pytest.mark.parametrize("k", [0, -1])
def test_a_depth_below_one_shows_nothing(k: int) -> None:
    """No step would be looked at."""
    up = Action("up", (), lt(X.now, num(9)), {"x": add(X.now, num(1))}, None)
    p = Property("p", Kind.INVARIANT, lt(X.now, num(4)))
    false = Certificate((*RANGES, "(< x 4)"), k, (), 4)
    assert check_certificate(replace(XY, actions=(up,)), (p,), false)


def test_an_index_outside_its_table_is_no_proof() -> None:
    """What is read there must not matter: the property is not proved."""
    on, turn = switches()
    at = Variable("at", THINGS, num(0), num(2), const(THINGS, 2))
    read = Action(
        "read",
        (),
        TRUE,
        {"x": num(0)},
        None,
        (
            Obligation(
                "index", ne(at.now, const(THINGS, 2)), "on[at]: at is none", None
            ),
        ),
    )
    p = Property("p", Kind.INVARIANT, le(X.now, num(9)))
    system = TransitionSystem("read", (on, at, X), (turn, read), TRUE, {}, {})
    verdict = prove(system, (p,), Budget(seconds=20), Silent()).verdicts["p"]
    assert isinstance(verdict, Unknown)
    assert "on[at]: at is none" in verdict.reason


def test_a_property_that_reads_outside_is_not_proved() -> None:
    on, turn = switches()
    at = Variable("at", THINGS, num(0), num(2), const(THINGS, 2))
    silly = or_(select(on.now, at.now), not_(select(on.now, at.now)))
    raw = Expr("or", BOOL, (select(on.now, at.now), not_(select(on.now, at.now))))
    system = TransitionSystem("read", (on, at), (turn,), TRUE, {}, {})
    assert silly is TRUE
    p = Property("p", Kind.INVARIANT, raw)
    verdict = prove(system, (p,), Budget(seconds=20), Silent()).verdicts["p"]
    assert isinstance(verdict, Unknown)


def test_an_index_that_needs_its_own_induction_is_proved() -> None:
    """`at` is a thing once it was set; reading before is what never happens."""
    on, turn = switches()
    at = Variable("at", THINGS, num(0), num(2), const(THINGS, 2))
    ready = Variable("ready", BOOL, num(0), num(1), FALSE)
    which = local("which#set", THING_D)
    put = Action(
        "put", (Parameter("which", which),), TRUE, {"at": which, "ready": TRUE}, None
    )
    due = Obligation(
        "index", or_(not_(ready.now), ne(at.now, const(THINGS, 2))), "on[at]", None
    )
    use = Action("use", (), ready.now, {"x": num(1)}, None, (due,))
    p = Property("p", Kind.INVARIANT, le(X.now, num(1)))
    system = TransitionSystem(
        "ready", (on, at, ready, X), (turn, put, use), TRUE, {}, {}
    )
    verdict = prove(system, (p,), Budget(seconds=20), Silent()).verdicts["p"]
    assert isinstance(verdict, Holds)


def test_time_that_is_up_is_unknown() -> None:
    system, properties = pool_of_any_size(2, 2)
    outcome = prove(system, properties, Budget(seconds=0.0), Silent())
    assert all(isinstance(v, Unknown) for v in outcome.verdicts.values())


def test_an_interrupt_ends_with_what_is_known() -> None:
    system, properties = pool_of_any_size(4, 3)
    with interrupt_after(0.7):
        outcome = prove(system, properties, Budget(seconds=100), Silent())
    known = {type(v) for v in outcome.verdicts.values()}
    assert known <= {Holds, Unknown}
