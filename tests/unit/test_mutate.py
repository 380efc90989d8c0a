# SPDX-License-Identifier: GPL-2.0-only
"""Mutants: what is changed, and who tells."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from poolproof.checker.commands.main import main
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.limits import limited, tick
from poolproof.checker.core.pickled import dumps, loads
from poolproof.checker.core.source import altered
from poolproof.checker.core.verdict import Budget, Reporter, Shown, Silent
from poolproof.checker.driver import equivalents, mutate, mutation_run
from poolproof.checker.driver.designs import designs_named, shipped_designs
from poolproof.checker.driver.jobs import Job, Lost
from poolproof.checker.driver.mutants import Mutant, mutants
from poolproof.checker.driver.mutate import MutantResult, MutantStatus, look
from poolproof.checker.driver.mutation_run import ALONE, MutationRun, Workers, campaign
from poolproof.checker.driver.task import Request, prepare
from poolproof.checker.driver.workers import in_processes
from poolproof.checker.engines.explicit import explicit
from poolproof.checker.engines.space import StateSpace
from poolproof.checker.frontend.design import ActionsAlone, compile_design
from poolproof.checker.passes.symmetry import find_symmetry
from poolproof.checker.reports.mutate import mutation_report
from poolproof.checker.spec import parse
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb
from poolproof.model.language import observer_methods

DESIGN = '''
from enum import Enum

from poolproof.model.language import Bool, Bound, Design, Int, Scalarset, action
from poolproof.model.language import require, table, var

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


def run(
    spec: str = "quota.spec",
    sample: int | None = None,
    seed: int = 0,
    threads: int = 1,
    workers: Workers = ALONE,
    keep: bool = False,
) -> MutationRun:
    return campaign(
        [parse(spec)],
        Request(designs=("quota.py",)),
        sample=sample,
        seed=seed,
        states=1000,
        report=Silent(),
        workers=Workers(in_processes(threads), threads) if threads > 1 else workers,
        keep=keep,
    )


@pytest.mark.usefixtures("files")
def test_each_change_is_one_thing() -> None:
    (task,) = prepare(parse("quota.spec"), Request(designs=("quota.py",)))
    design = task.compiled.source
    found = mutants(design)
    assert [(m.method, m.what) for m in found] == [
        ("Quota.take", "without require(not self.reserved[vma])"),
        ("Quota.take", "if not (self.used >= TOTAL)"),
        ("Quota.take", "self.used > TOTAL for self.used >= TOTAL"),
        ("Quota.take", "without self.used += 1"),
        ("Quota.take", "2 for 1 in self.used += 1"),
        ("Quota.take", "without self.calls = 1"),
        ("Quota.take", "without self.reserved[vma] = True"),
        ("Quota.drop", "without require(self.reserved[vma])"),
        ("Quota.drop", "without self.used -= 1"),
        ("Quota.drop", "2 for 1 in self.used -= 1"),
        ("Quota.drop", "without self.reserved[vma] = False"),
    ]
    for m in found:
        assert ast.unparse(m.tree) != ast.unparse(m.other)
        with altered(m.tree, m.other):
            mutant = compile_design(design, {"total": 1, "V": 2}).system
        now = compile_design(design, {"total": 1, "V": 2}).system
        differ = [
            a.name
            for a, b in zip(now.actions, mutant.actions, strict=True)
            if (a.guard, a.result, *a.updates.items())
            != (b.guard, b.result, *b.updates.items())
        ]
        assert differ == [m.method.removeprefix("Quota.")], m.what


def test_methods_of_blocks_are_changed_too() -> None:
    changed = {m.method.split(".")[0] for m in mutants(Hugetlb)}
    assert {"Faulting", "Hstate", "ResvMap"} <= changed


HEIR = (
    DESIGN
    + '''

class Lent(Quota):
    """A page may be lent."""

    lent = var(Int(0, 1))

    def drop(self, vma: VMAS):
        super().drop(vma)
        self.lent = 0

    @action
    def lend(self):
        self.lent = 1
'''
)


def test_an_heir_is_scored_by_its_own_text(files: Path) -> None:
    """What it has from its base is scored there; all of it on demand."""
    (files / "quota.py").write_text(HEIR)
    (files / "lent.spec").write_text(
        'spec "lent"\nfor Lent\nbounds total = 1, V = 2\n\n'
        'step back "a page that is dropped is not lent" on drop: lent\' == 0\n'
    )
    own, every = (
        campaign(
            [parse("lent.spec")],
            Request(designs=("quota.py",)),
            sample=None,
            seed=0,
            states=1000,
            report=Silent(),
            inherited=inherited,
        )
        for inherited in (False, True)
    )
    assert {r.mutant.what for r in own.results} == {
        "without super().drop(vma)",
        "without self.lent = 0",
        "without self.lent = 1",
    }
    assert own.bases == ("Quota",)
    assert "the rest is scored with Quota" in "\n".join(mutation_report(own))
    assert every.bases == ()
    assert every.total == own.total + 11


@pytest.mark.usefixtures("files")
def test_observers_stay() -> None:
    seen = {m.method.rpartition(".")[2] for m in mutants(Hugetlb)}
    assert "touch" in seen
    assert not seen & {*observer_methods(Hugetlb)}


@pytest.mark.usefixtures("files")
def test_the_same_fates_from_the_start() -> None:
    """A mutant's search that goes on from the original's tells what one from
    the initial states tells."""
    (task,) = prepare(parse("quota.spec"), Request(designs=("quota.py",)))
    original, compiled = look(task, 1000), task.compiled
    for result in run().results:
        m = result.mutant
        with altered(m.tree, m.other):
            system = compile_design(compiled.source, compiled.bounds).system
        outcome = explicit(system, original.profile.queries, Budget(), Silent())
        broken = bool(outcome.defects)
        for p in original.profile.queries:
            verdict = outcome.verdicts[p.name]
            depth = len(verdict.trace) if isinstance(verdict, Shown) else None
            broken = broken or depth != original.profile.found.get(p.name)
        assert broken == (result.fate is MutantStatus.KILLED), m.what


@pytest.mark.usefixtures("files")
def test_processes_tell_the_same() -> None:
    one, two = run(), run(threads=2)
    assert one.results == two.results


@pytest.mark.usefixtures("files")
def test_a_worker_that_knows_nothing_tells_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on another machine: the jobs come as bytes, and nothing is prepared."""
    sent: list[bytes] = []

    def far(jobs: Sequence[Job], report: Reporter) -> Iterator[Any]:
        monkeypatch.setattr(mutation_run, "_prepared", None)
        for job in jobs:
            sent.append(dumps(job))
            yield loads(sent[-1]).run(report, lambda: False)

    here, there = run(), run(workers=Workers(far))
    assert here.results == there.results
    assert len(sent) == 2
    job = loads(sent[0])
    with pytest.raises(UserError, match="another text of the design"):
        replace(job, plan=replace(job.plan, run="later"), text="old").run(
            Silent(), lambda: False
        )
    late = replace(job, budget=Budget(), until=0.0)
    assert late.run(Silent(), lambda: False) == [
        "the time budget of 0 s, while trying the mutants"
    ]


