# SPDX-License-Identifier: GPL-2.0-only
"""SPIN counts the states that our engines count, and finds what they find.

It shares the frontend and the IR with them, and nothing else: neither the search,
nor the way in which expressions and steps are evaluated.
"""

from __future__ import annotations

import contextlib
import math
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from poolproof.checker.backends.c.build import compiler
from poolproof.checker.backends.foreign import Inexpressible
from poolproof.checker.backends.promela.expressions import PromelaWriter
from poolproof.checker.backends.promela.program import promela
from poolproof.checker.core import evaluate, ir
from poolproof.checker.core.ir import (
    INT,
    TRUE,
    lt,
    num,
)
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.system import (
    Action,
    Obligation,
    Parameter,
    TransitionSystem,
    Variable,
)
from poolproof.checker.core.verdict import Budget, Reached, Silent, Violated
from poolproof.checker.engines.explicit import explicit
from poolproof.checker.engines.native import native
from tests.agreement import test_backends as many
from tests.common.exported import SHIPPED, counter, everything, shipped
from tests.common.random_systems import Case, cases, explore

pytestmark = pytest.mark.skipif(
    shutil.which("spin") is None or compiler() is None,
    reason="SPIN (apt install spin) or a C compiler is missing",
)


def spin(text: str, at: Path, *define: str, stop: bool = False) -> tuple[int, int]:
    """Return the states that SPIN stores but the first, and the errors. With
    ``stop`` it ends at the first error."""
    (at / "m.pml").write_text(text)
    flags = ["-DSAFETY", "-DNOREDUCE", "-DVECTORSZ=4096", "-DMEMLIM=2000"]
    for command in (
        ["spin", "-o2", *define, "-a", "m.pml"],
        [str(compiler()), "-O0", *flags, "-w", "-o", "pan", "pan.c"],
        ["./pan", "-n", *([] if stop else ["-A"]), "-m5000000"],
    ):
        done = subprocess.run(command, cwd=at, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-400:] + done.stderr[-400:]
    assert "out of memory" not in done.stdout
    assert "max search depth too small" not in done.stdout
    states = re.search(r"(\d+) states, stored", done.stdout)
    errors = re.search(r"errors: (\d+)", done.stdout)
    assert states is not None
    assert errors is not None
    return int(states[1]) - 1, int(errors[1])


def agree(system: TransitionSystem, properties: tuple[Property, ...], at: Path) -> None:
    """SPIN's count is ours; where we find a violation, it finds one."""
    budget = Budget(symmetry=False, threads=1)
    ours = native(system, properties, budget, Silent())
    assert ours.statistics.complete
    text = promela(system, properties)
    assert spin(text, at)[0] == ours.statistics.states
    violated = any(isinstance(v, Violated) for v in ours.verdicts.values())
    assert spin(text, at, stop=True)[1] == violated


@pytest.mark.slow
@pytest.mark.parametrize(("spec", "design", "bounds"), SHIPPED)
def test_a_shipped_design(
    spec: str, design: str, bounds: dict[str, int], tmp_path: Path
) -> None:
    small = shipped(spec, design, bounds)
    agree(small.system, small.properties, tmp_path)


@pytest.mark.slow
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(case=cases())
def test_random_systems(case: Case, tmp_path_factory: pytest.TempPathFactory) -> None:
    right = explore(case.system, case.properties)
    if not right.complete or right.defects:
        return
    at = tmp_path_factory.mktemp("spin")
    try:
        text = promela(case.system, case.properties)
    except Inexpressible as why:
        assert re.search("more than 32 bits|no initial state", str(why))
        return
    assert spin(text, at)[0] == right.states


