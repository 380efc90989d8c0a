# SPDX-License-Identifier: GPL-2.0-only
"""A property of which nothing is asked does not hold: it is vacuous."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from poolproof.checker.backends.c.build import compiler
from poolproof.checker.commands import main as cli
from poolproof.checker.core.ir import TRUE
from poolproof.checker.core.property import Expectation, Kind, Property
from poolproof.checker.core.verdict import (
    Budget,
    Holds,
    Silent,
    Unreachable,
    Vacuous,
    Verdict,
)
from poolproof.checker.driver.designs import designs_named
from poolproof.checker.driver.judging import ExpectationStatus, compare
from poolproof.checker.driver.size import SizeTask, find_size
from poolproof.checker.engines import registry
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.spec import parse, resolve

HEAD = '''
"""Designs in which something never happens."""

from poolproof.model.language import ANY, Bool, Bound, Design, Int, action, require, var
'''

NO_START = (
    HEAD
    + '''

class Odd(Design):
    """No state is an initial one."""

    n = var(Int(0, 2), ANY)

    def initial(self):
        return self.n > 2

    @action
    def up(self):
        require(self.n < 2)
        self.n += 1

    @action
    def reset(self):
        require(self.n > 2)
        self.n = 0
'''
)

NO_STEP = (
    HEAD
    + '''

class Odd(Design):
    """Nothing can happen."""

    n = var(Int(0, 2))

    @action
    def up(self):
        require(self.n > 2)
        self.n += 1

    @action
    def reset(self):
        require(self.n > 2)
        self.n = 0
'''
)

SOME = (
    HEAD
    + '''

class Odd(Design):
    """Counts to two; cannot be reset."""

    n = var(Int(0, 2))

    @action
    def up(self):
        require(self.n < 2)
        self.n += 1

    @action
    def reset(self):
        require(self.n > 2)
        self.n = 0
'''
)

ASKED = """spec "what never happens"
for Odd
invariant small: n <= 2
invariant implied: n > 2 implies n == 7
invariant really: n == 2 implies n > 1
step grows: n' >= n
step grows_on on up: n' == n + 1
step cleared on reset: n' == 0
step grows_far: n' > n + 1 implies n' == 9
reachable seven: n == 7
"""

NOT_THERE = "there is no initial state"
NOTHING = "no action is ever possible"
EVERYTHING = (
    "small",
    "implied",
    "really",
    "grows",
    "grows_on",
    "cleared",
    "grows_far",
    "seven",
)
VACUOUS = {
    NO_START: dict.fromkeys(EVERYTHING, NOT_THERE),
    NO_STEP: dict.fromkeys(EVERYTHING, NOTHING),
    SOME: {
        "implied": "never true: n > 2",
        "cleared": "reset is never possible",
        "grows_far": "never true: n' > n + 1",
    },
}
ENGINES = ("explicit", "native", "exhaustive", "bmc", "prove")


@pytest.fixture(params=VACUOUS, ids=["no start", "no step", "some"])
def text(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    monkeypatch.chdir(tmp_path)
    found: str = request.param
    Path("odd.py").write_text(found)
    Path("odd.spec").write_text(ASKED)
    return found


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_says_what_is_vacuous(text: str, engine: str) -> None:
    if engine == "native" and compiler() is None:
        pytest.skip("needs a C compiler")
    (known,) = designs_named("odd.py")
    compiled = compile_design(known.cls)
    resolved = resolve(parse("odd.spec"), compiled)
    budget = Budget(seconds=60)
    outcome = registry.ask(
        engine, compiled.system, resolved.properties, budget, Silent()
    )
    found = {n: v.reason for n, v in outcome.verdicts.items() if isinstance(v, Vacuous)}
    decided = registry.row(engine).decides
    wanted = {
        p.name: VACUOUS[text][p.name]
        for p in resolved.properties
        if p.kind in decided and p.name in VACUOUS[text]
    }
    assert found == wanted
    others = {v for n, v in outcome.verdicts.items() if n not in wanted}
    assert {type(v) for v in others} <= {Holds, Unreachable, type(None)} or (
        engine == "prove"
    )


def test_the_command_says_so(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["check", "odd.spec", "--design", "odd.py", "--engine", "explicit"]
    Path("odd.spec").write_text(ASKED.replace("reachable seven: n == 7\n", ""))
    assert cli.main(argv) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "vacuous" in said
    assert "EXPECTED" not in said
    assert cli.main([*argv, "--strict"]) == 3
    capsys.readouterr()
    assert cli.main([*argv, "--json", "--strict"]) == 3
    told = json.loads(capsys.readouterr().out)["checks"][0]["properties"]
    for p in told:
        (verdict,) = p["verdicts"]
        reason = VACUOUS[text].get(p["name"])
        assert p["judgement"] == ("vacuous" if reason else "expected")
        if reason:
            assert verdict["verdict"] == "vacuous"
            assert verdict["reason"] == reason
            assert verdict["of"]["verdict"] == "holds"
        else:
            assert verdict["verdict"] == "holds"


def test_what_is_expected_to_be_vacuous(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ASKED.splitlines()[:2]
    for line in ASKED.splitlines()[2:]:
        if line.split()[1].rstrip(":") in VACUOUS[text]:
            lines += [line, "    expect vacuous"]
    Path("odd.spec").write_text("\n".join(lines) + "\n")
    argv = ["check", "odd.spec", "--design", "odd.py", "--engine", "explicit"]
    assert cli.main([*argv, "--strict"]) == 0
    Path("odd.spec").write_text(
        'spec "x"\nfor Odd\ninvariant low: n < 9\n    expect vacuous\n'
    )
    assert cli.main([*argv, "--strict"]) == (1 if text == SOME else 0)
    capsys.readouterr()


def test_nothing_happens_is_said_once(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was left out exactly where nothing fires."""
    cli.main(["check", "odd.spec", "--design", "odd.py", "--engine", "explicit"])
    said = capsys.readouterr().out.partition("\n  explicit\n")[2]
    if text == SOME:
        assert "never possible: reset" in said
        assert "implied is vacuous, never true: n > 2" in said
    else:
        assert said.count(NOTHING if text == NO_STEP else NOT_THERE) == 1


