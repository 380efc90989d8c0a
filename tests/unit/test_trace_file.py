# SPDX-License-Identifier: GPL-2.0-only
"""Trace files: what is written is read again; junk is refused at its place."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from bench.pool import Pool
from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.evaluate import initial_states, successor
from poolproof.checker.core.verdict import Step, Trace
from poolproof.checker.evidence.replay import replay
from poolproof.checker.evidence.trace_file import Heading, bind, load, parse, write
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.reports import json as export
from poolproof.checker.reports.itf import itf
from tests.common.toys import Shelf

POOL = compile_design(Pool)
SHELF = compile_design(Shelf)
FORCED = compile_design(Shelf, having=["force"])
HEADING = Heading(
    design="bench/pool.py:Pool",
    bounds={"V": 2, "B": 2},
    shows="violated",
    depth=2,
    without=("fork", "swap"),
    having=("surplus",),
    spec="bench/pool.spec",
    property="no_sigbus",
    title="a reserved page can be faulted in, " * 4 + "whatever happens",
    source="https://example.org/linux-mm/1#frag; Documentation/mm/x.rst KubeVirt #6981",
)
TWO = (Step("mmap", (0, 0, 2, 2)), Step("fault", (0, 1, 0)))
TEXT = """\
design:   bench/pool.py:Pool
bounds:   B=2 V=2
without:  fork swap
with:     surplus
spec:     bench/pool.spec
property: no_sigbus
title:    a reserved page can be faulted in, a reserved page can be faulted
          in, a reserved page can be faulted in, a reserved page can be
          faulted in, whatever happens
source:   https://example.org/linux-mm/1#frag; Documentation/mm/x.rst
          KubeVirt #6981
verdict:  violated after 2 steps

mmap(v0, cg0, none, 2)
#   resv = 2, usage[cg0] = 2, live[v0] = true, cgroup[v0] = cg0,
#   length[v0] = 2
fault(v0, 1, n0)
#   free[n0] = 1, resv = 1, page[v0, 1] = n0
"""


def walk(compiled: Compiled, seed: int, length: int) -> Trace:
    """A random run."""
    random, system = Random(seed), compiled.system
    state = start = random.choice(initial_states(system))
    steps: list[Step] = []
    while len(steps) < length:
        action = random.choice(system.actions)
        raw = tuple(random.choice(list(p.domain)) for p in action.parameters)
        after = successor(system, action, state, raw)
        if after is not None:
            steps.append(Step(action.name, raw))
            state = after[0]
    return Trace(start, tuple(steps))


def test_the_text() -> None:
    played = replay(POOL, Trace(initial_states(POOL.system)[0], TWO))
    assert write(HEADING, POOL, played) == TEXT


def test_what_is_written_is_read() -> None:
    file = parse(TEXT, "x.trace")
    assert file.heading == HEADING
    assert bind(file, POOL).steps == TWO


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("compiled", [POOL, SHELF, FORCED])
def test_random_runs_survive(compiled: Compiled, seed: int) -> None:
    trace = walk(compiled, seed, 8)
    played = replay(compiled, trace)
    heading = Heading(
        "x.py:X", compiled.bounds, "reached", 8, False, spec="x.spec", property="p"
    )
    text = write(heading, compiled, played)
    assert text == write(heading, compiled, played)
    assert max(map(len, text.splitlines())) <= 75
    again = parse(text, "x.trace")
    assert (again.heading, bind(again, compiled)) == (heading, trace)


def test_starts_to_choose_from_are_written() -> None:
    trace = Trace(initial_states(SHELF.system)[1], (Step("put", (0, 1, 0)),))
    text = write(
        Heading("shelf.py:Shelf", {}, "deadlock", 1), SHELF, replay(SHELF, trace)
    )
    assert text == (
        "design:   shelf.py:Shelf\nverdict:  deadlock after 1 step\n"
        "start:    left = 3\n\n"
        "put(r0, w1) -> OK\n#   left = 2, box[r0, 0] = w1\n"
    )
    assert bind(parse(text, "x.trace"), SHELF) == trace


def test_a_person_may_write_it_differently() -> None:
    text = """
# what happened on Tuesday
design: shelf.py:Shelf
  # mine
verdict: deadlock after 3 steps
start: left=3

  close( {r0,r1} )
