# SPDX-License-Identifier: GPL-2.0-only
"""Two kernels with the same calls: what differs for user space."""

from __future__ import annotations

from functools import cache

from poolproof.checker.conform.campaign import Plan
from poolproof.checker.conform.own_counters import broken
from poolproof.checker.conform.pair import Pair, compare_kernels
from poolproof.checker.conform.report import pair_report
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb
from tests.common.model_kernel import ModelKernel


class Leaks(Hugetlb):
    """What was promised does not come back when a VMA is closed."""

    def hugetlb_vm_op_close(self, vma, start, end):
        pass


@cache
def pair(head: type[Hugetlb], sequences: int) -> Pair:
    plan = Plan(sequences=sequences, steps=12, enough=1, without=("fork", "cgroup"))
    return compare_kernels(Hugetlb, ModelKernel(Hugetlb), ModelKernel(head), plan)


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
    some = broken(Hugetlb, found)
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
