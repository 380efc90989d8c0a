# SPDX-License-Identifier: GPL-2.0-only
"""One table of engines, and one way to run them."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from poolproof.checker import engines
from poolproof.checker.commands import main as cli
from poolproof.checker.core import ir
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.limits import doing, tick
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.verdict import Budget, Outcome, Silent, Unknown, Violated
from poolproof.checker.driver.designs import designs_named
from poolproof.checker.driver.guarantee import guarantee
from poolproof.checker.engines import registry
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.reports.guarantee import finding_text
from poolproof.checker.spec import parse
from tests.common.pool_system import pool

ROOT = Path(__file__).parent.parent.parent

DESIGN = '''
"""Counts to two."""

from poolproof.model.language import Design, Int, action, require, var


class Counter(Design):
    """Counts."""

    n = var(Int(0, 2))

    @action
    def up(self):
        require(self.n < 2)
        self.n += 1
'''

SPEC = """spec "counting"
for Counter
invariant low: n < 2
step grows: n' >= n
reachable top: n == 2
eventually done: n == 2
"""

TOY = '''"""Knows that whatever one asks is violated at once."""

from poolproof.checker.core.evaluate import initial_states
from poolproof.checker.core.verdict import Outcome, Trace, Violated


def toy(system, properties, budget, report):
    start = Trace(initial_states(system)[0], ())
    return Outcome("toy", {p.name: Violated(start) for p in properties})
'''


@pytest.fixture
def counter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "counter.py").write_text(DESIGN)
    (tmp_path / "counter.spec").write_text(SPEC)
    return tmp_path


def test_nothing_calls_an_engine_around_the_registry() -> None:
    """`exhaustive` is made of two engines; nobody else imports one."""
    engine = {f"poolproof.checker.engines.{row.name}" for row in registry.ROWS}
    engine |= {
        f"poolproof.checker.engines.{row.name}.{row.function or row.name}"
        for row in registry.ROWS
    }
    allowed = {"registry.py": engine, "exhaustive.py": engine}
    found = []
    for path in sorted((ROOT / "checker").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                names = {f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Import):
                names = {alias.name for alias in node.names}
            else:
                continue
            if (names & engine) - allowed.get(path.name, set()):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert found == []


def test_each_row_has_its_function() -> None:
    for row in registry.ROWS:
        module = import_module(f"poolproof.checker.engines.{row.name}")
        assert callable(getattr(module, row.function or row.name))
        assert row.decides


@pytest.mark.parametrize("row", registry.ROWS, ids=lambda row: row.name)
def test_what_an_engine_does_not_decide_is_unknown(row: registry.EngineRow) -> None:
    others = tuple(
        Property(kind.name, kind, ir.TRUE) for kind in Kind if kind not in row.decides
    )
    outcome = registry.ask(row.name, pool(1, 1, 1), others, Budget(), Silent())
    assert len(outcome.verdicts) == len(others)
    for kind in Kind:
        if kind not in row.decides:
            verdict = outcome.verdicts[kind.name]
            assert isinstance(verdict, Unknown)
            assert f"{row.name} does not decide `{kind.value}`" in verdict.reason


def test_what_it_needs_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = registry.Need("a quantum", "wait", lambda: False)
    rows = tuple(replace(r, needs=(nowhere,)) for r in registry.ROWS if r.needs)
    monkeypatch.setattr(registry, "ROWS", (registry.row("explicit"), *rows))
    with pytest.raises(
        UserError, match="bmc needs a quantum: wait, or --engine explic"
    ):
        registry.ask("bmc", pool(1, 1, 1), (), Budget(), Silent())


class Depths(Silent):
    """Remembers how deep the search was."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    def progress(self, **figures: object) -> None:
        self.seen.append(figures.get("depth"))


@pytest.mark.usefixtures("counter")
def test_an_engine_that_runs_the_class_needs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ValueError, match="fuzz runs the class"):
        registry.engine_of("fuzz")
    given: list[object] = []

    def made(compiled: object) -> Callable[..., Outcome]:
        given.append(compiled)
        return lambda *_, **__: Outcome("fuzz", {"low": Unknown("so far")})

    monkeypatch.setattr("poolproof.checker.engines.fuzz.fuzz_engine", made)
    (known,) = designs_named("counter.py")
    compiled = compile_design(known.cls, {})
    low = Property("low", Kind.INVARIANT, ir.TRUE)
    found = registry.ask("fuzz", compiled.system, (low,), Budget(), Silent(), compiled)
    assert given == [compiled]
    assert found.verdicts == {"low": Unknown("so far")}