@pytest.mark.slow
def test_every_operator(tmp_path: Path) -> None:
    system, properties = everything()
    ours = explicit(system, properties, Budget(symmetry=False), Silent())
    assert isinstance(ours.verdicts["full"], Reached)
    violated = isinstance(ours.verdicts["grows"], Violated)
    text = promela(system, properties, ["how", "", "x " * 60])
    assert max(map(len, text.split("*/")[0].splitlines())) <= 75
    assert spin(text, tmp_path)[0] == ours.statistics.states
    assert spin(text, tmp_path, stop=True)[1] == violated
    whole = promela(system, properties[:1])
    assert spin(whole, tmp_path, stop=True)[1] == 0
    assert spin(whole, tmp_path, "-DREACH_full", stop=True)[1] == 1


@pytest.mark.slow
def test_what_is_wrong_with_the_model_is_an_error(tmp_path: Path) -> None:
    """A range, an obligation, an obligation of a step that is not enabled."""
    system = counter()
    n = system.variables[0].now
    assert spin(promela(system, ()), tmp_path, stop=True)[1] == 1
    for early in (False, True):
        due = Obligation("assert", lt(n, num(2)), "", None, early)
        guarded = counter(obligations=(due,))
        guard = lt(n, num(2)) if early else lt(n, num(3))
        again = replace(guarded.actions[0], guard=guard)
        system = replace(guarded, actions=(again,))
        assert spin(promela(system, ()), tmp_path, stop=True)[1] == 1


def test_the_first_three_states(tmp_path: Path) -> None:
    system = counter()
    n = system.variables[0].now
    up = replace(system.actions[0], guard=lt(n, num(2)))
    low = Property("low", Kind.INVARIANT, lt(n, num(2)))
    text = promela(replace(system, actions=(up,)), (low,))
    assert spin(text, tmp_path) == (3, 0)  # -A: no violation is reported
    assert spin(text, tmp_path, stop=True)[1] == 1


WHOLE = """\
/*
 * how
 */
short n;
byte v_byte;
byte t_x[3];
hidden int temporary[4];

active proctype whole()
{
  if
  :: d_step { v_byte = 1; t_x[0] = 1; t_x[1] = 1; t_x[2] = 4; }
  fi;
end:
  do
  /* low: invariant */
  :: d_step { (3 <= n) ->
       assert(false);
     }
  /* a.top: reachable */
#ifdef REACH_a_top
  :: d_step { (n == 2) ->
       assert(false);
     }
#endif
  /* later is not exported: leads to */
  /* act(1) */
  :: d_step { (3 <= (n + 1)) ->
       assert(false);
     }
  :: d_step { (v_byte && (n < 2)) ->
       temporary[0] = (n + 1);
       temporary[1] = ((temporary[0] == 0) -> n : t_x[0]);
       temporary[2] = ((temporary[0] == 1) -> n : t_x[1]);
       temporary[3] = ((temporary[0] == 2) -> n : t_x[2]);
       assert((temporary[0] < 3));
       assert((!(n == 1)));
       assert(((n < 1) || (n < temporary[0])));
       assert(temporary[1] >= 0 && temporary[1] <= 5);
       t_x[0] = temporary[1];
       assert(temporary[2] >= 0 && temporary[2] <= 5);
       t_x[1] = temporary[2];
       assert(temporary[3] >= 0 && temporary[3] <= 5);
       t_x[2] = temporary[3];
       assert(temporary[0] >= -1 && temporary[0] <= 3);
       n = temporary[0];
     }
  /* idle() */
  :: d_step { 1 ->
       skip;
     }
  /* never() */
  :: false
  od
}
"""


