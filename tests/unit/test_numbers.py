# SPDX-License-Identifier: GPL-2.0-only
"""Sizes of a scenario: arithmetic, memory in words, and schedules in few lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from poolproof.checker.commands.main import main
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.verdict import Budget, Silent
from poolproof.checker.driver.designs import designs_named
from poolproof.checker.driver.size import Sized, SizeTask, find_size
from poolproof.checker.reports.size import memory
from poolproof.checker.spec import parse, parse_text
from poolproof.checker.spec.numbers import with_range

ROOT = Path(__file__).parents[2]
UPGRADE = ROOT / "specs/scenarios/hot_upgrade.scenario"

TEXT = """spec "s" pages of 2 MiB
bounds P = 4 MiB, V = 2, nodes = 1
let extra = 4 MiB
scenario a: for ReservedThp
    bounds {bounds}
    size blocks = {size}
    early reserve
    task old: reserve(v0, P) repeat p in 0..P - 1: fault(v0, p, _)
"""


def answer(size: str, bounds: str = "K = 1", **given: int) -> Sized:
    spec = parse_text(TEXT.format(size=size, bounds=bounds))
    (known,) = designs_named("ReservedThp")
    return find_size(
        SizeTask(spec.scenarios[0], spec, known, given), Budget(), Silent()
    )


def test_the_range_of_a_size_is_arithmetic() -> None:
    found = answer("min(P, 1)..P + extra // 2 * 2 - 1")
    assert [at.size for at in found.sizes] == [1, 2, 3]
    assert found.smallest == 2


def test_a_let_is_set_from_outside() -> None:
    assert [at.size for at in answer("extra..P", extra=1).sizes] == [1, 2]


def test_the_bounds_of_a_scenario_are_arithmetic() -> None:
    assert answer("1..3", "P = extra + 1").smallest == 3
    assert answer("1..4", "P = extra + 1", P=1).smallest == 1


def test_no_swap_is_a_size_of_swap() -> None:
    assert answer("1..3", "slots = 0 with swap").smallest == 2


@pytest.mark.parametrize(
    ("size", "bounds", "message"),
    [
        ("0..Q", "K = 1", "unknown bound `Q`"),
        ("0..blocks", "K = 1", "unknown bound `blocks`"),
        ("0..v0", "K = 1", "unknown bound `v0`"),
        ("3..P - 1", "K = 1", r"3\.\.1 is empty"),
        ("0..P // (P - 2)", "K = 1", "divide by 1 or more"),
        ("0..P == 2", "K = 1", None),
        ("0..{P}", "K = 1", "made of numbers, bounds"),
        ("0..2", "P = P - 2", "P = 0: "),
        ("0..2", "P = 3 MiB", "not a whole number of pages"),
    ],
)
def test_what_is_no_size(size: str, bounds: str, message: str | None) -> None:
    with pytest.raises(UserError, match=message):
        answer(size, bounds)


def test_memory_needs_the_size_of_a_page() -> None:
    with pytest.raises(UserError, match="is how many pages"):
        parse_text('spec "s" bounds P = 2 GiB')
    with pytest.raises(UserError, match="stands twice"):
        parse_text('spec "s" pages of 2 MiB pages of 1 GiB')
    with pytest.raises(UserError, match="a page has a size"):
        parse_text('spec "s" pages of 0 MiB')


def test_words_of_memory_remain_names() -> None:
    spec = parse_text('spec "s" let pages = 1 let of = pages')
    assert [let.name.text for let in spec.lets] == ["pages", "of"]


def test_bytes_are_shown_in_a_unit() -> None:
    sizes = (22 << 30, 3 << 20, 1536 << 20, 1 << 40, 512, 0)
    shown = ["22 GiB", "3 MiB", "1536 MiB", "1 TiB", "512 bytes", "0 bytes"]
    assert [memory(n) for n in sizes] == shown


def test_the_upgrade_of_16_by_16(capsys: pytest.CaptureFixture[str]) -> None:
    """The figures are those of the cover letter."""
    call = ["size", str(UPGRADE), "--scenario", "cold", "--sizes", "21..22"]
    assert main(call) == 0
    out = capsys.readouterr().out
    assert (
        "  cold      ReservedThpPlanned  22 (22 GiB)  21 fails late; of 21 to 22" in out
    )
    assert max(map(len, out.splitlines())) <= 75
    steps = out[out.index("   1. ") :] if "   1. " in out else out
    assert "fault(v0, 0..15, n0) -> OK" in steps
    assert "swap_out(v0, 6..15)" in steps
    assert "in turn" in steps
    assert len(out.splitlines()) < 25


EXPECTED = {
    ("mappings", "ReservedThp"): (32, "early"),
    ("mappings", "ReservedThpPlanned"): (32, "early"),
    ("hugetlb", "Hugetlb"): (32, "early"),
    ("files", "GuestMemfd"): (32, "early"),
    ("pool_files", "GlobalPool"): (32, "early"),
    ("shmem", "Shmem1g"): (32, "early"),
    ("cma", "HugetlbCma"): (32, "early"),
    ("reserved_files", "ReservedThpFiles"): (32, "early"),
    ("handed_over", "GuestMemfd"): (16, "early"),
    ("hugetlb_handed_over", "Hugetlb"): (16, "early"),
    ("pool_handed_over", "GlobalPool"): (16, "early"),
    ("cold", "ReservedThpPlanned"): (22, "late"),
    ("swap_short", "ReservedThpPlanned"): (23, "late"),
    ("pinned", "ReservedThpPlanned"): (23, "stuck"),
    ("touched", "ReservedThpPlanned"): (23, "late"),
    ("touched_more", "ReservedThpPlanned"): (22, "late"),
    ("no_swap", "ReservedThpPlanned"): (32, "late"),
    ("refused", "ReservedThpPlanned"): (32, "early"),
    ("swap_posted", "ReservedThp"): (None, "nothing_small"),
    ("limit", "ReservedThp"): (None, "late"),
    ("bound_pool", "GlobalPool"): (16, "early"),
    ("mappings", "ReservedThpAssumed"): (32, "early"),
    ("swap_posted", "ReservedThpAssumed"): (None, "nothing_small"),
    ("reserved_handed_over", "ReservedThpFiles"): (16, "early"),
    ("reserved_handed_over", "ReservedThpHugetlbfs"): (16, "early"),
    ("cma_handed_over", "HugetlbCma"): (16, "early"),
    ("isolated", "ReservedThpPlanned"): (23, "stuck"),
    ("isolated_waits", "ReservedThpPlanned"): (22, "late"),
    ("zone", "Tao"): (32, "nothing_small"),
    ("zone_cold", "Tao"): (32, "nothing_small"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("scenario", "design"), EXPECTED)
def test_least_pools_of_16_by_16(scenario: str, design: str) -> None:
    spec = parse(UPGRADE)
    (known,) = designs_named(design)
    (mine,) = (s for s in spec.scenarios if s.name.text == scenario)
    least, kind = EXPECTED[scenario, design]
    around = range(30, 34) if least is None else range(least - 2, least + 2)
    mine = with_range(mine, around)
    found = find_size(SizeTask(mine, spec, known), Budget(seconds=200), Silent())
    below = found.just_below()
    assert below is not None
    assert below.failure is not None
    assert (found.smallest, below.failure.kind) == (least, kind)
    assert found.monotone
