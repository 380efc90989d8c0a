# SPDX-License-Identifier: GPL-2.0-only
"""`leadsto` and `eventually`: what they mean, how their runs are told and kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.pool import Pool
from poolproof.checker.core import ir
from poolproof.checker.core.property import Fairness, Kind
from poolproof.checker.core.verdict import Budget, Silent
from poolproof.checker.driver.check import run
from poolproof.checker.driver.judging import CheckResult
from poolproof.checker.driver.stored import replay_file
from poolproof.checker.driver.task import Request, prepare
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.reports.check import answer_run
from poolproof.checker.reports.itf import itf
from poolproof.checker.reports.trace import trace_report, trace_text
from poolproof.checker.spec import parse, parse_text, resolve

ROOT = Path(__file__).parents[2]
POOL = compile_design(Pool)
SWAP = "specs/questions/liveness_swap.spec"


def test_what_a_liveness_property_says() -> None:
    spec = parse_text("""spec "s"
        leadsto freed "all goes back":
            source "a mail"
            resv > 0 leads to resv == 0
            strongly fair munmap, fault
            fair merge
            expect violated
        eventually empty: resv == 0""")
    freed, empty = resolve(spec, POOL).properties
    assert freed.kind is empty.kind is Kind.LEADS_TO
    assert freed.title == "all goes back"
    assert freed.source == "a mail"
    assert freed.fair == (
        Fairness("munmap", True),
        Fairness("fault", True),
        Fairness("merge"),
    )
    assert freed.goal is empty.goal
    assert freed.goal is not None
    assert freed.antecedents == (freed.formula,)
    assert empty.formula is ir.TRUE
    assert not empty.fair
    assert not empty.antecedents
    assert freed.expect is not None
    assert freed.expect.verdict == "violated"


def test_the_words_of_liveness_can_be_names() -> None:
    spec = parse_text(
        'spec "s" let to = resv let fair = 1 leadsto leads: to > 0 leads to fair > to'
    )
    assert [p.name for p in resolve(spec, POOL).properties] == ["leads"]


def test_a_state_that_never_comes_is_said_to_be_vacuous() -> None:
    spec = parse_text('spec "s" leadsto a: resv > 9 leads to resv == 0')
    from poolproof.checker.engines.liveness import liveness

    small = compile_design(Pool, {"B": 1, "V": 1, "P": 1})
    outcome = liveness(
        small.system, resolve(spec, small).properties, Budget(), Silent()
    )
    assert outcome.statistics.true_antecedents == {"a": (False,)}


@pytest.fixture(scope="module")
def swap() -> CheckResult:
    planned = prepare(parse(ROOT / SWAP), Request())[1]
    return run(planned, "explicit", Budget(), Silent())


def test_a_lasso_is_told_with_its_loop(swap: CheckResult) -> None:
    (answer,) = (a for a in swap.answers if a.prop.name == "b12_reclaim")
    lines = "\n".join(answer_run(swap.task, answer))
    assert "and from step 4 on, for ever:\n  4. " in lines
    assert "and step 4 comes next, again\n" in lines
    assert "the run is fair, weakly for swap_in, weakly for swap_out" in lines


def test_a_lasso_is_kept_and_replayed(swap: CheckResult, tmp_path: Path) -> None:
    (answer,) = (a for a in swap.answers if a.prop.name == "b12_reclaim")
    assert answer.replay is not None
    loop = answer.replay.trace.loop
    path = tmp_path / "b12_reclaim.trace"
    path.write_text(trace_text(swap.task, answer))
    assert f"loop:     {loop}\n" in path.read_text()
    replayed = replay_file(str(path))
    assert replayed.replay.trace == answer.replay.trace
    found = itf(replayed.heading, swap.task.compiled.system, replayed.replay)
    assert found["loop"] == loop
    assert any("for ever" in line for line in trace_report(replayed))
