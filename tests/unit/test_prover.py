# SPDX-License-Identifier: GPL-2.0-only
"""What the prover says: its verdicts, its reasons and its certificates."""

from __future__ import annotations

from dataclasses import replace

import pytest

from poolproof.checker.core import ir
from poolproof.checker.core.ir import (
    FALSE,
    INT,
    TRUE,
    Domain,
    Expr,
    add,
    eq,
    le,
    local,
    lt,
    num,
    param,
)
from poolproof.checker.core.limits import limited
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
    Certificate,
    Holds,
    Outcome,
    Silent,
    Unknown,
    Verdict,
)
from poolproof.checker.engines import prove as module
from poolproof.checker.engines.prove import check_certificate, prove

X = Variable("x", INT, num(0), num(9), num(0))
Y = Variable("y", INT, num(0), num(9), num(0))
N = local("n#up", Domain(INT, 1, 2))
UP = Action("up", (), lt(X.now, num(9)), {"x": add(X.now, num(1))}, None)
BOTH = Action(
    "both",
    (),
    lt(X.now, num(9)),
    {"x": add(X.now, num(1)), "y": add(Y.now, num(1))},
    None,
)


def run(
    *properties: Property,
    actions: tuple[Action, ...] = (BOTH,),
    initial: Expr = TRUE,
) -> Outcome:
    system = TransitionSystem("xy", (X, Y), actions, initial, {}, {})
    return prove(system, properties, Budget(seconds=100), Silent())


def asked(formula: Expr, *actions: Action) -> Verdict:
    p = Property("p", Kind.INVARIANT, formula)
    return run(p, actions=actions or (BOTH,)).verdicts["p"]


def reason(formula: Expr, *actions: Action) -> str:
    verdict = asked(formula, *actions)
    assert isinstance(verdict, Unknown)
    return verdict.reason


def test_an_inductive_invariant_has_a_certificate() -> None:
    verdict = asked(eq(X.now, Y.now))
    assert isinstance(verdict, Holds)
    assert not verdict.exhaustive
    certificate = verdict.certificate
    assert certificate is not None
    assert (certificate.k, certificate.params) == (1, ())
    assert certificate.base == len(certificate.lemmas) == 5  # four ends of ranges
    system = TransitionSystem("xy", (X, Y), (BOTH,), TRUE, {}, {})
    p = Property("p", Kind.INVARIANT, eq(X.now, Y.now))
    assert check_certificate(system, (p,), certificate) == ""


def test_two_that_need_each_other_are_shown_together() -> None:
    swap = Action("swap", (), TRUE, {"x": Y.now, "y": X.now}, None)
    x, y = (Property(v.name, Kind.INVARIANT, le(v.now, num(3))) for v in (X, Y))
    verdicts = run(x, y, actions=(swap,)).verdicts
    assert all(isinstance(v, Holds) for v in verdicts.values())


def test_what_is_violated_is_not_shown_and_the_reason_says_why() -> None:
    said = reason(le(X.now, num(5)), UP)
    assert said.startswith("not inductive: up does not keep x <= 5, e.g. up() where")
    assert said.endswith("; some run violates it (ask engine bmc for one)")
    assert reason(le(num(1), X.now), UP) == (
        "not inductive: an initial state violates it"
    )


def test_a_range_that_is_not_kept_is_a_reason_for_all() -> None:
    over = Action("over", (), TRUE, {"x": add(X.now, num(1))}, None)
    fine = Property("fine", Kind.INVARIANT, le(Y.now, num(9)))
    step = Property("step", Kind.STEP, le(X.now, X.next))
    seen = Property("seen", Kind.REACHABLE, eq(X.now, num(1)))
    verdicts = run(fine, step, seen, actions=(over,)).verdicts
    why = "not inductive: over does not keep the range of x"
    assert verdicts["fine"] == verdicts["step"] == Unknown(why)
    assert verdicts["seen"] == Unknown("induction cannot prove what is reached")


def test_what_induction_does_not_show() -> None:
    later = Property("later", Kind.LEADS_TO, TRUE, goal=eq(X.now, num(9)))
    seen = Property("seen", Kind.REACHABLE, eq(X.now, num(1)))
    fine = Property("fine", Kind.INVARIANT, eq(X.now, Y.now))
    verdicts = run(later, seen, fine).verdicts
    assert verdicts["later"] == Unknown("induction cannot prove what follows")
    assert verdicts["seen"] == Unknown("induction cannot prove what is reached")
    assert isinstance(verdicts["fine"], Holds)


