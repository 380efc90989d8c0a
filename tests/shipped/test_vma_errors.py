# SPDX-License-Identifier: GPL-2.0-only
"""Errors that somebody could make in model/blocks/vma/, and whether a spec tells.

Each is one change of the block's text: a condition that is forgotten, a case
that is mixed up. `unmerged` and other observers change with the block, so what
tells is often a formula over the pages themselves.

    python -m tests.shipped.test_vma_errors [NUMBER ...]
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

from poolproof.checker.core.source import altered, method_tree
from poolproof.checker.core.verdict import Budget, Silent
from poolproof.checker.driver.judging import ExpectationStatus, compare
from poolproof.checker.driver.task import Request, prepare
from poolproof.checker.engines.registry import ask
from poolproof.checker.spec import parse
from poolproof.model.blocks.vma.address_space import AddressSpace

SPECS = sorted((Path(__file__).parents[2] / "specs" / "vma").glob("*.spec"))


@dataclass(frozen=True)
class Error:
    """``old`` in the method's text (as `ast.unparse` prints it) becomes ``new``.
    ``spec`` tells it, by the name of its file; empty where none does."""

    title: str
    method: str
    old: str
    new: str
    spec: str

    @cached_property
    def trees(self) -> tuple[ast.FunctionDef, ast.FunctionDef]:
        """The method's syntax tree, and the wrong one at the same lines."""
        function: Any = getattr(AddressSpace, self.method)
        assert isinstance(function, FunctionType)
        _, tree = method_tree(function)
        text = ast.unparse(tree)
        assert text.count(self.old) == 1, f"{self.title}: {text}"
        (other,) = ast.parse(text.replace(self.old, self.new)).body
        assert isinstance(other, ast.FunctionDef)
        return tree, other


ERRORS = (
    Error(
        "VMAs of two mempolicies merge",
        "is_mergeable_vma",
        "self.vm_policy[task, near] == policy",
        "True",
        "vma_policy",
    ),
    Error(
        "VMAs of two files merge",
        "is_mergeable_vma",
        "self.vm_file[task, near] == file",
        "True",
        "vma_files",
    ),
    Error(
        "VMAs whose page offsets are not linear merge",
        "is_mergeable_vma",
        "self.shift[task, near] == shift",
        "True",
        "vma_files",
    ),
    Error(
        "an unfaulted VMA merges with a fork child",
        "is_mergeable_anon_vma",
        "return not self.forked[task, near]",
        "return True",
        "vma_fork_merge",
    ),
    Error(
        "a fork child merges with an unfaulted VMA",
        "is_mergeable_anon_vma",
        "return not forked",
        "return True",
        "vma_fork_merge",
    ),
    Error(
        "a merge of three joins two anon_vmas",
        "can_vma_merge_right",
        "self.anon_vma[task, p] == prev",
        "True",
        "vma_layout",
    ),
    Error(
        "a VMA that has close goes by a change of its flags",
        "vma_modify",
        "left_side and right_side and self.has_close(task, start)",
        "False",
        "vma_close",
    ),
    Error(
        "a new mapping swallows one that has close",
        "vma_merge_new_range",
        "CLOSE and left and right and self.has_close(task, end)",
        "False",
        "vma_close",
    ),
    Error(
        "the anon_vma of the next VMA is forgotten",
        "dup_anon_vma",
        "elif right and anon_vma == 0:",
        "elif False:",
        "vma_layout",
    ),
    Error(
        "the anon_vma of the previous VMA is forgotten",
        "dup_anon_vma",
        "left and self.anon_vma_at(task, start - 1) != 0",
        "False",
        "vma_layout",
    ),
    Error(
        "a merge forgets that an anon_vma came from a parent",
        "dup_anon_vma",
        "self.set_anon_vma(task, low, high, anon_vma, forked)",
        "self.set_anon_vma(task, low, high, anon_vma, False)",
        "vma_fork_merge",
    ),
    Error(
        "a merge of three leaves map_count",
        "vma_merge_new_range",
        "if left and right:\n        self.map_count[task] -= 1",
        "if False:\n        self.map_count[task] -= 1",
        "vma_layout",
    ),
    Error(
        "a boundary that moves right is not set",
        "vma_modify",
        "elif not right_side:",
        "elif False:",
        "vma_layout",
    ),
    Error(
        "an anon_vma that was forked is used again",
        "reusable_anon_vma",
        "not self.forked[task, near]",
        "True",
        "vma_fork_merge",
    ),
    Error(
        "the anon_vma of a VMA with another policy is used",
        "anon_vma_compatible",
        "self.vm_policy[task, page] == self.vm_policy[task, near]",
        "True",
        "vma_anon",
    ),
    Error(
        "what is wiped at fork has an anon_vma",
        "dup_vma",
        "self.anon_vma[task, start] != 0 and VM.WIPEONFORK not in old",
        "self.anon_vma[task, start] != 0",
        "vma_fork_flags",
    ),
    Error(
        "the child's page offsets are its addresses",
        "dup_vma",
        "self.shift[task, start]",
        "0",
        "vma_fork_files",
    ),
    Error(
        "a private file's offset does not move with it",
        "copy_vma",
        "shift = 0 if fresh else self.shift[task, addr] + addr - new_addr",
        "shift = 0 if fresh else self.shift[task, addr]",
        "vma_move_files",
    ),
    Error(
        "growth in place leaves the next VMA apart",
        "expand_vma_in_place",
        "False, True, True)",
        "False, True, False)",
        "vma_mremap",
    ),
    Error(
        "madvise ends at a hole",
        "madvise",
        "hole = True",
        "return ENOMEM",
        "vma_several",
    ),
    Error(
        "MREMAP_DONTUNMAP leaves the anon_vma",
        "dontunmap_complete",
        "self.anon_vma[task, p] = 0",
        "self.anon_vma[task, p] = self.anon_vma[task, p]",
        "vma_mremap",
    ),
    Error(
        "munmap that fails has unmapped a part",
        "do_munmap",
        "if self.should_fail(Fail.CLEAR):\n        return ENOMEM\n"
        "    self.vms_complete_munmap_vmas(task, start, end)",
        "if self.should_fail(Fail.CLEAR):\n"
        "        self.vms_complete_munmap_vmas(task, start, start + 1)\n"
        "        return ENOMEM\n"
        "    self.vms_complete_munmap_vmas(task, start, end)",
        "vma_failures",
    ),
)


