"""`poolproof size`: the smallest pool, and the schedule that shows it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from poolproof.checker.commands.main import main
from poolproof.checker.core.verdict import Budget, Silent
from poolproof.checker.driver.designs import designs_named
from poolproof.checker.driver.review import LeastPools
from poolproof.checker.driver.size import AtSize, Failure, Sized, find_size
from poolproof.checker.spec import parse

ROOT = Path(__file__).parents[2]
FOUR = "specs/scenarios/hot_upgrade_4.scenario"
EIGHT = "specs/scenarios/hot_upgrade_8.scenario"

EXPECTED = {
    (FOUR, "mappings", "HugetlbPool"): (8, "early"),
    (FOUR, "mappings", "ReservedThp"): (8, "early"),
    (FOUR, "files", "GuestMemfd"): (8, "early"),
    (FOUR, "pool_files", "GlobalPool"): (8, "early"),
    (FOUR, "pool_handed_over", "GlobalPool"): (4, "early"),
    (FOUR, "cma", "HugetlbCma"): (8, "stuck"),
    (FOUR, "cold3", "ReservedThpPlanned"): (5, "late"),
    (FOUR, "cold2", "ReservedThpPlanned"): (6, "late"),
    (FOUR, "swap_short", "ReservedThpPlanned"): (6, "late"),
    (FOUR, "pinned", "ReservedThpPlanned"): (6, "stuck"),
    (FOUR, "touched", "ReservedThpPlanned"): (6, "late"),
    (FOUR, "touched_more", "ReservedThpPlanned"): (5, "late"),
    (FOUR, "refused", "ReservedThpPlanned"): (8, "early"),
    (FOUR, "swap_posted", "ReservedThp"): (None, "nothing_small"),
    (FOUR, "limit", "HugetlbPool"): (None, "late"),
    (FOUR, "limit_pool", "GlobalPool"): (None, "early"),
    (FOUR, "bound_pool", "GlobalPool"): (4, "early"),
    (FOUR, "again", "HugetlbPool"): (9, "early"),
    (FOUR, "again", "ReservedThp"): (9, "late"),
    (FOUR, "thp", "Thp"): (8, "late"),
    (FOUR, "zone", "Tao"): (8, "nothing_small"),
    (FOUR, "thp_others", "Thp"): (None, "nothing_small"),
    (EIGHT, "mappings", "HugetlbPool"): (16, "early"),
    (EIGHT, "pool_handed_over", "GlobalPool"): (8, "early"),
}


@pytest.mark.parametrize(("file", "scenario", "design"), EXPECTED)
def test_hot_upgrade(file: str, scenario: str, design: str) -> None:
    spec = parse(ROOT / file)
    (known,) = designs_named(design)
    (mine,) = (s for s in spec.scenarios if s.name.text == scenario)
    found = find_size(mine, spec, known.cls, {}, Budget(seconds=60), Silent())
    below = found.just_below()
    assert below is not None and below.failure is not None and found.monotone
    smallest = found.smallest
    assert (smallest, below.failure.kind) == EXPECTED[file, scenario, design]
    assert below.size == (found.sizes[-1].size if smallest is None else smallest - 1)


def failing(kind: str) -> Failure:
    failure = Failure.__new__(Failure)
    object.__setattr__(failure, "kind", kind)
    return failure


def test_cells_of_the_review() -> None:
    early, late, breaks = (failing(k) for k in ("early", "late", "nothing_small"))
    found = {
        ("mappings", "A"): Sized("blocks", (AtSize(1, 5, early), AtSize(2, 5))),
        ("mappings", "B"): Sized("blocks", (AtSize(1, 5, early), AtSize(2, 5, late))),
        ("cma", "A"): Sized("blocks", (AtSize(1, 5, breaks), AtSize(2, 5))),
        ("cma", "B"): Sized("blocks", (AtSize(1, 5),)),
        ("files", "B"): Sized("blocks", (AtSize(1, 5, None, "time is up"),)),
    }
    sizes = LeastPools(parse(ROOT / FOUR), found)
    assert sizes.designs == ["A", "B"]
    assert list(sizes.rows(["A", "B", "C"])) == [
        ("mappings", ["2e", ">2l", ""]),
        ("files", ["", "?", ""]),
        ("cma", ["2b", "1", ""]),
    ]
    assert list(sizes.rows(["C"])) == []


def test_what_is_smallest_does_not_rest_on_monotony() -> None:
    failure = Failure.__new__(Failure)
    sizes = (AtSize(1, 5, failure), AtSize(2, 5), AtSize(3, 5, failure), AtSize(4, 5))
    found = Sized("blocks", sizes)
    assert found.smallest == 2 and not found.monotone
    below = found.just_below()
    assert below is not None and below.size == 1
    unknown = Sized("blocks", (AtSize(1, 5, None, "the time"), AtSize(2, 5)))
    assert unknown.smallest is None


def test_the_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["size", FOUR, "--scenario", "cold3"]) == 0
    out = capsys.readouterr().out
    assert "  cold3     ReservedThpPlanned  5      4 fails late; of 1 to 9\n" in out
    assert "   13. new          fault(v1, 3, n0) -> SIGBUS\n" in out
    assert max(map(len, out.splitlines())) <= 75
    assert (
        main(
            [
                "size",
                FOUR,
                "--scenario",
                "limit",
                "--design",
                "HugetlbPool",
                "--bounds",
                "limit=8",
                "--table",
            ]
        )
        == 0
    )
    out = capsys.readouterr().out
    assert "  limit     HugetlbPool  8      7 fails early; of 1 to 9\n" in out
    assert main(["size", FOUR, "--scenario", "clod3"]) == 2
    assert "did you mean 'cold3'?" in capsys.readouterr().err


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    call = ["size", FOUR, "--scenario", "mappings", "--design", "HugetlbPool"]
    assert main([*call, "--json"]) == 0
    [answer] = json.loads(capsys.readouterr().out)["answers"]
    assert answer["smallest"] == 8 and answer["bound"] == "blocks"
    below = next(at for at in answer["sizes"] if at["size"] == 7)
    assert not below["guaranteed"] and below["failure"]["kind"] == "early"
    assert len(below["failure"]["who"]) == len(below["failure"]["steps"])
