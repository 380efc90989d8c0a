# SPDX-License-Identifier: GPL-2.0-only
"""Certificates as SMT-LIB 2 files: a second solver agrees, or refutes them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from poolproof.checker.commands.main import main
from poolproof.checker.core import ir
from poolproof.checker.core.ir import INT, TRUE, num
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.system import Action, TransitionSystem, Variable
from poolproof.checker.core.verdict import Budget, Certificate, Holds, Silent
from poolproof.checker.engines.prove import check_certificate
from poolproof.checker.engines.registry import engine_of
from poolproof.checker.engines.smtlib import SmtScript, questions
from tests.agreement.test_prove import X, Y, pool_of_any_size, switches
from tests.common.random_systems import cases
from tests.common.second_solver import cvc5_says, z3_says

prove = engine_of("prove")

Claims = tuple[TransitionSystem, tuple[Property, ...], Certificate]


@cache
def pool() -> Claims:
    """The reference model's promises, and the certificate that shows them."""
    system, properties = pool_of_any_size(2, 2)
    verdicts = prove(system, properties, Budget(seconds=100), Silent()).verdicts
    held = {n: v.certificate for n, v in verdicts.items() if isinstance(v, Holds)}
    (certificate,) = {c for c in held.values() if c is not None}
    return system, tuple(p for p in properties if p.name in held), certificate


def refuted(asked: list[SmtScript]) -> list[str]:
    """The questions that cvc5 answers with a counterexample."""
    said = {q.name: cvc5_says(q.text) for q in asked}
    assert set(said.values()) <= {"sat", "unsat"}, said
    return [name.split("-", 1)[1] for name, word in said.items() if word == "sat"]


def test_both_solvers_agree_that_the_pool_keeps_its_promises() -> None:
    asked = questions(*pool())
    names = [q.name.split("-", 1)[1] for q in asked]
    assert names[0] == "initiation"
    assert "ranges" in names
    for action in pool()[0].actions:
        assert f"consecution-{action.name}" in names
    for p in pool()[1]:
        assert f"safety-{p.name}" in names
    for q in asked:
        assert "(set-info :status unsat)" in q.text
        assert q.text.count("(check-sat)") == 1
        assert cvc5_says(q.text) == "unsat", q.name
        assert z3_says(q.text) == "unsat", q.name


def test_a_certificate_without_a_conjunct_is_refuted() -> None:
    system, claimed, good = pool()
    lemmas = tuple(t for t in good.lemmas if not t.startswith("(= |usage[cg0]|"))
    assert len(lemmas) == len(good.lemmas) - 1
    poor = replace(good, lemmas=lemmas, base=len(lemmas))
    found = refuted(questions(system, claimed, poor))
    assert "safety-usage_exact" in found
    assert "safety-resv_exact" not in found
    assert check_certificate(system, claimed, poor)


def xy(*actions: Action) -> TransitionSystem:
    return TransitionSystem("xy", (X, Y), actions, TRUE, {}, {})


RANGES = ("(<= 0 x)", "(<= x 9)", "(<= 0 y)", "(<= y 9)")
SMALL = Property("small", Kind.INVARIANT, ir.le(X.now, num(3)))


def test_a_certificate_that_is_false_for_one_action_is_refuted() -> None:
    """Only `jump` leaves the lemma, and it changes x alone."""
    stay = Action("stay", (), TRUE, {"y": X.now}, None)
    jump = Action("jump", (), ir.eq(Y.now, num(2)), {"x": num(7)}, None)
    false = Certificate((*RANGES, "(<= x 3)"), 1, (), 5)
    assert refuted(questions(xy(stay, jump), (SMALL,), false)) == ["consecution-jump"]
    assert "jump" in check_certificate(xy(stay, jump), (SMALL,), false)
    assert refuted(questions(xy(stay), (SMALL,), false)) == []
    assert check_certificate(xy(stay), (SMALL,), false) == ""


def test_a_certificate_that_is_false_for_one_argument_is_refuted() -> None:
    on, turn = switches()
    system = TransitionSystem("switches", (on,), (turn,), TRUE, {}, {})
    false = Certificate(("(not |on[t1]|)",), 1, (), 1)
    assert refuted(questions(system, (), false)) == ["consecution-turn"]
    assert "turn" in check_certificate(system, (), false)


FOLLOW = Action("follow", (), TRUE, {"x": Y.now, "y": X.now}, None)


def test_lemmas_that_need_two_states() -> None:
    good = Certificate((*RANGES, "(<= x 3)"), 2, (), 4)
    asked = questions(xy(FOLLOW), (SMALL,), good)
    said = {q.name.split("-", 1)[1]: q.text for q in asked}
    assert (
        "; consecution1-follow: is there follow from an initial"
        in (said["consecution1-follow"])
    )
    assert (
        "follow-follow from states with all lemmas"
        in (said["consecution2-follow-follow"])
    )
    assert refuted(asked) == []
    assert check_certificate(xy(FOLLOW), (SMALL,), good) == ""


@pytest.mark.parametrize("k", [0, 1])
def test_a_certificate_of_too_few_states_is_refuted(k: int) -> None:
    """With k = 0 no step is looked at, so the lemma must need none."""
    false = Certificate((*RANGES, "(<= x 3)"), k, (), 4)
    names = {0: ["consecution0"], 1: ["consecution1-follow"]}
    assert refuted(questions(xy(FOLLOW), (SMALL,), false)) == names[k]
    assert check_certificate(xy(FOLLOW), (SMALL,), false)


