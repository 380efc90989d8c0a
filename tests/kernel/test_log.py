# SPDX-License-Identifier: GPL-2.0-only
"""Logs: what is accepted, and where the longest matched prefix ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from poolproof.checker.conform.trace_validation import (
    Match,
    load,
    match,
    match_scenario,
    parse,
)
from poolproof.checker.core.diagnostic import UserError
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb

RECORDED = Path(__file__).parents[1] / "kernel" / "observed.jsonl"

SETUP = ["nrnode 0 1", "nrnode 1 1", "spawn 0"]
STEPS = [
    ("w 0 mmap 0 2 PA -1 0", "ok", "2/2/2/0 1/1/0 1/1/0"),
    ("w 0 w 0 1", "ok 1", "2/1/1/0 1/0/0 1/1/0"),
    ("w 0 munmap 0 2", "ok", "2/2/0/0 1/1/0 1/1/0"),
]


def log(steps: list[tuple[str, str, str]], setup: list[str] = SETUP) -> str:
    lines: list[dict[str, object]] = [{"scenario": "one", "setup": setup}]
    lines += [{"step": s, "result": r, "counters": c} for s, r, c in steps]
    return "\n".join(map(json.dumps, lines)) + "\n"


def only(text: str) -> Match:
    (found,) = match(Hugetlb, parse(text, "calls.jsonl"))
    return found


def test_a_log_that_the_design_explains() -> None:
    found = only(log(STEPS))
    assert (found.accepted, found.matched, found.rows) == (True, 3, 3)


def test_counters_may_be_missing() -> None:
    text = "\n".join(
        json.dumps({"step": step, "result": result})
        for step, result in (*((c, "ok") for c in SETUP), ("w 0 w 0 1", "sig SIGSEGV"))
    )
    assert only(text).accepted


def test_a_counter_that_differs() -> None:
    wrong = [*STEPS[:1], ("w 0 w 0 1", "ok 1", "2/1/2/0 1/0/0 1/1/0"), STEPS[2]]
    found = only(log(wrong))
    assert (found.matched, found.rows, found.step) == (1, 3, "w 0 w 0 1")
    assert (found.ours, found.theirs) == (
        {"HugePages_Rsvd": "1"},
        {"HugePages_Rsvd": "2"},
    )


def test_a_result_that_differs() -> None:
    wrong = [("w 0 mmap 0 2 PA -1 0", "err ENOMEM", "2/2/2/0 1/1/0 1/1/0")]
    found = only(log(wrong))
    assert (found.matched, found.ours) == (0, {"result": "ok"})
    assert found.theirs == {"result": "err ENOMEM"}


def test_the_guard_that_fails() -> None:
    """A mount that is there already has the only subpool of the design."""
    setup = [*SETUP, "mount m size=4M", "w 0 open 0 /mnt/m/f"]
    found = only(log([("mount n size=4M", "ok", "2/2/0/0 1/1/0 1/1/0")], setup))
    assert found.matched == 0
    assert "mount(): model/designs/hugetlb/files.py:" in found.why
    assert "require(not self.spool.mounted)" in found.why


def test_a_call_without_an_action() -> None:
    found = only(log([*STEPS[:1], ("w 0 cpu 1", "ok", STEPS[0][2])]))
    assert (found.matched, found.step) == (1, "w 0 cpu 1")
    assert found.why == "no action for 'cpu 1'"


def test_either_position_of_the_cursors_may_explain_it() -> None:
    for nodes in ("2/2/0 1/1/0", "1/1/0 2/2/0"):
        found = only(log([("nr 3", "ok", f"3/3/0/0 {nodes}")], []))
        assert found.accepted, nodes
    assert not only(log([("nr 3", "ok", "3/3/0/0 3/3/0 0/0/0")], [])).accepted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "calls.jsonl:1:2: this is not JSON"),
        ("[]", "a JSON object is expected"),
        ('{"stop": 1}', 'a "step", a "scenario" or "kernels"'),
        ('{"step": "nr 1"}', 'a "result" is missing'),
        ('{"step": "nr 1", "result": "ok", "counters": "1/1"}', "not counters"),
        ('{"step": "nr 1", "result": "ok"}\n{"kernels": {"a": "6.1"}}', "first line"),
        ('{"kernels": []}', '{"NAME": "RELEASE"}'),
        ('{"kernels": {"a": "6.1"}}', "no call is in this log"),
        ('{"scenario": "x", "setup": "nr 1"}', "a list of commands"),
    ],
)
def test_what_is_no_log(text: str, message: str) -> None:
    with pytest.raises(UserError) as raised:
        parse(text, "calls.jsonl")
    assert message in str(raised.value)


def test_the_recorded_log_has_two_kernels() -> None:
    recorded = load(str(RECORDED))
    (scenario,) = (s for s in recorded.scenarios if s.name == "S23")
    assert match_scenario(Hugetlb, scenario, "6.12").accepted
    assert not match_scenario(Hugetlb, scenario, "6.1").accepted
    assert [m.accepted for m in match(Hugetlb, recorded) if m.scenario == "S23"] == [
        True,
        True,
    ]
