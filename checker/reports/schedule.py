# SPDX-License-Identifier: GPL-2.0-only
"""A schedule in few lines: what happens again and again is written once.

Steps of one task that are the same call, or the same but for one argument that
is one more each time, are a line: ``fault(v0, 0..15, n0) -> OK``. Tasks that take
turns at such calls are a line each, ``in turn``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.ir import show_raw
from poolproof.checker.core.system import TransitionSystem
from poolproof.checker.core.verdict import Step
from poolproof.checker.evidence.replay import (
    Replay,
    is_shown,
    show_argument,
    show_result,
)
from poolproof.checker.reports.lanes import Lanes
from poolproof.checker.reports.text import wrapped

_TURNS = 4
"""Upper limit on the calls that take turns."""


@dataclass(frozen=True)
class ScheduledStep:
    """A step of a schedule, by ``who``, with its raw result."""

    who: str
    step: Step
    result: int | None

    def counted(self, other: ScheduledStep) -> int | None:
        """Return which argument is one more in the other call, and nothing else; -1
        if the calls are the same; else None."""
        same = (self.who, self.step.action, self.result) == (
            other.who,
            other.step.action,
            other.result,
        )
        pairs = zip(self.step.arguments, other.step.arguments, strict=False)
        changed = [(k, b - a) for k, (a, b) in enumerate(pairs) if a != b]
        if not same or len(changed) > 1 or any(d != 1 for _, d in changed):
            return None
        return changed[0][0] if changed else -1


def schedule_lines(
    system: TransitionSystem, calls: Sequence[ScheduledStep]
) -> Iterator[str]:
    """Yield the calls as text, each with the numbers of its steps."""
    rows: list[tuple[str, str, str]] = []
    start = 0
    while start < len(calls):
        turns, times = _repeated(calls, start)
        end = start + turns * times
        number = f"{start + 1}." if end == start + 1 else f"{start + 1}..{end}."
        for k in range(turns):
            first, last = calls[start + k], calls[end - turns + k]
            text = _text(system, first, last)
            if times > 1 and first.counted(calls[start + turns + k]) == -1:
                text += f", {times} times"
            rows.append((number, first.who, text + (", in turn" if k else "")))
            number = ""
        start = end
    wide = max((len(who) for _, who, _ in rows), default=0)
    digits = max((len(number) for number, _, _ in rows), default=0)
    for number, who, text in rows:
        margin = f"  {number:>{digits}} {who:<{wide}}  "
        yield from wrapped(text, margin, " " * len(margin))


def replay_lines(
    compiled: Compiled, replayed: Replay, who: Sequence[str] | None = None
) -> list[str]:
    """Return the steps of a run as `schedule_lines`. ``who`` takes each of them; by
    default, the task in whose lane it is."""
    lanes, taken = Lanes(compiled), replayed.taken
    names = who or [lanes.who(t.step) for t in taken]
    calls = [
        ScheduledStep(name, t.step, t.result)
        for name, t in zip(names, taken, strict=True)
    ]
    return list(schedule_lines(compiled.system, calls))


def _repeated(calls: Sequence[ScheduledStep], start: int) -> tuple[int, int]:
    """Return how many calls take turns from here on, and how many times; the
    choice that covers most steps."""
    best = (1, 1)
    for turns in range(1, _TURNS + 1):
        ways: list[int | None] = [None] * turns
        end = start + turns
        while end < len(calls):
            way = calls[end - turns].counted(calls[end])
            place = (end - start) % turns
            if way is None or ways[place] not in (None, way):
                break
            ways[place] = way
            end += 1
        times = (end - start) // turns
        if times > (1 if turns == 1 else 2) and turns * times > best[0] * best[1]:
            best = (turns, times)
    return best


def _text(system: TransitionSystem, first: ScheduledStep, last: ScheduledStep) -> str:
    """The call, with the range of an argument that counts."""
    action = system.action_by_name[first.step.action]
    shown = []
    for p, a, b in zip(
        action.parameters, first.step.arguments, last.step.arguments, strict=True
    ):
        if is_shown(p, a):
            value = show_raw(p.local.sort, a)
            if a != b:
                value += f"..{show_raw(p.local.sort, b)}"
            shown.append(show_argument(p, value))
    text = f"{action.name}({', '.join(shown)})"
    if first.result is not None:
        text += f" -> {show_result(action, first.result)}"
    return text
