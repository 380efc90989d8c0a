# SPDX-License-Identifier: GPL-2.0-only
"""How large a search will be, in plain words and for programs."""

from __future__ import annotations

import math
from typing import Any

from poolproof.checker.core.bounds import show_bounds
from poolproof.checker.core.text import count
from poolproof.checker.driver.estimate import Estimate
from poolproof.checker.reports.check import settings
from poolproof.checker.reports.text import indented, table, wrapped

_HOW = (
    "When a bound grows by one, the number of states is multiplied by a factor. The "
    "factors at larger bounds continue the trend of those found, and the joint effect "
    "of two bounds is taken from their smaller values."
)


def estimate_report(e: Estimate) -> list[str]:
    """Return the estimate, and how it was obtained."""
    task = e.task
    lines = wrapped(f"{task.spec.file}: {task.spec.title}", "", "    ")
    lines += indented(f"{task.known.name}, {settings(task)}")
    if e.states is None:
        nothing = "nothing is known: no smaller search was completed within the budget"
        return [*lines, "", *wrapped(nothing, "  ")]
    rows = [
        ("states", f"{round(e.states):,}, searched" if e.exact else _states(e)),
        ("memory", f"about {_bytes(e.bytes or 0)}"),
        ("time", "under a second" if e.seconds is None else _time(e.seconds)),
    ]
    lines += ["", *table(("", ""), rows)]
    return lines if e.exact else [*lines, "", *_how(e)]


def _states(e: Estimate) -> str:
    """Return ``about 1,200,000, or 4 times more or fewer``."""
    off = math.ceil(e.off)
    times = f"{off if off < 10 else _digits(off, 1):,}" if off < 1e6 else "many"
    return f"about {_digits(e.states or 0, 2):,}, or {times} times more or fewer"


def _digits(number: float, digits: int) -> int:
    """Return the number, rounded to so many significant digits."""
    if number < 1:
        return 0
    places = digits - 1 - int(math.log10(number))
    return int(round(number, min(places, 0)))


def _bytes(number: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if number >= size:
            return f"{_digits(number / size, 2):,} {unit}"
    return "1 MB"


def _time(seconds: float) -> str:
    for unit, size in (("day", 86400.0), ("hour", 3600.0), ("minute", 60.0)):
        if seconds >= size:
            return f"about {count(_digits(seconds / size, 1), unit)} on this machine"
    return f"about {count(max(1, _digits(seconds, 1)), 'second')} on this machine"


def _how(e: Estimate) -> list[str]:
    """Return how the estimate was obtained, and the error of the method on known
    sizes."""
    cells = len(e.grid.states())
    searches = "one search" if cells == 1 else f"{cells} searches"
    text = (
        f"Extrapolated from {searches} at smaller bounds, the largest with "
        f"{count(e.has, 'state')} at {show_bounds(e.grid.at(e.largest))}. {_HOW}"
    )
    steps = count(e.beyond, "step")
    if e.missed is None:
        text += (
            f" The bounds are {steps} beyond these; the searches cannot test the "
            "method over that distance."
        )
    else:
        text += (
            f" The bounds are {steps} beyond these. Over the same distance among the "
            f"searches, the method is off by a factor of {e.missed:.1f} at most."
        )
    return wrapped(text, "  ", "  ")


def estimate_json(estimates: list[Estimate], code: int) -> dict[str, Any]:
    """Return all estimates."""
    return {"exit": code, "estimates": [_one(e) for e in estimates]}


def _one(e: Estimate) -> dict[str, Any]:
    return {
        "spec": e.task.spec.file,
        "design": e.task.known.reference,
        "bounds": dict(sorted(e.task.compiled.bounds.items())),
        "states": None if e.states is None else round(e.states),
        "factor": e.off,
        "exact": e.exact,
        "bytes": None if e.bytes is None else round(e.bytes),
        "seconds": e.seconds,
        "searched": [
            {"at": e.grid.at(p), "states": round(n)} for p, n in e.grid.states().items()
        ],
    }