@pytest.mark.parametrize(
    ("want", "of", "status"),
    [
        (None, Holds(True), ExpectationStatus.VACUOUS),
        ("holds", Holds(True), ExpectationStatus.VACUOUS),
        ("violated", Holds(True), ExpectationStatus.UNMET),
        ("vacuous", Holds(True), ExpectationStatus.MET),
        ("unreachable", Unreachable(), ExpectationStatus.VACUOUS),
        ("reachable", Unreachable(), ExpectationStatus.UNMET),
    ],
)
def test_judging(
    want: str | None, of: Holds | Unreachable, status: ExpectationStatus
) -> None:
    kind = Kind.REACHABLE if isinstance(of, Unreachable) else Kind.INVARIANT
    expect = Expectation(want, None) if want else None
    p = Property("p", kind, TRUE, expect=expect)
    assert compare(p, Vacuous("nothing happens", of))[0] is status
    other: Verdict = Holds(True)
    if want == "vacuous":
        assert compare(p, other)[0] is ExpectationStatus.UNMET


def test_a_spec_with_nothing_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("odd.py").write_text(SOME)
    Path("odd.spec").write_text('spec "nothing"\nfor Odd\nlet small = n < 2\n')
    assert cli.main(["check", "odd.spec", "--design", "odd.py"]) == 2
    assert "odd.spec has no property, so" in capsys.readouterr().err
    Path("odd.spec").write_text(
        'spec "x"\nfor Odd\nscenario s:\n  size B = 1..1\n  task a:\n    up()\n'
    )
    assert cli.main(["check", "odd.spec", "--design", "odd.py"]) == 2
    assert "scenarios only: poolproof size odd.spec" in capsys.readouterr().err


def test_a_design_to_which_no_property_applies(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """NodeMasks has none of the names that promise_poison.spec asks about."""
    poison = "specs/questions/promise_poison.spec"
    argv = ["check", "--design", "NodeMasks", "--engine", "explicit"]
    assert cli.main([*argv, poison]) == 2
    said = capsys.readouterr().err
    assert "no property applies to NodeMasks, so there is nothing to check" in said
    argv += [poison, "specs/numa/node_masks.spec"]
    assert cli.main(argv) == 0
    assert cli.main([*argv, "--strict"]) == 3


def test_a_scenario_that_cannot_start_guarantees_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = NO_START
    for old, new in (
        ("class Odd", 'B = Bound("B", 1)\n\n\nclass Odd'),
        ("return self.n > 2", "return self.n > 2 + B"),
        ("        self.n += 1\n", "        self.n += 1\n        return True\n"),
        ("def up(self):", "def up(self) -> Bool():"),
    ):
        text = text.replace(old, new)
    Path("odd.py").write_text(text)
    Path("odd.spec").write_text(
        'spec "x"\nfor Odd\nscenario s:\n  size B = 1..1\n  task a:\n    up()\n'
    )
    (known,) = designs_named("odd.py")
    spec = parse("odd.spec")
    found = find_size(SizeTask(spec.scenarios[0], spec, known), Budget(), Silent())
    assert [at.unknown for at in found.sizes] == [f"vacuous: {NOT_THERE}"]
    assert found.smallest is None