def test_the_text_of_a_model() -> None:
    """A table at an index that may be outside, a word of Promela, both kinds of
    obligation, each kind of property; an action without effect, and one that is
    never possible."""
    three, one = ir.Domain(INT, 0, 2), ir.Domain(INT, 1, 1)
    sort = ir.table_sort((three,), INT)
    start = ir.store(ir.fill(sort, num(1)), num(2), num(4))
    n = Variable("n", INT, num(-1), num(3), num(0))
    on = Variable("byte", ir.BOOL, num(0), num(1), TRUE)
    t = Variable("t.x", sort, num(0), num(5), start)
    k = ir.local("k#act", one)
    at = ir.add(n.now, k)
    act = Action(
        "act",
        (Parameter("k", k),),
        ir.and_(on.now, lt(n.now, num(2))),
        {"t.x": ir.store(t.now, at, n.now), "n": at},
        lt(n.now, num(1)),
        (
            Obligation("index", lt(at, num(3)), "early", None, True),
            Obligation("assert", ir.ne(n.now, num(1)), "late", None),
        ),
    )
    idle = Action("idle", (), TRUE, {}, None)
    never = Action("never", (), ir.FALSE, {}, None)
    grows = ir.or_(act.returned, lt(n.now, n.next))
    asked = (
        Property("low", Kind.INVARIANT, lt(n.now, num(3))),
        Property("a.top", Kind.REACHABLE, ir.eq(n.now, num(2))),
        Property("grows", Kind.STEP, grows, action="act"),
        Property("later", Kind.LEADS_TO, TRUE, goal=TRUE),
    )
    system = TransitionSystem("whole", (n, on, t), (act, idle, never), TRUE, {}, {})
    assert promela(system, asked, ["how"]) == WHOLE


def test_a_large_guard_and_a_write_that_may_be_outside() -> None:
    """What a guard has twice is computed once, in temporaries that are declared."""
    three = ir.Domain(INT, 0, 2)
    n = Variable("n", INT, num(0), num(6), num(0))
    m = Variable("m", INT, num(1), num(3), num(1))
    w = Variable("w", INT, num(0), num(4), num(0))
    t = Variable("t", ir.table_sort((three,), INT), num(0), num(6), num(0))
    e = n.now
    for k in range(16):
        e = ir.mod(ir.add(ir.mul(e, e), num(k % 3)), num(7))
    large = Action("large", (), lt(e, num(6)), {}, None)
    rest = ir.mod(n.now, num(5))
    written = ir.Expr("store", t.sort, (t.now, n.now, m.now))
    write = Action("write", (), TRUE, {"t": written, "m": rest, "w": rest}, None)
    system = TransitionSystem("large", (n, m, w, t), (large, write), TRUE, {}, {})
    text = promela(system, ())
    assert len(text) < 10_000
    (declared,) = re.findall(r"hidden int temporary\[(\d+)\];", text)
    numbers = {int(k) for k in re.findall(r"  .*\btemporary\[(\d+)\] =", text)}
    assert numbers == set(range(int(declared)))
    assert len(numbers) > 10
    assert "       :: else\n       fi\n     }\n" in text
    assert (
        "       if\n       :: temporary[0] >= 0 && temporary[0] <= 2 -> "
        "assert(temporary[1] >= 0 && temporary[1] <= 6); t[temporary[0]] = temporary[1];"
        "\n       :: else\n       fi;\n"
    ) in text
    assert "assert(temporary[2] >= 1 && temporary[2] <= 3);\n       m = " in text
    assert text.count("assert(temporary[2]") == 1


def test_a_table_has_no_text_of_its_own() -> None:
    sort = ir.table_sort((ir.Domain(INT, 0, 2),), INT)
    with pytest.raises(ValueError, match="fill is written out before it is read"):
        PromelaWriter({}).text(ir.fill(sort, num(1)))


@pytest.mark.parametrize(
    ("least", "most", "kind"),
    [
        (0, 255, "byte"),
        (0, 256, "short"),
        (-1, 0, "short"),
        (-(1 << 15), (1 << 15) - 1, "short"),
        (-(1 << 15) - 1, 0, "int"),
        (0, 1 << 15, "int"),
        (None, 0, "int"),
        (0, None, "int"),
        (-(1 << 31), (1 << 31) - 1, "int"),
        (-(1 << 31) - 1, 0, ""),
        (0, 1 << 31, ""),
    ],
)
def test_the_type_of_a_variable(least: int | None, most: int | None, kind: str) -> None:
    """SPIN's byte has no values below 0, its short 16 bits and its int 32."""
    ends = (None if end is None else num(end) for end in (least, most))
    v = Variable("v", INT, *ends, num(0))
    system = TransitionSystem("typed", (v,), (), TRUE, {}, {})
    if kind:
        assert f"\n{kind} v;\n" in promela(system, ())
    else:
        with pytest.raises(Inexpressible, match="v needs more than 32 bits"):
            promela(system, ())


