# SPDX-License-Identifier: GPL-2.0-only
"""Runs of tasks whose actions yield: a lane for each, and trace files of them."""

import re

from poolproof.checker.core.evaluate import initial_states
from poolproof.checker.core.pickled import dumps, loads
from poolproof.checker.core.verdict import Step, Trace
from poolproof.checker.evidence.replay import replay
from poolproof.checker.evidence.trace_file import Heading, bind, parse, write
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.reports.lanes import Lanes
from poolproof.checker.reports.pictures import pictures
from poolproof.checker.reports.text import run
from tests.common.yielding import Counter, Ways

COUNTER = compile_design(Counter, having=["locked"])
WAYS = compile_design(Ways)
START = (2, 0, 2, 0, 0, 0, 0)
LOST = Trace(
    START,
    (
        Step("take", (0,)),
        Step("take.waits_for_the_lock", (0,)),
        Step("take", (1,)),
        Step("take.has_read", (0,)),
        Step("take.waits_for_the_lock", (1,)),
    ),
)


def test_each_task_has_a_lane() -> None:
    lines = run(COUNTER, replay(COUNTER, LOST))
    assert (
        "\n".join(lines)
        == """\
       t0                                t1
  1.   take(t0)
         yields: waits for the lock
  2.   take.waits_for_the_lock(t0)
         yields: has read (old = 2)
       lock  none -> t0
  3.                                     take(t1)
                                           yields: waits for the lock
  4.   take.has_read(t0) -> OK
       count  2 -> 1
       taken  0 -> 1
       lock   t0 -> none
  5.                                     take.waits_for_the_lock(t1)
                                           yields: has read (old = 1)
       lock  none -> t1"""
    )


def test_one_lane_has_no_head_and_long_calls_move_to_the_left() -> None:
    one = compile_design(Counter, {"T": 1})
    lines = run(one, replay(one, Trace((2, 0, 1, 0, 0), (Step("take", (0,)),))))
    assert lines == ["  1.   take(t0)", "         yields: has read (old = 2)"]
    lanes = Lanes(COUNTER)
    assert lanes.indent(LOST.steps[2], "x" * 60) == 15
    assert max(map(len, run(WAYS, replay(WAYS, rounds())))) <= 75


def rounds() -> Trace:
    steps = (
        Step("alloc", (0, 0)),
        Step("alloc", (1, 1)),
        Step("alloc.next_node", (0,)),
        Step("alloc.next_node", (1,)),
        Step("alloc.noted", (0,)),
        Step("alloc.buddy_allocator", (1, 1)),
        Step("release", (0,)),
    )
    return Trace(initial_states(WAYS.system)[0], steps)


def test_rounds_of_a_loop_and_what_a_step_brings() -> None:
    text = "\n".join(run(WAYS, replay(WAYS, rounds())))
    assert "yields: next node [n0] (most = 2)" in text
    assert "yields: noted [n0]" in text
    assert "alloc.buddy_allocator(t1, fails=true) -> ENOMEM" in text


def test_a_trace_file_has_the_places() -> None:
    heading = Heading(
        design="tests/common/yielding.py:Ways", bounds={"T": 2}, shows="defect", depth=7
    )
    text = write(heading, WAYS, replay(WAYS, rounds()))
    assert "\nalloc.buddy_allocator(t1, fails=true) -> ENOMEM\n" in text
    assert "\nalloc.next_node(t0)\n" in text
    assert bind(parse(text, "x.trace"), WAYS) == rounds()


def test_the_page_has_lanes() -> None:
    text = "".join(pictures(COUNTER, replay(COUNTER, LOST)))
    assert text.count('<div class="lanes">') == len(LOST)
    assert re.search('<span class="lane now">t1</span>.*?take[(]t1[)]', text)
    assert "yields: has read (old = 1)" in text
    assert text.count("<div") == text.count("</div>")


def test_what_is_known_of_places_can_be_kept() -> None:
    again = loads(dumps(WAYS))
    assert again.processes == WAYS.processes
    assert replay(again, rounds()).states == replay(WAYS, rounds()).states