def telling(error: Error, specs: list[Path]) -> Iterator[str]:
    """Yield what tells the error: the spec and its property."""
    for path in specs:
        with altered(*error.trees):
            tasks = prepare(parse(path), Request())
        for task in tasks:
            asked, system = task.resolved.properties, task.compiled.system
            found = ask("explicit", system, asked, Budget(seconds=60), Silent())
            told = [
                p.name
                for p in asked
                if compare(p, found.verdicts[p.name])[0]
                in (ExpectationStatus.UNMET, ExpectationStatus.VACUOUS)
            ]
            told += [defect.message for defect in found.defects]
            if told:
                yield f"{path.stem}: {', '.join(told)}"
                break


@pytest.mark.slow
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.title)
def test_a_spec_tells(error: Error) -> None:
    if not error.spec:
        assert next(telling(error, SPECS), None) is None, "name the spec here"
        pytest.skip("no spec tells")
    (path,) = (p for p in SPECS if p.stem == error.spec)
    assert next(telling(error, [path]), None) is not None


def test_few_errors_go_untold() -> None:
    assert len(ERRORS) >= 22
    assert sum(not error.spec for error in ERRORS) <= 2
    for error in ERRORS:
        assert error.trees


def test_an_error_is_told() -> None:
    (path,) = (p for p in SPECS if p.stem == ERRORS[0].spec)
    assert next(telling(ERRORS[0], [path])).startswith("vma_policy: bound")


if __name__ == "__main__":
    for number in map(int, sys.argv[1:] or range(len(ERRORS))):
        this = ERRORS[number]
        mine = sorted(SPECS, key=lambda p: p.stem != this.spec)
        told = next(telling(this, mine), "NOT TOLD")
        print(f"{number}. {this.title}: {told}", flush=True)
