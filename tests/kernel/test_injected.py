# SPDX-License-Identifier: GPL-2.0-only
"""Allocations that fail, on a kernel that is the design and on a real one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from poolproof.checker.conform.campaign import Plan
from poolproof.checker.conform.failures import (
    AS_SAID,
    BRANCHES,
    CLEARED,
    OTHERWISE,
    REFUSED,
    Injected,
    asked_by,
    branch,
    inject,
    with_failures,
)
from poolproof.checker.conform.hugetlb import roomy
from poolproof.checker.conform.known import known_differences
from poolproof.checker.conform.machine import ModelMachine
from poolproof.checker.conform.report import injected_report
from poolproof.checker.conform.sequence import LEFT_BEHIND, Difference
from poolproof.checker.core.cache import cache_folder
from poolproof.checker.kernel.answer import Answer
from poolproof.checker.kernel.guest import Guest
from poolproof.checker.kernel.kernel import SequenceOutcome, Unavailable
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb
from poolproof.model.language import NONE_FAILS, declared
from tests.common.linux_tree import own_image
from tests.common.model_kernel import ModelKernel, unsigned

CALLS = list({call: (call, functions) for call, functions in BRANCHES if call}.values())
"""One of each."""


NEEDED = ("exit", "surplus", "sysctl", "resize", "resize_node")
"""Features of the runs below, and of what sets a kernel up."""


class FailingKernel(ModelKernel):
    """The n-th allocation of a call is that of the n-th branch."""

    def sequence(self, commands: Sequence[str]) -> SequenceOutcome:
        plain = [re.sub(r" fail \d+", "", command) for command in commands]
        room = roomy(self.design, plain, 2, (1, 1))
        setting = with_failures(replace(room, having=NEEDED))
        machine = ModelMachine(self.design, setting)
        answers = []
        for command in commands:
            who, _, words = command.partition(" fail ")
            mark = ""
            if words:
                n, _, words = words.partition(" ")
                mark = " -"
                if int(n) <= len(CALLS):
                    machine.fails, functions = CALLS[int(n) - 1]
                    mark = f" @ dump_stack {' '.join(functions)}"
                command = f"{who} {words}"
            result = machine.run(command)
            if machine.fails != NONE_FAILS:
                machine.fails, mark = NONE_FAILS, " @"
            counters = unsigned(machine.counters())
            answers.append(Answer(result + mark, counters))
        return SequenceOutcome(tuple(answers), machine.drains())


class LeavesPromise(Hugetlb):
    """The pages of a mapping whose map cannot be had are promised nonetheless."""

    def hugetlb_reserve_private(self, task, spool, length):
        reserved = super().hugetlb_reserve_private(task, spool, length)
        if not reserved:
            self.hugetlb_acct_reservation(task, spool, length)
        return reserved


def injected(design: type[Hugetlb]) -> Injected:
    without = tuple(name for name in declared(Hugetlb)[1] if name != "exit")
    return inject(Hugetlb, FailingKernel(design), Plan(7, 3, 2, without=without))


def test_a_call_trace_is_a_branch_of_the_design() -> None:
    common = ["dump_stack_lvl", "should_failslab", "__kmalloc_cache_noprof"]
    split = [*common, "vm_area_dup", "__split_vma", "do_vmi_munmap"]
    reserve = [*common, "resv_map_alloc", "hugetlb_reserve_pages"]
    inode = [*common, "resv_map_alloc", "hugetlbfs_get_inode"]
    lock = [*common, "hugetlb_vma_lock_alloc", "hugetlb_vm_op_open", "__split_vma"]
    assert [branch(t) for t in (split, reserve, inode, lock)] == [
        *("vm_area_dup", "kmalloc of a resv_map", "", "")
    ]
    assert [asked_by(t) for t in (split, inode, [])] == [
        *("vm_area_dup", "resv_map_alloc", "(not in the log)")
    ]


def test_a_kernel_that_is_the_design_agrees() -> None:
    done = injected(Hugetlb)
    assert done.differences == {}
    assert sum(c[AS_SAID] for c in done.counts.values()) >= 3
    assert not any(c[OTHERWISE] for c in done.counts.values())


def test_a_failure_that_is_not_undone_is_found() -> None:
    done = injected(LeavesPromise)
    calls = {branch for _, _, branch in done.differences}
    assert calls == {"kmalloc of a resv_map"}
    (found,) = done.differences.values()
    assert "HugePages_Rsvd" in found.difference.what
    lines = injected_report("Hugetlb", done)
    assert all(len(line) <= 75 for line in lines)
    assert "  1 kind of failure with another outcome" in lines


class LeavesGap(ModelKernel):
    """The first allocation of a call is that of the new VMA, which mmap() wants when
    what was there is gone: mm/mmap.c:__mmap_region."""

    def sequence(self, commands: Sequence[str]) -> SequenceOutcome:
        plain = [re.sub(r"fail 1 mmap (\d+ \d+) .*", r"munmap \1", c) for c in commands]
        at = next(k for k, c in enumerate(commands) if " fail " in c)
        if plain[at] == commands[at]:
            plain[at] = re.sub(r"fail \d+ ", "", plain[at])
        outcome = super().sequence(plain)
        answers = list(outcome.answers)
        failed = "err ENOMEM @ dump_stack vm_area_alloc __mmap_region"
        if " munmap " not in plain[at] or " munmap " in commands[at]:
            failed = f"{answers[at].result} -"
        answers[at] = Answer(failed, answers[at].counters)
        return SequenceOutcome(tuple(answers), outcome.clean)


def test_a_map_fixed_that_fails_may_leave_a_gap() -> None:
    without = tuple(n for n in declared(Hugetlb)[1] if n not in ("exit", "dontneed"))
    done = inject(Hugetlb, LeavesGap(Hugetlb), Plan(60, 8, 2, without=without))
    counts = done.counts["mmap", "vm_area_alloc", ""]
    assert done.differences == {}
    assert counts[CLEARED] > 0
    assert counts[REFUSED] > 0


def test_a_kernel_without_injection_says_so() -> None:
    class Plain(ModelKernel):
        def sequence(self, commands: Sequence[str]) -> SequenceOutcome:
            plain = [c for c in commands if " fail " not in c]
            answers = list(super().sequence(plain).answers)
            at = next(k for k, c in enumerate(commands) if " fail " in c)
            answers.insert(at, Answer("err ENOENT", answers[at - 1].counters))
            return SequenceOutcome(tuple(answers), True)

    with pytest.raises(Unavailable, match="CONFIG_FAILSLAB"):
        inject(Hugetlb, Plain(Hugetlb), Plan(sequences=20, steps=6))


@pytest.mark.slow
@pytest.mark.parametrize(
    "having", [("split", "mremap", "mremap_part"), ("hugetlbfs", "fork", "truncate")]
)
def test_a_kernel_fails_as_the_design_says(
    having: tuple[str, ...], tmp_path: Path
) -> None:
    image = own_image(tmp_path)
    plan = Plan(sequences=100, steps=14, seed=3, seconds=300.0, having=having)
    try:
        with Guest(image, cache_folder()) as guest:
            done = inject(Hugetlb, guest, plan)
    except Unavailable as reason:
        pytest.skip(str(reason))
    assert not done.differences, "\n".join(injected_report("Hugetlb", done))
    assert {*done.differed} <= {"root-counter"}
    assert sum(c[AS_SAID] for c in done.counts.values()) > 10


def test_a_failure_whose_difference_is_known() -> None:
    (known,) = (k for k in known_differences() if k.name == "root-counter")
    warned = Difference(3, (LEFT_BEHIND,))
    assert known.explains_failure("vma_link", warned)
    assert not known.explains_failure("vm_area_dup", warned)
    assert not known.explains_failure("vma_link", Difference(3, ("HugePages_Rsvd",)))
    others = [k for k in known_differences() if k is not known]
    assert not any(k.explains_failure("vma_link", warned) for k in others)
    assert not any(k.explains_failure("", warned) for k in others)