close({})   # open again
put(r1,w0,force=false)->OK
"""
    assert bind(parse(text, "x.trace"), SHELF).steps == (
        Step("close", (3,)),
        Step("close", (0,)),
        Step("put", (1, 0, 0)),
    )


HEAD = "design: x.py:X\nverdict: deadlock after 1 step\nstart: left = 1\n"
JUNK = [
    ("put(r0, w0)", "1:1", "a trace starts with a line `design: "),
    ("desing: x", "1:1", "'desing' is not a line of a trace's heading (did you mean"),
    ("design: x\ndesign: y", "2:1", "a second 'design' line; one is on line 1"),
    ("design: x", "1:1", "a trace's heading needs a line `verdict: violated after"),
    ("verdict: violated after 0 steps", "1:1", "needs a line `design: Hugetlb"),
    ("design: x\nverdict: wrong", "2:10", "write `violated after 5 steps`, or"),
    (
        "design: x\nverdict: violated after 1 step\na()",
        "2:10",
        "this does not say what is violated: ",
    ),
    ("design: x\nverdict: deadlock after 2 steps\na()", "2:10", "this says 2 steps, b"),
    (
        "design: x\nbounds: V\nverdict: defect after 0 steps",
        "2:9",
        "'V' is not a bound",
    ),
    ("design: x\nbounds: V=1 V=2\nverdict: defect after 0 steps", "2:9", "given twic"),
    ("design: x\nloop: 3\nverdict: deadlock after 0 steps", "2:7", "a step from 0 to"),
    ("design: x\nstart: y\nverdict: deadlock after 0 steps", "2:8", "write `start: c"),
    (HEAD + "put", "4:4", "`(` is expected after put"),
    (HEAD + "put(r0, w0", "4:11", "`)` is missing at the end of the call"),
    (HEAD + "put(r0,, w0)", "4:8", "an argument is missing here"),
    (HEAD + "put(r0, w0) => OK", "4:13", "`-> RESULT` is expected here, not '=> OK'"),
    (HEAD + "(r0)", "4:1", "a call is expected here"),
    (HEAD + "clsoe({})", "4:1", "no action 'clsoe' (did you mean 'close'?)"),
    (HEAD + "put(r0)", "4:1", "put(row, owner) takes 2 arguments, not 1"),
    (HEAD + "put(r0, x9)", "4:9", "owner cannot be 'x9': write w0, w1"),
    (
        HEAD + "put(r0, w0) -> OKAY",
        "4:16",
        "'OKAY' is not a result of put (did you mea",
    ),
    (HEAD + "close({}) -> OK", "4:14", "close returns nothing"),
    (
        HEAD.replace("= 1", "= 9") + "put(r0, w0)",
        "3:15",
        "value of left cannot be '9': ",
    ),
    (
        HEAD.replace("left", "shut") + "put(r0, w0)",
        "1:9",
        "left may start with several values: ",
    ),
    (
        HEAD + "start: alarm = true\nput(r0, w0)",
        "4:8",
        "alarm has only one initial value",
    ),
    (HEAD + "start: lefd = 1\nput(r0, w0)", "4:8", "Shelf has no cell 'lefd' (did yo"),
]


@pytest.mark.parametrize(("text", "place", "message"), JUNK)
def test_junk_is_refused_where_it_stands(text: str, place: str, message: str) -> None:
    with pytest.raises(UserError) as found:
        bind(parse(text, "a.trace"), SHELF)
    assert str(found.value).startswith(f"a.trace:{place}: ")
    assert message in found.value.message


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", ":1:1: the file is empty"),
        (b" \n\n", ":1:1: the file is empty"),
        (b"design: x\n\xff\xfe", ":2:1: this is not UTF-8 text"),
        (b"design: x\nab\0c", ":2:1: this is a binary file"),
        (b"\xef\xbb\xbfab\n\xff", ":2:1: this is not UTF-8 text"),
        (None, ":1:1: there is no such file"),
    ],
)
def test_no_file_of_text(data: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.trace"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(UserError, match=message):
        load(str(path))
    with pytest.raises(UserError, match=":1:1: this is a directory"):
        load(str(tmp_path))


# --- other formats --------------------------------------------------------


def test_json_has_the_steps_and_their_changes() -> None:
    played = replay(POOL, Trace(initial_states(POOL.system)[0], TWO))
    found = json.loads(export.text(export.trace_json(HEADING, POOL.system, played)))
    assert found["property"] == "no_sigbus"
    assert found["initial"]["free[n0]"] == 2
    assert found["steps"][1] == {
        "action": "fault",
        "arguments": {"vma": "v0", "page": 1, "node": "n0"},
        "result": None,
        "kernel": "",
        "changes": {"free[n0]": 1, "resv": 1, "page[v0, 1]": "n0"},
    }


def test_itf_has_maps_sets_and_the_steps_taken() -> None:
    trace = Trace(
        initial_states(SHELF.system)[1],
        (Step("put", (0, 1, 0)), Step("close", (2,))),
        loop=2,
    )
    heading = Heading("shelf.py:Shelf", {}, "deadlock", 2)
    found = itf(heading, SHELF.system, replay(SHELF, trace))
    assert found["#meta"]["format"] == "ITF"
    assert found["vars"] == [
        "left",
        "shut",
        "box",
        "alarm",
        "mbt::actionTaken",
        "mbt::nondetPicks",
    ]
    first, second, last = found["states"]
    assert first["mbt::actionTaken"] == "init"
    assert second["mbt::nondetPicks"] == {"row": "r0", "owner": "w1", "force": False}
    assert second["box"]["#map"][0] == [{"#tup": ["r0", 0]}, "w1"]
    assert (last["left"], last["shut"], last["alarm"]) == (2, {"#set": ["r1"]}, False)
    assert [s["#meta"]["index"] for s in found["states"]] == [0, 1, 2]
    assert found["loop"] == 2
