"""Induction: what it proves is true, and a certificate is really checked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from bench.pool import Pool
from checker.engines.prove import check_certificate, prove
from checker.frontend import compile_design
from checker.ir import INT, TRUE, add, eq, ite, le, lt, not_, num, sub
from checker.property import Kind, Property
from checker.spec import parse, resolve
from checker.system import Action, TransitionSystem, Variable
from checker.verdict import Budget, Holds, Silent, Unknown
from tests.random_systems import Case, cases, explore

TRUE_INVARIANTS = ("resv_exact", "free_exact", "usage_exact", "resv_backed")
HELPERS = ("dead_is_empty", "live_is_charged", "none_beyond_length")


def pool_of_any_size(v: int, p: int) -> tuple[TransitionSystem, tuple[Property, ...]]:
    compiled = compile_design(Pool, {"V": v, "P": p}, symbolic=frozenset({"B"}))
    resolved = resolve(parse("bench/pool.spec"), compiled)
    wanted = TRUE_INVARIANTS + HELPERS
    mine = [p for p in resolved.properties if p.name in wanted]
    return compiled.system, (*mine, *resolved.obligations)


def never() -> bool:
    return False


@pytest.mark.parametrize(("v", "p"), [(2, 2), (4, 3)])
def test_pool_for_any_b(v: int, p: int) -> None:
    system, properties = pool_of_any_size(v, p)
    verdicts = prove(system, properties, Budget(seconds=100), Silent()).verdicts
    for name in TRUE_INVARIANTS:
        verdict = verdicts[name]
        assert isinstance(verdict, Holds) and not verdict.exhaustive
        assert verdict.certificate is not None
        assert verdict.certificate.params == ("B",)


def test_a_certificate_with_a_lemma_too_few_is_refused() -> None:
    system, properties = pool_of_any_size(2, 2)
    verdicts = prove(system, properties, Budget(seconds=100), Silent()).verdicts
    holds = verdicts["resv_exact"]
    assert isinstance(holds, Holds) and holds.certificate is not None
    good = holds.certificate
    assert check_certificate(system, properties, good, never) == ""
    kept = tuple(t for t in good.lemmas if "resv" not in t)
    assert len(kept) < len(good.lemmas)
    poor = replace(good, lemmas=kept, base=len(kept))
    assert check_certificate(system, properties, poor, never) == ""
    half = tuple(t for t in good.lemmas if "length" not in t or "resv" in t)
    weak = replace(good, lemmas=half, base=len(half))
    assert "lemma" in check_certificate(system, properties, weak, never)
    false = replace(good, lemmas=("(= resv 1)",), base=1)
    assert "initial" in check_certificate(system, properties, false, never)


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
            assert name not in truth.found and not truth.defects


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
    assert "jump" in reason and "x != 7" in reason


def test_what_only_a_stronger_invariant_shows() -> None:
    """Spacer finds x <= y by itself, or the answer is unknown; never wrong."""
    both = Action("both", (), lt(Y.now, num(9)),
                  {"x": ite(eq(X.now, Y.now), add(X.now, num(1)), X.now),
                   "y": add(Y.now, num(1))}, None)  # fmt: skip
    p = Property("p", Kind.INVARIANT, le(sub(X.now, Y.now), num(0)))
    assert asked(p, both).startswith(("k=", "not inductive"))