def test_step_properties_of_one_action_and_of_all() -> None:
    down = Action("down", (), lt(num(0), X.now), {"x": add(X.now, num(-1))}, None)
    jump = Action(
        "jump", (Parameter("n", N),), lt(X.now, num(8)), {"x": add(X.now, N)}, None
    )
    grows = le(X.now, X.next)
    by_one = eq(X.next, add(X.now, num(1)))
    properties = (
        Property("all_grow", Kind.STEP, grows),
        Property("up_grows", Kind.STEP, grows, "up"),
        Property("jump_grows", Kind.STEP, grows, "jump"),
        Property("jump_by_one", Kind.STEP, by_one, "jump"),
        Property("jump_by_n", Kind.STEP, eq(X.next, add(X.now, N)), "jump"),
    )
    verdicts = run(*properties, actions=(UP, jump, down)).verdicts
    for name in ("up_grows", "jump_grows", "jump_by_n"):
        assert isinstance(verdicts[name], Holds), name
    assert verdicts["all_grow"] == Unknown(
        "not inductive: down does not keep it, e.g. down()"
    )
    assert verdicts["jump_by_one"] == Unknown(
        "not inductive: jump does not keep it, e.g. jump(2)"
    )


def test_what_two_steps_show() -> None:
    swap = Action("swap", (), TRUE, {"x": Y.now, "y": X.now}, None)
    verdict = asked(le(X.now, num(3)), swap)
    assert isinstance(verdict, Holds)
    assert verdict.certificate is not None
    certificate = verdict.certificate
    assert verdict == Holds(False, certificate=certificate)
    assert (certificate.k, certificate.base) == (2, len(certificate.lemmas) - 1)


def test_spacer_finds_what_is_missing() -> None:
    both = replace(BOTH, guard=ir.and_(lt(X.now, num(9)), lt(Y.now, num(5))))
    other = Action("other", (), TRUE, {"x": X.now}, None)
    with limited(100):
        verdict = asked(le(X.now, num(5)), both, other)
    assert isinstance(verdict, Holds)
    assert verdict.certificate is not None
    assert verdict.certificate.k == 1
    assert verdict == Holds(False, certificate=verdict.certificate)


def test_an_assert_that_the_guard_implies() -> None:
    due = Obligation("assert", lt(X.now, num(9)), "x is not 9", None)
    verdict = asked(le(num(0), X.now), replace(UP, obligations=(due,)))
    assert isinstance(verdict, Holds)
    early = replace(due, early=True)
    assert reason(le(num(0), X.now), replace(UP, obligations=(early,))) == (
        "not inductive: up does not keep: x is not 9"
    )


def test_an_assert_that_needs_a_lemma_of_its_own() -> None:
    """x + n <= 9 for both n, because x stops at 7: nobody asks for that."""
    due = Obligation("assert", le(add(X.now, N), num(9)), "fits", None)
    use = Action("use", (Parameter("n", N),), TRUE, {"y": N}, None, (due,))
    up = replace(UP, guard=lt(X.now, num(7)))
    assert isinstance(asked(le(num(0), X.now), up, use), Holds)
    further = replace(UP, guard=lt(X.now, num(8)))
    assert reason(le(num(0), X.now), further, use) == (
        "not inductive: use does not keep: fits"
    )


def test_an_open_size() -> None:
    size = param("B")
    x = Variable("x", INT, num(0), size, num(0))
    up = replace(UP, guard=lt(X.now, size))
    system = TransitionSystem("open", (x,), (up,), TRUE, {"B": 1}, {})
    fine = Property("fine", Kind.INVARIANT, le(X.now, size))
    small = Property("small", Kind.INVARIANT, le(X.now, num(5)))
    verdicts = prove(system, (fine, small), Budget(seconds=100), Silent()).verdicts
    assert isinstance(verdicts["fine"], Holds)
    assert verdicts["fine"].certificate is not None
    assert verdicts["fine"].certificate.params == ("B",)
    assert isinstance(verdicts["small"], Unknown)


def test_what_never_happens() -> None:
    idle = Action("idle", (), lt(X.now, Y.now), {"y": num(0)}, None)
    same = Property(
        "same",
        Kind.INVARIANT,
        eq(X.now, Y.now),
        antecedents=(lt(X.now, Y.now), eq(X.now, num(3))),
    )
    step = Property(
        "step",
        Kind.STEP,
        le(X.now, X.next),
        "both",
        antecedents=(eq(X.next, num(1)), lt(X.next, X.now)),
    )
    said = run(same, step, actions=(BOTH, idle)).statistics
    assert 0 < said.seconds < 60
    assert not said.no_start
    assert said.impossible == {"idle"}
    assert said.true_antecedents == {"same": (False, True), "step": (True, False)}
    said = run(same, initial=FALSE).statistics
    assert said.no_start
    said = run(same, initial=eq(X.now, num(0))).statistics
    assert not said.no_start


def test_the_time_is_up() -> None:
    fine = Property("fine", Kind.INVARIANT, eq(X.now, Y.now))
    with limited(0.0):
        verdict = run(fine).verdicts["fine"]
    assert verdict == Unknown("the time budget of 0 s, while building the formula")


