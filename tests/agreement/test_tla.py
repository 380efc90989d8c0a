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
from poolproof.checker.backends.tla.expressions import TlaWriter
from poolproof.checker.backends.tla.module import configuration, module
from poolproof.checker.commands.main import main
from poolproof.checker.core import ir
from poolproof.checker.core.ir import TRUE, lt, num
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.system import (
    Action,
    Obligation,
    Parameter,
    TransitionSystem,
    Variable,
)
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
    wide = ["x " * 60]
    for long in (configuration(system, (), wide), module("M", system, (), wide)):
        assert max(map(len, long.splitlines())) <= 75
    assert configuration(system, (low, top), ["how"]).splitlines() == [
        "\\* how",
        "INIT Init",
        "NEXT Next",
        "CHECK_DEADLOCK FALSE",
        "INVARIANT Ranges",
        "INVARIANT low",
        "\\* INVARIANT never_top",
    ]


WHOLE = """
Ranges ==
  /\\ n \\in ((-1) .. 3)
  /\\ w \\in BOOLEAN
  /\\ s \\in SUBSET (0 .. 2)
  /\\ t \\in [(0 .. 2) -> (0 .. 5)]
  /\\ z \\in Int

Init ==
  \\/ /\\ n = 0
     /\\ w = TRUE
     /\\ s = {0, 2}
     /\\ t = [[any \\in (0 .. 2) |-> 1] EXCEPT ![2] = 4]
     /\\ z = 7

\\* later is not exported: leads to

act(k, w_) ==
  LET let_1 == (k + n)
      let_2 == (k + z)
  IN
  /\\ Assert((let_1 < 7), "?early? \\"\\\\\\"")
  /\\ w_
  /\\ (let_2 < 9)
  /\\ Assert((let_1 < 6), "late")
  /\\ t' = [t EXCEPT ![k] = n]
  /\\ z' = (let_2 * 2)
  /\\ UNCHANGED <<n, w, s>>
  /\\ Assert(((n < 2) \\/ (z < z')), "grows")

idle ==
  /\\ UNCHANGED <<n, w, s, t, z>>

Next ==
  \\/ \\E k \\in (0 .. 2), w_ \\in {FALSE, TRUE} : act(k, w_)
  \\/ idle

"""


def test_the_text_of_a_module() -> None:
    """A variable of each sort, an action with arguments that breaks each kind of rule,
    and one that changes nothing. As one would write it by hand."""
    start = ir.store(ir.fill(T.sort, num(1)), num(2), num(4))
    n = Variable("n", ir.INT, num(-1), num(3), num(0))
    w = Variable("w", ir.BOOL, num(0), num(1), TRUE)
    s = Variable("s", OF_THREE, num(0), num(7), ir.const(OF_THREE, 5))
    t = Variable("t", T.sort, num(0), num(5), start)
    z = Variable("z", ir.INT, None, None, num(7))
    on = ir.local("w#act", FLAGS)
    first, second = ir.add(K, n.now), ir.add(K, z.now)
    act = Action(
        "act",
        (Parameter("k", K), Parameter("w", on)),
        ir.and_(on, lt(second, num(9))),
        {"t": ir.store(t.now, K, n.now), "z": ir.mul(second, num(2)), "n": n.now},
        lt(n.now, num(2)),
        (
            Obligation("assert", lt(first, num(6)), "late", None),
            Obligation("index", lt(first, num(7)), '\tearly\xe9 "\\"', None, True),
        ),
    )
    idle = Action("idle", (), TRUE, {}, None)
    grows = Property(
        "grows", Kind.STEP, ir.or_(act.returned, lt(z.now, z.next)), action="act"
    )
    later = Property("later", Kind.LEADS_TO, TRUE, goal=TRUE)
    system = TransitionSystem("whole", (n, w, s, t, z), (act, idle), TRUE, {}, {})
    text = module("M", system, (grows, later))
    assert WHOLE in text
    assert max(map(len, text.splitlines())) <= 75


def test_the_text_of_a_module_with_nothing_in_it() -> None:
    text = module("M", TransitionSystem("none", (), (), TRUE, {}, {}), ())
    assert "\nRanges ==\n  TRUE\n" in text
    assert "\nInit ==\n  \\/ TRUE\n" in text
    assert "\nNext ==\n  FALSE /\\ UNCHANGED vars\n" in text


def test_every_name_is_given_once() -> None:
    """A word of TLA+, an operator of the module, a name with a dot."""
    names = ("Next", "Total", "a.b", "a_b", "let_1", "UNION")
    variables = tuple(Variable(n, ir.INT, num(0), num(1), num(0)) for n in names)
    system = TransitionSystem("names", variables, (), TRUE, {}, {})
    (line,) = [x for x in module("M", system, ()).splitlines() if "VARIABLES" in x]
    given = line.removeprefix("VARIABLES ").split(", ")
    assert given == ["v_Next", "v_Total", "a_b", "a_b_", "let_1_", "v_UNION"]


