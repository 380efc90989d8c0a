# SPDX-License-Identifier: GPL-2.0-only
"""Which engine visits every state: counts decide, and no clock does."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from poolproof.checker.backends.c.build import compiler
from poolproof.checker.core.system import TransitionSystem
from poolproof.checker.core.verdict import Budget, Outcome, Silent
from poolproof.checker.engines import exhaustive as engine
from poolproof.checker.engines.exhaustive import exhaustive, first_states
from tests.common.pool_system import pool, pool_properties

needs_compiler = pytest.mark.skipif(compiler() is None, reason="needs a C compiler")


def answered(system: TransitionSystem) -> Outcome:
    return exhaustive(system, pool_properties(system), Budget(), Silent())


def facts(outcome: Outcome) -> object:
    """All but the seconds and the memory that were used."""
    figures = replace(outcome.statistics, seconds=0.0, memory=0)
    return outcome.engine, outcome.verdicts, outcome.defects, figures


@needs_compiler
@pytest.mark.parametrize("most", [5, 30_000])
def test_a_slow_machine_gets_the_same_answer(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = pool(2, 2, 1)
    monkeypatch.setattr(engine, "first_states", lambda _: most)
    usual = answered(system)
    begin, real = time.monotonic(), time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: begin + (real() - begin) * 1000)
    assert facts(answered(system)) == facts(usual)
    assert usual.engine == ("native" if most == 5 else "explicit")


def test_few_states_where_each_has_many_steps() -> None:
    system = pool(2, 2, 1)
    few = replace(system, actions=system.actions[:1])
    assert 30_000 >= first_states(few) > first_states(system) > 0
    assert first_states(replace(system, actions=system.actions * 100)) == 0


def test_without_a_compiler_all_is_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "compiler", lambda: None)
    monkeypatch.setattr(engine, "first_states", lambda _: 5)
    outcome = answered(pool(2, 2, 1))
    assert outcome.engine == "explicit"
    assert outcome.statistics.complete
