# SPDX-License-Identifier: GPL-2.0-only
"""What every spec expects, tried with each of its bounds one larger.

A formula that is true at the shipped bounds only is wrong: it says nothing of
the kernel. What changes for a reason is in KNOWN; a search that the budget
ends says what it found by then.

    python -m tests.shipped.test_one_larger [--seconds S] SPEC ...
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import pytest

from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.verdict import Budget, Silent
from poolproof.checker.driver.check import EXHAUSTIVE, run
from poolproof.checker.driver.judging import ExpectationStatus
from poolproof.checker.driver.task import Request, prepare
from poolproof.checker.spec import parse
from poolproof.checker.spec.syntax import Spec

SPECS = Path(__file__).parents[2] / "specs"
SECONDS = 20.0
"""The budget of one search."""

KNOWN: dict[str, str] = {
    "ReservedThpVmas total=3 full": "four pages have two blocks",
    "ReservedPagesVmas total=3 full": "four pages have two blocks",
    "ReservedThpVmas K=2 lost": "three pages have no room to move a block",
    "GlobalPool errors=2 none_left": "both blocks are spared",
    "GlobalPool mark=2 grown": "two pages and a page of others leave no block",
    "Hugetlb blocks=2 all_demoted": "CAP has no room for the pages",
    "Hugetlb GIGANTIC=3 all_demoted": "CAP has no room for the pages",
    "Hugetlb RATIO=3 all_demoted": "CAP has no room for the pages",
    "Hugetlb blocks=1 without_pages": "CAP has no room for the pages",
    "Hugetlb GIGANTIC=3 without_pages": "CAP has no room for the pages",
    "Hugetlb RATIO=3 without_pages": "CAP has no room for the pages",
    "Thp mark=1 q2_served": "a watermark, as in the label marked",
    "Thp1g mark=1 q2_served": "a watermark, as in the label marked",
    "ThpPreferredOrder mark=1 q2_served": "a watermark, as in the label marked",
    "Shmem1g mark=1 q2_served": "a watermark, as in the label marked",
    "Shmem1g mark=1 late": "the watermark leaves no room for a folio",
    "Shmem1g mark=1 full": "the watermark leaves no room for a folio",
    "Shmem1g mark=1 elsewhere": "the watermark leaves no room for a folio",
    "Shmem1g limit=2 full": "two files do not fill two charges and a swap slot",
    "Shmem1g slots=2 late": "swap has room for both files",
    "Shmem1g slots=2 full": "swap has room for both files",
    "GlobalPool limit=2 all_three": "one huge page does not fill two charges",
    "ReservedThp blocks=2 outside": "one charged block leaves each node another",
    "ThpReservation threshold=3 promoted": "a huge page has two base pages",
    "Thp mark=1 full": "the watermark leaves no room for two folios",
    "Thp limit=3 full": "three ranges are all charged",
    "ReservedThpFiles files=2 found": "a node has one block, as in the label two",
    "ReservedThpFiles P=2 found": "a node has one block, as in the label two",
    "Thp mark=1 elsewhere": "the watermark leaves no room for a folio",
    "Thp mark=1 mixed": "the watermark leaves no room for two folios",
    "Thp mark=2 scattered": "without a fifth page no third block is begun",
    "Shmem1g mark=2 scattered": "without a fifth page no third block is begun",
    "FaultLocks T=2 tried": "two tasks, as in the label two",
    "FaultLocks T=2 given_up": "two tasks, as in the label two",
    "MemoryMin minimum=2 m12_freed": "the minima are more than the memory",
    "MemoryMin C=3 m12_freed": "the minima are all of the memory",
    "PageAllocator reserved=2 captured": "two blocks cannot be of three kinds",
    "PageAllocator cma=2 captured": "two blocks cannot be of three kinds",
    "PageAllocator highatomic=1 captured": "two blocks cannot be of three kinds",
    "BootReservedThp per_block=2 granted_if_had": "as in the label large",
    "BootReservedThp per_block=2 no_more": "as in the label large",
    "BootReservedThp per_block=2 more": "as in the label large",
    "BootTao nodes=3 spread": "an equal part of four pages, rounded up, is two",
    "Hugetlb OC=4 above": "no more than four pages are in use",
}
"""Changes that are right, as `changes` prints them without the verdict: why."""


def larger(spec: Spec) -> Iterator[Request]:
    """Yield a request for each design and bound, with the bound one larger."""
    for task in prepare(spec, Request()):
        for name, value in task.set_bounds.items():
            yield Request((task.known.reference,), bounds={name: value + 1})


def changes(path: Path, seconds: float) -> Iterator[tuple[str, str]]:
    """Yield what comes out otherwise: design, bound and property, and what."""
    spec = parse(path)
    for request in larger(spec):
        (name, value), (design,) = *request.bounds.items(), request.designs
        where = f"{design} {name}={value}"
        try:
            tasks = prepare(spec, request)
        except UserError as refused:
            if f"{name}={value}" not in str(refused):
                yield where, str(refused)
            continue
        for task in tasks:
            done = run(task, EXHAUSTIVE, Budget(seconds=seconds), Silent())
            for defect, _ in done.defects:
                yield where, f"the model is wrong: {defect.message}"
            for answer in done.answers:
                if answer.status is ExpectationStatus.UNMET:
                    told = f"{answer.verdict.__class__.__name__}, {answer.expected}"
                    yield f"{where} {answer.prop.name}", told


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(SPECS.rglob("*.spec")), ids=lambda p: p.stem)
def test_what_is_expected_holds_one_size_larger(path: Path) -> None:
    found = dict(changes(path, SECONDS))
    assert {where: told for where, told in found.items() if where not in KNOWN} == {}


def test_each_bound_is_tried_and_a_limit_is_kept() -> None:
    path = SPECS / "vma" / "vma_limit.spec"
    tried = [dict(request.bounds) for request in larger(parse(path))]
    assert tried == [{"P": 4}, {"M": 2}] or tried == [{"M": 2}, {"P": 4}]
    assert dict(changes(path, SECONDS)) == {}


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=float, default=SECONDS)
    options.add_argument("spec", nargs="+", type=Path)
    given = options.parse_args()
    for one in given.spec:
        print(one, flush=True)
        for where, told in changes(one, given.seconds):
            print(f"  {where}: {told}", flush=True)