THREE = ir.Domain(ir.INT, 0, 2)
FLAGS = ir.Domain(ir.BOOL, 0, 1)
OF_THREE = ir.set_sort(THREE)
N, M = (Variable(n, ir.INT, num(-4), num(4), None).now for n in "nm")
B, C = (Variable(n, ir.BOOL, num(0), num(1), None).now for n in "bc")
S, R = (Variable(n, OF_THREE, num(0), num(7), None).now for n in "sr")
K, X = (ir.local(n, THREE) for n in "kx")
T = ir.var("t", ir.table_sort((THREE,), ir.INT))
U = ir.var("u", ir.table_sort((THREE, FLAGS), ir.BOOL))
W = ir.var("w", ir.table_sort((THREE,), OF_THREE))
SUM = ir.add(N, M)
NEXT, FURTHER = ir.add(K, N), ir.add(X, N)

AS_TLA: tuple[tuple[ir.Expr, str], ...] = (
    (num(3), "3"),
    (num(0), "0"),
    (num(-3), "(-3)"),
    (TRUE, "TRUE"),
    (ir.FALSE, "FALSE"),
    (ir.const(OF_THREE, 5), "{0, 2}"),
    (ir.var("n", ir.INT, True), "n'"),
    (ir.not_(B), "(~b)"),
    (ir.and_(B, C), "(b /\\ c)"),
    (ir.or_(B, C), "(b \\/ c)"),
    (ir.eq(N, M), "(n = m)"),
    (lt(N, M), "(n < m)"),
    (ir.le(N, M), "(n <= m)"),
    (SUM, "(n + m)"),
    (ir.sub(N, M), "(n - m)"),
    (ir.mul(N, M), "(n * m)"),
    (ir.div(N, num(2)), "(n \\div 2)"),
    (ir.mod(N, num(2)), "(n % 2)"),
    (ir.min_(N, M), "Least(n, m)"),
    (ir.max_(N, M), "Greatest(n, m)"),
    (ir.ite(B, N, M), "(IF b THEN n ELSE m)"),
    (ir.member(K, S), "(k \\in s)"),
    (ir.union(S, R), "(s \\union r)"),
    (ir.inter(S, R), "(s \\cap r)"),
    (ir.diff(S, R), "(s \\ r)"),
    (ir.single(K, THREE), "{k}"),
    (ir.single(N, THREE), "({n} \\cap (0 .. 2))"),
    (ir.card(S), "Cardinality(s)"),
    (ir.select(T, K), "t[k]"),
    (ir.select(T, N), "Read(t, n, 0)"),
    (ir.select(W, N), "Read(w, n, {})"),
    (ir.select(U, K, B), "u[<<k, b>>]"),
    (ir.select(U, N, B), "Read(u, <<n, b>>, FALSE)"),
    (ir.store(T, K, N), "[t EXCEPT ![k] = n]"),
    (ir.Expr("store", T.sort, (T, N, M)), "Write(t, n, m)"),
    (ir.store(U, K, B, C), "[u EXCEPT ![<<k, b>>] = c]"),
    (ir.fill(T.sort, M), "[any \\in (0 .. 2) |-> m]"),
    (ir.fill(U.sort, C), "[any \\in (0 .. 2) \\X {FALSE, TRUE} |-> c]"),
    (
        ir.aggregate("sum", X, ir.select(T, X)),
        "Total([each_1 \\in (0 .. 2) |-> t[each_1]])",
    ),
    (
        ir.aggregate("all", X, lt(FURTHER, M)),
        "(\\A each_1 \\in (0 .. 2) : ((each_1 + n) < m))",
    ),
    (
        ir.aggregate("any", X, lt(ir.mul(FURTHER, FURTHER), M)),
        "(\\E each_1 \\in (0 .. 2) : "
        "(LET let_2 == (each_1 + n) IN ((let_2 * let_2) < m)))",
    ),
    (ir.aggregate("setof", X, lt(X, N)), "{each_1 \\in (0 .. 2) : (each_1 < n)}"),
    (ir.mul(SUM, SUM), "(LET let_1 == (n + m) IN (let_1 * let_1))"),
    (
        ir.and_(lt(ir.mul(SUM, SUM), NEXT), lt(NEXT, M)),
        "(LET let_1 == (n + m)  let_2 == (k + n) IN "
        "(((let_1 * let_1) < let_2) /\\ (let_2 < m)))",
    ),
)
"""Each operator as "Specifying Systems" has it, chapter 16."""


@pytest.mark.parametrize(
    ("e", "text"), AS_TLA, ids=[f"{k}-{e.op}" for k, (e, _) in enumerate(AS_TLA)]
)
def test_each_operator_is_written_as_tla_has_it(e: ir.Expr, text: str) -> None:
    names = {name: name for name in "nmbcsrtuw"}
    assert TlaWriter(names, {K: "k"}).text(e) == text


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