@pytest.mark.usefixtures("files")
def test_a_lost_job_ends_the_run() -> None:
    def dying(jobs: Sequence[Job], report: Reporter) -> Iterator[Any]:
        yield jobs[0].run(report, lambda: False)
        yield Lost("its process died")

    done = run(workers=Workers(dying))
    assert (len(done.results), done.stopped) == (8, "its process died")


@pytest.mark.usefixtures("files")
def test_a_counter_that_is_wrong_is_told() -> None:
    done = run()
    fates = {(r.mutant.method, r.mutant.what): r.fate for r in done.results}
    assert len(fates) == done.total == done.chosen
    assert fates["Quota.drop", "without self.used -= 1"] is MutantStatus.KILLED
    assert (
        fates["Quota.drop", "without self.reserved[vma] = False"] is MutantStatus.KILLED
    )
    assert fates["Quota.take", "without self.calls = 1"] is MutantStatus.KILLED
    assert done.score is not None
    assert done.score > 0.8


def test_a_blind_spec_lets_mutants_live(files: Path) -> None:
    (files / "blind.spec").write_text(
        'spec "blind"\nfor Quota\nbounds total = 1, V = 2\n\n'
        'invariant said "nothing much": used <= total\n'
    )
    blind, seeing = run("blind.spec"), run()
    assert blind.score is not None
    assert seeing.score is not None
    assert blind.score < seeing.score
    survivors = {
        (r.mutant.method, r.mutant.what) for r in blind.of(MutantStatus.SURVIVED)
    }
    assert ("Quota.take", "without self.calls = 1") in survivors
    report = "\n".join(mutation_report(blind))
    assert "quota.py:29: Quota.take\n      without self.calls = 1" in report
    assert max(map(len, report.splitlines())) <= 75


OTHER_BOUNDS = """spec "s"
for Quota
bounds total = 1, V = 1
bounds {}: total = 1, V = 2

reachable full "it can be used up": used == total
step twice "nothing is charged twice" on take: used' <= 1
"""


