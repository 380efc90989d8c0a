# SPDX-License-Identifier: GPL-2.0-only
"""Scenarios at open sizes: programs and design at given sizes are what they are at
open ones, and no formula is proved that a search refutes."""

from __future__ import annotations

from dataclasses import replace
from itertools import product as pairs

import pytest

from poolproof.checker.backends.python import predicates
from poolproof.checker.commands.main import main
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.verdict import Budget, Silent
from poolproof.checker.driver.designs import designs_named
from poolproof.checker.driver.least_formula import LinearForm
from poolproof.checker.driver.least_proof import LeastProof, prove_least
from poolproof.checker.driver.size import SizeTask, find_size
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.passes.close import close, closing_of
from poolproof.checker.spec import Spec, parse, parse_text
from poolproof.checker.spec.open_scenario import open_product, open_programs
from poolproof.checker.spec.scenario import product, programs
from tests.common.open_designs import Booked
from tests.common.same_steps import same_steps

UPGRADE = """
    task old:
        reserve(r0, P)
        repeat p in 0..P - 1: take(r0, p)
        signal up
        await ready
        give_back(r0)
    task new:
        await up
        reserve(r1, P)
        repeat p in 0..P - 1: take(r1, p)
        signal ready
"""

MIXED = """
    task old:
        repeat p in 1..2: { reserve(r0, _) give_back(r0) }
        repeat p in 2..P: take(r0, p - 1)
        signal up
    task new: reserve(r1, 1..P) await up repeat p in 0..P - 1: take(r1, _)
    environment take(_, 0..P - 1), give_back(r1)
    anytime reserve(r0, P)
"""


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        (UPGRADE, {"P": 1, "B": 2}),
        (UPGRADE, {"P": 3, "B": 5}),
        (MIXED, {"P": 2, "B": 3}),  # with P = 1, old has no call of take
        (MIXED, {"P": 3, "B": 4}),
    ],
)
def test_programs_at_open_sizes_are_those_at_each_size(
    text: str, sizes: dict[str, int]
) -> None:
    spec = parse_text(f'spec "s" scenario a: {text}')
    (scenario,) = spec.scenarios
    compiled = compile_design(Booked, sizes)
    closed = product(compiled, programs(scenario, spec, compiled), ())
    left_open = compile_design(Booked, {}, (), (), frozenset(sizes), True)
    found = open_programs(scenario, spec, left_open)
    whole = open_product(left_open.system, found, ())
    closing = closing_of(whole.system, sizes)
    states = same_steps(closed.system, close(whole.system, closing), 200)
    mine = predicates(closed.system, [p.formula for p in closed.properties])
    other = predicates(
        closed.system, [closing.expr(p.formula) for p in whole.properties]
    )
    assert all(mine(state) == other(state) for state in states)
    assert len(states) > 4
    assert whole.ends == (text is UPGRADE)


def test_a_repeat_of_open_length_has_one_call() -> None:
    text = "task old: repeat p in 0..P - 1: { take(r0, p) give_back(r0) }"
    spec = parse_text(f'spec "s" scenario a: {text}')
    left_open = compile_design(Booked, {}, (), (), frozenset("P"), True)
    with pytest.raises(UserError, match="one call as its body"):
        open_programs(spec.scenarios[0], spec, left_open)


@pytest.fixture(scope="module")
def booked(tmp_path_factory: pytest.TempPathFactory) -> SizeTask:
    path = tmp_path_factory.mktemp("booked") / "booked.scenario"
    path.write_text(
        'spec "booked" bounds V = 2 let half = 1 '
        "let taken_pages = count(r in ROWS, p in PLACES: taken[r, p]) "
        "invariant pool: free + taken_pages == B "
        "invariant promised: reserved + taken_pages == sum(r in ROWS: size[r]) "
        f"scenario a: size B = 0..2 * P + 2 {UPGRADE}"
        "scenario b: size B = 0..P + 1 task old: reserve(r0, P)"
    )
    spec: Spec = parse(str(path))
    (known,) = designs_named("tests.common.open_designs:Booked")
    return SizeTask(spec.scenarios[0], spec, known)


def proof_of(task: SizeTask, factor: int, constant: int) -> LeastProof:
    formula = LinearForm(("P",), (factor,), constant)
    return prove_least(task, (("P", range(1, 3)),), formula, 60)


def test_a_formula_is_proved(booked: SizeTask) -> None:
    one = replace(booked, scenario=booked.spec.scenarios[1])
    assert proof_of(one, 1, 0) == LeastProof({"P": 1}, "", "")


def test_a_size_that_there_may_not_be_is_not_asked_of(booked: SizeTask) -> None:
    one = replace(booked, scenario=booked.spec.scenarios[1])
    proof = proof_of(one, 1, -2)
    assert proof.enough == proof.needed == "only where P + -2 >= 0"


@pytest.mark.slow
@pytest.mark.parametrize(("factor", "constant"), [*pairs((1, 2, 3), (-1, 0, 1))])
def test_no_formula_is_proved_that_a_search_refutes(
    booked: SizeTask, factor: int, constant: int
) -> None:
    proof = proof_of(booked, factor, constant)
    wrong: set[str] = set()
    for pages in (1, 2, 3):
        size = factor * pages + constant
        task = SizeTask(booked.scenario, booked.spec, booked.known, {"P": pages})
        for at in find_size(
            task.within(range(max(size - 1, 0), size + 1)), Budget(), Silent()
        ).sizes:
            if at.guaranteed and at.size < size:
                wrong.add("needed")
            elif not at.guaranteed and at.size == size:
                wrong.add("enough")
    assert not ("enough" in wrong and not proof.enough)
    assert not ("needed" in wrong and not proof.needed)
    assert bool(wrong) == ((factor, constant) != (2, 0))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scenario", "design", "formula"),
    [
        ("hugetlb", "Hugetlb", "2 * P"),
        ("hugetlb_handed_over", "Hugetlb", "P"),
        ("files", "GuestMemfd", "2 * P"),
        ("mappings", "ReservedThp", "2 * P"),
        ("mappings", "ReservedThpPlanned", "2 * P"),
    ],
)
def test_what_an_upgrade_takes_is_proved_for_any_number_of_pages(
    scenario: str, design: str, formula: str, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["size", "hot_upgrade", "--scenario", scenario, "--design", design]
    assert main([*call, "--any", "P=1..3,cold=1..2"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert f"{scenario} on {design}: blocks = {formula} fitted to 6 sizes" in text
    assert "Inductive for any P >= 1, cold >= 1: this many succeed, and" in text
