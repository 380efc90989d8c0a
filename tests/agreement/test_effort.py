# SPDX-License-Identifier: GPL-2.0-only
"""How far z3 comes: its own count decides, and no clock does."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import z3

from poolproof.checker.core.limits import Spent, limited, tick, work_left
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.system import TransitionSystem
from poolproof.checker.core.verdict import (
    Budget,
    Engine,
    Outcome,
    Shown,
    Silent,
    Unknown,
)
from poolproof.checker.engines import effort, symbolic
from poolproof.checker.engines import prove as inductive
from poolproof.checker.engines.bmc import bmc
from poolproof.checker.engines.prove import prove
from tests.common.pool_system import pool, pool_properties

ROOT = Path(__file__).parents[2]


def pigeons(holes: int) -> z3.Solver:
    """One pigeon more than holes: unsatisfiable, and much work."""
    solver = z3.SolverFor("QF_FD")
    at = [
        [z3.Bool(f"pigeon {p} in {h}") for h in range(holes)] for p in range(holes + 1)
    ]
    solver.add(*(z3.Or(*row) for row in at))
    for h in range(holes):
        for p in range(holes + 1):
            solver.add(*(z3.Not(z3.And(at[p][h], at[q][h])) for q in range(p)))
    return solver


def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on the clock is a thousand times as fast: as if all took that
    much longer."""
    begin, real = time.monotonic(), time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: begin + (real() - begin) * 1000)


def factors(bits: int) -> list[z3.BoolRef]:
    """Two factors of a number: z3 allocates tens of megabytes at once."""
    a, b = z3.BitVecs("a b", bits)
    least, most = z3.BitVecVal(1, bits), z3.BitVecVal(1 << bits // 2, bits)
    product = a * b == (1 << bits - 1) + 12345677
    return [product, *(z3.ULT(least, x) for x in (a, b)), z3.ULT(a, most)]


@pytest.mark.parametrize("logic", ["QF_FD", "QF_BV", ""])
def test_z3_stops_at_the_memory_that_is_left(logic: str) -> None:
    reason = "the memory budget of 2M, while solving it with z3"
    solver = z3.SolverFor(logic) if logic else z3.Solver()
    solver.add(*factors(64))
    with (
        pytest.raises(Spent, match=reason),
        limited(None, 1 << 40),
        limited(None, 2 << 20),
    ):
        effort.check(solver, 20_000_000, None)
    assert effort.check(pigeons(4), None, None) == z3.unsat
    other = z3.SolverFor("QF_FD")
    other.add(*factors(64))
    with limited(None, 1 << 30):
        assert effort.check(other, 50_000, None) == z3.unknown


def test_z3_stops_at_its_count() -> None:
    assert effort.check(pigeons(7), 100, None) == z3.unknown
    assert effort.check(pigeons(4), None, None) == z3.unsat
    assert effort.check(pigeons(4), 0, None) == z3.unknown
    assert effort.check(pigeons(4), None, 0.0) == z3.unknown


def test_a_limit_is_of_one_question_only() -> None:
    solver = pigeons(5)
    assert effort.check(solver, 1, None) == z3.unknown
    assert effort.check(solver, None, None) == z3.unsat


def test_what_z3_does_is_work() -> None:
    used = []
    for _ in range(2):
        with limited(None, work=50_000_000):
            before = work_left()
            assert effort.check(pigeons(5), None, None) == z3.unsat
            after = work_left()
        assert before is not None
        assert after is not None
        used.append(before - after)
    assert used[0] > 100
    assert abs(used[0] - used[1]) <= used[0] // 10


def test_work_ends_at_its_limit() -> None:
    with pytest.raises(Spent, match="units of work"), limited(None, work=10_000):
        tick(9_000)
        assert work_left() == 1_000
        tick(5_000)


def facts(outcome: Outcome) -> object:
    """All but seconds and memory. Of a run its length: which of several equal
    ones z3 finds depends on what this process asked it before."""
    figures = replace(outcome.statistics, seconds=0.0, memory=0)
    found = {
        name: len(v.trace) if isinstance(v, Shown) else v
        for name, v in outcome.verdicts.items()
    }
    return found, [d.message for d in outcome.defects], figures


def ask(
    engine: Engine, system: TransitionSystem, *kinds: Kind
) -> Callable[[], Outcome]:
    asked: tuple[Property, ...] = tuple(
        p for p in pool_properties(system) if p.kind in kinds
    )
    return lambda: engine(system, asked, Budget(depth=4), Silent())


def test_bmc_is_as_deep_on_a_slow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    once = ask(bmc, pool(2, 2, 2), Kind.INVARIANT, Kind.STEP)
    usual = once()
    slow(monkeypatch)
    assert facts(once()) == facts(usual)


SLOW = """
import sys, time
from poolproof.checker.commands.main import main
from poolproof.checker.engines import bmc
begin, real, factor = time.monotonic(), time.monotonic, int(sys.argv[1])
time.monotonic = lambda: begin + (real() - begin) * factor
bmc._PATIENCE = int(sys.argv[2])
bmc._INDUCTION = 10 * bmc._PATIENCE
if bmc._PATIENCE == 1:
    bmc._Deepening.ask_again = lambda *_: None
sys.exit(main(sys.argv[3:]))
"""


@pytest.mark.parametrize("patience", [1, 20_000])
def test_what_is_printed_is_the_same_on_a_slow_machine(patience: int) -> None:
    spec = ROOT / "specs/pageblock/pageblock_claim.spec"
    asked = ("check", str(spec), "--engine", "bmc", "--depth", "5")
    usual, late = (
        subprocess.run(
            (
                sys.executable,
                "-c",
                SLOW,
                factor,
                str(patience),
                *asked,
                "--budget",
                "1000000",
            ),
            capture_output=True,
            text=True,
            check=False,
        )
        for factor in ("1", "1000")
    )
    assert ("asserts: checked to depth" in usual.stdout) is (patience == 1)
    assert late.stdout == usual.stdout
    assert late.stderr == usual.stderr == ""
    assert late.returncode == usual.returncode == 3


@pytest.mark.parametrize("most", [1, 20_000_000])
def test_prove_gives_up_as_early_on_a_slow_machine(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(symbolic, "_QUERY", most)
    monkeypatch.setattr(inductive, "_SPACER", most)
    once = ask(prove, pool(2, 2, 1), Kind.INVARIANT)
    usual = once()
    assert any(isinstance(v, Unknown) for v in usual.verdicts.values()) is (most == 1)
    slow(monkeypatch)
    assert facts(once()) == facts(usual)
