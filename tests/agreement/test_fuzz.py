# SPDX-License-Identifier: GPL-2.0-only
"""The fuzz engine: finds, shrinks, repeats itself, raises no false alarm."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from bench.pool import Pool
from poolproof.checker.core import ir
from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.verdict import (
    Budget,
    Outcome,
    Shown,
    Silent,
    Unknown,
    Violated,
)
from poolproof.checker.driver.designs import from_file
from poolproof.checker.engines.explicit import explicit
from poolproof.checker.engines.registry import engine_of
from poolproof.checker.evidence.replay import confirm, confirm_defect
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.spec import parse, resolve
from tests.common.random_designs import design_text
from tests.common.toys import Shelf

ROOT = Path(__file__).parent.parent.parent
SPEC = parse(ROOT / "bench/pool.spec")


WIDE = '''
"""A number that nobody guesses, and that stands in this module."""

from poolproof.model.language import Design, Int, action, var

SECRET = 43217


class Wide(Design):
    last = var(Int(0, 200_000))

    @action
    def choose(self, number: Int(0, 200_000)):
        self.last = number
'''


def fuzz(
    compiled: Compiled, *properties: Property, budget: Budget | None = None
) -> Outcome:
    engine = engine_of("fuzz", compiled)
    return engine(compiled.system, properties, budget or Budget(), Silent())


def no_sigbus(compiled: Compiled) -> Property:
    sigbus = compiled.system.by_name["sigbus"].now
    return Property("no_sigbus", Kind.INVARIANT, ir.not_(sigbus))


@pytest.mark.parametrize(
    ("b", "v", "p", "least", "most"),
    [
        (2, 2, 2, 5, 7),
        pytest.param(4, 4, 3, 7, 10, marks=pytest.mark.slow),
        pytest.param(8, 6, 6, 11, 18, marks=pytest.mark.slow),
    ],
)
def test_it_finds_sigbus_and_shrinks_it(
    b: int, v: int, p: int, least: int, most: int
) -> None:
    compiled = compile_design(Pool, {"B": b, "V": v, "P": p})
    prop = no_sigbus(compiled)
    verdict = fuzz(compiled, prop).verdicts["no_sigbus"]
    assert isinstance(verdict, Violated)
    assert not verdict.shortest
    assert confirm(compiled, prop, verdict.trace)
    assert least <= len(verdict.trace) <= most


def test_it_finds_witnesses_and_violations_only() -> None:
    """That a seed repeats itself is seen in what the command prints."""
    compiled = compile_design(Pool)
    properties = resolve(SPEC, compiled).properties
    outcome = fuzz(compiled, *properties, budget=Budget(seed=5))
    found = {n for n, v in outcome.verdicts.items() if isinstance(v, Shown)}
    assert found == {"no_sigbus", "full"}
    for p in properties:
        verdict = outcome.verdicts[p.name]
        if isinstance(verdict, Shown):
            confirm(compiled, p, verdict.trace)
        else:
            assert isinstance(verdict, Unknown)
            assert "random runs of up to 40 steps, seed 5" in verdict.reason
    assert all(outcome.statistics.fired.values())


def test_defects_starts_and_steps() -> None:
    compiled = compile_design(Shelf, having=("broken", "force"))
    left = compiled.system.by_name["left"]
    falls = Property("grows", Kind.STEP, ir.le(left.now, left.next), "put")
    outcome = fuzz(compiled, falls)
    verdict = outcome.verdicts["grows"]
    assert isinstance(verdict, Violated)
    assert len(verdict.trace) == 1
    confirm(compiled, falls, verdict.trace)
    kinds = {
        confirm_defect(compiled, d).failure.partition(":")[0] for d in outcome.defects
    }
    assert kinds == {"OutOfRange", "AssertionError", "OutOfDomain"}
    assert max(len(d.trace) for d in outcome.defects) <= 3


def test_time_and_depth_are_kept() -> None:
    compiled = compile_design(Pool, {"B": 4, "V": 4, "P": 3})
    prop = Property("fine", Kind.INVARIANT, ir.TRUE)
    outcome = fuzz(compiled, prop, budget=Budget(seconds=1.0, depth=3))
    verdict = outcome.verdicts["fine"]
    assert isinstance(verdict, Unknown)
    assert "of up to 3 steps" in verdict.reason
    assert "the time budget of 1 s" in verdict.reason


def test_an_interrupt_is_answered() -> None:
    class Stop(Silent):
        def progress(self, **figures: int | float | str) -> None:
            raise KeyboardInterrupt

    compiled = compile_design(Pool)
    outcome = engine_of("fuzz", compiled)(
        compiled.system, (no_sigbus(compiled),), Budget(seed=1), Stop()
    )
    assert set(outcome.verdicts) == {"no_sigbus"}


def test_it_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    compiled = compile_design(Shelf)
    fuzz(compiled, Property("fine", Kind.INVARIANT, ir.TRUE), budget=Budget(depth=4))
    assert list(tmp_path.iterdir()) == []


def test_a_seed_means_the_same_whatever_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """hypothesis likes the numbers that it finds in modules, which are changed."""
    (tmp_path / "wide.py").write_text(WIDE)
    (tmp_path / "wide.spec").write_text(
        'spec "toy" for Wide\nreachable found: last == 43217\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    compiled = compile_design(importlib.import_module("wide").Wide)
    properties = resolve(parse(tmp_path / "wide.spec"), compiled).properties
    verdict = fuzz(compiled, *properties, budget=Budget(seed=1)).verdicts["found"]
    assert isinstance(verdict, Unknown)


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(s, marks=pytest.mark.slow if s > 203 else ())
        for s in range(200, 216)
    ],
)
def test_no_false_alarm_on_random_designs(seed: int, tmp_path: Path) -> None:
    """What it says is replayed, and what the oracle says holds is not denied."""
    file = tmp_path / f"random_{seed}.py"
    file.write_text(design_text(seed))
    try:
        compiled = compile_design(from_file(str(file))[0].cls)
    except UserError:
        return  # an index that is certainly outside: refused, rightly
    system = compiled.system
    count, flag = (system.by_name[n] for n in ("count", "flag"))
    properties = (
        Property("small", Kind.INVARIANT, ir.le(count.now, ir.num(2))),
        Property("steady", Kind.STEP, ir.eq(flag.now, flag.next)),
        Property("odd", Kind.REACHABLE, ir.eq(count.now, ir.num(-7))),
    )
    budget = Budget(depth=6, seconds=20, states=3000)
    outcome = fuzz(compiled, *properties, budget=Budget(depth=6))
    known = explicit(system, properties, budget, Silent())
    for p in properties:
        verdict, truth = outcome.verdicts[p.name], known.verdicts[p.name]
        if isinstance(verdict, Shown):
            confirm(compiled, p, verdict.trace)
            assert isinstance(truth, type(verdict) | Unknown)
            if isinstance(truth, Shown):
                assert len(truth.trace) <= len(verdict.trace)
    for defect in outcome.defects:
        confirm_defect(compiled, defect)
