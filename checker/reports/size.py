# SPDX-License-Identifier: GPL-2.0-only
"""The smallest pool of each scenario, as plain text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from poolproof.checker.driver.assumptions import together
from poolproof.checker.driver.size import Sized
from poolproof.checker.reports.schedule import replay_lines
from poolproof.checker.reports.text import indented, table, wrapped
from poolproof.checker.reports.words import assuming, unobserved
from poolproof.checker.spec.syntax import Scenario, Spec


@dataclass(frozen=True)
class SizeAnswer:
    """The answer for a scenario on a design; with ``found`` None, ``missing`` is the
    name that the design lacks."""

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
        rows.append((name, a.design, *_sized_row(a.found, spec.page)))
        most = max([most, *(at.states for at in a.found.sizes)])
        if schedules:
            runs += _schedule(a.found, a.scenario.title, name, a.design)
    return [
        *wrapped(f"{spec.file}: {spec.title}", "", "    "),
        "",
        *table(("scenario", "design", "least", "just below it"), rows),
        "",
        *wrapped(f"every state at each size, {most:,} at most", "  "),
        *_trust(answers),
        *runs,
    ]


def _trust(answers: Sequence[SizeAnswer]) -> Iterator[str]:
    """Yield what the answers on each design assume, and the variables that their
    states lack."""
    by: dict[str, list[tuple[str, Sized]]] = {}
    for a in answers:
        if a.found is not None:
            by.setdefault(a.design, []).append((a.scenario.name.text, a.found))
    for design, some in by.items():
        for assumed in together(found.assumptions for _, found in some):
            yield from indented(f"{design}: {assuming(assumed)}")
        alike: dict[tuple[str, ...], list[str]] = {}
        for name, found in some:
            alike.setdefault(found.unobserved, []).append(name)
        for variables, names in alike.items():
            where = design if len(alike) == 1 else f"{design}, {', '.join(names)}"
            if variables:
                yield from indented(f"{where}: {unobserved(variables)}")


def _sized_row(found: Sized, page: int) -> tuple[str, str]:
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
    least = str(found.smallest)
    if page:
        least += f" ({memory(found.smallest * page)})"
    return least, "; ".join([*parts, reach])


def memory(size: int) -> str:
    """Return bytes in the largest unit that has a whole number of them."""
    for power, unit in ((40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
        if size and size % (1 << power) == 0:
            return f"{size >> power} {unit}"
    return f"{size} bytes"


def _schedule(found: Sized, title: str, scenario: str, design: str) -> list[str]:
    """The run with which the size below fails, each call with its task."""
    at = found.just_below()
    if at is None or at.failure is None:
        return []
    failure = at.failure
    head = f"{scenario}, {design}, {found.bound} = {at.size}: {title}"
    lines = ["", *wrapped(head, "", "    ")]
    lines += replay_lines(failure.compiled, failure.replay, failure.who)
    if failure.kind == "stuck":
        lines.append("  and nothing can happen any more")
    elif failure.kind not in ("early", "late"):
        lines.append(f"  and {failure.kind} is false")
    return lines