def test_what_lives_with_the_first_bounds_is_tried_with_the_others(
    files: Path,
) -> None:
    """One VMA cannot charge a page twice. With two VMAs, the check of the quota is
    what stops the second one."""
    (files / "one.spec").write_text(OTHER_BOUNDS.replace("bounds {}", "# {}"))
    (files / "two.spec").write_text(OTHER_BOUNDS.format("two"))
    one, two = (
        {r.mutant.what: r for r in run(name).results}
        for name in ("one.spec", "two.spec")
    )
    limit = "self.used > TOTAL for self.used >= TOTAL"
    assert one[limit].fate is MutantStatus.SAME
    assert two[limit].fate is MutantStatus.KILLED
    assert two[limit].by.startswith("two.spec (two): ")
    drop = "without self.used -= 1"
    assert one[drop].fate is MutantStatus.SURVIVED
    killed = {m: r.by for m, r in one.items() if r.fate is MutantStatus.KILLED}
    assert killed
    assert (
        killed.items()
        <= {m: r.by.replace("two", "one") for m, r in two.items()}.items()
    )


SAID = """
[[equivalent]]
why = "nobody asks how often"
designs = ["Quota"]
mutants = ["Quota.take: without self.calls = 1", "Quota.drop: without self.used -= 1"]
"""


