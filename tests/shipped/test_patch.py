# SPDX-License-Identifier: GPL-2.0-only
"""Real fixes of the kernel, and which designs, actions and specs they are about.

A fix is here as its subject, the release that has it, and the places of its hunks.
What is expected follows from the kernel's text: which function is changed, and
which system calls lead there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from poolproof.checker.commands.main import main
from poolproof.checker.core.verdict import Budget, Silent
from poolproof.checker.driver import check
from poolproof.checker.driver.designs import designs_named, shipped_designs
from poolproof.checker.driver.patch import Modelled, exercising, modelled, unmodelled
from poolproof.checker.driver.skeleton import skeleton
from poolproof.checker.driver.task import Request, prepare
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.linux.patch import read_patches
from poolproof.checker.linux.touched import touched
from poolproof.checker.reports.b4 import as_json, unknown_lines, violated_lines
from poolproof.checker.spec import parse_text
from poolproof.model.language import declared
from tests.common.diffs import mail, outline


@dataclass(frozen=True)
class Fix:
    """A fix; and of one design the actions that it may change, and specs that
    ask something of these."""

    subject: str
    release: str
    diff: str
    functions: tuple[str, ...]
    design: str
    actions: set[str]
    specs: set[str]

    def mail(self) -> str:
        return mail(f"[PATCH {self.release}] {self.subject}", self.diff)


FIXES = (
    Fix(
        "mm/vma: correctly unaccount on mmap_prepare() failure",
        "7.2.8",
        outline(
            "mm/vma.c",
            (2754, "static unsigned long __mmap_region(struct file *file,", 5, 2),
        ),
        ("mm/vma.c:__mmap_region",),
        "Vmas",
        {"mmap"},
        {"vma_accounting", "vma_failures", "vma_limit"},
    ),
    Fix(
        "mm/mremap: fix locked_vm leak from MREMAP_DONTUNMAP self-merge",
        "7.2.11",
        outline(
            "mm/vma.c",
            (1863, "struct vm_area_struct *copy_vma(struct vm_area_struct **v,", 1, 1),
            (1896, "struct vm_area_struct *copy_vma(struct vm_area_struct **v,", 15, 0),
        )
        + outline(
            "mm/mremap.c",
            (1265, "static int copy_vma_and_data(struct vma_remap_struct *vrm,", 2, 1),
            (1325, "static void dontunmap_complete(struct vma_remap_struct *v,", 3, 2),
        ),
        (
            "mm/vma.c:copy_vma",
            "mm/mremap.c:copy_vma_and_data",
            "mm/mremap.c:dontunmap_complete",
        ),
        "Vmas",
        {"mremap"},
        {"vma_mremap_mlock", "vma_mremap", "vma_move"},
    ),
    Fix(
        "mm/hugetlb: fix hugetlb cgroup rsvd charge/uncharge mismatch",
        "6.12.y",
        outline(
            "mm/hugetlb.c",
            (2976, "struct folio *alloc_hugetlb_folio(struct vm_area_struct *v,", 1, 0),
            (3016, "struct folio *alloc_hugetlb_folio(struct vm_area_struct *v,", 1, 1),
            (3056, "struct folio *alloc_hugetlb_folio(struct vm_area_struct *v,", 1, 1),
        ),
        ("mm/hugetlb.c:alloc_hugetlb_folio",),
        "Hugetlb",
        {"touch", "touch_remote", "fallocate", "fork"},
        {"hugetlb_cgroup_rsvd", "hugetlb_cgroup", "hugetlb_errors", "hugetlb_fork"},
    ),
    Fix(
        "hugetlb: only adjust reservation during unmapping if mapcount is 0",
        "6.12.111",
        outline(
            "mm/hugetlb.c",
            (5518, "void __unmap_hugepage_range(struct mmu_gather *tlb, struct", 1, 0),
            (5616, "void __unmap_hugepage_range(struct mmu_gather *tlb, struct", 1, 1),
        ),
        ("mm/hugetlb.c:__unmap_hugepage_range",),
        "Hugetlb",
        {"munmap", "munmap_part", "madvise_dontneed", "truncate", "punch_hole"},
        {"hugetlb_fork", "hugetlb_dontneed", "hugetlb_exit", "hugetlb_hole"},
    ),
    Fix(
        "mm/hugetlb: do not dissolve gigantic pages without runtime support",
        "7.2.9",
        outline(
            "mm/hugetlb.c",
            (1977, "int dissolve_free_hugetlb_folio(struct folio *folio)", 9, 0),
        ),
        ("mm/hugetlb.c:dissolve_free_hugetlb_folio",),
        "Hugetlb",
        {"poison", "dissolve"},
        {"hugetlb_offline", "promise_poison"},
    ),
)


def models(fix: Fix) -> tuple[Modelled, ...]:
    found, _ = touched(read_patches(fix.mail().encode(), "x"))
    assert tuple(t.name for t in found) == fix.functions
    assert unmodelled(found, modelled(found, shipped_designs())) == ()
    return modelled(found, shipped_designs())


@pytest.mark.parametrize("fix", FIXES, ids=lambda f: f.subject)
def test_a_fix_is_about_the_right_design_and_actions(fix: Fix) -> None:
    (mine,) = (m for m in models(fix) if m.known.name == fix.design)
    assert {*mine.actions} >= fix.actions
    assert len(mine.actions) < len(vars(mine.known.cls.__mro__[1])) + 40
    assert {p.touched.name for p in mine.places} == {*fix.functions}


@pytest.mark.slow
def test_specs_are_named_that_have_such_an_action() -> None:
    """Each spec of hugetlb has mmap, touch and munmap; few have mremap or dissolve."""
    names: list[set[str]] = []
    for fix in FIXES:
        mine = [m for m in models(fix) if m.known.name == fix.design]
        names.append({Path(e.spec.file).stem for e in exercising(mine)})
        assert names[-1] >= fix.specs, fix.subject
    assert not names[1] & {"vma_brk", "vma_files", "vma_accounting"}
    assert not names[4] & {"hugetlb_fork", "hugetlb_hole", "hugetlb_cgroup"}


def test_an_action_that_does_not_lead_there_is_not_named() -> None:
    unmap, dissolve = models(FIXES[3]), models(FIXES[4])
    for which, others in (
        (unmap, {"mmap", "set_mempolicy", "dissolve", "touch"}),
        (dissolve, {"mmap", "touch", "munmap", "fork"}),
    ):
        (mine,) = (m for m in which if m.known.name == "Hugetlb")
        assert not {*mine.actions} & others


def test_an_heir_that_changes_nothing_of_it_stands_with_its_base() -> None:
    (mine,) = (m for m in models(FIXES[4]) if m.known.name == "Hugetlb")
    assert {"Hugetlb61", "Hugetlb70"} <= {*mine.heirs}


@pytest.mark.parametrize("number", [pytest.param(1, marks=pytest.mark.slow), 4])
def test_a_skeleton_is_its_base(number: int, tmp_path: Path) -> None:
    """Variables, initial states, guards and steps are the same expressions."""
    fix = FIXES[number]
    (mine,) = (m for m in models(fix) if m.known.name == fix.design)
    file = tmp_path / "my_patch.py"
    file.write_text(skeleton(mine, read_patches(fix.mail().encode(), "x")))
    (heir,) = designs_named(str(file))
    base = mine.known.cls
    assert heir.cls.__mro__[1] is base
    assert len([v for v in vars(heir.cls) if not v.startswith("__")]) > 0
    for having in ((), tuple(declared(base)[1])):
        old = compile_design(base, {}, (), having).system
        new = compile_design(heir.cls, {}, (), having).system
        assert (new.variables, new.initial) == (old.variables, old.initial)
        assert len(new.actions) == len(old.actions)
        for a, b in zip(new.actions, old.actions, strict=True):
            assert (a.name, a.guard, a.updates) == (b.name, b.guard, b.updates)


# --- the command ----------------------------------------------------------


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["patch", *arguments])
    captured = capsys.readouterr()
    assert all(len(line) <= 75 for line in captured.out.splitlines())
    return code, captured.out, captured.err


def test_the_command_names_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "fix.patch"
    file.write_text(FIXES[4].mail())
    code, out, err = run(capsys, str(file), "--design", "Hugetlb", "--no-run")
    assert (code, err) == (0, "")
    assert out.startswith(FIXES[4].subject + "\n")
    assert "actions: soft_offline, poison, dissolve\n" in out
    assert "Hstate.dissolve_free_hugetlb_folio" in out
    assert "hugetlb_offline" in out


def test_b4_hears_nothing_of_a_patch_that_no_design_models(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "fix.patch"
    file.write_text(mail("[PATCH] x", outline("mm/slub.c", (9, "void f(void)", 1, 0))))
    assert run(capsys, str(file), "--b4") == (0, "", "")


def test_b4_gets_a_line_for_each_function_that_a_design_models(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "fix.patch"
    file.write_text(FIXES[4].mail())
    code, out, err = run(capsys, str(file), "--b4")
    assert (code, err) == (0, "")
    function, _, designs = out.partition(": modelled by ")
    assert function == "mm/hugetlb.c:dissolve_free_hugetlb_folio"
    assert designs.startswith("Hugetlb ")
    assert designs.count("\n") == 1


RENAMED = """\
diff --git a/mm/a.c b/mm/b.c
similarity index 100%
rename from mm/a.c
rename to mm/b.c
"""


def test_b4_hears_nothing_of_a_patch_that_changes_no_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is nothing wrong with it; without --b4 it is a mistake to ask."""
    file = tmp_path / "fix.patch"
    file.write_text(mail("[PATCH] x", RENAMED))
    assert run(capsys, str(file), "--b4") == (0, "", "")
    assert run(capsys, str(file), "--b4", "--json") == (0, "[]\n", "")
    code, out, err = run(capsys, str(file))
    assert (code, out) == (2, "")
    assert "it renames files only (mm/a.c to mm/b.c)" in err


