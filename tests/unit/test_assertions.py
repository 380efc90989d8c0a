# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel asserts is a property of every check: `Counter` fields,
`warn_on`, `bug_on`."""

from pathlib import Path
from typing import Any

import pytest

from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.verdict import (
    Budget,
    Engine,
    Holds,
    Silent,
    Unknown,
    Violated,
)
from poolproof.checker.driver.check import run
from poolproof.checker.driver.judging import CheckResult, ExpectationStatus, exit_code
from poolproof.checker.driver.task import Request, prepare
from poolproof.checker.engines.bmc import bmc
from poolproof.checker.engines.explicit import explicit
from poolproof.checker.engines.native import native
from poolproof.checker.engines.registry import engine_of
from poolproof.checker.evidence.replay import confirm
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.reports.check import assertions_summary, check_report
from poolproof.checker.reports.json import check_json
from poolproof.checker.spec import parse_text, resolve, resolve_all
from poolproof.model.blocks.errno import Errno
from poolproof.model.blocks.vma.address_space import VM, Fail, Place, Prot, Remap
from poolproof.model.designs.probes.address_space import TASKS, Vmas618
from poolproof.model.language import (
    ANY,
    Counter,
    Design,
    Int,
    KernelBug,
    ModelError,
    action,
    bind,
    table,
    var,
)
from tests.common import asserting

PLANTED = Path(asserting.__file__)

DECIDED = {
    "counter.mm.locked": 2,
    "counter.total": None,
    "bug_on.unlock.unlock": None,
    "warn_on.unlock.mm.put": 2,
    "bug_on.unlock.unlock_2": 3,
}
"""After how many steps each assertion of Locking fails."""

LOCKING = """
spec "locking"
for Locking
invariant small "": total <= 2
step okay "a step that stops returns nothing" on unlock: result == OK
reachable both: total == 2
"""


def elements(cls: type[Design], domain: Any, bounds: dict[str, int]) -> list[Any]:
    """The elements of a scalarset."""
    return list(bind(cls, bounds).values(domain))


def checked(tmp_path: Path, spec: str, design: str) -> CheckResult:
    """The spec, written to a file, on a design of asserting.py."""
    (tmp_path / "own.spec").write_text(spec, encoding="utf-8")
    parsed = parse_text(spec, str(tmp_path / "own.spec"))
    (task,) = prepare(parsed, Request(designs=(f"{PLANTED}:{design}",)))
    return run(task, "exhaustive", Budget(seconds=60), Silent())


@pytest.mark.parametrize("engine", [explicit, native, bmc])
def test_every_engine_decides_them(engine: Engine) -> None:
    compiled = compile_design(asserting.Locking)
    properties = resolve(parse_text(LOCKING, "locking"), compiled).properties
    budget = Budget(depth=5, seconds=60, threads=1)
    outcome = engine(compiled.system, properties, budget, Silent())
    assert not outcome.defects
    for p in properties:
        verdict, depth = outcome.verdicts[p.name], DECIDED.get(p.name)
        if depth is not None:
            assert isinstance(verdict, Violated)
            assert len(verdict.trace) == depth
            confirm(compiled, p, verdict.trace, True)
        elif p.name != "both":
            assert isinstance(verdict, Holds | Unknown)


@pytest.mark.slow
def test_random_runs_find_them() -> None:
    compiled = compile_design(asserting.Locking)
    budget = Budget(seconds=8, seed=1)
    engine = engine_of("fuzz", compiled)
    outcome = engine(compiled.system, compiled.assertions, budget, Silent())
    found = {n for n, v in outcome.verdicts.items() if isinstance(v, Violated)}
    assert found == {n for n, depth in DECIDED.items() if depth}
    for p in compiled.assertions:
        verdict = outcome.verdicts[p.name]
        if isinstance(verdict, Violated):
            confirm(compiled, p, verdict.trace)


def test_nothing_is_added_to_a_design_without_them() -> None:
    class Plain(Design):
        x = var(Int(0, 2))

        @action
        def grow(self) -> None:
            self.x += 1

    assert compile_design(Plain).assertions == ()


# --- under CPython ----------------------------------------------------------


def test_a_warning_goes_on_and_a_bug_stops() -> None:
    design = asserting.Locking()
    t0, t1 = elements(asserting.Locking, asserting.TASKS, {})
    design.step("lock", t0)
    assert design.warned == []
    design.step("unlock", t1)
    assert [str(w.message) for w in design.warned] == ["pages underflow"]
    assert design.mm.locked[t1] == -1
    assert design.total == 0
    before = design.dump()
    with pytest.raises(KernelBug, match="unlocked twice"):
        design.step("unlock", t1)
    assert design.dump() == before


def test_a_count_is_kept_within_one_of_its_range() -> None:
    class Counts(Design):
        n = var(Counter(2))

        @action
        def add(self, by: Int(-4, 4)) -> None:
            self.n += by - 1
            self.n += 1

    design = Counts()
    for by, count in ((-4, -1), (4, 3), (4, 3), (-1, 2), (-2, 0)):
        design.step("add", by)
        assert design.n == count
    compiled = compile_design(Counts)
    (counter,) = compiled.assertions
    outcome = explicit(compiled.system, (counter,), Budget(), Silent())
    assert outcome.statistics.states == 5
    confirm(compiled, counter, outcome.verdicts[counter.name].trace, True)


@pytest.mark.parametrize("init", [-1, ANY])
def test_a_counter_starts_as_a_count(init: object) -> None:
    class Wrong(Design):
        n = var(Counter(2), init=init)

    with pytest.raises(ModelError, match="a Counter starts as a count"):
        Wrong()


def test_a_counter_is_no_index() -> None:
    class Wrong(Design):
        n = table(Counter(2), Int(0, 1))

    with pytest.raises(ModelError, match="write Int"):
        Wrong()


# --- planted bugs -----------------------------------------------------------

PLANTED_BUGS = (
    (
        "DoubleUncharge",
        "counter.rsvd.usage",
        """
