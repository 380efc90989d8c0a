# SPDX-License-Identifier: GPL-2.0-only
"""TLC counts the states that our engines count, and finds what they find.

Like SPIN it shares the frontend and the IR with them only. It runs if POOLPROOF_TLC
is the class path of tla2tools.jar, which no package registry has.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from poolproof.checker.backends.c.build import compiler
from poolproof.checker.backends.foreign import Inexpressible
from poolproof.checker.backends.tla.module import configuration, module
from poolproof.checker.commands.main import main
from poolproof.checker.core import ir
from poolproof.checker.core.ir import TRUE, lt, num
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.system import Obligation, TransitionSystem, Variable
from poolproof.checker.core.verdict import Budget, Silent, Violated
from poolproof.checker.engines.explicit import explicit
from poolproof.checker.engines.native import native
from tests.common.exported import SHIPPED, counter, everything, shipped
from tests.common.random_systems import Case, cases, explore

TLC = os.environ.get("POOLPROOF_TLC", "")

needs_tlc = pytest.mark.skipif(
    not TLC or shutil.which("java") is None or compiler() is None,
    reason="POOLPROOF_TLC is not set, or java or a C compiler is missing",
)


def tlc(
    system: TransitionSystem,
    properties: tuple[Property, ...],
    at: Path,
    *more: str,
) -> tuple[int, set[str]]:
    """Return the distinct states that TLC finds, and the invariants that it finds
    violated; an assertion that fails ends it, and is named \"Assert\"."""
    (at / "M.tla").write_text(module("M", system, properties))
    (at / "M.cfg").write_text(configuration(system, properties))
    java = ["java", "-Xmx1g", "-XX:+UseSerialGC", "-cp", TLC, "tlc2.TLC"]
    done = subprocess.run(
        [*java, "-workers", "1", *more, "M"],
        cwd=at,
        capture_output=True,
        text=True,
    )
    text = done.stdout + done.stderr
    states = re.findall(r"(\d+) distinct states found", text)
    assert states, text[-2000:]
    failed = set(re.findall(r"Invariant (\w+) is violated", text))
    return int(states[-1]), failed | set(re.findall("Assert", text))


def agree(system: TransitionSystem, properties: tuple[Property, ...], at: Path) -> None:
    """TLC's count is ours, and so are the invariants that are violated. A step that
    breaks its property ends TLC, so that the others are counted without it."""
    budget = Budget(symmetry=False, threads=1)
    ours = native(system, properties, budget, Silent())
    assert ours.statistics.complete
    violated = {n for n, v in ours.verdicts.items() if isinstance(v, Violated)}
    kept = tuple(p for p in properties if not (p.kind.of_steps and p.name in violated))
    states, failed = tlc(system, kept, at, "-continue")
    assert states == ours.statistics.states
    right = {p.name for p in kept if p.kind.of_states} & violated
    assert failed <= {re.sub(r"\W", "_", name) for name in right}
    assert bool(failed) == bool(right)


@needs_tlc
@pytest.mark.slow
@pytest.mark.parametrize(("spec", "design", "bounds"), SHIPPED)
def test_a_shipped_design(
    spec: str, design: str, bounds: dict[str, int], tmp_path: Path
) -> None:
    small = shipped(spec, design, bounds)
    agree(small.system, small.properties, tmp_path)


@needs_tlc
@pytest.mark.slow
@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(case=cases())
def test_random_systems(case: Case, tmp_path_factory: pytest.TempPathFactory) -> None:
    right = explore(case.system, case.properties)
    if not right.complete or right.defects:
        return
    at = tmp_path_factory.mktemp("tlc")
    good = tuple(p for p in case.properties if not p.kind.of_steps)
    try:
        module("M", case.system, good)
    except Inexpressible as why:
        assert re.search("more than 32 bits|no initial state", str(why))
        return
    assert tlc(case.system, good, at, "-continue")[0] == right.states


