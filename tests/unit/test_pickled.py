# SPDX-License-Identifier: GPL-2.0-only
"""Values with expressions in them, as bytes and back."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from poolproof.checker.core import ir
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.pickled import dumps, loads
from poolproof.checker.core.system import Span
from poolproof.checker.driver.designs import find_spec
from poolproof.checker.driver.task import Request, Task, prepare
from poolproof.checker.spec import parse

DEEP = 6_000


def task() -> Task:
    return prepare(parse(find_spec("hugetlb_surplus_race")), Request())[0]


@pytest.mark.parametrize(
    ("write", "read"), [(dumps, loads), (pickle.dumps, pickle.loads)]
)
def test_a_task_comes_back(
    write: Callable[[object], bytes], read: Callable[[bytes], Task]
) -> None:
    mine = task()
    again = read(write(mine))
    assert again == mine
    for a, b in zip(
        again.compiled.system.formulas(), mine.compiled.system.formulas(), strict=True
    ):
        assert a.expr is b.expr


def test_expressions_may_be_deeper_than_python_recurses() -> None:
    e = ir.var("x", ir.INT)
    for k in range(DEEP):
        e = ir.ite(ir.eq(e, ir.num(k)), ir.var("y", ir.INT), ir.add(e, ir.num(1)))
    assert loads(dumps({"e": e}))["e"] is e
    assert pickle.loads(pickle.dumps(e)) is e


def test_how_a_comparison_was_written_comes_along() -> None:
    """A fresh process has no other writing of it."""
    x, y = ir.var("x", ir.INT), ir.var("y", ir.INT)
    more = ir.as_written(ir.lt(y, x), True)
    here = ir.show(more), ir.show(ir.not_(more))
    assert here == ("x > y", "x <= y")
    code = (
        "import sys; from poolproof.checker.core import ir\n"
        "from poolproof.checker.core.pickled import loads\n"
        "for e in loads(sys.stdin.buffer.read()): print(ir.show(e))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=dumps((more, ir.not_(more))),
        capture_output=True,
        cwd=Path(__file__).parents[2],
        check=True,
    )
    assert tuple(done.stdout.decode().splitlines()) == here


def test_a_fresh_process_reads_a_task() -> None:
    code = (
        "import sys, pickle\n"
        "task = pickle.loads(sys.stdin.buffer.read())\n"
        "print(task.known.name, *(p.name for p in task.resolved.properties))"
    )
    mine = task()
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=pickle.dumps(mine),
        capture_output=True,
        cwd=Path(__file__).parents[2],
        check=True,
    )
    names = [p.name for p in mine.resolved.properties]
    assert done.stdout.decode().split() == [mine.known.name, *names]


def test_sorts_are_one_however_they_are_asked_for() -> None:
    a, b = ir.scalar_sort("Node", 2), ir.scalar_sort(name="Node", size=2, prefix="node")
    assert a is b
    for sort in (a, ir.BOOL, ir.INT, ir.enum_sort("E", ("A", "B"))):
        assert pickle.loads(pickle.dumps(sort)) is sort


def test_a_mistake_keeps_its_place() -> None:
    mine = UserError(Span("a.spec", 3, 4), "write x")
    assert str(pickle.loads(pickle.dumps(mine))) == "a.spec:3:4: write x"
