# SPDX-License-Identifier: GPL-2.0-only
"""Calls that may fail: small allocations, mostly. A spec says how many of them
fail in a run; then an action has one choice more, which of its calls fails. The
kernel has the same in lib/fault-inject.c (/proc/PID/fail-nth).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from poolproof.model.language.domains import Bound, Disabled, KernelBug

FAILURES = Bound("failures", 0, least=0, doc="calls that fail in a run, at most")
"""A bound of each design in which something may fail."""

LEFT = "failures_left"
"""The field that a design has where the bound is above 0."""

FAILS = "fails"
"""The parameter that an action has then: which call fails."""

NONE_FAILS = "nothing"
"""The choice of an action in which no call fails."""


def choice(call: str, number: int) -> str:
    """Return what the choice is called that the call fails, for the ``number``th
    time that the action comes to it (from 1)."""
    if number == 1:
        return call
    endings = {1: "st", 2: "nd", 3: "rd"}
    teen = number // 10 % 10 == 1
    return f"{number}{'th' if teen else endings.get(number % 10, 'th')} {call}"


class _Step:
    """An action that is being taken, in which the choice ``fails`` is made."""

    def __init__(self, fails: str) -> None:
        self.fails, self.failed = fails, False
        self.times: dict[str, int] = {}

    def comes_to(self, call: str) -> bool:
        call = " ".join(call.split())
        self.times[call] = self.times.get(call, 0) + 1
        fails = choice(call, self.times[call]) == self.fails
        self.failed = self.failed or fails
        return fails


_steps: list[_Step] = []


def may_fail(call: str) -> bool:
    """Return whether a call of the kernel fails, which it seldom does: ``call``
    says which one, like "kmalloc of a file_region". False where the bound
    ``failures`` is 0, as it is by default, or used up. It stands alone after
    `if`, or on the right of an assignment, in an action."""
    return _steps[-1].comes_to(call) if _steps else False


@contextmanager
def failing(fails: str) -> Iterator[None]:
    """Make the choice ``fails`` for the action within. Raise Disabled at its end,
    also at a `bug_on`, if it never came to that call."""
    step = _Step(fails)
    _steps.append(step)
    try:
        yield
    except (Disabled, KernelBug):
        if fails != NONE_FAILS and not step.failed:
            raise Disabled from None
        raise
    else:
        if fails != NONE_FAILS and not step.failed:
            raise Disabled
    finally:
        _steps.pop()