@needs_tlc
@pytest.mark.slow
def test_every_operator(tmp_path: Path) -> None:
    system, properties = everything()
    ours = explicit(system, properties, Budget(symmetry=False), Silent())
    assert isinstance(ours.verdicts["grows"], Violated)
    assert tlc(system, properties[:1], tmp_path) == (ours.statistics.states, set())
    assert tlc(system, properties, tmp_path)[1] == {"Assert"}


@needs_tlc
@pytest.mark.slow
def test_what_is_wrong_with_the_model_is_an_error(tmp_path: Path) -> None:
    """A range, an obligation, an obligation of a step that is not enabled."""
    system = counter()
    n = system.variables[0].now
    assert tlc(system, (), tmp_path)[1] == {"Ranges"}
    for early in (False, True):
        due = Obligation("assert", lt(n, num(2)), "", None, early)
        guard = lt(n, num(2)) if early else lt(n, num(3))
        again = replace(counter(obligations=(due,)).actions[0], guard=guard)
        assert tlc(replace(system, actions=(again,)), (), tmp_path)[1] == {"Assert"}


def test_the_text_of_a_counter() -> None:
    """As one would write it by hand."""
    system = counter()
    n = system.variables[0].now
    up = replace(system.actions[0], guard=lt(n, num(2)))
    low = Property("low", Kind.INVARIANT, lt(n, num(2)))
    top = Property("top", Kind.REACHABLE, ir.eq(n, num(2)))
    text = module("M", replace(system, actions=(up,)), (low, top), ["how"])
    lines = text.splitlines()
    assert lines[0].strip("- ") == "MODULE M"
    assert lines[1:4] == ["\\* how", "EXTENDS Integers, FiniteSets, TLC", ""]
    assert "VARIABLES n" in lines
    assert "Ranges ==\n  /\\ n \\in (0 .. 3)\n" in text
    assert "Init ==\n  \\/ /\\ n = 0\n" in text
    assert "low == (n < 2)\n" in text
    assert "never_top == ~(n = 2)\n" in text
    assert "up ==\n  /\\ (n < 2)\n  /\\ n' = (n + 1)\n" in text
    assert "Next ==\n  \\/ up\n" in text
    assert set(lines[-1]) == {"="}
    asked = configuration(system, (low, top)).splitlines()
    assert "INVARIANT low" in asked
    assert "\\* INVARIANT never_top" in asked


def test_every_name_is_given_once() -> None:
    """A word of TLA+, an operator of the module, a name with a dot."""
    names = ("Next", "Total", "a.b", "a_b", "let_1", "UNION")
    variables = tuple(Variable(n, ir.INT, num(0), num(1), num(0)) for n in names)
    system = TransitionSystem("names", variables, (), TRUE, {}, {})
    (line,) = [x for x in module("M", system, ()).splitlines() if "VARIABLES" in x]
    given = line.removeprefix("VARIABLES ").split(", ")
    assert given == ["v_Next", "v_Total", "a_b", "a_b_", "let_1_", "v_UNION"]


def test_what_tla_cannot_say() -> None:
    wide = Variable("n", ir.INT, num(0), num(1 << 40), num(0))
    none = TransitionSystem("none", (), (), ir.FALSE, {}, {})
    for system in (TransitionSystem("wide", (wide,), (), TRUE, {}, {}), none):
        with pytest.raises(Inexpressible):
            module("M", system, ())


def test_the_file_has_the_name_of_the_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    call = ["export", "SurplusRace", "--tla"]
    assert main([*call, "-o", "Pool.tla"]) == 0
    assert "MODULE Pool -" in Path("Pool.tla").read_text()
    assert "INIT Init" in Path("Pool.cfg").read_text()
    for wrong in ("pool.txt", "my-pool.tla"):
        assert main([*call, "-o", wrong]) == 2
        assert "write Pool.tla" in capsys.readouterr().err
    assert main(call) == 0
    shown = capsys.readouterr().out
    assert "MODULE SurplusRace -" in shown
    assert shown.index("=" * 75) < shown.index("INIT Init")
