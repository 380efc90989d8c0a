"""The hugetlb design against what real kernels did, row by row.

tests/kernel/observed.jsonl has scenarios with every counter after every call;
TRACES has shorter sequences, also recorded on 6.12.117, of which the four
global counters are known.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from checker.kernel.observed import Scenario, read_observations
from model.designs.hugetlb import Hugetlb
from model.designs.hugetlb_versions import Hugetlb61
from tests.designs.hugetlb_agent import Machine, NotExpressible

OBSERVED = Path(__file__).parents[1] / "kernel" / "observed.jsonl"
SCENARIOS = {s.name: s for s in read_observations(OBSERVED).scenarios}

DISAGREE = {
    "S13": "mbind(MPOL_INTERLEAVE): the design knows MPOL_BIND only",
}


def differences(
    scenario: Scenario, kernel: str, design: type[Hugetlb], cursors: tuple[int, int]
) -> list[str]:
    machine = Machine(design, cursors)
    machine.begin(scenario.setup)
    rows = [("(setup)", "ok", "ok", scenario.ready, machine.counters())]
    for row in scenario.rows:
        seen = row.on(kernel)
        word = "ok" if seen.ok else " ".join(seen.result.split()[:2])
        result = machine.run(row.step)
        rows.append((row.step, word, result, seen.counters, machine.counters()))
    return [
        f"{step}: {was} {counters}\nthe design: {result} {ours}"
        for step, was, result, counters, ours in rows
        if (was, counters) != (result, ours)
    ]


@pytest.mark.parametrize("kernel", ["6.12", "6.1"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_every_row(name: str, kernel: str) -> None:
    """Where the node cursors stood before the scenario cannot be read: one
    position must explain all rows."""
    if name in DISAGREE:
        with pytest.raises(NotExpressible):
            differences(SCENARIOS[name], kernel, Hugetlb, (0, 0))
        return
    design = {"6.12": Hugetlb, "6.1": Hugetlb61}[kernel]
    found = [
        differences(SCENARIOS[name], kernel, design, cursors)
        for cursors in product((0, 1), repeat=2)
    ]
    assert [] in found, "\n".join(min(found, key=len))


# Setup, then steps with nr/free/resv/surplus; a result where it is not ok.
TRACES = {
    "C1": """
        nrnode 0 2, nrnode 1 2, w 0 open 0 f; 4/4/0/0
        w 0 mmap 0 3 S 0 0; 4/4/3/0
        w 0 mmap 50 3 S 0 0; 4/4/3/0
        w 0 w 0 1; 4/3/2/0
        w 0 munmap 0 3, w 0 munmap 50 3; 4/3/2/0
        w 0 falloc 0 3 0 1; 4/4/2/0
        w 0 falloc 0 3 1 1; 4/4/2/0
        w 0 falloc 0 0 2 1; 4/3/1/0
        w 0 trunc 0 1; 4/4/0/0
        w 0 unlink f, w 0 close 0; 4/4/0/0""",
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
        nrnode 0 1, nrnode 1 1, w 0 open 0 f; 2/2/0/0
        w 0 mmap 0 2 SN 0 0; 2/2/0/0
        w 0 w 0 1; 2/1/0/0
        w 0 mmap 50 2 S 0 0; 2/1/1/0
        w 0 exit, w 0 unlink f; 2/2/0/0""",
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
    for cursors in product((0, 1), repeat=2):
        machine = Machine(Hugetlb, cursors)
        machine.begin(())
        for line in TRACES[name].strip().splitlines():
            commands, _, wanted = line.strip().partition("; ")
            counters, _, result = wanted.partition(" ")
            for command in commands.split(", "):
                answer = machine.run(command)
            now = machine.counters()
            assert f"{now.total}/{now.free}/{now.rsvd}/{now.surp}" == counters, line
            assert answer == (result or "ok"), line
