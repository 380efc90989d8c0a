# SPDX-License-Identifier: GPL-2.0-only
"""The hugetlb design against what real kernels did, row by row.

tests/kernel/observed.jsonl has scenarios with every counter after every call;
TRACES has shorter sequences, also recorded on 6.12.117, of which the four
global counters are known.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from poolproof.checker.conform.hugetlb import roomy, variant
from poolproof.checker.conform.machine import ModelMachine
from poolproof.checker.conform.trace_validation import load, match_scenario
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb

OBSERVED = Path(__file__).parents[1] / "kernel" / "observed.jsonl"
LOG = load(str(OBSERVED))
SCENARIOS = {s.name: s for s in LOG.scenarios}


@pytest.mark.parametrize("kernel", LOG.kernels)
@pytest.mark.parametrize("name", SCENARIOS)
def test_every_row(name: str, kernel: str) -> None:
    """Where the node cursors stood before the scenario cannot be read: one
    position must explain all rows."""
    design = variant(Hugetlb, LOG.kernels[kernel])
    found = match_scenario(design, SCENARIOS[name], kernel)
    assert found.accepted, f"{found.step}: {found.why} {found.ours} {found.theirs}"


# Setup, then steps with nr/free/resv/surplus; a result where it is not ok.
TRACES = {
    "C1": """
        nrnode 0 2, nrnode 1 2, mount m, w 0 open 0 /mnt/m/f; 4/4/0/0
        w 0 mmap 0 3 S 0 0; 4/4/3/0
        w 0 mmap 50 3 S 0 0; 4/4/3/0
        w 0 w 0 1; 4/3/2/0
        w 0 munmap 0 3, w 0 munmap 50 3; 4/3/2/0
        w 0 falloc 0 3 0 1; 4/4/2/0
        w 0 falloc 0 3 1 1; 4/4/2/0
        w 0 falloc 0 0 2 1; 4/3/1/0
        w 0 trunc 0 1; 4/4/0/0
        w 0 unlink /mnt/m/f, w 0 close 0; 4/4/0/0""",
    "C2": """
        nrnode 0 2, nrnode 1 1; 3/3/0/0
        w 0 mmap 0 3 PA -1 0; 3/3/3/0
        w 0 w 1 1; 3/2/2/0
        w 0 munmap 0 1; 3/2/1/0
        w 0 munmap 1 1; 3/3/1/0
        w 0 munmap 2 1; 3/3/0/0""",
    "C3": """
        oc 2; 0/0/0/0
        w 0 mmap 0 2 PA -1 0; 2/2/2/2
        w 0 w 0 1; 2/1/1/2
        w 0 mmap 50 1 PA -1 0; 2/1/1/2 err ENOMEM
        w 0 munmap 0 2; 0/0/0/0""",
    "C4": """
        nrnode 0 1, nrnode 1 1, mount m, w 0 open 0 /mnt/m/f; 2/2/0/0
        w 0 mmap 0 2 SN 0 0; 2/2/0/0
        w 0 w 0 1; 2/1/0/0
        w 0 mmap 50 2 S 0 0; 2/1/1/0
        w 0 exit, spawn 0, w 0 unlink /mnt/m/f; 2/2/0/0""",
    "C5": """
        nrnode 0 1; 1/1/0/0
        w 0 mmap 0 1 PA -1 0; 1/1/1/0
        w 0 w 0 1; 1/0/0/0
        w 0 madv 0 1 4; 1/1/1/0
        w 0 w 0 1; 1/0/0/0
        nr 0; 1/0/0/1
        w 0 madv 0 1 4; 0/0/0/0
        w 0 w 0 1; 0/0/0/0 sig SIGBUS""",
    "C6": """
        nrnode 0 2, nrnode 1 2; 4/4/0/0
        w 0 mmap 0 2 PA -1 0; 4/4/2/0
        nr 0; 2/2/2/2
        nr 3; 3/3/2/0
        w 0 munmap 0 2; 3/3/0/0""",
    "C9": """
        nrnode 0 1, nrnode 1 1; 2/2/0/0
        w 0 mmap 0 1 PA -1 0; 2/2/1/0
        nrnode 0 0; 1/1/1/0
        nrnode 1 0; 1/1/1/1
        w 0 w 0 1; 1/0/0/1
        w 0 munmap 0 1; 0/0/0/0""",
    "C10": """
        nrnode 1 1; 1/1/0/0
        w 0 mmap 0 1 PA -1 0; 1/1/1/0
        w 0 mbind 0 1 2 1 0; 1/1/1/0
        w 0 w 0 1; 1/1/1/0 sig SIGBUS""",
    "T11": """
        nrnode 0 1, nrnode 1 1, w 0 setpol 2 1; 2/2/0/0
        w 0 mmap 0 1 PA -1 0; 2/2/1/0
        w 0 mmap 10 1 PA -1 0; 2/2/2/0
        w 0 mmap 20 2 PA -1 0; 2/2/2/0 err ENOMEM
        w 0 w 0 1; 2/1/1/0
        w 0 w 10 1; 2/1/1/0 sig SIGBUS""",
}


@pytest.mark.parametrize("name", TRACES)
def test_trace(name: str) -> None:
    lines = [
        (commands.split(", "), *wanted.partition(" ")[::2])
        for commands, _, wanted in (
            line.strip().partition("; ") for line in TRACES[name].strip().splitlines()
        )
    ]
    everything = ["spawn 0", *(c for commands, *_ in lines for c in commands)]
    for alloc, free in product((0, 1), repeat=2):
        machine = ModelMachine(Hugetlb, roomy(Hugetlb, everything, 2, (alloc, free)))
        machine.run("spawn 0")
        for commands, counters, result in lines:
            for command in commands:
                answer = machine.run(command)
            now = machine.counters()
            assert f"{now.total}/{now.free}/{now.rsvd}/{now.surp}" == counters, commands
            assert answer == (result or "ok"), commands