@pytest.mark.parametrize("lemma", ["(= x y)", "(and (= x y) (>= x 0))"])
def test_a_lemma_is_read_from_its_text(lemma: str) -> None:
    system = TransitionSystem("xy", (X, Y), (BOTH,), TRUE, {}, {})
    p = Property("p", Kind.INVARIANT, eq(X.now, Y.now))
    ranges = ("(>= x 0)", "(<= x 9)", "(>= y 0)", "(<= y 9)")
    good = Certificate((*ranges, lemma), 1, (), 5)
    assert check_certificate(system, (p,), good) == ""
    without = Certificate(ranges, 1, (), 4)
    assert check_certificate(system, (p,), without) == "does not keep p"
    few = Certificate(ranges[1:], 1, (), 3)
    assert check_certificate(system, (), few) == "does not keep a declared range"


def test_all_arguments_are_checked() -> None:
    jump = Action(
        "jump", (Parameter("n", N),), lt(X.now, num(8)), {"x": add(X.now, N)}, None
    )
    system = TransitionSystem("jumps", (X,), (jump,), TRUE, {}, {})
    even = Certificate(("(>= x 0)", "(<= x 9)", "(= (mod x 2) 0)"), 1, (), 3)
    p = Property("p", Kind.INVARIANT, eq(ir.mod(X.now, num(2)), num(0)))
    assert check_certificate(system, (p,), even) == "jump does not keep a lemma"


def test_nothing_is_shown_by_a_certificate_that_is_not_confirmed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = "it is not so"
    monkeypatch.setattr(module, "check_certificate", lambda *_: said)
    assert reason(eq(X.now, Y.now)) == f"the certificate was not confirmed: {said}"
    swap = Action("swap", (), TRUE, {"x": Y.now, "y": X.now}, None)
    assert isinstance(asked(le(X.now, num(3)), swap), Unknown)
    both = replace(BOTH, guard=ir.and_(lt(X.now, num(9)), lt(Y.now, num(5))))
    assert reason(le(X.now, num(5)), both).endswith(
        f"; spacer's certificate was not confirmed: {said}"
    )


def test_what_is_left_when_the_time_is_up_is_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "left", lambda: 0.0)
    verdicts = run(
        Property("same", Kind.INVARIANT, eq(X.now, Y.now)),
        Property("small", Kind.INVARIANT, le(X.now, num(5))),
    ).verdicts
    assert isinstance(verdicts["same"], Holds)
    assert verdicts["small"] == Unknown("time is up")


def test_too_many_paths_are_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine of two steps: Spacer shows it in another way."""
    swaps = tuple(
        Action(f"swap{k}", (), TRUE, {"x": Y.now, "y": X.now}, None) for k in range(3)
    )
    for most, k in ((9, 2), (8, 1)):
        monkeypatch.setattr(module, "_PATHS", most)
        verdict = asked(le(X.now, num(3)), *swaps)
        assert isinstance(verdict, Holds)
        assert verdict.certificate is not None
        assert verdict.certificate.k == k


def test_nothing_is_guessed_where_nothing_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked_for: list[TransitionSystem] = []

    def guess(system: TransitionSystem) -> dict[str, tuple[Expr, ...]]:
        asked_for.append(system)
        return {"x is y": (eq(X.now, Y.now),)}

    monkeypatch.setattr(module, "guesses", guess)
    assert isinstance(asked(eq(X.now, Y.now), UP, BOTH), Unknown)
    assert asked_for
    asked_for.clear()
    verdict = run(
        Property("same", Kind.INVARIANT, eq(X.now, Y.now)),
    ).verdicts["same"]
    assert isinstance(verdict, Holds)
    assert asked_for == []
    few = replace(BOTH, guard=ir.and_(lt(X.now, num(9)), lt(Y.now, num(5))))
    verdict = asked(le(X.now, num(5)), few)
    assert isinstance(verdict, Holds)
    assert verdict.certificate is not None
    assert asked_for
    assert "(= x y)" in verdict.certificate.lemmas


def test_an_assumption_that_cuts_nothing_is_known() -> None:
    """y is x, so it is never above; x is 9 at last, and then the other one cuts."""
    cutting = (
        Assumption("y is not above", lt(X.now, Y.now)),
        Assumption("x is below 9", eq(X.now, num(9))),
    )
    both = replace(BOTH, assumptions=cutting)
    same = Property("same", Kind.INVARIANT, eq(X.now, Y.now))
    found = run(same, actions=(both,))
    assert isinstance(found.verdicts["same"], Holds)
    assert found.statistics.unneeded == {"y is not above"}


def test_a_bound_and_a_variable_may_have_one_name() -> None:
    x = Variable("x", INT, num(0), param("x"), num(0))
    up = Action("up", (), lt(x.now, param("x")), {"x": add(x.now, num(1))}, None)
    system = TransitionSystem("one name", (x,), (up,), TRUE, {"x": 1}, {})
    within = Property("within", Kind.INVARIANT, le(x.now, param("x")))
    low = Property("low", Kind.INVARIANT, lt(x.now, param("x")))
    found = prove(system, [within, low], Budget(seconds=100), Silent())
    assert isinstance(found.verdicts["within"], Holds)
    assert isinstance(found.verdicts["low"], Unknown)
    assert not found.statistics.no_start