def test_the_reporter_hears_of_progress() -> None:
    heard = Depths()
    never = Property("never", Kind.REACHABLE, ir.FALSE)
    found = registry.ask("bmc", pool(1, 1, 1), (never,), Budget(depth=1), heard)
    assert heard.seen == [0, 1]
    assert found.verdicts["never"] == Unknown("the depth budget of 1 step", 1)


def test_a_budget_that_is_spent_is_said_by_the_phase() -> None:
    def endless(*_: object, **__: object) -> Outcome:
        with doing("counting sheep"):
            while True:
                tick(1_000_000)

    asked = tuple(Property(n, Kind.INVARIANT, ir.TRUE) for n in ("a", "b"))
    run = registry.within_budget("sheep", endless)
    outcome = run(pool(1, 1, 1), asked, Budget(seconds=0.05), Silent())
    why = Unknown("the time budget of 0.05 s, while counting sheep")
    assert (outcome.engine, outcome.defects) == ("sheep", ())
    assert outcome.verdicts == {"a": why, "b": why}
    assert 0.05 <= outcome.statistics.seconds < 60


def test_a_toy_engine_is_one_file_and_one_row(
    counter: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (counter / "toy.py").write_text(TOY)
    monkeypatch.setattr(engines, "__path__", [*engines.__path__, str(counter)])
    mine = registry.EngineRow("toy", frozenset({Kind.STEP}), help="a guess, at once")
    monkeypatch.setattr(registry, "ROWS", (*registry.ROWS, mine))
    asked = tuple(Property(k.name, k, ir.FALSE) for k in Kind)
    outcome = registry.ask("toy", pool(1, 1, 1), asked, Budget(), Silent())
    assert isinstance(outcome.verdicts["STEP"], Violated)
    assert all(
        isinstance(outcome.verdicts[k.name], Unknown)
        for k in Kind
        if k is not Kind.STEP
    )
    assert cli.main(["check", "--help"]) == 0
    assert "  toy       a guess, at once" in capsys.readouterr().out
    (counter / "one.spec").write_text('spec "x"\nfor Counter\nreachable top: n == 2\n')
    code = cli.main(["check", "one.spec", "--design", "counter.py", "--engine", "toy"])
    assert code == 3
    assert "toy does not decide `reachable`" in capsys.readouterr().out


@pytest.mark.usefixtures("counter")
def test_each_kind_that_an_engine_leaves_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    argv = ["check", "counter.spec", "--design", "counter.py", "--engine"]
    assert cli.main([*argv, "bmc"]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "bmc does not decide `leads to`: use explicit, native, auto" in said
    assert cli.main([*argv, "prove"]) == 3
    said = " ".join(capsys.readouterr().out.split())
    assert "prove does not decide `reachable`" in said
    assert "prove does not decide `leads to`" in said


def test_help_and_readme_are_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| (\w+) \| (.*?) \| (.*?) \|$",
        text.partition("## Which engine")[2].partition("\n## ")[0],
        re.M,
    )
    mine = [(row.name, row.answers, row.use) for row in registry.choices()]
    assert rows == [("engine", "what it does", "use it for"), *mine]
    assert cli.main(["review", "--help"]) == 0
    said = capsys.readouterr().out
    for row in registry.choices():
        assert f"  {row.name:<8}  {row.help}\n" in said
    assert ", ".join(("auto", *(row.name for row in registry.choices()))) in said


@pytest.mark.slow
def test_guarantee_answers_what_comes_at_last_as_check_does() -> None:
    """The explicit engine once read `eventually` as an invariant."""
    (known,) = designs_named("HugetlbCma")
    spec = parse(ROOT / "specs/questions/liveness.spec")
    size = {"nodes": 1, "blocks": 1, "V": 2, "P": 1, "spare": 1}
    done = guarantee(known, spec, "q10_unasked", sizes=(size,), most=1)
    assert [finding_text(f) for f in done.of(0)] == ["holds"]
    assert [f.depth for f in done.of(1) if f.features == ("lending",)] == [1]


def test_guarantee_answers_leads_to() -> None:
    """It once ended in a traceback."""
    (known,) = designs_named("GuestMemfd")
    spec = parse(ROOT / "specs/questions/liveness.spec")
    size = {"nodes": 1, "blocks": 1, "V": 2, "P": 1, "files": 1}
    for name in ("e7_limbo", "q16_whole"):
        done = guarantee(known, spec, name, sizes=(size,), most=1)
        assert done.findings
        assert all(f.complete for f in done.findings)
        assert all(f.replay is not None for f in done.findings if f.depth is not None)
