# SPDX-License-Identifier: GPL-2.0-only
"""A budget of time or memory binds every engine in every phase."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest

from poolproof.checker.backends.c.build import compiler
from poolproof.checker.commands.main import main
from poolproof.checker.core import limits
from poolproof.checker.core.limits import Spent, doing, limited, overtime, tick
from poolproof.checker.core.verdict import Budget, Outcome, Silent, Unknown, Violated
from poolproof.checker.driver.check import run
from poolproof.checker.driver.task import Request, prepare
from poolproof.checker.engines import registry
from poolproof.checker.spec import parse
from tests.common.tiers import cpu_seconds

LATE = 8.0
"""Seconds of CPU that a run may take with its budget of one or two: prepare, search
and overtime. A machine that is busy with other things does not count."""

DESIGNS = """\
from poolproof.model.language import *

V = Bound("V", 2)
VMAS = Scalarset("VMAS", V, prefix="v")


class Nested(Design):
    t = table(Int(0, 2), Bool())

    @action
    def flip(self, at: Int(0, 2)):
        self.t[at] = not self.t[at]


class Pair(Design):
    x = var(Int(0, 4095))

    @action
    def put(self, a: Int(0, 4095), b: Int(0, 4095)):
        require(a < b)
        self.x = a


class Wide(Design):
    x = table(VMAS, Int(0, 1))
    m = table(VMAS, Maybe(VMAS))

    @action
    def put(self, v: VMAS, w: VMAS):
        require(self.m[v] is None)
        self.m[v] = w
        for u in VMAS:
            if self.m[u] == v:
                self.x[u] = 1


class Factors(Design):
    p = var(Int(2, 1_000_000), init=ANY)
    q = var(Int(2, 1_000_000), init=ANY)

    @action
    def stay(self):
        self.p = self.p


class Pool(Design):
    free = var(Int(0, V), init=V)

    @action
    def take(self) -> bool:
        if self.free == 0:
            return False
        self.free -= 1
        return True
"""

NAMES = [f"a{k}" for k in range(14)]
NESTED = (
    "".join(f"all({n} in 0..2: " for n in NAMES)
    + f"t[({' + '.join(NAMES)}) % 3]"
    + ")" * len(NAMES)
)
SPECS = {
    "nested": f'spec "n"\nfor Nested\ninvariant deep: {NESTED} or true\n'
    f"invariant false_at_once: {NESTED}\n",
    "pair": 'spec "p"\nfor Pair\ninvariant low: x <= 4095\n',
    "factors": 'spec "f"\nfor Factors\ninvariant prime: p * q != 999999000001\n',
    "wide": 'spec "w"\nfor Wide\ninvariant low: all(v in VMAS: x[v] <= 1)\n',
}
SCENARIO = """\
spec "s"
for Pool
scenario two "two pages":
    size V = {}
    task one: take() take()
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "big.py").write_text(DESIGNS)
    for name, text in SPECS.items():
        (tmp_path / f"{name}.spec").write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    """The command, which must not take much longer than its budget."""
    begin = cpu_seconds()
    code = main(argv)
    taken = cpu_seconds() - begin
    out, err = capsys.readouterr()
    assert taken < LATE, (taken, out, err)
    return code, " ".join(out.split()), err


ENGINES = [row.name for row in registry.choices() if row.name != "native" or compiler()]