def test_many_expressions_have_their_values(tmp_path: Path) -> None:
    """Promela's expressions are C's but for conditions, which C writes with `?`; SPIN
    passes them on as they are. So a C program has the values."""
    fixed = {x: ir.const(x.sort, x.data[1].hi) for x in many.LOCALS}
    some = ir.substitute_all(many.one_of_each(many.raw(), 120), fixed)
    x, who, table = (many.SYSTEM.by_name[name].now for name in ("x1", "x4", "t3"))
    outside = (
        ir.Expr("select", INT, (table, who, x)),
        ir.Expr("select", INT, (table, who, num(9))),
    )
    some = ir.expand_all(
        e for e in (*some, *outside) if not isinstance(e.sort, ir.TableSort)
    )
    writer, texts = PromelaWriter({v.name: v.name for v in many.VARIABLES}), {}
    for e in some:
        with contextlib.suppress(ValueError):  # tables that are stored into
            texts[e] = writer.text(e)
    assert len(texts) > 70
    states = many.states(6)
    lines = ["#include <stdbool.h>", "#include <stdio.h>"]
    for v in many.VARIABLES:
        size = f"[{math.prod(len(d) for d in v.index)}]" if v.index else ""
        lines.append(f"static int {v.name}{size};")
    lines.append("static void say(void) {")
    lines += [f'printf("%d\\n", {x.replace("->", "?")});' for x in texts.values()]
    lines.append("}\nint main(void) {")
    for state in states:
        first = {}
        for number, (cell, raw) in enumerate(
            zip(many.SYSTEM.cells, state, strict=True)
        ):
            v = cell.variable
            at = number - first.setdefault(v.name, number)
            lines.append(f"{v.name}{f'[{at}]' if v.index else ''} = {raw};")
        lines.append("say();")
    (tmp_path / "m.c").write_text("\n".join([*lines, "}"]))
    subprocess.run([str(compiler()), "-w", "-o", "m", "m.c"], cwd=tmp_path, check=True)
    out = subprocess.run(["./m"], cwd=tmp_path, capture_output=True, text=True)
    said = iter(map(int, out.stdout.split()))
    for state in states:
        for e in texts:
            value = next(said)
            with contextlib.suppress(evaluate.Undefined):
                assert value == evaluate.Valuation(many.SYSTEM, state).raw(e), texts[e]


def test_what_needs_more_bits_than_promela_has() -> None:
    """A set of 32 elements, and numbers beyond 32 bits; -2^31 is refused, too."""
    for most, fine in ((30, True), (31, False)):
        sort = ir.set_sort(ir.Domain(INT, 0, most))
        s = Variable("s", sort, num(0), num((1 << most + 1) - 1), ir.const(sort, 0))
        has = ir.eq(ir.card(s.now), num(1))
        if fine:
            assert PromelaWriter({"s": "s"}).text(has).count("& 1") == most + 1
        else:
            with pytest.raises(Inexpressible, match="a set of more than 31 elements"):
                PromelaWriter({"s": "s"}).text(has)
    least = -(1 << 31) + 1
    assert PromelaWriter({}).text(num(least)) == f"({least})"
    for wide in (least - 1, 1 << 31):
        with pytest.raises(Inexpressible, match=f"{wide} needs more than 32 bits"):
            PromelaWriter({}).text(num(wide))


def test_what_promela_cannot_say() -> None:
    wide = Variable("n", INT, num(0), num(1 << 40), num(0))
    none = TransitionSystem("none", (), (), ir.FALSE, {}, {})
    for system in (TransitionSystem("wide", (wide,), (), TRUE, {}, {}), none):
        with pytest.raises(Inexpressible):
            promela(system, ())
