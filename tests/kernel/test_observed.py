# SPDX-License-Identifier: GPL-2.0-only
"""The recorded scenarios, and that each of them is consistent in itself."""

from pathlib import Path

import pytest

from poolproof.checker.kernel.answer import Counters
from tests.kernel.observed import (
    Observations,
    name_frames,
    read_observations,
)

RECORDED = Path(__file__).with_name("observed.jsonl")


@pytest.fixture(scope="module")
def observations() -> Observations:
    return read_observations(RECORDED)


def test_what_was_recorded(observations: Observations) -> None:
    assert dict(observations.kernels) == {
        "6.12": "6.12.117+deb12-cloud-amd64",
        "6.1": "6.1.0-56-cloud-amd64",
    }
    names = [scenario.name for scenario in observations.scenarios]
    assert names == [f"S{number:02}" for number in range(1, 36)]
    assert sum(len(scenario.rows) for scenario in observations.scenarios) == 336


def test_a_row(observations: Observations) -> None:
    scenario = observations.scenarios[22]
    assert scenario.title == "MADV_DONTNEED on private anon, refault"
    assert scenario.setup == ("nrnode 0 4", "nrnode 1 4", "spawn 0")
    row = scenario.rows[3]
    assert row.step == "w 0 madv 0 1 4"
    assert (row.on("6.12").counters.rsvd, row.on("6.1").counters.rsvd) == (1, 0)


def test_kernels_differ_in_four_scenarios(observations: Observations) -> None:
    differing = {
        scenario.name
        for scenario in observations.scenarios
        for row in scenario.rows
        if row.elsewhere
    }
    assert differing == {"S15", "S23", "S25", "S28"}


def test_every_row_adds_up(observations: Observations) -> None:
    for scenario in observations.scenarios:
        rows = [
            row.on(name) for row in scenario.rows for name, _ in observations.kernels
        ]
        for counters in (scenario.ready, *(row.counters for row in rows)):
            assert _node_sums(counters) == (
                *(counters.total, counters.free, counters.surp),
            )
            assert counters.rsvd <= counters.free


def _node_sums(counters: Counters) -> tuple[int, int, int]:
    nr, free, surplus = (sum(column) for column in zip(*counters.nodes, strict=True))
    return nr, free, surplus


def test_frames_are_numbered_as_they_appear() -> None:
    results = [
        ("w 0 pmap 0 3", "ok 1fx - 87"),
        ("w 0 r 87", "ok 87"),
        ("w 1 pmap 0 2", "ok 87 c8"),
        ("w 1 pmap 9 1", "gone"),
    ]
    assert name_frames(results) == ["ok 0x - 1", "ok 87", "ok 1 2", "gone"]


def test_a_file_without_a_head_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": "counters", "result": "ok", "counters": "0/0/0/0"}\n')
    with pytest.raises(KeyError, match="kernels"):
        read_observations(path)
