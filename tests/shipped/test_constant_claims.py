# SPDX-License-Identifier: GPL-2.0-only
"""A claim of specs/questions/ says something of each of its designs.

Where a design has a constant for what is asked, the formula is true or false as
soon as it is compiled, and no search can say otherwise. `KNOWN` has those, and why
the constant is what the code does; a claim that is found here and is not there
needs a real observer, a feature that makes it one, or a reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from poolproof.checker.core.property import Kind, Property
from poolproof.checker.driver.task import Request, prepare
from poolproof.checker.spec import parse
from tests.common.tiers import specs

SAMPLE = "promise_pins"
"""The one that the gate compiles; all of them take 9 seconds of CPU."""

_ALIGNED = (
    "hugetlb maps no page in parts: hugetlb_vm_op_split() and mremap refuse an "
    "address that is not aligned"
)
_UNSPLIT = "a sketch of section 3.1 of the cover letter: no folio is split"
_PARTIAL = "only guests that share parts split a page: promise_partial has them"
_LENT = "nothing is lent: the code has no such path, or the feature is off"
_BOOT = "the pool's size is set at boot"
_LRU = "the pages are on no LRU list"
_SUM = "no counter of its own: what is promised is summed over the users"
_ONE = "the pool has one kind of consumers"

KNOWN: dict[str, dict[str, str]] = {
    "q5_stays_huge": {
        "Hugetlb": _ALIGNED,
        "HugetlbCma": _ALIGNED,
        "ReservedThpFiles": _UNSPLIT,
        "ReservedThpHugetlbfs": _UNSPLIT,
        "GuestMemfd": _PARTIAL,
        "GlobalPool": _PARTIAL,
    },
    "q10_unasked": dict.fromkeys(
        (
            "Hugetlb",
            "GuestMemfd",
            "ReservedThp",
            "ReservedThpPlanned",
            "ReservedThpFiles",
            "ReservedThpHugetlbfs",
        ),
        _LENT,
    ),
    "q12_huge_again": {"GlobalPool": _PARTIAL},
    "q9_usable": dict.fromkeys(
        (
            "Hugetlb",
            "GuestMemfd",
            "ReservedThp",
            "ReservedThpPlanned",
            "ReservedThpFiles",
        ),
        _LENT,
    ),
    "f11_used": dict.fromkeys(
        (
            "Hugetlb",
            "HugetlbCma",
            "GuestMemfd",
            "GlobalPool",
            "ReservedThp",
            "ReservedThpPlanned",
            "ReservedThpFiles",
        ),
        _LENT,
    ),
    "q1_exclusive": dict.fromkeys(
        ("ReservedThp", "ReservedThpPlanned"),
        "promise_lending leaves out the advice that takes the flag away",
    ),
    "q14_shrink_is_safe": dict.fromkeys(
        ("ReservedThp", "ReservedThpPlanned", "ReservedThpFiles"), _BOOT
    ),
    "q14_smaller": dict.fromkeys(
        ("ReservedThp", "ReservedThpPlanned", "ReservedThpFiles", "Tao"), _BOOT
    ),
    "q15_kinds": dict.fromkeys(
        ("Hugetlb", "HugetlbCma", "ReservedThp", "ReservedThpPlanned"), _ONE
    ),
    "q11_reclaimable": {
        **dict.fromkeys(("Hugetlb", "HugetlbCma", "GuestMemfd"), _LRU),
        "ReservedThpFiles": "it leaves out swap, which the plans have",
    },
    "i4_no_wrap": dict.fromkeys(
        (
            "ReservedThp",
            "ReservedThpPlanned",
            "ReservedThpFiles",
            "ReservedThpHugetlbfs",
        ),
        _SUM,
    ),
    "f9_both": dict.fromkeys(("Hugetlb", "GuestMemfd"), _LENT),
}
"""Why a claim (by name) is a constant of a design."""


def is_constant(claim: Property) -> bool:
    """Whether no run decides it: `eventually GOAL` is `true leads to GOAL`."""
    if claim.kind is not Kind.LEADS_TO:
        return claim.formula.is_const
    never = claim.formula.is_const and not claim.formula.data
    return never or (claim.goal is not None and claim.goal.is_const)


def constants(name: str) -> Iterator[tuple[str, str]]:
    """Yield the spec's claims, each with a design in which it is a constant."""
    for task in prepare(parse(specs()[name]), Request()):
        for claim in task.resolved.properties:
            if is_constant(claim):
                yield claim.name, task.known.name


def questions() -> list[Any]:
    return [
        pytest.param(name, marks=() if name == SAMPLE else pytest.mark.slow)
        for name, path in specs().items()
        if path.parent.name == "questions"
    ]


@pytest.mark.parametrize("name", questions())
def test_no_claim_is_a_constant(name: str) -> None:
    new = [one for one in constants(name) if one[1] not in KNOWN.get(one[0], {})]
    assert not new, "not decided by any run"


@pytest.mark.slow
def test_each_known_constant_is_one() -> None:
    names = [n for n, path in specs().items() if path.parent.name == "questions"]
    found = {one for name in names for one in constants(name)}
    assert {(c, d) for c, designs in KNOWN.items() for d in designs} <= found