def test_b4_review_gets_one_result_which_is_as_bad_as_the_worst() -> None:
    """The fields that b4's manual names: docs/maintainer/review.rst."""
    (result,) = json.loads(as_json(["a: modelled by B", "ERROR: c: d", "e"]))
    assert result == {
        "tool": "poolproof",
        "status": "fail",
        "summary": "c: d",
        "details": "a: modelled by B\nERROR: c: d\ne",
    }
    (result,) = json.loads(as_json(["a: modelled by B"]))
    assert result["status"] == "warn"


def test_b4_is_told_what_was_not_run() -> None:
    (line,) = unknown_lines([], 3, 2.5)
    assert line.startswith("3 of 3 specs not known within 2.5 seconds")
    assert list(unknown_lines([], 0, 2.5)) == []


PLACED = """\
from poolproof.model.language import *

NODES = Scalarset("NODES", Bound("N", 1), prefix="n")


class Placed(Design):
    node = var(Maybe(NODES))
    full = table(NODES, Bool())

    @action
    def fill(self, n: NODES):
        self.full[n] = True
"""


def test_b4_is_told_of_a_spec_that_is_not_defined_everywhere(tmp_path: Path) -> None:
    """More time would not say more."""
    (tmp_path / "placed.py").write_text(PLACED)
    asked = parse_text('spec "x"\ninvariant there: not full[node]\n')
    (task,) = prepare(asked, Request((f"{tmp_path}/placed.py",)))
    checked = check.run(task, "explicit", Budget(), Silent())
    (line,) = violated_lines([checked])
    assert line.startswith("ERROR: ")
    assert list(unknown_lines([checked], 0, 3)) == []


def test_a_bad_patch_is_one_line_and_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "fix.patch"
    file.write_text(FIXES[4].mail()[:-40])
    code, out, err = run(capsys, str(file))
    assert (code, out) == (2, "")
    assert "cut off" in err
    assert err.count("\n") == 1
    code, out, err = run(capsys, str(tmp_path / "nowhere"))
    assert (code, out, err.count("\n")) == (2, "", 1)
