# SPDX-License-Identifier: GPL-2.0-only
"""The smallest pool of each scenario, as plain text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from poolproof.checker.driver.size import Sized
from poolproof.checker.evidence.replay import show_step
from poolproof.checker.reports.text import table, wrapped
from poolproof.checker.spec.syntax import Scenario, Spec


@dataclass(frozen=True)
class SizeAnswer:
    """What came out for a scenario on a design; or, with ``found`` None, the
    name that the design is ``missing``."""

    scenario: Scenario
    design: str
    found: Sized | None
    missing: str = ""


def size_report(
    spec: Spec, answers: Sequence[SizeAnswer], schedules: bool
) -> list[str]:
    """Return the table of the answers; with ``schedules``, also the run with
    which the size below each smallest one fails."""
    rows: list[tuple[str, ...]] = []
    runs: list[str] = []
    most = 0
    for a in answers:
        name = a.scenario.name.text
        if a.found is None:
            rows.append((name, a.design, "n/a", a.missing))
            continue
        rows.append((name, a.design, *_sized_row(a.found)))
        most = max([most, *(at.states for at in a.found.sizes)])
        if schedules:
            runs += _schedule(a.found, a.scenario.title, name, a.design)
    return [
        *wrapped(f"{spec.file}: {spec.title}", "", "    "),
        "",
        *table(("scenario", "design", "least", "just below it"), rows),
        "",
        *wrapped(f"every state at each size, {most:,} at most", "  "),
        *runs,
    ]


def _sized_row(found: Sized) -> tuple[str, str]:
    """The least size, and what is known of the others."""
    sizes = [at.size for at in found.sizes if not at.unknown]
    reach = f"of {sizes[0]} to {sizes[-1]}" if sizes else "no size"
    for at in found.sizes:
        if at.unknown and found.smallest is None:
            return "?", f"unknown at {at.size}: {at.unknown}"
    below = found.just_below()
    parts = []
    if below is not None and below.failure is not None:
        kind = {"early": "fails early", "late": "fails late", "stuck": "is stuck"}.get(
            below.failure.kind
        )
        parts.append(f"{below.size} {kind or 'breaks ' + below.failure.kind}")
    if found.smallest is None:
        return "none", "; ".join([*parts, reach])
    if not found.monotone:
        again = [
            str(a.size)
            for a in found.sizes
            if a.size > found.smallest and a.failure is not None
        ]
        parts.append("NOT MONOTONE: " + ", ".join(again) + " not guaranteed")
    parts += [f"unknown at {a.size}: {a.unknown}" for a in found.sizes if a.unknown]
    return str(found.smallest), "; ".join([*parts, reach])


def _schedule(found: Sized, title: str, scenario: str, design: str) -> list[str]:
    """The run with which the size below fails, each step with its task."""
    at = found.just_below()
    if at is None or at.failure is None:
        return []
    failure = at.failure
    head = f"{scenario}, {design}, {found.bound} = {at.size}: {title}"
    lines = ["", *wrapped(head, "", "    ")]
    wide = max(map(len, failure.who), default=0)
    for number, (who, taken) in enumerate(
        zip(failure.who, failure.replay.taken, strict=True), 1
    ):
        call = show_step(failure.compiled.system, taken.step, taken.result)
        lines += wrapped(call, f"  {number:>3}. {who:<{wide}}  ", " " * (wide + 9))
    if failure.kind == "stuck":
        lines.append("  and nothing can happen any more")
    elif failure.kind not in ("early", "late"):
        lines.append(f"  and {failure.kind} is false")
    return lines
