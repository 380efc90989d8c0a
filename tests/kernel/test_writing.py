# SPDX-License-Identifier: GPL-2.0-only
"""What is written for an action is read back as that action, and does it."""

from __future__ import annotations

from random import Random

import pytest

from poolproof.checker.conform.script import Script, script
from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.evaluate import initial_states
from poolproof.checker.core.verdict import Step, Trace
from poolproof.checker.driver.stored import Replayed
from poolproof.checker.evidence.replay import Replay, ReplayedStep
from poolproof.checker.evidence.runner import Runner
from poolproof.checker.evidence.trace_file import Heading
from poolproof.checker.frontend.design import compile_design
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb
from poolproof.model.language import Disabled, ModelError, action_methods

SETTINGS = (
    (
        "private",
        {"V": 4, "P": 3, "blocks": 3, "CAP": 6},
        "fork reads split mremap dontneed noreserve",
    ),
    (
        "files",
        {"V": 4, "P": 2, "files": 2, "blocks": 3, "CAP": 6, "T": 2},
        "hugetlbfs private_files offsets noreserve punch fallocate truncate unlink",
    ),
    (
        "mount",
        {"V": 3, "P": 2, "files": 2, "blocks": 2, "CAP": 6, "MAX": 3, "MIN": 2},
        "hugetlbfs mount size min_size fallocate unlink punch",
    ),
    (
        "pool",
        {"nodes": 2, "V": 3, "P": 2, "blocks": 1, "CAP": 9, "OC": 2, "T": 2, "STEP": 2},
        "surplus sysctl resize resize_node mempolicy mbind policies",
    ),
    (
        "groups",
        {"nodes": 2, "V": 4, "P": 3, "blocks": 2, "CAP": 6, "C": 2, "T": 2},
        "cgroup cgroup_move cpuset mremap mremap_part split",
    ),
    (
        "children",
        {"nodes": 2, "V": 4, "P": 1, "blocks": 2, "CAP": 6, "C": 2, "T": 3, "files": 1},
        "cgroup cgroup_move cpuset fork hugetlbfs private_files",
    ),
    (
        "middle",
        {"V": 3, "P": 3, "blocks": 3, "CAP": 4},
        "mremap mremap_part mremap_middle split",
    ),
    (
        "exit",
        {"nodes": 2, "V": 3, "P": 2, "blocks": 1, "CAP": 9, "OC": 2, "files": 1},
        "surplus exit hugetlbfs private_files",
    ),
)


def random_run(compiled: Compiled, seed: int, steps: int) -> Replayed:
    """A run of the design, and nothing that it shows."""
    chance, system = Random(seed), compiled.system
    runner = Runner(compiled)
    runner.load(chance.choice(initial_states(system)))
    initial, taken = runner.state, []
    for _ in range(20 * steps):
        action = chance.choice(system.actions)
        raw = tuple(chance.choice(list(p.domain)) for p in action.parameters)
        try:
            result = runner.take(Step(action.name, raw))
        except (Disabled, ModelError):
            continue
        taken.append(ReplayedStep(Step(action.name, raw), result, runner.state))
        if len(taken) == steps or runner.design.h.resv_huge_pages < 0:
            break
    trace = Trace(initial, tuple(t.step for t in taken), None)
    heading = Heading(
        "Hugetlb",
        compiled.bounds,
        "reached",
        len(taken),
        having=compiled.having,
        property="run",
    )
    return Replayed(heading, compiled, None, Replay(trace, tuple(taken)))


def scripts(name: str, runs: int, steps: int) -> tuple[list[Script], set[str]]:
    """The runs that can be written, and the actions they have."""
    (_, bounds, having) = next(s for s in SETTINGS if s[0] == name)
    compiled = compile_design(Hugetlb, bounds, (), having.split())
    found, actions = [], set()
    for seed in range(runs):
        run = random_run(compiled, seed, steps)
        try:
            found.append(script(run))
        except UserError as e:
            # no call, or none that the design can follow: never a wrong one
            assert "no system call does this" in str(e), e
            continue
        actions |= {t.step.action for t in run.replay.taken}
    return found, actions


@pytest.mark.parametrize("name", [name for name, *_ in SETTINGS])
def test_a_run_is_written_and_read_back(name: str) -> None:
    """`script` raises where a command means another action or state."""
    found, actions = scripts(name, runs=16, steps=14)
    assert len(found) >= 3
    (having,) = (h for n, _, h in SETTINGS if n == name)
    possible = {
        a
        for a, (_, mark) in action_methods(Hugetlb).items()
        if all(f.name in having.split() for f in mark.when)
    }
    assert actions == possible