@pytest.mark.parametrize("engine", ["auto", *ENGINES])
@pytest.mark.parametrize("name", ["nested", "pair"])
def test_what_is_too_large_is_unknown(
    name: str, engine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(
        capsys,
        "check",
        f"{name}.spec",
        "--design",
        "big.py",
        "--engine",
        engine,
        "--budget",
        "1",
    )
    assert (code, err) in ((3, ""), (1, ""))
    settled = ("the time budget of 1 s", "violated after 0 steps", "inductive")
    assert any(words in out for words in settled)


@pytest.mark.parametrize("engine", ["auto", *ENGINES])
@pytest.mark.parametrize("size", [65, 300])
def test_many_elements(
    size: int, engine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unrolling, symmetry, writing C and building formulas, each too long."""
    code, out, err = call(
        capsys,
        "check",
        "wide.spec",
        "--design",
        "big.py",
        "--engine",
        engine,
        "--budget",
        "1",
        "--bounds",
        f"V={size}",
    )
    assert code == 3, err
    assert "the time budget of 1 s" in out + err


def test_the_frontend(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(
        capsys,
        "check",
        "wide.spec",
        "--design",
        "big.py",
        "--bounds",
        "V=4096",
        "--budget",
        "1",
    )
    assert (code, out) == (3, "")
    assert err == (
        "wide.spec: nothing is known: the time budget of 1 s, while compiling the "
        "design\n"
    )


def test_a_formula_of_a_large_design(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(
        capsys,
        "check",
        str(ROOT / "specs/reserved_thp/reserved_thp_vma_mremap.spec"),
        "--engine",
        "prove",
        "--budget",
        "1",
    )
    assert (code, err) == (3, "") or "while compiling the design" in err
    assert "the time budget of 1 s" in out + err


ROOT = Path(__file__).parents[2]


def test_sizes_without_end(capsys: pytest.CaptureFixture[str]) -> None:
    Path("s.spec").write_text(SCENARIO.format("0..4096"))
    code, out, err = call(
        capsys, "size", "s.spec", "--design", "big.py:Pool", "--budget", "1"
    )
    assert (code, err) == (3, "")
    assert "unknown at " in out
    assert "the time budget of 1 s" in out


def test_sizes_that_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("s.spec").write_text(SCENARIO.format("0..4097").replace("Pool", "Wide"))
    code, _, err = call(capsys, "size", "s.spec", "--design", "big.py:Wide")
    assert code == 2
    assert err.startswith("s.spec:4:10: 4097: V is at most 4096")


def test_memory_of_this_process() -> None:
    """A process of its own, whose heap has no room from other tests."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "poolproof",
            "check",
            "wide.spec",
            "--design",
            "big.py",
            "--engine",
            "prove",
            "--bounds",
            "V=50",
            "--memory",
            "4M",
            "--budget",
            "20",
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 3
    assert "the memory budget of 4M" in done.stdout + done.stderr


def test_memory_of_one_question() -> None:
    """The formula is small. z3 writes it out bit by bit."""
    (task,) = prepare(parse("factors.spec"), Request(("big.py:Factors",)))
    run(task, "bmc", Budget(seconds=0.0), Silent())  # loads z3
    checked = run(task, "bmc", Budget(memory=10 << 20), Silent())
    (verdict,) = (a.verdict for a in checked.answers)
    assert isinstance(verdict, Unknown)
    assert verdict.reason == "the memory budget of 10M, while solving it with z3"


# --- the mechanism ---------------------------------------------------------


@pytest.mark.parametrize("row", registry.ROWS, ids=lambda row: row.name)
def test_every_engine_is_held_to_its_budget(
    row: registry.EngineRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that catches nothing ends in time, and says what it was doing."""

    def endless(*_: object) -> Outcome:
        with limits.doing("going round"):
            while True:
                limits.tick()

    Path("p.spec").write_text('spec "p"\nfor Pool\ninvariant low: free <= V\n')
    (task,) = prepare(parse("p.spec"), Request(("big.py:Pool",)))
    function = (lambda _: endless) if row.of_design else endless
    module = import_module(f"poolproof.checker.engines.{row.name}")
    monkeypatch.setattr(module, row.function or row.name, function)
    engine = registry.engine_of(row.name, task.compiled)
    asked = task.resolved.properties
    outcome = engine(task.compiled.system, asked, Budget(seconds=0.02), Silent())
    reason = "the time budget of 0.02 s, while going round"
    assert outcome.verdicts == {p.name: Unknown(reason) for p in asked}


def test_what_was_found_is_kept() -> None:
    """The violation is near, and the search long."""
    Path("far.py").write_text(
        "from poolproof.model.language import *\n\n\nclass Far(Design):\n"
        "    x = var(Int(0, 10_000_000))\n\n    @action\n    def up(self):\n"
        "        require(self.x < 10_000_000)\n        self.x += 1\n"
    )
    Path("far.spec").write_text(
        'spec "f"\nfor Far\ninvariant near: x < 3\ninvariant far: x < 10_000_000\n'.replace(
            "_", ""
        )
    )
    (task,) = prepare(parse("far.spec"), Request(("far.py",)))
    checked = run(task, "explicit", Budget(seconds=0.5), Silent())
    near, far = (a.verdict for a in checked.answers)
    assert isinstance(near, Violated)
    assert len(near.trace) == 3
    assert isinstance(far, Unknown)
    assert far.depth > 100


def test_ticks_end_what_takes_too_long() -> None:
    reason = r"the time budget of 0\.05 s, while counting"
    with pytest.raises(Spent, match=reason), limited(0.05), doing("counting"):
        while True:
            tick()


def test_the_strictest_limit_counts_and_is_named() -> None:
    with limited(60.0), limited(0.02) as inner:
        with pytest.raises(Spent) as spent:
            while True:
                tick()
        assert spent.value.limits is inner
        with overtime():
            limits.look()
            assert 0.0 < (limits.left() or 0.0) <= 2.0
        with pytest.raises(Spent):
            limits.look()
    limits.look()
    assert limits.left() is None


def test_memory_that_grows() -> None:
    kept = []
    with pytest.raises(Spent, match="memory budget of 8M"), limited(None, 8 << 20):
        for _ in range(4000):
            kept.append(bytearray(b"x" * 65536))
            tick(2000)
            time.sleep(0.001)
    assert len(kept) < 4000


def test_the_replay_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that cannot be replayed in time is no evidence."""
    Path("p.spec").write_text('spec "p"\nfor Pool\ninvariant high: free > 0\n')
    (task,) = prepare(parse("p.spec"), Request(("big.py:Pool",)))

    def forever(*_: object) -> None:
        while True:
            tick()

    monkeypatch.setattr("poolproof.checker.driver.judging.confirm", forever)
    checked = run(task, "explicit", Budget(seconds=0.2), Silent())
    verdict = checked.answers[0].verdict
    assert isinstance(verdict, Unknown)
    assert verdict.reason == "the time budget of 0.2 s, while replaying the runs"
