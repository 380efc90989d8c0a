# SPDX-License-Identifier: GPL-2.0-only
"""A difference as a C program: its exit code says which side a kernel agrees with.

0  KSFT_PASS: every step is as in the base, or the model
1  KSFT_FAIL: the last step is not
4  KSFT_SKIP: the kernel differs before the last step, or the run is impossible
   here
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from poolproof.checker.conform.c_calls import LOOKS, call_text, operation
from poolproof.checker.conform.c_program import Program, comment_lines, directions, text
from poolproof.checker.conform.environment import NotExpressible
from poolproof.checker.conform.own_counters import Broken
from poolproof.checker.conform.script import Calls, Command
from poolproof.checker.conform.sequence import (
    LEFT_BEHIND,
    SILENT,
    Row,
    as_shown,
    observables,
)
from poolproof.checker.conform.shrink import Found
from poolproof.checker.core.bounds import show_bounds

_SILENT = "no answer"


def c_difference(
    found: Found, name: str, sides: tuple[str, str], broken: Sequence[Broken] = ()
) -> str:
    """Return the program's text; see `program`."""
    return text(program(found, name, sides, broken))


def program(
    found: Found, name: str, sides: tuple[str, str], broken: Sequence[Broken] = ()
) -> Program:
    """Return the program's calls and verdicts. ``sides`` are the names of the side
    whose results the rows have, and of the side that differs ("base", "head");
    ``broken`` are the invariants that the latter's counters violate. Raise
    NotExpressible if a C program cannot show the difference."""
    *before, last, other = _steps(found)
    if _seen(last) == _seen(other):
        raise NotExpressible(f"it is {', '.join(found.difference.what)}")
    run = found.run
    steps = (*before, last)
    calls = Calls(name, run.setting, run.setup, run.ready, steps)
    comment = tuple(_comment(calls, other, sides, broken))
    verdicts = (
        f"#define DECIDED {len(steps)}\t/* the step that differs */",
        f'#define AT "{len(steps)}"',
        f'#define OTHER "{sides[1]}"',
    )
    return Program(calls, comment, sides[0], "others", verdicts, other=other)


def _steps(found: Found) -> Iterator[Command]:
    """The rows up to the one that differs, and that one as the other side has it."""
    run, what = found.run, found.difference.what
    at = found.difference.at
    nodes = run.setting.bounds["nodes"]
    rows = run.rows[: at + 1]
    if LEFT_BEHIND in what:
        raise NotExpressible("only a reset shows it")
    if not rows:
        raise NotExpressible("the setup shows it")
    yield from (_command(row, nodes) for row in rows)
    if SILENT in what:
        yield replace(_command(rows[-1], nodes), result=_SILENT)
        return
    answer = found.answers[len(run.setup) + at]
    row = replace(rows[-1], result=answer.result, counters=answer.counters)
    yield _command(row, nodes)


def _command(row: Row, nodes: int) -> Command:
    name = call_text(row.command, nodes)
    return Command(name, _result(row), (row.command,), 0, row.counters)


def _result(row: Row) -> str:
    """The answer in the C program's words."""
    first, _, rest = as_shown(row.command, row.result).partition(" ")
    if first == "ok":
        return rest if rest and operation(row.command) in LOOKS else "OK"
    if first in ("err", "sig", "killed"):
        return rest.split()[0]
    return "gone" if first == "gone" else _SILENT


def _seen(step: Command) -> tuple[str, dict[str, int]]:
    return step.result, observables(step.counters)


def _comment(
    calls: Calls, other: Command, sides: tuple[str, str], broken: Sequence[Broken]
) -> Iterator[str]:
    expected, otherwise = sides
    setting = calls.setting
    yield from comment_lines(f"A difference between the {expected} and the {otherwise}")
    yield ""
    having = " ".join(setting.having) or "nothing"
    yield from comment_lines(f"{show_bounds(setting.bounds)}, with {having}")
    yield ""
    for number, step in enumerate(calls.steps, 1):
        yield from comment_lines(f"{number}. {step.text} -> {step.result}")
    yield ""
    last = len(calls.steps)
    yield from comment_lines(
        f"Step {last} differs: {_differs(calls.steps[-1], other, sides)}."
    )
    for one in broken:
        title = one.prop.title or one.prop.name
        yield from comment_lines(
            f"The {otherwise}'s counters violate {one.prop.name}: {title} ({one.spec})"
        )
    yield ""
    yield from directions("conform --c")
    yield from comment_lines(f"Exit: 0 as the {expected}, 1 not so, 4 skipped.")


def _differs(last: Command, other: Command, sides: tuple[str, str]) -> str:
    """What both sides show, as far as it is not the same."""
    ours, theirs = observables(last.counters), observables(other.counters)
    parts = []
    if last.result != other.result:
        parts.append(f"{sides[0]} {last.result}, {sides[1]} {other.result}")
    for name, value in ours.items():
        if theirs.get(name, value) != value:
            parts.append(f"{name} {sides[0]} {value}, {sides[1]} {theirs[name]}")
    return "; ".join(parts)
