# SPDX-License-Identifier: GPL-2.0-only
"""Two kernels with the same calls: what differs for user space."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from poolproof.checker.conform.c_difference import c_difference, program
from poolproof.checker.conform.campaign import Plan
from poolproof.checker.conform.environment import NotExpressible
from poolproof.checker.conform.own_counters import Broken, broken
from poolproof.checker.conform.pair import Pair, compare_kernels
from poolproof.checker.conform.report import pair_report
from poolproof.checker.conform.script import again
from poolproof.checker.conform.sequence import LEFT_BEHIND, Difference, begin
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb
from tests.common.acted import compiles, needs_cc, run_program
from tests.common.model_kernel import ModelKernel


class Leaks(Hugetlb):
    """What was promised does not come back when a VMA is closed."""

    def hugetlb_vm_op_close(self, vma, start, end):
        pass


@cache
def pair(head: type[Hugetlb], sequences: int) -> Pair:
    """A comparison by random sequences. The first of this seed shows the leak at a
    munmap, and not only by what its reset leaves behind."""
    without = ("fork", "cgroup")
    plan = Plan(sequences=sequences, seed=2, steps=12, enough=1, without=without)
    return compare_kernels(Hugetlb, ModelKernel(Hugetlb), ModelKernel(head), plan)


@cache
def leaks_break() -> tuple[Broken, ...]:
    (found,) = pair(Leaks, 200).differences
    return broken(Hugetlb, found)


def test_a_kernel_does_not_differ_from_itself() -> None:
    done = pair(Hugetlb, 6)
    assert (done.sequences, done.differences, done.ended) == (6, [], "")
    text = pair_report(done, [], ("a", "b"))
    assert "  no difference for user space" in text


def test_a_leak_is_found_shrunk_and_violates_the_specs_invariants() -> None:
    """A promise and its end are two calls; no fewer show it."""
    done = pair(Leaks, 200)
    (found,) = done.differences
    rows = [row.command.split()[2] for row in found.run.rows]
    assert rows == ["mmap", "munmap"]
    assert "HugePages_Rsvd" in found.difference.what
    some = leaks_break()
    assert "resv_exact" in {b.prop.name for b in some}
    text = pair_report(done, [some], ("a", "b"))
    assert all(len(line) <= 75 for line in text)
    assert any("the head's counters violate resv_exact" in line for line in text)
    assert any(line.split()[-2:] == ["base", "head"] for line in text)


def test_where_nothing_differs_no_invariant_is_violated() -> None:
    """The same run, judged by the base's own counters."""
    (found,) = pair(Leaks, 200).differences
    kernel = ModelKernel(Hugetlb)
    outcome = kernel.sequence(found.run.commands)
    same = type(found)(found.run, outcome.answers, outcome.clean, found.difference)
    assert broken(Hugetlb, same) == ()


# --- as a C program ---------------------------------------------------------


@needs_cc
def test_a_difference_is_a_c_program() -> None:
    """The calls, and the answers of both."""
    (found,) = pair(Leaks, 200).differences
    text = c_difference(found, "leak", ("base", "head"), leaks_break())
    assert "returned = munmap(PAGE(" in text
    assert '#define EXPECTED "base"' in text
    base, head = found.run.rows[-1].counters, found.answers[-1].counters
    assert head.rsvd > base.rsvd
    shown = f"HugePages_Rsvd base {base.rsvd}, head {head.rsvd}"
    assert f" * Step 2 differs: {shown}.\n" in text
    assert " * The head's counters violate resv_exact" in text
    assert "/*@" not in text
    assert "/*+" not in text
    compiles(text, "-c", "-o", "/dev/null")


@needs_cc
@pytest.mark.parametrize(
    ("design", "code", "last"),
    [
        (Hugetlb, 0, "ok 1 leak # as the base"),
        (Leaks, 1, "not ok 1 leak # as the head"),
    ],
)
def test_the_program_says_whose_side_a_kernel_is_on(
    design: type[Hugetlb], code: int, last: str, tmp_path: Path
) -> None:
    (found,) = pair(Leaks, 200).differences
    made = program(found, "leak", ("base", "head"))
    machine = begin(design, made.calls.setting, made.calls.setup)
    steps = [again(machine, step) for step in made.calls.steps]
    seen, said = run_program(made, steps, tmp_path)
    assert (seen, said.splitlines()[-1]) == (code, last)


def test_what_only_a_reset_shows_has_no_c_program() -> None:
    (found,) = pair(Leaks, 200).differences
    at = len(found.run.rows)
    only = replace(found, difference=Difference(at, (LEFT_BEHIND,)))
    with pytest.raises(NotExpressible, match="only a reset shows it"):
        c_difference(only, "leak", ("base", "head"))
