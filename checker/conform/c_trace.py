# SPDX-License-Identifier: GPL-2.0-only
"""A trace as a C program: its exit code says whether a kernel shows the violation.

    1  KSFT_FAIL: the violation is shown. Either the property itself is asked
       after the step that decides it (c_property.py), or, where it reads what
       is hidden, everything up to the last step is as in the model, which
       could not be if the property held (shown.py)
    0  KSFT_PASS: at or after the step that decides, the kernel differs from
       the model, and the violation is not shown
    4  KSFT_SKIP: the kernel differs before that step, the run cannot be had
       here, or no run shows the violation to user space

For a `reachable` property, 0 and 1 are exchanged: to reach it is good.
"""

from __future__ import annotations

from poolproof.checker.conform.c_program import (
    Program,
    comment_lines,
    directions,
    observed,
    text,
)
from poolproof.checker.conform.c_property import c_property
from poolproof.checker.conform.script import Script
from poolproof.checker.conform.shown import Showing
from poolproof.checker.core.bounds import show_bounds


def c_program(showing: Showing) -> str:
    """Return the program's text."""
    return text(program(showing))


def program(showing: Showing) -> Program:
    """Return what the program performs, and its verdicts."""
    script = showing.script
    asked = c_property(showing, observed(script))
    verdict = "unseen" if showing.reason else "asked" if asked else "compared"
    comment, verdicts = _comment(showing), _verdicts(showing)
    return Program(script, comment, "model", verdict, verdicts, asked)


def _comment(showing: Showing) -> tuple[str, ...]:
    script = showing.script
    heading = script.replayed.heading
    having = f", with {' '.join(heading.having)}" if heading.having else ""
    return (
        *comment_lines(
            f"{script.name}: {heading.title}" if heading.title else script.name
        ),
        *(comment_lines(f"({heading.source})") if heading.source else ()),
        "",
        *comment_lines(f"{heading.design}, {show_bounds(heading.bounds)}{having}"),
        *(comment_lines(heading.spec) if heading.spec else ()),
        "",
        *(f"{k}. {s.text} -> {s.result}" for k, s in enumerate(script.steps, 1)),
        "",
        *comment_lines(_how_it_shows(showing)),
        "",
        *directions("trace FILE --c"),
        *comment_lines(_exit_codes(showing)),
    )


def _how_it_shows(showing: Showing) -> str:
    """Which step shows the violation, and how it would look without one."""
    script, decided = showing.script, showing.decided
    done, last = _words(script)[0], len(script.steps)
    if showing.reason:
        return f"User space cannot see it: {showing.reason}."
    if last == decided:
        return f"Step {decided} shows whether it is {done}."
    text = f"Step {decided} decides it, and step {last} shows it"
    if showing.otherwise:
        *others, final = showing.otherwise[:_OTHERWISE]
        listed = f"{'; or '.join(others)}; or {final}" if others else final
        more = "; ..." if len(showing.otherwise) > _OTHERWISE else ""
        text += f". If it were not {done}, step {last} would show: {listed}{more}"
    if showing.minimal:
        text += f". A kernel could also have more wrong, and it be not {done}"
    return text + "."


_OTHERWISE = 2
"""How many of the other outcomes of the last step are listed."""


def _exit_codes(showing: Showing) -> str:
    done = _words(showing.script)[0]
    if showing.reason:
        return "Exit: 4 skipped."
    seen, unseen = (0, 1) if done == "reached" else (1, 0)
    codes = {
        seen: f"{seen} seen {done}",
        unseen: f"{unseen} not seen, the kernel differs from the model",
    }
    return f"Exit: {codes[0]}, {codes[1]}, 4 skipped."


def _words(script: Script) -> tuple[str, str, str]:
    """What the trace shows, and KTAP's words where it is seen and where not."""
    prop = script.replayed.prop
    if prop is not None and prop.kind.wants_witness:
        return "reached", "ok", "not ok"
    return "violated", "not ok", "ok"


def _verdicts(showing: Showing) -> tuple[str, ...]:
    """What the program says in the end."""
    done, seen, unseen = _words(showing.script)
    lines = [
        f"#define DECIDED {showing.decided}\t/* the step that decides it */",
        f'#define AT "{showing.decided}"',
    ]
    if showing.reason:
        lines.append(f'#define UNSEEN "user space cannot see it: {showing.reason}"')
    else:
        more = ", or more is wrong" * showing.minimal
        lines += [
            f'#define SEEN "{seen} 1 " NAME " # seen {done}{more}\\n"',
            f"#define SEEN_EXIT {int(seen != 'ok')}",
            f'#define NOT_SEEN "{unseen} 1 " NAME " # not seen: '
            'the kernel differs from step %d on\\n"',
        ]
    return tuple(lines)