spec "a reservation is uncharged twice"
bounds B = 1, C = 1, T = 1, F = 1, P = 1, CG_RSVD = 1, CG_MAX = 1, MEM_MAX = 1
    with rsvd
reachable reserved: resv_huge_pages() == 1
invariant below: all(c in CGROUPS: rsvd.usage[c] <= 1)
""",
    ),
    (
        "DroppedCharge",
        "counter.usage.usage",
        """
spec "a charge was dropped, its uncharge was not"
bounds blocks = 1, nodes = 1, T = 1, V = 1, P = 1, C = 1 with cgroup
reachable used: free_huge_pages() == 0
invariant below: all(c in CGROUPS: usage.usage[c] <= 1)
""",
    ),
    (
        "LockedNotReturned",
        "counter.mm.locked_vm",
        """
spec "munmap keeps locked_vm"
bounds T = 1, P = 1 with mlock without mprotect, faults, commit
reachable mapped: any(t in TASKS: mapped(t, 0))
invariant counts: all(t in TASKS: mm.map_count[t] <= 1)
""",
    ),
    (
        "CountNotReturned",
        "bug_on.exit_mmap.mm.exit_mmap",
        """
spec "munmap keeps map_count"
bounds T = 1, P = 1 without mprotect, faults, commit
reachable mapped: any(t in TASKS: mapped(t, 0))
step gone on exit_mmap: not any(t in TASKS: mapped'(t, 0))
""",
    ),
)


@pytest.mark.parametrize(
    ("design", "name", "spec"), PLANTED_BUGS, ids=[x[0] for x in PLANTED_BUGS]
)
def test_a_planted_bug_is_a_violation(
    design: str, name: str, spec: str, tmp_path: Path
) -> None:
    """Violated, exit 1, with a replayed trace; everything else is answered."""
    done = checked(tmp_path, spec, design)
    assert not done.defects
    assert exit_code([done]) == 1
    answers = {a.prop.name: a for a in done.answers}
    failing = answers.pop(name)
    assert isinstance(failing.verdict, Violated)
    assert failing.replay is not None
    assert failing.status is ExpectationStatus.UNMET
    assert not any(isinstance(a.verdict, Unknown) for a in answers.values())
    text = "\n".join(check_report(done, {}, False))
    assert f"{name} is false:" in text
    assert "THE MODEL IS WRONG" not in text
    assert "1 violated" in assertions_summary(done)
    (one,) = check_json([done], 1)["checks"]
    told = {p["name"]: p for p in one["properties"]}
    assert told[name]["assertion"] == name.partition(".")[0]
    assert told[name]["trace"]["steps"]


# --- in specs ---------------------------------------------------------------


def test_a_spec_may_expect_it(tmp_path: Path) -> None:
    design, name, spec = PLANTED_BUGS[2]
    done = checked(tmp_path, f"{spec}\nassertion {name}: expect violated", design)
    assert exit_code([done]) == 0
    done = checked(tmp_path, f"{spec}\nassertion {name}: expect holds", design)
    assert exit_code([done]) == 1


def test_an_assertion_that_nobody_has() -> None:
    compiled = compile_design(asserting.Locking)
    spec = parse_text(LOCKING + "assertion counter.mm.lokked: expect holds", "locking")
    with pytest.raises(UserError, match=r"did you mean `counter\.mm\.locked`"):
        resolve_all(spec, [compiled])


def test_one_that_is_off_is_no_mistake() -> None:
    compiled = compile_design(Vmas618, {"P": 1, "T": 1})
    lines = 'spec "x"\nfor Vmas618\nassertion counter.mm.locked_vm: expect holds'
    resolve_all(parse_text(lines, "x"), [compiled])


# --- invariants of blocks and designs ----------------------------------------

LENDER = """
spec "loans"
for {design}
reachable used: any(t in TASKS: loans.pinned[t] == 2)
"""


def test_a_block_brings_its_invariants(tmp_path: Path) -> None:
    done = checked(tmp_path, LENDER.format(design="Lender"), "Lender")
    verdicts = {a.prop.name: a.verdict for a in done.answers}
    broken = verdicts["invariant.loans.pinned_is_lent"]
    assert isinstance(broken, Violated)
    assert [s.action for s in broken.trace.steps] == ["pin"]
    assert isinstance(verdicts["invariant.loans.at_most"], Holds)
    text = "\n".join(check_report(done, {}, False))
    assert "invariant.loans.pinned_is_lent  violated after 1 step" in text
    assert assertions_summary(done) == "own invariants: 2, 1 violated"


def test_those_that_hold_have_no_row(tmp_path: Path) -> None:
    spec = LENDER.format(design="CarefulLender")
    done = checked(tmp_path, spec, "CarefulLender")
    assert assertions_summary(done) == "own invariants: 3, none violated"
    assert "pinned_is_lent" not in "\n".join(check_report(done, {}, False))


def test_a_feature_that_is_off_leaves_nothing_to_ask() -> None:
    compiled = compile_design(asserting.CarefulLender, without=("pins",))
    names = [p.name for p in compiled.assertions]
    assert names == ["invariant.few", "invariant.loans.at_most"]


def test_a_spec_may_expect_an_invariant_to_fail(tmp_path: Path) -> None:
    name = "assertion invariant.loans.pinned_is_lent: expect"
    spec = LENDER.format(design="Lender")
    assert exit_code([checked(tmp_path, f"{spec}{name} violated", "Lender")]) == 0
    assert exit_code([checked(tmp_path, f"{spec}{name} holds", "Lender")]) == 1


# --- v6.18 ------------------------------------------------------------------


def test_the_next_address_space_starts_unlocked() -> None:
    """MREMAP_DONTUNMAP leaves locked_vm too high there; mm_init sets it to 0
    for whoever comes next."""
    bounds = {"P": 4, "T": 2}
    having = ("mlock", "mremap", "fork")
    design = Vmas618(bounds, having=having)
    t0, t1 = elements(Vmas618, TASKS, bounds)
    none, nth = Fail.NONE, 1
    for task in (t0, t1):
        lock = task is t0
        made = design.step(
            "mmap",
            task,
            0,
            2,
            Place.FIXED,
            Prot.WRITE,
            False,
            lock,
            None,
            False,
            0,
            False,
            none,
            nth,
        )
        assert made is Errno.OK
    moved = design.step("mremap", t0, 0, 1, 1, Remap.FIXED_DONTUNMAP, 3, none, nth)
    assert moved is Errno.OK
    assert design.mm.locked_vm[t0] > design.mm.pages_with(t0, 0, 4, VM.LOCKED)
    design.step("exit_mmap", t0)
    assert design.step("fork", t1, t0, none, nth) is Errno.OK
    assert design.mm.locked_vm[t0] == 0