def test_a_lemma_that_no_run_starts_with_is_refuted() -> None:
    false = Certificate((*RANGES, "(= x 1)"), 1, (), 5)
    stay = Action("stay", (), TRUE, {}, None)
    assert refuted(questions(xy(stay), (), false)) == ["initiation"]


def test_what_a_certificate_does_not_show_is_no_question() -> None:
    p = Property("p", Kind.REACHABLE, TRUE)
    with pytest.raises(ValueError, match="reachable"):
        questions(xy(FOLLOW), (p,), Certificate((), 1, (), 0))


def test_names_of_variables_meet_no_name_of_ours() -> None:
    """A system without variables, too: a function without arguments."""
    v = Variable("lemmas", INT, num(0), num(1), num(0))
    system = TransitionSystem("s", (v,), (), TRUE, {}, {})
    certificate = Certificate(("(<= 0 lemmas)", "(<= lemmas 1)"), 1, (), 2)
    assert refuted(questions(system, (), certificate)) == []
    empty = TransitionSystem("s", (), (), TRUE, {}, {})
    assert refuted(questions(empty, (), Certificate((), 1, (), 0))) == []


def test_the_size_of_a_set_of_one_is_no_sum() -> None:
    """SMT-LIB's + has two arguments or more; z3 prints and reads one."""
    one = ir.Domain(INT, 0, 0)
    v = Variable("s", ir.set_sort(one), num(0), num(1), ir.const(ir.set_sort(one), 0))
    small = Property("small", Kind.INVARIANT, ir.le(ir.card(v.now), num(1)))
    grow = Action("grow", (), ir.lt(ir.card(v.now), num(1)), {}, None)
    system = TransitionSystem("s", (v,), (grow,), TRUE, {}, {})
    assert refuted(questions(system, (small,), Certificate((), 1, (), 0))) == []


NINE = ir.Domain(INT, 0, 9)
BOTH = ir.const(ir.set_sort(NINE), 0b101)


@pytest.mark.parametrize(
    ("formula", "logic"),
    [
        (ir.le(X.now, ir.add(ir.mul(Y.now, num(2)), num(9))), "QF_LIA"),
        (ir.le(ir.mul(X.now, Y.now), num(81)), "ALL"),
        (ir.le(ir.mod(X.now, num(3)), num(1)), "ALL"),
        (ir.le(ir.div(X.now, num(3)), num(2)), "ALL"),
        (ir.le(ir.card(ir.inter(ir.single(X.now, NINE), BOTH)), num(1)), "ALL"),
    ],
)
def test_the_logic_has_all_that_is_in_the_script(formula: ir.Expr, logic: str) -> None:
    """QF_LIA has sums and multiples of unknowns, and no set of bits."""
    p = Property("p", Kind.INVARIANT, formula)
    *_, last = questions(xy(), (p,), Certificate(RANGES, 1, (), 4))
    assert f"(set-logic {logic})" in last.text


@st.composite
def claims(draw: st.DrawFn) -> Claims:
    """A random system, and lemmas of which most are no certificate."""
    case = draw(cases())
    claimed = [p for p in case.properties if p.kind in (Kind.INVARIANT, Kind.STEP)]
    outcome = prove(case.system, tuple(claimed), Budget(seconds=5), Silent())
    for p in claimed:
        verdict = outcome.verdicts[p.name]
        if isinstance(verdict, Holds) and verdict.certificate is not None:
            lemmas = list(verdict.certificate.lemmas)
            if lemmas and draw(st.booleans()):
                del lemmas[draw(st.integers(0, len(lemmas) - 1))]
            base = min(verdict.certificate.base, len(lemmas))
            changed = replace(verdict.certificate, lemmas=tuple(lemmas), base=base)
            return case.system, (p,), changed
    return case.system, tuple(claimed), Certificate((), 1, (), 0)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(claims())
def test_the_second_solver_and_the_checker_agree(some: Claims) -> None:
    wrong = check_certificate(*some)
    asked = questions(*some)
    assert bool(wrong) == bool(refuted(asked)), wrong
    assert all(z3_says(q.text) == cvc5_says(q.text) for q in asked)


def test_check_writes_the_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "proof"
    code = main(
        [
            "check",
            "bench/pool.spec",
            "--engine",
            "prove",
            "--budget",
            "30",
            "--bounds",
            "V=2,P=1",
            "--certificate",
            str(folder),
        ]
    )
    assert code in (0, 3)
    files = sorted(folder.glob("Pool.pool/*.smt2"))
    printed = " ".join(capsys.readouterr().out.split())
    assert f"certificate: {len(files)} questions in" in printed
    assert any("for any B >= 1" in path.read_text() for path in files)
    assert all(cvc5_says(path.read_text()) == "unsat" for path in files)


def test_check_says_where_there_is_no_certificate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(
        [
            "check",
            "bench/pool.spec",
            "--engine",
            "bmc",
            "--depth",
            "1",
            "--bounds",
            "V=2,P=1,B=1",
            "--certificate",
            str(tmp_path),
        ]
    )
    assert "certificate: none, nothing was proved" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