def test_what_is_equivalent_is_left_out_of_the_score(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But what a spec kills is not equivalent, whatever is said."""
    (files / "said.toml").write_text(SAID)
    (known,) = designs_named("quota.py")
    monkeypatch.setattr(equivalents, "shipped_designs", lambda: (known,))
    said = equivalents.equivalents(known, files / "said.toml")
    monkeypatch.setattr(mutation_run, "equivalents", lambda _: said)
    (files / "quota.spec").write_text(SPEC.replace(" and calls == 1", ""))
    done = run()
    (left_out,) = done.of(MutantStatus.EQUIVALENT)
    assert left_out.mutant.what == "without self.calls = 1"
    assert done.counted == done.total - 1 - len(done.of(MutantStatus.SAME))
    (refuted,) = done.refuted
    assert refuted.mutant.what == "without self.used -= 1"
    report = "\n".join(mutation_report(done))
    assert "equivalent: nobody asks how often\n  quota.py:29: Quota.take\n" in report
    assert "listed as equivalent, but killed:\n  quota.py:36: Quota.drop" in report


def test_a_list_of_something_else(files: Path) -> None:
    (files / "said.toml").write_text(SAID.replace("why", "because"))
    (known, *_) = shipped_designs()
    with pytest.raises(UserError, match=r"said.toml: 'why'; write \[\[equivalent"):
        equivalents.equivalents(known, files / "said.toml")


def test_each_mutant_that_is_listed_exists() -> None:
    """In one of the designs that its group names, all of which are shipped."""
    said: set[str] = set()
    there: set[str] = set()
    for known in shipped_designs():
        listed = equivalents.equivalents(known)
        if listed:
            mine = {equivalents.key(m) for m in mutants(known.cls)}
            assert mine & {*listed}, known.name
            said |= {*listed}
            there |= mine
    assert said <= there


@pytest.mark.usefixtures("files")
def test_the_same_again() -> None:
    first, again = run(sample=5, seed=3), run(sample=5, seed=3)
    assert first.results == again.results
    assert len(first.results) == 5
    assert [r.mutant for r in first.results] != [
        r.mutant for r in run(sample=5, seed=4).results
    ]


def test_an_interrupted_campaign_goes_on(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(files / "cache"))
    judged: list[str] = []
    ask = mutate.judge

    def counted(mutant: Mutant, *more: Any) -> MutantResult:
        judged.append(str(mutant))
        if len(judged) == 10:
            raise KeyboardInterrupt
        return ask(mutant, *more)

    monkeypatch.setattr(mutate, "judge", counted)
    first = run(keep=True)
    assert first.stopped == "interrupted"
    again = run(keep=True)
    assert judged[9] == judged[10]  # the others are known
    assert len(judged) == 1 + len(again.results)
    assert again.results == run().results


def test_a_wrong_model_has_no_mutants(files: Path) -> None:
    (files / "quota.py").write_text(DESIGN.replace("used -= 1", "used -= 2"))
    with pytest.raises(UserError, match="outside its range"):
        run()


def test_the_command(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = ["mutate", "quota.py", "--spec", "quota.spec"]
    assert main([*call, "--json", "-o", "out.json"]) == 0
    told = json.loads((files / "out.json").read_text())
    assert told["design"] == "Quota"
    assert told["tried"] == told["mutants"]
    assert main([*call, "--sample", "2", "--budget", "60"]) == 0
    out = capsys.readouterr().out
    assert "of which 2 were tried (seed 0)" in out
    assert "%, in a sample of 2" in out
    assert main(["mutate", "quota.py"]) == 2
    assert "--spec" in capsys.readouterr().err


@pytest.mark.usefixtures("files")
def test_a_budget_that_ends_before_the_first_mutant() -> None:
    run()  # compiled by now
    with limited(0.0):
        done = run()
    assert done.results == []
    phase = "while visiting the original's states"
    assert done.stopped == f"the time budget of 0 s, {phase}, before quota.spec"
    assert "no score" in "\n".join(mutation_report(done))


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("threads", [1, 2])
def test_a_budget_that_ends_within_a_mutant(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forever(*_: object) -> None:
        while True:
            tick()

    def in_time(*args: Any) -> None:
        with limited(0.05):
            trying(*args)

    spreading = mutation_run._Spreading
    trying = spreading.try_out
    monkeypatch.setattr(mutate, "judge", forever)
    monkeypatch.setattr(spreading, "try_out", in_time)
    done = run(threads=threads)
    assert done.results == []
    assert done.stopped == "the time budget of 0.05 s, while trying the mutants"


FAILING = """
from poolproof.model.language import Design, Int, action, may_fail, require, var


class Charging(Design):
    charged = var(Int(0, 2))

    @action
    def charge(self) -> bool:
        require(self.charged == 0)
        if may_fail("descriptor"):
            return False
        self.charged = 1
        self.add_table()
        return True

    def add_table(self):
        if may_fail("table"):
            self.charged = 2
"""


def test_a_mutant_in_which_fewer_calls_may_fail(files: Path) -> None:
    """``fails`` then has one value less, and the spec that names it is resolved anew.
    If the spec names a call that is gone, the mutant is killed."""
    (files / "failing.py").write_text(FAILING)
    asked = (
        'spec "s" bounds failures = 1\n'
        'step done "it is charged" on charge(fails):\n'
        "    fails == {} implies charged' > 0\n"
    )
    fates = []
    for name in ("nothing", "table"):
        (files / "failing.spec").write_text(asked.format(name))
        done = campaign(
            [parse("failing.spec")],
            Request(designs=("failing.py",)),
            sample=None,
            seed=0,
            states=1000,
            report=Silent(),
        )
        fates.append({r.mutant.what: r.fate for r in done.results})
    without = "without self.add_table()"
    assert [f[without] for f in fates] == [MutantStatus.SURVIVED, MutantStatus.KILLED]
    assert fates[0]["without self.charged = 1"] is MutantStatus.KILLED


WANTING = """\
from poolproof.model.language import Bound, Design, Int, Scalarset, action, var

TASKS = Scalarset("TASKS", Bound("T", 1), prefix="t")


class Wanting(Design):
    used = var(Int(0, 3))

    @action
    def take(self, t: TASKS):
        want = self.used + 1
        yield
        if want > 0 and self.used < 3:
            self.used += 1
"""


def test_a_local_of_a_mutant_has_the_range_that_follows_for_it(files: Path) -> None:
    """That of ``want`` is 1 to 4, and 2 to 5 in the mutant: no error of its model."""
    (files / "wanting.py").write_text(WANTING)
    (files / "wanting.spec").write_text('spec "w"\ninvariant low: used < 4\n')
    done = campaign(
        [parse("wanting.spec")],
        Request(designs=("wanting.py",)),
        sample=None,
        seed=0,
        states=1000,
        report=Silent(),
    )
    fates = {r.mutant.what: r.fate for r in done.results}
    assert fates["2 for 1 in self.used + 1"] is MutantStatus.SURVIVED
    assert fates["2 for 1 in self.used += 1"] is MutantStatus.KILLED


# --- actions compiled one by one ----------------------------------------------


YIELDING = {"FaultLocks", "HugetlbSteps", "Locks"}
"""Designs whose actions are compiled together."""


def check_each_alone(name: str) -> None:
    """Compare the actions with themselves, compiled one by one, in many states."""
    (known,) = designs_named(name)
    compiled = compile_design(known.cls)
    system, alone = compiled.system, ActionsAlone(compiled)
    actions = tuple(alone.compile(a.name) for a in system.actions)
    for a, b in zip(system.actions, actions, strict=True):
        assert a.parameters == b.parameters
    symmetry = find_symmetry(system, (), indices=False)
    profile = mutate.Profile(StateSpace(system, symmetry), (), 500)
    profile.run()
    assert sum(map(len, profile.levels)) > 1
    assert not profile.breaks
    other = StateSpace(replace(system, actions=actions), symmetry)
    assert mutate._first_difference(profile, other) is None


@pytest.mark.parametrize("name", ["MemcgTree", "Zones"])
def test_an_action_does_not_depend_on_the_others(name: str) -> None:
    check_each_alone(name)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [k.name for k in shipped_designs() if k.name not in YIELDING]
)
def test_an_action_does_not_depend_on_the_others_slow(name: str) -> None:
    check_each_alone(name)
