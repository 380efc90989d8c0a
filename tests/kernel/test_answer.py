# SPDX-License-Identifier: GPL-2.0-only
"""What the agent says, read."""

import pytest

from poolproof.checker.kernel.answer import (
    Answer,
    Charge,
    Counters,
    Gigantic,
    MalformedAnswer,
    NodePool,
    Space,
    parse_answer,
    parse_counters,
)

WRAPPED = 2**64 - 1


def test_a_line_with_everything() -> None:
    answer = parse_answer(
        "ok 7\t8/6/1/0 4/2/0 4/4/0 cg:b=0/0 cg:a=1/3 m:m0=2/0 g:1/1/0/0 as:3316"
    )
    assert answer == Answer(
        "ok 7",
        Counters(
            *(8, 6, 1, 0),
            nodes=(NodePool(4, 2, 0), NodePool(4, 4, 0)),
            cgroups=(("a", Charge(1, 3)), ("b", Charge(0, 0))),
            mounts=(("m0", Space(2, 0)),),
            gigantic=Gigantic(1, 1, 0, 0),
        ),
    )
    assert answer.counters.committed == 3316


def test_counters_stay_unsigned() -> None:
    assert parse_counters(f"4/2/{WRAPPED}/0 4/2/0").rsvd == WRAPPED


@pytest.mark.parametrize("word", [f"m:m0={WRAPPED}/{WRAPPED}", "m:m0=-1/-1"])
def test_a_mount_without_a_maximum_is_minus_one(word: str) -> None:
    counters = parse_counters(f"0/0/0/0 0/0/0 {word}")
    assert counters.mounts == (("m0", Space(-1, -1)),)


def test_committed_memory_takes_no_part_in_comparisons() -> None:
    assert parse_counters("0/0/0/0 as:1") == parse_counters("0/0/0/0 as:2")
    assert parse_counters("0/0/0/0 as:1").committed == 1


@pytest.mark.parametrize(
    ("result", "ok", "value", "errno", "signal"),
    [
        ("ok", True, "", None, None),
        ("ok 1 2", True, "1 2", None, None),
        ("err ENOMEM", False, "", "ENOMEM", None),
        ("sig SIGBUS code 2", False, "", None, "SIGBUS"),
        ("killed SIGKILL", False, "", None, "SIGKILL"),
        ("timeout", False, "", None, None),
        ("gone", False, "", None, None),
    ],
)
def test_results(
    result: str, ok: bool, value: str, errno: str | None, signal: str | None
) -> None:
    answer = Answer(result, parse_counters("0/0/0/0"))
    assert (answer.ok, answer.value, answer.errno, answer.signal) == (
        *(ok, value, errno, signal),
    )


@pytest.mark.parametrize(
    "line",
    [
        "ok",
        "ok\t",
        "ok\t1/2/3",
        "ok\t1/2/3/x",
        "ok\t1/2/3/4 1/2",
        "ok\t1/2/3/4 zz:1",
        "ok\t1/2/3/4 cg:a",
    ],
)
def test_anything_else_is_refused(line: str) -> None:
    with pytest.raises(MalformedAnswer):
        parse_answer(line)
