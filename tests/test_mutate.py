"""Mutants: what is changed, and who tells."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from checker.check import Request, prepare
from checker.cli import main
from checker.diagnostic import Mistake
from checker.mutate import Campaign, Fate, campaign, changes, mutation_report
from checker.spec import parse
from checker.verdict import Silent

DESIGN = '''
from enum import Enum

from model.language import Bool, Bound, Design, Int, Scalarset, action, require, table
from model.language import var

TOTAL = Bound("total", 2)
VMAS = Scalarset("VMAS", Bound("V", 2), prefix="v")


class Errno(Enum):
    OK = 0
    ENOMEM = 12


class Quota(Design):
    """Pages are promised to VMAs."""

    used = var(Int(0, TOTAL))
    calls = var(Int(0, 1))
    reserved = table(VMAS, Bool())

    @action
    def take(self, vma: VMAS) -> Errno:
        require(not self.reserved[vma])
        if self.used >= TOTAL:
            return Errno.ENOMEM
        self.used += 1
        self.calls = 1
        self.reserved[vma] = True
        return Errno.OK

    @action
    def drop(self, vma: VMAS):
        require(self.reserved[vma])
        self.used -= 1
        self.reserved[vma] = False
'''

SPEC = """spec "a quota"
for Quota
bounds total = 1, V = 2

invariant exact "the counter is right": used == count(v in VMAS: reserved[v])

reachable full "it can be used up": used == total
reachable again "it can be given back": used == 0 and calls == 1
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quota.py").write_text(DESIGN)
    (tmp_path / "quota.spec").write_text(SPEC)
    return tmp_path


def run(spec: str = "quota.spec", sample: int | None = None, seed: int = 0) -> Campaign:
    return campaign(
        [parse(spec)], Request(designs=("quota.py",)), sample=sample, seed=seed,
        states=1000, seconds=None, report=Silent(),
    )  # fmt: skip


def test_each_change_is_one_thing(files: Path) -> None:
    (task,) = prepare(parse("quota.spec"), Request(designs=("quota.py",)))
    system = task.compiled.system
    told = {(c.action.name, c.what) for a in system.actions for c in changes(a)}
    assert ("take", "without the guard not reserved[vma]") in told
    assert ("drop", "without the guard reserved[vma]") in told
    assert ("drop", "without the update of used") in told
    assert any(what.startswith("if not ") for _, what in told)
    assert ("drop", "used + -2 for used + -1") in told
    for a in system.actions:
        found = [(c.action.guard, *c.action.updates.items(), c.action.result)
                 for c in changes(a)]  # fmt: skip
        assert len(found) == len(set(found))
        assert (a.guard, *a.updates.items(), a.result) not in found


def test_a_counter_that_is_wrong_is_told(files: Path) -> None:
    done = run()
    fates = {(r.mutant.action, r.mutant.what): r.fate for r in done.results}
    assert len(fates) == done.total == done.chosen
    assert fates["drop", "without the update of used"] is Fate.KILLED
    assert fates["drop", "without the update of reserved"] is Fate.KILLED
    assert fates["take", "without the update of calls"] is Fate.KILLED
    assert done.score is not None and done.score > 0.8


def test_a_blind_spec_lets_mutants_live(files: Path) -> None:
    (files / "blind.spec").write_text(
        'spec "blind"\nfor Quota\nbounds total = 1, V = 2\n\n'
        'invariant said "nothing much": used <= total\n'
    )
    blind, seeing = run("blind.spec"), run()
    assert blind.score is not None and seeing.score is not None
    assert blind.score < seeing.score
    survivors = {(r.mutant.action, r.mutant.what) for r in blind.of(Fate.SURVIVED)}
    assert ("take", "without the update of calls") in survivors
    report = "\n".join(mutation_report(blind))
    assert "quota.py:2" in report and "without the update of calls" in report
    assert max(map(len, report.splitlines())) <= 75


def test_the_same_again(files: Path) -> None:
    first, again = run(sample=5, seed=3), run(sample=5, seed=3)
    assert first.results == again.results and len(first.results) == 5
    assert [r.mutant for r in first.results] != [
        r.mutant for r in run(sample=5, seed=4).results
    ]


def test_a_wrong_model_has_no_mutants(files: Path) -> None:
    (files / "quota.py").write_text(DESIGN.replace("used -= 1", "used -= 2"))
    with pytest.raises(Mistake, match="outside its range"):
        run()


def test_the_command(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = ["mutate", "quota.py", "--spec", "quota.spec"]
    assert main([*call, "--json", "-o", "out.json"]) == 0
    told = json.loads((files / "out.json").read_text())
    assert told["design"] == "Quota" and told["tried"] == told["mutants"]
    assert main([*call, "--sample", "2", "--budget", "60"]) == 0
    assert "of which 2 were tried (seed 0)" in capsys.readouterr().out
    assert main(["mutate", "quota.py"]) == 2
    assert "--spec" in capsys.readouterr().err


def test_a_budget_that_ends_before_the_first_mutant_is_told(files: Path) -> None:
    done = campaign(
        [parse("quota.spec")], Request(designs=("quota.py",)), sample=None, seed=0,
        states=1000, seconds=1e-9, report=Silent(),
    )  # fmt: skip
    assert done.results == [] and "before quota.spec" in done.stopped
    assert "no score" in "\n".join(mutation_report(done))
